package dns

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// restoreUndo is how a restore is taken back.
const restoreUndo = "set Disabled and Inverted back to what they were: users leave the primary again"

// Restore lets the health check of the PRIMARY record say the truth again, in a run that
// leads to that Region: what a shift had set is set back. Route 53 gives a healthy primary
// out by itself.
type Restore struct{ *Shift }

// arriving are the names of the Region that a run leads to.
func arriving(p *runbook.Plan) (names, error) { return leaving(p.Turned()) }

// returns says that nothing would give the target out again: it is not the Region whose
// record is the primary, or its record hangs on no health check.
func returns(t runbook.Topology, source, target string) error {
	if target != t.Home {
		return leads(t, source, target)
	}
	return leads(t, target, source)
}

// Ready checks that users come back once the check says the truth: the records and checks
// do what is expected of them, and Route 53's checkers see the Region's own address well.
func (r Restore) Ready(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	g, err := r.compare(ctx, p.Turned())
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: g.evidence}
	if wrong := append(g.wrong, g.astray...); len(wrong) > 0 {
		o, _ = g.outcome(wrong)
		return o, false, nil
	}
	good, of, err := r.observed(ctx, p, g.names.EndpointCheck)
	if err != nil {
		return o, false, err
	}
	o.Evidence["checkers of the endpoint"] = fmt.Sprintf("%d of %d", good, of)
	if !healthy(good, of) {
		o.Summary = fmt.Sprintf("%d of %d of Route 53's checkers see %s well (check %s): users would not be sent there", good, of, p.Target.Name, g.names.EndpointCheck)
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%s: the PRIMARY record hangs on %s, and %d of %d of Route 53's checkers see %s well", g.names.record, g.names.HealthCheck, good, of, p.Target.Name)
	return o, true, nil
}

// healthy is Route 53's own judgement: more than 18 % of its checkers.
// https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
func healthy(good, of int) bool { return of > 0 && good*100 > of*18 }

// Look reports whether the check says the truth already.
func (r Restore) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	d, err := arriving(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	h, err := r.check(ctx, c.Plan, d.HealthCheck)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	was := flagsOf(h)
	o := engine.Outcome{Evidence: r.evidence(h), Before: was.String()}
	o.Summary = fmt.Sprintf("health check %s of %s is %s", d.HealthCheck, c.Plan.Target.Name, was)
	if was == (flags{}) {
		o.Summary += ": it says what its children say"
		return o, true, nil
	}
	if o.Prior, err = json.Marshal(recorded{d.HealthCheck, was}); err != nil {
		return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("write down what health check %s is: %w", d.HealthCheck, err)}
	}
	return o, false, nil
}

// Do sets both flags to false, at the version that was just read.
func (r Restore) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	d, err := arriving(c.Plan)
	if err != nil {
		return engine.Outcome{}, err
	}
	h, err := r.check(ctx, c.Plan, d.HealthCheck)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: r.evidence(h), Before: told(h)}
	if flagsOf(h) == (flags{}) {
		o.Summary = fmt.Sprintf("health check %s was %s already", d.HealthCheck, flags{})
		return o, nil
	}
	if err := r.set(ctx, c.Plan, h, flags{}, o.Evidence); err != nil {
		return o, fmt.Errorf("set health check %s to %s at version %d: %w", d.HealthCheck, flags{}, aws.ToInt64(h.HealthCheckVersion), err)
	}
	o.Summary = fmt.Sprintf("health check %s says the truth again: %s is given out as long as it is healthy", d.HealthCheck, c.Plan.Target.Name)
	return o, nil
}

// LookBack reports whether the check's flags are as they were before.
func (r Restore) LookBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	return r.lookBack(ctx, c, prior, flags{})
}

// Back sets both flags to what they were, at the version that was just read.
func (r Restore) Back(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, error) {
	return r.setBack(ctx, c, prior, flags{}, c.Plan.Target.Name+" is given to nobody")
}

// Effect says what would happen now.
func (r Restore) Effect(_ context.Context, c engine.Call) (incident.Effect, error) {
	p := c.Plan
	d, err := arriving(p)
	if err != nil {
		return incident.Effect{}, err
	}
	return incident.Effect{
		Step:  c.Step.ID,
		What:  fmt.Sprintf("UpdateHealthCheck %s, %s: %s resolves to %s", d.HealthCheck, flags{}, d.record, p.Target.Name),
		Undo:  restoreUndo,
		Bound: "restore " + d.HealthCheck + " for " + p.Target.Name,
	}, nil
}
