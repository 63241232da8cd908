package quotas

import (
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// The quota of targets is that of the kind of load balancer.
func TestEachKindOfLoadBalancerHasItsQuota(t *testing.T) {
	for arn, want := range map[string]string{
		"arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/shop/0a1b": "L-7E6692B2",
		"arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/net/shop/0a1b": "L-EEF1AD04",
	} {
		if got := quotasOf(arn)[perBalancer].code; got != want {
			t.Errorf("%s: %s, want %s", arn, got, want)
		}
	}
}

// What a run adds at least is held against a quota; what it adds at most is a hint.
func TestWhatTheRunAddsCounts(t *testing.T) {
	for _, c := range []struct {
		used, adds float64
		most       bool
		want       incident.Verdict
	}{
		{80, 10, false, incident.Pass},
		{80, 11, false, incident.Warn},
		{80, 20, false, incident.Warn},
		{80, 21, false, incident.Fail},
		{80, 21, true, incident.Warn},
		{100, 0, true, incident.Warn},
		{101, 0, true, incident.Fail},
	} {
		o, ok, err := judged("us-west-2", []quota{vCPU: {limit: 100, used: c.used, adds: c.adds, most: c.most}}, time.Time{})
		if err != nil || o.Measured.Verdict != c.want || ok != (c.want != incident.Fail) {
			t.Errorf("%+v: %q, it passes: %t %v", c, o.Measured.Verdict, ok, err)
		}
	}
}
