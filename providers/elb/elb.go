// Package elb looks at a Region's Application Load Balancer and its target groups.
//
// It only reads, and only in the Region it is asked about. A load balancer counts
// as healthy for DNS when each target group has a healthy target; a group without
// any makes it unhealthy, and then Route 53 sends everybody back to the primary
// whatever the primary's own state is. With the API unreachable the checks end in
// an error, never in a yes.
//
// https://docs.aws.amazon.com/Route53/latest/APIReference/API_AliasTarget.html
package elb

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

const (
	// shown is how many target groups a sentence tells; a load balancer may have a hundred.
	shown = 5
	// atOnce is how many target groups are asked for at the same time.
	atOnce = 16
	// reservationTime is how long the load balancer's capacity reservation, which nothing
	// depends on, may take to be told.
	reservationTime = 10 * time.Second
)

// ELB reaches the load balancers of an account.
type ELB struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
	clock  incident.Clock
}

// New returns the load balancers reached through config, which gives the settings
// for calls to one Region.
func New(config func(region string) aws.Config, reads *awserr.Reads, clock incident.Clock) *ELB {
	return &ELB{config: config, reads: reads, clock: clock}
}

func (e *ELB) client(region string) *elbv2.Client { return elbv2.NewFromConfig(e.config(region)) }

func (e *ELB) reading(o *elbv2.Options) { o.Retryer = e.reads.Call() }

func (e *ELB) balancer(ctx context.Context, t runbook.Topology, r runbook.Region) (*types.LoadBalancer, error) {
	arn, err := ARN(t, r)
	if err != nil {
		return nil, err
	}
	out, err := e.client(r.Name).DescribeLoadBalancers(ctx, &elbv2.DescribeLoadBalancersInput{
		LoadBalancerArns: []string{arn},
	}, e.reading)
	if err != nil {
		return nil, fmt.Errorf("describe the load balancer in %s: %w", r.Name, awserr.SortRead(ctx, err))
	}
	if len(out.LoadBalancers) != 1 {
		return nil, &incident.CallError{
			NeedsPerson: true,
			Err:         fmt.Errorf("describe the load balancer in %s: %d of that ARN", r.Name, len(out.LoadBalancers)),
			Hint:        "compare load_balancer_arn in the settings with the account",
		}
	}
	return &out.LoadBalancers[0], nil
}

// Name is the DNS name of a Region's load balancer.
func (e *ELB) Name(ctx context.Context, t runbook.Topology, r runbook.Region) (string, error) {
	b, err := e.balancer(ctx, t, r)
	if err != nil {
		return "", err
	}
	return aws.ToString(b.DNSName), nil
}

// Groups are the target groups of a Region's load balancer.
func (e *ELB) Groups(ctx context.Context, t runbook.Topology, r runbook.Region) ([]types.TargetGroup, error) {
	arn, err := ARN(t, r)
	if err != nil {
		return nil, err
	}
	var all []types.TargetGroup
	client, in := e.client(r.Name), &elbv2.DescribeTargetGroupsInput{LoadBalancerArn: aws.String(arn)}
	for {
		page, err := client.DescribeTargetGroups(ctx, in, e.reading)
		if err != nil {
			return nil, fmt.Errorf("describe the target groups in %s: %w", r.Name, awserr.SortRead(ctx, err))
		}
		all = append(all, page.TargetGroups...)
		if in.Marker = page.NextMarker; aws.ToString(in.Marker) == "" {
			return all, nil
		}
	}
}

// Ready checks that the target's load balancer is active, and that each of its target
// groups has a healthy target. An empty group counts as unhealthy for Route 53, and with
// it the whole load balancer. Targets that are not healthy beside healthy ones, and a
// capacity reservation that AWS could not provide or that cannot be read, are worth a
// second look and no more.
func (e *ELB) Ready(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	t, r := c.Plan.Topology, c.Plan.Target
	var b *types.LoadBalancer
	var groups []group
	var reserved reservation
	var faults [2]error
	reads := []func(){
		func() { b, faults[0] = e.balancer(ctx, t, r) },
		func() { groups, faults[1] = e.groupsHealth(ctx, t, r) },
		func() { reserved = e.reservation(ctx, t, r) },
	}
	incident.Together(e.clock, len(reads), func(n int) { reads[n]() })
	for _, err := range faults {
		if err != nil {
			return engine.Outcome{}, false, err
		}
	}
	name, state := aws.ToString(b.LoadBalancerName), types.LoadBalancerStateEnum("unknown")
	if b.State != nil {
		state = b.State.Code
	}
	o := engine.Outcome{Evidence: map[string]string{
		"load_balancer": name, "state": string(state), "dns_name": aws.ToString(b.DNSName), "target_groups": fmt.Sprint(len(groups)),
	}}
	var wrong, warn []string
	healthy, total := 0, 0
	for _, g := range groups {
		o.Evidence[g.name] = tally(g.states)
		healthy, total = healthy+g.healthy(), total+g.total
		switch why := g.wrong(); {
		case why != "":
			wrong = append(wrong, why)
		case g.healthy() < g.total:
			warn = append(warn, g.name+" has "+tally(g.states))
		}
	}
	none := 0.0
	o.Measured = incident.Measured{Verdict: incident.Fail, AsOf: e.clock.Now(), Figures: []incident.Figure{
		{Name: "target groups without a healthy target", Value: float64(len(wrong)), Unit: "target groups", Limit: &none},
		{Name: "healthy targets", Value: float64(healthy), Unit: "targets"},
	}}
	reserved.tell(&o)
	switch {
	case state != types.LoadBalancerStateEnumActive:
		o.Summary = fmt.Sprintf("load balancer %s in %s is %s, not active", name, r.Name, state)
		return o, false, nil
	case len(groups) == 0:
		o.Summary = fmt.Sprintf("load balancer %s in %s has no target group", name, r.Name)
		return o, false, nil
	case len(wrong) > 0:
		o.Summary = fmt.Sprintf("load balancer %s in %s is active, and %d of its %s %s not healthy: %s", name, r.Name,
			len(wrong), text.Count(len(groups), "target group"), text.Are(len(wrong)), text.Some(wrong, shown))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("load balancer %s in %s is active with %s, %d of %s healthy, %s", name, r.Name,
		text.Count(len(groups), "target group"), healthy, text.Count(total, "target"), reserved.words)
	o.Measured.Verdict = incident.Pass
	if len(warn) > 0 {
		o.Summary += "; " + text.Some(warn, shown)
	}
	if reserved.doubtful || len(warn) > 0 {
		o.Measured.Verdict = incident.Warn
	}
	return o, true, nil
}

// Healthy waits until each of the target's target groups has a healthy target.
func (e *ELB) Healthy(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	t, r := c.Plan.Topology, c.Plan.Target
	groups, err := e.groupsHealth(ctx, t, r)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{}}
	if len(groups) == 0 {
		o.Summary = fmt.Sprintf("the load balancer in %s has no target group", r.Name)
		return o, false, nil
	}
	var wrong []string
	healthy, total := 0, 0
	for _, g := range groups {
		healthy, total = healthy+g.healthy(), total+g.total
		o.Evidence[g.name] = tally(g.states)
		if why := g.wrong(); why != "" {
			wrong = append(wrong, why)
		}
	}
	if len(wrong) > 0 {
		o.Summary = fmt.Sprintf("%d of %s in %s %s not healthy: %s", len(wrong), text.Count(len(groups), "target group"), r.Name, text.Are(len(wrong)), strings.Join(wrong, "; "))
		return o, false, nil
	}
	which := fmt.Sprintf("all %d target groups in %s are", len(groups), r.Name)
	if len(groups) == 1 {
		which = fmt.Sprintf("the one target group in %s is", r.Name)
	}
	o.Summary = fmt.Sprintf("%s healthy (%d of %s)", which, healthy, text.Count(total, "target"))
	return o, true, nil
}
