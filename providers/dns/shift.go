package dns

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Home is the Region in which Route 53's only control plane lives.
const Home = "us-east-1"

// shiftUndo is how a shift is taken back.
const shiftUndo = "set Disabled and Inverted back to false, once the old primary is really healthy"

// Shift makes the PRIMARY record's health check unhealthy for good: disabled and
// inverted. Disabled alone would make it healthy for good; inverted alone would
// turn healthy the moment the primary really fails; see
// https://docs.aws.amazon.com/Route53/latest/APIReference/API_UpdateHealthCheck.html .
type Shift struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
}

// NewShift returns the shift by Route 53's control plane.
func NewShift(config func(region string) aws.Config, reads *awserr.Reads) *Shift {
	return &Shift{config: config, reads: reads}
}

func (s *Shift) client() *route53.Client { return route53.NewFromConfig(s.config(Home)) }

func (s *Shift) reading(o *route53.Options) { o.Retryer = s.reads.Call() }

func (s *Shift) check(ctx context.Context, id string) (*types.HealthCheck, error) {
	out, err := s.client().GetHealthCheck(ctx, &route53.GetHealthCheckInput{HealthCheckId: aws.String(id)}, s.reading)
	if err != nil {
		return nil, fmt.Errorf("read health check %s: %w", id, awserr.SortRead(ctx, err))
	}
	if out.HealthCheck == nil || out.HealthCheck.HealthCheckConfig == nil {
		return nil, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("read health check %s: the answer is empty", id)}
	}
	return out.HealthCheck, nil
}

// flags are the two of a health check that a shift sets.
type flags struct {
	Disabled bool `json:"disabled"`
	Inverted bool `json:"inverted"`
}

// shifted are the flags of a check that is unhealthy for good.
var shifted = flags{Disabled: true, Inverted: true}

// String is "disabled=true inverted=true".
func (f flags) String() string { return fmt.Sprintf("disabled=%t inverted=%t", f.Disabled, f.Inverted) }

func flagsOf(h *types.HealthCheck) flags {
	return flags{aws.ToBool(h.HealthCheckConfig.Disabled), aws.ToBool(h.HealthCheckConfig.Inverted)}
}

func told(h *types.HealthCheck) string { return flagsOf(h).String() }

func (s *Shift) evidence(h *types.HealthCheck) map[string]string {
	return map[string]string{
		"health_check": aws.ToString(h.Id), "version": fmt.Sprint(aws.ToInt64(h.HealthCheckVersion)), "flags": told(h),
	}
}

// Look reports whether the check is disabled and inverted.
func (s *Shift) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	d, err := leaving(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	h, err := s.check(ctx, d.HealthCheck)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: s.evidence(h), Before: told(h)}
	was := flagsOf(h)
	o.Summary = fmt.Sprintf("the primary's health check %s is %s", aws.ToString(h.Id), was)
	if was == shifted {
		o.Summary += ": unhealthy whatever the primary does"
		return o, true, nil
	}
	if o.Prior, err = json.Marshal(recorded{d.HealthCheck, was}); err != nil {
		return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("write down what health check %s is: %w", d.HealthCheck, err)}
	}
	return o, false, nil
}

// Do sets both flags, at the version that was just read.
func (s *Shift) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	d, err := leaving(c.Plan)
	if err != nil {
		return engine.Outcome{}, err
	}
	id := d.HealthCheck
	h, err := s.check(ctx, id)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: s.evidence(h), Before: told(h)}
	if flagsOf(h) == shifted {
		o.Summary = fmt.Sprintf("the primary's health check %s was disabled and inverted already", id)
		return o, nil
	}
	if err := s.set(ctx, h, shifted, o.Evidence); err != nil {
		return o, fmt.Errorf("disable and invert health check %s at version %d: %w", id, aws.ToInt64(h.HealthCheckVersion), err)
	}
	o.Summary = fmt.Sprintf("health check %s is disabled and inverted: %s is given to nobody", id, c.Plan.Source.Name)
	return o, nil
}

// set writes both flags, once, if the check is still at the version that was read.
func (s *Shift) set(ctx context.Context, h *types.HealthCheck, to flags, evidence map[string]string) error {
	out, err := s.client().UpdateHealthCheck(ctx, &route53.UpdateHealthCheckInput{
		HealthCheckId: h.Id, HealthCheckVersion: h.HealthCheckVersion,
		Disabled: aws.Bool(to.Disabled), Inverted: aws.Bool(to.Inverted),
	}, func(o *route53.Options) { o.Retryer = awserr.Once() })
	if err != nil {
		return awserr.Sort(ctx, err)
	}
	if out.HealthCheck != nil {
		evidence["version_after"] = fmt.Sprint(aws.ToInt64(out.HealthCheck.HealthCheckVersion))
	}
	return nil
}

// recorded is what Look records of the check before a shift.
type recorded struct {
	HealthCheck string `json:"health_check"`
	flags
}

// back reads how a shifted check stands to what was recorded of it. It is a fault if
// somebody else changed it since.
func (s *Shift) back(ctx context.Context, c engine.Call, prior json.RawMessage) (was recorded, h *types.HealthCheck, err error) {
	if was, err = engine.Recorded[recorded](prior); err != nil {
		return was, nil, err
	}
	if h, err = s.check(ctx, was.HealthCheck); err != nil {
		return was, nil, err
	}
	if now := flagsOf(h); now != was.flags && now != shifted {
		return was, h, c.Meanwhile(engine.Difference{What: "health check " + was.HealthCheck, Now: now.String(), Set: shifted.String(), Was: was.String()})
	}
	return was, h, nil
}

// LookBack reports whether the check's flags are as they were before the shift.
func (s *Shift) LookBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	was, h, err := s.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: s.evidence(h)}
	o.Summary = fmt.Sprintf("health check %s is %s; it was %s", was.HealthCheck, told(h), was)
	return o, flagsOf(h) == was.flags, nil
}

// Back sets both flags to what they were, at the version that was just read.
func (s *Shift) Back(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, error) {
	was, h, err := s.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: s.evidence(h)}
	if flagsOf(h) == was.flags {
		o.Summary = fmt.Sprintf("health check %s was %s again already", was.HealthCheck, was)
		return o, nil
	}
	if err := s.set(ctx, h, was.flags, o.Evidence); err != nil {
		return o, fmt.Errorf("set health check %s back to %s at version %d: %w", was.HealthCheck, was, aws.ToInt64(h.HealthCheckVersion), err)
	}
	o.Summary = fmt.Sprintf("health check %s is %s again: %s is given out as long as it is healthy", was.HealthCheck, was, c.Plan.Source.Name)
	return o, nil
}

// Effect says what would happen now.
func (s *Shift) Effect(_ context.Context, c engine.Call) (incident.Effect, error) {
	p := c.Plan
	d, err := leaving(p)
	if err != nil {
		return incident.Effect{}, err
	}
	return incident.Effect{
		Step:  c.Step.ID,
		What:  fmt.Sprintf("UpdateHealthCheck %s, disabled and inverted: %s resolves to %s only", d.HealthCheck, d.record, p.Target.Name),
		Undo:  shiftUndo,
		Bound: "shift " + d.HealthCheck + " to " + p.Target.Name,
	}, nil
}

// Guard checks that moving users by the health check will do what it is meant to:
// the PRIMARY record hangs on the calculated check, that one counts the endpoint
// and the inverted takeover check and needs both, and the standby may be answered.
func (s *Shift) Guard(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	d, err := leaving(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	h, err := s.check(ctx, d.HealthCheck)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	takeover, err := s.check(ctx, d.TakeoverCheck)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	records, err := s.records(ctx, d)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: s.evidence(h)}
	o.Evidence["zone"], o.Evidence["record"] = d.Zone, d.record
	o.Evidence["children"] = strings.Join(h.HealthCheckConfig.ChildHealthChecks, " ")

	var wrong []string
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	children := h.HealthCheckConfig.ChildHealthChecks
	if h.HealthCheckConfig.Type != types.HealthCheckTypeCalculated {
		say("%s is of type %s, not calculated", d.HealthCheck, h.HealthCheckConfig.Type)
	}
	for what, id := range map[string]string{"endpoint": d.EndpointCheck, "takeover": d.TakeoverCheck} {
		if !slices.Contains(children, id) {
			say("it does not count the %s check %s", what, id)
		}
	}
	if n := aws.ToInt32(h.HealthCheckConfig.HealthThreshold); int(n) != len(children) {
		say("it needs %d of its %d children, not all", n, len(children))
	}
	if flagsOf(h) != (flags{}) {
		say("it is %s already", told(h))
	}
	if !flagsOf(takeover).Inverted {
		say("the takeover check %s is not inverted: the object's absence would move users", d.TakeoverCheck)
	}
	wrong = append(wrong, s.wrongRecords(ctx, d, records, o.Evidence)...)
	if len(wrong) > 0 {
		slices.Sort(wrong)
		o.Summary = fmt.Sprintf("the failover records of %s would not move users: %s", d.record, strings.Join(wrong, "; "))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%s: the PRIMARY record hangs on %s, which needs the endpoint and the takeover check; the standby may be answered", d.record, d.HealthCheck)
	return o, true, nil
}

func (s *Shift) wrongRecords(ctx context.Context, d names, records []types.ResourceRecordSet, evidence map[string]string) []string {
	var wrong []string
	seen := map[types.ResourceRecordSetFailover]bool{}
	for _, r := range records {
		seen[r.Failover] = true
		what := fmt.Sprintf("%s %s record", r.Failover, r.Type)
		if r.AliasTarget == nil || !r.AliasTarget.EvaluateTargetHealth {
			wrong = append(wrong, "the "+what+" does not evaluate its target's health")
		}
		id := aws.ToString(r.HealthCheckId)
		switch r.Failover {
		case types.ResourceRecordSetFailoverPrimary:
			if id != d.HealthCheck {
				wrong = append(wrong, fmt.Sprintf("the %s hangs on %s, not on %s", what, orNothing(id), d.HealthCheck))
			}
		case types.ResourceRecordSetFailoverSecondary:
			// Without a check of its own it is judged by its targets, which the
			// readiness of the load balancer covers.
			if id == "" {
				continue
			}
			bad, note, err := s.unhealthy(ctx, id)
			evidence["standby_check"] = id + ": " + note
			switch {
			case err != nil:
				wrong = append(wrong, fmt.Sprintf("the %s's check %s could not be read: %v", what, id, err))
			case bad:
				wrong = append(wrong, fmt.Sprintf("the %s's check %s is unhealthy (%s): everybody would be sent back to the primary", what, id, note))
			}
		}
	}
	for _, f := range []types.ResourceRecordSetFailover{types.ResourceRecordSetFailoverPrimary, types.ResourceRecordSetFailoverSecondary} {
		if !seen[f] {
			wrong = append(wrong, fmt.Sprintf("there is no %s record", f))
		}
	}
	return wrong
}

// unhealthy asks Route 53's checkers about an endpoint check. More than 18 % of
// them have to see it healthy.
func (s *Shift) unhealthy(ctx context.Context, id string) (bool, string, error) {
	h, err := s.check(ctx, id)
	if err != nil {
		return false, "", err
	}
	f := flagsOf(h)
	if f.Disabled {
		return f.Inverted, told(h), nil
	}
	if h.HealthCheckConfig.Type == types.HealthCheckTypeCalculated {
		return false, "calculated, not told by Route 53's API", nil
	}
	out, err := s.client().GetHealthCheckStatus(ctx, &route53.GetHealthCheckStatusInput{HealthCheckId: aws.String(id)}, s.reading)
	if err != nil {
		return false, "", fmt.Errorf("read the status of health check %s: %w", id, awserr.SortRead(ctx, err))
	}
	good := 0
	for _, ob := range out.HealthCheckObservations {
		if ob.StatusReport != nil && strings.HasPrefix(aws.ToString(ob.StatusReport.Status), "Success") {
			good++
		}
	}
	n := len(out.HealthCheckObservations)
	healthy := n > 0 && good*100 > n*18
	return healthy == f.Inverted, fmt.Sprintf("%d of %d checkers see success", good, n), nil
}

// records are the failover records of the platform's name.
func (s *Shift) records(ctx context.Context, d names) ([]types.ResourceRecordSet, error) {
	out, err := s.client().ListResourceRecordSets(ctx, &route53.ListResourceRecordSetsInput{
		HostedZoneId: aws.String(d.Zone), StartRecordName: aws.String(d.record), MaxItems: aws.Int32(100),
	}, s.reading)
	if err != nil {
		return nil, fmt.Errorf("list the records of %s: %w", d.record, awserr.SortRead(ctx, err))
	}
	var found []types.ResourceRecordSet
	for _, r := range out.ResourceRecordSets {
		same := strings.EqualFold(strings.TrimSuffix(aws.ToString(r.Name), "."), strings.TrimSuffix(d.record, "."))
		if same && r.Failover != "" && (r.Type == types.RRTypeA || r.Type == types.RRTypeAaaa) {
			found = append(found, r)
		}
	}
	return found, nil
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
