package engine_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// guardedChange is a run of one change that stands under an approval, and its world.
type guardedChange struct {
	*drama
	mu        sync.Mutex
	looks     int
	sent      int
	bound     string
	busyUntil int   // looks that find something of somebody else's under way
	refuse    error // what the first call is answered with
	approvals int
	delay     time.Duration // before a step that stopped is retried
}

func newGuardedChange(t *testing.T) *guardedChange {
	g := &guardedChange{bound: "lag below 1 s"}
	catalog := newStage().catalog()
	catalog["t.switch"] = engine.Action{
		Action: runbook.Action{Kind: runbook.Change, NoReturn: true},
		Look: func(context.Context, engine.Call) (engine.Outcome, bool, error) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.looks++
			return engine.Outcome{Summary: "it is not there", Busy: g.looks <= g.busyUntil}, false, nil
		},
		Do: func(context.Context, engine.Call) (engine.Outcome, error) {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.sent++; g.sent == 1 && g.refuse != nil {
				return engine.Outcome{}, g.refuse
			}
			return engine.Outcome{Summary: "asked for"}, nil
		},
		Effect: func(context.Context, engine.Call) (incident.Effect, error) {
			g.mu.Lock()
			defer g.mu.Unlock()
			return incident.Effect{What: "switch", Bound: g.bound}, nil
		},
	}
	g.drama = newDrama(t, catalog)
	g.answers = func(q *incident.Question) (string, string) {
		switch q.Kind {
		case incident.AskApprove:
			g.approvals++
			return "bob", "approve"
		case incident.AskFailed:
			time.Sleep(g.delay)
			return "alice", "retry"
		default:
			return "alice", "go"
		}
	}
	move := step("switch", "t.switch", runbook.Change)
	move.Timeout = 2 * time.Minute
	move.NoReturn, move.Approval = true, &runbook.Approval{By: "approver", Expires: 10 * time.Minute}
	g.begin(runbook.Plan{Steps: []runbook.Step{move}})
	return g
}

func TestACallThatWasSurelyRefusedIsRetriedUnderTheApprovalGiven(t *testing.T) {
	denied := &incident.CallError{Err: errors.New("denied"), NeedsPerson: true, Definite: true}
	lost := &incident.CallError{Err: errors.New("no answer"), Unknown: true}
	for name, c := range map[string]struct {
		answer    error
		meanwhile func(g *guardedChange)
		delay     time.Duration
		approvals int
	}{
		"it means the same":         {answer: denied, approvals: 1},
		"it means something else":   {answer: denied, meanwhile: func(g *guardedChange) { g.bound = "lag 5 s to 30 s" }, approvals: 2},
		"it is too old":             {answer: denied, delay: 11 * time.Minute, approvals: 2},
		"it may have happened":      {answer: lost, approvals: 2},
		"nobody sorted the refusal": {answer: errors.New("what is this"), approvals: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuardedChange(t)
				g.refuse, g.delay = c.answer, c.delay
				answers := g.answers
				g.answers = func(q *incident.Question) (string, string) {
					if q.Kind == incident.AskFailed && c.meanwhile != nil {
						g.mu.Lock()
						c.meanwhile(g)
						g.mu.Unlock()
					}
					return answers(q)
				}
				events := g.play(over)
				if g.sent != 2 || g.approvals != c.approvals {
					t.Errorf("sent %d times under %d approvals, want 2 under %d", g.sent, g.approvals, c.approvals)
				}
				for _, f := range of[incident.StepFailed](events) {
					if f.Refused != errors.Is(c.answer, denied) {
						t.Errorf("written down as %+v", f)
					}
				}
			})
		})
	}
}

func TestWhatSomebodyElseBeganIsWaitedForAndThenAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuardedChange(t)
		g.busyUntil = 6
		events := g.play(over)
		if g.sent != 1 || g.looks != 7 || g.approvals != 1 {
			t.Errorf("%d looks, sent %d times under %d approvals", g.looks, g.sent, g.approvals)
		}
		if f := of[incident.StepFailed](events); len(f) > 0 {
			t.Errorf("it stopped: %+v", f)
		}
	})
}

func TestWhatSomebodyElseBeganIsNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuardedChange(t)
		g.busyUntil = 30 // longer than the step may take
		events := g.play(over)
		failed := of[incident.StepFailed](events)
		if len(failed) != 1 || failed[0].Error != "not to be asked for within 2m0s: it is not there" || failed[0].Hint == "" || g.sent != 1 {
			t.Errorf("sent %d times, stopped as %+v", g.sent, failed)
		}
	})
}

// What was just accepted may not be visible yet where one look is answered.
func TestOneLookThatSaysItWillNotComeIsNotBelieved(t *testing.T) {
	for name, c := range map[string]struct {
		says    []bool // gone, look for look
		stopped bool
	}{
		"once":          {[]bool{true, false, true, false}, false},
		"twice in turn": {[]bool{false, true, true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				looks := 0
				catalog := newStage().catalog()
				catalog["t.gone"] = engine.Action{
					Action: runbook.Action{Kind: runbook.Wait},
					Look: func(context.Context, engine.Call) (engine.Outcome, bool, error) {
						if looks++; looks > len(c.says) {
							return engine.Outcome{Summary: "so"}, true, nil
						}
						return engine.Outcome{Summary: "not so", Gone: c.says[looks-1]}, false, nil
					},
				}
				d := newDrama(t, catalog)
				d.answers = func(*incident.Question) (string, string) { return "alice", "retry" }
				d.begin(runbook.Plan{Steps: []runbook.Step{step("gone", "t.gone", runbook.Wait)}})
				if n := len(of[incident.StepFailed](d.play(over))); (n > 0) != c.stopped {
					t.Errorf("it stopped %d times", n)
				}
			})
		})
	}
}
