// Package view is what follows from an incident's record for whoever looks at it:
// one answer to each question that a card, a command, App Home or a review has.
//
// It is pure: State, plan, roster and the time go in, and the same answer comes out
// for everybody. It knows no face, and says nothing in any face's language. Where
// two places ask the same question, they ask it here: what is offered is offered by
// the code that would refuse.
package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// View is an incident at one moment, with the plan of its newest run. It may be kept
// no longer than the State.
type View struct {
	*incident.State
	Plan   *runbook.Plan
	Roster incident.Roster
	Now    time.Time

	gates map[string]bool
}

// New is the view of that State. plan is what [Plans.Of] gives for it; nil counts as
// a plan without steps.
func New(s *incident.State, plan *runbook.Plan, roster incident.Roster, now time.Time) View {
	if plan == nil {
		plan = &runbook.Plan{}
	}
	return View{State: s, Plan: plan, Roster: roster, Now: now, gates: plan.BeforeGo()}
}

// plansKept bounds how many plans are kept decoded.
const plansKept = 16

// Plans keeps the plans of runs decoded, with the lists that were found since. It is
// safe for concurrent use.
type Plans struct {
	mu    sync.Mutex
	kept  map[planKey]*runbook.Plan
	order []planKey
}

type planKey struct {
	incident incident.ID
	run      incident.RunID
	// lists are those that were found since: after a record was set back they may have
	// been found anew.
	lists string
}

// Of is the plan of the State's current run as it is now. It must not be changed.
func (p *Plans) Of(s *incident.State) (*runbook.Plan, error) { return p.OfRun(s.ID, s.Run) }

// OfRun is the plan of any run of an incident.
func (p *Plans) OfRun(id incident.ID, r *incident.Run) (*runbook.Plan, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := planKey{id, r.Name, found(r)}
	if plan := p.kept[key]; plan != nil {
		return plan, nil
	}
	plan, err := Plan(r)
	if err != nil {
		return nil, err
	}
	if p.kept == nil {
		p.kept = map[planKey]*runbook.Plan{}
	}
	p.kept[key], p.order = plan, append(p.order, key)
	if len(p.order) > plansKept {
		delete(p.kept, p.order[0])
		p.order = slices.Delete(p.order, 0, 1)
	}
	return plan, nil
}

// found are the lists of a run, in one word.
func found(r *incident.Run) string {
	var all []string
	for _, group := range slices.Sorted(maps.Keys(r.Expanded)) {
		all = append(all, fmt.Sprintf("%s%q", group, r.Expanded[group].Items))
	}
	return strings.Join(all, "")
}

// Plan decodes the plan of a run and expands its lists. [Plans] keeps what it gives.
func Plan(r *incident.Run) (*runbook.Plan, error) {
	plan, err := runbook.DecodePlan(r.Plan.Plan)
	if err != nil {
		return nil, err
	}
	lists := map[string][]string{}
	for group, e := range r.Expanded {
		lists[group] = e.Items
	}
	return plan.Expand(lists), nil
}

// Title is what people call a step.
func (v View) Title(step string) string {
	if s, ok := v.Plan.Step(step); ok && s.Title != "" {
		return s.Title
	}
	return step
}

// Gate says that Go weighs the step.
func (v View) Gate(step string) bool { return v.gates[step] }

// Showing are the steps of the plan whose action shows that.
func (v View) Showing(t incident.Trait) []runbook.Step { return v.Plan.Showing(t) }

// Shown says that every step of the plan that shows it is done; true of a plan that
// does not look for it.
func (v View) Shown(t incident.Trait) bool {
	for _, s := range v.Showing(t) {
		if v.Step(s.ID).Status != incident.Done {
			return false
		}
	}
	return true
}

// Promoted says that a change was made that cannot be taken back at once.
func (v View) Promoted() bool {
	return slices.ContainsFunc(v.Plan.Steps, func(s runbook.Step) bool {
		return s.NoReturn && v.Step(s.ID).Status == incident.Done
	})
}

// Writes says that the target's database was moved and seen to write, as far as the
// plan looks for that.
func (v View) Writes() bool { return v.Promoted() && v.Shown(incident.DatabaseWrites) }

// Ends says that nothing is left of the run but to resolve the incident.
func (v View) Ends() bool {
	phase := v.Phase()
	return phase == "mitigated" || phase == "aborted" || phase == "ended" || phase == "taken back"
}

// RunOver is when the run came to its end, or now.
func (v View) RunOver() time.Time {
	for _, t := range []time.Time{v.MitigatedAt, v.AbortedAt, v.EndedAt, v.ResolvedAt} {
		if !t.IsZero() {
			return t
		}
	}
	return v.Now
}
