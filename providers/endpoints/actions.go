// Package endpoints knows what the bot connects to, and in which Region each of these
// lies. It asks nobody: it is known before anything has gone wrong.
package endpoints

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/kubeapi"
)

// Needs is where the endpoints are known from.
type Needs struct {
	// Own are those of the program itself: the record, Slack, PagerDuty.
	Own []Endpoint
	// AWS gives the settings for calls to one Region, Kube the connection to its cluster.
	AWS  func(region string) aws.Config
	Kube func(region string) (kubeapi.Client, error)
	// Names are those of the platform that are asked as users ask them: name servers,
	// resolvers, addresses.
	Names func(p *runbook.Plan) ([]Endpoint, error)
}

// Actions are what runbooks can have done with the endpoints.
func Actions(n Needs) engine.Catalog {
	return engine.Catalog{
		"endpoints.needed": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "lists what the bot itself needs, and says what of it an unplanned run would wait for in the Region that is left",
			},
			Look: n.Needed,
		},
	}
}
