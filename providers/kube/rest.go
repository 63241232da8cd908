package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
)

// Rest brings a service of the Region that was left to the size that it has in a standby:
// its autoscaler's minimum first, or that would scale it up again, then its Deployment.
// What was stopped because it writes runs again with that, for the Region serves nobody.
type Rest struct{ *Kube }

// RestInput is the input of Rest.
type RestInput struct {
	// Service is the Deployment's name.
	Service string `yaml:"service" json:"service"`
	// Replicas that it has in a standby.
	Replicas int `yaml:"replicas" json:"replicas"`
}

// size reads how large the service is in the Region that was left.
func (r Rest) size(ctx context.Context, c engine.Call) (*size, error) {
	var in RestInput
	if err := c.With(&in); err != nil {
		return nil, err
	}
	if in.Service == "" || in.Replicas < 1 {
		return nil, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("leave %q at %d replicas: that is no size", in.Service, in.Replicas),
			Hint: "give a service, and at least 1 replica",
		}
	}
	client, source, err := r.in(c.Plan, c.Plan.Source)
	if err != nil {
		return nil, err
	}
	z := &size{client: client, target: source, wanted: in.Replicas}
	if z.deployment, err = r.Kube.deployment(ctx, client, source, in.Service); err != nil {
		return nil, err
	}
	z.autoscaler, err = r.Kube.autoscaler(ctx, client, source, in.Service)
	return z, err
}

func (z *size) minimumOff() bool { return z.autoscaler != nil && minimum(z.autoscaler) != z.wanted }

func (z *size) replicasOff() bool { return replicas(z.deployment) != z.wanted }

// Look reports whether both are as in a standby already.
func (r Rest) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	z, err := r.size(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: z.evidence(), Before: z.told()}
	o.Summary = fmt.Sprintf("%s in %s is set to %s, as a standby it has %d", z.deployment.Name, z.target.Name, z.told(), z.wanted)
	if !z.minimumOff() && !z.replicasOff() {
		return o, true, nil
	}
	was := scaled{Service: z.deployment.Name, Replicas: number{replicas(z.deployment), z.wanted}}
	if h := z.autoscaler; h != nil {
		was.Autoscaler, was.Minimum = h.Name, number{minimum(h), z.wanted}
	}
	if o.Prior, err = json.Marshal(was); err != nil {
		return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("write down how large %s is: %w", was.Service, err)}
	}
	return o, false, nil
}

// Do sends what is not yet so.
func (r Rest) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	z, err := r.size(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: z.evidence(), Before: z.told()}
	var sent []string
	if z.minimumOff() {
		h := z.autoscaler
		if err := setMinimum(ctx, z.client, z.target, h, z.wanted); err != nil {
			return o, fmt.Errorf("set the minimum of autoscaler %s in %s to %d: %w", h.Name, z.target.Name, z.wanted, err)
		}
		sent = append(sent, fmt.Sprintf("autoscaler minimum %d -> %d", minimum(h), z.wanted))
	}
	if z.replicasOff() {
		if err := setReplicas(ctx, z.client, z.target, z.deployment, z.wanted); err != nil {
			return o, fmt.Errorf("scale %s in %s to %d: %w", z.deployment.Name, z.target.Name, z.wanted, err)
		}
		sent = append(sent, fmt.Sprintf("replicas %d -> %d", replicas(z.deployment), z.wanted))
	}
	if len(sent) == 0 {
		o.Summary = fmt.Sprintf("%s in %s was at %s already", z.deployment.Name, z.target.Name, z.told())
		return o, nil
	}
	o.Summary = fmt.Sprintf("%s in %s: %s", z.deployment.Name, z.target.Name, strings.Join(sent, ", "))
	return o, nil
}

// LookBack reports whether the service is as large as before, as that of a scale does.
func (r Rest) LookBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	c.Plan = c.Plan.Turned()
	return Scale(r).LookBack(ctx, c, prior)
}

// Back brings it back to that size.
func (r Rest) Back(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, error) {
	c.Plan = c.Plan.Turned()
	return Scale(r).Back(ctx, c, prior)
}

// Settled reports whether as many run as before.
func (r Rest) Settled(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	c.Plan = c.Plan.Turned()
	return Scale(r).Settled(ctx, c, prior)
}

// Effect says what would happen now.
func (r Rest) Effect(ctx context.Context, c engine.Call) (incident.Effect, error) {
	z, err := r.size(ctx, c)
	if err != nil {
		return incident.Effect{}, err
	}
	return incident.Effect{
		Step: c.Step.ID, Undo: scaleUndo,
		What:  fmt.Sprintf("leave %s in %s at %d (now %s)", z.deployment.Name, z.target.Name, z.wanted, z.told()),
		Bound: fmt.Sprintf("rest %s/%s at %d", z.target.Name, z.deployment.Name, z.wanted),
	}, nil
}
