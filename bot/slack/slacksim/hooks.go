package slacksim

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"time"
)

const (
	hookUses  = 5
	hookLives = 30 * time.Minute
)

// hook is a response_url: five answers within half an hour to what one person
// did.
type hook struct {
	channel, user string
	ts            string // the message that was clicked
	ephemeral     bool   // it is one that only the person sees
	at            time.Time
	uses          int
}

// newHook is called with mu held.
func (s *Server) newHook(h hook) string {
	h.at = s.clock.Now()
	maps.DeleteFunc(s.hooks, func(_ string, old *hook) bool { return h.at.Sub(old.at) > remembers })
	id := newID("")
	s.hooks[id] = &h
	return s.URL() + "response/" + id
}

func (s *Server) respond(w http.ResponseWriter, r *http.Request) {
	t := Trace{Kind: "api", Method: "response_url", Status: http.StatusOK}
	var args map[string]any
	began := s.real.Now()
	defer func() {
		t.Time, t.WallMS = stamp(s.clock.Now()), ms(s.real.Now().Sub(began))
		s.trace.add(t, args)
	}()
	refused := func(status int, code string) {
		t.Status, t.Error = status, code
		writeJSON(w, status, map[string]any{"ok": false, "error": code})
	}
	if s.Away() {
		t.Status, t.Error = http.StatusServiceUnavailable, "Slack is away"
		http.Error(w, t.Error, t.Status)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refused(http.StatusBadRequest, "invalid_payload")
		return
	}
	if json.Unmarshal(body, &args) != nil {
		refused(http.StatusBadRequest, "invalid_payload")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// The reference gives the number of uses and the half hour, and no names for
	// these refusals.
	h := s.hooks[r.PathValue("id")]
	switch {
	case h == nil:
		refused(http.StatusNotFound, "invalid_url")
		return
	case h.uses >= hookUses:
		refused(http.StatusNotFound, "used_url")
		return
	case s.clock.Now().Sub(h.at) > hookLives:
		refused(http.StatusNotFound, "expired_url")
		return
	}
	if err := s.answerHook(h, args); err != nil {
		code := "invalid_payload"
		if e, ok := asRefusal(err); ok {
			code = e.code
		}
		refused(http.StatusBadRequest, code)
		return
	}
	h.uses++
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok")
}

// answerHook posts, replaces or deletes as a response asks. Called with mu held.
func (s *Server) answerHook(h *hook, args map[string]any) error {
	c := &call{method: "response_url", args: args}
	if c.flag("delete_original") {
		if h.ts == "" {
			return refuse("invalid_payload")
		}
		if h.ephemeral {
			s.dropEphemeral(h.user, h.ts)
		} else if i := s.index(h.channel, h.ts); i >= 0 {
			s.remove(h.channel, i)
		}
		return nil
	}
	k, err := c.content(postTextMax)
	if err != nil {
		return err
	}
	if k.text == "" && len(k.blocks) == 0 && !k.attachments {
		return refuse("no_text")
	}
	if c.flag("replace_original") && h.ts != "" {
		change := func(m *Message) {
			m.Text, m.Blocks, m.Edited = k.text, k.blocks, s.ts()
			if k.metadata != nil {
				m.Metadata = k.metadata
			}
		}
		if h.ephemeral {
			s.replaceEphemeral(h.user, h.ts, change)
		} else if s.find(h.channel, h.ts) != nil {
			s.replace(h.channel, h.ts, change)
		}
		return nil
	}
	m := s.botMessage(h.channel, k)
	m.ThreadTS = s.thread(h.channel, c.str("thread_ts"))
	if c.str("response_type") == "in_channel" {
		s.add(m)
		return nil
	}
	m.For = h.user
	s.addEphemeral(m)
	return nil
}

func (s *Server) dropEphemeral(user, ts string) {
	for i, m := range s.ephemeral[user] {
		if m.TS == ts {
			s.ephemeral[user] = append(append([]*Message{}, s.ephemeral[user][:i]...), s.ephemeral[user][i+1:]...)
			s.tell("ephemeral_delete", &Message{Channel: m.Channel, TS: m.TS, User: m.User, For: user})
			return
		}
	}
}

func (s *Server) replaceEphemeral(user, ts string, change func(*Message)) {
	for i, m := range s.ephemeral[user] {
		if m.TS == ts {
			changed := *m
			change(&changed)
			s.ephemeral[user][i] = &changed
			s.tell("ephemeral_update", &changed)
			return
		}
	}
}
