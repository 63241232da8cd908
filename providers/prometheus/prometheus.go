// Package prometheus looks whether the target's Prometheus scrapes what runs there.
//
// It is asked by its HTTP API, at its own address or by way of the cluster's API server.
// An answer counts if it is about the target's own targets, as a label says, and if its
// clock is the bot's: of another Region, or of another time, it is no answer.
//
// https://prometheus.io/docs/prometheus/latest/querying/api/
package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/webapi"
)

const (
	// skew is how far its clock may be from the bot's.
	skew = 2 * time.Minute
	// shown is how many targets a sentence tells.
	shown = 5
)

// Prometheus reaches the Prometheus of each Region.
type Prometheus struct {
	web   *webapi.Client
	clock incident.Clock
}

// sample is one element of an instant vector.
type sample struct {
	labels map[string]string
	at     time.Time
	value  float64
}

// String is a target as Prometheus calls it: job at instance.
func (s sample) String() string { return s.labels["job"] + " at " + s.labels["instance"] }

// Targets checks that enough of the targets of the Region that takes over are up.
func (p *Prometheus) Targets(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	s, err := runbook.PartOf[Settings](c.Plan.Topology, Platform.Key)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	now, r := p.clock.Now(), c.Plan.Target
	at, there := s.Regions[r.Name]
	if !there {
		return engine.Outcome{
			Summary:  fmt.Sprintf("not applicable: the settings name no Prometheus of %s (platform.prometheus.regions)", r.Name),
			Measured: incident.Measured{Verdict: incident.NotApplicable, AsOf: now},
		}, true, nil
	}
	query := "up"
	if s.RegionLabel != "" {
		query = fmt.Sprintf("up{%s=%s}", s.RegionLabel, strconv.Quote(r.Name))
	}
	body, err := p.web.Ask(ctx, c.Plan, r, webapi.Place{URL: at.URL, Service: at.Service}, webapi.Request{System: "Prometheus", Path: "/api/v1/query?query=" + url.QueryEscape(query)})
	if err != nil {
		return engine.Outcome{}, false, err
	}
	all, err := vector(body)
	if err != nil {
		return engine.Outcome{}, false, unusable(r, err)
	}
	return p.judge(s, r, query, all)
}

// judge is what the targets come to.
func (p *Prometheus) judge(s Settings, r runbook.Region, query string, all []sample) (engine.Outcome, bool, error) {
	now := p.clock.Now()
	o := engine.Outcome{Evidence: map[string]string{"query": query}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: now}}
	var down []string
	for _, one := range all {
		switch own := one.labels[s.RegionLabel]; {
		case s.RegionLabel != "" && own != r.Name:
			return o, false, unusable(r, fmt.Errorf("it tells of %s, whose %s is %q", one, s.RegionLabel, own))
		case one.at.Sub(now).Abs() > skew:
			return o, false, unusable(r, fmt.Errorf("it is %s by its clock and %s by the bot's", text.ToSecond.UTC(one.at), text.ToSecond.UTC(now)))
		case one.value != 1: // also what is no number
			down = append(down, one.String())
		}
	}
	slices.Sort(down)
	if len(all) == 0 {
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("Prometheus scrapes nothing in %s (%s is empty)", r.Name, query)
		return o, false, nil
	}
	up := len(all) - len(down)
	share, limit := 100*float64(up)/float64(len(all)), s.percent()
	o.Evidence["targets"] = fmt.Sprintf("%d of %d up", up, len(all))
	if len(down) > 0 {
		o.Evidence["down"] = text.Some(down, shown)
	}
	o.Measured.Figures = []incident.Figure{{Name: "targets up", Value: math.Floor(share*10) / 10, Unit: "%", Limit: &limit}}
	o.Summary = fmt.Sprintf("%d of %s of Prometheus in %s %s up (%.1f %%)", up, text.Count(len(all), "target"), r.Name, text.Are(up), math.Floor(share*10)/10)
	if share < limit {
		o.Measured.Verdict = incident.Fail
		o.Summary += fmt.Sprintf(", at least %g %% are wanted; down: %s", limit, text.Some(down, shown))
		return o, false, nil
	}
	if len(down) > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary += "; down: " + text.Some(down, shown)
	}
	if s.RegionLabel == "" {
		o.Measured.Verdict = incident.Warn
		o.Summary += fmt.Sprintf("; whether they run in %s is told by no label (platform.prometheus.region_label)", r.Name)
	}
	return o, true, nil
}

// vector reads an answer to an instant query.
func vector(body []byte) ([]sample, error) {
	var in struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   struct {
			ResultType string `json:"resultType"`
			Result     []struct {
				Metric map[string]string  `json:"metric"`
				Value  [2]json.RawMessage `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fmt.Errorf("it is no answer of Prometheus: %w", err)
	}
	if in.Status != "success" || in.Data.ResultType != "vector" {
		return nil, fmt.Errorf("status %q, result %q: %s", in.Status, in.Data.ResultType, text.Inline(in.Error))
	}
	out := make([]sample, len(in.Data.Result))
	for i, one := range in.Data.Result {
		var at float64
		var value string
		if err := errors.Join(json.Unmarshal(one.Value[0], &at), json.Unmarshal(one.Value[1], &value)); err != nil {
			return nil, fmt.Errorf("it is no answer of Prometheus: %w", err)
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("it is no answer of Prometheus: %w", err)
		}
		out[i] = sample{one.Metric, time.UnixMilli(int64(at * 1000)).UTC(), v}
	}
	return out, nil
}

func unusable(r runbook.Region, err error) error {
	return &incident.CallError{
		NeedsPerson: true, Err: fmt.Errorf("whether Prometheus scrapes %s is unknown: %w", r.Name, err),
		Hint: "compare platform.prometheus in the settings with the server, and the clocks of both",
	}
}
