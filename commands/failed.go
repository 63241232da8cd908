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

// retry carries a step that stopped out again.
func (c *Commands) retry(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	var say text.Text
	a = c.record(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		step, rest, err := c.stopped(s, p, ask, "retry")
		if err != nil {
			return nil, err
		}
		if rest != "" {
			return nil, c.noSuchStep(s, p, rest, "retry")
		}
		again := append([]string{step}, rerun(s, p, step)...)
		gone := s.Step(step).Failure.WillNotCome
		asked := func(id string) bool { // what was said before is void
			st, _ := p.Step(id)
			return (st.Approval != nil || st.CoveredBy != "") && !s.Step(id).Agreed()
		}
		switch st := s.Step(step); {
		case gone != "":
			say = text.Format("“%s” is asked for again", title(p, gone))
		case asked(step):
			say = text.Format("“%s” is looked at again", title(p, step))
		default:
			say = text.Format("“%s” is carried out again", title(p, step))
			if st.Agreed() {
				var by []text.Text
				for person := range strings.FieldsSeq(st.ApprovedBy) {
					by = append(by, named(person))
				}
				say = say.Add(", under the approval that %v gave", text.Join(by, "and"))
			}
		}
		if with := slices.DeleteFunc(slices.Clone(again[1:]), func(id string) bool { return id == gone }); len(with) > 0 {
			say = say.Add(", and with it %v", titles(p, with))
		}
		if s.Paused {
			say = say.Add(" as soon as the pause ends: {resume}")
		}
		say = say.Add(".")
		if slices.ContainsFunc(again, asked) {
			say = say.Add(" Unless it is done already, an approver is asked once more before it is carried out.")
		}
		bodies := chosen(s, ask, step, "retry", "")
		for _, id := range again {
			bodies = append(bodies, incident.StepRetried{Step: id})
		}
		return bodies, nil
	})
	if a != nil {
		return *a
	}
	return Answer{Text: say}
}

// overwrite takes back what somebody else changed meanwhile, too: what they were shown,
// and no more. If it changes once more they are asked once more.
func (c *Commands) overwrite(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	var step, rest string
	may := func(s *incident.State, p *runbook.Plan) (err error) {
		if step, rest, err = c.stopped(s, p, ask, "overwrite"); err != nil {
			return err
		}
		if !c.look(s).Overwrites(step) {
			return refuse("“%s” did not stop at something that somebody else changed, so there is nothing to overwrite. You can {retry %s} or {skip %s REASON}.", title(p, step), step, step)
		}
		return nil
	}
	var f *Form
	a = c.view(ctx, id, func(s *incident.State, p *runbook.Plan) error {
		if err := may(s, p); err != nil {
			return err
		}
		on := step
		if q := s.OpenQuestion(step); q != nil {
			on = q.Question
		}
		f = &Form{
			Verb: "overwrite", On: on, Incident: s.ID, Title: "Overwrite it", Submit: "Overwrite",
			Text:   text.Format("%v: %v", text.Heading("%s", title(p, step)), text.Quote(text.Shorten(s.Step(step).Failure.Error, 1000))),
			Fields: []Field{{Name: "reason", Label: "Why it may be overwritten", Hint: everybodyReads, Lines: true, Value: text.Shorten(rest, reasonMax)}},
		}
		return nil
	})
	switch {
	case a != nil:
		return *a
	case ask.CanForm && ask.Values == nil:
		return Answer{Form: f}
	}
	why, a := reason(ask, rest, "overwrite "+step+" REASON")
	if a != nil {
		return *a
	}
	var say text.Text
	a = c.record(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		if err := may(s, p); err != nil {
			return nil, err
		}
		say = text.Format("“%s” is carried out again, and overwrites what somebody else changed.", title(p, step))
		return append(chosen(s, ask, step, "overwrite", why),
			incident.StepRetried{Step: step, Overwrite: s.Step(step).Failure.Meanwhile, Reason: why}), nil
	})
	if a != nil {
		return *a
	}
	return Answer{Text: say}
}

// rerun are the steps that are carried out again with a retry of step: the change that
// it waited for and that will not come, and what found what it judges. One that is
// under way, or has not begun, finds out anyway.
func rerun(s *incident.State, p *runbook.Plan, step string) []string {
	st, _ := p.Step(step)
	if gone := s.Step(step).Failure.WillNotCome; gone != "" {
		others := slices.DeleteFunc(s.Awaiting(gone), func(id string) bool { return id == step })
		return append([]string{gone}, others...)
	}
	return slices.DeleteFunc(slices.Clone(st.Rerun), func(id string) bool {
		status := s.Step(id).Status
		return status != incident.Failed && !status.Settled()
	})
}

// skip goes on without a step that stopped, with a reason. Never past a locked
// step: DNS must not pass an unpromoted database or unhealthy target groups.
func (c *Commands) skip(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	may := func(s *incident.State, p *runbook.Plan) (string, string, error) {
		step, rest, err := c.stopped(s, p, ask, "skip")
		if err != nil {
			return "", "", err
		}
		if ask.On == "" {
			// The first word of what is left may be a step with a typing error.
			if word, _ := cut(rest); text.Nearest(word, ids(p.Steps)) != "" {
				return "", "", c.noSuchStep(s, p, word, "skip")
			}
		}
		if st, ok := p.Step(step); ok && view.Locked(st) {
			return "", "", refuse("“%s” cannot be skipped: %s. You can {retry %s} or {abort REASON}.", st.Title, c.sayWaiting(s, step), step)
		}
		return step, rest, nil
	}
	var step, rest, why string
	var sure bool
	var f *Form
	a = c.view(ctx, id, func(s *incident.State, p *runbook.Plan) error {
		var err error
		if step, rest, err = may(s, p); err != nil {
			return err
		}
		why, sure = certain(rest)
		on := step
		if q := s.OpenQuestion(step); q != nil {
			on = q.Question
		}
		st := s.Step(step)
		about := text.Format("%v stopped: %v", text.Heading("%s", title(p, step)), text.Quote(text.Shorten(st.Failure.Error, 500)))
		if st.Intended != nil || st.Failure.MayHaveHappened {
			about = about.Add("\nIt may have happened all the same.")
		}
		about = about.Add("\n%s.%v", c.sayWaiting(s, step), without(p, step))
		f = &Form{
			Verb: "go_on", On: on, Incident: s.ID, Title: "Go on without it", Submit: "Go on",
			Text:   about,
			Fields: []Field{{Name: "reason", Label: "Why go on without it", Hint: everybodyReads, Lines: true, Value: why}},
		}
		return nil
	})
	if a != nil {
		return *a
	}
	if ask.Values == nil && !sure && (ask.CanForm || why != "") {
		return askBack(ask, f, text.Format("{skip %s %s %s}", step, anyway, text.Shorten(why, reasonMax)))
	}
	why, a = reason(ask, why, "skip "+step+" REASON")
	if a != nil {
		return *a
	}
	var say text.Text
	a = c.record(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		step, _, err := may(s, p)
		if err != nil {
			return nil, err
		}
		say = text.Format("Going on without “%s”.", title(p, step))
		return append(chosen(s, ask, step, "skip", why), incident.StepSkipped{Step: step, Reason: why}), nil
	})
	if a != nil {
		return *a
	}
	return Answer{Text: say}
}

// chosen answers the open question about a step that stopped, if it was asked.
func chosen(s *incident.State, ask Ask, step, choice, why string) []incident.Body {
	q := s.OpenQuestion(step)
	if q == nil || q.Kind != incident.AskFailed {
		return nil
	}
	return []incident.Body{incident.ApprovalGiven{
		Question: q.Question, Kind: incident.AskFailed, Step: step, Choice: choice, Reason: why, Click: ask.Request,
	}}
}

// stopped finds the step that stopped and is meant, by the button's question or
// step, by its id among the words typed, or as the only one.
func (c *Commands) stopped(s *incident.State, p *runbook.Plan, ask Ask, verb string) (step, rest string, err error) {
	if q := s.Question(ask.On); q != nil && !s.Waits(q) {
		return "", "", c.stale(s, q, ask.person)
	}
	if err := c.running(s); err != nil {
		return "", "", err
	}
	if ask.On != "" {
		step, rest = ask.On, ask.Text
		if q := s.Question(ask.On); q != nil {
			step = q.Step
		}
		step = stoodStill(s, step, verb)
		if _, known := p.Step(step); !known {
			return "", "", refuse("This button belongs to a question or a step that %s does not have. Nothing was done with your click. %s", s.ID.Name(), c.waits(s))
		}
		return step, rest, c.hasStopped(s, p, step, verb)
	}
	if word, after := cut(ask.Text); word != "" {
		if _, known := p.Step(text.Fold(word)); known {
			step = stoodStill(s, text.Fold(word), verb)
			return step, after, c.hasStopped(s, p, step, verb)
		}
	}
	var failed []string
	for _, st := range p.Steps {
		if s.Step(st.ID).Status == incident.Failed {
			failed = append(failed, st.ID)
		}
	}
	switch len(failed) {
	case 0:
		if word, _ := cut(ask.Text); word != "" {
			return "", "", c.noSuchStep(s, p, word, verb)
		}
		return "", "", refuse("No step has stopped. %s", c.waits(s))
	case 1:
		return failed[0], ask.Text, nil
	}
	if word, _ := cut(ask.Text); word != "" && text.Nearest(word, ids(p.Steps)) != "" {
		return "", "", c.noSuchStep(s, p, word, verb)
	}
	var ways []text.Text
	for _, f := range failed {
		ways = append(ways, text.Format("{%s %s}", verb, f))
	}
	return "", "", refuse("%s stopped. Say which: %s.", text.Count(len(failed), "step"), text.Join(ways, "or"))
}

// stoodStill is the step that is meant by retrying step: of a change that was accepted
// and will not come about, the one that waited for it.
func stoodStill(s *incident.State, step, verb string) string {
	if waits := s.Awaiting(step); len(waits) > 0 && verb == "retry" && s.Step(step).Status == incident.Done {
		return waits[0]
	}
	return step
}

// hasStopped refuses for a step that did not stop. Before Go a check may be made again,
// whatever it found: somebody may have acted on it.
func (c *Commands) hasStopped(s *incident.State, p *runbook.Plan, step, verb string) error {
	st := s.Step(step)
	if verb == "retry" && st.Status.Settled() && len(c.look(s).OfKind(incident.AskGo)) > 0 && c.look(s).Weighed(step) {
		return nil
	}
	var how text.Text
	switch st.Status {
	case incident.Failed:
		return nil
	case incident.Pending:
		how = text.Format("has not begun")
		if len(st.Retriers) > 0 {
			how = text.Format("is about to be carried out again, as %s asked", named(st.Retriers[len(st.Retriers)-1]))
		}
	case incident.Running:
		how = text.Format("is being carried out since %v", clock(st.Started))
	case incident.Done:
		how = text.Format("was done at %v", clock(st.Ended))
	case incident.Advised:
		how = text.Format("is advice, and nothing waits for it")
	case incident.Skipped:
		how = text.Format("was skipped by %v", named(st.SkippedBy))
	}
	return refuse("“%s” %s; this is for a step that stopped. Nothing was done. %s", title(p, step), how, c.waits(s))
}

func (c *Commands) noSuchStep(s *incident.State, p *runbook.Plan, word, verb string) error {
	say := text.Format("This plan has no step %v.", typed(word))
	if meant := text.Nearest(word, ids(p.Steps)); meant != "" {
		return refuse("%s Did you mean {%s %s}?", say, verb, meant)
	}
	return refuse("%s %s {timeline} has the steps so far.", say, c.waits(s))
}

// sayWaiting names what comes after those steps and is not settled.
func (c *Commands) sayWaiting(s *incident.State, steps ...string) string {
	var names []string
	for _, st := range c.look(s).WaitFor(steps...) {
		names = append(names, "“"+st.Title+"”")
	}
	switch n := len(names); {
	case n == 0:
		return "nothing else waits for it"
	case n > 6:
		return text.List(append(names[:5:5], fmt.Sprintf("%d more", n-5)), "and") + " wait for it"
	case n == 1:
		return names[0] + " waits for it"
	}
	return text.List(names, "and") + " wait for it"
}
