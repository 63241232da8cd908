package awserr

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/failoverbot/failoverbot/incident"
)

const (
	// attempts is how often a read is sent at most that met with a passing fault.
	attempts = 3
	// longest is the most that a read waits before it is sent again. One that is
	// throttled is sent again for as long as its context lasts: the step has its time.
	longest = 5 * time.Second
	// credit is what all reads of a Region together may spend on asking a Region again
	// that fails, at 5 a time (10 after a time-out); what is answered earns it back. One
	// that is down is thus not hammered, and what another Region needs is not spent on it.
	credit = 100
)

// Once lets a change leave the process a single time: after a lost answer only a
// look knows whether it happened.
func Once() aws.Retryer { return aws.NopRetryer{} }

// Reads makes the retryers of reads. What is retried is the SDK's own decision; the
// waiting happens on the run's clock, because the SDK's would let real time pass in a
// rehearsal whose time stands still.
type Reads struct {
	clock   incident.Clock
	mu      sync.Mutex
	budgets map[string]*budget // by the Region that is asked
}

// budget is what may be spent on the reads of one Region.
type budget struct{ throttled, failed *retry.Standard }

// NewReads returns the retries of one account's reads; those of a Region share a budget.
func NewReads(clock incident.Clock) *Reads {
	return &Reads{clock: clock, budgets: map[string]*budget{}}
}

func (r *Reads) budget(region string) *budget {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.budgets[region]
	if b == nil {
		standard := func(more ...func(*retry.StandardOptions)) *retry.Standard {
			return retry.NewStandard(append(more, func(o *retry.StandardOptions) { o.Backoff = retry.NewExponentialJitterBackoff(longest) })...)
		}
		b = &budget{standard(), standard(func(o *retry.StandardOptions) { o.RateLimiter = ratelimit.NewTokenRateLimit(credit) })}
		r.budgets[region] = b
	}
	return b
}

// judge is the SDK's own judgement of errors.
var judge = retry.NewStandard()

// Call returns the retryer of a single call: set it in that call's options.
func (r *Reads) Call() aws.RetryerV2 { return &reading{Reads: r} }

// reading is one call. The SDK asks first for a token, with the context, and then
// for the delay, without it. So the delay is waited for where the context is, and
// what the SDK then waits for by itself is nothing.
type reading struct {
	*Reads
	mu sync.Mutex
	// retried counts all retries, failed those that were not throttled.
	retried, failed int
}

// IsErrorRetryable is the SDK's own judgement, but for faults that have come too often.
func (r *reading) IsErrorRetryable(err error) bool {
	if !judge.IsErrorRetryable(err) {
		return false
	}
	if throttled(err) {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed++
	return r.failed < attempts
}

// MaxAttempts is no bound: IsErrorRetryable and the context are.
func (r *reading) MaxAttempts() int { return 0 }

// RetryDelay is nothing: GetRetryToken has waited.
func (r *reading) RetryDelay(int, error) (time.Duration, error) { return 0, nil }

// GetRetryToken waits for as long as the SDK would, within ctx, on the clock.
func (r *reading) GetRetryToken(ctx context.Context, opErr error) (func(error) error, error) {
	b := r.budget(awsmiddleware.GetRegion(ctx))
	standard := b.failed
	if throttled(opErr) {
		standard = b.throttled
	}
	release, err := standard.GetRetryToken(ctx, opErr)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.retried++
	n := r.retried
	r.mu.Unlock()
	wait, err := standard.RetryDelay(n, opErr)
	if err != nil {
		return nil, err
	}
	if err := r.clock.Sleep(ctx, wait); err != nil {
		return nil, err
	}
	return release, nil
}

// GetInitialToken is the SDK's.
//
// Deprecated: the SDK calls GetAttemptToken.
func (r *reading) GetInitialToken() func(error) error {
	return func(error) error { return nil }
}

// GetAttemptToken earns the Region something back when the first send is answered.
func (r *reading) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	b := r.budget(awsmiddleware.GetRegion(ctx))
	throttled, err := b.throttled.GetAttemptToken(ctx)
	if err != nil {
		return nil, err
	}
	failed, err := b.failed.GetAttemptToken(ctx)
	if err != nil {
		return nil, err
	}
	return func(err error) error { return errors.Join(throttled(err), failed(err)) }, nil
}
