package sim

import (
	"fmt"
	"strconv"
	"time"

	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	cwlt "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	xrayt "github.com/aws/aws-sdk-go-v2/service/xray/types"
)

// LogGroup is one of CloudWatch Logs, in which something arrives all the time.
type LogGroup struct {
	// Until is when the last event arrived; zero while they do.
	Until time.Time `json:"until,omitzero"`
	// AheadSeconds is by how much the clock of what ships them is fast.
	AheadSeconds int `json:"ahead_seconds,omitempty"`
	// Sparse is how many answers without an event come before one that has it.
	Sparse int `json:"sparse,omitempty"`
}

const (
	logGroup = "/eks/ecommerce-prod/order-service"
	logEvery = 10 * time.Second // from one event to the next
)

func beginLogGroups() map[string]*LogGroup { return map[string]*LogGroup{logGroup: {}} }

var logsAPI = awsAPI{
	system: "aws.logs",
	operations: map[string]operation{
		"DescribeLogGroups": reads(describeLogGroups),
		"FilterLogEvents":   reads(filterLogEvents),
	},
	target: func(in any) string {
		if in, ok := in.(*cwl.FilterLogEventsInput); ok {
			return deref(in.LogGroupName)
		}
		return ""
	},
}

func describeLogGroups(r request, in *cwl.DescribeLogGroupsInput) (*cwl.DescribeLogGroupsOutput, error) {
	const all = 50
	names := sortedKeys(r.Regions[r.region].LogGroups)
	most := int(deref(in.Limit))
	if most == 0 {
		most = all
	}
	from, err := strconv.Atoi("0" + deref(in.NextToken))
	if err != nil || from > len(names) || most < 0 || most > all {
		return nil, &cwlt.InvalidParameterException{Message: ptr("The specified nextToken or limit is invalid.")}
	}
	out := &cwl.DescribeLogGroupsOutput{}
	if len(names) > from+most {
		names, out.NextToken = names[:from+most], ptr(strconv.Itoa(from+most))
	}
	for _, name := range names[from:] {
		out.LogGroups = append(out.LogGroups, cwlt.LogGroup{LogGroupName: ptr(name)})
	}
	return out, nil
}

// filterLogEvents gives the first event of the time, as CloudWatch Logs does: maybe after
// some answers without any.
func filterLogEvents(r request, in *cwl.FilterLogEventsInput) (*cwl.FilterLogEventsOutput, error) {
	g := r.Regions[r.region].LogGroups[deref(in.LogGroupName)]
	if g == nil {
		return nil, &cwlt.ResourceNotFoundException{Message: ptr("The specified log group does not exist.")}
	}
	page, err := strconv.Atoi("0" + deref(in.NextToken))
	if err != nil {
		return nil, &cwlt.InvalidParameterException{Message: ptr("The specified nextToken is invalid.")}
	}
	if page < g.Sparse {
		return &cwl.FilterLogEventsOutput{NextToken: ptr(strconv.Itoa(page + 1))}, nil
	}
	ahead := time.Duration(g.AheadSeconds) * time.Second
	last := r.now
	if !g.Until.IsZero() && g.Until.Before(last) {
		last = g.Until
	}
	first := time.UnixMilli(deref(in.StartTime)).Add(-ahead).Truncate(logEvery)
	if first.Add(ahead).Before(time.UnixMilli(deref(in.StartTime))) {
		first = first.Add(logEvery)
	}
	out := &cwl.FilterLogEventsOutput{}
	if at := first.Add(ahead); !first.After(last) && at.UnixMilli() <= deref(in.EndTime) {
		out.Events = []cwlt.FilteredLogEvent{{
			Timestamp: ptr(at.UnixMilli()), IngestionTime: ptr(first.UnixMilli()), Message: ptr("GET /healthz 200"), LogStreamName: ptr("order-service"),
		}}
	}
	return out, nil
}

var xrayAPI = awsAPI{
	system:     "aws.xray",
	operations: map[string]operation{"GetTraceSummaries": reads(getTraceSummaries)},
}

// getTraceSummaries gives one trace of each minute in which users were served.
func getTraceSummaries(r request, in *xray.GetTraceSummariesInput) (*xray.GetTraceSummariesOutput, error) {
	if in.StartTime == nil || in.EndTime == nil || !in.StartTime.Before(*in.EndTime) || in.EndTime.Sub(*in.StartTime) > 6*time.Hour {
		return nil, &xrayt.InvalidRequestException{Message: ptr("The time range is invalid.")}
	}
	region := r.Regions[r.region]
	page, err := strconv.Atoi("0" + deref(in.NextToken))
	if err != nil {
		return nil, &xrayt.InvalidRequestException{Message: ptr("The token is invalid.")}
	}
	if page < region.SparseTraces {
		return &xray.GetTraceSummariesOutput{NextToken: ptr(strconv.Itoa(page + 1))}, nil
	}
	out := &xray.GetTraceSummariesOutput{ApproximateTime: ptr(r.now)}
	for _, m := range region.Traffic {
		at := m.At.Add(30 * time.Second)
		if region.Untraced || m.Requests == 0 || at.Before(*in.StartTime) || at.After(*in.EndTime) {
			continue
		}
		out.TraceSummaries = append(out.TraceSummaries, xrayt.TraceSummary{Id: ptr(fmt.Sprintf("1-%08x-%024x", at.Unix(), at.Unix()))})
	}
	out.TracesProcessedCount = ptr(int64(len(out.TraceSummaries)))
	return out, nil
}
