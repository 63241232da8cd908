package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// judged is a check of the pretend world after a change, and what it has to come to.
type judged struct {
	name    string
	change  func(s *sim.State)
	verdict incident.Verdict
	says    []string
	// evidence that has to be there, by name.
	evidence map[string]string
	// figures by name; those that are not here are not looked at.
	figures map[string]float64
}

// judge looks at a step once for each case. An unknown is an error for a person.
func judge(t *testing.T, step string, cases []judged, prepare ...func(c *engine.Call)) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.wait(t, time.Minute)
			w.change(t, c.change)
			a, call := w.call(t, step)
			for _, f := range prepare {
				f(&call)
			}
			before := w.clock.Now()
			o, ok, err := a.Look(t.Context(), call)
			said := o.Summary
			if c.verdict == incident.Unsure {
				f := incident.CallErrorOf(err)
				if err == nil || ok || !f.NeedsPerson || f.Unknown || f.Hint == "" {
					t.Fatalf("%t %q %v: %+v", ok, said, err, f)
				}
				said = err.Error() + " (" + f.Hint + ")"
			} else {
				if err != nil {
					t.Fatal(err)
				}
				if passes := c.verdict != incident.Fail; ok != passes || o.Measured.Verdict != c.verdict {
					t.Errorf("it passes: %t, verdict %q: %s", ok, o.Measured.Verdict, said)
				}
				if o.Measured.AsOf.Before(before) || o.Measured.AsOf.After(w.clock.Now()) {
					t.Errorf("as of %s", o.Measured.AsOf)
				}
			}
			for _, part := range c.says {
				if !strings.Contains(said, part) {
					t.Errorf("it does not say %q: %s", part, said)
				}
			}
			for key, want := range c.evidence {
				if !strings.Contains(o.Evidence[key], want) {
					t.Errorf("the evidence %s is %q, want %q", key, o.Evidence[key], want)
				}
			}
			for name, want := range c.figures {
				i := slices.IndexFunc(o.Measured.Figures, func(f incident.Figure) bool { return f.Name == name })
				if i < 0 || o.Measured.Figures[i].Value != want || o.Measured.Figures[i].Unit == "" {
					t.Errorf("of %s there is %+v, want %g", name, o.Measured.Figures, want)
				}
			}
		})
	}
}

// blind breaks each call that a check makes, in each way, and wants to be told: none of
// them may pass for an answer, and a right that is missing is a person's to give.
func blind(t *testing.T, step, system string, operations ...string) {
	t.Helper()
	blindIn(t, func(*sim.State) {}, step, system, operations...)
}

// blindIn is the same in a world that is otherwise.
func blindIn(t *testing.T, change func(s *sim.State), step, system string, operations ...string) {
	t.Helper()
	blindWhere(t, func(t *testing.T) *world {
		w := newWorld(t)
		w.change(t, change)
		return w
	}, step, system, operations...)
}

// blindWhere is the same in worlds that somebody else makes.
func blindWhere(t *testing.T, made func(t *testing.T) *world, step, system string, operations ...string) {
	t.Helper()
	for _, operation := range operations {
		for _, kind := range []string{sim.Deny, sim.ServerFail, sim.Refuse, sim.Throttle, sim.Hang} {
			t.Run(operation+" "+kind, func(t *testing.T) {
				w := made(t)
				w.wait(t, time.Minute)
				if err := w.Fault(sim.Fault{System: system, Operation: operation, Kind: kind}); err != nil {
					t.Fatal(err)
				}
				o, ok, err := w.looked(t, step)
				if err == nil || ok {
					t.Fatalf("%t %q", ok, o.Summary)
				}
				if len(w.Snapshot().Broken[operation]) == 0 {
					t.Fatal("the call was never made")
				}
				f := incident.CallErrorOf(err)
				if f.Unknown || kind == sim.Deny && (!f.NeedsPerson || f.Hint == "") {
					t.Errorf("%v: %+v", err, f)
				}
			})
		}
	}
}

func taint(key string, effect corev1.TaintEffect) []corev1.Taint {
	return []corev1.Taint{{Key: key, Value: "true", Effect: effect}}
}

func tolerating(s *sim.State, key string, services ...string) {
	for _, name := range services {
		spec := &s.Regions[west].Deployments[name].Spec.Template.Spec
		spec.Tolerations = append(spec.Tolerations, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists})
	}
}

func TestTheNodesAreJudged(t *testing.T) {
	node := func(s *sim.State, i int) *sim.Node { return &s.Regions[west].Nodes[i] }
	all := []string{"user-service", "order-service", "product-service", "payment-service", "notification-service"}
	judge(t, "nodes", []judged{
		{
			"it is as it should be", func(*sim.State) {}, incident.Pass,
			[]string{"us-west-2 has ready nodes in 3 zones: us-west-2a 2, us-west-2b 2, us-west-2c 2"},
			map[string]string{"api_server": "ready", "us-west-2a": "2 ready"},
			map[string]float64{"ready nodes": 6, "zones with enough of them": 3},
		},
		{
			"a node is not ready", func(s *sim.State) { node(s, 0).Ready = false }, incident.Fail,
			[]string{"us-west-2 has 2 of 3 zones with at least 2 ready nodes", "is not ready"},
			map[string]string{"not_counted": "is not ready"},
			map[string]float64{"ready nodes": 5, "zones with enough of them": 2},
		},
		{"a node is cordoned", func(s *sim.State) { node(s, 5).Cordoned = true }, incident.Fail, []string{"us-west-2c 1", "is cordoned"}, nil, nil},
		{
			"a taint keeps all services away", func(s *sim.State) { node(s, 0).Taints = taint("gpu", corev1.TaintEffectNoSchedule) }, incident.Fail,
			[]string{"us-west-2a 1", "has the taint gpu=true:NoSchedule, not tolerated by any service"},
			nil, nil,
		},
		{
			"a taint drives pods out", func(s *sim.State) { node(s, 0).Taints = taint("broken", corev1.TaintEffectNoExecute) }, incident.Fail,
			[]string{"broken=true:NoExecute"},
			nil, nil,
		},
		{"one service does not tolerate it", func(s *sim.State) {
			node(s, 0).Taints = taint("dedicated", corev1.TaintEffectNoSchedule)
			tolerating(s, "dedicated", all[:4]...)
		}, incident.Fail, []string{"dedicated=true:NoSchedule, not tolerated by notification-service"}, nil, nil},
		{"all services tolerate it", func(s *sim.State) {
			node(s, 0).Taints = taint("dedicated", corev1.TaintEffectNoSchedule)
			tolerating(s, "dedicated", all...)
		}, incident.Pass, []string{"us-west-2a 2"}, nil, nil},
		{"a taint that is a wish", func(s *sim.State) { node(s, 0).Taints = taint("spot", corev1.TaintEffectPreferNoSchedule) }, incident.Pass, nil, nil, nil},
		{"the API server is not ready", func(s *sim.State) {
			s.Regions[west].NotReady = map[string]string{"etcd": "reason withheld"}
		}, incident.Fail, []string{"the API server in us-west-2 says that it is not ready: etcd failed: reason withheld"}, map[string]string{"api_server": "not ready"}, nil},
		{"both", func(s *sim.State) {
			s.Regions[west].NotReady = map[string]string{"shutdown": "process is shutting down"}
			s.Regions[west].Nodes = nil
		}, incident.Fail, []string{"shutdown failed", "us-west-2 has 0 of 3 zones"}, nil, map[string]float64{"ready nodes": 0}},
	})
}

func TestWhatCannotBeSeenOfTheClusterIsUnknown(t *testing.T) {
	blind(t, "nodes", "kubernetes", "get /readyz", "list nodes", "list deployments")
	blind(t, "room", "kubernetes", "list nodes", "list deployments", "list pods")
}

// The Region being left has its own nodes, which say nothing of the target.
func TestTheNodesOfTheRegionLeftDoNotCount(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) { s.Regions[east].Lost = true })
	for _, step := range []string{"nodes", "room"} {
		if o, ok, err := w.looked(t, step); err != nil || !ok || o.Measured.Verdict != incident.Pass {
			t.Errorf("%s: %t %q %v", step, ok, o.Summary, err)
		}
	}
}

func TestTheRoomIsJudged(t *testing.T) {
	requests := func(s *sim.State, service string, l corev1.ResourceList) {
		s.Regions[west].Deployments[service].Spec.Template.Spec.Containers[0].Resources.Requests = l
	}
	judge(t, "room", []judged{
		{
			"it is as it should be", func(*sim.State) {}, incident.Pass,
			[]string{"14 more pods fit into us-west-2: they ask for 7 CPU, and us-west-2 has 19.5 CPU and places for 39 pods free on 6 nodes"},
			map[string]string{"order-service": "4 pods more, each 0.5 CPU", "free": "19.5 CPU", "asked": "7 CPU"},
			map[string]float64{"pods without a node": 0},
		},
		{
			"too few pods fit on a node", func(s *sim.State) { s.PodsPerNode = 3 }, incident.Warn,
			[]string{"5 of 14 more pods find no node in us-west-2 until nodes are added", "of user-service", "places for 9 pods"},
			nil,
			map[string]float64{"pods without a node": 5},
		},
		{
			"enough CPU in all, and too little on each node", func(s *sim.State) {
				requests(s, "order-service", corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("3.9")})
			}, incident.Warn, []string{"of order-service"}, nil, nil,
		},
		{"cordoned nodes give no room", func(s *sim.State) {
			for i := range s.Regions[west].Nodes {
				s.Regions[west].Nodes[i].Cordoned = true
			}
		}, incident.Warn, []string{"14 of 14 more pods", "0 CPU and places for 0 pods free on 0 nodes"}, nil, map[string]float64{"pods without a node": 14}},
		{"a taint keeps one service away", func(s *sim.State) {
			for i := range s.Regions[west].Nodes {
				s.Regions[west].Nodes[i].Taints = taint("dedicated", corev1.TaintEffectNoSchedule)
			}
			tolerating(s, "dedicated", "user-service", "order-service", "product-service", "payment-service")
		}, incident.Warn, []string{"2 of 2 of notification-service"}, nil, nil},
		{
			"a node selector that nothing has", func(s *sim.State) {
				s.Regions[west].Deployments["user-service"].Spec.Template.Spec.NodeSelector = map[string]string{"pool": "users"}
			}, incident.Warn, []string{"of user-service"}, nil, nil,
		},
		{
			"a resource that no node has", func(s *sim.State) {
				requests(s, "user-service", corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1"), corev1.ResourceCPU: resource.MustParse("500m")})
			}, incident.Warn, []string{"of user-service"}, nil, nil,
		},
		{
			"a service asks for nothing", func(s *sim.State) { requests(s, "payment-service", nil) }, incident.Warn,
			[]string{"no CPU or memory is asked for by payment-service"},
			nil, nil,
		},
		{"all runs already", func(s *sim.State) {
			for name, r := range map[string]int32{"user-service": 6, "order-service": 6, "product-service": 4, "payment-service": 4, "notification-service": 3} {
				s.Regions[west].Deployments[name].Spec.Replicas = &r
				s.Regions[west].HPAs[name].Spec.MinReplicas = &r
			}
		}, incident.Pass, nil, nil, nil},
	})
}
