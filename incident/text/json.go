package text

import (
	"fmt"
	"strings"
	"unicode/utf16"
)

// JSON writes what steers a terminal or turns the direction of writing round as JSON's
// own escapes: another spelling of the same value, which can be looked at. data is
// JSON already, in which such characters stand inside strings alone.
func JSON(data []byte) []byte {
	if !strings.ContainsFunc(string(data), hidden) {
		return data
	}
	var out strings.Builder
	for _, r := range string(data) {
		switch {
		case !hidden(r):
			out.WriteRune(r)
		case r > 0xffff:
			a, b := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, a, b)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return []byte(out.String())
}

// hidden is what steers but for the white space between values.
func hidden(r rune) bool { return steers(r) && r != '\n' && r != '\t' && r != '\r' }
