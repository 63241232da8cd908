package settings

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/dns"
)

// Who comes from settings of before is told where each key stands now.
func TestSettingsOfBeforeAreToldWhereEachKeyStandsNow(t *testing.T) {
	found := faults(t, "testdata/before-parts.yaml", nil)
	for key, now := range map[string]string{
		"namespace":          "platform.kube.regions.<Region>",
		"db_cluster":         "platform.aurora.regions.<Region>",
		"db_cluster_arn":     "platform.aurora.regions.<Region>",
		"cache_group":        "platform.cache.regions.<Region>",
		"load_balancer_arn":  "platform.elb.regions.<Region>",
		"takeover_bucket":    "platform.takeover.regions.<Region>",
		"min_nodes_per_zone": "platform.kube.regions.<Region>",
		"min_zones":          "platform.kube.regions.<Region>",
		"database":           "platform.aurora",
		"record":             "platform",
		"health_check":       "platform.dns.regions.<Region>",
		"endpoint_check":     "platform.dns.regions.<Region>",
		"takeover_check":     "platform.dns.regions.<Region>",
		"takeover_key":       "platform.takeover",
	} {
		want := fmt.Sprintf("unknown key %q here: it stands under %s now", key, now)
		if !slices.ContainsFunc(found, func(f strict.Fault) bool { return f.Text == want && f.Line > 1 && f.Column > 1 }) {
			t.Errorf("nothing says: %s", want)
		}
	}
	for _, f := range found {
		if !strings.Contains(f.Text, "it stands under") && !strings.Contains(f.Text, " lacks ") {
			t.Errorf("besides, it says: %s", f)
		}
	}
}

// elsewhere is the example in the Regions of another partition.
func elsewhere(t *testing.T, partition, home, other string) string {
	t.Helper()
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("arn:aws:", "arn:"+partition+":", "us-east-1", home, "us-west-2", other).Replace(string(data))
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The partition of Regions and ARNs is one and the same, and one whose Route 53 is known.
func TestThePlatformLiesInOnePartition(t *testing.T) {
	for name, c := range map[string]struct{ partition, home, other, says string }{
		"GovCloud":                         {"aws-us-gov", "us-gov-west-1", "us-gov-east-1", ""},
		"China":                            {"aws-cn", "cn-north-1", "cn-northwest-1", ""},
		"Europe's own":                     {"aws-eusc", "eusc-de-east-1", "eusc-de-east-2", ""},
		"commercial":                       {"aws", "eu-west-1", "eu-central-1", ""},
		"commercial ARNs in GovCloud":      {"aws", "us-gov-west-1", "us-gov-east-1", `"db_cluster_arn" is an ARN of partition aws, but us-gov-west-1 lies in aws-us-gov`},
		"ARNs of China in Virginia":        {"aws-cn", "us-east-1", "us-west-2", `"db_cluster_arn" is an ARN of partition aws-cn, but us-east-1 lies in aws`},
		"Regions of two partitions":        {"aws", "us-east-1", "us-gov-west-1", `"regions" lie in two partitions of AWS, us-east-1 in aws and us-gov-west-1 in aws-us-gov`},
		"a partition that nobody has seen": {"aws-iso", "us-iso-east-1", "us-iso-west-1", "where Route 53's API lives in partition aws-iso is not known to this bot: it knows aws, aws-cn, aws-eusc, aws-us-gov"},
	} {
		t.Run(name, func(t *testing.T) {
			found := faults(t, elsewhere(t, c.partition, c.home, c.other), nil)
			if c.says == "" && len(found) > 0 {
				t.Errorf("faults are %v", found)
			}
			if c.says != "" && !slices.ContainsFunc(found, func(f strict.Fault) bool { return strings.Contains(f.Text, c.says) }) {
				t.Errorf("faults are %v, want one with %q", found, c.says)
			}
		})
	}
}

func TestAPartIsJudgedWithThePlatformAroundIt(t *testing.T) {
	for name, c := range map[string]struct{ old, by, want string }{
		"no such part":          {"  cache:\n", "  cahce:\n", `unknown key "cahce"; did you mean "cache"?`},
		"a part is missing":     {"  probe:\n    public: https://api.ecommerce.com\n", "  #\n    #\n", `"platform" lacks "probe"`},
		"no such key of a part": {"    global_group:", "    global_grup:", `unknown key "global_grup"; did you mean "global_group"?`},
		"no such Region":        {"      us-east-1:\n        db_cluster:", "      us-east-2:\n        db_cluster:", `"us-east-2" is none of the platform's Regions; did you mean "us-east-1"?`},
		"a Region is missing":   {"      us-east-1:\n        cache_group: ecommerce-cache-us-east-1\n        reach: rediss://clustercfg.ecommerce-cache-us-east-1.abc123.use1.cache.amazonaws.com:6379\n", "", `"regions" does not say what there is in us-east-1`},
		"one bucket twice":      {"takeover_bucket: ecommerce-takeover-us-west-2", "takeover_bucket: ecommerce-takeover-us-east-1", `"takeover_bucket" has the same value in us-east-1 and us-west-2`},
		"a slash in front":      {"takeover_key: takeover", "takeover_key: /takeover", `"takeover_key" is an object's key and has no slash in front`},
		"no capacity":           {"min_nodes_per_zone: 2", "min_nodes_per_zone: 0", `"min_nodes_per_zone" has to be at least 1, not 0`},
		"a public address":      {"public: https://api.ecommerce.com", "public: api.ecommerce.com", `"public" wants an address of scheme and host only`},
		"one resolver twice":    {"name: Cloudflare", "name: Google", `resolver "Google" is there twice`},
		"a part of one word":    {"    global_cluster: ecommerce-global\n    regions:\n", "    global_cluster: ecommerce-global\n    regions: all\n    more:\n", `"regions" wants keys and values, not "all"`},
	} {
		t.Run(name, func(t *testing.T) {
			path := written(t, c.old, c.by)
			found := faults(t, path, nil)
			i := slices.IndexFunc(found, func(f strict.Fault) bool { return strings.Contains(f.Text, c.want) })
			if i < 0 {
				t.Fatalf("no fault with %q; found:\n%v", c.want, found)
			}
			if found[i].Line == 0 || found[i].Column == 0 {
				t.Errorf("the fault has no place: %s", found[i])
			}
		})
	}
}

// A check belongs to the Region that users are moved away from. The other Region may
// have its own.
func TestChecksBelongToARegion(t *testing.T) {
	own := "      us-west-2:\n        health_check: %s\n        endpoint_check: 55555555-5555-4555-8555-555555555555\n        takeover_check: 66666666-6666-4666-8666-666666666666\n    # The zone's own servers"
	settings, err := Load(written(t, "    # The zone's own servers", fmt.Sprintf(own, "44444444-4444-4444-8444-444444444444")), environ(nil), providers.Parts())
	if err != nil {
		t.Fatal(err)
	}
	if got := partOf[dns.Settings](t, settings, "dns").Regions; got["us-west-2"].HealthCheck[:1] != "4" || got["us-east-1"].HealthCheck[:1] != "1" {
		t.Errorf("the checks are %v", got)
	}
	found := faults(t, written(t, "    # The zone's own servers", fmt.Sprintf(own, "11111111-1111-4111-8111-111111111111")), nil)
	if len(found) != 1 || !strings.Contains(found[0].Text, `"health_check" is the check of us-east-1 health_check: each Region has its own`) {
		t.Errorf("faults are %v", found)
	}
}

// Whatever a system asks for is frozen, under the names of the settings.
func TestEachPartIsFrozenWhole(t *testing.T) {
	c, err := Load(example, environ(nil), providers.Parts())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range providers.Parts() {
		for _, data := range []json.RawMessage{c.Platform.Parts[p.Key], runbook.RepresentativeFacts("planned", p).Topology.Parts[p.Key]} {
			var frozen map[string]any
			if err := json.Unmarshal(data, &frozen); err != nil {
				t.Fatalf("%s: %v", p.Key, err)
			}
			for _, f := range strict.Fields(reflect.TypeOf(p.Example)) {
				if _, ok := frozen[f.Key]; !ok && !f.Optional {
					t.Errorf("%s: %s is not frozen", p.Key, f.Key)
				}
			}
		}
	}
}
