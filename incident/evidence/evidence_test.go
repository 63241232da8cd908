package evidence

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// told is a timeline of an incident that went back home, or was to.
type told struct {
	t      *testing.T
	id     incident.ID
	events []incident.Event
	at     time.Time
}

func tell(t *testing.T, id incident.ID, at time.Time, rehearsal bool) *told {
	o := &told{t: t, id: id, at: at}
	o.add("alice", "", incident.IncidentDeclared{
		Incident: id, Severity: "SEV-4", Reason: "home is well", Began: at, BeganNotSaid: true, Commander: "alice", Rehearsal: rehearsal,
	})
	return o
}

func (o *told) add(actor string, run incident.RunID, bodies ...incident.Body) {
	for _, b := range bodies {
		o.at = o.at.Add(time.Minute)
		e := incident.Event{Time: o.at, Actor: actor, Run: run, Body: b}
		if actor != incident.Bot {
			e.Via = &incident.Via{Face: incident.FaceSlack, ID: "U1"}
		}
		o.events = append(o.events, e)
	}
}

// begin begins a failback whose plan has these steps.
func (o *told) begin(run incident.RunID, kind incident.RunKind, follows incident.RunID, steps ...runbook.Step) {
	plan := runbook.Plan{Digest: "0123456789ab", Kind: kind, Steps: steps, Topology: runbook.Topology{
		Platform: "Shop", Regions: map[string]runbook.Region{"us-east-1": {Name: "us-east-1"}, "us-west-2": {Name: "us-west-2"}},
		Services: []runbook.Service{{Name: "order-service", Writes: true}}, Policy: runbook.Policy{ObjectiveMinutes: 30},
	}}
	raw, err := json.Marshal(plan)
	if err != nil {
		o.t.Fatal(err)
	}
	o.add("alice", run, incident.RunBegun{
		Kind: kind, Source: "us-west-2", Target: "us-east-1", Mode: "planned", Follows: follows, Digest: plan.Digest, Plan: raw,
	})
}

// timeline is what was told, stored.
func (o *told) timeline() Timeline {
	stored, err := incident.Write{Incident: o.id, Request: "r", Events: o.events}.Chain()
	if err != nil {
		o.t.Fatal(err)
	}
	return Timeline{ID: o.id, Events: stored}
}

var goStep = runbook.Step{ID: "go", Kind: runbook.Go, Title: "Begin"}

// home is a failback that went all the way.
func home(t *testing.T, id incident.ID, at time.Time, rehearsal bool) *told {
	o := tell(t, id, at, rehearsal)
	o.begin("failback-1", incident.Failback, "",
		goStep,
		runbook.Step{ID: "backup", Kind: runbook.Check, Title: "A backup", Source: "1, data readiness", Proves: []incident.Trait{incident.BackupSeen}},
		runbook.Step{ID: "healthy", Kind: runbook.Wait, Title: "Healthy", Source: "7, health checks", Proves: []incident.Trait{incident.TargetsHealthy}},
		runbook.Step{ID: "shaky", Kind: runbook.Check, Title: "Shaky", Source: "7, health checks"},
	)
	o.add(incident.Bot, "failback-1", incident.StepFinished{Step: "backup", Summary: "a backup of 5 minutes ago"})
	o.add(incident.Bot, "failback-1", incident.ApprovalAsked{Question: "q-1", Kind: incident.AskGo, Step: "go"})
	o.add("alice", "failback-1", incident.ApprovalGiven{Question: "q-1", Kind: incident.AskGo, Step: "go", Choice: "go", Overridden: []string{"shaky"}, Reason: "known"})
	o.add(incident.Bot, "failback-1",
		incident.WatchObserved{Step: "healthy", Measured: incident.Measured{Verdict: incident.Warn}, Summary: "2 of 3", State: "2"}, // what it waited for
		incident.StepFinished{Step: "healthy", Summary: "3 of 3"},
		incident.StepFailed{Step: "shaky", Error: "2 of 3 answer", Advice: true},
		incident.IncidentMitigated{Summary: "home"},
	)
	return o
}

func bullet(t *testing.T, r *Report, id string) Bullet {
	t.Helper()
	for _, b := range r.Control {
		if b.ID == id {
			return b
		}
	}
	t.Fatalf("no bullet %s", id)
	return Bullet{}
}

func collected(o Options, timelines ...Timeline) *Report {
	c := New(o)
	for _, t := range timelines {
		c.Add(t)
	}
	return c.Report()
}

func TestARunIsToldWithWhoWhatAndHowItEnded(t *testing.T) {
	r := collected(Options{Name: func(id string) string { return strings.ToUpper(id[:1]) + id[1:] }}, home(t, "INC-2026-0001-aaaaaaaa", noon, true).timeline())
	if r.Platform != "Shop" || len(r.Runs) != 1 {
		t.Fatalf("%+v", r)
	}
	run := r.Runs[0]
	if run.Where != Rehearsal || run.Outcome != "complete" || run.Plan != "0123456789ab" || run.Title() != "Failback us-west-2 to us-east-1" {
		t.Errorf("%+v", run)
	}
	if got := people(run.Roles); got != "Alice (asked for it, commander, said Go)" {
		t.Errorf("roles: %s", got)
	}
	if len(run.Overrides) != 1 || run.Overrides[0] != "shaky by Alice: known" || len(run.Deviations) != 1 || run.Deviations[0] != "shaky: 2 of 3 answer" {
		t.Errorf("overrides %q, deviations %q", run.Overrides, run.Deviations)
	}
	if len(run.Backups) != 1 || len(run.Channels) != 1 || run.Channels[0] != "Slack" {
		t.Errorf("backups %q, channels %q", run.Backups, run.Channels)
	}
	if c := r.Timelines[0]; !c.Whole || c.Says != "" || len(c.Head) != 32 {
		t.Errorf("%+v", c)
	}
}

// A bullet is proven by steps that passed, in part where some did not, and names the
// events.
func TestBulletsRestOnEvents(t *testing.T) {
	r := collected(Options{}, home(t, "INC-2026-0001-aaaaaaaa", noon, true).timeline())
	for id, want := range map[string]Verdict{
		"pre.1": Proven, "pre.2": Proven, "pre.3": InPart, "pre.4": NotTested, "test.9": Proven, "test.11": InPart, "back.1": NotTested, "back.8": NotTested,
	} {
		b := bullet(t, r, id)
		if b.Verdict != want {
			t.Errorf("%s is %s, not %s: %s", id, b.Verdict, want, b.Says)
		}
		if (b.Verdict == NotTested) != (len(b.Records) == 0) {
			t.Errorf("%s is %s with %d events", id, b.Verdict, len(b.Records))
		}
	}
	if b := bullet(t, r, "test.11"); !strings.Contains(b.Says, "1 step passed, 1 did not: shaky") {
		t.Errorf("%s", b.Says)
	}
	if b := bullet(t, r, "pre.3"); !strings.Contains(b.Says, "us-east-1: no run looked") {
		t.Errorf("%s", b.Says)
	}
}

// A test in production is none outside it.
func TestAFailbackInProductionIsNoTest(t *testing.T) {
	r := collected(Options{}, home(t, "INC-2026-0001-aaaaaaaa", noon, false).timeline())
	if b := bullet(t, r, "pre.2"); b.Verdict != NotTested {
		t.Errorf("%+v", b)
	}
	if b := bullet(t, r, "run.8"); b.Verdict != Proven {
		t.Errorf("%+v", b)
	}
}

// The backout plan: stopped, taken back, said what is changed, begun again.
func TestABackoutIsProvenByARunThatWasTakenBack(t *testing.T) {
	backedOut := func(more ...incident.Body) *told {
		o := tell(t, "INC-2026-0001-aaaaaaaa", noon, true)
		o.begin("failback-1", incident.Failback, "", goStep, runbook.Step{ID: "switch", Kind: runbook.Change, Title: "Switch"})
		o.add(incident.Bot, "failback-1", incident.ApprovalAsked{Question: "q-1", Kind: incident.AskGo, Step: "go"})
		o.add("alice", "failback-1", incident.ApprovalGiven{Question: "q-1", Kind: incident.AskGo, Step: "go", Choice: "go"})
		o.add(incident.Bot, "failback-1", incident.StepFailed{Step: "switch", Error: "not allowed"})
		o.add("alice", "failback-1", incident.RunAborted{Reason: "it is refused"})
		o.begin("undo-2", incident.Undo, "failback-1", runbook.Step{ID: "back-switch", Kind: runbook.Wait, Title: "Back"})
		o.add(incident.Bot, "undo-2", incident.RunEnded{How: "done", Summary: "1 change taken back"})
		o.add("alice", "", more...)
		return o
	}
	r := collected(Options{}, backedOut().timeline())
	for id, want := range map[string]Verdict{"pre.2": InPart, "back.1": Proven, "back.2": Proven, "back.3": Proven, "back.5": NotTested, "back.8": NotTested} {
		if b := bullet(t, r, id); b.Verdict != want {
			t.Errorf("%s is %s, not %s: %s", id, b.Verdict, want, b.Says)
		}
	}
	if b := bullet(t, r, "back.2"); len(b.Records) != 3 {
		t.Errorf("%+v", b.Records)
	}
	r = collected(Options{},
		home(t, "INC-2026-0002-bbbbbbbb", noon.Add(time.Hour), true).timeline(),
		backedOut(incident.PointClosed{Point: "failback-strategy", How: "the right is simulated before"}).timeline())
	for id, want := range map[string]Verdict{"pre.2": Proven, "back.5": Proven, "back.8": Proven} {
		if b := bullet(t, r, id); b.Verdict != want {
			t.Errorf("%s is %s, not %s: %s", id, b.Verdict, want, b.Says)
		}
	}
}

// Of a record that was changed nothing is taken for proof.
func TestNothingIsProvenByABrokenChain(t *testing.T) {
	good := home(t, "INC-2026-0001-aaaaaaaa", noon, true).timeline()
	changed := Timeline{ID: good.ID}
	for i, e := range good.Events {
		raw := string(e.Raw())
		if i == 4 {
			raw = strings.Replace(raw, "alice", "mallory", 1)
		}
		var again incident.Event
		if err := again.UnmarshalJSON([]byte(raw)); err != nil {
			t.Fatal(err)
		}
		changed.Events = append(changed.Events, again)
	}
	for name, timeline := range map[string]Timeline{
		"changed":     changed,
		"cut":         {ID: good.ID, Events: good.Events[1:]},
		"not read":    {ID: good.ID, Unread: errors.New("the record does not answer")},
		"nothing yet": {ID: good.ID},
	} {
		r := collected(Options{}, timeline)
		if len(r.Runs) != 0 || len(r.Timelines) != 1 || r.Timelines[0].Whole || r.Timelines[0].Says == "" {
			t.Errorf("%s: %d runs, %+v", name, len(r.Runs), r.Timelines)
		}
		if n := r.Count(NotTested); n != len(r.Control) {
			t.Errorf("%s: %d of %d bullets are not tested", name, n, len(r.Control))
		}
	}
}

func TestWhatWasDeclaredBeforeIsLeftOut(t *testing.T) {
	old, recent := home(t, "INC-2026-0001-aaaaaaaa", noon, true), home(t, "INC-2026-0002-bbbbbbbb", noon.AddDate(0, 1, 0), true)
	r := collected(Options{Since: noon.AddDate(0, 0, 7)}, old.timeline(), recent.timeline())
	if len(r.Runs) != 1 || r.Runs[0].Incident != recent.id || len(r.Timelines) != 1 {
		t.Errorf("%d runs of %d timelines", len(r.Runs), len(r.Timelines))
	}
}

// What people typed does not become markup, in either form.
func TestWhatPeopleTypedIsCharacters(t *testing.T) {
	o := tell(t, "INC-2026-0001-aaaaaaaa", noon, true)
	o.begin("failback-1", incident.Failback, "", goStep)
	o.add("alice", "failback-1", incident.RunAborted{Reason: "x"})
	declared := o.events[0].Body.(incident.IncidentDeclared)
	declared.Reason = "<script>alert(1)</script> | **bold**"
	o.events[0].Body = declared
	r := collected(Options{}, o.timeline())
	for _, form := range []struct {
		template, markup string
		write            func(string) ([]byte, error)
	}{
		{"evidence.html.tmpl", "<script>", r.HTML},
		{"evidence.md.tmpl", "| **bold**", r.Markdown},
	} {
		template, err := os.ReadFile("../../templates/evidence/" + form.template)
		if err != nil {
			t.Fatal(err)
		}
		out, err := form.write(string(template))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(out), "alert(1)") || strings.Contains(string(out), form.markup) {
			t.Errorf("%s has it as markup", form.template)
		}
	}
}

// A drill that changed nothing is told with who held it and what it came to, and proves no
// bullet and no figure.
func TestADryRunIsCountedAndProvesNothing(t *testing.T) {
	o := &told{t: t, id: incident.PlatformLog, at: noon}
	o.add("alice", "", incident.DrillHeld{Scope: incident.ScopeDryRun, Result: "planned failover: 12 changes would be made", Foreseen: &incident.Foreseen{Digest: "0123456789ab"}})
	o.add("bob", "", incident.DrillHeld{Scope: incident.ScopeDryRun, Result: "failback: 9 changes would be made"})
	c := New(Options{Since: noon, Made: noon.Add(time.Hour), Name: strings.ToUpper})
	c.Add(o.timeline())
	r := c.Report()
	if len(r.Drills) != 2 || r.Drills[0].By != "BOB" || r.Drills[1].Plan != "0123456789ab" || r.Drills[1].Seq != 1 || len(r.Runs) != 0 || r.Count(Proven) != 0 {
		t.Errorf("%+v, %d runs, %d proven", r.Drills, len(r.Runs), r.Count(Proven))
	}
	if len(r.Timelines) != 1 || !r.Timelines[0].Whole || r.Timelines[0].Events != 2 {
		t.Errorf("%+v", r.Timelines)
	}
	for kind, write := range map[string]func(string) ([]byte, error){"md": r.Markdown, "html": r.HTML} {
		template, err := os.ReadFile("../../templates/evidence/evidence." + kind + ".tmpl")
		if err != nil {
			t.Fatal(err)
		}
		page, err := write(string(template))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"Drills that changed nothing", "12 changes would be made", "ALICE", "dry run"} {
			if !strings.Contains(string(page), want) {
				t.Errorf("%s does not say %q", kind, want)
			}
		}
	}
	late := New(Options{Since: noon.Add(time.Hour)})
	late.Add(o.timeline())
	if r := late.Report(); len(r.Drills) != 0 || len(r.Timelines) != 0 {
		t.Errorf("before the time that was asked for: %+v", r)
	}
}
