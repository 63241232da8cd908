package providers_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/dns"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// fleeing is a step of the unplanned run home.
func (w *world) fleeing(t *testing.T, step string) (engine.Action, engine.Call) {
	t.Helper()
	p := compile(t, w.catalog, w.facts("unplanned").Fleeing())
	s, ok := p.Step(step)
	if !ok {
		t.Fatalf("the run home has no step %s", step)
	}
	a, call := w.call(t, step)
	call.Plan, call.Step = p, s
	return a, call
}

// What moved users away is undone, and what keeps them from home is found before Go. Of the
// Region that may be lost nothing is asked for it, however that fails.
func TestHomeIsGivenOutAgainWithoutTheRegionThatIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(t *testing.T, w *world)
		verdict incident.Verdict
		says    string
	}{
		"as a planned move left it":        {func(t *testing.T, w *world) { w.change(t, func(s *sim.State) { setFlags(s, true, true) }) }, "", "checkers see us-east-1 well"},
		"as an unplanned move left it":     {func(t *testing.T, w *world) { w.change(t, putByHand) }, "", "checkers see us-east-1 well"},
		"the object is ignored already":    {func(t *testing.T, w *world) { w.change(t, func(s *sim.State) { setTakeover(s, true, false) }) }, "", "checkers see us-east-1 well"},
		"the standby's check is unhealthy": {standbyUnwell, "", "checkers see us-east-1 well"},
		"Route 53's API does not answer": {func(t *testing.T, w *world) {
			if err := w.Fault(sim.Fault{System: "aws.route53", Kind: sim.Hang}); err != nil {
				t.Fatal(err)
			}
		}, incident.Unsure, "While us-west-2 does not answer, Route 53 gives us-east-1 out by itself"},
		"home is not seen well": {func(t *testing.T, w *world) {
			w.change(t, func(s *sim.State) { s.Regions[east].TargetsBroken = true })
			w.wait(t, time.Minute)
		}, incident.Fail, "0 of 6 of Route 53's checkers see us-east-1 well"},
		"the takeover check looks elsewhere": {func(t *testing.T, w *world) {
			w.change(t, func(s *sim.State) { s.DNS.Checks[w.checksOf(t).TakeoverCheck].Path = "/drill" })
		}, incident.Fail, "looks at the path /drill"},
	} {
		for _, kind := range []string{sim.Refuse, sim.Hang, sim.ServerFail} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				c.change(t, w)
				if err := w.Fault(sim.Fault{Region: west, Kind: kind}); err != nil {
					t.Fatal(err)
				}
				a, call := w.fleeing(t, "dns-returnable")
				o, ok, err := a.Look(t.Context(), call)
				if err != nil || ok == (c.verdict == incident.Fail) || c.verdict == incident.Unsure && o.Measured.Verdict != incident.Unsure || !strings.Contains(o.Summary, c.says) {
					t.Errorf("%t %q %q %v", ok, o.Measured.Verdict, o.Summary, err)
				}
				for _, asked := range w.Calls() {
					if asked.Region == west {
						t.Errorf("us-west-2 was asked: %s", asked)
					}
				}
			})
		}
	}
}

// standbyUnwell lets the standby's record hang on a check that sees nothing.
func standbyUnwell(t *testing.T, w *world) {
	w.change(t, func(s *sim.State) {
		s.DNS.Checks["west"] = &sim.HealthCheck{ID: "west", Type: "HTTP", Version: 1, Host: "us-west-2.api.ecommerce.com", Path: "/gone"}
		for i := range s.DNS.Records {
			if s.DNS.Records[i].Failover == "SECONDARY" {
				s.DNS.Records[i].HealthCheckId = aws.String("west")
			}
		}
	})
}

// The object in a Region that is lost keeps nobody, and would once that Region is back.
func TestATakeoverObjectOfALostRegionSendsNobodyBack(t *testing.T) {
	for _, ignored := range []bool{false, true} {
		w := newWorld(t)
		w.change(t, putByHand)
		w.wait(t, time.Minute)
		if at := w.Snapshot().ZoneAnswer(); at != west {
			t.Fatalf("with the object users are in %s", at)
		}
		lose := func(lost bool) {
			w.change(t, func(s *sim.State) { s.Regions[west].Lost = lost })
			w.wait(t, 2*time.Minute)
		}
		lose(true)
		if at := w.Snapshot().ZoneAnswer(); at != east {
			t.Errorf("nobody can read the object, and users are in %s", at)
		}
		if ignored {
			a, call := w.fleeing(t, "takeover-ignored")
			if _, err := a.Do(t.Context(), call); err != nil {
				t.Fatal(err)
			}
		}
		lose(false)
		if at := w.Snapshot().ZoneAnswer(); (at == east) != ignored {
			t.Errorf("it is back, ignored %t, and users are in %s", ignored, at)
		}
	}
}

func TestWhatIsLeftOfATakeoverIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(s *sim.State)
		verdict incident.Verdict
		says    []string
	}{
		"its Region is lost": {func(s *sim.State) { setTakeover(s, true, false); putByHand(s); s.Regions[west].Lost = true }, incident.Fail, []string{
			"would be seen by nobody", "whether one is left in us-west-2 cannot be read while that does not answer", "a failback to us-east-1 puts both right",
		}},
		"it is there, ignored":                {func(s *sim.State) { setTakeover(s, true, false); putByHand(s) }, incident.Fail, []string{"s3://ecommerce-takeover-us-west-2/takeover, an object that somebody put", "is left"}},
		"it is gone, and the check ignores":   {func(s *sim.State) { setTakeover(s, true, false) }, incident.Fail, []string{"would be seen by nobody", "no takeover object is left in us-west-2"}},
		"it is there, and the check heeds it": {putByHand, incident.Fail, []string{"users are kept from us-east-1. Delete it"}},
		"all is as it should be":              {func(*sim.State) {}, incident.Pass, []string{"heeds the takeover object, as it should"}},
	} {
		w := newWorld(t)
		w.change(t, c.change)
		a, call := w.fleeing(t, "takeover-left")
		o, _, err := a.Look(t.Context(), call)
		if err != nil || o.Measured.Verdict != c.verdict || o.State != o.Summary {
			t.Errorf("%s: %q %q %v", name, o.Measured.Verdict, o.Summary, err)
		}
		for _, says := range c.says {
			if !strings.Contains(o.Summary, says) {
				t.Errorf("%s: it does not say %q: %s", name, says, o.Summary)
			}
		}
	}
}

// Users stay while a check begins to look again, and the record's own check speaks last.
func TestNobodyLeavesWhileTheTakeoverCheckBeginsToLookAgain(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) { putByHand(s); setTakeover(s, true, false) })
	w.wait(t, 3*time.Minute)
	w.change(t, func(s *sim.State) { removeByHand(s) })
	steps := []string{"takeover-shielded", "takeover-heeded"}
	for _, step := range steps {
		w.makes(t, step)
	}
	a, call := w.call(t, "takeover-unseen")
	waited := 0
	for ; ; waited++ {
		o, ok, err := a.Look(t.Context(), call)
		if err != nil || waited > 30 {
			t.Fatalf("%q %v", o.Summary, err)
		}
		if ok {
			break
		}
		w.wait(t, 5*time.Second)
	}
	if waited == 0 {
		t.Error("it was believed at once")
	}
	w.makes(t, "restore-dns")
	w.wait(t, 3*time.Minute)
	for _, h := range w.Snapshot().DNS.History {
		if h.Region != east {
			t.Errorf("users were in %s at %s", h.Region, h.At)
		}
	}
	// Where nothing was ignored there is nothing to do, and nothing to wait for.
	w = newWorld(t)
	for _, step := range append(steps, "takeover-unseen") {
		if o, ok, err := w.looked(t, step); err != nil || !ok {
			t.Errorf("%s: %t %q %v", step, ok, o.Summary, err)
		}
	}
}

// One flees by what the settings have move users, and not where nothing could.
func TestOneFleesWhereUsersCanFollow(t *testing.T) {
	for name, c := range map[string]struct {
		strategy string
		change   func(top *runbook.Topology)
		steps    []string
		refused  string
	}{
		"health checks":    {"", func(*runbook.Topology) {}, []string{"dns-returnable", "takeover-ignored", "restore-dns", "remove-reachable-takeover", "takeover-left"}, ""},
		"records":          {dns.ByRecord, func(*runbook.Topology) {}, []string{"record-sets", "change-record"}, ""},
		"routing controls": {dns.ByControl, func(*runbook.Topology) {}, []string{"routing-controls", "shift-controls", "controls-read-back"}, ""},
		"home's record hangs on no check": {"", func(top *runbook.Topology) {
			names, err := runbook.PartOf[dns.Settings](*top, "dns")
			if err != nil {
				t.Fatal(err)
			}
			names.Regions = map[string]dns.Checks{}
			if err := dns.Platform.Freeze(top, names); err != nil {
				t.Fatal(err)
			}
		}, nil, "no health check moves users away from us-east-1"},
	} {
		w := movedBy(t, c.strategy)
		facts := w.facts("unplanned").Fleeing()
		c.change(&facts.Topology)
		p, err := loaded(t).Compile(w.catalog.Runbook(), facts)
		if wrong, is := errors.AsType[*runbook.WrongWayError](err); is != (c.refused != "") || is && !strings.Contains(wrong.Error(), c.refused) || !is && err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p == nil {
			continue
		}
		for _, id := range c.steps {
			if _, there := p.Step(id); !there {
				t.Errorf("%s: there is no step %s", name, id)
			}
		}
		for _, s := range p.Steps {
			if s.Home == "source" && s.Kind.Ends() && s.Gate != runbook.Advice {
				t.Errorf("%s: %s asks the Region that is lost", name, s.ID)
			}
			if slices.Contains([]string{"take-over", "takeover-seen", "takeover-ready", "takeover-check", "shift-dns", "takeover-removed"}, s.ID) {
				t.Errorf("%s: there is step %s", name, s.ID)
			}
		}
	}
	// Home is where Route 53's API is not: it would be lost with the other Region.
	w := newWorld(t)
	facts := w.facts("unplanned")
	names := partOf[dns.Settings](t, facts.Topology, "dns")
	names.Regions = map[string]dns.Checks{west: names.Regions[east]}
	if err := dns.Platform.Freeze(&facts.Topology, names); err != nil {
		t.Fatal(err)
	}
	facts.Topology.Home = west
	_, err := loaded(t).Compile(w.catalog.Runbook(), facts)
	if wrong, is := errors.AsType[*runbook.WrongWayError](err); !is || !strings.Contains(wrong.Error(), "Route 53's API lives in us-east-1") || !strings.Contains(wrong.Error(), "strategy routing-control under dns") {
		t.Errorf("%v", err)
	}
}

func loaded(t *testing.T) *runbook.Source {
	t.Helper()
	src, err := runbook.Load(os.DirFS("../templates/runbook"), "failover.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return src
}
