package providers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/aurora"
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

func TestWhatWasNeverReceivedStaysOpenUntilItIsCopied(t *testing.T) {
	judge(t, "lost-writes", []judged{
		{"there is none", func(*sim.State) {}, incident.Pass, []string{"no snapshot in us-east-1 of what us-west-2 never received"}, nil, nil},
		{
			"nobody copied it", leftBehind, incident.Fail,
			[]string{lostSnapshot + " holds what us-west-2 never received, and goes on 2026-03-10 14:0", "with its backups (7 days)", "aws rds copy-db-cluster-snapshot --region us-east-1", "failoverbot-unplanned-global-failover-ecommerce-primary"},
			map[string]string{lostSnapshot: "taken at 2026-03-03"},
			nil,
		},
		{"it is copied", func(s *sim.State) { leftBehind(s); copied(s, "available") }, incident.Pass, []string{"is kept: 1 snapshot"}, map[string]string{lostSnapshot: "copied as before-the-way-home"}, nil},
		{"its copy failed", func(s *sim.State) { leftBehind(s); copied(s, "failed") }, incident.Fail, []string{"copy it: aws rds", "-2026-03-03-14-17-2"}, nil, nil},
	})
	blind(t, "lost-writes", "aws.rds", "DescribeDBClusterSnapshots")
}
