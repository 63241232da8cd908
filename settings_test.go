package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tokens are those of an environment in which nothing is missing.
var tokens = map[string]string{
	"SLACK_BOT_TOKEN": "xoxb-1-secret", "SLACK_APP_TOKEN": "xapp-1-secret", "REDIS_URL": "redis://:secret@127.0.0.1:6379",
	"PAGERDUTY_ROUTING_KEY": "secretkey0secretkey0secretkey0ab", "SYNTHETIC_TEST_TOKEN": "secret-order",
}

const example = "deploy/config.example.yaml"

// written is the example with one thing replaced.
func written(t *testing.T, old, by string) string {
	t.Helper()
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if old != "" {
		if strings.Count(text, old) == 0 {
			t.Fatalf("the example has no %q", old)
		}
		text = strings.Replace(text, old, by, 1)
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// edited is the text of the example with each of these replaced everywhere.
func edited(t *testing.T, by map[string]string) string {
	t.Helper()
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for old, one := range by {
		if !strings.Contains(text, old) {
			t.Fatalf("the example has no %q", old)
		}
		text = strings.ReplaceAll(text, old, one)
	}
	return text
}
