//go:build real

package discover

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

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
	if want := []string{"list cronjobs.batch", "list deployments.apps", "list horizontalpodautoscalers.autoscaling", "list schedules.velero.io", "list serviceaccounts"}; !slices.Equal(missing, want) {
		t.Errorf("missing: %v\nwant:    %v", missing, want)
	}
	if got := f.setting("platform.services"); !strings.Contains(got.Ask, "list deployments.apps was refused in us-east-1") {
		t.Errorf("%+v", got)
	}

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
