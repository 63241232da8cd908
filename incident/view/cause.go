package view

import (
	"slices"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Stopped is a step that failed or could not be found out, for a cause that is not its
// own.
type Stopped struct {
	Step  runbook.Step
	Cause *incident.Cause // nil: it is the step's own
	Hint  string
}

// Cause is what stops several steps.
type Cause struct {
	// Says is the fact: "no answer from RDS and ElastiCache in us-west-2".
	Says string
	// Hint is what a person can do about it; may be empty.
	Hint string
	// Steps are those that it stops, two at least, in the order in which they were given.
	Steps []runbook.Step
}

// Stops says whether that step is one of those.
func (c Cause) Stops(step string) bool {
	return slices.ContainsFunc(c.Steps, func(s runbook.Step) bool { return s.ID == step })
}

// Causes are what stops more than one of the steps, each once, in the order in which
// the first of its steps was given. A step whose cause stops nothing else is left out:
// its own error says as much.
func Causes(stopped []Stopped) []Cause {
	type kind struct{ says, region string }
	by := map[kind][]Stopped{}
	var order []kind
	for _, s := range stopped {
		if s.Cause == nil {
			continue
		}
		k := kind{s.Cause.Says, s.Cause.Region}
		if by[k] == nil {
			order = append(order, k)
		}
		by[k] = append(by[k], s)
	}
	var out []Cause
	for _, k := range order {
		if len(by[k]) < 2 {
			continue
		}
		var c Cause
		var systems []string
		for _, s := range by[k] {
			c.Steps = append(c.Steps, s.Step)
			if c.Hint == "" {
				c.Hint = s.Hint
			}
			if !slices.Contains(systems, s.Cause.System) {
				systems = append(systems, s.Cause.System)
			}
		}
		c.Says = incident.Cause{Says: k.says, Region: k.region}.Of(systems...)
		out = append(out, c)
	}
	return out
}

// Causes are what stops more than one step of the run now, advice included.
func (v View) Causes() []Cause {
	var stopped []Stopped
	for _, s := range v.Plan.Steps {
		if st := v.Step(s.ID); st.Status == incident.Failed || st.Status == incident.Advised {
			stopped = append(stopped, Stopped{s, st.Failure.Cause, st.Failure.Hint})
		}
	}
	return Causes(stopped)
}

// CauseOf is what stops that step and others.
func CauseOf(causes []Cause, step string) (Cause, bool) {
	if i := slices.IndexFunc(causes, func(c Cause) bool { return c.Stops(step) }); i >= 0 {
		return causes[i], true
	}
	return Cause{}, false
}

// Held is what keeps a step that waits from its end, as far as it is known: a sentence.
func (v View) Held(step string) string {
	st := v.Step(step)
	if st.Status != incident.Running || st.Observed == nil || st.Observed.State == "" || st.ObservedAt.Before(st.Started) {
		return ""
	}
	if s, ok := v.Plan.Step(step); !ok || s.Kind != runbook.Wait {
		return ""
	}
	return st.Observed.Summary
}
