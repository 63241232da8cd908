package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/failoverbot/failoverbot/deploy/settings"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/discover"
	"github.com/failoverbot/failoverbot/providers/kubeapi"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// consumer makes a Deployment of the pretend platform one that runs where users are served
// and nowhere else.
func consumer(s *sim.State) {
	for _, r := range s.Regions {
		r.HPAs["user-service"].Spec.ScaleTargetRef.Name = "somebody-else"
	}
	s.Regions["us-west-2"].Deployments["user-service"].Spec.Replicas = new(int32)
}

// foundIn is what discover finds of a pretend platform.
func foundIn(t *testing.T, given map[string]string, change func(w *sim.World) error) (*discover.Found, time.Time) {
	t.Helper()
	scn := &sim.Scenario{Name: "test", Mode: "planned", Target: "us-west-2"}
	clock := sim.NewClock(scn.StartTime(), sim.Max)
	defer clock.Close()
	w, err := sim.New(scn, clock, sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close() //nolint:errcheck // it is in memory
	defer clock.Busy()()
	if err := change(w); err != nil {
		t.Fatal(err)
	}
	found, err := discover.Look(t.Context(), discover.Options{
		Regions: []string{"us-east-1", "us-west-2"}, Record: "api.ecommerce.com", AWS: w.AWS, Clock: clock, Given: given,
		Connect: func(region string, _ discover.Cluster) (kubeapi.Client, error) { return w.Kube(region), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, clock.Now()
}

// discoveredIn is what discover prints of it.
func discoveredIn(t *testing.T, change func(w *sim.World) error) string {
	t.Helper()
	found, now := foundIn(t, nil, change)
	var b strings.Builder
	if err := discover.Write(&b, found, now, []string{"us-east-1", "us-west-2"}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), `"`+discover.Open); n != found.Open() {
		t.Errorf("%d lines are marked, and %d counted", n, found.Open())
	}
	return b.String()
}

// faultsOf are what check says of a settings file.
func faultsOf(t *testing.T, text string) strict.Faults {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	writeFile(t, file, text)
	_, err := settings.Load(file, func(string) string { return "" }, providers.Parts())
	var faults strict.Faults
	if err != nil && !errors.As(err, &faults) {
		t.Fatal(err)
	}
	return faults
}

// marked are the lines of a file that are left to people.
func marked(text string) (out []int) {
	for i, l := range strings.Split(text, "\n") {
		for range strings.Count(l, `"`+discover.Open) {
			out = append(out, i+1)
		}
	}
	return out
}

// filled is what people put there: what a test wants, where it wants something, by the key.
func filled(t *testing.T, text string, more map[string]string) string {
	t.Helper()
	by := map[string]string{
		"channel": "C0123456789", "people": "[{id: alice, slack: U0123456789, name: Alice, roles: [commander]}, {id: bob, slack: U0234567890, name: Bob, roles: [approver]}]",
		"platform": "Shop", "lag_warn_ms": "1000", "lag_confirm_ms": "5000", "lag_bands_ms": "[1000, 5000]", "objective_minutes": "30", "page": "false",
		"region_label": "region", "datasource": "prometheus", "query": "up", "url": "https://grafana.example.com",
		"region_header": "X-Served-By-Region", "order": "/api/v1/orders/synthetic-test", "writes": "true", "database_env": "DB_HOST",
	}
	maps.Copy(by, more)
	return regexp.MustCompile(`([a-z_0-9-]+): "FILL IN[^"]*"`).ReplaceAllStringFunc(text, func(l string) string {
		key, _, _ := strings.Cut(l, ":")
		if by[key] == "" {
			t.Errorf("nobody knows what to fill in: %s", l)
		}
		return key + ": " + by[key]
	})
}

// check names exactly the lines that discover leaves to people, whatever could be read, and
// takes the file once they are filled in.
func TestCheckNamesExactlyWhatDiscoverLeavesToPeople(t *testing.T) {
	fault := func(f sim.Fault) func(w *sim.World) error {
		return func(w *sim.World) error { return w.Fault(f) }
	}
	state := func(change func(s *sim.State)) func(w *sim.World) error {
		return func(w *sim.World) error { return w.Do(change) }
	}
	worlds := map[string]func(w *sim.World) error{
		"all is well":          state(func(*sim.State) {}),
		"the clusters":         fault(sim.Fault{System: "kubernetes", Kind: sim.Deny}),
		"no checks":            state(func(s *sim.State) { s.DNS.Records[1].HealthCheckId = nil }),
		"no load balancers":    state(func(s *sim.State) { s.DNS.Records[1].AliasTarget, s.DNS.Records[2].AliasTarget = nil, nil }),
		"a third replicates":   state(func(s *sim.State) { s.Replication = s.Replication[:1] }),
		"a lost Region":        state(func(s *sim.State) { s.Regions["us-west-2"].Lost = true }),
		"a consumer of queues": state(consumer),
		"pod identities":       state(func(s *sim.State) { s.Regions["us-east-1"].PodIdentities = map[string]string{"user-service": "arn"} }),
		"transit gateways":     state(func(s *sim.State) { s.Network.Peering, s.Network.Transit = "", "available" }),
		"both connections":     state(func(s *sim.State) { s.Network.Transit = "available" }),
		"several queues": state(func(s *sim.State) {
			for _, r := range s.Regions {
				r.Queues["invoices"] = &sim.Queue{}
			}
		}),
		"two clusters": state(func(s *sim.State) { s.Regions["us-west-2"].OtherClusters = []string{"staging"} }),
	}
	for _, system := range []string{"acm", "cloudfront", "ec2", "eks", "elasticache", "elasticloadbalancing", "logs", "rds", "route53", "s3", "secretsmanager", "sns", "sqs", "wafv2"} {
		worlds["refused: "+system] = fault(sim.Fault{System: "aws." + system, Kind: sim.Deny})
	}
	for name, change := range worlds {
		t.Run(name, func(t *testing.T) {
			text := discoveredIn(t, change)
			var named []int
			for _, f := range faultsOf(t, text) {
				named = append(named, f.Line)
				if !strings.Contains(f.Text, "is still to be filled in: ") {
					t.Errorf("%s", f)
				}
			}
			slices.Sort(named)
			if want := marked(text); !slices.Equal(named, want) || len(want) < 10 {
				t.Errorf("check names the lines %v, and these are marked: %v\n%s", named, want, text)
			}
			for l := range strings.SplitSeq(text, "\n") {
				if strings.HasPrefix(strings.TrimSpace(l), "# ") && !strings.HasPrefix(l, "# - {") && len(l) > 96 && len(strings.Fields(l)) > 2 {
					t.Errorf("a comment is too long: %s", l)
				}
			}
		})
	}

	t.Run("filled in", func(t *testing.T) {
		if faults := faultsOf(t, filled(t, discoveredIn(t, worlds["all is well"]), nil)); len(faults) > 0 {
			t.Errorf("%v", faults)
		}
	})
	t.Run("filled in by somebody who may ask others", func(t *testing.T) {
		text := filled(t, discoveredIn(t, worlds["refused: rds"]), map[string]string{
			"global_cluster": "g", "db_cluster": "c", "db_cluster_arn": "arn:aws:rds:us-east-1:111122223333:cluster:c",
		})
		text = strings.Replace(text, "arn:aws:rds:us-east-1", "arn:aws:rds:us-west-2", 2)
		text = strings.Replace(text, "arn:aws:rds:us-west-2", "arn:aws:rds:us-east-1", 1)
		if faults := faultsOf(t, text); len(faults) > 0 {
			t.Errorf("%v", faults)
		}
	})
}

// What each system has to know of the platform is looked for, or it is said here why not.
func TestDiscoverLooksForWhatEachSystemHasToKnow(t *testing.T) {
	not := map[string]string{ // the key of a part -> why it is not looked for
		"people":     "it says how old people's answers may be, which they alone know",
		"cloudwatch": "it says what is fast enough, and has defaults",
		"xray":       "a Region that is waiting has no traces by which it could be told",
		"istio":      "it says where istiod is, and has defaults; where there is no mesh it is left out",
		"drs":        "it says where servers tell that their data are whole, which their owners know; the servers are found by each run",
	}
	text := discoveredIn(t, func(*sim.World) error { return nil })
	for _, p := range providers.Parts() {
		looked := strings.Contains(text, "\n  "+p.Key+":") || strings.Contains(text, "\n  # "+p.Key+" is left out. ")
		if _, known := not[p.Key]; looked == known {
			t.Errorf("platform.%s: looked for %t, listed here as what cannot be found %t: add it to the findings of providers/discover, or say here why not", p.Key, looked, known)
		}
	}
}

// Records that are no failover pair move users only if they are changed themselves.
func TestDiscoverTellsPlainRecordsFromAFailoverPair(t *testing.T) {
	if text := discoveredIn(t, func(*sim.World) error { return nil }); strings.Contains(text, "strategy") {
		t.Errorf("of a failover pair it says\n%s", text)
	}
	text := discoveredIn(t, func(w *sim.World) error {
		return w.Do(func(s *sim.State) {
			s.DNS.Records = slices.DeleteFunc(s.DNS.Records, func(r types.ResourceRecordSet) bool { return r.Failover == types.ResourceRecordSetFailoverSecondary })
			for i := range s.DNS.Records {
				s.DNS.Records[i].Failover, s.DNS.Records[i].SetIdentifier = "", nil
			}
		})
	})
	if !strings.Contains(text, "strategy: record-change") {
		t.Errorf("of plain records it says\n%s", text)
	}
}

// What has changed since a settings file was written is told, setting by setting.
func TestWhatHasChangedSinceTheSettings(t *testing.T) {
	well := func(w *sim.World) error { return nil }
	unfinished := discoveredIn(t, well)
	text := filled(t, unfinished, nil)
	state := func(change func(s *sim.State)) func(w *sim.World) error {
		return func(w *sim.World) error { return w.Do(change) }
	}
	row := func(verdict, path, file, found string) string {
		return fmt.Sprintf("%-8s %s\n           file   %s\n           found  %s\n", verdict, path, file, found)
	}
	more := state(func(s *sim.State) {
		for _, r := range s.Regions {
			r.Queues["invoices"] = &sim.Queue{}
		}
	})
	several := strings.ReplaceAll(text, "- order-events", "- invoices")
	for name, c := range map[string]struct {
		file   string
		change func(w *sim.World) error
		n      int
		want   []string // rows
		tally  string
	}{
		"nothing": {text, well, 0, nil, "59 as found, 0 changed, 0 gone, 0 new, 0 unknown"},
		"a value": {strings.Replace(text, "global_group: ldgnf-ecommerce", "global_group: ldgnf-carts", 1), well, 1, []string{
			row("changed", "platform.cache.global_group", "ldgnf-carts", "ldgnf-ecommerce"),
		}, "58 as found, 1 changed"},
		"an unfinished file": {unfinished, well, 0, nil, "59 as found, 0 changed, 0 gone, 0 new, 0 unknown"},
		"a file with nothing but roles": {"aws: {roles: {us-west-2: {arn: \"arn:aws:iam::111122223333:role/x\"}}}\n", well, 59, []string{
			row("new", "platform.home", "nothing", "us-east-1"),
		}, "0 as found, 0 changed, 0 gone, 59 new"},
		"no distribution any more": {text, state(func(s *sim.State) { s.Distribution.Origins = nil }), 1, []string{
			row("gone", "platform.cloudfront", "E2PRETEND0WORLD, alb-us-east-1 and alb-us-west-2", "nothing. None of 1 distribution has an origin in both Regions."),
		}, "1 gone"},
		"a check too many": {strings.Replace(text, "    nameservers:", "      us-west-2: {health_check: a, endpoint_check: b, takeover_check: c}\n    nameservers:", 1), well, 3, []string{
			row("gone", "platform.dns.regions.us-west-2.health_check", "a", "nothing"),
		}, "3 gone"},
		"more replicas than the settings have": {strings.Replace(text, "{name: order-service, replicas: 6", "{name: order-service, replicas: 4", 1), well, 1, []string{
			row("changed", "platform.services", "notification-service, order-service, payment-service, product-service, user-service", "order-service has 6 replicas, not 4"),
		}, "1 changed"},
		"fewer replicas than the settings have": {strings.Replace(text, "{name: order-service, replicas: 6", "{name: order-service, replicas: 60", 1), well, 0, nil, "0 changed"},
		"a larger standby than the settings have": {strings.Replace(text, "replicas: 6, standby: 2", "replicas: 6, standby: 1", 1), well, 1, []string{
			row("changed", "platform.services", "notification-service, order-service, payment-service, product-service, user-service", "order-service has 2 in the standby, not 1"),
		}, "1 changed"},
		"a service that the settings lack": {regexp.MustCompile(`    - .name: order-service.*\n`).ReplaceAllString(text, ""), well, 1, []string{
			row("changed", "platform.services", "notification-service, payment-service, product-service, user-service", "order-service is new"),
		}, "1 changed"},
		"more nodes than are needed":  {strings.ReplaceAll(text, "min_nodes_per_zone: 2", "min_nodes_per_zone: 1"), well, 0, nil, "0 changed"},
		"fewer nodes than are needed": {strings.Replace(text, "min_nodes_per_zone: 2", "min_nodes_per_zone: 3", 1), well, 1, []string{row("changed", "platform.kube.regions.us-east-1.min_nodes_per_zone", "3", "2")}, "1 changed"},
		"a bucket more": {text, state(func(s *sim.State) {
			s.Regions["us-east-1"].Buckets["invoices"] = nil
			s.Replication = append(s.Replication, &sim.BucketRule{From: "invoices", To: s.Replication[0].To})
		}), 1, []string{
			row("changed", "platform.s3.regions.us-east-1.buckets", "ecommerce-assets-us-east-1", "invoices is new"),
		}, "1 changed"},
		"another Prometheus": {strings.Replace(text, "service: \"monitoring/prometheus:9090\"", "service: prom/server:80", 1), well, 1, []string{
			row("changed", "platform.prometheus.regions.us-east-1.service", "prom/server:80", "monitoring/prometheus:9090"),
		}, "1 changed"},
		"queues of its own choice": {several, more, 0, nil, "0 changed, 0 gone"},
		"a queue that is not there any more": {several, well, 2, []string{
			row("changed", "platform.sqs.regions.us-west-2.queues", "invoices", "order-events is new; invoices is gone"),
		}, "2 changed, 0 gone"},
		"queues of which none is in both Regions": {text, state(func(s *sim.State) { s.Regions["us-west-2"].Queues = nil }), 1, []string{
			row("gone", "platform.sqs", "order-events and order-events", "nothing. No queue is in both Regions; 2 queues looked at. In one Region alone: order-events."),
		}, "0 changed, 1 gone"},
		"secrets by their whole names": {strings.Replace(text, "      - ecommerce-prod/*", "      - ecommerce-prod/order-service\n      - ecommerce-prod/u*\n      - ecommerce-prod/p*\n      - ecommerce-prod/notification-service", 1), well, 0, nil, "0 changed"},
		"a secret that is not named": {strings.Replace(text, "      - ecommerce-prod/*", "      - ecommerce-prod/order-service\n      - ecommerce-prod/old\n      - ecommerce-prod/u*\n      - ecommerce-prod/p*", 1), well, 1, []string{
			row("changed", "platform.secrets.names", "ecommerce-prod/order-service, ecommerce-prod/old, ecommerce-prod/u*, ecommerce-prod/p*", "ecommerce-prod/notification-service is new; ecommerce-prod/old is gone"),
		}, "1 changed"},
		"what may not be read is no change": {text, func(w *sim.World) error { return w.Fault(sim.Fault{System: "aws.rds", Kind: sim.Deny}) }, 0, []string{
			row("unknown", "platform.aurora.global_cluster", "ecommerce-global", "the id of the Aurora global database (rds:DescribeGlobalClusters was refused in us-west-2)"),
		}, "53 as found, 0 changed, 0 gone, 0 new, 6 unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config.yaml")
			writeFile(t, file, c.file)
			draft, err := settings.Unfinished(file, providers.Parts())
			if err != nil {
				t.Fatal(err)
			}
			found, _ := foundIn(t, draft.Texts(), c.change)
			var b strings.Builder
			n, err := discover.Compare(&b, found, draft.Values, "config.yaml")
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range append(c.want, c.tally) {
				if !strings.Contains(b.String(), want) {
					t.Errorf("it does not say\n%s\nbut\n%s", want, b.String())
				}
			}
			if n != c.n {
				t.Errorf("%d have changed, want %d:\n%s", n, c.n, b.String())
			}
		})
	}
}
