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
	// again is why people were last asked about this change once more.
	again string
}

func (r *run) execute(ctx context.Context, step runbook.Step) error {
	action, ok := r.Catalog[step.Uses]
	w := &work{run: r, step: step, action: action}
	var st incident.StepState
	dry, job := false, ""
	err := r.view(ctx, func(s *incident.State) {
		st = s.Step(step.ID)
		dry = s.Dry
		if st.Job != nil {
			job = st.Job.Handle
		}
		w.call = Call{
			Incident: r.id, Plan: r.plan(), Step: step, Attempt: st.Attempt, Began: st.Started,
			Impact: s.Declared.Began, Token: r.token16(step.ID), Result: r.result, Clock: r.Clock,
		}
	})
	if err != nil {
		return err
	}
	w.former, w.again = st.Intended, st.Again
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
		w.action = action.takingBack(step.Prior)
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
	default:
		return w.tell(ctx)
	}
}

// result is how another step of the run ended.
func (r *run) result(id string) (Outcome, bool) {
	var st incident.StepState
	// The record was read a moment ago; if it cannot be read now, the step has
	// not finished as far as anybody knows.
	if err := r.view(context.Background(), func(s *incident.State) { st = s.Step(id) }); err != nil {
		return Outcome{}, false
	}
	return Outcome{Summary: st.Finished.Summary, Evidence: st.Finished.Evidence}, st.Status == incident.Done
}

// append adds what happened to the step, unless it is not to be carried out any
// more.
func (w *work) append(ctx context.Context, bodies ...incident.Body) error {
	return w.decide(ctx, func(s *incident.State) (incident.Write, error) {
		if s.Step(w.step.ID).Status == incident.Skipped {
			return incident.Write{}, errStop
		}
		return w.write(bodies...), nil
	})
}

func (w *work) started(ctx context.Context) error {
	w.call.Attempt++
	w.call.Began = w.Clock.Now()
	return w.decide(ctx, func(s *incident.State) (incident.Write, error) {
		st := s.Step(w.step.ID)
		if s.Over() != w.step.Closing || st.Status.Settled() || (s.Paused && st.Intended == nil && !w.step.Closing) {
			return incident.Write{}, errStop
		}
		return w.write(incident.StepStarted{
			Step: w.step.ID, Action: w.step.Uses, Attempt: w.call.Attempt, NonBlocking: w.nonBlocking(),
		}), nil
	})
}

// nonBlocking says that nothing waits for the step and that its failure is only shown.
func (w *work) nonBlocking() bool {
	if w.step.Gate != runbook.Advice && w.step.Kind != runbook.Tell {
		return false
	}
	for _, s := range w.plan().Steps {
		if slices.Contains(s.Needs, w.step.ID) {
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
	if ctx.Err() != nil {
		return context.Cause(ctx) // we are leaving; whoever comes next finds out
	}
	f := incident.CallErrorOf(err)
	return w.append(ctx, incident.StepFailed{
		Step: w.step.ID, Action: w.step.Uses, Attempt: w.call.Attempt,
		Error: err.Error(), Hint: f.Hint, Unknown: unknown, Evidence: o.Evidence, Measured: o.Measured, WillNotCome: w.gone(o),
		MayHaveHappened: unknown && w.step.Kind == runbook.Change && w.former != nil,
		Advice:          w.step.Gate == runbook.Advice || w.step.Kind == runbook.Tell,
	})
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

func (w *work) callTime() time.Duration {
	d := w.action.CallTimeout
	if d == 0 {
		d = defaultCall
	}
	return min(d, w.step.Timeout, longestCall)
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
	bounded, stop := w.Clock.WithTimeout(ctx, w.step.Timeout, fmt.Errorf("not known within %s", w.step.Timeout))
	defer stop()
	o, ok, err := w.action.Look(bounded, w.call)
	switch {
	case err != nil && bounded.Err() != nil:
		return w.fail(ctx, fmt.Errorf("%w (%w)", context.Cause(bounded), err), o, true)
	case err != nil:
		return w.fail(ctx, err, o, true)
	case !ok:
		return w.fail(ctx, errors.New(o.Summary), o, false)
	default:
		return w.finish(ctx, o, false, false)
	}
}

// wait looks until it is so. An error in between is no answer: the next look may
// have one.
func (w *work) wait(ctx context.Context) error {
	every := w.action.Every
	if every == 0 {
		every = defaultEvery
	}
	end := w.call.Began.Add(w.step.Timeout) // whichever process of the bot began it
	for {
		o, ok, err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && ok:
			return w.finish(ctx, o, false, false)
		case err == nil && o.Gone:
			return w.fail(ctx, errors.New(o.Summary), o, false)
		case err != nil && incident.CallErrorOf(err).NeedsPerson && isFault(err):
			return w.fail(ctx, err, o, !incident.CallErrorOf(err).Definite)
		case !w.Clock.Now().Add(every).Before(end):
			if err != nil {
				return w.fail(ctx, fmt.Errorf("not known after %s: %w", w.step.Timeout, err), o, true)
			}
			return w.fail(ctx, fmt.Errorf("not so after %s: %s", w.step.Timeout, o.Summary), o, false)
		}
		if err := w.Clock.Sleep(ctx, every); err != nil {
			return err
		}
		if err := w.wanted(ctx); err != nil {
			return err
		}
	}
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
