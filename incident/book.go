package incident

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
)

// Book keeps the State of every timeline it is asked about in step with the
// Log, so that looking costs what is new and not what is old. It is safe for
// concurrent use; one Book serves the whole process.
type Book struct {
	log Log

	mu    sync.Mutex
	pages map[ID]*page
}

type page struct {
	mu    sync.Mutex
	state *State
}

// NewBook is an empty Book over that Log.
func NewBook(log Log) *Book {
	return &Book{log: log, pages: map[ID]*page{}}
}

// Log is the Log below.
func (b *Book) Log() Log { return b.log }

func (b *Book) page(id ID) *page {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pages[id]
	if p == nil {
		p = &page{state: NewState()}
		b.pages[id] = p
	}
	return p
}

func (p *page) catchUp(ctx context.Context, log Log, id ID) error {
	const batch = 1000
	for {
		events, err := log.Read(ctx, id, p.state.Seq, batch)
		if err != nil {
			return fmt.Errorf("read the timeline of %s: %w", id, err)
		}
		for _, e := range events {
			p.state.Apply(e)
		}
		if len(events) < batch {
			return nil
		}
	}
}

// View catches up with the timeline and shows its State to see, which must
// neither change nor keep it.
func (b *Book) View(ctx context.Context, id ID, see func(*State)) error {
	p := b.page(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.catchUp(ctx, b.log, id); err != nil {
		return err
	}
	see(p.state)
	return nil
}

// Decide catches up, asks decide what to add, and appends it right behind what
// decide saw. If somebody else was first it does so again with the new State.
// When decide returns no events nothing is written; its error is returned as it
// is. decide fills Events (without Seq), and Request, Fence or Secure where they
// matter; it is called with the State locked and must not keep it. A decision
// that other replicas may repeat names its Request; for the others one is made.
func (b *Book) Decide(ctx context.Context, id ID, decide func(*State) (Write, error)) (Written, error) {
	p := b.page(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	const patience = 3 // a Log that refuses although nothing came has lost something
	for refused, seen := 0, uint64(0); ; {
		if err := p.catchUp(ctx, b.log, id); err != nil {
			return Written{}, err
		}
		if refused > 0 && p.state.Seq > seen {
			refused = 0
		}
		if seen = p.state.Seq; refused == patience {
			return Written{}, fmt.Errorf("append to the timeline of %s after event %d: %w", id, seen, ErrLost)
		}
		w, err := decide(p.state)
		if err != nil || len(w.Events) == 0 {
			return Written{Seq: p.state.Seq}, err
		}
		w.Incident, w.After = id, p.state.Seq
		if w.Request == "" {
			w.Request = rand.Text()
		}
		for i := range w.Events {
			w.Events[i].Seq = w.After + uint64(i) + 1
		}
		done, err := b.log.Append(ctx, w)
		switch {
		case errors.Is(err, ErrMoved):
			refused++
			continue
		case err != nil:
			return Written{}, fmt.Errorf("append to the timeline of %s: %w", id, err)
		case done.Repeat:
			return done, p.catchUp(ctx, b.log, id)
		}
		for _, e := range w.Events {
			p.state.Apply(e)
		}
		return done, nil
	}
}

// Follow hands the events after seq to see, in order and each once, as they come,
// until ctx ends or see or the Log returns an error. The caller is busy by its
// clock; it is idle while nothing comes.
func (b *Book) Follow(ctx context.Context, clock Clock, id ID, after uint64, see func([]Event) error) error {
	for {
		events, err := b.log.Read(ctx, id, after, 1000)
		if err != nil {
			return fmt.Errorf("follow %s: %w", id, err)
		}
		if len(events) > 0 {
			after = events[len(events)-1].Seq
			if err := see(events); err != nil {
				return err
			}
			continue
		}
		resume := clock.Idle()
		err = b.log.Wait(ctx, id, after)
		resume()
		if err != nil {
			return err
		}
	}
}
