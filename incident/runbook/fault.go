package runbook

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// Fault is one thing that is wrong with a runbook, and where.
type Fault = strict.Fault

// Faults is everything that is wrong with a runbook, sorted by place. It is the
// error of [Load] and of [Source.Compile].
type Faults = strict.Faults

type place = strict.Place

// Unread is a runbook file that could not be opened at all.
type Unread struct {
	File string
	Err  error
}

// Error names the file once: what the file system says names it again.
func (u *Unread) Error() string {
	err := u.Err
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return fmt.Sprintf("read runbook %s: %v", u.File, err)
}

// Unwrap returns the file system's error.
func (u *Unread) Unwrap() error { return u.Err }

// Under returns the error with dir put before the file's name, as [Faults.Under].
func (u *Unread) Under(dir string) *Unread {
	return &Unread{File: path.Join(dir, u.File), Err: u.Err}
}

// Under puts dir before the names of files in an error of [Load], [LintFile] or
// [Source.Compile]. Another error is returned as it is.
func Under(err error, dir string) error {
	var faults Faults
	var unread *Unread
	switch {
	case errors.As(err, &faults):
		return faults.Under(dir)
	case errors.As(err, &unread):
		return unread.Under(dir)
	}
	return err
}
