package aurora

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

const (
	// period is the finest step of these metrics.
	period = time.Minute
	// fresh is how old the newest datapoint may be. CloudWatch takes one to three
	// minutes to show one.
	fresh = 3 * time.Minute
	// history is how far back the last good value is looked for.
	history = 3 * time.Hour
	// longest is how far back the value is looked for that a yes to losing data is
	// bound to: the primary may be gone for a long time before somebody says yes.
	longest = 24 * time.Hour
)

// lagMetrics in the order of preference: the first is the RPO of user
// transactions, the second what older MySQL versions have instead.
var lagMetrics = []string{"AuroraGlobalDBRPOLag", "AuroraGlobalDBReplicationLag"}

type point struct {
	at time.Time
	ms float64
}

// lag is what the standby knows of how far it is behind.
type lag struct {
	now time.Time
	// cluster is the standby's.
	cluster string
	metric  string
	// points, newest first; empty when there is none.
	points []point
	note   string
}

// lag reads the replication lag as the standby sees it, from CloudWatch in the
// standby's own Region, as far back as that.
func (a *Aurora) lag(ctx context.Context, p *runbook.Plan, back time.Duration) (lag, error) {
	l := lag{now: a.clock.Now()}
	db, err := part(p)
	if err != nil {
		return l, err
	}
	l.cluster = db.target.DBCluster
	client := a.watch(p.Target.Name)
	reading := func(o *cloudwatch.Options) { o.Retryer = a.reads.Call() }
	for _, metric := range lagMetrics {
		// Which dimensions there are differs between engine versions and swaps sides
		// with the roles, so it is asked.
		listed, err := client.ListMetrics(ctx, &cloudwatch.ListMetricsInput{
			Namespace: aws.String("AWS/RDS"), MetricName: aws.String(metric),
			Dimensions: []types.DimensionFilter{{Name: aws.String("DBClusterIdentifier"), Value: aws.String(l.cluster)}},
		}, reading)
		if err != nil {
			return l, fmt.Errorf("find the lag metric of %s: %w", l.cluster, awserr.SortRead(ctx, err))
		}
		if len(listed.Metrics) == 0 {
			continue
		}
		l.metric = metric
		var queries []types.MetricDataQuery
		for i, m := range listed.Metrics[:min(len(listed.Metrics), 20)] {
			queries = append(queries, types.MetricDataQuery{
				Id: aws.String("lag" + strconv.Itoa(i)), ReturnData: aws.Bool(true),
				MetricStat: &types.MetricStat{
					Metric: &m, Stat: aws.String("Maximum"), Period: aws.Int32(int32(period / time.Second)),
				},
			})
		}
		data, err := client.GetMetricData(ctx, &cloudwatch.GetMetricDataInput{
			MetricDataQueries: queries,
			StartTime:         aws.Time(l.now.Add(-back)), EndTime: aws.Time(l.now.Add(period)),
			ScanBy: types.ScanByTimestampDescending,
		}, reading)
		if err != nil {
			return l, fmt.Errorf("read %s of %s: %w", metric, l.cluster, awserr.SortRead(ctx, err))
		}
		for _, r := range data.MetricDataResults {
			if r.StatusCode != types.StatusCodeComplete && r.StatusCode != "" {
				l.note = "CloudWatch answered in part only"
			}
			for i := range min(len(r.Timestamps), len(r.Values)) {
				l.points = append(l.points, point{r.Timestamps[i].UTC(), r.Values[i]})
			}
		}
		break
	}
	slices.SortStableFunc(l.points, func(x, y point) int { return y.at.Compare(x.at) })
	return l, nil
}

// known says whether there is a value young enough to be called the lag now.
func (l lag) known() bool { return len(l.points) > 0 && l.age() <= fresh }

// age of the newest value.
func (l lag) age() time.Duration { return max(0, l.now.Sub(l.points[0].at)) }

// high is the highest value of the last hour.
func (l lag) high() float64 {
	var top float64
	for _, p := range l.points {
		if l.now.Sub(p.at) <= time.Hour {
			top = max(top, p.ms)
		}
	}
	return top
}

// lastGood is the newest value at or below limit: what the lag was before it only
// grew because nobody wrote any more.
func (l lag) lastGood(limit float64) (point, bool) {
	for _, p := range l.points {
		if p.ms <= limit {
			return p, true
		}
	}
	return point{}, false
}

// band is the policy's band of the lag: an approval is bound to it. Where data may
// be lost the newest value counts however old it is: once the writer is gone there
// is none to come, and that alone is no reason to ask anew. A newer value in
// another band is.
func (l lag) band(limits []int, lossy bool) string {
	if len(l.points) == 0 || (!lossy && !l.known()) {
		return "unknown"
	}
	limits = slices.Sorted(slices.Values(limits))
	for _, limit := range limits {
		if l.points[0].ms < float64(limit) {
			return "below " + ms(float64(limit))
		}
	}
	if len(limits) == 0 {
		return "known"
	}
	return "from " + ms(float64(limits[len(limits)-1]))
}

func (l lag) evidence() map[string]string {
	e := map[string]string{}
	put(e, "metric", l.metric)
	put(e, "note", l.note)
	if len(l.points) > 0 {
		e["lag"] = ms(l.points[0].ms)
		e["lag_at"] = text.ToSecond.UTC(l.points[0].at)
		e["lag_age"] = text.Age(l.age())
		e["lag_highest_last_hour"] = ms(l.high())
	}
	return e
}

// Lag checks the replication lag against the policy. No datapoint is not zero, and
// neither is one that is no longer young: both are unknown, which is an error. In
// an unplanned failover the outage itself is why there is nothing newer; then the
// last value is all there ever will be, and it is told with its age.
func (a *Aurora) Lag(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	l, err := a.lag(ctx, p, history)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	policy := p.Topology.Policy
	o := engine.Outcome{Evidence: l.evidence()}
	o.Evidence["warn_above"], o.Evidence["limit"] = ms(float64(policy.LagWarnMS)), ms(float64(policy.LagConfirmMS))
	o.Measured = l.measured(policy.LagConfirmMS)
	switch {
	case len(l.points) == 0:
		return o, false, unknownLag("%s has had no datapoint for %s", l.cluster, text.Age(history))
	case !l.known() && p.Mode == "unplanned" && l.hurt(c) && !above(l.points[0].ms, policy.LagConfirmMS):
		o.Measured.Verdict = incident.Warn // what it was, and not what it is
		o.Summary = "replication lag is no longer reported: " + l.lost(c)
		return o, true, nil
	case !l.known():
		return o, false, unknownLag("%s", l.lost(c))
	case above(l.points[0].ms, policy.LagConfirmMS):
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("replication lag is %s, above the limit of %s (read %s ago, highest in the last hour %s)",
			ms(l.points[0].ms), ms(float64(policy.LagConfirmMS)), text.Age(l.age()), ms(l.high()))
		if good, ok := l.lastGood(float64(policy.LagConfirmMS)); ok && p.Mode == "unplanned" {
			o.Summary += fmt.Sprintf("; last good value %s at %s, %s ago", ms(good.ms), text.ToSecond.UTC(good.at), text.Age(l.now.Sub(good.at)))
		}
		return o, false, nil
	}
	o.Measured.Verdict = incident.Pass
	o.Summary = fmt.Sprintf("replication lag is %s (read %s ago, highest in the last hour %s, limit %s)",
		ms(l.points[0].ms), text.Age(l.age()), ms(l.high()), ms(float64(policy.LagConfirmMS)))
	if above(l.points[0].ms, policy.LagWarnMS) {
		o.Measured.Verdict = incident.Warn
		o.Summary += fmt.Sprintf("; above %s, where it deserves a second look", ms(float64(policy.LagWarnMS)))
	}
	return o, true, nil
}

// measured is the newest value as a figure, as of when it was. Without one, or with an old
// one, it is unknown.
func (l lag) measured(limitMS int) incident.Measured {
	m := incident.Measured{Verdict: incident.Unsure, AsOf: l.now}
	if len(l.points) == 0 {
		return m
	}
	m.AsOf = l.points[0].at
	f := incident.Figure{Name: "replication lag", Value: l.points[0].ms, Unit: "ms"}
	if limit := float64(limitMS); limit > 0 {
		f.Limit = &limit
	}
	m.Figures = []incident.Figure{f}
	return m
}

// above says that a lag is over a limit of the policy; 0 is no limit.
func above(lag float64, limit int) bool { return limit > 0 && lag > float64(limit) }

// unknownLag is the answer when nobody can tell the lag. Asking again at once does
// not help: CloudWatch has what it has.
func unknownLag(format string, args ...any) error {
	return &incident.CallError{
		Err:         fmt.Errorf("replication lag is unknown: "+format, args...),
		NeedsPerson: true,
		Hint:        fmt.Sprintf("a datapoint that is well comes within %s: look whether the standby still replicates, then check again", text.Age(fresh)),
	}
}

// lost tells the last value of a lag that is no longer reported.
func (l lag) lost(c engine.Call) string {
	last := l.points[0]
	return fmt.Sprintf("last good value %s at %s, %s ago, nothing newer%s", ms(last.ms), text.ToSecond.UTC(last.at), text.Age(l.age()), l.outage(c))
}

// hurt says that by what was declared users are hurt already.
func (l lag) hurt(c engine.Call) bool { return !c.Impact.IsZero() && l.now.After(c.Impact) }

// outage is how long users have been hurt, for the end of a sentence. When nobody
// said since when, what was declared is the moment of the declaration: within a
// minute of it, or with a lag that fell silent well before it, it is not told.
func (l lag) outage(c engine.Call) string {
	if !l.hurt(c) || l.now.Sub(c.Impact) < period || (len(l.points) > 0 && c.Impact.Sub(l.points[0].at) > fresh) {
		return ""
	}
	return fmt.Sprintf("; the outage began %s ago", text.Age(l.now.Sub(c.Impact)))
}

// OutageInput is the input of Outage.
type OutageInput struct {
	// Silent is how old the newest lag value has to be; 0 means 3 min, which is how late a
	// datapoint of a writer that is well may come.
	Silent time.Duration `yaml:"silent,omitempty" json:"silent,omitempty"`
	// Above is the lag that only a writer that is gone explains; 0 means 60 s.
	Above time.Duration `yaml:"above,omitempty" json:"above,omitempty"`
}

// Outage checks from the standby's side whether it still hears from the writer:
// it does not when the lag is no longer reported, or only grows.
func (a *Aurora) Outage(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	in := OutageInput{}
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	if in.Silent == 0 {
		in.Silent = fresh
	}
	if in.Above == 0 {
		in.Above = time.Minute
	}
	p := c.Plan
	l, err := a.lag(ctx, p, history)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: l.evidence()}
	switch {
	case len(l.points) == 0:
		// Nothing in hours is a metric that was never there, not a writer that left.
		o.Summary = fmt.Sprintf("%s says nothing about its writer: no lag was reported in %s", l.cluster, text.Age(history))
		return o, false, nil
	case l.age() >= in.Silent:
		o.Summary = fmt.Sprintf("%s no longer hears from %s: %s", l.cluster, p.Source.Name, l.lost(c))
		return o, true, nil
	case l.points[0].ms >= float64(in.Above/time.Millisecond):
		o.Summary = fmt.Sprintf("%s is %s behind %s and falling back", l.cluster, ms(l.points[0].ms), p.Source.Name)
		return o, true, nil
	}
	o.Summary = fmt.Sprintf("%s still hears from %s: lag %s, read %s ago", l.cluster, p.Source.Name, ms(l.points[0].ms), text.Age(l.age()))
	return o, false, nil
}

// ms writes milliseconds as people read them: 340 ms, 1,840 ms, 42 s.
func ms(v float64) string {
	n := int64(v + 0.5)
	switch {
	case n < 1000:
		return fmt.Sprintf("%d ms", n)
	case n < 10000:
		return fmt.Sprintf("%d,%03d ms", n/1000, n%1000)
	}
	return fmt.Sprintf("%d s", (n+500)/1000)
}
