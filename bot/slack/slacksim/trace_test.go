package slacksim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
)

func (w *world) get(path string) (status int, body string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.URL()+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func (w *world) trace(after string) []slacksim.Trace {
	w.t.Helper()
	_, body := w.get("rehearsal/trace?after=" + after)
	var out struct {
		Lines []slacksim.Trace `json:"lines"`
	}
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		w.t.Fatalf("%v: %s", err, body)
	}
	return out.Lines
}

func TestTheInspectorShowsEnvelopesAcknowledgementsAndCalls(t *testing.T) {
	w := start(t)
	w.connect(func(sm *socketmode.Client, e socketmode.Event) {
		if e.Type == socketmode.EventTypeSlashCommand {
			if err := sm.Ack(*e.Request); err != nil {
				t.Error(err)
			}
		}
	})
	w.do("command", slacksim.Deed{As: "U1", Text: "/failover status"})
	if _, _, err := w.api.PostMessage("C0INCIDENT", slack.MsgOptionText("hello", false)); err != nil {
		t.Fatal(err)
	}
	w.call(botToken, "chat.update", map[string]string{"channel": "C0INCIDENT", "ts": "1.1", "text": "x"})

	seen := map[string]slacksim.Trace{}
	last := 0
	for _, l := range w.trace("") {
		if l.Seq <= last {
			t.Errorf("line %d after line %d", l.Seq, last)
		}
		last = l.Seq
		if l.Kind == "wire" {
			seen[l.Wire.Event] = l
		} else {
			seen[l.Method] = l
		}
	}
	for name, holds := range map[string]string{"sent": "/failover", "acked": "", "chat.postMessage": "hello"} {
		l, ok := seen[name]
		if !ok || !strings.Contains(string(l.Body), holds) {
			t.Errorf("%s: %+v", name, l)
		}
	}
	if l := seen["chat.update"]; l.Error != "message_not_found" {
		t.Errorf("the refused call is %+v", l)
	}
	for _, l := range seen {
		if b := string(l.Body); strings.Contains(b, botToken) || strings.Contains(b, appToken) {
			t.Errorf("a token is shown in %s", b)
		}
	}
	if more := w.trace("1"); len(more) == 0 || more[0].Seq != 2 {
		t.Errorf("after 1 comes %+v", more)
	}
	if status, _ := w.get("rehearsal/trace?after=x"); status != http.StatusBadRequest {
		t.Errorf("after=x: %d", status)
	}
}

func TestTheInspectorShowsWhatCameByAResponseURL(t *testing.T) {
	w := start(t)
	given := make(chan string, 1)
	w.connect(func(sm *socketmode.Client, e socketmode.Event) {
		if e.Type == socketmode.EventTypeSlashCommand {
			if err := sm.Ack(*e.Request); err != nil {
				t.Error(err)
			}
			c, _ := e.Data.(slack.SlashCommand)
			given <- c.ResponseURL
		}
	})
	w.do("command", slacksim.Deed{As: "U1", Text: "/failover status"})
	hook := <-given
	answer := func(at, body string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	var want, got []string
	for _, c := range []struct {
		at, body, fault string
		status          int
		away            bool
	}{
		{hook, `{"text":"all is well"}`, "", http.StatusOK, false},
		{hook, `{}`, "no_text", http.StatusBadRequest, false},
		{hook, `nonsense`, "invalid_payload", http.StatusBadRequest, false},
		{hook + "x", `{"text":"to nobody"}`, "invalid_url", http.StatusNotFound, false},
		{hook, `{"text":"unheard"}`, "Slack is away", http.StatusServiceUnavailable, true},
	} {
		w.SetAway(c.away)
		if status := answer(c.at, c.body); status != c.status {
			t.Errorf("%s: %d", c.body, status)
		}
		want = append(want, c.fault)
	}
	for _, l := range w.trace("") {
		if l.Method != "response_url" {
			continue
		}
		if got = append(got, l.Error); l.Kind != "api" || l.Time == "" || l.Error == "" && (l.Status != http.StatusOK || !strings.Contains(string(l.Body), "all is well")) {
			t.Errorf("%+v", l)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the lines say %q, want %q", got, want)
	}
	if only := w.state("U1").Ephemerals; len(only) != 1 {
		t.Errorf("what came: %+v", only)
	}
}

func TestSlackCanBeTakenAwayAndComesBackWithWhatWasSaid(t *testing.T) {
	w := start(t)
	w.connect(func(*socketmode.Client, socketmode.Event) {})
	if out := w.do("say", slacksim.Deed{As: "U1", Text: "before"}); !out.OK {
		t.Fatal(out.Reason)
	}
	w.SetAway(true)
	if n := w.Connections(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
	if _, err := w.api.AuthTest(); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a call: %v", err)
	}
	if status, _ := w.get("link?ticket=x"); status != http.StatusServiceUnavailable {
		t.Errorf("the socket: %d", status)
	}
	if out := w.do("say", slacksim.Deed{As: "U1", Text: "during"}); out.OK || out.Error != "away" {
		t.Errorf("somebody could speak: %+v", out)
	}
	if st := w.state("U1"); !st.Away || len(st.Messages["C0INCIDENT"]) != 1 {
		t.Errorf("away %t, messages %+v", st.Away, st.Messages["C0INCIDENT"])
	}
	w.SetAway(false)
	if _, err := w.api.AuthTest(); err != nil {
		t.Error(err)
	}
	if out := w.do("say", slacksim.Deed{As: "U1", Text: "after"}); !out.OK || w.Away() {
		t.Errorf("%+v", out)
	}
}

func TestASocketThatIsBeingMadeIsNotLetInWhileSlackIsAway(t *testing.T) {
	w := start(t)
	_, link, err := w.api.StartSocketModeContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer slacksim.WhileUpgrading(func() { w.SetAway(true) })()
	ws, resp, err := websocket.DefaultDialer.DialContext(t.Context(), link, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	defer resp.Body.Close()
	if _, hello, err := ws.ReadMessage(); err == nil {
		t.Errorf("Slack is away and says %s", hello)
	}
	if n := w.Connections(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
	until(t, "the clock may go on", func() bool { return w.clock.busyNow() == 0 })
}

func TestATopicIsSetAndRefusedAsSlackRefusesIt(t *testing.T) {
	w := start(t)
	for _, c := range []struct{ channel, topic, want string }{
		{"C0INCIDENT", "INC-1: us-east-1 -> us-west-2", ""},
		{"C0NOWHERE", "x", "channel_not_found"},
		{"C0INCIDENT", long(251), "too_long"},
	} {
		if got, _ := w.call(botToken, "conversations.setTopic", map[string]string{"channel": c.channel, "topic": c.topic}); got != c.want {
			t.Errorf("%s: %q, want %q", c.channel, got, c.want)
		}
	}
	if got := w.state("U1").Channels[0].Topic; got != "INC-1: us-east-1 -> us-west-2" {
		t.Errorf("the topic is %q", got)
	}
}
