package commands

import (
	"context"
	"errors"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// left has names lead users to that Region, where the database of each Region writes.
func left(r *room, to string) {
	r.Signs = func(_ context.Context, region string) []Sign {
		return []Sign{
			{What: "Database", Yes: true, Serves: true, Says: "it writes in " + region},
			{What: "DNS", Yes: region == to, Serves: true, ByItself: true, Says: "the zone's servers give " + to},
		}
	}
}

// Which Region gets a standby is read out of what was typed, and never guessed: something is
// stopped there.
func TestARebuildIsReadFromWhatWasTyped(t *testing.T) {
	r := newRoom(t)
	left(r, "us-west-2")
	r.down = errors.New("RDS: both of them write")
	var got runbook.Facts
	compile := r.Compile
	r.Compile = func(f runbook.Facts) (*runbook.Plan, error) { got = f; return compile(f) }
	a := r.say(alice, "rebuild us-east-1 it is back")
	if a.Refused {
		t.Fatal(a.Text)
	}
	if got.Kind != incident.RebuildStandby || got.Source.Name != "us-west-2" || got.Target.Name != "us-east-1" || got.Reason != "it is back" || got.Severity != "SEV-4" || got.Mode != "planned" {
		t.Errorf("%+v", got)
	}
	contains(t, a.Text, "INC-2026-0001 is open: us-west-2 -> us-east-1, rebuild, SEV-4", "nothing changes before Go")
	if s := r.state(); s.Kind != incident.RebuildStandby || s.Run.Name != "rebuild-1" {
		t.Errorf("%s %s", s.Run.Name, s.Kind)
	}
}

// Nothing is begun where users are, nor where nobody knows whether they are there, nor beside
// another run.
func TestARebuildIsRefusedWhereItWouldOnlyHarm(t *testing.T) {
	r := newRoom(t)
	left(r, "us-east-1")
	r.refusedWith(func() Answer { return r.say(alice, "rebuild us-east-1 it is back") }, "Users are led to us-east-1 (the zone's servers give us-east-1)", "'/failover rebuild us-west-2 REASON'", "Nothing was begun")
	r.Signs = func(context.Context, string) []Sign {
		return []Sign{{What: "DNS", Serves: true, ByItself: true, Err: errors.New("no name server answers")}}
	}
	r.refusedWith(func() Answer { return r.say(alice, "rebuild us-east-1 it is back") }, "Whether users are led to us-east-1 could not be found out: no name server answers", "nothing was begun")
	r.Signs = func(context.Context, string) []Sign { return nil }
	r.refusedWith(func() Answer { return r.say(alice, "rebuild us-east-1 it is back") }, "nothing is set up to find it out")
	open := started(t)
	open.refusedWith(func() Answer { return open.say(alice, "rebuild us-east-1 it is back") }, "INC-2026-0001 is open", "'/failover abort' stops it")
}

func playRebuild(t *testing.T, tr *transcript) {
	r := tr.in("a detach left the database of us-east-1 behind", newRoom(t))
	left(r, "us-west-2")
	tr.says(alice, "rebuild")
	left(r, "us-east-1")
	tr.says(alice, "rebuild us-east-1 it is back")
	r.Signs = func(context.Context, string) []Sign {
		return []Sign{{What: "DNS", Serves: true, ByItself: true, Err: errors.New("no name server answers")}}
	}
	tr.says(alice, "rebuild us-east-1 it is back")
	left(r, "us-west-2")
	tr.says(alice, "rebuild us-east-1")
	tr.fills(alice, "rebuild", "us-east-1", map[string]string{"reason": ""})
	tr.fills(alice, "rebuild", "us-east-1", map[string]string{"reason": long(1000)})
	tr.presses(alice, "rebuild", "us-east-1")
	tr.fills(alice, "rebuild", "us-east-1", map[string]string{"reason": "us-east-1 is back"})
	tr.says(mallory, "status")
	r.bot(incident.RunEnded{How: "done", Summary: "The database has a standby in us-east-1, verified."})
	tr.says(alice, "go")
	tr.says(mallory, "status")
	tr.says(alice, "resolve")
}
