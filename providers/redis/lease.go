package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// Acquire takes the lease of an incident; see incident.Log and the package
// comment on whose clock counts.
func (l *Log) Acquire(ctx context.Context, id incident.ID, holder string, now time.Time, ttl time.Duration) (uint64, error) {
	doing := "take the lease of " + string(id)
	if holder == "" {
		return 0, errors.New(doing + ": the holder has no name")
	}
	keys := []string{l.key(id, "lease"), l.key(id, "fence")}
	reply, err := acquireScript.Run(ctx, l.client, keys, holder, now.UnixMilli(), now.Add(ttl).UnixMilli()).Slice()
	if err != nil {
		return 0, l.fault(ctx, doing, err)
	}
	switch {
	case len(reply) == 2 && reply[0] == "taken":
		if token, ok := reply[1].(int64); ok && token > 0 {
			return uint64(token), nil
		}
	case len(reply) == 3 && reply[0] == "held":
		until, _ := reply[2].(string)
		if ms, err := strconv.ParseInt(until, 10, 64); err == nil {
			until = time.UnixMilli(ms).UTC().Format(time.RFC3339)
		}
		return 0, fmt.Errorf("%s: %w (%s, until %s)", doing, incident.ErrLeaseHeld, reply[1], until)
	}
	return 0, fmt.Errorf("%s: acquire.lua answered %v", doing, reply)
}

// Renew prolongs a lease that is still ours, or returns ErrFenced.
func (l *Log) Renew(ctx context.Context, id incident.ID, token uint64, now time.Time, ttl time.Duration) error {
	doing := fmt.Sprintf("renew lease %d of %s", token, id)
	ours, err := renewScript.Run(ctx, l.client, []string{l.key(id, "lease")}, token, now.Add(ttl).UnixMilli()).Bool()
	if err != nil {
		return l.fault(ctx, doing, err)
	}
	if !ours {
		return fmt.Errorf("%s: %w", doing, incident.ErrFenced)
	}
	return nil
}

// Release gives a lease back; what is no longer ours stays as it is.
func (l *Log) Release(ctx context.Context, id incident.ID, token uint64) error {
	if err := releaseScript.Run(ctx, l.client, []string{l.key(id, "lease")}, token).Err(); err != nil {
		return l.fault(ctx, fmt.Sprintf("release lease %d of %s", token, id), err)
	}
	return nil
}
