package grafana

import (
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/webapi"
)

// Actions is what a runbook can have asked of Grafana, by web. token is that of a service
// account which may query data sources; it may be empty. A secret.
func Actions(web *webapi.Client, clock incident.Clock, token string) engine.Catalog {
	g := &Grafana{web: web, clock: clock, token: token}
	return engine.Catalog{
		"grafana.query": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that a query through Grafana gives a datapoint of the target from the last 5 minutes",
				Home:  "target",
			},
			Look: g.Query,
		},
	}
}
