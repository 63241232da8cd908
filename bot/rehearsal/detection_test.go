package rehearsal

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// platform is what is on the platform log.
func (p played) platform(t *testing.T) (events []incident.Event) {
	t.Helper()
	lines(t, filepath.Join(p.out, "platform.jsonl"), &events)
	return events
}

// of are the events of one type, with when they were.
func of[T incident.Body](events []incident.Event) (bodies []T, at []time.Time) {
	for _, e := range events {
		if b, ok := e.Body.(T); ok {
			bodies, at = append(bodies, b), append(at, e.Time)
		}
	}
	return bodies, at
}

// proposed are the states of messages that propose something, oldest first.
func (p played) proposed(t *testing.T) (posts int, texts []string) {
	t.Helper()
	for _, m := range p.messages {
		payload, _ := m.Metadata["event_payload"].(map[string]any)
		if payload["kind"] != "proposal" {
			continue
		}
		if m.Op == "post" {
			posts++
		}
		data, err := json.Marshal(m.Blocks)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(data))
	}
	return posts, texts
}

// proposedInTime: within two minutes of the loss a failover is proposed, in one message, by
// views that have nothing in common; it begins by Alice's press, in her form, and not before.
func proposedInTime(t *testing.T, p played) {
	const lost = 90 * time.Second
	all, at := of[incident.FailoverProposed](p.platform(t))
	if len(all) == 0 {
		t.Fatal("nothing was proposed")
	}
	if took := at[0].Sub(p.world.Start.Add(lost)); took < 0 || took > 2*time.Minute {
		t.Errorf("proposed %s after the loss", took)
	}
	q := all[0]
	if q.Mode != "unplanned" || q.Target != "us-west-2" || !slices.Contains(q.Signals, "pages of us-east-1") || !slices.Contains(q.Signals, "dns of us-east-1") || len(q.Seen) < 8 {
		t.Errorf("proposed: %+v", q)
	}
	s := p.state()
	if s.DeclaredBy != "alice" || s.DeclaredAt.Before(at[0]) || s.Declared.BeganNotSaid || s.Declared.Reason != q.Summary {
		t.Errorf("declared by %s at %s: %+v", s.DeclaredBy, s.DeclaredAt, s.Declared)
	}
	posts, texts := p.proposed(t)
	if posts != 1 || !strings.Contains(texts[0], "fo.start_proposed") || !strings.Contains(texts[len(texts)-1], "Taken up by Alice") {
		t.Errorf("%d posts: %v", posts, texts)
	}
}

// proposedNothing: something was seen not to be well, and nobody was told to fail over.
func proposedNothing(t *testing.T, p played) {
	events := p.platform(t)
	if all, _ := of[incident.FailoverProposed](events); len(all) > 0 {
		t.Errorf("proposed: %+v", all)
	}
	if posts, _ := p.proposed(t); posts > 0 {
		t.Errorf("%d posts propose something", posts)
	}
	turned := map[string]int{}
	for _, b := range firsts(of[incident.SignalObserved](events)) {
		if b.Verdict != incident.Pass {
			turned[b.Signal]++
		}
	}
	if len(turned) < 2 {
		t.Errorf("nothing was seen that was not well, so nothing was shown: %v", turned)
	}
}

func firsts[T any](all []T, _ []time.Time) []T { return all }

// adoptedWithUsersMoved: Route 53 has moved users by itself, and it is said that orders fail
// until the database is promoted. The run finds users moved, keeps them there, and promotes
// database and cache.
func adoptedWithUsersMoved(t *testing.T, p played) {
	all, at := of[incident.FailoverProposed](p.platform(t))
	if len(all) == 0 || !all[len(all)-1].Moved || all[0].Mode != "planned" {
		t.Fatalf("proposed: %+v", all)
	}
	moved := p.world.Marks["dns-moved"]
	s := p.state()
	if moved.IsZero() || !moved.Before(at[0]) || !at[0].Before(s.DeclaredAt) {
		t.Errorf("users moved at %s, proposed at %s, declared at %s", moved, at[0], s.DeclaredAt)
	}
	_, texts := p.proposed(t)
	if !strings.Contains(texts[0], "Route 53 has moved users to us-west-2 already") || !strings.Contains(texts[0], "*Orders fail meanwhile:*") {
		t.Errorf("it is not said: %s", texts[0])
	}
	p.once(t, "SwitchoverGlobalCluster", "FailoverGlobalReplicationGroup")
	// What waits for users to arrive has nothing to wait for.
	for _, step := range []string{"dns-authoritative", "traffic"} {
		st := s.Step(step)
		if st.Status != incident.Done || st.Ended.Sub(st.Started) > 5*time.Second {
			t.Errorf("%s: %s after %s", step, st.Status, st.Ended.Sub(st.Started))
		}
	}
	for _, h := range p.world.DNS.History {
		if h.At.After(moved) && h.Region != "us-west-2" {
			t.Errorf("users were sent to %s at %s", h.Region, h.At)
		}
	}
}
