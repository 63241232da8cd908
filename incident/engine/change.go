package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// change carries out a step that changes the world: look, have it approved where
// that is needed, write down the intention, look again right before, do.
func (w *work) change(ctx context.Context) error {
	if w.former != nil {
		return w.pickUp(ctx)
	}
	if w.guarded() {
		if err := w.approved(ctx); err != nil {
			return err
		}
	}
	if err := w.started(ctx); err != nil {
		return err
	}
	return w.attempt(ctx)
}

// attempt looks and does, as often as the faults allow.
func (w *work) attempt(ctx context.Context) error {
	for try := 1; ; try++ {
		before, there, err := w.lookWhenFree(ctx)
		switch {
		case errors.Is(err, errStop):
			return err
		case err != nil:
			return w.fail(ctx, err, before, !known(err))
		case there && before.Job != "":
			return w.job(ctx, before.Job)
		case there:
			return w.finish(ctx, before, false, true)
		}
		if w.guarded() && try == 1 {
			if err := w.stillMeans(ctx); err != nil {
				return err
			}
		}
		if err := w.intend(ctx, before); err != nil {
			return err
		}
		o, err := w.do(ctx)
		if err == nil && o.Job != "" {
			return w.job(ctx, o.Job)
		}
		if err == nil {
			return w.keep(ctx, func(ctx context.Context) error { return w.finish(ctx, o, true, false) })
		}
		f := incident.CallErrorOf(err)
		if f.Unknown {
			w.log.Warn().Err(err).Str("step", w.step.ID).Msg("the change may have happened; looking")
			w.answer = err
			return w.pickUp(ctx)
		}
		w.former, w.call.Asked = nil, time.Time{}
		if !f.Retry || w.Clock.Now().Sub(w.call.Began) > w.step.Timeout {
			return w.keep(ctx, func(ctx context.Context) error {
				return w.failed(ctx, err, o, incident.StepFailed{Refused: true})
			})
		}
		if err := w.missed(ctx, err); err != nil {
			return err
		}
		if err := w.Clock.Sleep(ctx, backoff(try, f)); err != nil {
			return err
		}
	}
}

// lookWhenFree looks, and as long as something of somebody else's is under way there,
// looks again: what is not this run's is waited for, never taken for its change.
func (w *work) lookWhenFree(ctx context.Context) (Outcome, bool, error) {
	for {
		o, there, err := w.look(ctx)
		if err != nil || there || !o.Busy {
			return o, there, err
		}
		if !w.Clock.Now().Add(w.every()).Before(w.call.Began.Add(w.step.Timeout)) {
			return o, false, &incident.CallError{
				Err: fmt.Errorf("not to be asked for within %s: %s", w.step.Timeout, o.Summary), Definite: true, NeedsPerson: true,
				Hint: "find out who began that, and retry when it is over",
			}
		}
		if err := w.Clock.Sleep(ctx, w.every()); err != nil {
			return o, false, err
		}
		if err := w.wanted(ctx); err != nil {
			return o, false, err
		}
	}
}

// known says of the error of a look that it is known how things are.
func known(err error) bool { return isFault(err) && incident.CallErrorOf(err).Definite }

// missed writes down that nothing is under way any more.
func (w *work) missed(ctx context.Context, why error) error {
	w.former, w.call.Asked = nil, time.Time{}
	return w.keep(ctx, func(ctx context.Context) error {
		return w.append(ctx, incident.ChangeMissed{
			Step: w.step.ID, Action: w.step.Uses, Attempt: w.call.Attempt, Error: why.Error(),
		})
	})
}

// do lets the change leave, once. The lease is renewed right before it, so whoever
// was replaced sends nothing; and it leaves only while enough of the time is left
// that the intention gave it, for nobody looks before that is over. The call is not
// cut short when the process is asked to leave: it is bounded, and its answer is
// worth having.
func (w *work) do(ctx context.Context) (Outcome, error) {
	w.sent++
	if err := w.renew(ctx); err != nil {
		return Outcome{}, &incident.CallError{
			Err:   fmt.Errorf("renew the lease before the call: %w", err),
			Retry: true,
		}
	}
	left := remains(w.former.Until, w.Clock.Now())
	if left < w.callTime()/2 {
		return Outcome{}, &incident.CallError{
			Err:   errors.New("writing down the intention took too long, so nothing was sent"),
			Retry: true,
		}
	}
	bounded, stop := w.Clock.WithTimeout(context.WithoutCancel(ctx), left, fmt.Errorf("%s did not answer within %s", w.step.Uses, left))
	defer stop()
	return w.action.Do(bounded, w.call)
}

// remains is how long it is until then, by the clock that says less: the one that
// never goes back stands still while a machine is suspended.
func remains(until, now time.Time) time.Duration {
	return min(until.Sub(now), until.Round(0).Sub(now.Round(0)))
}

// keep writes down the outcome of a call even when the run is being left.
func (w *work) keep(ctx context.Context, write func(context.Context) error) error {
	ctx, stop := w.Clock.WithTimeout(context.WithoutCancel(ctx), outcomeTime, errors.New("the outcome could not be written down"))
	defer stop()
	return write(ctx)
}

// intend writes down that the change is about to leave. At a point of no return
// it asks the record for all the durability it can give, and says what it got.
func (w *work) intend(ctx context.Context, before Outcome) error {
	intended := incident.ChangeIntended{
		Step: w.step.ID, Action: w.step.Uses, Attempt: w.call.Attempt,
		Until:  w.Clock.Now().Add(w.callTime()),
		Before: before.Before, Prior: before.Prior,
	}
	written, err := w.record(ctx, func(s *incident.State) (incident.Write, error) {
		st := s.Step(w.step.ID)
		if s.Over() || s.Paused || st.Status != incident.Running {
			return incident.Write{}, errStop
		}
		out := w.write(intended)
		out.Secure = w.step.NoReturn
		return out, nil
	})
	if err != nil {
		return err
	}
	w.former, w.call.Asked = &intended, intended.Until.Add(-w.callTime())
	if !w.step.NoReturn {
		return nil
	}
	return w.append(ctx, incident.DurabilityObtained{Step: w.step.ID, Secured: written.Secured})
}

// pickUp deals with a change that may have happened: an earlier process of the bot
// intended it, or its answer was lost. Nobody looks before the call has surely
// ended.
func (w *work) pickUp(ctx context.Context) error {
	until := w.former.Until
	if w.sent == 0 { // another process asked for it, by its own clock
		until = until.Add(w.behind)
	}
	if left := until.Sub(w.Clock.Now()); left > 0 {
		if err := w.Clock.Sleep(ctx, left); err != nil {
			return err
		}
	}
	o, there, err := w.look(ctx)
	switch {
	case err == nil && there && o.Job != "":
		return w.job(ctx, o.Job)
	case err == nil && there:
		return w.finish(ctx, o, true, false)
	case w.guarded():
		if again, err := w.approvedAgain(ctx); again || err != nil {
			if err != nil {
				return err
			}
			break
		}
		why := "it is not there"
		if err != nil {
			why = "it cannot be seen whether it is there: " + err.Error()
		}
		if w.answer == nil && w.again != "" {
			return w.ask(ctx, w.again) // what came of it was told then, and nobody knows more
		}
		return w.ask(ctx, fmt.Sprintf("It was asked for at %s and %s; %s.",
			w.former.Until.Add(-w.callTime()).UTC().Format("15:04:05 UTC"), w.answered(), why))
	case err != nil:
		return w.fail(ctx, err, o, !known(err))
	case w.answer != nil && incident.CallErrorOf(w.answer).NeedsPerson:
		w.former = nil
		return w.fail(ctx, w.answer, o, false)
	case w.sent >= tries:
		w.former = nil
		return w.fail(ctx, fmt.Errorf("asked for %d times and not there: %s", w.sent, w.answered()), o, false)
	}
	if err == nil {
		err = errors.New("it was looked for and is not there: " + w.answered())
	}
	if err := w.missed(ctx, err); err != nil {
		return err
	}
	if err := w.started(ctx); err != nil {
		return err
	}
	return w.attempt(ctx)
}

// answered is what came of the last call, in words.
func (w *work) answered() string {
	if w.answer == nil {
		return "no answer came"
	}
	return "the answer was: " + w.answer.Error()
}

// approvedAgain says whether people agreed once more after the last intention.
func (w *work) approvedAgain(ctx context.Context) (bool, error) {
	var question string
	err := w.view(ctx, func(s *incident.State) { question = yes(s, w.step) })
	return question != "", err
}

// guarded says that the step stands under an approval.
func (w *work) guarded() bool { return guarded(w.step) }

func guarded(s runbook.Step) bool { return s.Approval != nil || s.CoveredBy != "" }
