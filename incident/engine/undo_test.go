package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// dial is a value that an undo sets back to 2.
type dial struct {
	mu    sync.Mutex
	value int
	set   []int
	// looked is when the undo first looked.
	looked time.Time
	// settles is when what was set has come about.
	settles time.Time
}

func (d *dial) turn(to int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.value = to
}

func (d *dial) catalog() engine.Catalog {
	return engine.Catalog{"t.set": {
		Action: runbook.Action{Kind: runbook.Change, Settles: time.Minute},
		Undo: &engine.Undo{
			Look: func(_ context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
				d.mu.Lock()
				defer d.mu.Unlock()
				if d.looked.IsZero() {
					d.looked = time.Now()
				}
				was, err := engine.Recorded[int](prior)
				if err != nil {
					return engine.Outcome{}, false, err
				}
				if d.value != was && d.value != 6 {
					err = c.Meanwhile(engine.Difference{What: "the size of a", Now: fmt.Sprint(d.value), Set: "6", Was: fmt.Sprint(was)})
				}
				return engine.Outcome{Summary: "seen"}, d.value == was, err
			},
			Do: func(_ context.Context, _ engine.Call, prior json.RawMessage) (engine.Outcome, error) {
				d.mu.Lock()
				defer d.mu.Unlock()
				was, err := engine.Recorded[int](prior)
				d.value, d.settles = was, time.Now().Add(20*time.Second)
				d.set = append(d.set, was)
				return engine.Outcome{Summary: "put back"}, err
			},
			Settled: func(context.Context, engine.Call, json.RawMessage) (engine.Outcome, bool, error) {
				d.mu.Lock()
				defer d.mu.Unlock()
				return engine.Outcome{Summary: "come about"}, !time.Now().Before(d.settles), nil
			},
		},
	}}
}

// A yes is to what was read, so a value that changes once more is asked about once more.
func TestWhatSomebodyElseChangedIsOverwrittenAsItWasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &dial{value: 9}
		d := newDrama(t, v.catalog())
		d.kind = incident.Undo
		d.begin(undoing())
		overwrite := func(meanwhile string) {
			t.Helper()
			var got []string
			d.play(func(s *incident.State) bool {
				got = s.Step("undo-a").Failure.Meanwhile
				return s.OpenQuestion("undo-a") != nil
			})
			if len(got) != 1 || got[0] != meanwhile || len(v.set) != 0 {
				t.Fatalf("told %q, set %v", got, v.set)
			}
		}
		yes := func(meanwhile string) {
			t.Helper()
			if _, err := d.book.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) {
				return incident.Write{Events: []incident.Event{{Time: time.Now(), Actor: "alice", Body: incident.StepRetried{Step: "undo-a", Overwrite: []string{meanwhile}, Reason: "it was me"}}}}, nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		overwrite("the size of a is 9")
		v.turn(7)
		yes("the size of a is 9")
		overwrite("the size of a is 7")
		yes("the size of a is 7")
		events := d.play(over)
		if len(v.set) != 1 || v.value != 2 || len(of[incident.ChangeIntended](events)) != 1 {
			t.Errorf("set %v, and it is %d", v.set, v.value)
		}
	})
}

// The call of the run that was stopped may still be out: nobody looks before it has
// surely ended.
func TestTakingBackWaitsForTheCallThatIsStillOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &dial{value: 6}
		d := newDrama(t, v.catalog())
		d.begin(runbook.Plan{Steps: []runbook.Step{step("a", "t.set", runbook.Change)}})
		until := time.Now().Add(25 * time.Second)
		undo := undoing()
		raw, err := json.Marshal(undo)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.book.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) {
			var w incident.Write
			for _, b := range []incident.Body{
				incident.StepStarted{Step: "a", Action: "t.set", Attempt: 1},
				incident.ChangeIntended{Step: "a", Action: "t.set", Attempt: 1, Until: until, Prior: json.RawMessage("2")},
				incident.RunAborted{Reason: "slow"},
				incident.RunBegun{Kind: incident.Undo, Follows: "failover-1", Plan: raw},
			} {
				w.Events = append(w.Events, incident.Event{Time: time.Now(), Actor: "alice", Body: b})
			}
			return w, nil
		}); err != nil {
			t.Fatal(err)
		}
		d.play(over)
		if v.looked.Before(until) || len(v.set) != 1 {
			t.Errorf("looked at %s, the call ends at %s; set %v", v.looked, until, v.set)
		}
	})
}

// What is taken back is waited for until it has come about, and the page is resolved with
// the incident, not with the run.
func TestATakingBackIsOverWhenItHasComeAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &dial{value: 6}
		catalog := v.catalog()
		told := 0
		catalog["t.tell"] = engine.Action{
			Action: runbook.Action{Kind: runbook.Tell},
			Do: func(context.Context, engine.Call) (engine.Outcome, error) {
				told++
				return engine.Outcome{Summary: "told"}, nil
			},
		}
		change := step("a", "t.set", runbook.Change)
		change.Settles = time.Minute
		closing := step("page", "t.tell", runbook.Tell)
		closing.Closing = true
		undo, _, err := (&runbook.Plan{Steps: []runbook.Step{change, closing}}).Undo([]runbook.Changed{{Step: "a", Prior: json.RawMessage("2")}})
		if err != nil {
			t.Fatal(err)
		}
		d := newDrama(t, catalog)
		d.kind = incident.Undo
		d.begin(*undo)
		var ended time.Time
		d.play(func(s *incident.State) bool { ended = s.EndedAt; return s.Ended.How == "done" })
		if ended.Before(v.settles) || told != 0 {
			t.Errorf("over at %s, come about at %s, told %d times", ended, v.settles, told)
		}
		if _, err := d.book.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) {
			return incident.Write{Events: []incident.Event{{Time: time.Now(), Actor: "alice", Body: incident.IncidentResolved{}}}}, nil
		}); err != nil {
			t.Fatal(err)
		}
		d.play(func(s *incident.State) bool { return s.Step("page").Status.Settled() })
		if told != 1 {
			t.Errorf("told %d times", told)
		}
	})
}

// What cannot be read is a sentence for a person, and the others go on.
func TestARecordedValueThatCannotBeReadStopsItsOwnStepAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &dial{value: 6}
		d := newDrama(t, v.catalog())
		d.kind = incident.Undo
		d.answers = func(*incident.Question) (who, choice string) { return "", "" }
		plan := undoing()
		broken := step("undo-b", "t.set", runbook.Change)
		broken.Undoes, broken.Prior = "b", json.RawMessage(`{"of a later version":1}`)
		plan.Steps = append(plan.Steps, broken)
		d.begin(plan)
		var failure incident.StepFailed
		d.play(func(s *incident.State) bool {
			failure = s.Step("undo-b").Failure
			return s.OpenQuestion("undo-b") != nil && s.Step("undo-a").Status == incident.Done
		})
		if failure.Hint == "" || failure.MayHaveHappened || len(failure.Meanwhile) > 0 || len(v.set) != 1 {
			t.Errorf("told as %+v, set %v", failure, v.set)
		}
	})
}
