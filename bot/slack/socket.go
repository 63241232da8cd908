package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"

	"github.com/failoverbot/failoverbot/incident"
)

// connections is how many Socket Mode connections are kept. Slack sends each
// envelope to any one of them, and slack-go closes a connection before it opens
// the next, so with one there would be a gap every few hours.
const connections = 2

// quiet is how long a socket may say nothing, pings included, before it is taken
// for dead. Connections that stay open and deliver nothing have been seen to
// last for hours. Real time: it is about the socket.
const quiet = 75 * time.Second

// ackWithin bounds handing an acknowledgement to the socket. Real time.
const ackWithin = 2 * time.Second

// wire is a connection whose reads fail after a long silence, which makes
// slack-go open a new one.
type wire struct{ net.Conn }

// Read reads, and gives up when nothing comes.
func (w wire) Read(p []byte) (int, error) {
	if err := w.SetReadDeadline(incident.RealClock{}.Now().Add(quiet)); err != nil {
		return 0, err
	}
	return w.Conn.Read(p)
}

// connect keeps one Socket Mode connection until ctx ends or Slack says that the
// token is no good. Nothing is worked on here: each envelope is acknowledged and
// handed over, for a blocked reader loses what follows.
func (b *Face) connect(ctx context.Context, n int) error {
	log := b.log.With().Int("connection", n).Logger()
	smc := socketmode.New(b.client.api, socketmode.OptionDialer(dialer()))
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	var reader sync.WaitGroup
	reader.Go(func() {
		up := false
		defer func() { b.count(&up, false) }()
		for {
			select {
			case <-ctx.Done():
				return
			case ev := <-smc.Events:
				switch ev.Type {
				case socketmode.EventTypeConnected:
					b.count(&up, true)
					log.Debug().Msg("connected to Slack")
				case socketmode.EventTypeConnecting:
					b.count(&up, false)
				case socketmode.EventTypeInvalidAuth:
					stop(tokenError("SLACK_APP_TOKEN", "xapp-", "Slack", slack.SlackErrorResponse{Err: "invalid_auth"}))
				case socketmode.EventTypeConnectionError:
					e, _ := ev.Data.(*slack.ConnectionErrorEvent)
					if e == nil {
						continue
					}
					if fatalAuth(e.ErrorObj) {
						stop(tokenError("SLACK_APP_TOKEN", "xapp-", "Slack", e.ErrorObj))
					}
					log.Warn().Err(e.ErrorObj).Dur("again_in", e.Backoff).Msg("no connection to Slack")
				default:
					b.receive(ctx, log, smc, ev)
				}
			}
		}
	})
	err := smc.RunContext(ctx)
	cause := context.Cause(ctx)
	stop(nil)
	reader.Wait()
	if cause != nil {
		return cause // why it was stopped, or that the bot is stopping
	}
	if fatalAuth(err) {
		return tokenError("SLACK_APP_TOKEN", "xapp-", "Slack", err)
	}
	return fmt.Errorf("keep a connection to Slack: %w", err)
}

func (b *Face) count(up *bool, now bool) {
	if *up == now {
		return
	}
	*up = now
	if now {
		b.up.Add(1)
	} else {
		b.up.Add(-1)
	}
}

// envelope is one delivery, and the connection through which it has to be
// acknowledged.
type envelope struct {
	id  string
	ack func(payload any) error
}

func (b *Face) receive(ctx context.Context, log zerolog.Logger, smc *socketmode.Client, ev socketmode.Event) {
	switch ev.Type {
	case socketmode.EventTypeSlashCommand, socketmode.EventTypeInteractive, socketmode.EventTypeEventsAPI:
	case socketmode.EventTypeErrorBadMessage:
		bad, _ := ev.Data.(*socketmode.ErrorBadMessage)
		if bad == nil {
			return
		}
		log.Error().Err(bad.Cause).Msg("Slack sent something that cannot be read")
		var head struct {
			Envelope string `json:"envelope_id"`
		}
		if json.Unmarshal(bad.Message, &head) == nil && head.Envelope != "" {
			b.envelope(ctx, smc, head.Envelope).quietly(log)
		}
		return
	case socketmode.EventTypeErrorWriteFailed:
		// Slack will send it again, and then it is a repeat that is acknowledged.
		if e, _ := ev.Data.(*socketmode.ErrorWriteFailed); e != nil {
			log.Warn().Err(e.Cause).Msg("an acknowledgement did not get through")
		}
		return
	default: // hello, incoming_error, disconnect
		return
	}
	if ev.Request == nil {
		return
	}
	e := b.envelope(ctx, smc, ev.Request.EnvelopeID)
	// From here the bot has something in hand, also after it has acknowledged.
	done := b.clock.Busy()
	switch data := ev.Data.(type) {
	case slack.SlashCommand:
		e.quietly(log)
		b.once(ctx, done, e, "slack/"+e.id, func(ctx context.Context) { b.command(ctx, e.id, data) })
	case slack.InteractionCallback:
		if data.Type == slack.InteractionTypeViewSubmission {
			b.submit(ctx, done, e, data)
			return
		}
		e.quietly(log)
		if data.Type == slack.InteractionTypeMessageAction && data.CallbackID == noteShortcut {
			b.once(ctx, done, e, shortcutID(data), func(ctx context.Context) { b.putOnRecord(ctx, data) })
			return
		}
		if data.Type != slack.InteractionTypeBlockActions || len(data.ActionCallback.BlockActions) == 0 {
			done()
			return
		}
		b.once(ctx, done, e, clickID(data), func(ctx context.Context) { b.click(ctx, data) })
	case slackevents.EventsAPIEvent:
		e.quietly(log)
		if home, ok := data.InnerEvent.Data.(*slackevents.AppHomeOpenedEvent); ok && home.Tab == "home" {
			id := "home/" + home.User + "/" + home.EventTimeStamp
			b.once(ctx, done, e, id, func(context.Context) { b.homes.open(home.User) })
			return
		}
		mention, ok := data.InnerEvent.Data.(*slackevents.AppMentionEvent)
		if !ok || mention.BotID != "" {
			done()
			return
		}
		id := "mention/" + mention.Channel + "/" + mention.TimeStamp
		b.once(ctx, done, e, id, func(ctx context.Context) { b.mention(ctx, id, mention) })
	default:
		done()
	}
}

func (b *Face) envelope(ctx context.Context, smc *socketmode.Client, id string) envelope {
	return envelope{id: id, ack: func(payload any) error {
		ctx, cancel := incident.RealClock{}.WithTimeout(ctx, ackWithin, errors.New("the socket takes no acknowledgement"))
		defer cancel()
		if err := smc.AckCtx(ctx, id, payload); err != nil {
			return fmt.Errorf("acknowledge %s: %w", id, err)
		}
		return nil
	}}
}

func (e envelope) quietly(log zerolog.Logger) {
	if err := e.ack(nil); err != nil {
		log.Warn().Err(err).Msg("Slack will send this again")
	}
}

// once hands an envelope to a goroutine of its own, unless the envelope, or what
// it is about, was here before. done ends what the caller began with Busy.
func (b *Face) once(ctx context.Context, done func(), e envelope, about string, do func(context.Context)) {
	_, first := b.requests.first(e.id, about)
	if !first {
		b.log.Debug().Str("envelope", e.id).Msg("a repeat")
		done()
		return
	}
	b.spawn(done, func() {
		ctx, cancel := parting(ctx)
		defer cancel()
		do(ctx)
	})
}

// partWithin is how long, in real time, stopping waits for what people asked for.
const partWithin = 3 * time.Second

// parting is a context that outlives ctx for a moment, so that what a person was
// told is under way is finished when the bot is asked to stop.
func parting(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		last, done := incident.RealClock{}.WithTimeout(out, partWithin, errParted)
		defer done()
		<-last.Done()
		cancel()
	})
	return out, func() { stop(); cancel() }
}

var errParted = errors.New("the bot has stopped")

// spawn runs do in a goroutine that Run waits for. A panic is logged and ends
// nothing but that.
func (b *Face) spawn(done func(), do func()) {
	b.workers.Go(func() {
		defer done()
		defer func() {
			if p := recover(); p != nil {
				b.log.Error().Interface("panic", p).Bytes("stack", debug.Stack()).Msg("a request met an error in the bot itself")
			}
		}()
		do()
	})
}

// dedup knows which requests there were, so that a repeat is not taken for a second wish.
// It is a courtesy: the timeline knows repeats by their Request, also after a
// restart.
type dedup struct {
	mu    sync.Mutex
	seen  map[string]*answer
	order []string
}

// answer is what became of an envelope: done is closed when payload is known.
type answer struct {
	done    chan struct{}
	payload any
}

const remembered = 5000

func newDedup() *dedup { return &dedup{seen: map[string]*answer{}} }

// first says whether none of these was there before, and returns the answer that
// all of them share.
func (m *dedup) first(ids ...string) (*answer, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if a := m.seen[id]; a != nil {
			return a, false
		}
	}
	a := &answer{done: make(chan struct{})}
	for _, id := range ids {
		m.seen[id] = a
		m.order = append(m.order, id)
	}
	for len(m.order) > remembered {
		delete(m.seen, m.order[0])
		m.order = m.order[1:]
	}
	return a, true
}
