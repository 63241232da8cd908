package xray

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have looked at of traces. The arguments are those of [New].
func Actions(config func(region string) aws.Config, reads *awserr.Reads, clock incident.Clock) engine.Catalog {
	x := New(config, reads, clock)
	return engine.Catalog{
		"xray.traces": {
			Action: runbook.Action{
				Kind:  runbook.Watch,
				About: "watches whether a trace of the last minutes is in the target",
				Home:  "target",
			},
			Look:  x.Traces,
			Every: time.Minute,
		},
	}
}
