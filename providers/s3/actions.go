package s3

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have looked at of buckets. The arguments are those of
// [New].
func Actions(config func(region string) aws.Config, reads *awserr.Reads, clock incident.Clock) engine.Catalog {
	s := New(config, reads, clock)
	return engine.Catalog{
		"s3.replication": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the source's buckets are replicated to the target, with little pending and nothing failed, and the target's back",
				Home:  "target",
			},
			Look: s.Replication,
		},
		"s3.readable": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that a probe object can be read from each of the target's buckets",
				Home:  "target",
			},
			Look: s.Readable,
		},
	}
}
