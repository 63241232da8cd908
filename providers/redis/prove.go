package redis

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

//go:embed scripts/prove.lua
var proveSource string

var proveScript = goredis.NewScript(proveSource)

// Prove writes by script and reads as timelines are read, on keys of its own below
// the prefix, and leaves nothing there. Its error says what the server refuses and
// what to change. It may be called at any time, by several replicas.
func (l *Log) Prove(ctx context.Context) error {
	keys := []string{l.shared("proof:log"), l.shared("proof:hash"), l.shared("proof:set"), l.shared("proof:number")}
	if err := proveScript.Run(ctx, l.client, keys).Err(); err != nil {
		return l.unproved(ctx, "written by script", err)
	}
	for _, read := range []func() error{
		func() error { return l.client.XRangeN(ctx, keys[0], "-", "+", 1).Err() },
		func() error { return l.feeder.XRevRangeN(ctx, keys[0], "+", "-", 1).Err() },
		func() error { return l.feeder.XLen(ctx, keys[0]).Err() },
		func() error { return l.client.HGetAll(ctx, keys[1]).Err() },
		func() error { return l.client.HSet(ctx, keys[1], "a", "1").Err() },
		func() error { return l.client.HGet(ctx, keys[1], "a").Err() },
		func() error { return l.client.ZRange(ctx, keys[2], -1, -1).Err() },
		func() error { return proveScript.Run(ctx, l.client, keys).Err() },
	} {
		if err := read(); err != nil {
			return l.unproved(ctx, "read and written", err)
		}
	}
	return nil
}

func (l *Log) unproved(ctx context.Context, how string, err error) error {
	switch {
	case goredis.IsReadOnlyError(err):
		return fmt.Errorf("Redis at %s is a replica that can only be read (READONLY): name the primary in REDIS_URL", l.addr)
	case goredis.IsPermissionError(err), strings.Contains(err.Error(), "The user executing the script can't run this command"):
		return fmt.Errorf("the user of REDIS_URL may not do what the record needs at %s: %w. Its ACL needs the keys %s* and EVALSHA, EVAL, XREAD and what the scripts call", l.addr, err, l.shared(""))
	case isReply(err):
		return fmt.Errorf("the record cannot be %s: %w", how, l.fault(ctx, "try it", err))
	case errors.Is(err, goredis.ErrClosed):
		return errors.New("the connections to Redis are closed")
	}
	return l.unreachable(ctx, err)
}
