package slack

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

const (
	onCallGroup  = "S0ONCALL0"
	supportGroup = "S0SUPPORT"
	elsewhere    = "C0GENERAL"
)

var userGroups = []slacksim.Group{
	{ID: onCallGroup, Handle: "on-call", Name: "On call", Users: []string{"UALICE"}},
	{ID: supportGroup, Handle: "support", Name: "Support", Users: []string{"UEVE"}},
}

// The first post of an incident mentions those on call; what is edited later does not,
// nor does a card that somebody deleted and that is said again.
func TestThoseOnCallAreMentionedOnce(t *testing.T) {
	s := newStage(t)
	s.change = func(o *Options, _ *Client) { o.OnCallGroup = onCallGroup }
	kill := s.start(s.log)
	id := s.open()
	s.play(id, untilAsked())
	s.sleep(time.Minute)
	kill()
	s.start(s.log)
	s.sleep(time.Minute)
	card, ok := s.message(keyCard)
	if !ok || strings.Contains(shows(card), "subteam") {
		t.Errorf("the card of now: %t %s", ok, shows(card))
	}
	if _, _, err := s.face.client.api.DeleteMessageContext(s.ctx, channel, card.TS); err != nil {
		t.Fatal(err)
	}
	s.sleep(time.Minute)
	if again, ok := s.message(keyCard); !ok || again.TS == card.TS {
		t.Error("the card is not said again")
	}
	mentions := 0
	for l := range strings.Lines(s.messages.String()) {
		if strings.Contains(l, "subteam^"+onCallGroup) {
			if strings.Contains(l, `"op":"post"`) { // an edit notifies nobody
				mentions++
			}
			if !strings.Contains(l, `"key":"card"`) {
				t.Errorf("it is mentioned in %s", l)
			}
		}
	}
	if mentions != 1 {
		t.Errorf("mentioned %d times", mentions)
	}
}

func (s *stage) presses(who, in, key, action string) commands.Ask {
	s.t.Helper()
	for _, m := range s.slack.Messages(in) {
		if keyOf(m) != key {
			continue
		}
		if o := s.as(who, "press", slacksim.Deed{Channel: in, MessageTS: m.TS, ActionID: action}); !o.OK {
			s.t.Fatalf("%s presses %s: %+v", who, action, o)
		}
		s.sleep(time.Second)
		return s.next()
	}
	s.t.Fatalf("there is no %s in %s", key, in)
	return commands.Ask{}
}

// count is how many messages of a channel have that key.
func (s *stage) count(in, key string) (n int) {
	for _, m := range s.slack.Messages(in) {
		if keyOf(m) == key {
			n++
		}
	}
	return n
}

// Support is told once, where the settings say, however often the bot dies; the button
// goes when somebody of them has said that they are here.
func TestSupportIsAskedOnceWhetherTheyAreHere(t *testing.T) {
	for name, c := range map[string]struct{ support, in, who string }{
		"a person":  {"UEVE", channel, "<@UEVE>"},
		"a group":   {supportGroup, channel, "<!subteam^" + supportGroup + ">"},
		"a channel": {elsewhere, elsewhere, "Support:"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.change = func(o *Options, _ *Client) { o.Support = c.support }
			s.answer = func(_ context.Context, ask commands.Ask) commands.Answer {
				return commands.Answer{Text: text.Format("noted")}
			}
			kill := s.start(s.log)
			id := s.open()
			s.play(id, untilAsked())
			s.sleep(10 * time.Second)
			const key = keyHere + incident.Supporting
			asked := s.only(c.in, key)
			wants(t, "the question", shows(asked), []string{c.who, id.Name(), "us-east-1", "us-west-2", `"fo.here"`}, nil)
			kill()
			// A replica that died before it could write down what it had said.
			s.start(s.log)
			s.sleep(time.Minute)
			if n := s.count(c.in, key); n != 1 {
				t.Errorf("%d messages", n)
			}
			ask := s.presses("UEVE", c.in, key, "fo.here")
			if ask.Verb != "here" || ask.On != incident.Supporting || ask.Incident != id || ask.Via != bySlack("UEVE") {
				t.Errorf("%+v", ask)
			}
			s.happen(id, "slack:UEVE", incident.ConfirmationGiven{Subject: incident.Supporting, Yes: true})
			s.sleep(10 * time.Second)
			wants(t, "after it", shows(s.only(c.in, key)), []string{"Support is here: <@UEVE>"}, []string{`"fo.here"`})
			if other := map[string]string{channel: elsewhere, elsewhere: channel}[c.in]; s.count(other, key) != 0 {
				t.Errorf("it is in %s, too", other)
			}
		})
	}
}

// A channel that the bot is not in keeps nothing else from being said.
func TestAChannelOfSupportThatTakesNothingStopsNothing(t *testing.T) {
	s := newStage(t)
	s.change = func(o *Options, _ *Client) { o.Support = "C0NOWHERE" }
	s.start(s.log)
	id := s.open()
	s.play(id, whole())
	s.sleep(2 * time.Minute)
	if n := s.keys(id)[keyReview]; n != 1 {
		t.Errorf("%d reviews", n)
	}
	if !strings.Contains(s.logged.String(), keyHere+incident.Supporting) {
		t.Error("nobody is told of it")
	}
}

// only is the one message of a channel with that key.
func (s *stage) only(in, key string) slacksim.Message {
	s.t.Helper()
	var out []slacksim.Message
	for _, m := range s.slack.Messages(in) {
		if keyOf(m) == key {
			out = append(out, m)
		}
	}
	if len(out) != 1 {
		s.t.Fatalf("%d messages %s in %s", len(out), key, in)
	}
	return out[0]
}

// The commander is asked where none has done anything, and not where one declared it.
func TestTheCommanderIsAskedWhereNoneIsHere(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	id := s.open()
	s.play(id, untilAsked())
	s.sleep(10 * time.Second)
	const key = keyHere + incident.Commanding
	if by, n := declaredBy(t, s, id), s.count(channel, key); n != 0 {
		t.Fatalf("declared by %s, and asked %d times", by, n)
	}

	s = newStage(t)
	s.start(s.log)
	id, err := s.log.Reserve(s.ctx, s.clock.Now(), "another")
	if err != nil {
		t.Fatal(err)
	}
	bodies := declared("unplanned", smallPlan("unplanned"))
	d := bodies[0].(incident.IncidentDeclared)
	d.Incident = id
	bodies[0] = d
	s.happen(id, "UBOB", bodies...)
	s.sleep(10 * time.Second)
	wants(t, "the question", shows(s.only(channel, key)), []string{"A commander is wanted", `"fo.here"`, id.Name()}, nil)
	s.happen(id, "UALICE", incident.NoteAdded{Text: "on it"})
	s.sleep(10 * time.Second)
	wants(t, "after it", shows(s.only(channel, key)), []string{"The commander is here: "}, []string{`"fo.here"`})
}

func declaredBy(t *testing.T, s *stage, id incident.ID) string {
	t.Helper()
	events, err := s.log.Read(s.ctx, id, 0, 1)
	if err != nil || len(events) == 0 {
		t.Fatal(err)
	}
	return events[0].Actor
}

// People are asked about the platform once, also when the one who asked died before it
// could write that down; who has answered what stands where it was asked.
func TestPeopleAreAskedAboutThePlatformOnce(t *testing.T) {
	s := newStage(t)
	kill := s.start(s.log)
	book := incident.NewBook(s.log)
	person := roster[0]
	wanted := incident.Wanted{Subject: incident.Access, Of: []string{person.ID}, Question: "Can you open <both> of *them*?", Yes: "I can open both", No: "I cannot"}
	if err := book.AskFor(s.ctx, []incident.Wanted{wanted}, s.clock.Now(), 0); err != nil {
		t.Fatal(err)
	}
	deaf, err := New(func() Options { o := s.face.opt; o.Book = incident.NewBook(forgetful{s.log}); return o }(), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if err := deaf.TellAsked(s.ctx); err == nil {
		t.Error("nothing is said of a record that keeps nothing")
	}
	for range 2 {
		if err := s.face.TellAsked(s.ctx); err != nil {
			t.Fatal(err)
		}
	}
	var asked incident.Asked
	see := func(st *incident.State) { asked = st.Platform.Asked()[0] }
	if err := book.View(s.ctx, incident.PlatformLog, see); err != nil {
		t.Fatal(err)
	}
	key := keyAsked + asked.Confirmation
	user := person.Faces[incident.FaceSlack]
	wants(t, "the question", shows(s.only(channel, key)), []string{"<@" + user + ">", "Can you open &lt;both&gt;", `"fo.confirm"`, `"fo.deny"`, "I can open both", "I cannot"}, []string{"<both>"})

	kill()
	s.start(s.log)
	s.answer = func(_ context.Context, ask commands.Ask) commands.Answer {
		s.happen(incident.PlatformLog, person.ID, incident.ConfirmationGiven{Confirmation: ask.On, Subject: incident.Access, Yes: true})
		return commands.Answer{Text: text.Format("noted")}
	}
	ask := s.presses(user, channel, key, "fo.confirm")
	if ask.On != asked.Confirmation || ask.Incident != "" || ask.Via != bySlack(user) {
		t.Errorf("%+v", ask)
	}
	s.sleep(10 * time.Second)
	wants(t, "after it", shows(s.only(channel, key)), []string{"*I can open both*, said ", "{date_short} {time}"}, []string{`"fo.confirm"`, `"fo.deny"`})
	before := len(s.messages.String())
	if err := s.face.TellAsked(s.ctx); err != nil || len(s.messages.String()) != before {
		t.Errorf("it is shown again: %v", err)
	}
}

// Who is of support is Slack's to say: a person, a group's members, a channel's.
func TestWhoIsOfSupport(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	for _, c := range []struct {
		id, user string
		want     bool
	}{
		{"UEVE", "UEVE", true},
		{"UEVE", "UALICE", false},
		{supportGroup, "UEVE", true},
		{supportGroup, "UALICE", false},
		{supportGroup, "", false},
		{elsewhere, "UALICE", true},
		{elsewhere, "UNOBODY", false},
	} {
		if got, err := s.face.client.Includes(s.ctx, c.id, c.user); got != c.want || err != nil {
			t.Errorf("%s of %s: %t %v", c.user, c.id, got, err)
		}
	}
	for _, id := range []string{"S0NOTHERE", "C0NOTHERE"} {
		if got, err := s.face.client.Includes(s.ctx, id, "UEVE"); got || err == nil || !strings.Contains(err.Error(), id) {
			t.Errorf("%s: %t %v", id, got, err)
		}
	}
}

func TestAMentionIsOfAnIdAlone(t *testing.T) {
	for id, want := range map[string]string{"": "", "U0A": "<@U0A>", "W0A": "<@W0A>", "S0A": "<!subteam^S0A>", "C0A": "", "G0A": ""} {
		if got := mention(id); got != want {
			t.Errorf("%q: %q", id, got)
		}
	}
}
