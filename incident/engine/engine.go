// Package engine carries out a plan, durably: write it down, then do it, and
// look before doing.
//
// One replica holds the lease of an incident and runs its steps; which one does
// not matter, because everything it knows is on the timeline. Steps whose needs
// are settled run at once. Before a change leaves, ChangeIntended is on the
// timeline; a process that dies after that leaves a change that may have
// happened, and the next holder waits until the call has surely ended, looks,
// and goes on if the change is there. If it is not there, or nobody can tell,
// a change that can be taken back is sent again, and a point of no return is put
// to a person again.
//
//	pending -> [asked, approved] -> StepStarted -> Look -> there: StepFinished
//	                                                 |
//	                                                 v not there
//	                                          ChangeIntended -> Do -> StepFinished
//	                                                 ^            |
//	             the process dies, the answer is lost, ...: Look  +-> StepFailed -> a person
//
// # The lease, and what it does not have to do
//
// The lease is short (8 s, renewed every 2 s), so that another replica goes on soon,
// and advisory: AWS knows no fencing token. It need not cover a call. What covers a
// call is its intention: ChangeIntended.Until is on the timeline before the call
// leaves, the call is bounded by it, and whoever holds the lease by then does not look
// before it has passed. What covers the timeline is the token: an append of a holder
// that was replaced is refused. Case by case:
//
//   - The holder dies before the intention is there: nothing has left. The step begins
//     again. It dies after: the call is over by Until, and then it is looked for.
//   - It is frozen before the append of the intention and thaws after the takeover: the
//     append is refused, and nothing leaves.
//   - It is frozen between that append and Do, and thaws after Until: do renews (which
//     fails if it was replaced) and then looks at what is left until Until, by both
//     of the machine's clocks, for one of them stands still while a machine is suspended.
//     Less than half of the call's time: nothing leaves.
//   - It is frozen after that look, in Do: the call is bounded by Until, and its context
//     ends as the process thaws. What no process can rule out is to be frozen between
//     its last look at the clock and the system call that sends; the one instant for
//     which changes are made so that twice is the same as once.
//   - A renewal is slow: a lease counts from when the renewal was asked for, so the
//     holder takes it to be shorter than it is. Once it is over by the holder's own clock
//     nothing new begins before a renewal has succeeded (keepsOn).
//   - The record is away for longer than the lease, and both replicas live: neither can
//     write. When it is back the other one begins to watch anew, and for 3 s; the
//     holder renews within 2.
//   - The clocks of two hosts differ: a lease that is seen renewed is never taken over,
//     whatever the clocks say, and one that is not renewed for 8 s of watching is, so no
//     clock is compared with another's. Until is; so a replica that has seen the former
//     holder renew knows by how much its own clock is ahead, and waits for that much
//     longer. One that was started only after the holder had died has seen nothing, and
//     relies on clocks that are kept synchronised.
//   - Two bots run on one host, or one is started again there: its lease is taken at
//     once only with proof that the former process has ended (Options.Gone).
//   - The record has lost its count of tokens: a new token is above all that the bidder
//     knows of, and an append counts only with the very newest.
//
// When the record cannot be reached nothing new starts; what is under way is
// finished and written down as soon as the record is back.
package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
)

const (
	// longestCall is the most that a call of what changes something may last, whatever
	// its action says.
	longestCall = 30 * time.Second
	// lookout is how often other replicas' incidents are looked for.
	lookout = 3 * time.Second
	// again is how long to wait before the record is tried again.
	again = 2 * time.Second

	// outcomeTime is how long leaving a run may take to write down how a call ended.
	outcomeTime = 10 * time.Second

	defaultCall  = 15 * time.Second
	defaultEvery = 5 * time.Second
	// tries of a change that surely did not happen or can be repeated, before a
	// person is asked.
	tries = 4
)

// Options are what an Engine needs.
type Options struct {
	Book    *incident.Book
	Catalog Catalog
	Clock   incident.Clock
	// Holder names this process among all replicas; unique for each start.
	Holder string
	// Gone says that the process of that Holder has surely ended, so that nobody needs
	// to wait for its lease. Nil: that is never known.
	Gone func(holder string) bool
	// Reviews ask those who grant rights, by the system: what a dry run tells of rights.
	// Nil: they are said to be unknown.
	Reviews map[string]Review
	// Away is told when the record has been out of reach for some seconds while this
	// replica carries an incident's run out, and since when; and with the zero time when
	// it answers again. It must not block. Nil: nobody is.
	Away func(id incident.ID, since time.Time)
}

// Engine carries out the runs of one replica.
type Engine struct {
	Options
	log   zerolog.Logger
	nudge chan struct{}

	mu   sync.Mutex
	runs map[incident.ID]*run
}

// New makes an Engine; Run starts it.
func New(o Options, log zerolog.Logger) *Engine {
	return &Engine{
		Options: o,
		log:     log,
		nudge:   make(chan struct{}, 1),
		runs:    map[incident.ID]*run{},
	}
}

// Adopt makes the engine look for a new incident at once instead of at its next
// round.
func (e *Engine) Adopt(incident.ID) {
	select {
	case e.nudge <- struct{}{}:
	default:
	}
}

// Holds says whether this replica carries that run out, or carried it to its end
// and no other incident has begun.
func (e *Engine) Holds(id incident.ID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.runs[id]
	return r != nil && r.holds.Load()
}

// Run takes up the open incidents, whoever declared them, and every later one,
// until ctx ends. It returns when all it started has ended.
func (e *Engine) Run(ctx context.Context) error {
	defer e.Clock.Busy()()
	var all sync.WaitGroup
	defer func() {
		resume := e.Clock.Idle()
		all.Wait()
		resume()
	}()
	for {
		open, err := e.Book.Open(ctx)
		switch {
		case err != nil:
			e.log.Warn().Err(err).Msg("the record cannot be read; trying again")
		case len(open) > 0:
			for _, id := range open {
				e.take(ctx, id, &all)
			}
			e.retire(open)
		default:
			e.takeLast(ctx, &all)
		}
		if err := e.pause(ctx); err != nil {
			return err
		}
	}
}

// takeLast takes up the newest incident although it is closed: something may have
// been left to tell when it was resolved.
func (e *Engine) takeLast(ctx context.Context, all *sync.WaitGroup) {
	ids, err := e.Book.Log().Incidents(ctx, 1)
	if err != nil {
		e.log.Warn().Err(err).Msg("the incidents cannot be listed; trying again")
		return
	}
	if len(ids) > 0 {
		e.take(ctx, ids[len(ids)-1], all)
		e.retire(ids[len(ids)-1:])
	}
}

// retire lets go of all other incidents: they are closed, and whoever had their
// last word has said it.
func (e *Engine) retire(others []incident.ID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, r := range e.runs {
		if !slices.Contains(others, id) {
			r.retire()
		}
	}
}

// pause waits for the next round or a nudge.
func (e *Engine) pause(ctx context.Context) error {
	round, stop := e.Clock.WithTimeout(ctx, lookout, errRound)
	defer stop()
	resume := e.Clock.Idle()
	defer resume()
	select {
	case <-e.nudge:
	case <-round.Done():
	}
	return context.Cause(ctx)
}

var errRound = errors.New("the round is over")

func (e *Engine) take(ctx context.Context, id incident.ID, all *sync.WaitGroup) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.runs[id] != nil {
		return
	}
	r := newRun(e, id)
	e.runs[id] = r
	done := e.Clock.Busy()
	all.Go(func() {
		defer done()
		err := r.carryOut(ctx)
		r.holds.Store(false)
		if err == nil {
			return // over; the entry stays, so it is not taken up again
		}
		if ctx.Err() == nil {
			r.log.Warn().Err(err).Msg("run given up; it is taken up again")
		}
		e.mu.Lock()
		delete(e.runs, id)
		e.mu.Unlock()
	})
}
