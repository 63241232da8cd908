package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

const (
	// leaseTTL is how long a lease lasts, and so what a dead holder keeps others
	// waiting. It need not cover a call: what covers that is ChangeIntended.Until.
	leaseTTL = 8 * time.Second
	// renewEvery is how often a holder renews it: three in a row may be late.
	renewEvery = 2 * time.Second
	// bidEvery is how often another replica looks at a lease that it may take over.
	bidEvery = time.Second
	// watched is how long another's lease has to be seen unchanged at least before it
	// is taken over, whatever the clocks say: longer than a holder leaves between two
	// renewals.
	watched = 3 * time.Second
	// away is for how long the record has to be out of reach before that is said.
	away = 5 * time.Second
	// skewed is what difference of two clocks is taken for one, and not for the time
	// between two looks.
	skewed = 2 * time.Second
)

// Takeover is how another replica's run stands, as seen from here.
type Takeover struct {
	// Holder is the replica whose lease it is.
	Holder string
	// Heard is when it was last heard of, At when this replica takes over if it is not
	// heard of again.
	Heard, At time.Time
}

// watch is what a replica has seen of another's lease.
type watch struct {
	lease incident.Lease
	// heard is when it was last heard of, since from when on it was seen unchanged,
	// by this replica's clock; zero when nothing was seen since the record was away.
	heard, since time.Time
	// ahead is by how much this replica's clock is before the holder's, at most; known
	// once it was seen renewed.
	ahead   time.Duration
	renewed bool
}

// saw takes into account how the lease is now.
func (w *watch) saw(l incident.Lease, now time.Time) {
	written := l.Until.Add(-leaseTTL)
	switch {
	case w.lease == l && !w.since.IsZero():
		return
	case w.lease == l: // the record was away: it may be renewed any moment
		w.since = now
		return
	case w.lease.Token == l.Token && !w.since.IsZero():
		if ahead := now.Sub(written); !w.renewed || ahead < w.ahead {
			w.ahead, w.renewed = ahead, true
		}
		w.heard = now
	default:
		w.renewed, w.heard = false, now
		if written.Before(now) {
			w.heard = written
		}
	}
	w.lease, w.since = l, now
}

// due is when the lease may be taken over if it stays as it is: once it has run out
// by the clocks and was watched for long enough to have been renewed meanwhile, or
// was watched for as long as it lasts.
func (w *watch) due() time.Time {
	due := w.since.Add(watched)
	if w.lease.Until.After(due) {
		due = w.lease.Until
	}
	if most := w.since.Add(leaseTTL); due.After(most) {
		due = most
	}
	return due
}

// behind is how much later than by this replica's clock the former holder's calls
// end.
func (w *watch) behind() time.Duration {
	if w.renewed && w.ahead > skewed {
		return w.ahead
	}
	return 0
}

// acquire takes the lease as soon as nobody else keeps it.
func (r *run) acquire(ctx context.Context) error {
	var seen watch
	defer r.standBy(nil)
	for {
		now := r.Clock.Now()
		bid := incident.Bid{Holder: r.Holder, Now: now, TTL: leaseTTL, Above: r.newest}
		if seen.lease.Token != 0 && !seen.since.IsZero() && (!now.Before(seen.due()) || r.gone(seen.lease.Holder)) {
			bid.Over = seen.lease
		}
		token, err := r.Book.Log().Acquire(ctx, r.id, bid)
		held, isHeld := errors.AsType[*incident.LeaseHeldError](err)
		wait := bidEvery
		switch {
		case err == nil:
			r.token, r.newest, r.behind = token, token, seen.behind()
			r.lease.granted(now)
			if r.behind > 0 {
				r.log.Warn().Dur("ahead", r.behind).Msg("the clock of this machine is ahead of the former holder's: what that one had asked for is looked at later by as much")
			}
			return nil
		case isHeld:
			r.newest = max(r.newest, held.Lease.Token)
			seen.saw(held.Lease, now)
			r.standBy(&Takeover{Holder: held.Lease.Holder, Heard: seen.heard, At: seen.due()})
			if r.gone(held.Lease.Holder) {
				continue // its process has ended, and with it everything that it could send
			}
			wait = min(wait, max(seen.due().Sub(now), time.Millisecond))
		default:
			seen.since = time.Time{}
			r.log.Warn().Err(err).Msg("lease not taken; trying again")
		}
		if err := r.Clock.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// gone says that the process of that name has surely ended.
func (r *run) gone(holder string) bool { return r.Gone != nil && r.Gone(holder) }

// standBy says how the run of another replica stands; nil when none is waited for.
func (r *run) standBy(t *Takeover) { r.other.Store(t) }

// Awaits says that another replica carries that run out, as far as this one can see,
// and when this one takes over should it stay silent.
func (e *Engine) Awaits(id incident.ID) (Takeover, bool) {
	e.mu.Lock()
	r := e.runs[id]
	e.mu.Unlock()
	if r == nil {
		return Takeover{}, false
	}
	t := r.other.Load()
	if t == nil {
		return Takeover{}, false
	}
	return *t, true
}

// tenure is a lease that this replica has got.
type tenure struct {
	mu sync.Mutex
	// kept is when the last renewal that succeeded was asked for.
	kept time.Time
	away bool
}

func (t *tenure) granted(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.After(t.kept) {
		t.kept = at
	}
}

func (t *tenure) since() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept
}

// renew prolongs the lease. One that is no longer ours ends the run.
func (r *run) renew(ctx context.Context) error {
	now := r.Clock.Now()
	err := r.Book.Log().Renew(ctx, r.id, r.token, now, leaseTTL)
	switch {
	case err == nil:
		r.lease.granted(now)
		r.hears()
	case errors.Is(err, incident.ErrFenced):
		r.holds.Store(false)
		r.hears()
	case ctx.Err() == nil:
		r.hearsNothing()
	}
	return err
}

// keepLease renews the lease until it is lost.
func (r *run) keepLease(ctx context.Context, lost context.CancelCauseFunc) {
	for r.Clock.Sleep(ctx, renewEvery) == nil {
		err := r.renew(ctx)
		if errors.Is(err, incident.ErrFenced) {
			lost(err)
			return
		}
		if err != nil && ctx.Err() == nil {
			r.log.Warn().Err(err).Msg("lease not renewed; trying again")
		}
	}
}

// keepsOn returns once this replica surely had the lease a moment ago: whoever was
// frozen, or cut off from the record, begins nothing new before.
func (r *run) keepsOn(ctx context.Context) error {
	for r.Clock.Now().Round(0).Sub(r.lease.since().Round(0)) >= leaseTTL {
		err := r.renew(ctx)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, incident.ErrFenced), ctx.Err() != nil:
			return err
		}
		r.log.Warn().Err(err).Msg("lease not renewed, so nothing new begins; trying again")
		if err := r.Clock.Sleep(ctx, again); err != nil {
			return err
		}
	}
	return nil
}

// hearsNothing notes that the record did not answer, and says so once that has lasted.
func (r *run) hearsNothing() {
	t := &r.lease
	t.mu.Lock()
	since := t.kept
	says := !t.away && r.Clock.Now().Sub(since) >= away
	t.away = t.away || says
	t.mu.Unlock()
	if says && r.Away != nil {
		r.Away(r.id, since)
	}
}

// hears notes that the record answered.
func (r *run) hears() {
	t := &r.lease
	t.mu.Lock()
	says := t.away
	t.away = false
	t.mu.Unlock()
	if says && r.Away != nil {
		r.Away(r.id, time.Time{})
	}
}
