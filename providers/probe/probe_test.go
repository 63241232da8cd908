package probe

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// shop is a platform behind one server on loopback, and what it was asked.
type shop struct {
	*httptest.Server
	mu     sync.Mutex
	hosts  []string
	tokens []string
	dialed []string
	handle http.HandlerFunc
}

func open(t *testing.T, handle http.HandlerFunc) *shop {
	t.Helper()
	s := &shop{handle: handle}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.hosts = append(s.hosts, r.Host)
		s.tokens = append(s.tokens, r.Header.Get("Authorization"))
		s.mu.Unlock()
		w.Header().Set("X-Region", "us-west-2")
		s.handle(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *shop) probe(token string) *Probe {
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		s.mu.Lock()
		s.dialed = append(s.dialed, addr)
		s.mu.Unlock()
		return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
	}
	resolve := func(context.Context, runbook.Topology, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("198.51.100.10")}, nil
	}
	return New(dial, resolve, incident.RealClock{}, token)
}

func call(t *testing.T, with any) engine.Call {
	t.Helper()
	data, err := json.Marshal(with)
	if err != nil {
		t.Fatal(err)
	}
	c := engine.Call{
		Incident: "INC-2026-0042", Attempt: 1, Clock: incident.RealClock{}, Step: runbook.Step{ID: "smoke-test", With: data},
		Plan: &runbook.Plan{
			Source: runbook.Region{Name: "us-east-1", Endpoint: "http://us-east-1.api.example.com"},
			Target: runbook.Region{Name: "us-west-2", Endpoint: "http://us-west-2.api.example.com:8080"},
			Topology: runbook.Topology{
				Services: []runbook.Service{{Name: "user-service", Health: "/health"}, {Name: "worker"}},
			},
		},
	}
	public(t, c, "http://api.example.com")
	return c
}

// public sets the address that users use.
func public(t *testing.T, c engine.Call, address string) {
	t.Helper()
	if err := Platform.Freeze(&c.Plan.Topology, Settings{Public: address, RegionHeader: "X-Region", Order: "/orders"}); err != nil {
		t.Fatal(err)
	}
}

func TestARequestGoesToTheRegionUnderThePublicName(t *testing.T) {
	s := open(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
		}
		_, _ = w.Write([]byte(`{"id":"syn-1"}`))
	})
	o, ok, err := s.probe("t0ken").Write(t.Context(), call(t, struct{}{}), 1)
	if err != nil || !ok {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	for i, want := range []string{"us-west-2.api.example.com:8080", "us-west-2.api.example.com:8080"} {
		if s.dialed[i] != want || s.hosts[i] != "api.example.com" || s.tokens[i] != "Bearer t0ken" {
			t.Errorf("dialled %s, Host %s, Authorization %q", s.dialed[i], s.hosts[i], s.tokens[i])
		}
	}
	if _, ok, err = s.probe("t0ken").Health(t.Context(), call(t, HealthInput{Service: "user-service"})); err != nil || !ok {
		t.Errorf("%t %v", ok, err)
	}
	if n := len(s.dialed) - 1; s.dialed[n] != "198.51.100.10:80" || s.tokens[n] != "" {
		t.Errorf("a health page was asked for at %s with %q", s.dialed[n], s.tokens[n])
	}
}

func TestAnOrderThatIsNotWrittenAndReadBackIsNone(t *testing.T) {
	answer := func(post, get int, postBody, getBody string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			status, body := get, getBody
			if r.Method == http.MethodPost {
				status, body = post, postBody
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, c := range map[string]struct {
		handle http.HandlerFunc
		says   string
	}{
		"the database is read-only": {answer(503, 200, `{"error":"read-only"}`, ""), "read-only"},
		"no id":                     {answer(201, 200, `{}`, `{}`), "without an id"},
		"it cannot be read back":    {answer(201, 404, `{"id":"a"}`, ""), "status 404"},
		"another one comes back":    {answer(201, 200, `{"id":"a"}`, `{"id":"b"}`), "another one"},
		"a redirect is no order":    {answer(302, 200, "", ""), "status 302"},
		"it was taken by nobody known": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Del("X-Region")
			w.WriteHeader(http.StatusCreated)
		}, "an unknown Region"},
	} {
		t.Run(name, func(t *testing.T) {
			o, ok, err := open(t, c.handle).probe("").Write(t.Context(), call(t, struct{}{}), 1)
			if ok || err != nil || !strings.Contains(o.Summary, c.says) {
				t.Errorf("%t %q %v", ok, o.Summary, err)
			}
		})
	}
}

func TestATokenThatIsNotTakenIsAPersonsMatter(t *testing.T) {
	s := open(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	_, ok, err := s.probe("s3cret").Write(t.Context(), call(t, struct{}{}), 1)
	if f := incident.CallErrorOf(err); ok || err == nil || !f.NeedsPerson || f.Hint == "" || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%t %v", ok, err)
	}
}

func TestAServiceWithoutAHealthPageCannotBeAsked(t *testing.T) {
	s := open(t, func(http.ResponseWriter, *http.Request) {})
	if _, ok, err := s.probe("").Health(t.Context(), call(t, HealthInput{Service: "worker"})); ok || err == nil || !incident.CallErrorOf(err).NeedsPerson {
		t.Errorf("%t %v", ok, err)
	}
}

func TestOneGoodAnswerAndTheRegionIsUp(t *testing.T) {
	var mu sync.Mutex
	n := 0
	s := open(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if n++; n != 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	in := OutageInput{Tries: 3, Every: 1}
	if o, ok, err := s.probe("").Outage(t.Context(), call(t, in)); ok || err != nil || !strings.Contains(o.Summary, "1 of 3") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	if o, ok, err := s.probe("").Outage(t.Context(), call(t, in)); !ok || err != nil || !strings.Contains(o.Summary, "status 503") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
}

func TestANameThatNobodyKnowsIsAFindingAndASettingThatIsWrongIsNot(t *testing.T) {
	p := New(nil, func(context.Context, runbook.Topology, string) ([]netip.Addr, error) {
		return nil, errors.New("the zone's servers are silent")
	}, incident.RealClock{}, "")
	c := call(t, struct{}{})
	if o, ok, err := p.Region(t.Context(), c); ok || err != nil || !strings.Contains(o.Summary, "silent") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	public(t, c, "api.example.com")
	if _, ok, err := p.Region(t.Context(), c); ok || err == nil || incident.CallErrorOf(err).Hint == "" {
		t.Errorf("%t %v", ok, err)
	}
}
