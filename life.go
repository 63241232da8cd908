package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// life is one life of the bot on a stage. A life that is killed ends as a process
// that was killed does: from that moment on it writes nothing, calls nothing and
// says nothing, and it lets go of nothing. Its lease runs out, the envelopes that
// it had not acknowledged come again, and whether its last call went through is
// for the next life to find out.
type life struct {
	r    *rehearsal
	way  *wire
	stop context.CancelFunc

	mu   sync.Mutex
	dead bool
	pass func() // ends the passing of time that a death takes
}

// errKilled makes whatever is left of a killed bot stop at once.
var errKilled = fmt.Errorf("the bot was killed: %w", incident.ErrFenced)

// live begins a life. The ctx that it returns ends with it.
func (r *rehearsal) live(ctx context.Context) (context.Context, *life, error) {
	slack, err := url.Parse(r.ends.SlackAPI)
	if err != nil {
		return nil, nil, fmt.Errorf("find the rehearsal Slack: %w", err)
	}
	way, err := newWire(slack.Host)
	if err != nil {
		return nil, nil, fmt.Errorf("lay a wire to the rehearsal Slack: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	l := &life{r: r, way: way, stop: stop, pass: func() {}}
	r.living.Store(l)
	return ctx, l, nil
}

// replica is the bot of this life.
func (l *life) replica() replica {
	one := l.r.replica()
	one.slack.APIURL = strings.Replace(one.slack.APIURL, l.way.to, l.way.Addr().String(), 1)
	one.record = mortal{one.record, l}
	return one
}

// kill ends the life here and now. Dying takes real time, in which nobody may be
// busy; so that the pretend clock does not leap to the end of the rehearsal
// meanwhile, it goes in small steps until the life is over.
func (l *life) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return
	}
	l.dead = true
	l.pass = tick(l.r.clock)
	l.way.sever()
	l.stop()
}

// over waits until nothing is left of the life. Call it when the bot has returned.
func (l *life) over() {
	l.stop()
	l.way.sever()
	l.way.ends.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pass()
}

// gone is errKilled once the life was killed.
func (l *life) gone() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return errKilled
	}
	return nil
}

// called is asked by the world before each call, and again when it has reached
// the world: what the scenario has in store happens between it and its answer.
func (r *rehearsal) called(_ sim.Call, before bool) error {
	if !before {
		r.cue()
	}
	return r.living.Load().gone()
}

// mortal is a Log that a dead bot cannot write to.
type mortal struct {
	incident.Log
	life *life
}

// Remember is refused to the dead.
func (m mortal) Remember(ctx context.Context, id incident.ID, key string, p incident.Place) error {
	if err := m.life.gone(); err != nil {
		return err
	}
	return m.Log.Remember(ctx, id, key, p)
}

// Acquire is refused to the dead.
func (m mortal) Acquire(ctx context.Context, id incident.ID, holder string, now time.Time, ttl time.Duration) (uint64, error) {
	if err := m.life.gone(); err != nil {
		return 0, err
	}
	return m.Log.Acquire(ctx, id, holder, now, ttl)
}

// Append is refused to the dead.
func (m mortal) Append(ctx context.Context, w incident.Write) (incident.Written, error) {
	if err := m.life.gone(); err != nil {
		return incident.Written{}, err
	}
	return m.Log.Append(ctx, w)
}

// Renew is refused to the dead.
func (m mortal) Renew(ctx context.Context, id incident.ID, token uint64, now time.Time, ttl time.Duration) error {
	if err := m.life.gone(); err != nil {
		return err
	}
	return m.Log.Renew(ctx, id, token, now, ttl)
}

// Release is refused to the dead: a killed process lets nothing go.
func (m mortal) Release(ctx context.Context, id incident.ID, token uint64) error {
	if err := m.life.gone(); err != nil {
		return err
	}
	return m.Log.Release(ctx, id, token)
}

// wire is one life's way to Slack. Severed, it carries nothing more.
type wire struct {
	net.Listener
	to    string
	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool // those that are open
	ends  sync.WaitGroup
}

func newWire(to string) (*wire, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &wire{Listener: l, to: to, conns: map[net.Conn]bool{}}
	w.ends.Go(w.serve)
	return w, nil
}

func (w *wire) serve() {
	for {
		near, err := w.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		w.mu.Lock()
		if w.conns[near], w.conns[far] = true, true; w.cut {
			_, _ = near.Close(), far.Close()
		}
		w.mu.Unlock()
		w.ends.Go(func() { w.carry(near, far) })
		w.ends.Go(func() { w.carry(far, near) })
	}
}

// carry takes to one end what comes from the other, until either is closed.
func (w *wire) carry(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, to)
}

func (w *wire) sever() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	_ = w.Listener.Close()
	for c := range w.conns {
		_ = c.Close()
	}
}

// tick makes the pretend clock go in small steps until it is stopped.
func tick(clock incident.Clock) (stop func()) {
	const step = 100 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	done := clock.Busy()
	ended.Go(func() {
		defer done()
		for ctx.Err() == nil {
			_ = clock.Sleep(ctx, step) // until it is stopped
		}
	})
	return func() {
		cancel()
		ended.Wait()
	}
}
