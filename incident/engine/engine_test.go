package engine_test

import (
	"context"
	"encoding/json"
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

// A bubble of synctest begins in 2000.
const id = incident.ID("INC-2000-0001")

// stage is a world of named switches: a change turns its own on.
type stage struct {
	mu      sync.Mutex
	on      map[string]bool
	applied map[string]int
	looks   map[string]int
	// trouble is asked before each Do; it may apply the change all the same.
	trouble func(step string, try int, apply func()) error
	// blind makes Look fail.
	blind func(step string) error
	// not names checks that say no, until cleared.
	not   map[string]bool
	bound string
}

func newStage() *stage {
	return &stage{
		on: map[string]bool{}, applied: map[string]int{}, looks: map[string]int{},
		not: map[string]bool{}, bound: "us-west-2, lag below 1 s",
	}
}

func (g *stage) catalog() engine.Catalog {
	look := func(_ context.Context, c engine.Call) (engine.Outcome, bool, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.looks[c.Step.ID]++
		if g.blind != nil {
			if err := g.blind(c.Step.ID); err != nil {
				return engine.Outcome{}, false, err
			}
		}
		if c.Step.Kind != runbook.Change {
			return engine.Outcome{Summary: c.Step.ID + " was looked at"}, !g.not[c.Step.ID], nil
		}
		return engine.Outcome{Summary: c.Step.ID + " is there", Before: "off"}, g.on[c.Step.ID], nil
	}
	do := func(ctx context.Context, c engine.Call) (engine.Outcome, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		apply := func() {
			g.on[c.Step.ID] = true
			g.applied[c.Step.ID]++
		}
		if g.trouble != nil {
			if err := g.trouble(c.Step.ID, c.Attempt, apply); err != nil {
				return engine.Outcome{}, err
			}
		}
		apply()
		return engine.Outcome{Summary: c.Step.ID + " done"}, nil
	}
	effect := func(_ context.Context, c engine.Call) (incident.Effect, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		return incident.Effect{What: "turn on " + c.Step.ID, Bound: g.bound}, nil
	}
	return engine.Catalog{
		"t.check":  {Action: runbook.Action{Kind: runbook.Check}, Look: look},
		"t.wait":   {Action: runbook.Action{Kind: runbook.Wait}, Look: look},
		"t.change": {Action: runbook.Action{Kind: runbook.Change}, Look: look, Do: do},
		"t.final":  {Action: runbook.Action{Kind: runbook.Change, NoReturn: true}, Look: look, Do: do, Effect: effect},
		"t.tell":   {Action: runbook.Action{Kind: runbook.Tell}, Do: do},
	}
}

func step(id, uses string, kind runbook.Kind, needs ...string) runbook.Step {
	return runbook.Step{
		ID: id, Title: id, Uses: uses, Kind: kind, Needs: needs,
		Gate: runbook.Required, Timeout: time.Minute, NoReturn: uses == "t.final",
	}
}

// plan is a small failover: a gate, Go, two changes at once, a point of no
// return that covers a second one, a wait.
func plan() runbook.Plan {
	final := step("promote", "t.final", runbook.Change, "scale-a", "scale-b")
	final.Approval = &runbook.Approval{By: "approver", Confirm: "region", Expires: 15 * time.Minute, Covers: []string{"cache"}}
	cache := step("cache", "t.final", runbook.Change, "promote")
	cache.CoveredBy = "promote"
	return runbook.Plan{
		Mode: "unplanned", Digest: "7f3a9c000000",
		Target: runbook.Region{Name: "us-west-2"},
		Steps: []runbook.Step{
			step("page", "t.tell", runbook.Tell),
			step("gate", "t.check", runbook.Check),
			step("go", "person.go", runbook.Go, "gate"),
			step("scale-a", "t.change", runbook.Change, "go"),
			step("scale-b", "t.change", runbook.Change, "go"),
			final,
			cache,
			step("dns", "t.change", runbook.Change, "cache"),
			step("verify", "t.wait", runbook.Wait, "dns"),
		},
	}
}

// record is a Log that can be cut: a dead process writes nothing more.
type record struct {
	incident.Log
	mu   sync.Mutex
	dead bool
	// cut is asked before and after each append and may end the process.
	cut func(w incident.Write, after bool) bool
}

var errDead = errors.New("this process is dead")

func (l *record) die() { l.mu.Lock(); l.dead = true; l.mu.Unlock() }

func (l *record) gone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

func (l *record) Append(ctx context.Context, w incident.Write) (incident.Written, error) {
	if l.gone() || (l.cut != nil && l.cut(w, false)) {
		l.die()
		return incident.Written{}, errDead
	}
	done, err := l.Log.Append(ctx, w)
	if l.cut != nil && l.cut(w, true) {
		l.die()
	}
	if l.gone() {
		return incident.Written{}, errDead
	}
	return done, err
}

func (l *record) Renew(ctx context.Context, id incident.ID, token uint64, now time.Time, ttl time.Duration) error {
	if l.gone() {
		return errDead
	}
	return l.Log.Renew(ctx, id, token, now, ttl)
}

func (l *record) Release(ctx context.Context, id incident.ID, token uint64) error {
	if l.gone() {
		return errDead
	}
	return l.Log.Release(ctx, id, token)
}

func declare(t *testing.T, log incident.Log, p runbook.Plan) {
	t.Helper()
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	_, err = log.Append(t.Context(), incident.Write{Incident: id, Request: "declare", Events: []incident.Event{
		{Seq: 1, Time: time.Now().UTC(), Actor: "alice", Body: incident.IncidentDeclared{Incident: id}},
		{Seq: 2, Time: time.Now().UTC(), Actor: "alice", Run: "failover-1", Body: incident.RunBegun{
			Kind: incident.Failover, Target: "us-west-2", Mode: "unplanned", Digest: p.Digest, Plan: raw,
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// people answer every question after a moment, and resolve. Before they answer one,
// asked is told of it.
func people(ctx context.Context, t *testing.T, book *incident.Book, asked func(incident.ApprovalAsked)) {
	at := func(who string, b ...incident.Body) incident.Write {
		w := incident.Write{}
		for _, body := range b {
			w.Events = append(w.Events, incident.Event{Time: time.Now().UTC(), Actor: who, Body: body})
		}
		return w
	}
	for ctx.Err() == nil {
		time.Sleep(5 * time.Second)
		id := current(ctx, t, book)
		var next incident.ApprovalAsked
		err := book.View(ctx, id, func(s *incident.State) {
			if len(s.Open) > 0 {
				next = s.Questions[s.Open[0]].ApprovalAsked
			}
		})
		if err != nil && ctx.Err() == nil {
			t.Errorf("look: %v", err)
		}
		if next.Question != "" && asked != nil {
			asked(next)
		}
		_, err = book.Decide(ctx, id, func(s *incident.State) (incident.Write, error) {
			if !s.MitigatedAt.IsZero() && s.ResolvedAt.IsZero() {
				return at("alice", incident.IncidentResolved{}), nil
			}
			if len(s.Open) == 0 || s.Open[0] != next.Question {
				return incident.Write{}, nil
			}
			q := s.Questions[s.Open[0]]
			switch q.Kind {
			case incident.AskGo:
				return at("alice", incident.ApprovalGiven{Question: q.Question, Kind: q.Kind, Step: q.Step, Choice: "go"}), nil
			case incident.AskApprove:
				return at("bob", incident.ApprovalGiven{Question: q.Question, Kind: q.Kind, Step: q.Step, Choice: "approve"}), nil
			case incident.AskFailed:
				return at("alice",
					incident.ApprovalGiven{Question: q.Question, Kind: q.Kind, Step: q.Step, Choice: "retry"},
					incident.StepRetried{Step: q.Step}), nil
			case incident.AskPerson: // no plan here has one
			}
			return incident.Write{}, nil
		})
		if err != nil && ctx.Err() == nil {
			t.Errorf("answer: %v", err)
		}
	}
}

func current(ctx context.Context, t *testing.T, book *incident.Book) incident.ID {
	t.Helper()
	open, err := book.Log().Open(ctx)
	if err != nil && ctx.Err() == nil {
		t.Error(err)
	}
	if len(open) == 0 {
		return ""
	}
	return open[0]
}

// play runs the engine, restarting it when its record dies, until the incident
// is resolved.
func play(t *testing.T, g *stage, p runbook.Plan, cut func(w incident.Write, after bool) bool, asked func(incident.ApprovalAsked)) *incident.State {
	t.Helper()
	memory := enginetest.NewMemory()
	declare(t, memory, p)
	book := incident.NewBook(memory)
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer func() { stop(); all.Wait() }()
	all.Go(func() { people(ctx, t, book, asked) })

	for life := 1; ; life++ {
		if life > 20 {
			t.Fatal("twenty lives were not enough")
		}
		log := &record{Log: memory, cut: cut}
		e := engine.New(engine.Options{
			Book: incident.NewBook(log), Catalog: g.catalog(),
			Clock: incident.RealClock{}, Holder: fmt.Sprintf("life-%d", life),
		}, zerolog.Nop())
		living, kill := context.WithCancel(ctx)
		var ended sync.WaitGroup
		ended.Go(func() { _ = e.Run(living) })
		var s *incident.State
		for range 4000 {
			time.Sleep(time.Second)
			events, err := memory.Read(ctx, id, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			s = incident.Fold(events)
			if log.gone() || !s.ResolvedAt.IsZero() {
				break
			}
		}
		kill()
		ended.Wait()
		if !s.ResolvedAt.IsZero() {
			stop()
			return s
		}
		if !log.gone() {
			t.Fatalf("the run stands still: %s, open %v, steps %+v", s.Phase(), s.Open, s.Steps)
		}
	}
}

func TestARunCarriesOutThePlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStage()
		var kinds []incident.QuestionKind
		s := play(t, g, plan(), nil, func(q incident.ApprovalAsked) { kinds = append(kinds, q.Kind) })
		for _, name := range []string{"scale-a", "scale-b", "promote", "cache", "dns"} {
			if g.applied[name] != 1 {
				t.Errorf("%s was applied %d times", name, g.applied[name])
			}
		}
		if want := []incident.QuestionKind{incident.AskGo, incident.AskApprove}; !slices.Equal(kinds, want) {
			t.Errorf("asked %v, want %v: one approval covers both", kinds, want)
		}
		if s.Step("promote").ApprovedBy != "bob" {
			t.Errorf("approved by %q", s.Step("promote").ApprovedBy)
		}
	})
}

func TestAChangeThatIsThereIsNotDoneAndNotAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStage()
		g.on["promote"], g.on["cache"], g.on["dns"] = true, true, true
		var kinds []incident.QuestionKind
		s := play(t, g, plan(), nil, func(q incident.ApprovalAsked) { kinds = append(kinds, q.Kind) })
		if g.applied["promote"]+g.applied["cache"]+g.applied["dns"] != 0 {
			t.Errorf("applied %v", g.applied)
		}
		if len(kinds) != 1 {
			t.Errorf("asked %v, want only Go", kinds)
		}
		if !s.Step("dns").Finished.Already {
			t.Error("dns should be finished as already there")
		}
	})
}

func TestALostAnswerIsLookedAt(t *testing.T) {
	lost := &incident.CallError{Err: errors.New("the answer got lost"), Unknown: true}
	for _, applies := range []bool{true, false} {
		for _, name := range []string{"dns", "promote"} {
			t.Run(fmt.Sprintf("%s, applied %v", name, applies), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := newStage()
					g.trouble = func(step string, try int, apply func()) error {
						if step != name || g.applied[name] > 0 || try > 1 {
							return nil
						}
						if applies {
							apply()
						}
						return lost
					}
					asks := 0
					play(t, g, plan(), nil, func(q incident.ApprovalAsked) {
						if q.Kind == incident.AskApprove {
							asks++
						}
					})
					if g.applied[name] != 1 {
						t.Errorf("applied %d times", g.applied[name])
					}
					want := 1
					if name == "promote" && !applies {
						want = 2
					}
					if asks != want {
						t.Errorf("asked %d times, want %d", asks, want)
					}
				})
			})
		}
	}
}

func TestAChangedEffectVoidsTheApproval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStage()
		asks := 0
		play(t, g, plan(), nil, func(q incident.ApprovalAsked) {
			if q.Kind != incident.AskApprove {
				return
			}
			// The second one is asked by whichever of the steps that it covers looks first.
			if asks++; asks == 1 {
				g.mu.Lock()
				g.bound = "us-west-2, lag above 5 s"
				g.mu.Unlock()
			} else if q.Again == "" {
				t.Error("asked again without saying why")
			}
		})
		if asks != 2 || g.applied["promote"] != 1 {
			t.Errorf("asked %d times, applied %d times", asks, g.applied["promote"])
		}
	})
}

func TestAQuestionThatRunsOutIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan()
		for i := range p.Steps {
			if p.Steps[i].Approval != nil {
				p.Steps[i].Approval.Expires = time.Second // sooner than anybody answers
			}
		}
		g := newStage()
		memory := enginetest.NewMemory()
		declare(t, memory, p)
		book := incident.NewBook(memory)
		ctx, stop := context.WithCancel(t.Context())
		e := engine.New(engine.Options{Book: book, Catalog: g.catalog(), Clock: incident.RealClock{}, Holder: "one"}, zerolog.Nop())
		var all sync.WaitGroup
		all.Go(func() { _ = e.Run(ctx) })
		all.Go(func() { people(ctx, t, book, nil) })
		time.Sleep(90 * time.Second)
		var expired int
		if err := book.View(ctx, id, func(s *incident.State) { expired = s.Expiries["promote"] }); err != nil {
			t.Error(err)
		}
		if expired < 2 {
			t.Errorf("ran out %d times, want at least 2", expired)
		}
		stop()
		all.Wait()
	})
}

// The story of one run is its appends. The process dies before and after each.
func TestDyingAtAnyAppendAppliesEachChangeOnce(t *testing.T) {
	var story int
	synctest.Test(t, func(t *testing.T) {
		play(t, newStage(), plan(), func(w incident.Write, after bool) bool {
			story++
			return false
		}, nil)
	})
	if story < 40 {
		t.Fatalf("a story of %d moments is too short to be true", story)
	}
	for cut := range story {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			g, moment := newStage(), 0
			play(t, g, plan(), func(w incident.Write, after bool) bool {
				mu.Lock()
				defer mu.Unlock()
				moment++
				return moment == cut+1
			}, nil)
			for _, name := range []string{"scale-a", "scale-b", "promote", "cache", "dns"} {
				if g.applied[name] != 1 {
					t.Errorf("died at moment %d: %s applied %d times", cut, name, g.applied[name])
				}
			}
		})
	}
}
