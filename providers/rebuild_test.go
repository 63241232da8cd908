package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/aurora"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// What a rebuild in the pretend world makes.
const (
	newGlobal  = "ecommerce-global-2"
	newCluster = "ecommerce-primary-2"
	newHost    = newGlobal + ".global-pretend.global.rds.amazonaws.com"
)

// leftAnOrphan is a world after a detach, whose other Region is back.
func leftAnOrphan(s *sim.State) {
	versionsApart(s)
	detachedByHand(s)
	setFlags(s, true, true) // users are in the Region that took over
}

func releasedOrphan(s *sim.State) {
	leftAnOrphan(s)
	s.Database.Member(east).Global = ""
}

func stoppedOrphan(s *sim.State) {
	releasedOrphan(s)
	s.Database.Member(east).Status = "stopped"
}

func globalByHand(s *sim.State) {
	s.Database.Globals = append(s.Database.Globals, newGlobal)
	m := s.Database.Member(west)
	m.Global, m.Sync = newGlobal, "connected"
}

// clusterByHand puts a cluster of that name beside the orphan.
func clusterByHand(s *sim.State, id string) {
	old := *s.Database.Member(east)
	s.Database.Orphans = append(s.Database.Orphans, old)
	now := old
	now.Cluster, now.ARN, now.Global, now.Writer, now.Orphan = id, "arn:aws:rds:"+east+":111122223333:cluster:"+id, newGlobal, false, false
	now.Status, now.Sync, now.Instances, now.Version = "available", "connected", 0, "16.8"
	*s.Database.Member(east) = now
}

// What there is to take over of an orphan, and why there may be nothing.
func TestAnOrphanIsJudged(t *testing.T) {
	for _, c := range []struct {
		name    string
		start   func(s *sim.State)
		verdict incident.Verdict
		says    string
	}{
		{"left behind", leftAnOrphan, incident.Pass, "ecommerce-primary in us-east-1 was left behind (available, 2 instances) and is not behind ecommerce-secondary, which serves"},
		{"stopped already", stoppedOrphan, incident.Pass, "was left behind (stopped, 2 instances)"},
		{"begun before", func(s *sim.State) { stoppedOrphan(s); globalByHand(s) }, incident.Pass, "ecommerce-global-2 is there already"},
		{"nothing was detached", func(*sim.State) {}, incident.Fail, "nothing has to be rebuilt in us-east-1: ecommerce-secondary is a member of ecommerce-global, so it was not detached from it"},
		{"what serves follows another", func(s *sim.State) { stoppedOrphan(s); globalByHand(s); s.Database.Member(west).Writer = false }, incident.Fail, "does not write for ecommerce-global-2"},
		{"it was deleted", func(s *sim.State) {
			leftAnOrphan(s)
			s.Database.Members = slices.DeleteFunc(s.Database.Members, func(m sim.DBMember) bool { return m.Region == east })
		}, incident.Fail, "ecommerce-primary is not in us-east-1 any more, so nothing can be taken over from it: make a cluster by hand"},
		{"it has no instance", func(s *sim.State) { leftAnOrphan(s); s.Database.Member(east).Instances = 0 }, incident.Fail, "has no instance of which a new one could be made"},
		{"it is being changed", func(s *sim.State) { leftAnOrphan(s); s.Database.Member(east).Status = "modifying" }, incident.Fail, "is modifying: wait until it is available or stopped"},
		{"what serves is being changed", func(s *sim.State) { leftAnOrphan(s); s.Database.Member(west).Status = "upgrading" }, incident.Fail, "ecommerce-secondary, which is to be followed, is upgrading"},
	} {
		w := newWorld(t)
		w.change(t, c.start)
		o, ok, err := w.looked(t, "orphan")
		if err != nil || ok != (c.verdict == incident.Pass) || o.Measured.Verdict != c.verdict || !strings.Contains(o.Summary, c.says) {
			t.Errorf("%s: %t %q %q %v", c.name, ok, o.Measured.Verdict, o.Summary, err)
		}
		if ok && (!slices.Equal(o.Items, []string{"ecommerce-primary-1", "ecommerce-primary-2"}) || o.Evidence["kms_key"] == "" || o.Evidence["subnet_group"] != "ecommerce-db-us-east-1") {
			t.Errorf("%s: %v %v", c.name, o.Items, o.Evidence)
		}
		if n := len(w.applied()); n != 0 {
			t.Errorf("%s: it changed something: %v", c.name, w.applied())
		}
	}
	blindIn(t, leftAnOrphan, "orphan", "aws.rds", "DescribeGlobalClusters", "DescribeDBClusters", "DescribeDBInstances")
}

// A Region that does not answer is neither an orphan nor none, and people are told what works.
func TestAnOrphanThatCannotBeReachedIsUnknown(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) { leftAnOrphan(s); s.Regions[east].Lost = true })
	_, ok, err := w.looked(t, "orphan")
	if f := incident.CallErrorOf(err); err == nil || ok || !strings.Contains(f.Hint, "wait until RDS in us-east-1 answers, and retry") {
		t.Errorf("%t %v", ok, err)
	}
}

func TestTheRoomForAStandbyIsJudged(t *testing.T) {
	for _, c := range []struct {
		name    string
		start   func(s *sim.State)
		verdict incident.Verdict
		says    string
	}{
		{"there is room", func(*sim.State) {}, incident.Pass, "us-east-1 takes the standby: global database ecommerce-global-2, cluster ecommerce-primary-2 (aurora-postgresql 16.8), 2 instances"},
		{"names are taken", func(s *sim.State) {
			s.Database.Globals = append(s.Database.Globals, newGlobal)
			s.Database.Orphans = append(s.Database.Orphans, sim.DBMember{Region: east, Cluster: newCluster, ARN: "arn:other", Status: "available"})
		}, incident.Pass, "global database ecommerce-global-3, cluster ecommerce-primary-3"},
		{"a name of an instance is taken", func(s *sim.State) {
			s.Database.Orphans = append(s.Database.Orphans, sim.DBMember{Region: east, Cluster: "theirs", ARN: "arn:other", Status: "available", Instances: 1, Made: []sim.DBInstance{{ID: newCluster + "-1"}}})
		}, incident.Pass, "cluster ecommerce-primary-3"},
		{"a run before made some of it", func(s *sim.State) { globalByHand(s); clusterByHand(s, "ecommerce-primary-7") }, incident.Pass, "global database ecommerce-global-2, cluster ecommerce-primary-7"},
		{"the version is gone", func(s *sim.State) { s.Database.Withdrawn = []string{"16.8"} }, incident.Fail, "RDS does not offer aurora-postgresql 16.8 in us-east-1"},
		{"another major version", func(s *sim.State) { s.Database.Member(west).Version = "17.4" }, incident.Fail, "the parameter groups of ecommerce-primary are for version 16, and ecommerce-secondary has 17"},
		{"too few clusters", func(s *sim.State) { s.Database.Others = 39 }, incident.Fail, "40 of 40 database clusters are used in us-east-1, and the run adds 1: ask for more in Service Quotas"},
		{"too few instances", func(s *sim.State) { s.Database.Others = 38 }, incident.Fail, "40 of 40 database instances are used in us-east-1, and the run adds 2"},
	} {
		w := newWorld(t)
		w.change(t, func(s *sim.State) { stoppedOrphan(s); c.start(s) })
		o, ok, err := w.looked(t, "rebuild-room")
		if err != nil || ok != (c.verdict == incident.Pass) || o.Measured.Verdict != c.verdict || !strings.Contains(o.Summary, c.says) {
			t.Errorf("%s: %t %q %q %v", c.name, ok, o.Measured.Verdict, o.Summary, err)
		}
		if n := len(w.applied()); n != 0 {
			t.Errorf("%s: it changed something: %v", c.name, w.applied())
		}
	}
	blindIn(t, stoppedOrphan, "rebuild-room", "aws.rds", "DescribeGlobalClusters", "DescribeDBClusters", "DescribeDBInstances", "DescribeDBEngineVersions", "DescribeAccountAttributes")
}

// Somebody else took a name after it was chosen, or changed what the run stands on: people
// decide, and nothing was changed.
func TestARebuildStopsWhereSomebodyElseWas(t *testing.T) {
	for _, c := range []struct {
		step, name string
		start      func(s *sim.State)
		says       string
	}{
		{"new-global", "the name", func(s *sim.State) { s.Database.Globals = append(s.Database.Globals, newGlobal) }, "the name ecommerce-global-2 is taken by a global database that ecommerce-secondary is no member of"},
		{"new-global", "it belongs to the former one again", func(s *sim.State) { s.Database.Member(west).Global = "ecommerce-global" }, "no global database is made"},
		{"new-cluster", "the name", func(s *sim.State) {
			globalByHand(s)
			s.Database.Orphans = append(s.Database.Orphans, sim.DBMember{Region: east, Cluster: newCluster, ARN: "arn:aws:rds:us-east-1:1:cluster:" + newCluster, Status: "available"})
		}, "the name ecommerce-primary-2 is taken by a cluster in us-east-1 that does not belong to ecommerce-global-2"},
		{"new-cluster", "no global database", func(*sim.State) {}, "ecommerce-secondary writes for no new global database"},
		{"new-instance/ecommerce-primary-1", "the name", func(s *sim.State) {
			globalByHand(s)
			clusterByHand(s, newCluster)
			s.Database.Orphans = append(s.Database.Orphans, sim.DBMember{Region: east, Cluster: "theirs", ARN: "arn:other", Instances: 1, Made: []sim.DBInstance{{ID: newCluster + "-1"}}})
		}, "the name ecommerce-primary-2-1 is taken by an instance of theirs"},
		{"new-instance/ecommerce-primary-1", "the orphan has others", func(s *sim.State) {
			globalByHand(s)
			clusterByHand(s, newCluster)
			s.Database.Orphans[0].Made = []sim.DBInstance{{ID: "renamed"}, {ID: "renamed-2"}}
		}, "ecommerce-primary-1 is no instance of ecommerce-primary in us-east-1 any more"},
		{"orphan-stop", "it serves with the other", func(s *sim.State) {
			s.Database.Member(west).Global, s.Database.Member(east).Global = "ecommerce-global", "ecommerce-global"
		}, "ecommerce-primary belongs to ecommerce-global, as ecommerce-secondary does, which serves"},
		{"orphan-release", "others follow it", func(s *sim.State) {
			s.Database.Member(east).Global = "ecommerce-global"
			s.Database.Orphans = append(s.Database.Orphans, sim.DBMember{Region: "eu-west-1", Cluster: "third", ARN: "arn:third", Global: "ecommerce-global"})
		}, "ecommerce-global has other members than ecommerce-primary, so it cannot leave it"},
	} {
		w := newWorld(t)
		w.change(t, func(s *sim.State) { stoppedOrphan(s); c.start(s) })
		_, there, err := w.looked(t, c.step)
		if f := incident.CallErrorOf(err); err == nil || there || !f.NeedsPerson || f.Hint == "" || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s, %s: %t %v", c.step, c.name, there, err)
		}
		if n := len(w.applied()); n != 0 {
			t.Errorf("%s, %s: it changed something: %v", c.step, c.name, w.applied())
		}
	}
}

// AWS stops no cluster that is on its way out of its global database.
func TestAnOrphanIsStoppedOnceItIsFree(t *testing.T) {
	w := newWorld(t)
	w.change(t, leftAnOrphan)
	release, call := w.call(t, "orphan-release")
	if _, err := release.Do(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	if o, ok, err := w.looked(t, "orphan-released"); err != nil || ok || !strings.Contains(o.Summary, "ecommerce-primary (modifying) is a member of ecommerce-global") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	w.wait(t, 2*time.Minute)
	if o, ok, err := w.looked(t, "orphan-released"); err != nil || !ok {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	w.change(t, func(s *sim.State) { s.Database.Member(east).Status = "backing-up" })
	if o, there, err := w.looked(t, "orphan-stop"); err != nil || there || !o.Busy {
		t.Errorf("%t %+v %v", there, o, err)
	}
}

// Everything that the new cluster and its instances are set up with is the orphan's.
func TestWhatIsMadeIsSetUpAsTheOrphan(t *testing.T) {
	w := newWorld(t)
	w.change(t, stoppedOrphan)
	do := func(step string) {
		t.Helper()
		a, c := w.call(t, step)
		if _, err := a.Do(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	follows := func(want bool, says string) {
		t.Helper()
		if o, ok, err := w.looked(t, "new-follows"); err != nil || ok != want || !strings.Contains(o.Summary, says) {
			t.Errorf("%t %q %v, want %q", ok, o.Summary, err, says)
		}
	}
	do("new-global")
	if o, ok, err := w.looked(t, "new-global-ready"); err != nil || !ok || o.Evidence["endpoint"] != newHost {
		t.Errorf("%t %v %v", ok, o, err)
	}
	do("new-cluster")
	w.wait(t, time.Minute)
	follows(false, "ecommerce-primary-2 in us-east-1 is creating, synchronization not told")
	w.wait(t, 5*time.Minute)
	follows(false, "0 of 2 instances of ecommerce-primary-2 are available")
	do("new-instance/ecommerce-primary-2") // in any order
	do("new-instance/ecommerce-primary-1")
	w.wait(t, 6*time.Minute)
	follows(true, "ecommerce-primary-2 in us-east-1 follows ecommerce-secondary, with 2 instances (synchronization connected)")
	s := w.Snapshot()
	is, was := s.Database.Member(east), s.Database.Orphans[0]
	if is.Version != "16.8" || !slices.Equal(is.Setup.Groups, was.Setup.Groups) || !slices.Equal(is.Setup.Logs, was.Setup.Logs) {
		t.Errorf("%+v", is)
	}
	is.Setup.Groups, was.Setup.Groups, is.Setup.Logs, was.Setup.Logs = nil, nil, nil, nil
	if got, want := [...]any{is.Setup.Subnets, is.Setup.Parameters, is.Setup.Key, is.Setup.Port, is.Setup.Retention, is.Setup.Protected, is.Setup.IAM},
		[...]any{was.Setup.Subnets, was.Setup.Parameters, was.Setup.Key, was.Setup.Port, was.Setup.Retention, was.Setup.Protected, was.Setup.IAM}; got != want {
		t.Errorf("%v, want %v", got, want)
	}
	for i, one := range []sim.DBInstance{
		{ID: "ecommerce-primary-2-2", Class: "db.r6g.2xlarge", Zone: "us-east-1b", Tier: 1, Parameters: "ecommerce-instance"},
		{ID: "ecommerce-primary-2-1", Class: "db.r6g.2xlarge", Zone: "us-east-1a", Tier: 0, Parameters: "ecommerce-instance"},
	} {
		made := is.Made[i]
		if made.Ready = (time.Time{}); made != one {
			t.Errorf("%+v, want %+v", made, one)
		}
	}
	if was.Status != "stopped" || was.Cluster != "ecommerce-primary" {
		t.Errorf("the orphan is %+v", was)
	}
}

// A job that came to nothing is a person's, with what to do.
func TestWhatIsMadeMayFail(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) { stoppedOrphan(s); globalByHand(s); clusterByHand(s, newCluster) })
	w.change(t, func(s *sim.State) {
		m := s.Database.Member(east)
		m.Status, m.Instances, m.InstanceState, m.Class = "inaccessible-encryption-credentials", 1, "failed", "db.r6g.2xlarge"
	})
	for step, handle := range map[string]string{"new-cluster": newCluster, "new-instance/ecommerce-primary-1": newCluster + "-1"} {
		a, c := w.call(t, step)
		p, err := a.Job(t.Context(), c, handle)
		if f := incident.CallErrorOf(err); err == nil || p.Done || !f.NeedsPerson || f.Hint == "" {
			t.Errorf("%s: %+v %v", step, p, err)
		}
	}
}

// What is said before the yes: what is stopped, what is made, of what, and what is kept.
func TestWhatARebuildDoesIsSaidBeforeItIsAgreedTo(t *testing.T) {
	w := newWorld(t)
	w.change(t, leftAnOrphan)
	for step, said := range map[string][]string{
		"orphan-fence":                     {"stop user-service, order-service, payment-service in us-east-1", "nothing of users: they are served from us-west-2"},
		"orphan-release":                   {"ecommerce-primary leaves the global database"},
		"orphan-stop":                      {"StopDBCluster: ecommerce-primary in us-east-1 takes no more writes", "kept with what us-west-2 never received", "after seven days", "it stays stopped"},
		"new-global":                       {"CreateGlobalCluster ecommerce-global-2 of ecommerce-secondary", "no run deletes a database"},
		"new-cluster":                      {"CreateDBCluster ecommerce-primary-2 in us-east-1", "set up as ecommerce-primary", "subnet group ecommerce-db-us-east-1", "port 5432", "backup retention 7 days"},
		"new-instance/ecommerce-primary-1": {"CreateDBInstance in ecommerce-primary-2 as ecommerce-primary-1"},
	} {
		a, c := w.call(t, step)
		e, err := a.Effect(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		all := e.What + "; " + e.Lost + "; " + e.Undo
		for _, part := range said {
			if !strings.Contains(all, part) {
				t.Errorf("%s does not say %q: %s", step, part, all)
			}
		}
		if e.Bound == "" {
			t.Errorf("%s is bound to nothing", step)
		}
	}
}

// The lines that change stand until the settings with which the bot runs have them.
func TestTheSettingsAreWaitedForUntilTheyNameWhatWasMade(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) { stoppedOrphan(s); globalByHand(s); clusterByHand(s, newCluster) })
	const lines = "global_cluster: ecommerce-global-2; regions.us-east-1.db_cluster: ecommerce-primary-2; regions.us-east-1.db_cluster_arn: arn:aws:rds:us-east-1:111122223333:cluster:ecommerce-primary-2"
	if o, ok, err := w.looked(t, "new-settings"); err != nil || !ok || !strings.Contains(o.Summary, lines) {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	look := func(top runbook.Topology) (engine.Outcome, bool) {
		t.Helper()
		ends := w.connections()
		ends.InForce = top
		_, c := w.call(t, "settings-in-force")
		o, ok, err := providers.Catalog(ends)["aurora.in-force"].Look(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return o, ok
	}
	if o, ok := look(w.Topology()); ok || o.Task == nil || !strings.Contains(o.Task.Why, lines) || !strings.Contains(o.Task.Why, "/failover failback us-east-1") {
		t.Errorf("%t %+v", ok, o)
	}
	top := w.Topology()
	own := partOf[aurora.Settings](t, top, "aurora")
	own.GlobalCluster = newGlobal
	own.Regions[east] = aurora.Member{DBCluster: newCluster, DBClusterARN: "arn:aws:rds:us-east-1:111122223333:cluster:" + newCluster}
	if err := aurora.Platform.Freeze(&top, own); err != nil {
		t.Fatal(err)
	}
	if o, ok := look(top); !ok || o.Task != nil || o.Measured.Verdict != incident.Pass {
		t.Errorf("%t %+v", ok, o)
	}
}

// Services of both Regions are told the new global database's host, each in its own Region.
func TestServicesOfBothRegionsAreToldTheNewHost(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) { stoppedOrphan(s); globalByHand(s) })
	for _, step := range []string{"new-host/order-service", "new-host-there/order-service"} {
		_, _, err := w.looked(t, step)
		if f := incident.CallErrorOf(err); err == nil || !f.NeedsPerson || !strings.Contains(err.Error(), "step new-global-ready found no host for order-service") {
			t.Errorf("%s without a host: %v", step, err)
		}
	}
	w.found["new-global-ready"] = engine.Outcome{Evidence: map[string]string{"endpoint": newHost}}
	for step, region := range map[string]string{"new-host/order-service": west, "new-host-there/order-service": east} {
		a, c := w.call(t, step)
		if _, err := a.Do(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if o, ok, err := a.Look(t.Context(), c); err != nil || !ok || o.Summary != "order-service in "+region+" is told "+newHost {
			t.Errorf("%s: %t %q %v", step, ok, o.Summary, err)
		}
		d := w.Snapshot().Regions[region].Deployments["order-service"]
		if got := d.Spec.Template.Spec.Containers[0].Env[0].Value; got != newHost {
			t.Errorf("in %s it is %s", region, got)
		}
	}
}

// Nothing is stopped in a Region that the zone's servers lead users to.
func TestARebuildWaitsForUsersToBeElsewhere(t *testing.T) {
	w := newWorld(t)
	if o, ok, err := w.looked(t, "rebuild-users"); err != nil || ok {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	w.change(t, leftAnOrphan)
	w.wait(t, 2*time.Minute)
	if o, ok, err := w.looked(t, "rebuild-users"); err != nil || !ok || !strings.Contains(o.Summary, "give only us-west-2") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	if a, c := w.call(t, "rebuild-users"); a.Kind != runbook.Wait || !c.Step.Locked || !c.Plan.Needed("orphan-stop")["rebuild-users"] {
		t.Errorf("%+v", c.Step)
	}
}
