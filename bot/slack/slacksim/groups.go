package slacksim

import (
	"fmt"
	"slices"
)

// check refuses what cannot be a user group.
func (g Group) check(people []Person) error {
	if g.ID == "" {
		return fmt.Errorf("the user group %q has no id", g.Handle)
	}
	for _, user := range g.Users {
		if !slices.ContainsFunc(people, func(p Person) bool { return p.ID == user }) {
			return fmt.Errorf("the user group %q has the member %q, who is nobody here", g.ID, user)
		}
	}
	return nil
}

// SetGroup adds a user group or puts it in the place of the one with its id, as
// an admin does when somebody else is on call. People see it at once, and the app
// hears of it when it is subscribed to subteam_updated.
func (s *Server) SetGroup(g Group) error {
	if err := g.check(s.opt.People); err != nil {
		return fmt.Errorf("change a user group: %w", err)
	}
	g.Users = append([]string{}, g.Users...)
	s.mu.Lock()
	defer s.mu.Unlock()
	groups := slices.Clone(s.groups)
	kind := "subteam_updated"
	if i := slices.IndexFunc(groups, func(o Group) bool { return o.ID == g.ID }); i >= 0 {
		groups[i] = g
	} else {
		groups, kind = append(groups, g), "subteam_created"
	}
	s.groups = groups
	s.feed.publish(News{Time: stamp(s.clock.Now()), Type: "group", Group: &g})
	j := g.asJSON()
	j["users"], j["user_count"] = g.Users, len(g.Users)
	s.event(slackbot, map[string]any{"type": kind, "subteam": j, "event_ts": s.ts()})
	return nil
}

// asJSON is a group as Slack sends it, without who is in it.
func (g Group) asJSON() map[string]any {
	return map[string]any{
		"id": g.ID, "team_id": TeamID, "is_usergroup": true, "is_external": false, "name": g.Name, "handle": g.Handle, "description": g.Description,
		"date_create": 1700000000, "date_update": 1700000000, "date_delete": 0, "auto_type": nil, "created_by": slackbot, "updated_by": slackbot, "deleted_by": nil,
		"prefs": map[string]any{"channels": []string{}, "groups": []string{}},
	}
}

func (s *Server) groupList(c *call) (map[string]any, error) {
	list := []any{}
	for _, g := range s.groups {
		j := g.asJSON()
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
	for _, g := range s.groups {
		if g.ID == c.str("usergroup") {
			return map[string]any{"users": append([]string{}, g.Users...)}, nil
		}
	}
	return nil, refuse("no_such_subteam")
}
