package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// goNow is Go: from here on the run changes things. It is for an incident whose
// required checks are all well; goOverride is for the others.
func (c *Commands) goNow(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	var alone text.Text
	a = c.record(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		q, gates, err := c.weigh(s, p, ask)
		if err != nil {
			return nil, err
		}
		if len(gates.failed) > 0 {
			return nil, c.gatesFailed(s, p, q, gates)
		}
		alone = c.leavesNobody(s, p, ask.person)
		return []incident.Body{incident.ApprovalGiven{
			Question: q.Question, Kind: incident.AskGo, Step: q.Step, Choice: "go", Click: ask.Request,
		}}, nil
	})
	if a != nil {
		return *a
	}
	return Answer{Text: text.Format("Go. Changes begin now.%v", alone)}
}

// goOverride is Go although required checks failed, with a reason. It covers the
// failures that the person was shown and no others.
func (c *Commands) goOverride(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	question, shown, carried := strings.Cut(ask.On, " ")
	ask.On = question
	why, sure := certain(ask.Text)
	if ask.Values == nil && !sure && (ask.CanForm || why != "") {
		var f *Form
		a = c.view(ctx, id, func(s *incident.State, p *runbook.Plan) error {
			q, gates, err := c.weigh(s, p, ask)
			if err != nil {
				return err
			}
			if len(gates.failed) == 0 {
				return &refusal{Answer{
					Refused: true, Text: text.Format("No required check is failed any more, so there is nothing to override. Press Go, or {go}."),
					Buttons: []Button{{Verb: "go", Label: "Go", On: q.Question, Incident: s.ID, Style: "primary"}},
				}}
			}
			if err := c.lockedGates(s, p, gates); err != nil {
				return err
			}
			f = &Form{
				Verb: "go_override", On: strings.Join(append([]string{q.Question}, gates.failed...), " "), Incident: s.ID,
				Title: "Go all the same", Submit: "Go",
				Text:   text.Format("These required checks are not well:\n%v\nThe run goes on without them.", c.gateList(s, p, gates)),
				Fields: []Field{{Name: "reason", Label: "Why go on without them", Hint: everybodyReads, Lines: true, Value: why}},
			}
			return nil
		})
		if a != nil {
			return *a
		}
		return askBack(ask, f, text.Format("{go-override %s %s}", anyway, text.Shorten(why, reasonMax)))
	}
	why, a = reason(ask, why, "go-override REASON")
	if a != nil {
		return *a
	}
	var overridden []string
	var alone text.Text
	a = c.record(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		q, gates, err := c.weigh(s, p, ask)
		if err != nil {
			return nil, err
		}
		if err := c.lockedGates(s, p, gates); err != nil {
			return nil, err
		}
		if carried {
			seen := strings.Fields(shown)
			more := slices.DeleteFunc(slices.Clone(gates.failed), func(g string) bool { return slices.Contains(seen, g) })
			if len(more) > 0 {
				return nil, refuse("This changed while you were reading: %s failed too. Look again.", titles(p, more))
			}
		}
		overridden = gates.failed
		alone = c.leavesNobody(s, p, ask.person)
		bodies := []incident.Body{incident.ApprovalGiven{
			Question: q.Question, Kind: incident.AskGo, Step: q.Step, Choice: "go",
			Reason: why, Overridden: gates.failed, Click: ask.Request,
		}}
		for _, g := range gates.failed {
			bodies = append(bodies, incident.StepSkipped{Step: g, Reason: why})
		}
		return bodies, nil
	})
	if a != nil {
		return *a
	}
	return Answer{Text: text.Format("Go, overriding %s. Changes begin now.%s", text.Count(len(overridden), "failed gate"), alone)}
}

// gates are how the checks that a Go weighs stand.
type gates struct {
	failed []string
	busy   []string
}

// weigh finds the open question of Go and how its checks stand, or refuses.
func (c *Commands) weigh(s *incident.State, p *runbook.Plan, ask Ask) (*incident.Question, gates, error) {
	if err := c.live(s); err != nil {
		return nil, gates{}, err
	}
	if s.GoBy != "" {
		by := named(s.GoBy)
		if s.GoBy == ask.person {
			by = text.Format("you")
		}
		return nil, gates{}, refuse("Go was pressed by %s at %s. Nothing was done with your click. %s", by, clock(s.GoAt), c.waits(s))
	}
	if s.Paused {
		return nil, gates{}, refuse("%s is paused by %s. First: {resume}.", s.ID.Name(), named(s.PausedBy))
	}
	g := standing(c.look(s))
	if ask.On == "" && len(c.look(s).OfKind(incident.AskGo)) == 0 {
		switch {
		case len(g.busy) > 0:
			return nil, g, refuse("Readiness is still being checked: %s. Go is possible as soon as that is known.", titles(p, g.busy))
		case len(g.failed) > 0:
			return nil, g, c.gatesFailed(s, p, nil, g)
		}
		return nil, g, refuse("Go is not asked for yet. {status} shows what is under way.")
	}
	q, _, err := c.pick(s, p, ask, incident.AskGo, "go")
	if err != nil {
		return nil, g, err
	}
	if len(g.busy) > 0 {
		return nil, g, refuse("Still being checked: %s. Go is possible as soon as that is known.", titles(p, g.busy))
	}
	return q, g, nil
}

// standing is how the checks that Go needs stand: those that failed, unknown
// included, and those that it waits for.
func standing(v view.View) gates {
	r := v.Readiness()
	return gates{failed: ids(r.Stopped), busy: ids(r.Busy)}
}

func ids(steps []runbook.Step) []string {
	var out []string
	for _, s := range steps {
		out = append(out, s.ID)
	}
	return out
}

func (c *Commands) gateList(s *incident.State, p *runbook.Plan, g gates) text.Text {
	var lines []text.Text
	causes := c.look(s).Causes()
	for _, cause := range causes {
		lines = append(lines, causeLine(cause))
	}
	for _, id := range g.failed {
		f := s.Step(id).Failure
		word := "✗ failed"
		if f.Unknown {
			word = "? unknown"
		}
		line := text.Format("%s: %v (%v)", word, text.Passage(title(p, id)), text.ID(id))
		if _, of := view.CauseOf(causes, id); !of {
			line = line.Add(": %v", text.Quote(text.Shorten(f.Error, 200)))
			if f.Hint != "" {
				line = line.Add(" %v", text.Passage(text.Shorten(f.Hint, 200)))
			}
		}
		line = line.Add("%v", without(p, id))
		lines = append(lines, line)
	}
	return text.Lines(lines...).Short(2500)
}

// without says what it comes to when somebody goes on without that step.
func without(p *runbook.Plan, step string) text.Text {
	st, _ := p.Step(step)
	if st.Without == "" {
		return text.Text{}
	}
	return text.Format(" Without it: %v", text.Passage(st.Without))
}

// gatesFailed refuses a plain Go.
func (c *Commands) gatesFailed(s *incident.State, p *runbook.Plan, q *incident.Question, g gates) error {
	r := &refusal{Answer{Refused: true}}
	locked := lockedOf(p, g.failed)
	r.Text = text.Format("Not gone: %s %v not well.\n%v\n", text.Count(len(g.failed), "required check"), text.Are(len(g.failed)), c.gateList(s, p, g))
	if len(locked) > 0 {
		r.Text = r.Text.Add("Without %s nothing can go on. {retry} checks again; {abort} calls it off.", titles(p, locked))
		return r
	}
	r.Text = r.Text.Add("{retry} checks again, {go-override REASON} goes on all the same.")
	if q != nil {
		r.Buttons = []Button{
			{Verb: "retry", Label: text.Shorten("Retry “"+title(p, g.failed[0])+"”", 60), On: g.failed[0], Incident: s.ID, Style: "primary"},
			{Verb: "go_override", Label: fmt.Sprintf("Go, overriding %d ...", len(g.failed)), On: q.Question, Incident: s.ID},
		}
	}
	return r
}

func (c *Commands) lockedGates(s *incident.State, p *runbook.Plan, g gates) error {
	locked := lockedOf(p, g.failed)
	if len(locked) == 0 {
		return nil
	}
	return refuse("%s cannot be overridden: %s. {retry} checks again; {abort} calls it off.",
		titles(p, locked), c.sayWaiting(s, locked...))
}

func lockedOf(p *runbook.Plan, steps []string) []string {
	return slices.DeleteFunc(slices.Clone(steps), func(id string) bool {
		st, ok := p.Step(id)
		return ok && !view.Locked(st)
	})
}

// leavesNobody warns whoever presses Go of what that takes from them: an approver may
// then not approve, and when nobody else could either, one has to be found.
func (c *Commands) leavesNobody(s *incident.State, p *runbook.Plan, person string) text.Text {
	who, _ := c.Roster.ByID(person)
	var barred *runbook.Step
	for i, step := range p.Steps {
		if step.Approval == nil {
			continue
		}
		if barred == nil && who.Has(step.Approval.By) && !s.Requested(person, step.ID) {
			barred = &p.Steps[i]
		}
		others := slices.ContainsFunc(c.Roster, func(r Person) bool {
			return r.Has(step.Approval.By) && r.ID != person && !s.Requested(r.ID, step.ID)
		})
		if !others {
			return text.Format(" “%s” will need %s who neither started this nor pressed Go, and the roster has none left: see to one now.", step.Title, text.Article(step.Approval.By))
		}
	}
	if barred != nil {
		return text.Format(" You pressed Go, so somebody else has to approve “%s”. %v", barred.Title, c.can([]string{barred.Approval.By}, func(r Person) bool {
			return r.ID != person && !s.Requested(r.ID, barred.ID)
		}))
	}
	return text.Text{}
}
