package slack

import (
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/incident"
)

// proposals are the messages about proposals in the channel, as they stand, oldest first.
func (s *stage) proposals() (out []slacksim.Message) {
	for _, m := range s.slack.Messages(channel) {
		p, _ := m.Metadata["event_payload"].(map[string]any)
		if key, _ := p["key"].(string); strings.HasPrefix(key, keyProposal) {
			out = append(out, m)
		}
	}
	return out
}

func (s *stage) onPlatform(actor string, b incident.Body) {
	s.t.Helper()
	_, err := incident.NewBook(s.log).Decide(s.ctx, incident.PlatformLog, func(*incident.State) (incident.Write, error) {
		return incident.Write{Events: []incident.Event{{Time: s.clock.Now(), Actor: actor, Body: b}}}, nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// A proposal is one message, however often it is told and by how many lives of the bot. It
// has its buttons while it stands, and says afterwards what became of it.
func TestAProposalIsOneMessage(t *testing.T) {
	s := newStage(t)
	kill := s.start(s.log)
	s.sleep(2 * time.Second)
	tell := func(want int, has, lacks []string) {
		t.Helper()
		for range 2 {
			if err := s.face.TellProposals(s.ctx); err != nil {
				t.Fatal(err)
			}
		}
		all := s.proposals()
		if len(all) != want {
			t.Fatalf("%d messages, want %d", len(all), want)
		}
		if want > 0 {
			wants(t, "the newest proposal", shows(all[want-1]), has, lacks)
		}
	}
	tell(0, nil, nil)
	now := s.clock.Now()
	one := incident.FailoverProposed{
		Proposal: "p1", Source: "us-east-1", Target: "us-west-2", Mode: "planned", Signals: []string{"pages of us-east-1"}, Began: now.Add(-time.Minute),
		Seen: []incident.SignalSeen{
			{Signal: "pages of us-east-1", Verdict: incident.Fail, Summary: "0 of 4 health pages served <!channel>", AsOf: now.Add(-7 * time.Second)},
			{Signal: "control", Verdict: incident.Pass, Summary: "reached", AsOf: now.Add(-9 * time.Second)},
			{Signal: "health check of us-east-1", Verdict: incident.Unsure, Summary: "no answer"},
		},
	}
	s.onPlatform(incident.Bot, one)
	buttons := []string{`"fo.start_proposed"`, `"fo.not_now"`, `|p1`}
	tell(1, append(buttons, "*A failover to us-west-2 is proposed*, planned.", "us-east-1 is not well since", "✗ pages of us-east-1: 0 of 4 health pages served", "(7 s old)", "✓ control: 9 s old", "? health check of us-east-1: unknown", "Nothing has begun", "nothing need be lost"), []string{"Orders fail meanwhile", "<!channel>"})

	// What is new about it changes the message.
	one.Mode, one.Moved = "unplanned", true
	s.onPlatform(incident.Bot, one)
	tell(1, append(buttons, "unplanned.", "Route 53 has moved users to us-west-2 already", "*Orders fail meanwhile:*", "its last writes may be lost"), nil)

	// Another life finds it, and what became of it.
	kill()
	s.onPlatform("UBOB", incident.ProposalAnswered{Proposal: "p1", Answer: incident.ProposalDismissed})
	s.start(s.log)
	s.sleep(2 * time.Second)
	tell(1, []string{"Not now, said Bob at"}, append(buttons, "Nothing has begun"))

	one.Proposal = "p2"
	s.onPlatform(incident.Bot, one)
	tell(2, []string{`|p2`}, nil)
	s.onPlatform(incident.Bot, incident.ProposalAnswered{Proposal: "p2", Answer: incident.ProposalWithdrawn, Reason: "the signals are well again"})
	tell(2, []string{"Withdrawn at", "the signals are well again"}, buttons)

	one.Proposal = "p3"
	s.onPlatform(incident.Bot, one)
	s.onPlatform("UALICE", incident.ProposalAnswered{Proposal: "p3", Answer: incident.ProposalStarted, Incident: "INC-2026-0042-abcd"})
	tell(3, []string{"Taken up by Alice at", "INC-2026-0042"}, buttons)
}
