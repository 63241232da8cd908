package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/failoverbot/failoverbot/incident"
)

// abandoned is after how long a reservation without events is given again.
const abandoned = time.Minute

// Open reserves the next id of the year and makes it current; see incident.Log.
func (l *Log) Open(ctx context.Context, now time.Time, request string) (incident.ID, error) {
	const doing = "open an incident"
	if request == "" {
		return "", errors.New(doing + ": the request has no id")
	}
	keys := []string{l.index("current"), l.index("count"), l.index("requests")}
	staleID, staleAt := "", ""
	for range tries {
		reply, err := openScript.Run(ctx, l.client, keys, request, now.UTC().Year(), now.UnixMilli(), staleID, staleAt).StringSlice()
		if err != nil {
			return "", l.fault(ctx, doing, err)
		}
		if len(reply) != 3 {
			return "", fmt.Errorf("%s: open.lua answered %q", doing, reply)
		}
		what, id, at := reply[0], incident.ID(reply[1]), reply[2]
		if what != "open" {
			return id, nil
		}
		ms, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			return "", fmt.Errorf("%s: %s was reserved at %q: %w", doing, id, at, err)
		}
		if now.Sub(time.UnixMilli(ms)) < abandoned {
			return id, incident.ErrOpen
		}
		n, err := l.client.XLen(ctx, l.key(id, "log")).Result()
		if err != nil {
			return "", l.fault(ctx, doing, err)
		}
		if n > 0 {
			return id, incident.ErrOpen
		}
		// If somebody else is given it between here and there, the script says
		// "open" with a newer time and we look again.
		staleID, staleAt = string(id), at
	}
	return "", &incident.Fault{Err: errors.New(doing + ": several replicas open incidents at this moment"), Retry: true}
}

// Current is the incident opened last and not closed, "" if there is none.
func (l *Log) Current(ctx context.Context) (incident.ID, error) {
	id, err := l.client.HGet(ctx, l.index("current"), "id").Result()
	if errors.Is(err, goredis.Nil) {
		return "", nil
	}
	if err != nil {
		return "", l.fault(ctx, "find the current incident", err)
	}
	return incident.ID(id), nil
}

// Close lets the next incident open.
func (l *Log) Close(ctx context.Context, id incident.ID) error {
	if err := closeScript.Run(ctx, l.client, []string{l.index("current")}, string(id)).Err(); err != nil {
		return l.fault(ctx, "close "+string(id), err)
	}
	return nil
}

// Incidents are all ids that have a timeline, in the order in which they began.
func (l *Log) Incidents(ctx context.Context) ([]incident.ID, error) {
	const doing = "list incidents"
	all, err := l.client.ZRange(ctx, l.index("all"), 0, -1).Result()
	if err != nil {
		return nil, l.fault(ctx, doing, err)
	}
	lengths := make([]*goredis.IntCmd, len(all))
	if len(all) > 0 {
		if _, err := l.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
			for i, id := range all {
				lengths[i] = p.XLen(ctx, l.key(incident.ID(id), "log"))
			}
			return nil
		}); err != nil {
			return nil, l.fault(ctx, doing, err)
		}
	}
	var ids []incident.ID
	for i, id := range all {
		if lengths[i].Val() > 0 {
			ids = append(ids, incident.ID(id))
		}
	}
	return ids, nil
}
