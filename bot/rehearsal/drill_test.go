package rehearsal

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// drills are the dry runs that stand on the platform log of a rehearsal, by what they were
// of: planned, unplanned, failback, servers.
func (p played) drills(t *testing.T) map[string]*incident.Foreseen {
	t.Helper()
	var events []incident.Event
	lines(t, filepath.Join(p.out, "platform.jsonl"), &events)
	out := map[string]*incident.Foreseen{}
	for _, e := range events {
		b, ok := e.Body.(incident.DrillHeld)
		if !ok {
			continue
		}
		if b.Scope != incident.ScopeDryRun || b.Foreseen == nil || e.Actor == incident.Bot {
			t.Fatalf("%s held %+v", e.Actor, b)
		}
		what := b.Foreseen.Mode
		if b.Foreseen.Kind != incident.Failover {
			what = string(b.Foreseen.Kind)
		}
		out[what] = b.Foreseen
	}
	return out
}

// foreseenAndUnchanged: no call left that could change anything, and the right that is
// missing is told with the step that wants it.
func foreseenAndUnchanged(t *testing.T, p played) {
	reviewed := map[string]int{}
	for _, c := range p.calls {
		if c.Mutating || c.Applied {
			t.Errorf("%s left", c)
		}
		if c.Operation == "SimulatePrincipalPolicy" || c.Operation == "create selfsubjectaccessreviews" {
			reviewed[c.System]++
		}
	}
	if reviewed["aws.iam"] == 0 || reviewed["kubernetes"] == 0 {
		t.Errorf("rights were asked for of %v", reviewed)
	}
	drills := p.drills(t)
	if got := slices.Sorted(maps.Keys(drills)); !slices.Equal(got, []string{"planned", "servers", "unplanned"}) {
		t.Fatalf("held were %v", got)
	}
	missing := drills["planned"].Missing
	if len(missing) != 3 || !slices.Equal(missing[0].Steps, []string{"switch-database"}) || len(drills["unplanned"].Missing) > 0 || len(drills["servers"].Missing) > 0 {
		t.Errorf("missing are %+v", missing)
	}
	for _, m := range p.messages {
		if !strings.HasPrefix(m.Text, "REHEARSAL · DRILL") && !strings.Contains(m.Text, ".txt is in your direct messages") {
			t.Errorf("not marked: %s", m.Text)
		}
	}
}

// refusesChanges makes a rehearsal in whose world any call fails that could change it.
func refusesChanges(o *rehearsal) {
	ready := o.ready
	o.ready = func(r *rehearsal) error {
		r.world.OnCall(func(c sim.Call, before bool) error {
			if before && c.Mutating {
				return fmt.Errorf("%s could change the world", c)
			}
			return nil
		})
		if ready == nil {
			return nil
		}
		return ready(r)
	}
}

// In a world that refuses every change a dry run sees what it sees in any other.
func TestADryRunDoesWithoutAnyChange(t *testing.T) {
	out := t.TempDir()
	r := rehearsal{Options: Options{Auto: true, Scenario: "drill-dry-run", Speed: sim.Max, Listen: "127.0.0.1:0", Out: out, Stdout: new(strings.Builder), Log: zerolog.Nop(), Templates: templates.FS}}
	refusesChanges(&r)
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := played{out: out}
	if n := len(p.drills(t)); n != 3 {
		t.Errorf("%d were held", n)
	}
}

// done are the changes that a run made, in the order in which they were intended, and those
// that it found to be so already.
func done(events []incident.Event, run incident.RunID) (changed []string, already map[string]bool) {
	already = map[string]bool{}
	for _, e := range events {
		if e.Run != run {
			continue
		}
		switch b := e.Body.(type) {
		case incident.ChangeIntended:
			if !slices.Contains(changed, b.Step) {
				changed = append(changed, b.Step)
			}
		case incident.StepFinished:
			already[b.Step] = b.Already
		}
	}
	return changed, already
}

// What is foreseen is what is done then, and what is done was foreseen, in the same world.
// What differs is listed here with its reason.
func TestWhatIsForeseenIsWhatIsDone(t *testing.T) {
	const seed = 11
	seeded := func(o *Options) { o.Seed = seed }
	dry := rehearsed(t, "drill-dry-run", seeded)
	if dry.err != nil {
		t.Fatalf("%v:\n%s", dry.err, dry.printed)
	}
	foreseen := dry.drills(t)

	// The way home is foreseen where users have been moved.
	name := "failover-then-failback"
	data, err := os.ReadFile(filepath.Join("..", "..", "providers", "sim", "scenarios", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	before := "      - {on: start, after: 31m, say: /failover status}\n"
	there := strings.Replace(string(data), before, "      - {on: start, after: 28m, say: /failover drill dry-run failback}\n"+before, 1)
	file := filepath.Join(t.TempDir(), name+".yaml")
	if err := os.WriteFile(file, []byte(there), 0o600); err != nil || there == string(data) {
		t.Fatal(cmp.Or(err, fmt.Errorf("%s is another one", name)))
	}

	for _, c := range []struct {
		scenario, drill string
		// timeline is which incident of the rehearsal it is, as its file has it.
		timeline string
		// unmade were foreseen and not made, each with why that is right.
		unmade map[string]string
	}{
		{scenario: "region-degraded", drill: "planned"},
		{scenario: "region-loss", drill: "unplanned", unmade: map[string]string{
			"fence-reachable-writers": "us-east-1 is lost when it comes to it, and nobody there is reached",
			"suspend-reachable-jobs":  "the same",
		}},
		{scenario: file, drill: "failback", timeline: "-2"},
		{scenario: "drs-failback", drill: "servers"},
	} {
		t.Run(c.drill, func(t *testing.T) {
			p := rehearsed(t, c.scenario, seeded)
			if p.err != nil {
				t.Fatalf("%v:\n%s", p.err, p.printed)
			}
			f := foreseen[c.drill]
			if c.timeline != "" {
				f = p.drills(t)[c.drill]
				p.timeline = nil
				lines(t, filepath.Join(p.out, "timeline"+c.timeline+".jsonl"), &p.timeline)
			}
			if f == nil {
				t.Fatal("it was not foreseen")
			}
			s := p.state()
			changed, already := done(p.timeline, s.Run.Name)
			after := map[string]int{}
			var would, later, asks []string
			for i, one := range f.Steps {
				after[one.Step] = i
				if one.Would() {
					would = append(would, one.Step)
				}
				if one.Later {
					later = append(later, one.Step)
				}
				if one.Asks != "" && one.Kind != "go" && !one.There {
					asks = append(asks, one.Step)
				}
			}
			if len(would) < 6 {
				t.Errorf("no more than %v were foreseen", would)
			}
			for _, step := range would {
				if !slices.Contains(changed, step) && c.unmade[step] == "" {
					t.Errorf("%s was foreseen and not made", step)
				}
			}
			for _, step := range changed {
				group, _, _ := strings.Cut(step, "/") // of what is only known later, the list too
				if !slices.Contains(would, step) && !slices.Contains(later, group) {
					t.Errorf("%s was made and not foreseen: %+v", step, f.Steps[after[step]])
				}
			}
			for i, one := range changed {
				for _, next := range changed[i+1:] {
					if a, ok := after[one]; ok && after[next] > 0 && f.Steps[a].After > f.Steps[after[next]].After {
						t.Errorf("%s was made before %s, and foreseen for %s and %s", one, next, f.Steps[a].After, f.Steps[after[next]].After)
					}
				}
			}
			var asked []string
			for _, b := range bodies[incident.ApprovalAsked](p) {
				if b.Kind != incident.AskGo && b.Kind != incident.AskFailed && !slices.Contains(asked, b.Step) {
					asked = append(asked, b.Step)
				}
			}
			if slices.Sort(asks); !slices.Equal(asks, slices.Sorted(slices.Values(asked))) {
				t.Errorf("people were asked for %v, and foreseen was %v", asked, asks)
			}
			for _, one := range f.Steps {
				if one.There && !already[one.Step] && !slices.Contains(changed, one.Step) && s.Step(one.Step).Status != incident.Done {
					t.Errorf("%s was so already, and is %s", one.Step, s.Step(one.Step).Status)
				}
			}
		})
	}
}
