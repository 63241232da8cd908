package text

import (
	"strings"
	"testing"
)

func TestNothingThatIsPrintedSteersATerminal(t *testing.T) {
	for in, want := range map[string]string{
		"a\tb\n":                        "a\tb\n",
		"\x1b]0;title\x07 \x1b[31mred":  "]0;title [31mred",
		"\u009b2J \u202eevil\u2069\x00": "2J evil",
		"over\rwritten":                 "overwritten",
		"Zoë, 東京, 👩‍🚒":                  "Zoë, 東京, 👩‍🚒",
		"\x9b\xff":                      "\ufffd",
	} {
		for _, size := range []int{1, 2, 3, len(in)} {
			var out strings.Builder
			w := Terminal(&out)
			for rest := in; rest != ""; {
				n := min(size, len(rest))
				if wrote, err := w.Write([]byte(rest[:n])); wrote != n || err != nil {
					t.Fatalf("Write = %d, %v", wrote, err)
				}
				rest = rest[n:]
			}
			// Each piece of what is no text at all may be marked on its own.
			if got := strings.ReplaceAll(out.String(), "\ufffd\ufffd", "\ufffd"); got != want {
				t.Errorf("%q in pieces of %d is %q, want %q", in, size, got, want)
			}
		}
	}
}
