package providers_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// changed makes the change of each step, as a run does, and returns what was recorded.
func (w *world) changed(t *testing.T, steps ...string) []runbook.Changed {
	t.Helper()
	var out []runbook.Changed
	for _, step := range steps {
		o, there, err := w.looked(t, step)
		if err != nil || there {
			t.Fatalf("%s: %t %q %v", step, there, o.Summary, err)
		}
		w.makes(t, step)
		w.wait(t, 3*time.Minute)
		out = append(out, runbook.Changed{Step: step, Prior: o.Prior})
	}
	return out
}

// carriesOut lets the engine carry a run out, from the beginning to its end or until it
// asks somebody, and returns how it stands then.
func (w *world) carriesOut(t *testing.T, kind incident.RunKind, plan *runbook.Plan) *incident.State {
	t.Helper()
	log := enginetest.NewMemory()
	book := incident.NewBook(log)
	id := incident.ID("INC-2026-0042")
	raw, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	_, err = book.Decide(t.Context(), id, func(s *incident.State) (incident.Write, error) {
		return incident.Write{Events: []incident.Event{
			{Time: w.clock.Now(), Actor: "alice", Body: incident.IncidentDeclared{Incident: id, Commander: "alice"}},
			{Time: w.clock.Now(), Actor: "alice", Run: s.NextRun(kind), Body: incident.RunBegun{Kind: kind, Source: east, Target: west, Mode: plan.Mode, Digest: plan.Digest, Plan: raw}},
		}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	e := engine.New(engine.Options{Book: incident.NewBook(log), Catalog: w.catalog, Clock: w.clock, Holder: "test"}, zerolog.Nop())
	running.Go(func() { _ = e.Run(ctx) })
	defer func() {
		stop()
		resume := w.clock.Idle()
		running.Wait()
		resume()
	}()
	for range 1000 {
		w.wait(t, 2*time.Second)
		var now *incident.State
		if err := book.View(t.Context(), id, func(s *incident.State) { now = s }); err != nil {
			t.Fatal(err)
		}
		if now.Over() || len(now.Open) > 0 || !slices.ContainsFunc(plan.Steps, func(step runbook.Step) bool { return !now.Step(step.ID).Status.Settled() }) {
			return now
		}
	}
	t.Fatal("the run stands still")
	return nil
}

// settings are what the changes of the catalogue change, of a world.
func (w *world) settings(t *testing.T) map[string]any {
	t.Helper()
	out := map[string]any{}
	w.change(t, func(s *sim.State) {
		for name, r := range s.Regions {
			for service, d := range r.Deployments {
				out[name+" replicas of "+service] = *d.Spec.Replicas
			}
			for service, h := range r.HPAs {
				out[name+" minimum of "+service] = *h.Spec.MinReplicas
			}
			for bucket, objects := range r.Buckets {
				out[bucket] = len(objects)
			}
		}
		for id, c := range s.DNS.Checks {
			out["flags of "+id] = [2]bool{c.Disabled, c.Inverted}
		}
		out["cache"] = s.CachePrimary()
	})
	return out
}

var scales = []string{"scale/user-service", "scale/order-service", "scale/product-service", "scale/payment-service", "scale/notification-service"}

func TestWhatARunChangedIsTakenBackLastFirst(t *testing.T) {
	for name, c := range map[string]struct {
		mode  string
		steps []string
		left  []string
		first string
	}{
		"planned":                {"planned", append(slices.Clone(scales), "fence-writers", "promote-cache", "restart/user-service", "shift-dns"), []string{"restart/user-service"}, "shift-dns"},
		"by the takeover object": {"unplanned", append(slices.Clone(scales), "take-over"), nil, "take-over"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			before := w.settings(t)
			changed := w.changed(t, c.steps...)
			plan := compile(t, w.catalog, w.facts(c.mode))
			undo, left, err := plan.Undo(changed)
			if err != nil {
				t.Fatal(err)
			}
			var stay []string
			for _, s := range left {
				stay = append(stay, s.ID)
			}
			if !slices.Equal(stay, c.left) {
				t.Errorf("not taken back: %v, want %v", stay, c.left)
			}
			s := w.carriesOut(t, incident.Undo, undo)
			for _, step := range undo.Steps {
				if !step.Kind.Ends() {
					continue // users are watched on
				}
				if st := s.Step(step.ID); st.Status != incident.Done && !step.Closing || st.Finished.Already {
					t.Errorf("%s is %v: %+v %+v", step.ID, st.Status, st.Finished, st.Failure)
				}
			}
			w.wait(t, 3*time.Minute)
			after := w.settings(t)
			for what, was := range before {
				if after[what] != was {
					t.Errorf("%s: %v, and it was %v", what, after[what], was)
				}
			}
			for _, scale := range scales {
				if a, b := s.Step("undo-"+c.first), s.Step("undo-"+scale); b.First.Before(a.Ended) {
					t.Errorf("%s was taken back at %s, before %s at %s", scale, b.First, c.first, a.Ended)
				}
			}
		})
	}
}

// The side that led before was lost: it does not follow, and nothing is asked for.
func TestACacheIsNotTakenBackToASideThatDoesNotFollow(t *testing.T) {
	w := newWorld(t)
	changed := w.changed(t, "promote-cache")
	w.change(t, func(s *sim.State) { s.Cache.Member(east).Status = "disassociated" })
	undo, _, err := compile(t, w.catalog, w.facts("unplanned")).Undo(changed)
	if err != nil {
		t.Fatal(err)
	}
	s := w.carriesOut(t, incident.Undo, undo)
	failure := s.Step("undo-promote-cache").Failure
	for _, part := range []string{"disassociated, not associated", "ecommerce-cache-us-east-1 in us-east-1"} {
		if !strings.Contains(failure.Error, part) {
			t.Errorf("it does not say %q: %+v", part, failure)
		}
	}
	if !strings.Contains(failure.Hint, "ecommerce-cache-us-west-2 in us-west-2 stays the primary") || failure.MayHaveHappened {
		t.Errorf("told as %+v", failure)
	}
	if n := w.Applied("FailoverGlobalReplicationGroup"); n != 1 {
		t.Errorf("promoted %d times", n)
	}
}

// A promotion that is still under way is not taken for one that was taken back,
// although the side that led before still leads.
func TestACacheThatIsStillBeingPromotedIsNotBack(t *testing.T) {
	w := newWorld(t)
	o, _, err := w.looked(t, "promote-cache")
	if err != nil {
		t.Fatal(err)
	}
	w.makes(t, "promote-cache")
	undo, _, err := compile(t, w.catalog, w.facts("unplanned")).Undo([]runbook.Changed{{Step: "promote-cache", Prior: o.Prior}})
	if err != nil {
		t.Fatal(err)
	}
	s := w.carriesOut(t, incident.Undo, undo)
	st := s.Step("undo-promote-cache")
	if st.Status != incident.Failed || !strings.Contains(st.Failure.Error, "has settled and ecommerce-cache-us-west-2 in us-west-2 is its primary") {
		t.Errorf("%v: %+v %+v", st.Status, st.Finished, st.Failure)
	}
	if st.Failure.Unknown {
		t.Error("it is known who leads")
	}
}

// Somebody changes it between the read and the call that takes it back: the call is on
// the condition that nobody did, and what they made of it stays.
func TestWhatIsTakenBackIsOnlyWhatWasSeen(t *testing.T) {
	for name, c := range map[string]struct {
		step, operation string
		meanwhile       func(s *sim.State)
		retry           bool
		says            string
	}{
		"another takeover object": {"take-over", "DeleteObject", putByHand, true, "another one was put at the same moment"},
		"a flag of the check":     {"shift-dns", "UpdateHealthCheck", func(s *sim.State) { setFlags(s, false, true) }, false, "HealthCheckVersionMismatch"},
		"the autoscaler's limits": {"scale/user-service", "patch horizontalpodautoscalers", func(s *sim.State) {
			h := s.Regions[west].HPAs["user-service"]
			h.Spec.MaxReplicas++
			h.ResourceVersion += "0"
		}, true, "the object has been modified"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			prior := w.changed(t, c.step)[0].Prior
			var once sync.Once
			w.OnCall(func(call sim.Call, before bool) error {
				if before && call.Operation == c.operation {
					once.Do(func() { w.change(t, c.meanwhile) })
				}
				return nil
			})
			was := w.Applied(c.operation)
			a, call := w.call(t, c.step)
			_, err := a.Undo.Do(t.Context(), call, prior)
			if f := incident.CallErrorOf(err); err == nil || f.Unknown || f.Retry != c.retry || f.NeedsPerson == c.retry || f.Hint == "" || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v: retry %t, maybe %t, person %t", err, f.Retry, f.Unknown, f.NeedsPerson)
			}
			if n := w.Applied(c.operation); n != was {
				t.Errorf("%s was applied %d times more", c.operation, n-was)
			}
		})
	}
}
