package waf

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/wafv2"
	"github.com/aws/aws-sdk-go-v2/service/wafv2/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// rule is one of a web ACL, as far as two of them are compared.
type rule struct {
	priority int32
	verb     string
	// statement and rest are digests: of what it looks at, and of all that it does beside
	// its verb, such as answers and labels.
	statement, rest string
}

// String is the rule as evidence has it.
func (r rule) String() string {
	return fmt.Sprintf("priority %d, %s, statement %s", r.priority, r.verb, r.statement)
}

// given is a rule as AWS tells it, the web ACL's own or one that Firewall Manager put
// before or behind those.
type given struct {
	name      string
	priority  int32
	action    *types.RuleAction
	override  *types.OverrideAction
	statement any
	rest      []any
}

// everyRule are the rules of a web ACL. Names are given once in each of its three parts.
func everyRule(a *types.WebACL) []given {
	var all []given
	managed := func(where string, groups []types.FirewallManagerRuleGroup) {
		for _, g := range groups {
			all = append(all, given{name: where + aws.ToString(g.Name), priority: g.Priority, override: g.OverrideAction, statement: g.FirewallManagerStatement})
		}
	}
	managed("Firewall Manager, before: ", a.PreProcessFirewallManagerRuleGroups)
	for _, r := range a.Rules {
		all = append(all, given{
			aws.ToString(r.Name), r.Priority, r.Action, r.OverrideAction, r.Statement,
			[]any{r.RuleLabels, r.CaptchaConfig, r.ChallengeConfig},
		})
	}
	managed("Firewall Manager, behind: ", a.PostProcessFirewallManagerRuleGroups)
	return all
}

// verb is what a rule does with what it finds.
func verb(a *types.RuleAction, o *types.OverrideAction) string {
	switch {
	case a != nil && a.Allow != nil:
		return "allow"
	case a != nil && a.Block != nil:
		return "block"
	case a != nil && a.Count != nil:
		return "count"
	case a != nil && a.Captcha != nil:
		return "ask for a CAPTCHA"
	case a != nil && a.Challenge != nil:
		return "challenge"
	case o != nil && o.Count != nil:
		return "count what its group finds"
	case o != nil && o.None != nil:
		return "do what its group says"
	}
	return "nothing"
}

// reader reads the web ACL of one Region, and what its rules name.
type reader struct {
	client  *wafv2.Client
	retried func(o *wafv2.Options)
	region  string
	known   map[string]string // digests of what lies behind an ARN
}

func (r *reader) rule(ctx context.Context, of given) (rule, error) {
	out := rule{priority: of.priority, verb: verb(of.action, of.override)}
	var err error
	if out.statement, err = r.digest(ctx, of.statement); err != nil {
		return out, err
	}
	out.rest, err = r.digest(ctx, []any{of.action, of.override, of.rest})
	return out, err
}

// digest is of a value in whose place every ARN stands for what lies behind it.
func (r *reader) digest(ctx context.Context, v any) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write down a rule of %s: %w", r.region, err)
	}
	var plain any
	if err := json.Unmarshal(data, &plain); err != nil {
		return "", fmt.Errorf("write down a rule of %s: %w", r.region, err)
	}
	if plain, err = r.resolved(ctx, plain); err != nil {
		return "", err
	}
	if data, err = json.Marshal(plain); err != nil {
		return "", fmt.Errorf("write down a rule of %s: %w", r.region, err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:6]), nil
}

// resolved puts the digest of what lies behind an ARN in its place.
func (r *reader) resolved(ctx context.Context, v any) (any, error) {
	var err error
	switch v := v.(type) {
	case []any:
		for i := range v {
			if v[i], err = r.resolved(ctx, v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range v {
			if v[key], err = r.resolved(ctx, v[key]); err != nil {
				return nil, err
			}
		}
		if id, ok := v["ARN"].(string); ok {
			if v["ARN"], err = r.behind(ctx, id); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// behind is the digest of the IP set, pattern set or rule group of an ARN. Its name and
// id are each Region's own, and do not count.
func (r *reader) behind(ctx context.Context, id string) (string, error) {
	if digest, ok := r.known[id]; ok {
		return digest, nil
	}
	a, err := arn.Parse(id)
	part := strings.Split(a.Resource, "/")
	if err != nil || len(part) != 4 {
		return "", &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("a rule in %s names %q, which is nothing that this bot can read", r.region, id),
			Hint: "compare the rules of both web ACLs by hand",
		}
	}
	kind, name := part[1], aws.String(part[2])
	var has any
	switch kind {
	case "ipset":
		var out *wafv2.GetIPSetOutput
		if out, err = r.client.GetIPSet(ctx, &wafv2.GetIPSetInput{Id: aws.String(part[3]), Name: name, Scope: types.ScopeRegional}, r.retried); err == nil && out.IPSet != nil {
			has = []any{out.IPSet.IPAddressVersion, slices.Sorted(slices.Values(out.IPSet.Addresses))}
		}
	case "regexpatternset":
		var out *wafv2.GetRegexPatternSetOutput
		if out, err = r.client.GetRegexPatternSet(ctx, &wafv2.GetRegexPatternSetInput{Id: aws.String(part[3]), Name: name, Scope: types.ScopeRegional}, r.retried); err == nil && out.RegexPatternSet != nil {
			var all []string
			for _, one := range out.RegexPatternSet.RegularExpressionList {
				all = append(all, aws.ToString(one.RegexString))
			}
			slices.Sort(all)
			has = all
		}
	case "rulegroup":
		var out *wafv2.GetRuleGroupOutput
		if out, err = r.client.GetRuleGroup(ctx, &wafv2.GetRuleGroupInput{ARN: aws.String(id)}, r.retried); err == nil && out.RuleGroup != nil {
			var all []any
			for _, one := range everyRule(&types.WebACL{Rules: out.RuleGroup.Rules}) {
				all = append(all, []any{one.name, one.priority, one.action, one.override, one.statement, one.rest})
			}
			has = all
		}
	default:
		err = &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("%s is of a kind that this bot does not know", id), Hint: "compare the rules of both web ACLs by hand"}
	}
	if err != nil {
		return "", fmt.Errorf("get the %s %s of the web ACL in %s: %w", kind, part[2], r.region, awserr.SortRead(ctx, err))
	}
	if has == nil {
		return "", &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("get the %s %s of the web ACL in %s: the answer has none", kind, part[2], r.region),
			Hint: "compare the rules of both web ACLs by hand",
		}
	}
	digest, err := r.digest(ctx, []any{kind, has})
	r.known[id] = digest
	return digest, err
}
