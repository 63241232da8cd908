// Package cloudfront looks at the CloudFront distribution in front of the platform.
//
// A distribution that is to go on without a Region has an origin in each, and an origin
// group that holds both. Such a group tries the second origin for GET, HEAD and OPTIONS
// alone: what is posted goes to its first origin, whatever has become of that. It only
// reads. CloudFront's API lives in one Region; with it unreachable the check ends in an
// error, never in a yes. Nothing of a failover depends on it: distributions take minutes
// to change.
//
// https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/high_availability_origin_failover.html
package cloudfront

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// home is where CloudFront's API lives in AWS' commercial partition.
const home = "us-east-1"

// controlPlanes are the Regions of its control planes, by partition.
//
// https://docs.aws.amazon.com/general/latest/gr/cf_region.html
var controlPlanes = map[string]string{"aws": home, "aws-cn": "cn-northwest-1"}

// shown is how many of a kind a sentence tells.
const shown = 5

// wanted are the answers of a load balancer that has lost what is behind it; a group has
// to take them for a reason to try its second origin. It does so for a connection that
// fails, whatever its codes.
var wanted = []int32{502, 503, 504}

// CloudFront reaches the distributions of an account.
type CloudFront struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
	clock  incident.Clock
}

// New returns the distributions reached through config, which gives the settings for calls
// to one Region.
func New(config func(region string) aws.Config, reads *awserr.Reads, clock incident.Clock) *CloudFront {
	return &CloudFront{config: config, reads: reads, clock: clock}
}

// Origins checks that the distribution is enabled and deployed, that it has an origin in
// both Regions, and that an origin group in use holds both. Which answers make the group
// try its second origin is told. Paths that go to one Region's origin alone, and writes
// that go to the group's first origin where that is the source's, deserve a second look.
// Without a distribution in the settings it is not applicable.
func (f *CloudFront) Origins(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	settings, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	if settings.Distribution == "" {
		return engine.Outcome{
			Summary:  "not applicable: the settings name no CloudFront distribution",
			Evidence: map[string]string{"distribution": "none"},
			Measured: incident.Measured{Verdict: incident.NotApplicable, AsOf: f.clock.Now()},
		}, true, nil
	}
	at, known := controlPlanes[p.Target.Partition()]
	if !known {
		return engine.Outcome{}, false, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("where CloudFront's API lives in partition %s is not known to this bot: it knows %s", p.Target.Partition(), strings.Join(slices.Sorted(maps.Keys(controlPlanes)), ", ")),
			Hint: "look at the distribution's origins and origin groups by hand",
		}
	}
	now := f.clock.Now()
	out, err := cloudfront.NewFromConfig(f.config(at)).GetDistribution(ctx, &cloudfront.GetDistributionInput{Id: aws.String(settings.Distribution)},
		func(o *cloudfront.Options) { o.Retryer = f.reads.Call() })
	if err != nil {
		return engine.Outcome{}, false, fmt.Errorf("get distribution %s: %w", settings.Distribution, awserr.SortRead(ctx, err))
	}
	if out.Distribution == nil || out.Distribution.DistributionConfig == nil {
		return engine.Outcome{}, false, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("get distribution %s: the answer has no distribution", settings.Distribution),
			Hint: "look at it: aws cloudfront get-distribution --id " + settings.Distribution,
		}
	}
	o, ok := newFinding(out.Distribution, settings, p, now).answer()
	return o, ok, nil
}

// path is where requests for some paths go.
type path struct {
	pattern string
	target  string // an origin's id, or a group's
	writes  bool   // more than GET, HEAD and OPTIONS are let through
}

// finding is what a distribution comes to.
type finding struct {
	now            time.Time
	d              *types.Distribution
	target, source string
	here, there    string // the origins' ids
	domains        map[string]string
	group          *types.OriginGroup
	paths          []path
}

func newFinding(d *types.Distribution, s Settings, p *runbook.Plan, now time.Time) *finding {
	f := &finding{
		now: now, d: d, target: p.Target.Name, source: p.Source.Name,
		here: s.Regions[p.Target.Name].Origin, there: s.Regions[p.Source.Name].Origin, domains: map[string]string{},
	}
	c := d.DistributionConfig
	if c.Origins != nil {
		for _, o := range c.Origins.Items {
			f.domains[aws.ToString(o.Id)] = aws.ToString(o.DomainName) + aws.ToString(o.OriginPath)
		}
	}
	if b := c.DefaultCacheBehavior; b != nil {
		f.paths = append(f.paths, path{"everything else", aws.ToString(b.TargetOriginId), writes(b.AllowedMethods)})
	}
	if c.CacheBehaviors != nil {
		for _, b := range c.CacheBehaviors.Items {
			f.paths = append(f.paths, path{aws.ToString(b.PathPattern), aws.ToString(b.TargetOriginId), writes(b.AllowedMethods)})
		}
	}
	if c.OriginGroups != nil {
		for i, g := range c.OriginGroups.Items {
			// One in use is preferred: there may be several of the same two.
			if m := members(g); slices.Contains(m, f.here) && slices.Contains(m, f.there) && (f.group == nil || len(f.through(aws.ToString(g.Id))) > 0) {
				f.group = &c.OriginGroups.Items[i]
			}
		}
	}
	return f
}

func members(g types.OriginGroup) []string {
	var out []string
	if g.Members != nil {
		for _, m := range g.Members.Items {
			out = append(out, aws.ToString(m.OriginId))
		}
	}
	return out
}

func codes(g types.OriginGroup) []int32 {
	if g.FailoverCriteria == nil || g.FailoverCriteria.StatusCodes == nil {
		return nil
	}
	return slices.Sorted(slices.Values(g.FailoverCriteria.StatusCodes.Items))
}

func writes(m *types.AllowedMethods) bool {
	return m != nil && slices.ContainsFunc(m.Items, func(m types.Method) bool {
		return m != types.MethodGet && m != types.MethodHead && m != types.MethodOptions
	})
}

// through are the paths that go to an origin or a group.
func (f *finding) through(id string) []path {
	return slices.DeleteFunc(slices.Clone(f.paths), func(p path) bool { return p.target != id })
}

func (f *finding) answer() (engine.Outcome, bool) {
	id := aws.ToString(f.d.Id)
	o := engine.Outcome{Evidence: map[string]string{
		"distribution": id, "domain": aws.ToString(f.d.DomainName), "status": aws.ToString(f.d.Status),
		"enabled":             fmt.Sprint(aws.ToBool(f.d.DistributionConfig.Enabled)),
		"origin of " + f.here: f.domains[f.here], "origin of " + f.there: f.domains[f.there],
	}}
	for _, p := range f.paths {
		o.Evidence["path "+p.pattern] = p.target
	}
	o.Measured = incident.Measured{Verdict: incident.Fail, AsOf: f.now}
	wrong, warn := f.wrong(), []string(nil)
	if f.group != nil {
		o.Evidence["origin group"] = aws.ToString(f.group.Id) + ": " + strings.Join(members(*f.group), ", then ")
		o.Evidence["fails over on"] = list(codes(*f.group))
		with := f.through(aws.ToString(f.group.Id))
		all := float64(len(f.paths))
		o.Measured.Figures = []incident.Figure{{Name: "paths that fail over", Value: float64(len(with)), Unit: "paths", Limit: &all}}
		if len(with) == 0 {
			wrong = append(wrong, fmt.Sprintf("no path goes through the origin group %s", aws.ToString(f.group.Id)))
		}
		warn = f.doubtful(with)
	}
	if len(wrong) > 0 {
		o.Summary = fmt.Sprintf("CloudFront distribution %s would not go on with %s: %s", id, f.target, text.Some(wrong, shown))
		return o, false
	}
	o.Measured.Verdict = incident.Pass
	both := members(*f.group)
	o.Summary = fmt.Sprintf("CloudFront distribution %s is deployed; for %d of %s, and for GET, HEAD and OPTIONS only, it tries %s where %s answers %s or does not connect",
		id, len(f.through(aws.ToString(f.group.Id))), text.Count(len(f.paths), "path"), both[1], both[0], list(codes(*f.group)))
	if len(warn) > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary += "; " + text.Some(warn, shown)
	}
	return o, true
}

// wrong is what keeps the distribution from going on with the target.
func (f *finding) wrong() []string {
	var out []string
	if !aws.ToBool(f.d.DistributionConfig.Enabled) {
		out = append(out, "it is disabled")
	}
	if status := aws.ToString(f.d.Status); status != "Deployed" {
		out = append(out, "its status is "+status+", not Deployed: a change is on its way")
	}
	missing := false
	for _, at := range [][3]string{{f.here, f.target, f.source}, {f.there, f.source, f.target}} {
		id, region, other := at[0], at[1], at[2]
		switch domain, there := f.domains[id]; {
		case !there:
			missing = true
			out = append(out, fmt.Sprintf("it has no origin %s, which the settings name for %s", id, region))
		case strings.Contains(domain, other) && !strings.Contains(domain, region):
			out = append(out, fmt.Sprintf("the origin %s of %s is %s, which is in %s", id, region, domain, other))
		}
	}
	if !missing && f.domains[f.here] == f.domains[f.there] {
		out = append(out, fmt.Sprintf("the origins %s and %s are both %s", f.here, f.there, f.domains[f.here]))
	}
	if f.group == nil && !missing {
		out = append(out, fmt.Sprintf("no origin group holds both %s and %s", f.here, f.there))
	}
	return out
}

// doubtful is what is served less well than the rest; with are the paths that go through
// the group.
func (f *finding) doubtful(with []path) []string {
	var out []string
	for _, at := range [][2]string{{f.here, f.target}, {f.there, f.source}} {
		if alone := f.through(at[0]); len(alone) > 0 {
			out = append(out, fmt.Sprintf("%s %s to %s in %s alone", patterns(alone), goes(len(alone)), at[0], at[1]))
		}
	}
	has := codes(*f.group)
	if lacks := slices.DeleteFunc(slices.Clone(wanted), func(code int32) bool { return slices.Contains(has, code) }); len(lacks) > 0 {
		out = append(out, "it does not fail over on "+list(lacks))
	}
	writing := slices.DeleteFunc(slices.Clone(with), func(p path) bool { return !p.writes })
	if len(writing) > 0 && members(*f.group)[0] == f.there {
		out = append(out, fmt.Sprintf("what is posted to %s goes to %s in %s even when that is down", patterns(writing), f.there, f.source))
	}
	return out
}

func patterns(paths []path) string {
	var out []string
	for _, p := range paths {
		out = append(out, p.pattern)
	}
	if len(out) > shown {
		return strings.Join(out[:shown], ", ") + fmt.Sprintf(" and %d more", len(out)-shown)
	}
	return strings.Join(out, ", ")
}

func goes(n int) string {
	if n == 1 {
		return "goes"
	}
	return "go"
}

func list(codes []int32) string {
	if len(codes) == 0 {
		return "nothing"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(codes), " ", ", "), "[]")
}
