package providers_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/providers/secrets"
	"github.com/failoverbot/failoverbot/providers/sim"
)

const ordersSecret = "ecommerce-prod/order-service"

// secretIn is that of the orders, in a Region.
func secretIn(s *sim.State, region string) *sim.Secret {
	return s.Regions[region].Secrets[ordersSecret]
}

// needing changes which secrets the settings name.
func needing(t *testing.T, names ...string) func(c *engine.Call) {
	t.Helper()
	return func(c *engine.Call) {
		if err := secrets.Platform.Freeze(&c.Plan.Topology, secrets.Settings{Names: names}); err != nil {
			t.Fatal(err)
		}
	}
}

func whenUnplanned(c *engine.Call) { c.Plan.Mode = "unplanned" }

func TestTheSecretsAreJudged(t *testing.T) {
	const figure = "secrets that would not do in the target"
	status := func(status, why string) func(s *sim.State) {
		return func(s *sim.State) {
			secretIn(s, east).Replicas[west], secretIn(s, east).Why = status, why
		}
	}
	// backwards makes the target the Region that they are replicated from.
	backwards := func(s *sim.State) {
		for name := range s.Regions[west].Secrets {
			s.Regions[east].Secrets[name].Primary, s.Regions[east].Secrets[name].Replicas = west, nil
			s.Regions[west].Secrets[name].Primary, s.Regions[west].Secrets[name].Replicas = west, map[string]string{east: "InSync"}
		}
	}
	judge(t, "secrets", []judged{
		{
			"it is as it should be", func(*sim.State) {}, incident.Pass,
			[]string{"5 secrets are in us-west-2, in sync and with the current version of us-east-1"},
			map[string]string{ordersSecret: "replica of us-east-1; us-east-1 has ", "secrets": "5", "source": "compared with us-east-1"},
			map[string]float64{figure: 0},
		},
		{
			"one is not there", func(s *sim.State) { delete(s.Regions[west].Secrets, ordersSecret) }, incident.Fail,
			[]string{"services in us-west-2 would not have the secrets that they have in us-east-1", "ecommerce-prod/order-service is not in us-west-2"},
			map[string]string{ordersSecret: "missing"},
			map[string]float64{figure: 1},
		},
		{"none of them is there", func(s *sim.State) {
			clear(s.Regions[west].Secrets)
			clear(s.Regions[east].Secrets)
		}, incident.Fail, []string{"there is none whose name begins with ecommerce-prod/"}, nil, map[string]float64{figure: 1}},
		{
			"it is marked for deletion", func(s *sim.State) { secretIn(s, west).Deleted = s.At.Add(-day) }, incident.Fail,
			[]string{"ecommerce-prod/order-service in us-west-2 is marked for deletion since 2026-03-02 14:01 UTC"},
			nil, nil,
		},
		{
			"no version is current", func(s *sim.State) { secretIn(s, west).Version = "" }, incident.Fail,
			[]string{"has no version in us-west-2 that is AWSCURRENT"},
			map[string]string{ordersSecret: "version none"},
			nil,
		},
		{
			"the replication goes on", status("InProgress", ""), incident.Fail,
			[]string{"ecommerce-prod/order-service is replicated from us-east-1 and is InProgress"},
			map[string]string{ordersSecret: "InProgress"},
			nil,
		},
		{
			"the replication failed", status("Failed", "Replication failed: Access to KMS is not allowed"), incident.Fail,
			[]string{"is Failed (Replication failed: Access to KMS is not allowed)"},
			nil, nil,
		},
		{
			"the source says nothing of the replica's state", status("", ""), incident.Fail,
			[]string{"has no status there"},
			nil, nil,
		},
		{
			"the source no longer replicates", func(s *sim.State) { clear(secretIn(s, east).Replicas) }, incident.Fail,
			[]string{"is replicated from us-east-1 and is no longer replicated to us-west-2"},
			nil, nil,
		},
		{
			"another version is current", func(s *sim.State) { secretIn(s, west).Version = "older" }, incident.Fail,
			[]string{"ecommerce-prod/order-service has the version older in us-west-2 and "},
			nil, nil,
		},
		{
			"the replica was detached", func(s *sim.State) { secretIn(s, west).Primary = "" }, incident.Fail,
			[]string{"is not replicated: it is a secret of its own in us-west-2 and in us-east-1"},
			nil, nil,
		},
		{
			"the target alone has it", func(s *sim.State) {
				delete(s.Regions[east].Secrets, ordersSecret)
			}, incident.Warn, []string{"is not in us-east-1, so there is nothing to compare it with"}, nil, nil,
		},
		{"the target is where they come from", backwards, incident.Pass, []string{"5 secrets are in us-west-2"}, nil, nil},
		{"the target's own replication lags", func(s *sim.State) {
			backwards(s)
			secretIn(s, west).Replicas[east] = "InProgress"
		}, incident.Warn, []string{"ecommerce-prod/order-service is replicated to us-east-1 and is InProgress there"}, nil, nil},
		{"both are replicas of a third Region", func(s *sim.State) {
			secretIn(s, east).Primary, secretIn(s, west).Primary = "eu-west-1", "eu-west-1"
		}, incident.Warn, []string{"is a replica of eu-west-1, which was not asked"}, nil, nil},
		{"both are replicas of a third Region, of two versions", func(s *sim.State) {
			secretIn(s, east).Primary, secretIn(s, west).Primary, secretIn(s, west).Version = "eu-west-1", "eu-west-1", "older"
		}, incident.Fail, []string{"has the version older in us-west-2"}, nil, nil},
		{"many are missing", func(s *sim.State) { clear(s.Regions[west].Secrets) }, incident.Fail, []string{"user-service is not in us-west-2"}, nil, map[string]float64{figure: 5}},
	})
	t.Run("named in full", func(t *testing.T) {
		judge(t, "secrets", []judged{
			{"it is there", func(*sim.State) {}, incident.Pass, []string{"1 secret is in us-west-2"}, map[string]string{"secrets": "1"}, nil},
			{"it is in neither", func(s *sim.State) {
				delete(s.Regions[east].Secrets, ordersSecret)
				delete(s.Regions[west].Secrets, ordersSecret)
			}, incident.Fail, []string{"ecommerce-prod/order-service is not in us-west-2"}, nil, nil},
		}, needing(t, ordersSecret))
	})
	t.Run("none are named", func(t *testing.T) {
		judge(t, "secrets", []judged{{"nothing to look at", func(*sim.State) {}, incident.NotApplicable, []string{"the settings name no secrets"}, nil, nil}}, needing(t))
	})
	t.Run("unplanned", func(t *testing.T) {
		judge(t, "secrets", []judged{
			{
				"replicas of what is left", func(*sim.State) {}, incident.Warn,
				[]string{"5 secrets are in us-west-2 and can be read there; whether us-east-1 had newer versions was not asked", "the newest change here is of 2026-02-01 14:00 UTC"},
				map[string]string{"source": "not asked in an unplanned run"},
				nil,
			},
			{"the target is where they come from", backwards, incident.Pass, []string{"can be read there"}, nil, nil},
			{"no version is current", func(s *sim.State) { secretIn(s, west).Version = "" }, incident.Fail, []string{"AWSCURRENT"}, nil, nil},
		}, whenUnplanned)
	})
}

func TestSecretsThatCannotBeSeenAreUnknown(t *testing.T) {
	blind(t, "secrets", "aws.secretsmanager", "ListSecrets", "DescribeSecret")
	for _, operation := range []string{"ListSecrets", "DescribeSecret"} {
		for _, kind := range []string{sim.Deny, sim.ServerFail, sim.Refuse, sim.Throttle, sim.Hang} {
			w := newWorld(t)
			if err := w.Fault(sim.Fault{System: "aws.secretsmanager", Operation: operation, Region: east, Kind: kind}); err != nil {
				t.Fatal(err)
			}
			o, ok, err := w.looked(t, "secrets")
			f := incident.CallErrorOf(err)
			if err == nil || ok || f.Unknown || !strings.Contains(err.Error(), "whether they are in sync is unknown") || !strings.Contains(err.Error(), operation) {
				t.Errorf("%s in the source, %s: %t %q %v", operation, kind, ok, o.Summary, err)
			}
			if kind == sim.Deny && (!f.NeedsPerson || f.Hint == "") {
				t.Errorf("%s denied: nobody is told what to do: %v", operation, err)
			}
			// What is known to be wrong is told all the same.
			w.change(t, func(s *sim.State) { secretIn(s, west).Version = "" })
			if o, ok, err := w.looked(t, "secrets"); err != nil || ok || !strings.Contains(o.Summary, "AWSCURRENT") {
				t.Errorf("%s in the source, %s, and a secret without a version: %t %q %v", operation, kind, ok, o.Summary, err)
			}
		}
	}
}

// An unplanned run asks nothing of the Region that is left.
func TestAnUnplannedRunAsksForTheTargetsSecretsAlone(t *testing.T) {
	w := newWorld(t)
	a, c := w.call(t, "secrets")
	whenUnplanned(&c)
	if o, ok, err := a.Look(t.Context(), c); err != nil || !ok {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	for _, call := range w.Calls() {
		if call.Region == east {
			t.Errorf("it asked %s of %s", call.Operation, call.Region)
		}
	}
}

// 2,000 secrets are looked at within the step's time, page by page, and each once in
// each Region.
func TestManySecretsAreLookedAtInTime(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) {
		for i := range 1995 {
			for _, r := range []string{east, west} {
				copied := *secretIn(s, r)
				s.Regions[r].Secrets[fmt.Sprintf("ecommerce-prod/%04d", i)] = &copied
			}
		}
	})
	o, ok, err := w.looked(t, "secrets")
	if err != nil || !ok || o.Evidence["secrets"] != "2000" || len(o.Evidence) > 60 {
		t.Fatalf("%t %q %v, %d of evidence", ok, o.Summary, err, len(o.Evidence))
	}
	asked := map[string]int{}
	for _, c := range w.Calls() {
		asked[c.Operation+" in "+c.Region]++
	}
	for call, want := range map[string]int{"ListSecrets in " + east: 20, "ListSecrets in " + west: 20, "DescribeSecret in " + east: 2000, "DescribeSecret in " + west: 2000} {
		if asked[call] != want {
			t.Errorf("%s: %d times, want %d", call, asked[call], want)
		}
	}
	w.change(t, func(s *sim.State) {
		for i := range 7 {
			delete(s.Regions[west].Secrets, fmt.Sprintf("ecommerce-prod/1%03d", i))
		}
	})
	if o, ok, err = w.looked(t, "secrets"); err != nil || ok || !strings.Contains(o.Summary, "; and 2 more") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
}

func TestTheSettingsNameSecretsAsTheyAreCalledInEveryRegion(t *testing.T) {
	for name, says := range map[string]string{
		"": "empty name", "arn:aws:secretsmanager:us-east-1:111122223333:secret:x-AbCdEf": "another one in each Region", "shop/*/database": "at the end alone", "shop/**": "at the end alone",
	} {
		if faults := faultsOf(t, secrets.Platform, "names: [shop/orders, '"+name+"']"); !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, says) }) {
			t.Errorf("%q: %v", name, faults)
		}
	}
	if faults := faultsOf(t, secrets.Platform, "names: [shop/orders, shop/*, '*']"); len(faults) > 0 {
		t.Error(faults)
	}
}

// faultsOf is what a part finds of settings that cannot be right, on the pretend platform.
func faultsOf(t *testing.T, p runbook.Part, settings string) []string {
	t.Helper()
	doc, faults := strict.Parse(p.Key, []byte(settings), "here")
	if doc.Root == nil {
		t.Fatal(faults)
	}
	part := p.New()
	r := strict.Read(doc, strict.Decoder{Words: strict.Words{
		Wants: func(key string, _ strict.Want, _ reflect.Type, _ *yaml.Node) string {
			return key + " is of another kind"
		},
		Unknown: func(_, key string, _ []string) string { return key + " is unknown" },
		Lacks:   func(_ string, _ any, key string) string { return key + " is missing" },
		Empty:   func(string, reflect.Type, bool, *yaml.Node) (bool, string) { return false, "" },
	}}, p.Key, part)
	if c, ok := part.(runbook.Checker); ok {
		c.Check(runbook.Checks{Report: r, Topology: newWorld(t).Topology()})
	}
	var out []string
	for _, f := range r.Faults() {
		out = append(out, fmt.Sprint(f))
	}
	return out
}
