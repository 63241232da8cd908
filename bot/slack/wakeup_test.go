package slack

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/providers/sim"
)

func TestABellIsHeardAsleepAndAwake(t *testing.T) {
	clock := sim.NewClock(began, sim.Max)
	defer clock.Close()
	busy := clock.Busy()
	defer busy()
	b := &wakeUp{clock: clock}
	ctx := t.Context()
	const long = time.Hour
	took := func(what string, want time.Duration, sleep func() error) error {
		t.Helper()
		at := clock.Now()
		err := sleep()
		if got := clock.Now().Sub(at); got != want {
			t.Errorf("%s took %s, want %s", what, got, want)
		}
		return err
	}

	b.signal()
	b.signal()
	if err := took("what rang while nobody slept", 0, func() error { return b.sleep(ctx, long, nil) }); err != nil {
		t.Error(err)
	}
	if err := took("a sleep that nothing ends", long, func() error { return b.sleep(ctx, long, nil) }); err != nil {
		t.Error(err)
	}
	// Somebody rings after a minute: the clock does not go on to what somebody else
	// waits for before the sleeper is up.
	other, cancel := context.WithCancel(ctx)
	defer cancel()
	elsewhere := clock.Busy()
	go func() {
		defer elsewhere()
		_ = clock.Sleep(other, 10*time.Minute)
	}()
	ringer := clock.Busy()
	go func() {
		defer ringer()
		_ = clock.Sleep(ctx, time.Minute)
		b.signal()
	}()
	if err := took("a sleep that is rung for", time.Minute, func() error { return b.sleep(ctx, long, nil) }); err != nil {
		t.Error(err)
	}

	cancel()
	broken := errors.New("it cannot be waited for")
	if err := b.sleep(ctx, long, func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("the error of what was waited for: %v", err)
	}
	wait := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	if err := took("a wait that is over", long, func() error { return b.sleep(ctx, long, wait) }); err != nil {
		t.Errorf("the end of a wait is no error: %v", err)
	}
	if err := took("no time", 0, func() error { return b.sleep(ctx, 0, wait) }); err != nil {
		t.Error(err)
	}
}
