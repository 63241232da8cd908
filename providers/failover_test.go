package providers_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// drill is a whole run of the shipped runbook in the world of a scenario.
type drill struct {
	*world
	plan  *runbook.Plan
	state *incident.State
	asked []incident.ApprovalAsked
}

// play declares and answers as the people of the built-in scenarios do, until the
// incident is resolved, or a step stops.
func play(t *testing.T, scenario string, with ...func(*world)) *drill {
	t.Helper()
	scn, err := sim.Load(scenario)
	if err != nil {
		t.Fatal(err)
	}
	w := worldOf(t, scn)
	for _, f := range with {
		f(w)
	}
	w.wait(t, 45*time.Second)
	mode := scn.Mode
	if w.mode != "" {
		mode = w.mode
	}
	d := &drill{world: w, plan: compile(t, w.catalog, w.facts(mode))}

	log := enginetest.NewMemory()
	book := incident.NewBook(log)
	id, err := log.Reserve(t.Context(), w.clock.Now(), "declare")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(d.plan)
	if err != nil {
		t.Fatal(err)
	}
	says := func(who string, bodies ...incident.Body) incident.Write {
		var out incident.Write
		for _, b := range bodies {
			out.Events = append(out.Events, incident.Event{Time: w.clock.Now(), Actor: who, Body: b})
		}
		return out
	}
	_, err = book.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) {
		return says("alice", incident.IncidentDeclared{
			Incident: id, Began: w.clock.Now().Add(-40 * time.Second), Commander: "alice",
		}, incident.RunBegun{
			Kind: incident.Failover, Source: east, Target: west, Mode: mode, Digest: d.plan.Digest, Plan: raw,
		}), nil
	})
	if err != nil {
		t.Fatal(err)
	}

	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	e := engine.New(engine.Options{Book: incident.NewBook(log), Catalog: w.catalog, Clock: w.clock, Holder: "test"}, zerolog.Nop())
	running.Go(func() { _ = e.Run(ctx) })
	defer func() {
		stop()
		resume := w.clock.Idle()
		running.Wait()
		resume()
	}()

	for deadline := w.clock.Now().Add(time.Hour); w.clock.Now().Before(deadline); w.wait(t, 2*time.Second) {
		_, err := book.Decide(t.Context(), id, func(s *incident.State) (incident.Write, error) {
			if !s.MitigatedAt.IsZero() {
				return says("alice", incident.IncidentResolved{}), nil
			}
			for _, open := range s.Open {
				q := s.Questions[open]
				if !slices.ContainsFunc(d.asked, func(a incident.ApprovalAsked) bool { return a.Question == q.Question }) {
					d.asked = append(d.asked, q.ApprovalAsked)
				}
				switch q.Kind {
				case incident.AskGo:
					switch agreed := s.Step("outage-agreed").Status; {
					case mode == "planned", agreed == incident.Done:
					case agreed != incident.Failed: // retried, and still counting
						return incident.Write{}, nil
					case w.disagreed != nil:
						return says("alice", w.disagreed(d.plan)...), nil
					default:
						return says("alice", incident.RunAborted{Reason: "the views do not agree"}), nil
					}
					return says("alice", incident.ApprovalGiven{Question: open, Kind: q.Kind, Step: q.Step, Choice: "go"}), nil
				case incident.AskApprove:
					return says("bob", incident.ApprovalGiven{Question: open, Kind: q.Kind, Step: q.Step, Choice: "approve"}), nil
				case incident.AskFailed:
					return says("alice", incident.RunAborted{Reason: q.Step}), nil
				case incident.AskPerson: // the runbook has none
				}
			}
			return incident.Write{}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		over := false
		err = book.View(t.Context(), id, func(s *incident.State) {
			over = s.Over()
			d.state = s
		})
		if err != nil {
			t.Fatal(err)
		}
		if over {
			return d
		}
	}
	t.Fatal("the run is not over after an hour")
	return nil
}

func (d *drill) show(t *testing.T) {
	t.Helper()
	for _, s := range d.plan.Steps {
		st := d.state.Step(s.ID)
		text := st.Finished.Summary
		if st.Status != incident.Done {
			text = "FAILED " + st.Failure.Error
		}
		t.Logf("%s +%s %s %s: %s", st.First.Format("15:04:05"), st.Ended.Sub(st.First).Round(100*time.Millisecond), st.Status, s.ID, text)
	}
	for _, q := range d.asked {
		t.Logf("asked %s %s %v %+v", q.Kind, q.Step, q.Failed, q.Effects)
	}
}

// length is the longest chain of steps by their own durations, and the sum of all.
func (d *drill) length() (critical, sum time.Duration) {
	end := map[string]time.Duration{}
	for _, s := range d.plan.Steps {
		st := d.state.Step(s.ID)
		took := st.Ended.Sub(st.First)
		if s.Kind == runbook.Go || !s.Kind.Ends() {
			took = 0
		}
		var from time.Duration
		for _, n := range s.Needs {
			from = max(from, end[n])
		}
		end[s.ID] = from + took
		critical, sum = max(critical, end[s.ID]), sum+took
	}
	return critical, sum
}

// order fails the test unless each step ended before the next one began.
func (d *drill) order(t *testing.T, steps ...string) {
	t.Helper()
	for i := range len(steps) - 1 {
		a, b := d.state.Step(steps[i]), d.state.Step(steps[i+1])
		if a.Ended.IsZero() || b.First.Before(a.Ended) {
			t.Errorf("%s began at %s, before %s ended at %s", steps[i+1], b.First, steps[i], a.Ended)
		}
	}
}

func (d *drill) mitigated(t *testing.T) {
	t.Helper()
	if d.state.MitigatedAt.IsZero() {
		d.show(t)
		t.Fatalf("not mitigated: %s", d.state.Phase())
	}
	for _, wrong := range d.Check() {
		t.Error(wrong)
	}
	critical, sum := d.length()
	t.Logf("critical path %s, one after another %s", critical, sum)
	if sum < 2*critical {
		t.Errorf("one after another it takes %s, at once %s: too little runs at once", sum, critical)
	}
	if len(d.asked) != 2 {
		t.Errorf("%d questions, want Go and one approval", len(d.asked))
	}
}

func TestAPlannedFailover(t *testing.T) {
	d := play(t, "region-degraded")
	d.mitigated(t)
	d.order(t, "targets-healthy", "fence-writers", "switch-database", "database-writable",
		"restart/user-service", "restarted/user-service", "smoke-test", "shift-dns", "dns-authoritative", "traffic", "watch")
	d.order(t, "switch-database", "promote-cache", "cache-primary", "restart/user-service")
	for _, op := range []string{"SwitchoverGlobalCluster", "UpdateHealthCheck", "FailoverGlobalReplicationGroup"} {
		if n := d.Applied(op); n != 1 {
			t.Errorf("%s was applied %d times", op, n)
		}
	}
	if n := d.Applied("FailoverGlobalCluster") + d.Applied("PutObject"); n != 0 {
		t.Errorf("%d calls of an unplanned failover were applied", n)
	}
	q := d.asked[1]
	if q.Step != "fence-writers" || len(q.Effects) != 3 {
		t.Errorf("asked for %s with %d effects, want one question for the fence, the database and the cache", q.Step, len(q.Effects))
	}
}

func TestAnUnplannedFailover(t *testing.T) {
	d := play(t, "region-loss")
	d.mitigated(t)
	d.order(t, "outage-agreed", "go", "scale/user-service", "rolled-out/user-service", "targets-healthy", "promote-database",
		"database-writable", "restart/user-service", "restarted/user-service", "smoke-test", "take-over", "dns-authoritative", "watch")
	d.order(t, "promote-database", "promote-cache", "cache-primary", "restart/user-service")
	for _, op := range []string{"FailoverGlobalCluster", "PutObject", "FailoverGlobalReplicationGroup"} {
		if n := d.Applied(op); n != 1 {
			t.Errorf("%s was applied %d times", op, n)
		}
	}
	for _, c := range d.Calls() {
		if c.Region == east && c.Applied {
			t.Errorf("applied in the Region that is gone: %s", c)
		}
		// What the checks look at, and see, is asked and done without.
		route53 := c.System == "aws.route53" && !c.Mutating && slices.Contains([]string{"GetHealthCheck", "GetHealthCheckStatus"}, c.Operation)
		// Some APIs live there alone. What they would tell is advice, and nothing waits for it.
		advice := !c.Mutating && (slices.Contains([]string{"aws.iam", "aws.cloudfront"}, c.System) ||
			slices.Contains([]string{"ListResourceRecordSets", "DescribeAlarmsForMetric"}, c.Operation))
		// How many requests each Region receives, what lies in its queues, and what RDS tells
		// of its cluster once that was failed over, is told of one without the other, by watches.
		watched := slices.Contains([]string{"DescribeEvents", "DescribeDBClusterSnapshots", "DescribeDBClusters"}, c.Operation) && c.Time.After(d.state.Step("promote-database").Ended) || c.System == "aws.cloudwatch" && c.Operation == "GetMetricData" ||
			c.System == "aws.sqs" && !c.Mutating && c.Time.After(d.state.Step("traffic").Ended)
		if c.Region == east && !route53 && !advice && !watched && !slices.Contains([]string{"http", "kubernetes"}, c.System) {
			t.Errorf("a control plane in the Region that is gone was asked: %s", c)
		}
	}
	if s := d.state.Step("takeover-check").Finished.Summary; !strings.Contains(s, "not compared") {
		t.Errorf("with Route 53's API gone: %q", s)
	}
	effect := d.asked[1].Effects[0]
	for _, part := range []string{"data loss allowed", "ecommerce-global", "arn:aws:rds:us-west-2"} {
		if !strings.Contains(effect.What, part) {
			t.Errorf("the question does not say %q: %s", part, effect.What)
		}
	}
	if !strings.Contains(effect.Lost, " of writes (") || effect.Undo == "" {
		t.Errorf("what is lost: %q, undo %q", effect.Lost, effect.Undo)
	}
}

// A bot that is merely cut off from a Region that is well must not promote.
func TestABotThatIsCutOffPromotesNothing(t *testing.T) {
	d := play(t, "region-degraded", func(w *world) {
		if err := w.Happen(sim.Event{CutOff: east}); err != nil {
			t.Fatal(err)
		}
	}, unplanned)
	if d.state.Step("outage-agreed").Status != incident.Failed {
		d.show(t)
		t.Fatalf("the views agreed on an outage that is none: %s", d.state.Step("outage-agreed").Finished.Summary)
	}
	if n := d.Applied("FailoverGlobalCluster"); n != 0 {
		t.Errorf("promoted %d times", n)
	}
	if got := d.state.Step("outage-from-here").Status; got != incident.Done {
		t.Errorf("the bot's own view is %s: the test is void", got)
	}
	begin := d.asked[0]
	if begin.Kind != incident.AskGo || !slices.Contains(begin.Failed, "outage-agreed") {
		t.Errorf("Go was asked with %v failed", begin.Failed)
	}
}

// The Region goes down only after the views have given up: the retry of the step
// that counts them takes them anew, and the run goes on.
func TestViewsThatWereTakenTooEarlyAreTakenAnew(t *testing.T) {
	views := []string{"outage-from-here", "outage-in-dns", "outage-at-standby"}
	retries := 0
	d := play(t, "region-degraded", unplanned, func(w *world) {
		w.disagreed = func(plan *runbook.Plan) []incident.Body {
			retries++
			if err := w.Happen(sim.Event{Lose: east}); err != nil {
				t.Error(err)
			}
			agreed, _ := plan.Step("outage-agreed")
			if !slices.Equal(agreed.Rerun, views) {
				t.Errorf("a retry takes %v with it, want %v", agreed.Rerun, views)
			}
			bodies := []incident.Body{incident.StepRetried{Step: agreed.ID}}
			for _, id := range agreed.Rerun {
				bodies = append(bodies, incident.StepRetried{Step: id})
			}
			return bodies
		}
	})
	if d.state.MitigatedAt.IsZero() || retries != 1 {
		d.show(t)
		t.Fatalf("%s after %d retries", d.state.Phase(), retries)
	}
	for _, view := range views {
		// Two agree, and the third is not waited for.
		st := d.state.Step(view)
		letGo := st.Status == incident.Advised && strings.Contains(st.Failure.Error, "was decided without it")
		if st.Attempt != 2 || st.Status != incident.Done && !letGo {
			t.Errorf("%s is %s after %d attempts: %s", view, st.Status, st.Attempt, st.Failure.Error)
		}
	}
	if n := d.Applied("FailoverGlobalCluster"); n != 1 {
		t.Errorf("promoted %d times", n)
	}
}

func unplanned(w *world) { w.mode = "unplanned" }
