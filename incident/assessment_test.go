package incident_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
)

func judged(step string, v incident.Verdict, says string) incident.Finding {
	return incident.Finding{Step: step, Title: step, Summary: says, Gate: incident.GateRequired, Measured: incident.Measured{Verdict: v}}
}

func advised(step string, v incident.Verdict) incident.Finding {
	f := judged(step, v, "")
	f.Gate = incident.GateAdvice
	return f
}

// assessed is what the platform log comes to after these assessments, half an hour
// apart.
func assessed(t *testing.T, made ...incident.AssessmentMade) *incident.Platform {
	t.Helper()
	book := incident.NewBook(enginetest.NewMemory())
	for i, a := range made {
		a.Target, a.Mode = "us-west-2", "planned"
		if err := book.KeepAssessment(t.Context(), incident.Assessment{AssessmentMade: a, At: noon.Add(time.Duration(i) * 30 * time.Minute), By: incident.Bot}, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	var p *incident.Platform
	if err := book.View(t.Context(), incident.PlatformLog, func(s *incident.State) { p = s.Platform }); err != nil {
		t.Fatal(err)
	}
	return p
}

func due(findings ...incident.Finding) incident.AssessmentMade {
	return incident.AssessmentMade{Why: incident.WhySchedule, Findings: findings}
}

// Only what is required decides, a no before a don't-know, and nothing comes of
// nothing.
func TestWhatFindingsComeTo(t *testing.T) {
	const p, w, f, u, n = incident.Pass, incident.Warn, incident.Fail, incident.Unsure, incident.NotApplicable
	for _, c := range []struct {
		found []incident.Finding
		want  incident.Verdict
	}{
		{nil, u},
		{[]incident.Finding{judged("a", p, ""), judged("b", w, ""), judged("c", n, "")}, p},
		{[]incident.Finding{judged("a", u, ""), judged("b", f, "")}, f},
		{[]incident.Finding{judged("a", p, ""), judged("b", u, "")}, u},
		{[]incident.Finding{judged("a", p, ""), advised("b", f), advised("c", u)}, p},
		{[]incident.Finding{judged("a", "", "")}, u},
	} {
		if got := incident.Result(c.found); got != c.want {
			t.Errorf("%v come to %s, want %s", c.found, got, c.want)
		}
	}
	sorted := incident.WorstFirst([]incident.Finding{
		judged("ok", p, ""), judged("n/a", n, ""), advised("failed advice", f), judged("warning", w, ""), judged("unknown", u, ""), advised("unknown advice", u), judged("failed", f, ""), judged("ok too", p, ""),
	})
	var order []string
	for _, f := range sorted {
		order = append(order, f.Step)
	}
	if got, want := strings.Join(order, ", "), "failed, unknown, failed advice, unknown advice, warning, ok, ok too, n/a"; got != want {
		t.Errorf("the order is %s, want %s", got, want)
	}
}

// What is known of a check stays known while it cannot be found out, as of when it was.
func TestWhatWasKnownLastStaysKnown(t *testing.T) {
	lag := judged("lag", incident.Warn, "1.2 s behind")
	lag.AsOf = noon.Add(-time.Minute)
	gone := []incident.AssessmentMade{due(lag, judged("nodes", incident.Pass, "6 nodes"))}
	for range 30 { // longer than assessments are kept
		gone = append(gone, due(judged("lag", incident.Unsure, "no answer"), judged("nodes", incident.NotApplicable, "no cluster")))
	}
	p := assessed(t, gone...)
	if l := p.Last("us-west-2", "lag"); l == nil || l.Verdict != incident.Warn || l.Summary != "1.2 s behind" || !l.At.Equal(noon.Add(-time.Minute)) {
		t.Errorf("of the lag was known %+v", l)
	}
	if l := p.Last("us-west-2", "nodes"); l == nil || !l.At.Equal(noon) {
		t.Errorf("of the nodes was known %+v", l)
	}
	for _, none := range []*incident.Known{p.Last("us-east-1", "lag"), p.Last("us-west-2", "cache"), (*incident.Platform)(nil).Last("us-west-2", "lag")} {
		if none != nil {
			t.Errorf("something is known of what was never checked: %+v", none)
		}
	}
}

// The schedule tells a verdict that changed, once; one that could not be found out once
// is no news, and neither is its coming back.
func TestWhatTheScheduleTells(t *testing.T) {
	const p, w, f, u, n = incident.Pass, incident.Warn, incident.Fail, incident.Unsure, incident.NotApplicable
	for name, c := range map[string]struct {
		verdicts []incident.Verdict
		want     string // what is told at each, "was>is"
	}{
		"all is well from the start":        {[]incident.Verdict{p, p}, "-,-"},
		"not well from the start":           {[]incident.Verdict{f, f}, ">fail,-"},
		"unknown from the start, and stays": {[]incident.Verdict{u, u, u}, "-,>unknown,-"},
		"unknown once":                      {[]incident.Verdict{p, u, p, u, p}, "-,-,-,-,-"},
		"unknown twice, and back":           {[]incident.Verdict{p, u, u, p}, "-,-,pass>unknown,unknown>pass"},
		"it fails, and is mended":           {[]incident.Verdict{p, f, f, w, p}, "-,pass>fail,-,fail>warn,warn>pass"},
		"it fails behind an unknown":        {[]incident.Verdict{p, u, f}, "-,-,pass>fail"},
		"a failure that cannot be seen":     {[]incident.Verdict{f, u, f}, ">fail,-,-"},
		"it does not apply any more":        {[]incident.Verdict{p, n}, "-,pass>not applicable"},
	} {
		var got []string
		for i := range c.verdicts {
			var made []incident.AssessmentMade
			for _, v := range c.verdicts[:i+1] {
				made = append(made, due(judged("nodes", v, ""), judged("beside", p, "")))
			}
			say := "-"
			for _, change := range assessed(t, made...).Newest(incident.WhySchedule).Changed {
				say = fmt.Sprintf("%s>%s", change.Was, change.Verdict)
				if change.Step != "nodes" {
					t.Errorf("%s: what did not change is told: %+v", name, change)
				}
			}
			got = append(got, say)
		}
		if told := strings.Join(got, ","); told != c.want {
			t.Errorf("%s: told is %s, want %s", name, told, c.want)
		}
	}
	asked := due(judged("nodes", f, ""))
	asked.Why = incident.WhyCheck
	last := assessed(t, due(judged("nodes", p, "")), asked, due(judged("nodes", f, "")))
	if c := last.Newest("").Changed; len(c) != 1 || c[0].Was != p {
		t.Errorf("what somebody asked for between was taken for what the schedule told: %+v", c)
	}
	if c := last.Newest(incident.WhyCheck); c == nil || c.Changed != nil {
		t.Errorf("what somebody asked for says what is new: %+v", c)
	}
}

func TestAFigureIsShownWithItsUnitAndLimit(t *testing.T) {
	for want, f := range map[string]incident.Figure{
		"age 22.5 min (limit 15 min)": {Name: "age", Value: 22.5, Unit: "min", Limit: new(15.0)},
		"hit rate 97%":                {Name: "hit rate", Value: 97, Unit: "%"},
		"zones 3 (limit 3)":           {Name: "zones", Value: 3, Limit: new(3.0)},
	} {
		if got := f.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
