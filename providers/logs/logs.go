// Package logs looks whether the logs of the target's services arrive in CloudWatch Logs.
//
// It only reads, in the target. What is shipped is told by events alone: a stream's own
// time of its last event can be an hour behind. An event has to have been taken in within
// the time: by what it is dated alone, one of an hour ago looks new where a clock is fast.
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
package logs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

const (
	// shown is how many of a kind a sentence tells.
	shown = 5
	// pages is how many answers without an event are read of a group that is large, before
	// it is not known whether there is one.
	pages = 25
	// events is how many are read at a time.
	events = 100
)

// Logs reaches the log groups of an account.
type Logs struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
	clock  incident.Clock
}

// New returns the log groups reached through config, which gives the settings for calls to
// one Region.
func New(config func(region string) aws.Config, reads *awserr.Reads, clock incident.Clock) *Logs {
	return &Logs{config: config, reads: reads, clock: clock}
}

// group is a log group: whether it exists, and whether something arrived lately.
type group struct {
	name          string
	gone, arrives bool
}

// Shipped watches whether something arrived lately in each log group that the settings name
// for the target.
func (l *Logs) Shipped(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	region, now := c.Plan.Target.Name, l.clock.Now()
	settings, err := runbook.PartOf[Settings](c.Plan.Topology, Platform.Key)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	names := settings.Regions[region].Groups
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: now}}
	if len(names) == 0 {
		o.Summary = fmt.Sprintf("not applicable: the settings name no log groups of %s (platform.logs.regions)", region)
		o.Measured.Verdict = incident.NotApplicable
		return o, true, nil
	}
	within := settings.age()
	groups, faults := make([]group, len(names)), make([]error, len(names))
	incident.Together(l.clock, len(names), func(i int) {
		groups[i].name = names[i]
		faults[i] = l.look(ctx, region, now, within, &groups[i])
	})
	if err := errors.Join(faults...); err != nil {
		return o, false, err
	}
	var wrong, silent []string
	for _, g := range groups {
		switch {
		case g.gone:
			wrong, silent = append(wrong, g.name+" does not exist"), append(silent, g.name)
			o.Evidence[g.name] = "does not exist"
		case !g.arrives:
			wrong, silent = append(wrong, "nothing arrived in "+g.name), append(silent, g.name)
			o.Evidence[g.name] = "nothing within " + text.Age(within)
		default:
			o.Evidence[g.name] = "an event within " + text.Age(within)
		}
	}
	limit := 0.0
	o.Measured.Figures = []incident.Figure{{Name: "silent log groups", Value: float64(len(wrong)), Unit: "log groups", Limit: &limit}}
	if len(wrong) > 0 {
		o.Measured.Verdict, o.State = incident.Fail, strings.Join(silent, ", ")
		o.Summary = fmt.Sprintf("logs of %s do not arrive: within %s %s", region, text.Age(within), text.Some(wrong, shown))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("logs of %s arrive: each of %s has an event of the last %s", region, text.Count(len(groups), "log group"), text.Age(within))
	return o, true, nil
}

// look finds out whether a group has an event of the time before now.
func (l *Logs) look(ctx context.Context, region string, now time.Time, within time.Duration, g *group) error {
	client := cwl.NewFromConfig(l.config(region))
	in := &cwl.FilterLogEventsInput{
		LogGroupName: aws.String(g.name), Limit: aws.Int32(events),
		StartTime: aws.Int64(now.Add(-within).UnixMilli()), EndTime: aws.Int64(now.UnixMilli()),
	}
	for range pages {
		page, err := client.FilterLogEvents(ctx, in, func(o *cwl.Options) { o.Retryer = l.reads.Call() })
		if err = awserr.SortRead(ctx, err); awserr.Missing(err) {
			g.gone = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("read log group %s in %s: %w", g.name, region, err)
		}
		for _, e := range page.Events {
			if !time.UnixMilli(aws.ToInt64(e.IngestionTime)).Before(now.Add(-within)) && !time.UnixMilli(aws.ToInt64(e.Timestamp)).After(now) {
				g.arrives = true
				return nil
			}
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return nil
		}
	}
	return &incident.CallError{
		NeedsPerson: true, Err: fmt.Errorf("read log group %s in %s: no event in %d answers, and there are more", g.name, region, pages),
		Hint: "it has very many streams: name a group of one service",
	}
}
