package pagerduty

import (
	"context"
	"net"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Actions is what a runbook can have told to the people on call, and looked at of them.
// The arguments are those of [New], the reader of the service, which may be nil, and the
// run's clock.
func Actions(s *Settings, reader *Reader, dial func(ctx context.Context, network, addr string) (net.Conn, error), clock incident.Clock) engine.Catalog {
	p := New(s, dial)
	routes := Routes{reader, clock}
	return engine.Catalog{
		"pagerduty.trigger": {
			Action: runbook.Action{
				Kind:  runbook.Tell,
				About: "pages the people on call under the incident's id",
				With:  TriggerInput{},
			},
			Do: p.Trigger,
		},
		"pagerduty.resolve": {
			Action: runbook.Action{
				Kind:  runbook.Tell,
				About: "resolves that page",
			},
			Do: p.Resolve,
		},
		"pagerduty.routes": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the service in PagerDuty is enabled, has an integration for events and an escalation policy, and that somebody is on call",
			},
			Look: routes.Look,
		},
	}
}
