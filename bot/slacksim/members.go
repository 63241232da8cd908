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
	// topicMax is Slack's limit for a channel's topic, in characters.
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
	changed := s.channels[i]
	changed.Members, changed.Bookmarks = slices.Clone(changed.Members), slices.Clone(changed.Bookmarks)
	change(&changed)
	s.channels = slices.Clone(s.channels)
	s.channels[i] = changed
	s.feed.publish(News{Time: stamp(s.clock.Now()), Type: "channel", Channel: &changed})
}

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

// writable refuses what would write into an archived channel, or into one that
// the bot is not in. A message may also go to a public channel when the token has
// chat:write.public. Called with mu held.
func (s *Server) writable(channel string, public bool) error {
	switch {
	case s.archived(channel):
		return refuse("is_archived")
	case s.isIn(channel, BotUserID), public && slices.Contains(s.opt.Scopes, "chat:write.public"):
		return nil
	}
	return refuse("not_in_channel")
}

// needs are the scopes of which a call has to have one each: those that stand
// beside one another with | serve equally.
func needs(scope string, c *call) []string {
	area, right, _ := strings.Cut(scope, ":")
	switch {
	case c.method == "conversations.list" || c.method == "users.conversations":
		var all []string
		for _, kind := range c.types() {
			if family, ok := map[string]string{"public_channel": "channels", "private_channel": "groups", "im": "im", "mpim": "mpim"}[kind]; ok {
				all = append(all, family+":"+right)
			}
		}
		return all
	case area == "channels" && (right == "read" || right == "history") && strings.HasPrefix(c.str("channel"), "D"):
		return []string{"im:" + right}
	}
	return []string{scope}
}

// permitted refuses a call that the bot token has no scope for.
func (s *Server) permitted(scope string, c *call) error {
	if scope == "" || s.opt.Scopes == nil {
		return nil
	}
	for _, need := range needs(scope, c) {
		alike := strings.Split(need, "|")
		if !slices.ContainsFunc(alike, func(one string) bool { return slices.Contains(s.opt.Scopes, one) }) {
			return &apiError{code: "missing_scope", more: map[string]any{
				"needed": strings.Join(alike, ","), "provided": strings.Join(s.opt.Scopes, ","),
			}}
		}
	}
	return nil
}

// publicChannel finds the channel that a method changes, by its id. Called with mu
// held.
func (s *Server) publicChannel(c *call) (Channel, error) {
	ch, ok := s.channel(c.str("channel"))
	switch {
	case ok:
		return ch, nil
	case s.directPerson(c.str("channel")) != "":
		return ch, refuse("method_not_supported_for_channel_type")
	}
	return ch, refuse("channel_not_found")
}

func (s *Server) setTopic(c *call) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := s.publicChannel(c)
	if err != nil {
		return nil, err
	}
	if err := s.writable(ch.ID, false); err != nil {
		return nil, err
	}
	if utf8.RuneCountInString(c.str("topic")) > topicMax {
		return nil, refuse("too_long")
	}
	s.alter(ch.ID, func(ch *Channel) { ch.Topic = c.str("topic") })
	return map[string]any{"channel": s.channelJSON(ch.ID)}, nil
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

func (s *Server) channelCreate(c *call) (map[string]any, error) {
	name := c.str("name")
	if err := checkName(name); err != nil {
		return nil, err
	}
	if c.flag("is_private") {
		return nil, refuse("restricted_action", "[ERROR] private channels do not exist in the rehearsal Slack")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// An archived channel keeps its name.
	if slices.ContainsFunc(s.channels, func(ch Channel) bool { return ch.Name == name }) {
		return nil, refuse("name_taken")
	}
	ch := Channel{ID: newID("C0")[:11], Name: name, Members: []string{BotUserID}}
	s.channels = append(slices.Clone(s.channels), ch)
	s.feed.publish(News{Time: stamp(s.clock.Now()), Type: "channel", Channel: &ch})
	return map[string]any{"channel": s.channelJSON(ch.ID)}, nil
}

// invitesMax is how many people one call may invite.
const invitesMax = 1000

// channelInvite takes all or nobody, unless force says to take those who can be.
func (s *Server) channelInvite(c *call) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := s.publicChannel(c)
	if err != nil {
		return nil, err
	}
	if err := s.writable(ch.ID, false); err != nil {
		return nil, err
	}
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
		case slices.Contains(ch.Members, user):
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
	s.alter(ch.ID, func(ch *Channel) { ch.Members = append(ch.Members, fit...) })
	out := map[string]any{"channel": s.channelJSON(ch.ID)}
	if len(faults) > 0 {
		out["errors"] = faults
	}
	return out, nil
}

func without(list []string, one string) []string {
	return slices.DeleteFunc(list, func(other string) bool { return other == one })
}

func (s *Server) channelKick(c *call) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := s.publicChannel(c)
	if err != nil {
		return nil, err
	}
	user := c.str("user")
	_, known := s.person(user)
	switch {
	case user == BotUserID:
		return nil, refuse("cant_kick_self")
	case !known:
		return nil, refuse("user_not_found")
	case ch.Name == general:
		return nil, refuse("cant_kick_from_general")
	case ch.Archived:
		return nil, refuse("is_archived")
	case !slices.Contains(ch.Members, BotUserID), !slices.Contains(ch.Members, user):
		return nil, refuse("not_in_channel")
	}
	s.alter(ch.ID, func(ch *Channel) { ch.Members = without(ch.Members, user) })
	return nil, nil
}

func (s *Server) channelLeave(c *call) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := s.publicChannel(c)
	switch {
	case err != nil:
		return nil, err
	case ch.Name == general:
		return nil, refuse("cant_leave_general")
	case ch.Archived:
		return nil, refuse("is_archived")
	case !slices.Contains(ch.Members, BotUserID):
		return map[string]any{"not_in_channel": true}, nil
	}
	s.alter(ch.ID, func(ch *Channel) { ch.Members = without(ch.Members, BotUserID) })
	return nil, nil
}

func (s *Server) channelArchive(c *call) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := s.publicChannel(c)
	switch {
	case err != nil:
		return nil, err
	case ch.Name == general:
		return nil, refuse("cant_archive_general")
	case ch.Archived:
		return nil, refuse("already_archived")
	case !slices.Contains(ch.Members, BotUserID):
		return nil, refuse("not_in_channel")
	}
	s.alter(ch.ID, func(ch *Channel) { ch.Archived = true })
	return nil, nil
}

func (s *Server) channelJoin(c *call) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := s.publicChannel(c)
	switch {
	case err != nil:
		return nil, err
	case ch.Archived:
		return nil, refuse("is_archived")
	case slices.Contains(ch.Members, BotUserID):
		return map[string]any{
			"channel": s.channelJSON(ch.ID), "warning": "already_in_channel",
			"response_metadata": map[string]any{"warnings": []string{"already_in_channel"}},
		}, nil
	}
	s.alter(ch.ID, func(ch *Channel) { ch.Members = append(ch.Members, BotUserID) })
	return map[string]any{"channel": s.channelJSON(ch.ID)}, nil
}

func (s *Server) channelMembers(c *call) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok := s.channelID(c.str("channel"))
	if !ok || id != c.str("channel") {
		return nil, refuse("channel_not_found")
	}
	ch, _ := s.channel(id)
	members := ch.Members
	if person := s.directPerson(id); person != "" {
		members = []string{BotUserID, person}
	}
	some, next, err := cut(c, members, 999)
	if err != nil {
		return nil, err
	}
	return map[string]any{"members": append([]string{}, some...), "response_metadata": map[string]any{"next_cursor": next}}, nil
}
