package dns

import (
	"context"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Given is what one server gives out for the public name.
type Given struct {
	// Server is the resolver's name; empty for the zone's own servers, of which the
	// first that answers is taken.
	Server string
	// Region that all the addresses belong to; empty if they do not, or nobody knows.
	Region string
	Addrs  []netip.Addr
	Err    error
}

// addressesFor is how long the addresses of a Region's own name are taken as they are.
const addressesFor = time.Minute

// Sent tells where those are sent who look the public name up. It may be used by
// several at once.
type Sent struct {
	client *Client
	inVPC  bool

	mu    sync.Mutex
	known map[string]regional
}

type regional struct {
	addrs []netip.Addr
	at    time.Time
}

// NewSent returns one that asks by client. inVPC says that resolvers inside a VPC can
// be reached.
func NewSent(client *Client, inVPC bool) *Sent {
	return &Sent{client: client, inVPC: inVPC, known: map[string]regional{}}
}

// Given asks the zone's own servers, which come first, and each public resolver once.
// It asks name servers only, so a Region that is gone holds nothing up. An error of one
// server is in its answer.
func (s *Sent) Given(ctx context.Context, p *runbook.Plan) ([]Given, error) {
	set, err := settingsOf(p.Topology)
	if err != nil {
		return nil, err
	}
	var asked []Resolver
	for _, r := range set.Resolvers {
		if !r.VPCOnly || s.inVPC {
			asked = append(asked, r)
		}
	}
	out := make([]Given, 1+len(asked))
	var source, target []netip.Addr
	todo := []func(){
		func() { out[0].Addrs, out[0].Err = s.client.Authoritative(ctx, p.Topology, p.Topology.Record) },
		func() { source = s.addresses(ctx, set, p, p.Source) },
		func() { target = s.addresses(ctx, set, p, p.Target) },
	}
	for i, r := range asked {
		out[i+1].Server = r.Name
		todo = append(todo, func() {
			out[i+1].Addrs, out[i+1].Err = s.client.addresses(ctx, r.Addr, p.Topology.Record, true)
		})
	}
	incident.Together(s.client.clock, len(todo), func(i int) { todo[i]() })
	for i := range out {
		switch where(out[i].Addrs, source, target) {
		case "dr":
			out[i].Region = p.Target.Name
		case "primary":
			out[i].Region = p.Source.Name
		}
	}
	return out, nil
}

// addresses are those of a Region's own name, as the zone's servers have them or else a
// public resolver; none if nobody tells.
func (s *Sent) addresses(ctx context.Context, set Settings, p *runbook.Plan, r runbook.Region) []netip.Addr {
	u, err := url.Parse(r.Endpoint)
	if err != nil || u.Hostname() == "" {
		return nil
	}
	host := u.Hostname()
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}
	}
	s.mu.Lock()
	have, ok := s.known[host]
	s.mu.Unlock()
	now := s.client.clock.Now()
	if ok && now.Sub(have.at) < addressesFor {
		return have.addrs
	}
	addrs, err := s.client.Authoritative(ctx, p.Topology, host)
	if err != nil {
		addrs, err = s.client.resolved(ctx, set.Resolvers, s.inVPC, host)
	}
	if err != nil {
		return have.addrs // an old answer is better than none
	}
	s.mu.Lock()
	s.known[host] = regional{addrs, now}
	s.mu.Unlock()
	return addrs
}
