package commands

import (
	"errors"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Where servers are moved is read out of what was typed; no Region is asked whether it
// serves.
func TestAMoveOfServersIsReadFromWhatWasTyped(t *testing.T) {
	for typed, want := range map[string]struct{ source, target, reason string }{
		"servers it is well again":           {"us-west-2", "us-east-1", "it is well again"},
		"servers home it is well again":      {"us-west-2", "us-east-1", "it is well again"},
		"servers us-east-1 it is well again": {"us-west-2", "us-east-1", "it is well again"},
		"servers us-west-2 erp fails there":  {"us-east-1", "us-west-2", "erp fails there"},
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
			if got.Kind != incident.MoveServers || got.Source.Name != want.source || got.Target.Name != want.target || got.Reason != want.reason || got.Severity != "SEV-4" {
				t.Errorf("%+v", got)
			}
			contains(t, a.Text, "INC-2026-0001 is open: "+want.source+" -> "+want.target+", servers, SEV-4", "nothing changes before Go")
			if s := r.state(); s.Kind != incident.MoveServers || s.Run.Name != "servers-1" {
				t.Errorf("%s %s", s.Run.Name, s.Kind)
			}
		})
	}
}

// One run at a time: servers are not moved while another one is open.
func TestAMoveOfServersWaitsForTheRunThatIsOpen(t *testing.T) {
	r := started(t)
	r.refusedWith(func() Answer { return r.say(alice, "servers home it is well again") }, "INC-2026-0001 is open", "'/failover abort' stops it")
}

func playServers(t *testing.T, tr *transcript) {
	r := tr.in("servers are to be moved home", newRoom(t))
	tr.says(alice, "servers us-east-1")
	tr.fills(alice, "servers", "us-east-1", map[string]string{"reason": ""})
	tr.fills(alice, "servers", "us-east-1", map[string]string{"reason": long(1000)})
	tr.presses(alice, "servers", "us-east-1")
	tr.fills(alice, "servers", "us-east-1", map[string]string{"reason": "us-east-1 is well again"})
	tr.says(mallory, "status")
	r.bot(incident.RunEnded{How: "done", Summary: "The servers run in us-east-1, verified."})
	tr.says(alice, "go")
	tr.says(mallory, "status")
	tr.says(alice, "resolve")
}
