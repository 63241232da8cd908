package commands

import (
	"context"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// found shows each check that Go weighs as it stands on the record, with what it
// read, the worst first: the card names only what is not well.
func (c *Commands) found(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.latest(ctx, ask)
	if a != nil {
		return *a
	}
	var say text.Text
	a = c.view(ctx, id, func(s *incident.State, _ *runbook.Plan) error {
		if s.Gone() {
			return refuse("%v", hurt(s))
		}
		head, lines := c.foundOf(s)
		if len(lines) == 0 {
			return refuse("The plan of %s has no check before Go.", s.ID.Name())
		}
		say = listing(head, lines)
		return nil
	})
	if a != nil {
		return *a
	}
	return Answer{Text: say}
}

func (c *Commands) foundOf(s *incident.State) (head text.Text, lines []text.Text) {
	v := c.look(s)
	causes := v.Causes()
	for _, cause := range causes {
		lines = append(lines, causeLine(cause))
	}
	open := map[string]int{}
	var found []incident.Finding
	var rest []text.Text // what has no verdict, or none any more
	for _, f := range v.Findings() {
		if _, of := view.CauseOf(causes, f.Step); of {
			f.Summary, f.Hint = "", ""
		}
		if f.Verdict != "" {
			found = append(found, f.Finding)
			continue
		}
		word := map[incident.Status]string{incident.Running: "running", incident.Skipped: "skipped"}[f.State.Status]
		word = nonempty(word, "to come")
		open[word]++
		rest = append(rest, findingLine(f.Finding, word, v.Now))
	}
	for _, f := range incident.WorstFirst(found) {
		lines = append(lines, findingLine(f, f.Verdict.Word(), v.Now))
	}
	head = text.Format("%v: %v", text.Heading("Readiness in %s", s.ID.Name()), tallied(found))
	for _, word := range []string{"running", "to come", "skipped"} {
		if n := open[word]; n > 0 {
			head = head.Add(", %d %s", n, word)
		}
	}
	if !s.GoAt.IsZero() {
		head = head.Add(" (Go by %v at %v)", named(s.GoBy), clock(s.GoAt))
	}
	return head, append(lines, rest...)
}
