package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/failoverbot/failoverbot/incident"
)

// exercise tries the platform as a user would, until it went as it should, the sends
// that it may make are used up, or the step's time is. Each send is on the timeline
// before it leaves, so a process that dies after it does not begin to count anew.
func (w *work) exercise(ctx context.Context) error {
	if o, none := w.nothing(); none {
		return w.finish(ctx, o, false, false)
	}
	every := w.action.Every
	if every == 0 {
		every = defaultEvery
	}
	most := max(w.action.Sends, 1)
	end := w.call.Began.Add(w.step.Timeout)
	var last error
	for {
		send, err := w.sending(ctx, most)
		if err != nil {
			return err
		}
		if send > most {
			if last == nil {
				last = errors.New("nobody knows what came of them")
			}
			return w.fail(ctx, fmt.Errorf("tried %d times, which is all that a run may by itself: %w", most, last), Outcome{}, false)
		}
		bounded, stop := w.bounded(ctx)
		o, ok, err := w.action.Try(bounded, w.call, send)
		if err != nil && bounded.Err() != nil {
			err = fmt.Errorf("%w (%w)", context.Cause(bounded), err)
		}
		stop()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && ok:
			return w.finish(ctx, o, false, false)
		case err == nil:
			err = errors.New(o.Summary)
		case isFault(err) && incident.CallErrorOf(err).NeedsPerson:
			return w.fail(ctx, err, o, !incident.CallErrorOf(err).Definite)
		}
		last = err
		if !w.Clock.Now().Add(every).Before(end) {
			return w.fail(ctx, fmt.Errorf("not so after %s: %w", w.step.Timeout, err), o, false)
		}
		if err := w.Clock.Sleep(ctx, every); err != nil {
			return err
		}
		if err := w.wanted(ctx); err != nil {
			return err
		}
	}
}

// nothing says that an exercise has nothing to try, and why.
func (w *work) nothing() (Outcome, bool) {
	if w.action.None == nil {
		return Outcome{}, false
	}
	return w.action.None(w.call)
}

// sending writes down that one more send leaves, and counts it. Beyond the most
// that may be sent it writes nothing.
func (w *work) sending(ctx context.Context, most int) (send int, err error) {
	err = w.decide(ctx, func(s *incident.State) (incident.Write, error) {
		if s.Over() || s.Step(w.step.ID).Status != incident.Running {
			return incident.Write{}, errStop
		}
		if send = s.Sent[w.step.ID] + 1; send > most {
			return incident.Write{}, nil
		}
		return w.write(incident.ExerciseIntended{Step: w.step.ID, Action: w.step.Uses, Token: w.call.Token, Send: send}), nil
	})
	return send, err
}
