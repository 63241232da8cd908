package runbook

import (
	"maps"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// link works out what each written need means. It looks at steps that do not take
// part as well: they hand on their own needs, and a cycle through one of them is
// no less a mistake.
func (c *compiler) link(all []*instance, f Facts) {
	byID := map[string]*instance{}
	byGroup := map[string][]*instance{}
	for _, i := range all {
		byID[i.id] = i
		byGroup[i.step.id.value] = append(byGroup[i.step.id.value], i)
	}
	for _, i := range all {
		for _, t := range i.needs {
			id, err := render(t.value, c.facts(f, i), i.each.given())
			if err != nil {
				c.fault(t.at.Fault("need %q: %v", strict.Short(t.value), err))
				c.unresolvable = true
				continue
			}
			l := link{at: t, to: byGroup[id]}
			if one := byID[id]; one != nil {
				l.to = []*instance{one}
			} else if l.to != nil {
				l.to = c.chosen(i, l.to, f)
			}
			if l.to == nil {
				c.unknownNeed(t, id, byGroup)
				continue
			}
			if a, known := c.cat[l.to[0].uses.value]; known && !a.Kind.Ends() {
				c.fault(t.at.Fault("needs %q, which is a watch and never ends", id))
			}
			i.links = append(i.links, l)
		}
	}
}

// chosen are those of a step's copies that i waits for: of the services that its
// needs_of chooses, all where it has none.
func (c *compiler) chosen(i *instance, copies []*instance, f Facts) []*instance {
	p := c.needsOf[i.step]
	if p == nil {
		return copies
	}
	out := []*instance{} // not nil: the step is known, even if nothing of it is waited for
	for _, o := range copies {
		ok, err := true, error(nil)
		if o.each.given() && o.service.Name != "" {
			ok, err = holds(p, c.facts(f, o))
		}
		if err != nil {
			c.fault(i.needsOf.at.Fault("%v", err))
		}
		if ok {
			out = append(out, o)
		}
	}
	return out
}

func (c *compiler) unknownNeed(t text, id string, byGroup map[string][]*instance) {
	c.unresolvable = true
	if c.src.incomplete {
		return // it may stand in the part that could not be read
	}
	group, copied, isCopy := strings.Cut(id, "/")
	of, known := byGroup[group]
	switch {
	case !isCopy || !known:
		c.fault(t.at.Fault("needs the unknown step %q%s", id, strict.DidYouMean(group, slices.Collect(maps.Keys(byGroup)))))
	case !of[0].each.given():
		c.fault(t.at.Fault("needs %q, but step %q is not repeated for each service: write %q", id, group, group))
	default:
		var services []string
		for _, o := range of {
			services = append(services, o.service.Name)
		}
		c.fault(t.at.Fault("needs %q, but there is no service %q%s", id, copied, strict.DidYouMean(copied, services)))
	}
}

// cycles reports steps that wait for each other, one for each strongly connected component, with
// the place of every need in it. It says whether there was one.
func (c *compiler) cycles(all []*instance) bool {
	found := false
	for _, component := range stronglyConnected(all) {
		found = true
		path := cycle(component)
		// Begin with the step that comes first in the files, so that the same
		// cycle is told in the same way for each mode.
		first := 0
		for k := range path {
			if before(path[k].from, path[first].from, all) {
				first = k
			}
		}
		path = append(slices.Clone(path[first:]), path[:first]...)
		var names, places []string
		for _, e := range path {
			names = append(names, e.from.step.id.value)
			places = append(places, e.link.at.at.String())
		}
		names = append(names, names[0])
		c.fault(path[0].link.at.at.Fault("steps wait for each other in a cycle: %s (%s)",
			strings.Join(names, " -> "), strings.Join(places, ", ")))
	}
	return found
}

func before(a, b *instance, all []*instance) bool {
	return slices.Index(all, a) < slices.Index(all, b)
}

// stronglyConnected are the groups of steps that can reach each other (Tarjan), without the
// groups of one that do not need themselves.
func stronglyConnected(all []*instance) [][]*instance {
	var (
		out     [][]*instance
		stack   []*instance
		index   = map[*instance]int{}
		low     = map[*instance]int{}
		onStack = map[*instance]bool{}
		visit   func(i *instance)
	)
	visit = func(i *instance) {
		index[i] = len(index) + 1
		low[i] = index[i]
		stack = append(stack, i)
		onStack[i] = true
		self := false
		for _, l := range i.links {
			for _, n := range l.to {
				self = self || n == i
				if index[n] == 0 {
					visit(n)
					low[i] = min(low[i], low[n])
				} else if onStack[n] {
					low[i] = min(low[i], index[n])
				}
			}
		}
		if low[i] != index[i] {
			return
		}
		at := slices.Index(stack, i)
		component := slices.Clone(stack[at:])
		stack = stack[:at]
		for _, k := range component {
			onStack[k] = false
		}
		if len(component) > 1 || self {
			out = append(out, component)
		}
	}
	for _, i := range all {
		if index[i] == 0 {
			visit(i)
		}
	}
	return out
}

type edge struct {
	from *instance
	link link
}

// cycle is the shortest way from a component's first member back to itself.
func cycle(component []*instance) []edge {
	start := component[0]
	came := map[*instance]edge{}
	queue := []*instance{start}
	for len(queue) > 0 {
		i := queue[0]
		queue = queue[1:]
		for _, l := range i.links {
			for _, n := range l.to {
				if n == start {
					path := []edge{{i, l}}
					for i != start {
						e := came[i]
						path = append(path, e)
						i = e.from
					}
					slices.Reverse(path)
					return path
				}
				if _, seen := came[n]; !seen && slices.Contains(component, n) {
					came[n] = edge{i, l}
					queue = append(queue, n)
				}
			}
		}
	}
	return nil
}

// resolve turns links into needs among the steps that take part: a step that was
// left out, or that nothing waits for, is replaced by what it needed itself. Of those inherited needs only
// the ones are kept that no other need implies.
func resolve(all []*instance) map[*instance][]*instance {
	place := map[*instance]int{}
	for n, i := range all {
		place[i] = n
	}
	type needs struct{ direct, inherited map[*instance]bool }
	done := map[*instance]needs{}
	var of func(i *instance) needs
	of = func(i *instance) needs {
		if n, ok := done[i]; ok {
			return n
		}
		n := needs{map[*instance]bool{}, map[*instance]bool{}}
		for _, l := range i.links {
			for _, o := range l.to {
				if o.in && !o.left {
					n.direct[o] = true
					continue
				}
				through := of(o)
				maps.Copy(n.inherited, through.direct)
				maps.Copy(n.inherited, through.inherited)
			}
		}
		done[i] = n
		return n
	}
	full := map[*instance][]*instance{}
	for _, i := range all {
		n := of(i)
		both := maps.Clone(n.direct)
		maps.Copy(both, n.inherited)
		full[i] = slices.SortedFunc(maps.Keys(both), func(a, b *instance) int { return place[a] - place[b] })
	}
	out := map[*instance][]*instance{}
	for _, i := range all {
		if !i.in {
			continue
		}
		for _, o := range full[i] {
			implied := !done[i].direct[o] && slices.ContainsFunc(full[i], func(other *instance) bool {
				return other != o && reaches(other, o, full)
			})
			if !implied {
				out[i] = append(out[i], o)
			}
		}
	}
	return out
}

// order sorts the steps that take part so that each comes after what it needs;
// among those that could be next, the first in the files is.
func order(all []*instance, needs map[*instance][]*instance) []*instance {
	var out []*instance
	placed := map[*instance]bool{}
	for {
		next := slices.IndexFunc(all, func(i *instance) bool {
			return i.in && !placed[i] && !slices.ContainsFunc(needs[i], func(n *instance) bool { return !placed[n] })
		})
		if next < 0 {
			return out
		}
		placed[all[next]] = true
		out = append(out, all[next])
	}
}
