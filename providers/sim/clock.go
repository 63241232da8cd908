package sim

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Speed says how fast pretend time runs: 1 is life, 4 is four times as fast.
// [Max] is as fast as the work allows.
type Speed float64

// Max lets the clock stand still while anybody is busy, and otherwise jump to
// the next moment that somebody waits for.
var Max = Speed(math.Inf(1))

// ParseSpeed reads "4", "0.5" or "max".
func ParseSpeed(s string) (Speed, error) {
	t := strings.TrimSpace(s)
	if strings.EqualFold(t, "max") {
		return Max, nil
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil || !(f > 0) || f > 10000 {
		return 0, fmt.Errorf("speed %q is not usable: give a number above 0 and up to 10000, such as 4, or max", s)
	}
	return Speed(f), nil
}

// String is what ParseSpeed reads.
func (s Speed) String() string {
	if s == Max {
		return "max"
	}
	return strconv.FormatFloat(float64(s), 'f', -1, 64)
}

// MarshalText writes what ParseSpeed reads, so that JSON can carry [Max].
func (s Speed) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseSpeed.
func (s *Speed) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSpeed(string(text))
	return err
}

// errClosed is what a sleeper gets when its clock was closed.
var errClosed = errors.New("the pretend clock was closed")

// Clock is pretend time. It implements incident.Clock; the rule for goroutines
// stands there.
//
// At a number of a [Speed] it is the machine's clock, scaled. At [Max] it stands
// still while the count of busy goroutines is above zero. When the count is zero
// and nothing stirs for a fraction of a millisecond, it jumps to its earliest
// timer, counts that timer's sleeper as busy again and wakes it. The pause is
// there because something handed over through a channel or a socket is, for a
// moment, in nobody's hands.
type Clock struct {
	mu     sync.Mutex
	speed  Speed
	base   time.Time // pretend time at anchor
	anchor time.Time // real time; unused at Max, where base is the present
	busy   int
	stir   uint64 // counts every change of busy and of the timers
	timers timers
	closed bool

	kick chan struct{} // tells the driver that something changed
	done chan struct{} // closed when the driver has ended
	stop chan struct{} // closed by Close

	// patience is how long, in real time, a goroutine that would make the count
	// negative waits for another one that is just about to count itself in.
	patience time.Duration

	echo *echo // used by the driver alone
}

// NewClock returns a running clock that shows start now. Close ends it.
func NewClock(start time.Time, speed Speed) *Clock {
	return NewClockAt(start, time.Now(), speed)
}

// NewClockAt returns a running clock that showed start at the given real instant,
// so that two processes with the same three values have the same time. At [Max]
// the instant means nothing.
func NewClockAt(start, instant time.Time, speed Speed) *Clock {
	c := &Clock{
		speed: speed, base: start.UTC(), anchor: instant,
		kick: make(chan struct{}, 1), done: make(chan struct{}), stop: make(chan struct{}),
		patience: 2 * time.Second,
	}
	// Without pipes the clock only pauses before it jumps.
	c.echo, _ = newEcho()
	go c.drive()
	return c
}

// Close stops the clock and wakes every sleeper with an error. It may be called
// more than once.
func (c *Clock) Close() {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.stop)
	}
	c.mu.Unlock()
	<-c.done
}

// Speed is the present speed.
func (c *Clock) Speed() Speed {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.speed
}

// SetSpeed changes the speed from now on.
func (c *Clock) SetSpeed(s Speed) {
	c.mu.Lock()
	c.base, c.anchor = c.nowLocked(), time.Now()
	c.speed = s
	c.mu.Unlock()
	c.poke()
}

// Now is the present pretend moment, in UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nowLocked()
}

func (c *Clock) nowLocked() time.Time {
	if c.speed == Max {
		return c.base
	}
	return c.base.Add(time.Duration(float64(time.Since(c.anchor)) * float64(c.speed)))
}

// Sleep waits for d of pretend time. The caller has to be busy.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	return c.sleep(ctx, nil, d, true)
}

// SleepFor sleeps on behalf of a caller that may or may not be counted as busy,
// such as the client at the other end of a socket: when nobody is busy, nobody is
// counted out.
func (c *Clock) SleepFor(ctx context.Context, d time.Duration) error {
	return c.sleep(ctx, deadlineOf(ctx), d, c.somebody(20*time.Millisecond))
}

// somebody says whether anybody is busy, after giving real time to somebody who
// is about to count itself in.
func (c *Clock) somebody(patience time.Duration) bool {
	for limit := time.Now().Add(patience); ; pause(50 * time.Microsecond) {
		c.mu.Lock()
		busy := c.busy > 0
		c.mu.Unlock()
		if busy || time.Now().After(limit) {
			return busy
		}
	}
}

// sleep waits for d, for ctx, or for also, which may be nil.
func (c *Clock) sleep(ctx, also context.Context, d time.Duration, counted bool) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if d <= 0 {
		return nil
	}
	t := &timer{wake: make(chan struct{}), counted: counted, ends: []context.Context{ctx}}
	if also != nil {
		t.ends = append(t.ends, also)
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return errClosed
	}
	t.at = c.nowLocked().Add(d)
	heap.Push(&c.timers, t)
	if counted {
		c.outLocked("Sleep")
	} else {
		c.stir++
	}
	c.mu.Unlock()
	c.poke()

	var alsoDone <-chan struct{}
	if also != nil {
		alsoDone = also.Done()
	}
	var err error
	select {
	case <-t.wake:
		return nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-alsoDone:
		err = context.Cause(also)
	case <-c.stop:
		err = errClosed
	}
	c.mu.Lock()
	if c.timers.remove(t) && counted {
		c.busy++ // the driver did not wake it, so it counts itself in
	}
	c.stir++
	c.mu.Unlock()
	return err
}

// deadlineKey finds the innermost context that a clock's WithTimeout made, also
// through a context that net/http has detached from its request.
type deadlineKey struct{}

type deadline struct{ ctx context.Context }

// deadlineOf is the context whose end ends what ctx was made for; nil if no
// pretend time-out is set.
func deadlineOf(ctx context.Context) context.Context {
	if d, ok := ctx.Value(deadlineKey{}).(*deadline); ok {
		return d.ctx
	}
	return nil
}

// WithTimeout is context.WithTimeoutCause in pretend time. What ends it wraps
// both cause and context.DeadlineExceeded; ask context.Cause.
func (c *Clock) WithTimeout(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
	holder := &deadline{}
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, deadlineKey{}, holder))
	holder.ctx = ctx
	over := fmt.Errorf("%w: %w", cause, context.DeadlineExceeded)
	if cause == nil {
		over = context.DeadlineExceeded
	}
	if d <= 0 {
		cancel(over)
		return ctx, func() { cancel(context.Canceled) }
	}
	t := &timer{fire: func() { cancel(over) }}
	c.mu.Lock()
	t.at = c.nowLocked().Add(d)
	heap.Push(&c.timers, t)
	c.stir++
	c.mu.Unlock()
	c.poke()
	drop := func() {
		c.mu.Lock()
		if c.timers.remove(t) {
			c.stir++
		}
		c.mu.Unlock()
	}
	undo := context.AfterFunc(ctx, drop) // when the parent ends first
	return ctx, func() {
		undo()
		drop()
		cancel(context.Canceled)
	}
}

// Busy counts the caller in until done is called.
func (c *Clock) Busy() (done func()) {
	c.in()
	var once sync.Once
	return func() { once.Do(func() { c.out("the end of Busy") }) }
}

// Idle counts the caller out until resume is called.
func (c *Clock) Idle() (resume func()) {
	c.out("Idle")
	var once sync.Once
	return func() { once.Do(c.in) }
}

func (c *Clock) in() {
	c.mu.Lock()
	c.busy++
	c.stir++
	c.mu.Unlock()
}

func (c *Clock) out(what string) {
	c.mu.Lock()
	c.outLocked(what)
	c.mu.Unlock()
	c.poke()
}

// outLocked takes one from the count. When there is none to take, somebody who
// waited on this caller's behalf (a dial that ended with this caller's time-out,
// say) is about to count itself in: wait for that, and only then complain.
func (c *Clock) outLocked(what string) {
	limit := time.Time{}
	for c.busy <= 0 && !c.closed {
		if limit.IsZero() {
			limit = time.Now().Add(c.patience)
		} else if time.Now().After(limit) {
			c.mu.Unlock() // a recovered panic must not leave the clock locked
			panic("pretend clock: " + what + " by a goroutine that was never counted as busy: start it with `defer clock.Busy()()`, and resume after every Idle")
		}
		c.mu.Unlock()
		pause(50 * time.Microsecond)
		c.mu.Lock()
	}
	if c.busy > 0 {
		c.busy--
	}
	c.stir++
}

func (c *Clock) poke() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// drive moves the clock until it is closed.
func (c *Clock) drive() {
	defer close(c.done)
	defer c.echo.close()
	real := time.NewTimer(time.Hour)
	defer real.Stop()
	for {
		wait := time.Hour
		c.mu.Lock()
		switch {
		case c.closed:
			c.mu.Unlock()
			return
		case len(c.timers) == 0:
			c.mu.Unlock()
		case c.speed == Max:
			if c.busy > 0 {
				c.mu.Unlock()
				break
			}
			seen := c.stir
			c.mu.Unlock()
			if c.settle(seen) {
				c.jump(seen)
			}
			continue
		default:
			due, speed := c.timers[0].at.Sub(c.nowLocked()), c.speed
			c.mu.Unlock()
			if due <= 0 {
				c.fireDue()
				continue
			}
			if d := time.Duration(float64(due)/float64(speed)) + time.Microsecond; d < wait {
				wait = d
			}
		}
		real.Reset(wait)
		select {
		case <-c.stop:
			return
		case <-c.kick:
		case <-real.C:
		}
	}
}

// settle gives handed-over work the time to count itself in, and says whether
// nothing stirred meanwhile.
func (c *Clock) settle(seen uint64) bool {
	for range 3 {
		for range 8 {
			runtime.Gosched()
		}
		pause(50 * time.Microsecond)
		c.echo.wait()
		c.mu.Lock()
		same := c.stir == seen && !c.closed
		c.mu.Unlock()
		if !same {
			return false
		}
	}
	return true
}

// jump moves to the earliest timer, provided that still nothing stirred.
func (c *Clock) jump(seen uint64) {
	c.mu.Lock()
	if c.stir != seen || c.busy > 0 || c.closed || len(c.timers) == 0 || c.endedLocked() {
		c.mu.Unlock()
		return
	}
	if at := c.timers[0].at; at.After(c.base) {
		c.base = at
	}
	c.mu.Unlock()
	c.fireDue()
}

// endedLocked counts in the sleepers whose context has ended, and says whether there are
// any: they are on their way, however long a busy machine lets them wait for a processor,
// and time stands still for them.
func (c *Clock) endedLocked() bool {
	var ended []*timer
	for _, t := range c.timers {
		if slices.ContainsFunc(t.ends, func(ctx context.Context) bool { return ctx.Err() != nil }) {
			ended = append(ended, t)
		}
	}
	for _, t := range ended {
		c.timers.remove(t)
		if t.counted {
			c.busy++
		}
	}
	if len(ended) > 0 {
		c.stir++
	}
	return len(ended) > 0
}

// fireDue ends every timer whose moment has come. All sleepers of one moment are
// counted in before the first of them wakes.
func (c *Clock) fireDue() {
	c.mu.Lock()
	now := c.nowLocked()
	var due []*timer
	for len(c.timers) > 0 && !c.timers[0].at.After(now) {
		t := heap.Pop(&c.timers).(*timer)
		if t.counted {
			c.busy++
		}
		due = append(due, t)
	}
	c.busy++ // nothing moves while contexts are being cancelled below
	c.stir++
	c.mu.Unlock()
	for _, t := range due {
		if t.fire != nil {
			t.fire()
		} else {
			close(t.wake)
		}
	}
	c.mu.Lock()
	c.busy--
	c.stir++
	c.mu.Unlock()
}

type timer struct {
	at      time.Time
	wake    chan struct{}     // for a sleeper
	counted bool              // the sleeper was busy and is to be busy again
	ends    []context.Context // of a sleeper, who does not sleep beyond any of them
	fire    func()            // for a time-out
	index   int
}

// timers is a heap by time.
type timers []*timer

func (h timers) Len() int           { return len(h) }
func (h timers) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timers) Swap(i, j int)      { h[i], h[j] = h[j], h[i]; h[i].index, h[j].index = i, j }

// Push is for container/heap.
func (h *timers) Push(x any) {
	t := x.(*timer)
	t.index = len(*h)
	*h = append(*h, t)
}

// Pop is for container/heap.
func (h *timers) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = -1
	return t
}

// remove takes t out and says whether it was still there.
func (h *timers) remove(t *timer) bool {
	if t.index < 0 || t.index >= len(*h) || (*h)[t.index] != t {
		return false
	}
	heap.Remove(h, t.index)
	return true
}
