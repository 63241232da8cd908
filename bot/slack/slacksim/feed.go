package slacksim

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// News is one thing that people see happening.
type News struct {
	Seq  int    `json:"seq"`
	Time string `json:"time"`
	// Type is post, update, delete, ephemeral, ephemeral_update,
	// ephemeral_delete, file, view (opened or changed), view_closed, home,
	// channel (new, or its name, topic, purpose, members or bookmarks changed, or it
	// was archived), group (new or changed), presence (of a person), away or
	// connections.
	Type        string   `json:"type"`
	For         string   `json:"for,omitempty"` // empty: everybody
	Message     *Message `json:"message,omitempty"`
	View        *view    `json:"view,omitempty"`
	ViewID      string   `json:"view_id,omitempty"`
	File        *File    `json:"file,omitempty"`
	Connections int      `json:"connections,omitempty"`
	Channel     *Channel `json:"channel,omitempty"`
	Group       *Group   `json:"group,omitempty"`
	Person      *Person  `json:"person,omitempty"`
	Away        bool     `json:"away,omitempty"`

	only []string // nil: not only the members of a private channel
}

const (
	feedKeeps = 20000 // news kept for those who come late
	pollWait  = 25 * time.Second
	// silentReader is how long the clock waits, in real time, for a paced reader
	// who took news and has not come back.
	silentReader = 20 * time.Second
)

// feed hands out news by long poll. A paced reader makes the clock stand still
// from the moment something concerns him until he has asked for what comes after
// it: by then he is busy with it himself, or does not care.
type feed struct {
	clock incident.Clock

	mu      sync.Mutex
	news    []News
	seq     int
	changed chan struct{}
	readers map[string]*reader
	closed  bool
}

type reader struct {
	as    []string
	hold  func() // busy since there is news he has not taken
	guard context.CancelFunc
}

func newFeed(clock incident.Clock) *feed {
	return &feed{clock: clock, changed: make(chan struct{}), readers: map[string]*reader{}}
}

func concerns(n *News, as []string) bool {
	return (n.For == "" || slices.Contains(as, n.For)) &&
		(n.only == nil || slices.ContainsFunc(as, func(one string) bool { return slices.Contains(n.only, one) }))
}

func (f *feed) publish(n News) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.seq++
	n.Seq = f.seq
	f.news = append(f.news, n)
	if len(f.news) > feedKeeps {
		f.news = slices.Clone(f.news[len(f.news)-feedKeeps/2:])
	}
	for name, r := range f.readers {
		if concerns(&n, r.as) {
			f.holdFor(name, r)
		}
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// holdFor keeps the clock busy for a reader. Called with mu held.
func (f *feed) holdFor(name string, r *reader) {
	if r.hold != nil {
		return
	}
	r.hold = f.clock.Busy()
	ctx, cancel := incident.RealClock{}.WithTimeout(context.Background(), silentReader, nil)
	r.guard = cancel
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if ctx.Err() == context.DeadlineExceeded && f.readers[name] == r {
			f.drop(name)
		}
	})
}

func (r *reader) release() {
	if r.hold != nil {
		r.hold()
		r.guard()
		r.hold, r.guard = nil, nil
	}
}

// drop forgets a paced reader. Called with mu held.
func (f *feed) drop(name string) {
	if r := f.readers[name]; r != nil {
		r.release()
		delete(f.readers, name)
	}
}

func (f *feed) leave(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(name)
}

func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.closed = true
	for name := range f.readers {
		f.drop(name)
	}
	close(f.changed)
}

func (f *feed) last() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seq
}

// batch is the answer to a poll. Lost says that news after the asked number is
// no longer kept: read the state again.
type batch struct {
	Events []News `json:"events"`
	Next   int    `json:"next"`
	Lost   bool   `json:"lost,omitempty"`
}

// poll returns what these people have seen after a number, and waits for it if
// asked to.
func (f *feed) poll(ctx context.Context, name string, as []string, after int, paced, wait bool) batch {
	deadline, cancel := incident.RealClock{}.WithTimeout(ctx, pollWait, nil)
	defer cancel()
	for {
		f.mu.Lock()
		b := f.since(as, after)
		if paced && !f.closed {
			r := f.readers[name]
			if r == nil {
				r = &reader{}
				f.readers[name] = r
			}
			r.as = as
			held := *r
			r.hold, r.guard = nil, nil
			if len(b.Events) > 0 {
				f.holdFor(name, r) // a fresh guard, until he comes back
			}
			held.release()
		}
		changed, closed := f.changed, f.closed
		f.mu.Unlock()
		if len(b.Events) > 0 || b.Lost || closed || !wait {
			return b
		}
		select {
		case <-changed:
		case <-deadline.Done():
			if ctx.Err() != nil && paced {
				f.leave(name) // he hung up
			}
			return batch{Events: []News{}, Next: b.Next}
		}
	}
}

func (f *feed) since(as []string, after int) batch {
	b := batch{Events: []News{}, Next: max(after, 0)}
	if len(f.news) > 0 && after < f.news[0].Seq-1 {
		b.Lost = f.news[0].Seq > 1
	}
	at, _ := slices.BinarySearchFunc(f.news, after+1, func(n News, seq int) int { return n.Seq - seq })
	for i := at; i < len(f.news); i++ {
		if concerns(&f.news[i], as) {
			b.Events = append(b.Events, f.news[i])
		}
		b.Next = f.news[i].Seq
	}
	return b
}
