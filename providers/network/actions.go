package network

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have looked at of the network between the Regions. The
// arguments are those of [New].
func Actions(config func(region string) aws.Config, reads *awserr.Reads, dial Dial, inVPC bool, clock incident.Clock) engine.Catalog {
	n := New(config, reads, dial, inVPC, clock)
	return engine.Catalog{
		"network.across": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the peering or transit gateway between the Regions is active, routed both ways, and lets a connection through",
				Home:  "target",
			},
			Look: n.Across,
		},
	}
}
