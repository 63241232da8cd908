package providers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/aurora"
	"github.com/failoverbot/failoverbot/providers/probe"
	"github.com/failoverbot/failoverbot/providers/sim"
)

const lostSnapshot = "rds:unplanned-global-failover-ecommerce-primary-2026-03-03-14-17"

// leftBehind is what Aurora kept of a failover away from us-east-1.
func leftBehind(s *sim.State) {
	s.Database.Snapshots = []sim.DBSnapshot{{Region: east, ID: lostSnapshot, Cluster: "ecommerce-primary", At: s.At, Status: "available"}}
}

// copied is the copy that somebody made of it.
func copied(s *sim.State, status string) {
	s.Database.Snapshots = append(s.Database.Snapshots, sim.DBSnapshot{Region: east, ID: "before-the-way-home", Cluster: "ecommerce-primary", At: s.At, Of: lostSnapshot, Status: status})
}

// failedOver is the database in us-west-2, and that of us-east-1 left behind.
func failedOver(s *sim.State) {
	for i := range s.Database.Members {
		m := &s.Database.Members[i]
		m.Writer = m.Region == west
		if m.Region == east {
			m.Sync = "pending-resync"
		}
	}
}

func TestWhatRDSTellsIsToldOnceAndInOrder(t *testing.T) {
	w := newWorld(t)
	a, c := w.call(t, "rds-events")
	look := func(says, not string) {
		t.Helper()
		o, ok, err := a.Look(t.Context(), c)
		if err != nil || !ok || o.Measured.Verdict != incident.Pass || !strings.Contains(o.Summary, says) || not != "" && strings.Contains(o.Summary, not) {
			t.Errorf("%t %s %q %v, want %q and not %q", ok, o.Measured.Verdict, o.Summary, err, says, not)
		}
		if c.Observed == nil || c.Observed.State != o.State {
			c.Observed = &incident.WatchObserved{Summary: o.Summary, State: o.State, Evidence: o.Evidence}
		}
	}
	tell := func(region, source, message string, instance bool) {
		t.Helper()
		told(t, w, region, source, message, instance)
	}
	look("RDS tells no event of the move", "")
	tell(west, "ecommerce-secondary", "Global failover to DB cluster ecommerce-secondary completed.", false)
	tell(east, "ecommerce-primary", "Started resynchronizing DB cluster ecommerce-primary after global failover.", false)
	look("in us-west-2: Global failover to DB cluster ecommerce-secondary completed; ", "")
	tell(east, "ecommerce-primary", "Finished resynchronizing DB cluster ecommerce-primary after global failover.", false)
	look("in us-east-1: Finished resynchronizing", "Started")
	state := c.Observed.State
	look("RDS tells nothing new", "")
	tell(west, "another-1", "Attempt to block writes for DB cluster another in Region us-east-1 timed out.", true)
	tell(west, "ecommerce-secondary-1", "DB instance restarted", true)
	if look("RDS tells nothing new", ""); c.Observed.State != state {
		t.Error("it is told again, and nothing is new")
	}
	// What a Region tells that did not answer meanwhile comes late, and is told then.
	w.change(t, func(s *sim.State) { s.Regions[east].CutOff = true })
	tell(east, "ecommerce-primary", "Backing up DB cluster", false)
	tell(west, "ecommerce-secondary", "Finished DB cluster backup", false)
	look("in us-west-2: Finished DB cluster backup", "Backing up")
	state = c.Observed.State
	if look("RDS tells nothing new", ""); c.Observed.State != state {
		t.Error("it is told again while us-east-1 does not answer")
	}
	w.change(t, func(s *sim.State) { s.Regions[east].CutOff = false })
	look("in us-east-1: Backing up DB cluster", "Finished DB")
	blind(t, "rds-events", "aws.rds", "DescribeEvents")
}

// told has RDS tell something in a Region.
func told(t *testing.T, w *world, region, source, message string, instance bool) {
	t.Helper()
	w.change(t, func(s *sim.State) {
		s.Database.Events = append(s.Database.Events, sim.DBEvent{At: s.At, Region: region, Source: source, Message: message, Instance: instance})
	})
	w.wait(t, time.Second)
}

func TestAnOldWriterThatCouldNotBeBlockedStaysToldWhoeverAnswers(t *testing.T) {
	w := newWorld(t)
	a, c := w.call(t, "old-writer")
	look := func(verdict incident.Verdict, says string) {
		t.Helper()
		o, ok, err := a.Look(t.Context(), c)
		if err != nil || ok != (verdict == incident.Pass) || o.Measured.Verdict != verdict || !strings.Contains(o.Summary, says) {
			t.Errorf("%t %s %q %v, want %q", ok, o.Measured.Verdict, o.Summary, err, says)
		}
		c.Observed = &incident.WatchObserved{Summary: o.Summary, State: o.State, Evidence: o.Evidence, Measured: o.Measured}
	}
	const attempt = "Attempt to block writes for DB cluster ecommerce-primary in Region us-east-1 "
	look(incident.Pass, "RDS does not say that the writes of ecommerce-primary in us-east-1 could not be blocked")
	told(t, w, west, "another-1", "Attempt to block writes for DB cluster another in Region us-east-1 timed out.", true)
	look(incident.Pass, "RDS does not say")
	told(t, w, west, "ecommerce-secondary-1", attempt+"succeeded.", true)
	look(incident.Pass, "the writes of ecommerce-primary were blocked")
	told(t, w, east, "ecommerce-primary-1", attempt+"timed out.", true)
	look(incident.Fail, "ecommerce-primary may still accept writes (RDS, ")
	state := c.Observed.State
	told(t, w, west, "ecommerce-secondary", "Backing up DB cluster", false)
	if look(incident.Fail, "may still accept writes"); c.Observed.State != state {
		t.Error("it is told again, and nothing of it is new")
	}
	w.change(t, func(s *sim.State) { s.Regions[east].CutOff = true })
	look(incident.Fail, "ecommerce-primary may still accept writes")
	blind(t, "old-writer", "aws.rds", "DescribeEvents")
}

func TestHowLongThereIsNoStandbyIsTold(t *testing.T) {
	asked := func(c *engine.Call) {
		c.Result = func(step string) (engine.Outcome, bool) {
			return engine.Outcome{At: time.Date(2026, 3, 3, 14, 2, 0, 0, time.UTC)}, step == "promote-database"
		}
	}
	takes := func(c *engine.Call) {
		asked(c)
		s := partOf[aurora.Settings](t, c.Plan.Topology, aurora.Platform.Key)
		s.ResyncMinutes = 25
		if err := aurora.Platform.Freeze(&c.Plan.Topology, s); err != nil {
			t.Fatal(err)
		}
	}
	anew := func(ago time.Duration) func(s *sim.State) {
		return func(s *sim.State) {
			failedOver(s)
			s.Database.Events = append(s.Database.Events, sim.DBEvent{At: s.At.Add(-ago), Region: east, Source: "ecommerce-primary", Message: "Started resynchronizing DB cluster ecommerce-primary after global failover."})
		}
	}
	judge(t, "rejoined", []judged{
		{"it follows", func(s *sim.State) {
			failedOver(s)
			s.Database.Members[0].Sync = "connected"
		}, incident.Pass, []string{"ecommerce-primary in us-east-1 follows: there is a standby again"}, nil, nil},
		{"the Region is away", func(s *sim.State) {
			failedOver(s)
			s.Regions[east].Lost = true
		}, incident.Fail, []string{"no standby since 14:02 UTC: ecommerce-primary in us-east-1 does not follow yet, and since when it is made anew is not known"}, nil, nil},
		{"it was not begun", failedOver, incident.Fail, []string{"is made anew"}, nil, nil},
		{"it is made anew", anew(30 * time.Second), incident.Fail, []string{"is made anew since 14:0", "how long that takes is not known"}, nil, nil},
		{"it is no member", func(s *sim.State) { failedOver(s); s.Database.Members = s.Database.Members[1:] }, incident.Fail, []string{"none comes by itself: ecommerce-primary in us-east-1 is no member of ecommerce-global"}, nil, nil},
	}, asked)
	judge(t, "rejoined", []judged{
		{"as long as it takes", anew(30 * time.Second), incident.Fail, []string{"until about 14:2", "(25 min by the settings)"}, nil, nil},
	}, takes)
	blindIn(t, failedOver, "rejoined", "aws.rds", "DescribeGlobalClusters")
}

// left is what the watch left to people before.
func left(task incident.Task) func(c *engine.Call) {
	return func(c *engine.Call) {
		c.Task = func(step string) (incident.Task, bool) { return task, step == "lost-writes" }
	}
}

func TestWhatWasNeverReceivedIsLeftToPeopleUntilItIsCompared(t *testing.T) {
	const newCopy = "failoverbot-unplanned-global-failover-ecommerce-primary-2026-03-03-14-17"
	known := func(c *engine.Call) {
		c.Result = func(step string) (engine.Outcome, bool) {
			return engine.Outcome{Items: []string{"ord-17", "ord-16"}}, step == "orders-kept"
		}
	}
	restored := func(lost ...string) func(s *sim.State) {
		return func(s *sim.State) {
			leftBehind(s)
			copied(s, "available")
			s.Database.Snapshots[1].At = s.At.Add(-time.Hour)
			s.Database.Snapshots[1].Lost = lost
		}
	}
	silent := func(c *engine.Call) {
		known(c)
		s := partOf[probe.Settings](t, c.Plan.Topology, probe.Platform.Key)
		s.LostOrders, s.LostOrdersID = "", ""
		if err := probe.Platform.Freeze(&c.Plan.Topology, s); err != nil {
			t.Fatal(err)
		}
	}
	open := incident.Task{TaskOpened: incident.TaskOpened{
		Task: "lost-writes", Due: time.Date(2026, 3, 3, 14, 0, 0, 0, time.UTC), Evidence: map[string]string{"snapshots": lostSnapshot, "last order": "ord-17"},
	}}
	early := open
	early.Due = early.Due.AddDate(1, 0, 0)
	done := open
	done.ClosedBy, done.ClosedAt = "alice", done.Due
	for _, c := range []struct {
		judged
		prepare func(c *engine.Call)
		// title and how the task says; without a title there is none.
		title, how string
	}{
		{judged{"there is none", func(*sim.State) {}, incident.Pass, []string{"no snapshot in us-east-1 of what us-west-2 never received"}, nil, nil}, known, "", ""},
		{
			judged{
				"nobody copied it", leftBehind, incident.Fail,
				[]string{lostSnapshot + " holds what us-west-2 never received, and goes on 2026-03-10 14:0", "with its backups (7 days), and nobody has copied it"},
				map[string]string{lostSnapshot: "taken at 2026-03-03"},
				nil,
			},
			known, "Copy " + lostSnapshot + " by 2026-03-10 14:0", "aws rds copy-db-cluster-snapshot --region us-east-1 --source-db-cluster-snapshot-identifier arn:aws:rds:us-east-1:111122223333:cluster-snapshot:" + lostSnapshot + " --target-db-cluster-snapshot-identifier " + newCopy + "; the way back copies it, too. Then: restore " + newCopy,
		},
		{judged{"its copy failed", func(s *sim.State) { leftBehind(s); copied(s, "failed") }, incident.Fail, []string{"nobody has copied it"}, nil, nil}, known, "Copy " + lostSnapshot, newCopy + "-2;"},
		{judged{"it is being copied", func(s *sim.State) { leftBehind(s); copied(s, "creating") }, incident.Pass, []string{"is being copied as before-the-way-home"}, nil, nil}, known, "See that before-the-way-home becomes available", "restore before-the-way-home"},
		{
			judged{"it is copied, and no page tells what is in it", func(s *sim.State) { leftBehind(s); copied(s, "available") }, incident.Pass, []string{"is kept in us-east-1 as before-the-way-home"}, map[string]string{lostSnapshot: "copied as before-the-way-home"}, nil},
			silent, "Compare the orders in before-the-way-home with those of us-west-2", "--snapshot-identifier before-the-way-home --db-cluster-identifier NEW --engine ENGINE, and an instance in it) and compare its orders with those of us-west-2, from ord-17 on, the last one that us-west-2 had received",
		},
		{judged{"the page does not know yet", func(s *sim.State) { leftBehind(s); copied(s, "available") }, incident.Pass, []string{"which orders are missing is not known yet: /api/v1/orders/lost in us-west-2: it is not compared yet (status 202)"}, nil, nil}, known, "Compare the orders in", "from ord-17 on"},
		{judged{"the page knows no such copy", func(s *sim.State) {
			restored()(s)
			s.Database.Snapshots[1].Status = "available"
			s.Regions[west].Deployments["product-service"].Spec.Replicas = new(int32)
		}, incident.Pass, []string{"which orders are missing is not known yet"}, nil, nil}, known, "Compare the orders in", ""},
		{judged{"nothing is missing", restored(), incident.Pass, []string{"is kept in us-east-1 as before-the-way-home, and us-west-2 lacks none of its orders (/api/v1/orders/lost)"}, nil, map[string]float64{"orders missing": 0}}, known, "", ""},
		{
			judged{"three are missing", restored("ord-18", "ord-19", "ord-20"), incident.Fail, []string{"before-the-way-home holds 3 orders that us-west-2 lacks: ord-18 to ord-20"}, map[string]string{"missing": "ord-18; ord-19; ord-20", "page": "/api/v1/orders/lost"}, map[string]float64{"orders missing": 3}},
			known, "Enter anew, or settle with whoever ordered, 3 orders that us-west-2 lacks: ord-18 to ord-20", "",
		},
		{judged{"the copy outlives the snapshot", func(s *sim.State) { restored("ord-18")(s); s.Database.Snapshots = s.Database.Snapshots[1:] }, incident.Fail, []string{"holds 1 order that us-west-2 lacks: ord-18"}, nil, nil}, left(open), "Enter anew", "from ord-17 on"},
		{
			judged{"it expired", func(*sim.State) {}, incident.Fail, []string{lostSnapshot + " expired on 2026-03-03 14:00 UTC, and nobody had copied it: what us-west-2 never received can be read nowhere in AWS any more"}, map[string]string{lostSnapshot: "gone"}, nil},
			left(open), "Find what us-west-2 never received without " + lostSnapshot, "compare the orders of us-west-2 after ord-17 with what others have of them",
		},
		{judged{"somebody deleted it", func(*sim.State) {}, incident.Fail, []string{"was deleted, although it should have stayed until 2027-03-03 14:00 UTC, and nobody had copied it"}, nil, nil}, left(early), "Find what", ""},
		{judged{"a person is done with it", leftBehind, incident.Fail, []string{"nobody has copied it"}, nil, nil}, left(done), "", ""},
		{judged{"it expired, and a person is done with it", func(*sim.State) {}, incident.Pass, []string{"no snapshot"}, nil, nil}, left(done), "", ""},
	} {
		judge(t, "lost-writes", []judged{c.judged}, c.prepare)
		t.Run(c.name+", left", func(t *testing.T) {
			w := newWorld(t)
			w.wait(t, time.Minute)
			w.change(t, c.change)
			a, call := w.call(t, "lost-writes")
			c.prepare(&call)
			o, _, err := a.Look(t.Context(), call)
			task := o.Task
			if err != nil || (task != nil) != (c.title != "") {
				t.Fatalf("left is %+v: %v", task, err)
			}
			if task != nil && (!strings.HasPrefix(task.Title, c.title) || !strings.Contains(task.Why, c.how) || task.Owner != incident.RoleCommander || !strings.Contains(task.Evidence["snapshots"], "unplanned")) {
				t.Errorf("left is %+v", task)
			}
		})
	}
	blind(t, "lost-writes", "aws.rds", "DescribeDBClusterSnapshots")
}

func TestARegionThatHasNotRecoveredHasNoSnapshotYet(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) { s.Regions[east].Lost = true })
	a, c := w.call(t, "lost-writes")
	_, ok, err := a.Look(t.Context(), c)
	if f := incident.CallErrorOf(err); err == nil || ok || f.NeedsPerson ||
		!strings.Contains(err.Error(), "whether there is a snapshot of what us-west-2 never received is not known until us-east-1 answers again, and Aurora takes one only then: ") {
		t.Errorf("%t %v", ok, err)
	}
}

func TestTheWayBackSaysThatASnapshotIsGone(t *testing.T) {
	w := newWorld(t)
	var a engine.Action
	var c engine.Call
	p := compile(t, w.catalog, w.facts("planned").Back())
	s, ok := p.Step("lost-writes")
	if !ok {
		t.Fatal("the way back has no step lost-writes")
	}
	a, c = w.catalog[s.Uses], engine.Call{
		Plan: p, Step: s, Clock: w.clock, Result: func(string) (engine.Outcome, bool) { return engine.Outcome{Items: []string{"another"}}, true },
		Task: func(string) (incident.Task, bool) { return incident.Task{}, false },
	}
	look := func(verdict incident.Verdict, says, task string) {
		t.Helper()
		o, _, err := a.Look(t.Context(), c)
		if err != nil || o.Measured.Verdict != verdict || !strings.Contains(o.Summary, says) || (o.Task != nil) != (task != "") || o.Task != nil && !strings.Contains(o.Task.Title+" "+o.Task.Why, task) {
			t.Errorf("%s %q %+v %v", o.Measured.Verdict, o.Summary, o.Task, err)
		}
	}
	look(incident.Pass, "no snapshot in us-east-1 of what us-west-2 never received, and RDS tells of no unplanned failover in 14 days", "")
	told(t, w, west, "ecommerce-secondary", "Global failover to DB cluster ecommerce-secondary completed.", false)
	look(incident.Fail, "although there was an unplanned failover on 2026-03-03 14:0", "compare the orders of us-west-2 with what others have of them")
	w.change(t, leftBehind)
	look(incident.Fail, lostSnapshot+" holds what us-west-2 never received", "from the last order on that both have")
	w.change(t, func(s *sim.State) { copied(s, "available") })
	look(incident.Pass, "is kept in us-east-1 as before-the-way-home", "Compare the orders in before-the-way-home")
	w.change(t, func(s *sim.State) {
		s.Database.Snapshots = nil
		s.Faults = append(s.Faults, sim.Fault{System: "aws.rds", Operation: "DescribeEvents", Region: west, Kind: sim.Deny})
	})
	if o, ok, err := a.Look(t.Context(), c); err == nil || ok {
		t.Errorf("%t %+v", ok, o)
	}
}
