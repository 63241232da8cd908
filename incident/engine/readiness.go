package engine

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Readiness carries out the checks of a plan that come before any decision, and looks
// once at the waits that are assessed, all at once, without an incident: the assessment
// of the plan's target, made for that reason.
// What could not be found out is told with what was known last, where the record has
// that and can be read within a moment. It writes nothing, and may be called any number
// of times.
func (e *Engine) Readiness(ctx context.Context, plan *runbook.Plan, why string) incident.AssessmentMade {
	var steps []runbook.Step
	for _, s := range plan.Steps {
		if (s.Kind == runbook.Check || e.Catalog[s.Uses].Assessed) && len(s.Needs) == 0 {
			steps = append(steps, s)
		}
	}
	found := make([]incident.Finding, len(steps))
	incident.Together(e.Clock, len(steps), func(i int) { found[i] = e.find(ctx, plan, steps[i]) })
	made := incident.AssessmentMade{
		Why: why, Source: plan.Source.Name, Target: plan.Target.Name, Mode: plan.Mode, Digest: plan.Digest, Findings: found,
	}
	if incident.Count(found).Unknown > 0 {
		e.platform(ctx, func(p *incident.Platform) {
			for i := range found {
				if found[i].Verdict == incident.Unsure {
					found[i].Last = p.Last(made.Target, found[i].Step)
				}
			}
		})
	}
	return made
}

// find carries out one check.
func (e *Engine) find(ctx context.Context, plan *runbook.Plan, s runbook.Step) incident.Finding {
	f := incident.Finding{Step: s.ID, Action: s.Uses, Title: s.Title, Gate: runbook.GateOf(s)}
	a, ok := e.Catalog[s.Uses]
	if !ok {
		f.Verdict, f.Summary = incident.Unsure, fmt.Sprintf("this version has no action %q", s.Uses)
		return f
	}
	seen, yes, err := e.lookOnce(ctx, a, Call{
		Plan: plan.For(s), Step: s, Attempt: 1, Began: e.Clock.Now(), Clock: e.Clock,
		Result: func(string) (Outcome, bool) { return Outcome{}, false },
		Task:   func(string) (incident.Task, bool) { return incident.Task{}, false },
	})
	f.Summary, f.Measured, f.Evidence, f.Asks = seen.Summary, seen.Measured, seen.Evidence, seen.Asks
	if err != nil {
		call := incident.CallErrorOf(err)
		f.Summary, f.Hint, f.Cause = text.Bare(err), call.Hint, call.Cause
	}
	f.Verdict = verdict(seen, yes, err)
	return f
}

// lookOnce looks within the step's time, without a run.
func (e *Engine) lookOnce(ctx context.Context, a Action, call Call) (Outcome, bool, error) {
	call.Impact = call.Began
	within := call.Step.Timeout
	if call.Step.Kind != runbook.Check { // whose time is for more than one look
		within = min(within, cmp.Or(a.CallTimeout, within))
	}
	ctx, stop := e.Clock.WithTimeout(ctx, within, fmt.Errorf("%s took longer than %s", call.Step.ID, within))
	defer stop()
	type look struct {
		Outcome
		yes bool
	}
	seen, err := incident.Within(ctx, e.Clock, func(ctx context.Context) (look, error) {
		o, ok, err := a.Look(ctx, call)
		return look{o, ok}, err
	})
	return seen.Outcome, seen.yes, err
}

// verdict is what a look came to: what was not found out never passes, whatever it
// lets go on.
func verdict(o Outcome, yes bool, err error) incident.Verdict {
	switch {
	case err != nil && !incident.CallErrorOf(err).Definite:
		return incident.Unsure
	case err != nil || !yes:
		return incident.Fail
	case o.Measured.Verdict == "":
		return incident.Pass
	}
	return o.Measured.Verdict
}

// platformWithin is how long what was known before may take to be read: it is beside
// what was asked, and the record may be what does not answer.
const platformWithin = 2 * time.Second

// platform shows what the platform log says, as far as it can be read soon; otherwise
// what it said when it was last read. Without a record it shows nothing.
func (e *Engine) platform(ctx context.Context, see func(*incident.Platform)) {
	if e.Book == nil {
		return
	}
	ctx, stop := e.Clock.WithTimeout(ctx, platformWithin, fmt.Errorf("the platform log was not read within %s", platformWithin))
	defer stop()
	if err := e.Book.View(ctx, incident.PlatformLog, func(s *incident.State) { see(s.Platform) }); err != nil {
		e.log.Debug().Err(err).Msg("what was known before of a check cannot be read now")
		e.Book.Known(incident.PlatformLog, func(s *incident.State) { see(s.Platform) })
	}
}
