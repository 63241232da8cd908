package slack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// crowd is a stage whose Slack answers each call after 200 ms, on which an outsider
// mentions the bot 300 times and a responder takes 100 notes at one moment.
type crowd struct {
	*stage
	limited func() int // 429 so far
}

func newCrowd(t testing.TB, clock incident.Clock) *crowd {
	t.Helper()
	c := &crowd{stage: newStageOn(t, clock)}
	c.answer = func(_ context.Context, ask commands.Ask) commands.Answer {
		switch ask.Verb {
		case "approve":
			return commands.Answer{Form: &commands.Form{Verb: "approve", Title: "Approve", Submit: "Approve", Fields: []commands.Field{{Name: "region", Label: "Type the Region"}}}}
		case "pause":
			return commands.Answer{Text: text.Format("Paused."), Public: true}
		case "note":
			return commands.Answer{Text: text.Format("Noted: %s", ask.Text), Public: true}
		}
		return commands.Answer{Refused: true, Text: text.Format("You are not on the roster.")}
	}
	n := make(chan struct{}, 100000)
	c.limited = func() int { return len(n) }
	c.change = func(_ *Options, client *Client) {
		client.http.Transport = &meddler{RoundTripper: client.http.Transport, meddle: func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			if err := clock.Sleep(r.Context(), 200*time.Millisecond); err != nil {
				return nil, err
			}
			answer, err := send()
			if err == nil && answer.StatusCode == http.StatusTooManyRequests {
				n <- struct{}{}
			}
			return answer, err
		}}
	}
	c.start(c.log)
	id := c.open()
	c.happen(id, incident.Bot, incident.RunTaken{Holder: "a", Token: 1})
	c.sleep(30 * time.Second)
	return c
}

func (c *crowd) ask(person, typed string) {
	c.t.Helper()
	if o := c.as(person, "command", slacksim.Deed{Channel: channel, Text: typed}); !o.OK {
		c.t.Fatalf("%+v", o)
	}
}

func (c *crowd) storm() {
	for range 300 {
		c.as("UEVE", "say", slacksim.Deed{Channel: channel, Text: "@failoverbot status"})
	}
	for n := range 100 {
		c.ask("UBOB", fmt.Sprintf("/failover note number %d", n))
	}
}

// within is how long it takes until something is so, on the clock.
func (c *crowd) within(limit time.Duration, so func() bool) time.Duration {
	c.t.Helper()
	began := c.clock.Now()
	for !so() {
		if c.clock.Now().Sub(began) > limit {
			c.t.Fatalf("not so after %s", limit)
		}
		c.sleep(50 * time.Millisecond)
	}
	return c.clock.Now().Sub(began)
}

func (c *crowd) posted(what string) bool {
	for _, m := range c.slack.Messages(channel) {
		if strings.HasSuffix(m.Text, what) && m.User == slacksim.BotUserID {
			return true
		}
	}
	return false
}

func TestNobodyKeepsAnotherWaiting(t *testing.T) {
	clock := sim.NewClock(began.Add(9*time.Minute), sim.Max)
	t.Cleanup(clock.Close)
	c := newCrowd(t, clock)
	c.storm()
	c.ask("UCAROL", "/failover approve")
	c.ask("UALICE", "/failover pause")
	form := c.within(time.Second, func() bool { return len(c.seen("UCAROL").Views) == 1 })
	paused := c.within(3*time.Second-form, func() bool { return c.posted("Paused.") })
	t.Logf("the form after %s, Paused after %s", form, form+paused)

	// What the two asked for is answered as far as there is room, and the rest is said
	// to be left out, once.
	c.sleep(2 * time.Minute)
	said := 0
	for _, m := range c.slack.Ephemerals("UEVE") {
		if strings.Contains(m.Text, "more at once than can be answered") {
			said++
		}
	}
	if n := len(c.slack.Ephemerals("UEVE")); said != 1 || n < waitingMax || n > 60 {
		t.Errorf("the outsider reads %d messages, %d of them that more is left out", n, said)
	}
	noted := 0
	for _, m := range c.slack.Ephemerals("UBOB") {
		if strings.Contains(m.Text, "Noted: number") {
			noted++
		}
	}
	for _, m := range c.slack.Messages(channel) {
		if strings.Contains(m.Text, "Noted: number") && m.ThreadTS == "" {
			noted++
		}
	}
	if noted != 100 {
		t.Errorf("the responder reads of %d notes that they were taken", noted)
	}
	if n := c.limited(); n > 0 {
		t.Errorf("Slack said %d times that it was too much", n)
	}
}

func TestAFormIsNotOpenedAfterItsTriggerHasDied(t *testing.T) {
	clock := sim.NewClock(began.Add(9*time.Minute), sim.Max)
	t.Cleanup(clock.Close)
	c := newCrowd(t, clock)
	note := c.answer
	c.answer = func(ctx context.Context, ask commands.Ask) commands.Answer {
		if ask.Verb == "note" {
			return commands.Answer{Form: &commands.Form{Verb: "note", Title: "Note", Submit: "Note", Fields: []commands.Field{{Name: "text", Label: "What"}}}}
		}
		return note(ctx, ask)
	}
	for range 60 {
		c.ask("UBOB", "/failover note")
	}
	c.ask("UALICE", "/failover approve")
	c.within(time.Second, func() bool { return len(c.seen("UALICE").Views) == 1 })
	c.sleep(time.Minute)
	opened, told := len(c.seen("UBOB").Views), 0
	for _, m := range c.slack.Ephemerals("UBOB") {
		if strings.Contains(m.Text, "could not be opened in time") {
			told++
		}
	}
	if told == 0 || strings.Contains(c.logged.String(), "expired_trigger_id") {
		t.Errorf("%d forms were opened, of %d was said that they were not; the log:\n%s", opened, told, c.logged)
	}
}

func TestOneSlowedResponseURLSlowsNoOther(t *testing.T) {
	s := newStage(t)
	slow := ""
	s.change = func(_ *Options, c *Client) {
		c.http.Transport = &meddler{RoundTripper: c.http.Transport, meddle: func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			if strings.Contains(r.URL.Path, "/response/") && (slow == "" || slow == r.URL.Path) {
				slow = r.URL.Path
				a := says(r, "slow")
				a.StatusCode = http.StatusTooManyRequests
				a.Header.Set("Retry-After", "30")
				return a, nil
			}
			return send()
		}}
	}
	s.start(s.log)
	for range 2 {
		s.as("UALICE", "command", slacksim.Deed{Channel: channel, Text: "/failover status"})
		s.sleep(time.Second)
	}
	if got := s.slack.Ephemerals("UALICE"); len(got) != 1 {
		t.Errorf("answered %+v", got)
	}
}

func TestAnswersThroughAResponseURLAreNotPaced(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	began := s.clock.Now()
	for range 1500 { // more than any allowance
		s.as("UALICE", "command", slacksim.Deed{Channel: channel, Text: "/failover status"})
	}
	for len(s.slack.Ephemerals("UALICE")) < 1500 && s.clock.Now().Sub(began) < time.Minute {
		s.sleep(time.Millisecond)
	}
	if took := s.clock.Now().Sub(began); took > 10*time.Second { // paced, they would take a quarter of an hour
		t.Errorf("1,500 answers took %s", took)
	}
}

// TestWhoOnlyLooksDoesNotWaitForTheRateOfLookUps has more people ask than may be looked up in a
// minute, none of whom was here before. Who wants to decide is still looked up first.
func TestWhoOnlyLooksDoesNotWaitForTheRateOfLookUps(t *testing.T) {
	clock := sim.NewClock(began.Add(9*time.Minute), sim.Max)
	t.Cleanup(clock.Close)
	people := append([]slacksim.Person{{ID: "UGUEST", Name: "Guest", Kind: "guest"}}, everyone...)
	const crowd = 300
	for n := range crowd {
		people = append(people, slacksim.Person{ID: fmt.Sprintf("U%04d", n), Name: fmt.Sprintf("Person %d", n)})
	}
	s := newStageWith(t, clock, people)
	s.start(s.log)
	began := clock.Now()
	for n := range crowd {
		if o := s.as(fmt.Sprintf("U%04d", n), "command", slacksim.Deed{Channel: channel, Text: "/failover status"}); !o.OK {
			t.Fatalf("%+v", o)
		}
	}
	answered := func() (all int) {
		for n := range crowd {
			all += len(s.slack.Ephemerals(fmt.Sprintf("U%04d", n)))
		}
		return all
	}
	for answered() < crowd && clock.Now().Sub(began) < time.Minute {
		s.sleep(time.Millisecond)
	}
	if took := clock.Now().Sub(began); took >= peopleWithin { // as long as each of them would have waited
		t.Errorf("%d answers took %s", answered(), took)
	}

	if o := s.as("UGUEST", "command", slacksim.Deed{Channel: channel, Text: "/failover pause"}); !o.OK {
		t.Fatalf("%+v", o)
	}
	s.sleep(2 * peopleWithin)
	if got := s.slack.Ephemerals("UGUEST"); len(got) != 1 || !strings.Contains(shows(got[0]), "nothing is decided on your word") {
		t.Errorf("the guest was answered %+v", got)
	}
	for len(s.asked) > 0 {
		if ask := <-s.asked; ask.Verb != "status" {
			t.Errorf("taken from somebody whom Slack has not named yet: %+v", ask)
		}
	}
}

func TestWhatDecidesIsNextInAQueueThatIsFairToPeople(t *testing.T) {
	clock := sim.NewClock(began, sim.Max)
	t.Cleanup(clock.Close)
	defer clock.Busy()()
	p := newPacer(clock)
	order := make(chan string, 100)
	wait := func(name string, turn turn) {
		done := clock.Busy()
		go func() {
			defer done()
			err := p.wait(asTurn(context.Background(), turn), methodPost, "C1")
			switch {
			case errors.Is(err, errCrowded):
				name = "dropped"
			case errors.Is(err, errExpired):
				name = "expired"
			}
			order <- name
		}()
		if err := clock.Sleep(context.Background(), time.Microsecond); err != nil { // so it waits now
			t.Error(err)
		}
	}
	for range 3 {
		wait("free", turn{})
	}
	for range 15 {
		wait("eve", turn{rank: rankRemark, person: "UEVE"})
	}
	wait("bob", turn{rank: rankRemark, person: "UBOB"})
	wait("form", turn{rank: rankAnswer, person: "UALICE", until: clock.Now().Add(500 * time.Millisecond)})
	wait("paused", turn{rank: rankAnswer, person: "UALICE"})
	wait("card", turn{})
	if err := clock.Sleep(context.Background(), time.Minute); err != nil {
		t.Fatal(err)
	}
	close(order)
	var got []string
	for one := range order {
		got = append(got, one)
	}
	want := "free free free dropped dropped dropped dropped dropped expired card paused eve bob eve eve eve eve eve eve eve eve eve"
	if strings.Join(got, " ") != want {
		t.Errorf("the order is\n%s, want\n%s", strings.Join(got, " "), want)
	}
}

func TestWhatIsAskedWhereTheBotIsNotIsAnsweredThereAndSaidInTheIncidentsChannel(t *testing.T) {
	for _, verb := range []string{"pause", "resume", "note x", "remind"} {
		t.Run(verb, func(t *testing.T) {
			s := newStage(t)
			s.answer = func(context.Context, commands.Ask) commands.Answer {
				return commands.Answer{Text: text.Format("It was done."), Public: true}
			}
			s.change = func(_ *Options, c *Client) {
				c.http.Transport = &meddler{RoundTripper: c.http.Transport, meddle: func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, "/chat.postEphemeral") {
						return says(r, `{"ok":false,"error":"channel_not_found"}`), nil
					}
					return send()
				}}
			}
			s.start(s.log)
			ask := slack.SlashCommand{
				TeamID: slacksim.TeamID, APIAppID: slacksim.AppID, UserID: "UALICE", ChannelID: "G0PRIVATE", Command: "/failover", Text: verb, ResponseURL: s.slack.URL() + "response/nowhere",
			}
			s.face.command(s.ctx, "e1", ask)
			s.sleep(time.Second)
			said := 0
			for _, m := range s.slack.Messages(channel) {
				if strings.Contains(m.Text, "It was done.") {
					said++
				}
			}
			if said != 1 {
				t.Errorf("%s: the incident's channel reads it %d times", verb, said)
			}
			direct := 0
			for _, all := range s.seen("UALICE").Messages {
				for _, m := range all {
					if strings.Contains(m.Text, "It was done.") && m.Channel != channel {
						direct++
					}
				}
			}
			if direct != 1 {
				t.Errorf("%s: the person reads it %d times in direct messages", verb, direct)
			}
		})
	}
}

// TestWhoAsksAgainIsToldOnceWhatCameLater asks the same three times while the answer is
// still being found out, and something else once.
func TestWhoAsksAgainIsToldOnceWhatCameLater(t *testing.T) {
	s := newStage(t)
	asked := 0
	var mu sync.Mutex
	s.answer = func(_ context.Context, ask commands.Ask) commands.Answer {
		mu.Lock()
		defer mu.Unlock()
		asked++
		return commands.Answer{Text: text.Format("That is being found out."), Later: func(ctx context.Context) commands.Answer {
			_ = s.clock.Sleep(ctx, 8*time.Second)
			return commands.Answer{Text: text.Format("Found out: %s.", ask.Text)}
		}}
	}
	s.start(s.log)
	for _, typed := range []string{"status", "status", "status inc-1", "status"} {
		s.as("UALICE", "command", slacksim.Deed{Channel: channel, Text: "/failover " + typed})
		s.sleep(time.Second)
	}
	s.as("UBOB", "command", slacksim.Deed{Channel: channel, Text: "/failover status"})
	s.sleep(20 * time.Second)
	for person, want := range map[string]map[string]int{
		"UALICE": {"That is being found out.": 4, "Found out: .": 1, "Found out: inc-1.": 1},
		"UBOB":   {"That is being found out.": 1, "Found out: .": 1},
	} {
		got := map[string]int{}
		for _, m := range s.slack.Ephemerals(person) {
			for said := range want {
				if strings.Contains(shows(m), said) {
					got[said]++
				}
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s was told %v, wanted %v", person, got, want)
		}
	}
	// What was asked for afterwards is found out anew.
	s.as("UBOB", "command", slacksim.Deed{Channel: channel, Text: "/failover status"})
	s.sleep(20 * time.Second)
	if n := len(s.slack.Ephemerals("UBOB")); n != 4 || asked != 6 {
		t.Errorf("asked again, Bob has %d answers; %d were asked for", n, asked)
	}
}
