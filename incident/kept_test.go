package incident_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// kept is a timeline that some version wrote.
func kept(t *testing.T, path string) []incident.Event {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var events []incident.Event
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		var e incident.Event
		if err := e.UnmarshalJSON(bytes.Clone(lines.Bytes())); err != nil {
			t.Fatalf("event %d: %v", len(events)+1, err)
		}
		events = append(events, e)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return events
}

// fields are those of one event as it is stored.
func fields(t *testing.T, raw []byte) map[string]json.RawMessage {
	t.Helper()
	out := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// testdata/timeline-v2.jsonl is what the scenario region-loss left. It is never
// written anew: whatever changes in the code, it has to load and mean the same.
func TestAKeptTimelineLoadsAndLosesNothing(t *testing.T) {
	events := kept(t, "testdata/timeline-v2.jsonl")
	if len(events) != 123 {
		t.Fatalf("%d events, want %d", len(events), 123)
	}
	if err := incident.Verify(events); err != nil {
		t.Error(err)
	}
	for i, e := range events {
		if e.Seq != uint64(i)+1 {
			t.Errorf("event %d has seq %d", i+1, e.Seq)
		}
		if _, unknown := e.Body.(incident.Unknown); unknown {
			t.Errorf("event %d (%s) is not known any more", e.Seq, e.Body.Type())
		}
		// Written from what was understood of it, nothing is missing.
		data, err := json.Marshal(incident.Event{Seq: e.Seq, Time: e.Time, Actor: e.Actor, Via: e.Via, Run: e.Run, Prev: e.Prev, Body: e.Body})
		if err != nil {
			t.Fatal(err)
		}
		again := fields(t, data)
		for key, was := range fields(t, e.Raw()) { // more fields than then are well
			if !bytes.Equal(again[key], was) {
				t.Errorf("event %d (%s): %s was %s and is now %s", e.Seq, e.Body.Type(), key, was, again[key])
			}
		}
	}
}

// A version that comes later knows fields and events that this one does not.
// testdata/timeline-later.jsonl is what such a version wrote, and
// timeline-later-appended.jsonl the same after this one has added to it: nothing of
// what it does not know is lost, and the chain holds over all of it.
func TestATimelineOfALaterVersionIsReadAndAddedTo(t *testing.T) {
	const later, appended = "testdata/timeline-later.jsonl", "testdata/timeline-later-appended.jsonl"
	log := enginetest.NewMemory()
	events := kept(t, later)
	id := events[0].Body.(incident.IncidentDeclared).Incident
	if err := log.Load(id, events); err != nil {
		t.Fatal(err)
	}
	book := incident.NewBook(log)
	_, err := book.Decide(t.Context(), id, func(s *incident.State) (incident.Write, error) {
		if st := s.Step("scale"); s.Run.Name != "failover-1" || s.Declared.Commander != "alice" || st.Status != incident.Running || st.Intended == nil {
			t.Errorf("understood: %+v, step %+v", s.Run, st)
		}
		return incident.Write{Events: []incident.Event{
			{Time: time.Date(2027, 1, 5, 3, 1, 0, 0, time.UTC), Actor: incident.Bot, Body: incident.StepFinished{Step: "scale", Action: "t.change", Attempt: 1, Changed: true}},
			{Time: time.Date(2027, 1, 5, 3, 2, 0, 0, time.UTC), Actor: "bob", Via: &incident.Via{Face: incident.FaceSlack, ID: "U1"}, Body: incident.NoteAdded{Text: "it holds"}},
		}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}

	stored, err := log.Read(t.Context(), id, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	prev := ""
	for i, e := range stored {
		// As the later version checks it, from the bytes alone.
		var link struct{ Prev string }
		if err := json.Unmarshal(e.Raw(), &link); err != nil || link.Prev != prev {
			t.Errorf("event %d follows %q, %v; want %q", i+1, link.Prev, err, prev)
		}
		sum := sha256.Sum256(e.Raw())
		prev = hex.EncodeToString(sum[:16])
		all.Write(append(bytes.Clone(e.Raw()), '\n'))
	}
	was, err := os.ReadFile(later)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(all.Bytes(), was) {
		t.Errorf("what the later version wrote is not what it was:\n%s", all.Bytes())
	}
	if *update {
		if err := os.WriteFile(appended, all.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(appended)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(all.Bytes(), want) {
		t.Errorf("added to, the timeline is\n%swant\n%s", all.Bytes(), want)
	}
}
