package rehearsal

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// BenchmarkOrders prints what a move costs those who order, in pretend seconds: the
// means over twenty seeds, the least and the most. What it measures takes no time of
// the machine's, so it plays each seed once however often it is asked; a rehearsal
// takes two seconds, and none more than a minute.
func BenchmarkOrders(b *testing.B) {
	const seeds = 20
	for _, one := range []struct {
		scenario, unit string
		figure         func(sim.OrderFigures) time.Duration
	}{
		{"region-degraded", "s-orders-stopped", sim.OrderFigures.Stopped},
		{"region-loss", "s-go-to-served", sim.OrderFigures.GoToServed},
	} {
		b.Run(one.scenario, func(b *testing.B) {
			if b.N > 1 {
				return // it has been played
			}
			var all []float64
			for seed := range uint64(seeds) {
				d := one.figure(figures(b, one.scenario, seed))
				if d <= 0 {
					b.Fatalf("seed %d: there is no figure", seed)
				}
				all = append(all, d.Seconds())
			}
			sum := 0.0
			for _, v := range all {
				sum += v
			}
			b.ReportMetric(0, "ns/op") // of no meaning here
			b.ReportMetric(sum/seeds, one.unit)
			b.Logf("%s over seeds 0 to %d: mean %.1f, least %.1f, most %.1f", one.unit, seeds-1, sum/seeds, slices.Min(all), slices.Max(all))
		})
	}
}

// figures plays a scenario with a seed and returns what its move cost.
func figures(tb testing.TB, scenario string, seed uint64) (f sim.OrderFigures) {
	tb.Helper()
	out := new(bytes.Buffer)
	r := rehearsal{
		Options: Options{Auto: true, Scenario: scenario, Seed: seed, Speed: sim.Max, Listen: "127.0.0.1:0", Stdout: out, Log: zerolog.Nop(), Templates: templates.FS},
	}
	over := time.AfterFunc(time.Minute, func() { panic(fmt.Sprintf("%s with seed %d is not over", scenario, seed)) })
	defer over.Stop()
	if err := r.run(tb.Context()); err != nil {
		tb.Fatalf("seed %d: %v\n%s", seed, err, out)
	}
	return r.ordered()
}
