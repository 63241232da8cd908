package slack

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, v any) {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (make golden writes it)", err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("%s looks different (-golden +now); if that is meant, make golden\n%s", name, d)
	}
}

// shown is a message as a golden file has it.
func shown(m message) any {
	return map[string]any{"text": m.text, "blocks": m.blocks, "metadata": m.meta}
}

func TestMessagesLookAsTheyDid(t *testing.T) {
	question := func(id string) func(*Face, incidentView) message {
		return func(b *Face, v incidentView) message { return b.questionMessage(v, v.Questions[id]) }
	}
	card := func(b *Face, v incidentView) message { return b.cardMessage(v) }
	up := func(b *Face, v incidentView) message {
		var next time.Time
		if v.ResolvedAt.IsZero() {
			next = v.Now.Add(15 * time.Minute)
		}
		return b.updateMessage(v, "update/1", next)
	}
	expired := func() *story {
		s := newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0)
		s.add(15*time.Minute, incident.Bot, incident.ApprovalExpired{Question: approveID, Step: "promote"})
		return s.asked("q9", 1)
	}
	broken := func() *story {
		return expired().add(time.Minute, "UBOB", incident.ApprovalGiven{Question: "q9", Kind: incident.AskApprove, Step: "promote", Choice: "approve", Reason: "nobody answers", BrokeGlass: true})
	}
	aborted := func() *story {
		s := newStory("unplanned").readiness().gone().scaleFails()
		return s.add(time.Minute, "UALICE", incident.RunAborted{Reason: "us-east-1 recovered", Changed: []string{"scale/order-service"}})
	}
	back := func() *story {
		return newStory("planned").readiness().gone().add(time.Minute, incident.Bot, incident.RunTaken{Holder: "b", Token: 2, Return: true, Looking: []string{"scale/order-service"}})
	}
	for _, c := range []struct {
		name   string
		story  *story
		render func(*Face, incidentView) message
	}{
		{"card-declared", newStory("unplanned"), card},
		{"card-readiness", newStory("unplanned").readiness(), card},
		{"card-verdicts", everyVerdict(), card},
		{"question-go-verdicts", everyVerdict(), question(goID)},
		{"card-views", watching(), card},
		{"card-locked", disagreed(), card},
		{"question-go-locked", disagreed(), question(goID)},
		{"question-go-retried", disagreed().add(time.Second, "UALICE", incident.StepRetried{Step: "agreed"}), question(goID)},
		{"card-running", newStory("unplanned").readiness().gone(), card},
		{"card-failed-step", newStory("unplanned").readiness().gone().scaleFails(), card},
		{"card-approval", newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0), card},
		{"card-paused", newStory("planned").readiness().gone().add(time.Second, "UCAROL", incident.RunPaused{Reason: "a call with AWS"}), card},
		{"card-aborted", aborted(), card},
		{"card-taking-back", takingBack(), card},
		{"card-taken-back", takenBack(), card},
		{"question-failed-overwrite", takingBack(), question("q8")},
		{"question-failed-dropped", dropped(), question("q8")},
		{"update-taking-back", takingBack(), up},
		{"update-taken-back", takenBack(), up},
		{"card-mitigated", newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted().mitigated(), card},
		{"card-resolved", newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted().mitigated().resolved(), card},
		{"question-go", newStory("unplanned").readiness(), question(goID)},
		{"question-go-answered", newStory("unplanned").readiness().gone(), question(goID)},
		{"question-approval", newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0), question(approveID)},
		{"question-approval-again", expired(), question("q9")},
		{"question-approval-answered", newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted(), question(approveID)},
		{"question-approval-expired", expired(), question(approveID)},
		{"question-approval-break-glass", broken(), question("q9")},
		{"question-failed", newStory("unplanned").readiness().gone().scaleFails(), question(failedID)},
		{"question-failed-answered", newStory("unplanned").readiness().gone().scaleFails().retried(), question(failedID)},
		{"question-ask", asksPeople(), question("q7")},
		{"question-ask-answered", asksPeople().add(time.Second, "UALICE", incident.ApprovalGiven{Question: "q7", Kind: incident.AskPerson, Step: "dns", Choice: "listed"}).
			add(time.Second, "UBOB", incident.ApprovalGiven{Question: "q7", Kind: incident.AskPerson, Step: "dns", Choice: "listed"}), question("q7")},
		{"question-ask-halted", lost(asksPeople()), question("q7")},
		{"card-halted", setBack(), card},
		{"update-halted", setBack(), up},
		{"diverged", setBack(), func(b *Face, v incidentView) message {
			var o outlook
			newFollower(b, inc).notices(v, &o)
			return o.jobs[0].m
		}},
		{"question-go-cause", noAnswers(), question(goID)},
		{"question-failed-cause", bothFail(), question(failedID)},
		{"question-failed-same-cause", bothFail(), question("q6b")},
		{"card-held-up", heldUp(), card},
		{"update-held-up", heldUp(), up},
		{"card-source-lost", sourceLost(), card},
		{"question-approval-source-lost", sourceLost(), question(approveID)},
		{"question-failed-source-lost", sourceLost().scaleFails(), question(failedID)},
		{"update-source-lost", sourceLost(), up},
		{"source-lost", sourceLost(), func(b *Face, v incidentView) message {
			var o outlook
			newFollower(b, inc).notices(v, &o)
			return o.jobs[0].m
		}},
		{"update-declared", newStory("unplanned"), up},
		{"update-promoted", newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted(), up},
		{"update-aborted", aborted(), up},
		{"update-resolved", newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted().mitigated().resolved(), up},
		{"back", back(), func(b *Face, v incidentView) message {
			var o outlook
			f := newFollower(b, inc)
			f.notices(v, &o)
			return o.jobs[0].m
		}},
		{"break-glass", broken(), func(b *Face, v incidentView) message {
			var o outlook
			f := newFollower(b, inc)
			f.rendered = map[string]string{}
			f.questions(v, &o)
			return o.jobs[0].m
		}},
		{"review", newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted().mitigated().resolved(), func(b *Face, v incidentView) message {
			r := v.review()
			r.fill(commands.File{
				Name: "inc-2026-0042-review.md", Title: "Review draft of INC-2026-0042: 23 measured, 9 to fill in",
				Content: []byte("# Review\n\n### Incident Summary\n\n### Timeline\n\n### Metrics\n\n#### Data that may be lost\n\n### Steps\n\n### Everything on the Timeline\n"),
			})
			return b.reviewMessage(v.ID, r, v.practice)
		}},
		{"review-missing", aborted().resolved(), func(b *Face, v incidentView) message {
			r := v.review()
			r.Missing = "the timeline cannot be read"
			return b.reviewMessage(v.ID, r, v.practice)
		}},
		{"thread-verdicts", everyVerdict(), nil},
		{"thread", newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted().mitigated(), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := incident.Fold(c.story.events)
			b := sober(t, c.story.at.Add(5*time.Second))
			if c.render == nil { // what the thread says of it
				c.render = func(b *Face, v incidentView) message {
					var lines []detail
					for _, e := range c.story.events {
						if d, ok := detailOf(e, roster); ok {
							lines = append(lines, d)
						}
					}
					return b.detailMessage(v, lines)
				}
			}
			m := c.render(b, b.viewOf(s))
			within(t, m)
			golden(t, c.name, shown(m))
		})
	}
}

func TestWaitingForPeopleIsCountedAsTheRecordCountsIt(t *testing.T) {
	s := newStory("unplanned").readiness().gone().scaleFails()
	for _, c := range []struct {
		name string
		add  func()
		want time.Duration // of one more minute
	}{
		{"a question stands and nothing runs", func() {}, time.Minute},
		{"a step runs that something waits for", func() { s.add(0, incident.Bot, incident.StepStarted{Step: "dns", Attempt: 1}) }, 0},
		{"only a step runs that nothing waits for", func() {
			s.add(0, incident.Bot, incident.StepFinished{Step: "dns", Attempt: 1}, incident.StepStarted{Step: "s3", Attempt: 2, NonBlocking: true})
		}, time.Minute},
		{"no question stands", func() { s.retried() }, 0},
		{"the run is paused", func() { s.add(0, "UALICE", incident.RunPaused{}) }, time.Minute},
	} {
		c.add()
		b := sober(t, s.at.Add(time.Minute))
		v := b.viewOf(incident.Fold(s.events))
		if got := v.waited() - v.Waited; got != c.want {
			t.Errorf("%s: %s more, want %s", c.name, got, c.want)
		}
	}
}

// watching is while the views of the Region that is left come in.
func watching() *story {
	s := newStory("unplanned")
	for _, id := range []string{"view-here", "view-dns", "view-standby", "agreed", "nodes"} {
		s.add(0, incident.Bot, incident.StepStarted{Step: id, Attempt: 1, NonBlocking: strings.HasPrefix(id, "view")})
	}
	return s.add(6*time.Second, incident.Bot, incident.StepFinished{Step: "view-here", Attempt: 1, Summary: "6 of 6 requests got no answer"})
}

// noAnswer is a failure for a cause that others share.
func noAnswer(step, system string) incident.StepFailed {
	return incident.StepFailed{
		Step: step, Attempt: 1, Unknown: true, Error: system + " DescribeThings: no answer: it took longer than 30 s", Hint: "ask AWS Health about us-west-2",
		Cause: &incident.Cause{Says: "no answer from", System: system, Region: "us-west-2"}, Evidence: map[string]string{"asked": system},
	}
}

// noAnswers is when what is asked of the target has no answer.
func noAnswers() *story {
	s := newStory("planned")
	s.add(time.Second, incident.Bot, incident.RunTaken{Holder: "a", Token: 1}, incident.StepStarted{Step: "nodes", Attempt: 1}, incident.StepStarted{Step: "backup", Attempt: 1}, incident.StepStarted{Step: "s3", Attempt: 1})
	advice := noAnswer("s3", "S3")
	advice.Advice = true
	s.add(30*time.Second, incident.Bot, incident.StepFinished{Step: "nodes", Attempt: 1, Summary: "6 nodes in 3 zones"}, noAnswer("backup", "Backup"), advice)
	return s.add(0, incident.Bot, incident.ApprovalAsked{Question: goID, Kind: incident.AskGo, Step: "go", Title: "Begin to change things", Role: "commander", Failed: []string{"backup"}})
}

// bothFail is when two changes stop for one cause.
func bothFail() *story {
	s := newStory("planned").readiness().gone().
		add(30*time.Second, incident.Bot, noAnswer("scale/order-service", "the cluster"), noAnswer("scale/payment-service", "the cluster"))
	for _, q := range [][2]string{{failedID, "order-service"}, {"q6b", "payment-service"}} {
		s.add(0, incident.Bot, incident.ApprovalAsked{Question: q[0], Kind: incident.AskFailed, Step: "scale/" + q[1], Title: "Scale up " + q[1] + " stopped", Role: "commander", Failed: []string{"scale/" + q[1]}})
	}
	return s
}

// heldUp is when a wait tells why it has not come to its end.
func heldUp() *story {
	return newStory("planned").readiness().gone().scaleFails().retried().
		add(time.Second, incident.Bot, incident.StepRetried{Step: "healthy"}, incident.StepStarted{Step: "healthy", Attempt: 2}, incident.WatchObserved{
			Step: "healthy", Summary: "order-service: 2 of 6 available; 4 of 6 pods are pending; FailedScheduling, 0/6 nodes are available: 6 Insufficient cpu", State: "FailedScheduling",
			Measured: incident.Measured{Verdict: incident.Warn},
		}).add(10*time.Minute, "UALICE", incident.NoteAdded{Text: "x"})
}

// disagreed is when they do not agree, which nobody may go past.
func disagreed() *story {
	s := watching()
	s.add(4*time.Minute, incident.Bot,
		incident.StepFailed{Step: "view-dns", Attempt: 1, Error: "0 of 16 checkers see it down", Advice: true},
		incident.StepFailed{Step: "view-standby", Attempt: 1, Error: "no data point for 9 min", Unknown: true, Advice: true},
		incident.StepFailed{Step: "agreed", Attempt: 1, Error: "1 of 3 views sees us-east-1 down", Hint: "see whether us-east-1 is down at all"},
		incident.StepFinished{Step: "nodes", Attempt: 1, Summary: "6 nodes in 3 zones"},
		incident.StepFailed{Step: "backup", Attempt: 1, Error: "22 min old (limit 15)"},
		incident.StepFinished{Step: "s3", Attempt: 1, Summary: "0 pending"})
	return s.add(0, incident.Bot, incident.ApprovalAsked{Question: goID, Kind: incident.AskGo, Step: "go", Title: "Begin to change things", Role: "commander", Failed: []string{"agreed", "backup"}})
}

// buttons are the actions of a message with what each is on.
func buttons(m message) []string {
	var out []string
	for _, block := range m.blocks {
		if a, ok := block.(*slack.ActionBlock); ok {
			for _, e := range a.Elements.ElementSet {
				b := e.(*slack.ButtonBlockElement)
				_, on := split(b.Value)
				out = append(out, strings.TrimSpace(strings.TrimPrefix(b.ActionID, "fo.")+" "+on))
			}
		}
	}
	return out
}

func TestAQuestionIsCalledWhatItWasCalledWhenItWasAsked(t *testing.T) {
	s := newStory("unplanned").readiness().gone().scaleFails().retried()
	s.add(time.Second, incident.Bot,
		incident.ApprovalAsked{Question: "q8", Kind: incident.AskApprove, Step: "promote", Title: "Promote ecommerce-secondary and 2 more", Role: "approver"},
		incident.ApprovalAsked{Question: "q9", Kind: incident.AskFailed, Step: "dns", Title: "Move the name", Role: "commander"})
	b := sober(t, s.at)
	v := b.viewOf(incident.Fold(s.events))
	for id, want := range map[string]string{"q8": "Promote ecommerce-secondary and 2 more", "q9": "Move the name stopped"} {
		if m := b.questionMessage(v, v.Questions[id]); m.text != want {
			t.Errorf("the question begins with %q, want %q", m.text, want)
		}
		if card, _ := json.Marshal(b.cardMessage(v).blocks); !strings.Contains(string(card), want) {
			t.Errorf("the card does not name %q: %s", want, card)
		}
		if now := v.doing(); !strings.Contains(now, want) {
			t.Errorf("the update does not name %q: %s", want, now)
		}
	}
}

func TestGoIsOfferedAsThingsStandNow(t *testing.T) {
	s := disagreed()
	for _, c := range []struct {
		name string
		add  func()
		want []string
		says string
	}{
		{"a gate that nobody may go past", func() {}, []string{"retry agreed", "abort q1"}, "Nothing goes on without: At least two views"},
		{"it is tried again", func() {
			s.add(time.Second, "UALICE", incident.StepRetried{Step: "agreed"})
		}, []string{"retry backup", "abort q1"}, "Still being checked: At least two views"},
		{"it is under way again", func() {
			s.add(time.Second, incident.Bot, incident.StepStarted{Step: "agreed", Attempt: 2})
		}, []string{"retry backup", "abort q1"}, "Still being checked: At least two views"},
		{"it passed, another one did not", func() {
			s.add(time.Second, incident.Bot, incident.StepFinished{Step: "agreed", Attempt: 2, Summary: "2 of 3"})
		}, []string{"retry backup", "go_override q1", "abort q1"}, "Go overrides:\\n• Velero backup"},
		{"all passed", func() {
			s.add(time.Second, "UALICE", incident.StepRetried{Step: "backup"})
			s.add(time.Second, incident.Bot, incident.StepStarted{Step: "backup", Attempt: 2}, incident.StepFinished{Step: "backup", Attempt: 2, Summary: "4 min old"})
		}, []string{"go q1", "abort q1"}, "say Go to begin"},
	} {
		c.add()
		b := sober(t, s.at)
		v := b.viewOf(incident.Fold(s.events))
		m := b.questionMessage(v, v.Questions[goID])
		if got := buttons(m); !slices.Equal(got, c.want) {
			t.Errorf("%s: the question offers %q, want %q", c.name, got, c.want)
		}
		if got := buttons(b.cardMessage(v)); !slices.Equal(got[:len(c.want)], c.want) {
			t.Errorf("%s: the card offers %q, want first %q", c.name, got, c.want)
		}
		if data, _ := json.Marshal(m.blocks); !strings.Contains(string(data), c.says) {
			t.Errorf("%s: the question does not say %q: %s", c.name, c.says, data)
		}
	}
}

func TestTheUpdateSaysOnlyWhatWasMeasured(t *testing.T) {
	started := func(mode string) *story {
		s := newStory(mode)
		return s.add(time.Second, incident.Bot, incident.StepStarted{Step: "agreed", Attempt: 1})
	}
	aborted := func(s *story) *story { return s.add(time.Second, "UALICE", incident.RunAborted{Reason: "x"}) }
	for _, c := range []struct {
		name           string
		story          *story
		source, target string
	}{
		{"a planned run", newStory("planned").readiness(), "planned move", "STANDBY"},
		{"nobody has looked", newStory("unplanned"), "reported down, not confirmed", "STANDBY"},
		{"the views are asked", started("unplanned"), "reported down, not confirmed", "STANDBY"},
		{"they did not agree", started("unplanned").add(time.Second, incident.Bot, incident.StepFailed{Step: "agreed", Attempt: 1, Error: "1 of 3"}), "not confirmed", "STANDBY"},
		{"they agree", newStory("unplanned").readiness(), "DOWN", "STANDBY"},
		{"it runs", newStory("unplanned").readiness().gone(), "DOWN", "TAKING OVER"},
		{"the name is moved, the rest not verified", newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted(), "DOWN", "TAKING OVER"},
		{"mitigated", newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted().mitigated(), "DOWN", "ACTIVE"},
		{"aborted before anything", aborted(newStory("unplanned")), "reported down, not confirmed", "NOT TAKING OVER"},
		{"aborted after the promotion", aborted(newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted()), "DOWN", "ASKED TO TAKE THE DATABASE"},
		{
			"aborted once the database writes there",
			aborted(newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted().
				add(time.Second, incident.Bot, incident.StepFinished{Step: "writable", Attempt: 1, Summary: "it writes"})),
			"DOWN", "HAS THE DATABASE",
		},
	} {
		u := sober(t, c.story.at).viewOf(incident.Fold(c.story.events)).update(c.story.at)
		if u.SourceIs != c.source || u.TargetIs != c.target {
			t.Errorf("%s: %s, %s; want %s, %s", c.name, u.SourceIs, u.TargetIs, c.source, c.target)
		}
	}
}

func TestTheUpdateNamesWhoIsWaitedFor(t *testing.T) {
	asked := func() *story { return newStory("unplanned").readiness().gone().scaleFails().retried() }
	for _, c := range []struct {
		name  string
		story *story
		want  string
	}{
		{"Go is asked", newStory("unplanned").readiness(), "waiting for <@UALICE>, <@UBOB> or <@UCAROL>: Begin the failover to us-west-2"},
		{"right before the approval is asked", asked(), "waiting for <@UBOB> or <@UCAROL>: Promote the database in us-west-2"},
		{"the approval is asked", asked().asked(approveID, 0), "waiting for <@UBOB> or <@UCAROL>: Promote the database in us-west-2"},
		{"it was given", asked().asked(approveID, 0).add(time.Second, "UBOB", incident.ApprovalGiven{Question: approveID, Kind: incident.AskApprove, Step: "promote", Choice: "approve"}), "Promote database"},
		{"it is paused as well", asked().asked(approveID, 0).add(time.Second, "UCAROL", incident.RunPaused{}), "waiting for whoever ends the pause; for <@UBOB> or <@UCAROL>: Promote the database in us-west-2"},
		{"nobody is waited for", newStory("unplanned").readiness().gone(), "Scale up"},
	} {
		if got := sober(t, c.story.at).viewOf(incident.Fold(c.story.events)).doing(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTheImpactEndsWhereItIsSaidThatUsersAreServed(t *testing.T) {
	s := newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted().mitigated()
	v := sober(t, s.at).viewOf(incident.Fold(s.events))
	seen := v.Step("traffic").Ended
	if c := v.card(); c.Mitigated != clockTime(seen) || c.Impact != text.Duration(seen.Sub(v.Declared.Began)) || !seen.Before(v.MitigatedAt) {
		t.Errorf("since %s, impact %s; it began at %s, the name was seen at %s, mitigated at %s", c.Mitigated, c.Impact, v.Declared.Began, seen, v.MitigatedAt)
	}
}

func TestTheSectionThatWasDoneLastIsSaid(t *testing.T) {
	for _, c := range []struct {
		story *story
		want  string
	}{
		{newStory("unplanned").readiness().gone(), ""},
		{newStory("unplanned").readiness().gone().scaleFails().retried(), "Scale up"},
		{newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted().mitigated(), "Move DNS"},
	} {
		if got := sober(t, c.story.at).viewOf(incident.Fold(c.story.events)).done(); got != c.want {
			t.Errorf("done: %q, want %q", got, c.want)
		}
	}
}

func TestAFormLooksAsItDid(t *testing.T) { golden(t, "form", mrkdwn{}.modal(form())) }

func TestEveryMessageOfARehearsalSaysSo(t *testing.T) {
	s := newStory("planned").readiness().gone().scaleFails().retried().asked(approveID, 0)
	b := sober(t, s.at)
	b.opt.Rehearsal = true
	v := b.viewOf(incident.Fold(s.events))
	messages := map[string]message{
		"card": b.cardMessage(v), "update": b.updateMessage(v, "update/1", s.at), "answer": mrkdwn{}.reply(commands.Answer{Text: text.Format("no")}, true),
		"thread": b.detailMessage(v, []detail{{seq: 1, at: s.at, what: "ok"}}),
	}
	for id, q := range v.Questions {
		messages["question "+id] = b.questionMessage(v, q)
	}
	for name, m := range messages {
		section, ok := m.blocks[0].(*slack.SectionBlock)
		if !ok || !strings.HasPrefix(section.Text.Text, "REHEARSAL · ") {
			t.Errorf("%s begins with %+v", name, m.blocks[0])
		}
		if !strings.HasPrefix(m.text, "REHEARSAL · ") {
			t.Errorf("the notification of %s is %q", name, m.text)
		}
	}
}

// within checks Slack's limits and that the buttons of one block differ.
func within(t *testing.T, m message) {
	t.Helper()
	data, err := json.Marshal(m.blocks)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 13000 {
		t.Errorf("the blocks are %d characters long", len(data))
	}
	if n := len(m.blocks); n == 0 || n > 50 {
		t.Errorf("%d blocks", n)
	}
	if utf8.RuneCountInString(m.text) > 4000 || m.text == "" {
		t.Errorf("the text is %q", m.text)
	}
	rows := map[string]bool{}
	for _, b := range m.blocks {
		switch b := b.(type) {
		case *slack.SectionBlock:
			if n := utf8.RuneCountInString(b.Text.Text); n == 0 || n > 3000 {
				t.Errorf("a section of %d characters", n)
			}
		case *slack.ActionBlock:
			if rows[b.BlockID] || len(b.BlockID) > 255 || len(b.Elements.ElementSet) > 25 || len(b.Elements.ElementSet) == 0 {
				t.Errorf("row %q with %d buttons", b.BlockID, len(b.Elements.ElementSet))
			}
			rows[b.BlockID] = true
			seen := map[string]bool{}
			for _, e := range b.Elements.ElementSet {
				e := e.(*slack.ButtonBlockElement)
				if seen[e.ActionID] || utf8.RuneCountInString(e.Text.Text) > 75 || len(e.Value) > 2000 || len(e.ActionID) > 255 {
					t.Errorf("row %q: %+v", b.BlockID, e)
				}
				seen[e.ActionID] = true
			}
		case *slack.ContextBlock:
		default:
			t.Errorf("%T is not shown by every client", b)
		}
	}
}

// endless is a story in which every text is far too long and hostile, with many
// sections, steps, failures and questions.
func endless() *story {
	text := strings.Repeat("<!channel> & *bold* `code` ünïcödé <@UEVIL>\n\n~ ", 120)
	p := smallPlan("unplanned")
	p.Title, p.Topology.Platform, p.Digest = text, text, "x"
	for i := range 200 {
		section := fmt.Sprintf("s%d", i%60)
		if i < 60 {
			p.Sections = append(p.Sections, runbook.Section{ID: section, Title: text})
		}
		p.Steps = append(p.Steps, runbook.Step{ID: fmt.Sprintf("step%d", i), Group: fmt.Sprintf("step%d", i), Section: section, Title: text, Kind: []runbook.Kind{runbook.Check, runbook.Change}[i%2], Needs: []string{"nodes"}})
	}
	raw, _ := json.Marshal(p)
	s := &story{at: began}
	s.add(0, "UALICE", incident.IncidentDeclared{Incident: inc, Severity: text, Reason: text, Began: began, Commander: "UALICE"}, incident.RunBegun{Source: text, Target: text, Mode: "unplanned", Digest: "x", Plan: raw})
	var ids []string
	for i := range 200 {
		id := fmt.Sprintf("step%d", i)
		ids = append(ids, id)
		s.add(time.Second, incident.Bot, incident.StepStarted{Step: id, Attempt: 1})
		if i%4 < 2 {
			s.add(0, incident.Bot, incident.StepFailed{Step: id, Error: text, Hint: text, Evidence: map[string]string{text: text}})
		} else {
			s.add(0, incident.Bot, incident.StepFinished{Step: id, Summary: text, Changed: true})
		}
	}
	effects := make([]incident.Effect, 40)
	for i := range effects {
		effects[i] = incident.Effect{Step: ids[i], What: text, Lost: text, Undo: text}
	}
	for i := range 30 {
		s.add(0, incident.Bot, incident.ApprovalAsked{Question: fmt.Sprintf("a%d", i), Kind: incident.AskApprove, Step: ids[i], Title: text, Role: text, Confirm: text, Digest: text, Effects: effects, Again: text})
	}
	s.add(0, incident.Bot, incident.ApprovalAsked{Question: "g", Kind: incident.AskGo, Title: text, Role: "commander", Failed: ids, Digest: text})
	s.add(0, incident.Bot, incident.ApprovalAsked{Question: "f", Kind: incident.AskFailed, Step: ids[0], Title: text, Role: "commander", Failed: ids})
	s.add(0, "UALICE", incident.RunPaused{Reason: text})
	return s
}

func TestNoTextIsTooLongForSlack(t *testing.T) {
	s := endless()
	for _, ending := range []struct {
		name string
		body incident.Body
	}{
		{"readiness", incident.NoteAdded{Text: "x"}},
		{"running", incident.ApprovalGiven{Question: "g", Kind: incident.AskGo, Choice: "go", Reason: strings.Repeat("<&>", 5000)}},
		{"aborted", incident.RunAborted{Reason: strings.Repeat("<&>", 5000), Changed: []string{"step1", strings.Repeat("y", 9000)}}},
		{"resolved", incident.IncidentResolved{Reason: strings.Repeat("<&>", 5000)}},
	} {
		t.Run(ending.name, func(t *testing.T) {
			s.add(time.Second, "UALICE", ending.body)
			b := sober(t, s.at)
			v := b.viewOf(incident.Fold(s.events))
			messages := []message{b.cardMessage(v), b.updateMessage(v, "update/1", s.at)}
			for _, q := range v.Questions {
				messages = append(messages, b.questionMessage(v, q))
			}
			var lines []detail
			for _, e := range s.events {
				if d, ok := detailOf(e, roster); ok && len(lines) < linesMax {
					lines = append(lines, d)
				}
			}
			messages = append(messages, b.detailMessage(v, lines))
			for _, m := range messages {
				within(t, m)
				data, _ := json.Marshal(m.blocks)
				for _, bad := range []string{`\u003c!channel`, `\u003c@UEVIL`} {
					if strings.Contains(string(data), bad) {
						t.Errorf("%v: text from outside got through: %s", m.meta["key"], bad)
					}
				}
			}
		})
	}
}

func TestAnApprovalIsCalledTheSameBeforeItIsAskedFor(t *testing.T) {
	p := &planView{steps: map[string]*runbook.Step{
		"fence":  {ID: "fence", Title: "Stop the writers", Approval: &runbook.Approval{By: "approver", Covers: []string{"cache", "switch"}}},
		"switch": {ID: "switch", Title: "Switch the database over", NoReturn: true},
		"cache":  {ID: "cache", Title: "Promote the cache"},
		"alone":  {ID: "alone", Title: "Promote the database", NoReturn: true, Approval: &runbook.Approval{By: "approver", Covers: []string{"switch"}}},
	}}
	for step, want := range map[string]string{"fence": "Switch the database over", "alone": "Promote the database", "cache": "Promote the cache"} {
		if got := p.heading(p.steps[step]); got != want {
			t.Errorf("%s is headed %q, want %q", step, got, want)
		}
	}
}

// stoppedMany has n steps that stopped.
func stoppedMany(n int) *story {
	s := newStory("unplanned").readiness().gone()
	for i := range n {
		step := []string{"scale/order-service", "scale/payment-service", "healthy", "promote", "writable", "dns", "traffic", "order"}[i]
		s.add(time.Second, incident.Bot, incident.StepStarted{Step: step, Attempt: 1}, incident.StepFailed{Step: step, Attempt: 1, Error: "no"},
			incident.ApprovalAsked{Question: fmt.Sprintf("f%d", i), Kind: incident.AskFailed, Step: step, Title: fmt.Sprintf("Step %d stopped", i), Role: "commander"})
	}
	return s
}

func labels(blocks []slack.Block) []string {
	var out []string
	for _, block := range blocks {
		if a, ok := block.(*slack.ActionBlock); ok {
			for _, e := range a.Elements.ElementSet {
				out = append(out, e.(*slack.ButtonBlockElement).Text.Text)
			}
		}
	}
	return out
}

func TestEachOfSeveralButtonsSaysWhatItIsFor(t *testing.T) {
	for n, want := range map[int][]string{
		1: {"Retry", "Go on …", "Abort …", "Pause", "Timeline"},
		2: {"Retry “Step 0”", "Go on without “Step 0” …", "Retry “Step 1”", "Go on without “Step 1” …", "Pause", "Timeline", "Abort …"},
	} {
		s := stoppedMany(n)
		b := sober(t, s.at)
		v := b.viewOf(incident.Fold(s.events))
		if got := labels(b.cardMessage(v).blocks); !slices.Equal(got, want) {
			t.Errorf("%d questions: %q, want %q", n, got, want)
		}
		f := newFollower(b, v.ID)
		f.posted = map[string]string{keyQuestion + "f0": "1.1", keyQuestion + "f1": "1.2"}
		want = append(slices.DeleteFunc(slices.Clone(want), func(l string) bool { return slices.Contains([]string{"Pause", "Timeline", "Abort …"}, l) }), "Abort …")
		if got := labels(f.asked(v).rows); !slices.Equal(got, want) {
			t.Errorf("below the update of %d questions: %q, want %q", n, got, want)
		}
	}
}

func TestWhatTheCardHasNoButtonsForIsCounted(t *testing.T) {
	s := stoppedMany(questionsOnCard + 2)
	b := sober(t, s.at)
	v := b.viewOf(incident.Fold(s.events))
	card := asJSON(t, b.cardMessage(v).blocks)
	if !strings.Contains(card, "and 2 more questions, answered where each was asked") || strings.Count(card, "*Waiting for") != questionsOnCard {
		t.Errorf("the card says %s", card)
	}
	want := "waiting for <@UALICE>, <@UBOB> or <@UCAROL>: Step 0 stopped, Step 1 stopped, Not confirmed: Step 2"
	if got := v.doing(); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, " and 2 more") {
		t.Errorf("the update says %q", got)
	}
}

func TestAfterAnAbortTheCardSaysWhatWasCutOffAndTheImpactGoesOn(t *testing.T) {
	s := newStory("unplanned").readiness().gone().add(time.Second, "UALICE", incident.RunAborted{Reason: "x"})
	later := s.at.Add(5 * time.Minute)
	v := sober(t, later).viewOf(incident.Fold(s.events))
	lines := map[string]sectionLine{}
	for _, l := range v.sections() {
		lines[l.Title] = l
	}
	if l := lines["Scale up"]; l.Note != "2 cut off" || l.Mark != "–" || l.Busy {
		t.Errorf("%+v", l)
	}
	says := func() string { return asJSON(t, sober(t, later).cardMessage(v).blocks) }
	if want := "Impact so far " + text.Duration(later.Sub(v.Declared.Began)); !strings.Contains(says(), want) {
		t.Errorf("%q is not on the card: %s", want, says())
	}
	s.add(time.Minute, "UALICE", incident.IncidentResolved{})
	v = sober(t, later).viewOf(incident.Fold(s.events))
	if want := "Impact " + text.Duration(s.at.Sub(v.Declared.Began)); !strings.Contains(says(), want) || strings.Contains(says(), "so far") {
		t.Errorf("%q is not on the card: %s", want, says())
	}
}

func TestAYesNamesAllThatItCovers(t *testing.T) {
	s := newStory("unplanned").readiness().gone().scaleFails().retried().add(time.Second, incident.Bot, incident.ApprovalAsked{
		Question: "q8", Kind: incident.AskApprove, Step: "promote", Title: "Promote the database", Role: "approver",
		Effects: []incident.Effect{
			{Step: "scale/order-service", What: "services stop", Lost: "orders in hand"},
			{Step: "promote", What: "the writer moves: arn:aws:rds", Lost: "about 1 s of writes", Undo: "not at once"},
			{Step: "cache", What: "the cache moves"},
		},
	})
	b := sober(t, s.at)
	v := b.viewOf(incident.Fold(s.events))
	said := asJSON(t, b.questionMessage(v, v.Questions["q8"]).blocks)
	for _, want := range []string{"*Lost*  about 1 s of writes; orders in hand", "*Undone*  not at once", "*With it*  Scale up order-service · the cache moves", "fo.details"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing in %s", want, said)
		}
	}
	if strings.Contains(said, "arn:") {
		t.Errorf("identifiers are behind Details: %s", said)
	}
}

func TestTheUpdateSaysWhatTakesLongerThanUsualWhileAPersonIsWaitedFor(t *testing.T) {
	s := newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted()
	s.add(time.Second, incident.Bot, incident.ApprovalAsked{Question: "q9", Kind: incident.AskFailed, Step: "dns", Title: "Move the name", Role: "commander"})
	v := sober(t, s.at.Add(13*time.Minute)).viewOf(incident.Fold(s.events))
	want := "waiting for <@UALICE>, <@UBOB> or <@UCAROL>: Move the name stopped; “The database takes writes” takes longer than usual (6 min)"
	if got := v.doing(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTheCardSaysWhatTakesLongerThanUsual(t *testing.T) {
	s := newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted() // writable: usually 6 min
	for after, slow := range map[time.Duration]bool{11 * time.Minute: false, 13 * time.Minute: true} {
		card, err := json.Marshal(sober(t, s.at.Add(after)).cardMessage(sober(t, s.at.Add(after)).viewOf(incident.Fold(s.events))).blocks)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(card), "checks The database takes writes, longer than usual (6 min)"); got != slow {
			t.Errorf("after %s: said %v\n%s", after, got, card)
		}
	}
}

func TestAQuestionIsNeverHeadedByWhatIsNotSo(t *testing.T) {
	ask := func(step, title string) incident.ApprovalAsked {
		return incident.ApprovalAsked{Question: "q9", Kind: incident.AskFailed, Step: step, Title: title, Role: "commander"}
	}
	declined := newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).
		add(time.Second, "UBOB", incident.ApprovalDeclined{Question: approveID, Step: "promote", Reason: "not now"}).
		add(0, incident.Bot, incident.StepFailed{Step: "promote", Error: "declined"}, ask("promote", "Promote the database in us-west-2"))
	waited := newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted().
		add(time.Minute, incident.Bot, incident.StepFailed{Step: "writable", Error: "not so after 15 min"}, ask("writable", "The database takes writes"))
	failed := newStory("unplanned").readiness().gone().add(time.Second, incident.Bot, incident.StepFailed{Step: "scale/order-service", Error: "no room"},
		ask("scale/order-service", "Scale up order-service"))
	for want, s := range map[string]*story{
		"Declined by <@UBOB>: Promote the database in us-west-2": declined,
		"Not confirmed: The database takes writes":               waited,
		"Scale up order-service stopped":                         failed,
	} {
		v := sober(t, s.at).viewOf(incident.Fold(s.events))
		if got := v.about(v.Questions["q9"]); got != want {
			t.Errorf("headed %q, want %q", got, want)
		}
	}
}

func TestTheButtonsSurviveAnyText(t *testing.T) {
	s := endless()
	b := sober(t, s.at)
	v := b.viewOf(incident.Fold(s.events))
	verbs := map[string]bool{}
	for _, block := range b.cardMessage(v).blocks {
		if a, ok := block.(*slack.ActionBlock); ok {
			for _, e := range a.Elements.ElementSet {
				verbs[e.(*slack.ButtonBlockElement).ActionID] = true
			}
		}
	}
	for _, want := range []string{"fo.approve", "fo.decline", "fo.resume", "fo.timeline", "fo.readiness"} {
		if !verbs[want] {
			t.Errorf("the card lost %s; it has %v", want, verbs)
		}
	}
}

func TestAnEllipsisLooksTheSameOnEveryButton(t *testing.T) {
	for in, want := range map[string]string{
		"Approve ...": "Approve …", "Approve …": "Approve …", "Go, overriding 1 ...": "Go, overriding 1 …", "Go": "Go",
	} {
		if got := button(commands.Button{Verb: "x", Label: in}).Text.Text; got != want {
			t.Errorf("%q is shown as %q", in, got)
		}
	}
}

func BenchmarkCard(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprintf("events=%d", n), func(b *testing.B) {
			s := newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0)
			for len(s.events) < n {
				s.add(time.Millisecond, "UALICE", incident.NoteAdded{Text: "a remark"}, incident.StepStarted{Step: "scale/order-service", Attempt: 1})
			}
			state := incident.Fold(s.events)
			bot := sober(b, s.at)
			s = nil
			runtime.GC() // a hundred thousand events in memory are no part of the card
			b.ResetTimer()
			for b.Loop() {
				if m := bot.cardMessage(bot.viewOf(state)); len(m.blocks) == 0 {
					b.Fatal("an empty card")
				}
			}
		})
	}
}

// asksPeople is a run in which two people are asked to do something.
func asksPeople() *story {
	return newStory("unplanned").readiness().gone().add(time.Second, incident.Bot, incident.ApprovalAsked{
		Question: "q7", Kind: incident.AskPerson, Step: "dns", Title: "Which orders are lost", Role: incident.RoleCommander, Count: 2, Choices: []string{"none", "listed"},
	})
}

// setBack is a run whose record lost its last two events.
func setBack() *story { return lost(newStory("unplanned").readiness().gone()) }

func lost(s *story) *story {
	last := s.events[len(s.events)-1].Seq
	return s.add(time.Second, incident.Bot, incident.HistoryDiverged{Common: last, Held: last + 2, Found: last, Lost: []json.RawMessage{
		json.RawMessage(`{"seq":1}`), json.RawMessage(`{"seq":2}`),
	}})
}
