package engine_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

func TestAPauseBeforeTheCallHoldsItBackAndAsksNothingOfTheMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := declared(t, plan()), newStage()
		log := &reading{Log: h.log, most: 20_000}
		var paused sync.Once
		_, kill := h.live(log, around(g.catalog(), func(_ context.Context, step string) {
			if step == "dns" { // it has begun, and is not yet intended
				paused.Do(func() { h.say("alice", incident.RunPaused{}) })
			}
		}, nil), "one")
		log.enough = func() { go kill() }
		h.answer("alice", incident.AskGo, "go", "go")
		h.answer("bob", incident.AskApprove, "promote", "approve")
		h.until("paused", func(s *incident.State) bool { return s.Paused || log.spun() })
		before := len(h.events())
		time.Sleep(10 * time.Minute)
		if log.spun() {
			t.Fatalf("it read the record %d times while it was paused", log.most)
		}
		if n := g.times("dns"); n != 0 {
			t.Errorf("dns was applied %d times during the pause", n)
		}
		if n := len(h.events()); n != before {
			t.Errorf("%d events during the pause", n-before)
		}
		h.say("alice", incident.RunResumed{})
		h.mitigated()
		g.eachOnce(t, changes...)
	})
}

// reading is a Log that counts how often it is read, and calls enough when that
// is too often.
type reading struct {
	incident.Log
	mu     sync.Mutex
	n      int
	most   int
	enough func()
}

func (l *reading) spun() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.n >= l.most }

func (l *reading) Read(ctx context.Context, id incident.ID, after uint64, limit int) ([]incident.Event, error) {
	l.mu.Lock()
	l.n++
	if l.n == l.most {
		l.enough()
	}
	l.mu.Unlock()
	return l.Log.Read(ctx, id, after, limit)
}

func TestAPauseBetweenTwoTriesHoldsTheSecondOneBack(t *testing.T) {
	for claim, fault := range map[string]*incident.CallError{
		"throttled": {Err: errors.New("too many calls"), Retry: true},
		"no answer": {Err: errors.New("the answer got lost"), Unknown: true},
	} {
		t.Run(claim, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, g := declared(t, plan()), newStage()
				log := &reading{Log: h.log, most: 20_000}
				tried := 0
				g.trouble = func(step string, _ int, _ func()) error {
					if step != "dns" {
						return nil
					}
					if tried++; tried > 1 {
						return nil
					}
					h.say("alice", incident.RunPaused{})
					return fault
				}
				_, kill := h.live(log, g.catalog(), "one")
				log.enough = func() { go kill() }
				h.answer("alice", incident.AskGo, "go", "go")
				h.answer("bob", incident.AskApprove, "promote", "approve")
				h.until("paused", func(s *incident.State) bool { return s.Paused || log.spun() })
				time.Sleep(10 * time.Minute)
				if log.spun() {
					t.Fatalf("it read the record %d times while it was paused", log.most)
				}
				if s := h.state(); tried != 1 || s.Step("dns").Status == incident.Failed || len(s.Open) != 0 {
					t.Errorf("during the pause: tried %d times, dns is %q (%s), open %v", tried, s.Step("dns").Status, s.Step("dns").Failure.Error, s.Open)
				}
				h.say("alice", incident.RunResumed{})
				h.mitigated()
				g.eachOnce(t, changes...)
			})
		})
	}
}

func TestAnAbortKeepsThatTheCallInFlightWasRefusedForNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := declared(t, plan()), newStage()
		g.trouble = func(step string, _ int, _ func()) error {
			if step == "scale-a" {
				return &incident.CallError{Err: errors.New("too many calls"), Retry: true}
			}
			return nil
		}
		h.live(h.log, around(g.catalog(), nil, func(_ context.Context, step string) {
			if step == "scale-a" {
				time.Sleep(10 * time.Second)
			}
		}), "one")
		h.answer("alice", incident.AskGo, "go", "go")
		h.until("in flight", func(s *incident.State) bool { return s.Step("scale-a").Intended != nil })
		h.say("alice", incident.RunAborted{Reason: "us-east-1 is back"})
		time.Sleep(10 * time.Minute)
		for _, st := range h.state().Changed() {
			if st.ID == "scale-a" {
				t.Errorf("scale-a was refused, and is kept as one whose change may have happened: %+v", st)
			}
		}
	})
}
