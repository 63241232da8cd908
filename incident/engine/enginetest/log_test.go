package enginetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
)

func TestMemory(t *testing.T) {
	enginetest.Logs(t, func(*testing.T) incident.Log { return enginetest.NewMemory() })
}

func TestMemoryWaitsWithoutPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := enginetest.NewMemory()
		woken := make(chan error, 1)
		go func() { woken <- m.Wait(t.Context(), "INC-2026-0001", 0) }()
		synctest.Wait() // returns only when the waiter does nothing but wait
		began := time.Now()
		if _, err := m.Append(t.Context(), incident.Write{
			Incident: "INC-2026-0001",
			Request:  "r1",
			Events:   []incident.Event{{Body: incident.NoteAdded{Text: "a"}}},
		}); err != nil {
			t.Fatal(err)
		}
		if err := <-woken; err != nil || !time.Now().Equal(began) {
			t.Errorf("woken with %v after %s", err, time.Since(began))
		}
	})
}

func TestMemoryRefusesAnEndedContext(t *testing.T) {
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	m := enginetest.NewMemory()
	_, err := m.Append(ctx, incident.Write{
		Incident: "INC-2026-0001",
		Request:  "r1",
		Events:   []incident.Event{{Body: incident.NoteAdded{Text: "a"}}},
	})
	if !errors.Is(err, stop) {
		t.Errorf("append with an ended context returned %v", err)
	}
	if events, err := m.Read(t.Context(), "INC-2026-0001", 0, 0); err != nil || len(events) != 0 {
		t.Errorf("it wrote %d events, %v", len(events), err)
	}
}
