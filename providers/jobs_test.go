package providers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/kube"
	"github.com/failoverbot/failoverbot/providers/sim"
)

func TestTheJobsAreJudged(t *testing.T) {
	// consumer is a Deployment of that size in a Region.
	consumer := func(s *sim.State, region string, replicas int32) {
		d := s.Regions[region].Deployments["user-service"].DeepCopy()
		d.Name, d.Spec.Replicas = "order-events", &replicas
		s.Regions[region].Deployments[d.Name] = d
	}
	settings := func(change func(s *kube.Settings)) func(c *engine.Call) {
		return func(c *engine.Call) {
			s := partOf[kube.Settings](t, c.Plan.Topology, kube.Platform.Key)
			change(&s)
			if err := kube.Platform.Freeze(&c.Plan.Topology, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	judge(t, "jobs", []judged{
		{
			"it is as it should be", func(*sim.State) {}, incident.Pass,
			[]string{"the run suspends in us-east-1 and resumes in us-west-2: CronJob invoice-run"},
			map[string]string{"CronJob invoice-run in us-west-2": "suspended", "CronJob invoice-run in us-east-1": "runs"},
			map[string]float64{"missing in the target": 0, "running in the target already": 0},
		},
		{
			"it is not there", func(s *sim.State) { delete(s.Regions[west].CronJobs, "invoice-run") }, incident.Fail,
			[]string{"1 workload in us-west-2 is not there, so nobody could resume it: CronJob invoice-run"},
			nil,
			map[string]float64{"missing in the target": 1},
		},
		{
			"it runs in both", func(s *sim.State) { s.Regions[west].CronJobs["invoice-run"] = true }, incident.Warn,
			[]string{"one runs in us-west-2 already: CronJob invoice-run"},
			nil,
			map[string]float64{"running in the target already": 1},
		},
		{"it runs in neither", func(s *sim.State) { s.Regions[east].CronJobs["invoice-run"] = false }, incident.Warn, []string{"one runs in neither Region: CronJob invoice-run"}, nil, nil},
		{"the source does not answer", func(s *sim.State) { s.Regions[east].Lost = true }, incident.Warn, []string{"what runs in us-east-1 could not be read"}, nil, nil},
	})
	t.Run("consumers", func(t *testing.T) {
		judge(t, "jobs", []judged{
			{"it waits", func(s *sim.State) { consumer(s, east, 2); consumer(s, west, 0) }, incident.Pass, []string{"CronJob invoice-run, Deployment order-events"}, map[string]string{"Deployment order-events in us-west-2": "scaled to 0"}, nil},
			{"it consumes in both", func(s *sim.State) { consumer(s, east, 2); consumer(s, west, 1) }, incident.Warn, []string{"one runs in us-west-2 already: Deployment order-events"}, nil, nil},
			{"it is not there", func(s *sim.State) { consumer(s, east, 2) }, incident.Fail, []string{"Deployment order-events"}, nil, nil},
		}, settings(func(s *kube.Settings) { s.Consumers = []string{"order-events"} }))
	})
	t.Run("none in the settings", func(t *testing.T) {
		judge(t, "jobs", []judged{{"not applicable", func(*sim.State) {}, incident.NotApplicable, []string{"not applicable: the settings name no CronJob"}, nil, nil}},
			settings(func(s *kube.Settings) { s.CronJobs = nil }))
	})
}

// A consumer comes back at the size that it had, however the call that took it away went.
func TestAConsumerIsResumedAtTheSizeItHad(t *testing.T) {
	for _, fault := range []sim.Fault{
		{},
		{Kind: sim.LostAnswer, Operation: "patch deployments/scale"},
		{Kind: sim.LostAnswer, Operation: "patch cronjobs"},
		{Kind: sim.Throttle, Operation: "patch cronjobs"},
		{Kind: sim.ServerFail, Operation: "patch cronjobs"},
		{Kind: sim.Throttle, Operation: "patch deployments/scale"},
	} {
		t.Run(fault.Kind+" "+fault.Operation, func(t *testing.T) {
			w := newWorld(t)
			w.change(t, consumers(4, 0))
			_, call := w.callOf(t, changes["kube.suspend"])
			p := call.Plan
			p.Steps = slices.DeleteFunc(p.Steps, func(s runbook.Step) bool { return s.ID != "suspend-jobs" && s.ID != "resume-jobs" })
			for i, s := range p.Steps {
				if p.Steps[i].Needs = nil; s.ID == "resume-jobs" {
					p.Steps[i].Needs = []string{"suspend-jobs"}
				}
			}
			if fault.System, fault.Region, fault.Times = "kubernetes", east, 1; fault.Kind != "" {
				if err := w.Fault(fault); err != nil {
					t.Fatal(err)
				}
			}
			if s := w.carriesOut(t, incident.Failover, p); s.Step("resume-jobs").Status != incident.Done {
				t.Fatalf("resuming ended as %s", s.Step("resume-jobs").Status)
			}
			now := w.Snapshot()
			if from, to := *now.Regions[east].Deployments["order-events"].Spec.Replicas, *now.Regions[west].Deployments["order-events"].Spec.Replicas; from != 0 || to != 4 {
				t.Errorf("%d in %s and %d in %s, want 0 and 4", from, east, to, west)
			}
		})
	}
}

// What is not in the Region that is left does not run there.
func TestAJobThatIsNotThereNeedsNoSuspending(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) { delete(s.Regions[east].CronJobs, "invoice-run") })
	a, c := w.call(t, "suspend-jobs")
	if o, ok, err := a.Look(t.Context(), c); err != nil || !ok || o.Summary != "not there in us-east-1: CronJob invoice-run" {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
}

func TestJobsThatRunAgainWhereUsersHaveLeftAreTold(t *testing.T) {
	w := newWorld(t)
	_, call := w.callOf(t, changes["kube.suspend"])
	a, _ := w.call(t, "source-jobs")
	look := func(change func(*sim.State), want bool, says string) {
		t.Helper()
		w.change(t, change)
		if o, ok, err := a.Look(t.Context(), call); err != nil || ok != want || o.State != says {
			t.Errorf("%t %q %v, want %t %q", ok, o.State, err, want, says)
		}
	}
	look(func(s *sim.State) {
		consumers(0, 0)(s)
		s.Regions[east].CronJobs["invoice-run"] = false
	}, true, "2 workloads in us-east-1 are suspended")
	look(func(s *sim.State) { s.Regions[east].CronJobs["invoice-run"] = true }, false, "not suspended in us-east-1: CronJob invoice-run")
	look(func(s *sim.State) { consume(s, east, 3) }, false, "not suspended in us-east-1: CronJob invoice-run, Deployment order-events")
}

func TestJobsThatCannotBeSeenAreUnknown(t *testing.T) {
	blind(t, "jobs", "kubernetes", "list cronjobs")
}

func TestAnUnplannedRunDoesNotAskForTheSourcesJobs(t *testing.T) {
	w := newWorld(t)
	a, c := w.call(t, "jobs")
	c.Plan.Mode = "unplanned"
	if o, ok, err := a.Look(t.Context(), c); err != nil || !ok || o.Measured.Verdict != incident.Pass || strings.Contains(o.Summary, "neither") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	for _, call := range w.Calls() {
		if call.Region == east {
			t.Errorf("it asked %s of %s", call.Operation, call.Region)
		}
	}
}
