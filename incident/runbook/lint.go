package runbook

import (
	"io/fs"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// LintFile loads and lints, and returns everything that is wrong at once. Its
// error is an [Unread]: the runbook file could not be read at all.
func LintFile(fsys fs.FS, name string, cat Catalog) (Faults, error) {
	s, err := Load(fsys, name)
	if s == nil {
		return nil, err
	}
	return s.Lint(cat), nil
}

// Lint returns everything that can be found wrong without an incident, and nil
// when there is nothing: what [Load] found, what the catalogue does not know, and
// what cannot be right. For the last it compiles every mode in both directions, and a restore,
// with [RepresentativeFacts].
func (s *Source) Lint(cat Catalog) Faults {
	c := newCompiler(s, cat)
	c.faults = append(c.faults, s.faults...)
	c.check()
	for _, f := range s.representative(cat) {
		if p := c.plan(f); p != nil {
			c.faults = append(c.faults, c.uncovered(p)...)
			c.moved(p)
			c.left(p, f)
			c.unsaid(p)
		}
	}
	c.unused()
	c.noWayBack()
	c.differing()
	return c.faults.Sorted()
}

// representative are the facts of what the runbook was written for: each mode, the way back
// in it, a detach where it can be unplanned, and a restore, a move of servers or a
// rebuild where a section is about one.
func (s *Source) representative(cat Catalog) (all []Facts) {
	for _, mode := range s.Modes {
		all = append(all, RepresentativeFacts(mode, cat.Parts()...))
		if mode == "unplanned" {
			all = append(all, RepresentativeFacts(mode, cat.Parts()...).Detaching())
		}
	}
	if slices.Contains(s.Modes, "planned") {
		all = append(all, RepresentativeFacts("planned", cat.Parts()...).Back())
	}
	if slices.Contains(s.Modes, "unplanned") {
		all = append(all, RepresentativeFacts("unplanned", cat.Parts()...).Fleeing())
	}
	for _, apart := range []Facts{RepresentativeFacts("planned", cat.Parts()...).Restoring(), RepresentativeFacts("planned", cat.Parts()...).Servers(), RepresentativeFacts("planned", cat.Parts()...).Rebuilding()} {
		if slices.ContainsFunc(s.sections, func(s *section) bool { return s.kind.value == string(apart.Kind) }) {
			all = append(all, apart)
		}
	}
	return all
}

// unused checks the inputs of steps that were in no plan so far, because their
// condition asks for something the made-up incidents do not have.
func (c *compiler) unused() {
	f := RepresentativeFacts(modes[0], c.cat.Parts()...)
	if len(c.src.Modes) > 0 {
		f = RepresentativeFacts(c.src.Modes[0], c.cat.Parts()...)
	}
	f = c.known(f)
	for _, s := range c.steps {
		if c.used[s] {
			continue
		}
		i := &instance{step: s, id: s.id.value}
		if s.each.given() {
			i.service = f.Topology.Services[0]
		}
		c.step(i, f)
	}
}

// noWayBack finds changes whose action does not say how they are undone, and
// steps that would do more than tell after everybody has gone.
func (c *compiler) noWayBack() {
	for _, s := range c.steps {
		if a, ok := c.cat[s.uses.value]; ok && s.closing && (a.Kind != Tell || len(s.needs) > 0) {
			c.fault(s.uses.at.Fault("step %q is carried out when the incident is resolved, so it can only tell (%s is a %s) and need nothing", s.id.value, s.uses.value, a.Kind))
		}
		a, ok := c.cat[s.uses.value]
		switch {
		case !ok || a.Kind != Change:
		case a.Undo == "" && !a.NoReturn:
			c.fault(s.uses.at.Fault("%s changes something, says no way back, and is not marked as a point of no return", s.uses.value))
		case !a.Undoable && a.Leaves == "" && !a.NoReturn:
			c.fault(s.uses.at.Fault("%s changes something that cannot be taken back by itself, and does not say that there is nothing to take back", s.uses.value))
		}
	}
}

// unsaid finds gates that a person may go past without being told what it comes to.
func (c *compiler) unsaid(p *Plan) {
	gates := p.BeforeGo()
	for _, s := range p.Steps {
		if gates[s.ID] && s.Kind != Go && s.Kind != Ask && s.Kind != Tell && s.Gate == Required && !s.Locked && !s.NoReturn && s.Without == "" {
			c.fault(c.groups[s.Group].at.Fault("Go can be said without step %q, and nothing says what that comes to: give it \"without\", a sentence", s.Group))
		}
	}
}

// moved finds steps that would send users to a Region whose database cannot be
// written to, or whose target groups nobody looked at.
func (c *compiler) moved(p *Plan) {
	for _, s := range p.Steps {
		if !s.Shows(incident.MovesUsers) {
			continue
		}
		database, targets := false, false
		for _, n := range p.above(s) {
			database = database || n.Shows(incident.WriterMoved)
			targets = targets || n.Shows(incident.TargetsHealthy)
		}
		at := c.groups[s.Group].uses.at
		if !database {
			c.fault(at.Fault("step %q moves users, but in mode %s it does not need the database to be moved first (%s)", s.Group, p.Mode, c.showing(incident.WriterMoved)))
		}
		if !targets {
			c.fault(at.Fault("step %q moves users, but in mode %s it does not need healthy target groups first (%s)", s.Group, p.Mode, c.showing(incident.TargetsHealthy)))
		}
	}
}

// showing names the actions that show that.
func (c *compiler) showing(t incident.Trait) string {
	var ids []string
	for id, a := range c.cat {
		if slices.Contains(a.Proves, t) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	if len(ids) == 0 {
		return "this version has no action for it"
	}
	return strings.Join(ids, " or ")
}

// above are all steps that come before s because it needs them.
func (p *Plan) above(s Step) []Step {
	var out []Step
	seen := map[string]bool{}
	queue := slices.Clone(s.Needs)
	for len(queue) > 0 {
		id := queue[0]
		queue = queue[1:]
		if seen[id] {
			continue
		}
		seen[id] = true
		if n, ok := p.Step(id); ok {
			out = append(out, n)
			queue = append(queue, n.Needs...)
		}
	}
	return out
}

// left finds steps that an unplanned failover would wait for although they need
// the Region that is gone.
func (c *compiler) left(p *Plan, f Facts) {
	for _, s := range p.Steps {
		// A tell never holds anything up.
		if s.Gate == Advice || s.Kind == Tell || !s.Kind.Ends() || !s.leaves(f) {
			continue
		}
		c.fault(c.groups[s.Group].uses.at.Fault(
			"in mode unplanned step %q would need the Region being left (%s calls %s): leave it out there, use a way that lives elsewhere, or make it \"gate: advice\"",
			s.Group, s.Uses, s.Home))
	}
}

// leaves says that the step asks the Region that an unplanned run leaves.
func (s *Step) leaves(f Facts) bool {
	return f.Mode == "unplanned" && (s.Home == "source" || s.Home == f.Source.Name)
}

// differing finds an identifier that is written out in two steps, and differently.
func (c *compiler) differing() {
	names := c.identifiers()
	first := map[string]text{}
	for _, s := range c.steps {
		if s.with == nil {
			continue
		}
		for k := 0; k+1 < len(s.with.Content); k += 2 {
			key, value := s.with.Content[k].Value, s.with.Content[k+1]
			if value.Kind != yaml.ScalarNode || templated(value.Value) || strings.TrimSpace(value.Value) == "" {
				continue
			}
			scope := key
			if !names[key] {
				if !identifying(key) {
					continue
				}
				// A word like "cluster" means another thing in another system.
				system, _, _ := strings.Cut(s.uses.value, ".")
				scope = system + " " + key
			}
			at := s.file.At(value)
			one, seen := first[scope]
			switch {
			case !seen:
				first[scope] = text{value: value.Value, at: at}
			case one.value != value.Value:
				c.fault(at.Fault("%q is %q here but %q at %s: the same thing needs the same name, best taken from the settings", key, value.Value, one.value, one.at))
			}
		}
	}
}

// identifiers are the keys under which the settings name things.
func (c *compiler) identifiers() map[string]bool {
	out := map[string]bool{"record": true}
	types := []reflect.Type{reflect.TypeFor[Region]()}
	for _, p := range c.cat.Parts() {
		types = append(types, p.typ())
		if t := p.regional(); t != nil {
			types = append(types, t)
		}
	}
	for _, typ := range types {
		for _, f := range strict.Fields(typ) {
			if f.Type.Kind() == reflect.String {
				out[f.Key] = true
			}
		}
	}
	return out
}

func identifying(key string) bool {
	for _, word := range []string{"cluster", "group", "bucket", "zone", "record", "arn", "id"} {
		if key == word || strings.HasSuffix(key, "_"+word) {
			return true
		}
	}
	return false
}
