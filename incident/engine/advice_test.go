package engine_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Advice that nothing waits for holds nothing: neither the end of the run, nor the
// judgement that was made without it. What it would have found later is written nowhere.
func TestAdviceThatNothingWaitsForIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		after := func(d time.Duration) engine.Action {
			return engine.Action{
				Action: runbook.Action{Kind: runbook.Wait}, Every: 5 * time.Second,
				Look: func(context.Context, engine.Call) (engine.Outcome, bool, error) {
					return engine.Outcome{Summary: "so"}, time.Since(began) >= d, nil
				},
			}
		}
		d := newDrama(t, engine.Catalog{"view.late": after(4 * time.Minute), "view.judge": after(time.Minute), "work.done": after(2 * time.Minute), "users.late": after(3 * time.Minute)})
		wait := func(id, uses string, gate runbook.Gate, needs ...string) runbook.Step {
			return runbook.Step{ID: id, Title: id, Group: id, Uses: uses, Kind: runbook.Wait, Gate: gate, Timeout: 10 * time.Minute, Needs: needs}
		}
		judge := wait("judge", "view.judge", runbook.Required)
		judge.Rerun = []string{"view"}
		d.begin(runbook.Plan{Mode: "planned", Digest: "d", Steps: []runbook.Step{
			wait("view", "view.late", runbook.Advice), judge, wait("work", "work.done", runbook.Required, "judge"), wait("resolvers", "users.late", runbook.Advice, "judge"),
		}})
		end := began.Add(6 * time.Minute)
		s := incident.Fold(d.play(func(*incident.State) bool { return time.Now().After(end) }))
		if at := s.MitigatedAt.Sub(began); at < 2*time.Minute || at > 2*time.Minute+10*time.Second {
			t.Errorf("mitigated after %s", at)
		}
		for step, why := range map[string]string{"view": "“judge” was decided without it", "resolvers": "nothing waits for it"} {
			st := s.Step(step)
			if st.Status != incident.Advised || !st.Failure.Advice || !st.Failure.Unknown || !strings.Contains(st.Failure.Error, why) {
				t.Errorf("%s is %s: %+v", step, st.Status, st.Failure)
			}
		}
		if at := s.Step("view").Ended.Sub(began); at > time.Minute+10*time.Second {
			t.Errorf("the view went on for %s", at)
		}
	})
}
