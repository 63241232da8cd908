// Package jaeger looks whether traces of the target's services arrive in Jaeger.
//
// It is asked by version 3 of its query API, which every Jaeger since 1.53 has, at its own
// address or by way of the cluster's API server, once for each service: some of its
// storages find nothing without a name, and its own traces do not count. A trace counts if
// a span of that service in it is the target's, as an attribute says, and began within the
// time by the bot's clock. Users are there by then and some of their requests are sampled,
// so that no trace is a no.
//
// https://www.jaegertracing.io/docs/latest/architecture/apis/
package jaeger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/webapi"
)

const (
	// ahead is how far in the future a span may begin: more is another clock than the bot's.
	ahead = 2 * time.Minute
	// depth is how many traces of each service are read.
	depth = 10
	// shown is how many of a kind a sentence tells.
	shown = 5
)

// Jaeger reaches the Jaeger of each Region.
type Jaeger struct {
	web   *webapi.Client
	clock incident.Clock
}

// Traces watches whether Jaeger has traces of the target's services from the last minutes.
func (j *Jaeger) Traces(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	s, err := runbook.PartOf[Settings](c.Plan.Topology, Platform.Key)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	now, r := j.clock.Now(), c.Plan.Target
	if _, there := s.Regions[r.Name]; !there {
		return engine.Outcome{
			Summary:  fmt.Sprintf("not applicable: the settings name no Jaeger of %s (platform.jaeger.regions)", r.Name),
			Measured: incident.Measured{Verdict: incident.NotApplicable, AsOf: now},
		}, true, nil
	}
	names, wanted := s.Services, len(s.Services)
	if wanted == 0 {
		wanted = 1
		if names, err = j.services(ctx, c.Plan, s); err != nil {
			return engine.Outcome{}, false, err
		}
	}
	all, faults := make([]seen, len(names)), make([]error, len(names))
	incident.Together(j.clock, len(names), func(i int) {
		all[i], faults[i] = j.traces(ctx, c.Plan, s, names[i], now)
	})
	for _, err := range faults { // one says enough, and a joined error would be sorted by none
		if err != nil {
			return engine.Outcome{}, false, err
		}
	}
	return judge(s, r, now, wanted, all)
}

// services are those of the platform that Jaeger knows.
func (j *Jaeger) services(ctx context.Context, p *runbook.Plan, s Settings) ([]string, error) {
	r := p.Target
	body, err := j.ask(ctx, p, s, "/api/v3/services", nil)
	if err != nil {
		return nil, err
	}
	var in struct {
		Services []string `json:"services"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, unusable(r, fmt.Errorf("it is no answer of Jaeger: %w", err))
	}
	var own []string
	for _, one := range p.Topology.Services {
		if slices.Contains(in.Services, one.Name) {
			own = append(own, one.Name)
		}
	}
	if len(own) == 0 {
		slices.Sort(in.Services)
		known := "none at all"
		if len(in.Services) > 0 {
			known = text.Inline(text.Some(in.Services, shown))
		}
		return nil, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("whether traces of %s arrive is unknown: Jaeger knows none of the platform's services by name, but %s", r.Name, known),
			Hint: "name them as Jaeger does (platform.jaeger.services), or look whether anything arrives there at all",
		}
	}
	return own, nil
}

// seen is what Jaeger has of one service.
type seen struct {
	service string
	// newest is when the newest of its spans in the target within the time began, and trace
	// its trace; zero and empty if there is none.
	newest time.Time
	trace  string
	// foreign says that it has others within the time: regions is what their attribute says,
	// where they have one.
	foreign bool
	regions []string
}

// traces asks for the traces of one service from the last minutes.
func (j *Jaeger) traces(ctx context.Context, p *runbook.Plan, s Settings, service string, now time.Time) (seen, error) {
	out := seen{service: service}
	from, to := now.Add(-s.age()), now.Add(ahead)
	query := url.Values{}
	for _, one := range []struct{ name, before, value string }{ // both: 1.53 knows the former names alone, and they are on their way out
		{"serviceName", "service_name", service},
		{"startTimeMin", "start_time_min", from.UTC().Format(time.RFC3339Nano)},
		{"startTimeMax", "start_time_max", to.UTC().Format(time.RFC3339Nano)},
		{"searchDepth", "num_traces", strconv.Itoa(depth)},
	} {
		query.Set("query."+one.name, one.value)
		query.Set("query."+one.before, one.value)
	}
	if s.RegionAttribute != "" { // of which older ones take no notice
		only, err := json.Marshal(map[string]string{s.RegionAttribute: p.Target.Name})
		if err != nil {
			return out, fmt.Errorf("write the query: %w", err)
		}
		query.Set("query.attributes", string(only))
	}
	body, err := j.ask(ctx, p, s, "/api/v3/traces?"+query.Encode(), none)
	if err != nil {
		return out, err
	}
	spans, err := spansIn(body, s.RegionAttribute)
	if err != nil {
		return out, unusable(p.Target, fmt.Errorf("what it says of %s is no answer of Jaeger: %w", text.Inline(service), err))
	}
	for _, one := range spans {
		switch {
		case one.service != service || one.began.Before(from) || one.began.After(to):
		case s.RegionAttribute != "" && one.region != p.Target.Name:
			out.foreign = true
			if one.region != "" && !slices.Contains(out.regions, one.region) {
				out.regions = append(out.regions, one.region)
			}
		case one.began.After(out.newest):
			out.newest, out.trace = one.began, one.trace
		}
	}
	return out, nil
}

// judge is what the traces come to.
func judge(s Settings, r runbook.Region, now time.Time, wanted int, all []seen) (engine.Outcome, bool, error) {
	within := s.age()
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: now}}
	var there, silent, regions []string
	foreign := false
	age := within
	for _, one := range all {
		if one.newest.IsZero() {
			o.Evidence[one.service] = "no trace within " + text.Age(within)
			silent = append(silent, text.Inline(one.service))
			foreign, regions = foreign || one.foreign, append(regions, one.regions...)
			continue
		}
		there = append(there, text.Inline(one.service))
		o.Evidence[one.service] = fmt.Sprintf("trace %s, began %s", one.trace, text.ToSecond.UTC(one.newest))
		age = min(age, max(0, now.Sub(one.newest)))
	}
	enough := float64(wanted)
	o.Measured.Figures = []incident.Figure{{Name: "services with a trace", Value: float64(len(there)), Unit: "services", Limit: &enough}}
	if len(there) < wanted && foreign {
		o.Measured.Verdict, o.Measured.Figures = incident.Unsure, nil
		whose := "name no Region"
		if slices.Sort(regions); len(regions) > 0 {
			whose = "are of " + text.Inline(text.Some(slices.Compact(regions), shown))
		}
		return o, false, unusable(r, fmt.Errorf("those of %s %s (%s)", text.Some(silent, shown), whose, s.RegionAttribute))
	}
	if len(there) < wanted {
		o.Measured.Verdict, o.State = incident.Fail, strings.Join(silent, ", ")
		o.Summary = fmt.Sprintf("Jaeger has no trace of the last %s in %s of %s: look at the collector there, at what is sampled, and at the clocks", text.Age(within), r.Name, text.Some(silent, shown))
		return o, false, nil
	}
	o.Measured.Figures = append(o.Measured.Figures, incident.Figure{Name: "age of the newest trace", Value: age.Round(time.Second).Seconds(), Unit: "s", Limit: new(within.Seconds())})
	o.Summary = fmt.Sprintf("traces arrive in Jaeger of %s: of %d of %s, the newest began %s ago", r.Name, len(there), text.Count(len(all), "service"), text.Age(age))
	if len(silent) > 0 {
		o.Summary += "; none of " + text.Some(silent, shown)
	}
	if s.RegionAttribute == "" {
		o.Measured.Verdict = incident.Warn
		o.Summary += fmt.Sprintf("; whether they are of %s is told by no attribute (platform.jaeger.region_attribute)", r.Name)
	}
	return o, true, nil
}

// ask sends one question to the Jaeger of the target.
func (j *Jaeger) ask(ctx context.Context, p *runbook.Plan, s Settings, path string, taken func(status int, body []byte) bool) ([]byte, error) {
	at := s.Regions[p.Target.Name]
	return j.web.Ask(ctx, p, p.Target, webapi.Place{URL: at.URL, Service: at.Service}, webapi.Request{System: "Jaeger", Path: path, Taken: taken})
}

// none says that an answer of 404 is Jaeger's, which has found no trace, and not that of
// somebody who knows no such page.
func none(status int, body []byte) bool {
	var in struct {
		Error struct {
			HTTPCode int `json:"httpCode"`
		} `json:"error"`
	}
	return status == http.StatusNotFound && json.Unmarshal(body, &in) == nil && in.Error.HTTPCode == status
}

// span is one of a trace: of which service, when it began, and what the attribute says.
type span struct {
	trace, service string
	began          time.Time
	region         string
}

// attributes are those of a span or of the resource that it comes from.
type attributes []struct {
	Key   string `json:"key"`
	Value struct {
		Text string `json:"stringValue"`
	} `json:"value"`
}

// of is what the attribute with that name says; otherwise where there is none.
func (all attributes) of(name, otherwise string) string {
	for _, a := range all {
		if a.Key == name {
			return a.Value.Text
		}
	}
	return otherwise
}

// spansIn reads the spans of an answer, each with what the attribute with that name says
// of it. There are none where no trace was found.
//
// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
func spansIn(body []byte, name string) ([]span, error) {
	if none(http.StatusNotFound, body) {
		return nil, nil
	}
	var in struct {
		Result *struct {
			ResourceSpans []struct {
				Resource struct {
					Attributes attributes `json:"attributes"`
				} `json:"resource"`
				ScopeSpans []struct {
					Spans []struct {
						TraceID    string      `json:"traceId"`
						Began      json.Number `json:"startTimeUnixNano"`
						Attributes attributes  `json:"attributes"`
					} `json:"spans"`
				} `json:"scopeSpans"`
			} `json:"resourceSpans"`
		} `json:"result"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err //nolint:wrapcheck // the caller says whose
	}
	if in.Result == nil {
		return nil, errors.New("it has no result")
	}
	var out []span
	for _, from := range in.Result.ResourceSpans {
		service, region := from.Resource.Attributes.of("service.name", ""), from.Resource.Attributes.of(name, "")
		for _, scope := range from.ScopeSpans {
			for _, one := range scope.Spans {
				began, err := strconv.ParseInt(cmp.Or(one.Began.String(), "0"), 10, 64) // a zero is left out
				if err != nil {
					return nil, fmt.Errorf("the beginning of a span: %w", err)
				}
				out = append(out, span{one.TraceID, service, time.Unix(0, began).UTC(), one.Attributes.of(name, region)})
			}
		}
	}
	if len(out) == 0 && len(in.Result.ResourceSpans) > 0 {
		return nil, errors.New("its traces have no spans")
	}
	return out, nil
}

func unusable(r runbook.Region, err error) error {
	return &incident.CallError{
		NeedsPerson: true, Err: fmt.Errorf("whether traces of %s arrive in Jaeger is unknown: %w", r.Name, err),
		Hint: "compare platform.jaeger in the settings with the server, which has to be Jaeger 1.53 or newer",
	}
}
