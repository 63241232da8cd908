package ecr

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have looked at of images. The arguments are those of
// [New].
func Actions(config func(region string) aws.Config, reads *awserr.Reads, images Images, clock incident.Clock) engine.Catalog {
	e := New(config, reads, images, clock)
	return engine.Catalog{
		"ecr.images": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the target's own registry has every image of its Deployments, and in a planned run those that run in the source",
				Home:  "target",
			},
			Look: e.Images,
		},
	}
}
