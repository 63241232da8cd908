package incident

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/failoverbot/failoverbot/incident/text"
)

// Proof is something that has to be so before anybody can rely on the bot, and how
// that is found out: by trying it, without leaving anything behind.
type Proof struct {
	// Name is what is proved: "the record can be written".
	Name string
	// Where it is proved: a place or a Region; may be empty.
	Where string
	// Prove returns nil if it is so. Otherwise its error is a sentence that says what
	// is not so and what to do. May be called at any time.
	Prove func(ctx context.Context) error
}

// Unproved is a Proof that did not come about, and why.
type Unproved struct {
	Proof
	Err error
}

// String is a line for people.
func (u Unproved) String() string {
	name := u.Name
	if u.Where != "" {
		name += " (" + u.Where + ")"
	}
	return "Not so: " + name + ": " + text.Bare(u.Err)
}

// Proofs are tried all at once, and remembered while they hold. The zero value has
// none. Its methods may be called concurrently.
type Proofs struct {
	Clock Clock
	// List is what is to be proved, in the order in which it is said.
	List []Proof
	// Holds is how long what was proved need not be tried again by Missing.
	Holds time.Duration

	mu sync.Mutex
	at []time.Time // when each was last proved
}

// Try tries all, each for so long at most, whatever it calls does, and returns those
// that did not come about.
func (p *Proofs) Try(ctx context.Context, within time.Duration) []Unproved {
	return p.try(ctx, within, func(int) bool { return true })
}

// Missing is Try of those that were not proved lately.
func (p *Proofs) Missing(ctx context.Context, within time.Duration) []Unproved {
	if p == nil || len(p.List) == 0 {
		return nil
	}
	now := p.Clock.Now()
	p.mu.Lock()
	at := slices.Clone(p.at)
	p.mu.Unlock()
	return p.try(ctx, within, func(i int) bool { return len(at) == 0 || at[i].IsZero() || now.Sub(at[i]) > p.Holds })
}

func (p *Proofs) try(ctx context.Context, within time.Duration, wanted func(int) bool) []Unproved {
	if p == nil || len(p.List) == 0 {
		return nil
	}
	errs := make([]error, len(p.List))
	tried := make([]bool, len(p.List))
	Together(p.Clock, len(p.List), func(i int) {
		if tried[i] = wanted(i); !tried[i] {
			return
		}
		ctx, stop := p.Clock.WithTimeout(ctx, within, fmt.Errorf("it was not found out within %s", within))
		defer stop()
		_, errs[i] = Within(ctx, p.Clock, func(ctx context.Context) (struct{}, error) { return struct{}{}, p.List[i].Prove(ctx) })
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at == nil {
		p.at = make([]time.Time, len(p.List))
	}
	var out []Unproved
	for i, err := range errs {
		switch {
		case err != nil:
			p.at[i] = time.Time{}
			out = append(out, Unproved{p.List[i], err})
		case tried[i]:
			p.at[i] = p.Clock.Now()
		}
	}
	return out
}

// grace is how long, in real time, a callee whose time is up has to say so itself: its
// own error knows more. Afterwards it is not waited for.
const grace = 250 * time.Millisecond

// Within is f, but returns when ctx ends whatever f does. Programs that are run for
// credentials, resolvers and files may not know of ctx at all. What an f that was left
// behind still finds is thrown away; it must not change anything that others read.
func Within[T any](ctx context.Context, clock Clock, f func(ctx context.Context) (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	got := make(chan answer, 1)
	done := clock.Busy()
	go func() {
		defer done()
		v, err := f(ctx)
		got <- answer{v, err}
	}()
	resume := clock.Idle()
	defer resume()
	select {
	case a := <-got:
		return a.v, a.err
	case <-ctx.Done():
	}
	late, stop := RealClock{}.WithTimeout(context.WithoutCancel(ctx), grace, context.Cause(ctx))
	defer stop()
	select {
	case a := <-got:
		return a.v, a.err
	case <-late.Done():
		done() // nobody waits for it any more
		var none T
		return none, context.Cause(ctx)
	}
}
