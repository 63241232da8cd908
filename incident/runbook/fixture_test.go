package runbook

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/incident"
)

// Inputs of the catalogue of the tests.
type (
	scaleWith struct {
		Deployment string `yaml:"deployment" json:"deployment"`
		Namespace  string `yaml:"namespace" json:"namespace"`
		Replicas   int    `yaml:"replicas" json:"replicas"`
	}
	clusterWith struct {
		Cluster string `yaml:"cluster" json:"cluster"`
		Loss    bool   `yaml:"loss,omitempty" json:"loss,omitempty"`
	}
	recordWith struct {
		Record string `yaml:"record" json:"record"`
	}
	probeWith struct {
		URL     string            `yaml:"url" json:"url"`
		Every   time.Duration     `yaml:"every,omitempty" json:"every,omitempty"`
		Headers map[string]string `yaml:"headers,omitempty" json:"headers,omitempty"`
		Codes   []int             `yaml:"codes,omitempty" json:"codes,omitempty"`
		Share   float64           `yaml:"share,omitempty" json:"share,omitempty"`
		Limit   *limit            `yaml:"limit,omitempty" json:"limit,omitempty"`
		Body    any               `yaml:"body,omitempty" json:"body,omitempty"`
		Band    band              `yaml:"band,omitempty" json:"band,omitzero"`
	}
	limit struct {
		Max uint8 `yaml:"max" json:"max"`
	}
)

// band reads itself, to show that what lies below a type's own reading is
// checked as strictly as anything else.
type band struct {
	Low  int `yaml:"low" json:"low"`
	High int `yaml:"high" json:"high"`
}

func (b *band) UnmarshalYAML(n *yaml.Node) error {
	type plainly band
	if err := n.Load((*plainly)(b), yaml.WithKnownFields()); err != nil {
		return err
	}
	if b.Low > b.High {
		return fmt.Errorf("low %d is above high %d", b.Low, b.High)
	}
	return nil
}

// What two systems of the tests know of the platform.
type (
	database struct {
		GlobalCluster string             `yaml:"global_cluster" json:"global_cluster"`
		Regions       map[string]cluster `yaml:"regions" json:"regions"`
	}
	cluster struct {
		DBCluster    string `yaml:"db_cluster" json:"db_cluster"`
		DBClusterARN string `yaml:"db_cluster_arn" json:"db_cluster_arn"`
		Spare        int    `yaml:"spare,omitempty" json:"spare,omitempty"`
	}
	orders struct {
		Order string `yaml:"order" json:"order"`
	}
)

var (
	databases = &Part{Key: "aurora", Formerly: "database", Example: database{
		GlobalCluster: "ecommerce-global",
		Regions: map[string]cluster{
			"us-east-1": {DBCluster: "ecommerce-primary", DBClusterARN: "arn:aws:rds:us-east-1:123456789012:cluster:ecommerce-primary"},
			"us-west-2": {DBCluster: "ecommerce-secondary", DBClusterARN: "arn:aws:rds:us-west-2:123456789012:cluster:ecommerce-secondary"},
		},
	}}
	probes = &Part{Key: "probe", Example: orders{Order: "/api/v1/orders/synthetic-test"}}
)

// facts are representative ones of that catalogue.
func facts(mode string) Facts { return RepresentativeFacts(mode, catalogue.Parts()...) }

var catalogue = Catalog{
	"aurora.switchover": {Kind: Change, About: "Moves the writer without loss.", With: clusterWith{}, NoReturn: true, Undo: "switch back", Home: "source", Proves: []incident.Trait{incident.WriterMoved}},
	"aurora.failover":   {Kind: Change, About: "Promotes the standby.", With: clusterWith{}, NoReturn: true, Undo: "fail back", Home: "target", Proves: []incident.Trait{incident.WriterMoved}},
	"aurora.available":  {Kind: Check, About: "The cluster is available.", With: clusterWith{}, Home: "target", Part: databases},
	"cache.promote":     {Kind: Change, About: "Promotes the cache.", NoReturn: true, Undo: "fail back", Home: "target"},
	"dns.flip":          {Kind: Change, About: "Forces the primary's check unhealthy.", With: recordWith{}, Undo: "clear both flags", Undoable: true, Home: "us-east-1", Proves: []incident.Trait{incident.MovesUsers}},
	"dns.verify":        {Kind: Wait, About: "The zone answers the target.", With: recordWith{}},
	"takeover.put":      {Kind: Change, About: "Puts the takeover object.", Undo: "remove the object", Undoable: true, Home: "target", Proves: []incident.Trait{incident.MovesUsers}},
	"elb.healthy":       {Kind: Check, About: "All target groups are healthy.", Home: "target", Proves: []incident.Trait{incident.TargetsHealthy}},
	"kube.scale":        {Kind: Change, About: "Sets the replicas.", With: scaleWith{}, Undo: "scale back", Undoable: true, Home: "target"},
	"kube.fence":        {Kind: Change, About: "Stops the writers.", With: &scaleWith{}, Undo: "scale back", Undoable: true, Home: "source"},
	"kube.wipe":         {Kind: Change, About: "Deletes something, with no word on how it comes back."},
	"pagerduty.trigger": {Kind: Tell, About: "Pages.", Home: "us-east-1"},
	"people.confirm":    {Kind: Go, About: "A person says yes."},
	"people.do":         {Kind: Ask, About: "People do something."},
	"probe.users":       {Kind: Watch, About: "Sees whom users reach."},
	"probe.http":        {Kind: Check, About: "Asks a page.", With: probeWith{}, Part: probes},
}

// archive is a file of several: each begins with a line "-- name --".
func archive(t testing.TB, name string) fstest.MapFS {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return unpack(string(data))
}

func unpack(data string) fstest.MapFS {
	out := fstest.MapFS{}
	current := ""
	for line := range strings.Lines(data) {
		bare := strings.TrimSuffix(line, "\n")
		if head, ok := strings.CutPrefix(bare, "-- "); ok && strings.HasSuffix(head, " --") {
			current = strings.TrimSuffix(head, " --")
			out[current] = &fstest.MapFile{}
			continue
		}
		if f := out[current]; f != nil {
			f.Data = append(f.Data, line...)
		}
	}
	return out
}

// steps wraps steps into a runbook of one section for both modes. The first line
// of body is line 6 of the file.
func steps(body string) fs.FS {
	return fstest.MapFS{"r.yaml": {Data: []byte("runbook: r\ntitle: T\nmodes: [planned, unplanned]\nsections:\n- {section: s, title: S, steps: [\n" + body + "]}\n")}}
}

func load(t testing.TB, fsys fs.FS, name string) *Source {
	t.Helper()
	s, err := Load(fsys, name)
	if err != nil {
		t.Fatalf("load %s:\n%v", name, err)
	}
	return s
}

func compile(t testing.TB, s *Source, f Facts) *Plan {
	t.Helper()
	p, err := s.Compile(catalogue, f)
	if err != nil {
		t.Fatalf("compile in mode %s:\n%v", f.Mode, err)
	}
	return p
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (UPDATE_GOLDEN=1 writes it anew):\n%s", path, got)
	}
}
