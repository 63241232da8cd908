package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// ScaleInput is the input of Scale.
type ScaleInput struct {
	// Service is the Deployment's name.
	Service string `yaml:"service" json:"service"`
	// Replicas it needs to carry production. What runs already is never reduced.
	Replicas int `yaml:"replicas" json:"replicas"`
	// As is "source" where it has to be at least as large as what serves there now; empty
	// asks nobody.
	As string `yaml:"as,omitempty" json:"as,omitempty"`
}

// Scale brings a service of the target to production size: its autoscaler's
// minimum first, then its Deployment.
type Scale struct{ *Kube }

type size struct {
	client     dynamic.Interface
	target     cluster
	deployment *appsv1.Deployment
	autoscaler *autoscalingv2.HorizontalPodAutoscaler
	wanted     int
}

func (s Scale) size(ctx context.Context, c engine.Call, in *ScaleInput) (*size, error) {
	if err := c.With(in); err != nil {
		return nil, err
	}
	if in.Service == "" || in.Replicas < 1 {
		return nil, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("scale %q to %s: that is no size", in.Service, text.Count(in.Replicas, "replica")),
			Hint: "give a service, and at least 1 replica",
		}
	}
	client, target, err := s.in(c.Plan, c.Plan.Target)
	if err != nil {
		return nil, err
	}
	z := &size{client: client, target: target}
	if z.deployment, err = s.Kube.deployment(ctx, client, target, in.Service); err != nil {
		return nil, err
	}
	if z.autoscaler, err = s.Kube.autoscaler(ctx, client, target, in.Service); err != nil {
		return nil, err
	}
	needed := in.Replicas
	if in.As == asSource {
		serving, err := s.serving(ctx, c, in.Service)
		if err != nil {
			return nil, err
		}
		needed = max(needed, serving)
	}
	z.wanted = max(needed, replicas(z.deployment))
	if h := z.autoscaler; h != nil && int(h.Spec.MaxReplicas) < needed {
		return z, &incident.CallError{
			NeedsPerson: true,
			Err:         fmt.Errorf("scale %s in %s to %d: its autoscaler %s allows %d at most", in.Service, target.Name, needed, h.Name, h.Spec.MaxReplicas),
			Hint: fmt.Sprintf("raise maxReplicas of the HorizontalPodAutoscaler %s to at least %d, then retry: kubectl --context %s -n %s patch hpa %s --type merge -p '{\"spec\":{\"maxReplicas\":%d}}'",
				h.Name, needed, target.Name, target.Namespace, h.Name, needed),
		}
	}
	if h := z.autoscaler; h != nil {
		// More than the autoscaler allows would be taken back at once.
		z.wanted = min(z.wanted, int(h.Spec.MaxReplicas))
	}
	return z, nil
}

// asSource is [ScaleInput].As of a service that has to be as large as where it serves.
const asSource = "source"

// serving is how many replicas of a service are set in the source.
func (s Scale) serving(ctx context.Context, c engine.Call, service string) (int, error) {
	client, source, err := s.in(c.Plan, c.Plan.Source)
	if err != nil {
		return 0, err
	}
	d, err := s.Kube.deployment(ctx, client, source, service)
	if err != nil {
		return 0, err
	}
	return replicas(d), nil
}

func (z *size) minimumMissing() bool { return z.autoscaler != nil && minimum(z.autoscaler) < z.wanted }

func (z *size) replicasMissing() bool { return replicas(z.deployment) < z.wanted }

func (z *size) told() string {
	s := text.Count(replicas(z.deployment), "replica")
	if z.autoscaler != nil {
		s += fmt.Sprintf(", autoscaler from %d to %d", minimum(z.autoscaler), z.autoscaler.Spec.MaxReplicas)
	}
	return s
}

func (z *size) evidence() map[string]string {
	e := map[string]string{
		"deployment": z.deployment.Name, "wanted": fmt.Sprint(z.wanted), "replicas": fmt.Sprint(replicas(z.deployment)),
		"available": fmt.Sprint(z.deployment.Status.AvailableReplicas),
	}
	if h := z.autoscaler; h != nil {
		e["autoscaler"], e["autoscaler_min"], e["autoscaler_max"] = h.Name, fmt.Sprint(minimum(h)), fmt.Sprint(h.Spec.MaxReplicas)
	}
	return e
}

// Look reports whether both the autoscaler's minimum and the Deployment are at
// the wanted size already.
func (s Scale) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in ScaleInput
	z, err := s.size(ctx, c, &in)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: z.evidence(), Before: z.told()}
	o.Summary = fmt.Sprintf("%s in %s is set to %s, wanted %d", in.Service, c.Plan.Target.Name, z.told(), z.wanted)
	if !z.minimumMissing() && !z.replicasMissing() {
		return o, true, nil
	}
	o.Prior, err = z.recorded()
	return o, false, err
}

// Do sends what is missing, the autoscaler's minimum first.
func (s Scale) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	var in ScaleInput
	z, err := s.size(ctx, c, &in)
	if err != nil {
		return engine.Outcome{}, err
	}
	target := z.target
	o := engine.Outcome{Evidence: z.evidence(), Before: z.told()}
	var sent []string
	if z.minimumMissing() {
		h := z.autoscaler
		if err := setMinimum(ctx, z.client, target, h, z.wanted); err != nil {
			return o, fmt.Errorf("raise the minimum of autoscaler %s in %s to %d: %w", h.Name, target.Name, z.wanted, err)
		}
		sent = append(sent, fmt.Sprintf("autoscaler minimum %d -> %d", minimum(h), z.wanted))
	}
	if z.replicasMissing() {
		err := setReplicas(ctx, z.client, target, z.deployment, z.wanted)
		if err != nil {
			return o, fmt.Errorf("scale %s in %s to %d: %w", in.Service, target.Name, z.wanted, err)
		}
		sent = append(sent, fmt.Sprintf("replicas %d -> %d", replicas(z.deployment), z.wanted))
	}
	if len(sent) == 0 {
		o.Summary = fmt.Sprintf("%s in %s was at %s already", in.Service, target.Name, z.told())
		return o, nil
	}
	o.Summary = fmt.Sprintf("%s in %s: %s", in.Service, target.Name, strings.Join(sent, ", "))
	return o, nil
}

// Effect says what would happen now.
func (s Scale) Effect(ctx context.Context, c engine.Call) (incident.Effect, error) {
	var in ScaleInput
	z, err := s.size(ctx, c, &in)
	if err != nil {
		return incident.Effect{}, err
	}
	return incident.Effect{
		Step: c.Step.ID, Undo: scaleUndo,
		What:  fmt.Sprintf("scale %s in %s to %d (now %s)", in.Service, c.Plan.Target.Name, z.wanted, z.told()),
		Bound: fmt.Sprintf("scale %s/%s to %d", c.Plan.Target.Name, in.Service, in.Replicas),
	}, nil
}

// Fence stops the services that write to the database in the Region that is being
// left, so that nothing is written there that would be lost.
type Fence struct{ *Kube }

// FenceInput is the input of Fence.
type FenceInput struct {
	// Deadline is how long all calls to the Region being left may take together;
	// empty leaves it to the step.
	Deadline time.Duration `yaml:"deadline,omitempty" json:"deadline,omitempty"`
	// Untold is what nobody can tell of what is in hand, for whoever approves; empty: nothing.
	Untold string `yaml:"untold,omitempty" json:"untold,omitempty"`
}

func (f Fence) bounded(ctx context.Context, c engine.Call) (context.Context, context.CancelFunc, error) {
	var in FenceInput
	if err := c.With(&in); err != nil {
		return nil, nil, err
	}
	if in.Deadline <= 0 {
		return ctx, func() {}, nil
	}
	d := in.Deadline
	ctx, cancel := f.clock.WithTimeout(ctx, d, fmt.Errorf("%s did not answer within %s", c.Plan.Source.Name, d))
	return ctx, cancel, nil
}

func writers(p *runbook.Plan) []string {
	var out []string
	for _, s := range p.Topology.Services {
		if s.Writes {
			out = append(out, s.Name)
		}
	}
	return out
}

// running reads the writers of the Region being left, all at once.
func (f Fence) running(ctx context.Context, c engine.Call) (dynamic.Interface, cluster, []*appsv1.Deployment, error) {
	client, source, err := f.in(c.Plan, c.Plan.Source)
	if err != nil {
		return nil, source, nil, err
	}
	found, err := f.read(ctx, client, source, writers(c.Plan))
	return client, source, found, err
}

// read are these Deployments, asked for all at once.
func (f Fence) read(ctx context.Context, client dynamic.Interface, source cluster, names []string) ([]*appsv1.Deployment, error) {
	found := make([]*appsv1.Deployment, len(names))
	faults := make([]error, len(names))
	incident.Together(f.clock, len(names), func(i int) {
		found[i], faults[i] = f.Kube.deployment(ctx, client, source, names[i])
	})
	for _, err := range faults {
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// each scales these Deployments, all at once, and says which could not be and which
// were, as "user-service=6".
func (f Fence) each(ctx context.Context, client dynamic.Interface, source cluster, all []*appsv1.Deployment, size func(*appsv1.Deployment) int) (failed map[string]error, sent []string) {
	faults := make([]error, len(all))
	incident.Together(f.clock, len(all), func(i int) { faults[i] = setReplicas(ctx, client, source, all[i], size(all[i])) })
	failed = map[string]error{}
	for i, err := range faults {
		if err != nil {
			failed[all[i].Name] = err
			continue
		}
		sent = append(sent, fmt.Sprintf("%s=%d", all[i].Name, size(all[i])))
	}
	return failed, sent
}

// notStopped are those of the Deployments that are not at nothing.
func notStopped(all []*appsv1.Deployment) []*appsv1.Deployment {
	return slices.DeleteFunc(slices.Clone(all), func(d *appsv1.Deployment) bool { return replicas(d) == 0 })
}

func sizes(all []*appsv1.Deployment) map[string]string {
	e := map[string]string{}
	for _, d := range all {
		e[d.Name] = fmt.Sprintf("%s, %d running", text.Count(replicas(d), "replica"), d.Status.Replicas)
	}
	return e
}

func before(all []*appsv1.Deployment) string {
	var parts []string
	for _, d := range all {
		parts = append(parts, fmt.Sprintf("%s=%d", d.Name, replicas(d)))
	}
	return strings.Join(parts, " ")
}

// Look reports whether every writer is scaled to nothing.
func (f Fence) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	ctx, cancel, err := f.bounded(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	defer cancel()
	_, _, all, err := f.running(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: sizes(all), Before: before(all)}
	var open []string
	for _, d := range notStopped(all) {
		open = append(open, d.Name)
	}
	if len(open) > 0 {
		if o.Prior, err = recordedWriters(all); err != nil {
			return o, false, err
		}
		o.Summary = fmt.Sprintf("%d of %s that %s %s running in %s: %s", len(open), text.Count(len(all), "service"), write(len(all)), text.Are(len(open)), c.Plan.Source.Name, strings.Join(open, ", "))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%s scaled to 0 in %s", stopped(len(all)), c.Plan.Source.Name)
	return o, true, nil
}

// Watch reports whether every writer is scaled to nothing, in words that change only
// with which of them are not.
func (f Fence) Watch(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	o, ok, err := f.Look(ctx, c)
	o.State, o.Prior, o.Before, o.Evidence = o.Summary, nil, "", nil
	return o, ok, err
}

// Gone reports whether no pod of a writer is left in the Region being left, those that end
// included: what a load balancer has still handed to one of them is in hand as long as it is
// there, and no longer.
func (f Fence) Gone(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	ctx, cancel, err := f.bounded(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	defer cancel()
	client, source, err := f.in(c.Plan, c.Plan.Source)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	all, err := list[corev1.Pod](ctx, f.Kube, client, pods, source, metav1.ListOptions{})
	if err != nil {
		return engine.Outcome{}, false, fmt.Errorf("list the pods in %s: %w", source.Name, err)
	}
	names := writers(c.Plan)
	left := map[string]int{}
	for i := range all {
		p := &all[i]
		if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		if at := slices.IndexFunc(names, func(name string) bool { return ownedBy(p, name) }); at >= 0 {
			left[names[at]]++
		}
	}
	n := 0
	o := engine.Outcome{Evidence: map[string]string{"services": strings.Join(names, ", ")}}
	var told []string
	for _, name := range slices.Sorted(maps.Keys(left)) {
		n += left[name]
		told = append(told, fmt.Sprintf("%s of %s", text.Count(left[name], "pod"), name))
		o.Evidence[name] = text.Count(left[name], "pod")
	}
	o.Measured = incident.Measured{Verdict: incident.Pass, AsOf: f.clock.Now(), Figures: []incident.Figure{figure("pods left", n, "pods", 0)}}
	if n > 0 {
		o.Measured.Verdict, o.State = incident.Fail, strings.Join(slices.Sorted(maps.Keys(left)), " ")
		o.Summary = fmt.Sprintf("pods of services that write are still there in %s, and may have requests in hand: %s", source.Name, text.List(told, "and"))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("no pod of %s is left in %s, so no request to them is in hand there", text.List(names, "and"), source.Name)
	return o, true, nil
}

// Do scales every writer that is not yet at nothing, all at once. An autoscaler
// leaves a Deployment at 0 alone.
func (f Fence) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	ctx, cancel, err := f.bounded(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	defer cancel()
	client, source, all, err := f.running(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: sizes(all), Before: before(all)}
	failed, _ := f.each(ctx, client, source, notStopped(all), func(*appsv1.Deployment) int { return 0 })
	if len(failed) > 0 {
		names := slices.Sorted(maps.Keys(failed))
		return o, fmt.Errorf("scale %s in %s to 0: %w", strings.Join(names, ", "), source.Name, worst(failed))
	}
	o.Summary = fmt.Sprintf("%s scaled to 0 in %s (before: %s)", stopped(len(all)), source.Name, o.Before)
	return o, nil
}

// worst joins several faults into one that promises no more than each of them.
func worst(failed map[string]error) error {
	all := &incident.CallError{Retry: true}
	for _, name := range slices.Sorted(maps.Keys(failed)) {
		f := incident.CallErrorOf(failed[name])
		if all.Err == nil {
			all.Err, all.Hint, all.Cause = f.Err, f.Hint, f.Cause
		}
		all.Retry = all.Retry && f.Retry
		all.Unknown = all.Unknown || f.Unknown
		all.NeedsPerson = all.NeedsPerson || f.NeedsPerson
		all.After = max(all.After, f.After)
	}
	return all
}

// Effect says what would happen now.
func (f Fence) Effect(ctx context.Context, c engine.Call) (incident.Effect, error) {
	names := writers(c.Plan)
	e := incident.Effect{
		Step: c.Step.ID, Undo: fenceUndo, Lost: "orders in hand there",
		What:  fmt.Sprintf("stop %s in %s", strings.Join(names, ", "), c.Plan.Source.Name),
		Bound: "fence " + c.Plan.Source.Name + ": " + strings.Join(names, ","),
	}
	var in FenceInput
	if err := c.With(&in); err != nil {
		return e, err
	}
	if c.Plan.Kind.Apart() { // users are elsewhere
		e.Lost = "nothing of users: they are served from " + c.Plan.Target.Name
	}
	if in.Untold != "" {
		e.Lost += ". " + in.Untold
	}
	if c.Plan.Mode == "unplanned" {
		// The Region may be gone: what is said to people does not wait for it.
		e.What += ", if it can be reached; nothing waits for it"
		return e, nil
	}
	ctx, cancel, err := f.bounded(ctx, c)
	if err != nil {
		return e, err
	}
	defer cancel()
	if _, _, all, err := f.running(ctx, c); err == nil {
		e.What += " (now " + before(all) + ")"
	} else {
		e.What += " (their present size could not be read)"
	}
	return e, nil
}

// Restart gives a service's pods of the target new connections, by a mark in the
// template of its Deployment. Pods that were running during a promotion hold
// connections to what is no longer the writer.
type Restart struct{ *Kube }

// RestartInput is the input of Restart.
type RestartInput struct {
	// Service is the Deployment's name.
	Service string `yaml:"service" json:"service"`
}

// mark is the annotation of the pod template; its value is the incident's id.
const mark = "failoverbot/restarted-for"

func (r Restart) marked(ctx context.Context, c engine.Call, in *RestartInput) (dynamic.Interface, *appsv1.Deployment, error) {
	if err := c.With(in); err != nil {
		return nil, nil, err
	}
	client, target, err := r.in(c.Plan, c.Plan.Target)
	if err != nil {
		return nil, nil, err
	}
	d, err := r.Kube.deployment(ctx, client, target, in.Service)
	return client, d, err
}

// Look reports whether the template carries this incident's mark.
func (r Restart) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in RestartInput
	_, d, err := r.marked(ctx, c, &in)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	was := d.Spec.Template.Annotations[mark]
	o := engine.Outcome{Before: was, Evidence: map[string]string{"deployment": d.Name, "generation": fmt.Sprint(d.Generation)}}
	if was != string(c.Incident) {
		o.Summary = fmt.Sprintf("%s in %s was not restarted in this incident", d.Name, c.Plan.Target.Name)
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%s in %s is marked for a restart in %s", d.Name, c.Plan.Target.Name, c.Incident)
	return o, true, nil
}

// Do sets the mark, which rolls the pods by the Deployment's own strategy.
func (r Restart) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	var in RestartInput
	client, d, err := r.marked(ctx, c, &in)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Before: d.Spec.Template.Annotations[mark], Evidence: map[string]string{"deployment": d.Name, "annotation": mark + "=" + string(c.Incident)}}
	err = patch(ctx, client.Resource(deployments).Namespace(d.Namespace), d.Name, d.ResourceVersion,
		map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
			"annotations": map[string]any{mark: string(c.Incident)},
		}}}})
	if err != nil {
		return o, fmt.Errorf("restart %s in %s: %w", d.Name, c.Plan.Target.Name, of(err, cluster{Name: c.Plan.Target.Name}))
	}
	o.Summary = fmt.Sprintf("%s in %s is restarting, pod by pod", d.Name, c.Plan.Target.Name)
	return o, nil
}

// Effect says what would happen now.
func (r Restart) Effect(_ context.Context, c engine.Call) (incident.Effect, error) {
	var in RestartInput
	if err := c.With(&in); err != nil {
		return incident.Effect{}, err
	}
	return incident.Effect{
		Step: c.Step.ID, Undo: restartUndo,
		What:  fmt.Sprintf("roll the pods of %s in %s", in.Service, c.Plan.Target.Name),
		Bound: "restart " + c.Plan.Target.Name + "/" + in.Service,
	}, nil
}

// setReplicas writes the scale of a Deployment, and nothing else of it: the bot
// needs no other right on Deployments for this.
func setReplicas(ctx context.Context, c dynamic.Interface, r cluster, d *appsv1.Deployment, n int) error {
	return of(patch(ctx, c.Resource(deployments).Namespace(r.Namespace), d.Name, d.ResourceVersion,
		map[string]any{"spec": map[string]any{"replicas": n}}, "scale"), r)
}

// setMinimum writes an autoscaler's minimum.
func setMinimum(ctx context.Context, c dynamic.Interface, r cluster, h *autoscalingv2.HorizontalPodAutoscaler, n int) error {
	return of(patch(ctx, c.Resource(autoscalers).Namespace(r.Namespace), h.Name, h.ResourceVersion,
		map[string]any{"spec": map[string]any{"minReplicas": n}}), r)
}

// patch sends a merge patch that only applies to the version that was read.
func patch(ctx context.Context, to dynamic.ResourceInterface, name, version string, body map[string]any, sub ...string) error {
	if version != "" {
		body["metadata"] = map[string]any{"resourceVersion": version}
	}
	data, err := json.Marshal(body)
	if err != nil {
		return &incident.CallError{Err: fmt.Errorf("write the patch of %s: %w", name, err), NeedsPerson: true}
	}
	_, err = to.Patch(ctx, name, types.MergePatchType, data, metav1.PatchOptions{FieldManager: fieldManager}, sub...)
	return sorted(ctx, err, true)
}

// stopped is "the 3 services that write are".
func stopped(n int) string {
	return fmt.Sprintf("the %s that %s %s", text.Count(n, "service"), write(n), text.Are(n))
}

func write(n int) string {
	if n == 1 {
		return "writes"
	}
	return "write"
}
