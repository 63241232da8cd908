package acm

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have looked at of certificates.
func Actions(config func(region string) aws.Config, reads *awserr.Reads, listeners Listeners, clock incident.Clock) engine.Catalog {
	a := New(config, reads, listeners, clock)
	return engine.Catalog{
		"acm.certificate": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the target's load balancer has a valid certificate for the public name",
				Home:  "target",
				With:  CertificateInput{},
			},
			Look: a.Certificate,
		},
	}
}
