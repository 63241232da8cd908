package review

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// An incident of two runs is told with both, each by its own plan.
func TestTheReviewHasEachRun(t *testing.T) {
	noon := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	plan := func(step string) json.RawMessage {
		raw, err := json.Marshal(runbook.Plan{Digest: "d", Steps: []runbook.Step{{ID: step, Title: step, Kind: runbook.Change}}})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	var events []incident.Event
	add := func(run incident.RunID, bodies ...incident.Body) {
		for _, b := range bodies {
			n := len(events)
			events = append(events, incident.Event{Seq: uint64(n + 1), Time: noon.Add(time.Duration(n) * time.Minute), Actor: "alice", Run: run, Body: b})
		}
	}
	add("", incident.IncidentDeclared{Incident: "INC-2026-0001", Severity: "SEV-1", Reason: "x", Began: noon, Commander: "alice"})
	add("failover-1", incident.RunBegun{Kind: incident.Failover, Source: "us-east-1", Target: "us-west-2", Mode: "planned", Digest: "d1", Plan: plan("scale")},
		incident.StepFinished{Step: "scale", Summary: "6 of 6", Changed: true}, incident.RunAborted{Reason: "enough"})
	add("undo-2", incident.RunBegun{Kind: incident.Undo, Source: "us-east-1", Target: "us-west-2", Mode: "planned", Follows: "failover-1", Digest: "d2", Plan: plan("undo-scale")},
		incident.StepFinished{Step: "undo-scale", Summary: "2 of 2", Changed: true}, incident.RunEnded{How: "done"})
	d, err := newDraft(events, named(nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Earlier) != 1 || d.Earlier[0].Name != "undo-2" || !strings.Contains(d.Earlier[0].About, "over at") {
		t.Fatalf("%+v", d.Earlier)
	}
	if steps := d.Earlier[0].Steps; len(steps) != 1 || steps[0].ID != "undo-scale" || steps[0].Summary != "2 of 2" {
		t.Errorf("its steps: %+v", steps)
	}
	if len(d.Steps) != 1 || d.Steps[0].ID != "scale" || d.Steps[0].Summary != "6 of 6" {
		t.Errorf("those of the one that it is about: %+v", d.Steps)
	}
}
