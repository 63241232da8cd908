package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
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
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.hosts = append(s.hosts, r.Host)
		s.tokens = append(s.tokens, r.Header.Get("Authorization"))
		s.mu.Unlock()
		w.Header().Set("X-Region", "us-west-2")
		s.handle(w, r)
	}))
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// secured is the same with TLS: what a token is sent to.
func secured(t *testing.T, handle http.HandlerFunc) (*shop, engine.Call) {
	t.Helper()
	s := open(t, handle)
	h := s.Config.Handler
	s.Close()
	s.Server = httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	c := call(t, struct{}{})
	c.Plan.Target.Endpoint = "https://us-west-2.api.example.com:8443"
	public(t, c, "https://api.example.com")
	return s, c
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
	p := New(dial, resolve, incident.RealClock{}, token)
	if s.TLS != nil {
		roots := x509.NewCertPool()
		roots.AddCert(s.Certificate())
		p.tls = &tls.Config{RootCAs: roots, ServerName: "example.com"}
	}
	return p
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
	s, c := secured(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
		}
		_, _ = w.Write([]byte(`{"id":"syn-1"}`))
	})
	o, ok, err := s.probe("t0ken").Write(t.Context(), c, 1)
	if err != nil || !ok {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	for i, want := range []string{"us-west-2.api.example.com:8443", "us-west-2.api.example.com:8443"} {
		if s.dialed[i] != want || s.hosts[i] != "api.example.com" || s.tokens[i] != "Bearer t0ken" {
			t.Errorf("dialled %s, Host %s, Authorization %q", s.dialed[i], s.hosts[i], s.tokens[i])
		}
	}
	if c.Step.With, err = json.Marshal(HealthInput{Service: "user-service"}); err != nil {
		t.Fatal(err)
	}
	if _, ok, err = s.probe("t0ken").Health(t.Context(), c); err != nil || !ok {
		t.Errorf("%t %v", ok, err)
	}
	if n := len(s.dialed) - 1; s.dialed[n] != "198.51.100.10:443" || s.tokens[n] != "" {
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

// Who reads along on the way would have the token: it is sent over TLS, or nowhere but
// to this machine.
func TestTheTokenIsNotSentOverPlainHTTP(t *testing.T) {
	s := open(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(`{"id":"a"}`)) })
	p := s.probe("s3cret")
	for name, try := range map[string]func(context.Context, engine.Call, int) (engine.Outcome, bool, error){"own address": p.Write, "public name": p.Order} {
		_, ok, err := try(t.Context(), call(t, struct{}{}), 1)
		if f := incident.CallErrorOf(err); ok || err == nil || !f.NeedsPerson || !strings.Contains(err.Error(), "not sent") || !strings.Contains(f.Hint, "https") {
			t.Errorf("%s: %t %v", name, ok, err)
		}
	}
	if len(s.tokens) > 0 {
		t.Errorf("it was sent all the same: %q", s.tokens)
	}
	if _, ok, err := s.probe("").Write(t.Context(), call(t, struct{}{}), 1); !ok || err != nil {
		t.Errorf("without a token: %t %v", ok, err)
	}
	c := call(t, struct{}{})
	c.Plan.Target.Endpoint = "http://127.0.0.1:8080"
	if _, ok, err := p.Write(t.Context(), c, 1); !ok || err != nil || s.tokens[len(s.tokens)-1] != "Bearer s3cret" {
		t.Errorf("on loopback: %t %v", ok, err)
	}
}

// An id is what stands in the answer, in any of the shapes in which shops give it.
func TestAnIDIsKeptAsItStands(t *testing.T) {
	for body, want := range map[string]string{
		`{"id":616581622363398142}`:                             "616581622363398142",
		`{"orderId":616581622363398142}`:                        "616581622363398142",
		`{"OrderID":"a-7"}`:                                     "a-7",
		`{"order_id":"0017"}`:                                   "0017",
		`{"data":{"id":616581622363398142,"type":"orders"}}`:    "616581622363398142",
		`{"data":{"orderId":"a-7"}}`:                            "a-7",
		`{"order":{"id":18446744073709551616}}`:                 "18446744073709551616",
		"\ufeff" + `{"id":616581622363398142}`:                  "616581622363398142",
		`{"id":null,"order_id":9007199254740993}`:               "9007199254740993",
		`{"id":"","data":{"id":"a"}}`:                           "a",
		` {"id" : 1e3 } `:                                       "1e3",
		`{"id":"616581622363398142","data":[{"id":"another"}]}`: "616581622363398142",
		`{"id":{"$oid":"a"}}`:                                   "",
		`[{"id":"a"}]`:                                          "",
		`<html>`:                                                "",
	} {
		if got := placed([]byte(body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	var read string
	s := open(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			read = r.URL.Path
		}
		_, _ = w.Write([]byte("\ufeff" + `{"data":{"id":616581622363398142}}`))
	})
	o, ok, err := s.probe("").Write(t.Context(), call(t, struct{}{}), 1)
	if err != nil || !ok || read != "/orders/616581622363398142" || o.Evidence["order"] != "616581622363398142" {
		t.Errorf("%t %q %v, read back at %s", ok, o.Summary, err, read)
	}
	s.handle = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"number":1}`)) }
	if o, ok, _ := s.probe("").Write(t.Context(), call(t, struct{}{}), 1); ok || !strings.Contains(o.Summary, "id, order_id, orderId, at the top or in data or order") {
		t.Errorf("%t %q", ok, o.Summary)
	}
}

func TestATokenThatIsNotTakenIsAPersonsMatter(t *testing.T) {
	s, c := secured(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	_, ok, err := s.probe("s3cret").Write(t.Context(), c, 1)
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
