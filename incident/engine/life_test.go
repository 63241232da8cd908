package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// hands are the people, one word at a time, and whoever watches the timeline.
type hands struct {
	t    *testing.T
	ctx  context.Context
	log  *enginetest.Memory
	book *incident.Book
	all  sync.WaitGroup
}

// declared is a fresh incident with that plan. Everything that is started with
// live has ended when the test has.
func declared(t *testing.T, p runbook.Plan) *hands {
	t.Helper()
	h := &hands{t: t, log: enginetest.NewMemory()}
	declare(t, h.log, p)
	h.book = incident.NewBook(h.log)
	var stop context.CancelFunc
	h.ctx, stop = context.WithCancel(t.Context())
	t.Cleanup(func() { stop(); h.all.Wait() })
	return h
}

// live starts a bot; kill ends it at once.
func (h *hands) live(log incident.Log, c engine.Catalog, holder string) (e *engine.Engine, kill func()) {
	e = engine.New(engine.Options{
		Book: incident.NewBook(log), Catalog: c, Clock: incident.RealClock{}, Holder: holder,
	}, zerolog.Nop())
	ctx, stop := context.WithCancel(h.ctx)
	var ended sync.WaitGroup
	run := func() { _ = e.Run(ctx) }
	ended.Go(run)
	h.all.Go(ended.Wait)
	return e, func() { stop(); ended.Wait() }
}

func (h *hands) events() []incident.Event {
	h.t.Helper()
	events, err := h.log.Read(h.ctx, id, 0, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	return events
}

func (h *hands) state() *incident.State { h.t.Helper(); return incident.Fold(h.events()) }

// until waits until it is so.
func (h *hands) until(what string, so func(*incident.State) bool) *incident.State {
	h.t.Helper()
	for range 3600 {
		if s := h.state(); so(s) {
			return s
		}
		time.Sleep(time.Second)
	}
	s := h.state()
	h.t.Fatalf("it never came to this: %s; it is %s, open %v", what, s.Phase(), s.Open)
	return nil
}

func (h *hands) say(who string, bodies ...incident.Body) {
	h.t.Helper()
	_, err := h.book.Decide(h.ctx, id, func(*incident.State) (incident.Write, error) {
		var w incident.Write
		for _, b := range bodies {
			w.Events = append(w.Events, incident.Event{Time: time.Now().UTC(), Actor: who, Body: b})
		}
		return w, nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// question waits for a question of that kind about that step.
func (h *hands) question(kind incident.QuestionKind, step string) incident.Question {
	h.t.Helper()
	var q incident.Question
	h.until(fmt.Sprintf("a question (%s) about %s", kind, step), func(s *incident.State) bool {
		open := s.OpenQuestion(step)
		if open == nil || open.Kind != kind {
			return false
		}
		q = *open
		return true
	})
	return q
}

// answer waits for the question and gives that answer.
func (h *hands) answer(who string, kind incident.QuestionKind, step, choice string, more ...incident.Body) incident.Question {
	h.t.Helper()
	q := h.question(kind, step)
	h.say(who, append([]incident.Body{incident.ApprovalGiven{Question: q.Question, Kind: kind, Step: step, Choice: choice}}, more...)...)
	return q
}

// mitigated waits for the end of the run.
func (h *hands) mitigated() *incident.State {
	h.t.Helper()
	return h.until("mitigated", func(s *incident.State) bool { return !s.MitigatedAt.IsZero() })
}

// bodies are the events of one type, in order.
func bodies[T incident.Body](events []incident.Event) (out []T) {
	for _, e := range events {
		if b, ok := e.Body.(T); ok {
			out = append(out, b)
		}
	}
	return out
}

func (g *stage) times(step string) int { g.mu.Lock(); defer g.mu.Unlock(); return g.applied[step] }

func (g *stage) eachOnce(t *testing.T, steps ...string) {
	t.Helper()
	for _, name := range steps {
		if n := g.times(name); n != 1 {
			t.Errorf("%s was applied %d times, want 1", name, n)
		}
	}
}

// changes are the steps of plan that change the world.
var changes = []string{"scale-a", "scale-b", "promote", "cache", "dns"}

// around does something before each Look or Do of a step.
func around(c engine.Catalog, look, do func(ctx context.Context, step string)) engine.Catalog {
	out := engine.Catalog{}
	for name, a := range c {
		if was := a.Look; was != nil && look != nil {
			a.Look = func(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
				look(ctx, c.Step.ID)
				return was(ctx, c)
			}
		}
		if was := a.Do; was != nil && do != nil {
			a.Do = func(ctx context.Context, c engine.Call) (engine.Outcome, error) {
				do(ctx, c.Step.ID)
				return was(ctx, c)
			}
		}
		out[name] = a
	}
	return out
}

func about(w incident.Write, what incident.Body, step string) bool {
	for _, e := range w.Events {
		switch b := e.Body.(type) {
		case incident.ChangeIntended:
			if b.Step == step && b.Type() == what.Type() {
				return true
			}
		case incident.StepFinished:
			if b.Step == step && b.Type() == what.Type() {
				return true
			}
		}
	}
	return false
}

func TestTheSecondReplicaTakesOverWhenTheFirstIsGone(t *testing.T) {
	// Longer than the lease lasts, so that only the intention's own time keeps
	// the second one from looking.
	const call = 3 * time.Minute
	for _, c := range []struct {
		claim string
		cut   func(w incident.Write, after bool) bool
		sent  int // times the change left the first replica
	}{
		{"the change had not left", func(w incident.Write, after bool) bool { return after && about(w, incident.ChangeIntended{}, "dns") }, 0},
		{"the change had left", func(w incident.Write, after bool) bool { return !after && about(w, incident.StepFinished{}, "dns") }, 1},
	} {
		t.Run(c.claim, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := plan()
				for i := range p.Steps {
					if p.Steps[i].ID == "dns" {
						p.Steps[i].Timeout = 5 * time.Minute
					}
				}
				h, g := declared(t, p), newStage()
				catalog := func(note func(step string)) engine.Catalog {
					did := func(_ context.Context, step string) { note(step) }
					out := around(g.catalog(), did, did)
					for name, a := range out {
						a.CallTimeout = call
						out[name] = a
					}
					return out
				}
				var mu sync.Mutex
				var gone bool
				var second []string
				var looked time.Time
				var died time.Time
				first := &record{Log: h.log, cut: func(w incident.Write, after bool) bool {
					cut := c.cut(w, after)
					if cut && died.IsZero() {
						died = time.Now()
					}
					return cut
				}}
				one, kill := h.live(first, catalog(func(string) {}), "one")
				h.until("the first one holds it", func(*incident.State) bool { return one.Holds(id) })
				two, _ := h.live(h.log, catalog(func(step string) {
					mu.Lock()
					defer mu.Unlock()
					if second = append(second, step); !gone {
						t.Errorf("the second one meddles with %s while the first one is there", step)
					}
					if step == "dns" && looked.IsZero() {
						looked = time.Now()
					}
				}), "two")
				h.answer("alice", incident.AskGo, "go", "go")
				h.answer("bob", incident.AskApprove, "promote", "approve")
				h.until("the first one is dead", func(s *incident.State) bool {
					if two.Holds(id) {
						t.Fatal("two hold it")
					}
					return first.gone()
				})
				mu.Lock()
				gone = true
				mu.Unlock()
				kill()
				if n := g.times("dns"); n != c.sent {
					t.Fatalf("dns was applied %d times by the first one, want %d", n, c.sent)
				}

				s := h.mitigated()
				g.eachOnce(t, changes...)
				taken := bodies[incident.RunTaken](h.events())
				if len(taken) != 2 || taken[1].Holder != "two" || !taken[1].Return || taken[1].Token <= taken[0].Token ||
					!slices.Equal(taken[1].Looking, []string{"dns"}) {
					t.Errorf("taken: %+v", taken)
				}
				for _, e := range h.events() {
					if b, ok := e.Body.(incident.RunTaken); ok && b.Holder == "two" && (e.Time.Sub(died) < 4*time.Second || e.Time.Sub(died) > 10*time.Second) {
						t.Errorf("taken over %s after the death, want within 10 s and not before the lease had run out", e.Time.Sub(died))
					}
				}
				until := bodies[incident.ChangeIntended](h.events())
				i := slices.IndexFunc(until, func(b incident.ChangeIntended) bool { return b.Step == "dns" })
				if looked.Before(until[i].Until) {
					t.Errorf("looked at %s, but the call may last until %s", looked, until[i].Until)
				}
				for _, step := range second {
					if step != "dns" && step != "verify" {
						t.Errorf("the second one began %s anew", step)
					}
				}
				if st := s.Step("dns"); !st.Changed || st.Intended != nil {
					t.Errorf("%+v", st)
				}
				if !two.Holds(id) {
					t.Error("nobody holds it")
				}
			})
		})
	}
}

func TestAPauseHoldsNewStepsAndLetsTheCallInFlightEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := declared(t, plan()), newStage()
		h.live(h.log, around(g.catalog(), nil, func(_ context.Context, step string) {
			if step == "scale-a" || step == "scale-b" {
				time.Sleep(10 * time.Second)
			}
		}), "one")
		h.answer("alice", incident.AskGo, "go", "go")
		h.until("both are in flight", func(s *incident.State) bool {
			return s.Step("scale-a").Intended != nil && s.Step("scale-b").Intended != nil
		})
		h.say("alice", incident.RunPaused{Reason: "wait for the network people"})
		s := h.until("both have ended", func(s *incident.State) bool {
			return s.Step("scale-a").Status == incident.Done && s.Step("scale-b").Status == incident.Done
		})
		if !s.Step("scale-a").Changed || !s.Paused {
			t.Errorf("%+v", s.Step("scale-a"))
		}
		time.Sleep(10 * time.Minute)
		if s := h.state(); len(s.Open) != 0 || s.Step("promote").Status != incident.Pending || s.Phase() != "paused" {
			t.Errorf("while it is paused: %s, open %v, promote is %q", s.Phase(), s.Open, s.Step("promote").Status)
		}
		h.say("alice", incident.RunResumed{})
		h.answer("bob", incident.AskApprove, "promote", "approve")
		h.mitigated()
		g.eachOnce(t, changes...)
	})
}

func TestAnAbortStopsTheRunAndKeepsTheOutcomeOfTheCallInFlight(t *testing.T) {
	for _, c := range []struct {
		claim  string
		answer error
		want   incident.Status
	}{
		{"the call goes well", nil, incident.Done},
		{"the call is refused", &incident.CallError{Err: errors.New("you may not"), NeedsPerson: true}, incident.Failed},
	} {
		t.Run(c.claim, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, g := declared(t, plan()), newStage()
				g.trouble = func(step string, _ int, _ func()) error {
					if step == "scale-a" {
						return c.answer
					}
					return nil
				}
				h.live(h.log, around(g.catalog(), nil, func(ctx context.Context, step string) {
					if step != "scale-a" {
						return
					}
					time.Sleep(10 * time.Second)
					if ctx.Err() != nil {
						t.Errorf("the call in flight was cut short: %v", context.Cause(ctx))
					}
				}), "one")
				h.answer("alice", incident.AskGo, "go", "go")
				h.until("in flight", func(s *incident.State) bool { return s.Step("scale-a").Intended != nil })
				h.say("alice", incident.RunAborted{Reason: "us-east-1 is back"})
				time.Sleep(10 * time.Minute)
				s := h.state()
				if st := s.Step("scale-a"); st.Status != c.want || st.Intended != nil || st.Changed != (c.answer == nil) {
					t.Errorf("how the call ended is not kept: %+v", st)
				}
				if s.Phase() != "aborted" || len(s.Open) != 0 || len(bodies[incident.IncidentMitigated](h.events())) != 0 {
					t.Errorf("%s, open %v", s.Phase(), s.Open)
				}
				for _, name := range []string{"promote", "cache", "dns", "verify"} {
					if st := s.Step(name); st.Status != incident.Pending || g.times(name) != 0 {
						t.Errorf("%s is %q", name, st.Status)
					}
				}
			})
		})
	}
}

func TestAnAbortWithdrawsWhatIsOpenAndEndsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan()
		p.Steps = append(p.Steps, step("watch", "t.wait", runbook.Wait, "go"))
		h, g := declared(t, p), newStage()
		g.not["watch"] = true
		h.live(h.log, g.catalog(), "one")
		h.answer("alice", incident.AskGo, "go", "go")
		q := h.question(incident.AskApprove, "promote")
		h.say("alice", incident.RunAborted{Reason: "no"})
		time.Sleep(time.Minute)
		s := h.state()
		if got := s.Questions[q.Question]; got.Open || got.Answer != "withdrawn" {
			t.Errorf("%+v", got)
		}
		g.mu.Lock()
		looks := g.looks["watch"]
		g.mu.Unlock()
		time.Sleep(10 * time.Minute)
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.looks["watch"] != looks || looks == 0 {
			t.Errorf("looked %d times, and %d times more after the abort", looks, g.looks["watch"]-looks)
		}
		if g.applied["promote"] != 0 {
			t.Error("promoted")
		}
	})
}

func TestASkippedStepLetsTheOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := declared(t, plan()), newStage()
		g.trouble = func(step string, _ int, _ func()) error {
			if step == "scale-a" {
				return &incident.CallError{Err: errors.New("no such node group"), NeedsPerson: true, Hint: "make one"}
			}
			return nil
		}
		h.live(h.log, g.catalog(), "one")
		h.answer("alice", incident.AskGo, "go", "go")
		q := h.question(incident.AskFailed, "scale-a")
		if q.Role != "commander" || q.Locked || !slices.Equal(q.Failed, []string{"scale-a"}) {
			t.Errorf("%+v", q)
		}
		time.Sleep(5 * time.Minute)
		if s := h.state(); s.Step("scale-b").Status != incident.Done || s.Step("promote").Status != incident.Pending || len(s.Open) != 1 {
			t.Errorf("scale-b is %q, promote %q, open %v", s.Step("scale-b").Status, s.Step("promote").Status, s.Open)
		}
		h.answer("alice", incident.AskFailed, "scale-a", "skip", incident.StepSkipped{Step: "scale-a", Reason: "scaled by hand"})
		h.answer("bob", incident.AskApprove, "promote", "approve")
		s := h.mitigated()
		g.eachOnce(t, "scale-b", "promote", "cache", "dns")
		if want := "Users are served from us-west-2. Somebody went on without: scale-a."; s.Mitigated.Summary != want {
			t.Errorf("mitigated: %q, want %q", s.Mitigated.Summary, want)
		}
		if g.times("scale-a") != 0 || s.Step("scale-a").Status != incident.Skipped {
			t.Errorf("%+v", s.Step("scale-a"))
		}
	})
}

func TestADeclinedStepIsAskedForAnewAfterARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := declared(t, plan()), newStage()
		h.live(h.log, g.catalog(), "one")
		h.answer("alice", incident.AskGo, "go", "go")
		first := h.question(incident.AskApprove, "promote")
		h.say("bob", incident.ApprovalDeclined{Question: first.Question, Step: "promote", Reason: "lag is too high"})
		failed := h.question(incident.AskFailed, "promote")
		if !failed.Locked || failed.Role != "commander" {
			t.Errorf("going on without a point of no return is offered: %+v", failed)
		}
		if st := h.state().Step("promote"); st.Failure.Error != "declined: lag is too high" {
			t.Errorf("failed with %q", st.Failure.Error)
		}
		h.answer("alice", incident.AskFailed, "promote", "retry", incident.StepRetried{Step: "promote"})
		second := h.question(incident.AskApprove, "promote")
		if second.Question == first.Question || second.Confirm != "us-west-2" || second.Fingerprint == "" || len(second.Effects) != 2 {
			t.Errorf("asked anew: %+v", second)
		}
		time.Sleep(time.Minute)
		if n := g.times("promote"); n != 0 {
			t.Errorf("promoted %d times without a yes", n)
		}
		h.answer("bob", incident.AskApprove, "promote", "approve")
		h.mitigated()
		g.eachOnce(t, changes...)
	})
}

// outage is a Log that cannot be reached from the n-th append on for a while.
type outage struct {
	incident.Log
	mu      sync.Mutex
	appends int
	at      int
	lost    bool // the append that begins it is written, and the answer lost
	lasts   time.Duration
	until   time.Time
}

var errOut = errors.New("the record cannot be reached")

func (l *outage) out() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.until)
}

func (l *outage) Append(ctx context.Context, w incident.Write) (incident.Written, error) {
	l.mu.Lock()
	l.appends++
	begins := l.appends == l.at
	if begins {
		l.until = time.Now().Add(l.lasts)
	}
	l.mu.Unlock()
	if begins && l.lost {
		if _, err := l.Log.Append(ctx, w); err != nil {
			return incident.Written{}, err
		}
	}
	if l.out() {
		return incident.Written{}, errOut
	}
	return l.Log.Append(ctx, w)
}

func (l *outage) Read(ctx context.Context, id incident.ID, after uint64, limit int) ([]incident.Event, error) {
	if l.out() {
		return nil, errOut
	}
	return l.Log.Read(ctx, id, after, limit)
}

func (l *outage) Wait(ctx context.Context, id incident.ID, after uint64) error {
	if l.out() {
		return errOut
	}
	return l.Log.Wait(ctx, id, after)
}

func (l *outage) Renew(ctx context.Context, id incident.ID, token uint64, now time.Time, ttl time.Duration) error {
	if l.out() {
		return errOut
	}
	return l.Log.Renew(ctx, id, token, now, ttl)
}

func (l *outage) Acquire(ctx context.Context, id incident.ID, b incident.Bid) (uint64, error) {
	if l.out() {
		return 0, errOut
	}
	return l.Log.Acquire(ctx, id, b)
}

func (l *outage) Open(ctx context.Context) ([]incident.ID, error) {
	if l.out() {
		return nil, errOut
	}
	return l.Log.Open(ctx)
}

// endures plays the plan over a record that cannot be reached for a while.
func endures(t *testing.T, log *outage) {
	t.Helper()
	h, g := declared(t, plan()), newStage()
	log.Log = h.log
	h.live(log, g.catalog(), "one")
	h.all.Go(func() { people(h.ctx, t, h.book, nil) })
	h.until("resolved", func(s *incident.State) bool { return !s.ResolvedAt.IsZero() })
	g.eachOnce(t, changes...)
	if got := len(bodies[incident.ApprovalGiven](h.events())); got < 2 {
		t.Errorf("%d answers", got)
	}
}

func TestARecordThatIsOutForAWhileMakesNothingHappenTwice(t *testing.T) {
	var story int
	synctest.Test(t, func(t *testing.T) {
		log := &outage{}
		endures(t, log)
		story = log.appends
	})
	if story < 20 {
		t.Fatalf("a story of %d appends is too short to be true", story)
	}
	lengths := []time.Duration{time.Second, 25 * time.Second, 3 * time.Minute} // the last is longer than the lease
	for at := 1; at <= story; at++ {
		for i, lost := range []bool{false, true} {
			lasts := lengths[(at+i)%len(lengths)]
			synctest.Test(t, func(t *testing.T) {
				endures(t, &outage{at: at, lost: lost, lasts: lasts})
			})
			if t.Failed() {
				t.Fatalf("out for %s from append %d on, written %v", lasts, at, lost)
			}
		}
	}
}

func TestAFailedCheckIsWeighedByWhoeverPressesGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan()
		for i := range p.Steps {
			if p.Steps[i].ID == "go" {
				p.Steps[i].Needs = []string{"gate", "after-gate", "well", "hint"}
			}
		}
		hint := step("hint", "t.check", runbook.Check)
		hint.Gate = runbook.Advice
		p.Steps = append(p.Steps, step("after-gate", "t.check", runbook.Check, "gate"), step("well", "t.check", runbook.Check), hint)
		h, g := declared(t, p), newStage()
		g.not["gate"], g.not["hint"] = true, true
		h.live(h.log, g.catalog(), "one")
		q := h.question(incident.AskGo, "go")
		if !slices.Equal(q.Failed, []string{"gate"}) || q.Role != "commander" {
			t.Errorf("Go names %v as failed, want the gate alone: %+v", q.Failed, q)
		}
		time.Sleep(time.Minute)
		s := h.state()
		if len(s.Open) != 1 || len(bodies[incident.ApprovalAsked](h.events())) != 1 {
			t.Errorf("beside Go there are questions: %v", s.Open)
		}
		if st := s.Step("gate"); st.Status != incident.Failed || st.Failure.Error == "" || st.Failure.Unknown {
			t.Errorf("%+v", st)
		}
		if s.Step("hint").Status != incident.Advised || s.Step("well").Status != incident.Done || s.Step("after-gate").Status != incident.Pending {
			t.Errorf("hint %q, well %q, after-gate %q", s.Step("hint").Status, s.Step("well").Status, s.Step("after-gate").Status)
		}
		if n := g.times("scale-a"); n != 0 {
			t.Errorf("scaled %d times before Go", n)
		}
		h.say("alice",
			incident.ApprovalGiven{Question: q.Question, Kind: incident.AskGo, Step: "go", Choice: "go", Reason: "users are down", Overridden: []string{"gate"}},
			incident.StepSkipped{Step: "gate", Reason: "users are down"},
		)
		h.answer("bob", incident.AskApprove, "promote", "approve")
		s = h.mitigated()
		g.eachOnce(t, changes...)
		if want := "Users are served from us-west-2, verified."; s.Mitigated.Summary != want {
			t.Errorf("mitigated: %q, want %q: what was overridden at Go is said there", s.Mitigated.Summary, want)
		}
	})
}

// closingPlan tells somebody in the end.
func closingPlan() runbook.Plan {
	p := plan()
	last := step("page-resolved", "t.tell", runbook.Tell)
	last.Closing = true
	p.Steps = append(p.Steps, last)
	return p
}

func TestAClosingStepRunsOnceTheIncidentIsResolved(t *testing.T) {
	for _, how := range []string{"mitigated", "aborted before Go", "aborted while it waits for a yes"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, g := declared(t, closingPlan()), newStage()
				h.live(h.log, g.catalog(), "one")
				h.question(incident.AskGo, "go")
				if how != "aborted before Go" {
					h.answer("alice", incident.AskGo, "go", "go")
					h.question(incident.AskApprove, "promote")
				}
				if how == "mitigated" {
					h.answer("bob", incident.AskApprove, "promote", "approve")
					h.mitigated()
				} else {
					h.say("alice", incident.RunAborted{Reason: "it is back"})
				}
				time.Sleep(5 * time.Minute)
				if g.times("page-resolved") != 0 || h.state().Step("page-resolved").Status != incident.Pending {
					t.Error("the page was taken back before the incident was resolved")
				}
				h.say("alice", incident.IncidentResolved{})
				h.until("the closing step has ended", func(s *incident.State) bool {
					return s.Step("page-resolved").Status == incident.Done
				})
				time.Sleep(5 * time.Minute)
				g.eachOnce(t, "page-resolved", "page")
				if how != "mitigated" && g.times("promote") != 0 {
					t.Error("promoted after the abort")
				}
			})
		})
	}
}

func TestAClosingStepIsNotForgottenWhenTheBotWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := declared(t, closingPlan()), newStage()
		_, kill := h.live(h.log, g.catalog(), "one")
		h.question(incident.AskGo, "go")
		kill()
		h.say("alice", incident.RunAborted{Reason: "it is back"}, incident.IncidentResolved{})
		time.Sleep(10 * time.Minute)
		if n := g.times("page-resolved"); n != 0 {
			t.Fatalf("a dead bot took the page back %d times", n)
		}
		h.live(h.log, g.catalog(), "two")
		h.until("the closing step has ended", func(s *incident.State) bool { return s.Step("page-resolved").Status == incident.Done })
		g.eachOnce(t, "page-resolved")
		if s := h.state(); len(s.Open) != 0 {
			t.Errorf("open after the end: %v", s.Open)
		}
	})
}

func TestAClosingStepThatFailsIsShownAndAsksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := declared(t, closingPlan()), newStage()
		tried := 0
		g.trouble = func(step string, _ int, _ func()) error {
			if step != "page-resolved" {
				return nil
			}
			tried++
			return &incident.CallError{Err: errors.New("PagerDuty answered 500"), Retry: true}
		}
		h.live(h.log, g.catalog(), "one")
		h.question(incident.AskGo, "go")
		h.say("alice", incident.RunAborted{Reason: "it is back"}, incident.IncidentResolved{})
		s := h.until("the closing step has ended", func(s *incident.State) bool { return s.Step("page-resolved").Status.Settled() })
		time.Sleep(5 * time.Minute)
		if st := s.Step("page-resolved"); st.Status != incident.Advised || st.Failure.Error != "PagerDuty answered 500" {
			t.Errorf("%+v", st)
		}
		if s := h.state(); len(s.Open) != 0 || tried != 4 {
			t.Errorf("tried %d times, open %v", tried, s.Open)
		}
	})
}
