package settings

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/arc"
	"github.com/failoverbot/failoverbot/providers/aurora"
	"github.com/failoverbot/failoverbot/providers/dns"
	"github.com/failoverbot/failoverbot/providers/takeover"
)

// tokens are those of an environment in which nothing is missing.
var tokens = map[string]string{
	"SLACK_BOT_TOKEN": "xoxb-1-secret", "SLACK_APP_TOKEN": "xapp-1-secret", "REDIS_URL": "redis://:secret@127.0.0.1:6379",
	"PAGERDUTY_ROUTING_KEY": "secret-key", "PAGERDUTY_API_TOKEN": "secret-api", "SYNTHETIC_TEST_TOKEN": "secret-order",
}

func environ(change map[string]string) func(string) string {
	return func(name string) string {
		if v, ok := change[name]; ok {
			return v
		}
		return tokens[name]
	}
}

const example = "../config.example.yaml"

// written is the example with one thing replaced.
func written(t *testing.T, old, by string) string {
	t.Helper()
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if old != "" {
		if strings.Count(text, old) == 0 {
			t.Fatalf("the example has no %q", old)
		}
		text = strings.Replace(text, old, by, 1)
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func faults(t *testing.T, path string, env map[string]string, needed ...string) strict.Faults {
	t.Helper()
	c, err := Load(path, environ(env), providers.Parts(), needed...)
	if err == nil {
		return nil
	}
	if c != nil {
		t.Error("settings came back along with an error")
	}
	var f strict.Faults
	if !errors.As(err, &f) {
		t.Fatalf("error is %v", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("a secret is in the error: %v", err)
	}
	return f
}

func TestTheExampleIsWithoutFault(t *testing.T) {
	c, err := Load(example, environ(nil), providers.Parts(), "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "REDIS_URL", "SYNTHETIC_TEST_TOKEN")
	if err != nil {
		t.Fatal(err)
	}
	if c.Platform.Regions["us-west-2"].Name != "us-west-2" {
		t.Error("a Region does not know its name")
	}
	var replicas []int
	for _, s := range c.Platform.Services {
		replicas = append(replicas, s.Replicas)
	}
	if !slices.Equal(replicas, []int{6, 6, 4, 4, 3}) {
		t.Errorf("replicas are %v", replicas)
	}
	if c.UpdateEvery != 15*time.Minute || c.Slack.Command != "/failover" || c.Redis.Prefix != "fb" {
		t.Errorf("every %s, %s, %s", c.UpdateEvery, c.Slack.Command, c.Redis.Prefix)
	}
	if c.Secrets.SlackBotToken != tokens["SLACK_BOT_TOKEN"] || c.Secrets.OrderToken != tokens["SYNTHETIC_TEST_TOKEN"] {
		t.Error("the secrets did not arrive")
	}
	roster := c.Roster()
	if len(roster) != 4 || roster[0].ID != "alice" || roster[0].Faces["slack"] != "U0AL1CE00" || !roster[0].BreakGlass || !slices.Equal(roster[1].Roles, []string{"approver", "responder"}) {
		t.Errorf("the roster is %+v", roster)
	}
}

func TestEachFaultIsSaidWithItsPlace(t *testing.T) {
	for name, c := range map[string]struct {
		old, by string
		want    string
	}{
		"unknown key":             {"  channel: C0123456789", "  chanel: C0123456789", `: unknown key "chanel"; did you mean "channel"?`},
		"unknown key deep inside": {"      min_zones: 3", "      min_zone: 3", `: unknown key "min_zone"; did you mean "min_zones"?`},
		"key twice":               {"  home: us-east-1", "  home: us-east-1\n  home: us-west-2", `: key "home" is there twice`},
		"missing key":             {"  home: us-east-1\n", "", `"platform" lacks "home"`},
		"empty value":             {"channel: C0123456789", "channel:", `"channel" is empty, and it is needed`},
		"a channel's name":        {"channel: C0123456789", "channel: incident-response", `wants a channel's id such as C0123456789`},
		"number":                  {"replicas: 6", "replicas: many", `"replicas" wants a whole number, not "many"`},
		"a large standby":         {"standby: 2", "standby: 7", `user-service has 7 replicas in a standby, more than the 6 that it has where it serves`},
		"no standby":              {"standby: 2", "standby: -1", `"standby" has to be at least 0, not -1`},
		"no replicas":             {"replicas: 6", "replicas: 0", `"replicas" has to be at least 1, not 0`},
		"true or false":           {"in_vpc: false", "in_vpc: perhaps", `"in_vpc" is true or false, not "perhaps"`},
		"duration":                {"update_every: 15m", "update_every: 15", `"update_every" wants a duration like 30s or 15m, not "15"`},
		"role of no Region":       {"update_every: 15m", "aws: {roles: {west: {arn: \"arn:aws:iam::123456789012:role/x\"}}}\nupdate_every: 15m", `"west" is not the name of an AWS Region, such as us-east-1`},
		"no ARN of a role":        {"update_every: 15m", "aws: {roles: {us-west-2: {arn: failoverbot}}}\nupdate_every: 15m", `"arn" has to look like arn:aws:iam::123456789012:role/failoverbot, not "failoverbot"`},
		"a user, not a role":      {"update_every: 15m", "aws: {roles: {us-west-2: {arn: \"arn:aws:iam::123456789012:user/x\"}}}\nupdate_every: 15m", `"arn" has to look like arn:aws:iam::123456789012:role/failoverbot`},
		"role elsewhere":          {"update_every: 15m", "aws: {roles: {us-west-2: {arn: \"arn:aws-us-gov:iam::123456789012:role/x\"}}}\nupdate_every: 15m", `"arn" is an ARN of partition aws-us-gov, but us-west-2 lies in aws`},
		"role without an ARN":     {"update_every: 15m", "aws: {roles: {us-west-2: {external_id: abc}}}\nupdate_every: 15m", `"us-west-2" lacks "arn"`},
		"external id":             {"update_every: 15m", "aws: {roles: {us-west-2: {arn: \"arn:aws:iam::123456789012:role/x\", external_id: \"a b\"}}}\nupdate_every: 15m", `"external_id" is 2 to 1224 letters`},
		"no Region":               {"update_every: 15m", "redis: {region: east}\nupdate_every: 15m", `"east" is not the name of an AWS Region, such as us-east-1`},
		"checks too often":        {"update_every: 15m", "check_every: 5s", `"check_every" has to be at least 1m, or 0s for never, not 5s`},
		"one view":                {"views: 2", "views: 1", `at least 2, not 1: one alone may err`},
		"one observation":         {"observations: 3", "observations: 1", `"observations" has to be at least 2, not 1`},
		"a short cool-down":       {"cool_down: 15m", "cool_down: 5s", `"cool_down" has to be at least 1m, not 5s`},
		"control without a port":  {"cool_down: 15m", "control: [1.1.1.1]", "host:port"},
		"checks before now":       {"update_every: 15m", "check_every: -30m", `"check_every" has to be at least 1m, or 0s for never, not -30m0s`},
		"short duration":          {"update_every: 15m", "update_every: 5s", `"update_every" has to be at least 1m, not 5s`},
		"list":                    {"[commander, responder]", "commander", `"roles" wants a list, not "commander"`},
		"role":                    {"[commander, responder]", "[comander]", `unknown role "comander"; did you mean "commander"?`},
		"no role":                 {"[commander, responder]", "[]", `Alice has no role; it may be commander, approver, responder`},
		"home":                    {"home: us-east-1", "home: us-east-2", `"home" is "us-east-2", which is none of the Regions; did you mean "us-east-1"?`},
		"ARN of another Region":   {"arn:aws:rds:us-west-2:", "arn:aws:rds:us-east-1:", `"db_cluster_arn" is an ARN of us-east-1, but stands under us-west-2`},
		"ARN of another service":  {"arn:aws:elasticloadbalancing:us-west-2", "arn:aws:ecs:us-west-2", `"load_balancer_arn" is an ARN of ecs, not of elasticloadbalancing`},
		"ARN of another cluster":  {"cluster:ecommerce-secondary", "cluster:ecommerce-tertiary", `"db_cluster_arn" is that of "ecommerce-tertiary", but "db_cluster" is "ecommerce-secondary"`},
		"no ARN":                  {"arn:aws:rds:us-west-2:123456789012:cluster:ecommerce-secondary", "ecommerce-secondary", `"db_cluster_arn" has to look like arn:aws:rds:us-west-2:`},
		"another account":         {"rds:us-west-2:123456789012", "rds:us-west-2:210987654321", `the ARNs are of different accounts: 123456789012, 210987654321`},
		"the public name":         {"https://us-west-2.api.ecommerce.com", "https://api.ecommerce.com", `"endpoint" is the public name api.ecommerce.com`},
		"an address with a path":  {"https://us-west-2.api.ecommerce.com", "https://us-west-2.api.ecommerce.com/v1", `"endpoint" wants an address of scheme and host only`},
		"the same address twice":  {"https://us-west-2.api.ecommerce.com", "https://us-east-1.api.ecommerce.com", `"endpoint" has the same value in us-east-1 and us-west-2`},
		"a health page":           {"/api/v1/users/health", "users/health", `"health" wants a path that begins with a slash`},
		"a name server":           {"ns-513.awsdns-00.net:53", "ns-513.awsdns-00.net", `"ns-513.awsdns-00.net" has to be host:port`},
		"a resolver inside a VPC": {", vpc_only: true", "", `169.254.169.253 answers only inside a VPC: add vpc_only: true`},
		"a trailing dot":          {"record: api.ecommerce.com", "record: api.ecommerce.com.", `"record" wants the bare name`},
		"one check twice":         {"22222222-2222-4222-8222-222222222222", "11111111-1111-4111-8111-111111111111", `"endpoint_check" and "health_check" are the same check`},
		"bands":                   {"[1000, 5000, 30000]", "[1000, 500]", `"lag_bands_ms" has to rise`},
		"limits of lag":           {"lag_confirm_ms: 5000", "lag_confirm_ms: 500", `"lag_confirm_ms" (500) is below "lag_warn_ms" (1000)`},
		"nobody can be paged":     {"  enabled: true", "  enabled: false", `"page" is true and nobody can be paged`},
		"a strange cluster":       {"\nkubernetes:\n  us-east-1:", "\nkubernetes:\n  us-east-2:", `"us-east-2" is none of the platform's Regions`},
		"a cluster is missing":    {"\nkubernetes:\n  us-east-1:", "\nkubernetes:\n  us-east-2:", `"kubernetes" does not say how the cluster of us-east-1 is reached`},
		"no way to a cluster":     {"    context: us-west-2-ecommerce-prod", "    kubeconfig: x", `give "context" (of a kubeconfig) or "eks"`},
		"half an EKS cluster":     {"    context: us-west-2-ecommerce-prod", "    eks: {cluster: c, endpoint: \"http://x\"}", `"eks" lacks "ca"`},
		"an alias":                {"home: us-east-1", "home: *region", `YAML`},
		"the same person twice":   {"slack: U0B0B0000", "slack: U0AL1CE00", `Alice and Bob have the same id U0AL1CE00 on slack`},
		"no Slack id":             {"slack: U0B0B0000", "slack: bob", `"slack" wants a Slack user id such as U0123456789`},
		"a folder":                {"# templates: ./templates", "templates: ./nowhere", `there is no folder `},
		"a diversion":             {"update_every: 15m", "dial: {\"a:1\": b}", `"b" has to be host:port`},
		"a command":               {"command: /failover", "command: failover", `"command" has to be a slash and a word`},
		"a group's handle":        {"# on_call_group: S0123456789", "on_call_group: \"@on-call\"", `"on_call_group" wants the id of a user group such as S0123456789 (Copy group ID), not "@on-call"`},
		"support by name":         {"# support: S9876543210", "support: support", `"support" wants the id of a person (U...), of a user group (S...) or of a channel (C...), not "support"`},
		"a service by name":       {"# service: PABC123", "service: orders", `"service" wants the id of a service such as PABC123`},
		"an API with a path":      {"# api_url: https://api.pagerduty.com ", "api_url: https://api.pagerduty.com/v2 ", `"api_url" wants an address of scheme and host only`},
		"a mail for an id":        {"name: Dave,", "name: Dave, pagerduty: dave@ecommerce.com,", `"pagerduty" wants a user's id such as PABC123`},
		"asked for ever":          {"  # people:\n  #   access_days: 90 ", "  people:\n    access_days: 9000 ", `"access_days" is a number from 0 to 3660, not 9000`},
		"not YAML":                {"home: us-east-1", "home: [", `not readable as YAML`},
	} {
		t.Run(name, func(t *testing.T) {
			path := written(t, c.old, c.by)
			found := faults(t, path, nil)
			i := slices.IndexFunc(found, func(f strict.Fault) bool { return strings.Contains(f.String(), c.want) })
			if i < 0 {
				t.Fatalf("no fault with %q; found:\n%v", c.want, found)
			}
			if found[i].File != path || found[i].Line == 0 || found[i].Column == 0 {
				t.Errorf("the fault has no place: %s", found[i])
			}
			if len(found) > 3 {
				t.Errorf("one slip has %d faults:\n%v", len(found), found)
			}
		})
	}
}

func TestAllFaultsAreSaidAtOnceInTheOrderOfTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte("slack: {chanel: C0123456789}\npeople: 7\nupdate_every: soon\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := faults(t, path, map[string]string{"SLACK_BOT_TOKEN": "abc", "REDIS_URL": ""}, "REDIS_URL")
	want := []string{
		path + `:1:1: the file lacks "platform"`,
		path + `:1:1: the file lacks "kubernetes"`,
		path + `:1:9: unknown key "chanel"; did you mean "channel"?`,
		path + `:2:9: "people" wants a list, not "7"`,
		path + `:3:15: "update_every" wants a duration like 30s or 15m, not "soon"`,
		`environment: SLACK_BOT_TOKEN is not a bot token: it has to begin with xoxb-; copy it from the app's page, OAuth & Permissions`,
		`environment: REDIS_URL is not set: where the record is kept, redis://host:6379`,
	}
	var lines []string
	for _, f := range got {
		lines = append(lines, f.String())
	}
	slices.Sort(want)
	slices.Sort(lines)
	if !slices.Equal(lines, want) {
		t.Errorf("faults are\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestACommanderNeedsSomebodyElseToApprove(t *testing.T) {
	path := written(t, "roles: [approver, responder]", "roles: [responder]")
	found := faults(t, path, nil)
	if len(found) != 1 || !strings.Contains(found[0].Text, `nobody could approve what Carol asks for`) {
		t.Errorf("faults are %v", found)
	}
}

func TestSecretsAreCheckedAndNeverShown(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"swapped":          {map[string]string{"SLACK_BOT_TOKEN": "xapp-secret", "SLACK_APP_TOKEN": "xoxb-secret"}, "SLACK_BOT_TOKEN and SLACK_APP_TOKEN are swapped"},
		"the bot's twice":  {map[string]string{"SLACK_APP_TOKEN": "xoxb-secret"}, "SLACK_APP_TOKEN is not an app-level token but looks like a bot token"},
		"a user's token":   {map[string]string{"SLACK_BOT_TOKEN": "xoxp-secret"}, "SLACK_BOT_TOKEN is not a bot token but looks like a user token"},
		"not an address":   {map[string]string{"SLACK_API_URL": "slack.com"}, "SLACK_API_URL has to be an http or https address"},
		"in the clear":     {map[string]string{"SLACK_API_URL": "http://slack.example/api/"}, "would send the tokens unencrypted to slack.example"},
		"not a Redis":      {map[string]string{"REDIS_URL": "http://:secret@x"}, "REDIS_URL has to look like redis://host:6379"},
		"a torn Redis URL": {map[string]string{"REDIS_URL": "redis://:secret%@x:6379"}, "REDIS_URL has to look like redis://host:6379"},
		"nobody to page":   {map[string]string{"PAGERDUTY_ROUTING_KEY": " "}, "PAGERDUTY_ROUTING_KEY is not set"},
		"no token":         {map[string]string{"SLACK_BOT_TOKEN": ""}, "SLACK_BOT_TOKEN is not set"},
	} {
		t.Run(name, func(t *testing.T) {
			found := faults(t, example, c.env, "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "REDIS_URL")
			if len(found) != 1 || !strings.Contains(found[0].String(), "environment: ") || !strings.Contains(found[0].Text, c.want) {
				t.Errorf("faults are %v, want one with %q", found, c.want)
			}
		})
	}
}

func TestWithoutSlackTheSettingsCanStillBeRead(t *testing.T) {
	if _, err := Load(example, func(string) string { return "" }, providers.Parts()); err != nil {
		t.Error(err)
	}
}

func TestWhatTheEnvironmentSaysIsTidied(t *testing.T) {
	c, err := Load(example, environ(map[string]string{"SLACK_BOT_TOKEN": " xoxb-1\n", "SLACK_API_URL": "http://127.0.0.1:8065/api"}), providers.Parts())
	if err != nil {
		t.Fatal(err)
	}
	if c.Secrets.SlackBotToken != "xoxb-1" || c.Secrets.SlackAPIURL != "http://127.0.0.1:8065/api/" {
		t.Errorf("secrets are %+v", c.Secrets)
	}
}

func TestAMissingFileNamesTheExample(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "config.yaml"), environ(nil), providers.Parts())
	if err == nil || !strings.Contains(err.Error(), "there is no settings file") || !strings.Contains(err.Error(), "deploy/config.example.yaml") {
		t.Errorf("error is %v", err)
	}
}

func TestFilesAreFoundBesideTheSettings(t *testing.T) {
	path := written(t, "    # kubeconfig: kubeconfig.yaml ", "    kubeconfig: kubeconfig.yaml ")
	c, err := Load(path, environ(nil), providers.Parts())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Kubernetes["us-east-1"].Kubeconfig, filepath.Join(filepath.Dir(path), "kubeconfig.yaml"); got != want {
		t.Errorf("the kubeconfig is looked for at %s, want %s", got, want)
	}
}

// policyOfDiscover is of whoever runs discover; all others are the bot's.
const policyOfDiscover = "../iam-failoverbot-discover.json"

// rights are the actions of the bot's IAM policies, with the resources they are for.
func rights(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("../iam-*.json")
	if err != nil || len(files) < 3 {
		t.Fatalf("the policies are %v: %v", files, err)
	}
	return granted(t, slices.DeleteFunc(files, func(f string) bool { return f == policyOfDiscover })...)
}

// granted are the actions of these policies.
func granted(t *testing.T, files ...string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, file := range files {
		data, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			t.Fatal(err)
		}
		var policy struct {
			Version   string
			Statement []struct {
				Sid, Effect      string
				Action, Resource any
				// Condition narrows it further.
				Condition any
			}
		}
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err := d.Decode(&policy); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, s := range policy.Statement {
			for _, action := range many(s.Action) {
				out[action] = append(out[action], many(s.Resource)...)
			}
		}
	}
	return out
}

func many(v any) []string {
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

// The IAM action of an SDK call, where it is not simply of the same name.
var iamNames = map[string]string{
	"elasticloadbalancingv2": "elasticloadbalancing", "cloudwatchlogs": "logs", "s3:HeadObject": "s3:GetObject", "s3:HeadBucket": "s3:ListBucket",
	"s3:GetBucketReplication": "s3:GetReplicationConfiguration", "s3:ListBuckets": "s3:ListAllMyBuckets",
}

func TestThePoliciesGrantWhatIsCalledAndNothingElse(t *testing.T) {
	const discovers = "../../providers/discover/"
	t.Run("the bot", func(t *testing.T) {
		grantWhatIsCalled(t, rights(t), func(file string) bool { return !strings.HasPrefix(file, discovers) })
	})
	t.Run("discover", func(t *testing.T) {
		grantWhatIsCalled(t, granted(t, policyOfDiscover), func(file string) bool { return strings.HasPrefix(file, discovers) })
	})
}

// grantWhatIsCalled compares rights with the calls of the providers' files that are meant.
func grantWhatIsCalled(t *testing.T, granted map[string][]string, meant func(file string) bool) {
	t.Helper()
	client := regexp.MustCompile(`(?m)^\s(\w* ?)"github\.com/aws/aws-sdk-go-v2/service/(\w+)"$`)
	call := regexp.MustCompile(`&(\w+)\.([A-Z]\w+)Input\{`)
	own := regexp.MustCompile(`\.call\(ctx, at, "([A-Z]\w+)"`) // of the client of our own
	files, err := filepath.Glob("../../providers/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	called := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "../../providers/sim/") || !meant(file) {
			continue
		}
		data, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			t.Fatal(err)
		}
		service := map[string]string{} // by the name that it is imported under
		for _, m := range client.FindAllStringSubmatch(string(data), -1) {
			service[cmp.Or(strings.TrimSpace(m[1]), m[2])] = m[2]
		}
		for _, m := range call.FindAllStringSubmatch(string(data), -1) {
			if service[m[1]] == "" {
				continue // an input of our own
			}
			name := cmp.Or(iamNames[service[m[1]]], service[m[1]]) + ":" + m[2]
			called[cmp.Or(iamNames[name], name)] = true
		}
		for _, m := range own.FindAllStringSubmatch(string(data), -1) {
			called["route53-recovery-cluster:"+m[1]] = true
		}
	}
	if len(called) < 10 {
		t.Fatalf("only %d calls were found: %v", len(called), called)
	}
	delete(called, "sts:GetCallerIdentity")   // AWS lets everybody ask who they are
	if called["wafv2:GetWebACLForResource"] { // which WAF answers to who may have that, too
		called["wafv2:GetWebACL"] = true
	}
	if called["rds:CreateDBCluster"] { // RDS asks for these of whoever makes one with tags and a key
		for _, with := range []string{"rds:AddTagsToResource", "kms:DescribeKey", "kms:CreateGrant"} {
			called[with] = true
		}
	}
	for action := range called {
		if len(granted[action]) == 0 {
			t.Errorf("%s is called and no policy grants it", action)
		}
	}
	for action, on := range granted {
		if !called[action] {
			t.Errorf("%s is granted and nothing calls it", action)
		}
		_, verb, _ := strings.Cut(action, ":")
		reads := strings.HasPrefix(verb, "Describe") || strings.HasPrefix(verb, "List") || strings.HasPrefix(verb, "Get") || verb == "TestDNSAnswer" // which IAM cannot narrow
		if slices.Contains(on, "*") && !reads || strings.Contains(action, "*") {
			t.Errorf("%s is granted on everything", action)
		}
	}
}

func partOf[T any](t *testing.T, c *Settings, key string) T {
	t.Helper()
	part, err := runbook.PartOf[T](c.Platform, key)
	if err != nil {
		t.Fatal(err)
	}
	return part
}

func TestThePoliciesNameWhatTheExampleNames(t *testing.T) {
	c, err := Load(example, environ(nil), providers.Parts())
	if err != nil {
		t.Fatal(err)
	}
	granted := rights(t)
	lever := partOf[takeover.Settings](t, c, "takeover")
	for name, db := range partOf[aurora.Settings](t, c, "aurora").Regions {
		for _, action := range []string{"rds:SwitchoverGlobalCluster", "rds:FailoverGlobalCluster", "rds:RemoveFromGlobalCluster"} {
			if !slices.Contains(granted[action], db.DBClusterARN) {
				t.Errorf("%s is not granted on %s", action, db.DBClusterARN)
			}
		}
		if object := "arn:aws:s3:::" + lever.Regions[name].TakeoverBucket + "/" + lever.TakeoverKey; !slices.Contains(granted["s3:PutObject"], object) {
			t.Errorf("s3:PutObject is not granted on %s", object)
		}
	}
	for name, b := range lever.Regions {
		if probe := "arn:aws:s3:::" + b.TakeoverBucket + "/" + lever.TakeoverKey + takeover.ProbeSuffix; !slices.Contains(granted["s3:GetObject"], probe) {
			t.Errorf("s3:GetObject is not granted on %s", probe)
		}
		if name == c.Platform.Home {
			continue // the example is of the standby's bucket
		}
		data, err := os.ReadFile("../takeover-bucket-policy.json")
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{lever.TakeoverKey, lever.TakeoverKey + takeover.ProbeSuffix} {
			if object := "arn:aws:s3:::" + b.TakeoverBucket + "/" + key; !strings.Contains(string(data), `"`+object+`"`) {
				t.Errorf("the bucket's policy does not show %s to everybody", object)
			}
		}
	}
	home := partOf[dns.Settings](t, c, "dns").Regions[c.Platform.Home]
	if got, want := granted["route53:UpdateHealthCheck"], []string{"arn:aws:route53:::healthcheck/" + home.HealthCheck, "arn:aws:route53:::healthcheck/" + home.TakeoverCheck}; !slices.Equal(got, want) {
		t.Errorf("route53:UpdateHealthCheck is granted on %v, want %v", got, want)
	}
}

// The example has the routing controls as comments. Without the # they can be read, and are
// what the policy grants.
func TestTheRoutingControlsOfTheExample(t *testing.T) {
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), "  # arc:\n")
	if !ok {
		t.Fatal("the example has none")
	}
	own, after, _ := strings.Cut(rest, "\n\n")
	text := before + "  arc:\n" + strings.ReplaceAll("\n"+own, "\n  # ", "\n  ")[1:] + "\n\n" + strings.Replace(after, "# strategy: record-change   # or ", "strategy: ", 1)
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, environ(nil), providers.Parts())
	if err != nil {
		t.Fatal(err)
	}
	got := partOf[arc.Settings](t, c, "arc")
	if want := arc.Platform.Example; !reflect.DeepEqual(got, want) {
		t.Errorf("it is read as %+v, and the part's example is %+v", got, want)
	}
	var controls []string
	for _, r := range got.Regions {
		controls = append(controls, r.RoutingControl)
	}
	slices.Sort(controls)
	for _, action := range []string{"route53-recovery-cluster:GetRoutingControlState", "route53-recovery-cluster:UpdateRoutingControlStates"} {
		if on := slices.Sorted(slices.Values(rights(t)[action])); !slices.Equal(on, controls) {
			t.Errorf("%s is granted on %v, want %v", action, on, controls)
		}
	}
	want := map[string]map[string]any{"Bool": {"route53-recovery-cluster:AllowSafetyRulesOverrides": "false"}}
	for _, got := range conditions(t, "route53-recovery-cluster:UpdateRoutingControlStates") {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("the policy lets the bot override safety rules: %v", got)
		}
	}
}

// conditions are those under which the policy grants an action, one for each statement.
func conditions(t *testing.T, action string) (out []map[string]map[string]any) {
	t.Helper()
	data, err := os.ReadFile("../iam-failoverbot.json")
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Statement []struct {
			Action    any
			Condition map[string]map[string]any
		}
	}
	if err := json.Unmarshal(data, &policy); err != nil {
		t.Fatal(err)
	}
	for _, s := range policy.Statement {
		if slices.Contains(many(s.Action), action) {
			out = append(out, s.Condition)
		}
	}
	if len(out) == 0 {
		t.Fatalf("the policy does not grant %s", action)
	}
	return out
}

// Of the zone the bot may change the record sets of the public name alone, of the types that
// lead users somewhere, and it creates none: what it makes anew of a set is an UPSERT, and
// one that was not there is deleted when a move is taken back.
func TestRecordSetsOfThePublicNameAloneMayBeChanged(t *testing.T) {
	c, err := Load(example, environ(nil), providers.Parts())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]any{"ForAllValues:StringEquals": {
		"route53:ChangeResourceRecordSetsNormalizedRecordNames": []any{strings.ToLower(strings.TrimSuffix(c.Platform.Record, "."))},
		"route53:ChangeResourceRecordSetsRecordTypes":           []any{"A", "AAAA", "CNAME"},
		"route53:ChangeResourceRecordSetsActions":               []any{"UPSERT", "DELETE"},
	}}
	for _, got := range conditions(t, "route53:ChangeResourceRecordSets") {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("it is granted under %v, want %v", got, want)
		}
	}
}

func TestTheClusterRolesAreNarrow(t *testing.T) {
	c, err := Load(example, environ(nil), providers.Parts())
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("../rbac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var services []string
	for _, s := range c.Platform.Services {
		services = append(services, s.Name)
	}
	kinds := map[string]int{}
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var o struct {
			Kind     string
			Metadata struct{ Namespace string }
			Rules    []struct {
				APIGroups     []string `yaml:"apiGroups"`
				Resources     []string
				ResourceNames []string `yaml:"resourceNames"`
				Verbs         []string
			}
		}
		err := d.Decode(&o)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kinds[o.Kind]++
		for _, r := range o.Rules {
			// A tunnel changes nothing, and leads to what istiod's namespace has alone.
			tunnel := slices.Equal(r.Resources, []string{"pods/portforward"}) && o.Metadata.Namespace == "istio-system"
			for _, word := range slices.Concat(r.APIGroups, r.Resources, r.Verbs) {
				if word == "create" && tunnel {
					continue
				}
				if word == "*" || word == "delete" || word == "create" || word == "secrets" {
					t.Errorf("%s grants %v %v", o.Kind, r.Verbs, r.Resources)
				}
			}
			changes := slices.Contains(r.Verbs, "patch")
			if changes && strings.HasPrefix(r.Resources[0], "deployments") && !slices.Equal(r.ResourceNames, services) {
				t.Errorf("%v may be changed for %v, but the services are %v", r.Resources, r.ResourceNames, services)
			}
		}
	}
	// One for where the services run, one each for where Velero, Prometheus and istiod do;
	// what is not in any namespace, and what may be in any.
	for kind, want := range map[string]int{"Role": 4, "RoleBinding": 4, "ClusterRole": 2, "ClusterRoleBinding": 2} {
		if kinds[kind] != want {
			t.Errorf("%d of kind %s", kinds[kind], kind)
		}
	}
}

// What a restore needs is a file of its own: names of Secrets, and one kind of object to
// create.
func TestTheRightsOfARestoreAreNarrow(t *testing.T) {
	data, err := os.ReadFile("../rbac-restore.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var given []string
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var o struct {
			Kind     string
			Metadata struct{ Namespace string }
			Rules    []struct {
				Resources, Verbs []string
			}
		}
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if o.Kind != "Role" && o.Kind != "RoleBinding" {
			t.Errorf("%s is for more than a namespace", o.Kind)
		}
		for _, r := range o.Rules {
			for _, resource := range r.Resources {
				for _, verb := range r.Verbs {
					given = append(given, o.Metadata.Namespace+" "+verb+" "+resource)
				}
			}
		}
	}
	if want := []string{
		"ecommerce-prod list persistentvolumeclaims", "ecommerce-prod list configmaps", "ecommerce-prod list secrets",
		"ecommerce-prod list virtualservices", "ecommerce-prod list destinationrules",
		"velero list podvolumebackups", "velero list restores", "velero create restores",
	}; !slices.Equal(given, want) {
		t.Errorf("given:  %v\nwanted: %v", given, want)
	}
}

// Who is on call is read with a token, which is asked for where the settings want it, and
// known by the id that the roster has of them.
func TestWhoIsOnCallTakesAToken(t *testing.T) {
	path := written(t, "  # service: PABC123", "  service: PSVC123")
	if found := faults(t, path, map[string]string{"PAGERDUTY_API_TOKEN": ""}, "REDIS_URL"); len(found) != 1 || !strings.Contains(found[0].Text, "PAGERDUTY_API_TOKEN is not set") {
		t.Errorf("faults are %v", found)
	}
	c, err := Load(path, environ(nil), providers.Parts(), "REDIS_URL")
	if err != nil {
		t.Fatal(err)
	}
	if c.PagerDuty.Service != "PSVC123" || c.Secrets.PagerDutyToken != "secret-api" {
		t.Errorf("%+v", c.PagerDuty)
	}
	// A test event takes another service, its key, and the token.
	test := written(t, "  # test_service: PTEST12", "  test_service: PTEST12")
	if found := faults(t, test, map[string]string{"PAGERDUTY_API_TOKEN": ""}, "REDIS_URL"); len(found) != 2 || !strings.Contains(found[0].Text, "PAGERDUTY_TEST_ROUTING_KEY is not set") || !strings.Contains(found[1].Text, "PAGERDUTY_API_TOKEN is not set") {
		t.Errorf("faults are %v", found)
	}
	if found := faults(t, test, map[string]string{"PAGERDUTY_TEST_ROUTING_KEY": tokens["PAGERDUTY_ROUTING_KEY"]}, "REDIS_URL"); len(found) != 1 || !strings.Contains(found[0].Text, "would wake whoever is on call") || strings.Contains(found[0].Text, tokens["PAGERDUTY_ROUTING_KEY"]) {
		t.Errorf("faults are %v", found)
	}
	if c, err := Load(test, environ(map[string]string{"PAGERDUTY_TEST_ROUTING_KEY": "secret-test"}), providers.Parts(), "REDIS_URL"); err != nil || c.PagerDuty.TestService != "PTEST12" || c.Secrets.PagerDutyTestKey != "secret-test" {
		t.Errorf("%v", err)
	}
	for by, says := range map[string]string{"test_service: PTEST12\n  service: PTEST12": "is the service that is paged", "test_service: test": "wants the id of a service"} {
		if found := faults(t, written(t, "# test_service: PTEST12", by), map[string]string{"PAGERDUTY_TEST_ROUTING_KEY": "secret-test"}); len(found) != 1 || !strings.Contains(found[0].Text, says) {
			t.Errorf("%s: %v", by, found)
		}
	}
	both := written(t, "name: Alice, roles", "name: Alice, pagerduty: PAL1CE0, roles")
	if c, err = Load(both, environ(nil), providers.Parts()); err != nil || c.Roster()[0].Faces["pagerduty"] != "PAL1CE0" {
		t.Errorf("%v", err)
	}
	if _, there := c.Roster()[1].Faces["pagerduty"]; there {
		t.Error("Bob has an empty id of PagerDuty")
	}
}
