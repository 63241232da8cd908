// Package xray looks whether traces of the target's services arrive in AWS X-Ray.
//
// It only reads, in the target, where a trace that began there is kept. No trace within the
// time is a no: users are there by then, and some of their requests are sampled.
//
// https://docs.aws.amazon.com/xray/latest/api/API_GetTraceSummaries.html
package xray

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// pages is how many answers without a trace are read before it is not known whether there
// is one.
const pages = 25

// XRay reaches the traces of an account.
type XRay struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
	clock  incident.Clock
}

// New returns the traces reached through config, which gives the settings for calls to one
// Region.
func New(config func(region string) aws.Config, reads *awserr.Reads, clock incident.Clock) *XRay {
	return &XRay{config: config, reads: reads, clock: clock}
}

// Traces watches whether a trace of the last minutes is in the target.
func (x *XRay) Traces(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	region, now := c.Plan.Target.Name, x.clock.Now()
	settings, err := runbook.PartOf[Settings](c.Plan.Topology, Platform.Key)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: now}}
	if !settings.Traces {
		o.Summary, o.Measured.Verdict = "not applicable: the settings do not say that services are traced with X-Ray (platform.xray.traces)", incident.NotApplicable
		return o, true, nil
	}
	within := settings.age()
	client := xray.NewFromConfig(x.config(region))
	in := &xray.GetTraceSummariesInput{
		StartTime: aws.Time(now.Add(-within)), EndTime: aws.Time(now), Sampling: aws.Bool(false), TimeRangeType: types.TimeRangeTypeTraceId,
	}
	read := int64(0)
	for range pages {
		page, err := client.GetTraceSummaries(ctx, in, func(o *xray.Options) { o.Retryer = x.reads.Call() })
		if err != nil {
			return o, false, fmt.Errorf("read traces in %s: %w", region, awserr.SortRead(ctx, err))
		}
		read += aws.ToInt64(page.TracesProcessedCount)
		for _, t := range page.TraceSummaries {
			at := began(t)
			if at.Before(now.Add(-within)) || at.After(now) {
				continue
			}
			o.Evidence["trace"], o.Evidence["began"] = aws.ToString(t.Id), text.ToSecond.UTC(at)
			o.Summary = fmt.Sprintf("traces arrive in %s: one began within %s", region, text.Age(within))
			o.Measured.Figures = []incident.Figure{{Name: "age of a trace", Value: now.Sub(at).Seconds(), Unit: "s", Limit: aws.Float64(within.Seconds())}}
			return o, true, nil
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			o.Evidence["traces"] = fmt.Sprintf("%d read", read)
			o.Measured.Verdict, o.State = incident.Fail, "none"
			o.Summary = fmt.Sprintf("no trace of the last %s is in %s: look at the X-Ray daemon or the collector there, and at the sampling rules", text.Age(within), region)
			return o, false, nil
		}
	}
	return o, false, &incident.CallError{
		NeedsPerson: true, Err: fmt.Errorf("read traces in %s: none of the last %s in %d answers, and there are more", region, text.Age(within), pages),
		Hint: "look at the traces of that Region in the console",
	}
}

// began is when a trace began, which X-Ray has in its id as well: 1-<8 digits of the
// second>-<24 digits>.
//
// https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-traceids
func began(t types.TraceSummary) time.Time {
	if t.StartTime != nil {
		return *t.StartTime
	}
	var second int64
	if _, err := fmt.Sscanf(aws.ToString(t.Id), "1-%8x-", &second); err != nil {
		return time.Time{}
	}
	return time.Unix(second, 0)
}
