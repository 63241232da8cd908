package runbook

import (
	"encoding/json"
	"slices"

	"github.com/failoverbot/failoverbot/incident"
)

// Changed is a step whose change a run made, and what that replaced.
type Changed struct {
	Step  string
	Prior json.RawMessage
}

// Made is a run's plan and the changes of it that still stand.
type Made struct {
	Plan    *Plan
	Changed []Changed
}

// Takeable says that the engine can take back what the step changes. Every change is
// either that, or a point of no return, or leaves nothing behind.
func (s Step) Takeable() bool { return s.Kind == Change && !s.NoReturn && s.Leaves == "" }

// Bound are the steps that belong together with points of no return that were passed:
// those that one of them needs, those that need it, and those under the same approval.
// Their changes were made for it, so none of them is taken back behind it: writers that
// start again beside a database that writes elsewhere do harm, and so does the promoted
// Region without the size that it was given.
func (p *Plan) Bound(passed ...string) map[string]bool {
	bound := map[string]bool{}
	for _, id := range passed {
		point, _ := p.Step(id)
		before := p.Needed(id)
		for _, s := range p.Steps {
			together := s.CoveredBy != "" && (s.CoveredBy == point.CoveredBy || s.CoveredBy == id) || point.CoveredBy == s.ID
			if s.ID == id || before[s.ID] || together || p.Needed(s.ID)[id] {
				bound[s.ID] = true
			}
		}
	}
	for _, s := range p.Steps { // what is done for each service stays for all of them, or none
		if s.Group != s.ID && slices.ContainsFunc(p.Steps, func(o Step) bool { return o.Group == s.Group && bound[o.ID] }) {
			bound[s.ID] = true
		}
	}
	return bound
}

// Undo makes the plan of a run that takes these changes back; see [Undo].
func (p *Plan) Undo(changed []Changed) (plan *Plan, left []Step, err error) {
	return Undo([]Made{{p, changed}})
}

// Undo makes the plan of a run that takes back what runs have changed, the newest of
// them first: each graph reversed, so that what was changed last is taken back first.
// A change whose undo takes its time is followed by the wait for it, and at the end
// come the steps that show that orders flow. The traits of a step are not those of its
// undo, which brings about the opposite, so only what is carried out as it was keeps
// them. left are the changed steps that the plan does not touch: points of no return,
// and those of which nothing is left. There has to be at least one run.
func Undo(runs []Made) (plan *Plan, left []Step, err error) {
	newest := runs[0].Plan
	out := *newest
	out.Title, out.Steps, out.Sections, out.Digest = "Take back", nil, []Section{{ID: "undo", Title: "Take back"}}, ""
	var stopped bool // something of what users need
	for _, made := range runs {
		back, stay := made.takeable()
		left = append(left, stay...)
		later := ends(out.Steps) // what a newer run changed is taken back before
		for _, s := range slices.Backward(made.Plan.Steps) {
			prior, taken := back[s.ID]
			if !taken {
				continue
			}
			stopped = stopped || s.Shows(incident.WritersStopped) || s.Shows(incident.MovesUsers)
			out.Steps = append(out.Steps, made.undone(s, prior, back, later)...)
		}
	}
	out.Steps = append(out.Steps, newest.proofs(ends(out.Steps), stopped)...)
	for _, s := range newest.Steps { // what users get is watched on
		if !s.Kind.Ends() && s.Shows(incident.UsersWatched) {
			s.Section, s.Needs = "undo", nil
			out.Steps = append(out.Steps, s)
		}
	}
	for _, s := range newest.Steps { // who closes the incident closes what the run had opened
		if s.Closing {
			out.Steps = append(out.Steps, s)
			if i := slices.IndexFunc(newest.Sections, func(x Section) bool { return x.ID == s.Section }); i >= 0 && !slices.Contains(out.Sections, newest.Sections[i]) {
				out.Sections = append(out.Sections, newest.Sections[i])
			}
		}
	}
	out.Digest, err = out.Sum()
	return &out, left, err
}

// takeable are the changes that are taken back, by step, and the steps that stay.
func (m Made) takeable() (back map[string]json.RawMessage, stay []Step) {
	back = map[string]json.RawMessage{}
	for _, c := range m.Changed {
		s, ok := m.Plan.Step(c.Step)
		switch {
		case !ok:
		case s.Takeable():
			back[s.ID] = c.Prior
		default:
			stay = append(stay, s)
		}
	}
	return back, stay
}

// undone are the steps that take back what s changed: the change, and the wait for it
// where that takes its time.
func (m Made) undone(s Step, prior json.RawMessage, back map[string]json.RawMessage, later []string) []Step {
	u := Step{
		ID: undoes + s.ID, Group: undoes + s.Group, Section: "undo", Title: "Take back: " + s.Title, Source: s.Source,
		Uses: s.Uses, Kind: Change, With: s.With, Gate: Required, Timeout: s.Timeout, Usually: s.Usually,
		Undo: s.Undo, Home: s.Home, Item: s.Item, Undoes: s.ID, Prior: prior, Needs: slices.Clone(later), Turned: s.Turned,
	}
	for _, after := range m.Plan.Steps {
		if _, taken := back[after.ID]; taken && m.Plan.Needed(after.ID)[s.ID] {
			u.Needs = append(u.Needs, after.taken())
		}
	}
	if s.Settles == 0 {
		return []Step{u}
	}
	w := u
	w.ID, w.Group, w.Kind, w.Title = settled+s.ID, settled+s.Group, Wait, "Back as it was: "+s.Title
	w.Needs, w.Timeout, w.Usually = []string{u.ID}, s.Settles, 0
	return []Step{u, w}
}

// The ids of what an undo run does with a step of the run before.
const (
	undoes  = "undo-"
	settled = "back-"
	proof   = "after-"
)

// taken is the step of an undo run after which the change of s is back.
func (s Step) taken() string {
	if s.Settles > 0 {
		return settled + s.ID
	}
	return undoes + s.ID
}

// ends are the steps that no other one needs.
func ends(steps []Step) []string {
	var out []string
	for _, s := range steps {
		if !slices.ContainsFunc(steps, func(o Step) bool { return slices.Contains(o.Needs, s.ID) }) {
			out = append(out, s.ID)
		}
	}
	return out
}

// proofs are the steps that show that orders flow when all is back. Where nothing that
// users need had been stopped, they are advice: what the run before was begun for may
// well last.
func (p *Plan) proofs(after []string, stopped bool) []Step {
	var out []Step
	if len(after) == 0 {
		return nil
	}
	for _, s := range p.Showing(incident.OrdersFlow) {
		s.ID, s.Group, s.Section, s.Turned = proof+s.ID, proof+s.Group, "undo", true
		s.Needs, s.CoveredBy, s.Approval, s.Rerun, s.Awaits, s.Locked = after, "", nil, nil, "", false
		if s.Gate = Required; !stopped {
			s.Gate = Advice
		}
		out = append(out, s)
	}
	return out
}
