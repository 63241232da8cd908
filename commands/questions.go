package commands

import (
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// waiting is who can answer a question: "Bob or Carol".
func (c *Commands) waiting(s *incident.State, q *incident.Question) text.Text {
	var names []text.Text
	for _, p := range c.look(s).Answerers(q) {
		names = append(names, named(p.ID))
	}
	if len(names) == 0 {
		return text.Format("nobody on the roster")
	}
	return text.Join(names, "or")
}

// asks is what a question is about, in a few words.
func asks(q *incident.Question) string {
	switch q.Kind {
	case incident.AskGo:
		return "Go"
	case incident.AskFailed:
		return "“" + q.Title + "” stopped: retry, go on or abort"
	case incident.AskPerson:
		return "“" + q.Title + "” is to be done or confirmed"
	case incident.AskApprove:
	}
	return "Approval of “" + q.Title + "”"
}

// stale says why a question that is no longer open cannot be answered.
func (c *Commands) stale(s *incident.State, q *incident.Question, person string) error {
	if run := s.RunOf(q.Run); q.Open && run != nil && run.Over() {
		return c.stoppedBefore(s, run)
	}
	by := named(q.By)
	if q.By == person {
		by = text.Format("you")
	}
	var say text.Text
	switch q.Answer {
	case "expired":
		say = text.Format("This question ran out unanswered at %s.", clock(q.At))
	case "withdrawn":
		say = text.Format("This question was withdrawn at %s: %s.", clock(q.At), text.Quote(strings.TrimRight(nonempty(q.Reason, "it no longer asked anything"), ".")))
	case "declined":
		say = text.Format("This question was declined by %s at %s.", by, clock(q.At))
	default:
		say = text.Format("This question was answered by %s at %s.", by, clock(q.At))
	}
	r := &refusal{Answer{Refused: true, Text: say.Add(" Nothing was done with your click.")}}
	if next := s.OpenQuestion(q.Step); next != nil && next.Kind == q.Kind {
		r.Text = r.Text.Add(" It was asked anew at %s; that one is open.", clock(next.AskedAt))
		if next.Kind == incident.AskApprove {
			r.Buttons = approveButtons(s, next)
		}
	}
	return r
}

func approveButtons(s *incident.State, q *incident.Question) []Button {
	return []Button{
		{Verb: "approve", Label: "Approve ...", On: q.Question, Incident: s.ID, Style: "primary"},
		{Verb: "decline", Label: "Decline ...", On: q.Question, Incident: s.ID, Style: "danger"},
	}
}

// waits says what is waited for now, for refusals that name what would work.
func (c *Commands) waits(s *incident.State) text.Text {
	var parts text.Text
	for _, id := range s.Open {
		q := s.Questions[id]
		if !parts.Empty() {
			parts = parts.Add(" ")
		}
		parts = parts.Add("%s waits for %v since %v.", asks(q), c.waiting(s, q), clock(q.AskedAt))
	}
	if parts.Empty() {
		return text.Format("No question is open; {status} shows what is under way.")
	}
	return parts
}

// pick finds the open question of a kind that is meant: by the button's id, by a
// step or question among the words typed, or the only one. words are what is
// left of the text.
func (c *Commands) pick(s *incident.State, p *runbook.Plan, ask Ask, kind incident.QuestionKind, verb string) (*incident.Question, string, error) {
	if s.Diverged != nil {
		return nil, "", halted(s)
	}
	if ask.On != "" {
		q := s.Question(ask.On)
		if q == nil {
			q = s.OpenQuestion(ask.On)
		}
		if q == nil {
			return nil, "", refuse("This button belongs to a question that %s does not have. Nothing was done with your click. %s", s.ID.Name(), c.waits(s))
		}
		if !s.Waits(q) {
			return nil, "", c.stale(s, q, ask.person)
		}
		if q.Kind != kind {
			return nil, "", refuse("That question is another one: %s. Nothing was done.", asks(q))
		}
		return q, ask.Text, nil
	}
	if err := c.live(s); err != nil {
		return nil, "", err
	}
	open := c.look(s).OfKind(kind)
	words := strings.Fields(ask.Text)
	for i, w := range words {
		w = text.Fold(w)
		at := slices.IndexFunc(open, func(q *incident.Question) bool { return q.Step == w || q.Question == w })
		if at >= 0 {
			return open[at], strings.Join(slices.Delete(words, i, i+1), " "), nil
		}
		if _, known := p.Step(w); known {
			return nil, "", refuse("“%s” does not wait for that. %s", title(p, w), c.waits(s))
		}
		if q := s.Questions[w]; q != nil {
			return nil, "", c.stale(s, q, ask.person)
		}
	}
	switch len(open) {
	case 0:
		return nil, "", refuse("Nothing waits for that now. %s", c.waits(s))
	case 1:
		return open[0], ask.Text, nil
	}
	var steps []text.Text
	for _, q := range open {
		says := q.Step
		if q.Kind == incident.AskPerson {
			says += " " + Choices(q)[0]
		}
		steps = append(steps, text.Format("{%s %s} (%s)", spoken(verb), says, q.Title))
	}
	return nil, "", refuse("More than one waits. Say which: %s.", text.Join(steps, "or"))
}

func title(p *runbook.Plan, step string) string {
	if st, ok := p.Step(step); ok && st.Title != "" {
		return st.Title
	}
	return step
}

func titles(p *runbook.Plan, steps []string) text.Text {
	var out []text.Text
	for _, id := range steps {
		out = append(out, text.Format("%s (%v)", title(p, id), text.ID(id)))
	}
	return text.Join(out, "and")
}
