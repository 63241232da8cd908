package dns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Home is the Region in which Route 53's only control plane lives, where the platform is
// in AWS' commercial partition.
const Home = "us-east-1"

// controlPlanes are the Regions of Route 53's control planes: each partition has one of
// its own, which knows nothing of the zones of another. What is missing here is refused
// by the settings. The SDK turns the Region into the endpoint:
// https://docs.aws.amazon.com/general/latest/gr/r53.html
var controlPlanes = map[string]string{
	"aws": Home, "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-northwest-1", "aws-eusc": "eusc-de-east-1",
}

// shiftUndo is how a shift is taken back.
const shiftUndo = "set Disabled and Inverted back to false, once the old primary is really healthy"

// Shift makes the PRIMARY record's health check unhealthy for good: disabled and
// inverted. Disabled alone would make it healthy for good; inverted alone would
// turn healthy the moment the primary really fails; see
// https://docs.aws.amazon.com/Route53/latest/APIReference/API_UpdateHealthCheck.html .
type Shift struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
	lever  Lever
}

// NewShift returns the shift by Route 53's control plane.
func NewShift(config func(region string) aws.Config, reads *awserr.Reads, lever Lever) *Shift {
	return &Shift{config: config, reads: reads, lever: lever}
}

// client is that of the control plane of a run's partition.
func (s *Shift) client(p *runbook.Plan) (*route53.Client, error) {
	partition := p.Target.Partition()
	home, ok := controlPlanes[partition]
	if !ok {
		return nil, &incident.CallError{NeedsPerson: true, Err: errors.New(unknownPartition(partition)), Hint: "move users by hand"}
	}
	return route53.NewFromConfig(s.config(home)), nil
}

func unknownPartition(partition string) string {
	return fmt.Sprintf("where Route 53's API lives in partition %s is not known to this bot: it knows %s", partition, strings.Join(slices.Sorted(maps.Keys(controlPlanes)), ", "))
}

func (s *Shift) reading(o *route53.Options) { o.Retryer = s.reads.Call() }

func (s *Shift) check(ctx context.Context, p *runbook.Plan, id string) (*types.HealthCheck, error) {
	client, err := s.client(p)
	if err != nil {
		return nil, err
	}
	out, err := client.GetHealthCheck(ctx, &route53.GetHealthCheckInput{HealthCheckId: aws.String(id)}, s.reading)
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
	h, err := s.check(ctx, c.Plan, d.HealthCheck)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: s.evidence(h), Before: told(h)}
	was := flagsOf(h)
	o.Summary = fmt.Sprintf("the primary's health check %s is %s", aws.ToString(h.Id), was)
	if err := s.takesUsers(ctx, c.Plan); err != nil {
		return o, false, err
	}
	if was == shifted {
		o.Summary += ": unhealthy whatever the primary does"
		return o, true, nil
	}
	if o.Prior, err = json.Marshal(recorded{d.HealthCheck, was}); err != nil {
		return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("write down what health check %s is: %w", d.HealthCheck, err)}
	}
	return o, false, nil
}

// takesUsers refuses a target that is itself kept from users, by a shift the other way:
// Route 53 would give the PRIMARY out whatever its check says.
func (s *Shift) takesUsers(ctx context.Context, p *runbook.Plan) error {
	settings, err := settingsOf(p.Topology)
	if err != nil {
		return err
	}
	own, ok := settings.Regions[p.Target.Name]
	if !ok {
		return nil
	}
	h, err := s.check(ctx, p, own.HealthCheck)
	if err != nil {
		return err
	}
	if flagsOf(h) == shifted {
		return &incident.CallError{
			NeedsPerson: true, Definite: true,
			Err:  fmt.Errorf("the check of %s's record %s is %s: nobody would be sent there", p.Target.Name, own.HealthCheck, told(h)),
			Hint: "set Disabled and Inverted of that check back to false",
		}
	}
	return nil
}

// Do sets both flags, at the version that was just read.
func (s *Shift) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	d, err := leaving(c.Plan)
	if err != nil {
		return engine.Outcome{}, err
	}
	id := d.HealthCheck
	h, err := s.check(ctx, c.Plan, id)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: s.evidence(h), Before: told(h)}
	if err := s.takesUsers(ctx, c.Plan); err != nil {
		return o, err
	}
	if flagsOf(h) == shifted {
		o.Summary = fmt.Sprintf("the primary's health check %s was disabled and inverted already", id)
		return o, nil
	}
	if err := s.set(ctx, c.Plan, h, shifted, o.Evidence); err != nil {
		return o, fmt.Errorf("disable and invert health check %s at version %d: %w", id, aws.ToInt64(h.HealthCheckVersion), err)
	}
	o.Summary = fmt.Sprintf("health check %s is disabled and inverted: %s is given to nobody", id, c.Plan.Source.Name)
	return o, nil
}

// set writes both flags, once, if the check is still at the version that was read.
func (s *Shift) set(ctx context.Context, p *runbook.Plan, h *types.HealthCheck, to flags, evidence map[string]string) error {
	client, err := s.client(p)
	if err != nil {
		return err
	}
	out, err := client.UpdateHealthCheck(ctx, &route53.UpdateHealthCheckInput{
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

// back reads how a check that was given these flags stands to what was recorded of it. It
// is a fault if somebody else changed it since.
func (s *Shift) back(ctx context.Context, c engine.Call, prior json.RawMessage, set flags) (was recorded, h *types.HealthCheck, err error) {
	if was, err = engine.Recorded[recorded](prior); err != nil {
		return was, nil, err
	}
	if h, err = s.check(ctx, c.Plan, was.HealthCheck); err != nil {
		return was, nil, err
	}
	if now := flagsOf(h); now != was.flags && now != set {
		return was, h, c.Meanwhile(engine.Difference{What: "health check " + was.HealthCheck, Now: now.String(), Set: set.String(), Was: was.String()})
	}
	return was, h, nil
}

// LookBack reports whether the check's flags are as they were before the shift.
func (s *Shift) LookBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	return s.lookBack(ctx, c, prior, shifted)
}

func (s *Shift) lookBack(ctx context.Context, c engine.Call, prior json.RawMessage, set flags) (engine.Outcome, bool, error) {
	was, h, err := s.back(ctx, c, prior, set)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: s.evidence(h)}
	o.Summary = fmt.Sprintf("health check %s is %s; it was %s", was.HealthCheck, told(h), was)
	return o, flagsOf(h) == was.flags, nil
}

// Back sets both flags to what they were, at the version that was just read.
func (s *Shift) Back(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, error) {
	return s.setBack(ctx, c, prior, shifted, c.Plan.Source.Name+" is given out as long as it is healthy")
}

func (s *Shift) setBack(ctx context.Context, c engine.Call, prior json.RawMessage, set flags, comesTo string) (engine.Outcome, error) {
	was, h, err := s.back(ctx, c, prior, set)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: s.evidence(h)}
	if flagsOf(h) == was.flags {
		o.Summary = fmt.Sprintf("health check %s was %s again already", was.HealthCheck, was)
		return o, nil
	}
	if err := s.set(ctx, c.Plan, h, was.flags, o.Evidence); err != nil {
		return o, fmt.Errorf("set health check %s back to %s at version %d: %w", was.HealthCheck, was, aws.ToInt64(h.HealthCheckVersion), err)
	}
	o.Summary = fmt.Sprintf("health check %s is %s again: %s", was.HealthCheck, was, comesTo)
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
