package pagerduty

import (
	"context"
	"net"

	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Actions is what a runbook can have told to the people on call. The arguments are
// those of [New].
func Actions(s *Settings, dial func(ctx context.Context, network, addr string) (net.Conn, error)) engine.Catalog {
	p := New(s, dial)
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
	}
}
