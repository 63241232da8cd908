package slacksim

import (
	"net/url"
	"regexp"
	"slices"
)

// bookmarksMax is how many bookmarks a channel may have.
const bookmarksMax = 100

var emojiShape = regexp.MustCompile(`^:[a-z0-9_+'-]+:$`)

// marked finds the channel of a call about bookmarks. Called with mu held.
func (s *Server) marked(c *call) (Channel, error) {
	ch, ok := s.channel(c.str("channel_id"))
	switch {
	case !ok:
		return ch, refuse("channel_not_found")
	case ch.Archived, !s.isIn(ch.ID, BotUserID):
		return ch, refuse("permission_denied")
	}
	return ch, nil
}

// check refuses what cannot be a bookmark.
func (b Bookmark) check() error {
	link, err := url.Parse(b.Link)
	switch {
	case b.Title == "":
		return refuse("invalid_arguments", "[ERROR] missing required field: title")
	case err != nil || link.Scheme != "http" && link.Scheme != "https" || link.Host == "":
		return refuse("invalid_link")
	case b.Emoji != "" && !emojiShape.MatchString(b.Emoji):
		return refuse("invalid_emoji")
	}
	return nil
}

func (b Bookmark) asJSON(channel string) map[string]any {
	return map[string]any{
		"id": b.ID, "channel_id": channel, "title": b.Title, "link": b.Link, "emoji": b.Emoji, "icon_url": nil, "type": "link", "entity_id": nil,
		"date_created": b.Created, "date_updated": b.Updated, "rank": "g", "shortcut_id": nil, "app_id": AppID,
		"last_updated_by_user_id": BotUserID, "last_updated_by_team_id": TeamID,
	}
}

func (s *Server) bookmarkAdd(c *call) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := s.marked(c)
	if err != nil {
		return nil, err
	}
	if c.str("type") != "link" {
		return nil, refuse("invalid_bookmark_type")
	}
	b := Bookmark{ID: newID("Bk")[:11], Title: c.str("title"), Link: c.str("link"), Emoji: c.str("emoji"), Created: s.clock.Now().Unix()}
	if err := b.check(); err != nil {
		return nil, err
	}
	if len(ch.Bookmarks) >= bookmarksMax {
		return nil, refuse("too_many_bookmarks")
	}
	s.alter(ch.ID, func(ch *Channel) { ch.Bookmarks = append(ch.Bookmarks, b) })
	return map[string]any{"bookmark": b.asJSON(ch.ID)}, nil
}

// bookmark finds the one that a call is about. Called with mu held.
func (s *Server) bookmark(c *call) (ch Channel, at int, err error) {
	if ch, err = s.marked(c); err != nil {
		return ch, 0, err
	}
	at = slices.IndexFunc(ch.Bookmarks, func(b Bookmark) bool { return b.ID == c.str("bookmark_id") })
	if at < 0 {
		return ch, 0, refuse("not_found")
	}
	return ch, at, nil
}

func (s *Server) bookmarkEdit(c *call) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, at, err := s.bookmark(c)
	if err != nil {
		return nil, err
	}
	b := ch.Bookmarks[at]
	for name, to := range map[string]*string{"title": &b.Title, "link": &b.Link, "emoji": &b.Emoji} {
		if _, given := c.args[name]; given {
			*to = c.str(name)
		}
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	b.Updated = s.clock.Now().Unix()
	s.alter(ch.ID, func(ch *Channel) { ch.Bookmarks[at] = b })
	return map[string]any{"bookmark": b.asJSON(ch.ID)}, nil
}

func (s *Server) bookmarkRemove(c *call) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, at, err := s.bookmark(c)
	if err != nil {
		return nil, err
	}
	s.alter(ch.ID, func(ch *Channel) { ch.Bookmarks = slices.Delete(ch.Bookmarks, at, at+1) })
	return nil, nil
}

func (s *Server) bookmarkList(c *call) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, ok := s.channel(c.str("channel_id"))
	if !ok {
		return nil, refuse("channel_not_found")
	}
	list := []any{}
	for _, b := range ch.Bookmarks {
		list = append(list, b.asJSON(ch.ID))
	}
	return map[string]any{"bookmarks": list}, nil
}

func (s *Server) groupList(c *call) (map[string]any, error) {
	list := []any{}
	for _, g := range s.opt.Groups {
		j := map[string]any{
			"id": g.ID, "team_id": TeamID, "is_usergroup": true, "is_external": false, "name": g.Name, "handle": g.Handle, "description": g.Description,
			"date_create": 1700000000, "date_update": 1700000000, "date_delete": 0, "auto_type": nil, "created_by": slackbot, "updated_by": slackbot, "deleted_by": nil,
			"prefs": map[string]any{"channels": []string{}, "groups": []string{}},
		}
		if c.flag("include_users") {
			j["users"] = append([]string{}, g.Users...)
		}
		if c.flag("include_count") {
			j["user_count"] = len(g.Users)
		}
		list = append(list, j)
	}
	return map[string]any{"usergroups": list}, nil
}

func (s *Server) groupUsers(c *call) (map[string]any, error) {
	for _, g := range s.opt.Groups {
		if g.ID == c.str("usergroup") {
			return map[string]any{"users": append([]string{}, g.Users...)}, nil
		}
	}
	return nil, refuse("no_such_subteam")
}
