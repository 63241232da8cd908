package providers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/wafv2/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// names gives both Regions' web ACLs a rule that looks at a set or group of their own.
func names(s *sim.State, what string) {
	for region, r := range s.Regions {
		id := aws.String(sim.WAFARN(region, what, "own"))
		is, group := &types.Statement{}, &types.OverrideAction{None: &types.NoneAction{}}
		switch what {
		case "regexpatternset":
			r.WebACL.Patterns = map[string][]string{"own": {"^/admin", "^/internal"}}
			is.RegexPatternSetReferenceStatement = &types.RegexPatternSetReferenceStatement{
				ARN: id, FieldToMatch: &types.FieldToMatch{UriPath: &types.UriPath{}}, TextTransformations: []types.TextTransformation{{Type: types.TextTransformationTypeNone}},
			}
		case "rulegroup":
			inner := types.Rule{Name: aws.String("inner"), Action: &types.RuleAction{Block: &types.BlockAction{}}, Statement: r.WebACL.Rules[0].Statement}
			r.WebACL.Groups = map[string][]types.Rule{"own": {inner}}
			is.RuleGroupReferenceStatement = &types.RuleGroupReferenceStatement{ARN: id}
		}
		// Deep down, as people combine them.
		is = &types.Statement{NotStatement: &types.NotStatement{Statement: is}}
		r.WebACL.Rules = append(r.WebACL.Rules, types.Rule{Name: aws.String("own"), Priority: 9, OverrideAction: group, Statement: is})
	}
}

func TestTheWebACLsAreJudged(t *testing.T) {
	with := func(f func(a *sim.WebACL)) func(s *sim.State) {
		return func(s *sim.State) { f(s.Regions[west].WebACL) }
	}
	const differences = "differences"
	one := map[string]float64{differences: 1}
	count := &types.RuleAction{Count: &types.CountAction{}}
	judge(t, "web-acl", []judged{
		{
			"they are alike", func(*sim.State) {}, incident.Pass,
			[]string{"web ACL ecommerce-us-west-2 with 3 rules is attached to the load balancer in us-west-2, and its rules are those of ecommerce-us-east-1 in us-east-1"},
			map[string]string{"web_acl": "ecommerce-us-west-2", "us-west-2/rate": "priority 1, block, statement "},
			map[string]float64{differences: 0},
		},
		{
			"none is attached in the target", func(s *sim.State) { s.Regions[west].WebACL = nil }, incident.Fail,
			[]string{"no web ACL is attached to the load balancer in us-west-2, and ecommerce-us-east-1 is to that in us-east-1"},
			map[string]string{"web_acl": "none"},
			nil,
		},
		{
			"none is attached in the source", func(s *sim.State) { s.Regions[east].WebACL = nil }, incident.Warn,
			[]string{"is attached to the load balancer in us-west-2, and none is to that in us-east-1"},
			nil, nil,
		},
		{"none is attached anywhere", func(s *sim.State) {
			s.Regions[east].WebACL, s.Regions[west].WebACL = nil, nil
		}, incident.NotApplicable, []string{"not applicable: no web ACL is attached to the load balancers in us-west-2 and us-east-1"}, nil, nil},
		{"a rule is missing", with(func(a *sim.WebACL) { a.Rules = a.Rules[:2] }), incident.Fail, []string{"is not alike with ecommerce-us-east-1 in us-east-1: the rule common is missing in us-west-2"}, nil, one},
		{"a rule is in the target alone", func(s *sim.State) {
			s.Regions[east].WebACL.Rules = s.Regions[east].WebACL.Rules[1:]
		}, incident.Fail, []string{"the rule partners is in us-west-2 alone"}, nil, one},
		{"a rule only counts", with(func(a *sim.WebACL) { a.Rules[1].Action = count }), incident.Fail, []string{"rate is to count in us-west-2 and to block in us-east-1"}, nil, one},
		{"a group only counts", with(func(a *sim.WebACL) {
			a.Rules[2].OverrideAction = &types.OverrideAction{Count: &types.CountAction{}}
		}), incident.Fail, []string{"common is to count what its group finds in us-west-2 and to do what its group says in us-east-1"}, nil, one},
		{"the order is another", with(func(a *sim.WebACL) {
			a.Rules[0].Priority, a.Rules[1].Priority = 1, 0
		}), incident.Fail, []string{"partners has the priority 1 in us-west-2 and 0 in us-east-1", "rate has the priority 0"}, nil, map[string]float64{differences: 2}},
		{"it looks at something else", with(func(a *sim.WebACL) {
			a.Rules[1].Statement.RateBasedStatement.Limit = aws.Int64(200)
		}), incident.Fail, []string{"what rate looks at is another in us-west-2 than in us-east-1"}, nil, one},
		{"it answers something else", with(func(a *sim.WebACL) {
			a.Rules[1].Action.Block.CustomResponse = &types.CustomResponse{ResponseCode: aws.Int32(429)}
		}), incident.Fail, []string{"the answers or labels of rate are others in us-west-2"}, nil, one},
		{"a rule of a managed group is overridden", with(func(a *sim.WebACL) {
			a.Rules[2].Statement.ManagedRuleGroupStatement.RuleActionOverrides = []types.RuleActionOverride{{Name: aws.String("SizeRestrictions_BODY"), ActionToUse: count}}
		}), incident.Fail, []string{"what common looks at is another"}, nil, one},
		{"what no rule decides is blocked", with(func(a *sim.WebACL) { a.Blocks = true }), incident.Fail, []string{"what no rule decides is blocked in us-west-2 and allowed in us-east-1"}, nil, one},
		{"an IP set has another address", with(func(a *sim.WebACL) {
			a.IPSets["partners"] = []string{"192.0.2.0/24", "203.0.113.0/24"}
		}), incident.Fail, []string{"what partners looks at is another"}, nil, one},
		{"an IP set in another order is the same", with(func(a *sim.WebACL) { slices.Reverse(a.IPSets["partners"]) }), incident.Pass, nil, nil, map[string]float64{differences: 0}},
		{"alike patterns", func(s *sim.State) { names(s, "regexpatternset") }, incident.Pass, []string{"with 4 rules"}, nil, nil},
		{"other patterns", func(s *sim.State) {
			names(s, "regexpatternset")
			s.Regions[west].WebACL.Patterns["own"] = []string{"^/admin"}
		}, incident.Fail, []string{"what own looks at is another"}, nil, one},
		{"an alike rule group", func(s *sim.State) { names(s, "rulegroup") }, incident.Pass, []string{"with 4 rules"}, nil, nil},
		{"a rule group whose rule counts", func(s *sim.State) {
			names(s, "rulegroup")
			s.Regions[west].WebACL.Groups["own"][0].Action = count
		}, incident.Fail, []string{"what own looks at is another"}, nil, one},
		{"a rule group whose IP set is another", func(s *sim.State) {
			names(s, "rulegroup")
			s.Regions[west].WebACL.IPSets["partners"] = nil
		}, incident.Fail, []string{"what own looks at is another", "what partners looks at is another"}, nil, map[string]float64{differences: 2}},
		{
			"no rule is there", with(func(a *sim.WebACL) { a.Rules = nil }), incident.Fail,
			[]string{"with 0 rules", "the rule common is missing in us-west-2; the rule partners is missing"},
			nil,
			map[string]float64{differences: 3},
		},
		{"many differences", func(s *sim.State) {
			for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
				r := s.Regions[east].WebACL.Rules[1]
				r.Name = aws.String("zone-" + name)
				s.Regions[east].WebACL.Rules = append(s.Regions[east].WebACL.Rules, r)
			}
		}, incident.Fail, []string{"the rule zone-e is missing in us-west-2; and 2 more"}, nil, map[string]float64{differences: 7}},
		{"a rule names what there is no more", with(func(a *sim.WebACL) { delete(a.IPSets, "partners") }), incident.Unsure, []string{
			"get the ipset partners of the web ACL in us-west-2", "no such thing",
		}, nil, nil},
		{"a rule names what the bot does not know", with(func(a *sim.WebACL) {
			a.Rules[0].Statement.IPSetReferenceStatement.ARN = aws.String("arn:aws:wafv2:us-west-2:111122223333:regional/listofthings/partners/1")
		}), incident.Unsure, []string{"of a kind that this bot does not know", "compare the rules of both web ACLs by hand"}, nil, nil},
	})
}

func TestWebACLsThatCannotBeSeenAreUnknown(t *testing.T) {
	blind(t, "web-acl", "aws.wafv2", "GetWebACLForResource", "GetIPSet")
	for what, operation := range map[string]string{"regexpatternset": "GetRegexPatternSet", "rulegroup": "GetRuleGroup"} {
		for _, region := range []string{east, west} {
			for _, kind := range []string{sim.Deny, sim.ServerFail, sim.Hang} {
				w := newWorld(t)
				w.change(t, func(s *sim.State) { names(s, what) })
				if err := w.Fault(sim.Fault{Operation: operation, Region: region, Kind: kind}); err != nil {
					t.Fatal(err)
				}
				o, ok, err := w.looked(t, "web-acl")
				if err == nil || ok || !strings.Contains(err.Error(), operation) || !strings.Contains(err.Error(), region) {
					t.Errorf("%s in %s, %s: %t %q %v", operation, region, kind, ok, o.Summary, err)
				}
			}
		}
	}
}

// The Region being left may be gone: an unplanned run looks at the target alone, and says
// that nothing was compared.
func TestAnUnplannedRunDoesNotAskForTheSourcesWebACL(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(s *sim.State)
		verdict incident.Verdict
		says    string
	}{
		"attached": {func(*sim.State) {}, incident.Pass, "is attached to the load balancer in us-west-2; it was not compared with that in us-east-1"},
		"none":     {func(s *sim.State) { s.Regions[west].WebACL = nil }, incident.Fail, "no web ACL is attached to the load balancer in us-west-2; whether the one in us-east-1 has one was not asked"},
	} {
		w := newWorld(t)
		w.change(t, c.change)
		a, call := w.call(t, "web-acl")
		call.Plan.Mode = "unplanned"
		o, ok, err := a.Look(t.Context(), call)
		if err != nil || ok != (c.verdict == incident.Pass) || o.Measured.Verdict != c.verdict || !strings.Contains(o.Summary, c.says) {
			t.Errorf("%s: %t %q %v", name, ok, o.Summary, err)
		}
		for _, call := range w.Calls() {
			if call.Region == east {
				t.Errorf("it asked %s of %s", call.Operation, call.Region)
			}
		}
	}
}

// The other way round the same holds.
func TestTheWebACLOfTheOtherDirectionIsCompared(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) { s.Regions[west].WebACL.Rules = s.Regions[west].WebACL.Rules[1:] })
	a, call := w.call(t, "web-acl")
	turned := func(c engine.Call) engine.Call {
		p := *c.Plan
		p.Source, p.Target = p.Target, p.Source
		c.Plan = &p
		return c
	}
	if o, ok, err := a.Look(t.Context(), turned(call)); err != nil || ok || !strings.Contains(o.Summary, "the rule partners is in us-east-1 alone") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
}
