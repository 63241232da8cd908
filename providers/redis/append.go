package redis

import (
	"context"
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
	if err := l.follow(ctx, &w); err != nil {
		return incident.Written{}, err
	}
	stored, err := w.Chain()
	if err != nil {
		return incident.Written{}, err
	}
	args := arguments(w, stored)
	doing := "append to " + string(w.Incident)
	for try := 1; ; try++ {
		written, err := l.append(ctx, w, args)
		if err == nil {
			if !written.Repeat {
				written.Events = stored
				l.note(w.Incident, stored[len(stored)-1].Position())
			} else {
				l.note(w.Incident, incident.Position{Seq: written.Seq})
			}
			return written, nil
		}
		var locked *incident.LockedError
		if errors.Is(err, incident.ErrFenced) || errors.Is(err, incident.ErrMoved) || errors.Is(err, incident.ErrTaken) || errors.As(err, &locked) {
			return incident.Written{}, fmt.Errorf("%s: %w", doing, err)
		}
		err = l.fault(ctx, doing, err)
		if try == tries || !incident.CallErrorOf(err).Unknown || ctx.Err() != nil {
			return incident.Written{}, err
		}
		l.log.Debug().Err(err).Str("incident", string(w.Incident)).Str("request", w.Request).Int("try", try).
			Msg("append got no answer, sent again")
	}
}

// follow looks up the digest of the event that the write follows, if the writer
// did not say it.
func (l *Log) follow(ctx context.Context, w *incident.Write) error {
	if w.Prev != "" || w.After == 0 || w.Incident == "" {
		return nil
	}
	last, err := l.Read(ctx, w.Incident, w.After-1, 1)
	if err != nil {
		return err
	}
	if len(last) == 1 {
		w.Prev = last[0].Position().Digest
	}
	return nil
}

// arguments of append.lua.
func arguments(w incident.Write, stored []incident.Event) []any {
	c := w.Claims()
	opens := ""
	switch {
	case c.Closes:
		opens = "closes"
	case c.Opens:
		opens = "opens"
	case c.Reopens:
		opens = "reopens"
	}
	id := w.Incident
	if id == incident.PlatformLog {
		id = ""
	}
	year, n := id.Number()
	args := make([]any, 0, 10+2*len(stored))
	args = append(args, w.After, string(w.Prev), w.Fence, w.Request, string(id), year, n, opens, string(c.Locks), string(c.Unlocks))
	for _, e := range stored {
		args = append(args, e.Raw(), string(e.Position().Digest))
	}
	return args
}

func (l *Log) append(ctx context.Context, w incident.Write, args []any) (incident.Written, error) {
	keys := []string{
		l.key(w.Incident, "log"), l.key(w.Incident, "fence"), l.key(w.Incident, "requests"),
		l.shared("all"), l.shared("open"), l.shared("count"), l.shared("begun"), l.shared("holder"), l.shared("bell"),
	}
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
	if len(reply) >= 2 {
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
		case what == "taken":
			return incident.Written{}, fmt.Errorf("%w: the last one is %d", incident.ErrTaken, n)
		case what == "locked" && len(reply) == 4:
			return incident.Written{}, &incident.LockedError{Holder: incident.Holder{
				Incident: incident.ID(fmt.Sprint(reply[2])), Run: incident.RunID(fmt.Sprint(reply[3])),
			}}
		case what == "fenced":
			return incident.Written{}, fmt.Errorf("%w: the newest lease is %d", incident.ErrFenced, n)
		}
	}
	return incident.Written{}, fmt.Errorf("append.lua answered %v", reply)
}
