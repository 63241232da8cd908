package text

import (
	"slices"
	"strings"
	"unicode"
)

// lineBreaks is whatever some reader of text takes for the end of a line.
const lineBreaks = "\n\v\f\r\u0085\u2028\u2029"

// line is text from outside on one line: its lines are parted by a stroke, so that
// none of them can be taken for one of the bot's.
func line(s string) string {
	lines := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(lineBreaks, r) })
	for i, l := range lines {
		lines[i] = strings.TrimSpace(clean(l, false))
	}
	lines = slices.DeleteFunc(lines, func(l string) bool { return l == "" })
	return strings.Join(lines, " / ")
}

// Inline is text from outside as a part of one line of characters: with single
// spaces, and without what steers a terminal, turns the direction of writing round
// or is no text at all. What is typed into a terminal, a file or a field that takes
// no markup goes through it.
func Inline(s string) string { return strings.Join(strings.Fields(clean(s, false)), " ") }

// clean takes out of a text what steers a terminal or turns the direction of writing
// round, and what is no text at all. Line breaks become one kind, or spaces.
func clean(s string, lines bool) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(lineBreaks, r) && lines:
			return '\n'
		case strings.ContainsRune(lineBreaks, r), r == '\t':
			return ' '
		case steers(r):
			return -1
		}
		return r
	}, s)
}

// steers says that a character is none that people read: a control character of
// either set, or one that turns the direction of writing round.
func steers(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }
