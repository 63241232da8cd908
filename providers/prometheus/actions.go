package prometheus

import (
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/webapi"
)

// Actions is what a runbook can have asked of Prometheus, by web.
func Actions(web *webapi.Client, clock incident.Clock) engine.Catalog {
	p := &Prometheus{web: web, clock: clock}
	return engine.Catalog{
		"prometheus.targets": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that enough of the target's own targets are up in Prometheus",
				Home:  "target",
			},
			Look: p.Targets,
		},
	}
}
