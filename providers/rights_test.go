package providers_test

import (
	"encoding/json"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/arc"
	"github.com/failoverbot/failoverbot/providers/cloudfront"
	"github.com/failoverbot/failoverbot/providers/dns"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// resources are what the calls of a system are about, as an ARN, and the IAM action
// where that is not the operation's name. Calls that IAM cannot narrow are not here.
var resources = map[string]struct {
	service string
	arn     func(operation, target string) string
	actions map[string]string
}{
	"aws.route53": {"route53", func(operation, target string) string {
		switch operation {
		case "ListResourceRecordSets", "ChangeResourceRecordSets":
			return "arn:aws:route53:::hostedzone/" + target
		case "GetChange":
			return "arn:aws:route53:::change/" + target
		case "TestDNSAnswer":
			return "*"
		}
		return "arn:aws:route53:::healthcheck/" + target
	}, nil},
	"aws.route53-recovery-cluster": {"route53-recovery-cluster", func(_, target string) string { return target }, nil},
	"aws.ecr":                      {"ecr", func(_, target string) string { return "arn:aws:ecr:" + west + ":123456789012:repository/" + target }, nil},
	"aws.iam":                      {"iam", func(_, target string) string { return "arn:aws:iam::123456789012:role/" + target }, nil},
	"aws.cloudfront":               {"cloudfront", func(_, target string) string { return "arn:aws:cloudfront::123456789012:distribution/" + target }, nil},
	"aws.wafv2": {"wafv2", func(operation, target string) string {
		if operation == "GetWebACLForResource" {
			return "arn:aws:elasticloadbalancing:" + west + ":123456789012:" + target[strings.Index(target, "loadbalancer/"):]
		}
		return "arn:aws:wafv2:" + west + ":123456789012:regional/ipset/" + target + "/id"
	}, nil},
	"aws.secretsmanager": {"secretsmanager", func(operation, target string) string {
		if operation == "ListSecrets" {
			return "*"
		}
		return "arn:aws:secretsmanager:" + west + ":123456789012:secret:" + target + "-0a1b2c"
	}, nil},
	"aws.sns": {"sns", func(_, target string) string { return strings.ReplaceAll(target, "111122223333", "123456789012") }, nil},
	"aws.sqs": {"sqs", func(_, target string) string {
		return "arn:aws:sqs:" + west + ":123456789012:" + target[strings.LastIndex(target, "/")+1:]
	}, nil},
	"aws.logs": {"logs", func(_, target string) string { return "arn:aws:logs:" + west + ":123456789012:log-group:" + target }, nil},
	"aws.xray": {"xray", func(_, _ string) string { return "*" }, nil},
	"aws.s3": {
		"s3", func(_, target string) string { return "arn:aws:s3:::" + target },
		map[string]string{"HeadObject": "GetObject", "HeadBucket": "ListBucket", "GetBucketReplication": "GetReplicationConfiguration"},
	},
}

// The example policies grant each call on the very thing that it is about: what stands in
// the settings, and what is only found on the way, such as the check of a record.
func TestThePoliciesGrantEachCallOnWhatItIsAbout(t *testing.T) {
	w := newWorld(t)
	data, err := os.ReadFile("../deploy/config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Platform struct {
			DNS        dns.Settings        `yaml:"dns"`
			CloudFront cloudfront.Settings `yaml:"cloudfront"`
		} `yaml:"platform"`
	}
	if err := yaml.Load(data, &file); err != nil {
		t.Fatal(err)
	}
	byControl := movedBy(t, dns.ByControl)
	controls, exampleControls := partOf[arc.Settings](t, byControl.Topology(), "arc").Regions, arc.Platform.Example.(arc.Settings).Regions
	example, own := file.Platform.DNS, partOf[dns.Settings](t, w.Topology(), "dns")
	names := strings.NewReplacer(
		example.Zone, own.Zone, example.Regions[east].HealthCheck, own.Regions[east].HealthCheck,
		example.Regions[east].EndpointCheck, own.Regions[east].EndpointCheck, example.Regions[east].TakeoverCheck, own.Regions[east].TakeoverCheck,
		exampleControls[east].RoutingControl, controls[east].RoutingControl, exampleControls[west].RoutingControl, controls[west].RoutingControl,
		file.Platform.CloudFront.Distribution, partOf[cloudfront.Settings](t, w.Topology(), "cloudfront").Distribution,
	)
	granted := map[string][]string{}
	for _, file := range []string{"../deploy/iam-failoverbot.json", "../deploy/iam-failoverbot-unplanned.json"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var policy struct {
			Statement []struct{ Action, Resource any }
		}
		if err := json.Unmarshal([]byte(names.Replace(string(data))), &policy); err != nil {
			t.Fatal(err)
		}
		for _, s := range policy.Statement {
			for _, action := range texts(s.Action) {
				granted[action] = append(granted[action], texts(s.Resource)...)
			}
		}
	}

	w.change(t, func(s *sim.State) {
		s.DNS.Checks["standbys-own"] = &sim.HealthCheck{ID: "standbys-own", Type: "HTTP", Version: 1, Host: "us-west-2.api.ecommerce.com", Path: "/healthz", Probe: sim.Seen{Now: true, Up: true}}
		for i := range s.DNS.Records {
			if s.DNS.Records[i].Failover == "SECONDARY" {
				s.DNS.Records[i].HealthCheckId = aws.String("standbys-own")
			}
		}
	})
	steps := map[string]bool{}
	for _, facts := range []runbook.Facts{w.facts("planned"), w.facts("unplanned"), w.facts("planned").Back(), w.facts("unplanned").Fleeing()} {
		for _, s := range compile(t, w.catalog, facts).Steps {
			if a := w.catalog[s.Uses]; a.Look != nil && (a.Part == nil || slices.Contains([]string{"cloudfront", "dns", "iam", "logs", "s3", "secrets", "sns", "sqs", "takeover", "xray"}, a.Part.Key)) && s.Kind != runbook.Exercise {
				steps[s.ID] = true
			}
		}
	}
	for _, step := range slices.Sorted(maps.Keys(steps)) {
		_, _, _ = w.looked(t, step) // what it finds is no matter
	}
	for _, step := range []string{"shift-dns", "take-over", "restore-dns", "takeover-removed", "takeover-ignored", "takeover-shielded", "takeover-heeded", "remove-reachable-takeover"} {
		a, call := w.call(t, step)
		_, _, _ = a.Look(t.Context(), call)
		_, _ = a.Do(t.Context(), call)
	}
	byRecord := movedBy(t, dns.ByRecord)
	change, call := byRecord.call(t, "change-record")
	done, _ := change.Do(t.Context(), call)
	wait, call := byRecord.call(t, "record-in-sync")
	call.Result = func(string) (engine.Outcome, bool) { return done, true }
	byRecord.wait(t, time.Minute)
	_, _, _ = wait.Look(t.Context(), call)
	for _, step := range []string{"routing-controls", "recovery-checks", "controls-read-back"} {
		_, _, _ = byControl.looked(t, step)
	}
	shift, call := byControl.call(t, "shift-controls")
	_, _ = shift.Do(t.Context(), call)
	seen := map[string]bool{}
	for _, call := range apart(slices.Concat(w.Calls(), byRecord.Calls(), byControl.Calls())) {
		r, narrowed := resources[call.System]
		if !narrowed {
			continue
		}
		operation := call.Operation
		if other := r.actions[operation]; other != "" {
			operation = other
		}
		action, on := r.service+":"+operation, r.arn(call.Operation, call.Target)
		seen[action+" "+call.Target] = true
		if !slices.ContainsFunc(granted[action], func(pattern string) bool { // a star of IAM's stands for slashes, too
			ok, err := path.Match(strings.ReplaceAll(pattern, "/", ":"), strings.ReplaceAll(on, "/", ":"))
			return err == nil && ok
		}) {
			t.Errorf("%s is called on %s, and granted on %v", action, on, granted[action])
		}
	}
	for _, call := range []string{
		"route53:GetHealthCheck standbys-own", "route53:GetHealthCheckStatus standbys-own", "s3:GetObject ecommerce-takeover-us-west-2/takeover.probe", "secretsmanager:DescribeSecret ecommerce-prod/order-service", "sns:ListSubscriptionsByTopic arn:aws:sns:us-east-1:111122223333:route53-failover", "s3:GetReplicationConfiguration ecommerce-assets-us-east-1", "route53:UpdateHealthCheck " + own.Regions[east].HealthCheck, "route53:ChangeResourceRecordSets " + own.Zone, "route53:GetChange " + done.Evidence["change"], "route53:TestDNSAnswer api.ecommerce.com",
		"route53-recovery-cluster:GetRoutingControlState " + controls[east].RoutingControl, "route53-recovery-cluster:UpdateRoutingControlStates " + controls[west].RoutingControl,
	} {
		if !seen[call] {
			t.Errorf("%s was not called: %v", call, slices.Sorted(maps.Keys(seen)))
		}
	}
}

// apart are calls with one thing each that they are about.
func apart(calls []sim.Call) []sim.Call {
	var out []sim.Call
	for _, c := range calls {
		for target := range strings.SplitSeq(c.Target, " ") {
			c.Target = target
			out = append(out, c)
		}
	}
	return out
}

func texts(v any) []string {
	if s, ok := v.(string); ok {
		return []string{s}
	}
	var out []string
	list, _ := v.([]any)
	for _, one := range list {
		s, _ := one.(string)
		out = append(out, s)
	}
	return out
}

// A rebuild may do what it does on what it is about: what the settings name, and new names
// after those. It may delete nothing, and stop nothing that it made.
func TestTheRightsOfARebuildAreOnWhatItIsAbout(t *testing.T) {
	data, err := os.ReadFile("../deploy/iam-failoverbot-rebuild.json")
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Statement []struct{ Action, Resource any }
	}
	if err := json.Unmarshal(data, &policy); err != nil {
		t.Fatal(err)
	}
	granted := func(action, arn string) bool {
		for _, s := range policy.Statement {
			if !slices.Contains(texts(s.Action), action) {
				continue
			}
			for _, on := range texts(s.Resource) {
				if ok, err := path.Match(strings.ReplaceAll(on, "/", ":"), strings.ReplaceAll(arn, "/", ":")); err == nil && ok {
					return true
				}
			}
		}
		return false
	}
	const rds, global = "arn:aws:rds:us-east-1:123456789012:", "arn:aws:rds::123456789012:global-cluster:"
	for _, c := range []struct {
		action, arn string
		may         bool
	}{
		{"rds:RemoveFromGlobalCluster", global + "ecommerce-global", true},
		{"rds:RemoveFromGlobalCluster", rds + "cluster:ecommerce-primary", true},
		{"rds:RemoveFromGlobalCluster", global + newGlobal, false},
		{"rds:StopDBCluster", rds + "cluster:ecommerce-primary", true},
		{"rds:StopDBCluster", rds + "cluster:" + newCluster, false},
		{"rds:CreateGlobalCluster", global + newGlobal, true},
		{"rds:CreateGlobalCluster", "arn:aws:rds:us-west-2:123456789012:cluster:ecommerce-secondary", true},
		{"rds:CreateGlobalCluster", global + "other", false},
		{"rds:CreateDBCluster", rds + "cluster:" + newCluster, true},
		{"rds:CreateDBCluster", global + newGlobal, true},
		{"rds:CreateDBCluster", rds + "subgrp:ecommerce-db-us-east-1", true},
		{"rds:CreateDBCluster", rds + "cluster-pg:ecommerce", true},
		{"rds:CreateDBCluster", rds + "cluster:ecommerce-primary", false},
		{"rds:CreateDBInstance", rds + "db:" + newCluster + "-1", true},
		{"rds:CreateDBInstance", rds + "cluster:" + newCluster, true},
		{"rds:CreateDBInstance", rds + "db:other", false},
		{"rds:AddTagsToResource", rds + "db:" + newCluster + "-1", true},
		{"rds:SwitchoverGlobalCluster", global + newGlobal, true},
		{"rds:SwitchoverGlobalCluster", rds + "cluster:" + newCluster, true},
		{"rds:FailoverGlobalCluster", global + newGlobal, false},
		{"rds:DeleteDBCluster", rds + "cluster:" + newCluster, false},
		{"kms:CreateGrant", "arn:aws:kms:us-east-1:123456789012:key/0d5e6f70-0000-4000-8000-000000000001", true},
	} {
		if may := granted(c.action, c.arn); may != c.may {
			t.Errorf("%s on %s: %t, want %t", c.action, c.arn, may, c.may)
		}
	}
}
