package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Break is how a call goes wrong.
type Break string

// The ways in which a call goes wrong.
const (
	LostAnswer  Break = "answer lost"  // it was applied, but nobody was told
	Throttled   Break = "throttled"    // refused because there are too many
	Denied      Break = "denied"       // the caller may not
	Unreachable Break = "unreachable"  // no connection came about
	Silent      Break = "no answer"    // nothing comes back until the caller gives up
	ServerFault Break = "server fault" // the other side answers that it cannot
)

// Change is an action that changes the world, with a world of its own in which
// the change has not been made.
type Change struct {
	Action engine.Action
	Call   engine.Call
	// ByHand makes the change as an operator at a console does.
	ByHand func(t *testing.T)
	// Applied counts what has been changed in this world so far, by operation.
	Applied func() map[string]int
	// Break makes the next call that would change something go wrong.
	Break func(t *testing.T, b Break)
	// Blind makes every call go wrong that the action makes, reads too, for good.
	Blind func(t *testing.T, b Break)
	// Settle lets the world go on until what was asked for is there.
	Settle func(t *testing.T)

	// Drop lets what Do asked for come to nothing although it was accepted, and the
	// world settle; nil: somebody takes it back as the action's Undo does.
	Drop func(t *testing.T)
	// Wait is the action that waits for the change, handed WaitCall; nil where no step of
	// the runbook does.
	Wait     *engine.Action
	WaitCall engine.Call
	// Still says that nothing follows by itself in this world, so that what is asked for
	// does not come about.
	Still bool

	// BreakUndo and Meddle are asked for where the action has an Undo. BreakUndo makes
	// the next call go wrong with which the change is taken back.
	BreakUndo func(t *testing.T, b Break)
	// Meddle changes what the change has changed to something that is neither what it
	// had set nor what was there before. says is what people have to be told of both.
	Meddle func(t *testing.T) (says []string)
}

// Action is the suite that every change must pass. fresh returns a world that
// nobody has touched, and undoes it with t.Cleanup. The suite's goroutine has to
// count as busy on the call's clock.
func Action(t *testing.T, fresh func(t *testing.T) Change) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, c Change, whole map[string]int)
	}{
		{"it says what it is", saysWhat},
		{"looking changes nothing, and says clearly no", looksOnly},
		{"a change made behind the bot's back is seen", byHand},
		{"once done it is seen, at once and later", done},
		{"done twice it happens once", twice},
		{"after a lost answer a look knows", lost},
		{"throttled, it did not happen and may be sent again", throttled},
		{"denied, it did not happen and a person is needed", refused},
		{"unreachable, it did not happen and may be sent again", unreachable},
		{"without an answer it may have happened, and is not sent again", silent},
		{"a server fault may have happened, and is not sent again", serverFault},
		{"what cannot be seen is an error, neither yes nor no", blind},
	} {
		t.Run(c.name, func(t *testing.T) {
			whole := undisturbed(t, fresh)
			c.test(t, fresh(t), whole)
		})
	}
	t.Run("accepted, it does not come about", func(t *testing.T) { dropped(t, fresh) })
	t.Run("taken back", func(t *testing.T) { undone(t, fresh) })
}

// undisturbed is what the whole change applies when nothing goes wrong.
func undisturbed(t *testing.T, fresh func(t *testing.T) Change) map[string]int {
	t.Helper()
	c := fresh(t)
	if _, err := c.do(t); err != nil {
		t.Fatalf("Do with nothing in its way: %v", err)
	}
	whole := c.Applied()
	if len(whole) == 0 {
		t.Fatal("Do answered well and changed nothing")
	}
	return whole
}

func (c *Change) bounded(t *testing.T) (context.Context, context.CancelFunc) {
	d := c.Action.CallTimeout
	if d == 0 {
		d = 15 * time.Second
	}
	return c.Call.Clock.WithTimeout(t.Context(), d, errors.New("the call's time is up"))
}

func (c *Change) look(t *testing.T) (engine.Outcome, bool, error) {
	ctx, stop := c.bounded(t)
	defer stop()
	return c.Action.Look(ctx, c.Call)
}

func (c *Change) do(t *testing.T) (engine.Outcome, error) {
	ctx, stop := c.bounded(t)
	defer stop()
	asked := c.Call.Asked
	c.Call.Asked = c.Call.Clock.Now() // as the engine hands it from here on
	o, err := c.Action.Do(ctx, c.Call)
	if err != nil && !incident.CallErrorOf(err).Unknown {
		c.Call.Asked = asked // it surely came to nothing
	}
	return o, err
}

func (c *Change) effect(t *testing.T) (incident.Effect, error) {
	ctx, stop := c.bounded(t)
	defer stop()
	return c.Action.Effect(ctx, c.Call)
}

// isThere fails the test unless a look says so.
func (c *Change) isThere(t *testing.T, when string) {
	t.Helper()
	o, there, err := c.look(t)
	switch {
	case err != nil:
		t.Fatalf("look %s: %v", when, err)
	case !there:
		t.Fatalf("look %s says no: %s", when, o.Summary)
	case o.Summary == "":
		t.Errorf("look %s says yes and not what it saw", when)
	}
}

// isNot fails the test unless a look clearly says no.
func (c *Change) isNot(t *testing.T, when string) engine.Outcome {
	t.Helper()
	o, there, err := c.look(t)
	switch {
	case err != nil:
		t.Fatalf("look %s: %v", when, err)
	case there:
		t.Fatalf("look %s says yes: %s", when, o.Summary)
	case o.Summary == "":
		t.Errorf("look %s says no and not what it found instead", when)
	}
	return o
}

// same fails the test unless the world was changed exactly so often.
func (c *Change) same(t *testing.T, whole map[string]int, when string) {
	t.Helper()
	if got := c.Applied(); !maps.Equal(got, whole) {
		t.Errorf("%s: applied %v, want %v", when, got, whole)
	}
}

// notMore fails the test if anything was changed more often than by the whole
// change undisturbed. Less is well: the world may have done a part by itself.
func (c *Change) notMore(t *testing.T, whole map[string]int, when string) {
	t.Helper()
	for what, n := range c.Applied() {
		if n > whole[what] {
			t.Errorf("%s: %s was applied %d times, want at most %d", when, what, n, whole[what])
		}
	}
}

// mend finishes what a call that went wrong left over, as the engine does, and
// checks that nothing was done twice.
func (c *Change) mend(t *testing.T, whole map[string]int) {
	t.Helper()
	if _, there, err := c.look(t); err != nil {
		t.Fatalf("look after the call went wrong: %v", err)
	} else if !there {
		if o, err := c.do(t); err != nil {
			t.Fatalf("Do after the call went wrong: %v (%s)", err, o.Summary)
		}
	}
	c.isThere(t, "in the end")
	c.notMore(t, whole, "in the end")
}

// wrong makes the next changing call go wrong and returns what the engine is told.
func (c *Change) wrong(t *testing.T, b Break) *incident.CallError {
	t.Helper()
	c.Break(t, b)
	_, err := c.do(t)
	return sorted(t, err, b)
}

// sorted is the fault of a call that was broken.
func sorted(t *testing.T, err error, b Break) *incident.CallError {
	t.Helper()
	if err == nil {
		t.Fatalf("Do answered well although its call was broken (%s)", b)
	}
	var f *incident.CallError
	if !errors.As(err, &f) {
		t.Fatalf("Do returned an error that nobody sorted: %v", err)
	}
	if f.Retry && f.Unknown {
		t.Errorf("%v: a change that may have happened is offered to be sent again", err)
	}
	return f
}

func saysWhat(t *testing.T, c Change, _ map[string]int) {
	a := c.Action
	if a.Kind != runbook.Change || a.Look == nil || a.Do == nil || a.Effect == nil {
		t.Fatalf("kind %q, Look %t, Do %t, Effect %t: a change needs all three", a.Kind, a.Look != nil, a.Do != nil, a.Effect != nil)
	}
	if a.About == "" || a.Action.Undo == "" {
		t.Errorf("about %q, undo %q: both are shown to people", a.About, a.Action.Undo)
	}
	one, err := c.effect(t)
	if err != nil {
		t.Fatal(err)
	}
	if one.What == "" || one.Bound == "" || one.Undo == "" {
		t.Errorf("effect %+v: what happens, how it is undone and what a yes is bound to are asked for", one)
	}
	two, err := c.effect(t)
	if err != nil {
		t.Fatal(err)
	}
	if one.Bound != two.Bound {
		t.Errorf("nothing changed, and yet a yes was bound to %q and then to %q", one.Bound, two.Bound)
	}
}

func looksOnly(t *testing.T, c Change, _ map[string]int) {
	c.isNot(t, "at the start")
	if o := c.isNot(t, "again"); o.Before == "" {
		t.Log("nothing was there before that could be put back")
	}
	if _, err := c.effect(t); err != nil {
		t.Fatal(err)
	}
	c.same(t, map[string]int{}, "after looking")
}

func byHand(t *testing.T, c Change, _ map[string]int) {
	c.ByHand(t)
	was := c.Applied()
	c.isThere(t, "after it was done by hand")
	c.same(t, was, "after looking")
	if _, err := c.effect(t); err != nil {
		t.Errorf("effect of what is there already: %v", err)
	}
}

func done(t *testing.T, c Change, whole map[string]int) {
	o, err := c.do(t)
	if err != nil {
		t.Fatal(err)
	}
	if o.Summary == "" || len(o.Evidence) == 0 {
		t.Errorf("outcome %+v: a sentence and its evidence are asked for", o)
	}
	c.isThere(t, "right after")
	c.Settle(t)
	c.isThere(t, "when it has settled")
	c.same(t, whole, "when it has settled")
}

func twice(t *testing.T, c Change, whole map[string]int) {
	if _, err := c.do(t); err != nil {
		t.Fatal(err)
	}
	if _, err := c.do(t); err != nil {
		var f *incident.CallError
		if !errors.As(err, &f) || f.Retry {
			t.Errorf("the second Do: %v: only a fault that is not sent again is right", err)
		}
	}
	c.Settle(t)
	c.isThere(t, "after the second Do")
	c.same(t, whole, "after the second Do")
}

func lost(t *testing.T, c Change, whole map[string]int) {
	f := c.wrong(t, LostAnswer)
	if !f.Unknown || f.Retry {
		t.Errorf("%v: maybe %t, retry %t: it happened, and nobody knows", f, f.Unknown, f.Retry)
	}
	if len(c.Applied()) == 0 {
		t.Fatal("the call whose answer was lost was not applied: the test is void")
	}
	c.mend(t, whole)
}

func throttled(t *testing.T, c Change, whole map[string]int) {
	if f := c.wrong(t, Throttled); f.Unknown || !f.Retry || f.NeedsPerson {
		t.Errorf("%v: maybe %t, retry %t, person %t: it did not happen and may be sent again", f, f.Unknown, f.Retry, f.NeedsPerson)
	}
	c.isNot(t, "after it was throttled")
	c.mend(t, whole)
}

func refused(t *testing.T, c Change, whole map[string]int) {
	f := c.wrong(t, Denied)
	if f.Unknown || f.Retry || !f.NeedsPerson {
		t.Errorf("%v: maybe %t, retry %t, person %t: it did not happen, and asking again is of no use", f, f.Unknown, f.Retry, f.NeedsPerson)
	}
	if f.Hint == "" {
		t.Errorf("%v: nothing tells the person what to do", f)
	}
	c.isNot(t, "after it was denied")
	c.mend(t, whole)
}

func unreachable(t *testing.T, c Change, whole map[string]int) {
	if f := c.wrong(t, Unreachable); f.Unknown || !f.Retry {
		t.Errorf("%v: maybe %t, retry %t: nothing was asked", f, f.Unknown, f.Retry)
	}
	c.isNot(t, "after it was not reached")
	c.mend(t, whole)
}

func silent(t *testing.T, c Change, whole map[string]int) {
	if f := c.wrong(t, Silent); !f.Unknown || f.Retry {
		t.Errorf("%v: maybe %t, retry %t: nobody knows", f, f.Unknown, f.Retry)
	}
	c.mend(t, whole)
}

func serverFault(t *testing.T, c Change, whole map[string]int) {
	if f := c.wrong(t, ServerFault); !f.Unknown || f.Retry {
		t.Errorf("%v: maybe %t, retry %t: nobody knows", f, f.Unknown, f.Retry)
	}
	c.mend(t, whole)
}

func blind(t *testing.T, c Change, _ map[string]int) {
	c.Blind(t, Silent)
	began := c.Call.Clock.Now()
	o, there, err := c.look(t)
	if err == nil {
		t.Fatalf("look said %t (%s) although nothing could be seen", there, o.Summary)
	}
	if took := c.Call.Clock.Now().Sub(began); took > time.Minute {
		t.Errorf("looking in vain took %s", took)
	}
	c.same(t, map[string]int{}, "after looking in vain")
}

// dropped is the part of the suite about a change that was accepted and does not come
// about: a look says so, so does what waits for it, and it can be asked for again.
func dropped(t *testing.T, fresh func(t *testing.T) Change) {
	c := fresh(t)
	prior := c.isNot(t, "before anything was changed").Prior
	if _, err := c.do(t); err != nil {
		t.Fatal(err)
	}
	whole := maps.Clone(c.Applied())
	c.drop(t, prior)
	c.isNot(t, "after it came to nothing")
	if c.Wait != nil {
		c.knows(t)
	}
	if undo := c.Action.Undo; undo != nil {
		ctx, stop := c.bounded(t)
		defer stop()
		if o, back, err := undo.Look(ctx, c.Call, prior); err != nil || !back || o.Job != "" {
			t.Errorf("there is nothing to take back, and that is told as %t %q %v", back, o.Summary, err)
		}
	}
	c.Call.Asked = time.Time{} // as a retry has it
	if _, err := c.do(t); err != nil {
		t.Fatalf("asked for again: %v", err)
	}
	c.Settle(t)
	c.isThere(t, "after it was asked for again")
	for what, n := range whole {
		if got := c.Applied()[what]; got < 2*n {
			t.Errorf("%s was applied %d times, want %d: once each time", what, got, 2*n)
		}
	}
}

func (c *Change) drop(t *testing.T, prior json.RawMessage) {
	t.Helper()
	if c.Drop != nil {
		c.Drop(t)
		return
	}
	if c.Action.Undo == nil {
		t.Fatal("the case does not say how the change comes to nothing")
	}
	ctx, stop := c.bounded(t)
	defer stop()
	if _, err := c.Action.Undo.Do(ctx, c.Call, prior); err != nil {
		t.Fatal(err)
	}
	c.Settle(t)
}

// knows fails the test unless what waits for the change says that it will not come, and
// says it twice, or once as a fault.
func (c *Change) knows(t *testing.T) {
	t.Helper()
	call := c.WaitCall
	call.Asked = c.Call.Asked
	for range 2 {
		ctx, stop := c.bounded(t)
		o, ok, err := c.Wait.Look(ctx, call)
		stop()
		switch {
		case ok || !o.Gone:
			t.Errorf("its wait says %t, gone %t: %q %v", ok, o.Gone, o.Summary, err)
		case err == nil && o.Summary == "":
			t.Error("its wait does not say what it saw")
		case err != nil && !incident.CallErrorOf(err).Definite:
			t.Errorf("its wait is not sure: %v", err)
		}
	}
}
