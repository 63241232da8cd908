package slacksim

import (
	"slices"
	"time"
)

// event tells the bot of something that somebody did by the Events API: again at
// once, after one minute and after five when it is not acknowledged. It does
// nothing when the app is not subscribed to that kind or has no scope for it.
// Called with mu held or without.
func (s *Server) event(user string, event map[string]any) {
	kind := str(event, "type")
	if !slices.Contains(s.opt.Events, kind) || !s.mayHear(event) {
		return
	}
	e := &envelope{
		kind: "events_api", waits: interactionWaits, pauses: []time.Duration{0, time.Minute, 5 * time.Minute},
		about: Wire{Kind: kind, User: user},
		payload: map[string]any{
			"token": "rehearsal", "team_id": TeamID, "api_app_id": AppID, "event": event, "type": "event_callback",
			"event_id": newID("Ev")[:12], "event_time": s.clock.Now().Unix(), "is_ext_shared_channel": false,
			"authorizations": []any{map[string]any{"enterprise_id": nil, "team_id": TeamID, "user_id": BotUserID, "is_bot": true, "is_enterprise_install": false}},
		},
	}
	s.goBusy(func() { _, _ = s.deliver(e) })
}

// mayHear says whether the token's scopes are enough for an event.
func (s *Server) mayHear(event map[string]any) bool {
	if s.opt.Scopes == nil {
		return true
	}
	family := "channels"
	switch str(event, "channel_type") {
	case "group":
		family = "groups"
	case "im":
		family = "im"
	}
	need, asks := map[string]string{
		"app_mention": "app_mentions:read", "message": family + ":history",
		"member_joined_channel": family + ":read", "member_left_channel": family + ":read",
		"subteam_created": "usergroups:read", "subteam_updated": "usergroups:read",
	}[str(event, "type")]
	return !asks || slices.Contains(s.opt.Scopes, need)
}
