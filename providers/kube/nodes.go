package kube

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/kubeapi"
)

// Nodes checks that the target's API server says that it is ready, and that enough nodes
// take the platform's pods, counted for each zone: all of them in one zone is no
// capacity. A node counts that is ready, not cordoned, not on its way out, and has no
// taint that one of the services does not tolerate.
func (k *Kube) Nodes(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	client, r, err := k.in(c.Plan, c.Plan.Target)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	now := k.clock.Now()
	var failing []string
	var all []corev1.Node
	var services []appsv1.Deployment
	err = k.together(
		func() (err error) { all, err = k.nodes(ctx, client, r); return err },
		func() (err error) { failing, err = k.failing(ctx, client, r); return err },
		func() (err error) { services, err = k.services(ctx, client, r, c.Plan); return err },
	)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	minZones, perZone := max(1, r.MinZones), max(1, r.MinNodesPerZone)
	zones := map[string]int{}
	var left []string
	for _, n := range all {
		zone := n.Labels[corev1.LabelTopologyZone]
		if zone == "" {
			zone = "no zone"
		}
		zones[zone] += 0
		if why := unfit(n, services); why != "" {
			left = append(left, n.Name+" "+why)
			continue
		}
		zones[zone]++
	}
	o := engine.Outcome{Evidence: map[string]string{
		"api_server": "ready", "zones_wanted": fmt.Sprint(minZones), "nodes_wanted_per_zone": fmt.Sprint(perZone),
	}}
	enough, counted := 0, 0
	var told []string
	for _, z := range slices.Sorted(maps.Keys(zones)) {
		o.Evidence[z] = fmt.Sprintf("%d ready", zones[z])
		told = append(told, fmt.Sprintf("%s %d", z, zones[z]))
		counted += zones[z]
		if zones[z] >= perZone && z != "no zone" {
			enough++
		}
	}
	if len(left) > 0 {
		o.Evidence["not_counted"] = strings.Join(left, "; ")
	}
	o.Measured.AsOf = now
	o.Measured.Figures = []incident.Figure{
		figure("ready nodes", counted, "nodes", minZones*perZone), figure("zones with enough of them", enough, "zones", minZones),
	}
	var wrong []string
	if len(failing) > 0 {
		o.Evidence["api_server"] = "not ready: " + strings.Join(failing, ", ")
		wrong = append(wrong, fmt.Sprintf("the API server in %s says that it is not ready: %s", r.Name, strings.Join(failing, ", ")))
	}
	if enough < minZones {
		short := fmt.Sprintf("%s has %d of %s with at least %s (%s)", r.Name, enough, text.Count(minZones, "zone"), text.Count(perZone, "ready node"), orNone(strings.Join(told, ", ")))
		if len(left) > 0 {
			short += ": " + strings.Join(left, "; ")
		}
		wrong = append(wrong, short)
	}
	if len(wrong) > 0 {
		o.Measured.Verdict = incident.Fail
		o.Summary = strings.Join(wrong, "; ")
		return o, false, nil
	}
	o.Measured.Verdict = incident.Pass
	o.Summary = fmt.Sprintf("%s has ready nodes in %s: %s (at least %d in each of %d wanted)", r.Name, text.Count(enough, "zone"), strings.Join(told, ", "), perZone, minZones)
	return o, true, nil
}

// figure is a count that is held against a limit.
func figure(name string, value int, unit string, limit int) incident.Figure {
	l := float64(limit)
	return incident.Figure{Name: name, Value: float64(value), Unit: unit, Limit: &l}
}

// together carries out reads at once, and returns the first fault in their order.
func (k *Kube) together(reads ...func() error) error {
	faults := make([]error, len(reads))
	incident.Together(k.clock, len(reads), func(i int) { faults[i] = reads[i]() })
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *Kube) nodes(ctx context.Context, client dynamic.Interface, r cluster) ([]corev1.Node, error) {
	all, err := list[corev1.Node](ctx, k, client, nodes, r, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the nodes in %s: %w", r.Name, err)
	}
	return all, nil
}

// services are the Deployments of the platform's services that exist in a Region.
func (k *Kube) services(ctx context.Context, client dynamic.Interface, r cluster, p *runbook.Plan) ([]appsv1.Deployment, error) {
	all, err := k.deployments(ctx, client, r)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(d appsv1.Deployment) bool {
		return !slices.ContainsFunc(p.Topology.Services, func(s runbook.Service) bool { return s.Name == d.Name })
	}), nil
}

// unfit is why a node does not count, as the end of a sentence; empty if it does.
func unfit(n corev1.Node, services []appsv1.Deployment) string {
	if why := shut(n); why != "" {
		return why
	}
	for i := range n.Spec.Taints {
		t := &n.Spec.Taints[i]
		if !keepsAway(t) {
			continue
		}
		var kept []string
		for _, d := range services {
			if !tolerates(d.Spec.Template.Spec, t) {
				kept = append(kept, d.Name)
			}
		}
		if len(kept) == len(services) {
			return fmt.Sprintf("has the taint %s, not tolerated by any service", t.ToString())
		}
		if len(kept) > 0 {
			return fmt.Sprintf("has the taint %s, not tolerated by %s", t.ToString(), strings.Join(kept, ", "))
		}
	}
	return ""
}

// shut is why a node takes no pods at all, as the end of a sentence; empty if it does.
func shut(n corev1.Node) string {
	switch {
	case n.DeletionTimestamp != nil:
		return "is being deleted"
	case n.Spec.Unschedulable:
		return "is cordoned"
	case !ready(n):
		return "is not ready"
	}
	return ""
}

func ready(n corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// keepsAway says that a taint lets only pods in that tolerate it.
func keepsAway(t *corev1.Taint) bool {
	return t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute
}

// tolerates says that a taint does not keep a pod of that kind away.
func tolerates(pod corev1.PodSpec, t *corev1.Taint) bool {
	return !keepsAway(t) || slices.ContainsFunc(pod.Tolerations, func(o corev1.Toleration) bool { return o.ToleratesTaint(logr.Discard(), t, false) })
}

// failing are the checks by which the API server says that it is not ready, with what
// it says of each; none if it is ready.
//
// https://kubernetes.io/docs/reference/using-api/health-checks/
func (k *Kube) failing(ctx context.Context, client kubeapi.Client, r cluster) ([]string, error) {
	notPassed := func(body []byte) (out []string) {
		for line := range strings.Lines(string(body)) {
			if check, no := strings.CutPrefix(strings.TrimSpace(line), "[-]"); no {
				out = append(out, check)
			}
		}
		return out
	}
	body, err := k.page(ctx, client, "/readyz", func(code int32, body []byte) bool {
		return code == http.StatusInternalServerError && len(notPassed(body)) > 0
	})
	if err != nil {
		return nil, fmt.Errorf("ask the API server in %s whether it is ready: %w", r.Name, of(err, r))
	}
	return notPassed(body), nil
}
