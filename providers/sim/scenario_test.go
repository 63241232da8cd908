package sim

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

func TestEveryBuiltInScenarioLoadsAndFitsTheSchema(t *testing.T) {
	data, err := ScenarioSchema()
	if err != nil {
		t.Fatal(err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	names := Scenarios()
	if !slices.Contains(names, "region-degraded") || !slices.Contains(names, "region-loss") {
		t.Fatalf("built in: %v", names)
	}
	for _, name := range names {
		scn, err := Load(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if scn.Name != name {
			t.Errorf("%s calls itself %s", name, scn.Name)
		}
		raw, err := embedded.ReadFile("scenarios/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		var doc any
		if err := yaml.Load(raw, &doc); err != nil {
			t.Fatal(err)
		}
		if err := resolved.Validate(doc); err != nil {
			t.Errorf("%s does not fit the schema: %v", name, err)
		}
	}
	if err := resolved.Validate(map[string]any{"name": "x", "nonsense": 1}); err == nil {
		t.Error("the schema takes unknown keys")
	}
}

// How it ended, the data, who is sent where, which writers are stopped, and what it
// is there for: each scenario has to be able to go wrong by each of them.
func TestEveryBuiltInScenarioExpectsWhatItIsThereFor(t *testing.T) {
	for _, name := range Scenarios() {
		scn, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		e := scn.Expect
		for what, there := range map[string]bool{
			"how it ended": len(e.Ended) > 0 || scn.Lasts > 0, "the writer": e.Writer != "", "the cache": e.Cache != "", "the zone's answer": e.DNS != "",
			"which writers are stopped": e.Fenced != "" || e.Unfenced != "",
			"what it is there for":      len(e.Timeline) > 0 || len(e.Broken) > 0 || e.Silent > 0 || e.Hurt != "" || len(e.Told) > 0 || len(e.Signals) > 0,
		} {
			if !there {
				t.Errorf("%s does not expect %s", name, what)
			}
		}
	}
}

func TestWhatSomebodyWasToldIsComparedWithWhatIsExpected(t *testing.T) {
	s := quiet(t)
	s.scn.Expect = Expect{Told: []ExpectTold{{Says: "cannot take over"}, {Says: "nobody", Times: 2}}}
	if got := s.CheckTold([]string{"b cannot take over from a", "nobody is here"}); len(got) != 1 || got[0] != `somebody was told "nobody" 1 times, expected 2 at least` {
		t.Errorf("%q", got)
	}
}

func TestWhatHappenedIsComparedWithWhatIsExpected(t *testing.T) {
	s := quiet(t)
	s.scn.Expect = Expect{
		Ended:    []string{"mitigated"},
		Timeline: []ExpectEvent{{Type: "StepFailed", Step: "wait", Says: "not so"}, {Type: "StepStarted", Step: "scale", Times: 2}},
		Broken:   []ExpectBroken{{Operation: "SwitchoverGlobalCluster", Kind: Throttle, Times: 2}},
		Silent:   time.Minute, Hurt: east,
	}
	event := func(seq int, body incident.Body) incident.Event {
		return incident.Event{Seq: uint64(seq), Time: s.scn.StartTime().Add(time.Duration(seq) * 20 * time.Second), Body: body}
	}
	bad := []incident.Event{
		event(1, incident.IncidentDeclared{Incident: "INC-1"}),
		event(2, incident.ApprovalGiven{Kind: incident.AskGo, Step: "go", Choice: "go"}),
		event(3, incident.StepStarted{Step: "scale/order-service"}),
		event(5, incident.StepFailed{Step: "wait", Error: "refused"}),
	}
	s.must(s.Fault(Fault{System: "aws.rds", Kind: Throttle, Times: 1}))
	if err := s.switchover(east); err == nil {
		t.Fatal("it was not throttled")
	}
	s.wait(40 * time.Second)
	got := strings.Join(s.CheckRecord([][]incident.Event{bad}, []time.Time{s.scn.StartTime().Add(80 * time.Second)}), "\n")
	for _, want := range []string{
		"the runs ended [open], expected [mitigated]", `the timeline has 0 times StepFailed of wait that says "not so", expected 1`,
		"the timeline has 1 times StepStarted of scale, expected 2", "SwitchoverGlobalCluster failed 1 times by the fault throttle, expected 2",
		"nothing was said for 40s at the longest, expected 1m0s", "of the orders before the move 41 got through in us-east-1 and 0 did not",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	good := append(bad[:3:3], event(4, incident.StepStarted{Step: "scale/user-service"}),
		event(5, incident.StepFailed{Step: "wait", Error: "not so after 15m0s"}), event(6, incident.IncidentMitigated{}))
	s.must(s.Fault(Fault{System: "aws.rds", Kind: Throttle, Times: 1}))
	if err := s.switchover(east); err == nil {
		t.Fatal("it was not throttled")
	}
	s.must(s.Do(func(st *State) { st.OwnOrders.Log = "e-" + st.OwnOrders.Log[2:] }))
	if got := s.CheckRecord([][]incident.Event{good}, nil); len(got) > 0 {
		t.Errorf("differs: %v", got)
	}
	if got := s.CheckRecord(nil, nil); len(got) == 0 {
		t.Error("nothing happened, and that is as expected")
	}
}

func TestEveryFaultOfAScenarioIsReportedAtOnceWithItsPlace(t *testing.T) {
	bad := `name: broken
title: t
about: a
mode: sideways
target: eu-west-1
colour: blue
events:
  - {at: -5s, lose: us-east-1}
  - {at: 1s, lose: mars, restore: us-east-1}
  - at: 2s
    fault: {kind: explode, times: -1}
  - {at: 3s, since: lunch, lose: us-east-1}
  - {at: 4s, promotion: {takes: -1m}}
  - {at: 4s, add_nodes: {region: moon, per_zone: 0}}
  - {at: 4s, resolver: {name: Quad9, answers: mars}}
  - {at: 4s, resolver: {name: Google, lies: true}}
  - {at: 4s, bot: explode}
  - {at: 4s, slack: away, bot: kill}
  - {at: 4s, drop_promotion: {after: -1m, times: -1}}
people:
  - name: Zed
    id: U0ZED
    roles: [wizard]
    does:
      - {on: start, press: approve}
      - {on: question}
      - {on: resolved, say: hello}
expect:
  writer: moon
  ready: {ghost-service: 2}
  ended: [badly]
  timeline: [{step: x, times: -1}]
  broken: [{kind: explode}]
  silent: -1m
`
	_, err := ParseScenario("bad.yaml", []byte(bad))
	var faults strict.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		"bad.yaml:4:1: mode \"sideways\"", "bad.yaml:5:1: Region \"eu-west-1\"", "bad.yaml:6:", "bad.yaml:8:6: -5s",
		"bad.yaml:9:14: Region \"mars\"", "bad.yaml:9:5: an event", "bad.yaml:11:13: fault kind \"explode\"", "bad.yaml:11:28: -1",
		"bad.yaml:12:14: moment \"lunch\"", "bad.yaml:13:26: -1m0s is below zero", "bad.yaml:14:26: Region \"moon\"",
		"bad.yaml:14:40: 0 is no capacity", "bad.yaml:15:25: resolver \"Quad9\"", "bad.yaml:15:38: Region \"mars\"", "bad.yaml:16:39: unknown key \"lies\"",
		"bad.yaml:17:14: deed \"explode\"", "bad.yaml:18:5: an event has to say exactly one", "bad.yaml:19:31: -1m0s is below zero", "bad.yaml:19:43: -1 is below zero", "bad.yaml:20:1: nobody can approve", "bad.yaml:23:13: role \"wizard\"",
		"bad.yaml:25:", "bad.yaml:26:", "bad.yaml:27:10: moment \"resolved\"",
		"bad.yaml:29:3: Region \"moon\"", "bad.yaml:30:11: service \"ghost-service\"",
		"bad.yaml:31:11: end \"badly\"", "bad.yaml:32:14: this event has no type", "bad.yaml:32:24: -1 is below zero",
		"bad.yaml:33:12: this call has no operation", "bad.yaml:33:13: fault kind \"explode\"", "bad.yaml:34:3: -1m0s is below zero",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in\n%v", want, err)
		}
	}
	if !slices.IsSortedFunc(faults, func(a, b strict.Fault) int { return a.Line - b.Line }) {
		t.Errorf("not in the order of the file:\n%v", err)
	}
}

func TestAValueOfAnotherKindIsToldInWords(t *testing.T) {
	_, err := ParseScenario("kinds.yaml", []byte(`name: kinds
title: [t]
about: a
mode: planned
target: us-west-2
start: {lag_ms: many, time: yesterday, nodes_per_zone: 3, hpa_max: {order-service: lots}}
events:
  - {at: soon, lose: us-east-1}
  - {at: 90, lose: us-east-1}
  - {at: 1s, replication: {stopped: perhaps, lag_ms: 1.5}}
  - 5
people: Alice
expect: {writer: us-west-2, health_check: {disabled: maybe}}
`))
	if err == nil {
		t.Fatal("it was taken")
	}
	for _, want := range []string{
		"kinds.yaml:2:8: a list is not text", `kinds.yaml:6:17: "many" is not a whole number`, `kinds.yaml:6:29: "yesterday" is not a time such as`,
		`kinds.yaml:6:56: "3" is not a mapping`, `kinds.yaml:6:84: "lots" is not a whole number`, `kinds.yaml:8:10: "soon" is not a duration such as 90s or 1m30s`,
		`kinds.yaml:9:10: "90" is not a duration`, `kinds.yaml:10:37: "perhaps" is not true or false`, `kinds.yaml:10:54: "1.5" is not a whole number`,
		`kinds.yaml:11:5: "5" is not a mapping`, `kinds.yaml:12:9: "Alice" is not a list`, `kinds.yaml:13:54: "maybe" is not true or false`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in\n%v", want, err)
		}
	}
	for _, of := range []string{"!!", "construct", "time.Duration", "sim."} {
		if strings.Contains(err.Error(), of) {
			t.Errorf("%q is the library's and not the reader's:\n%v", of, err)
		}
	}
}

func TestAnUnreadableScenarioSaysWhere(t *testing.T) {
	_, err := ParseScenario("x.yaml", []byte("name: [\n"))
	var faults strict.Faults
	if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Line == 0 {
		t.Errorf("got %#v", err)
	}
	if _, err := ParseScenario("empty.yaml", nil); err == nil {
		t.Error("an empty file is a scenario")
	}
}

func TestAnUnknownScenarioIsToldWhatThereIs(t *testing.T) {
	_, err := Load("region-los")
	if err == nil || !strings.Contains(err.Error(), "region-loss") || !strings.Contains(err.Error(), "path") {
		t.Errorf("got %v", err)
	}
	path := filepath.Join(t.TempDir(), "mine.yaml")
	raw, err := embedded.ReadFile("scenarios/region-loss.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if scn, err := Load(path); err != nil || scn.Target != west {
		t.Errorf("a file: %v, %v", scn, err)
	}
}

func TestWhatConcernsTheRehearsalItselfIsHandedOverOnce(t *testing.T) {
	scn, err := ParseScenario("cued.yaml", []byte(`name: cued
title: t
about: a
mode: planned
target: us-west-2
events:
  - {at: 10s, slack: away}
  - {at: 20s, slack: back}
  - {at: 0s, since: promoting, bot: kill}
expect: {writer: us-west-2}
`))
	if err != nil {
		t.Fatal(err)
	}
	if !scn.Cued() {
		t.Error("it has cues")
	}
	dir := t.TempDir()
	clock := NewClockAt(scn.StartTime(), time.Now(), Max)
	defer clock.Close()
	cues := func(w *World) []Cue {
		t.Helper()
		got, err := w.Cues()
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	w, err := New(scn, clock, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if got := cues(w); got != nil {
		t.Errorf("at the start: %v", got)
	}
	if err := w.Do(func(s *State) { s.mark(markPromoting) }); err != nil {
		t.Fatal(err)
	}
	if got := cues(w); !slices.Equal(got, []Cue{{Bot: "kill"}}) {
		t.Errorf("when the promotion is asked for: %v", got)
	}
	done := clock.Busy()
	err = clock.Sleep(t.Context(), 15*time.Second)
	done()
	if err != nil {
		t.Fatal(err)
	}
	if got := cues(w); !slices.Equal(got, []Cue{{Slack: "away"}}) {
		t.Errorf("after 15 s: %v", got)
	}
	// A world that goes on from its folder does not begin again.
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w, err = New(scn, clock, Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	if got := cues(w); got != nil {
		t.Errorf("in a second life: %v", got)
	}
}

func TestAScenarioWithATypingErrorIsGuessed(t *testing.T) {
	_, err := Load("regoin-loss")
	if err == nil || !strings.Contains(err.Error(), "did you mean region-loss?") {
		t.Errorf("%v", err)
	}
}
