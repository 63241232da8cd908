package providers_test

import (
	"errors"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// The Region that is left is lost once two looks in a row have found that neither its
// own address nor its API answers, and answers as soon as one of them does.
func TestASourceIsLostOnlyWhenTwoLooksAgree(t *testing.T) {
	look := func(t *testing.T, w *world, was *incident.WatchObserved) *incident.WatchObserved {
		t.Helper()
		a, c := w.call(t, "source-answers")
		c.Observed = was
		ctx, stop := w.clock.WithTimeout(t.Context(), c.Step.Timeout, errors.New("the step's time is up"))
		defer stop()
		o, _, err := a.Look(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		return &incident.WatchObserved{Summary: o.Summary, State: o.State, Measured: o.Measured}
	}
	w := newWorld(t)
	happens := func(e sim.Event) {
		t.Helper()
		if err := w.Happen(e); err != nil {
			t.Fatal(err)
		}
	}
	seen := look(t, w, nil)
	if seen.State != "answers" || seen.Verdict != incident.Pass {
		t.Errorf("a Region that is well: %+v", seen)
	}
	happens(sim.Event{Lose: east})
	if seen = look(t, w, seen); seen.State != "failing" || seen.Verdict != incident.Warn {
		t.Errorf("the first look at a lost Region: %+v", seen)
	}
	for range 2 {
		if seen = look(t, w, seen); seen.State != "lost" || seen.Verdict != incident.Fail {
			t.Errorf("the next look at a lost Region: %+v", seen)
		}
	}
	happens(sim.Event{Restore: east})
	if seen = look(t, w, seen); seen.State != "answers" {
		t.Errorf("it is back: %+v", seen)
	}
	happens(sim.Event{Degrade: &sim.Degrade{Region: east, FailPercent: 100}})
	if seen = look(t, w, seen); seen.State != "answers" {
		t.Errorf("its services fail and its API answers: %+v", seen)
	}
}
