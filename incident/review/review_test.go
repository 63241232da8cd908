package review

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

var update = flag.Bool("update", false, "write the golden files anew")

var t0 = time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)

// story is a timeline in the making: seconds after t0, who, what.
type story struct{ events []incident.Event }

func (s *story) at(seconds float64, actor string, bodies ...incident.Body) {
	for _, b := range bodies {
		run := incident.RunID("failover-1")
		if _, before := b.(incident.IncidentDeclared); before {
			run = ""
		}
		s.events = append(s.events, incident.Event{
			Seq: uint64(len(s.events) + 1), Time: t0.Add(time.Duration(seconds * float64(time.Second))), Actor: actor, Run: run, Body: b,
		})
	}
}

func (s *story) step(id, action string, from, to float64, f incident.StepFinished) {
	s.at(from, incident.Bot, incident.StepStarted{Step: id, Action: action, Attempt: 1})
	f.Step, f.Action, f.Attempt = id, action, 1
	s.at(to, incident.Bot, f)
}

func testPlan(t *testing.T) *runbook.Plan {
	t.Helper()
	facts := runbook.RepresentativeFacts("unplanned")
	p := &runbook.Plan{
		Runbook: "regional-failover", Mode: "unplanned", Topology: facts.Topology, Source: facts.Source, Target: facts.Target,
		Sections: []runbook.Section{
			{ID: "01", Title: "Readiness"},
			{ID: "03", Title: "Scale up"},
			{ID: "04", Title: "Promote database"},
			{ID: "06", Title: "Move DNS"},
			{ID: "07", Title: "Verify"},
		},
		Steps: []runbook.Step{
			{ID: "lag", Section: "01", Title: "Replication lag", Uses: "aurora.lag", Kind: runbook.Check},
			{ID: "nodes", Section: "01", Title: "Nodes of us-west-2", Uses: "kube.nodes", Kind: runbook.Check},
			{ID: "go", Section: "01", Title: "Begin", Kind: runbook.Go, Needs: []string{"lag", "nodes"}},
			{ID: "scale/order-service", Section: "03", Title: "Scale up order-service", Uses: "kube.scale", Kind: runbook.Change, Needs: []string{"go"}, Undo: "put the HPA's minimum back"},
			{ID: "fence", Section: "04", Title: "Fence the writers of us-east-1", Uses: "kube.fence", Kind: runbook.Change, Needs: []string{"go"}, Undo: "scale them up again"},
			{ID: "promote", Section: "04", Title: "Promote the database in us-west-2", Uses: "aurora.failover", Kind: runbook.Change, Needs: []string{"scale/order-service", "fence"}, NoReturn: true, Undo: "switch back once us-east-1 has rejoined"},
			{ID: "dns", Section: "06", Title: "Put the takeover object", Uses: "takeover.put", Kind: runbook.Change, Needs: []string{"promote"}, Undo: "delete the object"},
			{ID: "dns-answers", Section: "06", Title: "The zone answers us-west-2", Uses: "dns.authoritative", Kind: runbook.Wait, Proves: []incident.Trait{incident.NamesMoved}, Needs: []string{"dns"}},
			{ID: "resolvers", Section: "06", Title: "Public resolvers", Uses: "dns.resolvers", Kind: runbook.Check, Proves: []incident.Trait{incident.ResolversAsked}, Needs: []string{"dns-answers"}},
			{ID: "restart", Section: "07", Title: "Restart order-service", Uses: "kube.restart", Kind: runbook.Change, Needs: []string{"promote"}, Undo: "nothing to take back: the pods are new"},
			{ID: "order", Section: "07", Title: "A synthetic order", Uses: "probe.order", Kind: runbook.Check, Needs: []string{"dns-answers"}},
		},
	}
	sum, err := p.Sum()
	if err != nil {
		t.Fatal(err)
	}
	p.Digest = "7f3a9c" + sum[:6]
	return p
}

func declared(rehearsal bool) incident.IncidentDeclared {
	return incident.IncidentDeclared{
		Incident: "INC-2026-0042", Severity: "SEV-1",
		Reason: "elevated 5xx | AWS status\nconfirms", Began: t0, Commander: "U1", Rehearsal: rehearsal,
	}
}

func runBegun(digest string, plan json.RawMessage) incident.RunBegun {
	return incident.RunBegun{Kind: incident.Failover, Source: "us-east-1", Target: "us-west-2", Mode: "unplanned", Digest: digest, Plan: plan}
}

// regionLoss is a run with most of what can happen in one.
func regionLoss(t *testing.T) []incident.Event {
	t.Helper()
	plan := testPlan(t)
	raw, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	var s story
	s.at(300, "U1", declared(true), runBegun(plan.Digest, raw))
	s.at(301, incident.Bot, incident.RunTaken{Holder: "bot-1", Token: 1},
		incident.DurabilityFound{Durability: incident.Durability{Server: "miniredis", Volatile: true, Says: "kept in memory, lost with the process"}})
	s.at(302, incident.Bot, incident.StepStarted{Step: "lag", Action: "aurora.lag", Attempt: 1},
		incident.StepStarted{Step: "nodes", Action: "kube.nodes", Attempt: 1})
	s.at(304, incident.Bot, incident.StepFailed{
		Step: "lag", Action: "aurora.lag", Attempt: 1, Advice: true, Unknown: true,
		Error: "no data point for 9 min", Evidence: map[string]string{"last lag": "1,840 ms", "age": "9 min"},
	})
	s.at(307, incident.Bot, incident.StepFinished{Step: "nodes", Action: "kube.nodes", Attempt: 1, Summary: "6 nodes in 3 zones"},
		incident.ApprovalAsked{Question: "q1", Kind: incident.AskGo, Step: "go", Title: "Begin the failover", Role: "commander", Failed: []string{"lag"}})
	s.at(327, "U1", incident.ApprovalGiven{Question: "q1", Kind: incident.AskGo, Step: "go", Choice: "go", Overridden: []string{"lag"}, Reason: "the primary is gone"},
		incident.StepFinished{Step: "go", Summary: "Alice pressed Go"})
	s.at(327, incident.Bot, incident.StepStarted{Step: "fence", Action: "kube.fence", Attempt: 1})
	s.at(327, incident.Bot, incident.StepStarted{Step: "scale/order-service", Action: "kube.scale", Attempt: 1},
		incident.ChangeIntended{Step: "scale/order-service", Action: "kube.scale", Attempt: 1, Before: "HPA minimum 2"})
	s.at(332, incident.Bot, incident.StepFailed{Step: "fence", Action: "kube.fence", Attempt: 1, Error: "us-east-1 does not answer"},
		incident.ApprovalAsked{Question: "q2", Kind: incident.AskFailed, Step: "fence", Title: "Fencing stopped", Role: "commander", Failed: []string{"fence"}})
	s.at(342, "U1", incident.ApprovalGiven{Question: "q2", Kind: incident.AskFailed, Step: "fence", Choice: "skip", Reason: "unreachable"},
		incident.StepSkipped{Step: "fence", Reason: "unreachable"})
	s.at(387, incident.Bot, incident.StepFinished{Step: "scale/order-service", Action: "kube.scale", Attempt: 1, Changed: true, Summary: "6 of 6 pods are available"},
		incident.ApprovalAsked{
			Question: "q3", Kind: incident.AskApprove, Step: "promote", Title: "Promote the database in us-west-2", Role: "approver", Confirm: "us-west-2",
			Effects: []incident.Effect{{Step: "promote", What: "FailoverGlobalCluster, data loss allowed", Lost: "about 1.8 s of writes"}},
		})
	s.at(507, incident.Bot, incident.ApprovalExpired{Question: "q3", Step: "promote"},
		incident.ApprovalAsked{
			Question: "q4", Kind: incident.AskApprove, Step: "promote", Title: "Promote the database in us-west-2", Role: "approver", Expired: 1, Again: "nobody answered",
			Effects: []incident.Effect{{Step: "promote", What: "FailoverGlobalCluster, data loss allowed", Lost: "about 1.8 s of writes"}},
		})
	s.at(548, "U2", incident.ApprovalGiven{Question: "q4", Kind: incident.AskApprove, Step: "promote", Choice: "approve"})
	s.at(548, incident.Bot, incident.StepStarted{Step: "promote", Action: "aurora.failover", Attempt: 1},
		incident.ChangeIntended{Step: "promote", Action: "aurora.failover", Attempt: 1, Before: "ecommerce-primary writes"},
		incident.DurabilityObtained{Step: "promote", Secured: incident.Secured{How: "no append-only file"}})
	s.at(560, incident.Bot, incident.RunTaken{Holder: "bot-1", Token: 2, Return: true, Looking: []string{"promote"}},
		incident.StepStarted{Step: "promote", Action: "aurora.failover", Attempt: 1})
	s.at(638, incident.Bot, incident.StepFinished{Step: "promote", Action: "aurora.failover", Attempt: 1, Changed: true, Summary: "ecommerce-secondary writes in us-west-2"})
	s.step("dns", "takeover.put", 638, 640, incident.StepFinished{Changed: true, Summary: "takeover is there"})
	s.step("dns-answers", "dns.authoritative", 640, 700, incident.StepFinished{Summary: "4 of 4 name servers answer us-west-2"})
	s.step("restart", "kube.restart", 700, 700, incident.StepFinished{Changed: true, Summary: "order-service in us-west-2 is restarting"})
	s.at(700, incident.Bot, incident.StepStarted{Step: "resolvers", Action: "dns.resolvers", Attempt: 1},
		incident.StepFailed{Step: "resolvers", Action: "dns.resolvers", Attempt: 1, Advice: true, Error: "0 of 3 public resolvers answer us-west-2"})
	s.step("order", "probe.order", 700, 703, incident.StepFinished{Summary: "order 17 was read back"})
	s.at(703, incident.Bot, incident.IncidentMitigated{Summary: "Users are served from us-west-2"})
	s.at(1500, "U1", incident.NoteAdded{Text: "all <quiet> now"}, incident.IncidentResolved{Reason: "holds"})
	return s.events
}

func names(id string) string { return map[string]string{"U1": "Alice", "U2": "Bob"}[id] }

func ours(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../templates/review/review.md.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	file = filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (go test -update writes it anew):\n%s", file, diff)
	}
}

func TestTheDraftOfALostRegion(t *testing.T) {
	got, stats, err := Write(regionLoss(t), Options{Template: ours(t), Name: names})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "region-loss.md", got)
	if n := strings.Count(string(got), "*to fill in: "); n != stats.ToFill {
		t.Errorf("the draft marks %d values to fill in and counts %d", n, stats.ToFill)
	}
	if stats.Measured < 15 {
		t.Errorf("only %d values were measured", stats.Measured)
	}
}

func TestTheTimelineIsOneLineForEachEvent(t *testing.T) {
	events := regionLoss(t)
	got := Timeline(events, names)
	golden(t, "region-loss.timeline", got)
	if n := strings.Count(string(got), "\n"); n != len(events) {
		t.Errorf("%d lines for %d events", n, len(events))
	}
}

func TestTheHeadingsAreThoseOfTheSourceDocument(t *testing.T) {
	got, _, err := Write(regionLoss(t), Options{Template: ours(t)})
	if err != nil {
		t.Fatal(err)
	}
	var headings []string
	for line := range strings.Lines(string(got)) {
		if h, ok := strings.CutPrefix(line, "### "); ok {
			headings = append(headings, strings.TrimSpace(h))
		}
	}
	want := []string{
		"Incident Summary", "Timeline", "Root Cause Analysis", "What Went Well", "What Could Be Improved", "Action Items", "Metrics",
	}
	if len(headings) < len(want) || !slices.Equal(headings[:len(want)], want) {
		t.Errorf("headings are %q, want them to begin with %q", headings, want)
	}
	for _, name := range []string{"(TTD)", "(TTR)", "(TTM)", "Time to Resolve", "Error budget consumed", "SLA impact"} {
		if !strings.Contains(string(got), name) {
			t.Errorf("no metric %s", name)
		}
	}
}

func TestWhatATimelineDoesNotShowIsMarkedAndNotInvented(t *testing.T) {
	var s story
	in := declared(false)
	in.Began, in.Severity = time.Time{}, ""
	s.at(0, "U1", in)
	got, _, err := Write(s.events, Options{Template: ours(t), Name: names})
	if err != nil {
		t.Fatal(err)
	}
	has(t, got,
		"| Severity | *to fill in: the severity* |",
		"- **Time to Mitigate (TTM):** *to fill in: needs T0 and T5* (impact T0 not known to served again T5 not known)",
		"| *to fill in: not resolved yet* | Incident resolved |",
		"This run changed nothing.",
		"- No plan is on the timeline",
	)
	if strings.Contains(string(got), "REHEARSAL") {
		t.Error("an incident in earnest is marked as a rehearsal")
	}
	if strings.Contains(string(got), "0001") {
		t.Error("a time that is not known was printed")
	}
}

// has looks for all of these in a draft.
func has(t *testing.T, draft []byte, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(string(draft), want) {
			t.Errorf("the draft lacks %q", want)
		}
	}
}

func TestEachDurationStandsBesideItsTwoTimestamps(t *testing.T) {
	got, _, err := Write(regionLoss(t), Options{Template: ours(t)})
	if err != nil {
		t.Fatal(err)
	}
	has(t, got,
		"**Time to Mitigate (TTM):** 11 min 43 s (impact T0 14:00:00 UTC to served again T5 14:11:43 UTC)",
		"**Time to Resolve (full recovery):** 25 min (impact T0 14:00:00 UTC to resolved T6 14:25:00 UTC)",
		"**Time to Detect (TTD):** *to fill in: needs T1* (impact T0 14:00:00 UTC to first alert T1 not known)",
		"**Recovery time objective of 30 min:** met, 11 min 43 s used",
	)
}

func TestTheImpactEndsWhenUsersAreSeenToBeServed(t *testing.T) {
	plan := testPlan(t)
	plan.Steps = append(plan.Steps, runbook.Step{ID: "traffic", Kind: runbook.Wait, Proves: []incident.Trait{incident.UsersServed}})
	raw, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	var events []incident.Event
	for _, e := range regionLoss(t) {
		if b, ok := e.Body.(incident.RunBegun); ok {
			b.Plan = raw
			e.Body = b
		}
		if _, ok := e.Body.(incident.IncidentMitigated); ok {
			seen := e
			seen.Time = e.Time.Add(-time.Second)
			seen.Body = incident.StepStarted{Step: "traffic", Action: "probe.region", Attempt: 1}
			events = append(events, seen)
			seen.Body = incident.StepFinished{Step: "traffic", Action: "probe.region", Attempt: 1}
			events = append(events, seen)
		}
		events = append(events, e)
	}
	got, _, err := Write(events, Options{Template: ours(t)})
	if err != nil {
		t.Fatal(err)
	}
	has(t, got,
		"| 14:11:42 UTC | Users served again |",
		"| 14:11:43 UTC | Services validated in secondary region (Users are served from us-west-2) |",
		"**Time to Mitigate (TTM):** 11 min 42 s (impact T0 14:00:00 UTC to served again T5 14:11:42 UTC)",
		"**Recovery time objective of 30 min:** met, 11 min 42 s used",
	)
}

// What people and outside systems can put into a record: a terminal's escapes, the
// second set of control characters, marks of direction, and Markdown.
const hostile = "\x1b[2Jred \u009b31m \u202eevil\u2066 \x00 ~~gone~~ https://bad.example @alice # x"

func TestWhatPeopleTypedHasNoEffectInReviewOrTimeline(t *testing.T) {
	events := slices.Clone(regionLoss(t))
	events = append(events, incident.Event{Seq: uint64(len(events)) + 1, Time: events[len(events)-1].Time, Actor: "alice", Body: incident.NoteAdded{Text: hostile}})
	draft, _, err := Write(events, Options{Template: ours(t), Name: func(id string) string { return "Al\u202eice " + id }})
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"review": string(draft), "timeline": string(Timeline(events, func(string) string { return "Al\u009bice" }))} {
		for _, r := range got {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
				t.Fatalf("%s has %U", name, r)
			}
		}
		if !strings.Contains(got, "evil") {
			t.Errorf("the note is not in the %s", name)
		}
	}
	has(t, draft, `\~\~gone\~\~ https\://bad.example @<!-- -->alice`)
}

func TestBadInputIsSaid(t *testing.T) {
	events := regionLoss(t)
	bad := slices.Clone(events)
	bad[1].Body = incident.RunBegun{Plan: json.RawMessage(`{"steps": 7}`)}
	for name, c := range map[string]struct {
		events   []incident.Event
		template string
		want     string
	}{
		"no events":       {nil, "x", "does not say that an incident was declared"},
		"no template":     {events, " ", "the template is empty"},
		"torn template":   {events, "a\n{{ if }}", "review.md.tmpl:2"},
		"unknown field":   {events, "{{ .Colour }}", "Colour"},
		"unreadable plan": {bad, "x", "event 2: read the frozen plan"},
	} {
		if _, _, err := Write(c.events, Options{Template: c.template}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want one with %q", name, err, c.want)
		}
	}
}

func TestGapsInTheRecordAreFound(t *testing.T) {
	events := regionLoss(t)
	events = slices.Delete(events, 5, 6)
	events[9].Time = events[9].Time.Add(-time.Hour)
	events = append(events, incident.Event{Seq: events[len(events)-1].Seq + 1, Time: t0.Add(time.Hour), Body: incident.Unknown{Name: "MoonRose"}})
	got, _, err := Write(events, Options{Template: ours(t)})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Events between 5 and 7 are missing.", "two clocks disagreed", "MoonRose", "The bot was away for up to 12 s"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no gap %q", want)
		}
	}
}

func TestABreakGlassApprovalIsLoud(t *testing.T) {
	events := regionLoss(t)
	for i, e := range events {
		if g, ok := e.Body.(incident.ApprovalGiven); ok && g.Question == "q4" {
			g.BrokeGlass, g.Reason = true, "nobody else is awake"
			events[i].Body, events[i].Actor = g, "U1"
		}
	}
	got, _, err := Write(events, Options{Template: ours(t), Name: names})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"BREAK-GLASS: approved alone; reason: nobody else is awake", `Alice approved "Promote the database in us-west-2" alone by break-glass`} {
		if !strings.Contains(string(got), want) {
			t.Errorf("the draft lacks %q", want)
		}
	}
	if strings.Contains(string(got), "was approved by somebody else") {
		t.Error("a break-glass approval is praised as one by a second person")
	}
}

func TestDNSIsTakenFromTheZonesOwnServersAndNotFromResolvers(t *testing.T) {
	got, _, err := Write(regionLoss(t), Options{Template: ours(t)})
	if err != nil {
		t.Fatal(err)
	}
	want := "| 14:11:40 UTC | DNS: the zone's own servers moved (dns-answers: 4 of 4 name servers answer us-west-2; public resolvers at 14:11:40 UTC: 0 of 3 public resolvers answer us-west-2) |"
	if !strings.Contains(string(got), want) || strings.Contains(string(got), "propagation complete") {
		t.Errorf("the draft lacks %q", want)
	}
	// Without an answer of the zone's servers nothing else is taken for one.
	events := slices.DeleteFunc(regionLoss(t), func(e incident.Event) bool {
		f, ok := e.Body.(incident.StepFinished)
		return ok && f.Step == "dns-answers"
	})
	if got, _, err = Write(events, Options{Template: ours(t)}); err != nil || !strings.Contains(string(got), "*to fill in: no finished check of the zone's own servers") {
		t.Errorf("%v: a moment was taken from something else", err)
	}
}

func TestWhatLeavesNothingBehindIsNoActionItem(t *testing.T) {
	got, _, err := Write(regionLoss(t), Options{Template: ours(t)})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(got), "Keep or take back the change of scale/order-service") {
		t.Error("a change that stays is no action item")
	}
	if strings.Contains(string(got), "take back the change of restart") {
		t.Error("there is an action item with nothing to take back")
	}
}
