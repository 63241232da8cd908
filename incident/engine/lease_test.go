package engine_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
)

// skewed is the machine's clock, ahead by so much.
type skewed struct {
	incident.RealClock
	by time.Duration
}

func (c skewed) Now() time.Time { return c.RealClock.Now().Add(c.by) }

// deaf is a Log whose lease cannot be renewed for a while.
type deaf struct {
	incident.Log
	from, to time.Time
}

func (l deaf) Renew(ctx context.Context, id incident.ID, token uint64, now time.Time, ttl time.Duration) error {
	if at := time.Now(); at.After(l.from) && at.Before(l.to) {
		return errOut
	}
	return l.Log.Renew(ctx, id, token, now, ttl)
}

func (h *hands) replica(log incident.Log, g *stage, clock incident.Clock, holder string, change func(*engine.Options)) (*engine.Engine, func()) {
	o := engine.Options{Book: incident.NewBook(log), Catalog: g.catalog(), Clock: clock, Holder: holder}
	if change != nil {
		change(&o)
	}
	e := engine.New(o, zerolog.Nop())
	ctx, stop := context.WithCancel(h.ctx)
	ended := make(chan struct{})
	h.all.Go(func() { defer close(ended); _ = e.Run(ctx) })
	return e, func() { stop(); <-ended }
}

// A lease that is renewed is not taken over by a replica whose clock is ahead, nor by
// one whose clock is behind.
func TestAClockThatDiffersTakesNoLeaseThatIsKept(t *testing.T) {
	for _, by := range []time.Duration{-time.Hour, -20 * time.Second, 7 * time.Second, 20 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			h, g := declared(t, plan()), newStage()
			one, _ := h.replica(h.log, g, incident.RealClock{}, "one", nil)
			h.until("the first one holds it", func(*incident.State) bool { return one.Holds(id) })
			two, _ := h.replica(h.log, g, skewed{by: by}, "two", nil)
			time.Sleep(2 * time.Minute)
			if !one.Holds(id) || two.Holds(id) {
				t.Errorf("ahead by %s the other one has taken it", by)
			}
			if n := len(bodies[incident.RunTaken](h.events())); n != 1 {
				t.Errorf("taken %d times", n)
			}
		})
	}
}

// Whoever is asked meanwhile can say since when nobody is heard of, and when that ends.
func TestAReplicaKnowsWhenItTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := declared(t, plan()), newStage()
		cut := &record{Log: h.log, cut: func(incident.Write, bool) bool { return false }}
		one, kill := h.live(cut, g.catalog(), "one")
		h.until("the first one holds it", func(*incident.State) bool { return one.Holds(id) })
		two, _ := h.replica(h.log, g, incident.RealClock{}, "two", nil)
		time.Sleep(20 * time.Second)
		if w, ok := two.Awaits(id); !ok || w.Holder != "one" || time.Since(w.Heard) > 3*time.Second {
			t.Errorf("awaits %+v, %t", w, ok)
		}
		cut.die()
		kill()
		died := time.Now()
		time.Sleep(5 * time.Second)
		w, ok := two.Awaits(id)
		if silent := time.Since(w.Heard); !ok || silent < 4*time.Second || silent > 8*time.Second || w.At.Before(time.Now()) || w.At.Sub(died) > 9*time.Second {
			t.Errorf("5 s after the death it awaits %+v, silent for %s", w, silent)
		}
		h.until("it has taken over", func(*incident.State) bool { return two.Holds(id) })
		if took := time.Since(died); took > 11*time.Second { // the look of this test is a second apart
			t.Errorf("taken over after %s", took)
		}
		if _, ok := two.Awaits(id); ok {
			t.Error("it awaits itself")
		}
	})
}

// With proof that the former process has ended nobody waits.
func TestAProcessThatIsGoneIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := declared(t, plan()), newStage()
		cut := &record{Log: h.log, cut: func(incident.Write, bool) bool { return false }}
		one, kill := h.live(cut, g.catalog(), "one")
		h.until("the first one holds it", func(*incident.State) bool { return one.Holds(id) })
		cut.die()
		kill()
		died := time.Now()
		two, _ := h.replica(h.log, g, incident.RealClock{}, "two", func(o *engine.Options) { o.Gone = func(holder string) bool { return holder == "one" } })
		h.until("it has taken over", func(*incident.State) bool { return two.Holds(id) })
		if took := time.Since(died); took > 2*time.Second {
			t.Errorf("taken over after %s", took)
		}
	})
}

// A holder that cannot renew its lease in time begins nothing new before it can, and
// says so once, and once that the record is back.
func TestAHolderThatCannotRenewBeginsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := declared(t, plan()), newStage()
		begun := time.Now()
		log := deaf{Log: h.log, from: begun.Add(10 * time.Second), to: begun.Add(50 * time.Second)}
		type word struct{ at, since time.Duration }
		var mu sync.Mutex
		var said []word
		h.replica(log, g, incident.RealClock{}, "one", func(o *engine.Options) {
			o.Away = func(_ incident.ID, since time.Time) {
				w := word{at: time.Since(begun)}
				if !since.IsZero() {
					w.since = since.Sub(begun)
				}
				mu.Lock()
				defer mu.Unlock()
				said = append(said, w)
			}
		})
		h.question(incident.AskGo, "go")
		time.Sleep(time.Until(begun.Add(25 * time.Second)))
		h.answer("alice", incident.AskGo, "go", "go")
		time.Sleep(time.Until(begun.Add(49 * time.Second)))
		for _, e := range h.events() {
			if b, ok := e.Body.(incident.StepStarted); ok && e.Time.Sub(begun) > 18*time.Second {
				t.Errorf("%s began %s after the start, without a lease", b.Step, e.Time.Sub(begun))
			}
		}
		h.until("it goes on", func(s *incident.State) bool { return s.Step("scale-a").Status == incident.Done })
		mu.Lock()
		defer mu.Unlock()
		if len(said) != 2 || said[0].since == 0 || said[0].at-said[0].since > 8*time.Second || said[1].since != 0 || said[1].at < 50*time.Second {
			t.Errorf("said: %+v", said)
		}
	})
}

// A wait has one deadline, however many processes of the bot carry it out.
func TestAWaitsDeadlineDoesNotBeginAnewInEachLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := declared(t, plan()), newStage()
		g.not = map[string]bool{"verify": true}
		began := time.Time{}
		for life := range 4 {
			cut := &record{Log: h.log, cut: func(incident.Write, bool) bool { return false }}
			_, kill := h.live(cut, g.catalog(), string(rune('a'+life)))
			if life == 0 {
				h.answer("alice", incident.AskGo, "go", "go")
				h.answer("bob", incident.AskApprove, "promote", "approve")
			}
			h.until("it waits", func(s *incident.State) bool { began = s.Step("verify").Started; return !began.IsZero() })
			time.Sleep(15 * time.Second)
			if life < 3 {
				cut.die()
				kill()
			}
		}
		s := h.until("its time is up", func(s *incident.State) bool { return s.Step("verify").Status == incident.Failed })
		if took := s.Step("verify").Ended.Sub(began); took > time.Minute+10*time.Second {
			t.Errorf("it took %s, of a minute that it had", took)
		}
	})
}
