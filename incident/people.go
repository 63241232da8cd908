package incident

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Roles of the roster.
const (
	RoleCommander = "commander"
	RoleApprover  = "approver"
	RoleResponder = "responder"
)

// FaceSlack is the face by which people come from Slack.
const FaceSlack = "slack"

// Person is somebody of the roster.
type Person struct {
	// ID is stable and never given to anybody else: it is what events name, whatever
	// face the person came by.
	ID   string
	Name string
	// Roles: commander, approver, responder.
	Roles []string
	// BreakGlass may approve alone once a question has run out unanswered.
	BreakGlass bool
	// Faces are the person's ids on each face: slack -> U0123456789.
	Faces map[string]string
}

// Has says that the person holds one of these roles.
func (p Person) Has(roles ...string) bool {
	return slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(p.Roles, r) })
}

// Roster are the people who may do more than look on.
type Roster []Person

// Of finds who came by that face. ok is false for a stranger, and when two entries
// have that id on the face: then nobody knows who it is. The Person then has no
// role, and as its ID the face and the id there.
func (r Roster) Of(via Via) (p Person, ok bool) {
	var found []Person
	for _, p := range r {
		if via.ID != "" && p.Faces[via.Face] == via.ID {
			found = append(found, p)
		}
	}
	if len(found) == 1 {
		return found[0], true
	}
	return Person{ID: via.Stranger(), Faces: map[string]string{via.Face: via.ID}}, false
}

// Times is how often that id on a face stands on the roster.
func (r Roster) Times(via Via) (n int) {
	for _, p := range r {
		if via.ID != "" && p.Faces[via.Face] == via.ID {
			n++
		}
	}
	return n
}

// ByID is the person that events name so.
func (r Roster) ByID(id string) (Person, bool) {
	i := slices.IndexFunc(r, func(p Person) bool { return p.ID == id })
	if i < 0 {
		return Person{}, false
	}
	return r[i], true
}

// NameOf is what people call that actor; empty for whoever is not on the roster.
func (r Roster) NameOf(id string) string {
	p, _ := r.ByID(id)
	return p.Name
}

// With are those who hold one of these roles, in the order of the roster.
func (r Roster) With(roles ...string) []Person {
	var out []Person
	for _, p := range r {
		if p.Has(roles...) {
			out = append(out, p)
		}
	}
	return out
}

// Stranger is the actor of somebody who is not on the roster: slack:U0123456789.
func (v Via) Stranger() string { return v.Face + ":" + v.ID }

// On is the id on a face of whoever an event names: of a person of the roster, or of
// a stranger who came by that face; empty if they have none there.
func (r Roster) On(face, actor string) string {
	if p, ok := r.ByID(actor); ok {
		return p.Faces[face]
	}
	if id, ok := strings.CutPrefix(actor, face+":"); ok {
		return id
	}
	return ""
}

// Faults says what is wrong with a roster, a sentence for each pair: two entries with
// one id, with one id on a face, or with names that cannot be told apart. The two
// numbers are their places.
func (r Roster) Faults() []RosterFault {
	var out []RosterFault
	for j, b := range r {
		for i, a := range r[:j] {
			if a.ID == b.ID && b.ID != "" {
				out = append(out, RosterFault{i, j, "id", fmt.Sprintf("the id %q is there twice: an id is one person's for ever", b.ID)})
			}
			for face, id := range b.Faces {
				if id != "" && a.Faces[face] == id {
					out = append(out, RosterFault{i, j, face, fmt.Sprintf("%s and %s have the same id %s on %s: then nobody knows who came", a.Name, b.Name, id, face)})
				}
			}
			if looks(a.Name) == looks(b.Name) && b.Name != "" {
				out = append(out, RosterFault{i, j, "name", fmt.Sprintf("the names %q and %q look the same: people would not know whom a message means", a.Name, b.Name)})
			}
		}
	}
	return out
}

// RosterFault is one thing that is wrong with a roster.
type RosterFault struct {
	First, Second int
	// Field of the second entry: id, name, or a face.
	Field string
	Text  string
}

// alike are letters that look like another one.
var alike = map[rune]rune{
	'а': 'a', 'ä': 'a', 'á': 'a', 'à': 'a', 'в': 'b', 'с': 'c', 'ç': 'c', 'е': 'e', 'é': 'e', 'è': 'e', 'ё': 'e', 'һ': 'h', 'н': 'h',
	'і': 'i', 'í': 'i', 'ï': 'i', 'ı': 'i', 'ј': 'j', 'к': 'k', 'κ': 'k', 'м': 'm', 'ո': 'n', 'ñ': 'n', 'о': 'o', 'ο': 'o', 'ö': 'o', 'ó': 'o', 'ø': 'o', '0': 'o',
	'р': 'p', 'ρ': 'p', 'ѕ': 's', 'т': 't', 'τ': 't', 'υ': 'u', 'ü': 'u', 'ú': 'u', 'ν': 'v', 'х': 'x', 'χ': 'x', 'у': 'y', 'α': 'a', 'ε': 'e', 'ι': 'i',
	'1': 'l', '|': 'l',
}

// looks is how a name looks at a glance: without case, spaces and marks, with
// look-alike letters made one.
func looks(name string) string {
	return strings.Map(func(r rune) rune {
		r = unicode.ToLower(r)
		if to, ok := alike[r]; ok {
			return to
		}
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return r
	}, name)
}
