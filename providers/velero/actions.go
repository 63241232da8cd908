package velero

import (
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Actions is what a runbook can have looked at of backups, and restored. The arguments are
// those of [New].
func Actions(cluster Cluster, clock incident.Clock) engine.Catalog {
	v := New(cluster, clock)
	return engine.Catalog{
		"velero.backup": {
			Action: runbook.Action{
				Kind:   runbook.Check,
				About:  "checks that the target has a Velero backup of the source that is young enough, and can read it without the source",
				Home:   "target",
				Proves: []incident.Trait{incident.BackupSeen},
			},
			Look: v.Backup,
		},
		"velero.list": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "lists the Velero backups that the target has, and picks the newest that can be restored, or the one that was named",
				Home:  "target",
				With:  ListInput{},
			},
			Look: v.List,
		},
		"velero.contents": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks what the picked backup holds, and that its volumes can be restored in the target",
				Home:  "target",
				With:  ContentsInput{},
			},
			Look: v.Contents,
		},
		"velero.restore": {
			Action: runbook.Action{
				Kind:  runbook.Change,
				About: "has Velero restore the picked backup in the target, and follows it; what is there already is skipped",
				Home:  "target",
				With:  RestoreInput{},
				Undo:  undo, Leaves: leaves,
			},
			Look:   v.Look,
			Do:     v.Do,
			Job:    v.Job,
			Effect: v.Effect,
			Rights: may,
			Every:  10 * time.Second,
		},
		"velero.restored": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "judges how the Restore ended: whole, or with which errors",
				Home:  "target",
				With:  RestoredInput{},
			},
			Look: v.Restored,
		},
	}
}
