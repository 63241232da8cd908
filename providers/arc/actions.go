// Package arc moves users by the routing controls of Amazon Application Recovery Controller:
// one for each Region, which the health checks of its records hang on. On lets users in, Off
// keeps them out.
//
// Controls live on a cluster with an endpoint in each of five Regions, which goes on with two
// of them down, so nothing here needs a control plane, nor the Region that is left. Endpoints
// are tried in turn, each for some seconds, until one answers; both states are set in one
// batch, which the cluster takes as a whole or not at all, and read back from another
// endpoint. A safety rule that refuses is told with its words and never overridden. With all
// endpoints away each action fails and says what each of them answered.
//
// https://docs.aws.amazon.com/r53recovery/latest/dg/routing-control.html
package arc

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// shiftAction is the one whose change is read back.
const shiftAction = "arc.shift"

// ARC reaches the cluster of an account's routing controls.
type ARC struct {
	config func(region string) aws.Config
}

// New returns the controls reached with the credentials and the HTTP client of config.
func New(config func(region string) aws.Config) *ARC { return &ARC{config} }

// Actions is what a runbook can have done with routing controls.
func Actions(config func(region string) aws.Config) engine.Catalog {
	a := New(config)
	return engine.Catalog{
		"arc.ready": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that both routing controls can be read from two endpoints, and that the source's alone is On",
				Leads: leads,
			},
			Look: a.Ready,
		},
		shiftAction: {
			Action: runbook.Action{
				Kind:   runbook.Change,
				Proves: []incident.Trait{incident.MovesUsers},
				About:  "turns the source's routing control off and the target's on, in one batch",
				Leads:  leads,
				Undo:   shiftUndo,
			},
			Look:   a.Look,
			Do:     a.Do,
			Undo:   &engine.Undo{Look: a.LookBack, Do: a.Back},
			Effect: a.Effect,
			Rights: a.Rights,
			// Some endpoints may have to be given up before one answers.
			CallTimeout: size*patient + 5*time.Second,
		},
		"arc.read-back": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until an endpoint other than the one that took the states of the routing controls tells them, too",
			},
			Look:  a.ReadBack,
			Every: 2 * time.Second,
		},
	}
}
