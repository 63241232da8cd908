package rehearsal

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

func TestTheSpeedOfAStageOfItsOwnIsShownAsFixed(t *testing.T) {
	b := openChromium(t)
	next, _ := begun(t, "region-degraded", "", staged(t))
	r := next()
	alice := b.open("Alice", *screens)
	alice.visit(r.slack.URL())
	alice.click("#worldButton", "")
	alice.until("why", `document.getElementById(document.querySelector('#speed:disabled').getAttribute('aria-describedby')).textContent.includes('another --speed')`)
	alice.picture("speed-fixed")
}

func TestEscapeLeavesTheTypedLineToEnter(t *testing.T) {
	b := openChromium(t)
	r := rehearsing(t, "region-degraded")
	alice := b.open("Alice", "")
	alice.visit(r.slack.URL())
	for _, dock := range []string{"world", "practice"} {
		line := "orders fail again, says the " + dock
		alice.click("#"+dock+"Button", "")
		alice.until("the panel", `!document.querySelector('#`+dock+`').hidden && document.querySelector('#`+dock+`Body').children.length`)
		alice.click("#text", "")
		alice.write(line)
		alice.escape()
		alice.until("the panel to be gone", `document.querySelector('#`+dock+`').hidden`)
		alice.enter()
		alice.until("the message", `[...document.querySelectorAll('#messages .text')].some((m) => m.textContent === '`+line+`')`)

		// From within the panel the focus goes to the button that opens it.
		alice.click("#"+dock+"Button", "")
		alice.until("the panel again", `!document.querySelector('#`+dock+`').hidden`)
		b.must(alice.eval(`document.querySelector('#`+dock+` summary, #`+dock+` button').focus()`, nil))
		alice.escape()
		alice.until("the focus on the button", `document.querySelector('#`+dock+`').hidden && document.activeElement.id === '`+dock+`Button'`)
	}
}

func TestTheResultOfTheFirstIncidentStaysWhileAnotherIsUnderWay(t *testing.T) {
	b := openChromium(t)
	check := axe(t)
	r := twice(t, former("resolved", "running")...)
	alice := b.open("Alice", *screens)
	alice.visit(r.slack.URL())
	b.must(alice.eval(check+";0", nil))
	alice.click("#practiceButton", "")
	alice.until("the result", `document.querySelector('#practice .result')`)
	alice.accessible("the result")
	alice.picture("result")
	row := func(name string) (cells []string) {
		t.Helper()
		b.must(alice.eval(`[...([...document.querySelectorAll('#practice .result tr')].find((r) => r.firstChild.textContent === '`+name+`') || document.createElement('tr')).children].slice(1).map((c) => c.textContent)`, &cells))
		return cells
	}
	for name, want := range map[string][]string{"": {"this run", "one before", "broken off"}, "Overridden": {"1", "0", "0"}, "To": {}} {
		if got := row(name); !slices.Equal(got, want) {
			t.Errorf("the row %q is %q, want %q", name, got, want)
		}
	}
	text := alice.text("#practice .result")
	for _, words := range []string{"INC-2026-0001 to us-west-2", "Under way now: INC-2026-0002 to us-east-1", "replication-lag"} {
		if strings.Count(text, words) != 1 {
			t.Errorf("%q is not there once:\n%s", words, text)
		}
	}
	alice.click("#practice .b", "Start over")
	alice.until("what would be lost", `document.querySelector('#confirm[open]').textContent.includes('INC-2026-0002 stands at')`)
	alice.escape()
	alice.click("#worldButton", "")
	alice.until("the result beside the world", `document.querySelector('#world .result').textContent.startsWith('INC-2026-0001 to us-west-2: ')`)
	alice.picture("result-world")

	// Once the second is over, the first is the one before.
	if _, err := r.record.Append(t.Context(), incident.Write{Incident: incident.NewID(2026, 2, ""), After: 2, Request: "over", Events: []incident.Event{
		{Time: r.scn.StartTime().Add(11 * time.Minute), Actor: "alice", Run: "failover-1", Body: incident.RunAborted{}},
		{Time: r.scn.StartTime().Add(12 * time.Minute), Actor: "alice", Run: "failover-1", Body: incident.IncidentResolved{}},
	}}); err != nil {
		t.Fatal(err)
	}
	alice.click("#practiceButton", "")
	alice.until("the second result", `document.querySelector('#practice .result').textContent.includes('INC-2026-0002 to us-east-1')`)
	alice.accessible("the second result")
	alice.picture("result-second")
	for name, want := range map[string][]string{"": {"this run", "one before", "2 before", "broken off"}, "To": {"us-east-1", "us-west-2", "us-west-2", "us-west-2"}} {
		if got := row(name); !slices.Equal(got, want) {
			t.Errorf("the row %q is %q, want %q", name, got, want)
		}
	}
}
