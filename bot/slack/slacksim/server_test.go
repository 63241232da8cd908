package slacksim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/incident"
)

const (
	botToken = "xoxb-1"
	appToken = "xapp-1"
)

var people = []slacksim.Person{
	{ID: "U1", Name: "Alice", Title: "commander"},
	{ID: "U2", Name: "Bob", Title: "approver"},
	{ID: "U3", Name: "Mallory", Title: "outsider"},
}

// handClock is a clock that a test moves by hand: sleeping and time-outs end
// when Advance passes them.
type handClock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*handTimer]bool
	busy   int
}

type handTimer struct {
	at   time.Time
	fire func()
}

func newHandClock() *handClock {
	return &handClock{now: time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC), timers: map[*handTimer]bool{}}
}

func (c *handClock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *handClock) after(d time.Duration, fire func()) (cancel func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &handTimer{c.now.Add(d), fire}
	c.timers[t] = true
	return func() { c.mu.Lock(); delete(c.timers, t); c.mu.Unlock() }
}

func (c *handClock) Sleep(ctx context.Context, d time.Duration) error {
	resume := c.Idle()
	defer resume()
	woken := make(chan struct{})
	defer c.after(d, func() { close(woken) })()
	select {
	case <-woken:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *handClock) WithTimeout(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := c.after(d, func() { cancel(cause) })
	return ctx, func() { stop(); cancel(context.Canceled) }
}

func (c *handClock) count(n int) func() {
	c.mu.Lock()
	c.busy += n
	c.mu.Unlock()
	return sync.OnceFunc(func() { c.mu.Lock(); c.busy -= n; c.mu.Unlock() })
}
func (c *handClock) Busy() func() { return c.count(1) }
func (c *handClock) Idle() func() { return c.count(-1) }

func (c *handClock) busyNow() int { c.mu.Lock(); defer c.mu.Unlock(); return c.busy }

// Advance moves the time and ends what it passes.
func (c *handClock) Advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	var due []func()
	for t := range c.timers {
		if !t.at.After(c.now) {
			due = append(due, t.fire)
			delete(c.timers, t)
		}
	}
	c.mu.Unlock()
	for _, fire := range due {
		fire()
	}
}

// waiting waits until so many sleep or have a time-out.
func (c *handClock) waiting(t *testing.T, n int) {
	t.Helper()
	until(t, "somebody waits on the clock", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.timers) >= n })
}

// until polls for a condition that another goroutine brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("it did not happen: %s", what)
		}
	}
}

// safeBuffer can be written and read at once.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) lines(t *testing.T) []map[string]any {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []map[string]any
	for line := range strings.Lines(s.b.String()) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		out = append(out, o)
	}
	return out
}

type world struct {
	*slacksim.Server
	t              *testing.T
	clock          *handClock
	api            *slack.Client
	wire, messages *safeBuffer
}

func start(t *testing.T, change ...func(*slacksim.Options)) *world {
	t.Helper()
	w := &world{t: t, clock: newHandClock(), wire: &safeBuffer{}, messages: &safeBuffer{}}
	o := slacksim.Options{Clock: w.clock, BotToken: botToken, AppToken: appToken, People: people, Wire: w.wire, Messages: w.messages}
	for _, f := range change {
		f(&o)
	}
	s, err := slacksim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.Server = s
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	w.api = w.client(botToken, appToken)
	return w
}

func (w *world) client(bot, app string) *slack.Client {
	return slack.New(bot, slack.OptionAppLevelToken(app), slack.OptionAPIURL(w.APIURL()), slack.OptionLog(log.New(io.Discard, "", 0)))
}

// connect opens a Socket Mode connection; handle gets what arrives.
func (w *world) connect(handle func(*socketmode.Client, socketmode.Event)) *socketmode.Client {
	w.t.Helper()
	sm := socketmode.New(w.api, socketmode.OptionLog(log.New(io.Discard, "", 0)))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = sm.RunContext(ctx) })
	hello := make(chan struct{}, 100)
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-sm.Events:
				if e.Type == socketmode.EventTypeHello {
					hello <- struct{}{}
				}
				if e.Request != nil && e.Request.EnvelopeID != "" || e.Type == socketmode.EventTypeErrorBadMessage {
					handle(sm, e)
				}
			}
		}
	})
	w.t.Cleanup(func() { cancel(); wg.Wait() })
	<-hello
	return sm
}

// do is a person's deed.
func (w *world) do(verb string, d slacksim.Deed) slacksim.Outcome {
	w.t.Helper()
	b, err := json.Marshal(d)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.Post(w.URL()+"rehearsal/"+verb, "application/json", bytes.NewReader(b))
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var raw struct {
		slacksim.Outcome
		View json.RawMessage `json:"view"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&raw); err != nil {
		w.t.Fatal(err)
	}
	return raw.Outcome
}

func plain(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, text, false, false)
}

func button(action, value, text string) *slack.ActionBlock {
	return slack.NewActionBlock("b1", slack.NewButtonBlockElement(action, value, plain(text)))
}

func TestACommandIsAcknowledgedAndAnsweredThroughTheWebAPI(t *testing.T) {
	w := start(t)
	got := make(chan slack.SlashCommand, 1)
	w.connect(func(sm *socketmode.Client, e socketmode.Event) {
		cmd, ok := e.Data.(slack.SlashCommand)
		if !ok {
			t.Errorf("got %T", e.Data)
		}
		_ = sm.Ack(*e.Request, map[string]any{"text": "on it"})
		got <- cmd
	})
	if out := w.do("command", slacksim.Deed{As: "U1", Channel: "incident-response", Text: "/failover start us-west-2"}); !out.OK {
		t.Fatalf("%+v", out)
	}
	cmd := <-got
	if cmd.Command != "/failover" || cmd.Text != "start us-west-2" || cmd.UserID != "U1" || cmd.ChannelID != "C0INCIDENT" || cmd.TriggerID == "" {
		t.Errorf("%+v", cmd)
	}
	if e := w.Ephemerals("U1"); len(e) != 1 || e[0].Text != "on it" {
		t.Errorf("the acknowledgement's text is for Alice alone, got %+v", e)
	}
	if _, _, err := w.api.PostMessage("C0INCIDENT", slack.MsgOptionText("started", false), slack.MsgOptionMetadata(slack.SlackMetadata{
		EventType: "failoverbot", EventPayload: map[string]any{"key": "card"},
	})); err != nil {
		t.Fatal(err)
	}
	// The response URL works five times and for half an hour.
	for i := range 6 {
		err := slack.PostWebhook(cmd.ResponseURL, &slack.WebhookMessage{Text: "again", ResponseType: "in_channel"})
		if (err == nil) != (i < 5) {
			t.Errorf("answer %d: %v", i+1, err)
		}
	}
	if m := w.Messages("#incident-response"); len(m) != 6 || m[0].Metadata["event_type"] != "failoverbot" || m[0].BotID == "" {
		t.Errorf("%d messages: %+v", len(m), m)
	}
	history, err := w.api.GetConversationHistory(&slack.GetConversationHistoryParameters{ChannelID: "C0INCIDENT", IncludeAllMetadata: true, Limit: 100})
	if err != nil || len(history.Messages) != 6 || history.Messages[5].Metadata.EventPayload["key"] != "card" {
		t.Errorf("%+v, %v", history, err)
	}
	if n := w.clock.busyNow(); n != 0 {
		t.Errorf("the server is still busy %d times", n)
	}
}

var _ incident.Clock = (*handClock)(nil)
