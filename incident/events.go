package incident

import (
	"encoding/json"
	"time"
)

// bodies is every type of event there is.
var bodies = map[string]func([]byte) (Body, error){
	// The incident.
	"IncidentDeclared":  body[IncidentDeclared],
	"DurabilityFound":   body[DurabilityFound],
	"IncidentMitigated": body[IncidentMitigated],
	"IncidentResolved":  body[IncidentResolved],
	"NoteAdded":         body[NoteAdded],
	"ImpactCorrected":   body[ImpactCorrected],
	"TaskOpened":        body[TaskOpened],
	"TaskReminded":      body[TaskReminded],
	"TaskClosed":        body[TaskClosed],
	"HistoryDiverged":   body[HistoryDiverged],
	"HistoryRepaired":   body[HistoryRepaired],
	// A run.
	"RunBegun":   body[RunBegun],
	"RunTaken":   body[RunTaken],
	"RunPaused":  body[RunPaused],
	"RunResumed": body[RunResumed],
	"RunAborted": body[RunAborted],
	"RunEnded":   body[RunEnded],
	// Its steps.
	"StepStarted":        body[StepStarted],
	"StepsExpanded":      body[StepsExpanded],
	"ChangeForeseen":     body[ChangeForeseen],
	"ChangeIntended":     body[ChangeIntended],
	"ChangeMissed":       body[ChangeMissed],
	"DurabilityObtained": body[DurabilityObtained],
	"ExerciseIntended":   body[ExerciseIntended],
	"JobStarted":         body[JobStarted],
	"JobProgressed":      body[JobProgressed],
	"StepFinished":       body[StepFinished],
	"StepFailed":         body[StepFailed],
	"StepSkipped":        body[StepSkipped],
	"StepRetried":        body[StepRetried],
	"WatchObserved":      body[WatchObserved],
	// Its questions.
	"ApprovalAsked":     body[ApprovalAsked],
	"ApprovalGiven":     body[ApprovalGiven],
	"ApprovalDeclined":  body[ApprovalDeclined],
	"ApprovalExpired":   body[ApprovalExpired],
	"ApprovalWithdrawn": body[ApprovalWithdrawn],
	// The platform.
	"AssessmentMade":   body[AssessmentMade],
	"SignalObserved":   body[SignalObserved],
	"FailoverProposed": body[FailoverProposed],
	"ProposalAnswered": body[ProposalAnswered],
	"StandbyChanged":   body[StandbyChanged],
	"DrillHeld":        body[DrillHeld],
	"PointOpened":      body[PointOpened],
	"PointClosed":      body[PointClosed],
	// What only people know, of the platform or of an incident.
	"ConfirmationAsked": body[ConfirmationAsked],
	"ConfirmationGiven": body[ConfirmationGiven],
}

// IncidentDeclared opens a timeline. Actor is who asked for it.
type IncidentDeclared struct {
	Incident ID     `json:"incident"`
	Severity string `json:"severity"`
	Reason   string `json:"reason"`
	// Began is when users began to be hurt, as far as is known: T0.
	Began time.Time `json:"began"`
	// BeganNotSaid: nobody said when it began, and Began is the moment of the
	// declaration.
	BeganNotSaid bool `json:"began_not_said,omitempty"`
	// Continues is an incident that was closed while users were not served: this one's
	// Began is that one's.
	Continues ID `json:"continues,omitempty"`
	// Commander runs the incident; at first whoever declared it.
	Commander string `json:"commander"`
	// Rehearsal marks everything that follows as practice.
	Rehearsal bool `json:"rehearsal,omitempty"`
}

// RunID names a run within its incident: failover-1, undo-2.
type RunID string

// RunKind is what a run is for.
type RunKind string

// The kinds of run.
const (
	Failover RunKind = "failover"
	Undo     RunKind = "undo"     // takes back what another run changed
	Failback RunKind = "failback" // the way home after a failover, in an incident of its own
	Drill    RunKind = "drill"
	// RestoreBackup has what a backup holds restored in the target; users stay where they are.
	RestoreBackup RunKind = "restore"
	// MoveServers moves the servers that Elastic Disaster Recovery protects to the target;
	// the users of the platform stay where they are.
	MoveServers RunKind = "servers"
	// RebuildStandby makes a standby database in the target, where a detach has left one
	// behind; users stay where they are.
	RebuildStandby RunKind = "rebuild"
)

// Apart says that a run of that kind moves no user of the platform: it is carried out by
// sections of its own.
func (k RunKind) Apart() bool { return k == RestoreBackup || k == MoveServers || k == RebuildStandby }

// RunBegun: a run begins, with the plan that it carries out, whatever happens to
// the files. The event names the run. Actor asked for it.
type RunBegun struct {
	Kind   RunKind `json:"kind"`
	Source string  `json:"source"` // the Region being left
	Target string  `json:"target"`
	Mode   string  `json:"mode"` // planned or unplanned
	// Follows is the run that this one takes back, leads home from, or takes the
	// place of; empty for the first.
	Follows RunID `json:"follows,omitempty"`
	// Dry: changes are foreseen and not made.
	Dry bool `json:"dry,omitempty"`
	// Reason that was given for it, where the event that ends the run before says none.
	Reason string `json:"reason,omitempty"`
	// Digest of the plan; Plan is a runbook.Plan.
	Digest string          `json:"digest"`
	Plan   json.RawMessage `json:"plan"`
}

// Superseded is how a run ends whose place another one takes.
const Superseded = "superseded"

// RunEnded: the run is over and was not aborted. Actor ended it.
type RunEnded struct {
	// How is "done", or Superseded by the run that follows it.
	How     string `json:"how"`
	Summary string `json:"summary,omitempty"`
	// Closes says that with it nothing of the incident is open any more: it had
	// been resolved before.
	Closes bool `json:"closes,omitempty"`
}

// DurabilityFound is how safe this record is, found when a run was taken up.
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
	// Awaited are those of them whose call may still be under way, and so is waited for.
	Awaited []CallAwaited `json:"awaited,omitempty"`
}

// CallAwaited is a call of a replica that is gone.
type CallAwaited struct {
	Step string `json:"step"`
	// Asked is when its intention was written down, From when the call has surely
	// ended and the change is looked for.
	Asked time.Time `json:"asked"`
	From  time.Time `json:"from"`
}

// StepStarted: the step is being carried out. Nothing has changed yet.
type StepStarted struct {
	Step    string `json:"step"`
	Action  string `json:"action"`
	Attempt int    `json:"attempt"`
	// NonBlocking: no other step waits for it and its failure is only shown, so while
	// it runs alone a person may well be what is waited for.
	NonBlocking bool `json:"non_blocking,omitempty"`
}

// StepsExpanded: a list that a step found at run time is the list of what a group
// of steps is carried out for.
type StepsExpanded struct {
	// Step is the group: "launch" becomes "launch/i-1", "launch/i-2", ...
	Step string `json:"step"`
	// From is the step that found the list.
	From  string   `json:"from"`
	Items []string `json:"items"`
}

// ChangeForeseen: in a dry run, what the change would do now.
type ChangeForeseen struct {
	Step   string `json:"step"`
	Action string `json:"action"`
	// There: it is so already, and nothing would be done.
	There  bool   `json:"there,omitempty"`
	Effect Effect `json:"effect"`
}

// ChangeIntended is written right before a change leaves. From here until
// StepFinished or StepFailed it may have happened.
type ChangeIntended struct {
	Step    string `json:"step"`
	Action  string `json:"action"`
	Attempt int    `json:"attempt"`
	// Until is when the call has surely ended. Nobody looks before.
	Until time.Time `json:"until"`
	// Before is the value that the change replaces, for people.
	Before string `json:"before,omitempty"`
	// Prior is the same as data: what the action's Undo is handed. The first one
	// of a step counts: a later attempt may find what an earlier one left.
	Prior json.RawMessage `json:"prior,omitempty"`
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

// ExerciseIntended is written right before an exercise is sent: the sends that a
// run may make by itself are counted by these, whatever came of them. A person who
// retries the step allows as many again.
type ExerciseIntended struct {
	Step   string `json:"step"`
	Action string `json:"action"`
	// Token is the same for all sends of the run, so whoever gets two of them
	// knows.
	Token string `json:"token"`
	// Send counts from 1, and anew when a person retries the step.
	Send int `json:"send"`
}

// JobStarted: the other side works on it, under that handle.
type JobStarted struct {
	Step   string `json:"step"`
	Action string `json:"action"`
	// Token names or tags what is created, the same in every process of the bot.
	Token string `json:"token"`
	// Handle is what the other side calls it: drsjob-..., the name of a Restore.
	Handle string `json:"handle"`
}

// JobProgressed is how far the job is. Only what a person would want to read anew
// is written: the others are coalesced.
type JobProgressed struct {
	Step string `json:"step"`
	// Share done, 0 to 1; negative if unknown.
	Share   float64 `json:"share"`
	Summary string  `json:"summary"`
	// Left is how long it may still take; 0 if unknown.
	Left time.Duration `json:"left,omitempty"`
}

// Verdict is what an assessment came to.
type Verdict string

// The verdicts.
const (
	Pass          Verdict = "pass"
	Warn          Verdict = "warn"
	Fail          Verdict = "fail"
	Unsure        Verdict = "unknown" // it could not be found out
	NotApplicable Verdict = "not applicable"
)

// Figure is one measured value of an assessment, with what bounds it.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
	// Limit that it is held against, in the same unit; nil if none.
	Limit *float64 `json:"limit,omitempty"`
}

// Measured is what an assessment rests on, beside its sentence.
type Measured struct {
	// Verdict is empty where the event's own type says all: StepFinished passed.
	Verdict Verdict  `json:"verdict,omitempty"`
	Figures []Figure `json:"figures,omitempty"`
	// AsOf is when the other side measured it; zero: when it was read.
	AsOf time.Time `json:"as_of,omitzero"`
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
	Measured
	// Items are the list that the step was to find.
	Items []string `json:"items,omitempty"`
}

// StepFailed: the step stopped. With Advice it is only shown and everything
// goes on.
type StepFailed struct {
	Step    string `json:"step"`
	Action  string `json:"action"`
	Attempt int    `json:"attempt"`
	Error   string `json:"error"`
	Hint    string `json:"hint,omitempty"`
	// MayHaveHappened: the change may have happened all the same.
	MayHaveHappened bool `json:"may_have_happened,omitempty"`
	// Unknown: it could not be found out, as opposed to found wanting.
	Unknown bool `json:"unknown,omitempty"`
	Advice  bool `json:"advice,omitempty"`
	// Refused: the call of the change left and surely came to nothing, so an approval
	// that it was made under still stands.
	Refused bool `json:"refused,omitempty"`
	// WillNotCome is the step whose change this one waited for and which will not come
	// about any more: it can be asked for again.
	WillNotCome string `json:"will_not_come,omitempty"`
	// Meanwhile is what somebody else changed of what was to be taken back, and how it
	// is now, each as a sentence: it is not overwritten before a person says so.
	Meanwhile []string `json:"meanwhile,omitempty"`
	// Cause is why, where that may stop other steps too.
	Cause *Cause `json:"cause,omitempty"`
	// Last is what was known before, of a check that could not be found out.
	Last     *Known            `json:"last,omitempty"`
	Evidence map[string]string `json:"evidence,omitempty"`
	Measured
}

// StepSkipped: a person decided to go on without it.
type StepSkipped struct {
	Step   string `json:"step"`
	Reason string `json:"reason"`
}

// StepRetried: a person asked to carry the step out again.
type StepRetried struct {
	Step string `json:"step"`
	// Overwrite is what may be overwritten this time, as StepFailed.Meanwhile said it:
	// if it has changed once more it is asked about once more.
	Overwrite []string `json:"overwrite,omitempty"`
	Reason    string   `json:"reason,omitempty"`
}

// WatchObserved: what a step that goes on watching sees is not what it saw before. Of a
// step that waits: what keeps it from its end, as soon as that is known.
type WatchObserved struct {
	Step    string `json:"step"`
	Action  string `json:"action"`
	Summary string `json:"summary"`
	Hint    string `json:"hint,omitempty"`
	// State is what was compared with the observation before; a new one is written
	// when it or the verdict differs.
	State string `json:"state,omitempty"`
	Measured
	Evidence map[string]string `json:"evidence,omitempty"`
	// Users is what a watch of users saw; nil of any other, and when it is not known.
	Users *UsersSeen `json:"users,omitempty"`
}

// UsersSeen is what those who use the public name get, and where they are sent.
type UsersSeen struct {
	// Moved: the run has moved users. Until then a good answer is one of the source, from
	// then on one of the target.
	Moved bool `json:"moved,omitempty"`
	// Tried is how many requests were made as users make them, spread over those who
	// give out the name, Served how many got a good answer.
	Tried  int `json:"tried"`
	Served int `json:"served"`
	// By is how many good answers each Region gave.
	By map[string]int `json:"by,omitempty"`
	// Stale are the resolvers that still give out the Region that was left once users
	// were moved, Resolvers how many answered.
	Stale     []string `json:"stale,omitempty"`
	Resolvers int      `json:"resolvers,omitempty"`
	// Back are those who gave out the target and give out the Region that was left
	// again: resolvers by name, or the zone's own servers.
	Back []string `json:"back,omitempty"`
}

// Failing is the share of requests without a good answer, 0 to 1; negative if none
// was made.
func (u *UsersSeen) Failing() float64 {
	if u == nil || u.Tried == 0 {
		return -1
	}
	return float64(u.Tried-u.Served) / float64(u.Tried)
}

// QuestionKind says what a question is about.
type QuestionKind string

// The kinds of question.
const (
	AskGo      QuestionKind = "go"       // begin to change things
	AskApprove QuestionKind = "approval" // a point of no return
	AskFailed  QuestionKind = "failed"   // a step stopped: retry, go on, abort
	AskPerson  QuestionKind = "ask"      // a person does or confirms something
)

// ApprovalAsked puts a question to people. It stays open until it is given,
// declined, expired or withdrawn.
type ApprovalAsked struct {
	// Question is its id: what a button carries. It is never used twice, whatever
	// happens to the record.
	Question string       `json:"question"`
	Kind     QuestionKind `json:"kind"`
	Step     string       `json:"step"`
	Title    string       `json:"title"`
	// Role that may answer.
	Role string `json:"role"`
	// Count is how many different people have to say yes; 0 is one.
	Count int `json:"count,omitempty"`
	// Choices that an ask offers; empty: "done".
	Choices []string `json:"choices,omitempty"`
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
	// Choice is "approve", "go", "retry", "skip" or "abort", or one of what an ask
	// offered.
	Choice string `json:"choice"`
	Reason string `json:"reason,omitempty"`
	// Overridden are the failed gates that were overridden with this Go.
	Overridden []string `json:"overridden,omitempty"`
	// BrokeGlass: alone, after nobody answered.
	BrokeGlass bool `json:"broke_glass,omitempty"`
	// Click is the envelope or the click that carried it.
	Click string `json:"click,omitempty"`
}

// ApprovalDeclined: a person said no.
type ApprovalDeclined struct {
	Question string `json:"question"`
	Step     string `json:"step"`
	Reason   string `json:"reason,omitempty"`
	Click    string `json:"click,omitempty"`
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

// RunAborted stops the run for good. What was changed stays changed, unless a run that
// takes it back begins with the same append, or later.
type RunAborted struct {
	Reason string `json:"reason"`
	// Changed are the steps whose changes remain, TakeBack those whose changes the run
	// takes back that begins with this.
	Changed  []string `json:"changed,omitempty"`
	TakeBack []string `json:"take_back,omitempty"`
}

// IncidentMitigated: users are served from the target Region, verified.
type IncidentMitigated struct {
	Summary string `json:"summary"`
}

// IncidentResolved: the commander closed it.
type IncidentResolved struct {
	Reason string `json:"reason,omitempty"`
	// Unserved: users were not seen to be served when it was closed.
	Unserved bool `json:"unserved,omitempty"`
}

// ImpactCorrected: a person said since when users have been hurt. The newest one
// counts.
type ImpactCorrected struct {
	// Began is T0 from here on; zero with Unknown.
	Began time.Time `json:"began,omitzero"`
	// Was is what counted before; zero: it was not known.
	Was time.Time `json:"was,omitzero"`
	// Unknown: nobody knows since when.
	Unknown bool   `json:"unknown,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// NoteAdded is a person's remark.
type NoteAdded struct {
	Text string `json:"text"`
}

// TaskOpened: somebody has something to do. The same task again changes its owner,
// due time or words.
type TaskOpened struct {
	// Task is its id, unique in the timeline: "report", "copy-snapshot".
	Task  string `json:"task"`
	Title string `json:"title"`
	// Owner is a roster id, or a role that nobody has taken it for yet.
	Owner string    `json:"owner"`
	Due   time.Time `json:"due,omitzero"`
	Why   string    `json:"why,omitempty"`
	// Evidence is what it is about, by name: identifiers.
	Evidence map[string]string `json:"evidence,omitempty"`
	// Fact that closes it by itself: what a step's action proves.
	Fact Trait `json:"fact,omitempty"`
}

// TaskReminded: the owner was reminded because the task is due.
type TaskReminded struct {
	Task string `json:"task"`
	// Next is when it is due again for a reminder.
	Next time.Time `json:"next,omitzero"`
}

// TaskClosed: it is done, or not wanted any more. Actor closed it; Bot where a
// fact did.
type TaskClosed struct {
	Task string `json:"task"`
	How  string `json:"how"`
}

// HistoryDiverged: a replica holds events that the record no longer has. From
// here nothing changes the world, on any replica, until HistoryRepaired.
type HistoryDiverged struct {
	// Common is the last event that both have; 0: none.
	Common uint64 `json:"common"`
	// Held is the last event that the replica held; Found the last one that the
	// record had when it looked.
	Held  uint64 `json:"held"`
	Found uint64 `json:"found"`
	// Lost are the events Common+1 to Held, as they were stored, so far as the
	// replica still holds them.
	Lost []json.RawMessage `json:"lost,omitempty"`
	// Incident is whose timeline it is, for one of which nothing else is left; Open
	// says that it was open, and so is from here, on every replica.
	Incident ID   `json:"incident,omitempty"`
	Open     bool `json:"open,omitempty"`
}

// The ways on from a history that has diverged.
const (
	GoOn    = "go-on"   // from what the record has
	Restore = "restore" // the lost events, which are appended again first
)

// HistoryRepaired: a person decided how to go on.
type HistoryRepaired struct {
	Choice string `json:"choice"`
	Reason string `json:"reason"`
	// Closes: nothing was left of the incident to go on with.
	Closes bool `json:"closes,omitempty"`
}

// Finding is what one check of an assessment found. Its verdict is never empty.
type Finding struct {
	Step   string `json:"step"`
	Action string `json:"action"`
	Title  string `json:"title"`
	// Gate says what waits for it in a run: required, locked (required, and nobody
	// goes past it) or advice (nothing does).
	Gate string `json:"gate,omitempty"`
	// Summary is what was found, or why it could not be found out.
	Summary string `json:"summary"`
	Hint    string `json:"hint,omitempty"`
	Measured
	Evidence map[string]string `json:"evidence,omitempty"`
	// Cause is why it is not well, where that may stop other checks too.
	Cause *Cause `json:"cause,omitempty"`
	// Last is what was known before, of one that could not be found out.
	Last *Known `json:"last,omitempty"`
	// Asks is whose word it lacks, if any.
	Asks *Wanted `json:"asks,omitempty"`
}

// The gates of a finding.
const (
	GateRequired = "required"
	GateLocked   = "locked"
	GateAdvice   = "advice"
)

// Known is what was found of a check when it could last be found out.
type Known struct {
	Verdict Verdict  `json:"verdict"`
	Summary string   `json:"summary"`
	Figures []Figure `json:"figures,omitempty"`
	// At is as of when that was.
	At time.Time `json:"at"`
}

// AssessmentMade is what all the checks of a plan found, in one piece.
type AssessmentMade struct {
	// Why it was made: check, schedule, drill.
	Why      string    `json:"why"`
	Source   string    `json:"source"`
	Target   string    `json:"target"`
	Mode     string    `json:"mode"`
	Digest   string    `json:"digest"`
	Findings []Finding `json:"findings"`
}

// SignalObserved: something that is watched has changed.
type SignalObserved struct {
	// Signal names it; Kind is what it is a view of: dns, probe, health check.
	Signal  string `json:"signal"`
	Kind    string `json:"kind"`
	Region  string `json:"region,omitempty"`
	Summary string `json:"summary"`
	Measured
}

// FailoverProposed: several signals agree. Nothing is begun by it. Once more for the same
// proposal it says what has changed since.
type FailoverProposed struct {
	Proposal string   `json:"proposal"`
	Source   string   `json:"source"`
	Target   string   `json:"target"`
	Mode     string   `json:"mode"`
	Signals  []string `json:"signals"`
	Summary  string   `json:"summary"`
	// Moved: users are sent to the target already, whose database does not write.
	Moved bool `json:"moved,omitempty"`
	// Began is when the first of the signals was bad; zero: nobody knows.
	Began time.Time `json:"began,omitzero"`
	// Seen are all signals as they stood, those that agree first.
	Seen []SignalSeen `json:"seen,omitempty"`
}

// SignalSeen is a signal as it stood when something was proposed.
type SignalSeen struct {
	Signal  string  `json:"signal"`
	Summary string  `json:"summary"`
	Verdict Verdict `json:"verdict"`
	// AsOf is its newest observation, Since the first that said the same.
	AsOf  time.Time `json:"as_of,omitzero"`
	Since time.Time `json:"since,omitzero"`
}

// The answers to a proposal.
const (
	ProposalStarted   = "started"
	ProposalDismissed = "dismissed"
	ProposalWithdrawn = "withdrawn"
)

// ProposalAnswered: a person began it or said no, or it no longer holds (then
// Actor is Bot).
type ProposalAnswered struct {
	Proposal string `json:"proposal"`
	Answer   string `json:"answer"` // started, dismissed, withdrawn
	Incident ID     `json:"incident,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// StandbyChanged: whether there is a Region to fail over to.
type StandbyChanged struct {
	Region string `json:"region"`
	// Protected says that the Region could take over.
	Protected bool   `json:"protected"`
	Summary   string `json:"summary"`
	// Left is how long it may take until it can; 0 if unknown.
	Left time.Duration `json:"left,omitempty"`
}

// DrillHeld: a drill is over. Actor held it.
type DrillHeld struct {
	// Incident that it was held in; empty of a dry run, which begins none.
	Incident ID     `json:"incident"`
	Scope    string `json:"scope"`
	Result   string `json:"result"`
	// Foreseen is what a dry run has seen; nil of a drill that changed things.
	Foreseen *Foreseen `json:"foreseen,omitempty"`
}

// PointOpened: something is not as it should be, and stays on every face until it
// is, or until somebody closes it.
type PointOpened struct {
	Point    string `json:"point"`
	Title    string `json:"title"`
	Incident ID     `json:"incident,omitempty"`
	Why      string `json:"why,omitempty"`
}

// PointClosed: it is as it should be (Actor is Bot), or somebody closed it.
type PointClosed struct {
	Point string `json:"point"`
	How   string `json:"how"`
}

// ConfirmationAsked: people are asked for their word about the platform.
type ConfirmationAsked struct {
	// Confirmation is its id: what a button carries. It is never used twice.
	Confirmation string `json:"confirmation"`
	Wanted
}

// ConfirmationGiven: Actor says how something stands that only people know.
type ConfirmationGiven struct {
	// Confirmation that is answered; empty of what was said unasked.
	Confirmation string `json:"confirmation,omitempty"`
	Subject      string `json:"subject"`
	// Yes says that it is so.
	Yes    bool   `json:"yes"`
	Reason string `json:"reason,omitempty"`
}

// Type names the event.
func (IncidentDeclared) Type() string { return "IncidentDeclared" }

// Type names the event.
func (DurabilityFound) Type() string { return "DurabilityFound" }

// Type names the event.
func (IncidentMitigated) Type() string { return "IncidentMitigated" }

// Type names the event.
func (IncidentResolved) Type() string { return "IncidentResolved" }

// Type names the event.
func (ImpactCorrected) Type() string { return "ImpactCorrected" }

// Type names the event.
func (NoteAdded) Type() string { return "NoteAdded" }

// Type names the event.
func (TaskOpened) Type() string { return "TaskOpened" }

// Type names the event.
func (TaskReminded) Type() string { return "TaskReminded" }

// Type names the event.
func (TaskClosed) Type() string { return "TaskClosed" }

// Type names the event.
func (HistoryDiverged) Type() string { return "HistoryDiverged" }

// Type names the event.
func (HistoryRepaired) Type() string { return "HistoryRepaired" }

// Type names the event.
func (RunBegun) Type() string { return "RunBegun" }

// Type names the event.
func (RunTaken) Type() string { return "RunTaken" }

// Type names the event.
func (RunPaused) Type() string { return "RunPaused" }

// Type names the event.
func (RunResumed) Type() string { return "RunResumed" }

// Type names the event.
func (RunAborted) Type() string { return "RunAborted" }

// Type names the event.
func (RunEnded) Type() string { return "RunEnded" }

// Type names the event.
func (StepStarted) Type() string { return "StepStarted" }

// Type names the event.
func (StepsExpanded) Type() string { return "StepsExpanded" }

// Type names the event.
func (ChangeForeseen) Type() string { return "ChangeForeseen" }

// Type names the event.
func (ChangeIntended) Type() string { return "ChangeIntended" }

// Type names the event.
func (ChangeMissed) Type() string { return "ChangeMissed" }

// Type names the event.
func (DurabilityObtained) Type() string { return "DurabilityObtained" }

// Type names the event.
func (ExerciseIntended) Type() string { return "ExerciseIntended" }

// Type names the event.
func (JobStarted) Type() string { return "JobStarted" }

// Type names the event.
func (JobProgressed) Type() string { return "JobProgressed" }

// Type names the event.
func (StepFinished) Type() string { return "StepFinished" }

// Type names the event.
func (StepFailed) Type() string { return "StepFailed" }

// Type names the event.
func (StepSkipped) Type() string { return "StepSkipped" }

// Type names the event.
func (StepRetried) Type() string { return "StepRetried" }

// Type names the event.
func (WatchObserved) Type() string { return "WatchObserved" }

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
func (AssessmentMade) Type() string { return "AssessmentMade" }

// Type names the event.
func (SignalObserved) Type() string { return "SignalObserved" }

// Type names the event.
func (FailoverProposed) Type() string { return "FailoverProposed" }

// Type names the event.
func (ProposalAnswered) Type() string { return "ProposalAnswered" }

// Type names the event.
func (StandbyChanged) Type() string { return "StandbyChanged" }

// Type names the event.
func (DrillHeld) Type() string { return "DrillHeld" }

// Type names the event.
func (PointOpened) Type() string { return "PointOpened" }

// Type names the event.
func (PointClosed) Type() string { return "PointClosed" }

// Type names the event.
func (ConfirmationAsked) Type() string { return "ConfirmationAsked" }

// Type names the event.
func (ConfirmationGiven) Type() string { return "ConfirmationGiven" }
