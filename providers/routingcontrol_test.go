package providers_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/arc"
	"github.com/failoverbot/failoverbot/providers/dns"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// arcSystem is the cluster of the routing controls in the pretend world's calls.
const arcSystem = "aws.route53-recovery-cluster"

// away are endpoints that nobody answers at.
func away(t *testing.T, w *world, kind string, regions ...string) {
	t.Helper()
	for _, r := range regions {
		if err := w.Fault(sim.Fault{System: arcSystem, Region: r, Kind: kind}); err != nil {
			t.Fatal(err)
		}
	}
}

// clusterIn are the Regions of the cluster's endpoints.
func (w *world) clusterIn(t *testing.T) []string {
	t.Helper()
	return slices.Sorted(maps.Keys(partOf[arc.Settings](t, w.Topology(), "arc").ClusterEndpoints))
}

func others(all []string, but ...string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(r string) bool { return slices.Contains(but, r) })
}

// steps of a mode, looked at in a world whose users routing controls move.
func (w *world) lookedIn(t *testing.T, mode, step string) (engine.Outcome, bool, error) {
	t.Helper()
	p := compile(t, w.catalog, w.facts(mode))
	s, ok := p.Step(step)
	if !ok {
		t.Fatalf("no step %s in a run that is %s", step, mode)
	}
	ctx, stop := w.clock.WithTimeout(t.Context(), s.Timeout, errors.New("the time is up"))
	defer stop()
	return w.catalog[s.Uses].Look(ctx, engine.Call{
		Incident: "INC-2026-0042", Plan: p, Step: s, Clock: w.clock,
		Result: func(string) (engine.Outcome, bool) { return engine.Outcome{}, false },
	})
}

func TestTheReadinessOfRoutingControls(t *testing.T) {
	for _, mode := range []string{"planned", "unplanned"} {
		asked := map[string]int{"planned": 5, "unplanned": 4}[mode]
		for name, one := range map[string]struct {
			is      func(t *testing.T, w *world, in []string)
			verdict incident.Verdict
			says    string
		}{
			"well": {nil, incident.Pass, "the routing controls are us-east-1 On, us-west-2 Off, by "},
			"one endpoint is away": {
				func(t *testing.T, w *world, _ []string) { away(t, w, sim.Refuse, "eu-west-1") },
				incident.Warn, "no answer from eu-west-1",
			},
			"all but two are away": {
				func(t *testing.T, w *world, in []string) { away(t, w, sim.Hang, others(in, west, "eu-west-1")...) },
				incident.Warn, "by 2 endpoints of ",
			},
			"all but one are away": {
				func(t *testing.T, w *world, in []string) { away(t, w, sim.ServerFail, others(in, west)...) },
				incident.Fail, "by one endpoint alone, and a change has to be read back from another: no answer from ap-northeast-1, ap-southeast-2",
			},
			"the other Region's is On": {
				func(t *testing.T, w *world, _ []string) { w.change(t, func(s *sim.State) { turn(s, "Off", "On") }) },
				incident.Fail, "users are being sent to us-west-2 already",
			},
			"both are On": {
				func(t *testing.T, w *world, _ []string) { w.change(t, func(s *sim.State) { turn(s, "On", "On") }) },
				incident.Fail, "us-east-1 On, us-west-2 On, and the one of us-east-1 alone should be On",
			},
			"both are Off": {
				func(t *testing.T, w *world, _ []string) { w.change(t, func(s *sim.State) { turn(s, "Off", "Off") }) },
				incident.Fail, "us-east-1 Off, us-west-2 Off, and the one of us-east-1 alone should be On",
			},
			"an endpoint lags behind": {func(t *testing.T, w *world, _ []string) {
				w.change(t, func(s *sim.State) {
					stale := maps.Clone(s.Controls.States)
					for arn, state := range stale {
						stale[arn] = map[string]string{"On": "Off", "Off": "On"}[state]
					}
					s.Controls.Stale = map[string]map[string]string{"eu-west-1": stale}
				})
			}, incident.Fail, "disagree on the routing controls: us-east-1 Off, us-west-2 On (by eu-west-1) and us-east-1 On, us-west-2 Off (by "},
			"all are away": {
				func(t *testing.T, w *world, in []string) { away(t, w, sim.Refuse, in...) },
				incident.Unsure, "no endpoint of the cluster tells how the routing controls are",
			},
			"all hang": {
				func(t *testing.T, w *world, in []string) { away(t, w, sim.Hang, in...) },
				incident.Unsure, "no answer within 4s",
			},
			"throttled": {func(t *testing.T, w *world, in []string) { away(t, w, sim.Throttle, in...) }, incident.Unsure, "throttled (ThrottlingException"},
			"the right is missing": {
				func(t *testing.T, w *world, in []string) { away(t, w, sim.Deny, in...) },
				incident.Unsure, "Route53 Recovery Cluster GetRoutingControlState: AccessDeniedException: User is not authorized to perform: route53-recovery-cluster:GetRoutingControlState",
			},
			"no such control": {func(t *testing.T, w *world, _ []string) {
				w.change(t, func(s *sim.State) { s.Controls.States = map[string]string{} })
			}, incident.Unsure, "ResourceNotFoundException"},
		} {
			t.Run(mode+", "+name, func(t *testing.T) {
				w := movedBy(t, dns.ByControl)
				if one.is != nil {
					one.is(t, w, w.clusterIn(t))
				}
				before := len(w.Calls())
				o, ok, err := w.lookedIn(t, mode, "routing-controls")
				verdict := o.Measured.Verdict
				switch {
				case err != nil:
					verdict = incident.Unsure
				case !ok:
					verdict = incident.Fail
				case verdict == "":
					verdict = incident.Pass
				}
				text := o.Summary
				if err != nil {
					text = err.Error()
				}
				if verdict != one.verdict || !strings.Contains(text, one.says) {
					t.Errorf("%s: %s", verdict, text)
				}
				if f := incident.CallErrorOf(err); err != nil && (f.Unknown || f.Hint == "" && f.NeedsPerson) {
					t.Errorf("%+v", f)
				}
				at := map[string]bool{}
				for _, c := range w.Calls()[before:] {
					at[c.Region] = true
				}
				if len(at) != asked || at[east] != (mode == "planned") {
					t.Errorf("asked in %v", at)
				}
				if len(w.applied()) != 0 {
					t.Errorf("changed: %v", w.applied())
				}
			})
		}
	}
}

// A clock that is off is named, by a check and by the change, which then has not happened.
func TestAClockThatIsOffTurnsNoRoutingControl(t *testing.T) {
	w := movedBy(t, dns.ByControl)
	for _, step := range []string{"routing-controls", "shift-controls"} {
		a, c := w.call(t, step)
		c.Clock = skewed{c.Clock}
		var err error
		if a.Do != nil {
			_, err = a.Do(t.Context(), c)
		} else {
			_, _, err = a.Look(t.Context(), c)
		}
		if f := incident.CallErrorOf(err); err == nil || f.Unknown || !f.NeedsPerson || !strings.Contains(f.Hint, "check the clock") {
			t.Errorf("%s: %v (%s)", step, err, incident.CallErrorOf(err).Hint)
		}
	}
	if len(w.applied()) != 0 {
		t.Errorf("changed: %v", w.applied())
	}
}

// skewed is a clock that is ten minutes fast.
type skewed struct{ incident.Clock }

func (s skewed) Now() time.Time { return s.Clock.Now().Add(10 * time.Minute) }

// A safety rule that refuses is told with its words, and never overridden.
func TestASafetyRuleThatRefusesIsTold(t *testing.T) {
	w := movedBy(t, dns.ByControl)
	w.change(t, func(s *sim.State) { s.Controls.Refuses = "maintenance-gate" })
	a, c := w.call(t, "shift-controls")
	_, err := a.Do(t.Context(), c)
	f := incident.CallErrorOf(err)
	if err == nil || !f.Definite || !f.NeedsPerson || f.Unknown || !strings.Contains(err.Error(), "ConflictException: The change does not satisfy safety rule maintenance-gate") || !strings.Contains(f.Hint, "overrides no safety rule") {
		t.Errorf("%v (%s)", err, f.Hint)
	}
	n := 0
	for _, call := range w.Calls() {
		if call.Operation == "UpdateRoutingControlStates" {
			n++
		}
	}
	if n != 1 || len(w.applied()) != 0 {
		t.Errorf("asked %d times, applied %v", n, w.applied())
	}
}

// The controls move users with a Region lost, in some seconds, and back again.
func TestRoutingControlsMoveUsersWithARegionLost(t *testing.T) {
	w := movedBy(t, dns.ByControl)
	if err := w.Happen(sim.Event{Lose: east}); err != nil {
		t.Fatal(err)
	}
	p := compile(t, w.catalog, w.facts("unplanned"))
	s, _ := p.Step("shift-controls")
	a := w.catalog[s.Uses]
	c := engine.Call{Incident: "INC-2026-0042", Plan: p, Step: s, Clock: w.clock}
	o, there, err := a.Look(t.Context(), c)
	if there || err != nil {
		t.Fatalf("%t %q %v", there, o.Summary, err)
	}
	done, err := a.Do(t.Context(), c)
	if err != nil || done.Evidence["endpoint"] == east {
		t.Fatalf("%q %v, by %s", done.Summary, err, done.Evidence["endpoint"])
	}
	read, _ := p.Step("controls-read-back")
	c.Result = func(step string) (engine.Outcome, bool) { return done, step == "shift-controls" }
	if o, ok, err := w.catalog[read.Uses].Look(t.Context(), c); !ok || err != nil || o.Evidence["endpoint"] == done.Evidence["endpoint"] || o.Measured.Verdict == incident.Warn {
		t.Errorf("read back: %t %q %v, by %s after %s", ok, o.Summary, err, o.Evidence["endpoint"], done.Evidence["endpoint"])
	}
	w.wait(t, time.Minute)
	if at := w.Snapshot().ZoneAnswer(); at != west {
		t.Errorf("users are given %s", at)
	}
	for _, call := range w.Calls() {
		if call.Region == east {
			t.Errorf("asked in the Region that is lost: %s", call.Operation)
		}
	}
	if err := w.Happen(sim.Event{Restore: east}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Undo.Do(t.Context(), c, o.Prior); err != nil {
		t.Fatal(err)
	}
	w.wait(t, 3*time.Minute)
	if at := w.Snapshot().ZoneAnswer(); at != east {
		t.Errorf("taken back users are given %s", at)
	}
}

// With all endpoints but one away users are moved all the same, and it is said that nobody
// else could confirm it.
func TestOneEndpointIsEnoughToMoveUsers(t *testing.T) {
	for _, kind := range []string{sim.Refuse, sim.Hang, sim.ServerFail, sim.Throttle, sim.LostAnswer} {
		t.Run(kind, func(t *testing.T) {
			w := movedBy(t, dns.ByControl)
			away(t, w, kind, others(w.clusterIn(t), "eu-west-1")...)
			a, c := w.call(t, "shift-controls")
			ctx, stop := w.clock.WithTimeout(t.Context(), a.CallTimeout, errors.New("the time is up"))
			defer stop()
			done, err := a.Do(ctx, c)
			if err != nil || done.Evidence["endpoint"] != "eu-west-1" || len(w.applied()) != 1 {
				t.Fatalf("%q %v, applied %v", done.Summary, err, w.applied())
			}
			for what, n := range w.applied() {
				if n != 1 {
					t.Errorf("%s was applied %d times", what, n)
				}
			}
			wait, call := w.call(t, "controls-read-back")
			call.Result = func(step string) (engine.Outcome, bool) { return done, step == "shift-controls" }
			if o, ok, err := wait.Look(t.Context(), call); !ok || err != nil || o.Measured.Verdict != incident.Warn || !strings.Contains(o.Summary, "by the endpoint in eu-west-1; no other endpoint answers") {
				t.Errorf("%t %v %q %v", ok, o.Measured.Verdict, o.Summary, err)
			}
		})
	}
}

// recovery are the two checks of the records, primary first.
func recovery(s *sim.State) []*sim.HealthCheck {
	var out []*sim.HealthCheck
	for _, r := range ofTheName(s) {
		out = append(out, s.DNS.Checks[aws.ToString(r.HealthCheckId)])
	}
	return out
}

func TestRecordsHangOnTheRoutingControlOfTheirRegion(t *testing.T) {
	w := movedBy(t, dns.ByControl)
	if o, ok, err := w.looked(t, "recovery-checks"); !ok || err != nil || o.Measured.Verdict == incident.Warn || o.Summary != "2 records of api.ecommerce.com, and each hangs on the routing control of its Region" {
		t.Errorf("well: %t %q %v", ok, o.Summary, err)
	}
	for name, one := range map[string]struct {
		make func(s *sim.State)
		ok   bool
		says string
	}{
		"the secondary hangs on none": {func(s *sim.State) { ofTheName(s)[1].HealthCheckId = nil }, true, "the secondary A record hangs on no health check, and is given out whenever the primary is not"},
		"the primary hangs on none":   {func(s *sim.State) { ofTheName(s)[0].HealthCheckId = nil }, false, "the primary A record hangs on no health check; no record hangs on the routing control of us-east-1"},
		"a check of another type":     {func(s *sim.State) { ofTheName(s)[0].HealthCheckId = aws.String(keysOfChecks(s)[0]) }, false, "of type CALCULATED, and not on one of a routing control"},
		"the controls are exchanged": {func(s *sim.State) {
			r := ofTheName(s)
			r[0].HealthCheckId, r[1].HealthCheckId = r[1].HealthCheckId, r[0].HealthCheckId
		}, false, "the primary A record leads to us-east-1 and hangs on the routing control of us-west-2"},
		"another control":     {func(s *sim.State) { recovery(s)[0].Control += "0" }, false, "which the settings name for neither Region"},
		"disabled":            {func(s *sim.State) { recovery(s)[1].Disabled = true }, false, "is disabled=true inverted=false: it does not follow its routing control"},
		"inverted":            {func(s *sim.State) { recovery(s)[0].Inverted = true }, false, "is disabled=false inverted=true: it does not follow its routing control"},
		"one record for both": {func(s *sim.State) { ofTheName(s)[1].Type = types.RRTypeTxt }, false, "no record hangs on the routing control of us-west-2"},
		"there is none": {func(s *sim.State) {
			s.DNS.Records = slices.DeleteFunc(s.DNS.Records, func(r types.ResourceRecordSet) bool { return aws.ToString(r.Name) == "api.ecommerce.com." })
		}, false, "there is no record of type A, AAAA or CNAME"},
	} {
		t.Run(name, func(t *testing.T) {
			w := movedBy(t, dns.ByControl)
			w.change(t, one.make)
			o, ok, err := w.looked(t, "recovery-checks")
			if ok != one.ok || err != nil || !strings.Contains(o.Summary, one.says) || ok && o.Measured.Verdict != incident.Warn {
				t.Errorf("%t %v %q %v", ok, o.Measured.Verdict, o.Summary, err)
			}
		})
	}
	blindWhere(t, func(t *testing.T) *world { return movedBy(t, dns.ByControl) }, "recovery-checks", "aws.route53", "ListResourceRecordSets", "GetHealthCheck")
}

// A run by routing controls has no other lever, and an unplanned one waits for nothing in the
// Region that is left; all endpoints are listed with their Regions.
func TestARunByRoutingControlsNeedsNothingOfTheRegionThatIsLeft(t *testing.T) {
	w := movedBy(t, dns.ByControl)
	for _, facts := range []runbook.Facts{w.facts("planned"), w.facts("unplanned"), w.facts("planned").Back(), w.facts("unplanned").Back()} {
		p := compile(t, w.catalog, facts)
		for _, id := range []string{"shift-dns", "restore-dns", "take-over", "takeover-seen", "takeover-ready", "takeover-check", "takeover-removed", "change-record", "record-sets", "dns-guard", "dns-returnable", "check-setup"} {
			if _, there := p.Step(id); there {
				t.Errorf("%s to %s has step %s", p.Mode, p.Target.Name, id)
			}
		}
		for _, id := range []string{"routing-controls", "recovery-checks", "shift-controls", "controls-read-back"} {
			if _, there := p.Step(id); !there {
				t.Errorf("%s to %s has no step %s", p.Mode, p.Target.Name, id)
			}
		}
		if s, _ := p.Step("dns-authoritative"); !slices.Contains(s.Needs, "shift-controls") {
			t.Errorf("dns-authoritative needs %v", s.Needs)
		}
		if s, _ := p.Step("recovery-checks"); (s.Gate == runbook.Advice) != (p.Mode == "unplanned") {
			t.Errorf("%s: recovery-checks is %s", p.Mode, s.Gate)
		}
		o, ok := w.needs(t, p)
		if !ok {
			t.Errorf("%s to %s: %s", p.Mode, p.Target.Name, o.Summary)
		}
		for _, region := range w.clusterIn(t) {
			if at := o.Evidence["ARC cluster in "+region]; !strings.HasSuffix(at, "("+region+")") {
				t.Errorf("the endpoint in %s is told as %q", region, at)
			}
		}
	}
	if o, _ := newWorld(t).needs(t, compile(t, w.catalog, newWorld(t).facts("planned"))); o.Evidence["ARC cluster in us-west-2"] != "" {
		t.Error("listed for a run that does not need it")
	}
}

// What cannot be right about the settings is said.
func TestRoutingControlsInTheSettings(t *testing.T) {
	own := arc.Platform.Example.(arc.Settings)
	for name, one := range map[string]struct {
		change func(s *arc.Settings)
		says   string
	}{
		"as they should be": {func(*arc.Settings) {}, ""},
		"left out":          {func(s *arc.Settings) { *s = arc.Settings{} }, ""},
		"a private name":    {func(s *arc.Settings) { s.ClusterEndpoints[west] = "https://arc.example.net/v1" }, ""},
		"no endpoint":       {func(s *arc.Settings) { s.ClusterEndpoints = nil }, `"cluster_endpoints" are missing`},
		"four endpoints":    {func(s *arc.Settings) { delete(s.ClusterEndpoints, "eu-west-1") }, `"cluster_endpoints" has 4, and a cluster has 5`},
		"one endpoint twice": {func(s *arc.Settings) {
			s.ClusterEndpoints[west], s.ClusterEndpoints["eu-west-1"] = "https://arc.example.net/v1", "https://ARC.example.net/v2"
		}, "arc.example.net is the endpoint of eu-west-1, too"},
		"an endpoint of another Region": {func(s *arc.Settings) {
			s.ClusterEndpoints[west] = strings.ReplaceAll(s.ClusterEndpoints[west], west, "eu-central-1")
		}, "is not in us-west-2"},
		"plain http":              {func(s *arc.Settings) { s.ClusterEndpoints[west] = "http://arc.example.net/v1" }, "the endpoint is no https address"},
		"a password":              {func(s *arc.Settings) { s.ClusterEndpoints[west] = "https://bot:hunter2@arc.example.net/v1" }, "the endpoint is no https address"},
		"no address":              {func(s *arc.Settings) { s.ClusterEndpoints[west] = "arc" }, "the endpoint is no https address"},
		"no control":              {func(s *arc.Settings) { s.Regions = nil }, `"regions" names no routing control`},
		"one control for both":    {func(s *arc.Settings) { s.Regions[west] = s.Regions[east] }, "has the same value in us-east-1 and us-west-2"},
		"a control for one alone": {func(s *arc.Settings) { delete(s.Regions, west) }, `"regions" does not say what there is in us-west-2`},
		"a control of no Region": {func(s *arc.Settings) {
			s.Regions["eu-west-1"] = arc.Control{RoutingControl: own.Regions[east].RoutingControl + "1"}
		}, "none of the platform's Regions"},
		"the ARN of a panel": {func(s *arc.Settings) {
			panel, _, _ := strings.Cut(s.Regions[west].RoutingControl, "/routingcontrol")
			s.Regions[west] = arc.Control{RoutingControl: panel}
		}, "is the ARN of a routing control and ends with its panel and itself"},
		"an ARN that is none": {func(s *arc.Settings) { s.Regions[west] = arc.Control{RoutingControl: "primary-cell"} }, "has to look like arn:aws:route53-recovery-control::123456789012:controlpanel/"},
		"another service": {func(s *arc.Settings) {
			s.Regions[west] = arc.Control{RoutingControl: strings.Replace(s.Regions[west].RoutingControl, "recovery-control", "recovery-readiness", 1)}
		}, "is an ARN of route53-recovery-readiness, not of route53-recovery-control"},
	} {
		t.Run(name, func(t *testing.T) {
			s := arc.Settings{ClusterEndpoints: maps.Clone(own.ClusterEndpoints), Regions: maps.Clone(own.Regions)}
			one.change(&s)
			data, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			said := faultsOf(t, arc.Platform, string(data))
			if one.says == "" && len(said) > 0 || one.says != "" && (len(said) != 1 || !strings.Contains(said[0], one.says)) || strings.Contains(strings.Join(said, ""), "hunter2") {
				t.Errorf("%q, want %q", said, one.says)
			}
		})
	}
	var both []string
	for _, strategy := range []string{"", dns.ByRecord, dns.ByControl, "magic"} {
		set := dns.Platform.Example.(dns.Settings)
		set.Strategy = strategy
		data, err := json.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, faultsOf(t, dns.Platform, string(data))...)
	}
	if len(both) != 1 || !strings.Contains(both[0], `"magic" is no strategy: leave it out to move users by health checks, or write record-change or routing-control`) {
		t.Errorf("%q", both)
	}
}
