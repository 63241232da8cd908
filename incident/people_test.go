package incident

import (
	"slices"
	"testing"
)

func person(id, name, slack, terminal string) Person {
	return Person{ID: id, Name: name, Roles: []string{RoleApprover}, Faces: map[string]string{FaceSlack: slack, "terminal": terminal}}
}

func TestOnePersonOnTwoFacesIsOnePerson(t *testing.T) {
	r := Roster{person("alice", "Alice", "U0ALICE", "alice@laptop"), person("bob", "Bob", "U0BOB", "")}
	for _, via := range []Via{{FaceSlack, "U0ALICE"}, {"terminal", "alice@laptop"}} {
		if p, ok := r.Of(via); !ok || p.ID != "alice" {
			t.Errorf("%v is %+v, %v", via, p, ok)
		}
	}
	for _, via := range []Via{{FaceSlack, "U0MALLORY"}, {"terminal", "U0ALICE"}, {FaceSlack, ""}, {"terminal", ""}} {
		p, ok := r.Of(via)
		if ok || p.ID != via.Face+":"+via.ID || p.Has(RoleApprover) {
			t.Errorf("%v is %+v, %v", via, p, ok)
		}
	}
	s := story(at{0, "alice", IncidentDeclared{Incident: "INC-2026-0001"}})
	if p, _ := r.Of(Via{"terminal", "alice@laptop"}); !s.Requested(p.ID, "promote") {
		t.Error("who declared by Slack may approve by terminal")
	}
	for actor, want := range map[string]string{"alice": "U0ALICE", "slack:U0MALLORY": "U0MALLORY", "terminal:root": "", "nobody": "", Bot: ""} {
		if got := r.On(FaceSlack, actor); got != want {
			t.Errorf("%s is %q on Slack, want %q", actor, got, want)
		}
	}
}

func TestTwoWhoCannotBeToldApartAreAFault(t *testing.T) {
	for claim, c := range map[string]struct {
		a, b Person
		want []string
	}{
		"different people":        {person("alice", "Alice", "U0A", ""), person("bob", "Bob", "U0B", ""), nil},
		"no id on a face":         {person("alice", "Alice", "", ""), person("bob", "Bob", "", ""), nil},
		"one id":                  {person("alice", "Alice", "U0A", ""), person("alice", "Bob", "U0B", ""), []string{"id"}},
		"one id on Slack":         {person("alice", "Alice", "U0A", ""), person("bob", "Bob", "U0A", ""), []string{FaceSlack}},
		"one id on the terminal":  {person("alice", "Alice", "U0A", "x"), person("bob", "Bob", "U0B", "x"), []string{"terminal"}},
		"the same name":           {person("alice", "Alice", "U0A", ""), person("al", "ALICE ", "U0B", ""), []string{"name"}},
		"a Cyrillic letter":       {person("alice", "Alice", "U0A", ""), person("al", "Аlice", "U0B", ""), []string{"name"}},
		"an invisible mark":       {person("alice", "Alice", "U0A", ""), person("al", "Al\u200bice", "U0B", ""), []string{"name"}},
		"a digit for a letter":    {person("bob", "Bob", "U0A", ""), person("b2", "B0b", "U0B", ""), []string{"name"}},
		"names that are not told": {person("alice", "", "U0A", ""), person("bob", "", "U0B", ""), nil},
	} {
		var got []string
		for _, f := range (Roster{c.a, c.b}).Faults() {
			got = append(got, f.Field)
			if f.First != 0 || f.Second != 1 || f.Text == "" {
				t.Errorf("%s: %+v", claim, f)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: faults of %v, want %v", claim, got, c.want)
		}
	}
}
