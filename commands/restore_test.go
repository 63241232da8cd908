package commands

import (
	"errors"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// What is restored where is read out of what was typed; no Region is asked which one serves.
func TestARestoreIsReadFromWhatWasTyped(t *testing.T) {
	for typed, want := range map[string]struct{ target, source, backup, reason string }{
		"restore it is missing":                            {"us-west-2", "us-east-1", "", "it is missing"},
		"restore us-west-2 it is missing":                  {"us-west-2", "us-east-1", "", "it is missing"},
		"restore us-east-1 it is missing":                  {"us-east-1", "us-west-2", "", "it is missing"},
		"restore from nightly it is missing":               {"us-west-2", "us-east-1", "nightly", "it is missing"},
		"restore us-west-2 from prod-1.2 it is missing":    {"us-west-2", "us-east-1", "prod-1.2", "it is missing"},
		"restore ecommerce-prod-20260303135000 it is away": {"us-west-2", "us-east-1", "ecommerce-prod-20260303135000", "it is away"},
		"restore order-service was never deployed there":   {"us-west-2", "us-east-1", "", "order-service was never deployed there"},
	} {
		t.Run(typed, func(t *testing.T) {
			r := newRoom(t)
			r.down = errors.New("RDS: timeout")
			var got runbook.Facts
			compile := r.Compile
			r.Compile = func(f runbook.Facts) (*runbook.Plan, error) { got = f; return compile(f) }
			a := r.say(alice, typed)
			if a.Refused {
				t.Fatal(a.Text)
			}
			if got.Kind != incident.RestoreBackup || got.Target.Name != want.target || got.Source.Name != want.source || got.Backup != want.backup || got.Reason != want.reason || got.Severity != "SEV-4" {
				t.Errorf("%+v", got)
			}
			contains(t, a.Text, "INC-2026-0001 is open: "+want.source+" -> "+want.target+", restore, SEV-4", "nothing changes before Go")
			s := r.state()
			if s.Kind != incident.RestoreBackup || s.Run.Name != "restore-1" {
				t.Errorf("%s %s", s.Run.Name, s.Kind)
			}
		})
	}
}

// One run at a time: a restore is not begun while another one is open.
func TestARestoreWaitsForTheRunThatIsOpen(t *testing.T) {
	r := started(t)
	r.refusedWith(func() Answer { return r.say(alice, "restore it is missing") }, "INC-2026-0001 is open", "'/failover abort' stops it")
}

func playRestore(t *testing.T, tr *transcript) {
	r := tr.in("a backup is to be restored", newRoom(t))
	tr.says(alice, "restore us-west-2")
	tr.says(alice, "restore from Prod! x")
	tr.fills(alice, "restore", "us-west-2", map[string]string{"reason": ""})
	tr.fills(alice, "restore", "us-west-2", map[string]string{"reason": long(1000)})
	tr.presses(alice, "restore", "us-west-2 from nightly")
	tr.fills(alice, "restore", "us-west-2 from nightly", map[string]string{"reason": "order-service was never deployed there"})
	tr.says(mallory, "status")
	r.bot(incident.RunEnded{How: "done", Summary: "The backup is restored in us-west-2, verified."})
	tr.says(alice, "go")
	tr.says(mallory, "status")
	tr.says(alice, "resolve")
}
