package view

import (
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Made is a change that an incident's runs made, or may have made, and that stands.
type Made struct {
	incident.StepState
	// Of is its step in the plan of the run that made it.
	Of runbook.Step
}

// TakeBack is what taking back would do now with what the runs of an incident have
// changed and nobody has taken back since.
type TakeBack struct {
	// Plan of the run that would do it; nil if there is nothing that it could.
	Plan *runbook.Plan
	// Back are the changes that it takes back, in that order; Stay those that stay.
	Back, Stay []Made
	// Passed are the points of no return that were passed, or may have been. What
	// belongs together with them stays.
	Passed []runbook.Step
	// Follows is the run whose changes they are; the newest of several.
	Follows incident.RunID
}

// TakeBack says what of the incident's changes can be taken back. It reads the plans of
// all its runs, so it costs as much as they are long.
func (v View) TakeBack() (TakeBack, error) {
	var t TakeBack
	var made []runbook.Made
	done := map[string]bool{} // by undo runs that came later
	for _, r := range slices.Backward(v.Runs) {
		plan, err := v.planOf(r)
		if err != nil {
			return t, err
		}
		switch {
		case r.Kind == incident.Undo:
			for _, s := range plan.Steps {
				if st := r.Step(s.ID); s.Undoes != "" && s.Kind == runbook.Change && st.Status == incident.Done {
					done[s.Undoes] = true
				}
			}
		case !r.Dry && (r.Kind == incident.Failover || r.Kind == incident.Failback || r.Kind.Apart() || r.Kind == ""):
			if t.Follows == "" {
				t.Follows = r.Name
			}
			made = append(made, t.of(r, plan, done))
		}
	}
	if len(t.Back) == 0 {
		return t, nil
	}
	plan, _, err := runbook.Undo(made)
	if err != nil {
		return t, err
	}
	t.Plan = plan
	slices.SortStableFunc(t.Back, func(a, b Made) int { return place(plan, a) - place(plan, b) })
	return t, nil
}

// place is where in an undo plan a change is taken back.
func place(plan *runbook.Plan, m Made) int {
	return slices.IndexFunc(plan.Steps, func(s runbook.Step) bool { return s.Undoes == m.ID })
}

// of sorts the changes of one run, and returns those that are taken back. Once a point
// of no return was passed in a later run, nothing of an earlier one is.
func (t *TakeBack) of(r *incident.Run, plan *runbook.Plan, done map[string]bool) runbook.Made {
	later := len(t.Passed) > 0
	passed := passed(r, plan)
	var points []string
	for _, s := range passed {
		points = append(points, s.ID)
	}
	t.Passed = append(t.Passed, passed...)
	bound := plan.Bound(points...)
	out := runbook.Made{Plan: plan}
	for _, st := range r.Changed() {
		s, _ := plan.Step(st.ID)
		switch m := (Made{st, s}); {
		case done[st.ID]:
		case later || bound[st.ID] || !s.Takeable():
			t.Stay = append(t.Stay, m)
		case slices.ContainsFunc(t.Back, func(o Made) bool { return o.ID == m.ID }):
			// A later run made it once more; what stood there before all of them counts.
			t.Back[slices.IndexFunc(t.Back, func(o Made) bool { return o.ID == m.ID })] = m
			out.Changed = append(out.Changed, runbook.Changed{Step: st.ID, Prior: st.Prior})
		default:
			t.Back = append(t.Back, m)
			out.Changed = append(out.Changed, runbook.Changed{Step: st.ID, Prior: st.Prior})
		}
	}
	return out
}

// passed are the points of no return of a run that were passed, whoever passed them, or
// may have been. One that was taken back by the other side is none.
func passed(r *incident.Run, plan *runbook.Plan) (out []runbook.Step) {
	for _, s := range plan.Steps {
		st := r.Step(s.ID)
		if s.NoReturn && (st.Intended != nil || st.Status == incident.Done && !willNotCome(r, plan, s.ID)) {
			out = append(out, s)
		}
	}
	return out
}

// willNotCome says that the wait for a change has seen that it will not come about.
func willNotCome(r *incident.Run, plan *runbook.Plan, step string) bool {
	return slices.ContainsFunc(plan.Steps, func(s runbook.Step) bool {
		st := r.Step(s.ID)
		return s.Awaits == step && st.Status == incident.Failed && st.Failure.WillNotCome == step
	})
}

func (v View) planOf(r *incident.Run) (*runbook.Plan, error) {
	if r == v.Run {
		return v.Plan, nil
	}
	return Plan(r)
}

// MayTakeBack says in a sentence why nothing can be taken back by a run of its own now;
// empty: it can. What offers it and what accepts it ask this.
func (v View) MayTakeBack() string {
	if why := v.Begins(incident.Undo); why != "" {
		return why
	}
	t, err := v.TakeBack()
	switch {
	case err != nil:
		return "its plan cannot be read: " + err.Error()
	case v.Diverged != nil:
		return "the record has lost events, and nobody has decided yet how to go on"
	case len(t.Passed) > 0 && t.Plan == nil:
		return "“" + t.Passed[0].Title + "” cannot be taken back, and what was changed for it stays"
	case t.Plan == nil:
		return "nothing is left that could be taken back"
	}
	return ""
}

// TakesBack says that the run that goes on can be stopped and what was changed taken back.
func (v View) TakesBack() bool {
	t, err := v.TakeBack()
	return err == nil && t.Plan != nil && v.Kind != incident.Undo && v.Diverged == nil
}

// Overwrites says that a step stopped at what somebody else changed, and that a person
// may have it overwritten.
func (v View) Overwrites(step string) bool {
	st := v.Step(step)
	return st.Status == incident.Failed && len(st.Failure.Meanwhile) > 0
}

// UndoneBy is the run that took back what a run had changed, or is at it: the newest
// that follows it; nil if none did.
func (v View) UndoneBy(run incident.RunID) *incident.Run {
	for _, r := range slices.Backward(v.Runs) {
		if r.Kind == incident.Undo && r.Follows == run {
			return r
		}
	}
	return nil
}

// Former is the run that the current one takes back; nil if it takes none back.
func (v View) Former() *incident.Run {
	if v.Kind != incident.Undo {
		return nil
	}
	return v.RunOf(v.Follows)
}

// RunEnded is what a run that has ended came to; empty while it lasts.
func (v View) RunEnded() string {
	if v.EndedAt.IsZero() {
		return ""
	}
	return v.Ended.Summary
}

// Was is what stood there before a change, for people; empty if that is not known.
func (m Made) Was() string { return strings.TrimRight(m.Before, ".") }
