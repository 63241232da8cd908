package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/istio"
	"github.com/failoverbot/failoverbot/providers/sim"
)

var everyService = []string{"user-service", "order-service", "product-service", "payment-service", "notification-service"}

// meshed changes the target's mesh.
func meshed(change func(m *sim.Mesh)) func(s *sim.State) {
	return func(s *sim.State) { change(&s.Regions[west].Mesh) }
}

func TestTheProxiesOfTheMeshHaveToBeInOrder(t *testing.T) {
	behind := func(kind string) func(s *sim.State) {
		return meshed(func(m *sim.Mesh) { m.Behind = map[string]string{"order-service": kind} })
	}
	says := func(s string) func(s *sim.State) { return meshed(func(m *sim.Mesh) { m.Says = s }) }
	judge(t, "proxies", []judged{
		{
			"they are", func(*sim.State) {}, incident.Pass,
			[]string{"9 of 9 proxies of the services in us-west-2 are synced, version 1.27.1 (9)"},
			map[string]string{"istiod": "istiod-7d8f9c6b5-ak, istiod-7d8f9c6b5-bl", "proxies": "9 of 9 synced", "versions": "1.27.1 (9)"},
			map[string]float64{"proxies not synced": 0},
		},
		{"they are containers like the others", meshed(func(m *sim.Mesh) { m.Classic = true }), incident.Pass, []string{"9 of 9 proxies"}, nil, nil},
		{
			"a service has none", meshed(func(m *sim.Mesh) { m.Bare = []string{"order-service"} }), incident.Fail,
			[]string{"the mesh in us-west-2 is not in order: 2 pods without a proxy: order-service-", ".ecommerce-prod"},
			map[string]string{"proxies": "7 of 9 synced"},
			map[string]float64{"proxies not synced": 2},
		},
		{"none has one", meshed(func(m *sim.Mesh) { m.Bare = everyService }), incident.Fail, []string{"9 pods without a proxy", "; and 4 more"}, nil, nil},
		{"one is kept out of the mesh", meshed(func(m *sim.Mesh) { m.LeftOut = []string{"notification-service"} }), incident.Warn, []string{"8 of 8 proxies", "1 pod kept out of the mesh by sidecar.istio.io/inject: notification-service-"}, nil, nil},
		{"all are kept out of the mesh", meshed(func(m *sim.Mesh) { m.LeftOut = everyService }), incident.Fail, []string{"no pod of the services in us-west-2 runs in the mesh"}, nil, nil},
		{
			"one is not connected", meshed(func(m *sim.Mesh) { m.Unconnected = []string{"user-service"} }), incident.Fail,
			[]string{"2 pods with a proxy that is not connected to istiod: user-service-"},
			nil,
			map[string]float64{"proxies not synced": 2},
		},
		{"clusters are not taken on", behind("cluster"), incident.Fail, []string{"2 pods with a proxy that has not taken on what istiod sent: order-service-", "(CDS)"}, nil, nil},
		{"listeners are not taken on", behind("listener"), incident.Fail, []string{"(LDS)"}, nil, nil},
		{"endpoints are not taken on", behind("endpoint"), incident.Fail, []string{"(EDS)"}, nil, nil},
		{"routes are not taken on", behind("route"), incident.Fail, []string{"(RDS)"}, nil, nil},
		{"nothing was sent yet", behind(""), incident.Fail, []string{"(CDS, LDS)"}, nil, nil},
		{"versions differ", meshed(func(m *sim.Mesh) { m.Versions = map[string]string{"user-service": "1.26.3"} }), incident.Fail, []string{"versions of the proxies differ: 1.26.3 (2), 1.27.1 (7)"}, nil, map[string]float64{"proxies not synced": 0}},
		{"the version is not told", meshed(func(m *sim.Mesh) {
			m.Versions = map[string]string{}
			for _, s := range everyService {
				m.Versions[s] = ""
			}
		}), incident.Warn, []string{"version unknown (9)"}, nil, nil},
		{"no service runs", func(s *sim.State) {
			r := s.Regions[west]
			r.Pods, r.HPAs = nil, nil
			for _, d := range r.Deployments {
				d.Spec.Replicas = new(int32)
			}
		}, incident.Fail, []string{"no pod of the services in us-west-2 runs in the mesh"}, nil, nil},
		{"pods wait for a node", func(s *sim.State) {
			for _, p := range s.Regions[west].Pods {
				if p.Service == "order-service" {
					p.Node, p.ReadyAt = "", time.Time{}
				}
			}
			s.PodsPerNode = 1
		}, incident.Pass, []string{"8 of 8 proxies", "; 1 pod not counted that does not run yet"}, nil, nil},
		{"no istiod runs", meshed(func(m *sim.Mesh) { m.Stopped = true }), incident.Unsure, []string{"whether the proxies in us-west-2 are synced is unknown: no istiod runs in namespace istio-system", "platform.istio.istio_namespace"}, nil, nil},
		{"there is no mesh, and the settings name one", meshed(func(m *sim.Mesh) { m.Absent = true }), incident.Unsure, []string{"no istiod runs in namespace istio-system"}, nil, nil},
		{"it is another program", says(`{"hello": 1}`), incident.Unsure, []string{"what istiod-7d8f9c6b5-ak answers is no list of proxies", "ENABLE_DEBUG_ON_HTTP"}, nil, nil},
		{"it answers null", says(`null`), incident.Unsure, []string{"no list of proxies: it is null"}, nil, nil},
		{"it knows of none", says(`[]`), incident.Fail, []string{"9 pods with a proxy that is not connected to istiod"}, nil, nil},
	})
	unnamed := set(t, istio.Platform, func(s *istio.Settings) { s.IstioNamespace = "" })
	t.Run("the settings name no mesh", func(t *testing.T) {
		judge(t, "proxies", []judged{
			{"and there is none", meshed(func(m *sim.Mesh) { m.Absent = true }), incident.NotApplicable, []string{"none of 9 pods of the services in us-west-2 has a container istio-proxy, and the settings name no mesh (platform.istio)"}, nil, nil},
			{"but pods have proxies", func(*sim.State) {}, incident.Pass, []string{"9 of 9 proxies"}, nil, nil},
			{"but some pods have proxies", meshed(func(m *sim.Mesh) { m.Bare = []string{"order-service"} }), incident.Fail, []string{"2 pods without a proxy"}, nil, nil},
		}, unnamed)
	})
	t.Run("another namespace", func(t *testing.T) {
		judge(t, "proxies", []judged{{"without istiod", func(*sim.State) {}, incident.Unsure, []string{"no istiod runs in namespace mesh"}, nil, nil}},
			set(t, istio.Platform, func(s *istio.Settings) { s.IstioNamespace = "mesh" }))
	})
	for text, says := range map[string]string{"{istio_namespace: Istio_System}": "name of a namespace", "{istio_namespace: mesh}": "", "{}": ""} {
		faults := faultsOf(t, istio.Platform, text)
		if says == "" && len(faults) > 0 || says != "" && !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, says) }) {
			t.Errorf("%s: %v", text, faults)
		}
	}
}

// What cannot be read is unknown; the right that is missing is named, and the Region that is
// left is not asked.
func TestAMeshThatCannotBeAskedIsUnknown(t *testing.T) {
	blind(t, "proxies", "kubernetes", "list pods", "create pods/portforward")
	blind(t, "proxies", "http", "GET /debug/syncz")
	for operation, says := range map[string]string{
		"list pods":               "list the pods in us-west-2",
		"create pods/portforward": "create pods/portforward to port 15014 of istio-system/istiod-7d8f9c6b5-ak in us-west-2",
	} {
		w := newWorld(t)
		w.wait(t, time.Minute)
		if err := w.Fault(sim.Fault{System: "kubernetes", Operation: operation, Kind: sim.Deny}); err != nil {
			t.Fatal(err)
		}
		_, _, err := w.looked(t, "proxies")
		if f := incident.CallErrorOf(err); err == nil || !strings.Contains(err.Error(), says) || !f.NeedsPerson || !strings.Contains(f.Hint, "role in the cluster may not do this") {
			t.Errorf("%s: %v", operation, err)
		}
		for _, call := range w.Calls() {
			if call.Region == east {
				t.Errorf("it asked %s of %s", call.Operation, call.Region)
			}
		}
	}
	// One of two that refuses is enough: its proxies are known to it alone.
	w := newWorld(t)
	w.wait(t, time.Minute)
	if err := w.Fault(sim.Fault{System: "http", Operation: "GET /debug/syncz", Kind: sim.Deny, Times: 1}); err != nil {
		t.Fatal(err)
	}
	if o, ok, err := w.looked(t, "proxies"); err == nil || ok || !strings.Contains(err.Error(), "ask istiod in us-west-2") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
}
