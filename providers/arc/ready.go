package arc

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
)

// enough is how many endpoints have to answer: one that takes a change, and another at
// which it is read back.
const enough = 2

// Ready checks that both controls can be read from enough endpoints, which say the same, and
// that the control of the Region that is left is the one that is On. All endpoints are asked
// at once; an unplanned run asks nothing of the Region that is left.
func (a *ARC) Ready(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	k, err := a.cluster(c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	all := k
	if c.Plan.Mode == "unplanned" {
		all = k.without(k.source.region)
	}
	said, faults := make([]states, len(all.endpoints)), make([]error, len(all.endpoints))
	incident.Together(c.Clock, len(all.endpoints), func(i int) { said[i], faults[i] = k.at(ctx, all.endpoints[i]) })
	o := k.outcome(nil, endpoint{})
	o.Measured.AsOf = c.Clock.Now()
	var t tries
	var away []string
	first := states(nil)
	differs := map[string][]string{} // what is told -> the Regions of the endpoints
	for i, e := range all.endpoints {
		if faults[i] != nil {
			if t.add(ctx, faults[i]) {
				return o, false, t.err("")
			}
			away = append(away, e.region)
			o.Evidence["endpoint in "+e.region] = faults[i].Error()
			continue
		}
		if first == nil {
			first = said[i]
		}
		o.Evidence["endpoint in "+e.region] = k.told(said[i])
		differs[k.told(said[i])] = append(differs[k.told(said[i])], e.region)
	}
	answered, limit := len(all.endpoints)-len(away), float64(enough)
	if answered == 0 {
		return o, false, t.err("no endpoint of the cluster tells how the routing controls are")
	}
	slices.Sort(away)
	o.Measured.Figures = []incident.Figure{{Name: "endpoints that answer", Value: float64(answered), Limit: &limit}}
	switch is := k.told(first); {
	case len(differs) > 1:
		var each []string
		for _, told := range slices.Sorted(maps.Keys(differs)) {
			slices.Sort(differs[told])
			each = append(each, fmt.Sprintf("%s (by %s)", told, text.List(differs[told], "and")))
		}
		o.Summary = "the endpoints of the cluster disagree on the routing controls: " + text.List(each, "and") + "; look again in some seconds"
		return o, false, nil
	case answered < enough:
		o.Summary = fmt.Sprintf("the routing controls are %s by one endpoint alone, and a change has to be read back from another: no answer from %s", is, text.List(away, "and"))
		return o, false, nil
	case maps.Equal(first, states{k.source.arn: Off, k.target.arn: On}):
		o.Summary = fmt.Sprintf("users are being sent to %s already: the routing controls are %s", k.target.region, is)
		return o, false, nil
	case !maps.Equal(first, states{k.source.arn: On, k.target.arn: Off}):
		o.Summary = fmt.Sprintf("the routing controls are %s, and the one of %s alone should be On: users may be sent to a Region that does not take orders", is, k.source.region)
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("the routing controls are %s, by %s", k.told(first), text.Count(answered, "endpoint"))
	if len(away) > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary += fmt.Sprintf(" of %d: no answer from %s", len(all.endpoints), text.List(away, "and"))
	}
	return o, true, nil
}

// ReadBack waits until an endpoint of the cluster other than the one that took the states
// tells them, too. Where no other answers, the one that took them is believed, and that is
// said.
func (a *ARC) ReadBack(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	k, err := a.cluster(c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	by := c.Left(shiftAction, took) // the Region of the endpoint that took the states
	now, e, err := k.without(by).read(ctx)
	var alone string
	if err != nil {
		i := slices.IndexFunc(k.endpoints, func(e endpoint) bool { return e.region == by })
		if i < 0 {
			return k.outcome(nil, e), false, err
		}
		own, fault := k.at(ctx, k.endpoints[i])
		if fault != nil {
			return k.outcome(nil, e), false, err
		}
		now, e, alone = own, k.endpoints[i], "; no other endpoint answers"
	}
	o := k.outcome(now, e)
	o.Summary = fmt.Sprintf("the routing controls are %s, by the endpoint in %s%s", k.told(now), e.region, alone)
	if !maps.Equal(now, k.wanted()) {
		return o, false, nil
	}
	if alone != "" {
		o.Measured.Verdict = incident.Warn
	}
	return o, true, nil
}
