// Package dns asks name servers what they answer, and makes Route 53 give the
// platform's name to the standby.
//
// Three questions are kept apart: what the zone's own servers answer, which is
// gated on; what public resolvers have cached, which is only reported; and where
// users land, which the probes answer. Queries go to name servers directly, so
// they need no AWS API. Changing a health check does: Route 53's only control
// plane is in us-east-1, and when that is the Region in trouble the takeover
// object moves users instead. A server that does not answer is an error in the
// verdict of that server alone.
package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Dial opens a connection.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

const (
	// tries of one question to one server, and how long each may take. The library
	// neither repeats nor falls back to TCP by itself.
	tries   = 3
	patient = 2 * time.Second
	// chase is how many names an alias may lead through.
	chase = 8
)

// Client asks name servers.
type Client struct {
	dial  Dial
	clock incident.Clock
}

// NewClient returns a client that connects by dial; nil is the machine's own.
func NewClient(dial Dial, clock incident.Clock) *Client {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return &Client{dial: dial, clock: clock}
}

var errSlow = errors.New("no answer in time")

// ask sends one question to one server until it is answered, over TCP when the
// answer does not fit.
func (c *Client) ask(ctx context.Context, server, name string, kind uint16, recurse bool) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), kind)
	q.RecursionDesired = recurse
	q.SetEdns0(1232, false)
	var last error
	for range tries {
		answer, err := c.exchange(ctx, "udp", server, q)
		if err == nil && answer.Truncated {
			answer, err = c.exchange(ctx, "tcp", server, q)
		}
		switch {
		case err == nil && (answer.Rcode == dns.RcodeSuccess || answer.Rcode == dns.RcodeNameError):
			return answer, nil
		case err == nil:
			last = fmt.Errorf("%s answered %s", server, dns.RcodeToString[answer.Rcode])
		default:
			last = fmt.Errorf("ask %s: %w", server, err)
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("ask %s: %w", server, context.Cause(ctx))
		}
	}
	return nil, last
}

func (c *Client) exchange(ctx context.Context, network, server string, q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := c.clock.WithTimeout(ctx, patient, fmt.Errorf("%w (%s)", errSlow, patient))
	defer cancel()
	conn, err := c.dial(ctx, network, server)
	if err != nil {
		return nil, caused(ctx, err)
	}
	defer func() { _ = conn.Close() }() // nothing is lost by it
	// The library looks at the deadline of a context only, and one on a pretend
	// clock has none to look at.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	q.Id = dns.Id()
	co := &dns.Conn{Conn: conn, UDPSize: 1232}
	answer, _, err := (&dns.Client{Net: network, Timeout: 2 * patient}).ExchangeWithConnContext(ctx, q, co)
	if err != nil {
		return nil, caused(ctx, err)
	}
	return answer, nil
}

func caused(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// addresses are the A and AAAA records that a server gives for a name, following
// the aliases inside its answer and, where it resolves for others, beyond it.
func (c *Client) addresses(ctx context.Context, server, name string, recurse bool) ([]netip.Addr, error) {
	var out []netip.Addr
	alias := ""
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		at := dns.Fqdn(name)
		for range chase {
			answer, err := c.ask(ctx, server, at, kind, recurse)
			if err != nil {
				return nil, err
			}
			found, next := follow(answer.Answer, at)
			out = append(out, found...)
			if len(found) == 0 && next != at {
				alias = next
			}
			if len(found) > 0 || next == at || !recurse {
				break
			}
			at = next
		}
	}
	if len(out) == 0 && alias != "" && !recurse {
		// It is the zone's own server, and what the alias leads to is another zone's.
		return nil, fmt.Errorf("%s gives %s as a CNAME of %s and no address: failover records have to be alias records of types A and AAAA", server, name, strings.TrimSuffix(alias, "."))
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out), nil
}

// follow walks from a name through the aliases of an answer to the addresses at
// their end. next is where it got to. Names are compared without their case.
func follow(records []dns.RR, name string) (found []netip.Addr, next string) {
	for range chase {
		alias := ""
		for _, rr := range records {
			if !strings.EqualFold(rr.Header().Name, name) {
				continue
			}
			switch rr := rr.(type) {
			case *dns.A:
				if a, ok := netip.AddrFromSlice(rr.A.To4()); ok {
					found = append(found, a)
				}
			case *dns.AAAA:
				if a, ok := netip.AddrFromSlice(rr.AAAA.To16()); ok {
					found = append(found, a)
				}
			case *dns.CNAME:
				alias = rr.Target
			}
		}
		if len(found) > 0 || alias == "" {
			return found, name
		}
		name = alias
	}
	return found, name
}

// answer is what one server said.
type answer struct {
	server string
	addrs  []netip.Addr
	err    error
}

// everywhere asks all servers at once.
func (c *Client) everywhere(ctx context.Context, servers []string, name string, recurse bool) []answer {
	out := make([]answer, len(servers))
	incident.Together(c.clock, len(servers), func(i int) {
		addrs, err := c.addresses(ctx, servers[i], name, recurse)
		out[i] = answer{servers[i], addrs, err}
	})
	return out
}

// Authoritative is what the zone's own servers give for a name, in the order in
// which they are set; the first that answers is taken.
func (c *Client) Authoritative(ctx context.Context, t runbook.Topology, name string) ([]netip.Addr, error) {
	s, err := settingsOf(t)
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, a := range c.everywhere(ctx, s.Nameservers, name, false) {
		if a.err == nil && len(a.addrs) > 0 {
			return a.addrs, nil
		}
		if a.err == nil {
			a.err = fmt.Errorf("%s has no address for %s", a.server, name)
		}
		faults = append(faults, a.err)
	}
	if len(faults) == 0 {
		faults = []error{errors.New("no name servers are set")}
	}
	return nil, fmt.Errorf("ask the zone's servers for %s: %w", name, errors.Join(faults...))
}

// resolved is what any of the public resolvers gives for names, together. Load
// balancers answer with a part of their addresses at a time, so each is asked
// more than once.
func (c *Client) resolved(ctx context.Context, resolvers []Resolver, inVPC bool, names ...string) ([]netip.Addr, error) {
	var servers []string
	for _, r := range resolvers {
		if !r.VPCOnly || inVPC {
			servers = append(servers, r.Addr)
		}
	}
	if len(servers) == 0 {
		return nil, errors.New("no resolvers are set")
	}
	type question struct{ server, name string }
	var questions []question
	for _, name := range names {
		for _, s := range servers {
			questions = append(questions, question{s, name}, question{s, name})
		}
	}
	var mu sync.Mutex
	var out []netip.Addr
	var faults []error
	incident.Together(c.clock, len(questions), func(i int) {
		addrs, err := c.addresses(ctx, questions[i].server, questions[i].name, true)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			faults = append(faults, err)
			return
		}
		out = append(out, addrs...)
	})
	if len(out) == 0 {
		return nil, fmt.Errorf("resolve %s: %w", strings.Join(names, ", "), errors.Join(append(faults, errors.New("no address"))...))
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out), nil
}

// where says which Region a set of addresses belongs to.
func where(addrs, source, target []netip.Addr) string {
	in := func(set []netip.Addr) int {
		n := 0
		for _, a := range addrs {
			if slices.Contains(set, a) {
				n++
			}
		}
		return n
	}
	s, t := in(source), in(target)
	switch {
	case len(addrs) == 0:
		return "nothing"
	case t == len(addrs):
		return "dr"
	case s == len(addrs):
		return "primary"
	case s > 0 && t > 0:
		return "mixed"
	}
	return "unknown"
}

func list(addrs []netip.Addr) string {
	if len(addrs) == 0 {
		return "no address"
	}
	var out []string
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return strings.Join(out, " ")
}
