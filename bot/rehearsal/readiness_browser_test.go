package rehearsal

import (
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim/slacktest"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// The readiness of a platform of which much is wrong is read in Slack's width and on a
// phone: each verdict, the worst first, nothing cut off at the side.
func TestTheReadinessIsReadWithEveryVerdict(t *testing.T) {
	t.Parallel()
	b := openChromium(t)
	r := rehearsing(t, "region-degraded")
	b.must(r.world.Do(func(s *sim.State) {
		west := s.Regions["us-west-2"]
		west.Nodes[0].Cordoned = true                      // a failed gate
		west.WebACL = nil                                  // failed advice
		s.Database.LagMS = 2500                            // a warning
		s.DNS.Alarms = nil                                 // failed, in another system
		s.Cache.Member("us-west-2").Status = "associating" // a failed gate
	}))
	b.must(r.world.Fault(sim.Fault{System: "aws.secretsmanager", Kind: sim.Deny})) // not known
	pics := b.folder("readiness")
	alice := b.open("Alice", pics)
	alice.visit(r.slack.URL())
	alice.until("the bot", `document.querySelector('#link.up')`)
	pass := func(d time.Duration) {
		t.Helper()
		until := r.clock.Now().Add(d)
		slacktest.Until(t, d.String(), func() bool { return r.clock.Now().After(until) })
	}
	r.clock.SetSpeed(60)
	pass(4 * time.Minute) // the lag is published
	r.clock.SetSpeed(4)
	alice.say("/failover check us-west-2 planned")
	alice.until("what was found", `[...document.querySelectorAll('#messages .message')].some((m) => m.textContent.includes('Readiness') || m.textContent.includes('readiness'))`)
	pass(20 * time.Second)
	for _, width := range []int{1280, 420} {
		alice.size(width, 1800)
		alice.picture(map[int]string{1280: "1-wide", 420: "2-narrow"}[width])
		var page float64
		b.must(alice.eval(`document.documentElement.scrollWidth - document.documentElement.clientWidth`, &page))
		if page > 0 {
			t.Errorf("at %d px the page is %v px wider than the window", width, page)
		}
	}
	all := alice.text("#messages")
	for _, word := range []string{"✓ ok", "! warning", "✗ failed", "? unknown", "– n/a"} {
		if !strings.Contains(strings.Join(strings.Fields(all), " "), word) {
			t.Errorf("nothing is said of %q", word)
		}
	}
}
