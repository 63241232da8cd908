package secrets

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have looked at of secrets. The arguments are those of
// [New].
func Actions(config func(region string) aws.Config, reads *awserr.Reads, clock incident.Clock) engine.Catalog {
	s := New(config, reads, clock)
	return engine.Catalog{
		"secrets.replicated": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the target has the platform's secrets, and in a planned run that they are in sync with the source",
				Home:  "target",
			},
			Look: s.Replicated,
		},
	}
}
