package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// drama is a run of a plan of its own, with people who answer what is asked.
type drama struct {
	t       *testing.T
	log     *enginetest.Memory
	book    *incident.Book
	catalog engine.Catalog
	kind    incident.RunKind
	dry     bool
	// answers says who answers a question and how; nobody: it stays open.
	answers func(q *incident.Question) (who, choice string)
	// cut ends the bot's process at an append, as in record.
	cut func(w incident.Write, after bool) bool
}

func newDrama(t *testing.T, catalog engine.Catalog) *drama {
	log := enginetest.NewMemory()
	return &drama{t: t, log: log, book: incident.NewBook(log), catalog: catalog, kind: incident.Failover}
}

// begin puts the run on the record, the incident too if it is the first.
func (d *drama) begin(p runbook.Plan) {
	d.t.Helper()
	raw, err := json.Marshal(p)
	if err != nil {
		d.t.Fatal(err)
	}
	_, err = d.book.Decide(d.t.Context(), id, func(s *incident.State) (incident.Write, error) {
		var w incident.Write
		if s.Seq == 0 {
			w.Events = append(w.Events, incident.Event{Time: time.Now(), Actor: "alice", Body: incident.IncidentDeclared{Incident: id, Commander: "alice"}})
		}
		run := incident.Event{Time: time.Now(), Actor: "alice", Run: s.NextRun(d.kind)}
		run.Body = incident.RunBegun{Kind: d.kind, Target: "us-west-2", Mode: "unplanned", Dry: d.dry, Digest: "d", Plan: raw, Follows: s.Run.Name}
		w.Events = append(w.Events, run)
		return w, nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

// play runs the engine, again and again when its process ends, until the newest run
// stands as wanted. It returns the timeline.
func (d *drama) play(until func(s *incident.State) bool) []incident.Event {
	d.t.Helper()
	ctx, stop := context.WithCancel(d.t.Context())
	var all sync.WaitGroup
	defer func() { stop(); all.Wait() }()
	for life := 1; life < 20; life++ {
		log := &record{Log: d.log, cut: d.cut}
		e := engine.New(engine.Options{
			Book: incident.NewBook(log), Catalog: d.catalog, Clock: incident.RealClock{}, Holder: fmt.Sprint("process ", life),
		}, zerolog.Nop())
		living, kill := context.WithCancel(ctx)
		var ended sync.WaitGroup
		ended.Go(func() { _ = e.Run(living) })
		done := false
		for range 3000 {
			time.Sleep(time.Second)
			for _, before := range []bool{true, false} { // also of a question that is open at this moment
				if !before {
					d.answer()
				}
				if err := d.book.View(ctx, id, func(s *incident.State) { done = done || until(s) }); err != nil {
					d.t.Fatal(err)
				}
				if done {
					break
				}
			}
			if done || log.gone() {
				break
			}
		}
		kill()
		ended.Wait()
		if done {
			events, err := d.log.Read(ctx, id, 0, 0)
			if err != nil {
				d.t.Fatal(err)
			}
			return events
		}
		if !log.gone() {
			var says string
			_ = d.book.View(ctx, id, func(s *incident.State) { says = fmt.Sprintf("%s, open %v, steps %v", s.Phase(), s.Open, s.Steps) })
			d.t.Fatalf("the run stands still: %s", says)
		}
	}
	d.t.Fatal("twenty processes were not enough")
	return nil
}

func (d *drama) answer() {
	_, err := d.book.Decide(d.t.Context(), id, func(s *incident.State) (incident.Write, error) {
		for _, open := range s.Open {
			q := s.Questions[open]
			who, choice := "alice", "go"
			if d.answers != nil {
				who, choice = d.answers(q)
			}
			if who == "" {
				continue
			}
			given := incident.ApprovalGiven{Question: q.Question, Kind: q.Kind, Step: q.Step, Choice: choice}
			bodies := []incident.Body{given}
			if choice == "retry" {
				bodies = append(bodies, incident.StepRetried{Step: q.Step})
				if gone := s.Step(q.Step).Failure.WillNotCome; gone != "" {
					bodies = append(bodies, incident.StepRetried{Step: gone})
				}
			}
			var w incident.Write
			for _, b := range bodies {
				w.Events = append(w.Events, incident.Event{Time: time.Now(), Actor: who, Body: b})
			}
			return w, nil
		}
		return incident.Write{}, nil
	})
	if err != nil && d.t.Context().Err() == nil {
		d.t.Error(err)
	}
}

func over(s *incident.State) bool { return !s.MitigatedAt.IsZero() || s.Over() }

func of[T incident.Body](events []incident.Event) (out []T) {
	for _, e := range events {
		if b, ok := e.Body.(T); ok {
			out = append(out, b)
		}
	}
	return out
}

func ask(id, role string, count int, choices []string, needs ...string) runbook.Step {
	s := step(id, "person.ask", runbook.Ask, needs...)
	s.Asks = &runbook.Asks{Role: role, Count: count, Choices: choices}
	return s
}

// A look may last as long as its action says and the step allows, and no longer.
func TestALookHasItsTime(t *testing.T) {
	lasts := func(d time.Duration) func(context.Context, engine.Call) (engine.Outcome, bool, error) {
		return func(ctx context.Context, _ engine.Call) (engine.Outcome, bool, error) {
			select {
			case <-time.After(d):
				return engine.Outcome{Summary: "so it is"}, true, nil
			case <-ctx.Done():
				return engine.Outcome{}, false, context.Cause(ctx)
			}
		}
	}
	for name, c := range map[string]struct {
		kind            runbook.Kind
		look, call, has time.Duration
		ok              bool
	}{
		"a wait's long look":              {runbook.Wait, 43 * time.Second, time.Minute, 3 * time.Minute, true},
		"a wait's look that hangs":        {runbook.Wait, 2 * time.Minute, time.Minute, 3 * time.Minute, false},
		"a look longer than its step":     {runbook.Wait, 43 * time.Second, time.Minute, 40 * time.Second, false},
		"a check has the step's time":     {runbook.Check, 90 * time.Second, 0, 2 * time.Minute, true},
		"a check that says a shorter one": {runbook.Check, 90 * time.Second, time.Minute, 2 * time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cat := newStage().catalog()
				cat["t.long"] = engine.Action{Action: runbook.Action{Kind: c.kind}, Look: lasts(c.look), CallTimeout: c.call}
				d := newDrama(t, cat)
				d.answers = func(*incident.Question) (string, string) { return "", "" }
				long := step("long", "t.long", c.kind)
				long.Timeout = c.has
				d.begin(runbook.Plan{Steps: []runbook.Step{long, step("go", "person.go", runbook.Go, "long")}})
				var st incident.StepState
				d.play(func(now *incident.State) bool {
					st = now.Step("long")
					return st.Status == incident.Done || st.Status == incident.Failed
				})
				if ok := st.Status == incident.Done; ok != c.ok {
					t.Errorf("it is %s: %s", st.Status, st.Failure.Error)
				}
			})
		})
	}
}

func TestARunbookWithTwoAsksRunsToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDrama(t, newStage().catalog())
		first := []string{"bob", "bob", "carol"} // bob twice counts once
		d.answers = func(q *incident.Question) (string, string) {
			switch q.Step {
			case "freeze":
				if q.Role != "responder" || q.Wanting() < 1 {
					t.Errorf("asked %+v", q)
				}
				who := first[0]
				first = first[1:]
				return who, "done"
			case "partner":
				return "dave", q.Choices[1]
			}
			return "alice", "go"
		}
		d.begin(runbook.Plan{Steps: []runbook.Step{
			ask("freeze", "responder", 2, nil),
			step("go", "person.go", runbook.Go, "freeze"),
			step("dns", "t.change", runbook.Change, "go"),
			ask("partner", "commander", 0, []string{"told", "not reached"}, "dns"),
			step("verify", "t.wait", runbook.Wait, "partner"),
		}})
		var s *incident.State
		d.play(func(now *incident.State) bool { s = now; return over(now) })
		if got := s.Step("freeze").Finished.Evidence["by"]; got != "bob, carol" {
			t.Errorf("two had to answer, and did: %s", got)
		}
		if got := s.Step("partner").Finished.Summary; got != "not reached" {
			t.Errorf("the answer was %q", got)
		}
	})
}

func TestAnApprovalWantsAsManyDifferentPeopleAsItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStage()
		d := newDrama(t, g.catalog())
		people := []string{"bob", "bob", "bob", "carol"}
		d.answers = func(q *incident.Question) (string, string) {
			if q.Kind != incident.AskApprove {
				return "alice", "go"
			}
			who := people[0]
			people = people[1:]
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.applied["promote"] != 0 {
				t.Error("promoted before enough people agreed")
			}
			return who, "approve"
		}
		promote := step("promote", "t.final", runbook.Change, "go")
		promote.Approval = &runbook.Approval{By: "approver", Count: 2, Expires: 15 * time.Minute}
		d.begin(runbook.Plan{Steps: []runbook.Step{step("go", "person.go", runbook.Go), promote}})
		var s *incident.State
		d.play(func(now *incident.State) bool { s = now; return over(now) })
		if got := s.Step("promote").ApprovedBy; got != "bob carol" || g.applied["promote"] != 1 {
			t.Errorf("approved by %q, promoted %d times", got, g.applied["promote"])
		}
	})
}

// orders is an exercise that goes well at its n-th send.
func orders(n int, tokens map[string]int) engine.Action {
	return engine.Action{
		Action: runbook.Action{Kind: runbook.Exercise}, Sends: 4, Every: 5 * time.Second,
		Try: func(_ context.Context, c engine.Call, send int) (engine.Outcome, bool, error) {
			tokens[c.Token]++
			return engine.Outcome{Summary: fmt.Sprintf("order %d was not read back", send)}, send >= n, nil
		},
	}
}

func TestAnExerciseIsSentAsOftenAsItMayBeAndNotMore(t *testing.T) {
	for _, c := range []struct {
		claim          string
		good, sent     int
		fails          bool
		diesAfterSends int
	}{
		{"at the first send", 1, 1, false, 0},
		{"at the third", 3, 3, false, 0},
		{"never: it stops at the bound", 99, 4, true, 0},
		{"the process dies after two sends, and they count", 99, 4, true, 2},
	} {
		t.Run(c.claim, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tokens := map[string]int{}
				d := newDrama(t, engine.Catalog{"t.order": orders(c.good, tokens)})
				sends := 0
				d.cut = func(w incident.Write, after bool) bool {
					if _, ok := w.Events[0].Body.(incident.ExerciseIntended); ok && after {
						sends++
						return sends == c.diesAfterSends
					}
					return false
				}
				d.answers = func(*incident.Question) (string, string) { return "", "" }
				d.begin(runbook.Plan{Steps: []runbook.Step{step("order", "t.order", runbook.Exercise)}})
				events := d.play(func(s *incident.State) bool { return over(s) || s.OpenQuestion("order") != nil })
				if got := len(of[incident.ExerciseIntended](events)); got != c.sent {
					t.Errorf("%d sends are on the timeline, want %d", got, c.sent)
				}
				if failed := len(of[incident.StepFailed](events)) > 0; failed != c.fails {
					t.Errorf("it failed: %v", failed)
				}
				if len(tokens) != 1 {
					t.Errorf("one run has one token: %v", tokens)
				}
			})
		})
	}
}

// An exercise that has nothing to try says why, and nothing is written down as sent; a dry
// run says the same.
func TestAnExerciseThatHasNothingToTrySendsNothing(t *testing.T) {
	for _, dry := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			tokens := map[string]int{}
			order := orders(1, tokens)
			order.None = func(c engine.Call) (engine.Outcome, bool) {
				return engine.Outcome{Summary: "nothing to try in " + c.Step.ID, Measured: incident.Measured{Verdict: incident.NotApplicable}}, true
			}
			d := newDrama(t, engine.Catalog{"t.order": order})
			if d.dry = dry; dry {
				d.kind = incident.Drill
			}
			d.begin(runbook.Plan{Steps: []runbook.Step{step("order", "t.order", runbook.Exercise)}})
			events := d.play(over)
			if n := len(of[incident.ExerciseIntended](events)); n != 0 || len(tokens) != 0 {
				t.Errorf("dry run %t: %d sends are on the timeline, %d were sent", dry, n, len(tokens))
			}
			done := of[incident.StepFinished](events)
			if len(done) != 1 || done[0].Summary != "nothing to try in order" || done[0].Measured.Verdict != incident.NotApplicable {
				t.Errorf("dry run %t: it finished with %+v", dry, done)
			}
		})
	}
}

// A run goes on under a newer version, in which an action is of another kind than in
// the frozen plan.
func TestAnActionThatIsOfAnotherKindByNowStopsItsStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDrama(t, engine.Catalog{"t.order": orders(1, map[string]int{})})
		d.answers = func(*incident.Question) (string, string) { return "", "" }
		d.begin(runbook.Plan{Steps: []runbook.Step{step("order", "t.order", runbook.Wait)}})
		events := d.play(func(s *incident.State) bool { return s.OpenQuestion("order") != nil })
		failed := of[incident.StepFailed](events)
		if len(failed) != 1 || !strings.Contains(failed[0].Error, `this version has no wait "t.order"`) || failed[0].Hint == "" {
			t.Errorf("told as %+v", failed)
		}
	})
}

func TestWhoRetriesAnExerciseAllowsAsManySendsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := map[string]int{}
		d := newDrama(t, engine.Catalog{"t.order": orders(99, tokens)})
		retries := 0
		d.answers = func(q *incident.Question) (string, string) {
			if q.Kind != incident.AskFailed || retries == 2 {
				return "", ""
			}
			retries++
			return "alice", "retry"
		}
		d.begin(runbook.Plan{Steps: []runbook.Step{step("order", "t.order", runbook.Exercise)}})
		events := d.play(func(s *incident.State) bool { return retries == 2 && s.OpenQuestion("order") != nil })
		var counted []int
		for _, e := range of[incident.ExerciseIntended](events) {
			counted = append(counted, e.Send)
		}
		if want := []int{1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4}; !slices.Equal(counted, want) || len(tokens) != 1 {
			t.Errorf("sent %v with %v, want %v with one token", counted, tokens, want)
		}
	})
}

func TestAJobIsFollowedByItsHandleThroughTheDeathOfTheProcess(t *testing.T) {
	for _, dies := range []string{"", "ChangeIntended", "JobStarted", "JobProgressed"} {
		t.Run("dies at "+dies, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				begun := map[string]time.Time{} // by token: the other side starts each once
				restore := engine.Action{
					Action: runbook.Action{Kind: runbook.Change}, Every: 5 * time.Second,
					Look: func(_ context.Context, c engine.Call) (engine.Outcome, bool, error) {
						mu.Lock()
						defer mu.Unlock()
						_, there := begun[c.Token]
						return engine.Outcome{Summary: "a restore of that name is there", Job: "restore/" + c.Token}, there, nil
					},
					Do: func(_ context.Context, c engine.Call) (engine.Outcome, error) {
						mu.Lock()
						defer mu.Unlock()
						begun[c.Token] = time.Now()
						return engine.Outcome{Summary: "asked for", Job: "restore/" + c.Token}, nil
					},
					Job: func(_ context.Context, c engine.Call, handle string) (engine.Progress, error) {
						mu.Lock()
						defer mu.Unlock()
						at, ok := begun[strings.TrimPrefix(handle, "restore/")]
						if !ok {
							return engine.Progress{}, fmt.Errorf("there is no %s", handle)
						}
						share := min(time.Since(at).Seconds()/300, 1)
						p := engine.Progress{Done: share == 1, Share: share}
						p.Summary = fmt.Sprintf("%.0f items", 1000*share)
						return p, nil
					},
				}
				d := newDrama(t, engine.Catalog{"t.restore": restore})
				died := false
				d.cut = func(w incident.Write, after bool) bool {
					if !died && after && w.Events[0].Body.Type() == dies {
						died = true
						return true
					}
					return false
				}
				s := step("restore", "t.restore", runbook.Change)
				s.Timeout = 10 * time.Minute
				d.begin(runbook.Plan{Steps: []runbook.Step{s}})
				events := d.play(over)
				if len(begun) != 1 {
					t.Errorf("%d jobs were begun: %v", len(begun), begun)
				}
				jobs := of[incident.JobStarted](events)
				if len(jobs) != 1 || !strings.HasSuffix(jobs[0].Handle, jobs[0].Token) {
					t.Errorf("on the timeline: %+v", jobs)
				}
				// Sixty looks, and at most ten tenths are told.
				if n := len(of[incident.JobProgressed](events)); n < 3 || n > 11 {
					t.Errorf("%d progresses are on the timeline", n)
				}
				done := of[incident.StepFinished](events)
				if len(done) != 1 || !done[0].Changed || done[0].Summary != "1000 items" {
					t.Errorf("ended as %+v", done)
				}
			})
		})
	}
}

func TestTheTimeOfAWaitIsCountedFromWhenItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStage()
		g.not["verify"] = true
		d := newDrama(t, g.catalog())
		d.answers = func(*incident.Question) (string, string) { return "", "" }
		lives := 0
		d.cut = func(w incident.Write, after bool) bool { // each process ends as it takes the run up
			_, taken := w.Events[0].Body.(incident.RunTaken)
			if taken && after {
				lives++
			}
			return taken && after && lives < 4
		}
		s := step("verify", "t.wait", runbook.Wait)
		s.Timeout = 3 * time.Minute
		d.begin(runbook.Plan{Steps: []runbook.Step{s}})
		began := time.Now()
		var failed time.Time
		events := d.play(func(s *incident.State) bool { return s.OpenQuestion("verify") != nil })
		for _, e := range events {
			if _, ok := e.Body.(incident.StepFailed); ok {
				failed = e.Time
			}
		}
		if took := failed.Sub(began); took > 3*time.Minute+10*time.Second+4*time.Minute {
			t.Errorf("after %s", took)
		}
		starts := of[incident.StepStarted](events)
		if len(starts) != 1 {
			t.Errorf("begun %d times", len(starts))
		}
	})
}

func TestAChangeThatWillNotComeIsSaidAndCanBeAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked, dropped := 0, true
		catalog := newStage().catalog()
		catalog["t.switch"] = engine.Action{
			Action: runbook.Action{Kind: runbook.Change, NoReturn: true},
			Look: func(context.Context, engine.Call) (engine.Outcome, bool, error) {
				mu.Lock()
				defer mu.Unlock()
				return engine.Outcome{Summary: "it is under way"}, asked > 0 && !dropped, nil
			},
			Do: func(context.Context, engine.Call) (engine.Outcome, error) {
				mu.Lock()
				defer mu.Unlock()
				asked++
				return engine.Outcome{Summary: "asked for"}, nil
			},
			Effect: func(context.Context, engine.Call) (incident.Effect, error) {
				return incident.Effect{What: "switch", Bound: "b"}, nil
			},
		}
		catalog["t.writable"] = engine.Action{
			Action: runbook.Action{Kind: runbook.Wait},
			Look: func(context.Context, engine.Call) (engine.Outcome, bool, error) {
				mu.Lock()
				defer mu.Unlock()
				if dropped = asked < 2; dropped {
					return engine.Outcome{Summary: "it was taken back", Gone: true}, false, nil
				}
				return engine.Outcome{Summary: "it writes"}, true, nil
			},
		}
		d := newDrama(t, catalog)
		var approvals []string
		d.answers = func(q *incident.Question) (string, string) {
			switch q.Kind {
			case incident.AskApprove:
				approvals = append(approvals, q.Question)
				return "bob", "approve"
			case incident.AskFailed:
				return "alice", "retry"
			default:
				return "alice", "go"
			}
		}
		move := step("switch", "t.switch", runbook.Change)
		move.NoReturn, move.Approval = true, &runbook.Approval{By: "approver", Expires: time.Hour}
		writable := step("writable", "t.writable", runbook.Wait, "switch")
		writable.Awaits = "switch"
		d.begin(runbook.Plan{Steps: []runbook.Step{move, writable}})
		events := d.play(over)
		if asked != 2 || len(approvals) != 2 || approvals[0] == approvals[1] {
			t.Errorf("asked for %d times, approved %v", asked, approvals)
		}
		failures := of[incident.StepFailed](events)
		if len(failures) != 1 || failures[0].WillNotCome != "switch" || failures[0].Error != "it was taken back" {
			t.Errorf("said as %+v", failures)
		}
	})
}

func TestAListFoundAtRunTimeIsCarriedOutForEachAndAnApprovalBindsIt(t *testing.T) {
	for _, items := range [][]string{{"i-1", "i-2", "i-3"}, {}} {
		t.Run(fmt.Sprint(len(items), " items"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				done := map[string]bool{}
				catalog := engine.Catalog{
					"t.list": {Action: runbook.Action{Kind: runbook.Check}, Look: func(context.Context, engine.Call) (engine.Outcome, bool, error) {
						return engine.Outcome{Summary: "found", Items: items}, true, nil
					}},
					"t.launch": {
						Action: runbook.Action{Kind: runbook.Change},
						Look: func(_ context.Context, c engine.Call) (engine.Outcome, bool, error) {
							mu.Lock()
							defer mu.Unlock()
							return engine.Outcome{Summary: c.Step.Item + " runs"}, done[c.Step.ID], nil
						},
						Do: func(_ context.Context, c engine.Call) (engine.Outcome, error) {
							mu.Lock()
							defer mu.Unlock()
							done[c.Step.ID] = true
							return engine.Outcome{Summary: c.Step.Item + " is launched"}, nil
						},
						Effect: func(_ context.Context, c engine.Call) (incident.Effect, error) {
							return incident.Effect{What: "launch " + c.Step.Item, Bound: c.Step.Item}, nil
						},
					},
					"t.first": {
						Action: runbook.Action{Kind: runbook.Change},
						Look: func(context.Context, engine.Call) (engine.Outcome, bool, error) {
							return engine.Outcome{}, done["first"], nil
						},
						Do: func(context.Context, engine.Call) (engine.Outcome, error) {
							mu.Lock()
							defer mu.Unlock()
							done["first"] = true
							return engine.Outcome{Summary: "begun"}, nil
						},
						Effect: func(context.Context, engine.Call) (incident.Effect, error) {
							return incident.Effect{What: "begin", Bound: "b"}, nil
						},
					},
				}
				d := newDrama(t, catalog)
				var effects []string
				d.answers = func(q *incident.Question) (string, string) {
					for _, e := range q.Effects {
						effects = append(effects, e.Step)
					}
					return "bob", "approve"
				}
				first := step("first", "t.first", runbook.Change, "list")
				first.Approval = &runbook.Approval{By: "approver", Expires: time.Hour, Covers: []string{"launch"}}
				launch := step("launch", "t.launch", runbook.Change, "first")
				launch.EachOf, launch.CoveredBy = "list", "first"
				check := step("check", "t.launch", runbook.Change, "launch")
				check.EachOf, check.CoveredBy = "list", "first"
				d.begin(runbook.Plan{Steps: []runbook.Step{step("list", "t.list", runbook.Check), first, launch, check}})
				events := d.play(over)
				want := []string{"first"}
				for _, group := range []string{"launch", "check"} {
					for _, i := range items {
						want = append(want, group+"/"+i)
					}
				}
				if !slices.Equal(effects, want) {
					t.Errorf("the approval showed %v, want %v", effects, want)
				}
				for _, id := range want {
					if !done[id] {
						t.Errorf("%s was not carried out: %v", id, done)
					}
				}
				if n := len(of[incident.StepsExpanded](events)); n != 2 || len(done) != len(want) {
					t.Errorf("expanded %d times, carried out %v", n, done)
				}
			})
		})
	}
}

func TestADryRunForeseesAndChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStage()
		g.on["scale-b"] = true
		catalog := g.catalog()
		tokens := map[string]int{}
		catalog["t.order"] = orders(1, tokens)
		d := newDrama(t, catalog)
		d.kind, d.dry = incident.Drill, true
		d.answers = func(q *incident.Question) (string, string) {
			t.Errorf("asked %+v", q.ApprovalAsked)
			return "", ""
		}
		p := plan()
		p.Steps = append(p.Steps, step("order", "t.order", runbook.Exercise, "verify"))
		d.begin(p)
		var s *incident.State
		events := d.play(func(now *incident.State) bool { s = now; return over(now) })
		if len(g.applied) != 0 || len(tokens) != 0 {
			t.Errorf("changed %v, sent %v", g.applied, tokens)
		}
		if s.Ended.How != "done" || len(of[incident.ChangeIntended](events)) != 0 {
			t.Errorf("ended %+v", s.Ended)
		}
		var foreseen []string
		for _, f := range of[incident.ChangeForeseen](events) {
			foreseen = append(foreseen, fmt.Sprintf("%s %v", f.Step, f.There))
		}
		slices.Sort(foreseen)
		if want := []string{"cache false", "dns false", "promote false", "scale-a false", "scale-b true"}; !slices.Equal(foreseen, want) {
			t.Errorf("foreseen %v, want %v", foreseen, want)
		}
		if h, err := d.log.Holder(t.Context()); err != nil || h != (incident.Holder{}) {
			t.Errorf("it holds the lock: %+v, %v", h, err)
		}
	})
}

func TestAnUndoRunTakesBackWhatWasChangedLastFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		value := map[string]int{"a": 2, "b": 3, "dns": 1}
		var back []string
		set := engine.Action{
			Action: runbook.Action{Kind: runbook.Change, Undo: "put it back"},
			Look: func(_ context.Context, c engine.Call) (engine.Outcome, bool, error) {
				mu.Lock()
				defer mu.Unlock()
				prior, err := json.Marshal(value[c.Step.ID])
				return engine.Outcome{Summary: "it is 6", Before: fmt.Sprint(value[c.Step.ID]), Prior: prior}, value[c.Step.ID] == 6, err
			},
			Do: func(_ context.Context, c engine.Call) (engine.Outcome, error) {
				mu.Lock()
				defer mu.Unlock()
				value[c.Step.ID] = 6
				return engine.Outcome{Summary: "set to 6"}, nil
			},
			Undo: &engine.Undo{
				Look: func(_ context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
					mu.Lock()
					defer mu.Unlock()
					return engine.Outcome{Summary: "it is back"}, string(prior) == fmt.Sprint(value[c.Step.Undoes]), nil
				},
				Do: func(_ context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, error) {
					mu.Lock()
					defer mu.Unlock()
					back = append(back, c.Step.Undoes)
					var v int
					if err := json.Unmarshal(prior, &v); err != nil {
						return engine.Outcome{}, err
					}
					value[c.Step.Undoes] = v
					return engine.Outcome{Summary: "put back to " + string(prior)}, nil
				},
			},
		}
		catalog := newStage().catalog()
		catalog["t.set"] = set
		d := newDrama(t, catalog)
		p := runbook.Plan{Digest: "one", Steps: []runbook.Step{
			step("a", "t.set", runbook.Change), step("b", "t.set", runbook.Change),
			step("dns", "t.set", runbook.Change, "a", "b"), step("final", "t.final", runbook.Change, "dns"),
		}}
		p.Steps[3].NoReturn = true
		p.Steps[3].Approval = &runbook.Approval{By: "approver", Expires: time.Hour}
		d.answers = func(*incident.Question) (string, string) { return "", "" }
		d.begin(p)
		var changed []runbook.Changed
		d.play(func(s *incident.State) bool {
			if s.OpenQuestion("final") == nil {
				return false
			}
			for _, st := range s.Changed() {
				changed = append(changed, runbook.Changed{Step: st.ID, Prior: st.Prior})
			}
			return true
		})
		undo, left, err := p.Undo(append(changed, runbook.Changed{Step: "final"}))
		if err != nil || len(left) != 1 || left[0].ID != "final" || undo.Digest == p.Digest {
			t.Fatalf("left %v, digest %s, %v", left, undo.Digest, err)
		}
		if _, err := d.book.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) {
			return incident.Write{Events: []incident.Event{{Time: time.Now(), Actor: "alice", Body: incident.RunAborted{Reason: "take it back"}}}}, nil
		}); err != nil {
			t.Fatal(err)
		}
		d.kind = incident.Undo
		d.begin(*undo)
		var run incident.Run
		d.play(func(s *incident.State) bool { run = *s.Run; return s.Kind == incident.Undo && s.Over() })
		if want := map[string]int{"a": 2, "b": 3, "dns": 1}; fmt.Sprint(value) != fmt.Sprint(want) {
			t.Errorf("the values are %v, want %v", value, want)
		}
		if len(back) != 3 || back[0] != "dns" {
			t.Errorf("taken back in the order %v", back)
		}
		if run.Name != "undo-2" || run.Follows != "failover-1" || run.Ended.How != "done" {
			t.Errorf("the run is %s after %s, ended %+v", run.Name, run.Follows, run.Ended)
		}
	})
}

// undoing is a plan that takes back one change, to 2.
func undoing() runbook.Plan {
	s := step("undo-a", "t.set", runbook.Change)
	s.Undoes, s.Prior = "a", json.RawMessage("2")
	return runbook.Plan{Steps: []runbook.Step{s}}
}

func TestWhatSomebodyElseChangedMeanwhileIsToldAndNotTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		value, set := 9, 0
		d := newDrama(t, engine.Catalog{"t.set": {
			Action: runbook.Action{Kind: runbook.Change},
			Undo: &engine.Undo{
				Look: func(_ context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
					mu.Lock()
					defer mu.Unlock()
					if was, err := engine.Recorded[int](prior); err != nil || value != was && value != 6 {
						return engine.Outcome{}, false, c.Meanwhile(engine.Difference{What: "the size of a", Now: fmt.Sprint(value), Set: "6", Was: fmt.Sprint(was)})
					}
					return engine.Outcome{Summary: "seen"}, value == 2, nil
				},
				Do: func(context.Context, engine.Call, json.RawMessage) (engine.Outcome, error) {
					mu.Lock()
					defer mu.Unlock()
					value, set = 2, set+1
					return engine.Outcome{Summary: "put back"}, nil
				},
			},
		}})
		d.kind = incident.Undo
		var failure incident.StepFailed
		d.answers = func(q *incident.Question) (string, string) {
			if q.Kind != incident.AskFailed {
				return "", ""
			}
			mu.Lock()
			defer mu.Unlock()
			if set != 0 {
				t.Error("it was overwritten")
			}
			value = 6 // whoever it was takes it back
			return "alice", "retry"
		}
		d.begin(undoing())
		events := d.play(over)
		for _, f := range of[incident.StepFailed](events) {
			failure = f
		}
		if want := "the size of a was changed by somebody else: it is 9, this incident had set 6, and it was 2 before; nothing was overwritten"; failure.Error != want || failure.Unknown || failure.MayHaveHappened || failure.Hint == "" {
			t.Errorf("told as %+v", failure)
		}
		if n := len(of[incident.ChangeIntended](events)); n != 1 || set != 1 || value != 2 {
			t.Errorf("intended %d times, set %d times, to %d in the end", n, set, value)
		}
	})
}

func TestWhatIsTakenBackByAJobIsFollowedUntilItIs(t *testing.T) {
	for _, dies := range []string{"", "ChangeIntended", "JobStarted"} {
		t.Run("dies at "+dies, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var asked time.Time
				sent := 0
				share := func() float64 { return min(time.Since(asked).Seconds()/45, 1) }
				d := newDrama(t, engine.Catalog{"t.set": {
					Action: runbook.Action{Kind: runbook.Change},
					Undo: &engine.Undo{
						Look: func(context.Context, engine.Call, json.RawMessage) (engine.Outcome, bool, error) {
							mu.Lock()
							defer mu.Unlock()
							switch {
							case asked.IsZero():
								return engine.Outcome{Summary: "the other one leads"}, false, nil
							case share() < 1:
								return engine.Outcome{Summary: "being changed", Job: "back"}, true, nil
							}
							return engine.Outcome{Summary: "it leads"}, true, nil
						},
						Do: func(context.Context, engine.Call, json.RawMessage) (engine.Outcome, error) {
							mu.Lock()
							defer mu.Unlock()
							asked, sent = time.Now(), sent+1
							return engine.Outcome{Summary: "asked for", Job: "back"}, nil
						},
					},
					Job: func(context.Context, engine.Call, string) (engine.Progress, error) {
						mu.Lock()
						defer mu.Unlock()
						p := engine.Progress{Done: share() == 1, Share: share()}
						p.Summary = "it leads"
						return p, nil
					},
				}})
				d.kind = incident.Undo
				died := false
				d.cut = func(w incident.Write, after bool) bool {
					if !died && after && w.Events[0].Body.Type() == dies {
						died = true
						return true
					}
					return false
				}
				d.begin(undoing())
				events := d.play(over)
				done := of[incident.StepFinished](events)
				if sent != 1 || len(done) != 1 || done[0].Summary != "it leads" {
					t.Errorf("asked for %d times, ended as %+v", sent, done)
				}
				for _, e := range events {
					if _, ok := e.Body.(incident.StepFinished); ok && e.Time.Sub(asked) < 45*time.Second {
						t.Errorf("said to be done %s after it was asked for", e.Time.Sub(asked))
					}
				}
			})
		})
	}
}

func TestATaskIsRemindedOfWhenItIsDueAndClosedByAFact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStage()
		g.not["verify"] = true
		d := newDrama(t, g.catalog())
		d.answers = func(*incident.Question) (string, string) { return "", "" }
		verify := step("verify", "t.wait", runbook.Wait)
		verify.Timeout, verify.Proves = 72*time.Hour, []incident.Trait{incident.DatabaseWrites}
		d.begin(runbook.Plan{Steps: []runbook.Step{verify}})
		due := time.Now().Add(30 * time.Minute)
		if _, err := d.book.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) {
			return incident.Write{Events: []incident.Event{
				{Time: time.Now(), Actor: "alice", Body: incident.TaskOpened{Task: "writes", Title: "See it write", Owner: "bob", Due: due, Fact: incident.DatabaseWrites}},
				{Time: time.Now(), Actor: "alice", Body: incident.TaskOpened{Task: "report", Title: "Report", Owner: "carol", Due: due.Add(48 * time.Hour)}},
			}}, nil
		}); err != nil {
			t.Fatal(err)
		}
		var reminded incident.Task
		d.play(func(s *incident.State) bool { reminded = *s.Tasks["writes"]; return !reminded.Reminded.IsZero() })
		if reminded.Reminded.Before(due) || reminded.Reminded.After(due.Add(time.Minute)) || !reminded.Open() {
			t.Errorf("reminded at %s, due %s", reminded.Reminded, due)
		}
		g.mu.Lock()
		g.not["verify"] = false
		g.mu.Unlock()
		var s incident.State
		d.play(func(now *incident.State) bool { s = *now; return over(now) })
		if w := s.Tasks["writes"]; w.Open() || w.ClosedBy != incident.Bot || !s.Tasks["report"].Open() {
			t.Errorf("the tasks stand as %+v and %+v", w, s.Tasks["report"])
		}
	})
}

func TestARecordThatWasSetBackStopsTheRunUntilAPersonDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStage()
		d := newDrama(t, g.catalog())
		back := false
		d.answers = func(q *incident.Question) (string, string) {
			switch q.Kind {
			case incident.AskApprove:
				if back {
					return "bob", "approve"
				}
				return "", ""
			default:
				return "alice", "go"
			}
		}
		d.begin(plan())
		var seq uint64
		d.play(func(s *incident.State) bool { seq = s.Seq; return s.OpenQuestion("promote") != nil })
		d.log.SetBack(id, seq-2)
		back = true
		// Everybody who held more says so, and nothing is decided or changed.
		d.answer()
		applied := fmt.Sprint(g.applied)
		d.t = t
		var diverged *incident.HistoryDiverged
		_ = d.book.View(t.Context(), id, func(s *incident.State) { diverged = s.Diverged })
		if diverged == nil || diverged.Common != seq-2 || diverged.Held != seq {
			t.Fatalf("told as %+v", diverged)
		}
		ctx, stop := context.WithCancel(t.Context())
		e := engine.New(engine.Options{Book: incident.NewBook(d.log), Catalog: d.catalog, Clock: incident.RealClock{}, Holder: "another"}, zerolog.Nop())
		var ended sync.WaitGroup
		ended.Go(func() { _ = e.Run(ctx) })
		time.Sleep(10 * time.Minute)
		if got := fmt.Sprint(g.applied); got != applied {
			t.Errorf("changed meanwhile: %s, was %s", got, applied)
		}
		stop()
		ended.Wait()
		if _, err := d.book.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) {
			return incident.Write{Events: []incident.Event{{Time: time.Now(), Actor: "alice", Body: incident.HistoryRepaired{Choice: incident.GoOn, Reason: "compared"}}}}, nil
		}); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		d.play(over)
		if g.applied["promote"] != 1 || g.applied["dns"] != 1 {
			t.Errorf("afterwards: %v", g.applied)
		}
	})
}
