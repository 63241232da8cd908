//go:build real

package slack

import (
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// The same as on the pretend clock, in real time: it prints how long each took.
func TestNobodyKeepsAnotherWaitingInRealTime(t *testing.T) {
	c := newCrowd(t, incident.RealClock{})
	c.storm() // all of it waits in the queues when the two ask
	c.ask("UCAROL", "/failover approve")
	c.ask("UALICE", "/failover pause")
	form := c.within(10*time.Second, func() bool { return len(c.seen("UCAROL").Views) == 1 })
	paused := c.within(10*time.Second, func() bool { return c.posted("Paused.") })
	t.Logf("measured: the approve form after %s (wanted 1 s), Paused in the channel after %s (wanted 3 s)", form, form+paused)
	if n := c.limited(); n > 0 {
		t.Errorf("Slack said %d times that it was too much", n)
	}
}
