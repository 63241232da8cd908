package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/logs"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/providers/xray"
)

func TestLogsHaveToArrive(t *testing.T) {
	const name = "/eks/ecommerce-prod/order-service"
	group := func(change func(g *sim.LogGroup, now time.Time)) func(s *sim.State) {
		return func(s *sim.State) { change(s.Regions[west].LogGroups[name], s.At) }
	}
	stopped := func(ago time.Duration) func(s *sim.State) {
		return group(func(g *sim.LogGroup, now time.Time) { g.Until = now.Add(-ago) })
	}
	judge(t, "logs", []judged{
		{
			"they do", func(*sim.State) {}, incident.Pass,
			[]string{"logs of us-west-2 arrive: each of 1 log group has an event of the last 5 min"},
			map[string]string{name: "an event within 5 min"},
			map[string]float64{"silent log groups": 0},
		},
		{"until some minutes ago", stopped(4 * time.Minute), incident.Pass, nil, nil, nil},
		{
			"not any more", stopped(6 * time.Minute), incident.Fail,
			[]string{"logs of us-west-2 do not arrive: within 5 min nothing arrived in " + name},
			map[string]string{name: "nothing within 5 min"},
			map[string]float64{"silent log groups": 1},
		},
		{"dated an hour ahead, an hour ago", group(func(g *sim.LogGroup, _ time.Time) { g.AheadSeconds = 3600 }), incident.Fail, []string{"nothing arrived"}, nil, nil},
		{"the group does not exist", func(s *sim.State) { delete(s.Regions[west].LogGroups, name) }, incident.Fail, []string{name + " does not exist"}, map[string]string{name: "does not exist"}, nil},
		{"after some answers without any", group(func(g *sim.LogGroup, _ time.Time) { g.Sparse = 20 }), incident.Pass, nil, nil, nil},
		{"after very many", group(func(g *sim.LogGroup, _ time.Time) { g.Sparse = 1000 }), incident.Unsure, []string{"no event in 25 answers"}, nil, nil},
	})
	with := func(change func(s *logs.Settings)) func(c *engine.Call) {
		return func(c *engine.Call) {
			s := partOf[logs.Settings](t, c.Plan.Topology, logs.Platform.Key)
			change(&s)
			if err := logs.Platform.Freeze(&c.Plan.Topology, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	judge(t, "logs", []judged{{"a longer time", stopped(6 * time.Minute), incident.Pass, []string{"of the last 15 min"}, nil, nil}}, with(func(s *logs.Settings) { s.MaxAgeMinutes = 15 }))
	judge(t, "logs", []judged{{"no groups", func(*sim.State) {}, incident.NotApplicable, []string{"platform.logs.regions"}, nil, nil}}, with(func(s *logs.Settings) { s.Regions = nil }))
	judge(t, "logs", []judged{{
		"one of several", func(*sim.State) {}, incident.Fail,
		[]string{"within 5 min other does not exist"},
		map[string]string{name: "an event", "other": "does not exist"},
		map[string]float64{"silent log groups": 1},
	}}, with(func(s *logs.Settings) { s.Regions[west] = logs.Region{Groups: []string{name, "other"}} }))
	blind(t, "logs", "aws.logs", "FilterLogEvents")
}

func TestTracesHaveToArrive(t *testing.T) {
	judge(t, "traces", []judged{
		{
			"they do", serving(5, 400, 200), incident.Pass,
			[]string{"traces arrive in us-west-2: one began within 5 min"},
			map[string]string{"trace": "1-"},
			nil,
		},
		{"nobody has come yet", serving(0, 0, 0), incident.Fail, []string{"no trace of the last 5 min is in us-west-2", "the X-Ray daemon"}, map[string]string{"traces": "0 read"}, nil},
		{"nothing is sent", func(s *sim.State) {
			serving(5, 400, 200)(s)
			s.Regions[west].Untraced = true
		}, incident.Fail, []string{"no trace"}, nil, nil},
		{"of a time to come", func(s *sim.State) {
			serving(5, 400, 200)(s)
			for i := range s.Regions[west].Traffic {
				s.Regions[west].Traffic[i].At = s.At.Add(time.Minute)
			}
		}, incident.Fail, []string{"no trace"}, nil, nil},
		{"after some answers without any", func(s *sim.State) {
			serving(5, 400, 200)(s)
			s.Regions[west].SparseTraces = 20
		}, incident.Pass, nil, nil, nil},
		{"after very many", func(s *sim.State) {
			serving(5, 400, 200)(s)
			s.Regions[west].SparseTraces = 1000
		}, incident.Unsure, []string{"in 25 answers"}, nil, nil},
	})
	with := func(change func(s *xray.Settings)) func(c *engine.Call) {
		return func(c *engine.Call) {
			s := partOf[xray.Settings](t, c.Plan.Topology, xray.Platform.Key)
			change(&s)
			if err := xray.Platform.Freeze(&c.Plan.Topology, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	judge(t, "traces", []judged{{"not traced", func(*sim.State) {}, incident.NotApplicable, []string{"platform.xray.traces"}, nil, nil}}, with(func(s *xray.Settings) { s.Traces = false }))
	blindIn(t, serving(5, 400, 200), "traces", "aws.xray", "GetTraceSummaries")
}

func TestSettingsOfLogsAndTracesAreJudged(t *testing.T) {
	for settings, says := range map[string]string{
		"{max_age_minutes: -1}": "max_age_minutes", "{regions: {us-east-1: {groups: [a]}, us-west-2: {groups: ['a b']}}}": "is not the name of a log group", "{}": "",
		"{regions: {us-east-1: {groups: [a]}}}": "us-west-2", "{regions: {us-east-1: {groups: [a]}, us-west-2: {groups: [a]}}}": "",
	} {
		wrong(t, "logs: "+settings, faultsOf(t, logs.Platform, settings), says)
	}
	for settings, says := range map[string]string{"{traces: true, max_age_minutes: 361}": "6 hours", "{traces: true, max_age_minutes: -1}": "max_age_minutes", "{traces: true, max_age_minutes: 360}": ""} {
		wrong(t, "xray: "+settings, faultsOf(t, xray.Platform, settings), says)
	}
}

func wrong(t *testing.T, settings string, faults []string, says string) {
	t.Helper()
	if says == "" && len(faults) > 0 || says != "" && !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, says) }) {
		t.Errorf("%s: %v", settings, faults)
	}
}
