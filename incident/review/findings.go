package review

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// losses are what people were told could be lost when they agreed, and what the
// steps themselves saw of the lag. The worst one is the answer.
func (b *builder) losses() {
	covered := map[string]bool{}
	for _, q := range b.questions() {
		if q.Kind != incident.AskApprove || q.Answer != "approve" {
			continue
		}
		for _, e := range q.Effects {
			step := cmp.Or(e.Step, q.Step)
			if covered[step] {
				continue
			}
			covered[step] = true
			l := Loss{
				Store: step, Estimate: measured("%s", lostAs(e)),
				Evidence: fmt.Sprintf("shown when %s agreed at %s to: %s", b.who(q.By), clock(q.At), e.What),
			}
			if lag := lagOf(b.finishes[step].Evidence); lag != "" {
				l.Evidence += "; the step itself saw " + lag
			}
			b.d.Losses = append(b.d.Losses, l)
		}
	}
	for _, s := range b.order() {
		st := b.state.Step(s.ID)
		if covered[s.ID] {
			continue
		}
		seen := st.Finished.Evidence
		if st.Status == incident.Advised || st.Status == incident.Failed {
			seen = st.Failure.Evidence
		}
		if lag := lagOf(seen); lag != "" {
			b.d.Losses = append(b.d.Losses, Loss{
				Store: s.ID, Estimate: measured("%s", lag), Evidence: "read by the step, which ended " + clock(st.Ended),
			})
		}
	}
}

// lostAs is what the approver was shown of it.
func lostAs(e incident.Effect) string {
	if e.Lost == "" {
		return "nothing was shown to the approver"
	}
	return e.Lost
}

// lagOf picks the figures that speak of lag out of a step's evidence.
func lagOf(seen map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(seen)) {
		for word := range strings.FieldsFuncSeq(strings.ToLower(k), func(r rune) bool { return r == ' ' || r == '_' || r == '-' || r == '.' }) {
			if word == "lag" || word == "rpo" {
				out = append(out, k+" "+seen[k])
				break
			}
		}
	}
	return strings.Join(out, ", ")
}

// gaps are what the record itself lacks.
func (b *builder) gaps() {
	add := func(format string, args ...any) { b.d.Gaps = append(b.d.Gaps, fmt.Sprintf(format, args...)) }
	var before incident.Event
	for i, e := range b.events {
		if i > 0 {
			if e.Seq != before.Seq+1 {
				add("Events between %d and %d are missing.", before.Seq, e.Seq)
			}
			if e.Time.Before(before.Time) {
				add("Event %d is dated %s before the one that it follows: two clocks disagreed.", e.Seq, Span(before.Time.Sub(e.Time)))
			}
		} else if e.Seq > 1 {
			add("The timeline begins with event %d.", e.Seq)
		}
		switch body := e.Body.(type) {
		case incident.RunTaken:
			if body.Return && i > 0 {
				add("The bot was away for up to %s before %s.", Span(max(0, e.Time.Sub(before.Time))), clock(e.Time))
			}
		case incident.Unknown:
			add("Event %d is of a type that this version does not know: %s.", e.Seq, body.Name)
		}
		before = e
	}
	if b.plan == nil {
		add("No plan is on the timeline: what should have happened cannot be compared.")
	}
	switch d := b.state.Durability; {
	case d == nil:
		add("How safe this record was kept is not on it.")
	case d.Volatile:
		add("This record was kept in memory only: %s", d.Says)
	}
	if b.t5.IsZero() {
		add("The timeline does not say that users were served again.")
	}
	for _, s := range b.order() {
		st := b.state.Step(s.ID)
		switch {
		case st.Status == incident.Running:
			add("%s began at %s and has no end.", s.ID, clock(st.Started))
		case st.Status == incident.Pending && b.state.Over():
			add("%s was never carried out.", s.ID)
		}
		for _, f := range b.failures[s.ID] {
			if f.MayHaveHappened {
				add("After attempt %d of %s it was not known whether the change had happened.", max(1, f.Attempt), s.ID)
			}
		}
	}
}

func (b *builder) unprotected() {
	add := func(format string, args ...any) {
		b.d.Unprotected = append(b.d.Unprotected, fmt.Sprintf(format, args...))
	}
	for _, p := range b.look.Points() {
		add("%s, since %s.", p.Title, clock(p.Since))
	}
	for _, id := range slices.Sorted(maps.Keys(b.state.Closed)) {
		add("The open point %s was closed by %s: %s", id, b.who(b.state.Closed[id].By), b.state.Closed[id].How)
	}
	for _, id := range b.state.TaskOrder {
		if t := b.state.Tasks[id]; !t.Open() {
			add("What was left to do (%s) was closed by %s: %s", id, b.who(t.ClosedBy), t.How)
		}
	}
	if b.state.Unserved {
		add("It was closed while users were not seen to be served.")
	}
	for _, s := range b.order() {
		st := b.state.Step(s.ID)
		title := cmp.Or(s.Title, s.ID)
		switch {
		case st.Intended != nil && st.Status != incident.Running:
			add("It is not known whether this happened: %s.", title)
		case st.Status == incident.Skipped:
			add("Left out by %s: %s. Reason: %s", b.who(st.SkippedBy), title, st.SkipReason)
		case st.Status == incident.Advised && st.Failure.Unknown:
			add("Could not be found out: %s. %s", title, st.Failure.Error)
		case st.Status == incident.Advised, st.Status == incident.Failed:
			add("Found wanting: %s. %s", title, st.Failure.Error)
		}
	}
}

// judge lists facts that speak for the run and against it, and what they leave
// to be done. Opinions are left to people.
func (b *builder) judge() {
	well := func(format string, args ...any) { b.d.Well = append(b.d.Well, fmt.Sprintf(format, args...)) }
	improve := func(format string, args ...any) { b.d.Improve = append(b.d.Improve, fmt.Sprintf(format, args...)) }
	if took, ok := b.impact(); ok && b.plan != nil && b.plan.Topology.Policy.ObjectiveMinutes > 0 {
		goal := time.Duration(b.plan.Topology.Policy.ObjectiveMinutes) * time.Minute
		if took <= goal {
			well("Users were served again %s after impact began; the objective is %s.", Span(took), Span(goal))
		} else {
			improve("Users were served again %s after impact began; the objective is %s.", Span(took), Span(goal))
		}
	}
	first, all := 0, 0
	for _, s := range b.order() {
		st := b.state.Step(s.ID)
		if st.Status == incident.Pending || b.attempts[s.ID] == 0 {
			continue
		}
		all++
		if st.Status == incident.Done && len(b.failures[s.ID]) == 0 {
			first++
		}
	}
	if all > 0 {
		well("%d of %d steps that were begun ended well without stopping once.", first, all)
	}
	if t := b.d.Times; t.Overlap() > 1 {
		well("Steps ran side by side: %s of work in %s.", Span(t.Sum), Span(t.Elapsed))
	}
	if t := b.d.Times; t.Human > t.Machine {
		improve("People were waited for longer (%s) than the machine worked (%s).", Span(t.Human), Span(t.Machine))
	}
	for _, q := range b.questions() {
		switch {
		case q.BrokeGlass:
			improve("%s approved %q alone by break-glass: nobody else had answered.", b.who(q.By), q.Title)
		case q.Kind == incident.AskApprove && q.Answer == "approve" && !b.state.RequestedAny(q.By, q):
			well("%q was approved by somebody else than who asked for it, %s after the question.", q.Title, Span(q.At.Sub(q.AskedAt)))
		case q.Answer == "expired":
			improve("Nobody answered %q within %s.", q.Title, Span(q.At.Sub(q.AskedAt)))
		}
	}
	for _, e := range b.events {
		switch body := e.Body.(type) {
		case incident.ApprovalGiven:
			if len(body.Overridden) > 0 {
				improve("%s overrode failed checks: %s. Reason: %s", b.who(e.Actor), strings.Join(body.Overridden, ", "), cmp.Or(body.Reason, "none given"))
			}
		case incident.StepFailed:
			if !body.Advice {
				improve("%s stopped: %s", body.Step, body.Error)
			}
		case incident.RunTaken:
			if body.Return {
				improve("The bot had to be started again, and was back at %s.", clock(e.Time))
			}
		}
	}
	b.d.Actions = append(b.d.Actions, b.d.Unprotected...)
	for _, c := range b.d.Changes {
		if s, ok := b.planStep(c.Step); ok && !s.NoReturn && !c.Back && !strings.HasPrefix(c.Undo, nothingBack) {
			b.d.Actions = append(b.d.Actions, fmt.Sprintf("Keep or take back the change of %s: %s", c.Step, c.Undo))
		}
	}
}
