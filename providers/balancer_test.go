package providers_test

import (
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
)

func TestTheLoadBalancerIsJudged(t *testing.T) {
	with := func(f func(b *sim.Balancer)) func(s *sim.State) {
		return func(s *sim.State) { f(&s.Regions[west].Balancer) }
	}
	const unhealthy = "target groups without a healthy target"
	judge(t, "load-balancer", []judged{
		{
			"it is as it should be", func(*sim.State) {}, incident.Pass,
			[]string{"load balancer ecommerce-alb-us-west-2 in us-west-2 is active with 1 target group, 6 of 6 targets healthy, no capacity is reserved for it"},
			map[string]string{"state": "active", "ecommerce-ingress": "6 healthy", "capacity_reservation": "no capacity"},
			map[string]float64{unhealthy: 0, "healthy targets": 6, "capacity reserved": 0},
		},
		{
			"it is being made", with(func(b *sim.Balancer) { b.State = "provisioning" }), incident.Fail,
			[]string{"is provisioning, not active"},
			map[string]string{"state": "provisioning"},
			nil,
		},
		{
			"it cannot grow", with(func(b *sim.Balancer) { b.State = "active_impaired" }), incident.Fail,
			[]string{"is active_impaired, not active"},
			nil, nil,
		},
		{
			"it has no target group", with(func(b *sim.Balancer) { b.Groups = nil }), incident.Fail,
			[]string{"has no target group"},
			map[string]string{"target_groups": "0"},
			nil,
		},
		{
			"one group is empty", with(func(b *sim.Balancer) { b.Groups = append(b.Groups, sim.TargetGroup{Name: "orders-green", Empty: true}) }), incident.Fail,
			[]string{"is active, and 1 of its 2 target groups is not healthy: orders-green is empty"},
			map[string]string{"orders-green": "no target"},
			map[string]float64{unhealthy: 1},
		},
		{
			"no target is healthy", func(s *sim.State) { s.Regions[west].TargetsBroken = true }, incident.Fail,
			[]string{"ecommerce-ingress has no healthy target (6 unhealthy)"},
			nil,
			map[string]float64{unhealthy: 1, "healthy targets": 0},
		},
		{
			"one target is not healthy", func(s *sim.State) { s.Regions[west].Nodes[0].Ready = false }, incident.Warn,
			[]string{"5 of 6 targets healthy", "ecommerce-ingress has 5 healthy, 1 unhealthy"},
			nil,
			map[string]float64{unhealthy: 0},
		},
		{
			"many groups are empty", with(func(b *sim.Balancer) {
				for name := range strings.SplitSeq("abcdefg", "") {
					b.Groups = append(b.Groups, sim.TargetGroup{Name: "group-" + name, Empty: true})
				}
			}), incident.Fail, []string{"7 of its 8 target groups are not healthy", "group-e is empty; and 2 more"}, nil, map[string]float64{unhealthy: 7},
		},
		{
			"capacity is reserved", with(func(b *sim.Balancer) { b.Reserved = 300 }), incident.Pass,
			[]string{"300 capacity units reserved"},
			nil,
			map[string]float64{"capacity reserved": 300},
		},
		{
			"capacity is reserved and not there", with(func(b *sim.Balancer) { b.Reserved, b.Provided = 300, "failed" }), incident.Warn,
			[]string{"300 capacity units reserved, and not provided: failed in us-west-2a (Insufficient capacity), failed in us-west-2b"},
			nil, nil,
		},
		{
			"capacity is on its way", with(func(b *sim.Balancer) { b.Reserved, b.Provided = 1, "pending" }), incident.Warn,
			[]string{"1 capacity unit reserved, and not provided: pending in us-west-2a"},
			nil, nil,
		},
	})
}

// An empty group makes the load balancer unhealthy for Route 53 and sends users back, so
// nothing passes it later, either.
func TestAnEmptyTargetGroupStopsTheWaitForTargetsToo(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) {
		s.Regions[west].Balancer.Groups = append(s.Regions[west].Balancer.Groups, sim.TargetGroup{Name: "orders-green", Empty: true})
	})
	for _, step := range []string{"load-balancer", "targets-healthy"} {
		if o, ok, err := w.looked(t, step); ok || err != nil || !strings.Contains(o.Summary, "orders-green is empty") {
			t.Errorf("%s: %t %q %v", step, ok, o.Summary, err)
		}
	}
}

func TestALoadBalancerThatCannotBeSeenIsUnknown(t *testing.T) {
	blind(t, "load-balancer", "aws.elasticloadbalancing", "DescribeLoadBalancers", "DescribeTargetGroups", "DescribeTargetHealth")
}

// Nothing depends on the reservation: what cannot be read of it is told, and is no reason
// to stay down.
func TestACapacityReservationThatCannotBeSeenIsSaidToBeUnknown(t *testing.T) {
	for kind, says := range map[string]string{
		sim.Deny: "DescribeCapacityReservation: AccessDenied", sim.ServerFail: "ServiceUnavailable", sim.Refuse: "not reachable", sim.Hang: "us-west-2 did not answer within 10s",
	} {
		w := newWorld(t)
		if err := w.Fault(sim.Fault{Operation: "DescribeCapacityReservation", Kind: kind}); err != nil {
			t.Fatal(err)
		}
		o, ok, err := w.looked(t, "load-balancer")
		if err != nil || !ok || o.Measured.Verdict != incident.Warn || !strings.Contains(o.Summary, "its capacity reservation is unknown: ") || !strings.Contains(o.Summary, says) {
			t.Errorf("%s: %t %q %v", kind, ok, o.Summary, err)
		}
	}
}

// The Region being left may be gone: nothing is asked there.
func TestTheLoadBalancerIsLookedAtInTheTargetAlone(t *testing.T) {
	w := newWorld(t)
	if o, ok, err := w.looked(t, "load-balancer"); !ok || err != nil {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	for _, c := range w.Calls() {
		if c.Region != west {
			t.Errorf("it asked %s of %s", c.Operation, c.Region)
		}
	}
}
