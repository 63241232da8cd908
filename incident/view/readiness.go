package view

import (
	"slices"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Readiness is how the steps stand that a Go weighs.
type Readiness struct {
	// Tally counts them by their verdicts; Running, Left are those that have none yet,
	// Overridden those that failed and that a person went past.
	incident.Tally
	Running, Left, Overridden int
	// Bad are those that failed or are unknown and those that passed and deserve a
	// second look, advice included, the worst first.
	Bad []runbook.Step
	// Stopped are required and failed; Locked those of them that nobody may go past.
	Stopped, Locked []runbook.Step
	// Busy are under way, wanted again, or about to begin: Go waits for them. One
	// that cannot begin because another failed is not waited for.
	Busy []runbook.Step
	// Again are under way, or wanted once more after they had been carried out.
	Again []runbook.Step
}

// Locked steps are never gone past: what comes after would do harm without them.
func Locked(s runbook.Step) bool { return s.Locked || s.NoReturn }

// Weighed says that a step is one of the checks that Go weighs.
func (v View) Weighed(step string) bool {
	s, ok := v.Plan.Step(step)
	return ok && v.gates[step] && s.Kind != runbook.Go
}

// Readiness says how the checks that Go weighs stand.
func (v View) Readiness() Readiness {
	var r Readiness
	for _, s := range v.Plan.Steps {
		if !v.gates[s.ID] || s.Kind == runbook.Go {
			continue
		}
		st := v.Step(s.ID)
		if st.Status == incident.Running || st.Status == incident.Pending && st.Attempt > 0 {
			r.Again = append(r.Again, s)
		}
		if st.Status == incident.Running || st.Status == incident.Pending && (st.Attempt > 0 || v.begins(s)) {
			r.Busy = append(r.Busy, s)
		}
		switch st.Status {
		case incident.Skipped:
			r.Overridden++
		case incident.Running:
			r.Running++
		case incident.Pending:
			r.Left++
		case incident.Failed:
			r.Stopped = append(r.Stopped, s)
			if Locked(s) {
				r.Locked = append(r.Locked, s)
			}
		case incident.Done, incident.Advised:
		}
	}
	var found []incident.Finding
	for _, f := range v.Findings() {
		if f.Verdict != "" {
			found = append(found, f.Finding)
		}
	}
	r.Tally = incident.Count(found)
	for _, f := range incident.WorstFirst(found) {
		if s, ok := v.Plan.Step(f.Step); ok && !f.Well() {
			r.Bad = append(r.Bad, s)
		}
	}
	return r
}

// Finding is how a check stands that Go weighs.
type Finding struct {
	// Finding is as an assessment would have it; its verdict is empty while there is
	// none.
	incident.Finding
	State incident.StepState
	// Made is when it was found.
	Made time.Time
}

// Findings are those checks, in the order of the plan.
func (v View) Findings() []Finding {
	var out []Finding
	for _, s := range v.Plan.Steps {
		if v.gates[s.ID] && s.Kind != runbook.Go {
			out = append(out, FindingOf(s, v.Step(s.ID)))
		}
	}
	return out
}

// FindingOf is how a step stands on the record.
func FindingOf(s runbook.Step, st incident.StepState) Finding {
	f := Finding{State: st, Made: st.Ended, Finding: incident.Finding{Step: s.ID, Action: s.Uses, Title: s.Title, Gate: runbook.GateOf(s)}}
	switch st.Status {
	case incident.Done:
		f.Summary, f.Measured, f.Evidence = st.Finished.Summary, st.Finished.Measured, st.Finished.Evidence
	case incident.Skipped:
		f.Summary = "gone past: " + st.SkipReason
	case incident.Failed, incident.Advised:
		f.Summary, f.Measured, f.Evidence = st.Failure.Error, st.Failure.Measured, st.Failure.Evidence
		f.Hint, f.Cause, f.Last = st.Failure.Hint, st.Failure.Cause, st.Failure.Last
		if st.Status == incident.Advised {
			f.Gate = incident.GateAdvice // a required one is advice in some runs
		}
	case incident.Pending, incident.Running:
	}
	f.Verdict = st.Verdict()
	return f
}

// begins says that nothing but time keeps a step from beginning: nothing that it
// needs failed, and no person is asked first.
func (v View) begins(step runbook.Step) bool {
	if step.Kind == runbook.Go || step.Kind == runbook.Ask {
		return false
	}
	for id := range v.Plan.Needed(step.ID) {
		need, _ := v.Plan.Step(id)
		st := v.Step(id)
		if st.Status == incident.Failed || (need.Kind == runbook.Go || need.Kind == runbook.Ask) && !st.Status.Settled() {
			return false
		}
	}
	return true
}

// Override is something that a person went on without.
type Override struct {
	Step runbook.Step
	// Gate says that it was one of what Go weighs.
	Gate bool
	By   string
	Why  string
	At   time.Time
	// Failure is how it had failed.
	Failure incident.StepFailed
}

// Overrides are what people went on without, in the order of the plan.
func (v View) Overrides() []Override {
	var out []Override
	for _, s := range v.Plan.Steps {
		if st := v.Step(s.ID); st.Status == incident.Skipped {
			out = append(out, Override{s, v.gates[s.ID], st.SkippedBy, st.SkipReason, st.Ended, st.Failure})
		}
	}
	return out
}

// Change is a change that the run made, or may have made.
type Change struct {
	Step runbook.Step
	// Before is what it replaced, for people.
	Before string
	// Sure is false while nobody knows whether it happened.
	Sure bool
}

// Changes are what the run changed, in the order in which it was begun.
func (v View) Changes() []Change {
	var out []Change
	for _, st := range v.Changed() {
		s, ok := v.Plan.Step(st.ID)
		if !ok {
			s = runbook.Step{ID: st.ID, Title: st.ID, Uses: st.Action}
		}
		out = append(out, Change{s, st.Before, st.Intended == nil})
	}
	return out
}

// WaitFor are the steps that come after these ones and are not settled.
func (v View) WaitFor(steps ...string) []runbook.Step {
	after := map[string]bool{}
	for _, id := range steps {
		after[id] = true
	}
	var out []runbook.Step
	for _, st := range v.Plan.Steps { // needs come first, so one pass finds all
		if !after[st.ID] && slices.ContainsFunc(st.Needs, func(n string) bool { return after[n] }) {
			after[st.ID] = true
			if !v.Step(st.ID).Status.Settled() {
				out = append(out, st)
			}
		}
	}
	return out
}
