package providers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// The servers' recovery instances in us-west-2.
const (
	erpApp  = "i-00593178ccaebb61e"
	erpDB   = "i-0049b8e8d64a1e8ab"
	reports = "i-00259f9f1f534d483"
)

// serversAway has the servers run in us-west-2.
func serversAway(s *sim.State) { s.FailedOver(west) }

// reversedAs has the copies of these in us-east-1 in that state.
func reversedAs(s *sim.State, state string, instances ...string) {
	r := s.Recovery
	for n, id := range instances {
		for _, i := range r.Instances[west] {
			for _, from := range r.Sources[west] {
				if i.ID == id && from.ID == i.Source {
					to := &sim.SourceServer{ID: fmt.Sprintf("s-east-%d", n), Region: east, Name: from.Name, Of: id, Direction: "FAILBACK", State: state, Since: s.At, Reversed: from.ARN()}
					r.Sources[east] = append(r.Sources[east], to)
					from.Reversed = to.ARN()
				}
			}
		}
	}
}

// launchedIn has what was launched of the copies run in us-east-1 since a while.
func launchedIn(s *sim.State) {
	r := s.Recovery
	for n, from := range r.Sources[east] {
		id := fmt.Sprintf("i-east-%d", n)
		from.Launched, from.Result = id, "SUCCEEDED"
		r.Instances[east] = append(r.Instances[east], &sim.RecoveryInstance{ID: id, Source: from.ID, Failback: "FAILBACK_NOT_STARTED", Point: s.At})
		r.Machines[east][id] = &sim.Machine{
			ID: id, Name: from.Name, State: "running", Since: s.At, Subnet: "subnet-us-east-1-a", Groups: []string{"sg-" + from.Name + "-us-east-1"},
			Profile: "servers", Type: "m7i.xlarge", Address: fmt.Sprintf("10.16.1.%d", 50+n),
		}
	}
}

// as puts several changes of the world one after another.
func as(all ...func(s *sim.State)) func(s *sim.State) {
	return func(s *sim.State) {
		for _, f := range all {
			f(s)
		}
	}
}

func copies(state string) func(s *sim.State) {
	return func(s *sim.State) { serversAway(s); reversedAs(s, state, erpApp, erpDB, reports) }
}

func TestTheServersAreListed(t *testing.T) {
	judge(t, "servers-list", []judged{
		{
			"all can be moved", serversAway, incident.Pass,
			[]string{"3 servers in us-west-2: erp-app; erp-db; reports"},
			map[string]string{erpApp: "erp-app; source server s-", erpDB: "FAILBACK_NOT_STARTED"},
			map[string]float64{"servers": 3},
		},
		{"copied already", copies("CONTINUOUS"), incident.Pass, nil, map[string]string{erpApp: "reversed: s-east-0, CONTINUOUS"}, nil},
		{"none", as(serversAway, func(s *sim.State) { s.Recovery.Instances[west] = nil }), incident.Fail, []string{"no recovery instance of Elastic Disaster Recovery runs in us-west-2"}, nil, nil},
		{
			"one of a drill and one that is stopped", as(serversAway, func(s *sim.State) {
				s.Recovery.Instances[west][0].Drill = true
				s.Recovery.Machines[west][erpDB].State = "stopped"
			}), incident.Pass,
			[]string{"1 server in us-west-2: reports"},
			map[string]string{"left aside": erpApp + " (of a drill), " + erpDB + " (STOPPED)"},
			nil,
		},
		{
			"its source server is forgotten", as(serversAway, func(s *sim.State) { s.Recovery.Sources[west] = s.Recovery.Sources[west][1:] }), incident.Fail,
			[]string{"1 of 3 servers in us-west-2 cannot be moved as they are: " + erpApp + " has no source server any more"},
			nil, nil,
		},
		{
			"its agent was installed anew", as(serversAway, func(s *sim.State) {
				s.Recovery.Sources[east] = append(s.Recovery.Sources[east], &sim.SourceServer{ID: "s-anew", Region: east, Name: "erp-app", Of: erpApp, Direction: "FAILOVER", State: "CONTINUOUS", Since: s.At})
			}), incident.Fail,
			[]string{"erp-app (" + erpApp + ") had its agent installed anew: the service has it as another server, s-anew"},
			nil, nil,
		},
		{
			"its agent is silent", as(serversAway, func(s *sim.State) { s.Recovery.Instances[west][1].Seen = s.At.Add(-3 * time.Hour) }), incident.Fail,
			[]string{"erp-db (" + erpDB + ") was not heard of lately (last 2026-03-03 11:01 UTC): look at its agent"},
			nil, nil,
		},
		{"its failback is in error", as(serversAway, func(s *sim.State) { s.Recovery.Instances[west][1].Failback = "FAILBACK_ERROR" }), incident.Fail, []string{"is in FAILBACK_ERROR"}, nil, nil},
		{
			"the Region is not set up", as(serversAway, func(s *sim.State) { s.Recovery.Uninitialised = []string{east} }), incident.Unsure,
			[]string{"list the source servers of Elastic Disaster Recovery in us-east-1", "UninitializedAccountException", "set Elastic Disaster Recovery up in that Region"},
			nil, nil,
		},
		{"the account is not set up", func(*sim.State) {}, incident.Unsure, []string{"UninitializedAccountException"}, nil, nil},
	})
}

func TestThePointsInTimeAreTold(t *testing.T) {
	judge(t, "servers-points", []judged{
		{"each has some", serversAway, incident.Pass, []string{"us-west-2 has points in time of 3 servers"}, map[string]string{erpApp: "erp-app; 3 points, the newest pit-"}, nil},
		{"one has none", as(serversAway, func(s *sim.State) { s.Recovery.Pointless["erp-db"] = true }), incident.Fail, []string{"us-west-2 has no point in time of erp-db (" + erpDB + ")"}, map[string]string{erpDB: "no point in time"}, nil},
		{"nothing runs", as(serversAway, func(s *sim.State) { s.Recovery.Instances[west] = nil }), incident.NotApplicable, []string{"no recovery instance runs in us-west-2"}, nil, nil},
	})
}

func TestHowTheServersWereSetUpIsRecorded(t *testing.T) {
	original := func(s *sim.State, name string) *sim.Machine {
		for _, m := range s.Recovery.Machines[east] {
			if m.Name == name {
				return m
			}
		}
		return nil
	}
	judge(t, "servers-original", []judged{
		{
			"all of it", serversAway, incident.Pass,
			[]string{"3 servers were set up in us-east-1", "2 are led to by target groups"},
			map[string]string{
				erpApp: "subnet=subnet-us-east-1-a groups=sg-erp-app-us-east-1 profile=servers type=m7i.xlarge targets=erp:8080",
				erpDB:  "subnet=subnet-us-east-1-b groups=sg-erp-db-us-east-1 profile=servers type=m7i.xlarge targets=",
			},
			nil,
		},
		{
			"it is in no target group any more", as(serversAway, func(s *sim.State) { s.Recovery.Led[east]["erp"] = map[string]int32{} }), incident.Pass, nil,
			map[string]string{erpApp: "targets=erp:8080"}, // as the one of that name that leads to it now
			nil,
		},
		{
			"the instance is gone", as(serversAway, func(s *sim.State) { delete(s.Recovery.Machines[east], original(s, "erp-db").ID) }), incident.Fail,
			[]string{"how these were set up in us-east-1 cannot be told any more, because the instance that each was is gone: erp-db (i-"},
			nil, nil,
		},
		{"one does not run any more", as(serversAway, func(s *sim.State) { s.Recovery.Machines[west][reports].State = "stopped" }), incident.Unsure, []string{"1 of the servers that were found is not running in us-west-2 any more: " + reports}, nil, nil},
	})
}

func TestTheWayIsFeasibleOrNot(t *testing.T) {
	judge(t, "servers-feasible", []judged{
		{
			"as the last launch", serversAway, incident.Pass,
			[]string{"380 GiB to replicate before users notice anything", "the last launch took 11 min of the 30 min that users may wait"},
			map[string]string{"last launch": "in us-west-2, START_RECOVERY, 11 min of 3 servers"},
			map[string]float64{"data of the servers": 380, "last launch": 11},
		},
		{"it takes too long", as(serversAway, func(s *sim.State) { j := s.Recovery.Jobs[west][0]; j.Ended = j.Created.Add(41 * time.Minute) }), incident.Fail, []string{"the last launch took 41 min of the 30 min"}, nil, nil},
		{"nobody has launched any", as(serversAway, func(s *sim.State) { s.Recovery.Jobs[west] = nil }), incident.Warn, []string{"how long a launch takes is unknown"}, nil, nil},
		{"the last one failed", as(serversAway, func(s *sim.State) { s.Recovery.Jobs[west][0].Servers[1].Status = "FAILED" }), incident.Warn, []string{"how long a launch takes is unknown"}, nil, nil},
	})
}

func TestReplicationIsFollowed(t *testing.T) {
	stuck := func(state, why string) func(s *sim.State) {
		return as(copies("CONTINUOUS"), func(s *sim.State) {
			one := s.Recovery.Sources[east][1]
			one.State, one.Why = state, why
		})
	}
	judge(t, "servers-replicated", []judged{
		{
			"up to the last moment", copies("CONTINUOUS"), incident.Pass,
			[]string{"3 servers are replicated from us-west-2 to us-east-1 up to the last moment, 12 s behind at most"},
			map[string]string{erpApp: "erp-app; s-east-0; CONTINUOUS; lag PT0M12S"},
			map[string]float64{"servers ready": 3, "replication lag": 12},
		},
		{"on its way", copies("INITIAL_SYNC"), incident.Fail, []string{"0 of 3 servers ready in us-east-1, 0 % replicated, 6 min left by the service's estimate: erp-app is INITIAL_SYNC"}, nil, nil},
		{"begun", copies("INITIATING"), incident.Fail, []string{"erp-app is INITIATING"}, nil, nil},
		{"stalled", stuck("STALLED", "AGENT_NOT_SEEN"), incident.Fail, []string{"does not go on by itself: erp-db (" + erpDB + ") is STALLED (AGENT_NOT_SEEN). Mend it at the server"}, nil, map[string]float64{"servers ready": 2}},
		{"disconnected", stuck("DISCONNECTED", ""), incident.Fail, []string{"is DISCONNECTED"}, nil, nil},
		{"paused", stuck("PAUSED", ""), incident.Fail, []string{"is PAUSED"}, nil, nil},
		{"stopped", stuck("STOPPED", ""), incident.Fail, []string{"is STOPPED"}, nil, nil},
		{"not reversed", serversAway, incident.Fail, []string{"erp-app (" + erpApp + ") is not replicated to us-east-1"}, nil, nil},
		{"one is gone", as(copies("CONTINUOUS"), func(s *sim.State) { s.Recovery.Machines[west][reports].State = "terminated" }), incident.Fail, []string{reports + " does not run in us-west-2 any more"}, nil, nil},
	})
	judge(t, "servers-caught-up", []judged{
		{"users still write", copies("CONTINUOUS"), incident.Fail, []string{"1 of 3 servers ready in us-east-1: erp-app is 12 s behind; reports is 12 s behind"}, nil, nil},
		{"nobody writes", as(copies("CONTINUOUS"), func(s *sim.State) {
			s.Recovery.Led[west] = nil
			for _, m := range s.Recovery.Machines[west] {
				m.LedUntil = s.At.Add(-time.Minute)
			}
		}), incident.Pass, []string{"0 s behind at most"}, nil, nil},
	})
	t.Run("what is stuck is not waited for", func(t *testing.T) {
		w := newWorld(t)
		w.change(t, stuck("STALLED", "AGENT_NOT_SEEN"))
		if o, ok, err := w.looked(t, "servers-replicated"); ok || err != nil || !o.Gone {
			t.Errorf("%t %+v %v", ok, o, err)
		}
	})
}

// ready is a world whose servers can be launched.
func ready(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.change(t, copies("CONTINUOUS"))
	w.wait(t, time.Minute)
	return w
}

// A job that is COMPLETED has launched what it has launched: of the others its log is
// quoted, and when it is retried they alone are asked for again.
func TestALaunchIsJudgedByEachServer(t *testing.T) {
	w := ready(t)
	w.change(t, func(s *sim.State) { s.Recovery.Fails["erp-db"] = "InsufficientInstanceCapacity" })
	a, c := w.call(t, "launch")
	o, err := a.Do(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, look := range []struct {
		after time.Duration
		says  string
	}{{time.Second, "0 of 3 servers launched"}, {2 * time.Minute, "1 of 3 servers launched"}} {
		w.wait(t, look.after)
		if p, err := a.Job(t.Context(), c, o.Job); err != nil || p.Done || p.Summary != look.says {
			t.Errorf("%+v %v", p, err)
		}
	}
	w.wait(t, 2*time.Minute)
	p, err := a.Job(t.Context(), c, o.Job)
	f := incident.CallErrorOf(err)
	if err == nil || p.Done || !f.NeedsPerson || !f.Definite {
		t.Fatalf("%+v %v", p, err)
	}
	for _, part := range []string{"the job is COMPLETED, and 1 of 3 servers were not launched: erp-db (s-east-1): FAILED (", "CONVERSION_FAIL: InsufficientInstanceCapacity"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("it does not say %q: %v", part, err)
		}
	}
	if strings.Contains(err.Error(), "erp-app") {
		t.Errorf("it blames others: %v", err)
	}
	if o, there, err := a.Look(t.Context(), c); err != nil || there || !strings.Contains(o.Summary, "1 of 3 servers were not launched in us-east-1 by this run: erp-db") {
		t.Errorf("%t %q %v", there, o.Summary, err)
	}
	w.change(t, func(s *sim.State) { s.Recovery.Fails = nil })
	if o, err = a.Do(t.Context(), c); err != nil || !strings.Contains(o.Summary, "asked for the launch of 1 server") {
		t.Fatalf("%q %v", o.Summary, err)
	}
	w.wait(t, 3*time.Minute)
	if p, err := a.Job(t.Context(), c, o.Job); err != nil || !p.Done || !strings.Contains(p.Summary, "launched") {
		t.Errorf("%+v %v", p, err)
	}
	jobs := w.Snapshot().Recovery.Jobs[east]
	if len(jobs) != 2 || len(jobs[1].Servers) != 1 || jobs[1].Servers[0].Name != "erp-db" {
		t.Errorf("%d jobs, the last of %+v", len(jobs), jobs[len(jobs)-1].Servers)
	}
}

// A server on which somebody else's job works is waited for.
func TestAnotherJobOnAServerIsWaitedFor(t *testing.T) {
	w := ready(t)
	w.change(t, func(s *sim.State) {
		s.Recovery.Jobs[east] = append(s.Recovery.Jobs[east], &sim.RecoveryJob{ID: "drsjob-theirs", Type: "LAUNCH", By: "START_DRILL", Created: s.At, Servers: []*sim.JobServer{{Source: "s-east-0", Name: "erp-app", Status: "PENDING"}}})
	})
	a, c := w.call(t, "launch")
	if o, there, err := a.Look(t.Context(), c); err != nil || there || !o.Busy || !strings.Contains(o.Summary, "drsjob-theirs (START_DRILL, erp-app)") {
		t.Errorf("%t %+v %v", there, o, err)
	}
	if _, err := a.Do(t.Context(), c); err == nil || !strings.Contains(err.Error(), "ConflictException") || !strings.Contains(incident.CallErrorOf(err).Hint, "look at the jobs") {
		t.Errorf("%v", err)
	}
}

// One call is about 200 servers at the most; a second one is of those that are left.
func TestManyServersAreLaunchedInBatches(t *testing.T) {
	w := newWorld(t)
	var list []string
	w.change(t, func(s *sim.State) {
		serversAway(s)
		r := s.Recovery
		for n := range 250 {
			id := fmt.Sprintf("i-many-%03d", n)
			from := &sim.SourceServer{ID: fmt.Sprintf("s-many-%03d", n), Region: west, Name: fmt.Sprintf("many-%03d", n), Of: "i-was", Direction: "FAILOVER", State: "DISCONNECTED", Since: s.At}
			to := &sim.SourceServer{ID: fmt.Sprintf("s-back-%03d", n), Region: east, Name: from.Name, Of: id, Direction: "FAILBACK", State: "CONTINUOUS", Since: s.At, Reversed: from.ARN()}
			from.Reversed = to.ARN()
			r.Sources[west], r.Sources[east] = append(r.Sources[west], from), append(r.Sources[east], to)
			r.Instances[west] = append(r.Instances[west], &sim.RecoveryInstance{ID: id, Source: from.ID, Failback: "FAILBACK_NOT_STARTED"})
			r.Machines[west][id] = &sim.Machine{ID: id, Name: from.Name, State: "running"}
			list = append(list, id)
		}
		r.Pages = 100
	})
	w.found["servers-list"] = engine.Outcome{Items: list}
	a, c := w.call(t, "launch")
	if o, err := a.Do(t.Context(), c); err != nil || strings.Count(o.Job, "drsjob-") != 2 {
		t.Fatalf("%q %v", o.Job, err)
	}
	jobs := w.Snapshot().Recovery.Jobs[east]
	if len(jobs) != 2 || len(jobs[0].Servers) != 200 || len(jobs[1].Servers) != 50 {
		t.Errorf("%d jobs", len(jobs))
	}
	if o, there, err := a.Look(t.Context(), c); err != nil || !there || strings.Count(o.Job, "drsjob-") != 2 {
		t.Errorf("%t %+v %v", there, o, err)
	}
}

func TestWhatWasLaunchedIsComparedWithWhatWas(t *testing.T) {
	launched := as(copies("CONTINUOUS"), launchedIn)
	first := func(s *sim.State) *sim.Machine { return s.Recovery.Machines[east]["i-east-0"] }
	set := func(c *engine.Call) {
		at := c.Began.Add(-2 * time.Minute)
		c.Result = func(step string) (engine.Outcome, bool) {
			was := func(name string) string {
				return "instance=i-was subnet=subnet-us-east-1-a groups=sg-" + name + "-us-east-1 profile=servers type=m7i.xlarge targets="
			}
			return map[string]engine.Outcome{
				"servers-list":     {Items: []string{erpApp, erpDB, reports}},
				"servers-out":      {At: at},
				"servers-original": {Evidence: map[string]string{erpApp: was("erp-app"), erpDB: was("erp-db"), reports: was("reports")}},
			}[step], true
		}
	}
	judge(t, "servers-launched", []judged{
		{
			"as it was", launched, incident.Pass,
			[]string{"3 servers launched in us-east-1 from data of after users were taken out, set up as before"},
			map[string]string{erpApp: "erp-app; i-east-0 of 2026-03-03T14:01:"},
			map[string]float64{"servers launched": 3},
		},
		{
			"of an older point in time", as(launched, func(s *sim.State) { s.Recovery.Instances[east][1].Point = s.At.Add(-time.Hour) }), incident.Fail,
			[]string{"erp-db is of 13:01:", "before users were taken out of it at 13:59:", "what was written between the two is missing"},
			nil, nil,
		},
		{"of an unknown point in time", as(launched, func(s *sim.State) { s.Recovery.Instances[east][1].Point = time.Time{} }), incident.Warn, []string{"erp-db does not say of which point in time it is"}, nil, nil},
		{
			"set up in another way", as(launched, func(s *sim.State) {
				first(s).Subnet, first(s).Groups, first(s).Type = "subnet-default", []string{"sg-default"}, "m5.large"
			}), incident.Fail,
			[]string{"erp-app is set up in another way than before: subnet subnet-default in place of subnet-us-east-1-a, security groups sg-default in place of sg-erp-app-us-east-1, type m5.large in place of m7i.xlarge"},
			nil, nil,
		},
		{"without its profile", as(launched, func(s *sim.State) { first(s).Profile = "another" }), incident.Fail, []string{"instance profile another in place of servers"}, nil, nil},
		{"one was not launched", as(launched, func(s *sim.State) { s.Recovery.Instances[east] = s.Recovery.Instances[east][1:] }), incident.Fail, []string{"2 servers launched in us-east-1, not all as they should be: erp-app was not launched"}, nil, nil},
	}, set)
}

func TestTheServersWorkOrNot(t *testing.T) {
	old := as(copies("CONTINUOUS"), launchedIn, func(s *sim.State) {
		for _, m := range s.Recovery.Machines[east] {
			m.Since = s.At.Add(-5 * time.Minute)
		}
	})
	found := func(c *engine.Call) {
		c.Result = func(string) (engine.Outcome, bool) {
			return engine.Outcome{Items: []string{"i-east-0", "i-east-1", "i-east-2"}}, true
		}
	}
	judge(t, "servers-work", []judged{
		{"all", old, incident.Pass, []string{"3 servers in us-east-1: both status checks pass, and each finds its data whole by its own page (/health/data)"}, map[string]string{"i-east-0": "system ok, instance ok answers 200"}, map[string]float64{"servers that work": 3}},
		{"they start", as(copies("CONTINUOUS"), launchedIn), incident.Fail, []string{"0 of 3 servers in us-east-1 work: i-east-0 has status checks system initializing, instance initializing"}, nil, nil},
		{"one is impaired", as(old, func(s *sim.State) { s.Recovery.Impaired["erp-db"] = true }), incident.Fail, []string{"2 of 3 servers", "i-east-1 has status checks system ok, instance impaired"}, nil, nil},
		{"one lacks data", as(old, func(s *sim.State) {
			s.Recovery.Broken["erp-db"] = "order 4711 is missing"
			for _, m := range s.Recovery.Machines[east] {
				m.Since = s.Start.Add(time.Second)
			}
			s.Recovery.Impaired = nil
		}), incident.Fail, nil, nil, nil},
	}, found)
}

// Nothing passes for an answer that is none.
func TestWhatOfTheServersCannotBeSeenIsUnknown(t *testing.T) {
	for _, c := range []struct {
		step, system string
		operations   []string
	}{
		{"servers-list", "aws.drs", []string{"DescribeSourceServers", "DescribeRecoveryInstances"}},
		{"servers-points", "aws.drs", []string{"DescribeRecoverySnapshots"}},
		{"servers-original", "aws.ec2", []string{"DescribeInstances"}},
		{"servers-original", "aws.elasticloadbalancing", []string{"DescribeTargetGroups", "DescribeTargetHealth"}},
		{"servers-feasible", "aws.drs", []string{"DescribeJobs"}},
		{"servers-replicated", "aws.drs", []string{"DescribeSourceServers", "DescribeRecoveryInstances"}},
		{"launch", "aws.drs", []string{"DescribeJobs"}},
		{"servers-serve", "aws.elasticloadbalancing", []string{"DescribeTargetHealth"}},
	} {
		t.Run(c.step, func(t *testing.T) {
			blindIn(t, as(copies("CONTINUOUS"), launchedIn), c.step, c.system, c.operations...)
		})
	}
}
