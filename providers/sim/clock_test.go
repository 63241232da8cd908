package sim

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

var _ incident.Clock = (*Clock)(nil)

var day = time.Date(2026, 3, 3, 14, 0, 0, 0, time.UTC)

func TestAtTopSpeedAnHourOfSleepTakesNoTime(t *testing.T) {
	c := NewClock(day, Max)
	defer c.Close()
	defer c.Busy()()
	if err := c.Sleep(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := c.Now().Sub(day); got != time.Hour {
		t.Errorf("the clock moved by %s, want exactly 1h", got)
	}
}

func TestTimeStandsStillWhileSomebodyIsBusy(t *testing.T) {
	c := NewClock(day, Max)
	defer c.Close()
	holder := c.Busy()
	woke := make(chan time.Time, 1)
	started := make(chan struct{})
	go func() {
		defer c.Busy()()
		close(started)
		_ = c.Sleep(context.Background(), time.Second)
		woke <- c.Now()
	}()
	<-started
	for range 50 {
		pause(50 * time.Microsecond)
		if !c.Now().Equal(day) {
			t.Fatal("the clock moved although somebody was busy")
		}
	}
	holder()
	if got := (<-woke).Sub(day); got != time.Second {
		t.Errorf("woke at +%s, want +1s", got)
	}
}

func TestTimersOfOneMomentAllWakeBeforeTheNext(t *testing.T) {
	c := NewClock(day, Max)
	defer c.Close()
	var wg sync.WaitGroup
	var wrong atomic.Int32
	all := c.Busy()
	for i := range 200 {
		wg.Add(1)
		done := c.Busy()
		go func() {
			defer wg.Done()
			defer done()
			for range 20 {
				want := c.Now().Add(time.Second)
				if err := c.Sleep(context.Background(), time.Second); err != nil || !c.Now().Equal(want) {
					wrong.Add(1)
				}
			}
			_ = i
		}()
	}
	all()
	wg.Wait()
	if n := wrong.Load(); n != 0 {
		t.Errorf("%d of 4000 sleeps ended at another moment than asked for", n)
	}
	if got := c.Now().Sub(day); got != 20*time.Second {
		t.Errorf("200 goroutines sleeping 20 times a second moved the clock by %s, want 20s", got)
	}
}

func TestTimeoutNamesItsCauseAndIsADeadline(t *testing.T) {
	c := NewClock(day, Max)
	defer c.Close()
	defer c.Busy()()
	slow := errors.New("the call took longer than 5s")
	ctx, cancel := c.WithTimeout(t.Context(), 5*time.Second, slow)
	defer cancel()
	err := c.Sleep(ctx, time.Minute)
	if !errors.Is(err, slow) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the cause and DeadlineExceeded", err)
	}
	if got := c.Now().Sub(day); got != 5*time.Second {
		t.Errorf("timed out after %s, want 5s", got)
	}
}

func TestACancelledTimeoutHoldsNothingUp(t *testing.T) {
	c := NewClock(day, Max)
	defer c.Close()
	defer c.Busy()()
	_, cancel := c.WithTimeout(t.Context(), time.Second, nil)
	cancel()
	_ = c.Sleep(t.Context(), time.Minute)
	if got := c.Now().Sub(day); got != time.Minute {
		t.Errorf("clock at +%s, want +1m", got)
	}
	c.mu.Lock()
	left := len(c.timers)
	c.mu.Unlock()
	if left != 0 {
		t.Errorf("%d timers left behind", left)
	}
}

func TestASecondDoneAndResumeDoNothing(t *testing.T) {
	c := NewClock(day, Max)
	defer c.Close()
	done := c.Busy()
	resume := c.Idle()
	resume()
	resume()
	c.mu.Lock()
	if c.busy != 1 {
		t.Errorf("busy is %d after resume twice, want 1", c.busy)
	}
	c.mu.Unlock()
	done()
	done()
	c.mu.Lock()
	if c.busy != 0 {
		t.Errorf("busy is %d after done twice, want 0", c.busy)
	}
	c.mu.Unlock()
}

func TestSleepingWithoutBeingBusyIsCalledOut(t *testing.T) {
	c := NewClock(day, Max)
	defer c.Close()
	c.patience = time.Millisecond
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	c.Idle()
}

func TestWorkHandedOverThroughASocketIsWaitedFor(t *testing.T) {
	c := NewClock(day, Max)
	defer c.Close()
	a, b := net.Pipe()
	defer a.Close()
	go func() { // the other end: idle in Read, busy for each message
		buf := make([]byte, 1)
		for {
			if _, err := io.ReadFull(b, buf); err != nil {
				return
			}
			done := c.Busy()
			_ = c.Sleep(context.Background(), 100*time.Millisecond)
			_, _ = b.Write(buf)
			done()
		}
	}()
	defer c.Busy()()
	go func() {
		defer c.Busy()()
		_ = c.Sleep(context.Background(), time.Hour) // what the clock must not jump to
	}()
	buf := make([]byte, 1)
	for range 100 {
		if _, err := a.Write(buf); err != nil {
			t.Fatal(err)
		}
		resume := c.Idle()
		if _, err := io.ReadFull(a, buf); err != nil {
			t.Fatal(err)
		}
		resume()
	}
	if got := c.Now().Sub(day); got != 10*time.Second {
		t.Errorf("100 answers of 100ms each took %s, want 10s", got)
	}
}

func TestScaledTimeNeverWakesEarlyAndIsSharedByAnchor(t *testing.T) {
	at := time.Now()
	c, d := NewClockAt(day, at, 1000), NewClockAt(day, at, 1000)
	defer c.Close()
	defer d.Close()
	defer c.Busy()()
	want := c.Now().Add(2 * time.Second)
	if err := c.Sleep(t.Context(), 2*time.Second); err != nil {
		t.Fatal(err)
	}
	now := c.Now()
	if now.Before(want) {
		t.Errorf("woke at %s, before %s", now, want)
	}
	if d.Now().Before(now) {
		t.Error("a second clock with the same anchor is behind the first")
	}
	c.SetSpeed(Max)
	before := c.Now()
	_ = c.Sleep(t.Context(), 24*time.Hour)
	if got := c.Now().Sub(before); got != 24*time.Hour {
		t.Errorf("after the change to max a day took %s", got)
	}
}

func TestCloseWakesSleepers(t *testing.T) {
	c := NewClock(day, 1)
	got := make(chan error, 1)
	ready := make(chan struct{})
	go func() {
		defer c.Busy()()
		close(ready)
		got <- c.Sleep(context.Background(), time.Hour)
	}()
	<-ready
	c.Close()
	if err := <-got; !errors.Is(err, errClosed) {
		t.Errorf("got %v", err)
	}
}

func TestParseSpeed(t *testing.T) {
	for in, want := range map[string]Speed{"4": 4, "0.5": 0.5, "max": Max, "MAX": Max} {
		if got, err := ParseSpeed(in); err != nil || got != want {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, want := range []Speed{4, 0.5, Max} {
		data, err := json.Marshal(want)
		var got Speed
		if err != nil || json.Unmarshal(data, &got) != nil || got != want {
			t.Errorf("%v becomes %s, %v, %v", want, data, err, got)
		}
	}
	for _, in := range []string{"", "0", "-1", "fast", "NaN", "inf", "1e9"} {
		if got, err := ParseSpeed(in); err == nil {
			t.Errorf("%q was read as %v", in, got)
		}
	}
}

func BenchmarkJump(b *testing.B) {
	c := NewClock(day, Max)
	defer c.Close()
	defer c.Busy()()
	for b.Loop() {
		_ = c.Sleep(context.Background(), time.Second)
	}
}

// lateDone is a context that has ended before those who wait for it hear of it, as it is on
// a machine that has no processor for them.
type lateDone struct {
	context.Context
	ended       atomic.Bool
	done        chan struct{}
	sleeps      chan struct{} // closed when somebody waits for it
	asked       chan struct{} // closed when somebody asks after its end
	once, again sync.Once
}

func (l *lateDone) Done() <-chan struct{} {
	l.once.Do(func() { close(l.sleeps) })
	return l.done
}

func (l *lateDone) Err() error {
	if !l.ended.Load() {
		return nil
	}
	l.again.Do(func() { close(l.asked) })
	return context.Canceled
}

func TestTimeWaitsForASleeperWhoseContextHasEnded(t *testing.T) {
	clock := NewClock(day, Max)
	t.Cleanup(clock.Close)
	done := clock.Busy()
	ctx := &lateDone{Context: t.Context(), done: make(chan struct{}), sleeps: make(chan struct{}), asked: make(chan struct{})}
	woke := make(chan error, 1)
	busy := clock.Busy()
	go func() {
		err := clock.Sleep(ctx, 10*time.Minute)
		woke <- err
		busy()
	}()
	<-ctx.sleeps
	ctx.ended.Store(true)
	resume := clock.Idle()
	select { // before time moves on, whoever moves it asks
	case <-ctx.asked:
	case err := <-woke:
		woke <- err
	}
	close(ctx.done)
	if err := <-woke; !errors.Is(err, context.Canceled) || !clock.Now().Equal(day) {
		t.Errorf("%v at %s", err, clock.Now())
	}
	resume()
	done()
}
