package providers_test

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/dns"
	"github.com/failoverbot/failoverbot/providers/kube"
	"github.com/failoverbot/failoverbot/providers/kubeapi"
	"github.com/failoverbot/failoverbot/providers/sim"
)

const (
	east = "us-east-1"
	west = "us-west-2"
)

// world is a pretend platform with the catalogue on its wires.
type world struct {
	*sim.World
	clock   *sim.Clock
	catalog engine.Catalog
	// found is what other steps of a run have found.
	found map[string]engine.Outcome
	// mode of the run where it is not the scenario's own.
	mode string
	// disagreed is what the commander has to say when the views do not agree; the
	// run is aborted without it.
	disagreed func(plan *runbook.Plan) []incident.Body
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return worldOf(t, &sim.Scenario{Name: "test", Mode: "planned", Target: west})
}

// movedBy is a world whose settings have users moved by that strategy.
func movedBy(t *testing.T, strategy string) *world {
	t.Helper()
	return worldOf(t, &sim.Scenario{Name: "test", Mode: "planned", Target: west, Start: sim.Start{Strategy: strategy}})
}

func worldOf(t *testing.T, scn *sim.Scenario) *world {
	t.Helper()
	clock := sim.NewClock(scn.StartTime(), sim.Max)
	t.Cleanup(clock.Close)
	w, err := sim.New(scn, clock, sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	done := clock.Busy()
	t.Cleanup(func() {
		done()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	out := &world{World: w, clock: clock, found: map[string]engine.Outcome{
		"restore-list": {Evidence: map[string]string{"backup": newestBackup, "started": "2026-03-03T13:50:00Z"}},
		"orphan":       {Items: []string{"ecommerce-primary-1", "ecommerce-primary-2"}},
		"rebuild-room": {Evidence: map[string]string{"new_global_cluster": newGlobal, "new_cluster": newCluster}},
		"servers-list": {Items: []string{erpApp, erpDB, reports}},
		"servers-original": {Evidence: map[string]string{
			erpApp: "instance=i-1 subnet=subnet-us-east-1-a groups=sg-erp-app-us-east-1 profile=servers type=m7i.xlarge targets=erp:8080",
		}},
	}}
	out.catalog = providers.Catalog(out.connections())
	return out
}

func (w *world) connections() providers.Connections {
	return providers.Connections{
		Clock: w.clock, AWS: w.AWS, Dial: w.Dial,
		Kube: func(region string) (kubeapi.Client, error) { return w.Kube(region), nil },
	}
}

func (w *world) facts(mode string) runbook.Facts {
	top := w.Topology()
	for name, r := range top.Regions {
		r.Name = name
		top.Regions[name] = r
	}
	return runbook.Facts{
		Incident: "INC-2026-0042", Mode: mode, Severity: "SEV-1", Reason: "a test",
		Source: top.Regions[east], Target: top.Regions[west], Topology: top,
	}
}

func partOf[T any](t *testing.T, top runbook.Topology, key string) T {
	t.Helper()
	part, err := runbook.PartOf[T](top, key)
	if err != nil {
		t.Fatal(err)
	}
	return part
}

// checksOf are the health checks of the home Region's record.
func (w *world) checksOf(t *testing.T) dns.Checks {
	t.Helper()
	return partOf[dns.Settings](t, w.Topology(), "dns").Regions[east]
}

// call is one step of the shipped runbook, compiled for this world.
func (w *world) call(t *testing.T, step string) (engine.Action, engine.Call) {
	t.Helper()
	for _, facts := range []runbook.Facts{w.facts("planned"), w.facts("unplanned"), w.facts("planned").Back(), w.facts("unplanned").Fleeing(), w.facts("planned").Restoring(), w.facts("unplanned").Detaching(), w.facts("planned").Servers(), w.facts("planned").Rebuilding()} {
		p := w.expanded(compile(t, w.catalog, facts))
		s, ok := p.Step(step)
		if !ok {
			continue
		}
		now := w.clock.Now()
		return w.catalog[s.Uses], engine.Call{
			Incident: "INC-2026-0042", Plan: p.For(s), Step: s, Attempt: 1, Began: now, Impact: now, Clock: w.clock,
			Token: restoreToken, Result: func(step string) (engine.Outcome, bool) { o, ok := w.found[step]; return o, ok },
			Task: func(string) (incident.Task, bool) { return incident.Task{}, false },
		}
	}
	t.Fatalf("the runbook has no step %s", step)
	return engine.Action{}, engine.Call{}
}

// expanded is a plan with the lists that other steps of the run have found.
func (w *world) expanded(p *runbook.Plan) *runbook.Plan {
	lists := map[string][]string{}
	for _, s := range p.Steps {
		if found, ok := w.found[s.EachOf]; ok && s.EachOf != "" {
			lists[s.ID] = found.Items
		}
	}
	return p.Expand(lists)
}

func (w *world) wait(t *testing.T, d time.Duration) {
	t.Helper()
	if err := w.clock.Sleep(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

func (w *world) applied() map[string]int {
	out := map[string]int{}
	for _, c := range w.Calls() {
		if c.Applied {
			out[c.Operation+" "+c.Target]++
		}
	}
	return out
}

func (w *world) change(t *testing.T, f func(s *sim.State)) {
	t.Helper()
	if err := w.Do(f); err != nil {
		t.Fatal(err)
	}
}

// changeCase is a change of the catalogue: the step of the runbook that uses it, the
// system and the operations that carry it out, and the same change as somebody makes it
// by hand.
type changeCase struct {
	step, system string
	operations   []string
	// strategy is how the settings have users moved, where the step wants another one.
	strategy string
	// ways is at how many ends each of the operations is tried within one call, where it is
	// not one: all of them have to go wrong.
	ways int
	// consumer says that the settings name one.
	consumer bool
	// start is how the world differs before, so that there is something to change.
	start  func(s *sim.State)
	byHand func(s *sim.State)
	// undoes is the operation that takes it back, where that is another one.
	undoes string
	// meddle is, once it is made, what somebody else makes of it, and says what people
	// are told of that: how it is, what was set, what was there before.
	meddle func(s *sim.State)
	says   []string
	// eitherWay says that what it makes may be so of both Regions at once.
	eitherWay bool
	// drop lets it come to nothing although it was accepted, where that is not by
	// somebody taking it back.
	drop func(t *testing.T, w *world)
}

// times is how often an operation has to break for its call to go wrong. What is denied at
// one end is denied at all.
func (c changeCase) times(b enginetest.Break) int {
	if b == enginetest.Denied {
		return 1
	}
	return max(1, c.ways)
}

// callOf is the call of a case's step.
func (w *world) callOf(t *testing.T, c changeCase) (engine.Action, engine.Call) {
	t.Helper()
	a, call := w.call(t, c.step)
	if c.consumer {
		own := partOf[kube.Settings](t, call.Plan.Topology, kube.Platform.Key)
		own.Consumers = []string{"order-events"}
		if err := kube.Platform.Freeze(&call.Plan.Topology, own); err != nil {
			t.Fatal(err)
		}
	}
	return a, call
}

// changes has a case for each change of the catalogue.
var changes = map[string]changeCase{
	"kube.scale": {
		step: "scale/order-service", system: "kubernetes", operations: []string{"patch horizontalpodautoscalers", "patch deployments/scale"},
		byHand: sixByHand,
		meddle: func(s *sim.State) {
			four := int32(4)
			s.Regions[west].HPAs["order-service"].Spec.MinReplicas = &four
		},
		says: []string{"the minimum of autoscaler order-service in us-west-2", "it is 4", "had set 6", "it was 2 before"},
	},
	"kube.fence": {
		step: "fence-writers", system: "kubernetes", operations: []string{"patch deployments/scale"},
		byHand: func(s *sim.State) {
			for _, name := range writers {
				s.Regions[east].Deployments[name].Spec.Replicas = new(int32)
			}
		},
		meddle: func(s *sim.State) {
			one := int32(1)
			delete(s.Regions[east].HPAs, "payment-service") // it would have its own way
			s.Regions[east].Deployments["payment-service"].Spec.Replicas = &one
		},
		says: []string{"payment-service in us-east-1", "it is 1 replica", "had set 0", "it was 4 before"},
	},
	"kube.rest": {
		step: "rest/order-service", system: "kubernetes", operations: []string{"patch horizontalpodautoscalers", "patch deployments/scale"},
		start: sixByHand,
		byHand: func(s *sim.State) {
			two := int32(2)
			s.Regions[west].HPAs["order-service"].Spec.MinReplicas = &two
			s.Regions[west].Deployments["order-service"].Spec.Replicas = &two
		},
		meddle: func(s *sim.State) {
			four := int32(4)
			s.Regions[west].HPAs["order-service"].Spec.MinReplicas = &four
		},
		says:      []string{"the minimum of autoscaler order-service in us-west-2", "it is 4", "had set 2", "it was 6 before"},
		eitherWay: true, // both can be small
	},
	"kube.suspend": {
		step: "suspend-jobs", system: "kubernetes", operations: []string{"patch cronjobs", "patch deployments/scale"},
		consumer: true, start: consumers(2, 0),
		byHand: func(s *sim.State) {
			s.Regions[east].CronJobs["invoice-run"] = false
			s.Regions[east].Deployments["order-events"].Spec.Replicas = new(int32)
		},
		meddle:    func(s *sim.State) { consume(s, east, 5) },
		says:      []string{"Deployment order-events in us-east-1", "it is 5 replicas", "had set 0", "it was 2 before"},
		eitherWay: true, // between the two they wait in both Regions
	},
	"kube.resume": {
		step: "resume-jobs", system: "kubernetes", operations: []string{"patch cronjobs", "patch deployments/scale"},
		consumer: true, start: consumers(2, 0),
		byHand: func(s *sim.State) {
			s.Regions[west].CronJobs["invoice-run"] = true
			consume(s, west, 1)
		},
		meddle:    func(s *sim.State) { consume(s, west, 5) },
		says:      []string{"Deployment order-events in us-west-2", "it is 5 replicas", "had set 1", "it was 0 before"},
		eitherWay: true, // until the other Region is suspended both run
	},
	"kube.restart": {
		step: "restart/user-service", system: "kubernetes", operations: []string{"patch deployments"},
		byHand: func(s *sim.State) {
			d := s.Regions[west].Deployments["user-service"]
			d.Spec.Template.Annotations = map[string]string{"failoverbot/restarted-for": "INC-2026-0042"}
		},
		drop: func(t *testing.T, w *world) {
			w.change(t, func(s *sim.State) {
				d := s.Regions[west].Deployments["user-service"]
				d.Spec.Template.Annotations = nil
				d.Generation++
			})
			w.wait(t, 3*time.Minute)
		},
	},
	"velero.restore": {
		step: "restore", system: "kubernetes", operations: []string{"create restores"},
		byHand: func(s *sim.State) { askedFor(s, restoreToken) },
		drop:   func(t *testing.T, w *world) { w.change(t, func(s *sim.State) { s.Velero.Restores = nil }) },
	},
	"drs.reverse": {
		step: "reverse/" + erpApp, system: "aws.drs", operations: []string{"ReverseReplication"}, start: serversAway,
		byHand: func(s *sim.State) { reversedAs(s, "INITIATING", erpApp) },
		undoes: "StopReplication",
		meddle: func(s *sim.State) {
			all := s.Recovery.Sources[east]
			all[len(all)-1].State = "DISCONNECTED"
		},
		says: []string{"the replication of erp-app to us-east-1", "it is DISCONNECTED", "had set replicating", "it was not there before"},
		drop: func(t *testing.T, w *world) { w.change(t, func(s *sim.State) { s.Recovery.Sources[east] = nil }) },
	},
	"drs.freeze": {
		step: "servers-out", system: "aws.elasticloadbalancing", operations: []string{"DeregisterTargets"}, start: serversAway,
		byHand: func(s *sim.State) { s.Recovery.Led[west] = map[string]map[string]int32{"erp": {}, "reports": {}} },
		undoes: "RegisterTargets",
		meddle: func(s *sim.State) { s.Recovery.Led[west]["erp"][erpApp] = 9090 },
		says:   []string{erpApp + " in target group erp", "it is at port 9090", "had set not in it", "it was at port 8080 before"},
	},
	"drs.launch": {
		step: "launch", system: "aws.drs", operations: []string{"StartRecovery"},
		start: func(s *sim.State) { serversAway(s); reversedAs(s, "CONTINUOUS", erpApp, erpDB, reports) },
		byHand: func(s *sim.State) {
			j := &sim.RecoveryJob{ID: "drsjob-by-hand", Type: "LAUNCH", By: "START_RECOVERY", Created: s.At, Tags: map[string]string{"failoverbot": restoreToken}}
			for _, one := range s.Recovery.Sources[east] {
				j.Servers = append(j.Servers, &sim.JobServer{Source: one.ID, Name: one.Name, Status: "PENDING", At: s.At})
			}
			s.Recovery.Jobs[east] = append(s.Recovery.Jobs[east], j)
		},
		undoes: "TerminateRecoveryInstances",
		meddle: func(s *sim.State) { s.Recovery.Led[east]["erp"][s.Recovery.Sources[east][0].Launched] = 8080 },
		says:   []string{"in target group erp", "had set launched, and in no target group", "it was not there before"},
		drop: func(t *testing.T, w *world) {
			w.change(t, func(s *sim.State) {
				for _, j := range s.Recovery.Jobs[east] {
					for _, one := range j.Servers {
						one.Status, one.Why = "FAILED", "no capacity"
					}
					j.Ended = s.At
				}
			})
		},
	},
	"drs.lead": {
		step: "servers-lead", system: "aws.elasticloadbalancing", operations: []string{"RegisterTargets"},
		start: func(s *sim.State) {
			serversAway(s)
			reversedAs(s, "CONTINUOUS", erpApp, erpDB, reports)
			launchedIn(s)
		},
		byHand: func(s *sim.State) { s.Recovery.Led[east]["erp"][s.Recovery.Sources[east][0].Launched] = 8080 },
		drop: func(t *testing.T, w *world) {
			w.change(t, func(s *sim.State) { delete(s.Recovery.Led[east]["erp"], s.Recovery.Sources[east][0].Launched) })
		},
	},
	"drs.stop": {
		step: "servers-rest", system: "aws.ec2", operations: []string{"StopInstances"}, start: serversAway,
		byHand: func(s *sim.State) {
			for _, id := range []string{erpApp, erpDB, reports} {
				s.Recovery.Machines[west][id].State = "stopped"
			}
		},
		drop: func(t *testing.T, w *world) {
			w.change(t, func(s *sim.State) {
				s.Recovery.Machines[west][erpDB].State = "running"
				s.Recovery.Machines[west][erpApp].State = "running"
				s.Recovery.Machines[west][reports].State = "running"
			})
		},
		eitherWay: true, // in either Region they may not run
	},
	"aurora.switchover": {step: "switch-database", system: "aws.rds", operations: []string{"SwitchoverGlobalCluster"}, byHand: promoteByHand, drop: dropPromotion},
	"aurora.failover":   {step: "promote-database", system: "aws.rds", operations: []string{"FailoverGlobalCluster"}, byHand: promoteByHand, drop: dropPromotion},
	"aurora.detach": {
		step: "detach-database", system: "aws.rds", operations: []string{"RemoveFromGlobalCluster"},
		start: versionsApart, byHand: detachedByHand,
		drop: func(t *testing.T, w *world) {
			w.change(t, func(s *sim.State) {
				m := s.Database.Member(west)
				m.Detached, m.Status = time.Time{}, "available"
			})
			w.wait(t, time.Minute)
		},
	},
	"aurora.release": {
		step: "orphan-release", system: "aws.rds", operations: []string{"RemoveFromGlobalCluster"},
		start:  leftAnOrphan,
		byHand: func(s *sim.State) { s.Database.Member(east).Global = "" },
		drop: func(t *testing.T, w *world) {
			w.change(t, func(s *sim.State) {
				m := s.Database.Member(east)
				m.Detached, m.Status = time.Time{}, "available"
			})
			w.wait(t, 6*time.Minute)
		},
		eitherWay: true, // after a detach the one that serves belongs to no global database either
	},
	"aurora.stop": {
		step: "orphan-stop", system: "aws.rds", operations: []string{"StopDBCluster"},
		start:  releasedOrphan,
		byHand: func(s *sim.State) { s.Database.Member(east).Status = "stopped" },
		drop: func(t *testing.T, w *world) {
			w.change(t, func(s *sim.State) {
				m := s.Database.Member(east)
				m.Status, m.Ready = "available", time.Time{}
			})
		},
	},
	"aurora.globalize": {
		step: "new-global", system: "aws.rds", operations: []string{"CreateGlobalCluster"},
		start:  stoppedOrphan,
		byHand: globalByHand,
		drop: func(t *testing.T, w *world) {
			w.change(t, func(s *sim.State) {
				s.Database.Globals, s.Database.Member(west).Global = []string{"ecommerce-global"}, ""
			})
			w.wait(t, time.Minute)
		},
	},
	"aurora.follow": {
		step: "new-cluster", system: "aws.rds", operations: []string{"CreateDBCluster"},
		start:  func(s *sim.State) { stoppedOrphan(s); globalByHand(s) },
		byHand: func(s *sim.State) { clusterByHand(s, newCluster) },
		drop: func(t *testing.T, w *world) {
			w.change(t, func(s *sim.State) {
				s.Database.Members[0], s.Database.Orphans = s.Database.Orphans[0], nil
			})
		},
	},
	"aurora.populate": {
		step: "new-instance/ecommerce-primary-1", system: "aws.rds", operations: []string{"CreateDBInstance"},
		start: func(s *sim.State) { stoppedOrphan(s); globalByHand(s); clusterByHand(s, newCluster) },
		byHand: func(s *sim.State) {
			m := s.Database.Member(east)
			m.Made, m.Instances = []sim.DBInstance{{ID: newCluster + "-1", Class: "db.r6g.2xlarge"}}, 1
		},
		drop: func(t *testing.T, w *world) {
			w.change(t, func(s *sim.State) {
				m := s.Database.Member(east)
				m.Made, m.Instances = nil, 0
			})
		},
	},
	"kube.host": {
		step: "database-host/order-service", system: "kubernetes", operations: []string{"patch deployments"},
		byHand: hostByHand(ownHost),
		meddle: hostByHand("elsewhere.example.com"),
		says:   []string{"the database host of order-service in us-west-2", "it is elsewhere.example.com", "had set " + ownHost, "it was ecommerce-global.global-pretend.global.rds.amazonaws.com"},
	},
	"aurora.keep": {
		step: "keep-lost-writes", system: "aws.rds", operations: []string{"CopyDBClusterSnapshot"},
		start:  leftBehind,
		byHand: func(s *sim.State) { copied(s, "available") },
		drop: func(t *testing.T, w *world) {
			w.change(t, func(s *sim.State) { s.Database.Snapshots = s.Database.Snapshots[:1] })
		},
		// Neither Region has a snapshot of a failover that it did not have.
		eitherWay: true,
	},
	"cache.promote": {
		step: "promote-cache", system: "aws.elasticache", operations: []string{"FailoverGlobalReplicationGroup"},
		byHand: func(s *sim.State) { lead(s, west) },
		drop: func(t *testing.T, w *world) {
			if err := w.Happen(sim.Event{ModifyCache: &sim.ModifyCache{}}); err != nil {
				t.Fatal(err)
			}
			w.wait(t, time.Minute)
		},
		meddle: func(s *sim.State) {
			s.Cache.Members = append(s.Cache.Members, sim.CacheMember{Region: "eu-west-1", Group: "ecommerce-cache-eu", Status: "associated"})
			lead(s, "eu-west-1")
		},
		says: []string{"the primary of", "ecommerce-cache-eu in eu-west-1", "in us-west-2", "in us-east-1 before"},
	},
	"dns.shift": {
		step: "shift-dns", system: "aws.route53", operations: []string{"UpdateHealthCheck"},
		byHand: func(s *sim.State) { setFlags(s, true, true) },
		meddle: func(s *sim.State) { setFlags(s, false, true) },
		says:   []string{"it is disabled=false inverted=true", "had set disabled=true inverted=true", "it was disabled=false inverted=false before"},
	},
	"dns.record": {
		step: "change-record", system: "aws.route53", operations: []string{"ChangeResourceRecordSets"}, strategy: dns.ByRecord,
		byHand: func(s *sim.State) { aliasTo(s, albOf(west)) },
		meddle: func(s *sim.State) { aliasTo(s, "a-cdn.example.net") },
		says:   []string{"the record of api.ecommerce.com", "it is A record to a-cdn.example.net", "had set A record to " + albOf(west), "it was A record to " + albOf(east)},
	},
	"arc.shift": {
		step: "shift-controls", system: "aws.route53-recovery-cluster", operations: []string{"UpdateRoutingControlStates"}, strategy: dns.ByControl, ways: 5,
		byHand: func(s *sim.State) { turn(s, "Off", "On") },
		meddle: func(s *sim.State) { turn(s, "On", "On") },
		says:   []string{"the pair of routing controls", "it is us-east-1 On, us-west-2 On", "had set us-east-1 Off, us-west-2 On", "it was us-east-1 On, us-west-2 Off before"},
	},
	"dns.restore": {
		step: "restore-dns", system: "aws.route53", operations: []string{"UpdateHealthCheck"},
		start:  func(s *sim.State) { setFlags(s, true, true) },
		byHand: func(s *sim.State) { setFlags(s, false, false) },
		meddle: func(s *sim.State) { setFlags(s, false, true) },
		says:   []string{"it is disabled=false inverted=true", "had set disabled=false inverted=false", "it was disabled=true inverted=true before"},
	},
	"dns.ignore": {
		step: "takeover-ignored", system: "aws.route53", operations: []string{"UpdateHealthCheck"},
		byHand: func(s *sim.State) { setTakeover(s, true, false) },
		meddle: func(s *sim.State) { setTakeover(s, false, false) },
		says:   []string{"it is disabled=false inverted=false", "had set disabled=true inverted=false", "it was disabled=false inverted=true before"},
	},
	"dns.shield": {
		step: "takeover-shielded", system: "aws.route53", operations: []string{"UpdateHealthCheck"},
		start:  func(s *sim.State) { setTakeover(s, true, false) },
		byHand: func(s *sim.State) { setFlags(s, true, false) },
		meddle: func(s *sim.State) { setFlags(s, false, true) },
		says:   []string{"it is disabled=false inverted=true", "had set disabled=true inverted=false", "it was disabled=false inverted=false before"},
	},
	"dns.heed": {
		step: "takeover-heeded", system: "aws.route53", operations: []string{"UpdateHealthCheck"},
		start:  func(s *sim.State) { setTakeover(s, true, false) },
		byHand: func(s *sim.State) { setTakeover(s, false, true) },
		meddle: func(s *sim.State) { setTakeover(s, true, true) },
		says:   []string{"it is disabled=true inverted=true", "had set disabled=false inverted=true", "it was disabled=true inverted=false before"},
	},
	"takeover.remove": {
		step: "takeover-removed", system: "aws.s3", operations: []string{"DeleteObject"},
		start: putByHand, byHand: removeByHand, undoes: "PutObject",
		meddle: func(s *sim.State) {
			for name, b := range s.Regions[west].Buckets {
				if strings.Contains(name, "takeover") {
					b["takeover"] = sim.Object{Body: []byte("another"), Modified: s.At, Meta: map[string]string{"incident": "INC-2026-0007"}}
				}
			}
		},
		says:      []string{"an object that INC-2026-0007 put", "had set not there", "it was an object that somebody put before"},
		eitherWay: true, // neither has an object when nobody has taken over
	},
	"takeover.put": {
		step: "take-over", system: "aws.s3", operations: []string{"PutObject"},
		byHand: putByHand, undoes: "DeleteObject", meddle: putByHand,
		says: []string{"an object that somebody put", "one of INC-2026-0042", "it was not there before"},
	},
}

var sixByHand = func(s *sim.State) {
	six := int32(6)
	s.Regions[west].HPAs["order-service"].Spec.MinReplicas = &six
	s.Regions[west].Deployments["order-service"].Spec.Replicas = &six
}

// consumers puts a consumer of that size into each Region.
func consumers(inEast, inWest int32) func(s *sim.State) {
	return func(s *sim.State) {
		for region, n := range map[string]int32{east: inEast, west: inWest} {
			d := s.Regions[region].Deployments["user-service"].DeepCopy()
			d.Name, d.Spec.Replicas = "order-events", &n
			s.Regions[region].Deployments[d.Name] = d
		}
	}
}

func consume(s *sim.State, region string, n int32) {
	s.Regions[region].Deployments["order-events"].Spec.Replicas = &n
}

func removeByHand(s *sim.State) {
	for name, b := range s.Regions[west].Buckets {
		if strings.Contains(name, "takeover") {
			delete(b, "takeover")
		}
	}
}

var writers = []string{"user-service", "order-service", "payment-service"}

func lead(s *sim.State, region string) {
	for i := range s.Cache.Members {
		s.Cache.Members[i].Primary = s.Cache.Members[i].Region == region
	}
}

// albOf is the name of a Region's load balancer.
func albOf(region string) string {
	return "ecommerce-alb-" + region + "." + region + ".elb.amazonaws.com"
}

// aliasTo makes the public name an alias of another one.
func aliasTo(s *sim.State, name string) {
	zones := map[string]string{albOf(east): "Z35SXDOTRQ7X7K", albOf(west): "Z1H1FL5HABSF5"}
	for i, r := range s.DNS.Records {
		if aws.ToString(r.Name) == "api.ecommerce.com." {
			alias := *r.AliasTarget
			alias.DNSName = aws.String(name)
			if zone := zones[name]; zone != "" {
				alias.HostedZoneId = aws.String(zone)
			}
			s.DNS.Records[i].AliasTarget = &alias
		}
	}
}

// turn gives both routing controls their states.
func turn(s *sim.State, inEast, inWest string) {
	of := map[string]string{}
	for _, check := range s.DNS.Checks {
		for _, r := range ofTheName(s) {
			if check.Control != "" && aws.ToString(r.HealthCheckId) == check.ID {
				of[aws.ToString(r.SetIdentifier)] = check.Control
			}
		}
	}
	s.Controls.States[of["primary"]], s.Controls.States[of["secondary"]] = inEast, inWest
}

func setFlags(s *sim.State, disabled, inverted bool) {
	for _, h := range s.DNS.Checks {
		if h.Type == "CALCULATED" {
			h.Disabled, h.Inverted = disabled, inverted
			h.Version++
		}
	}
}

// setTakeover sets the flags of the check of the takeover object.
func setTakeover(s *sim.State, disabled, inverted bool) {
	for _, h := range s.DNS.Checks {
		if strings.Contains(h.Host, "takeover") {
			h.Disabled, h.Inverted = disabled, inverted
			h.Version++
		}
	}
}

func putByHand(s *sim.State) {
	for name, b := range s.Regions[west].Buckets {
		if strings.Contains(name, "takeover") {
			b["takeover"] = sim.Object{Body: []byte("by hand"), Modified: s.At}
		}
	}
}

// dropPromotion lets Aurora take back the promotion that it has accepted.
func dropPromotion(t *testing.T, w *world) {
	if err := w.Happen(sim.Event{DropPromotion: &sim.DropPromotion{After: time.Second, Times: 1}}); err != nil {
		t.Fatal(err)
	}
	w.wait(t, time.Minute)
}

const ownHost = "ecommerce-secondary.cluster-pretend.us-west-2.rds.amazonaws.com"

// hostByHand tells order-service another database host.
func hostByHand(host string) func(*sim.State) {
	return func(s *sim.State) {
		d := s.Regions[west].Deployments["order-service"]
		d.Spec.Template.Spec.Containers[0].Env[0].Value = host
		d.Generation++
	}
}

// versionsApart is a standby that is ahead of its writer, as in the midst of an upgrade.
func versionsApart(s *sim.State) { s.Database.Member(west).Version = "16.8" }

func detachedByHand(s *sim.State) {
	m := s.Database.Member(west)
	m.Global, m.Writer = "", true
	s.Database.Member(east).Orphan = true
}

func promoteByHand(s *sim.State) {
	for i := range s.Database.Members {
		s.Database.Members[i].Writer = s.Database.Members[i].Region == west
	}
}

var kinds = map[enginetest.Break]string{
	enginetest.LostAnswer: sim.LostAnswer, enginetest.Throttled: sim.Throttle, enginetest.Denied: sim.Deny,
	enginetest.Unreachable: sim.Refuse, enginetest.Silent: sim.Hang, enginetest.ServerFault: sim.ServerFail,
}

func TestEveryChangeOfTheCatalogue(t *testing.T) {
	var have []string
	for id, a := range catalog() {
		if a.Kind == runbook.Change {
			have = append(have, id)
		}
	}
	slices.Sort(have)
	if want := slices.Sorted(maps.Keys(changes)); !slices.Equal(have, want) {
		t.Fatalf("the catalogue's changes are %v, the cases %v", have, want)
	}
	for _, id := range have {
		c := changes[id]
		for _, operation := range c.operations {
			t.Run(id+" breaking "+operation, func(t *testing.T) {
				t.Parallel()
				enginetest.Action(t, func(t *testing.T) enginetest.Change {
					w := movedBy(t, c.strategy)
					if c.start != nil {
						w.change(t, c.start)
						w.wait(t, 2*time.Minute)
					}
					action, call := w.callOf(t, c)
					if call.Step.Uses != id {
						t.Fatalf("step %s uses %s, not %s", c.step, call.Step.Uses, id)
					}
					fault := func(t *testing.T, f sim.Fault) {
						if err := w.Fault(f); err != nil {
							t.Fatal(err)
						}
					}
					change := enginetest.Change{
						Action: action, Call: call, Applied: w.applied,
						ByHand: func(t *testing.T) { w.change(t, c.byHand) },
						Break: func(t *testing.T, b enginetest.Break) {
							fault(t, sim.Fault{System: c.system, Operation: operation, Kind: kinds[b], Times: c.times(b)})
						},
						Blind: func(t *testing.T, b enginetest.Break) {
							fault(t, sim.Fault{System: c.system, Kind: kinds[b]})
						},
						Settle: func(t *testing.T) { w.wait(t, 3*time.Minute) },
						BreakUndo: func(t *testing.T, b enginetest.Break) {
							fault(t, sim.Fault{System: c.system, Operation: cmp.Or(c.undoes, operation), Kind: kinds[b], Times: c.times(b)})
						},
						Meddle: func(t *testing.T) []string { w.change(t, c.meddle); return c.says },
					}
					if c.drop != nil {
						change.Drop = func(t *testing.T) { c.drop(t, w) }
					}
					for _, s := range call.Plan.Steps {
						if s.Awaits == call.Step.ID {
							a := w.catalog[s.Uses]
							change.Wait, change.WaitCall = &a, call
							change.WaitCall.Step = s
						}
					}
					return change
				})
			})
		}
	}
}
