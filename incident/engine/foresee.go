package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Foresee carries out a plan as far as reading goes, without an incident and without
// waiting for anything: checks that need no change look, of each change is said whether it
// is so already and what it would do, and the rights that the changes want are asked of
// those who grant them. What stops a run is gone past, so all of the plan is told. It
// writes nothing, begins nothing and may be called any number of times, also while a run
// changes things.
//
// What comes after a change may depend on it: a check behind one is not looked at, and what
// a change behind one would do is said as things are now, or else said to be known later.
func (e *Engine) Foresee(ctx context.Context, plan *runbook.Plan) *incident.Foreseen {
	began := e.Clock.Now()
	f := &foresight{
		Engine: e, plan: plan, current: plan, began: began,
		found: map[string]Outcome{}, steps: map[string]incident.StepForeseen{}, rights: map[string][]Right{}, lists: map[string][]string{},
	}
	for {
		ready := f.ready()
		if len(ready) == 0 {
			break
		}
		incident.Together(e.Clock, len(ready), func(i int) { f.carry(ctx, ready[i]) })
	}
	return f.told(ctx)
}

// foresight is one dry run.
type foresight struct {
	*Engine
	plan  *runbook.Plan
	began time.Time

	// current is the plan with the lists that were found; no other goroutine runs while
	// it changes.
	current *runbook.Plan
	lists   map[string][]string

	mu sync.Mutex
	// found is how steps ended, of those that are so.
	found  map[string]Outcome
	steps  map[string]incident.StepForeseen
	rights map[string][]Right
}

// ready are the steps that nothing keeps from being foreseen.
func (f *foresight) ready() []runbook.Step {
	for _, s := range f.current.Steps {
		if s.EachOf == "" || s.Item != "" {
			continue
		}
		if o, ok := f.found[s.EachOf]; ok {
			f.lists[s.ID] = o.Items
		}
	}
	f.current = f.plan.Expand(f.lists)
	var out []runbook.Step
	for _, s := range f.current.Steps {
		_, done := f.steps[s.ID]
		waits := slices.ContainsFunc(s.Needs, func(n string) bool { _, done := f.steps[n]; return !done })
		if s.EachOf != "" && s.Item == "" { // a list that is not known yet, or cannot be
			_, looked := f.steps[s.EachOf]
			waits = waits || !looked
		}
		if !done && !waits {
			out = append(out, s)
		}
	}
	return out
}

// behind says that a step comes after something that would be changed or tried.
func (f *foresight) behind(step runbook.Step) bool {
	needed := f.current.Needed(step.ID)
	for id := range needed {
		s := f.steps[id]
		if s.Would() || s.Later || s.Kind == string(runbook.Exercise) && s.Verdict == "" {
			return true
		}
	}
	return false
}

// carry foresees one step.
func (f *foresight) carry(ctx context.Context, step runbook.Step) {
	out := incident.StepForeseen{
		Step: step.ID, Action: step.Uses, Title: step.Title, Kind: string(step.Kind), Takes: step.Usually, Asks: asks(step),
	}
	a, ok := f.Catalog[step.Uses]
	if step.Kind == runbook.Check || step.Kind == runbook.Change || a.Assessed {
		out.Gate = runbook.GateOf(step)
	}
	f.mu.Lock()
	behind := f.behind(step)
	f.mu.Unlock()
	var o Outcome
	var so bool
	var rights []Right
	switch {
	case !ok && step.Kind != runbook.Go && step.Kind != runbook.Ask:
		out.Verdict, out.Says = incident.Unsure, fmt.Sprintf("this version has no action %q", step.Uses)
	case step.EachOf != "" && step.Item == "":
		out.Later, out.Says = true, fmt.Sprintf("would be done for each of what %s finds, which is not known", step.EachOf)
	case step.Kind == runbook.Check && behind:
		out.Says = "would look"
	case step.Kind == runbook.Check, step.Kind == runbook.Wait && a.Assessed && !behind:
		o, so = f.look(ctx, a, step, &out)
	case step.Kind == runbook.Change:
		o, so, rights = f.change(ctx, a, step, behind, &out)
	default:
		out.Says = foreseenAs(step, a, f.call(step))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.steps[step.ID], f.rights[step.ID] = out, rights
	if so {
		o.At = f.Clock.Now()
		f.found[step.ID] = o
	}
}

// look looks once, and says what was seen.
func (f *foresight) look(ctx context.Context, a Action, step runbook.Step, out *incident.StepForeseen) (Outcome, bool) {
	o, yes, err := f.lookOnce(ctx, a, f.call(step))
	out.Verdict, out.Says = verdict(o, yes, err), o.Summary
	if err != nil {
		said(err, out)
	}
	return o, err == nil && yes
}

// said is why something could not be found out.
func said(err error, out *incident.StepForeseen) {
	call := incident.CallErrorOf(err)
	out.Says, out.Hint, out.Cause = text.Bare(err), call.Hint, call.Cause
}

// change says whether a change is there already, and what it would do.
func (f *foresight) change(ctx context.Context, a Action, step runbook.Step, behind bool, out *incident.StepForeseen) (Outcome, bool, []Right) {
	call := f.call(step)
	var rights []Right
	if a.Rights != nil {
		var err error
		if rights, err = a.Rights(call); err != nil {
			out.Verdict = incident.Unsure
			said(fmt.Errorf("say which rights it wants: %w", err), out)
			return Outcome{}, false, nil
		}
	}
	o, there, err := f.lookOnce(ctx, a, call)
	if err == nil && there {
		out.There, out.Says = true, o.Summary
		return o, true, rights
	}
	var effect incident.Effect
	if err == nil {
		effect, err = f.effect(ctx, a, call)
	}
	if err != nil {
		out.Verdict, out.Later = incident.Unsure, behind
		said(err, out)
		return Outcome{}, false, rights
	}
	out.Effect, out.Says = &effect, effect.What
	return Outcome{}, false, rights
}

// effect is what a change would do now.
func (f *foresight) effect(ctx context.Context, a Action, call Call) (incident.Effect, error) {
	effect := incident.Effect{Step: call.Step.ID, What: call.Step.Title, Undo: call.Step.Undo}
	if a.Effect == nil {
		return effect, nil
	}
	within := min(call.Step.Timeout, cmp.Or(a.CallTimeout, defaultCall))
	ctx, stop := f.Clock.WithTimeout(ctx, within, fmt.Errorf("%s took longer than %s", call.Step.ID, within))
	defer stop()
	effect, err := incident.Within(ctx, f.Clock, func(ctx context.Context) (incident.Effect, error) { return a.Effect(ctx, call) })
	if err != nil {
		return effect, err
	}
	effect.Step, effect.Undo = call.Step.ID, cmp.Or(effect.Undo, call.Step.Undo)
	return effect, nil
}

// noIncident stands for the incident of a dry run, which has none: what is marked with an
// incident is marked with another one.
const noIncident incident.ID = "dry-run"

// call is what an action is handed. Nothing has been asked for, and what nobody made is
// under no token.
func (f *foresight) call(step runbook.Step) Call {
	sum := sha256.Sum256([]byte("dry run\x00" + f.plan.Digest + "\x00" + step.ID))
	return Call{
		Incident: noIncident, Plan: f.current.For(step), Step: step, Attempt: 1, Began: f.Clock.Now(), Impact: f.began, Clock: f.Clock,
		Token: "dry-" + hex.EncodeToString(sum[:8]),
		Result: func(id string) (Outcome, bool) {
			f.mu.Lock()
			defer f.mu.Unlock()
			o, ok := f.found[id]
			return o, ok
		},
		Task: func(string) (incident.Task, bool) { return incident.Task{}, false },
	}
}

// asks is who is asked before the step, or by it; empty where nobody is.
func asks(step runbook.Step) string {
	role, count := "", 0
	switch {
	case step.Kind == runbook.Go:
		return incident.RoleCommander
	case step.Asks != nil:
		role, count = step.Asks.Role, step.Asks.Count
	case step.Approval != nil:
		role, count = step.Approval.By, step.Approval.Count
	default:
		return ""
	}
	if count > 1 {
		return fmt.Sprintf("%d of the role %s", count, role)
	}
	return role
}

// told is what was foreseen, in the order in which it would begin.
func (f *foresight) told(ctx context.Context) *incident.Foreseen {
	out := &incident.Foreseen{
		Kind: cmp.Or(f.plan.Kind, incident.Failover), Source: f.plan.Source.Name, Target: f.plan.Target.Name, Mode: f.plan.Mode, Digest: f.plan.Digest,
		Began: f.began, Takes: f.current.Usually(), Decisions: f.current.Decisions(), Steps: []incident.StepForeseen{},
	}
	ends := map[string]time.Duration{}
	for _, s := range f.current.Steps { // each comes after all it needs
		var after time.Duration
		for _, n := range s.Needs {
			after = max(after, ends[n])
		}
		ends[s.ID] = after + s.Usually
		step := f.steps[s.ID]
		step.After = after
		out.Steps = append(out.Steps, step)
	}
	slices.SortStableFunc(out.Steps, func(a, b incident.StepForeseen) int { return cmp.Compare(a.After, b.After) })
	f.review(ctx, out)
	return out
}

// review asks for the rights of all changes at once.
func (f *foresight) review(ctx context.Context, out *incident.Foreseen) {
	var all []Right
	wanted := map[Right][]string{}
	for _, s := range out.Steps {
		for _, r := range f.rights[s.Step] {
			if wanted[r] == nil {
				all = append(all, r)
			}
			if !slices.Contains(wanted[r], s.Step) {
				wanted[r] = append(wanted[r], s.Step)
			}
		}
	}
	out.Rights = len(all)
	for i, g := range f.reviewed(ctx, all) {
		if g.Verdict == incident.Pass {
			continue
		}
		out.Missing = append(out.Missing, incident.RightMissing{
			Right: all[i].String(), System: all[i].System, Region: all[i].Region, Steps: wanted[all[i]], Verdict: g.Verdict, Why: g.Why,
		})
	}
}

// foreseenWith says that a run that was begun dry foresees steps of that kind instead of
// carrying them out.
func foreseenWith(k runbook.Kind) bool { return k != runbook.Check }

// foreseenAs says in words what a step of that kind would do: of all kinds but checks and
// changes, for which that is not known without reading.
func foreseenAs(step runbook.Step, a Action, c Call) string {
	switch step.Kind {
	case runbook.Go:
		return "would ask a commander"
	case runbook.Ask:
		return "would ask " + step.Asks.Role
	case runbook.Watch:
		return "would watch it"
	case runbook.Tell:
		return "would tell it"
	case runbook.Exercise:
		if a.None != nil {
			if o, none := a.None(c); none {
				return o.Summary
			}
		}
		return fmt.Sprintf("would try it, %s at the most", text.Count(max(a.Sends, 1), "time"))
	default:
		return fmt.Sprintf("would wait for it, %s at the most", text.Duration(step.Timeout))
	}
}

// foresee says what the step of a run that was begun dry would do, and does nothing: a
// change is looked at, and its effect read.
func (w *work) foresee(ctx context.Context) error {
	if err := w.started(ctx); err != nil {
		return err
	}
	done := func(says string) incident.StepFinished {
		return incident.StepFinished{Step: w.step.ID, Action: w.step.Uses, Attempt: w.call.Attempt, Summary: says}
	}
	if o, none := w.nothing(); none && w.step.Kind == runbook.Exercise {
		return w.finish(ctx, o, false, false)
	}
	if w.step.Kind != runbook.Change {
		return w.append(ctx, done(foreseenAs(w.step, w.action, w.call)))
	}
	o, there, err := w.look(ctx)
	if err != nil {
		return w.fail(ctx, err, o, true)
	}
	effect, err := w.effect(ctx, w.step)
	if err != nil {
		return w.fail(ctx, fmt.Errorf("say exactly what would happen: %w", err), o, true)
	}
	foreseen := incident.ChangeForeseen{Step: w.step.ID, Action: w.step.Uses, There: there, Effect: effect}
	if there {
		return w.append(ctx, foreseen, done("nothing to do: "+o.Summary))
	}
	return w.append(ctx, foreseen, done("would: "+effect.What))
}
