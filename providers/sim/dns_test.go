package sim

import (
	"context"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func (s *stage) ask(server, name string, kind uint16) *dns.Msg {
	s.t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(name+".", kind)
	m.SetEdns0(1232, false)
	out, _, err := (&dns.Client{}).ExchangeContext(context.Background(), m, s.address(server))
	s.must(err)
	return out
}

func (s *stage) answered(server, name string) (region string, ttl uint32) {
	s.t.Helper()
	m := s.ask(server, name, dns.TypeA)
	for _, rr := range m.Answer {
		a, ok := rr.(*dns.A)
		if !ok {
			s.t.Fatalf("%s answered %v", server, rr)
		}
		r := regionOfAddress(a.A.String())
		if region != "" && region != r {
			s.t.Fatalf("%s answered two Regions: %v", server, m.Answer)
		}
		region, ttl = r, a.Hdr.Ttl
	}
	return region, ttl
}

func TestFailoverRecordsFollowTheirHealthChecks(t *testing.T) {
	object := func(s *State) {
		s.Regions[west].Buckets[bucketName(west)][takeoverKey] = Object{Body: []byte("x")}
	}
	flags := func(disabled, inverted bool) func(*State) {
		return func(s *State) {
			c := s.DNS.Checks[checkPrimary]
			c.Disabled, c.Inverted = disabled, inverted
		}
	}
	lose := func(region string) func(*State) { return func(s *State) { s.Regions[region].Lost = true } }
	sick := func(region string) func(*State) { return func(s *State) { s.Regions[region].TargetsBroken = true } }
	naive := func(s *State) { // one plain endpoint check, as the source document has it
		for i := range s.DNS.Served {
			if s.DNS.Served[i].HealthCheckId != nil {
				s.DNS.Served[i].HealthCheckId = ptr(checkEndpoint)
				s.DNS.Served[i].AliasTarget.EvaluateTargetHealth = false
			}
		}
	}
	only := func(disabled, inverted bool) func(*State) {
		return func(s *State) {
			c := s.DNS.Checks[checkEndpoint]
			c.Disabled, c.Inverted = disabled, inverted
		}
	}
	for _, c := range []struct {
		name string
		do   []func(*State)
		want string
	}{
		{"all is well: the primary", nil, east},
		{"the primary is lost: the secondary", []func(*State){lose(east)}, west},
		{"a disabled check counts as healthy", []func(*State){flags(true, false)}, east},
		{"a disabled check of a dead primary counts as healthy", []func(*State){naive, only(true, false), lose(east)}, east},
		{"an inverted check of a dead primary is healthy", []func(*State){naive, only(false, true), lose(east)}, east},
		{"an inverted check of a living primary is unhealthy", []func(*State){naive, only(false, true)}, west},
		{"disabled and inverted is always unhealthy", []func(*State){flags(true, true)}, west},
		{"the takeover object makes a living primary unhealthy", []func(*State){object}, west},
		{"the takeover object and a dead primary", []func(*State){object, lose(east)}, west},
		{"a sick secondary sends everybody back", []func(*State){flags(true, true), sick(west)}, east},
		{"both are dead: the primary", []func(*State){lose(east), lose(west)}, east},
		{"a primary without healthy targets", []func(*State){sick(east)}, west},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := quiet(t)
			s.must(s.Do(func(st *State) {
				for _, do := range c.do {
					do(st)
				}
			}))
			s.wait(40 * time.Second)
			if got, _ := s.answered("ns-1", recordName); got != c.want {
				t.Errorf("the zone answers %s, want %s", got, c.want)
			}
		})
	}
}

func TestADeadPrimaryLosesItsUsersAfterThirtySecondsAndGetsThemBackAfterThirty(t *testing.T) {
	s := quiet(t)
	s.must(s.Happen(Event{Lose: east}))
	s.wait(25 * time.Second)
	if got, _ := s.answered("ns-1", recordName); got != east {
		t.Errorf("moved within 25s, to %s", got)
	}
	s.wait(10 * time.Second)
	if got, _ := s.answered("ns-1", recordName); got != west {
		t.Errorf("not moved within 35s, at %s", got)
	}
	s.must(s.Happen(Event{Restore: east}))
	s.wait(25 * time.Second)
	if got, _ := s.answered("ns-1", recordName); got != west {
		t.Errorf("went back within 25s, to %s", got)
	}
	s.wait(10 * time.Second)
	if got, _ := s.answered("ns-1", recordName); got != east {
		t.Errorf("not back within 35s, at %s", got)
	}
}

func TestAFlickeringPrimaryGetsNobodyBackWhileTheTakeoverObjectIsThere(t *testing.T) {
	s := quiet(t)
	s.must(s.Do(func(st *State) {
		st.Regions[west].Buckets[bucketName(west)][takeoverKey] = Object{}
		st.Regions[east].Lost = true
	}))
	s.wait(time.Minute)
	s.must(s.Happen(Event{Restore: east}))
	s.wait(2 * time.Minute)
	if got, _ := s.answered("ns-1", recordName); got != west {
		t.Errorf("the zone answers %s", got)
	}
}

func TestATakeoverCheckThatLooksElsewhereKeepsNobodyAway(t *testing.T) {
	for name, at := range map[string]Endpoint{"path": {Path: "/other"}, "host": {Host: "other.s3.us-west-2.amazonaws.com"}} {
		scn := &Scenario{Name: "astray", Mode: "unplanned", Target: west, Start: Start{TakeoverCheck: &at}}
		clock := NewClock(scn.StartTime(), Max)
		t.Cleanup(clock.Close)
		s := onStage(t, scn, clock, Options{})
		s.must(s.Do(func(st *State) {
			st.Regions[west].Buckets[bucketName(west)][takeoverKey] = Object{}
			st.Regions[east].Lost = true
		}))
		s.wait(time.Minute)
		if at, _ := s.answered("ns-1", recordName); at != west {
			t.Errorf("another %s: while us-east-1 is gone, users are in %s", name, at)
		}
		s.must(s.Happen(Event{Restore: east}))
		s.wait(time.Minute)
		if at, _ := s.answered("ns-1", recordName); at != east {
			t.Errorf("another %s: once us-east-1 is back, users are in %s", name, at)
		}
	}
}

func TestResolversMoveLateAndCountTheirTTLDown(t *testing.T) {
	s := quiet(t)
	s.must(s.Happen(Event{Lose: east}))
	moved := map[string]time.Duration{}
	from := s.clock.Now()
	for range 130 {
		for _, name := range append([]string{"ns-2"}, resolverNames...) {
			region, ttl := s.answered(name, recordName)
			if ttl == 0 || ttl > recordTTL || name == "ns-2" && ttl != recordTTL {
				t.Fatalf("%s gives a TTL of %d", name, ttl)
			}
			if _, done := moved[name]; region == west && !done {
				moved[name] = s.clock.Now().Sub(from)
			}
		}
		s.wait(time.Second)
	}
	for _, name := range resolverNames {
		if moved[name] < moved["ns-2"] || moved[name] > moved["ns-2"]+recordTTL*time.Second+time.Second || moved[name] == 0 {
			t.Errorf("%s moved after %s, the zone after %s", name, moved[name], moved["ns-2"])
		}
	}
}

func TestAResolverThatLiesIsTheOnlyOne(t *testing.T) {
	s := quiet(t)
	s.must(s.Happen(Event{Resolver: &Resolver{Name: "Cloudflare", Answers: west}}))
	for name, want := range map[string]string{"ns-1": east, "Google": east, "Cloudflare": west, "OpenDNS": east} {
		if got, ttl := s.answered(name, recordName); got != want || ttl == 0 {
			t.Errorf("%s answers %s with a TTL of %d, want %s", name, got, ttl, want)
		}
	}
	if got, _ := s.answered("Cloudflare", endpointHost(east)); got != east {
		t.Errorf("the lie is about the public name alone: %s", got)
	}
	s.must(s.Happen(Event{Resolver: &Resolver{Name: "Cloudflare"}}))
	if got, _ := s.answered("Cloudflare", recordName); got != east {
		t.Errorf("honest again, it answers %s", got)
	}
}

func TestNamesAndTypes(t *testing.T) {
	s := quiet(t)
	for name, want := range map[string]string{endpointHost(west): west, endpointHost(east): east, albName(west): west, "API.ecommerce.com": east} {
		if got, _ := s.answered("ns-1", name); got != want {
			t.Errorf("%s is in %q, want %s", name, got, want)
		}
	}
	m := s.ask("ns-1", recordName, dns.TypeAAAA)
	if m.Rcode != dns.RcodeSuccess || len(m.Answer) != 0 || !m.Authoritative {
		t.Errorf("AAAA: %v", m)
	}
	if m := s.ask("ns-1", "nothing."+zoneName, dns.TypeA); m.Rcode != dns.RcodeNameError {
		t.Errorf("unknown name: %v", m)
	}
	if m := s.ask("ns-1", "example.org", dns.TypeA); m.Rcode != dns.RcodeRefused {
		t.Errorf("foreign name: %v", m)
	}
	if m := s.ask("Google", recordName, dns.TypeA); m.Authoritative || !m.RecursionAvailable {
		t.Errorf("a resolver claims to be the zone's server: %v", m)
	}
	tcp := &dns.Client{Net: "tcp"}
	q := new(dns.Msg)
	q.SetQuestion(recordName+".", dns.TypeA)
	if m, _, err := tcp.ExchangeContext(context.Background(), q, s.address("ns-2")); err != nil || len(m.Answer) == 0 {
		t.Errorf("over TCP: %v, %v", m, err)
	}
}
