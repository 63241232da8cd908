package waf

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have looked at of web ACLs. The arguments are those of
// [New].
func Actions(config func(region string) aws.Config, reads *awserr.Reads, balancer Balancer, clock incident.Clock) engine.Catalog {
	w := New(config, reads, balancer, clock)
	return engine.Catalog{
		"waf.rules": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the target's load balancer has a web ACL with the rules of the source's",
				Home:  "target",
			},
			Look: w.Rules,
		},
	}
}
