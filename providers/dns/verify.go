package dns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// BalancerName is the DNS name of a Region's load balancer.
type BalancerName func(ctx context.Context, t runbook.Topology, r runbook.Region) (string, error)

// Verify compares answers with the addresses that a Region's load balancer has.
type Verify struct {
	client   *Client
	balancer BalancerName
	inVPC    bool
}

// NewVerify returns the checks of answers. balancer is asked for the target's
// load balancer only: the Region being left may be unable to tell. inVPC says
// that resolvers inside a VPC can be reached.
func NewVerify(client *Client, balancer BalancerName, inVPC bool) *Verify {
	return &Verify{client: client, balancer: balancer, inVPC: inVPC}
}

// addressesOf resolves a Region's own address, and the name of its load balancer
// where that is given.
func (v *Verify) addressesOf(ctx context.Context, t runbook.Topology, r runbook.Region, balancer string) ([]netip.Addr, error) {
	var names []string
	if balancer != "" {
		names = append(names, balancer)
	}
	u, err := url.Parse(r.Endpoint)
	if err == nil && u.Hostname() != "" {
		if a, err := netip.ParseAddr(u.Hostname()); err == nil {
			if balancer == "" {
				return []netip.Addr{a}, nil
			}
		} else if !slices.Contains(names, u.Hostname()) {
			names = append(names, u.Hostname())
		}
	}
	if len(names) == 0 {
		return nil, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("%s has no address to compare with", r.Name),
			Hint: "set the Region's endpoint in the settings",
		}
	}
	s, err := settingsOf(t)
	if err != nil {
		return nil, err
	}
	addrs, err := v.client.resolved(ctx, s.Resolvers, v.inVPC, names...)
	if err != nil {
		return nil, &incident.CallError{Retry: true, Err: fmt.Errorf("find the addresses of %s: %w", r.Name, err)}
	}
	return addrs, nil
}

func (v *Verify) target(ctx context.Context, p *runbook.Plan) ([]netip.Addr, error) {
	name, err := v.balancer(ctx, p.Topology, p.Target)
	if err != nil {
		return nil, err
	}
	return v.addressesOf(ctx, p.Topology, p.Target, name)
}

// Outage checks whether the zone's own servers have stopped giving out the
// source's addresses: then Route 53's checkers, from many places, see it down.
// It asks name servers only.
func (v *Verify) Outage(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	t := p.Topology
	s, err := settingsOf(t)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	source, err := v.addressesOf(ctx, t, p.Source, "")
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"record": t.Record, "source_addresses": list(source)}}
	answered, given := 0, 0
	var faults []error
	for _, a := range v.client.everywhere(ctx, s.Nameservers, t.Record, false) {
		if a.err != nil {
			o.Evidence[a.server] = "error: " + a.err.Error()
			faults = append(faults, a.err)
			continue
		}
		o.Evidence[a.server] = list(a.addrs)
		if len(a.addrs) == 0 {
			continue
		}
		answered++
		if slices.ContainsFunc(a.addrs, func(x netip.Addr) bool { return slices.Contains(source, x) }) {
			given++
		}
	}
	switch {
	case answered == 0:
		return o, false, &incident.CallError{
			Retry: true,
			Err:   fmt.Errorf("ask the zone's servers for %s: %w", t.Record, errors.Join(append(faults, errors.New("none of them gave an address"))...)),
		}
	case given > 0:
		o.Summary = fmt.Sprintf("%s still %s %s out for %s: Route 53 sees it up", some(given, answered), give(given), p.Source.Name, t.Record)
		return o, false, nil
	}
	none := fmt.Sprintf("none of the zone's %d servers gives", answered)
	if answered == 1 {
		none = "the one server of the zone that answered does not give"
	}
	o.Summary = fmt.Sprintf("Route 53's checkers see %s down: %s it out for %s", p.Source.Name, none, t.Record)
	return o, true, nil
}

// Moved waits until each of the zone's own servers answers with the target's
// addresses and nothing else.
func (v *Verify) Moved(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	t := p.Topology
	s, err := settingsOf(t)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	target, err := v.target(ctx, p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"record": t.Record, "target_addresses": list(target)}}
	if len(s.Nameservers) == 0 {
		return o, false, &incident.CallError{NeedsPerson: true, Err: errors.New("no name servers are set"), Hint: "set dns.nameservers"}
	}
	var wrong []string
	for _, a := range v.client.everywhere(ctx, s.Nameservers, t.Record, false) {
		switch {
		case a.err != nil:
			wrong = append(wrong, a.err.Error())
			o.Evidence[a.server] = "error: " + a.err.Error()
		case where(a.addrs, nil, target) != "dr":
			wrong = append(wrong, fmt.Sprintf("%s gives %s", a.server, list(a.addrs)))
			o.Evidence[a.server] = list(a.addrs)
		default:
			o.Evidence[a.server] = list(a.addrs)
		}
	}
	if len(wrong) > 0 {
		do := "do"
		if len(wrong) == 1 {
			do = "does"
		}
		o.Summary = fmt.Sprintf("%s %s not give %s for %s yet: %s", some(len(wrong), len(s.Nameservers)), do, p.Target.Name, t.Record, strings.Join(wrong, "; "))
		return o, false, nil
	}
	all := len(s.Nameservers)
	which := fmt.Sprintf("all %d of the zone's servers", all)
	if all == 1 {
		which = "the zone's one server"
	}
	o.Summary = fmt.Sprintf("%s %s only %s for %s", which, give(all), p.Target.Name, t.Record)
	return o, true, nil
}

// Resolvers asks what public resolvers give out by now: they keep what they have
// for its time to live, and some longer.
func (v *Verify) Resolvers(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	t := p.Topology
	s, err := settingsOf(t)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	target, err := v.target(ctx, p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	// Without the source's addresses an answer can still be told to be the target's.
	source, sourceErr := v.addressesOf(ctx, t, p.Source, "")
	verdicts := make([]string, len(s.Resolvers))
	details := make([]string, len(s.Resolvers))
	incident.Together(v.client.clock, len(s.Resolvers), func(i int) {
		r := s.Resolvers[i]
		if r.VPCOnly && !v.inVPC {
			verdicts[i], details[i] = "skipped", "only reachable inside a VPC"
			return
		}
		// A large resolver is many caches behind one address: one good answer proves
		// nothing.
		var all []netip.Addr
		for range 3 {
			addrs, err := v.client.addresses(ctx, r.Addr, t.Record, true)
			if err != nil {
				verdicts[i], details[i] = "error", err.Error()
				return
			}
			all = append(all, addrs...)
		}
		slices.SortFunc(all, netip.Addr.Compare)
		all = slices.Compact(all)
		verdicts[i], details[i] = where(all, source, target), list(all)
	})
	o := engine.Outcome{Evidence: map[string]string{"record": t.Record, "target_addresses": list(target)}}
	if sourceErr != nil {
		o.Evidence["note"] = "the addresses of " + p.Source.Name + " could not be found: " + sourceErr.Error()
	}
	moved, asked := 0, 0
	var parts []string
	for i, r := range s.Resolvers {
		verdict := cmp.Or(map[string]string{"dr": p.Target.Name, "primary": p.Source.Name}[verdicts[i]], verdicts[i])
		o.Evidence[r.Name] = verdict + ": " + details[i]
		parts = append(parts, r.Name+" "+verdict)
		if verdicts[i] == "skipped" {
			continue
		}
		asked++
		if verdicts[i] == "dr" {
			moved++
		}
	}
	resolvers := "public resolvers " + give(moved)
	if asked == 1 {
		resolvers = "public resolver gives"
	}
	o.Summary = fmt.Sprintf("%d of %d %s only %s: %s", moved, asked, resolvers, p.Target.Name, strings.Join(parts, ", "))
	return o, asked > 0 && moved == asked, nil
}

// some is "1 of the zone's 2 servers".
func some(n, all int) string {
	if all == 1 {
		return "the zone's one server"
	}
	return fmt.Sprintf("%d of the zone's %d servers", n, all)
}

// give is what so many servers do.
func give(n int) string {
	if n == 1 {
		return "gives"
	}
	return "give"
}
