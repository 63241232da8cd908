package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/probe"
	"github.com/failoverbot/failoverbot/providers/sim"
)

func TestThePlatformSaysWhetherItsDatabaseIsWritable(t *testing.T) {
	page := func(says string) func(s *sim.State) {
		return func(s *sim.State) { s.Regions[west].DatabasePage = says }
	}
	own := `"host":"ecommerce-secondary.cluster-pretend.us-west-2.rds.amazonaws.com"`
	judge(t, "database-page", []judged{
		{
			"it is elsewhere", func(*sim.State) {}, incident.Fail,
			[]string{"/health/db in us-west-2 says that the database cannot be written"},
			map[string]string{"page": "/health/db", "answer": "status 200 by us-west-2", "database": "ecommerce-global.global-"},
			nil,
		},
		{"it is here", func(s *sim.State) {
			s.Database.Member(east).Writer, s.Database.Member(west).Writer = false, true
		}, incident.Pass, []string{"/health/db in us-west-2 says that it is connected to a writable database: ecommerce-global.global-pretend"}, nil, nil},
		{"the pods hold connections to the former writer", func(s *sim.State) {
			s.Database.Member(east).Writer, s.Database.Member(west).Writer = false, true
			s.Database.WritableSince = s.At
		}, incident.Fail, []string{"cannot be written"}, nil, nil},
		{"nobody answers", func(s *sim.State) { s.Regions[west].Lost = true }, incident.Fail, []string{"/health/db in us-west-2 does not answer"}, nil, nil},
		{"it is not well", func(s *sim.State) { s.Regions[west].Pods = nil }, incident.Fail, []string{"answers status 503", "order-service has no ready pod"}, nil, nil},
		{"its own cluster", page(`{"connected":true,"writable":true,` + own + `}`), incident.Pass, []string{"writable database: ecommerce-secondary.cluster-pretend"}, nil, nil},
		{"it is not read-only", page(`{"database":{"status":"UP","read_only":false,` + own + `}}`), incident.Pass, nil, nil, nil},
		{"it says the mode", page(`{"Status":"ok","db":{"mode":"READ_WRITE",` + own + `}}`), incident.Pass, nil, nil, nil},
		{"it is read-only", page(`{"status":"ok","read_only":true,` + own + `}`), incident.Fail, []string{"cannot be written"}, nil, nil},
		{"a mode for reading", page(`{"status":"ok","mode":"ro",` + own + `}`), incident.Fail, []string{"cannot be written"}, nil, nil},
		{"not connected", page(`{"connected":false,"writable":true,` + own + `}`), incident.Fail, []string{"says that it is not connected"}, nil, nil},
		{"down", page(`{"status":"down","writable":true,` + own + `}`), incident.Fail, []string{"says that it is not connected"}, nil, nil},
		{"the other Region's", page(`{"connected":true,"writable":true,"host":"ecommerce-primary.cluster-pretend.us-east-1.rds.amazonaws.com"}`), incident.Fail, []string{"ecommerce-primary.cluster-pretend.us-east-1.rds.amazonaws.com, which is that of the Region that is left"}, nil, nil},
		{"an endpoint for reading", page(`{"connected":true,"writable":true,"host":"ecommerce-secondary.cluster-ro-pretend.us-west-2.rds.amazonaws.com"}`), incident.Fail, []string{"which is an endpoint for reading"}, nil, nil},
		{"another Region's database", page(`{"connected":true,"writable":true,"region":"us-east-1"}`), incident.Fail, []string{"says that it writes in us-east-1"}, nil, nil},
		{"to which is not said", page(`{"connected":true,"writable":true}`), incident.Warn, []string{"which, it does not say"}, nil, nil},
		{"an alias", page(`{"connected":true,"writable":true,"host":"db.ecommerce.internal"}`), incident.Warn, []string{"db.ecommerce.internal, which is none of the names that are known (ecommerce-secondary, ecommerce-global)"}, nil, nil},
		{"an address", page(`{"connected":true,"writable":true,"host":"10.1.2.3"}`), incident.Warn, []string{"10.1.2.3, which is none of the names"}, nil, nil},
		{"it does not say whether it may write", page(`{"status":"ok"}`), incident.Unsure, []string{"whether the database of us-west-2 is writable is unknown", "it does not say whether the database can be written", `with "writable", "read_only" or "mode"`}, nil, nil},
		{"it says nothing", page(`{"hello":1}`), incident.Unsure, []string{"whether it is connected or whether the database can be written"}, nil, nil},
		{"words that are not known", page(`{"status":"green","mode":"normal"}`), incident.Unsure, []string{"whether it is connected"}, nil, nil},
		{"a page", page(`"<html>"`), incident.Unsure, []string{"it is no JSON object"}, nil, nil},
	})
	t.Run("not named", func(t *testing.T) {
		judge(t, "database-page", []judged{{"nothing to ask", func(*sim.State) {}, incident.NotApplicable, []string{"platform.probe.database_page"}, nil, nil}},
			set(t, probe.Platform, func(s *probe.Settings) { s.DatabasePage = "" }))
	})
	t.Run("another Region answers", func(t *testing.T) {
		judge(t, "database-page", []judged{{"", func(*sim.State) {}, incident.Fail, []string{"is answered by us-east-1"}, nil, nil}},
			func(c *engine.Call) { c.Plan.Target.Endpoint = c.Plan.Source.Endpoint })
	})
	faults := faultsOf(t, probe.Platform, "{public: 'https://a.example.com', region_header: R, order: /o, database_page: health}")
	if !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, "begins with a slash") }) {
		t.Error(faults)
	}
}

// No fault of the request is a yes, and the Region that is left is not asked.
func TestADatabasePageThatDoesNotAnswerIsNoYes(t *testing.T) {
	for _, kind := range []string{sim.Deny, sim.ServerFail, sim.Refuse, sim.Throttle, sim.Hang, sim.LostAnswer} {
		w := newWorld(t)
		w.wait(t, time.Minute)
		w.change(t, func(s *sim.State) { s.Database.Member(east).Writer, s.Database.Member(west).Writer = false, true })
		if o, ok, err := w.looked(t, "database-page"); err != nil || !ok {
			t.Fatalf("without a fault: %t %q %v", ok, o.Summary, err)
		}
		if err := w.Fault(sim.Fault{System: "http", Operation: "GET /health/db", Kind: kind}); err != nil {
			t.Fatal(err)
		}
		o, ok, err := w.looked(t, "database-page")
		if err != nil || ok || o.Measured.Verdict != incident.Fail || o.Summary == "" {
			t.Errorf("%s: %t %q %v", kind, ok, o.Summary, err)
		}
		for _, call := range w.Calls() {
			if call.Region == east {
				t.Errorf("it asked %s of %s", call.Operation, call.Region)
			}
		}
	}
}
