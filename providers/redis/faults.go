package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/failoverbot/failoverbot/incident"
)

// reply is an error reply of Redis, by its first word, and what it means here.
type reply struct {
	code    string
	trouble incident.Trouble
	says    string
	helps   string
}

// replies are the error replies that Redis gives to what this package asks. The first
// that fits counts. The codes are those of Redis's src/server.c (createSharedObjects)
// and src/cluster.c; a script repeats them, since Redis 7 at the beginning of the line
// and before within it.
// https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
var replies = []reply{
	{"LOADING", incident.NotReady, "is still loading its data", "It answers as soon as that is done; try again then."},
	{"CLUSTERDOWN", incident.NotReady, "is a cluster of which a part is down", "Look at the cluster's nodes; it goes on once every slot has a server. Then try again."},
	{"MASTERDOWN", incident.NotReady, "is a replica that has lost its primary", "It goes on once the primary is back or a replica was promoted. Then try again."},
	{"TRYAGAIN", incident.NotReady, "is moving its keys to another server", "Try again in a moment."},
	{"BUSY", incident.NotReady, "is busy with somebody's script", "It answers when that has ended; SCRIPT KILL ends it."},
	{"UNBLOCKED", incident.NotReady, "has become a replica", "Try again in a moment."},
	{"max number of clients", incident.NotReady, "has no connection left", "Close others, or raise maxclients; then try again."},
	{"NOREPLICAS", incident.TakesNothing, "has too few replicas to take anything new", "Bring its replicas back, or lower min-replicas-to-write."},
	{"READONLY", incident.TakesNothing, "is a read-only replica", "Point REDIS_URL at the primary, or promote this one."},
	{"OOM", incident.TakesNothing, "is at its maxmemory", "Raise maxmemory; never let it evict keys (maxmemory-policy noeviction)."},
	{"MISCONF", incident.TakesNothing, "cannot write to its disk", "Free space on the disk of Redis, or repair it."},
	{"NOAUTH", incident.Forbidden, "wants a password", "Put user and password into REDIS_URL."},
	{"WRONGPASS", incident.Forbidden, "does not accept the password", "Check user and password in REDIS_URL."},
	{"NOPERM", incident.Forbidden, "does not permit that to the bot's user", "Permit the user of REDIS_URL what the bot needs: reading, writing, EVAL, EVALSHA and WAITAOF on its keys, which begin with {fb}."},
	{"DENIED", incident.Forbidden, "is in protected mode", "Set a password, and put it into REDIS_URL."},
	{"NOSCRIPT", incident.Forbidden, "does not keep the bot's scripts", "Permit EVAL and EVALSHA to the user of REDIS_URL; a proxy in between has to hand them on."},
	{"unknown command", incident.Forbidden, "does not know a command that is needed", "It has to be Redis 6.2 or later, without renamed commands."},
	{"WRONGTYPE", incident.Damaged, "has a key of another kind where one of the bot's should be", "Look who else writes to this Redis, and move the foreign key away; what stood there before comes back from a backup."},
	{"equal or smaller", incident.Damaged, "has lost events that were removed by hand, and takes none in their place", "Permit XSETID to the user of REDIS_URL, so that the bot can write behind what is left, or bring the events back from a backup."},
}

// of finds what an error reply means.
func of(err error) (reply, bool) {
	text := err.Error()
	for _, r := range replies {
		if strings.HasPrefix(text, r.code+" ") || text == r.code || strings.Contains(text, " "+r.code) || strings.Contains(text, "-"+r.code+" ") {
			return r, true
		}
	}
	return reply{}, false
}

// fault sorts what a call to Redis returned, for the engine and for people. Everything
// here may be called twice, so a lost answer may be retried although it may have
// happened. A reply that is an error has changed nothing.
func (l *Log) fault(ctx context.Context, doing string, err error) error {
	at := fmt.Errorf("redis at %s: %w", l.addr, err)
	r, known := of(err)
	f := &incident.CallError{}
	switch {
	case ctx.Err() != nil:
		at = fmt.Errorf("redis at %s: %w (%w)", l.addr, context.Cause(ctx), err)
		fallthrough
	case !isReply(err):
		f.Retry, f.Unknown = true, true
		r = reply{trouble: incident.Unreachable, says: "cannot be reached", helps: "Check that Redis runs and can be reached; then try again."}
	case known && (r.trouble == incident.NotReady || r.code == "READONLY" || r.code == "NOREPLICAS"):
		f.Retry = true // these two pass by themselves where a failover is under way
	case known:
		f.NeedsPerson = true
	default:
		f.NeedsPerson = true
		r = reply{trouble: incident.TakesNothing, says: "refuses", helps: "Whoever keeps Redis has to look; trying again does not help by itself."}
	}
	f.Hint = r.helps
	f.Err = &incident.RecordError{Trouble: r.trouble, Says: r.says, Helps: r.helps, Err: at}
	return fmt.Errorf("%s: %w", doing, f)
}

// damaged is the error of a key that holds what this program has not written.
func (l *Log) damaged(doing string, err error) error {
	const helps = "Look who else writes to this Redis; what stood there before comes back from a backup."
	return fmt.Errorf("%s: %w", doing, &incident.CallError{
		NeedsPerson: true, Hint: helps,
		Err: &incident.RecordError{
			Trouble: incident.Damaged, Says: "holds what the bot has not written", Helps: helps,
			Err: fmt.Errorf("redis at %s: %w", l.addr, err),
		},
	})
}

// isReply tells an answer that is an error from no answer.
func isReply(err error) bool {
	var reply goredis.Error
	return errors.As(err, &reply)
}
