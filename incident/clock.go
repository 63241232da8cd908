package incident

import (
	"context"
	"sync/atomic"
	"time"
)

// Clock is the time that every part of a run lives by. In production it is
// [RealClock]. In a rehearsal it is a pretend one that may run faster than life;
// at top speed it stands still while anybody is busy and then jumps to the next
// moment that somebody waits for.
//
// The pretend clock can only know that somebody is busy when it is told. Hence
// the one rule for goroutines: start with
//
//	defer clock.Busy()()
//
// and wrap each wait for somebody else (a channel, a lock held for long, another
// goroutine) in Idle:
//
//	resume := clock.Idle()
//	select { ... }
//	resume()
//
// Waiting for the answer of a call (HTTP, Redis, AWS) is not idle: the call is in
// flight and time stands still for it. Sleep is idle by itself and may only be
// called by a busy goroutine.
type Clock interface {
	// Now is the present moment, in UTC.
	Now() time.Time

	// Sleep waits for d and returns nil, or returns context.Cause(ctx) as soon as
	// ctx ends. The caller has to be busy; while it sleeps it is not.
	Sleep(ctx context.Context, d time.Duration) error

	// WithTimeout is context.WithTimeoutCause on this clock. The cause names what
	// took too long. On a pretend clock the context has no Deadline to read, and
	// its Err after the time-out is context.Canceled with the cause wrapping
	// context.DeadlineExceeded: ask context.Cause.
	WithTimeout(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc)

	// Busy says that the caller has something in hand until done is called. A
	// second call of the same done does nothing.
	Busy() (done func())

	// Idle says that the caller, who is busy, now only waits for somebody else.
	// resume makes it busy again; a second call of the same resume does nothing.
	Idle() (resume func())
}

// RealClock is the machine's clock. Busy and Idle cost nothing and mean nothing.
type RealClock struct{}

// Now is time.Now in UTC.
func (RealClock) Now() time.Time { return time.Now().UTC() }

// Sleep waits for d or for the end of ctx.
func (RealClock) Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C: // a process that was stopped meanwhile finds both
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

// WithTimeout is context.WithTimeoutCause.
func (RealClock) WithTimeout(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, cause)
}

// Busy does nothing: real time does not wait for anybody.
func (RealClock) Busy() func() { return func() {} }

// Idle does nothing.
func (RealClock) Idle() func() { return func() {} }

// Together runs f for each of n things at once and returns when all are done. The
// caller is busy, and so is each f. Nothing is in nobody's hands in between, where
// a pretend clock could jump: each is counted before it starts, and the last one
// stays counted until the caller has gone on.
func Together(clock Clock, n int, f func(i int)) {
	if n == 0 {
		return
	}
	var left atomic.Int64
	left.Store(int64(n))
	last := make(chan func(), 1)
	for i := range n {
		done := clock.Busy()
		go func() {
			f(i)
			if left.Add(-1) > 0 {
				done()
				return
			}
			last <- done
		}()
	}
	resume := clock.Idle()
	done := <-last
	resume()
	done()
}
