package slacksim

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// general is the name of the channel that everybody is in and nobody can leave.
const general = "general"

const (
	// topicMax is Slack's limit for a channel's topic and for its purpose, in
	// characters.
	topicMax = 250
	// nameMax is Slack's limit for a channel's name, in characters.
	nameMax = 80
)

// channel finds a channel by its id. Called with mu held.
func (s *Server) channel(id string) (Channel, bool) {
	if i := slices.IndexFunc(s.channels, func(c Channel) bool { return c.ID == id }); i >= 0 {
		return s.channels[i], true
	}
	return Channel{}, false
}

// alter puts a changed copy in a channel's place and tells people of it. The copy
// has lists of its own, for those who hold the old one keep it. Called with mu
// held.
func (s *Server) alter(id string, change func(*Channel)) {
	i := slices.IndexFunc(s.channels, func(c Channel) bool { return c.ID == id })
	old := s.channels[i]
	changed := old
	changed.Members, changed.Bookmarks = slices.Clone(changed.Members), slices.Clone(changed.Bookmarks)
	change(&changed)
	s.channels = slices.Clone(s.channels)
	s.channels[i] = changed
	s.showChannel(changed, old.Members...)
}

// showChannel tells those who may see a channel how it is now, and those who
// could until now. Called with mu held.
func (s *Server) showChannel(ch Channel, before ...string) {
	shown := ch.whole()
	n := News{Time: stamp(s.clock.Now()), Type: "channel", Channel: &shown}
	if ch.Private {
		n.only = append(slices.Clone(ch.Members), before...)
	}
	s.feed.publish(n)
}

// whole is a channel whose lists are there when they are empty, too.
func (c Channel) whole() Channel {
	c.Members, c.Bookmarks = append([]string{}, c.Members...), append([]Bookmark{}, c.Bookmarks...)
	return c
}

// seenBy says whether a channel exists for somebody.
func (c Channel) seenBy(user string) bool { return !c.Private || slices.Contains(c.Members, user) }

// isIn says whether somebody is a member of a channel. The bot is in every direct
// message that is open. Called with mu held.
func (s *Server) isIn(channel, user string) bool {
	if person := s.directPerson(channel); person != "" {
		return user == person || user == BotUserID
	}
	ch, _ := s.channel(channel)
	return slices.Contains(ch.Members, user)
}

func (s *Server) archived(channel string) bool {
	ch, _ := s.channel(channel)
	return ch.Archived
}

// came and left tell the bot who came into one of its channels and who is gone.
// Both are called with mu held.
func (s *Server) came(channel, by string, users ...string) {
	for _, user := range users {
		event := s.membership("member_joined_channel", channel, user)
		if by != "" {
			event["inviter"] = by
		}
		s.event(user, event)
	}
}

func (s *Server) left(channel, user string) {
	s.event(user, s.membership("member_left_channel", channel, user))
}

func (s *Server) membership(kind, channel, user string) map[string]any {
	// The letter is that of the channel's id: C for private ones, too.
	return map[string]any{"type": kind, "user": user, "channel": channel, "channel_type": channel[:1], "team": TeamID, "event_ts": s.ts()}
}

func (s *Server) setTopic(c *call) (map[string]any, error) {
	return s.setText(c, "topic", func(ch *Channel) *string { return &ch.Topic })
}

func (s *Server) setPurpose(c *call) (map[string]any, error) {
	return s.setText(c, "purpose", func(ch *Channel) *string { return &ch.Purpose })
}

func (s *Server) setText(c *call, name string, of func(*Channel) *string) (map[string]any, error) {
	text := c.str(name)
	if utf8.RuneCountInString(text) > topicMax {
		return nil, refuse("too_long")
	}
	s.alter(c.at.ID, func(ch *Channel) { *of(ch) = text })
	return map[string]any{"channel": s.channelJSON(c.at.ID)}, nil
}

// checkName refuses what cannot be a channel's name.
func checkName(name string) error {
	wordy := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	switch {
	case name == "":
		return refuse("invalid_name_required")
	case utf8.RuneCountInString(name) > nameMax:
		return refuse("invalid_name_maxlength")
	case !strings.ContainsFunc(name, wordy):
		return refuse("invalid_name_punctuation")
	case strings.ContainsFunc(name, func(r rune) bool {
		return unicode.IsUpper(r) || !wordy(r) && !unicode.IsMark(r) && r != '-' && r != '_'
	}):
		return refuse("invalid_name_specials")
	}
	return nil
}

// newName refuses what cannot be the name of a channel, or is another's. An
// archived channel keeps its name. Called with mu held.
func (s *Server) newName(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if slices.ContainsFunc(s.channels, func(ch Channel) bool { return ch.Name == name }) {
		return refuse("name_taken")
	}
	return nil
}

func (s *Server) channelCreate(c *call) (map[string]any, error) {
	if err := s.newName(c.str("name")); err != nil {
		return nil, err
	}
	ch := Channel{ID: newID("C0")[:11], Name: c.str("name"), Private: c.flag("is_private"), Creator: BotUserID, Members: []string{BotUserID}}
	s.channels = append(slices.Clone(s.channels), ch)
	s.showChannel(ch)
	s.came(ch.ID, "", BotUserID)
	return map[string]any{"channel": s.channelJSON(ch.ID)}, nil
}

// channelRename lets an app rename what it made. Whoever else may is an admin,
// which an app is not.
func (s *Server) channelRename(c *call) (map[string]any, error) {
	if c.at.Creator != BotUserID {
		return nil, refuse("not_authorized")
	}
	if err := s.newName(c.str("name")); err != nil {
		return nil, err
	}
	s.alter(c.at.ID, func(ch *Channel) { ch.Name = c.str("name") })
	return map[string]any{"channel": s.channelJSON(c.at.ID)}, nil
}

// invitesMax is how many people one call may invite.
const invitesMax = 1000

// channelInvite takes all or nobody, unless force says to take those who can be.
func (s *Server) channelInvite(c *call) (map[string]any, error) {
	users := strings.FieldsFunc(c.str("users"), func(r rune) bool { return r == ',' || r == ' ' })
	if len(users) == 0 {
		return nil, refuse("no_user")
	}
	if len(users) > invitesMax {
		return nil, refuse("too_many_users")
	}
	var fit []string
	var first string
	var faults []any
	for _, user := range users {
		fault := ""
		_, known := s.person(user)
		switch {
		case user == BotUserID:
			fault = "cant_invite_self"
		case !known:
			fault = "user_not_found"
		case slices.Contains(c.at.Members, user):
			fault = "already_in_channel"
		case !slices.Contains(fit, user):
			fit = append(fit, user)
		}
		if fault != "" {
			faults = append(faults, map[string]any{"user": user, "ok": false, "error": fault})
			if first == "" {
				first = fault
			}
		}
	}
	if len(faults) > 0 && (!c.flag("force") || len(fit) == 0) {
		return nil, &apiError{code: first, more: map[string]any{"errors": faults}}
	}
	s.alter(c.at.ID, func(ch *Channel) { ch.Members = append(ch.Members, fit...) })
	s.came(c.at.ID, BotUserID, fit...)
	out := map[string]any{"channel": s.channelJSON(c.at.ID)}
	if len(faults) > 0 {
		out["errors"] = faults
	}
	return out, nil
}

func without(list []string, one string) []string {
	return slices.DeleteFunc(list, func(other string) bool { return other == one })
}

func (s *Server) channelKick(c *call) (map[string]any, error) {
	user := c.str("user")
	_, known := s.person(user)
	switch {
	case user == BotUserID:
		return nil, refuse("cant_kick_self")
	case !known:
		return nil, refuse("user_not_found")
	case c.at.Name == general:
		return nil, refuse("cant_kick_from_general")
	case !slices.Contains(c.at.Members, user):
		return nil, refuse("not_in_channel")
	}
	s.alter(c.at.ID, func(ch *Channel) { ch.Members = without(ch.Members, user) })
	s.left(c.at.ID, user)
	return nil, nil
}

func (s *Server) channelLeave(c *call) (map[string]any, error) {
	switch {
	case c.at.Name == general:
		return nil, refuse("cant_leave_general")
	case !slices.Contains(c.at.Members, BotUserID):
		return map[string]any{"not_in_channel": true}, nil
	case len(c.at.Members) == 1:
		return nil, refuse("last_member")
	}
	s.alter(c.at.ID, func(ch *Channel) { ch.Members = without(ch.Members, BotUserID) })
	return nil, nil
}

// channelArchive puts the app out of the channel, too: it does not read there any
// more (elastic/connectors 1972), nor can it bring the channel back.
func (s *Server) channelArchive(c *call) (map[string]any, error) {
	if c.at.Name == general {
		return nil, refuse("cant_archive_general")
	}
	s.alter(c.at.ID, func(ch *Channel) { ch.Archived, ch.Members = true, without(ch.Members, BotUserID) })
	return nil, nil
}

// channelUnarchive never succeeds: "bot tokens cannot currently be used", says
// the method's page, and slack-go/slack 1066 says with which name they are
// refused.
func (s *Server) channelUnarchive(c *call) (map[string]any, error) {
	if !c.at.Archived {
		return nil, refuse("not_archived")
	}
	return nil, refuse("not_in_channel")
}

func (s *Server) channelJoin(c *call) (map[string]any, error) {
	if slices.Contains(c.at.Members, BotUserID) {
		return map[string]any{
			"channel": s.channelJSON(c.at.ID), "warning": "already_in_channel",
			"response_metadata": map[string]any{"warnings": []string{"already_in_channel"}},
		}, nil
	}
	s.alter(c.at.ID, func(ch *Channel) { ch.Members = append(ch.Members, BotUserID) })
	s.came(c.at.ID, "", BotUserID)
	return map[string]any{"channel": s.channelJSON(c.at.ID)}, nil
}

func (s *Server) channelMembers(c *call) (map[string]any, error) {
	members := c.at.Members
	if person := s.directPerson(c.at.ID); person != "" {
		members = []string{BotUserID, person}
	}
	some, next, err := cut(c, members, 999)
	if err != nil {
		return nil, err
	}
	return map[string]any{"members": append([]string{}, some...), "response_metadata": map[string]any{"next_cursor": next}}, nil
}
