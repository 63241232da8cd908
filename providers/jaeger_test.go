package providers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/jaeger"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// traced is a world in which users are served in the target, and its Jaeger is changed.
func traced(change func(j *sim.Traced)) func(s *sim.State) {
	return func(s *sim.State) {
		serving(5, 400, 200)(s)
		change(&s.Regions[west].Traced)
	}
}

// jaegerSays is an answer to a search for traces: one span of that service, begun then.
func jaegerSays(service, attributes, began string) string {
	return `{"result":{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"` + service + `"}}` + attributes + `]},` +
		`"scopeSpans":[{"scope":{},"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"GET","startTimeUnixNano":` + began + `}]}]}]}}`
}

func TestJaegerHasToHaveTracesOfTheTarget(t *testing.T) {
	all := []string{"user-service", "order-service", "product-service", "payment-service", "notification-service"}
	judge(t, "jaeger", []judged{
		{
			"they arrive", traced(func(*sim.Traced) {}), incident.Pass,
			[]string{"traces arrive in Jaeger of us-west-2: of 5 of 5 services, the newest began 30 s ago"},
			map[string]string{"order-service": ", began 14:00:30 UTC"},
			map[string]float64{"services with a trace": 5, "age of the newest trace": 30},
		},
		{
			"one service sends none", traced(func(j *sim.Traced) { j.Silent = []string{"user-service"} }), incident.Pass,
			[]string{"of 4 of 5 services", "; none of user-service"},
			map[string]string{"user-service": "no trace within 5 min"},
			map[string]float64{"services with a trace": 4},
		},
		{
			"no service sends any", traced(func(j *sim.Traced) { j.Silent = all }), incident.Fail,
			[]string{"Jaeger has no trace of the last 5 min in us-west-2 of user-service; order-service; product-service; payment-service; notification-service: look at the collector there"},
			nil,
			map[string]float64{"services with a trace": 0},
		},
		{"nobody has come yet", serving(0, 0, 0), incident.Fail, []string{"no trace of the last 5 min"}, nil, nil},
		{"of another Region, and it finds by attributes", traced(func(j *sim.Traced) { j.Of = east }), incident.Fail, []string{"no trace of the last 5 min"}, nil, nil},
		{"it knows none of the services", traced(func(j *sim.Traced) { j.Unknown = true }), incident.Unsure, []string{"Jaeger knows none of the platform's services by name, but jaeger", "platform.jaeger.services"}, nil, nil},
		{"it knows nothing", traced(func(j *sim.Traced) { j.SaysServices = `{}` }), incident.Unsure, []string{"but none at all"}, nil, nil},
		{"clocks there are ahead", traced(func(j *sim.Traced) { j.ClockOff = 10 * time.Minute }), incident.Fail, []string{"no trace of the last 5 min", "and at the clocks"}, nil, nil},
		{"clocks there are behind", traced(func(j *sim.Traced) { j.ClockOff = -10 * time.Minute }), incident.Fail, []string{"no trace of the last 5 min"}, nil, nil},
		{"clocks there are ahead by little", traced(func(j *sim.Traced) { j.ClockOff = time.Minute }), incident.Pass, []string{"the newest began 0 s ago"}, nil, nil},

		{"another program answers", traced(func(j *sim.Traced) { j.SaysServices = `"<html>"` }), incident.Unsure, []string{"it is no answer of Jaeger"}, nil, nil},
		{"none was found, as 1.53 has it", traced(func(j *sim.Traced) { j.SaysTraces = `{"result":{}}` }), incident.Fail, []string{"no trace of the last 5 min"}, nil, nil},
		{"an answer without a result", traced(func(j *sim.Traced) { j.SaysTraces = `{"hello":"world"}` }), incident.Unsure, []string{"whether traces of us-west-2 arrive in Jaeger is unknown", "it has no result", "1.53 or newer"}, nil, nil},
		{"an error that comes as an answer", traced(func(j *sim.Traced) { j.SaysTraces = `{"error":{"httpCode":500,"message":"no servers"}}` }), incident.Unsure, []string{"it has no result"}, nil, nil},
		{"as older ones wrote them", traced(func(j *sim.Traced) {
			j.SaysTraces = `{"result":{"resourceSpans":[{"resource":{},"instrumentationLibrarySpans":[{"spans":[{"traceId":"a"}]}]}]}}`
		}), incident.Unsure, []string{"its traces have no spans"}, nil, nil},
		{"a time that is none", traced(func(j *sim.Traced) { j.SaysTraces = jaegerSays("order-service", "", `"yesterday"`) }), incident.Unsure, []string{"is no answer of Jaeger"}, nil, nil},
		{"a span without a time", traced(func(j *sim.Traced) { j.SaysTraces = jaegerSays("order-service", "", `"0"`) }), incident.Fail, []string{"no trace"}, nil, nil},
	})

	// What finds without regard for the attribute gives traces of whatever Region.
	const now = `"1772546400000000000"` // 14:00 UTC, and the world is a minute older
	where := func(region string) string {
		return `,{"key":"cloud.region","value":{"stringValue":"` + region + `"}}`
	}
	says := func(answer string) func(s *sim.State) {
		return traced(func(j *sim.Traced) { j.SaysTraces = answer })
	}
	judge(t, "jaeger", []judged{
		{"a span of the target", says(jaegerSays("order-service", where(west), now)), incident.Pass, []string{"of 1 of 5 services"}, map[string]string{"order-service": "trace 0af7651916cd43dd8448eb211c80319c"}, nil},
		{"a number for a time", says(jaegerSays("order-service", where(west), strings.Trim(now, `"`))), incident.Pass, nil, nil, nil},
		{"a span of another Region", says(jaegerSays("order-service", where(east), now)), incident.Unsure, []string{"whether traces of us-west-2 arrive in Jaeger is unknown: those of", "are of us-east-1 (cloud.region)"}, nil, nil},
		{"a span of no Region", says(jaegerSays("order-service", "", now)), incident.Unsure, []string{"name no Region (cloud.region)"}, nil, nil},
		{"a span of another service", says(jaegerSays("gateway", where(west), now)), incident.Fail, []string{"no trace"}, nil, nil},
		{"the span itself names its Region", says(strings.Replace(jaegerSays("order-service", where(east), now), `"name":"GET"`, `"attributes":[`+where(west)[1:]+`]`, 1)), incident.Pass, nil, nil, nil},
		{"a span of long ago", says(jaegerSays("order-service", where(west), `"1772542800000000000"`)), incident.Fail, []string{"no trace"}, nil, nil},
		{"a span of a time to come", says(jaegerSays("order-service", where(west), `"1772550000000000000"`)), incident.Fail, []string{"no trace"}, nil, nil},
	})

	with := func(change func(s *jaeger.Settings)) func(c *engine.Call) { return set(t, jaeger.Platform, change) }
	t.Run("services by name", func(t *testing.T) {
		named := with(func(s *jaeger.Settings) { s.Services = []string{"user-service", "order-service"} })
		judge(t, "jaeger", []judged{
			{"each has one", traced(func(j *sim.Traced) { j.Unknown = true }), incident.Pass, []string{"of 2 of 2 services"}, nil, nil},
			{"one has none", traced(func(j *sim.Traced) { j.Silent = []string{"user-service"} }), incident.Fail, []string{"no trace of the last 5 min in us-west-2 of user-service: "}, nil, map[string]float64{"services with a trace": 1}},
		}, named)
		judge(t, "jaeger", []judged{{"one is not there", traced(func(*sim.Traced) {}), incident.Fail, []string{"of shop"}, nil, nil}},
			with(func(s *jaeger.Settings) { s.Services = []string{"shop"} }))
	})
	t.Run("no attribute", func(t *testing.T) {
		judge(t, "jaeger", []judged{
			{"whose they are is not told", traced(func(j *sim.Traced) { j.Of = "none" }), incident.Warn, []string{"of 5 of 5 services", "whether they are of us-west-2 is told by no attribute (platform.jaeger.region_attribute)"}, nil, nil},
			{"and there are none", traced(func(j *sim.Traced) { j.Silent = all }), incident.Fail, []string{"no trace"}, nil, nil},
		}, with(func(s *jaeger.Settings) { s.RegionAttribute = "" }))
	})
	t.Run("a longer time", func(t *testing.T) {
		judge(t, "jaeger", []judged{{"is enough", traced(func(j *sim.Traced) { j.ClockOff = -10 * time.Minute }), incident.Pass, []string{"the newest began 11 min ago"}, nil, nil}},
			with(func(s *jaeger.Settings) { s.MaxAgeMinutes = 15 }))
	})
	t.Run("none", func(t *testing.T) {
		judge(t, "jaeger", []judged{{"nothing to ask", func(*sim.State) {}, incident.NotApplicable, []string{"the settings name no Jaeger of us-west-2"}, nil, nil}},
			with(func(s *jaeger.Settings) { s.Regions = nil }))
	})
	t.Run("where it is asked", func(t *testing.T) {
		at := func(url, service string) func(c *engine.Call) {
			return with(func(s *jaeger.Settings) { s.Regions[west] = jaeger.Region{URL: url, Service: service} })
		}
		const nobody = "http://nobody.ecommerce.internal"
		arrive, silent := traced(func(*sim.Traced) {}), traced(func(j *sim.Traced) { j.Silent = all })
		judge(t, "jaeger", []judged{{"nobody answers at its address", arrive, incident.Pass, nil, nil, nil}}, at(nobody, "monitoring/jaeger-query:16686"))
		judge(t, "jaeger", []judged{
			{"it has no address", arrive, incident.Pass, nil, nil, nil},
			{"and it has no trace", silent, incident.Fail, []string{"no trace of the last 5 min"}, nil, nil},
		}, at("", "monitoring/jaeger-query:16686"))
		judge(t, "jaeger", []judged{{"nobody answers anywhere", arrive, incident.Unsure, []string{"ask Jaeger in us-west-2", "by way of the API server: get services/proxy of monitoring/other:16686"}, nil, nil}}, at(nobody, "monitoring/other:16686"))
		judge(t, "jaeger", []judged{{"the path is wrong", arrive, incident.Unsure, []string{"answered status 404", "there is no API of Jaeger at that address"}, nil, nil}},
			at("http://monitoring.us-west-2.ecommerce.internal/jaeger", ""),
			with(func(s *jaeger.Settings) { s.Services = []string{"order-service"} }))
	})
	for text, says := range map[string]string{
		"regions: {us-east-1: {url: 'http://a'}}":                               "does not say what there is in us-west-2",
		"regions: {us-east-1: {url: 'http://a'}, us-west-2: {}}":                "where it is asked",
		"regions: {us-east-1: {url: 'http://a'}, us-west-2: {service: jaeger}}": "namespace/name:port",
		"{max_age_minutes: -1}":                                                 "max_age_minutes", "{services: ['']}": "empty name", "{region_attribute: cloud.region}": "", "{}": "",
	} {
		wrong(t, "jaeger: "+text, faultsOf(t, jaeger.Platform, text), says)
	}
}

// No fault of either call is an answer, and the Region that is left is not asked.
func TestJaegerThatCannotBeAskedIsUnknown(t *testing.T) {
	arrive := traced(func(*sim.Traced) {})
	for _, operation := range []string{"GET /api/v3/services", "GET /api/v3/traces"} {
		for _, kind := range []string{sim.Deny, sim.ServerFail, sim.Throttle} {
			w := newWorld(t)
			w.change(t, arrive)
			if err := w.Fault(sim.Fault{Operation: operation, Kind: kind}); err != nil {
				t.Fatal(err)
			}
			o, ok, err := w.looked(t, "jaeger")
			if f := incident.CallErrorOf(err); err == nil || ok || !f.NeedsPerson || f.Hint == "" || !strings.Contains(err.Error(), "ask Jaeger in us-west-2: monitoring.us-west-2.ecommerce.internal answered status") {
				t.Errorf("%s with %s: %t %q %v (%s)", operation, kind, ok, o.Summary, err, f.Hint)
			}
		}
		// One that hangs up is tried by way of the API server, which may be refused, too.
		for _, denied := range []bool{false, true} {
			w := newWorld(t)
			w.change(t, arrive)
			faults := []sim.Fault{{Operation: operation, Kind: sim.Refuse}}
			if denied {
				faults = append(faults, sim.Fault{System: "kubernetes", Kind: sim.Deny})
			}
			for _, f := range faults {
				if err := w.Fault(f); err != nil {
					t.Fatal(err)
				}
			}
			o, ok, err := w.looked(t, "jaeger")
			if !denied {
				if err != nil || !ok || o.Measured.Verdict != incident.Pass {
					t.Errorf("%s: by way of the API server it is %t %q %v", operation, ok, o.Summary, err)
				}
				continue
			}
			if f := incident.CallErrorOf(err); err == nil || ok || !f.NeedsPerson || f.Hint == "" || !strings.Contains(err.Error(), "get services/proxy of monitoring/jaeger-query:16686 in us-west-2") {
				t.Errorf("%s denied: %t %q %v (%s)", operation, ok, o.Summary, err, f.Hint)
			}
		}
	}
	w := newWorld(t)
	w.change(t, arrive)
	if _, ok, err := w.looked(t, "jaeger"); err != nil || !ok {
		t.Fatal(ok, err)
	}
	asked := 0
	for _, call := range w.Calls() {
		if call.Region == east {
			t.Errorf("it asked %s of %s", call.Operation, call.Region)
		}
		if call.Operation == "GET /api/v3/traces" {
			asked++
		}
	}
	if asked != 5 {
		t.Errorf("%d questions for traces of 5 services", asked)
	}
}
