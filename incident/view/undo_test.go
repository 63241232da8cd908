package view

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// stopped is an incident whose run made these events and was stopped then.
func stopped(t *testing.T, bodies ...incident.Body) View {
	t.Helper()
	plan := &runbook.Plan{Digest: "d", Steps: []runbook.Step{
		{ID: "scale", Title: "Scale up", Kind: runbook.Change},
		{ID: "fence", Title: "Stop the writers", Kind: runbook.Change, Needs: []string{"scale"}},
		{ID: "switch", Title: "Switch the database over", Kind: runbook.Change, Needs: []string{"fence"}, NoReturn: true},
		{ID: "writes", Title: "It writes", Kind: runbook.Wait, Needs: []string{"switch"}, Awaits: "switch"},
		{ID: "restart", Title: "Restart", Kind: runbook.Change, Needs: []string{"scale"}, Leaves: "the pods are new"},
	}}
	raw, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	all := append([]incident.Body{
		incident.IncidentDeclared{Incident: "INC-2026-0001", Commander: "alice"},
		incident.RunBegun{Kind: incident.Failover, Digest: "d", Plan: raw},
	}, bodies...)
	var events []incident.Event
	at := time.Date(2026, 3, 4, 14, 0, 0, 0, time.UTC)
	for i, b := range append(all, incident.RunAborted{Reason: "slow"}) {
		e := incident.Event{Seq: uint64(i + 1), Time: at.Add(time.Duration(i) * time.Second), Actor: "alice", Body: b}
		if i > 0 {
			e.Run = "failover-1"
		}
		events = append(events, e)
	}
	return New(incident.Fold(events), plan, nil, at.Add(time.Hour))
}

func made(step string) []incident.Body {
	return []incident.Body{
		incident.ChangeIntended{Step: step, Attempt: 1, Before: "2", Prior: json.RawMessage("2")},
		incident.StepFinished{Step: step, Attempt: 1, Changed: true},
	}
}

func TestWhatCanBeTakenBackAndWhatStays(t *testing.T) {
	before := append(made("scale"), made("fence")...)
	intended := incident.ChangeIntended{Step: "switch", Attempt: 1}
	with := func(more ...incident.Body) []incident.Body {
		all := append([]incident.Body{}, before...)
		return append(append(all, incident.StepStarted{Step: "switch", Attempt: 1}), more...)
	}
	for name, c := range map[string]struct {
		bodies             []incident.Body
		back, stay, passed string
		why                string
	}{
		"nothing was changed":                   {nil, "", "", "", "nothing is left that could be taken back"},
		"the last change first":                 {before, "fence scale", "", "", ""},
		"one that may have happened":            {append(made("scale"), incident.ChangeIntended{Step: "fence", Attempt: 1, Prior: json.RawMessage("2")}), "fence scale", "", "", ""},
		"one of which nothing is left":          {append(made("scale"), made("restart")...), "scale", "restart", "", ""},
		"a point of no return may be under way": {with(intended), "", "scale fence switch", "switch", "cannot be taken back"},
		"a point of no return was passed":       {with(made("switch")...), "", "scale fence switch", "switch", "cannot be taken back"},
		"it was there already":                  {with(incident.StepFinished{Step: "switch", Already: true}), "", "scale fence", "switch", "cannot be taken back"},
		"it was surely refused":                 {with(intended, incident.StepFailed{Step: "switch", Error: "denied"}), "fence scale", "", "", ""},
		"it may have happened all the same":     {with(intended, incident.StepFailed{Step: "switch", Error: "no answer", MayHaveHappened: true}), "", "scale fence switch", "switch", "cannot be taken back"},
		"the other side took it back":           {with(append(made("switch"), incident.StepFailed{Step: "writes", Error: "taken back", WillNotCome: "switch"})...), "fence scale", "switch", "", ""},
	} {
		v := stopped(t, c.bodies...)
		u, err := v.TakeBack()
		if err != nil {
			t.Fatal(err)
		}
		ids := func(list []Made) string {
			var out []string
			for _, m := range list {
				out = append(out, m.ID)
			}
			return strings.Join(out, " ")
		}
		passed := ""
		for _, s := range u.Passed {
			passed += s.ID
		}
		if ids(u.Back) != c.back || ids(u.Stay) != c.stay || passed != c.passed || (u.Plan == nil) != (c.back == "") {
			t.Errorf("%s: back %q, stays %q, passed %q", name, ids(u.Back), ids(u.Stay), passed)
		}
		if why := v.MayTakeBack(); (c.why == "") != (why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s: %q", name, why)
		}
	}
}
