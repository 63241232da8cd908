package slack

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// asking is a question as the card names it.
type asking struct {
	Title, Who, Since string
}

type cardView struct {
	SourceLost                                       string // since when the source does not answer
	Switch                                           bool   // what can be done about that
	Alarm                                            string // what is to be read before all else
	Orders                                           string // since when they are stopped, and by whom
	Incident, Severity, Source, Target, Mode, Reason string
	By, Commander, Approvers                         string
	OnCall                                           string // who is mentioned by the first post
	Phase, State                                     string
	Elapsed, Machine, People                         string
	Ended                                            string // what ended the run; empty while it lasts
	Digest, NoReturn, Usually                        string
	Steps, Decisions                                 int
	Before                                           bool // Go has not been given
	OK, Failed, Unknown, Running, Left               int
	Warned                                           int
	Views, Bad                                       []finding
	Sections                                         []string
	Asking                                           []asking
	Unshown                                          int // open questions beyond those
	Impact, Objective                                string
	Late                                             bool
	Points                                           []string
	Back                                             bool // users are sent to the Region that was left again
	Unserved                                         bool
	PausedBy, PauseReason                            string
	AbortedBy, AbortReason                           string
	TakenBack                                        string // what a run that takes back has come to
	TakingBack                                       bool   // the run that AbortedBy stopped is being taken back, or was
	Changed                                          []string
	Mitigated                                        string
	ResolvedBy, Resolved                             string
	NotDurable                                       string
	Away                                             string // since when the record cannot be reached
	Lost                                             string // what the record has lost
	Gone                                             bool   // and that is all of it
	Awaited                                          []awaited
}

// awaited is a call of a replica that is gone, of which nobody knows yet what came.
type awaited struct{ Title, Asked, From string }

// badMax is how many findings are shown before "and N more".
const badMax = 8

func (v incidentView) card() cardView {
	d := v.Declared
	c := cardView{
		Incident: line(v.ID.Name()), Severity: lineOf(d.Severity, 20), Source: lineOf(v.Source, 40), Target: lineOf(v.Target, 40),
		Mode: lineOf(v.How(), 20), Reason: theirs(d.Reason, 500), By: v.who(v.DeclaredBy), Commander: v.who(d.Commander),
		Phase: v.Phase(), Before: v.GoAt.IsZero() && v.AbortedAt.IsZero() && v.ResolvedAt.IsZero(),
		Elapsed: text.Duration(v.RunOver().Sub(v.DeclaredAt)), People: short(v.waited()), Machine: short(v.RunOver().Sub(v.DeclaredAt) - v.waited()),
		Steps: len(v.plan.Steps), Decisions: v.plan.Decisions(), NoReturn: lineOf(v.plan.noReturn, 120), Digest: cut(line(v.Plan.Digest), 6),
		Impact: v.impact(minuteTime), Points: v.points(), Back: len(v.GoneBack()) > 0,
		Sections: together(v.sections()),
	}
	c.SourceLost, c.Switch = v.lost(), v.OffersSwitch()
	c.Usually, c.Orders = v.usually(), v.orders()
	if gone := v.Dropped(); len(gone) > 0 {
		c.Alarm = v.gone(gone[0].ID)
		if c.Orders != "" {
			c.Alarm, c.Orders = c.Alarm+" "+c.Orders, ""
		}
	}
	if s := v.SplitBrain(); s != "" {
		c.Alarm = strings.TrimSpace("Possible split brain: " + lineOf(s, 600) + ". " + c.Alarm)
	}
	if !v.away.IsZero() {
		c.Away = clockTime(v.away)
	}
	if d := v.Diverged; d != nil {
		c.Lost = text.Count(int(d.Held-d.Common), "event")
	}
	c.Gone = v.Gone()
	for _, a := range v.Taken.Awaited {
		if st := v.Step(a.Step); st.Intended != nil && st.Status == incident.Running && a.From.After(v.Now) {
			c.Awaited = append(c.Awaited, awaited{v.plan.title(a.Step), clockTime(a.Asked), clockTime(a.From)})
		}
	}
	if v.Plan.Digest != "" {
		c.Digest = line(v.Plan.Digest)[:min(6, len(line(v.Plan.Digest)))]
	}
	c.Approvers, c.OnCall = v.approvers(), v.mentions
	if v.Impact().Stopped() && v.ResolvedAt.IsZero() {
		c.Orders = "" // the impact says it
	}
	// A restore moves nobody: it has no objective, and no impact unless somebody said so.
	restore := v.Kind == incident.RestoreBackup
	if restore && !v.Impact().Known() {
		c.Impact = ""
	}
	if m := v.plan.Topology.Policy.ObjectiveMinutes; m > 0 && !restore && v.Impact().Known() {
		c.Objective = strconv.Itoa(m) + " min"
		c.Late = v.Impact().For(v.Now).Minutes() > float64(m)
	}
	if c.Before {
		r := v.Readiness()
		c.OK, c.Failed, c.Unknown, c.Running, c.Left = r.Passed, r.Failed, r.Unknown, r.Running, r.Left
		c.Warned = r.Warned
		c.Views = v.views()
		if len(v.OpenQuestions()) == 0 { // the question says it
			c.Bad, _ = v.bad(r)
		}
	}
	open := v.OpenQuestions()
	c.Unshown = max(0, len(open)-questionsOnCard)
	for _, q := range open[:len(open)-c.Unshown] {
		c.Asking = append(c.Asking, asking{Title: v.about(q), Who: either(v.may(q)), Since: clockTime(q.AskedAt)})
	}
	switch {
	case !v.MitigatedAt.IsZero():
		c.Ended = "mitigated"
	case !v.AbortedAt.IsZero():
		c.Ended = "aborted"
	case v.Phase() == "taken back":
		c.Ended = "taken back"
	case restore && !v.EndedAt.IsZero():
		c.Ended = "restored"
	case !v.ResolvedAt.IsZero():
		c.Ended = v.Phase()
	}
	if v.Paused {
		c.PausedBy, c.PauseReason = v.who(v.PausedBy), theirs(v.PauseReason, 300)
	}
	if !v.AbortedAt.IsZero() {
		c.AbortedBy, c.AbortReason = v.who(v.AbortedBy), theirs(v.Aborted.Reason, 300)
		c.Changed = v.stays()
	} else if former := v.Former(); former != nil && !former.AbortedAt.IsZero() {
		c.AbortedBy, c.AbortReason, c.TakingBack = v.who(former.AbortedBy), theirs(former.Aborted.Reason, 300), true
		c.TakenBack = lineOf(v.RunEnded(), 500)
	}
	if !v.MitigatedAt.IsZero() {
		c.Mitigated = clockTime(v.ServedAt())
	}
	if !v.ResolvedAt.IsZero() {
		c.Unserved = v.Unserved
		c.Resolved, c.ResolvedBy = clockTime(v.ResolvedAt), v.who(v.ResolvedBy)
	}
	if v.Durability != nil && v.Durability.Volatile && !v.practice {
		c.NotDurable = lineOf(v.Durability.Says, 200)
	}
	return c
}

// doneMax is how many sections that are done are named.
const doneMax = 3

// together are the sections as the card shows them: a line for each that is under way or
// has stopped, and one for all that are done, and one for all that are to come. What is
// carried out now is said where there is one section under way, and of several, what is out
// of the ordinary.
func together(sections []sectionLine) []string {
	var out, done, later []string
	busy, plain := 0, true // what is done is worth no further word
	for _, l := range sections {
		plain = plain && (!l.Finished || l.Note == "")
		if l.Busy {
			busy++
		}
	}
	for _, l := range sections {
		switch {
		case l.Finished && l.Note == "" && l.Mark == "✓":
			done = append(done, l.Title)
		case l.Finished && l.Mark == "✓":
			done = append(done, l.Title+" ("+l.Note+")")
		case l.Mark == "·":
			later = append(later, l.Title)
		default:
			say := fmt.Sprintf("%s %s  %d/%d", l.Mark, l.Title, l.Done, l.Total)
			if note := l.Note; note != "" && !l.Asked && (busy < 2 || !l.Plain) { // who is asked is said above
				say += "  " + note
			}
			out = append(out, say)
		}
	}
	if len(done) == len(sections) && plain {
		return []string{fmt.Sprintf("✓ all %s", text.Count(len(done), "section"))}
	}
	if len(done) > doneMax && plain {
		done = []string{fmt.Sprintf("%d of %s, last %s", len(done), text.Count(len(sections), "section"), done[len(done)-1])}
	}
	if len(done) > 0 {
		out = slices.Insert(out, 0, "✓ "+strings.Join(done, ", "))
	}
	if len(later) > 0 {
		out = append(out, "· "+strings.Join(later, ", "))
	}
	return out
}

// lost says since when the Region that is left has not answered; empty while it does.
func (v incidentView) lost() string {
	if at := v.SourceLost(); !at.IsZero() {
		return clockTime(at)
	}
	return ""
}

// switches is the way on without a Region that is lost.
func (v incidentView) switches() []commands.Button {
	if !v.OffersSwitch() {
		return nil
	}
	return []commands.Button{{Verb: "switch", Label: "Switch to unplanned …", Incident: v.ID, Style: "primary"}}
}

// stays are the titles of what stays changed of a run that was stopped.
func (v incidentView) stays() []string {
	var out []string
	t, err := v.TakeBack()
	if err != nil {
		return v.Aborted.Changed[:min(len(v.Aborted.Changed), 20)]
	}
	for _, m := range slices.Concat(t.Stay, t.Back) {
		if out = append(out, lineOf(m.Of.Title, 120)); len(out) == 20 {
			break
		}
	}
	return out
}

// usually is about how long the machine will take; empty if the plan does not say.
func (v incidentView) usually() string { return about(v.plan.Usually()) }

// gone says that a change was accepted and will not come about.
func (v incidentView) gone(step string) string {
	return "“" + v.plan.title(step) + "” was accepted and does not come about."
}

// orders says how long nobody could order because this run stopped what writes; empty
// if it did not.
func (v incidentView) orders() string {
	i := v.Impact()
	since, until := i.ByUs, i.ByUsEnd
	switch {
	case since.IsZero():
		return ""
	case until.IsZero() && v.ResolvedAt.IsZero():
		return "Nobody can order: what writes in " + lineOf(v.Source, 40) + " is stopped since " + clockTime(since) + "."
	case until.IsZero():
		return "Orders stopped at " + clockTime(since) + ", and were not seen to be possible again."
	}
	return "Orders were stopped for " + text.Duration(until.Sub(since)) + "."
}

// ordersAfter says what a yes to the question means for those who order.
func (v incidentView) ordersAfter(q *incident.Question) string {
	again := ""
	if d := about(v.OrdersAgain(q.Step)); d != "" {
		again = "possible again about " + d + " after your yes"
	}
	switch i := v.Impact(); {
	case i.Stopped():
		return strings.TrimSuffix("stopped since "+clockTime(i.ByUs)+"; "+again, "; ")
	case v.Mode == "unplanned": // what they get is what the Region that is lost gives
		return again
	case v.StopsOrders(q):
		return strings.TrimSuffix("stop with your yes; "+strings.Replace(again, "after your yes", "later", 1), "; ")
	}
	return ""
}

// about is a duration in few words; empty where there is none.
func about(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < 90*time.Second:
		return text.Duration(d)
	}
	return strconv.Itoa(int(d.Round(time.Minute)/time.Minute)) + " min"
}

// approvers says who may agree to a point of no return: never whoever asked.
func (v incidentView) approvers() string {
	if v.plan.Decisions() == 0 {
		return ""
	}
	asked := v.who(v.DeclaredBy)
	others := slices.DeleteFunc(v.named(commands.Approver), func(p string) bool { return p == asked })
	if len(others) == 0 {
		return "nobody but " + asked + ", who asked and so may not"
	}
	return either(others)
}

// questionsOnCard is for how many open questions the card has buttons; the
// others have their own messages below.
const questionsOnCard = 6

// cardMessage is the live card.
func (b *Face) cardMessage(v incidentView) message {
	var rows []slack.Block
	open := v.OpenQuestions()
	for _, q := range open[:min(len(open), questionsOnCard)] {
		answers := slices.DeleteFunc(v.among(q, open), func(b commands.Button) bool {
			return b.Verb == "switch" || strings.HasPrefix(b.Label, checkAgain) // it is of the run; nobody has to
		})
		rows = append(rows, row("question/"+q.Question, answers...)...)
	}
	rows = append(rows, row("run", v.controls()...)...)
	c := v.card()
	m := compose(b.words.say("card", c), v.practice, rows...)
	if c.SourceLost == "" && c.Alarm == "" && !c.Gone { // a notification says first which incident it is
		m.text = prefix(v.practice) + cut(strings.Join([]string{c.Incident, c.Severity, c.Source + " → " + c.Target, c.Mode, c.Phase}, " · "), 300)
	}
	m.meta = map[string]any{"incident": string(v.ID), "key": keyCard, "kind": "card", "state": v.Phase()}
	return m
}

// controls are the buttons for the run as a whole.
func (v incidentView) controls() []commands.Button {
	if v.Gone() {
		return nil // there is nothing of it that could be shown
	}
	id := v.ID
	run := v.switches()
	switch v.Phase() {
	case "resolved", incident.ClosedUnserved, "halted": // what is decided next has a message of its own
	case "mitigated", "aborted", "ended", "taken back":
		run = append(run, commands.Button{Verb: "resolve", Label: "Resolve", Incident: id, Style: "primary"})
		if v.MayTakeBack() == "" {
			run = append(run, commands.Button{Verb: "take_back", Label: "Take back …", On: string(v.Name), Incident: id})
		}
	case "paused":
		run = append(run, commands.Button{Verb: "resume", Label: "Resume", Incident: id, Style: "primary"})
	default:
		run = append(run, commands.Button{Verb: "pause", Label: "Pause", Incident: id})
	}
	if v.GoAt.IsZero() && v.AbortedAt.IsZero() && v.ResolvedAt.IsZero() {
		run = append(run, commands.Button{Verb: "readiness", Label: "Show readiness", Incident: id})
	}
	run = append(run, commands.Button{Verb: "timeline", Label: "Timeline", Incident: id})
	open := v.OpenQuestions() // it is called off there
	goes := slices.ContainsFunc(open, func(q *incident.Question) bool {
		return q.Kind == incident.AskGo || q.Kind == incident.AskFailed && len(open) == 1
	})
	if v.ResolvedAt.IsZero() && !v.Over() && v.MitigatedAt.IsZero() && v.Diverged == nil && !goes {
		run = append(run, commands.Button{Verb: "abort", Label: "Abort …", On: string(v.Name), Incident: id, Style: "danger"})
	}
	return run
}

// among are the buttons of a question that stands with others: each names what it
// is about, and what stops the whole run is not among them.
func (v incidentView) among(q *incident.Question, others []*incident.Question) []commands.Button {
	out := v.choices(q)
	if len(others) < 2 || q.Kind == incident.AskGo {
		return out
	}
	out = slices.DeleteFunc(out, func(b commands.Button) bool { return b.Verb == "abort" })
	named := "“" + lineOf(strings.TrimSuffix(oneLine(q.Title), " stopped"), 40) + "”"
	for i, b := range out {
		label, more := strings.CutSuffix(b.Label, " …")
		if b.Verb == "go_on" {
			label += " without"
		}
		label += " " + named
		if more {
			label += " …"
		}
		out[i].Label = label
	}
	return out
}

// checkAgain begins the label of a button that carries a check out again which nothing
// waits for.
const checkAgain = "Check again"

// retriesMax is for how many failed gates there is a button.
const retriesMax = 4

// choices are the buttons of an open question: what can be answered as things
// stand now, whatever they were when it was asked.
func (v incidentView) choices(q *incident.Question) []commands.Button {
	b := func(verb, label, style string) commands.Button {
		return commands.Button{Verb: verb, Label: label, On: q.Question, Incident: v.ID, Style: style}
	}
	switch q.Kind {
	case incident.AskGo:
		r := v.Readiness()
		var out []commands.Button
		switch {
		case len(r.Locked) > 0 || len(r.Again) > 0: // Go would be refused
		case len(r.Stopped) > 0: // it stands behind what mends
		default:
			out = append(out, b("go", "Go", "primary"))
		}
		retry := r.Stopped
		if len(r.Locked) > 0 {
			retry = r.Locked // the others are of no use before
		}
		label := "Retry"
		if len(retry)+len(r.Again) == 0 {
			// Nobody has to, but somebody may have acted on it.
			label = checkAgain
			for _, s := range r.Bad {
				if v.Step(s.ID).Verdict() != incident.Warn || actOn(&s) {
					retry = append(retry, s)
				}
			}
		}
		for i, s := range retry[:min(len(retry), retriesMax)] {
			again := commands.Button{Verb: "retry", Label: label, On: s.ID, Incident: v.ID}
			if len(r.Stopped)+len(r.Again) > 1 || len(retry) > 1 {
				again.Label += " “" + cut(s.Title, 50) + "”"
			}
			if i == 0 && len(r.Stopped) > 0 {
				again.Style = "primary"
			}
			out = append(out, again)
		}
		if len(r.Stopped) > 0 && len(r.Locked) == 0 && len(r.Again) == 0 {
			out = append(out, b("go_override", "Go, overriding "+text.Count(len(r.Stopped), "gate")+" …", ""))
		}
		return append(out, b("abort", "Call it off …", ""))
	case incident.AskApprove:
		out := []commands.Button{b("approve", "Approve …", "primary"), b("decline", "Decline …", "")}
		if s := v.switches(); len(s) > 0 {
			out = append(s, out[1]) // a yes would be refused
		}
		if len(q.Effects) > 0 {
			out = append(out, b("details", "Details", ""))
		}
		if v.Expiries[q.Step] >= 1 {
			out = append(out, b("break_glass", "Break glass …", ""))
		}
		return out
	case incident.AskPerson: // what stops the whole run stands on the card, not among the answers
		var out []commands.Button
		for _, c := range commands.Choices(q) {
			answer := b("answer", cut(c, 60), "")
			answer.On = q.Question + " " + c
			out = append(out, answer)
		}
		return out
	case incident.AskFailed:
		out := []commands.Button{b("retry", "Retry", "primary")}
		if s := v.plan.steps[q.Step]; s != nil && s.Kind == runbook.Wait {
			out[0].Label = "Keep waiting"
		}
		if v.Step(q.Step).Failure.WillNotCome != "" {
			out[0].Label = "Ask again …"
		}
		if s := v.switches(); len(s) > 0 {
			out[0].Style = "" // what it needs is not there
			out = append(s, out...)
		}
		if !q.Locked {
			out = append(out, b("go_on", "Go on …", ""))
		}
		if v.Overwrites(q.Step) {
			out = append(out, b("overwrite", "Overwrite …", "danger"))
		}
		if v.Step(q.Step).Failure.WillNotCome != "" && v.TakesBack() {
			out = append(out, b("abort_back", "Stop and take back …", ""))
		}
		return append(out, b("abort", "Abort …", "danger"))
	}
	return nil
}
