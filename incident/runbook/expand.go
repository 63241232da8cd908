package runbook

import "slices"

// Expand gives the plan as it is once lists were found at run time: each step that
// is carried out for each of a list (EachOf) stands once for each item, with the id
// group/item. lists are the items by group; a group that is not among them stays as
// it is, and cannot begin. Who needed the group needs all its items; a step of the
// same list needs that of its own item. With an empty list the group's needs are
// handed on. The plan itself stays as it is, and so does its digest.
func (p *Plan) Expand(lists map[string][]string) *Plan {
	if len(lists) == 0 {
		return p
	}
	out := *p
	out.Steps = nil
	of := map[string]Step{} // groups that are expanded
	for _, s := range p.Steps {
		if _, known := lists[s.ID]; known && s.EachOf != "" {
			of[s.ID] = s
		}
	}
	for _, s := range p.Steps {
		items := []string{""}
		if _, expanded := of[s.ID]; expanded {
			items = lists[s.ID]
		}
		for _, item := range items {
			c := s
			if item != "" {
				c.ID, c.Group, c.Item, c.Title = s.ID+"/"+item, s.ID, item, s.Title+": "+item
			}
			c.Needs = itemsOf(s.Needs, s, item, of, lists)
			c.Rerun = itemsOf(s.Rerun, s, item, of, lists)
			if a := s.Approval; a != nil {
				own := *a
				own.Covers = itemsOf(a.Covers, s, item, of, lists)
				c.Approval = &own
			}
			if by, expanded := of[s.CoveredBy]; expanded && by.EachOf == s.EachOf && item != "" {
				c.CoveredBy = s.CoveredBy + "/" + item
			}
			out.Steps = append(out.Steps, c)
		}
	}
	return &out
}

// itemsOf replaces the groups among ids by their items.
func itemsOf(ids []string, s Step, item string, of map[string]Step, lists map[string][]string) []string {
	var out []string
	add := func(id string) {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	for _, id := range ids {
		group, expanded := of[id]
		switch {
		case !expanded:
			add(id)
		case item != "" && group.EachOf == s.EachOf:
			add(id + "/" + item)
		case len(lists[id]) == 0:
			for _, n := range itemsOf(group.Needs, s, item, of, lists) {
				add(n)
			}
		default:
			for _, i := range lists[id] {
				add(id + "/" + i)
			}
		}
	}
	return out
}
