// Package incident says what an incident is: an append-only list of events and
// what follows from it.
//
// Everything else is worked out from the events. [Fold] turns them into a
// [State]; the status card, the questions, the review are views of that State.
// Folding is pure: same events, same State. The package knows nobody: no clock
// but the one it is handed, no network, no logger.
//
// The events live in a [Log]. Its Append refuses when somebody else appended
// first, so two people who press at once, or two replicas, meet there and
// nowhere else.
package incident

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ID names an incident: INC-2026-0042-k7qx, the form of the source document's
// section 10 and an ending that is never used twice, so that a button of an incident
// that the record has lost names nothing else.
type ID string

// NewID is the id of the n-th incident of a year, with an ending of its own. With
// an empty one it is the bare form, for texts about no particular incident.
func NewID(year, n int, ending string) ID {
	id := fmt.Sprintf("INC-%04d-%04d", year, n)
	if ending != "" {
		id += "-" + ending
	}
	return ID(id)
}

// Ending makes the ending of a new id, one of half a million million.
func Ending() string { return strings.ToLower(rand.Text()[:8]) }

// Name is the id without its ending: what people call the incident.
func (id ID) Name() string {
	if parts := strings.SplitN(string(id), "-", 4); len(parts) == 4 {
		return strings.Join(parts[:3], "-")
	}
	return string(id)
}

// Number is the year and number of an id, zeros if it is of another form.
func (id ID) Number() (year, n int) {
	if _, err := fmt.Sscanf(id.Name(), "INC-%d-%d", &year, &n); err != nil {
		return 0, 0
	}
	return year, n
}

// NewQuestion makes the id of a question. None is ever made twice.
func NewQuestion() string { return "q-" + strings.ToLower(rand.Text()[:10]) }

// Bot is the actor of events that no person caused.
const Bot = "failoverbot"

// Errors of a Log. Match with errors.Is.
var (
	// ErrMoved: somebody appended first. Read again, decide again.
	ErrMoved = errors.New("the timeline has moved on")
	// ErrTaken: the number of this id has begun another timeline. Reserve anew.
	ErrTaken = errors.New("another incident has got this number")
	// ErrFenced: the writer's lease has passed to somebody else. Stop.
	ErrFenced = errors.New("another replica has taken over this incident")
	// ErrLost: the Log no longer has events that were read from it. Nothing may be
	// decided on what is left.
	ErrLost = errors.New("the record has lost events that it had acknowledged")
	// ErrLeaseHeld: another replica holds the lease and it has not run out.
	ErrLeaseHeld = errors.New("another replica holds the lease")
)

// CallError is an error that answers the three questions that the engine asks:
// may I try again by myself, must a person decide, may it have happened anyway.
// Adapters make them, in one place for each system; policy stays in the engine.
type CallError struct {
	Err error
	// Retry: the same call may be sent again without asking anybody. Never set
	// on a change whose outcome is unknown.
	Retry bool
	// Unknown: the change may have happened although the call failed.
	Unknown bool
	// NeedsPerson: trying again will not help; somebody has to do or decide something.
	NeedsPerson bool
	// Definite: it is known how things are, and waiting will not make them so. Without
	// it an error means that it could not be found out.
	Definite bool
	// After is how long the other side asked to wait; 0 when it did not.
	After time.Duration
	// Hint says what a person can do about it; may be empty.
	Hint string
	// Meanwhile is what somebody else changed of what was to be taken back, a sentence
	// each; a person may allow to overwrite it. Empty: there is nothing to overwrite.
	Meanwhile []string
	// Cause is why, where that may stop other calls too; nil where it is the call's own.
	Cause *Cause
}

// Error is the text of the error inside.
func (f *CallError) Error() string { return f.Err.Error() }

// Unwrap returns the error inside.
func (f *CallError) Unwrap() error { return f.Err }

// Trouble is what is the matter with a record that could not be used.
type Trouble string

// The troubles of a record.
const (
	// Unreachable: no answer came. It may have happened.
	Unreachable Trouble = "unreachable"
	// NotReady: it answered that it cannot just now, and will be able to by itself.
	NotReady Trouble = "not ready"
	// TakesNothing: it can be read, and takes nothing new before somebody has mended it.
	TakesNothing Trouble = "takes nothing new"
	// Forbidden: it does not let this bot in, or not do that.
	Forbidden Trouble = "forbidden"
	// Damaged: what is there is not what this bot had written.
	Damaged Trouble = "damaged"
)

// RecordError is what is the matter with the record, in words for people. It is
// found inside the [CallError] of a Log's method.
type RecordError struct {
	Trouble Trouble
	// Says is the fact, as the end of "the record ..."; Helps what would work, as a
	// sentence.
	Says, Helps string
	Err         error
}

// Error is the text of the error inside.
func (e *RecordError) Error() string { return e.Err.Error() }

// Unwrap is the error inside.
func (e *RecordError) Unwrap() error { return e.Err }

// CallErrorOf finds the Fault in err. An error that nobody sorted may have happened
// and must be decided by a person: the careful answer.
func CallErrorOf(err error) *CallError {
	if f, ok := errors.AsType[*CallError](err); ok {
		return f
	}
	return &CallError{Err: err, Unknown: true, NeedsPerson: true}
}
