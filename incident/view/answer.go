package view

import (
	"slices"

	"github.com/failoverbot/failoverbot/incident"
)

// Refusal is why somebody may not answer a question; the zero value: they may.
type Refusal string

// Why not.
const (
	NotOpen      Refusal = "not open"        // answered, expired or withdrawn
	RanOut       Refusal = "ran out"         // its time is over and it is about to be asked again
	NotTheRole   Refusal = "not the role"    // it is for others
	AskedForIt   Refusal = "asked for it"    // who wanted the change may not approve it
	AnsweredIt   Refusal = "answered it"     // of several who have to agree they are one already
	NotOnTheList Refusal = "not on the list" // break-glass is for named persons
	NotYet       Refusal = "not yet"         // break-glass comes after an expiry
)

// leaders may press Go and decide about a step that stopped.
var leaders = []string{incident.RoleCommander, incident.RoleApprover}

// Roles that may answer a question. Go and a step that stopped are for whoever
// leads; everything else is for its role alone.
func Roles(q *incident.Question) []string {
	switch {
	case q.Kind == incident.AskGo, q.Kind == incident.AskFailed:
		return leaders
	case q.Role != "":
		return []string{q.Role}
	case q.Kind == incident.AskApprove:
		return []string{incident.RoleApprover}
	default:
		return leaders
	}
}

// MayAnswer says whether that person may answer the question now, and if not, why.
// Everything that names who is waited for, and the check of a click, asks this.
func (v View) MayAnswer(p incident.Person, q *incident.Question) Refusal {
	switch {
	case !v.Asks(q):
		return NotOpen
	case !q.Expires.IsZero() && !v.Now.Before(q.Expires):
		return RanOut
	}
	return v.may(p, q)
}

// may leaves out the time, which a card that is drawn a moment late does not know.
func (v View) may(p incident.Person, q *incident.Question) Refusal {
	switch {
	case q.Kind == incident.AskApprove && v.requested(p.ID, q):
		return AskedForIt
	case !p.Has(Roles(q)...):
		return NotTheRole
	case slices.Contains(q.Given, p.ID):
		return AnsweredIt
	}
	return ""
}

// requested says whether that person asked for anything that a yes to the question
// would do: its step, and those that its approval covers, whether or not their effects
// could be read.
func (v View) requested(person string, q *incident.Question) bool {
	if v.RequestedAny(person, q) {
		return true
	}
	if v.Plan == nil {
		return false
	}
	step, _ := v.Plan.Step(q.Step)
	return step.Approval != nil && slices.ContainsFunc(step.Approval.Covers, func(id string) bool { return v.Requested(person, id) })
}

// MayBreakGlass says whether that person may approve alone.
func (v View) MayBreakGlass(p incident.Person, q *incident.Question) Refusal {
	switch {
	case !v.Asks(q):
		return NotOpen
	case !q.Expires.IsZero() && !v.Now.Before(q.Expires):
		return RanOut
	case !p.BreakGlass:
		return NotOnTheList
	case v.Expiries[q.Step] < 1:
		return NotYet
	}
	return ""
}

// Answerers are those who can answer a question now, in the order of the roster: once
// nobody answered in time, whoever may break glass too.
func (v View) Answerers(q *incident.Question) []incident.Person {
	var out []incident.Person
	for _, p := range v.Roster {
		if v.may(p, q) == "" || v.GlassOnly(p, q) {
			out = append(out, p)
		}
	}
	return out
}

// GlassOnly says that the person may answer a question by breaking glass alone.
func (v View) GlassOnly(p incident.Person, q *incident.Question) bool {
	return q.Kind == incident.AskApprove && p.BreakGlass && v.Expiries[q.Step] > 0 && v.may(p, q) != ""
}

// answers says that questions are answered now: the run is not over, and its record
// has not lost events about which nobody has decided yet.
func (v View) answers() bool { return !v.Over() && v.Diverged == nil }

// OpenQuestions are those that can be answered, oldest first. Once the run is over
// nobody is asked any more.
func (v View) OpenQuestions() []*incident.Question {
	if !v.answers() {
		return nil
	}
	var out []*incident.Question
	for _, id := range v.Open {
		if q := v.Questions[id]; q != nil {
			out = append(out, q)
		}
	}
	return out
}

// Asks says whether a question can still be answered.
func (v View) Asks(q *incident.Question) bool { return v.Waits(q) && v.answers() }

// OfKind are the open questions of a kind, oldest first.
func (v View) OfKind(kind incident.QuestionKind) []*incident.Question {
	var out []*incident.Question
	for _, id := range v.Open {
		if q := v.Questions[id]; q.Kind == kind {
			out = append(out, q)
		}
	}
	return out
}
