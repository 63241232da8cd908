package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/templates"
)

func TestAnIncidentIsShownFromBeginningToEnd(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	id := s.open()
	s.sleep(3 * time.Second)
	if n := s.keys(id); n["card"] != 1 || len(n) != 1 {
		t.Fatalf("after the declaration there is %v", n)
	}
	s.play(id, whole())
	s.sleep(time.Minute)

	n := s.keys(id)
	for key, count := range n {
		if count != 1 {
			t.Errorf("%s was said %d times", key, count)
		}
	}
	for _, key := range []string{"card", "volatile", "question/q1", "question/q2", "question/q3", "update/1", "review"} {
		if n[key] == 0 {
			t.Errorf("%s is missing in %v", key, n)
		}
	}
	card, _ := s.message("card")
	if p := card.Metadata["event_payload"].(map[string]any); p["state"] != "resolved" {
		t.Errorf("the card shows %v", p["state"])
	}
	q, _ := s.message("question/q2")
	if strings.Contains(shows(q), "fo.approve") || !strings.Contains(shows(q), "Approved by") {
		t.Errorf("the answered question still looks like %s", shows(q))
	}
	if f := s.slack.Files(); len(f) != 1 || !strings.HasPrefix(f[0].Name, "review-INC-") {
		t.Errorf("files: %+v", f)
	}
	for _, m := range s.slack.Messages(channel) {
		if len(m.Files) == 0 && m.Metadata["event_type"] != "failoverbot" {
			t.Errorf("no metadata: %s", m.Text)
		}
	}
	places, err := s.log.Remembered(s.ctx, id)
	if err != nil || len(places) != len(n)+1 { // the file has a key of its own
		t.Errorf("%d places are remembered, %v; %d keys in the channel", len(places), err, len(n))
	}
}

func TestTheCardIsReplacedAtMostEveryTwoSecondsAndShowsTheLastState(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	id := s.open()
	s.happen(id, incident.Bot, incident.RunTaken{Holder: "a", Token: 1})
	for range 100 {
		s.sleep(100 * time.Millisecond)
		s.happen(id, "UALICE", incident.NoteAdded{Text: "a remark"})
	}
	s.happen(id, "UBOB", incident.RunPaused{Reason: "the last thing that happened"})
	s.sleep(5 * time.Second)

	var last time.Time
	var updates int
	edited := ""
	for line := range strings.Lines(s.messages.String()) {
		var m slacksim.MessageLine
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		p, _ := m.Metadata["event_payload"].(map[string]any)
		if p["key"] != "card" || m.Op == "update" && m.Edited == edited { // it was pinned
			continue
		}
		edited = m.Edited
		at, err := time.Parse(time.RFC3339, m.Time)
		if err != nil {
			t.Fatal(err)
		}
		if m.Op == "update" {
			updates++
		}
		if d := at.Sub(last); !last.IsZero() && d < replaceEvery-10*time.Millisecond {
			t.Errorf("the card was replaced after %s", d)
		}
		last = at
	}
	if updates < 4 || updates > 9 {
		t.Errorf("%d updates in 15 s", updates)
	}
	card, _ := s.message("card")
	if !strings.Contains(shows(card), "the last thing that happened") {
		t.Errorf("the card shows %s", shows(card))
	}
}

func TestTheRegularUpdateComesBackWhenNothingChanges(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	id := s.open()
	s.sleep(46 * time.Minute)
	n := s.keys(id)
	for _, key := range []string{"update/0.1", "update/0.2", "update/0.3"} {
		if n[key] != 1 {
			t.Errorf("%s was said %d times; %v", key, n[key], n)
		}
	}
	if len(n) != 4 {
		t.Errorf("too many updates: %v", n)
	}
}

func TestAStepThatTakesLongerThanUsualIsToldOnce(t *testing.T) {
	s := newStage(t)
	kill := s.start(s.log)
	id := s.open()
	// The last step that began is usually done in 6 minutes.
	s.play(id, newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted())
	s.sleep(11 * time.Minute)
	before := s.keys(id)
	s.sleep(150 * time.Second)
	var said []string
	for key := range s.keys(id) {
		if before[key] == 0 && strings.HasPrefix(key, keyUpdate) {
			said = append(said, key)
		}
	}
	if len(said) != 1 {
		t.Fatalf("after 12 minutes: %v; before %v", said, before)
	}
	if m, _ := s.message(said[0]); !strings.Contains(asJSON(t, m.Blocks), "*Now:* Promote database, “The database takes writes” takes longer than usual (6 min)") {
		t.Errorf("%s says %s", said[0], asJSON(t, m.Blocks))
	}
	kill()
	s.start(s.log)
	s.happen(id, incident.Bot, incident.RunTaken{Holder: "b", Token: 2, Return: true})
	s.sleep(13 * time.Minute)
	if n := s.keys(id); len(n) != len(before)+2 { // the update, and that the bot is back
		t.Errorf("then: %v", n)
	}
	s.sleep(3 * time.Minute)
	if n := s.keys(id); len(n) != len(before)+3 {
		t.Errorf("the next regular update is not at its time: %v", n)
	}
}

func TestStepsThatBecomeSlowOneAfterAnotherAreToldTogether(t *testing.T) {
	const services = 8
	s := newStage(t)
	s.start(s.log)
	id, err := s.log.Reserve(s.ctx, s.clock.Now(), "x")
	if err != nil {
		t.Fatal(err)
	}
	p := smallPlan("unplanned")
	p.Sections = append(p.Sections, runbook.Section{ID: "x", Title: "Roll out"})
	for i := range services {
		p.Steps = append(p.Steps, runbook.Step{
			ID: fmt.Sprintf("r%d", i), Section: "x", Title: fmt.Sprintf("service %d is at full size", i), Kind: runbook.Wait, Needs: []string{"go"}, Usually: time.Minute,
		})
	}
	bodies := declared("unplanned", p)
	d := bodies[0].(incident.IncidentDeclared)
	d.Incident, bodies[0] = id, d
	s.happen(id, "UALICE", bodies...)
	s.play(id, newStory("unplanned").readiness().gone())
	for i := range services {
		s.happen(id, incident.Bot, incident.StepStarted{Step: fmt.Sprintf("r%d", i), Attempt: 1})
		s.sleep(11 * time.Second)
	}
	s.sleep(4 * time.Minute)
	var told []string
	for _, m := range s.slack.Messages(channel) {
		if said := asJSON(t, m.Blocks); strings.Contains(said, "longer than usual") && strings.Contains(said, "*Now:*") {
			told = append(told, said)
		}
	}
	if len(told) != 2 || !strings.Contains(told[1], "“service 0 is at full size” and 7 more take longer than usual") {
		t.Errorf("told %d times: %s", len(told), strings.Join(told, "\n"))
	}
}

// What the card says is no update: neither that the run begins, nor that a part of it is
// done.
func TestAnUpdateIsSaidWhenWhatUsersGetHasChanged(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	id := s.open()
	s.play(id, newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted())
	s.sleep(3 * time.Second)
	for key := range s.keys(id) {
		if strings.HasPrefix(key, keyUpdate) {
			t.Errorf("%s before anything has changed for users", key)
		}
	}
	s.happen(id, incident.Bot, incident.IncidentMitigated{Summary: "One order was placed and read back in us-west-2."})
	s.sleep(3 * time.Second)
	if n := s.keys(id); n["update/1"] != 1 {
		t.Errorf("when users are served: %v", n)
	}
}

// That orders are taken again is said with that users are served, unless that comes later.
func TestOrdersThatAreTakenAgainAreToldOnTheirOwnOnlyIfUsersHaveToWait(t *testing.T) {
	p := smallPlan("planned")
	for i := range p.Steps {
		switch s := &p.Steps[i]; s.ID {
		case "scale/order-service":
			s.Proves = []incident.Trait{incident.WritersStopped}
		case "order":
			s.Proves = []incident.Trait{incident.OrdersFlow}
		}
	}
	s := (&story{at: began.Add(9 * time.Minute)}).add(0, "UALICE", declared("planned", p)...)
	s.readiness().gone()
	due := func(after time.Duration) int {
		return sober(t, s.at.Add(after)).viewOf(incident.Fold(s.events)).passed()
	}
	if n := due(0); n != 0 {
		t.Fatalf("%d before orders were stopped", n)
	}
	s.add(time.Second, incident.Bot, incident.ChangeIntended{Step: "scale/order-service", Attempt: 1}, incident.StepFinished{Step: "scale/order-service", Attempt: 1, Changed: true})
	if n := due(0); n != 1 {
		t.Errorf("%d when orders were stopped", n)
	}
	s.add(time.Minute, incident.Bot, incident.StepStarted{Step: "order", Attempt: 1}, incident.StepFinished{Step: "order", Attempt: 1})
	if soon, later := due(settled-time.Second), due(settled); soon != 1 || later != 2 {
		t.Errorf("%d when orders were taken again, %d when that lasted", soon, later)
	}
	s.add(settled/2, incident.Bot, incident.IncidentMitigated{})
	if n := due(time.Hour); n != 2 {
		t.Errorf("%d when users were served soon after", n)
	}
}

func TestAnUpdateBelowAQuestionHasItsButtonsWhileItIsOpen(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	id := s.open()
	tell := newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0)
	s.play(id, tell)
	s.sleep(3 * time.Second)
	newest := func() (key, all string) {
		messages := s.slack.Messages(channel)
		for _, m := range slices.Backward(messages) {
			payload, _ := m.Metadata["event_payload"].(map[string]any)
			if m.ThreadTS != "" {
				continue
			}
			data, err := json.Marshal(m.Blocks)
			if err != nil {
				t.Fatal(err)
			}
			key, _ = payload["key"].(string)
			return key, string(data)
		}
		return "", ""
	}
	if key, _ := newest(); key != "question/"+approveID {
		t.Fatalf("the newest is %s", key)
	}
	buttons := func(text string) bool {
		return strings.Contains(text, "fo.approve") && strings.Contains(text, "fo.decline")
	}
	var updates []string
	for range 2 { // and the one before loses them
		s.sleep(16 * time.Minute)
		key, text := newest()
		if !strings.HasPrefix(key, "update/") || !buttons(text) {
			t.Fatalf("at the bottom is %s: %s", key, text)
		}
		updates = append(updates, key)
	}
	if m, _ := s.message(updates[0]); strings.Contains(fmt.Sprint(m.Blocks), "fo.approve") {
		t.Errorf("%s still has buttons", updates[0])
	}
	s.happen(id, "UBOB", incident.ApprovalGiven{Question: approveID, Kind: incident.AskApprove, Step: "promote", Choice: "approve"})
	s.sleep(3 * time.Second)
	for _, key := range updates {
		m, ok := s.message(key)
		if data, _ := json.Marshal(m.Blocks); !ok || buttons(string(data)) {
			t.Errorf("%s after the answer: %s", key, data)
		}
	}
	if n := s.keys(id); n[updates[0]] != 1 || n[updates[1]] != 1 {
		t.Errorf("said more than once: %v", n)
	}
}

func TestTheButtonsBelowAnUpdateGoEvenIfSlackFailsOnce(t *testing.T) {
	for _, when := range []string{"at the answer", "at the next update"} {
		t.Run(when, func(t *testing.T) {
			s := newStage(t)
			var fail atomic.Bool
			s.change = func(_ *Options, c *Client) {
				m := &meddler{RoundTripper: c.http.Transport}
				m.meddle = func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, "/chat.update") && fail.CompareAndSwap(true, false) {
						return nil, errors.New("the connection broke off")
					}
					return send()
				}
				c.http.Transport = m
			}
			s.start(s.log)
			id := s.open()
			s.play(id, newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0))
			s.sleep(16 * time.Minute)
			with := func() []string { return s.withButtons() }
			before := with()
			if len(before) != 1 {
				t.Fatalf("buttons below %v", before)
			}
			fail.Store(true)
			if when == "at the answer" {
				s.happen(id, "UBOB", incident.ApprovalGiven{Question: approveID, Kind: incident.AskApprove, Step: "promote", Choice: "approve"})
				s.sleep(5 * time.Minute)
				if after := with(); len(after) > 0 {
					t.Errorf("after the answer there are buttons below %v", after)
				}
			} else {
				s.sleep(16 * time.Minute)
				if after := with(); len(after) != 1 || after[0] == before[0] {
					t.Errorf("after the next update there are buttons below %v; before %v", after, before)
				}
			}
			if fail.Load() {
				t.Error("nothing failed")
			}
		})
	}
}

// withButtons are the updates that have buttons below them.
func (s *stage) withButtons() (keys []string) {
	s.t.Helper()
	for _, m := range s.slack.Messages(channel) {
		payload, _ := m.Metadata["event_payload"].(map[string]any)
		if key, _ := payload["key"].(string); strings.Contains(asJSON(s.t, m.Blocks), blockBelow) {
			keys = append(keys, key)
		}
	}
	return keys
}

// The update arrives and its answer does not; before Slack is back the next one is due.
func TestTheButtonsGoBelowAnUpdateThatNobodyKnewOf(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarted %v", restarted), func(t *testing.T) {
			s := newStage(t)
			var lose, away atomic.Bool
			s.change = func(_ *Options, c *Client) {
				m := &meddler{RoundTripper: c.http.Transport}
				m.meddle = func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
					switch {
					case !strings.Contains(r.URL.Path, "/chat.") && !strings.Contains(r.URL.Path, "/conversations."):
					case away.Load():
						return nil, errors.New("Slack is out of reach")
					case strings.HasSuffix(r.URL.Path, "/chat.postMessage") && lose.CompareAndSwap(true, false):
						away.Store(true)
						if resp, err := send(); err == nil {
							_ = resp.Body.Close()
						}
						return nil, errors.New("the connection broke off")
					}
					return send()
				}
				c.http.Transport = m
			}
			kill := s.start(s.log)
			id := s.open()
			s.play(id, newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0))
			s.sleep(11 * time.Minute)
			lose.Store(true)
			s.sleep(3 * time.Minute)
			if !away.Load() {
				t.Fatal("no update was due")
			}
			s.happen(id, "UALICE", incident.RunAborted{Reason: "enough"})
			s.sleep(20 * time.Second)
			if restarted {
				kill()
			}
			away.Store(false)
			if restarted {
				s.start(s.log)
				s.happen(id, incident.Bot, incident.RunTaken{Holder: "b", Token: 2, Return: true})
			}
			s.sleep(3 * time.Minute)
			if got := s.withButtons(); len(got) != 1 {
				t.Errorf("after the abort there are buttons below %v", got)
			}
			s.happen(id, "UALICE", incident.IncidentResolved{})
			s.sleep(3 * time.Minute)
			if got := s.withButtons(); len(got) > 0 {
				t.Errorf("after it was resolved there are buttons below %v", got)
			}
		})
	}
}

func TestWhoIsToResolveIsAskedAtTheBottom(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	id := s.open()
	s.play(id, newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted().mitigated())
	s.sleep(time.Minute)
	bottom := func() (text string, payload map[string]any) {
		for _, m := range slices.Backward(s.slack.Messages(channel)) {
			if m.ThreadTS == "" {
				payload, _ = m.Metadata["event_payload"].(map[string]any)
				return asJSON(t, m.Blocks), payload
			}
		}
		return "", nil
	}
	text, payload := bottom()
	if !strings.Contains(text, "fo.resolve") || fmt.Sprint(payload[metaWaits]) != "[UALICE]" || payload[metaAsks] != id.Name()+" is to be resolved" {
		t.Errorf("at the bottom is %s, %v", text, payload)
	}
	s.happen(id, "UALICE", incident.IncidentResolved{})
	s.sleep(time.Minute)
	for _, m := range s.slack.Messages(channel) {
		payload, _ := m.Metadata["event_payload"].(map[string]any)
		if payload[metaWaits] != nil || strings.Contains(asJSON(t, m.Blocks), "fo.resolve") {
			t.Errorf("still asked: %v, %s", payload, asJSON(t, m.Blocks))
		}
	}
}

func TestTheButtonsBelowAFormerLifesUpdateGoWithTheQuestion(t *testing.T) {
	for _, answered := range []string{"while the bot is away", "after it came back"} {
		t.Run(answered, func(t *testing.T) {
			s := newStage(t)
			kill := s.start(s.log)
			id := s.open()
			s.play(id, newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0))
			s.sleep(16 * time.Minute)
			var update string
			before := map[string]string{}
			for _, m := range s.slack.Messages(channel) {
				payload, _ := m.Metadata["event_payload"].(map[string]any)
				data, _ := json.Marshal(m.Blocks)
				if key, _ := payload["key"].(string); strings.Contains(string(data), blockBelow) {
					update, before[key] = key, string(data)
				}
			}
			if len(before) != 1 || !strings.HasPrefix(update, keyUpdate) {
				t.Fatalf("buttons below %v", before)
			}
			answer := func() {
				s.happen(id, "UBOB", incident.ApprovalGiven{Question: approveID, Kind: incident.AskApprove, Step: "promote", Choice: "approve"})
			}
			kill()
			if answered == "while the bot is away" {
				answer()
			}
			s.start(s.log)
			s.happen(id, incident.Bot, incident.RunTaken{Holder: "b", Token: 2, Return: true})
			s.sleep(3 * time.Second)
			if answered == "after it came back" {
				if m, _ := s.message(update); !strings.Contains(asJSON(t, m.Blocks), blockBelow) {
					t.Errorf("%s lost its buttons, and the question is open", update)
				}
				answer()
				s.sleep(3 * time.Second)
			}
			m, ok := s.message(update)
			now := asJSON(t, m.Blocks)
			if !ok || strings.Contains(now, blockBelow) {
				t.Errorf("%s after the answer: %s", update, now)
			}
			if words, _, _ := strings.Cut(before[update], `,{"block_id":"`+blockBelow); !strings.HasPrefix(now, words) {
				t.Errorf("more than the buttons changed:\n%s\n%s", before[update], now)
			}
		})
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestTheCommandIsCalledAsTheWorkspaceCallsIt(t *testing.T) {
	w, err := loadWords(templates.FS, "/failover-staging")
	if err != nil {
		t.Fatal(err)
	}
	f := mrkdwn{command: "/failover-staging"}
	for got, want := range map[string]string{
		f.render(text.Format("See {status} of failoverbot/failoverbot.")): "See `/failover-staging status` of failoverbot/failoverbot.",
		f.render(text.Format("Or {}.")):                                   "Or `/failover-staging`.",
		f.plain(text.Format("Try {help}.")):                               "Try '/failover-staging help'.", // in a form
		mrkdwn{}.render(text.Format("See {status}.")):                     "See `/failover status`.",
		mrkdwn{}.plain(text.Format("See {status}.")):                      "See '/failover status'.",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if said := w.say("review", reviewView{Missing: "it is empty"}); !strings.Contains(said, "`/failover-staging review`") {
		t.Errorf("a template says %q", said)
	}
	typed := "see https://wiki.example/failover/plan and github.com/failover-team, /failover too"
	if got := w.spell(w.spell("`/failover note` " + typed)); got != "`/failover-staging note` "+typed {
		t.Errorf("%q", got)
	}
}

func TestNothingIsSaidTwiceWhenTheBotDiesAfterSayingIt(t *testing.T) {
	for cut := range 8 {
		s := newStage(t)
		var kill func()
		var once sync.Once
		died := make(chan struct{})
		d := &dying{Log: s.log, left: cut, die: func() { once.Do(func() { close(died) }) }}
		kill = s.start(d)
		id := s.open()
		tell := newStory("unplanned").readiness().gone().scaleFails()
		s.play(id, tell)
		s.sleep(3 * time.Second)
		select {
		case <-died:
		default:
			t.Fatalf("cut %d: the bot never got so far: %v", cut, s.keys(id))
		}
		kill()
		before := s.keys(id)
		s.start(s.log)
		s.happen(id, incident.Bot, incident.RunTaken{Holder: "b", Token: 2, Return: true})
		s.sleep(time.Minute)
		after := s.keys(id)
		for key, n := range after {
			if n != 1 {
				t.Errorf("cut %d: %s was said %d times (before: %d)", cut, key, n, before[key])
			}
		}
		for _, key := range []string{"card", "question/q1", "question/q3", "back/2", "volatile"} {
			if key == "question/q1" && before[key] == 0 {
				continue // answered before it was asked in the channel
			}
			if after[key] != 1 {
				t.Errorf("cut %d: %s is missing: %v", cut, key, after)
			}
		}
		var missing []string
		places, err := s.log.Remembered(s.ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		for key := range after {
			if places[key].TS == "" {
				missing = append(missing, key)
			}
		}
		if len(missing) > 0 {
			t.Errorf("cut %d: not on the record: %v", cut, missing)
		}
		if t.Failed() {
			return
		}
	}
}

func TestALostAnswerIsNotSaidAgain(t *testing.T) {
	s := newStage(t)
	lost := 0
	s.change = func(_ *Options, c *Client) {
		m := &meddler{RoundTripper: c.http.Transport}
		m.meddle = func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			resp, err := send()
			m.mu.Lock()
			defer m.mu.Unlock()
			if err == nil && strings.HasSuffix(r.URL.Path, "/chat.postMessage") && lost < 2 {
				lost++
				_ = resp.Body.Close()
				return nil, errors.New("the connection broke off")
			}
			return resp, err
		}
		c.http.Transport = m
	}
	s.start(s.log)
	id := s.open()
	s.sleep(16 * time.Minute)
	if n := s.keys(id); n["card"] != 1 || n["update/0.1"] != 1 {
		t.Errorf("said: %v", n)
	}
	if lost != 2 {
		t.Errorf("%d answers were lost", lost)
	}
}

func TestAMessageThatSlackRefusesIsSaidPlainly(t *testing.T) {
	s := newStage(t)
	s.change = func(_ *Options, c *Client) {
		m := &meddler{RoundTripper: c.http.Transport}
		m.meddle = func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			if strings.HasPrefix(r.URL.Path, "/api/chat.") && r.GetBody != nil {
				body, _ := r.GetBody()
				var b strings.Builder
				_, _ = copyTo(&b, body)
				form, _ := url.ParseQuery(b.String())
				if strings.Contains(form.Get("metadata"), `"key":"card"`) && form.Get("blocks") != "[]" && form.Get("blocks") != "" {
					return says(r, `{"ok":false,"error":"invalid_blocks"}`), nil
				}
			}
			return send()
		}
		c.http.Transport = m
	}
	s.start(s.log)
	id := s.open()
	s.sleep(16 * time.Minute)
	card, ok := s.message("card")
	if !ok || len(card.Blocks) != 0 || !strings.Contains(card.Text, id.Name()) {
		t.Errorf("the card is %+v", card)
	}
	if n := s.keys(id); n["update/0.1"] != 1 {
		t.Errorf("the rest did not go on: %v", n)
	}
	if !strings.Contains(s.logged.String(), "invalid_blocks") {
		t.Error("the refusal was not logged")
	}
}

func TestOnlyTheReplicaThatCarriesTheRunOutSpeaks(t *testing.T) {
	s := newStage(t)
	s.change = func(o *Options, _ *Client) { o.Holds = func(incident.ID) bool { return false } }
	s.start(s.log)
	id := s.open()
	s.sleep(time.Minute)
	if n := s.keys(id); len(n) != 0 {
		t.Errorf("a bystander said %v", n)
	}
}

func TestAReplicaThatLostTheRunIsSilentAtOnce(t *testing.T) {
	s := newStage(t)
	var holds atomic.Bool
	holds.Store(true)
	s.change = func(o *Options, _ *Client) { o.Holds = func(incident.ID) bool { return holds.Load() } }
	s.start(s.log)
	id := s.open()
	s.play(id, newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted().mitigated())
	s.sleep(10 * time.Second)
	holds.Store(false) // fenced: another one has not said yet that it took over
	before := len(s.slack.Messages(channel))
	card, _ := s.message("card")
	s.happen(id, "UALICE", incident.NoteAdded{Text: "said after the run was lost"})
	s.sleep(time.Minute)
	after, _ := s.message("card")
	if n := len(s.slack.Messages(channel)); n != before || shows(after) != shows(card) {
		t.Errorf("%d messages more, the card: %s", n-before, shows(after))
	}
	holds.Store(true)
	s.sleep(time.Minute)
	if n := len(s.slack.Messages(channel)); n <= before {
		t.Error("it has the run again and says nothing")
	}
}

func TestTheLastStateOfTheCardSurvivesARecordThatBreaksOff(t *testing.T) {
	s := newStage(t)
	s.start(&breaking{Log: s.log, at: map[int]bool{2: true, 3: true, 4: true}})
	id := s.open()
	s.sleep(2 * time.Second)
	s.happen(id, "UBOB", incident.RunPaused{Reason: "the last thing that happened"})
	s.sleep(15 * time.Second)
	if card, _ := s.message("card"); !strings.Contains(shows(card), "the last thing that happened") {
		t.Errorf("the card shows %s", shows(card))
	}
}

// overtaken does something once, right after the follower has read everything up to an event.
type overtaken struct {
	incident.Log
	at   atomic.Uint64
	then func()
}

func (o *overtaken) Read(ctx context.Context, id incident.ID, after uint64, n int) ([]incident.Event, error) {
	events, err := o.Log.Read(ctx, id, after, n)
	if after > 0 && len(events) == 0 && o.at.CompareAndSwap(after, 0) {
		o.then()
	}
	return events, err
}

// What happens between the reading of what is new and the look at how things stand is
// shown everywhere, at once, and the last word is not said before.
func TestTheLastEventIsShownHoweverItComes(t *testing.T) {
	s := newStage(t)
	log := &overtaken{Log: s.log}
	s.start(log)
	id := s.open()
	s.play(id, newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted().mitigated())
	s.sleep(time.Minute)
	var mitigated uint64
	if err := incident.NewBook(s.log).View(s.ctx, id, func(s *incident.State) { mitigated = s.Seq }); err != nil {
		t.Fatal(err)
	}
	log.then = func() { s.happen(id, "UALICE", incident.IncidentResolved{}) }
	log.at.Store(mitigated)
	s.sleep(refreshEvery + 5*time.Second)
	card, _ := s.message("card")
	if p := card.Metadata["event_payload"].(map[string]any); p["state"] != "resolved" {
		t.Errorf("the card shows %v, and said is %v", p["state"], s.keys(id))
	}
	if n := s.keys(id); n[fmt.Sprint("thread/", mitigated+1)] != 1 || n["review"] != 1 {
		t.Errorf("said is %v", n)
	}
}

func TestTheQuestionOfGoFollowsWhatIsTriedAgain(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	id := s.open()
	s.play(id, disagreed())
	s.sleep(5 * time.Second)
	if q, _ := s.message("question/q1"); !strings.Contains(shows(q), "fo.retry") || strings.Contains(shows(q), "fo.go") {
		t.Fatalf("locked, the question is %s", shows(q))
	}
	s.happen(id, "UALICE", incident.StepRetried{Step: "agreed"}, incident.StepRetried{Step: "backup"})
	s.happen(id, incident.Bot, incident.StepFinished{Step: "agreed", Attempt: 2}, incident.StepFinished{Step: "backup", Attempt: 2})
	s.sleep(5 * time.Second)
	if q, _ := s.message("question/q1"); strings.Contains(shows(q), "fo.retry") || !strings.Contains(shows(q), `"fo.go"`) {
		t.Errorf("all is well again, the question is %s", shows(q))
	}
	if n := s.keys(id); n["question/q1"] != 1 {
		t.Errorf("the question was asked %d times", n["question/q1"])
	}
}

func TestACommandIsAnsweredPrivately(t *testing.T) {
	s := newStage(t)
	s.answer = func(context.Context, commands.Ask) commands.Answer {
		return commands.Answer{Text: text.Format("us-east-1 serves %v <!channel>", text.Person("UBOB")), Buttons: []commands.Button{{Verb: "remind", Label: "Remind", Incident: inc, On: "q1"}}}
	}
	s.start(s.log)
	if o := s.as("UALICE", "command", slacksim.Deed{Channel: channel, Text: "/failover status now"}); !o.OK {
		t.Fatalf("%+v", o)
	}
	s.sleep(time.Second)
	ask := s.next()
	if ask.Via.ID != "UALICE" || ask.Verb != "status" || ask.Text != "now" || ask.Request == "" || !ask.CanForm {
		t.Errorf("asked %+v", ask)
	}
	got := s.slack.Ephemerals("UALICE")
	if len(got) != 1 || !strings.Contains(shows(got[0]), "us-east-1 serves") || strings.Contains(shows(got[0]), `<!channel>`) {
		t.Fatalf("answered %+v", got)
	}
	// The button under the answer is pressed.
	if o := s.as("UALICE", "press", slacksim.Deed{Channel: channel, MessageTS: got[0].TS, ActionID: "fo.remind"}); !o.OK {
		t.Fatalf("%+v", o)
	}
	s.sleep(time.Second)
	ask = s.next()
	if ask.Verb != "remind" || ask.On != "q1" || ask.Incident != inc || ask.Request == "" {
		t.Errorf("asked %+v", ask)
	}
	if len(s.slack.Messages(channel)) != 0 {
		t.Error("something private was said in the channel")
	}
}

func TestABrokenGlassIsSaidOnceInTheChannel(t *testing.T) {
	s := newStage(t)
	id := s.open()
	s.play(id, newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0))
	s.answer = func(context.Context, commands.Ask) commands.Answer {
		s.happen(id, "UBOB", incident.ApprovalGiven{Question: approveID, Kind: incident.AskApprove, Step: "promote", Choice: "approve", Reason: "nobody is awake", BrokeGlass: true})
		return commands.Answer{Text: text.Format("%v approved alone: nobody is awake", text.Person("UBOB")), Public: true}
	}
	s.start(s.log)
	s.sleep(5 * time.Second)
	if o := s.as("UBOB", "command", slacksim.Deed{Channel: channel, Text: "/failover break-glass us-west-2 nobody is awake"}); !o.OK {
		t.Fatalf("%+v", o)
	}
	s.sleep(10 * time.Second)
	said := 0
	for _, m := range s.slack.Messages(channel) {
		p, _ := m.Metadata["event_payload"].(map[string]any)
		key, _ := p["key"].(string)
		inPlace := key == "question/"+approveID || strings.HasPrefix(key, "thread/") // the question's own answer, and the list of results
		if !inPlace && strings.Contains(shows(m), "nobody is awake") {
			said++
		}
	}
	if said != 1 {
		t.Errorf("the channel reads it %d times", said)
	}
	if got := s.slack.Ephemerals("UBOB"); len(got) != 1 {
		t.Errorf("Bob was answered %d times", len(got))
	}
}

func TestAMentionIsACommandAndNothingMeansHelp(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	if o := s.as("UBOB", "say", slacksim.Deed{Channel: channel, Text: "@failoverbot status"}); !o.OK {
		t.Fatalf("%+v", o)
	}
	if o := s.as("UBOB", "command", slacksim.Deed{Channel: channel, Text: "/failover"}); !o.OK {
		t.Fatalf("%+v", o)
	}
	s.sleep(time.Second)
	verbs := map[string]bool{s.next().Verb: true, s.next().Verb: true}
	if !verbs["status"] || !verbs["help"] {
		t.Errorf("asked %v", verbs)
	}
	if n := len(s.slack.Ephemerals("UBOB")); n != 2 {
		t.Errorf("%d answers", n)
	}
}

func TestEveryLineOfHelpCanBeTypedAsItStands(t *testing.T) {
	s := newStage(t)
	real := commands.New(commands.Options{Book: incident.NewBook(s.log), Clock: s.clock, Roster: roster}, zerolog.Nop())
	s.start(s.log)
	help := mrkdwn{}.render(real.Do(s.ctx, commands.Ask{Via: bySlack("UALICE"), Verb: "help"}).Text)
	shown := regexp.MustCompile("`(/failover [^`]+)`").FindAllStringSubmatch(help, -1)
	if len(shown) < 15 {
		t.Fatalf("help shows %d lines: %s", len(shown), help)
	}
	typed := []string{"/failover failover status", "/failover note\tseen"}
	for _, line := range shown {
		typed = append(typed, line[1])
	}
	for _, line := range typed {
		if o := s.as("UALICE", "command", slacksim.Deed{Channel: channel, Text: line}); !o.OK {
			t.Fatalf("%s: %+v", line, o)
		}
		s.sleep(time.Second)
		ask := s.next()
		// Nobody knows this person, so a known verb says no and an unknown one
		// says what was meant.
		ask.Via.ID = "UNOBODY"
		if a := real.Do(s.ctx, ask); strings.Contains(a.Text.String(), "is not a command") {
			t.Errorf("%s: heard %+v and answered %s", line, ask, a.Text)
		}
	}
}

func TestWhatIsTypedIsHeardAsItIsMeant(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	for line, want := range map[string]commands.Ask{
		"/failover go override because":             {Verb: "go_override", Text: "because"},
		"/failover go-override because":             {Verb: "go_override", Text: "because"},
		"/failover go":                              {Verb: "go"},
		"/failover /failover go\toverride  it  is ": {Verb: "go_override", Text: "it  is"},
		"/failover Break-Glass us-west-2 nobody is": {Verb: "break_glass", Text: "us-west-2 nobody is"},
	} {
		if o := s.as("UALICE", "command", slacksim.Deed{Channel: channel, Text: line}); !o.OK {
			t.Fatalf("%s: %+v", line, o)
		}
		s.sleep(time.Second)
		if ask := s.next(); ask.Verb != want.Verb || ask.Text != want.Text {
			t.Errorf("%q is heard as %q %q, want %q %q", line, ask.Verb, ask.Text, want.Verb, want.Text)
		}
	}
}

// form is a form with a field of each kind.
func form() *commands.Form {
	return &commands.Form{
		Verb: "approve", On: "q2", Incident: inc, Title: "Approve", Submit: "Approve", Text: text.Format("Type the Region."),
		Fields: []commands.Field{{Name: "region", Label: "Region"}, {Name: "reason", Label: "Why", Lines: true, Optional: true}, {Name: "mode", Label: "Mode", Choices: []commands.Choice{{Value: "planned", Label: "Planned"}, {Value: "unplanned", Label: "Unplanned"}}, Value: "planned"}},
	}
}

// openForm has a person get a form and returns the id of its window.
func (s *stage) openForm(person string) string {
	s.t.Helper()
	if o := s.as(person, "command", slacksim.Deed{Channel: channel, Text: "/failover approve"}); !o.OK {
		s.t.Fatalf("%+v", o)
	}
	s.sleep(time.Second)
	r, err := http.Get(s.slack.URL() + "rehearsal/state?as=" + person)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	var state struct {
		Views []struct {
			ID string `json:"id"`
		} `json:"views"`
	}
	if err := json.NewDecoder(r.Body).Decode(&state); err != nil || len(state.Views) != 1 {
		s.t.Fatalf("%d windows are open (%v); log %s", len(state.Views), err, s.logged)
	}
	return state.Views[0].ID
}

func typed(region string) map[string]map[string]any {
	return map[string]map[string]any{"region": {"value": region}}
}

func TestAFormSaysWhatIsWrongWithAFieldAndStaysOpen(t *testing.T) {
	s := newStage(t)
	s.answer = func(_ context.Context, a commands.Ask) commands.Answer {
		switch {
		case a.Values == nil:
			return commands.Answer{Form: form()}
		case a.Values["region"] != "us-west-2":
			return commands.Answer{Errors: map[string]text.Text{"region": text.Format("Type us-west-2."), "elsewhere": text.Format("And this.")}}
		}
		return commands.Answer{Text: text.Format("approved")}
	}
	s.start(s.log)
	window := s.openForm("UBOB")
	o := s.as("UBOB", "submit", slacksim.Deed{ViewID: window, Values: typed("us-east-1")})
	if o.Action != "errors" || o.Errors["region"] != "Type us-west-2." {
		t.Fatalf("%+v", o)
	}
	if o = s.as("UBOB", "submit", slacksim.Deed{ViewID: window, Values: typed("us-west-2")}); !o.OK {
		t.Fatalf("%+v", o)
	}
	s.sleep(time.Second)
	s.next()
	wrong, right := s.next(), s.next()
	if right.Verb != "approve" || right.On != "q2" || right.Incident != inc || right.Values["mode"] != "planned" || right.Request == wrong.Request || right.Request == "" {
		t.Errorf("asked %+v", right)
	}
	if got := s.slack.Ephemerals("UBOB"); len(got) != 1 || !strings.Contains(shows(got[0]), "approved") {
		t.Errorf("answered %+v", got)
	}
}

func TestAFormWhoseAnswerTakesLongClosesAndTheAnswerFollows(t *testing.T) {
	s := newStage(t)
	s.answer = func(ctx context.Context, a commands.Ask) commands.Answer {
		if a.Values == nil {
			return commands.Answer{Form: form()}
		}
		_ = s.clock.Sleep(ctx, 1500*time.Millisecond)
		return commands.Answer{Errors: map[string]text.Text{"region": text.Format("The lag has changed.")}}
	}
	s.start(s.log)
	window := s.openForm("UBOB")
	if o := s.as("UBOB", "submit", slacksim.Deed{ViewID: window, Values: typed("us-west-2")}); !o.OK || o.Action != "clear" {
		t.Fatalf("%+v", o)
	}
	s.sleep(15 * time.Second)
	if got := s.slack.Ephemerals("UBOB"); len(got) != 1 || !strings.Contains(shows(got[0]), "The lag has changed.") {
		t.Errorf("answered %+v", got)
	}
}

func TestAPanicInACommandEndsNothingElse(t *testing.T) {
	s := newStage(t)
	s.answer = func(_ context.Context, a commands.Ask) commands.Answer {
		if a.Verb == "status" {
			panic("a bug")
		}
		return commands.Answer{Text: text.Format("still here")}
	}
	s.start(s.log)
	for _, text := range []string{"/failover status", "/failover help"} {
		if o := s.as("UALICE", "command", slacksim.Deed{Channel: channel, Text: text}); !o.OK {
			t.Fatalf("%+v", o)
		}
	}
	s.sleep(time.Second)
	got := s.slack.Ephemerals("UALICE")
	if len(got) != 2 || !strings.Contains(shows(got[0])+shows(got[1]), "still here") || !strings.Contains(shows(got[0])+shows(got[1]), "error of its own") {
		t.Errorf("answered %+v", got)
	}
}

func TestAFileIsHandedToThePersonAlone(t *testing.T) {
	s := newStage(t)
	s.answer = func(context.Context, commands.Ask) commands.Answer {
		return commands.Answer{File: &commands.File{Name: "timeline.txt", Title: "Timeline", Content: []byte("one line")}}
	}
	s.start(s.log)
	if o := s.as("UALICE", "command", slacksim.Deed{Channel: channel, Text: "/failover timeline"}); !o.OK {
		t.Fatalf("%+v", o)
	}
	s.sleep(time.Second)
	if f := s.slack.Files(); len(f) != 1 || f[0].Name != "timeline.txt" || f[0].Channel == channel {
		t.Errorf("files: %+v", f)
	}
}

func TestARepeatedEnvelopeIsHeardOnce(t *testing.T) {
	s := newStage(t)
	client, err := Dial(s.ctx, Settings{BotToken: "xoxb-1", AppToken: "xapp-1", APIURL: s.slack.APIURL()}, s.clock, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(Options{Client: client, Channel: channel, Commands: s, Book: incident.NewBook(s.log), Clock: s.clock, Roster: roster}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	smc := socketmode.New(client.api)
	click := slack.InteractionCallback{
		Type: slack.InteractionTypeBlockActions, User: slack.User{ID: "UBOB"}, Container: slack.Container{ChannelID: channel, MessageTs: "1.2"},
		Team: slack.Team{ID: slacksim.TeamID}, APIAppID: slacksim.AppID,
		ActionCallback: slack.ActionCallbacks{BlockActions: []*slack.BlockAction{{ActionID: "fo.approve", BlockID: "q", Value: "INC-2026-0042|q2", ActionTs: "3.4"}}},
	}
	command := slack.SlashCommand{UserID: "UBOB", ChannelID: channel, Text: "status", TeamID: slacksim.TeamID, APIAppID: slacksim.AppID}
	for _, ev := range []socketmode.Event{
		{Type: socketmode.EventTypeSlashCommand, Data: command, Request: &socketmode.Request{EnvelopeID: "e1"}},
		{Type: socketmode.EventTypeSlashCommand, Data: command, Request: &socketmode.Request{EnvelopeID: "e1"}},
		{Type: socketmode.EventTypeInteractive, Data: click, Request: &socketmode.Request{EnvelopeID: "e2"}},
		{Type: socketmode.EventTypeInteractive, Data: click, Request: &socketmode.Request{EnvelopeID: "e3"}}, // the same click, delivered anew
		{Type: socketmode.EventTypeSlashCommand, Data: command, Request: &socketmode.Request{EnvelopeID: "e4"}},
	} {
		b.receive(s.ctx, zerolog.Nop(), smc, ev)
	}
	resume := s.clock.Idle()
	b.workers.Wait()
	resume()
	close(s.asked)
	requests := map[string]int{}
	n := 0
	for ask := range s.asked {
		requests[ask.Request]++
		n++
	}
	if n != 3 || len(requests) != 3 {
		t.Errorf("%d asks: %v", n, requests)
	}
}

func TestTokensAreCheckedAtStart(t *testing.T) {
	s := newStage(t)
	for _, c := range []struct {
		name     string
		bot, app string
		want     string
	}{
		{"swapped", "xapp-1", "xoxb-1", "SLACK_BOT_TOKEN holds an app-level token (xapp-…): swap it with SLACK_APP_TOKEN"},
		{"none", "", "", "SLACK_APP_TOKEN is empty"},
		{"something else", "xoxp-1", "xapp-1", "SLACK_BOT_TOKEN does not begin with xoxb-"},
		{"an old bot token", "xoxb-old", "xapp-1", "SLACK_BOT_TOKEN is not a token that Slack knows"},
		{"an old app token", "xoxb-1", "xapp-old", "SLACK_APP_TOKEN is not a token that Slack knows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Dial(s.ctx, Settings{BotToken: c.bot, AppToken: c.app, APIURL: s.slack.APIURL()}, s.clock, zerolog.Nop())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			if !Refused(err) {
				t.Error("trying again would be of no use, and it is not called refused")
			}
		})
	}
	_, err := Dial(s.ctx, Settings{BotToken: "xoxb-1", AppToken: "xapp-1", APIURL: "http://127.0.0.1:1/api"}, s.clock, zerolog.Nop())
	if err == nil || !strings.Contains(err.Error(), "reach Slack at http://127.0.0.1:1/api/") {
		t.Errorf("unreachable: %v", err)
	}
	if Refused(err) {
		t.Error("a Slack that cannot be reached is called one that refuses")
	}
}

func TestASlackThatIsNotWellHasRefusedNothing(t *testing.T) {
	for body, want := range map[string]bool{
		`{"ok":false,"error":"internal_error"}`: false,
		`{"ok":false,"error":"token_revoked"}`:  true,
		`a page of a proxy`:                     false,
	} {
		slack := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		_, err := Dial(t.Context(), Settings{BotToken: "xoxb-1", AppToken: "xapp-1", APIURL: slack.URL}, incident.RealClock{}, zerolog.Nop())
		slack.Close()
		if err == nil || Refused(err) != want {
			t.Errorf("%s: refused is %v for %v", body, Refused(err), err)
		}
	}
}

func TestATokenThatIsRevokedEndsTheBotWithTheReason(t *testing.T) {
	s := newStage(t)
	client, err := Dial(s.ctx, Settings{BotToken: "xoxb-1", AppToken: "xapp-1", APIURL: s.slack.APIURL()}, s.clock, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	m := &meddler{RoundTripper: client.http.Transport}
	m.meddle = func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/apps.connections.open") {
			return says(r, `{"ok":false,"error":"not_allowed_token_type"}`), nil
		}
		return send()
	}
	client.http.Transport = m
	b, err := New(Options{Client: client, Channel: channel, Commands: s, Book: incident.NewBook(s.log), Clock: s.clock}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	resume := s.clock.Idle()
	err = b.Run(s.ctx)
	resume()
	if err == nil || !strings.Contains(err.Error(), "SLACK_APP_TOKEN holds a token of the wrong kind") {
		t.Errorf("ended with %v", err)
	}
}

func TestTheConnectionComesBackWhenSlackRefreshesIt(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	s.slack.Refresh()
	s.sleep(30 * time.Second)
	if o := s.as("UALICE", "command", slacksim.Deed{Channel: channel, Text: "/failover status"}); !o.OK {
		t.Fatalf("%+v", o)
	}
	s.sleep(time.Second)
	if n := len(s.slack.Ephemerals("UALICE")); n != 1 {
		t.Errorf("%d answers", n)
	}
}

func TestSlackIsAskedAgainOnlyWhenItWantsToBe(t *testing.T) {
	s := newStage(t)
	var refusedAt, acceptedAt time.Time
	s.change = func(_ *Options, c *Client) {
		m := &meddler{RoundTripper: c.http.Transport}
		m.meddle = func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			if strings.HasSuffix(r.URL.Path, "/chat.postMessage") {
				if refusedAt.IsZero() {
					refusedAt = s.clock.Now()
					resp := says(r, `{"ok":false,"error":"ratelimited"}`)
					resp.StatusCode = http.StatusTooManyRequests
					resp.Header.Set("Retry-After", "7")
					return resp, nil
				}
				if acceptedAt.IsZero() {
					acceptedAt = s.clock.Now()
				}
			}
			return send()
		}
		c.http.Transport = m
	}
	s.start(s.log)
	id := s.open()
	s.sleep(20 * time.Second)
	if d := acceptedAt.Sub(refusedAt); d < 7*time.Second || d > 9*time.Second {
		t.Errorf("asked again after %s", d)
	}
	if n := s.keys(id); n["card"] != 1 {
		t.Errorf("said: %v", n)
	}
}

func TestWhatADeadReplicaLeftUnsaidIsSaidByAnother(t *testing.T) {
	s := newStage(t)
	id := s.open()
	s.play(id, whole()) // nobody was there to say any of it
	s.change = func(o *Options, _ *Client) { o.Holds = func(incident.ID) bool { return false } }
	s.start(s.log)
	s.sleep(time.Minute)
	n := s.keys(id)
	for _, key := range []string{"card", "review"} {
		if n[key] != 1 {
			t.Errorf("%s was said %d times: %v", key, n[key], n)
		}
	}
	if len(s.slack.Files()) != 1 {
		t.Error("the review draft is missing")
	}
	for key := range n {
		if strings.HasPrefix(key, "question/") {
			t.Errorf("%s was asked although it was answered long ago", key)
		}
	}
}

func TestBadOptionsAreSaidAtOnce(t *testing.T) {
	_, err := New(Options{UpdateEvery: -time.Second}, zerolog.Nop())
	for _, want := range []string{"a Slack client", "incident channel", "-1s"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not mention %s", err, want)
		}
	}
}

// BenchmarkEnvelope measures, in real time, from the moment a person sends a
// command until Slack has the acknowledgement, and until the person has the
// answer, with so many at a time.
func BenchmarkEnvelope(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("at_a_time=%d", n), func(b *testing.B) {
			s := newStageOn(b, incident.RealClock{})
			s.start(s.log)
			var acked, answered time.Duration
			rounds := 0
			for b.Loop() {
				before := len(s.slack.Ephemerals("UALICE"))
				begin := time.Now()
				var all sync.WaitGroup
				for range n {
					all.Go(func() {
						if o := s.as("UALICE", "command", slacksim.Deed{Channel: channel, Text: "/failover status"}); !o.OK {
							b.Errorf("%+v", o)
						}
					})
				}
				all.Wait()
				acked += time.Since(begin)
				for len(s.slack.Ephemerals("UALICE")) < before+n {
					s.sleep(100 * time.Microsecond)
				}
				answered += time.Since(begin)
				rounds++
				for len(s.asked) > 0 {
					<-s.asked
				}
			}
			b.ReportMetric(float64(acked.Microseconds())/1000/float64(rounds), "ms/ack")
			b.ReportMetric(float64(answered.Microseconds())/1000/float64(rounds), "ms/answer")
		})
	}
}
