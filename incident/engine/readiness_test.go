package engine_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// looks is an action that answers what the test sets.
func looks(o *engine.Outcome, yes *bool, err *error) engine.Catalog {
	return engine.Catalog{"thing.well": {
		Action: runbook.Action{Kind: runbook.Check},
		Look: func(context.Context, engine.Call) (engine.Outcome, bool, error) {
			return *o, *yes, *err
		},
	}}
}

func checked(gate runbook.Gate, locked bool) runbook.Plan {
	return runbook.Plan{
		Mode: "planned", Digest: "d", Source: runbook.Region{Name: "us-east-1"}, Target: runbook.Region{Name: "us-west-2"},
		Steps: []runbook.Step{{ID: "well", Group: "well", Title: "It is well", Uses: "thing.well", Kind: runbook.Check, Gate: gate, Locked: locked, Timeout: time.Minute}},
	}
}

// Each way in which a look can end has its verdict, and nothing that was not found out
// passes, whatever a run may go on with.
func TestWhatALookFindsHasAVerdict(t *testing.T) {
	var o engine.Outcome
	var yes bool
	var err error
	e := engine.New(engine.Options{Catalog: looks(&o, &yes, &err), Clock: incident.RealClock{}}, zerolog.Nop())
	measured := func(v incident.Verdict) engine.Outcome {
		return engine.Outcome{Summary: "seen", Measured: incident.Measured{Verdict: v, Figures: []incident.Figure{{Name: "n", Value: 1}}}}
	}
	for name, c := range map[string]struct {
		o    engine.Outcome
		yes  bool
		err  error
		want incident.Verdict
	}{
		"yes":                       {engine.Outcome{Summary: "seen"}, true, nil, incident.Pass},
		"yes, with a warning":       {measured(incident.Warn), true, nil, incident.Warn},
		"there is no such thing":    {measured(incident.NotApplicable), true, nil, incident.NotApplicable},
		"gone on without an answer": {measured(incident.Unsure), true, nil, incident.Unsure},
		"a yes that says no":        {measured(incident.Fail), true, nil, incident.Fail},
		"no":                        {engine.Outcome{Summary: "seen"}, false, nil, incident.Fail},
		"no, said to pass":          {measured(incident.Pass), false, nil, incident.Fail},
		"a known no":                {engine.Outcome{}, false, &incident.CallError{Err: errors.New("seen"), Definite: true}, incident.Fail},
		"no answer":                 {measured(incident.Pass), true, errors.New("seen"), incident.Unsure},
	} {
		o, yes, err = c.o, c.yes, c.err
		plan := checked(runbook.Required, true)
		made := e.Readiness(t.Context(), &plan, incident.WhyCheck)
		f := made.Findings[0]
		if f.Verdict != c.want || f.Summary != "seen" || f.Gate != incident.GateLocked || f.Title != "It is well" || f.Action != "thing.well" {
			t.Errorf("%s: %+v, want %s", name, f, c.want)
		}
		if made.Target != "us-west-2" || made.Source != "us-east-1" || made.Mode != "planned" || made.Why != incident.WhyCheck || made.Digest != "d" {
			t.Errorf("%s: the assessment is %+v", name, made)
		}
		if len(c.o.Measured.Figures) != len(f.Figures) {
			t.Errorf("%s: figures %v", name, f.Figures)
		}
	}
}

// What cannot be found out is told with what the platform log knew, in an assessment and
// in a run alike, and nothing is told of what could be.
func TestWhatIsUnknownIsToldWithWhatWasKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, yes, err := engine.Outcome{Summary: "6 nodes"}, true, error(nil)
		d := newDrama(t, looks(&o, &yes, &err))
		e := engine.New(engine.Options{Book: d.book, Catalog: d.catalog, Clock: incident.RealClock{}}, zerolog.Nop())
		plan := checked(runbook.Required, false)
		at := time.Now()
		keep := func(a incident.AssessmentMade) {
			t.Helper()
			if err := d.book.KeepAssessment(t.Context(), incident.Assessment{AssessmentMade: a, At: time.Now(), By: incident.Bot}, nil, 0); err != nil {
				t.Fatal(err)
			}
		}
		keep(e.Readiness(t.Context(), &plan, incident.WhySchedule))
		time.Sleep(time.Hour)
		yes, err = false, errors.New("no answer")
		made := e.Readiness(t.Context(), &plan, incident.WhyCheck)
		keep(made)
		if l := made.Findings[0].Last; l == nil || l.Summary != "6 nodes" || l.Verdict != incident.Pass || !l.At.Equal(at) {
			t.Errorf("the assessment knew %+v", l)
		}
		d.begin(plan)
		s := incident.Fold(d.play(func(s *incident.State) bool { return s.Step("well").Status == incident.Failed }))
		if l := s.Step("well").Failure.Last; l == nil || l.Summary != "6 nodes" || !l.At.Equal(at) {
			t.Errorf("the run knew %+v", l)
		}
		err = nil
		if f := e.Readiness(t.Context(), &plan, incident.WhyCheck).Findings[0]; f.Verdict != incident.Fail || f.Last != nil {
			t.Errorf("a no that is known is told with what was known before: %+v", f)
		}
	})
}
