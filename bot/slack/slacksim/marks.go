package slacksim

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// marked is the message that a call wants to pin or to react to. Called with mu
// held.
func (s *Server) marked(c *call) (*Message, error) {
	ts := c.str("timestamp")
	switch {
	case ts == "":
		return nil, refuse("no_item_specified")
	case !tsShape.MatchString(ts):
		return nil, refuse("bad_timestamp")
	}
	if m := s.find(c.at.ID, ts); m != nil {
		return m, nil
	}
	return nil, refuse("message_not_found")
}

func (s *Server) pinAdd(c *call) (map[string]any, error)    { return s.pin(c, true) }
func (s *Server) pinRemove(c *call) (map[string]any, error) { return s.pin(c, false) }

func (s *Server) pin(c *call, on bool) (map[string]any, error) {
	m, err := s.marked(c)
	switch {
	case err != nil:
		return nil, err
	case m.Pinned && on:
		return nil, refuse("already_pinned")
	case !m.Pinned && !on:
		return nil, refuse("no_pin")
	case on && len(s.pins(c.at.ID)) >= pinsMax:
		return nil, refuse("too_many_pins")
	}
	s.replace(c.at.ID, m.TS, func(m *Message) { m.Pinned, m.pinnedAt = on, s.clock.Now().Unix() })
	return nil, nil
}

// pins are the pinned messages of a channel, the one pinned last first. Called
// with mu held.
func (s *Server) pins(channel string) (list []*Message) {
	for _, m := range slices.Backward(s.messages[channel]) {
		if m.Pinned {
			list = append(list, m)
		}
	}
	slices.SortStableFunc(list, func(a, b *Message) int { return cmp.Compare(b.pinnedAt, a.pinnedAt) })
	return list
}

func (s *Server) pinList(c *call) (map[string]any, error) {
	items := []any{}
	for _, m := range s.pins(c.at.ID) {
		items = append(items, map[string]any{
			"type": "message", "channel": c.at.ID, "message": s.messageJSON(m, true),
			"created": m.pinnedAt, "created_by": BotUserID,
		})
	}
	return map[string]any{"items": items}, nil
}

// emojiName is the name of an emoji, with a tone of skin or without.
var emojiName = regexp.MustCompile(`^[a-z0-9_+'-]+(::skin-tone-[2-6])?$`)

func (c *call) emoji() (string, error) {
	name := strings.Trim(c.str("name"), ":")
	if !emojiName.MatchString(name) {
		return "", refuse("invalid_name")
	}
	return name, nil
}

func (s *Server) reactionAdd(c *call) (map[string]any, error) {
	name, err := c.emoji()
	if err != nil {
		return nil, err
	}
	m, err := s.marked(c)
	if err != nil {
		return nil, err
	}
	if slices.Contains(m.Reactions, name) {
		return nil, refuse("already_reacted")
	}
	s.replace(c.at.ID, m.TS, func(m *Message) { m.Reactions = append(slices.Clone(m.Reactions), name) })
	return nil, nil
}

func (s *Server) reactionRemove(c *call) (map[string]any, error) {
	name, err := c.emoji()
	if err != nil {
		return nil, err
	}
	m, err := s.marked(c)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(m.Reactions, name) {
		return nil, refuse("no_reaction")
	}
	s.replace(c.at.ID, m.TS, func(m *Message) { m.Reactions = without(slices.Clone(m.Reactions), name) })
	return nil, nil
}

func (s *Server) reactionGet(c *call) (map[string]any, error) {
	m, err := s.marked(c)
	if err != nil {
		return nil, err
	}
	j := s.messageJSON(m, false)
	j["permalink"] = s.address(m)
	return map[string]any{"type": "message", "channel": c.at.ID, "message": j}, nil
}

// reactionsJSON are the reactions as Slack lists them. Only the bot reacts here.
func (m *Message) reactionsJSON() (list []any) {
	for _, name := range m.Reactions {
		list = append(list, map[string]any{"name": name, "users": []string{BotUserID}, "count": 1})
	}
	return list
}
