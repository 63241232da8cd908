package rehearsal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// The bot starts without Slack, is asked for while it tries, and finds it later.
func TestARehearsalBeginsWhileSlackIsAway(t *testing.T) {
	var printed bytes.Buffer
	r := &rehearsal{
		Options: Options{Auto: true, Scenario: "region-degraded", Speed: sim.Max, Listen: "127.0.0.1:0", Stdout: &printed, Log: zerolog.Nop(), Templates: templates.FS},
		ready: func(r *rehearsal) error {
			r.slack.SetAway(true)
			busy := r.clock.Busy()
			go func() {
				defer busy()
				_ = r.clock.Sleep(t.Context(), 25*time.Second)
				r.slack.SetAway(false)
			}()
			return nil
		},
	}
	if err := r.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, tail(printed.String(), 30))
	}
}

// A disk that is full has room for what is small, and what cannot be written keeps
// nothing else from being.
func TestATimelineIsKeptAlthoughOtherRecordsCannotBe(t *testing.T) {
	for _, broken := range []string{"world.json", "review.md", resultsFile} {
		t.Run(broken, func(t *testing.T) {
			folder := t.TempDir()
			var printed bytes.Buffer
			r := &rehearsal{
				Options: Options{Auto: true, Scenario: "region-degraded", Speed: sim.Max, Listen: "127.0.0.1:0", Out: folder, Stdout: &printed, Log: zerolog.Nop(), Templates: templates.FS},
				ready: func(*rehearsal) error {
					return os.Mkdir(filepath.Join(folder, broken), 0o755) // a file cannot be written there
				},
			}
			err := r.run(t.Context())
			var path *os.PathError
			if !errors.As(err, &path) || filepath.Base(path.Path) != broken {
				t.Fatalf("the error is %v", err)
			}
			var timeline []incident.Event
			lines(t, filepath.Join(folder, "timeline.jsonl"), &timeline)
			if incident.Fold(timeline).ResolvedAt.IsZero() {
				t.Errorf("the timeline has %d events and no end", len(timeline))
			}
		})
	}
}
