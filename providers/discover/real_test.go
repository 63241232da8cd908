//go:build real

package discover

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/kube/kubetest"
	"github.com/failoverbot/failoverbot/providers/kubeapi"
	"github.com/failoverbot/failoverbot/providers/live"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

// allow gives everybody the rights of deploy/rbac-discover.yaml, as an operator would give
// them to the group that it names.
func allow(t *testing.T, p *kubetest.Platform, region string) {
	t.Helper()
	data, err := os.ReadFile("../../deploy/rbac-discover.yaml")
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.ReplaceAll(data, []byte("    name: failoverbot-discover"), []byte("    name: system:authenticated"))
	for doc := range bytes.SplitSeq(data, []byte("\n---\n")) {
		var o unstructured.Unstructured
		if err := yaml.Unmarshal(doc, &o.Object); err != nil {
			t.Fatal(err)
		}
		kind := schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: strings.ToLower(o.GetKind()) + "s"}
		if _, err := p.Admin(region).Resource(kind).Create(t.Context(), &o, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = p.Admin(region).Resource(kind).Delete(t.Context(), o.GetName(), metav1.DeleteOptions{}) // the clusters go with the tests
		})
	}
}

// monitor gives a cluster the objects of a manifest, each in its namespace.
func monitor(t *testing.T, p *kubetest.Platform, region, manifest string) {
	t.Helper()
	namespaces := p.Admin(region).Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	for doc := range strings.SplitSeq(manifest, "\n---\n") {
		var o unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(doc), &o.Object); err != nil {
			t.Fatal(err)
		}
		group := map[string]string{"Service": "v1", "Ingress": "networking.k8s.io/v1"}[o.GetKind()]
		if group == "" {
			group = "apps/v1"
		}
		o.SetAPIVersion(group)
		of, err := schema.ParseGroupVersion(group)
		if err != nil {
			t.Fatal(err)
		}
		_, err = namespaces.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": o.GetNamespace()}}}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
		kind := of.WithResource(strings.Replace(strings.ToLower(o.GetKind())+"s", "sss", "sses", 1))
		to := p.Admin(region).Resource(kind).Namespace(o.GetNamespace())
		if _, err := to.Create(t.Context(), &o, metav1.CreateOptions{}); err != nil {
			t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
		}
		t.Cleanup(func() {
			_ = to.Delete(context.WithoutCancel(t.Context()), o.GetName(), metav1.DeleteOptions{}) // the clusters go with the tests
		})
	}
}

// On two real control planes: the rights of the bot do not do, and each that is missing is
// named; with those of deploy/rbac-discover.yaml everything is read.
func TestRealClustersAreReadWithTheRightsOfDiscover(t *testing.T) {
	p := kubetest.Start(t, kubetest.Objects)
	p.Seed(east, kubetest.Home...)
	p.Seed(west, kubetest.Standby...)
	kubeconfig := p.Kubeconfig()
	contexts, err := live.Contexts(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t)
	o := s.options()
	o.Clusters = map[string]Cluster{}
	for name := range contexts {
		for _, region := range []string{east, west} {
			if strings.Contains(name, region) {
				o.Clusters[region] = Cluster{Context: name, Kubeconfig: kubeconfig}
			}
		}
	}
	o.Connect = func(region string, c Cluster) (kubeapi.Client, error) {
		return live.Kube(live.KubeSettings{Clusters: map[string]live.Cluster{region: {Context: c.Context, Kubeconfig: c.Kubeconfig}}, Clock: incident.RealClock{}})(region)
	}

	f := s.look(t, o)
	var missing []string
	for _, u := range f.Unread {
		if !u.Refused {
			t.Errorf("%s", u)
		}
		if u.Region == east {
			missing = append(missing, u.Right)
		}
	}
	if want := []string{"list cronjobs.batch", "list deployments.apps", "list horizontalpodautoscalers.autoscaling", "list ingresses.networking.k8s.io", "list schedules.velero.io", "list serviceaccounts", "list services", "list statefulsets.apps"}; !slices.Equal(missing, want) {
		t.Errorf("missing: %v\nwant:    %v", missing, want)
	}
	if got := f.setting("platform.services"); !strings.Contains(got.Ask, "list deployments.apps was refused in us-east-1") {
		t.Errorf("%+v", got)
	}

	monitor(t, p, east, operated+"---"+ingressTo("", "tls: [{hosts: [g.example.com]}], rules: ["+rule("g.example.com", "/grafana", "name: http-web")+"]"))
	monitor(t, p, west, community)
	allow(t, p, east)
	allow(t, p, west)
	p.Wait("the rights count", func() bool { f = s.look(t, o); return len(f.Unread) == 0 })
	if got := f.setting("platform.kube.regions." + east + ".namespace"); got.Value != p.Namespace {
		t.Errorf("%+v", got)
	}
	for _, path := range []string{"kubernetes." + west + ".context", "platform.home"} {
		if got := f.setting(path); got == nil || got.Value == nil {
			t.Errorf("%s is %+v", path, got)
		}
	}
	for path, want := range map[string]string{
		"platform.prometheus.regions." + east + ".service": "monitoring/stack-prometheus:9090", "platform.prometheus.regions." + west + ".service": "prom/prometheus-server:80",
		"platform.grafana.regions." + east + ".url": "https://g.example.com/grafana",
	} {
		if got := f.setting(path); got == nil || got.Value != want {
			t.Errorf("%s is %+v", path, got)
		}
	}
	if got := f.setting("platform.grafana.regions." + west + ".url"); got == nil || !strings.Contains(got.Ask, "in the cluster of us-west-2 runs its image") {
		t.Errorf("%+v", got)
	}
	var names []string
	for _, one := range kubetest.Home {
		names = append(names, one.Name)
	}
	slices.Sort(names)
	asked := f.setting("platform.services")
	if asked.Value == nil || asked.shown() != strings.Join(names, ", ") {
		t.Errorf("%+v, want %v", asked, names)
	}
}
