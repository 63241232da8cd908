package pagerduty

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
)

// eventsIntegration is the type of the integration that events come by.
const eventsIntegration = "events_api_v2_inbound_integration"

// OnCallNow are those who are on call by the escalation policy of the service, the first
// to be paged first. Where it has no policy nobody is.
func (r *Reader) OnCallNow(ctx context.Context) ([]Person, error) {
	s, err := r.Service(ctx)
	if err != nil || s.Policy == "" {
		return nil, err
	}
	return r.OnCall(ctx, s.Policy)
}

// Routes looks at whether a page would reach anybody.
type Routes struct {
	reader *Reader
	clock  incident.Clock
}

// Look checks that the service is enabled, that events reach it, that it has an
// escalation policy, and that somebody is on call by it now.
func (r Routes) Look(ctx context.Context, _ engine.Call) (engine.Outcome, bool, error) {
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{AsOf: r.clock.Now()}}
	if r.reader == nil {
		const why = "the settings name no service of PagerDuty (pagerduty.service)"
		o.Summary, o.Evidence["not_applicable"], o.Measured.Verdict = "not applicable: "+why, why, incident.NotApplicable
		return o, true, nil
	}
	s, err := r.reader.Service(ctx)
	if err != nil {
		return o, false, err
	}
	o.Evidence["service"] = s.ID + " " + text.Inline(s.Name) + ", " + s.Status
	o.Evidence["integrations"] = strings.Join(s.Integrations, ", ")
	o.Evidence["escalation_policy"] = strings.TrimSpace(s.Policy + " " + text.Inline(s.PolicyName))
	var all []Person
	if s.Policy != "" {
		if all, err = r.reader.OnCall(ctx, s.Policy); err != nil {
			return o, false, err
		}
	}
	var bad []string
	add := func(wrong bool, says string) {
		if wrong {
			bad = append(bad, says)
		}
	}
	add(s.Status == "disabled", "it is disabled, so nobody is paged")
	add(s.Status == "maintenance", "it is in maintenance, so nobody is paged meanwhile")
	add(!slices.Contains(s.Integrations, eventsIntegration), "it has no integration for events (Events API v2)")
	add(s.Policy == "", "it has no escalation policy")
	add(s.Policy != "" && len(all) == 0, "nobody is on call by its escalation policy")
	var first []string
	for _, p := range all {
		o.Evidence[fmt.Sprintf("level %d, %s", p.Level, p.ID)] = strings.TrimSpace(text.Inline(p.Name) + " " + ends(p.Until))
		if p.Level == all[0].Level {
			first = append(first, text.Inline(p.Name))
		}
	}
	o.Measured.Figures = []incident.Figure{{Name: "people on call", Value: float64(len(all)), Unit: "people"}}
	if len(bad) > 0 {
		o.Summary, o.Measured.Verdict = "a page to the service "+text.Inline(s.Name)+" in PagerDuty reaches nobody: "+strings.Join(bad, "; "), incident.Fail
		return o, false, nil
	}
	o.Summary, o.Measured.Verdict = fmt.Sprintf("events reach the service %s in PagerDuty, and %s is paged first by %s", text.Inline(s.Name), text.List(first, "and"), text.Inline(s.PolicyName)), incident.Pass
	return o, true, nil
}

func ends(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return "until " + text.ToDay.UTC(at)
}
