package slack

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// Outages is since when the record cannot be reached, as the replica that carries an
// incident's run out has found. It is safe for concurrent use.
type Outages struct {
	mu    sync.Mutex
	since map[incident.ID]time.Time
	wake  map[incident.ID]func()
}

// NewOutages is a record that answers.
func NewOutages() *Outages {
	return &Outages{since: map[incident.ID]time.Time{}, wake: map[incident.ID]func(){}}
}

// Set says that the record cannot be reached since then; the zero time that it can.
func (o *Outages) Set(id incident.ID, since time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if since.IsZero() {
		delete(o.since, id)
	} else {
		o.since[id] = since
	}
	if wake := o.wake[id]; wake != nil {
		wake()
	}
}

func (o *Outages) of(id incident.ID) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.since[id]
}

// watch has wake called with each Set; stop ends that.
func (o *Outages) watch(id incident.ID, wake func()) (stop func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wake[id] = wake
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.wake, id)
	}
}

// Keys of what is said about the record being away: the one that it is carries since
// when, and the other one names that one.
const (
	keyAway    = "away/"
	keyReached = "reached/"
)

// outage says in the channel that the record cannot be reached, and marks the card as
// what was known then. It needs nothing of the record. Only who has followed the
// incident until now says so.
func (f *follower) outage(ctx context.Context, since time.Time) error {
	var notice, card message
	key := keyAway + strconv.FormatInt(since.Unix(), 10)
	over := false
	f.b.opt.Book.Known(f.id, func(s *incident.State) {
		v := f.b.viewOf(s)
		v.away = since
		over = !s.ResolvedAt.IsZero()
		notice = f.b.noticeMessage(v, key, "notice", "away", map[string]any{
			"Incident": line(f.id.Name()), "Since": clockTime(since),
		})
		card = f.b.cardMessage(v)
	})
	if over {
		return nil // nothing of it waits for the record
	}
	for _, j := range []post{{key: key, m: notice}, {key: keyCard, m: card}} {
		if f.posted[j.key] != "" && (j.key != keyCard || f.stale.Equal(since)) {
			continue
		}
		// What was posted and cannot be kept is kept when the record is back.
		if err := f.say(ctx, j); err != nil && f.unlogged[j.key].ts == "" {
			return err
		}
		f.learn(j.key, time.Time{})
	}
	f.stale, f.dirty = since, true
	return nil
}

// back says that the record can be reached again, if it was said that it cannot.
func (f *follower) back(ctx context.Context) error {
	for at, since := range f.aways {
		key := keyReached + at
		var m message
		now := f.b.clock.Now()
		f.b.opt.Book.Known(f.id, func(s *incident.State) {
			m = f.b.noticeMessage(f.b.viewOf(s), key, "notice", "reached", map[string]any{
				"Incident": line(f.id.Name()), "Since": clockTime(since), "Now": clockTime(now), "For": short(now.Sub(since)),
			})
		})
		if err := f.say(ctx, post{key: key, m: m}); err != nil {
			return err
		}
		delete(f.aways, at)
	}
	f.stale = time.Time{}
	return nil
}

// learnAway takes into account what was said about the record.
func (f *follower) learnAway(key string) {
	if at, ok := strings.CutPrefix(key, keyReached); ok {
		delete(f.aways, at)
		f.answered[at] = true
	}
	if at, ok := strings.CutPrefix(key, keyAway); ok && !f.answered[at] {
		if sec, err := strconv.ParseInt(at, 10, 64); err == nil {
			f.aways[at] = time.Unix(sec, 0).UTC()
		}
	}
}
