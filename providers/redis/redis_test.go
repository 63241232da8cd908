package redis_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/providers/redis"
	"github.com/failoverbot/failoverbot/providers/redis/redistest"
)

const inc = incident.ID("INC-2026-0042")

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, o redis.Options) *redis.Log {
	t.Helper()
	l, err := redis.Open(t.Context(), o, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Disconnect(); err != nil {
			t.Errorf("disconnect: %v", err)
		}
	})
	return l
}

func write(after uint64, request string, texts ...string) incident.Write {
	w := incident.Write{Incident: inc, After: after, Request: request}
	for _, text := range texts {
		w.Events = append(w.Events, incident.Event{Time: noon, Actor: "U1", Body: incident.NoteAdded{Text: text}})
	}
	return w
}

func texts(t testing.TB, l *redis.Log) string {
	t.Helper()
	events, err := l.Read(t.Context(), inc, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		got = append(got, e.Body.(incident.NoteAdded).Text)
	}
	return strings.Join(got, " ")
}

func TestMiniredis(t *testing.T) {
	enginetest.Logs(t, func(t *testing.T) incident.Log {
		return open(t, redis.Options{URL: "redis://" + redistest.Mini(t).Addr()})
	})
}

func TestMiniredisInMemory(t *testing.T) {
	enginetest.Logs(t, func(t *testing.T) incident.Log {
		mini := redistest.Mini(t)
		c := goredis.NewClient(&goredis.Options{
			Dialer:     func(context.Context, string, string) (net.Conn, error) { return mini.Dial() },
			MaxRetries: -1,
		})
		t.Cleanup(func() { _ = c.Close() })
		return open(t, redis.Options{Client: c, Prefix: "other"})
	})
}

func TestRealRedis(t *testing.T) {
	url := redistest.Server(t)
	n := 0
	enginetest.Logs(t, func(t *testing.T) incident.Log {
		n++ // an empty Log each time on the one server
		return open(t, redis.Options{URL: url, Prefix: fmt.Sprint("fb", n)})
	})
}

// Two replicas have nothing in common but the server.
func TestReplicasMeetInTheLog(t *testing.T) {
	for name, url := range map[string]func(*testing.T) string{
		"miniredis": func(t *testing.T) string { return "redis://" + redistest.Mini(t).Addr() },
		"redis":     func(t *testing.T) string { return redistest.Server(t) },
	} {
		t.Run(name, func(t *testing.T) {
			u := url(t)
			a, b := open(t, redis.Options{URL: u}), open(t, redis.Options{URL: u})
			const many = 20
			var wg sync.WaitGroup
			for who, l := range map[string]*redis.Log{"a": a, "b": b} {
				wg.Go(func() {
					// Each adds its own events after whatever is there.
					for n, after := 0, uint64(0); n < many; {
						got, err := l.Append(t.Context(), write(after, fmt.Sprint(who, n), fmt.Sprint(who, n)))
						switch {
						case err == nil:
							after, n = got.Seq, n+1
						case errors.Is(err, incident.ErrMoved):
							if err := l.Wait(t.Context(), inc, after); err != nil {
								t.Error(err)
								return
							}
							events, err := l.Read(t.Context(), inc, after, 0)
							if err != nil {
								t.Error(err)
								return
							}
							after += uint64(len(events))
						default:
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			got := strings.Fields(texts(t, a))
			if len(got) != 2*many {
				t.Fatalf("%d events, want %d: %v", len(got), 2*many, got)
			}
			next := map[byte]int{}
			for _, text := range got {
				if want := fmt.Sprint(string(text[0]), next[text[0]]); text != want {
					t.Fatalf("%s came instead of %s: %v", text, want, got)
				}
				next[text[0]]++
			}

			// What one appends wakes the other, which is already waiting on the server.
			woken := make(chan error, 1)
			go func() { woken <- b.Wait(t.Context(), inc, 2*many) }()
			waitBlocked(t, u)
			if _, err := a.Append(t.Context(), write(2*many, "last", "last")); err != nil {
				t.Fatal(err)
			}
			if err := <-woken; err != nil {
				t.Error(err)
			}
			// And one lease counts for both.
			if _, err := a.Acquire(t.Context(), inc, incident.Bid{Holder: "a", Now: noon, TTL: time.Minute}); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Acquire(t.Context(), inc, incident.Bid{Holder: "b", Now: noon, TTL: time.Minute}); !errors.Is(err, incident.ErrLeaseHeld) || !strings.Contains(err.Error(), "2026-03-14T12:01:00Z") {
				t.Errorf("b got %v", err)
			}
		})
	}
}

// waitBlocked returns when a real server has a client in a blocking read. The
// stand-in does not tell; there the order is left to chance.
func waitBlocked(t *testing.T, url string) {
	t.Helper()
	c := client(t, url)
	for {
		info, err := c.Info(t.Context(), "clients").Result()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(info, "blocked_clients:") || strings.Contains(info, "blocked_clients:1") {
			return
		}
	}
}

func client(t testing.TB, url string) *goredis.Client {
	t.Helper()
	o, err := goredis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := goredis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestKilledServerKeepsWhatItConfirmed(t *testing.T) {
	p := redistest.Start(t, redistest.Fsync("always"))
	l := open(t, redis.Options{URL: p.URL})
	declared := incident.Write{Incident: "INC-2026-0001-abcd", Request: "o1", Events: []incident.Event{{Body: incident.IncidentDeclared{}}}}
	if _, err := l.Append(t.Context(), declared); err != nil {
		t.Fatal(err)
	}
	token, err := l.Acquire(t.Context(), inc, incident.Bid{Holder: "a", Now: noon, TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	// It is killed in the middle of a writer that does not stop for it.
	confirmed := make(chan uint64, 10_000)
	ended := make(chan error, 1)
	go func() {
		for after := uint64(0); ; {
			w := write(after, fmt.Sprint("r", after), fmt.Sprint(after))
			w.Fence = token
			got, err := l.Append(t.Context(), w)
			if err != nil {
				ended <- err
				return
			}
			after = got.Seq
			confirmed <- after
		}
	}()
	var last uint64
	for last < 50 {
		last = <-confirmed
	}
	p.Kill()
	err = <-ended
	close(confirmed)
	for seq := range confirmed {
		last = seq
	}
	if f := incident.CallErrorOf(err); !f.Retry || !f.Unknown || f.NeedsPerson {
		t.Errorf("a dead server was sorted as %+v", f)
	}

	// Who waits meanwhile waits on, and wakes up when it is back.
	waiting := make(chan error, 1)
	go func() { waiting <- l.Wait(t.Context(), inc, last+1000) }()
	if _, err := l.Read(t.Context(), inc, 0, 0); err == nil || !incident.CallErrorOf(err).Retry {
		t.Errorf("reading from a dead server returned %v", err)
	}
	p.Restart()

	events, err := l.Read(t.Context(), inc, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n := uint64(len(events)); n != last && n != last+1 { // the unanswered one may have got there
		t.Fatalf("%d events were confirmed and %d are there", last, n)
	}
	for i, e := range events {
		if e.Body.(incident.NoteAdded).Text != fmt.Sprint(i) {
			t.Fatalf("event %d is %+v", e.Seq, e)
		}
	}
	// The unanswered append is sent again, as the engine would: it is there once.
	w := write(last, fmt.Sprint("r", last), fmt.Sprint(last))
	w.Fence = token
	got, err := l.Append(t.Context(), w)
	if err != nil || got.Seq != last+1 || got.Repeat != (uint64(len(events)) == last+1) {
		t.Errorf("sent again it returned %+v, %v", got, err)
	}
	if next, err := l.Acquire(t.Context(), inc, incident.Bid{
		Holder: "b", Now: noon.Add(time.Hour), TTL: time.Minute, Over: incident.Lease{Holder: "a", Token: token, Until: noon.Add(time.Minute)},
	}); err != nil || next <= token {
		t.Errorf("the lease after the restart has token %d after %d, %v", next, token, err)
	}
	if open, err := l.Open(t.Context()); err != nil || len(open) != 1 || open[0] != "INC-2026-0001-abcd" {
		t.Errorf("open are %q, %v", open, err)
	}
	more := write(last+1, "more")
	for range 1000 {
		more.Events = append(more.Events, write(0, "", "x").Events...)
	}
	if _, err := l.Append(t.Context(), more); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-waiting: // woken early, when the server was back
		if err != nil {
			t.Error(err)
		}
	default:
		if _, err := l.Append(t.Context(), write(last+1001, "and more", "x")); err != nil {
			t.Fatal(err)
		}
		if err := <-waiting; err != nil {
			t.Error(err)
		}
	}
}

func TestAllKeysOfAPlatformShareASlot(t *testing.T) {
	url := redistest.Server(t, redistest.Args("--cluster-enabled", "yes"))
	c := client(t, url)
	slot := func(key string) int64 {
		t.Helper()
		n, err := c.ClusterKeySlot(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	mini := redistest.Mini(t)
	l := open(t, redis.Options{URL: "redis://" + mini.Addr()})
	begun := write(0, "r1", "a")
	begun.Events = append(begun.Events,
		incident.Event{Body: incident.IncidentDeclared{}}, incident.Event{Run: "failover-1", Body: incident.RunBegun{}})
	if _, err := l.Append(t.Context(), begun); err != nil {
		t.Fatal(err)
	}
	if err := l.Remember(t.Context(), inc, "card", incident.Place{TS: "1.0"}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Acquire(t.Context(), inc, incident.Bid{Holder: "a", Now: noon, TTL: time.Minute}); err != nil {
		t.Fatal(err)
	}
	slots := map[int64][]string{}
	for _, key := range mini.Keys() {
		slots[slot(key)] = append(slots[slot(key)], key)
	}
	got := slots[slot("{fb}:all")]
	want := []string{
		"{fb}:INC-2026-0042:fence", "{fb}:INC-2026-0042:lease", "{fb}:INC-2026-0042:log", "{fb}:INC-2026-0042:places",
		"{fb}:INC-2026-0042:requests", "{fb}:all", "{fb}:begun", "{fb}:bell", "{fb}:count", "{fb}:holder", "{fb}:open",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the platform's slot holds %v, want %v", got, want)
	}
	if len(slots) != 1 {
		t.Errorf("keys in %d slots: %v", len(slots), slots)
	}
}

// A cluster refuses a script whose keys are in several slots, also one of one
// node.
func TestCluster(t *testing.T) {
	p := redistest.Start(t, redistest.Args("--cluster-enabled", "yes"))
	c := client(t, p.URL)
	if err := c.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	for {
		info, err := c.ClusterInfo(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(info, "cluster_state:ok") {
			break
		}
		// It takes two seconds to trust itself. There is no replica, so this is a
		// pause on the server's side.
		if err := c.Wait(t.Context(), 1, 50*time.Millisecond).Err(); err != nil {
			t.Fatal(err)
		}
	}
	cluster := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{p.Addr}, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = cluster.Close() })
	n := 0
	enginetest.Logs(t, func(t *testing.T) incident.Log {
		n++
		return open(t, redis.Options{Client: cluster, Prefix: fmt.Sprint("fb", n)})
	})
}

func TestRemovedEventsAreNoticed(t *testing.T) {
	mini := redistest.Mini(t)
	l := open(t, redis.Options{URL: "redis://" + mini.Addr()})
	if _, err := l.Append(t.Context(), write(0, "r1", "a", "b", "c")); err != nil {
		t.Fatal(err)
	}
	c := client(t, "redis://"+mini.Addr())
	if err := c.XDel(t.Context(), "{fb}:INC-2026-0042:log", "2-0").Err(); err != nil {
		t.Fatal(err)
	}
	events, err := l.Read(t.Context(), inc, 0, 0)
	if s := incident.Fold(events); err != nil || len(events) != 3 || s.Damage != "event 2 has been removed from Redis" || s.Notes != 2 {
		t.Errorf("read returned %d events, %v; damage %q", len(events), err, s.Damage)
	}
	// Nothing may be put where it was.
	if got, err := l.Append(t.Context(), write(2, "r2", "x")); err == nil {
		t.Errorf("append returned %+v", got)
	}
}

func TestLostEventsDoNotMakeWaitPromiseThem(t *testing.T) {
	mini := redistest.Mini(t)
	var said strings.Builder
	l, err := redis.Open(t.Context(), redis.Options{URL: "redis://" + mini.Addr()}, zerolog.New(&said))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Disconnect() })
	if _, err := l.Append(t.Context(), write(0, "r1", "a", "b", "c")); err != nil {
		t.Fatal(err)
	}
	mini.FlushAll() // a replica without the events took over
	if err := l.Wait(t.Context(), inc, 1); err != nil {
		t.Fatal(err) // it cannot know yet
	}
	if events, err := l.Read(t.Context(), inc, 1, 0); err != nil || len(events) != 0 {
		t.Fatalf("read %d events, %v", len(events), err)
	}
	if !strings.Contains(said.String(), `"acknowledged":3`) {
		t.Errorf("it was not told: %s", said.String())
	}
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Wait(ctx, inc, 1) }()
	cancel(stop)
	if err := <-ended; !errors.Is(err, stop) {
		t.Errorf("wait returned %v for events that are gone", err)
	}
}

func TestDisconnectEndsWait(t *testing.T) {
	l, err := redis.Open(t.Context(), redis.Options{URL: "redis://" + redistest.Mini(t).Addr()}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Wait(context.Background(), inc, 0) }()
	if err := l.Disconnect(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("wait returned nil on a closed connection")
	}
	if _, err := l.Append(t.Context(), write(0, "r1", "a")); err == nil {
		t.Error("append works on a closed connection")
	}
}

func TestOpenSaysWhatToLookAt(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	locked := redistest.Mini(t)
	locked.RequireAuth("right")
	for name, c := range map[string]struct {
		o    redis.Options
		want []string
	}{
		"nothing":         {redis.Options{}, []string{"REDIS_URL", "redis://"}},
		"nobody there":    {redis.Options{URL: "redis://u:hunter2@" + nobody}, []string{"Redis at " + nobody + " cannot be reached", "refused", "check REDIS_URL"}},
		"wrong password":  {redis.Options{URL: "redis://:hunter2@" + locked.Addr()}, []string{"Redis at " + locked.Addr(), "credentials", "REDIS_URL"}},
		"no password":     {redis.Options{URL: "redis://" + locked.Addr()}, []string{"credentials"}},
		"wrong scheme":    {redis.Options{URL: "http://u:hunter2@127.0.0.1"}, []string{"REDIS_URL has to begin with", "redis://"}},
		"slash in it":     {redis.Options{URL: "redis://:hunter2/x@127.0.0.1:6379"}, []string{"REDIS_URL", "percent-encoded"}},
		"control char":    {redis.Options{URL: "redis://:hunter2\n@127.0.0.1:6379"}, []string{"REDIS_URL", "percent-encoded"}},
		"unknown option":  {redis.Options{URL: "redis://:hunter2@127.0.0.1?colour=red"}, []string{"REDIS_URL cannot be used", "colour"}},
		"brace in prefix": {redis.Options{URL: "redis://" + nobody, Prefix: "{a}"}, []string{"{a}", "brace"}},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := redis.Open(t.Context(), c.o, zerolog.Nop())
			if err == nil {
				_ = l.Disconnect()
				t.Fatal("opened")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q tells the password or is more than a line", err)
			}
		})
	}
}

// The library takes such a password for a path and quotes it.
func TestAURLAtFaultKeepsItsPassword(t *testing.T) {
	for _, url := range []string{
		"redis://:12/secret@host:6379/0", "redis://user:12/secret@host", "redis://:secret@host:6379/zero", "secret://host",
		"redis://:secret%@host", "redis://:secret@host:6379/0?colour=1", "redis://:secret@host:port/0", "redis://:12/secret@host:6379/0?db=secret",
	} {
		_, err := redis.Open(t.Context(), redis.Options{URL: url}, zerolog.Nop())
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "percent-encoded") && !strings.Contains(err.Error(), "option") {
			t.Errorf("%s: error is %v", url, err)
		}
	}
}
