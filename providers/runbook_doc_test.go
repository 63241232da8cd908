package providers_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers"
)

const runbookPage = "../docs/RUNBOOK.md"

// row is a step as docs/RUNBOOK.md tells it.
type row struct{ file, id, marks, mode, source, action, where string }

func rows(t *testing.T, doc string) []row {
	t.Helper()
	var out []row
	file := ""
	line := regexp.MustCompile("^\\| `([a-z0-9/<>-]+)`( \\([a-z ]+\\))? \\| (.*?) \\| (.*?) \\| `([a-z0-9.-]+)` \\| (.*?) \\|$")
	for l := range strings.Lines(doc) {
		l = strings.TrimSpace(l)
		switch m := line.FindStringSubmatch(l); {
		case strings.HasPrefix(l, "### `"):
			file = strings.Trim(strings.TrimPrefix(l, "### "), "`")
		case strings.HasPrefix(l, "## "):
			file = ""
		case file != "" && m != nil:
			out = append(out, row{file, strings.TrimSuffix(m[1], "/<service>"), strings.Trim(m[2], " ()"), m[3], m[4], m[5], strings.Trim(m[6], "`")})
		case file != "" && strings.HasPrefix(l, "| `"):
			t.Errorf("a row that cannot be read: %s", l)
		}
	}
	return out
}

// step is one of the plan, with the modes in which it is part of it.
type step struct {
	runbook.Step
	modes []string
	gates []runbook.Gate // in each of the modes
}

// gate is what a failure means, and in which mode it means something else.
func (s *step) gate() string {
	if s.Kind == runbook.Tell || s.Kind == runbook.Watch || s.Kind == runbook.Go {
		return string(s.Kind)
	}
	if len(s.gates) == 2 && s.gates[0] != s.gates[1] {
		return fmt.Sprintf("%s %s, %s %s", s.gates[0], s.modes[0], s.gates[1], s.modes[1])
	}
	return string(s.gates[0])
}

// told is what the page says of it beside what stands in the runbook.
func (s *step) told() (mode, mark, where string) {
	mode = strings.Join(s.modes, "")
	if len(s.modes) == 2 {
		mode = "both"
	}
	for n, g := range s.gates {
		if g == runbook.Advice {
			mark = "advice"
			if slices.Contains(s.gates, runbook.Required) {
				mark = "advice " + s.modes[n]
			}
		}
	}
	if s.Locked {
		mark = "locked"
	}
	system, _, _ := strings.Cut(s.Uses, ".")
	where = "providers/" + system
	if s.Kind == runbook.Go || s.Kind == runbook.Ask {
		where = "asked by the engine"
	}
	return mode, mark, where
}

// toldAnew is the page with its tables made from the plan. What a row adds to the
// mode after a comma is kept; a section that the page does not have yet gets none.
func toldAnew(doc string, old []row, order []string, steps map[string]*step) string {
	added := map[string]string{}
	for _, r := range old {
		if _, more, ok := strings.Cut(r.mode, ","); ok {
			added[r.id] = "," + more
		}
	}
	var b strings.Builder
	section := ""
	for l := range strings.Lines(doc) {
		if strings.HasPrefix(l, "#") {
			section = ""
			if rest, ok := strings.CutPrefix(l, "### `templates/runbook/sections/"); ok {
				section, _, _ = strings.Cut(rest, ".yaml")
			}
		}
		if section != "" && strings.HasPrefix(l, "| `") {
			continue
		}
		b.WriteString(l)
		if section == "" || !strings.HasPrefix(l, "|---") {
			continue
		}
		for _, id := range order {
			s := steps[id]
			if s.Section != section {
				continue
			}
			name := "`" + id + "`"
			if s.ID != s.Group {
				name = "`" + id + "/<service>`"
			}
			mode, mark, where := s.told()
			if mark != "" {
				name += " (" + mark + ")"
			}
			if strings.HasPrefix(where, "providers/") {
				where = "`" + where + "`"
			}
			fmt.Fprintf(&b, "| %s | %s%s | %s | `%s` | %s |\n", name, mode, added[id], s.Source, s.Uses, where)
		}
	}
	return b.String()
}

// stepsOf are the steps of both modes, of the way back, of a restore, of a move of servers,
// of a detach and of a rebuild, by their ids in the files, and these in order.
func stepsOf(t *testing.T) (steps map[string]*step, order []string) {
	t.Helper()
	cat := catalog()
	steps = map[string]*step{}
	for _, mode := range []string{"unplanned", "planned"} { // what is in one alone: planned first
		at := 0 // behind the step before it
		for _, s := range compile(t, cat, runbook.RepresentativeFacts(mode, providers.Parts()...)).Steps {
			if steps[s.Group] == nil {
				steps[s.Group] = &step{Step: s}
				order = slices.Insert(order, at, s.Group)
			}
			at = slices.Index(order, s.Group) + 1
			if m := &steps[s.Group].modes; !slices.Contains(*m, mode) {
				*m = append(*m, mode)
				steps[s.Group].gates = append(steps[s.Group].gates, s.Gate)
			}
		}
	}
	for _, f := range []struct {
		runbook.Facts
		how string
	}{{wayBack(), "failback"}, {fleeing(), "unplanned"}, {restoring(), "restore"}, {moving(), "servers"}, {detaching(), "detach"}, {rebuilding(), "rebuild"}} {
		at := 0
		for _, s := range compile(t, cat, f.Facts).Steps {
			if steps[s.Group] == nil {
				steps[s.Group] = &step{Step: s, modes: []string{f.how}, gates: []runbook.Gate{s.Gate}}
				order = slices.Insert(order, at, s.Group)
			}
			at = slices.Index(order, s.Group) + 1
		}
	}
	return steps, order
}

// restoring are the facts of a restore.
func restoring() runbook.Facts {
	return runbook.RepresentativeFacts("planned", providers.Parts()...).Restoring()
}

// detaching are the facts of an unplanned failover whose database is detached.
func detaching() runbook.Facts {
	return runbook.RepresentativeFacts("planned", providers.Parts()...).Detaching()
}

// fleeing are the facts of an unplanned failover home.
func fleeing() runbook.Facts {
	return runbook.RepresentativeFacts("unplanned", providers.Parts()...).Fleeing()
}

// moving are the facts of a move of servers.
func moving() runbook.Facts {
	return runbook.RepresentativeFacts("planned", providers.Parts()...).Servers()
}

// rebuilding are the facts of a standby's rebuild after a detach.
func rebuilding() runbook.Facts {
	return runbook.RepresentativeFacts("planned", providers.Parts()...).Rebuilding()
}

// wayBack are the facts of a failback.
func wayBack() runbook.Facts {
	return runbook.RepresentativeFacts("planned", providers.Parts()...).Back()
}

func TestTheRunbookPageTellsWhatThePlanDoes(t *testing.T) {
	data, err := os.ReadFile(runbookPage)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	steps, order := stepsOf(t)
	cat := catalog()

	if *update {
		doc = toldAnew(doc, rows(t, doc), order, steps)
		if err := os.WriteFile(runbookPage, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	told := map[string]bool{}
	for _, r := range rows(t, doc) {
		s := steps[r.id]
		if s == nil {
			t.Errorf("the page tells of step %q, which is in no plan", r.id)
			continue
		}
		if told[r.id] {
			t.Errorf("the page tells of step %q twice", r.id)
		}
		told[r.id] = true
		said, _, _ := strings.Cut(r.mode, ",")
		section := strings.TrimSuffix(filepath.Base(r.file), ".yaml")
		got := []string{section, said, r.marks, r.source, r.action, r.where}
		mode, mark, where := s.told()
		want := []string{s.Section, mode, mark, s.Source, s.Uses, where}
		if !slices.Equal(got, want) {
			t.Errorf("the page says of %s %q, the plan %q", r.id, got, want)
		}
	}
	for _, id := range order {
		if !told[id] {
			t.Errorf("the page does not tell of step %q", id)
		}
	}
	for id := range cat {
		if !strings.Contains(doc, "`"+id+"`") {
			t.Errorf("the page does not tell of action %q", id)
		}
	}
}

// Whatever the page names in its tables exists: files, packages, actions, steps.
func TestWhatTheRunbookPageNamesExists(t *testing.T) {
	data, err := os.ReadFile(runbookPage)
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string]bool{}
	for _, facts := range []runbook.Facts{runbook.RepresentativeFacts("planned", providers.Parts()...), runbook.RepresentativeFacts("unplanned", providers.Parts()...), wayBack(), fleeing(), restoring(), moving(), detaching()} {
		for _, s := range compile(t, catalog(), facts).Steps {
			groups[s.Group] = true
		}
	}
	cat := catalog()
	systems := map[string]bool{}
	for id := range cat {
		system, _, _ := strings.Cut(id, ".")
		systems[system] = true
	}
	files := 0
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(string(data), -1) {
		word := m[1]
		system, _, dotted := strings.Cut(word, ".")
		switch {
		case strings.HasPrefix(word, "templates/"), strings.HasPrefix(word, "providers/"):
			files++
			if _, err := os.Stat(filepath.Join("..", word)); err != nil {
				t.Errorf("the page names %s: %v", word, err)
			}
		case dotted && systems[system]:
			if _, ok := cat[word]; !ok {
				t.Errorf("the page names the action %s, which is not in the catalogue", word)
			}
		}
	}
	sections, err := filepath.Glob("../templates/runbook/sections/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sections {
		if !strings.Contains(string(data), strings.TrimPrefix(s, "../")) {
			t.Errorf("the page does not name %s", s)
		}
	}
	if files == 0 {
		t.Error("no file was found on the page: the test is void")
	}
	// The departures name steps, at the start of what the bot does.
	_, departures, _ := strings.Cut(string(data), "## Where the steps depart")
	named := 0
	for _, m := range regexp.MustCompile("`([a-z]+(?:-[a-z]+)*(?:/<service>)?)`").FindAllStringSubmatch(departures, -1) {
		id := strings.TrimSuffix(m[1], "/<service>")
		if !strings.Contains(id, "-") && !strings.Contains(m[1], "/") {
			continue // a single word may be a command of the source document
		}
		if id == "remove-from-global-cluster" || id == "failover-global-cluster" || id == "describe-global-clusters" || id == "describe-network-interfaces" {
			continue // commands of the source document
		}
		named++
		if !groups[id] {
			t.Errorf("the departures name %q, which is no step", id)
		}
	}
	if named == 0 {
		t.Error("no step was found among the departures: the test is void")
	}
}
