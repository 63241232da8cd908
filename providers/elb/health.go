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
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// group is a target group with its targets, counted by state.
type group struct {
	name   string
	states map[string]int
	total  int
}

func (g group) healthy() int { return g.states[string(types.TargetHealthStateEnumHealthy)] }

// wrong is why the group keeps the load balancer from being healthy for Route 53; empty
// if it does not.
func (g group) wrong() string {
	switch {
	case g.total == 0:
		return g.name + " is empty"
	case g.healthy() == 0:
		return g.name + " has no healthy target (" + tally(g.states) + ")"
	}
	return ""
}

// groupsHealth are the target groups of a Region's load balancer with their targets.
func (e *ELB) groupsHealth(ctx context.Context, t runbook.Topology, r runbook.Region) ([]group, error) {
	groups, err := e.Groups(ctx, t, r)
	if err != nil {
		return nil, err
	}
	var all []group
	for part := range slices.Chunk(groups, atOnce) {
		out, faults := make([]group, len(part)), make([]error, len(part))
		incident.Together(e.clock, len(part), func(n int) { out[n], faults[n] = e.health(ctx, r, part[n]) })
		for _, err := range faults {
			if err != nil {
				return nil, err
			}
		}
		all = append(all, out...)
	}
	return all, nil
}

// Targets are how many targets each target group of a Region's load balancer has, by the
// group's name. Its errors are faults of a read.
func (e *ELB) Targets(ctx context.Context, t runbook.Topology, r runbook.Region) (map[string]int, error) {
	groups, err := e.groupsHealth(ctx, t, r)
	out := map[string]int{}
	for _, g := range groups {
		out[g.name] = g.total
	}
	return out, err
}

func (e *ELB) health(ctx context.Context, r runbook.Region, g types.TargetGroup) (group, error) {
	of := group{name: aws.ToString(g.TargetGroupName), states: map[string]int{}}
	out, err := e.client(r.Name).DescribeTargetHealth(ctx, &elbv2.DescribeTargetHealthInput{TargetGroupArn: g.TargetGroupArn}, e.reading)
	if err != nil {
		return of, fmt.Errorf("describe the targets of %s in %s: %w", of.name, r.Name, awserr.SortRead(ctx, err))
	}
	of.total = len(out.TargetHealthDescriptions)
	for _, t := range out.TargetHealthDescriptions {
		state := "unknown"
		if t.TargetHealth != nil {
			state = string(t.TargetHealth.State)
		}
		of.states[state]++
	}
	return of, nil
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
