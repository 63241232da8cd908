package sqs

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have looked at of queues. The arguments are those of
// [New].
func Actions(config func(region string) aws.Config, reads *awserr.Reads, clock incident.Clock) engine.Catalog {
	s := New(config, reads, clock)
	return engine.Catalog{
		"sqs.taken": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until nobody works on a message of the source's queues",
				Home:  "source",
			},
			Look:  s.Taken,
			Every: time.Second,
		},
		"sqs.queues": {
			Action: runbook.Action{
				Kind:  runbook.Watch,
				About: "watches whether the target's queues are worked off, and tells what lies in the source's",
				Home:  "target",
			},
			Look:  s.Queues,
			Every: time.Minute,
		},
	}
}
