package incident_test

import (
	"slices"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
)

func access(person string) incident.Wanted {
	return incident.Wanted{Subject: incident.Access, Of: []string{person}, Question: "Can you?", Yes: "I can", No: "I cannot"}
}

// platformOf is the platform log as a replica of its own reads it.
func platformOf(t *testing.T, log incident.Log) *incident.Platform {
	t.Helper()
	var p *incident.Platform
	if err := incident.NewBook(log).View(t.Context(), incident.PlatformLog, func(s *incident.State) { p = s.Platform }); err != nil {
		t.Fatal(err)
	}
	return p
}

// Several replicas that lack the same ask for it once, and once more a day later.
func TestPeopleAreAskedOnce(t *testing.T) {
	log := enginetest.NewMemory()
	first, second := incident.NewBook(log), incident.NewBook(log)
	at := time.Date(2026, 3, 3, 14, 0, 0, 0, time.UTC)
	ask := func(b *incident.Book, after time.Duration, wanted ...incident.Wanted) int {
		t.Helper()
		if err := b.AskFor(t.Context(), wanted, at.Add(after), 0); err != nil {
			t.Fatal(err)
		}
		events, err := log.Read(t.Context(), incident.PlatformLog, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return len(events)
	}
	for i, c := range []struct {
		book   *incident.Book
		after  time.Duration
		wanted []incident.Wanted
		events int
	}{
		{first, 0, []incident.Wanted{access("alice"), access("alice")}, 1},
		{second, time.Minute, []incident.Wanted{access("alice")}, 1},
		{second, 2 * time.Minute, []incident.Wanted{access("alice"), access("bob")}, 2},
		{first, 3 * time.Minute, nil, 2},
		{first, 4 * time.Minute, []incident.Wanted{{Subject: incident.Access}}, 2}, // of nobody
		{first, 23 * time.Hour, []incident.Wanted{access("alice")}, 2},
		{second, 24 * time.Hour, []incident.Wanted{access("alice")}, 3},
	} {
		if n := ask(c.book, c.after, c.wanted...); n != c.events {
			t.Fatalf("%d: %d events, want %d", i, n, c.events)
		}
	}
	asked := platformOf(t, log).Asked()
	if len(asked) != 2 || asked[0].Of[0] != "bob" || asked[1].Of[0] != "alice" || !asked[1].At.Equal(at.Add(24*time.Hour)) || asked[0].Confirmation == asked[1].Confirmation {
		t.Errorf("asked %+v", asked)
	}
}

// What somebody says counts for them alone, and the newest of it.
func TestAWordCountsForWhoGaveIt(t *testing.T) {
	log := enginetest.NewMemory()
	book := incident.NewBook(log)
	at := time.Date(2026, 3, 3, 14, 0, 0, 0, time.UTC)
	says := func(after time.Duration, who string, yes bool) {
		t.Helper()
		_, err := book.Decide(t.Context(), incident.PlatformLog, func(*incident.State) (incident.Write, error) {
			return incident.Write{Events: []incident.Event{{Time: at.Add(after), Actor: who, Body: incident.ConfirmationGiven{Subject: incident.Access, Yes: yes}}}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := book.AskFor(t.Context(), []incident.Wanted{access("alice")}, at, 0); err != nil {
		t.Fatal(err)
	}
	says(time.Minute, "bob", true)
	p := platformOf(t, log)
	if _, ok := p.Said(incident.Access, "alice"); ok || p.Asked()[0].Answer != nil {
		t.Error("Bob answered in Alice's name")
	}
	says(2*time.Minute, "alice", true)
	says(3*time.Minute, "alice", false)
	p = platformOf(t, log)
	alice, _ := p.Said(incident.Access, "alice")
	bob, _ := p.Said(incident.Access, "bob")
	last, _ := p.Said(incident.Access, "")
	if alice.Yes || !alice.At.Equal(at.Add(3*time.Minute)) || !bob.Yes || last.By != "alice" {
		t.Errorf("alice %+v, bob %+v, last %+v", alice, bob, last)
	}
	if a := p.Asked()[0].Answer; a == nil || !a.Yes || a.By != "alice" {
		t.Errorf("the question was answered with %+v", a)
	}
	var none *incident.Platform
	if _, ok := none.Said(incident.Access, ""); ok || none.Asked() != nil {
		t.Error("something was said where nothing is known")
	}
}

// On an incident's timeline the first who says that they are there counts, and nobody's no.
func TestWhoIsThereIsKeptWithTheIncident(t *testing.T) {
	at := time.Date(2026, 3, 3, 14, 0, 0, 0, time.UTC)
	s := incident.NewState()
	apply := func(after time.Duration, who string, b incident.Body) {
		s.Apply(incident.Event{Seq: s.Seq + 1, Time: at.Add(after), Actor: who, Body: b})
	}
	apply(0, "alice", incident.IncidentDeclared{Incident: "INC-2026-0042"})
	apply(time.Minute, "carol", incident.ConfirmationGiven{Subject: incident.Supporting})
	if _, ok := s.Here(incident.Supporting); ok {
		t.Error("a no counts")
	}
	apply(2*time.Minute, "slack:U1", incident.ConfirmationGiven{Subject: incident.Supporting, Yes: true})
	apply(3*time.Minute, "bob", incident.ConfirmationGiven{Subject: incident.Supporting, Yes: true})
	c, ok := s.Here(incident.Supporting)
	if !ok || c.By != "slack:U1" || !c.At.Equal(at.Add(2*time.Minute)) || s.Platform != nil {
		t.Errorf("%+v %t", c, ok)
	}
	if _, ok := s.Here(incident.Commanding); ok {
		t.Error("the commander is there without a word")
	}
	apply(4*time.Minute, incident.Bot, incident.NoteAdded{Text: "x"})
	for who, after := range map[string]time.Duration{"alice": 0, "carol": time.Minute, "bob": 3 * time.Minute} {
		if first, ok := s.Acted(who); !ok || !first.Equal(at.Add(after)) {
			t.Errorf("%s first did something at %s, %t", who, first, ok)
		}
	}
	for _, who := range []string{incident.Bot, "", "dave"} {
		if _, ok := s.Acted(who); ok {
			t.Errorf("%q did something", who)
		}
	}
	if !slices.Contains(incident.Subjects(), incident.Supporting) {
		t.Error("support is no subject")
	}
}
