package dns

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

const (
	// everySeconds and inARow are how the runbook has the checks look: three failures in
	// a row, ten seconds apart, make an address unhealthy.
	everySeconds, inARow = 10, 3
)

// BalancerAddress is the DNS name of a Region's load balancer, and whether it has
// addresses of IPv6, too.
type BalancerAddress func(ctx context.Context, t runbook.Topology, r runbook.Region) (name string, ipv6 bool, err error)

// SetUp is how records and checks are made, apart from what moves users.
type SetUp struct {
	shift    *Shift
	balancer BalancerAddress
}

// NewSetUp returns what is looked at of it: records and checks by shift, and where the
// standby's records have to lead by balancer, which is asked in the target alone.
func NewSetUp(shift *Shift, balancer BalancerAddress) *SetUp {
	return &SetUp{shift: shift, balancer: balancer}
}

// watched is a check that looks at an address.
type watched struct {
	what, id string
	cfg      *types.HealthCheckConfig
}

// Checks checks how the records and checks are made: the standby's records, of each kind
// of address, lead to the target's load balancer, which has such addresses; where they
// hang on a check of their own, it does not watch the public name, which would be answered
// by the very record that hangs on it, and looks as often as the runbook says. What is only
// slower or faster than that deserves a second look. [Shift.Guard] judges the other checks.
func (s *SetUp) Checks(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	d, err := leaving(p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	f := &setting{names: d, target: p.Target, evidence: map[string]string{"zone": d.Zone, "record": d.record}}
	var name string
	var ipv6 bool
	var faults [2]error
	var records []types.ResourceRecordSet
	incident.Together(c.Clock, len(faults), func(i int) {
		if i == 0 {
			records, faults[i] = s.shift.records(ctx, p, d)
			return
		}
		name, ipv6, faults[i] = s.balancer(ctx, p.Topology, p.Target)
	})
	for _, err := range faults {
		if err != nil {
			return engine.Outcome{}, false, err
		}
	}
	f.leads(records, name, ipv6)

	all := f.watched(records)
	missed := make([]error, len(all))
	incident.Together(c.Clock, len(all), func(i int) {
		h, err := s.shift.check(ctx, p, all[i].id)
		if missed[i] = err; err == nil {
			all[i].cfg = h.HealthCheckConfig
		}
	})
	for i, err := range missed {
		if err != nil {
			return engine.Outcome{}, false, fmt.Errorf("%s: %w", all[i].what, err)
		}
		f.look(all[i])
	}
	o, ok := f.answer()
	o.Measured.AsOf = c.Clock.Now()
	return o, ok, nil
}

// setting is what was found of how records and checks are made.
type setting struct {
	names
	target     runbook.Region
	evidence   map[string]string
	wrong      []string
	warn       []string
	looked     int
	kinds      []string // of the standby's records
	off        int      // checks that look more or less often
	secondarys []string // that are judged by their targets alone
}

// leads compares where the records lead with the target's load balancer.
func (f *setting) leads(records []types.ResourceRecordSet, balancer string, ipv6 bool) {
	f.evidence["load_balancer"] = balancer
	for _, r := range records {
		if r.AliasTarget == nil || r.Failover == "" {
			continue // which dns.guard says
		}
		what := fmt.Sprintf("the %s %s record", r.Failover, r.Type)
		at := strings.TrimPrefix(strings.ToLower(strings.TrimSuffix(aws.ToString(r.AliasTarget.DNSName), ".")), "dualstack.")
		f.evidence[what] = at
		there := sameHost(at, balancer) || sameHost(at, hostOf(f.target.Endpoint))
		if r.Failover == types.ResourceRecordSetFailoverPrimary {
			if there {
				f.wrong = append(f.wrong, fmt.Sprintf("%s leads to %s, which is %s's and not that of the Region being left", what, at, f.target.Name))
			}
			continue
		}
		f.kinds = append(f.kinds, string(r.Type))
		if r.HealthCheckId == nil {
			f.secondarys = append(f.secondarys, string(r.Type))
		}
		switch {
		case !there:
			f.wrong = append(f.wrong, fmt.Sprintf("%s leads to %s, not to %s's load balancer %s", what, at, f.target.Name, balancer))
		case r.Type == types.RRTypeAaaa && !ipv6:
			f.wrong = append(f.wrong, fmt.Sprintf("%s leads to a load balancer that has no address of IPv6: whoever has no other would reach nothing", what))
		}
	}
}

// watched are the checks of the standby's own records, each once. Those of the settings
// are judged with what moves users.
func (f *setting) watched(records []types.ResourceRecordSet) []watched {
	judged := map[string]bool{}
	for _, own := range f.Regions {
		judged[own.HealthCheck], judged[own.EndpointCheck], judged[own.TakeoverCheck] = true, true, true
	}
	var out []watched
	for _, r := range records {
		if id := aws.ToString(r.HealthCheckId); r.Failover == types.ResourceRecordSetFailoverSecondary && id != "" && !judged[id] {
			judged[id] = true
			out = append(out, watched{what: fmt.Sprintf("the check of the SECONDARY %s record", r.Type), id: id})
		}
	}
	return out
}

// look takes a check into account.
func (f *setting) look(w watched) {
	if w.cfg.Type == types.HealthCheckTypeCalculated {
		return // it looks at no address
	}
	f.looked++
	// Route 53 has 30 s where nothing was asked for.
	every, row := cmp.Or(aws.ToInt32(w.cfg.RequestInterval), 30), looks(w.cfg)
	f.evidence[w.what] = fmt.Sprintf("%s, every %d s, %d in a row", seenBy(w.cfg), every, row)
	if sameHost(aws.ToString(w.cfg.FullyQualifiedDomainName), f.record) && aws.ToString(w.cfg.IPAddress) == "" {
		f.wrong = append(f.wrong, fmt.Sprintf("%s watches %s, which its own record answers: after the failover it measures the other Region", w.what, f.record))
	}
	if every != everySeconds || row != inARow {
		f.off++
		f.warn = append(f.warn, fmt.Sprintf("%s looks every %d s and believes %d in a row, not %d s and %d", w.what, every, row, everySeconds, inARow))
	}
}

func (f *setting) answer() (engine.Outcome, bool) {
	none := 0.0
	o := engine.Outcome{Evidence: f.evidence, Measured: incident.Measured{Verdict: incident.Pass, Figures: []incident.Figure{
		{Name: "records and checks that lead astray", Value: float64(len(f.wrong)), Unit: "records and checks", Limit: &none},
		{Name: "checks that look more or less often", Value: float64(f.off), Unit: "checks", Limit: &none},
	}}}
	if len(f.kinds) == 0 {
		f.wrong = append(f.wrong, fmt.Sprintf("there is no SECONDARY alias record that could lead to %s", f.target.Name))
	}
	if len(f.wrong) > 0 {
		slices.Sort(f.wrong)
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("records and checks of %s are not set up for both Regions: %s", f.record, strings.Join(f.wrong, "; "))
		return o, false
	}
	o.Summary = fmt.Sprintf("%s: the SECONDARY %s leads to %s's load balancer", f.record, strings.Join(f.kinds, " and "), f.target.Name)
	if f.looked > 0 {
		o.Summary += fmt.Sprintf(", and its own check looks every %d s and believes %d in a row", everySeconds, inARow)
	}
	if len(f.secondarys) > 0 {
		o.Summary += "; the standby is judged by its targets and has no check of its own"
	}
	if len(f.warn) > 0 {
		slices.Sort(f.warn)
		o.Measured.Verdict = incident.Warn
		o.Summary = fmt.Sprintf("%s: the SECONDARY %s leads to %s's load balancer; but %s", f.record, strings.Join(f.kinds, " and "), f.target.Name, strings.Join(f.warn, "; "))
	}
	return o, true
}

// hostOf is the host of a Region's own address.
func hostOf(endpoint string) string {
	_, rest, _ := strings.Cut(endpoint, "://")
	host, _, _ := strings.Cut(rest, "/")
	if at := strings.LastIndex(host, ":"); at > 0 {
		host = host[:at]
	}
	return host
}
