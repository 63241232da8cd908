//go:build real

package redis_test

import (
	"slices"
	"testing"
)

// The holder is killed and frozen 20 times each. How long the takeover took is printed;
// that it took at most 10 s is asked for.
func TestTakeoverTwentyTimes(t *testing.T) {
	took := takenOver(t, 20)
	slices.Sort(took)
	t.Logf("measured: takeover after a kill or a freeze, %d times: median %s, worst %s", len(took), took[len(took)/2], took[len(took)-1])
}
