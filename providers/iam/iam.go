// Package iam looks whether the pods of the target will get their IAM roles.
//
// A service account has its role by an annotation, and then the role has to trust the
// OIDC provider of its cluster, or by EKS Pod Identity. IAM's API lives in us-east-1 for
// all Regions; with it out of reach the check ends in an error that says which role could
// not be asked for. Nothing depends on it while pods run: roles are taken on at each
// Region's own STS.
package iam

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// home is where IAM's API lives in AWS' commercial partition.
const home = "us-east-1"

// controlPlanes are the Regions of IAM's control planes: each partition has one of its own.
//
// https://docs.aws.amazon.com/general/latest/gr/iam-service.html
var controlPlanes = map[string]string{
	"aws": home, "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1", "aws-eusc": "eusc-de-east-1",
}

const (
	// shown is how many of a kind a sentence tells.
	shown = 5
	// atOnce is how many roles are asked for at the same time.
	atOnce = 16
	// sourceTime is how long the Region being left may take to say which roles it has.
	sourceTime = 10 * time.Second
)

// Accounts are the service accounts of a Region's Deployments.
type Accounts struct {
	// Namespace that they are in.
	Namespace string
	// Issuer is how the cluster signs their tokens: https and where AWS finds its keys.
	Issuer string
	All    []Account
}

// Account is one service account.
type Account struct {
	Name string
	// Deployments that have it.
	Deployments []string
	// Missing: the Deployments name it, and it does not exist.
	Missing bool
	// Role is the ARN of the IAM role that it is annotated with; empty if with none.
	Role string
}

// AccountsIn are the service accounts of a Region. Its errors are faults of a read.
type AccountsIn func(ctx context.Context, p *runbook.Plan, r runbook.Region) (Accounts, error)

// IAM reaches the roles of an account.
type IAM struct {
	config   func(region string) aws.Config
	reads    *awserr.Reads
	accounts AccountsIn
	clock    incident.Clock
}

// New returns the roles reached through config, which gives the settings for calls to one
// Region; accounts tells who has them.
func New(config func(region string) aws.Config, reads *awserr.Reads, accounts AccountsIn, clock incident.Clock) *IAM {
	return &IAM{config: config, reads: reads, accounts: accounts, clock: clock}
}

// holder is a service account with its role, however it got it.
type holder struct {
	Account
	role string // its ARN; empty if it has none
	// byEKS: EKS Pod Identity gives it.
	byEKS bool
}

// Roles checks that each service account of the target's Deployments exists, and that the
// IAM role it has exists and trusts the target's cluster with it. One that has a role in
// the source and none in the target is a no; what the source has is asked in a planned
// run alone, and done without if it does not answer.
func (i *IAM) Roles(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	settings, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	f := &finding{now: i.clock.Now(), region: p.Target.Name, source: p.Source.Name, eks: settings.Regions[p.Target.Name].EKSCluster != ""}
	var there []holder
	var fault error
	reads := []func(){func() { f.accounts, f.here, err = i.holders(ctx, p, p.Target, settings) }}
	if p.Mode == "planned" {
		reads = append(reads, func() {
			ctx, cancel := i.clock.WithTimeout(ctx, sourceTime, fmt.Errorf("%s did not answer within %s", f.source, sourceTime))
			defer cancel()
			_, there, fault = i.holders(ctx, p, p.Source, settings)
		})
	}
	incident.Together(i.clock, len(reads), func(n int) { reads[n]() })
	if err != nil {
		return engine.Outcome{}, false, err
	}
	f.unread = fault
	f.compare(there)

	at, known := controlPlanes[p.Target.Partition()]
	if !known {
		return engine.Outcome{}, false, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("where IAM's API lives in partition %s is not known to this bot: it knows %s", p.Target.Partition(), strings.Join(slices.Sorted(maps.Keys(controlPlanes)), ", ")),
			Hint: "compare by hand whom the roles of the service accounts trust with the cluster's OIDC provider",
		}
	}
	f.trusts = map[string]role{}
	for part := range slices.Chunk(f.roles(), atOnce) {
		answers, faults := make([]role, len(part)), make([]error, len(part))
		incident.Together(i.clock, len(part), func(n int) { answers[n], faults[n] = i.role(ctx, at, part[n]) })
		for n, err := range faults {
			if err != nil {
				return engine.Outcome{}, false, err
			}
			f.trusts[part[n]] = answers[n]
		}
	}
	o, ok := f.answer()
	return o, ok, nil
}

// holders are the service accounts of a Region with their roles.
func (i *IAM) holders(ctx context.Context, p *runbook.Plan, r runbook.Region, settings Settings) (Accounts, []holder, error) {
	all, err := i.accounts(ctx, p, r)
	if err != nil {
		return all, nil, err
	}
	var out []holder
	bare := false
	for _, a := range all.All {
		out = append(out, holder{Account: a, role: a.Role})
		bare = bare || a.Role == ""
	}
	cluster := settings.Regions[r.Name].EKSCluster
	if cluster == "" || !bare {
		return all, out, nil
	}
	client := eks.NewFromConfig(i.config(r.Name))
	retried := func(o *eks.Options) { o.Retryer = i.reads.Call() }
	in := &eks.ListPodIdentityAssociationsInput{ClusterName: aws.String(cluster), Namespace: aws.String(all.Namespace)}
	for {
		page, err := client.ListPodIdentityAssociations(ctx, in, retried)
		if err != nil {
			return all, nil, fmt.Errorf("list the pod identities of %s in %s: %w", cluster, r.Name, awserr.SortRead(ctx, err))
		}
		for _, a := range page.Associations {
			n := slices.IndexFunc(out, func(h holder) bool { return h.Name == aws.ToString(a.ServiceAccount) })
			if n < 0 || out[n].role != "" {
				continue
			}
			d, err := client.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: aws.String(cluster), AssociationId: a.AssociationId}, retried)
			if err != nil {
				return all, nil, fmt.Errorf("describe the pod identity of %s in %s: %w", out[n].Name, r.Name, awserr.SortRead(ctx, err))
			}
			if d.Association != nil {
				out[n].role, out[n].byEKS = aws.ToString(d.Association.RoleArn), true
			}
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return all, out, nil
		}
	}
}

// role is one as IAM has it.
type role struct {
	missing bool
	// foreign is the account it belongs to where that is another than the bot's.
	foreign string
	trust   trust
}

// role asks IAM, in the Region at, for the role of an ARN. IAM knows the roles of the bot's own account.
func (i *IAM) role(ctx context.Context, at, id string) (role, error) {
	a, err := arn.Parse(id)
	name := a.Resource[strings.LastIndex(a.Resource, "/")+1:]
	if err != nil || !strings.HasPrefix(a.Resource, "role/") || name == "" {
		return role{missing: true}, nil // not the name of any role
	}
	out, err := iam.NewFromConfig(i.config(at)).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(name)}, func(o *iam.Options) { o.Retryer = i.reads.Call() })
	if awserr.Code(err) == "NoSuchEntity" {
		return role{missing: true}, nil
	}
	if err != nil {
		return role{}, fmt.Errorf("get role %s: %w", name, awserr.SortRead(ctx, err))
	}
	if has, err := arn.Parse(aws.ToString(out.Role.Arn)); err == nil && has.AccountID != a.AccountID {
		return role{foreign: a.AccountID}, nil
	}
	if aws.ToString(out.Role.Arn) != id {
		return role{missing: true}, nil // another path
	}
	var r role
	document, err := url.QueryUnescape(aws.ToString(out.Role.AssumeRolePolicyDocument))
	if err == nil {
		err = json.Unmarshal([]byte(document), &r.trust)
	}
	if err != nil {
		return role{}, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("read whom role %s trusts: %w", name, err),
			Hint: "look at it: aws iam get-role --role-name " + name,
		}
	}
	return r, nil
}

// finding is what the service accounts of the target come to.
type finding struct {
	now            time.Time
	region, source string
	eks            bool  // EKS was asked for pod identities
	unread         error // why what the source has is not known

	accounts Accounts
	here     []holder
	trusts   map[string]role // by ARN
	// lacking have a role in the source, and none in the target.
	lacking []string
}

// compare finds who has a role in the source alone.
func (f *finding) compare(there []holder) {
	for _, h := range f.here {
		n := slices.IndexFunc(there, func(other holder) bool { return other.Name == h.Name })
		if !h.Missing && h.role == "" && n >= 0 && there[n].role != "" {
			f.lacking = append(f.lacking, fmt.Sprintf("%s has the role %s in %s and none in %s", h.Name, short(there[n].role), f.source, f.region))
		}
	}
}

// roles are the ARNs to ask for, each once.
func (f *finding) roles() []string {
	all := map[string]bool{}
	for _, h := range f.here {
		if h.role != "" {
			all[h.role] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func (f *finding) answer() (engine.Outcome, bool) {
	o := engine.Outcome{Evidence: map[string]string{"issuer": f.accounts.Issuer, "service_accounts": fmt.Sprint(len(f.here))}}
	var warn []string
	wrong := slices.Clone(f.lacking)
	with := 0
	for _, h := range f.here {
		word := f.judge(h)
		if h.role != "" {
			with++
			o.Evidence[h.Name] = h.role
		}
		switch {
		case word == "":
		case f.trusts[h.role].foreign != "":
			warn = append(warn, word)
		default:
			wrong = append(wrong, word)
		}
	}
	limit := 0.0
	o.Measured = incident.Measured{Verdict: incident.Pass, AsOf: f.now, Figures: []incident.Figure{
		{Name: "service accounts that would get no role", Value: float64(len(wrong)), Unit: "service accounts", Limit: &limit},
	}}
	if len(f.here) == 0 {
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("there is no Deployment in %s whose service account could be looked at", f.region)
		return o, false
	}
	if len(wrong) > 0 {
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("%d of %s in %s would not get what they need of AWS: %s", len(wrong), text.Count(len(f.here), "service account"), f.region, text.Some(wrong, shown))
		return o, false
	}
	if f.unread != nil {
		warn = append(warn, fmt.Sprintf("which roles they have in %s could not be compared: %v", f.source, f.unread))
	}
	how := " by annotation"
	if f.eks {
		how += " or EKS Pod Identity"
	}
	if with == 0 {
		o.Measured.Verdict = incident.NotApplicable
		o.Summary = fmt.Sprintf("not applicable: no service account of the Deployments in %s has an IAM role%s", f.region, how)
	} else {
		o.Summary = fmt.Sprintf("%d of %s in %s have an IAM role%s, and each role trusts the cluster there", with, text.Count(len(f.here), "service account"), f.region, how)
	}
	if len(warn) > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary += "; " + text.Some(warn, shown)
	}
	return o, true
}

// judge is what is wrong with a service account, as a sentence; empty if nothing is.
func (f *finding) judge(h holder) string {
	r := f.trusts[h.role]
	why := ""
	switch {
	case h.Missing:
		return fmt.Sprintf("%s, which %s names, does not exist", h.Name, strings.Join(h.Deployments, ", "))
	case h.role == "":
		return ""
	case r.missing:
		why = "does not exist"
	case r.foreign != "":
		return fmt.Sprintf("the role %s of %s belongs to account %s and cannot be looked at", short(h.role), h.Name, r.foreign)
	case h.byEKS:
		why = r.trust.byPodIdentity()
	default:
		why = r.trust.byToken(f.accounts.Issuer, "system:serviceaccount:"+f.accounts.Namespace+":"+h.Name)
	}
	if why == "" {
		return ""
	}
	return fmt.Sprintf("the role %s of %s %s", short(h.role), h.Name, why)
}

// short is a role's name with its path.
func short(id string) string {
	if _, name, ok := strings.Cut(id, ":role/"); ok {
		return name
	}
	return id
}
