package review

import (
	"slices"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

func TestWhereTheTimeOfALostRegionWent(t *testing.T) {
	got := Measure(regionLoss(t), testPlan(t))
	// 300 to 703, of which 20 s for Go and 161 s for the approver; the question
	// about fencing was open while scaling went on, so it cost nothing.
	if !got.Mitigated || got.Elapsed != seconds(403) {
		t.Errorf("elapsed %v, mitigated %v", got.Elapsed, got.Mitigated)
	}
	if got.Human != seconds(181) || got.Machine != seconds(222) {
		t.Errorf("human %v, machine %v", got.Human, got.Machine)
	}
	// nodes 5, scale 60, promote 90, dns 2, dns-answers 60, order 3
	if got.Critical != seconds(220) {
		t.Errorf("critical %v", got.Critical)
	}
	if want := []string{"nodes", "scale/order-service", "promote", "dns", "dns-answers", "order"}; !slices.Equal(got.Path, want) {
		t.Errorf("path %v", got.Path)
	}
	if got.Sum != seconds(227) { // lag 2 and fence 5 besides
		t.Errorf("sum %v", got.Sum)
	}
	if want := "6 min 43 s to mitigation: machine 3 min 42 s, waiting for people 3 min 1 s; critical path 3 min 40 s (machine / critical 1.01); steps one after another 3 min 47 s (0.56 times the time in all)"; got.String() != want {
		t.Errorf("told as %q", got)
	}
	if r := got.Ratio(); r < 1.009 || r > 1.0091 {
		t.Errorf("ratio %v", r)
	}
}

func TestWhatIsWaitingForPeople(t *testing.T) {
	plan := &runbook.Plan{Steps: []runbook.Step{
		{ID: "a", Kind: runbook.Change}, {ID: "ask", Kind: runbook.Go, Needs: []string{"a"}}, {ID: "b", Kind: runbook.Check, Needs: []string{"ask"}},
	}}
	begin := func(s *story, at float64, step string) {
		s.at(at, incident.Bot, incident.StepStarted{Step: step, Attempt: 1})
	}
	end := func(s *story, at float64, step string) { s.at(at, incident.Bot, incident.StepFinished{Step: step}) }
	ask := func(s *story, at float64, q, step string) {
		s.at(at, incident.Bot, incident.ApprovalAsked{Question: q, Kind: incident.AskApprove, Step: step})
	}
	for name, c := range map[string]struct {
		tell            func(*story)
		human, critical float64
		sum             float64
	}{
		"a question while nothing runs": {func(s *story) {
			ask(s, 10, "q1", "a")
			s.at(25, "U2", incident.ApprovalGiven{Question: "q1", Step: "a"})
		}, 15, 0, 0},
		"not while another step runs": {func(s *story) {
			begin(s, 10, "b")
			ask(s, 10, "q1", "a")
			end(s, 18, "b")
			s.at(25, "U2", incident.ApprovalGiven{Question: "q1", Step: "a"})
		}, 7, 8, 8},
		"a step whose own question is open is not running": {func(s *story) {
			begin(s, 10, "a")
			ask(s, 14, "q1", "a")
			s.at(24, "U2", incident.ApprovalGiven{Question: "q1", Step: "a"})
			begin(s, 24, "a")
			end(s, 30, "a")
		}, 10, 10, 10},
		"an ask step waits, it does not work": {func(s *story) {
			begin(s, 10, "ask")
			s.at(10, incident.Bot, incident.ApprovalAsked{Question: "q1", Kind: incident.AskGo, Step: "ask"})
			s.at(20, "U1", incident.ApprovalGiven{Question: "q1", Step: "ask"})
			end(s, 20, "ask")
		}, 10, 0, 0},
		"two questions at once are one wait": {func(s *story) {
			ask(s, 10, "q1", "a")
			ask(s, 12, "q2", "b")
			s.at(14, "U2", incident.ApprovalDeclined{Question: "q1", Step: "a"})
			s.at(19, incident.Bot, incident.ApprovalExpired{Question: "q2", Step: "b"})
		}, 9, 0, 0},
		"a pause": {func(s *story) {
			begin(s, 10, "a")
			s.at(12, "U1", incident.RunPaused{})
			end(s, 15, "a")
			s.at(22, "U1", incident.RunResumed{})
		}, 7, 5, 5},
		"a crash in the middle of a step is part of the step": {func(s *story) {
			begin(s, 10, "a")
			s.at(20, incident.Bot, incident.RunTaken{Return: true})
			begin(s, 20, "a")
			end(s, 25, "a")
		}, 0, 15, 15},
		"each attempt counts, what lies between does not": {func(s *story) {
			begin(s, 10, "a")
			s.at(14, incident.Bot, incident.StepFailed{Step: "a"})
			s.at(14, incident.Bot, incident.ApprovalAsked{Question: "q1", Kind: incident.AskFailed, Step: "a"})
			s.at(20, "U1", incident.ApprovalGiven{Question: "q1", Step: "a"}, incident.StepRetried{Step: "a"})
			begin(s, 20, "a")
			end(s, 23, "a")
		}, 6, 7, 7},
		"nothing after mitigation": {func(s *story) {
			s.at(30, incident.Bot, incident.IncidentMitigated{})
			ask(s, 31, "q1", "b")
			begin(s, 31, "a")
			s.at(90, "U1", incident.IncidentResolved{})
		}, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var s story
			s.at(0, "U1", declared(false))
			c.tell(&s)
			got := Measure(s.events, plan)
			if got.Human != seconds(c.human) || got.Critical != seconds(c.critical) || got.Sum != seconds(c.sum) {
				t.Errorf("human %v, critical %v, sum %v; want %v s, %v s, %v s", got.Human, got.Critical, got.Sum, c.human, c.critical, c.sum)
			}
			if got.Human+got.Machine != got.Elapsed {
				t.Errorf("human %v and machine %v are not %v", got.Human, got.Machine, got.Elapsed)
			}
		})
	}
}

func TestNothingIsMeasuredOfNothing(t *testing.T) {
	got := Measure(nil, nil)
	if got.Elapsed != 0 || got.Ratio() != 0 || got.Overlap() != 0 {
		t.Errorf("measured %+v", got)
	}
}

func TestSpans(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 30 * time.Millisecond: "0.1 s", 1800 * time.Millisecond: "1.8 s", 41 * time.Second: "41 s",
		9990 * time.Millisecond: "10 s", time.Minute: "1 min", 880 * time.Second: "14 min 40 s", 62 * time.Minute: "1 h 2 min", -3 * time.Second: "-3 s",
	} {
		if got := Span(d); got != want {
			t.Errorf("Span(%v) = %q, want %q", d, got, want)
		}
	}
}
