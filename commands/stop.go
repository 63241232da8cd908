package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// pause lets nothing new start. What is under way comes to its end.
func (c *Commands) pause(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	why := strings.TrimSpace(ask.Text)
	if ask.Values != nil {
		why = strings.TrimSpace(ask.Values["reason"])
	}
	var busy []string
	a = c.record(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		if err := c.running(s); err != nil {
			return nil, err
		}
		if s.Paused {
			return nil, refuse("%s is paused already, by %s. To go on: {resume}.", s.ID.Name(), named(s.PausedBy))
		}
		busy = busySteps(s, p)
		return []incident.Body{incident.RunPaused{Reason: text.Shorten(why, reasonMax)}}, nil
	})
	if a != nil {
		return *a
	}
	say := text.Format("Paused by %s: nothing new starts.", named(ask.person))
	if why != "" {
		say = text.Format("Paused by %s (%s): nothing new starts.", named(ask.person), text.Quote(text.Shorten(why, reasonMax)))
	}
	if len(busy) > 0 {
		say = say.Add(" Under way, and coming to its end: %s.", text.List(busy, "and"))
	}
	return Answer{Text: say.Add(" To go on: {resume}."), Public: true}
}

func busySteps(s *incident.State, p *runbook.Plan) []string {
	var out []string
	for _, st := range p.Steps {
		if s.Step(st.ID).Status == incident.Running {
			out = append(out, st.Title)
		}
	}
	return out
}

// resume ends a pause.
func (c *Commands) resume(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	a = c.record(ctx, ask, id, func(s *incident.State, _ *runbook.Plan) ([]incident.Body, error) {
		if err := c.running(s); err != nil {
			return nil, err
		}
		if !s.Paused {
			return nil, refuse("%s is not paused. %s", s.ID.Name(), c.waits(s))
		}
		return []incident.Body{incident.RunResumed{}}, nil
	})
	if a != nil {
		return *a
	}
	return Answer{Text: text.Format("Resumed by %s.", named(ask.person)), Public: true}
}

// then is one sentence after others, or on a line of its own after a list.
func then(say, next text.Text) text.Text {
	if say.Several() {
		return text.Lines(say, next)
	}
	return say.Add(" %v", next)
}

// resolve closes an incident whose run is over: verified, or stopped.
func (c *Commands) resolve(ctx context.Context, ask Ask, who Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	why := strings.TrimSpace(ask.Text)
	if ask.Values != nil {
		why = strings.TrimSpace(ask.Values["reason"])
	}
	already := false
	a = c.record(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		already = false
		if who.ID != s.Declared.Commander && !who.Has(Commander) {
			return nil, refuse("To resolve takes the commander; %v", c.can([]string{Commander}, nil))
		}
		switch {
		case !s.ResolvedAt.IsZero() && s.ResolvedBy != who.ID:
			return nil, c.live(s)
		case !s.ResolvedAt.IsZero():
			already = true
			return nil, nil
		case s.MitigatedAt.IsZero() && !s.Over():
			return nil, refuse("%s cannot be resolved yet: %s. %s To give it up instead: {abort REASON}, then {resolve}.",
				s.ID.Name(), missing(s, p), c.waits(s))
		}
		return resolution(s, text.Shorten(why, reasonMax)), nil
	})
	if a != nil {
		return *a
	}
	if already {
		return Answer{Text: text.Format("%s is resolved, as you said before.", id.Name())}
	}
	c.log.Info().Str("incident", string(id)).Msg("incident resolved")
	return Answer{Text: text.Format("%s is resolved.", id.Name())}
}

// resolution closes an incident, and whatever it still asked.
func resolution(s *incident.State, why string) []incident.Body {
	bodies := []incident.Body{incident.IncidentResolved{Reason: why}}
	for _, open := range s.Open {
		bodies = append(bodies, incident.ApprovalWithdrawn{Question: open, Step: s.Questions[open].Step, Why: "the incident is resolved"})
	}
	return bodies
}

// missing says what keeps an incident from being resolved.
func missing(s *incident.State, p *runbook.Plan) string {
	var left []string
	for _, st := range p.Steps {
		if st.Kind.Ends() && !s.Step(st.ID).Status.Settled() {
			left = append(left, "“"+st.Title+"”")
		}
	}
	switch n := len(left); {
	case n == 0:
		return "it is not yet on the record that " + s.Target + " serves"
	case n > 4:
		return fmt.Sprintf("%d steps are left, next %s", n, text.List(left[:3], "and"))
	case n == 1:
		return left[0] + " is left"
	}
	return text.List(left, "and") + " are left"
}
