package cloudfront

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have looked at of CloudFront. The arguments are those of
// [New].
func Actions(config func(region string) aws.Config, reads *awserr.Reads, clock incident.Clock) engine.Catalog {
	f := New(config, reads, clock)
	return engine.Catalog{
		"cloudfront.origins": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the CloudFront distribution is deployed and fails over between both Regions' origins",
				Home:  home,
			},
			Look: f.Origins,
		},
	}
}
