package slacksim

import (
	"math"
	"time"
)

// tier is how often a method may be called: so many at once, then so many a
// minute. Slack publishes the rate and promises "short bursts" without a number;
// the bursts here are on the small side, so that whoever gets by here gets by
// there.
type tier struct {
	name      string
	burst     float64
	perMinute float64
}

var (
	// apps.connections.open is of tier 3 in the reference, and of tier 1 in what
	// Slack's SDK for Java keeps. slack-go waits for a refusal in real time, which
	// would stop a rehearsal at top speed, so the burst is larger.
	tierConnect = tier{"connect", 60, 50}
	tier2       = tier{"2", 10, 20}
	tier3       = tier{"3", 20, 50}
	tier4       = tier{"4", 40, 100}
	tierSpecial = tier{"special", 100, 600}
	// chat.postMessage: one a second and channel with a small burst, and several
	// hundred a minute in the workspace.
	tierPost      = tier{"post", 4, 60}
	tierPostTotal = tier{"post_total", 50, 300}
)

// bucket is a token bucket on the rehearsal's clock.
type bucket struct {
	left float64
	at   time.Time
}

func (b *bucket) fill(t tier, now time.Time) {
	b.left = min(t.burst, b.left+now.Sub(b.at).Minutes()*t.perMinute)
	b.at = now
}

// wait is how many whole seconds are missing for one more call; zero means now.
func (b *bucket) wait(t tier) int {
	if b.left >= 1-1e-9 {
		return 0
	}
	return max(1, int(math.Ceil((1-b.left)/t.perMinute*60-1e-9)))
}

// limit takes a call from its method's allowance, or says for how many seconds
// Slack would answer 429. A refused call costs nothing.
func (s *Server) limit(t tier, c *call) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	get := func(key string, t tier) *bucket {
		b := s.buckets[key]
		if b == nil {
			b = &bucket{left: t.burst, at: now}
			s.buckets[key] = b
		}
		b.fill(t, now)
		return b
	}
	if t != tierPost {
		b := get(c.method, t)
		wait := b.wait(t)
		if wait == 0 {
			b.left--
		}
		return wait
	}
	channel, ok := s.channelID(c.str("channel"))
	if !ok {
		channel = "?" // refused in a moment, but not for free
	}
	one, all := get(c.method+" "+channel, tierPost), get(c.method, tierPostTotal)
	wait := max(one.wait(tierPost), all.wait(tierPostTotal))
	if wait == 0 {
		one.left--
		all.left--
	}
	return wait
}
