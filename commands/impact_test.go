package commands

import (
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// watchedRoom is one whose plan watches users and those who write, and moves both.
func watchedRoom(t *testing.T, mode string) *room {
	r := newRoom(t)
	r.Compile = func(f runbook.Facts) (*runbook.Plan, error) {
		p, err := testPlan(f)
		if err != nil {
			return nil, err
		}
		p.Steps = append(p.Steps,
			runbook.Step{ID: "users", Title: "What users get", Kind: runbook.Watch, Proves: []incident.Trait{incident.UsersWatched}},
			runbook.Step{ID: "stop-writers", Title: "Stop writers", Kind: runbook.Change, Proves: []incident.Trait{incident.WritersStopped}},
			runbook.Step{ID: "order", Title: "An order", Kind: runbook.Exercise, Proves: []incident.Trait{incident.OrdersFlow, incident.UsersServed}},
		)
		p.Digest, err = p.Sum()
		return p, err
	}
	if a := r.say(alice, "start us-west-2 "+mode+" elevated 5xx"); a.Refused {
		t.Fatal(a.Text)
	}
	return r
}

// saw is what the watch of users tells.
func saw(v incident.Verdict, well int, says string, stale ...string) incident.WatchObserved {
	return incident.WatchObserved{
		Step: "users", Summary: says, Measured: incident.Measured{Verdict: v},
		Users: &incident.UsersSeen{Moved: len(stale) > 0, Tried: 10, Served: well, Stale: stale},
	}
}

func playImpact(t *testing.T, tr *transcript) {
	r := tr.in("users are watched, and nobody said when it began", watchedRoom(t, unplanned))
	tr.says(dave, "impact")
	tr.says(mallory, "impact since 13:58")
	for _, bad := range []string{"since", "since whenever", "since 2026-03-04 14:05 UTC", "since 2026-02-20 14:05 UTC", "since 23:59"} {
		tr.says(dave, "impact "+bad)
	}
	r.bot(saw(incident.Pass, 10, "all are served"))
	tr.says(dave, "impact")
	r = tr.in("users are not served when they are first looked at", watchedRoom(t, unplanned))
	r.bot(saw(incident.Fail, 6, "users are served in part"))
	r.clock.turn(2 * time.Minute)
	tr.says(dave, "impact")
	tr.says(dave, "impact since 13:58 the alert of the load balancer")
	tr.says(bob, "impact since 13:58")
	tr.says(bob, "impact unknown")
	tr.says(bob, "impact since 13:57 UTC")
	tr.says(alice, "close-point")
	r.bot(incident.StepFinished{Step: "stop-writers", Changed: true})
	tr.says(dave, "status")
	r.bot(finished("promote-database")...)
	r.bot(incident.TaskOpened{
		Task: "lost-writes", Title: "Copy rds:unplanned-global-failover-1", Owner: "alice", Due: r.clock.Now().AddDate(0, 0, 7), Why: "aws rds copy-db-cluster-snapshot",
	})
	tr.says(dave, "status")
	tr.says(alice, "close-point lost-writes")
	tr.says(alice, "close-point lost-writes copied and compared")
	tr.says(alice, "close-point lost-writes copied and compared")
	tr.says(alice, "close-point")
	tr.says(alice, "close-point stndby x")
	tr.says(alice, "close-point standby")
	tr.says(mallory, "close-point standby x")
	tr.says(alice, "close-point standby we know")
	back := saw(incident.Fail, 6, "users go back", "Google")
	back.Users.Back = []string{"Google"}
	r.bot(back)
	tr.says(dave, "status")
	r.bot(finished("order")...)
	r.bot(incident.IncidentMitigated{Summary: "served"})
	tr.says(dave, "impact since "+r.clock.Now().Add(time.Minute).Format("15:04"))
	r.clock.turn(time.Hour)
	tr.says(dave, "impact since "+r.clock.Now().Add(-time.Minute).Format("15:04"))

	tr.says(alice, "resolve")
	tr.hears("Alice asks by a button", Ask{Via: by(alice), Verb: "resolve", CanForm: true})
	tr.says(alice, "resolve unserved")
	tr.says(alice, "resolve unserved the other team takes over")
	tr.hears("Alice asks by a button", Ask{Via: by(alice), Verb: "resolve", Incident: "INC-2026-0001"})
	tr.hears("Alice asks by a button", Ask{Via: by(alice), Verb: "impact", Incident: "INC-2026-0001"})
	tr.says(dave, "status")
	r.clock.turn(time.Minute)
	tr.says(alice, "start us-west-2 unplanned it goes on")

	r = tr.in("resolved while a resolver is stale", watchedRoom(t, unplanned))
	r.bot(finished("promote-database", "order")...)
	r.bot(incident.IncidentMitigated{Summary: "served"}, saw(incident.Warn, 7, "OpenDNS still gives out us-east-1", "OpenDNS"))
	tr.says(alice, "resolve well enough")
	tr.hears("Alice asks by a button", Ask{Via: by(alice), Verb: "resolve", Incident: "INC-2026-0001"})
	r.clock.turn(time.Hour)
	tr.says(alice, "start us-west-2 planned once more")
	tr.says(alice, "impact since 14:10")
	tr.says(alice, "impact since 13:10")
}

func TestImpactIsCorrectedAndEveryFigureFollows(t *testing.T) {
	r := watchedRoom(t, unplanned)
	if d := r.state().Declared; !d.BeganNotSaid || !r.state().Began().IsZero() {
		t.Fatalf("nobody said when it began: %+v", d)
	}
	r.bot(saw(incident.Fail, 0, "nobody is served"))
	r.clock.turn(2 * time.Minute)
	if added := r.added(func() {
		contains(t, r.say(dave, "impact since 13:58 the first alert").Text, "Dave set since when users have been hurt: since 13:58 UTC, before: not known", "Impact so far: 4 min")
	}); added != "ImpactCorrected" {
		t.Errorf("appended %s", added)
	}
	c := r.state().Corrected
	if c == nil || !c.Began.Equal(time.Date(2026, 3, 4, 13, 58, 0, 0, time.UTC)) || !c.Was.IsZero() || c.Reason != "the first alert" {
		t.Errorf("%+v", c)
	}
	contains(t, r.say(mallory, "status").Text, "Impact so far: 4 min", "100 % of requests fail")
	r.refusedWith(func() Answer { return r.say(dave, "impact since 13:58") }, "on the record already")
	r.refusedWith(func() Answer { return r.say(dave, "impact since 2026-03-04 14:05 UTC") }, "still to come")
	r.refusedWith(func() Answer { return r.say(dave, "impact since 2026-02-20 14:05 UTC") }, "more than a week ago")
	r.refusedWith(func() Answer { return r.say(dave, "impact since soon") }, "not a time that can be read")
	r.refusedWith(func() Answer { return r.say(mallory, "impact since 13:57") }, "not on the roster")
	// One reader for all who say when: nothing of a time becomes the reason.
	if a := r.say(dave, "impact since 1:50 p.m. CET the graph says so"); a.Refused {
		t.Fatal(a.Text)
	}
	if c := r.state().Corrected; !c.Began.Equal(time.Date(2026, 3, 4, 12, 50, 0, 0, time.UTC)) || c.Reason != "the graph says so" {
		t.Errorf("%+v", c)
	}
}

// What was closed unserved is counted from its own beginning by the next incident; what
// was resolved is not, and nobody may be hurt from before its end.
func TestTheNextIncidentCarriesTheBeginningOver(t *testing.T) {
	r := watchedRoom(t, unplanned)
	r.say(alice, "impact since 13:50")
	r.bot(saw(incident.Fail, 0, "nobody is served"))
	r.say(alice, "abort we cannot")
	r.refusedWith(func() Answer { return r.say(alice, "resolve") }, "Users are not seen to be served: nobody is served", "resolve unserved REASON")
	contains(t, r.say(alice, "resolve unserved another team").Text, "INC-2026-0001 is closed, not restored")
	if s := r.state(); !s.Unserved || s.Phase() != incident.ClosedUnserved {
		t.Errorf("%s", s.Phase())
	}
	r.clock.turn(5 * time.Minute)
	contains(t, r.say(alice, "start us-west-2 unplanned goes on").Text, "counted since 13:50 UTC", "INC-2026-0001")
	d := r.state().Declared
	if d.Continues != "INC-2026-0001" || d.BeganNotSaid || d.Began.Format("15:04") != "13:50" {
		t.Errorf("%+v", d)
	}
	if a := r.say(alice, "impact since 13:40"); a.Refused {
		t.Errorf("the one before has not ended: %q", shown(a.Text))
	}
}

// Each face asks back before an incident is closed while nobody is served.
func TestToResolveUnservedIsAskedBack(t *testing.T) {
	r := watchedRoom(t, unplanned)
	r.bot(finished("promote-database", "order")...)
	r.bot(incident.IncidentMitigated{Summary: "served"}, saw(incident.Pass, 10, "all"), saw(incident.Fail, 0, "nobody is served any more"))
	if a := r.say(alice, "resolve all well"); len(a.Buttons) != 1 || a.Buttons[0].Verb != "resolve" || a.Buttons[0].On != unserved {
		t.Errorf("typed: %+v", a.Buttons)
	}
	var f *Form
	if added := r.added(func() { f = r.ask(Ask{Via: by(alice), Verb: "resolve", CanForm: true, Incident: r.current()}).Form }); added != "" || f == nil || f.On != unserved {
		t.Fatalf("pressed: %+v, appended %q", f, added)
	}
	if a := r.ask(Ask{Via: by(alice), Verb: "resolve", On: f.On, Incident: f.Incident, CanForm: true, Values: map[string]string{"reason": " "}}); a.Errors == nil {
		t.Errorf("without a reason: %+v", a)
	}
	r.ask(Ask{Via: by(alice), Verb: "resolve", On: f.On, Incident: f.Incident, CanForm: true, Values: map[string]string{"reason": "given up"}})
	if s := r.state(); !s.Unserved {
		t.Errorf("%s", s.Phase())
	}
}
