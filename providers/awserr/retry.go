package awserr

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/failoverbot/failoverbot/incident"
)

// attempts is how often a read is sent at most.
const attempts = 3

// Once lets a change leave the process a single time: after a lost answer only a
// look knows whether it happened.
func Once() aws.Retryer { return aws.NopRetryer{} }

// Reads makes the retryers of reads. What is retried and for how long it waits is
// the SDK's own decision; only the waiting happens on the run's clock, because
// the SDK's would let real time pass in a rehearsal whose time stands still.
type Reads struct {
	clock    incident.Clock
	standard *retry.Standard
}

// NewReads returns the retries of one account's reads; they share a budget.
func NewReads(clock incident.Clock) *Reads {
	return &Reads{clock: clock, standard: retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
	})}
}

// Call returns the retryer of a single call: set it in that call's options.
func (r *Reads) Call() aws.RetryerV2 { return &reading{Reads: r} }

// reading is one call. The SDK asks first for a token, with the context, and then
// for the delay, without it. So the delay is waited for where the context is, and
// what the SDK then waits for by itself is nothing.
type reading struct {
	*Reads
	mu      sync.Mutex
	retried int
}

// IsErrorRetryable is the SDK's own judgement.
func (r *reading) IsErrorRetryable(err error) bool { return r.standard.IsErrorRetryable(err) }

// MaxAttempts bounds the sending, the first included.
func (r *reading) MaxAttempts() int { return r.standard.MaxAttempts() }

// RetryDelay is nothing: GetRetryToken has waited.
func (r *reading) RetryDelay(int, error) (time.Duration, error) { return 0, nil }

// GetRetryToken waits for as long as the SDK would, within ctx, on the clock.
func (r *reading) GetRetryToken(ctx context.Context, opErr error) (func(error) error, error) {
	release, err := r.standard.GetRetryToken(ctx, opErr)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.retried++
	n := r.retried
	r.mu.Unlock()
	wait, err := r.standard.RetryDelay(n, opErr)
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

// GetAttemptToken is the SDK's.
func (r *reading) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	return r.standard.GetAttemptToken(ctx)
}
