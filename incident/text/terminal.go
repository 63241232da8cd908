package text

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

// Terminal is w without what would steer the terminal that reads it: whatever is
// printed, and whoever typed it, comes out as characters, line breaks and tabs. A
// character that is written in two pieces is kept until it is whole. It may be used by
// anybody at any time.
func Terminal(w io.Writer) io.Writer { return &terminal{w: w} }

type terminal struct {
	w    io.Writer
	mu   sync.Mutex
	rest []byte // the beginning of a character
}

// Write writes what is harmless of p, and says that all of it was written.
func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := append(t.rest, p...)
	whole := len(all) - unfinished(all)
	t.rest = bytes.Clone(all[whole:])
	if _, err := io.WriteString(t.w, harmless(string(all[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// unfinished is how many bytes at the end begin a character that is not there yet.
func unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if last := b[len(b)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

// harmless keeps the lines and columns of a text and takes out what steers.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && steers(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}
