package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Undo takes a change back. Both are handed the value as the change had recorded
// it (Outcome.Prior), and follow the rules of Look and Do: Look reports whether the
// value is back, however that came about, and Do asks for it once. What is neither as
// it was before nor as the change had set it is somebody else's by now: both say so
// ([Call.Meanwhile]), and nothing is overwritten before a person has said so. Either
// may name a job, which the action's Job then follows.
//
// Settled reports whether what was taken back has come about, such as that pods run
// again; it follows the rules of a wait, which is what it is called by, in a step of its
// own. Nil where Look says all, and then the action's Settles is 0.
type Undo struct {
	Look    func(ctx context.Context, c Call, prior json.RawMessage) (Outcome, bool, error)
	Do      func(ctx context.Context, c Call, prior json.RawMessage) (Outcome, error)
	Settled func(ctx context.Context, c Call, prior json.RawMessage) (Outcome, bool, error)
}

// takingBack is the action that takes back what this one did, as a step of that kind:
// the same Look and Do, towards the value that it replaced, or the wait until that has
// come about. Without one it carries nothing.
func (a Action) takingBack(kind runbook.Kind, prior json.RawMessage) Action {
	undo := *a.Undo
	if kind == runbook.Wait {
		a.Look = nil
		if undo.Settled != nil {
			a.Look = func(ctx context.Context, c Call) (Outcome, bool, error) { return undo.Settled(ctx, c, prior) }
		}
		return a
	}
	a.Look = func(ctx context.Context, c Call) (Outcome, bool, error) { return undo.Look(ctx, c, prior) }
	a.Do = func(ctx context.Context, c Call) (Outcome, error) { return undo.Do(ctx, c, prior) }
	a.Effect = nil
	return a
}

// Recorded reads what a change had recorded of the value that it replaced. Where
// nothing is recorded, or by a version that knows more than this one, it is a person's
// matter: half of a value is not put back. A value of T that says nothing is none.
func Recorded[T any](prior json.RawMessage) (T, error) {
	var v T
	if len(prior) > 0 {
		d := json.NewDecoder(bytes.NewReader(prior))
		d.DisallowUnknownFields()
		if err := d.Decode(&v); err != nil {
			return v, &incident.CallError{
				NeedsPerson: true, Definite: true, Err: fmt.Errorf("read what the change had recorded (%s): %w", prior, err),
				Hint: "run the version of the bot that made the change, or take it back by hand",
			}
		}
	}
	if reflect.ValueOf(v).IsZero() {
		return v, &incident.CallError{
			NeedsPerson: true, Definite: true, Err: errors.New("the change did not record what it replaced, so there is nothing to go back to"),
			Hint: "take it back by hand",
		}
	}
	return v, nil
}

// Difference is a value that is to be taken back and that somebody changed since: it
// is now neither what the change had set nor what it was before.
type Difference struct {
	// What is "the size of orders in us-east-1"; Now, Set and Was are how it is, what
	// the change had set, and what it was before that.
	What, Now, Set, Was string
	// Fixed: it cannot be set to what it was by this action, whoever agrees.
	Fixed bool
}

func (d Difference) now() string { return d.What + " is " + d.Now }

func (d Difference) String() string {
	if d.Set == d.Was {
		return fmt.Sprintf("%s was changed by somebody else: it is %s, and was %s when this incident began with it", d.What, d.Now, d.Was)
	}
	return fmt.Sprintf("%s was changed by somebody else: it is %s, this incident had set %s, and it was %s before", d.What, d.Now, d.Set, d.Was)
}

// Meanwhile is the fault of what somebody changed since; nil where nothing is, and where
// a person has read all of it as it is now and said that it may be overwritten. All
// differences are told at once, so that one yes is enough.
func (c Call) Meanwhile(found ...Difference) error {
	allowed, fixed := true, false
	var says, now, was []string
	for _, d := range found {
		allowed = allowed && slices.Contains(c.Overwrite, d.now())
		fixed = fixed || d.Fixed
		says, now, was = append(says, d.String()), append(now, d.now()), append(was, d.Was)
	}
	if len(found) == 0 || allowed && !fixed {
		return nil
	}
	f := &incident.CallError{
		NeedsPerson: true, Definite: true, Err: errors.New(strings.Join(says, "; ") + "; nothing was overwritten"),
		Hint: fmt.Sprintf("ask who changed it and why; then leave it, or set it to %s by hand and retry", strings.Join(was, " and ")),
	}
	if !fixed {
		f.Hint = fmt.Sprintf("ask who changed it and why; then leave it, or overwrite it with %s", strings.Join(was, " and "))
		f.Meanwhile = now
	}
	return f
}
