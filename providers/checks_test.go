package providers_test

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/dns"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// looked carries out the looking of a step, or the first send of an exercise, bounded
// as the engine bounds it.
func (w *world) looked(t *testing.T, step string) (engine.Outcome, bool, error) {
	t.Helper()
	a, c := w.call(t, step)
	ctx, stop := w.clock.WithTimeout(t.Context(), c.Step.Timeout, errors.New("the step's time is up"))
	defer stop()
	if a.Kind == runbook.Exercise {
		return a.Try(ctx, c, 1)
	}
	return a.Look(ctx, c)
}

func TestAReadyStandbyPassesEachCheck(t *testing.T) {
	w := newWorld(t)
	w.wait(t, time.Minute)
	for _, step := range []string{
		"nodes", "room", "deployments", "jobs", "roles", "way-across", "images", "secrets", "object-replication", "backup", "load-balancer", "standby-database", "replication-lag", "standby-cache", "takeover-ready", "takeover-visible", "certificate", "web-acl", "distribution", "check-setup", "check-alarm", "ttl", "dns-guard", "takeover-check", "targets-healthy", "objects", "cache-warm",
	} {
		o, ok, err := w.looked(t, step)
		if err != nil || !ok || len(o.Evidence) == 0 {
			t.Errorf("%s: %t %q %v, evidence %v", step, ok, o.Summary, err, o.Evidence)
		}
	}
}

// Each check can fail, and says by name what it found.
func TestEachCheckFindsWhatIsWrong(t *testing.T) {
	primary := func(s *sim.State) *sim.HealthCheck {
		for _, h := range s.DNS.Checks {
			if h.Type == "CALCULATED" {
				return h
			}
		}
		return nil
	}
	takeoverCheck := func(s *sim.State, topology string) *sim.HealthCheck { return s.DNS.Checks[topology] }
	for _, c := range []struct {
		step, name string
		wrong      func(w *world) func(s *sim.State)
		says       []string
	}{
		{"nodes", "a zone has one ready node", func(*world) func(*sim.State) {
			return func(s *sim.State) { s.Regions[west].Nodes[0].Ready = false }
		}, []string{"2 of 3 zones", "is not ready"}},
		{"nodes", "a node is cordoned", func(*world) func(*sim.State) {
			return func(s *sim.State) { s.Regions[west].Nodes[0].Cordoned = true }
		}, []string{"is cordoned"}},
		{"deployments", "a service is scaled to nothing", func(*world) func(*sim.State) {
			return func(s *sim.State) {
				s.Regions[west].Deployments["user-service"].Spec.Replicas = new(int32)
			}
		}, []string{"user-service is scaled to 0"}},
		{"standby-database", "no instance", func(*world) func(*sim.State) {
			return func(s *sim.State) { member(s).Instances = 0 }
		}, []string{"no instance"}},
		{"standby-database", "not connected", func(*world) func(*sim.State) {
			return func(s *sim.State) { member(s).Sync = "pending-resync" }
		}, []string{"pending-resync"}},
		{"standby-database", "not available", func(*world) func(*sim.State) {
			return func(s *sim.State) { member(s).Status = "backing-up" }
		}, []string{"backing-up"}},
		{"standby-database", "a promotion is under way", func(*world) func(*sim.State) {
			return func(s *sim.State) {
				s.Database.Failover = &sim.Failover{Status: "switching-over", From: east, To: west, Due: s.At.Add(time.Hour)}
			}
		}, []string{"switching-over"}},
		{"replication-lag", "the lag is above the limit", func(*world) func(*sim.State) {
			return func(s *sim.State) { s.Database.LagMS = 9200 }
		}, []string{"replication lag is 9,", "above the limit of 5,000 ms"}},
		{"standby-cache", "the group is busy", func(*world) func(*sim.State) {
			return func(s *sim.State) { s.Cache.Status = "modifying" }
		}, []string{"is modifying"}},
		{"standby-cache", "the member is not associated", func(*world) func(*sim.State) {
			return func(s *sim.State) {
				for i := range s.Cache.Members {
					s.Cache.Members[i].Status = "associating"
				}
			}
		}, []string{"associating, not associated"}},
		{
			"takeover-ready", "the object is there", func(*world) func(*sim.State) { return changes["takeover.put"].byHand },
			[]string{"is there already"},
		},
		{"targets-healthy", "no target is healthy", func(*world) func(*sim.State) {
			return func(s *sim.State) { s.Regions[west].TargetsBroken = true }
		}, []string{"1 of 1 target group in us-west-2 is not healthy", "no healthy target"}},
		{"dns-guard", "the primary's check is disabled", func(*world) func(*sim.State) {
			return func(s *sim.State) { primary(s).Disabled = true }
		}, []string{"disabled=true"}},
		{"dns-guard", "one child is enough", func(*world) func(*sim.State) {
			return func(s *sim.State) { primary(s).Threshold = 1 }
		}, []string{"1 of its 2 children"}},
		{"dns-guard", "the takeover check is not counted", func(w *world) func(*sim.State) {
			return func(s *sim.State) { primary(s).Children = []string{w.checksOf(t).EndpointCheck} }
		}, []string{"does not count the takeover check"}},
		{"dns-guard", "the takeover check is not inverted", func(w *world) func(*sim.State) {
			return func(s *sim.State) { takeoverCheck(s, w.checksOf(t).TakeoverCheck).Inverted = false }
		}, []string{"is not inverted"}},
		{"dns-guard", "the records hang on another check and do not look at their targets", func(w *world) func(*sim.State) {
			return func(s *sim.State) {
				for i := range s.DNS.Records {
					r := &s.DNS.Records[i]
					if r.AliasTarget != nil {
						r.AliasTarget.EvaluateTargetHealth = false
					}
					if r.Failover == "PRIMARY" {
						other := w.checksOf(t).EndpointCheck
						r.HealthCheckId = &other
					}
				}
			}
		}, []string{"does not evaluate its target's health", "not on"}},
	} {
		t.Run(c.step+": "+c.name, func(t *testing.T) {
			w := newWorld(t)
			w.wait(t, time.Second)
			w.change(t, c.wrong(w))
			if c.step == "replication-lag" {
				w.wait(t, 2*time.Minute) // for the metric to show it
			}
			o, ok, err := w.looked(t, c.step)
			if err != nil || ok {
				t.Fatalf("%t %q %v", ok, o.Summary, err)
			}
			for _, s := range c.says {
				if !strings.Contains(o.Summary, s) {
					t.Errorf("it does not say %q: %s", s, o.Summary)
				}
			}
		})
	}
}

func TestAServiceThatIsMissingIsNamed(t *testing.T) {
	w := newWorld(t)
	a, c := w.call(t, "deployments")
	c.Plan.Topology.Services = append(c.Plan.Topology.Services, runbook.Service{Name: "search-service", Replicas: 2})
	if o, ok, err := a.Look(t.Context(), c); ok || err != nil || !strings.Contains(o.Summary, "search-service does not exist") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
}

func member(s *sim.State) *sim.DBMember {
	for i := range s.Database.Members {
		if s.Database.Members[i].Region == west {
			return &s.Database.Members[i]
		}
	}
	return nil
}

// What the API cannot be asked is unknown, and never passes.
func TestACheckThatCannotSeePassesNothing(t *testing.T) {
	for step, system := range map[string]string{
		"nodes": "kubernetes", "room": "kubernetes", "deployments": "kubernetes", "load-balancer": "aws.elasticloadbalancing", "standby-database": "aws.rds",
		"replication-lag": "aws.cloudwatch", "standby-cache": "aws.elasticache", "takeover-ready": "aws.s3", "takeover-visible": "aws.s3", "dns-guard": "aws.route53",
		"targets-healthy": "aws.elasticloadbalancing", "certificate": "aws.acm", "web-acl": "aws.wafv2", "distribution": "aws.cloudfront", "way-across": "aws.ec2", "images": "aws.ecr", "secrets": "aws.secretsmanager", "object-replication": "aws.s3", "objects": "aws.s3", "cache-warm": "aws.elasticache", "check-setup": "aws.route53", "check-alarm": "aws.sns", "quotas": "aws.servicequotas", "jobs": "kubernetes", "roles": "aws.iam", "backup": "kubernetes",
	} {
		for _, kind := range []string{sim.Deny, sim.ServerFail, sim.Refuse, sim.Throttle} {
			w := newWorld(t)
			if err := w.Fault(sim.Fault{System: system, Kind: kind}); err != nil {
				t.Fatal(err)
			}
			o, ok, err := w.looked(t, step)
			if err == nil || ok {
				t.Errorf("%s with %s: %t %q", step, kind, ok, o.Summary)
				continue
			}
			f := incident.CallErrorOf(err)
			if f.Unknown {
				t.Errorf("%s with %s: a read that may have happened: %v", step, kind, err)
			}
			// Other steps meet it too, so it is told once for all of them; a right that is
			// missing is the call's own.
			region := map[string]string{"dns-guard": "us-east-1", "roles": "us-east-1", "distribution": "us-east-1", "check-setup": "us-east-1", "check-alarm": "us-east-1"}[step]
			if c := f.Cause; (c != nil) != (kind != sim.Deny) || c != nil && (c.System == "" || c.Says == "" || c.Region != cmp.Or(region, west)) {
				t.Errorf("%s with %s: the cause is %+v", step, kind, c)
			}
			if kind == sim.Deny && (!f.NeedsPerson || f.Hint == "") {
				t.Errorf("%s denied: nobody is told what to do: %v", step, err)
			}
		}
	}
}

// A read that is throttled once is asked again by itself.
func TestAReadIsRetried(t *testing.T) {
	w := newWorld(t)
	for _, system := range []string{"aws.rds", "kubernetes"} {
		if err := w.Fault(sim.Fault{System: system, Kind: sim.Throttle, Times: 2}); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []string{"standby-database", "nodes"} {
		if o, ok, err := w.looked(t, step); err != nil || !ok {
			t.Errorf("%s: %t %q %v", step, ok, o.Summary, err)
		}
	}
}

func TestALagThatIsNoLongerReportedIsUnknownAndNotNothing(t *testing.T) {
	w := newWorld(t)
	w.wait(t, 5*time.Minute)
	if err := w.Happen(sim.Event{Replication: &sim.Replication{Stopped: true}}); err != nil {
		t.Fatal(err)
	}
	a, c := w.call(t, "promote-database")
	c.Impact = w.clock.Now().Add(-time.Minute)
	effect := func() incident.Effect {
		t.Helper()
		e, err := a.Effect(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	fresh := effect()
	w.wait(t, 10*time.Minute)
	stale := effect()
	if !strings.HasSuffix(fresh.Bound, "lag below 1,000 ms") || stale.Bound != fresh.Bound {
		t.Errorf("a yes was bound to %q, then to %q", fresh.Bound, stale.Bound)
	}
	for _, part := range []string{"last good value", "10 min ago, nothing newer", "the outage began 11 min ago", "whatever us-east-1 has taken since"} {
		if !strings.Contains(stale.Lost, part) {
			t.Errorf("what is lost does not say %q: %s", part, stale.Lost)
		}
	}
	_, ok, err := w.looked(t, "replication-lag")
	if ok || err == nil || !incident.CallErrorOf(err).NeedsPerson || incident.CallErrorOf(err).Hint == "" {
		t.Fatalf("%t %v", ok, err)
	}
	for _, part := range []string{"unknown", "last good value", "10 min ago"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the gate does not say %q: %v", part, err)
		}
	}
	if o, ok, err := w.looked(t, "outage-at-standby"); !ok || err != nil {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
}

// Why there is nothing newer decides whether the last value will do: an outage
// that was declared explains it, and nothing else does.
func TestTheLastLagIsToldWhenTheOutageMadeItOld(t *testing.T) {
	w := newWorld(t)
	w.wait(t, 5*time.Minute)
	if err := w.Happen(sim.Event{Replication: &sim.Replication{Stopped: true}}); err != nil {
		t.Fatal(err)
	}
	w.wait(t, 10*time.Minute)
	a, c := w.call(t, "last-lag")
	if o, ok, err := a.Look(t.Context(), c); ok || err == nil || len(o.Evidence) == 0 {
		t.Errorf("without an outage: %t %q %v, evidence %v", ok, o.Summary, err, o.Evidence)
	}
	c.Impact = w.clock.Now().Add(-9 * time.Minute)
	o, ok, err := a.Look(t.Context(), c)
	if !ok || err != nil {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	for _, part := range []string{"no longer reported", "last good value", " ms at ", "10 min ago", "the outage began 9 min ago"} {
		if !strings.Contains(o.Summary, part) {
			t.Errorf("it does not say %q: %s", part, o.Summary)
		}
	}
	limit := &c.Plan.Topology.Policy.LagConfirmMS
	*limit = 1
	if o, ok, err := a.Look(t.Context(), c); ok || err == nil {
		t.Errorf("a last value above the limit is no yes: %t %q %v", ok, o.Summary, err)
	}
}

func TestALagThatWasNeverReportedIsUnknown(t *testing.T) {
	for _, step := range []string{"replication-lag", "last-lag"} {
		w := newWorld(t)
		if err := w.Happen(sim.Event{Replication: &sim.Replication{Stopped: true}}); err != nil {
			t.Fatal(err)
		}
		w.wait(t, 4*time.Hour)
		a, c := w.call(t, step)
		c.Impact = w.clock.Now().Add(-time.Minute)
		if o, ok, err := a.Look(t.Context(), c); ok || err == nil || !strings.Contains(err.Error(), "no datapoint for 3 h") {
			t.Errorf("%s: %t %q %v", step, ok, o.Summary, err)
		}
	}
}

// A planned switchover needs the connection; an unplanned one has lost it anyway.
func TestAConnectionThatAWSDoesNotTellIsUnknown(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) { member(s).Sync = "" })
	a, c := w.call(t, "standby-database")
	o, ok, err := a.Look(t.Context(), c)
	if ok || err == nil || !strings.Contains(err.Error(), "AWS does not tell whether ecommerce-secondary in us-west-2 is connected") || incident.CallErrorOf(err).Hint == "" {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	c.Plan.Mode = "unplanned"
	if o, ok, err := a.Look(t.Context(), c); !ok || err != nil {
		t.Errorf("unplanned: %t %q %v", ok, o.Summary, err)
	}
	w.change(t, func(s *sim.State) { member(s).Instances = 0 })
	c.Plan.Mode = "planned"
	if o, ok, err := a.Look(t.Context(), c); ok || err != nil || !strings.Contains(o.Summary, "no instance") {
		t.Errorf("what is known to be wrong is a clear no: %t %q %v", ok, o.Summary, err)
	}
}

func TestTheLagCrossesABand(t *testing.T) {
	w := newWorld(t)
	a, c := w.call(t, "promote-database")
	bounds := map[string]bool{}
	for _, ms := range []int{200, 3000, 12000, 45000} {
		if err := w.Happen(sim.Event{Replication: &sim.Replication{LagMS: ms}}); err != nil {
			t.Fatal(err)
		}
		w.wait(t, 2*time.Minute)
		e, err := a.Effect(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		bounds[e.Bound] = true
	}
	if len(bounds) != 4 {
		t.Errorf("four bands of lag, but a yes is bound to %v", bounds)
	}
}

func TestAMaximumThatIsTooLowIsSaidBeforeAnythingChanges(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) { s.Regions[west].HPAs["order-service"].Spec.MaxReplicas = 4 })
	_, _, err := w.looked(t, "scale/order-service")
	f := incident.CallErrorOf(err)
	if err == nil || !f.NeedsPerson || !strings.Contains(f.Hint, "maxReplicas") || !strings.Contains(err.Error(), "allows 4") {
		t.Errorf("%v, hint %q", err, f.Hint)
	}
	if n := w.applied(); len(n) != 0 {
		t.Errorf("changed %v", n)
	}
}

func TestWhatRunsIsNeverReduced(t *testing.T) {
	w := newWorld(t)
	nine := int32(9)
	w.change(t, func(s *sim.State) {
		s.Regions[west].Deployments["order-service"].Spec.Replicas = &nine
		s.Regions[west].HPAs["order-service"].Spec.MaxReplicas = 12
	})
	a, c := w.call(t, "scale/order-service")
	if _, err := a.Do(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	s := w.Snapshot().Regions[west]
	if got := *s.Deployments["order-service"].Spec.Replicas; got != 9 {
		t.Errorf("%d replicas, had 9", got)
	}
	if got := *s.HPAs["order-service"].Spec.MinReplicas; got != 9 {
		t.Errorf("the autoscaler may still go down to %d", got)
	}
}

func TestPodsThatFindNoRoomAreExplained(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) {
		for i := range s.Regions[west].Nodes {
			s.Regions[west].Nodes[i].Cordoned = true
		}
	})
	a, c := w.call(t, "scale/order-service")
	if _, err := a.Do(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	w.wait(t, 30*time.Second)
	o, ok, err := w.looked(t, "rolled-out/order-service")
	if ok || err != nil {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	for _, part := range []string{"2 of 6 available", "pods are pending", "FailedScheduling", "last event"} {
		if !strings.Contains(o.Summary, part) {
			t.Errorf("it does not say %q: %s", part, o.Summary)
		}
	}
	rolled, first := w.call(t, "rolled-out/order-service")
	w.wait(t, 11*time.Minute)
	_, _, err = rolled.Look(t.Context(), first)
	if f := incident.CallErrorOf(err); err == nil || !f.NeedsPerson || !f.Definite {
		t.Errorf("past its deadline it has to be a person's, and a clear no: %v", err)
	}
	if _, _, err = w.looked(t, "rolled-out/order-service"); err != nil {
		t.Errorf("an attempt made since may still see new capacity: %v", err)
	}
}

// A small platform has one of everything, and reads well too.
func TestOneOfAKindIsNotManyOfThem(t *testing.T) {
	w := newWorld(t)
	w.wait(t, time.Minute)
	one := int32(1)
	w.change(t, func(s *sim.State) { // what is left out stays as it is
		for _, d := range s.Regions[west].Deployments {
			d.Spec.Replicas = &one
		}
		clear(s.Regions[west].HPAs) // they would have more
	})
	w.wait(t, time.Minute)
	many := regexp.MustCompile(`\b1 (of the zone's|(ready |old |public )?(servers|services|replicas|target groups|targets|pods|nodes|zones|requests|times|resolvers))\b|\b1 [a-z' ]+ (are|do|give|write) `)
	for step, want := range map[string]string{
		"deployments":             "the one service exists in us-west-2 and is available",
		"targets-healthy":         "the one target group in us-west-2 is healthy",
		"load-balancer":           "is active with 1 target group",
		"certificate":             "the certificate for api.ecommerce.com in us-west-2 has 364 days left",
		"rolled-out/user-service": "1 of 1 replica available",
		"scale/user-service":      "is set to 1 replica",
		"dns-authoritative":       "the zone's one server does not give us-west-2",
		"outage-in-dns":           "the zone's one server still gives us-east-1 out",
		"fence-reachable-writers": "1 of 1 service that writes is running",
		"nodes":                   "has ready nodes in",
		"outage-from-here":        "requests to its own address",
		"resolvers":               "0 of 1 public resolver gives only",
	} {
		a, c := w.call(t, step)
		c.Plan.Topology.Services = c.Plan.Topology.Services[:1]
		names := partOf[dns.Settings](t, c.Plan.Topology, "dns")
		names.Nameservers, names.Resolvers = names.Nameservers[:1], names.Resolvers[:1]
		if err := dns.Platform.Freeze(&c.Plan.Topology, names); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(step, "rolled-out") {
			c.Step.With = []byte(`{"service":"user-service","replicas":1}`)
		}
		o, _, err := a.Look(t.Context(), c)
		if err != nil || !strings.Contains(o.Summary, want) || many.MatchString(o.Summary) {
			t.Errorf("%s: %q %v, want %q", step, o.Summary, err, want)
		}
	}
}

// Somebody changed the check between the reading and the writing.
func TestAVersionThatMovedIsShownToAPerson(t *testing.T) {
	w := newWorld(t)
	a, c := w.call(t, "shift-dns")
	w.OnCall(func(call sim.Call, before bool) error {
		if before && call.Operation == "UpdateHealthCheck" {
			w.change(t, func(s *sim.State) { s.DNS.Checks[w.checksOf(t).HealthCheck].Version++ })
		}
		return nil
	})
	_, err := a.Do(t.Context(), c)
	if f := incident.CallErrorOf(err); err == nil || !f.NeedsPerson || f.Unknown || f.Retry {
		t.Errorf("%v: %+v", err, f)
	}
	if w.Applied("UpdateHealthCheck") != 0 {
		t.Error("it was changed over somebody's head")
	}
}

func TestAPromotionOfTheOtherKindOrToAnotherPlaceIsNotOurs(t *testing.T) {
	for name, f := range map[string]*sim.Failover{
		"other kind":  {Status: "failing-over", From: east, To: west, DataLoss: true},
		"other place": {Status: "switching-over", From: west, To: east},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.change(t, func(s *sim.State) { f.Due = s.At.Add(time.Hour); s.Database.Failover = f })
			o, there, err := w.looked(t, "switch-database")
			if err == nil || there || !incident.CallErrorOf(err).NeedsPerson {
				t.Errorf("%t %q %v", there, o.Summary, err)
			}
		})
	}
}

// What this run did not ask for is neither its own nor to be added to: it is waited for.
func TestWhatThisRunDidNotAskForIsWaitedFor(t *testing.T) {
	promoting := func(status string) func(s *sim.State) {
		return func(s *sim.State) {
			s.Database.Failover = &sim.Failover{Status: status, From: east, To: west, Due: s.At.Add(time.Hour)}
		}
	}
	for name, c := range map[string]struct {
		step  string
		begun func(s *sim.State)
		says  string
		ours  bool // once this run has asked for it
	}{
		"a switchover":              {"switch-database", promoting("switching-over"), "this run did not ask for it", true},
		"one that is taken back":    {"switch-database", promoting("cancelling"), "taken back (cancelling)", false},
		"a change of the datastore": {"promote-cache", func(s *sim.State) { s.Cache.Status = "modifying" }, "modifying, and not by this run", true},
		"an upgrade":                {"switch-database", func(s *sim.State) { s.Database.Status = "upgrading" }, "ecommerce-global is upgrading", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.change(t, c.begun)
			a, call := w.call(t, c.step)
			o, there, err := a.Look(t.Context(), call)
			if err != nil || there || !o.Busy || !strings.Contains(o.Summary, c.says) {
				t.Errorf("%t, busy %t, %q %v", there, o.Busy, o.Summary, err)
			}
			call.Asked = w.clock.Now()
			if o, there, err = a.Look(t.Context(), call); err != nil || there != c.ours || o.Busy == c.ours {
				t.Errorf("asked for by this run: %t, busy %t, %q %v", there, o.Busy, o.Summary, err)
			}
		})
	}
}

// What the global database is, apart from being available, is a reason to wait, and shown.
func TestAGlobalDatabaseThatIsNotAvailableIsNotReady(t *testing.T) {
	for _, word := range []string{"upgrading", "modifying", "deleting"} {
		w := newWorld(t)
		w.change(t, func(s *sim.State) { s.Database.Status = word })
		if o, ok, err := w.looked(t, "standby-database"); err != nil || ok || !strings.Contains(o.Summary, "ecommerce-global is "+word) {
			t.Errorf("%s: %t %q %v", word, ok, o.Summary, err)
		}
		a, c := w.call(t, "switch-database")
		if e, err := a.Effect(t.Context(), c); err != nil || !strings.Contains(e.What, word) {
			t.Errorf("%s: the effect says %q, %v", word, e.What, err)
		}
	}
}

// A reason that stands in the Deployment is told at once, and what brings it on.
func TestAPausedRolloutSaysSo(t *testing.T) {
	w := newWorld(t)
	restart, c := w.call(t, "restart/user-service")
	w.change(t, func(s *sim.State) { s.Regions[west].Deployments["user-service"].Spec.Paused = true })
	if _, err := restart.Do(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	w.change(t, func(s *sim.State) { // as a real controller leaves it
		d := s.Regions[west].Deployments["user-service"]
		d.Status.ObservedGeneration, d.Status.UpdatedReplicas = d.Generation, 0
	})
	_, ok, err := w.looked(t, "restarted/user-service")
	if f := incident.CallErrorOf(err); err == nil || ok || !f.Definite || !f.NeedsPerson || !strings.Contains(err.Error(), "user-service in us-west-2 is paused") || !strings.Contains(f.Hint, "rollout resume deployment/user-service") {
		t.Errorf("%t %v", ok, err)
	}
}

// What was scaled and is taken back does not come by itself, unless an autoscaler
// brings it.
func TestASizeThatWasTakenBackIsAskedForAgain(t *testing.T) {
	for name, held := range map[string]bool{"an autoscaler brings it": true, "nothing does": false} {
		w := newWorld(t)
		scale, c := w.call(t, "scale/order-service")
		if _, err := scale.Do(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		w.change(t, func(s *sim.State) {
			two := int32(2)
			s.Regions[west].Deployments["order-service"].Spec.Replicas = &two
			s.Regions[west].Deployments["order-service"].Status.ObservedGeneration = s.Regions[west].Deployments["order-service"].Generation
			if !held {
				s.Regions[west].HPAs["order-service"].Spec.MinReplicas = &two
			}
		})
		if o, ok, err := w.looked(t, "rolled-out/order-service"); err != nil || ok || o.Gone == held {
			t.Errorf("%s: %t, gone %t, %q %v", name, ok, o.Gone, o.Summary, err)
		}
	}
}

func TestAFenceGivesUpInTime(t *testing.T) {
	w := newWorld(t)
	if err := w.Fault(sim.Fault{System: "kubernetes", Region: east, Kind: sim.Hang}); err != nil {
		t.Fatal(err)
	}
	began := w.clock.Now()
	a, c := w.call(t, "fence-reachable-writers")
	_, _, err := a.Look(t.Context(), c)
	if took := w.clock.Now().Sub(began); err == nil || took > 11*time.Second {
		t.Errorf("after %s: %v", took, err)
	}
	if err != nil && !strings.Contains(err.Error(), "did not answer within 10s") {
		t.Errorf("it does not say what took too long: %v", err)
	}
}

// While any part is missing an order fails, and the smoke test says why.
func TestTheSmokeTestFailsUntilTheStandbyCanWrite(t *testing.T) {
	w := newWorld(t)
	o, ok, err := w.looked(t, "smoke-test")
	if ok || err != nil || !strings.Contains(o.Summary, "status 503") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	if o, ok, err := w.looked(t, "synthetic-order"); ok || err != nil || !strings.Contains(o.Summary, "taken by us-east-1, not by us-west-2") {
		t.Errorf("an order taken by the old Region passed: %t %q %v", ok, o.Summary, err)
	}
	for _, step := range []string{"traffic", "service-health/user-service", "watch", "dns-authoritative"} {
		if o, ok, err := w.looked(t, step); ok || err != nil || o.Summary == "" {
			t.Errorf("%s before anything moved: %t %q %v", step, ok, o.Summary, err)
		}
	}
	for _, step := range []string{"outage-from-here", "outage-in-dns", "outage-at-standby"} {
		if o, ok, err := w.looked(t, step); ok || err != nil || o.Summary == "" {
			t.Errorf("%s sees an outage that is none: %t %q %v", step, ok, o.Summary, err)
		}
	}
}

// What a view finds once the run changes things may be the run's own doing: a standby
// that was promoted no longer hears from anybody.
func TestAViewThatWasTakenAfterGoIsNoEvidence(t *testing.T) {
	w := newWorld(t)
	a, c := w.call(t, "outage-agreed")
	gone := time.Date(2026, 3, 3, 14, 2, 0, 0, time.UTC)
	found := map[string]time.Time{"outage-from-here": gone.Add(-time.Minute), "outage-at-standby": gone.Add(time.Minute)}
	c.Result = func(step string) (engine.Outcome, bool) {
		at, ok := found[step]
		return engine.Outcome{Summary: "down by " + step, At: at}, ok
	}
	if o, ok, err := a.Look(t.Context(), c); !ok || err != nil {
		t.Errorf("before Go: %t %q %v", ok, o.Summary, err)
	}
	c.Go = gone
	if o, ok, err := a.Look(t.Context(), c); ok || err != nil || !strings.Contains(o.Evidence["outage-at-standby"], "no evidence") {
		t.Errorf("after Go: %t %+v %v", ok, o, err)
	}
}

func TestViewsAgreeOnlyWhenEnoughDo(t *testing.T) {
	w := newWorld(t)
	a, c := w.call(t, "outage-agreed")
	for _, x := range []struct {
		seen []string
		want bool
	}{{nil, false}, {[]string{"outage-in-dns"}, false}, {[]string{"outage-in-dns", "outage-from-here"}, true}} {
		c.Result = func(step string) (engine.Outcome, bool) {
			return engine.Outcome{Summary: "down by " + step}, slices.Contains(x.seen, step)
		}
		o, ok, err := a.Look(t.Context(), c)
		if err != nil || ok != x.want {
			t.Errorf("%v: %t %q %v", x.seen, ok, o.Summary, err)
		}
		if !ok && !strings.Contains(o.Summary, "retry this step") {
			t.Errorf("%v: it does not say what helps: %s", x.seen, o.Summary)
		}
		for _, s := range x.seen {
			if !strings.Contains(o.Summary, "down by "+s) {
				t.Errorf("%v: the views are not told: %s", x.seen, o.Summary)
			}
		}
	}
}
