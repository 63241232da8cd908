package slacksim

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
)

// Trace is one thing that went over the wire, for the page's inspector: a line
// of the socket's log, or a call of the Web API.
type Trace struct {
	Seq  int    `json:"seq"`
	Time string `json:"time"` // the rehearsal's
	Kind string `json:"kind"` // wire or api
	Wire *Wire  `json:"wire,omitempty"`
	// Of a call: its method, what came of it, and how long that took on the
	// machine's clock.
	Method string  `json:"method,omitempty"`
	Status int     `json:"status,omitempty"`
	Error  string  `json:"error,omitempty"`
	WallMS float64 `json:"wall_ms"`
	// Body is the arguments of a call, the frame of an envelope or the payload of
	// an acknowledgement; null where it is larger than traceBody.
	Body json.RawMessage `json:"body,omitempty"`
}

const (
	traceKeeps = 1000
	traceBody  = 16 << 10
)

// traceLog keeps the newest lines.
type traceLog struct {
	mu    sync.Mutex
	lines []Trace
	seq   int
}

func (l *traceLog) add(t Trace, body any) {
	if body != nil {
		if b, err := json.Marshal(body); err == nil && len(b) <= traceBody {
			t.Body = b
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	t.Seq = l.seq
	l.lines = append(l.lines, t)
	if len(l.lines) > 2*traceKeeps {
		l.lines = append([]Trace(nil), l.lines[len(l.lines)-traceKeeps:]...)
	}
}

func (l *traceLog) after(seq int) []Trace {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := max(0, len(l.lines)-traceKeeps, len(l.lines)-(l.seq-seq))
	if seq > l.seq { // of another life of this address
		from = max(0, len(l.lines)-traceKeeps)
	}
	return append([]Trace{}, l.lines[from:]...)
}

func (s *Server) traced(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.Atoi(r.URL.Query().Get("after"))
	if err != nil && r.URL.Query().Get("after") != "" {
		http.Error(w, "after has to be a number", http.StatusBadRequest)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"lines": s.trace.after(max(after, 0))})
}

// SetAway takes Slack away, as an outage of Slack does, or brings it back. While
// it is away every call is answered 503, every connection is closed and none is
// let in, and people can do nothing; what was said stays.
func (s *Server) SetAway(away bool) {
	if s.away.Swap(away) == away {
		return
	}
	s.mu.Lock()
	s.feed.publish(News{Time: stamp(s.clock.Now()), Type: "away", Away: away})
	var conns []*conn
	if away {
		conns = append(conns, s.conns...)
		s.cut = len(conns)
	} else {
		// Whoever was cut off tries again every now and then, in real time, and no
		// pretend time passes until that has happened.
		for range s.cut {
			s.returning = append(s.returning, s.hold(tryAgain))
		}
		s.cut = 0
	}
	s.mu.Unlock()
	for _, c := range conns {
		s.leave(c, "Slack is away")
	}
}

// Away says whether Slack was taken away.
func (s *Server) Away() bool { return s.away.Load() }
