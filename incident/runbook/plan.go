// Package runbook turns the YAML of a runbook into a checked plan.
//
// A runbook is the procedure as data: sections of steps, each naming an action
// of the catalogue. Compiling it against the facts of one incident gives a
// [Plan]: the steps that apply, with every text and identifier filled in, in an
// order in which each comes after what it needs. A plan is frozen on the
// timeline; its digest is what people approve.
package runbook

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// Kind says what an action does to the world, and so how a step is carried out.
type Kind string

// The kinds of action.
const (
	Check    Kind = "check"    // reads, once; a gate
	Change   Kind = "change"   // mutates; is looked at before it is done
	Wait     Kind = "wait"     // reads until something is so, or time is up
	Exercise Kind = "exercise" // tries the platform as a user would; bounded sends
	Go       Kind = "go"       // a person begins what changes things
	Ask      Kind = "ask"      // a person does or confirms something
	Tell     Kind = "tell"     // informs an outside system; never holds anything up
	Watch    Kind = "watch"    // reads as long as the run and its incident are open; tells what changes
)

// Finds says that a step of that kind is there to find out whether something is so: its
// title says what, and not what was done.
func (k Kind) Finds() bool { return k == Check || k.Repeats() }

// Repeats says that a step of that kind goes on until it is so, or its time is up.
func (k Kind) Repeats() bool { return k == Wait || k == Exercise }

// Ends says that a step of that kind comes to an end by itself: a watch does not, so
// nothing waits for it and it counts as no work that is left.
func (k Kind) Ends() bool { return k != Watch }

// Action is what the compiler has to know of an action of the catalogue.
type Action struct {
	Kind Kind
	// About says in one sentence what it does; `runbook show` prints it.
	About string
	// With is a zero value of the struct that the step's `with` decodes into,
	// strictly. Fields are matched by their yaml tag; a field whose tag lacks
	// omitempty has to be given.
	With any
	// Proves is what it shows about the world when it is done.
	Proves []incident.Trait
	// Assessed says, of a wait, that an assessment of the readiness looks at it once, too.
	Assessed bool
	// NoReturn marks a change that cannot be taken back at once. A step that
	// uses it has to be covered by an approval.
	NoReturn bool
	// Undo says how the change is taken back. A change has to have one, or be
	// NoReturn (then it says what the way on is).
	Undo string
	// Undoable says that the engine can take it back; Leaves that nothing of it is
	// left to take back, and why. A change is one of Undoable, Leaves and NoReturn.
	Undoable bool
	Leaves   string
	// Settles is how long it may take until its undo has come about, which is then
	// waited for; 0: once it is asked for it is so.
	Settles time.Duration
	// Home is where the API it calls really lives: "target", "source", an AWS
	// Region name ("us-east-1" for Route 53 changes), or "" for none.
	Home string
	// Part is what it has to know of the platform beyond what all know; nil for
	// nothing.
	Part *Part
	// Leads says why it cannot do its part of a move from source to target, by the
	// settings alone; nil where it can. Nil for one that works in either direction.
	Leads func(t Topology, source, target string) error
}

// Catalog is every action that a runbook may name, by its id: a system and what is done there.
type Catalog map[string]Action

// Lasting is an input that says how long one look of its action takes at least, as it
// spreads its tries. A step that has less time could never finish.
type Lasting interface{ Lasts() time.Duration }

// Gate says what a failed check means.
type Gate string

// The gates.
const (
	Required Gate = "required" // stops its branch until a person decides; the default
	Advice   Gate = "advice"   // is shown, recorded, and stops nothing
)

// GateOf says what waits for a check, as findings have it.
func GateOf(s Step) string {
	switch {
	case s.Gate == Advice:
		return incident.GateAdvice
	case s.Locked || s.NoReturn:
		return incident.GateLocked
	}
	return incident.GateRequired
}

// Plan is a compiled runbook: frozen, complete, and the same for everybody.
type Plan struct {
	Runbook string `json:"runbook"`
	Title   string `json:"title"`
	Mode    string `json:"mode"`
	// Kind of run that it is the plan of; empty is a failover.
	Kind incident.RunKind `json:"kind,omitempty"`
	// Digest is the first 12 hex digits of the SHA-256 of the plan's JSON with an
	// empty digest: what an approval is bound to. Shown as its first six.
	Digest string `json:"digest"`
	// Sections in the order of the runbook, only those that have steps left.
	Sections []Section `json:"sections"`
	// Steps in an order in which each comes after all it needs; ties in the order
	// of the files.
	Steps []Step `json:"steps"`
	// Topology as it was when the plan was made.
	Topology Topology `json:"topology"`
	Source   Region   `json:"source"`
	Target   Region   `json:"target"`
}

// Section is a heading of the runbook. The card shows one line for each.
type Section struct {
	ID    string `json:"id"`    // 04b-aurora-unplanned
	Title string `json:"title"` // Promote database
}

// Step is one step of a plan.
type Step struct {
	// ID is unique in the plan: "promote-database"; "scale/order-service" where
	// the file says `each: services`.
	ID string `json:"id"`
	// Group is the id in the file: "scale" for "scale/order-service". Needs may
	// name a group and then mean all its steps.
	Group   string `json:"group"`
	Section string `json:"section"` // Section.ID
	Title   string `json:"title"`
	// Source names the section of the source document: "4, unplanned failover".
	Source string `json:"source"`
	Uses   string `json:"uses"`
	Kind   Kind   `json:"kind"`
	// Proves are the traits of its action.
	Proves []incident.Trait `json:"proves,omitempty"`
	// With is the action's input as JSON, texts filled in, checked against the
	// action's With.
	With json.RawMessage `json:"with,omitempty"`
	// Needs are ids of steps of this plan. A needed step that `when` left out is
	// replaced by what it needed itself.
	Needs []string `json:"needs,omitempty"`
	Gate  Gate     `json:"gate"`
	// Asks is what an ask step puts to people.
	Asks *Asks `json:"asks,omitempty"`
	// Approval is asked for before the step is carried out.
	Approval *Approval `json:"approval,omitempty"`
	// CoveredBy is the id of the step whose approval also covers this one. It does
	// not begin before that approval is given.
	CoveredBy string        `json:"covered_by,omitempty"`
	Timeout   time.Duration `json:"timeout"`
	// Usually is how long the step takes when all goes well; 0 is next to nothing.
	Usually  time.Duration `json:"usually,omitempty"`
	NoReturn bool          `json:"no_return,omitempty"`
	Undo     string        `json:"undo,omitempty"`
	Home     string        `json:"home,omitempty"`
	// Locked steps are never skipped: a person may only retry or abort.
	Locked bool `json:"locked,omitempty"`
	// Without is what it comes to when somebody goes on without the step, a sentence
	// for whoever overrides it and for whoever approves after.
	Without string `json:"without,omitempty"`
	// Awaits is, of a wait, the step whose change it waits for: if that will not
	// come about any more, it can be asked for again.
	Awaits string `json:"awaits,omitempty"`
	// EachOf is the step that finds, at run time, the list of what this one is
	// carried out for; Item is one of them, once the list is known.
	EachOf string `json:"each_of,omitempty"`
	Item   string `json:"item,omitempty"`
	// Undoes is, in an undo run, the step of the run before whose change is taken
	// back, to the value that it replaced, or of a wait, seen to be back.
	Undoes string          `json:"undoes,omitempty"`
	Prior  json.RawMessage `json:"prior,omitempty"`
	// Turned says that the step is carried out with source and target exchanged: of the
	// Region that was left, or, in an undo run, because users are where they were. A change
	// is taken back so, too.
	Turned bool `json:"turned,omitempty"`
	// Leaves says, of a change, that nothing of it is left to take back, and why.
	Leaves string `json:"leaves,omitempty"`
	// Settles is how long its undo may take to come about; 0: that is not waited for.
	Settles time.Duration `json:"settles,omitempty"`
	// Rerun are ids of steps that are carried out again when a person retries this
	// one: those that found what it judges. They only read.
	Rerun []string `json:"rerun,omitempty"`
	// Closing steps are carried out when the incident is resolved; no other step
	// waits for them. They only tell.
	Closing bool `json:"closing,omitempty"`
}

// Asks is what an ask step puts to people, and to whom.
type Asks struct {
	// Role that may answer.
	Role string `json:"role" yaml:"role"`
	// Count is how many different people have to answer; 0 is one.
	Count int `json:"count,omitempty" yaml:"count,omitempty"`
	// Choices that they have; none: "done".
	Choices []string `json:"choices,omitempty" yaml:"choices,omitempty"`
}

// Approval is who has to agree before a step, and how.
type Approval struct {
	// By is the role that may approve.
	By string `json:"by" yaml:"by"`
	// Count is how many different people have to agree; 0 is one.
	Count int `json:"count,omitempty" yaml:"count,omitempty"`
	// Confirm "region" asks to type the target Region's name.
	Confirm string `json:"confirm,omitempty" yaml:"confirm,omitempty"`
	// Expires is how long the question stands before it is asked again.
	Expires time.Duration `json:"expires" yaml:"expires"`
	// Covers are ids of other steps that need no approval of their own.
	Covers []string `json:"covers,omitempty" yaml:"covers,omitempty"`
}

// Decisions is how many times the plan asks people, Go left out.
func (p *Plan) Decisions() int {
	n := 0
	for _, s := range p.Steps {
		if s.Approval != nil || s.Kind == Ask {
			n++
		}
	}
	return n
}

// DecodePlan reads a plan that was frozen on a timeline.
func DecodePlan(raw json.RawMessage) (*Plan, error) {
	p := new(Plan)
	if len(raw) == 0 {
		return p, nil
	}
	if err := json.Unmarshal(raw, p); err != nil {
		return nil, fmt.Errorf("read the frozen plan: %w", err)
	}
	return p, nil
}

// Turned is the plan with source and target exchanged.
func (p *Plan) Turned() *Plan {
	out := *p
	out.Source, out.Target = p.Target, p.Source
	return &out
}

// For is the plan as a step of it sees it: one that is turned sees source and target
// exchanged.
func (p *Plan) For(s Step) *Plan {
	if s.Turned {
		return p.Turned()
	}
	return p
}

// Shows says that the step's action proves that.
func (s Step) Shows(t incident.Trait) bool { return slices.Contains(s.Proves, t) }

// BeforeGo are the ids of the steps that a Go weighs: all that it needs.
func (p *Plan) BeforeGo() map[string]bool {
	before := map[string]bool{}
	for _, s := range p.Steps {
		if s.Kind == Go {
			maps.Copy(before, p.Needed(s.ID))
		}
	}
	return before
}

// Showing are the steps whose action proves that, in the order of the plan.
func (p *Plan) Showing(t incident.Trait) []Step {
	var out []Step
	for _, s := range p.Steps {
		if s.Shows(t) {
			out = append(out, s)
		}
	}
	return out
}

// Step returns the step with that id, and whether there is one.
func (p *Plan) Step(id string) (Step, bool) {
	for _, s := range p.Steps {
		if s.ID == id {
			return s, true
		}
	}
	return Step{}, false
}

// Usually is how long the machine's part takes when all goes well: the longest
// chain of what the steps usually take. 0 when no step says.
func (p *Plan) Usually() time.Duration {
	var all time.Duration
	upTo := map[string]time.Duration{}
	for _, s := range p.Steps { // each comes after all it needs
		for _, n := range s.Needs {
			upTo[s.ID] = max(upTo[s.ID], upTo[n])
		}
		if !s.Closing {
			upTo[s.ID] += s.Usually
		}
		all = max(all, upTo[s.ID])
	}
	return all
}

// UsuallyUntil is how long it takes, when all goes well, from the begin of that step
// until the first step is done that shows t: the longest chain between the two. 0 when
// none does, or no step says how long it takes.
func (p *Plan) UsuallyUntil(from string, t incident.Trait) time.Duration {
	upTo := map[string]time.Duration{}
	for _, s := range p.Steps { // each comes after all it needs
		after := s.ID == from
		for _, n := range s.Needs {
			if before, ok := upTo[n]; ok {
				after, upTo[s.ID] = true, max(upTo[s.ID], before)
			}
		}
		if !after {
			continue
		}
		upTo[s.ID] += s.Usually
		if slices.Contains(s.Proves, t) {
			return upTo[s.ID]
		}
	}
	return 0
}

// Needed are the ids of all steps that a step needs, directly or through others.
func (p *Plan) Needed(id string) map[string]bool {
	needed := map[string]bool{id: true}
	for _, s := range slices.Backward(p.Steps) { // each comes after all it needs
		if needed[s.ID] {
			for _, n := range s.Needs {
				needed[n] = true
			}
		}
	}
	delete(needed, id)
	return needed
}
