package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

func TestAResolverThatIsMadeToLieWhenTheZoneHasMovedIsFound(t *testing.T) {
	var printed bytes.Buffer
	r := &rehearsal{
		auto: true, scenario: "region-loss", speed: sim.Max, listen: "127.0.0.1:0", stdout: &printed, log: zerolog.Nop(), templates: templates.FS,
	}
	r.ready = func(r *rehearsal) error {
		r.world.OnCall(func(c sim.Call, before bool) error {
			if before || c.Operation != "FailoverGlobalCluster" {
				return nil
			}
			if at := r.world.Snapshot().ZoneAnswer(); at != "us-west-2" {
				t.Errorf("the zone answers %s when the database is promoted", at)
			}
			if err := r.world.Break(sim.Breakage{Do: "resolver", What: "Google", On: true}); err != nil {
				t.Error(err)
			}
			return nil
		})
		return nil
	}
	if err := r.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, tail(printed.String(), 20))
	}
	failed := bodies[incident.StepFailed](played{timeline: r.seen})
	if !slices.ContainsFunc(failed, func(f incident.StepFailed) bool {
		return f.Step == "resolvers" && f.Advice && strings.Contains(f.Error, "Google us-east-1")
	}) {
		t.Errorf("it was not found: %+v", failed)
	}
}

func TestAGateThatIsOverriddenCountsOnce(t *testing.T) {
	var printed bytes.Buffer
	r := &rehearsal{
		auto: true, scenario: "lag-too-high", speed: sim.Max, listen: "127.0.0.1:0", out: t.TempDir(),
		stdout: &printed, log: zerolog.Nop(), templates: templates.FS,
	}
	if err := r.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, tail(printed.String(), 20))
	}
	kept, err := r.before()
	if err != nil || len(kept) != 1 {
		t.Fatalf("%v %+v", err, kept)
	}
	if one := kept[0]; !slices.Equal(one.Overridden, []string{"Replication lag"}) || len(one.Skipped) > 0 {
		t.Errorf("overridden %q, skipped %q", one.Overridden, one.Skipped)
	}
}
