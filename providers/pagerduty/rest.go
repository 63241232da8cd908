package pagerduty

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	pd "github.com/PagerDuty/go-pagerduty"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// API is where PagerDuty is asked who is on call, by its REST API.
//
// https://developer.pagerduty.com/docs/rest-api-v2/rest-api/
type API struct {
	// Token of a user or of the account; reading is enough. A secret.
	Token string
	// Service is the id of the service that is paged: PABC123.
	Service string
	// Endpoint of the REST API, scheme and host; empty means PagerDuty's own.
	Endpoint string
	// Proxy chooses one for a request; nil: the environment's.
	Proxy func(*http.Request) (*url.URL, error)
}

// Plausible says what is wrong with the token, as far as that can be seen without
// asking anybody. The token is not shown.
func (a *API) Plausible() error {
	const want = "copy an API access key again, as it stands"
	switch {
	case a.Token == "":
		return errors.New("PAGERDUTY_API_TOKEN is not set: " + want)
	case strings.ContainsAny(a.Token, " \t\r\n\"'`="):
		return errors.New("PAGERDUTY_API_TOKEN has white space, an equals sign or quotation marks in it: " + want)
	}
	return nil
}

// Reader reads what PagerDuty's REST API tells. It changes nothing.
type Reader struct {
	api    API
	client *pd.Client
}

// NewReader returns a reader; nil where there is no API to ask. dial may be nil for the
// machine's own dialer.
func NewReader(a *API, dial func(ctx context.Context, network, addr string) (net.Conn, error)) *Reader {
	if a == nil {
		return nil
	}
	client := pd.NewClient(a.Token, pd.WithAPIEndpoint(strings.TrimRight(cmp.Or(a.Endpoint, RESTEndpoint), "/")))
	client.HTTPClient = &http.Client{Transport: transport(dial, a.Proxy)}
	return &Reader{*a, client}
}

// The endpoints of PagerDuty's own.
const (
	RESTEndpoint   = "https://api.pagerduty.com"
	EventsEndpoint = "https://events.pagerduty.com"
)

// Person is somebody as PagerDuty knows them.
type Person struct {
	// ID is PagerDuty's: PABC123.
	ID   string
	Name string
	// Level of the escalation policy at which they are on call; 1 is paged first.
	Level int
	// Until is when their turn ends; zero: it has no end.
	Until time.Time
}

// Service is the service that is paged.
type Service struct {
	ID, Name string
	// Status: active, warning, critical, maintenance or disabled.
	Status string
	// Integrations are their types: events_api_v2_inbound_integration.
	Integrations []string
	// Policy is the id of its escalation policy, and PolicyName its name; empty: none.
	Policy, PolicyName string
}

// Acknowledgement is by whom a page was taken, and when.
type Acknowledgement struct {
	Person
	At time.Time
}

// Service reads the service that is paged.
func (r *Reader) Service(ctx context.Context) (Service, error) {
	if err := r.api.Plausible(); err != nil {
		return Service{}, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("read the service %s of PagerDuty: %w", r.api.Service, err), Hint: "set PAGERDUTY_API_TOKEN to an API access key of PagerDuty that may read"}
	}
	got, err := r.client.GetServiceWithContext(ctx, r.api.Service, &pd.GetServiceOptions{Includes: []string{"integrations"}})
	if err != nil {
		return Service{}, r.fault(ctx, "read the service "+r.api.Service+" of PagerDuty", err)
	}
	s := Service{ID: got.ID, Name: got.Name, Status: got.Status, Policy: got.EscalationPolicy.ID, PolicyName: cmp.Or(got.EscalationPolicy.Summary, got.EscalationPolicy.Name)}
	for _, i := range got.Integrations {
		s.Integrations = append(s.Integrations, strings.TrimSuffix(i.Type, "_reference"))
	}
	if s.ID == "" {
		return Service{}, fmt.Errorf("read the service %s of PagerDuty: the answer names none", r.api.Service)
	}
	return s, nil
}

// pagesMost bounds how many pages of a list are read.
const pagesMost = 40

// OnCall are those who are on call now by that escalation policy: each person once, at
// the lowest of their levels, in the order of levels.
func (r *Reader) OnCall(ctx context.Context, policy string) ([]Person, error) {
	var out []Person
	o := pd.ListOnCallOptions{EscalationPolicyIDs: []string{policy}, Limit: 100}
	for range pagesMost {
		got, err := r.client.ListOnCallsWithContext(ctx, o)
		if err != nil {
			return nil, r.fault(ctx, "read who is on call in PagerDuty", err)
		}
		for _, one := range got.OnCalls {
			p := Person{ID: one.User.ID, Name: cmp.Or(one.User.Summary, one.User.Name), Level: int(min(one.EscalationLevel, 1000))} //nolint:gosec // bounded
			if one.End != "" {
				if p.Until, err = time.Parse(time.RFC3339, one.End); err != nil {
					return nil, fmt.Errorf("read who is on call in PagerDuty: the end of a turn is %q", text.Shorten(one.End, 40))
				}
			}
			i := slices.IndexFunc(out, func(o Person) bool { return o.ID == p.ID })
			switch {
			case i < 0:
				out = append(out, p)
			case p.Level < out[i].Level:
				out[i] = p
			}
		}
		if !got.More {
			slices.SortStableFunc(out, func(a, b Person) int { return cmp.Compare(a.Level, b.Level) })
			return out, nil
		}
		o.Offset += o.Limit
	}
	return nil, fmt.Errorf("read who is on call in PagerDuty: there are more than %d turns", pagesMost*100)
}

// Acknowledged are the acknowledgements of the page with that key, oldest first. found
// says that PagerDuty has such a page.
func (r *Reader) Acknowledged(ctx context.Context, key string) (taken []Acknowledgement, found bool, err error) {
	all, err := r.incidents(ctx, key)
	if err != nil {
		return nil, false, err
	}
	for _, i := range all {
		found = true
		for _, a := range i.Acknowledgements {
			at, err := time.Parse(time.RFC3339, a.At)
			if err != nil {
				return nil, true, fmt.Errorf("read the page of %s in PagerDuty: an acknowledgement is of %q", key, text.Shorten(a.At, 40))
			}
			taken = append(taken, Acknowledgement{Person{ID: a.Acknowledger.ID, Name: a.Acknowledger.Summary}, at})
		}
	}
	slices.SortStableFunc(taken, func(a, b Acknowledgement) int { return a.At.Compare(b.At) })
	return taken, found, nil
}

// incidents are those of the service that were opened with that key.
func (r *Reader) incidents(ctx context.Context, key string) ([]pd.Incident, error) {
	if err := r.api.Plausible(); err != nil {
		return nil, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("read the page of %s: %w", key, err), Hint: "set PAGERDUTY_API_TOKEN"}
	}
	got, err := r.client.ListIncidentsWithContext(ctx, pd.ListIncidentsOptions{IncidentKey: key, ServiceIDs: []string{r.api.Service}, DateRange: "all", Limit: 100})
	if err != nil {
		return nil, r.fault(ctx, "read the page of "+key+" in PagerDuty", err)
	}
	return slices.DeleteFunc(got.Incidents, func(i pd.Incident) bool { return i.IncidentKey != key }), nil
}

// fault sorts an error of a read: nothing may have happened by it.
func (r *Reader) fault(ctx context.Context, doing string, err error) error {
	f := incident.CallErrorOf(sort(ctx, err))
	out := incident.CallError{Err: fmt.Errorf("%s: %w", doing, f.Err), Retry: f.Retry, NeedsPerson: f.NeedsPerson}
	api, ok := errors.AsType[pd.APIError](err)
	switch {
	case !ok:
	case api.StatusCode == http.StatusUnauthorized:
		out.Hint = "set PAGERDUTY_API_TOKEN to an API access key of PagerDuty that is valid"
	case api.StatusCode == http.StatusForbidden:
		out.Hint = "give the API access key of PAGERDUTY_API_TOKEN the right to read services, escalation policies and incidents"
	case api.StatusCode == http.StatusNotFound:
		out.Hint = "correct pagerduty.service in the settings: it is the id at the end of the service's address, such as PABC123"
	case out.NeedsPerson:
		out.Hint = "look at what PagerDuty names"
	}
	return &out
}
