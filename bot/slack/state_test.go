package slack

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// phrases are how each face says a phase: the card and App Home between stars, an
// update in its status, the topic somewhere, if it says it at all.
var phrases = map[string]struct{ status, topic string }{
	"readiness":             {"IN PROGRESS", ""},
	"running":               {"IN PROGRESS", ""},
	"paused":                {"IN PROGRESS (paused)", "paused"},
	"mitigated":             {"IN PROGRESS (mitigated)", "to resolve"},
	"aborted":               {"IN PROGRESS (failover aborted)", "aborted"},
	"resolved":              {"RESOLVED", ""},
	incident.ClosedUnserved: {"CLOSED, NOT RESTORED", ""},
}

// At each event of a run that ends well and of one that does not, no face says another
// state, another impact or other open points than the others.
func TestOneMomentIsOneState(t *testing.T) {
	paused := func(s *story) *story {
		s.add(time.Second, "UALICE", incident.RunPaused{Reason: "a call"})
		return s.add(time.Second, "UALICE", incident.RunResumed{})
	}
	seen := map[string]bool{}
	for name, s := range map[string]*story{
		"resolved": paused(newStory("unplanned").readiness().gone()).scaleFails().retried().asked(approveID, 0).promoted().mitigated().resolved(),
		"unserved": newStory("unplanned").readiness().gone().scaleFails().add(time.Minute, "UALICE", incident.RunAborted{Reason: "given up"}).add(time.Minute, "UALICE", incident.IncidentResolved{Reason: "given up", Unserved: true}),
	} {
		for n := 2; n <= len(s.events); n++ {
			b := sober(t, s.events[n-1].Time.Add(time.Second))
			v := b.viewOf(incident.Fold(s.events[:n]))
			phase := v.Phase()
			says, known := phrases[phase]
			if !known {
				t.Fatalf("%s, event %d: nobody knows how %q is said", name, n, phase)
			}
			seen[phase] = true
			alice, _ := v.Roster.ByID("UALICE")
			home, err := json.Marshal(b.home(v.home(alice, true, "C1", ""), false))
			if err != nil {
				t.Fatal(err)
			}
			card, update := b.words.say("card", v.card()), b.words.say("update", v.update(time.Time{}))
			if !strings.Contains(card, "*"+phase+"*") {
				t.Errorf("%s, event %d (%s): the card begins %q", name, n, phase, card[:min(len(card), 100)])
			}
			if !strings.Contains(update, " · "+says.status+" · ") {
				t.Errorf("%s, event %d (%s): the update says %q", name, n, phase, v.update(time.Time{}).Status)
			}
			if topic := v.topic(); !strings.Contains(topic, says.topic) || (topic == "") != !v.ResolvedAt.IsZero() {
				t.Errorf("%s, event %d (%s): the topic is %q", name, n, phase, topic)
			}
			if v.ResolvedAt.IsZero() && !strings.Contains(string(home), "*"+phase+"*") {
				t.Errorf("%s, event %d (%s): App Home says another", name, n, phase)
			}
			if closed := strings.Contains(string(home), "Closed, not restored"); closed != v.Unserved || closed != strings.Contains(card, "*Closed, not restored*") {
				t.Errorf("%s, event %d: closed unserved: %t, App Home says %t", name, n, v.Unserved, closed)
			}
			for _, point := range v.points() {
				if !strings.Contains(card, point) || !strings.Contains(update, point) || v.ResolvedAt.IsZero() && !strings.Contains(string(home), point) {
					t.Errorf("%s, event %d: %q is not on every face", name, n, point)
				}
			}
			if lasts, _, _ := strings.Cut(v.impact(utc), " · "); !strings.Contains(card, "Impact "+lasts) || !strings.Contains(update, "*Impact:* "+lasts) {
				t.Errorf("%s, event %d: the impact is not %q on card and update", name, n, lasts)
			}
		}
	}
	for phase := range phrases {
		if !seen[phase] {
			t.Errorf("never %s", phase)
		}
	}
}

// That users go back is said in one post, however the share grows, and again when it
// begins anew.
func TestThatUsersGoBackIsPostedOnceEachTime(t *testing.T) {
	s := newStory("unplanned").readiness().gone().scaleFails().retried().asked(approveID, 0).promoted().mitigated()
	var begun incident.RunBegun
	for i, e := range s.events { // the plan watches users
		if b, ok := e.Body.(incident.RunBegun); ok {
			b.Plan = json.RawMessage(strings.Replace(string(b.Plan), `"steps":[`, `"steps":[{"id":"users","kind":"watch","uses":"probe.users","proves":["users-watched"]},`, 1))
			s.events[i].Body, begun = b, b
		}
	}
	if !strings.Contains(string(begun.Plan), "users-watched") {
		t.Fatal("the plan watches nobody")
	}
	saw := func(served int, back ...string) {
		e := incident.WatchObserved{Step: "users", Summary: "seen", Users: &incident.UsersSeen{Moved: true, Tried: 10, Served: served, Stale: back, Back: back}}
		e.Verdict = incident.Pass
		if len(back) > 0 {
			e.Verdict = incident.Fail
		}
		s.add(10*time.Second, incident.Bot, e)
		s.events[len(s.events)-1].Run = "failover-1"
	}
	keys := map[string]message{}
	look := func() {
		b := sober(t, s.at.Add(time.Second))
		var o outlook
		f := newFollower(b, inc)
		f.notices(b.viewOf(incident.Fold(s.events)), &o)
		for _, j := range o.jobs {
			if strings.HasPrefix(j.key, keyGoneBack) {
				keys[j.key] = j.m
			}
		}
	}
	saw(10)
	look()
	if len(keys) != 0 {
		t.Error("said although nobody goes back")
	}
	saw(7, "Google")
	look()
	saw(3, "Google", "OpenDNS")
	look()
	if len(keys) != 1 {
		t.Errorf("%d posts of the same", len(keys))
	}
	for _, m := range keys {
		if !strings.Contains(m.text, "Users go back to us-east-1") {
			t.Errorf("the first line is %q", m.text)
		}
	}
	saw(10)
	saw(7, "Google")
	look()
	if len(keys) != 2 {
		t.Errorf("%d posts when it began anew", len(keys))
	}
}
