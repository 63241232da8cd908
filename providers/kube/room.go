package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
)

// scaleAction is the action that asks for more pods.
const scaleAction = "kube.scale"

// Room checks whether the pods that the run's scaling asks for find a node in the target
// with what is there now: what pods of all namespaces ask for is set against what the
// nodes have, and the missing ones are placed one by one, the largest first. Where they
// do not fit it warns: nodes may be added by themselves, which takes its time. Taints and
// node selectors are looked at; affinity and spread are not.
func (k *Kube) Room(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	r, now := c.Plan.Target, k.clock.Now()
	free, all, err := k.lacks(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"nodes": fmt.Sprint(len(free.nodes)), "free": told(free.spare)}}
	o.Measured.AsOf = now

	asked, more, homeless := corev1.ResourceList{}, 0, 0
	var short, silent []string
	for _, l := range all {
		o.Evidence[l.service] = fmt.Sprintf("%s more, each %s", text.Count(l.missing, "pod"), told(l.each))
		if l.each.Cpu().IsZero() && l.each.Memory().IsZero() {
			silent = append(silent, l.service)
		}
		add(asked, l.each, l.missing)
		more += l.missing
		homeless += l.homeless
		if l.homeless > 0 {
			short = append(short, fmt.Sprintf("%d of %d of %s", l.homeless, l.missing, l.service))
		}
	}
	o.Evidence["asked"] = told(asked)
	o.Measured.Figures = []incident.Figure{figure("pods without a node", homeless, "pods", 0)}
	o.Measured.Verdict = incident.Pass
	has := fmt.Sprintf("%s has %s and places for %s free on %s", r.Name, told(free.spare), text.Count(int(free.spare.Pods().Value()), "pod"), text.Count(len(free.nodes), "node"))
	switch {
	case more == 0:
		o.Summary = fmt.Sprintf("no more pods are needed in %s", r.Name)
	case len(short) > 0:
		o.Measured.Verdict = incident.Warn
		o.Summary = fmt.Sprintf("%d of %s find no node in %s until nodes are added: %s; they ask for %s in all, and %s", homeless, text.Count(more, "more pod"), r.Name, strings.Join(short, ", "), told(asked), has)
	default:
		o.Summary = fmt.Sprintf("%s fit into %s: they ask for %s, and %s", text.Count(more, "more pod"), r.Name, told(asked), has)
	}
	if len(silent) > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary += fmt.Sprintf("; no CPU or memory is asked for by %s, so whether there is room is not known", strings.Join(silent, ", "))
	}
	return o, true, nil
}

// lack is what the target lacks of a service: pods without a node there, what each of them
// asks for, and how many of them find no node with what is there now.
type lack struct {
	service           string
	each              corev1.ResourceList
	missing, homeless int
}

// hasFree is what nodes have left: spare before anything was placed.
type hasFree struct {
	nodes []room
	spare corev1.ResourceList
}

// lacks places the pods that the run's scaling asks for and the target lacks, one by one,
// the largest first.
func (k *Kube) lacks(ctx context.Context, c engine.Call) (hasFree, []lack, error) {
	client, r, err := k.in(c.Plan, c.Plan.Target)
	if err != nil {
		return hasFree{}, nil, err
	}
	var all []corev1.Node
	var services []appsv1.Deployment
	var running []corev1.Pod
	err = k.together(
		func() (err error) { all, err = k.nodes(ctx, client, r); return err },
		func() (err error) { services, err = k.services(ctx, client, r, c.Plan); return err },
		func() (err error) {
			running, err = list[corev1.Pod](ctx, k, client, pods, cluster{Name: r.Name}, metav1.ListOptions{FieldSelector: "status.phase!=Succeeded,status.phase!=Failed"})
			if err != nil {
				return fmt.Errorf("list the pods of all namespaces in %s: %w", r.Name, err)
			}
			return nil
		},
	)
	if err != nil {
		return hasFree{}, nil, err
	}
	wanted, err := scaledTo(c)
	if err != nil {
		return hasFree{}, nil, err
	}
	free := roomOn(all, running)
	has := hasFree{free, sum(free)}
	slices.SortStableFunc(services, func(a, b appsv1.Deployment) int {
		return larger(requests(b.Spec.Template.Spec), requests(a.Spec.Template.Spec))
	})
	var out []lack
	for i := range services {
		d := &services[i]
		l := lack{service: d.Name, each: requests(d.Spec.Template.Spec)}
		l.missing = max(wanted[d.Name], replicas(d)) - placed(running, r.Namespace, d.Name)
		if l.missing <= 0 {
			continue
		}
		for range l.missing {
			if !place(free, d.Spec.Template.Spec, l.each) {
				l.homeless++
			}
		}
		out = append(out, l)
	}
	return has, out, nil
}

// Growth is what the run's scaling adds to a Region: pods, and of them those for which
// nodes have to be added, with the CPU that these ask for, in vCPU.
type Growth struct {
	Pods, Homeless int
	VCPU           float64
}

// Growth is what the target lacks of what the run's scaling asks for. Its errors are those
// of [Kube.Room].
func (k *Kube) Growth(ctx context.Context, c engine.Call) (Growth, error) {
	_, all, err := k.lacks(ctx, c)
	var g Growth
	for _, l := range all {
		g.Pods += l.missing
		g.Homeless += l.homeless
		g.VCPU += float64(l.homeless) * l.each.Cpu().AsApproximateFloat64()
	}
	return g, err
}

// scaledTo is how many replicas the run's steps bring each service to.
func scaledTo(c engine.Call) (map[string]int, error) {
	out := map[string]int{}
	for _, s := range c.Plan.Steps {
		if s.Uses != scaleAction {
			continue
		}
		var in ScaleInput
		if err := json.Unmarshal(s.With, &in); err != nil {
			return nil, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("read the input of step %s: %w", s.ID, err)}
		}
		out[in.Service] = max(out[in.Service], in.Replicas)
	}
	return out, nil
}

// placed counts the pods of a Deployment that have a node.
func placed(running []corev1.Pod, namespace, deployment string) int {
	n := 0
	for i := range running {
		p := &running[i]
		if p.Namespace == namespace && p.Spec.NodeName != "" && p.DeletionTimestamp == nil && ownedBy(p, deployment) {
			n++
		}
	}
	return n
}

// ownedBy says that a pod was made by one of a Deployment's ReplicaSets, whose name is
// the Deployment's and the template's hash.
func ownedBy(p *corev1.Pod, deployment string) bool {
	owner := metav1.GetControllerOf(p)
	return owner != nil && owner.Kind == "ReplicaSet" && owner.Name == deployment+"-"+p.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
}

// room is what one node still has.
type room struct {
	node *corev1.Node
	free corev1.ResourceList
}

// roomOn is what the nodes that take pods still have, less what their pods ask for.
func roomOn(all []corev1.Node, running []corev1.Pod) []room {
	var out []room
	at := map[string]int{}
	for i := range all {
		if shut(all[i]) != "" {
			continue
		}
		at[all[i].Name] = len(out)
		out = append(out, room{&all[i], all[i].Status.Allocatable.DeepCopy()})
	}
	for i := range running {
		if n, counted := at[running[i].Spec.NodeName]; counted {
			add(out[n].free, requests(running[i].Spec), -1)
		}
	}
	return out
}

// place takes what a pod asks for from the node with the most CPU left on which it fits.
func place(nodes []room, pod corev1.PodSpec, asks corev1.ResourceList) bool {
	best := -1
	for i, n := range nodes {
		if n.takes(pod, asks) && (best < 0 || n.free.Cpu().Cmp(*nodes[best].free.Cpu()) > 0) {
			best = i
		}
	}
	if best < 0 {
		return false
	}
	add(nodes[best].free, asks, -1)
	return true
}

func (n room) takes(pod corev1.PodSpec, asks corev1.ResourceList) bool {
	for key, value := range pod.NodeSelector {
		if n.node.Labels[key] != value {
			return false
		}
	}
	for i := range n.node.Spec.Taints {
		if !tolerates(pod, &n.node.Spec.Taints[i]) {
			return false
		}
	}
	for name, q := range asks {
		if has := n.free[name]; q.Sign() > 0 && has.Cmp(q) < 0 {
			return false
		}
	}
	return true
}

// requests are what a pod asks of a node, itself as one pod included: its containers
// together, or an init container with the sidecars that were started before it where
// that is more.
//
// https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
func requests(p corev1.PodSpec) corev1.ResourceList {
	all, started, most := corev1.ResourceList{}, corev1.ResourceList{}, corev1.ResourceList{}
	for _, c := range p.InitContainers {
		with := started.DeepCopy()
		add(with, c.Resources.Requests, 1)
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			started = with
			add(all, c.Resources.Requests, 1)
		}
		raise(most, with)
	}
	for _, c := range p.Containers {
		add(all, c.Resources.Requests, 1)
	}
	raise(all, most)
	if p.Resources != nil { // of the pod as a whole, in place of its containers'
		maps.Copy(all, p.Resources.Requests)
	}
	add(all, p.Overhead, 1)
	all[corev1.ResourcePods] = *resource.NewQuantity(1, resource.DecimalSI)
	return all
}

// add adds what to a list so many times, or with -1 takes it off.
func add(to, what corev1.ResourceList, times int) {
	for name, q := range what {
		have := to[name].DeepCopy()
		if times < 0 {
			have.Sub(q)
		}
		for range times {
			have.Add(q)
		}
		to[name] = have
	}
}

// raise brings a list to what is more.
func raise(to, what corev1.ResourceList) {
	for name, q := range what {
		if have := to[name]; have.Cmp(q) < 0 {
			to[name] = q
		}
	}
}

func larger(a, b corev1.ResourceList) int {
	return cmp.Or(a.Cpu().Cmp(*b.Cpu()), a.Memory().Cmp(*b.Memory()))
}

func sum(all []room) corev1.ResourceList {
	out := corev1.ResourceList{}
	for _, n := range all {
		add(out, n.free, 1)
	}
	return out
}

// told is "7.5 CPU, 12 GiB".
func told(l corev1.ResourceList) string {
	const gib = 1 << 30
	s := fmt.Sprintf("%.4g CPU", l.Cpu().AsApproximateFloat64())
	if m := l.Memory(); !m.IsZero() {
		s += fmt.Sprintf(", %.3g GiB", m.AsApproximateFloat64()/gib)
	}
	return s
}
