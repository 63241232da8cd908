package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

const (
	// compared is how many of the last orders are kept for comparing, told how many of
	// them a sentence names.
	compared, told = 100, 5
	// ordersHint is what helps where the orders of a Region are unknown.
	ordersHint = "look at platform.probe.last_orders in the settings: its page has to answer while the services that write are stopped"
)

// stays is for how long after the call that moves the database the source surely tells what
// it had before: AWS first waits for the target to have everything, which takes a minute.
const stays = 15 * time.Second

// LastOrdersInput is the input of LastOrders.
type LastOrdersInput struct {
	// Moving is the step that has the database moved.
	Moving string `yaml:"moving" json:"moving"`
}

// LastOrders finds the last orders of the Region that is left, for [Probe.Kept] to compare:
// once nothing writes there, and before its database has moved.
func (p *Probe) LastOrders(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in LastOrdersInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	t, err := siteOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	if t.LastOrders == "" {
		return p.noLastOrders()
	}
	ids, o, err := p.lastOrders(ctx, t, c.Plan.Source)
	if err != nil {
		return o, false, err
	}
	if moving, asked := c.Result(in.Moving); asked && p.clock.Now().Sub(moving.At) > stays {
		return o, false, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("what the last orders in %s were is no longer told there: its database has been moving since %s, and both Regions tell the same afterwards", c.Plan.Source.Name, text.ToSecond.UTC(moving.At)),
			Hint: "compare by hand, with a record of its own that the platform has of its orders",
		}
	}
	o.Items = ids
	o.Measured = incident.Measured{Verdict: incident.Pass, AsOf: p.clock.Now()}
	o.Summary = fmt.Sprintf("the last order in %s is %s", c.Plan.Source.Name, ids[0])
	if len(ids) > 1 {
		o.Summary += fmt.Sprintf("; the last %d are noted", len(ids))
	}
	return o, true, nil
}

// noLastOrders is the answer where the settings do not say where the last orders are read.
func (p *Probe) noLastOrders() (engine.Outcome, bool, error) {
	return engine.Outcome{
		Summary:  "not applicable: the settings name no page with the last orders (platform.probe.last_orders)",
		Measured: incident.Measured{Verdict: incident.NotApplicable, AsOf: p.clock.Now()},
	}, true, nil
}

// lastOrders are the ids of the last orders, newest first and at least one, as a Region
// tells them at its own address.
func (p *Probe) lastOrders(ctx context.Context, t site, r runbook.Region) ([]string, engine.Outcome, error) {
	o := engine.Outcome{Evidence: map[string]string{"page": t.LastOrders}}
	back, err := p.direct(ctx, t, r, get(t.LastOrders))
	again := err != nil || back.busy() // another try may get an answer
	if err == nil {
		o.Evidence["answer"] = back.told()
		err = from(back, r)
	}
	var ids []string
	if err == nil {
		if ids, err = found(back.body, t.LastOrdersID); err == nil && len(ids) == 0 {
			err = fmt.Errorf("it tells of no order (%s)", t.LastOrdersID)
		}
	}
	switch {
	case hopeless(err):
		return nil, o, err
	case err != nil:
		return nil, o, &incident.CallError{Retry: again, NeedsPerson: !again, Err: fmt.Errorf("the last orders in %s are unknown: %w", r.Name, err), Hint: ordersHint}
	}
	ids = ids[:min(len(ids), compared)]
	o.Evidence["last"] = ids[0]
	return ids, o, nil
}

// busy says that whoever answered may answer otherwise a moment later.
func (r reply) busy() bool {
	return r.status == http.StatusTooManyRequests || r.status >= http.StatusInternalServerError
}

// from says why an answer is none of that Region's; nil: it is one.
func from(back reply, r runbook.Region) error {
	switch {
	case back.region != r.Name:
		return fmt.Errorf("%s answered, not %s", orUnknown(back.region), r.Name)
	case back.status != http.StatusOK:
		return fmt.Errorf("it answered status %d%s", back.status, reason(back.body))
	}
	return nil
}

// found is what stands in JSON under keys with dots between, in each element of the lists
// on the way: orders.id of {"orders":[{"id":7},{"id":6}]} is 7 and 6.
func found(body []byte, path string) ([]string, error) {
	var whole any
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	d.UseNumber() // a number that went through a float would be another one
	if err := d.Decode(&whole); err != nil {
		return nil, fmt.Errorf("its answer is no JSON: %w", err)
	}
	var out []string
	var walk func(at any, keys []string) error
	walk = func(at any, keys []string) error {
		if list, is := at.([]any); is {
			for _, one := range list {
				if err := walk(one, keys); err != nil {
					return err
				}
			}
			return nil
		}
		if len(keys) == 0 {
			switch v := at.(type) {
			case string:
				if v = text.Inline(v); v != "" {
					out = append(out, v)
					return nil
				}
			case json.Number:
				out = append(out, v.String())
				return nil
			}
			return fmt.Errorf("its answer has no text or number at %q", path)
		}
		in, is := at.(map[string]any)
		if next := named(in, keys[0]); is && next != nil {
			return walk(next, keys[1:])
		}
		return fmt.Errorf("its answer has no %q (%s)", keys[0], path)
	}
	var keys []string
	if path != "" {
		keys = strings.Split(path, ".")
	}
	err := walk(whole, keys)
	return out, err
}

// KeptInput is the input of Kept.
type KeptInput struct {
	// Before is the step that found the last orders of the source.
	Before string `yaml:"before" json:"before"`
	// Lag is the step that found how far the target was behind, of an unplanned run.
	Lag string `yaml:"lag" json:"lag"`
}

// Kept compares the last orders that the source had with those that the target has. Where
// the source was not asked, because it may be gone, what is missing is an estimate.
func (p *Probe) Kept(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in KeptInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	t, err := siteOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	if t.LastOrders == "" {
		return p.noLastOrders()
	}
	source, target := c.Plan.Source, c.Plan.Target
	there, o, err := p.lastOrders(ctx, t, target)
	if err != nil {
		return o, false, err
	}
	o.Measured.AsOf, o.Items = p.clock.Now(), there
	if _, asked := c.Plan.Step(in.Before); !asked {
		return p.estimated(c, in.Lag, there, o)
	}
	before, ok := c.Result(in.Before)
	if !ok || len(before.Items) == 0 {
		return o, false, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("whether the last orders of %s are in %s is unknown: what they were when its writers were stopped was not found out", source.Name, target.Name),
			Hint: fmt.Sprintf("compare by hand: the last order in %s is %s", target.Name, there[0]),
		}
	}
	lacks := missing(before.Items, there)
	o.Evidence["last in "+source.Name] = before.Items[0]
	o.Measured.Figures = []incident.Figure{{Name: "orders missing", Value: float64(len(lacks)), Unit: "orders", Limit: new(float64)}}
	if len(lacks) == 0 {
		o.Measured.Verdict = incident.Pass
		o.Summary = fmt.Sprintf("nothing is lost: the last order of %s, %s, is in %s", source.Name, before.Items[0], target.Name)
		if n := len(before.Items); n > 1 {
			o.Summary += fmt.Sprintf(", as are the %d before it", n-1)
		}
		return o, true, nil
	}
	o.Measured.Verdict = incident.Fail
	o.Evidence["missing"] = strings.Join(lacks, "; ")
	least := ""
	if len(lacks) == len(before.Items) {
		least = "at least "
	}
	o.Summary = fmt.Sprintf("%s%s of %s %s missing in %s: %s; the last one there is %s",
		least, text.Count(len(lacks), "order"), source.Name, text.Are(len(lacks)), target.Name, text.Some(lacks, told), there[0])
	return o, false, nil
}

// missing are those of the last orders that are not among those that are there now, both
// newest first. What was ordered since pushes the oldest out of the page.
func missing(before, now []string) []string {
	since := 0
	for _, id := range now {
		if !slices.Contains(before, id) {
			since++
		}
	}
	end := len(before)
	if since < len(now) && len(now) >= len(before) {
		for end > 0 && len(before)-end < since && !slices.Contains(now, before[end-1]) {
			end--
		}
	}
	var out []string
	for _, id := range before[:end] {
		if !slices.Contains(now, id) {
			out = append(out, id)
		}
	}
	return out
}

// estimated is what may be missing where only the lag is known.
func (p *Probe) estimated(c engine.Call, lag string, there []string, o engine.Outcome) (engine.Outcome, bool, error) {
	behind, ok := c.Result(lag)
	i := slices.IndexFunc(behind.Measured.Figures, func(f incident.Figure) bool { return f.Unit == "ms" })
	if !ok || i < 0 {
		return o, false, &incident.CallError{
			NeedsPerson: true, Err: errors.New("how many orders are missing is unknown: the lag at the promotion was not found out"),
			Hint: fmt.Sprintf("once %s answers, compare by hand: the last order in %s is %s", c.Plan.Source.Name, c.Plan.Target.Name, there[0]),
		}
	}
	figure := behind.Measured.Figures[i]
	o.Measured.Verdict, o.Measured.AsOf, o.Measured.Figures = incident.Warn, behind.Measured.AsOf, []incident.Figure{figure}
	o.Evidence["lag"] = behind.Summary
	o.Summary = fmt.Sprintf("an estimate, not a comparison: orders of about %.1f s may be missing, by the lag before the promotion; the last one in %s is %s", figure.Value/1000, c.Plan.Target.Name, there[0])
	return o, true, nil
}
