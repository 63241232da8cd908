package elb

import (
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Actions is what a runbook can have load balancers do.
func (e *ELB) Actions() engine.Catalog {
	return engine.Catalog{
		"elb.ready": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the target's load balancer is active, and that each of its target groups has a healthy target",
				Home:  "target",
			},
			Look: e.Ready,
		},
		"elb.healthy": {
			Action: runbook.Action{
				Kind:   runbook.Wait,
				Proves: []incident.Trait{incident.TargetsHealthy},
				About:  "waits until each target group of the target has healthy targets",
				Home:   "target",
			},
			Look:  e.Healthy,
			Every: 2 * time.Second,
		},
	}
}
