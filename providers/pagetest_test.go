package providers_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/sim"
)

const testKeyOf = "INC-2026-0042/pages-test/fb-0123456789abcdef"

// pageTest sends the test event once, in a world that is changed before.
func pageTest(t *testing.T, change func(t *testing.T, w *staffed)) (w *staffed, said string, verdict incident.Verdict, ok bool, err error) {
	t.Helper()
	w = staffedWorld(t)
	change(t, w)
	a, c := w.call(t, "pages-test")
	c.Incident, c.Token = "INC-2026-0042", "fb-0123456789abcdef"
	if _, none := a.None(c); none {
		t.Fatal("there is nothing to try")
	}
	ctx, stop := w.clock.WithTimeout(t.Context(), a.CallTimeout, context.DeadlineExceeded)
	defer stop()
	o, ok, err := a.Try(ctx, c, 1)
	said = o.Summary
	if err != nil {
		said = err.Error() + " (" + incident.CallErrorOf(err).Hint + ")"
	}
	for _, secret := range []string{sim.PagerToken, sim.PagerTestKey} {
		if strings.Contains(said, secret) {
			t.Errorf("a secret is said: %s", said)
		}
	}
	if o.Evidence["dedup_key"] != testKeyOf || o.Evidence["service"] != sim.PagerTestService || o.Evidence["send"] != "1" {
		t.Errorf("evidence %v", o.Evidence)
	}
	return w, said, o.Measured.Verdict, ok, err
}

// alert is what the test service has of the event.
func (w *staffed) alert(t *testing.T) (out sim.Alert) {
	t.Helper()
	w.change(t, func(s *sim.State) {
		if keys := slices.Collect(maps.Keys(s.Pager.Test.Alerts)); len(keys) > 1 || len(keys) == 1 && keys[0] != testKeyOf {
			t.Errorf("alerts %v", keys)
		}
		if a := s.Pager.Test.Alerts[testKeyOf]; a != nil {
			out = *a
		}
	})
	return out
}

func TestATestEventHasToBecomeAnIncidentAndIsResolved(t *testing.T) {
	pager := func(f func(p *sim.PagerTest)) func(*testing.T, *staffed) {
		return func(t *testing.T, w *staffed) { t.Helper(); w.change(t, func(s *sim.State) { f(&s.Pager.Test) }) }
	}
	keyed := func(f func(c *providers.Connections)) func(*testing.T, *staffed) {
		return func(_ *testing.T, w *staffed) { w.staff(f) }
	}
	const there, open = true, true
	for _, c := range []struct {
		name    string
		change  func(t *testing.T, w *staffed)
		verdict incident.Verdict // Unsure comes with an error
		says    []string
		there   bool // the service has an alert
		open    bool // which is left so
	}{
		{"it does", asIs, incident.Pass, []string{"a test event was an incident of the service PTEST0ME in PagerDuty within ", " s, and is resolved"}, there, !open},
		{"after some seconds", pager(func(p *sim.PagerTest) { p.Takes = 5 * time.Second }), incident.Pass, []string{"within "}, there, !open},
		{"too late", pager(func(p *sim.PagerTest) { p.Takes = time.Minute }), incident.Fail, []string{"PagerDuty accepted the test event " + testKeyOf + ", and within 12 s it was no incident of the service PTEST0ME"}, there, !open},
		{"never, for the service is disabled", pager(func(p *sim.PagerTest) { p.Ignores = true }), incident.Fail, []string{"whether that is disabled"}, there, !open},
		{"it is not resolved", pager(func(p *sim.PagerTest) { p.Sticks = true }), incident.Fail, []string{"was not resolved within 8 s: resolve it by hand"}, there, open},
		{"the key is another service's", keyed(func(c *providers.Connections) { c.PagerTest.Page.RoutingKey = "R0UT1NGKEY0F0N0B0DY0IN0THE0W0RLD" }), incident.Fail, []string{"whether the key is that service's"}, !there, !open},
		{"the key is missing", keyed(func(c *providers.Connections) { c.PagerTest.Page.RoutingKey = "" }), incident.Unsure, []string{"PAGERDUTY_TEST_ROUTING_KEY is not set", "set it to the integration key of the service PTEST0ME"}, !there, !open},
		{"the key is cut", keyed(func(c *providers.Connections) { c.PagerTest.Page.RoutingKey = sim.PagerTestKey[:20] }), incident.Unsure, []string{"PAGERDUTY_TEST_ROUTING_KEY has 20 characters"}, !there, !open},
		{"the token is wrong", keyed(func(c *providers.Connections) { c.PagerTest.API.Token = "another" }), incident.Unsure, []string{"PagerDuty answered 401", "set PAGERDUTY_API_TOKEN"}, there, !open},
		{"the token is missing", keyed(func(c *providers.Connections) { c.PagerTest.API.Token = "" }), incident.Unsure, []string{"PAGERDUTY_API_TOKEN is not set"}, there, !open},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, said, verdict, ok, err := pageTest(t, c.change)
			if (err != nil) != (c.verdict == incident.Unsure) || ok != (c.verdict == incident.Pass) || verdict != c.verdict {
				t.Fatalf("%t %q %s: %v", ok, verdict, said, err)
			}
			for _, part := range c.says {
				if !strings.Contains(said, part) {
					t.Errorf("it does not say %q: %s", part, said)
				}
			}
			a := w.alert(t)
			if a.At.IsZero() == c.there || c.there && a.Events != 1 || c.there && a.Resolved.IsZero() != c.open {
				t.Errorf("the service has %+v", a)
			}
		})
	}
}

// No fault of either API is an answer, and none leaves the event open that PagerDuty could
// be told to resolve: one whose answer is lost may have come.
func TestATestEventThatPagerDutyDoesNotAnswerIsUnknownAndResolved(t *testing.T) {
	const trigger, resolve, read = "POST /v2/enqueue trigger", "POST /v2/enqueue resolve", "GET /incidents"
	for _, c := range []struct {
		operation, kind     string
		person, taken, open bool // somebody has to do something; the event was taken, and is left open
	}{
		{trigger, sim.Deny, true, false, false},
		{trigger, sim.Throttle, false, false, false},
		{trigger, sim.ServerFail, false, false, false},
		{trigger, sim.Refuse, false, false, false},
		{trigger, sim.LostAnswer, false, true, false},
		{trigger, sim.Hang, false, false, false},
		{read, sim.Deny, true, true, false},
		{read, sim.Throttle, false, true, false},
		{read, sim.ServerFail, false, true, false},
		{read, sim.Refuse, false, true, false},
		{read, sim.Hang, false, true, false},
		{resolve, sim.Deny, true, true, true},
		{resolve, sim.Throttle, false, true, true},
		{resolve, sim.ServerFail, false, true, true},
		{resolve, sim.Refuse, false, true, true},
		{resolve, sim.LostAnswer, false, true, false},
		{resolve, sim.Hang, false, true, true},
	} {
		t.Run(c.operation+" "+c.kind, func(t *testing.T) {
			w, said, verdict, ok, err := pageTest(t, func(t *testing.T, w *staffed) {
				t.Helper()
				if err := w.Fault(sim.Fault{System: "pagerduty", Operation: c.operation, Kind: c.kind}); err != nil {
					t.Fatal(err)
				}
			})
			f := incident.CallErrorOf(err)
			if err == nil || ok || verdict != incident.Unsure || f.NeedsPerson != c.person || c.person == (f.Hint == "") || !strings.Contains(said, testKeyOf) {
				t.Errorf("%t %q %s: %+v", ok, verdict, said, f)
			}
			if c.operation == resolve && !strings.Contains(said, "resolve the test event "+testKeyOf+", which may be open") {
				t.Errorf("that it may be open is not said: %s", said)
			}
			a := w.alert(t)
			if a.At.IsZero() == c.taken || c.taken && a.Resolved.IsZero() != c.open {
				t.Errorf("the service has %+v", a)
			}
		})
	}
	// Neither the event nor that it is over gets an answer: both are said.
	_, said, _, ok, err := pageTest(t, func(t *testing.T, w *staffed) {
		t.Helper()
		for _, operation := range []string{trigger, resolve} {
			if err := w.Fault(sim.Fault{System: "pagerduty", Operation: operation, Kind: sim.LostAnswer}); err != nil {
				t.Fatal(err)
			}
		}
	})
	if ok || err == nil || !strings.Contains(said, "send the test event "+testKeyOf) || !strings.Contains(said, "which may be open") {
		t.Errorf("%t %s", ok, said)
	}
}

// Whoever stops the run does not leave the event open, and what is sent again is the same
// alert's.
func TestATestEventIsResolvedWhateverBecomesOfTheRun(t *testing.T) {
	w := staffedWorld(t)
	w.change(t, func(s *sim.State) { s.Pager.Test.Takes = time.Hour })
	a, c := w.call(t, "pages-test")
	c.Incident, c.Token = "INC-2026-0042", "fb-0123456789abcdef"
	ctx, stop := w.clock.WithTimeout(t.Context(), 4*time.Second, context.Canceled)
	defer stop()
	if _, ok, err := a.Try(ctx, c, 1); ok || err == nil {
		t.Errorf("%t %v", ok, err)
	}
	if got := w.alert(t); got.At.IsZero() || got.Resolved.IsZero() {
		t.Errorf("the service has %+v", got)
	}

	// The second send of the run is the same alert's, and finds it.
	w.change(t, func(s *sim.State) { s.Pager.Test.Takes = time.Second })
	if o, ok, err := a.Try(t.Context(), c, 2); !ok || err != nil {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	if got := w.alert(t); got.Resolved.IsZero() {
		t.Errorf("the service has %+v", got)
	}
}

func TestWithoutATestServiceNothingIsSent(t *testing.T) {
	w := staffedWorld(t)
	w.staff(func(c *providers.Connections) { c.PagerTest = nil })
	a, c := w.call(t, "pages-test")
	o, none := a.None(c)
	if !none || o.Measured.Verdict != incident.NotApplicable || o.Measured.AsOf.IsZero() || !strings.Contains(o.Summary, "pagerduty.test_service") {
		t.Errorf("%t %+v", none, o)
	}
	for _, call := range w.Calls() {
		if call.System == "pagerduty" {
			t.Errorf("it asked %s", call.Operation)
		}
	}
}
