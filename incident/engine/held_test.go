package engine_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// What keeps a wait from its end is told when it is known, once, and when it is over.
func TestAWaitTellsWhatHoldsItUpOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		silent := &incident.CallError{Err: errors.New("no answer"), Retry: true, Cause: &incident.Cause{Says: "no answer from", System: "RDS", Region: "us-west-2"}}
		d := newDrama(t, engine.Catalog{"pods.there": {
			Action: runbook.Action{Kind: runbook.Wait},
			Every:  5 * time.Second,
			Look: func(context.Context, engine.Call) (engine.Outcome, bool, error) {
				switch since := time.Since(began); {
				case since < time.Minute:
					return engine.Outcome{Summary: "2 of 6"}, false, nil
				case since < 2*time.Minute:
					return engine.Outcome{Summary: "2 of 6; no room since " + since.String(), State: "no room"}, false, nil
				case since < 3*time.Minute:
					return engine.Outcome{}, false, errors.New("a bad line")
				case since < 4*time.Minute:
					return engine.Outcome{}, false, silent
				case since < 5*time.Minute:
					return engine.Outcome{Summary: "5 of 6"}, false, nil
				}
				return engine.Outcome{Summary: "6 of 6"}, true, nil
			},
		}})
		d.begin(runbook.Plan{Mode: "planned", Digest: "d", Steps: []runbook.Step{
			{ID: "pods", Group: "pods", Uses: "pods.there", Kind: runbook.Wait, Gate: runbook.Required, Timeout: 10 * time.Minute},
		}})
		events := d.play(func(s *incident.State) bool { return s.Step("pods").Status.Settled() })
		var told []string
		for _, e := range events {
			if b, ok := e.Body.(incident.WatchObserved); ok {
				told = append(told, e.Time.Sub(began).Round(time.Minute).String()+" "+b.State)
			}
		}
		want := []string{"1m0s no room", "3m0s no answer from RDS in us-west-2", "4m0s "}
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		if s := incident.Fold(events); s.Step("pods").Status != incident.Done {
			t.Errorf("it ended as %v", s.Step("pods").Status)
		}
	})
}

// What is known for sure is a no, whether it comes as an answer or as an error.
func TestACheckThatKnowsItsNoIsNotUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		definite := true
		d := newDrama(t, engine.Catalog{"thing.well": {
			Action: runbook.Action{Kind: runbook.Check},
			Look: func(context.Context, engine.Call) (engine.Outcome, bool, error) {
				return engine.Outcome{}, false, &incident.CallError{Err: errors.New("the versions do not go together"), NeedsPerson: true, Definite: definite}
			},
		}, "thing.next": {
			Action: runbook.Action{Kind: runbook.Check},
			Look:   func(context.Context, engine.Call) (engine.Outcome, bool, error) { return engine.Outcome{}, true, nil },
		}})
		plan := runbook.Plan{Mode: "planned", Digest: "d", Steps: []runbook.Step{
			{ID: "well", Group: "well", Uses: "thing.well", Kind: runbook.Check, Gate: runbook.Advice, Timeout: time.Minute},
		}}
		for _, definite = range []bool{true, false} {
			if f := engine.New(engine.Options{Catalog: d.catalog, Clock: incident.RealClock{}}, zerolog.Nop()).Readiness(t.Context(), &plan, incident.WhyCheck).Findings[0]; f.Verdict != map[bool]incident.Verdict{true: incident.Fail, false: incident.Unsure}[definite] {
				t.Errorf("a no that is known for sure (%t) was found %+v", definite, f)
			}
		}
		definite = true
		// A run that waits for it: advice that nothing waits for is let go at the run's end.
		plan.Steps = append(plan.Steps, runbook.Step{ID: "next", Group: "next", Uses: "thing.next", Kind: runbook.Check, Gate: runbook.Required, Needs: []string{"well"}, Timeout: time.Minute})
		d.begin(plan)
		s := incident.Fold(d.play(func(s *incident.State) bool { return s.Step("well").Status == incident.Advised }))
		if f := s.Step("well").Failure; f.Unknown || f.Error == "" {
			t.Errorf("a run found %+v", f)
		}
	})
}
