package providers_test

import (
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/probe"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/providers/sqs"
)

// fencedAway is the world of a way home once the writers of us-west-2 are stopped.
func fencedAway(more func(s *sim.State)) func(*sim.State) {
	return func(s *sim.State) {
		r := s.Regions[west]
		for _, name := range []string{"user-service", "order-service", "payment-service"} {
			r.Deployments[name].Spec.Replicas = new(int32)
		}
		kept := r.Pods[:0]
		for _, p := range r.Pods {
			if r.Deployments[p.Service].Spec.Replicas == nil || *r.Deployments[p.Service].Spec.Replicas > 0 {
				kept = append(kept, p)
			}
		}
		r.Pods = kept
		more(s)
	}
}

func TestNothingIsInHandOnceTheLastPodIsGone(t *testing.T) {
	judge(t, "writers-gone", []judged{
		{"none is left", fencedAway(func(*sim.State) {}), incident.Pass, []string{"no pod of user-service, order-service and payment-service is left in us-west-2"}, nil, map[string]float64{"pods left": 0}},
		{
			"some have not ended", func(s *sim.State) { *s.Regions[west].Deployments["order-service"].Spec.Replicas = 0 }, incident.Fail,
			[]string{"pods of services that write are still there in us-west-2, and may have requests in hand: 2 pods of payment-service and 2 pods of user-service"},
			map[string]string{"user-service": "2 pods"},
			map[string]float64{"pods left": 4},
		},
	})
	blindIn(t, fencedAway(func(*sim.State) {}), "writers-gone", "kubernetes", "list pods")
}

func TestMessagesThatAreWorkedOnAreWaitedFor(t *testing.T) {
	judge(t, "messages-taken", []judged{
		{"none", fencedAway(func(*sim.State) {}), incident.Pass, []string{"nobody works on a message of 1 queue of us-west-2"}, map[string]string{"order-events": "0 taken, 0 waiting"}, map[string]float64{"messages taken": 0}},
		{"some wait, and stay", fencedAway(func(s *sim.State) { s.Regions[west].Queues["order-events"].Waiting = 40 }), incident.Pass, nil, map[string]string{"order-events": "0 taken, 40 waiting"}, nil},
		{"some are worked on", fencedAway(func(s *sim.State) { s.Regions[west].Queues["order-events"].Taken = 3 }), incident.Fail, []string{"3 messages in us-west-2 are worked on: 3 of order-events"}, nil, map[string]float64{"messages taken": 3}},
		{"those of the target do not count", fencedAway(func(s *sim.State) { s.Regions[east].Queues["order-events"].Taken = 3 }), incident.Pass, nil, nil, nil},
	})
	judge(t, "messages-taken", []judged{{"no queues", func(*sim.State) {}, incident.NotApplicable, []string{"the settings name no queues of us-west-2"}, nil, nil}}, set(t, sqs.Platform, func(s *sqs.Settings) { s.Regions = nil }))
	blind(t, "messages-taken", "aws.sqs", "GetQueueUrl", "GetQueueAttributes")
}

func TestTheOwnPageSaysWhatIsInHand(t *testing.T) {
	judge(t, "in-flight", []judged{
		{"nothing", fencedAway(func(*sim.State) {}), incident.Pass, []string{"/health/in-flight in us-west-2 says that nothing is in hand"}, map[string]string{"answer": "status 200 by us-west-2"}, map[string]float64{"in hand": 0}},
		{"something", fencedAway(func(s *sim.State) { s.Regions[west].InFlight = 7 }), incident.Fail, []string{"says that 7 are in hand"}, nil, map[string]float64{"in hand": 7}},
		{"nobody serves the page", fencedAway(func(s *sim.State) { s.Regions[west].Pods = nil }), incident.Unsure, []string{"how much the platform has in hand in us-west-2 is unknown", "status 503", "while the services that write are stopped"}, nil, nil},
		{"the Region is gone", func(s *sim.State) { s.Regions[west].Lost = true }, incident.Unsure, nil, nil, nil},
	})
	for name, c := range map[string]struct {
		change func(s *probe.Settings)
		says   string
	}{
		"no page is named": {func(s *probe.Settings) { s.InFlightPage, s.InFlightField = "", "" }, "the settings name no page that tells it"},
		"no such field":    {func(s *probe.Settings) { s.InFlightField = "jobs" }, `its answer has no "jobs"`},
		"it is no number":  {func(s *probe.Settings) { s.InFlightPage, s.InFlightField = "/health/schema", "" }, "no text or number"},
		"it is a word":     {func(s *probe.Settings) { s.InFlightPage, s.InFlightField = "/api/v1/products/health", "status" }, `"ok" is no number of what is in hand`},
		"there is no page": {func(s *probe.Settings) { s.InFlightPage = "/nowhere" }, "nobody knows which Region"},
	} {
		if name == "there is no page" {
			c.says = ""
		}
		judge(t, "in-flight", []judged{{name, fencedAway(func(*sim.State) {}), incident.Unsure, []string{c.says}, nil, nil}}, set(t, probe.Platform, c.change))
	}
}

// Without a page of the platform's own the approver is told that nobody tells, before
// anything stops; with one, or on the way out, there is nothing to add.
func TestTheApproverIsToldWhatNobodyTells(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		untold string
		says   bool
	}{"nobody tells": {"Beside their pods and queues nobody tells what is in hand", true}, "it is told": {"", false}} {
		a, call := w.call(t, "writers-gone") // of a failback
		step, ok := call.Plan.Step("fence-writers")
		if !ok || strings.Contains(string(step.With), "nobody tells") {
			t.Fatalf("%t %s", ok, step.With)
		}
		step.With = []byte(`{"deadline":20000000000,"untold":"` + c.untold + `"}`)
		call.Step, a = step, w.catalog[step.Uses]
		e, err := a.Effect(t.Context(), call)
		if err != nil || strings.Contains(e.Lost, "nobody tells") != c.says {
			t.Errorf("%s: %q %v", name, e.Lost, err)
		}
	}
}
