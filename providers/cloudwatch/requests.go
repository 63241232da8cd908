package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

const (
	// brief is how long one Region's figure may take: the other one is told without it.
	brief = 8 * time.Second
	// stragglers is the share of requests that may still arrive in the Region that was left
	// before they are worth a second look: a resolver or two that keep what they have.
	stragglers = 0.01
)

// count is how many requests the load balancer of a Region received, or why that is not
// known.
type count struct {
	region   string
	requests float64
	err      error
}

func (n count) String() string {
	switch {
	case n.err != nil:
		return "unknown"
	case n.requests == 0:
		return "none"
	}
	return fmt.Sprintf("%.0f", n.requests)
}

// Requests watches how many requests the load balancers of both Regions receive, in the
// last whole minutes. A load balancer tells of no minute without a request, and of the last
// one or two late: what is not told counts as none. Once the run has moved users, requests
// that still arrive in the Region that is left are worth a second look. One Region's figure
// is told without the other's; without both there is an error.
//
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
func (c *CloudWatch) Requests(ctx context.Context, call engine.Call) (engine.Outcome, bool, error) {
	p := call.Plan
	from, to := c.lately()
	regions := []runbook.Region{p.Source, p.Target}
	counts := make([]count, len(regions))
	incident.Together(c.clock, len(regions), func(i int) { counts[i] = c.received(ctx, p.Topology, regions[i], from, to) })
	source, target := counts[0], counts[1]
	if source.err != nil && target.err != nil {
		return engine.Outcome{}, false, errors.Join(target.err, source.err)
	}
	o := engine.Outcome{
		Evidence: map[string]string{"from": text.ToSecond.UTC(from), "to": text.ToSecond.UTC(to)},
		Measured: incident.Measured{Verdict: incident.Pass, AsOf: to},
		Summary:  fmt.Sprintf("requests within %s: %s in %s, %s in %s", text.Age(window), source, source.region, target, target.region),
	}
	for _, n := range counts {
		o.Evidence[n.region] = n.String()
		if n.err != nil {
			o.Measured.Verdict = incident.Warn
			o.Evidence[n.region] = "unknown: " + n.err.Error()
			o.Summary += fmt.Sprintf("; %s was not told: %s", n.region, n.err)
			if hint := incident.CallErrorOf(n.err).Hint; hint != "" {
				o.Summary += " (" + hint + ")"
			}
			continue
		}
		o.Measured.Figures = append(o.Measured.Figures, incident.Figure{Name: "received in " + n.region, Value: n.requests, Unit: "requests"})
	}
	o.State = "source " + source.level(target) + ", target " + target.level(source)
	if total := source.requests + target.requests; moved(call) && source.err == nil && source.requests > total*stragglers {
		o.Measured.Verdict = incident.Warn
		o.Summary += fmt.Sprintf(": users were moved, and %.0f %% still arrive in %s", max(1, source.requests/total*100), source.region)
	}
	return o, true, nil
}

// quiet is for how long no request may have come in. A load balancer tells of a minute up
// to two minutes late, so what it has not told yet cannot hide more than those.
const quiet = 4 * time.Minute

// Quiet waits until nobody arrives in the Region that is left: its load balancer has told
// of no request for some whole minutes.
func (c *CloudWatch) Quiet(ctx context.Context, call engine.Call) (engine.Outcome, bool, error) {
	p := call.Plan
	to := c.clock.Now().UTC().Truncate(time.Minute)
	from := to.Add(-quiet)
	n := c.received(ctx, p.Topology, p.Source, from, to)
	if n.err != nil {
		return engine.Outcome{}, false, n.err
	}
	o := engine.Outcome{
		Evidence: map[string]string{"from": text.ToSecond.UTC(from), "to": text.ToSecond.UTC(to), n.region: n.String()},
		Measured: incident.Measured{
			AsOf:    to,
			Figures: []incident.Figure{{Name: "received in " + n.region, Value: n.requests, Unit: "requests"}},
		},
		Summary: fmt.Sprintf("requests that %s has received within %s: %s", n.region, text.Age(quiet), n),
	}
	return o, n.requests == 0, nil
}

// level is how much of all requests a Region receives, in steps that are worth telling.
func (n count) level(other count) string {
	switch {
	case n.err != nil:
		return "unknown"
	case n.requests == 0:
		return "none"
	case other.err != nil:
		return "some"
	case n.requests <= (n.requests+other.requests)*stragglers:
		return "few"
	case n.requests >= (n.requests+other.requests)*(1-stragglers):
		return "all"
	}
	return "some"
}

// moved says that the run has moved users, as a step of it has seen.
func moved(c engine.Call) bool {
	if c.Result == nil {
		return false
	}
	for _, s := range c.Plan.Showing(incident.UsersServed) {
		if _, done := c.Result(s.ID); done {
			return true
		}
	}
	return false
}

// received asks for the requests of one Region's load balancer.
func (c *CloudWatch) received(ctx context.Context, t runbook.Topology, r runbook.Region, from, to time.Time) count {
	n := count{region: r.Name}
	ctx, stop := c.clock.WithTimeout(ctx, brief, fmt.Errorf("CloudWatch in %s did not answer within %s", r.Name, brief))
	defer stop()
	arn, err := c.balancers.ARN(t, r)
	if err != nil {
		n.err = err
		return n
	}
	values, err := c.values(ctx, r.Name, from, to, []query{{applicationELB, "RequestCount", "Sum", map[string]string{"LoadBalancer": balancerOf(arn)}}})
	if n.err = err; err == nil {
		n.requests = aws.ToFloat64(values[0])
	}
	return n
}
