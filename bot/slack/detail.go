package slack

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
)

// linesMax is how many results are in one message of the thread.
const linesMax = 25

// detail is one line of the card's thread.
type detail struct {
	seq  uint64
	at   time.Time
	what string // ok, already, failed, ...
	step string // its title is filled in when the line is written
	text string // escaped
}

// detailOf is the line of an event that has one.
func detailOf(e incident.Event, roster incident.Roster) (detail, bool) {
	d := detail{seq: e.Seq, at: e.Time}
	because := func(reason string) string {
		if reason == "" {
			return ""
		}
		return ": " + theirs(reason, 400)
	}
	switch b := e.Body.(type) {
	case incident.StepFinished:
		d.what, d.step, d.text = "ok", b.Step, lineOf(b.Summary, 500)
		switch {
		case b.Already:
			d.what = "already"
		case b.Verdict != "" && b.Verdict != incident.Fail:
			d.what = b.Verdict.Word()
		}
	case incident.StepFailed:
		d.what, d.step, d.text = "failed", b.Step, lineOf(b.Error, 500)
		switch {
		case b.Advice && b.Unknown:
			d.what = "unknown, advice"
		case b.Advice:
			d.what = "advice"
		case b.Unknown:
			d.what = "unknown"
		}
		d.text += lastKnown(b.Last, e.Time)
		if b.Hint != "" {
			d.text += " · " + lineOf(b.Hint, 300)
		}
	case incident.ChangeMissed:
		d.what, d.step, d.text = "not done", b.Step, "it is tried again: "+lineOf(b.Error, 300)
	case incident.StepSkipped:
		d.what, d.step, d.text = "skipped", b.Step, "by "+whom(roster, e.Actor)+because(b.Reason)
	case incident.ApprovalGiven:
		d.what, d.step, d.text = b.Choice, b.Step, "by "+whom(roster, e.Actor)+because(b.Reason)
	case incident.ApprovalDeclined:
		d.what, d.step, d.text = "declined", b.Step, "by "+whom(roster, e.Actor)+because(b.Reason)
	case incident.ApprovalExpired:
		d.what, d.step, d.text = "expired", b.Step, "nobody answered in time"
	case incident.ApprovalWithdrawn:
		d.what, d.step, d.text = "withdrawn", b.Step, lineOf(b.Why, 400)
	case incident.RunPaused:
		d.what, d.text = "paused", "by "+whom(roster, e.Actor)+because(b.Reason)
	case incident.RunResumed:
		d.what, d.text = "resumed", "by "+whom(roster, e.Actor)
	case incident.RunAborted:
		d.what, d.text = "aborted", "by "+whom(roster, e.Actor)+because(b.Reason)
	case incident.RunBegun:
		if b.Kind != incident.Undo {
			return detail{}, false
		}
		d.what, d.text = "taking back", "begun by "+whom(roster, e.Actor)+because(b.Reason)
	case incident.RunEnded:
		if b.Summary == "" {
			return detail{}, false
		}
		d.what, d.text = "ended", lineOf(b.Summary, 500)
	case incident.IncidentMitigated:
		d.what, d.text = "mitigated", lineOf(b.Summary, 500)
	case incident.IncidentResolved:
		d.what, d.text = "resolved", "by "+whom(roster, e.Actor)+because(b.Reason)
	case incident.HistoryDiverged:
		d.what, d.text = "record", fmt.Sprintf("lost events %d to %d; nothing changes before somebody decides", b.Common+1, b.Held)
	case incident.HistoryRepaired:
		d.what, d.text = "record", "how to go on was decided by "+whom(roster, e.Actor)+" ("+lineOf(b.Choice, 20)+")"+because(b.Reason)
	case incident.NoteAdded:
		d.what, d.text = "note", whom(roster, e.Actor)+because(b.Text)
	case incident.ConfirmationGiven:
		d.what, d.text = "here", b.Subject+": "+whom(roster, e.Actor)+because(b.Reason)
	default:
		return detail{}, false
	}
	return d, true
}

func (b *Face) detailMessage(v incidentView, lines []detail) message {
	var text strings.Builder
	for _, d := range lines {
		text.WriteString("`" + d.at.UTC().Format("15:04:05 UTC") + "` " + d.what + "  ")
		if d.step != "" {
			text.WriteString("*" + v.plan.title(d.step) + "*  ")
		}
		text.WriteString(d.text + "\n")
	}
	m := compose(text.String(), v.practice)
	m.meta = map[string]any{"incident": string(v.ID), "key": keyThread + strconv.FormatUint(lines[len(lines)-1].seq, 10), "kind": "thread"}
	return m
}

// reviewView is what is said with the review draft.
type reviewView struct {
	Status, Incident, Severity, What         string
	Commander, Source, Target, AbortedBy     string
	Mitigated, Impact, Machine, People, File string
	// Title says how much of the draft was measured and how much is to be filled in.
	Title   string
	Points  []string
	Missing string
}

func (v incidentView) review() reviewView {
	u := v.update(time.Time{})
	r := reviewView{
		Status: u.Status, Severity: u.Severity, What: u.What, Commander: u.Commander,
		Incident: line(v.ID.Name()), Source: lineOf(v.Source, 40), Target: lineOf(v.Target, 40),
		Impact: v.impact(clockTime), People: short(v.waited()), Machine: short(v.RunOver().Sub(v.DeclaredAt) - v.waited()),
		Points: v.points(),
	}
	if !v.MitigatedAt.IsZero() {
		r.Mitigated = clockTime(v.ServedAt())
	}
	if !v.AbortedAt.IsZero() {
		r.AbortedBy = v.who(v.AbortedBy)
	} else if former := v.Former(); former != nil && !former.AbortedAt.IsZero() {
		r.AbortedBy = v.who(former.AbortedBy)
	}
	return r
}

// fill is the part that the written draft brings.
func (r *reviewView) fill(file commands.File) {
	r.File, r.Title = line(file.Name), lineOf(file.Title, 200)
	if r.Title == "" {
		r.Title = "Review draft of " + r.Incident
	}
}

func (b *Face) reviewMessage(id incident.ID, view reviewView, practice bool) message {
	m := compose(b.words.say("review", view), practice)
	m.meta = map[string]any{"incident": string(id), "key": keyReview, "kind": "review", "state": "resolved"}
	return m
}
