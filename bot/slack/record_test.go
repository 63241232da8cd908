package slack

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
)

// notes are those on the record, with who put them there.
func (s *stage) notes(id incident.ID) (all []string) {
	s.t.Helper()
	events, err := s.log.Read(s.ctx, id, 0, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range events {
		if n, ok := e.Body.(incident.NoteAdded); ok {
			all = append(all, e.Actor+": "+n.Text)
		}
	}
	return all
}

func TestAMessageIsPutOnTheRecordFromItsMenu(t *testing.T) {
	s := newStage(t)
	s.answering()
	s.start(s.log)
	id := s.open()
	s.sleep(5 * time.Second)
	said := s.as("UBOB", "say", slacksim.Deed{Channel: channel, Text: "Payments are failing <!channel>\n*since* 13:58 & before"})
	if !said.OK {
		t.Fatalf("%+v", said)
	}
	choose := func(person string) {
		t.Helper()
		if o := s.as(person, "shortcut", slacksim.Deed{Channel: channel, MessageTS: said.TS, CallbackID: noteShortcut}); !o.OK {
			t.Fatalf("%+v", o)
		}
		s.sleep(5 * time.Second)
	}
	at := s.clock.Now().Format("15:04")
	before := len(s.slack.Messages(channel))
	choose("UCAROL")
	want := "UCAROL: Bob wrote at " + at + " UTC: Payments are failing <!channel>\n*since* 13:58 & before"
	if got := s.notes(id); len(got) != 1 || got[0] != want {
		t.Fatalf("on the record is %q, want %q", got, want)
	}
	got := s.slack.Ephemerals("UCAROL")
	if len(got) != 1 || !strings.Contains(shows(got[0]), "Noted by") || strings.Contains(shows(got[0]), `<!channel>`) {
		t.Errorf("answered %+v", got)
	}
	for _, m := range s.slack.Messages(channel)[before:] {
		if m.ThreadTS == "" {
			t.Errorf("the channel reads %s", shows(m))
		} else if shows := shows(m); strings.Contains(shows, "<!channel>") || strings.Contains(shows, "*since*") || !strings.Contains(shows, "Payments are failing") {
			t.Errorf("the thread reads %s", shows)
		}
	}
	choose("UEVE") // who is not on the roster
	if got := s.notes(id); len(got) != 1 {
		t.Errorf("an outsider wrote on the record: %q", got)
	}
	if got := s.slack.Ephemerals("UEVE"); len(got) != 1 || !strings.Contains(shows(got[0]), "not on the roster") {
		t.Errorf("answered %+v", got)
	}
}

func TestWithoutAnIncidentAMessageCannotBePutOnTheRecord(t *testing.T) {
	s := newStage(t)
	s.answering()
	s.start(s.log)
	said := s.as("UBOB", "say", slacksim.Deed{Channel: channel, Text: "hello"})
	if o := s.as("UCAROL", "shortcut", slacksim.Deed{Channel: channel, MessageTS: said.TS, CallbackID: noteShortcut}); !o.OK {
		t.Fatalf("%+v", o)
	}
	s.sleep(time.Second)
	if got := s.slack.Ephemerals("UCAROL"); len(got) != 1 || !strings.Contains(shows(got[0]), "No incident is open") {
		t.Errorf("answered %+v", got)
	}
}

// shortcut is what Slack sends for a message.
func shortcut(m slack.Msg) slack.InteractionCallback {
	c := slack.InteractionCallback{
		Type: slack.InteractionTypeMessageAction, CallbackID: noteShortcut, ActionTs: "3.4", TriggerID: "t", MessageTs: m.Timestamp,
		User: slack.User{ID: "UCAROL"}, Message: slack.Message{Msg: m}, Team: slack.Team{ID: slacksim.TeamID}, APIAppID: slacksim.AppID,
	}
	c.Channel.ID = channel
	return c
}

func TestAMessageIsPutOnTheRecordOnceHoweverOftenSlackSaysSo(t *testing.T) {
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
	first := shortcut(slack.Msg{User: "UBOB", Text: "x", Timestamp: "1732111200.000100"})
	again := first
	again.ActionTs = "5.6" // chosen a second time
	other := first
	other.CallbackID = "somebody.elses"
	for _, one := range []struct {
		envelope string
		payload  slack.InteractionCallback
	}{{"e1", first}, {"e1", first}, {"e2", first}, {"e3", again}, {"e4", other}} {
		b.receive(s.ctx, zerolog.Nop(), smc, socketmode.Event{Type: socketmode.EventTypeInteractive, Data: one.payload, Request: &socketmode.Request{EnvelopeID: one.envelope}})
	}
	resume := s.clock.Idle()
	b.workers.Wait()
	resume()
	close(s.asked)
	requests := map[string]bool{}
	for ask := range s.asked {
		if ask.Verb != "note" || ask.Via.ID != "UCAROL" || requests[ask.Request] {
			t.Errorf("asked %+v", ask)
		}
		requests[ask.Request] = true
	}
	if len(requests) != 2 {
		t.Errorf("asked %d times: %v", len(requests), requests)
	}
}

func TestANoteSaysWhoWroteWhatAndWhen(t *testing.T) {
	s := newStage(t)
	b := sober(t, time.Date(2024, 11, 20, 15, 0, 0, 0, time.UTC))
	b.client = &Client{User: "UFAILOVER"}
	const today, earlier = "1732111200.000100", "1731938400.000100" // 14:00 UTC, and two days before
	const markup = "<@UCAROL> see <https://a.example/x?y=1&amp;z|the page>, <https://b.example>, <#C1|general> <!here> <!subteam^S1|@ops> &lt;!channel&gt; a &amp; b"
	var alarm slack.Blocks // as Slack sends them
	err := json.Unmarshal([]byte(`[
		{"type":"header","text":{"type":"plain_text","text":"5xx is high"}},
		{"type":"section","text":{"type":"mrkdwn","text":"*checkout* &amp;amp; more"},"fields":[{"type":"mrkdwn","text":"us-east-1"},{"type":"mrkdwn","text":"13:58"}]},
		{"type":"divider"},
		{"type":"rich_text","elements":[
			{"type":"rich_text_section","elements":[{"type":"text","text":"see "},{"type":"user","user_id":"UBOB"},{"type":"text","text":" "},{"type":"link","url":"https://a.example","text":"the page"}]},
			{"type":"rich_text_list","style":"bullet","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"one"}]},{"type":"rich_text_section","elements":[{"type":"text","text":"two <x>"}]}]}
		]},
		{"type":"context","elements":[{"type":"image","image_url":"https://a.example/g.png","alt_text":"a graph"}]},
		{"type":"actions","elements":[{"type":"button","action_id":"a","text":{"type":"plain_text","text":"Silence"}}]}
	]`), &alarm)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		m    slack.Msg
		want string
	}{
		{"somebody of the roster", slack.Msg{User: "UBOB", Text: "it is back", Timestamp: today}, "Bob wrote at 14:00 UTC: it is back"},
		{"somebody else, another day", slack.Msg{User: "UZOE", Text: "it is back", Timestamp: earlier}, "UZOE wrote at 2024-11-18 14:00 UTC: it is back"},
		{"the bot", slack.Msg{User: "UFAILOVER", Text: "INC-2026-0042", Timestamp: today}, "failoverbot wrote at 14:00 UTC: INC-2026-0042"},
		{"another app", slack.Msg{BotID: "B1", Username: "Status\nPage", Text: "down", Timestamp: today}, "bot Status Page (app) wrote at 14:00 UTC: down"},
		{"nobody, never", slack.Msg{Text: "x"}, "somebody wrote at an unknown time: x"},
		{"markup", slack.Msg{User: "UBOB", Timestamp: today, Text: markup}, "Bob wrote at 14:00 UTC: @Carol see the page (https://a.example/x?y=1&z), https://b.example, #general @here @ops <!channel> a & b"},
		{"a picture", slack.Msg{User: "UBOB", Timestamp: today, Files: []slack.File{{Name: "graph.png"}}}, `Bob wrote at 14:00 UTC: (file "graph.png")`},
		{"an alert", slack.Msg{BotID: "B1", Timestamp: today, Attachments: []slack.Attachment{{Fallback: "CPU is high"}}}, "app B1 wrote at 14:00 UTC: CPU is high"},
		{"an app that calls itself Bob", slack.Msg{BotID: "B1", Username: "Bob", Text: "I approve", Timestamp: today}, "bot Bob (app) wrote at 14:00 UTC: I approve"},
		{"an app with the id of a person", slack.Msg{User: "UBOB", BotID: "B1", Text: "I approve", Timestamp: today}, "app B1 wrote at 14:00 UTC: I approve"},
		{"an app of old", slack.Msg{SubType: slack.MsgSubTypeBotMessage, User: "UBOB", Text: "x", Timestamp: today}, "app UBOB wrote at 14:00 UTC: x"},
		{"a person who wants to be called otherwise", slack.Msg{User: "UZOE", Username: "Bob", Text: "x", Timestamp: today}, "UZOE wrote at 14:00 UTC: x"},
		{"attachments", slack.Msg{BotID: "B1", Timestamp: today, Text: "[no preview available]", Attachments: []slack.Attachment{
			{Title: "5xx is high", TitleLink: "https://a.example", Text: "checkout", Fallback: "not this", Fields: []slack.AttachmentField{{Title: "Region", Value: "us-east-1"}, {Value: "since 13:58"}}, Footer: "grafana"},
			{Fallback: "CPU is high"},
		}}, "app B1 wrote at 14:00 UTC: 5xx is high (https://a.example)\ncheckout\nRegion: us-east-1\nsince 13:58\ngrafana\nCPU is high"},
		{"text and attachments", slack.Msg{BotID: "B1", Timestamp: today, Text: "Alarm", Attachments: []slack.Attachment{{Text: "5xx is high"}}}, "app B1 wrote at 14:00 UTC: Alarm\n5xx is high"},
		{"the preview of a link", slack.Msg{User: "UBOB", Timestamp: today, Text: "<https://a.example>", Attachments: []slack.Attachment{{FromURL: "https://a.example", Title: "A page"}}}, "Bob wrote at 14:00 UTC: https://a.example"},
		{"blocks", slack.Msg{BotID: "B1", Timestamp: today, Blocks: alarm}, "app B1 wrote at 14:00 UTC: 5xx is high\n*checkout* &amp; more\nus-east-1\n13:58\nsee @Bob the page (https://a.example)\n- one\n- two <x>\na graph"},
		{"blocks in an attachment", slack.Msg{BotID: "B1", Timestamp: today, Attachments: []slack.Attachment{{Blocks: alarm, Fallback: "[no preview available]"}}}, "app B1 wrote at 14:00 UTC: 5xx is high\n*checkout* &amp; more\nus-east-1\n13:58\nsee @Bob the page (https://a.example)\n- one\n- two <x>\na graph"},
		{"no preview at all", slack.Msg{BotID: "B1", Timestamp: today, Text: "[no preview available]", Attachments: []slack.Attachment{{Fallback: "[no preview available]"}}}, ""},
		{"nothing", slack.Msg{User: "UBOB", Timestamp: today, Text: " "}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := b.quotation(shortcut(c.m)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	long := b.quotation(shortcut(slack.Msg{User: "UBOB", Timestamp: today, Text: strings.Repeat("ü", 9000)}))
	s.answering()
	id := s.open()
	if a := s.answer(context.Background(), commands.Ask{Via: bySlack("UCAROL"), Verb: "note", Text: long}); a.Refused {
		t.Errorf("a long message is refused: %s", a.Text)
	}
	if got := s.notes(id); len(got) != 1 || !strings.HasSuffix(got[0], "…") {
		t.Errorf("on the record: %d notes", len(got))
	}
}

func TestAMessageWithoutTextIsNotPutOnTheRecord(t *testing.T) {
	s := newStage(t)
	client, err := Dial(s.ctx, Settings{BotToken: "xoxb-1", AppToken: "xapp-1", APIURL: s.slack.APIURL()}, s.clock, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(Options{Client: client, Channel: channel, Commands: s, Book: incident.NewBook(s.log), Clock: s.clock, Roster: roster}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	b.putOnRecord(s.ctx, shortcut(slack.Msg{User: "UBOB", Timestamp: "1732111200.000100"}))
	if len(s.asked) != 0 {
		t.Errorf("asked %+v", s.next())
	}
	if got := s.slack.Ephemerals("UCAROL"); len(got) != 1 || !strings.Contains(shows(got[0]), "no text") {
		t.Errorf("answered %+v", got)
	}
}
