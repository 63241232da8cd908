package dns

import (
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// recordAction is the one whose change is followed.
const recordAction = "dns.record"

// Actions is what a runbook can have done with the public name, and asked about it.
// balancer and inVPC are those of [NewVerify], address is that of [NewSetUp], alias is
// what records are made to lead to, and control is what they may hang on.
func Actions(shift *Shift, client *Client, balancer BalancerName, address BalancerAddress, alias BalancerAlias, control ControlOf, inVPC bool) engine.Catalog {
	verify, restore, ignore := NewVerify(client, balancer, inVPC), Restore{shift, truth}, Restore{shift, ignored}
	record := Record{shift, alias, verify}
	return engine.Catalog{
		"dns.outage": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until the zone's own servers no longer give the source out",
			},
			Look:  verify.Outage,
			Every: 5 * time.Second,
		},
		"dns.guard": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the failover records will do what is expected of them",
				Leads: leads,
				Home:  Home,
			},
			Look: shift.Guard,
		},
		"dns.takeover": {
			// It asks where Route 53's API lives, and does not need an answer.
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "compares records and checks with the takeover object, where Route 53's API can be asked",
				Leads: leads,
			},
			Look: shift.Takeover,
		},
		"dns.checks": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that records and health checks are set up for both Regions as the runbook has them",
				Home:  Home,
			},
			Look: NewSetUp(shift, address).Checks,
		},
		"dns.alarm": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that an alarm on the health check of the source's record reaches PagerDuty",
				Home:  Home,
			},
			Look: shift.Alarm,
		},
		"dns.ttl": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks for how long resolvers may keep what the zone's own servers give out",
				With:  TTLInput{},
			},
			Look: NewLifetime(client, shift).TTL,
		},
		"dns.shift": {
			Action: runbook.Action{
				Kind:   runbook.Change,
				Proves: []incident.Trait{incident.MovesUsers},
				About:  "makes the primary's health check unhealthy for good, by version",
				Leads:  leads,
				Home:   Home,
				Undo:   shiftUndo,
			},
			Look:   shift.Look,
			Do:     shift.Do,
			Undo:   &engine.Undo{Look: shift.LookBack, Do: shift.Back},
			Effect: shift.Effect,
			Rights: shift.Rights,
		},
		"dns.returnable": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that Route 53 gives the primary out again once its check says the truth",
				Leads: returns,
				Home:  Home,
			},
			Look: restore.Ready,
		},
		"dns.restore": sets(restore, returns, "lets the primary's health check say the truth again, by version", incident.MovesUsers),
		"dns.ignore":  sets(ignore, flees, "makes the primary's takeover check healthy for good, by version, whatever lies in the Region that is left", incident.MovesUsers),
		"dns.heed":    sets(Restore{shift, heeded}, returns, "makes the primary's takeover check look for the takeover object again, by version"),
		"dns.shield":  sets(Restore{shift, shielded}, returns, "holds the primary's health check healthy, by version, while its takeover check begins to look again"),
		"dns.unseen": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until a takeover check that looks again is believed not to see the takeover object",
				Leads: returns,
				Home:  Home,
			},
			Look:  restore.Unseen,
			Every: 5 * time.Second,
		},
		"dns.ignored": {
			Action: runbook.Action{
				Kind:   runbook.Watch,
				Proves: []incident.Trait{incident.TakeoverWatched},
				About:  "watches whether the primary's takeover check ignores the takeover object, and whether that is still there",
				Home:   Home,
			},
			Look:  ignore.Left,
			Every: 30 * time.Second,
		},
		"dns.controls": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that each record of the public name hangs on the routing control of its Region",
				Home:  Home,
			},
			Look: Controls{shift, control}.Ready,
		},
		"dns.changeable": {
			// Where it has to be asked although Route 53's API may be gone, it says so.
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the record sets of the public name can be made to lead to the target",
			},
			Look: record.Ready,
		},
		recordAction: {
			Action: runbook.Action{
				Kind:   runbook.Change,
				Proves: []incident.Trait{incident.MovesUsers},
				About:  "makes the record sets of the public name lead to the target, in one batch",
				Undo:   recordUndo,
			},
			Look:   record.Look,
			Do:     record.Do,
			Undo:   &engine.Undo{Look: record.LookBack, Do: record.Back},
			Effect: record.Effect,
			Rights: record.Rights,
		},
		"dns.in-sync": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until all of Route 53's servers have the change of the record sets",
			},
			Look:  record.InSync,
			Every: 5 * time.Second,
		},
		"dns.authoritative": {
			Action: runbook.Action{
				Kind:   runbook.Wait,
				Proves: []incident.Trait{incident.NamesMoved},
				About:  "waits until the zone's own servers give only the target",
				Leads:  returns,
			},
			Look:  verify.Moved,
			Every: 2 * time.Second,
		},
		"dns.resolvers": {
			Action: runbook.Action{
				Kind:   runbook.Wait,
				Proves: []incident.Trait{incident.ResolversAsked},
				About:  "looks until public resolvers give only the target",
			},
			Look:  verify.Resolvers,
			Every: 5 * time.Second,
		},
	}
}

// sets is the action that sets the flags of a check of the Region that a run leads to.
func sets(r Restore, leads func(t runbook.Topology, source, target string) error, about string, proves ...incident.Trait) engine.Action {
	return engine.Action{
		Action: runbook.Action{
			Kind:   runbook.Change,
			Proves: proves,
			About:  about,
			Leads:  leads,
			Home:   Home,
			Undo:   r.undo,
		},
		Look:   r.Look,
		Do:     r.Do,
		Undo:   &engine.Undo{Look: r.LookBack, Do: r.Back},
		Effect: r.Effect,
		Rights: r.Rights,
	}
}
