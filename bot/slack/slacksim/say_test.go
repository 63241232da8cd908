package slacksim_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
)

func TestWhatIsTypedNamesWhoIsMeant(t *testing.T) {
	w := start(t, func(o *slacksim.Options) {
		o.People = append(append([]slacksim.Person{}, people...), slacksim.Person{ID: "U4", Name: "Bob Stone"}, slacksim.Person{ID: "U5", Name: "R & D"})
		o.Groups = []slacksim.Group{{ID: "S1", Handle: "platform-oncall"}, {ID: "S2", Handle: "platform"}}
		o.Channels = []slacksim.Channel{
			{ID: "C0INCIDENT", Name: "incident-response"},
			{ID: "C0GENERAL", Name: "general"},
			{ID: "C0VAULT", Name: "vault", Private: true, Members: []string{"U2"}},
		}
	})
	for typed, want := range map[string]string{
		"@Bob please":                      "<@U2> please",
		"ask @bob, @Alice.":                "ask <@U2>, <@U1>.",
		"@Bob Stone and @bob.stone":        "<@U4> and <@U4>",
		"@Bobby, @bob-2 and @bob.smith":    "@Bobby, @bob-2 and @bob.smith",
		"mail bob@Bob or x_@bob":           "mail bob@Bob or x_@bob",
		"(@Bob)":                           "(<@U2>)",
		"@platform-oncall: page @platform": "<!subteam^S1>: page <!subteam^S2>",
		"@platform-team":                   "@platform-team",
		"see #general, not #generals":      "see <#C0GENERAL>, not #generals",
		"#incident-response":               "<#C0INCIDENT>",
		"#vault is not hers":               "#vault is not hers",
		"@here and @channel":               "<!here> and <!channel>",
		"`@Bob` is @Bob":                   "`@Bob` is <@U2>",
		"```@Bob\n#general``` #general":    "```@Bob\n#general``` <#C0GENERAL>",
		"one ` @Bob":                       "one ` <@U2>",
		"a < b && @Bob > c":                "a &lt; b &amp;&amp; <@U2> &gt; c",
		"@R & D":                           "<@U5>",
		"<@U2> <!channel>":                 "&lt;@U2&gt; &lt;!channel&gt;",
		"@failoverbot status":              "<@U0FAILOVER> status",
		"ü@Bob é #general":                 "ü@Bob é <#C0GENERAL>",
		"@":                                "@",
	} {
		out := w.do("say", slacksim.Deed{As: "U1", Text: typed})
		if !out.OK {
			t.Fatalf("%q: %+v", typed, out)
		}
		all := w.Messages("C0INCIDENT")
		if got := all[len(all)-1].Text; got != want {
			t.Errorf("%q is sent as %q, want %q", typed, got, want)
		}
	}
	w.do("say", slacksim.Deed{As: "U2", Text: "#vault"})
	all := w.Messages("C0INCIDENT")
	if got := all[len(all)-1].Text; got != "<#C0VAULT>" {
		t.Errorf("one who is in it names it as %q", got)
	}
}

func TestTheBotIsMentionedByItsNameAndNotInCode(t *testing.T) {
	w := start(t)
	kinds := make(chan string, 10)
	w.connect(func(sm *socketmode.Client, e socketmode.Event) {
		_ = sm.Ack(*e.Request)
		inner := e.Data.(slackevents.EventsAPIEvent).InnerEvent
		if m, ok := inner.Data.(*slackevents.AppMentionEvent); ok {
			kinds <- inner.Type + " " + m.Text
		}
	})
	w.do("say", slacksim.Deed{As: "U1", Text: "write `@failoverbot status`"})
	w.do("say", slacksim.Deed{As: "U1", Text: "@failoverbots are many"})
	w.do("say", slacksim.Deed{As: "U1", Text: "@Failoverbot status for @Bob"})
	if got := <-kinds; got != "app_mention <@U0FAILOVER> status for <@U2>" {
		t.Errorf("the bot heard %q first", got)
	}
}

// heardOf collects the events of some kinds.
func (w *world) heardOf() <-chan map[string]any {
	heard := make(chan map[string]any, 100)
	w.connect(func(sm *socketmode.Client, e socketmode.Event) {
		_ = sm.Ack(*e.Request)
		var frame struct {
			Event map[string]any `json:"event"`
		}
		if err := json.Unmarshal(e.Request.Payload, &frame); err != nil {
			w.t.Error(err)
		}
		heard <- frame.Event
	})
	return heard
}

func TestNobodyWritesToAnAppWhoseMessagesAreReadOnly(t *testing.T) {
	for _, readOnly := range []bool{true, false} {
		w := start(t, func(o *slacksim.Options) { o.DirectReadOnly = readOnly })
		w.do("home", slacksim.Deed{As: "U1"}) // which opens the direct message
		direct := ""
		st := w.state("U1")
		for _, c := range st.Channels {
			if strings.HasPrefix(c.ID, "D") {
				direct = c.ID
			}
		}
		out := w.do("say", slacksim.Deed{As: "U1", Channel: direct, Text: "anybody?"})
		if st.ReadOnly != readOnly || out.OK == readOnly || readOnly && !strings.Contains(out.Reason, "turned off") {
			t.Errorf("read-only %t: the state says %t, and %q is answered with %+v", readOnly, st.ReadOnly, direct, out)
		}
		if got := len(w.Messages(direct)); (got == 0) != readOnly {
			t.Errorf("read-only %t: %d messages", readOnly, got)
		}
		if out := w.do("say", slacksim.Deed{As: "U1", Text: "in the channel"}); !out.OK {
			t.Errorf("in a channel: %+v", out)
		}
	}
}

// https://docs.slack.dev/reference/methods/views.publish lists not_enabled.
func TestAnAppWithoutAHomeTabCannotPublishOne(t *testing.T) {
	for _, disabled := range []bool{true, false} {
		w := start(t, func(o *slacksim.Options) { o.HomeDisabled = disabled })
		_, err := w.api.PublishView("U1", slack.HomeTabViewRequest{
			Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewDividerBlock()}},
		}, "")
		if got := err != nil && err.Error() == "not_enabled"; got != disabled {
			t.Errorf("disabled %v: %v", disabled, err)
		}
		if out := w.do("home", slacksim.Deed{As: "U1"}); out.OK == disabled {
			t.Errorf("disabled %v: %+v", disabled, out)
		}
	}
}
