package incident

import (
	"encoding/json"
	"fmt"
	"slices"
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
	// Unserved: it was closed while users were not seen to be served.
	Unserved bool
	Notes    int
	// Corrected is what a person said last about since when users have been hurt; nil
	// if nobody has.
	Corrected *ImpactCorrected
	// Sightings are what the watches of users saw, of all runs, oldest first. Only
	// what changed is among them.
	Sightings []Sighting
	// Closed are the open points that people closed, by id.
	Closed map[string]ClosedPoint
	here   map[string]Confirmed // by subject, see Here
	acted  map[string]time.Time // see Acted
	// Tasks by id, and their ids in the order opened.
	Tasks     map[string]*Task
	TaskOrder []string

	// Diverged is set from HistoryDiverged until HistoryRepaired: nothing may
	// change the world.
	Diverged *HistoryDiverged
	lost     bool
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

// Sighting is what a watch of users saw, and since when it has been so.
type Sighting struct {
	WatchObserved
	At  time.Time
	Run RunID
}

// ClosedPoint is an open point that a person closed.
type ClosedPoint struct {
	By  string
	At  time.Time
	How string
}

// Began is since when users have been hurt, as people said it; zero if nobody knows.
func (s *State) Began() time.Time {
	switch {
	case s.Corrected != nil:
		return s.Corrected.Began
	case s.Declared.BeganNotSaid:
		return time.Time{}
	}
	return s.Declared.Began
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

// Waits says whether a question can still be answered: it is open, and its run goes on.
func (s *State) Waits(q *Question) bool { return q.Open && q.Run == s.Run.Name && !s.Over() }

// Requested says whether that person asked for what the step does: declared the
// incident, began the run, pressed Go, or retried the step. Such a person may not
// approve it.
func (s *State) Requested(person, step string) bool {
	return person == s.DeclaredBy || s.requested(person, step)
}

// ClosedUnserved is the phase of an incident that was closed while users were not
// seen to be served.
const ClosedUnserved = "closed, not restored"

// RequestedAny says so of any step that a yes to the question would stand for: also
// of those that it covers.
func (s *State) RequestedAny(person string, q *Question) bool {
	return slices.ContainsFunc(q.about(), func(step string) bool { return s.Requested(person, step) })
}

// Phase is one word for where the incident stands: readiness, running, paused,
// aborted, mitigated or resolved; "taking back" and "taken back" of a run that undoes
// another one; "resolved, failing back" while a run goes on after that.
func (s *State) Phase() string {
	switch {
	case !s.ResolvedAt.IsZero() && s.Kind == Failback && !s.Over():
		return "resolved, failing back"
	case !s.ResolvedAt.IsZero() && s.Unserved:
		return ClosedUnserved
	case !s.ResolvedAt.IsZero():
		return "resolved"
	case !s.AbortedAt.IsZero():
		return "aborted"
	case !s.MitigatedAt.IsZero():
		return "mitigated"
	case s.Diverged != nil:
		return "halted"
	case !s.EndedAt.IsZero() && s.Kind == Undo:
		return "taken back"
	case !s.EndedAt.IsZero():
		return "ended"
	case s.Paused:
		return "paused"
	case s.Kind == Undo:
		return "taking back"
	case s.GoBy == "":
		return "readiness"
	default:
		return "running"
	}
}

// open says that the incident was declared, or lost by the record while it was open,
// and not closed since.
func (s *State) open() bool {
	return (!s.DeclaredAt.IsZero() || s.Diverged != nil && s.Diverged.Open) && s.ResolvedAt.IsZero()
}

// Gone says that the record has lost all that there was of the incident.
func (s *State) Gone() bool { return s.DeclaredAt.IsZero() && s.lost }

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
	s.act(e)
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
		s.ResolvedAt, s.ResolvedBy, s.Unserved = e.Time, e.Actor, b.Unserved
		if run.EndedAt.IsZero() {
			run.EndedAt, run.EndedBy = e.Time, e.Actor
		}
	case NoteAdded:
		s.Notes++
	case ImpactCorrected:
		s.Corrected = &b
	case WatchObserved:
		run.apply(e)
		if run.Shows(b.Step, UsersWatched) {
			s.Sightings = append(s.Sightings, Sighting{b, e.Time, run.Name})
		}
	case TaskOpened, TaskReminded, TaskClosed:
		s.applyTask(e)
	case HistoryDiverged:
		s.Diverged, s.lost = &b, true
		if s.ID == "" {
			s.ID = b.Incident
		}
		s.mayHaveHappened(b.Lost)
	case HistoryRepaired:
		s.Diverged = nil
		if b.Closes {
			s.ResolvedAt, s.ResolvedBy = e.Time, e.Actor
		}
	case PointClosed:
		s.applyClosed(e, b)
	case ConfirmationGiven:
		s.applyGiven(e, b)
	case AssessmentMade, ConfirmationAsked, SignalObserved, FailoverProposed, ProposalAnswered, StandbyChanged, DrillHeld, PointOpened:
		s.platform().apply(e)
	case StepFinished:
		run.apply(e)
		s.closeByFact(run, b.Step, e.Time)
	case Unknown:
		if b.Broken != "" {
			s.damaged("event %d %s", e.Seq, b.Broken)
		}
	case RunBegun, DurabilityObtained:
	default:
		run.apply(e)
	}
}

// applyClosed closes an open point: of this incident, whose points follow from its
// events, or of the platform.
func (s *State) applyClosed(e Event, b PointClosed) {
	if s.DeclaredAt.IsZero() {
		s.platform().apply(e)
		return
	}
	if s.Closed == nil {
		s.Closed = map[string]ClosedPoint{}
	}
	s.Closed[b.Point] = ClosedPoint{By: e.Actor, At: e.Time, How: b.How}
}

// act keeps when each person first did something.
func (s *State) act(e Event) {
	_, before := s.acted[e.Actor]
	_, unknown := e.Body.(Unknown)
	if before || unknown || e.Actor == Bot || e.Actor == "" {
		return
	}
	if s.acted == nil {
		s.acted = map[string]time.Time{}
	}
	s.acted[e.Actor] = e.Time
}

// applyGiven takes in what somebody has said: of this incident, or of the platform.
func (s *State) applyGiven(e Event, b ConfirmationGiven) {
	if s.DeclaredAt.IsZero() {
		s.platform().apply(e)
		return
	}
	if _, there := s.here[b.Subject]; b.Yes && !there {
		if s.here == nil {
			s.here = map[string]Confirmed{}
		}
		s.here[b.Subject] = Confirmed{b, e.Actor, e.Time}
	}
}

func (s *State) platform() *Platform {
	if s.Platform == nil {
		s.Platform = newPlatform()
	}
	return s.Platform
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
			st.Intended, st.IntendedSeq, st.Attempt, st.Asked = &b, s.Seq, b.Attempt, e.Time
			st.left(e.Time)
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
