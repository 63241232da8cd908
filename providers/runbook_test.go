package providers_test

import (
	"os"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers"
)

func catalog() engine.Catalog { return providers.Catalog(providers.Connections{Clock: incident.RealClock{}}) }

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

func TestTheShippedRunbookLintsClean(t *testing.T) {
	faults, err := runbook.LintFile(os.DirFS("../templates/runbook"), "failover.yaml", catalog().Runbook())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Error(f)
	}
}
