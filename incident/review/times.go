package review

import (
	"fmt"
	"slices"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Times is where the time of one incident went, from the moment it was declared
// to the moment it was mitigated. On a rehearsal's timeline it is pretend time.
//
// A step is running from StepStarted to its StepFinished, StepFailed or
// StepSkipped, in each attempt again; not while a question about that very step
// is open, and never when it is an ask step: those wait for people; nor a watch, which
// does no work of the run's. A StepStarted
// that comes while the step is running, as after a crash, goes on with the same
// interval. Everything is clipped to From and To.
type Times struct {
	// From is IncidentDeclared; To is IncidentMitigated, and until there is one
	// the newest event.
	From, To time.Time
	// Mitigated says that To is IncidentMitigated.
	Mitigated bool
	// Elapsed is To - From.
	Elapsed time.Duration
	// Human is the time in which no step was running that anything waits for, and a
	// person was waited for: a question was open or the run was paused.
	Human time.Duration
	// Machine is Elapsed - Human.
	Machine time.Duration
	// Critical is the longest chain of own durations through the plan's needs: what
	// the same steps would take if nothing but their needs ever held them up. Ask
	// steps count nothing. Path are its steps, in order.
	Critical time.Duration
	Path     []string
	// Sum of all own durations: what the same steps would take one after another.
	Sum time.Duration
	// Own is the time that each step was running, summed over its attempts. Steps
	// that never ran are absent.
	Own map[string]time.Duration
}

// Ratio is Machine / Critical: 1 when the run lost no time of its own. It is 0
// when no step took any time.
func (t Times) Ratio() float64 {
	if t.Critical == 0 {
		return 0
	}
	return float64(t.Machine) / float64(t.Critical)
}

// Overlap is Sum / Elapsed: how many steps ran at once, on average. It is 0 when
// no time has passed.
func (t Times) Overlap() float64 {
	if t.Elapsed == 0 {
		return 0
	}
	return float64(t.Sum) / float64(t.Elapsed)
}

// String tells all of it in one line, with Ratio and Overlap.
func (t Times) String() string {
	until := "to mitigation"
	if !t.Mitigated {
		until = "so far, not mitigated"
	}
	return fmt.Sprintf("%s %s: machine %s, waiting for people %s; critical path %s (machine / critical %.2f); steps one after another %s (%.2f times the time in all)",
		Span(t.Elapsed), until, Span(t.Machine), Span(t.Human), Span(t.Critical), t.Ratio(), Span(t.Sum), t.Overlap())
}

// Measure works out the Times of a timeline. Without a plan (nil) there are no
// needs to follow, and Critical is that of the single longest step.
func Measure(events []incident.Event, plan *runbook.Plan) Times {
	t := Times{Own: map[string]time.Duration{}}
	t.window(events)
	untimed := map[string]bool{} // people's, and what goes on beside
	if plan != nil {
		for _, s := range plan.Steps {
			untimed[s.ID] = s.Kind == runbook.Ask || s.Kind == runbook.Go || !s.Kind.Ends()
		}
	}

	started := map[string]bool{}     // between StepStarted and its end
	nonBlocking := map[string]bool{} // nothing waits for it
	open := map[string]string{}      // open questions and the steps they are about
	asked := map[string]int{}        // how many questions about a step are open
	paused, over := false, false     // over: nobody waits for anybody any more
	last := t.From                   // up to here everything is accounted for
	account := func(now time.Time) {
		if now = clip(now, t.From, t.To); !now.After(last) {
			return
		}
		span := now.Sub(last)
		last = now
		busy := false
		for step := range started {
			if untimed[step] || asked[step] > 0 {
				continue
			}
			busy = busy || !nonBlocking[step]
			t.Own[step] += span
		}
		if !busy && !over && (len(open) > 0 || paused) {
			t.Human += span
		}
	}
	answered := func(question string) {
		if step, ok := open[question]; ok {
			delete(open, question)
			asked[step]--
		}
	}
	for _, e := range events {
		account(e.Time)
		switch b := e.Body.(type) {
		case incident.StepStarted:
			started[b.Step], nonBlocking[b.Step] = true, b.NonBlocking
			if _, ok := t.Own[b.Step]; !ok && !untimed[b.Step] {
				t.Own[b.Step] = 0
			}
		case incident.StepFinished:
			delete(started, b.Step)
		case incident.StepFailed:
			delete(started, b.Step)
		case incident.StepSkipped:
			delete(started, b.Step)
		case incident.ApprovalAsked:
			answered(b.Question)
			open[b.Question] = b.Step
			asked[b.Step]++
		case incident.ApprovalGiven:
			answered(b.Question)
		case incident.ApprovalDeclined:
			answered(b.Question)
			delete(started, b.Step)
		case incident.ApprovalExpired:
			answered(b.Question)
		case incident.ApprovalWithdrawn:
			answered(b.Question)
		case incident.RunPaused:
			paused = true
		case incident.RunResumed:
			paused = false
		case incident.RunAborted, incident.IncidentMitigated, incident.IncidentResolved:
			over = true
		}
	}
	account(t.To)

	t.Elapsed = t.To.Sub(t.From)
	t.Machine = t.Elapsed - t.Human
	for _, d := range t.Own {
		t.Sum += d
	}
	t.critical(plan)
	return t
}

// window finds From and To.
func (t *Times) window(events []incident.Event) {
	for _, e := range events {
		switch e.Body.(type) {
		case incident.IncidentDeclared:
			if t.From.IsZero() {
				t.From = e.Time
			}
		case incident.IncidentMitigated:
			if !t.Mitigated {
				t.To, t.Mitigated = e.Time, true
			}
		}
	}
	if len(events) == 0 {
		return
	}
	if t.From.IsZero() {
		t.From = events[0].Time
	}
	if !t.Mitigated {
		t.To = events[len(events)-1].Time
	}
	if t.To.Before(t.From) {
		t.To = t.From // the clocks of two replicas may differ
	}
}

func clip(now, from, to time.Time) time.Time {
	switch {
	case now.Before(from):
		return from
	case now.After(to):
		return to
	}
	return now
}

// critical finds the longest chain. The plan's steps stand in an order in which
// each comes after its needs, so one pass is enough.
func (t *Times) critical(plan *runbook.Plan) {
	if plan == nil {
		for step, d := range t.Own {
			if d > t.Critical || d == t.Critical && d > 0 && (len(t.Path) == 0 || step < t.Path[0]) {
				t.Critical, t.Path = d, []string{step}
			}
		}
		return
	}
	upTo := map[string]time.Duration{} // the longest chain that ends with the step
	before := map[string]string{}
	end := ""
	for _, s := range plan.Steps {
		var longest time.Duration
		for _, n := range s.Needs {
			if upTo[n] > longest {
				longest, before[s.ID] = upTo[n], n
			}
		}
		upTo[s.ID] = longest + t.Own[s.ID]
		if upTo[s.ID] > t.Critical {
			t.Critical, end = upTo[s.ID], s.ID
		}
	}
	for step := end; step != ""; step = before[step] {
		if t.Own[step] > 0 {
			t.Path = append(t.Path, step)
		}
	}
	slices.Reverse(t.Path)
}
