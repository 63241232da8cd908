package commands

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// asks puts what a check lacks on the platform log, as the schedule does, and returns the
// id of the newest question.
func (r *room) asks(wanted ...incident.Wanted) string {
	r.t.Helper()
	if err := r.Book.AskFor(r.t.Context(), wanted, r.clock.Now(), 0); err != nil {
		r.t.Fatal(err)
	}
	asked := r.platform().Asked()
	return asked[len(asked)-1].Confirmation
}

func (r *room) platform() *incident.Platform {
	r.t.Helper()
	var p *incident.Platform
	if err := r.Book.View(r.t.Context(), incident.PlatformLog, func(s *incident.State) { p = s.Platform }); err != nil {
		r.t.Fatal(err)
	}
	return p
}

func accessOf(people ...string) incident.Wanted {
	return incident.Wanted{Subject: incident.Access, Of: people, Question: "Can you open both?", Yes: "I can open both", No: "I cannot"}
}

func playConfirm(_ *testing.T, tr *transcript) {
	r := tr.in("what only people know", newRoom(tr.t))
	first := r.asks(accessOf(alice))
	tr.presses(bob, "confirm", first)
	tr.presses(alice, "confirm", first)
	r.clock.turn(25 * time.Hour)
	r.asks(accessOf(alice))
	tr.presses(alice, "deny", first)
	tr.says(bob, "confirm access")
	tr.says(bob, "deny access the password has run out")
	tr.says(bob, "confirm")
	tr.says(bob, "confirm the weather")
	tr.says(dave, "confirm freeze")
	tr.says(alice, "confirm freeze")
	tr.says(alice, "deny egress")
	tr.says(mallory, "confirm access")
	tr.says(mallory, "here")

	r = tr.in("who is here", started(tr.t))
	tr.says(bob, "here commander")
	tr.says(bob, "here tomorrow")
	tr.says(alice, "here")
	tr.says(erin, "here")
	tr.says(dave, "here")
	r.Supports = func(context.Context, incident.Via) (bool, error) { return false, errors.New("Slack is away") }
	tr.says(mallory, "here")
	r.Supports = func(_ context.Context, via incident.Via) (bool, error) { return via == by(mallory), nil }
	tr.says(dave, "here")
	tr.says(mallory, "here")
	tr.says(mallory, "here")
	tr.says(alice, "resolve")
	tr.says(alice, "abort leave x")
	tr.says(alice, "resolve unserved x")
	tr.hears("Mallory is here again", Ask{Via: by(mallory), Verb: "here", On: incident.Supporting, Incident: "INC-2026-0001"})
}

// Whoever presses, it is said in their own name, once, and by those who were asked alone.
func TestNobodyAnswersInTheNameOfOthers(t *testing.T) {
	r := newRoom(t)
	id := r.asks(accessOf(alice))
	if a := r.ask(Ask{Via: by(bob), Verb: "confirm", On: id}); !a.Refused {
		t.Errorf("Bob answered for Alice: %s", a.Text)
	}
	if a := r.ask(Ask{Via: by(mallory), Verb: "confirm", On: id}); !a.Refused {
		t.Errorf("a stranger answered for Alice: %s", a.Text)
	}
	r.say(bob, "confirm access")
	if _, said := r.platform().Said(incident.Access, alice); said || r.platform().Asked()[0].Answer != nil {
		t.Error("something was said in Alice's name")
	}
	press := Ask{Via: by(alice), Verb: "confirm", On: id, Request: "one click"}
	for range 2 { // it arrives twice
		if a := r.ask(press); a.Refused {
			t.Fatal(a.Text)
		}
	}
	events, err := r.log.Log.Read(t.Context(), incident.PlatformLog, 0, 0)
	if err != nil || len(events) != 3 {
		t.Errorf("%d events, %v: asked, Bob's and Alice's are wanted", len(events), err)
	}
	said, ok := r.platform().Said(incident.Access, alice)
	if !ok || !said.Yes || !said.At.Equal(r.clock.Now()) || said.Confirmation != id {
		t.Errorf("%+v", said)
	}
	last := events[len(events)-1]
	if last.Actor != alice || last.Via == nil || *last.Via != by(alice) {
		t.Errorf("by %s, %v", last.Actor, last.Via)
	}
}

// Support is whoever the settings name, on the roster or not; a stranger is named by the
// face that they came by.
func TestSupportIsWhomTheSettingsName(t *testing.T) {
	r := started(t)
	var asked []incident.Via
	r.Supports = func(_ context.Context, via incident.Via) (bool, error) {
		asked = append(asked, via)
		return via.ID == "UMALLORY", nil
	}
	if a := r.ask(Ask{Via: by(alice), Verb: "here", On: incident.Supporting}); !a.Refused {
		t.Errorf("a commander is of support: %s", a.Text)
	}
	if a := r.ask(Ask{Via: by(mallory), Verb: "here", On: incident.Supporting}); a.Refused {
		t.Error(a.Text)
	}
	if a := r.ask(Ask{Via: by(mallory), Verb: "here", On: incident.Commanding}); !a.Refused {
		t.Errorf("a stranger commands: %s", a.Text)
	}
	there, ok := r.state().Here(incident.Supporting)
	if !ok || there.By != mallory || len(asked) != 2 {
		t.Errorf("%+v, asked for %v", there, asked)
	}
	if _, ok := r.state().Here(incident.Commanding); ok {
		t.Error("the commander is said to be here")
	}
}
