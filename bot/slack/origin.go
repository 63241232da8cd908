package slack

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident/text"
)

// origin is where an envelope says that it comes from, and how whoever sent it can
// be told something.
type origin struct {
	app        string
	team       string   // the workspace it was sent in
	enterprise string   // the organisation of that
	orgWide    bool     // the app is installed for the organisation and not for one workspace
	teams      []string // that it names besides: of the person, of the message
	channels   []string // all the places in which it says that it happened
	lasting    bool     // it was pressed in a message that everybody there sees
	at         place
}

// ofCommand is where a slash command comes from.
func ofCommand(c slack.SlashCommand) origin {
	return origin{
		app: c.APIAppID, team: c.TeamID, enterprise: c.EnterpriseID, orgWide: c.IsEnterpriseInstall,
		at: place{person: c.UserID, channel: c.ChannelID, response: c.ResponseURL},
	}
}

// ofInteraction is where a click, a form or a shortcut comes from.
func ofInteraction(c slack.InteractionCallback) origin {
	o := origin{
		app: c.APIAppID, team: c.Team.ID, enterprise: c.Enterprise.ID, orgWide: c.IsEnterpriseInstall,
		teams: []string{c.User.TeamID}, channels: []string{c.Channel.ID, c.Container.ChannelID},
		lasting: c.Type == slack.InteractionTypeBlockActions && c.Container.Type == "message" && !c.Container.IsEphemeral,
		at:      place{person: c.User.ID, channel: c.Channel.ID, response: c.ResponseURL},
	}
	if o.enterprise == "" {
		o.enterprise = c.Team.EnterpriseID
	}
	return o
}

// ofEvent is where an event comes from.
func ofEvent(e slackevents.EventsAPIEvent) origin {
	o := origin{app: e.APIAppID, team: e.TeamID, enterprise: e.EnterpriseID}
	if outer, ok := e.Data.(*slackevents.EventsAPICallbackEvent); ok && outer != nil {
		o.orgWide = slices.ContainsFunc(outer.Authorizations, func(a slack.EventAuthorization) bool { return a.IsEnterpriseInstall })
	}
	switch in := e.InnerEvent.Data.(type) {
	case *slackevents.AppMentionEvent:
		o.teams = []string{in.UserTeam, in.SourceTeam}
		o.at = place{person: in.User, channel: in.Channel, thread: in.ThreadTimeStamp}
	case *slackevents.AppHomeOpenedEvent:
		o.at = place{person: in.User}
	}
	return o
}

// foreign says why an envelope is none for this bot; empty: it is. What it does not
// say counts against it, except what its kind never says.
func (b *Face) foreign(o origin) text.Text {
	app, own := b.app.Load(), b.client
	other := func(id string) bool { return id != "" && id != own.TeamID && id != own.EnterpriseID }
	switch {
	case app != nil && o.app != *app:
		return text.Format("This was sent to another app (%s) than this one, so nothing was done.", nameless(o.app))
	case own.EnterpriseID != o.enterprise && (own.EnterpriseID == "" || o.enterprise != ""):
		return text.Format("This came from another organisation (%s) than the one that this bot serves, so nothing was done. Ask in the workspace %s.", nameless(o.enterprise), own.Team)
	case o.team != own.TeamID && (!o.orgWide || o.enterprise == "" || o.enterprise != own.EnterpriseID):
		return text.Format("This came from another workspace (%s) than the one that this bot serves, so nothing was done. Ask in the workspace %s.", nameless(o.team), own.Team)
	case own.EnterpriseID == "" && slices.ContainsFunc(o.teams, other):
		// Within an organisation people belong to several workspaces; there users.info
		// says who is of it.
		return text.Format("You belong to another workspace than the one that this bot serves, so nothing was done. Somebody of the workspace %s who is on the roster can ask for it.", own.Team)
	}
	in := slices.DeleteFunc(slices.Clone(o.channels), func(id string) bool { return id == "" })
	switch {
	case len(slices.Compact(in)) > 1:
		return text.Format("It is not clear in which channel this was pressed, so nothing was done. Press it again where the card is.")
	case o.lasting && len(in) > 0 && in[0] != b.opt.Channel && in[0] != b.opt.elsewhere() && !strings.HasPrefix(in[0], "D"):
		return text.Format("This button stands in another channel than the incident's, so nothing was done. Press it there, or ask for {status}.")
	}
	return text.Text{}
}

// nameless is an id from outside, or that there is none.
func nameless(id string) string {
	if id == "" {
		return "not named"
	}
	return cut(oneLine(id), 40)
}

// turnAway tells whoever sent an envelope that is none for this bot, if there is a
// way that belongs to the envelope itself: a person of elsewhere is not written to.
func (b *Face) turnAway(ctx context.Context, log zerolog.Logger, id string, o origin, why text.Text) {
	log.Warn().Str("envelope", short40(id)).Str("app", nameless(o.app)).Str("team", nameless(o.team)).Str("enterprise", nameless(o.enterprise)).
		Str("person", nameless(o.at.person)).Str("channel", nameless(o.at.channel)).Str("why", b.face.plain(why)).Msg("an envelope is not for this bot")
	if o.at.response != "" {
		b.respond(ctx, o.at, b.answer("away/"+known(id), commands.Answer{Refused: true, Text: why}))
	}
}

// short40 is an id from outside as a log has it: one may be of any length.
func short40(id string) string { return cut(oneLine(id), 40) }

// anyOf reads the first string that stands at one of some paths of a JSON object,
// whatever the rest of it looks like.
func anyOf(raw json.RawMessage, paths ...string) string {
	for _, path := range paths {
		at := raw
		for name := range strings.SplitSeq(path, ".") {
			var fields map[string]json.RawMessage
			if json.Unmarshal(at, &fields) != nil {
				at = nil
				break
			}
			at = fields[name]
		}
		var s string
		if at != nil && json.Unmarshal(at, &s) == nil && s != "" {
			return s
		}
	}
	return ""
}

// legible is an envelope that cannot be read, as far as it can.
type legible struct {
	id, kind string
	payload  json.RawMessage
}

func readable(frame json.RawMessage) legible {
	l := legible{id: anyOf(frame, "envelope_id"), kind: anyOf(frame, "type")}
	var fields map[string]json.RawMessage
	if json.Unmarshal(frame, &fields) == nil {
		l.payload = fields["payload"]
	}
	return l
}

// truth is a boolean that may come as a string.
func truth(raw json.RawMessage, path string) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return false
	}
	is := strings.Trim(string(fields[path]), `"`)
	return is == "true"
}

// origin of an envelope that cannot be read.
func (l legible) origin() origin {
	p := l.payload
	return origin{
		app: anyOf(p, "api_app_id"), team: anyOf(p, "team_id", "team.id"), enterprise: anyOf(p, "enterprise_id", "enterprise.id", "team.enterprise_id"),
		orgWide: truth(p, "is_enterprise_install"),
		teams:   []string{anyOf(p, "user.team_id", "event.user_team")},
		at: place{
			person: anyOf(p, "user_id", "user.id", "event.user"), channel: anyOf(p, "channel_id", "channel.id", "container.channel_id", "event.channel"),
			thread: anyOf(p, "event.thread_ts"), response: anyOf(p, "response_url"),
		},
	}
}

// command is a slash command of which some field is not of the type that it should
// be: all that matters in one are strings.
func (l legible) command() (slack.SlashCommand, bool) {
	if l.kind != "slash_commands" {
		return slack.SlashCommand{}, false
	}
	p := l.payload
	c := slack.SlashCommand{
		TeamID: anyOf(p, "team_id"), EnterpriseID: anyOf(p, "enterprise_id"), IsEnterpriseInstall: truth(p, "is_enterprise_install"),
		ChannelID: anyOf(p, "channel_id"), UserID: anyOf(p, "user_id"), Command: anyOf(p, "command"), Text: anyOf(p, "text"),
		ResponseURL: anyOf(p, "response_url"), TriggerID: anyOf(p, "trigger_id"), APIAppID: anyOf(p, "api_app_id"),
	}
	var typed map[string]json.RawMessage
	var words string
	// A text that is no string is not an empty one: "/failover" alone means help.
	if json.Unmarshal(p, &typed) != nil || (typed["text"] != nil && json.Unmarshal(typed["text"], &words) != nil) {
		return slack.SlashCommand{}, false
	}
	return c, c.UserID != "" && c.Command != ""
}

// illegible tells the person behind an envelope that it could not be read.
func (b *Face) illegible(ctx context.Context, log zerolog.Logger, l legible) {
	o := l.origin()
	if why := b.foreign(o); !why.Empty() {
		b.turnAway(ctx, log, l.id, o, why)
		return
	}
	if o.at.person == "" || l.kind == "events_api" && anyOf(l.payload, "event.type") != "app_mention" {
		return // nobody asked for anything
	}
	b.reply(ctx, o.at, commands.Ask{Request: "illegible/" + short40(l.id)}, commands.Answer{
		Refused: true,
		Text:    text.Format("What Slack sent of this could not be read, so nothing was done. Type it instead: {help} lists what there is, and {note TEXT} puts words on the record."),
	})
}
