package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/sim"
)

const channel = "C0INCIDENT"

// stage is a Slack, a record and a clock at top speed. The test itself is busy,
// so nothing moves but while it sleeps on the clock.
type stage struct {
	t        testing.TB
	ctx      context.Context
	clock    incident.Clock
	slack    *slacksim.Server
	log      incident.Log
	messages *lines
	wire     *lines
	logged   *lines
	answer   func(context.Context, commands.Ask) commands.Answer
	asked    chan commands.Ask
	change   func(*Options, *Client)
	face     *Face  // that was started last
	end      func() // for a test that needs several stages
}

// lines is written by one side and read by the other.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write keeps p.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Do is what the test wants to be answered.
func (s *stage) Do(ctx context.Context, ask commands.Ask) commands.Answer {
	s.asked <- ask
	return s.answer(ctx, ask)
}

func newStage(t testing.TB) *stage {
	t.Helper()
	clock := sim.NewClock(began.Add(9*time.Minute), sim.Max)
	t.Cleanup(clock.Close)
	return newStageOn(t, clock)
}

// everyone is who is in the workspace.
var everyone = []slacksim.Person{{ID: "UALICE", Name: "Alice"}, {ID: "UBOB", Name: "Bob"}, {ID: "UCAROL", Name: "Carol"}, {ID: "UEVE", Name: "Eve"}}

func newStageOn(t testing.TB, clock incident.Clock) *stage {
	t.Helper()
	return newStageWith(t, clock, everyone)
}

func newStageWith(t testing.TB, clock incident.Clock, people []slacksim.Person) *stage {
	t.Helper()
	busy := clock.Busy()
	s := &stage{
		t: t, clock: clock, log: enginetest.NewMemory(), messages: &lines{}, wire: &lines{}, logged: &lines{},
		asked: make(chan commands.Ask, 10000),
		answer: func(context.Context, commands.Ask) commands.Answer {
			return commands.Answer{Text: text.Format("noted")}
		},
	}
	// The guard is real time: a test that hangs says so.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	s.ctx = ctx
	var err error
	s.slack, err = slacksim.New(slacksim.Options{
		Clock: clock, BotToken: "xoxb-1", AppToken: "xapp-1", Messages: s.messages, Wire: s.wire,
		People: people, Groups: userGroups,
		Shortcuts: []slacksim.Shortcut{{CallbackID: noteShortcut, Name: "Put on the record"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.slack.Run(ctx) }()
	s.end = sync.OnceFunc(func() {
		busy()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log:\n%s", s.logged)
		}
	})
	t.Cleanup(s.end)
	return s
}

// start brings a bot to life, and returns what kills it: it stops at once, and
// all it started has ended.
func (s *stage) start(log incident.Log) (kill func()) {
	s.t.Helper()
	logger := zerolog.New(s.logged)
	client, err := Dial(s.ctx, Settings{BotToken: "xoxb-1", AppToken: "xapp-1", APIURL: s.slack.APIURL()}, s.clock, logger)
	if err != nil {
		s.t.Fatal(err)
	}
	o := Options{
		Client: client, Channel: channel, Commands: s, Book: incident.NewBook(log), Clock: s.clock, Roster: roster,
		Review: func(_ context.Context, id incident.ID) (commands.File, error) {
			return commands.File{Name: "review-" + string(id) + ".md", Title: "Review", Content: []byte("# Review\n\n## Summary\n\n## Timeline\n")}, nil
		},
	}
	if s.change != nil {
		s.change(&o, client)
	}
	b, err := New(o, logger)
	if err != nil {
		s.t.Fatal(err)
	}
	s.face = b
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan error, 1)
	busy := s.clock.Busy()
	go func() {
		busy()
		done <- b.Run(ctx)
	}()
	for b.Connections() < connections && ctx.Err() == nil {
		s.sleep(10 * time.Millisecond)
	}
	kill = sync.OnceFunc(func() {
		cancel()
		resume := s.clock.Idle()
		err := <-done
		resume()
		client.Close()
		if err != nil {
			s.t.Errorf("the bot ended with: %v", err)
		}
	})
	s.t.Cleanup(kill)
	return kill
}

// sleep lets pretend time pass, and everything that is due happen.
func (s *stage) sleep(d time.Duration) {
	s.t.Helper()
	if err := s.clock.Sleep(s.ctx, d); err != nil {
		s.t.Fatalf("the clock: %v", err)
	}
}

// open declares the incident.
func (s *stage) open() incident.ID {
	s.t.Helper()
	id, err := s.log.Reserve(s.ctx, s.clock.Now(), "test at "+s.clock.Now().String())
	if err != nil {
		s.t.Fatal(err)
	}
	p := smallPlan("unplanned")
	bodies := declared("unplanned", p)
	d := bodies[0].(incident.IncidentDeclared)
	d.Incident = id
	bodies[0] = d
	s.happen(id, "UALICE", bodies...)
	return id
}

func (s *stage) happen(id incident.ID, actor string, bodies ...incident.Body) {
	s.t.Helper()
	book := incident.NewBook(s.log)
	_, err := book.Decide(s.ctx, id, func(*incident.State) (incident.Write, error) {
		var w incident.Write
		for _, b := range bodies {
			w.Events = append(w.Events, incident.Event{Time: s.clock.Now(), Actor: actor, Body: b})
		}
		return w, nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// play tells the rest of the story, with the pauses it has.
func (s *stage) play(id incident.ID, tell *story) {
	s.t.Helper()
	for i, e := range tell.events {
		if i < 2 {
			continue // declared already
		}
		if gap := e.Time.Sub(tell.events[i-1].Time); gap > 0 {
			s.sleep(gap)
		}
		s.happen(id, e.Actor, e.Body)
	}
}

// whole is the story from the beginning to the end.
func whole() *story {
	return newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted().mitigated().resolved()
}

// keys counts the messages of an incident by their key.
func (s *stage) keys(id incident.ID) map[string]int {
	n := map[string]int{}
	for _, m := range s.slack.Messages(channel) {
		p, _ := m.Metadata["event_payload"].(map[string]any)
		if p["incident"] == string(id) {
			n[p["key"].(string)]++
		}
	}
	return n
}

func (s *stage) message(key string) (slacksim.Message, bool) {
	for _, m := range s.slack.Messages(channel) {
		p, _ := m.Metadata["event_payload"].(map[string]any)
		if p["key"] == key {
			return m, true
		}
	}
	return slacksim.Message{}, false
}

// as is what a person does on the page.
func (s *stage) as(person, deed string, d slacksim.Deed) slacksim.Outcome {
	s.t.Helper()
	d.As, d.Paced = person, true
	body, err := json.Marshal(d)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.Post(s.slack.URL()+"rehearsal/"+deed, "application/json", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	var o slacksim.Outcome
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		s.t.Fatal(err)
	}
	return o
}

// next is what was asked next.
func (s *stage) next() commands.Ask {
	s.t.Helper()
	select {
	case a := <-s.asked:
		return a
	default:
		s.t.Fatal("nothing more was asked")
		return commands.Ask{}
	}
}

// shows is all that a message shows.
func shows(m slacksim.Message) string {
	var b strings.Builder
	_ = json.NewEncoder(&b).Encode(m.Blocks)
	return m.Text + "\n" + b.String()
}

// dying is a Log that breaks one call: the n-th that keeps where something was said.
type dying struct {
	incident.Log
	mu   sync.Mutex
	left int
	die  func()
}

var errDied = errors.New("the bot died here")

// Remember breaks when its time has come.
func (d *dying) Remember(ctx context.Context, id incident.ID, key string, p incident.Place) error {
	d.mu.Lock()
	d.left--
	dead := d.left < 0
	d.mu.Unlock()
	if dead {
		d.die()
		return errDied
	}
	return d.Log.Remember(ctx, id, key, p)
}

// breaking is a Log that breaks some of the calls that keep where something was said.
type breaking struct {
	incident.Log
	mu sync.Mutex
	n  int
	at map[int]bool
}

// Remember breaks when its time has come.
func (b *breaking) Remember(ctx context.Context, id incident.ID, key string, p incident.Place) error {
	b.mu.Lock()
	b.n++
	broken := b.at[b.n]
	b.mu.Unlock()
	if broken {
		return errDied
	}
	return b.Log.Remember(ctx, id, key, p)
}

// meddler changes what comes back from Slack for one call.
type meddler struct {
	http.RoundTripper
	mu     sync.Mutex
	meddle func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error)
}

// RoundTrip lets the test have a say.
func (m *meddler) RoundTrip(r *http.Request) (*http.Response, error) {
	return m.meddle(r, func() (*http.Response, error) { return m.RoundTripper.RoundTrip(r) })
}

func says(r *http.Request, body string) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

func copyTo(b *strings.Builder, r io.ReadCloser) (int64, error) {
	defer func() { _ = r.Close() }()
	return io.Copy(b, r)
}

// keyOf is what a message of the bot says that it is.
func keyOf(m slacksim.Message) string {
	p, _ := m.Metadata["event_payload"].(map[string]any)
	key, _ := p["key"].(string)
	return key
}
