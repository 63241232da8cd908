// Package metrics reads what CloudWatch has of a Region, for the systems that publish there
// how they are.
//
// It only reads. An answer in part is an error: what it lacks must not be taken for what
// was never published.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
package metrics

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// queries is how many series one call of GetMetricData takes.
const queries = 500

// Point is one datapoint: At is when its period began.
type Point struct {
	At    time.Time
	Value float64
}

// Query asks for the datapoints of one metric by a statistic, such as Sum or p99.
type Query struct {
	Metric types.Metric
	Stat   string
}

// Of is the metric of that name and dimensions.
func Of(namespace, name string, dimensions map[string]string) types.Metric {
	m := types.Metric{Namespace: aws.String(namespace), MetricName: aws.String(name)}
	for _, key := range slices.Sorted(maps.Keys(dimensions)) {
		m.Dimensions = append(m.Dimensions, types.Dimension{Name: aws.String(key), Value: aws.String(dimensions[key])})
	}
	return m
}

// Reader reads the metrics of one Region.
type Reader struct {
	client *cloudwatch.Client
	reads  *awserr.Reads
}

// New returns what reads the metrics of the Region that the settings are for.
func New(config aws.Config, reads *awserr.Reads) *Reader {
	return &Reader{cloudwatch.NewFromConfig(config), reads}
}

func (r *Reader) reading(o *cloudwatch.Options) { o.Retryer = r.reads.Call() }

// Found are the metrics of that name that have a dimension, whatever its value unless the
// filter gives one. Its errors are faults of a read.
func (r *Reader) Found(ctx context.Context, namespace, name string, filter types.DimensionFilter) ([]types.Metric, error) {
	in := &cloudwatch.ListMetricsInput{Namespace: aws.String(namespace), MetricName: aws.String(name), Dimensions: []types.DimensionFilter{filter}}
	var all []types.Metric
	for {
		page, err := r.client.ListMetrics(ctx, in, r.reading)
		if err != nil {
			return nil, awserr.SortRead(ctx, err)
		}
		all = append(all, page.Metrics...)
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return all, nil
		}
	}
}

// Read gives the datapoints from a time on and before another, one for each period that
// has any: in the order of the queries, the newest first. Its errors are faults of a read.
func (r *Reader) Read(ctx context.Context, from, to time.Time, period time.Duration, all []Query) ([][]Point, error) {
	out := make([][]Point, len(all))
	for first := 0; first < len(all); first += queries {
		in := &cloudwatch.GetMetricDataInput{StartTime: aws.Time(from), EndTime: aws.Time(to), ScanBy: types.ScanByTimestampDescending}
		for i, q := range all[first:min(first+queries, len(all))] {
			in.MetricDataQueries = append(in.MetricDataQueries, types.MetricDataQuery{
				Id: aws.String(fmt.Sprintf("m%d", first+i)), ReturnData: aws.Bool(true),
				MetricStat: &types.MetricStat{Metric: &q.Metric, Stat: aws.String(q.Stat), Period: aws.Int32(int32(period / time.Second))},
			})
		}
		if err := r.read(ctx, in, out); err != nil {
			return nil, err
		}
	}
	for _, points := range out {
		slices.SortStableFunc(points, func(x, y Point) int { return y.At.Compare(x.At) })
	}
	return out, nil
}

// read takes in all pages of an answer.
func (r *Reader) read(ctx context.Context, in *cloudwatch.GetMetricDataInput, out [][]Point) error {
	for {
		page, err := r.client.GetMetricData(ctx, in, r.reading)
		if err != nil {
			return awserr.SortRead(ctx, err)
		}
		in.NextToken = page.NextToken
		last := aws.ToString(in.NextToken) == ""
		for _, result := range page.MetricDataResults {
			var n int
			if _, err := fmt.Sscanf(aws.ToString(result.Id), "m%d", &n); err != nil || n < 0 || n >= len(out) {
				continue
			}
			// What is left out of one page is on a later one.
			whole := result.StatusCode == types.StatusCodeComplete || result.StatusCode == "" || !last && result.StatusCode == types.StatusCodePartialData
			if !whole {
				return &incident.CallError{Retry: true, Err: fmt.Errorf("CloudWatch answered in part only (%s)", result.StatusCode)}
			}
			for i := range min(len(result.Timestamps), len(result.Values)) {
				out[n] = append(out[n], Point{result.Timestamps[i].UTC(), result.Values[i]})
			}
		}
		if last {
			return nil
		}
	}
}
