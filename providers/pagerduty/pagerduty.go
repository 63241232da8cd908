// Package pagerduty pages the people on call and takes the page back.
//
// It speaks the Events API v2, whose dedup key is the incident's id: the same
// event sent twice pages once, so an event may be repeated after a lost answer.
// With PagerDuty down the step says so and nothing waits for it; telling never
// holds a failover up.
//
// https://developer.pagerduty.com/docs/events-api-v2-overview
package pagerduty

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	pd "github.com/PagerDuty/go-pagerduty"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Settings is where events go.
type Settings struct {
	// RoutingKey is the integration key of the service that is paged. A secret.
	RoutingKey string
	// Endpoint of the Events API, scheme and host; empty means PagerDuty's own.
	Endpoint string
	// Proxy chooses one for a request; nil: the environment's.
	Proxy func(*http.Request) (*url.URL, error)
}

var routingKey = regexp.MustCompile(`^[0-9A-Za-z]{32}$`)

// Plausible says what is wrong with the routing key, as far as that can be seen
// without paging anybody. The key is not shown.
func (s *Settings) Plausible() error { return s.plausible(pageKey) }

// pageKey is the variable that the integration key of the service to page stands in.
const pageKey = "PAGERDUTY_ROUTING_KEY"

// plausible is that of a key which stands in a variable of that name.
func (s *Settings) plausible(name string) error {
	key := s.RoutingKey
	const want = "copy the integration key of an Events API v2 integration again, as it stands"
	switch {
	case key == "":
		return errors.New(name + " is not set: " + want)
	case strings.ContainsAny(key, "\"'`"):
		return errors.New(name + " has quotation marks in it: " + want)
	case strings.ContainsFunc(key, unicode.IsSpace):
		return errors.New(name + " has white space in it: " + want)
	case len(key) != 32:
		return fmt.Errorf("%s has %d characters, and such a key has 32: %s", name, len(key), want)
	case !routingKey.MatchString(key):
		return errors.New(name + " has characters that no such key has: " + want)
	}
	return nil
}

// summaryMax is the most characters of a summary; PagerDuty refuses a longer one.
const summaryMax = 1024

// Pager sends events.
type Pager struct {
	settings *Settings
	client   *pd.Client
}

// New returns a pager. Without settings every event is refused with a sentence
// that says what is missing. dial may be nil for the machine's own dialer.
func New(s *Settings, dial func(ctx context.Context, network, addr string) (net.Conn, error)) *Pager {
	p := &Pager{settings: s}
	if s == nil {
		return p
	}
	var options []pd.ClientOptions
	if s.Endpoint != "" {
		options = append(options, pd.WithV2EventsAPIEndpoint(strings.TrimRight(s.Endpoint, "/")))
	}
	p.client = pd.NewClient("", options...)
	p.client.HTTPClient = &http.Client{Transport: reasons{transport(dial, s.Proxy)}}
	return p
}

// transport carries requests. Both arguments may be nil.
func transport(dial func(ctx context.Context, network, addr string) (net.Conn, error), proxy func(*http.Request) (*url.URL, error)) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	if dial != nil {
		// A proxy that the environment names is dialled like anything else.
		t.DialContext = dial
	}
	if proxy != nil {
		t.Proxy = proxy
	}
	return t
}

// severities of the Events API for the incident's own.
var severities = map[string]string{"SEV-1": "critical", "SEV-2": "error", "SEV-3": "warning"}

// TriggerInput is the input of Trigger.
type TriggerInput struct {
	// Severity as the incident has it: SEV-1.
	Severity string `yaml:"severity" json:"severity"`
	// Summary is what the person on call reads first.
	Summary string `yaml:"summary" json:"summary"`
}

// Trigger pages. May be called twice.
func (p *Pager) Trigger(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	var in TriggerInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, err
	}
	severity, ok := severities[in.Severity]
	if !ok {
		severity = "critical"
	}
	details := map[string]string{
		"incident": string(c.Incident), "mode": c.Plan.Mode,
		"source": c.Plan.Source.Name, "target": c.Plan.Target.Name, "plan": c.Plan.Digest,
	}
	return p.send(ctx, c, "trigger", &pd.V2Payload{
		Summary: text.Shorten(in.Summary, summaryMax), Source: c.Plan.Topology.Platform, Severity: severity,
		Timestamp: c.Clock.Now().Format(time.RFC3339), Component: "regional failover", Details: details,
	})
}

// Resolve takes the page back. May be called twice, and by whoever sees the
// incident resolved: it needs nothing of the step it stands in.
func (p *Pager) Resolve(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	return p.send(ctx, c, "resolve", nil)
}

func (p *Pager) send(ctx context.Context, c engine.Call, action string, payload *pd.V2Payload) (engine.Outcome, error) {
	key := string(c.Incident)
	o := engine.Outcome{Evidence: map[string]string{"dedup_key": key, "event": action}}
	if p.settings == nil || p.settings.RoutingKey == "" {
		return o, &incident.CallError{
			NeedsPerson: true,
			Err:         fmt.Errorf("%s the page of %s: no PagerDuty routing key is set", action, key),
			Hint:        "set pagerduty's routing key in the settings, and page by hand now",
		}
	}
	status, err := p.event(ctx, pd.V2Event{Action: action, DedupKey: key, Payload: payload})
	if err != nil {
		return o, hinted(fmt.Errorf("%s the page of %s: %w", action, key, err), pageKey, ", and page by hand now")
	}
	o.Evidence["status"] = status
	if action == "resolve" {
		o.Summary = "the page of " + key + " is resolved"
	} else {
		o.Summary = "people on call are paged under " + key
	}
	return o, nil
}

// event sends one with the routing key, and returns what PagerDuty says of it. Its errors
// are sorted, and have no hint yet.
func (p *Pager) event(ctx context.Context, e pd.V2Event) (status string, err error) {
	e.RoutingKey, e.Client = p.settings.RoutingKey, incident.Bot
	answer, err := p.client.ManageEventWithContext(ctx, &e)
	if err != nil {
		return "", sort(ctx, err)
	}
	return answer.Status, nil
}

// reasons gives an answer of refusal the shape in which the client library reads one.
// The Events API has its own: status, message and a list of errors beside each other.
type reasons struct{ next http.RoundTripper }

// RoundTrip moves the reason to where it is looked for.
func (t reasons) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil || resp.StatusCode < http.StatusBadRequest {
		return resp, err
	}
	const most = 64 << 10
	body, err := io.ReadAll(io.LimitReader(resp.Body, most))
	_ = resp.Body.Close() // read as far as it is of use
	if err != nil {
		return nil, fmt.Errorf("read PagerDuty's answer: %w", err)
	}
	var said struct {
		Message string          `json:"message"`
		Errors  []string        `json:"errors"`
		Error   json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &said) == nil && len(said.Error) == 0 && (said.Message != "" || len(said.Errors) > 0) {
		body, err = json.Marshal(map[string]any{"error": map[string]any{"message": said.Message, "errors": said.Errors}})
		if err != nil {
			return nil, err
		}
		resp.Header.Set("Content-Type", "application/json")
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}

// reason is what PagerDuty says, quoted; empty if it said nothing.
func reason(api pd.APIError) string {
	if !api.APIError.Valid {
		return ""
	}
	said := api.APIError.ErrorObject
	parts := slices.DeleteFunc(append([]string{said.Message}, said.Errors...), func(s string) bool { return strings.TrimSpace(s) == "" })
	return text.Shorten(text.Inline(strings.Join(parts, "; ")), 400)
}

// hinted adds to the error of an event what to do about a refusal: as far as its words say
// it, and then what else. key is the variable that the routing key stands in.
func hinted(err error, key, then string) error {
	f := *incident.CallErrorOf(err)
	f.Err = err
	if r, ok := errors.AsType[refusal](err); ok && f.NeedsPerson {
		f.Hint = hint(r.said, key) + then
	}
	return &f
}

func hint(said, key string) string {
	said = strings.ToLower(said)
	switch {
	case strings.Contains(said, "routing_key"), strings.Contains(said, "routing key"), strings.Contains(said, "integration key"):
		return "correct " + key
	case strings.Contains(said, "disabled"), strings.Contains(said, "not enabled"):
		return "turn the service or its integration on in PagerDuty"
	case said == "":
		return "check " + key
	}
	return "correct what PagerDuty names"
}

// sort answers what the engine asks of an error. A lost answer may be followed by
// the same event: the dedup key makes it one. Rate limits and passing faults may
// be tried again, anything else is an event that PagerDuty will never take; see
// https://developer.pagerduty.com/docs/events-api-v2-overview#response-codes--retry-logic .
func sort(ctx context.Context, err error) error {
	if api, ok := errors.AsType[pd.APIError](err); ok {
		return &incident.CallError{Err: refusal{api.StatusCode, reason(api), err}, Retry: api.Temporary(), NeedsPerson: !api.Temporary()}
	}
	if cause := context.Cause(ctx); cause != nil {
		return &incident.CallError{Err: fmt.Errorf("PagerDuty did not answer: %w", cause), Retry: true, Unknown: true}
	}
	return &incident.CallError{Err: fmt.Errorf("PagerDuty is not reachable: %w", err), Retry: true, Unknown: true}
}

// refusal is PagerDuty's answer in its own words. The library's are of its own fields.
type refusal struct {
	status int
	said   string
	err    error
}

// Error quotes PagerDuty.
func (r refusal) Error() string {
	if r.said == "" {
		return fmt.Sprintf("PagerDuty answered %d and gave no reason", r.status)
	}
	return fmt.Sprintf("PagerDuty answered %d: %s", r.status, r.said)
}

// Unwrap is the library's error.
func (r refusal) Unwrap() error { return r.err }
