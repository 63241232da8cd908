package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/failoverbot/failoverbot/incident"
)

// page is how many events one call to Redis returns at most.
const page = 500

// Read returns up to limit events after seq; see incident.Log. Where somebody removed
// or damaged one it stands as [incident.Broken].
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
				return nil, l.damaged(doing, err)
			}
			for last+1 < e.Seq && (limit == 0 || len(events) < limit) {
				digest := incident.Digest("")
				if last+2 == e.Seq {
					digest = e.Prev
				}
				last++
				events = append(events, incident.Broken(last, digest, nil, "has been removed from Redis"))
			}
			if limit > 0 && len(events) == limit {
				break
			}
			if e.Seq != last+1 {
				return nil, l.damaged(doing, fmt.Errorf("event %d is followed by event %d", last, e.Seq))
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

// decode reads one entry of the stream. One whose bytes are not what was written there
// stands as broken, with the digest that it had: the rest can be read all the same.
func decode(m goredis.XMessage) (incident.Event, error) {
	var e incident.Event
	n, err := seqOf(m.ID)
	if err != nil {
		return e, err
	}
	raw, has := m.Values["e"].(string)
	digest, _ := m.Values["d"].(string)
	err = e.UnmarshalJSON([]byte(raw))
	switch {
	case !has:
		return incident.Broken(n, incident.Digest(digest), nil, "has no content any more"), nil
	case errors.Is(err, incident.ErrFormat):
		return e, fmt.Errorf("event %d: %w", n, err)
	case err != nil:
		return incident.Broken(n, incident.Digest(digest), []byte(raw), "cannot be read"), nil
	case digest != "" && e.Position().Digest != incident.Digest(digest):
		return incident.Broken(n, incident.Digest(digest), []byte(raw), "has been changed in Redis"), nil
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
