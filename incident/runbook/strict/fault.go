package strict

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a file, and where.
type Fault struct {
	File string
	// Line and Column count from 1; 0 when the whole file is meant.
	Line, Column int
	Text         string
}

// String is the fault as compilers write it: file:line:column: text.
func (f Fault) String() string {
	switch {
	case f.Line == 0:
		return f.File + ": " + f.Text
	case f.Column == 0:
		return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text)
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Text)
}

// Faults is everything that is wrong with a file, or with several that belong
// together. As an error it has at least one; see [Faults.Err].
type Faults []Fault

// Error lists the faults, one a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// Err is nil for no faults: a Faults of length zero in an error would not be.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// Under returns the faults with dir put before each file's name: for a caller
// whose file system was rooted somewhere below what people type.
func (f Faults) Under(dir string) Faults {
	out := slices.Clone(f)
	for i := range out {
		out[i].File = path.Join(dir, out[i].File)
	}
	return out
}

// Sorted returns the faults in the order of the files, each once: the same one
// may have been found on several ways.
func (f Faults) Sorted() Faults {
	out := slices.Clone(f)
	slices.SortStableFunc(out, func(a, b Fault) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Text, b.Text),
		)
	})
	return slices.Compact(out)
}

// Place is where something stands in a file. Line and column count from 1.
type Place struct {
	File         string
	Line, Column int
}

// String is file:line:column.
func (p Place) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Fault is what is wrong at that place.
func (p Place) Fault(format string, args ...any) Fault {
	return Fault{File: p.File, Line: p.Line, Column: p.Column, Text: fmt.Sprintf(format, args...)}
}
