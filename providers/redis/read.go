package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/failoverbot/failoverbot/incident"
)

// page is how many events one call to Redis returns at most.
const page = 500

// Read returns up to limit events after seq; see incident.Log. A timeline with
// a gap is an error: somebody removed events.
func (l *Log) Read(ctx context.Context, id incident.ID, after uint64, limit int) ([]incident.Event, error) {
	known := l.known(id)
	doing := "read " + string(id)
	var events []incident.Event
	for last := after; ; {
		n := page
		if limit > 0 {
			n = min(n, limit-len(events))
		}
		got, err := l.client.XRangeN(ctx, l.key(id, "log"), entryID(last+1), "+", int64(n)).Result()
		if err != nil {
			return nil, l.fault(ctx, doing, err)
		}
		for _, m := range got {
			e, err := decode(m)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", doing, err)
			}
			if e.Seq != last+1 {
				return nil, fmt.Errorf("%s: event %d is followed by event %d: what was between has been removed from Redis", doing, last, e.Seq)
			}
			events, last = append(events, e), e.Seq
		}
		if limit > 0 && len(events) == limit {
			return events, nil
		}
		if len(got) < n {
			l.shrunk(id, known, last)
			return events, nil
		}
	}
}

func decode(m goredis.XMessage) (incident.Event, error) {
	var e incident.Event
	n, err := seqOf(m.ID)
	if err != nil {
		return e, err
	}
	raw, ok := m.Values["e"].(string)
	if !ok {
		return e, fmt.Errorf("event %d has no field e", n)
	}
	if err := e.UnmarshalJSON([]byte(raw)); err != nil {
		return e, fmt.Errorf("event %d: %w", n, err)
	}
	e.Seq = n
	return e, nil
}

// entryID of the event with that seq.
func entryID(seq uint64) string { return strconv.FormatUint(seq, 10) + "-0" }

func seqOf(entryID string) (uint64, error) {
	s, ok := strings.CutSuffix(entryID, "-0")
	n, err := strconv.ParseUint(s, 10, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("stream entry %s is not ours: its id is not <seq>-0", entryID)
	}
	return n, nil
}
