package iam

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have looked at of IAM roles. The arguments are those of
// [New].
func Actions(config func(region string) aws.Config, reads *awserr.Reads, accounts AccountsIn, clock incident.Clock) engine.Catalog {
	i := New(config, reads, accounts, clock)
	return engine.Catalog{
		"iam.roles": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the service accounts of the target's Deployments exist, and that their IAM roles trust the target's cluster",
				Home:  home,
			},
			Look: i.Roles,
		},
	}
}
