package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/failoverbot/failoverbot/incident"
)

// Undo takes a change back. Both are handed the value as the change had recorded
// it (Outcome.Prior), and follow the rules of Look and Do: Look reports whether the
// value is back, however that came about, and Do asks for it once. What is neither as
// it was before nor as the change had set it is somebody else's by now: both say so
// ([ChangedMeanwhile]), and nothing is overwritten. Either may name a job, which the
// action's Job then follows.
type Undo struct {
	Look func(ctx context.Context, c Call, prior json.RawMessage) (Outcome, bool, error)
	Do   func(ctx context.Context, c Call, prior json.RawMessage) (Outcome, error)
}

// takingBack is the action that takes back what this one did: the same Look and Do,
// towards the value that it replaced.
func (a Action) takingBack(prior json.RawMessage) Action {
	undo := *a.Undo
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

// ChangedMeanwhile is the fault of a value that is to be taken back and that somebody
// changed since: it is now neither what the change had set nor what it was before.
func ChangedMeanwhile(what, now, set, was string) error {
	f := &incident.CallError{NeedsPerson: true, Definite: true, Hint: fmt.Sprintf("ask who changed it and why; then leave it, or set it to %s by hand and retry", was)}
	if set == was {
		f.Err = fmt.Errorf("%s was changed by somebody else: it is %s, and was %s when this incident began with it; nothing was overwritten", what, now, was)
		return f
	}
	f.Err = fmt.Errorf("%s was changed by somebody else: it is %s, this incident had set %s, and it was %s before; nothing was overwritten", what, now, set, was)
	return f
}
