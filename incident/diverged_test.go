package incident_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
)

// say decides to add these, in the name of the bot.
func say(t *testing.T, b *incident.Book, bodies ...incident.Body) error {
	t.Helper()
	_, err := b.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) {
		var w incident.Write
		for _, body := range bodies {
			w.Events = append(w.Events, incident.Event{Time: noon, Actor: incident.Bot, Body: body})
		}
		return w, nil
	})
	return err
}

func mustSay(t *testing.T, b *incident.Book, bodies ...incident.Body) {
	t.Helper()
	if err := say(t, b, bodies...); err != nil {
		t.Fatal(err)
	}
}

// begun is a run that has come to where a change is about to leave: six events.
func begun(t *testing.T, b *incident.Book) {
	t.Helper()
	mustSay(t, b, incident.IncidentDeclared{Incident: id}, incident.RunBegun{Kind: incident.Failover, Digest: "d"})
	mustSay(t, b, incident.RunTaken{Holder: "a", Token: 1})
	mustSay(t, b, incident.StepStarted{Step: "scale", Action: "t.change", Attempt: 1})
	mustSay(t, b, incident.ChangeIntended{Step: "scale", Action: "t.change", Attempt: 1})
	mustSay(t, b, incident.StepFinished{Step: "scale", Action: "t.change", Attempt: 1, Changed: true})
}

// state is what the Book shows, for looking only.
func state(t *testing.T, b *incident.Book) (s incident.State) {
	t.Helper()
	if err := b.View(t.Context(), id, func(now *incident.State) { s = *now }); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestARecordThatWasSetBackIsToldAndNothingChangesBeforeAPersonDecides(t *testing.T) {
	log := enginetest.NewMemory()
	a, b := incident.NewBook(log), incident.NewBook(log)
	begun(t, a)
	log.SetBack(id, 4)                                                                                  // the intention and its end are gone
	mustSay(t, incident.NewBook(log), incident.NoteAdded{Text: "a replica that knows nothing goes on"}) // event 5 anew

	d := state(t, a).Diverged
	if d == nil || d.Common != 4 || d.Held != 6 || d.Found != 5 || len(d.Lost) != 2 {
		t.Fatalf("it is told as %+v", d)
	}
	for i, want := range []string{"ChangeIntended", "StepFinished"} {
		var e incident.Event
		if err := e.UnmarshalJSON(d.Lost[i]); err != nil || e.Body.Type() != want || e.Seq != uint64(5+i) {
			t.Errorf("lost event %d is kept as %s, %v", i, d.Lost[i], err)
		}
	}
	for name, book := range map[string]*incident.Book{"the one that told": a, "another replica": b} {
		for _, body := range []incident.Body{
			incident.StepStarted{Step: "dns", Attempt: 1},
			incident.ChangeIntended{Step: "dns"},
			incident.ApprovalGiven{Question: "q", Kind: incident.AskGo},
			incident.RunBegun{Kind: incident.Undo},
			incident.IncidentResolved{},
			incident.StepRetried{Step: "scale"},
			incident.StepSkipped{Step: "dns"},
		} {
			if err := say(t, book, body); !errors.Is(err, incident.ErrDiverged) {
				t.Errorf("%s adds %s: %v", name, body.Type(), err)
			}
		}
		// What had left may be told, and what people note.
		mustSay(t, book, incident.NoteAdded{Text: "what now?"})
	}
	// The lost intention counts: nobody knows whether that change left.
	if st := state(t, b).Step("scale"); st.Status != incident.Running || st.Intended == nil {
		t.Errorf("the step whose intention was lost stands as %+v", st)
	}
	mustSay(t, b, incident.HistoryRepaired{Choice: incident.GoOn, Reason: "compared with the account"})
	for _, book := range []*incident.Book{a, b} {
		if state(t, book).Diverged != nil {
			t.Error("it is not repaired")
		}
		mustSay(t, book, incident.StepStarted{Step: "dns", Attempt: 1})
	}
	events, err := log.Read(t.Context(), id, 0, 0)
	if err != nil || incident.Verify(events) != nil {
		t.Errorf("the chain: %v, %v", err, incident.Verify(events))
	}
	if n := count(events, "HistoryDiverged"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

func count(events []incident.Event, typ string) (n int) {
	for _, e := range events {
		if e.Body.Type() == typ {
			n++
		}
	}
	return n
}

func TestEveryReplicaThatNoticesTellsOnce(t *testing.T) {
	for back := range uint64(7) {
		t.Run(fmt.Sprintf("set back to event %d", back), func(t *testing.T) {
			log := enginetest.NewMemory()
			books := []*incident.Book{incident.NewBook(log), incident.NewBook(log), incident.NewBook(log)}
			begun(t, books[0])
			for _, b := range books {
				state(t, b)
			}
			log.SetBack(id, back)
			for range 2 {
				for _, b := range books {
					s := state(t, b)
					if back == 6 {
						if s.Diverged != nil {
							t.Fatalf("nothing is lost and it is told as %+v", s.Diverged)
						}
						continue
					}
					if d := s.Diverged; d == nil || d.Common != back || d.Held != 6 || d.Found != back || uint64(len(d.Lost)) != 6-back {
						t.Fatalf("told as %+v", d)
					}
				}
			}
			events, err := log.Read(t.Context(), id, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			if n := count(events, "HistoryDiverged"); n != 1 && back < 6 {
				t.Errorf("told %d times", n)
			}
		})
	}
}

func TestLostEventsAreRestoredWithWhatTheySaid(t *testing.T) {
	log := enginetest.NewMemory()
	a := incident.NewBook(log)
	begun(t, a)
	before := state(t, a)
	log.SetBack(id, 0)
	s := state(t, a)
	if s.Diverged == nil {
		t.Fatal("it is not told")
	}
	if err := incident.RestoreLost(t.Context(), a, id, "alice", nil, noon, "brought back"); err != nil {
		t.Fatal(err)
	}
	after := state(t, a)
	if after.Diverged != nil || after.Declared.Incident != before.Declared.Incident || after.Step("scale").Status != incident.Done || after.Run.Name != before.Run.Name {
		t.Errorf("restored it is %+v", after)
	}
	events, err := log.Read(t.Context(), id, 0, 0)
	if err != nil || incident.Verify(events) != nil {
		t.Fatalf("%v, %v", err, incident.Verify(events))
	}
	var restored []uint64
	for _, e := range events {
		if e.Restored != 0 {
			restored = append(restored, e.Restored)
		}
	}
	if !slices.Equal(restored, []uint64{1, 2, 3, 4, 5, 6}) {
		t.Errorf("restored are %v", restored)
	}
}

func TestLostEventsAreNotRestoredBehindWhatOthersDecidedSince(t *testing.T) {
	log := enginetest.NewMemory()
	a := incident.NewBook(log)
	begun(t, a)
	log.SetBack(id, 4)
	mustSay(t, incident.NewBook(log), incident.StepSkipped{Step: "scale", Reason: "by hand"})
	state(t, a)
	err := incident.RestoreLost(t.Context(), a, id, "alice", nil, noon, "brought back")
	if err == nil || !strings.Contains(err.Error(), "event 5") {
		t.Errorf("restored: %v", err)
	}
	if state(t, a).Diverged == nil {
		t.Error("and yet it counts as repaired")
	}
}

func TestABrokenChainIsSaidAndNothingIsDecidedOnIt(t *testing.T) {
	log := enginetest.NewMemory()
	begun(t, incident.NewBook(log))
	tampered := &wrapped{Log: log, read: func(ctx context.Context, id incident.ID, after uint64, limit int) ([]incident.Event, error) {
		events, err := log.Read(ctx, id, after, limit)
		for i, e := range events {
			if e.Seq == 3 {
				raw := strings.Replace(string(e.Raw()), `"holder":"a"`, `"holder":"b"`, 1)
				if err := events[i].UnmarshalJSON([]byte(raw)); err != nil {
					t.Fatal(err)
				}
			}
		}
		return events, err
	}}
	err := say(t, incident.NewBook(tampered), incident.NoteAdded{Text: "x"})
	if !errors.Is(err, incident.ErrChain) || !strings.Contains(err.Error(), "event 4 does not follow event 3") {
		t.Errorf("decided with %v", err)
	}
}

func TestAnEventOfARunThatIsNotThereIsSaid(t *testing.T) {
	log := enginetest.NewMemory()
	book := incident.NewBook(log)
	begun(t, book)
	w := incident.Write{Incident: id, After: 6, Request: "odd", Events: []incident.Event{{Time: noon, Run: "failback-9", Body: incident.StepStarted{Step: "x"}}}}
	if _, err := log.Append(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if s := state(t, book); !strings.Contains(s.Damage, `event 7 (StepStarted) belongs to the run "failback-9"`) {
		t.Errorf("said: %q", s.Damage)
	}
	if err := say(t, book, incident.StepStarted{Step: "dns"}); !errors.Is(err, incident.ErrChain) {
		t.Errorf("decided with %v", err)
	}
}
