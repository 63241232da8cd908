package slacksim_test

import (
	"slices"
	"testing"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
)

func names(list []slacksim.Channel) (all []string) {
	for _, c := range list {
		all = append(all, c.Name)
	}
	return all
}

func TestAPrivateChannelIsForItsMembers(t *testing.T) {
	w := start(t, func(o *slacksim.Options) { o.Events = []string{"message"} })
	heard := w.heardOf()
	made, err := w.api.CreateConversation(slack.CreateConversationParams{ChannelName: "inc-secret", IsPrivate: true})
	if err != nil || !made.IsPrivate || !made.IsMember || made.Creator != slacksim.BotUserID {
		t.Fatalf("%+v %v", made, err)
	}
	if _, err := w.api.InviteUsersToConversation(made.ID, "U1"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.api.PostMessage(made.ID, slack.MsgOptionText("between us", false)); err != nil {
		t.Fatal(err)
	}
	// Whoever is in it sees it, and it is nowhere for the others.
	for as, want := range map[string]bool{"U1": true, "U2": false, "": false, "U1,U2": true} {
		st := w.state(as)
		if got := slices.Contains(names(st.Channels), "inc-secret"); got != want || (st.Messages[made.ID] != nil) != want {
			t.Errorf("%q sees it: %t, its messages: %v", as, got, st.Messages[made.ID])
		}
		told := slices.ContainsFunc(w.news(as), func(n slacksim.News) bool { return n.Message != nil && n.Message.Text == "between us" })
		shown := slices.ContainsFunc(w.news(as), func(n slacksim.News) bool { return n.Channel != nil && n.Channel.Name == "inc-secret" })
		if told != want || shown != want {
			t.Errorf("%q is told of the message: %t, of the channel: %t", as, told, shown)
		}
	}
	// Speaking joins a public channel, and no private one.
	if out := w.do("say", slacksim.Deed{As: "U2", Channel: made.ID, Text: "let me in"}); out.OK || out.Reason != `There is no channel "`+made.ID+`".` {
		t.Errorf("%+v", out)
	}
	if out := w.do("say", slacksim.Deed{As: "U1", Channel: made.ID, Text: "thanks"}); !out.OK {
		t.Errorf("%+v", out)
	}
	if e := <-heard; e["channel_type"] != "group" || e["text"] != "thanks" {
		t.Errorf("the bot heard %v", e)
	}
	// Lists tell it apart by its type.
	for kind, want := range map[string]int{"public_channel": 2, "private_channel": 1} {
		all, _, err := w.api.GetConversations(&slack.GetConversationsParameters{Types: []string{kind}})
		of, _, err2 := w.api.GetConversationsForUser(&slack.GetConversationsForUserParameters{UserID: "U1", Types: []string{kind}})
		if err != nil || err2 != nil || len(all) != want || len(of) != want {
			t.Errorf("%s: %d and %d (%v %v)", kind, len(all), len(of), err, err2)
		}
	}
	// One who is put out is told that, and sees no more of it.
	if err := w.api.KickUserFromConversation(made.ID, "U1"); err != nil {
		t.Fatal(err)
	}
	all := w.news("U1")
	if last := all[len(all)-1]; last.Type != "channel" || !slices.Equal(last.Channel.Members, []string{slacksim.BotUserID}) {
		t.Errorf("the last news is %+v", last)
	}
	if slices.Contains(names(w.state("U1").Channels), "inc-secret") {
		t.Error("one who was put out still sees it")
	}
}

func TestACommandInAPrivateChannelNamesNone(t *testing.T) {
	w := start(t, func(o *slacksim.Options) {
		o.Channels = []slacksim.Channel{{ID: "C0WAR", Name: "war-room", Private: true, Members: []string{"U1", slacksim.BotUserID}}}
	})
	got := w.commands()
	w.do("command", slacksim.Deed{As: "U1", Channel: "war-room", Text: "/failover status"})
	if c := <-got; c.ChannelID != "C0WAR" || c.ChannelName != "privategroup" {
		t.Errorf("%+v", c)
	}
}

func TestTheBotIsToldWhoComesAndGoes(t *testing.T) {
	w := start(t, func(o *slacksim.Options) {
		o.Events = []string{"member_joined_channel", "member_left_channel"}
		o.Channels = []slacksim.Channel{{ID: "C0INCIDENT", Name: "incident-response", Members: []string{slacksim.BotUserID, "U1"}}, {ID: "C0APART", Name: "apart", Members: []string{"U1"}}}
	})
	heard := w.heardOf()
	next := func(kind, user, channel, inviter string) {
		t.Helper()
		e := <-heard
		by, _ := e["inviter"].(string)
		if e["type"] != kind || e["user"] != user || e["channel"] != channel || by != inviter || e["channel_type"] != "C" || e["team"] != slacksim.TeamID || e["event_ts"] == "" {
			t.Errorf("the bot heard %v, want %s of %s in %s", e, kind, user, channel)
		}
	}
	w.do("say", slacksim.Deed{As: "U2", Channel: "C0APART", Text: "the bot is not here"})
	w.do("say", slacksim.Deed{As: "U2", Text: "hello"})
	next("member_joined_channel", "U2", "C0INCIDENT", "")
	if _, err := w.api.InviteUsersToConversation("C0INCIDENT", "U3"); err != nil {
		t.Fatal(err)
	}
	next("member_joined_channel", "U3", "C0INCIDENT", slacksim.BotUserID)
	if err := w.api.KickUserFromConversation("C0INCIDENT", "U3"); err != nil {
		t.Fatal(err)
	}
	next("member_left_channel", "U3", "C0INCIDENT", "")
	made, err := w.api.CreateConversation(slack.CreateConversationParams{ChannelName: "inc-1"})
	if err != nil {
		t.Fatal(err)
	}
	next("member_joined_channel", slacksim.BotUserID, made.ID, "")
}

func TestAnEventNeedsItsScope(t *testing.T) {
	w := start(t, func(o *slacksim.Options) { o.Scopes = []string{"app_mentions:read"} })
	heard := w.heardOf()
	w.do("say", slacksim.Deed{As: "U1", Text: "among ourselves"})
	w.do("say", slacksim.Deed{As: "U1", Text: "@failoverbot status"})
	if e := <-heard; e["type"] != "app_mention" {
		t.Errorf("without channels:history the bot heard %v", e)
	}
}

func TestAChannelIsRenamedByWhoMadeIt(t *testing.T) {
	w := start(t)
	made, err := w.api.CreateConversation(slack.CreateConversationParams{ChannelName: "inc-1"})
	if err != nil {
		t.Fatal(err)
	}
	renamed, err := w.api.RenameConversation(made.ID, "inc-1-resolved")
	if err != nil || renamed.Name != "inc-1-resolved" {
		t.Fatalf("%+v %v", renamed, err)
	}
	if _, err := w.api.SetPurposeOfConversation(made.ID, "us-east-1 is lost"); err != nil {
		t.Fatal(err)
	}
	all := w.news("U3")
	if last := all[len(all)-1]; last.Type != "channel" || last.Channel.Name != "inc-1-resolved" || last.Channel.Purpose != "us-east-1 is lost" {
		t.Errorf("people are told %+v", last)
	}
	// The archive is closed to the bot, and it cannot open it again.
	if err := w.api.ArchiveConversation(made.ID); err != nil {
		t.Fatal(err)
	}
	info, err := w.api.GetConversationInfo(&slack.GetConversationInfoInput{ChannelID: made.ID})
	if err != nil || !info.IsArchived || info.IsMember {
		t.Errorf("%+v %v", info, err)
	}
}

func TestPeopleSeeWhoIsInAChannelAndInAGroup(t *testing.T) {
	w := start(t, func(o *slacksim.Options) {
		o.Groups = groups
		o.Channels = []slacksim.Channel{{ID: "C0A", Name: "a"}, {ID: "C0B", Name: "b", Members: []string{}}, {ID: "C0C", Name: "c", Archived: true}}
		o.Events = []string{"subteam_updated", "subteam_created"}
	})
	if _, _, _, err := w.api.OpenConversation(&slack.OpenConversationParameters{Users: []string{"U1"}}); err != nil {
		t.Fatal(err)
	}
	everybody := []string{slacksim.BotUserID, "U1", "U2", "U3"}
	want := map[string][]string{"C0A": everybody, "C0B": {}, "C0C": {"U1", "U2", "U3"}, "D01": {slacksim.BotUserID, "U1"}}
	st := w.state("U1")
	if len(st.Channels) != len(want) {
		t.Errorf("%+v", st.Channels)
	}
	for _, c := range st.Channels {
		if c.Members == nil || c.Bookmarks == nil || !slices.Equal(c.Members, want[c.ID]) {
			t.Errorf("in %s are %#v, with the bookmarks %#v", c.ID, c.Members, c.Bookmarks)
		}
	}

	heard := w.heardOf()
	changed := slacksim.Group{ID: "S1", Handle: "dr-approvers", Name: "DR approvers", Users: []string{"U1", "U3"}}
	if err := w.SetGroup(changed); err != nil {
		t.Fatal(err)
	}
	if e := <-heard; e["type"] != "subteam_updated" || e["subteam"].(map[string]any)["user_count"] != 2.0 {
		t.Errorf("the bot heard %v", e)
	}
	if err := w.SetGroup(slacksim.Group{ID: "S2", Handle: "oncall", Users: []string{"U2"}}); err != nil {
		t.Fatal(err)
	}
	if e := <-heard; e["type"] != "subteam_created" {
		t.Errorf("the bot heard %v", e)
	}
	var told []slacksim.News
	for _, n := range w.news("U2") {
		if n.Type == "group" {
			told = append(told, n)
		}
	}
	if len(told) != 2 || !slices.Equal(told[0].Group.Users, changed.Users) || told[1].Group.Handle != "oncall" {
		t.Errorf("people are told %+v", told)
	}
	if g := w.state("U2").Groups; len(g) != 2 || !slices.Equal(g[0].Users, changed.Users) {
		t.Errorf("people see %+v", g)
	}
	if users, err := w.api.GetUserGroupMembers("S1"); err != nil || !slices.Equal(users, changed.Users) {
		t.Errorf("%v %v", users, err)
	}
	for name, g := range map[string]slacksim.Group{"a stranger": {ID: "S1", Users: []string{"U9"}}, "no id": {Handle: "x"}} {
		if err := w.SetGroup(g); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestWhoIsAwayIsShownAsAway(t *testing.T) {
	w := start(t, func(o *slacksim.Options) {
		o.People = []slacksim.Person{{ID: "U1", Name: "Alice"}, {ID: "U2", Name: "Bob", Away: true}}
	})
	shown := func(user string) string {
		p, err := w.api.GetUserPresence(user)
		if err != nil {
			t.Fatal(err)
		}
		return p.Presence
	}
	if shown("U1") != "active" || shown("U2") != "away" || shown(slacksim.BotUserID) != "away" {
		t.Errorf("%s %s %s", shown("U1"), shown("U2"), shown(slacksim.BotUserID))
	}
	w.commands() // connects
	if p, err := w.api.GetUserPresence(""); err != nil || p.Presence != "active" || !p.Online || p.ConnectionCount != 1 {
		t.Errorf("the bot: %+v %v", p, err)
	}
	for user, value := range map[string]string{"U1": "away", "U2": "auto"} {
		if out := w.do("presence", slacksim.Deed{As: user, Value: value}); !out.OK {
			t.Errorf("%+v", out)
		}
	}
	if shown("U1") != "away" || shown("U2") != "active" {
		t.Errorf("%s %s", shown("U1"), shown("U2"))
	}
	if p := w.state("U1").People; !p[0].Away || p[1].Away {
		t.Errorf("people see %+v", p)
	}
	told := 0
	for _, n := range w.news("U1") {
		if n.Type == "presence" && n.Person != nil && n.Person.Away == (n.Person.ID == "U1") {
			told++
		}
	}
	if told != 2 {
		t.Errorf("people are told %d times", told)
	}
	if out := w.do("presence", slacksim.Deed{As: "U1", Value: "asleep"}); out.OK || out.Reason == "" {
		t.Errorf("%+v", out)
	}
}

func TestReactionsComeAndGo(t *testing.T) {
	w := start(t)
	said := w.do("say", slacksim.Deed{As: "U1", Text: "it is back"})
	item := slack.NewRefToMessage("C0INCIDENT", said.TS)
	for _, name := range []string{"white_check_mark", "eyes"} {
		if err := w.api.AddReaction(name, item); err != nil {
			t.Fatal(err)
		}
	}
	got, err := w.api.GetReactions(item, slack.NewGetReactionsParameters())
	if err != nil || len(got.Reactions) != 2 || got.Reactions[0].Name != "white_check_mark" || got.Reactions[0].Count != 1 || !slices.Equal(got.Reactions[0].Users, []string{slacksim.BotUserID}) {
		t.Errorf("%+v %v", got, err)
	}
	if err := w.api.RemoveReaction("white_check_mark", item); err != nil {
		t.Fatal(err)
	}
	h, err := w.api.GetConversationHistory(&slack.GetConversationHistoryParameters{ChannelID: "C0INCIDENT"})
	if err != nil || len(h.Messages) != 1 || len(h.Messages[0].Reactions) != 1 || h.Messages[0].Reactions[0].Name != "eyes" {
		t.Errorf("%+v %v", h, err)
	}
	if m := w.Messages("C0INCIDENT"); !slices.Equal(m[0].Reactions, []string{"eyes"}) {
		t.Errorf("people see %v", m[0].Reactions)
	}
}

func TestPeopleAndMembersComeInPages(t *testing.T) {
	w := start(t)
	var got []string
	cursor := ""
	for range 10 {
		some, next, err := w.api.GetUsersInConversation(&slack.GetUsersInConversationParameters{ChannelID: "C0INCIDENT", Limit: 3, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, some...)
		if cursor = next; cursor == "" {
			break
		}
	}
	if !slices.Equal(got, []string{slacksim.BotUserID, "U1", "U2", "U3"}) {
		t.Errorf("members are %v", got)
	}
	users, err := w.api.GetUsers(slack.GetUsersOptionLimit(2))
	if err != nil || len(users) != 4 {
		t.Errorf("%d people: %v", len(users), err)
	}
}

// commands are the commands that reach the bot.
func (w *world) commands() <-chan slack.SlashCommand {
	got := make(chan slack.SlashCommand, 10)
	w.connect(func(sm *socketmode.Client, e socketmode.Event) {
		_ = sm.Ack(*e.Request)
		if c, ok := e.Data.(slack.SlashCommand); ok {
			got <- c
		}
	})
	return got
}
