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

// closePoint takes an open point off every face, in the name of whoever says why.
func (c *Commands) closePoint(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	point, rest := cut(ask.Text)
	if ask.On != "" {
		point, rest = ask.On, ask.Text
	}
	point = strings.ToLower(point)
	var title string
	task := false
	open := func(s *incident.State, p *runbook.Plan) error {
		if s.Diverged != nil {
			return halted(s)
		}
		points := view.New(s, p, c.Roster, c.Clock.Now()).Points()
		i := slices.IndexFunc(points, func(p view.Point) bool { return p.ID == point })
		if i >= 0 {
			title, task = points[i].Title, s.Tasks[point] != nil
			return nil
		}
		if len(points) == 0 {
			return refuse("%s has no open point. Nothing was done.", s.ID.Name())
		}
		var names []string
		for _, p := range points {
			names = append(names, p.ID)
		}
		if point == "" {
			return refuse("Say which and why: {close-point POINT REASON}. Open: %s.", text.List(names, "and"))
		}
		return refuse("%s has no open point %v. Open: %s.", s.ID.Name(), typed(point), text.List(names, "and"))
	}
	if a := c.view(ctx, id, open); a != nil {
		return *a
	}
	if ask.Values == nil && rest == "" && ask.CanForm {
		return Answer{Form: &Form{
			Verb: "close_point", On: point, Incident: id, Title: "Close an open point", Submit: "Close it",
			Text:   text.Format("%v", text.Passage(title)),
			Fields: []Field{{Name: "reason", Label: "Why it need not stay open", Hint: everybodyReads, Lines: true}},
		}}
	}
	why, a := reason(ask, rest, "close-point "+point+" REASON")
	if a != nil {
		return *a
	}
	a = c.record(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		if err := open(s, p); err != nil {
			return nil, err
		}
		if task {
			return []incident.Body{incident.TaskClosed{Task: point, How: why}}, nil
		}
		return []incident.Body{incident.PointClosed{Point: point, How: why}}, nil
	})
	if a != nil {
		return *a
	}
	return Answer{Text: text.Format("%v closed the open point %v: %v.", named(ask.person), text.Quote(title), text.Quote(why)), Public: true}
}

// pointLines are the open points, a line each; of a task also for whom it is, until when,
// and how it is done.
func pointLines(v view.View) []text.Text {
	var out []text.Text
	for _, p := range v.Points() {
		line := text.Format("Open: %v (%v), since %v", text.Passage(p.Title), text.ID(p.ID), clock(p.Since))
		switch p.Owner {
		case "":
		case incident.RoleCommander, incident.RoleApprover, incident.RoleResponder:
			line = line.Add("; for %v", either([]string{p.Owner}))
		default:
			line = line.Add("; for %v", named(p.Owner))
		}
		if !p.Due.IsZero() {
			line = line.Add(", until %s", text.ToDay.UTC(p.Due))
		}
		line = line.Add(".")
		if p.How != "" {
			line = line.Add(" How: %v. Done: {close-point %s REASON}.", text.Passage(p.How), p.ID)
		}
		out = append(out, line)
	}
	return out
}
