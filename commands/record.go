package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// noteMax is how long a note may be.
const noteMax = 3000

// note puts a remark on the record, for everybody to see.
func (c *Commands) note(ctx context.Context, ask Ask, who Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	words := ask.Text
	if ask.Values != nil {
		words = strings.TrimSpace(ask.Values["text"])
	}
	var say text.Text
	switch {
	case words == "" && ask.Values == nil && ask.CanForm:
		return Answer{Form: &Form{
			Verb: "note", On: ask.On, Incident: id, Title: "Note", Submit: "Note",
			Fields: []Field{{Name: "text", Label: "What to remember", Lines: true}},
		}}
	case words == "":
		say = text.Format("A note needs its text: {note AWS support case 123 opened}.")
	case len([]rune(words)) > noteMax:
		say = text.Format("At most %d letters fit in a note; this has %d. Put it in two.", noteMax, len([]rune(words)))
	}
	if !say.Empty() {
		if ask.Values != nil {
			return Answer{Refused: true, Errors: map[string]text.Text{"text": say}}
		}
		return Answer{Refused: true, Text: say}
	}
	a = c.record(ctx, ask, id, func(*incident.State, *runbook.Plan) ([]incident.Body, error) {
		return []incident.Body{incident.NoteAdded{Text: words}}, nil
	})
	if a != nil {
		return *a
	}
	return Answer{Text: text.Format("Noted by %v: %v", named(who.ID), text.Quote(words)), Public: true}
}

// latest is the incident meant by those who only want to read: the button's, the
// current one, or the last.
func (c *Commands) latest(ctx context.Context, ask Ask) (incident.ID, *Answer) {
	if ask.Incident != "" {
		return ask.Incident, nil
	}
	if id, a := c.current(ctx, ask); a != nil || id != "" {
		return id, a
	}
	ids, err := c.Book.Log().Incidents(ctx, 0)
	if err != nil {
		return "", c.answerTo(fmt.Errorf("list former incidents: %w", err), false)
	}
	if len(ids) == 0 {
		return "", refused("There has been no incident yet, so there is no record. To begin one: {start %s}.", c.standby(""))
	}
	return ids[len(ids)-1], nil
}

// shownLines is how much of the timeline is in the answer itself.
const shownLines = 15

// timeline hands over the record, and shows its end.
func (c *Commands) timeline(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.latest(ctx, ask)
	if a != nil {
		return *a
	}
	events, err := c.Book.Log().Read(ctx, id, 0, 0)
	if err != nil {
		return *c.answerTo(fmt.Errorf("read the timeline of %s: %w", id, err), false)
	}
	if len(events) == 0 {
		return *refused("%s has no events on the record. {status} shows what there is.", id.Name())
	}
	lines := make([]string, 0, len(events))
	var end []string
	for _, e := range events {
		line := c.line(e)
		lines = append(lines, line)
		end = append(end, text.Shorten(line, 180))
	}
	end = end[max(0, len(end)-shownLines):]
	file := File{
		Name: id.Name() + "-timeline.txt", Title: id.Name() + " timeline",
		Content: []byte(strings.Join(lines, "\n") + "\n"),
	}
	if c.Timeline != nil {
		if file, err = c.Timeline(ctx, id); err != nil {
			return *refused("The timeline of %s could not be written as a file: %s. Nothing on the record is lost.", id.Name(), err)
		}
	}
	return Answer{
		Text: text.Format("%v, %s; the last %d:\n%v", text.Heading("%s", id.Name()), text.Count(len(events), "event"), len(end), text.Aligned(end...)),
		File: &file,
	}
}

// review hands over the draft of the post-incident review.
func (c *Commands) review(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.latest(ctx, ask)
	if a != nil {
		return *a
	}
	if c.Review == nil {
		return *refused("No review is set up here. {timeline} has the record.")
	}
	file, err := c.Review(ctx, id)
	if err != nil {
		return *refused("The review of %s could not be written: %s. {timeline} has the record.", id.Name(), err)
	}
	return Answer{Text: text.Format("Review draft of %s as of now.", id.Name()), File: &file}
}

// line is one event of the record, in UTC.
func (c *Commands) line(e incident.Event) string {
	told := strings.Join(strings.Fields(c.tell(e.Body)), " ")
	line := fmt.Sprintf("%s  %-4d %s", e.Time.UTC().Format("2006-01-02 15:04:05 UTC"), e.Seq, e.Body.Type())
	if told != "" {
		line += ": " + told
	}
	if e.Actor != "" && e.Actor != incident.Bot {
		line += " (" + c.name(e.Actor) + ")"
	}
	return line
}

// tell is what an event has to say beyond its name.
func (c *Commands) tell(b incident.Body) string {
	switch b := b.(type) {
	case incident.IncidentDeclared:
		return fmt.Sprintf("%s, %s: %s; began %s", b.Incident.Name(), b.Severity, b.Reason, b.Began.UTC().Format("15:04 UTC"))
	case incident.RunBegun:
		return fmt.Sprintf("%s, %s -> %s, %s, plan %s", b.Kind, b.Source, b.Target, b.Mode, b.Digest)
	case incident.DurabilityFound:
		return b.Says
	case incident.RunTaken:
		say := b.Holder
		if b.Return {
			say += ", taking over a run that had begun"
		}
		if len(b.Looking) > 0 {
			say += ", looking at " + text.List(b.Looking, "and")
		}
		return say
	case incident.StepStarted:
		return attempt(b.Step, b.Attempt)
	case incident.ChangeIntended:
		return fmt.Sprintf("%s, %s, before: %s", attempt(b.Step, b.Attempt), b.Action, nonempty(b.Before, "not recorded"))
	case incident.StepFinished:
		say := b.Step + ": " + b.Summary
		if b.Already {
			say += " (it was so already)"
		}
		return say
	case incident.StepFailed:
		say := attempt(b.Step, b.Attempt) + ": " + b.Error
		for _, more := range []struct {
			is   bool
			word string
		}{{b.Unknown, "unknown"}, {b.Advice, "advice"}, {b.MayHaveHappened, "may have happened"}} {
			if more.is {
				say += ", " + more.word
			}
		}
		return say
	case incident.StepSkipped:
		return b.Step + ": " + b.Reason
	case incident.StepRetried:
		return b.Step
	case incident.ApprovalAsked:
		say := fmt.Sprintf("%s %s, %s, for %s", b.Question, b.Kind, b.Title, text.Article(nonempty(b.Role, "person")))
		for _, e := range b.Effects {
			say += "; " + e.What
			if e.Lost != "" {
				say += ", may lose " + e.Lost
			}
		}
		if b.Again != "" {
			say += "; asked anew: " + b.Again
		}
		return say
	case incident.ApprovalGiven:
		say := fmt.Sprintf("%s %s %s", b.Question, b.Choice, b.Step)
		if len(b.Overridden) > 0 {
			say += ", overriding " + text.List(b.Overridden, "and")
		}
		if b.BrokeGlass {
			say += ", alone, breaking glass"
		}
		return withReason(say, b.Reason)
	case incident.ApprovalDeclined:
		return withReason(b.Question+" "+b.Step, b.Reason)
	case incident.ApprovalExpired:
		return b.Question + " " + b.Step
	case incident.ApprovalWithdrawn:
		return withReason(b.Question+" "+b.Step, b.Why)
	case incident.RunPaused:
		return b.Reason
	case incident.RunResumed:
		return ""
	case incident.RunAborted:
		say := b.Reason
		if len(b.Changed) > 0 {
			say += "; stays changed: " + text.List(slices.Clone(b.Changed), "and")
		}
		return say
	case incident.IncidentMitigated:
		return b.Summary
	case incident.IncidentResolved:
		return b.Reason
	case incident.NoteAdded:
		return b.Text
	}
	return ""
}

func attempt(step string, n int) string {
	if n > 1 {
		return fmt.Sprintf("%s (attempt %d)", step, n)
	}
	return step
}

func withReason(say, why string) string {
	if why == "" {
		return say
	}
	return say + ": " + why
}
