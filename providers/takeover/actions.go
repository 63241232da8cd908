package takeover

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have done with the takeover object.
func Actions(config func(region string) aws.Config, reads *awserr.Reads) engine.Catalog {
	t := New(config, reads)
	return engine.Catalog{
		"takeover.ready": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the takeover object can be put and is not there",
				Home:  "target",
			},
			Look: t.Ready,
		},
		"takeover.put": {
			Action: runbook.Action{
				Kind:   runbook.Change,
				Proves: []incident.Trait{incident.MovesUsers},
				About:  "puts the takeover object, which moves users without a control plane",
				Home:   "target",
				Undo:   undo,
			},
			Look:   t.Look,
			Do:     t.Do,
			Undo:   &engine.Undo{Look: t.LookBack, Do: t.Back},
			Effect: t.Effect,
		},
	}
}
