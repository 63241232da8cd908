package commands

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/incident/text"
)

// frank is a responder who has not answered anything yet; the roster has him where
// offers are tried.
const frank = "frank"

// everyone may be asked to take an offer: whoever may, has to be able to.
var everyone = []string{alice, bob, carol, dave, erin, frank}

// fork is the room as it stands, where something can be tried.
func (r *room) fork() *room {
	memory, ok := r.log.Log.(*enginetest.Memory)
	if !ok {
		return nil
	}
	o := r.Options
	clock, eng := &stoppedClock{now: r.clock.Now()}, &fakeEngine{
		effects: r.engine.effects, fingerprint: r.engine.fingerprint, err: r.engine.err, findings: r.engine.findings, other: r.engine.other,
	}
	log := &brokenLog{Log: memory.Clone(), fail: r.log.fail, why: r.log.why}
	o.Roster = append(slices.Clone(o.Roster), person(frank, "Frank", false, Responder))
	o.Book, o.Clock, o.Engine = incident.NewBook(log), clock, eng
	return &room{t: r.t, clock: clock, engine: eng, log: log, active: r.active, down: r.down, faults: r.faults, Commands: New(o, zerolog.Nop())}
}

// blank is what whoever takes an offer fills in.
var blank = regexp.MustCompile(`\b[A-Z]{3,}\b`)

// offered are the orders of an answer as they would be typed.
func offered(t text.Text) (lines []string) {
	for s := range t.Spans() {
		if s.Kind == text.Order && s.Text != "" {
			line := strings.NewReplacer("REASON", "because of the test", "TEXT", "as we saw", "STEP", "").Replace(s.Text)
			if !blank.MatchString(line) && !strings.ContainsAny(line, "[|") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// tries takes each way on that an answer offers, as somebody who may, in the room as it
// stands: what is offered is accepted.
func (tr *transcript) tries(how string, ask Ask, a Answer) {
	tr.t.Helper()
	if _, known := findVerb(strings.ReplaceAll(ask.Verb, "-", "_")); !known || ask.Verb == "help" || tr.room.fork() == nil {
		return // what is named there is all that there is, and what was typed
	}
	if strings.Contains(shown(a.Text), "Did you mean") || strings.Contains(shown(a.Text), "did you mean") {
		return // that says what was typed, perhaps, and not what may be done
	}
	var before []Ask
	for _, line := range offered(a.Text) {
		verb, rest := Parse(line)
		ask := Ask{Verb: verb, Text: rest, CanForm: true}
		tr.accepted(how, "{"+line+"}", before, ask)
		before = append(before, ask)
	}
	for _, b := range a.Buttons {
		tr.accepted(how, "["+b.Label+"]", nil, Ask{Verb: b.Verb, On: b.On, Incident: b.Incident, CanForm: true})
	}
}

// accepted asserts that somebody can take the offer, as things stand or once they have
// taken those before it in the same answer: "... {abort}, then {resolve}".
func (tr *transcript) accepted(how, offer string, before []Ask, ask Ask) {
	tr.t.Helper()
	var said []string
	for first := range len(before) + 1 {
		for _, person := range everyone {
			r := tr.room.fork()
			n := 0
			do := func(ask Ask) Answer {
				n++
				ask.Via, ask.Request = by(person), fmt.Sprint("offer ", offer, person, n)
				return r.Do(tr.t.Context(), ask)
			}
			for _, b := range before[len(before)-first:] {
				b.CanForm = false
				if back := do(b); len(back.Buttons) > 0 { // it asks back
					last := back.Buttons[len(back.Buttons)-1]
					do(Ask{Verb: last.Verb, On: last.On, Incident: last.Incident, Text: "because of the test"})
				}
			}
			a := do(ask)
			if !a.Refused {
				return
			}
			if says := name(person) + ": " + shown(a.Text); !slices.Contains(said, says) {
				said = append(said, says)
			}
		}
	}
	tr.t.Errorf("after %q %s is offered, and nobody can take it:\n\t%s", text.Shorten(how, 150), offer, text.Shorten(strings.Join(said, "\n\t"), 900))
}
