package commands

import (
	"slices"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
)

// dropped is a room in which the promotion was accepted and does not come about.
func dropped(t *testing.T) *room {
	r := promoting(t)
	r.ask(yes(bob, "q1"))
	r.bot(incident.StepStarted{Step: "promote-database", Attempt: 1}, incident.ChangeIntended{Step: "promote-database", Attempt: 1},
		incident.StepFinished{Step: "promote-database", Attempt: 1, Summary: "asked for", Changed: true},
		incident.StepFailed{Step: "move-dns", Attempt: 1, Error: "it was taken back", WillNotCome: "promote-database"},
		incident.ApprovalAsked{Question: "q8", Kind: incident.AskFailed, Step: "move-dns", Title: "Move DNS", Role: "commander"})
	return r
}

// The wait and the change itself, by the button and typed: all of them ask again.
func TestAChangeThatDoesNotComeAboutIsAskedForAgain(t *testing.T) {
	for name, do := range map[string]func(r *room) Answer{
		"the change": func(r *room) Answer { return r.say(alice, "retry promote-database") },
		"the wait":   func(r *room) Answer { return r.say(alice, "retry move-dns") },
		"the button": func(r *room) Answer { return r.ask(Ask{Via: by(alice), Verb: "retry", On: "q8"}) },
	} {
		t.Run(name, func(t *testing.T) {
			r := dropped(t)
			got := shown(do(r).Text)
			contains(t, got, "“Promote the database” is asked for again", "an approver is asked once more")
			s := r.state()
			for _, step := range []string{"promote-database", "move-dns"} {
				if st := s.Step(step); st.Status != incident.Pending || st.Cleared() {
					t.Errorf("%s is %s, approved still: %t", step, st.Status, st.Cleared())
				}
			}
			if q := s.Questions["q8"]; q.Open || q.Answer != "retry" {
				t.Errorf("the question: %+v", q)
			}
			if st := s.Step("promote-database"); st.Dropped != "it was taken back" || !slices.Contains(st.Retriers, "alice") || !st.Asked.IsZero() {
				t.Errorf("the change: %+v", st)
			}
			// Asked for already, neither is asked for once more.
			if again := shown(r.say(alice, "retry promote-database").Text); !strings.Contains(again, "Nothing was done") {
				t.Errorf("again: %s", again)
			}
		})
	}
}

func TestARetryAfterARefusalKeepsTheApproval(t *testing.T) {
	r := promoting(t)
	r.ask(yes(bob, "q1"))
	r.bot(incident.StepStarted{Step: "promote-database", Attempt: 1}, incident.ChangeIntended{Step: "promote-database", Attempt: 1})
	r.bot(incident.StepFailed{Step: "promote-database", Attempt: 1, Error: "denied", Refused: true})
	got := shown(r.say(alice, "retry promote-database").Text)
	contains(t, got, "“Promote the database” is carried out again, under the approval that Bob gave.")
	if strings.Contains(got, "asked once more") || !r.state().Step("promote-database").Cleared() {
		t.Errorf("%s; cleared %t", got, r.state().Step("promote-database").Cleared())
	}
}
