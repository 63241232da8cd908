//go:build real

package rehearsal

import (
	"testing"

	"github.com/failoverbot/failoverbot/providers/sim"
)

func TestDyingAnywhereAppliesEachChangeOnce(t *testing.T) {
	for scenario := range crashes {
		t.Run(scenario, func(t *testing.T) {
			story, world := momentsOf(t, scenario)
			diesAt(t, scenario, story, applied(world))
		})
	}
}

func TestWithoutItsTroubleEachScenarioEndsOtherwise(t *testing.T) { endsOtherwise(t, sim.Scenarios()) }

// A whole day of noise, at its own pace.
func TestAWholeDayOfNoiseProposesNothing(t *testing.T) {
	p := rehearsed(t, "noisy-day")
	if p.err != nil {
		t.Fatalf("%v:\n%s", p.err, p.printed)
	}
	proposedNothing(t, p)
}
