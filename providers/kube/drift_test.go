//go:build real

package kube_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/kube/kubetest"
)

// On real control planes: ConfigMaps are compared by their values, Secrets by how many keys
// they have and by what the External Secrets operator writes beside them, and without the
// right to list them they are unknown. What kubectl keeps of a Secret is not read.
func TestARealDriftIsTold(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Objects)
	create := func(region, kind, name string, labels, annotations map[string]string, data map[string]any) {
		t.Helper()
		u := &unstructured.Unstructured{Object: map[string]any{"data": data}}
		u.SetAPIVersion("v1")
		u.SetKind(kind)
		u.SetName(name)
		u.SetLabels(labels)
		u.SetAnnotations(annotations)
		to := s.Admin(region).Resource(schema.GroupVersionResource{Version: "v1", Resource: strings.ToLower(kind) + "s"}).Namespace(s.Namespace)
		if _, err := to.Create(t.Context(), u, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	const value = "c2VjcmV0LXZhbHVl"
	eso := map[string]string{"reconcile.external-secrets.io/managed": "true"}
	applied := map[string]string{"kubectl.kubernetes.io/last-applied-configuration": `{"data":{"password":"` + value + `"}}`}
	for _, region := range kubetest.Regions {
		d := kubetest.Service{Name: "order-service", Replicas: 2}.Deployment()
		from := &d.Spec.Template.Spec.Containers[0].EnvFrom
		*from = append(*from, corev1.EnvFromSource{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}})
		for _, secret := range []string{"by-hand", "synced", "turned"} {
			*from = append(*from, corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: secret}}})
		}
		s.Create(region, d)
		create(region, "ConfigMap", "settings", nil, nil, map[string]any{"SAME": "1", "HERE": region})
		create(region, "Secret", "by-hand", nil, applied, map[string]any{"password": value})
		create(region, "Secret", "synced", eso, map[string]string{"reconcile.external-secrets.io/data-hash": "aaaa"}, map[string]any{"password": value})
		create(region, "Secret", "turned", eso, map[string]string{"reconcile.external-secrets.io/data-hash": map[string]string{east: "bbbb", west: "cccc"}[region]}, map[string]any{"password": value})
	}
	o, ok, err := s.look(t, "drift")
	if err != nil || ok || o.Evidence["ConfigMap settings, key HERE"] == "" || o.Evidence["ConfigMap settings, key SAME"] != "" ||
		!strings.Contains(o.Evidence["unknown"], `cannot list resource "secrets"`) || o.Evidence["Secret turned"] != "" {
		t.Errorf("without the right to list Secrets: %t %v %v", ok, err, o.Evidence)
	}
	for _, region := range kubetest.Regions {
		s.restores(t, region)
	}
	s.Wait("the rights count", func() bool {
		o, _, err = s.look(t, "drift")
		return err == nil && !strings.Contains(o.Evidence["unknown"], "cannot list")
	})
	if o.Measured.Verdict != incident.Fail || !strings.Contains(o.Evidence["Secret turned"], "other values") || o.Evidence["Secret synced"] != "" || o.Evidence["Secret by-hand"] != "" ||
		!strings.Contains(o.Evidence["unknown"], "the values of 1 Secret, of which nobody keeps a digest: by-hand") || !strings.Contains(o.Evidence["unknown"], "the image of order-service/app") {
		t.Errorf("%q %v", o.Summary, o.Evidence)
	}
	for name, says := range o.Evidence {
		if strings.Contains(says, value) || strings.Contains(says, "secret-value") {
			t.Errorf("%s tells a value: %s", name, says)
		}
	}
}
