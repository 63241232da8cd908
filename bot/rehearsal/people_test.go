package rehearsal

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/bot/slack/slacksim/slacktest"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/pagerduty"
	"github.com/failoverbot/failoverbot/providers/people"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// A failover in which support never answers, and whoever is on call has never said that
// they can open the consoles, goes its way: both are asked or told once, as advice, and
// those on call are mentioned once.
func TestAFailoverWaitsForNobodysWord(t *testing.T) {
	var printed bytes.Buffer
	r := &rehearsal{
		Options: Options{Auto: true, Scenario: "region-loss", Speed: sim.Max, Listen: "127.0.0.1:0", Stdout: &printed, Log: zerolog.Nop(), Templates: templates.FS},
	}
	const group, support = "S0ONCALL", "U0DAVE"
	r.change = func(one *bot.Options) {
		one.Connections.Pager = &pagerduty.API{Token: sim.PagerToken, Service: sim.PagerService, Endpoint: r.world.PagerDuty()}
		one.OnCallGroup, one.Support = group, support
		one.Roster = slices.Clone(one.Roster)
		for i, p := range one.Roster {
			one.Roster[i].Faces = maps.Clone(p.Faces)
			if p.ID == "alice" {
				one.Roster[i].Faces[people.FacePager] = "PAL1CE0"
			}
		}
	}
	said := map[string]int{} // what was posted, by what it has in it
	r.ready = func(r *rehearsal) error {
		r.closes = append(r.closes, func() {
			for _, m := range r.slack.Messages("C0INCIDENT") {
				p, _ := m.Metadata["event_payload"].(map[string]any)
				key, _ := p["key"].(string)
				said[key]++
			}
		})
		return nil
	}
	if err := r.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, tail(printed.String(), 40))
	}
	s := incident.Fold(r.seen)
	if s.ResolvedAt.IsZero() || s.MitigatedAt.IsZero() {
		t.Error("the incident is not over")
	}
	if st := s.Step("on-call"); st.Status != incident.Advised || !strings.Contains(st.Failure.Error, "Alice has not said whether they can open the consoles of both Regions") {
		t.Errorf("on-call is %s: %+v", st.Status, st.Failure)
	}
	if st := s.Step("commander-here"); st.Status != incident.Done || !strings.Contains(st.Finished.Summary, "Alice declared it") {
		t.Errorf("commander-here is %s: %+v", st.Status, st.Finished)
	}
	if st := s.Step("support-here"); st.Status == incident.Done || st.Status == incident.Running || st.Status == incident.Pending {
		t.Errorf("support-here is %s", st.Status)
	}
	if said["here/support"] != 1 || said["here/commander"] != 0 {
		t.Errorf("said %v", said)
	}
}

// keyed is the newest message of the channel whose key begins so.
func keyed(r *rehearsal, key string) (out slacksim.Message, shows string) {
	for _, m := range r.slack.Messages("C0INCIDENT") {
		p, _ := m.Metadata["event_payload"].(map[string]any)
		if k, _ := p["key"].(string); strings.HasPrefix(k, key) {
			out = m
		}
	}
	return out, fmt.Sprint(out.Text, out.Blocks)
}

// Whoever is on call is asked by the assessment that is due; Bob cannot answer for Alice,
// she can, and the next check tells it with its age.
func TestWhoeverIsOnCallIsAskedAndTheAnswerIsTold(t *testing.T) {
	next, _ := begun(t, "region-degraded", "", func(r *rehearsal) {
		r.Speed = 60
		r.change = func(one *bot.Options) {
			one.CheckEvery = time.Hour
			one.Connections.Pager = &pagerduty.API{Token: sim.PagerToken, Service: sim.PagerService, Endpoint: r.world.PagerDuty()}
			one.Roster = slices.Clone(one.Roster)
			for i, p := range one.Roster {
				one.Roster[i].Faces = maps.Clone(p.Faces)
				if p.ID == "alice" {
					one.Roster[i].Faces[people.FacePager] = "PAL1CE0"
				}
			}
		}
	})
	r := next()
	const key = "asked/access/alice@"
	slacktest.Until(t, "the question", func() bool { m, _ := keyed(r, key); return m.TS != "" })
	presses := func(who string) {
		t.Helper()
		m, _ := keyed(r, key)
		body := fmt.Sprintf(`{"as":%q,"channel":"C0INCIDENT","message_ts":%q,"action_id":"fo.confirm"}`, who, m.TS)
		if code, answer := askBeside(t, r, http.MethodPost, "../rehearsal/press", body); code != http.StatusOK {
			t.Fatal(answer)
		}
	}
	hears := func(who, what string) bool {
		for _, m := range r.slack.Ephemerals(who) {
			if strings.Contains(fmt.Sprint(m.Text, m.Blocks), what) {
				return true
			}
		}
		return false
	}
	presses("U0BOB")
	slacktest.Until(t, "Bob's refusal", func() bool { return hears("U0BOB", "That is asked of") })
	if _, shows := keyed(r, key); !strings.Contains(shows, "fo.confirm") {
		t.Errorf("the question is answered: %s", shows)
	}
	presses("U0ALICE")
	slacktest.Until(t, "the answer where it was asked", func() bool {
		_, shows := keyed(r, key)
		return strings.Contains(shows, "said") && !strings.Contains(shows, "fo.confirm")
	})
	if code, answer := askBeside(t, r, http.MethodPost, "../rehearsal/command", `{"as":"U0ALICE","channel":"C0INCIDENT","text":"/failover check"}`); code != http.StatusOK {
		t.Fatal(answer)
	}
	slacktest.Until(t, "the check", func() bool {
		return hears("U0ALICE", "that they can open the consoles of both Regions") && hears("U0ALICE", "Alice is on call")
	})
}
