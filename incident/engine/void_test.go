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

// refusing is a Log that refuses the first append of a question, once.
type refusing struct {
	incident.Log
	once   sync.Once
	refuse func() error
}

func (l *refusing) Append(ctx context.Context, w incident.Write) (incident.Written, error) {
	var err error
	for _, e := range w.Events {
		if b, ok := e.Body.(incident.ApprovalAsked); ok && b.Kind == incident.AskFailed {
			l.once.Do(func() { err = l.refuse() })
		}
	}
	if err != nil {
		return incident.Written{}, err
	}
	return l.Log.Append(ctx, w)
}

// The append that asks about one step is refused while another one is to start.
func TestAStepIsStartedAlthoughTheAppendBesideItWasRefused(t *testing.T) {
	for name, moved := range map[string]bool{"somebody was first": true, "the record was out": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, g := declared(t, plan()), newStage()
				h.say(incident.Bot,
					incident.StepFinished{Step: "page", Action: "t.tell", Attempt: 1},
					incident.StepFinished{Step: "gate", Action: "t.check", Attempt: 1},
					incident.ApprovalAsked{Question: "q5", Kind: incident.AskGo, Step: "go"})
				h.say("alice", incident.ApprovalGiven{Question: "q5", Kind: incident.AskGo, Step: "go", Choice: "go"})
				h.say(incident.Bot,
					incident.StepFinished{Step: "go", Attempt: 1},
					incident.StepStarted{Step: "scale-a", Action: "t.change", Attempt: 1},
					incident.StepStarted{Step: "scale-b", Action: "t.change", Attempt: 1},
					incident.StepFailed{Step: "scale-a", Action: "t.change", Attempt: 1, Error: "no"})
				log := &refusing{Log: h.log, refuse: func() error {
					if !moved {
						return &incident.CallError{Err: errors.New("the record is out"), Retry: true, Unknown: true}
					}
					h.say("bob", incident.NoteAdded{Text: "meanwhile"})
					return incident.ErrMoved
				}}
				h.live(log, g.catalog(), "two")
				h.answer("alice", incident.AskFailed, "scale-a", "retry", incident.StepRetried{Step: "scale-a"})
				h.answer("bob", incident.AskApprove, "promote", "approve")
				h.mitigated()
				g.eachOnce(t, changes...)
			})
		})
	}
}

// What was approved changes, people are asked anew, and it changes back: the
// first yes must not count again.
func TestAVoidedApprovalStaysVoid(t *testing.T) {
	for _, how := range []string{"declined", "expired"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, g := declared(t, plan()), newStage()
				h.live(h.log, g.catalog(), "one")
				h.answer("alice", incident.AskGo, "go", "go")
				first := h.question(incident.AskApprove, "promote")
				was := g.bound
				g.mu.Lock()
				g.bound = "us-west-2, lag above 5 s"
				g.mu.Unlock()
				h.say("bob", incident.ApprovalGiven{Question: first.Question, Kind: incident.AskApprove, Step: "promote", Choice: "approve"})
				s := h.until("asked anew", func(s *incident.State) bool {
					q := s.OpenQuestion("promote")
					return q != nil && q.Question != first.Question
				})
				second := s.OpenQuestion("promote").Question
				g.mu.Lock()
				g.bound = was
				g.mu.Unlock()
				if how == "declined" {
					h.say("bob", incident.ApprovalDeclined{Question: second, Step: "promote", Reason: "not now"})
					h.answer("alice", incident.AskFailed, "promote", "retry", incident.StepRetried{Step: "promote"})
				}
				time.Sleep(65 * time.Minute) // not when a question is about to run out: it lasts 15
				if n := g.times("promote"); n != 0 {
					t.Fatalf("promoted %d times on a yes that was void", n)
				}
				h.answer("bob", incident.AskApprove, "promote", "approve")
				h.mitigated()
				g.eachOnce(t, changes...)
			})
		})
	}
}

// Whoever asks for a step again has asked for it: an earlier yes, perhaps their
// own, does not carry the new attempt.
func TestARetryNeedsANewApproval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := declared(t, plan()), newStage()
		blind := false
		g.blind = func(step string) error {
			if step == "promote" && blind {
				return errors.New("nobody can tell")
			}
			return nil
		}
		h.live(h.log, g.catalog(), "one")
		h.answer("alice", incident.AskGo, "go", "go")
		h.question(incident.AskApprove, "promote")
		g.mu.Lock()
		blind = true
		g.mu.Unlock()
		h.answer("bob", incident.AskApprove, "promote", "approve")
		h.question(incident.AskFailed, "promote")
		g.mu.Lock()
		blind = false
		g.mu.Unlock()
		h.answer("bob", incident.AskFailed, "promote", "retry", incident.StepRetried{Step: "promote"})
		time.Sleep(time.Minute)
		if n := g.times("promote"); n != 0 {
			t.Fatalf("promoted %d times by somebody who asked for it", n)
		}
		if s := h.state(); !s.Requested("bob", "promote") {
			t.Error("whoever retried has asked for it")
		}
		h.answer("carol", incident.AskApprove, "promote", "approve")
		h.mitigated()
		g.eachOnce(t, changes...)
	})
}
