package commands

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// The two ways to stop a run, as they are typed and as a form has them.
const (
	takingBack = "take-back"
	leaving    = "leave"
)

// stopping is what somebody said about stopping a run.
type stopping struct {
	// how is takingBack, leaving, or not said.
	how string
	// why is what was typed behind it; a form may say another.
	why string
}

// saidOf reads how a run is to be stopped: by the button that was pressed, the form, or
// the first word typed.
func saidOf(ask Ask) stopping {
	w := stopping{why: ask.Text}
	word, rest := cut(ask.Text)
	switch {
	case ask.Verb == "abort_back":
		w.how = takingBack
	case ask.Verb == "abort_leave":
		w.how = leaving
	case ask.Values != nil:
		w.how = ask.Values["how"]
	case word == takingBack || word == leaving:
		w.how, w.why = word, rest
	}
	return w
}

// abort stops the run for good. What it has changed is taken back by a run of its own,
// or stays: whoever stops it has read both and says which. Where there is nothing to
// choose it only asks why.
func (c *Commands) abort(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	said := saidOf(ask)
	var shown *Answer
	a = c.view(ctx, id, func(s *incident.State, _ *runbook.Plan) error {
		if err := c.mayAbort(s, ask, said); err != nil {
			return err
		}
		t, err := c.look(s).TakeBack()
		if err != nil {
			return err
		}
		chooses := c.chooses(s, t) && said.how == ""
		switch {
		case ask.CanForm && ask.Values == nil:
			shown = &Answer{Form: c.abortForm(s, t, ask, said)}
		case ask.Values != nil && chooses:
			shown = &Answer{Refused: true, Errors: map[string]text.Text{"how": text.Format("Choose whether what was changed is taken back or stays.")}}
		case chooses:
			shown = &Answer{
				Refused: true,
				Text: text.Lines(text.Format("Nothing was stopped yet: say what becomes of what was changed. {abort take-back REASON} or {abort leave REASON}."), c.ways(s, t)).
					Short(6000),
				Buttons: []Button{
					{Verb: "abort_back", Label: "Stop and take back …", On: string(s.Run.Name), Incident: s.ID},
					{Verb: "abort_leave", Label: "Stop, leave as is …", On: string(s.Run.Name), Incident: s.ID},
				},
			}
		}
		return nil
	})
	switch {
	case a != nil:
		return *a
	case shown != nil:
		return *shown
	}
	why, a := reason(ask, said.why, "abort "+strings.TrimSpace(said.how+" REASON"))
	if a != nil {
		return *a
	}
	var say text.Text
	a = c.record(ctx, ask, id, func(s *incident.State, _ *runbook.Plan) ([]incident.Body, error) {
		if err := c.mayAbort(s, ask, said); err != nil {
			return nil, err
		}
		var bodies []incident.Body
		if q := s.Question(ask.On); q != nil && q.Kind == incident.AskFailed {
			bodies = chosen(s, ask, q.Step, "abort", why)
		}
		t, err := c.look(s).TakeBack()
		if err != nil {
			return nil, err
		}
		aborted := incident.RunAborted{Reason: why, Changed: steps(t.Back, t.Stay)}
		if said.how != takingBack {
			say = then(text.Format("%s is stopped. %v", id.Name(), c.remains(s, t)), c.afterStop(s, t))
			return append(bodies, aborted), nil
		}
		begun, err := begins(s, t, "")
		if err != nil {
			return nil, err
		}
		aborted.Changed, aborted.TakeBack = steps(t.Stay), steps(t.Back)
		say = text.Format("%s is stopped, and what it has changed is taken back now: %s. {status} shows how far that is; {pause} and {abort} stop it.", id.Name(), text.Count(len(t.Back), "change"))
		return append(bodies, aborted, begun), nil
	})
	if a != nil {
		return *a
	}
	return Answer{Text: say}
}

// mayAbort refuses where there is no run to stop, where the run that was meant is over,
// and what cannot be taken back.
func (c *Commands) mayAbort(s *incident.State, ask Ask, said stopping) error {
	if q := s.Question(ask.On); q != nil && !q.Open {
		return c.stale(s, q, ask.person)
	}
	if meant := meantRun(s, ask.On); meant != nil && meant.Name != s.Run.Name {
		return c.stoppedBefore(s, meant)
	}
	if s.Damage != "" && s.Diverged == nil {
		return c.live(s) // whatever it holds, it can be stopped
	}
	if err := c.running(s); err != nil {
		return err
	}
	if s.Kind == incident.Undo && (ask.Values == nil && said.how != "" || said.how == takingBack) {
		return refuse("What %s had changed is being taken back already, since %v, as %s said. {abort REASON} stops that.", s.ID.Name(), clock(s.BegunAt), named(s.BegunBy))
	}
	if said.how != takingBack {
		return nil
	}
	t, err := c.look(s).TakeBack()
	switch {
	case err != nil:
		return err
	case len(t.Passed) > 0 && t.Plan == nil:
		return &refusal{Answer{Refused: true, Text: text.Lines(text.Format("Nothing was stopped, because this cannot be taken back any more. To stop all the same: {abort leave REASON}."), c.past(s, t))}}
	case t.Plan == nil:
		return refuse("Nothing was stopped: there is nothing to take back. To stop: {abort leave REASON}.")
	}
	return nil
}

// meantRun is the run that a button or form was drawn for; nil if it does not say.
func meantRun(s *incident.State, on string) *incident.Run {
	if q := s.Question(on); q != nil {
		return s.RunOf(q.Run)
	}
	return s.RunOf(incident.RunID(on))
}

// stoppedBefore tells whoever wants to stop a run that somebody else has stopped it.
func (c *Commands) stoppedBefore(s *incident.State, run *incident.Run) error {
	by, at := run.AbortedBy, run.AbortedAt
	if run.AbortedAt.IsZero() {
		by, at = run.EndedBy, run.EndedAt
	}
	say := text.Format("%s was stopped by %s at %s. Nothing was done with your click.", s.ID.Name(), named(by), c.at(at))
	if s.Kind == incident.Undo && !s.Over() {
		say = say.Add(" What it had changed is being taken back; {abort REASON} stops that.")
	}
	return &refusal{Answer{Refused: true, Text: say}}
}

// chooses says that whoever stops the run has two ways to choose from. What takes back
// is only stopped.
func (c *Commands) chooses(s *incident.State, t view.TakeBack) bool {
	return t.Plan != nil && s.Kind != incident.Undo
}

// abortForm asks how and why.
func (c *Commands) abortForm(s *incident.State, t view.TakeBack, ask Ask, said stopping) *Form {
	on := string(s.Run.Name)
	if q := s.Question(ask.On); q != nil {
		on = q.Question
	}
	f := &Form{
		Verb: ask.Verb, On: on, Incident: s.ID, Title: "Stop the run", Submit: "Stop",
		Text: text.Format("The run stops for good. %v", c.remains(s, t)).Short(2800),
	}
	if c.chooses(s, t) {
		f.Text = text.Lines(text.Format("The run stops for good."), c.ways(s, t)).Short(2800)
		switch said.how {
		case takingBack:
			f.Verb, f.Title, f.Submit = "abort_back", "Stop and take back", "Stop and take back"
			f.Text = text.Lines(text.Format("The run stops for good."), c.back(t)).Short(2800)
		case leaving:
			f.Verb, f.Title, f.Submit = "abort_leave", "Stop, leave as is", "Stop, leave as is"
			f.Text = text.Lines(text.Format("The run stops for good."), c.remains(s, t)).Short(2800)
		default:
			f.Fields = append(f.Fields, Field{Name: "how", Label: "What becomes of what was changed", Choices: []Choice{
				{takingBack, "Stop and take back"}, {leaving, "Stop, leave as is"},
			}})
		}
	}
	f.Fields = append(f.Fields, Field{Name: "reason", Label: "Why", Hint: everybodyReads, Lines: true, Value: text.Shorten(said.why, reasonMax)})
	return f
}

// ways are the two ways to stop, each with what becomes of every change.
func (c *Commands) ways(s *incident.State, t view.TakeBack) text.Text {
	return text.Lines(c.back(t), text.Format("%v: nothing is taken back. %v", text.Heading("Stop, leave as is"), c.remains(s, t)))
}

// back is what would be taken back, in that order, to what, and what stays all the same.
func (c *Commands) back(t view.TakeBack) text.Text {
	lines := []text.Text{text.Format("%v, in this order:", text.Heading("Stop and take back"))}
	for i, m := range t.Back {
		line := text.Format("%d. %v", i+1, text.Passage(m.Of.Title))
		if m.Intended != nil {
			line = line.Add(", which may have happened")
		}
		if was := m.Was(); was != "" {
			line = line.Add(": back to %v", text.Quote(text.Shorten(was, 200)))
		}
		lines = append(lines, line)
	}
	for _, m := range t.Stay {
		lines = append(lines, text.Format("• stays: %v%v", text.Passage(m.Of.Title), whyStays(m)))
	}
	return text.Lines(lines...)
}

func whyStays(m view.Made) text.Text {
	if m.Of.Leaves != "" {
		return text.Format(" (%v)", text.Passage(m.Of.Leaves))
	}
	return text.Text{}
}

// remains is what stays changed when the run stops here, what stood there before as far
// as it is known, how each change is taken back, and the way on past a point of no return.
func (c *Commands) remains(s *incident.State, t view.TakeBack) text.Text {
	made := append(append([]view.Made{}, t.Stay...), t.Back...)
	if len(made) == 0 && len(t.Passed) == 0 {
		if s.Kind == incident.Undo {
			return text.Format("Everything is as it was before.")
		}
		return text.Format("Nothing was changed.")
	}
	var lines []text.Text
	if len(t.Passed) > 0 {
		lines = append(lines, c.past(s, t))
	}
	lines = append(lines, text.Format("What stays changed:"))
	for _, m := range inOrder(made) {
		line := text.Format("• %v (%v)", text.Passage(m.Of.Title), text.ID(m.ID))
		if m.Intended != nil {
			line = line.Add(", which may have happened")
		}
		if was := m.Was(); was != "" {
			line = line.Add(". Before: %v", text.Quote(text.Shorten(was, 300)))
		}
		if m.Of.Undo != "" {
			line = line.Add(". Way back: %v", text.Passage(strings.TrimRight(m.Of.Undo, ".")))
		}
		lines = append(lines, line.Add("."))
	}
	return text.Lines(lines...).Short(6000)
}

// past says that a point of no return was passed, or may have been, and the way on.
func (c *Commands) past(s *incident.State, t view.TakeBack) text.Text {
	var final []string
	var sure text.Literal
	for _, step := range t.Passed {
		final = append(final, "“"+step.Title+"”")
		for _, m := range t.Stay {
			if m.ID == step.ID && m.Intended != nil {
				sure = "if it happened, "
			}
		}
	}
	if sure == "" && !c.look(s).Shown(incident.DatabaseWrites) {
		sure = "once it has come about, "
	}
	return text.Format("%s cannot be taken back at once: %swrites belong to %s from here, and what was changed for it stays. The way on: {start %s %s REASON} finishes moving users to %s; what is done is found and not done twice. Moving back to %s is a failback, once it follows again.",
		text.List(final, "and"), sure, s.Target, s.Target, s.Mode, s.Target, s.Source)
}

// afterStop is what can be done next with a run that was stopped.
func (c *Commands) afterStop(s *incident.State, t view.TakeBack) text.Text {
	if t.Plan != nil {
		return text.Format("To take that back: {take-back REASON}. To close it: %v.", c.toClose(s))
	}
	return text.Format("To close it: %v.", c.toClose(s))
}

// inOrder are changes in the order in which they were begun.
func inOrder(made []view.Made) []view.Made {
	return slices.SortedStableFunc(slices.Values(made), func(a, b view.Made) int { return a.Started.Compare(b.Started) })
}

func steps(lists ...[]view.Made) (ids []string) {
	for _, list := range lists {
		for _, m := range list {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// begins is the event that begins taking back.
func begins(s *incident.State, t view.TakeBack, why string) (incident.RunBegun, error) {
	raw, err := json.Marshal(t.Plan)
	if err != nil {
		return incident.RunBegun{}, refuse("The plan cannot be written down, so nothing was begun: %s.", err)
	}
	return incident.RunBegun{
		Kind: incident.Undo, Source: s.Source, Target: s.Target, Mode: s.Mode, Follows: t.Follows,
		Digest: t.Plan.Digest, Plan: raw, Reason: why,
	}, nil
}

// takeBack takes back what a stopped run has left, or goes on with what a taking back
// that was stopped has left.
func (c *Commands) takeBack(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	may := func(s *incident.State) (view.TakeBack, error) {
		if meant := meantRun(s, ask.On); meant != nil && meant.Name != s.Run.Name {
			return view.TakeBack{}, refuse("This was about %s, and %s has begun since. Nothing was done. %s", string(meant.Name), string(s.Run.Name), c.waits(s))
		}
		v := c.look(s)
		switch why := v.MayTakeBack(); {
		case s.Diverged != nil:
			return view.TakeBack{}, halted(s)
		case why != "" && !s.Over() && s.Kind != incident.Undo:
			return view.TakeBack{}, refuse("Nothing was taken back: %s. To stop it first: {abort}.", why)
		case why != "":
			return view.TakeBack{}, refuse("Nothing was taken back: %s. {status} shows where things stand.", why)
		}
		t, err := v.TakeBack()
		return t, err
	}
	var f *Form
	a = c.view(ctx, id, func(s *incident.State, _ *runbook.Plan) error {
		t, err := may(s)
		if err != nil {
			return err
		}
		f = &Form{
			Verb: "take_back", On: string(s.Run.Name), Incident: s.ID, Title: "Take back", Submit: "Take back",
			Text:   c.back(t).Short(2800),
			Fields: []Field{{Name: "reason", Label: "Why", Hint: everybodyReads, Lines: true, Value: text.Shorten(ask.Text, reasonMax)}},
		}
		return nil
	})
	switch {
	case a != nil:
		return *a
	case ask.CanForm && ask.Values == nil:
		return Answer{Form: f}
	}
	why, a := reason(ask, ask.Text, "take-back REASON")
	if a != nil {
		return *a
	}
	var n int
	a = c.record(ctx, ask, id, func(s *incident.State, _ *runbook.Plan) ([]incident.Body, error) {
		t, err := may(s)
		if err != nil {
			return nil, err
		}
		begun, err := begins(s, t, why)
		n = len(t.Back)
		return []incident.Body{begun}, err
	})
	if a != nil {
		return *a
	}
	return Answer{Text: text.Format("%s is taken back now. {status} shows how far that is; {pause} and {abort} stop it.", text.Count(n, "change"))}
}
