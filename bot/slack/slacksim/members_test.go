package slacksim_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
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

func TestAMissingScopeIsNamed(t *testing.T) {
	w := start(t, func(o *slacksim.Options) { o.Scopes = []string{"chat:write", "pins:read"} })
	_, err := w.api.InviteUsersToConversation("C0INCIDENT", "U1")
	refused, ok := errors.AsType[slack.SlackErrorResponse](err)
	if !ok || refused.Err != "missing_scope" || refused.Needed != "channels:manage,channels:write.invites" || refused.Provided != "chat:write,pins:read" {
		t.Errorf("%#v", err)
	}
}
