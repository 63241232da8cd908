package review

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/view"
)

// Draft is what the template of a review may refer to.
type Draft struct {
	ID        string
	Rehearsal bool
	Platform  string
	Source    string
	Target    string
	Mode      string
	Reason    string
	Plan      string // the first six of the digest

	// Of the summary table.
	Date, Duration, Severity, Commander Value
	Services, Customers, Revenue        Value

	// Moments are the lines of section 10's timeline table.
	Moments []Moment
	// Events is the whole timeline, without what was merely said where.
	Events []Recorded

	// Whys are the questions of the root cause analysis.
	Whys []string

	// Well and Improve are facts that speak for the run, or against it.
	Well, Improve []string
	// Actions are what the record itself leaves to be done.
	Actions []string

	// Metrics of section 10, then those that this record has besides.
	Metrics []Metric

	Times    Times
	Machine  Metric
	Human    Metric
	Critical Metric
	Overlap  Metric
	Path     []Step
	Steps    []Step
	// Earlier are the other runs of the incident, each by its own plan.
	Earlier   []Earlier
	Decisions []Decision
	Changes   []Change
	// TakenBack are the steps of the runs that took back what others had changed.
	TakenBack []Taken
	Losses    []Loss
	Gaps      []string
	// Unprotected is what is still missing or was left unverified at the end.
	Unprotected []string
}

// Earlier is a run of the incident beside the one that the review is about.
type Earlier struct {
	Name, About string
	Steps       []Step
}

// Moment is one line of a timeline table.
type Moment struct {
	Time  Value
	Event string
	// Note adds to the event; may be empty.
	Note string
}

// Recorded is one event of the timeline.
type Recorded struct {
	Clock, Event string
}

// Metric is a named duration or share with what it was taken from.
type Metric struct {
	Name  string
	Value Value
	// From are the two timestamps, or the calculation.
	From string
}

// Step is one step of the plan as it went.
type Step struct {
	ID, Title, Section string
	// Result is one or two words; Summary what was seen or why not.
	Result, Summary string
	Began           string
	Took            string
	Attempts        int
	// Critical: on the longest chain.
	Critical bool
}

// Decision is one question that people were asked.
type Decision struct {
	Question, About string
	// AskedFor is who wanted it; Asked when the question was put.
	AskedFor, Asked string
	Answer, By      string
	// Took from the question to the answer.
	Took string
	// Notes: reasons, what was overridden, break-glass, why it was asked anew.
	Notes []string

	at time.Time
}

// Change is one change that this run made, or may have made.
type Change struct {
	Step, What, At string
	Before         Value
	Undo           string
	Maybe          bool
	Back           bool // it was taken back
}

// Taken is one step of a run that takes back.
type Taken struct {
	Run, Step, What, At string
	Result, Seen        string
}

// Loss is what one data store may have lost.
type Loss struct {
	Store    string
	Estimate Value
	Evidence string
}

// builder works a Draft out.
type builder struct {
	events []incident.Event
	state  *incident.State
	plan   *runbook.Plan
	who    func(string) string
	d      *Draft
	// look is the State as every other face sees it at the end of the events; hurt is
	// what users got.
	look view.View
	hurt view.Impact

	t0, t3, t4, t5, t6 time.Time
	// undone is when a change of the run was taken back, by step.
	undone   map[string]time.Time
	attempts map[string]int
	failures map[string][]incident.StepFailed
	finishes map[string]incident.StepFinished
	intents  []intent
}

type intent struct {
	incident.ChangeIntended
	at time.Time
}

func newDraft(events []incident.Event, who func(string) string) (*Draft, error) {
	plan, err := Plan(events)
	if err != nil {
		return nil, err
	}
	b := &builder{
		events: events, state: incident.Fold(events), plan: plan, who: who,
		undone: map[string]time.Time{}, attempts: map[string]int{}, failures: map[string][]incident.StepFailed{}, finishes: map[string]incident.StepFinished{},
	}
	if b.state.DeclaredAt.IsZero() {
		return nil, errors.New("draft the review: the timeline does not say that an incident was declared")
	}
	if main := led(b.state); main != nil {
		b.state.Run = main
	}
	b.look = view.New(b.state, plan, nil, b.state.Last)
	b.hurt = b.look.Impact()
	in := b.state.Declared
	b.d = &Draft{
		ID: in.Incident.Name(), Rehearsal: in.Rehearsal, Source: b.state.Source, Target: b.state.Target,
		Mode: b.state.How(), Reason: in.Reason, Plan: short(b.state.Plan.Digest), Times: Measure(events, plan),
	}
	if plan != nil {
		b.d.Platform = plan.Topology.Platform
	}
	b.collect()
	b.summary()
	b.moments()
	b.whys()
	b.metrics()
	b.steps()
	if err := b.earlier(); err != nil {
		return nil, err
	}
	b.decisions()
	if err := b.takenBack(); err != nil {
		return nil, err
	}
	b.changes()
	b.losses()
	b.gaps()
	b.unprotected()
	b.judge()
	return b.d, nil
}

// led is the newest run that is not there to take another one back: what a review is
// about. Nil if there is none.
func led(s *incident.State) *incident.Run {
	for _, r := range slices.Backward(s.Runs) {
		if r.Kind != incident.Undo {
			return r
		}
	}
	return nil
}

// collect goes through the events once for what the State does not keep.
func (b *builder) collect() {
	s := b.state
	b.t0, b.t3, b.t4, b.t6 = b.hurt.Began, s.DeclaredAt, s.GoAt, s.ResolvedAt
	if !b.hurt.Hurt {
		b.t5 = b.hurt.End
	}
	if b.t5.IsZero() && !b.hurt.Known() {
		b.t5 = s.ServedAt()
	}
	for _, e := range b.events {
		switch body := e.Body.(type) {
		case incident.StepStarted:
			b.attempts[body.Step]++
		case incident.StepFailed:
			b.failures[body.Step] = append(b.failures[body.Step], body)
		case incident.StepFinished:
			b.finishes[body.Step] = body
		case incident.ChangeIntended:
			b.intents = append(b.intents, intent{body, e.Time})
			if b.t4.IsZero() {
				b.t4 = e.Time
			}
		}
		b.d.Events = append(b.d.Events, Recorded{clock(e.Time), says(e, b.who)})
	}
}

func (b *builder) summary() {
	d, in := b.d, b.state.Declared
	d.Date = measured("%s", b.t3.UTC().Format("2006-01-02"))
	d.Severity = given(in.Severity, "the severity")
	d.Commander = Value{hint: "who commanded"}
	if in.Commander != "" {
		d.Commander = measured("%s", b.who(in.Commander))
	}
	_, d.Duration = span("until users were served again", "T0", b.t0, "T5", b.t5)
	if d.Duration.Measured() {
		d.Duration.text += fmt.Sprintf(" (impact began %s, served again since %s)", stamp(b.t0), stamp(b.t5))
	}
	d.Services = toFill("which services users missed")
	if b.plan != nil && len(b.plan.Topology.Services) > 0 {
		var names []string
		for _, s := range b.plan.Topology.Services {
			names = append(names, s.Name)
		}
		d.Services = toFill("which of %s users missed", strings.Join(names, ", "))
		if stopped := b.stoppedServices(); len(stopped) > 0 {
			d.Services = measured("%s, which the run stopped from %s on; which others users missed is to be filled in", strings.Join(stopped, ", "), clock(b.hurt.ByUs))
		}
	}
	d.Customers = toFill("number or percentage of customers, from the order and session figures")
	d.Revenue = toFill("estimated amount")
}

func given(s, hint string) Value {
	if s == "" {
		return Value{hint: hint}
	}
	return Value{text: s}
}

// nothingBack begins the way back of a change that leaves nothing behind.
const nothingBack = "nothing to "

func (b *builder) planStep(id string) (runbook.Step, bool) {
	if b.plan == nil {
		return runbook.Step{}, false
	}
	return b.plan.Step(id)
}
