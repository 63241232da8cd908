package incident

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Event is something that happened, in the past tense. Events gain fields and
// never change meaning; old timelines still load.
type Event struct {
	// Seq counts from 1 without a gap.
	Seq uint64
	// Time it was decided, by the clock of whoever appended it, in UTC.
	Time time.Time
	// Actor is who caused it: a person's id on the surface they came by, or Bot.
	Actor string
	Body  Body
}

// Body is what is particular to one type of event. Its JSON fields stand beside
// the event's own: seq, time, type and actor are taken.
type Body interface {
	// Type is the event's name in JSON: "StepStarted".
	Type() string
}

// Unknown keeps an event of a type that this version does not know. It is
// carried along unchanged and skipped by Fold.
type Unknown struct {
	Name string
	Raw  json.RawMessage // the whole event as it was read
}

// Type is the name it was read with.
func (u Unknown) Type() string { return u.Name }

type head struct {
	Seq   uint64    `json:"seq"`
	Time  time.Time `json:"time"`
	Type  string    `json:"type"`
	Actor string    `json:"actor,omitempty"`
}

// MarshalJSON writes one flat object: the event's own fields, then its body's.
func (e Event) MarshalJSON() ([]byte, error) {
	if e.Body == nil {
		return nil, fmt.Errorf("event %d has no body", e.Seq)
	}
	if u, ok := e.Body.(Unknown); ok {
		return u.Raw, nil
	}
	h, err := json.Marshal(head{e.Seq, e.Time.UTC(), e.Body.Type(), e.Actor})
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(e.Body)
	if err != nil {
		return nil, fmt.Errorf("write event %s: %w", e.Body.Type(), err)
	}
	if bytes.Equal(b, []byte("{}")) {
		return h, nil
	}
	out := append(h[:len(h)-1:len(h)-1], ',')
	return append(out, b[1:]...), nil
}

// UnmarshalJSON reads what MarshalJSON wrote. An unknown type becomes Unknown;
// unknown fields of a known type are dropped.
func (e *Event) UnmarshalJSON(data []byte) error {
	var h head
	if err := json.Unmarshal(data, &h); err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	e.Seq, e.Time, e.Actor = h.Seq, h.Time, h.Actor
	read, ok := bodies[h.Type]
	if !ok {
		e.Body = Unknown{Name: h.Type, Raw: append(json.RawMessage(nil), data...)}
		return nil
	}
	b, err := read(data)
	if err != nil {
		return fmt.Errorf("read event %d (%s): %w", h.Seq, h.Type, err)
	}
	e.Body = b
	return nil
}

func body[T Body](data []byte) (Body, error) {
	var b T
	err := json.Unmarshal(data, &b)
	return b, err
}

// bodies is every type of event there is.
var bodies = map[string]func([]byte) (Body, error){
	"IncidentDeclared":   body[IncidentDeclared],
	"PlanFrozen":         body[PlanFrozen],
	"DurabilityFound":    body[DurabilityFound],
	"RunTaken":           body[RunTaken],
	"StepStarted":        body[StepStarted],
	"ChangeIntended":     body[ChangeIntended],
	"ChangeMissed":       body[ChangeMissed],
	"DurabilityObtained": body[DurabilityObtained],
	"StepFinished":       body[StepFinished],
	"StepFailed":         body[StepFailed],
	"StepSkipped":        body[StepSkipped],
	"StepRetried":        body[StepRetried],
	"ApprovalAsked":      body[ApprovalAsked],
	"ApprovalGiven":      body[ApprovalGiven],
	"ApprovalDeclined":   body[ApprovalDeclined],
	"ApprovalExpired":    body[ApprovalExpired],
	"ApprovalWithdrawn":  body[ApprovalWithdrawn],
	"RunPaused":          body[RunPaused],
	"RunResumed":         body[RunResumed],
	"RunAborted":         body[RunAborted],
	"IncidentMitigated":  body[IncidentMitigated],
	"IncidentResolved":   body[IncidentResolved],
	"NoteAdded":          body[NoteAdded],
	"MessagePosted":      body[MessagePosted],
}

// IncidentDeclared opens a timeline. Actor is who asked for it.
type IncidentDeclared struct {
	Incident ID     `json:"incident"`
	Source   string `json:"source"` // the Region being left
	Target   string `json:"target"`
	Mode     string `json:"mode"` // planned or unplanned
	Severity string `json:"severity"`
	Reason   string `json:"reason"`
	// Began is when users began to be hurt, as far as is known: T0.
	Began time.Time `json:"began"`
	// Commander runs the incident; at first whoever declared it.
	Commander string `json:"commander"`
	// Rehearsal marks everything that follows as practice.
	Rehearsal bool `json:"rehearsal,omitempty"`
}

// PlanFrozen is the plan this incident carries out, whatever happens to the
// files. Plan is a runbook.Plan.
type PlanFrozen struct {
	Digest string          `json:"digest"`
	Plan   json.RawMessage `json:"plan"`
}

// DurabilityFound is how safe this record is, found when the run began.
type DurabilityFound struct {
	Durability
}

// RunTaken says which replica carries the run out from here. Return is set when
// an earlier one had begun: the bot is back, or another one took over.
type RunTaken struct {
	Holder string `json:"holder"`
	Token  uint64 `json:"token"`
	Return bool   `json:"return,omitempty"`
	// Looking are the steps whose change may have happened and is looked at.
	Looking []string `json:"looking,omitempty"`
}

// StepStarted: the step is being carried out. Nothing has changed yet.
type StepStarted struct {
	Step    string `json:"step"`
	Action  string `json:"action"`
	Attempt int    `json:"attempt"`
	// Aside: no other step waits for it and its failure is only shown, so while
	// it runs alone a person may well be what is waited for.
	Aside bool `json:"aside,omitempty"`
}

// ChangeIntended is written right before a change leaves. From here until
// StepFinished or StepFailed it may have happened.
type ChangeIntended struct {
	Step    string `json:"step"`
	Action  string `json:"action"`
	Attempt int    `json:"attempt"`
	// Until is when the call has surely ended. Nobody looks before.
	Until time.Time `json:"until"`
	// Before is the value that the change replaces, for going back.
	Before string `json:"before,omitempty"`
}

// ChangeMissed: the intended change surely did not happen, or was looked for and
// is not there. Nothing is under way any more; it may be intended again.
type ChangeMissed struct {
	Step    string `json:"step"`
	Action  string `json:"action"`
	Attempt int    `json:"attempt"`
	Error   string `json:"error"`
}

// DurabilityObtained says how safe the intention of a point of no return was
// made before its call left.
type DurabilityObtained struct {
	Step string `json:"step"`
	Secured
}

// StepFinished: the step is done, with what was seen.
type StepFinished struct {
	Step    string `json:"step"`
	Action  string `json:"action"`
	Attempt int    `json:"attempt"`
	// Summary is a sentence that an operator can act on.
	Summary string `json:"summary"`
	// Already: the change was there before this attempt asked for it.
	Already bool `json:"already,omitempty"`
	// Changed: this run changed the world in this step.
	Changed  bool              `json:"changed,omitempty"`
	Evidence map[string]string `json:"evidence,omitempty"`
}

// StepFailed: the step stopped. With Advice it is only shown and everything
// goes on.
type StepFailed struct {
	Step    string `json:"step"`
	Action  string `json:"action"`
	Attempt int    `json:"attempt"`
	Error   string `json:"error"`
	Hint    string `json:"hint,omitempty"`
	// Maybe: the change may have happened all the same.
	Maybe bool `json:"maybe,omitempty"`
	// Unknown: it could not be found out, as opposed to found wanting.
	Unknown  bool              `json:"unknown,omitempty"`
	Advice   bool              `json:"advice,omitempty"`
	Evidence map[string]string `json:"evidence,omitempty"`
}

// StepSkipped: a person decided to go on without it.
type StepSkipped struct {
	Step   string `json:"step"`
	Reason string `json:"reason"`
}

// StepRetried: a person asked to carry the step out again.
type StepRetried struct {
	Step string `json:"step"`
}

// QuestionKind says what a question is about.
type QuestionKind string

// The kinds of question.
const (
	AskGo      QuestionKind = "go"       // begin to change things
	AskApprove QuestionKind = "approval" // a point of no return
	AskFailed  QuestionKind = "failed"   // a step stopped: retry, go on, abort
)

// ApprovalAsked puts a question to people. It stays open until it is given,
// declined, expired or withdrawn.
type ApprovalAsked struct {
	// Question is its id: what a button carries. Unique in the incident.
	Question string       `json:"question"`
	Kind     QuestionKind `json:"kind"`
	Step     string       `json:"step"`
	Title    string       `json:"title"`
	// Role that may answer.
	Role string `json:"role"`
	// Confirm is what has to be typed; the target Region's name, or empty.
	Confirm string `json:"confirm,omitempty"`
	// Expires is when it is asked again; zero: never.
	Expires time.Time `json:"expires,omitzero"`
	// Effects are what exactly happens on yes, one for each change covered.
	Effects []Effect `json:"effects,omitempty"`
	// Fingerprint of everything a yes is bound to: targets, mode, plan, bands.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Digest of the plan.
	Digest string `json:"digest,omitempty"`
	// Failed are the steps that go on failed if the answer is yes (go), or the
	// one that stopped (failed).
	Failed []string `json:"failed,omitempty"`
	// Locked: going on without the step is not offered.
	Locked bool `json:"locked,omitempty"`
	// Again says why it is asked anew; empty the first time.
	Again string `json:"again,omitempty"`
	// Expired counts how often this question ran out unanswered before.
	Expired int `json:"expired,omitempty"`
}

// Effect is what one change would do, exactly.
type Effect struct {
	Step string `json:"step"`
	// What happens, with the identifiers it happens to.
	What string `json:"what"`
	// Lost is what may be lost; empty when nothing.
	Lost string `json:"lost,omitempty"`
	// Undo is how it is taken back.
	Undo string `json:"undo,omitempty"`
	// Bound is what a yes is bound to: if it differs later, it is asked anew.
	Bound string `json:"bound,omitempty"`
}

// ApprovalGiven: a person said yes, or pressed Go, or chose how to go on.
type ApprovalGiven struct {
	Question string       `json:"question"`
	Kind     QuestionKind `json:"kind"`
	Step     string       `json:"step"`
	// Choice is "approve", "go", "retry", "skip" or "abort".
	Choice string `json:"choice"`
	Reason string `json:"reason,omitempty"`
	// Overridden are the failed gates that were overridden with this Go.
	Overridden []string `json:"overridden,omitempty"`
	// BrokeGlass: alone, after nobody answered.
	BrokeGlass bool `json:"broke_glass,omitempty"`
	// Via is what it came by: the envelope or the click that carried it.
	Via string `json:"via,omitempty"`
}

// ApprovalDeclined: a person said no.
type ApprovalDeclined struct {
	Question string `json:"question"`
	Step     string `json:"step"`
	Reason   string `json:"reason,omitempty"`
	Via      string `json:"via,omitempty"`
}

// ApprovalExpired: nobody answered in time.
type ApprovalExpired struct {
	Question string `json:"question"`
	Step     string `json:"step"`
}

// ApprovalWithdrawn: the question no longer means what it said.
type ApprovalWithdrawn struct {
	Question string `json:"question"`
	Step     string `json:"step"`
	Why      string `json:"why"`
}

// RunPaused: nothing new starts until RunResumed.
type RunPaused struct {
	Reason string `json:"reason,omitempty"`
}

// RunResumed ends a pause.
type RunResumed struct{}

// RunAborted stops the run for good. What was changed stays changed.
type RunAborted struct {
	Reason string `json:"reason"`
	// Changed are the steps whose changes remain.
	Changed []string `json:"changed,omitempty"`
}

// IncidentMitigated: users are served from the target Region, verified.
type IncidentMitigated struct {
	Summary string `json:"summary"`
}

// IncidentResolved: the commander closed it.
type IncidentResolved struct {
	Reason string `json:"reason,omitempty"`
}

// NoteAdded is a person's remark.
type NoteAdded struct {
	Text string `json:"text"`
}

// MessagePosted remembers where something was said, so that it is said once and
// can be replaced.
type MessagePosted struct {
	// Key names what was said: "card", "question/q3", "update/4".
	Key     string `json:"key"`
	Channel string `json:"channel"`
	TS      string `json:"ts"`
	// Next is when the next one of this kind is due; zero if none is.
	Next time.Time `json:"next,omitzero"`
}

// Type names the event.
func (IncidentDeclared) Type() string { return "IncidentDeclared" }

// Type names the event.
func (PlanFrozen) Type() string { return "PlanFrozen" }

// Type names the event.
func (DurabilityFound) Type() string { return "DurabilityFound" }

// Type names the event.
func (RunTaken) Type() string { return "RunTaken" }

// Type names the event.
func (StepStarted) Type() string { return "StepStarted" }

// Type names the event.
func (ChangeIntended) Type() string { return "ChangeIntended" }

// Type names the event.
func (ChangeMissed) Type() string { return "ChangeMissed" }

// Type names the event.
func (DurabilityObtained) Type() string { return "DurabilityObtained" }

// Type names the event.
func (StepFinished) Type() string { return "StepFinished" }

// Type names the event.
func (StepFailed) Type() string { return "StepFailed" }

// Type names the event.
func (StepSkipped) Type() string { return "StepSkipped" }

// Type names the event.
func (StepRetried) Type() string { return "StepRetried" }

// Type names the event.
func (ApprovalAsked) Type() string { return "ApprovalAsked" }

// Type names the event.
func (ApprovalGiven) Type() string { return "ApprovalGiven" }

// Type names the event.
func (ApprovalDeclined) Type() string { return "ApprovalDeclined" }

// Type names the event.
func (ApprovalExpired) Type() string { return "ApprovalExpired" }

// Type names the event.
func (ApprovalWithdrawn) Type() string { return "ApprovalWithdrawn" }

// Type names the event.
func (RunPaused) Type() string { return "RunPaused" }

// Type names the event.
func (RunResumed) Type() string { return "RunResumed" }

// Type names the event.
func (RunAborted) Type() string { return "RunAborted" }

// Type names the event.
func (IncidentMitigated) Type() string { return "IncidentMitigated" }

// Type names the event.
func (IncidentResolved) Type() string { return "IncidentResolved" }

// Type names the event.
func (NoteAdded) Type() string { return "NoteAdded" }

// Type names the event.
func (MessagePosted) Type() string { return "MessagePosted" }
