package dns

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// ControlOf is the ARN of the routing control that lets users into a Region.
type ControlOf func(t runbook.Topology, region string) (string, error)

// Controls is how the records hang on routing controls.
type Controls struct {
	*Shift
	of ControlOf
}

// hung is what was found of the records.
type hung struct {
	plan *runbook.Plan
	// controls are those of the settings, by ARN the Region.
	controls map[string]string
	// used are the Regions whose control a record hangs on, or needs none.
	used         map[string]bool
	wrong, notes []string
}

func (h *hung) say(format string, args ...any) {
	h.wrong = append(h.wrong, fmt.Sprintf(format, args...))
}

// Ready checks that each record of the public name hangs on a health check of type
// RECOVERY_CONTROL, for the routing control of the Region that it leads to. That one Off, the
// record is given to nobody.
func (k Controls) Ready(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	s, err := settingsOf(p.Topology)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	h := &hung{plan: p, controls: map[string]string{}, used: map[string]bool{}}
	for _, region := range []string{p.Source.Name, p.Target.Name} {
		arn, err := k.of(p.Topology, region)
		if err != nil {
			return engine.Outcome{}, false, err
		}
		h.controls[arn] = region
	}
	n := names{Settings: s, record: p.Topology.Record}
	sets, err := k.records(ctx, p, n)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	checks, faults := make([]*types.HealthCheck, len(sets)), make([]error, len(sets))
	incident.Together(c.Clock, len(sets), func(i int) {
		if id := sets[i].HealthCheckId; id != nil {
			checks[i], faults[i] = k.check(ctx, p, *id)
		}
	})
	o := engine.Outcome{Evidence: map[string]string{"zone": s.Zone, "record": n.record, "record_sets": describedAll(sets)}}
	o.Measured.AsOf = c.Clock.Now()
	for i, set := range sets {
		if faults[i] != nil {
			return o, false, faults[i]
		}
		h.hangs(set, checks[i])
	}
	h.rest(len(sets))
	if len(h.wrong) > 0 {
		o.Summary = fmt.Sprintf("the routing controls would not move all users of %s: %s", n.record, strings.Join(h.wrong, "; "))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%s of %s, and each hangs on the routing control of its Region", text.Count(len(sets), "record"), n.record)
	if len(h.notes) > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary = fmt.Sprintf("%s of %s: %s", text.Count(len(sets), "record"), n.record, strings.Join(h.notes, "; "))
	}
	return o, true, nil
}

// leadsTo is the Region that a set leads to, by the name; empty where that does not tell.
func (h *hung) leadsTo(set types.ResourceRecordSet) string {
	at := destination(set)
	for _, r := range []runbook.Region{h.plan.Source, h.plan.Target} {
		if at != "" && (at == own(r) || slices.Contains(strings.Split(at, "."), r.Name)) {
			return r.Name
		}
	}
	return ""
}

// hangs judges one set and its check, which may be nil.
func (h *hung) hangs(set types.ResourceRecordSet, check *types.HealthCheck) {
	region := h.leadsTo(set)
	if check == nil {
		if set.Failover == types.ResourceRecordSetFailoverSecondary && region != "" {
			h.used[region] = true
			h.notes = append(h.notes, fmt.Sprintf("the %s hangs on no health check, and is given out whenever the primary is not: the routing control of %s by itself moves nobody", called(set), region))
			return
		}
		h.say("the %s hangs on no health check", called(set))
		return
	}
	id, cfg := aws.ToString(check.Id), check.HealthCheckConfig
	arn := aws.ToString(cfg.RoutingControlArn)
	of, known := h.controls[arn]
	if known {
		h.used[of] = true
	}
	switch {
	case cfg.Type != types.HealthCheckTypeRecoveryControl:
		h.say("the %s hangs on health check %s of type %s, and not on one of a routing control", called(set), id, cfg.Type)
	case !known:
		h.say("the %s hangs on routing control %s, which the settings name for neither Region", called(set), arn)
	case region != "" && of != region:
		h.say("the %s leads to %s and hangs on the routing control of %s", called(set), region, of)
	case aws.ToBool(cfg.Disabled), aws.ToBool(cfg.Inverted):
		h.say("health check %s of the %s is %s: it does not follow its routing control", id, called(set), told(check))
	}
}

// rest says what no record hangs on.
func (h *hung) rest(sets int) {
	if sets == 0 {
		h.say("there is no record of type A, AAAA or CNAME")
		return
	}
	for _, r := range []runbook.Region{h.plan.Source, h.plan.Target} {
		if !h.used[r.Name] {
			h.say("no record hangs on the routing control of %s", r.Name)
		}
	}
}
