package runbook

import (
	"slices"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

func moved() *Plan {
	change := func(id string, needs ...string) Step {
		return Step{ID: id, Group: id, Title: id, Kind: Change, Needs: needs}
	}
	p := &Plan{Source: Region{Name: "east"}, Target: Region{Name: "west"}, Steps: []Step{
		change("scale"), change("fence", "scale"), change("promote", "scale"), change("cache", "promote"), change("beside"),
		{ID: "order", Group: "order", Title: "order", Kind: Exercise, Needs: []string{"cache"}, Proves: []incident.Trait{incident.OrdersFlow}},
	}}
	p.Steps[0].Settles = time.Minute
	p.Steps[1].Proves, p.Steps[1].CoveredBy = []incident.Trait{incident.WritersStopped}, "promote"
	p.Steps[2].NoReturn = true
	return p
}

func TestWhatBelongsToAPointOfNoReturnStaysBehindIt(t *testing.T) {
	p := moved()
	bound := p.Bound("promote")
	for id, stays := range map[string]bool{"scale": true, "fence": true, "promote": true, "cache": true, "beside": false} {
		if bound[id] != stays {
			t.Errorf("%s stays: %t, want %t", id, bound[id], stays)
		}
	}
	if n := len(p.Bound()); n != 0 {
		t.Errorf("before any, %d steps are bound", n)
	}
}

func TestAnUndoWaitsForWhatTakesItsTimeAndEndsWithAnOrder(t *testing.T) {
	p := moved()
	for name, c := range map[string]struct {
		changed []Changed
		needs   map[string][]string
		gate    Gate
	}{
		"writers were stopped": {
			[]Changed{{Step: "scale"}, {Step: "fence"}},
			map[string][]string{"undo-fence": nil, "undo-scale": {"undo-fence"}, "back-scale": {"undo-scale"}, "after-order": {"back-scale"}},
			Required,
		},
		"nothing that users need": {
			[]Changed{{Step: "scale"}},
			map[string][]string{"undo-scale": nil, "back-scale": {"undo-scale"}, "after-order": {"back-scale"}},
			Advice,
		},
	} {
		plan, _, err := p.Undo(c.changed)
		if err != nil || plan.Digest == "" || len(plan.Steps) != len(c.needs) {
			t.Fatalf("%s: %d steps, digest %q, %v", name, len(plan.Steps), plan.Digest, err)
		}
		for _, s := range plan.Steps {
			if want, ok := c.needs[s.ID]; !ok || !slices.Equal(s.Needs, want) {
				t.Errorf("%s: %s needs %v, want %v", name, s.ID, s.Needs, want)
			}
		}
		if last := plan.Steps[len(plan.Steps)-1]; !last.Turned || last.Gate != c.gate {
			t.Errorf("%s: in the end %+v", name, last)
		}
		if turned := plan.Turned(); turned.Target.Name != "east" || turned.Source.Name != "west" || plan.Target.Name != "west" {
			t.Errorf("%s: turned, %s takes over from %s", name, turned.Target.Name, turned.Source.Name)
		}
	}
}

// A run that follows another one has changed on top of it, so that is taken back first.
func TestWhatSeveralRunsChangedIsTakenBackTheNewestFirst(t *testing.T) {
	older, newer := moved(), moved()
	plan, _, err := Undo([]Made{{newer, []Changed{{Step: "beside"}}}, {older, []Changed{{Step: "scale"}, {Step: "fence"}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"undo-fence", "undo-scale"} {
		if s, ok := plan.Step(id); !ok || !plan.Needed(id)["undo-beside"] {
			t.Errorf("%s needs %v", id, s.Needs)
		}
	}
}

// What was changed on the other side is taken back there, and waited for there.
func TestWhatWasChangedTurnedIsTakenBackTurned(t *testing.T) {
	p := moved()
	p.Steps[0].Turned = true // scale
	plan, _, err := p.Undo([]Changed{{Step: "scale"}, {Step: "fence"}})
	if err != nil {
		t.Fatal(err)
	}
	for id, turned := range map[string]bool{"undo-scale": true, "back-scale": true, "undo-fence": false} {
		if s, ok := plan.Step(id); !ok || s.Turned != turned {
			t.Errorf("%s: there %t, turned %t, want %t", id, ok, s.Turned, turned)
		}
	}
}
