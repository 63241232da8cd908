package providers_test

import (
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// writer is the primary's cluster.
func writer(s *sim.State) *sim.DBMember { return s.Database.Member(east) }

func TestTheStandbyDatabaseIsJudged(t *testing.T) {
	classes := func(primary, standby string) func(s *sim.State) {
		return func(s *sim.State) { writer(s).Class, member(s).Class = primary, standby }
	}
	serverless := func(primary, standby float64) func(s *sim.State) {
		return func(s *sim.State) {
			classes("db.serverless", "db.serverless")(s)
			writer(s).MaxCapacity, member(s).MaxCapacity = primary, standby
		}
	}
	version := func(v string) func(s *sim.State) { return func(s *sim.State) { member(s).Version = v } }
	judge(t, "standby-database", []judged{
		{
			"it is as it should be", func(*sim.State) {}, incident.Pass,
			[]string{"ecommerce-secondary is available in us-west-2 with 2 instances (synchronization connected), nothing under way"},
			map[string]string{"version": "16.6", "global_version": "16.6", "ecommerce-secondary-1": "db.r6g.2xlarge, available", "ecommerce-primary-1": "db.r6g.2xlarge, available"},
			nil,
		},
		{
			"what would write is smaller", classes("db.r6g.2xlarge", "db.r6g.xlarge"), incident.Fail,
			[]string{"ecommerce-secondary in us-west-2 cannot take over: what would write is db.r6g.xlarge, smaller than the primary's db.r6g.2xlarge"},
			nil, nil,
		},
		{"it is larger", classes("db.r6g.2xlarge", "db.r6g.16xlarge"), incident.Pass, nil, nil, nil},
		{"large is less than xlarge", classes("db.r6g.xlarge", "db.r6g.large"), incident.Fail, []string{"smaller than the primary's"}, nil, nil},
		{
			"another family", classes("db.r6g.2xlarge", "db.r7g.4xlarge"), incident.Warn,
			[]string{"nothing under way; what would write is db.r7g.4xlarge and the primary's db.r6g.2xlarge: they cannot be compared"},
			nil, nil,
		},
		{"serverless and provisioned", classes("db.r6g.2xlarge", "db.serverless"), incident.Warn, []string{"they cannot be compared"}, nil, nil},
		{"serverless, as large", serverless(64, 64), incident.Pass, nil, nil, nil},
		{"serverless, less", serverless(64, 32.5), incident.Fail, []string{"may grow to 32.5 ACU, and the primary's to 64"}, nil, nil},
		{"a class that nobody knows", classes("db.r6g.2xlarge", "db.r6g.huge"), incident.Warn, []string{"they cannot be compared"}, nil, nil},
		{"none of its instances is available", func(s *sim.State) { member(s).InstanceState = "storage-full" }, incident.Fail, []string{"none of its instances is available"}, map[string]string{"ecommerce-secondary-2": "storage-full"}, nil},
		{"none of the primary's is", func(s *sim.State) { writer(s).InstanceState = "rebooting" }, incident.Warn, []string{"the primary, which has no instance that is available"}, nil, nil},
		{
			"another minor version", version("16.4"), incident.Fail,
			[]string{"it has version 16.4 and ecommerce-global has 16.6, and only the same can be promoted"},
			nil, nil,
		},
		{"another major version", version("17.6"), incident.Fail, []string{"it has version 17.6"}, nil, nil},
		{"another patch", version("16.6.1"), incident.Warn, []string{"whether it can be promoted depends on the version"}, nil, nil},
		{"no instance", func(s *sim.State) { member(s).Instances = 0 }, incident.Fail, []string{"it has no instance"}, nil, nil},
		{"what serves was detached", func(s *sim.State) { writer(s).Global, member(s).Writer = "", true }, incident.Fail, []string{"ecommerce-primary in us-east-1 is no member of ecommerce-global any more, so ecommerce-secondary follows nobody: a standby has to be made anew first"}, nil, nil},
		{"the source cannot be read, and it is known to be wrong", func(s *sim.State) {
			s.Regions[east].Lost = true
			member(s).Instances = 0
		}, incident.Fail, []string{"it has no instance"}, nil, nil},
	})
	t.Run("detach", func(t *testing.T) {
		judge(t, "standby-database", []judged{
			{"another minor version", version("16.8"), incident.Warn, []string{"it has version 16.8 and ecommerce-global has 16.6, so it is detached"}, nil, nil},
			{"another patch", version("16.6.1"), incident.Warn, []string{"so it is detached"}, nil, nil},
			{"it could be promoted", version("16.6"), incident.Fail, []string{"it can be promoted without losing its standby: start without detach"}, nil, nil},
			{"it has left already", func(s *sim.State) { detachedByHand(s) }, incident.Fail, []string{"it is no member of ecommerce-global"}, nil, nil},
		}, whenDetached)
	})
	t.Run("unplanned", func(t *testing.T) {
		judge(t, "standby-database", []judged{
			{"the primary is not asked", func(s *sim.State) {
				classes("db.r6g.2xlarge", "db.r6g.large")(s)
				s.Regions[east].Lost = true
			}, incident.Pass, nil, nil, nil},
			{"another minor version", version("16.4"), incident.Fail, []string{"only the same can be promoted; a run of /failover start us-west-2 unplanned detach takes it out of ecommerce-global instead"}, nil, nil},
		}, whenUnplanned)
	})
}

func TestAStandbyDatabaseThatCannotBeSeenIsUnknown(t *testing.T) {
	blind(t, "standby-database", "aws.rds", "DescribeGlobalClusters", "DescribeDBClusters", "DescribeDBInstances")
	for _, operation := range []string{"DescribeDBClusters", "DescribeDBInstances"} {
		for _, kind := range []string{sim.Deny, sim.ServerFail, sim.Refuse, sim.Throttle, sim.Hang} {
			w := newWorld(t)
			if err := w.Fault(sim.Fault{Operation: operation, Region: east, Kind: kind}); err != nil {
				t.Fatal(err)
			}
			o, ok, err := w.looked(t, "standby-database")
			if err == nil || ok || !strings.Contains(err.Error(), "as large as the primary is unknown") || !strings.Contains(err.Error(), operation) {
				t.Errorf("%s in the source, %s: %t %q %v", operation, kind, ok, o.Summary, err)
			}
			a, c := w.call(t, "standby-database")
			whenUnplanned(&c)
			if o, ok, err := a.Look(t.Context(), c); err != nil || !ok {
				t.Errorf("unplanned, %s in the source, %s: %t %q %v", operation, kind, ok, o.Summary, err)
			}
		}
	}
}
