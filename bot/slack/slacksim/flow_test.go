package slacksim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
)

func TestAButtonOpensAFormThatIsRefusedAndThenAccepted(t *testing.T) {
	w := start(t)
	w.connect(func(sm *socketmode.Client, e socketmode.Event) {
		d := e.Data.(slack.InteractionCallback)
		if d.Type == slack.InteractionTypeBlockActions {
			_ = sm.Ack(*e.Request)
			a := d.ActionCallback.BlockActions[0]
			if a.ActionID != "fo.approve" || a.Value != "q-1" || d.User.ID != "U2" || d.Channel.ID != "C0INCIDENT" || d.Message.Metadata.EventPayload["step"] != "promote" {
				t.Errorf("%+v %+v", a, d)
			}
			if _, err := w.api.OpenView(d.TriggerID, slack.ModalViewRequest{
				Type: slack.VTModal, Title: plain("Approve"), Submit: plain("Approve"), PrivateMetadata: "q-1", CallbackID: "approve",
				Blocks: slack.Blocks{BlockSet: []slack.Block{regionInput()}},
			}); err != nil {
				t.Errorf("open: %v", err)
			}
			return
		}
		if d.View.PrivateMetadata != "q-1" || d.View.CallbackID != "approve" {
			t.Errorf("%+v", d.View)
		}
		if text := d.View.State.Values["region"]["value"].Value; text != "us-west-2" {
			_ = sm.Ack(*e.Request, slack.NewErrorsViewSubmissionResponse(map[string]string{"region": "Type us-west-2; you typed " + text}))
			return
		}
		_ = sm.Ack(*e.Request, slack.NewClearViewSubmissionResponse())
	})
	_, ts, err := w.api.PostMessage("C0INCIDENT", slack.MsgOptionText("promote?", false), slack.MsgOptionBlocks(button("fo.approve", "q-1", "Approve ...")),
		slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "failoverbot", EventPayload: map[string]any{"step": "promote"}}))
	if err != nil {
		t.Fatal(err)
	}
	if out := w.do("press", slacksim.Deed{As: "U2", MessageTS: ts, ActionID: "fo.approve"}); !out.OK {
		t.Fatalf("%+v", out)
	}
	view := w.openView("U2")
	for _, c := range []struct {
		typed, want string
		ok          bool
	}{{"", "Please complete this required field.", false}, {"us-east-1", "Type us-west-2; you typed us-east-1", false}, {"us-west-2", "", true}} {
		out := w.do("submit", slacksim.Deed{As: "U2", ViewID: view, Values: map[string]map[string]any{"region": {"value": c.typed}}})
		if out.OK != c.ok || out.Errors["region"] != c.want {
			t.Errorf("%q: %+v", c.typed, out)
		}
	}
	if out := w.do("submit", slacksim.Deed{As: "U2", ViewID: view}); out.OK || out.Error != "refused" {
		t.Errorf("a form that is closed: %+v", out)
	}
}

// state reads what people see.
func (w *world) state(as string) slacksim.State {
	w.t.Helper()
	resp, err := http.Get(w.URL() + "rehearsal/state?as=" + as)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var st slacksim.State
	if err := json.NewDecoder(resp.Body).Decode(&st); err != nil {
		w.t.Fatal(err)
	}
	return st
}

// openView waits for a form on somebody's screen and returns its id.
func (w *world) openView(as string) (id string) {
	w.t.Helper()
	until(w.t, "a form opens for "+as, func() bool {
		views := w.state(as).Views
		if len(views) > 0 {
			id = views[len(views)-1].ID
		}
		return id != ""
	})
	return id
}

func TestAFormCanPushUpdateAndTellThatItWasClosed(t *testing.T) {
	w := start(t)
	view := func(title string) slack.ModalViewRequest {
		return slack.ModalViewRequest{Type: slack.VTModal, Title: plain(title), Submit: plain("Next"), NotifyOnClose: true, Blocks: slack.Blocks{BlockSet: []slack.Block{regionInput()}}}
	}
	closed := make(chan string, 1)
	w.connect(func(sm *socketmode.Client, e socketmode.Event) {
		if cmd, ok := e.Data.(slack.SlashCommand); ok {
			_ = sm.Ack(*e.Request)
			if _, err := w.api.OpenView(cmd.TriggerID, view("one")); err != nil {
				t.Error(err)
			}
			return
		}
		d := e.Data.(slack.InteractionCallback)
		two, three := view("two"), view("three")
		switch {
		case d.Type == slack.InteractionTypeViewClosed:
			_ = sm.Ack(*e.Request)
			closed <- d.View.Title.Text
		case d.View.Title.Text == "one":
			_ = sm.Ack(*e.Request, slack.NewUpdateViewSubmissionResponse(&two))
		case d.View.Title.Text == "two":
			_ = sm.Ack(*e.Request, slack.NewPushViewSubmissionResponse(&three))
		default:
			_ = sm.Ack(*e.Request)
		}
	})
	w.do("command", slacksim.Deed{As: "U1", Text: "/failover start"})
	id := w.openView("U1")
	fill := map[string]map[string]any{"region": {"value": "x"}}
	if out := w.do("submit", slacksim.Deed{As: "U1", ViewID: id, Values: fill}); out.Action != "update" {
		t.Errorf("%+v", out)
	}
	if out := w.do("submit", slacksim.Deed{As: "U1", ViewID: id, Values: fill}); out.Action != "push" {
		t.Errorf("%+v", out)
	}
	views := w.state("U1").Views
	if len(views) != 2 || views[1].PreviousID != id || views[1].RootID != id {
		t.Fatalf("%+v", views)
	}
	if out := w.do("submit", slacksim.Deed{As: "U1", ViewID: id, Values: fill}); out.OK {
		t.Error("the form underneath was submitted")
	}
	if out := w.do("submit", slacksim.Deed{As: "U1", ViewID: views[1].ID, Values: fill}); !out.OK {
		t.Errorf("%+v", out)
	}
	if out := w.do("close", slacksim.Deed{As: "U2", ViewID: id}); out.OK {
		t.Error("somebody else closed Alice's form")
	}
	if out := w.do("close", slacksim.Deed{As: "U1", ViewID: id}); !out.OK {
		t.Errorf("%+v", out)
	}
	if title := <-closed; title != "two" || len(w.state("U1").Views) != 0 {
		t.Errorf("closed %q, open %+v", title, w.state("U1").Views)
	}
}

func TestAStaleForeignOrUnconfirmedClickIsAnsweredWithASentence(t *testing.T) {
	w := start(t)
	var clicks atomic.Int32
	w.connect(func(sm *socketmode.Client, e socketmode.Event) { clicks.Add(1); _ = sm.Ack(*e.Request) })
	sure := slack.NewButtonBlockElement("fo.abort", "i-1", plain("Abort ...")).WithConfirm(slack.NewConfirmationBlockObject(plain("Stop?"), plain("It stops."), plain("Stop"), plain("No")))
	_, ts, err := w.api.PostMessage("C0INCIDENT", slack.MsgOptionText("x", false), slack.MsgOptionBlocks(slack.NewActionBlock("b", sure)))
	if err != nil {
		t.Fatal(err)
	}
	only, err := w.api.PostEphemeral("C0INCIDENT", "U1", slack.MsgOptionText("x", false), slack.MsgOptionBlocks(button("fo.break_glass", "q", "Break glass")))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		deed slacksim.Deed
		want string
	}{
		"not confirmed":         {slacksim.Deed{As: "U1", MessageTS: ts, ActionID: "fo.abort"}, "confirm"},
		"a button that is not":  {slacksim.Deed{As: "U1", MessageTS: ts, ActionID: "fo.go"}, "refused"},
		"another question":      {slacksim.Deed{As: "U1", MessageTS: ts, ActionID: "fo.abort", Value: "i-0", Confirmed: true}, "refused"},
		"somebody else's":       {slacksim.Deed{As: "U3", MessageTS: only, ActionID: "fo.break_glass"}, "refused"},
		"a message that is not": {slacksim.Deed{As: "U1", MessageTS: "1.000001", ActionID: "fo.abort"}, "refused"},
		"a channel that is not": {slacksim.Deed{As: "U1", Channel: "C9", MessageTS: ts, ActionID: "fo.abort"}, "refused"},
		"nobody":                {slacksim.Deed{As: "U9", MessageTS: ts, ActionID: "fo.abort"}, "refused"},
	} {
		if out := w.do("press", c.deed); out.OK || out.Error != c.want || out.Reason == "" {
			t.Errorf("%s: %+v", name, out)
		}
	}
	if n := clicks.Load(); n != 0 {
		t.Errorf("%d of them reached the bot", n)
	}
	for _, d := range []slacksim.Deed{{As: "U1", MessageTS: ts, ActionID: "fo.abort", Confirmed: true}, {As: "U1", MessageTS: only, ActionID: "fo.break_glass"}} {
		if out := w.do("press", d); !out.OK {
			t.Errorf("%+v", out)
		}
	}
	if n := clicks.Load(); n != 2 {
		t.Errorf("%d clicks reached the bot, want 2", n)
	}
	if out := w.do("command", slacksim.Deed{As: "U1", Text: "/failback now"}); out.OK || !strings.Contains(out.Reason, "/failover") {
		t.Errorf("%+v", out)
	}
}

func TestThreadsUpdatesDeletesAndEphemeralsAreKeptApart(t *testing.T) {
	w := start(t)
	_, root, err := w.api.PostMessage("#incident-response", slack.MsgOptionText("card", false), slack.MsgOptionBlocks(button("a", "v", "Go")))
	if err != nil {
		t.Fatal(err)
	}
	_, reply, err := w.api.PostMessage("C0INCIDENT", slack.MsgOptionText("detail", false), slack.MsgOptionTS(root))
	if err != nil {
		t.Fatal(err)
	}
	// A reply to a reply belongs to the same thread; one to nothing goes to the channel.
	if _, _, m, err := w.api.PostMessageWithResponse("C0INCIDENT", slack.MsgOptionText("more", false), slack.MsgOptionTS(reply)); err != nil || m.ThreadTimestamp != root {
		t.Errorf("%+v %v", m, err)
	}
	if _, _, m, err := w.api.PostMessageWithResponse("C0INCIDENT", slack.MsgOptionText("lost", false), slack.MsgOptionTS("1.000001")); err != nil || m.ThreadTimestamp != "" {
		t.Errorf("%+v %v", m, err)
	}
	if _, _, _, err := w.api.UpdateMessage("C0INCIDENT", root, slack.MsgOptionText("card 2", false)); err != nil {
		t.Fatal(err)
	}
	if m := w.Messages("C0INCIDENT")[0]; m.Text != "card 2" || len(m.Blocks) != 1 || m.Edited == "" {
		t.Errorf("an update without blocks keeps them: %+v", m)
	}
	replies, more, _, err := w.api.GetConversationReplies(&slack.GetConversationRepliesParameters{ChannelID: "C0INCIDENT", Timestamp: root})
	if err != nil || more || len(replies) != 3 || replies[0].ReplyCount != 2 || replies[0].Text != "card 2" || replies[2].Text != "more" {
		t.Errorf("%+v %v", replies, err)
	}
	history, err := w.api.GetConversationHistory(&slack.GetConversationHistoryParameters{ChannelID: "C0INCIDENT", Limit: 1})
	if err != nil || len(history.Messages) != 1 || history.Messages[0].Text != "lost" || !history.HasMore {
		t.Fatalf("%+v %v", history, err)
	}
	history, err = w.api.GetConversationHistory(&slack.GetConversationHistoryParameters{ChannelID: "C0INCIDENT", Limit: 1, Cursor: history.ResponseMetaData.NextCursor})
	if err != nil || len(history.Messages) != 1 || history.Messages[0].Timestamp != root || history.HasMore {
		t.Errorf("%+v %v", history, err)
	}
	if link, err := w.api.GetPermalink(&slack.PermalinkParameters{Channel: "C0INCIDENT", Ts: root}); err != nil || !strings.HasPrefix(link, w.URL()) {
		t.Errorf("%q %v", link, err)
	}
	w.clock.Advance(time.Minute)
	if _, _, err := w.api.DeleteMessage("C0INCIDENT", reply); err != nil {
		t.Error(err)
	}
	if _, _, err := w.api.PostMessage("U3", slack.MsgOptionText("psst", false)); err != nil {
		t.Error(err)
	}
	if _, err := w.api.PostEphemeral("C0INCIDENT", "U1", slack.MsgOptionText("for Alice", false)); err != nil {
		t.Error(err)
	}
	if err := w.api.AddPin("C0INCIDENT", slack.NewRefToMessage("C0INCIDENT", root)); err != nil {
		t.Error(err)
	}
	if err := w.api.AddPin("C0INCIDENT", slack.NewRefToMessage("C0INCIDENT", root)); err == nil || err.Error() != "already_pinned" {
		t.Error(err)
	}
	alice, mallory := w.state("U1"), w.state("U3")
	if len(alice.Ephemerals) != 1 || len(mallory.Ephemerals) != 0 || len(alice.Channels) != 2 || len(mallory.Channels) != 3 {
		t.Errorf("Alice sees %+v, Mallory %+v", alice, mallory)
	}
	var ops []string
	for _, l := range w.messages.lines(t) {
		ops = append(ops, l["op"].(string))
	}
	if want := []string{"post", "post", "post", "post", "update", "delete", "post", "ephemeral", "update"}; !slices.Equal(ops, want) {
		t.Errorf("messages.jsonl has %v, want %v", ops, want)
	}
}

func TestAFileIsUploadedAsSlackGoDoesIt(t *testing.T) {
	w := start(t)
	const text = "# Review\n\nTraffic moved.\n"
	f, err := w.api.UploadFile(slack.UploadFileParameters{Channel: "C0INCIDENT", Content: text, FileSize: len(text), Filename: "review.md", Title: "Review draft", InitialComment: "the draft"})
	if err != nil {
		t.Fatal(err)
	}
	files := w.Files()
	if len(files) != 1 || files[0].ID != f.ID || string(files[0].Content) != text || files[0].Channel != "C0INCIDENT" {
		t.Fatalf("%+v", files)
	}
	if m := w.Messages("C0INCIDENT"); len(m) != 1 || len(m[0].Files) != 1 || m[0].Text != "the draft" {
		t.Errorf("%+v", m)
	}
	info, _, _, err := w.api.GetFileInfo(f.ID, 0, 0)
	if err != nil || info.Title != "Review draft" {
		t.Fatalf("%+v %v", info, err)
	}
	var got bytes.Buffer
	if err := w.api.GetFile(info.URLPrivateDownload, &got); err != nil || got.String() != text {
		t.Errorf("%q %v", got.String(), err)
	}
	if _, err := w.api.UploadFile(slack.UploadFileParameters{Channel: "C0INCIDENT", Content: text, FileSize: 3, Filename: "x.md"}); err == nil {
		t.Error("a file of another size than announced was taken")
	}
}

func TestAResponseReplacesAndDeletesWhatWasClickedForHalfAnHour(t *testing.T) {
	w := start(t)
	urls := make(chan string, 3)
	w.connect(func(sm *socketmode.Client, e socketmode.Event) {
		d := e.Data.(slack.InteractionCallback)
		_ = sm.Ack(*e.Request)
		if d.Container.IsEphemeral != (d.Message.Timestamp == "") {
			t.Errorf("Slack sends no message with a click in an ephemeral one, and one otherwise: %+v", d)
		}
		urls <- d.ResponseURL
	})
	ts, err := w.api.PostEphemeral("C0INCIDENT", "U1", slack.MsgOptionText("x", false), slack.MsgOptionBlocks(button("a", "", "Go")))
	if err != nil {
		t.Fatal(err)
	}
	w.do("press", slacksim.Deed{As: "U1", MessageTS: ts, ActionID: "a"})
	u := <-urls
	if _, _, _, err := w.api.SendMessage("", slack.MsgOptionReplaceOriginal(u), slack.MsgOptionText("done", false)); err != nil {
		t.Fatal(err)
	}
	if e := w.Ephemerals("U1"); len(e) != 1 || e[0].Text != "done" || len(e[0].Blocks) != 0 {
		t.Errorf("%+v", e)
	}
	if _, _, _, err := w.api.SendMessage("", slack.MsgOptionDeleteOriginal(u)); err != nil {
		t.Fatal(err)
	}
	if e := w.Ephemerals("U1"); len(e) != 0 {
		t.Errorf("%+v", e)
	}
	w.clock.Advance(31 * time.Minute)
	if _, _, _, err := w.api.SendMessage("", slack.MsgOptionResponseURL(u, "ephemeral"), slack.MsgOptionText("late", false)); err == nil {
		t.Error("it still works after 31 minutes")
	}
}

func TestAnUnacknowledgedEnvelopeComesAgainToTheOtherConnection(t *testing.T) {
	w := start(t)
	type arrival struct {
		sm      *socketmode.Client
		id      string
		attempt int
	}
	arrivals := make(chan arrival, 10)
	var acked atomic.Bool
	handle := func(sm *socketmode.Client, e socketmode.Event) {
		arrivals <- arrival{sm, e.Request.EnvelopeID, e.Request.RetryAttempt}
		if e.Request.RetryAttempt > 0 {
			_ = sm.Ack(*e.Request)
			acked.Store(true)
		}
	}
	w.connect(handle)
	w.connect(handle)
	answer := make(chan slacksim.Outcome, 1)
	go func() { answer <- w.do("command", slacksim.Deed{As: "U1", Text: "/failover status"}) }()
	first := <-arrivals
	if w.clock.busyNow() == 0 {
		t.Error("an envelope is in flight and the clock may run")
	}
	w.clock.Advance(5 * time.Second)
	second := <-arrivals
	if out := <-answer; !out.OK || !acked.Load() {
		t.Errorf("%+v", out)
	}
	if first.id != second.id || second.attempt != 1 || first.sm == second.sm {
		t.Errorf("first %+v, then %+v", first, second)
	}
	var events []string
	for _, l := range w.wire.lines(t) {
		events = append(events, l["event"].(string))
		if l["event"] == "acked" && (l["envelope_id"] != first.id || l["latency_ms"] == nil || l["command"] != "/failover status" || l["user"] != "U1" || l["attempt"] != 1.0) {
			t.Errorf("%v", l)
		}
		if l["time"] == nil || !strings.HasSuffix(l["time"].(string), "Z") {
			t.Errorf("a line without a time: %v", l)
		}
	}
	if want := []string{"connected", "connected", "sent", "resent", "acked"}; !slices.Equal(events, want) {
		t.Errorf("wire.jsonl has %v, want %v", events, want)
	}
}

func TestAnEnvelopeOutlivesTheConnectionThatTookIt(t *testing.T) {
	w := start(t)
	// A bot that is killed: a bare socket that goes away with the click.
	info, url, err := w.api.StartSocketModeContext(t.Context())
	if err != nil || info.URL != url {
		t.Fatal(err)
	}
	ws, resp, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	var hello map[string]any
	if err := ws.ReadJSON(&hello); err != nil || hello["type"] != "hello" {
		t.Fatalf("%v %v", hello, err)
	}
	_, twice, err := websocket.DefaultDialer.Dial(url, nil)
	if err == nil {
		t.Error("a link worked twice")
	}
	if twice != nil {
		twice.Body.Close()
	}
	answer := make(chan slacksim.Outcome, 1)
	go func() { answer <- w.do("command", slacksim.Deed{As: "U1", Text: "/failover status"}) }()
	var frame struct {
		EnvelopeID string `json:"envelope_id"`
	}
	if err := ws.ReadJSON(&frame); err != nil {
		t.Fatal(err)
	}
	_ = ws.Close()
	until(t, "the connection is gone", func() bool { return w.Connections() == 0 })
	again := make(chan string, 1)
	w.connect(func(sm *socketmode.Client, e socketmode.Event) { _ = sm.Ack(*e.Request); again <- e.Request.EnvelopeID })
	if out := <-answer; !out.OK {
		t.Errorf("%+v", out)
	}
	if id := <-again; id != frame.EnvelopeID {
		t.Errorf("it came as %s and again as %s", frame.EnvelopeID, id)
	}
}

func TestWithoutAConnectionThePersonIsToldAfterThreeSeconds(t *testing.T) {
	w := start(t)
	answer := make(chan slacksim.Outcome, 1)
	go func() { answer <- w.do("command", slacksim.Deed{As: "U1", Text: "/failover status"}) }()
	w.clock.waiting(t, 1)
	w.clock.Advance(3 * time.Second)
	out := <-answer
	if out.OK || out.Error != "not_delivered" {
		t.Errorf("%+v", out)
	}
	if e := w.Ephemerals("U1"); len(e) != 1 || !strings.Contains(e[0].Text, "failoverbot did not respond") {
		t.Errorf("%+v", e)
	}
}

func TestConnectionsComeBackWhenTheyAreRefreshed(t *testing.T) {
	w := start(t)
	var n atomic.Int32
	handle := func(sm *socketmode.Client, e socketmode.Event) { n.Add(1); _ = sm.Ack(*e.Request) }
	w.connect(handle)
	w.connect(handle)
	if told := w.Refresh(); told != 2 {
		t.Fatalf("%d were told", told)
	}
	opened := func() (k int) {
		for _, l := range w.wire.lines(t) {
			if l["event"] == "connected" {
				k++
			}
		}
		return k
	}
	until(t, "both are back", func() bool { return opened() == 4 && w.Connections() == 2 })
	for range 4 {
		if out := w.do("command", slacksim.Deed{As: "U1", Text: "/failover status"}); !out.OK {
			t.Errorf("%+v", out)
		}
	}
	if n.Load() != 4 {
		t.Errorf("%d envelopes arrived, want 4", n.Load())
	}
	until(t, "nothing is in flight", func() bool { return w.clock.busyNow() == 0 })
}

func TestAConnectionThatStaysOnTheWarningIsClosed(t *testing.T) {
	w := start(t, func(o *slacksim.Options) { o.RefreshEvery = time.Hour })
	_, url, err := w.api.StartSocketModeContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ws, resp, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	defer ws.Close()
	read := func() (frame struct{ Type, Reason string }) {
		if err := ws.ReadJSON(&frame); err != nil {
			frame.Type = "closed"
		}
		return frame
	}
	if f := read(); f.Type != "hello" {
		t.Fatalf("%+v", f)
	}
	w.clock.waiting(t, 1)
	w.clock.Advance(time.Hour)
	if f := read(); f.Type != "disconnect" || f.Reason != "warning" {
		t.Errorf("%+v", f)
	}
	w.clock.waiting(t, 1)
	w.clock.Advance(10 * time.Second)
	if f := read(); f.Type != "disconnect" || f.Reason != "refresh_requested" {
		t.Errorf("%+v", f)
	}
	w.clock.waiting(t, 1)
	w.clock.Advance(time.Second)
	if f := read(); f.Type != "closed" {
		t.Errorf("%+v", f)
	}
}

func TestPeoplesMessagesReachTheBotAsEvents(t *testing.T) {
	w := start(t)
	got := make(chan slackevents.EventsAPIInnerEvent, 3)
	w.connect(func(sm *socketmode.Client, e socketmode.Event) {
		outer, ok := e.Data.(slackevents.EventsAPIEvent)
		if !ok {
			t.Errorf("%s: %v", e.Type, e.Data)
			return
		}
		_ = sm.Ack(*e.Request)
		got <- outer.InnerEvent
	})
	w.do("say", slacksim.Deed{As: "U3", Text: "@failoverbot <script>alert(1)</script> & so"})
	w.do("home", slacksim.Deed{As: "U1"})
	seen := map[string]bool{}
	for range 3 {
		switch d := (<-got).Data.(type) {
		case *slackevents.MessageEvent:
			seen["message"] = d.User == "U3" && d.Text == "<@U0FAILOVER> &lt;script&gt;alert(1)&lt;/script&gt; &amp; so"
		case *slackevents.AppMentionEvent:
			seen["mention"] = d.User == "U3"
		case *slackevents.AppHomeOpenedEvent:
			seen["home"] = d.User == "U1"
		}
	}
	if !seen["message"] || !seen["mention"] || !seen["home"] {
		t.Errorf("%v", seen)
	}
	if _, err := w.api.PublishView("U1", slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewDividerBlock()}}}, ""); err != nil {
		t.Error(err)
	}
	if st := w.state("U1"); len(st.Homes) != 1 {
		t.Errorf("%+v", st.Homes)
	}
}

func TestAnAcknowledgementOfTwentyKilobytesIsDropped(t *testing.T) {
	w := start(t)
	_, url, err := w.api.StartSocketModeContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ws, resp, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	defer ws.Close()
	var frame struct {
		EnvelopeID   string `json:"envelope_id"`
		RetryAttempt int    `json:"retry_attempt"`
	}
	_ = ws.ReadJSON(&frame) // hello
	answer := make(chan slacksim.Outcome, 1)
	go func() { answer <- w.do("command", slacksim.Deed{As: "U1", Text: "/failover status"}) }()
	if err := ws.ReadJSON(&frame); err != nil {
		t.Fatal(err)
	}
	_ = ws.WriteJSON(map[string]any{"envelope_id": frame.EnvelopeID, "payload": map[string]any{"text": strings.Repeat("x", 20*1024)}})
	until(t, "it was dropped", func() bool {
		return slices.ContainsFunc(w.wire.lines(t), func(l map[string]any) bool { return l["event"] == "ack_dropped" })
	})
	w.clock.Advance(5 * time.Second)
	if err := ws.ReadJSON(&frame); err != nil || frame.RetryAttempt != 1 {
		t.Fatalf("%+v %v", frame, err)
	}
	_ = ws.WriteJSON(map[string]any{"envelope_id": frame.EnvelopeID})
	if out := <-answer; !out.OK {
		t.Errorf("%+v", out)
	}
}

func TestAPacedReaderHoldsTheClockUntilHeComesForMore(t *testing.T) {
	w := start(t)
	poll := func(query string) (next int, n int) {
		t.Helper()
		resp, err := http.Get(w.URL() + "rehearsal/events?viewer=p&as=U1&" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var b struct {
			Events []slacksim.News `json:"events"`
			Next   int             `json:"next"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&b); err != nil {
			t.Fatal(err)
		}
		return b.Next, len(b.Events)
	}
	post := func() {
		t.Helper()
		if _, _, err := w.api.PostMessage("C0INCIDENT", slack.MsgOptionText("x", false)); err != nil {
			t.Fatal(err)
		}
	}
	post()
	if w.clock.busyNow() != 0 {
		t.Error("nobody is paced yet")
	}
	next, n := poll("after=0&paced=1")
	if n != 1 || w.clock.busyNow() != 1 {
		t.Errorf("%d events taken, busy %d: he has not come back", n, w.clock.busyNow())
	}
	poll("paced=1&wait=0&after=" + jsonOf(next))
	if w.clock.busyNow() != 0 {
		t.Error("he came back and there is nothing more")
	}
	if _, err := w.api.PostEphemeral("C0INCIDENT", "U2", slack.MsgOptionText("x", false)); err != nil {
		t.Fatal(err)
	}
	if w.clock.busyNow() != 0 {
		t.Error("what only Bob sees does not concern Alice's reader")
	}
	post()
	if w.clock.busyNow() != 1 {
		t.Error("there is news that he has not taken")
	}
	resp, err := http.Post(w.URL()+"rehearsal/leave?viewer=p", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if w.clock.busyNow() != 0 {
		t.Error("he left")
	}
	// A reader who hangs up while he waits is forgotten.
	until(t, "nobody waits for a reader who hung up", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL()+"rehearsal/events?viewer=q&as=U1&paced=1&after=99", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			t.Fatal("a poll with no news was answered at once")
		}
		w.clock.Advance(time.Minute)
		post()
		return w.clock.busyNow() == 0
	})
}

func TestThePageRunsNoScriptButItsOwnAndAnswersNoForeignPage(t *testing.T) {
	w := start(t)
	resp, err := http.Get(w.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	csp := resp.Header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") {
		t.Errorf("policy: %s", csp)
	}
	if bytes.Contains(page, []byte("<script>")) || bytes.Contains(page, []byte("style=")) || bytes.Contains(page, []byte("://")) {
		t.Error("the page holds a script or style of its own, or loads from elsewhere")
	}
	scripts, err := filepath.Glob("page/*.js")
	if err != nil || len(scripts) == 0 {
		t.Fatal(err, scripts)
	}
	for _, script := range scripts {
		js, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, way := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "setAttribute('on", "DOMParser"} {
			if bytes.Contains(js, []byte(way)) {
				t.Errorf("%s uses %s, by which what somebody wrote could become markup", script, way)
			}
		}
	}
	// Hostile text leaves as JSON that no browser takes for a page.
	w.do("say", slacksim.Deed{As: "U3", Text: `</script><img src=x onerror=alert(1)>`})
	state, err := http.Get(w.URL() + "rehearsal/state?as=U1")
	if err != nil {
		t.Fatal(err)
	}
	defer state.Body.Close()
	body, _ := io.ReadAll(state.Body)
	if !strings.HasPrefix(state.Header.Get("Content-Type"), "application/json") || bytes.Contains(body, []byte("<")) {
		t.Errorf("%s: %s", state.Header.Get("Content-Type"), body)
	}
	if _, err := w.api.UploadFile(slack.UploadFileParameters{Channel: "C0INCIDENT", Content: "<script>alert(1)</script>", FileSize: 25, Filename: "x.html"}); err != nil {
		t.Fatal(err)
	}
	file, err := http.Get(w.URL() + "files/" + w.Files()[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	file.Body.Close()
	if file.Header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(file.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("%v", file.Header)
	}
	for name, change := range map[string]func(*http.Request){
		"another origin":    func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"another host name": func(r *http.Request) { r.Host = "evil.example:80" },
		"a form":            func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
	} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL()+"rehearsal/say", strings.NewReader(`{"as":"U1","text":"x"}`))
		req.Header.Set("Content-Type", "application/json")
		change(req)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode < 400 {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	if n := len(w.Messages("C0INCIDENT")); n != 2 {
		t.Errorf("%d messages, want the two that were allowed", n)
	}
}
