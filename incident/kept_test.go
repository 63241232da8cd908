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
	if len(events) != 127 {
		t.Fatalf("%d events, want %d", len(events), 127)
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

func TestAKeptTimelineMeansWhatItMeant(t *testing.T) {
	events := kept(t, "testdata/timeline-v2.jsonl")
	s := incident.Fold(events)
	if s.Damage != "" || s.Diverged != nil || s.Phase() != "resolved" || !s.Over() || s.ResolvedBy != "alice" || s.Seq != 127 {
		t.Errorf("%s is %s by %q at event %d, damage %q", s.ID, s.Phase(), s.ResolvedBy, s.Seq, s.Damage)
	}
	if s.DeclaredBy != "alice" || s.Declared.Commander != "alice" || !s.Declared.Rehearsal || s.ID.Name() != "INC-2026-0001" || s.ID == "INC-2026-0001" {
		t.Errorf("%s declared %+v by %q", s.ID, s.Declared, s.DeclaredBy)
	}
	if len(s.Runs) != 1 || s.Run.Name != "failover-1" || s.Kind != incident.Failover || s.Source != "us-east-1" || s.Target != "us-west-2" || s.Mode != "unplanned" || s.Follows != "" || s.Dry {
		t.Errorf("%d runs, the last %+v", len(s.Runs), s.Run)
	}
	if s.GoBy != "alice" || s.Taken.Token != 1 || s.Taken.Return || s.Durability == nil {
		t.Errorf("go by %q, taken %+v", s.GoBy, s.Taken)
	}
	if s.Mitigated.Summary != "Users are served from us-west-2, verified." {
		t.Errorf("mitigated: %q", s.Mitigated.Summary)
	}
	promote := s.Step("promote-database")
	if promote.Status != incident.Done || !promote.Changed || promote.Attempt != 1 || promote.ApprovedBy != "bob" || promote.Intended != nil {
		t.Errorf("promoted: %+v", promote)
	}
	intended := map[string]int{}
	for _, e := range events {
		if b, ok := e.Body.(incident.ChangeIntended); ok {
			intended[b.Step]++
		}
	}
	if intended["promote-database"] != 1 || len(intended) != 13 {
		t.Errorf("intended %v", intended)
	}
	if got := len(s.Changed()); got != 13 {
		t.Errorf("%d steps changed the world, want 13", got)
	}
	for _, st := range s.Steps {
		if !st.Status.Settled() || st.Intended != nil || st.Ended.Before(st.Started) {
			t.Errorf("%s is %q, from %s to %s, intended %v", st.ID, st.Status, st.Started, st.Ended, st.Intended)
		}
	}
	// What a change replaced is kept as data, to be taken back to it.
	if prior := string(s.Step("scale/order-service").Prior); prior != `{"service":"order-service","replicas":{"was":2,"set":6},"autoscaler":"order-service","minimum":{"was":2,"set":6}}` {
		t.Errorf("order-service had %s", prior)
	}
	if len(s.Open) != 0 || len(s.Questions) != 2 {
		t.Errorf("%v open of %d questions", s.Open, len(s.Questions))
	}
	for _, q := range s.Questions {
		if q.Open || q.By == "" {
			t.Errorf("%s was answered by %q", q.Question, q.By)
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
