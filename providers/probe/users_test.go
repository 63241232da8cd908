package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

const east, west = "us-east-1", "us-west-2"

var addressIn = map[string]string{east: "198.51.100.1", west: "198.51.100.2"}

// crowd is a platform and those who give out its name, in a bubble of time.
type crowd struct {
	t     *testing.T
	u     *Users
	c     engine.Call
	moved bool
	// sends is the Region that each server gives out; empty: it does not answer.
	sends map[string]string
	// answers says how a Region answers the n-th request; an error is a connection that
	// is refused, and hang one that is never answered.
	answers func(region string, n int) (int, error)
	mu      sync.Mutex
	n       int
	told    []incident.WatchObserved
}

var errHang = errors.New("hangs")

func newCrowd(t *testing.T) *crowd {
	w := &crowd{t: t, sends: map[string]string{"": east, "Google": east, "OpenDNS": east}, answers: func(string, int) (int, error) { return 200, nil }}
	w.c = call(t, struct{}{})
	w.c.Step = runbook.Step{ID: "users", Uses: "probe.users"}
	w.c.Plan.Topology.Record = "api.example.com"
	w.c.Plan.Steps = []runbook.Step{{ID: "traffic", Proves: []incident.Trait{incident.UsersServed}}}
	w.c.Result = func(step string) (engine.Outcome, bool) { return engine.Outcome{}, w.moved && step == "traffic" }
	dial := func(ctx context.Context, _, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		region := east
		if host == addressIn[west] {
			region = west
		}
		w.mu.Lock()
		w.n++
		status, err := w.answers(region, w.n)
		w.mu.Unlock()
		if errors.Is(err, errHang) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		if err != nil {
			return nil, err
		}
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			buf := make([]byte, 4096)
			if _, err := there.Read(buf); err == nil {
				_, _ = fmt.Fprintf(there, "HTTP/1.1 %d %s\r\nX-Region: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status, http.StatusText(status), region)
			}
		}()
		return here, nil
	}
	sent := func(context.Context, *runbook.Plan) ([]Given, error) {
		var out []Given
		for _, server := range []string{"", "Google", "OpenDNS"} {
			g := Given{Server: server, Region: w.sends[server]}
			if g.Region == "" {
				g.Err = errors.New(server + " is silent")
			} else {
				g.Addrs = []netip.Addr{netip.MustParseAddr(addressIn[g.Region])}
			}
			out = append(out, g)
		}
		return out, nil
	}
	w.u = New(dial, nil, incident.RealClock{}, "").Users(sent)
	return w
}

// looks watches for a while, and tells what the engine would write down.
func (w *crowd) looks(d time.Duration) {
	w.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Second) {
		o, ok, err := w.u.Look(w.t.Context(), w.c)
		e := incident.WatchObserved{Summary: o.Summary, State: o.State, Measured: o.Measured, Users: o.Users, Evidence: o.Evidence}
		if err != nil {
			e.Verdict, e.Summary = incident.Unsure, err.Error()
		} else if ok != (e.Verdict == incident.Pass) {
			w.t.Errorf("%t, %+v", ok, e)
		}
		if n := len(w.told); n > 0 && w.told[n-1].Verdict == e.Verdict && (w.told[n-1].State == e.State || e.Verdict == incident.Unsure) {
			continue
		}
		w.told = append(w.told, e)
		w.c.Observed = &e
	}
}

func (w *crowd) last(verdict incident.Verdict, says string) incident.WatchObserved {
	w.t.Helper()
	e := w.told[len(w.told)-1]
	if e.Verdict != verdict || !strings.Contains(e.Summary, says) {
		w.t.Errorf("told last: %s %q, want %s %q", e.Verdict, e.Summary, verdict, says)
	}
	return e
}

// A Region that fails a third of what it is asked is told once, as a share, and not with
// each request.
func TestAShareThatMovesAboutIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCrowd(t)
		w.answers = func(_ string, n int) (int, error) {
			if n*7%20 < 7 { // 35 of 100, in no order
				return 503, nil
			}
			return 200, nil
		}
		w.looks(10 * time.Minute)
		if len(w.told) > 12 {
			t.Errorf("told %d times in 10 min", len(w.told))
		}
		e := w.last(incident.Fail, "users are served in part")
		if f := e.Users.Failing(); f < 0.2 || f > 0.5 {
			t.Errorf("%.2f fail", f)
		}
	})
}

// From well to gone, over a move in which resolvers arrive one by one, to well again: a
// line for each thing that people act on.
func TestAWholeMoveIsAFewObservations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCrowd(t)
		w.looks(time.Minute)
		w.last(incident.Pass, "users are served: ")
		w.answers = func(region string, n int) (int, error) {
			switch {
			case region == west:
				return 200, nil
			case n%2 == 0:
				return 0, errHang
			}
			return 0, errors.New("connection refused")
		}
		w.looks(2 * time.Minute)
		w.last(incident.Fail, "users are not served")
		// Route 53 moves users by itself, to pages that are well and a database that
		// cannot be written to: nobody is served by that.
		w.sends = map[string]string{"": west, "Google": west, "OpenDNS": west}
		w.looks(2 * time.Minute)
		w.last(incident.Fail, "users are not served")
		w.sends["OpenDNS"] = east
		w.moved = true
		w.looks(time.Minute)
		if e := w.last(incident.Warn, "OpenDNS still gives out us-east-1"); len(e.Users.Stale) != 1 || len(e.Users.Back) != 0 {
			t.Errorf("%+v", e.Users)
		}
		w.sends["OpenDNS"] = west
		w.looks(3 * time.Minute)
		if e := w.last(incident.Pass, "users are served"); len(e.Users.Stale) != 0 {
			t.Errorf("%+v", e.Users)
		}
		if len(w.told) > 12 {
			t.Errorf("told %d times", len(w.told))
			for _, e := range w.told {
				t.Log(e.Verdict, e.Summary)
			}
		}
	})
}

// Users who had arrived and are sent to the Region that was left again: that is found
// at the next look, also by a process that knows only what the one before it told.
func TestThatUsersGoBackIsSeenAtOnce(t *testing.T) {
	for _, anew := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newCrowd(t)
			w.sends, w.moved = map[string]string{"": west, "Google": west, "OpenDNS": west}, true
			w.looks(time.Minute)
			w.last(incident.Pass, "users are served")
			if anew {
				w.u = w.u.Probe.Users(w.u.sent)
			}
			w.sends["Google"] = east
			w.looks(10 * time.Second)
			if e := w.last(incident.Fail, "users go back to us-east-1: Google"); len(e.Users.Back) != 1 || e.Users.Back[0] != "Google" {
				t.Errorf("%+v", e.Users)
			}
			w.sends = map[string]string{"": east, "Google": east, "OpenDNS": east}
			w.looks(30 * time.Second)
			w.last(incident.Fail, "users go back to us-east-1: the zone's own servers, Google and OpenDNS")
		})
	}
}

// Who cannot ask anybody where users are sent knows nothing about them.
func TestWhatCannotBeAskedIsNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCrowd(t)
		w.sends = map[string]string{}
		w.looks(time.Minute)
		if len(w.told) != 1 {
			t.Errorf("told %d times", len(w.told))
		}
		if e := w.last(incident.Unsure, "silent"); e.Users != nil {
			t.Errorf("%+v", e.Users)
		}
	})
}
