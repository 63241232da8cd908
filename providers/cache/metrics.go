package cache

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/failoverbot/failoverbot/providers/metrics"
)

const (
	// period is the finest step of these metrics, and their datapoints are shown after
	// one to three minutes.
	period = time.Minute
	fresh  = 5 * time.Minute
	// history is how far back the last value is looked for.
	history = 3 * time.Hour
)

// series is one metric of a node or of a group, with the names of what it is of.
type series struct {
	of     map[string]string
	points []metrics.Point // newest first
}

// measured are the series that a Region has of a metric, as far back as [history], of
// those that have the filter's dimension and are wanted.
func (c *Cache) measured(ctx context.Context, region, metric string, stat types.Statistic, filter types.DimensionFilter, now time.Time, wanted func(of map[string]string) bool) ([]*series, error) {
	reader := metrics.New(c.config(region), c.reads)
	there, err := reader.Found(ctx, "AWS/ElastiCache", metric, filter)
	if err != nil {
		return nil, fmt.Errorf("find %s in %s: %w", metric, region, err)
	}
	var found []*series
	var asked []metrics.Query
	for _, m := range there {
		one := &series{of: map[string]string{}}
		for _, d := range m.Dimensions {
			one.of[aws.ToString(d.Name)] = aws.ToString(d.Value)
		}
		if wanted(one.of) {
			found, asked = append(found, one), append(asked, metrics.Query{Metric: m, Stat: string(stat)})
		}
	}
	points, err := reader.Read(ctx, now.Add(-history), now.Add(period), period, asked)
	if err != nil {
		return nil, fmt.Errorf("read %s in %s: %w", metric, region, err)
	}
	for i, one := range found {
		one.points = points[i]
	}
	return found, nil
}
