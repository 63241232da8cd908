//go:build unix

package settings

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/providers"
)

func TestOnlyASettingsFileThatEndsIsRead(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(large, []byte(strings.Repeat("#", strict.Limit+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		pipe: "it is a named pipe, and has to be a regular file", "/dev/zero": "it is a device, and has to be a regular file",
		large: "it is larger than 1 MiB", t.TempDir(): "it is a folder, and has to be a regular file",
	} {
		if _, err := Load(path, environ(nil), providers.Parts()); err == nil || !strings.Contains(err.Error(), "read the settings: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
