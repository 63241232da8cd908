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

// secondary are the standby's records.
func secondary(s *sim.State) []*types.ResourceRecordSet {
	var out []*types.ResourceRecordSet
	for i := range s.DNS.Records {
		if s.DNS.Records[i].Failover == types.ResourceRecordSetFailoverSecondary {
			out = append(out, &s.DNS.Records[i])
		}
	}
	return out
}

// dualStack gives the public name records of type AAAA, too, for load balancers of that kind.
func dualStack(s *sim.State) {
	for _, r := range s.DNS.Records {
		if r.Failover != "" {
			alias := *r.AliasTarget
			alias.DNSName = aws.String("dualstack." + aws.ToString(alias.DNSName))
			r.Type, r.AliasTarget = types.RRTypeAaaa, &alias
			s.DNS.Records = append(s.DNS.Records, r)
		}
	}
	for _, r := range s.Regions {
		r.DualStack = true
	}
}

// ownCheck gives the standby's record a check of its own.
func ownCheck(s *sim.State) *sim.HealthCheck {
	h := &sim.HealthCheck{ID: "standbys-own", Type: "HTTP", Version: 1, Host: "us-west-2.api.ecommerce.com", Path: "/healthz", Probe: sim.Seen{Now: true, Up: true}}
	s.DNS.Checks[h.ID] = h
	secondary(s)[0].HealthCheckId = aws.String(h.ID)
	return h
}

func TestTheSetUpOfRecordsAndChecksIsJudged(t *testing.T) {
	own := func(change func(h *sim.HealthCheck)) func(s *sim.State) {
		return func(s *sim.State) { change(ownCheck(s)) }
	}
	const astray, often = "records and checks that lead astray", "checks that look more or less often"
	judge(t, "check-setup", []judged{
		{
			"it is as it should be", func(*sim.State) {}, incident.Pass,
			[]string{"api.ecommerce.com: the SECONDARY A leads to us-west-2's load balancer; the standby is judged by its targets"},
			map[string]string{"the SECONDARY A record": "ecommerce-alb-us-west-2"},
			map[string]float64{astray: 0, often: 0},
		},
		{"both kinds of addresses", dualStack, incident.Pass, []string{"the SECONDARY A and AAAA leads to us-west-2's load balancer"}, nil, nil},
		{
			"the standby's load balancer has no address of IPv6", func(s *sim.State) {
				dualStack(s)
				s.Regions[west].DualStack = false
			}, incident.Fail, []string{"the SECONDARY AAAA record leads to a load balancer that has no address of IPv6"}, nil, map[string]float64{astray: 1},
		},
		{"the standby's AAAA record leads to the primary", func(s *sim.State) {
			dualStack(s)
			secondary(s)[1].AliasTarget.DNSName = aws.String("dualstack.ecommerce-alb-us-east-1.us-east-1.elb.amazonaws.com.")
		}, incident.Fail, []string{"the SECONDARY AAAA record leads to ecommerce-alb-us-east-1.us-east-1.elb.amazonaws.com, not to us-west-2's load balancer ecommerce-alb-us-west-2"}, nil, nil},
		{"the primary's record leads to the standby", func(s *sim.State) {
			for i := range s.DNS.Records {
				if s.DNS.Records[i].Failover == types.ResourceRecordSetFailoverPrimary {
					s.DNS.Records[i].AliasTarget.DNSName = secondary(s)[0].AliasTarget.DNSName
				}
			}
		}, incident.Fail, []string{"the PRIMARY A record leads to ecommerce-alb-us-west-2", "is us-west-2's and not that of the Region being left"}, nil, nil},
		{"the standby's record leads through its own address", func(s *sim.State) {
			secondary(s)[0].AliasTarget.DNSName = aws.String("us-west-2.api.ecommerce.com.")
		}, incident.Pass, nil, nil, nil},
		{"there is no record of the standby", func(s *sim.State) { s.DNS.Records = s.DNS.Records[:2] }, incident.Fail, []string{"there is no SECONDARY alias record that could lead to us-west-2"}, nil, nil},
		{
			"the standby's own check watches the public name", own(func(h *sim.HealthCheck) { h.Host = "api.ecommerce.com" }), incident.Fail,
			[]string{"the check of the SECONDARY A record watches api.ecommerce.com"},
			nil, nil,
		},
		{
			"the standby has a check of its own", own(func(*sim.HealthCheck) {}), incident.Pass,
			[]string{"and its own check looks every 10 s and believes 3 in a row"},
			map[string]string{"the check of the SECONDARY A record": "HTTP us-west-2.api.ecommerce.com:80/healthz"},
			nil,
		},
		{
			"the standby's own check looks slowly", own(func(h *sim.HealthCheck) { h.Interval = 30 }), incident.Warn,
			[]string{"but the check of the SECONDARY A record looks every 30 s and believes 3 in a row, not 10 s and 3"},
			nil,
			map[string]float64{often: 1},
		},
		{
			"the standby's own check believes at once", own(func(h *sim.HealthCheck) { h.Threshold = 1 }), incident.Warn,
			[]string{"looks every 10 s and believes 1 in a row"},
			nil,
			map[string]float64{often: 1},
		},
	})
}

func TestASetUpThatCannotBeSeenIsUnknown(t *testing.T) {
	blind(t, "check-setup", "aws.route53", "ListResourceRecordSets")
	blindIn(t, func(s *sim.State) { ownCheck(s) }, "check-setup", "aws.route53", "GetHealthCheck")
	blind(t, "check-setup", "aws.elasticloadbalancing", "DescribeLoadBalancers")
	w := newWorld(t)
	w.change(t, func(s *sim.State) { secondary(s)[0].HealthCheckId = aws.String("gone") })
	if o, ok, err := w.looked(t, "check-setup"); ok || err == nil || !incident.CallErrorOf(err).NeedsPerson || !strings.Contains(err.Error(), "the check of the SECONDARY A record") {
		t.Errorf("a check that is gone: %t %q %v", ok, o.Summary, err)
	}
}

func TestTheAlarmOfTheHealthCheckIsJudged(t *testing.T) {
	const topic = "arn:aws:sns:us-east-1:111122223333:route53-failover"
	alarm := func(change func(a *sim.Alarm)) func(s *sim.State) {
		return func(s *sim.State) { change(&s.DNS.Alarms[0]) }
	}
	tells := func(all ...sim.Subscription) func(s *sim.State) {
		return func(s *sim.State) { s.DNS.Topics[topic] = all }
	}
	page := sim.Subscription{Protocol: "https", Endpoint: "https://events.eu.pagerduty.com/integration/c0ffee/enqueue"}
	mail := sim.Subscription{Protocol: "email", Endpoint: "operations@ecommerce.com"}
	many := make([]sim.Subscription, 0, 150)
	for range 149 {
		many = append(many, mail)
	}
	judge(t, "check-alarm", []judged{
		{
			"it is as it should be", func(*sim.State) {}, incident.Pass,
			[]string{"PagerDuty is told by route53-failover-triggered when us-east-1's health check turns unhealthy"},
			map[string]string{"route53-failover-triggered": "OK, " + topic, "region": "us-east-1"},
			nil,
		},
		{"it looks at the endpoint's check", func(s *sim.State) {
			for id, h := range s.DNS.Checks {
				if strings.HasPrefix(h.Host, east) {
					s.DNS.Alarms[0].Check = id
				}
			}
		}, incident.Pass, nil, nil, nil},
		{
			"there is none", func(s *sim.State) { s.DNS.Alarms = nil }, incident.Fail,
			[]string{"no CloudWatch alarm looks at the health checks of us-east-1's record", "nobody is paged"},
			nil, nil,
		},
		{"it looks at another check", alarm(func(a *sim.Alarm) { a.Check = "another" }), incident.Fail, []string{"no CloudWatch alarm"}, nil, nil},
		{
			"its actions are off", alarm(func(a *sim.Alarm) { a.Muted = true }), incident.Fail,
			[]string{"nobody is paged when us-east-1's health check turns unhealthy: route53-failover-triggered has its actions turned off"},
			nil, nil,
		},
		{"it has no action", alarm(func(a *sim.Alarm) { a.Actions = nil }), incident.Fail, []string{"has no action"}, nil, nil},
		{
			"it fires when the check is healthy", alarm(func(a *sim.Alarm) { a.Compare = "GreaterThanOrEqualToThreshold" }), incident.Fail,
			[]string{"fires when the status is GreaterThanOrEqualToThreshold 1, and an unhealthy check has 0"},
			nil, nil,
		},
		{"it never fires", alarm(func(a *sim.Alarm) { a.Threshold = 0 }), incident.Fail, []string{"fires when the status is LessThanThreshold 0"}, nil, nil},
		{"it fires at 0", alarm(func(a *sim.Alarm) { a.Compare, a.Threshold = "LessThanOrEqualToThreshold", 0 }), incident.Pass, nil, nil, nil},
		{"it always fires", alarm(func(a *sim.Alarm) { a.Compare = "LessThanOrEqualToThreshold" }), incident.Fail, []string{"LessThanOrEqualToThreshold 1"}, nil, nil},
		{
			"it sees nothing", alarm(func(a *sim.Alarm) { a.NoData = true }), incident.Warn,
			[]string{"PagerDuty is told by route53-failover-triggered", "; route53-failover-triggered is in state INSUFFICIENT_DATA"},
			nil, nil,
		},
		{"nobody of PagerDuty is subscribed", tells(mail), incident.Fail, []string{"tells nobody at PagerDuty"}, nil, nil},
		{"nobody is subscribed", tells(), incident.Fail, []string{"tells nobody at PagerDuty"}, nil, nil},
		{
			"the subscription was never confirmed", tells(mail, sim.Subscription{Protocol: page.Protocol, Endpoint: page.Endpoint, Pending: true}), incident.Fail,
			[]string{"tells a topic whose subscription of events.eu.pagerduty.com was never confirmed"},
			nil, nil,
		},
		{"the subscription is on the second page", tells(append(many, page)...), incident.Pass, nil, nil, nil},
		{"a name that only looks like it", tells(sim.Subscription{Protocol: "https", Endpoint: "https://pagerduty.com.example/enqueue"}), incident.Unsure, []string{"https pagerduty.com.example"}, nil, nil},
		{
			"a function is told", tells(sim.Subscription{Protocol: "lambda", Endpoint: "arn:aws:lambda:us-east-1:111122223333:function:page"}), incident.Unsure,
			[]string{"whether PagerDuty is told when us-east-1's health check turns unhealthy is unknown: route53-failover-triggered does not tell PagerDuty by itself, but lambda", "follow it by hand"},
			nil, nil,
		},
		{"it calls a function", alarm(func(a *sim.Alarm) { a.Actions = []string{"arn:aws:lambda:us-east-1:111122223333:function:page"} }), incident.Unsure, []string{"but lambda"}, nil, nil},
		{"another one pages", func(s *sim.State) {
			other := s.DNS.Alarms[0]
			other.Name, other.Actions = "silent", nil
			s.DNS.Alarms = append(s.DNS.Alarms, other)
		}, incident.Pass, []string{"PagerDuty is told by route53-failover-triggered when"}, map[string]string{"silent": "OK"}, nil},
	})
}

// The key of PagerDuty's integration is a part of the address that SNS tells.
func TestWhomTheAlarmTellsIsSaidWithoutItsKey(t *testing.T) {
	for _, pending := range []bool{false, true} {
		w := newWorld(t)
		w.change(t, func(s *sim.State) {
			for topic := range s.DNS.Topics {
				s.DNS.Topics[topic] = []sim.Subscription{{Protocol: "https", Endpoint: "https://user:c0ffee@events.pagerduty.com/integration/c0ffee/enqueue?c0ffee", Pending: pending}}
			}
		})
		o, ok, err := w.looked(t, "check-alarm")
		if err != nil || ok == pending {
			t.Fatalf("%t %q %v", ok, o.Summary, err)
		}
		for _, text := range append([]string{o.Summary}, evidenceOf(o)...) {
			if strings.Contains(text, "c0ffee/") || strings.Contains(text, ":c0ffee@") {
				t.Errorf("it says the key: %s", text)
			}
		}
	}
}

func evidenceOf(o engine.Outcome) []string {
	var out []string
	for _, text := range o.Evidence {
		out = append(out, text)
	}
	return out
}

func TestAnAlarmThatCannotBeSeenIsUnknown(t *testing.T) {
	blind(t, "check-alarm", "aws.cloudwatch", "DescribeAlarmsForMetric")
	blind(t, "check-alarm", "aws.sns", "ListSubscriptionsByTopic")
	w := newWorld(t)
	w.change(t, func(s *sim.State) { clear(s.DNS.Topics) })
	if o, ok, err := w.looked(t, "check-alarm"); ok || err == nil || !incident.CallErrorOf(err).NeedsPerson {
		t.Errorf("a topic that is gone: %t %q %v", ok, o.Summary, err)
	}
	a, c := w.call(t, "check-alarm")
	names := partOf[dns.Settings](t, c.Plan.Topology, dns.Platform.Key)
	clear(names.Regions)
	if err := dns.Platform.Freeze(&c.Plan.Topology, names); err != nil {
		t.Fatal(err)
	}
	if o, ok, err := a.Look(t.Context(), c); ok || err == nil || !incident.CallErrorOf(err).NeedsPerson {
		t.Errorf("no check moves users away: %t %q %v", ok, o.Summary, err)
	}
}
