package runbook

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"

	"cel.dev/cel-go/cel"

	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// timeouts are how long a step may take that does not say.
var timeouts = map[Kind]time.Duration{
	Check:    30 * time.Second,
	Change:   2 * time.Minute,
	Wait:     10 * time.Minute,
	Exercise: time.Minute,
	Go:       24 * time.Hour,
	Ask:      24 * time.Hour,
	Tell:     30 * time.Second,
	Watch:    30 * time.Second, // of one look
}

// Compile makes the plan of one incident: the steps that apply, every text and
// input filled in and checked, in an order in which each comes after what it
// needs. The same source, catalogue and facts give the same plan.
//
// Its error is a [Faults] when the runbook is at fault, which includes a point of
// no return that no approval covers. What only [Source.Lint] can judge, because it
// takes all modes to see, does not keep a plan from being made.
func (s *Source) Compile(cat Catalog, f Facts) (*Plan, error) {
	if len(s.faults) > 0 {
		return nil, s.faults
	}
	if !slices.Contains(s.Modes, f.Mode) {
		return nil, fmt.Errorf("runbook %q cannot be run in mode %q; it was written for %s", s.Runbook, f.Mode, strict.List(s.Modes, "and"))
	}
	c := newCompiler(s, cat)
	c.check()
	p := c.plan(f)
	if faults := append(c.faults, c.uncovered(p)...).Sorted(); len(faults) > 0 {
		return nil, faults
	}
	if err := p.leads(cat); err != nil {
		return nil, err
	}
	return p, nil
}

// WrongWayError says that what moves the platform cannot move it in the direction of
// these facts. Nothing in the runbook is at fault, and nothing that waits helps.
type WrongWayError struct {
	Source, Target string
	// Why are the reasons of the actions, each once.
	Why error
}

// Error says it with its reasons.
func (e *WrongWayError) Error() string {
	return fmt.Sprintf("%s cannot take over from %s: %v", e.Target, e.Source, e.Why)
}

// Unwrap is the reasons.
func (e *WrongWayError) Unwrap() error { return e.Why }

// leads says whether every action of the plan can do its part in its direction.
func (p *Plan) leads(cat Catalog) error {
	said := map[string]bool{}
	var why []error
	for _, s := range p.Steps {
		leads := cat[s.Uses].Leads
		if leads == nil {
			continue
		}
		if err := leads(p.Topology, p.Source.Name, p.Target.Name); err != nil && !said[err.Error()] {
			said[err.Error()] = true
			why = append(why, err)
		}
	}
	if len(why) == 0 {
		return nil
	}
	return &WrongWayError{p.Source.Name, p.Target.Name, errors.Join(why...)}
}

// Sum is the digest that the plan ought to carry.
func (p *Plan) Sum() (string, error) {
	blank := *p
	blank.Digest = ""
	data, err := json.Marshal(blank)
	if err != nil {
		return "", fmt.Errorf("take the digest of plan %s: %w", p.Runbook, err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:12], nil
}

// compiler holds what is known of a source with a catalogue; plan may be called
// for several facts.
type compiler struct {
	src    *Source
	cat    Catalog
	steps  []*step // those that can be identified, in the order of the files
	groups map[string]*step
	when   map[*step]cel.Program
	where  map[*step]cel.Program
	// needsOf chooses, of repeated steps that a step needs, those that it waits for.
	needsOf map[*step]cel.Program
	// adviceWhen says when a step is only advice.
	adviceWhen map[*step]cel.Program
	faults     Faults
	// unresolvable says that the graph of steps is not what its author meant, so
	// nothing can be said about what comes before what.
	unresolvable bool
	// used are the steps that some plan had, so that their inputs were checked.
	used map[*step]bool
	// said is which copy of a repeated step had a complaint first.
	said map[complaint]string
}

type complaint struct {
	at   place
	kind strict.Kind
}

func newCompiler(s *Source, cat Catalog) *compiler {
	return &compiler{
		src: s, cat: cat, groups: map[string]*step{}, unresolvable: s.incomplete, used: map[*step]bool{}, said: map[complaint]string{},
		when: map[*step]cel.Program{}, where: map[*step]cel.Program{}, needsOf: map[*step]cel.Program{}, adviceWhen: map[*step]cel.Program{},
	}
}

func (c *compiler) fault(f Fault) { c.faults = append(c.faults, f) }

// check finds what is wrong whatever the facts are.
func (c *compiler) check() {
	for _, section := range c.src.sections {
		for _, s := range section.steps {
			c.checkStep(s)
		}
	}
	for _, s := range c.steps {
		c.checkApproval(s)
		c.checkAsks(s)
		c.checkAwaits(s)
		c.checkEachOf(s)
		c.checkRerun(s)
		c.checkWatch(s)
	}
}

func (c *compiler) checkStep(s *step) {
	if id := s.id.value; id != "" {
		if first, twice := c.groups[id]; twice {
			c.fault(s.id.at.Fault("step id %q is used twice: first at %s", id, first.id.at))
			c.unresolvable = true
		} else {
			c.groups[id] = s
			c.steps = append(c.steps, s)
		}
	}
	if uses := s.uses.value; uses != "" {
		if _, ok := c.cat[uses]; !ok {
			c.fault(s.uses.at.Fault("unknown action %q%s", uses, strict.DidYouMean(uses, slices.Collect(maps.Keys(c.cat)))))
			c.unresolvable = true
		}
	} else {
		c.unresolvable = true
	}
	if each := s.each.value; each != "" && each != "services" {
		c.fault(s.each.at.Fault("a step can only be repeated for each of \"services\", not %q", each))
		c.unresolvable = true
	}
	if s.where.value != "" && !s.each.given() {
		c.fault(s.where.at.Fault(`"where" chooses among services and is of no use without "each: services"; use "when"`))
	}
	if g := Gate(s.gate.value); g != "" && g != Required && g != Advice {
		c.fault(s.gate.at.Fault("unknown gate %q%s", g, strict.DidYouMean(string(g), []string{string(Required), string(Advice)})))
	}
	if s.adviceWhen.given() && s.gate.given() {
		c.fault(s.adviceWhen.at.Fault(`"advice_when" says in which runs the step is advice, and "gate" says it for all of them: keep one`))
	}
	if a, known := c.cat[s.uses.value]; known && s.turned && a.Kind != Check && a.Kind != Wait && a.Kind != Change {
		c.fault(s.at.Fault(`"turned" exchanges source and target for a check, a wait or a change, and %s is a %s`, s.uses.value, a.Kind))
	}
	most := c.span(s.timeout, "timeout")
	if most == 0 {
		most = timeouts[c.cat[s.uses.value].Kind]
	}
	if u := c.span(s.usually, "usually"); u > most && most > 0 {
		c.fault(s.usually.at.Fault("the step usually takes %s, and may take at most %s: give it a longer timeout", span(u), span(most)))
	}
	c.condition(s, s.when, c.when, false)
	c.condition(s, s.where, c.where, true)
	c.condition(s, s.needsOf, c.needsOf, true)
	c.condition(s, s.adviceWhen, c.adviceWhen, false)
}

func (c *compiler) condition(s *step, t text, into map[*step]cel.Program, services bool) {
	if t.value == "" {
		if t.given() {
			c.unresolvable = true
		}
		return
	}
	p, faults := condition(t, s.file, services)
	if len(faults) > 0 {
		c.faults = append(c.faults, faults...)
		c.unresolvable = true
		return
	}
	into[s] = p
}

// span reads a duration; 0 when it was not given or is at fault.
func (c *compiler) span(t text, key string) time.Duration {
	if t.value == "" {
		return 0
	}
	d, err := time.ParseDuration(t.value)
	switch {
	case err != nil:
		c.fault(t.at.Fault("%q wants a duration like 30s or 15m, not %q", key, t.value))
		return 0
	case d <= 0:
		c.fault(t.at.Fault("%q has to be longer than nothing, not %q", key, t.value))
		return 0
	}
	return d
}

var roles = []string{"commander", "approver", "responder"}

func (c *compiler) checkApproval(s *step) {
	a := s.approval
	if a == nil {
		return
	}
	if a.by.value != "" && !slices.Contains(roles, a.by.value) {
		c.fault(a.by.at.Fault("unknown role %q%s", a.by.value, strict.DidYouMean(a.by.value, roles)))
	}
	c.people(a.count)
	if a.confirm.value != "" && a.confirm.value != "region" {
		c.fault(a.confirm.at.Fault("\"confirm\" may only be \"region\", not %q", a.confirm.value))
	}
	c.span(a.expires, "expires")
	if len(a.covers) > 0 && s.each.given() {
		c.fault(a.at.Fault("an approval that is asked once for each service cannot cover other steps"))
	}
	for _, t := range a.covers {
		other, ok := c.groups[t.value]
		switch {
		case !ok && c.src.incomplete:
		case !ok:
			c.fault(t.at.Fault("the approval covers the unknown step %q%s", t.value, strict.DidYouMean(t.value, slices.Collect(maps.Keys(c.groups)))))
		case other == s:
			c.fault(t.at.Fault("an approval covers its own step anyway"))
		case other.approval != nil:
			c.fault(t.at.Fault("step %q is covered here and asks for an approval of its own at %s: keep one", t.value, other.approval.at))
		}
	}
}

// people reads how many different people are wanted; 0 when that was not given or is
// at fault.
func (c *compiler) people(t text) int {
	if t.value == "" {
		return 0
	}
	n, err := strconv.Atoi(t.value)
	if err != nil || n < 1 || n > 9 {
		c.fault(t.at.Fault("\"count\" is how many different people have to agree, 1 to 9, not %q", t.value))
		return 0
	}
	return n
}

// checkAsks finds questions that nobody is named for, and names for what is none.
func (c *compiler) checkAsks(s *step) {
	a, known := c.cat[s.uses.value]
	switch {
	case known && a.Kind == Ask && s.asks == nil:
		c.fault(s.uses.at.Fault("step %q asks people and does not say whom: give it \"asks\" with a role", s.id.value))
	case known && a.Kind != Ask && s.asks != nil:
		c.fault(s.uses.at.Fault("step %q asks nobody (%s is a %s), so \"asks\" is of no use", s.id.value, s.uses.value, a.Kind))
	}
	if s.asks == nil {
		return
	}
	if r := s.asks.role; r.value != "" && !slices.Contains(roles, r.value) {
		c.fault(r.at.Fault("unknown role %q%s", r.value, strict.DidYouMean(r.value, roles)))
	}
	c.people(s.asks.count)
}

// checkAwaits finds waits for a change that is none.
func (c *compiler) checkAwaits(s *step) {
	for _, t := range s.awaits {
		if a, known := c.cat[s.uses.value]; known && a.Kind != Wait {
			c.fault(t.at.Fault("only a wait can wait for a change (%s is a %s)", s.uses.value, a.Kind))
		}
		other, ok := c.groups[t.value]
		switch {
		case !ok && c.src.incomplete:
		case !ok:
			c.fault(t.at.Fault("it waits for the change of the unknown step %q%s", t.value, strict.DidYouMean(t.value, slices.Collect(maps.Keys(c.groups)))))
		case other.each.given() && !s.each.given():
			c.fault(t.at.Fault("step %q is repeated for each service, so a wait for its change has to be, too", t.value))
		default:
			if a, known := c.cat[other.uses.value]; known && a.Kind != Change {
				c.fault(t.at.Fault("step %q changes nothing (%s is a %s), so nothing of it can be waited for", t.value, other.uses.value, a.Kind))
			}
		}
	}
}

// awaited is the step of the plan whose change i waits for: the one of those it names
// that takes part, for the same service where it is repeated. Empty if there is none.
func awaited(i *instance, all []*instance) string {
	for _, t := range i.awaits {
		for _, o := range all {
			if o.in && o.step.id.value == t.value && (!o.each.given() || o.service.Name == i.service.Name) {
				return o.id
			}
		}
	}
	return ""
}

// checkEachOf finds lists that no check finds.
func (c *compiler) checkEachOf(s *step) {
	t := s.eachOf
	if t.value == "" {
		return
	}
	if s.each.given() {
		c.fault(t.at.Fault("a step is repeated for each service or for each of a list, not both"))
	}
	other, ok := c.groups[t.value]
	switch {
	case !ok && c.src.incomplete:
	case !ok:
		c.fault(t.at.Fault("the list comes from the unknown step %q%s", t.value, strict.DidYouMean(t.value, slices.Collect(maps.Keys(c.groups)))))
	case other == s:
		c.fault(t.at.Fault("a step cannot find its own list"))
	default:
		if a, known := c.cat[other.uses.value]; known && a.Kind != Check {
			c.fault(t.at.Fault("a list is found by a check, and step %q is none (%s is a %s)", t.value, other.uses.value, a.Kind))
		}
	}
}

// checkRerun finds steps that a retry could not, or must not, carry out again. What
// changes something is asked about on its own.
func (c *compiler) checkRerun(s *step) {
	for _, t := range s.rerun {
		other, ok := c.groups[t.value]
		if !ok {
			if !c.src.incomplete {
				c.fault(t.at.Fault("a retry would carry out the unknown step %q again%s", t.value, strict.DidYouMean(t.value, slices.Collect(maps.Keys(c.groups)))))
			}
			continue
		}
		a, known := c.cat[other.uses.value]
		switch {
		case other == s:
			c.fault(t.at.Fault("a retry carries out its own step again anyway"))
		case known && a.Kind != Check && a.Kind != Wait:
			c.fault(t.at.Fault("a retry may only carry out again what reads, and step %q does not (%s is a %s)", t.value, other.uses.value, a.Kind))
		}
	}
}

// checkWatch finds what makes no sense of a step that never ends, and never fails.
func (c *compiler) checkWatch(s *step) {
	if a, known := c.cat[s.uses.value]; !known || a.Kind.Ends() {
		return
	}
	for _, gate := range []text{s.gate, s.adviceWhen} {
		if gate.given() {
			c.fault(gate.at.Fault("%s is a watch: it stops nothing, so it has no gate", s.uses.value))
		}
	}
	if s.approval != nil {
		c.fault(s.approval.at.Fault("%s is a watch: it changes nothing, so nobody has to approve it", s.uses.value))
	}
}

// instance is a step, or its copy for one service, whether it takes part or not.
type instance struct {
	*step
	id      string
	service Service
	in      bool
	// left says that nothing waits for it: it is advice, and asks the Region that an
	// unplanned run leaves.
	left  bool
	links []link
}

// link is one written need and what it means.
type link struct {
	at text
	to []*instance
}

// instances lists every step and copy that could be, in the order of the files,
// and says which of them take part.
func (c *compiler) instances(f Facts) []*instance {
	var out []*instance
	for _, s := range c.steps {
		in := f.takes(s.part)
		if p := c.when[s]; p != nil && in {
			ok, err := holds(p, f)
			if err != nil {
				c.fault(s.when.at.Fault("%v", err))
			}
			in = ok
		}
		if !s.each.given() {
			out = append(out, &instance{step: s, id: s.id.value, in: in})
			continue
		}
		for _, service := range f.Topology.Services {
			one := &instance{step: s, id: s.id.value + "/" + service.Name, service: service, in: in}
			if p := c.where[s]; p != nil && in {
				ok, err := holds(p, c.facts(f, one))
				if err != nil {
					c.fault(s.where.at.Fault("%v", err))
				}
				one.in = ok
			}
			out = append(out, one)
		}
		if len(f.Topology.Services) == 0 {
			// Nobody to repeat it for: it hands on what it needed.
			out = append(out, &instance{step: s, id: s.id.value + "/"})
		}
	}
	return out
}

// known adds what each system knows of the platform to the facts.
func (c *compiler) known(f Facts) Facts {
	f, err := f.withParts(c.cat.Parts())
	if err != nil {
		c.fault(c.src.at.Fault("%v", err))
	}
	return f
}

func (c *compiler) facts(f Facts, i *instance) Facts {
	f.Service = i.service
	return f
}

// plan compiles for one set of facts. It goes as far as it can and leaves what is
// wrong in c.faults; the plan is nil when the order of the steps cannot be told.
func (c *compiler) plan(f Facts) *Plan {
	f = c.known(f)
	all := c.instances(f)
	c.link(all, f)
	if c.cycles(all) {
		c.unresolvable = true
	}
	p := &Plan{
		Runbook: c.src.Runbook, Mode: f.Mode, Kind: f.Kind,
		Topology: f.Topology, Source: f.Source, Target: f.Target,
		Title: c.say(c.src.title, f, false),
	}
	steps := map[*instance]*Step{}
	for _, i := range all {
		if i.in {
			c.used[i.step] = true
			steps[i] = c.step(i, f)
			i.left = steps[i].Kind == Check && steps[i].Gate == Advice && steps[i].leaves(f)
		}
	}
	if c.unresolvable {
		return nil
	}
	resolved := resolve(all)
	c.cover(f, all, resolved, steps)
	seen := map[string]bool{}
	for _, i := range order(all, resolved) {
		s := steps[i]
		for _, n := range resolved[i] {
			s.Needs = append(s.Needs, n.id)
		}
		s.Rerun, s.Awaits = again(i, all), awaited(i, all)
		p.Steps = append(p.Steps, *s)
		seen[s.Section] = true
	}
	for _, s := range c.src.sections {
		if seen[s.id.value] {
			p.Sections = append(p.Sections, Section{ID: s.id.value, Title: c.say(s.title, f, false)})
		}
	}
	sum, err := p.Sum()
	if err != nil {
		c.fault(c.src.at.Fault("%v", err))
		return nil
	}
	p.Digest = sum
	return p
}

// again are the steps of the plan that a retry of i carries out with it.
func again(i *instance, all []*instance) []string {
	var ids []string
	for _, t := range i.rerun {
		for _, o := range all {
			if o.in && o.step.id.value == t.value && !slices.Contains(ids, o.id) {
				ids = append(ids, o.id)
			}
		}
	}
	return ids
}

// say fills in a text for people.
func (c *compiler) say(t text, f Facts, repeated bool) string {
	if t.value == "" {
		return ""
	}
	out, err := render(t.value, f, repeated)
	if err != nil {
		c.fault(t.at.Fault("text %q: %v", strict.Short(t.value), err))
	}
	return out
}

// gate is that of a step that names none.
func (c *compiler) gate(s *step, f Facts) Gate {
	p := c.adviceWhen[s]
	if p == nil {
		return Required
	}
	advice, err := holds(p, f)
	if err != nil {
		c.fault(s.adviceWhen.at.Fault("%v", err))
	}
	if advice {
		return Advice
	}
	return Required
}

// step fills in one step, all but its needs.
func (c *compiler) step(i *instance, f Facts) *Step {
	f = c.facts(f, i)
	action := c.cat[i.uses.value]
	out := &Step{
		ID: i.id, Group: i.step.id.value, Section: i.section,
		Title: c.say(i.title, f, i.each.given()), Source: c.say(i.runbook, f, i.each.given()),
		Uses: i.uses.value, Kind: action.Kind, Proves: action.Proves, Gate: Gate(i.gate.value),
		Timeout:  timeouts[action.Kind],
		NoReturn: action.NoReturn, Undo: action.Undo, Leaves: action.Leaves, Settles: action.Settles, Home: action.Home, Locked: i.locked, Closing: i.closing, Turned: i.turned,
	}
	if out.Gate == "" {
		out.Gate = c.gate(i.step, f)
	}
	if d, err := time.ParseDuration(i.timeout.value); err == nil && d > 0 {
		out.Timeout = d
	}
	if d, err := time.ParseDuration(i.usually.value); err == nil && d > 0 {
		out.Usually = d
	}
	if a := i.approval; a != nil {
		out.Approval = &Approval{By: a.by.value, Count: atoi(a.count), Confirm: a.confirm.value}
		if d, err := time.ParseDuration(a.expires.value); err == nil {
			out.Approval.Expires = d
		}
	}
	if a := i.asks; a != nil {
		out.Asks = &Asks{Role: a.role.value, Count: atoi(a.count)}
		for _, choice := range a.choices {
			out.Asks.Choices = append(out.Asks.Choices, c.say(choice, f, i.each.given()))
		}
	}
	out.Without = c.say(i.without, f, i.each.given())
	out.EachOf = i.eachOf.value
	out.With = c.with(i, action, f, out.Timeout)
	return out
}

// atoi is a number that was checked; 0 for none.
func atoi(t text) int {
	n, err := strconv.Atoi(t.value)
	if err != nil {
		return 0
	}
	return n
}

// with checks and encodes the input of a step's action.
func (c *compiler) with(i *instance, action Action, f Facts, most time.Duration) json.RawMessage {
	if _, known := c.cat[i.uses.value]; !known {
		return nil
	}
	in := &inputs{action: i.uses.value, asked: map[*yaml.Node]string{}, broken: map[*yaml.Node]bool{}}
	if i.service.Name != "" {
		in.whose = " for " + i.service.Name
	}
	bad := false
	in.fail = func(n *yaml.Node, kind strict.Kind, text string) {
		bad = true
		at := i.file.At(n)
		if i.each.given() {
			// What is wrong with one copy is mostly wrong with all: once is enough.
			if other, said := c.said[complaint{at, kind}]; said && other != i.id {
				return
			}
			c.said[complaint{at, kind}] = i.id
		}
		c.fault(at.Fault("%s", text))
	}
	typ := structOf(action.With)
	if i.step.with == nil && typ == nil {
		return nil
	}
	if typ == nil {
		typ = reflect.TypeFor[struct{}]()
	}
	given := i.step.with
	if given == nil {
		given = &yaml.Node{Kind: yaml.MappingNode, Line: i.uses.at.Line, Column: i.uses.at.Column}
	}
	v := reflect.New(typ)
	in.decode(in.fill(given, f, i.each.given()), v.Interface())
	if bad || len(strict.Fields(typ)) == 0 {
		return nil
	}
	if l, ok := reflect.TypeAssert[Lasting](v); ok && l.Lasts() > most {
		in.fail(given, strict.Other, fmt.Sprintf("one look of %s takes %s with this input, and the step may take at most %s: ask fewer times, or give it a longer timeout", in.action, span(l.Lasts()), span(most)))
		return nil
	}
	data, err := json.Marshal(v.Interface())
	if err != nil {
		in.fail(given, strict.Other, fmt.Sprintf("the input of %s cannot be kept as JSON: %v", in.action, err))
		return nil
	}
	return data
}

// uncovered finds the points of no return that nobody would be asked about.
func (c *compiler) uncovered(p *Plan) Faults {
	if p == nil {
		return nil
	}
	var out Faults
	for _, s := range p.Steps {
		if s.NoReturn && s.Approval == nil && s.CoveredBy == "" {
			out = append(out, c.groups[s.Group].uses.at.Fault(
				"%s is a point of no return, and in mode %s no approval covers step %q: give it an approval, or let an earlier approval's \"covers\" name it",
				s.Uses, p.Mode, s.Group))
		}
	}
	return out
}

// cover marks the steps that another one's approval stands for.
func (c *compiler) cover(f Facts, all []*instance, needs map[*instance][]*instance, steps map[*instance]*Step) {
	for _, i := range all {
		if !i.in || i.approval == nil {
			continue
		}
		for _, t := range i.approval.covers {
			other, ok := c.groups[t.value]
			if !ok || other == i.step || other.approval != nil {
				continue // said by check
			}
			for _, o := range all {
				if !o.in || o.step != other {
					continue
				}
				if reaches(i, o, needs) {
					c.fault(t.at.Fault("step %q is covered by the approval of %q, which needs it: each would wait for the other", t.value, i.step.id.value))
					break
				}
				if by := steps[o].CoveredBy; by != "" && by != i.id {
					c.fault(t.at.Fault("in mode %s step %q is covered by the approval of %q as well: one is enough", f.Mode, t.value, by))
					break
				}
				steps[o].CoveredBy = i.id
				steps[i].Approval.Covers = append(steps[i].Approval.Covers, o.id)
			}
		}
	}
}

// reaches says whether from needs to, directly or through others.
func reaches(from, to *instance, needs map[*instance][]*instance) bool {
	seen := map[*instance]bool{}
	var walk func(i *instance) bool
	walk = func(i *instance) bool {
		if seen[i] {
			return false
		}
		seen[i] = true
		for _, n := range needs[i] {
			if n == to || walk(n) {
				return true
			}
		}
		return false
	}
	return walk(from)
}
