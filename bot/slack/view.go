package slack

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

// planView is the plan of a run as the messages need it, worked out once.
type planView struct {
	*runbook.Plan
	steps    map[string]*runbook.Step
	noReturn string // title of the first point of no return
}

func arrange(p *runbook.Plan) *planView {
	f := &planView{Plan: p, steps: map[string]*runbook.Step{}}
	for i := range f.Steps {
		s := &f.Steps[i]
		f.steps[s.ID] = s
		if s.NoReturn && f.noReturn == "" {
			f.noReturn = s.Title
		}
	}
	return f
}

// title is what people call a step.
func (f *planView) title(step string) string {
	if s := f.steps[step]; s != nil && s.Title != "" {
		return lineOf(s.Title, 120)
	}
	return lineOf(step, 120)
}

// heading is what an approval of the step will be headed by: the point of no return
// that it covers, if there is one.
func (f *planView) heading(s *runbook.Step) string {
	if s.Approval != nil && !s.NoReturn {
		for _, id := range s.Approval.Covers {
			if c := f.steps[id]; c != nil && c.NoReturn {
				return f.title(id)
			}
		}
	}
	return f.title(s.ID)
}

// incidentView is what there is to see of an incident at one moment. Making it costs as
// much as the plan is long, however long the timeline is.
type incidentView struct {
	view.View
	plan     *planView
	practice bool
	mentions string    // who is notified by the first post
	away     time.Time // since when the record cannot be reached; zero when it can
}

// waited is how long nothing but people was waited for, up to now.
func (v incidentView) waited() time.Duration { return v.Waiting(v.Now) }

// who mentions a person who has an id on Slack, and names others.
func (v incidentView) who(actor string) string { return whom(v.Roster, actor) }

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
func (v incidentView) may(q *incident.Question) []string {
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
func (v incidentView) named(role string) []string {
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
	Note        string
	Finished    bool
	Busy        bool   // something runs in it now
	Plain       bool   // and the note says no more than what
	Slow        string // what takes longer than usual in it
	Asked       bool   // somebody is asked about a step of it
	Changes     bool
	Ended       time.Time
}

func (v incidentView) sections() []sectionLine {
	var out []sectionLine
	for _, c := range v.Sections() {
		out = append(out, v.sectionLine(c))
	}
	return out
}

func (v incidentView) sectionLine(c view.Section) sectionLine {
	l := sectionLine{
		Title: lineOf(c.Title, 80), Total: c.Total, Done: c.Done, Changes: c.Changes, Ended: c.Ended,
		Finished: c.Finished(), Busy: len(c.Running) > 0, Asked: c.Asked != nil,
	}
	held := v.held(c.Running)
	switch slow := v.titles(c.Slow); {
	case held != "":
		l.Slow = held
	case len(slow) == 0:
	case len(slow) == 1:
		l.Slow = fmt.Sprintf("“%s” takes %s", slow[0], longerThanUsual(c.Slow[0]))
	default:
		l.Slow = fmt.Sprintf("“%s” and %d more take longer than usual", slow[0], len(slow)-1)
	}
	switch {
	case l.Finished:
		l.Mark = "✓"
	case c.Failed > 0:
		l.Mark = "✗"
	case !c.Began.IsZero() && v.Over() && !l.Busy && !c.Closes:
		l.Mark = "–"
	case l.Busy || l.Asked || !c.Began.IsZero():
		l.Mark = "▸"
	default:
		l.Mark = "·"
	}
	l.Plain = l.Busy && !l.Asked && c.Failed == 0 && l.Slow == "" && c.CutOff+c.Overridden+c.Skipped == 0
	switch {
	case l.Asked:
		l.Note = "waiting for " + either(v.may(c.Asked)) + " since " + clockTime(c.Asked.AskedAt)
	case c.Failed > 0:
		l.Note = text.Count(c.Failed, "step") + " stopped"
	case len(c.Running) == 1:
		l.Note = nowRunning(c.Running[0])
		if far := v.Progress(c.Running[0].ID); far != "" {
			l.Note += " (" + lineOf(far, 200) + ")"
		}
		switch {
		case held != "":
			l.Note += " (" + lineOf(v.Held(c.Running[0].ID), 200) + ")"
		case len(c.Slow) == 1:
			l.Note += ", " + longerThanUsual(c.Slow[0])
		}
	case l.Busy:
		l.Note = fmt.Sprintf("now: %d steps at once", len(c.Running))
		if l.Slow != "" {
			l.Note += ", " + l.Slow
		}
	}
	for _, also := range []struct {
		n    int
		what string
	}{{c.CutOff, "cut off"}, {c.Overridden, "overridden"}, {c.Skipped, "skipped"}} {
		if also.n > 0 {
			l.Note = strings.TrimPrefix(fmt.Sprintf("%s, %d %s", l.Note, also.n, also.what), ", ")
		}
	}
	return l
}

// held is what keeps the first of these steps of which that is known from its end, and
// of how many more it is known.
func (v incidentView) held(running []runbook.Step) string {
	says, more := "", 0
	for _, s := range running {
		switch why := v.Held(s.ID); {
		case why == "":
		case says == "":
			says = "“" + v.plan.title(s.ID) + "” is held up: " + lineOf(why, 200)
		default:
			more++
		}
	}
	if more > 0 {
		says += fmt.Sprintf(" (%d more are held up, too)", more)
	}
	return says
}

func nowRunning(s runbook.Step) string {
	if s.Kind.Finds() {
		return "checks " + lineOf(s.Title, 100)
	}
	return "now: " + lineOf(s.Title, 100)
}

func longerThanUsual(s runbook.Step) string {
	return fmt.Sprintf("longer than usual (%s)", text.Duration(s.Usually))
}

// finding is one check and how it stands.
type finding struct {
	Mark, Title, Text string
}

// bad are the findings that failed or are unknown and that Go waits for, the worst first,
// and what stops several; aside are the others that are not well, which are read behind
// Show readiness.
func (v incidentView) bad(r view.Readiness) (bad, aside []finding) {
	causes := v.Causes()
	for _, c := range causes {
		bad = append(bad, v.causeFinding(c))
	}
	var warned []finding
	for i := range r.Bad {
		s := &r.Bad[i]
		if _, of := view.CauseOf(causes, s.ID); of {
			continue
		}
		f := v.finding(s)
		switch st := v.Step(s.ID); {
		case st.Verdict() == incident.Warn && actOn(s):
			bad = append(bad, f)
		case st.Verdict() == incident.Warn:
			warned = append(warned, f)
		case st.Status == incident.Advised, st.Status == incident.Done:
			aside = append(aside, f)
		case view.Locked(*s):
			f.Text += " (cannot be overridden)"
			bad = append(bad, f)
		default:
			bad = append(bad, f)
		}
	}
	return bad, append(aside, warned...)
}

// actOn says that a warning of the step may have to be acted on before Go.
func actOn(s *runbook.Step) bool { return slices.Contains(s.Proves, incident.WarnsOfGo) }

// causeFinding tells what stops several steps, once for all of them.
func (v incidentView) causeFinding(c view.Cause) finding {
	var titles, locked []string
	for i := range c.Steps {
		s := &c.Steps[i]
		titles = append(titles, v.plan.title(s.ID))
		if view.Locked(*s) && v.Step(s.ID).Status == incident.Failed {
			locked = append(locked, v.plan.title(s.ID))
		}
	}
	f := finding{Mark: "?", Title: lineOf(text.Sentence(c.Says), 160), Text: "stops " + text.List(titles, "and")}
	if c.Hint != "" {
		f.Text += " · " + lineOf(c.Hint, 200)
	}
	if len(locked) > 0 {
		f.Text += " (cannot be overridden: " + text.List(locked, "and") + ")"
	}
	return f
}

// finding says how a step stands.
func (v incidentView) finding(s *runbook.Step) finding {
	st := v.Step(s.ID)
	f := finding{Mark: "·", Title: v.plan.title(s.ID)}
	switch st.Status {
	case incident.Pending:
	case incident.Running:
		f.Mark, f.Text = "▸", "under way since "+clockTime(st.Started)
	case incident.Done:
		f.Mark, f.Text = st.Verdict().Mark(), lineOf(st.Finished.Summary, 200)
	case incident.Skipped:
		f.Mark, f.Text = "–", "skipped by "+v.who(st.SkippedBy)
	case incident.Failed, incident.Advised:
		f.Mark, f.Text = st.Verdict().Mark(), lineOf(st.Failure.Error, 300)
		f.Text += lastKnown(st.Failure.Last, st.Ended)
		if st.Failure.Hint != "" {
			f.Text += " · " + lineOf(st.Failure.Hint, 200)
		}
	}
	return f
}

// lastKnown is what was known before of what could not be found out, and how old that was
// then; empty where nothing was.
func lastKnown(l *incident.Known, then time.Time) string {
	if l == nil {
		return ""
	}
	return fmt.Sprintf(" · last known %s before: %s, %s", text.Duration(then.Sub(l.At)), l.Verdict.Word(), lineOf(l.Summary, 160))
}

// views are what the Region that is left is judged by, and the judgement. It
// counts the views, so they come one by one below it until it is done; when it
// failed it is among what is not well.
func (v incidentView) views() []finding {
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
func (v incidentView) titles(steps []runbook.Step) []string {
	var out []string
	for _, s := range steps {
		out = append(out, v.plan.title(s.ID))
	}
	return out
}

// settled is how long orders have to be taken again before that is worth an update of its
// own: soon after it users are served, and that update says both.
const settled = time.Minute

// passed counts what an update is due for: that what users get has changed, because orders
// are stopped by us or taken again, or users are served; or that the run will change
// nothing about it, because it was stopped or taken back. The card says the rest. It only
// grows, from run to run too.
func (v incidentView) passed() int {
	n := passedBefore * max(0, len(v.Runs)-1)
	for _, t := range []time.Time{v.Impact().ByUs, v.ordersTaken(), v.MitigatedAt, v.AbortedAt, v.ended()} {
		if !t.IsZero() {
			n++
		}
	}
	return n
}

// ordersTaken is since when orders have been taken again, once that has been so for a
// while without users being served; zero before, and where that came sooner.
func (v incidentView) ordersTaken() time.Time {
	again, now := v.Impact().ByUsEnd, v.Now
	if !v.MitigatedAt.IsZero() {
		now = v.MitigatedAt
	}
	if again.IsZero() || now.Sub(again) < settled {
		return time.Time{}
	}
	return again
}

// ended is when a run that takes back came to its end; zero if it did not. The end of
// others is that the incident is resolved.
func (v incidentView) ended() time.Time {
	if v.Kind != incident.Undo {
		return time.Time{}
	}
	return v.EndedAt
}

// passedBefore is more than any one run can pass, so that the count goes on growing when
// another one begins.
const passedBefore = 1000

// commander is the Slack id of whoever commands, as a list of one or none.
func (v incidentView) commander() []string {
	out := []string{}
	if user := v.Roster.On(incident.FaceSlack, v.Declared.Commander); user != "" {
		out = append(out, user)
	}
	return out
}
