package incident

import (
	"context"
	"slices"
	"time"
)

// ScopeDryRun is the scope of a drill that only reads.
const ScopeDryRun = "dry run"

// Foreseen is what a dry run has seen: each step of a run's plan as it would be carried
// out now, and what would keep it from it.
type Foreseen struct {
	// Kind, Source, Target and Mode are those of the run that was foreseen, Digest that of
	// its plan.
	Kind   RunKind `json:"kind"`
	Source string  `json:"source"`
	Target string  `json:"target"`
	Mode   string  `json:"mode"`
	Digest string  `json:"digest"`
	// Began is when reading began.
	Began time.Time `json:"began"`
	// Takes is how long the machine's part takes when all goes well, as the plan has it:
	// the longest chain. 0 where no step says.
	Takes time.Duration `json:"takes,omitempty"`
	// Decisions is how many times people are asked, Go left out.
	Decisions int `json:"decisions"`
	// Steps are those of the plan, in the order in which they would begin.
	Steps []StepForeseen `json:"steps"`
	// Rights is how many rights the changes want of those who grant them, and Missing
	// those that are not granted, or of which that could not be found out.
	Rights  int            `json:"rights"`
	Missing []RightMissing `json:"missing,omitempty"`
}

// StepForeseen is one step as it would be carried out.
type StepForeseen struct {
	Step   string `json:"step"`
	Action string `json:"action"`
	Title  string `json:"title"`
	// Kind of the step: check, change, wait, exercise, go, ask, tell, watch.
	Kind string `json:"kind"`
	// Gate says what waits for it: required, locked or advice.
	Gate string `json:"gate,omitempty"`
	// After is how long after the beginning it would begin when all goes well, the time of
	// people left out, and Takes how long it takes. Both are the plan's own estimates.
	After time.Duration `json:"after"`
	Takes time.Duration `json:"takes,omitempty"`
	// Asks is who would be asked before it, or by it.
	Asks string `json:"asks,omitempty"`
	// There: it is so already, and nothing would be done.
	There bool `json:"there,omitempty"`
	// Effect is what a change would do now; nil of what is no change, or could not be read.
	Effect *Effect `json:"effect,omitempty"`
	// Verdict is how a check stands now, or Unsure where what a change would do could not be
	// read. Empty where nothing was read.
	Verdict Verdict `json:"verdict,omitempty"`
	// Says is what was read, or in words what would be done.
	Says string `json:"says"`
	Hint string `json:"hint,omitempty"`
	// Later: what it would meet is only known once a change before it is made.
	Later bool   `json:"later,omitempty"`
	Cause *Cause `json:"cause,omitempty"`
}

// Would says that the step is a change that would be made.
func (s StepForeseen) Would() bool { return s.Effect != nil && !s.There }

// RightMissing is a right that a change wants and that is not granted.
type RightMissing struct {
	// Right is what it is to: rds:SwitchoverGlobalCluster on arn:aws:rds:..., or patch
	// deployments.apps/scale user-service in ecommerce-prod.
	Right string `json:"right"`
	// System grants it: IAM, or the cluster's API server; Region is where it is used.
	System string `json:"system"`
	Region string `json:"region,omitempty"`
	// Steps are those that want it.
	Steps []string `json:"steps"`
	// Verdict is Fail where it is not granted, and Unsure where that could not be found out.
	Verdict Verdict `json:"verdict"`
	// Why is what whoever grants it says.
	Why string `json:"why"`
}

// Changes are the steps whose change would be made, in order.
func (f *Foreseen) Changes() []StepForeseen {
	return slices.DeleteFunc(slices.Clone(f.Steps), func(s StepForeseen) bool { return !s.Would() })
}

// Unread are the steps of which could not be read how they stand, without what is only
// known later.
func (f *Foreseen) Unread() []StepForeseen {
	return slices.DeleteFunc(slices.Clone(f.Steps), func(s StepForeseen) bool { return s.Later || s.Verdict != Unsure })
}

// Failed are the steps that were found not to be so.
func (f *Foreseen) Failed() []StepForeseen {
	return slices.DeleteFunc(slices.Clone(f.Steps), func(s StepForeseen) bool { return s.Later || s.Verdict != Fail })
}

// Result is what it comes to: Fail where a required check failed or a right is missing,
// Unsure where something that is required could not be read, Pass otherwise.
func (f *Foreseen) Result() Verdict {
	out := Pass
	consider := func(v Verdict) {
		if v == Fail || v == Unsure && out == Pass {
			out = v
		}
	}
	for _, s := range slices.Concat(f.Failed(), f.Unread()) {
		if s.Gate != GateAdvice {
			consider(s.Verdict)
		}
	}
	for _, r := range f.Missing {
		consider(r.Verdict)
	}
	return out
}

// KeepDrill puts a drill on the platform log, in the name of whoever held it; via is the
// way they came by, nil for a terminal. request is that of who asked: kept once, however
// often it is.
func (b *Book) KeepDrill(ctx context.Context, d DrillHeld, at time.Time, by string, via *Via, request string) error {
	_, err := b.Decide(ctx, PlatformLog, func(*State) (Write, error) {
		return Write{Request: request, Events: []Event{{Time: at, Actor: by, Via: via, Body: d}}}, nil
	})
	return err
}
