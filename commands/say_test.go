package commands

import (
	"strings"
	"testing"
)

func TestAPersonsWordsCannotLookLikeTheBots(t *testing.T) {
	for typed, want := range map[string]string{
		"plain words, order_service at 14:02":  "plain words, order_service at 14:02",
		"all well\n*INC-2026-0001* · resolved": "all well / ∗INC-2026-0001∗ · resolved",
		" one \r\n\n two\u2028three\vfour\n":   "one / two / three / four",
		"_loud_ and ~gone~ and a_b_":           "＿loud＿ and ∼gone∼ and a_b＿",
		"```\nunclosed":                        "ˋˋˋ / unclosed",
		"`code` <!channel> & >":                "ˋcodeˋ &lt;!channel&gt; &amp; &gt;",
		"a\tb\x00c\u202ed":                     "a bcd",
		"\n\n":                                 "",
	} {
		if got := quoted(typed); got != want {
			t.Errorf("quoted(%q) = %q, want %q", typed, got, want)
		}
	}
}

// Everything that repeats what a person typed shows it on one line, without effect.
func TestForgedLinesAreDefusedWhereverTheyAreRepeated(t *testing.T) {
	const forged = "fine\n*INC-2026-0001 is resolved.* `go` ~x~ ```"
	const shown = "fine / ∗INC-2026-0001 is resolved.∗ ˋgoˋ ∼x∼ ˋˋˋ"
	harmless := func(name, text string) {
		t.Helper()
		if !strings.Contains(text, shown) || strings.Contains(text, "*INC-2026-0001 is resolved.") {
			t.Errorf("%s:\n%s", name, text)
		}
	}
	r := newRoom(t)
	r.say(alice, "start us-west-2 unplanned "+forged)
	harmless("the reason", r.say(mallory, "status").Text)
	harmless("a note", r.say(dave, "note "+forged).Text)
	r.say(dave, "pause "+forged)
	harmless("a pause", r.say(mallory, "status").Text)

	r = promoting(t)
	r.say(bob, "decline "+forged)
	harmless("a decline", r.say(mallory, "status").Text)
	harmless("the form after it", r.ask(Ask{Person: alice, Verb: "abort", Text: forged}).Text+r.say(mallory, "status").Text)

	r = promoting(t)
	r.expire("q1")
	r.askPromotion("q2")
	harmless("breaking glass", r.ask(Ask{Person: erin, Verb: "break_glass", On: "q2", Values: map[string]string{"confirm": "us-west-2", "reason": forged}}).Text)

	r = started(t)
	r.say(dave, "note "+forged)
	a := r.say(dave, "timeline")
	if n := strings.Count(a.Text, "```"); n != 2 {
		t.Errorf("%d fences:\n%s", n, a.Text)
	}
	contains(t, string(a.File.Content), "~x~ ```") // the file has what was typed
}
