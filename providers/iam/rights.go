package iam

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Granted has IAM's simulator say which rights the role has by which the bot calls AWS. It
// knows the policies of the role and what bounds them; what a policy of a bucket or a key
// says beside them it does not.
//
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
func (i *IAM) Granted(ctx context.Context, rights []engine.Right) []engine.Granted {
	out := make([]engine.Granted, len(rights))
	unknown := func(which []int, err error) {
		for _, n := range which {
			out[n] = engine.Granted{Verdict: incident.Unsure, Why: text.Bare(err)}
		}
	}
	// One request judges one operation, on each of the things it is done to.
	type request struct{ does, given string }
	asked := map[request][]int{}
	var requests []request
	all := make([]int, len(rights))
	for n, r := range rights {
		key := request{r.Does, r.Given}
		if asked[key] == nil {
			requests = append(requests, key)
		}
		asked[key], all[n] = append(asked[key], n), n
	}
	me, err := i.caller(ctx, rights)
	if err != nil {
		unknown(all, err)
		return out
	}
	for part := range slices.Chunk(requests, atOnce) {
		incident.Together(i.clock, len(part), func(k int) {
			which := asked[part[k]]
			on := make([]string, len(which))
			for n, at := range which {
				on[n] = strings.ReplaceAll(rights[at].On, engine.Account, me.account)
			}
			granted, err := i.simulate(ctx, me, part[k].does, part[k].given, on)
			if err != nil {
				unknown(which, err)
				return
			}
			for n, at := range which {
				out[at] = granted[n]
			}
		})
	}
	return out
}

// caller is who the bot is to AWS.
type caller struct {
	role, account, home string
}

// caller asks who that is: in the Regions that the rights are for, one after another, for
// one of them may be gone.
func (i *IAM) caller(ctx context.Context, rights []engine.Right) (caller, error) {
	var regions []string
	for _, r := range rights {
		if !slices.Contains(regions, r.Region) {
			regions = append(regions, r.Region)
		}
	}
	slices.Sort(regions)
	var said string
	var fault error
	for _, region := range regions {
		bounded, stop := i.clock.WithTimeout(ctx, sourceTime, fmt.Errorf("%s did not answer within %s", region, sourceTime))
		out, err := sts.NewFromConfig(i.config(region)).GetCallerIdentity(bounded, &sts.GetCallerIdentityInput{}, func(o *sts.Options) { o.Retryer = i.reads.Call() })
		if err == nil {
			said, fault = aws.ToString(out.Arn), nil
			stop()
			break
		}
		fault = fmt.Errorf("ask who the bot is to AWS in %s: %w", region, awserr.SortRead(bounded, err))
		stop()
	}
	if fault != nil {
		return caller{}, fault
	}
	a, err := arn.Parse(said)
	if err != nil {
		return caller{}, fmt.Errorf("AWS knows the bot as %q, which is no ARN", said)
	}
	home, known := controlPlanes[strict.Partition(regions[0])]
	if !known {
		return caller{}, fmt.Errorf("where IAM's API lives in the partition of %s is not known to this bot", regions[0])
	}
	me := caller{role: said, account: a.AccountID, home: home}
	if name, ok := strings.CutPrefix(a.Resource, "assumed-role/"); ok { // of whose role the path is left out
		name, _, _ = strings.Cut(name, "/")
		role, err := iam.NewFromConfig(i.config(home)).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(name)}, func(o *iam.Options) { o.Retryer = i.reads.Call() })
		if err != nil {
			return caller{}, fmt.Errorf("get the bot's own role %s: %w", name, awserr.SortRead(ctx, err))
		}
		me.role = aws.ToString(role.Role.Arn)
	}
	return me, nil
}

// simulate judges one operation on each of these.
func (i *IAM) simulate(ctx context.Context, me caller, does, given string, on []string) ([]engine.Granted, error) {
	in := &iam.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(me.role), ActionNames: []string{does}, ResourceArns: on}
	if key, value, ok := strings.Cut(given, "="); ok {
		in.ContextEntries = []types.ContextEntry{{ContextKeyName: aws.String(key), ContextKeyType: types.ContextKeyTypeEnumBoolean, ContextKeyValues: []string{value}}}
	}
	found := map[string]types.EvaluationResult{}
	client := iam.NewFromConfig(i.config(me.home))
	for {
		page, err := client.SimulatePrincipalPolicy(ctx, in, func(o *iam.Options) { o.Retryer = i.reads.Call() })
		if err != nil {
			return nil, fmt.Errorf("have IAM simulate %s for %s: %w", does, me.role, awserr.SortRead(ctx, err))
		}
		for _, r := range page.EvaluationResults {
			found[aws.ToString(r.EvalResourceName)] = r
		}
		if in.Marker = page.Marker; !page.IsTruncated || aws.ToString(in.Marker) == "" {
			break
		}
	}
	out := make([]engine.Granted, len(on))
	for n, arn := range on {
		r, ok := found[arn]
		if !ok {
			out[n] = engine.Granted{Verdict: incident.Unsure, Why: "IAM's simulator said nothing of it"}
			continue
		}
		out[n] = judged(r, me.role)
	}
	return out, nil
}

// judged is what the simulator says, in words.
func judged(r types.EvaluationResult, role string) engine.Granted {
	switch {
	case r.OrganizationsDecisionDetail != nil && !r.OrganizationsDecisionDetail.AllowedByOrganizations:
		return engine.Granted{Verdict: incident.Fail, Why: "a policy of the organization does not allow it"}
	case r.PermissionsBoundaryDecisionDetail != nil && !r.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary:
		return engine.Granted{Verdict: incident.Fail, Why: "the boundary of " + role + " does not allow it"}
	case r.EvalDecision == types.PolicyEvaluationDecisionTypeAllowed:
		return engine.Granted{Verdict: incident.Pass}
	case r.EvalDecision == types.PolicyEvaluationDecisionTypeExplicitDeny:
		return engine.Granted{Verdict: incident.Fail, Why: "a policy of " + role + " forbids it"}
	case len(r.MissingContextValues) > 0:
		return engine.Granted{Verdict: incident.Unsure, Why: "it depends on " + strings.Join(r.MissingContextValues, ", ") + ", which the simulator was not given"}
	}
	return engine.Granted{Verdict: incident.Fail, Why: "no policy of " + role + " allows it"}
}
