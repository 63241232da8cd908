package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
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
	said := strings.TrimSpace(ask.Text)
	knows := ask.On == unserved // the form says what it closes
	if word, rest := cut(said); strings.EqualFold(word, unserved) {
		knows, said = true, rest
	}
	if ask.Values != nil {
		said = strings.TrimSpace(ask.Values["reason"])
	}
	already, closes := false, false
	var form *Form
	var open text.Text
	a = c.record(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		already, closes, form = false, false, nil
		if who.ID != s.Declared.Commander && !who.Has(Commander) {
			return nil, refuse("To resolve takes the commander; %v", c.can([]string{Commander}, nil))
		}
		switch {
		case !s.ResolvedAt.IsZero() && s.ResolvedBy != who.ID:
			return nil, c.live(s)
		case !s.ResolvedAt.IsZero():
			already, closes = true, s.Unserved
			return nil, nil
		case s.MitigatedAt.IsZero() && !s.Over():
			return nil, refuse("%s cannot be resolved yet: %s. %s To give it up instead: {abort REASON}, then {resolve}.",
				s.ID.Name(), missing(s, p), c.waits(s))
		}
		v := view.New(s, p, c.Roster, c.Clock.Now())
		served, why := v.Served()
		closes, open = !served, text.Lines(pointLines(v)...)
		switch {
		case served:
		case !knows && ask.CanForm, knows && said == "" && ask.CanForm && ask.Values == nil:
			form = c.unservedForm(s, why, said)
			return nil, nil
		case !knows:
			return nil, &refusal{Answer{
				Refused: true, Text: c.notServed(s, why).Add(" To close it all the same, as closed and not restored: {resolve unserved REASON}."),
				Buttons: []Button{{Verb: "resolve", Label: "Close, not restored …", On: unserved, Incident: s.ID, Style: "danger"}},
			}}
		default:
			r, a := reason(ask, said, "resolve unserved REASON")
			if a != nil {
				return nil, &refusal{*a}
			}
			said = r
		}
		return resolution(s, text.Shorten(said, reasonMax), closes), nil
	})
	switch {
	case a != nil:
		return *a
	case form != nil:
		return Answer{Form: form}
	case already && closes:
		return Answer{Text: text.Format("%s is closed, not restored, as you said before.", id.Name())}
	case already:
		return Answer{Text: text.Format("%s is resolved, as you said before.", id.Name())}
	}
	c.log.Info().Str("incident", string(id)).Bool("unserved", closes).Msg("incident closed")
	say := text.Format("%s is resolved.", id.Name())
	if closes {
		say = text.Format("%s is closed, not restored. The next incident counts the impact from the same beginning.", id.Name())
	}
	if !open.Empty() {
		say = say.Add("\n%v", open)
	}
	return Answer{Text: say}
}

// toClose is what closes an incident as things stand now.
func (c *Commands) toClose(s *incident.State) text.Text {
	if served, _ := c.look(s).Served(); served {
		return text.Format("{resolve}")
	}
	return text.Format("{resolve unserved REASON}")
}

// unserved is what has to be said to close an incident while users are not seen to be
// served.
const unserved = "unserved"

// notServed says that users are not seen to be served, and what is seen.
func (c *Commands) notServed(s *incident.State, why string) text.Text {
	return text.Format("Users are not seen to be served: %v. %s would be closed, and not be restored.", text.Passage(strings.TrimRight(why, ".")), s.ID.Name())
}

// unservedForm asks back before an incident is closed while users are not served.
func (c *Commands) unservedForm(s *incident.State, why, said string) *Form {
	return &Form{
		Verb: "resolve", On: unserved, Incident: s.ID, Title: "Close, not restored", Submit: "Close, not restored",
		Text:   c.notServed(s, why).Add(" The next incident counts the impact from the same beginning.").Short(2800),
		Fields: []Field{{Name: "reason", Label: "Why it is closed all the same", Hint: everybodyReads, Lines: true, Value: said}},
	}
}

// resolution closes an incident, and whatever it still asked. unserved says that users
// were not seen to be served.
func resolution(s *incident.State, why string, unserved bool) []incident.Body {
	bodies := []incident.Body{incident.IncidentResolved{Reason: why, Unserved: unserved}}
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
