// Package probe uses the platform as its users do, and says which Region answered.
//
// A probe opens a connection of its own each time, follows no redirect, and is
// told which address to go to: a Region's own, or whatever the zone's own servers
// give for the public name, so that no cache on the way can lie. A platform that
// does not answer is a finding, not an error: that is what probes are for.
package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Dial opens a connection.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// Resolve gives the addresses of a name as the zone's own servers have it.
type Resolve func(ctx context.Context, t runbook.Topology, name string) ([]netip.Addr, error)

// patient is how long one request may take.
const patient = 5 * time.Second

// Probe sends requests to the platform.
type Probe struct {
	dial    Dial
	resolve Resolve
	clock   incident.Clock
	token   string
	tls     *tls.Config // nil is the machine's own; tests have a certificate of theirs
}

// New returns a probe that connects by dial (nil is the machine's own) and finds
// the public name by resolve. token is sent with synthetic orders; it may be empty.
func New(dial Dial, resolve Resolve, clock incident.Clock, token string) *Probe {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return &Probe{dial: dial, resolve: resolve, clock: clock, token: token}
}

// reply is what came back.
type reply struct {
	status int
	region string
	body   []byte
	took   time.Duration
}

// address says where a request goes whatever its URL names: a host, or with the
// port of the URL when it has none of its own.
type address struct{ host, port string }

func (a address) in(port string) string {
	if a.port != "" {
		port = a.port
	}
	return net.JoinHostPort(a.host, port)
}

// request is what is asked, wherever it is sent.
type request struct {
	method, path string
	body         []byte
	// key is the same for all sends of one order, so that whoever gets two of them
	// writes one; see https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ .
	key string
}

func get(path string) request { return request{method: http.MethodGet, path: path} }

// send makes one request to u at a place.
func (p *Probe) send(ctx context.Context, t site, r request, u string, at address) (reply, error) {
	ctx, cancel := p.clock.WithTimeout(ctx, patient, fmt.Errorf("no answer within %s", patient))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, u, bytes.NewReader(r.body))
	if err != nil {
		return reply{}, &incident.CallError{Err: fmt.Errorf("make a request to %s: %w", u, err), NeedsPerson: true, Hint: "correct the probe addresses in the settings"}
	}
	req.Header.Set("User-Agent", incident.Bot)
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
	}
	if p.token != "" && t.Order != "" && strings.HasPrefix(req.URL.Path, t.Order) {
		if req.URL.Scheme != "https" && !loopback(at.host) {
			return reply{}, &incident.CallError{
				NeedsPerson: true, Err: fmt.Errorf("the token of synthetic orders is not sent to %s over plain http", req.URL.Host),
				Hint: "give probe.public and the Regions' endpoints as https addresses, or leave SYNTHETIC_TEST_TOKEN empty",
			}
		}
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   p.tls,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return p.dial(ctx, network, at.in(port))
		},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	began := p.clock.Now()
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, because(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }() // it has been read
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return reply{}, because(ctx, err)
	}
	return reply{resp.StatusCode, resp.Header.Get(t.RegionHeader), data, p.clock.Now().Sub(began)}, nil
}

// Page is the status that a page answers with, asked for at the address that its URL
// names. Its error says that there was no answer.
func (p *Probe) Page(ctx context.Context, u string) (int, error) {
	at, err := url.Parse(u)
	if err != nil {
		return 0, &incident.CallError{Err: fmt.Errorf("ask for %s: %w", u, err), NeedsPerson: true}
	}
	r, err := p.send(ctx, site{}, get(""), u, address{host: at.Hostname()})
	return r.status, err
}

// loopback says that an address leads back to this machine, so that nobody listens in.
func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// because is the reason without the request's own words around it.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// direct sends a request to a Region's own address, under the public name: what
// users will send once they are moved there.
func (p *Probe) direct(ctx context.Context, t site, region runbook.Region, r request) (reply, error) {
	own, err := url.Parse(region.Endpoint)
	if err != nil || own.Hostname() == "" {
		return reply{}, &incident.CallError{Err: fmt.Errorf("%s has no usable endpoint: %q", region.Name, region.Endpoint), NeedsPerson: true, Hint: "set the Region's endpoint in the settings"}
	}
	public, err := url.Parse(t.Public)
	if err != nil || public.Hostname() == "" {
		return reply{}, noPublic(t)
	}
	port := own.Port()
	if port == "" {
		port = map[string]string{"http": "80"}[own.Scheme]
	}
	if port == "" {
		port = "443"
	}
	return p.send(ctx, t, r, own.Scheme+"://"+public.Host+r.path, address{own.Hostname(), port})
}

// public sends a request to the public name, where the zone's own servers say.
func (p *Probe) public(ctx context.Context, t site, r request) (reply, netip.Addr, error) {
	u, err := url.Parse(t.Public)
	if err != nil || u.Hostname() == "" {
		return reply{}, netip.Addr{}, noPublic(t)
	}
	addrs, err := p.resolve(ctx, t.Topology, u.Hostname())
	if err != nil {
		return reply{}, netip.Addr{}, err
	}
	var faults []error
	for _, a := range addrs {
		back, err := p.send(ctx, t, r, strings.TrimRight(t.Public, "/")+r.path, address{host: a.String()})
		if err == nil {
			return back, a, nil
		}
		faults = append(faults, fmt.Errorf("%s: %w", a, err))
		if r.method != http.MethodGet || ctx.Err() != nil {
			break // an order may have arrived although its answer did not
		}
	}
	return reply{}, netip.Addr{}, errors.Join(faults...)
}

func noPublic(t site) error {
	return &incident.CallError{Err: fmt.Errorf("the public address %q is not usable", t.Public), NeedsPerson: true, Hint: "set probe.public in the settings, scheme and host"}
}

// hopeless errors are no finding about the platform but a mistake in the settings.
func hopeless(err error) bool {
	var f *incident.CallError
	return errors.As(err, &f) && f.NeedsPerson
}

// oneLine is an error as part of a sentence.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

func (r reply) told() string {
	by := r.region
	if by == "" {
		by = "nobody knows which Region"
	}
	return fmt.Sprintf("status %d by %s in %d ms", r.status, by, r.took.Milliseconds())
}

// pages are the health pages of the services that have one.
func pages(t runbook.Topology) []runbook.Service {
	var out []runbook.Service
	for _, s := range t.Services {
		if s.Health != "" {
			out = append(out, s)
		}
	}
	return out
}

// OutageInput is the input of Outage.
type OutageInput struct {
	// Tries is how often the Region is asked; 0 means 6.
	Tries int `yaml:"tries,omitempty" json:"tries,omitempty"`
	// Every is the time between two tries; 0 means 2 s.
	Every time.Duration `yaml:"every,omitempty" json:"every,omitempty"`
}

// full is the input with what it means where it says nothing.
func (in OutageInput) full() OutageInput {
	if in.Tries <= 0 {
		in.Tries = 6
	}
	if in.Every <= 0 {
		in.Every = 2 * time.Second
	}
	return in
}

// Lasts is how long one look takes: until the last try has had its time.
func (in OutageInput) Lasts() time.Duration {
	in = in.full()
	return time.Duration(in.Tries-1)*in.Every + patient
}

// Outage checks whether the source's own address fails from here, again and again:
// each try asks for the health page of another service, and none waits for the one
// before. A single good answer and the Region counts as up.
func (p *Probe) Outage(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	in := OutageInput{}
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	in = in.full()
	t, err := siteOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	source := c.Plan.Source
	services := pages(t.Topology)
	if len(services) == 0 {
		return engine.Outcome{}, false, &incident.CallError{NeedsPerson: true, Err: errors.New("no service has a health page to ask for"), Hint: "set health for at least one service"}
	}
	replies := make([]reply, in.Tries)
	faults := make([]error, in.Tries)
	incident.Together(p.clock, in.Tries, func(i int) {
		if faults[i] = p.clock.Sleep(ctx, time.Duration(i)*in.Every); faults[i] == nil {
			replies[i], faults[i] = p.direct(ctx, t, source, get(services[i%len(services)].Health))
		}
	})
	o := engine.Outcome{Evidence: map[string]string{"endpoint": source.Endpoint}}
	var last string
	up := 0
	for i, err := range faults {
		try := fmt.Sprintf("try_%d", i+1)
		switch {
		case hopeless(err):
			return o, false, err
		case err != nil:
			last = oneLine(err)
			o.Evidence[try] = last
		case replies[i].status >= http.StatusInternalServerError:
			last = fmt.Sprintf("status %d", replies[i].status)
			o.Evidence[try] = last
		default:
			up++
			o.Evidence[try] = replies[i].told()
		}
	}
	if ctx.Err() != nil {
		return o, false, &incident.CallError{Err: fmt.Errorf("probe %s: %w", source.Name, context.Cause(ctx)), Retry: true}
	}
	if up > 0 {
		o.Summary = fmt.Sprintf("%s answers from here: served %d of %s to its own address", source.Name, up, text.Count(in.Tries, "request"))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%s fails from here: %d of %s to its own address in %s (last: %s)",
		source.Name, in.Tries, text.Count(in.Tries, "request"), time.Duration(in.Tries-1)*in.Every, last)
	return o, true, nil
}

// HealthInput is the input of Health.
type HealthInput struct {
	// Service whose health page is asked for.
	Service string `yaml:"service" json:"service"`
}

// Health waits until a service's health page, under the public name, is served
// well by the target.
func (p *Probe) Health(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in HealthInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	for _, s := range pages(c.Plan.Topology) {
		if s.Name == in.Service {
			return p.page(ctx, c, s.Name, s.Health)
		}
	}
	return engine.Outcome{}, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("%s has no health page", in.Service), Hint: "set health for that service, or leave the step out for it"}
}

// Region waits until the public name leads to the target.
func (p *Probe) Region(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	services := pages(c.Plan.Topology)
	if len(services) == 0 {
		return engine.Outcome{}, false, &incident.CallError{NeedsPerson: true, Err: errors.New("no service has a health page to ask for"), Hint: "set health for at least one service"}
	}
	return p.page(ctx, c, c.Plan.Topology.Record, services[0].Health)
}

func (p *Probe) page(ctx context.Context, c engine.Call, what, path string) (engine.Outcome, bool, error) {
	t, err := siteOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	target := c.Plan.Target
	o := engine.Outcome{Evidence: map[string]string{"url": strings.TrimRight(t.Public, "/") + path}}
	r, at, err := p.public(ctx, t, get(path))
	if err != nil {
		if hopeless(err) {
			return o, false, err
		}
		o.Summary = fmt.Sprintf("%s does not answer: %s", what, oneLine(err))
		return o, false, nil
	}
	o.Evidence["address"], o.Evidence["status"], o.Evidence["region"] = at.String(), fmt.Sprint(r.status), r.region
	o.Evidence["latency"] = fmt.Sprintf("%d ms", r.took.Milliseconds())
	switch {
	case r.region != target.Name:
		o.Summary = fmt.Sprintf("%s is served by %s, not by %s (%s)", what, orUnknown(r.region), target.Name, at)
		return o, false, nil
	case r.status != http.StatusOK:
		o.Summary = fmt.Sprintf("%s answers status %d in %s", what, r.status, r.region)
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%s is served by %s: status 200 in %d ms from %s", what, r.region, r.took.Milliseconds(), at)
	return o, true, nil
}

// order is what a synthetic order says and what comes back of it.
type order struct {
	Test      bool   `json:"test"`
	Product   string `json:"product_id"`
	Quantity  int    `json:"quantity"`
	Reference string `json:"reference"`
}

// The shapes of an answer to an order that are understood: an id under one of these
// names, in the answer itself or in one of these parts of it. Capitals do not matter.
var (
	idNames = []string{"id", "order_id", "orderId"}
	idParts = []string{"", "data", "order"}
)

// placed finds the id in the answer to an order, as it stands there: a number that went
// through a float would be another one.
func placed(body []byte) string {
	var whole map[string]any
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	d.UseNumber()
	if d.Decode(&whole) != nil {
		return ""
	}
	for _, part := range idParts {
		in := whole
		if part != "" {
			in, _ = named(whole, part).(map[string]any)
		}
		for _, name := range idNames {
			switch v := named(in, name).(type) {
			case string:
				if v != "" {
					return v
				}
			case json.Number:
				return v.String()
			}
		}
	}
	return ""
}

// named is what stands under a name, its own capitals first.
func named(in map[string]any, name string) any {
	if v, ok := in[name]; ok {
		return v
	}
	for _, key := range slices.Sorted(maps.Keys(in)) {
		if strings.EqualFold(key, name) {
			return in[key]
		}
	}
	return nil
}

// sends is how often one order is sent at the most before somebody is asked: every 5 s
// for the 3 minutes that the shipped runbook gives it.
const sends = 36

type send func(request) (reply, error)

// place sends a synthetic order and reads it back. All sends of a step carry one
// reference and one key: the shop can tell them from sales and from those of other
// runs, and writes one order of them if it knows what the key is for.
func (p *Probe) place(c engine.Call, n int, how string, send send) (engine.Outcome, bool, error) {
	t, err := siteOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	target := c.Plan.Target
	reference := fmt.Sprintf("%s/%s/%s", c.Incident, c.Step.ID, c.Token)
	o := engine.Outcome{Evidence: map[string]string{"reference": reference, "send": fmt.Sprint(n)}}
	body, err := json.Marshal(order{Test: true, Product: "test-product-001", Quantity: 1, Reference: reference})
	if err != nil {
		return o, false, &incident.CallError{Err: fmt.Errorf("write the synthetic order: %w", err), NeedsPerson: true}
	}
	no := func(format string, args ...any) (engine.Outcome, bool, error) {
		o.Summary = fmt.Sprintf("a synthetic order %s ", how) + fmt.Sprintf(format, args...)
		return o, false, nil
	}
	r, err := send(request{method: http.MethodPost, path: t.Order, body: body, key: c.Token})
	switch {
	case hopeless(err):
		return o, false, err
	case err != nil:
		return no("got no answer: %s", oneLine(err))
	}
	o.Evidence["post"] = r.told()
	id := placed(r.body)
	switch {
	case r.status == http.StatusUnauthorized || r.status == http.StatusForbidden:
		return o, false, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("a synthetic order %s was refused with status %d", how, r.status),
			Hint: "set the token for synthetic orders in the bot's settings",
		}
	case r.status/100 != 2:
		return no("was answered with status %d by %s%s", r.status, orUnknown(r.region), reason(r.body))
	case r.region != target.Name:
		return no("was taken by %s, not by %s", orUnknown(r.region), target.Name)
	case id == "":
		return no("was taken without an id that can be found, so it cannot be read back: the answer has to be JSON with %s, at the top or in data or order", strings.Join(idNames, ", "))
	}
	o.Evidence["order"] = id
	back, err := send(get(strings.TrimRight(t.Order, "/") + "/" + url.PathEscape(id)))
	switch {
	case err != nil:
		return no("was taken as %s but reading it back got no answer: %s", id, oneLine(err))
	case back.status != http.StatusOK:
		return no("was taken as %s but reading it back got status %d from %s", id, back.status, orUnknown(back.region))
	case back.region != target.Name:
		return no("was taken as %s but read back from %s, not from %s", id, orUnknown(back.region), target.Name)
	case placed(back.body) != id:
		return no("was taken as %s but another one was read back", id)
	}
	o.Evidence["get"] = back.told()
	o.Summary = fmt.Sprintf("a synthetic order %s was written and read back in %s (order %s)", how, back.region, id)
	return o, true, nil
}

// reason is what the platform says about a refusal, if it is short.
func reason(body []byte) string {
	s := strings.Join(strings.Fields(string(body)), " ")
	if s == "" || len(s) > 200 {
		return ""
	}
	return ": " + s
}

// Write sends an order through the target's own address and reads it back, before any
// user is sent there. It is the n-th send of that order.
func (p *Probe) Write(ctx context.Context, c engine.Call, n int) (engine.Outcome, bool, error) {
	t, err := siteOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	return p.place(c, n, "through "+c.Plan.Target.Endpoint, func(r request) (reply, error) {
		return p.direct(ctx, t, c.Plan.Target, r)
	})
}

// Order sends an order through the public name and reads it back. It is the n-th send
// of that order.
func (p *Probe) Order(ctx context.Context, c engine.Call, n int) (engine.Outcome, bool, error) {
	t, err := siteOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	return p.place(c, n, "through "+t.Public, func(r request) (reply, error) {
		back, _, err := p.public(ctx, t, r)
		return back, err
	})
}

// WatchInput is the input of Watch.
type WatchInput struct {
	// Samples to take; 0 means 10.
	Samples int `yaml:"samples,omitempty" json:"samples,omitempty"`
	// Every is the time between two samples; 0 means 4 s.
	Every time.Duration `yaml:"every,omitempty" json:"every,omitempty"`
}

// full is the input with what it means where it says nothing.
func (in WatchInput) full() WatchInput {
	if in.Samples <= 0 {
		in.Samples = 10
	}
	if in.Every <= 0 {
		in.Every = 4 * time.Second
	}
	return in
}

// Lasts is how long the look takes at least.
func (in WatchInput) Lasts() time.Duration {
	in = in.full()
	return time.Duration(in.Samples-1)*in.Every + patient
}

// Watch checks for a while that the public name stays with the target: every
// sample well served, and by it.
func (p *Probe) Watch(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in WatchInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	in = in.full()
	t, err := siteOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	target := c.Plan.Target
	services := pages(t.Topology)
	if len(services) == 0 {
		return engine.Outcome{}, false, &incident.CallError{NeedsPerson: true, Err: errors.New("no service has a health page to ask for"), Hint: "set health for at least one service"}
	}
	o := engine.Outcome{Evidence: map[string]string{}}
	began := p.clock.Now()
	var wrong []string
	var slowest time.Duration
	for i := range in.Samples {
		if i > 0 {
			if err := p.clock.Sleep(ctx, in.Every); err != nil {
				return o, false, fmt.Errorf("watch %s: %w", t.Record, err)
			}
		}
		s := services[i%len(services)]
		r, at, err := p.public(ctx, t, get(s.Health))
		switch {
		case hopeless(err):
			return o, false, err
		case err != nil:
			wrong = append(wrong, fmt.Sprintf("%s: %s", s.Name, oneLine(err)))
		case r.region != target.Name:
			wrong = append(wrong, fmt.Sprintf("%s was served by %s (%s)", s.Name, orUnknown(r.region), at))
		case r.status != http.StatusOK:
			wrong = append(wrong, fmt.Sprintf("%s answered status %d", s.Name, r.status))
		}
		slowest = max(slowest, r.took)
	}
	took := p.clock.Now().Sub(began).Round(time.Second)
	o.Evidence["samples"], o.Evidence["over"] = fmt.Sprint(in.Samples), took.String()
	o.Evidence["slowest"] = fmt.Sprintf("%d ms", slowest.Milliseconds())
	if len(wrong) > 0 {
		o.Summary = fmt.Sprintf("%d of %s in %s not well served by %s: %s", len(wrong), text.Count(in.Samples, "request"), took, target.Name, strings.Join(wrong, "; "))
		return o, false, nil
	}
	which := fmt.Sprintf("all %d requests in %s were", in.Samples, took)
	if in.Samples == 1 {
		which = "the one request was"
	}
	o.Summary = fmt.Sprintf("%s served by %s (slowest %d ms)", which, target.Name, slowest.Milliseconds())
	return o, true, nil
}

func orUnknown(s string) string {
	if s == "" {
		return "an unknown Region"
	}
	return s
}
