package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Action is one capability that a runbook may name. What it needs depends on its
// kind:
//
//	check   Look: is it so, now?
//	wait    Look, again and again until it is so or the step's time is up
//	change  Look: is the change there already, or on its way? and Do
//	tell    Do, which may be called twice
//	exercise Try
//	watch    Look, as long as the run and its incident are open
//	go, ask nothing: the engine asks people
type Action struct {
	runbook.Action

	// Look reports whether it is so. It only reads, may be called at any time and
	// any number of times, and must not need a former Do: after a crash, or when
	// somebody did it by hand, only Look knows. (outcome, false, nil) is a clear
	// no, with what was found instead; an error means that it could not be found
	// out. Reads are retried below Look, within ctx.
	Look func(ctx context.Context, c Call) (Outcome, bool, error)

	// Do asks for the change, each call to the outside leaving once with no retry
	// below it. It does not wait for the effect; a wait step does. It returns
	// what it did and the error sorted into an incident.CallError.
	Do func(ctx context.Context, c Call) (Outcome, error)

	// Undo takes back what Do did, to the value that it replaced. Nil where there is
	// nothing to take back (then Leaves says why) and at a point of no return.
	Undo *Undo

	// Try carries out one send of an exercise: it tries the platform as a user
	// would, and may leave something behind that carries the token. ok says that it
	// went as it should; otherwise it is sent again, Sends times at the most.
	Try func(ctx context.Context, c Call, send int) (o Outcome, ok bool, err error)
	// None says, with the reason, that there is nothing to try: the exercise ends so,
	// without a send. It asks nobody. Nil: there always is something.
	None func(c Call) (o Outcome, none bool)
	// Sends bounds the sends of one run, in all lives of the bot; 0 means 1. A person
	// who retries the step allows as many again, with the same token.
	Sends int

	// Job reports on the job that Do started or Look found (Outcome.Job), and those of
	// Undo.
	Job func(ctx context.Context, c Call, handle string) (Progress, error)

	// Effect says exactly what Do would do now, for the person who approves. It
	// only reads. Bound holds what the approval is tied to: identifiers and the
	// policy band of the lag, not values that always move. Changes that can stand
	// under an approval have it.
	Effect func(ctx context.Context, c Call) (incident.Effect, error)

	// Rights are what Do has to be allowed to do, as far as settings and steps before tell
	// it: what is asked of those who grant rights before a run needs them. It asks nobody.
	// Each change of the catalogue has it.
	Rights func(c Call) ([]Right, error)

	// Every is how long a wait or a watch sleeps between two looks; 0 means 5 s.
	Every time.Duration
	// CallTimeout bounds one Look or one Do; 0 means 15 s, and for a check the step's
	// time. More than 30 s are had by checks and waits alone.
	CallTimeout time.Duration
}

// carries says that the action has what a step of that kind is carried out with. The
// plan of a run may have been frozen by a version in which it was of another kind.
func (a Action) carries(k runbook.Kind) bool {
	switch k {
	case runbook.Check, runbook.Wait, runbook.Watch:
		return a.Look != nil
	case runbook.Change:
		return a.Look != nil && a.Do != nil
	case runbook.Tell:
		return a.Do != nil
	case runbook.Exercise:
		return a.Try != nil
	default: // those are people's
		return true
	}
}

// Progress is how far a job is.
type Progress struct {
	// Done: it is over and went well. One that failed is an error.
	Done bool
	// Share done, 0 to 1; negative if unknown.
	Share float64
	// Left is how long it may still take; 0 if unknown.
	Left time.Duration
	Outcome
}

// Outcome is a sentence that an operator can act on, with its evidence.
type Outcome struct {
	// Summary: "ecommerce-secondary writes in us-west-2 (lag was 0.4 s)".
	Summary string
	// Evidence is what was seen, by name: identifiers, figures with units, times.
	Evidence map[string]string
	// Before is the value that the change replaces, for people; Prior the same as
	// data, for Undo. Look fills both when its answer is no.
	Before string
	Prior  json.RawMessage
	// Gone says, of a wait whose answer is no, that what it waits for will not come
	// about any more: waiting on is of no use. Two looks in a row have to say so, for
	// what one of them saw may have been behind; with a fault that is known for sure
	// one is enough.
	Gone bool
	// Busy says, of a change whose answer is no, that something is under way there
	// that is not this run's, so it cannot be asked for now: it is looked at again
	// until that is over.
	Busy bool
	// Job is what the other side calls the work that Do started, or that Look found
	// under this step's token.
	Job string
	// Items are the list that a check was to find.
	Items []string
	// Measured is what the sentence rests on.
	Measured incident.Measured
	// State is what a watch compares: it tells what it sees again when this or the
	// verdict differs from what it told last. Figures that always move are not in it. Of a
	// wait it names the reason why it is not so yet, where one is known, and Summary is
	// told when it changes: "unschedulable", "image cannot be pulled".
	State string
	// At is when another step of the run ended so; zero of what a look sees now.
	At time.Time
	// Asks is whose word a check lacks, of what no API tells; nil where it lacks none.
	Asks *incident.Wanted
	// Users is what a watch of users saw.
	Users *incident.UsersSeen
	// Task is what people have to do about what a watch sees; it stands in the timeline
	// until one of them says that it is done, or the watch finds all well and names none.
	// Its id is the step's.
	Task *incident.TaskOpened
}

// Call is what an action is handed: the step and the frozen plan around it.
type Call struct {
	Incident incident.ID
	Plan     *runbook.Plan
	Step     runbook.Step
	Attempt  int
	// Began is when this attempt of the step began.
	Began time.Time
	// Asked is when this run's call of the change left, be it the step's own or, of a
	// wait, that of the step it awaits. Zero: this run has not asked for it, so what is
	// under way is somebody else's.
	Asked time.Time
	// Go is when a person let the run change things; zero before that.
	Go time.Time
	// Impact is when users began to be hurt, as people said it; zero if nobody knows.
	Impact time.Time
	// Overwrite is what a person has allowed to overwrite when taking back, of what
	// somebody changed meanwhile. [Call.Meanwhile] asks it.
	Overwrite []string
	// Token is the same in every process of the bot, and no other step's: what names or
	// tags what the step creates, so that it is found again.
	Token string
	// Observed is what a watch told last; nil before that.
	Observed *incident.WatchObserved
	// Result is how another step of the run ended; ok is false if it has not
	// finished well. What it found is that of its StepFinished, and what it replaced, its
	// Prior, what it recorded before its first call. Of one that people went past there is
	// the evidence of how it had failed.
	Result func(step string) (o Outcome, ok bool)
	// Task is what a step's watch left to people, of this run or of one before it; ok is
	// false if it left nothing.
	Task  func(step string) (t incident.Task, ok bool)
	Clock incident.Clock
}

// With decodes the step's input, strictly, into v.
func (c Call) With(v any) error {
	if len(c.Step.With) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(c.Step.With))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("read the input of step %s: %w", c.Step.ID, err)}
	}
	return nil
}

// Left is what the run's step that uses an action left in its evidence under that name;
// empty where there is no such step, or it has not finished well.
func (c Call) Left(action, name string) string {
	for _, s := range c.Plan.Steps {
		if s.Uses == action {
			o, _ := c.Result(s.ID)
			return o.Evidence[name]
		}
	}
	return ""
}

// Catalog is every action by its id: a system and what is done there, with a dot between.
type Catalog map[string]Action

// Showing are the actions that show that, by their ids in order.
func (c Catalog) Showing(t incident.Trait) []Action {
	var out []Action
	for _, id := range slices.Sorted(maps.Keys(c)) {
		if slices.Contains(c[id].Proves, t) {
			out = append(out, c[id])
		}
	}
	return out
}

// Runbook is the catalogue as the runbook's compiler sees it.
func (c Catalog) Runbook() runbook.Catalog {
	out := make(runbook.Catalog, len(c))
	for id, a := range c {
		a.Action.Undoable = a.Undo != nil
		out[id] = a.Action
	}
	return out
}
