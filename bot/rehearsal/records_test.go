package rehearsal

import (
	"slices"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
)

// movedByTheRecords: the records alone were changed, once each way, and each change is on
// all of Route 53's servers; the way out was followed by its id, and in the end the zone
// answers as it did.
func movedByTheRecords(t *testing.T, p played) {
	t.Helper()
	changed := map[string]int{}
	for _, c := range p.calls {
		if c.Applied && slices.Contains([]string{"ChangeResourceRecordSets", "UpdateHealthCheck", "PutObject", "DeleteObject"}, c.Operation) {
			changed[c.Operation]++
		}
	}
	if len(changed) != 1 || changed["ChangeResourceRecordSets"] != 2 {
		t.Errorf("users were moved by %v", changed)
	}
	ids := map[string]int{}
	for _, f := range bodies[incident.StepFinished](p) {
		if f.Step == "change-record" || f.Step == "record-in-sync" {
			ids[f.Evidence["change"]]++
		}
	}
	d := p.world.DNS
	if len(d.Changes) != 2 {
		t.Fatalf("the zone was changed %d times", len(d.Changes))
	}
	for _, c := range d.Changes {
		if !c.Served {
			t.Errorf("change %s (%s) is not served", c.ID, c.Comment)
		}
	}
	if out := d.Changes[0]; ids[out.ID] != 2 {
		t.Errorf("change %s was followed as %v", out.ID, ids)
	}
	var at []string
	for _, h := range d.History {
		at = append(at, h.Region)
	}
	if want := []string{"us-east-1", "us-west-2", "us-east-1"}; !slices.Equal(at, want) {
		t.Errorf("users were given %v, want %v", at, want)
	}
}
