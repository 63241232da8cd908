package slacksim_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
)

// onlySlack are members that Slack does send and slack-go has no place for.
var onlySlack = map[reflect.Type]string{
	reflect.TypeFor[slack.Msg]():                   "app_id", // where an app posted it
	reflect.TypeFor[slack.AuthTestResponse]():      "is_enterprise_install",
	reflect.TypeFor[slackevents.AppMentionEvent](): "team",
}

// strictly decodes JSON into one of slack-go's types and reports each member that
// the type has no place for: what Slack does not send either, or another name.
func strictly[T any](t *testing.T, what string, raw json.RawMessage) (v T) {
	t.Helper()
	if len(raw) == 0 || string(raw) == "null" || string(raw) == "[]" || string(raw) == "{}" {
		t.Errorf("%s: there is nothing to decode: %s", what, raw)
		return v
	}
	if extra, ok := onlySlack[reflect.TypeFor[T]()]; ok {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		delete(members, extra)
		less, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		raw = less
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Errorf("%s: %v in\n%s", what, err, raw)
	}
	if reflect.ValueOf(v).IsZero() {
		t.Errorf("%s: slack-go finds nothing in %s", what, raw)
	}
	return v
}

// asked is the answer of a Web API method, member by member.
func (w *world) asked(method string, args url.Values) map[string]json.RawMessage {
	w.t.Helper()
	token := botToken
	if method == "apps.connections.open" {
		token = appToken
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.APIURL()+method, strings.NewReader(args.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var out map[string]json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		w.t.Fatalf("%s: %v", method, err)
	}
	if string(out["ok"]) != "true" {
		w.t.Fatalf("%s: %s", method, out["error"])
	}
	return out
}

// heardAll connects by hand, acknowledges everything and keeps what came.
func (w *world) heardAll() <-chan map[string]json.RawMessage {
	w.t.Helper()
	var link string
	if err := json.Unmarshal(w.asked("apps.connections.open", nil)["url"], &link); err != nil {
		w.t.Fatal(err)
	}
	ws, resp, err := websocket.DefaultDialer.DialContext(w.t.Context(), link, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = resp.Body.Close()
	w.t.Cleanup(func() { _ = ws.Close() })
	frames := make(chan map[string]json.RawMessage, 100)
	go func() {
		defer close(frames)
		for {
			var frame map[string]json.RawMessage
			if ws.ReadJSON(&frame) != nil {
				return // the test is over
			}
			if id := frame["envelope_id"]; id != nil {
				_ = ws.WriteJSON(map[string]json.RawMessage{"envelope_id": id})
			}
			frames <- frame
		}
	}()
	return frames
}

func TestSlackGoHasAPlaceForAllThatIsAnswered(t *testing.T) {
	w := start(t, withShortcuts, func(o *slacksim.Options) { o.Groups = groups })
	frames := w.heardAll()
	next := func(kind string) json.RawMessage {
		t.Helper()
		frame, ok := <-frames
		if !ok || string(frame["type"]) != `"`+kind+`"` {
			t.Fatalf("got %s, want %s", frame, kind)
		}
		return frame["payload"]
	}
	next("hello")

	list := func(blocks ...slack.Block) string {
		data, err := json.Marshal(blocks)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	posted := w.asked("chat.postMessage", url.Values{
		"channel": {"C0INCIDENT"}, "text": {"promote?"},
		"blocks":   {list(slack.NewSectionBlock(plain("promote?"), nil, nil), button("approve", "q-1", "Approve"))},
		"metadata": {`{"event_type":"trial","event_payload":{"step":"promote"}}`},
	})
	m := strictly[slack.Msg](t, "chat.postMessage", posted["message"])
	w.asked("chat.update", url.Values{"channel": {"C0INCIDENT"}, "ts": {m.Timestamp}, "text": {"promote now?"}, "blocks": {list(button("approve", "q-1", "Approve"))}})
	w.asked("chat.postMessage", url.Values{"channel": {"C0INCIDENT"}, "text": {"more"}, "thread_ts": {m.Timestamp}})
	for method, args := range map[string]url.Values{
		"conversations.replies": {"channel": {"C0INCIDENT"}, "ts": {m.Timestamp}},
		"conversations.history": {"channel": {"C0INCIDENT"}},
	} {
		for _, m := range strictly[[]json.RawMessage](t, method, w.asked(method, args)["messages"]) {
			strictly[slack.Msg](t, method, m)
		}
	}
	strictly[slack.Channel](t, "conversations.info", w.asked("conversations.info", url.Values{"channel": {"C0INCIDENT"}})["channel"])
	strictly[[]slack.Channel](t, "conversations.list", w.asked("conversations.list", nil)["channels"])
	created := strictly[slack.Channel](t, "conversations.create", w.asked("conversations.create", url.Values{"name": {"inc-1"}})["channel"])
	strictly[slack.Channel](t, "conversations.invite", w.asked("conversations.invite", url.Values{"channel": {created.ID}, "users": {"U1,U2"}})["channel"])
	strictly[[]slack.Channel](t, "users.conversations", w.asked("users.conversations", url.Values{"user": {"U1"}})["channels"])
	strictly[slack.Bookmark](t, "bookmarks.add", w.asked("bookmarks.add", url.Values{"channel_id": {created.ID}, "title": {"Runbook"}, "type": {"link"}, "link": {"https://wiki.example/dr"}})["bookmark"])
	strictly[[]slack.Bookmark](t, "bookmarks.list", w.asked("bookmarks.list", url.Values{"channel_id": {created.ID}})["bookmarks"])
	strictly[[]slack.UserGroup](t, "usergroups.list", w.asked("usergroups.list", url.Values{"include_users": {"1"}, "include_count": {"1"}})["usergroups"])
	strictly[slack.User](t, "users.info", w.asked("users.info", url.Values{"user": {"U1"}})["user"])
	secret := strictly[slack.Channel](t, "conversations.create, private", w.asked("conversations.create", url.Values{"name": {"inc-2"}, "is_private": {"true"}})["channel"])
	strictly[slack.Channel](t, "conversations.rename", w.asked("conversations.rename", url.Values{"channel": {secret.ID}, "name": {"inc-3"}})["channel"])
	strictly[slack.Channel](t, "conversations.setPurpose", w.asked("conversations.setPurpose", url.Values{"channel": {secret.ID}, "purpose": {"x"}})["channel"])
	w.asked("reactions.add", url.Values{"channel": {"C0INCIDENT"}, "timestamp": {m.Timestamp}, "name": {"eyes"}})
	strictly[slack.Msg](t, "reactions.get", w.asked("reactions.get", url.Values{"channel": {"C0INCIDENT"}, "timestamp": {m.Timestamp}})["message"])
	here := w.asked("users.getPresence", nil)
	delete(here, "ok")
	presence, err := json.Marshal(here)
	if err != nil {
		t.Fatal(err)
	}
	strictly[slack.UserPresence](t, "users.getPresence", presence)
	strictly[[]slack.User](t, "users.list", w.asked("users.list", nil)["members"])

	self := w.asked("auth.test", nil)
	delete(self, "ok")
	data, err := json.Marshal(self)
	if err != nil {
		t.Fatal(err)
	}
	strictly[slack.AuthTestResponse](t, "auth.test", data)

	ticket := w.asked("files.getUploadURLExternal", url.Values{"filename": {"review.md"}, "length": {"2"}})
	var to, id string
	if json.Unmarshal(ticket["upload_url"], &to) != nil || json.Unmarshal(ticket["file_id"], &id) != nil {
		t.Fatalf("%s", ticket)
	}
	resp, err := http.Post(to, "application/octet-stream", strings.NewReader("ok"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	strictly[[]slack.FileSummary](t, "files.completeUploadExternal", w.asked("files.completeUploadExternal", url.Values{"files": {`[{"id":"` + id + `","title":"Review"}]`}, "channel_id": {"C0INCIDENT"}})["files"])
	strictly[slack.File](t, "files.info", w.asked("files.info", url.Values{"file": {id}})["file"])

	// What arrives on the socket.
	do := func(verb string, d slacksim.Deed) {
		t.Helper()
		if out := w.do(verb, d); !out.OK {
			t.Fatalf("%s: %+v", verb, out)
		}
	}
	do("command", slacksim.Deed{As: "U1", Text: "/failover status"})
	strictly[slack.SlashCommand](t, "slash_commands", next("slash_commands"))
	do("press", slacksim.Deed{As: "U2", MessageTS: m.Timestamp, ActionID: "approve"})
	pressed := strictly[slack.InteractionCallback](t, "block_actions", next("interactive"))
	do("shortcut", slacksim.Deed{As: "U2", MessageTS: m.Timestamp, CallbackID: "note"})
	if chosen := strictly[slack.InteractionCallback](t, "message_action", next("interactive")); chosen.CallbackID != "note" {
		t.Errorf("%+v", chosen)
	}
	form, err := json.Marshal(slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: "approve", NotifyOnClose: true, Title: plain("Approve"), Submit: plain("Approve"),
		Blocks: slack.Blocks{BlockSet: []slack.Block{regionInput()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	opened := strictly[slack.View](t, "views.open", w.asked("views.open", url.Values{"trigger_id": {pressed.TriggerID}, "view": {string(form)}})["view"])
	do("submit", slacksim.Deed{As: "U2", ViewID: opened.ID, Values: map[string]map[string]any{"region": {"value": "us-west-2"}}})
	sent := strictly[slack.InteractionCallback](t, "view_submission", next("interactive"))
	if got := sent.View.State.Values["region"]["value"].Value; got != "us-west-2" {
		t.Errorf("the form holds %q", got)
	}
	event := func(what string) (kind string, inner json.RawMessage) {
		t.Helper()
		e := strictly[slackevents.EventsAPICallbackEvent](t, what, next("events_api"))
		var head struct{ Type string }
		if e.InnerEvent == nil || json.Unmarshal(*e.InnerEvent, &head) != nil {
			t.Fatalf("%s has no event in it", what)
		}
		return head.Type, *e.InnerEvent
	}
	do("home", slacksim.Deed{As: "U1"})
	if kind, inner := event("home"); kind == "app_home_opened" {
		strictly[slackevents.AppHomeOpenedEvent](t, kind, inner)
	} else {
		t.Errorf("opening the home tab is %s", kind)
	}
	do("say", slacksim.Deed{As: "U1", Text: "@failoverbot hello"})
	kinds := map[string]bool{}
	for range 2 { // in whichever order
		kind, inner := event("what was said")
		kinds[kind] = true
		if kind == "app_mention" {
			strictly[slackevents.AppMentionEvent](t, kind, inner)
		} else {
			strictly[slackevents.MessageEvent](t, kind, inner)
		}
	}
	if !kinds["message"] || !kinds["app_mention"] {
		t.Errorf("saying something to the bot is %v", kinds)
	}
}

func TestSlackGoHasAPlaceForWhoComesAndGoes(t *testing.T) {
	w := start(t, func(o *slacksim.Options) { o.Events = []string{"member_joined_channel", "member_left_channel"} })
	frames := w.heardAll()
	<-frames // hello
	inner := func() json.RawMessage {
		e := strictly[slackevents.EventsAPICallbackEvent](t, "an event", (<-frames)["payload"])
		if e.InnerEvent == nil {
			t.Fatal("there is no event in it")
		}
		return *e.InnerEvent
	}
	w.asked("conversations.kick", url.Values{"channel": {"C0INCIDENT"}, "user": {"U3"}})
	strictly[slackevents.MemberLeftChannelEvent](t, "member_left_channel", inner())
	w.asked("conversations.invite", url.Values{"channel": {"C0INCIDENT"}, "users": {"U3"}})
	if e := strictly[slackevents.MemberJoinedChannelEvent](t, "member_joined_channel", inner()); e.Inviter != slacksim.BotUserID {
		t.Errorf("%+v", e)
	}
}
