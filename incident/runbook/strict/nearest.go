package strict

import (
	"fmt"
	"strings"

	"github.com/failoverbot/failoverbot/incident/text"
)

// DidYouMean is `; did you mean "x"?` when one of the known words is close to the
// given one, and otherwise what the known words are, if they are few. It may be
// empty.
func DidYouMean(word string, known []string) string {
	if best := text.Nearest(word, known); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	if len(known) == 0 || len(known) > 12 {
		return ""
	}
	return "; it may be " + List(known, "or")
}

// List writes words as people do: "a", "b" or "c".
func List(words []string, last string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " " + last + " " + quoted[len(quoted)-1]
}
