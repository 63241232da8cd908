package commands

import (
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
)

// Two decide about the same run at the same moment: what the first one wrote holds, and
// the second one's is judged by it, not by what they saw when they pressed.
func TestOfTwoWhoDecideAtOnceTheFirstIsJudgedByNobody(t *testing.T) {
	stop := func(how string) Ask {
		return Ask{Via: by(alice), Verb: "abort", On: "failover-1", Values: map[string]string{"how": how, "reason": "slow"}}
	}
	waiting := func(t *testing.T) *room { // for an approval, with something that can be taken back
		r := scaled(t)
		r.askPromotion("q1")
		r.engine.effects, r.engine.fingerprint = lowLag, "low"
		return r
	}
	planned := func(t *testing.T) *room {
		r := movingPlanned(t)
		r.engine.effects, r.engine.fingerprint = lowLag, "low"
		return r
	}
	type decides func(r *room, replica *Commands) Answer
	presses := func(ask Ask) decides {
		return func(r *room, replica *Commands) Answer { return replica.Do(r.t.Context(), ask) }
	}
	engine := func(bodies ...incident.Body) decides {
		return func(r *room, replica *Commands) Answer {
			own := r.Book // is in the middle of the second's
			defer func() { r.Book = own }()
			r.Book = replica.Book
			r.bot(bodies...)
			return Answer{}
		}
	}
	for name, c := range map[string]struct {
		room   func(t *testing.T) *room
		first  decides
		second Ask
		// refused is what the second is told, in full or in part; empty: it is accepted.
		refused string
		// wrote is what both have written.
		wrote string
		then  func(t *testing.T, s *incident.State)
	}{
		"stopped, then approved": {
			waiting, presses(stop(leaving)), yes(bob, "q1"), "was stopped by Alice", "RunAborted", nil,
		},
		"stopped and taken back, then approved": {
			waiting, presses(stop(takingBack)), yes(bob, "q1"), "was stopped by Alice", "RunAborted RunBegun", nil,
		},
		"approved, then stopped": {
			waiting, presses(yes(bob, "q1")), stop(leaving), "", "ApprovalGiven RunAborted",
			func(t *testing.T, s *incident.State) {
				if !s.Over() || s.Step("promote-database").Changed {
					t.Errorf("%s", s.Phase())
				}
			},
		},
		"approved, then stopped and taken back": {
			waiting, presses(yes(bob, "q1")), stop(takingBack), "", "ApprovalGiven RunAborted RunBegun",
			func(t *testing.T, s *incident.State) {
				// The yes was one to the run that is over.
				if s.Kind != incident.Undo || s.Over() || len(s.Open) > 0 || s.Step("promote-database").Cleared() {
					t.Errorf("%s, open %v", s.Name, s.Open)
				}
			},
		},
		"the change leaves, then stopped and taken back": {
			waiting, engine(incident.StepStarted{Step: "promote-database", Attempt: 1}, incident.ChangeIntended{Step: "promote-database", Attempt: 1, Action: "aurora.failover"}),
			stop(takingBack), "cannot be taken back any more", "StepStarted ChangeIntended", nil,
		},
		"approved, then switched": {
			planned, presses(yes(carol, "q1")),
			Ask{Via: by(bob), Verb: "switch", Text: "unplanned anyway it is gone"},
			"", "ApprovalGiven RunEnded RunBegun",
			func(t *testing.T, s *incident.State) {
				if s.Name != "failover-2" || s.Step("promote-database").Cleared() {
					t.Errorf("%s: the yes to the planned move counts in it", s.Name)
				}
			},
		},
		"switched, then approved": {
			planned, presses(Ask{Via: by(bob), Verb: "switch", Text: "unplanned anyway it is gone"}), yes(carol, "q1"), "withdrawn", "ApprovalWithdrawn RunEnded RunBegun", nil,
		},
		"taken back to the end, then the taking back stopped": {
			func(t *testing.T) *room {
				r := scaled(t)
				r.say(alice, "abort take-back slow")
				return r
			},
			engine(incident.StepStarted{Step: "undo-scale-up", Attempt: 1}, incident.StepFinished{Step: "undo-scale-up", Attempt: 1, Changed: true, Summary: "x"}, incident.RunEnded{How: "done", Summary: "1 change taken back"}),
			Ask{Via: by(bob), Verb: "abort", On: "undo-2", Values: map[string]string{"reason": "wait"}},
			"Nothing was done", "StepStarted StepFinished RunEnded", nil,
		},
		"the taking back stopped, then once more": {
			func(t *testing.T) *room {
				r := scaled(t)
				r.say(alice, "abort take-back slow")
				return r
			},
			presses(Ask{Via: by(bob), Verb: "abort", On: "undo-2", Values: map[string]string{"reason": "wait"}}),
			Ask{Via: by(alice), Verb: "abort", On: "undo-2", Values: map[string]string{"reason": "wait"}},
			"was stopped by Bob", "RunAborted", nil,
		},
		"paused, then approved": {
			waiting, presses(Ask{Via: by(alice), Verb: "pause", Text: "wait"}), yes(bob, "q1"), "", "RunPaused ApprovalGiven",
			func(t *testing.T, s *incident.State) {
				if !s.Paused {
					t.Error("the yes has ended the pause")
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.room(t)
			other := r.Options // another replica, which is not held up
			other.Book = incident.NewBook(r.log.Log)
			replica := New(other, zerolog.Nop())
			came := false
			r.log.sooner = func() {
				came = true
				if a := c.first(r, replica); a.Refused {
					t.Errorf("the first was refused: %s", shown(a.Text))
				}
			}
			before := len(r.events())
			a := r.ask(c.second)
			if !came {
				t.Fatalf("the second wrote nothing that could come too late: %s", shown(a.Text))
			}
			if a.Refused != (c.refused != "") || !strings.Contains(shown(a.Text), c.refused) {
				t.Errorf("refused %t, want %q: %s", a.Refused, c.refused, shown(a.Text))
			}
			var wrote []string
			for _, e := range r.events()[before:] {
				wrote = append(wrote, e.Body.Type())
			}
			if got := strings.Join(wrote, " "); got != c.wrote {
				t.Errorf("they wrote %s, want %s", got, c.wrote)
			}
			if c.then != nil {
				c.then(t, r.state())
			}
			if s := r.state(); s.Damage != "" || slices.ContainsFunc(s.Runs, func(run *incident.Run) bool { return run != s.Run && !run.Over() }) {
				t.Errorf("damage %q, or two runs go on", s.Damage)
			}
		})
	}
}
