package sns

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have looked at of topics. The arguments are those of
// [New].
func Actions(config func(region string) aws.Config, reads *awserr.Reads, clock incident.Clock) engine.Catalog {
	s := New(config, reads, clock)
	return engine.Catalog{
		"sns.topics": {
			Action: runbook.Action{
				Kind:  runbook.Watch,
				About: "watches whether the target's topics deliver to confirmed subscribers",
				Home:  "target",
			},
			Look:  s.Topics,
			Every: time.Minute,
		},
	}
}
