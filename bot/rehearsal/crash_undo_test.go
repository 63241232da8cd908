//go:build real

package rehearsal

import "testing"

func TestDyingAnywhereWhileTakingBackTakesEachChangeBackOnce(t *testing.T) {
	whole, world, _ := dying(t, "abort-before-promotion", nil)
	diesAt(t, "abort-before-promotion", whileTakingBack(whole.story), 5, applied(world))
}
