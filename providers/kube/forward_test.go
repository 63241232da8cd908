//go:build real

package kube_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/istio"
	"github.com/failoverbot/failoverbot/providers/kube/kubetest"
)

// meshed is a shop with one istiod, whose debug port a stand-in for the kubelet forwards,
// and one pod of a service with a proxy.
func meshed(t *testing.T, missing ...kubetest.Right) (*shop, *kubetest.Kubelet) {
	t.Helper()
	s := open(t, kubetest.Objects, missing...)
	node := "mesh-" + s.Namespace
	k := s.Kubelet(west, node)
	always := corev1.ContainerRestartPolicyAlways
	pod := func(name string, labels map[string]string, spec corev1.PodSpec, owners ...metav1.OwnerReference) {
		spec.NodeName = node
		s.Create(west, &corev1.Pod{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, OwnerReferences: owners}, Spec: spec,
		})
		admin := s.Admin(west).Resource(kubetest.Pods).Namespace(s.Namespace)
		u, err := admin.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		u.Object["status"] = map[string]any{"phase": "Running"}
		if _, err := admin.UpdateStatus(t.Context(), u, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	pod("istiod-1", map[string]string{"app": "istiod"}, corev1.PodSpec{Containers: []corev1.Container{{Name: "discovery", Image: "istio/pilot:1.27.1"}}})
	yes := true
	pod("order-service-abc-1", map[string]string{"app": "order-service", "pod-template-hash": "abc"}, corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "istio-proxy", Image: "istio/proxyv2:1.27.1", RestartPolicy: &always}},
		Containers:     []corev1.Container{{Name: "order-service", Image: "order-service:1"}},
	}, metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "order-service-abc", UID: "0c0ffee0-0000-4000-8000-000000000009", Controller: &yes})
	return s, k
}

// proxies looks at the mesh of the target.
func (s *shop) proxies(t *testing.T) (engine.Outcome, bool, error) {
	t.Helper()
	p := s.plan(t, "unplanned")
	if err := istio.Platform.Freeze(&p.Topology, istio.Settings{IstioNamespace: s.Namespace}); err != nil {
		t.Fatal(err)
	}
	step, ok := p.Step("proxies")
	if !ok {
		t.Fatal("the runbook has no step proxies")
	}
	return s.catalog[step.Uses].Look(t.Context(), engine.Call{Incident: id, Plan: p, Step: step, Attempt: 1, Clock: s.clock})
}

// The tunnel leads through a real API server: it authorizes it, and turns it into what a
// kubelet speaks.
func TestRealAPIServersForwardThePortsOfPods(t *testing.T) {
	s, k := meshed(t)
	k.Serve(s.Platform, "istiod-1", 15014, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/debug/syncz" {
			http.NotFound(w, r)
			return
		}
		_, _ = fmt.Fprintf(w, `[{"proxy":"order-service-abc-1.%s","istio_version":"1.27.1","cluster_sent":"a","cluster_acked":"a","listener_sent":"b","listener_acked":"b"}]`, s.Namespace)
	}))
	o, ok, err := s.proxies(t)
	if err != nil || !ok || o.Measured.Verdict != incident.Pass || !strings.Contains(o.Summary, "1 of 1 proxies of the services in us-west-2 are synced, version 1.27.1 (1)") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	if asked := k.Asked(); !slices.Equal(asked, []string{"istiod-1:15014"}) {
		t.Errorf("the kubelet was asked for %v", asked)
	}
}

func TestRealPodsWithoutThatPortSaySo(t *testing.T) {
	s, _ := meshed(t)
	o, ok, err := s.proxies(t)
	if err == nil || ok || !strings.Contains(err.Error(), "port 15014 of istiod-1: dial tcp4 127.0.0.1:15014: connect: connection refused") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	client, err := s.client(west)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Forward(context.WithoutCancel(t.Context()), s.Namespace, "nobody", 15014); err == nil || !strings.Contains(err.Error(), `pods "nobody" not found`) {
		t.Error(err)
	}
}

func TestARealForwardWithoutTheRightNamesIt(t *testing.T) {
	// Of a right to create that is missing the API server says no more than that it is so.
	for verb, says := range map[string]string{"get": `cannot get resource "pods/portforward"`, "create": "is forbidden"} {
		s, k := meshed(t, kubetest.Right{Verb: verb, Resource: "pods/portforward"})
		_, ok, err := s.proxies(t)
		f := incident.CallErrorOf(err)
		if err == nil || ok || !f.NeedsPerson || !strings.Contains(err.Error(), "create pods/portforward to port 15014 of "+s.Namespace+"/istiod-1 in us-west-2") || !strings.Contains(err.Error(), says) {
			t.Errorf("without the right to %s: %t %v %+v", verb, ok, err, f)
		}
		if asked := k.Asked(); len(asked) > 0 {
			t.Errorf("the kubelet was asked for %v", asked)
		}
	}
}
