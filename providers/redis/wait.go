package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
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
// blocking, on a connection of its own, for as long as anybody waits. It reads the
// bell beside it: a timeline that was set back and went on has no event above what
// was seen, and its waiters have to wake all the same.
type feed struct {
	top     incident.Position // highest seen; the digest may be unknown
	waiters map[*waiter]struct{}
	running bool
	from    uint64 // where the running read began
	bell    string // id of the last ring seen
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
	if f.top.Seq > after {
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
		f.running, f.from, f.bell = true, after, ""
		l.feeding.Go(func() { l.run(id, f) })
	}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(f.waiters, w)
		l.mu.Unlock()
	}()
	if look {
		if at, err := l.next(ctx, l.client, id, after, "", -1); err == nil && at.top.Seq > after {
			l.note(id, at.top)
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
		from, bell := f.from, f.bell
		l.mu.Unlock()

		resume := l.clock.Idle()
		news, err := l.listen(id, from, bell)
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
			l.note(id, news.top)
			l.rang(id, f, news, from)
		}
	}
}

// listen is next for as long as a read may block. When nothing came in that time
// it looks whether the timeline still reaches as far as it did.
func (l *Log) listen(id incident.ID, from uint64, bell string) (news, error) {
	if bell == "" {
		last, err := l.feeder.XRevRangeN(l.ended, l.shared("bell"), "+", "-", 1).Result()
		if err != nil {
			return news{}, err
		}
		bell = "0-0"
		if len(last) == 1 {
			bell = last[0].ID
		}
		n, err := l.next(l.ended, l.feeder, id, from, "", -1) // what came before that ring
		if n.bell = bell; err != nil || n.top.Seq > 0 {
			return n, err
		}
	}
	n, err := l.next(l.ended, l.feeder, id, from, bell, block)
	if err != nil || n.top.Seq > 0 || n.bell != "" {
		return n, err
	}
	known := l.known(id)
	var top uint64
	last, err := l.feeder.XRevRangeN(l.ended, l.key(id, "log"), "+", "-", 1).Result()
	if err == nil && len(last) == 1 {
		top, err = seqOf(last[0].ID)
	}
	if err == nil && top < known {
		l.wakeAll(id)
	}
	n.bell = bell
	return n, err
}

// news is what one blocking read brought.
type news struct {
	top incident.Position // of the timeline; zero if nothing came
	// bell is the last ring seen, "" if there was none, and rang the append of this
	// timeline that it told of.
	bell string
	rang incident.Position
}

// next is an event after from, or a ring of the bell after that one.
func (l *Log) next(ctx context.Context, c goredis.UniversalClient, id incident.ID, from uint64, bell string, block time.Duration) (news, error) {
	log := l.key(id, "log")
	streams := []string{log, entryID(from)}
	if bell != "" {
		streams = []string{log, l.shared("bell"), entryID(from), bell}
	}
	got, err := c.XRead(ctx, &goredis.XReadArgs{Streams: streams, Count: 100, Block: block}).Result()
	if errors.Is(err, goredis.Nil) {
		return news{}, nil
	}
	if err != nil {
		return news{}, err
	}
	var n news
	for _, s := range got {
		for _, m := range s.Messages {
			if s.Stream != log {
				n.bell = m.ID
				if seq, err := strconv.ParseUint(fmt.Sprint(m.Values["seq"]), 10, 64); err == nil && m.Values["log"] == log {
					n.rang = incident.Position{Seq: seq, Digest: incident.Digest(fmt.Sprint(m.Values["d"]))}
				}
				continue
			}
			seq, err := seqOf(m.ID)
			if err != nil {
				return news{}, err
			}
			d, _ := m.Values["d"].(string)
			n.top = incident.Position{Seq: seq, Digest: incident.Digest(d)}
		}
	}
	return n, nil
}

// rang wakes whoever waits when an append was told of that is not above what was
// seen, and is not what was seen.
func (l *Log) rang(id incident.ID, f *feed, n news, from uint64) {
	if n.bell == "" {
		return
	}
	l.mu.Lock()
	f.bell = n.bell
	known := n.rang.Seq == 0 || n.rang == f.top || n.rang.Seq > from && n.rang.Seq <= f.top.Seq
	l.mu.Unlock()
	if !known {
		l.wakeAll(id)
	}
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
func (l *Log) note(id incident.ID, at incident.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.feed(id)
	if at.Seq > f.top.Seq || at.Seq == f.top.Seq && at.Digest != "" {
		f.top = at
	}
	for w := range f.waiters {
		if at.Seq > w.after {
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
		return f.top.Seq
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
	if f := l.feed(id); f.top.Seq == known {
		f.top = incident.Position{Seq: last}
	}
	l.mu.Unlock()
	l.log.Error().Str("incident", string(id)).Uint64("acknowledged", known).Uint64("found", last).
		Msg("Redis has lost events that it had acknowledged")
}
