package rehearsal

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/pagerduty"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// routingKey is as long as PagerDuty's are.
const routingKey = "R0UT1NGKEY0F0RDERS0C0MMERCE00000"

// paged is one event that came to PagerDuty, at that pretend moment.
type paged struct {
	at          time.Time
	RoutingKey  string `json:"routing_key"`
	EventAction string `json:"event_action"`
	DedupKey    string `json:"dedup_key"`
	Payload     *struct {
		Summary  string `json:"summary"`
		Source   string `json:"source"`
		Severity string `json:"severity"`
	} `json:"payload"`
}

// pager is PagerDuty's end of the Events API, on loopback.
type pager struct {
	*httptest.Server
	// answer says what comes of an event; it may take its time.
	answer func(w http.ResponseWriter, r *http.Request, clock *sim.Clock)

	mu    sync.Mutex
	clock *sim.Clock
	pages []paged
}

func newPager(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, clock *sim.Clock)) *pager {
	t.Helper()
	p := &pager{answer: answer}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var got paged
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.Method != http.MethodPost || r.URL.Path != "/v2/enqueue" {
			t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		}
		p.mu.Lock()
		clock := p.clock
		got.at = clock.Now()
		p.pages = append(p.pages, got)
		p.mu.Unlock()
		p.answer(w, r, clock)
	}))
	t.Cleanup(p.Close)
	return p
}

func accepts(w http.ResponseWriter, _ *http.Request, _ *sim.Clock) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write([]byte(`{"status":"success","message":"Event processed","dedup_key":"as sent"}`))
}

func breaks(w http.ResponseWriter, _ *http.Request, _ *sim.Clock) {
	w.WriteHeader(http.StatusInternalServerError)
}

// hangs reads the event and never answers. Pretend time goes on meanwhile, for
// the caller waits for nothing but its own time-out.
func hangs(_ http.ResponseWriter, r *http.Request, clock *sim.Clock) {
	resume := clock.Idle()
	<-r.Context().Done()
	resume()
}

// patient is a Log whose whole timeline, which the review is drafted from, is
// read only when the page has been taken back or given up: with the review the
// rehearsal ends.
type patient struct {
	incident.Log
	clock *sim.Clock
}

func (l patient) Read(ctx context.Context, id incident.ID, after uint64, limit int) ([]incident.Event, error) {
	for end := l.clock.Now().Add(100 * time.Second); ; {
		events, err := l.Log.Read(ctx, id, after, limit)
		if err != nil || after > 0 || limit > 0 {
			return events, err
		}
		s := incident.Fold(events)
		if s.ResolvedAt.IsZero() || s.Step("page-resolved").Status.Settled() || l.clock.Now().After(end) {
			return events, nil
		}
		if err := l.clock.Sleep(ctx, time.Second); err != nil {
			return nil, err
		}
	}
}

// withPager plays region-degraded with PagerDuty set.
func withPager(t *testing.T, p *pager) *incident.State {
	t.Helper()
	s, _ := withTestService(t, p, false)
	return s
}

// withTestService is the same with a test service there, or without, and gives its alerts,
// too.
func withTestService(t *testing.T, p *pager, tested bool) (*incident.State, map[string]*sim.Alert) {
	t.Helper()
	var alerts map[string]*sim.Alert
	var printed bytes.Buffer
	r := &rehearsal{
		Options: Options{Auto: true, Scenario: "region-degraded", Speed: sim.Max, Listen: "127.0.0.1:0", Stdout: &printed, Log: zerolog.Nop(), Templates: templates.FS},
	}
	r.ready = func(r *rehearsal) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.clock = r.clock
		r.closes = append(r.closes, func() { alerts = r.world.Snapshot().Pager.Test.Alerts })
		return nil
	}
	r.change = func(one *bot.Options) {
		if tested {
			one.Connections.PagerTest = &pagerduty.Test{
				Page: pagerduty.Settings{RoutingKey: sim.PagerTestKey, Endpoint: r.world.PagerDuty()},
				API:  pagerduty.API{Token: sim.PagerToken, Service: sim.PagerTestService, Endpoint: r.world.PagerDuty()},
			}
		}
		one.Connections.Page = &pagerduty.Settings{RoutingKey: routingKey, Endpoint: p.URL}
		one.Topology.Policy.Page = true
		one.Record = patient{one.Record, r.clock}
	}
	if err := r.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, tail(printed.String(), 40))
	}
	if strings.Contains(printed.String(), routingKey) {
		t.Error("the routing key was printed")
	}
	for _, e := range r.seen {
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(routingKey)) {
			t.Errorf("the routing key is on the timeline, in event %d", e.Seq)
		}
	}
	return incident.Fold(r.seen), alerts
}

func (p *pager) got() []paged {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.pages)
}

func TestAFailoverPagesOnceAndTakesThePageBackInTheEnd(t *testing.T) {
	p := newPager(t, accepts)
	s := withPager(t, p)
	got := p.got()
	if len(got) != 2 || got[0].EventAction != "trigger" || got[1].EventAction != "resolve" {
		t.Fatalf("PagerDuty got %+v, want one trigger and one resolve", got)
	}
	for _, one := range got {
		if one.DedupKey != string(s.ID) || one.RoutingKey != routingKey {
			t.Errorf("%s: dedup key %q, want %q; routing key %q", one.EventAction, one.DedupKey, s.ID, one.RoutingKey)
		}
	}
	trigger, resolve := got[0], got[1]
	if trigger.at.Before(s.DeclaredAt) || !trigger.at.Before(s.GoAt) {
		t.Errorf("paged at %s; declared at %s, Go at %s", trigger.at, s.DeclaredAt, s.GoAt)
	}
	if resolve.at.Before(s.ResolvedAt) {
		t.Errorf("taken back at %s, resolved at %s", resolve.at, s.ResolvedAt)
	}
	if c := trigger.Payload; c == nil || c.Severity == "" || !strings.Contains(c.Summary, s.Target) || c.Source == "" {
		t.Errorf("paged with %+v", c)
	}
	if resolve.Payload != nil {
		t.Errorf("taken back with %+v", resolve.Payload)
	}
	for _, name := range []string{"page", "page-resolved"} {
		if st := s.Step(name); st.Status != incident.Done {
			t.Errorf("%s is %q: %s", name, st.Status, st.Failure.Error)
		}
	}
}

// A test service gets one event in a run, which is an incident there and then is none;
// without one nothing is sent, and the step says that it is not applicable.
func TestAFailoverTriesATestServiceOnce(t *testing.T) {
	for _, tested := range []bool{true, false} {
		s, alerts := withTestService(t, newPager(t, accepts), tested)
		st := s.Step("pages-test")
		want, n := incident.NotApplicable, 0
		if tested {
			want, n = incident.Pass, 1
		}
		if st.Status != incident.Done || st.Finished.Measured.Verdict != want {
			t.Errorf("a test service: %t; pages-test is %q: %+v %s", tested, st.Status, st.Finished, st.Failure.Error)
		}
		if s.Sent["pages-test"] != n || len(alerts) != n {
			t.Errorf("a test service: %t; %d sends are on the timeline, and it has %d alerts", tested, s.Sent["pages-test"], len(alerts))
		}
		for key, a := range alerts {
			if !strings.HasPrefix(key, string(s.ID)+"/pages-test/") || a.Events != 1 || a.Resolved.IsZero() {
				t.Errorf("%s is %+v", key, a)
			}
		}
	}
}

func TestPagerDutyThatDoesNotWorkHoldsNothingUp(t *testing.T) {
	whole := withPager(t, newPager(t, accepts))
	took := func(s *incident.State) time.Duration { return s.MitigatedAt.Sub(s.DeclaredAt) }
	for _, c := range []struct {
		claim  string
		answer func(w http.ResponseWriter, r *http.Request, clock *sim.Clock)
		says   string
	}{
		{"it answers 500", breaks, "PagerDuty answered 500"},
		{"it does not answer", hangs, "PagerDuty did not answer"},
	} {
		t.Run(c.claim, func(t *testing.T) {
			p := newPager(t, c.answer)
			s := withPager(t, p)
			for _, name := range []string{"page", "page-resolved"} {
				st := s.Step(name)
				if st.Status != incident.Advised || !strings.Contains(st.Failure.Error, c.says) {
					t.Errorf("%s is %q: %q, want it shown with %q", name, st.Status, st.Failure.Error, c.says)
				}
			}
			// Nobody had to wait for it and nobody was asked about it.
			if got, want := took(s), took(whole); got > want+10*time.Second {
				t.Errorf("mitigated after %s, and with PagerDuty well after %s", got, want)
			}
			for id, q := range s.Questions {
				if q.Step == "page" || q.Step == "page-resolved" {
					t.Errorf("%s asks about %s", id, q.Step)
				}
			}
			for _, one := range p.got() {
				if one.DedupKey != string(s.ID) {
					t.Errorf("%s with dedup key %q", one.EventAction, one.DedupKey)
				}
			}
			if n := len(p.got()); n < 4 {
				t.Errorf("it was tried %d times in all", n)
			}
		})
	}
}

func TestAnAddressWhereNobodyListensHoldsNothingUp(t *testing.T) {
	p := newPager(t, accepts)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	p.URL = nobody
	s := withPager(t, p)
	if st := s.Step("page"); st.Status != incident.Advised || !strings.Contains(st.Failure.Error, "PagerDuty is not reachable") {
		t.Errorf("the page is %q: %q", st.Status, st.Failure.Error)
	}
	if n := len(p.got()); n != 0 {
		t.Errorf("%d pages came", n)
	}
}

// The plan carries these steps only where PagerDuty is set.
func TestWithoutPagerDutyNobodyIsPaged(t *testing.T) {
	var printed bytes.Buffer
	r := &rehearsal{
		Options: Options{Auto: true, Scenario: "region-degraded", Speed: sim.Max, Listen: "127.0.0.1:0", Stdout: &printed, Log: zerolog.Nop(), Templates: templates.FS},
	}
	r.change = func(one *bot.Options) {
		if one.Topology.Policy.Page || one.Connections.Page != nil {
			t.Error("a rehearsal pages people")
		}
	}
	if err := r.run(context.WithoutCancel(t.Context())); err != nil {
		t.Fatalf("%v\n%s", err, tail(printed.String(), 40))
	}
	s := incident.Fold(r.seen)
	var plan runbook.Plan
	if err := json.Unmarshal(s.Plan.Plan, &plan); err != nil {
		t.Fatal(err)
	}
	for _, step := range plan.Steps {
		if strings.HasPrefix(step.Uses, "pagerduty.") {
			t.Errorf("the plan has %s", step.ID)
		}
	}
}
