package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The pretend PagerDuty's REST API: what is read of a service, its escalation policy, who
// is on call and which incidents they have acknowledged; and its Events API, by which a test
// service is told of alerts. They keep to the published rules:
// https://developer.pagerduty.com/docs/rest-api-v2/rest-api/
// https://developer.pagerduty.com/docs/events-api-v2-overview

const (
	// PagerToken is the token that it takes.
	PagerToken = "u+pretend0pagerduty0"
	// PagerService is the id of the service that it has.
	PagerService = "PSVC0ME"
	// PagerTestService is the id of a service that nobody is paged by.
	PagerTestService = "PTEST0ME"
	// PagerTestKey is the integration key that its events come with.
	PagerTestKey = "R0UT1NGKEY0F0A0TEST0SERVICE00000"
	pagerPolicy  = "PPOL1CY"
	pagerServer  = "pagerduty"
	// pagerPage and pagerMost are how many things one page has, and at most.
	pagerPage, pagerMost = 25, 100
)

// Pager is what PagerDuty has of the platform's service.
type Pager struct {
	// Name of the service, and its status: active, warning, critical, maintenance or
	// disabled.
	Name   string `json:"name"`
	Status string `json:"status"`
	// Integrations are the types of its integrations.
	Integrations []string `json:"integrations"`
	// NoPolicy: the service has no escalation policy.
	NoPolicy bool `json:"no_policy,omitempty"`
	// OnCall are those who are on call, at any level.
	OnCall []OnCall `json:"on_call"`
	// Pages are the incidents there, by the key that they were opened with.
	Pages map[string][]PageTaken `json:"pages"`
	// Test is what the test service has.
	Test PagerTest `json:"test"`
}

// PagerTest is a service to which events are sent by way of trial.
type PagerTest struct {
	// Alerts are what it was told of, by their keys.
	Alerts map[string]*Alert `json:"alerts,omitempty"`
	// Takes is how long an event takes until it shows; Ignores: it never does, as where a
	// service is disabled; Sticks: what is told to be resolved is not.
	Takes   time.Duration `json:"takes,omitempty"`
	Ignores bool          `json:"ignores,omitempty"`
	Sticks  bool          `json:"sticks,omitempty"`
}

// Alert is one of a service: of when it is and when it was resolved, and how many events
// came of it.
type Alert struct {
	At       time.Time `json:"at"`
	Resolved time.Time `json:"resolved,omitzero"`
	Events   int       `json:"events"`
}

// OnCall is somebody who is on call at one level of the policy.
type OnCall struct {
	User  string `json:"user"` // PagerDuty's id
	Name  string `json:"name"`
	Level int    `json:"level"`
	// Until is when their turn ends; zero: it does not.
	Until time.Time `json:"until,omitzero"`
}

// PageTaken is an acknowledgement.
type PageTaken struct {
	User string    `json:"user"`
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

// beginPager has Alice on call, and Bob behind her.
func beginPager(at time.Time) Pager {
	return Pager{
		Name: "E-Commerce Platform", Status: "active", Integrations: []string{"events_api_v2_inbound_integration"},
		OnCall: []OnCall{
			{User: "PAL1CE0", Name: "Alice", Level: 1, Until: at.Add(40 * time.Hour)},
			{User: "PB0B000", Name: "Bob", Level: 2},
		},
		Pages: map[string][]PageTaken{}, Test: PagerTest{Takes: 2 * time.Second},
	}
}

// PagerDuty is the address of both its APIs.
func (w *World) PagerDuty() string { return "http://" + w.address(pagerServer) }

func (w *World) listenPager() error {
	l, err := w.listenTCP(pagerServer)
	if err != nil {
		return err
	}
	w.servers.listen[pagerServer] = l.Addr()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /services/{id}", w.pager("GET /services/{id}", pagerServiceOf))
	mux.HandleFunc("GET /oncalls", w.pager("GET /oncalls", pagerOnCall))
	mux.HandleFunc("GET /incidents", w.pager("GET /incidents", pagerIncidents))
	mux.HandleFunc("POST /v2/enqueue", w.enqueue)
	mux.HandleFunc("/", w.pager("any other", func(*State, *http.Request) (any, error) { return nil, pagerNotFound }))
	s := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	w.servers.wait.Go(func() { _ = s.Serve(l) }) // always ErrServerClosed
	w.servers.close = append(w.servers.close, s.Close)
	return nil
}

// pagerError is an error as PagerDuty answers it.
type pagerError struct {
	status, code int
	message      string
	errors       []string
}

// Error is what it says.
func (e *pagerError) Error() string { return fmt.Sprintf("%d %s", e.status, e.message) }

var pagerNotFound = &pagerError{404, 2100, "Not Found", nil}

func invalid(what string) error {
	return &pagerError{400, 2001, "Invalid Input Provided", []string{what}}
}

// pager wraps an answer into a call of the world.
func (w *World) pager(operation string, do func(s *State, r *http.Request) (any, error)) http.HandlerFunc {
	return func(out http.ResponseWriter, r *http.Request) {
		var result any
		err := w.callHTTP(r.Context(), Call{System: "pagerduty", Operation: operation, Target: r.URL.Path}, func(s *State) (_ bool, err error) {
			switch {
			case r.Header.Get("Authorization") != "Token token="+PagerToken:
				return false, &pagerError{401, 2006, "Authentication failed", nil}
			case r.Header.Get("Accept") != "application/vnd.pagerduty+json;version=2":
				return false, &pagerError{406, 2004, "The Accept header has to name version 2", nil}
			}
			result, err = do(s, r)
			return false, err
		})
		if f, ok := errors.AsType[*failure](err); ok {
			if err = pagerFailed(out, f); err == nil {
				return
			}
		}
		out.Header().Set("Content-Type", "application/json")
		if e, ok := errors.AsType[*pagerError](err); ok {
			out.WriteHeader(e.status)
			result = map[string]any{"error": map[string]any{"code": e.code, "message": e.message, "errors": e.errors}}
		}
		_ = json.NewEncoder(out).Encode(result) // the client may have gone
	}
}

// pagerFailed is a fault as PagerDuty would show it; nil where all is said.
func pagerFailed(out http.ResponseWriter, f *failure) error {
	switch f.kind {
	case Throttle:
		out.Header().Set("Ratelimit-Reset", "1")
		return &pagerError{429, 2020, "Rate Limit Exceeded", nil}
	case Deny:
		return &pagerError{403, 2010, "Access Denied", nil}
	case ServerFail:
		out.WriteHeader(http.StatusInternalServerError)
		return nil
	default:
		panic(http.ErrAbortHandler) // the connection ends without an answer
	}
}

// enqueue takes an event. It is worked off later.
func (w *World) enqueue(out http.ResponseWriter, r *http.Request) {
	var in struct {
		Key     string `json:"routing_key"`
		Action  string `json:"event_action"`
		Dedup   string `json:"dedup_key"`
		Payload *struct {
			Summary  string `json:"summary"`
			Source   string `json:"source"`
			Severity string `json:"severity"`
		} `json:"payload"`
	}
	wrong := func(what string) error {
		return &pagerError{http.StatusBadRequest, 0, "Event object is invalid", []string{what}}
	}
	bad := json.NewDecoder(r.Body).Decode(&in)
	err := w.callHTTP(r.Context(), Call{System: "pagerduty", Operation: "POST /v2/enqueue " + in.Action, Target: in.Dedup, Mutating: true}, func(s *State) (bool, error) {
		switch {
		case bad != nil:
			return false, wrong("it is no JSON")
		case len(in.Key) != 32:
			return false, wrong("'routing_key' is invalid (must be a 32-character string)")
		case in.Key != PagerTestKey: // it belongs to no integration, and is dropped
			return false, nil
		case len(in.Dedup) > 255:
			return false, wrong("'dedup_key' is too long")
		}
		t := &s.Pager.Test
		a := t.Alerts[in.Dedup]
		switch in.Action {
		case "trigger":
			if p := in.Payload; p == nil || p.Summary == "" || p.Source == "" || !slices.Contains([]string{"critical", "error", "warning", "info"}, p.Severity) {
				return false, wrong("'payload' lacks a summary, a source or a severity")
			}
			if a == nil || !a.Resolved.IsZero() {
				a = &Alert{At: s.At}
			}
			a.Events++
		case "resolve":
			if a == nil || !a.Resolved.IsZero() || t.Sticks {
				return false, nil
			}
			a.Resolved = s.At
		default:
			return false, wrong("'event_action' is neither trigger, acknowledge nor resolve")
		}
		if t.Alerts == nil {
			t.Alerts = map[string]*Alert{}
		}
		t.Alerts[in.Dedup] = a
		return true, nil
	})
	if f, ok := errors.AsType[*failure](err); ok {
		if err = pagerFailed(out, f); err == nil {
			return
		}
	}
	out.Header().Set("Content-Type", "application/json")
	if e, ok := errors.AsType[*pagerError](err); ok {
		out.WriteHeader(e.status)
		_ = json.NewEncoder(out).Encode(map[string]any{"status": "invalid event", "message": e.message, "errors": e.errors}) // the client may have gone
		return
	}
	out.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(out).Encode(map[string]any{"status": "success", "message": "Event processed", "dedup_key": in.Dedup})
}

func pagerServiceOf(s *State, r *http.Request) (any, error) {
	p, id := s.Pager, r.PathValue("id")
	if id != PagerService {
		return nil, pagerNotFound
	}
	include := r.URL.Query()["include[]"]
	for _, i := range include {
		if !slices.Contains([]string{"escalation_policies", "teams", "auto_pause_notifications_parameters", "integrations"}, i) {
			return nil, invalid("include[] " + i)
		}
	}
	var integrations []map[string]any
	for i, kind := range p.Integrations {
		one := map[string]any{"id": fmt.Sprintf("PINT%03d", i), "summary": "Integration " + strconv.Itoa(i+1), "type": kind + "_reference"}
		if slices.Contains(include, "integrations") {
			one["type"], one["name"] = kind, one["summary"]
		}
		integrations = append(integrations, one)
	}
	service := map[string]any{"id": id, "type": "service", "name": p.Name, "status": p.Status, "integrations": integrations}
	if !p.NoPolicy {
		service["escalation_policy"] = map[string]any{"id": pagerPolicy, "type": "escalation_policy_reference", "summary": "Platform on call"}
	}
	return map[string]any{"service": service}, nil
}

// pagerList is one page of a list.
func pagerList(r *http.Request, name string, all []map[string]any) (any, error) {
	limit, offset := pagerPage, 0
	for key, to := range map[string]*int{"limit": &limit, "offset": &offset} {
		if v := r.URL.Query().Get(key); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil || n < 0 {
				return nil, invalid(key)
			}
			*to = n
		}
	}
	limit = min(max(limit, 1), pagerMost)
	from := min(offset, len(all))
	to := min(from+limit, len(all))
	return map[string]any{name: all[from:to], "limit": limit, "offset": offset, "more": to < len(all), "total": nil}, nil
}

func pagerOnCall(s *State, r *http.Request) (any, error) {
	wanted := r.URL.Query()["escalation_policy_ids[]"]
	all := []map[string]any{}
	for _, o := range s.Pager.OnCall {
		if s.Pager.NoPolicy || len(wanted) > 0 && !slices.Contains(wanted, pagerPolicy) {
			continue
		}
		one := map[string]any{
			"user":              map[string]any{"id": o.User, "type": "user_reference", "summary": o.Name},
			"escalation_policy": map[string]any{"id": pagerPolicy, "type": "escalation_policy_reference", "summary": "Platform on call"},
			"escalation_level":  o.Level, "start": nil, "end": nil,
		}
		if !o.Until.IsZero() {
			one["start"], one["end"] = s.Start.Format(time.RFC3339), o.Until.Format(time.RFC3339)
			if !o.Until.After(s.At) {
				continue
			}
		}
		all = append(all, one)
	}
	return pagerList(r, "oncalls", all)
}

func pagerIncidents(s *State, r *http.Request) (any, error) {
	q := r.URL.Query()
	all := []map[string]any{}
	for _, key := range sortedKeys(s.Pager.Pages) {
		if k := q.Get("incident_key"); k != "" && k != key || len(q["service_ids[]"]) > 0 && !slices.Contains(q["service_ids[]"], PagerService) {
			continue
		}
		taken := []map[string]any{}
		for _, a := range s.Pager.Pages[key] {
			taken = append(taken, map[string]any{
				"at": a.At.UTC().Format(time.RFC3339), "acknowledger": map[string]any{"id": a.User, "type": "user_reference", "summary": a.Name},
			})
		}
		status := "triggered"
		if len(taken) > 0 {
			status = "acknowledged"
		}
		if wanted := q["statuses[]"]; len(wanted) > 0 && !slices.Contains(wanted, status) {
			continue
		}
		all = append(all, map[string]any{
			"id": "Q" + strings.ToUpper(fmt.Sprintf("%x", draw(1, 1<<32, key))), "type": "incident", "incident_key": key, "status": status, "acknowledgements": taken,
			"service": map[string]any{"id": PagerService, "type": "service_reference"},
		})
	}
	if len(q["service_ids[]"]) == 0 || slices.Contains(q["service_ids[]"], PagerTestService) {
		all = append(all, s.pagerTests(q)...)
	}
	return pagerList(r, "incidents", all)
}

// OpenPage opens an incident there under that key.
func (p *Pager) OpenPage(key string) {
	if _, there := p.Pages[key]; !there {
		p.Pages[key] = nil
	}
}

// pagerTests are the incidents of the test service that show by now.
func (s *State) pagerTests(q url.Values) []map[string]any {
	var all []map[string]any
	t := s.Pager.Test
	for _, key := range sortedKeys(t.Alerts) {
		a := t.Alerts[key]
		if t.Ignores || s.At.Before(a.At.Add(t.Takes)) || q.Get("incident_key") != "" && q.Get("incident_key") != key {
			continue
		}
		status := "triggered"
		if !a.Resolved.IsZero() && !s.At.Before(a.Resolved.Add(t.Takes)) {
			status = "resolved"
		}
		if wanted := q["statuses[]"]; len(wanted) > 0 && !slices.Contains(wanted, status) {
			continue
		}
		all = append(all, map[string]any{
			"id": "Q" + strings.ToUpper(fmt.Sprintf("%x", draw(1, 1<<32, key))), "type": "incident", "incident_key": key, "status": status, "acknowledgements": []any{},
			"service": map[string]any{"id": PagerTestService, "type": "service_reference"},
		})
	}
	return all
}
