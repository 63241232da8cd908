package commands

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

func TestGoWaitsForReadiness(t *testing.T) {
	r := started(t)
	r.refusedWith(func() Answer { return r.say(alice, "go") }, "Readiness is still being checked: See the outage from two views (outage-seen), Lag is low")
	r.bot(finished("outage-seen", "backup-fresh")...)
	r.bot(incident.StepStarted{Step: "lag-low", Attempt: 1})
	r.refusedWith(func() Answer { return r.say(alice, "go") }, "Readiness is still being checked: Lag is low (lag-low). Go is")
	r.bot(incident.StepFinished{Step: "lag-low", Attempt: 1})
	r.refusedWith(func() Answer { return r.say(alice, "go") }, "Go is not asked for yet")
	r.bot(failed("backup-fresh")...)
	r.askGo()
	if added := r.added(func() { r.say(bob, "retry backup-fresh") }); added != "StepRetried" {
		t.Errorf("a retry before Go appended %s", added)
	}
	r.refusedWith(func() Answer { return r.ask(Ask{Via: by(alice), Verb: "go", On: "qgo"}) }, "Still being checked: Backup is fresh")
	r.bot(finished("backup-fresh")...)
	if added := r.added(func() { contains(t, r.ask(Ask{Via: by(alice), Verb: "go", On: "qgo"}).Text, "Go.") }); added != "ApprovalGiven" {
		t.Errorf("appended %s", added)
	}
	if r.state().GoBy != alice {
		t.Error("nobody pressed Go")
	}
}

func TestReadinessShowsEachCheckAsItStands(t *testing.T) {
	r := started(t)
	r.bot(incident.StepStarted{Step: "outage-seen", Attempt: 1}, incident.StepFinished{Step: "outage-seen", Attempt: 1, Summary: "two views see *us-east-1* down"})
	r.bot(incident.StepStarted{Step: "lag-low", Attempt: 1}, incident.StepFailed{Step: "lag-low", Error: "no data point", Hint: "look at CloudWatch", Unknown: true})
	r.bot(incident.StepStarted{Step: "backup-fresh", Attempt: 1})
	var found string
	if added := r.added(func() { found = shown(r.say(dave, "readiness").Text) }); added != "" {
		t.Errorf("reading appended %s", added)
	}
	contains(t, found, "1 ok, 0 failed, 1 unknown, 1 running", "✓ ok      See the outage from two views: two views see *us-east-1* down",
		"? unknown Lag is low: no data point\n      look at CloudWatch", "▸ running Backup is fresh")
	for _, later := range []string{"Promote", "Go"} {
		if strings.Contains(found, later) {
			t.Errorf("%s is no check before Go:\n%s", later, found)
		}
	}
	// It is said anew each time, and what was gone past is still told.
	r.bot(incident.StepFailed{Step: "backup-fresh", Error: "22 min old"})
	r.askGo()
	if a := r.say(alice, "go-override anyway users are down"); a.Refused {
		t.Fatal(a.Text)
	}
	contains(t, r.say(dave, "readiness").Text, "– skipped Lag is low: gone past: users are down", "(Go by Alice at ")
}

func TestReadinessWithoutAnIncidentSaysSo(t *testing.T) {
	r := newRoom(t)
	r.refusedWith(func() Answer { return r.say(dave, "readiness") }, "There has been no incident yet")
}

func TestAFailedGateTakesAnOverrideWithAReason(t *testing.T) {
	r := started(t)
	r.bot(finished("outage-seen", "backup-fresh")...)
	r.bot(incident.StepStarted{Step: "lag-low", Attempt: 1}, incident.StepFailed{Step: "lag-low", Error: "no data point", Unknown: true})
	r.askGo()
	a := r.refusedWith(func() Answer { return r.say(alice, "go") }, "1 required check is not well", "? unknown: Lag is low (lag-low): no data point")
	if len(a.Buttons) != 2 || a.Buttons[0].Verb != "retry" || a.Buttons[1].Verb != "go_override" || a.Buttons[1].Label != "Go, overriding 1 ..." {
		t.Errorf("buttons %+v", a.Buttons)
	}
	a = r.ask(Ask{Via: by(alice), Verb: "go_override", On: "qgo", CanForm: true})
	if a.Form == nil {
		t.Fatalf("%+v", a)
	}
	form := *a.Form
	a = r.refusedWith(func() Answer {
		return r.ask(Ask{Via: by(alice), Verb: "go_override", On: form.On, Values: map[string]string{"reason": ""}})
	})
	if a.Errors["reason"].Empty() {
		t.Errorf("%+v", a)
	}
	// A gate that fails while the form is open was not seen.
	r.bot(failed("backup-fresh")...)
	fill := Ask{Via: by(alice), Verb: "go_override", On: form.On, Values: map[string]string{"reason": "users are down"}}
	r.refusedWith(func() Answer { return r.ask(fill) }, "This changed while you were reading: Backup is fresh (backup-fresh) failed too")
	r.bot(finished("backup-fresh")...)
	well := started(t)
	well.bot(finished("outage-seen", "lag-low", "backup-fresh")...)
	well.askGo()
	a = well.refusedWith(func() Answer { return well.ask(Ask{Via: by(alice), Verb: "go_override", On: "qgo", CanForm: true}) }, "nothing to override")
	if len(a.Buttons) != 1 || a.Buttons[0].Verb != "go" {
		t.Errorf("buttons %+v", a.Buttons)
	}
	if added := r.added(func() { contains(t, r.ask(fill).Text, "overriding 1 failed gate") }); added != "ApprovalGiven StepSkipped" {
		t.Errorf("appended %s", added)
	}
	s := r.state()
	if st := s.Step("lag-low"); st.Status != incident.Skipped || st.SkipReason != "users are down" || s.GoBy != alice {
		t.Errorf("%+v", st)
	}
	given, ok := r.events()[len(r.events())-2].Body.(incident.ApprovalGiven)
	if !ok || !slices.Equal(given.Overridden, []string{"lag-low"}) || given.Choice != "go" || given.Reason != "users are down" {
		t.Errorf("%+v", given)
	}
}

func TestALockedGateIsNotOverridden(t *testing.T) {
	r := started(t)
	r.bot(finished("lag-low", "backup-fresh")...)
	r.bot(failed("outage-seen")...)
	r.askGo()
	r.refusedWith(func() Answer { return r.say(alice, "go override it burns") }, "See the outage from two views", "cannot be overridden")
	r.refusedWith(func() Answer { return r.say(alice, "go") }, "nothing can go on")
	r.refusedWith(func() Answer { return r.say(alice, "skip outage-seen it burns") }, "cannot be skipped")
}

func TestGoWarnsWhenNobodyIsLeftToApprove(t *testing.T) {
	r := started(t)
	r.Roster = r.Roster[:2] // Alice and Bob
	r.bot(finished("outage-seen", "lag-low", "backup-fresh")...)
	r.askGo()
	contains(t, r.say(bob, "go").Text, "“Promote the database” will need an approver who neither started this nor pressed Go")
}

func TestAStepThatStoppedIsRetried(t *testing.T) {
	r := gone(t)
	r.refusedWith(func() Answer { return r.say(alice, "retry") }, "No step has stopped")
	r.bot(failed("warm-cache")...)
	r.bot(incident.ApprovalAsked{Question: "q7", Kind: incident.AskFailed, Step: "warm-cache", Title: "Warm the cache", Role: Commander})
	r.refusedWith(func() Answer { return r.say(alice, "retry warm-cahce") }, "no step 'warm-cahce'", "Did you mean '/failover retry warm-cache'")
	r.refusedWith(func() Answer { return r.say(alice, "retry move-dns") }, "“Move DNS” has not begun", "“Warm the cache” stopped")
	r.refusedWith(func() Answer { return r.say(alice, "retry begin") }, "was done at 14:00:00 UTC")
	if added := r.added(func() { contains(t, r.ask(Ask{Via: by(alice), Verb: "retry", On: "q7"}).Text, "carried out again") }); added != "ApprovalGiven StepRetried" {
		t.Errorf("appended %s", added)
	}
	if q := r.state().Questions["q7"]; q.Answer != "retry" || q.By != alice {
		t.Errorf("%+v", q)
	}
	r.refusedWith(func() Answer { return r.ask(Ask{Via: by(bob), Verb: "retry", On: "q7"}) }, "answered by Alice")
	r.refusedWith(func() Answer { return r.ask(Ask{Via: by(bob), Verb: "go_on", On: "q7"}) }, "answered by Alice")
	r.refusedWith(func() Answer { return r.ask(Ask{Via: by(bob), Verb: "abort", On: "q7", Text: "x"}) }, "answered by Alice")
}

// Before Go a check may be made again whatever it found; after it what was done stays so.
func TestACheckIsMadeAgainBeforeGo(t *testing.T) {
	r := started(t)
	r.bot(finished("outage-seen", "lag-low", "backup-fresh")...)
	r.askGo()
	if added := r.added(func() { contains(t, r.say(alice, "retry lag-low").Text, "is carried out again") }); added != "StepRetried" {
		t.Errorf("appended %s", added)
	}
	r.bot(finished("lag-low")...)
	r.say(alice, "go")
	r.refusedWith(func() Answer { return r.say(alice, "retry lag-low") }, "was done at")
}

func TestARetryThatTakesANewApprovalSaysSo(t *testing.T) {
	r := promoting(t)
	r.ask(yes(bob, "q1"))
	r.bot(incident.StepStarted{Step: "promote-database", Attempt: 1}, incident.ChangeIntended{Step: "promote-database", Attempt: 1})
	r.bot(incident.StepFailed{Step: "promote-database", Attempt: 1, Error: "throttled"})
	before := promoting(t) // approved, and failed before anything was begun
	before.ask(yes(bob, "q1"))
	before.bot(incident.StepStarted{Step: "promote-database", Attempt: 1}, incident.StepFailed{Step: "promote-database", Attempt: 1, Error: "throttled"})
	contains(t, before.say(alice, "retry promote-database").Text, "an approver is asked once more")
	if before.state().Step("promote-database").Cleared() {
		t.Error("the yes from before the retry still counts")
	}
	got := shown(r.say(alice, "retry promote-database").Text)
	contains(t, got, "“Promote the database” is looked at again.", "an approver is asked once more before it is carried out")
	if strings.Contains(got, "is carried out again") {
		t.Errorf("nothing is carried out before somebody approves: %s", got)
	}
}

// A step that judges what others found is of no use with what they found before.
func TestARetryCarriesOutAgainWhatTheStepJudges(t *testing.T) {
	r := newRoom(t)
	r.Compile = func(f runbook.Facts) (*runbook.Plan, error) {
		p, err := testPlan(f)
		p.Steps[0].Rerun = []string{"lag-low", "backup-fresh", "targets-healthy", "warm-cache"}
		return p, err
	}
	if a := r.say(alice, "start us-west-2 unplanned elevated 5xx"); a.Refused {
		t.Fatal(a.Text)
	}
	r.bot(finished("lag-low")...)
	r.bot(incident.StepStarted{Step: "backup-fresh", Attempt: 1}, incident.StepFailed{Step: "backup-fresh", Error: "not so", Advice: true})
	r.bot(incident.StepStarted{Step: "targets-healthy", Attempt: 1}) // under way; warm-cache has not begun
	r.bot(failed("outage-seen")...)
	before := len(r.events())
	contains(t, r.say(bob, "retry outage-seen").Text,
		"“See the outage from two views” is carried out again, and with it Lag is low (lag-low) and Backup is fresh (backup-fresh).")
	var again []string
	for _, e := range r.events()[before:] {
		if b, ok := e.Body.(incident.StepRetried); ok && e.Actor == bob {
			again = append(again, b.Step)
		}
	}
	if want := []string{"outage-seen", "lag-low", "backup-fresh"}; !slices.Equal(again, want) {
		t.Errorf("carried out again: %v, want %v", again, want)
	}
	s := r.state()
	for step, want := range map[string]incident.Status{
		"outage-seen": incident.Pending, "lag-low": incident.Pending, "backup-fresh": incident.Pending, "targets-healthy": incident.Running,
	} {
		if got := s.Step(step).Status; got != want {
			t.Errorf("%s is %q, want %q", step, got, want)
		}
	}
	r.refusedWith(func() Answer { return r.say(bob, "retry outage-seen") }, "is about to be carried out again")
}

func TestSeveralStoppedStepsAreListed(t *testing.T) {
	r := gone(t)
	r.bot(failed("warm-cache")...)
	r.bot(failed("scale-up")...)
	r.refusedWith(func() Answer { return r.say(alice, "retry") }, "'/failover retry scale-up' or '/failover retry warm-cache'")
	r.refusedWith(func() Answer { return r.say(alice, "skip it is fine") }, "'/failover skip scale-up'")
	if a := r.say(alice, "skip warm-cache anyway it warms by itself"); a.Refused {
		t.Error(a.Text)
	}
	if a := r.say(alice, "retry"); a.Refused {
		t.Errorf("the only one left: %q", a.Text)
	}
}

func TestGoingOnWithoutAStepTakesAReason(t *testing.T) {
	r := gone(t)
	r.bot(failed("warm-cache")...)
	r.bot(incident.ApprovalAsked{Question: "q7", Kind: incident.AskFailed, Step: "warm-cache", Title: "Warm the cache", Role: Commander})
	r.refusedWith(func() Answer { return r.say(alice, "skip warm-cache") }, "Say why", "'/failover skip warm-cache REASON'")
	r.refusedWith(func() Answer { return r.say(alice, "skip warm-cahce it warms") }, "Did you mean '/failover skip warm-cache'")
	a := r.ask(Ask{Via: by(alice), Verb: "go_on", On: "q7", CanForm: true})
	if a.Form == nil || a.Form.On != "q7" {
		t.Fatalf("%+v", a)
	}
	contains(t, a.Form.Text, "warm-cache is not so", "“Move DNS” waits for it")
	if added := r.added(func() {
		r.ask(Ask{Via: by(alice), Verb: "go_on", On: a.Form.On, Values: map[string]string{"reason": "it warms by itself"}})
	}); added != "ApprovalGiven StepSkipped" {
		t.Errorf("appended %s", added)
	}
	if st := r.state().Step("warm-cache"); st.SkipReason != "it warms by itself" || st.SkippedBy != alice {
		t.Errorf("%+v", st)
	}
}

func TestDNSNeverPassesWhatIsLocked(t *testing.T) {
	for _, step := range []string{"promote-database", "targets-healthy"} {
		r := gone(t)
		r.bot(failed(step)...)
		says := []string{"cannot be skipped", "“Move DNS” waits for it", "'/failover retry " + step + "'"}
		r.refusedWith(func() Answer { return r.say(alice, "skip "+step+" we are in a hurry") }, says...)
		r.refusedWith(func() Answer { return r.ask(Ask{Via: by(alice), Verb: "go_on", On: step, CanForm: true}) }, says...)
		r.refusedWith(func() Answer {
			return r.ask(Ask{Via: by(alice), Verb: "go_on", On: step, Values: map[string]string{"reason": "hurry"}})
		}, says...)
	}
}

func TestPauseAndResume(t *testing.T) {
	r := gone(t)
	r.bot(incident.StepStarted{Step: "scale-up", Attempt: 1})
	r.refusedWith(func() Answer { return r.say(alice, "resume") }, "is not paused")
	contains(t, r.say(dave, "pause something is odd").Text, "Paused by Dave (something is odd): nothing new starts", "Scale up")
	if s := r.state(); !s.Paused || s.PauseReason != "something is odd" {
		t.Errorf("%+v", s.Phase())
	}
	r.refusedWith(func() Answer { return r.say(alice, "pause") }, "paused already, by Dave")
	contains(t, r.say(mallory, "status").Text, "paused by Dave: something is odd", "Nothing new starts before '/failover resume'")
	if a := r.say(bob, "resume"); a.Refused || r.state().Paused {
		t.Error(a.Text)
	}
}

func TestAbortBeforePromotionSaysHowChangesAreTakenBack(t *testing.T) {
	r := promoting(t)
	r.refusedWith(func() Answer { return r.say(alice, "abort") }, "'/failover abort take-back REASON'", "'/failover abort leave REASON'", "1. Scale up", "• Scale up (scale-up)")
	r.refusedWith(func() Answer { return r.say(alice, "abort leave") }, "Say why", "'/failover abort leave REASON'")
	a := r.ask(Ask{Via: by(alice), Verb: "abort", CanForm: true})
	if a.Form == nil {
		t.Fatalf("%+v", a)
	}
	contains(t, a.Form.Text, "The run stops for good", "Scale up (scale-up)")
	var done Answer
	if added := r.added(func() {
		done = r.ask(Ask{Via: by(alice), Verb: "abort", On: a.Form.On, Values: map[string]string{"how": "leave", "reason": "it came back"}})
	}); added != "RunAborted" {
		t.Errorf("appended %s", added)
	}
	contains(t, done.Text, "Scale up (scale-up). Way back: scale down again.\nTo take that back: '/failover take-back REASON'. To close it: '/failover resolve unserved REASON'.")
	if strings.Contains(shown(done.Text), "failback") {
		t.Errorf("nothing was promoted, yet:\n%s", done.Text)
	}
	if s := r.state(); !slices.Equal(s.Aborted.Changed, []string{"scale-up"}) || s.Aborted.Reason != "it came back" {
		t.Errorf("%+v", s.Aborted)
	}
	r.refusedWith(func() Answer { return r.say(bob, "abort again") }, "was stopped by Alice at 14:00 UTC")
	r.refusedWith(func() Answer { return r.say(bob, "retry") }, "was stopped by Alice")
	r.refusedWith(func() Answer { return r.say(bob, "pause") }, "was stopped by Alice")
}

func TestAbortAfterPromotionNamesTheWayOn(t *testing.T) {
	intended := incident.ChangeIntended{Step: "promote-database", Action: "aurora.failover", Attempt: 1}
	for name, bodies := range map[string][]incident.Body{
		"done":     {intended, incident.StepFinished{Step: "promote-database", Attempt: 1, Changed: true}},
		"intended": {intended},
		"maybe":    {intended, incident.StepFailed{Step: "promote-database", Attempt: 1, MayHaveHappened: true, Error: "timeout"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := promoting(t)
			r.ask(yes(bob, "q1"))
			r.bot(bodies...)
			a := r.say(alice, "abort enough")
			contains(t, a.Text, "“Promote the database” cannot be taken back at once", "'/failover start us-west-2 unplanned REASON'", "Moving back to us-east-1 is a failback, once it follows again")
			if name != "done" {
				contains(t, a.Text, "which may have happened", "if it happened, writes belong to us-west-2")
			}
			contains(t, r.say(mallory, "status").Text, "aborted at 14:00 UTC by Alice: enough", "'/failover start us-west-2 unplanned REASON'")
		})
	}
}

func TestAbortAnswersTheQuestionOfTheStepThatStopped(t *testing.T) {
	r := gone(t)
	r.bot(failed("warm-cache")...)
	r.bot(incident.ApprovalAsked{Question: "q7", Kind: incident.AskFailed, Step: "warm-cache", Title: "Warm the cache", Role: Commander})
	if added := r.added(func() { r.ask(Ask{Via: by(alice), Verb: "abort", On: "q7", Text: "leave enough"}) }); added != "ApprovalGiven RunAborted" {
		t.Errorf("appended %s", added)
	}
}

func TestResolveComesLast(t *testing.T) {
	r := gone(t)
	r.refusedWith(func() Answer { return r.say(alice, "resolve") }, "cannot be resolved yet: 5 steps are left, next “Scale up”", "'/failover abort REASON'")
	r.bot(finished("scale-up", "promote-database", "targets-healthy", "warm-cache", "move-dns")...)
	r.refusedWith(func() Answer { return r.say(alice, "resolve") }, "not yet on the record that us-west-2 serves")
	r.bot(incident.IncidentMitigated{Summary: "served"})
	r.refusedWith(func() Answer { return r.say(bob, "resolve") }, "takes the commander; Alice (commander)")
	r.refusedWith(func() Answer { return r.say(alice, "pause") }, "Users are served from us-west-2 since 14:00 UTC")
	r.refusedWith(func() Answer { return r.say(alice, "abort x") }, "Users are served from us-west-2")
	id := r.current()
	if added := r.added(func() { contains(t, r.say(alice, "resolve all well").Text, "INC-2026-0001 is resolved") }); added != "IncidentResolved" {
		t.Errorf("appended %s", added)
	}
	if now, _ := r.log.Open(t.Context()); len(now) != 0 {
		t.Errorf("%s is still open", now)
	}
	r.refusedWith(func() Answer { return r.ask(Ask{Via: by(erin), Verb: "resolve", Incident: id}) }, "was resolved by Alice at 14:00 UTC")
	r.refusedWith(func() Answer { return r.ask(Ask{Via: by(erin), Verb: "pause", Incident: id}) }, "was resolved by Alice")
	r.refusedWith(func() Answer { return r.say(dave, "note INC-2026-0001 one thing more") }, "takes no more notes", "/failover review")
	r.refusedWith(func() Answer {
		return r.ask(Ask{Via: by(dave), Verb: "note", Incident: id, Values: map[string]string{"text": "x"}})
	}, "takes no more notes")
	r.refusedWith(func() Answer { return r.say(alice, "resolve") }, "No incident is open")
}

func TestAnAbortedIncidentIsResolved(t *testing.T) {
	r := started(t)
	r.askGo()
	r.say(alice, "abort false alarm")
	r.refusedWith(func() Answer { return r.say(alice, "resolve") }, "Users are not seen to be served", "resolve unserved REASON")
	if added := r.added(func() { r.say(alice, "resolve unserved it was one") }); added != "IncidentResolved ApprovalWithdrawn" {
		t.Errorf("appended %s", added)
	}
}

func TestStatusSaysWhoIsWaitedForSinceWhen(t *testing.T) {
	r := promoting(t)
	r.clock.turn(41 * time.Second)
	a := r.say(mallory, "status")
	contains(t, a.Text, "INC-2026-0001 · SEV-1 · us-east-1 -> us-west-2 · unplanned · running 41 s",
		"v Readiness", "4/4", "> Move", "1/5", "waiting for a person",
		"Approval of “Promote the database”, for Bob, Carol or Erin since 41 s (14:00:00 UTC), asked again at 14:15:00 UTC")
	if a.Public {
		t.Error("status is private")
	}
	r = newRoom(t)
	r.down = errors.New("no answer")
	a = r.say(mallory, "status")
	contains(t, a.Text, "No incident is open", "is being found out", "There has been no incident before")
	contains(t, a.Later(t.Context()).Text, "could not be found out: no answer")

	// A crowd that asks again at once is told so, and asks nobody.
	r.clock.turn(4 * time.Second)
	if a := r.say(mallory, "status"); a.Later != nil || !strings.Contains(shown(a.Text), "could not be found out at 14:00:00 UTC: no answer") {
		t.Errorf("what could not be found out a moment ago is answered: %s", shown(a.Text))
	}
	r.clock.turn(time.Second)
	r.down = nil
	contains(t, r.say(mallory, "status").Later(t.Context()).Text, "us-east-1 serves users now")
	contains(t, r.say(mallory, "status").Text, "us-east-1 serves users now")
	r.clock.turn(time.Minute)
	r.down = errors.New("no answer")
	contains(t, r.say(mallory, "status").Later(t.Context()).Text, "could not be found out: no answer", "At 14:00 UTC it was us-east-1")
	contains(t, r.say(mallory, "status").Text, "could not be found out at 14:01:05 UTC: no answer", "At 14:00 UTC it was us-east-1")
}

func TestStatusAnswersAtOnceWhateverNeverAnswers(t *testing.T) {
	r := newRoom(t)
	r.down = nil
	asked := make(chan struct{}, 100)
	active := r.Active
	never := func(context.Context) (string, string, error) {
		asked <- struct{}{}
		select {} // not even when its context ends
	}
	r.Active = never
	contains(t, r.say(mallory, "status").Text, "No incident is open", "Which Region serves users now is being found out.")
	a := r.say(mallory, "status")
	if a.Later == nil {
		t.Fatal("nothing is to come")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("Mallory has gone"))
	for range 3 { // one look-up for all of them
		contains(t, a.Later(ctx).Text, "could not be found out: Mallory has gone")
	}
	<-asked
	if len(asked) != 0 {
		t.Errorf("it was asked for %d times more", len(asked))
	}

	r = newRoom(t)
	r.Active = active
	contains(t, r.say(mallory, "status").Later(t.Context()).Text, "us-east-1 serves users now")
	if a := r.say(mallory, "status"); a.Later != nil || !strings.Contains(shown(a.Text), "us-east-1 serves users now") {
		t.Errorf("what was found out a moment ago is not said: %s", shown(a.Text))
	}
	r.Active = never
	r.clock.turn(4 * time.Minute)
	contains(t, r.say(mallory, "status").Text, "us-east-1 served users at 14:00 UTC, 4 min ago; how it is now is being found out", "check us-west-2")
}

func TestStatusSaysWhatWasKnownWhenTheRecordIsAway(t *testing.T) {
	r := promoting(t)
	r.log.fail["Open"] = true
	if a := r.say(mallory, "status"); strings.Contains(shown(a.Text), "What was known") {
		t.Errorf("nothing was known: %s", shown(a.Text))
	}
	delete(r.log.fail, "Open")
	r.say(mallory, "status")
	r.clock.turn(2 * time.Minute)
	r.log.fail["Open"] = true
	contains(t, r.say(mallory, "status").Text, "cannot be reached", "What was known at 14:00 UTC, 2 min ago:", "Promote the database")
}

func TestCheckSaysEachFindingInWords(t *testing.T) {
	r := newRoom(t)
	r.engine.findings = []incident.Finding{
		{Step: "nodes", Title: "Nodes per zone", Summary: "6 nodes in 3 zones", Measured: incident.Measured{Verdict: incident.Pass}},
		{Step: "backup", Title: "Backup", Summary: "22 min old (limit 15)", Evidence: map[string]string{"age": "22 min"}, Hint: "run a backup", Measured: incident.Measured{Verdict: incident.Fail}},
		{
			Step: "lag", Title: "Lag", Gate: incident.GateAdvice, Summary: "no <data> point for 9 min", Measured: incident.Measured{Verdict: incident.Unsure},
			Last: &incident.Known{Verdict: incident.Warn, Summary: "1.2 s behind", At: r.clock.Now().Add(-9 * time.Minute)},
		},
		{Step: "dns", Title: "DNS", Summary: "but two checks are slow", Measured: incident.Measured{Verdict: incident.Warn}},
		{Step: "waf", Title: "WAF", Summary: "not applicable: there is none", Measured: incident.Measured{Verdict: incident.NotApplicable}},
	}
	a := r.say(dave, "check us-west-2 unplanned")
	contains(t, a.Text, "Readiness of us-west-2 to take over, unplanned", "1 ok, 1 failed, 1 unknown (1 of them advice), 1 warning, 1 not applicable",
		"us-west-2 is not ready to take over: 1 required check failed.\n✗ failed  Backup: 22 min old (limit 15) (22 min old)\n      run a backup\n"+
			"? unknown Lag: no <data> point for 9 min (advice)\n      Last known, 9 min ago: warning, 1.2 s behind\n"+
			"! warning DNS: but two checks are slow\n✓ ok      Nodes per zone: 6 nodes in 3 zones\n– n/a     WAF: there is none")
	kept := func() (all []incident.Event) {
		all, err := r.log.Read(t.Context(), incident.PlatformLog, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := kept(); len(all) != 1 || all[0].Actor != dave || all[0].Body.(incident.AssessmentMade).Why != incident.WhyCheck || len(all[0].Body.(incident.AssessmentMade).Findings) != 5 {
		t.Errorf("on the platform log: %+v", all)
	}
	for _, words := range []string{"check us-west-2 --mode unplanned", "check --target=us-west-2 --mode=unplanned", "check us-west-2 —mode unplanned"} {
		r.engine.plan = nil
		if r.say(dave, words); r.engine.plan == nil || r.engine.plan.Mode != unplanned {
			t.Errorf("%q checked %+v", words, r.engine.plan)
		}
	}
	if r.engine.plan.Target.Name != "us-west-2" || r.engine.plan.Source.Name != "us-east-1" || r.engine.plan.Mode != unplanned {
		t.Errorf("plan towards %s from %s", r.engine.plan.Target.Name, r.engine.plan.Source.Name)
	}
	r.say(dave, "check")
	if r.engine.plan.Mode != planned || r.engine.plan.Target.Name != "us-west-2" {
		t.Errorf("by default: %s to %s", r.engine.plan.Mode, r.engine.plan.Target.Name)
	}
	for range 200 {
		r.engine.findings = append(r.engine.findings, incident.Finding{Title: long(100), Measured: incident.Measured{Verdict: incident.Pass}})
	}
	if a := r.say(dave, "check"); a.Text.Len() > 8000 || !strings.Contains(shown(a.Text), "checks more") {
		t.Errorf("%d letters", a.Text.Len())
	}
	if len(r.events()) != 0 {
		t.Error("a check began something")
	}
	r.log.fail["Append"] = true
	before := len(kept())
	contains(t, r.say(dave, "check").Text, "✗ failed  Backup", "What was found could not be put on the record")
	if len(kept()) != before {
		t.Error("what could not be kept was")
	}
}

func TestNoteIsForEverybodyAndKept(t *testing.T) {
	r := started(t)
	a := r.say(dave, "note AWS says <!channel> it is down")
	if !a.Public || !repeats(a.Text, "AWS says <!channel> it is down") {
		t.Errorf("%+v", a)
	}
	last := r.events()[len(r.events())-1]
	if n, ok := last.Body.(incident.NoteAdded); !ok || n.Text != "AWS says <!channel> it is down" || last.Actor != dave {
		t.Errorf("%+v", last)
	}
	r.refusedWith(func() Answer { return r.say(dave, "note") }, "needs its text")
	r.refusedWith(func() Answer { return r.say(dave, "note "+long(4000)) }, "At most 3000 letters")
	if a := r.ask(Ask{Via: by(dave), Verb: "note", CanForm: true}); a.Form == nil {
		t.Errorf("%+v", a)
	}
}

func TestTheTimelineHasALineForEachEvent(t *testing.T) {
	r := promoting(t)
	a := r.say(dave, "timeline")
	if a.File == nil {
		t.Fatalf("%+v", a)
	}
	lines := strings.Split(strings.TrimSuffix(string(a.File.Content), "\n"), "\n")
	if len(lines) != len(r.events()) {
		t.Errorf("%d lines for %d events", len(lines), len(r.events()))
	}
	contains(t, lines[0], "2026-03-04 14:00:00 UTC  1", "INC-2026-0001 declared by Alice: SEV-1")
	contains(t, lines[1], "failover-1 begun by Alice", "us-east-1 -> us-west-2")
	if n := strings.Count(shown(a.Text), "\n2026-"); n != shownLines {
		t.Errorf("%d lines shown", n)
	}
	r.say(alice, "abort x")
	r.say(alice, "resolve")
	if a := r.say(dave, "timeline"); a.File == nil || !strings.Contains(a.File.Name, "INC-2026-0001") {
		t.Errorf("after the end: %+v", a)
	}
}

// Go asked for while a check has yet to begin is no Go without it; a check that
// never will, because another failed, is not waited for.
func TestGoWaitsForAChecksFirstBeginning(t *testing.T) {
	r := newRoom(t)
	r.Compile = func(f runbook.Facts) (*runbook.Plan, error) {
		p, err := testPlan(f)
		p.Steps[1].Needs = []string{"outage-seen"} // lag-low comes after
		return p, err
	}
	if a := r.say(alice, "start us-west-2 unplanned elevated 5xx"); a.Refused {
		t.Fatal(a.Text)
	}
	r.bot(finished("outage-seen", "backup-fresh")...)
	r.askGo()
	r.refusedWith(func() Answer { return r.ask(Ask{Via: by(alice), Verb: "go", On: "qgo"}) }, "Still being checked: Lag is low (lag-low)")
	r.refusedWith(func() Answer { return r.say(alice, "go-override it burns") }, "Still being checked: Lag is low (lag-low)")
	r.bot(failed("outage-seen")...) // as a retry of it finds
	r.refusedWith(func() Answer { return r.ask(Ask{Via: by(alice), Verb: "go", On: "qgo"}) }, "1 required check is not well", "See the outage")
}

func TestStatusOfAStoppedRunHasNothingUnderWay(t *testing.T) {
	r := promoting(t)
	r.bot(incident.StepStarted{Step: "warm-cache", Attempt: 1})
	contains(t, r.say(mallory, "status").Text, "1 under way, waiting for a person", "Waiting: Approval")
	if a := r.say(alice, "abort leave enough"); a.Refused {
		t.Fatal(a.Text)
	}
	status := shown(r.say(mallory, "status").Text)
	contains(t, status, "1/5  1 cut off\n")
	for _, no := range []string{"under way", "aiting", "Now:"} {
		if strings.Contains(status, no) {
			t.Errorf("a stopped run is %q:\n%s", no, status)
		}
	}
}

func TestAbortNamesTheValuesThatWereReplaced(t *testing.T) {
	r := gone(t)
	r.bot(incident.StepStarted{Step: "scale-up", Attempt: 1},
		incident.ChangeIntended{Step: "scale-up", Action: "kube.scale", Attempt: 1, Before: "2 replicas, autoscaler from 2 to 10"},
		incident.StepFailed{Step: "scale-up", Attempt: 1, MayHaveHappened: true, Error: "timeout"},
		incident.StepStarted{Step: "scale-up", Attempt: 2},
		incident.ChangeIntended{Step: "scale-up", Action: "kube.scale", Attempt: 2, Before: "2 replicas, autoscaler from 6 to 10"},
		incident.StepFinished{Step: "scale-up", Attempt: 2, Changed: true})
	want := "Scale up (scale-up). Before: 2 replicas, autoscaler from 2 to 10. Way back: scale down again."
	contains(t, r.say(alice, "abort leave enough").Text, "INC-2026-0001 is stopped. What stays changed:\n• "+want+"\nTo take that back: ")
	contains(t, r.say(mallory, "status").Text, want+"\nTo take that back: '/failover take-back REASON'. To close it: '/failover resolve unserved REASON'.")
}

func TestAbortWithNothingChangedIsOneSentenceAfterAnother(t *testing.T) {
	r := started(t)
	if got, want := shown(r.say(alice, "abort false alarm").Text), "INC-2026-0001 is stopped. Nothing was changed. To close it: '/failover resolve unserved REASON'."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	contains(t, r.say(mallory, "status").Text, "Nothing was changed. To close it: '/failover resolve unserved REASON'.")
}

// What does harm if it was meant otherwise is asked back when it is typed, as the button
// does, with what it comes to; the command that is offered then acts.
func TestDangerousTypedCommandsAskBack(t *testing.T) {
	overriding := func(t *testing.T) *room {
		r := started(t)
		r.bot(finished("outage-seen", "backup-fresh")...)
		r.bot(failed("lag-low")...)
		r.askGo()
		return r
	}
	stopped := func(t *testing.T) *room {
		r := gone(t)
		r.bot(failed("warm-cache")...)
		return r
	}
	expired := func(t *testing.T) *room {
		r := promoting(t)
		r.expire("q1")
		r.askPromotion("q2")
		return r
	}
	for _, one := range []struct {
		room               func(*testing.T) *room
		who, typed, offers string
		says               []string
	}{
		{overriding, alice, "go-override users are down", "go-override anyway users are down", []string{"Lag is low", "Without it: Writes may be lost.", "Nothing was done"}},
		{stopped, alice, "skip warm-cache it warms", "skip warm-cache anyway it warms", []string{"“Move DNS” waits for it", "Nothing was done"}},
		{expired, carol, "break-glass us-west-2 nobody answers", "break-glass us-west-2 anyway nobody answers", []string{"What may be lost", "Nothing was done"}},
	} {
		r := one.room(t)
		r.refusedWith(func() Answer { return r.say(one.who, one.typed) }, append(one.says, "'/failover "+one.offers+"'")...)
		verb, rest := Parse(one.typed)
		var a Answer
		if added := r.added(func() { a = r.ask(Ask{Via: by(one.who), Verb: verb, Text: rest, CanForm: true}) }); added != "" || a.Form == nil {
			t.Errorf("%s: appended %q, form %v", one.typed, added, a.Form)
		} else if f := a.Form.Fields[len(a.Form.Fields)-1]; f.Name != "reason" || f.Value == "" {
			t.Errorf("%s: the form has forgotten the reason: %+v", one.typed, f)
		}
		if a := r.say(one.who, one.offers); a.Refused {
			t.Errorf("%s is offered and refused: %s", one.offers, shown(a.Text))
		}
	}
}

// The assessment that is due has what the bot itself is relied on for, too, what is so and
// what is not: the channel is told when that changes.
func TestTheAssessmentThatIsDueHasTheBotsOwnProofs(t *testing.T) {
	r := newRoom(t)
	r.engine.findings = []incident.Finding{{Step: "nodes", Title: "Nodes", Measured: incident.Measured{Verdict: incident.Pass}}}
	broken := errors.New("the channel is archived")
	r.Proofs = &incident.Proofs{Clock: r.clock, List: []incident.Proof{
		{Name: "the record can be written", Where: "Redis", Prove: func(context.Context) error { return nil }},
		{Name: "the channel can be posted to", Where: "C0123456789", Prove: func(context.Context) error { return broken }},
	}}
	a, err := r.AssessStandby(t.Context())
	if err != nil || a.By != incident.Bot || a.Why != incident.WhySchedule || a.Target != "us-west-2" || len(a.Findings) != 3 {
		t.Fatalf("%+v, %v", a, err)
	}
	for i, want := range []incident.Finding{
		{Title: "Nodes", Measured: incident.Measured{Verdict: incident.Pass}},
		{Title: "The bot itself: the record can be written (Redis)", Summary: "it is so", Gate: incident.GateRequired, Measured: incident.Measured{Verdict: incident.Pass}},
		{Title: "The bot itself: the channel can be posted to (C0123456789)", Summary: "the channel is archived", Gate: incident.GateRequired, Measured: incident.Measured{Verdict: incident.Fail}},
	} {
		if f := a.Findings[i]; f.Title != want.Title || f.Summary != want.Summary || f.Gate != want.Gate || f.Verdict != want.Verdict {
			t.Errorf("%+v, want %+v", f, want)
		}
	}
	if incident.Result(a.Findings) != incident.Fail {
		t.Error("what the bot needs is not so, and it is called ready")
	}
	broken = nil
	if a, err = r.AssessStandby(t.Context()); err != nil || incident.Result(a.Findings) != incident.Pass {
		t.Errorf("%+v, %v", a, err)
	}
}
