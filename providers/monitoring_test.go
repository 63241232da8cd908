package providers_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/grafana"
	"github.com/failoverbot/failoverbot/providers/prometheus"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// watched changes the target's monitoring.
func watched(change func(m *sim.Monitoring)) func(s *sim.State) {
	return func(s *sim.State) { change(&s.Regions[west].Monitoring) }
}

// set changes the settings of a part for a call.
func set[T any](t *testing.T, part runbook.Part, change func(s *T)) func(c *engine.Call) {
	return func(c *engine.Call) {
		s := partOf[T](t, c.Plan.Topology, part.Key)
		change(&s)
		if err := part.Freeze(&c.Plan.Topology, s); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPrometheusHasToScrapeTheTarget(t *testing.T) {
	judge(t, "prometheus", []judged{
		{
			"it does", func(*sim.State) {}, incident.Pass,
			[]string{"5 of 5 targets of Prometheus in us-west-2 are up (100.0 %)"},
			map[string]string{"query": `up{region="us-west-2"}`, "targets": "5 of 5 up"},
			map[string]float64{"targets up": 100},
		},
		{
			"one target is down", watched(func(m *sim.Monitoring) { m.Down = []string{"user-service"} }), incident.Fail,
			[]string{"4 of 5 targets", "(80.0 %), at least 90 % are wanted; down: user-service at user-service:8080"},
			map[string]string{"down": "user-service at user-service:8080"},
			map[string]float64{"targets up": 80},
		},
		{"it has no targets", watched(func(m *sim.Monitoring) { m.Idle = true }), incident.Fail, []string{`Prometheus scrapes nothing in us-west-2 (up{region="us-west-2"} is empty)`}, nil, nil},
		{"it tells of another Region", watched(func(m *sim.Monitoring) { m.Of = east }), incident.Unsure, []string{"whether Prometheus scrapes us-west-2 is unknown", `whose region is "us-east-1"`}, nil, nil},
		{"its clock is ahead", watched(func(m *sim.Monitoring) { m.ClockOff = 3 * time.Minute }), incident.Unsure, []string{"by its clock and 14:01:0"}, nil, nil},
		{"its clock is behind", watched(func(m *sim.Monitoring) { m.ClockOff = -3 * time.Minute }), incident.Unsure, []string{"by its clock"}, nil, nil},
		{"its clock is off by little", watched(func(m *sim.Monitoring) { m.ClockOff = time.Minute }), incident.Pass, nil, nil, nil},
		{"it is another program", watched(func(m *sim.Monitoring) { m.Says = `{"hello": "world"}` }), incident.Unsure, []string{`status ""`}, nil, nil},
		{"it is a page", watched(func(m *sim.Monitoring) { m.Says = `"<html>"` }), incident.Unsure, []string{"it is no answer of Prometheus"}, nil, nil},
		{"it is not well", watched(func(m *sim.Monitoring) {
			m.Says = `{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}`
		}), incident.Unsure, []string{`status "error"`, "query timed out in expression evaluation"}, nil, nil},
		{"a value is no number", watched(func(m *sim.Monitoring) {
			m.Says = `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"job":"a","instance":"b","region":"us-west-2"},"value":[1772546460,"one"]}]}}`
		}), incident.Unsure, []string{"it is no answer of Prometheus"}, nil, nil},
		{"a value is NaN", watched(func(m *sim.Monitoring) {
			m.Says = `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"job":"a","instance":"b","region":"us-west-2"},"value":[1772546460,"NaN"]}]}}`
		}), incident.Fail, []string{"0 of 1 target", "down: a at b"}, nil, nil},
		{"a matrix", watched(func(m *sim.Monitoring) { m.Says = `{"status":"success","data":{"resultType":"matrix","result":[]}}` }), incident.Unsure, []string{`result "matrix"`}, nil, nil},
	})
	t.Run("a lower share", func(t *testing.T) {
		judge(t, "prometheus", []judged{{"is enough", watched(func(m *sim.Monitoring) { m.Down = []string{"user-service"} }), incident.Warn, []string{"(80.0 %); down: user-service at"}, nil, nil}},
			set(t, prometheus.Platform, func(s *prometheus.Settings) { s.MinUpPercent = 80 }))
	})
	t.Run("no label", func(t *testing.T) {
		judge(t, "prometheus", []judged{{"whose they are is not told", func(*sim.State) {}, incident.Warn, []string{"whether they run in us-west-2 is told by no label (platform.prometheus.region_label)"}, map[string]string{"query": "up"}, nil}},
			set(t, prometheus.Platform, func(s *prometheus.Settings) { s.RegionLabel = "" }))
	})
	t.Run("none", func(t *testing.T) {
		judge(t, "prometheus", []judged{{"nothing to ask", func(*sim.State) {}, incident.NotApplicable, []string{"the settings name no Prometheus of us-west-2"}, nil, nil}},
			set(t, prometheus.Platform, func(s *prometheus.Settings) { s.Regions = nil }))
	})
	at := func(url, service string) func(c *engine.Call) {
		return set(t, prometheus.Platform, func(s *prometheus.Settings) { s.Regions[west] = prometheus.Region{URL: url, Service: service} })
	}
	t.Run("where it is asked", func(t *testing.T) {
		judge(t, "prometheus", []judged{{"nobody answers at its address", func(*sim.State) {}, incident.Pass, []string{"5 of 5 targets"}, nil, nil}}, at("http://nobody.ecommerce.internal", "monitoring/prometheus:9090"))
		judge(t, "prometheus", []judged{{"it has no address", func(*sim.State) {}, incident.Pass, []string{"5 of 5 targets"}, nil, nil}}, at("", "monitoring/prometheus:9090"))
		judge(t, "prometheus", []judged{{"nobody answers anywhere", func(*sim.State) {}, incident.Unsure, []string{"ask Prometheus in us-west-2", "nobody.ecommerce.internal", "by way of the API server: get services/proxy of monitoring/other:9090"}, nil, nil}}, at("http://nobody.ecommerce.internal", "monitoring/other:9090"))
		judge(t, "prometheus", []judged{{"nobody answers at its only address", func(*sim.State) {}, incident.Unsure, []string{"no answer from http://nobody.ecommerce.internal", "let the bot reach it"}, nil, nil}}, at("http://nobody.ecommerce.internal", ""))
	})
	for text, says := range map[string]string{
		"regions: {us-east-1: {url: 'http://a'}}":                                             "does not say what there is in us-west-2",
		"regions: {us-east-1: {url: 'http://a'}, us-west-2: {}}":                              "where it is asked",
		"regions: {us-east-1: {url: 'http://a'}, us-west-2: {url: 'ftp://a'}}":                "scheme, host",
		"regions: {us-east-1: {url: 'http://a'}, us-west-2: {url: 'http://u:secret@a'}}":      "without a password",
		"regions: {us-east-1: {url: 'http://a'}, us-west-2: {service: prometheus}}":           "namespace/name:port",
		"regions: {us-east-1: {url: 'http://a'}, us-west-2: {service: 'm/../prometheus:90'}}": "namespace/name:port",
		"region_label: 'a-b'": "region_label",
		"min_up_percent: 101": "min_up_percent",
		"{}":                  "",
	} {
		faults := faultsOf(t, prometheus.Platform, text)
		if says == "" && len(faults) > 0 || says != "" && !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, says) }) {
			t.Errorf("%s: %v", text, faults)
		}
	}
}

func TestGrafanaHasToShowTheTarget(t *testing.T) {
	judge(t, "grafana", []judged{
		{
			"it does", func(*sim.State) {}, incident.Pass,
			[]string{"Grafana's newest datapoint of us-west-2 is"},
			map[string]string{"query": "up", "datasource": "prometheus"},
			nil,
		},
		{"nothing at all", watched(func(m *sim.Monitoring) { m.Idle = true }), incident.Fail, []string{"Grafana shows nothing of us-west-2 from the last 5 min (up)"}, nil, nil},
		{"nothing from the last minutes", watched(func(m *sim.Monitoring) { m.Stale = 10 * time.Minute }), incident.Fail, []string{"Grafana shows nothing of us-west-2 from the last 5 min"}, nil, nil},
		{"another Region", watched(func(m *sim.Monitoring) { m.Of = east }), incident.Unsure, []string{`the query tells of region "us-east-1" alone`}, nil, nil},
		{"its clock is ahead", watched(func(m *sim.Monitoring) { m.ClockOff = 4 * time.Minute }), incident.Unsure, []string{"its newest datapoint is of", "by the bot's clock"}, nil, nil},
		{"its clock is behind", watched(func(m *sim.Monitoring) { m.ClockOff = -6 * time.Minute }), incident.Fail, []string{"is 6 min old, at most 5 min are wanted"}, nil, nil},
		{"its data source fails", watched(func(m *sim.Monitoring) {
			m.Says = `{"results":{"A":{"status":502,"error":"dial tcp: connection refused","frames":[]}}}`
		}), incident.Unsure, []string{"the data source answers status 502: dial tcp: connection refused"}, nil, nil},
		{"it answers something else", watched(func(m *sim.Monitoring) { m.Says = `{"results":{}}` }), incident.Unsure, []string{"no result of the query"}, nil, nil},
		{"half an answer", watched(func(m *sim.Monitoring) {
			m.Says = `{"results":{"A":{"status":200,"frames":[{"schema":{"fields":[{"type":"time"},{"type":"number"}]},"data":{"values":[[1]]}}]}}}`
		}), incident.Unsure, []string{"1 of 2 fields"}, nil, nil},
		{"gaps alone", watched(func(m *sim.Monitoring) {
			m.Says = `{"results":{"A":{"status":200,"frames":[{"schema":{"fields":[{"type":"time"},{"type":"number","labels":{"region":"us-west-2"}}]},"data":{"values":[[1772546460000],[null]]}}]}}}`
		}), incident.Fail, []string{"shows nothing"}, nil, nil},
	})
	t.Run("another data source", func(t *testing.T) {
		judge(t, "grafana", []judged{{"that is not there", func(*sim.State) {}, incident.Unsure, []string{"answered status 404: ", "Data source not found"}, nil, nil}}, set(t, grafana.Platform, func(s *grafana.Settings) {
			r := s.Regions[west]
			r.Datasource = "other"
			s.Regions[west] = r
		}))
	})
	t.Run("none", func(t *testing.T) {
		judge(t, "grafana", []judged{{"nothing to ask", func(*sim.State) {}, incident.NotApplicable, []string{"the settings name no Grafana for us-west-2"}, nil, nil}}, set(t, grafana.Platform, func(s *grafana.Settings) { s.Regions = nil }))
	})
	for text, says := range map[string]string{
		"{region_label: r, regions: {us-east-1: {url: 'http://a', datasource: d, query: up}}}":                                                "does not say what there is in us-west-2",
		"regions: {us-east-1: {url: 'http://a', datasource: d, query: up}, us-west-2: {url: 'http://a', datasource: d, query: up}}":           `"region_label" is missing`,
		"{region_label: r, regions: {us-east-1: {url: 'http://a', datasource: d, query: up}, us-west-2: {url: a, datasource: d, query: up}}}": "scheme, host",
		"{region_label: r, regions: {us-east-1: {url: 'http://a', datasource: d, query: up}, us-west-2: {url: 'http://a', datasource: d}}}":   "query is missing",
		"{}": "",
	} {
		faults := faultsOf(t, grafana.Platform, text)
		if says == "" && len(faults) > 0 || says != "" && !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, says) }) {
			t.Errorf("%s: %v", text, faults)
		}
	}
}

// No fault of what is asked is an answer. A Prometheus that does not answer at its address
// is asked by way of the API server; one that refuses is not.
func TestMonitoringThatCannotBeAskedIsUnknown(t *testing.T) {
	const host = "CONNECT monitoring.us-west-2.ecommerce.internal"
	for step, operation := range map[string]string{"prometheus": "GET /api/v1/query", "grafana": "POST /api/ds/query"} {
		for _, kind := range []string{sim.Deny, sim.ServerFail, sim.Throttle} {
			w := newWorld(t)
			if err := w.Fault(sim.Fault{Operation: operation, Kind: kind}); err != nil {
				t.Fatal(err)
			}
			o, ok, err := w.looked(t, step)
			f := incident.CallErrorOf(err)
			if err == nil || ok || !f.NeedsPerson || f.Hint == "" || !strings.Contains(err.Error(), "answered status") {
				t.Errorf("%s with %s: %t %q %v (%s)", step, kind, ok, o.Summary, err, f.Hint)
			}
			if kind == sim.Deny && !strings.Contains(f.Hint, "give it the right that the answer names") {
				t.Errorf("%s denied: %s", step, f.Hint)
			}
		}
		for _, kind := range []string{sim.Refuse, sim.Hang} {
			w := newWorld(t)
			for _, fault := range []sim.Fault{{Operation: host, Kind: kind}, {System: "kubernetes", Kind: sim.Deny}} {
				if err := w.Fault(fault); err != nil {
					t.Fatal(err)
				}
			}
			o, ok, err := w.looked(t, step)
			f := incident.CallErrorOf(err)
			if err == nil || ok || !f.NeedsPerson || f.Hint == "" {
				t.Errorf("%s with %s: %t %q %v", step, kind, ok, o.Summary, err)
			}
			if step == "prometheus" && !strings.Contains(err.Error(), "get services/proxy of monitoring/prometheus:9090 in us-west-2") {
				t.Errorf("the right that is missing is not named: %v", err)
			}
		}
	}
	w := newWorld(t)
	for _, step := range []string{"prometheus", "grafana"} {
		_, _, _ = w.looked(t, step)
	}
	for _, call := range w.Calls() {
		if call.Region == east {
			t.Errorf("it asked %s of %s", call.Operation, call.Region)
		}
	}
}

// Grafana's token goes to Grafana alone: over TLS, or to this machine.
func TestGrafanasTokenIsNotSentInTheClear(t *testing.T) {
	var sent []string
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header.Get("Authorization"))
		http.Redirect(out, r, "http://elsewhere.example.com/", http.StatusFound)
	}))
	t.Cleanup(server.Close)
	for url, want := range map[string]string{server.URL: "answered status 302", "http://grafana.example.com": "is not sent to grafana.example.com over plain http"} {
		w := newWorld(t)
		cat := withToken(w)
		_, c := w.call(t, "grafana")
		set(t, grafana.Platform, func(s *grafana.Settings) {
			r := s.Regions[west]
			r.URL = url
			s.Regions[west] = r
		})(&c)
		_, ok, err := cat["grafana.query"].Look(t.Context(), c)
		if err == nil || ok || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %t %v", url, ok, err)
		}
	}
	if !slices.Equal(sent, []string{"Bearer hunter2"}) {
		t.Errorf("sent %q", sent)
	}
}

// withToken is the catalogue of a bot that has a token for Grafana, on this machine's own
// network.
func withToken(w *world) engine.Catalog {
	c := w.connections()
	c.GrafanaToken, c.Dial = "hunter2", nil
	return providers.Catalog(c)
}
