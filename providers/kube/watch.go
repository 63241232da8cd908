package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
)

// DeploymentsInput is the input of Deployments.
type DeploymentsInput struct {
	// Stopped is "writers" where services that write may be scaled to nothing, as they
	// are in a Region that the platform has left; empty where none may be.
	Stopped string `yaml:"stopped,omitempty" json:"stopped,omitempty"`
}

// Deployments checks that every service of the platform exists in the target and
// is available as far as it is specified there.
func (k *Kube) Deployments(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in DeploymentsInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	client, r, err := k.in(c.Plan, c.Plan.Target)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	all, err := k.deployments(ctx, client, r)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	byName := map[string]*appsv1.Deployment{}
	for i := range all {
		byName[all[i].Name] = &all[i]
	}
	o := engine.Outcome{Evidence: map[string]string{}}
	var wrong, stopped []string
	for _, s := range c.Plan.Topology.Services {
		d := byName[s.Name]
		switch {
		case d == nil:
			wrong = append(wrong, s.Name+" does not exist")
			o.Evidence[s.Name] = "missing"
			continue
		case d.Spec.Paused:
			wrong = append(wrong, s.Name+" is paused, so nothing would be rolled out")
		case replicas(d) == 0 && s.Writes && in.Stopped == "writers":
			stopped = append(stopped, s.Name)
		case replicas(d) == 0:
			wrong = append(wrong, s.Name+" is scaled to 0")
		case int(d.Status.AvailableReplicas) < replicas(d):
			wrong = append(wrong, fmt.Sprintf("%s has %d of %d available", s.Name, d.Status.AvailableReplicas, replicas(d)))
		}
		o.Evidence[s.Name] = fmt.Sprintf("%d of %d available, image %s", d.Status.AvailableReplicas, replicas(d), images(d))
	}
	if len(wrong) > 0 {
		o.Summary = fmt.Sprintf("%d of %s in %s %s not as wanted: %s", len(wrong), text.Count(len(c.Plan.Topology.Services), "service"), r.Name, text.Are(len(wrong)), strings.Join(wrong, "; "))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("all %d services exist in %s and are available as specified", len(c.Plan.Topology.Services), r.Name)
	if len(c.Plan.Topology.Services) == 1 {
		o.Summary = fmt.Sprintf("the one service exists in %s and is available as specified", r.Name)
	}
	if len(stopped) > 0 {
		o.Summary += fmt.Sprintf("; stopped since the platform left, and started by this run: %s", strings.Join(stopped, ", "))
	}
	return o, true, nil
}

func images(d *appsv1.Deployment) string {
	var out []string
	for _, c := range d.Spec.Template.Spec.Containers {
		out = append(out, c.Image)
	}
	return orNone(strings.Join(out, " "))
}

// RolledOutInput is the input of RolledOut.
type RolledOutInput struct {
	// Service is the Deployment's name.
	Service string `yaml:"service" json:"service"`
	// Replicas that have to be available at least.
	Replicas int `yaml:"replicas" json:"replicas"`
	// Restarted asks that every pod is one of this incident's restart.
	Restarted bool `yaml:"restarted,omitempty" json:"restarted,omitempty"`
}

// RolledOut waits until a service's Deployment is where it should be, by kubectl's
// rules, and has the wanted replicas available: a mere scale makes no new
// revision, so kubectl's rules alone would be content too early.
func (k *Kube) RolledOut(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in RolledOutInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	client, r, err := k.in(c.Plan, c.Plan.Target)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	d, err := k.deployment(ctx, client, r, in.Service)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	st := d.Status
	wanted := max(in.Replicas, replicas(d))
	o := engine.Outcome{Evidence: map[string]string{
		"deployment": d.Name, "wanted": fmt.Sprint(wanted), "specified": fmt.Sprint(replicas(d)),
		"updated": fmt.Sprint(st.UpdatedReplicas), "available": fmt.Sprint(st.AvailableReplicas),
	}}
	if in.Restarted && d.Spec.Template.Annotations[mark] != string(c.Incident) {
		o.Gone = true // for sure: the API server has one answer to give
		return o, false, &incident.CallError{
			NeedsPerson: true,
			Definite:    true,
			Err:         fmt.Errorf("%s in %s no longer carries the mark of its restart", d.Name, r.Name),
			Hint:        "something took the change back, perhaps a GitOps controller: pause it, then retry: the service is restarted again",
		}
	}
	if st.ObservedGeneration < d.Generation {
		o.Summary = fmt.Sprintf("%s: its controller has not seen the change yet", d.Name)
		return o, false, nil
	}
	for _, cond := range st.Conditions {
		// A verdict from before this attempt says nothing about it: somebody may
		// have added capacity since, and asked to look again.
		if cond.Type == appsv1.DeploymentProgressing && cond.Reason == "ProgressDeadlineExceeded" &&
			!cond.LastUpdateTime.Time.Before(c.Began) {
			why := k.stuck(ctx, client, r, d, o.Evidence)
			return o, false, &incident.CallError{
				NeedsPerson: true,
				Definite:    true,
				Err:         fmt.Errorf("%s in %s stopped making progress: %d of %d available%s", d.Name, r.Name, st.AvailableReplicas, wanted, why),
				Hint:        cmp.Or(why.hint, "add capacity or mend the pods") + ", then retry",
			}
		}
		if cond.Type == appsv1.DeploymentReplicaFailure && cond.Status == corev1.ConditionTrue && strings.Contains(cond.Message, "exceeded quota") {
			return o, false, &incident.CallError{
				NeedsPerson: true,
				Definite:    true,
				Err:         fmt.Errorf("%s in %s: %d of %d available; a quota of the namespace is used up: %s", d.Name, r.Name, st.AvailableReplicas, wanted, cond.Message),
				Hint:        fmt.Sprintf("raise it or free something there, then retry: kubectl --context %s -n %s describe quota", r.Name, r.Namespace),
			}
		}
	}
	// A paused Deployment is still scaled: only pods of another template stay for good.
	if d.Spec.Paused && st.UpdatedReplicas < st.Replicas {
		return o, false, &incident.CallError{
			NeedsPerson: true,
			Definite:    true,
			Err:         fmt.Errorf("%s in %s is paused, so its pods are not replaced: %d of %d of the new kind", d.Name, r.Name, st.UpdatedReplicas, replicas(d)),
			Hint:        fmt.Sprintf("resume it, then retry: kubectl --context %s -n %s rollout resume deployment/%s", r.Name, r.Namespace, d.Name),
		}
	}
	if replicas(d) < in.Replicas {
		held, err := k.heldUp(ctx, client, r, d, in.Replicas)
		if err != nil {
			return o, false, err
		}
		o.Gone = !held
	}
	var waiting string
	old := int(st.Replicas - st.UpdatedReplicas)
	switch {
	case replicas(d) < in.Replicas:
		waiting = fmt.Sprintf("specified %d, wanted %d: something scaled it back, perhaps its autoscaler", replicas(d), in.Replicas)
	case int(st.UpdatedReplicas) < replicas(d):
		waiting = fmt.Sprintf("%d of %s %s of the new kind", st.UpdatedReplicas, text.Count(replicas(d), "pod"), text.Are(int(st.UpdatedReplicas)))
	case old > 0:
		waiting = fmt.Sprintf("%s %s still there", text.Count(old, "old pod"), text.Are(old))
	case int(st.AvailableReplicas) < wanted:
		waiting = fmt.Sprintf("%d of %d available", st.AvailableReplicas, wanted)
	}
	if waiting != "" {
		why := k.stuck(ctx, client, r, d, o.Evidence)
		o.Summary, o.State = fmt.Sprintf("%s in %s: %s%s", d.Name, r.Name, waiting, why), why.state
		if why.hint != "" {
			return o, false, &incident.CallError{NeedsPerson: true, Definite: true, Err: errors.New(o.Summary), Hint: why.hint + ", then retry"}
		}
		return o, false, nil
	}
	if in.Restarted {
		kinds, err := k.kinds(ctx, client, r, d)
		if err != nil {
			return o, false, err
		}
		if len(kinds) > 1 {
			o.Summary = fmt.Sprintf("%s in %s: pods from before the restart are still there (%s)", d.Name, r.Name, strings.Join(kinds, ", "))
			return o, false, nil
		}
		o.Evidence["pods"] = strings.Join(kinds, ", ")
		which := fmt.Sprintf("all %d replicas are", st.AvailableReplicas)
		if st.AvailableReplicas == 1 {
			which = "its one replica is"
		}
		o.Summary = fmt.Sprintf("%s in %s: %s available and younger than the promotion", d.Name, r.Name, which)
		return o, true, nil
	}
	o.Summary = fmt.Sprintf("%s in %s: %d of %s available", d.Name, r.Name, st.AvailableReplicas, text.Count(wanted, "replica"))
	return o, true, nil
}

// heldUp says that an autoscaler brings the Deployment to that size by itself: its
// minimum asks for it. Without one nothing does.
func (k *Kube) heldUp(ctx context.Context, client dynamic.Interface, r cluster, d *appsv1.Deployment, wanted int) (bool, error) {
	h, err := k.autoscaler(ctx, client, r, d.Name)
	if err != nil {
		return false, err
	}
	return h != nil && minimum(h) >= wanted, nil
}

func (k *Kube) podsOf(ctx context.Context, client dynamic.Interface, r cluster, d *appsv1.Deployment) ([]corev1.Pod, error) {
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil {
		return nil, &incident.CallError{Err: fmt.Errorf("read the selector of %s: %w", d.Name, err), NeedsPerson: true}
	}
	all, err := list[corev1.Pod](ctx, k, client, pods, r, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil, fmt.Errorf("list the pods of %s in %s: %w", d.Name, r.Name, err)
	}
	// A Job's pods may carry the same labels.
	return slices.DeleteFunc(all, func(p corev1.Pod) bool { return !ownedBy(&p, d.Name) }), nil
}

// kinds counts a Deployment's pods by the template they were made from. Pods that
// are on their way out still count: they still hold their connections.
func (k *Kube) kinds(ctx context.Context, client dynamic.Interface, r cluster, d *appsv1.Deployment) ([]string, error) {
	all, err := k.podsOf(ctx, client, r, d)
	if err != nil {
		return nil, err
	}
	by := map[string]int{}
	for _, p := range all {
		if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		by[p.Labels[appsv1.DefaultDeploymentUniqueLabelKey]]++
	}
	var out []string
	for _, hash := range slices.Sorted(maps.Keys(by)) {
		out = append(out, fmt.Sprintf("%d of template %s", by[hash], orNone(hash)))
	}
	return out, nil
}

// stuckPods is what keeps pods from running.
type stuckPods struct {
	// says is half a sentence, with how many there are; empty where nothing is known.
	says string
	// state is the same without what moves: the reasons alone.
	state string
	// hint is what a person has to do before they can run; empty while they still may
	// by themselves.
	hint string
}

func (s stuckPods) String() string {
	if s.says == "" {
		return ""
	}
	return "; " + s.says
}

// unpullable are the reasons of a container whose image was tried and not got. The
// kubelet goes on trying, further and further apart:
// https://kubernetes.io/docs/concepts/containers/images/#imagepullbackoff
var unpullable = map[string]bool{"ImagePullBackOff": true, "InvalidImageName": true, "ErrImageNeverPull": true}

// stuck says what keeps pods from running, from the pods and the scheduler's events. It
// is a help for people: what it cannot read it leaves out.
func (k *Kube) stuck(ctx context.Context, client dynamic.Interface, r cluster, d *appsv1.Deployment, evidence map[string]string) stuckPods {
	all, err := k.podsOf(ctx, client, r, d)
	if err != nil {
		return stuckPods{}
	}
	pending := map[string]bool{}
	reasons := map[string]int{}
	var images []string
	for _, p := range all {
		if p.Status.Phase == corev1.PodPending {
			pending[p.Name] = true
		}
		for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			w := s.State.Waiting
			if w == nil || w.Reason == "" || w.Reason == "ContainerCreating" || w.Reason == "PodInitializing" {
				continue
			}
			reasons[w.Reason]++
			if image := imageOf(p, s.Name); unpullable[w.Reason] && !slices.Contains(images, image) {
				images = append(images, image)
			}
		}
	}
	var parts, states []string
	if len(pending) > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s %s pending", len(pending), text.Count(len(all), "pod"), text.Are(len(pending))))
		evidence["pending"] = fmt.Sprint(len(pending))
	}
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		parts, states = append(parts, fmt.Sprintf("%d %s", reasons[reason], reason)), append(states, reason)
	}
	out := stuckPods{}
	if len(images) > 0 {
		slices.Sort(images)
		parts = append(parts, "cannot pull "+strings.Join(images, ", "))
		evidence["images"] = strings.Join(images, " ")
		out.hint = "see that the image is in a registry which the nodes of " + r.Name + " may pull from"
	}
	if len(pending) > 0 {
		if s := k.unscheduled(ctx, client, r, pending, evidence); s != "" {
			parts, states = append(parts, s), append(states, "FailedScheduling")
		}
	}
	out.says, out.state = strings.Join(parts, "; "), strings.Join(states, " ")
	return out
}

// imageOf is the image of one of a pod's containers, as it was asked for.
func imageOf(p corev1.Pod, container string) string {
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		if c.Name == container {
			return c.Image
		}
	}
	return "the image of " + container
}

func (k *Kube) unscheduled(ctx context.Context, client dynamic.Interface, r cluster, pending map[string]bool, evidence map[string]string) string {
	all, err := list[corev1.Event](ctx, k, client, events, r, metav1.ListOptions{FieldSelector: "reason=FailedScheduling"})
	if err != nil {
		return ""
	}
	var last *corev1.Event
	var at time.Time
	n := 0
	for i, e := range all {
		if e.Reason != "FailedScheduling" || !pending[e.InvolvedObject.Name] {
			continue
		}
		n += max(1, int(e.Count))
		seen := e.LastTimestamp.Time
		if seen.IsZero() {
			seen = e.EventTime.Time
		}
		if last == nil || seen.After(at) {
			last, at = &all[i], seen
		}
	}
	if last == nil {
		return ""
	}
	s := fmt.Sprintf("FailedScheduling, %s", strings.TrimSuffix(last.Message, "."))
	evidence["failed_scheduling"] = fmt.Sprintf("%s, last: %s", text.Count(n, "time"), last.Message)
	if !at.IsZero() {
		s += fmt.Sprintf(" (last event %d s ago)", int(k.clock.Now().Sub(at)/time.Second))
	}
	return s
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
