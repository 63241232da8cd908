package quotas

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have looked at of quotas. The arguments are those of [New].
func Actions(config func(region string) aws.Config, reads *awserr.Reads, uses Uses, clock incident.Clock) engine.Catalog {
	q := New(config, reads, uses, clock)
	return engine.Catalog{
		"quotas.room": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that what the run adds to the target stays within the account's quotas there",
				Home:  "target",
			},
			Look: q.Room,
		},
	}
}
