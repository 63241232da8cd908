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
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	pd "github.com/PagerDuty/go-pagerduty"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
)

// Settings is where events go.
type Settings struct {
	// RoutingKey is the integration key of the service that is paged. A secret.
	RoutingKey string
	// Endpoint of the Events API, scheme and host; empty means PagerDuty's own.
	Endpoint string
}

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
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	if dial != nil {
		transport.DialContext, transport.Proxy = dial, nil
	}
	p.client.HTTPClient = &http.Client{Transport: transport}
	return p
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
		Summary: in.Summary, Source: c.Plan.Topology.Platform, Severity: severity,
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
	answer, err := p.client.ManageEventWithContext(ctx, &pd.V2Event{
		RoutingKey: p.settings.RoutingKey, Action: action, DedupKey: key, Client: incident.Bot, Payload: payload,
	})
	if err != nil {
		return o, fmt.Errorf("%s the page of %s: %w", action, key, sort(ctx, err))
	}
	o.Evidence["status"] = answer.Status
	if action == "resolve" {
		o.Summary = "the page of " + key + " is resolved"
	} else {
		o.Summary = "people on call are paged under " + key
	}
	return o, nil
}

// sort answers what the engine asks of an error. A lost answer may be followed by
// the same event: the dedup key makes it one. Rate limits and passing faults may
// be tried again, anything else is an event that PagerDuty will never take; see
// https://developer.pagerduty.com/docs/events-api-v2-overview#response-codes--retry-logic .
func sort(ctx context.Context, err error) error {
	if api, ok := errors.AsType[pd.APIError](err); ok {
		f := &incident.CallError{Err: fmt.Errorf("PagerDuty answered %d: %w", api.StatusCode, err), Retry: api.Temporary(), NeedsPerson: !api.Temporary()}
		if f.NeedsPerson {
			f.Hint = "check the routing key, and page by hand now"
		}
		return f
	}
	if cause := context.Cause(ctx); cause != nil {
		return &incident.CallError{Err: fmt.Errorf("PagerDuty did not answer: %w", cause), Retry: true, Unknown: true}
	}
	return &incident.CallError{Err: fmt.Errorf("PagerDuty is not reachable: %w", err), Retry: true, Unknown: true}
}
