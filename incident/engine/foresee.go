package engine

import (
	"context"
	"fmt"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// foreseenWith says that a dry run foresees steps of that kind instead of carrying
// them out.
func foreseenWith(k runbook.Kind) bool { return k != runbook.Check }

// foresee says what the step would do, and does nothing: a change is looked at, and
// its effect read.
func (w *work) foresee(ctx context.Context) error {
	if err := w.started(ctx); err != nil {
		return err
	}
	done := func(format string, args ...any) incident.StepFinished {
		return incident.StepFinished{Step: w.step.ID, Action: w.step.Uses, Attempt: w.call.Attempt, Summary: fmt.Sprintf(format, args...)}
	}
	switch w.step.Kind {
	case runbook.Change:
	case runbook.Go:
		return w.append(ctx, done("would ask a commander"))
	case runbook.Ask:
		return w.append(ctx, done("would ask %s", w.step.Asks.Role))
	case runbook.Watch:
		return w.append(ctx, done("would watch it"))
	case runbook.Tell:
		return w.append(ctx, done("would tell it"))
	case runbook.Exercise:
		if o, none := w.nothing(); none {
			return w.finish(ctx, o, false, false)
		}
		return w.append(ctx, done("would try it, %d times at the most", max(w.action.Sends, 1)))
	default:
		return w.append(ctx, done("would wait for it, %s at the most", w.step.Timeout))
	}
	o, there, err := w.look(ctx)
	if err != nil {
		return w.fail(ctx, err, o, true)
	}
	effect, err := w.effect(ctx, w.step)
	if err != nil {
		return w.fail(ctx, fmt.Errorf("say exactly what would happen: %w", err), o, true)
	}
	said := incident.ChangeForeseen{Step: w.step.ID, Action: w.step.Uses, There: there, Effect: effect}
	if there {
		return w.append(ctx, said, done("nothing to do: %s", o.Summary))
	}
	return w.append(ctx, said, done("would: %s", effect.What))
}
