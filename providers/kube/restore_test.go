//go:build real

package kube_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/kube/kubetest"
)

// restores gives whoever asks the rights of deploy/rbac-restore.yaml in the test's
// namespace, as an operator gives them to the bot.
func (s *shop) restores(t *testing.T, region string) {
	t.Helper()
	data, err := os.ReadFile("../../deploy/rbac-restore.yaml")
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.ReplaceAll(data, []byte("    name: failoverbot\n"), []byte("    name: system:authenticated\n"))
	for doc := range bytes.SplitSeq(data, []byte("\n---\n")) {
		var o unstructured.Unstructured
		if err := yaml.Unmarshal(doc, &o.Object); err != nil {
			t.Fatal(err)
		}
		o.SetNamespace(s.Namespace)
		kind := schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: strings.ToLower(o.GetKind()) + "s"}
		if _, err := s.Admin(region).Resource(kind).Namespace(s.Namespace).Create(t.Context(), &o, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// On a real control plane: without the rights of a restore each step names the one that is
// missing. With them what is there is told by its names, one Restore is made and found
// again, and followed as Velero writes how far it is.
func TestARealRestoreIsAskedForOnceAndFollowed(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Objects)
	s.Velero(west)
	s.StorageLocation(west, west, "Available")
	s.Backup(west, schedule, "newest", "Completed", s.clock.Now().Add(-time.Minute))
	s.Seed(west, kubetest.Service{Name: "order-service", Replicas: 2})
	for kind, resource := range map[string]string{"ConfigMap": "configmaps", "Secret": "secrets"} {
		u := &unstructured.Unstructured{Object: map[string]any{"data": map[string]any{"key": "dmFsdWU="}}}
		u.SetAPIVersion("v1")
		u.SetKind(kind)
		u.SetName("order-" + resource)
		if _, err := s.Admin(west).Resource(schema.GroupVersionResource{Version: "v1", Resource: resource}).Namespace(s.Namespace).Create(t.Context(), u, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s.found = map[string]engine.Outcome{"restore-list": {Evidence: map[string]string{"backup": "newest"}}}

	for step, right := range map[string]string{
		"restore-contents": `"podvolumebackups"`, "restore-present": `"`, "restore": `"restores"`, "restored-claims": `"persistentvolumeclaims"`,
		"restored-configuration": `"`, "restored-mesh": `"`,
	} {
		_, ok, err := s.look(t, step)
		if ok || err == nil {
			t.Fatalf("%s passes without the right", step)
		}
		if f := fault(t, err); !f.NeedsPerson || f.Retry || f.Unknown {
			t.Errorf("%s: %v: %s", step, err, told(f))
		}
		says(t, step, err.Error(), "cannot list resource "+right, `User "failoverbot"`)
	}

	s.restores(t, west)
	s.Wait("the rights count", func() bool { _, ok, err := s.look(t, "restore-present"); return ok && err == nil })
	o, _, _ := s.look(t, "restore-present")
	if !strings.Contains(o.Evidence["ConfigMaps"], "order-configmaps") || o.Evidence["Secrets"] != "order-secrets" || o.Evidence["Deployments"] != "order-service" || strings.Contains(o.Summary, "VirtualService") {
		t.Errorf("%q %v", o.Summary, o.Evidence)
	}
	for step, verdict := range map[string]incident.Verdict{"restore-list": incident.Pass, "restored-configuration": incident.Pass, "restored-mesh": incident.NotApplicable, "restored-claims": incident.Pass} {
		if o, ok, err := s.look(t, step); err != nil || !ok || o.Measured.Verdict != verdict {
			t.Errorf("%s: %t %q %q %v", step, ok, o.Measured.Verdict, o.Summary, err)
		}
	}

	a, c := s.step(t, "restore")
	if _, there, err := a.Look(t.Context(), c); err != nil || there {
		t.Fatalf("%t %v", there, err)
	}
	for range 2 {
		if o, err := s.do(t, "restore"); err != nil || o.Job != c.Token {
			t.Fatalf("%+v %v", o, err)
		}
	}
	here := s.Admin(west).Resource(kubetest.Restores).Namespace(s.Namespace)
	all, err := here.List(t.Context(), metav1.ListOptions{})
	if err != nil || len(all.Items) != 1 {
		t.Fatalf("%d Restores, %v", len(all.Items), err)
	}
	if policy, _, _ := unstructured.NestedString(all.Items[0].Object, "spec", "existingResourcePolicy"); policy != "none" {
		t.Errorf("what exists is treated as %q", policy)
	}
	for _, phase := range []struct{ status, says string }{
		{`{}`, "Velero has not taken it up yet"},
		{`{"phase":"InProgress","progress":{"totalItems":40,"itemsRestored":10}}`, "10 of 40 items restored"},
		{`{"phase":"WaitingForPluginOperations","restoreItemOperationsAttempted":3,"restoreItemOperationsCompleted":2}`, "2 of 3 operations done"},
		{`{"phase":"Completed","progress":{"totalItems":40,"itemsRestored":40},"restoreItemOperationsCompleted":3}`, "Completed, 40 of 40 items"},
	} {
		if _, err := here.Patch(t.Context(), c.Token, types.MergePatchType, []byte(`{"status":`+phase.status+`}`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		p, err := a.Job(t.Context(), c, c.Token)
		if err != nil || p.Done != strings.HasPrefix(phase.says, "Completed") {
			t.Fatalf("%s: %t %v", phase.says, p.Done, err)
		}
		says(t, "the progress", p.Summary, phase.says)
	}
	s.found["restore"] = engine.Outcome{Evidence: map[string]string{"restore": c.Token}}
	if o, ok, err := s.look(t, "restore-ended"); err != nil || !ok || o.Measured.Verdict != incident.Pass {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
}
