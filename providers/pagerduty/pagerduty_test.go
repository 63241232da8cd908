package pagerduty_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/pagerduty"
)

const key = "R0UTINGKEY"

// events is the Events API's end: it takes what PagerDuty takes.
func events(t *testing.T, status int) (*pagerduty.Pager, *[]map[string]any) {
	t.Helper()
	var got []map[string]any
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		var e map[string]any
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil || r.Method != http.MethodPost || r.URL.Path != "/v2/enqueue" {
			t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		}
		got = append(got, e)
		w.WriteHeader(status)
		if status == http.StatusAccepted {
			_, _ = w.Write([]byte(`{"status":"success","message":"Event processed","dedup_key":"INC-2026-0042"}`))
			return
		}
		_, _ = w.Write([]byte(`{"status":"invalid event","message":"Event object is invalid","errors":["no"]}`))
	}))
	t.Cleanup(s.Close)
	return pagerduty.New(&pagerduty.Settings{RoutingKey: key, Endpoint: s.URL + "/"}, nil), &got
}

func call() engine.Call {
	return engine.Call{
		Incident: "INC-2026-0042", Clock: incident.RealClock{},
		Plan: &runbook.Plan{Mode: "unplanned", Topology: runbook.Topology{Platform: "E-Commerce Platform"}},
		Step: runbook.Step{ID: "page", With: json.RawMessage(`{"severity":"SEV-2","summary":"us-east-1 is down"}`)},
	}
}

func TestAPageCarriesTheIncidentAsItsKey(t *testing.T) {
	p, got := events(t, http.StatusAccepted)
	if _, err := p.Trigger(t.Context(), call()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Resolve(t.Context(), call()); err != nil {
		t.Fatal(err)
	}
	if len(*got) != 2 {
		t.Fatalf("%d events", len(*got))
	}
	for i, action := range []string{"trigger", "resolve"} {
		e := (*got)[i]
		if e["event_action"] != action || e["dedup_key"] != "INC-2026-0042" || e["routing_key"] != key {
			t.Errorf("event %v", e)
		}
	}
	payload, _ := (*got)[0]["payload"].(map[string]any)
	if payload["summary"] != "us-east-1 is down" || payload["severity"] != "error" || payload["source"] != "E-Commerce Platform" {
		t.Errorf("payload %v", payload)
	}
	if (*got)[1]["payload"] != nil {
		t.Errorf("a resolve has a payload: %v", (*got)[1])
	}
}

func TestWhatMayBeSentAgain(t *testing.T) {
	for status, again := range map[int]bool{429: true, 500: true, 503: true, 400: false, 401: false} {
		p, got := events(t, status)
		_, err := p.Trigger(t.Context(), call())
		f := incident.CallErrorOf(err)
		if err == nil || f.Retry != again || f.NeedsPerson == again || len(*got) != 1 {
			t.Errorf("%d: %v: retry %t person %t, sent %d times", status, err, f.Retry, f.NeedsPerson, len(*got))
		}
		if err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("the routing key is in %q", err)
		}
	}
}

func TestNobodyThere(t *testing.T) {
	p := pagerduty.New(&pagerduty.Settings{RoutingKey: key, Endpoint: "http://127.0.0.1:1"}, nil)
	if _, err := p.Trigger(t.Context(), call()); err == nil || !incident.CallErrorOf(err).Retry || strings.Contains(err.Error(), key) {
		t.Errorf("%v", err)
	}
}

func TestWithoutSettingsItSaysWhatIsMissing(t *testing.T) {
	_, err := pagerduty.New(nil, nil).Trigger(t.Context(), call())
	if f := incident.CallErrorOf(err); err == nil || !f.NeedsPerson || !strings.Contains(f.Hint, "routing key") {
		t.Errorf("%v", err)
	}
}
