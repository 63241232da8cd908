package runbook

import (
	"encoding/json"
	"slices"
)

// Changed is a step whose change a run made, and what that replaced.
type Changed struct {
	Step  string
	Prior json.RawMessage
}

// Undo makes the plan of a run that takes these changes back: the graph reversed, so
// that what was changed last is taken back first. left are the changed steps that
// the plan does not touch: points of no return, and those of which nothing is left.
func (p *Plan) Undo(cat Catalog, changed []Changed) (plan *Plan, left []Step, err error) {
	out := *p
	out.Title, out.Steps, out.Sections, out.Digest = "Take back", nil, []Section{{ID: "undo", Title: "Take back"}}, ""
	back := map[string]json.RawMessage{}
	for _, c := range changed {
		s, ok := p.Step(c.Step)
		switch {
		case !ok:
		case s.NoReturn || !cat[s.Uses].Undoable:
			left = append(left, s)
		default:
			back[s.ID] = c.Prior
		}
	}
	for _, s := range slices.Backward(p.Steps) {
		prior, taken := back[s.ID]
		if !taken {
			continue
		}
		u := Step{
			ID: "undo-" + s.ID, Group: "undo-" + s.Group, Section: "undo", Title: "Take back: " + s.Title, Source: s.Source,
			Uses: s.Uses, Kind: Change, With: s.With, Gate: Required, Timeout: s.Timeout, Usually: s.Usually,
			Undo: s.Undo, Home: s.Home, Item: s.Item, Undoes: s.ID, Prior: prior,
		}
		for _, later := range p.Steps {
			if _, taken := back[later.ID]; taken && p.Needed(later.ID)[s.ID] {
				u.Needs = append(u.Needs, "undo-"+later.ID)
			}
		}
		out.Steps = append(out.Steps, u)
	}
	for _, s := range p.Steps { // who closes the incident closes what the run had opened
		if s.Closing {
			out.Steps = append(out.Steps, s)
			if i := slices.IndexFunc(p.Sections, func(x Section) bool { return x.ID == s.Section }); i >= 0 && !slices.Contains(out.Sections, p.Sections[i]) {
				out.Sections = append(out.Sections, p.Sections[i])
			}
		}
	}
	out.Digest, err = out.Sum()
	return &out, left, err
}
