package record

import (
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Actions is what a runbook can have judged from its own record.
func Actions() engine.Catalog {
	return engine.Catalog{
		"record.agree": {
			Action: runbook.Action{
				Kind:   runbook.Wait,
				Proves: []incident.Trait{incident.Quorum},
				About:  "waits until enough of the named steps have found it so",
				With:   AgreeInput{},
			},
			Look:  Agree,
			Every: time.Second,
		},
	}
}
