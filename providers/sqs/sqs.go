// Package sqs looks whether the queues of the services are worked off in the target.
//
// A queue is one Region's alone: what lies in the Region that is left stays there, and is
// delivered once that answers again. So the target's queues are judged, and of the others
// it is told what lies in them, if they can be asked. How many messages there are is asked
// of SQS, how old the oldest is of CloudWatch; what neither tells is unknown.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
	"github.com/failoverbot/failoverbot/providers/metrics"
)

const (
	// window is how far back the age of the oldest message and the dead letters are
	// compared, and apart how far the two ages have to lie.
	window = 15 * time.Minute
	apart  = 3 * time.Minute
	// fresh is how old the newest datapoint may be.
	fresh = 5 * time.Minute
	// sourceTime is how long the Region that is left may take to say what lies there.
	sourceTime = 5 * time.Second
	// shown is how many of a kind a sentence tells.
	shown = 5
)

// SQS reaches the queues of an account.
type SQS struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
	clock  incident.Clock
}

// New returns the queues reached through config, which gives the settings for calls to
// one Region.
func New(config func(region string) aws.Config, reads *awserr.Reads, clock incident.Clock) *SQS {
	return &SQS{config: config, reads: reads, clock: clock}
}

// queue is one of them, as SQS has it.
type queue struct {
	name string
	// waiting is what nobody has taken, taken what somebody works on.
	waiting, taken int
	// dead is the queue of what could not be worked off; nil if there is none.
	dead *queue
}

// Queues watches whether the target's queues are worked off: the oldest message is young
// or getting younger, and no dead letter is new.
func (s *SQS) Queues(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	settings, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	now, names := s.clock.Now(), settings.Regions[p.Target.Name].Queues
	if len(names) == 0 {
		return engine.Outcome{
			Summary:  fmt.Sprintf("not applicable: the settings name no queues of %s (platform.sqs.regions)", p.Target.Name),
			Measured: incident.Measured{Verdict: incident.NotApplicable, AsOf: now},
		}, true, nil
	}
	all, faults := make([]*queue, len(names)), make([]error, len(names))
	var left lying
	incident.Together(s.clock, len(names)+1, func(i int) {
		if i == len(names) {
			left = s.left(ctx, p.Source.Name, settings.Regions[p.Source.Name].Queues)
			return
		}
		all[i], faults[i] = s.queue(ctx, p.Target.Name, names[i], true)
	})
	if err := errors.Join(faults...); err != nil {
		return engine.Outcome{}, false, err
	}
	told, err := s.told(ctx, p.Target.Name, now, all)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	return s.judge(p, settings, now, all, told, left)
}

// judge is what the queues come to.
func (s *SQS) judge(p *runbook.Plan, settings Settings, now time.Time, all []*queue, told map[series][]metrics.Point, left lying) (engine.Outcome, bool, error) {
	o := engine.Outcome{Evidence: map[string]string{}, State: left.kind}
	var wrong, unknown, draining, at []string
	var oldest, fresher float64
	limit, none := settings.age().Seconds(), 0.0
	for _, q := range all {
		o.Evidence[q.name] = fmt.Sprintf("%d waiting, %d taken", q.waiting, q.taken)
		ages := told[series{q.name, oldestAge}]
		switch {
		case q.waiting+q.taken == 0:
		case len(ages) == 0 || now.Sub(ages[0].At) > fresh || ages[0].At.After(now):
			unknown = append(unknown, fmt.Sprintf("of %s with %s no age was told for %s", q.name, text.Count(q.waiting+q.taken, "message"), text.Age(window)))
		default:
			age := ages[0].Value
			oldest = max(oldest, age)
			o.Evidence[q.name] += ", the oldest " + text.Duration(time.Duration(age)*time.Second)
			before, known := earlier(ages)
			switch {
			case age <= limit:
			case known && age < before:
				draining = append(draining, fmt.Sprintf("the oldest of %s is %s old and was %s", q.name, seconds(age), seconds(before)))
			default:
				wrong, at = append(wrong, fmt.Sprintf("the oldest of %s of %s is %s old and not getting younger", text.Count(q.waiting+q.taken, "message"), q.name, seconds(age))), append(at, q.name)
			}
		}
		if q.dead == nil || q.dead.waiting == 0 {
			continue
		}
		o.Evidence[q.dead.name] = text.Count(q.dead.waiting, "dead letter")
		letters := told[series{q.dead.name, visible}]
		if len(letters) == 0 {
			unknown = append(unknown, fmt.Sprintf("whether the %s of %s are new was not told for %s", text.Count(q.dead.waiting, "dead letter"), q.name, text.Age(window)))
			continue
		}
		least := letters[0].Value
		for _, p := range letters {
			least = min(least, p.Value)
		}
		if added := float64(q.dead.waiting) - least; added > 0 {
			fresher += added
			wrong, at = append(wrong, fmt.Sprintf("%s of %s within %s", text.Count(int(added), "new dead letter"), q.name, text.Age(window))), append(at, q.dead.name)
		}
	}
	o.Measured = incident.Measured{Verdict: incident.Pass, AsOf: now, Figures: []incident.Figure{
		{Name: "age of the oldest message", Value: oldest, Unit: "s", Limit: &limit},
		{Name: "new dead letters", Value: fresher, Unit: "messages", Limit: &none},
	}}
	tail := ""
	if left.said != "" {
		tail, o.Evidence["left in "+p.Source.Name] = "; "+left.said, left.said
	}
	switch {
	case len(wrong) > 0:
		o.Measured.Verdict, o.State = incident.Fail, strings.Join(append(at, left.kind), ", ")
		o.Summary = fmt.Sprintf("queues of %s are not worked off: %s%s", p.Target.Name, text.Some(wrong, shown), tail)
		return o, false, nil
	case len(unknown) > 0:
		o.Measured.Verdict, o.Measured.Figures = incident.Unsure, nil
		return o, false, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("whether the queues of %s are worked off is unknown: %s", p.Target.Name, text.Some(unknown, shown)),
			Hint: "CloudWatch tells of a queue minutes after it is first used: it is looked at again",
		}
	}
	which := fmt.Sprintf("%s of %s %s worked off, the oldest message is %s old", text.Count(len(all), "queue"), p.Target.Name, text.Are(len(all)), seconds(oldest))
	if oldest == 0 {
		which = fmt.Sprintf("nothing waits in %s of %s", text.Count(len(all), "queue"), p.Target.Name)
	}
	if len(draining) > 0 {
		o.Measured.Verdict = incident.Warn
		which += ": " + text.Some(draining, shown)
	}
	o.Summary = which + tail
	return o, true, nil
}

func seconds(v float64) string { return text.Duration(time.Duration(v) * time.Second) }

// earlier is the newest value that is some minutes older than the newest of all.
func earlier(newestFirst []metrics.Point) (float64, bool) {
	for _, p := range newestFirst {
		if newestFirst[0].At.Sub(p.At) >= apart {
			return p.Value, true
		}
	}
	return 0, false
}

// queue asks SQS for one, and for where its dead letters go.
func (s *SQS) queue(ctx context.Context, region, name string, dead bool) (*queue, error) {
	client := sqs.NewFromConfig(s.config(region))
	reading := func(o *sqs.Options) { o.Retryer = s.reads.Call() }
	at, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(name)}, reading)
	if err != nil {
		return nil, fmt.Errorf("find queue %s in %s: %w", name, region, awserr.SortRead(ctx, err))
	}
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: at.QueueUrl, AttributeNames: []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible, types.QueueAttributeNameRedrivePolicy,
	}}, reading)
	if err != nil {
		return nil, fmt.Errorf("read queue %s in %s: %w", name, region, awserr.SortRead(ctx, err))
	}
	q := &queue{name: name}
	var faults [2]error
	q.waiting, faults[0] = strconv.Atoi(out.Attributes[string(types.QueueAttributeNameApproximateNumberOfMessages)])
	q.taken, faults[1] = strconv.Atoi(out.Attributes[string(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible)])
	if err := errors.Join(faults[:]...); err != nil {
		return nil, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("read queue %s in %s: SQS does not say how many messages it has: %w", name, region, err), Hint: "look at the queue in the console"}
	}
	policy := out.Attributes[string(types.QueueAttributeNameRedrivePolicy)]
	if !dead || policy == "" {
		return q, nil
	}
	var redrive struct {
		To string `json:"deadLetterTargetArn"`
	}
	if err := json.Unmarshal([]byte(policy), &redrive); err != nil {
		return nil, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("read the redrive policy of %s in %s: %w", name, region, err), Hint: "look at the queue in the console"}
	}
	q.dead, err = s.queue(ctx, region, redrive.To[strings.LastIndex(redrive.To, ":")+1:], false)
	return q, err
}

// lying is what lies in the queues of the Region that is left: a sentence, and what it
// comes to, which is told anew when it changes.
type lying struct{ said, kind string }

// left asks the Region that is left what lies in its queues.
func (s *SQS) left(ctx context.Context, region string, names []string) lying {
	if len(names) == 0 {
		return lying{}
	}
	ctx, stop := s.clock.WithTimeout(ctx, sourceTime, fmt.Errorf("%s did not answer within %s", region, sourceTime))
	defer stop()
	all, faults := make([]*queue, len(names)), make([]error, len(names))
	incident.Together(s.clock, len(names), func(i int) { all[i], faults[i] = s.queue(ctx, region, names[i], false) })
	if errors.Join(faults...) != nil {
		return lying{fmt.Sprintf("what lies in the queues of %s is unknown, and is delivered once it works again", region), "unknown there"}
	}
	n := 0
	for _, q := range all {
		n += q.waiting + q.taken
	}
	if n == 0 {
		return lying{fmt.Sprintf("nothing lies in the queues of %s", region), "nothing there"}
	}
	return lying{fmt.Sprintf("%s in the queues of %s, to be worked off there", text.Count(n, "message"), region), "some there"}
}

// metric is one of those that SQS publishes of a queue.
type metric struct{ name, stat string }

var (
	oldestAge = metric{"ApproximateAgeOfOldestMessage", "Maximum"}
	visible   = metric{"ApproximateNumberOfMessagesVisible", "Maximum"}
)

// series is a metric of a queue.
type series struct {
	queue string
	metric
}

// told is what CloudWatch has of the queues that need it, newest first.
func (s *SQS) told(ctx context.Context, region string, now time.Time, all []*queue) (map[series][]metrics.Point, error) {
	var asked []series
	for _, q := range all {
		if q.waiting+q.taken > 0 {
			asked = append(asked, series{q.name, oldestAge})
		}
		if q.dead != nil && q.dead.waiting > 0 {
			asked = append(asked, series{q.dead.name, visible})
		}
	}
	out := map[series][]metrics.Point{}
	if len(asked) == 0 {
		return out, nil
	}
	queries := make([]metrics.Query, len(asked))
	for i, one := range asked {
		queries[i] = metrics.Query{Metric: metrics.Of("AWS/SQS", one.name, map[string]string{"QueueName": one.queue}), Stat: one.stat}
	}
	points, err := metrics.New(s.config(region), s.reads).Read(ctx, now.Add(-window), now.Add(time.Minute), time.Minute, queries)
	if err != nil {
		return nil, fmt.Errorf("read the metrics of the queues of %s: %w", region, err)
	}
	for i, one := range asked {
		out[one] = points[i]
	}
	return out, nil
}
