// Package istio looks whether the proxies of the target's mesh do what they are told to.
//
// Each istiod knows the proxies that are connected to it and to no other, so all of them
// are asked, on their debug port and by way of the API server: a connection that comes from
// their own machine needs no token. What one of them cannot be asked is unknown.
//
// https://istio.io/latest/docs/ops/diagnostic-tools/proxy-cmd/
package istio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/webapi"
)

const (
	// debugPort is where istiod tells about itself, over plain HTTP.
	debugPort = 15014
	// sidecar is what the proxy's container is called.
	sidecar = "istio-proxy"
	// control selects the pods of istiod, of whatever revision.
	control = "app=istiod"
	// leaveOut keeps a pod out of the mesh where it is "false".
	leaveOut = "sidecar.istio.io/inject"
	// shown is how many pods a sentence tells.
	shown = 5
)

// Cluster is what is read of a Region's cluster. Errors are faults of a read.
type Cluster struct {
	// Pods are those of the services.
	Pods func(ctx context.Context, p *runbook.Plan, r runbook.Region) ([]corev1.Pod, error)
	// Objects are those of a kind in a namespace, by labels.
	Objects func(ctx context.Context, p *runbook.Plan, r runbook.Region, kind schema.GroupVersionResource, namespace, labels string) ([]unstructured.Unstructured, error)
	// Forward connects to a port of a pod, until ctx ends.
	Forward func(ctx context.Context, p *runbook.Plan, r runbook.Region, namespace, pod string, port int) (net.Conn, error)
}

// Istio reaches the mesh of each Region.
type Istio struct {
	cluster Cluster
	clock   incident.Clock
}

// New returns the meshes in those clusters.
func New(cluster Cluster, clock incident.Clock) *Istio { return &Istio{cluster: cluster, clock: clock} }

// Proxies waits until each pod of the services in the target has a proxy, and all of them
// have what istiod wants them to, in one version.
func (i *Istio) Proxies(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	s, err := runbook.PartOf[Settings](c.Plan.Topology, Platform.Key)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	r := c.Plan.Target
	pods, err := i.cluster.Pods(ctx, c.Plan, r)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	f := sort(r, pods)
	f.o.Measured.AsOf = i.clock.Now()
	if s.IstioNamespace == "" && len(f.proxied)+len(f.waiting) == 0 && len(pods) > 0 {
		f.o.Measured.Verdict = incident.NotApplicable
		f.o.Summary = fmt.Sprintf("not applicable: none of %s of the services in %s has a container %s, and the settings name no mesh (platform.istio)", text.Count(len(pods), "pod"), r.Name, sidecar)
		return f.o, true, nil
	}
	controls, err := i.controls(ctx, c, s.namespace())
	if err != nil {
		return f.o, false, err
	}
	told := make([][]proxy, len(controls))
	faults := make([]error, len(controls))
	incident.Together(i.clock, len(controls), func(n int) {
		told[n], faults[n] = i.ask(ctx, c, s.namespace(), controls[n])
	})
	for _, err := range faults { // one says enough, and a joined error would be sorted by none
		if err != nil {
			return f.o, false, err
		}
	}
	f.o.Evidence["istiod"] = strings.Join(controls, ", ")
	f.o.Measured.AsOf = i.clock.Now()
	return f.judge(slices.Concat(told...))
}

// controls are the pods of istiod that run.
func (i *Istio) controls(ctx context.Context, c engine.Call, namespace string) ([]string, error) {
	all, err := i.cluster.Objects(ctx, c.Plan, c.Plan.Target, schema.GroupVersionResource{Version: "v1", Resource: "pods"}, namespace, control)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, one := range all {
		var pod corev1.Pod
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(one.Object, &pod); err != nil {
			return nil, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("understand pod %s: %w", one.GetName(), err)}
		}
		if pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil {
			out = append(out, pod.Name)
		}
	}
	if len(out) == 0 {
		return nil, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("whether the proxies in %s are synced is unknown: no istiod runs in namespace %s", c.Plan.Target.Name, namespace),
			Hint: "name the namespace of istiod in the settings (platform.istio.istio_namespace), or start it",
		}
	}
	slices.Sort(out)
	return out, nil
}

// ask has one istiod tell of the proxies that are connected to it.
func (i *Istio) ask(ctx context.Context, c engine.Call, namespace, pod string) ([]proxy, error) {
	r := c.Plan.Target
	conn, err := i.cluster.Forward(ctx, c.Plan, r, namespace, pod, debugPort)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // it has been read
	web := webapi.New(func(context.Context, string, string) (net.Conn, error) { return conn, nil }, nil, i.clock)
	at := url.URL{Scheme: "http", Host: fmt.Sprintf("%s.%s:%d", pod, namespace, debugPort)}
	body, err := web.Ask(ctx, c.Plan, r, webapi.Place{URL: at.String()}, webapi.Request{System: "istiod", Path: "/debug/syncz"})
	if err != nil {
		return nil, err
	}
	var out []proxy
	err = json.Unmarshal(body, &out)
	if err == nil && out == nil {
		err = errors.New("it is null")
	}
	if err != nil {
		return nil, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("whether the proxies in %s are synced is unknown: what %s answers is no list of proxies: %w", r.Name, pod, err),
			Hint: "look whether it is an istiod, and whether its debug pages are switched off (ENABLE_DEBUG_ON_HTTP)",
		}
	}
	return out, nil
}

// proxy is what istiod says of one: of each kind of configuration what it has sent, and
// what the proxy has taken on.
type proxy struct {
	// ID is pod.namespace.
	ID            string `json:"proxy"`
	Version       string `json:"istio_version"`
	ClusterSent   string `json:"cluster_sent"`
	ClusterAcked  string `json:"cluster_acked"`
	ListenerSent  string `json:"listener_sent"`
	ListenerAcked string `json:"listener_acked"`
	RouteSent     string `json:"route_sent"`
	RouteAcked    string `json:"route_acked"`
	EndpointSent  string `json:"endpoint_sent"`
	EndpointAcked string `json:"endpoint_acked"`
}

// behind are the kinds of configuration that the proxy has not taken on. Routes and
// endpoints that were never sent are none that it needs; without clusters and listeners it
// does nothing.
func (p proxy) behind() []string {
	var out []string
	for _, kind := range []struct {
		name, sent, acked string
		needed            bool
	}{
		{"CDS", p.ClusterSent, p.ClusterAcked, true},
		{"LDS", p.ListenerSent, p.ListenerAcked, true},
		{"EDS", p.EndpointSent, p.EndpointAcked, false},
		{"RDS", p.RouteSent, p.RouteAcked, false},
	} {
		if kind.sent != kind.acked || kind.sent == "" && kind.needed {
			out = append(out, kind.name)
		}
	}
	return out
}

// found is what there is of the mesh.
type found struct {
	region runbook.Region
	// proxied are the pods with a proxy, waiting those whose proxy does not run yet, bare
	// those without, left those that are kept out of the mesh on purpose; as pod.namespace.
	proxied, waiting, bare, left []string
	o                            engine.Outcome
}

// sort sorts the pods of the services by whether they have a proxy.
func sort(r runbook.Region, pods []corev1.Pod) *found {
	f := &found{region: r, o: engine.Outcome{Evidence: map[string]string{}}}
	for n := range pods {
		pod := &pods[n]
		id := pod.Name + "." + pod.Namespace
		switch {
		case hasProxy(pod.Spec) && pod.Status.Phase == corev1.PodPending:
			f.waiting = append(f.waiting, id)
		case hasProxy(pod.Spec):
			f.proxied = append(f.proxied, id)
		case pod.Labels[leaveOut] == "false" || pod.Annotations[leaveOut] == "false":
			f.left = append(f.left, id)
		default:
			f.bare = append(f.bare, id)
		}
	}
	return f
}

// hasProxy says whether a pod has the container, as one of its own or as one that is
// started before them and goes on.
func hasProxy(spec corev1.PodSpec) bool {
	is := func(c corev1.Container) bool { return c.Name == sidecar }
	return slices.ContainsFunc(spec.Containers, is) || slices.ContainsFunc(spec.InitContainers, func(c corev1.Container) bool {
		return is(c) && c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
	})
}

// judge is what the proxies come to.
func (f *found) judge(all []proxy) (engine.Outcome, bool, error) {
	by := map[string]proxy{}
	for _, p := range all {
		// One that has changed istiod is told by the former one, too, until that notices.
		if have, twice := by[p.ID]; !twice || len(have.behind()) == 0 {
			by[p.ID] = p
		}
	}
	var unconnected, unsynced []string
	versions := map[string]int{}
	for _, id := range f.proxied {
		p, connected := by[id]
		if !connected {
			unconnected = append(unconnected, id)
			continue
		}
		versions[p.Version]++
		if behind := p.behind(); len(behind) > 0 {
			unsynced = append(unsynced, fmt.Sprintf("%s (%s)", id, strings.Join(behind, ", ")))
		}
	}
	var wrong []string
	say := func(pods []string, what string) {
		if len(pods) > 0 {
			slices.Sort(pods)
			wrong = append(wrong, fmt.Sprintf("%s %s: %s", text.Count(len(pods), "pod"), what, text.Some(pods, shown)))
			f.o.Evidence[what] = strings.Join(pods, "; ")
		}
	}
	say(f.bare, "without a proxy")
	say(unconnected, "with a proxy that is not connected to istiod")
	say(unsynced, "with a proxy that has not taken on what istiod sent")
	var told []string
	for _, v := range slices.Sorted(maps.Keys(versions)) {
		name := v
		if v == "" {
			name = "unknown"
		}
		told = append(told, fmt.Sprintf("%s (%d)", name, versions[v]))
	}
	if len(versions) > 1 {
		wrong = append(wrong, "versions of the proxies differ: "+strings.Join(told, ", "))
	}
	well := len(f.proxied) - len(unconnected) - len(unsynced)
	f.o.Evidence["proxies"] = fmt.Sprintf("%d of %d synced", well, len(f.proxied)+len(f.bare))
	f.o.Evidence["versions"] = strings.Join(told, ", ")
	f.o.Measured.Figures = []incident.Figure{{Name: "proxies not synced", Value: float64(len(f.bare) + len(unconnected) + len(unsynced)), Unit: "proxies", Limit: new(float64)}}
	switch {
	case len(wrong) > 0:
		f.o.Measured.Verdict = incident.Fail
		f.o.Summary = fmt.Sprintf("the mesh in %s is not in order: %s", f.region.Name, strings.Join(wrong, "; "))
		return f.o, false, nil
	case len(f.proxied) == 0:
		f.o.Measured.Verdict = incident.Fail
		f.o.Summary = fmt.Sprintf("no pod of the services in %s runs in the mesh", f.region.Name)
		return f.o, false, nil
	}
	f.o.Measured.Verdict = incident.Pass
	f.o.Summary = fmt.Sprintf("%d of %d proxies of the services in %s are synced, version %s", well, len(f.proxied), f.region.Name, strings.Join(told, ", "))
	if versions[""] > 0 {
		f.o.Measured.Verdict = incident.Warn
	}
	if len(f.waiting) > 0 {
		f.o.Summary += fmt.Sprintf("; %s not counted that %s not run yet", text.Count(len(f.waiting), "pod"), map[bool]string{true: "does", false: "do"}[len(f.waiting) == 1])
	}
	if len(f.left) > 0 {
		f.o.Measured.Verdict = incident.Warn
		f.o.Summary += fmt.Sprintf("; %s kept out of the mesh by %s: %s", text.Count(len(f.left), "pod"), leaveOut, text.Some(f.left, shown))
	}
	return f.o, true, nil
}
