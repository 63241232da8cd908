package aurora

import (
	"maps"
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
// kept of a failover, and inForce are the settings with which the bot runs.
func (a *Aurora) Actions(reconcile Reconcile, inForce func() runbook.Topology) engine.Catalog {
	out := a.rebuild(inForce)
	maps.Copy(out, a.moves(reconcile))
	return out
}

// rebuild is what makes a standby anew after a detach.
func (a *Aurora) rebuild(inForce func() runbook.Topology) engine.Catalog {
	r := Rebuild{a}
	release, stop, globalize, follow, populate := Release{r}, Stop{r}, Globalize{r}, Follow{r}, Populate{r}
	return engine.Catalog{
		"aurora.orphan": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the target has a database that was left behind by a detach, of which a new one can be made",
				Home:  "target",
				With:  RebuildInput{},
			},
			Look: r.Orphan,
		},
		"aurora.room": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the target takes a new standby database, and chooses names that nobody has",
				Home:  "target",
				With:  RebuildInput{},
			},
			Look: r.Room,
		},
		"aurora.release": {
			Action: runbook.Action{
				Kind:  runbook.Change,
				About: "takes the database that was left behind out of the global one of which it is all that is left",
				Home:  "target",
				With:  RebuildInput{},
				Undo:  released, Leaves: released,
			},
			Look:   release.Look,
			Do:     release.Do,
			Effect: release.Effect,
			Rights: mayRebuild("rds:RemoveFromGlobalCluster", inTarget, oldGlobal, orphan),
		},
		"aurora.released": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until the database that was left behind belongs to no global one",
				Home:  "target",
				With:  RebuildInput{},
			},
			Look:  release.Released,
			Every: 10 * time.Second,
		},
		"aurora.stop": {
			Action: runbook.Action{
				Kind:  runbook.Change,
				About: "stops the database that was left behind, and keeps it",
				Home:  "target",
				With:  RebuildInput{},
				Undo:  stays, Leaves: stays,
			},
			Look:   stop.Look,
			Do:     stop.Do,
			Effect: stop.Effect,
			Rights: mayRebuild("rds:StopDBCluster", inTarget, orphan),
			Job:    stop.Job,
			Every:  15 * time.Second,
		},
		"aurora.globalize": {
			Action: runbook.Action{
				Kind:     runbook.Change,
				About:    "makes a global database of the one that serves",
				Home:     "source",
				With:     RebuildInput{},
				NoReturn: true,
				Undo:     "none: no run deletes a database; on the way on, a standby follows",
			},
			Look:   globalize.Look,
			Do:     globalize.Do,
			Effect: globalize.Effect,
			Rights: mayRebuild("rds:CreateGlobalCluster", inSource, newGlobal, serving),
		},
		"aurora.global": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until the new global database is available, and tells its endpoint",
				Home:  "source",
				With:  RebuildInput{},
			},
			Look:  globalize.Ready,
			Every: 10 * time.Second,
		},
		"aurora.follow": {
			Action: runbook.Action{
				Kind:  runbook.Change,
				About: "makes a database in the target that follows the one that serves, set up as the one that was left behind",
				Home:  "target",
				With:  RebuildInput{},
				Undo:  madeUndo, Leaves: madeUndo,
			},
			Look:   follow.Look,
			Do:     follow.Do,
			Effect: follow.Effect,
			Rights: mayRebuild("rds:CreateDBCluster", inTarget, newGlobal, newCluster),
			Job:    follow.Job,
			Every:  15 * time.Second,
		},
		"aurora.populate": {
			Action: runbook.Action{
				Kind:  runbook.Change,
				About: "makes an instance of the new database, as one of the database that was left behind is",
				Home:  "target",
				With:  RebuildInput{},
				Undo:  madeUndo, Leaves: madeUndo,
			},
			Look:   populate.Look,
			Do:     populate.Do,
			Effect: populate.Effect,
			Rights: mayRebuild("rds:CreateDBInstance", inTarget, newCluster, newInstance),
			Job:    populate.Job,
			Every:  15 * time.Second,
		},
		"aurora.follows": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until the new database is in sync, with all of its instances",
				Home:  "target",
				With:  RebuildInput{},
			},
			Look:  r.Follows,
			Every: 15 * time.Second,
		},
		"aurora.renamed": {
			Action: runbook.Action{
				Kind:   runbook.Check,
				Proves: []incident.Trait{incident.SaidAtTheEnd},
				About:  "tells which lines of the settings change with what was made",
				Home:   "target",
				With:   RebuildInput{},
			},
			Look: r.Renamed,
		},
		"aurora.in-force": {
			Action: runbook.Action{
				Kind:  runbook.Watch,
				About: "watches whether the settings in force name what was made, and leaves it to people until they do",
				Home:  "target",
				With:  RebuildInput{},
			},
			Look:  r.InForce(inForce),
			Every: 15 * time.Second,
		},
	}
}

// moves is what moves the database between Regions, and what is seen of that.
func (a *Aurora) moves(reconcile Reconcile) engine.Catalog {
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
			Rights: may("rds:SwitchoverGlobalCluster", inSource),
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
			Rights: may("rds:FailoverGlobalCluster", inTarget),
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
			Rights: may("rds:RemoveFromGlobalCluster", inTarget),
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
			Rights: mayKeep,
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
