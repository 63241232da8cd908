package providers_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/pagerduty"
	"github.com/failoverbot/failoverbot/providers/people"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// staff are the people of the tests: Alice and Carol command, and all but Dave have an id
// in PagerDuty.
var staff = incident.Roster{
	{ID: "alice", Name: "Alice", Roles: []string{incident.RoleCommander}, Faces: map[string]string{incident.FaceSlack: "UALICE", people.FacePager: "PAL1CE0"}},
	{ID: "bob", Name: "Bob", Roles: []string{incident.RoleApprover}, Faces: map[string]string{incident.FaceSlack: "UBOB", people.FacePager: "PB0B000"}},
	{ID: "carol", Name: "Carol", Roles: []string{incident.RoleCommander}, Faces: map[string]string{incident.FaceSlack: "UCAROL", people.FacePager: "PCAR0L0"}},
	{ID: "dave", Name: "Dave", Roles: []string{incident.RoleResponder}, Faces: map[string]string{incident.FaceSlack: "UDAVE"}},
}

// staffed is a world with people in it: PagerDuty, a roster, and a record.
type staffed struct {
	*world
	log  *enginetest.Memory
	book *incident.Book
}

// staffedWorld is one in which Alice, who is on call, has said twelve days ago that she can
// open both consoles.
func staffedWorld(t *testing.T) *staffed {
	t.Helper()
	w := &staffed{world: newWorld(t), log: enginetest.NewMemory()}
	w.book = incident.NewBook(w.log)
	w.says(t, incident.PlatformLog, 12*day, "alice", incident.ConfirmationGiven{Subject: incident.Access, Yes: true})
	w.staff(func(*providers.Connections) {})
	return w
}

// staff makes the catalogue anew, with other connections.
func (w *staffed) staff(change func(c *providers.Connections)) {
	c := w.connections()
	c.Roster, c.Record, c.Support = staff, w.book, true
	c.Pager = &pagerduty.API{Token: sim.PagerToken, Service: sim.PagerService, Endpoint: w.PagerDuty()}
	c.PagerTest = &pagerduty.Test{
		Page: pagerduty.Settings{RoutingKey: sim.PagerTestKey, Endpoint: w.PagerDuty()},
		API:  pagerduty.API{Token: sim.PagerToken, Service: sim.PagerTestService, Endpoint: w.PagerDuty()},
	}
	change(&c)
	w.catalog = providers.Catalog(c)
}

// call is one step of the shipped runbook, where pages are on.
func (w *staffed) call(t *testing.T, step string) (engine.Action, engine.Call) {
	t.Helper()
	facts := w.facts("planned")
	facts.Topology.Policy.Page = true
	p := compile(t, w.catalog, facts)
	s, ok := p.Step(step)
	if !ok {
		t.Fatalf("the runbook has no step %s", step)
	}
	now := w.clock.Now()
	return w.catalog[s.Uses], engine.Call{
		Plan: p, Step: s, Attempt: 1, Began: now, Impact: now, Clock: w.clock,
		Result: func(string) (engine.Outcome, bool) { return engine.Outcome{}, false },
	}
}

// says puts on a timeline what somebody said so long ago.
func (w *staffed) says(t *testing.T, id incident.ID, ago time.Duration, who string, b incident.Body) {
	t.Helper()
	_, err := w.book.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) {
		return incident.Write{Events: []incident.Event{{Time: w.clock.Now().Add(-ago), Actor: who, Via: &incident.Via{Face: incident.FaceSlack, ID: "U" + strings.ToUpper(who)}, Body: b}}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// said is a case of what people have said, and what a step comes to.
type said struct {
	name    string
	change  func(t *testing.T, w *staffed)
	verdict incident.Verdict
	says    []string
	asks    []string // of whom
}

func (c said) run(t *testing.T, step string, prepare func(c *engine.Call)) {
	t.Run(c.name, func(t *testing.T) {
		w := staffedWorld(t)
		c.change(t, w)
		a, call := w.call(t, step)
		call.Incident = ""
		prepare(&call)
		o, ok, err := a.Look(t.Context(), call)
		text := o.Summary
		if c.verdict == incident.Unsure {
			f := incident.CallErrorOf(err)
			if err == nil || ok || f.Unknown {
				t.Fatalf("%t %q %v", ok, text, err)
			}
			text = err.Error() + " (" + f.Hint + ")"
		} else if err != nil || ok != (c.verdict != incident.Fail) || o.Measured.Verdict != c.verdict || o.Measured.AsOf.IsZero() || len(o.Evidence) == 0 {
			t.Fatalf("%t %q, %q of %s: %v", ok, o.Measured.Verdict, text, o.Measured.AsOf, err)
		}
		for _, part := range c.says {
			if !strings.Contains(text, part) {
				t.Errorf("it does not say %q: %s", part, text)
			}
		}
		if strings.Contains(text+fmt.Sprint(o.Evidence), sim.PagerToken) {
			t.Errorf("it says the token: %s", text)
		}
		var of []string
		if o.Asks != nil {
			of = o.Asks.Of
			if o.Asks.Question == "" || o.Asks.Yes == "" || o.Asks.No == "" {
				t.Errorf("nothing is asked: %+v", o.Asks)
			}
		}
		if !slices.Equal(of, c.asks) {
			t.Errorf("it asks %v, not %v", of, c.asks)
		}
	})
}

func asIs(*testing.T, *staffed) {}

func TestTheAccessOfWhoeverIsOnCallIsJudged(t *testing.T) {
	pager := func(f func(p *sim.Pager, now time.Time)) func(*testing.T, *staffed) {
		return func(t *testing.T, w *staffed) { t.Helper(); w.change(t, func(s *sim.State) { f(&s.Pager, s.At) }) }
	}
	alice := func(ago time.Duration, yes bool, why string) func(*testing.T, *staffed) {
		return func(t *testing.T, w *staffed) {
			t.Helper()
			w.says(t, incident.PlatformLog, ago, "alice", incident.ConfirmationGiven{Subject: incident.Access, Yes: yes, Reason: why})
		}
	}
	fault := func(f sim.Fault) func(*testing.T, *staffed) {
		return func(t *testing.T, w *staffed) {
			t.Helper()
			if f.System = "pagerduty"; w.Fault(f) != nil {
				t.Fatal("no such fault")
			}
		}
	}
	for _, c := range []said{
		{"said twelve days ago", asIs, incident.Pass, []string{"Alice is on call until 2026-03-05 06:00 UTC and said 12 days ago that they can open the consoles of both Regions"}, nil},
		{"said just now", alice(time.Minute, true, ""), incident.Pass, []string{"said 1 min ago"}, nil},
		{"at the limit", func(t *testing.T, w *staffed) {
			w.log = enginetest.NewMemory()
			w.book = incident.NewBook(w.log)
			alice(90*day, true, "")(t, w)
			w.staff(func(*providers.Connections) {})
		}, incident.Pass, []string{"90 days ago"}, nil},
		{"beyond the limit", func(t *testing.T, w *staffed) {
			w.wait(t, 78*day+time.Minute)
			w.change(t, func(s *sim.State) { s.Pager.OnCall[0].Until = time.Time{} })
		}, incident.Fail, []string{"Alice said 90 days ago that they can open the consoles of both Regions, and that counts for 90 days"}, []string{"alice"}},
		{"said that they cannot", alice(time.Hour, false, "the MFA device is lost"), incident.Fail, []string{"Alice said 1 h ago that they cannot open the consoles of both Regions: the MFA device is lost"}, []string{"alice"}},
		{"somebody else is on call", pager(func(p *sim.Pager, _ time.Time) { p.OnCall = p.OnCall[1:] }), incident.Fail, []string{"Bob has not said whether they can open the consoles of both Regions"}, []string{"bob"}},
		{"another one's word does not count", func(t *testing.T, w *staffed) {
			w.says(t, incident.PlatformLog, 0, "carol", incident.ConfirmationGiven{Subject: incident.Access, Yes: true})
			w.change(t, func(s *sim.State) { s.Pager.OnCall = s.Pager.OnCall[1:] })
		}, incident.Fail, []string{"Bob has not said"}, []string{"bob"}},
		{"two are paged first", pager(func(p *sim.Pager, _ time.Time) { p.OnCall[1].Level = 1 }), incident.Fail, []string{"Bob has not said", "Alice is on call"}, []string{"bob"}},
		{"the turn is over, and the next level is asked", pager(func(p *sim.Pager, now time.Time) { p.OnCall[0].Until = now }), incident.Fail, []string{"Bob has not said"}, []string{"bob"}},
		{"nobody is on call", pager(func(p *sim.Pager, _ time.Time) { p.OnCall = nil }), incident.Fail, []string{"nobody is on call by the escalation policy"}, nil},
		{"the service has no policy", pager(func(p *sim.Pager, _ time.Time) { p.NoPolicy = true }), incident.Fail, []string{"nobody is on call"}, nil},
		{"a stranger is on call", pager(func(p *sim.Pager, _ time.Time) { p.OnCall[0].User, p.OnCall[0].Name = "PST4NGE", "Mallory" }), incident.Fail, []string{"Mallory (PST4NGE) is on call and is not on the roster under that id of PagerDuty"}, nil},
		{"on the second page", pager(func(p *sim.Pager, _ time.Time) {
			first := p.OnCall[0]
			p.OnCall = nil
			for i := range 150 {
				p.OnCall = append(p.OnCall, sim.OnCall{User: fmt.Sprintf("P%06d", i), Name: "Somebody", Level: 2})
			}
			p.OnCall = append(p.OnCall, first)
		}), incident.Pass, []string{"Alice is on call"}, nil},
		{"PagerDuty is not in use", func(_ *testing.T, w *staffed) { w.staff(func(c *providers.Connections) { c.Pager = nil }) }, incident.NotApplicable, []string{"the settings name no service of PagerDuty"}, nil},
		{"there is no record", func(_ *testing.T, w *staffed) { w.staff(func(c *providers.Connections) { c.Record = nil }) }, incident.Unsure, []string{"there is none here", "set REDIS_URL"}, nil},
		{"a clock is wrong", alice(-10*time.Minute, true, ""), incident.Unsure, []string{"how old the word of Alice is cannot be told", "set the clock"}, nil},
		{"the token is missing", func(_ *testing.T, w *staffed) { w.staff(func(c *providers.Connections) { c.Pager.Token = "" }) }, incident.Unsure, []string{"PAGERDUTY_API_TOKEN"}, nil},
		{"the token is wrong", func(_ *testing.T, w *staffed) { w.staff(func(c *providers.Connections) { c.Pager.Token = "another" }) }, incident.Unsure, []string{"PagerDuty answered 401", "set PAGERDUTY_API_TOKEN"}, nil},
		{"the service is another", func(_ *testing.T, w *staffed) {
			w.staff(func(c *providers.Connections) { c.Pager.Service = "PWRONG0" })
		}, incident.Unsure, []string{"PagerDuty answered 404", "correct pagerduty.service"}, nil},
		{"it may not be read", fault(sim.Fault{Kind: sim.Deny}), incident.Unsure, []string{"PagerDuty answered 403", "the right to read"}, nil},
		{"too many ask", fault(sim.Fault{Kind: sim.Throttle}), incident.Unsure, []string{"PagerDuty answered 429"}, nil},
		{"it fails", fault(sim.Fault{Kind: sim.ServerFail}), incident.Unsure, []string{"PagerDuty answered 500"}, nil},
		{"it ends without an answer", fault(sim.Fault{Kind: sim.Refuse}), incident.Unsure, []string{"PagerDuty is not reachable"}, nil},
		{"who is on call cannot be read", fault(sim.Fault{Operation: "GET /oncalls", Kind: sim.Deny}), incident.Unsure, []string{"read who is on call in PagerDuty", "403"}, nil},
	} {
		c.run(t, "on-call", func(*engine.Call) {})
	}
	t.Run("another limit", func(t *testing.T) {
		said{"ten days", asIs, incident.Fail, []string{"12 days ago", "counts for 10 days"}, []string{"alice"}}.run(t, "on-call", asks(t, people.Settings{AccessDays: 10}))
	})
}

// A PagerDuty that does not answer keeps nobody longer than the step's time.
func TestAPagerDutyThatDoesNotAnswerIsUnknownInTime(t *testing.T) {
	w := staffedWorld(t)
	if err := w.Fault(sim.Fault{System: "pagerduty", Kind: sim.Hang}); err != nil {
		t.Fatal(err)
	}
	began := w.clock.Now()
	o, ok, err := w.looked(t, "on-call")
	if took := w.clock.Now().Sub(began); err == nil || ok || took > 11*time.Second {
		t.Errorf("after %s: %t %q %v", took, ok, o.Summary, err)
	}
}

// asks are other settings of what people are asked.
func asks(t *testing.T, s people.Settings) func(c *engine.Call) {
	t.Helper()
	return func(c *engine.Call) {
		if err := people.Platform.Freeze(&c.Plan.Topology, s); err != nil {
			t.Fatal(err)
		}
	}
}

const ours = incident.ID("INC-2026-0042")

func inIncident(c *engine.Call) { c.Incident = ours }

// declares begins an incident in somebody's name, five minutes ago.
func declares(who string) func(t *testing.T, w *staffed) {
	return func(t *testing.T, w *staffed) {
		t.Helper()
		w.says(t, ours, 5*time.Minute, who, incident.IncidentDeclared{Incident: ours, Commander: who})
	}
}

func TestWhetherTheCommanderIsHereIsJudged(t *testing.T) {
	then := func(all ...func(t *testing.T, w *staffed)) func(t *testing.T, w *staffed) {
		return func(t *testing.T, w *staffed) {
			t.Helper()
			for _, f := range all {
				f(t, w)
			}
		}
	}
	page := func(taken ...sim.PageTaken) func(t *testing.T, w *staffed) {
		return func(t *testing.T, w *staffed) {
			t.Helper()
			w.change(t, func(s *sim.State) {
				for i := range taken {
					taken[i].At = s.At.Add(-2 * time.Minute)
				}
				s.Pager.Pages[string(ours)] = taken
			})
		}
	}
	for _, c := range []said{
		{"she declared it", declares("alice"), incident.Pass, []string{"Alice declared it, 5 min ago"}, nil},
		{"an approver declared it", declares("bob"), incident.Fail, []string{"no commander has been heard of: Alice or Carol"}, nil},
		{"and a commander did something", then(declares("bob"), func(t *testing.T, w *staffed) {
			w.says(t, ours, time.Minute, "carol", incident.NoteAdded{Text: "x"})
		}), incident.Pass, []string{"Carol acted in the incident 4 min after the declaration, 1 min ago"}, nil},
		{"and a commander said so", then(declares("bob"), func(t *testing.T, w *staffed) {
			w.says(t, ours, 2*time.Minute, "carol", incident.ConfirmationGiven{Subject: incident.Commanding, Yes: true})
		}), incident.Pass, []string{"Carol acted in the incident 3 min"}, nil},
		{"and a commander took the page", then(declares("bob"), page(sim.PageTaken{User: "PB0B000", Name: "Bob"}, sim.PageTaken{User: "PCAR0L0", Name: "Carol"})), incident.Pass, []string{"Carol acknowledged the page in PagerDuty"}, nil},
		{"and an approver took the page", then(declares("bob"), page(sim.PageTaken{User: "PB0B000", Name: "Bob"})), incident.Fail, []string{"no commander"}, nil},
		{"and the page cannot be read", then(declares("bob"), func(t *testing.T, w *staffed) {
			if err := w.Fault(sim.Fault{System: "pagerduty", Operation: "GET /incidents", Kind: sim.Deny}); err != nil {
				t.Fatal(err)
			}
		}), incident.Fail, []string{"whether one has taken the page is unknown", "403"}, nil},
		{"without a record", func(_ *testing.T, w *staffed) { w.staff(func(c *providers.Connections) { c.Record = nil }) }, incident.Unsure, []string{"there is none here"}, nil},
	} {
		c.run(t, "commander-here", inIncident)
	}
	said{"outside an incident", asIs, incident.NotApplicable, []string{"no incident is under way"}, nil}.run(t, "commander-here", func(*engine.Call) {})
}

func TestWhetherSupportIsHereIsJudged(t *testing.T) {
	for _, c := range []said{
		{"nobody has said so", declares("alice"), incident.Fail, []string{"nobody of support has said that they are here"}, nil},
		{"somebody of the roster has", func(t *testing.T, w *staffed) {
			declares("alice")(t, w)
			w.says(t, ours, 2*time.Minute, "dave", incident.ConfirmationGiven{Subject: incident.Supporting, Yes: true})
		}, incident.Pass, []string{"Dave said that they are here 3 min after the declaration, 2 min ago"}, nil},
		{"somebody who is not on the roster has", func(t *testing.T, w *staffed) {
			declares("alice")(t, w)
			w.says(t, ours, 2*time.Minute, "slack:USUPPORT", incident.ConfirmationGiven{Subject: incident.Supporting, Yes: true})
		}, incident.Pass, []string{"slack:USUPPORT said that they are here"}, nil},
		{"a remark is no word of it", func(t *testing.T, w *staffed) {
			declares("alice")(t, w)
			w.says(t, ours, 2*time.Minute, "dave", incident.NoteAdded{Text: "x"})
		}, incident.Fail, nil, nil},
		{"the settings name nobody", func(_ *testing.T, w *staffed) { w.staff(func(c *providers.Connections) { c.Support = false }) }, incident.NotApplicable, []string{"slack.support"}, nil},
	} {
		c.run(t, "support-here", inIncident)
	}
	said{"outside an incident", asIs, incident.NotApplicable, []string{"no incident is under way"}, nil}.run(t, "support-here", func(*engine.Call) {})
}

func TestWhatCommandersAreAskedIsJudged(t *testing.T) {
	egress := func(ago time.Duration, who string, yes bool, why string) func(t *testing.T, w *staffed) {
		return func(t *testing.T, w *staffed) {
			t.Helper()
			w.says(t, incident.PlatformLog, ago, who, incident.ConfirmationGiven{Subject: incident.Egress, Yes: yes, Reason: why})
		}
	}
	both := []string{"alice", "carol"}
	for _, c := range []said{
		{"nobody has said", asIs, incident.Fail, []string{"no commander has said whether partners know the addresses that us-west-2 sends from"}, both},
		{"one has", egress(30*day, "carol", true, ""), incident.Pass, []string{"Carol said 30 days ago that partners know the addresses"}, nil},
		{"too long ago", egress(181*day, "carol", true, ""), incident.Fail, []string{"Carol said 181 days ago", "counts for 180 days"}, both},
		{"not so", egress(day, "alice", false, "one bank is missing"), incident.Fail, []string{"Alice said 24 h ago that partners do not know", ": one bank is missing"}, both},
		{"the newest word counts", func(t *testing.T, w *staffed) {
			egress(3*day, "alice", false, "")(t, w)
			egress(2*day, "carol", true, "")(t, w)
		}, incident.Pass, []string{"Carol said 2 days ago"}, nil},
		{"an approver's word does not", egress(day, "bob", true, ""), incident.Fail, []string{"no commander has said"}, both},
	} {
		c.run(t, "egress", asks(t, people.Settings{EgressDays: 180}))
	}
	said{"nobody is asked", asIs, incident.NotApplicable, []string{"people.egress_days"}, nil}.run(t, "egress", func(*engine.Call) {})

	freeze := func(ago time.Duration) func(t *testing.T, w *staffed) {
		return func(t *testing.T, w *staffed) {
			t.Helper()
			w.says(t, incident.PlatformLog, ago, "alice", incident.ConfirmationGiven{Subject: incident.Freeze, Yes: true})
		}
	}
	for _, c := range []said{
		{"frozen an hour ago", freeze(time.Hour), incident.Pass, []string{"Alice said 1 h ago that deployments are frozen"}, nil},
		{"frozen yesterday", freeze(25 * time.Hour), incident.Fail, []string{"counts for 24 hours"}, both},
	} {
		c.run(t, "deploy-freeze", asks(t, people.Settings{FreezeHours: 24}))
	}
	said{"nobody tells", asIs, incident.NotApplicable, []string{"people.freeze_url"}, nil}.run(t, "deploy-freeze", func(*engine.Call) {})
}

// The page of the settings says whether deployments are frozen, and what it does not say
// plainly passes for nothing.
func TestThePageThatTellsOfAFreezeIsJudged(t *testing.T) {
	status, body := 0, ""
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.RawQuery != "key=hunter2" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	for _, c := range []struct {
		status  int
		body    string
		verdict incident.Verdict
		says    string
	}{
		{200, `{"frozen":true,"reason":"the sale"}`, incident.Pass, "deployments are frozen, says 127.0.0.1"},
		{200, `{"frozen":false}`, incident.Fail, "deployments are not frozen, says 127.0.0.1"},
		{200, `{"reason":"the sale"}`, incident.Unsure, "its answer does not say so"},
		{200, `true`, incident.Unsure, "its answer does not say so"},
		{200, ``, incident.Unsure, "its answer does not say so"},
		{404, `{"frozen":true}`, incident.Unsure, "it answered 404"},
		{503, `{"frozen":true}`, incident.Unsure, "it answered 503"},
		{0, "", incident.Unsure, "refused"},
	} {
		if status, body = c.status, c.body; status == 0 {
			page.Close()
		}
		said{fmt.Sprint(c.status, c.body), asIs, c.verdict, []string{c.says}, nil}.run(t, "deploy-freeze", func(call *engine.Call) {
			asks(t, people.Settings{FreezeURL: page.URL + "/freeze?key=hunter2"})(call)
		})
	}
}

func TestThePageThatTellsOfAFreezeIsNotQuoted(t *testing.T) {
	w := staffedWorld(t)
	a, c := w.call(t, "deploy-freeze")
	asks(t, people.Settings{FreezeURL: "http://127.0.0.1:1/freeze?key=hunter2"})(&c)
	if o, ok, err := a.Look(t.Context(), c); ok || err == nil || strings.Contains(fmt.Sprint(o, err), "hunter2") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	for settings, says := range map[string]string{
		"freeze_url: http://deploy.ecommerce.com": "https address", "freeze_url: 'https://user:hunter2@deploy.ecommerce.com'": "without a user", "access_days: -1": "from 0 to 3660",
	} {
		if faults := faultsOf(t, people.Platform, settings); !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, says) }) {
			t.Errorf("%s: %v", settings, faults)
		}
	}
	if faults := faultsOf(t, people.Platform, "{access_days: 30, egress_days: 180, freeze_url: 'https://deploy.ecommerce.com/freeze'}"); len(faults) > 0 {
		t.Error(faults)
	}
}

func TestWhereAPageWouldGoIsJudged(t *testing.T) {
	pager := func(f func(p *sim.Pager)) func(*testing.T, *staffed) {
		return func(t *testing.T, w *staffed) { t.Helper(); w.change(t, func(s *sim.State) { f(&s.Pager) }) }
	}
	for _, c := range []said{
		{"it is as it should be", asIs, incident.Pass, []string{"events reach the service E-Commerce Platform in PagerDuty, and Alice is paged first by Platform on call"}, nil},
		{"it is disabled", pager(func(p *sim.Pager) { p.Status = "disabled" }), incident.Fail, []string{"reaches nobody: it is disabled"}, nil},
		{"it is in maintenance", pager(func(p *sim.Pager) { p.Status = "maintenance" }), incident.Fail, []string{"in maintenance"}, nil},
		{"it has open incidents", pager(func(p *sim.Pager) { p.Status = "critical" }), incident.Pass, nil, nil},
		{"no integration", pager(func(p *sim.Pager) { p.Integrations = nil }), incident.Fail, []string{"no integration for events"}, nil},
		{"mail alone", pager(func(p *sim.Pager) { p.Integrations = []string{"generic_email_inbound_integration"} }), incident.Fail, []string{"no integration for events"}, nil},
		{"no policy", pager(func(p *sim.Pager) { p.NoPolicy = true }), incident.Fail, []string{"it has no escalation policy"}, nil},
		{"nobody", pager(func(p *sim.Pager) { p.OnCall = nil }), incident.Fail, []string{"nobody is on call by its escalation policy"}, nil},
		{"not in use", func(_ *testing.T, w *staffed) { w.staff(func(c *providers.Connections) { c.Pager = nil }) }, incident.NotApplicable, []string{"pagerduty.service"}, nil},
		{"it may not be read", func(t *testing.T, w *staffed) {
			if err := w.Fault(sim.Fault{System: "pagerduty", Kind: sim.Deny}); err != nil {
				t.Fatal(err)
			}
		}, incident.Unsure, []string{"403"}, nil},
	} {
		c.run(t, "pages-route", func(*engine.Call) {})
	}
}
