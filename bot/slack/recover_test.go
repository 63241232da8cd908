package slack

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/incident"
)

// In a thread where people wrote thousands of replies, what was said last and not
// written down is found, and not said again.
func TestWhatWasSaidLastIsFoundInALongThread(t *testing.T) {
	s := newStage(t)
	kill := s.start(s.log)
	id := s.open()
	s.play(id, newStory("unplanned").readiness())
	s.sleep(10 * time.Second)
	kill()
	card, _ := s.message(keyCard)
	for n := range 2300 {
		if o := s.as("UEVE", "say", slacksim.Deed{Channel: channel, ThreadTS: card.TS, Text: fmt.Sprint("any news? ", n)}); !o.OK {
			t.Fatalf("reply %d: %s", n, o.Reason)
		}
	}
	d := &dying{Log: s.log, left: 0, die: func() {}}
	kill = s.start(d)
	s.happen(id, "UALICE", incident.NoteAdded{Text: "the last line before the end"})
	s.sleep(10 * time.Second)
	kill()
	lines := func() (n int) {
		for _, m := range s.slack.Messages(channel) {
			if m.ThreadTS == card.TS && strings.Contains(shows(m), "the last line before the end") {
				n++
			}
		}
		return n
	}
	if lines() != 1 {
		t.Fatalf("said %d times before the end", lines())
	}
	s.start(s.log)
	s.sleep(time.Minute)
	if lines() != 1 {
		t.Errorf("said %d times", lines())
	}
}
