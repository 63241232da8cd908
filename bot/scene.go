package bot

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// frozen is the plan of a run as the messages need it, worked out once.
type frozen struct {
	*runbook.Plan
	sections []section
	steps    map[string]*runbook.Step
	noReturn string // title of the first point of no return
	approval int
}

// section is a heading of the plan with its steps.
type section struct {
	runbook.Section
	steps   []*runbook.Step
	changes bool
}

func arrange(p *runbook.Plan) *frozen {
	f := &frozen{Plan: p, steps: map[string]*runbook.Step{}}
	at := map[string]int{}
	for i, s := range f.Sections {
		at[s.ID] = i
		f.sections = append(f.sections, section{Section: s})
	}
	for i := range f.Steps {
		s := &f.Steps[i]
		f.steps[s.ID] = s
		if j, ok := at[s.Section]; ok {
			f.sections[j].steps = append(f.sections[j].steps, s)
			f.sections[j].changes = f.sections[j].changes || s.Kind == runbook.Change
		}
		if s.Approval != nil {
			f.approval++
		}
		if s.NoReturn && f.noReturn == "" {
			f.noReturn = s.Title
		}
	}
	return f
}

// title is what people call a step.
func (f *frozen) title(step string) string {
	if s := f.steps[step]; s != nil && s.Title != "" {
		return lineOf(s.Title, 120)
	}
	return lineOf(step, 120)
}

// heading is what an approval of the step will be headed by: the point of no return
// that it covers, if there is one.
func (f *frozen) heading(s *runbook.Step) string {
	if s.Approval != nil && !s.NoReturn {
		for _, id := range s.Approval.Covers {
			if c := f.steps[id]; c != nil && c.NoReturn {
				return f.title(id)
			}
		}
	}
	return f.title(s.ID)
}

// scene is what there is to see of an incident at one moment. Making it costs as
// much as the plan is long, however long the timeline is.
type scene struct {
	view.View
	plan     *frozen
	practice bool
}

// waited is how long nothing but people was waited for, up to now.
func (v scene) waited() time.Duration { return v.Waiting(v.Now) }

// who mentions a person who has an id on Slack, and names others.
func (v scene) who(actor string) string { return whom(v.Roster, actor) }

func whom(roster incident.Roster, actor string) string {
	if actor == "" || actor == incident.Bot {
		return incident.Bot
	}
	if user := roster.On(incident.FaceSlack, actor); user != "" {
		return "<@" + escape(user) + ">"
	}
	if p, ok := roster.ByID(actor); ok && p.Name != "" {
		return escape(p.Name)
	}
	return escape(actor)
}

// users are the Slack ids of those people who have one.
func users(people []incident.Person) []string {
	out := []string{}
	for _, p := range people {
		if user := p.Faces[incident.FaceSlack]; user != "" {
			out = append(out, user)
		}
	}
	return out
}

// may are those who may answer a question, as mentions.
func (v scene) may(q *incident.Question) []string {
	var out []string
	for _, p := range v.Answerers(q) {
		out = append(out, v.who(p.ID))
	}
	if len(out) == 0 {
		out = []string{"someone with the role " + lineOf(q.Role, 40)}
	}
	return out
}

// named are those of a role, as mentions.
func (v scene) named(role string) []string {
	var out []string
	for _, p := range v.Roster {
		if slices.Contains(p.Roles, role) {
			out = append(out, v.who(p.ID))
		}
	}
	return out
}

// sectionLine is one line of the card.
type sectionLine struct {
	Mark, Title string
	Done, Total int
	Time        string
	Note        string
	Finished    bool
	Busy        bool   // something runs in it now
	Slow        string // what takes longer than usual in it
	Asked       bool   // somebody is asked about a step of it
	Changes     bool
	Ended       time.Time
}

// slowAt is when a step that runs takes so much longer than usual that people are
// told; zero if nobody knows what is usual, or it does not run.
func slowAt(s *runbook.Step, st incident.StepState) time.Time {
	if st.Status != incident.Running || s.Usually <= 0 {
		return time.Time{}
	}
	return st.Started.Add(2 * s.Usually)
}

func (v scene) sections() []sectionLine {
	var out []sectionLine
	waiting := map[string]*incident.Question{}
	for _, q := range v.OpenQuestions() {
		if q.Step != "" {
			waiting[q.Step] = q
		}
	}
	for _, c := range v.plan.sections {
		l := sectionLine{Title: lineOf(c.Title, 80), Total: len(c.steps), Changes: c.changes}
		var first, last time.Time
		var running, cutOff, failed, overridden, skipped int
		var now string
		var slow []string
		closes := false
		var asked *incident.Question
		for _, s := range c.steps {
			st := v.Step(s.ID)
			closes = closes || s.Closing
			if st.Status.Settled() {
				l.Done++
			}
			if !st.First.IsZero() && (first.IsZero() || st.First.Before(first)) {
				first = st.First
			}
			if st.Ended.After(last) {
				last = st.Ended
			}
			switch st.Status {
			case incident.Running:
				if v.Over() && !s.Closing { // nobody looks any more
					cutOff++
					break
				}
				running++
				now = "now: " + lineOf(s.Title, 100)
				if s.Kind.Finds() {
					now = "being checked: " + lineOf(s.Title, 100)
				}
				if at := slowAt(s, st); !at.IsZero() && v.RunOver().After(at) {
					usual := fmt.Sprintf("longer than usual (%s)", text.Duration(s.Usually))
					now += ", " + usual
					slow = append(slow, lineOf(s.Title, 100))
					l.Slow = fmt.Sprintf("“%s” takes %s", slow[0], usual)
				}
			case incident.Failed:
				failed++
			case incident.Skipped:
				if v.Gate(s.ID) {
					overridden++
				} else {
					skipped++
				}
			default:
			}
			if q := waiting[s.ID]; q != nil && asked == nil {
				asked = q
			}
		}
		if len(slow) > 1 {
			l.Slow = fmt.Sprintf("“%s” and %d more take longer than usual", slow[0], len(slow)-1)
		}
		l.Finished, l.Busy, l.Asked = l.Done == l.Total && l.Total > 0, running > 0, asked != nil
		l.Ended = last
		switch {
		case l.Finished:
			l.Mark = "✓"
		case failed > 0:
			l.Mark = "✗"
		case !first.IsZero() && v.Over() && running == 0 && !closes:
			l.Mark = "–"
		case running > 0 || asked != nil || !first.IsZero():
			l.Mark = "▸"
		default:
			l.Mark = "·"
		}
		switch {
		case first.IsZero():
		case running+cutOff > 0 || l.Finished && last.IsZero():
			l.Time = text.Duration(v.RunOver().Sub(first))
		case !last.IsZero():
			l.Time = text.Duration(last.Sub(first))
		}
		switch {
		case asked != nil:
			l.Note = "waiting for " + either(v.may(asked)) + " since " + clockTime(asked.AskedAt)
		case failed > 0:
			l.Note = text.Count(failed, "step") + " stopped"
		case running == 1:
			l.Note = now
		case running > 1:
			l.Note = fmt.Sprintf("now: %d steps at once", running)
			if l.Slow != "" {
				l.Note += ", " + l.Slow
			}
		}
		for _, also := range []struct {
			n    int
			what string
		}{{cutOff, "cut off"}, {overridden, "overridden"}, {skipped, "skipped"}} {
			if also.n > 0 {
				l.Note = strings.TrimPrefix(fmt.Sprintf("%s, %d %s", l.Note, also.n, also.what), ", ")
			}
		}
		out = append(out, l)
	}
	return out
}

// finding is one check and how it stands.
type finding struct {
	Mark, Title, Text string
}

// bad are the findings that are not well, and whether advice or a lock says how much
// that matters.
func (v scene) bad(r view.Readiness) []finding {
	var out []finding
	for i := range r.Bad {
		s := &r.Bad[i]
		f := v.finding(s)
		switch {
		case v.Step(s.ID).Status == incident.Advised:
			f.Text += " (advice: nothing waits for it)"
		case view.Locked(*s):
			f.Text += " (cannot be overridden)"
		}
		out = append(out, f)
	}
	return out
}

// finding says how a step stands.
func (v scene) finding(s *runbook.Step) finding {
	st := v.Step(s.ID)
	f := finding{Mark: "·", Title: v.plan.title(s.ID)}
	switch st.Status {
	case incident.Pending:
	case incident.Running:
		f.Mark, f.Text = "▸", "under way since "+clockTime(st.Started)
	case incident.Done:
		f.Mark, f.Text = "✓", lineOf(st.Finished.Summary, 200)
	case incident.Skipped:
		f.Mark, f.Text = "–", "skipped by "+v.who(st.SkippedBy)
	case incident.Failed, incident.Advised:
		f.Mark, f.Text = "✗", lineOf(st.Failure.Error, 300)
		if st.Failure.Unknown {
			f.Mark = "?"
		}
		if st.Failure.Hint != "" {
			f.Text += " · " + lineOf(st.Failure.Hint, 200)
		}
	}
	return f
}

// views are what the Region that is left is judged by, and the judgement. It
// counts the views, so they come one by one below it until it is done; when it
// failed it is among what is not well.
func (v scene) views() []finding {
	var out []finding
	for _, s := range v.Showing(incident.Quorum) {
		if !v.Gate(s.ID) {
			continue
		}
		if v.Step(s.ID).Status != incident.Failed {
			out = append(out, v.finding(&s))
		}
		var counts struct {
			Steps []string `json:"steps"`
		}
		if v.Step(s.ID).Status == incident.Done || json.Unmarshal(s.With, &counts) != nil {
			continue
		}
		for _, id := range counts.Steps {
			if view := v.plan.steps[id]; view != nil {
				out = append(out, v.finding(view))
			}
		}
	}
	return out
}

// titles of steps.
func (v scene) titles(steps []runbook.Step) []string {
	var out []string
	for _, s := range steps {
		out = append(out, v.plan.title(s.ID))
	}
	return out
}

// passed counts what an update is due for: declared, Go, each section of changes
// that is done, mitigated, aborted, resolved. It only grows.
func (v scene) passed() int {
	n := 0
	if !v.DeclaredAt.IsZero() {
		n++
	}
	if !v.GoAt.IsZero() {
		n++
		for _, c := range v.plan.sections {
			done := c.changes
			for _, s := range c.steps {
				done = done && v.Step(s.ID).Status.Settled()
			}
			if done {
				n++
			}
		}
	}
	for _, t := range []time.Time{v.MitigatedAt, v.AbortedAt, v.ResolvedAt} {
		if !t.IsZero() {
			n++
		}
	}
	return n
}

// commander is the Slack id of whoever commands, as a list of one or none.
func (v scene) commander() []string {
	out := []string{}
	if user := v.Roster.On(incident.FaceSlack, v.Declared.Commander); user != "" {
		out = append(out, user)
	}
	return out
}
