package runbook

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a runbook, and where.
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

// Faults is everything that is wrong with a runbook, sorted by place. It is the
// error of [Load] and of [Source.Compile].
type Faults []Fault

// Error lists the faults, one a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
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

// err is nil for no faults: a Faults of length zero in an error would not be.
func (f Faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// tidy sorts by place and drops repetitions, which come from compiling the same
// step for each mode and each service.
func (f Faults) tidy() Faults {
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

// place is where something stands in the files.
type place struct {
	file         string
	line, column int
}

func (p place) String() string { return fmt.Sprintf("%s:%d:%d", p.file, p.line, p.column) }

func (p place) fault(format string, args ...any) Fault {
	return Fault{File: p.file, Line: p.line, Column: p.column, Text: fmt.Sprintf(format, args...)}
}

// meant is `; did you mean "x"?` when one of the known words is close to the
// given one, and otherwise what the known words are, if they are few.
func meant(word string, known []string) string {
	if best := nearest(word, known); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	if len(known) == 0 || len(known) > 12 {
		return ""
	}
	return "; it may be " + list(known, "or")
}

// nearest is the known word that takes the fewest edits, or "" when none is near.
func nearest(word string, known []string) string {
	best, least := "", max(1, len(word)/3)+1
	for _, k := range slices.Sorted(slices.Values(known)) {
		if d := edits(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// edits counts insertions, deletions, replacements and swaps of neighbours.
func edits(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			change := 1
			if x[i-1] == y[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}

// list writes words as people do: "a", "b" or "c".
func list(words []string, last string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " " + last + " " + quoted[len(quoted)-1]
}
