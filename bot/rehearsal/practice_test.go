package rehearsal

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim/slacktest"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

func TestAResolverThatIsMadeToLieWhenTheZoneHasMovedIsFound(t *testing.T) {
	var printed bytes.Buffer
	r := &rehearsal{
		Options: Options{Auto: true, Scenario: "region-loss", Speed: sim.Max, Listen: "127.0.0.1:0", Stdout: &printed, Log: zerolog.Nop(), Templates: templates.FS},
	}
	r.ready = func(r *rehearsal) error {
		r.world.OnCall(func(c sim.Call, before bool) error {
			if before || c.Operation != "FailoverGlobalCluster" {
				return nil
			}
			if at := r.world.Snapshot().ZoneAnswer(); at != "us-west-2" {
				t.Errorf("the zone answers %s when the database is promoted", at)
			}
			if err := r.world.Break(sim.Breakage{Do: "resolver", What: "Google", On: true}); err != nil {
				t.Error(err)
			}
			return nil
		})
		return nil
	}
	if err := r.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, tail(printed.String(), 20))
	}
	told := bodies[incident.WatchObserved](played{timeline: r.seen})
	if !slices.ContainsFunc(told, func(o incident.WatchObserved) bool {
		return o.Users != nil && slices.Contains(o.Users.Stale, "Google")
	}) {
		t.Errorf("it was not found: %+v", told)
	}
}

func TestAGateThatIsOverriddenCountsOnce(t *testing.T) {
	var printed bytes.Buffer
	r := &rehearsal{
		Options: Options{Auto: true, Scenario: "lag-too-high", Speed: sim.Max, Listen: "127.0.0.1:0", Out: t.TempDir(), Stdout: &printed, Log: zerolog.Nop(), Templates: templates.FS},
	}
	if err := r.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, tail(printed.String(), 20))
	}
	kept, err := r.before()
	if err != nil || len(kept) != 1 {
		t.Fatalf("%v %+v", err, kept)
	}
	if one := kept[0]; !slices.Equal(one.Overridden, []string{"Replication lag"}) || len(one.Skipped) > 0 {
		t.Errorf("overridden %q, skipped %q", one.Overridden, one.Skipped)
	}
}

// twoMoves is played by its people: a move to us-west-2 that is called off before
// it begins, and one that is carried out.
const twoMoves = `name: two-moves
title: a move is called off, and another one is carried out
about: Two incidents in one rehearsal.
mode: planned
target: us-west-2
people:
  - name: Alice
    id: U0ALICE
    roles: [commander]
    does:
      - {on: start, after: 2s, say: /failover start us-west-2 planned there}
      - {on: start, after: 1m, say: /failover abort leave, form: {reason: not yet}}
      - {on: start, after: 2m, say: /failover resolve, form: {reason: nothing was moved}}
      - {on: start, after: 3m, say: /failover start us-west-2 planned there now}
      - {on: start, after: 23m, say: /failover status}
      - {on: question, kind: go, after: 90s, press: go}
      - {on: mitigated, after: 5s, say: /failover resolve}
  - name: Bob
    id: U0BOB
    roles: [approver]
    does:
      - {on: question, kind: approval, after: 5s, press: approve, times: 1, form: {confirm: us-west-2}}
expect: {synthetic_order: us-west-2}
`

func TestEachIncidentOfARehearsalHasItsResultAndItsRecords(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "two-moves.yaml")
	if err := os.WriteFile(file, []byte(twoMoves), 0o600); err != nil {
		t.Fatal(err)
	}
	var printed bytes.Buffer
	r := &rehearsal{
		Options: Options{Auto: true, Scenario: file, Speed: sim.Max, Listen: "127.0.0.1:0", Out: folder, Stdout: &printed, Log: zerolog.Nop(), Templates: templates.FS},
	}
	// What the scenario expects was not so at the end of the first, and is at that of the second.
	if err := r.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, tail(printed.String(), 40))
	}
	kept, err := r.before()
	if err != nil || len(kept) != 2 {
		t.Fatalf("%v %+v", err, kept)
	}
	for n, want := range []struct {
		id     incident.ID
		target string
		moved  bool
	}{{incident.NewID(2026, 2, ""), "us-west-2", true}, {incident.NewID(2026, 1, ""), "us-west-2", false}} {
		one := kept[n]
		if one.Incident != want.id || one.Target != want.target || one.Phase != "resolved" || one.Mitigated != want.moved || !one.Checked || (len(one.Differs) == 0) != want.moved {
			t.Errorf("the result is %+v", one)
		}
		if !strings.Contains(printed.String(), string(want.id)+" declared by Alice") {
			t.Errorf("nothing of %s was printed", want.id)
		}
		which := []string{"-2", ""}[n]
		var timeline []incident.Event
		lines(t, filepath.Join(folder, "timeline"+which+".jsonl"), &timeline)
		if s := incident.Fold(timeline); s.ID.Name() != string(want.id) || s.ResolvedAt.IsZero() {
			t.Errorf("timeline%s.jsonl is of %s, which is %s", which, s.ID, s.Phase())
		}
		draft, err := os.ReadFile(filepath.Join(folder, "review"+which+".md"))
		if err != nil || !strings.Contains(string(draft), string(want.id)) {
			t.Errorf("review%s.md is not of %s: %v", which, want.id, err)
		}
	}
}

// twice is a rehearsal whose first incident is resolved and whose second is under
// way, in a folder with results of earlier rehearsals.
func twice(t *testing.T, earlier ...Result) *rehearsal {
	t.Helper()
	folder := t.TempDir()
	var results bytes.Buffer
	for _, one := range earlier {
		if err := json.NewEncoder(&results).Encode(one); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, resultsFile), results.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	next, _ := begun(t, "region-degraded", folder)
	r := next()
	slacktest.Until(t, "the bot", func() bool { return stageOf(t, r).Bot == "up" })
	if code, answer := askBeside(t, r, http.MethodPost, "stage", `{"do":"kill"}`); code != http.StatusOK { // it would work on these
		t.Fatal(answer)
	}
	at := func(d time.Duration) time.Time { return r.scn.StartTime().Add(d) }
	declared := func(n int) incident.IncidentDeclared {
		return incident.IncidentDeclared{Incident: incident.NewID(2026, n, ""), Commander: "alice"}
	}
	run := func(target string) incident.RunBegun {
		return incident.RunBegun{Kind: incident.Failover, Target: target, Source: "us-east-1"}
	}
	for n, events := range [][]incident.Event{
		{
			{Time: at(time.Minute), Actor: "alice", Body: declared(1)},
			{Time: at(time.Minute), Actor: "alice", Run: "failover-1", Body: run("us-west-2")},
			{Time: at(2 * time.Minute), Actor: "alice", Body: incident.ApprovalAsked{Question: "q1", Kind: incident.AskGo}},
			{Time: at(2 * time.Minute), Actor: "alice", Body: incident.ApprovalGiven{Question: "q1", Kind: incident.AskGo, Choice: "go", Overridden: []string{"replication-lag"}}},
			{Time: at(2 * time.Minute), Actor: "alice", Body: incident.StepSkipped{Step: "replication-lag"}},
			{Time: at(8 * time.Minute), Body: incident.IncidentMitigated{}},
			{Time: at(9 * time.Minute), Actor: "alice", Run: "failover-1", Body: incident.IncidentResolved{}},
		},
		{
			{Time: at(10 * time.Minute), Actor: "alice", Body: declared(2)},
			{Time: at(10 * time.Minute), Actor: "alice", Run: "failover-1", Body: run("us-east-1")},
		},
	} {
		if _, err := r.record.Append(t.Context(), incident.Write{Incident: incident.NewID(2026, n+1, ""), Request: events[0].Time.String(), Events: events}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// former are results of the scenario, each known by how long it took until Go.
func former(phases ...string) (all []Result) {
	for n, phase := range phases {
		all = append(all, Result{Scenario: "region-degraded", Phase: phase, Decide: float64(n + 1), Mitigated: phase == "resolved", Total: 300, Target: "us-west-2"})
	}
	return all
}

func TestASecondIncidentLeavesTheFirstOneItsResultAndWhatWasTried(t *testing.T) {
	r := twice(t, former("resolved", "aborted")...)
	_, body := askBeside(t, r, http.MethodGet, "practice", "")
	var p Practice
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatal(err)
	}
	if p.Result == nil || p.Result.Incident != incident.NewID(2026, 1, "") || p.Open == nil || p.Open.Incident != incident.NewID(2026, 2, "") || len(p.Before) != 2 {
		t.Errorf("it is shown as %s", body)
	}
	for n, want := range []bool{true, true, false, false, false, false, true} {
		if one := p.Tried[n]; one.Done != want {
			t.Errorf("%q is done: %t, want %t", one.What, one.Done, want)
		}
	}
}

func TestWhatWasBrokenOffTakesNobodysPlaceInTheComparison(t *testing.T) {
	for _, c := range []struct {
		claim  string
		before []string // the newest first
		want   []float64
	}{
		{"three that ended are all that is shown", []string{"running", "resolved", "readiness", "aborted", "mitigated", "resolved"}, []float64{2, 4, 5}},
		{"what was broken off comes last", []string{"running", "resolved", "paused", "readiness"}, []float64{2, 1, 3}},
		{"there was nothing before", nil, nil},
	} {
		t.Run(c.claim, func(t *testing.T) {
			var got []float64
			for _, one := range compared(former(c.before...)) {
				got = append(got, one.Decide)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("shown are %v, want %v", got, c.want)
			}
		})
	}
}
