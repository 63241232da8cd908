package providers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// What CloudWatch leaves out of an answer is not taken for what was never published: that
// no datapoint is there, or that nothing failed.
func TestAnAnswerInPartIsNoAnswer(t *testing.T) {
	for _, step := range []string{"object-replication", "standby-cache", "cache-warm", "latency", "requests", "queues", "topics"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			w.change(t, serving(5, 400, 200))
			w.change(t, queued("order-events", 40, 12, 13, 12))
			w.change(t, func(s *sim.State) {
				for _, r := range s.Regions {
					r.InPart = true
				}
			})
			w.wait(t, time.Second)
			o, ok, err := w.looked(t, step)
			if err == nil && ok && o.Measured.Verdict != incident.Warn {
				t.Errorf("it passes: %q %s", o.Measured.Verdict, o.Summary)
			}
			said := o.Summary
			if err != nil {
				said = err.Error()
			}
			if !strings.Contains(said, "CloudWatch answered in part only") {
				t.Errorf("it does not say why: %s", said)
			}
		})
	}
}
