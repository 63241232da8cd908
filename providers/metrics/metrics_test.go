package metrics

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

var noon = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)

// answering is a CloudWatch that answers each call with what say gives for it.
func answering(say func(in *cloudwatch.GetMetricDataInput) *cloudwatch.GetMetricDataOutput) *Reader {
	return New(aws.Config{Region: "us-west-2", APIOptions: []func(*middleware.Stack) error{func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("Answers", func(_ context.Context, in middleware.InitializeInput, _ middleware.InitializeHandler) (out middleware.InitializeOutput, md middleware.Metadata, err error) {
			out.Result = say(in.Parameters.(*cloudwatch.GetMetricDataInput))
			return out, md, nil
		}), middleware.Before)
	}}}, awserr.NewReads(incident.RealClock{}))
}

func result(id string, status types.StatusCode, minutes ...int) types.MetricDataResult {
	r := types.MetricDataResult{Id: &id, StatusCode: status}
	for _, m := range minutes {
		r.Timestamps, r.Values = append(r.Timestamps, noon.Add(time.Duration(m)*time.Minute)), append(r.Values, float64(m))
	}
	return r
}

func TestSeriesAreReadWholeOrNotAtAll(t *testing.T) {
	for name, c := range map[string]struct {
		pages [][]types.MetricDataResult
		want  string
		err   string
	}{
		"in one answer":             {[][]types.MetricDataResult{{result("m0", types.StatusCodeComplete, 3, 1)}}, "[[3 1] []]", ""},
		"on several pages":          {[][]types.MetricDataResult{{result("m0", types.StatusCodePartialData, 1)}, {result("m0", types.StatusCodeComplete, 3), result("m1", types.StatusCodeComplete, 2)}}, "[[3 1] [2]]", ""},
		"an answer without a state": {[][]types.MetricDataResult{{result("m1", "", 2)}}, "[[] [2]]", ""},
		"something not asked for":   {[][]types.MetricDataResult{{result("m7", types.StatusCodeComplete, 2), result("other", types.StatusCodeInternalError)}}, "[[] []]", ""},
		"in part to the end":        {[][]types.MetricDataResult{{result("m0", types.StatusCodePartialData, 1)}}, "", "in part only (PartialData)"},
		"an error of CloudWatch's":  {[][]types.MetricDataResult{{result("m0", types.StatusCodeInternalError)}, {result("m0", types.StatusCodeComplete, 3)}}, "", "in part only (InternalError)"},
		"nothing may be told":       {[][]types.MetricDataResult{{result("m0", types.StatusCodeForbidden)}}, "", "in part only (Forbidden)"},
	} {
		t.Run(name, func(t *testing.T) {
			page := 0
			r := answering(func(*cloudwatch.GetMetricDataInput) *cloudwatch.GetMetricDataOutput {
				out := &cloudwatch.GetMetricDataOutput{MetricDataResults: c.pages[page]}
				if page++; page < len(c.pages) {
					out.NextToken = aws.String("more")
				}
				return out
			})
			points, err := r.Read(t.Context(), noon, noon.Add(time.Hour), time.Minute, make([]Query, 2))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || !incident.CallErrorOf(err).Retry {
					t.Errorf("%v %v", points, err)
				}
				return
			}
			values := make([][]float64, len(points))
			for i := range points {
				for _, p := range points[i] {
					values[i] = append(values[i], p.Value)
				}
			}
			if got := fmt.Sprint(values); err != nil || got != c.want {
				t.Errorf("%s %v, want %s", got, err, c.want)
			}
		})
	}
}

// More series than one call takes are asked for in several, each once.
func TestManySeriesAreReadInSeveralCalls(t *testing.T) {
	var asked []string
	calls := 0
	r := answering(func(in *cloudwatch.GetMetricDataInput) *cloudwatch.GetMetricDataOutput {
		calls++
		out := &cloudwatch.GetMetricDataOutput{}
		for _, q := range in.MetricDataQueries {
			asked = append(asked, *q.Id)
			out.MetricDataResults = append(out.MetricDataResults, result(*q.Id, types.StatusCodeComplete, 1))
		}
		return out
	})
	points, err := r.Read(t.Context(), noon, noon.Add(time.Hour), time.Minute, make([]Query, 1201))
	if err != nil || calls != 3 || len(asked) != 1201 || len(slices.Compact(slices.Sorted(slices.Values(asked)))) != 1201 {
		t.Errorf("%d calls for %d series: %v", calls, len(asked), err)
	}
	for i, p := range points {
		if len(p) != 1 {
			t.Errorf("series %d has %v", i, p)
		}
	}
}

func TestAMetricHasItsDimensionsInOneOrder(t *testing.T) {
	m := Of("AWS/ApplicationELB", "RequestCount", map[string]string{"TargetGroup": "b", "LoadBalancer": "a"})
	if len(m.Dimensions) != 2 || *m.Dimensions[0].Name != "LoadBalancer" || *m.Dimensions[1].Value != "b" || *m.Namespace != "AWS/ApplicationELB" {
		t.Errorf("%+v", m)
	}
}
