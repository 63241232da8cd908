package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/failoverbot/failoverbot/incident"
)

// Reserve gives the next id of the year; see incident.Register. It writes nothing:
// the number is taken by the append that begins the timeline.
func (l *Log) Reserve(ctx context.Context, now time.Time, request string) (incident.ID, error) {
	const doing = "open an incident"
	if request == "" {
		return "", errors.New(doing + ": the request has no id")
	}
	id, err := l.client.HGet(ctx, l.shared("begun"), request).Result()
	if err == nil {
		return incident.ID(id), nil
	}
	if !errors.Is(err, goredis.Nil) {
		return "", l.fault(ctx, doing, err)
	}
	year := now.UTC().Year()
	last, err := l.client.HGet(ctx, l.shared("count"), strconv.Itoa(year)).Int()
	if err != nil && !errors.Is(err, goredis.Nil) {
		return "", l.fault(ctx, doing, err)
	}
	return incident.NewID(year, last+1, l.ending()), nil
}

// Incidents are the last ids that have a timeline, in the order in which they began.
func (l *Log) Incidents(ctx context.Context, last int) ([]incident.ID, error) {
	return l.list(ctx, "all", last, "list the incidents")
}

// Open are those that are not closed, in the order in which they began.
func (l *Log) Open(ctx context.Context) ([]incident.ID, error) {
	return l.list(ctx, "open", 0, "list the open incidents")
}

// list reads the last members of a sorted set, all of them for 0.
func (l *Log) list(ctx context.Context, name string, last int, doing string) ([]incident.ID, error) {
	all, err := l.client.ZRange(ctx, l.shared(name), int64(-last), -1).Result()
	if err != nil {
		return nil, l.fault(ctx, doing, err)
	}
	var ids []incident.ID
	for _, id := range all {
		ids = append(ids, incident.ID(id))
	}
	return ids, nil
}

// Holder is the run that may change things now.
func (l *Log) Holder(ctx context.Context) (incident.Holder, error) {
	h, err := l.client.HGetAll(ctx, l.shared("holder")).Result()
	if err != nil {
		return incident.Holder{}, l.fault(ctx, "find the run that changes things", err)
	}
	return incident.Holder{Incident: incident.ID(h["incident"]), Run: incident.RunID(h["run"])}, nil
}

// Remember keeps where something was said on a face.
func (l *Log) Remember(ctx context.Context, id incident.ID, key string, p incident.Place) error {
	doing := fmt.Sprintf("keep where %s of %s was said", key, id)
	b, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if err := l.client.HSet(ctx, l.key(id, "places"), key, b).Err(); err != nil {
		return l.fault(ctx, doing, err)
	}
	return nil
}

// Remembered are all places of an incident. One that cannot be read is left out:
// it is found again on the face.
func (l *Log) Remembered(ctx context.Context, id incident.ID) (map[string]incident.Place, error) {
	all, err := l.client.HGetAll(ctx, l.key(id, "places")).Result()
	if err != nil {
		return nil, l.fault(ctx, fmt.Sprintf("read where things of %s were said", id), err)
	}
	out := map[string]incident.Place{}
	for key, raw := range all {
		var p incident.Place
		if err := json.Unmarshal([]byte(raw), &p); err != nil {
			l.log.Warn().Err(err).Str("incident", string(id)).Str("key", key).Msg("where it was said cannot be read")
			continue
		}
		out[key] = p
	}
	return out, nil
}
