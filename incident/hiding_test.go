package incident_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/incident/text"
)

// What an outside system or a person said may hold a password; what the program reads
// back has to be what it wrote.
func TestNoTextOfTheTimelineHoldsASecret(t *testing.T) {
	const secret = "Qz7Rt9Kw2Lm4"
	secrets := new(text.Secrets)
	secrets.Add(secret)
	log := incident.Hiding(enginetest.NewMemory(), secrets.Hide)
	said := "refused " + secret
	limit, plan := 3.0, json.RawMessage(`{"reason":"`+secret+`"}`)
	given := map[string]string{"answer": said, secret: "x"}
	bodies := []incident.Body{
		incident.IncidentDeclared{Incident: "INC-2026-001", Reason: said, Began: time.Unix(1, 0).UTC(), Commander: "alice"},
		incident.RunBegun{Kind: incident.Failover, Plan: plan},
		incident.StepFailed{
			Step: "a", Error: said, Hint: said, Meanwhile: []string{said}, Evidence: given,
			Last: &incident.Known{Summary: said}, Measured: incident.Measured{Figures: []incident.Figure{{Name: said, Limit: &limit}}},
		},
		incident.NoteAdded{Text: said},
	}
	var events []incident.Event
	for _, b := range bodies {
		events = append(events, incident.Event{Time: time.Unix(2, 0).UTC(), Actor: incident.Bot, Run: "failover-1", Body: b})
	}
	if _, err := log.Append(t.Context(), incident.Write{Incident: "INC-2026-001", Events: events, Request: "r"}); err != nil {
		t.Fatal(err)
	}
	stored, err := log.Read(t.Context(), "INC-2026-001", 0, 0)
	if err != nil || len(stored) != len(bodies) {
		t.Fatalf("%d events, %v", len(stored), err)
	}
	for i, e := range stored {
		raw := string(e.Raw())
		if _, is := e.Body.(incident.RunBegun); is {
			if !strings.Contains(raw, string(plan)) {
				t.Errorf("the plan is another one, and its digest does not fit: %s", raw)
			}
			continue
		}
		if strings.Contains(raw, secret) || !strings.Contains(raw, "refused "+text.Hidden) {
			t.Errorf("event %d is %s", i+1, raw)
		}
	}
	if f := stored[2].Body.(incident.StepFailed); *f.Figures[0].Limit != 3 || f.Last == nil || f.Evidence["answer"] != "refused "+text.Hidden {
		t.Errorf("it became %+v", f)
	}
	if given["answer"] != said {
		t.Error("what the writer holds was changed")
	}
}
