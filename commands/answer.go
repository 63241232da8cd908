package commands

import (
	"context"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// Choices are what an ask step's question offers.
func Choices(q *incident.Question) []string {
	if len(q.Choices) == 0 {
		return []string{"done"}
	}
	return q.Choices
}

// answer says of something that people do or confirm how it stands.
func (c *Commands) answer(ctx context.Context, ask Ask, who Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	// A button carries the question and the choice.
	said := ""
	if q, choice, ok := strings.Cut(ask.On, " "); ok {
		ask.On, said = q, choice
	}
	var title string
	var left int
	a = c.record(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		q, rest, err := c.pick(s, p, ask, incident.AskPerson, "answer")
		if err != nil {
			return nil, err
		}
		if said == "" {
			said = strings.TrimSpace(rest)
		}
		choice := said
		if choice == "" && len(Choices(q)) == 1 {
			choice = Choices(q)[0]
		}
		if i := slices.IndexFunc(Choices(q), func(o string) bool { return text.Fold(o) == text.Fold(choice) }); i >= 0 {
			choice = Choices(q)[i]
		} else {
			return nil, refuse("“%s” can be answered with %s: {answer %s %s}.", q.Title, text.List(Choices(q), "or"), q.Step, Choices(q)[0])
		}
		v := c.look(s)
		switch v.MayAnswer(who, q) {
		case "":
		case view.NotTheRole:
			return nil, refuse("To answer “%s” takes %s; you are %s. %v", q.Title, either(view.Roles(q)), rolesOf(who), c.whoCan(s, q))
		case view.AnsweredIt:
			return nil, refuse("You have answered “%s” already; it takes %s. %v", q.Title, text.Count(q.Wanting(), "more person"), c.whoCan(s, q))
		default:
			return nil, c.stale(s, q, who.ID)
		}
		title, left = q.Title, q.Wanting()-1
		return []incident.Body{incident.ApprovalGiven{
			Question: q.Question, Kind: incident.AskPerson, Step: q.Step, Choice: choice, Click: ask.Request,
		}}, nil
	})
	switch {
	case a != nil:
		return *a
	case left > 0:
		return Answer{Text: text.Format("Noted: “%s”. It takes %s.", title, text.Count(left, "more person"))}
	}
	return Answer{Text: text.Format("Noted: “%s”.", title)}
}
