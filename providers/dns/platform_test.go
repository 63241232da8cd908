package dns

import (
	"errors"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// The check that moves users is that of the Region being left, whichever is home.
func TestUsersAreMovedByTheChecksOfTheRegionBeingLeft(t *testing.T) {
	east, west := runbook.Region{Name: "us-east-1"}, runbook.Region{Name: "us-west-2"}
	checks := map[string]Checks{"us-east-1": {HealthCheck: "e"}, "us-west-2": {HealthCheck: "w"}}
	plan := func(source, target runbook.Region, has ...string) *runbook.Plan {
		p := &runbook.Plan{Source: source, Target: target, Topology: runbook.Topology{Record: "api.example.com"}}
		s := Settings{Regions: map[string]Checks{}}
		for _, name := range has {
			s.Regions[name] = checks[name]
		}
		if err := Platform.Freeze(&p.Topology, s); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range []struct {
		plan *runbook.Plan
		want string
	}{
		{plan(east, west, "us-east-1"), "e"},
		{plan(east, west, "us-east-1", "us-west-2"), "e"},
		{plan(west, east, "us-east-1", "us-west-2"), "w"},
	} {
		if d, err := leaving(c.plan); err != nil || d.HealthCheck != c.want || d.record != "api.example.com" {
			t.Errorf("leaving %s: %+v, %v", c.plan.Source.Name, d, err)
		}
	}
	var f *incident.CallError
	if _, err := leaving(plan(west, east, "us-east-1")); !errors.As(err, &f) || !f.NeedsPerson ||
		err.Error() != "no health check moves users away from us-west-2: the settings name those of us-east-1" || !strings.Contains(f.Hint, "dns.regions.us-west-2") {
		t.Errorf("leaving a Region without checks: %v", err)
	}
	if _, err := leaving(&runbook.Plan{Source: east}); err == nil || !strings.Contains(err.Error(), "dns") {
		t.Errorf("a run that was frozen without them: %v", err)
	}
}
