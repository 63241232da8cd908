package s3

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/metrics"
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

// key is one series: a metric of a rule.
type key struct {
	rule
	metric string
}

// series are the datapoints of these metrics that a Region has, newest first, of the rules
// that are wanted.
func (s *S3) series(ctx context.Context, region string, now time.Time, published []metric, wanted func(rule) bool) (map[key][]metrics.Point, error) {
	reader := metrics.New(s.config(region), s.reads)
	found, faults := make([][]types.Metric, len(published)), make([]error, len(published))
	incident.Together(s.clock, len(published), func(i int) {
		found[i], faults[i] = reader.Found(ctx, "AWS/S3", published[i].name, types.DimensionFilter{Name: aws.String("RuleId")})
	})
	var keys []key
	var asked []metrics.Query
	for i, all := range found {
		if faults[i] != nil {
			return nil, fmt.Errorf("find %s in %s: %w", published[i].name, region, faults[i])
		}
		for _, m := range all {
			if r := ruleOf(m); wanted(r) {
				keys, asked = append(keys, key{r, published[i].name}), append(asked, metrics.Query{Metric: m, Stat: published[i].stat})
			}
		}
	}
	points, err := reader.Read(ctx, now.Add(-history), now.Add(period), period, asked)
	if err != nil {
		return nil, fmt.Errorf("read the replication metrics in %s: %w", region, err)
	}
	out := map[key][]metrics.Point{}
	for i, k := range keys {
		if len(points[i]) > 0 {
			out[k] = points[i]
		}
	}
	return out, nil
}

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
