package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cw "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
)

// Point is a datapoint of a metric that a Region publishes.
type Point struct {
	At     time.Time `json:"at"`
	Region string    `json:"region"`
	Value  float64   `json:"value"`
	// Samples is how many values it stands for; 0 means one.
	Samples float64 `json:"samples,omitempty"`
}

const datapoint = time.Minute // from one datapoint to the next

// publishPast writes the last hour's datapoints, so that there is something to look
// back at.
func (s *State) publishPast() {
	then := *s
	for m := s.At.Truncate(datapoint).Add(-time.Hour); !m.After(s.At); m = m.Add(datapoint) {
		then.At = m
		then.publish()
	}
	s.Database.Lag, s.Cache.Lag = then.Database.Lag, then.Cache.Lag
}

// stands says that the Region is one of this world and not lost.
func (s *State) stands(region string) bool {
	r := s.Regions[region]
	return r != nil && !r.Lost
}

// publish writes the datapoints that fall on this moment.
func (s *State) publish() {
	if !s.At.Equal(s.At.Truncate(datapoint)) {
		return
	}
	for _, region := range regionNames {
		jitter := 0.85 + float64(draw(s.Seed, 300, "lag", region, s.At.Unix()))/1000
		if s.replicates(region) {
			s.Database.Lag = append(s.Database.Lag, Point{At: s.At, Region: region, Value: s.Database.LagMS * jitter})
		}
		m := s.Cache.Member(region)
		from := s.CachePrimary()
		if m != nil && !m.Primary && m.Status == "associated" && !s.Cache.Silent && s.stands(from) && s.stands(region) {
			s.Cache.Lag = append(s.Cache.Lag, Point{At: s.At, Region: region, Value: s.Cache.LagMS / 1000 * jitter})
		}
	}
	s.publishReplication()
	s.publishReads()
	s.publishTraffic()
	s.publishQueues()
	const keep = 400
	if n := len(s.Database.Lag); n > keep {
		s.Database.Lag = slices.Clone(s.Database.Lag[n-keep:])
	}
	if n := len(s.Cache.Lag); n > keep {
		s.Cache.Lag = slices.Clone(s.Cache.Lag[n-keep:])
	}
}

var cloudwatchAPI = awsAPI{
	system: "aws.cloudwatch",
	operations: map[string]operation{
		"ListMetrics":             reads(listMetrics),
		"GetMetricData":           reads(getMetricData),
		"DescribeAlarmsForMetric": reads(describeAlarms).lostAs(Hang),
	},
}

// series is a metric with its datapoints.
type series struct {
	namespace, name string
	dimensions      map[string]string
	points          []Point
}

// series are the metrics that the Region publishes.
func (r request) series() []series {
	here := func(points []Point) []Point {
		var out []Point
		for _, p := range points {
			if p.Region == r.region {
				out = append(out, p)
			}
		}
		return out
	}
	var all []series
	if lag := here(r.Database.Lag); len(lag) > 0 {
		m := r.Database.Member(r.region)
		all = append(all,
			series{"AWS/RDS", "AuroraGlobalDBRPOLag", map[string]string{"DBClusterIdentifier": m.Cluster}, lag},
			series{"AWS/RDS", "AuroraGlobalDBReplicationLag", map[string]string{"DBClusterIdentifier": m.Cluster}, lag})
	}
	if lag := here(r.Cache.Lag); len(lag) > 0 {
		m := r.Cache.Member(r.region)
		all = append(all, series{"AWS/ElastiCache", "GlobalDatastoreReplicationLag", map[string]string{"ReplicationGroupId": m.Group}, lag})
	}
	all = append(all, r.replication()...)
	all = append(all, r.cacheReadings()...)
	all = append(all, r.traffic()...)
	all = append(all, r.queues()...)
	all = append(all, r.uses()...)
	if r.region == "us-east-1" { // the only Region that publishes these
		for _, id := range sortedKeys(r.DNS.Checks) {
			v := 0.0
			if r.healthy(id) {
				v = 1
			}
			all = append(all, series{"AWS/Route53", "HealthCheckStatus", map[string]string{"HealthCheckId": id}, []Point{{At: r.now.Truncate(datapoint), Region: r.region, Value: v}}})
		}
	}
	return all
}

func (s series) dims() []cw.Dimension {
	var out []cw.Dimension
	for _, k := range sortedKeys(s.dimensions) {
		out = append(out, cw.Dimension{Name: ptr(k), Value: ptr(s.dimensions[k])})
	}
	return out
}

func listMetrics(r request, in *cloudwatch.ListMetricsInput) (*cloudwatch.ListMetricsOutput, error) {
	out := &cloudwatch.ListMetricsOutput{}
	for _, s := range r.series() {
		fits := (in.Namespace == nil || *in.Namespace == s.namespace) && (in.MetricName == nil || *in.MetricName == s.name)
		for _, f := range in.Dimensions {
			v, ok := s.dimensions[deref(f.Name)]
			fits = fits && ok && (f.Value == nil || *f.Value == v)
		}
		if fits {
			out.Metrics = append(out.Metrics, cw.Metric{Namespace: ptr(s.namespace), MetricName: ptr(s.name), Dimensions: s.dims()})
		}
	}
	return out, nil
}

func getMetricData(r request, in *cloudwatch.GetMetricDataInput) (*cloudwatch.GetMetricDataOutput, error) {
	if !in.StartTime.Before(*in.EndTime) {
		return nil, &smithy.GenericAPIError{Code: "ValidationError", Message: "The parameter StartTime must be less than the parameter EndTime.", Fault: smithy.FaultClient}
	}
	out := &cloudwatch.GetMetricDataOutput{}
	for _, q := range in.MetricDataQueries {
		if q.MetricStat == nil || q.MetricStat.Metric == nil {
			return nil, &smithy.GenericAPIError{Code: "ValidationError", Message: "the pretend world reads metrics, not expressions: give MetricStat", Fault: smithy.FaultClient}
		}
		if q.ReturnData != nil && !*q.ReturnData {
			continue
		}
		want := q.MetricStat.Metric
		res := cw.MetricDataResult{Id: q.Id, Label: q.Label, StatusCode: cw.StatusCodeComplete}
		if res.Label == nil {
			res.Label = want.MetricName
		}
		if r.Regions[r.region].InPart {
			res.StatusCode = cw.StatusCodePartialData
			out.MetricDataResults = append(out.MetricDataResults, res)
			continue
		}
		for _, s := range r.series() {
			if deref(want.Namespace) != s.namespace || deref(want.MetricName) != s.name || !sameDimensions(want.Dimensions, s.dimensions) {
				continue
			}
			stat(&res, s.points, *in.StartTime, *in.EndTime, time.Duration(deref(q.MetricStat.Period))*time.Second, deref(q.MetricStat.Stat))
		}
		if in.ScanBy != cw.ScanByTimestampAscending {
			slices.Reverse(res.Timestamps)
			slices.Reverse(res.Values)
		}
		out.MetricDataResults = append(out.MetricDataResults, res)
	}
	return out, nil
}

func sameDimensions(want []cw.Dimension, have map[string]string) bool {
	if len(want) != len(have) {
		return false
	}
	for _, d := range want {
		if v, ok := have[deref(d.Name)]; !ok || v != deref(d.Value) {
			return false
		}
	}
	return true
}

// stat condenses the points to one value for each period that has any. Periods are
// counted from the whole minute in which the time that is asked for begins.
func stat(res *cw.MetricDataResult, points []Point, from, to time.Time, period time.Duration, how string) {
	if period < time.Second {
		period = datapoint
	}
	from = from.Truncate(time.Minute)
	var at time.Time
	var values []float64
	samples := 0.0
	flush := func() {
		if len(values) == 0 {
			return
		}
		v := 0.0
		for _, x := range values {
			v += x
		}
		switch strings.ToLower(how) {
		case "maximum":
			v = slices.Max(values)
		case "minimum":
			v = slices.Min(values)
		case "samplecount":
			v = samples
		case "sum":
		default:
			if strings.HasPrefix(how, "p") {
				slices.Sort(values)
				v = values[len(values)-1]
				break
			}
			v /= float64(len(values))
		}
		res.Timestamps, res.Values = append(res.Timestamps, at), append(res.Values, v)
		values, samples = nil, 0
	}
	for _, p := range points {
		if p.At.Before(from) || !p.At.Before(to) {
			continue
		}
		if slot := from.Add(p.At.Sub(from).Truncate(period)); !slot.Equal(at) {
			flush()
			at = slot
		}
		values = append(values, p.Value)
		samples += max(p.Samples, 1)
	}
	flush()
}
