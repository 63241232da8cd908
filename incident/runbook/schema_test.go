package runbook

import (
	"encoding/json"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"
)

func schemaForTest(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	data, err := Schema(catalogue)
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

func document(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := yaml.Load(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTheSchemaTakesARunbookWithoutFaults(t *testing.T) {
	s := schemaForTest(t)
	for name, f := range archive(t, "testdata/whole.txt") {
		if err := s.Validate(document(t, f.Data)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheSchemaRefusesWhatAnEditorShouldMark(t *testing.T) {
	s := schemaForTest(t)
	for name, body := range map[string]string{
		"an unknown key of a runbook":    "runbook: r\ntitle: T\nmodes: [planned]\nsections: [a]\ncolour: green",
		"an unknown mode":                "runbook: r\ntitle: T\nmodes: [sudden]\nsections: [a]",
		"a section without steps":        "section: s\ntitle: T",
		"an unknown action":              "section: s\ntitle: T\nsteps: [{id: a, title: A, runbook: x, uses: elb.helthy}]",
		"an unknown key of a step":       "section: s\ntitle: T\nsteps: [{id: a, title: A, runbook: x, uses: elb.healthy, need: [b]}]",
		"an input that takes none":       "section: s\ntitle: T\nsteps: [{id: a, title: A, runbook: x, uses: elb.healthy, with: {a: 1}}]",
		"a missing input":                "section: s\ntitle: T\nsteps: [{id: a, title: A, runbook: x, uses: aurora.failover, with: {loss: true}}]",
		"no input at all":                "section: s\ntitle: T\nsteps: [{id: a, title: A, runbook: x, uses: aurora.failover}]",
		"an unknown input":               "section: s\ntitle: T\nsteps: [{id: a, title: A, runbook: x, uses: dns.flip, with: {record: a, zone: b}}]",
		"a duration without a unit":      "section: s\ntitle: T\nsteps: [{id: a, title: A, runbook: x, uses: probe.http, with: {url: u, every: 5}}]",
		"a list for a number":            "section: s\ntitle: T\nsteps: [{id: a, title: A, runbook: x, uses: kube.scale, with: {deployment: d, namespace: n, replicas: [1]}}]",
		"an approval by nobody":          "section: s\ntitle: T\nsteps: [{id: a, title: A, runbook: x, uses: elb.healthy, approval: {expires: 5m}}]",
		"an id that needs would trip on": "section: s\ntitle: T\nsteps: [{id: a/b, title: A, runbook: x, uses: elb.healthy}]",
	} {
		if err := s.Validate(document(t, []byte(body))); err == nil {
			t.Errorf("%s is let through", name)
		}
	}
}

func TestTheSchemaIsTheSameEachTime(t *testing.T) {
	first, err := Schema(catalogue)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if again, err := Schema(catalogue); err != nil || string(again) != string(first) {
			t.Fatalf("it differs (%v)", err)
		}
	}
}
