package s3

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

const (
	// period is the finest step of these metrics.
	period = time.Minute
	// fresh is how old the newest datapoint may be: S3 publishes one a minute, and
	// CloudWatch shows it as well as it can.
	fresh = 15 * time.Minute
	// history is how far back the last value is looked for.
	history = 3 * time.Hour
	// recent is how far back a failed operation counts.
	recent = time.Hour
	// queries is how many series one call of GetMetricData takes.
	queries = 500
)

// metric is one of those that S3 publishes of a rule.
type metric struct{ name, stat string }

var (
	pendingOps = metric{"OperationsPendingReplication", "Maximum"}
	latency    = metric{"ReplicationLatency", "Maximum"}
	failedOps  = metric{"OperationsFailedReplication", "Sum"}
	// arriving are published in the Region of the bucket that is replicated to, leaving
	// in that of the one it is replicated from.
	arriving = []metric{pendingOps, latency}
	leaving  = []metric{failedOps}
)

type point struct {
	at    time.Time
	value float64
}

// key is one series: a metric of a rule.
type key struct {
	rule
	metric string
}

// series are the datapoints of these metrics that a Region has, newest first, of the rules
// that are wanted.
func (s *S3) series(ctx context.Context, region string, now time.Time, metrics []metric, wanted func(rule) bool) (map[key][]point, error) {
	client := cloudwatch.NewFromConfig(s.config(region))
	found, faults := make([][]types.MetricDataQuery, len(metrics)), make([]error, len(metrics))
	keys := make([][]key, len(metrics))
	incident.Together(s.clock, len(metrics), func(i int) {
		in := &cloudwatch.ListMetricsInput{
			Namespace: aws.String("AWS/S3"), MetricName: aws.String(metrics[i].name),
			Dimensions: []types.DimensionFilter{{Name: aws.String("RuleId")}},
		}
		for {
			page, err := client.ListMetrics(ctx, in, s.watching)
			if err != nil {
				faults[i] = fmt.Errorf("find %s in %s: %w", metrics[i].name, region, awserr.SortRead(ctx, err))
				return
			}
			for _, m := range page.Metrics {
				if r := ruleOf(m); wanted(r) {
					keys[i] = append(keys[i], key{r, metrics[i].name})
					found[i] = append(found[i], types.MetricDataQuery{
						Id: aws.String(fmt.Sprintf("m%d_%d", i, len(keys[i])-1)), ReturnData: aws.Bool(true),
						MetricStat: &types.MetricStat{Metric: &m, Stat: aws.String(metrics[i].stat), Period: aws.Int32(int32(period / time.Second))},
					})
				}
			}
			if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
				return
			}
		}
	})
	for _, err := range faults {
		if err != nil {
			return nil, err
		}
	}
	byID := map[string]key{}
	var all []types.MetricDataQuery
	for i := range found {
		for n, q := range found[i] {
			byID[aws.ToString(q.Id)] = keys[i][n]
			all = append(all, q)
		}
	}
	out := map[key][]point{}
	for part := range slices.Chunk(all, queries) {
		in := &cloudwatch.GetMetricDataInput{
			MetricDataQueries: part, StartTime: aws.Time(now.Add(-history)), EndTime: aws.Time(now.Add(period)), ScanBy: types.ScanByTimestampDescending,
		}
		for {
			data, err := client.GetMetricData(ctx, in, s.watching)
			if err != nil {
				return nil, fmt.Errorf("read the replication metrics in %s: %w", region, awserr.SortRead(ctx, err))
			}
			for _, r := range data.MetricDataResults {
				k := byID[aws.ToString(r.Id)]
				for i := range min(len(r.Timestamps), len(r.Values)) {
					out[k] = append(out[k], point{r.Timestamps[i].UTC(), r.Values[i]})
				}
			}
			if in.NextToken = data.NextToken; aws.ToString(in.NextToken) == "" {
				break
			}
		}
	}
	for _, points := range out {
		slices.SortStableFunc(points, func(x, y point) int { return y.at.Compare(x.at) })
	}
	return out, nil
}

func (s *S3) watching(o *cloudwatch.Options) { o.Retryer = s.reads.Call() }

// ruleOf is whose metric it is.
func ruleOf(m types.Metric) rule {
	var r rule
	for _, d := range m.Dimensions {
		switch value := aws.ToString(d.Value); aws.ToString(d.Name) {
		case "SourceBucket":
			r.from = value
		case "DestinationBucket":
			r.to = value
		case "RuleId":
			r.id = value
		}
	}
	return r
}
