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
			return nil, refuse("%s is paused already, by %s. To go on: {resume}.", s.ID, named(s.PausedBy))
		}
		busy = busySteps(s, p)
		return []incident.Body{incident.RunPaused{Reason: text.Shorten(why, reasonMax)}}, nil
	})
	if a != nil {
		return *a
	}
	say := text.Format("Paused by %s: nothing new starts.", named(ask.Person))
	if why != "" {
		say = text.Format("Paused by %s (%s): nothing new starts.", named(ask.Person), text.Quote(text.Shorten(why, reasonMax)))
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
			return nil, refuse("%s is not paused. %s", s.ID, c.waits(s))
		}
		return []incident.Body{incident.RunResumed{}}, nil
	})
	if a != nil {
		return *a
	}
	return Answer{Text: text.Format("Resumed by %s.", named(ask.Person)), Public: true}
}

// abort stops the run for good and says what stays changed.
func (c *Commands) abort(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	may := func(s *incident.State) error {
		if q := s.Questions[ask.On]; q != nil && !q.Open {
			return c.stale(s, q, ask.Person)
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
				Text:   text.Format("The run stops for good. %v", remains(s, p, nil)).Short(2800),
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
	var plan *runbook.Plan
	a = c.record(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		if err := may(s); err != nil {
			return nil, err
		}
		var bodies []incident.Body
		if q := s.Questions[ask.On]; q != nil && q.Kind == incident.AskFailed {
			bodies = chosen(s, ask, q.Step, "abort", why)
		}
		aborted := incident.RunAborted{Reason: why}
		for _, st := range s.Changed() {
			aborted.Changed = append(aborted.Changed, st.ID)
		}
		stays, plan = remains(s, p, nil), p
		return append(bodies, aborted), nil
	})
	if a != nil {
		return *a
	}
	// What each change replaced is only on the timeline. An abort is rare, so it is
	// read once more; without it the answer says less.
	if events, err := c.Book.Log().Read(ctx, id, 0, 0); err != nil {
		c.log.Warn().Err(err).Str("incident", string(id)).Msg("stopped; the recorded values are left out of the answer")
	} else {
		stays = remains(incident.Fold(events), plan, befores(events))
	}
	return Answer{Text: then(text.Format("%s is stopped. %v", id, stays), text.Format("To close it: {resolve}."))}
}

// befores are the values that stood there before this run first touched them, by
// step, as far as they were recorded.
func befores(events []incident.Event) map[string]string {
	out := map[string]string{}
	for _, e := range events {
		if b, ok := e.Body.(incident.ChangeIntended); ok && out[b.Step] == "" && b.Before != "" {
			out[b.Step] = b.Before
		}
	}
	return out
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
func remains(s *incident.State, p *runbook.Plan, before map[string]string) text.Text {
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
		if was := before[st.ID]; was != "" {
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
		d := s.Declared
		if sure == "" && !writes(s, p) {
			sure = "once it has come about, "
		}
		lines = append(lines, text.Format("%s cannot be taken back at once: %swrites belong to %s from here. The way on: {start %s %s REASON} finishes moving users to %s; what is done is found and not done twice. Moving back to %s is done by hand, once it stands again: docs/operations.md.",
			text.List(final, "and"), sure, d.Target, d.Target, d.Mode, d.Target, d.Source))
	}
	return text.Lines(lines...).Short(6000)
}

// writes says that the target's database was seen to write, as far as the plan
// looks for that.
func writes(s *incident.State, p *runbook.Plan) bool {
	for _, step := range p.Steps {
		if step.Uses == "aurora.writable" && s.Step(step.ID).Status != incident.Done {
			return false
		}
	}
	return true
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
		if who.ID != s.Declared.Commander && !who.has(Commander) {
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
				s.ID, missing(s, p), c.waits(s))
		}
		return resolution(s, text.Shorten(why, reasonMax)), nil
	})
	if a != nil {
		// Somebody else may have died between resolving and closing.
		c.closeIfResolved(ctx, id)
		return *a
	}
	if err := c.Book.Log().Close(ctx, id); err != nil {
		c.log.Warn().Err(err).Str("incident", string(id)).Msg("resolved, but not closed; the next start closes it")
	}
	if already {
		return Answer{Text: text.Format("%s is resolved, as you said before.", id)}
	}
	c.log.Info().Str("incident", string(id)).Msg("incident resolved")
	return Answer{Text: text.Format("%s is resolved.", id)}
}

// resolution closes an incident, and whatever it still asked.
func resolution(s *incident.State, why string) []incident.Body {
	bodies := []incident.Body{incident.IncidentResolved{Reason: why}}
	for _, open := range s.Open {
		bodies = append(bodies, incident.ApprovalWithdrawn{Question: open, Step: s.Questions[open].Step, Why: "the incident is resolved"})
	}
	return bodies
}

// closeIfResolved lets the next incident begin after one that is resolved.
func (c *Commands) closeIfResolved(ctx context.Context, id incident.ID) {
	done := false
	if err := c.Book.View(ctx, id, func(s *incident.State) { done = !s.ResolvedAt.IsZero() }); err != nil || !done {
		return
	}
	if err := c.Book.Log().Close(ctx, id); err != nil {
		c.log.Warn().Err(err).Str("incident", string(id)).Msg("resolved, but not closed; the next start closes it")
	}
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
		return "it is not yet on the record that " + s.Declared.Target + " serves"
	case n > 4:
		return fmt.Sprintf("%d steps are left, next %s", n, text.List(left[:3], "and"))
	case n == 1:
		return left[0] + " is left"
	}
	return text.List(left, "and") + " are left"
}
