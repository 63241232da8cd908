package redis

import (
	"context"
	"errors"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"github.com/failoverbot/failoverbot/incident"
)

// fault sorts what a call to Redis returned, for the engine. Everything here may
// be called twice, so a lost answer may be retried although it may have
// happened. The prefixes are those of
// https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
func (l *Log) fault(ctx context.Context, doing string, err error) error {
	f := &incident.CallError{Err: fmt.Errorf("redis at %s: %w", l.addr, err)}
	switch {
	case ctx.Err() != nil:
		f.Err = fmt.Errorf("redis at %s: %w (%w)", l.addr, context.Cause(ctx), err)
		f.Retry, f.Unknown = true, true
	case !isReply(err):
		f.Retry, f.Unknown = true, true
		f.Hint = "check that Redis runs and can be reached"
	case goredis.IsReadOnlyError(err):
		f.Retry = true
		f.Hint = "this Redis is a replica that can only be read; it is written to again after a failover, or when REDIS_URL names the primary"
	case goredis.IsLoadingError(err), goredis.IsTryAgainError(err), goredis.IsMaxClientsError(err),
		goredis.IsMasterDownError(err), goredis.IsClusterDownError(err), goredis.IsNoReplicasError(err):
		f.Retry = true
		f.Hint = "Redis is not ready to be written to; it usually is again after a failover or a restart"
	case goredis.IsAuthError(err), goredis.IsPermissionError(err):
		f.NeedsPerson = true
		f.Hint = "check the user, password and permissions in REDIS_URL"
	case goredis.IsOOMError(err):
		f.NeedsPerson = true
		f.Hint = "Redis is at maxmemory: raise it; never evict keys (maxmemory-policy noeviction)"
	case goredis.HasErrorPrefix(err, "MISCONF"):
		f.NeedsPerson = true
		f.Hint = "Redis cannot write to its disk: free space there"
	default:
		f.NeedsPerson = true
	}
	return fmt.Errorf("%s: %w", doing, f)
}

// isReply tells an answer that is an error from no answer.
func isReply(err error) bool {
	var reply goredis.Error
	return errors.As(err, &reply)
}
