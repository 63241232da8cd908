package rehearsal

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// One flees home by each way of moving users, after a move in good order as after one without
// the Region, and however the endpoints of the Region that is lost fail.
func TestOneFleesHomeWhateverMovedUsers(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "providers", "sim", "scenarios", "lost-while-away.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// Here it ends with the Region still lost.
	lost := []string{
		"  # While the new traffic is watched: nobody goes back to it.\n  - {at: 45m, restore: us-west-2}\n", "",
		"      - on: start\n        after: 85m\n        say: /failover failback us-east-1\n        form: {reason: \"us-west-2 follows again\"}\n", "",
		"after: 86m", "after: 42m",
		"ended: [mitigated, mitigated, mitigated]", "ended: [mitigated, mitigated]",
		"    - {type: StepFinished, step: takeover-removed, says: deleted s3}\n    - {type: StepFinished, step: takeover-heeded, says: \"as it should\"}\n    - {type: StepFinished, step: rest, times: 5}\n",
		"    - {type: StepFinished, step: takeover-ignored}\n    - {type: StepFinished, step: restore-dns}\n",
		"  no_takeover: us-west-2\n", "  takeover: us-west-2\n",
	}
	inOrder := []string{
		"  - {at: 5s, lose: us-east-1}\n  - {at: 6m, restore: us-east-1}\n", "",
		"mode: unplanned, reason: \"us-east-1 does not answer\"", "mode: planned, reason: \"works on the power of us-east-1\"",
		"  takeover: us-west-2\n", "  no_takeover: us-west-2\n",
	}
	noChecks := []string{
		"  timeline:\n    - {type: StepFinished, step: takeover-ignored}\n    - {type: StepFinished, step: restore-dns}\n", "",
		"  health_check: {disabled: false, inverted: false}\n", "",
	}
	failing := func(kind string) []string {
		return []string{"  - {at: 40m, lose: us-west-2}\n", "  - {at: 40m, lose: us-west-2}\n  - {at: 40m, fault: {kind: " + kind + ", region: us-west-2}}\n"}
	}
	for name, c := range map[string]struct {
		change []string
		// moved are the steps that moved users, and calls those that did.
		moved, calls []string
	}{
		"the health checks": {inOrder, []string{"takeover-ignored", "restore-dns"}, []string{"UpdateHealthCheck", "UpdateHealthCheck"}},
		"the records":       {slices.Concat(inOrder, noChecks, []string{"target: us-west-2\n", "target: us-west-2\nstart:\n  strategy: record-change\n"}), []string{"change-record"}, []string{"ChangeResourceRecordSets"}},
		"the routing controls": {
			slices.Concat(inOrder, noChecks, []string{"target: us-west-2\n", "target: us-west-2\nstart:\n  strategy: routing-control\n"}),
			[]string{"shift-controls", "controls-read-back"},
			[]string{"UpdateRoutingControlStates"},
		},
		// The flags of the record's own check were never set, so one of the two is found done.
		"the object, and every endpoint refuses": {failing("refuse"), []string{"takeover-ignored", "restore-dns"}, []string{"UpdateHealthCheck"}},
		"the object, and every endpoint hangs":   {failing("hang"), []string{"takeover-ignored", "restore-dns"}, []string{"UpdateHealthCheck"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := string(data)
			c.change = slices.Concat(lost, c.change)
			for i := 0; i < len(c.change); i += 2 {
				if !strings.Contains(text, c.change[i]) {
					t.Fatalf("the scenario does not say %q", c.change[i])
				}
				text = strings.Replace(text, c.change[i], c.change[i+1], 1)
			}
			file := filepath.Join(t.TempDir(), "lost-while-away.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			p := rehearsed(t, file)
			if p.err != nil {
				t.Fatalf("%v:\n%s", p.err, tail(p.printed, 60))
			}
			fledHome(t, p)
			p = p.later(t)
			s := p.state()
			for _, step := range c.moved {
				if st := s.Step(step); st.Status != incident.Done || st.Ended.Before(s.Step("smoke-test").Ended) {
					t.Errorf("%s is %s, before an order went through", step, st.Status)
				}
			}
			var moved []string
			for _, call := range p.calls {
				if call.Applied && slices.Contains([]string{"UpdateHealthCheck", "ChangeResourceRecordSets", "UpdateRoutingControlStates", "PutObject", "DeleteObject"}, call.Operation) {
					moved = append(moved, call.Operation)
				}
			}
			if !slices.Equal(moved, c.calls) {
				t.Errorf("users were moved by %v, want %v", moved, c.calls)
			}
		})
	}
}

// later is the second incident of a rehearsal, with what was called from then on.
func (p played) later(t *testing.T) played {
	t.Helper()
	p.timeline = nil
	lines(t, filepath.Join(p.out, "timeline-2.jsonl"), &p.timeline)
	s := p.state()
	p.calls = slices.DeleteFunc(slices.Clone(p.calls), func(c sim.Call) bool { return c.Time.Before(s.DeclaredAt) || c.Time.After(s.ResolvedAt) })
	return p
}

// fledAndProtected: one flees home, and once the Region that was lost is back a failback makes it
// the standby that it was. Nobody leaves home meanwhile.
func fledAndProtected(t *testing.T, p played) {
	fledHome(t, p)
	asAtTheStart(t, p)
}

// fledHome: the Region that took over is lost, and users are home without it. Nothing on the
// critical path needed it, and what it keeps in its bucket sends nobody back to it.
func fledHome(t *testing.T, p played) {
	t.Helper()
	p = p.later(t)
	s := p.state()
	if s.Kind != incident.Failover || s.Source != "us-west-2" || s.Target != "us-east-1" || s.Mode != "unplanned" {
		t.Errorf("the second incident: %s %s, %s to %s", s.Mode, s.Kind, s.Source, s.Target)
	}
	p.apartFrom(t, "us-west-2")
	p.once(t, "FailoverGlobalCluster", "FailoverGlobalReplicationGroup")
	// Users came home, perhaps by Route 53 itself, and did not leave again.
	history := p.world.DNS.History
	if last := history[len(history)-1]; last.Region != "us-east-1" || last.At.After(s.MitigatedAt) {
		t.Errorf("users are with %s since %s; mitigated at %s", last.Region, last.At, s.MitigatedAt)
	}
}
