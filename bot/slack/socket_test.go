package slack

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

var refusedLine = regexp.MustCompile(`"connection":1,.*"again_in":([0-9.]+),.*no connection to Slack`)

// refusals are how long the first connection waited after each, in milliseconds.
func (s *stage) refusals() (waits []string) {
	for _, m := range refusedLine.FindAllStringSubmatch(s.logged.String(), -1) {
		waits = append(waits, m[1])
	}
	return waits
}

// eventually looks until it is so, in real time: it is about sockets.
func (s *stage) eventually(what string, so func() bool) {
	s.t.Helper()
	for !so() {
		if (incident.RealClock{}).Sleep(s.ctx, 5*time.Millisecond) != nil {
			s.t.Fatalf("not so: %s\nlog:\n%s", what, s.logged)
		}
	}
}

// Each time that Slack goes away the waiting begins anew, and is doubled until Slack
// is there again.
func TestTheBotComesBackWithSlack(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	for n := range 2 {
		before := len(s.refusals())
		s.slack.SetAway(true)
		s.eventually("three refusals", func() bool { return len(s.refusals()) >= before+3 })
		s.slack.SetAway(false)
		s.eventually("connected again", func() bool { return s.face.Connections() == connections })
		if got := strings.Join(s.refusals()[before:before+3], " "); got != "100 200 400" {
			t.Errorf("time %d: waited %s ms", n, got)
		}
	}
}
