package slack

import (
	"context"
	"sync"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// wakeUp wakes the one goroutine that sleeps on it before its time. What is signalled
// while nobody sleeps wakes the next sleep at once.
type wakeUp struct {
	clock incident.Clock

	mu        sync.Mutex
	signalled bool
	cancel    context.CancelFunc
	held      func()
}

func (b *wakeUp) signal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.signalled = true
	if b.cancel != nil && b.held == nil {
		// Until the sleeper is up again a pretend clock must not jump.
		b.held = b.clock.Busy()
		b.cancel()
	}
}

// sleep returns when it is signalled, when d is over, when ctx ends, or when until
// returns, whose error it hands on unless one of those ended it. Until may be
// nil. The caller is busy.
func (b *wakeUp) sleep(ctx context.Context, d time.Duration, until func(context.Context) error) error {
	if d <= 0 {
		return nil
	}
	ctx, cancel := b.clock.WithTimeout(ctx, d, errDue)
	defer cancel()
	b.mu.Lock()
	if b.signalled {
		b.signalled = false
		b.mu.Unlock()
		return nil
	}
	b.cancel = cancel
	b.mu.Unlock()

	resume := b.clock.Idle()
	var err error
	if until == nil {
		<-ctx.Done()
	} else {
		err = until(ctx)
	}
	resume()

	over := ctx.Err() != nil
	b.mu.Lock()
	held := b.held
	b.cancel, b.held, b.signalled = nil, nil, false
	b.mu.Unlock()
	if held != nil {
		held()
	}
	if over {
		return nil
	}
	return err
}
