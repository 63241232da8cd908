package aurora

import (
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// read is a lag read at that time after noon, newest value first.
func read(now time.Duration, points ...point) lag {
	return lag{now: noon.Add(now), points: points}
}

func TestAYesToAFailoverOutlivesTheLagsSilence(t *testing.T) {
	bands := []int{1000, 5000, 30000}
	last := point{noon, 170}
	for _, age := range []time.Duration{0, 2 * time.Minute, 4 * time.Minute, 2 * time.Hour} {
		if got := read(age, last).band(bands, true); got != "below 1,000 ms" {
			t.Errorf("%s after the last value a failover is bound to a lag %s", age, got)
		}
	}
	if got := read(3*time.Minute, point{noon.Add(time.Minute), 9000}, last).band(bands, true); got != "below 30 s" {
		t.Errorf("a newer and worse value left the band at %s", got)
	}
	if got := read(4*time.Minute, last).band(bands, false); got != "unknown" {
		t.Errorf("a switchover is bound to a lag %s that is no longer reported", got)
	}
	if got := read(0).band(bands, true); got != "unknown" {
		t.Errorf("without any value the lag is %s", got)
	}
}

func TestASilentLagIsToldWithItsAge(t *testing.T) {
	if got, want := read(9*time.Minute, point{noon, 170}).told(), "last good value 170 ms, 9 min ago, nothing newer"; !strings.Contains(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// When nobody says since when, the declaration is all there is; it is no beginning.
func TestTheMomentOfTheDeclarationIsNotTakenForTheOutage(t *testing.T) {
	for name, c := range map[string]struct {
		now, impact time.Duration
		want        string
	}{
		"declared just now":          {5 * time.Minute, 5*time.Minute - time.Second, ""},
		"declared this minute":       {5 * time.Minute, 4*time.Minute + 10*time.Second, ""},
		"silent well before that":    {20 * time.Minute, 10 * time.Minute, ""},
		"said, and it fits the lag":  {9 * time.Minute, time.Minute, "; the outage began 8 min ago"},
		"said, earlier than the lag": {9 * time.Minute, -time.Minute, "; the outage began 10 min ago"},
	} {
		call := engine.Call{Plan: &runbook.Plan{}, Impact: noon.Add(c.impact)}
		l := read(c.now, point{noon, 170})
		if got := l.outage(call); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if !l.hurt(call) {
			t.Errorf("%s: users are not taken to be hurt", name)
		}
	}
}
