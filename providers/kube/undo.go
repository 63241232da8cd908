package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/client-go/dynamic"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
)

// number is one that a change replaces.
type number struct {
	Was int `json:"was"`
	Set int `json:"set"`
}

// scaled is what Scale records of a service before it changes it.
type scaled struct {
	Service  string `json:"service"`
	Replicas number `json:"replicas"`
	// Autoscaler is the service's; empty if it has none, and then Minimum says nothing.
	Autoscaler string `json:"autoscaler,omitempty"`
	Minimum    number `json:"minimum,omitzero"`
}

// recorded is what taking it back needs.
func (z *size) recorded() (json.RawMessage, error) {
	n := replicas(z.deployment)
	r := scaled{Service: z.deployment.Name, Replicas: number{n, max(n, z.wanted)}}
	if h := z.autoscaler; h != nil {
		r.Autoscaler, r.Minimum = h.Name, number{minimum(h), max(minimum(h), z.wanted)}
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("write down how large %s is: %w", r.Service, err)}
	}
	return raw, nil
}

// smaller is a service on its way back to the size that it had.
type smaller struct {
	scaled
	client     dynamic.Interface
	target     cluster
	deployment *appsv1.Deployment
	autoscaler *autoscalingv2.HorizontalPodAutoscaler
	// overwrite: somebody else's number is set back, as a person has agreed to.
	overwrite bool
}

// back reads how a scaled service stands to what was recorded. It is a fault if
// somebody else changed it since.
func (s Scale) back(ctx context.Context, c engine.Call, prior json.RawMessage) (*smaller, error) {
	r, err := engine.Recorded[scaled](prior)
	if err != nil {
		return nil, err
	}
	b := &smaller{scaled: r}
	if b.client, b.target, err = s.in(c.Plan, c.Plan.Target); err != nil {
		return nil, err
	}
	if b.deployment, err = s.Kube.deployment(ctx, b.client, b.target, r.Service); err != nil {
		return nil, err
	}
	if b.autoscaler, err = s.Kube.autoscaler(ctx, b.client, b.target, r.Service); err != nil {
		return nil, err
	}
	found := b.meddled()
	b.overwrite = len(found) > 0
	return b, c.Meanwhile(found...)
}

// meddled is what somebody else changed since. Another autoscaler than the one that was
// there is not ours to set.
func (b *smaller) meddled() (found []engine.Difference) {
	where := b.Service + " in " + b.target.Name
	now := ""
	if b.autoscaler != nil {
		now = b.autoscaler.Name
	}
	if now != b.Autoscaler {
		return []engine.Difference{{What: "the autoscaler of " + where, Now: orNone(now), Set: orNone(b.Autoscaler), Was: orNone(b.Autoscaler), Fixed: true}}
	}
	if h := b.autoscaler; h != nil && minimum(h) != b.Minimum.Was && minimum(h) != b.Minimum.Set {
		found = append(found, engine.Difference{
			What: fmt.Sprintf("the minimum of autoscaler %s in %s", h.Name, b.target.Name),
			Now:  fmt.Sprint(minimum(h)), Set: fmt.Sprint(b.Minimum.Set), Was: fmt.Sprint(b.Minimum.Was),
		})
	}
	if n := replicas(b.deployment); n != b.Replicas.Was && n != b.Replicas.Set && !b.autoscaled() {
		found = append(found, engine.Difference{
			What: "the size of " + where, Now: text.Count(n, "replica"), Set: fmt.Sprint(b.Replicas.Set), Was: fmt.Sprint(b.Replicas.Was),
		})
	}
	return found
}

// autoscaled says that the number of replicas is the autoscaler's own by now. It has
// its reasons, and takes back itself what it no longer needs; but it neither scales
// to nothing, nor from there.
func (b *smaller) autoscaled() bool {
	return b.autoscaler != nil && replicas(b.deployment) > 0 && b.Replicas.Was > 0
}

func (b *smaller) minimumLeft() bool {
	return b.autoscaler != nil && minimum(b.autoscaler) != b.Minimum.Was
}

func (b *smaller) replicasLeft() bool {
	n := replicas(b.deployment)
	return n != b.Replicas.Was && (n == b.Replicas.Set || b.overwrite && !b.autoscaled())
}

func (b *smaller) outcome() engine.Outcome {
	n := replicas(b.deployment)
	o := engine.Outcome{Evidence: map[string]string{
		"deployment": b.Service, "replicas": fmt.Sprint(n), "replicas_before": fmt.Sprint(b.Replicas.Was),
	}}
	told := text.Count(n, "replica")
	if h := b.autoscaler; h != nil {
		o.Evidence["autoscaler"], o.Evidence["autoscaler_min"], o.Evidence["autoscaler_min_before"] = h.Name, fmt.Sprint(minimum(h)), fmt.Sprint(b.Minimum.Was)
		told += fmt.Sprintf(", autoscaler from %d", minimum(h))
	}
	o.Summary = fmt.Sprintf("%s in %s is set to %s; it was %d", b.Service, b.target.Name, told, b.Replicas.Was)
	if b.autoscaler != nil {
		o.Summary += fmt.Sprintf(", from %d", b.Minimum.Was)
	}
	if n != b.Replicas.Was && !b.replicasLeft() {
		o.Summary += "; how many it runs is its autoscaler's by now"
	}
	return o
}

// LookBack reports whether the autoscaler's minimum and the Deployment are at what
// they were. Where the autoscaler has changed the number of replicas by itself, its
// minimum alone counts.
func (s Scale) LookBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	b, err := s.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	return b.outcome(), !b.minimumLeft() && !b.replicasLeft(), nil
}

// Back sends what is not yet as it was, the autoscaler's minimum first, or it would
// scale up again.
func (s Scale) Back(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, error) {
	b, err := s.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := b.outcome()
	var sent []string
	if b.minimumLeft() {
		h := b.autoscaler
		if err := setMinimum(ctx, b.client, b.target, h, b.Minimum.Was); err != nil {
			return o, fmt.Errorf("set the minimum of autoscaler %s in %s back to %d: %w", h.Name, b.target.Name, b.Minimum.Was, err)
		}
		sent = append(sent, fmt.Sprintf("autoscaler minimum %d -> %d", minimum(h), b.Minimum.Was))
	}
	if b.replicasLeft() {
		if err := setReplicas(ctx, b.client, b.target, b.deployment, b.Replicas.Was); err != nil {
			return o, fmt.Errorf("scale %s in %s back to %d: %w", b.Service, b.target.Name, b.Replicas.Was, err)
		}
		sent = append(sent, fmt.Sprintf("replicas %d -> %d", replicas(b.deployment), b.Replicas.Was))
	}
	if len(sent) > 0 {
		o.Summary = fmt.Sprintf("%s in %s, taken back: %s", b.Service, b.target.Name, strings.Join(sent, ", "))
	}
	return o, nil
}

// stoppedWriters is what Fence records before it stops them: the replicas of each.
type stoppedWriters struct {
	Replicas map[string]int `json:"replicas"`
}

func recordedWriters(all []*appsv1.Deployment) (json.RawMessage, error) {
	r := stoppedWriters{map[string]int{}}
	for _, d := range all {
		r.Replicas[d.Name] = replicas(d)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("write down how large the writers are: %w", err)}
	}
	return raw, nil
}

// fenced are the writers that a fence stopped, and how they stand now.
type fenced struct {
	client dynamic.Interface
	source cluster
	was    map[string]int
	all    []*appsv1.Deployment
	// left are those that are still at nothing, or at somebody else's size that a person
	// has agreed to overwrite.
	left []*appsv1.Deployment
	// own are those whose autoscaler has changed their number since they run again.
	own []string
}

// back reads how the writers that were stopped stand now, all at once. What was at
// nothing before the fence is none of them. It is a fault if somebody else started
// one of them at a size of their own.
func (f Fence) back(ctx context.Context, c engine.Call, prior json.RawMessage) (*fenced, error) {
	r, err := engine.Recorded[stoppedWriters](prior)
	if err != nil {
		return nil, err
	}
	b := &fenced{was: r.Replicas}
	maps.DeleteFunc(b.was, func(_ string, n int) bool { return n == 0 })
	if b.client, b.source, err = f.in(c.Plan, c.Plan.Source); err != nil {
		return nil, err
	}
	if b.all, err = f.read(ctx, b.client, b.source, slices.Sorted(maps.Keys(b.was))); err != nil {
		return nil, err
	}
	var meddled []*appsv1.Deployment
	var found []engine.Difference
	for _, d := range b.all {
		switch n := replicas(d); n {
		case b.was[d.Name]:
		case 0:
			b.left = append(b.left, d)
		default:
			h, err := f.Kube.autoscaler(ctx, b.client, b.source, d.Name)
			if err != nil {
				return nil, err
			}
			if h != nil {
				b.own = append(b.own, fmt.Sprintf("%s=%d", d.Name, n))
				continue
			}
			meddled = append(meddled, d)
			found = append(found, engine.Difference{
				What: fmt.Sprintf("the size of %s in %s", d.Name, b.source.Name),
				Now:  text.Count(n, "replica"), Set: "0", Was: fmt.Sprint(b.was[d.Name]),
			})
		}
	}
	b.left = append(b.left, meddled...)
	return b, c.Meanwhile(found...)
}

func (b *fenced) outcome() engine.Outcome {
	o := engine.Outcome{Evidence: sizes(b.all)}
	if len(b.left) > 0 {
		var names []string
		for _, d := range b.left {
			names = append(names, fmt.Sprintf("%s (%d, was %d)", d.Name, replicas(d), b.was[d.Name]))
		}
		o.Summary = fmt.Sprintf("not as before in %s: %s", b.source.Name, strings.Join(names, ", "))
		return o
	}
	o.Summary = fmt.Sprintf("%s as before in %s: %s", counted(len(b.all)), b.source.Name, before(b.all))
	if len(b.own) > 0 {
		o.Summary += "; an autoscaler has set " + strings.Join(b.own, " ")
	}
	return o
}

// LookBack reports whether every writer that was stopped runs again, at the size that
// it had or at the one that its autoscaler has found right since.
func (f Fence) LookBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	ctx, cancel, err := f.bounded(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	defer cancel()
	b, err := f.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	return b.outcome(), len(b.left) == 0, nil
}

// Back scales every writer that is still at nothing to what it was, all at once.
func (f Fence) Back(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, error) {
	ctx, cancel, err := f.bounded(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	defer cancel()
	b, err := f.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := b.outcome()
	if len(b.left) == 0 {
		return o, nil
	}
	failed, started := f.each(ctx, b.client, b.source, b.left, func(d *appsv1.Deployment) int { return b.was[d.Name] })
	if len(failed) > 0 {
		names := slices.Sorted(maps.Keys(failed))
		return o, fmt.Errorf("scale %s in %s back to what it was: %w", strings.Join(names, ", "), b.source.Name, worst(failed))
	}
	o.Summary = fmt.Sprintf("scaled back in %s: %s", b.source.Name, strings.Join(started, " "))
	return o, nil
}

// Settled reports whether every writer that was stopped is available at its size again.
func (f Fence) Settled(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	b, err := f.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: sizes(b.all)}
	var waits []string
	for _, d := range b.all {
		if n := int(d.Status.AvailableReplicas); d.Status.ObservedGeneration < d.Generation || n < replicas(d) || replicas(d) == 0 {
			waits = append(waits, fmt.Sprintf("%s (%d of %d)", d.Name, n, max(replicas(d), b.was[d.Name])))
		}
	}
	if len(waits) > 0 {
		o.Summary = fmt.Sprintf("not yet available in %s: %s", b.source.Name, strings.Join(waits, ", "))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%s again in %s: %s", counted(len(b.all)), b.source.Name, before(b.all))
	return o, true, nil
}

// Settled reports whether the service has shrunk to what it is set to and all of that
// is available.
func (s Scale) Settled(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	b, err := s.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o, d := b.outcome(), b.deployment
	left := b.minimumLeft() || b.replicasLeft()
	if d.Status.ObservedGeneration < d.Generation || left || int(d.Status.Replicas) != replicas(d) || int(d.Status.AvailableReplicas) < replicas(d) {
		o.Summary = fmt.Sprintf("%s in %s runs %s of %d, %d available", d.Name, b.target.Name, text.Count(int(d.Status.Replicas), "pod"), replicas(d), d.Status.AvailableReplicas)
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%s in %s runs %s; it was %d", d.Name, b.target.Name, text.Count(int(d.Status.Replicas), "pod"), b.Replicas.Was)
	return o, true, nil
}

// counted is "the 3 services that write run".
func counted(n int) string {
	if n == 1 {
		return "the service that writes runs"
	}
	return fmt.Sprintf("the %d services that write run", n)
}
