package kube

import (
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

const (
	scaleUndo   = "set the autoscaler's minimum and the replicas back to the recorded values"
	fenceUndo   = "scale the services in the Region that was left back to the recorded replicas"
	singleUndo  = "suspend, resume or scale each to what was recorded"
	restartUndo = "nothing to take back: " + restartLeaves

	// restartLeaves is why a restart is not undone: the mark in the template says which
	// incident it was for, and taking it off would roll the pods again.
	restartLeaves = "the pods are new, of the same image and settings"
)

// settles is how long pods may take to be as many as they were: a new node may have to
// come first.
const settles = 12 * time.Minute

// Actions is what a runbook can have done in the clusters; digest tells what registries have.
func (k *Kube) Actions(hosts Hosts, digest Digest) engine.Catalog {
	host := Host{k, hosts}
	scale, fence, restart, rest := Scale{k}, Fence{k}, Restart{k}, Rest{k}
	suspend, resume := Single{k, false}, Single{k, true}
	return engine.Catalog{
		"kube.nodes": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the target's API server is ready, and its ready nodes, zone by zone",
				Home:  "target",
			},
			Look: k.Nodes,
		},
		"kube.room": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks whether the pods that the run asks for find a node in the target",
				Home:  "target",
			},
			Look: k.Room,
		},
		"kube.managers": {
			Action: runbook.Action{
				Kind:   runbook.Check,
				Proves: []incident.Trait{incident.WarnsOfGo},
				About:  "checks whether Argo CD, Flux or KEDA would set back what the run scales, stops or suspends",
				Home:   "target",
			},
			Look: k.Managers,
		},
		"kube.drift": {
			Action: runbook.Action{
				Kind:   runbook.Check,
				Proves: []incident.Trait{incident.ToldWhole},
				About:  "checks whether the services of the target are as those that serve in the source: images, ConfigMaps, Secrets, autoscalers",
				Home:   "target",
				With:   DriftInput{},
			},
			Look: k.Drift(digest),
		},
		"kube.gone": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until no pod is left in the source of the services that write",
				Home:  "source",
			},
			Look:  fence.Gone,
			Every: time.Second,
		},
		"kube.jobs": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that CronJobs and consumers that run in one Region alone wait in the target, and tells what is to be suspended and resumed",
				Home:  "target",
			},
			Look: k.Jobs,
		},
		"kube.deployments": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that every service exists in the target and is available there",
				Home:  "target",
				With:  DeploymentsInput{},
			},
			Look: k.Deployments,
		},
		scaleAction: {
			Action: runbook.Action{
				Kind:  runbook.Change,
				About: "raises a service's autoscaler minimum and replicas in the target",
				Home:  "target",
				With:  ScaleInput{},
				Undo:  scaleUndo, Settles: settles,
			},
			Look:   scale.Look,
			Do:     scale.Do,
			Undo:   &engine.Undo{Look: scale.LookBack, Do: scale.Back, Settled: scale.Settled},
			Effect: scale.Effect,
			Rights: scale.Rights,
		},
		"kube.rolled-out": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until a service is rolled out and available",
				Home:  "target",
				With:  RolledOutInput{},
			},
			Look:  k.RolledOut,
			Every: time.Second, // users wait for it, and one reading a second is within every limit
		},
		"kube.fence": {
			Action: runbook.Action{
				Kind:   runbook.Change,
				Proves: []incident.Trait{incident.WritersStopped},
				About:  "stops the services that write in the source",
				Home:   "source",
				With:   FenceInput{},
				Undo:   fenceUndo, Settles: settles,
			},
			Look:        fence.Look,
			Do:          fence.Do,
			Undo:        &engine.Undo{Look: fence.LookBack, Do: fence.Back, Settled: fence.Settled},
			Effect:      fence.Effect,
			Rights:      fence.Rights,
			CallTimeout: 30 * time.Second,
		},
		"kube.writers": {
			Action: runbook.Action{
				Kind:   runbook.Watch,
				Proves: []incident.Trait{incident.WritersWatched},
				About:  "watches whether a service that writes still wants replicas in the source",
				Home:   "source",
				With:   FenceInput{},
			},
			Look:  fence.Watch,
			Every: 30 * time.Second,
		},
		"kube.suspended": {
			Action: runbook.Action{
				Kind:  runbook.Watch,
				About: "watches whether a CronJob or consumer that is to run in one Region alone runs in the source",
				Home:  "source",
				With:  SuspendInput{},
			},
			Look:  suspend.Watch,
			Every: 30 * time.Second,
		},
		"kube.suspend": {
			Action: runbook.Action{
				Kind:  runbook.Change,
				About: "suspends CronJobs and consumers that run in one Region alone in the source",
				Home:  "source",
				With:  SuspendInput{},
				Undo:  singleUndo,
			},
			Look:        suspend.Look,
			Do:          suspend.Do,
			Undo:        &engine.Undo{Look: suspend.LookBack, Do: suspend.Back},
			Effect:      suspend.Effect,
			Rights:      suspend.Rights,
			CallTimeout: 30 * time.Second,
		},
		"kube.resume": {
			Action: runbook.Action{
				Kind:  runbook.Change,
				About: "resumes CronJobs and consumers that run in one Region alone in the target",
				Home:  "target",
				With:  ResumeInput{},
				Undo:  singleUndo,
			},
			Look:        resume.Look,
			Do:          resume.Do,
			Undo:        &engine.Undo{Look: resume.LookBack, Do: resume.Back},
			Effect:      resume.Effect,
			Rights:      resume.Rights,
			CallTimeout: 30 * time.Second,
		},
		"kube.rest": {
			Action: runbook.Action{
				Kind:   runbook.Change,
				Proves: []incident.Trait{incident.StandbyAgain},
				About:  "brings a service of the source to the size that it has in a standby",
				Home:   "source",
				With:   RestInput{},
				Undo:   scaleUndo, Settles: settles,
			},
			Look:   rest.Look,
			Do:     rest.Do,
			Undo:   &engine.Undo{Look: rest.LookBack, Do: rest.Back, Settled: rest.Settled},
			Effect: rest.Effect,
			Rights: rest.Rights,
		},
		"kube.present": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "tells what the target has already of what a restore would bring: it is skipped",
				Home:  "target",
			},
			Look: k.Present,
		},
		"kube.restored": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until what a restore brought works in the target: pods, volume claims, ConfigMaps and Secrets by their names, Istio's objects",
				Home:  "target",
				With:  RestoredInput{},
			},
			Look: k.Restored,
		},
		"kube.settable": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the target's services can be told another database host",
				Home:  "target",
			},
			Look: host.Settable,
		},
		"kube.host": {
			Action: runbook.Action{
				Kind:  runbook.Change,
				About: "tells a service of the target where the database is, if that has another name by now",
				Home:  "target",
				With:  HostInput{},
				Undo:  hostUndo,
			},
			Look:   host.Look,
			Do:     host.Do,
			Undo:   &engine.Undo{Look: host.LookBack, Do: host.Back},
			Effect: host.Effect,
			Rights: host.Rights,
		},
		"kube.restart": {
			Action: runbook.Action{
				Kind:   runbook.Change,
				About:  "rolls a service's pods in the target, for new connections",
				Home:   "target",
				With:   RestartInput{},
				Undo:   restartUndo,
				Leaves: restartLeaves,
			},
			Look:   restart.Look,
			Do:     restart.Do,
			Effect: restart.Effect,
			Rights: restart.Rights,
		},
	}
}
