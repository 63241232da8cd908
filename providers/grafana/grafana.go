// Package grafana looks whether dashboards show the target: a query goes through
// Grafana's own data source API, as a panel's does, and has to give a datapoint of the
// target from the last minutes.
//
// https://grafana.com/docs/grafana/latest/developers/http_api/data_source/
package grafana

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/webapi"
)

const (
	// fresh is how old the newest datapoint may be, and ahead how far in the future: more
	// is another clock than the bot's.
	fresh = 5 * time.Minute
	ahead = 2 * time.Minute
)

// Grafana reaches the Grafana of each Region.
type Grafana struct {
	web   *webapi.Client
	clock incident.Clock
	token string
}

// answer is what /api/ds/query gives, as far as it is read.
type answer struct {
	Results map[string]struct {
		Status int    `json:"status"`
		Error  string `json:"error"`
		Frames []struct {
			Schema struct {
				Fields []struct {
					Type   string            `json:"type"`
					Labels map[string]string `json:"labels"`
				} `json:"fields"`
			} `json:"schema"`
			Data struct {
				Values []json.RawMessage `json:"values"`
			} `json:"data"`
		} `json:"frames"`
	} `json:"results"`
}

// Query checks that a query of Grafana's data source gives a datapoint of the target from
// the last minutes.
func (g *Grafana) Query(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	s, err := runbook.PartOf[Settings](c.Plan.Topology, Platform.Key)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	r := c.Plan.Target
	at, there := s.Regions[r.Name]
	if !there {
		return engine.Outcome{
			Summary:  fmt.Sprintf("not applicable: the settings name no Grafana for %s (platform.grafana.regions)", r.Name),
			Measured: incident.Measured{Verdict: incident.NotApplicable, AsOf: g.clock.Now()},
		}, true, nil
	}
	asked, err := json.Marshal(map[string]any{
		"from": "now-5m", "to": "now",
		"queries": []any{map[string]any{
			"refId": "A", "datasource": map[string]string{"uid": at.Datasource}, "expr": at.Query, "range": true, "intervalMs": 15000, "maxDataPoints": 100,
		}},
	})
	if err != nil {
		return engine.Outcome{}, false, fmt.Errorf("write the query: %w", err)
	}
	body, err := g.web.Ask(ctx, c.Plan, r, webapi.Place{URL: at.URL}, webapi.Request{System: "Grafana", Path: "/api/ds/query", Body: asked, Token: g.token})
	if err != nil {
		return engine.Outcome{}, false, err
	}
	now := g.clock.Now()
	o := engine.Outcome{Evidence: map[string]string{"query": at.Query, "datasource": at.Datasource}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: now}}
	newest, foreign, err := newest(body, s.RegionLabel, r.Name)
	switch {
	case err != nil:
		return o, false, unusable(r, err)
	case newest.IsZero() && foreign != "":
		return o, false, unusable(r, fmt.Errorf("the query tells of %s %q alone", s.RegionLabel, foreign))
	case newest.IsZero():
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("Grafana shows nothing of %s from the last %s (%s)", r.Name, text.Age(fresh), at.Query)
		return o, false, nil
	case newest.Sub(now) > ahead:
		return o, false, unusable(r, fmt.Errorf("its newest datapoint is of %s, and it is %s by the bot's clock", text.ToSecond.UTC(newest), text.ToSecond.UTC(now)))
	}
	age, limit := max(0, now.Sub(newest)), fresh.Seconds()
	o.Measured.Figures = []incident.Figure{{Name: "age of the newest datapoint", Value: age.Round(time.Second).Seconds(), Unit: "s", Limit: &limit}}
	o.Evidence["newest"] = text.ToSecond.UTC(newest)
	o.Summary = fmt.Sprintf("Grafana's newest datapoint of %s is %s old", r.Name, text.Age(age))
	if age > fresh {
		o.Measured.Verdict = incident.Fail
		o.Summary += fmt.Sprintf(", at most %s are wanted", text.Age(fresh))
		return o, false, nil
	}
	return o, true, nil
}

// newest is the time of the newest datapoint whose label names the Region; zero if there
// is none. foreign is what the label of the others is.
func newest(body []byte, label, region string) (at time.Time, foreign string, err error) {
	var in answer
	if err := json.Unmarshal(body, &in); err != nil {
		return at, "", fmt.Errorf("it is no answer of Grafana: %w", err)
	}
	result, ok := in.Results["A"]
	switch {
	case !ok:
		return at, "", fmt.Errorf("it is no answer of Grafana: no result of the query")
	case result.Error != "" || result.Status >= 400:
		return at, "", fmt.Errorf("the data source answers status %d: %s", result.Status, text.Shorten(text.Inline(result.Error), 200))
	}
	for _, frame := range result.Frames {
		var times []float64
		var values []*float64
		own := false
		for i, field := range frame.Schema.Fields {
			if i >= len(frame.Data.Values) {
				return at, "", fmt.Errorf("it is no answer of Grafana: %d of %d fields have values", len(frame.Data.Values), len(frame.Schema.Fields))
			}
			var into any
			switch field.Type {
			case "time":
				into = &times
			case "number":
				into = &values
				if own = field.Labels[label] == region; !own {
					foreign = field.Labels[label]
				}
			default:
				continue
			}
			if err := json.Unmarshal(frame.Data.Values[i], into); err != nil {
				return at, "", fmt.Errorf("it is no answer of Grafana: %w", err)
			}
		}
		for i := range min(len(times), len(values)) {
			if t := time.UnixMilli(int64(times[i])).UTC(); own && values[i] != nil && t.After(at) {
				at = t
			}
		}
	}
	return at, foreign, nil
}

func unusable(r runbook.Region, err error) error {
	return &incident.CallError{
		NeedsPerson: true, Err: fmt.Errorf("whether Grafana shows %s is unknown: %w", r.Name, err),
		Hint: "compare platform.grafana in the settings with the data source, and the clocks of both",
	}
}
