package incident

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatIgnoresItsContextIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		defer close(end)
		ctx, stop := RealClock{}.WithTimeout(t.Context(), 2*time.Second, errors.New("2 s are over"))
		defer stop()
		began := time.Now()
		_, err := Within(ctx, RealClock{}, func(context.Context) (int, error) { <-end; return 1, nil })
		if err == nil || err.Error() != "2 s are over" || time.Since(began) > 3*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		// Its own words are better than those of the clock.
		_, err = Within(ctx, RealClock{}, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, errors.New("the resolver 10.0.0.2 is silent")
		})
		if err == nil || !strings.Contains(err.Error(), "10.0.0.2") {
			t.Errorf("the reason is %v", err)
		}
	})
}

func TestWhatIsNotProvedIsSaidAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var calls [3]int
		reason := errors.New("the bot is not in the channel: invite it")
		end := make(chan struct{})
		defer close(end)
		called := func(n int) { mu.Lock(); defer mu.Unlock(); calls[n]++ }
		counts := func() [3]int { mu.Lock(); defer mu.Unlock(); return calls }
		p := &Proofs{Clock: RealClock{}, Holds: time.Minute, List: []Proof{
			{Name: "the runbook compiles", Prove: func(context.Context) error { called(0); return nil }},
			{Name: "the channel can be posted to", Where: "C1", Prove: func(context.Context) error { called(1); mu.Lock(); defer mu.Unlock(); return reason }},
			{Name: "people are known", Prove: func(context.Context) error { called(2); <-end; return nil }},
		}}
		not := p.Try(t.Context(), 5*time.Second)
		if len(not) != 2 || not[0].String() != "Not so: the channel can be posted to (C1): the bot is not in the channel: invite it" ||
			!strings.Contains(not[1].Err.Error(), "not found out within 5s") {
			t.Fatalf("%v", not)
		}
		mu.Lock()
		reason = nil
		mu.Unlock()
		if not := p.Missing(t.Context(), time.Second); len(not) != 1 || counts() != [3]int{1, 2, 2} {
			t.Errorf("%v after %v", not, counts())
		}
		time.Sleep(2 * time.Minute)
		if not := p.Missing(t.Context(), time.Second); len(not) != 1 || counts() != [3]int{2, 3, 3} {
			t.Errorf("%v after %v", not, counts())
		}
		if not := (*Proofs)(nil).Missing(t.Context(), time.Second); not != nil {
			t.Error("nothing to prove, and something is missing")
		}
	})
}
