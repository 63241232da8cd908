package slacksim

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	connectionsMax = 10
	ackWithin      = 5 * time.Second
	ackBytesMax    = 20 * 1024 // Slack drops a larger acknowledgement without a word
	warningAhead   = 10 * time.Second
	// How long something waits for any connection at all.
	commandWaits     = 3 * time.Second
	interactionWaits = 10 * time.Second

	// Real time: about sockets and about whoever never comes back.
	pingEvery   = 10 * time.Second
	writeWithin = 10 * time.Second
	// silentBot is how long, in real time, an envelope that was sent keeps the clock
	// busy, which stops it at top speed. A bot that lives on the same clock is busy
	// with it long before; one that answers a form only after asking others needs
	// pretend time to pass.
	silentBot    = 50 * time.Millisecond
	comeBack     = 3 * time.Second  // and a connection that was asked to come back, this
	tryAgain     = 15 * time.Second // and one that was cut off while Slack was away, this
	ticketGuards = 50 * time.Millisecond
)

var (
	errNoAck        = errors.New("the envelope was not acknowledged in time")
	errNoConnection = errors.New("no connection was open in time")
	errAway         = errors.New("Slack is away")
)

// conn is one Socket Mode connection.
type conn struct {
	id   string
	ws   *websocket.Conn
	host string // under which the other side reached us
	gone chan struct{}
	once sync.Once

	write   sync.Mutex
	leaving bool // asked to come back; guarded by Server.mu
}

func (c *conn) close() {
	c.once.Do(func() {
		close(c.gone)
		_ = c.ws.Close()
	})
}

func (s *Server) send(c *conn, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.write.Lock()
	defer c.write.Unlock()
	return s.put(c, b)
}

// put writes a frame; the caller holds c.write.
func (s *Server) put(c *conn, b []byte) error {
	if err := c.ws.SetWriteDeadline(s.real.Now().Add(writeWithin)); err != nil {
		return err
	}
	return c.ws.WriteMessage(websocket.TextMessage, b)
}

// grant hands a connection to somebody who waited for one, together with a busy
// clock, so that no time passes on the way.
type grant struct {
	conn *conn
	done func()
}

func (s *Server) connectionsOpen(c *call) (map[string]any, error) {
	ticket := newID("")
	s.tickets[ticket] = s.hold(ticketGuards) // connecting takes no pretend time
	return map[string]any{"url": "ws://" + c.host + "/link?ticket=" + ticket + "&app_id=" + AppID}, nil
}

var upgrader = websocket.Upgrader{
	WriteBufferSize: 32 * 1024,
	// Any origin: the ticket is the proof, and slack-go says api.slack.com.
	CheckOrigin: func(*http.Request) bool { return true },
}

func (s *Server) link(w http.ResponseWriter, r *http.Request) {
	if s.Away() {
		http.Error(w, "Slack is away", http.StatusServiceUnavailable)
		return
	}
	s.mu.Lock()
	ticket := r.URL.Query().Get("ticket")
	release, ok := s.tickets[ticket]
	delete(s.tickets, ticket)
	s.mu.Unlock()
	if !ok {
		http.Error(w, "this link was used or never given", http.StatusForbidden)
		return
	}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		release()
		return // Upgrade has answered
	}
	c := &conn{ws: ws, host: r.Host, gone: make(chan struct{})}
	if !s.enter() {
		release()
		c.close()
		return
	}
	defer s.work.Done()
	defer context.AfterFunc(s.life, c.close)()
	s.spawn(func() { s.ping(c) })
	s.listen(c, release)
}

// listen greets a connection and reads what it acknowledges. It needs no Busy of
// its own: what it waits for is covered by the envelope that is in flight.
func (s *Server) listen(c *conn, connected func()) {
	defer c.close()
	s.mu.Lock()
	s.connSeq++
	c.id = "conn-" + strconv.Itoa(s.connSeq)
	n := len(s.conns) + 1
	s.mu.Unlock()
	hello := map[string]any{
		"type": "hello", "num_connections": n, "connection_info": map[string]any{"app_id": AppID},
		"debug_info": map[string]any{"host": "rehearsal", "build_number": 1, "approximate_connection_time": 18060},
	}
	if n > connectionsMax {
		_ = s.send(c, map[string]any{"type": "disconnect", "reason": "too_many_websockets", "debug_info": map[string]any{"host": "rehearsal"}})
		connected()
		return
	}
	if err := s.greet(c, hello); err != nil {
		s.leave(c, "it could not be written to")
		connected()
		return
	}
	connected()
	if s.opt.RefreshEvery > 0 {
		s.goBusy(func() { s.refreshLater(c) })
	}
	for {
		_, b, err := c.ws.ReadMessage()
		if err != nil {
			break
		}
		s.acknowledged(c, b)
	}
	s.leave(c, "closed by the client")
}

// greet takes a connection in and says hello as the first frame, whoever wants
// to send by it meanwhile.
func (s *Server) greet(c *conn, hello any) error {
	b, err := json.Marshal(hello)
	if err != nil {
		return err
	}
	c.write.Lock()
	defer c.write.Unlock()
	if !s.join(c) {
		return errAway
	}
	return s.put(c, b)
}

// join takes a connection in, unless Slack went away while it was being made.
func (s *Server) join(c *conn) bool {
	s.mu.Lock()
	if s.Away() {
		s.mu.Unlock()
		return false
	}
	s.conns = append(s.conns, c)
	waiters := s.waiters
	s.waiters = nil
	if len(s.returning) > 0 {
		defer s.returning[0]()
		s.returning = s.returning[1:]
	}
	for _, w := range waiters {
		w <- grant{c, s.clock.Busy()}
	}
	n := len(s.conns)
	s.logWire(Wire{Event: "connected", Connection: c.id})
	s.feed.publish(News{Time: stamp(s.clock.Now()), Type: "connections", Connections: n})
	s.mu.Unlock()
	return true
}

func (s *Server) leave(c *conn, reason string) {
	// Afterwards: whoever waits on c sends again as soon as it is closed, and must
	// not find it here.
	defer c.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.conns, c)
	if i < 0 {
		return
	}
	s.conns = slices.Delete(slices.Clone(s.conns), i, i+1)
	s.logWire(Wire{Event: "disconnected", Connection: c.id, Reason: reason})
	s.feed.publish(News{Time: stamp(s.clock.Now()), Type: "connections", Connections: len(s.conns)})
}

// ping keeps a connection alive; slack-go gives up on one that is silent for 30
// seconds of real time.
func (s *Server) ping(c *conn) {
	ctx, cancel := s.whileOpen(c)
	defer cancel()
	for {
		if err := c.ws.WriteControl(websocket.PingMessage, []byte("ping"), s.real.Now().Add(writeWithin)); err != nil {
			c.close()
			return
		}
		if s.real.Sleep(ctx, pingEvery) != nil {
			return
		}
	}
}

// Refresh asks every open connection to come back, as Slack does every few
// hours: a warning, and ten seconds later the disconnect itself. It returns how
// many were asked.
func (s *Server) Refresh() int {
	s.mu.Lock()
	conns := slices.Clone(s.conns)
	s.mu.Unlock()
	for _, c := range conns {
		s.goBusy(func() { s.refresh(c) })
	}
	return len(conns)
}

func (s *Server) refreshLater(c *conn) {
	ctx, cancel := s.whileOpen(c)
	defer cancel()
	if s.clock.Sleep(ctx, s.opt.RefreshEvery) == nil {
		s.refresh(c)
	}
}

func (s *Server) whileOpen(c *conn) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(s.life)
	s.spawn(func() {
		select {
		case <-c.gone:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, cancel
}

func (s *Server) refresh(c *conn) {
	s.mu.Lock()
	if c.leaving || !slices.Contains(s.conns, c) {
		s.mu.Unlock()
		return
	}
	c.leaving = true
	// Whoever closes on the warning connects again at once, and no pretend time
	// passes meanwhile.
	s.returning = append(s.returning, s.hold(comeBack))
	s.mu.Unlock()
	ctx, cancel := s.whileOpen(c)
	defer cancel()
	tell := func(reason string) bool {
		s.logWire(Wire{Event: "disconnect_sent", Connection: c.id, Reason: reason})
		return s.send(c, map[string]any{"type": "disconnect", "reason": reason, "debug_info": map[string]any{"host": "rehearsal"}}) == nil
	}
	if !tell("warning") || s.clock.Sleep(ctx, warningAhead) != nil {
		return
	}
	tell("refresh_requested")
	if s.clock.Sleep(ctx, time.Second) == nil {
		s.leave(c, "refreshed")
	}
}

// envelope is something that goes to the bot until it is acknowledged.
type envelope struct {
	id, kind string
	payload  map[string]any
	accepts  bool
	about    Wire // user, command, kind and actions, for the log
	waits    time.Duration
	pauses   []time.Duration // before each further attempt
	trigger  string

	acks chan acked
}

type acked struct {
	payload json.RawMessage
	conn    *conn
}

// deliver sends an envelope until somebody acknowledges it, and returns the
// payload of the acknowledgement. The caller is busy, which is what makes a
// pretend clock wait for the bot.
func (s *Server) deliver(e *envelope) (json.RawMessage, error) {
	e.id = newID("")
	e.acks = make(chan acked, 1)
	s.mu.Lock()
	s.pending[e.id] = e
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.pending, e.id)
		s.mu.Unlock()
	}()
	var last *conn
	reason := ""
	for attempt := 0; attempt <= len(e.pauses); attempt++ {
		if attempt > 0 && e.pauses[attempt-1] > 0 {
			if err := s.clock.Sleep(s.life, e.pauses[attempt-1]); err != nil {
				return nil, err
			}
		}
		c, err := s.pick(e, last)
		if err != nil {
			reason = err.Error()
			if e.kind != "events_api" {
				break // a person waits for the answer
			}
			continue
		}
		if attempt == 0 {
			s.mu.Lock()
			if t := s.triggers[e.trigger]; t != nil {
				t.at = s.clock.Now() // it lives from when the bot can know of it
			}
			s.mu.Unlock()
		}
		last = c
		payload, why, ok := s.attempt(e, c, attempt, reason)
		if ok {
			return payload, nil
		}
		reason = why
	}
	line := e.about
	line.Event, line.EnvelopeID, line.Type, line.Attempt, line.Reason = "gave_up", e.id, e.kind, len(e.pauses), reason
	s.logWire(line)
	if s.life.Err() != nil {
		return nil, context.Cause(s.life)
	}
	if reason == errNoConnection.Error() {
		return nil, errNoConnection
	}
	return nil, errNoAck
}

func (s *Server) attempt(e *envelope, c *conn, attempt int, retryReason string) (payload json.RawMessage, why string, ok bool) {
	shown := e.payload
	if hook, ok := e.payload["response_url"].(string); ok {
		shown = maps.Clone(e.payload)
		shown["response_url"] = strings.Replace(hook, s.URL(), "http://"+c.host+"/", 1)
	}
	frame := map[string]any{"envelope_id": e.id, "type": e.kind, "payload": shown, "accepts_response_payload": e.accepts}
	line := e.about
	line.EnvelopeID, line.Type, line.Attempt, line.Connection, line.Event = e.id, e.kind, attempt, c.id, "sent"
	if attempt > 0 {
		frame["retry_attempt"], frame["retry_reason"] = attempt, retryReason
		line.Event, line.Reason = "resent", retryReason
	}
	line.body = frame
	s.logWire(line)
	line.body = nil
	sent, wall := s.clock.Now(), s.real.Now()
	within, cancel := s.clock.WithTimeout(s.life, s.within(ackWithin), errNoAck)
	defer cancel()
	guard, unguard := s.real.WithTimeout(s.life, silentBot, nil)
	defer unguard()
	if err := s.send(c, frame); err != nil {
		s.leave(c, "it could not be written to")
		return nil, "connection_lost", false
	}
	guarded := guard.Done()
	resume := func() {}
	defer func() { resume() }()
	for {
		select {
		case a := <-e.acks:
			pretend, real := ms(s.clock.Now().Sub(sent)), ms(s.real.Now().Sub(wall))
			line.Event, line.LatencyMS, line.WallMS, line.Connection, line.Reason = "acked", &pretend, &real, a.conn.id, ""
			if len(a.payload) > 0 {
				line.body = a.payload
			}
			s.logWire(line)
			return a.payload, "", true
		case <-c.gone:
			// Closed after the acknowledgement was read is acknowledged.
			select {
			case a := <-e.acks:
				e.acks <- a
				continue
			default:
			}
			return nil, "connection_lost", false
		case <-within.Done():
			return nil, "timeout", false
		case <-guarded:
			// The bot hangs. Let pretend time pass, so that the time-out comes.
			guarded = nil
			resume = s.clock.Idle()
		}
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// pick chooses the next connection in turn, rather not the one that failed just
// now nor one that is about to leave, and waits when there is none.
func (s *Server) pick(e *envelope, failed *conn) (*conn, error) {
	s.mu.Lock()
	if n := len(s.conns); n > 0 {
		s.turn++
		best := s.conns[s.turn%n]
		for i := range n {
			if c := s.conns[(s.turn+i)%n]; c != failed && !c.leaving {
				best = c
				break
			}
		}
		s.mu.Unlock()
		return best, nil
	}
	w := make(chan grant, 1)
	s.waiters = append(s.waiters, w)
	s.mu.Unlock()
	within, cancel := s.clock.WithTimeout(s.life, e.waits, errNoConnection)
	defer cancel()
	resume := s.clock.Idle()
	defer resume()
	select {
	case g := <-w:
		resume()
		g.done()
		return g.conn, nil
	case <-within.Done():
		resume()
		s.mu.Lock()
		s.waiters = slices.DeleteFunc(s.waiters, func(o chan grant) bool { return o == w })
		s.mu.Unlock()
		select {
		case g := <-w: // it came at the same moment
			g.done()
			return g.conn, nil
		default:
			return nil, errNoConnection
		}
	}
}

func (s *Server) acknowledged(c *conn, b []byte) {
	if len(b) >= ackBytesMax {
		s.logWire(Wire{Event: "ack_dropped", Connection: c.id, Reason: "20 KB or larger"})
		return
	}
	var a struct {
		EnvelopeID string          `json:"envelope_id"`
		Payload    json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(b, &a); err != nil || a.EnvelopeID == "" {
		s.logWire(Wire{Event: "ack_dropped", Connection: c.id, Reason: "not an acknowledgement"})
		return
	}
	s.mu.Lock()
	e := s.pending[a.EnvelopeID]
	s.mu.Unlock()
	if e != nil {
		select {
		case e.acks <- acked{payload: a.Payload, conn: c}:
			return
		default:
		}
	}
	s.logWire(Wire{Event: "acked_again", Connection: c.id, EnvelopeID: a.EnvelopeID})
}
