// Package quotas compares what an account uses in a Region with what AWS lets it use there.
//
// Each Region has quotas of its own, and those of a standby are often as AWS gave them,
// while the primary's have been raised over the years. Nobody notices before nodes and
// targets are refused in the middle of a failover. It only reads, and only in the target.
// With any of the APIs unreachable the check ends in an error, never in a yes.
//
// https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html
package quotas

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
	"github.com/failoverbot/failoverbot/providers/metrics"
)

const (
	// full is the share of a quota from which on it is worth a second look.
	full = 0.9
	// period is from one datapoint of EC2's use to the next, and recent how old the newest
	// may be.
	period = 5 * time.Minute
	recent = 30 * time.Minute
)

// Growth is what a run adds to the target: pods, and of them those for which nodes have to
// be added, with the CPU that these ask for, in vCPU.
type Growth struct {
	Pods, Homeless int
	VCPU           float64
}

// Uses are what other systems tell of a Region. Their errors are faults of a read.
type Uses struct {
	// Balancer is the ARN of a Region's load balancer.
	Balancer func(t runbook.Topology, r runbook.Region) (string, error)
	// Targets are how many targets each of its target groups has, by name.
	Targets func(ctx context.Context, t runbook.Topology, r runbook.Region) (map[string]int, error)
	// Interfaces is how many network interfaces there are.
	Interfaces func(ctx context.Context, r runbook.Region) (int, error)
	// Growth is what the run adds to the target.
	Growth func(ctx context.Context, c engine.Call) (Growth, error)
}

// Quotas reaches Service Quotas of an account.
type Quotas struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
	uses   Uses
	clock  incident.Clock
}

// New returns the quotas reached through config, which gives the settings for calls to one
// Region.
func New(config func(region string) aws.Config, reads *awserr.Reads, uses Uses, clock incident.Clock) *Quotas {
	return &Quotas{config: config, reads: reads, uses: uses, clock: clock}
}

// quota is one of AWS's quotas with what is used of it and what the run adds; both are
// filled in once everything has been read.
type quota struct {
	name, unit    string
	service, code string
	limit         float64
	byDefault     bool // nothing was applied for
	used, adds    float64
	// most says that adds is the most that may come, and not the least.
	most bool
}

// The quotas, in the order in which they are told.
const (
	vCPU = iota
	interfaces
	perBalancer
	perGroup
)

func quotasOf(balancer string) []quota {
	targets := "L-7E6692B2"
	if strings.Contains(balancer, ":loadbalancer/net/") {
		targets = "L-EEF1AD04"
	}
	return []quota{
		vCPU:        {name: "vCPU of On-Demand Standard instances", unit: "vCPU", service: "ec2", code: "L-1216C47A"},
		interfaces:  {name: "network interfaces", unit: "interfaces", service: "vpc", code: "L-DF5E4CA3", most: true},
		perBalancer: {name: "targets of the load balancer", unit: "targets", service: "elasticloadbalancing", code: targets, most: true},
		perGroup:    {name: "targets of a target group", unit: "targets", service: "elasticloadbalancing", code: "L-A0D0B863", most: true},
	}
}

// Room checks that what is used of each quota in the target, and what the run adds to it,
// stay within it. Of vCPU the run adds at least what the pods ask for that find no node;
// of the others at most one for each pod, so beyond a quota by that alone is worth a second
// look and no more. So is a quota of which little is left.
func (q *Quotas) Room(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	t, r, now := c.Plan.Topology, c.Plan.Target, q.clock.Now()
	balancer, err := q.uses.Balancer(t, r)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	all := quotasOf(balancer)
	var grows Growth
	var targets map[string]int
	var has int
	reads := []func() error{
		func() (err error) { all[vCPU].used, err = q.runs(ctx, r, now); return err },
		func() (err error) { has, err = q.uses.Interfaces(ctx, r); return err },
		func() (err error) { targets, err = q.uses.Targets(ctx, t, r); return err },
		func() (err error) { grows, err = q.uses.Growth(ctx, c); return err },
	}
	for i := range all {
		reads = append(reads, func() error { return q.read(ctx, r, &all[i]) })
	}
	faults := make([]error, len(reads))
	incident.Together(q.clock, len(reads), func(i int) { faults[i] = reads[i]() })
	for _, err := range faults {
		if err != nil {
			return engine.Outcome{}, false, err
		}
	}
	all[vCPU].adds = math.Ceil(grows.VCPU)
	all[interfaces].used = float64(has)
	for _, group := range slices.Sorted(maps.Keys(targets)) {
		n := float64(targets[group])
		all[perBalancer].used += n
		all[perGroup].used = max(all[perGroup].used, n)
	}
	for _, i := range []int{interfaces, perBalancer, perGroup} {
		all[i].adds = float64(grows.Pods)
	}
	return judged(r.Name, all, now)
}

// judged is what the quotas come to.
func judged(region string, all []quota, now time.Time) (engine.Outcome, bool, error) {
	o := engine.Outcome{Evidence: map[string]string{"region": region}}
	o.Measured.AsOf, o.Measured.Verdict = now, incident.Pass
	var over, near []string
	for _, one := range all {
		o.Evidence[one.service+" "+one.code] = one.String()
		limit := one.limit
		o.Measured.Figures = append(o.Measured.Figures, incident.Figure{Name: one.name, Value: one.used + one.adds, Unit: one.unit, Limit: &limit})
		switch after := one.used + one.adds; {
		case one.used > one.limit || after > one.limit && !one.most:
			over = append(over, one.String())
		case after > one.limit*full:
			near = append(near, one.String())
		}
	}
	switch {
	case len(over) > 0:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("AWS may refuse what the run adds in %s, where a quota does not suffice: %s; ask for more in Service Quotas", region, strings.Join(append(over, near...), "; "))
	case len(near) > 0:
		o.Measured.Verdict = incident.Warn
		o.Summary = fmt.Sprintf("little is left of a quota in %s: %s", region, strings.Join(near, "; "))
	default:
		o.Summary = fmt.Sprintf("what the run adds in %s stays within the quotas: %s", region, all[vCPU])
	}
	return o, len(over) == 0, nil
}

// String is the quota with what is used and added.
func (q quota) String() string {
	adds := ", and the run adds nothing"
	if q.adds > 0 {
		how := "at least"
		if q.most {
			how = "at most"
		}
		adds = fmt.Sprintf(", and the run adds %s %s", how, number(q.adds))
	}
	text := fmt.Sprintf("%s of %s %s are used%s", number(q.used), number(q.limit), q.name, adds)
	if q.byDefault {
		text += " (the quota is AWS's default)"
	}
	return text
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// read fills in the quota's value: the one that was applied to the account, or AWS's
// default where none was.
func (q *Quotas) read(ctx context.Context, r runbook.Region, of *quota) error {
	client := servicequotas.NewFromConfig(q.config(r.Name))
	retried := func(o *servicequotas.Options) { o.Retryer = q.reads.Call() }
	var found *types.ServiceQuota
	out, err := client.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: aws.String(of.service), QuotaCode: aws.String(of.code)}, retried)
	var none *types.NoSuchResourceException
	switch {
	case errors.As(err, &none):
		of.byDefault = true
		usual, err := client.GetAWSDefaultServiceQuota(ctx, &servicequotas.GetAWSDefaultServiceQuotaInput{ServiceCode: aws.String(of.service), QuotaCode: aws.String(of.code)}, retried)
		if err != nil {
			return fmt.Errorf("get AWS's default of the quota of %s (%s) in %s: %w", of.name, of.code, r.Name, awserr.SortRead(ctx, err))
		}
		found = usual.Quota
	case err != nil:
		return fmt.Errorf("get the quota of %s (%s) in %s: %w", of.name, of.code, r.Name, awserr.SortRead(ctx, err))
	default:
		found = out.Quota
	}
	if found == nil || found.Value == nil || aws.ToString(found.QuotaCode) != of.code {
		why := "it has no value"
		if found != nil && found.ErrorReason != nil {
			why = fmt.Sprintf("%s: %s", found.ErrorReason.ErrorCode, aws.ToString(found.ErrorReason.ErrorMessage))
		}
		return unknown(fmt.Errorf("the quota of %s (%s) in %s is unknown: %s", of.name, of.code, r.Name, why), "look at it in the console of Service Quotas")
	}
	of.limit = *found.Value
	return nil
}

// runs is how much vCPU the account's On-Demand Standard instances have, by EC2's own count.
func (q *Quotas) runs(ctx context.Context, r runbook.Region, now time.Time) (float64, error) {
	m := metrics.Of("AWS/Usage", "ResourceCount", map[string]string{"Service": "EC2", "Type": "Resource", "Resource": "vCPU", "Class": "Standard/OnDemand"})
	points, err := metrics.New(q.config(r.Name), q.reads).Read(ctx, now.Add(-recent), now, period, []metrics.Query{{Metric: m, Stat: "Maximum"}})
	if err != nil {
		return 0, fmt.Errorf("read how much vCPU is used in %s: %w", r.Name, err)
	}
	if len(points[0]) == 0 {
		return 0, unknown(fmt.Errorf("how much vCPU is used in %s is unknown: EC2 has published nothing of it in CloudWatch (AWS/Usage) in the last %d min", r.Name, int(recent.Minutes())),
			"EC2 publishes it while On-Demand Standard instances run: see whether nodes of another kind run there")
	}
	return points[0][0].Value, nil
}

func unknown(err error, hint string) error {
	return &incident.CallError{NeedsPerson: true, Err: err, Hint: hint}
}
