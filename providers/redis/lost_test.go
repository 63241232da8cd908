package redis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/redis"
	"github.com/failoverbot/failoverbot/providers/redis/redistest"
)

// cutter dials connections on which the answer to a chosen command gets lost:
// the server carries it out, the connection breaks before the answer is read.
type cutter struct {
	addr string
	mu   sync.Mutex
	word []byte // in the command
	left int    // answers to lose
	lost int
}

func (c *cutter) lose(word string, times int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.word, c.left, c.lost = []byte(word), times, 0
}

func (c *cutter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

func (c *cutter) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", c.addr)
	return &cutConn{Conn: conn, cutter: c}, err
}

type cutConn struct {
	net.Conn
	cutter *cutter
	cut    bool // the next answer is lost
}

func (c *cutConn) Write(b []byte) (int, error) {
	c.cutter.mu.Lock()
	if c.cutter.left > 0 && bytes.Contains(b, c.cutter.word) {
		c.cutter.left--
		c.cut = true
	}
	c.cutter.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *cutConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b) // the server has answered, so it has done it
	if !c.cut || err != nil {
		return n, err
	}
	c.cutter.mu.Lock()
	c.cutter.lost++
	c.cutter.mu.Unlock()
	_ = c.Close() // broken either way
	return 0, errors.New("connection reset by the test")
}

func throughCutter(t *testing.T, addr string) (*redis.Log, *cutter) {
	t.Helper()
	c := &cutter{addr: addr}
	client := goredis.NewClient(&goredis.Options{Dialer: c.dial, MaxRetries: -1, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	return open(t, redis.Options{Client: client}), c
}

func TestLostAnswer(t *testing.T) {
	for name, addr := range map[string]func(*testing.T) string{
		"miniredis": func(t *testing.T) string { return redistest.Mini(t).Addr() },
		"redis":     func(t *testing.T) string { return redistest.Start(t).Addr },
	} {
		t.Run(name, func(t *testing.T) {
			l, c := throughCutter(t, addr(t))
			// From here on the server knows the scripts, so that each call is one
			// command.
			if _, err := l.Append(t.Context(), write(9, "too far", "x")); !errors.Is(err, incident.ErrMoved) {
				t.Fatal(err)
			}
			for i, secure := range []bool{false, true} {
				after := uint64(2 * i)
				request := fmt.Sprint("lost", i)
				c.lose(request, 1)
				w := write(after, request, "a", "b")
				w.Secure = secure
				got, err := l.Append(t.Context(), w)
				if err != nil || !got.Repeat || got.Seq != after+2 {
					t.Errorf("after a lost answer append returned %+v, %v", got, err)
				}
				if secure == (got.Secured.How == "") {
					t.Errorf("secure %t: %+v", secure, got.Secured)
				}
				if n := c.count(); n != 1 {
					t.Fatalf("%d answers were lost, want 1", n)
				}
			}
			if got := texts(t, l); got != "a b a b" {
				t.Errorf("the timeline holds %q", got)
			}

			// When all tries are lost it is an error that says: perhaps, try again.
			c.lose("gone", 3)
			w := write(4, "gone", "c")
			_, err := l.Append(t.Context(), w)
			if f := incident.CallErrorOf(err); !f.Unknown || !f.Retry || f.NeedsPerson {
				t.Errorf("three lost answers were sorted as %+v", f)
			}
			if n := c.count(); n != 3 {
				t.Errorf("sent %d times, want 3", n)
			}
			got, err := l.Append(t.Context(), w)
			if err != nil || !got.Repeat || got.Seq != 5 {
				t.Errorf("the same write again returned %+v, %v", got, err)
			}
			if got := texts(t, l); got != "a b a b c" {
				t.Errorf("the timeline holds %q", got)
			}

			// An incident, too, is known by the request that began it.
			id, err := l.Reserve(t.Context(), noon, "declared")
			if err != nil {
				t.Fatal(err)
			}
			c.lose("declared", 1)
			begins := incident.Write{Incident: id, Request: "declared", Events: []incident.Event{{Time: noon, Body: incident.IncidentDeclared{Incident: id}}}}
			if got, err := l.Append(t.Context(), begins); err != nil || !got.Repeat {
				t.Errorf("declared with a lost answer: %+v, %v", got, err)
			}
			if again, err := l.Reserve(t.Context(), noon, "declared"); err != nil || again != id {
				t.Errorf("reserved again: %q, %v; want %q", again, err, id)
			}
		})
	}
}

func TestAppendStopsWithItsContext(t *testing.T) {
	l, c := throughCutter(t, redistest.Mini(t).Addr())
	stop := errors.New("the bot is shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	c.lose("r1", 1)
	_, err := l.Append(ctx, write(0, "r1", "a"))
	if !errors.Is(err, stop) || !incident.CallErrorOf(err).Retry {
		t.Errorf("append with an ended context returned %v", err)
	}
}

func TestServerErrorsAreSorted(t *testing.T) {
	for reply, want := range map[string]incident.CallError{
		"LOADING Redis is loading the dataset in memory":          {Retry: true},
		"READONLY You can't write against a read only replica.":   {Retry: true},
		"MASTERDOWN Link with MASTER is down":                     {Retry: true},
		"CLUSTERDOWN The cluster is down":                         {Retry: true},
		"NOREPLICAS Not enough good replicas to write.":           {Retry: true},
		"OOM command not allowed when used memory > 'maxmemory'.": {NeedsPerson: true},
		"MISCONF Redis is configured to save RDB snapshots":       {NeedsPerson: true},
		"NOPERM this user has no permissions":                     {NeedsPerson: true},
		"ERR something new":                                       {NeedsPerson: true},
	} {
		mini := redistest.Mini(t)
		l, err := redis.Open(t.Context(), redis.Options{URL: "redis://" + mini.Addr()}, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		mini.SetError(reply)
		_, err = l.Append(t.Context(), write(1, "r1", "a"))
		f := incident.CallErrorOf(err)
		if f.Retry != want.Retry || f.NeedsPerson != want.NeedsPerson || f.Unknown {
			t.Errorf("%s was sorted as %+v", reply, f)
		}
		if err := l.Disconnect(); err != nil {
			t.Error(err)
		}
	}
}

func TestOwnAppendsWakeWithoutTheServer(t *testing.T) {
	l, c := throughCutter(t, redistest.Mini(t).Addr())
	c.lose("xread", 1<<30) // reading what others append does not work
	woken := make(chan error, 1)
	go func() { woken <- l.Wait(t.Context(), inc, 1) }()
	for after := range uint64(2) {
		if _, err := l.Append(t.Context(), write(after, fmt.Sprint("r", after), "x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-woken; err != nil {
		t.Error(err)
	}
	if err := l.Wait(t.Context(), inc, 0); err != nil {
		t.Error(err)
	}
}
