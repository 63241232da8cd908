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
func (l *Log) Acquire(ctx context.Context, id incident.ID, b incident.Bid) (uint64, error) {
	doing := "take the lease of " + string(id)
	if b.Holder == "" {
		return 0, errors.New(doing + ": the holder has no name")
	}
	keys := []string{l.key(id, "lease"), l.key(id, "fence")}
	over := ""
	if b.Over.Token != 0 {
		over = strconv.FormatInt(b.Over.Until.UnixMilli(), 10)
	}
	reply, err := acquireScript.Run(ctx, l.client, keys, b.Holder, b.Now.Add(b.TTL).UnixMilli(), b.Over.Token, over, b.Above).Slice()
	if err != nil {
		return 0, l.fault(ctx, doing, err)
	}
	switch {
	case len(reply) == 2 && reply[0] == "taken":
		if token, ok := reply[1].(int64); ok && token > 0 {
			return uint64(token), nil
		}
	case len(reply) == 4 && reply[0] == "held":
		token, bad := strconv.ParseUint(fmt.Sprint(reply[2]), 10, 64)
		until, worse := strconv.ParseInt(fmt.Sprint(reply[3]), 10, 64)
		if err := errors.Join(bad, worse); err != nil {
			return 0, l.damaged(doing, fmt.Errorf("the lease %v cannot be read: %w", reply[1:], err))
		}
		return 0, &incident.LeaseHeldError{Incident: id, Lease: incident.Lease{
			Holder: fmt.Sprint(reply[1]), Token: token, Until: time.UnixMilli(until).UTC(),
		}}
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
