package providers_test

import (
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/iam"
	"github.com/failoverbot/failoverbot/providers/sim"
)

const ordersRole = "arn:aws:iam::111122223333:role/ecommerce/ecommerce-order-service"

// bare takes the annotation from the service account of the orders, in these Regions.
func bare(s *sim.State, regions ...string) {
	for _, r := range regions {
		s.Regions[r].Accounts["order-service"] = ""
	}
}

func TestTheRolesAreJudged(t *testing.T) {
	const byEKS = `{"Statement":[{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Principal":{"Service":"pods.eks.amazonaws.com"}}]}`
	none := func(s *sim.State) {
		for _, r := range s.Regions {
			for name := range r.Accounts {
				r.Accounts[name] = ""
			}
		}
	}
	judge(t, "roles", []judged{
		{
			"it is as it should be", func(*sim.State) {}, incident.Pass,
			[]string{"5 of 5 service accounts in us-west-2 have an IAM role by annotation or EKS Pod Identity, and each role trusts the cluster there"},
			map[string]string{"order-service": ordersRole, "issuer": "https://oidc.eks.us-west-2.amazonaws.com/id/"},
			map[string]float64{"service accounts that would get no role": 0},
		},
		{
			"the service account is not there", func(s *sim.State) { delete(s.Regions[west].Accounts, "order-service") }, incident.Fail,
			[]string{"1 of 5 service accounts in us-west-2", "order-service, which order-service names, does not exist"},
			nil,
			map[string]float64{"service accounts that would get no role": 1},
		},
		{
			"the role is not there", func(s *sim.State) { delete(s.Roles, ordersRole) }, incident.Fail,
			[]string{"the role ecommerce/ecommerce-order-service of order-service does not exist"},
			nil, nil,
		},
		{"the role has another path", func(s *sim.State) {
			s.Regions[west].Accounts["order-service"] = "arn:aws:iam::111122223333:role/ecommerce-order-service"
		}, incident.Fail, []string{"the role ecommerce-order-service of order-service does not exist"}, nil, nil},
		{
			"what it is annotated with is no role", func(s *sim.State) { s.Regions[west].Accounts["order-service"] = "ecommerce-order-service" }, incident.Fail,
			[]string{"of order-service does not exist"},
			nil, nil,
		},
		{
			"it trusts the source alone", func(s *sim.State) {
				s.Roles[ordersRole] = strings.ReplaceAll(s.Roles[ordersRole], "oidc.eks.us-west-2", "oidc.eks.us-east-1")
			}, incident.Fail, []string{"the role ecommerce/ecommerce-order-service of order-service does not trust the cluster's OIDC provider oidc.eks.us-west-2"}, nil, nil,
		},
		{
			"it trusts another service account", func(s *sim.State) {
				s.Roles[ordersRole] = strings.ReplaceAll(s.Roles[ordersRole], ":order-service", ":user-service")
			}, incident.Fail, []string{"trusts the cluster, and not system:serviceaccount:ecommerce-prod:order-service"}, nil, nil,
		},
		{
			"a role in the source and none in the target", func(s *sim.State) { bare(s, west) }, incident.Fail,
			[]string{"order-service has the role ecommerce/ecommerce-order-service in us-east-1 and none in us-west-2"},
			nil, nil,
		},
		{"no role in either", func(s *sim.State) { bare(s, east, west) }, incident.Pass, []string{"4 of 5 service accounts"}, nil, nil},
		{"EKS gives the role", func(s *sim.State) {
			bare(s, west)
			s.Regions[west].PodIdentities = map[string]string{"order-service": ordersRole}
			s.Roles[ordersRole] = byEKS
		}, incident.Pass, []string{"5 of 5 service accounts"}, map[string]string{"order-service": ordersRole}, nil},
		{"EKS may not give the role", func(s *sim.State) {
			bare(s, west)
			s.Regions[west].PodIdentities = map[string]string{"order-service": ordersRole}
		}, incident.Fail, []string{"of order-service does not trust pods.eks.amazonaws.com"}, nil, nil},
		{"another account's role", func(s *sim.State) {
			s.Regions[west].Accounts["order-service"] = strings.ReplaceAll(ordersRole, "111122223333", "444455556666")
		}, incident.Warn, []string{"belongs to account 444455556666 and cannot be looked at"}, nil, nil},
		{
			"the policy cannot be read", func(s *sim.State) { s.Roles[ordersRole] = "{" }, incident.Unsure,
			[]string{"read whom role ecommerce-order-service trusts", "aws iam get-role --role-name ecommerce-order-service"},
			nil, nil,
		},
		{"nobody has a role", none, incident.NotApplicable, []string{"not applicable: no service account of the Deployments in us-west-2 has an IAM role"}, nil, nil},
		{"the services have the default service account", func(s *sim.State) {
			for _, d := range s.Regions[west].Deployments {
				d.Spec.Template.Spec.ServiceAccountName = ""
			}
		}, incident.NotApplicable, nil, map[string]string{"service_accounts": "1"}, nil},
	})
	t.Run("without EKS in the settings", func(t *testing.T) {
		judge(t, "roles", []judged{{"by annotation alone", func(s *sim.State) { bare(s, east, west) }, incident.Pass, []string{"4 of 5 service accounts in us-west-2 have an IAM role by annotation, and"}, nil, nil}},
			func(c *engine.Call) {
				if err := iam.Platform.Freeze(&c.Plan.Topology, iam.Settings{}); err != nil {
					t.Fatal(err)
				}
			})
	})
}

func TestRolesThatCannotBeSeenAreUnknown(t *testing.T) {
	blind(t, "roles", "aws.iam", "GetRole")
	for _, operation := range []string{"list serviceaccounts", "list deployments", "get /.well-known/openid-configuration", "ListPodIdentityAssociations", "DescribePodIdentityAssociation"} {
		for _, kind := range []string{sim.Deny, sim.ServerFail, sim.Refuse, sim.Hang} {
			w := newWorld(t)
			w.change(t, func(s *sim.State) {
				bare(s, west)
				s.Regions[west].PodIdentities = map[string]string{"order-service": ordersRole}
			})
			if err := w.Fault(sim.Fault{Operation: operation, Region: west, Kind: kind}); err != nil {
				t.Fatal(err)
			}
			o, ok, err := w.looked(t, "roles")
			if err == nil || ok || kind == sim.Deny && (!incident.CallErrorOf(err).NeedsPerson || incident.CallErrorOf(err).Hint == "") {
				t.Errorf("%s, %s: %t %q %v", operation, kind, ok, o.Summary, err)
			}
		}
	}
}

// The source is compared where it answers, and not asked in an unplanned run.
func TestTheSourcesRolesAreDoneWithout(t *testing.T) {
	w := newWorld(t)
	if err := w.Fault(sim.Fault{System: "kubernetes", Region: east, Kind: sim.Hang}); err != nil {
		t.Fatal(err)
	}
	o, ok, err := w.looked(t, "roles")
	if err != nil || !ok || o.Measured.Verdict != incident.Warn || !strings.Contains(o.Summary, "which roles they have in us-east-1 could not be compared") {
		t.Errorf("planned: %t %q %v", ok, o.Summary, err)
	}
	asked := len(w.Calls())
	a, c := w.call(t, "roles")
	c.Plan.Mode = "unplanned"
	if o, ok, err = a.Look(t.Context(), c); err != nil || !ok || o.Measured.Verdict != incident.Pass {
		t.Errorf("unplanned: %t %q %v", ok, o.Summary, err)
	}
	for _, call := range w.Calls()[asked:] {
		if call.Region == east && call.System != "aws.iam" {
			t.Errorf("it asked %s of %s", call.Operation, call.Region)
		}
	}
}

// IAM's API lives in us-east-1: an unplanned run that leaves it does not wait.
func TestAnUnplannedRunDoesNotWaitForIAM(t *testing.T) {
	w := newWorld(t)
	for mode, waits := range map[string]bool{"planned": true, "unplanned": false} {
		p := compile(t, w.catalog, w.facts(mode))
		g, _ := p.Step("go")
		if _, there := p.Step("roles"); !there || strings.Contains(strings.Join(g.Needs, " "), "roles") != waits {
			t.Errorf("%s: there %t, Go needs %v", mode, there, g.Needs)
		}
	}
}
