package pagerduty

import (
	"context"
	"net"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Actions is what a runbook can have told to the people on call, and looked at of them.
// The arguments are those of [New], the reader of the service and the test service, which
// may both be nil, and the run's clock.
func Actions(s *Settings, reader *Reader, test *Test, dial func(ctx context.Context, network, addr string) (net.Conn, error), clock incident.Clock) engine.Catalog {
	p := New(s, dial)
	routes := Routes{reader, clock}
	trial := newExercise(test, dial, clock)
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
		"pagerduty.test": {
			Action: runbook.Action{
				Kind:  runbook.Exercise,
				About: "sends an event to a test service in PagerDuty, which has to become an incident there, and resolves it",
			},
			None:  trial.none,
			Try:   trial.Try,
			Sends: testSends,
			Every: 5 * time.Second,
		},
	}
}
