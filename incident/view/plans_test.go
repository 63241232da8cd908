package view

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// However many incidents are looked at, only so many plans are kept, the newest.
func TestOnlySoManyPlansAreKept(t *testing.T) {
	raw, err := json.Marshal(runbook.Plan{Mode: "planned", Digest: "d", Steps: []runbook.Step{{ID: "go", Kind: runbook.Go}}})
	if err != nil {
		t.Fatal(err)
	}
	var p Plans
	for n := range 10 * plansKept {
		if _, err := p.OfRun(incident.ID(fmt.Sprint("INC-", n)), &incident.Run{Name: "failover-1", Plan: incident.RunPlan{Plan: raw}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.kept) != plansKept || len(p.order) != plansKept {
		t.Errorf("%d and %d are kept", len(p.kept), len(p.order))
	}
	if p.kept[planKey{incident: incident.ID(fmt.Sprint("INC-", 10*plansKept-1)), run: "failover-1"}] == nil {
		t.Error("the newest is not among them")
	}
}
