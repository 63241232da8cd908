package arc

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
)

// shiftUndo is how a shift is taken back.
const shiftUndo = "set both routing controls to the states that were recorded, in one batch, once the old Region is really healthy"

// took is the evidence under which stands in which Region the endpoint lies that answered.
const took = "endpoint"

// wanted are the states that send users to the target alone.
func (k *cluster) wanted() states { return states{k.source.arn: Off, k.target.arn: On} }

// told are states for people: "us-east-1 Off, us-west-2 On".
func (k *cluster) told(s states) string {
	return fmt.Sprintf("%s %s, %s %s", k.source.region, s[k.source.arn], k.target.region, s[k.target.arn])
}

func (k *cluster) outcome(s states, e endpoint) engine.Outcome {
	o := engine.Outcome{Evidence: map[string]string{k.source.region: k.source.arn, k.target.region: k.target.arn}}
	if s != nil {
		o.Evidence["states"] = k.told(s)
	}
	if e.region != "" {
		o.Evidence[took] = e.region
	}
	return o
}

// recorded is what Look records before a shift, each side by its Region.
type recorded map[string]kept

// kept is a control as it was, and what the shift makes of it.
type kept struct {
	RoutingControl string `json:"routing_control"`
	Was            State  `json:"was"`
	Set            State  `json:"set"`
}

// Look reports whether the control of the Region that is left is Off and the target's On.
func (a *ARC) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	k, err := a.cluster(c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	now, e, err := k.read(ctx)
	if err != nil {
		return k.outcome(nil, e), false, err
	}
	o := k.outcome(now, e)
	o.Before = k.told(now)
	o.Summary = fmt.Sprintf("the routing controls are %s, by the endpoint in %s", k.told(now), e.region)
	if maps.Equal(now, k.wanted()) {
		return o, true, nil
	}
	prior := recorded{}
	for _, s := range []side{k.source, k.target} {
		prior[s.region] = kept{s.arn, now[s.arn], k.wanted()[s.arn]}
	}
	if o.Prior, err = json.Marshal(prior); err != nil {
		return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("write down the routing controls: %w", err)}
	}
	return o, false, nil
}

// Do sets both controls in one batch. It does not wait; ReadBack does.
func (a *ARC) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	k, err := a.cluster(c)
	if err != nil {
		return engine.Outcome{}, err
	}
	e, err := k.set(ctx, k.wanted())
	if err != nil {
		return k.outcome(nil, e), fmt.Errorf("turn the routing control of %s off and that of %s on: %w", k.source.region, k.target.region, err)
	}
	o := k.outcome(k.wanted(), e)
	o.Summary = fmt.Sprintf("the routing controls were set: %s, by the endpoint in %s", k.told(k.wanted()), e.region)
	return o, nil
}

// back reads how the controls stand to what was recorded of them. It is a fault if somebody
// else set them since.
func (a *ARC) back(ctx context.Context, c engine.Call, prior json.RawMessage) (k *cluster, was, now states, e endpoint, err error) {
	r, err := engine.Recorded[recorded](prior)
	if err != nil {
		return nil, nil, nil, e, err
	}
	if k, err = a.cluster(c); err != nil {
		return nil, nil, nil, e, err
	}
	was, set := states{}, states{}
	for _, s := range []*side{&k.source, &k.target} {
		one, ok := r[s.region]
		if !ok {
			return nil, nil, nil, e, &incident.CallError{
				NeedsPerson: true, Definite: true, Err: fmt.Errorf("what was recorded of the routing controls says nothing of %s: %s", s.region, prior),
				Hint: "set the routing controls by hand",
			}
		}
		s.arn = one.RoutingControl
		was[s.arn], set[s.arn] = one.Was, one.Set
	}
	if now, e, err = k.read(ctx); err != nil {
		return nil, nil, nil, e, err
	}
	if !maps.Equal(now, was) && !maps.Equal(now, set) {
		err = c.Meanwhile(engine.Difference{What: "the pair of routing controls", Now: k.told(now), Set: k.told(set), Was: k.told(was)})
	}
	return k, was, now, e, err
}

// LookBack reports whether the controls are as they were before.
func (a *ARC) LookBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	k, was, now, e, err := a.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := k.outcome(now, e)
	o.Summary = fmt.Sprintf("the routing controls are %s; they were %s", k.told(now), k.told(was))
	return o, maps.Equal(now, was), nil
}

// Back sets both controls to what they were, in one batch.
func (a *ARC) Back(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, error) {
	k, was, now, e, err := a.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, err
	}
	if maps.Equal(now, was) {
		o := k.outcome(now, e)
		o.Summary = fmt.Sprintf("the routing controls were %s again already", k.told(was))
		return o, nil
	}
	if e, err = k.set(ctx, was); err != nil {
		return k.outcome(now, e), fmt.Errorf("set the routing controls back to %s: %w", k.told(was), err)
	}
	o := k.outcome(was, e)
	o.Summary = fmt.Sprintf("the routing controls are %s again, by the endpoint in %s", k.told(was), e.region)
	return o, nil
}

// Effect says what would happen now.
func (a *ARC) Effect(_ context.Context, c engine.Call) (incident.Effect, error) {
	k, err := a.cluster(c)
	if err != nil {
		return incident.Effect{}, err
	}
	return incident.Effect{
		Step: c.Step.ID,
		What: fmt.Sprintf("UpdateRoutingControlStates, both in one batch: %s off (%s), %s on (%s); %s resolves to %s only",
			short(k.source.arn), k.source.region, short(k.target.arn), k.target.region, c.Plan.Topology.Record, k.target.region),
		Undo:  shiftUndo,
		Bound: "routing control " + k.source.arn + " off, " + k.target.arn + " on",
	}, nil
}
