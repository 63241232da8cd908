package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/review"
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
	var lost text.Text
	a = c.recordEvenHalted(ctx, ask, id, func(s *incident.State, _ *runbook.Plan) ([]incident.Body, error) {
		if !s.ResolvedAt.IsZero() {
			return nil, refuse("%s was resolved by %s at %s, so its record takes no more notes. What is still to be said belongs in the review: {review} hands over its draft.",
				s.ID.Name(), named(s.ResolvedBy), c.at(s.ResolvedAt))
		}
		lost = hurt(s)
		return []incident.Body{incident.NoteAdded{Text: words}}, nil
	})
	if a != nil {
		return *a
	}
	say = text.Format("Noted by %v: %v", named(who.ID), text.Quote(words))
	if !lost.Empty() {
		say = text.Lines(say, lost)
	}
	return Answer{Text: say, Public: true}
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
	ids, err := c.Book.Log().Incidents(ctx, 1)
	if err != nil {
		return "", c.answerTo(err, false)
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
		return *c.answerTo(err, false)
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
	return fmt.Sprintf("%s  %-4d %s", e.Time.UTC().Format("2006-01-02 15:04:05 UTC"), e.Seq, review.Sentence(e, c.name))
}
