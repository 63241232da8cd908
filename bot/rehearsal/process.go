package rehearsal

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// botProcess is the bot as if it were a process of its own. One that is killed ends
// as a process that was killed does: from that moment on it writes nothing, calls
// nothing and says nothing, and it lets go of nothing. Its lease runs out, the
// envelopes that it had not acknowledged come again, and whether its last call went
// through is for the next process to find out.
type botProcess struct {
	r     *rehearsal
	proxy *proxy
	stop  context.CancelFunc

	mu   sync.Mutex
	dead bool
	pass func() // ends the passing of time that a death takes
}

// errKilled makes whatever is left of a killed bot stop at once.
var errKilled = fmt.Errorf("the bot was killed: %w", incident.ErrFenced)

// newBotProcess begins one. The ctx that it returns ends with it.
func (r *rehearsal) newBotProcess(ctx context.Context) (context.Context, *botProcess, error) {
	slack, err := url.Parse(r.reach.SlackAPI)
	if err != nil {
		return nil, nil, fmt.Errorf("find the rehearsal Slack: %w", err)
	}
	way, err := newProxy(slack.Host)
	if err != nil {
		return nil, nil, fmt.Errorf("open a proxy to the rehearsal Slack: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	l := &botProcess{r: r, proxy: way, stop: stop, pass: func() {}}
	r.process.Store(l)
	return ctx, l, nil
}

// replica is the bot of this process.
func (l *botProcess) replica() bot.Options {
	one := l.r.replica()
	one.Slack.APIURL = strings.Replace(one.Slack.APIURL, l.proxy.to, l.proxy.Addr().String(), 1)
	one.Record = killableLog{one.Record, l}
	return one
}

// kill ends the process here and now. That takes real time, in which nobody may be
// busy; so that the pretend clock does not leap to the end of the rehearsal
// meanwhile, it goes in small steps until the process has ended.
func (l *botProcess) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return
	}
	l.dead = true
	l.pass = tick(l.r.clock)
	l.proxy.sever()
	l.stop()
}

// wait returns when nothing is left of the process. Call it when the bot has returned.
func (l *botProcess) wait() {
	l.stop()
	l.proxy.sever()
	l.proxy.ends.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pass()
}

// killed is errKilled once the process was killed.
func (l *botProcess) killed() error {
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
		r.runDueCues()
	}
	return r.process.Load().killed()
}

// killableLog is a Log that a killed bot cannot write to.
type killableLog struct {
	incident.Log
	process *botProcess
}

// Remember is refused to a killed process.
func (m killableLog) Remember(ctx context.Context, id incident.ID, key string, p incident.Place) error {
	if err := m.process.killed(); err != nil {
		return err
	}
	return m.Log.Remember(ctx, id, key, p)
}

// Acquire is refused to a killed process.
func (m killableLog) Acquire(ctx context.Context, id incident.ID, b incident.Bid) (uint64, error) {
	if err := m.process.killed(); err != nil {
		return 0, err
	}
	return m.Log.Acquire(ctx, id, b)
}

// Append is refused to a killed process.
func (m killableLog) Append(ctx context.Context, w incident.Write) (incident.Written, error) {
	if err := m.process.killed(); err != nil {
		return incident.Written{}, err
	}
	return m.Log.Append(ctx, w)
}

// Renew is refused to a killed process.
func (m killableLog) Renew(ctx context.Context, id incident.ID, token uint64, now time.Time, ttl time.Duration) error {
	if err := m.process.killed(); err != nil {
		return err
	}
	return m.Log.Renew(ctx, id, token, now, ttl)
}

// Release is refused to a killed process, which lets nothing go.
func (m killableLog) Release(ctx context.Context, id incident.ID, token uint64) error {
	if err := m.process.killed(); err != nil {
		return err
	}
	return m.Log.Release(ctx, id, token)
}

// proxy is one process's connections to Slack. Cut, it carries nothing more.
type proxy struct {
	net.Listener
	to    string
	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool // those that are open
	ends  sync.WaitGroup
}

func newProxy(to string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &proxy{Listener: l, to: to, conns: map[net.Conn]bool{}}
	w.ends.Go(w.serve)
	return w, nil
}

func (w *proxy) serve() {
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
		w.ends.Go(func() { w.copy(near, far) })
		w.ends.Go(func() { w.copy(far, near) })
	}
}

// copy takes to one end what comes from the other, until either is closed.
func (w *proxy) copy(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, to)
}

func (w *proxy) sever() {
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
