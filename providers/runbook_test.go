package providers_test

import (
	"os"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers"
)

func catalog() engine.Catalog { return providers.Catalog(providers.Ends{Clock: incident.RealClock{}}) }

func plan(t *testing.T, mode string) *runbook.Plan {
	t.Helper()
	src, err := runbook.Load(os.DirFS("../templates/runbook"), "failover.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := src.Compile(catalog().Runbook(), runbook.RepresentativeFacts(mode))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheShippedRunbookLintsClean(t *testing.T) {
	faults, err := runbook.LintFile(os.DirFS("../templates/runbook"), "failover.yaml", catalog().Runbook())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Error(f)
	}
	for _, mode := range []string{"planned", "unplanned"} {
		p := plan(t, mode)
		for _, s := range p.Steps {
			t.Logf("%s %s needs %v gate %s covered %q locked %v %s with %s", mode, s.ID, s.Needs, s.Gate, s.CoveredBy, s.Locked, s.Timeout, s.With)
		}
	}
}
