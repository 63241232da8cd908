package slacksim

import (
	"slices"
	"strconv"
	"strings"
)

// channelID finds a channel by its id, its name with or without #, or the person
// of a direct message that is open. Called with mu held.
func (s *Server) channelID(name string) (string, bool) {
	bare := strings.TrimPrefix(name, "#")
	for _, c := range s.channels {
		if c.ID == name || c.Name == bare {
			return c.ID, true
		}
	}
	for person, dm := range s.direct {
		if dm == name || person == name {
			return dm, true
		}
	}
	return "", false
}

// target is where a message goes. A person's id opens the direct message.
// Called with mu held.
func (s *Server) target(name string) (id string, ok bool) {
	if id, ok := s.channelID(name); ok {
		return id, true
	}
	if p, ok := s.person(name); ok {
		return s.directID(p), true
	}
	return "", false
}

func (s *Server) directID(p Person) string {
	id, ok := s.direct[p.ID]
	if !ok {
		id = "D0" + strings.TrimPrefix(p.ID, "U")
		s.direct[p.ID] = id
	}
	return id
}

// channelName is what people call it. Called with mu held.
func (s *Server) channelName(id string) string {
	if ch, ok := s.channel(id); ok {
		return ch.Name
	}
	return "directmessage"
}

// payloadName is what Slack calls it in a payload. Called with mu held.
func (s *Server) payloadName(id string) string {
	if ch, _ := s.channel(id); ch.Private {
		return "privategroup"
	}
	return s.channelName(id)
}

// directPerson is the only person besides the bot who may read a channel; empty for
// everybody. Called with mu held.
func (s *Server) directPerson(channel string) string {
	for person, dm := range s.direct {
		if dm == channel {
			return person
		}
	}
	return ""
}

func (s *Server) channelJSON(id string) map[string]any {
	if person := s.directPerson(id); person != "" {
		return map[string]any{"id": id, "is_im": true, "user": person, "created": 1700000000, "is_open": true}
	}
	ch, _ := s.channel(id)
	creator := ch.Creator
	if creator == "" {
		creator = slackbot
	}
	said := func(text string) map[string]any { return map[string]any{"value": text, "creator": "", "last_set": 0} }
	return map[string]any{
		"id": id, "name": ch.Name, "name_normalized": ch.Name, "is_channel": true, "is_private": ch.Private, "is_member": slices.Contains(ch.Members, BotUserID),
		"is_general": ch.Name == general, "is_archived": ch.Archived,
		"created": 1700000000, "creator": creator, "num_members": len(ch.Members),
		"topic": said(ch.Topic), "purpose": said(ch.Purpose),
	}
}

func (s *Server) channelInfo(c *call) (map[string]any, error) {
	return map[string]any{"channel": s.channelJSON(c.at.ID)}, nil
}

func (s *Server) channelList(c *call) (map[string]any, error) {
	return s.channelsOf(c, "")
}

func (s *Server) userChannels(c *call) (map[string]any, error) {
	user := c.str("user")
	if user == "" {
		user = BotUserID
	}
	if _, ok := s.person(user); !ok && user != BotUserID {
		return nil, refuse("user_not_found")
	}
	return s.channelsOf(c, user)
}

// channelsOf lists the channels of the types that are asked for, all or those that
// somebody is in.
func (s *Server) channelsOf(c *call, user string) (map[string]any, error) {
	list := []any{}
	for _, kind := range c.types() {
		switch kind {
		case "public_channel", "private_channel":
			for _, ch := range s.channels {
				if ch.Private == (kind == "private_channel") && ch.seenBy(BotUserID) &&
					(user == "" || slices.Contains(ch.Members, user)) && (!ch.Archived || !c.flag("exclude_archived")) {
					list = append(list, s.channelJSON(ch.ID))
				}
			}
		case "im":
			for _, p := range s.opt.People {
				if id, ok := s.direct[p.ID]; ok && (user == "" || s.isIn(id, user)) {
					list = append(list, s.channelJSON(id))
				}
			}
		case "mpim": // there are none
		default:
			return nil, refuse("invalid_types")
		}
	}
	some, next, err := cut(c, list, 999)
	if err != nil {
		return nil, err
	}
	return map[string]any{"channels": some, "response_metadata": map[string]any{"next_cursor": next}}, nil
}

// types are the kinds of channel that a list is asked for.
func (c *call) types() []string {
	if c.str("types") == "" {
		return []string{"public_channel"}
	}
	types := strings.Split(c.str("types"), ",")
	for i := range types {
		types[i] = strings.TrimSpace(types[i])
	}
	return types
}

// openDirect opens a direct message with one person. Those with several do not
// exist here.
func (s *Server) openDirect(c *call) (map[string]any, error) {
	if id := c.str("channel"); id != "" {
		if s.directPerson(id) == "" {
			return nil, refuse("channel_not_found")
		}
		return map[string]any{"channel": s.channelJSON(id)}, nil
	}
	users := strings.FieldsFunc(c.str("users"), func(r rune) bool { return r == ',' || r == ' ' })
	if len(users) == 0 {
		return nil, refuse("users_list_not_supplied")
	}
	if len(users) > 8 {
		return nil, refuse("too_many_users")
	}
	for _, user := range users {
		if _, ok := s.person(user); !ok {
			return nil, refuse("user_not_found")
		}
	}
	if len(users) > 1 {
		return nil, refuse(wrongKind, "[ERROR] group direct messages do not exist in the rehearsal Slack")
	}
	p, _ := s.person(users[0])
	_, open := s.direct[p.ID]
	id := s.directID(p)
	return map[string]any{"channel": s.channelJSON(id), "already_open": open, "no_op": open}, nil
}

func (s *Server) userJSON(p Person) map[string]any {
	email := p.handle() + "@rehearsal.invalid"
	return map[string]any{
		"id": p.ID, "team_id": p.team(), "name": p.handle(), "real_name": p.Name, "deleted": p.Kind == "deactivated", "is_bot": p.ID == BotUserID,
		"is_restricted": p.Kind == "guest", "is_ultra_restricted": false, "is_stranger": p.Kind == "stranger", "tz": "Etc/UTC", "tz_offset": 0,
		"profile": map[string]any{"real_name": p.Name, "display_name": p.Name, "title": p.Title, "email": email, "team": p.team()},
	}
}

func (s *Server) everybody() []Person {
	return append(slices.Clone(s.opt.People), Person{ID: BotUserID, Name: s.opt.BotName})
}

func (s *Server) userInfo(c *call) (map[string]any, error) {
	for _, p := range s.everybody() {
		if p.ID == c.str("user") {
			return map[string]any{"user": s.userJSON(p)}, nil
		}
	}
	return nil, refuse("user_not_found")
}

func (s *Server) userByEmail(c *call) (map[string]any, error) {
	for _, p := range s.everybody() {
		if p.handle()+"@rehearsal.invalid" == c.str("email") {
			return map[string]any{"user": s.userJSON(p)}, nil
		}
	}
	return nil, refuse("users_not_found")
}

func (s *Server) userList(c *call) (map[string]any, error) {
	list := []any{}
	for _, p := range s.everybody() {
		list = append(list, s.userJSON(p))
	}
	some, next, err := cut(c, list, 1000)
	if err != nil {
		return nil, err
	}
	return map[string]any{"members": some, "cache_ts": s.clock.Now().Unix(), "response_metadata": map[string]any{"next_cursor": next}}, nil
}

// presence says how somebody is shown, and of the bot, who asks, how that was
// found.
func (s *Server) presence(c *call) (map[string]any, error) {
	user := c.str("user")
	if _, ok := s.person(user); ok {
		if s.absent[user] {
			return map[string]any{"presence": "away"}, nil
		}
		return map[string]any{"presence": "active"}, nil
	}
	if user != "" && user != BotUserID {
		return nil, refuse("user_not_found")
	}
	out := map[string]any{"presence": "away", "online": false, "auto_away": false, "manual_away": false, "connection_count": len(s.conns)}
	if len(s.conns) > 0 {
		out["presence"], out["online"], out["last_activity"] = "active", true, s.clock.Now().Unix()
	}
	return out, nil
}

// cut cuts a list as limit and cursor ask.
func cut[T any](c *call, all []T, most int) (some []T, next string, err error) {
	limit := min(100, most)
	if v := c.str("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return nil, "", refuse("invalid_limit")
		}
		limit = min(n, most)
	}
	from := 0
	if v := c.str("cursor"); v != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(v, "next_"))
		if err != nil || n < 0 || n > len(all) {
			return nil, "", refuse("invalid_cursor")
		}
		from = n
	}
	to := min(from+limit, len(all))
	if to < len(all) {
		next = "next_" + strconv.Itoa(to)
	}
	return all[from:to], next, nil
}
