package engine_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// What is said before a turned change is about the Region in which it is made.
func TestATurnedChangeIsAskedForAndMadeInTheSameRegion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		made := false
		var in []string
		d := newDrama(t, engine.Catalog{"t.set": {
			Action: runbook.Action{Kind: runbook.Change, NoReturn: true},
			Look: func(context.Context, engine.Call) (engine.Outcome, bool, error) {
				mu.Lock()
				defer mu.Unlock()
				return engine.Outcome{Summary: "seen"}, made, nil
			},
			Do: func(_ context.Context, c engine.Call) (engine.Outcome, error) {
				mu.Lock()
				defer mu.Unlock()
				made, in = true, append(in, c.Plan.Source.Name)
				return engine.Outcome{Summary: "done"}, nil
			},
			Effect: func(_ context.Context, c engine.Call) (incident.Effect, error) {
				return incident.Effect{What: "set in " + c.Plan.Source.Name, Bound: "b"}, nil
			},
		}})
		s := step("a", "t.set", runbook.Change)
		s.NoReturn, s.Turned, s.Approval = true, true, &runbook.Approval{By: incident.RoleApprover, Expires: 1 << 40}
		d.begin(runbook.Plan{Source: runbook.Region{Name: "us-east-1"}, Target: runbook.Region{Name: "us-west-2"}, Steps: []runbook.Step{s}})
		var said string
		d.play(func(s *incident.State) bool {
			q := s.OpenQuestion("a")
			if q == nil {
				return false
			}
			said = q.Effects[0].What
			return true
		})
		if said != "set in us-west-2" {
			t.Errorf("it is said that it would %s", said)
		}
	})
}

// What a step found that is said at the end stands in the last sentence of the run.
func TestWhatIsSaidAtTheEndIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDrama(t, engine.Catalog{"t.find": {
			Action: runbook.Action{Kind: runbook.Check},
			Look: func(context.Context, engine.Call) (engine.Outcome, bool, error) {
				return engine.Outcome{Summary: "The settings have to say: a"}, true, nil
			},
		}})
		d.kind = incident.RebuildStandby
		s := step("a", "t.find", runbook.Check)
		s.Proves = []incident.Trait{incident.SaidAtTheEnd}
		d.begin(runbook.Plan{Target: runbook.Region{Name: "us-east-1"}, Steps: []runbook.Step{s}})
		var ends []string
		for _, e := range of[incident.RunEnded](d.play(over)) {
			ends = append(ends, e.Summary)
		}
		if want := "The database has a standby in us-east-1, verified. The settings have to say: a."; strings.Join(ends, "; ") != want {
			t.Errorf("%q, want %q", ends, want)
		}
	})
}
