package slack

import (
	"fmt"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
)

// updateView has the fields of section 9 of the source document.
type updateView struct {
	What                             string // failover, failback, restore, servers or rebuild
	Platform, Severity, Status, Time string
	Impact, Source, SourceIs         string
	Target, TargetIs, Commander      string
	Alarm                            string // what is to be read before all else
	Done, Now, Next, Incident        string
	Points                           []string
}

func (v incidentView) update(next time.Time) updateView {
	d := v.Declared
	u := updateView{
		What: string(incident.Failover), Platform: lineOf(v.plan.Topology.Platform, 80), Severity: lineOf(d.Severity, 20), Time: minuteUTC(v.Now),
		Source: lineOf(v.Source, 40), Target: lineOf(v.Target, 40), Commander: v.who(d.Commander),
		SourceIs: v.sourceIs(), TargetIs: "STANDBY", Status: "IN PROGRESS", Incident: line(v.ID.Name()),
		Points: v.points(), Impact: v.impact(minuteUTC), Done: v.done(), Now: v.doing(),
	}
	if !v.MitigatedAt.IsZero() {
		u.Done = "" // what goes on says it
	}
	if s := v.SplitBrain(); s != "" {
		u.Alarm = "Possible split brain: " + lineOf(s, 300)
	}
	if u.Platform == "" {
		u.Platform = "the platform"
	}
	if v.Kind == incident.Failback || v.Kind.Apart() {
		u.What = string(v.Kind)
	}
	switch v.Phase() {
	case "taking back":
		u.Status, u.TargetIs = "IN PROGRESS (taking back)", "NOT TAKING OVER"
	case "taken back":
		u.Status, u.TargetIs = "IN PROGRESS (taken back)", "NOT TAKING OVER"
	case "running", "paused", "halted":
		u.TargetIs = "TAKING OVER"
		if phase := v.Phase(); phase != "running" {
			u.Status = "IN PROGRESS (" + phase + ")"
		}
	case "mitigated":
		u.Status = "IN PROGRESS (mitigated)"
	case "ended":
		u.Status = "IN PROGRESS (ended)"
	case "aborted":
		u.Status, u.TargetIs = "IN PROGRESS ("+u.What+" aborted)", "NOT TAKING OVER"
	case "resolved", incident.ClosedUnserved:
		u.Status, u.TargetIs = strings.ToUpper(v.Phase()), "NOT TAKING OVER"
	}
	switch {
	case v.Kind == incident.RestoreBackup:
		u.SourceIs, u.TargetIs = "backed up", v.restoredIs()
	case v.Kind == incident.MoveServers:
		u.SourceIs, u.TargetIs = v.serversAre()
	case v.Kind == incident.RebuildStandby:
		u.SourceIs, u.TargetIs = "serves", v.rebuiltIs()
	case !v.MitigatedAt.IsZero():
		u.TargetIs = "ACTIVE"
	case v.Kind == incident.Undo:
		u.TargetIs = "NOT TAKING OVER"
	case u.TargetIs == "NOT TAKING OVER" && v.Writes():
		u.TargetIs = "HAS THE DATABASE"
	case u.TargetIs == "NOT TAKING OVER" && v.Promoted():
		u.TargetIs = "ASKED TO TAKE THE DATABASE"
	}
	if !next.IsZero() {
		u.Next = minuteUTC(next)
	}
	return u
}

// restoredIs says how far the Region is in which a backup is restored.
func (v incidentView) restoredIs() string {
	switch {
	case v.Ended.How == "done":
		return "RESTORED"
	case v.Over():
		return "RESTORE STOPPED"
	case v.GoAt.IsZero():
		return "TO BE RESTORED"
	}
	return "BEING RESTORED"
}

// serversAre says how far each Region is between which servers are moved.
func (v incidentView) serversAre() (source, target string) {
	switch {
	case v.Ended.How == "done":
		return "left by the servers", "SERVERS RUN THERE"
	case v.Over():
		return "servers stay or were taken out", "MOVE STOPPED"
	case v.GoAt.IsZero():
		return "servers run there", "SERVERS TO BE MOVED"
	}
	return "servers leave", "SERVERS BEING MOVED"
}

// rebuiltIs says how far the Region is that gets a standby.
func (v incidentView) rebuiltIs() string {
	switch {
	case v.Ended.How == "done":
		return "HAS A STANDBY"
	case v.Over():
		return "NO STANDBY, STOPPED"
	case v.GoAt.IsZero():
		return "NO STANDBY"
	}
	return "STANDBY BEING MADE"
}

// under says that a run is being carried out, so updates need not come at once.
func (v incidentView) under() bool { return v.Phase() == "running" || v.Phase() == "taking back" }

// sourceIs says how the Region is that is left: down only once enough views have
// found it so, for until then nobody has measured it. In a planned move nobody does.
func (v incidentView) sourceIs() string {
	if lost := v.SourceLost(); !lost.IsZero() {
		return "DOES NOT ANSWER since " + utc(lost)
	}
	if v.Mode != "unplanned" {
		if !v.MitigatedAt.IsZero() {
			return "LEFT"
		}
		return "planned move"
	}
	agreed, looked := 0, v.Showing(incident.Quorum)
	for _, s := range looked {
		switch st := v.Step(s.ID); st.Status {
		case incident.Done:
			agreed++
		case incident.Failed, incident.Advised, incident.Skipped:
			return "not confirmed"
		default:
		}
	}
	if agreed > 0 && agreed == len(looked) {
		return "DOWN"
	}
	return "reported down, not confirmed"
}

// minuteUTC is a moment of today, for records that nobody's client turns into local time.
func minuteUTC(t time.Time) string { return t.UTC().Format("15:04 UTC") }

// done is the section of changes that was done last; empty if none was.
func (v incidentView) done() string {
	var last sectionLine
	for _, l := range v.sections() {
		if l.Changes && l.Finished && !l.Ended.Before(last.Ended) {
			last = l
		}
	}
	return last.Title
}

// doing is what is going on now, in a few words.
func (v incidentView) doing() string {
	switch v.Phase() {
	case "resolved", incident.ClosedUnserved:
		return ""
	case "mitigated":
		if len(v.GoneBack()) > 0 {
			return "users go back to " + lineOf(v.Source, 40) + "; " + v.who(v.Declared.Commander) + " decides the way on"
		}
		return "users are served; " + v.who(v.Declared.Commander) + " resolves it"
	case "taken back":
		return lineOf(strings.TrimSuffix(v.RunEnded(), "."), 300) + "; " + v.who(v.Declared.Commander) + " resolves it when it is over"
	case "ended":
		return "the run is over; " + v.who(v.Declared.Commander) + " closes it"
	case "halted":
		return "the record lost events, so nothing is changed before " + v.who(v.Declared.Commander) + " has decided how to go on"
	case "aborted":
		if v.Kind == incident.Undo {
			return "the taking back was stopped; " + v.who(v.Declared.Commander) + " decides the way on, and resolves it when it is over"
		}
		return "the run was stopped; " + v.who(v.Declared.Commander) + " decides the way on, and resolves it when it is over"
	}
	// What runs; between two steps, the furthest section that was begun.
	var busy, slow []string
	begun := ""
	for _, l := range v.sections() {
		text := l.Title
		switch {
		case l.Busy && l.Slow != "":
			slow = append(slow, l.Slow)
			busy = append(busy, text+", "+l.Slow)
		case l.Busy:
			busy = append(busy, text)
		case !l.Finished && (l.Done > 0 || begun == ""):
			begun = text
		}
	}
	w := v.awaited()
	switch {
	case len(w) > 0:
		return strings.Join(append([]string{"waiting for " + strings.Join(w, "; for ")}, slow[:min(len(slow), 4)]...), "; ")
	case len(busy) > 0:
		return strings.Join(busy[:min(len(busy), 4)], ", ")
	}
	return begun
}

// awaited are the people that are waited for and what they are to say: on the open
// questions, and on those that are about to be asked, for everything before them
// is done. A section that ends right before a question would otherwise have an
// update that does not know of it.
func (v incidentView) awaited() []string {
	var whom []string
	what := map[string][]string{}
	add := func(who, to string) {
		if what[who] == nil {
			whom = append(whom, who)
		}
		what[who] = append(what[who], to)
	}
	for _, q := range v.OpenQuestions() {
		add(either(v.may(q)), v.about(q))
	}
	for _, q := range v.Next().Soon {
		heading := v.plan.title(q.Step)
		if s := v.plan.steps[q.Step]; s != nil {
			heading = v.plan.heading(s)
		}
		add(either(v.may(&q)), heading)
	}
	var out []string
	if v.Paused {
		out = append(out, "whoever ends the pause")
	}
	for _, who := range whom {
		titles := what[who]
		text := who + ": " + strings.Join(titles[:min(len(titles), questionsOnCard)], ", ")
		if more := len(titles) - questionsOnCard; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		out = append(out, text)
	}
	return out
}

func (b *Face) updateMessage(v incidentView, key string, next time.Time) message {
	m := compose(b.words.say("update", v.update(next)), v.practice)
	m.meta = map[string]any{"incident": string(v.ID), "key": key, "kind": "update", "state": v.Phase()}
	return m
}

// noticeMessage is anything else that is said once.
func (b *Face) noticeMessage(v incidentView, key, kind, template string, view any, buttons ...commands.Button) message {
	m := compose(b.words.say(template, view), v.practice)
	if len(buttons) > 0 {
		m = compose(b.words.say(template, view), v.practice, row("notice", buttons...)...)
	}
	m.meta = map[string]any{"incident": string(v.ID), "key": key, "kind": kind}
	return m
}
