package slack

import (
	"context"
	"sync"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// bell wakes the one goroutine that sleeps on it before its time. What rings
// while nobody sleeps is heard at the next sleep.
type bell struct {
	clock incident.Clock

	mu   sync.Mutex
	rung bool
	wake context.CancelFunc
	held func()
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rung = true
	if b.wake != nil && b.held == nil {
		// Until the sleeper is up again a pretend clock must not jump.
		b.held = b.clock.Busy()
		b.wake()
	}
}

// sleep returns when it rings, when d is over, when ctx ends, or when until
// returns, whose error it hands on unless one of those ended it. Until may be
// nil. The caller is busy.
func (b *bell) sleep(ctx context.Context, d time.Duration, until func(context.Context) error) error {
	if d <= 0 {
		return nil
	}
	ctx, cancel := b.clock.WithTimeout(ctx, d, errDue)
	defer cancel()
	b.mu.Lock()
	if b.rung {
		b.rung = false
		b.mu.Unlock()
		return nil
	}
	b.wake = cancel
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
	b.wake, b.held, b.rung = nil, nil, false
	b.mu.Unlock()
	if held != nil {
		held()
	}
	if over {
		return nil
	}
	return err
}
