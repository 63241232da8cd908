package probe

import (
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// forever leaves a call the time of its step.
const forever = 24 * time.Hour

// Actions is what a runbook can have asked of the platform itself. api says whether a
// Region's API answers, sent tells where users are sent, the other arguments are those
// of [New].
func Actions(dial Dial, resolve Resolve, api Answers, sent Sent, clock incident.Clock, token string) engine.Catalog {
	p := New(dial, resolve, clock, token)
	return engine.Catalog{
		"probe.outage": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until the source's own address fails from here, several times in a row",
				With:  OutageInput{},
			},
			Look:        p.Outage,
			Every:       5 * time.Second,
			CallTimeout: forever, // its tries are spread over a while: see Lasts
		},
		"probe.source": {
			Action: runbook.Action{
				Kind:   runbook.Watch,
				Proves: []incident.Trait{incident.SourceAnswers},
				About:  "watches whether the source still answers, at its own address and by an AWS API there",
				Home:   "source",
			},
			Look:  p.Source(api),
			Every: sourceEvery,
		},
		"probe.write": {
			Action: runbook.Action{
				Kind:   runbook.Exercise,
				Proves: []incident.Trait{incident.AsUsers},
				About:  "writes a synthetic order through the target's own address and reads it back",
				Home:   "target",
			},
			Try:   p.Write,
			Sends: sends,
			Every: 5 * time.Second,
		},
		"probe.region": {
			Action: runbook.Action{
				Kind:   runbook.Wait,
				Proves: []incident.Trait{incident.UsersServed, incident.AsUsers},
				About:  "waits until the public name is served by the target",
			},
			Look:  p.Region,
			Every: 2 * time.Second,
		},
		"probe.health": {
			Action: runbook.Action{
				Kind:   runbook.Wait,
				Proves: []incident.Trait{incident.AsUsers},
				About:  "waits until a service's health page is served well by the target",
				With:   HealthInput{},
			},
			Look:  p.Health,
			Every: 5 * time.Second,
		},
		"probe.order": {
			Action: runbook.Action{
				Kind:   runbook.Exercise,
				Proves: []incident.Trait{incident.AsUsers, incident.OrdersFlow},
				About:  "writes a synthetic order through the public name and reads it back",
			},
			Try:   p.Order,
			Sends: sends,
			Every: 5 * time.Second,
		},
		"probe.last-orders": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "notes the last orders of the source, which the target has to have",
				Home:  "source",
				With:  LastOrdersInput{},
			},
			Look:  p.LastOrders,
			Every: time.Second,
		},
		"probe.kept": {
			Action: runbook.Action{
				Kind:   runbook.Check,
				About:  "checks that the last orders of the source are in the target, or estimates what is missing",
				Home:   "target",
				With:   KeptInput{},
				Proves: []incident.Trait{incident.LastWritesKept},
			},
			Look: p.Kept,
		},
		"probe.database": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until the target's own page says that it is connected to a writable database, and to the right one",
				Home:  "target",
				With:  DatabaseInput{},
			},
			Look:  p.Database,
			Every: 5 * time.Second,
		},
		"probe.in-flight": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until the source's own page says that it has nothing in hand",
				Home:  "source",
			},
			Look:  p.InFlight,
			Every: time.Second,
		},
		"probe.schema": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the services of both Regions say that they are made for the same schema of the database",
				Home:  "target",
			},
			Look: p.Schema,
		},
		"probe.users": {
			Action: runbook.Action{
				Kind:   runbook.Watch,
				Proves: []incident.Trait{incident.UsersWatched},
				About:  "watches what users of the public name get, and where resolvers send them",
			},
			Look:  p.Users(sent).Look,
			Every: 10 * time.Second,
		},
		"probe.watch": {
			Action: runbook.Action{
				Kind:   runbook.Check,
				Proves: []incident.Trait{incident.AsUsers},
				About:  "watches for a while that users stay with the target",
				With:   WatchInput{},
			},
			Look: p.Watch,
		},
	}
}
