package discover

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/providers/sim"
)

// iamActions are those of operations that have another name, or none.
var iamActions = map[string]string{
	"s3:ListBuckets": "s3:ListAllMyBuckets", "s3:GetBucketReplication": "s3:GetReplicationConfiguration",
	"sts:GetCallerIdentity": "", // needs no right
}

// The policy and the role of discover grant what it calls, and nothing that it does not.
func TestTheRightsAreThoseOfTheCalls(t *testing.T) {
	s := newStage(t)
	s.change(t, func(s *sim.State) { s.Network.Transit = "available" })
	s.look(t, s.options())
	called := map[string]bool{}
	for _, c := range s.Calls() {
		system, aws := strings.CutPrefix(c.System, "aws.")
		right := system + ":" + c.Operation
		if !aws {
			right = c.Operation // list deployments
		}
		if other, named := iamActions[right]; named {
			right = other
		}
		if right != "" {
			called[right] = true
		}
	}

	granted := map[string]bool{}
	data, err := os.ReadFile("../../deploy/iam-failoverbot-discover.json")
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Statement []struct {
			Effect           string
			Action, Resource any
		}
	}
	if err := json.Unmarshal(data, &policy); err != nil {
		t.Fatal(err)
	}
	for _, s := range policy.Statement {
		actions, many := s.Action.([]any)
		if !many {
			actions = []any{s.Action}
		}
		for _, a := range actions {
			granted[a.(string)] = s.Effect == "Allow"
		}
	}
	delete(granted, "wafv2:GetWebACL") // which GetWebACLForResource needs beside its own
	data, err = os.ReadFile("../../deploy/rbac-discover.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for doc := range bytes.SplitSeq(data, []byte("\n---\n")) {
		var role struct {
			Kind  string
			Rules []struct{ Resources, Verbs []string }
		}
		if err := yaml.Load(doc, &role); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		for _, r := range role.Rules {
			for _, resource := range r.Resources {
				for _, verb := range r.Verbs {
					granted[verb+" "+resource] = true
				}
			}
		}
	}
	want, got := slices.Sorted(maps.Keys(called)), slices.Sorted(maps.Keys(granted))
	if !slices.Equal(want, got) || len(want) < 25 {
		t.Errorf("called:  %v\ngranted: %v", want, got)
	}
	for right := range granted {
		verb := right[strings.LastIndexAny(right, ": ")+1:]
		if strings.Contains(right, ":") && !strings.HasPrefix(verb, "List") && !strings.HasPrefix(verb, "Describe") && !strings.HasPrefix(verb, "Get") {
			t.Errorf("%s does more than read", right)
		}
	}
}

// What is said to be missing is what the policy calls it.
func TestWhatIsMissingIsNamedAsThePolicyDoes(t *testing.T) {
	s := newStage(t)
	for _, system := range []string{"acm", "cloudfront", "ec2", "eks", "elasticache", "elasticloadbalancing", "logs", "rds", "route53", "s3", "secretsmanager", "sns", "sqs", "wafv2"} {
		if err := s.Fault(sim.Fault{System: "aws." + system, Kind: sim.Deny}); err != nil {
			t.Fatal(err)
		}
	}
	o := s.options()
	o.Record = "api.ecommerce.com"
	f := s.look(t, o)
	policy, err := os.ReadFile("../../deploy/iam-failoverbot-discover.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range f.Unread {
		if !u.Refused || !strings.Contains(string(policy), `"`+u.Right+`"`) {
			t.Errorf("%s", u)
		}
	}
	if len(f.Unread) < 15 {
		t.Errorf("only %d are missing: %v", len(f.Unread), f.Unread)
	}
	for _, s := range f.Settings {
		if s.Value != nil && !s.People && s.Path != "platform.record" {
			t.Errorf("%s is %v although nothing could be read", s.Path, s.Value)
		}
		if s.Left {
			t.Errorf("%s is left out although nothing could be read: %s", s.Path, s.Why)
		}
	}
}
