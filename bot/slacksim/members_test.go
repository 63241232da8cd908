package slacksim_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/failoverbot/failoverbot/bot/slacksim"
)

var groups = []slacksim.Group{{ID: "S1", Handle: "dr-approvers", Name: "DR approvers", Users: []string{"U2"}}}

// news is what people have seen so far.
func (w *world) news(as string) []slacksim.News {
	w.t.Helper()
	resp, err := http.Get(w.URL() + "rehearsal/events?wait=0&as=" + as)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var batch struct {
		Events []slacksim.News `json:"events"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&batch); err != nil {
		w.t.Fatal(err)
	}
	return batch.Events
}

func TestAChannelForTheIncidentIsMadeAndEndsArchived(t *testing.T) {
	w := start(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	made, err := w.api.CreateConversation(slack.CreateConversationParams{ChannelName: "inc-2026-11-20"})
	must(err)
	if !made.IsMember || made.NumMembers != 1 || made.IsArchived || made.Name != "inc-2026-11-20" {
		t.Errorf("%+v", made)
	}
	invited, err := w.api.InviteUsersToConversation(made.ID, "U1", "U2")
	must(err)
	if invited.NumMembers != 3 {
		t.Errorf("%+v", invited)
	}
	members, _, err := w.api.GetUsersInConversation(&slack.GetUsersInConversationParameters{ChannelID: made.ID})
	must(err)
	if !slices.Equal(members, []string{slacksim.BotUserID, "U1", "U2"}) {
		t.Errorf("members are %v", members)
	}
	_, err = w.api.SetTopicOfConversation(made.ID, "us-east-1 is lost")
	must(err)
	for user, want := range map[string]int{"": 3, "U1": 3, "U3": 2} {
		list, _, err := w.api.GetConversationsForUser(&slack.GetConversationsForUserParameters{UserID: user})
		if err != nil || len(list) != want {
			t.Errorf("%q is in %d channels (%v), want %d", user, len(list), err, want)
		}
	}
	// People see each step, and the page's state agrees with the last of them.
	var steps []slacksim.Channel
	for _, n := range w.news("U3") {
		if n.Type == "channel" && n.Channel.ID == made.ID {
			steps = append(steps, *n.Channel)
		}
	}
	if len(steps) != 3 || len(steps[0].Members) != 1 || len(steps[1].Members) != 3 || steps[2].Topic != "us-east-1 is lost" {
		t.Errorf("%+v", steps)
	}
	shown := w.state("U3").Channels
	if i := slices.IndexFunc(shown, func(c slacksim.Channel) bool { return c.ID == made.ID }); i < 0 || shown[i].Topic != "us-east-1 is lost" || len(shown[i].Members) != 3 {
		t.Errorf("%+v", shown)
	}
	// An outsider joins by speaking.
	if out := w.do("say", slacksim.Deed{As: "U3", Channel: made.ID, Text: "may I help?"}); !out.OK {
		t.Errorf("%+v", out)
	}
	must(w.api.KickUserFromConversation(made.ID, "U3"))
	members, _, err = w.api.GetUsersInConversation(&slack.GetUsersInConversationParameters{ChannelID: made.ID})
	if err != nil || slices.Contains(members, "U3") {
		t.Errorf("%v %v", members, err)
	}
	must(w.api.ArchiveConversation(made.ID))
	if out := w.do("say", slacksim.Deed{As: "U1", Channel: made.ID, Text: "late"}); out.OK || !strings.Contains(out.Reason, "archived") {
		t.Errorf("%+v", out)
	}
	list, _, err := w.api.GetConversations(&slack.GetConversationsParameters{ExcludeArchived: true})
	if err != nil || len(list) != 2 {
		t.Errorf("%d channels are not archived (%v)", len(list), err)
	}
}

func TestOneWhoCannotBeInvitedStopsTheOthersUnlessForced(t *testing.T) {
	w := start(t)
	made, err := w.api.CreateConversation(slack.CreateConversationParams{ChannelName: "inc-1"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.api.InviteUsersToConversation(made.ID, "U1", "U9")
	refused, ok := errors.AsType[slack.SlackErrorResponse](err)
	if !ok || refused.Err != "user_not_found" || len(refused.Errors) != 1 || refused.Errors[0].ConversationsInviteResponseError.User != "U9" {
		t.Errorf("%#v", err)
	}
	if c, err := w.api.GetConversationInfo(&slack.GetConversationInfoInput{ChannelID: made.ID}); err != nil || c.NumMembers != 1 {
		t.Errorf("nobody is invited: %+v %v", c, err)
	}
	if c, err := w.api.ForceInviteUsersToConversation(made.ID, "U1", "U9"); err != nil || c.NumMembers != 2 {
		t.Errorf("%+v %v", c, err)
	}
}

func TestTheBotLeavesAndIsNotToldUntilItIsBack(t *testing.T) {
	w := start(t)
	heard := make(chan string, 10)
	w.connect(func(sm *socketmode.Client, e socketmode.Event) {
		_ = sm.Ack(*e.Request)
		var event struct {
			Event struct{ Text string }
		}
		if err := json.Unmarshal(e.Request.Payload, &event); err != nil {
			t.Error(err)
		}
		heard <- event.Event.Text
	})
	if was, err := w.api.LeaveConversation("C0INCIDENT"); err != nil || was {
		t.Fatal(was, err)
	}
	if was, err := w.api.LeaveConversation("C0INCIDENT"); err != nil || !was {
		t.Errorf("a second time: %t %v", was, err)
	}
	w.do("say", slacksim.Deed{As: "U1", Text: "among ourselves"})
	if _, warning, _, err := w.api.JoinConversation("C0INCIDENT"); err != nil || warning != "" {
		t.Fatal(warning, err)
	}
	if _, warning, _, err := w.api.JoinConversation("C0INCIDENT"); err != nil || warning != "already_in_channel" {
		t.Error(warning, err)
	}
	w.do("say", slacksim.Deed{As: "U1", Text: "welcome back"})
	if got := <-heard; got != "welcome back" {
		t.Errorf("the bot heard %q", got)
	}
}

func TestPinsBookmarksAndGroupsAreListed(t *testing.T) {
	w := start(t, func(o *slacksim.Options) { o.Groups = groups })
	var stamps []string
	for _, text := range []string{"card", "decision"} {
		_, ts, err := w.api.PostMessage("C0INCIDENT", slack.MsgOptionText(text, false))
		if err != nil {
			t.Fatal(err)
		}
		stamps = append(stamps, ts)
	}
	for _, ts := range []string{stamps[1], stamps[0]} {
		w.clock.Advance(time.Second)
		if err := w.api.AddPin("C0INCIDENT", slack.NewRefToMessage("C0INCIDENT", ts)); err != nil {
			t.Fatal(err)
		}
	}
	pins, _, err := w.api.ListPins("C0INCIDENT")
	if err != nil || len(pins) != 2 || pins[0].Message.Text != "card" || !slices.Equal(pins[0].Message.PinnedTo, []string{"C0INCIDENT"}) {
		t.Errorf("%+v %v", pins, err)
	}
	if h, err := w.api.GetConversationHistory(&slack.GetConversationHistoryParameters{ChannelID: "C0INCIDENT"}); err != nil || h.PinCount != 2 {
		t.Errorf("%+v %v", h, err)
	}

	b, err := w.api.AddBookmark("C0INCIDENT", slack.AddBookmarkParameters{Title: "Runbook", Type: "link", Link: "https://wiki.example/dr", Emoji: ":book:"})
	if err != nil {
		t.Fatal(err)
	}
	title, none := "DR runbook", ""
	edited, err := w.api.EditBookmark("C0INCIDENT", b.ID, slack.EditBookmarkParameters{Title: &title, Emoji: &none})
	if err != nil || edited.Title != title || edited.Emoji != "" || edited.Link != b.Link || edited.Updated == 0 {
		t.Errorf("%+v %v", edited, err)
	}
	if shown := w.state("U1").Channels[0].Bookmarks; len(shown) != 1 || shown[0].Title != title {
		t.Errorf("people see %+v", shown)
	}
	if err := w.api.RemoveBookmark("C0INCIDENT", b.ID); err != nil {
		t.Error(err)
	}
	if list, err := w.api.ListBookmarks("C0INCIDENT"); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}

	for with, want := range map[bool]int{true: 1, false: 0} {
		list, err := w.api.GetUserGroups(slack.GetUserGroupsOptionIncludeUsers(with))
		if err != nil || len(list) != 1 || list[0].Handle != "dr-approvers" || len(list[0].Users) != want {
			t.Errorf("%+v %v", list, err)
		}
	}
	if users, err := w.api.GetUserGroupMembers("S1"); err != nil || !slices.Equal(users, []string{"U2"}) {
		t.Errorf("%v %v", users, err)
	}
	if shown := w.state("U1").Groups; len(shown) != 1 || shown[0].ID != "S1" {
		t.Errorf("people see %+v", shown)
	}
}

func TestAGroupOfNobodyIsNoWorkspace(t *testing.T) {
	for name, g := range map[string][]slacksim.Group{
		"a stranger": {{ID: "S1", Users: []string{"U9"}}},
		"no id":      {{Handle: "x"}},
		"twice":      {{ID: "S1"}, {ID: "S1"}},
	} {
		if s, err := slacksim.New(slacksim.Options{Clock: newHandClock(), People: people, Groups: g}); err == nil {
			_ = s.Close()
			t.Errorf("%s is accepted", name)
		}
	}
}

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

// TestWhatSlackRefuses has a row for each way to be refused, through slack-go, in
// a workspace of its own.
func TestWhatSlackRefuses(t *testing.T) {
	const here, apart = "C0INCIDENT", "C0APART"
	form := slack.ModalViewRequest{Type: slack.VTModal, Title: plain("Start"), Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewDividerBlock()}}}
	say := func(w *world, channel, text string) error {
		_, _, err := w.api.PostMessage(channel, slack.MsgOptionText(text, false))
		return err
	}
	create := func(name string) func(*world) error {
		return func(w *world) error {
			_, err := w.api.CreateConversation(slack.CreateConversationParams{ChannelName: name})
			return err
		}
	}
	invite := func(channel string, users ...string) func(*world) error {
		return func(w *world) error {
			_, err := w.api.InviteUsersToConversation(channel, users...)
			return err
		}
	}
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
	topic := func(channel, text string) func(*world) error {
		return func(w *world) error { _, err := w.api.SetTopicOfConversation(channel, text); return err }
	}
	// posted says something and then does what the row is about with it.
	posted := func(then func(w *world, ts string) error) func(*world) error {
		return func(w *world) error {
			_, ts, err := w.api.PostMessage(here, slack.MsgOptionText("card", false))
			if err != nil {
				return err
			}
			return then(w, ts)
		}
	}
	archived := func(then func(*world) error) func(*world) error {
		return func(w *world) error {
			if err := w.api.ArchiveConversation(here); err != nil {
				return fmt.Errorf("archive: %w", err)
			}
			return then(w)
		}
	}
	pin := func(w *world, ts string) error { return w.api.AddPin(here, slack.NewRefToMessage(here, ts)) }
	trigger := func(w *world) string {
		got := make(chan string, 1)
		w.connect(func(sm *socketmode.Client, e socketmode.Event) {
			_ = sm.Ack(*e.Request)
			got <- e.Data.(slack.SlashCommand).TriggerID
		})
		w.do("command", slacksim.Deed{As: "U1", Text: "/failover start"})
		return <-got
	}
	open := func(w *world, id string) error { _, err := w.api.OpenView(id, form); return err }
	auth := func(bot, app string) func(*world) error {
		return func(w *world) error { _, err := w.client(bot, app).AuthTest(); return err }
	}
	link := func(bot, app string) func(*world) error {
		return func(w *world) error {
			_, _, err := w.client(bot, app).StartSocketModeContext(w.t.Context())
			return err
		}
	}

	for _, c := range []struct {
		kind, name string
		do         func(*world) error
		want       string
		scopes     []string // nil: all
	}{
		{"limits", "a message of 40 001 characters", func(w *world) error { return say(w, here, long(40001)) }, "msg_too_long", nil},
		{"limits", "a topic of 250 characters", topic(here, long(250)), "", nil},
		{"limits", "a topic of 251 characters", topic(here, long(251)), "too_long", nil},
		{"limits", "a channel's name of 80 characters", create(strings.Repeat("a", 80)), "", nil},
		{"limits", "a channel's name of 81 characters", create(strings.Repeat("a", 81)), "invalid_name_maxlength", nil},
		{"limits", "a channel without a name", create(""), "invalid_name_required", nil},
		{"limits", "a channel's name of punctuation", create("-_-"), "invalid_name_punctuation", nil},
		{"limits", "a channel's name with capitals", create("Incident"), "invalid_name_specials", nil},
		{"limits", "a channel's name with a blank", create("inc 1"), "invalid_name_specials", nil},
		{"limits", "a channel's name that is taken", create("general"), "name_taken", nil},
		{"limits", "the name of an archived channel", archived(create("incident-response")), "name_taken", nil},
		{"limits", "a private channel", func(w *world) error {
			_, err := w.api.CreateConversation(slack.CreateConversationParams{ChannelName: "secret", IsPrivate: true})
			return err
		}, "restricted_action", nil},
		{"limits", "the hundredth pin", posted(func(w *world, ts string) error { return pins(w, 99, ts) }), "", nil},
		{"limits", "the hundred-and-first pin", posted(func(w *world, ts string) error { return pins(w, 100, ts) }), "too_many_pins", nil},
		{"limits", "pinned twice", posted(func(w *world, ts string) error { return errors.Join(pin(w, ts), pin(w, ts)) }), "already_pinned", nil},
		{"limits", "a pin that is not", posted(func(w *world, ts string) error { return w.api.RemovePin(here, slack.NewRefToMessage(here, ts)) }), "no_pin", nil},
		{"limits", "a pin on nothing", func(w *world) error { return pin(w, "") }, "no_item_specified", nil},
		{"limits", "the hundred-and-first bookmark", func(w *world) error {
			for range 100 {
				if err := bookmark(here, nil)(w); err != nil {
					return fmt.Errorf("too early: %w", err)
				}
				w.clock.Advance(3 * time.Second)
			}
			return bookmark(here, nil)(w)
		}, "too_many_bookmarks", nil},
		{"limits", "a bookmark that is no link", bookmark(here, func(b *slack.AddBookmarkParameters) { b.Type = "message" }), "invalid_bookmark_type", nil},
		{"limits", "a bookmark of a script", bookmark(here, func(b *slack.AddBookmarkParameters) { b.Link = "javascript:alert(1)" }), "invalid_link", nil},
		{"limits", "a bookmark with no emoji for one", bookmark(here, func(b *slack.AddBookmarkParameters) { b.Emoji = "book" }), "invalid_emoji", nil},
		{"limits", "a bookmark without a title", bookmark(here, func(b *slack.AddBookmarkParameters) { b.Title = "" }), "invalid_arguments", nil},
		{"limits", "a bookmark that is gone", func(w *world) error { return w.api.RemoveBookmark(here, "Bk9") }, "not_found", nil},
		{"limits", "a group that is not", func(w *world) error { _, err := w.api.GetUserGroupMembers("S9"); return err }, "no_such_subteam", nil},
		{"limits", "a kind of channel that is not", func(w *world) error {
			_, _, err := w.api.GetConversations(&slack.GetConversationsParameters{Types: []string{"hologram"}})
			return err
		}, "invalid_types", nil},

		{"tokens", "none", auth("", ""), "not_authed", nil},
		{"tokens", "another", auth("xoxb-other", ""), "invalid_auth", nil},
		{"tokens", "the app's for the bot's methods", auth(appToken, ""), "not_allowed_token_type", nil},
		{"tokens", "the bot's for a connection", link(botToken, botToken), "not_allowed_token_type", nil},
		{"tokens", "another for a connection", link(botToken, "xapp-other"), "invalid_auth", nil},

		{"scopes", "posting without", func(w *world) error { return say(w, here, "x") }, "missing_scope", []string{"pins:write"}},
		{"scopes", "posting with", func(w *world) error { return say(w, here, "x") }, "", []string{"chat:write"}},
		{"scopes", "none at all", func(w *world) error { return say(w, here, "x") }, "missing_scope", []string{}},
		{"scopes", "who one is needs none", auth(botToken, ""), "", []string{}},
		{"scopes", "a topic with the narrow one", topic(here, "x"), "", []string{"channels:write.topic"}},
		{"scopes", "an invitation with the topic's", invite(here, "U1"), "missing_scope", []string{"channels:write.topic"}},
		{"scopes", "a new channel without", create("x"), "missing_scope", []string{"channels:read"}},
		{"scopes", "pinning with the reader's", posted(pin), "missing_scope", []string{"chat:write", "pins:read"}},
		{"scopes", "bookmarks without", bookmark(here, nil), "missing_scope", []string{"bookmarks:read"}},
		{"scopes", "groups without", func(w *world) error { _, err := w.api.GetUserGroups(); return err }, "missing_scope", []string{"users:read"}},
		{"scopes", "a list with direct messages", func(w *world) error {
			_, _, err := w.api.GetConversations(&slack.GetConversationsParameters{Types: []string{"public_channel", "im"}})
			return err
		}, "missing_scope", []string{"channels:read"}},
		{"scopes", "the history of a direct message", func(w *world) error {
			dm, _, _, err := w.api.OpenConversation(&slack.OpenConversationParameters{Users: []string{"U1"}})
			if err != nil {
				return fmt.Errorf("open: %w", err)
			}
			_, err = w.api.GetConversationHistory(&slack.GetConversationHistoryParameters{ChannelID: dm.ID})
			return err
		}, "missing_scope", []string{"channels:history", "im:write"}},

		{"triggers", "one never given", func(w *world) error { return open(w, "1.2.3") }, "invalid_trigger_id", nil},
		{"triggers", "one used twice", func(w *world) error {
			id := trigger(w)
			if err := open(w, id); err != nil {
				return fmt.Errorf("first: %w", err)
			}
			return open(w, id)
		}, "exchanged_trigger_id", nil},
		{"triggers", "one older than three seconds", func(w *world) error {
			id := trigger(w)
			w.clock.Advance(3*time.Second + time.Millisecond)
			return open(w, id)
		}, "expired_trigger_id", nil},

		{"membership", "a channel that is not", func(w *world) error { return say(w, "C9", "x") }, "channel_not_found", nil},
		{"membership", "a message where the bot is not", func(w *world) error { return say(w, apart, "x") }, "not_in_channel", nil},
		{"membership", "a message there, where the scope allows it", func(w *world) error { return say(w, apart, "x") }, "", []string{"chat:write", "chat:write.public"}},
		{"membership", "a message for one, where the bot is not", func(w *world) error {
			_, err := w.api.PostEphemeral(apart, "U1", slack.MsgOptionText("x", false))
			return err
		}, "not_in_channel", nil},
		{"membership", "a message for one who is not there", func(w *world) error {
			if err := w.api.KickUserFromConversation(here, "U3"); err != nil {
				return fmt.Errorf("kick: %w", err)
			}
			_, err := w.api.PostEphemeral(here, "U3", slack.MsgOptionText("x", false))
			return err
		}, "user_not_in_channel", nil},
		{"membership", "the history of another's channel", func(w *world) error {
			_, err := w.api.GetConversationHistory(&slack.GetConversationHistoryParameters{ChannelID: apart})
			return err
		}, "not_in_channel", nil},
		{"membership", "the pins of another's channel", func(w *world) error { _, _, err := w.api.ListPins(apart); return err }, "not_in_channel", nil},
		{"membership", "the topic of another's channel", topic(apart, "x"), "not_in_channel", nil},
		{"membership", "a bookmark in another's channel", bookmark(apart, nil), "permission_denied", nil},
		{"membership", "a file in another's channel", func(w *world) error {
			_, err := w.api.UploadFile(slack.UploadFileParameters{Channel: apart, Filename: "x.md", Content: "x", FileSize: 1})
			return errors.Unwrap(err) // slack-go says in which of its calls
		}, "not_in_channel", nil},
		{"membership", "inviting to another's channel", invite(apart, "U2"), "not_in_channel", nil},
		{"membership", "inviting oneself", invite(here, slacksim.BotUserID), "cant_invite_self", nil},
		{"membership", "inviting nobody", invite(here), "no_user", nil},
		{"membership", "inviting a stranger", invite(here, "U9"), "user_not_found", nil},
		{"membership", "inviting a member", invite(here, "U1"), "already_in_channel", nil},
		{"membership", "removing oneself", func(w *world) error { return w.api.KickUserFromConversation(here, slacksim.BotUserID) }, "cant_kick_self", nil},
		{"membership", "removing a stranger", func(w *world) error { return w.api.KickUserFromConversation(here, "U9") }, "user_not_found", nil},
		{"membership", "removing one who is not there", func(w *world) error { return w.api.KickUserFromConversation(apart, "U2") }, "not_in_channel", nil},
		{"membership", "removing from #general", func(w *world) error { return w.api.KickUserFromConversation("C0GENERAL", "U1") }, "cant_kick_from_general", nil},
		{"membership", "leaving #general", func(w *world) error { _, err := w.api.LeaveConversation("C0GENERAL"); return err }, "cant_leave_general", nil},
		{"membership", "archiving #general", func(w *world) error { return w.api.ArchiveConversation("C0GENERAL") }, "cant_archive_general", nil},
		{"membership", "archiving another's channel", func(w *world) error { return w.api.ArchiveConversation(apart) }, "not_in_channel", nil},
		{"membership", "archiving twice", archived(func(w *world) error { return w.api.ArchiveConversation(here) }), "already_archived", nil},
		{"membership", "a message into the archive", archived(func(w *world) error { return say(w, here, "x") }), "is_archived", nil},
		{"membership", "a topic in the archive", archived(topic(here, "x")), "is_archived", nil},
		{"membership", "inviting into the archive", archived(invite(here, "U1")), "is_archived", nil},
		{"membership", "joining the archive", archived(func(w *world) error { _, _, _, err := w.api.JoinConversation(here); return err }), "is_archived", nil},
		{"membership", "changing what is archived", posted(func(w *world, ts string) error {
			return archived(func(w *world) error {
				_, _, _, err := w.api.UpdateMessage(here, ts, slack.MsgOptionText("x", false))
				return err
			})(w)
		}), "is_inactive", nil},
		{"membership", "inviting to a direct message", func(w *world) error {
			dm, _, _, err := w.api.OpenConversation(&slack.OpenConversationParameters{Users: []string{"U1"}})
			if err != nil {
				return fmt.Errorf("open: %w", err)
			}
			return invite(dm.ID, "U2")(w)
		}, "method_not_supported_for_channel_type", nil},

		{"rates", "messages", until429(func(w *world) error { return say(w, here, "x") }), "ratelimited", nil},
		{"rates", "pins read", until429(func(w *world) error { _, _, err := w.api.ListPins(here); return err }), "ratelimited", nil},
		{"rates", "topics", until429(topic(here, "x")), "ratelimited", nil},
		{"rates", "groups", until429(func(w *world) error { _, err := w.api.GetUserGroups(); return err }), "ratelimited", nil},
	} {
		t.Run(c.kind+"/"+c.name, func(t *testing.T) {
			w := start(t, func(o *slacksim.Options) {
				o.Scopes = c.scopes
				o.Channels = []slacksim.Channel{{ID: here, Name: "incident-response"}, {ID: "C0GENERAL", Name: "general"}, {ID: apart, Name: "apart", Members: []string{"U1"}}}
			})
			err := c.do(w)
			if got := codeOf(err); got != c.want {
				t.Fatalf("%q, want %q", got, c.want)
			}
			if c.want != "missing_scope" {
				return
			}
			refused, ok := errors.AsType[slack.SlackErrorResponse](err)
			if !ok || refused.Needed == "" || refused.Provided != strings.Join(c.scopes, ",") {
				t.Errorf("it says needed %q, provided %q", refused.Needed, refused.Provided)
			}
		})
	}
}

// pins pins so many messages, and then the one that is asked for.
func pins(w *world, n int, last string) error {
	for i := range n {
		w.clock.Advance(3 * time.Second)
		_, ts, err := w.api.PostMessage("C0INCIDENT", slack.MsgOptionText(fmt.Sprint(i), false))
		if err == nil {
			err = w.api.AddPin("C0INCIDENT", slack.NewRefToMessage("C0INCIDENT", ts))
		}
		if err != nil {
			return fmt.Errorf("pin %d: %w", i, err)
		}
	}
	return w.api.AddPin("C0INCIDENT", slack.NewRefToMessage("C0INCIDENT", last))
}

// until429 does a thing again until it is refused.
func until429(do func(*world) error) func(*world) error {
	return func(w *world) error {
		for range 100 {
			if err := do(w); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestAMissingScopeIsNamed(t *testing.T) {
	w := start(t, func(o *slacksim.Options) { o.Scopes = []string{"chat:write", "pins:read"} })
	_, err := w.api.InviteUsersToConversation("C0INCIDENT", "U1")
	refused, ok := errors.AsType[slack.SlackErrorResponse](err)
	if !ok || refused.Err != "missing_scope" || refused.Needed != "channels:manage,channels:write.invites" || refused.Provided != "chat:write,pins:read" {
		t.Errorf("%#v", err)
	}
}
