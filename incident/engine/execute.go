package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// errStop ends the carrying out of a step that is not to be carried out any
// more: somebody skipped it, the run was aborted, a person is asked first.
var errStop = errors.New("the step is not to be carried out now")

func (r *run) start(ctx context.Context, step runbook.Step) {
	r.mu.Lock()
	r.active[step.ID] = true
	r.mu.Unlock()
	done := r.Clock.Busy()
	r.steps.Go(func() {
		defer done()
		err := r.execute(ctx, step)
		if err != nil && !errors.Is(err, errStop) && ctx.Err() == nil {
			r.log.Warn().Err(err).Str("step", step.ID).Str("action", step.Uses).Msg("step left as it is; taken up again")
			err = r.Clock.Sleep(ctx, again)
		}
		r.mu.Lock()
		delete(r.active, step.ID)
		r.mu.Unlock()
		if err == nil || ctx.Err() == nil {
			r.poke()
		}
	})
}

// work is one attempt of one step.
type work struct {
	*run
	step   runbook.Step
	action Action
	call   Call
	// former is set when an earlier process of the bot, or an earlier attempt, left
	// a change that may have happened.
	former *incident.ChangeIntended
	// sent counts the calls of this process; answer is what came of the last one
	// that may have happened, nil if nobody is left who knows.
	sent   int
	answer error
	// again is why people were last asked about this change once more; dropped why it
	// was accepted and did not come about.
	again, dropped string
	// refused: the last attempt's call was surely refused, and this one may go on
	// under the same approval.
	refused bool
}

func (r *run) execute(ctx context.Context, step runbook.Step) error {
	action, ok := r.Catalog[step.Uses]
	w := &work{run: r, step: step, action: action}
	var st incident.StepState
	dry, job := false, ""
	var left time.Time
	err := r.view(ctx, func(s *incident.State) {
		st = s.Step(step.ID)
		dry = s.Dry
		if st.Job != nil {
			job = st.Job.Handle
		}
		w.call = Call{
			Incident: r.id, Plan: r.plan().For(step), Step: step, Attempt: st.Attempt, Began: st.Started,
			Impact: s.Began(), Go: s.GoAt, Token: r.token16(step.ID), Result: r.result, Task: r.task, Clock: r.Clock,
			Asked: st.Asked, Overwrite: st.Overwrite,
		}
		if step.Awaits != "" {
			w.call.Asked = s.Step(step.Awaits).Asked
		}
		left = leftUntil(s, step)
	})
	if err != nil {
		return err
	}
	w.former, w.again, w.dropped, w.refused = st.Intended, st.Again, st.Dropped, st.Failure.Refused
	if !ok && step.Kind != runbook.Go && step.Kind != runbook.Ask { // those are people's
		return w.fail(ctx, &incident.CallError{
			Err:         fmt.Errorf("this version has no action %q", step.Uses),
			Hint:        "run a version that has it, or go on without the step",
			NeedsPerson: true,
		}, Outcome{}, false)
	}
	if step.Undoes != "" {
		if action.Undo == nil {
			return w.fail(ctx, &incident.CallError{
				Err: fmt.Errorf("this version cannot take back what %s did", step.Uses), NeedsPerson: true,
				Hint: "take it back by hand: " + step.Undo,
			}, Outcome{}, false)
		}
		w.action = action.takingBack(step.Kind, step.Prior)
		if err := r.Clock.Sleep(ctx, left.Sub(r.Clock.Now())); err != nil {
			return err
		}
	}
	if !w.action.carries(step.Kind) {
		return w.fail(ctx, &incident.CallError{
			Err: fmt.Errorf("this version has no %s %q: it does that in another way", step.Kind, step.Uses), NeedsPerson: true,
			Hint: "run the version that the run was begun with, or go on without the step",
		}, Outcome{}, w.former != nil)
	}
	if dry && foreseenWith(step.Kind) {
		return w.foresee(ctx)
	}
	if job != "" && st.Status == incident.Running {
		return w.follow(ctx, job)
	}
	if step.Kind == runbook.Change {
		return w.change(ctx)
	}
	if st.Status != incident.Running {
		if err := w.started(ctx); err != nil {
			return err
		}
	}
	switch step.Kind {
	case runbook.Check:
		return w.check(ctx)
	case runbook.Wait:
		return w.wait(ctx)
	case runbook.Exercise:
		return w.exercise(ctx)
	case runbook.Watch:
		return w.watch(ctx)
	default:
		return w.tell(ctx)
	}
}

// leftUntil is when the last call has surely ended that an earlier run may still have
// out, of the change that a step takes back: nobody looks before. Zero if none has.
func leftUntil(s *incident.State, step runbook.Step) (until time.Time) {
	for _, r := range s.Runs {
		if st := r.Step(step.Undoes); r != s.Run && step.Undoes != "" && st.Intended != nil && st.Intended.Until.After(until) {
			until = st.Intended.Until
		}
	}
	return until
}

// result is how another step of the run ended.
func (r *run) result(id string) (Outcome, bool) {
	var st incident.StepState
	// The record was read a moment ago; if it cannot be read now, the step has
	// not finished as far as anybody knows.
	if err := r.view(context.Background(), func(s *incident.State) { st = s.Step(id) }); err != nil {
		return Outcome{}, false
	}
	f := st.Finished
	if st.Status == incident.Skipped {
		return Outcome{Evidence: st.Failure.Evidence, Measured: st.Failure.Measured, At: st.Ended}, false
	}
	return Outcome{Summary: f.Summary, Evidence: f.Evidence, Items: f.Items, Measured: f.Measured, Prior: st.Prior, At: st.Ended}, st.Status == incident.Done
}

// append adds what happened to the step, unless it is not to be carried out any
// more.
func (w *work) append(ctx context.Context, bodies ...incident.Body) error {
	return w.decide(ctx, func(s *incident.State) (incident.Write, error) {
		switch s.Step(w.step.ID).Status {
		case incident.Skipped, incident.Advised: // gone on without, or not wanted any more
			return incident.Write{}, errStop
		case incident.Pending, incident.Running, incident.Done, incident.Failed:
		}
		return w.write(bodies...), nil
	})
}

func (w *work) started(ctx context.Context) error {
	w.call.Attempt++
	w.call.Began = w.Clock.Now()
	return w.decide(ctx, func(s *incident.State) (incident.Write, error) {
		st := s.Step(w.step.ID)
		if !w.step.Kind.Ends() {
			if st.Status != incident.Pending || !watches(s) {
				return incident.Write{}, errStop
			}
		} else if s.Over() != w.step.Closing || st.Status.Settled() || (s.Paused && st.Intended == nil && !w.step.Closing) {
			return incident.Write{}, errStop
		}
		return w.write(incident.StepStarted{
			Step: w.step.ID, Action: w.step.Uses, Attempt: w.call.Attempt, NonBlocking: w.nonBlocking(),
		}), nil
	})
}

// nonBlocking says that nothing waits for the step and that its failure is only shown.
func (w *work) nonBlocking() bool {
	if !w.step.Kind.Ends() {
		return true
	}
	if w.step.Gate != runbook.Advice && w.step.Kind != runbook.Tell {
		return false
	}
	for _, s := range w.plan().Steps {
		if s.Kind.Ends() && slices.Contains(s.Needs, w.step.ID) {
			return false
		}
	}
	return true
}

func (w *work) finish(ctx context.Context, o Outcome, changed, already bool) error {
	return w.append(ctx, incident.StepFinished{
		Step: w.step.ID, Action: w.step.Uses, Attempt: w.call.Attempt,
		Summary: o.Summary, Evidence: o.Evidence, Changed: changed, Already: already,
		Measured: o.Measured, Items: o.Items,
	})
}

// fail records that the step stopped. unknown says that it could not be found
// out how things are, as opposed to found wanting.
func (w *work) fail(ctx context.Context, err error, o Outcome, unknown bool) error {
	return w.failed(ctx, err, o, incident.StepFailed{Unknown: unknown})
}

// failed is fail for what more there is to be said of how it stopped.
func (w *work) failed(ctx context.Context, err error, o Outcome, how incident.StepFailed) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // we are leaving; whoever comes next finds out
	}
	how.Step, how.Action, how.Attempt = w.step.ID, w.step.Uses, w.call.Attempt
	how.Error, how.Hint = err.Error(), incident.CallErrorOf(err).Hint
	how.Evidence, how.Measured, how.WillNotCome = o.Evidence, o.Measured, w.gone(o)
	how.Meanwhile, how.Cause = incident.CallErrorOf(err).Meanwhile, incident.CallErrorOf(err).Cause
	how.MayHaveHappened = how.Unknown && w.step.Kind == runbook.Change && w.former != nil
	if how.Unknown && w.step.Kind == runbook.Check {
		w.Engine.platform(ctx, func(p *incident.Platform) { how.Last = p.Last(w.plan().Target.Name, w.step.ID) })
	}
	how.Advice = w.step.Gate == runbook.Advice || w.step.Kind == runbook.Tell || !w.step.Kind.Ends()
	return w.append(ctx, how)
}

// gone is the step whose change will not come about any more, as far as this one
// has seen.
func (w *work) gone(o Outcome) string {
	if !o.Gone {
		return ""
	}
	return w.step.Awaits
}

// bounded gives one call its time.
func (w *work) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	d := w.callTime()
	return w.Clock.WithTimeout(ctx, d, fmt.Errorf("%s did not answer within %s", w.step.Uses, d))
}

// callTime is what the action says, within the step's time. Only what changes something
// is bounded by the lease as well: a look may last as long as it has to.
func (w *work) callTime() time.Duration {
	d := w.action.CallTimeout
	switch {
	case d == 0 && w.step.Kind == runbook.Check: // looked at once: it has all of the step's time
		return w.step.Timeout
	case d == 0:
		d = defaultCall
	}
	if w.step.Kind != runbook.Check && w.step.Kind != runbook.Wait {
		d = min(d, longestCall)
	}
	return min(d, w.step.Timeout)
}

func (w *work) look(ctx context.Context) (Outcome, bool, error) {
	ctx, stop := w.bounded(ctx)
	defer stop()
	o, ok, err := w.action.Look(ctx, w.call)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	return o, ok, err
}

// check looks once.
func (w *work) check(ctx context.Context) error {
	d := w.callTime()
	bounded, stop := w.Clock.WithTimeout(ctx, d, fmt.Errorf("not known within %s", d))
	defer stop()
	o, ok, err := w.action.Look(bounded, w.call)
	switch {
	case err != nil && bounded.Err() != nil:
		return w.fail(ctx, fmt.Errorf("%w (%w)", context.Cause(bounded), err), o, true)
	case err != nil:
		return w.fail(ctx, err, o, !incident.CallErrorOf(err).Definite)
	case !ok:
		return w.fail(ctx, errors.New(o.Summary), o, false)
	default:
		return w.finish(ctx, o, false, false)
	}
}

// wait looks until it is so. An error in between is no answer: the next look may
// have one.
func (w *work) wait(ctx context.Context) error {
	every := w.every()
	end := w.call.Began.Add(w.step.Timeout) // whichever process of the bot began it
	gone := 0                               // looks in a row that say it will not come
	for {
		o, ok, err := w.look(ctx)
		if err == nil && !ok && o.Gone {
			gone++
		} else {
			gone = 0
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && ok:
			return w.finish(ctx, o, false, false)
		case gone == goneLooks:
			return w.fail(ctx, errors.New(o.Summary), o, false)
		case err != nil && incident.CallErrorOf(err).NeedsPerson && isFault(err):
			return w.fail(ctx, err, o, !incident.CallErrorOf(err).Definite)
		case !w.Clock.Now().Add(every).Before(end):
			if err != nil {
				return w.fail(ctx, fmt.Errorf("not known after %s: %w", w.step.Timeout, err), o, true)
			}
			return w.fail(ctx, fmt.Errorf("not so after %s: %s", w.step.Timeout, o.Summary), o, false)
		}
		if err := w.held(ctx, o, err); err != nil {
			return err
		}
		if err := w.Clock.Sleep(ctx, every); err != nil {
			return err
		}
		if err := w.wanted(ctx); err != nil {
			return err
		}
	}
}

// goneLooks is how many looks in a row have to say that a change will not come: what
// a system has just accepted may not be visible yet where the look is answered.
const goneLooks = 2

// every is how long lies between two looks.
func (w *work) every() time.Duration {
	if w.action.Every == 0 {
		return defaultEvery
	}
	return w.action.Every
}

func isFault(err error) bool {
	var f *incident.CallError
	return errors.As(err, &f)
}

// wanted says whether the step is still to be carried out.
func (w *work) wanted(ctx context.Context) error {
	return w.decide(ctx, func(s *incident.State) (incident.Write, error) {
		if s.Over() || s.Step(w.step.ID).Status != incident.Running {
			return incident.Write{}, errStop
		}
		return incident.Write{}, nil
	})
}

// tell informs an outside system. Whatever comes of it, nothing waits.
func (w *work) tell(ctx context.Context) error {
	for try := 1; ; try++ {
		if err := w.keepsOn(ctx); err != nil {
			return err
		}
		bounded, stop := w.bounded(ctx)
		o, err := w.action.Do(bounded, w.call)
		stop()
		if err == nil {
			return w.finish(ctx, o, false, false)
		}
		f := incident.CallErrorOf(err)
		if !f.Retry || try == tries || ctx.Err() != nil {
			return w.fail(ctx, err, o, f.Unknown)
		}
		if err := w.Clock.Sleep(ctx, backoff(try, f)); err != nil {
			return err
		}
	}
}

// backoff is what the other side asked for, up to a minute, or 1, 2, 4, ... seconds.
func backoff(try int, f *incident.CallError) time.Duration {
	if f.After > 0 {
		return min(f.After, time.Minute)
	}
	return min(time.Second<<(try-1), 15*time.Second)
}
