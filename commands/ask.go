package commands

import (
	"context"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Ask is one thing that a person said, pressed or filled in, on any surface.
type Ask struct {
	// Via is the face that the person came by and their id there. The roster says
	// who that is.
	Via incident.Via
	// Verb is what is asked: "start", "approve", ...; "help" when nothing was
	// said. The verbs of buttons are among those of commands.
	Verb string
	// Text is what stood behind the verb.
	Text string
	// On is what a button or a form belongs to: a question's id, a step, an
	// incident. Empty for what was typed.
	On string
	// Incident that the button belongs to; empty for what was typed: the current
	// one is meant.
	Incident incident.ID
	// Values are what a form was filled with, by field. Nil if no form was.
	Values map[string]string
	// Request is the same for the same click however often it arrives.
	Request string
	// CanForm says that the surface can open a form now. Without it a missing
	// value is answered with what would work.
	CanForm bool

	// person is who that is, as the timeline names them; filled in by Do.
	person string
}

// Answer is for that person alone, unless Public.
//
// What it says is marked, not formatted: the surface renders it. Titles and labels
// are plain words, for no surface has marks on a button; the names of people in
// them come from the roster.
type Answer struct {
	// Text may be empty when the timeline shows all there is to say.
	Text text.Text
	// Public: everybody in the channel may see it (status, timeline, help stay
	// private; a note is echoed).
	Public bool
	// Form to be opened now, instead of an answer.
	Form *Form
	// Errors by field keep the form open.
	Errors map[string]text.Text
	// Buttons below the text.
	Buttons []Button
	// File to hand over with the answer, if any.
	File *File
	// Later finds out what this answer could not wait for, and is what is said then; nil
	// when nothing is to come. It is called once at most, and may take its time.
	Later func(context.Context) Answer
	// Refused says that nothing was done; the text says why and what would work.
	Refused bool
}

// Form asks a person for values.
type Form struct {
	// Verb and On come back with the values.
	Verb     string
	On       string
	Incident incident.ID
	Title    string // up to 24 characters
	Submit   string // up to 24 characters
	// Text above the fields; may be empty.
	Text   text.Text
	Fields []Field
}

// Field is one value of a form.
type Field struct {
	Name  string // the key in Ask.Values, and the block id on Slack
	Label string
	Hint  text.Text
	// Choices make it a choice; otherwise it is a line of text.
	Choices  []Choice
	Lines    bool // several lines of text
	Optional bool
	Value    string // filled in beforehand
}

// Choice is one value to choose.
type Choice struct {
	Value string
	Label string
}

// Button leads to the verb it names.
type Button struct {
	Verb     string
	Label    string
	On       string
	Incident incident.ID
	// Style is "", "primary" or "danger".
	Style string
	// Confirm is asked before it is sent; empty: nothing is.
	Confirm string
}

// File is text for a person to keep.
type File struct {
	Name    string
	Title   string
	Content []byte
}

// Person is somebody of the roster, or a stranger without a role.
type Person = incident.Person

// Engine is what answering needs of the engine.
type Engine interface {
	// Adopt makes the engine of this replica look at a new incident at once.
	Adopt(id incident.ID)
	// Awaits says that another replica carries that incident's run out, when it was
	// last heard of, and when this one takes over.
	Awaits(id incident.ID) (engine.Takeover, bool)
	// Effects reads what a yes to the open question about that step would do
	// now, and the fingerprint that a yes is bound to.
	Effects(ctx context.Context, id incident.ID, step string) ([]incident.Effect, string, error)
	// Readiness carries out the checks of a plan that need no decision, all at
	// once, without an incident, and says why that was done.
	Readiness(ctx context.Context, plan *runbook.Plan, why string) incident.AssessmentMade
	// Foresee says what carrying out a plan would do now, and changes nothing.
	Foresee(ctx context.Context, plan *runbook.Plan) *incident.Foreseen
}
