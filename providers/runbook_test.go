package providers_test

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers"
)

func catalog() engine.Catalog {
	return providers.Catalog(providers.Connections{Clock: incident.RealClock{}})
}

func compile(t *testing.T, cat engine.Catalog, f runbook.Facts) *runbook.Plan {
	t.Helper()
	src, err := runbook.Load(os.DirFS("../templates/runbook"), "failover.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := src.Compile(cat.Runbook(), f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A look that lasts longer than its step may never finish, so it is refused; any other
// has the time that it takes.
func TestALookThatCannotFinishIsAFaultOfTheRunbook(t *testing.T) {
	shipped := os.DirFS("../templates/runbook")
	for _, c := range []struct{ file, step, with, says string }{
		{"01-declare.yaml", "    uses: probe.outage\n    when: mode == \"unplanned\"\n    gate: advice\n    timeout: 3m\n", "timeout: 3m\n    with: {tries: 20, every: 2s}\n", ""},
		{"01-declare.yaml", "    uses: probe.outage\n    when: mode == \"unplanned\"\n    gate: advice\n    timeout: 3m\n", "timeout: 30s\n    with: {tries: 20, every: 2s}\n", "one look of probe.outage takes 43s with this input, and the step may take at most 30s"},
		{"07-validation.yaml", "    timeout: 2m\n    usually: 40s\n    with:\n      samples: 10\n      every: 4s\n", "timeout: 2m\n    with: {samples: 60, every: 4s}\n", "one look of probe.watch takes"},
	} {
		files := fstest.MapFS{}
		if err := fs.WalkDir(shipped, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := fs.ReadFile(shipped, name)
			if path.Base(name) == c.file {
				at := c.step[:strings.Index(c.step, "    timeout:")]
				changed := strings.Replace(string(data), c.step, at+"    "+c.with, 1)
				if changed == string(data) {
					t.Fatalf("%s does not say %q", name, c.step)
				}
				data = []byte(changed)
			}
			files[name] = &fstest.MapFile{Data: data}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		faults, err := runbook.LintFile(files, "failover.yaml", catalog().Runbook())
		if err != nil {
			t.Fatal(err)
		}
		if c.says == "" && len(faults) > 0 || c.says != "" && !slices.ContainsFunc(faults, func(f runbook.Fault) bool { return strings.Contains(f.String(), c.says) }) {
			t.Errorf("%s: %v", c.with, faults)
		}
	}
}

func TestTheShippedRunbookLintsClean(t *testing.T) {
	faults, err := runbook.LintFile(os.DirFS("../templates/runbook"), "failover.yaml", catalog().Runbook())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Error(f)
	}
}
