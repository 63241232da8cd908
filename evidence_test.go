package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/evidence"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/redis"
	"github.com/failoverbot/failoverbot/providers/redis/redistest"
	"github.com/failoverbot/failoverbot/templates"
)

// incidents are n timelines of that many events each, with the plan of a failback.
func incidents(tb testing.TB, n, length int) [][]incident.Event {
	tb.Helper()
	source, err := runbook.Load(templates.FS, "runbook/failover.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	plan, err := source.Compile(providers.Catalog(providers.Connections{Clock: incident.RealClock{}}).Runbook(), runbook.RepresentativeFacts("planned", providers.Parts()...).Back())
	if err != nil {
		tb.Fatal(err)
	}
	raw, err := json.Marshal(plan)
	if err != nil {
		tb.Fatal(err)
	}
	noon := time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)
	out := make([][]incident.Event, n)
	for i := range out {
		id := incident.NewID(2026, i+1, fmt.Sprintf("e%07d", i))
		at := noon.Add(time.Duration(i) * time.Hour)
		events := []incident.Event{
			{Time: at, Actor: "alice", Body: incident.IncidentDeclared{Incident: id, Severity: "SEV-4", Reason: "home is well", Began: at, BeganNotSaid: true, Commander: "alice", Rehearsal: i%2 == 0}},
			{Time: at, Actor: "alice", Run: "failback-1", Body: incident.RunBegun{Kind: incident.Failback, Source: plan.Source.Name, Target: plan.Target.Name, Mode: "planned", Digest: plan.Digest, Plan: raw}},
		}
		for k := 0; len(events) < length-2; k++ {
			step := plan.Steps[k%len(plan.Steps)]
			events = append(events, incident.Event{
				Time: at.Add(time.Duration(k) * time.Second), Actor: incident.Bot, Run: "failback-1",
				Body: incident.StepFinished{Step: step.ID, Action: step.Uses, Attempt: 1, Summary: "it is as it should be", Evidence: map[string]string{"answer": "200"}},
			})
		}
		end := events[len(events)-1].Time.Add(time.Minute)
		out[i] = append(events,
			incident.Event{Time: end, Actor: incident.Bot, Run: "failback-1", Body: incident.IncidentMitigated{Summary: "home"}},
			incident.Event{Time: end, Actor: "alice", Run: "failback-1", Body: incident.IncidentResolved{}})
	}
	return out
}

// stored appends them to a record.
func stored(tb testing.TB, url string, all [][]incident.Event) incident.Log {
	tb.Helper()
	record, err := redis.Open(tb.Context(), redis.Options{URL: url}, zerolog.Nop())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = record.Disconnect() })
	for _, events := range all {
		id := events[0].Body.(incident.IncidentDeclared).Incident
		if _, err := record.Append(tb.Context(), incident.Write{Incident: id, Request: "r-" + string(id), Events: events}); err != nil {
			tb.Fatal(err)
		}
	}
	return record
}

// BenchmarkEvidence is the report over 1,000 timelines of 150 events each in a real Redis,
// each chain checked.
func BenchmarkEvidence(b *testing.B) {
	record := stored(b, redistest.Server(b), incidents(b, 1000, 150))
	b.ResetTimer()
	for b.Loop() {
		c := evidence.New(evidence.Options{})
		if err := c.AddAll(b.Context(), incident.RealClock{}, record); err != nil {
			b.Fatal(err)
		}
		r := c.Report()
		if _, err := writeEvidence(r, "html"); err != nil {
			b.Fatal(err)
		}
		if len(r.Runs) != 1000 || !r.Timelines[999].Whole {
			b.Fatalf("%d runs", len(r.Runs))
		}
	}
}

func TestTheEvidenceIsThatOfTheRecord(t *testing.T) {
	record := stored(t, "redis://"+redistest.Mini(t).Addr(), incidents(t, 3, 60))
	c := evidence.New(evidence.Options{})
	if err := c.AddAll(t.Context(), incident.RealClock{}, record); err != nil {
		t.Fatal(err)
	}
	r := c.Report()
	if len(r.Runs) != 3 || len(r.Timelines) != 3 {
		t.Fatalf("%d runs of %d timelines", len(r.Runs), len(r.Timelines))
	}
	for _, as := range []string{"md", "json", "html"} {
		out, err := writeEvidence(r, as)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"INC-2026-0003-e0000002", "back.8", "describe-recovery-points"} {
			if !bytes.Contains(out, []byte(want)) {
				t.Errorf("%s lacks %s", as, want)
			}
		}
	}
}

// rehearsedInto is a folder with those timelines as a rehearsal writes them.
func rehearsedInto(t *testing.T, all [][]incident.Event) string {
	t.Helper()
	folder := t.TempDir()
	for i, events := range all {
		chained, err := incident.Write{Incident: events[0].Body.(incident.IncidentDeclared).Incident, Request: "r", Events: events}.Chain()
		if err != nil {
			t.Fatal(err)
		}
		var lines bytes.Buffer
		for _, e := range chained {
			lines.Write(append(e.Raw(), '\n'))
		}
		sub := filepath.Join(folder, fmt.Sprint(i))
		if err := os.Mkdir(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(sub, "timeline.jsonl"), lines.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestEvidenceIsPrintedOfWhatRehearsalsWrote(t *testing.T) {
	folder := rehearsedInto(t, incidents(t, 2, 40))
	code, out, errs := typed(t, nil, "evidence", "--from", folder)
	if code != exitDone || !strings.Contains(out, "2 timelines") || errs != "" {
		t.Errorf("%d\n%s\n%s", code, out, errs)
	}
	path := filepath.Join(folder, "1", "timeline.jsonl")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(data, []byte("it is as it should be"), []byte("it is as it should not be"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, errs = typed(t, nil, "evidence", "--from", folder)
	if code != exitFailed || !strings.Contains(out, "**broken**") || !strings.Contains(errs, "the chain of events is broken in INC-2026-0002: nothing of it was taken for proof") {
		t.Errorf("%d\n%s\n%s", code, out, errs)
	}
}

func TestWhatEvidenceCannotUseIsSaid(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "name where the timelines are"},
		{[]string{"--from", filepath.Join(empty, "nothing")}, "there is no folder"},
		{[]string{"--from", empty}, "holds no timeline of a rehearsal"},
		{[]string{"--from", empty, "--since", "yesterday"}, `--since "yesterday" is no day: give one such as 2026-01-31, or how long ago, such as 90d`},
		{[]string{"--from", empty, "--since", "2999-01-01"}, "is still to come"},
		{[]string{"--from", empty, "--output", "pdf"}, "--output is md, json or html"},
		{[]string{"--config", filepath.Join(empty, "nothing.yaml")}, "nothing.yaml"},
		{[]string{"--from", empty, "more"}, `"more" is not something that failoverbot evidence takes`},
	} {
		code, out, errs := typed(t, nil, append([]string{"evidence"}, c.args...)...)
		if code != exitUsage || !strings.Contains(errs, c.says) || out != "" {
			t.Errorf("%q: %d %q %q", c.args, code, out, errs)
		}
	}
}
