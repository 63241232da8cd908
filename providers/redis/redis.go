// Package redis keeps timelines and leases on Redis.
//
// A timeline is a stream with ids of our own, <seq>-0, counting from 1 without a
// gap, never trimmed. Whoever appends says which event it follows, by number and
// digest; one script checks that, the lease token, the request id and the
// platform's lock, and adds the events in one piece. Two people who press at once,
// or two replicas, meet in that script.
//
//	{fb}:INC-2026-0042-k7qx:log       the timeline, a stream; e is the event as JSON, d its digest
//	{fb}:INC-2026-0042-k7qx:requests  request id -> seq of its last event
//	{fb}:INC-2026-0042-k7qx:lease     holder, token, until
//	{fb}:INC-2026-0042-k7qx:fence     the newest lease token
//	{fb}:INC-2026-0042-k7qx:places    where something was said on a face
//	{fb}:platform:...                 the same of the platform log
//	{fb}:all, open, count, begun      the register of incidents
//	{fb}:holder                       the run that may change things
//	{fb}:bell                         tells every replica of each append
//
// The braces put all keys of a platform into one hash slot, so that one script may
// touch them on a cluster too.
//
// # Sent twice, done once
//
// After a lost answer nobody knows whether an append went through. So each one
// carries the id of the decision it stands for, kept beside the stream for good:
// the same [incident.Write] again gets the first answer and adds nothing. Append
// itself sends it up to three times. The client library below retries nothing,
// because its retries do not know what may run twice.
//
// # Whose clock
//
// A lease runs out by the clock of its callers, whose time is an argument of the
// scripts; the server's clock and its key expiry are not used. In a rehearsal
// time runs faster than life or stands still, and a lease must do the same. No script
// compares two clocks: a lease is taken over by who names it exactly as it is, having
// watched that nobody renews it. Each lease has a token greater than all before it, and
// an append counts only with the newest. The lease saves work, the token is the safety.
//
// What neither can stop is a call to somebody else that is already under way. The
// engine waits for it until [incident.ChangeIntended].Until, which is read by the
// same clocks: a replica that is started after the other's death, and whose clock is
// ahead, is past Until early, looks while the other's call may still arrive, and may
// send it again. So keep the clocks of all replicas synchronised by NTP (chrony,
// systemd-timesyncd, or what the cloud provides) and alert when one is off by more
// than a second; two replicas that disagree show in the timeline as events dated
// before those that they follow.
//
// # When Redis is down
//
// Every method but Wait returns an [incident.CallError] with an
// [incident.RecordError] inside that says what is the matter; the table of replies sorts
// what Redis answers. Wait
// waits on, and wakes up when Redis is back. Nothing is kept here in the
// meantime. How safe an appended event is depends on the server:
// [Log.Durability] says it in a sentence, and Write.Secure asks for all that
// there is. Keys must never be evicted: maxmemory-policy noeviction.
package redis

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
)

// Options say which Redis. Either URL or Client is needed.
type Options struct {
	// URL of a single server: redis://user:password@host:6379/0, rediss:// for
	// TLS, unix:// for a socket.
	URL string
	// Client to use instead: for Sentinel, a cluster, or a server inside the
	// process. It stays the caller's: Disconnect does not close it. Give it
	// MaxRetries -1 and ContextTimeoutEnabled.
	Client goredis.UniversalClient
	// Prefix of all keys; "fb" when empty. It may not contain braces.
	Prefix string
	// Clock paces reconnecting; the machine's when nil.
	Clock incident.Clock
	// Ending makes the endings of new ids; incident.Ending when nil. Only a
	// rehearsal that has to come out the same twice gives another.
	Ending func() string
}

// Log is an incident.Log on Redis. Its methods may be called concurrently.
type Log struct {
	client goredis.UniversalClient
	// feeder carries the blocking reads of Wait, so that they never take a
	// connection that an append needs.
	feeder goredis.UniversalClient
	owned  []func() error // what Disconnect closes, in reverse
	addr   string
	prefix string
	clock  incident.Clock
	ending func() string
	log    zerolog.Logger

	mu      sync.Mutex
	feeds   map[incident.ID]*feed
	ended   context.Context // of the feeds; ends with Disconnect
	end     context.CancelFunc
	feeding sync.WaitGroup
}

var _ incident.Log = (*Log)(nil)

// Open connects and pings once. The error says in a sentence what to look at and
// holds no password. Disconnect undoes it.
func Open(ctx context.Context, o Options, log zerolog.Logger) (*Log, error) {
	l := &Log{prefix: o.Prefix, clock: o.Clock, ending: o.Ending, log: log, feeds: map[incident.ID]*feed{}}
	if l.prefix == "" {
		l.prefix = "fb"
	}
	if strings.ContainsAny(l.prefix, "{}") {
		return nil, fmt.Errorf("redis key prefix %q contains a brace: braces choose the hash slot", o.Prefix)
	}
	if l.clock == nil {
		l.clock = incident.RealClock{}
	}
	if l.ending == nil {
		l.ending = incident.Ending
	}
	switch {
	case o.Client != nil && o.URL != "":
		return nil, errors.New("open redis: both an URL and a client are given, one is needed")
	case o.Client != nil:
		l.client = o.Client
	default:
		opt, err := parse(o.URL)
		if err != nil {
			return nil, err
		}
		c := goredis.NewClient(opt)
		l.client, l.owned = c, append(l.owned, c.Close)
	}
	l.addr = address(l.client)
	l.feeder = l.client
	if c := sibling(l.client); c != nil {
		l.feeder, l.owned = c, append(l.owned, c.Close)
	}
	l.ended, l.end = context.WithCancel(context.Background())
	if err := l.client.Ping(ctx).Err(); err != nil {
		err = l.unreachable(ctx, err)
		return nil, errors.Join(err, l.Disconnect())
	}
	return l, nil
}

// ClientLog sends what the client library says to itself (a connection that
// could not be made) to log, at debug; by default it goes to stderr as plain
// lines. It holds for the whole process, so it is for main to call.
func ClientLog(log zerolog.Logger) { goredis.SetLogger(clientLog{log}) }

type clientLog struct{ log zerolog.Logger }

func (c clientLog) Printf(_ context.Context, format string, v ...any) {
	c.log.Debug().Msgf(format, v...)
}

// Disconnect ends every Wait and closes the connections that Open made. The Log
// is of no use afterwards.
func (l *Log) Disconnect() error {
	l.mu.Lock()
	l.end()
	l.mu.Unlock()
	var errs []error
	for _, v := range slices.Backward(l.owned) {
		errs = append(errs, v())
	}
	l.feeding.Wait()
	l.owned = nil
	return errors.Join(errs...)
}

// parse reads the URL. What the libraries say about a bad one may quote a piece of
// the password, so it is not passed on.
func parse(raw string) (*goredis.Options, error) {
	const want = "it looks like redis://user:password@host:6379/0 (rediss:// for TLS)"
	if raw == "" {
		return nil, errors.New("no Redis is named: set REDIS_URL; " + want)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("REDIS_URL is not a URL: " + want + "; special characters in the password have to be percent-encoded")
	}
	if u.Scheme != "redis" && u.Scheme != "rediss" && u.Scheme != "unix" {
		return nil, errors.New("REDIS_URL has to begin with redis://, rediss:// or unix://: " + want + "; special characters in the password have to be percent-encoded")
	}
	opt, err := goredis.ParseURL(raw)
	if err != nil {
		if name := strangeOption(raw, u); name != "" {
			return nil, fmt.Errorf("REDIS_URL cannot be used: its option %q is not one that is known, or its value is not: correct it or take it out; %s", name, want)
		}
		// Its text is left out: of redis://:12/secret@host:6379/0 it takes what
		// stands behind the first slash for the database, and quotes it.
		return nil, errors.New("REDIS_URL cannot be used: " + want +
			"; the scheme is redis, rediss or unix, the database is a number, and special characters in the password, / too, have to be percent-encoded")
	}
	opt.MaxRetries = -1
	opt.ContextTimeoutEnabled = true
	opt.DialTimeout = 3 * time.Second
	opt.DialerRetries = 1
	opt.ReadTimeout = 3 * time.Second
	opt.WriteTimeout = 3 * time.Second
	opt.DisableIdentity = true
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return opt, nil
}

// strangeOption is the name of an option of the URL that makes it unusable, alone of
// those that are given; empty if it is none of them. Its value is not shown.
func strangeOption(raw string, u *url.URL) string {
	bare, _, _ := strings.Cut(raw, "?")
	if _, err := goredis.ParseURL(bare); err != nil {
		return ""
	}
	for name, values := range u.Query() {
		one := url.Values{name: values}
		if _, err := goredis.ParseURL(bare + "?" + one.Encode()); err != nil {
			return name
		}
	}
	return ""
}

// sibling is a second client to the same place, nil if we cannot make one.
func sibling(c goredis.UniversalClient) goredis.UniversalClient {
	switch c := c.(type) {
	case *goredis.Client:
		o := *c.Options()
		o.MaxRetries, o.MinIdleConns = -1, 0
		o.PushNotificationProcessor = nil // belongs to one client
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		return goredis.NewClient(&o)
	case *goredis.ClusterClient:
		o := *c.Options()
		o.MinIdleConns = 0
		o.PushNotificationProcessor = nil
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		return goredis.NewClusterClient(&o)
	}
	return nil
}

func address(c goredis.UniversalClient) string {
	switch c := c.(type) {
	case *goredis.Client:
		return c.Options().Addr
	case *goredis.ClusterClient:
		return strings.Join(c.Options().Addrs, ", ")
	}
	return "the given client"
}

func (l *Log) unreachable(ctx context.Context, err error) error {
	switch {
	case goredis.IsAuthError(err), goredis.HasErrorPrefix(err, "AUTH"):
		return fmt.Errorf("Redis at %s does not accept the credentials: %w; check user and password in REDIS_URL", l.addr, err)
	case goredis.IsPermissionError(err):
		return fmt.Errorf("Redis at %s refuses: %w; give the user of REDIS_URL the permissions", l.addr, err)
	case goredis.IsLoadingError(err):
		return fmt.Errorf("Redis at %s is still loading its data: %w; try again in a moment", l.addr, err)
	case ctx.Err() != nil:
		err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	return fmt.Errorf("Redis at %s cannot be reached: %w; check REDIS_URL", l.addr, err)
}

// key of a timeline. All keys of a platform share a hash slot.
func (l *Log) key(id incident.ID, name string) string {
	return l.shared(string(id) + ":" + name)
}

// shared is a key of what belongs to no single incident.
func (l *Log) shared(name string) string { return "{" + l.prefix + "}:" + name }

// conn is one connection to the server that key lives on. The caller closes it.
func (l *Log) conn(ctx context.Context, key string) (*goredis.Conn, error) {
	switch c := l.client.(type) {
	case *goredis.Client:
		return c.Conn(), nil
	case *goredis.ClusterClient:
		n, err := c.MasterForKey(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("find the server of %s: %w", key, err)
		}
		return n.Conn(), nil
	}
	return nil, fmt.Errorf("a client of type %T has no connections to take", l.client)
}
