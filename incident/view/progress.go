package view

import (
	"slices"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Section is a heading of the plan and how far its steps have come.
type Section struct {
	runbook.Section
	// Total counts its steps, Done those that are settled.
	Total, Done int
	// Running are under way, Slow those of them that take longer than usual.
	Running, Slow []runbook.Step
	// CutOff were under way when the run was stopped: nobody looks at them any more.
	CutOff, Failed, Advised int
	// Overridden were gone past before Go, Skipped after it.
	Overridden, Skipped int
	// Asked is the open question about the first of its steps that has one; nil if none
	// has.
	Asked *incident.Question
	// Changes says that a step of it changes something, Closes that one is carried out
	// when the incident is resolved.
	Changes, Closes bool
	// Began is when the first of them began, Ended when the last ended so far.
	Began, Ended time.Time
}

// Finished says that nothing of the section is left to do.
func (s Section) Finished() bool { return s.Total > 0 && s.Done == s.Total }

// SlowAt is when a step that runs takes so much longer than usual that people are
// told; zero if nobody knows what is usual, or it does not run.
func (v View) SlowAt(s runbook.Step) time.Time {
	st := v.Step(s.ID)
	if st.Status != incident.Running || s.Usually <= 0 {
		return time.Time{}
	}
	return st.Started.Add(2 * s.Usually)
}

// Progress is how far the job is that a step which runs follows, as the other side said it
// last; empty where it follows none.
func (v View) Progress(step string) string {
	st := v.Step(step)
	if st.Status != incident.Running || st.Job == nil || st.Progress == nil {
		return ""
	}
	return st.Progress.Summary
}

// Sections are the headings of the plan, in its order. It costs as much as the plan
// is long.
func (v View) Sections() []Section {
	out := make([]Section, len(v.Plan.Sections))
	at := map[string]*Section{}
	for i, s := range v.Plan.Sections {
		out[i].Section = s
		at[s.ID] = &out[i]
	}
	waiting := map[string]*incident.Question{}
	for _, q := range v.OpenQuestions() {
		waiting[q.Step] = q
	}
	for _, s := range v.Plan.Steps {
		if c := at[s.Section]; c != nil && s.Kind.Ends() {
			v.count(c, s, waiting[s.ID])
		}
	}
	// One that only watches has nothing to come to an end.
	return slices.DeleteFunc(out, func(s Section) bool { return s.Total == 0 })
}

func (v View) count(c *Section, s runbook.Step, q *incident.Question) {
	st := v.Step(s.ID)
	c.Total++
	c.Changes = c.Changes || s.Kind == runbook.Change
	c.Closes = c.Closes || s.Closing
	if st.Status.Settled() {
		c.Done++
	}
	if !st.First.IsZero() && (c.Began.IsZero() || st.First.Before(c.Began)) {
		c.Began = st.First
	}
	if st.Ended.After(c.Ended) {
		c.Ended = st.Ended
	}
	if q != nil && c.Asked == nil {
		c.Asked = q
	}
	switch st.Status {
	case incident.Running:
		if v.Over() && !s.Closing {
			c.CutOff++
			break
		}
		c.Running = append(c.Running, s)
		if at := v.SlowAt(s); !at.IsZero() && v.RunOver().After(at) {
			c.Slow = append(c.Slow, s)
		}
	case incident.Failed:
		c.Failed++
	case incident.Advised:
		c.Advised++
	case incident.Skipped:
		if v.gates[s.ID] {
			c.Overridden++
		} else {
			c.Skipped++
		}
	case incident.Pending, incident.Done:
	}
}

// Next is what happens from here, as far as the plan tells.
type Next struct {
	// Running are under way, Stopped wait for a person to say how to go on, Left have
	// not begun and are not asked about; in the order of the plan.
	Running, Stopped, Left []runbook.Step
	// Soon are the questions that are about to be asked: everything before them is
	// settled. They have no id yet.
	Soon []incident.Question
}

// Next says what happens from here. Of a run that is over only the steps that close
// the incident are still to come.
func (v View) Next() Next {
	var n Next
	for _, s := range v.Plan.Steps {
		st := v.Step(s.ID)
		switch {
		case !s.Kind.Ends():
		case st.Status == incident.Running:
			n.Running = append(n.Running, s)
		case st.Status == incident.Failed:
			n.Stopped = append(n.Stopped, s)
		case st.Status == incident.Pending && v.OpenQuestion(s.ID) == nil:
			n.Left = append(n.Left, s)
			if q, soon := v.soon(s); soon {
				n.Soon = append(n.Soon, q)
			}
		}
	}
	return n
}

// soon is the question that a step is about to ask.
func (v View) soon(s runbook.Step) (q incident.Question, ok bool) {
	if s.Closing != v.Over() || !v.settled(s.Needs) {
		return q, false
	}
	q.Step = s.ID
	switch {
	case s.Kind == runbook.Go && v.GoAt.IsZero():
		q.Kind, q.Role = incident.AskGo, incident.RoleCommander
	case s.Kind == runbook.Ask:
		q.Kind = incident.AskPerson
		if s.Asks != nil {
			q.Role = s.Asks.Role
		}
	case s.Approval != nil && !v.Step(s.ID).Cleared():
		q.Kind, q.Role = incident.AskApprove, s.Approval.By
	default:
		return q, false
	}
	return q, true
}

func (v View) settled(steps []string) bool {
	for _, id := range steps {
		if !v.Step(id).Status.Settled() {
			return false
		}
	}
	return true
}
