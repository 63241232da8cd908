package incident

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Run is one run of an incident: its plan, its steps and its questions. A Run of
// another incident's past is kept as it ended.
type Run struct {
	// Name is its id; empty before the first run of an incident has begun.
	Name    RunID
	Kind    RunKind
	Source  string
	Target  string
	Mode    string
	Follows RunID
	Dry     bool
	BegunBy string
	BegunAt time.Time
	Plan    RunPlan
	Taken   RunTaken

	// Steps by id; one that nobody has begun is absent. Use Step.
	Steps map[string]*StepState
	// Expanded are the lists that were found at run time, by group.
	Expanded map[string]StepsExpanded
	// Questions by id, and the ids of the open ones in the order asked.
	Questions map[string]*Question
	Open      []string

	// GoBy pressed Go at GoAt; empty before.
	GoBy string
	GoAt time.Time

	Paused      bool
	PausedBy    string
	PauseReason string

	AbortedAt time.Time
	AbortedBy string
	Aborted   RunAborted

	MitigatedAt time.Time
	Mitigated   IncidentMitigated

	// EndedAt is when the run was over without having been aborted: when the
	// incident was resolved, or RunEnded.
	EndedAt time.Time
	EndedBy string
	Ended   RunEnded

	// Expiries is how often the question about a step ran out unanswered.
	Expiries map[string]int
	// Sent counts the sends of each exercise, by step, since a person last said to
	// try it again.
	Sent map[string]int

	// Waited is how long nothing but a person was waited for.
	Waited          time.Duration
	running         int
	last            time.Time // of its events
	traits          map[string][]Trait
	lastUserFailure time.Time // when a look at what users get failed last
}

// RunPlan is the frozen plan of a run: a runbook.Plan as JSON.
type RunPlan struct {
	Digest string
	Plan   json.RawMessage
}

// StepState is how one step of a run stands.
type StepState struct {
	ID      string
	Action  string
	Status  Status
	Attempt int
	// Started is when the newest attempt began; First when the first one did.
	First   time.Time
	Started time.Time
	Ended   time.Time
	// Intended is set while a change may be under way: written before the call,
	// cleared when its outcome is known.
	Intended *ChangeIntended
	// Before and Prior are what the first change of the step replaced, for people
	// and as data.
	Before string
	Prior  json.RawMessage
	// ApprovedSeq and IntendedSeq are the events of the newest approval and the
	// newest intended change. One approval carries one intention.
	ApprovedSeq uint64
	IntendedSeq uint64
	// Asked is when the call of the newest intended change left: what is under way is
	// this run's. Zero when none has, when it surely came to nothing, and once it is
	// to be asked for again.
	Asked time.Time
	// Left is when the first call of the step left that did not surely come to nothing:
	// since then the world may be changed here.
	Left time.Time
	// Dropped says why a change that had been accepted will not come about, as the
	// step that waited for it has seen it; empty once it is intended again.
	Dropped    string
	ApprovedBy string
	ApprovedAt time.Time
	// Again is why it was last asked about once more, while a change may be under
	// way.
	Again string
	// VoidSeq is the newest event that made approvals before it void for this
	// step: it was asked anew, declined, or retried.
	VoidSeq uint64
	// Approved is the question whose yes ApprovedSeq is.
	Approved   string
	Finished   StepFinished
	Failure    StepFailed
	SkippedBy  string
	SkipReason string
	// Retriers asked to carry it out again: they may not approve it.
	Retriers []string
	// Overwrite is what a person allowed to overwrite when they last asked to carry it
	// out again.
	Overwrite []string
	// Changed: this run changed the world here.
	Changed bool
	// Foreseen is what a dry run says it would do.
	Foreseen *ChangeForeseen
	// Job is what the other side works on; Progress how far that is.
	Job        *JobStarted
	JobBegun   time.Time
	Progress   *JobProgressed
	ProgressAt time.Time
	// Observed is what a watch saw last that was new, ObservedAt since when it has been so.
	Observed   *WatchObserved
	ObservedAt time.Time

	nonBlocking bool
}

// Verdict is how a check stands: empty while it was not carried out, or was gone past.
func (st StepState) Verdict() Verdict {
	switch {
	case st.Status == Done && st.Finished.Verdict == "":
		return Pass
	case st.Status == Done:
		return st.Finished.Verdict
	case st.Status != Failed && st.Status != Advised:
		return ""
	case st.Failure.Unknown:
		return Unsure
	}
	return Fail
}

// left notes that a call left.
func (st *StepState) left(at time.Time) {
	if st.Left.IsZero() {
		st.Left = at
	}
}

// nothing notes that the newest call surely came to nothing.
func (st *StepState) nothing() {
	if !st.Changed {
		st.Left = time.Time{}
	}
}

// Question is one that was put to people.
type Question struct {
	ApprovalAsked
	// Run that it belongs to.
	Run     RunID
	AskedAt time.Time
	// Open until answered, expired or withdrawn.
	Open bool
	// Answer is the choice made, "declined", "expired" or "withdrawn".
	Answer     string
	By         string
	At         time.Time
	Reason     string
	BrokeGlass bool
	// Given are those who said yes, in order; the question stays open until there
	// are Count of them.
	Given []string
}

// Wanting is how many more people have to say yes.
func (q *Question) Wanting() int {
	if !q.Open {
		return 0
	}
	return max(q.Count, 1) - len(q.Given)
}

// about are the steps that a yes would stand for: all whose effects were shown.
func (a ApprovalAsked) about() []string {
	ids := []string{a.Step}
	for _, e := range a.Effects {
		if e.Step != a.Step {
			ids = append(ids, e.Step)
		}
	}
	return ids
}

func newRun(name RunID) *Run {
	return &Run{
		Name:      name,
		Steps:     map[string]*StepState{},
		Expanded:  map[string]StepsExpanded{},
		Questions: map[string]*Question{},
		Expiries:  map[string]int{},
		Sent:      map[string]int{},
	}
}

// Waiting is how long nothing but a person has been waited for, up to now.
func (r *Run) Waiting(now time.Time) time.Duration {
	if r.idle() && now.After(r.last) {
		return r.Waited + now.Sub(r.last)
	}
	return r.Waited
}

// idle says that nothing moves before a person does something.
func (r *Run) idle() bool {
	return r.running == 0 && (len(r.Open) > 0 || r.Paused) && r.MitigatedAt.IsZero() && !r.Over()
}

// Step is how the step stands; a pending one if nobody has begun it.
func (r *Run) Step(id string) StepState {
	if st := r.Steps[id]; st != nil {
		return *st
	}
	return StepState{ID: id}
}

// Cleared says that the step has an approval to go on with: a newer one than its
// last intention, and than whatever made approvals void.
func (st StepState) Cleared() bool { return st.ApprovedSeq > max(st.IntendedSeq, st.VoidSeq) }

// Agreed says of a step that stopped that a retry needs no new approval: its call was
// surely refused, so what was agreed to has not happened. Whether it still means the
// same is looked at before it is carried out.
func (st StepState) Agreed() bool {
	return st.Status == Failed && st.Failure.Refused && st.Cleared()
}

// Awaiting are the steps that stand still because the change of that one was accepted
// and will not come about, in order. A retry of any of them asks for it again.
func (r *Run) Awaiting(change string) []string {
	var ids []string
	for _, st := range r.Steps {
		if st.Status == Failed && st.Failure.WillNotCome == change {
			ids = append(ids, st.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// Traits of a step of the plan, by its id or by the group it was expanded from.
func (r *Run) Traits(step string) []Trait {
	if t, ok := r.traits[step]; ok {
		return t
	}
	group, _, _ := strings.Cut(step, "/")
	return r.traits[group]
}

// Proves says that a step of the run's plan proves t.
func (r *Run) Proves(t Trait) bool {
	for _, traits := range r.traits {
		if slices.Contains(traits, t) {
			return true
		}
	}
	return false
}

// Shows says that the action of that step proves t.
func (r *Run) Shows(step string, t Trait) bool { return slices.Contains(r.Traits(step), t) }

// ServedAt is since when users have been served by the target: when the public name
// was last seen to be, or when it was mitigated in a run that did not look, or that
// found users without service after that. That is where impact ends, not where the
// last check turned green. Zero before the incident is mitigated: until then what
// was seen may not last.
func (r *Run) ServedAt() time.Time {
	if r.MitigatedAt.IsZero() {
		return time.Time{}
	}
	var seen time.Time
	for _, st := range r.Steps {
		if r.Shows(st.ID, UsersServed) && st.Status == Done && st.Ended.After(seen) && !st.Ended.After(r.MitigatedAt) {
			seen = st.Ended
		}
	}
	if seen.IsZero() || r.lastUserFailure.After(seen) {
		return r.MitigatedAt
	}
	return seen
}

// How is what people call the run: planned or unplanned, of a failover, or by its kind.
func (r *Run) How() string {
	if r.Kind == Failback || r.Kind.Apart() {
		return string(r.Kind)
	}
	return r.Mode
}

// Over says that the run is at its end, whichever.
func (r *Run) Over() bool { return !r.AbortedAt.IsZero() || !r.EndedAt.IsZero() }

// Changes says that the run may change the world, so only one of its kind may be
// under way on a platform.
func (r *Run) Changes() bool { return r.Name != "" && !r.Dry }

// requested says whether that person asked for what the step does: began the run,
// pressed Go, or retried the step.
func (r *Run) requested(person, step string) bool {
	if person == r.BegunBy || person == r.GoBy {
		return true
	}
	st := r.Steps[step]
	return st != nil && slices.Contains(st.Retriers, person)
}

// OpenQuestion is the open question about a step, nil if there is none.
func (r *Run) OpenQuestion(step string) *Question {
	for _, id := range r.Open {
		if q := r.Questions[id]; q.Step == step {
			return q
		}
	}
	return nil
}

// Changed are the steps whose changes this run made, in the order they were begun.
func (r *Run) Changed() []StepState {
	var out []StepState
	for _, st := range r.Steps {
		if st.Changed || st.Intended != nil {
			out = append(out, *st)
		}
	}
	slices.SortFunc(out, func(a, b StepState) int {
		if c := a.Started.Compare(b.Started); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

func (r *Run) step(id, action string) *StepState {
	st := r.Steps[id]
	if st == nil {
		st = &StepState{ID: id}
		r.Steps[id] = st
	}
	if action != "" {
		st.Action = action
	}
	return st
}

func (r *Run) status(st *StepState, to Status) {
	if st.Status == Running && !st.nonBlocking {
		r.running--
	}
	st.Status = to
	if to == Running && !st.nonBlocking {
		r.running++
	}
}

func (r *Run) answer(id, how, by string, at time.Time) *Question {
	q := r.Questions[id]
	if q == nil {
		return &Question{}
	}
	q.Open, q.Answer, q.By, q.At = false, how, by, at
	r.Open = slices.DeleteFunc(r.Open, func(o string) bool { return o == id })
	return q
}

// begin takes in the plan.
func (r *Run) begin(b RunBegun, by string, at time.Time) {
	r.Kind, r.Source, r.Target, r.Mode, r.Follows, r.Dry = b.Kind, b.Source, b.Target, b.Mode, b.Follows, b.Dry
	r.BegunBy, r.BegunAt, r.Plan = by, at, RunPlan{b.Digest, b.Plan}
	if b.Kind == Undo { // whoever begins it has read what it does: that is its Go
		r.GoBy, r.GoAt = by, at
	}
	var plan struct {
		Steps []struct {
			ID     string  `json:"id"`
			Group  string  `json:"group"`
			Proves []Trait `json:"proves"`
		} `json:"steps"`
	}
	r.traits = map[string][]Trait{}
	if json.Unmarshal(b.Plan, &plan) != nil {
		return // who carries it out says that it cannot be read
	}
	for _, s := range plan.Steps {
		r.traits[s.ID] = s.Proves
		if s.Group != "" && r.traits[s.Group] == nil {
			r.traits[s.Group] = s.Proves
		}
	}
}

// apply takes one more event of the run into account.
func (r *Run) apply(e Event) {
	switch b := e.Body.(type) {
	case RunTaken:
		r.Taken = b
	case RunPaused:
		r.Paused, r.PausedBy, r.PauseReason = true, e.Actor, b.Reason
	case RunResumed:
		r.Paused, r.PausedBy, r.PauseReason = false, "", ""
	case RunAborted:
		r.AbortedAt, r.AbortedBy, r.Aborted = e.Time, e.Actor, b
	case RunEnded:
		r.EndedAt, r.EndedBy, r.Ended = e.Time, e.Actor, b
	case IncidentMitigated:
		r.MitigatedAt, r.Mitigated = e.Time, b
	case ApprovalAsked, ApprovalGiven, ApprovalDeclined, ApprovalExpired, ApprovalWithdrawn:
		r.applyQuestion(e)
	default:
		r.applyStep(e)
	}
}

func (r *Run) applyStep(e Event) {
	switch b := e.Body.(type) {
	case StepStarted:
		st := r.step(b.Step, b.Action)
		r.status(st, Pending)
		st.nonBlocking = b.NonBlocking
		r.status(st, Running)
		st.Attempt, st.Started, st.Ended = b.Attempt, e.Time, time.Time{}
		st.Job, st.Progress = nil, nil
		if st.First.IsZero() {
			st.First = e.Time
		}
	case StepsExpanded:
		r.Expanded[b.Step] = b
	case ChangeForeseen:
		r.step(b.Step, b.Action).Foreseen = &b
	case ChangeIntended:
		st := r.step(b.Step, b.Action)
		st.Intended, st.IntendedSeq, st.Attempt, st.Again = &b, e.Seq, b.Attempt, ""
		st.Asked, st.Dropped = e.Time, ""
		st.left(e.Time)
		if st.Prior == nil {
			st.Prior = b.Prior
		}
		if st.Before == "" {
			st.Before = b.Before
		}
	case ChangeMissed:
		st := r.step(b.Step, b.Action)
		st.Intended, st.IntendedSeq, st.Asked = nil, 0, time.Time{}
		st.nothing()
	case ExerciseIntended:
		r.step(b.Step, b.Action)
		r.Sent[b.Step] = b.Send
	case JobStarted:
		st := r.step(b.Step, b.Action)
		st.Job, st.JobBegun = &b, e.Time
	case JobProgressed:
		st := r.step(b.Step, "")
		st.Progress, st.ProgressAt = &b, e.Time
	case StepFinished:
		st := r.step(b.Step, b.Action)
		r.status(st, Done)
		st.Ended, st.Finished, st.Intended = e.Time, b, nil
		st.Changed = st.Changed || b.Changed
		if st.First.IsZero() {
			st.First, st.Started = e.Time, e.Time
		}
	case StepFailed:
		st := r.step(b.Step, b.Action)
		r.status(st, Failed)
		if b.Advice {
			r.status(st, Advised)
		} else if r.Shows(b.Step, AsUsers) {
			r.lastUserFailure = e.Time
		}
		st.Ended, st.Failure = e.Time, b
		if !b.MayHaveHappened {
			st.Intended, st.Asked = nil, time.Time{}
			st.nothing()
		}
		if b.Refused {
			st.IntendedSeq = 0 // what was agreed to has not been used up
		}
		if b.WillNotCome != "" {
			r.step(b.WillNotCome, "").Dropped = b.Error
		}
	case StepSkipped:
		st := r.step(b.Step, "")
		r.status(st, Skipped)
		st.SkippedBy, st.SkipReason = e.Actor, b.Reason
		if st.Ended.IsZero() {
			st.Ended = e.Time
		}
	case StepRetried:
		st := r.step(b.Step, "")
		if !st.Agreed() {
			st.VoidSeq = e.Seq
		}
		r.status(st, Pending)
		if st.Intended == nil {
			st.Asked = time.Time{}
		}
		st.Retriers = append(st.Retriers, e.Actor)
		st.Overwrite = b.Overwrite
		delete(r.Sent, b.Step)
	case WatchObserved:
		st := r.step(b.Step, b.Action)
		st.Observed, st.ObservedAt = &b, e.Time
	}
}

func (r *Run) applyQuestion(e Event) {
	switch b := e.Body.(type) {
	case ApprovalAsked:
		b.Expired = max(b.Expired, r.Expiries[b.Step])
		r.Questions[b.Question] = &Question{ApprovalAsked: b, Run: r.Name, AskedAt: e.Time, Open: true}
		r.Open = append(r.Open, b.Question)
		if b.Kind == AskApprove {
			st := r.step(b.Step, "")
			r.status(st, Pending)
			if b.Again != "" {
				st.Again = b.Again
			}
			for _, id := range b.about() {
				r.step(id, "").VoidSeq = e.Seq
			}
		}
	case ApprovalGiven:
		q := r.Questions[b.Question]
		if q == nil {
			q = &Question{ApprovalAsked: ApprovalAsked{Question: b.Question, Kind: b.Kind, Step: b.Step}}
		}
		if !slices.Contains(q.Given, e.Actor) {
			q.Given = append(q.Given, e.Actor)
		}
		if q.Open && q.Wanting() > 0 && !b.BrokeGlass {
			return // of several it is not the last
		}
		q = r.answer(b.Question, b.Choice, e.Actor, e.Time)
		q.Reason, q.BrokeGlass = b.Reason, b.BrokeGlass
		switch b.Kind {
		case AskGo:
			r.GoBy, r.GoAt = e.Actor, e.Time
		case AskApprove:
			for _, id := range q.about() {
				st := r.step(id, "")
				st.ApprovedSeq, st.ApprovedBy, st.ApprovedAt, st.Approved = e.Seq, strings.Join(q.Given, " "), e.Time, b.Question
			}
		case AskFailed, AskPerson:
		}
	case ApprovalDeclined:
		q := r.answer(b.Question, "declined", e.Actor, e.Time)
		q.Reason = b.Reason
		st := r.step(b.Step, "")
		r.status(st, Failed)
		st.VoidSeq = e.Seq
		st.Ended, st.Failure = e.Time, StepFailed{Step: b.Step, Error: "declined"}
		if b.Reason != "" {
			st.Failure.Error += ": " + b.Reason
		}
	case ApprovalExpired:
		r.answer(b.Question, "expired", e.Actor, e.Time)
		r.Expiries[b.Step]++
	case ApprovalWithdrawn:
		q := r.answer(b.Question, "withdrawn", e.Actor, e.Time)
		q.Reason = b.Why
	}
}
