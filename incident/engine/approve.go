package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// An approval carries one intention of each step it covers. After ChangeIntended
// the same step needs a new one.

// yes is the approval that the step may go on with, "" if there is none left. It
// is one that showed the step's effect, whichever step it was asked for.
func yes(s *incident.State, step runbook.Step) (question string) {
	st := s.Step(step.ID)
	if !st.Cleared() {
		return ""
	}
	return st.Approved
}

// covered says that the step waits for an approval that is asked for with
// another one.
func covered(s *incident.State, step runbook.Step) bool {
	return step.CoveredBy != "" && yes(s, step) == "" && !s.Step(step.CoveredBy).Status.Settled()
}

// approved returns nil when the step has an approval to go on with. Otherwise it
// looks whether the change is there already, which needs no approval, and else
// asks, and returns errStop.
func (w *work) approved(ctx context.Context) error {
	if before, err := w.approvedAgain(ctx); before || err != nil {
		return err
	}
	o, there, err := w.look(ctx)
	if err == nil && there {
		if err := w.started(ctx); err != nil {
			return err
		}
		if err := w.finish(ctx, o, false, true); err != nil {
			return err
		}
		return errStop
	}
	if w.dropped != "" {
		return w.ask(ctx, "It was accepted and did not come about: "+w.dropped)
	}
	return w.ask(ctx, "")
}

// ask puts the step to people, with its exact effect as it is now.
func (w *work) ask(ctx context.Context, why string) error {
	effects, fingerprint, err := w.effects(ctx, w.step)
	if err != nil {
		return w.fail(ctx, fmt.Errorf("say exactly what would happen: %w", err), Outcome{}, true)
	}
	terms := w.terms()
	err = w.decide(ctx, func(s *incident.State) (incident.Write, error) {
		if s.Over() || s.Step(w.step.ID).Status.Settled() || s.OpenQuestion(w.step.ID) != nil {
			return incident.Write{}, errStop
		}
		return w.write(incident.ApprovalAsked{
			Question:    incident.NewQuestion(),
			Kind:        incident.AskApprove,
			Step:        w.step.ID,
			Title:       w.title(effects),
			Role:        terms.By,
			Count:       terms.Count,
			Confirm:     w.confirm(terms),
			Expires:     w.Clock.Now().Add(terms.Expires),
			Effects:     effects,
			Fingerprint: fingerprint,
			Digest:      w.plan().Digest,
			Again:       why,
		}), nil
	})
	if err != nil {
		return err
	}
	return errStop
}

// title names the question by the largest thing that happens on yes: the point of
// no return, where there is one.
func (w *work) title(effects []incident.Effect) string {
	for _, e := range effects {
		if p, ok := w.plan().Step(e.Step); ok && p.NoReturn {
			return p.Title
		}
	}
	return w.step.Title
}

// terms are the approval's own, or those of the step that covers this one.
func (w *work) terms() runbook.Approval {
	if w.step.Approval != nil {
		return *w.step.Approval
	}
	if over, ok := w.plan().Step(w.step.CoveredBy); ok && over.Approval != nil {
		return *over.Approval
	}
	return runbook.Approval{By: "approver", Confirm: "region"}
}

func (w *work) confirm(a runbook.Approval) string {
	if a.Confirm == "region" {
		return w.plan().Target.Name
	}
	return a.Confirm
}

// stillMeans compares what the step would do now with what was approved. If it
// differs, the approval is void and people are asked anew.
func (w *work) stillMeans(ctx context.Context) error {
	var approved *incident.Question
	err := w.view(ctx, func(s *incident.State) {
		if q := s.Questions[yes(s, w.step)]; q != nil {
			c := *q
			approved = &c
		}
	})
	if err != nil {
		return err
	}
	if approved == nil {
		return w.ask(ctx, "")
	}
	if age := w.Clock.Now().Sub(approved.At); (approved.Step == w.step.ID || w.refused) && age > w.terms().Expires {
		return w.ask(ctx, fmt.Sprintf("It was approved at %s and not begun since.", approved.At.UTC().Format("15:04:05 UTC")))
	}
	if approved.Digest != w.plan().Digest {
		return w.ask(ctx, "The plan has changed.")
	}
	now, err := w.effect(ctx, w.step)
	if err != nil && approvedUnread(approved, w.step.ID) {
		return nil // it could not be read then either, and that was said
	}
	if err != nil {
		return w.fail(ctx, fmt.Errorf("compare with what was approved: %w", err), Outcome{}, true)
	}
	for _, e := range approved.Effects {
		if e.Step == w.step.ID && e.Bound != now.Bound {
			return w.ask(ctx, "This changed since it was approved: it was "+e.Bound+" and is now "+now.Bound+".")
		}
	}
	return nil
}

// Unread is the Bound of an effect that could not be read when it was shown.
const Unread = "unknown"

func approvedUnread(q *incident.Question, step string) bool {
	for _, e := range q.Effects {
		if e.Step == step {
			return e.Bound == Unread
		}
	}
	return false
}

// Effects reads what a yes to the open question about that step would do now,
// and the fingerprint that a yes is bound to.
func (e *Engine) Effects(ctx context.Context, id incident.ID, step string) ([]incident.Effect, string, error) {
	r := newRun(e, id)
	var raw []byte
	if err := e.Book.View(ctx, id, func(s *incident.State) { raw = s.Plan.Plan }); err != nil {
		return nil, "", err
	}
	if err := r.readPlan(raw); err != nil {
		return nil, "", err
	}
	p, ok := r.plan().Step(step)
	if !ok {
		return nil, "", fmt.Errorf("the plan of %s has no step %q", id, step)
	}
	return r.effects(ctx, p)
}

func (r *run) effects(ctx context.Context, step runbook.Step) ([]incident.Effect, string, error) {
	steps := []runbook.Step{step}
	err := r.view(ctx, func(s *incident.State) {
		for _, p := range r.plan().Steps {
			if p.ID != step.ID && r.together(p, step) && !s.Step(p.ID).Status.Settled() {
				steps = append(steps, p)
			}
		}
	})
	if err != nil {
		return nil, "", err
	}
	var effects []incident.Effect
	bound := []string{r.plan().Digest, r.plan().Mode, r.plan().Target.Name}
	for _, p := range steps {
		effect, err := r.effect(ctx, p)
		if err != nil {
			return nil, "", err
		}
		effects = append(effects, effect)
		bound = append(bound, effect.Step, effect.Bound)
	}
	sum := sha256.Sum256([]byte(strings.Join(bound, "\x00")))
	return effects, hex.EncodeToString(sum[:8]), nil
}

// together says that p is asked for with step: step's approval covers it, or both
// are covered by the same one and p comes later.
func (r *run) together(p, step runbook.Step) bool {
	if p.CoveredBy == step.ID {
		return true
	}
	return step.CoveredBy != "" && p.CoveredBy == step.CoveredBy && r.plan().Needed(p.ID)[step.ID]
}

func (r *run) effect(ctx context.Context, step runbook.Step) (incident.Effect, error) {
	w := &work{run: r, step: step, action: r.Catalog[step.Uses]}
	if w.action.Effect == nil {
		return incident.Effect{Step: step.ID, What: step.Title, Undo: step.Undo}, nil
	}
	w.call = Call{
		Incident: r.id, Plan: r.plan().For(step), Step: step, Attempt: 1, Began: r.Clock.Now(),
		Result: r.result, Task: r.task, Clock: r.Clock,
	}
	if err := r.view(ctx, func(s *incident.State) { w.call.Impact = s.Began() }); err != nil {
		return incident.Effect{}, err
	}
	ctx, stop := w.bounded(ctx)
	defer stop()
	effect, err := w.action.Effect(ctx, w.call)
	if err != nil {
		return incident.Effect{}, fmt.Errorf("effect of %s: %w", step.ID, err)
	}
	effect.Step = step.ID
	if effect.Undo == "" {
		effect.Undo = step.Undo
	}
	return effect, nil
}
