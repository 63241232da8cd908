package rehearsal

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim/slacktest"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// What is left of a killed bot writes nothing, lets nothing go, and reaches neither
// Slack nor the world.
func TestTheDeadDoNothingMore(t *testing.T) {
	r := &rehearsal{
		Options: Options{Scenario: "region-degraded", Speed: 4, Listen: "127.0.0.1:0", Stdout: new(safeBuffer), Log: zerolog.Nop(), Templates: templates.FS},
	}
	var err error
	if r.scn, err = sim.Load(r.Scenario); err != nil {
		t.Fatal(err)
	}
	defer func() {
		for i := range r.closes {
			r.closes[len(r.closes)-1-i]()
		}
	}()
	if err := r.startStage(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, l, err := r.newBotProcess(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	log := enginetest.NewMemory()
	ours := killableLog{log, l}
	now := r.clock.Now()
	const ttl = time.Minute
	id, err := ours.Reserve(t.Context(), now, "begin")
	if err != nil {
		t.Fatal(err)
	}
	token, err := ours.Acquire(t.Context(), id, incident.Bid{Holder: "a", Now: now, TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	slack := strings.TrimSuffix(l.replica().Slack.APIURL, "/") + "/api.test"
	reach := func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, slack, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	if err := errors.Join(ours.Renew(t.Context(), id, token, now, ttl), r.called(sim.Call{}, true), reach()); err != nil {
		t.Fatalf("alive: %v", err)
	}

	l.kill()
	l.kill() // once more does nothing
	if ctx.Err() == nil {
		t.Error("its context goes on")
	}
	_, acquired := ours.Acquire(t.Context(), id, incident.Bid{Holder: "a", Now: now, TTL: ttl})
	_, appended := ours.Append(t.Context(), incident.Write{Incident: id, Events: []incident.Event{{Time: now, Actor: "U1", Body: incident.NoteAdded{Text: "x"}}}})
	for what, err := range map[string]error{
		"acquire": acquired, "append": appended,
		"renew": ours.Renew(t.Context(), id, token, now, ttl), "release": ours.Release(t.Context(), id, token), "remember": ours.Remember(t.Context(), id, "card", incident.Place{}),
		"a call before it leaves": r.called(sim.Call{}, true), "the answer of a call": r.called(sim.Call{}, false),
	} {
		if !errors.Is(err, errKilled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := reach(); err == nil {
		t.Error("Slack is still reached")
	}
	if events, err := log.Read(t.Context(), id, 0, 0); err != nil || len(events) > 0 {
		t.Errorf("%v %v", events, err)
	}
	if _, err := log.Acquire(t.Context(), id, incident.Bid{Holder: "b", Now: now.Add(time.Second), TTL: ttl}); !errors.Is(err, incident.ErrLeaseHeld) {
		t.Errorf("the lease was let go: %v", err)
	}
	l.wait()

	// Whoever comes next is bound by nothing of that.
	_, next, err := r.newBotProcess(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer next.wait()
	if err := r.called(sim.Call{}, true); err != nil {
		t.Errorf("the next life: %v", err)
	}
}

func TestAWireKeepsNoConnectionThatWasClosed(t *testing.T) {
	slack := httptest.NewServer(http.NotFoundHandler())
	defer slack.Close()
	w, err := newProxy(slack.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer w.ends.Wait()
	defer w.sever()
	open := func() int { w.mu.Lock(); defer w.mu.Unlock(); return len(w.conns) }
	for range 3 {
		c, err := net.Dial("tcp", w.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		slacktest.Until(t, "a connection", func() bool { return open() == 2 })
		_ = c.Close()
		slacktest.Until(t, "its end", func() bool { return open() == 0 })
	}
}

// safeBuffer is written by many and read at the end.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
