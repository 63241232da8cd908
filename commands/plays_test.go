package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// The plays of the transcript: people who ask everything, in rooms where it comes to
// something else each time.

func playNothingOpen(t *testing.T, tr *transcript) {
	r := tr.in("no incident was ever open", newRoom(t))
	tr.says(alice, "help")
	tr.says(mallory, "help")
	tr.says(mallory, "status")
	r.down = errors.New("no answer")
	r.clock.turn(time.Minute)
	tr.says(mallory, "status")
	tr.says(alice, "status") // a moment later
	r.down = nil
	tr.says(mallory, "start us-west-2 planned x")
	tr.says(dave, "start us-west-2 planned x")
	for _, line := range []string{"strat us-wst-2 unplanned x", "<!channel> *now*", "us-west-2", "dance"} {
		tr.says(alice, line)
	}
	tr.says(dave, "timeline")
	tr.says(dave, "readiness")
	tr.says(dave, "review")
	tr.says(alice, "go")
	tr.says(alice, "failback")
	tr.says(alice, "failback us-west-2")
	tr.says(alice, "failback nowhere")

	tr.says(dave, "check")
	verdict := func(v incident.Verdict) incident.Measured { return incident.Measured{Verdict: v} }
	r.engine.findings = []incident.Finding{
		{Title: "Nodes per zone", Summary: "6 nodes in 3 zones", Measured: verdict(incident.Pass)},
		{Title: "Backup", Summary: "22 min old (limit 15)", Evidence: map[string]string{"age": "22 min"}, Hint: "run `velero backup create`", Measured: verdict(incident.Fail)},
		{Title: "Lag", Gate: incident.GateAdvice, Summary: "no <data> point for *9* min", Measured: verdict(incident.Unsure), Last: &incident.Known{Verdict: incident.Pass, Summary: "0.2 s behind", At: r.clock.Now().Add(-9 * time.Minute)}},
		{Title: "Failover records", Summary: "the takeover check looks at the object; but every 30 s", Measured: verdict(incident.Warn)},
		{Title: "WAF", Summary: "not applicable: no load balancer has a web ACL", Measured: verdict(incident.NotApplicable)},
	}
	tr.says(dave, "check us-west-2 unplanned")
	ready := r.engine.findings
	silent := func(step, title, system, gate string) incident.Finding {
		return incident.Finding{
			Step: step, Title: title, Gate: gate, Summary: system + " DescribeThings: no answer", Hint: "ask AWS Health", Measured: verdict(incident.Unsure),
			Cause: &incident.Cause{Says: "no answer from", System: system, Region: "us-west-2"},
		}
	}
	r.engine.findings = []incident.Finding{
		ready[0],
		silent("database", "Database", "RDS", ""), silent("cache", "Cache", "ElastiCache", ""), silent("objects", "Objects", "S3", incident.GateAdvice),
		{Step: "version", Title: "Version", Summary: "15.4 and 15.6 do not go together", Measured: verdict(incident.Fail)},
	}
	tr.says(dave, "check us-west-2")
	r.engine.findings = []incident.Finding{silent("database", "Database", "RDS", "")}
	r.log.fail["Append"] = true
	tr.says(dave, "check us-west-2")
	r.log.fail["Append"] = false
	r.engine.findings = ready
	r.engine.findings = slices.Repeat(r.engine.findings[:1], 300)
	for i := range r.engine.findings {
		r.engine.findings[i].Summary = fmt.Sprintf("%d nodes in 3 zones", i)
	}
	if a := r.say(dave, "check us-west-2"); !strings.HasSuffix(shown(a.Text), " checks more") {
		t.Errorf("a long list: %s", shown(a.Text))
	} else { // its end is enough
		fmt.Fprintf(&tr.out, "\n-- Dave types: check us-west-2 (300 checks)\n   %s\n", shown(a.Text)[strings.LastIndex(shown(a.Text), "\n")+1:])
	}
	tr.says(dave, "check us-east-1")
	tr.says(dave, "check us-west-2 planned and more")
	tr.says(dave, "check us-est-1")
	r.engine.findings = r.engine.findings[:1]
	r.clock.turn(4 * time.Minute)
	tr.says(mallory, "status")
	r.clock.turn(4 * time.Minute)
	r.down = errors.New("lookup www.example.com: no such host")
	tr.says(mallory, "status")
	tr.says(dave, "check us-west-2")
	r.Topology.Regions["eu-west-1"] = runbook.Region{}
	r.Topology.Home = "us-west-2"
	tr.says(dave, "check us-west-2")
	delete(r.Topology.Regions, "eu-west-1")
	r.faults = errors.New("sections/04.yaml:3: unknown action `x.y`\nsections/05.yaml:9: no way back")
	tr.says(dave, "check us-west-2")

	r = tr.in("the settings are at fault", newRoom(t))
	r.Roster = append(r.Roster, Person{ID: erin, Name: "Erin", Roles: []string{Approver}})
	tr.says(erin, "start us-west-2 planned x")
	r.Roster = []Person{{ID: alice, Name: "Alice"}}
	tr.says(alice, "start us-west-2 planned x")
	r.Roster = []Person{person(alice, "Alice", false, Commander), person("alicia", "Alicia", false, Commander)}
	r.Roster[1].Faces = r.Roster[0].Faces
	tr.says(alice, "start us-west-2 planned x")
	r.Roster = nil
	tr.says(alice, "start us-west-2 planned x")
}

func playProved(_ *testing.T, tr *transcript) {
	r := tr.in("what the bot itself is relied on for is tried", newRoom(tr.t))
	var wrong error
	r.Proofs = &incident.Proofs{Clock: r.clock, Holds: time.Minute, List: []incident.Proof{
		{Name: "the record can be written", Where: "Redis", Prove: func(context.Context) error { return nil }},
		{Name: "the channel can be posted to", Where: "#incident-response", Prove: func(context.Context) error { return wrong }},
	}}
	tr.says(dave, "check us-west-2")
	wrong = errors.New("the bot is not in the channel: invite it")
	tr.says(dave, "check us-west-2")
	r.clock.turn(time.Hour)
	tr.says(alice, "start us-west-2 planned x")
}

func playStart(t *testing.T, tr *transcript) {
	r := tr.in("a start that lacks something", newRoom(t))
	tr.presses(alice, "start", "")
	tr.presses(alice, "start", "us-west-2")
	tr.says(alice, "start")
	tr.says(alice, "start us-west-2")
	tr.fills(alice, "start", "", map[string]string{"target": "oregon", "mode": "both", "severity": "9", "began": "soon"})
	tr.fills(alice, "start", "", map[string]string{"target": "us-west-2", "mode": "planned", "reason": long(600), "began": "4000"})
	for _, line := range []string{
		"start us-west-3 unplanned x", "start oregon unplanned x", "start us-west-2 us-east-1", "start us-west-2 planned unplanned x", "start us-west-2 planned detach x",
		"start us-west-2 unplaned x", "start unplaned", "start us-west-2 sev9 planned x", "start us-west-2 planned " + long(600), "start us-east-1 planned back to home",
		"start us-west-2 planned since 13:50 IST x", "start us-west-2 planned since 13:50 Europe/Berlin x", "start us-west-2 planned since 13:50 +25:00 x",
		"start us-west-2 planned since 2026-02-30 10:00 x", "start us-west-2 planned since 10 days ago x", "start us-west-2 planned since 13:50 o'clock x",
		"start u\u0455-west-2 planned x",
	} {
		tr.says(alice, line)
	}
	r.clock.turn(-13 * time.Hour) // 01:00
	tr.fills(alice, "start", "us-west-2 planned", map[string]string{"reason": "x", "began": "12:30"})
	r.clock.turn(13 * time.Hour)
	r.faults = errors.New("sections/04.yaml:3: unknown action `x.y`")
	tr.says(alice, "start us-west-2 planned x")

	r = tr.in("a direction that nothing leads", newRoom(t))
	r.leadsNowhere("us-west-2")
	tr.says(alice, "start us-east-1 planned back home")
	tr.presses(alice, "start", "us-east-1")
	r = tr.in("one Region is asked alone", newRoom(t))
	r.serves(false, nil)
	tr.presses(alice, "start", "us-west-2")
	r.Serves = func(context.Context, string) (bool, string, error) { return false, "", nil }
	tr.presses(alice, "start", "us-west-2")
	r = tr.in("which Region serves is known without evidence", newRoom(t))
	r.Active = func(context.Context) (string, string, error) { return "us-east-1", "", nil }
	tr.says(mallory, "status")

	r = tr.in("a direction that only a failback leads", newRoom(t))
	r.leadsNowhere("us-west-2")
	none := r.Compile
	r.Compile = func(f runbook.Facts) (*runbook.Plan, error) {
		if f.Kind == incident.Failback {
			return testPlan(f)
		}
		return none(f)
	}
	tr.says(alice, "start us-east-1 unplanned back home")

	r = tr.in("a plan that cannot be written down", newRoom(t))
	r.Compile = func(f runbook.Facts) (*runbook.Plan, error) {
		p, err := testPlan(f)
		p.Steps[0].With = json.RawMessage("{")
		return p, err
	}
	tr.says(alice, "start us-west-2 planned x")

	tr.in("a start with its time", newRoom(t))
	tr.says(alice, "start us-west-2 unplanned since 1:50\u202fp.m. users see errors")
	tr.in("a start", newRoom(t))
	tr.says(alice, "start us-west-2 unplanned elevated *5xx* <!here>\nand more")
	tr.says(bob, "start us-west-2 planned x")

	r = tr.in("a start while nobody can tell which Region serves", newRoom(t))
	r.down = errors.New("lookup www.example.com: no such host")
	tr.says(alice, "start us-west-2 unplanned x")
	r = tr.in("three Regions", newRoom(t))
	r.down = errors.New("lookup www.example.com: no such host")
	r.Topology.Regions["eu-west-1"] = runbook.Region{}
	r.Topology.Home = "us-west-2"
	tr.says(alice, "start us-west-2 unplanned x")
}

func playReadiness(t *testing.T, tr *transcript) {
	r := tr.in("readiness is being checked", started(t))
	tr.says(mallory, "status")
	tr.says(alice, "go")
	tr.says(dave, "go")
	tr.says(alice, "retry")
	tr.says(alice, "resume")
	tr.says(bob, "approve us-west-2")
	tr.says(dave, "readiness")
	tr.presses(dave, "remind", "")
	r.bot(finished("outage-seen", "lag-low", "backup-fresh")...)
	tr.says(alice, "go")

	r = tr.in("Go is asked for", started(t))
	r.bot(finished("outage-seen", "backup-fresh")...)
	r.bot(incident.StepStarted{Step: "lag-low", Attempt: 1})
	r.askGo()
	tr.says(mallory, "status")
	tr.says(alice, "go")
	r.bot(incident.StepFailed{Step: "lag-low", Attempt: 1, Error: "no *data* point", Hint: "look at `CloudWatch`", Unknown: true})
	tr.says(alice, "help")
	tr.says(dave, "readiness")
	tr.presses(dave, "remind", "")
	tr.presses(alice, "go", "qgo")
	tr.says(alice, "go-override")
	tr.says(alice, "go-override users are down")
	tr.fills(alice, "go_override", "qgo", map[string]string{"reason": long(600)})
	form := tr.presses(alice, "go_override", "qgo")
	r.bot(incident.StepStarted{Step: "backup-fresh", Attempt: 2}, incident.StepFailed{Step: "backup-fresh", Attempt: 2, Error: "it is old"})
	tr.fills(alice, "go_override", form.Form.On, map[string]string{"reason": "users are down"})
	tr.says(dave, "pause something is odd")
	tr.says(dave, "pause")
	tr.says(alice, "go")
	tr.says(alice, "resume")
	tr.fills(alice, "go_override", "qgo", map[string]string{"reason": "users are *down*"})
	tr.presses(alice, "go", "qgo")
	tr.presses(bob, "go", "qgo")
	tr.says(dave, "readiness")

	r = tr.in("all checks are well", started(t))
	r.bot(finished("outage-seen", "lag-low", "backup-fresh")...)
	r.askGo()
	tr.presses(alice, "go_override", "qgo")
	r.Roster = slices.DeleteFunc(slices.Clone(r.Roster), func(p Person) bool { return p.ID != alice })
	tr.presses(alice, "go", "qgo")

	r = tr.in("an approver presses Go", started(t))
	r.bot(finished("outage-seen", "lag-low", "backup-fresh")...)
	r.askGo()
	tr.presses(bob, "go", "qgo")

	r = tr.in("a locked check failed", started(t))
	r.bot(failed("outage-seen")...)
	r.bot(finished("lag-low", "backup-fresh")...)
	r.askGo()
	tr.says(alice, "go")
	tr.presses(alice, "go_override", "qgo")
	tr.says(dave, "details")
	r = tr.in("nothing is checked before Go", newRoom(t))
	r.Compile = func(f runbook.Facts) (*runbook.Plan, error) {
		p, err := testPlan(f)
		p.Steps = p.Steps[4:]
		return p, err
	}
	r.say(alice, "start us-west-2 unplanned x")
	tr.says(dave, "readiness")
}

func playApproval(t *testing.T, tr *transcript) {
	r := tr.in("an approval is asked for", promoting(t))
	tr.says(bob, "help")
	tr.says(mallory, "status")
	tr.says(alice, "start us-west-2 planned x")
	tr.says(mallory, "approve us-west-2")
	tr.says(mallory, "details")
	tr.says(dave, "details")
	tr.presses(dave, "details", "q1")
	tr.presses(alice, "approve", "q1")
	tr.presses(dave, "approve", "q1")
	tr.presses(bob, "approve", "q99")
	tr.presses(bob, "approve", "qgo")
	tr.presses(bob, "go", "q1")
	tr.says(bob, "approve us-wst-2")
	tr.says(bob, "approve")
	tr.says(bob, "approve us-west-2 promote-databse")
	tr.says(bob, "approve us-west-2 xylophone")
	tr.says(bob, "approve warm-cache us-west-2")
	tr.says(bob, "approve qgo us-west-2")
	tr.fills(bob, "approve", "q1", map[string]string{"confirm": "*us-east-1*"})
	tr.says(bob, "break-glass us-west-2 nobody is here")
	tr.says(carol, "break-glass us-west-2 nobody is here")
	tr.says(erin, "break-glass")
	tr.says(dave, "decline not now")
	tr.presses(dave, "remind", "q1")
	tr.presses(dave, "remind", "q99")
	tr.presses(bob, "approve", "q1")
	r.engine.effects, r.engine.fingerprint = []incident.Effect{{
		Step: "promote-database", What: "FailoverGlobalCluster to ecommerce-secondary", Lost: "about 40 s of writes", Undo: "not at once", Bound: "ecommerce-secondary, lag 30 s to 60 s",
	}, {Step: "move-dns", What: "the health check is inverted", Bound: "hc"}}, "high"
	tr.fills(bob, "approve", "q1", map[string]string{"confirm": "us-west-2"})
	tr.fills(bob, "approve", "q1", map[string]string{"confirm": "us-west-2"})
	r.engine.err = errors.New("RDS: AccessDenied <arn>")
	next := r.state().Open[0]
	tr.fills(bob, "approve", next, map[string]string{"confirm": "us-west-2"})
	r.engine.err = nil
	tr.says(dave, "pause")
	next = r.state().Open[0]
	tr.presses(bob, "decline", next)
	tr.says(bob, "decline it is *worse*")
	tr.presses(carol, "approve", next)
	tr.presses(dave, "remind", next)

	r = tr.in("what an approval does could not be read", promoting(t))
	r.bot(incident.ApprovalAsked{Question: "q7", Kind: incident.AskApprove, Step: "move-dns", Title: "Move DNS", Role: Approver})
	tr.presses(dave, "details", "q7")
	tr.says(dave, "details")

	r = tr.in("an approval while the run is paused", promoting(t))
	tr.says(dave, "pause")
	tr.says(bob, "approve us-west-2")
	tr.presses(carol, "approve", "q1")
	r.say(alice, "resume")
	tr.presses(dave, "remind", "")

	tr.in("an approval", promoting(t))
	tr.says(bob, "approve us-west-2")

	r = tr.in("nobody answered in time", promoting(t))
	r.clock.turn(16 * time.Minute)
	tr.says(bob, "approve us-west-2")
	r.clock.turn(-16 * time.Minute)
	r.expire("q1")
	tr.presses(bob, "approve", "q1")
	r.askPromotion("q2")
	tr.presses(bob, "approve", "q1")
	tr.says(erin, "help")
	r.Roster[3].BreakGlass = true // Dave's
	tr.presses(dave, "approve", "q2")
	tr.presses(erin, "approve", "q2")
	tr.says(bob, "break-glass us-west-2 alone")
	tr.presses(carol, "break_glass", "q2")
	tr.says(carol, "break-glass us-west-2")
	tr.says(carol, "break-glass us-west-2 nobody answers the *phone*")
	tr.says(carol, "break-glass us-west-2 anyway nobody answers the *phone*")

	r = tr.in("nobody may break glass, or answer", promoting(t))
	for i := range r.Roster {
		r.Roster[i].BreakGlass = false
	}
	r.Roster = slices.Clone(r.Roster)
	tr.says(carol, "break-glass us-west-2 alone")
	r.Roster = r.Roster[:1]
	tr.presses(alice, "remind", "q1")
	tr.presses(alice, "approve", "q1")
	tr.says(mallory, "status")
	r = tr.in("an approval without an end", gone(t))
	r.bot(incident.ApprovalAsked{Question: "q1", Kind: incident.AskApprove, Step: "promote-database", Title: "Promote the database", Role: Approver})
	r.bot(incident.ApprovalAsked{Question: "q2", Kind: incident.AskApprove, Step: "warm-cache", Title: "Warm the cache", Role: Approver})
	tr.says(erin, "break-glass us-west-2 alone promote-database")
	tr.says(bob, "approve")
	r.bot(incident.ApprovalWithdrawn{Question: "q2", Step: "warm-cache", Why: "it is *done*"})
	tr.presses(bob, "approve", "q2")
	tr.says(bob, "retry promote-database")
	r = tr.in("who asked for the retry may not approve it", promoting(t))
	tr.presses(bob, "decline", "q1")
	r.say(bob, "decline not yet")
	r.bot(incident.StepFailed{Step: "promote-database", Attempt: 1, Error: "declined by Bob"})
	tr.says(bob, "retry promote-database")
	r.askPromotion("q2")
	tr.presses(bob, "approve", "q2")
}

func playStopped(t *testing.T, tr *transcript) {
	r := tr.in("steps have stopped", gone(t))
	tr.says(alice, "retry")
	tr.says(alice, "retry warm-cahce")
	tr.says(alice, "retry warm-cache")
	tr.says(alice, "decline")
	tr.says(dave, "pause it stands still")
	r.bot(failed("scale-up")...)
	r.bot(incident.StepStarted{Step: "warm-cache", Attempt: 1})
	tr.says(alice, "retry warm-cache")
	tr.says(dave, "resume")
	tr.says(alice, "resume")
	r.bot(incident.StepFailed{Step: "warm-cache", Attempt: 1, Error: "timeout\n*behind* the proxy", MayHaveHappened: true})
	r.bot(incident.ApprovalAsked{Question: "q7", Kind: incident.AskFailed, Step: "warm-cache", Title: "Warm the cache", Role: Commander})
	tr.says(mallory, "status")
	tr.says(alice, "help")
	tr.says(alice, "decline")
	tr.says(alice, "retry")
	tr.says(alice, "retry xylophone")
	tr.says(alice, "retry warm-cahce")
	tr.presses(alice, "retry", "q99")
	tr.presses(bob, "approve", "q7")
	tr.says(alice, "skip warm-cahce it warms")
	tr.says(dave, "skip warm-cache x")
	tr.says(alice, "skip warm-cache")
	tr.says(alice, "skip warm-cache it warms by itself")
	tr.presses(alice, "skip", "warm-cache")
	tr.presses(alice, "go_on", "q7")
	tr.presses(alice, "abort", "q7")
	tr.fills(alice, "go_on", "q7", map[string]string{"reason": ""})
	tr.fills(alice, "go_on", "q7", map[string]string{"reason": "it warms by itself"})
	tr.presses(alice, "go_on", "q7")
	tr.presses(alice, "retry", "q7")
	tr.presses(alice, "retry", "warm-cache")
	tr.says(alice, "retry")
	tr.says(alice, "retry scale-up")
	r.bot(failed("scale-up")...)
	r.bot(incident.StepStarted{Step: "targets-healthy", Attempt: 1})
	tr.says(dave, "pause")
	tr.says(mallory, "status")
	tr.says(alice, "retry scale-up")
	tr.says(alice, "skip scale-up")

	r = tr.in("a locked step stopped", promoting(t))
	r.bot(failed("targets-healthy")...)
	tr.says(alice, "skip targets-healthy because")
	tr.says(alice, "go-on because")
	r.bot(incident.StepFailed{Step: "warm-cache", Attempt: 1, Error: "slow", Advice: true})
	tr.says(alice, "retry warm-cache")
	tr.says(alice, "retry begin")
	r = tr.in("a step that judges others stopped", newRoom(t))
	r.Compile = func(f runbook.Facts) (*runbook.Plan, error) {
		p, err := testPlan(f)
		p.Steps[0].Rerun = []string{"lag-low", "backup-fresh"}
		return p, err
	}
	r.say(alice, "start us-west-2 unplanned x")
	r.bot(failed("outage-seen")...)
	r.bot(finished("lag-low", "backup-fresh")...)
	tr.says(alice, "retry outage-seen")
}

func playEnd(t *testing.T, tr *transcript) {
	r := tr.in("a run that changed something", promoting(t))
	r.bot(incident.StepStarted{Step: "warm-cache", Attempt: 1},
		incident.ChangeIntended{Step: "warm-cache", Attempt: 1, Action: "cache.promote", Before: "2 *replicas*."})
	tr.says(dave, "note AWS says <!channel> it is *down*\nfor good")
	tr.says(dave, "note")
	tr.says(dave, "note "+long(4000))
	tr.fills(dave, "note", "", map[string]string{"text": ""})
	tr.presses(dave, "note", "")
	tr.says(alice, "resolve")
	tr.says(bob, "resolve")
	tr.says(alice, "abort")
	tr.presses(alice, "abort", "")
	tr.fills(alice, "abort", "failover-1", map[string]string{"reason": "enough"})
	tr.says(alice, "abort leave enough of *this*")
	tr.says(mallory, "status")
	tr.says(alice, "help")
	tr.says(bob, "retry")
	tr.says(dave, "pause")
	tr.says(dave, "timeline")
	tr.says(dave, "review")
	r.Review = func(context.Context, incident.ID) (File, error) { return File{Name: "INC-2026-0001-review.md"}, nil }
	tr.says(dave, "review")
	r.Review = func(context.Context, incident.ID) (File, error) { return File{}, errors.New("no space left") }
	tr.says(dave, "review")
	r.Timeline = func(context.Context, incident.ID) (File, error) { return File{}, errors.New("no space left") }
	tr.says(dave, "timeline")
	tr.says(alice, "resolve")
	tr.says(alice, "resolve unserved handed over")
	tr.hears("Erin resolves it again", Ask{Via: by(erin), Verb: "resolve", Incident: "INC-2026-0001"})
	tr.hears("Dave takes a note of it", Ask{Via: by(dave), Verb: "note", Incident: "INC-2026-0001", Text: "one thing more"})
	tr.hears("Alice resolves it again", Ask{Via: by(alice), Verb: "resolve", Incident: "INC-2026-0001"})
	tr.hears("Alice asks for one that is not there", Ask{Via: by(alice), Verb: "status", Incident: "INC-2026-0099"})
	tr.hears("Alice asks for the timeline of one that is not there", Ask{Via: by(alice), Verb: "timeline", Incident: "INC-2026-0099"})
	tr.hears("Alice looks at the one that is resolved", Ask{Via: by(alice), Verb: "status", Incident: "INC-2026-0001"})
	tr.says(mallory, "status")
	tr.says(alice, "note x")

	tr.in("a run that was stopped at once", started(t))
	tr.says(alice, "abort false alarm")
	tr.says(erin, "start us-west-2 planned again")

	r = tr.in("a run that passed its point of no return", promoting(t))
	r.say(bob, "approve us-west-2")
	r.bot(incident.StepStarted{Step: "promote-database", Attempt: 1},
		incident.ChangeIntended{Step: "promote-database", Attempt: 1, Action: "aurora.failover"})
	tr.says(alice, "abort take-back enough")
	tr.says(alice, "abort enough")
	tr.says(alice, "take-back all of it")
	r = tr.in("its change came about", promoting(t))
	r.say(bob, "approve us-west-2")
	r.bot(incident.StepStarted{Step: "promote-database", Attempt: 1}, incident.StepFinished{Step: "promote-database", Attempt: 1, Changed: true, Summary: "promoted"})
	tr.presses(alice, "abort", "")

	r = tr.in("the target serves", gone(t))
	r.clock.turn(20 * time.Minute)
	r.bot(incident.IncidentMitigated{Summary: "served from us-west-2"})
	tr.says(mallory, "status")
	tr.says(alice, "retry")
	tr.says(alice, "start us-west-2 planned x")
	tr.says(alice, "resolve it is over")
	r.active = "us-west-2"
	tr.says(alice, "start us-west-2 planned again")
	tr.says(alice, "failback us-west-2")
	tr.says(alice, "failback unplanned it is well")
	tr.says(mallory, "status")
	r.down = errors.New("RDS: timeout")
	tr.says(alice, "start us-west-2 unplanned again")
	tr.says(alice, "failback it is well again")
	r.down = nil
	r.clock.turn(24 * time.Hour)
	tr.says(mallory, "status")
	tr.says(alice, "start us-west-2 planned again")
	tr.says(alice, "failback us-east-1")
	tr.says(alice, "failback it is well again")
	tr.says(mallory, "status")
	r = tr.in("all steps are done", gone(t))
	r.bot(finished("scale-up", "promote-database", "targets-healthy", "warm-cache", "move-dns")...)
	tr.says(mallory, "status")
	tr.says(alice, "resolve")
}

// playTakeBack is a run that is stopped and taken back.
func playTakeBack(t *testing.T, tr *transcript) {
	changes := func(r *room) *room {
		r.bot(incident.StepStarted{Step: "scale-up", Attempt: 1},
			incident.ChangeIntended{Step: "scale-up", Attempt: 1, Action: "kube.scale", Before: "2 *replicas*", Prior: json.RawMessage(`{"replicas":2}`)},
			incident.StepFinished{Step: "scale-up", Attempt: 1, Changed: true, Summary: "scaled to 6"},
			incident.StepStarted{Step: "drain", Attempt: 1}, incident.StepFinished{Step: "drain", Attempt: 1, Changed: true, Summary: "drained"})
		return r
	}
	begun := func(name string) *room {
		r := tr.in(name, newRoom(t))
		r.Compile = func(f runbook.Facts) (*runbook.Plan, error) {
			p, err := testPlan(f)
			p.Steps = append(p.Steps, runbook.Step{ID: "drain", Section: "move", Title: "Drain the old pods", Kind: runbook.Change, Needs: []string{"scale-up"}, Undo: "nothing", Leaves: "the pods are new"})
			return p, err
		}
		r.say(alice, "start us-west-2 unplanned x")
		r.bot(finished("outage-seen", "lag-low", "backup-fresh")...)
		r.askGo()
		r.say(alice, "go")
		return r
	}
	r := begun("nothing was changed yet")
	tr.says(alice, "abort take-back x")
	tr.says(alice, "take-back x")
	tr.says(alice, "overwrite")
	r.bot(failed("warm-cache")...)
	tr.says(alice, "overwrite warm-cache x")

	r = changes(begun("what was changed is taken back"))
	tr.says(alice, "abort it is slow")
	tr.presses(alice, "abort", "failover-1")
	tr.presses(alice, "abort_back", "failover-1")
	tr.presses(alice, "abort_leave", "failover-1")
	tr.fills(alice, "abort_back", "failover-1", map[string]string{"reason": "it is *slow*"})
	tr.fills(bob, "abort", "failover-1", map[string]string{"how": "leave", "reason": "too slow"})
	tr.says(bob, "abort leave too slow")
	tr.says(mallory, "status")
	tr.says(alice, "take-back x")
	r.bot(incident.StepStarted{Step: "undo-scale-up", Attempt: 1},
		incident.StepFailed{Step: "undo-scale-up", Attempt: 1, Error: "the size was changed by *somebody* else", Hint: "ask who", Meanwhile: []string{"the size is 5"}})
	r.bot(incident.ApprovalAsked{Question: "q8", Kind: incident.AskFailed, Step: "undo-scale-up", Title: "Take back: Scale up", Role: Commander})
	tr.says(alice, "help")
	tr.says(alice, "overwrite undo-scale-up")
	tr.presses(alice, "overwrite", "q8")
	tr.fills(alice, "overwrite", "q8", map[string]string{"reason": "it was me"})
	r.bot(incident.StepStarted{Step: "undo-scale-up", Attempt: 2}, incident.StepFinished{Step: "undo-scale-up", Attempt: 2, Changed: true, Summary: "2 replicas"},
		incident.RunEnded{How: "done", Summary: "1 change taken back: everything is as it was before."})
	tr.says(mallory, "status")
	tr.says(alice, "abort once more")
	tr.says(alice, "take-back x")
	tr.fills(erin, "abort", "failover-1", map[string]string{"how": "take-back", "reason": "slow"})
	tr.says(alice, "resolve")
	tr.says(mallory, "status")

	r = changes(begun("the taking back is stopped"))
	tr.says(alice, "abort leave it is slow")
	tr.says(bob, "abort")
	tr.presses(alice, "take_back", "failover-1")
	tr.says(alice, "take-back")
	tr.says(alice, "take-back it is quiet now")
	tr.presses(bob, "take_back", "failover-1")
	tr.presses(alice, "abort", "undo-2")
	tr.says(alice, "abort not now")
	tr.says(mallory, "status")
	tr.says(alice, "take-back now")
	r.bot(incident.StepFinished{Step: "undo-scale-up", Attempt: 1, Changed: true, Summary: "2 replicas"})
	tr.says(alice, "abort enough")
	tr.says(mallory, "status")

	r = tr.in("the taking back is stopped when nothing is left of it", gone(t))
	r.bot(incident.StepStarted{Step: "scale-up", Attempt: 1}, incident.StepFinished{Step: "scale-up", Attempt: 1, Changed: true, Summary: "scaled to 6"})
	tr.says(dave, "abort take-back x")
	tr.hears("Dave presses: Stop and take back", Ask{Via: by(dave), Verb: "abort_back", On: "failover-1"})
	tr.hears("Dave presses: Stop, leave as is", Ask{Via: by(dave), Verb: "abort_leave", On: "failover-1"})
	tr.says(alice, "abort take-back x")
	r.bot(incident.StepFinished{Step: "undo-scale-up", Attempt: 1, Changed: true, Summary: "2 replicas"})
	tr.says(alice, "abort enough")
}

// playAsked is what people are asked to do or to confirm, and a change that takes
// the yes of two.
func playAsked(t *testing.T, tr *transcript) {
	r := tr.in("people are asked to do something", gone(t))
	r.bot(
		incident.ApprovalAsked{Question: "q1", Kind: incident.AskPerson, Step: "tell-partners", Title: "Tell the payment partners", Role: Responder, Count: 2},
		incident.ApprovalAsked{Question: "q2", Kind: incident.AskPerson, Step: "data-loss", Title: "Which orders are lost", Role: Commander, Choices: []string{"none", "listed", "unknown"}},
	)
	tr.says(mallory, "status")
	tr.says(mallory, "answer tell-partners")
	tr.says(alice, "answer tell-partners")
	tr.says(dave, "answer")
	tr.says(dave, "answer tell-partners no")
	tr.says(dave, "answer tell-partners")
	tr.says(dave, "answer tell-partners")
	tr.says(alice, "answer data-loss")
	tr.says(alice, "answer data-los listed")
	tr.presses(alice, "answer", "q2 listed")
	tr.presses(erin, "answer", "q2 none")
	r.Roster[1].Roles = append(slices.Clone(r.Roster[1].Roles), Responder) // Bob's
	tr.says(bob, "answer tell-partners done")
	tr.says(bob, "answer tell-partners")

	r = tr.in("two people have to agree", gone(t))
	r.bot(incident.ApprovalAsked{Question: "q1", Kind: incident.AskApprove, Step: "promote-database", Title: "Promote the database", Role: Approver, Count: 2, Confirm: "us-west-2", Effects: lowLag, Fingerprint: "low", Digest: r.state().Plan.Digest})
	r.engine.effects, r.engine.fingerprint = lowLag, "low"
	tr.says(bob, "approve us-west-2")
	tr.says(bob, "approve us-west-2")
	tr.says(mallory, "status")
	tr.says(carol, "approve us-west-2")
}

// playSeveralOpen is a second incident beside the first.
func playSeveralOpen(t *testing.T, tr *transcript) {
	r := tr.in("two incidents are open", gone(t))
	first := r.current()
	second, err := r.log.Reserve(t.Context(), r.clock.Now(), "by hand")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Book.Decide(t.Context(), second, func(*incident.State) (incident.Write, error) {
		return incident.Write{Events: []incident.Event{{Time: r.clock.Now(), Actor: alice, Body: incident.IncidentDeclared{Incident: second, Reason: "slow pages", Severity: "SEV-3", Commander: alice}}}}, nil
	}); err != nil {
		t.Fatal(err)
	}
	tr.says(mallory, "status") // of the one whose run changes things
	tr.says(mallory, "status "+second.Name())
	tr.says(alice, "note "+second.Name()+" it is *slow*")
	tr.says(mallory, "status INC-2026-0009")
	if _, err := r.Book.Decide(t.Context(), first, func(*incident.State) (incident.Write, error) {
		return incident.Write{Events: []incident.Event{{Time: r.clock.Now(), Actor: incident.Bot, Body: incident.RunEnded{How: "done"}}}}, nil
	}); err != nil {
		t.Fatal(err)
	}
	tr.says(mallory, "status")
	tr.says(mallory, "status "+first.Name())
	r.log.fail["Append"], r.log.why = true, &incident.LockedError{Holder: incident.Holder{Incident: first, Run: "failover-1"}}
	tr.says(alice, "note "+first.Name()+" x")
	r.log.why = incident.ErrDiverged // it was lost between the look and the note
	tr.says(alice, "note "+first.Name()+" x")
}

func playRecordAway(t *testing.T, tr *transcript) {
	r := tr.in("the record is away", promoting(t))
	away := func(call, line string) {
		r.log.fail[call] = true
		tr.says(alice, line)
		delete(r.log.fail, call)
	}
	away("Open", "help")
	away("Open", "status")
	tr.says(alice, "status")
	r.clock.turn(4 * time.Minute)
	away("Open", "status")
	away("Append", "pause")
	r.log.why = incident.ErrMoved // though nothing came: the events before are gone
	away("Append", "pause")
	for _, why := range []error{incident.ErrFormat, incident.ErrChain} {
		r.log.why = why
		away("Append", "pause")
	}
	for _, trouble := range []incident.RecordError{
		{Trouble: incident.NotReady, Says: "is still loading its data", Helps: "It answers as soon as that is done; try again then.", Err: errors.New("redis at 127.0.0.1:6379: LOADING")},
		{Trouble: incident.TakesNothing, Says: "is at its maxmemory", Helps: "Raise maxmemory.", Err: errors.New("redis at 127.0.0.1:6379: OOM")},
	} {
		r.log.why = &incident.CallError{Err: &trouble}
		away("Append", "pause")
	}
	r.log.why = nil
	r.engine.other = engine.Takeover{Holder: "another", Heard: r.clock.Now().Add(-4 * time.Second), At: r.clock.Now().Add(4 * time.Second)}
	tr.says(mallory, "status")
	r.engine.other = engine.Takeover{}
	// The record lost events and went on without them.
	memory := r.log.Log.(*enginetest.Memory)
	memory.SetBack(r.current(), uint64(len(r.events()))-2)
	tr.says(bob, "approve us-west-2")
	tr.says(alice, "pause")
	tr.says(mallory, "status")
	tr.says(alice, "repair")
	tr.says(alice, "repair go-on")
	tr.presses(alice, "repair", "restore")
	tr.says(alice, "repair restore the database still writes in us-east-1")
	tr.says(alice, "repair go-on once more")

	r = tr.in("the record was set back and written to", promoting(t))
	memory = r.log.Log.(*enginetest.Memory)
	memory.SetBack(r.current(), uint64(len(r.events()))-2)
	other := incident.NewBook(r.log.Log) // a replica that has not seen what was lost
	if _, err := other.Decide(t.Context(), r.current(), func(*incident.State) (incident.Write, error) {
		return incident.Write{Events: []incident.Event{{Time: r.clock.Now(), Actor: incident.Bot, Body: incident.RunPaused{}}}}, nil
	}); err != nil {
		t.Fatal(err)
	}
	tr.says(bob, "approve us-west-2")
	tr.says(alice, "repair restore put them back")
	tr.says(dave, "repair go-on x")
	tr.says(alice, "repair go-on compared: the writer is in us-east-1")
	tr.says(mallory, "status")
	tr.says(alice, "resume")

	r = tr.in("the record was emptied", promoting(t))
	memory = r.log.Log.(*enginetest.Memory)
	memory.SetBack(r.current(), 0)
	tr.says(mallory, "status")
	tr.says(dave, "note the case is open")
	tr.says(alice, "start us-west-2 unplanned once more")
	tr.says(alice, "repair go-on nothing had changed")
	tr.says(mallory, "status")

	r = tr.in("an event cannot be", promoting(t))
	odd := incident.Write{Incident: r.current(), After: uint64(len(r.events())), Request: "odd", Events: []incident.Event{{Time: r.clock.Now(), Actor: incident.Bot, Run: "failback-9", Body: incident.StepStarted{Step: "x"}}}}
	if _, err := r.log.Log.Append(t.Context(), odd); err != nil {
		t.Fatal(err)
	}
	tr.says(mallory, "status")
	tr.says(alice, "retry x")
	tr.says(alice, "abort it cannot be relied on")

	// Two decide at once.
	r = tr.in("somebody else decides on the repair first", promoting(t))
	memory = r.log.Log.(*enginetest.Memory)
	memory.SetBack(r.current(), uint64(len(r.events()))-1)
	tr.says(alice, "pause")
	other = incident.NewBook(r.log.Log)
	r.log.sooner = func() {
		if err := incident.RestoreLost(t.Context(), other, r.current(), bob, nil, r.clock.Now(), "put back"); err != nil {
			t.Error(err)
		}
	}
	tr.says(alice, "repair go-on it holds")
}

func playAskedAgain(t *testing.T, tr *transcript) {
	tr.in("a change does not come about", dropped(t))
	tr.says(alice, "retry promote-database")
	tr.says(alice, "retry promote-database")

	r := tr.in("a call was surely refused", promoting(t))
	r.ask(yes(bob, "q1"))
	r.bot(incident.StepStarted{Step: "promote-database", Attempt: 1}, incident.ChangeIntended{Step: "promote-database", Attempt: 1})
	r.bot(incident.StepFailed{Step: "promote-database", Attempt: 1, Error: "denied", Refused: true})
	tr.says(alice, "retry promote-database")
}
