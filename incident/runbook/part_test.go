package runbook

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
)

// What the systems know is reached by the names of the settings, and by role only
// inside a run.
func TestTextsAndConditionsReachWhatTheSystemsKnow(t *testing.T) {
	s := load(t, steps(`
{id: a, title: '{{ .Parts.aurora.global_cluster }} to {{ .Target.Parts.aurora.db_cluster }} from {{ .Source.Parts.aurora.db_cluster }}, {{ .Target.Parts.aurora.spare }}', runbook: x, uses: aurora.available, with: {cluster: c}},
{id: b, title: B, runbook: x, uses: elb.healthy, when: parts.aurora.global_cluster == "ecommerce-global" && target.parts.aurora.db_cluster != source.parts.aurora.db_cluster},
{id: c, title: C, runbook: x, uses: elb.healthy, when: parts.probe.order == ""},
`), "r.yaml")
	p := compile(t, s, facts("planned"))
	if len(p.Steps) != 2 || p.Steps[0].Title != "ecommerce-global to ecommerce-secondary from ecommerce-primary, 0" {
		t.Errorf("the steps are %+v", p.Steps)
	}
}

func TestAMisspelledNameOfAPartIsAFault(t *testing.T) {
	for text, want := range map[string]string{
		"{{ .Target.Parts.aurora.db_clustre }}":              `there is no .Target.Parts.aurora.db_clustre; did you mean ".Target.Parts.aurora.db_cluster"?`,
		"{{ .Parts.auora.global_cluster }}":                  `there is no .Parts.auora; did you mean ".Parts.aurora"?`,
		"{{ if .Service }}{{ .Parts.aurora.glob }}{{ end }}": `{{ .Service }} is only there in a step with each: services`,
		"{{ if false }}{{ .Parts.aurora.glob }}{{ end }}":    `there is no .Parts.aurora.glob`,
		"{{ .Parts.probe.order.first }}":                     `.Parts.probe.order has no .first: it is a string`,
	} {
		faults := load(t, steps("{id: a, title: '"+text+"', runbook: x, uses: elb.healthy}\n"), "r.yaml").Lint(catalogue)
		if !slices.ContainsFunc(faults, func(f Fault) bool { return strings.Contains(f.Text, want) && f.Line == 6 }) {
			t.Errorf("%s: %v", text, faults)
		}
	}
}

func TestAPartIsReadFromTheFrozenTopology(t *testing.T) {
	p := compile(t, whole(t), facts("planned"))
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var frozen Plan
	if err := json.Unmarshal(data, &frozen); err != nil {
		t.Fatal(err)
	}
	db, err := PartOf[database](frozen.Topology, "aurora")
	if err != nil || db.GlobalCluster != "ecommerce-global" || db.Regions["us-west-2"].DBCluster != "ecommerce-secondary" {
		t.Errorf("got %+v, %v", db, err)
	}
	frozen.Topology.Parts["aurora"] = json.RawMessage(`{"global_cluster": "g", "of a later version": 1}`)
	if db, err := PartOf[database](frozen.Topology, "aurora"); err != nil || db.GlobalCluster != "g" {
		t.Errorf("got %+v, %v", db, err)
	}
	frozen.Topology.Parts["aurora"] = json.RawMessage(`7`)
	for _, key := range []string{"aurora", "nothing"} {
		var f *incident.CallError
		if _, err := PartOf[database](frozen.Topology, key); !errors.As(err, &f) || !f.NeedsPerson || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestAPartTellsWhereAKeyStands(t *testing.T) {
	for key, want := range map[string]string{"global_cluster": "aurora", "db_cluster": "aurora.regions.<Region>", "order": ""} {
		if got := strings.Join(databases.Where(key), ", "); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}
