// Package webapi asks what stands in a Region over HTTP: at an address of its own, and
// where nobody answers there by way of the cluster's API server.
//
// Nothing is asked twice, no redirect is followed, and every error says whether somebody
// has to open a way, to give a right, or to look at what answered.
package webapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

const (
	// patient is how long one request may take.
	patient = 10 * time.Second
	// most is how much of an answer is read.
	most = 16 << 20
)

// Dial opens a connection.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// Proxy asks a service of a Region's cluster by way of its API server: GET alone. service
// is namespace/name:port, path with its query; taken is as in a [Request] and may be nil.
// Its errors are faults of a read.
type Proxy func(ctx context.Context, p *runbook.Plan, r runbook.Region, service, path string, taken func(status int, body []byte) bool) ([]byte, error)

// Client sends requests.
type Client struct {
	dial  Dial
	proxy Proxy
	clock incident.Clock
}

// New returns a client that connects by dial (nil is the machine's own) and, where
// nothing answers, by proxy.
func New(dial Dial, proxy Proxy, clock incident.Clock) *Client {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return &Client{dial: dial, proxy: proxy, clock: clock}
}

// Place is where something is asked.
type Place struct {
	// URL is its own address: scheme, host, and the path before its API's if it has one.
	// Empty: none is known.
	URL string
	// Service is namespace/name:port in the Region's cluster; empty: none is known.
	Service string
}

// Request is what is asked.
type Request struct {
	// System is who is asked, for sentences: Prometheus.
	System string
	// Path is that of its API, with the query.
	Path string
	// Body is posted; nil: it is a GET.
	Body []byte
	// Taken says of an answer that is no 200 that it is one all the same, by its status and
	// body; nil: none is.
	Taken func(status int, body []byte) bool
	// Token is sent as a bearer token to the place's own address, over TLS or to this
	// machine alone; may be empty. A secret.
	Token string
}

// Ask gives the body of an answer of 200, or of one that is taken for an answer. The place's own address is asked first; where
// it does not answer at all, a GET is tried through the API server.
func (c *Client) Ask(ctx context.Context, p *runbook.Plan, r runbook.Region, at Place, q Request) ([]byte, error) {
	var unreached error
	if at.URL != "" {
		body, reached, err := c.send(ctx, at.URL, q)
		if reached {
			if err != nil {
				return nil, fmt.Errorf("ask %s in %s: %w", q.System, r.Name, err)
			}
			return body, nil
		}
		unreached = err
	}
	if at.Service != "" && q.Body == nil && c.proxy != nil {
		body, err := c.proxy(ctx, p, r, at.Service, q.Path, q.Taken)
		switch {
		case err == nil:
			return body, nil
		case unreached != nil:
			return nil, fmt.Errorf("ask %s in %s: %w; by way of the API server: %w", q.System, r.Name, unreached, err)
		}
		return nil, fmt.Errorf("ask %s in %s by way of the API server: %w", q.System, r.Name, err)
	}
	return nil, &incident.CallError{
		NeedsPerson: true, Err: fmt.Errorf("ask %s in %s: no answer from %s: %w", q.System, r.Name, at.URL, unreached),
		Hint: "let the bot reach it (security groups, a private name), or look at it from within its network",
	}
}

// send asks an address; reached says that somebody answered there.
func (c *Client) send(ctx context.Context, base string, q Request) (body []byte, reached bool, err error) {
	ctx, cancel := c.clock.WithTimeout(ctx, patient, fmt.Errorf("no answer within %s", patient))
	defer cancel()
	method := http.MethodGet
	if q.Body != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(base, "/")+q.Path, bytes.NewReader(q.Body))
	if err != nil {
		return nil, true, &incident.CallError{NeedsPerson: true, Err: err, Hint: "correct its address in the settings"}
	}
	req.Header.Set("User-Agent", incident.Bot)
	if q.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if q.Token != "" {
		if req.URL.Scheme != "https" && !loopback(req.URL.Hostname()) {
			return nil, true, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("its token is not sent to %s over plain http", req.URL.Host), Hint: "give an https address, or no token"}
		}
		req.Header.Set("Authorization", "Bearer "+q.Token)
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: c.dial}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return nil, false, because(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }() // it has been read
	body, err = io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil:
		return nil, false, because(ctx, err)
	case resp.StatusCode != http.StatusOK && (q.Taken == nil || !q.Taken(resp.StatusCode, body)):
		return nil, true, refused(q, req.URL.Host, resp.StatusCode, body)
	case len(body) > most:
		return nil, true, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("the answer of %s is longer than %d MiB", req.URL.Host, most>>20), Hint: "ask for less: narrow the query in the settings"}
	}
	return body, true, nil
}

// refused is an answer that is no 200, as an error.
func refused(q Request, host string, status int, body []byte) error {
	f := &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("%s answered status %d: %s", host, status, text.Shorten(text.Inline(string(body)), 200))}
	switch {
	case status == http.StatusUnauthorized:
		f.Hint = "the bot's token for " + q.System + " is missing or not accepted"
	case status == http.StatusForbidden:
		f.Hint = "the bot's token for " + q.System + " may not do this: give it the right that the answer names"
	case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
		f.Retry, f.Hint = true, q.System+" is busy or not well: look at it"
	case status == http.StatusNotFound:
		f.Hint = "there is no API of " + q.System + " at that address: correct it in the settings"
	default:
		f.Hint = "look at the address and the query in the settings"
	}
	return f
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

// loopback says that an address leads back to this machine, so that nobody listens in.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// CheckPlace finds what cannot be right about a place in the settings, under the keys url
// and service of a Region.
func CheckPlace(c runbook.Checks, region string, at Place) {
	if u, err := url.Parse(at.URL); at.URL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.User != nil) {
		c.Fault("regions."+region+".url", `"url" is scheme, host and at most a path, without a password: https://prometheus.example.com`)
	}
	if at.Service != "" {
		namespace, rest, _ := strings.Cut(at.Service, "/")
		name, port, _ := strings.Cut(rest, ":")
		if namespace == "" || name == "" || port == "" || strings.ContainsAny(name+port, "/:") {
			c.Fault("regions."+region+".service", `"service" is namespace/name:port of a service in the cluster`)
		}
	}
	if at.URL == "" && at.Service == "" {
		c.Fault("regions."+region+".url", `give "url", "service" or both: where it is asked`)
	}
}
