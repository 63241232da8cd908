package sim

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/wafv2"
	waft "github.com/aws/aws-sdk-go-v2/service/wafv2/types"
)

// WebACL is the one that is attached to a Region's load balancer.
type WebACL struct {
	Name string `json:"name"`
	// Blocks what no rule decides, which is let through otherwise.
	Blocks bool        `json:"blocks,omitempty"`
	Rules  []waft.Rule `json:"rules"`
	// IPSets that rules name, by name: addresses.
	IPSets map[string][]string `json:"ip_sets,omitempty"`
	// Patterns are the sets of regular expressions that rules name, by name.
	Patterns map[string][]string `json:"patterns,omitempty"`
	// Groups are the rule groups that rules name, by name.
	Groups map[string][]waft.Rule `json:"groups,omitempty"`
}

// WAFARN is that of something of WAF's in a Region; what is an ipset, a regexpatternset
// or a rulegroup.
func WAFARN(region, what, name string) string {
	return fmt.Sprintf("arn:aws:wafv2:%s:%s:regional/%s/%s/%s", region, account, what, name, uidOf(region, what, name))
}

// beginWebACL is that of a Region: partners are let through, everybody else may ask so
// often, and what AWS knows as an attack is kept out.
func beginWebACL(region string) *WebACL {
	seen := func(name string) *waft.VisibilityConfig {
		return &waft.VisibilityConfig{CloudWatchMetricsEnabled: true, MetricName: ptr(name + "-" + region), SampledRequestsEnabled: true}
	}
	return &WebACL{
		Name: "ecommerce-" + region, IPSets: map[string][]string{"partners": {"192.0.2.0/24", "198.51.100.0/25"}},
		Rules: []waft.Rule{
			{
				Name: ptr("partners"), Priority: 0, VisibilityConfig: seen("partners"), Action: &waft.RuleAction{Allow: &waft.AllowAction{}},
				Statement: &waft.Statement{IPSetReferenceStatement: &waft.IPSetReferenceStatement{ARN: ptr(WAFARN(region, "ipset", "partners"))}},
			},
			{
				Name: ptr("rate"), Priority: 1, VisibilityConfig: seen("rate"), Action: &waft.RuleAction{Block: &waft.BlockAction{}},
				Statement: &waft.Statement{RateBasedStatement: &waft.RateBasedStatement{Limit: ptr(int64(2000)), AggregateKeyType: waft.RateBasedStatementAggregateKeyTypeIp, EvaluationWindowSec: 300}},
			},
			{
				Name: ptr("common"), Priority: 2, VisibilityConfig: seen("common"), OverrideAction: &waft.OverrideAction{None: &waft.NoneAction{}},
				Statement: &waft.Statement{ManagedRuleGroupStatement: &waft.ManagedRuleGroupStatement{VendorName: ptr("AWS"), Name: ptr("AWSManagedRulesCommonRuleSet")}},
			},
		},
	}
}

var wafAPI = awsAPI{
	system: "aws.wafv2",
	operations: map[string]operation{
		"GetWebACLForResource": reads(getWebACLForResource),
		"GetIPSet":             reads(getIPSet),
		"GetRegexPatternSet":   reads(getRegexPatternSet),
		"GetRuleGroup":         reads(getRuleGroup),
	},
	target: func(in any) string {
		switch in := in.(type) {
		case *wafv2.GetWebACLForResourceInput:
			return deref(in.ResourceArn)
		case *wafv2.GetIPSetInput:
			return deref(in.Name)
		case *wafv2.GetRegexPatternSetInput:
			return deref(in.Name)
		case *wafv2.GetRuleGroupInput:
			return deref(in.ARN)
		}
		return ""
	},
}

func notInWAF(what string) error {
	return &waft.WAFNonexistentItemException{Message: ptr("AWS WAF couldn't perform the operation because your resource doesn't exist: " + what)}
}

// getWebACLForResource answers with nothing where none is attached.
func getWebACLForResource(r request, in *wafv2.GetWebACLForResourceInput) (*wafv2.GetWebACLForResourceOutput, error) {
	if deref(in.ResourceArn) != albARN(r.region) {
		return nil, notInWAF(deref(in.ResourceArn))
	}
	a := r.Regions[r.region].WebACL
	if a == nil {
		return &wafv2.GetWebACLForResourceOutput{}, nil
	}
	otherwise := &waft.DefaultAction{Allow: &waft.AllowAction{}}
	if a.Blocks {
		otherwise = &waft.DefaultAction{Block: &waft.BlockAction{}}
	}
	return &wafv2.GetWebACLForResourceOutput{WebACL: &waft.WebACL{
		ARN: ptr(WAFARN(r.region, "webacl", a.Name)), Id: ptr(string(uidOf(r.region, "webacl", a.Name))), Name: ptr(a.Name),
		DefaultAction: otherwise, Rules: a.Rules, Capacity: 703,
		VisibilityConfig: &waft.VisibilityConfig{CloudWatchMetricsEnabled: true, MetricName: ptr(a.Name), SampledRequestsEnabled: true},
	}}, nil
}

func getIPSet(r request, in *wafv2.GetIPSetInput) (*wafv2.GetIPSetOutput, error) {
	name := deref(in.Name)
	if a := r.Regions[r.region].WebACL; a != nil && deref(in.Id) == string(uidOf(r.region, "ipset", name)) {
		if has, there := a.IPSets[name]; there {
			return &wafv2.GetIPSetOutput{LockToken: ptr("token"), IPSet: &waft.IPSet{
				ARN: ptr(WAFARN(r.region, "ipset", name)), Id: in.Id, Name: in.Name, IPAddressVersion: waft.IPAddressVersionIpv4, Addresses: has,
			}}, nil
		}
	}
	return nil, notInWAF(name)
}

func getRegexPatternSet(r request, in *wafv2.GetRegexPatternSetInput) (*wafv2.GetRegexPatternSetOutput, error) {
	name := deref(in.Name)
	if a := r.Regions[r.region].WebACL; a != nil && deref(in.Id) == string(uidOf(r.region, "regexpatternset", name)) {
		if has, there := a.Patterns[name]; there {
			set := &waft.RegexPatternSet{ARN: ptr(WAFARN(r.region, "regexpatternset", name)), Id: in.Id, Name: in.Name}
			for _, one := range has {
				set.RegularExpressionList = append(set.RegularExpressionList, waft.Regex{RegexString: ptr(one)})
			}
			return &wafv2.GetRegexPatternSetOutput{LockToken: ptr("token"), RegexPatternSet: set}, nil
		}
	}
	return nil, notInWAF(name)
}

func getRuleGroup(r request, in *wafv2.GetRuleGroupInput) (*wafv2.GetRuleGroupOutput, error) {
	if a := r.Regions[r.region].WebACL; a != nil {
		for _, name := range sortedKeys(a.Groups) {
			if arn := WAFARN(r.region, "rulegroup", name); arn == deref(in.ARN) {
				return &wafv2.GetRuleGroupOutput{LockToken: ptr("token"), RuleGroup: &waft.RuleGroup{
					ARN: ptr(arn), Id: ptr(string(uidOf(r.region, "rulegroup", name))), Name: ptr(name), Capacity: ptr(int64(100)), Rules: a.Groups[name],
				}}, nil
			}
		}
	}
	return nil, notInWAF(deref(in.ARN))
}
