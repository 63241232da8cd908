package dns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/miekg/dns"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
)

const (
	// maxTTL is for how many seconds resolvers may keep an answer at most.
	maxTTL = 60
	// telling is how long Route 53's API may take to tell the kind of the records.
	telling = 10 * time.Second
)

// Lifetime is for how long what the zone's servers give out may be kept.
type Lifetime struct {
	client *Client
	shift  *Shift
}

// NewLifetime returns what can be looked at of it: the answers by the client, and the
// records that they come from by shift.
func NewLifetime(client *Client, shift *Shift) *Lifetime {
	return &Lifetime{client: client, shift: shift}
}

// TTLInput is the input of TTL.
type TTLInput struct {
	// MaxSeconds is how many seconds an answer may be kept at most; 0 means 60.
	MaxSeconds int `yaml:"max_seconds,omitempty" json:"max_seconds,omitempty"`
}

// TTL checks that the zone's own servers let resolvers keep the public name for a minute
// at most. What an alias record answers with has the lifetime that its target has, which
// nobody can lower: a longer one deserves a second look. In a planned run Route 53's API
// is asked which of the records are of that kind, and for the lifetime of the others,
// the standby's included; it is done without its answer.
func (l *Lifetime) TTL(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	in := TTLInput{}
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	if in.MaxSeconds < 0 {
		return engine.Outcome{}, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("max_seconds is %d and cannot be below 0", in.MaxSeconds), Hint: "set it in the runbook, or leave it out for a minute"}
	}
	p := c.Plan
	s, err := settingsOf(p.Topology)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	f := lifetimes{record: p.Topology.Record, limit: cmp.Or(in.MaxSeconds, maxTTL), evidence: map[string]string{"record": p.Topology.Record}, now: c.Clock.Now()}
	answers, faults := make([]int, len(s.Nameservers)), make([]error, len(s.Nameservers))
	records, untold := []types.ResourceRecordSet(nil), error(nil)
	asks := len(s.Nameservers)
	if p.Mode == "planned" {
		asks++
	}
	incident.Together(c.Clock, asks, func(i int) {
		if i < len(s.Nameservers) {
			answers[i], faults[i] = l.client.lifetime(ctx, s.Nameservers[i], f.record)
			return
		}
		bounded, stop := c.Clock.WithTimeout(ctx, telling, fmt.Errorf("no answer within %s", telling))
		defer stop()
		records, untold = l.shift.records(bounded, p, names{Settings: s, record: f.record})
	})
	if untold != nil {
		f.evidence["records"] = untold.Error()
	}
	f.take(records)
	for i, server := range s.Nameservers {
		if faults[i] != nil {
			f.evidence[server] = "error: " + faults[i].Error()
			f.warn = append(f.warn, faults[i].Error())
			continue
		}
		f.evidence[server] = fmt.Sprintf("%d s", answers[i])
		f.answered, f.longest = f.answered+1, max(f.longest, answers[i])
	}
	if f.answered == 0 {
		return engine.Outcome{Evidence: f.evidence}, false, &incident.CallError{
			Retry: true, Err: fmt.Errorf("ask the zone's servers for %s: %w", f.record, errors.Join(append(faults, errors.New("none of them gave an address"))...)),
		}
	}
	o, ok := f.answer()
	return o, ok, nil
}

// lifetime is for how many seconds a server lets resolvers keep a name: the longest of
// its records.
func (c *Client) lifetime(ctx context.Context, server, name string) (int, error) {
	longest := -1
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		answer, err := c.ask(ctx, server, name, kind, false)
		if err != nil {
			return 0, err
		}
		for _, rr := range answer.Answer {
			longest = max(longest, int(rr.Header().Ttl))
		}
	}
	if longest < 0 {
		return 0, fmt.Errorf("%s has no address for %s", server, name)
	}
	return longest, nil
}

// lifetimes are what was found.
type lifetimes struct {
	now      time.Time
	record   string
	limit    int
	evidence map[string]string

	answered, longest int
	// aliases are alias records, and given those that have a lifetime of their own.
	aliases, given []string
	// long are those of the latter that are above the limit.
	long []string
	warn []string
}

// take sorts the records of the name.
func (f *lifetimes) take(records []types.ResourceRecordSet) {
	for _, r := range records {
		what := strings.TrimSpace(fmt.Sprintf("%s %s", r.Failover, r.Type))
		if r.AliasTarget != nil {
			f.aliases = append(f.aliases, what)
			f.evidence["the "+what+" record"] = "alias of " + strings.TrimSuffix(aws.ToString(r.AliasTarget.DNSName), ".")
			continue
		}
		f.given = append(f.given, what)
		f.evidence["the "+what+" record"] = fmt.Sprintf("%d s", aws.ToInt64(r.TTL))
		if aws.ToInt64(r.TTL) > int64(f.limit) {
			f.long = append(f.long, fmt.Sprintf("the %s record has %d s", what, aws.ToInt64(r.TTL)))
		}
	}
	slices.Sort(f.long)
}

func (f *lifetimes) answer() (engine.Outcome, bool) {
	limit := float64(f.limit)
	o := engine.Outcome{Evidence: f.evidence, Measured: incident.Measured{
		Verdict: incident.Pass, AsOf: f.now, Figures: []incident.Figure{{Name: "TTL", Value: float64(f.longest), Unit: "s", Limit: &limit}},
	}}
	o.Summary = fmt.Sprintf("%s of the zone %s %s out for %d s", text.Count(f.answered, "server"), give(f.answered), f.record, f.longest)
	onlyAliases := len(f.aliases) > 0 && len(f.given) == 0
	switch {
	case len(f.long) > 0:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("users may stay for longer than %d s with what resolvers keep of %s: %s", f.limit, f.record, strings.Join(f.long, "; "))
		return o, false
	case f.longest > f.limit && !onlyAliases:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("users may stay for %d s with what resolvers keep of %s, and at most %d s are wanted", f.longest, f.record, f.limit)
		return o, false
	case f.longest > f.limit:
		f.warn = append([]string{fmt.Sprintf("that is more than %d s, and the lifetime of what its alias records lead to: only another target has another", f.limit)}, f.warn...)
	case onlyAliases:
		o.Summary += ", which is the lifetime of what its alias records lead to"
	}
	if len(f.warn) > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary += "; " + strings.Join(f.warn, "; ")
	}
	return o, true
}
