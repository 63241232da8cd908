package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/incident"
)

// CanPost proves, without saying anything there, that messages reach a channel: it is
// there, it is not archived, the bot may write and is a member. An open channel that
// the bot may join by itself is joined. Its error says what to change.
func (c *Client) CanPost(ctx context.Context, channel string) error {
	var who *slack.AuthTestResponse
	err := c.call(ctx, "auth.test", "", func(ctx context.Context) (err error) {
		who, err = c.api.AuthTestContext(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("ask Slack what the bot may do: %w", err)
	}
	if scopes := scopesOf(who); scopes != nil && !slices.Contains(scopes, "chat:write") {
		return errors.New("the app may not write: add the scope chat:write and install it again; deploy/slack-manifest.yaml lists all")
	}
	var room *slack.Channel
	err = c.call(ctx, "conversations.info", "", func(ctx context.Context) (err error) {
		room, err = c.api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: channel})
		return err
	})
	switch {
	case code(err) == "channel_not_found":
		return fmt.Errorf("the workspace %s has no channel %s, or it is private and the bot is not in it: invite the bot there, or correct slack.channel", c.Team, channel)
	case code(err) == "missing_scope":
		return fmt.Errorf("it cannot be seen whether the bot is in %s: add the scopes channels:read and groups:read and install the app again", channel)
	case err != nil:
		return fmt.Errorf("look at the channel %s: %w", channel, err)
	case room.IsArchived:
		return fmt.Errorf("the channel #%s (%s) is archived: take it out of the archive, or name another one as slack.channel", room.Name, channel)
	case room.IsMember:
		return nil
	}
	if !room.IsPrivate {
		err = c.call(ctx, "conversations.join", "", func(ctx context.Context) error {
			_, _, _, err := c.api.JoinConversationContext(ctx, channel)
			return err
		})
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("the bot is not in the channel #%s (%s): type /invite @%s there", room.Name, channel, who.User)
}

// scopesOf are the scopes of the bot token; nil where Slack does not tell them.
func scopesOf(who *slack.AuthTestResponse) []string {
	told := strings.TrimSpace(who.Header.Get("X-Oauth-Scopes"))
	if told == "" {
		return nil
	}
	scopes := strings.Split(told, ",")
	for i := range scopes {
		scopes[i] = strings.TrimSpace(scopes[i])
	}
	return scopes
}

// Knows proves that everybody of a roster is a member of the workspace who may act:
// no bot, no guest, nobody who was deactivated. Its error names each who is not, and
// what to do.
func (c *Client) Knows(ctx context.Context, roster incident.Roster) error {
	found := make([]error, len(roster))
	incident.Together(c.clock, len(roster), func(i int) { found[i] = c.member(ctx, roster[i]) })
	for _, err := range found {
		if code(err) == "missing_scope" {
			return errors.New("nobody can be looked up: add the scope users:read and install the app again")
		}
	}
	var not []string
	for _, err := range found {
		if err != nil {
			not = append(not, err.Error())
		}
	}
	if len(not) == 0 {
		return nil
	}
	return errors.New(strings.Join(not, "; "))
}

func (c *Client) member(ctx context.Context, p incident.Person) error {
	id := p.Faces[incident.FaceSlack]
	if id == "" {
		return nil // comes by another face
	}
	var who *slack.User
	err := c.call(ctx, methodPerson, "", func(ctx context.Context) (err error) {
		who, err = c.api.GetUserInfoContext(ctx, id)
		return err
	})
	is := func(what string) error {
		return fmt.Errorf("%s (%s) %s: correct people in the settings", p.Name, id, what)
	}
	switch {
	case code(err) == "user_not_found", code(err) == "user_not_visible":
		return is("is not known in the workspace " + c.Team)
	case err != nil:
		return fmt.Errorf("look up %s (%s): %w", p.Name, id, err)
	case who.Deleted:
		return is("was deactivated")
	case who.IsBot, who.IsWorkflowBot, who.IsConnectorBot:
		return is("is a bot and cannot decide anything")
	case who.IsRestricted, who.IsUltraRestricted:
		return is("is a guest and may not decide anything")
	case who.IsStranger:
		return is("belongs to another workspace")
	}
	return nil
}
