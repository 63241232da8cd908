package velero

import (
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Actions is what a runbook can have looked at of backups. The arguments are those of
// [New].
func Actions(objects Objects, clock incident.Clock) engine.Catalog {
	v := New(objects, clock)
	return engine.Catalog{
		"velero.backup": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the target has a Velero backup of the source that is young enough, and can read it without the source",
				Home:  "target",
			},
			Look: v.Backup,
		},
	}
}
