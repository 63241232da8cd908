package slacksim_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
)

// call calls a method as anybody could, and returns Slack's error name.
func (w *world) call(token, method string, args map[string]string) (code string, messages []string) {
	w.t.Helper()
	v := url.Values{}
	for k, a := range args {
		v.Set(k, a)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.APIURL()+method, strings.NewReader(v.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out struct {
		OK       bool   `json:"ok"`
		Error    string `json:"error"`
		Metadata struct {
			Messages []string `json:"messages"`
		} `json:"response_metadata"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		w.t.Fatal(err)
	}
	if out.OK != (out.Error == "") {
		w.t.Errorf("%s: ok %t with error %q", method, out.OK, out.Error)
	}
	return out.Error, out.Metadata.Messages
}

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func repeat(n int, of string) string {
	return "[" + strings.TrimSuffix(strings.Repeat(of+",", n), ",") + "]"
}

func long(n int) string { return strings.Repeat("é", n) } // counted in characters, not bytes

func TestTokensAreRefusedByKind(t *testing.T) {
	w := start(t)
	for _, c := range []struct{ token, method, want string }{
		{"", "auth.test", "not_authed"},
		{"xoxb-other", "auth.test", "invalid_auth"},
		{appToken, "auth.test", "not_allowed_token_type"},
		{botToken, "auth.test", ""},
		{"", "apps.connections.open", "not_authed"},
		{"xapp-other", "apps.connections.open", "invalid_auth"},
		{botToken, "apps.connections.open", "not_allowed_token_type"},
		{appToken, "apps.connections.open", ""},
		{botToken, "chat.postmessage", "unknown_method"},
	} {
		if got, _ := w.call(c.token, c.method, nil); got != c.want {
			t.Errorf("%s with %q: %q, want %q", c.method, c.token, got, c.want)
		}
	}
	if _, err := w.client("xoxb-other", appToken).AuthTest(); err == nil || err.Error() != "invalid_auth" {
		t.Errorf("slack-go: %v", err)
	}
	if who, err := w.api.AuthTest(); err != nil || who.UserID != slacksim.BotUserID || who.BotID != slacksim.BotID {
		t.Errorf("%+v %v", who, err)
	}
}

// The names are of the general list of errors, and of Slack's OpenAPI description
// of 2021.
func TestACallThatCannotBeReadIsRefused(t *testing.T) {
	w := start(t)
	for _, c := range []struct{ kind, body, want string }{
		{"application/json", `{"user":"U1"}`, ""},
		{"application/json; charset=utf-8", "", "invalid_arguments"},
		{"application/json", `{"user":`, "invalid_json"},
		{"application/json", `["U1"]`, "json_not_object"},
		{"application/json", `{"user":null}`, "invalid_arguments"},
		{"application/x-www-form-urlencoded", "user=U1", ""},
		{"application/x-www-form-urlencoded", "user=%zz", "invalid_form_data"},
		{"text/html", "user=U1", "invalid_post_type"},
		{"a/b/c", "user=U1", "invalid_post_type"},
		{"application/json", `{"user":"` + strings.Repeat("x", 1<<20) + `"}`, "request_timeout"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.APIURL()+"users.info", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", c.kind)
		req.Header.Set("Authorization", "Bearer "+botToken)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var out struct{ Error string }
		err = json.NewDecoder(resp.Body).Decode(&out)
		_ = resp.Body.Close()
		if err != nil || out.Error != c.want {
			t.Errorf("%s with %.20q: %q (%v), want %q", c.kind, c.body, out.Error, err, c.want)
		}
	}
}

func TestMessagesAreRefusedAsSlackRefusesThem(t *testing.T) {
	w := start(t)
	section := func(text string) string {
		return jsonOf([]any{map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": text}}})
	}
	actions := func(button map[string]any) string {
		e := map[string]any{"type": "button", "action_id": "a", "text": map[string]any{"type": "plain_text", "text": "Go"}}
		maps.Copy(e, button)
		return jsonOf([]any{map[string]any{"type": "actions", "elements": []any{e}}})
	}
	confirm := func(title, text, yes, no int) map[string]any {
		o := func(n int) map[string]any { return map[string]any{"type": "plain_text", "text": long(n)} }
		return map[string]any{"confirm": map[string]any{"title": o(title), "text": o(text), "confirm": o(yes), "deny": o(no)}}
	}
	const divider = `{"type":"divider"}`
	const button = `{"type":"button","text":{"type":"plain_text","text":"x"}}`
	const context = `{"type":"mrkdwn","text":"x"}`
	for name, c := range map[string]struct {
		method string
		args   map[string]string
		want   string
	}{
		"no such channel":          {"chat.postMessage", map[string]string{"channel": "C0NOPE", "text": "x"}, "channel_not_found"},
		"nothing to say":           {"chat.postMessage", map[string]string{}, "no_text"},
		"as long as can be":        {"chat.postMessage", map[string]string{"text": long(40000)}, ""},
		"longer: it is cut":        {"chat.postMessage", map[string]string{"text": long(40001)}, ""},
		"50 blocks":                {"chat.postMessage", map[string]string{"blocks": repeat(50, divider)}, ""},
		"51 blocks":                {"chat.postMessage", map[string]string{"blocks": repeat(51, divider)}, "invalid_blocks"},
		"section of 3000":          {"chat.postMessage", map[string]string{"blocks": section(long(3000))}, ""},
		"section of 3001":          {"chat.postMessage", map[string]string{"blocks": section(long(3001))}, "invalid_blocks"},
		"empty section":            {"chat.postMessage", map[string]string{"blocks": section("")}, "invalid_blocks"},
		"five sections of 2700":    {"chat.postMessage", map[string]string{"blocks": repeat(5, strings.Trim(section(long(2700)), "[]"))}, "msg_blocks_too_long"},
		"header of 151":            {"chat.postMessage", map[string]string{"blocks": `[{"type":"header","text":{"type":"plain_text","text":"` + long(151) + `"}}]`}, "invalid_blocks"},
		"header in mrkdwn":         {"chat.postMessage", map[string]string{"blocks": `[{"type":"header","text":{"type":"mrkdwn","text":"x"}}]`}, "invalid_blocks"},
		"10 fields":                {"chat.postMessage", map[string]string{"blocks": `[{"type":"section","fields":` + repeat(10, context) + `}]`}, ""},
		"11 fields":                {"chat.postMessage", map[string]string{"blocks": `[{"type":"section","fields":` + repeat(11, context) + `}]`}, "invalid_blocks"},
		"field of 2001":            {"chat.postMessage", map[string]string{"blocks": `[{"type":"section","fields":[{"type":"mrkdwn","text":"` + long(2001) + `"}]}]`}, "invalid_blocks"},
		"11 in a context":          {"chat.postMessage", map[string]string{"blocks": `[{"type":"context","elements":` + repeat(11, context) + `}]`}, "invalid_blocks"},
		"26 buttons":               {"chat.postMessage", map[string]string{"blocks": `[{"type":"actions","elements":` + repeat(26, button) + `}]`}, "invalid_blocks"},
		"25 buttons":               {"chat.postMessage", map[string]string{"blocks": `[{"type":"actions","elements":` + repeat(25, button) + `}]`}, ""},
		"button text of 76":        {"chat.postMessage", map[string]string{"blocks": actions(map[string]any{"text": map[string]any{"type": "plain_text", "text": long(76)}})}, "invalid_blocks"},
		"button value of 2001":     {"chat.postMessage", map[string]string{"blocks": actions(map[string]any{"value": long(2001)})}, "invalid_blocks"},
		"action id of 256":         {"chat.postMessage", map[string]string{"blocks": actions(map[string]any{"action_id": long(256)})}, "invalid_blocks"},
		"a style of its own":       {"chat.postMessage", map[string]string{"blocks": actions(map[string]any{"style": "loud"})}, "invalid_blocks"},
		"a confirm that fits":      {"chat.postMessage", map[string]string{"blocks": actions(confirm(100, 300, 30, 30))}, ""},
		"confirm title of 101":     {"chat.postMessage", map[string]string{"blocks": actions(confirm(101, 1, 1, 1))}, "invalid_blocks"},
		"confirm text of 301":      {"chat.postMessage", map[string]string{"blocks": actions(confirm(1, 301, 1, 1))}, "invalid_blocks"},
		"confirm button of 31":     {"chat.postMessage", map[string]string{"blocks": actions(confirm(1, 1, 31, 1))}, "invalid_blocks"},
		"block id of 256":          {"chat.postMessage", map[string]string{"blocks": `[{"type":"divider","block_id":"` + long(256) + `"}]`}, "invalid_blocks"},
		"a block id twice":         {"chat.postMessage", map[string]string{"blocks": repeat(2, `{"type":"divider","block_id":"x"}`)}, "invalid_blocks"},
		"an unknown block":         {"chat.postMessage", map[string]string{"blocks": `[{"type":"hologram"}]`}, "invalid_blocks"},
		"blocks that are no list":  {"chat.postMessage", map[string]string{"blocks": `"x"`}, "invalid_blocks_format"},
		"blocks that are no JSON":  {"chat.postMessage", map[string]string{"blocks": `[{`}, "invalid_blocks_format"},
		"metadata without payload": {"chat.postMessage", map[string]string{"text": "x", "metadata": `{"event_type":"x"}`}, "invalid_metadata_format"},
		"metadata that is no JSON": {"chat.postMessage", map[string]string{"text": "x", "metadata": `{`}, "invalid_metadata_format"},
	} {
		t.Run(name, func(t *testing.T) {
			w.clock.Advance(time.Minute) // rates are another test's
			args := map[string]string{"channel": "C0INCIDENT"}
			maps.Copy(args, c.args)
			got, messages := w.call(botToken, c.method, args)
			if got != c.want {
				t.Errorf("%q %v, want %q", got, messages, c.want)
			}
			if (got == "invalid_blocks" || got == "invalid_arguments") && (len(messages) == 0 || !strings.HasPrefix(messages[0], "[ERROR]")) {
				t.Errorf("%s without a message that says what is wrong: %q", got, messages)
			}
		})
	}
}

func TestWhatIsTooLongToPostIsCutWithAWarning(t *testing.T) {
	w := start(t)
	out := w.asked("chat.postMessage", url.Values{"channel": {"C0INCIDENT"}, "text": {long(40001)}})
	if string(out["warning"]) != `"message_truncated"` {
		t.Errorf("the warning is %s", out["warning"])
	}
	if m := w.Messages("C0INCIDENT"); len(m) != 1 || m[0].Text != long(40000) {
		t.Error("it is not cut at 40 000 characters")
	}
}

func TestAFaultIsNamedByItsPlace(t *testing.T) {
	w := start(t)
	_, _, err := w.api.PostMessage("C0INCIDENT", slack.MsgOptionBlocks(button("a", "v", long(76))))
	refused, ok := errors.AsType[slack.SlackErrorResponse](err)
	if !ok || refused.Err != "invalid_blocks" || len(refused.ResponseMetadata.Messages) != 1 ||
		refused.ResponseMetadata.Messages[0] != "[ERROR] must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]" {
		t.Errorf("%#v", err)
	}
}

func TestPostingFasterThanSlackAllowsIsRefusedWithTheTimeToWait(t *testing.T) {
	w := start(t)
	post := func() error {
		_, _, err := w.api.PostMessage("C0INCIDENT", slack.MsgOptionText("x", false))
		return err
	}
	burst := 0
	var err error
	for err = post(); err == nil; err = post() {
		burst++
	}
	limited, ok := errors.AsType[*slack.RateLimitedError](err)
	if !ok || limited.RetryAfter != time.Second || burst < 2 || burst > 10 {
		t.Fatalf("after %d messages: %v", burst, err)
	}
	if _, _, err := w.api.PostMessage("C0GENERAL", slack.MsgOptionText("x", false)); err != nil {
		t.Errorf("another channel has its own allowance: %v", err)
	}
	w.clock.Advance(limited.RetryAfter)
	if err := post(); err != nil {
		t.Errorf("after waiting as told: %v", err)
	}
	if err := post(); err == nil {
		t.Error("one second gives one message")
	}
	ts := w.Messages("C0INCIDENT")[0].TS
	updates := 0
	for range 200 {
		_, _, _, err = w.api.UpdateMessage("C0INCIDENT", ts, slack.MsgOptionText(fmt.Sprint(updates), false))
		if err != nil {
			break
		}
		updates++
	}
	if _, ok := errors.AsType[*slack.RateLimitedError](err); !ok || updates < 5 || updates > 60 {
		t.Errorf("after %d updates: %v", updates, err)
	}
	// At one every two seconds a card is never refused.
	w.clock.Advance(time.Minute)
	for i := range 120 {
		w.clock.Advance(2 * time.Second)
		if _, _, _, err := w.api.UpdateMessage("C0INCIDENT", ts, slack.MsgOptionText("x", false)); err != nil && i < 60 {
			t.Fatalf("update %d: %v", i, err)
		}
	}
}

func TestATriggerOpensOneFormWithinThreeSeconds(t *testing.T) {
	w := start(t)
	triggers := make(chan string, 10)
	w.connect(func(sm *socketmode.Client, e socketmode.Event) {
		_ = sm.Ack(*e.Request)
		triggers <- e.Data.(slack.SlashCommand).TriggerID
	})
	form := slack.ModalViewRequest{Type: slack.VTModal, Title: plain("Start"), Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewDividerBlock()}}}
	next := func() string {
		w.do("command", slacksim.Deed{As: "U1", Text: "/failover start"})
		return <-triggers
	}
	id := next()
	w.clock.Advance(3 * time.Second)
	if _, err := w.api.OpenView(id, form); err != nil {
		t.Errorf("at three seconds: %v", err)
	}
	if _, err := w.api.OpenView(id, form); err == nil || err.Error() != "exchanged_trigger_id" {
		t.Errorf("a second time: %v", err)
	}
	id = next()
	w.clock.Advance(3*time.Second + time.Millisecond)
	if _, err := w.api.OpenView(id, form); err == nil || err.Error() != "expired_trigger_id" {
		t.Errorf("after three seconds: %v", err)
	}
	if _, err := w.api.PushView(next(), form); err == nil || err.Error() != "not_found" {
		t.Errorf("a push from outside a form: %v", err)
	}
	for name, change := range map[string]func(*slack.ModalViewRequest){
		"title of 25":            func(v *slack.ModalViewRequest) { v.Title = plain(long(25)) },
		"submit of 25":           func(v *slack.ModalViewRequest) { v.Submit = plain(long(25)) },
		"private metadata":       func(v *slack.ModalViewRequest) { v.PrivateMetadata = long(3001) },
		"callback id":            func(v *slack.ModalViewRequest) { v.CallbackID = long(256) },
		"input without a submit": func(v *slack.ModalViewRequest) { v.Blocks.BlockSet = []slack.Block{regionInput()} },
		"an empty select": func(v *slack.ModalViewRequest) {
			v.Blocks.BlockSet = []slack.Block{slack.NewActionBlock("x", slack.NewOptionsSelectBlockElement("static_select", nil, "a"))}
		},
	} {
		bad := form
		change(&bad)
		if _, err := w.api.OpenView(next(), bad); err == nil || err.Error() != "invalid_arguments" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnAClockThatRunsOnTheBotHasSlacksSecondsInRealTime(t *testing.T) {
	form := slack.ModalViewRequest{Type: slack.VTModal, Title: plain("Start"), Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewDividerBlock()}}}
	for _, c := range []struct {
		speed float64
		takes time.Duration
		want  string
	}{
		{60, 180 * time.Second, ""},
		{60, 180*time.Second + time.Millisecond, "expired_trigger_id"},
		{4, 12 * time.Second, ""},
		{0.5, 3 * time.Second, ""}, // never less than on the clock
		{0.5, 3*time.Second + time.Millisecond, "expired_trigger_id"},
		{math.Inf(1), 3*time.Second + time.Millisecond, "expired_trigger_id"}, // it stands still
	} {
		w := start(t, func(o *slacksim.Options) { o.Speed = func() float64 { return c.speed } })
		opened := make(chan error, 10)
		w.connect(func(sm *socketmode.Client, e socketmode.Event) {
			w.clock.Advance(c.takes)
			_ = sm.Ack(*e.Request)
			_, err := w.api.OpenView(e.Data.(slack.SlashCommand).TriggerID, form)
			opened <- err
		})
		if out := w.do("command", slacksim.Deed{As: "U1", Text: "/failover start"}); !out.OK {
			t.Errorf("at %v, acknowledged after %s: %+v", c.speed, c.takes, out)
		}
		got := ""
		if err := <-opened; err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("at %v, after %s: %q, want %q", c.speed, c.takes, got, c.want)
		}
		for _, line := range w.wire.lines(t) {
			if line["event"] == "resent" {
				t.Errorf("at %v, after %s: %v", c.speed, c.takes, line)
			}
		}
	}
}

func TestATriggerAndAResponseURLThatRanOutAreForgottenAfterAnHour(t *testing.T) {
	w := start(t)
	commands := make(chan slack.SlashCommand, 10)
	w.connect(func(sm *socketmode.Client, e socketmode.Event) {
		_ = sm.Ack(*e.Request)
		commands <- e.Data.(slack.SlashCommand)
	})
	form := slack.ModalViewRequest{Type: slack.VTModal, Title: plain("Start"), Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewDividerBlock()}}}
	next := func() slack.SlashCommand {
		w.do("command", slacksim.Deed{As: "U1", Text: "/failover start"})
		return <-commands
	}
	first := next()
	next()
	for _, c := range []struct {
		wait          time.Duration
		kept          int
		trigger, hook string
	}{
		{time.Hour, 3, "expired_trigger_id", "expired_url"},
		{time.Millisecond, 2, "invalid_trigger_id", "invalid_url"}, // this one's own and the one before
	} {
		w.clock.Advance(c.wait)
		next()
		if triggers, hooks := w.Kept(); triggers != c.kept || hooks != c.kept {
			t.Errorf("%d triggers and %d response_urls are kept, want %d", triggers, hooks, c.kept)
		}
		if _, err := w.api.OpenView(first.TriggerID, form); err == nil || err.Error() != c.trigger {
			t.Errorf("the trigger: %v", err)
		}
		_ = slack.PostWebhook(first.ResponseURL, &slack.WebhookMessage{Text: "late"})
		if lines := w.trace(""); lines[len(lines)-1].Error != c.hook {
			t.Errorf("the response_url: %+v", lines[len(lines)-1])
		}
	}
}

func regionInput() *slack.InputBlock {
	return slack.NewInputBlock("region", plain("Type the Region"), nil, slack.NewPlainTextInputBlockElement(nil, "value"))
}
