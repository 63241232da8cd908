package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/client-go/dynamic"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Single sets what is to run in one Region alone, the CronJobs and consumers of the
// settings: it suspends them in the Region that is left, or resumes them in the target.
// What runs in both Regions does its work twice.
type Single struct {
	*Kube
	// Runs: they are to run, in the target; otherwise not to, in the source.
	Runs bool
}

// SuspendInput is the input of a Single that suspends.
type SuspendInput = FenceInput

// ResumeInput is the input of a Single that resumes.
type ResumeInput struct {
	// From are the steps that suspended the same in the other Region. A consumer is brought
	// to the size that it had there; where that is not known to its autoscaler's minimum,
	// or to one.
	From []string `yaml:"from,omitempty" json:"from,omitempty"`
}

// workload is one of them, and how it has to be.
type workload struct {
	single
	replicas, want int
}

// right says that it is as it has to be: what is not there does not run. A consumer that
// runs is right at any size: how many it has by now is its autoscaler's.
func (w workload) right(runs bool) bool { return w.runs == runs }

// workloads are all of them in the Region that is meant; none where the settings name none.
func (s Single) workloads(ctx context.Context, c engine.Call) (dynamic.Interface, cluster, []workload, error) {
	p := c.Plan
	own, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	if err != nil {
		return nil, cluster{}, nil, err
	}
	in := p.Source
	if s.Runs {
		in = p.Target
	}
	client, r, err := s.in(p, in)
	if err != nil || len(own.CronJobs)+len(own.Consumers) == 0 {
		return client, r, nil, err
	}
	found, err := s.singles(ctx, p, in, own)
	if err != nil {
		return nil, r, nil, err
	}
	var all []workload
	for _, one := range found {
		w := workload{single: one}
		if w.consumer() && w.there {
			if w.replicas, w.want, err = s.sizes(ctx, c, client, r, w.name); err != nil {
				return nil, r, nil, err
			}
		}
		all = append(all, w)
	}
	return client, r, all, nil
}

func (s single) consumer() bool { return s.kind == "Deployment" }

// sizes are how many a consumer has, and is to have where it runs.
func (s Single) sizes(ctx context.Context, c engine.Call, client dynamic.Interface, r cluster, name string) (is, want int, err error) {
	d, err := s.Kube.deployment(ctx, client, r, name)
	if err != nil {
		return 0, 0, err
	}
	if !s.Runs {
		return replicas(d), 0, nil
	}
	var in ResumeInput
	if err := c.With(&in); err != nil {
		return 0, 0, err
	}
	for _, step := range in.From {
		o, done := c.Result(step)
		if !done || o.Prior == nil { // it found everything suspended already
			continue
		}
		then, err := engine.Recorded[was](o.Prior)
		if err != nil {
			return 0, 0, err
		}
		want = max(want, then.Sizes[name].Was)
	}
	h, err := s.Kube.autoscaler(ctx, client, r, name)
	if err != nil {
		return 0, 0, err
	}
	if h != nil {
		want = max(want, minimum(h))
	}
	return replicas(d), max(want, 1), nil
}

// bounded is ctx for a Region that is left and may be gone.
func (s Single) bounded(ctx context.Context, c engine.Call) (context.Context, context.CancelFunc, error) {
	if s.Runs {
		return ctx, func() {}, nil
	}
	return Fence{s.Kube}.bounded(ctx, c)
}

func (s Single) verb() string {
	if s.Runs {
		return "resumed"
	}
	return "suspended"
}

// was is what Look records of each before it is set: whether it ran, and a consumer's size.
type was struct {
	Region string            `json:"region"`
	Jobs   map[string]bool   `json:"jobs,omitempty"`
	Sizes  map[string]number `json:"sizes,omitempty"`
}

// evidence is how they were.
func (w was) evidence() map[string]string {
	e := map[string]string{}
	for name, runs := range w.Jobs {
		e["CronJob "+name+" in "+w.Region+" before"] = single{kind: "CronJob", there: true, runs: runs}.told()
	}
	for name, n := range w.Sizes {
		e["Deployment "+name+" in "+w.Region+" before"] = text.Count(n.Was, "replica")
	}
	return e
}

func (s Single) outcome(r cluster, all []workload) engine.Outcome {
	o := engine.Outcome{Evidence: map[string]string{}}
	var before []string
	for _, w := range all {
		o.Evidence[w.String()+" in "+r.Name] = w.told()
		before = append(before, w.String()+" "+w.told())
	}
	o.Before = strings.Join(before, ", ")
	return o
}

// Look reports whether all are as they have to be.
func (s Single) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	ctx, cancel, err := s.bounded(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	defer cancel()
	_, r, all, err := s.workloads(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := s.outcome(r, all)
	if len(all) == 0 {
		o.Measured.Verdict = incident.NotApplicable
		o.Summary = "not applicable: the settings name no CronJob and no consumer that is to run in one Region alone"
		return o, true, nil
	}
	var off []string
	for _, w := range all {
		if !w.right(s.Runs) {
			off = append(off, w.String())
		}
	}
	if len(off) == 0 {
		o.Summary = s.settled(r, all)
		return o, true, nil
	}
	o.Summary = fmt.Sprintf("not %s in %s: %s", s.verb(), r.Name, strings.Join(off, ", "))
	recorded := was{Region: r.Name, Jobs: map[string]bool{}, Sizes: map[string]number{}}
	for _, w := range all {
		switch {
		case !w.there:
		case w.consumer():
			set := w.replicas
			if !w.right(s.Runs) {
				set = w.want
			}
			recorded.Sizes[w.name] = number{w.replicas, set}
		default:
			recorded.Jobs[w.name] = w.runs
		}
	}
	if o.Prior, err = json.Marshal(recorded); err != nil {
		return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("write down how the workloads are: %w", err)}
	}
	return o, false, nil
}

// settled says that all are as they have to be, and which of them are not there at all.
func (s Single) settled(r cluster, all []workload) string {
	var missing []string
	for _, w := range all {
		if !w.there {
			missing = append(missing, w.String())
		}
	}
	var parts []string
	if n := len(all) - len(missing); n > 0 {
		parts = append(parts, fmt.Sprintf("%s in %s %s %s", text.Count(n, "workload"), r.Name, text.Are(n), s.verb()))
	}
	if len(missing) > 0 {
		parts = append(parts, fmt.Sprintf("not there in %s: %s", r.Name, strings.Join(missing, ", ")))
	}
	return strings.Join(parts, "; ")
}

// Watch reports whether none of them runs, in words that change only with which of them do.
func (s Single) Watch(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	o, ok, err := s.Look(ctx, c)
	o.State, o.Prior, o.Before, o.Evidence = o.Summary, nil, "", nil
	return o, ok, err
}

// Do sets those that are not, each once.
func (s Single) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	ctx, cancel, err := s.bounded(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	defer cancel()
	client, r, all, err := s.workloads(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := s.outcome(r, all)
	var set, missing []string
	failed := map[string]error{}
	for _, w := range all {
		switch {
		case !w.there:
			missing = append(missing, w.String())
			continue
		case w.right(s.Runs):
			continue
		}
		if err := s.set(ctx, client, r, w.single, s.Runs, w.want); err != nil {
			failed[w.String()] = err
			continue
		}
		set = append(set, w.String())
	}
	if len(failed) > 0 {
		return o, fmt.Errorf("in %s not all were %s: %w", r.Name, s.verb(), worst(failed))
	}
	if len(missing) > 0 && s.Runs {
		return o, &incident.CallError{
			NeedsPerson: true, Definite: true, Err: fmt.Errorf("%s not there in %s", strings.Join(missing, ", "), r.Name),
			Hint: "deploy what is missing there, then retry",
		}
	}
	o.Summary = fmt.Sprintf("%s in %s: %s", s.verb(), r.Name, text.Some(set, shownSingles))
	if len(set) == 0 {
		o.Summary = fmt.Sprintf("all were %s in %s already", s.verb(), r.Name)
	}
	return o, nil
}

// shownSingles is how many a sentence tells.
const shownSingles = 5

// set suspends or resumes one, or scales it.
func (s Single) set(ctx context.Context, client dynamic.Interface, r cluster, w single, runs bool, size int) error {
	if !w.consumer() {
		err := patch(ctx, client.Resource(cronJobs).Namespace(r.Namespace), w.name, "", map[string]any{"spec": map[string]any{"suspend": !runs}})
		if err != nil {
			return fmt.Errorf("set suspend of CronJob %s to %t: %w", w.name, !runs, of(err, r))
		}
		return nil
	}
	d, err := s.Kube.deployment(ctx, client, r, w.name)
	if err != nil {
		return err
	}
	if err := setReplicas(ctx, client, r, d, size); err != nil {
		return fmt.Errorf("scale %s to %d: %w", w.name, size, err)
	}
	return nil
}

// back are those that are not as they were, and how they are. It is a fault if somebody
// else gave a consumer a size of their own meanwhile.
func (s Single) back(ctx context.Context, c engine.Call, prior json.RawMessage) (r cluster, client dynamic.Interface, then was, left []single, err error) {
	if then, err = engine.Recorded[was](prior); err != nil {
		return r, nil, then, nil, err
	}
	p := c.Plan
	region := p.Topology.Regions[then.Region]
	region.Name = then.Region
	if client, r, err = s.in(p, region); err != nil {
		return r, nil, then, nil, err
	}
	own := Settings{CronJobs: slices.Sorted(maps.Keys(then.Jobs)), Consumers: slices.Sorted(maps.Keys(then.Sizes))}
	found, err := s.singles(ctx, p, region, own)
	if err != nil {
		return r, nil, then, nil, err
	}
	var gone []string
	var meddled []engine.Difference
	for _, w := range found {
		switch {
		case !w.there:
			gone = append(gone, w.String())
		case w.consumer():
			n, differs, err := s.sizeNow(ctx, client, r, w.name, then.Sizes[w.name])
			if err != nil {
				return r, client, then, nil, err
			}
			if n != then.Sizes[w.name].Was {
				left = append(left, w)
			}
			if differs {
				meddled = append(meddled, engine.Difference{
					What: w.String() + " in " + r.Name, Now: text.Count(n, "replica"),
					Set: fmt.Sprint(then.Sizes[w.name].Set), Was: fmt.Sprint(then.Sizes[w.name].Was),
				})
			}
		case w.runs != then.Jobs[w.name]:
			left = append(left, w)
		}
	}
	if len(gone) > 0 {
		return r, client, then, left, &incident.CallError{
			NeedsPerson: true, Definite: true, Err: fmt.Errorf("%s not there any more in %s", strings.Join(gone, ", "), r.Name),
			Hint: "go on without, or put it there again and retry",
		}
	}
	return r, client, then, left, c.Meanwhile(meddled...)
}

// sizeNow is how many a consumer has, and whether that is somebody else's number. What an
// autoscaler made of it since it runs is its own, and as good as what it was.
func (s Single) sizeNow(ctx context.Context, client dynamic.Interface, r cluster, name string, of number) (n int, differs bool, err error) {
	d, err := s.Kube.deployment(ctx, client, r, name)
	if err != nil {
		return 0, false, err
	}
	n = replicas(d)
	if n == of.Was || n == of.Set {
		return n, false, nil
	}
	h, err := s.Kube.autoscaler(ctx, client, r, name)
	if err != nil || h == nil || n == 0 {
		return n, err == nil, err
	}
	if of.Was > 0 {
		n = of.Was
	}
	return n, false, nil
}

// LookBack reports whether each is as it was.
func (s Single) LookBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	r, _, then, left, err := s.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: then.evidence()}
	if len(left) == 0 {
		o.Summary = "all in " + r.Name + " are as before"
		return o, true, nil
	}
	var names []string
	for _, w := range left {
		names = append(names, w.String())
	}
	o.Summary = fmt.Sprintf("not as before in %s: %s", r.Name, strings.Join(names, ", "))
	return o, false, nil
}

// Back sets each to what it was.
func (s Single) Back(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, error) {
	r, client, then, left, err := s.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: then.evidence()}
	var faults []error
	var set []string
	for _, w := range left {
		if err := s.set(ctx, client, r, w, !w.runs, then.Sizes[w.name].Was); err != nil {
			faults = append(faults, err)
			continue
		}
		set = append(set, w.String())
	}
	if err := errors.Join(faults...); err != nil {
		return o, fmt.Errorf("in %s: %w", r.Name, err)
	}
	o.Summary = fmt.Sprintf("as before in %s: %s", r.Name, text.Some(set, shownSingles))
	if len(set) == 0 {
		o.Summary = "all in " + r.Name + " were as before already"
	}
	return o, nil
}

// Effect says what would happen now.
func (s Single) Effect(_ context.Context, c engine.Call) (incident.Effect, error) {
	own, err := runbook.PartOf[Settings](c.Plan.Topology, Platform.Key)
	if err != nil {
		return incident.Effect{}, err
	}
	where := c.Plan.Source.Name
	if s.Runs {
		where = c.Plan.Target.Name
	}
	names := slices.Concat(own.CronJobs, own.Consumers)
	return incident.Effect{
		Step: c.Step.ID, Undo: singleUndo,
		What:  fmt.Sprintf("%s in %s: %s", s.verb(), where, strings.Join(names, ", ")),
		Bound: s.verb() + " " + where + ": " + strings.Join(names, ","),
	}, nil
}
