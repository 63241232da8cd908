package providers_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/dns"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// plain makes records of the public name out of its alias records, with these lifetimes.
func plain(primary, secondary int64) func(s *sim.State) {
	return func(s *sim.State) {
		for _, records := range [][]types.ResourceRecordSet{s.DNS.Records, s.DNS.Served} {
			for i := range records {
				r := &records[i]
				if r.Failover == "" {
					continue
				}
				address, ttl := "203.0.113.10", primary
				if r.Failover == types.ResourceRecordSetFailoverSecondary {
					address, ttl = "198.51.100.10", secondary
				}
				r.AliasTarget, r.TTL, r.ResourceRecords = nil, aws.Int64(ttl), []types.ResourceRecord{{Value: aws.String(address)}}
			}
		}
	}
}

func balancerTTL(seconds int64) func(s *sim.State) {
	return func(s *sim.State) { s.DNS.BalancerTTL = seconds }
}

func TestTheLifetimeOfThePublicNameIsJudged(t *testing.T) {
	judge(t, "ttl", []judged{
		{
			"it is as it should be", func(*sim.State) {}, incident.Pass,
			[]string{"2 servers of the zone give api.ecommerce.com out for 60 s, which is the lifetime of what its alias records lead to"},
			map[string]string{"record": "api.ecommerce.com", "the PRIMARY A record": "alias of ecommerce-alb-us-east-1.us-east-1.elb.amazonaws.com"},
			map[string]float64{"TTL": 60},
		},
		{
			"the target of the alias has more", balancerTTL(300), incident.Warn,
			[]string{"out for 300 s; that is more than 60 s, and the lifetime of what its alias records lead to"},
			nil,
			map[string]float64{"TTL": 300},
		},
		{"no alias, and a minute", plain(60, 60), incident.Pass, []string{"give api.ecommerce.com out for 60 s"}, map[string]string{"the SECONDARY A record": "60 s"}, nil},
		{
			"no alias, and more than that", plain(61, 60), incident.Fail,
			[]string{"users may stay for longer than 60 s with what resolvers keep of api.ecommerce.com: the PRIMARY A record has 61 s"},
			nil,
			map[string]float64{"TTL": 61},
		},
		{
			"the standby's has more, which no server gives out yet", plain(30, 3600), incident.Fail,
			[]string{"the SECONDARY A record has 3600 s"},
			nil,
			map[string]float64{"TTL": 30},
		},
	})
	t.Run("the step may want less", func(t *testing.T) {
		judge(t, "ttl", []judged{{"a minute", plain(60, 10), incident.Fail, []string{"longer than 10 s", "has 60 s"}, nil, nil}}, func(c *engine.Call) {
			c.Step.With = []byte(`{"max_seconds":10}`)
		})
	})
	t.Run("unplanned", func(t *testing.T) {
		judge(t, "ttl", []judged{
			{"a minute", func(*sim.State) {}, incident.Pass, []string{"give api.ecommerce.com out for 60 s"}, nil, nil},
			{"more", balancerTTL(300), incident.Fail, []string{"users may stay for 300 s with what resolvers keep of api.ecommerce.com, and at most 60 s are wanted"}, nil, nil},
		}, whenUnplanned)
	})
}

// What the servers say counts, and Route 53's API is done without.
func TestTheLifetimeIsKnownWithoutRoute53sAPI(t *testing.T) {
	for _, kind := range []string{sim.Deny, sim.ServerFail, sim.Refuse, sim.Throttle, sim.Hang} {
		w := newWorld(t)
		if err := w.Fault(sim.Fault{System: "aws.route53", Kind: kind}); err != nil {
			t.Fatal(err)
		}
		o, ok, err := w.looked(t, "ttl")
		if err != nil || !ok || o.Evidence["records"] == "" || !strings.Contains(o.Summary, "for 60 s") || strings.Contains(o.Summary, "alias") {
			t.Errorf("%s: %t %q %v %v", kind, ok, o.Summary, err, o.Evidence)
		}
		w.change(t, balancerTTL(300))
		if o, ok, err = w.looked(t, "ttl"); err != nil || ok {
			t.Errorf("%s, and 300 s: %t %q %v", kind, ok, o.Summary, err)
		}
	}
	w := newWorld(t)
	a, c := w.call(t, "ttl")
	whenUnplanned(&c)
	if o, ok, err := a.Look(t.Context(), c); err != nil || !ok {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	for _, call := range w.Calls() {
		if strings.HasPrefix(call.System, "aws.") {
			t.Errorf("unplanned, and it asked %s of %s", call.Operation, call.System)
		}
	}
}

func TestALifetimeThatNoServerTellsIsUnknown(t *testing.T) {
	w := newWorld(t)
	a, c := w.call(t, "ttl")
	names := partOf[dns.Settings](t, c.Plan.Topology, dns.Platform.Key)
	names.Nameservers = append(names.Nameservers, "127.0.0.1:1") // nobody is there
	if err := dns.Platform.Freeze(&c.Plan.Topology, names); err != nil {
		t.Fatal(err)
	}
	o, ok, err := a.Look(t.Context(), c)
	if err != nil || !ok || o.Measured.Verdict != incident.Warn || !strings.Contains(o.Summary, "2 servers of the zone give api.ecommerce.com out for 60 s") || !strings.Contains(o.Summary, "127.0.0.1:1") {
		t.Errorf("one is silent: %t %q %v", ok, o.Summary, err)
	}
	for _, kind := range []string{sim.Deny, sim.ServerFail} {
		w := newWorld(t)
		if err := w.Fault(sim.Fault{System: "dns", Kind: kind}); err != nil {
			t.Fatal(err)
		}
		if o, ok, err = w.looked(t, "ttl"); err == nil || ok || !strings.Contains(err.Error(), "ask the zone's servers for api.ecommerce.com") {
			t.Errorf("%s of all: %t %q %v", kind, ok, o.Summary, err)
		}
	}
	w.change(t, func(s *sim.State) {
		s.DNS.Served = nil
	})
	if o, ok, err = w.looked(t, "ttl"); err == nil || ok || !strings.Contains(err.Error(), "has no address for api.ecommerce.com") && !strings.Contains(err.Error(), "NXDOMAIN") {
		t.Errorf("no record: %t %q %v", ok, o.Summary, err)
	}
	c.Step.With = []byte(`{"max_seconds":-1}`)
	if _, ok, err := a.Look(t.Context(), c); ok || err == nil || !incident.CallErrorOf(err).NeedsPerson {
		t.Errorf("max_seconds below zero: %t %v", ok, err)
	}
}
