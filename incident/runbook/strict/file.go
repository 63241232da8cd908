package strict

import (
	"errors"
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
func ReadFile(name string) ([]byte, error) { return ReadUpTo(name, Limit) }

// ReadUpTo is [ReadFile] of what the program itself wrote, with a limit of its own in
// bytes.
func ReadUpTo(name string, limit int) ([]byte, error) {
	return read(name, limit, os.Stat, func(name string) (fs.File, error) { return os.Open(filepath.Clean(name)) })
}

// ReadFS is [ReadFile] in a file system.
func ReadFS(fsys fs.FS, name string) ([]byte, error) {
	return read(name, Limit, func(name string) (fs.FileInfo, error) { return fs.Stat(fsys, name) }, fsys.Open)
}

func read(name string, limit int, stat func(string) (fs.FileInfo, error), open func(string) (fs.File, error)) ([]byte, error) {
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
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > limit {
		usual := ""
		if limit == Limit {
			usual = ", and such a file has a few kB"
		}
		return wrong("it is larger than %d MiB%s", limit>>20, usual)
	}
	return data, nil
}

// Writable says why a file cannot be written, where that can be seen without opening it:
// it is there and no regular file, or a link to something that is not there. Writing to
// a pipe would wait for its other end, and a device takes what it is given. The error is
// a [fs.PathError]; nil for a file that is not there yet.
func Writable(name string) error {
	wrong := func(format string, args ...any) error {
		return &fs.PathError{Op: "write", Path: name, Err: fmt.Errorf(format, args...)}
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if at, err := os.Lstat(name); err == nil && at.Mode()&fs.ModeSymlink != 0 {
			return wrong("it is a link to a file that is not there")
		}
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return wrong("it is %s, and has to be a regular file", kindOf(info.Mode()))
	}
	return nil
}

// OpenFile is [os.OpenFile] for what the program writes: a regular file, or one that is
// not there yet; see [Writable].
func OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	if err := Writable(name); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Clean(name), flag, perm)
}

// WriteFile is [os.WriteFile] for what the program writes; see [Writable].
func WriteFile(name string, data []byte, perm fs.FileMode) error {
	f, err := OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
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
