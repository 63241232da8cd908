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

// abort stops the run for good and says what stays changed.
func (c *Commands) abort(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	may := func(s *incident.State) error {
		if q := s.Question(ask.On); q != nil && !q.Open {
			return c.stale(s, q, ask.person)
		}
		if s.Damage != "" && s.Diverged == nil {
			return c.live(s) // whatever it holds, it can be stopped
		}
		return c.running(s)
	}
	if ask.Values == nil && ask.Text == "" && ask.CanForm {
		var f *Form
		a = c.view(ctx, id, func(s *incident.State, p *runbook.Plan) error {
			if err := may(s); err != nil {
				return err
			}
			f = &Form{
				Verb: "abort", On: ask.On, Incident: s.ID, Title: "Abort the run", Submit: "Abort",
				Text:   text.Format("The run stops for good. %v", c.remains(s, p)).Short(2800),
				Fields: []Field{{Name: "reason", Label: "Why", Hint: everybodyReads, Lines: true}},
			}
			return nil
		})
		if a != nil {
			return *a
		}
		return Answer{Form: f}
	}
	why, a := reason(ask, ask.Text, "abort REASON")
	if a != nil {
		return *a
	}
	var stays text.Text
	a = c.record(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		if err := may(s); err != nil {
			return nil, err
		}
		var bodies []incident.Body
		if q := s.Question(ask.On); q != nil && q.Kind == incident.AskFailed {
			bodies = chosen(s, ask, q.Step, "abort", why)
		}
		aborted := incident.RunAborted{Reason: why}
		for _, st := range s.Changed() {
			aborted.Changed = append(aborted.Changed, st.ID)
		}
		stays = c.remains(s, p)
		return append(bodies, aborted), nil
	})
	if a != nil {
		return *a
	}
	return Answer{Text: then(text.Format("%s is stopped. %v", id.Name(), stays), text.Format("To close it: {resolve}."))}
}

// then is one sentence after others, or on a line of its own after a list.
func then(say, next text.Text) text.Text {
	if say.Several() {
		return text.Lines(say, next)
	}
	return say.Add(" %v", next)
}

// remains is what stays changed when the run stops here, what stood there before
// as far as it is known, how each change is taken back, and the way on past a point
// of no return.
func (c *Commands) remains(s *incident.State, p *runbook.Plan) text.Text {
	changed := s.Changed()
	if len(changed) == 0 {
		return text.Format("Nothing was changed.")
	}
	lines := []text.Text{text.Format("What stays changed:")}
	var final []string
	var sure text.Literal
	for _, st := range changed {
		step, _ := p.Step(st.ID)
		line := text.Format("• %v (%v)", text.Passage(title(p, st.ID)), text.ID(st.ID))
		if st.Intended != nil {
			line = line.Add(", which may have happened")
			if step.NoReturn {
				sure = "if it happened, "
			}
		}
		if was := st.Before; was != "" {
			line = line.Add(". Before: %v", text.Quote(text.Shorten(strings.TrimRight(was, "."), 300)))
		}
		if step.Undo != "" {
			line = line.Add(". Way back: %v", text.Passage(strings.TrimRight(step.Undo, ".")))
		}
		lines = append(lines, line.Add("."))
		if step.NoReturn {
			final = append(final, "“"+step.Title+"”")
		}
	}
	if len(final) > 0 {
		if sure == "" && !c.look(s).Shown(incident.DatabaseWrites) {
			sure = "once it has come about, "
		}
		lines = append(lines, text.Format("%s cannot be taken back at once: %swrites belong to %s from here. The way on: {start %s %s REASON} finishes moving users to %s; what is done is found and not done twice. Moving back to %s is done by hand, once it stands again: docs/operations.md.",
			text.List(final, "and"), sure, s.Target, s.Target, s.Mode, s.Target, s.Source))
	}
	return text.Lines(lines...).Short(6000)
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
			return nil, refuse("To resolve takes the commander: %s. %s", named(s.Declared.Commander), c.can([]string{Commander}, nil))
		}
		switch {
		case !s.ResolvedAt.IsZero() && s.ResolvedBy != who.ID:
			return nil, c.live(s)
		case !s.ResolvedAt.IsZero():
			already = true
			return nil, nil
		case s.MitigatedAt.IsZero() && s.AbortedAt.IsZero():
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
		if !s.Step(st.ID).Status.Settled() {
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
