package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What the environment holds neither matters nor shows.
func TestARehearsalTakesNoCredentials(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "KUBECONFIG", "SLACK_BOT_TOKEN"} {
		t.Setenv(name, "must-not-be-read")
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	out := t.TempDir()
	var stdout, stderr bytes.Buffer
	if code := run(ctx, []string{"rehearse", "--auto", "--listen", "127.0.0.1:0", "--out", out}, &stdout, &stderr, os.Getenv); code != exitDone {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte("must-not-be-read")) {
			t.Errorf("%s holds a value of the environment", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
