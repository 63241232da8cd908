package people

import (
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Actions is what a runbook can have looked at of people.
func Actions(o Options) engine.Catalog {
	p := New(o)
	check := func(about string) runbook.Action { return runbook.Action{Kind: runbook.Check, About: about} }
	return engine.Catalog{
		"people.access": {
			Action: check("checks that whoever is on call has said lately that they can open the consoles of both Regions"),
			Look:   p.Access,
		},
		"people.commander": {
			Action: runbook.Action{Kind: runbook.Wait, Assessed: true, About: "waits until a commander has acted in the incident, said that they are here, or taken the page"},
			Look:   p.Commander,
		},
		"people.support": {
			Action: runbook.Action{Kind: runbook.Wait, Assessed: true, About: "waits until somebody of support has said in the incident that they are here"},
			Look:   p.Support,
		},
		"people.freeze": {
			Action: check("checks that deployments are frozen, by a page of the platform or by what a commander said lately"),
			Look:   p.Freeze,
		},
		"people.egress": {
			Action: check("checks that a commander has said lately that partners know the addresses from which both Regions send"),
			Look:   p.Egress,
		},
	}
}
