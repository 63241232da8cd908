package incident

import (
	"slices"
	"strings"
	"time"
)

// Status is how far a step has come.
type Status string

// The statuses of a step. The zero value is a step nobody has begun.
const (
	Pending Status = ""
	Running Status = "running"
	Done    Status = "done"
	Failed  Status = "failed"  // stopped; a person decides
	Advised Status = "advised" // failed, shown, and nothing waits for it
	Skipped Status = "skipped" // a person decided to go on without it
)

// Settled says that nothing waits for a step of this status any more.
func (s Status) Settled() bool { return s == Done || s == Advised || s == Skipped }

// State is what follows from the events so far. Apply keeps it up to date at a
// cost that does not depend on how many events came before.
type State struct {
	ID  ID
	Seq uint64
	// Last is when the newest event happened.
	Last time.Time

	Declared   IncidentDeclared
	DeclaredBy string
	DeclaredAt time.Time
	Plan       PlanFrozen
	Durability *DurabilityFound
	Run        RunTaken

	// Steps by id; one that nobody has begun is absent. Use Step.
	Steps map[string]*StepState
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
	ResolvedAt  time.Time
	ResolvedBy  string

	// Posts are what was said where, by key; Expiries how often the question
	// about a step ran out unanswered.
	Posts    map[string]MessagePosted
	Expiries map[string]int
	Notes    int

	// Waited is how long nothing but a person was waited for.
	Waited  time.Duration
	running int
	doubted time.Time // when a look at what users get failed last
}

// StepState is how one step of the run stands.
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
	// ApprovedSeq and IntendedSeq are the events of the newest approval and the
	// newest intended change. One approval carries one intention.
	ApprovedSeq uint64
	IntendedSeq uint64
	ApprovedBy  string
	ApprovedAt  time.Time
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
	// Changed: this run changed the world here.
	Changed bool

	aside bool
}

// Question is one that was put to people.
type Question struct {
	ApprovalAsked
	AskedAt time.Time
	// Open until answered, expired or withdrawn.
	Open bool
	// Answer is the choice made, "declined", "expired" or "withdrawn".
	Answer     string
	By         string
	At         time.Time
	Reason     string
	BrokeGlass bool
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

// Fold works out the State of a whole timeline.
func Fold(events []Event) *State {
	s := NewState()
	for _, e := range events {
		s.Apply(e)
	}
	return s
}

// NewState is the State before the first event.
func NewState() *State {
	return &State{
		Steps:     map[string]*StepState{},
		Questions: map[string]*Question{},
		Posts:     map[string]MessagePosted{},
		Expiries:  map[string]int{},
	}
}

// Waiting is how long nothing but a person has been waited for, up to now.
func (s *State) Waiting(now time.Time) time.Duration {
	if s.idle() && now.After(s.Last) {
		return s.Waited + now.Sub(s.Last)
	}
	return s.Waited
}

// idle says that nothing moves before a person does something.
func (s *State) idle() bool {
	return s.running == 0 && (len(s.Open) > 0 || s.Paused) && s.MitigatedAt.IsZero() && !s.Over()
}

// Step is how the step stands; a pending one if nobody has begun it.
func (s *State) Step(id string) StepState {
	if st := s.Steps[id]; st != nil {
		return *st
	}
	return StepState{ID: id}
}

// Cleared says that the step has an approval to go on with: a newer one than its
// last intention, and than whatever made approvals void.
func (st StepState) Cleared() bool { return st.ApprovedSeq > max(st.IntendedSeq, st.VoidSeq) }

// sees is the action that sees users be served by the target, by the public name;
// looks begin all those that do as users do.
const (
	sees  = "probe.region"
	looks = "probe."
)

// ServedAt is since when users have been served by the target: when the public name
// was last seen to be, or when it was mitigated in a run that did not look, or that
// found users without service after that. That is where impact ends, not where the
// last check turned green. Zero before the incident is mitigated: until then what
// was seen may not last.
func (s *State) ServedAt() time.Time {
	if s.MitigatedAt.IsZero() {
		return time.Time{}
	}
	var seen time.Time
	for _, st := range s.Steps {
		if st.Action == sees && st.Status == Done && st.Ended.After(seen) && !st.Ended.After(s.MitigatedAt) {
			seen = st.Ended
		}
	}
	if seen.IsZero() || s.doubted.After(seen) {
		return s.MitigatedAt
	}
	return seen
}

// Over says that the run is at its end, whichever.
func (s *State) Over() bool {
	return !s.AbortedAt.IsZero() || !s.ResolvedAt.IsZero()
}

// Phase is one word for where the incident stands: readiness, running, paused,
// aborted, mitigated or resolved.
func (s *State) Phase() string {
	switch {
	case !s.ResolvedAt.IsZero():
		return "resolved"
	case !s.AbortedAt.IsZero():
		return "aborted"
	case !s.MitigatedAt.IsZero():
		return "mitigated"
	case s.Paused:
		return "paused"
	case s.GoBy == "":
		return "readiness"
	default:
		return "running"
	}
}

// Requested says whether that person asked for what the step does: declared the
// incident, pressed Go, or retried the step. Such a person may not approve it.
func (s *State) Requested(person, step string) bool {
	if person == s.DeclaredBy || person == s.GoBy {
		return true
	}
	st := s.Steps[step]
	return st != nil && slices.Contains(st.Retriers, person)
}

// OpenQuestion is the open question about a step, nil if there is none.
func (s *State) OpenQuestion(step string) *Question {
	for _, id := range s.Open {
		if q := s.Questions[id]; q.Step == step {
			return q
		}
	}
	return nil
}

// Changed are the steps whose changes this run made, in the order they were begun.
func (s *State) Changed() []StepState {
	var out []StepState
	for _, st := range s.Steps {
		if st.Changed || st.Intended != nil {
			out = append(out, *st)
		}
	}
	slices.SortFunc(out, func(a, b StepState) int {
		if c := a.Started.Compare(b.Started); c != 0 {
			return c
		}
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return out
}

func (s *State) step(id, action string) *StepState {
	st := s.Steps[id]
	if st == nil {
		st = &StepState{ID: id}
		s.Steps[id] = st
	}
	if action != "" {
		st.Action = action
	}
	return st
}

func (s *State) status(st *StepState, to Status) {
	if st.Status == Running && !st.aside {
		s.running--
	}
	st.Status = to
	if to == Running && !st.aside {
		s.running++
	}
}

func (s *State) answer(id, how, by string, at time.Time) *Question {
	q := s.Questions[id]
	if q == nil {
		return &Question{}
	}
	q.Open, q.Answer, q.By, q.At = false, how, by, at
	s.Open = slices.DeleteFunc(s.Open, func(o string) bool { return o == id })
	return q
}

// Apply takes one more event into account. Events come in order; an Unknown one
// only moves Seq and Last.
func (s *State) Apply(e Event) {
	s.Waited = s.Waiting(e.Time)
	s.Seq = e.Seq
	if e.Time.After(s.Last) { // the clocks of two replicas may differ
		s.Last = e.Time
	}
	switch b := e.Body.(type) {
	case IncidentDeclared:
		s.ID, s.Declared, s.DeclaredBy, s.DeclaredAt = b.Incident, b, e.Actor, e.Time
	case PlanFrozen:
		s.Plan = b
	case DurabilityFound:
		s.Durability = &b
	case RunTaken:
		s.Run = b
	case StepStarted:
		st := s.step(b.Step, b.Action)
		s.status(st, Pending)
		st.aside = b.Aside
		s.status(st, Running)
		st.Attempt, st.Started, st.Ended = b.Attempt, e.Time, time.Time{}
		if st.First.IsZero() {
			st.First = e.Time
		}
	case ChangeIntended:
		st := s.step(b.Step, b.Action)
		st.Intended, st.IntendedSeq, st.Attempt, st.Again = &b, e.Seq, b.Attempt, ""
	case ChangeMissed:
		st := s.step(b.Step, b.Action)
		st.Intended, st.IntendedSeq = nil, 0
	case StepFinished:
		st := s.step(b.Step, b.Action)
		s.status(st, Done)
		st.Ended, st.Finished, st.Intended = e.Time, b, nil
		st.Changed = st.Changed || b.Changed
		if st.First.IsZero() {
			st.First, st.Started = e.Time, e.Time
		}
	case StepFailed:
		st := s.step(b.Step, b.Action)
		s.status(st, Failed)
		if b.Advice {
			s.status(st, Advised)
		} else if strings.HasPrefix(b.Action, looks) {
			s.doubted = e.Time
		}
		st.Ended, st.Failure = e.Time, b
		if !b.Maybe {
			st.Intended = nil
		}
	case StepSkipped:
		st := s.step(b.Step, "")
		s.status(st, Skipped)
		st.SkippedBy, st.SkipReason = e.Actor, b.Reason
		if st.Ended.IsZero() {
			st.Ended = e.Time
		}
	case StepRetried:
		st := s.step(b.Step, "")
		s.status(st, Pending)
		st.VoidSeq = e.Seq
		st.Retriers = append(st.Retriers, e.Actor)
	case ApprovalAsked:
		b.Expired = max(b.Expired, s.Expiries[b.Step])
		s.Questions[b.Question] = &Question{ApprovalAsked: b, AskedAt: e.Time, Open: true}
		s.Open = append(s.Open, b.Question)
		if b.Kind == AskApprove {
			st := s.step(b.Step, "")
			s.status(st, Pending)
			if b.Again != "" {
				st.Again = b.Again
			}
			for _, id := range b.about() {
				s.step(id, "").VoidSeq = e.Seq
			}
		}
	case ApprovalGiven:
		q := s.answer(b.Question, b.Choice, e.Actor, e.Time)
		q.Reason, q.BrokeGlass = b.Reason, b.BrokeGlass
		switch b.Kind {
		case AskGo:
			s.GoBy, s.GoAt = e.Actor, e.Time
		case AskApprove:
			for _, id := range q.about() {
				st := s.step(id, "")
				st.ApprovedSeq, st.ApprovedBy, st.ApprovedAt, st.Approved = e.Seq, e.Actor, e.Time, b.Question
			}
		case AskFailed:
		}
	case ApprovalDeclined:
		q := s.answer(b.Question, "declined", e.Actor, e.Time)
		q.Reason = b.Reason
		st := s.step(b.Step, "")
		s.status(st, Failed)
		st.VoidSeq = e.Seq
		st.Ended, st.Failure = e.Time, StepFailed{Step: b.Step, Error: "declined"}
		if b.Reason != "" {
			st.Failure.Error += ": " + b.Reason
		}
	case ApprovalExpired:
		s.answer(b.Question, "expired", e.Actor, e.Time)
		s.Expiries[b.Step]++
	case ApprovalWithdrawn:
		q := s.answer(b.Question, "withdrawn", e.Actor, e.Time)
		q.Reason = b.Why
	case RunPaused:
		s.Paused, s.PausedBy, s.PauseReason = true, e.Actor, b.Reason
	case RunResumed:
		s.Paused, s.PausedBy, s.PauseReason = false, "", ""
	case RunAborted:
		s.AbortedAt, s.AbortedBy, s.Aborted = e.Time, e.Actor, b
	case IncidentMitigated:
		s.MitigatedAt, s.Mitigated = e.Time, b
	case IncidentResolved:
		s.ResolvedAt, s.ResolvedBy = e.Time, e.Actor
	case NoteAdded:
		s.Notes++
	case MessagePosted:
		s.Posts[b.Key] = b
	case DurabilityObtained, Unknown:
	}
}
