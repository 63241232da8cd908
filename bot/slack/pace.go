package slack

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/slack-go/slack"
	"golang.org/x/time/rate"

	"github.com/failoverbot/failoverbot/incident"
)

// allowance is how often a method may be called: bursts stay below what Slack
// lets pass, rates a little below what it publishes.
type allowance struct {
	perMinute float64
	burst     int
}

// https://docs.slack.dev/apis/web-api/rate-limits
var (
	postRate    = allowance{55, 3}   // chat.postMessage, each channel: one a second
	postAllRate = allowance{240, 30} // chat.postMessage, the workspace
	tier2       = allowance{18, 5}
	tier3       = allowance{45, 12}
	tier4       = allowance{90, 20}
	otherRate   = allowance{300, 50}

	allowances = map[string]allowance{
		"apps.connections.open":  {50, 10},
		methodPost:               postRate,
		"chat.update":            tier3,
		"conversations.history":  tier3,
		"conversations.replies":  tier3,
		"conversations.open":     tier3,
		"chat.postEphemeral":     tier4,
		"views.open":             tier4,
		"views.publish":          tier4,
		methodPerson:             tier4,
		methodGroup:              tier2,
		methodMembers:            tier4,
		"conversations.info":     tier3,
		"conversations.setTopic": tier2,
		"pins.add":               tier2,
		"pins.remove":            tier2,
		"files.upload":           {18, 5},
	}
)

const (
	methodPost    = "chat.postMessage"
	methodPerson  = "users.info"
	methodGroup   = "usergroups.users.list"
	methodMembers = "conversations.members"
	// methodResponse is an answer through a response_url. Only its five uses within
	// half an hour are limited, so it waits for nobody, and one that Slack slows down
	// slows down no other.
	methodResponse = "response_url"
)

// tries is how often a call is sent before a 429 is somebody else's problem.
const tries = 6

// rank is how soon a call has its turn while others wait for the same method.
type rank int

const (
	// rankShow is what the channel has to show: questions, the card, updates. It is the
	// rank of a call that names none.
	rankShow rank = iota
	// rankAnswer is what a person decides by: forms, and what became of their word.
	rankAnswer
	// rankRemark can come late: that a note was taken, and refusals.
	rankRemark
)

// turn is whose call it is, and until when it is of use.
type turn struct {
	rank rank
	// person is who waits for it, so that nobody waits behind all that one person
	// asked for. Empty: the bot itself.
	person string
	// until is when it is of no use any more; zero: it always is.
	until time.Time
	// must is not dropped because much waits already.
	must bool
}

type turnKey struct{}

// asTurn marks the calls of ctx. It stands in the context because a message passes
// through several functions that have nothing else to do with it.
func asTurn(ctx context.Context, t turn) context.Context {
	return context.WithValue(ctx, turnKey{}, t)
}

func turnOf(ctx context.Context) turn {
	t, _ := ctx.Value(turnKey{}).(turn)
	return t
}

const (
	// waitingMax is how many calls of one person, or of the bot for itself, may wait
	// in one queue, and waitingAllMax how many of everybody's below rankShow.
	waitingMax    = 10
	waitingAllMax = 200
)

var (
	// errCrowded says that so much waits already that this was dropped.
	errCrowded = errors.New("too much waits to be said to Slack, so this was dropped")
	// errExpired says that the turn of a call would come, or came, when it was of no
	// use any more.
	errExpired = errors.New("its turn did not come in time")
)

// pacer makes calls wait their turn. It is handed the time, so a rehearsal at
// top speed keeps to the same rates on its own clock.
//
// Each method, and chat.postMessage each channel, has a queue. Who is next is
// decided when the rate lets one pass and not when it came: by rank, then the
// person who was served longest ago, then by arrival. What decides always finds a
// part of the burst left, for calls of rank rankRemark leave it alone.
type pacer struct {
	clock  incident.Clock
	mu     sync.Mutex
	queues map[string]*queue
	all    *rate.Limiter // chat.postMessage in all channels
}

// queue is what waits for one allowance.
type queue struct {
	limiter *rate.Limiter
	reserve int // of the burst, kept from rank rankRemark
	shared  *rate.Limiter
	closed  time.Time // after a 429: not before
	waiting []*waiter
	served  map[string]uint64 // person -> when they had their last turn
	turns   uint64
}

type waiter struct {
	turn   turn
	passed bool
	wakeUp wakeUp
}

func newPacer(clock incident.Clock) *pacer {
	return &pacer{clock: clock, queues: map[string]*queue{}, all: limiter(postAllRate)}
}

func limiter(a allowance) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(a.perMinute/60), a.burst)
}

// queue is called with mu held.
func (p *pacer) queue(method, channel string) *queue {
	key := method
	if method == methodPost {
		key += " " + channel
	}
	q := p.queues[key]
	if q == nil {
		a, ok := allowances[method]
		if !ok {
			a = otherRate
		}
		q = &queue{limiter: limiter(a), reserve: a.burst / 3, served: map[string]uint64{}}
		if method == methodPost {
			q.shared = p.all
		}
		p.queues[key] = q
	}
	return q
}

// delay is how long it is until so many calls of a rank may pass.
func (q *queue) delay(now time.Time, r rank, calls int) time.Duration {
	need := float64(calls)
	if r == rankRemark {
		need += float64(q.reserve)
	}
	d := max(missing(q.limiter, now, need), q.closed.Sub(now))
	if q.shared != nil {
		d = max(d, missing(q.shared, now, need))
	}
	return max(d, 0)
}

// missing is how long it takes until a limiter has so many tokens.
func missing(l *rate.Limiter, now time.Time, need float64) time.Duration {
	lack := need - l.TokensAt(now)
	if lack <= 1e-9 {
		return 0
	}
	// Rounded up: whoever wakes a nanosecond early finds nothing and waits again.
	return time.Duration(math.Ceil(lack/float64(l.Limit())*1e6)) * time.Microsecond
}

// best is whose turn is next. Called with something waiting.
func (q *queue) best() *waiter {
	return slices.MinFunc(q.waiting, func(a, b *waiter) int { // the first of equals
		if a.turn.rank != b.turn.rank {
			return int(a.turn.rank) - int(b.turn.rank)
		}
		x, y := q.served[a.turn.person], q.served[b.turn.person]
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
}

// pass lets the best that waits go.
func (q *queue) pass(now time.Time) {
	w := q.best()
	q.limiter.AllowN(now, 1)
	if q.shared != nil {
		q.shared.AllowN(now, 1)
	}
	q.turns++
	q.served[w.turn.person] = q.turns
	q.leave(w)
	if len(q.waiting) == 0 && len(q.served) > waitingAllMax {
		clear(q.served) // nobody is there whom it could be unfair to
	}
	w.passed = true
	w.wakeUp.signal()
}

func (q *queue) leave(w *waiter) {
	q.waiting = slices.DeleteFunc(q.waiting, func(o *waiter) bool { return o == w })
}

// crowded says that no more may wait of that turn's kind.
func (q *queue) crowded(t turn) bool {
	if t.rank == rankShow || t.must {
		return false // the bot's own, one at a time
	}
	own, all := 0, 0
	for _, w := range q.waiting {
		if w.turn.rank == rankShow {
			continue
		}
		all++
		if w.turn.person == t.person {
			own++
		}
	}
	return own >= waitingMax || all >= waitingAllMax
}

// sleepMax is how long a call sleeps that is not the one that watches the rate: it
// is woken when its turn has come.
const sleepMax = time.Hour

// wait returns when the call may be made: nil then, errCrowded or errExpired when it
// will not be, or why ctx ended. The caller is busy by the clock.
func (p *pacer) wait(ctx context.Context, method, channel string) error {
	if method == methodResponse {
		return context.Cause(ctx)
	}
	t := turnOf(ctx)
	p.mu.Lock()
	q := p.queue(method, channel)
	if len(q.waiting) > 0 && q.crowded(t) {
		p.mu.Unlock()
		return errCrowded
	}
	w := &waiter{turn: t, wakeUp: wakeUp{clock: p.clock}}
	q.waiting = append(q.waiting, w)
	for {
		now := p.clock.Now()
		late := !t.until.IsZero() && !now.Before(t.until)
		switch {
		case ctx.Err() != nil, late && !w.passed:
			p.goAway(q, w)
			p.mu.Unlock()
			if err := context.Cause(ctx); err != nil {
				return err
			}
			return errExpired
		case w.passed:
			p.mu.Unlock()
			return nil
		}
		// The first that waits watches for everybody; whose turn it then is may be
		// another's.
		sleep := sleepMax
		if q.waiting[0] == w || q.best() == w {
			delay := q.delay(now, q.best().turn.rank, 1)
			if delay <= 0 {
				first := q.waiting[0]
				q.pass(now)
				if len(q.waiting) > 0 && (w.passed || q.waiting[0] != first) {
					q.waiting[0].wakeUp.signal() // who watches from here
				}
				continue
			}
			sleep = delay
		}
		if !t.until.IsZero() {
			sleep = min(sleep, t.until.Sub(now))
		}
		p.mu.Unlock()
		_ = w.wakeUp.sleep(ctx, sleep, nil)
		p.mu.Lock()
	}
}

// free says that so many calls of that rank would all pass at once. It keeps no place
// for them.
func (p *pacer) free(method string, r rank, calls int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.queue(method, "")
	return len(q.waiting) == 0 && q.delay(p.clock.Now(), r, calls) <= 0
}

// goAway takes a waiter out that will not pass. Called with mu held.
func (p *pacer) goAway(q *queue, w *waiter) {
	if w.passed {
		return // its token is spent; nobody is worse off than by a call
	}
	watched := q.waiting[0] == w
	q.leave(w)
	if watched && len(q.waiting) > 0 {
		q.waiting[0].wakeUp.signal()
	}
}

// close keeps everybody from calling before Slack wants to be asked again.
func (p *pacer) close(method, channel string, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.queue(method, channel)
	if until := p.clock.Now().Add(d); until.After(q.closed) {
		q.closed = until
	}
}

// call makes a Web API call when its turn has come, and again when Slack says
// that it came too early: then nothing has happened. No other error is tried
// again here, for after a lost answer the message may be there.
func (c *Client) call(ctx context.Context, method, channel string, do func(context.Context) error) error {
	for try := 1; ; try++ {
		if err := c.pace.wait(ctx, method, channel); err != nil {
			return err
		}
		err := do(ctx)
		var limited *slack.RateLimitedError
		if !errors.As(err, &limited) {
			if code(err) != "ratelimited" {
				return err
			}
			limited = &slack.RateLimitedError{RetryAfter: time.Second}
		}
		if try == tries {
			return err
		}
		after := max(limited.RetryAfter, time.Second)
		c.log.Debug().Str("method", method).Dur("after", after).Msg("Slack asked to wait")
		if method != methodResponse {
			c.pace.close(method, channel, after)
		} else if err := c.clock.Sleep(ctx, after); err != nil {
			return err
		}
	}
}
