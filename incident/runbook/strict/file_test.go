//go:build unix

package strict

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
)

// A pipe would be waited for and a device never ends: neither is opened.
func TestOnlyRegularFilesOfASaneSizeAreRead(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := syscall.Mkfifo(in("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"full": Limit, "large": Limit + 1} {
		if err := os.WriteFile(in(name), bytes.Repeat([]byte("#"), size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(in("full"), in("link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{in("full"), in("link")} {
		if data, err := ReadFile(name); err != nil || len(data) != Limit {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
	}
	for name, want := range map[string]string{
		in("pipe"):  "read " + in("pipe") + ": it is a named pipe, and has to be a regular file",
		"/dev/zero": "read /dev/zero: it is a device, and has to be a regular file",
		dir:         "read " + dir + ": it is a folder, and has to be a regular file",
		in("large"): "read " + in("large") + ": it is larger than 1 MiB, and such a file has a few kB",
	} {
		if _, err := ReadFile(name); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if _, err := ReadFile(in("nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := ReadFS(os.DirFS(dir), "pipe"); err == nil || !strings.Contains(err.Error(), "a named pipe") {
		t.Errorf("in a file system: %v", err)
	}
	if data, err := ReadFS(fstest.MapFS{"a": {Data: []byte("x")}}, "a"); err != nil || string(data) != "x" {
		t.Errorf("in a file system: %q, %v", data, err)
	}
}
