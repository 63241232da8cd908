package commands

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// movingPlanned is a room in which Alice has begun a planned failover, with the
// promotion to be approved.
func movingPlanned(t *testing.T) *room {
	t.Helper()
	r := newRoom(t)
	if a := r.say(alice, "start us-west-2 planned elevated 5xx"); a.Refused {
		t.Fatal(a.Text)
	}
	r.bot(incident.StepStarted{Step: "source-answers", Attempt: 1, NonBlocking: true})
	r.bot(finished("outage-seen", "lag-low", "backup-fresh")...)
	r.askGo()
	r.say(alice, "go")
	r.bot(finished("scale-up")...)
	r.askPromotion("q1")
	return r
}

// source is what the watch of the Region that is left sees.
func (r *room) source(v incident.Verdict, state string) {
	r.bot(incident.WatchObserved{Step: "source-answers", Summary: "us-east-1 " + state, State: state, Measured: incident.Measured{Verdict: v}})
}

func TestASwitchIsANewRunThatFollowsTheFirst(t *testing.T) {
	r := movingPlanned(t)
	r.source(incident.Fail, "lost")
	added := r.added(func() {
		if a := r.say(bob, "switch unplanned us-east-1 is gone"); a.Refused || !a.Public {
			t.Fatalf("%+v", a)
		}
	})
	if added != "ApprovalWithdrawn RunEnded RunBegun" {
		t.Errorf("appended %s", added)
	}
	s := r.state()
	first, next := s.Runs[0], s.Runs[1]
	if first.Ended.How != incident.Superseded || first.EndedBy != bob || len(first.Open) > 0 || first.MitigatedAt != (time.Time{}) {
		t.Errorf("the first run ended as %+v", first.Ended)
	}
	if next.Name != "failover-2" || next.Follows != "failover-1" || next.Mode != unplanned || next.BegunBy != bob || next.Source != "us-east-1" || next.Target != "us-west-2" || next.GoBy != "" {
		t.Errorf("the next run is %+v", next)
	}
	holder, err := r.log.Log.Holder(t.Context())
	if err != nil || holder.Run != "failover-2" {
		t.Errorf("what may change things now is %+v, %v", holder, err)
	}
	// Nothing of the first run is answered any more, and who switched may not approve.
	r.refusedWith(func() Answer {
		return r.ask(Ask{Via: by(carol), Verb: "approve", On: "q1", Values: map[string]string{"confirm": "us-west-2"}})
	}, "withdrawn", "switched to an unplanned one")
	r.bot(finished("outage-seen", "lag-low", "backup-fresh")...)
	r.bot(incident.ApprovalAsked{Question: "q2", Kind: incident.AskApprove, Step: "promote-database", Title: "Promote the database", Role: Approver, Confirm: "us-west-2"})
	r.refusedWith(func() Answer { return r.say(bob, "approve us-west-2") }, "someone else has to approve")
	r.refusedWith(func() Answer { return r.say(alice, "switch unplanned again") }, "is an unplanned failover already")
}

func TestTwoWhoSwitchAtOnceSwitchOnce(t *testing.T) {
	r := movingPlanned(t)
	r.source(incident.Fail, "lost")
	other := r.Options // another replica
	other.Book = incident.NewBook(r.log.Log)
	replica := New(other, zerolog.Nop())
	r.log.sooner = func() {
		if a := replica.Do(t.Context(), Ask{Via: by(bob), Verb: "switch", Text: "unplanned it is gone"}); a.Refused {
			t.Error(a.Text)
		}
	}
	if a := r.say(alice, "switch unplanned us-east-1 is gone"); !a.Refused {
		t.Errorf("both switched: %s", a.Text)
	}
	if n := len(r.state().Runs); n != 2 {
		t.Errorf("%d runs", n)
	}
}

// An approval that is pressed in the moment of the switch is a yes to the run that
// ended, and to nothing else.
func TestAnApprovalInTheMomentOfTheSwitchIsNoApproval(t *testing.T) {
	r := movingPlanned(t)
	r.engine.during = func() { // the form is filled in, and the effects are read
		r.engine.during = nil
		r.source(incident.Fail, "lost")
		if a := r.say(alice, "switch unplanned us-east-1 is gone"); a.Refused {
			t.Error(a.Text)
		}
	}
	a := r.ask(Ask{Via: by(carol), Verb: "approve", On: "q1", Values: map[string]string{"confirm": "us-west-2"}})
	if !a.Refused {
		t.Errorf("%+v", a)
	}
	contains(t, a.Text, "withdrawn")
	for _, e := range r.events() {
		if b, ok := e.Body.(incident.ApprovalGiven); ok && b.Kind == incident.AskApprove {
			t.Errorf("%+v", b)
		}
	}
}

func TestAYesIsRefusedWhileTheSourceDoesNotAnswer(t *testing.T) {
	r := movingPlanned(t)
	form := r.ask(Ask{Via: by(carol), Verb: "approve", On: "q1", CanForm: true})
	if form.Form == nil {
		t.Fatalf("%+v", form)
	}
	r.source(incident.Warn, "failing") // one look is no outage
	if a := r.ask(Ask{Via: by(carol), Verb: "approve", On: "q1", CanForm: true}); a.Form == nil {
		t.Fatalf("%+v", a)
	}
	r.source(incident.Fail, "lost")
	for _, ask := range []Ask{
		{Via: by(carol), Verb: "approve", On: "q1", CanForm: true},
		{Via: by(carol), Verb: "approve", On: "q1", Values: map[string]string{"confirm": "us-west-2"}},
	} {
		a := r.refusedWith(func() Answer { return r.ask(ask) }, "This changed while you were reading: us-east-1 has not answered since", "A planned move needs it")
		if len(a.Buttons) != 1 || a.Buttons[0].Verb != "switch" {
			t.Fatalf("buttons %+v", a.Buttons)
		}
	}
	r.source(incident.Pass, "answers")
	if a := r.ask(Ask{Via: by(carol), Verb: "approve", On: "q1", CanForm: true}); a.Form == nil {
		t.Errorf("it answers again, and %+v", a)
	}
}

func TestASwitchWhileTheSourceAnswersIsMeant(t *testing.T) {
	r := movingPlanned(t)
	r.source(incident.Pass, "answers")
	r.refusedWith(func() Answer { return r.say(alice, "switch unplanned it is slow") }, "us-east-1 answers since", "switch unplanned anyway REASON")
	a := r.ask(Ask{Via: by(alice), Verb: "switch", CanForm: true})
	if a.Form == nil {
		t.Fatalf("%+v", a)
	}
	contains(t, a.Form.Text, "us-east-1 answers since")
	if added := r.added(func() { r.say(alice, "switch unplanned anyway it is slow") }); added != "ApprovalWithdrawn RunEnded RunBegun" {
		t.Errorf("appended %s", added)
	}
	if why := r.state().Runs[0].Ended.Summary; why != "it is slow" {
		t.Errorf("the reason is %q", why)
	}
}

func TestWhatCannotBeSwitchedSaysWhy(t *testing.T) {
	r := movingPlanned(t)
	r.bot(finished("promote-database")...)
	r.refusedWith(func() Answer { return r.say(alice, "switch unplanned x") }, "The database writes in us-west-2 already")
	r = movingPlanned(t)
	r.say(alice, "abort enough of it")
	r.refusedWith(func() Answer { return r.say(alice, "switch unplanned x") }, "was stopped by")
	r.refusedWith(func() Answer { return newRoom(t).say(alice, "switch unplanned x") }, "No incident is open")
}

func playSwitch(_ *testing.T, tr *transcript) {
	r := tr.in("a planned run, and nobody has looked whether the Region that is left answers", movingPlanned(tr.t))
	tr.presses(alice, "switch", "")
	tr.says(alice, "switch planned x")
	tr.says(alice, "switch unplanned x")
	tr.says(dave, "switch unplanned x")
	r.source(incident.Pass, "answers")
	tr.presses(alice, "switch", "")
	tr.says(alice, "switch unplanned it is slow")

	r.source(incident.Fail, "lost")
	tr.says(mallory, "status")
	tr.says(alice, "help")
	tr.presses(carol, "approve", "q1")
	tr.fills(carol, "approve", "q1", map[string]string{"confirm": "us-west-2"})
	tr.says(alice, "switch unplanned")
	tr.presses(alice, "switch", "")
	tr.fills(alice, "switch", "", map[string]string{"reason": ""})
	r.faults = errors.New("sections/04.yaml:3: unknown action `x.y`")
	tr.says(alice, "switch unplanned us-east-1 is gone")
	r.faults = nil
	compile := r.Compile
	r.Compile = func(f runbook.Facts) (*runbook.Plan, error) {
		p, err := compile(f)
		p.Steps = slices.Clone(p.Steps)
		p.Steps[0].With = json.RawMessage("{")
		return p, err
	}
	tr.says(alice, "switch unplanned us-east-1 is gone")
	r.Compile = compile
	tr.fills(alice, "switch", "", map[string]string{"reason": "us-east-1 is gone"})
	tr.says(alice, "switch unplanned us-east-1 is gone")
	tr.says(mallory, "status")

	r = tr.in("a planned run whose database writes in the target", movingPlanned(tr.t))
	r.bot(finished("promote-database")...)
	tr.says(alice, "switch unplanned x")

	r = tr.in("a run that takes another one back", movingPlanned(tr.t))
	raw := r.state().Plan.Plan
	r.bot(incident.RunAborted{Reason: "x"}, incident.RunBegun{Kind: incident.Undo, Source: "us-east-1", Target: "us-west-2", Mode: planned, Follows: "failover-1", Plan: raw})
	tr.says(alice, "switch unplanned x")
	r.bot(incident.RunEnded{How: "done"})
	tr.says(alice, "switch unplanned x")
	r.bot(incident.RunBegun{Kind: incident.Drill, Source: "us-east-1", Target: "us-west-2", Mode: planned, Dry: true, Plan: raw}, incident.RunEnded{How: "done"})
	tr.says(alice, "switch unplanned x")
}
