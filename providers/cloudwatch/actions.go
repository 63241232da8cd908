package cloudwatch

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have looked at of what users get. The arguments are those
// of [New].
func Actions(config func(region string) aws.Config, reads *awserr.Reads, balancers Balancers, clock incident.Clock) engine.Catalog {
	c := New(config, reads, balancers, clock)
	return engine.Catalog{
		"cloudwatch.latency": {
			Action: runbook.Action{
				Kind:  runbook.Watch,
				About: "watches whether 99 of 100 answers come fast enough in the target",
				Home:  "target",
			},
			Look:  c.Latency,
			Every: 30 * time.Second,
		},
		"cloudwatch.quiet": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until the load balancer of the source has received no request for some minutes",
				Home:  "source",
			},
			Look:  c.Quiet,
			Every: 15 * time.Second,
		},
		"cloudwatch.requests": {
			// It asks the Region that is left as well, and tells of the other without it.
			Action: runbook.Action{
				Kind:  runbook.Watch,
				About: "watches how many requests the load balancers of both Regions receive",
				Home:  "target",
			},
			Look:  c.Requests,
			Every: time.Minute,
		},
	}
}
