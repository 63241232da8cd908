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
