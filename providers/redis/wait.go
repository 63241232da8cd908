package redis

import (
	"context"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/failoverbot/failoverbot/incident"
)

// block is how long one blocking read lasts. It bounds how long a feed outlives
// the last one who waits, not how soon anybody wakes.
const block = time.Second

var errDisconnected = errors.New("the connection to Redis has been closed")

// feed is what this process knows about the top of one timeline, and who waits
// for more. Appends of this process wake its waiters themselves, at once and
// without a round trip. For those of other replicas a goroutine reads the stream,
// blocking, on a connection of its own, for as long as anybody waits.
type feed struct {
	top     uint64 // highest seq seen
	waiters map[*waiter]struct{}
	running bool
	from    uint64 // where the running read began
}

type waiter struct {
	after uint64
	woken chan struct{}
}

// Wait returns as soon as there is an event after seq; see incident.Log. While
// Redis is down it waits on, and returns when Redis is back.
func (l *Log) Wait(ctx context.Context, id incident.ID, after uint64) error {
	w := &waiter{after: after, woken: make(chan struct{})}
	l.mu.Lock()
	f := l.feed(id)
	if f.top > after {
		l.mu.Unlock()
		return nil
	}
	if l.ended.Err() != nil {
		l.mu.Unlock()
		return errDisconnected
	}
	f.waiters[w] = struct{}{}
	look := f.running && f.from > after // its read would not see what is between
	if !f.running {
		f.running, f.from = true, after
		l.feeding.Go(func() { l.run(id, f) })
	}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(f.waiters, w)
		l.mu.Unlock()
	}()
	if look {
		if seq, err := l.next(ctx, l.client, id, after, -1); err == nil && seq > after {
			l.note(id, seq)
			return nil
		}
	}
	select {
	case <-w.woken:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.ended.Done():
		return errDisconnected
	}
}

// run reads what comes until nobody waits.
func (l *Log) run(id incident.ID, f *feed) {
	defer l.clock.Busy()()
	failed := false
	for {
		l.mu.Lock()
		if len(f.waiters) == 0 || l.ended.Err() != nil {
			f.running = false
			l.mu.Unlock()
			return
		}
		first := true
		for w := range f.waiters {
			if first || w.after < f.from {
				f.from, first = w.after, false
			}
		}
		from := f.from
		l.mu.Unlock()

		resume := l.clock.Idle()
		seq, err := l.next(l.ended, l.feeder, id, from, block)
		resume()
		switch {
		case l.ended.Err() != nil:
		case err != nil:
			if !failed {
				l.log.Warn().Err(err).Str("incident", string(id)).Msg("cannot follow the timeline; trying again until Redis is back")
			}
			failed = true
			if err := l.clock.Sleep(l.ended, block/4); err != nil {
				continue
			}
		case failed:
			// Whoever waits should read again: another server may have taken over,
			// with other events.
			failed = false
			l.wakeAll(id)
		default:
			l.note(id, seq)
		}
	}
}

// next is the seq of an event after from, 0 if none came while it blocked.
func (l *Log) next(ctx context.Context, c goredis.UniversalClient, id incident.ID, from uint64, block time.Duration) (uint64, error) {
	streams, err := c.XRead(ctx, &goredis.XReadArgs{
		Streams: []string{l.key(id, "log"), entryID(from)},
		Count:   1,
		Block:   block,
	}).Result()
	if errors.Is(err, goredis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var seq uint64
	for _, s := range streams {
		for _, m := range s.Messages {
			n, err := seqOf(m.ID)
			if err != nil {
				return 0, err
			}
			seq = max(seq, n)
		}
	}
	return seq, nil
}

// feed of an incident, made when it is new. The caller holds mu.
func (l *Log) feed(id incident.ID) *feed {
	f := l.feeds[id]
	if f == nil {
		f = &feed{waiters: map[*waiter]struct{}{}}
		l.feeds[id] = f
	}
	return f
}

// note that the timeline has got this far, and wake whoever waited for it.
func (l *Log) note(id incident.ID, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.feed(id)
	f.top = max(f.top, seq)
	for w := range f.waiters {
		if seq > w.after {
			delete(f.waiters, w)
			close(w.woken)
		}
	}
}

func (l *Log) wakeAll(id incident.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.feed(id)
	for w := range f.waiters {
		delete(f.waiters, w)
		close(w.woken)
	}
}

// known is the highest seq that this process has seen.
func (l *Log) known(id incident.ID) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.feeds[id]; f != nil {
		return f.top
	}
	return 0
}

// shrunk corrects what is known after a read came to the end of the timeline at
// last, although it was known before that read to reach further: Redis has lost
// events that it had acknowledged. Otherwise Wait would promise them for ever.
func (l *Log) shrunk(id incident.ID, known, last uint64) {
	if last >= known {
		return
	}
	l.mu.Lock()
	if f := l.feed(id); f.top == known {
		f.top = last
	}
	l.mu.Unlock()
	l.log.Error().Str("incident", string(id)).Uint64("acknowledged", known).Uint64("found", last).
		Msg("Redis has lost events that it had acknowledged")
}
