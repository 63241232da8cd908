package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

func TestStartDeclaresAndFreezesThePlanInOnePiece(t *testing.T) {
	r := newRoom(t)
	added := r.added(func() {
		a := r.say(alice, "start us-west-2 unplanned sev2 since 13:50 UTC elevated 5xx, AWS status confirms")
		contains(t, a.Text, "INC-2026-0001 is open: us-east-1 -> us-west-2, unplanned, SEV-2")
	})
	if added != "IncidentDeclared RunBegun" {
		t.Fatalf("appended %s", added)
	}
	s := r.state()
	want := incident.IncidentDeclared{
		Incident: "INC-2026-0001", Severity: "SEV-2",
		Reason: "elevated 5xx, AWS status confirms", Began: time.Date(2026, 3, 4, 13, 50, 0, 0, time.UTC), Commander: alice,
	}
	if s.Source != "us-east-1" || s.Target != "us-west-2" || s.Mode != unplanned || s.Run.Name != "failover-1" || s.Kind != incident.Failover {
		t.Errorf("the run is %+v", s.Run)
	}
	if s.Declared != want || s.DeclaredBy != alice {
		t.Errorf("declared %+v by %s", s.Declared, s.DeclaredBy)
	}
	if len(s.Plan.Digest) != 12 || !strings.Contains(string(s.Plan.Plan), "promote-database") {
		t.Errorf("plan %q", s.Plan.Digest)
	}
	if len(r.engine.adopted) != 1 || r.engine.adopted[0] != "INC-2026-0001" {
		t.Errorf("adopted %v", r.engine.adopted)
	}
}

func TestStartAsksOnlyForWhatIsMissing(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "target mode reason severity began",
		"us-west-2":                          "mode reason severity began",
		"us-west-2 unplanned":                "reason severity began",
		"us-west-2 sev1 since 13:59 it is 5": "mode",
		"unplanned sev-3":                    "target reason began",
	} {
		r := newRoom(t)
		a := r.ask(Ask{Via: by(alice), Verb: "start", Text: text, CanForm: true})
		if a.Form == nil {
			t.Errorf("%q: no form but %q", text, a.Text)
			continue
		}
		var names []string
		for _, f := range a.Form.Fields {
			names = append(names, f.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q asks for %s, want %s", text, got, want)
		}
		if len(a.Form.Title) > 24 || len(a.Form.Submit) > 24 {
			t.Errorf("titles too long: %+v", a.Form)
		}
		// Filled in, it starts with what was typed and what was filled in.
		filled := map[string]string{"target": "us-west-2", "mode": "planned", "reason": "drill", "severity": "SEV-1", "began": ""}
		values := map[string]string{}
		for _, n := range names {
			values[n] = filled[n]
		}
		done := r.ask(Ask{Via: by(alice), Verb: "start", On: a.Form.On, Values: values})
		if done.Refused || r.state().Target != "us-west-2" {
			t.Errorf("%q: %q", text, done.Text)
		}
	}
	r := newRoom(t)
	r.refusedWith(func() Answer { return r.say(alice, "start us-west-2") }, "planned or unplanned and the reason", "/failover start us-west-2 unplanned")
}

func TestAFormOfStartStaysOpenWithItsFaults(t *testing.T) {
	r := newRoom(t)
	a := r.ask(Ask{Via: by(alice), Verb: "start", On: "us-west-2", Values: map[string]string{"mode": "fast", "reason": " ", "severity": "SEV-9", "began": "23:00"}})
	for _, field := range []string{"mode", "reason", "severity", "began"} {
		if a.Errors[field].Empty() {
			t.Errorf("nothing said about %s: %v", field, a.Errors)
		}
	}
	if len(r.events()) != 0 {
		t.Error("something was appended")
	}
}

func TestAReasonMayNameTheRegionThatIsLeft(t *testing.T) {
	r := newRoom(t)
	r.say(alice, "start us-west-2 unplanned us-east-1 does not answer")
	if d := r.state(); d.Target != "us-west-2" || d.Declared.Reason != "us-east-1 does not answer" {
		t.Errorf("declared %+v", d)
	}
	// Without a mode too: it is asked for, and the sentence is kept.
	r = newRoom(t)
	a := r.ask(Ask{Via: by(alice), Verb: "start", Text: "us-west-2 us-east-1 is down", CanForm: true})
	if a.Form == nil || a.Form.On != "us-west-2 us-east-1 is down" {
		t.Fatalf("%+v", a)
	}
	r.ask(Ask{Via: by(alice), Verb: "start", On: a.Form.On, Values: map[string]string{"mode": unplanned}})
	if d := r.state(); d.Target != "us-west-2" || d.Source != "us-east-1" || d.Declared.Reason != "us-east-1 is down" {
		t.Errorf("declared %+v", d)
	}
	r = newRoom(t)
	r.refusedWith(func() Answer { return r.say(alice, "start us-west-2 us-east-1 is down") }, "What is missing: planned or unplanned.")
}

func TestStartRefusesWhatCannotBe(t *testing.T) {
	r := newRoom(t)
	for text, want := range map[string][]string{
		"start us-west-3 unplanned x":           {"'us-west-3' is not a Region", "us-east-1 and us-west-2", "Did you mean '/failover start us-west-2'"},
		"start oregon unplanned x":              {"'oregon' is not a Region of this platform"},
		"start eu-central-1":                    {"'eu-central-1' is not a Region"},
		"start us-west-2 unplaned x":            {"'unplaned' is not a mode", "'/failover start us-west-2 unplanned x'"},
		"start us-west-2 planned unplanned x":   {"both planned and unplanned"},
		"start us-west-2 us-east-1 planned x":   {"Both us-west-2 and us-east-1"},
		"start us-west-2 us-east-1":             {"Both us-west-2 and us-east-1"},
		"start us-west-2 us-east-1 unplaned x":  {"Both us-west-2 and us-east-1"},
		"start us-west-2 us-east-1 sev1 x":      {"Both us-west-2 and us-east-1"},
		"start us-west-2 sev9 planned x":        {"'sev9' is not a severity"},
		"start us-east-1 planned back to home":  {"us-east-1 is the active Region already", "'/failover start us-west-2'"},
		"start us-west-2 planned " + long(1000): {"The reason has 1000 letters"},
		"failback us-east-1":                    {"us-east-1 serves users now", "Nothing has to go back"},
		"failback us-east-1 x":                  {"us-east-1 serves users now", "Nothing has to go back"},
		"failback us-west-2":                    {"A failback leads to us-east-1", "us-west-2 is not"},
		"failback unplanned x":                  {"A failback is planned"},
		"failback us-wst-2":                     {"'us-wst-2' is not a Region"},
		"rebuild":                               {"What is missing: the Region whose database was left behind by a detach", "'/failover rebuild us-east-1 REASON'"},
		"rebuild home it is back":               {"'home' is not a Region"},
		"rebuild us-est-1 x":                    {"'us-est-1' is not a Region", "Did you mean '/failover rebuild us-east-1'"},
		"rebuild us-west-2":                     {"What is missing: the reason", "'/failover rebuild us-west-2 it is well again, and was left behind by a detach'"},
		"rebuild us-east-1 it is back":          {"Users are led to us-east-1", "for one that users have left: '/failover rebuild us-west-2 REASON'", "Nothing was begun"},
		"rebuild us-west-2 " + long(1000):       {"The reason has 1000 letters"},
		"servers us-wst-2 x":                    {"'us-wst-2' is not a Region", "Did you mean '/failover servers us-west-2'"},
		"servers home":                          {"What is missing: the reason", "'/failover servers us-east-1 it is well again there'"},
		"servers us-west-2":                     {"What is missing: the reason"},
		"servers home " + long(1000):            {"The reason has 1000 letters"},
		"restore us-wst-2 x":                    {"'us-wst-2' is not a Region", "Did you mean '/failover restore us-west-2'"},
		"restore from Prod! x":                  {"'Prod!' cannot be the name of a backup or of a schedule"},
		"restore us-west-2":                     {"What is missing: the reason", "'/failover restore us-west-2 order-service"},
		"restore " + long(1000):                 {"The reason has 1000 letters"},
		"check us-est-1":                        {"Did you mean '/failover check us-east-1'"},
		"check us-east-1":                       {"us-east-1 serves users now", "'/failover check us-west-2'"},
		"check us-west-2 planned and more":      {"not 'and more'"},
		"note x":                                {"No incident is open", "'/failover start us-west-2'"},
		"timeline":                              {"There has been no incident yet"},
		"approve us-west-2":                     {"No incident is open"},
	} {
		r.refusedWith(func() Answer { return r.say(alice, text) }, want...)
	}
	r.refusedWith(func() Answer { return r.ask(Ask{Via: by(alice), Verb: "start", Text: "us-east-1", CanForm: true}) }, "active Region already")
}

func long(n int) string { return strings.Repeat("x", n) }

func TestARegionThatTookOverIsRefusedWithItsTime(t *testing.T) {
	r := gone(t)
	r.clock.turn(20 * time.Minute)
	r.bot(incident.IncidentMitigated{Summary: "served from us-west-2"})
	r.refusedWith(func() Answer { return r.say(alice, "start us-west-2 unplanned x") }, "INC-2026-0001 is open", "'/failover resolve' closes it")
	r.say(alice, "resolve")
	r.active = "us-west-2"
	r.refusedWith(func() Answer { return r.say(alice, "start us-west-2 unplanned x") },
		"us-west-2 has been the active Region since 14:20 UTC", "To go back: '/failover failback us-east-1'.")
	contains(t, r.say(mallory, "status").Text, "No incident is open", "us-west-2 serves users now (asked the public address)",
		"The last one: INC-2026-0001", "resolved at 14:20 UTC by Alice", "us-west-2 has served since 14:20 UTC")
}

func TestASecondStartNamesTheOpenRunAndItsCommander(t *testing.T) {
	r := started(t)
	r.refusedWith(func() Answer { return r.say(erin, "start us-west-2 unplanned me too") },
		"INC-2026-0001 is open (us-east-1 -> us-west-2, readiness)", "started by Alice at 14:00 UTC", "commander Alice")
	r.refusedWith(func() Answer { return r.ask(Ask{Via: by(erin), Verb: "start", CanForm: true}) }, "INC-2026-0001 is open")
}

func TestTheSameStartAgainOpensNoSecondIncident(t *testing.T) {
	r := newRoom(t)
	ask := Ask{Via: by(alice), Verb: "start", Text: "us-west-2 unplanned x", Request: "once"}
	first := r.ask(ask)
	if added := r.added(func() {
		if again := r.ask(ask); shown(again.Text) != shown(first.Text) {
			t.Errorf("%q, then %q", first.Text, again.Text)
		}
		r.given = map[string]Answer{} // as after a restart
		r.ask(ask)
	}); added != "" {
		t.Errorf("appended %s", added)
	}
	if ids, _ := r.log.Incidents(t.Context(), 0); len(ids) != 1 {
		t.Errorf("incidents %v", ids)
	}
}

func TestAStartThatDiedBeforeItWasWrittenLeavesNothingBehind(t *testing.T) {
	r := newRoom(t)
	r.log.fail["Append"] = true
	ask := Ask{Via: by(alice), Verb: "start", Text: "us-west-2 unplanned x", Request: "once"}
	r.refusedWith(func() Answer { return r.ask(ask) }, "not certain")
	r.log.fail["Append"] = false
	contains(t, r.say(mallory, "status").Text, "No incident is open")
	if a := r.ask(ask); a.Refused || r.state().DeclaredBy != alice || r.state().ID.Name() != "INC-2026-0001" {
		t.Errorf("%q", a.Text)
	}
}

func TestTwoWhoStartAtOnceGetOneIncident(t *testing.T) {
	r := newRoom(t)
	var all sync.WaitGroup
	answers := make(chan Answer, 10)
	for i := range cap(answers) {
		who := []string{alice, bob, erin}[i%3]
		all.Go(func() {
			answers <- r.Do(t.Context(), Ask{Via: by(who), Verb: "start", Text: fmt.Sprint("us-west-2 unplanned x", i), Request: fmt.Sprint(i)})
		})
	}
	all.Wait()
	close(answers)
	begun := 0
	for a := range answers {
		if !a.Refused {
			begun++
			continue
		}
		contains(t, a.Text, "INC-2026-0001 is ")
	}
	if ids, _ := r.log.Incidents(t.Context(), 0); begun != 1 || len(ids) != 1 {
		t.Errorf("%d were told that they began one: %v", begun, ids)
	}
}

func TestANumberThatSomebodyElseTookIsNotDeclaredTwice(t *testing.T) {
	r := newRoom(t)
	r.log.fail["Append"] = true
	ask := Ask{Via: by(alice), Verb: "start", Text: "us-west-2 unplanned x", Request: "once"}
	r.ask(ask)
	r.log.fail["Append"] = false
	r.clock.turn(2 * time.Minute)
	if a := r.say(erin, "start us-west-2 unplanned y"); a.Refused {
		t.Fatal(a.Text)
	}
	r.refusedWith(func() Answer { return r.ask(ask) }, "INC-2026-0001 is open", "Erin")
}

// A stopped incident is resolved by whoever begins the next: closing steps wait for
// that, and the record must not keep an open one behind.
func TestAnIncidentThatIsOverIsResolvedByTheNext(t *testing.T) {
	r := started(t)
	r.askGo()
	if a := r.say(alice, "abort false alarm"); a.Refused {
		t.Fatal(a.Text)
	}
	contains(t, r.say(erin, "start us-west-2 planned again").Text, "INC-2026-0002 is open", "INC-2026-0001, which was stopped, is closed by you with this.")
	if id := r.current(); id != "INC-2026-0002" {
		t.Errorf("current is %s", id)
	}
	events, err := r.log.Read(t.Context(), "INC-2026-0001", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := incident.Fold(events)
	if s.Phase() != incident.ClosedUnserved || s.ResolvedBy != erin || len(s.Open) != 0 {
		t.Errorf("the one before is %s by %q with open questions %v", s.Phase(), s.ResolvedBy, s.Open)
	}
	// Resolved in the ordinary way, it is not resolved again.
	r = started(t)
	r.say(alice, "abort false alarm")
	r.say(alice, "resolve unserved it was one")
	if a := r.say(erin, "start us-west-2 planned again"); a.Refused || strings.Contains(shown(a.Text), "which was stopped") {
		t.Errorf("%q", a.Text)
	}
}

func TestAStartThatCannotResolveTheOneBeforeBeginsNothing(t *testing.T) {
	r := started(t)
	r.say(alice, "abort false alarm")
	r.refusedWith(func() Answer {
		r.log.fail["Append"] = true
		defer delete(r.log.fail, "Append")
		return r.say(erin, "start us-west-2 planned again")
	}, "not certain")
	if id := r.current(); id != "INC-2026-0001" {
		t.Errorf("current is %s", id)
	}
}

func TestStartSaysWhenItIsNotKnownWhoServes(t *testing.T) {
	r := newRoom(t)
	r.down = errors.New("no answer from https://api.ecommerce.com")
	a := r.say(bob, "start us-west-2 unplanned lost")
	contains(t, a.Text, "is open: us-east-1 -> us-west-2", "could not be found out: no answer from", "us-east-1 is taken to be the Region that is left")
	if s := r.state(); s.Declared.Commander != bob {
		t.Errorf("commander %s", s.Declared.Commander)
	}
}

func TestARunbookAtFaultLeavesNothingBehind(t *testing.T) {
	r := newRoom(t)
	r.faults = errors.New("failover.yaml:3:1: unknown action \"dns.mvoe\"")
	r.refusedWith(func() Answer { return r.say(alice, "start us-west-2 unplanned x") }, "nothing was begun", "failover.yaml:3:1")
	r.refusedWith(func() Answer { return r.say(alice, "check") }, "nothing to check", "failover.yaml:3:1")
	if ids, _ := r.log.Incidents(t.Context(), 0); len(ids) != 0 {
		t.Errorf("%s are on the record", ids)
	}
}

func TestWhenItBegan(t *testing.T) {
	now := time.Date(2026, 3, 4, 0, 10, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"10": "2026-03-04 00:00", "10m": "2026-03-04 00:00", "15 minutes ago": "2026-03-03 23:55",
		"23:58": "2026-03-03 23:58", "0:05 UTC": "2026-03-04 00:05", "00:10": "2026-03-04 00:10",
	} {
		if at, fault := began(text, now); !fault.Empty() || at.Format("2006-01-02 15:04") != want {
			t.Errorf("%q: %s %q, want %s", text, at, fault, want)
		}
	}
	for _, text := range []string{"", "9999", "25:00", "soon", "08:00", "12:00 CET", "-5"} {
		if at, fault := began(text, now); fault.Empty() {
			t.Errorf("%q was read as %s", text, at)
		}
	}
}

// serves lets start ask about one Region alone; which one serves is not asked then.
func (r *room) serves(yes bool, err error) {
	r.Active = func(context.Context) (string, string, error) {
		r.t.Error("start asked which Region serves, though it can ask about one")
		return "", "", errors.New("asked")
	}
	r.Serves = func(ctx context.Context, region string) (bool, string, error) {
		if end, ok := ctx.Deadline(); !ok || time.Until(end) > 2*time.Second {
			r.t.Errorf("%s may take until %s to answer", region, end)
		}
		return yes, "its database writes", err
	}
}

func TestStartAsksOnlyWhetherTheTargetServes(t *testing.T) {
	r := newRoom(t)
	r.serves(true, nil)
	r.refusedWith(func() Answer { return r.say(alice, "start us-west-2 unplanned x") },
		"us-west-2 is the active Region already", "its database writes", "'/failover start us-east-1'")
	r.refusedWith(func() Answer { return r.say(alice, "start us-west-2 unplanned anyway x") }, "is the active Region already")
	r.serves(false, nil)
	a := r.ask(Ask{Via: by(alice), Verb: "start", Text: "us-west-2", CanForm: true})
	if a.Form == nil {
		t.Fatalf("%+v", a)
	}
	contains(t, a.Form.Text, "us-west-2 does not serve users now (its database writes).")
	a = r.say(alice, "start us-west-2 unplanned x")
	contains(t, a.Text, "is open: us-east-1 -> us-west-2")
	if strings.Contains(shown(a.Text), "could not be found out") {
		t.Errorf("it was found out: %s", a.Text)
	}
}

func TestOfSeveralOthersTheOneThatServesIsLeft(t *testing.T) {
	r := newRoom(t)
	third := r.Topology.Regions["us-east-1"]
	r.Topology.Regions["eu-west-1"] = third
	r.Serves = func(context.Context, string) (bool, string, error) { return false, "", nil }
	r.active = "eu-west-1"
	contains(t, r.say(alice, "start us-west-2 unplanned x").Text, "is open: eu-west-1 -> us-west-2")
	delete(r.Topology.Regions, "eu-west-1")
}

// When nobody can tell which Region serves, a takeover on the record takes a word.
func TestWithoutAnAnswerTheRecordOfATakeoverDecides(t *testing.T) {
	for name, asked := range map[string]func(*room){
		"about one Region": func(r *room) { r.serves(false, errors.New("RDS: timeout")) },
		"about all":        func(r *room) { r.down = errors.New("RDS: timeout") },
	} {
		t.Run(name, func(t *testing.T) {
			r := gone(t)
			r.clock.turn(20 * time.Minute)
			r.bot(incident.IncidentMitigated{Summary: "served from us-west-2"})
			r.say(alice, "resolve")
			asked(r)
			r.refusedWith(func() Answer { return r.say(alice, "start us-west-2 unplanned again") },
				"us-west-2 has taken over since 14:20 UTC by INC-2026-0001; which Region serves now cannot be read: RDS: timeout.",
				"'/failover start us-west-2 unplanned anyway REASON'")
			r.refusedWith(func() Answer { return r.ask(Ask{Via: by(alice), Verb: "start", Text: "us-west-2", CanForm: true}) }, "has taken over since 14:20 UTC")
			if a := r.ask(Ask{Via: by(alice), Verb: "start", Text: "us-west-2 anyway", CanForm: true}); a.Form == nil || a.Form.On != "us-west-2 anyway" {
				t.Errorf("%+v", a)
			}
			contains(t, r.say(alice, "start us-west-2 unplanned anyway it was moved by hand").Text, "INC-2026-0002 is open: us-east-1 -> us-west-2")
			if d := r.state().Declared; d.Reason != "it was moved by hand" {
				t.Errorf("reason %q", d.Reason)
			}
			if n, ok := r.events()[2].Body.(incident.NoteAdded); !ok || !strings.Contains(n.Text, "Started anyway") {
				t.Errorf("%+v", r.events()[2])
			}
		})
	}
	// Where nothing is on the record there is nothing to hold it up.
	r := newRoom(t)
	r.serves(false, errors.New("RDS: timeout"))
	contains(t, r.say(alice, "start us-west-2 unplanned lost").Text, "could not be found out: RDS: timeout", "us-east-1 is taken to be the Region that is left")
}

// A start in a direction in which users cannot follow is refused before anything is on
// the record, whatever is said and before a form is opened.
func TestAStartInADirectionThatNothingLeadsIsRefused(t *testing.T) {
	r := newRoom(t)
	r.leadsNowhere("us-west-2")
	says := []string{"us-east-1 cannot take over from us-west-2", "no health check moves users away from us-west-2", "nothing was begun", "By hand, in this order"}
	for _, mode := range []string{planned, unplanned} {
		r.refusedWith(func() Answer { return r.say(alice, "start us-east-1 "+mode+" back home") }, says...)
	}
	r.refusedWith(func() Answer { return r.ask(Ask{Via: by(alice), Verb: "start", Text: "us-east-1", CanForm: true}) }, says...)
	r.refusedWith(func() Answer {
		return r.ask(Ask{Via: by(alice), Verb: "start", Values: map[string]string{"target": "us-east-1", "mode": planned, "reason": "x"}})
	}, says...)
	r.refusedWith(func() Answer { return r.say(alice, "check us-east-1") }, says...)
	// In one mode alone it is the mode that is refused.
	whole := r.Compile
	r.Compile = func(f runbook.Facts) (*runbook.Plan, error) {
		if f.Mode == unplanned {
			return testPlan(f)
		}
		return whole(f)
	}
	if a := r.ask(Ask{Via: by(alice), Verb: "start", Text: "us-east-1", CanForm: true}); a.Form == nil {
		t.Errorf("no form: %s", shown(a.Text))
	}
}

// leadsNowhere is a room in which that Region serves and nothing moves users away.
func (r *room) leadsNowhere(active string) {
	r.active = active
	compile := r.Compile
	r.Compile = func(f runbook.Facts) (*runbook.Plan, error) {
		if f.Source.Name == active {
			return nil, &runbook.WrongWayError{Source: active, Target: f.Target.Name, Why: errors.New("no health check moves users away from " + active)}
		}
		return compile(f)
	}
}

// A detach is said with the start, of an unplanned one alone, and is part of what is frozen.
func TestADetachIsSaidWithTheStart(t *testing.T) {
	r := newRoom(t)
	var frozen []runbook.Facts
	compile := r.Compile
	r.Compile = func(f runbook.Facts) (*runbook.Plan, error) {
		frozen = append(frozen, f)
		return compile(f)
	}
	r.refusedWith(func() Answer { return r.say(alice, "start us-west-2 planned detach versions are apart") }, "A detach is for an unplanned failover", "Nothing was begun")
	if a := r.ask(Ask{Via: by(alice), Verb: "start", Text: "us-west-2 unplanned detach", CanForm: true}); a.Form == nil || a.Form.On != "us-west-2 unplanned detach" {
		t.Errorf("%+v", a.Form)
	}
	contains(t, r.say(alice, "start us-west-2 unplanned detach versions are apart").Text, "us-east-1 -> us-west-2, unplanned, the database detached, SEV-1")
	if s := r.state(); s.Declared.Reason != "versions are apart" || s.Mode != unplanned {
		t.Errorf("%+v", s.Declared)
	}
	if n := len(frozen); n == 0 || !frozen[n-1].Detach {
		t.Errorf("it was compiled without the detach: %+v", frozen)
	}
}
