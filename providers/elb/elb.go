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
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// ELB reaches the load balancers of an account.
type ELB struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
}

// New returns the load balancers reached through config, which gives the settings
// for calls to one Region.
func New(config func(region string) aws.Config, reads *awserr.Reads) *ELB {
	return &ELB{config: config, reads: reads}
}

func (e *ELB) client(region string) *elbv2.Client { return elbv2.NewFromConfig(e.config(region)) }

func (e *ELB) reading(o *elbv2.Options) { o.Retryer = e.reads.Call() }

func (e *ELB) balancer(ctx context.Context, t runbook.Topology, r runbook.Region) (*types.LoadBalancer, error) {
	arn, err := arnOf(t, r)
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

func (e *ELB) groups(ctx context.Context, t runbook.Topology, r runbook.Region) ([]types.TargetGroup, error) {
	arn, err := arnOf(t, r)
	if err != nil {
		return nil, err
	}
	var all []types.TargetGroup
	pages := elbv2.NewDescribeTargetGroupsPaginator(e.client(r.Name), &elbv2.DescribeTargetGroupsInput{
		LoadBalancerArn: aws.String(arn),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, e.reading)
		if err != nil {
			return nil, fmt.Errorf("describe the target groups in %s: %w", r.Name, awserr.SortRead(ctx, err))
		}
		all = append(all, page.TargetGroups...)
	}
	return all, nil
}

// Ready checks that the target's load balancer is active and has target groups.
func (e *ELB) Ready(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	t, r := c.Plan.Topology, c.Plan.Target
	b, err := e.balancer(ctx, t, r)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	groups, err := e.groups(ctx, t, r)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	name, state := aws.ToString(b.LoadBalancerName), types.LoadBalancerStateEnum("unknown")
	if b.State != nil {
		state = b.State.Code
	}
	o := engine.Outcome{Evidence: map[string]string{
		"load_balancer": name, "state": string(state), "dns_name": aws.ToString(b.DNSName), "target_groups": fmt.Sprint(len(groups)),
	}}
	switch {
	case state != types.LoadBalancerStateEnumActive:
		o.Summary = fmt.Sprintf("load balancer %s in %s is %s, not active", name, r.Name, state)
		return o, false, nil
	case len(groups) == 0:
		o.Summary = fmt.Sprintf("load balancer %s in %s has no target group", name, r.Name)
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("load balancer %s in %s is active with %s", name, r.Name, text.Count(len(groups), "target group"))
	return o, true, nil
}

// Healthy waits until each of the target's target groups has a healthy target.
func (e *ELB) Healthy(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	t, r := c.Plan.Topology, c.Plan.Target
	groups, err := e.groups(ctx, t, r)
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
		name := aws.ToString(g.TargetGroupName)
		out, err := e.client(r.Name).DescribeTargetHealth(ctx, &elbv2.DescribeTargetHealthInput{TargetGroupArn: g.TargetGroupArn}, e.reading)
		if err != nil {
			return engine.Outcome{}, false, fmt.Errorf("describe the targets of %s in %s: %w", name, r.Name, awserr.SortRead(ctx, err))
		}
		states := map[string]int{}
		for _, t := range out.TargetHealthDescriptions {
			state := "unknown"
			if t.TargetHealth != nil {
				state = string(t.TargetHealth.State)
			}
			states[state]++
		}
		n := states[string(types.TargetHealthStateEnumHealthy)]
		healthy, total = healthy+n, total+len(out.TargetHealthDescriptions)
		o.Evidence[name] = tally(states)
		switch {
		case len(out.TargetHealthDescriptions) == 0:
			wrong = append(wrong, name+" is empty")
		case n == 0:
			wrong = append(wrong, name+" has no healthy target ("+tally(states)+")")
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

func tally(states map[string]int) string {
	if len(states) == 0 {
		return "no target"
	}
	var parts []string
	for _, s := range slices.Sorted(maps.Keys(states)) {
		parts = append(parts, fmt.Sprintf("%d %s", states[s], s))
	}
	return strings.Join(parts, ", ")
}
