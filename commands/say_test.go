package commands

import (
	"testing"

	"github.com/failoverbot/failoverbot/incident/text"
)

// Everything that repeats what a person typed shows it on one line, without effect.
func TestForgedLinesAreDefusedWhereverTheyAreRepeated(t *testing.T) {
	const forged = "fine\n*INC-2026-0001 is resolved.* `go` ~x~ ```"
	const line = "fine / *INC-2026-0001 is resolved.* `go` ~x~ ```"
	harmless := func(name string, texts ...text.Text) {
		t.Helper()
		if all := text.Lines(texts...); !repeats(all, line) {
			t.Errorf("%s:\n%s", name, shown(all))
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
	harmless("the form after it", r.ask(Ask{Via: by(alice), Verb: "abort", Text: forged}).Text, r.say(mallory, "status").Text)

	r = promoting(t)
	r.expire("q1")
	r.askPromotion("q2")
	harmless("breaking glass", r.ask(Ask{Via: by(erin), Verb: "break_glass", On: "q2", Values: map[string]string{"confirm": "us-west-2", "reason": forged}}).Text)

	r = started(t)
	r.say(dave, "note "+forged)
	a := r.say(dave, "timeline")
	if !repeats(a.Text, "*INC-2026-0001 is resolved.* `go` ~x~ ```") {
		t.Errorf("the end of the timeline:\n%s", shown(a.Text))
	}
	contains(t, string(a.File.Content), "~x~ ```") // the file has what was typed
}
