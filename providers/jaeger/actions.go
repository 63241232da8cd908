package jaeger

import (
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/webapi"
)

// Actions is what a runbook can have asked of Jaeger, by web.
func Actions(web *webapi.Client, clock incident.Clock) engine.Catalog {
	j := &Jaeger{web: web, clock: clock}
	return engine.Catalog{
		"jaeger.traces": {
			Action: runbook.Action{
				Kind:  runbook.Watch,
				About: "watches whether Jaeger has traces of the target from the last minutes",
				Home:  "target",
			},
			Look:  j.Traces,
			Every: time.Minute,
		},
	}
}
