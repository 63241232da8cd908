package sim

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// folder is where a world is kept that several processes play in: the stage of a
// rehearsal and a bot of its own. Its file counts how often the world was saved,
// and whoever holds a lock on it has the world to itself.
type folder struct {
	file *os.File
	seen uint64 // the count that this process knows the world of
}

func openFolder(dir string) (*folder, error) {
	file, err := strict.OpenFile(filepath.Join(dir, "saved"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	return &folder{file: file}, nil
}

// Kept says that a folder may be emptied for a new world: it is not there, it is empty,
// or it holds a world of before.
func Kept(dir string) bool {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil || !info.IsDir() {
		return false
	}
	there, err := os.ReadDir(dir)
	return err == nil && (len(there) == 0 || slices.ContainsFunc(there, func(e fs.DirEntry) bool { return e.Name() == "saved" }))
}

// lock waits until no other process is in the world, and says whether one has
// changed it meanwhile.
func (f *folder) lock() (changed bool) {
	// Without a lock, which only a broken file system refuses, nothing is worse than
	// before there were locks.
	_ = lockFile(f.file)
	var b [8]byte
	if _, err := f.file.ReadAt(b[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return true
	}
	now := binary.BigEndian.Uint64(b[:])
	changed, f.seen = now != f.seen, now
	return changed
}

func (f *folder) unlock() { _ = unlockFile(f.file) }

// changes counts a change that is about to be saved: one that is counted and not
// saved, for the process died, is only read once too often. The folder is locked.
func (f *folder) changes() error {
	f.seen++
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], f.seen)
	_, err := f.file.WriteAt(b[:], 0)
	return err
}

// close of no folder is nothing.
func (f *folder) close() error {
	if f == nil {
		return nil
	}
	return f.file.Close()
}
