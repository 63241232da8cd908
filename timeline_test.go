package main

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

func TestATimelineIsShownVerifiedAndExported(t *testing.T) {
	folder := rehearsedInto(t, incidents(t, 2, 40))
	code, out, errs := typed(t, nil, "timeline", "verify", "--from", folder)
	if code != exitDone || strings.Count(out, "40 events, whole, digest of the newest ") != 2 || errs != "" {
		t.Errorf("verify: %d\n%s\n%s", code, out, errs)
	}
	code, out, _ = typed(t, nil, "timeline", "show", "--from", folder) // the newest
	if code != exitDone || !strings.Contains(out, "INC-2026-0002 declared by alice") || strings.Count(out, "\n") != 40 {
		t.Errorf("show: %d\n%s", code, out)
	}
	code, out, _ = typed(t, nil, "timeline", "export", "inc-2026-0001", "--from", folder)
	stored, err := os.ReadFile(filepath.Join(folder, "0", "timeline.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if code != exitDone || out != string(stored) {
		t.Errorf("export: %d, and not byte for byte what was stored", code)
	}
	code, out, _ = typed(t, nil, "timeline", "export", "INC-2026-0001", "--output", "md", "--from", folder)
	if code != exitDone || strings.Count(out, "\n| ") != 41 {
		t.Errorf("export as Markdown: %d\n%s", code, out)
	}
}

// A cell that a spreadsheet would take for a formula is text.
func TestATableOfEventsHoldsNoFormula(t *testing.T) {
	at := time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)
	events, err := incident.Write{Incident: "INC-2026-0001-aaaaaaaa", Request: "r", Events: []incident.Event{
		{Time: at, Actor: "=cmd", Body: incident.StepFinished{Step: "@scale", Summary: "a, \"b\"\nand c"}},
	}}.Chain()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := asCSV(&b, events, nil); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("%v, %v", rows, err)
	}
	for i, want := range map[int]string{0: "1", 1: "2026-03-03T12:00:00Z", 2: "StepFinished", 4: "'@scale", 5: "'=cmd"} {
		if rows[1][i] != want {
			t.Errorf("%s is %q, not %q", rows[0][i], rows[1][i], want)
		}
	}
	if strings.Contains(rows[1][7], "\n") {
		t.Errorf("says %q", rows[1][7])
	}
}

func TestWhatATimelineVerbCannotUseIsSaid(t *testing.T) {
	folder := rehearsedInto(t, incidents(t, 2, 12))
	path := filepath.Join(folder, "1", "timeline.jsonl")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"show"}, exitUsage, "either --config FILE for the record, or --from FOLDER"},
		{[]string{"show", "--from", folder, "--config", "x.yaml"}, exitUsage, "either --config FILE for the record, or --from FOLDER"},
		{[]string{"show", "INC-2026-0007", "--from", folder}, exitUsage, `there is no incident "INC-2026-0007"; there are INC-2026-0002; INC-2026-0001`},
		{[]string{"show", "a", "b", "--from", folder}, exitUsage, `takes one incident, not 2: what is "b"?`},
		{[]string{"export", "--output", "pdf", "--from", folder}, exitUsage, `--output is jsonl, csv or md, not "pdf"`},
		{[]string{"verify", "--from", t.TempDir()}, exitUsage, "holds no timeline of a rehearsal"},
		{[]string{"shw"}, exitUsage, "Did you mean show?"},
	} {
		code, out, errs := typed(t, nil, append([]string{"timeline"}, c.args...)...)
		if code != c.code || !strings.Contains(errs, c.says) || out != "" {
			t.Errorf("%q: %d %q %q", c.args, code, out, errs)
		}
	}
	if err := os.WriteFile(path, bytes.Replace(data, []byte("it is as it should be"), []byte("it is as it should not be"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, errs := typed(t, nil, "timeline", "verify", "--from", folder)
	if code != exitFailed || strings.Count(out, "whole") != 1 || !strings.Contains(out, "BROKEN: ") || !strings.Contains(errs, "the chain of events is broken in INC-2026-0002") {
		t.Errorf("%d\n%s\n%s", code, out, errs)
	}
	if err := os.WriteFile(path, []byte("{\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, _ = typed(t, nil, "timeline", "verify", "--from", folder)
	if code != exitFailed || !strings.Contains(out, "BROKEN: line 1") || strings.Count(out, "whole") != 1 {
		t.Errorf("%d %s", code, out)
	}
	code, _, errs = typed(t, nil, "timeline", "show", "--from", filepath.Dir(path))
	if code != exitFailed || !strings.Contains(errs, "cannot be read: line 1") {
		t.Errorf("%d %s", code, errs)
	}
	if err := os.WriteFile(filepath.Join(folder, "0", "timeline-2.jsonl"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, errs = typed(t, nil, "timeline", "show", "INC-2026-0002", "--from", folder)
	if code != exitUsage || !strings.Contains(errs, "names 2 incidents: say which by its whole id") {
		t.Errorf("%d %s", code, errs)
	}
}
