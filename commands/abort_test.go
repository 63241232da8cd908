package commands

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// scaled is a run that has changed one thing which can be taken back.
func scaled(t *testing.T) *room {
	r := gone(t)
	r.bot(incident.StepStarted{Step: "scale-up", Attempt: 1},
		incident.ChangeIntended{Step: "scale-up", Attempt: 1, Action: "kube.scale", Before: "2 replicas", Prior: json.RawMessage(`{"replicas":2}`)},
		incident.StepFinished{Step: "scale-up", Attempt: 1, Changed: true, Summary: "scaled to 6"})
	return r
}

// takenBack is the plan of the run that takes back.
func (r *room) takenBack() *runbook.Plan {
	r.t.Helper()
	s := r.state()
	if s.Kind != incident.Undo {
		r.t.Fatalf("the run is %s", s.Name)
	}
	p, err := runbook.DecodePlan(s.Plan.Plan)
	if err != nil || p.Digest != s.Plan.Digest {
		r.t.Fatalf("digest %q and %q, %v", p.Digest, s.Plan.Digest, err)
	}
	return p
}

func TestStoppingAndTakingBackIsOneAppendAndARunOfItsOwn(t *testing.T) {
	r := scaled(t)
	first := r.state().Plan.Digest
	if added := r.added(func() { r.say(alice, "abort take-back it is slow") }); added != "RunAborted RunBegun" {
		t.Errorf("appended %s", added)
	}
	s, p := r.state(), r.takenBack()
	if s.Follows != "failover-1" || s.BegunBy != alice || s.GoBy != alice || s.Phase() != "taking back" || s.Plan.Digest == first {
		t.Errorf("%s follows %s, %s", s.Name, s.Follows, s.Phase())
	}
	if former := s.RunOf("failover-1"); !slices.Equal(former.Aborted.TakeBack, []string{"scale-up"}) || len(former.Aborted.Changed) > 0 {
		t.Errorf("%+v", former.Aborted)
	}
	if len(p.Steps) != 1 || p.Steps[0].Undoes != "scale-up" || string(p.Steps[0].Prior) != `{"replicas":2}` || p.Steps[0].Title != "Take back: Scale up" {
		t.Errorf("%+v", p.Steps)
	}
}

func TestTheFormForcesAChoiceAndMakesNone(t *testing.T) {
	r := scaled(t)
	for _, ask := range []Ask{{Verb: "abort", Text: "it is slow"}, {Verb: "abort", On: "failover-1"}} {
		ask.Via, ask.CanForm = by(alice), true
		a := r.ask(ask)
		if a.Form == nil {
			t.Fatalf("no form: %+v", a)
		}
		how := a.Form.Fields[0]
		if how.Name != "how" || how.Optional || how.Value != "" || len(how.Choices) != 2 || a.Form.Fields[1].Value != ask.Text {
			t.Errorf("%+v", a.Form.Fields)
		}
		contains(t, a.Form.Text, "1. Scale up: back to 2 replicas", "• Scale up (scale-up). Before: 2 replicas.")
		if added := r.added(func() {
			if a = r.ask(Ask{Via: by(alice), Verb: "abort", On: a.Form.On, Values: map[string]string{"reason": "x"}}); a.Errors["how"].Empty() {
				t.Errorf("%+v", a)
			}
		}); added != "" {
			t.Errorf("appended %s", added)
		}
	}
}

func TestOfTwoWhoStopARunAtOnceOneIsFirst(t *testing.T) {
	r := scaled(t)
	var both sync.WaitGroup
	answers := make([]Answer, 2)
	for i, ask := range []Ask{
		{Via: by(alice), Verb: "abort", On: "failover-1", Values: map[string]string{"how": takingBack, "reason": "slow"}, Request: "one"},
		{Via: by(bob), Verb: "abort", On: "failover-1", Values: map[string]string{"how": leaving, "reason": "slow"}, Request: "two"},
	} {
		both.Go(func() { answers[i] = r.Do(t.Context(), ask) })
	}
	both.Wait()
	n := 0
	for _, e := range r.events() {
		if e.Body.Type() == "RunAborted" {
			n++
		}
	}
	if n != 1 || answers[0].Refused == answers[1].Refused {
		t.Fatalf("stopped %d times: %+v", n, answers)
	}
	// Whoever was second is told who was first, and has not stopped the taking back.
	for _, a := range answers {
		if a.Refused && !strings.Contains(shown(a.Text), "was stopped by") {
			t.Errorf("%s", shown(a.Text))
		}
	}
	if s := r.state(); s.Kind == incident.Undo && s.Over() {
		t.Errorf("it is %s", s.Phase())
	}
}

func TestATakingBackThatWasStoppedIsTakenUpAgainWithWhatIsLeft(t *testing.T) {
	r := gone(t)
	r.bot(incident.StepStarted{Step: "scale-up", Attempt: 1}, incident.StepFinished{Step: "scale-up", Attempt: 1, Changed: true, Summary: "x"},
		incident.StepStarted{Step: "warm-cache", Attempt: 1}, incident.StepFinished{Step: "warm-cache", Attempt: 1, Changed: true, Summary: "x"})
	r.say(alice, "abort take-back slow")
	r.bot(incident.StepStarted{Step: "undo-warm-cache", Attempt: 1}, incident.StepFinished{Step: "undo-warm-cache", Attempt: 1, Changed: true, Summary: "x"})
	contains(t, r.say(alice, "abort wait").Text, "What stays changed:\n• Scale up (scale-up)", "'/failover take-back REASON'")
	contains(t, r.say(bob, "take-back go on").Text, "1 change is taken back now")
	if p := r.takenBack(); len(p.Steps) != 1 || p.Steps[0].ID != "undo-scale-up" || r.state().Name != "undo-3" || r.state().Follows != "failover-1" {
		t.Errorf("%s: %+v", r.state().Name, p.Steps)
	}
}

// Every way on that an answer offers is accepted when it is tried.
func TestWhatIsOfferedPastAPointOfNoReturnIsAccepted(t *testing.T) {
	for _, next := range []string{"start us-west-2 unplanned the rights are mended", "resolve unserved nobody is served"} {
		r := scaled(t)
		r.bot(incident.ChangeIntended{Step: "promote-database", Attempt: 1, Action: "aurora.failover"},
			incident.StepFinished{Step: "promote-database", Attempt: 1, Changed: true, Summary: "promoted"})
		a := r.ask(Ask{Via: by(alice), Verb: "abort", CanForm: true})
		if a.Form == nil || len(a.Form.Fields) != 1 {
			t.Fatalf("past it there is nothing to choose: %+v", a.Form)
		}
		contains(t, a.Form.Text, "“Promote the database” cannot be taken back at once")
		r.refusedWith(func() Answer { return r.say(alice, "abort take-back x") }, "cannot be taken back any more", "'/failover abort leave REASON'")
		contains(t, r.say(alice, "abort leave x").Text, "'/failover start us-west-2 unplanned REASON'", "'/failover resolve unserved REASON'")
		r.refusedWith(func() Answer { return r.say(alice, "take-back x") }, "what was changed for it stays")
		if a := r.say(alice, next); a.Refused {
			t.Errorf("%s: %s", next, shown(a.Text))
		}
	}
}
