package review

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// order is the plan's steps, then those that only the timeline knows.
func (b *builder) order() []runbook.Step {
	var out []runbook.Step
	known := map[string]bool{}
	if b.plan != nil {
		out = slices.Clone(b.plan.Steps)
		for _, s := range out {
			known[s.ID] = true
		}
	}
	var strange []*incident.StepState
	for id, st := range b.state.Steps {
		if !known[id] {
			strange = append(strange, st)
		}
	}
	slices.SortFunc(strange, func(x, y *incident.StepState) int {
		return cmp.Or(x.First.Compare(y.First), cmp.Compare(x.ID, y.ID))
	})
	for _, st := range strange {
		out = append(out, runbook.Step{ID: st.ID, Title: st.ID, Uses: st.Action})
	}
	return out
}

func (b *builder) steps() {
	critical := map[string]bool{}
	for _, id := range b.d.Times.Path {
		critical[id] = true
	}
	sections := map[string]string{}
	if b.plan != nil {
		for _, s := range b.plan.Sections {
			sections[s.ID] = s.Title
		}
	}
	for _, s := range b.order() {
		st := b.state.Step(s.ID)
		row := Step{
			ID: s.ID, Title: s.Title, Section: sections[s.Section], Attempts: b.attempts[s.ID], Critical: critical[s.ID],
			Result: b.result(st), Summary: b.seen(st), Began: "-", Took: "-",
		}
		if !st.First.IsZero() {
			row.Began = clock(st.First)
		}
		if own, ok := b.d.Times.Own[s.ID]; ok {
			row.Took = Span(own)
		}
		b.d.Steps = append(b.d.Steps, row)
		if critical[s.ID] {
			b.d.Path = append(b.d.Path, row)
		}
	}
}

// earlier tells the runs before the newest one: what each was for, how it ended, and its
// steps by its own plan.
func (b *builder) earlier() error {
	for _, r := range b.state.Runs {
		if r == b.state.Run {
			continue
		}
		plan, err := runbook.DecodePlan(r.Plan.Plan)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		how := "not over when the next one began"
		switch {
		case !r.AbortedAt.IsZero():
			how = "aborted at " + clock(r.AbortedAt) + " by " + b.who(r.AbortedBy)
		case !r.MitigatedAt.IsZero():
			how = "mitigated at " + clock(r.MitigatedAt)
		case !r.EndedAt.IsZero():
			how = strings.TrimSuffix("over at "+clock(r.EndedAt)+": "+r.Ended.How, ": ")
		}
		e := Earlier{Name: string(r.Name), About: fmt.Sprintf("%s -> %s, %s, plan %s, begun %s by %s; %s",
			r.Source, r.Target, r.Mode, short(r.Plan.Digest), clock(r.BegunAt), b.who(r.BegunBy), how)}
		for _, s := range plan.Steps {
			st := r.Step(s.ID)
			row := Step{ID: s.ID, Title: s.Title, Result: b.result(st), Summary: b.seen(st), Began: "-"}
			if !st.First.IsZero() {
				row.Began = clock(st.First)
			}
			e.Steps = append(e.Steps, row)
		}
		b.d.Earlier = append(b.d.Earlier, e)
	}
	return nil
}

func (b *builder) result(st incident.StepState) string {
	switch st.Status {
	case incident.Done:
		if st.Finished.Already {
			return "was so already"
		}
		return "done"
	case incident.Advised:
		if st.Failure.Unknown {
			return "advice, not known"
		}
		return "advice, not so"
	case incident.Failed:
		return "stopped"
	case incident.Skipped:
		return "skipped"
	case incident.Running:
		return "not ended"
	case incident.Pending:
	}
	return "not begun"
}

func (b *builder) seen(st incident.StepState) string {
	switch st.Status {
	case incident.Done:
		return st.Finished.Summary
	case incident.Advised, incident.Failed:
		return st.Failure.Error
	case incident.Skipped:
		return b.who(st.SkippedBy) + ": " + st.SkipReason
	case incident.Running, incident.Pending:
	}
	return ""
}

// questions in the order in which they were asked.
func (b *builder) questions() []*incident.Question {
	all := map[string]*incident.Question{}
	maps.Copy(all, b.state.Questions)
	for _, r := range b.state.Runs {
		maps.Copy(all, r.Questions)
	}
	return slices.SortedFunc(maps.Values(all), func(x, y *incident.Question) int {
		return cmp.Or(x.AskedAt.Compare(y.AskedAt), cmp.Compare(x.Question, y.Question))
	})
}

func (b *builder) decisions() {
	over := map[string][]string{}
	for _, e := range b.events {
		if g, ok := e.Body.(incident.ApprovalGiven); ok {
			over[g.Question] = g.Overridden
		}
	}
	for _, q := range b.questions() {
		d := Decision{
			Question: q.Question, About: q.Title, AskedFor: b.askedFor(q), Asked: clock(q.AskedAt),
			Answer: q.Answer, By: "nobody", Took: "-", at: q.AskedAt,
		}
		switch {
		case q.Open:
			d.Answer = "still open"
		default:
			d.Took = Span(q.At.Sub(q.AskedAt))
			if q.Answer != "expired" && q.Answer != "withdrawn" {
				d.By = b.who(q.By)
			}
		}
		note := func(label string, words ...string) {
			if text := strings.Join(words, ", "); text != "" {
				d.Notes = append(d.Notes, label+text)
			}
		}
		if q.BrokeGlass {
			d.Notes = append(d.Notes, "BREAK-GLASS: approved alone")
		}
		note("overridden: ", over[q.Question]...)
		note("reason: ", q.Reason)
		note("asked anew: ", q.Again)
		b.d.Decisions = append(b.d.Decisions, d)
	}
	for _, e := range b.events {
		d := Decision{By: b.who(e.Actor), AskedFor: "-", Asked: clock(e.Time), Took: "-", at: e.Time}
		switch body := e.Body.(type) {
		case incident.RunPaused:
			d.About, d.Answer = "The run", "paused"
			d.Notes = reason(body.Reason)
		case incident.RunResumed:
			d.About, d.Answer = "The run", "resumed"
		case incident.RunAborted:
			d.About, d.Answer = "The run", "aborted"
			d.Notes = reason(body.Reason)
		case incident.StepSkipped:
			if b.answeredBy(body.Step, e) {
				continue
			}
			d.About, d.Answer = body.Step, "went on without it"
			d.Notes = reason(body.Reason)
		case incident.StepRetried:
			if b.answeredBy(body.Step, e) {
				continue
			}
			d.About, d.Answer = body.Step, "tried again"
			if len(body.Overwrite) > 0 {
				d.Answer, d.Notes = "overwritten: "+strings.Join(body.Overwrite, "; "), reason(body.Reason)
			}
		case incident.RunBegun:
			if body.Kind != incident.Undo {
				continue
			}
			d.About, d.Answer = "What "+string(body.Follows)+" changed", "taken back"
			d.Notes = reason(body.Reason)
		case incident.IncidentResolved:
			d.About, d.Answer = "The incident", "resolved"
			d.Notes = reason(body.Reason)
		default:
			continue
		}
		b.d.Decisions = append(b.d.Decisions, d)
	}
	slices.SortStableFunc(b.d.Decisions, func(x, y Decision) int { return x.at.Compare(y.at) })
}

// answeredBy says that the event only carries out the answer to a question, which
// is told already.
func (b *builder) answeredBy(step string, e incident.Event) bool {
	for _, q := range b.questions() {
		if q.Step == step && q.Kind == incident.AskFailed && q.By == e.Actor && q.At.Equal(e.Time) {
			return true
		}
	}
	return false
}

func reason(s string) []string {
	if s == "" {
		return nil
	}
	return []string{"reason: " + s}
}

// askedFor names who wanted what the question is about.
func (b *builder) askedFor(q *incident.Question) string {
	var ids []string
	switch q.Kind {
	case incident.AskGo:
		ids = []string{b.state.DeclaredBy}
	case incident.AskApprove:
		ids = []string{cmp.Or(b.state.GoBy, b.state.DeclaredBy)}
		for _, r := range b.state.Step(q.Step).Retriers {
			if !slices.Contains(ids, r) {
				ids = append(ids, r)
			}
		}
	case incident.AskFailed, incident.AskPerson:
		return "the run"
	}
	for i, id := range ids {
		ids[i] = b.who(id)
	}
	return strings.Join(ids, ", ")
}

func (b *builder) changes() {
	undo := map[string]runbook.Step{}
	for _, s := range b.order() {
		undo[s.ID] = s
	}
	newest := map[string]intent{}
	for _, i := range b.intents {
		if first, ok := newest[i.Step]; ok && first.Before != "" {
			i.Before = first.Before // what stood there before this run touched it
		}
		newest[i.Step] = i
	}
	for _, st := range b.state.Changed() {
		i, s := newest[st.ID], undo[st.ID]
		c := Change{
			Step: st.ID, At: "-", What: st.Finished.Summary, Maybe: st.Intended != nil,
			Before: given(i.Before, "the value before was not recorded"), Undo: s.Undo,
		}
		if !i.at.IsZero() {
			c.At = clock(i.at)
		}
		if c.Maybe {
			c.What = "may have happened: " + cmp.Or(st.Failure.Error, "no answer is on the timeline")
		}
		if c.Undo == "" {
			c.Undo = "the plan names no way back"
		}
		if at, taken := b.undone[st.ID]; taken {
			c.Undo, c.Back = "taken back at "+clock(at), true
		}
		b.d.Changes = append(b.d.Changes, c)
	}
}

// takenBack tells what the runs did that took others back. What they did not come to
// stays changed.
func (b *builder) takenBack() error {
	for _, r := range b.state.Runs {
		if r.Kind != incident.Undo {
			continue
		}
		plan, err := runbook.DecodePlan(r.Plan.Plan)
		if err != nil {
			return err
		}
		for _, s := range plan.Steps {
			if s.Closing {
				continue
			}
			st := r.Step(s.ID)
			t := Taken{Run: string(r.Name), Step: s.ID, What: s.Title, At: "-", Result: b.result(st), Seen: b.seen(st)}
			if !st.Ended.IsZero() {
				t.At = clock(st.Ended)
			}
			b.d.TakenBack = append(b.d.TakenBack, t)
			if s.Undoes != "" && s.Kind == runbook.Change && st.Status == incident.Done {
				b.undone[s.Undoes] = st.Ended
			}
		}
	}
	return nil
}
