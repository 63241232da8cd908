package commands

import (
	"context"
	"errors"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// found shows each check that Go weighs as it stands on the record, with what it
// read: the card names only what is not well.
func (c *Commands) found(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.latest(ctx, ask)
	if a != nil {
		return *a
	}
	var say text.Text
	a = c.view(ctx, id, func(s *incident.State, p *runbook.Plan) error {
		if s.Gone() {
			return refuse("%v", hurt(s))
		}
		head, lines := c.foundOf(s, p)
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

func (c *Commands) foundOf(s *incident.State, p *runbook.Plan) (head text.Text, lines []text.Text) {
	tally := map[string]int{}
	v := c.look(s)
	causes := v.Causes()
	for _, cause := range causes {
		lines = append(lines, causeLine(cause))
	}
	for _, step := range p.Steps {
		if !v.Gate(step.ID) || step.Kind == runbook.Go {
			continue
		}
		f, word := findingOf(s, step)
		if _, of := view.CauseOf(causes, step.ID); of {
			f.Err, f.Hint = nil, ""
		}
		tally[word]++
		lines = append(lines, findingLine(f, word))
	}
	head = text.Format("%v: %d ok, %d failed, %d unknown", text.Heading("Readiness in %s", s.ID.Name()), tally["ok"], tally["failed"], tally["unknown"])
	for _, word := range []string{"running", "to come", "skipped"} {
		if n := tally[word]; n > 0 {
			head = head.Add(", %d %s", n, word)
		}
	}
	if !s.GoAt.IsZero() {
		head = head.Add(" (Go by %v at %v)", named(s.GoBy), clock(s.GoAt))
	}
	return head, lines
}

// findingOf is how a check stands on the record, and the word for it.
func findingOf(s *incident.State, step runbook.Step) (engine.Finding, string) {
	st := s.Step(step.ID)
	f := engine.Finding{Step: step}
	switch st.Status {
	case incident.Running:
		return f, "running"
	case incident.Done:
		f.OK, f.Outcome = true, engine.Outcome{Summary: st.Finished.Summary, Evidence: st.Finished.Evidence}
		return f, "ok"
	case incident.Skipped:
		f.Outcome.Summary = "gone past: " + st.SkipReason
		return f, "skipped"
	case incident.Failed, incident.Advised:
		f.Unknown, f.Hint, f.Err = st.Failure.Unknown, st.Failure.Hint, errors.New(st.Failure.Error)
		return f, verdict(f)
	case incident.Pending:
	}
	return f, "to come"
}
