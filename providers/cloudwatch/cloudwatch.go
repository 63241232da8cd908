// Package cloudwatch looks at what users get from a Region by the metrics of its load
// balancer: how long answers take, and how many requests arrive.
//
// It only reads, and in the Region that it is asked about. A figure is told over enough
// requests or not at all: a percentile of nothing, a metric without a datapoint, and an
// answer in part are unknown. With CloudWatch unreachable everything here ends in an
// error.
//
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
package cloudwatch

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
	"github.com/failoverbot/failoverbot/providers/metrics"
)

const (
	// window is what a figure is told over: the last whole minutes.
	window = 5 * time.Minute
	// shown is how many of a kind a sentence tells.
	shown = 5
)

// Balancers is what is known of a Region's load balancer elsewhere. The errors of Groups
// are faults of a read.
type Balancers struct {
	// ARN is the load balancer's.
	ARN func(t runbook.Topology, r runbook.Region) (string, error)
	// Groups are its target groups.
	Groups func(ctx context.Context, t runbook.Topology, r runbook.Region) ([]elbtypes.TargetGroup, error)
}

// CloudWatch reads the metrics of an account.
type CloudWatch struct {
	config    func(region string) aws.Config
	reads     *awserr.Reads
	balancers Balancers
	clock     incident.Clock
}

// New returns the metrics reached through config, which gives the settings for calls to
// one Region.
func New(config func(region string) aws.Config, reads *awserr.Reads, balancers Balancers, clock incident.Clock) *CloudWatch {
	return &CloudWatch{config: config, reads: reads, balancers: balancers, clock: clock}
}

// query is one figure that is asked for.
type query struct {
	namespace, metric, stat string
	dimensions              map[string]string
}

// values are those that CloudWatch has for a time, in the order of the queries: one figure
// for all of it, nil where there is no datapoint.
func (c *CloudWatch) values(ctx context.Context, region string, from, to time.Time, all []query) ([]*float64, error) {
	asked := make([]metrics.Query, len(all))
	for i, q := range all {
		asked[i] = metrics.Query{Metric: metrics.Of(q.namespace, q.metric, q.dimensions), Stat: q.stat}
	}
	points, err := metrics.New(c.config(region), c.reads).Read(ctx, from, to, to.Sub(from), asked)
	if err != nil {
		return nil, fmt.Errorf("read the metrics of %s: %w", region, err)
	}
	out := make([]*float64, len(all))
	for i := range points {
		for _, p := range points[i] {
			if out[i] == nil && !p.At.Before(from) && p.At.Before(to) {
				out[i] = &p.Value
			}
		}
	}
	return out, nil
}

// lately are the last whole minutes.
func (c *CloudWatch) lately() (from, to time.Time) {
	to = c.clock.Now().UTC().Truncate(time.Minute)
	return to.Add(-window), to
}

// source is something whose answers are timed: a target group, or a service.
type source struct {
	name string
	// latency is its p99, in the unit that is scale times a millisecond; samples how many
	// answers that is of.
	latency, samples query
	scale            float64
}

// sources are what is timed in a Region: what the settings name, for each service, or the
// load balancer's target groups.
func (c *CloudWatch) sources(ctx context.Context, p *runbook.Plan, s Settings) ([]source, error) {
	var out []source
	if s.Namespace != "" {
		for _, service := range p.Topology.Services {
			q := query{s.Namespace, s.Metric, "p99", map[string]string{s.ServiceDimension: service.Name}}
			count := q
			count.stat = "SampleCount"
			out = append(out, source{service.Name, q, count, s.scale()})
		}
		return out, nil
	}
	arn, err := c.balancers.ARN(p.Topology, p.Target)
	if err != nil {
		return nil, err
	}
	groups, err := c.balancers.Groups(ctx, p.Topology, p.Target)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		of := map[string]string{"LoadBalancer": balancerOf(arn), "TargetGroup": lastOf(aws.ToString(g.TargetGroupArn), ":")}
		out = append(out, source{
			aws.ToString(g.TargetGroupName), query{applicationELB, "TargetResponseTime", "p99", of}, query{applicationELB, "RequestCount", "Sum", of}, 1000,
		})
	}
	return out, nil
}

const applicationELB = "AWS/ApplicationELB"

// balancerOf is a load balancer as its metrics call it: app/NAME/ID.
func balancerOf(arn string) string { return lastOf(arn, ":loadbalancer/") }

func lastOf(s, sep string) string { return s[strings.LastIndex(s, sep)+len(sep):] }

// Latency watches whether answers come fast enough in the target: the 99th percentile of
// the last minutes, of each target group of its load balancer or of each service, over
// enough of them.
func (c *CloudWatch) Latency(ctx context.Context, call engine.Call) (engine.Outcome, bool, error) {
	p := call.Plan
	s, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	all, err := c.sources(ctx, p, s)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	from, to := c.lately()
	o := engine.Outcome{Evidence: map[string]string{"from": text.ToSecond.UTC(from), "to": text.ToSecond.UTC(to)}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: to}}
	if len(all) == 0 {
		return o, false, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("how long answers take in %s is unknown: its load balancer has no target group", p.Target.Name),
			Hint: "compare load_balancer_arn in the settings with the account",
		}
	}
	var asked []query
	for _, one := range all {
		asked = append(asked, one.latency, one.samples)
	}
	values, err := c.values(ctx, p.Target.Name, from, to, asked)
	if err != nil {
		return o, false, err
	}
	limit := s.limit()
	var slow, unknown, late []string
	var most float64
	measured := 0
	for i, one := range all {
		p99, n := values[2*i], values[2*i+1]
		switch {
		case n == nil || p99 == nil && *n >= s.least():
			unknown = append(unknown, one.name+" has no datapoint")
			o.Evidence[one.name] = "no datapoint"
			continue
		case *n < s.least():
			unknown = append(unknown, fmt.Sprintf("%s had %s", one.name, text.Count(int(*n), "request")))
			o.Evidence[one.name] = text.Count(int(*n), "request")
			continue
		}
		measured++
		ms := *p99 * one.scale
		most = max(most, ms)
		o.Evidence[one.name] = fmt.Sprintf("%.0f ms over %s", ms, text.Count(int(*n), "request"))
		if ms >= limit {
			slow = append(slow, fmt.Sprintf("%s takes %.0f ms", one.name, ms))
			late = append(late, one.name)
		}
	}
	if measured > 0 {
		o.Measured.Figures = []incident.Figure{{Name: "p99 of the slowest", Value: most, Unit: "ms", Limit: &limit}}
	}
	switch {
	case len(slow) > 0:
		o.Measured.Verdict, o.State = incident.Fail, strings.Join(late, ", ")
		o.Summary = fmt.Sprintf("answers come too slowly in %s: of 100 the slowest of %s; below %.0f ms is wanted", p.Target.Name, text.Some(slow, shown), limit)
		return o, false, nil
	case len(unknown) > 0:
		return o, false, &incident.CallError{
			NeedsPerson: true,
			Err:         fmt.Errorf("how long answers take in %s is unknown: in the last %s %s; at least %.0f requests are wanted", p.Target.Name, text.Age(window), text.Some(unknown, shown), s.least()),
			Hint:        "requests are told after one to three minutes: it is looked at again once users have arrived",
		}
	}
	o.Summary = fmt.Sprintf("99 of 100 answers come within %.0f ms in %s, below %.0f ms, over the last %s (%s)", most, p.Target.Name, limit, text.Age(window), told(all, o.Evidence))
	return o, true, nil
}

// told is what the sources come to, in their order.
func told(all []source, evidence map[string]string) string {
	var out []string
	for _, one := range all {
		out = append(out, one.name+" "+evidence[one.name])
	}
	return text.Some(out, shown)
}
