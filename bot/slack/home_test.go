package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// home is what somebody's App Home shows, and the id of that view.
func (s *stage) home(person string) (id, shows string) {
	s.t.Helper()
	if homes := s.seen(person).Homes; len(homes) > 0 {
		data, err := json.Marshal(homes[0].View["blocks"])
		if err != nil {
			s.t.Fatal(err)
		}
		return homes[0].ID, strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&", `\n`, "\n").Replace(string(data))
	}
	return "", ""
}

type sight struct {
	Homes []struct {
		ID   string         `json:"id"`
		View map[string]any `json:"view"`
	} `json:"homes"`
	Views []struct {
		ID string `json:"id"`
	} `json:"views"`
	Channels []slacksim.Channel            `json:"channels"`
	Messages map[string][]slacksim.Message `json:"messages"`
}

// seen is all that a person sees.
func (s *stage) seen(person string) sight {
	s.t.Helper()
	r, err := http.Get(s.slack.URL() + "rehearsal/state?as=" + person)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	var out sight
	if err := json.NewDecoder(r.Body).Decode(&out); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// direct are the messages that the bot wrote to one person.
func (s *stage) direct(person string) (all []slacksim.Message) {
	for channel, messages := range s.seen(person).Messages {
		if strings.HasPrefix(channel, "D") {
			all = append(all, messages...)
		}
	}
	return all
}

// opens is what a person does who looks at the App Home.
func (s *stage) opens(people ...string) {
	s.t.Helper()
	for _, p := range people {
		if o := s.as(p, "home", slacksim.Deed{}); !o.OK {
			s.t.Fatalf("%+v", o)
		}
	}
	s.sleep(5 * time.Second)
}

// answering has the real commands answer.
func (s *stage) answering() {
	real := commands.New(commands.Options{Book: incident.NewBook(s.log), Clock: s.clock, Roster: roster}, zerolog.Nop())
	s.answer = real.Do
}

func wants(t *testing.T, whose, shows string, want, not []string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(shows, w) {
			t.Errorf("%s lacks %q:\n%s", whose, w, shows)
		}
	}
	for _, w := range not {
		if strings.Contains(shows, w) {
			t.Errorf("%s has %q:\n%s", whose, w, shows)
		}
	}
}

// untilAsked is the story up to the question about the promotion.
func untilAsked() *story {
	return newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0)
}

func TestAppHomeShowsEachPersonWhatWaitsForThem(t *testing.T) {
	s := newStage(t)
	s.answering()
	s.start(s.log)
	id := s.open()
	s.opens("UALICE", "UEVE")
	s.play(id, untilAsked())
	s.sleep(10 * time.Second)

	_, bob := s.home("UBOB") // he has not opened it, but he is asked
	wants(t, "Bob's App Home", bob,
		[]string{"Waits for you: *Promote the database in us-west-2*", "FailoverGlobalCluster, data loss allowed", "about 1.8 s of writes", "<#" + channel + ">", `"fo.approve"`, `"fo.decline"`, string(id) + "|" + approveID, `"fo.pause"`, "▸ Promote database  0/2", "objective 30 min"},
		[]string{"Nothing waits", "fo.break_glass", "REHEARSAL"})
	_, alice := s.home("UALICE")
	wants(t, "Alice's App Home", alice,
		[]string{"*Nothing waits for you.*", "Waiting for <@UBOB> or <@UCAROL>", `"fo.timeline"`, `"fo.abort"`, "*" + id.Name() + "*"},
		[]string{`"fo.approve"`})
	_, eve := s.home("UEVE")
	wants(t, "Eve's App Home", eve,
		[]string{"*Nothing waits for you.*", "*" + id.Name() + "*", "You are not on the roster: you can use status and help."},
		[]string{`"fo.`, "(takes "})

	s.happen(id, "UBOB", incident.ApprovalGiven{Question: approveID, Kind: incident.AskApprove, Step: "promote", Choice: "approve"})
	s.sleep(5 * time.Second)
	_, bob = s.home("UBOB")
	wants(t, "Bob's App Home after the answer", bob, []string{"*Nothing waits for you.*"}, []string{"fo.approve"})
}

func TestAppHomeWithoutAnIncidentSaysWhatWorks(t *testing.T) {
	s := newStage(t)
	s.answering()
	s.start(s.log)
	s.opens("UALICE", "UCAROL", "UEVE")
	_, alice := s.home("UALICE")
	wants(t, "Alice's App Home", alice, []string{"*Nothing waits for you.*", "there was none before", "`/failover start REGION", "`/failover check [REGION] [planned|unplanned]`"}, []string{"(takes "})
	_, carol := s.home("UCAROL")
	wants(t, "Carol's App Home", carol, []string{"`/failover start REGION", "`/failover check [REGION] [planned|unplanned]`"}, nil)
	_, eve := s.home("UEVE")
	wants(t, "Eve's App Home", eve, []string{"there was none before", "you can use status and help"}, []string{"/failover start"})

	id := s.open()
	s.play(id, whole())
	s.sleep(time.Minute)
	_, alice = s.home("UALICE")
	wants(t, "Alice's App Home after the incident", alice, []string{
		"*Nothing waits for you.*", "No incident is open. The last one: *" + id.Name() + "*", "Users were moved to us-west-2. Resolved by <@UALICE>.", "`/failover start REGION",
	}, []string{`"fo.`})
	_, bob := s.home("UBOB") // who was asked, and has never opened it
	wants(t, "Bob's App Home after the incident", bob, []string{"No incident is open."}, []string{"fo.approve"})
}

func TestAButtonInAppHomeWorksAndItsAnswerIsADirectMessage(t *testing.T) {
	s := newStage(t)
	id := s.open()
	s.play(id, untilAsked())
	s.answer = func(_ context.Context, a commands.Ask) commands.Answer {
		switch {
		case a.Verb == "approve" && a.Values == nil:
			return commands.Answer{Form: form()}
		case a.Verb == "approve":
			s.happen(id, "UBOB", incident.ApprovalGiven{Question: approveID, Kind: incident.AskApprove, Step: "promote", Choice: "approve"})
			return commands.Answer{Text: text.Format("You approved it.")}
		case a.Verb == "pause":
			return commands.Answer{Text: text.Format("Paused, for everybody to read."), Public: true}
		}
		return commands.Answer{Refused: true, Text: text.Format("Not you.")}
	}
	s.start(s.log)
	s.opens("UBOB")
	home, _ := s.home("UBOB")
	press := func(action string) {
		t.Helper()
		if o := s.as("UBOB", "press", slacksim.Deed{ViewID: home, ActionID: action}); !o.OK {
			t.Fatalf("%s: %+v", action, o)
		}
		s.sleep(time.Second)
	}
	press("fo.decline")
	if ask := s.next(); ask.Verb != "decline" || ask.On != approveID || ask.Incident != id || ask.Request == "" || ask.Via.ID != "UBOB" {
		t.Errorf("asked %+v", ask)
	}
	got := s.direct("UBOB")
	if len(got) != 1 || !strings.Contains(shows(got[0]), "Not you.") || len(s.slack.Ephemerals("UBOB")) != 0 {
		t.Fatalf("answered %+v, and in the channel %+v", got, s.slack.Ephemerals("UBOB"))
	}
	press("fo.pause")
	if last := s.slack.Messages(channel); !strings.Contains(shows(last[len(last)-1]), "for everybody to read") {
		t.Errorf("what is public is not in the channel: %s", shows(last[len(last)-1]))
	}
	press("fo.approve")
	windows := s.seen("UBOB").Views
	if len(windows) != 1 {
		t.Fatalf("%d forms are open", len(windows))
	}
	if o := s.as("UBOB", "submit", slacksim.Deed{ViewID: windows[0].ID, Values: typed("us-west-2")}); !o.OK {
		t.Fatalf("%+v", o)
	}
	s.sleep(5 * time.Second)
	if got := s.direct("UBOB"); len(got) != 2 || !strings.Contains(shows(got[1]), "You approved it.") {
		t.Errorf("answered %+v", got)
	}
	_, shows := s.home("UBOB")
	wants(t, "the App Home afterwards", shows, []string{"Nothing waits for you"}, []string{"fo.approve"})
}

// counting notes when Slack is called.
type counting struct {
	mu sync.Mutex
	at map[string][]time.Time
}

func (c *counting) times(call string) []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at[call]
}

// refusing makes Slack say no to some methods, and counts all calls. What is about
// a person has their id behind the method.
func (s *stage) refusing(codes map[string]string) *counting {
	n := &counting{at: map[string][]time.Time{}}
	s.change = func(_ *Options, c *Client) {
		m := &meddler{RoundTripper: c.http.Transport}
		m.meddle = func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			method := strings.TrimPrefix(r.URL.Path, "/api/")
			call := method
			if r.GetBody != nil && method == "views.publish" {
				body, _ := r.GetBody()
				var b strings.Builder
				_, _ = copyTo(&b, body)
				var who struct {
					User string `json:"user_id"`
				}
				if err := json.Unmarshal([]byte(b.String()), &who); err == nil {
					call += " " + who.User
				}
			}
			n.mu.Lock()
			n.at[method] = append(n.at[method], s.clock.Now())
			if call != method {
				n.at[call] = append(n.at[call], s.clock.Now())
			}
			n.mu.Unlock()
			switch code := codes[method]; code {
			case "":
				return send()
			case "broken":
				return nil, fmt.Errorf("the connection broke off")
			default:
				return says(r, fmt.Sprintf(`{"ok":false,"error":%q,"needed":"some:scope"}`, code)), nil
			}
		}
		c.http.Transport = m
	}
	return n
}

func TestWhatSlackRefusesBesideTheMessagesHoldsUpNothing(t *testing.T) {
	for _, c := range []struct {
		name  string
		codes map[string]string
		most  int // calls of each that is refused
	}{
		{"scopes are missing", map[string]string{"views.publish": "not_enabled", "pins.add": "missing_scope", "pins.remove": "missing_scope", "conversations.info": "missing_scope", "conversations.setTopic": "missing_scope"}, 1},
		{"the channel does not allow it", map[string]string{"pins.add": "too_many_pins", "pins.remove": "permission_denied", "conversations.setTopic": "not_in_channel", "views.publish": "view_too_large"}, 100},
		{"only the topic cannot be set", map[string]string{"conversations.setTopic": "restricted_action"}, 1},
		{"it is out of reach", map[string]string{"views.publish": "broken", "pins.add": "broken", "pins.remove": "broken", "conversations.info": "broken"}, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			calls := s.refusing(c.codes)
			s.start(s.log)
			id := s.open()
			s.play(id, whole())
			s.sleep(5 * time.Minute)
			n := s.keys(id)
			for _, key := range []string{"card", "question/q1", "question/q2", "question/q3", "update/1", "review"} {
				if n[key] != 1 {
					t.Errorf("%s was said %d times", key, n[key])
				}
			}
			for method, code := range c.codes {
				if got := len(calls.times(method)); got == 0 && method != "pins.remove" && code != "missing_scope" || got > c.most {
					t.Errorf("%s was called %d times", method, got)
				}
			}
			for _, says := range []string{"an App Home cannot be published", "the card cannot be pinned", "the channel's topic cannot be"} {
				for line := range strings.Lines(s.logged.String()) {
					if strings.Contains(line, says) && !strings.Contains(line, `"level":"warn"`) {
						t.Errorf("logged as %s", line)
					}
				}
				if got := strings.Count(s.logged.String(), says); got > 2 || got == 0 && strings.Contains(c.name, "scopes") {
					t.Errorf("%q was logged %d times", says, got)
				}
			}
			if strings.Contains(c.name, "scopes") && !strings.Contains(s.logged.String(), `"scope":"some:scope"`) {
				t.Error("the log does not say which scope is missing")
			}
		})
	}
}

func TestAppHomeIsPublishedOnlyWhenItChangesAndNotTooOften(t *testing.T) {
	s := newStage(t)
	calls := s.refusing(nil)
	s.start(s.log)
	id := s.open()
	s.opens("UALICE")
	s.happen(id, incident.Bot, incident.RunTaken{Holder: "a", Token: 1})
	for range 50 {
		s.happen(id, incident.Bot, incident.StepStarted{Step: "nodes", Attempt: 1})
		s.sleep(100 * time.Millisecond)
		s.happen(id, incident.Bot, incident.StepFinished{Step: "nodes", Attempt: 1})
		s.sleep(100 * time.Millisecond)
	}
	s.sleep(5 * time.Second)
	at := calls.times("views.publish UALICE")
	if len(at) < 3 || len(at) > 8 {
		t.Errorf("published %d times in 15 s", len(at))
	}
	for i := 1; i < len(at); i++ {
		if d := at[i].Sub(at[i-1]); d < homeEvery {
			t.Errorf("published again after %s", d)
		}
	}
	before := len(at)
	for range 20 {
		s.happen(id, "UALICE", incident.NoteAdded{Text: "an App Home does not show notes"})
		s.sleep(time.Second)
	}
	if n := len(calls.times("views.publish UALICE")) - before; n > 1 {
		t.Errorf("published %d times although nothing that it shows has changed", n)
	}
	if n := len(calls.times("views.publish UEVE")); n != 0 {
		t.Errorf("Eve, who has not opened it and is not asked, got %d", n)
	}
	before = len(calls.times("views.publish UALICE"))
	s.sleep(5 * time.Minute) // only the durations change
	if n := len(calls.times("views.publish UALICE")) - before; n < 8 || n > 11 {
		t.Errorf("published %d times in five quiet minutes", n)
	}
}

func TestAReplicaThatDoesNotCarryTheRunOutKeepsOnlyTheHomesThatWereOpenedThere(t *testing.T) {
	s := newStage(t)
	calls := s.refusing(nil)
	quiet := s.change
	s.change = func(o *Options, c *Client) {
		quiet(o, c)
		o.Holds = func(incident.ID) bool { return false }
	}
	s.start(s.log)
	id := s.open()
	s.opens("UEVE") // it may be the one that Slack tells of it
	s.play(id, untilAsked())
	s.sleep(time.Minute)
	all, eve := len(calls.times("views.publish")), len(calls.times("views.publish UEVE"))
	if all != eve {
		t.Errorf("a bystander published %d views for people who had not opened theirs there", all-eve)
	}
	if eve < 2 || eve > 60 {
		t.Errorf("Eve, who has opened hers there, got %d", eve)
	}
	if _, shows := s.home("UEVE"); !strings.Contains(shows, "Promote database") || !strings.Contains(shows, "Waiting for <@UBOB>") {
		t.Errorf("Eve's App Home shows %s", shows)
	}
	if n := len(calls.times("pins.add")) + len(calls.times("conversations.setTopic")); n != 0 {
		t.Errorf("a bystander pinned or set the topic %d times", n)
	}
}

func TestAppHomesAreCorrectAgainAfterARestart(t *testing.T) {
	s := newStage(t)
	kill := s.start(s.log)
	id := s.open()
	s.play(id, untilAsked())
	s.sleep(5 * time.Second)
	if _, shows := s.home("UBOB"); !strings.Contains(shows, "fo.approve") {
		t.Fatalf("Bob's App Home shows %s", shows)
	}
	kill()
	s.happen(id, "UBOB", incident.ApprovalGiven{Question: approveID, Kind: incident.AskApprove, Step: "promote", Choice: "approve"})
	s.start(s.log)
	s.sleep(10 * time.Second)
	if _, shows := s.home("UBOB"); strings.Contains(shows, "fo.approve") {
		t.Errorf("Bob's App Home still asks: %s", shows)
	}
}

func TestAppHomeSaysWhenTheRecordCannotBeReached(t *testing.T) {
	s := newStage(t)
	s.start(&unreadable{Log: s.log})
	s.opens("UALICE")
	_, shows := s.home("UALICE")
	wants(t, "the App Home", shows, []string{"The record (Redis) cannot be reached"}, []string{"Nothing waits"})
}

// unreadable is a Log that is out of reach.
type unreadable struct{ incident.Log }

// Incidents fails.
func (unreadable) Incidents(context.Context, int) ([]incident.ID, error) { return nil, errDied }

func TestAppHomeLooksAsItDid(t *testing.T) {
	glass := func() *story {
		s := untilAsked()
		s.add(15*time.Minute, incident.Bot, incident.ApprovalExpired{Question: approveID, Step: "promote"})
		return s.asked("q9", 1)
	}
	help := "*Now, with no incident open*\n`/failover start REGION planned|unplanned REASON` begin a failover to that Region (takes a commander)\n`/failover check [REGION] [planned|unplanned]` carry out the readiness checks now\n*Also*\n`/failover go` begin\nRegions: us-east-1 and us-west-2."
	for _, c := range []struct {
		name   string
		person string
		story  *story
		help   string
	}{
		{"home-go", "UALICE", newStory("unplanned").readiness(), ""},
		{"home-approval", "UBOB", untilAsked(), ""},
		{"home-approval-asker", "UALICE", untilAsked(), ""},
		{"home-failed-step", "UALICE", newStory("unplanned").readiness().gone().scaleFails(), ""},
		{"home-break-glass", "UBOB", glass(), ""},
		{"home-paused", "UCAROL", newStory("planned").readiness().gone().add(time.Second, "UCAROL", incident.RunPaused{Reason: "a call with AWS"}), ""},
		{"home-outsider", "UEVE", untilAsked(), "Regions: us-east-1 and us-west-2. You are not on the roster: you can use status and help."},
		{"home-mitigated", "UALICE", untilAsked().promoted().mitigated(), ""},
		{"home-resolved", "UCAROL", whole(), may(help)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := sober(t, c.story.at.Add(5*time.Second))
			v := b.viewOf(incident.Fold(c.story.events))
			p, listed := b.rostered(c.person)
			blocks := b.home(v.home(p, listed, channel, c.help), v.practice)
			fits(t, blocks)
			golden(t, c.name, map[string]any{"blocks": blocks})
		})
	}
}

// view checks a view against Slack's limits.
func fits(t *testing.T, blocks []slack.Block) {
	t.Helper()
	data, err := json.Marshal(blocks)
	if err != nil {
		t.Fatal(err)
	}
	if len(blocks) == 0 || len(blocks) > 80 || len(data) > 60_000 {
		t.Errorf("%d blocks of %d characters", len(blocks), len(data))
	}
	rows := map[string]bool{}
	for _, one := range blocks {
		switch one := one.(type) {
		case *slack.SectionBlock:
			if n := utf8.RuneCountInString(one.Text.Text); n == 0 || n > 3000 {
				t.Errorf("a section of %d characters", n)
			}
		case *slack.ActionBlock:
			if rows[one.BlockID] || len(one.BlockID) > 255 {
				t.Errorf("the row %q stands twice, or its name is too long", one.BlockID)
			}
			rows[one.BlockID] = true
		}
	}
	for _, bad := range []string{`\u003c!channel`, `\u003c@UEVIL`} {
		if strings.Contains(string(data), bad) {
			t.Errorf("text from outside got through: %s", data)
		}
	}
}

func TestNoTextIsTooLongForAppHome(t *testing.T) {
	s := endless()
	for _, end := range []incident.Body{
		incident.NoteAdded{Text: "x"},
		incident.RunAborted{Reason: strings.Repeat("<&>", 5000)},
		incident.IncidentResolved{Reason: "x"},
	} {
		s.add(time.Second, "UALICE", end)
		b := sober(t, s.at)
		v := b.viewOf(incident.Fold(s.events))
		for _, p := range append(roster, incident.Person{ID: "UEVE"}) {
			fits(t, b.home(v.home(p, len(p.Roles) > 0, channel, strings.Repeat("`/failover x` &lt;!channel&gt; ", 500)), true))
		}
		for _, p := range []incident.Person{{ID: "UALL", Roles: []string{v.Questions["a0"].Role, "commander"}}} {
			blocks := b.home(v.home(p, true, channel, ""), true)
			fits(t, blocks)
		}
		if n := utf8.RuneCountInString(v.topic()); n > topicMax {
			t.Errorf("a topic of %d characters", n)
		}
	}
}

func TestAppHomeBeginsWithREHEARSALInOne(t *testing.T) {
	s := newStage(t)
	s.change = func(o *Options, _ *Client) { o.Rehearsal = true }
	s.start(s.log)
	s.opens("UALICE", "UEVE")
	for _, p := range []string{"UALICE", "UEVE"} {
		if _, shows := s.home(p); !strings.HasPrefix(strings.SplitN(shows, `"text":"`, 2)[1], "REHEARSAL · *Nothing waits") {
			t.Errorf("%s sees %s", p, shows)
		}
	}
	s.open()
	s.sleep(10 * time.Second)
	if _, shows := s.home("UALICE"); !strings.HasPrefix(strings.SplitN(shows, `"text":"`, 2)[1], "REHEARSAL · ") {
		t.Errorf("Alice sees %s", shows)
	}
}
