package dns

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Restore sets both flags of one health check of the Region that a run leads to, by version,
// where Route 53's API can be asked. Route 53 gives a healthy primary out by itself.
type Restore struct {
	*Shift
	arrival
}

// arrival is what is set, and its words for people.
type arrival struct {
	// what the check is called, and which of a Region's checks it is.
	what string
	of   func(Checks) string
	to   flags
	// so says what it means that the flags stand like that; %s is the target. comesTo is
	// what it comes to when they are set back.
	so, comesTo string
	// undo is how it is taken back.
	undo string
	// needless says that there is nothing to set, as the takeover check stands.
	needless func(takeover flags) bool
}

// The three that are set on the way to the Region whose record is the primary.
//
// The takeover object lies in the Region that is left, and that Region may be lost: then
// nobody can delete it, the check does not see it, and counts as healthy for it is inverted.
// When that Region comes back the check sees the object again, and users would be sent away
// from a Region that serves them. Disabled and not inverted the check is healthy for good, and
// the record's own check goes on to follow the endpoint. Once the object is gone the check is
// to be heeded again, or the next takeover would be seen by nobody.
var (
	// truth: what a shift had set is set back.
	truth = arrival{
		what: "health check", of: func(c Checks) string { return c.HealthCheck }, to: flags{},
		so: "it says what its children say, and %s is given out as long as it is healthy", comesTo: "%s is given to nobody",
		undo: "set Disabled and Inverted back to what they were: users leave the primary again",
	}
	ignored = arrival{
		what: "takeover check", of: func(c Checks) string { return c.TakeoverCheck }, to: ignoring,
		so: "no takeover object keeps users from %s, whoever can read it", comesTo: "a takeover object keeps users from %s again",
		undo: "set Disabled and Inverted back to what they were: with the takeover object still there users leave the primary again",
	}
	// A check that looks again knows nothing yet, and an inverted one counts as unhealthy
	// until it does: users would leave a Region that serves them. Meanwhile the record's own
	// check is healthy whatever its children say.
	shielded = arrival{
		what: "health check", of: func(c Checks) string { return c.HealthCheck }, to: flags{Disabled: true},
		so: "%s is given out while its takeover check begins to look again", comesTo: "%s is given out as its children say",
		undo:     "set Disabled and Inverted back to what they were",
		needless: func(takeover flags) bool { return takeover == heeding },
	}
	heeded = arrival{
		what: "takeover check", of: func(c Checks) string { return c.TakeoverCheck }, to: heeding,
		so: "a takeover object would keep users from %s, as it should", comesTo: "no takeover object keeps users from %s",
		undo: "set Disabled and Inverted back to what they were",
	}
)

var (
	// ignoring are the flags of a takeover check that is healthy for good: checking stops, and
	// what counts as healthy is not turned round.
	ignoring = flags{Disabled: true}
	// heeding are those of one that is unhealthy while the object is there.
	heeding = flags{Inverted: true}
)

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

// flees says beside [returns] that nothing would give the target out again once the source is
// lost: Route 53's only API lives there.
func flees(t runbook.Topology, source, target string) error {
	if err := returns(t, source, target); err != nil {
		return err
	}
	if controlPlanes[strict.Partition(source)] == source {
		return fmt.Errorf("Route 53's API lives in %s, so once that is lost no health check can be set: Route 53 gives %s out by itself while %s does not answer, and strategy %s under dns moves users without that API", source, target, source, ByControl)
	}
	return nil
}

// Ready checks that users come back once the check says the truth: the records and checks
// do what is expected of them, and Route 53's checkers see the Region's own address well.
//
// In an unplanned run the Region that is left is asked nothing, and where Route 53's API
// cannot be asked it says so and passes: while the other Region is down the primary is given
// out by itself.
func (r Restore) Ready(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	if p.Mode == "unplanned" {
		bounded, stop := c.Clock.WithTimeout(ctx, comparing, fmt.Errorf("no answer within %s", comparing))
		defer stop()
		o, ok, err := r.ready(bounded, p)
		switch {
		case ctx.Err() != nil:
			return engine.Outcome{}, false, context.Cause(ctx)
		case err == nil, awserr.Missing(err):
			return o, ok, err
		}
		if _, err := arriving(p); err != nil {
			return engine.Outcome{}, false, err
		}
		o = engine.Outcome{Measured: incident.Measured{Verdict: incident.Unsure}, Evidence: map[string]string{"record": p.Topology.Record, "error": err.Error()}}
		o.Summary = fmt.Sprintf("not compared: Route 53's API could not be asked what keeps users from %s. While %s does not answer, Route 53 gives %s out by itself", p.Target.Name, p.Source.Name, p.Target.Name)
		return o, true, nil
	}
	return r.ready(ctx, p)
}

func (r Restore) ready(ctx context.Context, p *runbook.Plan) (engine.Outcome, bool, error) {
	g, err := r.compare(ctx, p.Turned(), homeward(p))
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

// standing is the check that is set in a run, as it stands.
func (r Restore) standing(ctx context.Context, p *runbook.Plan) (id string, h *types.HealthCheck, err error) {
	d, err := arriving(p)
	if err != nil {
		return "", nil, err
	}
	h, err = r.check(ctx, p, r.of(d.Checks))
	return r.of(d.Checks), h, err
}

// Look reports whether the flags stand as they should already.
func (r Restore) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	id, h, err := r.standing(ctx, c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	if done, o, err := r.settled(ctx, c.Plan); done || err != nil {
		return o, done, err
	}
	was := flagsOf(h)
	o := engine.Outcome{Evidence: r.evidence(h), Before: was.String()}
	o.Summary = fmt.Sprintf("%s %s of %s is %s", r.what, id, c.Plan.Target.Name, was)
	if was == r.to {
		o.Summary += ": " + fmt.Sprintf(r.so, c.Plan.Target.Name)
		return o, true, nil
	}
	if o.Prior, err = json.Marshal(recorded{id, was}); err != nil {
		return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("write down what health check %s is: %w", id, err)}
	}
	return o, false, nil
}

// settled says that there is nothing to set, as the takeover check stands.
func (r Restore) settled(ctx context.Context, p *runbook.Plan) (bool, engine.Outcome, error) {
	if r.needless == nil {
		return false, engine.Outcome{}, nil
	}
	d, err := arriving(p)
	if err != nil {
		return false, engine.Outcome{}, err
	}
	h, err := r.check(ctx, p, d.TakeoverCheck)
	if err != nil || !r.needless(flagsOf(h)) {
		return false, engine.Outcome{}, err
	}
	return true, engine.Outcome{
		Summary:  fmt.Sprintf("takeover check %s is %s: it looks for the takeover object already", d.TakeoverCheck, flagsOf(h)),
		Evidence: r.evidence(h),
	}, nil
}

// settling is how long after its checkers began to look again a check may still be believed to
// be as it was, beside the looks that it wants in a row.
const settling = 30 * time.Second

// Unseen waits until a takeover check that looks again is believed not to see the object. Where
// the record's own check is not held healthy meanwhile, nothing began to look again.
func (r Restore) Unseen(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	d, err := arriving(p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	own, err := r.check(ctx, p, d.HealthCheck)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: r.evidence(own)}
	if flagsOf(own) != shielded.to {
		o.Summary = fmt.Sprintf("takeover check %s has looked for the takeover object all the time", d.TakeoverCheck)
		return o, true, nil
	}
	takeover, err := r.check(ctx, p, d.TakeoverCheck)
	if err != nil {
		return o, false, err
	}
	seen, of, err := r.observed(ctx, p, d.TakeoverCheck)
	if err != nil {
		return o, false, err
	}
	cfg := takeover.HealthCheckConfig
	least := time.Duration(looks(cfg)*cmp.Or(aws.ToInt32(cfg.RequestInterval), slowSeconds))*time.Second + settling
	looked := c.Clock.Now().Sub(c.Began)
	o.Evidence["checkers"] = fmt.Sprintf("%d of %d", seen, of)
	o.Summary = fmt.Sprintf("%d of %d of Route 53's checkers see the takeover object since takeover check %s looks again", seen, of, d.TakeoverCheck)
	if healthy(seen, of) || of == 0 {
		return o, false, nil
	}
	if looked < least {
		o.Summary += fmt.Sprintf("; that is believed after %s", least)
		return o, false, nil
	}
	return o, true, nil
}

// Do sets both flags, at the version that was just read.
func (r Restore) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	id, h, err := r.standing(ctx, c.Plan)
	if err != nil {
		return engine.Outcome{}, err
	}
	if done, o, err := r.settled(ctx, c.Plan); done || err != nil {
		return o, err
	}
	o := engine.Outcome{Evidence: r.evidence(h), Before: told(h)}
	if flagsOf(h) == r.to {
		o.Summary = fmt.Sprintf("%s %s was %s already", r.what, id, r.to)
		return o, nil
	}
	if err := r.set(ctx, c.Plan, h, r.to, o.Evidence); err != nil {
		return o, fmt.Errorf("set %s %s to %s at version %d: %w", r.what, id, r.to, aws.ToInt64(h.HealthCheckVersion), err)
	}
	o.Summary = fmt.Sprintf("%s %s is %s: %s", r.what, id, r.to, fmt.Sprintf(r.so, c.Plan.Target.Name))
	return o, nil
}

// LookBack reports whether the check's flags are as they were before.
func (r Restore) LookBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	return r.lookBack(ctx, c, prior, r.to)
}

// Back sets both flags to what they were, at the version that was just read.
func (r Restore) Back(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, error) {
	return r.setBack(ctx, c, prior, r.to, fmt.Sprintf(r.comesTo, c.Plan.Target.Name))
}

// Effect says what would happen now.
func (r Restore) Effect(_ context.Context, c engine.Call) (incident.Effect, error) {
	p := c.Plan
	d, err := arriving(p)
	if err != nil {
		return incident.Effect{}, err
	}
	id := r.of(d.Checks)
	return incident.Effect{
		Step:  c.Step.ID,
		What:  fmt.Sprintf("UpdateHealthCheck %s, %s: %s", id, r.to, fmt.Sprintf(r.so, p.Target.Name)),
		Undo:  r.undo,
		Bound: fmt.Sprintf("set %s to %s for %s", id, r.to, p.Target.Name),
	}, nil
}

// briefly is how long the Region that was left may take to say what lies in its bucket.
const briefly = 5 * time.Second

// Left watches what is left to do after a run that had the takeover object ignored: the object
// goes once its Region can be reached, and then the check is heeded again. Until then the next
// takeover would be seen by nobody. The object's Region may be lost; then that is said.
func (r Restore) Left(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	id, h, err := r.standing(ctx, p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	asked, stop := c.Clock.WithTimeout(ctx, briefly, fmt.Errorf("no answer within %s", briefly))
	defer stop()
	object, unread := r.lever.There(asked, p.Topology, p.Source)
	if ctx.Err() != nil {
		return engine.Outcome{}, false, context.Cause(ctx)
	}
	o := engine.Outcome{Evidence: r.evidence(h), Measured: incident.Measured{Verdict: incident.Pass, AsOf: c.Clock.Now()}}
	lies := "no takeover object is left in " + p.Source.Name
	switch {
	case unread != nil:
		lies = fmt.Sprintf("whether one is left in %s cannot be read while that does not answer", p.Source.Name)
		o.Evidence["error"] = unread.Error()
	case object != "":
		lies = object + " is left"
		o.Evidence["object"] = object
	}
	switch f := flagsOf(h); {
	case f == heeding && object != "":
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("%s and the takeover check %s heeds it: users are kept from %s. Delete it", lies, id, p.Target.Name)
	case f == heeding:
		o.Summary = fmt.Sprintf("the takeover check %s heeds the takeover object, as it should; %s", id, lies)
	default:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("the takeover check %s is %s, so the next takeover by %s would be seen by nobody; %s. Once %s answers a failback to %s puts both right", id, f, p.Source.Name, lies, p.Source.Name, p.Target.Name)
	}
	o.State = o.Summary
	return o, o.Measured.Verdict == incident.Pass, nil
}
