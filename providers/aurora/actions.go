package aurora

import (
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

const (
	keepUndo   = "nothing to take back: " + keepLeaves
	keepLeaves = "the copies of what was lost cost their storage until somebody deletes them"
)

// Actions is what a runbook can have Aurora do; reconcile tells what is missing of what was
// kept of a failover.
func (a *Aurora) Actions(reconcile Reconcile) engine.Catalog {
	switchover, failover, detach, keep, lost := a.Switchover(), a.Failover(), Detach{a}, Keep{a}, Lost{a, reconcile}
	return engine.Catalog{
		"aurora.outage": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until the standby database no longer hears from its writer",
				Home:  "target",
				With:  OutageInput{},
			},
			Look:  a.Outage,
			Every: 10 * time.Second,
		},
		"aurora.standby": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the target's database can be promoted",
				Home:  "target",
				With:  DetachInput{},
			},
			Look: a.Standby,
		},
		"aurora.lag": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks the replication lag against the policy",
				Home:  "target",
			},
			Look: a.Lag,
		},
		"aurora.switchover": {
			Action: runbook.Action{
				Kind:     runbook.Change,
				Proves:   []incident.Trait{incident.WriterMoved},
				About:    "moves the database's writer to the target, nothing lost",
				Home:     "source",
				NoReturn: true,
				Undo:     "a switchover back, once the old primary follows as a standby",
			},
			Look:   switchover.Look,
			Do:     switchover.Do,
			Effect: switchover.Effect,
		},
		"aurora.failover": {
			Action: runbook.Action{
				Kind:     runbook.Change,
				Proves:   []incident.Trait{incident.WriterMoved},
				About:    "promotes the target's database although its writer is gone",
				Home:     "target",
				NoReturn: true,
				Undo:     "not at once: when the lost Region rejoins as a standby, a planned switchover back",
			},
			Look:   failover.Look,
			Do:     failover.Do,
			Effect: failover.Effect,
		},
		"aurora.detach": {
			Action: runbook.Action{
				Kind:     runbook.Change,
				Proves:   []incident.Trait{incident.WriterMoved},
				About:    "takes the target's database out of the global one, where versions keep it from being promoted",
				Home:     "target",
				NoReturn: true,
				Undo:     "none: the old writer does not rejoin; a standby has to be made anew",
			},
			Look:   detach.Look,
			Do:     detach.Do,
			Effect: detach.Effect,
		},
		"aurora.events": {
			Action: runbook.Action{
				Kind:  runbook.Watch,
				About: "tells what RDS tells of both Regions' clusters, as it comes",
				Home:  "target",
			},
			Look:  a.Events,
			Every: 15 * time.Second,
		},
		"aurora.old-writer": {
			Action: runbook.Action{
				Kind:   runbook.Watch,
				Proves: []incident.Trait{incident.SplitBrainWatched},
				About:  "watches whether RDS could not block the writes of the source's database",
				Home:   "target",
				With:   DetachInput{},
			},
			Look:  a.OldWriter,
			Every: 15 * time.Second,
		},
		"aurora.rejoined": {
			Action: runbook.Action{
				Kind:   runbook.Watch,
				Proves: []incident.Trait{incident.StandbyWatched},
				About:  "watches whether the database of the source follows again, and about when it will",
				Home:   "target",
				With:   RejoinedInput{},
			},
			Look:  a.Rejoined,
			Every: 30 * time.Second,
		},
		"aurora.lost-writes": {
			Action: runbook.Action{
				Kind:   runbook.Watch,
				Proves: []incident.Trait{incident.LostWritesWatched},
				About:  "watches for the snapshot of what the source had and the target never received, and leaves to people what to do about it",
				Home:   "source",
				With:   LostInput{},
			},
			Look:  lost.Look,
			Every: time.Minute,
		},
		"aurora.keep": {
			Action: runbook.Action{
				Kind:  runbook.Change,
				About: "copies the snapshots of writes that were lost, which would go with the backups of the target's database",
				Home:  "target",
				Undo:  keepUndo, Leaves: keepLeaves,
			},
			Look:   keep.Look,
			Do:     keep.Do,
			Effect: keep.Effect,
		},
		"aurora.writable": {
			Action: runbook.Action{
				Kind:   runbook.Wait,
				Proves: []incident.Trait{incident.DatabaseWrites},
				About:  "waits until the target's database writes",
				Home:   "target",
				With:   DetachInput{},
			},
			Look:  a.Writable,
			Every: time.Second, // users wait for it, and one reading a second is within every limit
		},
	}
}
