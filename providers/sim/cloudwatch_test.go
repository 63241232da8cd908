package sim

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cw "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

func TestLagIsPublishedWhereTheReplicaIsAndAgesWithTheLoss(t *testing.T) {
	s := quiet(t)
	newest := func(region string) (value float64, age time.Duration, found bool) {
		c := cloudwatch.NewFromConfig(s.once(region))
		list, err := c.ListMetrics(s.ctx, &cloudwatch.ListMetricsInput{Namespace: ptr("AWS/RDS"), MetricName: ptr("AuroraGlobalDBRPOLag")})
		s.must(err)
		if len(list.Metrics) == 0 {
			return 0, 0, false
		}
		out, err := c.GetMetricData(s.ctx, &cloudwatch.GetMetricDataInput{
			StartTime: ptr(s.clock.Now().Add(-time.Hour)), EndTime: ptr(s.clock.Now()), ScanBy: cw.ScanByTimestampDescending,
			MetricDataQueries: []cw.MetricDataQuery{{Id: ptr("lag"), MetricStat: &cw.MetricStat{Metric: &list.Metrics[0], Period: ptr(int32(60)), Stat: ptr("Maximum")}}},
		})
		s.must(err)
		r := out.MetricDataResults[0]
		if len(r.Values) == 0 {
			return 0, 0, false
		}
		return r.Values[0], s.clock.Now().Sub(r.Timestamps[0]), true
	}
	s.wait(5 * time.Minute)
	v, age, ok := newest(west)
	if !ok || v < 100 || v > 300 || age > 2*time.Minute {
		t.Errorf("lag %v, %s old, %t", v, age, ok)
	}
	if _, _, ok := newest(east); ok {
		t.Error("the primary's Region publishes a lag")
	}
	s.must(s.Happen(Event{CutOff: east}))
	s.wait(5 * time.Minute)
	if _, age, _ := newest(west); age > 2*time.Minute {
		t.Errorf("a bot that is cut off sees a lag that is %s old, though replication runs", age)
	}
	s.must(s.Do(func(st *State) { st.Regions[east].CutOff, st.Regions[east].Lost = false, true }))
	s.wait(10 * time.Minute)
	if v, age, ok := newest(west); !ok || v == 0 || age < 9*time.Minute {
		t.Errorf("ten minutes after the loss: %v, %s old, %t", v, age, ok)
	}
}
