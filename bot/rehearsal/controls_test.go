package rehearsal

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
)

// movedByTheControls: the routing controls alone were turned, both in one batch and once each
// way; each time they were read back from another endpoint than the one that took them. In the
// end the world is as it was, and users were given one Region after the other.
func movedByTheControls(t *testing.T, p played) {
	t.Helper()
	changed := map[string]int{}
	for _, c := range p.calls {
		if c.Applied && slices.Contains([]string{"UpdateRoutingControlStates", "ChangeResourceRecordSets", "UpdateHealthCheck", "PutObject", "DeleteObject"}, c.Operation) {
			changed[c.Operation]++
		}
	}
	if len(changed) != 1 || changed["UpdateRoutingControlStates"] != 2 {
		t.Errorf("users were moved by %v", changed)
	}
	took := ""
	for _, c := range p.calls {
		switch {
		case c.Operation == "UpdateRoutingControlStates" && c.Applied:
			took = c.Region
		case c.Operation == "GetRoutingControlState" && took != "" && c.Error == "":
			if c.Region == took {
				t.Errorf("what the endpoint in %s took was read back from the same", took)
			}
			took = ""
		}
	}
	if took != "" {
		t.Errorf("what the endpoint in %s took was not read back", took)
	}
	told := map[string]string{} // on the way out
	for _, f := range bodies[incident.StepFinished](p) {
		told[f.Step] = f.Evidence["endpoint"]
	}
	if out, back := told["shift-controls"], told["controls-read-back"]; out == "" || back == "" || out == back {
		t.Errorf("told as taken by the endpoint in %q and read back from %q", out, back)
	}
	asAtTheStart(t, p)
	var at []string
	for _, h := range p.world.DNS.History {
		at = append(at, h.Region)
	}
	if want := []string{"us-east-1", "us-west-2", "us-east-1"}; !slices.Equal(at, want) {
		t.Errorf("users were given %v, want %v", at, want)
	}
}

// With the Region lost, and its endpoint of the cluster with it, the controls move users in an
// unplanned run, and keep them when it flickers.
func TestRoutingControlsMoveUsersOutOfALostRegion(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "providers", "sim", "scenarios", "region-loss.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for _, change := range [][2]string{
		{"name: region-loss\n", "name: region-loss-by-controls\n"},
		{"events:\n", "start:\n  strategy: routing-control\n\nevents:\n"},
		{"since: takeover, restore", "since: dns-moved, restore"},
		{"since: takeover, lose", "since: dns-moved, lose"},
		{"  takeover: us-west-2\n", "  no_takeover: us-west-2\n"},
		{"  timeline:\n", "  timeline:\n    - {type: StepFinished, step: shift-controls, says: \"us-east-1 Off, us-west-2 On, by the endpoint in\"}\n" +
			"    - {type: StepFinished, step: controls-read-back, says: \"us-east-1 Off, us-west-2 On, by the endpoint in\"}\n"},
	} {
		if !strings.Contains(text, change[0]) {
			t.Fatalf("the scenario does not say %q", change[0])
		}
		text = strings.Replace(text, change[0], change[1], 1)
	}
	file := filepath.Join(t.TempDir(), "region-loss-by-controls.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := rehearsed(t, file)
	if p.err != nil {
		t.Fatalf("%v:\n%s", p.err, p.printed)
	}
	if h := p.world.DNS.History; len(h) != 2 || h[1].Region != "us-west-2" {
		t.Errorf("users were given %v", h)
	}
	sent := 0
	for _, c := range p.calls {
		if c.Operation != "UpdateRoutingControlStates" {
			continue
		}
		if sent++; c.Region == "us-east-1" || !c.Applied {
			t.Errorf("sent to %s, applied %t", c.Region, c.Applied)
		}
	}
	if sent != 1 {
		t.Errorf("the states were sent %d times", sent)
	}
}
