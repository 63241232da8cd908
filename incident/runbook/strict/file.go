package strict

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Limit is the most bytes that a file may have. The longest of the built-in ones
// has a few thousand; reading YAML takes several times its size in memory.
const Limit = 1 << 20

// ReadFile reads a file that people wrote: a regular file of at most [Limit] bytes.
// Opening a pipe would wait for its other end, and a device may have no end at all;
// both are refused without being opened. Its error is a [fs.PathError] that
// [errors.Is] can ask.
func ReadFile(name string) ([]byte, error) {
	return read(name, os.Stat, func(name string) (fs.File, error) { return os.Open(filepath.Clean(name)) })
}

// ReadFS is [ReadFile] in a file system.
func ReadFS(fsys fs.FS, name string) ([]byte, error) {
	return read(name, func(name string) (fs.FileInfo, error) { return fs.Stat(fsys, name) }, fsys.Open)
}

func read(name string, stat func(string) (fs.FileInfo, error), open func(string) (fs.File, error)) ([]byte, error) {
	info, err := stat(name)
	if err != nil {
		return nil, err
	}
	wrong := func(format string, args ...any) ([]byte, error) {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf(format, args...)}
	}
	if !info.Mode().IsRegular() {
		return wrong("it is %s, and has to be a regular file", kindOf(info.Mode()))
	}
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, Limit+1))
	if err != nil {
		return nil, err
	}
	if len(data) > Limit {
		return wrong("it is larger than %d MiB, and such a file has a few kB", Limit>>20)
	}
	return data, nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "no file"
}
