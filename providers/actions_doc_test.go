package providers_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/providers"
)

var update = flag.Bool("update", false, "write docs/ACTIONS.md and the tables of docs/RUNBOOK.md anew")

const actionsPage = "../docs/ACTIONS.md"

const actionsHead = `# Actions

Everything that a step of a runbook may name under ` + "`uses`" + `, made from the catalogue: ` + "`make golden`" + ` writes this page
anew, and a test compares it. How one is added is told in [adding-an-action.md](adding-an-action.md); which step uses
which, in [RUNBOOK.md](RUNBOOK.md).

- **Kind**: a *check* looks once, a *wait* looks until it is so, a *change* looks, writes the intention down and does,
  an *exercise* tries the platform as a user would, so many times at the most, a *watch* tells what changes while
  the incident is open, a *tell* informs somebody and holds
  nothing up, an *ask* is a question to people.
- **Input** is what the step gives under ` + "`with`" + `; what is not marked *optional* has to be given.
- **API in** is the Region in which what is called really lives: the *target* or the *source* of the run, one Region for
  all, or nowhere in particular.
- **Taken back by** says how a change is undone. After a *point of no return*, which needs an approval, it says the way on.
`

// actionsDoc is the page.
func actionsDoc(cat engine.Catalog) string {
	systems := map[string][]string{}
	for id := range cat {
		system, _, _ := strings.Cut(id, ".")
		systems[system] = append(systems[system], id)
	}
	var b strings.Builder
	b.WriteString(actionsHead)
	for _, system := range slices.Sorted(maps.Keys(systems)) {
		ids := slices.Sorted(slices.Values(systems[system]))
		fmt.Fprintf(&b, "\n## %s\n\n", system)
		if part := cat[ids[0]].Part; part != nil {
			fmt.Fprintf(&b, "Needs `platform.%s` in the settings: %s.\n\n", part.Key, keysOf(reflect.TypeOf(part.Example)))
		}
		b.WriteString("| Action | Kind | What it does | Input | API in | Taken back by |\n|---|---|---|---|---|---|\n")
		for _, id := range ids {
			a := cat[id]
			kind := string(a.Kind)
			if a.NoReturn {
				kind += ", **point of no return**"
			}
			if a.Kind == runbook.Exercise {
				kind += fmt.Sprintf(", %d sends at most", max(a.Sends, 1))
			}
			home := a.Home
			if home == "" {
				home = "-"
			}
			undo := a.Action.Undo
			if undo == "" {
				undo = "-"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", id, kind, a.About, inputOf(a.Action), home, undo)
		}
	}
	return b.String()
}

func inputOf(a runbook.Action) string {
	if a.With == nil {
		return "-"
	}
	typ := reflect.TypeOf(a.With)
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	var out []string
	for _, f := range strict.Fields(typ) {
		s := fmt.Sprintf("`%s`: %s", f.Key, kindOf(f.Type))
		if f.Optional {
			s += ", optional"
		}
		out = append(out, s)
	}
	return strings.Join(out, "<br>")
}

// keysOf are the keys of a part, those that are there once in each Region last.
func keysOf(typ reflect.Type) string {
	var own, regional []string
	for _, f := range strict.Fields(typ) {
		if f.Key != "regions" {
			own = append(own, "`"+f.Key+"`")
			continue
		}
		for _, f := range strict.Fields(f.Type.Elem()) {
			regional = append(regional, "`"+f.Key+"`")
		}
	}
	if len(regional) > 0 {
		own = append(own, "by Region "+strings.Join(regional, ", "))
	}
	return strings.Join(own, ", ")
}

func kindOf(typ reflect.Type) string {
	switch {
	case typ == reflect.TypeFor[time.Duration]():
		return "a duration"
	case typ.Kind() == reflect.Slice:
		return "a list of " + strings.TrimPrefix(kindOf(typ.Elem()), "a ")
	}
	switch typ.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Struct, reflect.Map:
		return "a mapping"
	}
	return "a whole number"
}

func TestTheActionsPageListsTheCatalogue(t *testing.T) {
	want := actionsDoc(catalog())
	if *update {
		if err := os.WriteFile(actionsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(actionsPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/ACTIONS.md is not what the catalogue is (make golden writes it anew):\n%s", want)
	}
	for id, a := range catalog() {
		switch {
		case !strings.Contains(want, "| `"+id+"` |"):
			t.Errorf("%s is not listed", id)
		case a.About == "" || strings.Contains(a.About, "|"):
			t.Errorf("%s does not say what it does in a sentence that fits a table", id)
		}
	}
}

// What each system has to know is checked by itself; what the pretend world and the
// examples of lint say has to pass.
func TestThePartsOfThePretendWorldFit(t *testing.T) {
	w := newWorld(t)
	for _, p := range providers.Parts() {
		for name, top := range map[string]runbook.Topology{"the pretend world": w.Topology(), "the example": runbook.RepresentativeFacts("planned", p).Topology} {
			// What is frozen is JSON, which is YAML too.
			doc, faults := strict.Parse(p.Key, top.Parts[p.Key], "here")
			if doc.Root == nil {
				t.Fatalf("%s: %v", name, faults)
			}
			part := p.New()
			r := strict.Read(doc, strict.Decoder{Words: strict.Words{
				Wants: func(key string, _ strict.Want, _ reflect.Type, _ *yaml.Node) string {
					return key + " is of another kind"
				},
				Unknown: func(_, key string, _ []string) string { return key + " is unknown" },
				Lacks:   func(_ string, _ any, key string) string { return key + " is missing" },
				Empty: func(key string, _ reflect.Type, _ bool, n *yaml.Node) (bool, string) {
					return n.Value == "" && n.Kind == yaml.ScalarNode, key + " is empty"
				},
			}}, p.Key, part)
			if c, ok := part.(runbook.Checker); ok {
				c.Check(runbook.Checks{Report: r, Topology: top})
			}
			for _, f := range r.Faults() {
				t.Errorf("%s: %s", name, f)
			}
		}
	}
}

// Adding a system is one line of the catalogue: every package that has a table is
// there, and every action bears its package's name.
func TestEachSystemWithATableIsInTheCatalogue(t *testing.T) {
	tables, err := filepath.Glob("*/actions.go")
	if err != nil || len(tables) == 0 {
		t.Fatalf("no tables: %v", err)
	}
	systems := map[string]bool{"person": true} // asked by the engine itself
	for _, file := range tables {
		systems[filepath.Dir(file)] = true
	}
	seen := map[string]bool{}
	for id, a := range catalog() {
		system, _, _ := strings.Cut(id, ".")
		seen[system] = true
		if !systems[system] {
			t.Errorf("%s belongs to no package with a table", id)
		}
		if a.Part != nil && a.Part.Key != system {
			t.Errorf("%s needs the settings of %s", id, a.Part.Key)
		}
	}
	for system := range systems {
		if !seen[system] {
			t.Errorf("%s has a table and no action in the catalogue", system)
		}
	}
}
