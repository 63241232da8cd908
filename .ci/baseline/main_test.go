package main

import (
	"maps"
	"testing"
)

func TestFiguresAreReadByTheirUnit(t *testing.T) {
	const out = `goos: linux
BenchmarkOrders/region-degraded-2         	       1	        38.45 s-orders-stopped
--- BENCH: BenchmarkOrders/region-degraded-2
    seeds_test.go:47: s-orders-stopped over seeds 0 to 19: mean 38.4, least 31.0, most 52.6
BenchmarkOrders/region-loss-2             	       1	       121.0 s-go-to-served
--- BENCH: BenchmarkOrders/region-loss-2
    seeds_test.go:47: s-go-to-served over seeds 0 to 19: mean 121.0, least 99.5, most 140.2
PASS
`
	got := figures(out)
	if want := map[string]float64{"s-orders-stopped": 38.45, "s-go-to-served": 121}; !maps.Equal(got, want) {
		t.Errorf("read %v, not %v", got, want)
	}
	for unit := range wanted {
		if got[unit] == 0 {
			t.Errorf("nothing is read of %s, which is compared", unit)
		}
	}
}
