package drs

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have done with servers that Elastic Disaster Recovery
// protects. The arguments are those of [New].
func Actions(config func(region string) aws.Config, reads *awserr.Reads, dial Dial, clock incident.Clock) engine.Catalog {
	d := New(config, reads, dial, clock)
	return engine.Catalog{
		"drs.list": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "lists the servers that Elastic Disaster Recovery runs in the Region that is left, and whether each can be moved",
				Home:  "source",
			},
			Look: d.List,
		},
		"drs.points": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "tells the points in time that the Region that is left has of its servers, with their ages",
				Home:  "source",
			},
			Look: d.Points,
		},
		"drs.original": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "records how each server was set up in the target before it was recovered: subnet, security groups, instance profile, type, target groups",
				Home:  "target",
				With:  OriginalInput{},
			},
			Look: d.Original,
		},
		"drs.feasible": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "says whether moving the servers is feasible within the objectives, by lag, sizes and the last launch",
				Home:  "source",
			},
			Look: d.Feasible,
		},
		"drs.reverse": {
			Action: runbook.Action{
				Kind:  runbook.Change,
				About: "reverses the replication of a server",
				Home:  "source",
				With:  ReverseInput{},
				Undo:  reverseUndo,
			},
			Look: d.Reverse, Do: d.ReverseDo, Effect: d.ReverseEffect, Rights: mayReverse,
			Undo: &engine.Undo{Look: d.ReverseLookBack, Do: d.ReverseBack},
		},
		"drs.replicated": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until all servers are replicated up to the last moment",
				Home:  "target",
				With:  ReplicatedInput{},
			},
			Look:  d.Replicated,
			Every: 15 * time.Second,
		},
		"drs.freeze": {
			Action: runbook.Action{
				Kind:  runbook.Change,
				About: "takes the servers of the Region that is left out of their target groups",
				Home:  "source",
				With:  FreezeInput{},
				Undo:  freezeUndo, Proves: []incident.Trait{incident.ServersOut},
			},
			Look: d.Freeze, Do: d.FreezeDo, Effect: d.FreezeEffect, Rights: mayFreeze,
			Undo: &engine.Undo{Look: d.FreezeLookBack, Do: d.FreezeBack},
		},
		"drs.launch": {
			Action: runbook.Action{
				Kind:  runbook.Change,
				About: "has the servers launched in the target from their latest data, and follows the jobs to a result for each server",
				Home:  "target",
				With:  LaunchInput{},
				Undo:  launchUndo,
			},
			Look: d.Launch, Do: d.LaunchDo, Effect: d.LaunchEffect, Rights: mayLaunch, Job: d.Job,
			Undo:  &engine.Undo{Look: d.LaunchLookBack, Do: d.LaunchBack},
			Every: 10 * time.Second,
		},
		"drs.launched": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "lists what was launched, and compares its point in time and how it is set up with what was recorded",
				Home:  "target",
				With:  LaunchedInput{},
			},
			Look: d.Launched,
		},
		"drs.healthy": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until EC2's status checks pass for what was launched, and the servers' own page says that their data are whole",
				Home:  "target",
				With:  HealthyInput{},
			},
			Look:  d.Healthy,
			Every: 10 * time.Second,
		},
		"drs.lead": {
			Action: runbook.Action{
				Kind:     runbook.Change,
				About:    "registers what was launched in the target groups in which the servers were before",
				Home:     "target",
				With:     LeadInput{},
				Undo:     leadUndo,
				NoReturn: true,
			},
			Look: d.Lead, Do: d.LeadDo, Effect: d.LeadEffect, Rights: mayLead,
		},
		"drs.stop": {
			Action: runbook.Action{
				Kind:  runbook.Change,
				About: "stops the servers in the Region that users have left, and keeps them",
				Home:  "source",
				With:  StopInput{},
				Undo:  stopUndo, Leaves: stopLeaves,
			},
			Look: d.Stop, Do: d.StopDo, Effect: d.StopEffect, Rights: mayStop,
		},
		"drs.serving": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until the target groups find what was launched healthy",
				Home:  "target",
				With:  LeadInput{}, Proves: []incident.Trait{incident.ServersLed},
			},
			Look: d.Serving,
		},
	}
}
