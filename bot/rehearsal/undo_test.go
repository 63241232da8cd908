package rehearsal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// takenBackWhole: what a run had changed before its point of no return is as it was.
func takenBackWhole(t *testing.T, p played) {
	s := p.state()
	former := s.RunOf("failover-1")
	if s.Kind != incident.Undo || s.Follows != "failover-1" || s.Ended.How != "done" || s.BegunBy != "alice" || former.AbortedAt.IsZero() {
		t.Fatalf("%s follows %q, ended %+v; the first was aborted at %v", s.Name, s.Follows, s.Ended, former.AbortedAt)
	}
	// The end of one and the beginning of the other are one append: nothing lies between.
	at := slices.IndexFunc(p.timeline, func(e incident.Event) bool { _, ok := e.Body.(incident.RunAborted); return ok })
	if b, ok := p.timeline[at+1].Body.(incident.RunBegun); !ok || b.Kind != incident.Undo || b.Digest == former.Plan.Digest {
		t.Errorf("after the abort came %+v", p.timeline[at+1].Body)
	}
	// Orders flow again before the standby shrinks, and each is taken back once.
	back := p.at(t, "back-fence-writers", "StepFinished")
	for _, st := range s.Steps {
		if !strings.Contains(st.ID, "/") && st.Observed != nil {
			continue // users are watched on
		}
		// Nobody who orders needs notification-service.
		if strings.HasPrefix(st.ID, "undo-scale/") && st.ID != "undo-scale/notification-service" && st.First.Before(back) {
			t.Errorf("%s began at %s, the writers ran again at %s", st.ID, st.First, back)
		}
		if st.Status != incident.Done || st.Attempt > 1 {
			t.Errorf("%s: %s after %d attempts", st.ID, st.Status, st.Attempt)
		}
	}
	last := ""
	for _, f := range bodies[incident.StepFinished](p) {
		last = f.Step
		if f.Step == "after-synthetic-order" && !strings.Contains(f.Summary, "read back in us-east-1") {
			t.Errorf("the order in the end: %s", f.Summary)
		}
	}
	if last != "after-synthetic-order" {
		t.Errorf("the last step was %s", last)
	}
	if why := p.world.CannotOrder("us-east-1"); why != "" {
		t.Errorf("nobody can order: %s", why)
	}
	for _, part := range []string{"### What Was Taken Back", "undo-fence-writers", "taken back at", "What it had changed was taken back"} {
		if !strings.Contains(p.review, part) {
			t.Errorf("the review does not say %q", part)
		}
	}
	if strings.Contains(p.review, "Keep or take back the change of") {
		t.Error("the review wants something taken back that is taken back")
	}
	// Each surface says one state: while it is taken back, and after it.
	for _, state := range []string{"taking back", "taken back"} {
		for _, kind := range []string{"card", "update"} {
			if !slices.ContainsFunc(p.messages, func(m slacksim.MessageLine) bool {
				payload, _ := m.Metadata["event_payload"].(map[string]any)
				return payload["kind"] == kind && payload["state"] == state
			}) {
				t.Errorf("no %s says %q", kind, state)
			}
		}
	}
}

// wentOnFromThere: past its point of no return a run is not taken back, and what is
// offered instead is accepted.
func wentOnFromThere(t *testing.T, p played) {
	for _, e := range p.timeline {
		if b, ok := e.Body.(incident.RunBegun); ok && b.Kind == incident.Undo {
			t.Errorf("it was taken back: %+v", b)
		}
	}
	if s := p.state(); s.AbortedAt.IsZero() || !slices.Contains(s.Aborted.Changed, "switch-database") || len(s.Aborted.TakeBack) > 0 {
		t.Errorf("the first run: %+v", s.Aborted)
	}
	p.told(t, "U0ALICE", "“Switch the database over to us-west-2” cannot be taken back at once", "what was changed for it stays", "start us-west-2 planned REASON")
	if len(p.results) != 2 || p.results[0].Mitigated || !p.results[1].Mitigated {
		t.Errorf("what came of both: %+v", p.results)
	}
	p.once(t, "SwitchoverGlobalCluster", "FailoverGlobalReplicationGroup", "UpdateHealthCheck")
}

// leftOut is what may differ of the world when a run was taken back: versions,
// generations, times, names of pods and instances, logs, synthetic orders. Anything else
// is the same.
var leftOut = []string{
	// times
	`^at$`, `^marks\.`, `^happened\.`, `\.creationTimestamp$`, `\.(since|transition|lastTransitionTime|lastUpdateTime|lastScaleTime|lastProbeTime|known_from)$`, `^regions\.[^.]+\.over\b`, `^database\.writable_since$`,
	// versions and generations
	`\.(resourceVersion|generation|observedGeneration|version|Version|versions)$`, `\.pod_count$`,
	// names of pods and instances
	`^regions\.[^.]+\.pods\b`,
	// logs
	`\.(notices|events|history|changes)\b`, `^(database|cache)\.lag\b`, `^(database|cache)\.lag_ms$`, `^cues\b`, `^(applied|broken|turns|ports|faults)\b`, `^database\.drop\b`, `\.published\b`, `^regions\.[^.]+\.(traffic|deliveries)\b`,
	// what Aurora, and the way back, keep of a failover for good
	`^database\.snapshots\b`,
	// synthetic orders
	`^(orders|own_orders)\b`,
	// What was moved and moved back has a history, and what was restarted says for whom;
	// the names of what a Deployment made are in its conditions' words.
	`^database\.(promotions|writers)`, `restarted-for$`, `status\.conditions\.\d+\.message$`, `^velero\.paused`,
	// what the scenario itself does to a Region
	`^regions\.[^.]+\.degraded\b`,
}

func TestTakenBackTheWorldIsAsItWas(t *testing.T) {
	t.Run("the switchover is refused", func(t *testing.T) { takenBack(t, "abort-before-promotion") })
	// Aurora took the switchover back, and the cache had gone ahead of it.
	t.Run("the switchover is dropped", func(t *testing.T) {
		raw, err := os.ReadFile("../../providers/sim/scenarios/switchover-dropped.yaml")
		if err != nil {
			t.Fatal(err)
		}
		scenario := string(raw[:bytes.Index(raw, []byte("\nexpect:"))]) + `
expect:
  ended: [aborted, taken back]
  writer: us-east-1
  cache: us-east-1
  unfenced: us-east-1
  dns: us-east-1
  synthetic_order: us-east-1
`
		for was, is := range map[string]string{
			"  - at: 0s\n    degrade: {region: us-east-1, fail_percent: 35, latency_ms: 1800}\n": "", // users are served once it is over
			`after: 10s, say: /failover retry switch-database`:                                   `after: 10s, press: abort-back, form: {reason: "orders have to flow again"}`,
			`- {on: mitigated, after: 5s, say: /failover resolve}`:                               `- {on: taken-back, after: 5s, say: /failover resolve}`,
		} {
			if !strings.Contains(scenario, was) {
				t.Fatalf("the scenario has no %q", was)
			}
			scenario = strings.Replace(scenario, was, is, 1)
		}
		file := filepath.Join(t.TempDir(), "switchover-dropped-and-back.yaml")
		if err := os.WriteFile(file, []byte(scenario), 0o600); err != nil {
			t.Fatal(err)
		}
		takenBack(t, file)
	})
}

// takenBack plays a scenario at whose end everything is as it was, and compares the world
// before and after.
func takenBack(t *testing.T, scenario string) {
	var before, after *sim.State
	r := &rehearsal{
		Options: Options{
			Auto: true, Scenario: scenario, Speed: sim.Max, Listen: "127.0.0.1:0", Out: t.TempDir(),
			Stdout: io.Discard, Log: zerolog.Nop(), Templates: templates.FS,
		},
		ready: func(r *rehearsal) error { before = r.world.Snapshot(); return nil },
	}
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(r.Out, "world.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &after); err != nil {
		t.Fatal(err)
	}
	sameWorld(t, before, after)
}

// asAtTheStart compares the world at the end with that of the scenario's start.
func asAtTheStart(t *testing.T, p played) {
	t.Helper()
	scn, err := sim.Load(p.results[0].Scenario)
	if err != nil {
		t.Fatal(err)
	}
	clock := sim.NewClock(scn.StartTime(), sim.Max)
	defer clock.Close()
	w, err := sim.New(scn, clock, sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	before := w.Snapshot()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	sameWorld(t, before, p.world)
}

// sameWorld compares two worlds, but for what is left out.
func sameWorld(t *testing.T, before, after *sim.State) {
	t.Helper()
	was, is := flat(t, before), flat(t, after)
	if len(was) < 200 {
		t.Fatalf("%d values are compared", len(was))
	}
	for _, path := range slices.Sorted(maps.Keys(was)) {
		if got, there := is[path]; got != was[path] {
			t.Errorf("%s was %s, and is %s (%t)", path, was[path], got, there)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(is)) {
		if _, there := was[path]; !there {
			t.Errorf("%s is %s, and was not there", path, is[path])
		}
	}
	for _, has := range []string{
		"database.members.0.", "cache.members.0.primary", "regions.us-east-1.deployments.order-service.spec.replicas",
		"regions.us-west-2.hpas.order-service.spec.minReplicas", "regions.us-west-2.hpas.order-service.spec.maxReplicas", "dns.records.0.", "dns.checks.",
	} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(was)), func(path string) bool { return strings.HasPrefix(path, has) }) {
			t.Errorf("%s is not compared", has)
		}
	}
}

// flat is a world as one value for each path, without what is left out.
func flat(t *testing.T, s *sim.State) map[string]string {
	t.Helper()
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var all any
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	skip := regexp.MustCompile(strings.Join(leftOut, "|"))
	out := map[string]string{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		if path != "" && skip.MatchString(path) {
			return
		}
		in := func(key string) string { return strings.TrimPrefix(path+"."+key, ".") }
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				walk(in(key), value)
			}
		case []any:
			for i, value := range v {
				walk(in(fmt.Sprint(i)), value)
			}
		default:
			out[path] = fmt.Sprint(v)
		}
	}
	walk("", all)
	return out
}
