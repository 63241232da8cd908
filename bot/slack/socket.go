package slack

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
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

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
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

// How long the bot waits before it asks again for a connection that Slack refused:
// doubled each time. slack-go would double up to five minutes, and the bot would stay
// away for minutes after Slack is back. Real time.
const (
	againFirst = 100 * time.Millisecond
	againMost  = 10 * time.Second
)

// connect keeps one Socket Mode connection until ctx ends or Slack says that the
// token is no good.
func (b *Face) connect(ctx context.Context, n int) error {
	log := b.log.With().Int("connection", n).Logger()
	for wait := againFirst; ; wait = min(2*wait, againMost) {
		err := b.session(ctx, log)
		no, refused := errors.AsType[*refusal](err)
		if !refused {
			return err
		}
		if no.connected {
			wait = againFirst
		}
		after := max(wait, no.after)
		log.Warn().Err(no.err).Dur("again_in", after).Msg("no connection to Slack")
		if err := (incident.RealClock{}).Sleep(ctx, after); err != nil {
			return context.Cause(ctx)
		}
	}
}

// refusal is a connection that Slack refused.
type refusal struct {
	err error
	// after is how long Slack asked to be left alone.
	after time.Duration
	// connected says that there was a connection before.
	connected bool
}

func (r *refusal) Error() string { return r.err.Error() }

func (r *refusal) Unwrap() error { return r.err }

// session keeps a connection, with those that follow it when Slack asks for a new
// one, until one is refused. Nothing is worked on here: each envelope is acknowledged
// and handed over, for a blocked reader loses what follows. What was handed over
// outlives the connection.
func (b *Face) session(ctx context.Context, log zerolog.Logger) error {
	smc := socketmode.New(b.client.api, socketmode.OptionDialer(dialer()))
	connection, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	var reader sync.WaitGroup
	reader.Go(func() {
		up, ever := false, false
		defer func() { b.count(&up, false) }()
		for {
			select {
			case <-connection.Done():
				return
			case ev := <-smc.Events:
				switch ev.Type {
				case socketmode.EventTypeConnected:
					ever = true
					b.count(&up, true)
					log.Debug().Msg("connected to Slack")
				case socketmode.EventTypeConnecting:
					b.count(&up, false)
				case socketmode.EventTypeInvalidAuth:
					stop(tokenError("SLACK_APP_TOKEN", "xapp-", "Slack", slack.SlackErrorResponse{Err: "invalid_auth"}))
				case socketmode.EventTypeConnectionError:
					e, _ := ev.Data.(*slack.ConnectionErrorEvent)
					switch {
					case e == nil:
					case fatalAuth(e.ErrorObj):
						stop(tokenError("SLACK_APP_TOKEN", "xapp-", "Slack", e.ErrorObj))
					default:
						stop(&refusal{err: e.ErrorObj, after: e.Backoff, connected: ever})
					}
				default:
					b.receive(ctx, log, smc, ev)
				}
			}
		}
	})
	err := smc.RunContext(connection)
	cause := context.Cause(connection)
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
	case socketmode.EventTypeHello:
		b.hello(log, ev.Request)
		return
	case socketmode.EventTypeErrorBadMessage:
		bad, _ := ev.Data.(*socketmode.ErrorBadMessage)
		if bad == nil {
			return
		}
		b.unreadable(ctx, log, smc, bad)
		return
	case socketmode.EventTypeIncomingError:
		if e, _ := ev.Data.(*slack.IncomingEventError); e != nil && ctx.Err() == nil {
			log.Warn().Str("error", cut(e.Error(), 300)).Msg("a frame from Slack could not be read")
		}
		return
	case socketmode.EventTypeErrorWriteFailed:
		// Slack will send it again, and then it is a repeat that is acknowledged.
		if e, _ := ev.Data.(*socketmode.ErrorWriteFailed); e != nil {
			log.Warn().Err(e.Cause).Msg("an acknowledgement did not get through")
		}
		return
	default: // disconnect
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
		b.typed(ctx, log, done, e, data)
	case slack.InteractionCallback:
		if data.Type == slack.InteractionTypeViewSubmission {
			if why := b.foreign(ofInteraction(data)); !why.Empty() {
				notice := b.face.modal(&commands.Form{Title: "Nothing was done", Text: why})
				e.with(log, slack.NewUpdateViewSubmissionResponse(&notice))
				b.away(ctx, log, done, e, ofInteraction(data), why)
				return
			}
			b.submit(ctx, done, e, data)
			return
		}
		e.quietly(log)
		if data.Type == slack.InteractionTypeMessageAction && data.CallbackID == noteShortcut {
			b.admit(ctx, log, done, e, ofInteraction(data), shortcutID(data), func(ctx context.Context) { b.putOnRecord(ctx, data) })
			return
		}
		if data.Type != slack.InteractionTypeBlockActions || len(data.ActionCallback.BlockActions) == 0 {
			done()
			return
		}
		b.admit(ctx, log, done, e, ofInteraction(data), clickID(data), func(ctx context.Context) { b.click(ctx, data) })
	case slackevents.EventsAPIEvent:
		e.quietly(log)
		from := ofEvent(data)
		if home, ok := data.InnerEvent.Data.(*slackevents.AppHomeOpenedEvent); ok && home.Tab == "home" {
			id := known("home/" + home.User + "/" + home.EventTimeStamp)
			b.admit(ctx, log, done, e, from, id, func(ctx context.Context) { b.openHome(ctx, home.User) })
			return
		}
		mention, ok := data.InnerEvent.Data.(*slackevents.AppMentionEvent)
		if !ok || mention.BotID != "" {
			done()
			return
		}
		id := known("mention/" + mention.Channel + "/" + mention.TimeStamp)
		b.admit(ctx, log, done, e, from, id, func(ctx context.Context) { b.mention(ctx, id, mention) })
	default:
		done()
	}
}

// typed takes a slash command in.
func (b *Face) typed(ctx context.Context, log zerolog.Logger, done func(), e envelope, c slack.SlashCommand) {
	b.admit(ctx, log, done, e, ofCommand(c), "slack/"+e.id, func(ctx context.Context) { b.command(ctx, e.id, c) })
}

// admit hands an envelope over that is for this bot, and turns another one away.
func (b *Face) admit(ctx context.Context, log zerolog.Logger, done func(), e envelope, from origin, about string, do func(context.Context)) {
	if why := b.foreign(from); !why.Empty() {
		b.away(ctx, log, done, e, from, why)
		return
	}
	b.once(ctx, done, e, about, do)
}

func (b *Face) away(ctx context.Context, log zerolog.Logger, done func(), e envelope, from origin, why text.Text) {
	b.once(ctx, done, e, "away/"+e.id, func(ctx context.Context) { b.turnAway(ctx, log, e.id, from, why) })
}

// hello says which app the connection is for.
func (b *Face) hello(log zerolog.Logger, hello *socketmode.Request) {
	if hello == nil || hello.ConnectionInfo.AppID == "" {
		log.Warn().Msg("Slack did not say for which app this connection is, so the app of what comes is not compared")
		return
	}
	app := hello.ConnectionInfo.AppID
	if !b.app.CompareAndSwap(nil, &app) && *b.app.Load() != app {
		log.Error().Str("app", short40(app)).Msg("this connection is for another app than the first one; what comes by it is turned away")
	}
}

// unreadable acknowledges what could not be read, so that it does not come again,
// and tells the person behind it.
func (b *Face) unreadable(ctx context.Context, log zerolog.Logger, smc *socketmode.Client, bad *socketmode.ErrorBadMessage) {
	l := readable(bad.Message)
	log.Error().Str("error", cut(bad.Cause.Error(), 300)).Str("envelope", short40(l.id)).Str("type", short40(l.kind)).Msg("Slack sent something that cannot be read")
	e := b.envelope(ctx, smc, l.id)
	if l.id != "" {
		e.quietly(log)
	}
	done := b.clock.Busy()
	if c, ok := l.command(); ok {
		b.typed(ctx, log, done, e, c)
		return
	}
	b.once(ctx, done, e, "illegible/"+e.id, func(ctx context.Context) { b.illegible(ctx, log, l) })
}

// envelope is one delivery. One that came without an id is like no other, and cannot
// be acknowledged.
func (b *Face) envelope(ctx context.Context, smc *socketmode.Client, id string) envelope {
	if id == "" {
		return envelope{id: "unnamed/" + rand.Text(), ack: func(any) error { return errNoEnvelope }}
	}
	return envelope{id: known(id), ack: func(payload any) error {
		ctx, cancel := incident.RealClock{}.WithTimeout(ctx, ackWithin, errors.New("the socket takes no acknowledgement"))
		defer cancel()
		if err := smc.AckCtx(ctx, id, payload); err != nil {
			return fmt.Errorf("acknowledge %s: %w", short40(id), err)
		}
		return nil
	}}
}

var errNoEnvelope = errors.New("it came without an envelope id, so it cannot be acknowledged")

// knownMax is how long an identity from outside may be before a digest stands for it.
const knownMax = 250

// known is an identity that Slack gave, for the record and the log: as it is, unless
// it is so long that it is none of Slack's.
func known(id string) string {
	if len(id) <= knownMax {
		return id
	}
	return fmt.Sprintf("%s/%x", short40(id), sha256.Sum256([]byte(id)))
}

func (e envelope) quietly(log zerolog.Logger) { e.with(log, nil) }

func (e envelope) with(log zerolog.Logger, payload any) {
	if err := e.ack(payload); err != nil {
		log.Warn().Err(err).Msg("an envelope was not acknowledged; Slack may send it again")
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
