package sqs

import (
	"context"
	"errors"
	"fmt"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Taken waits until no message of the source's queues is worked on. What waits there stays
// there, and is told by [SQS.Queues] later. SQS counts approximately: what was taken in the
// last moments may not be counted yet.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/confirm-queue-is-empty.html
func (s *SQS) Taken(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	settings, err := runbook.PartOf[Settings](c.Plan.Topology, Platform.Key)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	region := c.Plan.Source.Name
	names := settings.Regions[region].Queues
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{Verdict: incident.NotApplicable, AsOf: s.clock.Now()}}
	if len(names) == 0 {
		o.Summary = fmt.Sprintf("not applicable: the settings name no queues of %s (platform.sqs.regions)", region)
		return o, true, nil
	}
	all, faults := make([]*queue, len(names)), make([]error, len(names))
	incident.Together(s.clock, len(names), func(i int) { all[i], faults[i] = s.queue(ctx, region, names[i], false) })
	if err := errors.Join(faults...); err != nil {
		return engine.Outcome{}, false, err
	}
	n := 0
	var told []string
	for _, q := range all {
		o.Evidence[q.name] = fmt.Sprintf("%d taken, %d waiting", q.taken, q.waiting)
		if q.taken > 0 {
			n += q.taken
			told = append(told, fmt.Sprintf("%d of %s", q.taken, q.name))
		}
	}
	o.Measured.Verdict, o.Measured.AsOf = incident.Pass, s.clock.Now()
	o.Measured.Figures = []incident.Figure{{Name: "messages taken", Value: float64(n), Unit: "messages", Limit: new(float64)}}
	if n > 0 {
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("%s in %s %s worked on: %s", text.Count(n, "message"), region, text.Are(n), text.Some(told, shown))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("nobody works on a message of %s of %s", text.Count(len(all), "queue"), region)
	return o, true, nil
}
