package incident_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
)

// The platform log is kept by the same Book, with the same chain, and opens no
// incident.
func TestThePlatformLogIsBesideTheIncidents(t *testing.T) {
	log := enginetest.NewMemory()
	a, b := incident.NewBook(log), incident.NewBook(log)
	now := noon
	add := func(book *incident.Book, actor string, bodies ...incident.Body) {
		t.Helper()
		now = now.Add(time.Minute)
		_, err := book.Decide(t.Context(), incident.PlatformLog, func(*incident.State) (incident.Write, error) {
			var w incident.Write
			for _, body := range bodies {
				w.Events = append(w.Events, incident.Event{Time: now, Actor: actor, Body: body})
			}
			return w, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	add(a, incident.Bot, incident.AssessmentMade{Why: "check", Target: "us-west-2", Mode: "planned", Findings: []incident.Finding{
		{Step: "nodes", Summary: "6 nodes", Measured: incident.Measured{Verdict: incident.Pass, Figures: []incident.Figure{{Name: "nodes", Value: 6, Limit: new(6.0)}}}},
		{Step: "lag", Summary: "0.8 s", Measured: incident.Measured{Verdict: incident.Warn}},
		{Step: "backup", Measured: incident.Measured{Verdict: incident.Unsure}},
	}})
	add(b, incident.Bot, incident.SignalObserved{Signal: "dns", Kind: "dns", Summary: "us-east-1 is not given out"}, incident.SignalObserved{Signal: "probe", Kind: "probe", Summary: "us-east-1 fails"})
	add(a, incident.Bot, incident.FailoverProposed{Proposal: "p1", Target: "us-west-2", Mode: "unplanned", Signals: []string{"dns", "probe"}})
	add(b, "alice", incident.ProposalAnswered{Proposal: "p1", Answer: "dismissed", Reason: "a drill of the provider"})
	add(a, "bob", incident.ProposalAnswered{Proposal: "p1", Answer: "started"}) // too late
	add(a, incident.Bot, incident.StandbyChanged{Region: "us-west-2", Protected: true})
	since := now
	add(b, incident.Bot, incident.StandbyChanged{Region: "us-west-2", Protected: true, Summary: "still"})
	add(b, incident.Bot, incident.PointOpened{Point: "resolver", Title: "OpenDNS gives us-east-1"}, incident.PointOpened{Point: "standby", Title: "no standby"})
	add(a, incident.Bot, incident.PointOpened{Point: "resolver", Title: "OpenDNS still gives us-east-1"}, incident.PointClosed{Point: "standby"})
	add(a, incident.Bot, incident.DrillHeld{Incident: "INC-2026-0007", Scope: "readiness", Result: "passed"})

	for name, book := range map[string]*incident.Book{"one replica": a, "another": b, "one that has just begun": incident.NewBook(log)} {
		err := book.View(t.Context(), incident.PlatformLog, func(s *incident.State) {
			p := s.Platform
			if p == nil {
				t.Fatalf("%s: no platform", name)
			}
			if len(p.Assessments) != 1 || len(p.Assessments[0].Findings) != 3 || p.Assessments[0].Findings[1].Verdict != incident.Warn {
				t.Errorf("%s: assessments %+v", name, p.Assessments)
			}
			if len(p.Signals) != 2 || len(p.Signals["dns"]) != 1 {
				t.Errorf("%s: signals %+v", name, p.Signals)
			}
			if q := p.Proposals["p1"]; q == nil || q.Answer != "dismissed" || q.AnsweredBy != "alice" {
				t.Errorf("%s: proposed %+v", name, q)
			}
			if st := p.Standby["us-west-2"]; !st.Protected || !st.Since.Equal(since) || st.Summary != "still" {
				t.Errorf("%s: standby %+v, want since %s", name, st, since)
			}
			if len(p.Order) != 1 || p.Points["resolver"].Title != "OpenDNS still gives us-east-1" || !p.Points["resolver"].Since.Before(now) {
				t.Errorf("%s: points %v %+v", name, p.Order, p.Points)
			}
			if len(p.Drills) != 1 || p.Drills[0].Incident != "INC-2026-0007" {
				t.Errorf("%s: drills %+v", name, p.Drills)
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
	events, err := log.Read(t.Context(), incident.PlatformLog, 0, 0)
	if err != nil || incident.Verify(events) != nil {
		t.Errorf("the chain: %v, %v", err, incident.Verify(events))
	}
	open, err := log.Open(t.Context())
	if ids, listErr := log.Incidents(t.Context(), 0); err != nil || listErr != nil || len(open)+len(ids) != 0 {
		t.Errorf("open %v, incidents %v, %v, %v", open, ids, err, listErr)
	}
	// The lease of who keeps it is a lease like any other.
	token, err := log.Acquire(t.Context(), incident.PlatformLog, incident.Bid{Holder: "a", Now: noon, TTL: time.Minute})
	if err != nil || token == 0 {
		t.Errorf("lease %d, %v", token, err)
	}
}

func TestWhatIsWatchedIsKeptToABound(t *testing.T) {
	book := incident.NewBook(enginetest.NewMemory())
	for n := range 50 {
		_, err := book.Decide(t.Context(), incident.PlatformLog, func(*incident.State) (incident.Write, error) {
			return incident.Write{Events: []incident.Event{
				{Time: noon, Actor: incident.Bot, Body: incident.SignalObserved{Signal: "dns", Summary: fmt.Sprint(n)}},
				{Time: noon, Actor: incident.Bot, Body: incident.AssessmentMade{Why: fmt.Sprint(n)}},
			}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := book.View(t.Context(), incident.PlatformLog, func(s *incident.State) {
		signals, made := s.Platform.Signals["dns"], s.Platform.Assessments
		if len(signals) != 20 || signals[0].Summary != "30" || signals[19].Summary != "49" {
			t.Errorf("%d signals are kept: %+v", len(signals), signals)
		}
		if len(made) != 20 || made[0].Why != "30" || made[19].Why != "49" {
			t.Errorf("%d assessments are kept", len(made))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
