package dns

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cw "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// pending is what SNS has in place of the ARN of a subscription that nobody confirmed.
const pending = "PendingConfirmation"

// Alarm checks that the check of the record being left, or that of its endpoint, has a
// CloudWatch alarm that fires when it is unhealthy and whose action reaches PagerDuty: an
// SNS topic with a confirmed subscription there. What an action leads to otherwise, a
// function or a queue, cannot be seen from here and is unknown. Metrics of health checks
// are published where Route 53's API lives, and alarms on them are there, too.
func (s *Shift) Alarm(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	d, err := leaving(p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	if _, err := s.client(p); err != nil { // a partition that is not known
		return engine.Outcome{}, false, err
	}
	home := controlPlanes[p.Target.Partition()]
	checks := []string{d.HealthCheck, d.EndpointCheck}
	found, faults := make([][]cw.MetricAlarm, len(checks)), make([]error, len(checks))
	incident.Together(c.Clock, len(checks), func(i int) { found[i], faults[i] = s.alarms(ctx, home, checks[i]) })
	for _, err := range faults {
		if err != nil {
			return engine.Outcome{}, false, err
		}
	}
	f := &alarms{region: p.Source.Name, checks: checks, all: slices.Concat(found...), evidence: map[string]string{"region": home, "health_checks": strings.Join(checks, " ")}}
	topics := f.topics()
	subscribed, missed := make([][]subscription, len(topics)), make([]error, len(topics))
	incident.Together(c.Clock, len(topics), func(i int) { subscribed[i], missed[i] = s.subscriptions(ctx, topics[i]) })
	f.subscribed = map[string][]subscription{}
	for i, err := range missed {
		if err != nil {
			return engine.Outcome{}, false, err
		}
		f.subscribed[topics[i]] = subscribed[i]
	}
	o, ok, err := f.answer()
	o.Measured.AsOf = c.Clock.Now()
	return o, ok, err
}

// alarms are those on a health check.
func (s *Shift) alarms(ctx context.Context, region, check string) ([]cw.MetricAlarm, error) {
	out, err := cloudwatch.NewFromConfig(s.config(region)).DescribeAlarmsForMetric(ctx, &cloudwatch.DescribeAlarmsForMetricInput{
		Namespace: aws.String("AWS/Route53"), MetricName: aws.String("HealthCheckStatus"),
		Dimensions: []cw.Dimension{{Name: aws.String("HealthCheckId"), Value: aws.String(check)}},
	}, func(o *cloudwatch.Options) { o.Retryer = s.reads.Call() })
	if err != nil {
		return nil, fmt.Errorf("find the alarms on health check %s in %s: %w", check, region, awserr.SortRead(ctx, err))
	}
	return out.MetricAlarms, nil
}

// subscription is one of a topic, without what may be secret of its address.
type subscription struct {
	protocol, host string
	confirmed      bool
}

// subscriptions are those of a topic, asked for in its own Region.
func (s *Shift) subscriptions(ctx context.Context, topic string) ([]subscription, error) {
	a, err := arn.Parse(topic)
	if err != nil {
		return nil, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("an alarm's action is %q, which is no ARN", topic), Hint: "look at the alarm's actions"}
	}
	client := sns.NewFromConfig(s.config(a.Region))
	in := &sns.ListSubscriptionsByTopicInput{TopicArn: aws.String(topic)}
	var all []subscription
	for {
		page, err := client.ListSubscriptionsByTopic(ctx, in, func(o *sns.Options) { o.Retryer = s.reads.Call() })
		if err != nil {
			return nil, fmt.Errorf("list who is subscribed to %s in %s: %w", a.Resource, a.Region, awserr.SortRead(ctx, err))
		}
		for _, one := range page.Subscriptions {
			sub := subscription{protocol: aws.ToString(one.Protocol), confirmed: strings.HasPrefix(aws.ToString(one.SubscriptionArn), "arn:")}
			// The path of PagerDuty's address is the key of its integration.
			if u, err := url.Parse(aws.ToString(one.Endpoint)); err == nil {
				sub.host = u.Hostname()
			}
			all = append(all, sub)
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return all, nil
		}
	}
}

// pages says that whoever is told this way is PagerDuty.
func (s subscription) pages() bool {
	return s.protocol == "https" && strings.HasSuffix("."+strings.ToLower(s.host), ".pagerduty.com")
}

// alarms are what was found on a Region's health checks.
type alarms struct {
	region     string
	checks     []string
	all        []cw.MetricAlarm
	subscribed map[string][]subscription // by topic
	evidence   map[string]string
}

// topics are those that the alarms tell, each once.
func (f *alarms) topics() []string {
	found := map[string]bool{}
	for _, a := range f.all {
		for _, action := range a.AlarmActions {
			if isTopic(action) {
				found[action] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func isTopic(action string) bool {
	a, err := arn.Parse(action)
	return err == nil && a.Service == "sns"
}

// judge is why an alarm does not page anybody, as the end of a sentence; unseen says that
// it may all the same.
func (f *alarms) judge(a cw.MetricAlarm) (wrong string, unseen bool) {
	switch {
	case !firesBelowOne(a):
		return fmt.Sprintf("fires when the status is %s %g, and an unhealthy check has 0", a.ComparisonOperator, aws.ToFloat64(a.Threshold)), false
	case !aws.ToBool(a.ActionsEnabled):
		return "has its actions turned off", false
	case len(a.AlarmActions) == 0:
		return "has no action", false
	}
	var others, unconfirmed []string
	for _, action := range a.AlarmActions {
		if !isTopic(action) {
			others = append(others, serviceOf(action))
			continue
		}
		for _, s := range f.subscribed[action] {
			switch {
			case s.pages() && s.confirmed:
				return "", false
			case s.pages():
				unconfirmed = append(unconfirmed, s.host)
			case s.protocol != "email" && s.protocol != "email-json" && s.protocol != "sms":
				others = append(others, s.protocol+" "+s.host)
			}
		}
	}
	switch {
	case len(unconfirmed) > 0:
		return fmt.Sprintf("tells a topic whose subscription of %s was never confirmed (%s)", unconfirmed[0], pending), false
	case len(others) > 0:
		return "does not tell PagerDuty by itself, but " + strings.TrimSpace(strings.Join(others, ", ")), true
	}
	return "tells nobody at PagerDuty: no topic of its actions has a subscription there", false
}

// firesBelowOne says that an alarm fires at the status of an unhealthy check, 0, and not
// at that of a healthy one, 1.
func firesBelowOne(a cw.MetricAlarm) bool {
	at := aws.ToFloat64(a.Threshold)
	return a.ComparisonOperator == cw.ComparisonOperatorLessThanThreshold && at > 0 && at <= 1 ||
		a.ComparisonOperator == cw.ComparisonOperatorLessThanOrEqualToThreshold && at >= 0 && at < 1
}

func serviceOf(action string) string {
	if a, err := arn.Parse(action); err == nil {
		return a.Service
	}
	return action
}

func (f *alarms) answer() (engine.Outcome, bool, error) {
	o := engine.Outcome{Evidence: f.evidence, Measured: incident.Measured{Verdict: incident.Fail}}
	if len(f.all) == 0 {
		o.Summary = fmt.Sprintf("no CloudWatch alarm looks at the health checks of %s's record (%s): nobody is paged when they turn unhealthy", f.region, strings.Join(f.checks, ", "))
		return o, false, nil
	}
	var wrong, unseen, paging, warn []string
	for _, a := range f.all {
		name := aws.ToString(a.AlarmName)
		f.evidence[name] = fmt.Sprintf("%s, %s", a.StateValue, strings.Join(a.AlarmActions, " "))
		why, maybe := f.judge(a)
		switch {
		case why == "":
			paging = append(paging, name)
			if a.StateValue != cw.StateValueOk {
				warn = append(warn, fmt.Sprintf("%s is in state %s", name, a.StateValue))
			}
		case maybe:
			unseen = append(unseen, name+" "+why)
		default:
			wrong = append(wrong, name+" "+why)
		}
	}
	switch {
	case len(paging) > 0:
		o.Measured.Verdict = incident.Pass
		o.Summary = fmt.Sprintf("PagerDuty is told by %s when %s's health check turns unhealthy", strings.Join(paging, ", "), f.region)
		if len(warn) > 0 {
			o.Measured.Verdict = incident.Warn
			o.Summary += "; " + strings.Join(warn, "; ")
		}
		return o, true, nil
	case len(unseen) > 0:
		o.Measured.Verdict = incident.Unsure
		return o, false, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("whether PagerDuty is told when %s's health check turns unhealthy is unknown: %s", f.region, strings.Join(unseen, "; ")),
			Hint: "follow it by hand, or subscribe PagerDuty to an SNS topic of the alarm",
		}
	}
	o.Summary = fmt.Sprintf("nobody is paged when %s's health check turns unhealthy: %s", f.region, strings.Join(wrong, "; "))
	return o, false, nil
}
