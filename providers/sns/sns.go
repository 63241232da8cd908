// Package sns looks whether the topics of the services deliver in the target.
//
// Who is subscribed is asked of SNS, and what was delivered of CloudWatch, where a topic
// has datapoints only as long as something is published to it: without one nothing is
// known of its deliveries.
//
// https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html
package sns

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
	"github.com/failoverbot/failoverbot/providers/metrics"
)

const (
	// window is how far back deliveries count: SNS tells of them every five minutes.
	window = 15 * time.Minute
	// shown is how many of a kind a sentence tells.
	shown = 5
)

// SNS reaches the topics of an account.
type SNS struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
	clock  incident.Clock
}

// New returns the topics reached through config, which gives the settings for calls to
// one Region.
func New(config func(region string) aws.Config, reads *awserr.Reads, clock incident.Clock) *SNS {
	return &SNS{config: config, reads: reads, clock: clock}
}

// topic is one of them.
type topic struct {
	arn       string
	confirmed int
	pending   []string // whom it waits for, by protocol
	// delivered and failed are notifications within the window; nil if none were told.
	delivered, failed *float64
}

func (t *topic) name() string { return t.arn[strings.LastIndex(t.arn, ":")+1:] }

// Topics watches whether each of the target's topics has subscribers, all of them
// confirmed, and whether no delivery failed lately.
func (s *SNS) Topics(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	region, now := c.Plan.Target.Name, s.clock.Now()
	settings, err := runbook.PartOf[Settings](c.Plan.Topology, Platform.Key)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	arns := settings.Regions[region].Topics
	if len(arns) == 0 {
		return engine.Outcome{
			Summary:  fmt.Sprintf("not applicable: the settings name no topics of %s (platform.sns.regions)", region),
			Measured: incident.Measured{Verdict: incident.NotApplicable, AsOf: now},
		}, true, nil
	}
	all, faults := make([]*topic, len(arns)), make([]error, len(arns)+1)
	for i, arn := range arns {
		all[i] = &topic{arn: arn}
	}
	incident.Together(s.clock, len(arns)+1, func(i int) {
		if i == len(arns) {
			faults[i] = s.deliveries(ctx, region, now, all)
			return
		}
		faults[i] = s.subscribers(ctx, region, all[i])
	})
	if err := errors.Join(faults...); err != nil {
		return engine.Outcome{}, false, err
	}
	return judge(region, now, all)
}

// judge is what the topics come to.
func judge(region string, now time.Time, all []*topic) (engine.Outcome, bool, error) {
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: now}}
	var wrong, unknown, at []string
	failed, delivered, none := 0.0, 0.0, 0.0
	for _, t := range all {
		o.Evidence[t.name()] = text.Count(t.confirmed, "confirmed subscription")
		switch {
		case len(t.pending) > 0:
			wrong, at = append(wrong, fmt.Sprintf("%s of %s not confirmed (%s)", text.Count(len(t.pending), "subscription"), t.name(), text.Some(t.pending, shown))), append(at, t.name())
		case t.confirmed == 0:
			wrong, at = append(wrong, "nobody is subscribed to "+t.name()), append(at, t.name())
		}
		switch {
		case t.failed != nil && *t.failed > 0:
			failed += *t.failed
			o.Evidence[t.name()] += fmt.Sprintf(", %.0f deliveries failed", *t.failed)
			wrong, at = append(wrong, fmt.Sprintf("%s of %s failed within %s", deliveries(*t.failed), t.name(), text.Age(window))), append(at, t.name())
		case t.delivered == nil:
			unknown = append(unknown, fmt.Sprintf("of %s nothing was told for %s", t.name(), text.Age(window)))
		}
		if t.delivered != nil {
			delivered += *t.delivered
			o.Evidence[t.name()] += fmt.Sprintf(", %.0f delivered", *t.delivered)
		}
	}
	o.Measured.Figures = []incident.Figure{{Name: "failed deliveries", Value: failed, Unit: "deliveries", Limit: &none}}
	switch {
	case len(wrong) > 0:
		o.Measured.Verdict, o.State = incident.Fail, strings.Join(at, ", ")
		o.Summary = fmt.Sprintf("topics of %s do not deliver as they should: %s", region, text.Some(wrong, shown))
		return o, false, nil
	case len(unknown) > 0:
		o.Measured.Verdict, o.Measured.Figures = incident.Unsure, nil
		return o, false, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("whether the topics of %s deliver is unknown: %s", region, text.Some(unknown, shown)),
			Hint: "SNS tells of deliveries minutes after something is published: it is looked at again",
		}
	}
	o.Summary = fmt.Sprintf("all subscriptions of %s of %s are confirmed; %s in the last %s, none failed", text.Count(len(all), "topic"), region, deliveries(delivered), text.Age(window))
	return o, true, nil
}

// deliveries counts some.
func deliveries(n float64) string {
	if n == 1 {
		return "1 delivery"
	}
	return fmt.Sprintf("%.0f deliveries", n)
}

// subscribers asks SNS who is subscribed.
func (s *SNS) subscribers(ctx context.Context, region string, t *topic) error {
	client := sns.NewFromConfig(s.config(region))
	in := &sns.ListSubscriptionsByTopicInput{TopicArn: aws.String(t.arn)}
	for {
		page, err := client.ListSubscriptionsByTopic(ctx, in, func(o *sns.Options) { o.Retryer = s.reads.Call() })
		if err != nil {
			return fmt.Errorf("list the subscriptions of %s in %s: %w", t.name(), region, awserr.SortRead(ctx, err))
		}
		for _, one := range page.Subscriptions {
			if strings.HasPrefix(aws.ToString(one.SubscriptionArn), "arn:") {
				t.confirmed++
				continue
			}
			t.pending = append(t.pending, aws.ToString(one.Protocol))
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return nil
		}
	}
}

// deliveries asks CloudWatch what came of the notifications. A topic of which nothing
// failed has no datapoint of failures.
func (s *SNS) deliveries(ctx context.Context, region string, now time.Time, all []*topic) error {
	to := now.UTC().Truncate(time.Minute)
	var into []**float64
	var asked []metrics.Query
	for _, t := range all {
		of := map[string]string{"TopicName": t.name()}
		into = append(into, &t.delivered, &t.failed)
		asked = append(asked,
			metrics.Query{Metric: metrics.Of("AWS/SNS", "NumberOfNotificationsDelivered", of), Stat: "Sum"},
			metrics.Query{Metric: metrics.Of("AWS/SNS", "NumberOfNotificationsFailed", of), Stat: "Sum"})
	}
	points, err := metrics.New(s.config(region), s.reads).Read(ctx, to.Add(-window), to, time.Minute, asked)
	if err != nil {
		return fmt.Errorf("read the deliveries of the topics of %s: %w", region, err)
	}
	for i, sum := range into {
		for _, p := range points[i] {
			if *sum == nil {
				*sum = new(float64)
			}
			**sum += p.Value
		}
	}
	return nil
}
