package slacksim

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// shortcut is a choice from the menu beside a message.
func (s *Server) shortcut(p Person, d Deed) Outcome {
	at := slices.IndexFunc(s.opt.Shortcuts, func(one Shortcut) bool { return one.CallbackID == d.CallbackID })
	if at < 0 {
		return no("refused", "There is no shortcut %q. %s", d.CallbackID, s.offered())
	}
	s.mu.Lock()
	channel, ok := s.place(p, d)
	if !ok {
		s.mu.Unlock()
		return no("refused", "There is no channel %q.", d.Channel)
	}
	if slices.ContainsFunc(s.ephemeral[p.ID], func(m *Message) bool { return m.TS == d.MessageTS }) {
		s.mu.Unlock()
		return no("refused", "Only you see this message. Slack has shortcuts on those that everybody sees.")
	}
	m := s.find(channel, d.MessageTS)
	if m == nil {
		s.mu.Unlock()
		return no("refused", "This message is gone. Choose another one.")
	}
	chosen, trigger := s.opt.Shortcuts[at], s.newTrigger(p.ID, "")
	payload := s.interaction("message_action", p)
	delete(payload, "token") // a way of old to know Slack by
	payload["callback_id"], payload["trigger_id"] = chosen.CallbackID, trigger
	payload["message_ts"], payload["message"], payload["action_ts"] = m.TS, s.messageJSON(m, true), s.ts()
	payload["channel"] = map[string]any{"id": channel, "name": s.payloadName(channel)}
	// It answers beside the message: whose message it is does not matter, so it
	// replaces nothing.
	payload["response_url"] = s.newHook(hook{channel: channel, user: p.ID})
	s.mu.Unlock()
	_, err := s.deliver(&envelope{
		kind: "interactive", waits: interactionWaits, pauses: []time.Duration{0, 0}, trigger: trigger, payload: payload,
		about: Wire{Kind: "message_action", User: p.ID, CallbackID: chosen.CallbackID},
	})
	if err != nil {
		return s.unanswered(p, channel, "The shortcut "+strconv.Quote(chosen.Name), err)
	}
	return Outcome{OK: true}
}

// offered says which shortcuts there are.
func (s *Server) offered() string {
	if len(s.opt.Shortcuts) == 0 {
		return "This workspace has none."
	}
	var names []string
	for _, one := range s.opt.Shortcuts {
		names = append(names, strconv.Quote(one.CallbackID))
	}
	return "There is " + strings.Join(names, ", ") + "."
}
