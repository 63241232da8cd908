package providers_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/kube"
	"github.com/failoverbot/failoverbot/providers/probe"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// servedAway is the world once users are in us-west-2 at full size and the writers of us-east-1 are
// stopped, with more that is otherwise.
func servedAway(more func(s *sim.State)) func(*sim.State) {
	return func(s *sim.State) {
		for name, d := range s.Regions[west].Deployments {
			*d.Spec.Replicas = *s.Regions[east].Deployments[name].Spec.Replicas
			s.Regions[west].HPAs[name].Spec.MinReplicas = d.Spec.Replicas
		}
		for _, name := range []string{"user-service", "order-service", "payment-service"} {
			s.Regions[east].Deployments[name].Spec.Replicas = new(int32)
			s.Regions[east].Pods = slices.DeleteFunc(s.Regions[east].Pods, func(p *sim.Pod) bool { return p.Service == name })
		}
		more(s)
	}
}

// object changes what is kept of a Region's ConfigMap or Secret.
func object(s *sim.State, region, resource, name string, f func(o *sim.KeptObject)) {
	o := s.Regions[region].Objects[resource][name]
	o.Data = maps.Clone(o.Data)
	f(&o)
	s.Regions[region].Objects[resource][name] = o
}

const driftless = "us-east-1 is as what serves in us-west-2: 5 Deployments, 2 ConfigMaps and 2 Secrets that they name, 5 autoscalers"

func TestWhatDriftedWhileHomeSleptIsTold(t *testing.T) {
	other := "sha256:" + strings.Repeat("ab", 32)
	deployed := func(s *sim.State, region, service string) {
		repo := s.Regions[region].Repositories[service]
		repo[0].Digest = other
	}
	judge(t, "drift", []judged{
		{"nothing", servedAway(func(*sim.State) {}), incident.Pass, []string{driftless}, map[string]string{"compared": "5 Deployments"}, map[string]float64{"differences": 0, "unknown": 0}},
		{
			"another image runs under the same name", servedAway(func(s *sim.State) { deployed(s, west, "product-service") }), incident.Fail,
			[]string{"us-east-1 differs from what serves in us-west-2 (1 difference): image of product-service: sha256:"},
			map[string]string{"image of product-service": "sha256:abababababab in us-west-2"},
			map[string]float64{"differences": 1},
		},
		{
			"another image is in the registry of what is stopped", servedAway(func(s *sim.State) { deployed(s, east, "order-service") }), incident.Fail,
			nil,
			map[string]string{"image of order-service": "sha256:abababababab in us-east-1"},
			nil,
		},
		{
			"a tag alone of what is stopped", servedAway(func(s *sim.State) {
				s.Regions[east].Deployments["order-service"].Spec.Template.Spec.Containers[0].Image = "ghcr.io/shop/order-service:v3"
			}), incident.Warn,
			[]string{"nothing is known to differ", "unknown: the image of order-service in us-east-1: nothing of it runs"},
			nil,
			map[string]float64{"unknown": 1},
		},
		{"a service that is only there", servedAway(func(s *sim.State) { delete(s.Regions[east].Deployments, "notification-service") }), incident.Fail, nil, map[string]string{"Deployment notification-service": "is in us-west-2 alone"}, nil},
		{"a container that is only here", servedAway(func(s *sim.State) {
			spec := &s.Regions[east].Deployments["product-service"].Spec.Template.Spec
			spec.Containers = append(spec.Containers, corev1.Container{Name: "agent", Image: spec.Containers[0].Image})
		}), incident.Fail, nil, map[string]string{"container agent of product-service": "is in us-east-1 alone"}, nil},
		{
			"a value of a ConfigMap", servedAway(func(s *sim.State) {
				object(s, west, "configmaps", "order-settings", func(o *sim.KeptObject) { o.Data["CHECKOUT"] = "a-new-value" })
			}), incident.Fail,
			[]string{"ConfigMap order-settings, key CHECKOUT: other values (digests "},
			map[string]string{"ConfigMap order-settings, key CHECKOUT": "in us-west-2"},
			nil,
		},
		{"a key that is only there", servedAway(func(s *sim.State) {
			object(s, west, "configmaps", "order-settings", func(o *sim.KeptObject) { o.Data["FRAUD"] = "on" })
		}), incident.Fail, nil, map[string]string{"ConfigMap order-settings, key FRAUD": "is in us-west-2 alone"}, nil},
		{"a ConfigMap that is only there", servedAway(func(s *sim.State) { delete(s.Regions[east].Objects["configmaps"], "payment-settings") }), incident.Fail, nil, map[string]string{"ConfigMap payment-settings": "is in us-west-2 alone"}, nil},
		{"a ConfigMap that nobody names", servedAway(func(s *sim.State) {
			s.Regions[west].Objects["configmaps"]["notes"] = sim.KeptObject{Data: map[string]string{"a": "b"}}
		}), incident.Pass, []string{driftless}, nil, nil},
		{"a Secret that is only there", servedAway(func(s *sim.State) { delete(s.Regions[east].Objects["secrets"], "order-database") }), incident.Fail, nil, map[string]string{"Secret order-database": "is in us-west-2 alone"}, nil},
		{"a Secret of other values, as its digest tells", servedAway(func(s *sim.State) {
			object(s, west, "secrets", "order-database", func(o *sim.KeptObject) { o.Hash = strings.Repeat("1", len(o.Hash)) })
		}), incident.Fail, nil, map[string]string{"Secret order-database": "other values, as the External Secrets operator tells"}, nil},
		{"a Secret with a key more", servedAway(func(s *sim.State) {
			object(s, west, "secrets", "order-database", func(o *sim.KeptObject) { o.Keys, o.Hash = 3, "" })
		}), incident.Fail, nil, map[string]string{"Secret order-database": "2 keys in us-east-1, 3 keys in us-west-2"}, nil},
		{
			"a Secret of which nobody keeps a digest", servedAway(func(s *sim.State) {
				for _, r := range []string{east, west} {
					object(s, r, "secrets", "order-database", func(o *sim.KeptObject) { o.Hash = "" })
				}
			}), incident.Warn,
			[]string{"unknown: the values of 1 Secret, of which nobody keeps a digest: order-database"},
			nil,
			map[string]float64{"differences": 0, "unknown": 1},
		},
		{"a digest of another kind", servedAway(func(s *sim.State) {
			object(s, west, "secrets", "order-database", func(o *sim.KeptObject) { o.Hash = o.Hash[:32] })
		}), incident.Warn, []string{"unknown: the values of 1 Secret"}, nil, nil},
		{"the maximum of an autoscaler", servedAway(func(s *sim.State) { s.Regions[west].HPAs["order-service"].Spec.MaxReplicas = 30 }), incident.Fail, nil, map[string]string{"autoscaler of order-service": "at most 12 in us-east-1, 30 in us-west-2"}, nil},
		{"an autoscaler that is only there", servedAway(func(s *sim.State) { delete(s.Regions[east].HPAs, "order-service") }), incident.Fail, nil, map[string]string{"autoscaler of order-service": "is in us-west-2 alone"}, nil},
		{
			"a minimum that is larger", servedAway(func(s *sim.State) { *s.Regions[east].HPAs["product-service"].Spec.MinReplicas = 8 }), incident.Warn,
			[]string{"the minimum of product-service is 8 in us-east-1 and 4 in us-west-2, and stays so"},
			nil,
			map[string]float64{"differences": 0},
		},
		{"a minimum that the run raises", servedAway(func(s *sim.State) { *s.Regions[east].HPAs["product-service"].Spec.MinReplicas = 2 }), incident.Pass, []string{driftless}, nil, nil},
	})
}

// A value that may differ is named in the settings, in all ConfigMaps or in one.
func TestAKeyThatDiffersByNatureIsLeftOut(t *testing.T) {
	for name, c := range map[string]struct {
		keys    []string
		verdict incident.Verdict
	}{
		"none is named":          {nil, incident.Fail},
		"in one ConfigMap":       {[]string{"order-settings/AWS_REGION"}, incident.Fail},
		"in each by its name":    {[]string{"order-settings/AWS_REGION", "payment-settings/AWS_REGION"}, incident.Pass},
		"in all of them at once": {[]string{"AWS_REGION"}, incident.Pass},
	} {
		judge(t, "drift", []judged{{name, servedAway(func(*sim.State) {}), c.verdict, nil, nil, nil}}, set(t, kube.Platform, func(s *kube.Settings) { s.DifferingKeys = c.keys }))
	}
}

func TestADriftThatCannotBeReadIsUnknown(t *testing.T) {
	blindIn(t, servedAway(func(*sim.State) {}), "drift", "kubernetes", "list deployments", "list pods", "list horizontalpodautoscalers", "list configmaps")
}

// The right to list Secrets is given apart. Without it they are unknown, and nothing else is.
func TestSecretsThatMayNotBeListedAreUnknown(t *testing.T) {
	const path = "get /api/v1/namespaces/ecommerce-prod/secrets"
	w := newWorld(t)
	w.change(t, servedAway(func(*sim.State) {}))
	if err := w.Fault(sim.Fault{System: "kubernetes", Operation: path, Kind: sim.Deny}); err != nil {
		t.Fatal(err)
	}
	o, ok, err := w.looked(t, "drift")
	if err != nil || !ok || o.Measured.Verdict != incident.Warn || !strings.Contains(o.Summary, "unknown: 2 Secrets that Deployments name: list the secrets in us-") || !strings.Contains(o.Summary, "deploy/rbac-restore.yaml") {
		t.Errorf("%t %q %q %v", ok, o.Measured.Verdict, o.Summary, err)
	}
	blindBut := []string{sim.ServerFail, sim.Refuse, sim.Hang}
	for _, kind := range blindBut {
		w := newWorld(t)
		w.change(t, servedAway(func(*sim.State) {}))
		if err := w.Fault(sim.Fault{System: "kubernetes", Operation: path, Kind: kind}); err != nil {
			t.Fatal(err)
		}
		if o, ok, err := w.looked(t, "drift"); err == nil || ok {
			t.Errorf("%s: %t %q", kind, ok, o.Summary)
		}
	}
}

// What a registry does not tell of what is stopped is unknown.
func TestARegistryThatDoesNotTellLeavesTheImageUnknown(t *testing.T) {
	for _, kind := range []string{sim.Deny, sim.ServerFail, sim.Refuse} {
		w := newWorld(t)
		w.change(t, servedAway(func(*sim.State) {}))
		if err := w.Fault(sim.Fault{System: "aws.ecr", Kind: kind}); err != nil {
			t.Fatal(err)
		}
		o, ok, err := w.looked(t, "drift")
		if err != nil || !ok || o.Measured.Verdict != incident.Warn || !strings.Contains(o.Summary, "unknown: the image of order-service in us-east-1: nothing of it runs, and what its name stands for could not be read") {
			t.Errorf("%s: %t %q %v", kind, ok, o.Summary, err)
		}
	}
}

// After Go only what was not shown before it is a no: another difference, or another value of
// the same.
func TestAfterGoWhatWasNotShownIsANo(t *testing.T) {
	w := newWorld(t)
	w.change(t, servedAway(func(s *sim.State) {
		object(s, west, "configmaps", "order-settings", func(o *sim.KeptObject) { o.Data["CHECKOUT"] = "v3" })
	}))
	again := func() (engine.Outcome, bool) {
		t.Helper()
		o, ok, err := w.looked(t, "drift-again")
		if err != nil {
			t.Fatal(err)
		}
		return o, ok
	}
	if o, ok := again(); ok || !strings.Contains(o.Summary, "otherwise than was shown before Go: ConfigMap order-settings, key CHECKOUT") {
		t.Errorf("nothing was shown: %t %q", ok, o.Summary)
	}
	shown, _, err := w.looked(t, "drift")
	if err != nil {
		t.Fatal(err)
	}
	w.found["drift"] = shown
	if o, ok := again(); !ok || !strings.Contains(o.Summary, "in nothing that was not shown before Go") {
		t.Errorf("all was shown: %t %q", ok, o.Summary)
	}
	for name, change := range map[string]func(o *sim.KeptObject){
		"another value": func(o *sim.KeptObject) { o.Data["CHECKOUT"] = "v4"; delete(o.Data, "FRAUD") },
		"another key":   func(o *sim.KeptObject) { o.Data["CHECKOUT"], o.Data["FRAUD"] = "v3", "on" },
	} {
		w.change(t, func(s *sim.State) { object(s, west, "configmaps", "order-settings", change) })
		if o, ok := again(); ok || !strings.Contains(o.Summary, "otherwise than was shown") || o.Measured.Figures[0].Value != 1 {
			t.Errorf("%s: %t %q", name, ok, o.Summary)
		}
	}
	// What is as it serves again is no drift any more.
	w.change(t, func(s *sim.State) {
		object(s, west, "configmaps", "order-settings", func(o *sim.KeptObject) {
			o.Data["CHECKOUT"] = "v2"
			delete(o.Data, "FRAUD")
		})
	})
	if o, ok := again(); !ok {
		t.Errorf("put right: %q", o.Summary)
	}
}

// Of very many differences the evidence names some, and the others by a digest: one more or
// less of them is noticed after Go.
func TestVeryManyDifferencesAreNoticedToo(t *testing.T) {
	w := newWorld(t)
	w.change(t, servedAway(func(s *sim.State) {
		object(s, west, "configmaps", "order-settings", func(o *sim.KeptObject) {
			for i := range 200 {
				o.Data[fmt.Sprintf("KEY_%03d", i)] = "on"
			}
		})
	}))
	o, ok, err := w.looked(t, "drift")
	if err != nil || ok || !strings.Contains(o.Evidence["more"], "140 more differences (digest ") || !strings.Contains(o.Evidence["more"], "KEY_199") || len(o.Evidence) > 64 {
		t.Fatalf("%t %v %d %v", ok, err, len(o.Evidence), o.Evidence["more"])
	}
	w.found["drift"] = o
	if o, ok, err := w.looked(t, "drift-again"); err != nil || !ok {
		t.Errorf("%q %v", o.Summary, err)
	}
	w.change(t, func(s *sim.State) {
		object(s, west, "configmaps", "order-settings", func(o *sim.KeptObject) { o.Data["KEY_199"] = "off"; o.Data["KEY_198"] = "" })
		object(s, east, "configmaps", "order-settings", func(o *sim.KeptObject) { o.Data["KEY_199"] = "on" })
	})
	if o, ok, err := w.looked(t, "drift-again"); err != nil || ok {
		t.Errorf("%q %v", o.Summary, err)
	}
}

func TestTheSchemaOfBothRegionsIsCompared(t *testing.T) {
	judge(t, "schema", []judged{
		{"the same", servedAway(func(*sim.State) {}), incident.Pass, []string{"the services of both Regions are made for schema 20260211"}, map[string]string{"page": "/health/schema", east: "20260211"}, nil},
		{"another", servedAway(func(s *sim.State) { s.Regions[west].Schema = "20260301" }), incident.Fail, []string{"the services in us-east-1 are made for schema 20260211, and those that serve in us-west-2 for 20260301"}, nil, nil},
		{"nobody serves the page", servedAway(func(s *sim.State) {
			*s.Regions[east].Deployments["product-service"].Spec.Replicas = 0
			s.Regions[east].Pods = nil
		}), incident.Unsure, []string{"/health/schema in us-east-1", "status 503"}, nil, nil},
		{"the Region is gone", servedAway(func(s *sim.State) { s.Regions[west].Lost = true }), incident.Unsure, []string{"/health/schema in us-west-2"}, nil, nil},
	})
	for name, f := range map[string]func(s *probe.Settings){
		"name no page": func(s *probe.Settings) { s.SchemaPage, s.SchemaField = "", "" },
		"has nothing":  func(s *probe.Settings) { s.SchemaField = "nothing" },
		"has no text":  func(s *probe.Settings) { s.SchemaPage, s.SchemaField = "/health/in-flight", "requests" },
		"answered":     func(s *probe.Settings) { s.SchemaPage = "/no-such-page" },
	} {
		judge(t, "schema", []judged{{name, servedAway(func(*sim.State) {}), incident.Unsure, nil, nil, nil}}, set(t, probe.Platform, f))
	}
}
