package incident

import (
	"slices"
	"encoding/json"
	"fmt"
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
	Durability *DurabilityFound

	ResolvedAt time.Time
	ResolvedBy string
	Notes      int
	// Tasks by id, and their ids in the order opened.
	Tasks     map[string]*Task
	TaskOrder []string

	// Diverged is set from HistoryDiverged until HistoryRepaired: nothing may
	// change the world.
	Diverged *HistoryDiverged
	// Damage says in a sentence what about the timeline cannot be; empty if
	// nothing. Nothing is decided on such a timeline.
	Damage string

	// Platform is what follows from the platform log's events; nil on the timeline
	// of an incident.
	Platform *Platform

	// Runs in the order in which they began. The newest is embedded; before the
	// first it is an empty one, so never nil.
	Runs []*Run
	*Run
}

// Task is something that somebody has to do.
type Task struct {
	TaskOpened
	OpenedBy string
	OpenedAt time.Time
	// Reminded is when the owner was last; Next when it is due again.
	Reminded time.Time
	Next     time.Time
	ClosedBy string
	ClosedAt time.Time
	How      string
}

// Open says that the task is still to be done.
func (t *Task) Open() bool { return t.ClosedAt.IsZero() }

// Fold works out the State of a whole timeline.
func Fold(events []Event) *State {
	s := NewState()
	for _, e := range events {
		s.Apply(e)
	}
	return s
}

// NewState is the State before the first event.
func NewState() *State { return &State{Run: newRun(""), Tasks: map[string]*Task{}} }

// RunOf is the run of that name, nil if the incident has none.
func (s *State) RunOf(name RunID) *Run {
	for _, r := range s.Runs {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// NextRun is the name of a run of that kind that begins now.
func (s *State) NextRun(kind RunKind) RunID {
	return RunID(fmt.Sprintf("%s-%d", kind, len(s.Runs)+1))
}

// Question is the one with that id, of whichever run; nil if there is none.
func (s *State) Question(id string) *Question {
	for _, r := range s.Runs {
		if q := r.Questions[id]; q != nil {
			return q
		}
	}
	return s.Run.Questions[id]
}

// Requested says whether that person asked for what the step does: declared the
// incident, began the run, pressed Go, or retried the step. Such a person may not
// approve it.
func (s *State) Requested(person, step string) bool {
	return person == s.DeclaredBy || s.requested(person, step)
}

// RequestedAny says so of any step that a yes to the question would stand for: also
// of those that it covers.
func (s *State) RequestedAny(person string, q *Question) bool {
	return slices.ContainsFunc(q.about(), func(step string) bool { return s.Requested(person, step) })
}

// Phase is one word for where the incident stands: readiness, running, paused,
// aborted, mitigated or resolved; "resolved, failing back" while a run goes on
// after that.
func (s *State) Phase() string {
	switch {
	case !s.ResolvedAt.IsZero() && s.Kind == Failback && !s.Over():
		return "resolved, failing back"
	case !s.ResolvedAt.IsZero():
		return "resolved"
	case !s.AbortedAt.IsZero():
		return "aborted"
	case !s.MitigatedAt.IsZero():
		return "mitigated"
	case s.Diverged != nil:
		return "halted"
	case !s.EndedAt.IsZero():
		return "ended"
	case s.Paused:
		return "paused"
	case s.GoBy == "":
		return "readiness"
	default:
		return "running"
	}
}

// Begins says in a sentence why a run of that kind cannot begin now; empty if it
// can.
func (s *State) Begins(kind RunKind) string {
	switch {
	case s.Seq == 0:
		return "there is no such incident"
	case s.Run.Name != "" && !s.Over():
		return fmt.Sprintf("%s of this incident is not over", s.Run.Name)
	case !s.ResolvedAt.IsZero() && kind != Failback:
		return "the incident was resolved, and only the way back may follow"
	case kind == Undo && len(s.Runs) == 0, kind == Failback && len(s.Runs) == 0:
		return "there is no run that it could follow"
	}
	return ""
}

// Apply takes one more event into account. Events come in order; an Unknown one
// only moves Seq and Last.
func (s *State) Apply(e Event) {
	s.Seq = e.Seq
	if e.Time.After(s.Last) { // the clocks of two replicas may differ
		s.Last = e.Time
	}
	run := s.Run
	if b, begins := e.Body.(RunBegun); begins {
		run = s.begin(e, b)
	} else if e.Run != "" && e.Run != run.Name {
		if run = s.RunOf(e.Run); run == nil {
			s.damaged("event %d (%s) belongs to the run %q, which this incident does not have", e.Seq, e.Body.Type(), e.Run)
			return
		}
	}
	run.Waited = run.Waiting(e.Time)
	if e.Time.After(run.last) {
		run.last = e.Time
	}
	switch b := e.Body.(type) {
	case IncidentDeclared:
		s.ID, s.Declared, s.DeclaredBy, s.DeclaredAt = b.Incident, b, e.Actor, e.Time
	case DurabilityFound:
		s.Durability = &b
	case IncidentResolved:
		s.ResolvedAt, s.ResolvedBy = e.Time, e.Actor
		if run.EndedAt.IsZero() {
			run.EndedAt, run.EndedBy = e.Time, e.Actor
		}
	case NoteAdded:
		s.Notes++
	case TaskOpened, TaskReminded, TaskClosed:
		s.applyTask(e)
	case HistoryDiverged:
		s.Diverged = &b
		s.mayHaveHappened(b.Lost)
	case HistoryRepaired:
		s.Diverged = nil
	case AssessmentMade, SignalObserved, FailoverProposed, ProposalAnswered, StandbyChanged, DrillHeld, PointOpened, PointClosed:
		if s.Platform == nil {
			s.Platform = newPlatform()
		}
		s.Platform.apply(e)
	case StepFinished:
		run.apply(e)
		s.closeByFact(run, b.Step, e.Time)
	case RunBegun, DurabilityObtained, Unknown:
	default:
		run.apply(e)
	}
}

// begin makes the run current.
func (s *State) begin(e Event, b RunBegun) *Run {
	if s.RunOf(e.Run) != nil {
		s.damaged("event %d begins the run %q, which had begun before", e.Seq, e.Run)
	}
	r := newRun(e.Run)
	r.begin(b, e.Actor, e.Time)
	s.Runs, s.Run = append(s.Runs, r), r
	return r
}

// damaged keeps the first thing that is wrong.
func (s *State) damaged(format string, args ...any) {
	if s.Damage == "" {
		s.Damage = fmt.Sprintf(format, args...)
	}
}

// mayHaveHappened takes changes into account whose intention was lost with the
// record: nobody knows whether they left, so they are looked for.
func (s *State) mayHaveHappened(lost []json.RawMessage) {
	for _, raw := range lost {
		var e Event
		if e.UnmarshalJSON(raw) != nil {
			continue
		}
		b, intended := e.Body.(ChangeIntended)
		run := s.RunOf(e.Run)
		if !intended || run == nil {
			continue
		}
		if st := run.step(b.Step, b.Action); st.Status != Done {
			st.Intended, st.IntendedSeq, st.Attempt = &b, s.Seq, b.Attempt
			if st.Prior == nil {
				st.Prior = b.Prior
			}
			run.status(st, Running)
		}
	}
}

func (s *State) applyTask(e Event) {
	switch b := e.Body.(type) {
	case TaskOpened:
		t := s.Tasks[b.Task]
		if t == nil {
			t = &Task{OpenedBy: e.Actor, OpenedAt: e.Time}
			s.Tasks[b.Task] = t
			s.TaskOrder = append(s.TaskOrder, b.Task)
		}
		t.TaskOpened, t.Next = b, b.Due
		t.ClosedBy, t.ClosedAt, t.How = "", time.Time{}, ""
	case TaskReminded:
		if t := s.Tasks[b.Task]; t != nil {
			t.Reminded, t.Next = e.Time, b.Next
		}
	case TaskClosed:
		if t := s.Tasks[b.Task]; t != nil && t.Open() {
			t.ClosedBy, t.ClosedAt, t.How = e.Actor, e.Time, b.How
		}
	}
}

// closeByFact closes the tasks that wait for what this step has just proved.
func (s *State) closeByFact(run *Run, step string, at time.Time) {
	for _, id := range s.TaskOrder {
		if t := s.Tasks[id]; t.Open() && t.Fact != "" && run.Shows(step, t.Fact) {
			t.ClosedBy, t.ClosedAt, t.How = Bot, at, "seen by "+step
		}
	}
}
