package rehearsal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rs/zerolog"
	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/review"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// played is what a rehearsal left in its --out folder.
type played struct {
	err      error
	printed  string
	timeline []incident.Event
	calls    []sim.Call
	messages []slacksim.MessageLine
	world    *sim.State
	results  []Result
	review   string
	wire     string
	out      string // the folder of the records
}

func (p played) state() *incident.State { return incident.Fold(p.timeline) }

// rehearsed plays a scenario whose people play themselves, with what those change.
func rehearsed(t *testing.T, scenario string, change ...func(*Options)) played {
	t.Helper()
	out := t.TempDir()
	var stdout bytes.Buffer
	o := Options{Auto: true, Scenario: scenario, Speed: sim.Max, Listen: "127.0.0.1:0", Out: out, Stdout: &stdout, Log: zerolog.Nop(), Templates: templates.FS}
	for _, c := range change {
		c(&o)
	}
	p := played{err: Run(t.Context(), o), out: out}
	p.printed = stdout.String()
	lines(t, filepath.Join(out, "timeline.jsonl"), &p.timeline)
	lines(t, filepath.Join(out, "calls.jsonl"), &p.calls)
	lines(t, filepath.Join(out, "messages.jsonl"), &p.messages)
	scn, err := sim.Load(scenario)
	quiet := err == nil && scn.Lasts > 0 // nobody has anything to say then
	if !quiet {
		lines(t, filepath.Join(out, resultsFile), &p.results)
	}
	world, err := os.ReadFile(filepath.Join(out, "world.json"))
	if err != nil {
		t.Error(err)
	} else if err := json.Unmarshal(world, &p.world); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(filepath.Join(out, "review.md"))
	if err != nil {
		t.Error(err)
	}
	p.review = string(text)
	if text, err = os.ReadFile(filepath.Join(out, "wire.jsonl")); err != nil {
		t.Error(err)
	}
	p.wire = string(text)
	for _, name := range []string{"messages.jsonl", "wire.jsonl", "world.json"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 && (!quiet || name != "messages.jsonl") {
			t.Errorf("%s is missing or empty: %v", name, err)
		}
	}
	return p
}

func lines[T any](t *testing.T, path string, into *[]T) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = f.Close() }()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 8<<20)
	for s.Scan() {
		var v T
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		*into = append(*into, v)
	}
}

// at is when a step's first event of that type happened.
func (p played) at(t *testing.T, step, kind string) time.Time {
	t.Helper()
	for _, e := range p.timeline {
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var b struct{ Step string }
		if err := json.Unmarshal(data, &b); err != nil {
			t.Fatal(err)
		}
		if b.Step == step && e.Body.Type() == kind {
			return e.Time
		}
	}
	t.Errorf("the timeline has no %s of %s", kind, step)
	return time.Time{}
}

func (p played) applied(operation string) (calls []sim.Call) {
	for _, c := range p.calls {
		if c.Operation == operation && c.Applied {
			calls = append(calls, c)
		}
	}
	return calls
}

func TestRegionDegraded(t *testing.T) {
	p := rehearsed(t, "region-degraded")
	withinBudgets(t, p)
	if p.err != nil {
		t.Fatalf("%v:\n%s", p.err, p.printed)
	}
	if n := len(p.applied("SwitchoverGlobalCluster")); n != 1 {
		t.Errorf("%d switchovers, want 1", n)
	}
	if n := len(p.applied("FailoverGlobalCluster")) + len(p.applied("PutObject")); n != 0 {
		t.Errorf("%d changes that belong to an unplanned failover", n)
	}
	shifts := p.applied("UpdateHealthCheck")
	if len(shifts) != 1 {
		t.Fatalf("%d changes of health checks, want 1", len(shifts))
	}
	if !p.at(t, "database-writable", "StepFinished").Before(shifts[0].Time) {
		t.Error("the health check was changed before the switchover was over")
	}
	asked := p.applied("SwitchoverGlobalCluster")[0].Time
	stopped := asked
	for _, c := range p.applied("patch deployments/scale") {
		if c.Region == "us-east-1" {
			stopped = c.Time
		}
		if c.Region == "us-east-1" && !c.Time.Before(asked) {
			t.Errorf("the writer %s was stopped after the database was asked", c.Target)
		}
	}
	f := p.world.OwnOrders
	if last := f.From.Add(time.Duration(strings.LastIndexByte(f.Log, 'e')) * time.Second); last.After(stopped.Add(time.Second)) {
		t.Errorf("an order was written in us-east-1 at %s, its writers were stopped at %s", last, stopped)
	}
	p.measured(t)
}

func TestRegionLoss(t *testing.T) {
	p := rehearsed(t, "region-loss")
	withinBudgets(t, p)
	if p.err != nil {
		t.Fatalf("%v:\n%s", p.err, p.printed)
	}
	if n := len(p.applied("FailoverGlobalCluster")); n != 1 {
		t.Errorf("%d failovers, want 1", n)
	}
	promoted := p.at(t, "promote-database", "StepStarted")
	if p.at(t, "outage-agreed", "StepFinished").After(promoted) {
		t.Error("promoted before a second view of the outage")
	}
	s := p.state()
	if by := s.Step("promote-database").ApprovedBy; by == "" || by == s.DeclaredBy || by == s.GoBy {
		t.Errorf("approved by %q, who asked for it (%s declared, %s pressed Go)", by, s.DeclaredBy, s.GoBy)
	}
	approvals := 0
	for _, q := range s.Questions {
		if q.Kind == incident.AskApprove && q.Answer == "approve" {
			approvals++
		}
	}
	if approvals != 1 {
		t.Errorf("%d approvals, want 1", approvals)
	}
	dns := p.at(t, "take-over", "StepStarted")
	for _, before := range []string{"database-writable", "cache-primary", "smoke-test"} {
		if p.at(t, before, "StepFinished").After(dns) {
			t.Errorf("%s was not finished before the DNS step", before)
		}
	}
	for _, step := range s.Steps {
		// What nobody needs for an order may still be replaced while users are moved.
		if strings.HasPrefix(step.ID, "restarted/") && step.ID != "restarted/notification-service" && step.Ended.After(dns) {
			t.Errorf("%s was not finished before the DNS step", step.ID)
		}
	}
	p.enveloped(t)
	p.apartFrom(t, "us-east-1")

	// us-east-1 flickers back and is lost again before the end; the zone's own
	// servers never gave it out again. The scenario's expectation holds at the
	// end, and here all along.
	for _, name := range []string{"watch", "dns-authoritative"} {
		if st := s.Step(name); st.Status != incident.Done {
			t.Errorf("%s is %s", name, st.Status)
		}
	}
	p.measured(t)
}

// enveloped says that every decision came in an envelope that stands in the log of
// the wire: nobody decided past Slack.
func (p played) enveloped(t *testing.T) {
	t.Helper()
	decisions := 0
	for _, e := range p.timeline {
		b, ok := e.Body.(incident.ApprovalGiven)
		if !ok {
			continue
		}
		decisions++
		// A form is known by its envelope, a click by what was clicked and by whom:
		// the same click can come in two envelopes.
		want := []string{`"envelope_id":"` + strings.TrimPrefix(b.Click, "slack/") + `"`}
		if click := strings.Split(b.Click, "/"); click[0] == "click" && len(click) > 2 {
			want = []string{`"user":"` + click[len(click)-1] + `"`, `"` + click[len(click)-2] + `"`, `"event":"acked"`}
		}
		found := slices.ContainsFunc(strings.Split(p.wire, "\n"), func(line string) bool {
			return !slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(line, w) })
		})
		if !found {
			t.Errorf("%s of %s came by %q, which is not on the wire", b.Choice, b.Step, b.Click)
		}
	}
	if decisions < 2 {
		t.Errorf("%d decisions, want Go and the approval at least", decisions)
	}
}

// apartFrom says that nothing on the critical path needed that Region: no call
// to it was applied, and no step of the path called it at all.
func (p played) apartFrom(t *testing.T, region string) {
	t.Helper()
	plan, err := review.Plan(p.timeline)
	if err != nil {
		t.Fatal(err)
	}
	path := review.Measure(p.timeline, plan).Path
	if len(path) < 5 {
		t.Errorf("a critical path of %v is too short to be true", path)
	}
	s := p.state()
	for _, c := range p.calls {
		if c.Region != region {
			continue
		}
		if c.Applied {
			t.Errorf("%s %s in %s was applied", c.System, c.Operation, region)
		}
	}
	for _, id := range path {
		step, _ := plan.Step(id)
		if step.Home == "source" || step.Home == region {
			t.Errorf("%s is on the critical path and calls %s", id, region)
		}
		st := s.Step(id)
		for _, c := range p.calls {
			aws := strings.HasPrefix(c.System, "aws.") || c.System == "kubernetes"
			if aws && c.Region == region && !c.Time.Before(st.Started) && c.Time.Before(st.Ended) &&
				!duringOther(s, plan, path, c.Time) && !watchedThen(s, plan, c) {
				t.Errorf("%s %s in %s was called while %s ran and nothing beside the critical path did", c.System, c.Operation, region, id)
			}
		}
	}
}

// watchedThen says that it is what the watch of those who write looks at, or those of
// requests, queues, CronJobs, the takeover object and what RDS tells, which go on beside everything.
func watchedThen(s *incident.State, plan *runbook.Plan, c sim.Call) bool {
	return c.Operation == "GetMetricData" && c.System == "aws.cloudwatch" || c.System == "aws.sqs" || c.Operation == "list cronjobs" || c.Operation == "HeadObject" && watching(s, plan, incident.TakeoverWatched, c) || c.Operation == "DescribeEvents" || c.Operation == "DescribeDBClusterSnapshots" || c.Operation == "get deployments" && watching(s, plan, incident.WritersWatched, c)
}

// watching says that the watch of that had begun by then.
func watching(s *incident.State, plan *runbook.Plan, t incident.Trait, c sim.Call) bool {
	return slices.ContainsFunc(plan.Showing(t), func(step runbook.Step) bool {
		began := s.Step(step.ID).Started
		return !began.IsZero() && !c.Time.Before(began)
	})
}

// duringOther says that a step which is not on the path was running then.
func duringOther(s *incident.State, plan *runbook.Plan, path []string, at time.Time) bool {
	for _, step := range plan.Steps {
		st := s.Step(step.ID)
		if step.Kind.Ends() && !slices.Contains(path, step.ID) && !st.Started.IsZero() && !at.Before(st.Started) && !at.After(st.Ended) {
			return true
		}
	}
	return false
}

// measured says that the run lost no time of its own and did much at once.
func (p played) measured(t *testing.T) {
	t.Helper()
	plan, err := review.Plan(p.timeline)
	if err != nil {
		t.Fatal(err)
	}
	m := review.Measure(p.timeline, plan)
	if m.Ratio() > 1.05 {
		t.Errorf("machine time is %.3f of the critical path, want at most 1.05", m.Ratio())
	}
	if u := plan.Usually(); u < m.Machine*3/4 || u > m.Machine*5/4 {
		t.Errorf("the plan foretells %s of machine time, and it was %s", u, m.Machine)
	}
	if m.Overlap() < 2 {
		t.Errorf("overlap %.2f, want at least 2", m.Overlap())
	}
	p.orders(t)
	if !strings.Contains(p.printed, "critical path") {
		t.Error("the measures were not printed")
	}
	for _, heading := range []string{"Incident Summary", "Timeline", "Root Cause Analysis", "What Went Well", "Action Items", "Metrics"} {
		if !strings.Contains(p.review, heading) {
			t.Errorf("the review has no heading %q", heading)
		}
	}
	for i, e := range p.timeline {
		if e.Seq != uint64(i)+1 {
			t.Fatalf("event %d has seq %d", i, e.Seq)
		}
	}
}

// orders says that the world's own orders stopped and came back, that it was printed
// and kept, and that they are in no record of the bot's.
func (p played) orders(t *testing.T) {
	t.Helper()
	if len(p.results) != 1 {
		t.Fatalf("%d results", len(p.results))
	}
	r := p.results[0]
	if r.OrdersStopped < 60 || r.OrdersStopped > r.Total+60 || r.GoToServed < 60 || r.GoToServed > r.Total {
		t.Errorf("orders stopped for %v s, from Go to served %v s, of %v s in all", r.OrdersStopped, r.GoToServed, r.Total)
	}
	if !strings.Contains(p.printed, "the world's own orders stopped for ") || !strings.Contains(p.printed, "from Go to served in us-west-2 ") {
		t.Error("what the world's own orders met with was not printed")
	}
	posted := 0
	for _, c := range p.calls {
		if strings.HasPrefix(c.Operation, "POST /api/v1/orders/") {
			posted++
		}
	}
	// The orders on record are the bot's own: the one through the Region's address,
	// and the one through the public name.
	if posted != 2 || len(p.world.Orders) != 2 || len(p.world.OwnOrders.Log) < 200 {
		t.Errorf("%d orders in the calls, %d in the world, %d of the world's own", posted, len(p.world.Orders), len(p.world.OwnOrders.Log))
	}
}

// Taking any changing step out of the runbook must not go unnoticed.
func TestEachChangingStepIsNeeded(t *testing.T) {
	catalog := providers.Catalog(providers.Connections{Clock: incident.RealClock{}}).Runbook()
	for scenario, mode := range map[string]string{"region-degraded": "planned", "region-loss": "unplanned"} {
		source, err := runbook.Load(templates.FS, "runbook/failover.yaml")
		if err != nil {
			t.Fatal(err)
		}
		plan, err := source.Compile(catalog, runbook.RepresentativeFacts(mode, providers.Parts()...))
		if err != nil {
			t.Fatal(err)
		}
		var groups []string
		for _, s := range plan.Steps {
			if s.Kind == runbook.Change && !slices.Contains(groups, s.Group) {
				groups = append(groups, s.Group)
			}
		}
		if len(groups) < 5 {
			t.Fatalf("%s has only the changes %v", mode, groups)
		}
		for _, group := range groups {
			t.Run(mode+" without "+group, func(t *testing.T) {
				t.Parallel()
				scenario := scenario
				if group == "fence-reachable-writers" || group == "suspend-reachable-jobs" {
					scenario = reachable(t)
					r := rehearsal{
						Options: Options{Auto: true, Scenario: scenario, Speed: sim.Max, Listen: "127.0.0.1:0", Stdout: new(bytes.Buffer), Log: zerolog.Nop(), Templates: templates.FS},
					}
					if err := r.run(t.Context()); err != nil {
						t.Fatalf("with the step: %v", err)
					}
				}
				r := rehearsal{
					Options:  Options{Auto: true, Scenario: scenario, Speed: sim.Max, Listen: "127.0.0.1:0", Out: t.TempDir(), Stdout: new(bytes.Buffer), Log: zerolog.Nop(), Templates: without(t, group)},
					patience: 40 * time.Minute,
				}
				err := r.run(t.Context())
				if err == nil {
					t.Fatalf("the rehearsal ended well without %s", group)
				}
				t.Log(strings.SplitN(err.Error(), "\n", 3)[0])
			})
		}
	}
}

// reachable is a scenario in which users get nothing from us-east-1 any more, but
// its control planes answer: the writers there can be stopped, and have to be.
func reachable(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "providers", "sim", "scenarios", "region-loss.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(data), "events:")
	_, rest, _ = strings.Cut(rest, "people:")
	file := filepath.Join(t.TempDir(), "region-reachable.yaml")
	text := strings.Replace(before, "name: region-loss", "name: region-reachable", 1) +
		"events:\n  - {at: 5s, degrade: {region: us-east-1, fail_percent: 100}}\n  - {at: 5s, break_targets: us-east-1}\npeople:" + strings.Replace(rest, "  unfenced:", "  fenced:", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// without is the runbook less one step. An approval that it held moves to the
// next step that the approval covered.
func without(t *testing.T, group string) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(templates.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(templates.FS, path)
		if err != nil {
			return err
		}
		if strings.HasPrefix(path, "runbook/sections/") {
			if data, err = strip(data, group); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		files[path] = &fstest.MapFile{Data: data}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func strip(data []byte, group string) ([]byte, error) {
	var section map[string]any
	if err := yaml.Unmarshal(data, &section); err != nil {
		return nil, err
	}
	var kept []any
	var needs, approval any
	steps, _ := section["steps"].([]any)
	for _, s := range steps {
		step, _ := s.(map[string]any)
		if step["id"] == group {
			needs, approval = step["needs"], step["approval"]
			continue
		}
		if approval != nil && step["approval"] == nil {
			a, _ := approval.(map[string]any)
			var covers []any
			for _, c := range a["covers"].([]any) {
				if c != step["id"] {
					covers = append(covers, c)
				}
			}
			a["covers"] = covers
			step["approval"], approval = a, nil
		}
		kept = append(kept, step)
	}
	for _, s := range kept {
		step, _ := s.(map[string]any)
		list, _ := step["needs"].([]any)
		var out []any
		for _, n := range list {
			if base, _, _ := strings.Cut(fmt.Sprint(n), "/"); base != group {
				out = append(out, n)
			} else if up, ok := needs.([]any); ok {
				out = append(out, up...)
			}
		}
		if list != nil {
			step["needs"] = out
		}
		if a, ok := step["approval"].(map[string]any); ok {
			if covers, ok := a["covers"].([]any); ok {
				a["covers"] = slices.DeleteFunc(covers, func(c any) bool { return c == group })
			}
		}
	}
	section["steps"] = kept
	return yaml.Marshal(section)
}

// said is one message that the bot posted: what it is, and when it was posted.
type said struct {
	key string
	at  time.Time
}

// posts are the messages that the bot posted in a channel.
func (p played) posts(t *testing.T) (out []said) {
	t.Helper()
	for _, m := range p.messages {
		payload, _ := m.Metadata["event_payload"].(map[string]any)
		key, ours := payload["key"].(string)
		if m.Op != "post" || !ours {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, m.Time)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, said{key, at})
	}
	return out
}
