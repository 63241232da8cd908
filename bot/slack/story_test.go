package slack

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/templates"
)

var (
	began  = time.Date(2026, 11, 20, 14, 2, 0, 0, time.UTC)
	roster = incident.Roster{
		{ID: "UALICE", Name: "Alice", Roles: []string{"commander", "approver"}, Faces: onSlack("UALICE")},
		{ID: "UBOB", Name: "Bob", Roles: []string{"approver"}, BreakGlass: true, Faces: onSlack("UBOB")},
		{ID: "UCAROL", Name: "Carol", Roles: []string{"approver", "responder"}, Faces: onSlack("UCAROL")},
	}
)

func onSlack(id string) map[string]string { return map[string]string{incident.FaceSlack: id} }

const inc = incident.ID("INC-2026-0042")

// smallPlan is a plan that has one of everything.
func smallPlan(mode string) *runbook.Plan {
	p := &runbook.Plan{
		Runbook: "regional-failover", Mode: mode, Digest: "7f3a9c0d11e2",
		Topology: runbook.Topology{Platform: "E-Commerce Platform", Policy: runbook.Policy{ObjectiveMinutes: 30}},
		Source:   runbook.Region{Name: "us-east-1"}, Target: runbook.Region{Name: "us-west-2"},
	}
	add := func(section, title string, steps ...runbook.Step) {
		p.Sections = append(p.Sections, runbook.Section{ID: section, Title: title})
		for _, s := range steps {
			s.Section = section
			if s.Group == "" {
				s.Group = s.ID
			}
			p.Steps = append(p.Steps, s)
		}
	}
	before := []string{"nodes", "backup", "s3"}
	if mode == "planned" {
		add("00", "Declare", runbook.Step{ID: "source", Title: "us-east-1 answers", Uses: "probe.source", Kind: runbook.Watch, Proves: []incident.Trait{incident.SourceAnswers}})
	}
	if mode == "unplanned" {
		before = append(before, "agreed")
		with, _ := json.Marshal(map[string]any{"steps": []string{"view-here", "view-dns", "view-standby"}, "least": 2})
		add("00", "Declare",
			runbook.Step{ID: "view-here", Title: "us-east-1 fails from here", Uses: "probe.outage", Kind: runbook.Wait, Gate: runbook.Advice},
			runbook.Step{ID: "view-dns", Title: "Route 53 sees us-east-1 down", Uses: "dns.outage", Kind: runbook.Wait, Gate: runbook.Advice},
			runbook.Step{ID: "view-standby", Title: "The standby no longer hears from us-east-1", Uses: "aurora.outage", Kind: runbook.Wait, Gate: runbook.Advice},
			runbook.Step{ID: "agreed", Title: "At least two views see us-east-1 down", Uses: "record.agree", Kind: runbook.Wait, Proves: []incident.Trait{incident.Quorum}, Gate: runbook.Required, Locked: true, With: with},
		)
	}
	add("01", "Readiness",
		runbook.Step{ID: "nodes", Title: "Nodes per zone in us-west-2", Kind: runbook.Check, Gate: runbook.Required},
		runbook.Step{ID: "backup", Title: "Velero backup", Kind: runbook.Check, Gate: runbook.Required},
		runbook.Step{ID: "s3", Title: "S3 replication", Kind: runbook.Check, Gate: runbook.Advice},
		runbook.Step{ID: "go", Title: "Begin to change things", Uses: "person.go", Kind: runbook.Go, Needs: before},
	)
	add("03", "Scale up",
		runbook.Step{ID: "scale/order-service", Group: "scale", Title: "Scale up order-service", Kind: runbook.Change, Needs: []string{"go"}},
		runbook.Step{ID: "scale/payment-service", Group: "scale", Title: "Scale up payment-service", Kind: runbook.Change, Needs: []string{"go"}},
		runbook.Step{ID: "healthy", Title: "Target groups healthy", Kind: runbook.Wait, Needs: []string{"scale/order-service", "scale/payment-service"}},
	)
	add("04", "Promote database",
		runbook.Step{
			ID: "promote", Title: "Promote the database in us-west-2", Kind: runbook.Change, NoReturn: true, Needs: []string{"healthy"},
			Approval: &runbook.Approval{By: "approver", Confirm: "region", Expires: 15 * time.Minute},
		},
		runbook.Step{ID: "writable", Uses: "aurora.writable", Proves: []incident.Trait{incident.DatabaseWrites}, Usually: 6 * time.Minute, Title: "The database takes writes", Kind: runbook.Wait, Needs: []string{"promote"}},
	)
	add("05", "Move DNS", runbook.Step{ID: "dns", Title: "Put the takeover object in us-west-2", Kind: runbook.Change, Needs: []string{"writable"}})
	add("06", "Verify",
		runbook.Step{ID: "traffic", Title: "shop.example is served by us-west-2", Uses: "probe.region", Kind: runbook.Wait, Proves: []incident.Trait{incident.UsersServed, incident.AsUsers}, Needs: []string{"dns"}},
		runbook.Step{ID: "order", Title: "One synthetic order", Kind: runbook.Check, Needs: []string{"traffic"}},
	)
	return p
}

// story writes a timeline, a moment after the other.
type story struct {
	events []incident.Event
	at     time.Time
	views  bool // the plan has views of the Region that is left
}

func (s *story) add(after time.Duration, actor string, bodies ...incident.Body) *story {
	s.at = s.at.Add(after)
	for _, b := range bodies {
		e := incident.Event{Seq: uint64(len(s.events) + 1), Time: s.at, Actor: actor, Body: b}
		if _, begins := b.(incident.RunBegun); begins {
			if e.Run = "failover-1"; b.(incident.RunBegun).Kind == incident.Undo {
				e.Run = "undo-2"
			}
		}
		s.events = append(s.events, e)
	}
	return s
}

func declared(mode string, p *runbook.Plan) []incident.Body {
	raw, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	return []incident.Body{
		incident.IncidentDeclared{
			Incident: inc, Severity: "SEV-1",
			Reason: "checkout failing <5xx> & AWS status confirms", Began: began, Commander: "UALICE",
		},
		incident.RunBegun{
			Kind: incident.Failover, Source: "us-east-1", Target: "us-west-2", Mode: mode, Digest: p.Digest, Plan: raw,
		},
	}
}

const goID, approveID, failedID = "q1", "q2", "q3"

// chapters of the one story that most tests tell.
func newStory(mode string) *story {
	s := &story{at: began.Add(9 * time.Minute), views: mode == "unplanned"}
	return s.add(0, "UALICE", declared(mode, smallPlan(mode))...)
}

// sourceLost is a planned run whose promotion is to be approved when the Region that it
// leaves is lost.
func sourceLost() *story {
	s := newStory("planned").readiness().gone().asked(approveID, 0)
	s.add(time.Second, incident.Bot, incident.StepStarted{Step: "source", Attempt: 1, NonBlocking: true})
	return s.add(10*time.Second, incident.Bot, incident.WatchObserved{
		Step: "source", State: "lost", Summary: "us-east-1 answers neither at its own address nor by its RDS API", Measured: incident.Measured{Verdict: incident.Fail},
	})
}

func (s *story) readiness() *story {
	s.add(time.Second, incident.Bot, incident.DurabilityFound{Durability: incident.Durability{Server: "miniredis", Volatile: true, Says: "Kept in memory only."}},
		incident.RunTaken{Holder: "a", Token: 1}, incident.StepStarted{Step: "nodes", Attempt: 1}, incident.StepStarted{Step: "backup", Attempt: 1}, incident.StepStarted{Step: "s3", Attempt: 1})
	if s.views {
		for _, id := range []string{"view-here", "view-dns", "view-standby", "agreed"} {
			s.add(0, incident.Bot, incident.StepStarted{Step: id, Attempt: 1, NonBlocking: id != "agreed"})
		}
		s.add(12*time.Second, incident.Bot,
			incident.StepFinished{Step: "view-here", Attempt: 1, Summary: "6 of 6 requests got no answer"},
			incident.StepFinished{Step: "view-standby", Attempt: 1, Summary: "nothing heard for 10 min"},
			incident.StepFinished{Step: "agreed", Attempt: 1, Summary: "2 of 3 views see us-east-1 down"})
	}
	if s.views {
		s.add(5*time.Second, incident.Bot, incident.StepFailed{Step: "view-dns", Attempt: 1, Error: "2 of 16 checkers see it down", Advice: true})
	}
	s.add(15*time.Second, incident.Bot, incident.StepFinished{Step: "nodes", Attempt: 1, Summary: "6 nodes in 3 zones"})
	s.add(time.Second, incident.Bot,
		incident.StepFailed{Step: "backup", Attempt: 1, Error: "Velero backup is 22 min old (limit 15): scheduled run at 13:45 failed validation"},
		incident.StepFailed{Step: "s3", Attempt: 1, Error: "no data point for 9 min; last value 0 pending at 14:02 UTC", Unknown: true, Advice: true})
	return s.add(0, incident.Bot, incident.ApprovalAsked{
		Question: goID, Kind: incident.AskGo, Step: "go", Title: "Begin the failover to us-west-2", Role: "commander",
		Failed: []string{"backup"}, Digest: "7f3a9c0d11e2",
	})
}

// everyVerdict is a run before Go in which each verdict that a check can have is that of
// a check that Go weighs.
func everyVerdict() *story {
	p := smallPlan("planned")
	check := func(id, title string) {
		p.Steps = append([]runbook.Step{{ID: id, Group: id, Section: "01", Title: title, Kind: runbook.Check, Gate: runbook.Required}}, p.Steps...)
		for i := range p.Steps {
			if p.Steps[i].Kind == runbook.Go {
				p.Steps[i].Needs = append(p.Steps[i].Needs, id)
			}
		}
	}
	check("room", "Room for all services")
	check("lag", "Replication lag")
	check("lever", "Failover records and health checks")
	check("waf", "Web ACLs are alike")
	check("object", "The health checks look at the takeover object")
	s := (&story{at: began.Add(9 * time.Minute)}).add(0, "UALICE", declared("planned", p)...)
	done := func(id string, v incident.Verdict, says string) {
		s.add(time.Second, incident.Bot, incident.StepStarted{Step: id, Attempt: 1}, incident.StepFinished{Step: id, Attempt: 1, Summary: says, Measured: incident.Measured{Verdict: v}})
	}
	done("room", incident.Pass, "23 of 36 pods fit")
	done("lever", incident.Warn, "the takeover check looks at the object; but it asks every 30 s, not every 10 s")
	done("waf", incident.NotApplicable, "not applicable: neither load balancer has a web ACL")
	done("object", incident.Unsure, "not compared: Route 53's API could not be asked")
	s.add(0, incident.Bot, incident.StepStarted{Step: "lag", Attempt: 1}, incident.StepFailed{
		Step: "lag", Attempt: 1, Error: "CloudWatch GetMetricData: no answer", Unknown: true, Hint: "ask AWS Health",
		Last: &incident.Known{Verdict: incident.Pass, Summary: "0.2 s behind (limit 5 s)", At: s.at.Add(-9 * time.Minute)},
	})
	return s.readiness()
}

func (s *story) gone() *story {
	s.add(41*time.Second, "UALICE", incident.ApprovalGiven{Question: goID, Kind: incident.AskGo, Step: "go", Choice: "go", Reason: "backup is not needed for this", Overridden: []string{"backup"}},
		incident.StepSkipped{Step: "backup", Reason: "overridden with Go"})
	s.add(0, incident.Bot, incident.StepFinished{Step: "go", Attempt: 1, Summary: "Go"})
	return s.add(0, incident.Bot, incident.StepStarted{Step: "scale/order-service", Attempt: 1}, incident.StepStarted{Step: "scale/payment-service", Attempt: 1})
}

func (s *story) scaleFails() *story {
	s.add(30*time.Second, incident.Bot, incident.StepFinished{Step: "scale/order-service", Attempt: 1, Summary: "order-service has 6 of 6", Changed: true})
	return s.add(10*time.Second, incident.Bot,
		incident.StepFailed{Step: "scale/payment-service", Attempt: 1, Error: "FailedScheduling, insufficient cpu on 6 of 6 nodes", Hint: "add capacity", MayHaveHappened: true, Evidence: map[string]string{"pending": "2 of 4", "last event": "20 s ago"}},
		incident.ApprovalAsked{Question: failedID, Kind: incident.AskFailed, Step: "scale/payment-service", Title: "Scale up payment-service stopped", Role: "commander", Failed: []string{"scale/payment-service"}})
}

func (s *story) retried() *story {
	s.add(20*time.Second, "UALICE", incident.ApprovalGiven{Question: failedID, Kind: incident.AskFailed, Step: "scale/payment-service", Choice: "retry"}, incident.StepRetried{Step: "scale/payment-service"})
	s.add(0, incident.Bot, incident.StepStarted{Step: "scale/payment-service", Attempt: 2})
	s.add(20*time.Second, incident.Bot, incident.StepFinished{Step: "scale/payment-service", Attempt: 2, Summary: "payment-service has 4 of 4", Already: true})
	return s.add(5*time.Second, incident.Bot, incident.StepStarted{Step: "healthy", Attempt: 1}, incident.StepFinished{Step: "healthy", Attempt: 1, Summary: "5 target groups healthy"})
}

func (s *story) asked(id string, expired int) *story {
	return s.add(time.Second, incident.Bot, incident.ApprovalAsked{
		Question: id, Kind: incident.AskApprove, Step: "promote", Title: "Promote the database in us-west-2", Role: "approver", Confirm: "us-west-2",
		Expires: s.at.Add(15 * time.Minute), Digest: "7f3a9c0d11e2", Expired: expired,
		Effects: []incident.Effect{{
			Step: "promote",
			What: "FailoverGlobalCluster, data loss allowed: ecommerce-global -> ecommerce-secondary (arn:aws:rds:us-west-2:123456789012:cluster:ecommerce-secondary)",
			Lost: "about 1.8 s of writes (RPO lag 1,840 ms, read 4 s ago; highest in the last hour 2,300 ms)",
			Undo: "not at once: us-east-1 rejoins as a standby when it recovers; then /failover failback",
		}},
	})
}

func (s *story) promoted() *story {
	s.add(31*time.Second, "UBOB", incident.ApprovalGiven{Question: approveID, Kind: incident.AskApprove, Step: "promote", Choice: "approve"})
	s.add(time.Second, incident.Bot, incident.StepStarted{Step: "promote", Attempt: 1}, incident.ChangeIntended{Step: "promote", Attempt: 1, Until: s.at.Add(time.Minute)})
	s.add(50*time.Second, incident.Bot, incident.StepFinished{Step: "promote", Attempt: 1, Summary: "ecommerce-secondary is the writer", Changed: true}, incident.StepStarted{Step: "writable", Attempt: 1})
	return s
}

func (s *story) mitigated() *story {
	s.add(10*time.Second, incident.Bot, incident.StepFinished{Step: "writable", Attempt: 1, Summary: "a row was written and read back"})
	s.add(time.Second, incident.Bot, incident.StepStarted{Step: "dns", Attempt: 1}, incident.StepFinished{Step: "dns", Attempt: 1, Summary: "the zone answers us-west-2", Changed: true})
	s.add(time.Second, incident.Bot, incident.StepStarted{Step: "traffic", Action: "probe.region", Attempt: 1}, incident.StepFinished{Step: "traffic", Attempt: 1, Summary: "shop.example is served by us-west-2"})
	s.add(20*time.Second, incident.Bot, incident.StepStarted{Step: "order", Attempt: 1}, incident.StepFinished{Step: "order", Attempt: 1, Summary: "order 8121 was read back"})
	return s.add(0, incident.Bot, incident.IncidentMitigated{Summary: "One order was placed and read back in us-west-2."})
}

func (s *story) resolved() *story {
	return s.add(5*time.Minute, "UALICE", incident.IncidentResolved{Reason: "stable for five minutes"})
}

// sober is a bot that renders and speaks to nobody.
func sober(t testing.TB, now time.Time) *Face {
	t.Helper()
	w, err := loadWords(templates.FS, "")
	if err != nil {
		t.Fatal(err)
	}
	return &Face{opt: Options{Roster: roster}, clock: stopped{now: now}, log: zerolog.Nop(), words: w, planViews: map[*runbook.Plan]*planView{}, face: mrkdwn{user: Options{Roster: roster}.userOf}}
}

// stopped is a clock that only shows the time.
type stopped struct {
	incident.RealClock
	now time.Time
}

// Now is always the same.
func (s stopped) Now() time.Time { return s.now }

// takingBack is a run that was stopped and is taken back; somebody has changed a size
// meanwhile.
func takingBack() *story {
	s := newStory("planned").readiness().gone().add(time.Second, incident.Bot,
		incident.StepStarted{Step: "scale/order-service", Attempt: 1},
		incident.ChangeIntended{Step: "scale/order-service", Attempt: 1, Before: "2 replicas", Prior: json.RawMessage(`{"was":2}`)},
		incident.StepFinished{Step: "scale/order-service", Attempt: 1, Changed: true, Summary: "order-service is set to 6 replicas"})
	plan, _, err := smallPlan("planned").Undo([]runbook.Changed{{Step: "scale/order-service", Prior: json.RawMessage(`{"was":2}`)}})
	if err != nil {
		panic(err)
	}
	raw, err := json.Marshal(plan)
	if err != nil {
		panic(err)
	}
	return s.add(30*time.Second, "UALICE",
		incident.RunAborted{Reason: "the standby is too small", TakeBack: []string{"scale/order-service"}},
		incident.RunBegun{Kind: incident.Undo, Source: "us-east-1", Target: "us-west-2", Mode: "planned", Follows: "failover-1", Digest: plan.Digest, Plan: raw},
	).add(time.Second, incident.Bot,
		incident.StepStarted{Step: "undo-scale/order-service", Attempt: 1},
		incident.StepFailed{
			Step: "undo-scale/order-service", Attempt: 1, Meanwhile: []string{"the size of order-service in us-west-2 is 4 replicas"},
			Error: "the size of order-service in us-west-2 was changed by somebody else: it is 4 replicas, this incident had set 6, and it was 2 before; nothing was overwritten",
			Hint:  "ask who changed it and why; then leave it, or overwrite it with 2",
		},
		incident.ApprovalAsked{Question: "q8", Kind: incident.AskFailed, Step: "undo-scale/order-service", Title: "Take back: Scale up order-service", Role: "commander"})
}

// takenBack is the same at its end.
func takenBack() *story {
	return takingBack().add(10*time.Second, "UALICE",
		incident.ApprovalGiven{Question: "q8", Kind: incident.AskFailed, Step: "undo-scale/order-service", Choice: "overwrite", Reason: "it was our own test"},
		incident.StepRetried{Step: "undo-scale/order-service", Overwrite: []string{"the size of order-service in us-west-2 is 4 replicas"}, Reason: "it was our own test"},
	).add(5*time.Second, incident.Bot,
		incident.StepStarted{Step: "undo-scale/order-service", Attempt: 2},
		incident.StepFinished{Step: "undo-scale/order-service", Attempt: 2, Changed: true, Summary: "replicas 4 -> 2"},
		incident.RunEnded{How: "done", Summary: "1 change taken back: everything is as it was before."})
}

// dropped is a promotion that was accepted and is taken back by the other side, while the
// cache that was asked for beside it is on its way.
func dropped() *story {
	p := smallPlan("planned")
	for i := range p.Steps {
		switch s := &p.Steps[i]; s.ID {
		case "promote":
			s.Approval.Covers = []string{"cache"}
		case "writable":
			s.Awaits = "promote"
		case "dns":
			s.Needs = append(s.Needs, "cache")
		}
	}
	at := slices.IndexFunc(p.Steps, func(s runbook.Step) bool { return s.ID == "writable" })
	p.Steps = slices.Insert(p.Steps, at, runbook.Step{
		ID: "cache", Group: "cache", Section: "04", Title: "Make the cache in us-west-2 the primary", Kind: runbook.Change, CoveredBy: "promote", Needs: []string{"promote"},
		Undo: "the same promotion in the other direction",
	})
	s := &story{at: began.Add(9 * time.Minute)}
	s.add(0, "UALICE", declared("planned", p)...)
	return s.readiness().gone().asked(approveID, 0).
		add(time.Second, "UBOB", incident.ApprovalGiven{Question: approveID, Kind: incident.AskApprove, Step: "promote", Choice: "approve"}).
		add(time.Second, incident.Bot, incident.StepStarted{Step: "promote", Attempt: 1}, incident.ChangeIntended{Step: "promote", Attempt: 1},
			incident.StepFinished{Step: "promote", Attempt: 1, Changed: true, Summary: "the switchover was accepted"},
			incident.StepStarted{Step: "cache", Attempt: 1}, incident.ChangeIntended{Step: "cache", Attempt: 1, Before: "us-east-1 is the primary", Prior: json.RawMessage(`{"was":"us-east-1"}`)},
			incident.StepStarted{Step: "writable", Attempt: 1}).
		add(45*time.Second, incident.Bot, incident.StepFailed{Step: "writable", Attempt: 1, Error: "Aurora took the switchover back: us-east-1 writes", WillNotCome: "promote"},
			incident.ApprovalAsked{Question: "q8", Kind: incident.AskFailed, Step: "writable", Title: "The database takes writes", Role: "commander", Locked: true})
}
