package providers_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/dns"
	"github.com/failoverbot/failoverbot/providers/kube"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// rightOf is the right that a call of the pretend world wants: its system, Region and what
// is done, as calls.jsonl has it.
func rightOf(r engine.Right) string {
	if r.System == engine.GrantedByIAM {
		service, operation, _ := strings.Cut(r.Does, ":")
		return "aws." + service + " " + operation
	}
	on, sub, below := strings.Cut(r.On, "/")
	on, _, _ = strings.Cut(on, ".")
	if below {
		on += "/" + sub
	}
	return "kubernetes " + r.Does + " " + on
}

// What each change says that it has to be allowed is what its calls are, neither less nor
// more, each on something that has a name.
func TestEveryChangeSaysWhichRightsItWants(t *testing.T) {
	for id, c := range changes {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if c.strategy != "" {
				w = movedBy(t, c.strategy)
			}
			if c.start != nil {
				w.change(t, c.start)
			}
			a, call := w.callOf(t, c)
			if a.Rights == nil {
				t.Fatal("it says none")
			}
			rights, err := a.Rights(call)
			if err != nil {
				t.Fatal(err)
			}
			said := map[string]bool{}
			for _, r := range rights {
				said[rightOf(r)] = true
				if r.On == "" || strings.Contains(r.On, "::::") || strings.HasSuffix(r.On, ":") || r.Region == "" {
					t.Errorf("nothing is named by %+v", r)
				}
			}
			before := len(w.Calls())
			if _, err := a.Do(t.Context(), call); err != nil {
				t.Fatal(err)
			}
			called := map[string]bool{}
			for _, one := range w.Calls()[before:] {
				if one.Mutating {
					called[one.System+" "+one.Operation] = true
				}
			}
			if !maps.Equal(said, called) {
				t.Errorf("it wants %v and calls %v", slices.Sorted(maps.Keys(said)), slices.Sorted(maps.Keys(called)))
			}
		})
	}
}

func (w *world) engine() *engine.Engine {
	return engine.New(engine.Options{Catalog: w.catalog, Clock: w.clock, Reviews: providers.Reviews(w.connections())}, zerolog.Nop())
}

// A dry run of each kind of run asks for every right and reads every step, and no call that
// could change anything leaves, not even one that would be refused.
func TestADryRunOfEachRunOnlyReads(t *testing.T) {
	servers := worldOf(t, &sim.Scenario{Name: "test", Mode: "planned", Target: west, Start: sim.Start{Servers: &sim.StartServers{In: west}}})
	plain := newWorld(t)
	control := movedBy(t, dns.ByControl)
	for name, c := range map[string]struct {
		w     *world
		facts runbook.Facts
		// changes are some that have to be among those that are foreseen, in this order;
		// later is what is only known once one of them is made.
		changes, later []string
	}{
		"planned":         {plain, plain.facts("planned"), []string{"scale/order-service", "fence-writers", "switch-database", "promote-cache", "restart/order-service", "shift-dns"}, nil},
		"unplanned":       {plain, plain.facts("unplanned"), []string{"scale/order-service", "promote-database", "promote-cache", "restart/order-service", "take-over"}, nil},
		"servers":         {servers, servers.facts("planned").Servers(), []string{"reverse/" + erpApp, "servers-out", "launch", "servers-rest"}, []string{"servers-lead", "protect"}},
		"routing control": {control, control.facts("planned"), []string{"switch-database", "shift-controls"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(c.w.Calls())
			f := c.w.engine().Foresee(t.Context(), compile(t, c.w.catalog, c.facts))
			for _, call := range c.w.Calls()[before:] {
				if call.Mutating || call.Applied {
					t.Errorf("%s left", call)
				}
			}
			var would, later []string
			for _, s := range f.Steps {
				if s.Says == "" || s.Title == "" || s.Kind == "" {
					t.Errorf("nothing is said of %+v", s)
				}
				if s.Would() && slices.Contains(c.changes, s.Step) {
					would = append(would, s.Step)
				}
				if s.Later {
					later = append(later, s.Step)
				}
			}
			if !slices.Equal(would, c.changes) || !slices.Equal(later, c.later) {
				t.Errorf("foreseen are %v, want %v; later known are %v", would, c.changes, later)
			}
			if f.Rights == 0 || f.Result() != incident.Pass || f.Takes == 0 || f.Decisions == 0 {
				t.Errorf("%s, %d decisions, %s; of %d rights are missing %+v; failed %+v, unread %+v", f.Takes, f.Decisions, f.Result(), f.Rights, f.Missing, f.Failed(), f.Unread())
			}
		})
	}
}

// A right that is not granted is told with the steps that want it, and one that could not
// be asked for is told as unknown.
func TestADryRunNamesTheRightsThatAreMissing(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) {
		s.Faults = append(s.Faults,
			sim.Fault{System: "aws.rds", Operation: "SwitchoverGlobalCluster", Kind: sim.Deny},
			sim.Fault{System: "kubernetes", Operation: "patch deployments/scale", Region: west, Kind: sim.Deny})
	})
	plan := compile(t, w.catalog, w.facts("planned"))
	f := w.engine().Foresee(t.Context(), plan)
	told := map[string]incident.RightMissing{}
	for _, m := range f.Missing {
		told[m.Right] = m
	}
	for right, step := range map[string]string{
		"patch deployments.apps/scale order-service in " + partOf[kube.Settings](t, plan.Topology, kube.Platform.Key).Regions[west].Namespace: "scale/order-service",
		"rds:SwitchoverGlobalCluster on arn:aws:rds::{account}:global-cluster:ecommerce-global":                                               "switch-database",
	} {
		if m, ok := told[right]; !ok || m.Verdict != incident.Fail || !slices.Equal(m.Steps, []string{step}) || m.Why == "" {
			t.Errorf("%s: %+v among %v", right, m, slices.Sorted(maps.Keys(told)))
		}
	}
	if len(f.Missing) != 5+3 || f.Result() != incident.Fail {
		t.Errorf("%s with %+v", f.Result(), f.Missing)
	}

	w = newWorld(t)
	w.change(t, func(s *sim.State) {
		s.Faults = append(s.Faults, sim.Fault{System: "aws.iam", Operation: "SimulatePrincipalPolicy", Kind: sim.Deny})
	})
	f = w.engine().Foresee(t.Context(), compile(t, w.catalog, w.facts("planned")))
	for _, m := range f.Missing {
		if m.System != engine.GrantedByIAM || m.Verdict != incident.Unsure || !strings.Contains(m.Why, "SimulatePrincipalPolicy") {
			t.Errorf("%+v", m)
		}
	}
	if len(f.Missing) != 3+3+1 || f.Result() != incident.Unsure {
		t.Errorf("%s with %+v", f.Result(), f.Missing)
	}
}
