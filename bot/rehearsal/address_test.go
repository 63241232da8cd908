package rehearsal

import (
	"net"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
)

func TestWhoListensElsewhereIsWarnedOnceInTheWordsThatWereGiven(t *testing.T) {
	slack, err := slacksim.New(slacksim.Options{Clock: incident.RealClock{}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slack.Close() }()
	port := strings.Trim(slack.URL()[strings.LastIndex(slack.URL(), ":"):], ":/")
	for _, c := range []struct {
		listen, again string
		nth           int
		warned        bool
	}{
		{"127.0.0.1:0", "127.0.0.1:" + port, 1, false},
		{"localhost:0", "localhost:" + port, 1, false},
		{"[::1]:0", "[::1]:" + port, 1, false},
		{"0.0.0.0:0", "0.0.0.0:" + port, 1, true},
		{":0", ":" + port, 1, true},
		{"[::]:0", "[::]:" + port, 1, true},
		{"laboratory.example:" + port, "laboratory.example:" + port, 0, true},
		{"0.0.0.0:" + port, "0.0.0.0:" + port, 2, false},
	} {
		printed := new(safeBuffer)
		r := &rehearsal{
			Options: Options{Listen: c.listen, Stdout: printed},
			nth:     c.nth,
			slack:   slack,
			scn:     &sim.Scenario{},
		}
		host, _, _ := net.SplitHostPort(c.listen)
		r.warn(host)
		if got := strings.Contains(printed.String(), "Warning: "+c.listen+" is not loopback."); got != c.warned {
			t.Errorf("%+v: printed:\n%s", c, printed)
		}
		if got := r.sameAddress(); got != c.again {
			t.Errorf("after %s comes %s, want %s", c.listen, got, c.again)
		}
	}
}
