package slack

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// assessed puts an assessment on the platform log, with these checks.
func (s *stage) assessed(why string, findings ...incident.Finding) {
	s.t.Helper()
	a := incident.Assessment{At: s.clock.Now(), By: incident.Bot, AssessmentMade: incident.AssessmentMade{
		Why: why, Source: "us-east-1", Target: "us-west-2", Mode: "planned", Findings: findings,
	}}
	if err := incident.NewBook(s.log).KeepAssessment(s.ctx, a, nil, 0); err != nil {
		s.t.Fatal(err)
	}
}

func found(step string, v incident.Verdict, says string) incident.Finding {
	return incident.Finding{Step: step, Title: "Check of " + step, Gate: incident.GateRequired, Summary: says, Measured: incident.Measured{Verdict: v}}
}

// readinessPosts are those in the channel, oldest first.
func (s *stage) readinessPosts() []string {
	var out []string
	for _, m := range s.slack.Messages(channel) {
		p, _ := m.Metadata["event_payload"].(map[string]any)
		if key, _ := p["key"].(string); strings.HasPrefix(key, keyAssessment) {
			out = append(out, shows(m))
		}
	}
	return out
}

// forgetful is a Log that keeps nothing of what was said.
type forgetful struct{ incident.Log }

// Remember does not.
func (forgetful) Remember(context.Context, incident.ID, string, incident.Place) error { return errDied }

// The channel is told what has changed, once, also when the one who told it died before
// it could write that down, and what has become as it was before is not told.
func TestTheChannelIsToldWhatHasChangedInTheReadiness(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	s.sleep(2 * time.Second)
	tell := func(b *Face, want int, has ...string) {
		t.Helper()
		if err := b.TellReadiness(s.ctx); err != nil {
			t.Fatal(err)
		}
		posts := s.readinessPosts()
		if len(posts) != want {
			t.Fatalf("%d posts, want %d: %q", len(posts), want, posts)
		}
		for _, h := range has {
			if !strings.Contains(posts[want-1], h) {
				t.Errorf("it does not say %q: %s", h, posts[want-1])
			}
		}
	}
	const p, w, f, u = incident.Pass, incident.Warn, incident.Fail, incident.Unsure
	due := func(nodes, lag incident.Verdict) {
		s.assessed(incident.WhySchedule, found("nodes", nodes, "5 of 6 nodes"), found("lag", lag, "1.2 s behind"))
		s.sleep(30 * time.Minute)
	}
	due(p, p)
	tell(s.face, 0)
	due(f, p)
	tell(s.face, 1, "Readiness of us-west-2", "✗ Check of nodes: 5 of 6 nodes (was ok)", "us-west-2 is not ready to take over", "1 ok · 1 failed · 0 unknown")
	tell(s.face, 1)
	s.assessed(incident.WhyCheck, found("nodes", p, ""), found("lag", f, "")) // whoever asked has read it
	tell(s.face, 1)
	due(f, u)
	tell(s.face, 1)

	// Slack refuses for a while: what has changed meanwhile and is as it was is left out.
	s.slack.SetAway(true)
	due(p, f)
	if err := s.face.TellReadiness(s.ctx); err == nil {
		t.Error("nothing is said of a Slack that is away")
	}
	due(f, w)
	s.slack.SetAway(false)
	tell(s.face, 2, "! Check of lag: 1.2 s behind (was ok)")
	if posts := s.readinessPosts(); strings.Contains(posts[1], "Check of nodes") {
		t.Errorf("what is as it was is told: %s", posts[1])
	}

	// The one that tells cannot write down that it has; another one finds it in the channel.
	due(p, w)
	deaf := forgetful{s.log}
	b, err := New(func() Options { o := s.face.opt; o.Book = incident.NewBook(deaf); return o }(), s.face.log)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.TellReadiness(s.ctx); err == nil {
		t.Error("nothing is said of a record that keeps nothing")
	}
	tell(s.face, 3, "✓ Check of nodes")
	tell(s.face, 3)
}

// A change that stands for long is not told again by another replica, or by one that has
// just begun, however much was told before.
func TestWhatWasToldOfTheReadinessIsNotToldAgain(t *testing.T) {
	s := newStage(t)
	kill := s.start(s.log)
	for _, v := range []incident.Verdict{incident.Pass, incident.Fail, incident.Pass, incident.Warn} {
		s.assessed(incident.WhySchedule, found("nodes", v, "5 of 6 nodes"))
		if err := s.face.TellReadiness(s.ctx); err != nil {
			t.Fatal(err)
		}
		s.sleep(30 * time.Minute)
	}
	kill()
	s.start(s.log)
	for range 3 {
		s.assessed(incident.WhySchedule, found("nodes", incident.Warn, "5 of 6 nodes"))
		if err := s.face.TellReadiness(s.ctx); err != nil {
			t.Fatal(err)
		}
	}
	if posts := s.readinessPosts(); len(posts) != 3 {
		t.Errorf("%d posts: %q", len(posts), posts)
	}
}

// App Home shows the newest assessment with its age and what is not well in it, as soon
// as there is one, to whoever has it open.
func TestAppHomeShowsHowTheReadinessStands(t *testing.T) {
	s := newStage(t)
	s.answering()
	s.start(s.log)
	s.opens("UALICE", "UEVE")
	_, alice := s.home("UALICE")
	wants(t, "Alice's App Home before any assessment", alice, nil, []string{"Readiness"})

	unsure := found("lag", incident.Unsure, "no answer")
	unsure.Last = &incident.Known{Verdict: incident.Pass, Summary: "0.2 s behind", At: s.clock.Now().Add(-9 * time.Minute)}
	s.assessed(incident.WhySchedule, found("nodes", incident.Pass, "6 nodes"), unsure, found("backup", incident.Fail, "22 min old"), found("dns", incident.Warn, "every 30 s"), found("waf", incident.NotApplicable, "there is none"))
	s.sleep(5 * time.Second)
	_, alice = s.home("UALICE")
	wants(t, "Alice's App Home", alice, []string{
		"*Readiness of us-west-2* to take over, planned", "old when shown", "us-west-2 is not ready to take over: a required check failed.",
		"1 ok · 1 failed · 1 unknown · 1 warning · 1 not applicable", "✗ Check of backup: 22 min old\n? Check of lag: no answer · last known 9 min before: ok, 0.2 s behind\n! Check of dns: every 30 s",
		`"fo.check"`, "us-west-2 planned",
	}, []string{"6 nodes", "there is none"})
	_, eve := s.home("UEVE")
	wants(t, "Eve's App Home", eve, []string{"Readiness of us-west-2"}, []string{`"fo.check"`})

	s.sleep(26 * time.Minute)
	s.opens("UALICE")
	_, alice = s.home("UALICE")
	wants(t, "Alice's App Home later", alice, []string{"26 min 5 s old when shown"}, nil)

	s.assessed(incident.WhyCheck, found("nodes", incident.Pass, "6 nodes"))
	s.sleep(5 * time.Second)
	_, alice = s.home("UALICE")
	wants(t, "Alice's App Home after a check", alice, []string{"us-west-2 could take over.", "1 ok · 0 failed"}, []string{"Check of backup"})

	id := s.open()
	s.play(id, untilAsked())
	s.sleep(10 * time.Second)
	_, alice = s.home("UALICE")
	wants(t, "Alice's App Home in an incident", alice, []string{id.Name(), "us-west-2 could take over."}, nil)
}
