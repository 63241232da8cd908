package main

import (
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Programs that hold a dry run tell by its exit code what would stop the run from what
// could not be found out.
func TestTheExitCodeOfADrillSaysWhatItCameTo(t *testing.T) {
	step := func(gate string, v incident.Verdict) incident.StepForeseen {
		return incident.StepForeseen{Step: "nodes", Gate: gate, Verdict: v}
	}
	right := func(v incident.Verdict) []incident.RightMissing {
		return []incident.RightMissing{{Right: "patch", Verdict: v}}
	}
	later := step(incident.GateRequired, incident.Unsure)
	later.Later = true
	for name, c := range map[string]struct {
		steps   []incident.StepForeseen
		missing []incident.RightMissing
		want    int
		says    string
	}{
		"all is well":                 {[]incident.StepForeseen{step(incident.GateRequired, incident.Pass)}, nil, exitDone, ""},
		"advice failed":               {[]incident.StepForeseen{step(incident.GateAdvice, incident.Fail), step(incident.GateAdvice, incident.Unsure)}, nil, exitDone, ""},
		"something is known later":    {[]incident.StepForeseen{later}, nil, exitDone, ""},
		"a check failed":              {[]incident.StepForeseen{step(incident.GateRequired, incident.Unsure), step(incident.GateLocked, incident.Fail)}, nil, exitFailed, "an unplanned failover to us-west-2 would be stopped"},
		"one could not be read":       {[]incident.StepForeseen{step(incident.GateRequired, incident.Unsure)}, nil, exitUnknown, "whether an unplanned failover to us-west-2 would be stopped could not be found out"},
		"a right is missing":          {nil, right(incident.Fail), exitFailed, "would be stopped"},
		"a right cannot be asked for": {nil, right(incident.Unsure), exitUnknown, "could not be found out"},
	} {
		var said strings.Builder
		d := commands.DryRun{Foreseen: &incident.Foreseen{Mode: "unplanned", Target: "us-west-2", Steps: c.steps, Missing: c.missing}}
		if code := exit(drillOutcome(d), &said); code != c.want || !strings.Contains(said.String(), c.says) || c.says == "" && said.Len() > 0 {
			t.Errorf("%s: %d %q, want %d %q", name, code, said.String(), c.want, c.says)
		}
	}
}

// Where none is named, a failover leads away from home, and what leads back leads home.
func TestWhereADrillLeads(t *testing.T) {
	platform := runbook.RepresentativeFacts("planned").Topology
	for of, want := range map[string][2]string{
		"planned": {"us-east-1", "us-west-2"}, "unplanned": {"us-east-1", "us-west-2"}, "failback": {"us-west-2", "us-east-1"}, "servers": {"us-west-2", "us-east-1"},
	} {
		f, err := drillFacts(platform, drillOptions{of: of})
		if err != nil || f.Source.Name != want[0] || f.Target.Name != want[1] {
			t.Errorf("%s: %s -> %s, %v", of, f.Source.Name, f.Target.Name, err)
		}
	}
	f, err := drillFacts(platform, drillOptions{of: "servers", target: "us-west-2"})
	if err != nil || f.Source.Name != "us-east-1" || f.Kind != incident.MoveServers {
		t.Errorf("%+v, %v", f, err)
	}
	roster := incident.Roster{{ID: "alice", Name: "Alice"}}
	for owner, want := range map[string]string{"": incident.Bot, "alice": "alice", "ALICE": "alice"} {
		if got, err := ownerOf(roster, owner); err != nil || got != want {
			t.Errorf("%q is %q, %v", owner, got, err)
		}
	}
}
