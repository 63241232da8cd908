//go:build unix

package slack

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/failoverbot/failoverbot/templates"
)

// A message's text is a file that ends, wherever people keep theirs.
func TestOnlyTemplatesThatEndAreRead(t *testing.T) {
	for want, put := range map[string]func(name string) error{
		"it is a named pipe": func(name string) error { return syscall.Mkfifo(name, 0o600) },
		"it is a device":     func(name string) error { return os.Symlink("/dev/zero", name) },
		"it is a folder":     func(name string) error { return os.Mkdir(name, 0o700) },
		"it is larger than":  func(name string) error { return os.WriteFile(name, make([]byte, 2<<20), 0o600) },
	} {
		dir := t.TempDir()
		own, err := fs.Sub(templates.FS, "message")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(dir, "message"), own); err != nil {
			t.Fatal(err)
		}
		if _, err := loadWords(os.DirFS(dir), ""); err != nil {
			t.Fatal(err)
		}
		card := filepath.Join(dir, "message", "card.tmpl")
		if err := os.Remove(card); err != nil {
			t.Fatal(err)
		}
		if err := put(card); err != nil {
			t.Fatal(err)
		}
		if _, err := loadWords(os.DirFS(dir), ""); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "card.tmpl") {
			t.Errorf("%s: %v", want, err)
		}
	}
}
