package view

import (
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// SourceLost says since when the Region that is left has not answered, by the watch
// that looks for it; zero while it answers, or nobody looks.
func (v View) SourceLost() time.Time {
	if seen := v.source(); seen != nil && seen.Observed.Verdict == incident.Fail {
		return seen.ObservedAt
	}
	return time.Time{}
}

// SourceAnswers says since when the Region that is left has been seen to answer; zero
// if it is not, or nobody looks.
func (v View) SourceAnswers() time.Time {
	if seen := v.source(); seen != nil && seen.Observed.Verdict == incident.Pass {
		return seen.ObservedAt
	}
	return time.Time{}
}

// source is the step that watches the Region that is left, once it saw something.
func (v View) source() *incident.StepState {
	for _, s := range v.Showing(incident.SourceAnswers) {
		if st := v.Step(s.ID); st.Observed != nil {
			return &st
		}
	}
	return nil
}

// NoSwitch is why a run cannot be switched to an unplanned one; the zero value: it can.
type NoSwitch string

// Why not.
const (
	SwitchHalted    NoSwitch = "halted"    // the record has lost events
	SwitchNoRun     NoSwitch = "no run"    // it is over
	SwitchOther     NoSwitch = "other"     // it is no failover
	SwitchUnplanned NoSwitch = "unplanned" // it is one already
	SwitchWrites    NoSwitch = "writes"    // the target's database writes: nothing is left to promote
)

// MaySwitch says whether the planned run can be left for an unplanned one, and if not,
// why. Whoever offers it, and the command that does it, ask this.
func (v View) MaySwitch() NoSwitch {
	switch {
	case v.Diverged != nil:
		return SwitchHalted
	case v.Run.Name == "" || v.Over() || !v.MitigatedAt.IsZero():
		return SwitchNoRun
	case v.Kind != incident.Failover:
		return SwitchOther
	case v.Mode != "planned":
		return SwitchUnplanned
	case v.Writes():
		return SwitchWrites
	}
	return ""
}

// OffersSwitch says that switching is worth offering: it is possible, and the Region
// that a planned run needs does not answer.
func (v View) OffersSwitch() bool { return !v.SourceLost().IsZero() && v.MaySwitch() == "" }
