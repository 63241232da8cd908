package review

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Timeline writes every event as one readable line, in UTC. name turns an actor's
// id into the name people know; nil leaves ids as they are.
func Timeline(events []incident.Event, name func(id string) string) []byte {
	var out bytes.Buffer
	for _, e := range events {
		out.WriteString(Line(e, name))
		out.WriteByte('\n')
	}
	return out.Bytes()
}

// Line is one event as a readable line, without a line break.
func Line(e incident.Event, name func(id string) string) string {
	return e.Time.UTC().Format("2006-01-02 15:04:05 UTC") + "  " + Sentence(e, name)
}

// Sentence is what an event says, without a line break. Whoever writes events as
// characters takes it from here: what a person typed neither steers a terminal nor
// looks like an event of its own.
func Sentence(e incident.Event, name func(id string) string) string {
	return text.Inline(says(e, named(name)))
}

// named answers for ids that name does not know, and knows the bot.
func named(name func(string) string) func(string) string {
	return func(id string) string {
		if id == incident.Bot || id == "" {
			return incident.Bot
		}
		if name != nil {
			if n := name(id); n != "" {
				return n
			}
		}
		return id
	}
}

var kinds = map[incident.QuestionKind]string{
	incident.AskGo:      "Go",
	incident.AskApprove: "Approval",
	incident.AskFailed:  "A step stopped",
	incident.AskPerson:  "To do or confirm",
}

// says is the event as a sentence or two, the fact first.
func says(e incident.Event, who func(string) string) string {
	actor := who(e.Actor)
	switch b := e.Body.(type) {
	case incident.IncidentDeclared:
		return fmt.Sprintf("%s%s declared by %s: %s. Commander %s. Users hurt since %s. Reason: %s",
			mark(b.Rehearsal), b.Incident.Name(), actor, b.Severity, who(b.Commander), since(b), b.Reason)
	case incident.RunBegun:
		return begun(e.Run, b, actor)
	case incident.RunEnded:
		return strings.TrimSuffix(fmt.Sprintf("%s is over (%s): %s", e.Run, b.How, b.Summary), ": ")
	case incident.DurabilityFound:
		return "Record: " + b.Says
	case incident.RunTaken:
		switch {
		case len(b.Looking) > 0:
			return fmt.Sprintf("%s is back (lease %d) and looks at what may have happened: %s", b.Holder, b.Token, strings.Join(b.Looking, ", "))
		case b.Return:
			return fmt.Sprintf("%s is back (lease %d)", b.Holder, b.Token)
		}
		return fmt.Sprintf("%s carries the run out (lease %d)", b.Holder, b.Token)
	case incident.StepStarted:
		return fmt.Sprintf("%s began%s", b.Step, attempt(b.Attempt))
	case incident.ChangeIntended:
		s := fmt.Sprintf("%s: about to change the world (%s)%s", b.Step, b.Action, attempt(b.Attempt))
		if b.Before != "" {
			s += "; until now: " + b.Before
		}
		return s
	case incident.ChangeMissed:
		return fmt.Sprintf("%s: nothing was changed%s: %s", b.Step, attempt(b.Attempt), b.Error)
	case incident.DurabilityObtained:
		return fmt.Sprintf("How safe the intention of %s was before its call left: %s", b.Step, b.How)
	case incident.StepFinished:
		how := "done"
		if b.Already {
			how = "was so already"
		}
		switch b.Verdict {
		case incident.Warn:
			how += ", with a warning"
		case incident.Unsure:
			how = "not known, and gone on without"
		case incident.NotApplicable:
			how = "not applicable"
		case incident.Pass, incident.Fail:
		}
		return fmt.Sprintf("%s %s: %s%s", b.Step, how, b.Summary, evidence(b.Evidence))
	case incident.StepFailed:
		how := "stopped"
		switch {
		case b.Advice && b.Unknown:
			how = "not known, and only advice"
		case b.Advice:
			how = "not so, and only advice"
		case b.Unknown:
			how = "stopped, not known"
		}
		s := fmt.Sprintf("%s %s: %s", b.Step, how, b.Error)
		if b.MayHaveHappened {
			s += ". The change may have happened all the same"
		}
		if b.Refused {
			s += ". The call was refused, and what was agreed to stands"
		}
		if b.WillNotCome != "" {
			s += ". " + b.WillNotCome + " was accepted and does not come about"
		}
		if l := b.Last; l != nil {
			s += fmt.Sprintf(". Last known at %s: %s, %s", clock(l.At), l.Verdict.Word(), l.Summary)
		}
		if b.Hint != "" {
			s += ". " + b.Hint
		}
		return s + evidence(b.Evidence)
	case incident.StepSkipped:
		return fmt.Sprintf("%s went on without %s: %s", actor, b.Step, b.Reason)
	case incident.StepRetried:
		if len(b.Overwrite) > 0 {
			return fmt.Sprintf("%s asked to try %s again, and to overwrite what somebody else changed (%s): %s", actor, b.Step, strings.Join(b.Overwrite, "; "), b.Reason)
		}
		return fmt.Sprintf("%s asked to try %s again", actor, b.Step)
	case incident.ApprovalAsked:
		s := fmt.Sprintf("Asked (%s, %s): %s, from any %s", b.Question, kinds[b.Kind], b.Title, b.Role)
		for _, e := range b.Effects {
			s += "; on yes: " + e.What
			if e.Lost != "" {
				s += ", may lose " + e.Lost
			}
		}
		if b.Again != "" {
			s += "; asked anew: " + b.Again
		}
		if len(b.Failed) > 0 {
			s += "; failed: " + strings.Join(b.Failed, ", ")
		}
		return s
	case incident.ApprovalGiven:
		s := fmt.Sprintf("%s answered %s: %s", actor, b.Question, b.Choice)
		if b.BrokeGlass {
			s = "BREAK-GLASS: " + s + ", alone"
		}
		if len(b.Overridden) > 0 {
			s += ", overriding " + strings.Join(b.Overridden, ", ")
		}
		if b.Reason != "" {
			s += ". Reason: " + b.Reason
		}
		return s
	case incident.ApprovalDeclined:
		return strings.TrimSuffix(fmt.Sprintf("%s declined %s: %s", actor, b.Question, b.Reason), ": ")
	case incident.ApprovalExpired:
		return "Nobody answered " + b.Question + " in time"
	case incident.ApprovalWithdrawn:
		return fmt.Sprintf("Question %s withdrawn: %s", b.Question, b.Why)
	case incident.RunPaused:
		return strings.TrimSuffix(fmt.Sprintf("%s paused the run: %s", actor, b.Reason), ": ")
	case incident.RunResumed:
		return actor + " resumed the run"
	case incident.RunAborted:
		s := fmt.Sprintf("%s aborted the run: %s", actor, b.Reason)
		if len(b.Changed) > 0 {
			s += ". What stays changed: " + strings.Join(b.Changed, ", ")
		}
		if len(b.TakeBack) > 0 {
			s += ". What is taken back: " + strings.Join(b.TakeBack, ", ")
		}
		return s
	case incident.IncidentMitigated:
		return "Mitigated: " + b.Summary
	case incident.IncidentResolved:
		how := "Resolved"
		if b.Unserved {
			how = "Closed, not restored,"
		}
		return strings.TrimSuffix(fmt.Sprintf("%s by %s: %s", how, actor, b.Reason), ": ")
	case incident.ImpactCorrected:
		return strings.TrimSuffix(fmt.Sprintf("%s set when users began to be hurt: %s (before: %s): %s", actor, clock(b.Began), clock(b.Was), b.Reason), ": ")
	case incident.NoteAdded:
		return fmt.Sprintf("Note by %s: %s", actor, b.Text)
	case incident.StepsExpanded:
		return fmt.Sprintf("%s is carried out for %d found by %s: %s", b.Step, len(b.Items), b.From, strings.Join(b.Items, ", "))
	case incident.ChangeForeseen:
		if b.There {
			return fmt.Sprintf("%s: would change nothing, it is so already", b.Step)
		}
		return fmt.Sprintf("%s: would change the world (%s): %s", b.Step, b.Action, b.Effect.What)
	case incident.ExerciseIntended:
		return fmt.Sprintf("%s: send %d of the exercise (%s), token %s", b.Step, b.Send, b.Action, b.Token)
	case incident.JobStarted:
		return fmt.Sprintf("%s: the job %s works on it (token %s)", b.Step, b.Handle, b.Token)
	case incident.WatchObserved:
		return fmt.Sprintf("%s: %s", b.Step, b.Summary)
	case incident.JobProgressed:
		return fmt.Sprintf("%s: %s", b.Step, b.Summary)
	case incident.TaskOpened:
		return strings.TrimSuffix(fmt.Sprintf("Task %s for %s, due %s: %s. %s", b.Task, who(b.Owner), clock(b.Due), b.Title, b.Why), ". ")
	case incident.TaskReminded:
		return "Reminded of the task " + b.Task
	case incident.TaskClosed:
		return fmt.Sprintf("Task %s closed by %s: %s", b.Task, actor, b.How)
	case incident.HistoryDiverged:
		return fmt.Sprintf("THE RECORD HAS LOST EVENTS %d TO %d, of which %d are kept here; nothing changes before a person has decided", b.Common+1, b.Held, len(b.Lost))
	case incident.HistoryRepaired:
		return fmt.Sprintf("%s decided how to go on from the lost events (%s): %s", actor, b.Choice, b.Reason)
	case incident.AssessmentMade:
		t := incident.Count(b.Findings)
		return fmt.Sprintf("Readiness of %s, %s (%s): %d ok, %d warned, %d failed, %d unknown (%d advice), %d not applicable",
			b.Target, b.Mode, b.Why, t.Passed, t.Warned, t.Failed, t.Unknown, t.Advice, t.NotApplicable)
	case incident.ConfirmationAsked:
		return fmt.Sprintf("Asked %s: %s", text.List(mapped(b.Of, who), "and"), b.Question)
	case incident.ConfirmationGiven:
		answer := "no"
		if b.Yes {
			answer = "yes"
		}
		return strings.TrimSuffix(fmt.Sprintf("%s said %s (%s): %s", actor, answer, b.Subject, b.Reason), ": ")
	case incident.SignalObserved:
		return fmt.Sprintf("%s: %s", b.Signal, b.Summary)
	case incident.FailoverProposed:
		return fmt.Sprintf("Proposed: %s -> %s, %s: %s", b.Source, b.Target, b.Mode, b.Summary)
	case incident.ProposalAnswered:
		return strings.TrimSuffix(fmt.Sprintf("Proposal %s by %s: %s", b.Answer, actor, b.Reason), ": ")
	case incident.StandbyChanged:
		return fmt.Sprintf("%s could take over: %t. %s", b.Region, b.Protected, b.Summary)
	case incident.DrillHeld:
		if b.Incident == "" {
			return fmt.Sprintf("DRILL (%s) by %s: %s", b.Scope, actor, b.Result)
		}
		return fmt.Sprintf("DRILL %s (%s) by %s: %s", b.Incident.Name(), b.Scope, actor, b.Result)
	case incident.PointOpened:
		return fmt.Sprintf("Open: %s. %s", b.Title, b.Why)
	case incident.PointClosed:
		return fmt.Sprintf("No longer open: %s (%s)", b.Point, b.How)
	case incident.Unknown:
		if b.Broken != "" {
			return "This event " + b.Broken
		}
		return "An event of a type that this version does not know: " + b.Name
	}
	return "An event without content"
}

func begun(run incident.RunID, b incident.RunBegun, actor string) string {
	s := fmt.Sprintf("%s begun by %s: %s -> %s, %s, plan %s", run, actor, b.Source, b.Target, b.Mode, short(b.Digest))
	if b.Follows != "" {
		s += ", after " + string(b.Follows)
	}
	if b.Reason != "" {
		s += ". Reason: " + b.Reason
	}
	if b.Dry {
		s += "; changes are foreseen and not made"
	}
	return s
}

// since is when users began to be hurt, as it was declared.
func since(b incident.IncidentDeclared) string {
	switch {
	case b.BeganNotSaid:
		return "an unknown time"
	case b.Continues != "":
		return clock(b.Began) + ", as in " + b.Continues.Name() + ", which was closed without users being served"
	}
	return clock(b.Began)
}

func mark(rehearsal bool) string {
	if rehearsal {
		return "REHEARSAL "
	}
	return ""
}

func attempt(n int) string {
	if n <= 1 {
		return ""
	}
	return fmt.Sprintf(", attempt %d", n)
}

func evidence(m map[string]string) string {
	if len(m) == 0 {
		return ""
	}
	parts := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+" "+m[k])
	}
	return " [" + strings.Join(parts, ", ") + "]"
}

// short is how a plan's digest is shown.
func short(digest string) string { return digest[:min(6, len(digest))] }

func clock(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return text.ToSecond.UTC(t)
}

// Span is a duration as the review and what is printed after a rehearsal have it.
func Span(d time.Duration) string { return text.Tenths(d) }

// mapped are those, each as name has it.
func mapped(ids []string, name func(string) string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = name(id)
	}
	return out
}
