package bot

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// frozen is the plan of a run, decoded once.
type frozen struct {
	*runbook.Plan
	sections []chapter
	steps    map[string]*runbook.Step
	gates    map[string]bool // what Go needs
	noReturn string          // title of the first point of no return
	approval int
}

// chapter is a section with its steps.
type chapter struct {
	runbook.Section
	steps   []*runbook.Step
	changes bool
}

func thaw(p incident.PlanFrozen) (*frozen, error) {
	f := &frozen{Plan: &runbook.Plan{}, steps: map[string]*runbook.Step{}}
	if len(p.Plan) == 0 {
		return f, nil
	}
	if err := json.Unmarshal(p.Plan, f.Plan); err != nil {
		return nil, fmt.Errorf("read plan %s: %w", p.Digest, err)
	}
	at := map[string]int{}
	for i, s := range f.Sections {
		at[s.ID] = i
		f.sections = append(f.sections, chapter{Section: s})
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
	f.gates = map[string]bool{}
	for _, s := range f.Steps {
		if s.Kind == runbook.Ask {
			maps.Copy(f.gates, f.Needed(s.ID))
		}
	}
	return f, nil
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

// using are the steps of an action.
func (f *frozen) using(action string) []*runbook.Step {
	var out []*runbook.Step
	for i := range f.Steps {
		if f.Steps[i].Uses == action {
			out = append(out, &f.Steps[i])
		}
	}
	return out
}

// scene is what there is to see of an incident at one moment. Making it costs as
// much as the plan is long, however long the timeline is.
type scene struct {
	*incident.State
	plan     *frozen
	now      time.Time
	roster   []commands.Person
	practice bool
}

// over is when the run ended, or now.
func (v scene) over() time.Time {
	for _, t := range []time.Time{v.MitigatedAt, v.AbortedAt, v.ResolvedAt} {
		if !t.IsZero() {
			return t
		}
	}
	return v.now
}

// ends says that nothing is left of the run but to resolve the incident.
func (v scene) ends() bool {
	phase := v.Phase()
	return phase == "mitigated" || phase == "aborted"
}

// waited is how long nothing but people was waited for, up to now.
func (v scene) waited() time.Duration { return v.Waiting(v.now) }

// impact is how long users have been hurt, as far as is known.
func (v scene) impact() time.Duration {
	if v.Declared.Began.IsZero() {
		return 0
	}
	end := v.now
	if served := v.ServedAt(); !served.IsZero() {
		end = served
	} else if !v.ResolvedAt.IsZero() {
		end = v.ResolvedAt
	}
	return end.Sub(v.Declared.Began)
}

// promoted says that a change was made that cannot be taken back at once.
func (v scene) promoted() bool {
	for id, s := range v.plan.steps {
		if s.NoReturn && v.Step(id).Status == incident.Done {
			return true
		}
	}
	return false
}

// writes says that the target's database was seen to write, as far as the plan
// looks for that.
func (v scene) writes() bool {
	for _, s := range v.plan.using("aurora.writable") {
		if v.Step(s.ID).Status != incident.Done {
			return false
		}
	}
	return v.promoted()
}

// unprotected: after an unplanned run there is nothing to fail over to.
func (v scene) unprotected() bool { return v.Declared.Mode == "unplanned" && v.promoted() }

// who mentions a person, or names the bot.
func who(id string) string {
	if id == "" || id == incident.Bot {
		return incident.Bot
	}
	return "<@" + escape(id) + ">"
}

// persons are those who may answer a question.
func (v scene) persons(q *incident.Question) []commands.Person {
	var out []commands.Person
	for _, p := range v.roster {
		if !slices.Contains(p.Roles, q.Role) {
			continue
		}
		if q.Kind == incident.AskApprove && v.Requested(p.ID, q.Step) {
			continue
		}
		out = append(out, p)
	}
	return out
}

// may are those who may answer a question, as mentions.
func (v scene) may(q *incident.Question) []string {
	var out []string
	for _, p := range v.persons(q) {
		out = append(out, who(p.ID))
	}
	if len(out) == 0 {
		out = []string{"someone with the role " + lineOf(q.Role, 40)}
	}
	return out
}

// named are those of a role, as mentions.
func (v scene) named(role string) []string {
	var out []string
	for _, p := range v.roster {
		if slices.Contains(p.Roles, role) {
			out = append(out, who(p.ID))
		}
	}
	return out
}

// open are the open questions, oldest first. Once the run is over nobody is
// asked any more.
func (v scene) open() []*incident.Question {
	var out []*incident.Question
	if !v.AbortedAt.IsZero() || !v.ResolvedAt.IsZero() {
		return nil
	}
	for _, id := range v.Open {
		if q := v.Questions[id]; q != nil {
			out = append(out, q)
		}
	}
	return out
}

// asks says whether a question can still be answered.
func (v scene) asks(q *incident.Question) bool {
	return q.Open && v.AbortedAt.IsZero() && v.ResolvedAt.IsZero()
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

func (v scene) chapters() []sectionLine {
	var out []sectionLine
	waiting := map[string]*incident.Question{}
	for _, q := range v.open() {
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
				if s.Kind == runbook.Wait || s.Kind == runbook.Check {
					now = "being checked: " + lineOf(s.Title, 100)
				}
				if at := slowAt(s, st); !at.IsZero() && v.over().After(at) {
					usual := fmt.Sprintf("longer than usual (%s)", text.Duration(s.Usually))
					now += ", " + usual
					slow = append(slow, lineOf(s.Title, 100))
					l.Slow = fmt.Sprintf("“%s” takes %s", slow[0], usual)
				}
			case incident.Failed:
				failed++
			case incident.Skipped:
				if v.plan.gates[s.ID] {
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
			l.Time = text.Duration(v.over().Sub(first))
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

// readiness is how the steps stand that Go needs.
type readiness struct {
	ok, failed, unknown, running, left int
	past                               int // failed, and gone past by a person
	bad                                []finding
	// stopped are required and failed; locked those of them that nobody may go
	// past; again are under way, or wanted once more.
	stopped, locked, again []*runbook.Step
}

func (v scene) readiness() readiness {
	var r readiness
	for i := range v.plan.Steps {
		s := &v.plan.Steps[i]
		if !v.plan.gates[s.ID] || s.Kind == runbook.Ask {
			continue
		}
		st := v.Step(s.ID)
		if st.Status == incident.Running || st.Status == incident.Pending && st.Attempt > 0 {
			r.again = append(r.again, s)
		}
		switch st.Status {
		case incident.Done:
			r.ok++
		case incident.Skipped:
			r.past++
		case incident.Running:
			r.running++
		case incident.Pending:
			r.left++
		case incident.Failed, incident.Advised:
			f := v.finding(s)
			if st.Failure.Unknown {
				r.unknown++
			} else {
				r.failed++
			}
			switch {
			case st.Status == incident.Advised:
				f.Text += " (advice: nothing waits for it)"
			case s.Locked || s.NoReturn:
				r.locked = append(r.locked, s)
				f.Text += " (cannot be overridden)"
			}
			if st.Status == incident.Failed {
				r.stopped = append(r.stopped, s)
			}
			r.bad = append(r.bad, f)
		}
	}
	return r
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
		f.Mark, f.Text = "–", "skipped by "+who(st.SkippedBy)
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
	for _, s := range v.plan.using("record.agree") {
		if !v.plan.gates[s.ID] {
			continue
		}
		if v.Step(s.ID).Status != incident.Failed {
			out = append(out, v.finding(s))
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
func (v scene) titles(steps []*runbook.Step) []string {
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
