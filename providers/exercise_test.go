package providers_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// Whatever a step looks at, it may look as often as it likes: nothing is posted, put
// or changed by it.
func TestLookingNeverPosts(t *testing.T) {
	for _, mode := range []string{"planned", "unplanned"} {
		w := newWorld(t)
		looked := 0
		for _, s := range compile(t, w.catalog, w.facts(mode)).Steps {
			a := w.catalog[s.Uses]
			if a.Kind == runbook.Exercise && (a.Look != nil || a.Do != nil || a.Try == nil || a.Sends < 1) {
				t.Errorf("%s: an exercise has a Try, and so many sends", s.Uses)
			}
			if a.Look == nil {
				continue
			}
			a, c := w.call(t, s.ID)
			for range 2 {
				ctx, stop := w.clock.WithTimeout(t.Context(), time.Minute, errors.New("looked for too long"))
				_, _, _ = a.Look(ctx, c) // whatever it finds
				stop()
				looked++
			}
		}
		for _, call := range w.Calls() {
			if call.Operation == "POST /api/ds/query" {
				continue // how Grafana's API is asked for data: the query is the body
			}
			if call.Mutating || call.Applied || call.System == "http" && call.Operation[:4] != "GET " {
				t.Errorf("%s: looking made the call %+v", mode, call)
			}
		}
		if looked < 50 {
			t.Errorf("%s: only %d looks", mode, looked)
		}
	}
}

// exercises are the steps that try the platform, in the state in which they do.
var exercises = []string{"smoke-test", "synthetic-order"}

// mastered makes the target the Region that takes orders, and users' one.
func (w *world) mastered(t *testing.T) {
	t.Helper()
	for _, step := range []string{"scale/user-service", "scale/order-service", "scale/product-service", "scale/payment-service", "scale/notification-service", "switch-database"} {
		w.makes(t, step)
	}
	w.wait(t, 5*time.Minute)
	w.makes(t, "promote-cache")
	for _, name := range writers {
		w.makes(t, "restart/"+name)
	}
	w.makes(t, "shift-dns")
	w.wait(t, 5*time.Minute)
}

func (w *world) makes(t *testing.T, step string) {
	t.Helper()
	a, c := w.call(t, step)
	if _, err := a.Do(t.Context(), c); err != nil {
		t.Fatalf("%s: %v", step, err)
	}
}

func (w *world) orders(t *testing.T) []sim.Order {
	t.Helper()
	var out []sim.Order
	w.change(t, func(s *sim.State) { out = slices.Clone(s.Orders) })
	return out
}

// An order whose answer is lost is sent again under the same key, by whichever life of
// the bot: the shop writes one.
func TestAnOrderWhoseAnswerIsLostIsOneOrder(t *testing.T) {
	for _, step := range exercises {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.mastered(t)
			a, c := w.call(t, step)
			c.Token = "fb-0123456789abcdef"
			lost := sim.Fault{System: "http", Kind: sim.LostAnswer, Times: 2}
			for _, call := range w.Calls() {
				if call.System == "http" {
					t.Fatalf("a call before the first order: %+v", call)
				}
			}
			if err := w.Fault(lost); err != nil {
				t.Fatal(err)
			}
			var said []string
			for send := 1; ; send++ {
				if send > a.Sends {
					t.Fatalf("after %d sends: %v", a.Sends, said)
				}
				o, ok, err := a.Try(t.Context(), c, send)
				if err != nil {
					t.Fatalf("send %d: %v", send, err)
				}
				if ok {
					if send != 3 || o.Evidence["order"] == "" || o.Evidence["reference"] != string(c.Incident)+"/"+step+"/"+c.Token {
						t.Errorf("send %d went well: %+v, before that %v", send, o, said)
					}
					break
				}
				said = append(said, o.Summary)
				w.wait(t, a.Every)
			}
			if got := w.orders(t); len(got) != 1 || got[0].ID != c.Token {
				t.Errorf("the shop wrote %+v", got)
			}
			// Another run's is another order.
			c.Token = "fb-fedcba9876543210"
			if o, ok, err := a.Try(t.Context(), c, 1); err != nil || !ok {
				t.Errorf("%t %q %v", ok, o.Summary, err)
			}
			if got := w.orders(t); len(got) != 2 {
				t.Errorf("the shop wrote %+v", got)
			}
		})
	}
}

// A shop that cannot write is a finding; one that refuses the bot is for a person.
func TestAnExerciseSaysWhatBecameOfIt(t *testing.T) {
	w := newWorld(t)
	a, c := w.call(t, "smoke-test")
	o, ok, err := a.Try(t.Context(), c, 1)
	if ok || err != nil || o.Evidence["send"] != "1" {
		t.Errorf("the standby took an order: %t %q %v", ok, o.Summary, err)
	}
	if err := w.Fault(sim.Fault{System: "http", Kind: sim.Deny, Times: 1}); err != nil {
		t.Fatal(err)
	}
	_, ok, err = a.Try(t.Context(), c, 2)
	if f := incident.CallErrorOf(err); ok || err == nil || !f.NeedsPerson || f.Hint == "" {
		t.Errorf("%t %v", ok, err)
	}
	if got := w.orders(t); len(got) != 0 {
		t.Errorf("the shop wrote %+v", got)
	}
}
