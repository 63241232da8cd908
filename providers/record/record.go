// Package record judges what other steps of the same run have found.
//
// It asks nobody outside: the timeline is its only source. What a step found is
// taken from the way it finished, so a view that failed, was skipped or could not
// be had counts as no view.
package record

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
)

// AgreeInput is the input of Agree.
type AgreeInput struct {
	// Steps whose findings are counted.
	Steps []string `yaml:"steps" json:"steps"`
	// Least is how many of them have to have found it so.
	Least int `yaml:"least" json:"least"`
}

// Agree waits until at least so many of the named steps have found it so. It does
// not need all of them to have an answer.
func Agree(_ context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in AgreeInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	if in.Least < 1 || in.Least > len(in.Steps) {
		return engine.Outcome{}, false, &incident.CallError{
			NeedsPerson: true,
			Err:         fmt.Errorf("%d of %d views can never be decided", in.Least, len(in.Steps)),
			Hint:        "set least between 1 and the number of steps",
		}
	}
	if c.Result == nil {
		return engine.Outcome{}, false, &incident.CallError{Err: errors.New("there is no run whose steps could agree"), NeedsPerson: true}
	}
	o := engine.Outcome{Evidence: map[string]string{}}
	var yes, no []string
	for _, step := range in.Steps {
		if _, ok := c.Plan.Step(step); !ok {
			return o, false, &incident.CallError{
				NeedsPerson: true,
				Err:         fmt.Errorf("there is no step %q in this plan", step), Hint: "correct the list of steps in the runbook",
			}
		}
		found, ok := c.Result(step)
		if ok && !c.Go.IsZero() && found.At.After(c.Go) {
			// What a view finds once the run changes things may be the run's own doing: a
			// standby that was promoted hears from nobody.
			no = append(no, step)
			o.Evidence[step] = "found only after Go, so it is no evidence"
			continue
		}
		if !ok {
			no = append(no, step)
			o.Evidence[step] = "does not see it, or not yet"
			continue
		}
		yes = append(yes, found.Summary)
		o.Evidence[step] = found.Summary
	}
	if len(yes) < in.Least {
		o.Summary = fmt.Sprintf("%d of %d views see %s down and %d are needed; not seen by: %s; to have them taken anew, retry this step",
			len(yes), len(in.Steps), c.Plan.Source.Name, in.Least, strings.Join(no, ", "))
		if len(yes) > 0 {
			o.Summary += "; seen: " + strings.Join(yes, "; ")
		}
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%d of %d views see %s down: %s", len(yes), len(in.Steps), c.Plan.Source.Name, strings.Join(yes, "; "))
	return o, true, nil
}
