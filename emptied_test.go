package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/redis"
	"github.com/failoverbot/failoverbot/providers/redis/redistest"
)

// newSide is one replica without a face.
func newSide(t *testing.T, url string) *commands.Commands {
	t.Helper()
	log, err := redis.Open(t.Context(), redis.Options{URL: url}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Disconnect() })
	book := incident.NewBook(log)
	return commands.New(commands.Options{
		Book: book, Clock: incident.RealClock{},
		Engine: engine.New(engine.Options{Book: book, Clock: incident.RealClock{}, Holder: t.Name()}, zerolog.Nop()),
		Roster: incident.Roster{
			{ID: "alice", Name: "Alice", Roles: []string{commands.Commander}, Faces: map[string]string{incident.FaceSlack: "UALICE"}},
			{ID: "bob", Name: "Bob", Roles: []string{commands.Approver}, Faces: map[string]string{incident.FaceSlack: "UBOB"}},
		},
		Topology: runbook.RepresentativeFacts("unplanned").Topology,
		Compile: func(f runbook.Facts) (*runbook.Plan, error) {
			return &runbook.Plan{
				Mode: f.Mode, Digest: "7f3a9c000000", Source: f.Source, Target: f.Target,
				Steps: []runbook.Step{{ID: "go", Title: "Go", Uses: "person.go", Kind: runbook.Go, Timeout: time.Minute}},
			}, nil
		},
		Active: func(context.Context) (string, string, error) { return "us-east-1", "it was asked", nil },
	}, zerolog.Nop())
}

// A Redis that is emptied in the middle of an incident is told by every surface and on
// every replica, also on one that never saw the incident; nothing is done before
// somebody has decided, and both decisions work.
func TestARecordThatWasEmptiedIsSaidEverywhere(t *testing.T) {
	for _, choice := range []string{incident.Restore, incident.GoOn} {
		t.Run(choice, func(t *testing.T) {
			mini := redistest.Mini(t)
			url := "redis://" + mini.Addr()
			one := newSide(t, url)
			n := 0
			ask := func(c *commands.Commands, who, verb, words string) commands.Answer {
				t.Helper()
				n++
				return c.Do(t.Context(), commands.Ask{Via: incident.Via{Face: incident.FaceSlack, ID: who}, Verb: verb, Text: words, Request: string(rune('a'+n)) + choice})
			}
			if a := ask(one, "UALICE", "start", "us-west-2 unplanned the Region is down"); a.Refused {
				t.Fatal(a.Text)
			}
			open, err := one.Book.Open(t.Context())
			if err != nil || len(open) != 1 {
				t.Fatalf("%v, %v", open, err)
			}
			id := open[0]
			question := incident.NewQuestion()
			if _, err := one.Book.Decide(t.Context(), id, func(s *incident.State) (incident.Write, error) {
				return incident.Write{Events: []incident.Event{{Time: time.Now(), Actor: incident.Bot, Body: incident.ApprovalAsked{
					Question: question, Kind: incident.AskGo, Step: "go", Title: "Go", Role: "commander", Digest: s.Plan.Digest,
				}}}}, nil
			}); err != nil {
				t.Fatal(err)
			}
			mini.FlushAll()

			two := newSide(t, url) // it never saw the incident, and hears of it from the first
			for _, c := range []*commands.Commands{one, two} {
				for verb, words := range map[string]string{
					"status": "", "start": "us-west-2 unplanned once more", "note": "the case is open", "go": "", "pause": "", "abort": "enough", "resume": "", "approve": "us-west-2",
				} {
					who := "UALICE"
					if verb == "approve" {
						who = "UBOB"
					}
					a := ask(c, who, verb, words)
					if !strings.Contains(a.Text.String(), "has lost") || !a.Refused && verb != "status" && verb != "note" {
						t.Errorf("%s is answered (refused %t): %s", verb, a.Refused, a.Text)
					}
				}
				// The buttons that open a form, and the forms that were open.
				for verb, who := range map[string]string{
					"approve": "UBOB", "decline": "UBOB", "break_glass": "UBOB", "abort": "UALICE", "abort_back": "UALICE", "go_override": "UALICE",
					"go_on": "UALICE", "readiness": "UALICE", "timeline": "UALICE", "close_point": "UALICE", "overwrite": "UALICE", "retry": "UALICE", "skip": "UALICE", "impact": "UALICE", "start": "UALICE", "resolve": "UALICE", "switch": "UALICE", "take_back": "UALICE",
				} {
					for form, fields := range map[string]map[string]string{"opened": nil, "sent": {"confirm": "us-west-2", "reason": "as agreed", "target": "us-west-2", "mode": "unplanned", "since": "yesterday 13:58"}} {
						n++
						on := question
						if verb == "start" || verb == "impact" { // they belong to no question
							on = ""
						}
						if fields != nil && verb == "impact" {
							fields = map[string]string{"began": "yesterday 13:58"}
						}
						a := c.Do(t.Context(), commands.Ask{Via: incident.Via{Face: incident.FaceSlack, ID: who}, Verb: verb, On: on, Incident: id, Values: fields, CanForm: true, Request: fmt.Sprint(verb, form, n)})
						said := a.Text.String()
						if a.Form != nil {
							said += a.Form.Text.String()
						}
						for _, e := range a.Errors {
							said += e.String()
						}
						if !strings.Contains(strings.ToLower(said), "has lost") {
							t.Errorf("the form of %s, %s, says: %+v", verb, form, a)
						}
					}
				}
				old := c.Do(t.Context(), commands.Ask{Via: incident.Via{Face: incident.FaceSlack, ID: "UALICE"}, Verb: "go", On: question, Incident: id, Request: "old button"})
				if !old.Refused || !strings.Contains(old.Text.String(), "has lost") {
					t.Errorf("an old button is answered: %s", old.Text)
				}
			}
			events, err := one.Book.Log().Read(t.Context(), id, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			told := 0
			for _, e := range events {
				switch b := e.Body.(type) {
				case incident.HistoryDiverged:
					told++
				case incident.NoteAdded:
				default:
					t.Errorf("%s was written: %+v", e.Body.Type(), b)
				}
			}
			if told != 1 {
				t.Errorf("told %d times", told)
			}

			a := ask(two, "UALICE", "repair", choice+" compared with what holds")
			switch choice {
			case incident.Restore:
				// A remark behind the loss decides nothing, so they can come back behind it.
				if a.Refused {
					t.Fatalf("repair: %s", a.Text)
				}
				if s := ask(one, "UALICE", "status", ""); !strings.Contains(s.Text.String(), "the Region is down") || strings.Contains(s.Text.String(), "has lost") {
					t.Errorf("status says: %s", s.Text)
				}
			case incident.GoOn:
				if a.Refused {
					t.Fatalf("repair: %s", a.Text)
				}
				if open, err := one.Book.Open(t.Context()); err != nil || len(open) != 0 {
					t.Errorf("open are %v, %v", open, err)
				}
				if a := ask(one, "UALICE", "start", "us-west-2 unplanned anew"); a.Refused {
					t.Fatal(a.Text)
				}
				if open, err := two.Book.Open(t.Context()); err != nil || len(open) != 1 || open[0] == id {
					t.Errorf("open are %v, %v; %s was lost and never comes again", open, err, id)
				}
			}
		})
	}
}

// The events come back where nothing was written behind the loss.
func TestAnEmptiedRecordIsPutBack(t *testing.T) {
	mini := redistest.Mini(t)
	one := newSide(t, "redis://"+mini.Addr())
	via := incident.Via{Face: incident.FaceSlack, ID: "UALICE"}
	if a := one.Do(t.Context(), commands.Ask{Via: via, Verb: "start", Text: "us-west-2 unplanned the Region is down"}); a.Refused {
		t.Fatal(a.Text)
	}
	open, err := one.Book.Open(t.Context())
	if err != nil || len(open) != 1 {
		t.Fatalf("%v, %v", open, err)
	}
	mini.FlushAll()
	if a := one.Do(t.Context(), commands.Ask{Via: via, Verb: "repair", Text: "restore nothing had changed"}); a.Refused {
		t.Fatal(a.Text)
	}
	for name, c := range map[string]*commands.Commands{"the same replica": one, "another": newSide(t, "redis://"+mini.Addr())} {
		a := c.Do(t.Context(), commands.Ask{Via: via, Verb: "status"})
		if !strings.Contains(a.Text.String(), open[0].Name()) || strings.Contains(a.Text.String(), "has lost") || !strings.Contains(a.Text.String(), "the Region is down") {
			t.Errorf("%s says: %s", name, a.Text)
		}
	}
	if h, err := one.Book.Log().Holder(t.Context()); err != nil || h.Incident != open[0] {
		t.Errorf("the lock is held by %+v, %v", h, err)
	}
}

// What begins no timeline leaves nothing in the lists.
func TestAStartThatFailsLeavesNoEntry(t *testing.T) {
	mini := redistest.Mini(t)
	c := newSide(t, "redis://"+mini.Addr())
	mini.SetError("OOM command not allowed when used memory > 'maxmemory'.")
	a := c.Do(t.Context(), commands.Ask{Via: incident.Via{Face: incident.FaceSlack, ID: "UALICE"}, Verb: "start", Text: "us-west-2 unplanned down"})
	mini.SetError("")
	if !a.Refused || !strings.Contains(a.Text.String(), "maxmemory") {
		t.Errorf("answered: %s", a.Text)
	}
	if ids, err := c.Book.Log().Incidents(t.Context(), 0); err != nil || len(ids) != 0 || len(mini.Keys()) != 0 {
		t.Errorf("listed are %v, %v; the keys are %v", ids, err, mini.Keys())
	}
}
