package commands

import (
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// proposes puts a proposal on the platform log, as whoever watches does.
func (r *room) proposes(id string) {
	r.t.Helper()
	r.onPlatform(incident.FailoverProposed{
		Proposal: id, Source: "us-east-1", Target: "us-west-2", Mode: "unplanned", Signals: []string{"pages of us-east-1", "dns of us-east-1"},
		Summary: "us-east-1 is not well by 2 signals", Began: r.clock.Now().Add(-2 * time.Minute),
	})
}

func (r *room) onPlatform(b incident.Body) {
	r.t.Helper()
	_, err := r.Book.Decide(r.t.Context(), incident.PlatformLog, func(*incident.State) (incident.Write, error) {
		return incident.Write{Events: []incident.Event{{Time: r.clock.Now(), Actor: incident.Bot, Body: b}}}, nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func playProposal(_ *testing.T, tr *transcript) {
	r := tr.in("what is proposed", newRoom(tr.t))
	tr.presses(alice, "start_proposed", "p1")
	r.proposes("p1")
	tr.presses(dave, "start_proposed", "p1")
	tr.presses(dave, "not_now", "p1")
	tr.says(alice, "start-proposed p1")
	tr.presses(alice, "start_proposed", "p1")
	tr.presses(bob, "not_now", "p1")
	tr.presses(alice, "not_now", "p1")
	tr.presses(alice, "start_proposed", "p1")
	r.proposes("p2")
	r.onPlatform(incident.ProposalAnswered{Proposal: "p2", Answer: incident.ProposalWithdrawn, Reason: "the signals are well again"})
	tr.presses(alice, "start_proposed", "p2")
	r.proposes("p3")
	tr.fills(alice, "start", "us-west-2", map[string]string{"mode": "unplanned", "reason": "it is down", "severity": "SEV-1"})
	tr.presses(alice, "start_proposed", "p3")
	tr.presses(bob, "not_now", "p3")
}

// The button opens the form of start with what was proposed filled in; nothing has begun
// by that. What is sent then begins, and answers the proposal in the name of who did.
func TestAProposalIsTakenUpByTheFormOfStart(t *testing.T) {
	r := newRoom(t)
	r.proposes("p1")
	a := r.ask(Ask{Via: by(alice), Verb: "start_proposed", On: "p1", CanForm: true})
	if a.Form == nil || a.Form.Verb != "start" || a.Form.On != "us-west-2" {
		t.Fatalf("the form: %+v, %s", a.Form, a.Text)
	}
	values := map[string]string{}
	for _, f := range a.Form.Fields {
		values[f.Name] = f.Value
	}
	began := r.clock.Now().Add(-2*time.Minute).Format("15:04") + " UTC"
	for field, want := range map[string]string{"mode": "unplanned", "reason": "us-east-1 is not well by 2 signals", "severity": "SEV-1", "began": began} {
		if values[field] != want {
			t.Errorf("%s is %q, want %q", field, values[field], want)
		}
	}
	if q := r.platform().Proposals["p1"]; q.Answer != "" {
		t.Errorf("a form has answered it: %+v", q)
	}
	if a = r.ask(Ask{Via: by(alice), Verb: a.Form.Verb, On: a.Form.On, Values: values, Request: "sent"}); a.Refused || len(a.Errors) > 0 {
		t.Fatalf("%s %v", a.Text, a.Errors)
	}
	q := r.platform().Proposals["p1"]
	if q.Answer != incident.ProposalStarted || q.AnsweredBy != alice || q.Incident == "" {
		t.Errorf("the proposal: %+v", q)
	}
	if s := r.state(); s.Mode != "unplanned" || !strings.Contains(s.Declared.Reason, "2 signals") || s.Declared.BeganNotSaid {
		t.Errorf("declared: %+v", s.Declared)
	}
}

// Two people press at once: one of them has said it.
func TestNotNowIsSaidOnce(t *testing.T) {
	r := newRoom(t)
	r.proposes("p1")
	if a := r.ask(Ask{Via: by(alice), Verb: "not_now", On: "p1", Request: "one"}); a.Refused {
		t.Fatal(a.Text)
	}
	if a := r.ask(Ask{Via: by(bob), Verb: "not_now", On: "p1", Request: "two"}); !a.Refused {
		t.Errorf("Bob said it, too: %s", a.Text)
	}
	if q := r.platform().Proposals["p1"]; q.Answer != incident.ProposalDismissed || q.AnsweredBy != alice {
		t.Errorf("the proposal: %+v", q)
	}
}
