package slacksim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
)

var shortcuts = []slacksim.Shortcut{{CallbackID: "note", Name: "Add to the timeline"}, {CallbackID: "ask", Name: "Ask for a decision"}}

func withShortcuts(o *slacksim.Options) { o.Shortcuts = shortcuts }

func TestAShortcutBringsItsMessageAndOpensAForm(t *testing.T) {
	w := start(t, withShortcuts)
	if got := w.state("U1").Shortcuts; len(got) != 2 || got[0] != shortcuts[0] {
		t.Errorf("people are offered %+v", got)
	}
	got := make(chan slack.InteractionCallback, 2)
	w.connect(func(sm *socketmode.Client, e socketmode.Event) {
		if c, ok := e.Data.(slack.InteractionCallback); ok {
			got <- c
		}
		_ = sm.Ack(*e.Request)
	})
	said := w.do("say", slacksim.Deed{As: "U1", Text: "checkout fails since 14:02"})
	if out := w.do("shortcut", slacksim.Deed{As: "U2", Channel: "incident-response", MessageTS: said.TS, CallbackID: "note"}); !out.OK {
		t.Fatalf("%+v", out)
	}
	c := <-got
	if c.Type != slack.InteractionTypeMessageAction || c.CallbackID != "note" || c.User.ID != "U2" || c.Channel.ID != "C0INCIDENT" || c.Channel.Name != "incident-response" ||
		c.Team.ID != slacksim.TeamID || c.MessageTs != said.TS || c.ActionTs == "" || c.Token != "" || c.APIAppID != slacksim.AppID {
		t.Errorf("%+v", c)
	}
	if c.Message.Text != "checkout fails since 14:02" || c.Message.User != "U1" || c.Message.Timestamp != said.TS {
		t.Errorf("its message is %+v", c.Message)
	}
	if _, err := w.api.OpenView(c.TriggerID, modal("")); err != nil {
		t.Errorf("open a form: %v", err)
	}
	// What is answered is beside the message, for the one who chose.
	if err := slack.PostWebhook(c.ResponseURL, &slack.WebhookMessage{Text: "noted", ReplaceOriginal: true}); err != nil {
		t.Fatal(err)
	}
	if only := w.Ephemerals("U2"); len(only) != 1 || only[0].Text != "noted" {
		t.Errorf("%+v", only)
	}
	if m := w.Messages("C0INCIDENT"); len(m) != 1 || m[0].Text != "checkout fails since 14:02" {
		t.Errorf("%+v", m)
	}
	for _, line := range w.wire.lines(t) {
		if line["event"] == "sent" && line["kind"] == "message_action" && (line["callback_id"] != "note" || line["user"] != "U2" || line["type"] != "interactive") {
			t.Errorf("the log of the wire has %v", line)
		}
	}
}

func TestAShortcutComesAgainUntilItIsAcknowledged(t *testing.T) {
	w := start(t, withShortcuts)
	type arrival struct {
		id      string
		attempt int
	}
	arrivals := make(chan arrival, 10)
	w.connect(func(sm *socketmode.Client, e socketmode.Event) {
		if e.Type != socketmode.EventTypeInteractive {
			_ = sm.Ack(*e.Request)
			return
		}
		if e.Request.RetryAttempt > 0 {
			_ = sm.Ack(*e.Request)
		}
		arrivals <- arrival{e.Request.EnvelopeID, e.Request.RetryAttempt}
	})
	said := w.do("say", slacksim.Deed{As: "U1", Text: "look"})
	answer := make(chan slacksim.Outcome, 1)
	go func() { answer <- w.do("shortcut", slacksim.Deed{As: "U1", MessageTS: said.TS, CallbackID: "ask"}) }()
	first := <-arrivals
	w.clock.Advance(5 * time.Second)
	second := <-arrivals
	if out := <-answer; !out.OK || first.id != second.id || second.attempt != 1 {
		t.Errorf("%+v: first %+v, then %+v", out, first, second)
	}
}

func TestAShortcutThatCannotBeIsRefusedInPlainWords(t *testing.T) {
	w := start(t, withShortcuts, func(o *slacksim.Options) {
		o.Channels = []slacksim.Channel{{ID: "C0INCIDENT", Name: "incident-response"}, {ID: "C0VAULT", Name: "vault", Private: true, Members: []string{"U1"}}}
	})
	said := w.do("say", slacksim.Deed{As: "U1", Text: "look"})
	secret := w.do("say", slacksim.Deed{As: "U1", Channel: "C0VAULT", Text: "psst"})
	if _, err := w.api.PostEphemeral("C0INCIDENT", "U1", slack.MsgOptionText("for you", false)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		deed slacksim.Deed
		want string
	}{
		"no such shortcut":          {slacksim.Deed{As: "U1", MessageTS: said.TS, CallbackID: "nope"}, `There is no shortcut "nope". There is "note", "ask".`},
		"no such message":           {slacksim.Deed{As: "U1", MessageTS: "1.000001", CallbackID: "note"}, "This message is gone."},
		"no such channel":           {slacksim.Deed{As: "U1", Channel: "C9", MessageTS: said.TS, CallbackID: "note"}, `There is no channel "C9".`},
		"a message of others":       {slacksim.Deed{As: "U2", Channel: "C0VAULT", MessageTS: secret.TS, CallbackID: "note"}, `There is no channel "C0VAULT".`},
		"a message for one":         {slacksim.Deed{As: "U1", MessageTS: w.Ephemerals("U1")[0].TS, CallbackID: "note"}, "Only you see this message."},
		"nobody":                    {slacksim.Deed{As: "U9", MessageTS: said.TS, CallbackID: "note"}, `"U9" is nobody here`},
		"a message from elsewhere":  {slacksim.Deed{As: "U1", Channel: "C0INCIDENT", MessageTS: secret.TS, CallbackID: "note"}, "This message is gone."},
		"nothing said about itself": {slacksim.Deed{As: "U1", MessageTS: said.TS}, `There is no shortcut "".`},
	} {
		if out := w.do("shortcut", c.deed); out.OK || out.Error != "refused" || !strings.HasPrefix(out.Reason, c.want) {
			t.Errorf("%s: %+v", name, out)
		}
	}
	for name, list := range map[string][]slacksim.Shortcut{
		"without an id": {{Name: "x"}}, "without a name": {{CallbackID: "x"}}, "twice": {{CallbackID: "x", Name: "x"}, {CallbackID: "x", Name: "y"}},
	} {
		if s, err := slacksim.New(slacksim.Options{Clock: newHandClock(), Shortcuts: list}); err == nil {
			_ = s.Close()
			t.Errorf("a shortcut %s is accepted", name)
		}
	}
}
