package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqst "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// Queue is one of SQS, as it is from now on.
type Queue struct {
	// Waiting messages have been taken by nobody, Taken ones are worked on.
	Waiting int `json:"waiting"`
	Taken   int `json:"taken"`
	// Seconds is how old the oldest is.
	Seconds float64 `json:"seconds"`
	// Dead is the queue that its dead letters go to; empty for none.
	Dead string `json:"dead,omitempty"`
	// Silent: nothing is published of it.
	Silent bool `json:"silent,omitempty"`
	// Published is what was.
	Published []QueuePoint `json:"published"`
}

// QueuePoint is what is published of a queue at one moment.
type QueuePoint struct {
	At      time.Time `json:"at"`
	Waiting float64   `json:"waiting"`
	Seconds float64   `json:"seconds"`
}

// Delivery is what became of a topic's notifications in a minute. At is when that began.
type Delivery struct {
	At        time.Time `json:"at"`
	Delivered float64   `json:"delivered"`
	Failed    float64   `json:"failed"`
}

const (
	orderQueue    = "order-events"
	deadQueue     = "order-events-dead"
	notifications = 60 // of a topic, in a minute
)

// topicARN is the topic that a Region's services publish to.
func topicARN(region string) string { return "arn:aws:sns:" + region + ":" + account + ":order-placed" }

func beginQueues() map[string]*Queue {
	return map[string]*Queue{orderQueue: {Dead: deadQueue}, deadQueue: {}}
}

// publishQueues writes the datapoints of queues and topics. What is published to a topic
// comes from users, so there is none where nobody is sent.
func (s *State) publishQueues() {
	const keep = 60
	for _, region := range regionNames {
		r := s.Regions[region]
		if !s.stands(region) {
			continue
		}
		for _, name := range sortedKeys(r.Queues) {
			q := r.Queues[name]
			if n := len(q.Published); q.Silent || n > 0 && !q.Published[n-1].At.Before(s.At) {
				continue
			}
			q.Published = append(q.Published, QueuePoint{s.At, float64(q.Waiting), q.Seconds})
			if n := len(q.Published); n > keep {
				q.Published = slices.Clone(q.Published[n-keep:])
			}
		}
		began := s.At.Add(-datapoint)
		if n := len(r.Deliveries); s.resolve(recordName) != region || n > 0 && !r.Deliveries[n-1].At.Before(began) {
			continue
		}
		r.Deliveries = append(r.Deliveries, Delivery{began, notifications, r.FailedDeliveries})
		if n := len(r.Deliveries); n > keep {
			r.Deliveries = slices.Clone(r.Deliveries[n-keep:])
		}
	}
}

// queues are the metrics of the Region's queues and of its topic. Of deliveries that
// failed there is a datapoint only where some did.
func (r request) queues() []series {
	region := r.Regions[r.region]
	var all []series
	for _, name := range sortedKeys(region.Queues) {
		var waiting, oldest []Point
		for _, p := range region.Queues[name].Published {
			waiting = append(waiting, Point{At: p.At, Region: r.region, Value: p.Waiting})
			oldest = append(oldest, Point{At: p.At, Region: r.region, Value: p.Seconds})
		}
		of := map[string]string{"QueueName": name}
		all = append(all, series{"AWS/SQS", "ApproximateNumberOfMessagesVisible", of, waiting}, series{"AWS/SQS", "ApproximateAgeOfOldestMessage", of, oldest})
	}
	var delivered, failed []Point
	for _, d := range region.Deliveries {
		delivered = append(delivered, Point{At: d.At, Region: r.region, Value: d.Delivered})
		if d.Failed > 0 {
			failed = append(failed, Point{At: d.At, Region: r.region, Value: d.Failed})
		}
	}
	arn := topicARN(r.region)
	of := map[string]string{"TopicName": arn[strings.LastIndex(arn, ":")+1:]}
	return append(all, series{"AWS/SNS", "NumberOfNotificationsDelivered", of, delivered}, series{"AWS/SNS", "NumberOfNotificationsFailed", of, failed})
}

var sqsAPI = awsAPI{
	system: "aws.sqs",
	operations: map[string]operation{
		"ListQueues":         reads(listQueues),
		"GetQueueUrl":        reads(getQueueURL),
		"GetQueueAttributes": reads(getQueueAttributes),
	},
	target: func(in any) string {
		switch in := in.(type) {
		case *sqs.GetQueueUrlInput:
			return deref(in.QueueName)
		case *sqs.GetQueueAttributesInput:
			return deref(in.QueueUrl)
		}
		return ""
	},
}

func queueURL(region, name string) string {
	return fmt.Sprintf("https://sqs.%s.amazonaws.com/%s/%s", region, account, name)
}

// listQueues gives as many as are asked for; of more than that it tells only whoever asked
// for so many.
func listQueues(r request, in *sqs.ListQueuesInput) (*sqs.ListQueuesOutput, error) {
	const all = 1000
	names := sortedKeys(r.Regions[r.region].Queues)
	most := int(deref(in.MaxResults))
	if most == 0 {
		most = all
	}
	from, err := strconv.Atoi("0" + deref(in.NextToken))
	if err != nil || from > len(names) || most < 0 || most > all {
		return nil, &smithy.GenericAPIError{Code: "InvalidParameterValue", Message: "Value for parameter NextToken or MaxResults is invalid."}
	}
	out := &sqs.ListQueuesOutput{}
	if len(names) > from+most {
		if names = names[:from+most]; in.MaxResults != nil {
			out.NextToken = ptr(strconv.Itoa(from + most))
		}
	}
	for _, name := range names[from:] {
		out.QueueUrls = append(out.QueueUrls, queueURL(r.region, name))
	}
	return out, nil
}

func getQueueURL(r request, in *sqs.GetQueueUrlInput) (*sqs.GetQueueUrlOutput, error) {
	if r.Regions[r.region].Queues[deref(in.QueueName)] == nil {
		return nil, &sqst.QueueDoesNotExist{Message: ptr("The specified queue does not exist.")}
	}
	return &sqs.GetQueueUrlOutput{QueueUrl: ptr(queueURL(r.region, *in.QueueName))}, nil
}

func getQueueAttributes(r request, in *sqs.GetQueueAttributesInput) (*sqs.GetQueueAttributesOutput, error) {
	url := deref(in.QueueUrl)
	q := r.Regions[r.region].Queues[url[strings.LastIndex(url, "/")+1:]]
	if q == nil || !strings.HasPrefix(url, queueURL(r.region, "")) {
		return nil, &sqst.QueueDoesNotExist{Message: ptr("The specified queue does not exist.")}
	}
	out := &sqs.GetQueueAttributesOutput{Attributes: map[string]string{}}
	for _, name := range in.AttributeNames {
		switch name {
		case sqst.QueueAttributeNameApproximateNumberOfMessages:
			out.Attributes[string(name)] = strconv.Itoa(q.Waiting)
		case sqst.QueueAttributeNameApproximateNumberOfMessagesNotVisible:
			out.Attributes[string(name)] = strconv.Itoa(q.Taken)
		case sqst.QueueAttributeNameRedrivePolicy:
			if q.Dead != "" {
				out.Attributes[string(name)] = fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:%s:%s:%s","maxReceiveCount":5}`, r.region, account, q.Dead)
			}
		default: // of which the world tells nothing
		}
	}
	return out, nil
}
