package slacksim

import (
	"bytes"
	"encoding/json"
	"io"
	"sync"
	"time"
)

// lineLog writes one JSON object a line. A writer that fails is not asked again:
// a full disk must not end a rehearsal.
type lineLog struct {
	mu     sync.Mutex
	w      io.Writer
	failed bool
}

func (l *lineLog) write(v any) {
	if l.w == nil {
		return
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed {
		return
	}
	if _, err := l.w.Write(b.Bytes()); err != nil {
		l.failed = true
	}
}

// Wire is one line of wire.jsonl.
type Wire struct {
	Time string `json:"time"`
	// Event is connected, disconnected, disconnect_sent, sent, resent, acked,
	// acked_again, ack_dropped or gave_up.
	Event      string `json:"event"`
	Connection string `json:"connection,omitempty"`
	EnvelopeID string `json:"envelope_id,omitempty"`
	Type       string `json:"type,omitempty"`
	// Kind is what an interactive envelope carries (block_actions,
	// message_action, view_submission, view_closed) or the name of the event.
	Kind       string   `json:"kind,omitempty"`
	User       string   `json:"user,omitempty"`
	Command    string   `json:"command,omitempty"`
	ActionIDs  []string `json:"action_ids,omitempty"`
	CallbackID string   `json:"callback_id,omitempty"`
	Attempt    int      `json:"attempt"`
	// LatencyMS is from sending to acknowledgement on the rehearsal's clock, and
	// WallMS the same on the machine's.
	LatencyMS *float64 `json:"latency_ms,omitempty"`
	WallMS    *float64 `json:"wall_ms,omitempty"`
	Reason    string   `json:"reason,omitempty"`

	body any // what was sent, for the inspector
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (s *Server) logWire(w Wire) {
	w.Time = stamp(s.clock.Now())
	s.wire.write(w)
	s.trace.add(Trace{Time: w.Time, Kind: "wire", Wire: &w}, w.body)
}

// MessageLine is one line of messages.jsonl.
type MessageLine struct {
	Time string `json:"time"`
	// Op is post, update, delete, ephemeral, ephemeral_update or
	// ephemeral_delete.
	Op          string `json:"op"`
	ChannelName string `json:"channel_name,omitempty"`
	*Message
}

// tell records a message and publishes it to those who may see it. Called with
// mu held, so that the order of the news is the order of the changes.
func (s *Server) tell(op string, m *Message) {
	s.msgLog.write(MessageLine{Time: stamp(s.clock.Now()), Op: op, ChannelName: s.channelName(m.Channel), Message: m})
	s.feed.publish(News{Time: stamp(s.clock.Now()), Type: op, For: m.For, only: s.audience(m.Channel), Message: m})
}

// audience are those who may see what happens in a private channel; nil is
// everybody. Called with mu held.
func (s *Server) audience(channel string) []string {
	if ch, _ := s.channel(channel); ch.Private {
		return append([]string{}, ch.Members...)
	}
	return nil
}
