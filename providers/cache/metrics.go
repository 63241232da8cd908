package cache

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/failoverbot/failoverbot/providers/awserr"
)

const (
	// period is the finest step of these metrics, and their datapoints are shown after
	// one to three minutes.
	period = time.Minute
	fresh  = 5 * time.Minute
	// history is how far back the last value is looked for.
	history = 3 * time.Hour
	// queries is how many series one call of GetMetricData takes.
	queries = 500
)

type point struct {
	at    time.Time
	value float64
}

// series is one metric of a node or of a group, with the names of what it is of.
type series struct {
	metric string
	of     map[string]string
	points []point // newest first
}

// measured are the series that a Region has of a metric, as far back as [history], of
// those that have the filter's dimension and are wanted.
func (c *Cache) measured(ctx context.Context, region, metric string, stat types.Statistic, filter types.DimensionFilter, now time.Time, wanted func(of map[string]string) bool) ([]*series, error) {
	client := cloudwatch.NewFromConfig(c.config(region))
	reading := func(o *cloudwatch.Options) { o.Retryer = c.reads.Call() }
	var found []*series
	var asked []types.MetricDataQuery
	list := &cloudwatch.ListMetricsInput{
		Namespace: aws.String("AWS/ElastiCache"), MetricName: aws.String(metric), Dimensions: []types.DimensionFilter{filter},
	}
	for {
		page, err := client.ListMetrics(ctx, list, reading)
		if err != nil {
			return nil, fmt.Errorf("find %s in %s: %w", metric, region, awserr.SortRead(ctx, err))
		}
		for _, m := range page.Metrics {
			one := &series{metric: metric, of: map[string]string{}}
			for _, d := range m.Dimensions {
				one.of[aws.ToString(d.Name)] = aws.ToString(d.Value)
			}
			if !wanted(one.of) {
				continue
			}
			asked = append(asked, types.MetricDataQuery{
				Id: aws.String(fmt.Sprintf("m%d", len(found))), ReturnData: aws.Bool(true),
				MetricStat: &types.MetricStat{Metric: &m, Stat: aws.String(string(stat)), Period: aws.Int32(int32(period / time.Second))},
			})
			found = append(found, one)
		}
		if list.NextToken = page.NextToken; aws.ToString(list.NextToken) == "" {
			break
		}
	}
	byID := map[string]*series{}
	for i, q := range asked {
		byID[aws.ToString(q.Id)] = found[i]
	}
	for part := range slices.Chunk(asked, queries) {
		in := &cloudwatch.GetMetricDataInput{
			MetricDataQueries: part, StartTime: aws.Time(now.Add(-history)), EndTime: aws.Time(now.Add(period)), ScanBy: types.ScanByTimestampDescending,
		}
		for {
			data, err := client.GetMetricData(ctx, in, reading)
			if err != nil {
				return nil, fmt.Errorf("read %s in %s: %w", metric, region, awserr.SortRead(ctx, err))
			}
			for _, r := range data.MetricDataResults {
				one := byID[aws.ToString(r.Id)]
				for i := range min(len(r.Timestamps), len(r.Values)) {
					if one != nil {
						one.points = append(one.points, point{r.Timestamps[i].UTC(), r.Values[i]})
					}
				}
			}
			if in.NextToken = data.NextToken; aws.ToString(in.NextToken) == "" {
				break
			}
		}
	}
	for _, one := range found {
		slices.SortStableFunc(one.points, func(x, y point) int { return y.at.Compare(x.at) })
	}
	return found, nil
}
