package slack

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

type effectView struct{ What, Lost, Undo string }

type questionView struct {
	Title, Who, Role         string
	AskedAt, Expires, Digest string
	By                       string
	Again                    string
	Times                    int
	BreakGlass               string // who may now approve alone
	Effects                  []effectView
	// Loses is what a yes may lose, of each change that it covers; Undo how the change that
	// it is about is undone, and With are the others, by their titles.
	Loses, With []string
	Undo        string
	Confirm     string
	Target      string
	Outcome     string // empty while it is open
	Wanted      int    // how many people have to say yes
	Given       string // who did so far, of several
	// go
	OK, Failed, Unknown   int
	Warned, NotApplicable int
	Running, Past         int
	Bad                   []finding
	More                  int
	Aside                 []finding // what is not well and nothing waits for
	Steps, Decisions      int
	Usually               string
	NoReturn              string
	// Override are the failed gates that Go would pass, or passed; Stuck those that
	// nobody may go past; Checking those that are under way.
	Override, Stuck, Checking []string
	// Differs is all that was found wrong by a check that is told whole.
	Differs []string
	// Without are what was gone past before, by whom, why, and what it comes to.
	Without []string
	// failed
	Lost                         string // since when the source does not answer
	Error, Mend, Evidence, SoFar string
	Maybe, Missing, Locked       bool
	// Gone says which change was accepted and will not come about; Beside are other
	// changes of this run, and how they are taken back.
	Gone   string
	Beside []string
	// Orders says what users get meanwhile, and of an approval what a yes does to it.
	Orders     string
	Overwrites bool
}

func (v incidentView) question(q *incident.Question) questionView {
	w := questionView{
		Title: v.about(q), Who: either(v.may(q)), Role: lineOf(q.Role, 40), AskedAt: clockTime(q.AskedAt),
		By: v.who(v.DeclaredBy), Again: lineOf(q.Again, 300), Times: max(q.Expired, 0),
		Confirm: lineOf(q.Confirm, 60), Target: lineOf(v.Target, 40), Locked: q.Locked,
		Steps: len(v.plan.Steps), Decisions: v.plan.Decisions(), Usually: v.usually(), NoReturn: lineOf(v.plan.noReturn, 120),
	}
	if v.Asks(q) {
		w.Lost = v.lost()
	}
	if v.GoBy != "" {
		w.By = v.who(v.GoBy)
	}
	w.Wanted = max(q.Count, 1)
	var given []string
	for _, by := range q.Given {
		given = append(given, v.who(by))
	}
	w.Given = text.List(given, "and")
	var glass []string
	for _, p := range v.Roster {
		if _, may := v.waitsFor(p, q); may {
			glass = append(glass, v.who(p.ID))
		}
	}
	w.BreakGlass = strings.Join(glass, " or ")
	if d := line(q.Digest); d != "" {
		w.Digest = d[:min(6, len(d))]
	}
	if !q.Expires.IsZero() {
		w.Expires = clockTime(q.Expires)
	}
	for i, e := range q.Effects {
		if i == 12 {
			break
		}
		w.Effects = append(w.Effects, effectView{
			What: lineOf(e.What, 700), Lost: lineOf(e.Lost, 500), Undo: lineOf(e.Undo, 500),
		})
	}
	v.consent(q, &w)
	switch {
	case !q.Open:
		w.Outcome = v.outcome(q)
	case v.Diverged != nil:
		w.Outcome = "The record lost events; this is asked again once somebody has decided how to go on."
	case !v.Asks(q):
		w.Outcome = "The run is over; this is not asked any more."
	}
	switch q.Kind {
	case incident.AskGo:
		v.gate(q, &w)
	case incident.AskFailed:
		v.failure(q, &w)
	case incident.AskApprove:
		w.Without = v.overridden()
		if v.Asks(q) {
			w.Orders = v.ordersAfter(q)
		}
	case incident.AskPerson:
	}
	return w
}

// consent is what a yes to the question comes to, on one screen of a phone: the change that
// it is about, and the others that it covers. Each of them whole is behind Details.
func (v incidentView) consent(q *incident.Question, w *questionView) {
	about := 0
	for i, e := range q.Effects {
		if s := v.plan.steps[e.Step]; s != nil && s.NoReturn {
			about = i
			break
		}
	}
	for i, e := range q.Effects {
		s := v.plan.steps[e.Step]
		switch {
		case i == about:
			w.Undo = lineOf(e.Undo, 300)
			if s != nil && e.Lost == "" && v.Mode == "planned" && v.Shows(s.ID, incident.WriterMoved) {
				w.Loses = slices.Insert(w.Loses, 0, "nothing of the database: the standby catches up first")
			}
		case s != nil:
			w.With = append(w.With, v.plan.title(s.ID))
		default:
			w.With = append(w.With, lineOf(e.What, 200))
		}
		if e.Lost == "" {
			continue
		}
		at := len(w.Loses)
		if i == about {
			at = 0
		}
		w.Loses = slices.Insert(w.Loses, at, lineOf(e.Lost, 500))
	}
}

// about is what a question is about. What was declined did not stop, and of what
// is only looked for the title would read as if it were so.
func (v incidentView) about(q *incident.Question) string {
	t := lineOf(q.Title, 200)
	if q.Kind != incident.AskFailed {
		return t
	}
	t = strings.TrimSuffix(t, " stopped")
	if gone := v.Step(q.Step).Failure.WillNotCome; gone != "" && v.Step(q.Step).Status == incident.Failed {
		return "Taken back: " + v.plan.title(gone)
	}
	if last := v.lastApproval(q.Step); last != nil && last.Answer == "declined" {
		return "Declined by " + v.who(last.By) + ": " + t
	}
	if s := v.plan.steps[q.Step]; s != nil && s.Kind.Finds() {
		return "Not confirmed: " + t
	}
	return t + " stopped"
}

// lastApproval is the approval of a step that was asked for last, if any.
func (v incidentView) lastApproval(step string) (last *incident.Question) {
	for _, q := range v.Questions {
		if q.Kind == incident.AskApprove && q.Step == step && (last == nil || q.AskedAt.After(last.AskedAt)) {
			last = q
		}
	}
	return last
}

// gate says how what Go needs stands now; once Go was given, what it passed.
func (v incidentView) gate(q *incident.Question, w *questionView) {
	r := v.Readiness()
	w.OK, w.Failed, w.Unknown, w.Running, w.Past = r.Passed, r.Failed, r.Unknown, r.Running+r.Left, r.Overridden
	w.Bad, w.Aside = v.bad(r)
	w.Warned, w.NotApplicable = r.Warned, r.NotApplicable
	w.Differs = v.toldWhole()
	if len(w.Bad) > badMax {
		w.More, w.Bad = len(w.Bad)-badMax, w.Bad[:badMax]
	}
	switch {
	case !v.Asks(q):
		for _, id := range q.Failed {
			if v.Step(id).Status == incident.Skipped {
				w.Override = append(w.Override, v.beside(id))
			}
		}
	case len(r.Locked) > 0:
		w.Stuck = v.titles(r.Locked)
	case len(r.Again) > 0:
		w.Checking = v.titles(r.Again)
	default:
		for _, s := range r.Stopped {
			w.Override = append(w.Override, v.beside(s.ID))
		}
	}
}

// toldWhole is the evidence of the checks that Go weighs and that are told whole, where they
// are not well: whoever says Go all the same has been shown it.
func (v incidentView) toldWhole() []string {
	var out []string
	for _, f := range v.Findings() {
		s := v.plan.steps[f.Step]
		st := f.State.Status
		if s == nil || !slices.Contains(s.Proves, incident.ToldWhole) || st != incident.Failed && st != incident.Advised && st != incident.Skipped {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(f.State.Failure.Evidence)) {
			out = append(out, lineOf(name, 100)+": "+lineOf(f.State.Failure.Evidence[name], 300))
		}
	}
	return out
}

// beside is a step with what it comes to when it is gone past.
func (v incidentView) beside(step string) string {
	out := v.plan.title(step)
	if s := v.plan.steps[step]; s != nil && s.Without != "" {
		out += ": " + lineOf(s.Without, 200)
	}
	return out
}

// overridden is what people went on without so far, which whoever decides next reads
// first.
func (v incidentView) overridden() []string {
	var out []string
	for _, o := range v.Overrides() {
		say := lineOf(o.Step.Title, 120)
		if o.Failure.Error != "" {
			say += " (" + lineOf(o.Failure.Error, 200) + ")"
		}
		say += ", by " + v.who(o.By)
		if o.Why != "" {
			say += ": " + theirs(o.Why, 300)
		}
		if o.Step.Without != "" {
			say += ". " + lineOf(o.Step.Without, 200)
		}
		out = append(out, say)
	}
	if n := len(out) - badMax; n > 0 {
		out = append(out[:badMax:badMax], fmt.Sprintf("%d steps more", n))
	}
	return out
}

// looks is a word for how a question has to be shown: it is shown again when
// that changes.
func (v incidentView) looks(q *incident.Question) string {
	switch {
	case q.Open && v.Diverged != nil:
		return "halted"
	case v.Asks(q) && v.OffersSwitch():
		return "lost " + string(q.Kind) + strconv.Itoa(len(q.Given))
	case !v.Asks(q):
		return "closed"
	case q.Kind == incident.AskGo:
		r := v.Readiness()
		bad, aside := v.bad(r)
		return fmt.Sprintf("open %v %v %v %v %v", v.titles(r.Again), v.titles(r.Locked), bad, aside, v.toldWhole())
	case q.Kind == incident.AskFailed: // what stops it may come to stop others, or no longer do so
		if c, of := view.CauseOf(v.Causes(), q.Step); of {
			return fmt.Sprintf("open %s %v", c.Says, v.titles(c.Steps))
		}
	case len(q.Given) > 0:
		return fmt.Sprintf("open, %d", len(q.Given))
	}
	return "open"
}

func (v incidentView) failure(q *incident.Question, w *questionView) {
	st := v.Step(q.Step)
	f := st.Failure
	w.Error, w.Mend = lineOf(f.Error, 800), v.mend(q.Step, lineOf(f.Hint, 400))
	if c, of := view.CauseOf(v.Causes(), q.Step); of {
		// The first of them tells it; the others say that it is the same.
		if w.Error = lineOf(text.Sentence(c.Says), 200); c.Steps[0].ID == q.Step {
			w.Error += "; it stops " + text.List(v.titles(c.Steps), "and")
		} else {
			w.Error += ", as with “" + v.plan.title(c.Steps[0].ID) + "”"
			w.Mend = v.mend(q.Step, "")
			f.Evidence = nil
		}
	}
	w.Maybe, w.Missing, w.Overwrites = f.MayHaveHappened, f.Unknown, v.Overwrites(q.Step)
	if f.WillNotCome != "" {
		w.Gone = v.gone(f.WillNotCome)
		w.Beside = v.withGone(f.WillNotCome)
	}
	if v.Asks(q) {
		w.Orders = v.orders()
	}
	var facts []string
	for _, k := range slices.Sorted(maps.Keys(f.Evidence)) {
		facts = append(facts, lineOf(k, 40)+" "+lineOf(f.Evidence[k], 100))
	}
	w.Evidence = strings.Join(facts[:min(len(facts), 6)], " · ")
	done := 0
	for _, s := range v.plan.Steps {
		if v.Step(s.ID).Status.Settled() {
			done++
		}
	}
	w.SoFar = fmt.Sprintf("%d of %s done; %s this one", done, text.Count(len(v.plan.Steps), "step"), waits(len(v.WaitFor(q.Step))))
}

// mend is what can be done so that the step comes about. A hint that says to retry
// already says enough.
func (v incidentView) mend(step, hint string) string {
	again := "retry"
	if s := v.plan.steps[step]; s != nil && s.Kind == runbook.Wait {
		again = "keep waiting"
	}
	switch {
	case v.Overwrites(step):
		return hint + " (say why) · retry"
	case v.Step(step).Failure.WillNotCome != "":
		return "ask for it again, with a new approval where it needs one"
	case hint == "":
		return again
	case strings.HasSuffix(strings.TrimRight(hint, "."), "retry"), strings.HasSuffix(hint, again):
		return hint
	}
	return hint + ", and " + again
}

// withGone are the changes that were agreed to together with that one and that are made or
// under way, each with its way back: who does not ask again takes them back.
func (v incidentView) withGone(gone string) (out []string) {
	of := v.plan.steps[gone]
	if of == nil {
		return nil
	}
	for _, s := range v.plan.Steps {
		with := s.ID == of.CoveredBy || s.CoveredBy == gone || (s.CoveredBy != "" && s.CoveredBy == of.CoveredBy)
		st := v.Step(s.ID)
		if s.ID == gone || !with || !st.Changed && st.Intended == nil {
			continue
		}
		line := "“" + v.plan.title(s.ID) + "” is made"
		if !st.Changed {
			line = "“" + v.plan.title(s.ID) + "” was asked for, and what came of it is not known yet"
		}
		if s.Undo != "" {
			line += "; its way back: " + lineOf(s.Undo, 200)
		}
		out = append(out, line)
	}
	return out
}

func waits(n int) string {
	switch n {
	case 0:
		return "nothing else waits for"
	case 1:
		return "1 step waits for"
	}
	return fmt.Sprintf("%d steps wait for", n)
}

// outcome says how a question ended.
func (v incidentView) outcome(q *incident.Question) string {
	at := clockTime(q.At)
	reason := ""
	if q.Reason != "" {
		reason = ": " + theirs(q.Reason, 300)
	}
	switch q.Answer {
	case "approve":
		if q.BrokeGlass {
			return "Approved alone by " + v.who(q.By) + " (break-glass) at " + at + reason
		}
		return "Approved by " + v.who(q.By) + " at " + at + reason
	case "go":
		return v.who(q.By) + " said Go at " + at + reason
	case "retry":
		return v.who(q.By) + " said Retry at " + at + reason
	case "overwrite":
		return v.who(q.By) + " had it overwritten at " + at + reason
	case "skip":
		return v.who(q.By) + " went on without it at " + at + reason
	case "abort":
		return v.who(q.By) + " stopped the run at " + at + reason
	case "declined":
		return "Declined by " + v.who(q.By) + " at " + at + reason
	case "expired":
		return "Nobody answered until " + at + ". It is asked again."
	case "withdrawn":
		return "Withdrawn at " + at + reason
	}
	if q.Kind == incident.AskPerson {
		var by []string
		for _, one := range q.Given {
			by = append(by, v.who(one))
		}
		return "“" + lineOf(q.Answer, 60) + "” by " + text.List(by, "and") + " at " + at + reason
	}
	return "Answered by " + v.who(q.By) + " at " + at + reason
}

// questionMessage is a question of its own at the bottom of the channel; without
// buttons once it is answered.
func (b *Face) questionMessage(v incidentView, q *incident.Question) message {
	var rows []slack.Block
	if v.Asks(q) {
		rows = row("question/"+q.Question, v.choices(q)...)
	}
	m := compose(b.words.say(string(q.Kind), v.question(q)), v.practice, rows...)
	m.meta = map[string]any{
		"incident": string(v.ID), "key": keyQuestion + q.Question, "kind": "question",
		"question": string(q.Kind), "step": q.Step, "id": q.Question, "open": v.Asks(q),
	}
	if v.Asks(q) {
		m.meta[metaWaits], m.meta[metaAsks] = v.awaits(q), v.about(q)
	}
	return m
}
