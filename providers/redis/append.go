package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"github.com/failoverbot/failoverbot/incident"
)

// tries is how often one Append is sent when its answer is lost.
const tries = 3

// Append adds events or nothing; see incident.Log. After a network error it
// sends the same write again, up to three times in all, as long as ctx lasts.
// The fence is looked at before the request: who has lost the lease must stop,
// also when its write was there.
func (l *Log) Append(ctx context.Context, w incident.Write) (incident.Written, error) {
	args, err := arguments(w)
	if err != nil {
		return incident.Written{}, err
	}
	doing := "append to " + string(w.Incident)
	for try := 1; ; try++ {
		written, err := l.append(ctx, w, args)
		if err == nil {
			l.note(w.Incident, written.Seq)
			return written, nil
		}
		if errors.Is(err, incident.ErrFenced) || errors.Is(err, incident.ErrMoved) {
			return incident.Written{}, fmt.Errorf("%s: %w", doing, err)
		}
		err = l.fault(ctx, doing, err)
		if try == tries || !incident.FaultOf(err).Maybe || ctx.Err() != nil {
			return incident.Written{}, err
		}
		l.log.Debug().Err(err).Str("incident", string(w.Incident)).Str("request", w.Request).Int("try", try).
			Msg("append got no answer, sent again")
	}
}

// arguments of append.lua, or the reason why the write cannot be written.
func arguments(w incident.Write) ([]any, error) {
	switch {
	case w.Incident == "":
		return nil, errors.New("append: the write names no incident")
	case w.Request == "":
		return nil, fmt.Errorf("append to %s: the write has no request id", w.Incident)
	case len(w.Events) == 0:
		return nil, fmt.Errorf("append to %s: the write has no events", w.Incident)
	}
	args := make([]any, 0, 3+len(w.Events))
	args = append(args, w.After, w.Fence, w.Request)
	for i, e := range w.Events {
		e.Seq = w.After + uint64(i) + 1
		// Not json.Marshal: it would rewrite the bytes of an unknown event.
		b, err := e.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("append to %s: %w", w.Incident, err)
		}
		if !json.Valid(b) {
			return nil, fmt.Errorf("append to %s: event %d (%s) is not JSON", w.Incident, e.Seq, e.Body.Type())
		}
		args = append(args, b)
	}
	return args, nil
}

func (l *Log) append(ctx context.Context, w incident.Write, args []any) (incident.Written, error) {
	if w.After == 0 {
		// Before the events, so that what has a timeline is on the list. An id
		// that got no events in the end is left out by Incidents.
		if err := registerScript.Run(ctx, l.client, []string{l.index("all")}, string(w.Incident)).Err(); err != nil {
			return incident.Written{}, err
		}
	}
	keys := []string{l.key(w.Incident, "log"), l.key(w.Incident, "fence"), l.key(w.Incident, "requests")}
	if !w.Secure {
		return answer(appendScript.Run(ctx, l.client, keys, args...))
	}
	// WAIT and WAITAOF answer for the writes of their own connection.
	c, err := l.conn(ctx, keys[0])
	if err != nil {
		return l.unsecured(ctx, keys, args, err.Error())
	}
	defer c.Close() //nolint:errcheck // back to the pool
	written, err := answer(appendScript.Run(ctx, c, keys, args...))
	if _, moved := goredis.IsMovedError(err); moved {
		return l.unsecured(ctx, keys, args, "the hash slot was moving to another server")
	}
	if _, ask := goredis.IsAskError(err); ask {
		return l.unsecured(ctx, keys, args, "the hash slot was moving to another server")
	}
	if err != nil {
		return incident.Written{}, err
	}
	written.Secured = l.secure(ctx, c)
	return written, nil
}

// unsecured appends without the wish to wait for more, and says why.
func (l *Log) unsecured(ctx context.Context, keys []string, args []any, why string) (incident.Written, error) {
	written, err := answer(appendScript.Run(ctx, l.client, keys, args...))
	written.Secured.How = "not waited for: " + why
	return written, err
}

// answer reads what append.lua returned.
func answer(cmd *goredis.Cmd) (incident.Written, error) {
	reply, err := cmd.Slice()
	if err != nil {
		return incident.Written{}, err
	}
	if len(reply) == 2 {
		what, _ := reply[0].(string)
		n, isNumber := reply[1].(int64)
		switch {
		case !isNumber:
		case what == "written":
			return incident.Written{Seq: uint64(n)}, nil
		case what == "repeat":
			return incident.Written{Seq: uint64(n), Repeat: true}, nil
		case what == "moved":
			return incident.Written{}, fmt.Errorf("%w: its last event is %d", incident.ErrMoved, n)
		case what == "fenced":
			return incident.Written{}, fmt.Errorf("%w: the newest lease is %d", incident.ErrFenced, n)
		}
	}
	return incident.Written{}, fmt.Errorf("append.lua answered %v", reply)
}
