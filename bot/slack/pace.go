package slack

import (
	"context"
	"errors"
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
		"chat.postMessage":       postRate,
		"chat.update":            tier3,
		"conversations.history":  tier3,
		"conversations.replies":  tier3,
		"conversations.open":     tier3,
		"chat.postEphemeral":     tier4,
		"views.open":             tier4,
		"views.publish":          tier4,
		"conversations.info":     tier3,
		"conversations.setTopic": tier2,
		"pins.add":               tier2,
		"pins.remove":            tier2,
		"files.upload":           {18, 5},
		"response_url":           {30000, 1000}, // only its five uses are limited
	}
)

// tries is how often a call is sent before a 429 is somebody else's problem.
const tries = 6

// pacer makes calls wait their turn. It is handed the time, so a rehearsal at
// top speed keeps to the same rates on its own clock.
type pacer struct {
	clock  incident.Clock
	mu     sync.Mutex
	limits map[string]*rate.Limiter
	closed map[string]time.Time // after a 429: not before
}

func newPacer(clock incident.Clock) *pacer {
	return &pacer{clock: clock, limits: map[string]*rate.Limiter{}, closed: map[string]time.Time{}}
}

func (p *pacer) limiter(key string, a allowance) *rate.Limiter {
	l := p.limits[key]
	if l == nil {
		l = rate.NewLimiter(rate.Limit(a.perMinute/60), a.burst)
		p.limits[key] = l
	}
	return l
}

// wait returns when the call may be made. The caller is busy by the clock.
func (p *pacer) wait(ctx context.Context, method, channel string) error {
	p.mu.Lock()
	now := p.clock.Now()
	a, ok := allowances[method]
	if !ok {
		a = otherRate
	}
	key := method
	if method == "chat.postMessage" {
		key += " " + channel
	}
	delay := p.limiter(key, a).ReserveN(now, 1).DelayFrom(now)
	if method == "chat.postMessage" {
		delay = max(delay, p.limiter(method, postAllRate).ReserveN(now, 1).DelayFrom(now))
	}
	delay = max(delay, p.closed[key].Sub(now))
	p.mu.Unlock()
	if delay <= 0 {
		return context.Cause(ctx)
	}
	return p.clock.Sleep(ctx, delay)
}

// close keeps everybody from calling before Slack wants to be asked again.
func (p *pacer) close(method, channel string, d time.Duration) {
	if method == "chat.postMessage" {
		method += " " + channel
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := p.clock.Now().Add(d); until.After(p.closed[method]) {
		p.closed[method] = until
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
		c.log.Debug().Str("method", method).Dur("after", limited.RetryAfter).Msg("Slack asked to wait")
		c.pace.close(method, channel, max(limited.RetryAfter, time.Second))
	}
}
