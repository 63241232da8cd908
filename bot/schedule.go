package bot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

const (
	// assessAfter is how long after the start of a replica it makes an assessment at the
	// earliest: whoever asks something is answered first.
	assessAfter = 30 * time.Second
	// assessAgain is how long it waits before it looks again whether it can make one: the
	// record was away, a run changes things, another replica is at it.
	assessAgain = time.Minute
	// assessLease is how long one may take, and so what a dead replica keeps the others
	// waiting.
	assessLease = 5 * time.Minute
	// assessFresh is how old the newest may be so that a replica that begins makes none:
	// who starts the bot is told what is not so, and many that start at once tell it once.
	assessFresh = 5 * time.Minute
	// assessSkew is by how much the clocks of two replicas may differ.
	assessSkew = time.Minute
)

// schedule makes assessments of the readiness when they are due: by one replica, which
// has the lease of the platform log meanwhile, and not while a run changes things. It
// keeps nothing in memory: when the next one is due, and what was told of the last ones,
// is on the record.
type schedule struct {
	every  time.Duration
	book   *incident.Book
	clock  incident.Clock
	holder string
	gone   func(holder string) bool
	// assess makes one.
	assess func(ctx context.Context) (incident.Assessment, error)
	// tell says in the channel what has changed in what is kept, once however often it is
	// called.
	tell func(ctx context.Context) error
	// failed is told of what went wrong; it is tried again.
	failed func(err error, doing string)
}

func (b *Bot) scheduled() schedule {
	return schedule{
		every: b.CheckEvery, book: b.Book, clock: b.Clock, holder: b.Engine.Holder, gone: gone,
		assess: b.Commands.AssessStandby, tell: b.tellReadiness,
		failed: func(err error, doing string) { b.log.Warn().Err(err).Msg(doing) },
	}
}

// tellReadiness is the face's, once there is one.
func (b *Bot) tellReadiness(ctx context.Context) error {
	if f := b.talks.Load(); f != nil {
		return errors.Join(f.TellReadiness(ctx), f.TellAsked(ctx))
	}
	return errors.New("Slack has not been reached yet")
}

// run returns when ctx ends.
func (s schedule) run(ctx context.Context) error {
	defer s.clock.Busy()()
	untold := true // an earlier process may have died before it could tell
	wait, fresh := assessAfter, min(s.every, assessFresh)
	for {
		if err := s.clock.Sleep(ctx, wait); err != nil {
			return err
		}
		var err error
		if wait, err = s.round(ctx, &fresh, &untold); err != nil && ctx.Err() == nil {
			s.failed(err, "the readiness is not assessed or not told, although that is due; it is tried again")
			wait = assessAgain
		}
	}
}

// round makes an assessment if the newest is not fresh, which all are to be that come
// later for as long as the schedule says; tells what has changed if that was not told; and
// says when to look again.
func (s schedule) round(ctx context.Context, fresh *time.Duration, untold *bool) (wait time.Duration, err error) {
	left, err := s.left(ctx, *fresh)
	if err != nil || left > 0 && !*untold {
		return left, err
	}
	holder, err := s.book.Log().Holder(ctx)
	if err != nil || holder != (incident.Holder{}) {
		return assessAgain, err // what a run changes is not the standby as it stands
	}
	token, err := s.acquire(ctx)
	if errors.Is(err, incident.ErrLeaseHeld) {
		return assessAgain, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() {
		// Whatever came of it, the others need not wait; if it is not given back it runs out.
		if gave := s.book.Log().Release(context.WithoutCancel(ctx), incident.PlatformLog, token); gave != nil {
			s.failed(gave, "the lease of the platform log was not given back; it runs out")
		}
	}()
	ctx, stop := s.clock.WithTimeout(ctx, assessLease-assessSkew, fmt.Errorf("it took longer than %s", assessLease-assessSkew))
	defer stop()
	if left, err = s.left(ctx, *fresh); err != nil {
		return 0, err
	}
	if left == 0 { // otherwise another replica was first
		if err := s.make(ctx, token); err != nil {
			return 0, err
		}
		*untold = true
	}
	*fresh = s.every
	if err := s.tell(ctx); err != nil {
		return 0, fmt.Errorf("tell what has changed in the readiness: %w", err)
	}
	*untold = false
	return s.left(ctx, s.every)
}

// make makes an assessment and keeps it.
func (s schedule) make(ctx context.Context, token uint64) error {
	made, err := s.assess(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx) // what was not found out says nothing
	}
	if err != nil {
		return fmt.Errorf("assess the readiness: %w", err)
	}
	var wanted []incident.Wanted
	for _, f := range made.Findings {
		if f.Asks != nil {
			wanted = append(wanted, *f.Asks)
		}
	}
	made.AssessmentMade = made.Brief()
	if err := s.book.KeepAssessment(ctx, made, nil, token); err != nil {
		return fmt.Errorf("keep the assessment: %w", err)
	}
	if err := s.book.AskFor(ctx, wanted, s.clock.Now(), token); err != nil {
		return fmt.Errorf("ask people for what the assessment lacks: %w", err)
	}
	return nil
}

// left is how long it is until the newest assessment is so old; 0: it is, or there is none.
func (s schedule) left(ctx context.Context, old time.Duration) (time.Duration, error) {
	var last *incident.Assessment
	if err := s.book.View(ctx, incident.PlatformLog, func(st *incident.State) { last = st.Platform.Newest(incident.WhySchedule) }); err != nil {
		return 0, err
	}
	if last == nil {
		return 0, nil
	}
	return max(0, min(old, last.At.Add(old).Sub(s.clock.Now()))), nil
}

// acquire takes the lease of the platform log. That of a replica that is gone, or that
// has run out by any clock, is taken over.
func (s schedule) acquire(ctx context.Context) (token uint64, err error) {
	bid := incident.Bid{Holder: s.holder, Now: s.clock.Now(), TTL: assessLease}
	token, err = s.book.Log().Acquire(ctx, incident.PlatformLog, bid)
	held, isHeld := errors.AsType[*incident.LeaseHeldError](err)
	if !isHeld {
		return token, err
	}
	if s.clock.Now().Before(held.Lease.Until.Add(assessSkew)) && !s.gone(held.Lease.Holder) {
		return 0, err
	}
	bid.Over, bid.Above = held.Lease, held.Lease.Token
	return s.book.Log().Acquire(ctx, incident.PlatformLog, bid)
}
