package logs

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have looked at of logs. The arguments are those of [New].
func Actions(config func(region string) aws.Config, reads *awserr.Reads, clock incident.Clock) engine.Catalog {
	l := New(config, reads, clock)
	return engine.Catalog{
		"logs.shipped": {
			Action: runbook.Action{
				Kind:  runbook.Watch,
				About: "watches whether something arrived lately in each of the target's log groups",
				Home:  "target",
			},
			Look:  l.Shipped,
			Every: time.Minute,
		},
	}
}
