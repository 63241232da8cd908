package enginetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// undone is the part of the suite about taking a change back.
func undone(t *testing.T, fresh func(t *testing.T) Change) {
	c := fresh(t)
	switch a := c.Action; {
	case a.Undo == nil && a.Leaves == "" && !a.NoReturn:
		t.Fatal("it cannot be taken back, and does not say that nothing is left of it or that there is no return")
	case a.Undo == nil:
		return
	case a.Leaves != "" || a.NoReturn:
		t.Fatalf("it can be taken back, and says that it cannot: no return %t, leaves %q", a.NoReturn, a.Leaves)
	case a.Undo.Look == nil || a.Undo.Do == nil || c.BreakUndo == nil || c.Meddle == nil:
		t.Fatal("an undo has Look and Do, and its case BreakUndo and Meddle")
	case (a.Undo.Settled == nil) != (a.Settles == 0):
		t.Fatalf("its undo takes up to %s to come about, and says when that is so: %t", a.Settles, a.Undo.Settled != nil)
	}
	whole := takenBack(t, c)
	for _, c := range []struct {
		name string
		test func(t *testing.T, c changed)
	}{
		{"what was there before is recorded, and is there again", restored},
		{"looking changes nothing, and says clearly no", looksBackOnly},
		{"before it was changed there is nothing to take back", backAlready},
		{"done twice it happens once", backTwice},
		{"after a lost answer a look knows", lostBack},
		{"throttled, it did not happen and may be sent again", throttledBack},
		{"denied, it did not happen and a person is needed", refusedBack},
		{"unreachable, it did not happen and may be sent again", unreachableBack},
		{"without an answer it may have happened, and is not sent again", silentBack},
		{"a server fault may have happened, and is not sent again", serverFaultBack},
		{"what somebody else changed is told and not overwritten", meddled},
		{"what somebody else changed is overwritten with a yes, as it was seen", overwritten},
		{"that it is back is said when it has come about", settles},
		{"nothing is taken back that was not recorded", unrecorded},
		{"what cannot be seen is an error, neither yes nor no", blindBack},
	} {
		t.Run(c.name, func(t *testing.T) {
			ch := changed{Change: fresh(t), whole: whole}
			ch.record(t)
			c.test(t, ch)
		})
	}
}

// changed is a change with what it recorded, and what taking it back applies.
type changed struct {
	Change
	prior json.RawMessage
	whole map[string]int
	// made is what had been applied when the change had been made.
	made map[string]int
}

// takenBack is what taking the change back applies when nothing goes wrong.
func takenBack(t *testing.T, c Change) map[string]int {
	t.Helper()
	ch := changed{Change: c}
	ch.record(t)
	ch.make(t)
	if _, err := ch.back(t); err != nil {
		t.Fatalf("Undo.Do with nothing in its way: %v", err)
	}
	ch.Settle(t)
	whole := ch.sinceMade()
	if len(whole) == 0 {
		t.Fatal("Undo.Do answered well and changed nothing")
	}
	return whole
}

// record looks before anything was changed, and keeps what a run's timeline and the
// plan of the run that takes it back make of what was recorded.
func (c *changed) record(t *testing.T) {
	t.Helper()
	o := c.isNot(t, "before anything was changed")
	if len(o.Prior) == 0 || o.Before == "" {
		t.Fatalf("recorded %q, for people %q: what the change replaces is asked for", o.Prior, o.Before)
	}
	var e incident.Event
	through(t, incident.Event{
		Time: c.Call.Clock.Now(), Actor: incident.Bot, Body: incident.ChangeIntended{Step: c.Call.Step.ID, Action: c.Call.Step.Uses, Prior: o.Prior},
	}, &e)
	intended, ok := e.Body.(incident.ChangeIntended)
	if !ok {
		t.Fatalf("read back as %T", e.Body)
	}
	var step runbook.Step
	through(t, runbook.Step{ID: "undo-" + c.Call.Step.ID, Prior: intended.Prior}, &step)
	if !same(o.Prior, step.Prior) {
		t.Errorf("recorded %s, and on the timeline it is %s", o.Prior, step.Prior)
	}
	c.prior = step.Prior
}

func through(t *testing.T, from, to any) {
	t.Helper()
	raw, err := json.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, to); err != nil {
		t.Fatal(err)
	}
}

func same(a, b json.RawMessage) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

// make makes the change.
func (c *changed) make(t *testing.T) {
	t.Helper()
	if _, err := c.do(t); err != nil {
		t.Fatalf("make the change: %v", err)
	}
	c.Settle(t)
	c.made = c.Applied()
}

// sinceMade is what was applied since the change was made.
func (c *changed) sinceMade() map[string]int {
	out := c.Applied()
	maps.DeleteFunc(out, func(what string, n int) bool { return n == c.made[what] })
	for what := range out {
		out[what] -= c.made[what]
	}
	return out
}

func (c *changed) lookBack(t *testing.T) (engine.Outcome, bool, error) {
	ctx, stop := c.bounded(t)
	defer stop()
	return c.Action.Undo.Look(ctx, c.Call, c.prior)
}

func (c *changed) back(t *testing.T) (engine.Outcome, error) {
	ctx, stop := c.bounded(t)
	defer stop()
	return c.Action.Undo.Do(ctx, c.Call, c.prior)
}

// isBack fails the test unless a look says that it is back and nothing of it is under
// way any more; a job that is named is over.
func (c *changed) isBack(t *testing.T, when string) {
	t.Helper()
	o, back, err := c.lookBack(t)
	switch {
	case err != nil:
		t.Fatalf("look %s: %v", when, err)
	case !back:
		t.Fatalf("look %s says that it is not back: %s", when, o.Summary)
	case o.Summary == "" || o.Job != "":
		t.Errorf("look %s says that it is back, what it saw %q, and that %q is under way", when, o.Summary, o.Job)
	}
}

func (c *changed) isNotBack(t *testing.T, when string) {
	t.Helper()
	o, back, err := c.lookBack(t)
	switch {
	case err != nil:
		t.Fatalf("look %s: %v", when, err)
	case back:
		t.Fatalf("look %s says that it is back: %s", when, o.Summary)
	case o.Summary == "":
		t.Errorf("look %s says no and not what it found instead", when)
	}
}

// once fails the test if anything was applied more often than taking it back takes.
func (c *changed) once(t *testing.T, when string) {
	t.Helper()
	for what, n := range c.sinceMade() {
		if n > c.whole[what] {
			t.Errorf("%s: %s was applied %d times, want at most %d", when, what, n, c.whole[what])
		}
	}
}

// mendBack finishes what a call that went wrong left over, as the engine does.
func (c *changed) mendBack(t *testing.T) {
	t.Helper()
	if _, back, err := c.lookBack(t); err != nil {
		t.Fatalf("look after the call went wrong: %v", err)
	} else if !back {
		if o, err := c.back(t); err != nil {
			t.Fatalf("Undo.Do after the call went wrong: %v (%s)", err, o.Summary)
		}
	}
	c.Settle(t)
	c.isBack(t, "in the end")
	c.once(t, "in the end")
}

// wrongBack makes the change, breaks the next call that takes it back, and returns what
// the engine is told.
func (c *changed) wrongBack(t *testing.T, b Break) *incident.CallError {
	t.Helper()
	c.make(t)
	c.BreakUndo(t, b)
	_, err := c.back(t)
	return sorted(t, err, b)
}

func restored(t *testing.T, c changed) {
	c.make(t)
	o, err := c.back(t)
	if err != nil {
		t.Fatal(err)
	}
	if o.Summary == "" || len(o.Evidence) == 0 {
		t.Errorf("outcome %+v: a sentence and its evidence are asked for", o)
	}
	under, back, err := c.lookBack(t)
	if err != nil || !back {
		t.Fatalf("right after it, a look says %t (%s), %v", back, under.Summary, err)
	}
	if o.Job != under.Job {
		t.Errorf("the job was called %q, and a look finds %q", o.Job, under.Job)
	}
	c.Settle(t)
	c.isBack(t, "when it has settled")
	if o.Job != "" {
		ctx, stop := c.bounded(t)
		defer stop()
		if p, err := c.Action.Job(ctx, c.Call, o.Job); err != nil || !p.Done || p.Summary == "" {
			t.Errorf("the job ended as %+v, %v", p, err)
		}
	}
	again := c.isNot(t, "when it is taken back")
	if !same(again.Prior, c.prior) {
		t.Errorf("before the change %s was recorded, and now %s", c.prior, again.Prior)
	}
	if got := c.sinceMade(); !maps.Equal(got, c.whole) {
		t.Errorf("applied %v, want %v", got, c.whole)
	}
}

func looksBackOnly(t *testing.T, c changed) {
	c.make(t)
	c.isNotBack(t, "after the change")
	c.isNotBack(t, "again")
	if got := c.sinceMade(); len(got) > 0 {
		t.Errorf("looking changed %v", got)
	}
}

func backAlready(t *testing.T, c changed) {
	c.isBack(t, "before anything was changed")
	if o, err := c.back(t); err != nil || o.Summary == "" || o.Job != "" {
		t.Errorf("%+v, %v", o, err)
	}
	if got := c.Applied(); len(got) > 0 {
		t.Errorf("there was nothing to do, and %v was done", got)
	}
}

func backTwice(t *testing.T, c changed) {
	c.make(t)
	if _, err := c.back(t); err != nil {
		t.Fatal(err)
	}
	if _, err := c.back(t); err != nil {
		var f *incident.CallError
		if !errors.As(err, &f) || f.Retry {
			t.Errorf("the second time: %v: only a fault that is not sent again is right", err)
		}
	}
	c.Settle(t)
	c.isBack(t, "after the second time")
	c.once(t, "after the second time")
}

func lostBack(t *testing.T, c changed) {
	f := c.wrongBack(t, LostAnswer)
	if !f.Unknown || f.Retry {
		t.Errorf("%v: maybe %t, retry %t: it happened, and nobody knows", f, f.Unknown, f.Retry)
	}
	if len(c.sinceMade()) == 0 {
		t.Fatal("the call whose answer was lost was not applied: the test is void")
	}
	c.mendBack(t)
}

func throttledBack(t *testing.T, c changed) {
	if f := c.wrongBack(t, Throttled); f.Unknown || !f.Retry || f.NeedsPerson {
		t.Errorf("%v: maybe %t, retry %t, person %t: it did not happen and may be sent again", f, f.Unknown, f.Retry, f.NeedsPerson)
	}
	c.isNotBack(t, "after it was throttled")
	c.mendBack(t)
}

func refusedBack(t *testing.T, c changed) {
	f := c.wrongBack(t, Denied)
	if f.Unknown || f.Retry || !f.NeedsPerson || f.Hint == "" {
		t.Errorf("%v: maybe %t, retry %t, person %t, hint %q: it did not happen, and somebody has to know what to do", f, f.Unknown, f.Retry, f.NeedsPerson, f.Hint)
	}
	c.isNotBack(t, "after it was denied")
	c.mendBack(t)
}

func unreachableBack(t *testing.T, c changed) {
	if f := c.wrongBack(t, Unreachable); f.Unknown || !f.Retry {
		t.Errorf("%v: maybe %t, retry %t: nothing was asked", f, f.Unknown, f.Retry)
	}
	c.isNotBack(t, "after it was not reached")
	c.mendBack(t)
}

func silentBack(t *testing.T, c changed) {
	if f := c.wrongBack(t, Silent); !f.Unknown || f.Retry {
		t.Errorf("%v: maybe %t, retry %t: nobody knows", f, f.Unknown, f.Retry)
	}
	c.mendBack(t)
}

func serverFaultBack(t *testing.T, c changed) {
	if f := c.wrongBack(t, ServerFault); !f.Unknown || f.Retry {
		t.Errorf("%v: maybe %t, retry %t: nobody knows", f, f.Unknown, f.Retry)
	}
	c.mendBack(t)
}

func meddled(t *testing.T, c changed) {
	c.make(t)
	says := c.Meddle(t)
	was := c.Applied()
	_, back, looked := c.lookBack(t)
	if back {
		t.Error("a look says that it is back")
	}
	_, done := c.back(t)
	for when, err := range map[string]error{"looking": looked, "taking it back": done} {
		var f *incident.CallError
		if !errors.As(err, &f) || !f.NeedsPerson || !f.Definite || f.Retry || f.Unknown || f.Hint == "" {
			t.Errorf("%s: %v: a fault for a person is asked for, that knows how things are, and a hint", when, err)
			continue
		}
		for _, part := range says {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s does not say %q: %v", when, part, err)
			}
		}
	}
	c.Settle(t)
	if got := c.Applied(); !maps.Equal(got, was) {
		t.Errorf("it was overwritten: applied %v, and before that %v", got, was)
	}
}

// overwritten is what somebody else changed and a person has agreed to overwrite: all
// that they were shown, and nothing but that.
func overwritten(t *testing.T, c changed) {
	c.make(t)
	c.Meddle(t)
	was := c.Applied()
	_, _, err := c.lookBack(t)
	shown := incident.CallErrorOf(err).Meanwhile
	if len(shown) == 0 {
		t.Fatalf("nothing is offered to be overwritten: %v", err)
	}
	c.Call.Overwrite = []string{"it is something else"}
	if _, _, err := c.lookBack(t); incident.CallErrorOf(err).Meanwhile == nil {
		t.Errorf("looking, with a yes to something else: %v", err)
	}
	if _, err := c.back(t); incident.CallErrorOf(err).Meanwhile == nil {
		t.Errorf("taking it back, with a yes to something else: %v", err)
	}
	c.Settle(t)
	if got := c.Applied(); !maps.Equal(got, was) {
		t.Fatalf("it was overwritten with a yes to something else: applied %v, and before that %v", got, was)
	}
	c.Call.Overwrite = shown
	c.isNotBack(t, "before it is overwritten")
	if o, err := c.back(t); err != nil || o.Summary == "" {
		t.Fatalf("overwrite it: %+v, %v", o, err)
	}
	c.Settle(t)
	c.isBack(t, "when it was overwritten")
	c.Call.Overwrite = nil
	c.isBack(t, "when it was overwritten, for whoever knows of no yes")
	if again := c.isNot(t, "when it was overwritten"); !same(again.Prior, c.prior) {
		t.Errorf("before the change %s was recorded, and now %s", c.prior, again.Prior)
	}
}

func settles(t *testing.T, c changed) {
	if c.Action.Undo.Settled == nil {
		return // once asked for it is so
	}
	settled := func(when string) bool {
		ctx, stop := c.bounded(t)
		defer stop()
		o, ok, err := c.Action.Undo.Settled(ctx, c.Call, c.prior)
		if err != nil || o.Summary == "" {
			t.Fatalf("%s: %+v, %v", when, o, err)
		}
		return ok
	}
	c.make(t)
	if settled("before it is taken back") {
		t.Error("it has come about before it was asked for")
	}
	if _, err := c.back(t); err != nil {
		t.Fatal(err)
	}
	c.Settle(t)
	if settled("when it has settled") == c.Still {
		t.Errorf("it has come about: %t", !c.Still)
	}
}

func unrecorded(t *testing.T, c changed) {
	c.make(t)
	for _, prior := range []string{"", "null", "{}", `{"of a later version":1}`, "[]"} {
		c.prior = json.RawMessage(prior)
		_, back, looked := c.lookBack(t)
		_, done := c.back(t)
		for when, err := range map[string]error{"looking": looked, "taking it back": done} {
			if f := incident.CallErrorOf(err); err == nil || back || !f.NeedsPerson || f.Unknown || f.Retry {
				t.Errorf("with %q recorded, %s: %t, %v", prior, when, back, err)
			}
		}
	}
	if got := c.sinceMade(); len(got) > 0 {
		t.Errorf("%v was applied", got)
	}
}

func blindBack(t *testing.T, c changed) {
	c.make(t)
	c.Blind(t, Silent)
	began := c.Call.Clock.Now()
	o, back, err := c.lookBack(t)
	if err == nil {
		t.Fatalf("look said %t (%s) although nothing could be seen", back, o.Summary)
	}
	if took := c.Call.Clock.Now().Sub(began); took > time.Minute {
		t.Errorf("looking in vain took %s", took)
	}
	if got := c.sinceMade(); len(got) > 0 {
		t.Errorf("looking in vain changed %v", got)
	}
}
