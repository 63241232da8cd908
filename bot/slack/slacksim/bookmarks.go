package slacksim

import (
	"net/url"
	"regexp"
	"slices"
)

// bookmarksMax is how many bookmarks a channel may have.
const bookmarksMax = 100

var emojiShape = regexp.MustCompile(`^:[a-z0-9_+'-]+:$`)

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
	if c.str("type") != "link" {
		return nil, refuse("invalid_bookmark_type")
	}
	b := Bookmark{ID: newID("Bk")[:11], Title: c.str("title"), Link: c.str("link"), Emoji: c.str("emoji"), Created: s.clock.Now().Unix()}
	if err := b.check(); err != nil {
		return nil, err
	}
	if len(c.at.Bookmarks) >= bookmarksMax {
		return nil, refuse("too_many_bookmarks")
	}
	s.alter(c.at.ID, func(ch *Channel) { ch.Bookmarks = append(ch.Bookmarks, b) })
	return map[string]any{"bookmark": b.asJSON(c.at.ID)}, nil
}

// bookmark finds the one that a call is about.
func (c *call) bookmark() (at int, err error) {
	at = slices.IndexFunc(c.at.Bookmarks, func(b Bookmark) bool { return b.ID == c.str("bookmark_id") })
	if at < 0 {
		return 0, refuse("not_found")
	}
	return at, nil
}

func (s *Server) bookmarkEdit(c *call) (map[string]any, error) {
	at, err := c.bookmark()
	if err != nil {
		return nil, err
	}
	b := c.at.Bookmarks[at]
	for name, to := range map[string]*string{"title": &b.Title, "link": &b.Link, "emoji": &b.Emoji} {
		if _, given := c.args[name]; given {
			*to = c.str(name)
		}
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	b.Updated = s.clock.Now().Unix()
	s.alter(c.at.ID, func(ch *Channel) { ch.Bookmarks[at] = b })
	return map[string]any{"bookmark": b.asJSON(c.at.ID)}, nil
}

func (s *Server) bookmarkRemove(c *call) (map[string]any, error) {
	at, err := c.bookmark()
	if err != nil {
		return nil, err
	}
	s.alter(c.at.ID, func(ch *Channel) { ch.Bookmarks = slices.Delete(ch.Bookmarks, at, at+1) })
	return nil, nil
}

func (s *Server) bookmarkList(c *call) (map[string]any, error) {
	list := []any{}
	for _, b := range c.at.Bookmarks {
		list = append(list, b.asJSON(c.at.ID))
	}
	return map[string]any{"bookmarks": list}, nil
}
