package slacksim_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
)

// published is what Slack's reference says of each method that is served here, as
// of August 2026: the bot's scopes for public channels, and the tier. Those that
// serve equally stand beside one another. Bare is why a method has no error of
// its arguments.
var published = map[string]struct{ scope, tier, bare string }{
	"apps.connections.open":        {"", "connect", "it takes none"}, // tier 3; see limits.go
	"auth.test":                    {"", "special", "it takes none"},
	"api.test":                     {"", "4", ""},
	"chat.postMessage":             {"chat:write", "post", ""}, // special: one a second and channel
	"chat.postEphemeral":           {"chat:write", "4", ""},
	"chat.update":                  {"chat:write", "3", ""},
	"chat.delete":                  {"chat:write", "3", ""},
	"chat.getPermalink":            {"", "special", ""},
	"conversations.history":        {"channels:history", "3", ""},
	"conversations.replies":        {"channels:history", "3", ""},
	"conversations.info":           {"channels:read", "3", ""},
	"conversations.list":           {"channels:read", "2", ""},
	"conversations.members":        {"channels:read", "4", ""},
	"conversations.create":         {"channels:manage", "2", ""},
	"conversations.rename":         {"channels:manage", "2", ""},
	"conversations.setTopic":       {"channels:manage|channels:write.topic", "2", ""},
	"conversations.setPurpose":     {"channels:manage|channels:write.topic", "2", ""},
	"conversations.invite":         {"channels:manage|channels:write.invites", "3", ""},
	"conversations.kick":           {"channels:manage", "3", ""},
	"conversations.join":           {"channels:join", "3", ""},
	"conversations.leave":          {"channels:manage", "3", ""},
	"conversations.archive":        {"channels:manage", "2", ""},
	"conversations.unarchive":      {"channels:manage", "2", ""},
	"conversations.open":           {"im:write", "3", ""},
	"users.conversations":          {"channels:read", "3", ""},
	"users.info":                   {"users:read", "4", ""},
	"users.list":                   {"users:read", "2", ""},
	"users.lookupByEmail":          {"users:read.email", "3", ""},
	"users.getPresence":            {"users:read", "3", ""},
	"views.open":                   {"", "4", ""},
	"views.push":                   {"", "4", ""},
	"views.update":                 {"", "4", ""},
	"views.publish":                {"", "4", ""},
	"files.getUploadURLExternal":   {"files:write", "4", ""},
	"files.completeUploadExternal": {"files:write", "4", ""},
	"files.info":                   {"files:read", "4", ""},
	"pins.add":                     {"pins:write", "2", ""},
	"pins.remove":                  {"pins:write", "2", ""},
	"pins.list":                    {"pins:read", "2", ""},
	"bookmarks.add":                {"bookmarks:write", "2", ""},
	"bookmarks.edit":               {"bookmarks:write", "2", ""},
	"bookmarks.remove":             {"bookmarks:write", "2", ""},
	"bookmarks.list":               {"bookmarks:read", "3", ""},
	"usergroups.list":              {"usergroups:read", "2", "none of its flags can be wrong"},
	"usergroups.users.list":        {"usergroups:read", "2", ""},
	"reactions.add":                {"reactions:write", "3", ""},
	"reactions.remove":             {"reactions:write", "2", ""},
	"reactions.get":                {"reactions:read", "3", ""},
}

func TestTheMethodsAreThoseOfTheReference(t *testing.T) {
	served := slacksim.Served()
	for name, p := range published {
		if got, want := served[name], [2]string{p.scope, p.tier}; got != want {
			t.Errorf("%s needs %q and is of tier %q, want %q and %q", name, got[0], got[1], want[0], want[1])
		}
	}
	for name := range served {
		if _, ok := published[name]; !ok {
			t.Errorf("%s is served, and nobody says what the reference has on it", name)
		}
	}
}

const pages = "reference/methods/"

// refusal is a way to be refused, and where Slack says so.
type refusal struct {
	// page is the method's, under docs.slack.dev. The error stands in its list,
	// unless general says that it is one of those that every method has, or note
	// says where else it is from.
	page    string
	general bool
	note    string
	name    string
	want    string // "" is that it is not refused
	scopes  []string
	do      func(*world) error
}

func (r refusal) method() string { return strings.TrimPrefix(r.page, pages) }

// codeOf is Slack's word for what slack-go returned.
func codeOf(err error) string {
	if _, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return "ratelimited"
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// raw calls a method as anybody could, also in ways that slack-go does not.
func raw(method string, args map[string]string) func(*world) error {
	return func(w *world) error {
		if code, _ := w.call(botToken, method, args); code != "" {
			return errors.New(code)
		}
		return nil
	}
}

// plus are the arguments and one more.
func plus(args map[string]string, name, value string) map[string]string {
	all := map[string]string{name: value}
	maps.Copy(all, args)
	return all
}

const here, apart, war, vault, lobby = "C0INCIDENT", "C0APART", "C0WAR", "C0VAULT", "C0GENERAL"

// refusalWorld has a channel with everybody, one without the bot, and the same in
// private.
func refusalWorld(t *testing.T, scopes []string) *world {
	return start(t, func(o *slacksim.Options) {
		o.Scopes, o.Groups = scopes, groups
		o.Channels = []slacksim.Channel{
			{ID: here, Name: "incident-response"},
			{ID: lobby, Name: "general"},
			{ID: apart, Name: "apart", Members: []string{"U1"}},
			{ID: war, Name: "war-room", Private: true, Members: []string{slacksim.BotUserID, "U1"}},
			{ID: vault, Name: "vault", Private: true, Members: []string{"U1"}},
		}
	})
}

// TestWhatSlackRefuses has a row for each way to be refused, each in a workspace
// of its own.
func TestWhatSlackRefuses(t *testing.T) {
	rows := slices.Concat(tokenRows(), scopeRows(), rateRows(), chatRows(), channelRows(), peopleRows(), viewRows(), fileRows(), markRows())
	for _, r := range rows {
		t.Run(r.method()+"/"+r.name, func(t *testing.T) {
			w := refusalWorld(t, r.scopes)
			err := r.do(w)
			if got := codeOf(err); got != r.want {
				t.Fatalf("%q, want %q (%s)", got, r.want, r.page)
			}
			refused, ok := errors.AsType[slack.SlackErrorResponse](err)
			if ok && r.want == "missing_scope" && (refused.Needed == "" || refused.Provided != strings.Join(r.scopes, ",")) {
				t.Errorf("it says needed %q, provided %q", refused.Needed, refused.Provided)
			}
		})
	}
	t.Run("each method has its rows", func(t *testing.T) { rowsCover(t, rows) })
}

// rowsCover wants of each method a wrong token, a missing scope, too many calls
// and an error of its arguments, and of each row a place where it is from.
func rowsCover(t *testing.T, rows []refusal) {
	has := map[string]map[string]bool{}
	for _, r := range rows {
		if _, ok := published[r.method()]; !ok || !strings.HasPrefix(r.page, pages) {
			t.Errorf("%q: %q is no page of a method", r.name, r.page)
		}
		if r.general && r.note != "" {
			t.Errorf("%s, %q: either it is in the general list or it is not", r.page, r.name)
		}
		if has[r.method()] == nil {
			has[r.method()] = map[string]bool{}
		}
		switch r.want {
		case "":
		case "invalid_auth", "not_authed", "not_allowed_token_type", "missing_scope", "ratelimited":
			has[r.method()][r.want] = true
		default:
			has[r.method()]["its own"] = true
		}
	}
	for name, p := range published {
		for want, needed := range map[string]bool{
			"invalid_auth": true, "not_authed": true, "not_allowed_token_type": true, "ratelimited": true,
			"missing_scope": p.scope != "", "its own": p.bare == "",
		} {
			if needed && !has[name][want] {
				t.Errorf("%s has no row for %s", name, want)
			}
		}
	}
}

// tokenRows refuse a token at every method: none, another, and that of the other
// kind.
func tokenRows() (rows []refusal) {
	for name := range published {
		wrong, other := "xoxb-other", appToken
		if name == "apps.connections.open" {
			wrong, other = "xapp-other", botToken
		}
		for want, token := range map[string]string{"not_authed": "", "invalid_auth": wrong, "not_allowed_token_type": other} {
			rows = append(rows, refusal{page: pages + name, general: true, name: "a token: " + want, want: want, do: func(w *world) error {
				code, _ := w.call(token, name, nil)
				return errors.New(code)
			}})
		}
	}
	return append(rows,
		refusal{page: pages + "auth.test", general: true, name: "slack-go without a token", want: "not_authed", do: func(w *world) error { _, err := w.client("", "").AuthTest(); return err }},
		refusal{page: pages + "apps.connections.open", name: "slack-go with another", want: "invalid_auth", do: func(w *world) error {
			_, _, err := w.client(botToken, "xapp-other").StartSocketModeContext(w.t.Context())
			return err
		}},
	)
}

// scopeRows refuse every method that needs a scope to a token that has another,
// and let it through with each of those that serve.
func scopeRows() (rows []refusal) {
	for name, p := range published {
		if p.scope == "" {
			continue
		}
		rows = append(rows,
			refusal{page: pages + name, general: true, name: "another scope", want: "missing_scope", scopes: []string{"commands"}, do: raw(name, nil)},
			refusal{page: pages + name, general: true, name: "no scope at all", want: "missing_scope", scopes: []string{}, do: raw(name, nil)},
		)
		for one := range strings.SplitSeq(p.scope, "|") {
			rows = append(rows, refusal{page: pages + name, name: "the scope " + one, scopes: []string{one}, do: func(w *world) error {
				if code, _ := w.call(botToken, name, nil); code == "missing_scope" {
					return errors.New(code)
				}
				return nil
			}})
		}
	}
	topic := func(channel string) func(*world) error {
		return func(w *world) error { _, err := w.api.SetTopicOfConversation(channel, "x"); return err }
	}
	return append(rows,
		refusal{page: pages + "chat.postMessage", general: true, name: "through slack-go", want: "missing_scope", scopes: []string{"pins:write"}, do: say(here, "x")},
		refusal{page: pages + "conversations.invite", name: "with the topic's scope", want: "missing_scope", scopes: []string{"channels:write.topic"}, do: invite(here, "U1")},
		refusal{page: pages + "conversations.setTopic", name: "of a private channel with the public one's scope", want: "missing_scope", scopes: []string{"channels:manage"}, do: topic(war)},
		refusal{page: pages + "conversations.setTopic", name: "of a private channel with its own", scopes: []string{"groups:write.topic"}, do: topic(war)},
		refusal{page: pages + "conversations.create", name: "a private channel with the public one's scope", want: "missing_scope", scopes: []string{"channels:manage"}, do: create("inc-1", true)},
		refusal{page: pages + "conversations.create", name: "a private channel with its own", scopes: []string{"groups:write"}, do: create("inc-1", true)},
		refusal{page: pages + "conversations.history", general: true, name: "of a private channel with the public one's scope", want: "missing_scope", scopes: []string{"channels:history"}, do: historyOf(war)},
		refusal{page: pages + "conversations.list", name: "with direct messages", want: "missing_scope", scopes: []string{"channels:read"}, do: list("public_channel", "im")},
		refusal{page: pages + "conversations.list", name: "with private channels", want: "missing_scope", scopes: []string{"channels:read"}, do: list("private_channel")},
		refusal{page: pages + "conversations.history", general: true, name: "of a direct message", want: "missing_scope", scopes: []string{"channels:history", "im:write"}, do: inDirect(func(w *world, dm string) error { return historyOf(dm)(w) })},
	)
}

// rateRows call every method until it is too often. That the call is wrong
// otherwise makes it no cheaper.
func rateRows() (rows []refusal) {
	for name := range published {
		rows = append(rows, refusal{page: pages + name, general: true, name: "too often", want: "ratelimited", do: func(w *world) error { return tooOften(w, name) }})
	}
	return append(rows, refusal{page: pages + "chat.postMessage", general: true, name: "too often through slack-go", want: "ratelimited", do: func(w *world) (err error) {
		for range 100 {
			if err = say(here, "x")(w); err != nil {
				return err
			}
		}
		return nil
	}})
}

// tooOften wants the 429 with a time to wait after which it goes again.
func tooOften(w *world, method string) error {
	token := botToken
	if method == "apps.connections.open" {
		token = appToken
	}
	ask := func() (status int, after string) {
		req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.APIURL()+method, http.NoBody)
		if err != nil {
			w.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			w.t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("Retry-After")
	}
	for range 200 {
		status, after := ask()
		if status == http.StatusOK {
			continue
		}
		seconds, err := strconv.Atoi(after)
		if status != http.StatusTooManyRequests || err != nil || seconds < 1 {
			return fmt.Errorf("%d, Retry-After %q", status, after)
		}
		w.clock.Advance(time.Duration(seconds) * time.Second)
		if status, _ := ask(); status != http.StatusOK {
			return fmt.Errorf("after %d seconds it is %d", seconds, status)
		}
		return errors.New("ratelimited")
	}
	return nil
}

func say(channel, text string) func(*world) error {
	return func(w *world) error {
		_, _, err := w.api.PostMessage(channel, slack.MsgOptionText(text, false))
		return err
	}
}

func create(name string, private bool) func(*world) error {
	return func(w *world) error {
		_, err := w.api.CreateConversation(slack.CreateConversationParams{ChannelName: name, IsPrivate: private})
		return err
	}
}

func invite(channel string, users ...string) func(*world) error {
	return func(w *world) error { _, err := w.api.InviteUsersToConversation(channel, users...); return err }
}

func historyOf(channel string) func(*world) error {
	return func(w *world) error {
		_, err := w.api.GetConversationHistory(&slack.GetConversationHistoryParameters{ChannelID: channel})
		return err
	}
}

func list(types ...string) func(*world) error {
	return func(w *world) error {
		_, _, err := w.api.GetConversations(&slack.GetConversationsParameters{Types: types})
		return err
	}
}

// inDirect does something in a direct message.
func inDirect(then func(w *world, dm string) error) func(*world) error {
	return func(w *world) error {
		dm, _, _, err := w.api.OpenConversation(&slack.OpenConversationParameters{Users: []string{"U1"}})
		if err != nil {
			return fmt.Errorf("open: %w", err)
		}
		return then(w, dm.ID)
	}
}

// posted says something and then does what the row is about with it.
func posted(then func(w *world, ts string) error) func(*world) error {
	return func(w *world) error {
		_, ts, err := w.api.PostMessage(here, slack.MsgOptionText("card", false))
		if err != nil {
			return fmt.Errorf("post: %w", err)
		}
		return then(w, ts)
	}
}

// archived archives the channel first.
func archived(then func(*world) error) func(*world) error {
	return func(w *world) error {
		if err := w.api.ArchiveConversation(here); err != nil {
			return fmt.Errorf("archive: %w", err)
		}
		return then(w)
	}
}

func chatRows() []refusal {
	update := func(options ...slack.MsgOption) func(*world) error {
		return posted(func(w *world, ts string) error { _, _, _, err := w.api.UpdateMessage(here, ts, options...); return err })
	}
	whisper := func(channel, user, text string) func(*world) error {
		return func(w *world) error {
			_, err := w.api.PostEphemeral(channel, user, slack.MsgOptionText(text, false))
			return err
		}
	}
	attachments := repeat(101, `{"text":"x"}`)
	const post, whispers, updates, deletes, link = pages + "chat.postMessage", pages + "chat.postEphemeral", pages + "chat.update", pages + "chat.delete", pages + "chat.getPermalink"
	return []refusal{
		{page: pages + "api.test", note: "the page: it answers with the error that it is given", name: "an error on demand", want: "my_error", do: raw("api.test", map[string]string{"error": "my_error"})},

		{page: post, general: true, name: "no channel", want: "invalid_arguments", do: raw("chat.postMessage", map[string]string{"text": "x"})},
		{page: post, name: "a channel that is not", want: "channel_not_found", do: say("C9", "x")},
		{page: post, name: "a channel by its name", do: say("#incident-response", "x")},
		{page: post, name: "where the bot is not", want: "not_in_channel", do: say(apart, "x")},
		{page: post, name: "there, where the scope allows it", do: say(apart, "x"), scopes: []string{"chat:write", "chat:write.public"}},
		{page: post, name: "a private channel without the bot", want: "channel_not_found", do: say(vault, "x")},
		{page: post, note: "not in the reference: what the scope's name says", name: "a private channel, whatever the scope", want: "channel_not_found", do: say(vault, "x"), scopes: []string{"chat:write", "chat:write.public"}},
		{page: post, name: "into the archive", want: "is_archived", do: archived(say(here, "x"))},
		{page: post, name: "nothing to say", want: "no_text", do: say(here, "")},
		{page: post, name: "as much text as can be", do: say(here, long(40000))},
		{page: post, note: "the page's text: it is cut", name: "more text than can be", do: say(here, long(40001))},
		{page: post, name: "a block that is not", want: "invalid_blocks", do: raw("chat.postMessage", map[string]string{"channel": here, "blocks": `[{"type":"hologram"}]`})},
		{page: post, name: "blocks that are no JSON", want: "invalid_blocks_format", do: raw("chat.postMessage", map[string]string{"channel": here, "blocks": `[{`})},
		{page: post, note: "the name is the page's, the limit is not: slackapi/bolt-js 2509", name: "blocks of 13 500 characters", want: "msg_blocks_too_long", do: raw("chat.postMessage", map[string]string{"channel": here, "blocks": repeat(5, `{"type":"section","text":{"type":"mrkdwn","text":"`+long(2700)+`"}}`)})},
		{page: post, name: "101 attachments", want: "too_many_attachments", do: raw("chat.postMessage", map[string]string{"channel": here, "attachments": attachments})},
		{page: post, note: "not in this page's list: as chat.postEphemeral", name: "attachments that are no JSON", want: "invalid_attachments", do: raw("chat.postMessage", map[string]string{"channel": here, "attachments": `[{`})},
		{page: post, name: "metadata without payload", want: "invalid_metadata_format", do: raw("chat.postMessage", map[string]string{"channel": here, "text": "x", "metadata": `{"event_type":"x"}`})},
		{page: post, name: "Markdown and text", want: "markdown_text_conflict", do: raw("chat.postMessage", map[string]string{"channel": here, "text": "x", "markdown_text": "x"})},
		{page: post, name: "Markdown alone", do: raw("chat.postMessage", map[string]string{"channel": here, "markdown_text": "*x*"})},

		{page: whispers, general: true, name: "no person", want: "invalid_arguments", do: raw("chat.postEphemeral", map[string]string{"channel": here, "text": "x"})},
		{page: whispers, name: "a channel that is not", want: "channel_not_found", do: whisper("C9", "U1", "x")},
		{page: whispers, name: "where the bot is not", want: "not_in_channel", do: whisper(apart, "U1", "x")},
		{page: whispers, name: "to one who is nobody", want: "user_not_in_channel", do: whisper(here, "U9", "x")},
		{page: whispers, name: "to one who is not there", want: "user_not_in_channel", do: func(w *world) error {
			if err := w.api.KickUserFromConversation(here, "U3"); err != nil {
				return fmt.Errorf("kick: %w", err)
			}
			return whisper(here, "U3", "x")(w)
		}},
		{page: whispers, name: "into the archive", want: "is_archived", do: archived(whisper(here, "U1", "x"))},
		{page: whispers, name: "nothing to say", want: "no_text", do: whisper(here, "U1", "")},
		{page: whispers, note: "the name is the page's, the limit is chat.postMessage's", name: "more text than can be", want: "msg_too_long", do: whisper(here, "U1", long(40001))},
		{page: whispers, name: "101 attachments", want: "too_many_attachments", do: raw("chat.postEphemeral", map[string]string{"channel": here, "user": "U1", "attachments": attachments})},

		{page: updates, general: true, name: "no message", want: "invalid_arguments", do: raw("chat.update", map[string]string{"channel": here, "text": "x"})},
		{page: updates, name: "a message that is not", want: "message_not_found", do: raw("chat.update", map[string]string{"channel": here, "ts": "1.000001", "text": "x"})},
		{page: updates, name: "a channel that is not", want: "channel_not_found", do: raw("chat.update", map[string]string{"channel": "C9", "ts": "1.000001", "text": "x"})},
		{page: updates, note: "the page: an id; of a name it does not speak", name: "a channel by its name", want: "channel_not_found", do: raw("chat.update", map[string]string{"channel": "#incident-response", "ts": "1.000001", "text": "x"})},
		{page: updates, name: "somebody else's", want: "cant_update_message", do: func(w *world) error {
			ts := w.do("say", slacksim.Deed{As: "U1", Text: "mine"}).TS
			_, _, _, err := w.api.UpdateMessage(here, ts, slack.MsgOptionText("x", false))
			return err
		}},
		{page: updates, name: "4000 characters", do: update(slack.MsgOptionText(long(4000), false))},
		{page: updates, name: "4001 characters", want: "msg_too_long", do: update(slack.MsgOptionText(long(4001), false))},
		{page: updates, name: "nothing in its place", want: "no_text", do: posted(func(w *world, ts string) error {
			return raw("chat.update", map[string]string{"channel": here, "ts": ts})(w)
		})},
		{page: updates, name: "a block that is not", want: "invalid_blocks", do: posted(func(w *world, ts string) error {
			return raw("chat.update", map[string]string{"channel": here, "ts": ts, "blocks": `[{"type":"hologram"}]`})(w)
		})},
		{page: updates, name: "in the archive", want: "is_inactive", do: posted(func(w *world, ts string) error {
			return archived(func(w *world) error {
				_, _, _, err := w.api.UpdateMessage(here, ts, slack.MsgOptionText("x", false))
				return err
			})(w)
		})},

		{page: deletes, general: true, name: "no message", want: "invalid_arguments", do: raw("chat.delete", map[string]string{"channel": here})},
		{page: deletes, name: "a message that is not", want: "message_not_found", do: raw("chat.delete", map[string]string{"channel": here, "ts": "1.000001"})},
		{page: deletes, name: "a channel that is not", want: "channel_not_found", do: raw("chat.delete", map[string]string{"channel": "C9", "ts": "1.000001"})},
		{page: deletes, name: "somebody else's", want: "cant_delete_message", do: func(w *world) error {
			_, _, err := w.api.DeleteMessage(here, w.do("say", slacksim.Deed{As: "U1", Text: "mine"}).TS)
			return err
		}},
		{page: deletes, note: "not in the reference: the name fits", name: "in the archive", want: "cant_delete_message", do: posted(func(w *world, ts string) error {
			return archived(func(w *world) error { _, _, err := w.api.DeleteMessage(here, ts); return err })(w)
		})},

		{page: link, general: true, name: "no message", want: "invalid_arguments", do: raw("chat.getPermalink", map[string]string{"channel": here})},
		{page: link, name: "a message that is not", want: "message_not_found", do: func(w *world) error {
			_, err := w.api.GetPermalink(&slack.PermalinkParameters{Channel: here, Ts: "1.000001"})
			return err
		}},
		{page: link, name: "a channel that is not", want: "channel_not_found", do: func(w *world) error {
			_, err := w.api.GetPermalink(&slack.PermalinkParameters{Channel: vault, Ts: "1.000001"})
			return err
		}},
	}
}

func channelRows() (rows []refusal) {
	topic := func(channel, text string) func(*world) error {
		return func(w *world) error { _, err := w.api.SetTopicOfConversation(channel, text); return err }
	}
	rename := func(channel, name string) func(*world) error {
		return func(w *world) error { _, err := w.api.RenameConversation(channel, name); return err }
	}
	// made makes a channel and does something with it.
	made := func(then func(w *world, id string) error) func(*world) error {
		return func(w *world) error {
			ch, err := w.api.CreateConversation(slack.CreateConversationParams{ChannelName: "inc-1"})
			if err != nil {
				return fmt.Errorf("create: %w", err)
			}
			return then(w, ch.ID)
		}
	}
	kick := func(channel, user string) func(*world) error {
		return func(w *world) error { return w.api.KickUserFromConversation(channel, user) }
	}
	leave := func(channel string) func(*world) error {
		return func(w *world) error { _, err := w.api.LeaveConversation(channel); return err }
	}
	join := func(channel string) func(*world) error {
		return func(w *world) error { _, _, _, err := w.api.JoinConversation(channel); return err }
	}
	archive := func(channel string) func(*world) error {
		return func(w *world) error { return w.api.ArchiveConversation(channel) }
	}
	unarchive := func(channel string) func(*world) error {
		return func(w *world) error { return w.api.UnArchiveConversation(channel) }
	}
	// Each that takes a channel wants one, and one that is. That an argument which
	// is not there and one which is empty are two things was observed at Slack
	// (brekkylab/backlot 84; vluzrmos/laravel-slack-api 38).
	for method, args := range map[string]map[string]string{
		"history": {}, "replies": {"ts": "1.000001"}, "info": {}, "members": {}, "rename": {"name": "x"}, "setTopic": {"topic": "x"}, "setPurpose": {"purpose": "x"},
		"invite": {"users": "U1"}, "kick": {"user": "U1"}, "join": {}, "leave": {}, "archive": {}, "unarchive": {},
	} {
		method = "conversations." + method
		with := func(channel string) map[string]string { return plus(args, "channel", channel) }
		rows = append(rows,
			refusal{page: pages + method, general: true, name: "no channel", want: "invalid_arguments", do: raw(method, args)},
			refusal{page: pages + method, name: "an empty channel", want: "channel_not_found", do: raw(method, with(""))},
			refusal{page: pages + method, name: "a channel that is not", want: "channel_not_found", do: raw(method, with("C9"))},
			refusal{page: pages + method, name: "a channel by its name", want: "channel_not_found", do: raw(method, with("incident-response"))},
		)
		if method != "conversations.join" {
			rows = append(rows, refusal{page: pages + method, name: "a private channel without the bot", want: "channel_not_found", do: raw(method, with(vault))})
		}
	}
	for method, args := range map[string]map[string]string{
		"rename": {"name": "x"}, "setTopic": {"topic": "x"}, "setPurpose": {"purpose": "x"}, "invite": {"users": "U2"}, "kick": {"user": "U1"},
		"join": {}, "leave": {}, "archive": {}, "unarchive": {},
	} {
		method = "conversations." + method
		rows = append(rows, refusal{page: pages + method, name: "a direct message", want: "method_not_supported_for_channel_type", do: inDirect(func(w *world, dm string) error {
			return raw(method, plus(args, "channel", dm))(w)
		})})
	}
	const (
		history, replies, members, list4  = pages + "conversations.history", pages + "conversations.replies", pages + "conversations.members", pages + "conversations.list"
		creates, renames, topics, purpose = pages + "conversations.create", pages + "conversations.rename", pages + "conversations.setTopic", pages + "conversations.setPurpose"
		invites, kicks, joins, leaves     = pages + "conversations.invite", pages + "conversations.kick", pages + "conversations.join", pages + "conversations.leave"
		archives, unarchives, opens       = pages + "conversations.archive", pages + "conversations.unarchive", pages + "conversations.open"
	)
	for _, method := range []string{"conversations.create", "conversations.rename"} {
		named := func(name string) func(*world) error {
			if method == "conversations.create" {
				return create(name, false)
			}
			return made(func(w *world, id string) error { return rename(id, name)(w) })
		}
		rows = append(rows, []refusal{
			{page: pages + method, name: "80 characters", do: named(strings.Repeat("a", 80))},
			{page: pages + method, name: "81 characters", want: "invalid_name_maxlength", do: named(strings.Repeat("a", 81))},
			{page: pages + method, name: "an empty name", want: "invalid_name_required", do: named("")},
			{page: pages + method, name: "punctuation", want: "invalid_name_punctuation", do: named("-_-")},
			{page: pages + method, name: "capitals", want: "invalid_name_specials", do: named("Incident")},
			{page: pages + method, name: "a blank", want: "invalid_name_specials", do: named("inc 1")},
			{page: pages + method, name: "another's name", want: "name_taken", do: named("general")},
			{page: pages + method, name: "a private channel's name", want: "name_taken", do: named("vault")},
			{page: pages + method, name: "an archived channel's name", want: "name_taken", do: archived(named("incident-response"))},
		}...)
	}
	for _, method := range []string{"conversations.list", "users.conversations"} {
		rows = append(rows, []refusal{
			{page: pages + method, name: "a kind that is not", want: "invalid_types", do: raw(method, map[string]string{"types": "hologram"})},
			{page: pages + method, name: "a limit in words", want: "invalid_limit", do: raw(method, map[string]string{"limit": "many"})},
			{page: pages + method, name: "from nowhere", want: "invalid_cursor", do: raw(method, map[string]string{"cursor": "zzz"})},
		}...)
	}
	return append(rows, []refusal{
		{page: history, name: "where the bot is not", want: "not_in_channel", do: historyOf(apart)},
		{page: history, note: "observed: elastic/connectors 1972; the name is the page's", name: "in the archive", want: "not_in_channel", do: archived(historyOf(here))},
		{page: history, name: "from nowhere", want: "invalid_cursor", do: raw("conversations.history", map[string]string{"channel": here, "cursor": "zzz"})},
		{page: history, name: "until no time", want: "invalid_ts_latest", do: raw("conversations.history", map[string]string{"channel": here, "latest": "now"})},
		{page: history, name: "since no time", want: "invalid_ts_oldest", do: raw("conversations.history", map[string]string{"channel": here, "oldest": "yesterday"})},
		{page: history, note: "not in this page's list: as conversations.members", name: "a limit in words", want: "invalid_limit", do: raw("conversations.history", map[string]string{"channel": here, "limit": "many"})},
		{page: replies, general: true, name: "no thread", want: "invalid_arguments", do: raw("conversations.replies", map[string]string{"channel": here})},
		{page: replies, name: "a thread that is not", want: "thread_not_found", do: raw("conversations.replies", map[string]string{"channel": here, "ts": "1.000001"})},
		{page: replies, note: "not in this page's list: as conversations.history", name: "where the bot is not", want: "not_in_channel", do: raw("conversations.replies", map[string]string{"channel": apart, "ts": "1.000001"})},
		{page: replies, name: "since no time", want: "invalid_ts_oldest", do: posted(func(w *world, ts string) error {
			return raw("conversations.replies", map[string]string{"channel": here, "ts": ts, "oldest": "yesterday"})(w)
		})},
		{page: members, name: "from nowhere", want: "invalid_cursor", do: raw("conversations.members", map[string]string{"channel": here, "cursor": "zzz"})},
		{page: members, name: "a limit in words", want: "invalid_limit", do: raw("conversations.members", map[string]string{"channel": here, "limit": "many"})},
		{page: list4, name: "through slack-go", want: "invalid_types", do: list("hologram")},

		{page: creates, general: true, name: "no name", want: "invalid_arguments", do: raw("conversations.create", nil)},
		{page: creates, name: "a private channel", do: create("inc-1", true)},
		{page: renames, name: "where the bot is not", want: "not_in_channel", do: rename(apart, "x")},
		{page: renames, name: "somebody else's channel", want: "not_authorized", do: rename(here, "x")},
		{page: renames, name: "in the archive", want: "is_archived", do: archived(rename(here, "x"))},

		{page: topics, note: "the page's own example", name: "no topic", want: "invalid_arguments", do: raw("conversations.setTopic", map[string]string{"channel": here})},
		{page: topics, name: "250 characters", do: topic(here, long(250))},
		{page: topics, name: "251 characters", want: "too_long", do: topic(here, long(251))},
		{page: topics, name: "where the bot is not", want: "not_in_channel", do: topic(apart, "x")},
		{page: topics, name: "in the archive", want: "is_archived", do: archived(topic(here, "x"))},
		{page: purpose, name: "251 characters", want: "too_long", do: func(w *world) error { _, err := w.api.SetPurposeOfConversation(here, long(251)); return err }},
		{page: purpose, name: "where the bot is not", want: "not_in_channel", do: func(w *world) error { _, err := w.api.SetPurposeOfConversation(apart, "x"); return err }},
		{page: purpose, name: "in the archive", want: "is_archived", do: archived(func(w *world) error { _, err := w.api.SetPurposeOfConversation(here, "x"); return err })},

		{page: invites, name: "where the bot is not", want: "not_in_channel", do: invite(apart, "U2")},
		{page: invites, name: "oneself", want: "cant_invite_self", do: invite(here, slacksim.BotUserID)},
		{page: invites, name: "nobody", want: "no_user", do: invite(here)},
		{page: invites, name: "a stranger", want: "user_not_found", do: invite(here, "U9")},
		{page: invites, name: "a member", want: "already_in_channel", do: invite(here, "U1")},
		{page: invites, name: "into the archive", want: "is_archived", do: archived(invite(here, "U1"))},
		{page: invites, note: "in Slack's OpenAPI description of 2021, and not on the page any more", name: "1001 people", want: "too_many_users", do: raw("conversations.invite", map[string]string{"channel": here, "users": strings.Repeat("U1,", 1001)})},

		{page: kicks, name: "oneself", want: "cant_kick_self", do: kick(here, slacksim.BotUserID)},
		{page: kicks, name: "a stranger", want: "user_not_found", do: kick(here, "U9")},
		{page: kicks, name: "one who is not there", want: "not_in_channel", do: func(w *world) error { return errors.Join(kick(here, "U3")(w), kick(here, "U3")(w)) }},
		{page: kicks, note: "the page has the name for the person, and says nothing of the bot", name: "where the bot is not", want: "not_in_channel", do: kick(apart, "U1")},
		{page: kicks, name: "from #general", want: "cant_kick_from_general", do: kick(lobby, "U1")},

		{page: joins, name: "the archive", want: "is_archived", do: archived(join(here))},
		{page: joins, note: "the name is the page's; observed for private channels: slackapi/bolt-js 1656", name: "a private channel", want: "method_not_supported_for_channel_type", do: join(vault)},
		{page: leaves, name: "#general", want: "cant_leave_general", do: leave(lobby)},
		{page: leaves, name: "the archive", want: "is_archived", do: archived(leave(here))},
		{page: leaves, name: "as the last", want: "last_member", do: made(func(w *world, id string) error { return leave(id)(w) })},
		{page: archives, name: "#general", want: "cant_archive_general", do: archive(lobby)},
		{page: archives, name: "where the bot is not", want: "not_in_channel", do: archive(apart)},
		{page: archives, name: "twice", want: "already_archived", do: archived(archive(here))},
		{page: unarchives, name: "what is not archived", want: "not_archived", do: unarchive(here)},
		{page: unarchives, note: "the page: bot tokens cannot; observed name: slack-go/slack 1066", name: "what the bot archived", want: "not_in_channel", do: archived(unarchive(here))},

		{page: opens, name: "with nobody", want: "users_list_not_supplied", do: raw("conversations.open", nil)},
		{page: opens, name: "with a stranger", want: "user_not_found", do: raw("conversations.open", map[string]string{"users": "U9"})},
		{page: opens, name: "with nine", want: "too_many_users", do: raw("conversations.open", map[string]string{"users": "U1,U2,U3,U4,U5,U6,U7,U8,U9"})},
		{page: opens, name: "one that is not", want: "channel_not_found", do: raw("conversations.open", map[string]string{"channel": "D9"})},
		{page: opens, note: "ours: Slack opens it", name: "with two", want: "method_not_supported_for_channel_type", do: raw("conversations.open", map[string]string{"users": "U1,U2"})},
	}...)
}

func peopleRows() []refusal {
	return []refusal{
		{page: pages + "users.info", general: true, name: "nobody named", want: "invalid_arguments", do: raw("users.info", nil)},
		{page: pages + "users.info", name: "a stranger", want: "user_not_found", do: func(w *world) error { _, err := w.api.GetUserInfo("U9"); return err }},
		{page: pages + "users.list", name: "from nowhere", want: "invalid_cursor", do: raw("users.list", map[string]string{"cursor": "zzz"})},
		{page: pages + "users.lookupByEmail", general: true, name: "no address", want: "invalid_arguments", do: raw("users.lookupByEmail", nil)},
		{page: pages + "users.lookupByEmail", name: "a stranger", want: "users_not_found", do: func(w *world) error { _, err := w.api.GetUserByEmail("x@example.com"); return err }},
		{page: pages + "users.getPresence", note: "the page lists no errors; observed: dgurkaynak/slack-poker-planner 20", name: "a stranger", want: "user_not_found", do: func(w *world) error { _, err := w.api.GetUserPresence("U9"); return err }},
		{page: pages + "users.conversations", note: "not in the reference: as users.info", name: "a stranger", want: "user_not_found", do: raw("users.conversations", map[string]string{"user": "U9"})},
		{page: pages + "usergroups.users.list", general: true, name: "no group", want: "invalid_arguments", do: raw("usergroups.users.list", nil)},
		{page: pages + "usergroups.users.list", name: "a group that is not", want: "no_such_subteam", do: func(w *world) error { _, err := w.api.GetUserGroupMembers("S9"); return err }},
	}
}

// modal is a form with a button, as JSON and as slack-go has it.
func modal(external string) slack.ModalViewRequest {
	return slack.ModalViewRequest{Type: slack.VTModal, ExternalID: external, Title: plain("Start"), Blocks: slack.Blocks{BlockSet: []slack.Block{button("more", "v", "More")}}}
}

// triggers are those of what people do, one after another.
func (w *world) triggers() <-chan string {
	got := make(chan string, 10)
	w.connect(func(sm *socketmode.Client, e socketmode.Event) {
		_ = sm.Ack(*e.Request)
		switch d := e.Data.(type) {
		case slack.SlashCommand:
			got <- d.TriggerID
		case slack.InteractionCallback:
			got <- d.TriggerID
		}
	})
	return got
}

func viewRows() []refusal {
	// asked gives the trigger of a command.
	asked := func(then func(w *world, id string) error) func(*world) error {
		return func(w *world) error {
			got := w.triggers()
			w.do("command", slacksim.Deed{As: "U1", Text: "/failover start"})
			return then(w, <-got)
		}
	}
	// inForm opens forms on one another, and gives the trigger of the button in the
	// uppermost.
	inForm := func(forms int, then func(w *world, id string) error) func(*world) error {
		return func(w *world) error {
			got := w.triggers()
			w.do("command", slacksim.Deed{As: "U1", Text: "/failover start"})
			v, err := w.api.OpenView(<-got, modal("first"))
			for i := 0; ; i++ {
				if err != nil {
					return fmt.Errorf("form %d: %w", i, err)
				}
				if out := w.do("press", slacksim.Deed{As: "U1", ViewID: v.ID, ActionID: "more"}); !out.OK {
					return fmt.Errorf("press: %+v", out)
				}
				if i+1 == forms {
					return then(w, <-got)
				}
				v, err = w.api.PushView(<-got, modal(""))
			}
		}
	}
	open := func(w *world, id string) error { _, err := w.api.OpenView(id, modal("")); return err }
	push := func(w *world, id string) error { _, err := w.api.PushView(id, modal("")); return err }
	late := func(do func(*world, string) error) func(*world, string) error {
		return func(w *world, id string) error {
			w.clock.Advance(3*time.Second + time.Millisecond)
			return do(w, id)
		}
	}
	twice := func(do func(*world, string) error) func(*world, string) error {
		return func(w *world, id string) error { return errors.Join(do(w, id), do(w, id)) }
	}
	large := modal("")
	for range 95 {
		large.Blocks.BlockSet = append(large.Blocks.BlockSet, slack.NewSectionBlock(plain(long(2900)), nil, nil))
	}
	publish := func(w *world, user, external, hash string) error {
		_, err := w.api.PublishView(user, slack.HomeTabViewRequest{
			Type: slack.VTHomeTab, ExternalID: external, Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewDividerBlock()}},
		}, hash)
		return err
	}
	const opens, pushes, updates, publishes = pages + "views.open", pages + "views.push", pages + "views.update", pages + "views.publish"
	untitled := `{"type":"modal","blocks":[]}`
	return []refusal{
		{page: opens, general: true, name: "no view", want: "invalid_arguments", do: raw("views.open", map[string]string{"trigger_id": "1.2.3"})},
		{page: opens, general: true, name: "no title", want: "invalid_arguments", do: raw("views.open", map[string]string{"trigger_id": "1.2.3", "view": untitled})},
		{page: opens, general: true, name: "no trigger", want: "invalid_arguments", do: raw("views.open", map[string]string{"view": jsonOf(modal(""))})},
		{page: opens, name: "a trigger never given", want: "invalid_trigger_id", do: func(w *world) error { return open(w, "1.2.3") }},
		{page: opens, name: "a trigger used twice", want: "exchanged_trigger_id", do: asked(twice(open))},
		{page: opens, name: "a trigger older than three seconds", want: "expired_trigger_id", do: asked(late(open))},
		{page: opens, name: "another's external id", want: "duplicate_external_id", do: inForm(1, func(w *world, id string) error { _, err := w.api.OpenView(id, modal("first")); return err })},
		{page: opens, name: "more than 250 kB", want: "view_too_large", do: asked(func(w *world, id string) error { _, err := w.api.OpenView(id, large); return err })},
		{page: pushes, general: true, name: "no view", want: "invalid_arguments", do: raw("views.push", nil)},
		{page: pushes, note: "the page's own example", name: "no title", want: "invalid_arguments", do: raw("views.push", map[string]string{"trigger_id": "1.2.3", "view": untitled})},
		{page: pushes, name: "a trigger never given", want: "invalid_trigger_id", do: func(w *world) error { return push(w, "1.2.3") }},
		{page: pushes, name: "a trigger from outside a form", want: "not_found", do: asked(push)},
		{page: pushes, name: "a trigger older than three seconds", want: "expired_trigger_id", do: inForm(1, late(push))},
		{page: pushes, name: "a trigger used twice", want: "exchanged_trigger_id", do: inForm(1, twice(push))},
		{page: pushes, name: "another's external id", want: "duplicate_external_id", do: inForm(1, func(w *world, id string) error { _, err := w.api.PushView(id, modal("first")); return err })},
		{page: pushes, name: "a third form", do: inForm(2, push)},
		{page: pushes, name: "a fourth form", want: "push_limit_reached", do: inForm(3, push)},
		{page: pushes, name: "more than 250 kB", want: "view_too_large", do: inForm(1, func(w *world, id string) error { _, err := w.api.PushView(id, large); return err })},
		{page: updates, general: true, name: "no view", want: "invalid_arguments", do: raw("views.update", map[string]string{"view_id": "V9"})},
		{page: updates, name: "a form that is not", want: "not_found", do: raw("views.update", map[string]string{"view_id": "V9", "view": jsonOf(modal(""))})},
		{page: updates, name: "a form that changed", want: "hash_conflict", do: inForm(1, func(w *world, _ string) error {
			_, err := w.api.UpdateView(modal("first"), "first", "1.old", "")
			return err
		})},
		{page: updates, name: "another's external id", want: "duplicate_external_id", do: inForm(2, func(w *world, _ string) error {
			_, err := w.api.UpdateView(modal("first"), "", "", w.openView("U1"))
			return err
		})},
		{page: updates, name: "more than 250 kB", want: "view_too_large", do: inForm(1, func(w *world, _ string) error { _, err := w.api.UpdateView(large, "first", "", ""); return err })},
		{page: publishes, general: true, name: "no view", want: "invalid_arguments", do: raw("views.publish", map[string]string{"user_id": "U1"})},
		{page: publishes, note: "the page's own example", name: "a stranger", want: "invalid_arguments", do: func(w *world) error { return publish(w, "U9", "", "") }},
		{page: publishes, name: "a tab that changed", want: "hash_conflict", do: func(w *world) error {
			return errors.Join(publish(w, "U1", "", ""), publish(w, "U1", "", "1.old"))
		}},
		{page: publishes, name: "another's external id", want: "duplicate_external_id", do: func(w *world) error {
			return errors.Join(publish(w, "U1", "mine", ""), publish(w, "U2", "mine", ""))
		}},
		{page: publishes, name: "one's own external id again", do: func(w *world) error {
			return errors.Join(publish(w, "U1", "mine", ""), publish(w, "U1", "mine", ""))
		}},
	}
}

func fileRows() []refusal {
	const urls, completes, infos = pages + "files.getUploadURLExternal", pages + "files.completeUploadExternal", pages + "files.info"
	upload := func(channel, content string) func(*world) error {
		return func(w *world) error {
			_, err := w.api.UploadFile(slack.UploadFileParameters{Channel: channel, Filename: "x.md", Content: content, FileSize: len(content)})
			return errors.Unwrap(err) // slack-go says in which of its calls
		}
	}
	return []refusal{
		{page: urls, name: "no name", want: "missing_argument", do: raw("files.getUploadURLExternal", map[string]string{"length": "1"})},
		{page: urls, name: "a length of nothing", want: "missing_argument", do: raw("files.getUploadURLExternal", map[string]string{"filename": "x", "length": "0"})},
		{page: urls, note: "the name is the page's, the limit of 10 MB is ours", name: "too large", want: "file_upload_size_restricted", do: raw("files.getUploadURLExternal", map[string]string{"filename": "x", "length": "10485761"})},
		{page: urls, name: "1001 characters for those who do not see", want: "alt_txt_too_large", do: raw("files.getUploadURLExternal", map[string]string{"filename": "x", "length": "1", "alt_txt": long(1001)})},
		{page: completes, general: true, name: "no files", want: "invalid_arguments", do: raw("files.completeUploadExternal", nil)},
		{page: completes, general: true, name: "a list of none", want: "invalid_arguments", do: raw("files.completeUploadExternal", map[string]string{"files": "[]"})},
		{page: completes, name: "a file never sent", want: "file_not_found", do: raw("files.completeUploadExternal", map[string]string{"files": `[{"id":"F9"}]`})},
		{page: completes, name: "a channel that is not", want: "channel_not_found", do: upload("C9", "x")},
		{page: completes, name: "where the bot is not", want: "not_in_channel", do: upload(apart, "x")},
		{page: infos, general: true, name: "no file", want: "invalid_arguments", do: raw("files.info", nil)},
		{page: infos, name: "a file that is not", want: "file_not_found", do: raw("files.info", map[string]string{"file": "F9"})},
	}
}

func markRows() (rows []refusal) {
	pin := func(w *world, ts string) error { return w.api.AddPin(here, slack.NewRefToMessage(here, ts)) }
	react := func(w *world, ts string) error { return w.api.AddReaction("eyes", slack.NewRefToMessage(here, ts)) }
	bookmark := func(channel string, change func(*slack.AddBookmarkParameters)) func(*world) error {
		return func(w *world) error {
			b := slack.AddBookmarkParameters{Title: "Runbook", Type: "link", Link: "https://wiki.example"}
			if change != nil {
				change(&b)
			}
			_, err := w.api.AddBookmark(channel, b)
			return err
		}
	}
	// Each that marks a message wants one, and one that is.
	for method, args := range map[string]map[string]string{
		"pins.add": {}, "pins.remove": {}, "reactions.add": {"name": "eyes"}, "reactions.remove": {"name": "eyes"}, "reactions.get": {},
	} {
		with := func(channel, ts string) map[string]string {
			all := plus(args, "channel", channel)
			if ts != "" {
				all["timestamp"] = ts
			}
			return all
		}
		outside := "not in this page's list: as pins.add"
		switch method {
		case "pins.add":
			outside = "the page has the name for the item, and says nothing of the bot"
		case "reactions.add":
			outside = "not in this page's list; observed: HubSpot/slack-client 356"
		}
		rows = append(rows,
			refusal{page: pages + method, general: true, name: "no channel", want: "invalid_arguments", do: raw(method, args)},
			refusal{page: pages + method, name: "a channel that is not", want: "channel_not_found", do: raw(method, with("C9", "1.000001"))},
			refusal{page: pages + method, name: "no message", want: "no_item_specified", do: raw(method, with(here, ""))},
			refusal{page: pages + method, name: "no time", want: "bad_timestamp", do: raw(method, with(here, "yesterday"))},
			refusal{page: pages + method, name: "a message that is not", want: "message_not_found", do: raw(method, with(here, "1.000001"))},
			refusal{page: pages + method, note: outside, name: "where the bot is not", want: "not_in_channel", do: raw(method, with(apart, "1.000001"))},
		)
	}
	for method, args := range map[string]map[string]string{
		"bookmarks.add": {"title": "x", "type": "link", "link": "https://x.example"}, "bookmarks.edit": {"bookmark_id": "Bk9"}, "bookmarks.remove": {"bookmark_id": "Bk9"}, "bookmarks.list": {},
	} {
		with := func(channel string) map[string]string { return plus(args, "channel_id", channel) }
		rows = append(rows,
			refusal{page: pages + method, general: true, name: "no channel", want: "invalid_arguments", do: raw(method, args)},
			refusal{page: pages + method, name: "a channel that is not", want: "channel_not_found", do: raw(method, with("C9"))},
			refusal{page: pages + method, name: "a private channel without the bot", want: "channel_not_found", do: raw(method, with(vault))},
		)
		if method != "bookmarks.list" {
			rows = append(rows, refusal{page: pages + method, name: "where the bot is not", want: "permission_denied", do: raw(method, with(apart))})
		}
	}
	const added, removed, listed, reacts, unreacts, adds = pages + "pins.add", pages + "pins.remove", pages + "pins.list", pages + "reactions.add", pages + "reactions.remove", pages + "bookmarks.add"
	limit := "the name is the page's, the limit of 100 is not"
	return append(rows, []refusal{
		{page: added, name: "the hundredth", do: posted(func(w *world, ts string) error { return pins(w, 99, ts) })},
		{page: added, note: limit, name: "the hundred-and-first", want: "too_many_pins", do: posted(func(w *world, ts string) error { return pins(w, 100, ts) })},
		{page: added, name: "twice", want: "already_pinned", do: posted(func(w *world, ts string) error { return errors.Join(pin(w, ts), pin(w, ts)) })},
		{page: added, note: "not in this page's list: the bot is put out of what it archives", name: "in the archive", want: "not_in_channel", do: posted(func(w *world, ts string) error {
			return archived(func(w *world) error { return pin(w, ts) })(w)
		})},
		{page: removed, name: "what is not pinned", want: "no_pin", do: posted(func(w *world, ts string) error { return w.api.RemovePin(here, slack.NewRefToMessage(here, ts)) })},
		{page: listed, general: true, name: "no channel", want: "invalid_arguments", do: raw("pins.list", nil)},
		{page: listed, name: "a channel that is not", want: "channel_not_found", do: func(w *world) error { _, _, err := w.api.ListPins("C9"); return err }},
		{page: listed, note: "not in this page's list: as pins.add", name: "where the bot is not", want: "not_in_channel", do: func(w *world) error { _, _, err := w.api.ListPins(apart); return err }},

		{page: reacts, general: true, name: "no emoji", want: "invalid_arguments", do: raw("reactions.add", map[string]string{"channel": here, "timestamp": "1.000001"})},
		{page: reacts, name: "no emoji's name", want: "invalid_name", do: raw("reactions.add", map[string]string{"channel": here, "timestamp": "1.000001", "name": "no emoji!"})},
		{page: reacts, name: "twice", want: "already_reacted", do: posted(func(w *world, ts string) error { return errors.Join(react(w, ts), react(w, ts)) })},
		{page: reacts, name: "in the archive", want: "is_archived", do: posted(func(w *world, ts string) error {
			return archived(func(w *world) error { return react(w, ts) })(w)
		})},
		{page: unreacts, name: "what is not there", want: "no_reaction", do: posted(func(w *world, ts string) error { return w.api.RemoveReaction("eyes", slack.NewRefToMessage(here, ts)) })},
		{page: unreacts, name: "no emoji's name", want: "invalid_name", do: raw("reactions.remove", map[string]string{"channel": here, "timestamp": "1.000001", "name": "no emoji!"})},

		{page: adds, note: limit, name: "the hundred-and-first", want: "too_many_bookmarks", do: func(w *world) error {
			for range 100 {
				if err := bookmark(here, nil)(w); err != nil {
					return fmt.Errorf("too early: %w", err)
				}
				w.clock.Advance(3 * time.Second)
			}
			return bookmark(here, nil)(w)
		}},
		{page: adds, name: "no link", want: "invalid_bookmark_type", do: bookmark(here, func(b *slack.AddBookmarkParameters) { b.Type = "message" })},
		{page: adds, name: "a script", want: "invalid_link", do: bookmark(here, func(b *slack.AddBookmarkParameters) { b.Link = "javascript:alert(1)" })},
		{page: adds, name: "no emoji for one", want: "invalid_emoji", do: bookmark(here, func(b *slack.AddBookmarkParameters) { b.Emoji = "book" })},
		{page: adds, general: true, name: "an empty title", want: "invalid_arguments", do: bookmark(here, func(b *slack.AddBookmarkParameters) { b.Title = "" })},
		{page: pages + "bookmarks.edit", name: "one that is gone", want: "not_found", do: raw("bookmarks.edit", map[string]string{"channel_id": here, "bookmark_id": "Bk9"})},
		{page: pages + "bookmarks.remove", name: "one that is gone", want: "not_found", do: func(w *world) error { return w.api.RemoveBookmark(here, "Bk9") }},
	}...)
}

// pins pins so many messages, and then the one that is asked for.
func pins(w *world, n int, last string) error {
	for i := range n {
		w.clock.Advance(3 * time.Second)
		_, ts, err := w.api.PostMessage(here, slack.MsgOptionText(fmt.Sprint(i), false))
		if err == nil {
			err = w.api.AddPin(here, slack.NewRefToMessage(here, ts))
		}
		if err != nil {
			return fmt.Errorf("pin %d: %w", i, err)
		}
	}
	return w.api.AddPin(here, slack.NewRefToMessage(here, last))
}
