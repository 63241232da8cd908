package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	r53 "github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/dns"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// Whatever keeps the takeover object from moving users is found before it is needed, by
// the gate of a planned and of an unplanned failover alike, and told with both values.
func TestALeverThatWouldMoveNobodyIsFoundByTheReadiness(t *testing.T) {
	type checks struct{ record, endpoint, takeover *sim.HealthCheck }
	for name, c := range map[string]struct {
		astray func(c checks)
		says   string
		// plannedOnly is wrong with what sees an outage: an unplanned failover moves
		// users all the same, and says it.
		plannedOnly bool
	}{
		"takeover: another host":          {func(c checks) { c.takeover.Host = "drill.s3.us-west-2.amazonaws.com" }, "us-east-1's takeover check looks at the host drill.s3.us-west-2.amazonaws.com, not at ecommerce-takeover-us-west-2.s3.us-west-2.amazonaws.com", false},
		"takeover: the bucket next door":  {func(c checks) { c.takeover.Host = "ecommerce-takeover-us-east-1.s3.us-east-1.amazonaws.com" }, "looks at the host ecommerce-takeover-us-east-1.s3.us-east-1.amazonaws.com, not at", false},
		"takeover: another path":          {func(c checks) { c.takeover.Path = "/takeover-drill" }, "us-east-1's takeover check looks at the path /takeover-drill, not at /takeover", false},
		"takeover: a path in other case":  {func(c checks) { c.takeover.Path = "/Takeover" }, "the path /Takeover, not at /takeover", false},
		"takeover: no path":               {func(c checks) { c.takeover.Path = "" }, "the path /, not at /takeover", false},
		"takeover: another port":          {func(c checks) { c.takeover.Port = 8080 }, "us-east-1's takeover check looks at port 8080, not at 80", false},
		"takeover: https on another port": {func(c checks) { c.takeover.Type, c.takeover.Port = "HTTPS", 8443 }, "looks at port 8443, not at 443", false},
		"takeover: type":                  {func(c checks) { c.takeover.Type = "TCP" }, "us-east-1's takeover check is of type TCP, not HTTP or HTTPS", false},
		"takeover: an address":            {func(c checks) { c.takeover.IP = "203.0.113.10" }, "looks at the address 203.0.113.10, not at", false},
		"takeover: a text":                {func(c checks) { c.takeover.Type, c.takeover.Search = "HTTP_STR_MATCH", "down" }, `looks for the text "down"`, false},
		"takeover: threshold":             {func(c checks) { c.takeover.Threshold = 10 }, "us-east-1's takeover check believes what it sees after 10 looks, not after 3 or fewer", false},
		"takeover: not inverted":          {func(c checks) { c.takeover.Inverted = false }, "is not inverted", false},
		"takeover: disabled":              {func(c checks) { c.takeover.Disabled = true }, "us-east-1's takeover check is disabled", false},
		"record: disabled":                {func(c checks) { c.record.Disabled = true }, "the check of us-east-1's record is disabled=true inverted=false already, not disabled=false inverted=false", false},
		"record: inverted":                {func(c checks) { c.record.Inverted = true }, "disabled=false inverted=true already", false},
		"record: threshold":               {func(c checks) { c.record.Threshold = 1 }, "the check of us-east-1's record needs 1 of its 2 children", false},
		"record: type":                    {func(c checks) { c.record.Type, c.record.Host = "HTTP", "us-east-1.api.ecommerce.com" }, "is of type HTTP, not CALCULATED", false},
		"record: children":                {func(c checks) { c.record.Children, c.record.Threshold = []string{c.endpoint.ID}, 1 }, "does not count the takeover check", false},
		"endpoint: another host":          {func(c checks) { c.endpoint.Host = "api.ecommerce.com" }, "us-east-1's endpoint check looks at the host api.ecommerce.com, not at us-east-1.api.ecommerce.com", true},
		"endpoint: the other Region":      {func(c checks) { c.endpoint.Host = "us-west-2.api.ecommerce.com" }, "looks at the host us-west-2.api.ecommerce.com, not at", true},
		"endpoint: another path":          {func(c checks) { c.endpoint.Path = "/nothing-here" }, "us-east-1's endpoint check looks at the path /nothing-here, which us-east-1 answers with status 404", true},
		"endpoint: another port":          {func(c checks) { c.endpoint.Port = 81 }, "us-east-1's endpoint check looks at port 81, not at 80", true},
		"endpoint: type":                  {func(c checks) { c.endpoint.Type = "TCP" }, "us-east-1's endpoint check is of type TCP, not HTTP", true},
		"endpoint: an address":            {func(c checks) { c.endpoint.IP = "198.51.100.10" }, "looks at the host 198.51.100.10, not at us-east-1.api.ecommerce.com", true},
		"endpoint: the public name":       {func(c checks) { c.endpoint.Host = "API.ecommerce.com." }, "that is the public name itself, so it would follow the failover and see the standby", true},
		"endpoint: the takeover's path":   {func(c checks) { c.endpoint.Path = "/takeover" }, "us-east-1's endpoint check looks at the path /takeover, which is the takeover object's", true},
		"endpoint: inverted":              {func(c checks) { c.endpoint.Inverted = true }, "us-east-1's endpoint check is disabled=false inverted=true, not disabled=false inverted=false", true},
		"endpoint: disabled":              {func(c checks) { c.endpoint.Disabled = true }, "us-east-1's endpoint check is disabled=true inverted=false", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.wait(t, time.Second)
			own := w.checksOf(t)
			w.change(t, func(s *sim.State) {
				c.astray(checks{s.DNS.Checks[own.HealthCheck], s.DNS.Checks[own.EndpointCheck], s.DNS.Checks[own.TakeoverCheck]})
			})
			for _, step := range []string{"dns-guard", "takeover-check"} {
				o, ok, err := w.looked(t, step)
				if err != nil || !strings.Contains(o.Summary, c.says) {
					t.Errorf("%s does not say %q: %s, %v", step, c.says, o.Summary, err)
				}
				passes := step == "takeover-check" && c.plannedOnly
				if ok != passes || passes && o.Measured.Verdict != incident.Warn {
					t.Errorf("%s passed %t, as %q: %s", step, ok, o.Measured.Verdict, o.Summary)
				}
				if _, call := w.call(t, step); !call.Step.Locked {
					t.Errorf("%s can be gone on without", step)
				}
			}
		})
	}
}

// A check that sees an outage late, or takes a hiccup for one, moves users all the same:
// it is told with what it costs, and stops nobody.
func TestACheckThatIsSlowOrHastyIsToldWithItsSeconds(t *testing.T) {
	type checks struct{ endpoint, takeover *sim.HealthCheck }
	for name, c := range map[string]struct {
		change func(c checks)
		says   []string
	}{
		"endpoint: threshold above": {func(c checks) { c.endpoint.Threshold = 10 }, []string{
			"us-east-1's endpoint check looks every 10 s and believes what it sees after 10 looks, not every 10 s and after 3: it sees an outage after 100 s, not after 30 s",
		}},
		"endpoint: threshold below": {func(c checks) { c.endpoint.Threshold = 1 }, []string{
			"after 1 look, not every 10 s and after 3: it sees an outage after 10 s, not after 30 s, and what passes by itself is taken for it",
		}},
		"endpoint: interval": {func(c checks) { c.endpoint.Interval = 30 }, []string{
			"us-east-1's endpoint check looks every 30 s and believes what it sees after 3 looks, not every 10 s and after 3: it sees an outage after 90 s, not after 30 s",
		}},
		"endpoint: both": {func(c checks) { c.endpoint.Interval, c.endpoint.Threshold = 30, 5 }, []string{"it sees an outage after 150 s, not after 30 s"}},
		"takeover: interval": {func(c checks) { c.takeover.Interval = 30 }, []string{
			"us-east-1's takeover check looks every 30 s and believes what it sees after 3 looks, not every 10 s and after 3: it sees the object after 90 s, not after 30 s",
		}},
		"takeover: threshold below": {func(c checks) { c.takeover.Threshold = 2 }, []string{"it sees the object after 20 s, not after 30 s"}},
		"both checks":               {func(c checks) { c.endpoint.Interval, c.takeover.Interval = 30, 30 }, []string{"it sees an outage after 90 s", "it sees the object after 90 s"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.wait(t, time.Second)
			own := w.checksOf(t)
			for _, step := range []string{"dns-guard", "takeover-check"} {
				if o, ok, err := w.looked(t, step); err != nil || !ok || o.Measured.Verdict == incident.Warn {
					t.Fatalf("%s, as the runbook has it: %t %q %s, %v", step, ok, o.Measured.Verdict, o.Summary, err)
				}
			}
			w.change(t, func(s *sim.State) { c.change(checks{s.DNS.Checks[own.EndpointCheck], s.DNS.Checks[own.TakeoverCheck]}) })
			for _, step := range []string{"dns-guard", "takeover-check"} {
				o, ok, err := w.looked(t, step)
				if err != nil || !ok || o.Measured.Verdict != incident.Warn {
					t.Errorf("%s: %t %q %v", step, ok, o.Measured.Verdict, err)
				}
				for _, says := range c.says {
					if !strings.Contains(o.Summary, says) {
						t.Errorf("%s does not say %q: %s", step, says, o.Summary)
					}
				}
			}
		})
	}
}

// Which page an endpoint check is to look at nobody has said, but some it should not.
func TestThePageOfAnEndpointCheckIsComparedWithTheServicesAndTheOtherRegion(t *testing.T) {
	for name, c := range map[string]struct {
		wrong func(t *testing.T, w *world, call *engine.Call)
		says  string
	}{
		"a service that nobody waits for": {func(t *testing.T, w *world, call *engine.Call) {
			w.change(t, func(s *sim.State) { s.DNS.Checks[w.checksOf(t).EndpointCheck].Path = "/api/v1/users/health" })
			call.Plan.Topology.Services = slices.Clone(call.Plan.Topology.Services)
			call.Plan.Topology.Services[0].Needed = false
		}, "us-east-1's endpoint check looks at the path /api/v1/users/health, the page of user-service, which nobody waits for: users would be moved when it alone is down"},
		"another page in the other Region": {func(t *testing.T, w *world, call *engine.Call) {
			own := w.checksOf(t)
			w.change(t, func(s *sim.State) {
				s.DNS.Checks["west"] = &sim.HealthCheck{ID: "west", Type: "CALCULATED", Version: 1, Children: []string{"west-endpoint", "west-takeover"}, Threshold: 2}
				endpoint, takeover := *s.DNS.Checks[own.EndpointCheck], *s.DNS.Checks[own.TakeoverCheck]
				endpoint.ID, endpoint.Host, endpoint.Path = "west-endpoint", "us-west-2.api.ecommerce.com", "/api/v1/orders/health"
				takeover.ID, takeover.Host = "west-takeover", "ecommerce-takeover-us-east-1.s3.us-east-1.amazonaws.com"
				s.DNS.Checks["west-endpoint"], s.DNS.Checks["west-takeover"] = &endpoint, &takeover
				for i := range s.DNS.Records {
					if s.DNS.Records[i].Failover == "SECONDARY" {
						s.DNS.Records[i].HealthCheckId = new("west")
					}
				}
			})
			names := partOf[dns.Settings](t, call.Plan.Topology, "dns")
			names.Regions[west] = dns.Checks{HealthCheck: "west", EndpointCheck: "west-endpoint", TakeoverCheck: "west-takeover"}
			if err := dns.Platform.Freeze(&call.Plan.Topology, names); err != nil {
				t.Fatal(err)
			}
		}, "us-east-1's endpoint check looks at the path /healthz, and us-west-2's at /api/v1/orders/health: they would not judge alike"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.wait(t, time.Second)
			a, call := w.call(t, "dns-guard")
			if o, ok, err := a.Look(t.Context(), call); err != nil || !ok || o.Measured.Verdict == incident.Warn {
				t.Fatalf("as it should be: %t %s, %v", ok, o.Summary, err)
			}
			c.wrong(t, w, &call)
			if o, ok, err := a.Look(t.Context(), call); err != nil || !ok || o.Measured.Verdict != incident.Warn || !strings.Contains(o.Summary, c.says) {
				t.Errorf("%t %q %s, %v", ok, o.Measured.Verdict, o.Summary, err)
			}
		})
	}
}

// A check that is set as this run is about to set it, by an earlier one or by hand, is no
// obstacle: it is said.
func TestAShiftThatIsThereAlreadyStopsNobody(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) { setFlags(s, true, true) })
	for _, step := range []string{"dns-guard", "takeover-check"} {
		o, ok, err := w.looked(t, step)
		if err != nil || !ok || o.Measured.Verdict != incident.Warn || !strings.Contains(o.Summary, "disabled=true inverted=true already, so users are sent to us-west-2") {
			t.Errorf("%s: %t %q %v", step, ok, o.Summary, err)
		}
	}
}

// The forms in which S3 can be asked for one object are all right.
func TestTheTakeoverCheckMayAskS3InAnyOfItsForms(t *testing.T) {
	for name, at := range map[string]sim.HealthCheck{
		"https":       {Type: "HTTPS", Host: "ecommerce-takeover-us-west-2.s3.us-west-2.amazonaws.com", Path: "/takeover"},
		"dual stack":  {Type: "HTTP", Host: "ecommerce-takeover-us-west-2.s3.dualstack.us-west-2.amazonaws.com", Path: "/takeover"},
		"path":        {Type: "HTTPS", Host: "s3.us-west-2.amazonaws.com", Path: "/ecommerce-takeover-us-west-2/takeover"},
		"dot and cap": {Type: "HTTPS", Host: "Ecommerce-takeover-us-west-2.s3.us-west-2.amazonaws.com.", Path: "/takeover"},
	} {
		w := newWorld(t)
		w.change(t, func(s *sim.State) {
			c := s.DNS.Checks[w.checksOf(t).TakeoverCheck]
			c.Type, c.Host, c.Path = at.Type, at.Host, at.Path
		})
		if o, ok, err := w.looked(t, "takeover-check"); err != nil || !ok {
			t.Errorf("%s: %t %q %v", name, ok, o.Summary, err)
		}
	}
}

func TestTheRecordsHaveToMoveEveryAddress(t *testing.T) {
	record := func(s *sim.State, failover r53.ResourceRecordSetFailover) *r53.ResourceRecordSet {
		for i := range s.DNS.Records {
			if s.DNS.Records[i].Failover == failover {
				return &s.DNS.Records[i]
			}
		}
		return nil
	}
	for name, c := range map[string]struct {
		wrong func(s *sim.State)
		says  []string
	}{
		"AAAA without SECONDARY": {func(s *sim.State) {
			r := *record(s, "PRIMARY")
			r.Type = r53.RRTypeAaaa
			s.DNS.Records = append(s.DNS.Records, r)
		}, []string{"there is no SECONDARY AAAA record"}},
		"A without SECONDARY": {func(s *sim.State) {
			r := record(s, "SECONDARY")
			*r = *record(s, "PRIMARY")
			r.SetIdentifier = aws.String("another")
		}, []string{"there is no SECONDARY A record"}},
		"AAAA that is no failover record": {func(s *sim.State) {
			r := *record(s, "PRIMARY")
			r.Type, r.Failover, r.HealthCheckId, r.SetIdentifier = r53.RRTypeAaaa, "", nil, nil
			s.DNS.Records = append(s.DNS.Records, r)
		}, []string{"the AAAA record of api.ecommerce.com is no failover record", "there is no PRIMARY AAAA record"}},
		"failover records that are CNAMEs": {func(s *sim.State) {
			for _, f := range []r53.ResourceRecordSetFailover{"PRIMARY", "SECONDARY"} {
				r := record(s, f)
				r.Type, r.AliasTarget, r.TTL = r53.RRTypeCname, nil, aws.Int64(60)
				r.ResourceRecords = []r53.ResourceRecord{{Value: aws.String("lb.example.com.")}}
			}
		}, []string{"api.ecommerce.com is a CNAME of lb.example.com", "have to be alias records of types A and AAAA"}},
		"a record that is no alias": {func(s *sim.State) {
			r := record(s, "SECONDARY")
			r.AliasTarget, r.TTL, r.ResourceRecords = nil, aws.Int64(60), []r53.ResourceRecord{{Value: aws.String("198.51.100.10")}}
		}, []string{"the SECONDARY A record does not evaluate its target's health: it has to be an alias record"}},
		"the standby's own check looks elsewhere": {func(s *sim.State) {
			s.DNS.Checks["own"] = &sim.HealthCheck{ID: "own", Type: "HTTP", Version: 1, Host: "other.ecommerce.com", Path: "/healthz", Probe: sim.Seen{Now: true, Up: true}}
			record(s, "SECONDARY").HealthCheckId = aws.String("own")
		}, []string{"the check of the SECONDARY A record looks at the host other.ecommerce.com, not at us-west-2.api.ecommerce.com"}},
		"the standby's own check is unhealthy": {func(s *sim.State) {
			s.DNS.Checks["own"] = &sim.HealthCheck{ID: "own", Type: "HTTP", Version: 1, Host: "us-west-2.api.ecommerce.com", Path: "/healthz", Disabled: true, Inverted: true}
			record(s, "SECONDARY").HealthCheckId = aws.String("own")
		}, []string{"is unhealthy (disabled=true inverted=true): everybody would be sent back to the primary"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.change(t, c.wrong)
			o, ok, err := w.looked(t, "dns-guard")
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

// A bucket that shows its objects to nobody is found although whoever signs sees it well,
// and what lies there is told apart from what was forgotten.
func TestABucketThatStrangersCannotReadFailsTheReadiness(t *testing.T) {
	for name, c := range map[string]struct {
		wrong func(s *sim.State)
		says  []string
	}{
		"refused": {
			func(s *sim.State) { s.Regions[west].PrivateBuckets = true },
			[]string{"bucket ecommerce-takeover-us-west-2 refuses to show s3://ecommerce-takeover-us-west-2/takeover.probe", "turn Block Public Access off", "s3:GetObject on takeover and takeover.probe"},
		},
		"no probe object": {
			func(s *sim.State) { delete(s.Regions[west].Buckets["ecommerce-takeover-us-west-2"], "takeover.probe") },
			[]string{"there is no probe object s3://ecommerce-takeover-us-west-2/takeover.probe", "put it there once"},
		},
	} {
		w := newWorld(t)
		if o, ok, err := w.looked(t, "takeover-visible"); err != nil || !ok {
			t.Fatalf("a bucket that everybody can read: %t %q %v", ok, o.Summary, err)
		}
		w.change(t, c.wrong)
		o, ok, err := w.looked(t, "takeover-visible")
		if err != nil || ok {
			t.Errorf("%s: %t %q %v", name, ok, o.Summary, err)
		}
		for _, s := range c.says {
			if !strings.Contains(o.Summary, s) {
				t.Errorf("%s: it does not say %q: %s", name, s, o.Summary)
			}
		}
		if o, ok, err := w.looked(t, "takeover-ready"); err != nil || !ok {
			t.Errorf("%s: whoever signs sees the bucket: %t %q %v", name, ok, o.Summary, err)
		}
	}
}

// An object that was put counts once it is seen, by anybody and by Route 53's checkers.
func TestTheTakeoverObjectIsPutAndNotYetSeenUntilItIs(t *testing.T) {
	w := newWorld(t)
	put, c := w.call(t, "take-over")
	o, err := put.Do(t.Context(), c)
	if err != nil || !strings.Contains(o.Summary, "not yet seen") {
		t.Fatalf("%q %v", o.Summary, err)
	}
	w.change(t, func(s *sim.State) { s.Regions[west].PrivateBuckets = true })
	o, ok, err := w.looked(t, "takeover-seen")
	if err != nil || ok || !strings.Contains(o.Summary, "put, not yet seen") || !strings.Contains(o.Summary, "Block Public Access") {
		t.Errorf("while nobody can read it: %t %q %v", ok, o.Summary, err)
	}
	w.change(t, func(s *sim.State) {
		s.Regions[west].PrivateBuckets = false
		s.DNS.Checks[w.checksOf(t).TakeoverCheck].Path = "/takeover-drill"
	})
	w.wait(t, time.Minute)
	o, ok, err = w.looked(t, "takeover-seen")
	if err != nil || ok || !strings.Contains(o.Summary, "put, not yet seen: 0 of 6 of Route 53's checkers see s3://") {
		t.Errorf("while the check looks elsewhere: %t %q %v", ok, o.Summary, err)
	}
	w.change(t, func(s *sim.State) { s.DNS.Checks[w.checksOf(t).TakeoverCheck].Path = "/takeover" })
	w.wait(t, time.Minute)
	o, ok, err = w.looked(t, "takeover-seen")
	if err != nil || !ok || !strings.Contains(o.Summary, "6 of 6 of Route 53's checkers see") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	for _, kind := range []string{sim.Hang, sim.Refuse, sim.Deny} {
		if err := w.Fault(sim.Fault{System: "aws.route53", Kind: kind, Times: 4}); err != nil {
			t.Fatal(err)
		}
		o, ok, err = w.looked(t, "takeover-seen")
		if err != nil || !ok || !strings.Contains(o.Summary, "anybody can read") || !strings.Contains(o.Summary, "could not be asked") || o.Measured.Verdict != incident.Warn {
			t.Errorf("Route 53's API: %s: %t %q %v", kind, ok, o.Summary, err)
		}
	}
}

// An unplanned failover goes on where Route 53's API cannot be asked, says so at once,
// and says what people can compare by hand.
func TestAnUnplannedFailoverDoesNotWaitForTheAPIOfRoute53(t *testing.T) {
	for _, kind := range []string{sim.Hang, sim.Refuse, sim.Deny, sim.ServerFail, sim.Throttle} {
		w := newWorld(t)
		if err := w.Fault(sim.Fault{System: "aws.route53", Kind: kind}); err != nil {
			t.Fatal(err)
		}
		began := w.clock.Now()
		o, ok, err := w.looked(t, "takeover-check")
		took := w.clock.Now().Sub(began)
		if err != nil || !ok || took > 11*time.Second || o.Measured.Verdict != incident.Unsure ||
			!strings.Contains(o.Summary, "not compared") || !strings.Contains(o.Summary, "ecommerce-takeover-us-west-2.s3.us-west-2.amazonaws.com/takeover") {
			t.Errorf("%s, after %s: %t %q %v", kind, took, ok, o.Summary, err)
		}
	}
}

// Without a lever nobody goes on: that it is not there is known without Route 53's API, or
// from it.
func TestAnUnplannedFailoverWithoutALeverDoesNotPass(t *testing.T) {
	for name, c := range map[string]struct {
		wrong func(w *world)
		swap  bool
		says  string
	}{
		"the check was deleted": {func(w *world) {
			w.change(t, func(s *sim.State) { delete(s.DNS.Checks, w.checksOf(t).TakeoverCheck) })
		}, false, "NoSuchHealthCheck"},
		"no check of the Region being left": {func(*world) {}, true, "no health check moves users away from us-west-2"},
	} {
		w := newWorld(t)
		c.wrong(w)
		a, call := w.call(t, "takeover-check")
		if c.swap {
			call.Plan.Source, call.Plan.Target = call.Plan.Target, call.Plan.Source
		}
		o, ok, err := a.Look(t.Context(), call)
		if ok || err == nil || !strings.Contains(err.Error(), c.says) || incident.CallErrorOf(err).Hint == "" {
			t.Errorf("%s: %t %q %v", name, ok, o.Summary, err)
		}
	}
}

// A shift is there already only if it sends users where this run wants them.
func TestAShiftTheOtherWayIsNotThereAlready(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) {
		s.DNS.Checks["west"] = &sim.HealthCheck{ID: "west", Type: "CALCULATED", Version: 1, Threshold: 2, Disabled: true, Inverted: true}
		for _, c := range s.DNS.Checks {
			if c.Type == "CALCULATED" {
				c.Disabled, c.Inverted = true, true
			}
		}
	})
	a, c := w.call(t, "shift-dns")
	names := partOf[dns.Settings](t, c.Plan.Topology, "dns")
	if o, there, err := a.Look(t.Context(), c); err != nil || !there {
		t.Fatalf("nothing keeps users from the target: %t %q %v", there, o.Summary, err)
	}
	names.Regions[west] = dns.Checks{HealthCheck: "west", EndpointCheck: "west-endpoint", TakeoverCheck: "west-takeover"}
	if err := dns.Platform.Freeze(&c.Plan.Topology, names); err != nil {
		t.Fatal(err)
	}
	o, there, err := a.Look(t.Context(), c)
	if err == nil || there || !strings.Contains(err.Error(), "nobody would be sent there") || !incident.CallErrorOf(err).NeedsPerson {
		t.Errorf("both Regions are kept from users: %t %q %v", there, o.Summary, err)
	}
	// The same run the other way looks at the other check.
	c.Plan.Source, c.Plan.Target = c.Plan.Target, c.Plan.Source
	w.change(t, func(s *sim.State) {
		s.DNS.Checks["west"].Disabled, s.DNS.Checks["west"].Inverted = false, false
		own := s.DNS.Checks[w.checksOf(t).HealthCheck]
		own.Disabled, own.Inverted = false, false
	})
	if o, there, err := a.Look(t.Context(), c); err != nil || there || !strings.Contains(o.Summary, "west is disabled=false inverted=false") {
		t.Errorf("towards us-east-1: %t %q %v", there, o.Summary, err)
	}
}

// What a run in one direction has made is not taken for what a run the other way wants.
func TestWhatIsThereTheOtherWayRoundIsNotThereAlready(t *testing.T) {
	for id, c := range changes {
		if c.eitherWay {
			continue
		}
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			w := movedBy(t, c.strategy)
			if c.start != nil {
				w.change(t, c.start)
			}
			w.change(t, c.byHand)
			a, call := w.callOf(t, c)
			if o, there, err := a.Look(t.Context(), call); err != nil || !there {
				t.Fatalf("towards %s: %t %q %v", west, there, o.Summary, err)
			}
			w.change(t, func(s *sim.State) { // a Region that was left is small
				two := int32(2)
				d := s.Regions[east].Deployments["order-service"]
				d.Spec.Replicas = &two
				s.Regions[east].HPAs["order-service"].Spec.MinReplicas = &two
			})
			call.Plan.Source, call.Plan.Target = call.Plan.Target, call.Plan.Source
			o, there, err := a.Look(t.Context(), call)
			if there {
				t.Errorf("towards %s it is there already: %q %v", east, o.Summary, err)
			}
			if err != nil && incident.CallErrorOf(err).Hint == "" {
				t.Errorf("towards %s nobody is told what to do: %v", east, err)
			}
		})
	}
}
