package providers_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/probe"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// noted are orders that another step has found.
func noted(ids ...string) func(c *engine.Call) {
	return func(c *engine.Call) {
		c.Result = func(step string) (engine.Outcome, bool) {
			return engine.Outcome{Items: ids}, step == "last-orders"
		}
	}
}

func TestTheLastOrdersAreNoted(t *testing.T) {
	const page = "GET /api/v1/orders"
	judge(t, "last-orders", []judged{
		{
			"they are", func(*sim.State) {}, incident.Pass,
			[]string{"the last order in us-east-1 is ord-1772546", "; the last 20 are noted"},
			map[string]string{"page": "/api/v1/orders", "answer": "status 200 by us-east-1"},
			nil,
		},
		{"there are none yet", func(s *sim.State) { s.OwnOrders = sim.OrderLog{} }, incident.Pass, []string{"the last order in us-east-1 is ord-"}, nil, nil},
	})
	t.Run("not named", func(t *testing.T) {
		judge(t, "last-orders", []judged{{"nothing to ask", func(*sim.State) {}, incident.NotApplicable, []string{"name no page with the last orders (platform.probe.last_orders)"}, nil, nil}},
			set(t, probe.Platform, func(s *probe.Settings) { s.LastOrders, s.LastOrdersID = "", "" }))
	})
	for after, verdict := range map[time.Duration]incident.Verdict{5 * time.Second: incident.Pass, time.Minute: incident.Unsure} {
		t.Run("the database has been moving for "+after.String(), func(t *testing.T) {
			says := map[incident.Verdict]string{incident.Pass: "the last order in", incident.Unsure: "no longer told there: its database has been moving since 14:00:00 UTC"}
			judge(t, "last-orders", []judged{{"", func(*sim.State) {}, verdict, []string{says[verdict]}, nil, nil}}, func(c *engine.Call) {
				at := c.Clock.Now().Add(-after)
				c.Result = func(step string) (engine.Outcome, bool) { return engine.Outcome{At: at}, step == "switch-database" }
			})
		})
	}
	t.Run("elsewhere", func(t *testing.T) {
		judge(t, "last-orders", []judged{{"another key", func(*sim.State) {}, incident.Unsure, []string{`its answer has no "number" (orders.number)`}, nil, nil}},
			set(t, probe.Platform, func(s *probe.Settings) { s.LastOrdersID = "orders.number" }))
		judge(t, "last-orders", []judged{{"the other Region answers", func(*sim.State) {}, incident.Unsure, []string{"us-west-2 answered, not us-east-1"}, nil, nil}},
			func(c *engine.Call) { c.Plan.Source.Endpoint = c.Plan.Target.Endpoint })
	})
	// Who does not answer now may do so a moment later, and is asked again until the step's
	// time is up.
	for name, change := range map[string]func(s *sim.State){
		"no answer":                        func(s *sim.State) { s.Regions[east].Lost, s.Regions[west].Lost = true, true },
		"product-service has no ready pod": func(s *sim.State) { s.Regions[east].Pods, s.Regions[west].Pods = nil, nil },
	} {
		for _, step := range []string{"last-orders", "orders-kept"} {
			w := newWorld(t)
			w.wait(t, time.Minute)
			w.change(t, change)
			_, ok, err := w.looked(t, step)
			f := incident.CallErrorOf(err)
			if err == nil || ok || !f.Retry || f.NeedsPerson || !strings.Contains(f.Hint, "platform.probe.last_orders") || !strings.Contains(err.Error(), "the last orders in us-") {
				t.Errorf("%s, %s: %t %v %+v", step, name, ok, err, f)
			}
		}
	}
	blind(t, "last-orders", "http", page)
	blind(t, "orders-kept", "http", page)
	for text, says := range map[string]string{
		"{public: 'https://a.example.com', region_header: R, order: /o, last_orders: latest}":                            "begins with a slash",
		"{public: 'https://a.example.com', region_header: R, order: /o, last_orders_id: id}":                             `"last_orders", which is missing`,
		"{public: 'https://a.example.com', region_header: R, order: /o, last_orders: '/o/last', last_orders_id: 'a..b'}": "keys with dots between",
		"{public: 'https://a.example.com', region_header: R, order: /o, last_orders: '/o/last?n=1'}":                     "",
	} {
		faults := faultsOf(t, probe.Platform, text)
		if says == "" && len(faults) > 0 || says != "" && !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, says) }) {
			t.Errorf("%s: %v", text, faults)
		}
	}
}

func TestTheLastOrdersAreCompared(t *testing.T) {
	now := func(s *sim.State) { s.Database.LagMS = 0 }
	last := func(n int) []string { // those of the pretend world's users, at 14:01:00 and before
		var ids []string
		for i := range n {
			ids = append(ids, "ord-"+strconv.FormatInt(1772546460-int64(i), 10))
		}
		return ids
	}
	for _, c := range []struct {
		name   string
		before []string
		judged
	}{
		{"all are there", last(20), judged{"", now, incident.Pass, []string{"nothing is lost: the last order of us-east-1, ord-1772546460, is in us-west-2, as are the 19 before it"}, nil, map[string]float64{"orders missing": 0}}},
		{"the only one is there", last(1), judged{"", now, incident.Pass, []string{"nothing is lost: the last order of us-east-1, ord-1772546460, is in us-west-2"}, nil, nil}},
		{"three are missing", last(20), judged{
			"", func(s *sim.State) { now(s); s.Regions[west].MissingOrders = 3 }, incident.Fail,
			[]string{"3 orders of us-east-1 are missing in us-west-2: ord-1772546460; ord-1772546459; ord-1772546458; the last one there is ord-1772546457"},
			map[string]string{"missing": "ord-1772546460; ord-1772546459; ord-1772546458"},
			map[string]float64{"orders missing": 3},
		}},
		{"one is missing", last(20), judged{"", func(s *sim.State) { now(s); s.Regions[west].MissingOrders = 1 }, incident.Fail, []string{"1 order of us-east-1 is missing in us-west-2: ord-1772546460; the last one"}, nil, nil}},
		{"all that are known are missing", last(20), judged{"", func(s *sim.State) { now(s); s.Regions[west].MissingOrders = 25 }, incident.Fail, []string{"at least 20 orders of us-east-1 are missing", "; and 15 more; the last one there is ord-1772546435"}, nil, map[string]float64{"orders missing": 20}}},
		{"another one is the last", []string{"ord-7"}, judged{"", now, incident.Fail, []string{"at least 1 order of us-east-1 is missing in us-west-2: ord-7; the last one there is ord-1772546460"}, nil, nil}},
		{"somebody ordered in the target since", last(20), judged{"", func(s *sim.State) {
			now(s)
			for i := range 2 {
				s.Orders = append(s.Orders, sim.Order{ID: "syn-" + strconv.Itoa(i), Region: west, At: s.At})
			}
		}, incident.Pass, []string{"nothing is lost"}, nil, nil}},
		{"somebody ordered in the target since, and one is missing", last(20), judged{"", func(s *sim.State) {
			now(s)
			s.Regions[west].MissingOrders = 1
			s.Orders = append(s.Orders, sim.Order{ID: "syn-1", Region: west, At: s.At})
		}, incident.Fail, []string{"1 order of us-east-1 is missing"}, nil, nil}},
		{"what the source had was not found out", nil, judged{"", now, incident.Unsure, []string{"is unknown: what they were when its writers were stopped was not found out", "compare by hand: the last order in us-west-2 is ord-1772546460"}, nil, nil}},
	} {
		t.Run(c.name, func(t *testing.T) { judge(t, "orders-kept", []judged{c.judged}, noted(c.before...)) })
	}
	t.Run("not named", func(t *testing.T) {
		judge(t, "orders-kept", []judged{{"nothing to compare", func(*sim.State) {}, incident.NotApplicable, []string{"name no page with the last orders"}, nil, nil}},
			set(t, probe.Platform, func(s *probe.Settings) { s.LastOrders, s.LastOrdersID = "", "" }))
	})
}

// Where the source could not be asked, the lag tells about how much is missing, and it is
// said that this is no comparison.
func TestWhatIsMissingIsEstimatedByTheLag(t *testing.T) {
	w := newWorld(t)
	w.wait(t, time.Minute)
	a, c := w.call(t, "orders-kept")
	c.Plan = compile(t, w.catalog, w.facts("unplanned"))
	if o, ok, err := a.Look(t.Context(), c); ok || err == nil || !strings.Contains(err.Error(), "how many orders are missing is unknown") {
		t.Errorf("without a lag: %t %q %v", ok, o.Summary, err)
	}
	at := w.clock.Now().Add(-2 * time.Minute)
	c.Result = func(step string) (engine.Outcome, bool) {
		return engine.Outcome{Summary: "replication lag is 840 ms", Measured: incident.Measured{AsOf: at, Figures: []incident.Figure{{Name: "replication lag", Value: 840, Unit: "ms"}}}}, step == "last-lag"
	}
	o, ok, err := a.Look(t.Context(), c)
	if err != nil || !ok || o.Measured.Verdict != incident.Warn || !o.Measured.AsOf.Equal(at) {
		t.Errorf("%t %+v %v", ok, o.Measured, err)
	}
	for _, says := range []string{"an estimate, not a comparison", "orders of about 0.8 s may be missing", "the last one in us-west-2 is ord-"} {
		if !strings.Contains(o.Summary, says) {
			t.Errorf("it does not say %q: %s", says, o.Summary)
		}
	}
	for _, call := range w.Calls() {
		if call.Region == east {
			t.Errorf("it asked %s of %s", call.Operation, call.Region)
		}
	}
}

// The run itself notes them between the stop of the writers and the switchover, and tells
// what became of them. Once the pods hold new connections, they say so.
func TestARunComparesTheLastOrdersAndAsksForTheDatabase(t *testing.T) {
	d := play(t, "region-degraded")
	d.order(t, "fence-writers", "last-orders", "orders-kept")
	d.order(t, "fence-writers", "switch-database", "database-writable", "orders-kept")
	before, kept := d.state.Step("last-orders").Finished, d.state.Step("orders-kept").Finished
	if len(before.Items) != 20 || kept.Verdict != incident.Pass || !strings.Contains(kept.Summary, before.Items[0]) {
		t.Errorf("%v; %s %s; %+v", before.Items, kept.Verdict, kept.Summary, d.state.Step("last-orders"))
	}
	d = play(t, "region-degraded", func(w *world) {
		w.change(t, func(s *sim.State) { s.Regions[west].MissingOrders = 3 })
	})
	if st := d.state.Step("orders-kept"); st.Status != incident.Advised || !strings.Contains(st.Failure.Error, "3 orders of us-east-1 are missing in us-west-2") {
		t.Errorf("%s %s", st.Status, st.Failure.Error)
	}
	says := func(d *drill) {
		t.Helper()
		if st := d.state.Step("database-page"); st.Finished.Verdict != incident.Pass || !strings.Contains(st.Finished.Summary, "a writable database: ecommerce-global.global-") {
			t.Errorf("%s %s %s", st.Status, st.Finished.Summary, st.Failure.Error)
		}
	}
	says(d)
	d = play(t, "region-loss")
	says(d)
	if st := d.state.Step("orders-kept").Finished; st.Verdict != incident.Warn || !strings.Contains(st.Summary, "an estimate") {
		t.Errorf("%s %s", st.Verdict, st.Summary)
	}
}
