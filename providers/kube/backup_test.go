//go:build real

package kube_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/kube/kubetest"
)

// What Velero keeps in a real cluster is read with the bot's own rights, page by page.
func TestTheNewestOfManyRealBackupsIsFound(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Objects)
	s.Velero(west)
	s.StorageLocation(west, west, "Available")
	now := s.clock.Now()
	for i := range 510 { // two pages, and the newest is on neither end
		s.Backup(west, schedule, fmt.Sprintf("%03d", (i+300)%510), "Completed", now.Add(-time.Duration(4+10*i)*time.Minute))
	}
	s.Backup(west, schedule, "failed", "PartiallyFailed", now.Add(-2*time.Minute))
	s.Backup(west, "another", "others", "Completed", now.Add(-time.Minute))
	o, ok, err := s.look(t, "backup")
	if err != nil || !ok || o.Measured.Verdict != incident.Warn || o.Evidence["backup"] != "300" || o.Evidence["backups"] != "511" {
		t.Fatalf("%t %q %v, evidence %v", ok, o.Summary, err, o.Evidence)
	}
	says(t, "the sentence", o.Summary, "the newest backup of schedule every-ten-minutes in us-west-2, 300, began 4 min", "newer ones are of no use (1 PartiallyFailed)")
}

// Velero is there, and has backed nothing up.
func TestARealClusterWithoutBackupsIsAClearNo(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Objects)
	s.Velero(west)
	o, ok, err := s.look(t, "backup")
	if err != nil || ok {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	says(t, "the sentence", o.Summary, "no backup of schedule every-ten-minutes is Completed in us-west-2")
}
