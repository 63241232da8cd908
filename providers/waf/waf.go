// Package waf looks at the web ACLs of the Regions' load balancers.
//
// A web ACL lives in one Region, is attached there, and is changed there: a rule that was
// added during an attack is in the Region that served, and nowhere else. What rules name
// (IP sets, pattern sets, rule groups) lives in one Region, too, so it is compared by
// what is in it. It only reads. With the target's API unreachable the check ends in an
// error, never in a yes; the Region being left is asked in a planned run alone.
//
// https://docs.aws.amazon.com/waf/latest/APIReference/API_GetWebACLForResource.html
package waf

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/wafv2"
	"github.com/aws/aws-sdk-go-v2/service/wafv2/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

const (
	// shown is how many differences a sentence tells.
	shown = 5
	// sourceTime is how long the Region being left may take to say which rules it has.
	sourceTime = 10 * time.Second
)

// Balancer is the ARN of a Region's load balancer.
type Balancer func(t runbook.Topology, r runbook.Region) (string, error)

// WAF reaches the web ACLs of an account.
type WAF struct {
	config   func(region string) aws.Config
	reads    *awserr.Reads
	balancer Balancer
	clock    incident.Clock
}

// New returns the web ACLs reached through config, which gives the settings for calls to
// one Region; balancer says what they are attached to.
func New(config func(region string) aws.Config, reads *awserr.Reads, balancer Balancer, clock incident.Clock) *WAF {
	return &WAF{config: config, reads: reads, balancer: balancer, clock: clock}
}

// Rules checks that a web ACL is attached to the target's load balancer, and that its
// default action and its rules are those of the source's: by name, with priority, action
// and what they look at. Where neither load balancer has one it is not applicable. An
// unplanned run does not ask the source, and says that nothing was compared.
func (w *WAF) Rules(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	f := &finding{now: w.clock.Now(), region: p.Target.Name, source: p.Source.Name, compared: p.Mode == "planned"}
	var faults [2]error
	reads := []func(){func() { f.here, faults[0] = w.attached(ctx, p.Topology, p.Target) }}
	if f.compared {
		reads = append(reads, func() {
			ctx, cancel := w.clock.WithTimeout(ctx, sourceTime, fmt.Errorf("%s did not answer within %s", f.source, sourceTime))
			defer cancel()
			f.there, faults[1] = w.attached(ctx, p.Topology, p.Source)
		})
	}
	incident.Together(w.clock, len(reads), func(n int) { reads[n]() })
	for _, err := range faults {
		if err != nil {
			return engine.Outcome{}, false, err
		}
	}
	o, ok := f.answer()
	return o, ok, nil
}

// acl is a web ACL, as far as two of them are compared.
type acl struct {
	name string
	// otherwise is what becomes of a request that no rule decides.
	otherwise string
	// answers is the digest of what such a request, and one that is blocked, is answered.
	answers string
	rules   map[string]rule // by name
}

// attached is the web ACL of a Region's load balancer; nil if it has none.
func (w *WAF) attached(ctx context.Context, t runbook.Topology, r runbook.Region) (*acl, error) {
	arn, err := w.balancer(t, r)
	if err != nil {
		return nil, err
	}
	read := &reader{client: wafv2.NewFromConfig(w.config(r.Name)), retried: func(o *wafv2.Options) { o.Retryer = w.reads.Call() }, region: r.Name, known: map[string]string{}}
	out, err := read.client.GetWebACLForResource(ctx, &wafv2.GetWebACLForResourceInput{ResourceArn: aws.String(arn)}, read.retried)
	switch {
	case awserr.Code(err) == "WAFNonexistentItemException":
		return nil, nil //nolint:nilnil // none is an answer
	case err != nil:
		return nil, fmt.Errorf("get the web ACL of the load balancer in %s: %w", r.Name, awserr.SortRead(ctx, err))
	case out.WebACL == nil:
		return nil, nil //nolint:nilnil // none is an answer
	}
	has := &acl{name: aws.ToString(out.WebACL.Name), rules: map[string]rule{}, otherwise: "nothing"}
	if d := out.WebACL.DefaultAction; d != nil {
		has.otherwise = verb(&types.RuleAction{Allow: d.Allow, Block: d.Block}, nil)
	}
	if has.answers, err = read.digest(ctx, []any{out.WebACL.DefaultAction, out.WebACL.CustomResponseBodies}); err != nil {
		return nil, err
	}
	for _, one := range everyRule(out.WebACL) {
		if has.rules[one.name], err = read.rule(ctx, one); err != nil {
			return nil, err
		}
	}
	return has, nil
}

// finding is what the two web ACLs come to.
type finding struct {
	now            time.Time
	region, source string
	compared       bool
	here, there    *acl
}

func (f *finding) answer() (engine.Outcome, bool) {
	o := engine.Outcome{Evidence: map[string]string{"web_acl": "none"}, Measured: incident.Measured{Verdict: incident.Fail, AsOf: f.now}}
	for region, a := range map[string]*acl{f.region: f.here, f.source: f.there} {
		if a == nil {
			continue
		}
		for name, r := range a.rules {
			o.Evidence[region+"/"+name] = r.String()
		}
	}
	if f.there != nil {
		o.Evidence["web_acl of "+f.source] = f.there.name
	}
	if f.here == nil {
		switch {
		case !f.compared:
			o.Summary = fmt.Sprintf("no web ACL is attached to the load balancer in %s; whether the one in %s has one was not asked, for that Region is being left", f.region, f.source)
			return o, false
		case f.there != nil:
			o.Summary = fmt.Sprintf("no web ACL is attached to the load balancer in %s, and %s is to that in %s: what it keeps out arrives once users are moved", f.region, f.there.name, f.source)
			return o, false
		}
		o.Measured.Verdict = incident.NotApplicable
		o.Summary = fmt.Sprintf("not applicable: no web ACL is attached to the load balancers in %s and %s", f.region, f.source)
		return o, true
	}
	o.Evidence["web_acl"] = f.here.name
	has := fmt.Sprintf("web ACL %s with %s is attached to the load balancer in %s", f.here.name, text.Count(len(f.here.rules), "rule"), f.region)
	switch {
	case !f.compared:
		o.Measured.Verdict = incident.Pass
		o.Summary = fmt.Sprintf("%s; it was not compared with that in %s, which is being left", has, f.source)
		return o, true
	case f.there == nil:
		o.Measured.Verdict = incident.Warn
		o.Summary = fmt.Sprintf("%s, and none is to that in %s: what it keeps out has been served so far", has, f.source)
		return o, true
	}
	wrong, none := f.differences(), 0.0
	o.Measured.Figures = []incident.Figure{{Name: "differences", Value: float64(len(wrong)), Unit: "differences", Limit: &none}}
	if len(wrong) > 0 {
		o.Summary = fmt.Sprintf("%s, and is not alike with %s in %s: %s", has, f.there.name, f.source, text.Some(wrong, shown))
		return o, false
	}
	o.Measured.Verdict = incident.Pass
	o.Summary = fmt.Sprintf("%s, and its rules are those of %s in %s", has, f.there.name, f.source)
	return o, true
}

// differences are what the target's web ACL has otherwise than the source's.
func (f *finding) differences() []string {
	var out []string
	if f.here.otherwise != f.there.otherwise {
		out = append(out, fmt.Sprintf("what no rule decides is %s in %s and %s in %s", past[f.here.otherwise], f.region, past[f.there.otherwise], f.source))
	}
	if f.here.otherwise == f.there.otherwise && f.here.answers != f.there.answers {
		out = append(out, fmt.Sprintf("the answers to what is blocked are others in %s than in %s", f.region, f.source))
	}
	all := maps.Clone(f.there.rules)
	maps.Copy(all, f.here.rules)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		here, isHere := f.here.rules[name]
		there, isThere := f.there.rules[name]
		switch {
		case !isHere:
			out = append(out, fmt.Sprintf("the rule %s is missing in %s", name, f.region))
		case !isThere:
			out = append(out, fmt.Sprintf("the rule %s is in %s alone", name, f.region))
		case here.verb != there.verb:
			out = append(out, fmt.Sprintf("%s is to %s in %s and to %s in %s", name, here.verb, f.region, there.verb, f.source))
		case here.priority != there.priority:
			out = append(out, fmt.Sprintf("%s has the priority %d in %s and %d in %s", name, here.priority, f.region, there.priority, f.source))
		case here.statement != there.statement:
			out = append(out, fmt.Sprintf("what %s looks at is another in %s than in %s", name, f.region, f.source))
		case here.rest != there.rest:
			out = append(out, fmt.Sprintf("the answers or labels of %s are others in %s than in %s", name, f.region, f.source))
		}
	}
	return out
}

// past is what becomes of a request.
var past = map[string]string{"allow": "allowed", "block": "blocked", "nothing": "left open"}
