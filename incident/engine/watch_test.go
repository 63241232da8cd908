package engine_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// watching is a catalogue with a watch that sees what look says, and work that a run
// comes to its end with.
func watching(look func(c engine.Call) (engine.Outcome, bool, error)) engine.Catalog {
	return engine.Catalog{
		"users.watch": {
			Action: runbook.Action{Kind: runbook.Watch},
			Look:   func(_ context.Context, c engine.Call) (engine.Outcome, bool, error) { return look(c) },
			Every:  10 * time.Second,
		},
		"work.done": {
			Action: runbook.Action{Kind: runbook.Check},
			Look: func(context.Context, engine.Call) (engine.Outcome, bool, error) {
				return engine.Outcome{Summary: "done"}, true, nil
			},
		},
	}
}

func watchPlan() runbook.Plan {
	return runbook.Plan{Mode: "planned", Digest: "d", Steps: []runbook.Step{
		{ID: "users", Group: "users", Uses: "users.watch", Kind: runbook.Watch, Timeout: 30 * time.Second},
		{ID: "work", Group: "work", Uses: "work.done", Kind: runbook.Check, Gate: runbook.Required, Timeout: time.Minute},
	}}
}

func TestAWatchTellsOnlyWhatChangesAndHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		d := newDrama(t, watching(func(c engine.Call) (engine.Outcome, bool, error) {
			switch since := time.Since(began); {
			case since < time.Minute:
				return engine.Outcome{Summary: "nobody is served", State: "none"}, false, nil
			case since < 2*time.Minute:
				return engine.Outcome{Summary: "half are served", State: "half"}, false, nil
			case since < 3*time.Minute:
				return engine.Outcome{}, false, errors.New("the resolvers do not answer")
			}
			return engine.Outcome{Summary: "all are served", State: "all"}, true, nil
		}))
		d.begin(watchPlan())
		end := began.Add(10 * time.Minute)
		events := d.play(func(*incident.State) bool { return time.Now().After(end) })
		var told []string
		for _, e := range events {
			if b, ok := e.Body.(incident.WatchObserved); ok {
				told = append(told, string(b.Verdict)+": "+b.Summary)
			}
		}
		want := []string{"fail: nobody is served", "fail: half are served", "unknown: the resolvers do not answer", "pass: all are served"}
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		s := incident.Fold(events)
		if s.MitigatedAt.IsZero() || s.MitigatedAt.After(began.Add(time.Minute)) {
			t.Errorf("mitigated at %v: the watch was waited for", s.MitigatedAt.Sub(began))
		}
		if o := s.Step("users").Observed; o == nil || o.State != "all" || s.Step("users").Status != incident.Running {
			t.Errorf("the watch stands as %+v", s.Step("users"))
		}
	})
}

// A watch goes on in another process, while paused, after an abort and once a run is over,
// and ends with the incident.
func TestAWatchEndsWithItsIncident(t *testing.T) {
	for _, end := range []struct {
		name   string
		bodies []incident.Body
		goesOn bool
	}{
		{"paused", []incident.Body{incident.RunPaused{}}, true},
		{"aborted", []incident.Body{incident.RunAborted{Reason: "enough"}}, true},
		{"over", []incident.Body{incident.RunEnded{How: "done"}}, true},
		{"resolved", []incident.Body{incident.IncidentResolved{}}, false},
	} {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var looks atomic.Int64
				d := newDrama(t, watching(func(engine.Call) (engine.Outcome, bool, error) {
					looks.Add(1)
					return engine.Outcome{Summary: "all are served", State: "all"}, true, nil
				}))
				d.begin(watchPlan())
				d.play(func(s *incident.State) bool { return !s.MitigatedAt.IsZero() && looks.Load() > 0 })
				_, err := d.book.Decide(t.Context(), id, func(s *incident.State) (incident.Write, error) {
					var w incident.Write
					for _, b := range end.bodies {
						w.Events = append(w.Events, incident.Event{Time: time.Now(), Actor: "alice", Run: s.Run.Name, Body: b})
					}
					return w, nil
				})
				if err != nil {
					t.Fatal(err)
				}
				before, until := looks.Load(), time.Now().Add(5*time.Minute)
				events := d.play(func(*incident.State) bool { return time.Now().After(until) }) // another process
				switch n := looks.Load() - before; {
				case end.goesOn && (n < 25 || n > 35):
					t.Errorf("%d looks in 5 minutes at one every 10 seconds", n)
				case !end.goesOn && n > 0:
					t.Errorf("%d looks after its end", n)
				}
				if n := len(of[incident.WatchObserved](events)); n != 1 {
					t.Errorf("told %d times what did not change", n)
				}
			})
		})
	}
}

// What a watch leaves to people is theirs until it is done, or all is well; it is told anew
// only with what is new.
func TestAWatchLeavesATaskUntilAllIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		due := began.Add(90 * time.Second)
		var known []incident.Task
		look := func(c engine.Call) (engine.Outcome, bool, error) {
			if task, ok := c.Task("users"); ok {
				known = append(known, task)
			}
			task := &incident.TaskOpened{Title: "Copy it", Owner: incident.RoleCommander, Due: due, Evidence: map[string]string{"snapshot": "s-1"}}
			switch since := time.Since(began); {
			case since < 2*time.Minute:
				return engine.Outcome{Summary: "it is there", State: "there", Task: task}, false, nil
			case since < 3*time.Minute:
				return engine.Outcome{}, false, errors.New("no answer")
			case since < 4*time.Minute:
				task.Title = "Compare it"
				return engine.Outcome{Summary: "it is copied", State: "copied", Task: task}, true, nil
			}
			return engine.Outcome{Summary: "nothing is missing", State: "well"}, true, nil
		}
		d := newDrama(t, watching(look))
		d.begin(watchPlan())
		until := func(after time.Duration) []incident.Event {
			return d.play(func(*incident.State) bool { return time.Now().After(began.Add(after)) })
		}
		s := incident.Fold(until(time.Minute))
		if task := s.Tasks["users"]; task == nil || !task.Open() || task.Title != "Copy it" || !task.Due.Equal(due) || task.Owner != "alice" {
			t.Fatalf("left is %+v", task)
		}
		if s = incident.Fold(until(150 * time.Second)); !s.Tasks["users"].Open() || s.Tasks["users"].Reminded.Before(due) {
			t.Errorf("without an answer, and due: %+v", s.Tasks["users"])
		}
		if s = incident.Fold(until(210 * time.Second)); !s.Tasks["users"].Open() || s.Tasks["users"].Title != "Compare it" {
			t.Errorf("with another thing to do: %+v", s.Tasks["users"])
		}
		events := until(5 * time.Minute)
		if s = incident.Fold(events); s.Tasks["users"].Open() || s.Tasks["users"].ClosedBy != incident.Bot || s.Tasks["users"].How != "nothing is missing" {
			t.Errorf("all is well: %+v", s.Tasks["users"])
		}
		if n, m := len(of[incident.TaskOpened](events)), len(of[incident.TaskClosed](events)); n != 2 || m != 1 {
			t.Errorf("told %d times, closed %d times", n, m)
		}
		if len(known) == 0 || known[0].Evidence["snapshot"] != "s-1" {
			t.Errorf("the watch knows %+v", known)
		}
	})
}
