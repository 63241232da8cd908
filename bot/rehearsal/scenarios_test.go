package rehearsal

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/evidence"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/view"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// claims is what each scenario is there to show, beyond ending well. The first two
// have tests of their own, TestRegionDegraded and TestRegionLoss.
var claims = map[string]func(*testing.T, played){
	"abort-before-promotion": takenBackWhole,
	"abort-after-promotion":  wentOnFromThere,

	"lag-too-high":             gateOverridden,
	"approver-absent":          glassBroken,
	"aurora-stuck":             waitedForAgain,
	"switchover-dropped":       droppedAndAskedAgain("switch-database", "SwitchoverGlobalCluster", "RDS-EVENT-0187"),
	"failover-dropped":         droppedAndAskedAgain("promote-database", "FailoverGlobalCluster", "RDS-EVENT-0239"),
	"cache-modified":           cacheAskedAgain,
	"lost-while-planned":       switchedToUnplanned,
	"takeover-astray":          foundBeforeItWasNeeded,
	"start-towards-home":       nobodyHadToFlee,
	"record-change-and-back":   movedByTheRecords,
	"pods-pending":             retriedWithCapacity,
	"gitops-owned":             pausedFirst,
	"split-brain-warning":      warnedOfTwoWriters,
	"routing-control-and-back": movedByTheControls,
	"dns-stale":                resolverNamed,
	"throttled":                throttledAndOnce,

	"failover-then-failback":  homeAgainQuietly,
	"unplanned-then-failback": homeAgain,
	"lost-while-away":         fledAndProtected,
	"failback-refused":        stayedWhereItIs,
	"failback-backed-out":     backedOutAndAgain,
	"database-detached":       detachedAndTold,
	"detach-then-rebuild":     rebuiltAndHomeAgain,
	"failback-drifted":        driftShownAndAccepted,
	"velero-restore":          restoredFromABackup,
	"drs-failback":            serversWentHome,
	"drs-one-server-fails":    oneServerWasAskedForAgain,

	"drs-backout-before-traffic": serversStayedAway,
	"drs-backout-after-traffic":  serversWentAwayAgain,

	"outage-proposed":       proposedInTime,
	"noisy-day":             proposedNothing,
	"cut-off":               proposedNothing,
	"route53-already-moved": adoptedWithUsersMoved,

	"unserved-at-resolve": closedNotRestored,
	"drill-dry-run":       foreseenAndUnchanged,
	"bot-killed":          foundOutByLooking,
	"slack-away":          wentOnWithoutSlack,
}

// Each built-in scenario is played by its own people to its end, and shows what
// it says it shows.
func TestEveryScenarioPlaysItself(t *testing.T) {
	for name := range claims {
		if !slices.Contains(sim.Scenarios(), name) {
			t.Errorf("%s is claimed and not built in", name)
		}
	}
	if learnt := slices.Sorted(slices.Values(curriculum)); !slices.Equal(learnt, sim.Scenarios()) {
		t.Errorf("the page offers %v, built in are %v", learnt, sim.Scenarios())
	}
	for _, name := range sim.Scenarios() {
		if name == "region-degraded" || name == "region-loss" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claim := claims[name]
			if claim == nil {
				t.Fatal("nothing is claimed of this scenario")
			}
			p := rehearsed(t, hurried(t, name))
			if p.err != nil {
				t.Fatalf("%v:\n%s", p.err, p.printed)
			}
			s := p.state()
			if scn, err := sim.Load(name); err != nil || scn.Lasts > 0 { // there is no incident
				if err != nil || len(p.timeline) > 0 {
					t.Errorf("%d events of an incident: %v", len(p.timeline), err)
				}
			} else if s.ResolvedAt.IsZero() || len(s.Open) > 0 {
				t.Errorf("resolved at %v with %d questions open", s.ResolvedAt, len(s.Open))
			}
			claim(t, p)
		})
	}
}

// hurried is a scenario that lasts a day with a quarter of an hour for each of its hours, in a
// file of its own; all others, and a whole day where there is time for it, are as they are.
func hurried(t *testing.T, name string) string {
	t.Helper()
	scn, err := sim.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	if scn.Lasts == 0 {
		return name
	}
	data, err := os.ReadFile(filepath.Join("..", "..", "providers", "sim", "scenarios", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), name+".yaml")
	if err := os.WriteFile(file, hoursAreQuarters(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

var hours = regexp.MustCompile(`\b(at|lasts): ([0-9]+)h`)

func hoursAreQuarters(scenario []byte) []byte {
	return hours.ReplaceAllFunc(scenario, func(found []byte) []byte {
		part := hours.FindSubmatch(found)
		n, _ := strconv.Atoi(string(part[2])) // digits
		return fmt.Appendf(nil, "%s: %dm", part[1], 15*n)
	})
}

// The same seed gives the same rehearsal, call for call and event for event; another
// one another. What is said in Slack and when is the bot's own matter, and so is the
// order of what happens at one moment.
func TestASeedPlaysTheSameRehearsalAgain(t *testing.T) {
	play := func(seed uint64) (calls, events []string) {
		p := rehearsed(t, "region-degraded", func(o *Options) { o.Seed = seed })
		if p.err != nil || !strings.Contains(p.printed, fmt.Sprintf("seed %d", seed)) {
			t.Fatalf("%v:\n%s", p.err, p.printed)
		}
		for _, c := range p.calls {
			calls = append(calls, c.String())
		}
		for _, e := range p.timeline {
			step := ""
			switch b := e.Body.(type) {
			case incident.StepStarted:
				step = b.Step
			case incident.ChangeIntended:
				step = b.Step
			case incident.StepFinished:
				step = b.Step
			case incident.StepFailed:
				step = b.Step
			}
			events = append(events, e.Time.Format(sim.TimeFormat)+" "+e.Body.Type()+" "+step)
		}
		slices.Sort(calls)
		slices.Sort(events)
		return calls, events
	}
	calls, events := play(7)
	again, anew := play(7)
	for what, both := range map[string][2][]string{"calls": {calls, again}, "events": {events, anew}} {
		if slices.Equal(both[0], both[1]) {
			continue
		}
		t.Errorf("%d and %d %s", len(both[0]), len(both[1]), what)
		for i := range min(len(both[0]), len(both[1])) {
			if both[0][i] != both[1][i] {
				t.Errorf("\n%s\n%s", both[0][i], both[1][i])
				break
			}
		}
	}
	if other, _ := play(8); slices.Equal(calls, other) {
		t.Error("another seed gives the same calls")
	}
}

// once says that each of these changed the world a single time.
func (p played) once(t *testing.T, operations ...string) {
	t.Helper()
	for _, op := range operations {
		if n := len(p.applied(op)); n != 1 {
			t.Errorf("%s was applied %d times, want 1", op, n)
		}
	}
}

// bodies are the events of one type, in order.
func bodies[T incident.Body](p played) (out []T) {
	for _, e := range p.timeline {
		if b, ok := e.Body.(T); ok {
			out = append(out, b)
		}
	}
	return out
}

// given is the answer to the one question of that kind that was answered so.
func (p played) given(t *testing.T, kind incident.QuestionKind, choice string) (incident.ApprovalGiven, incident.Event) {
	t.Helper()
	var found []incident.Event
	for _, e := range p.timeline {
		if b, ok := e.Body.(incident.ApprovalGiven); ok && b.Kind == kind && b.Choice == choice {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d answers %q to questions of kind %s, want 1", len(found), choice, kind)
	}
	return found[0].Body.(incident.ApprovalGiven), found[0]
}

// The source is lost after its switchover was accepted: that is said in the first line
// of everything, the run is switched, and each change of both runs is made once.
func switchedToUnplanned(t *testing.T, p played) {
	s := p.state()
	if len(s.Runs) != 2 {
		t.Fatalf("%d runs", len(s.Runs))
	}
	first, next := s.Runs[0], s.Runs[1]
	lost := p.world.Marks["promoting"].Add(3 * time.Second)
	seen := first.Step("source-answers")
	if seen.Observed == nil || seen.Observed.State != "lost" || seen.ObservedAt.Before(lost) || seen.ObservedAt.After(lost.Add(time.Minute)) {
		t.Errorf("lost at %s, and %+v was seen at %s", lost, seen.Observed, seen.ObservedAt)
	}
	if first.Ended.How != incident.Superseded || next.Follows != first.Name || next.Mode != "unplanned" || next.BegunBy != "alice" || len(first.Open) > 0 {
		t.Errorf("the first ended as %+v, the next is %s after %q, %s", first.Ended, next.Name, next.Follows, next.Mode)
	}
	if st := next.Step("promote-database"); st.ApprovedBy != "bob" || first.Step("fence-writers").ApprovedBy != "bob" {
		t.Errorf("the promotion was approved by %q", st.ApprovedBy)
	}
	for _, st := range next.Steps {
		if strings.HasPrefix(st.ID, "scale/") && !st.Finished.Already {
			t.Errorf("%s was not found to be done: %+v", st.ID, st.Finished)
		}
	}
	p.once(t, "SwitchoverGlobalCluster", "FailoverGlobalCluster", "FailoverGlobalReplicationGroup", "PutObject")
	first4 := []string{"us-east-1 has not answered since", "switch"}
	said := 0
	for _, m := range p.messages {
		text, err := json.Marshal(m.Blocks)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), first4[0]) && strings.Contains(string(text), first4[1]) {
			said++
		}
	}
	if said < 2 {
		t.Errorf("it was said in %d messages, want the card and one of its own", said)
	}
}

func gateOverridden(t *testing.T, p played) {
	const gate, reason = "replication-lag", "the switchover waits for the standby to catch up, so nothing is lost"
	go1, e := p.given(t, incident.AskGo, "go")
	if !slices.Equal(go1.Overridden, []string{gate}) || go1.Reason != reason || e.Actor != "alice" {
		t.Errorf("%s overrode %v with the reason %q", e.Actor, go1.Overridden, go1.Reason)
	}
	st := p.state().Step(gate)
	if st.Status != incident.Skipped || st.SkippedBy != "alice" || st.SkipReason != reason || st.Failure.Unknown {
		t.Errorf("the gate stands as %+v", st)
	}
	if !strings.Contains(p.review, reason) {
		t.Error("the review does not say why the gate was overridden")
	}
	p.once(t, "SwitchoverGlobalCluster")
}

// warnedOfTwoWriters: that the old writer may go on is the first line of the card, from when
// RDS says so until the incident is resolved, and there is no standby until us-east-1 is back.
func warnedOfTwoWriters(t *testing.T, p played) {
	if told := p.state().Step("old-writer").Observed; told == nil || told.Verdict != incident.Fail || !strings.Contains(told.Summary, "ecommerce-primary may still accept writes") {
		t.Errorf("the watch tells %+v", told)
	}
	first := 0
	for _, m := range p.messages {
		if data, err := json.Marshal(m.Blocks); err == nil && strings.Contains(string(data), `"text":"REHEARSAL · *Possible split brain: ecommerce-primary may still accept writes`) {
			first++
		}
	}
	if first == 0 {
		t.Error("no card begins with it")
	}
	if data, err := json.Marshal(p.messages); err != nil || !strings.Contains(string(data), "Not protected: no standby since") {
		t.Errorf("it is not said since when there is no standby: %v", err)
	}
}

// detachedAndTold: the database was detached once, the services were told where it is, and
// what was left behind is said before all else.
func detachedAndTold(t *testing.T, p played) {
	s := p.state()
	p.once(t, "RemoveFromGlobalCluster", "FailoverGlobalReplicationGroup", "PutObject")
	if n := len(p.applied("FailoverGlobalCluster")) + len(p.applied("SwitchoverGlobalCluster")); n != 0 {
		t.Errorf("the database was promoted %d times", n)
	}
	if st := s.Step("detach-database"); st.ApprovedBy != "bob" || s.GoBy != "alice" {
		t.Errorf("Go by %s, the detach approved by %s", s.GoBy, st.ApprovedBy)
	}
	for _, b := range bodies[incident.ApprovalAsked](p) {
		if b.Step != "detach-database" {
			continue
		}
		for _, want := range []string{"stays behind as an orphan that nobody blocks", "ecommerce-primary does not rejoin"} {
			if said := b.Effects[0].Lost + b.Effects[0].Undo; !strings.Contains(said, want) {
				t.Errorf("the question does not say %q: %s", want, said)
			}
		}
	}
	orphan := "ecommerce-primary in us-east-1 was left behind and blocked by nobody: what is written there is not in us-west-2"
	for step, want := range map[string]string{"old-writer": orphan, "rejoined": "none comes by itself: ecommerce-secondary left ecommerce-primary in us-east-1 behind"} {
		if told := s.Step(step).Observed; told == nil || told.Verdict != incident.Fail || !strings.Contains(told.Summary, want) {
			t.Errorf("%s tells %+v", step, told)
		}
	}
	if data, err := json.Marshal(p.messages); err != nil || !strings.Contains(string(data), "Possible split brain: "+orphan) {
		t.Errorf("no card begins with what was left behind: %v", err)
	}
}

// rebuiltAndHomeAgain: each thing was made once, nothing was deleted, users noticed nothing of
// it, and the platform is at home as it was, but for the database's names.
func rebuiltAndHomeAgain(t *testing.T, p played) {
	p.once(t, "StopDBCluster", "CreateGlobalCluster", "CreateDBCluster", "SwitchoverGlobalCluster")
	for operation, n := range map[string]int{"CreateDBInstance": 2, "RemoveFromGlobalCluster": 2, "FailoverGlobalCluster": 0} {
		if got := len(p.applied(operation)); got != n {
			t.Errorf("%s was applied %d times, want %d", operation, got, n)
		}
	}
	d := p.world.Database
	if len(d.Orphans) != 1 || d.Orphans[0].Cluster != "ecommerce-primary" || d.Orphans[0].Status != "stopped" || d.Orphans[0].Global != "" {
		t.Errorf("what was left behind: %+v", d.Orphans)
	}
	for _, m := range d.Members {
		if m.Global != "ecommerce-global-2" || m.Status != "available" || m.Sync != "connected" || m.Instances != 2 || m.Writer != (m.Region == "us-east-1") {
			t.Errorf("%+v", m)
		}
	}
	for _, r := range p.world.Regions {
		for name, dep := range r.Deployments {
			if host := dep.Spec.Template.Spec.Containers[0].Env[0].Value; !strings.HasPrefix(host, "ecommerce-global-2.") {
				t.Errorf("%s in %s connects to %s", name, r.Name, host)
			}
			if n := *dep.Spec.Replicas; n == 0 {
				t.Errorf("%s does not run in %s", name, r.Name)
			}
		}
	}
	var told []string
	for _, m := range p.messages {
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, string(data))
	}
	all := strings.Join(told, "\n")
	for _, want := range []string{"regions.us-east-1.db_cluster: ecommerce-primary-2", "AWS starts it again after seven days", "no run deletes a database"} {
		if !strings.Contains(all, want) {
			t.Errorf("nobody was told %q", want)
		}
	}
	for _, m := range p.messages { // its services stop where nobody uses them
		if said := visible(t, m); strings.Contains(said, "INC-2026-0002") && (strings.Contains(said, "orders stopped") || strings.Contains(said, "Impact at least")) {
			t.Errorf("users lose nothing by a rebuild, and it is said: %s", said)
		}
	}
	if want := "Task settings-in-force closed by failoverbot: the settings name ecommerce-global-2 and ecommerce-primary-2"; !strings.Contains(p.printed, want) {
		t.Error("the task of the settings was not closed by the settings")
	}
	// Users went on ordering while the standby was made.
	from := p.world.OwnOrders.From
	for i, served := range []byte(p.world.OwnOrders.Log) {
		if at := from.Add(time.Duration(i) * time.Second).Sub(sim.DefaultStart); at > 12*time.Minute && at < 42*time.Minute && served != 'w' {
			t.Fatalf("no order was taken %s after the start", at)
		}
	}
}

// pausedFirst: Go's question tells who would set the sizes back and how they are paused, and
// they last once that is so.
func pausedFirst(t *testing.T, p played) {
	var found []incident.Verdict
	for _, b := range bodies[incident.StepFinished](p) {
		if b.Step == "managers" {
			found = append(found, b.Verdict)
		}
	}
	if want := []incident.Verdict{incident.Warn, incident.Pass}; !slices.Equal(found, want) {
		t.Errorf("it was found %v, want %v", found, want)
	}
	if data, err := json.Marshal(p.messages); err != nil || !strings.Contains(string(data), "(pause it first: argocd app set argocd/shop --self-heal=false)") {
		t.Error("nobody was told how it is paused")
	}
	for _, c := range p.applied("patch horizontalpodautoscalers") {
		if c.Time.Before(p.at(t, "managers", "StepFinished")) {
			t.Errorf("%s was scaled before it was known who sets it back", c.Target)
		}
	}
}

func glassBroken(t *testing.T, p played) {
	expired := p.at(t, "promote-database", "ApprovalExpired")
	yes, e := p.given(t, incident.AskApprove, "approve")
	if !yes.BrokeGlass || e.Actor != "carol" || yes.Reason == "" || yes.Step != "promote-database" {
		t.Errorf("%s approved: %+v", e.Actor, yes)
	}
	if want := (incident.Via{Face: incident.FaceSlack, ID: "U0CAROL"}); e.Via == nil || *e.Via != want {
		t.Errorf("she came by %+v, want %+v", e.Via, want)
	}
	asked := bodies[incident.ApprovalAsked](p)
	n := 0
	for _, q := range asked {
		if q.Kind == incident.AskApprove {
			n++
		}
	}
	if n != 2 || len(bodies[incident.ApprovalExpired](p)) != 1 {
		t.Errorf("asked %d times, %d expired", n, len(bodies[incident.ApprovalExpired](p)))
	}
	if !e.Time.After(expired) {
		t.Errorf("the glass was broken at %s, the question expired at %s", e.Time, expired)
	}
	for _, c := range p.applied("FailoverGlobalCluster") {
		if c.Time.Before(e.Time) {
			t.Errorf("promoted at %s, before anybody agreed", c.Time)
		}
	}
	p.once(t, "FailoverGlobalCluster")
	if !strings.Contains(p.review, yes.Reason) {
		t.Error("the review does not say why the glass was broken")
	}
}

func waitedForAgain(t *testing.T, p played) {
	st := p.state().Step("database-writable")
	if st.Attempt != 2 || st.Status != incident.Done || !slices.Equal(st.Retriers, []string{"alice"}) {
		t.Errorf("the wait for the database: %+v", st)
	}
	failed := bodies[incident.StepFailed](p)
	at := slices.IndexFunc(failed, func(f incident.StepFailed) bool { return f.Step == "database-writable" })
	if at < 0 || !strings.Contains(failed[at].Error, "switching-over") {
		t.Errorf("what stopped does not say what the database is doing: %+v", failed)
	}
	asked := 0
	for _, c := range p.calls {
		if c.Operation == "SwitchoverGlobalCluster" || c.Operation == "FailoverGlobalCluster" {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("a promotion was asked for %d times, want 1", asked)
	}
	if took := st.Ended.Sub(p.at(t, "switch-database", "StepFinished")); took < 20*time.Minute {
		t.Errorf("the switchover was over after %s: it was not stuck", took)
	}
}

// droppedAndAskedAgain says that Aurora took a promotion back, that this was known within
// two polls and said with what users get, and that it was asked for again under an
// approval of its own.
func droppedAndAskedAgain(change, operation, gone string) func(*testing.T, played) {
	return func(t *testing.T, p played) {
		back := slices.IndexFunc(p.world.Database.Events, func(e sim.DBEvent) bool { return e.ID == gone })
		if back < 0 {
			t.Fatalf("Aurora did not take it back: %+v", p.world.Database.Events)
		}
		p.askedAgain(t, change, "database-writable", operation, p.world.Database.Events[back].At)
	}
}

func cacheAskedAgain(t *testing.T, p played) {
	p.askedAgain(t, "promote-cache", "cache-primary", "FailoverGlobalReplicationGroup", time.Time{})
}

// askedAgain says that a change was accepted and did not come about, that its wait knew
// it within two polls of since, and that it was asked for again and came.
func (p played) askedAgain(t *testing.T, change, wait, operation string, since time.Time) {
	t.Helper()
	failed := slices.DeleteFunc(bodies[incident.StepFailed](p), func(f incident.StepFailed) bool { return f.Advice })
	if len(failed) != 1 || failed[0].Step != wait || failed[0].WillNotCome != change {
		t.Fatalf("what stopped: %+v", failed)
	}
	at := p.at(t, wait, "StepFailed")
	if took := at.Sub(since); !since.IsZero() && (took < 0 || took > 11*time.Second) {
		t.Errorf("known %s after it was so", took)
	}
	var approvals []string
	for _, e := range p.timeline {
		if q, ok := e.Body.(incident.ApprovalAsked); ok && q.Kind == incident.AskApprove {
			approvals = append(approvals, q.Step)
			if q.Step == change && e.Time.After(at) && !strings.Contains(q.Again, failed[0].Error) {
				t.Errorf("asked again without saying why: %q", q.Again)
			}
		}
	}
	if len(approvals) != 2 || approvals[1] != change {
		t.Errorf("approvals were asked for of %v", approvals)
	}
	if n := len(p.applied(operation)); n != 2 {
		t.Errorf("%s was applied %d times, want 2", operation, n)
	}
	if st := p.state().Step(change); st.Status != incident.Done || st.Attempt != 2 {
		t.Errorf("the change: %+v", st)
	}
	// It was said in the card's first line, with what users get where orders were stopped.
	title := p.titleOf(t, change)
	says := []string{"*“" + title + "” was accepted and does not come about.", "Taken back: " + title, "Ask again …"}
	if p.state().Mode == "planned" { // an unplanned one finds them stopped
		says = append(says, "Nobody can order: what writes in us-east-1 is stopped since", "*Orders*  stop with your yes; possible again about ", "*Orders*  stopped since ")
		if !strings.Contains(p.review, "Orders stopped by us") {
			t.Error("the review does not say how long orders were stopped")
		}
	}
	if change == "switch-database" { // the cache has gone ahead of it
		says = append(says, "*Beside it*  “Make ecommerce-cache-us-west-2 the primary cache” is made; its way back: the same promotion in the other direction", "Stop and take back …")
	}
	for _, part := range says {
		if !slices.ContainsFunc(p.messages, func(m slacksim.MessageLine) bool {
			var text strings.Builder
			enc := json.NewEncoder(&text)
			enc.SetEscapeHTML(false)
			return enc.Encode(m.Blocks) == nil && strings.Contains(text.String(), part)
		}) {
			t.Errorf("nobody was told %q", part)
		}
	}
	if !strings.Contains(p.review, failed[0].Error) {
		t.Error("the review does not say that it did not come about")
	}
}

// titleOf is what people call a step of the plan.
func (p played) titleOf(t *testing.T, step string) string {
	t.Helper()
	plan, err := runbook.DecodePlan(p.state().Plan.Plan)
	if err != nil {
		t.Fatal(err)
	}
	st, ok := plan.Step(step)
	if !ok {
		t.Fatalf("the plan has no step %s", step)
	}
	return st.Title
}

func foundBeforeItWasNeeded(t *testing.T, p played) {
	s := p.state()
	// Both values are told, and nobody is offered to go on without them.
	failed := bodies[incident.StepFailed](p)
	if len(failed) == 0 || failed[0].Step != "takeover-check" || failed[0].Unknown ||
		!strings.Contains(failed[0].Error, "us-east-1's takeover check looks at the path /takeover-drill, not at /takeover") {
		t.Fatalf("what stopped: %+v", failed)
	}
	if st := s.Step("takeover-check"); st.Status != incident.Done || st.Attempt != 2 {
		t.Errorf("the gate is %s after %d attempts", st.Status, st.Attempt)
	}
	if overridden := bodies[incident.StepSkipped](p); len(overridden) > 0 {
		t.Errorf("somebody went past a gate: %+v", overridden)
	}
	if corrected := p.world.Start.Add(5 * time.Minute); s.GoAt.Before(corrected) {
		t.Errorf("Go at %s, the check was right from %s on", s.GoAt, corrected)
	}
	if st := s.Step("takeover-seen"); st.Status != incident.Done || !strings.Contains(st.Finished.Summary, "of Route 53's checkers see s3://") {
		t.Errorf("whether the object is seen: %s, %s", st.Status, st.Finished.Summary)
	}
	// When us-east-1 is back nobody goes back to it.
	history := p.world.DNS.History
	if last := history[len(history)-1]; last.Region != "us-west-2" || last.At.After(s.MitigatedAt) {
		t.Errorf("users are with %s since %s; mitigated at %s", last.Region, last.At, s.MitigatedAt)
	}
	if r := p.world.Regions["us-east-1"]; r.TargetsBroken || r.Lost {
		t.Error("us-east-1 did not come back, so nothing was shown")
	}
}

// untroubled is what each scenario is without: the text that is its trouble, what
// stands there instead, and how what it expects is missed then.
var untroubled = map[string]struct{ trouble, instead, differs string }{
	"region-degraded": {
		"events:\n  - at: 0s\n    degrade: {region: us-east-1, fail_percent: 35, latency_ms: 1800}\n", "",
		"of the orders before the move",
	},
	"unserved-at-resolve": {"  - {at: 5s, lose: us-east-1}\n", "", "0 times IncidentResolved"},
	"outage-proposed":     {"  - {at: 90s, lose: us-east-1}\n", "", "no incident was declared"},
	// Where nothing should happen there is a real outage instead.
	"cut-off":               {"  - {at: 5m, network: down}\n", "  - {at: 5m, lose: us-east-1}\n", "that were proposed ended [open], expected []"},
	"noisy-day":             {"  - {at: 5h, cut_off: us-east-1}\n", "  - {at: 5h, lose: us-east-1}\n", "that were proposed ended [open], expected []"},
	"route53-already-moved": {"  - {at: 2m, fault: {kind: 5xx, system: http, operation: GET /healthz, region: us-east-1}}\n", "", "no incident was declared"},
	"region-loss":           {"  - {at: 5s, lose: us-east-1}\n", "", "0 times StepFinished of outage-agreed"},
	"lag-too-high":          {"  lag_ms: 9000\n", "  lag_ms: 90\n", "0 times StepSkipped of replication-lag"},
	"approver-absent": {
		"{name: Bob, id: U0BOB, roles: [approver], absent: true}",
		"{name: Bob, id: U0BOB, roles: [approver], does: [{on: question, kind: approval, after: 5s, press: approve, form: {confirm: us-west-2}}]}",
		"0 times ApprovalExpired of promote-database",
	},
	"aurora-stuck":           {"  - at: 0s\n    promotion: {takes: 22m}\n", "", "0 times StepFailed of database-writable"},
	"switchover-dropped":     {"  - {at: 0s, drop_promotion: {after: 45s, times: 1}}\n", "", "0 times StepFailed of database-writable"},
	"failover-dropped":       {"  - {at: 0s, drop_promotion: {after: 20s, times: 1}}\n", "", "0 times StepFailed of database-writable"},
	"cache-modified":         {"  - {at: 20s, since: promoting, modify_cache: {takes: 30s}}\n", "", "0 times StepFailed of cache-primary"},
	"abort-before-promotion": {"events:\n  - {at: 0s, fault: {kind: deny, system: aws.rds, operation: SwitchoverGlobalCluster}}\n", "", "the runs ended [mitigated], expected [aborted taken back]"},
	"abort-after-promotion":  {"events:\n  - {at: 0s, fault: {kind: deny, system: aws.elasticache, operation: FailoverGlobalReplicationGroup, times: 1}}\n", "", "the runs ended [mitigated], expected [aborted mitigated]"},
	"lost-while-planned":     {"  - {at: 3s, since: promoting, lose: us-east-1}\n", "", "the runs ended [mitigated], expected [superseded mitigated]"},
	"pods-pending":           {"  pods_per_node: 3\n", "  pods_per_node: 8\n", "0 times StepFailed of rolled-out"},
	"split-brain-warning":    {"start:\n  writes_go_on: true\n\n", "", "0 times WatchObserved of old-writer"},
	"gitops-owned":           {"start:\n  gitops: [us-west-2]\n", "", "0 times StepFinished of managers"},
	"throttled":              {"kind: throttle, system: aws.rds, operation: SwitchoverGlobalCluster,", "kind: throttle, system: aws.rds, operation: DescribeEvents,", "SwitchoverGlobalCluster failed 0 times"},
	"dns-stale":              {"  - {at: 0s, resolver: {name: OpenDNS, answers: us-east-1}}\n", "", "0 times WatchObserved of users"},
	"takeover-astray":        {"start:\n  takeover_check: {path: /takeover-drill}\n", "", "0 times StepFailed of takeover-check"},
	"start-towards-home": {
		"unplanned us-east-1 is well again", "planned us-east-1 is well again",
		"0 times StepFailed of outage-agreed",
	},
	"failover-then-failback":   {"        say: /failover failback us-east-1\n", "        say: /failover status\n", "the runs ended [mitigated], expected [mitigated mitigated]"},
	"unplanned-then-failback":  {"        say: /failover failback us-east-1\n", "        say: /failover status\n", "the runs ended [mitigated], expected [mitigated mitigated]"},
	"failback-backed-out":      {"  - {at: 20m, fault: {kind: deny, system: aws.rds, operation: SwitchoverGlobalCluster, times: 1}}\n", "", "expected [mitigated aborted taken back mitigated]"},
	"database-detached":        {"  versions: {us-west-2: \"16.8\"}\n", "  versions: {us-west-2: \"16.6\"}\n", "0 times StepFinished of standby-database"},
	"detach-then-rebuild":      {"        say: /failover rebuild us-east-1\n", "        say: /failover status\n", "the runs ended [mitigated], expected [mitigated done mitigated]"},
	"failback-drifted":         {"  - {at: 20m, configure: {region: us-west-2, service: order-service, key: CHECKOUT, value: v3}}\n", "", "0 times StepFailed of drift"},
	"lost-while-away":          {"  - {at: 40m, lose: us-west-2}\n", "", "the runs ended [mitigated], expected [mitigated mitigated mitigated]"},
	"failback-refused":         {"        after: 22m\n", "        after: 50m\n", "0 times StepFailed of standby-database"},
	"record-change-and-back":   {"start:\n  strategy: record-change\n\n", "", "0 times StepFinished of change-record"},
	"routing-control-and-back": {"start:\n  strategy: routing-control\n\n", "", "0 times StepFinished of shift-controls"},
	"bot-killed":               {"  - {at: 0s, since: promoting, bot: kill}\n  - {at: 45s, since: promoting, bot: start}\n", "", "1 times RunTaken, expected 2"},
	"slack-away":               {"  - {at: 2s, since: promoting, slack: away}\n  - {at: 182s, since: promoting, slack: back}\n", "", "nothing was said for"},
	"drill-dry-run":            {"  - at: 0s\n    fault: {system: aws.rds, operation: SwitchoverGlobalCluster, kind: deny}\n", "  - {at: 4m, fault: {kind: deny, system: aws.rds, operation: SwitchoverGlobalCluster}}\n", "us-west-2: 3 rights missing.\" 0 times"},
	"velero-restore":           {"start:\n  lacks: {us-west-2: [order-service, payment-service]}\n", "", "0 times StepFinished of restored-pods"},
	"drs-failback":             {"        say: /failover servers home\n        form: {reason: \"us-east-1 is well again\"}\n", "        say: /failover status\n", "no incident was declared"},

	"drs-one-server-fails":       {"    fails: {erp-db: \"InsufficientInstanceCapacity: we currently do not have sufficient m7i.xlarge capacity\"}\n", "", "0 times StepFailed of launch"},
	"drs-backout-before-traffic": {"    broken: {erp-db: \"order 4711 is missing\"}\n", "", "0 times StepFailed of servers-work"},
	"drs-backout-after-traffic":  {"        say: /failover servers us-west-2\n        form: {reason: \"the servers are too slow at home\"}\n", "        say: /failover status\n", "the runs ended [done], expected [done done]"},
}

// A scenario that ends as it expects without its trouble would show nothing. A third of
// them, drawn anew each time, is played so here; all of them where there is time for it.
func TestWithoutItsTroubleAScenarioEndsOtherwise(t *testing.T) {
	names := sim.Scenarios()
	for _, name := range names {
		if _, ok := untroubled[name]; !ok {
			t.Errorf("nobody says what the trouble of %s is", name)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	endsOtherwise(t, names[:(len(names)+2)/3])
}

// endsOtherwise plays scenarios without their troubles.
func endsOtherwise(t *testing.T, names []string) {
	t.Helper()
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, ok := untroubled[name]
			if !ok {
				t.Fatal("nobody says what its trouble is")
			}
			data, err := os.ReadFile(filepath.Join("..", "..", "providers", "sim", "scenarios", name+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			quiet := strings.Replace(string(data), one.trouble, one.instead, 1)
			if quiet == string(data) {
				t.Fatalf("the scenario does not say %q", one.trouble)
			}
			file := filepath.Join(t.TempDir(), name+".yaml")
			if strings.Contains(quiet, "\nlasts: ") {
				quiet = string(hoursAreQuarters([]byte(quiet)))
			}
			if err := os.WriteFile(file, []byte(quiet), 0o600); err != nil {
				t.Fatal(err)
			}
			r := rehearsal{
				Options:  Options{Auto: true, Scenario: file, Speed: sim.Max, Listen: "127.0.0.1:0", Stdout: io.Discard, Log: zerolog.Nop(), Templates: templates.FS},
				patience: 40 * time.Minute,
			}
			if err := r.run(t.Context()); err == nil || !strings.Contains(err.Error(), one.differs) {
				t.Errorf("it ended with %v; it is missing that %s", err, one.differs)
			}
		})
	}
}

// homeAgain: the way home is a run of an incident of its own, in an order that leaves nobody
// between two Regions, and at its end the world is as it was: what was moved is home, and
// what stood in is a standby again.
// backedOutAndAgain: the failback that was stopped left the world as it was, the next one
// went home, and both are what an auditor asks for.
func backedOutAndAgain(t *testing.T, p played) {
	asAtTheStart(t, p)
	c := evidence.New(evidence.Options{})
	for n := 1; n <= 3; n++ {
		name := "timeline.jsonl"
		if n > 1 {
			name = fmt.Sprintf("timeline-%d.jsonl", n)
		}
		var events []incident.Event
		lines(t, filepath.Join(p.out, name), &events)
		c.Add(evidence.Timeline{ID: incident.Fold(events).ID, Events: events})
	}
	r := c.Report()
	var outcomes []string
	for _, run := range r.Runs {
		outcomes = append(outcomes, string(run.Kind)+" "+run.Outcome)
	}
	if want := []string{"failback complete", "undo complete", "failback taken back", "failover complete"}; !slices.Equal(outcomes, want) {
		t.Errorf("the runs are %q, not %q", outcomes, want)
	}
	for _, timeline := range r.Timelines {
		if !timeline.Whole || timeline.Says != "" {
			t.Errorf("%+v", timeline)
		}
	}
	// A rehearsal has no on-call schedule, and no freeze of deployments.
	inPart := []string{"pre.4", "test.1", "run.1"}
	for _, b := range r.Control {
		want := evidence.Proven
		if slices.Contains(inPart, b.ID) {
			want = evidence.InPart
		}
		if b.Verdict != want || len(b.Records) == 0 {
			t.Errorf("%s (%s) is %s: %s", b.ID, b.Asks, b.Verdict, b.Says)
		}
	}
}

func homeAgain(t *testing.T, p played) {
	asAtTheStart(t, p)
	var back played
	lines(t, filepath.Join(p.out, "timeline-2.jsonl"), &back.timeline)
	s := back.state()
	if s.Kind != incident.Failback || s.Target != "us-east-1" || s.ResolvedAt.IsZero() || s.Damage != "" {
		t.Errorf("the second incident: %s to %s, resolved at %v, %s", s.Kind, s.Target, s.ResolvedAt, s.Damage)
	}
	if first := p.state(); first.Kind != incident.Failover || first.Target != "us-west-2" || !first.ResolvedAt.Before(s.DeclaredAt) {
		t.Errorf("the first incident: %s to %s, resolved at %v", first.Kind, first.Target, first.ResolvedAt)
	}
	order := []string{"fence-writers", "switch-database", "database-writable", "smoke-test", "takeover-removed", "restore-dns", "dns-authoritative", "traffic", "quiet", "rest/order-service", "rested/order-service"}
	var last time.Time
	for _, step := range order {
		st := s.Step(step)
		if st.Status != incident.Done || st.Ended.Before(last) {
			t.Errorf("%s is %v, ended at %v, and what comes before it at %v", step, st.Status, st.Ended, last)
		}
		last = st.Ended
	}
	moved := 0
	for _, c := range p.calls {
		if c.Applied && c.Time.After(s.DeclaredAt) && (c.Operation == "UpdateHealthCheck" || c.Operation == "DeleteObject") {
			moved++
		}
	}
	if n := len(p.applied("SwitchoverGlobalCluster")) + len(p.applied("FailoverGlobalCluster")); n != 2 || moved != 1 {
		t.Errorf("the database was moved %d times, and users back by %d calls", n, moved)
	}
	if len(p.results) != 2 || p.results[0].Checked || !p.results[1].Checked || len(p.results[1].Differs) > 0 {
		t.Fatalf("what came of both: %+v", p.results)
	}
	plan, err := view.Plan(s.Run)
	if err != nil {
		t.Fatal(err)
	}
	// What was kept of an unplanned failover is compared by people.
	unplanned := p.state().Mode == "unplanned"
	if task := s.Tasks["lost-writes"]; unplanned != (task != nil) || task != nil && (!task.Open() || !strings.HasPrefix(task.Title, "Compare the orders in failoverbot-unplanned-global-failover-ecommerce-primary")) {
		t.Errorf("what is left to people of what was lost: %+v", task)
	}
	for _, point := range view.New(s, plan, nil, s.Last).Points() {
		if point.ID != "lost-writes" {
			t.Errorf("open at its end: %s", point.Title)
		}
	}
}

// stayedWhereItIs: what stops the way home is said, and nothing was changed for it.
func stayedWhereItIs(t *testing.T, p played) {
	var back played
	lines(t, filepath.Join(p.out, "timeline-2.jsonl"), &back.timeline)
	s := back.state()
	if s.Kind != incident.Failback || s.AbortedAt.IsZero() || !s.GoAt.IsZero() {
		t.Errorf("the second incident: %s, aborted at %v, Go at %v", s.Kind, s.AbortedAt, s.GoAt)
	}
	for _, c := range p.calls {
		if c.Applied && c.System != "http" && c.Time.After(s.DeclaredAt) {
			t.Errorf("%s %s was applied at %s", c.Operation, c.Target, c.Time)
		}
	}
	if f := s.Step("standby-database").Failure; !strings.Contains(f.Error, "pending-resync") {
		t.Errorf("the standby: %+v", f)
	}
}

// driftShownAndAccepted: nobody goes home with what differs without having been shown it, and
// what differs since is asked about before anything is stopped.
func driftShownAndAccepted(t *testing.T, p played) {
	var back played
	lines(t, filepath.Join(p.out, "timeline-2.jsonl"), &back.timeline)
	s := back.state()
	drift, again := s.Step("drift"), s.Step("drift-again")
	const checkout, fraud = "ConfigMap order-settings, key CHECKOUT", "ConfigMap payment-settings, key FRAUD_CHECK"
	if drift.Status != incident.Skipped || drift.Failure.Unknown || drift.Failure.Evidence[checkout] == "" || drift.Failure.Evidence[fraud] != "" {
		t.Errorf("what differed before Go: %s, %+v", drift.Status, drift.Failure)
	}
	if again.Status != incident.Done || again.Attempt != 2 || again.Failure.Evidence[fraud] == "" {
		t.Errorf("what differed after Go: %s after %d attempts, %+v", again.Status, again.Attempt, again.Failure)
	}
	given := bodies[incident.ApprovalGiven](back)
	if i := slices.IndexFunc(given, func(g incident.ApprovalGiven) bool { return g.Kind == incident.AskGo }); i < 0 || !slices.Contains(given[i].Overridden, "drift") || given[i].Reason == "" {
		t.Errorf("Go: %+v", given)
	}
	for _, c := range p.calls {
		if c.Applied && c.Region == "us-west-2" && c.Time.After(s.DeclaredAt) && c.Time.Before(again.Ended) && c.System != "http" {
			t.Errorf("%s %s was applied at %s, before what differs was known", c.Operation, c.Target, c.Time)
		}
	}
	for _, step := range []string{"writers-gone", "messages-taken", "in-flight"} {
		if st := s.Step(step); st.Status != incident.Done || st.Ended.After(s.Step("switch-database").Started) {
			t.Errorf("%s is %s, ended at %s; the database was asked at %s", step, st.Status, st.Ended, s.Step("switch-database").Started)
		}
	}
	if said, err := os.ReadFile(filepath.Join(p.out, "messages.jsonl")); err != nil || !strings.Contains(string(said), "*What differs*") || !strings.Contains(string(said), "• "+checkout+": other values") {
		t.Errorf("the question does not list what differs: %v", err)
	}
}

// nobodyHadToFlee: no view sees the Region that serves down, so nothing was changed.
func nobodyHadToFlee(t *testing.T, p played) {
	s := p.state()
	for _, c := range p.calls {
		if c.Applied && c.System != "http" && c.Time.After(s.ResolvedAt) {
			t.Errorf("%s %s was applied at %s, after the incident was resolved", c.Operation, c.Target, c.Time)
		}
	}
	var next played
	lines(t, filepath.Join(p.out, "timeline-2.jsonl"), &next.timeline)
	if s := next.state(); s.Target != "us-east-1" || s.Mode != "unplanned" || s.AbortedAt.IsZero() || !s.GoAt.IsZero() {
		t.Errorf("the second incident: %s to %s, aborted at %v, Go at %v", s.Mode, s.Target, s.AbortedAt, s.GoAt)
	}
	p.once(t, "SwitchoverGlobalCluster", "UpdateHealthCheck")
}

func retriedWithCapacity(t *testing.T, p played) {
	retried := 0
	s := p.state()
	for _, f := range bodies[incident.StepFailed](p) {
		if !strings.HasPrefix(f.Step, "rolled-out/") {
			continue
		}
		if !strings.Contains(f.Error, "pending") || !strings.Contains(f.Error, "FailedScheduling") {
			t.Errorf("%s does not say why: %s", f.Step, f.Error)
		}
		if st := s.Step(f.Step); st.Status != incident.Done || st.Attempt < 2 {
			t.Errorf("%s: %+v", f.Step, st)
		}
		retried++
	}
	if retried == 0 {
		t.Error("there was room for all pods from the start")
	}
	// Nothing that hurts users or cannot be taken back happened while pods were missing.
	ready := p.at(t, "targets-healthy", "StepFinished")
	for _, c := range p.calls {
		if c.Applied && c.Region == "us-east-1" && c.Time.Before(ready) {
			t.Errorf("%s %s in us-east-1 before the standby was at full size", c.Operation, c.Target)
		}
	}
	p.once(t, "SwitchoverGlobalCluster", "UpdateHealthCheck")
}

// The resolver is named while the incident is open, on the card and in each of the last
// two messages, and nobody is asked about it.
func resolverNamed(t *testing.T, p played) {
	const who = "OpenDNS still sends users to us-east-1"
	s := p.state()
	points := view.New(s, nil, nil, s.Last).Points()
	if !slices.ContainsFunc(points, func(p view.Point) bool { return p.ID == "resolver-opendns" && p.Title == who }) {
		t.Errorf("open points: %+v", points)
	}
	for _, q := range bodies[incident.ApprovalAsked](p) {
		if q.Step == "resolvers" || q.Step == "users" {
			t.Errorf("somebody was asked about a resolver: %+v", q)
		}
	}
	card, last := "", []string{} // the card as it stands at the end; what is in the channel, in order
	at := map[string]int{}
	for _, m := range p.messages {
		text, err := json.Marshal(m.Blocks)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case m.ThreadTS != "" || m.For != "" || m.BotID == "" || !strings.Contains(string(text), "INC-") && !strings.Contains(string(text), "Traffic"):
		case m.Op == "post" && card == "":
			card = m.TS
			at[m.TS] = 0
			last = append(last, string(text))
		case m.Op == "post":
			at[m.TS] = len(last)
			last = append(last, string(text))
		case m.Op == "update":
			if i, ok := at[m.TS]; ok {
				last[i] = string(text)
			}
		}
	}
	if len(last) < 3 {
		t.Fatalf("%d messages", len(last))
	}
	for _, text := range []string{last[0], last[len(last)-2], last[len(last)-1]} {
		if !strings.Contains(text, who) {
			t.Errorf("it is not named in %s", text)
		}
	}
	if !strings.Contains(p.review, who) {
		t.Error("the review does not name the resolver")
	}
}

// Nothing went wrong, so both runs keep to the budgets of posts and words.
func homeAgainQuietly(t *testing.T, p played) {
	homeAgain(t, p)
	withinBudgets(t, p)
}

// Users are served from nowhere, so it is no incident that was resolved: on no face.
func closedNotRestored(t *testing.T, p played) {
	s := p.state()
	if !s.Unserved || s.Phase() != incident.ClosedUnserved {
		t.Errorf("closed as %q, unserved %t", s.Phase(), s.Unserved)
	}
	if i := view.New(s, nil, nil, s.Last).Impact(); !i.Hurt || i.Began.IsZero() {
		t.Errorf("impact: %+v", i)
	}
	said := map[string]bool{}
	for _, m := range p.messages {
		text, err := json.Marshal(m.Blocks)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range []string{"Closed, not restored", "CLOSED, NOT RESTORED", "closed, not restored"} {
			said[one] = said[one] || strings.Contains(string(text), one)
		}
		if strings.Contains(string(text), "RESOLVED") || strings.Contains(string(text), "Resolved by") {
			t.Errorf("said to be resolved: %s", text)
		}
	}
	for _, one := range []string{"Closed, not restored", "CLOSED, NOT RESTORED", "closed, not restored"} {
		if !said[one] {
			t.Errorf("nobody was told %q", one)
		}
	}
	if !strings.Contains(p.review, "closed while users were not seen to be served") {
		t.Error("the review does not say how it was closed")
	}
}

func throttledAndOnce(t *testing.T, p played) {
	type call struct{ operation, region, target string }
	throttled, applied := map[string]int{}, map[call]int{}
	for _, c := range p.calls {
		if c.Error == "too many requests" {
			throttled[c.Operation]++
			if c.Applied {
				t.Errorf("throttled and applied: %+v", c)
			}
		}
		if c.Applied && c.System != "http" {
			applied[call{c.Operation, c.Region, c.Target}]++
		}
	}
	for _, op := range []string{
		"DescribeGlobalClusters", "GetMetricData", "list pods",
		"SwitchoverGlobalCluster", "FailoverGlobalReplicationGroup", "UpdateHealthCheck", "patch deployments/scale",
	} {
		if throttled[op] < 2 {
			t.Errorf("%s was throttled %d times, want at least 2", op, throttled[op])
		}
	}
	p.once(t, "SwitchoverGlobalCluster", "FailoverGlobalReplicationGroup", "UpdateHealthCheck")
	// The restart is a patch of the Deployment itself, scaling another of its scale;
	// neither is made twice to the same service.
	for c, n := range applied {
		if n != 1 {
			t.Errorf("%s of %s in %s was applied %d times", c.operation, c.target, c.region, n)
		}
	}
	// Nobody had to help.
	for _, q := range bodies[incident.ApprovalAsked](p) {
		if q.Kind == incident.AskFailed {
			t.Errorf("somebody was asked about %s", q.Step)
		}
	}
}

func foundOutByLooking(t *testing.T, p played) {
	p.once(t, "FailoverGlobalCluster", "FailoverGlobalReplicationGroup", "PutObject")
	asked := 0
	for _, c := range p.calls {
		if c.Operation == "FailoverGlobalCluster" {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("the failover was asked for %d times, want 1", asked)
	}
	taken := bodies[incident.RunTaken](p)
	if len(taken) != 2 || taken[0].Holder == taken[1].Holder {
		t.Fatalf("the run was taken by %+v, want by two lives", taken)
	}
	back := slices.IndexFunc(p.timeline, func(e incident.Event) bool {
		b, ok := e.Body.(incident.RunTaken)
		return ok && b.Token == taken[1].Token
	})
	// Nothing was written from the moment of the call until somebody was back.
	intended, after := p.timeline[back-1], p.timeline[back]
	if gap := after.Time.Sub(intended.Time); gap < 40*time.Second {
		t.Errorf("the dead bot was away for %s only; its last word was %T", gap, intended.Body)
	}
	// It found the promotion by looking, and asked nobody once more.
	st := p.state().Step("promote-database")
	if st.Status != incident.Done || st.Attempt != 1 || !strings.Contains(st.Finished.Summary, "on its way") || st.Ended.Before(after.Time) {
		t.Errorf("the promotion: %+v", st)
	}
	if n := len(bodies[incident.ApprovalAsked](p)); n != 2 { // Go, and the promotion
		t.Errorf("asked %d questions, want 2", n)
	}
}

func wentOnWithoutSlack(t *testing.T, p played) {
	p.once(t, "SwitchoverGlobalCluster", "FailoverGlobalReplicationGroup", "UpdateHealthCheck")
	gone := p.at(t, "switch-database", "StepFinished").Add(6 * time.Second)
	back := gone.Add(172 * time.Second)
	var steps, said int
	for _, e := range p.timeline {
		if _, done := e.Body.(incident.StepFinished); done && e.Time.After(gone) && e.Time.Before(back) {
			steps++
		}
	}
	keys := map[string]int{}
	for _, m := range p.posts(t) {
		keys[m.key]++
		if m.at.After(gone) && m.at.Before(back) {
			said++
		}
	}
	if steps < 3 || said > 0 {
		t.Errorf("while Slack was away %d steps were finished and %d things said", steps, said)
	}
	for key, n := range keys {
		if n != 1 {
			t.Errorf("%s was said %d times", key, n)
		}
	}
	s := p.state()
	for _, key := range []string{"card", "review"} {
		if keys[key] != 1 {
			t.Errorf("%s is missing in the channel", key)
		}
	}
	for _, q := range bodies[incident.ApprovalAsked](p) {
		if q.Kind == incident.AskFailed {
			t.Errorf("somebody was asked about %s", q.Step)
		}
	}
	if s.MitigatedAt.IsZero() {
		t.Error("service was not restored")
	}
}

// told says that the bot showed one person a text with all of these in it.
func (p played) told(t *testing.T, person string, parts ...string) {
	t.Helper()
	for _, m := range p.messages {
		if m.For == person && !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(m.Text, part) }) {
			return
		}
	}
	t.Errorf("%s was not told %q", person, parts)
}

// What the standby lacked is there from the newest backup, by one Restore that was followed
// through its phases; nobody was moved.
func restoredFromABackup(t *testing.T, p played) {
	s := p.state()
	if s.Kind != incident.RestoreBackup || s.Phase() != "resolved" || s.Unserved {
		t.Errorf("a %s, %s", s.Kind, s.Phase())
	}
	p.once(t, "create restores")
	if data, err := json.Marshal(p.messages); err != nil || !strings.Contains(string(data), "users stay where they are") || strings.Contains(string(data), "/failover impact since") {
		t.Errorf("it speaks of users who are hurt: %v", err)
	}
	for _, m := range p.messages {
		text, err := json.Marshal(m.Blocks)
		if err != nil || strings.Contains(string(text), "objective") || strings.Contains(string(text), "Traffic is served") {
			t.Errorf("it is shown as a failover: %s %v", text, err)
		}
	}
	all := p.world.Velero.Restores["us-west-2"]
	if len(all) != 1 || all[0].Phase != "Completed" || all[0].Spec["existingResourcePolicy"] != "none" {
		t.Fatalf("restores: %+v", all)
	}
	st := s.Step("restore")
	if st.Job == nil || st.Job.Handle != all[0].Name || st.ApprovedBy != "bob" {
		t.Errorf("the job is %+v, approved by %q", st.Job, st.ApprovedBy)
	}
	asked := 0
	for _, q := range s.Questions {
		if q.Kind == incident.AskApprove {
			asked++
			if e := q.Effects; len(e) != 1 || !strings.Contains(e[0].What, "What exists there already is skipped") || !strings.Contains(e[0].What, "3 Deployments") || !strings.Contains(e[0].Lost, "2026-03-03T13:50:00Z") {
				t.Errorf("what was approved: %+v", e)
			}
		}
	}
	if asked != 1 {
		t.Errorf("%d questions", asked)
	}
	for _, c := range p.calls {
		if c.Mutating && c.System != "kubernetes" || c.Mutating && c.Region != "us-west-2" {
			t.Errorf("it changed something else: %s", c)
		}
		if strings.Contains(c.Operation, "secrets") && !strings.HasPrefix(c.Operation, "get /api/v1/namespaces/") {
			t.Errorf("Secrets were read in another way: %s", c)
		}
	}
}

// The servers were launched at home by one job and led to, users were moved by nothing else,
// and what was left is their copy.
func serversWentHome(t *testing.T, p played) {
	s := p.state()
	if s.Kind != incident.MoveServers || s.Phase() != "resolved" || s.Unserved {
		t.Errorf("a %s, %s", s.Kind, s.Phase())
	}
	p.once(t, "StartRecovery")
	st := s.Step("launch")
	jobs := p.world.Recovery.Jobs["us-east-1"]
	if len(jobs) != 1 || st.Job == nil || st.Job.Handle != jobs[0].ID || jobs[0].Tags["failoverbot"] != st.Job.Token {
		t.Fatalf("the job is %+v, and there are %+v", st.Job, jobs)
	}
	for step, by := range map[string]string{"servers-out": "bob", "servers-lead": "bob"} {
		if got := s.Step(step).ApprovedBy; got != by {
			t.Errorf("%s was approved by %q", step, got)
		}
	}
	out, ran := s.Step("servers-out"), s.Step("launch")
	if !ran.Started.After(out.Ended) {
		t.Errorf("launched at %s, users were taken out at %s", ran.Started, out.Ended)
	}
	for _, c := range p.calls {
		if c.Mutating && c.System != "aws.drs" && c.System != "aws.elasticloadbalancing" && c.Operation != "StopInstances" {
			t.Errorf("it changed something else: %s", c)
		}
	}
}

// The server that failed was asked for by a second job, alone, and nobody was led to the
// others before.
func oneServerWasAskedForAgain(t *testing.T, p played) {
	jobs := p.world.Recovery.Jobs["us-east-1"]
	if len(jobs) != 2 || len(jobs[0].Servers) != 3 || len(jobs[1].Servers) != 1 || jobs[1].Servers[0].Name != "erp-db" {
		t.Fatalf("jobs: %+v", jobs)
	}
	if n := len(p.applied("RegisterTargets")); n != 2 {
		t.Errorf("%d target groups were changed at home", n)
	}
	s := p.state()
	if led := s.Step("servers-lead").Started; !led.After(jobs[1].Ended) {
		t.Errorf("users were led there at %s, the last server was there at %s", led, jobs[1].Ended)
	}
}

// Nothing of the move is left: what was launched is terminated, and no copy is kept.
func serversStayedAway(t *testing.T, p played) {
	r := p.world.Recovery
	p.once(t, "TerminateRecoveryInstances")
	if len(r.Instances["us-east-1"]) != 0 {
		t.Errorf("left at home: %+v", r.Instances["us-east-1"])
	}
	for _, one := range r.Sources["us-east-1"] {
		if one.State != "STOPPED" {
			t.Errorf("%s is %s", one.Name, one.State)
		}
	}
	for _, c := range p.calls {
		if c.Applied && c.Operation == "RegisterTargets" && c.Region == "us-east-1" {
			t.Errorf("users were led home: %s", c)
		}
	}
}

// The servers went away again with what was written at home: launched of the copies that the
// first run had made, and not what it had left.
func serversWentAwayAgain(t *testing.T, p played) {
	if n := len(p.applied("StartRecovery")); n != 2 {
		t.Errorf("%d launches", n)
	}
	for _, operation := range []string{"TerminateRecoveryInstances", "StopReplication"} {
		if n := len(p.applied(operation)); n != 0 {
			t.Errorf("%s was called %d times", operation, n)
		}
	}
	jobs := p.world.Recovery.Jobs["us-west-2"]
	if last := jobs[len(jobs)-1]; len(jobs) != 2 || len(last.Servers) != 3 || last.Tags["failoverbot"] == "" {
		t.Errorf("jobs away from home: %+v", jobs)
	}
	for _, j := range jobs[len(jobs)-1].Servers {
		for _, left := range jobs[0].Servers {
			if j.Source == left.Source || j.Instance == left.Instance {
				t.Errorf("%s was launched of what the first move had left", j.Name)
			}
		}
	}
}
