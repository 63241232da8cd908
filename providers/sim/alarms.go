package sim

import (
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cw "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snst "github.com/aws/aws-sdk-go-v2/service/sns/types"
)

// Alarm is a CloudWatch alarm on the status of a health check. It lives where Route 53's
// API does.
type Alarm struct {
	Name string `json:"name"`
	// Check is the health check's id.
	Check string `json:"check"`
	// Compare and Threshold are when it fires.
	Compare   string  `json:"compare"`
	Threshold float64 `json:"threshold"`
	// Muted alarms carry no action out.
	Muted bool `json:"muted,omitempty"`
	// Actions are ARNs.
	Actions []string `json:"actions"`
	// NoData: it has not seen the metric.
	NoData bool `json:"no_data,omitempty"`
}

// Subscription is one of an SNS topic.
type Subscription struct {
	Protocol string `json:"protocol"`
	Endpoint string `json:"endpoint"`
	// Pending: whoever it is has not confirmed it.
	Pending bool `json:"pending,omitempty"`
}

// pagingTopic is the topic that PagerDuty is subscribed to.
const pagingTopic = "arn:aws:sns:" + route53Home + ":" + account + ":route53-failover"

func beginAlarms() []Alarm {
	return []Alarm{{
		Name: "route53-failover-triggered", Check: checkPrimary, Compare: string(cw.ComparisonOperatorLessThanThreshold), Threshold: 1,
		Actions: []string{pagingTopic},
	}}
}

// beginTopics are the subscriptions of SNS topics, by ARN.
func beginTopics() map[string][]Subscription {
	out := map[string][]Subscription{pagingTopic: {
		{Protocol: "email", Endpoint: "operations@ecommerce.com"},
		{Protocol: "https", Endpoint: "https://events.pagerduty.com/integration/00000000000000000000000000000000/enqueue"},
	}}
	for _, region := range regionNames {
		out[topicARN(region)] = []Subscription{{Protocol: "sqs", Endpoint: "arn:aws:sqs:" + region + ":" + account + ":" + orderQueue}}
	}
	return out
}

func describeAlarms(r request, in *cloudwatch.DescribeAlarmsForMetricInput) (*cloudwatch.DescribeAlarmsForMetricOutput, error) {
	out := &cloudwatch.DescribeAlarmsForMetricOutput{}
	if r.region != route53Home || deref(in.Namespace) != "AWS/Route53" || deref(in.MetricName) != "HealthCheckStatus" {
		return out, nil
	}
	for _, a := range r.DNS.Alarms {
		if !sameDimensions(in.Dimensions, map[string]string{"HealthCheckId": a.Check}) {
			continue
		}
		state := cw.StateValueOk
		if !r.healthy(a.Check) {
			state = cw.StateValueAlarm
		}
		if a.NoData {
			state = cw.StateValueInsufficientData
		}
		out.MetricAlarms = append(out.MetricAlarms, cw.MetricAlarm{
			AlarmName: ptr(a.Name), AlarmArn: ptr("arn:aws:cloudwatch:" + route53Home + ":" + account + ":alarm:" + a.Name),
			Namespace: in.Namespace, MetricName: in.MetricName, Dimensions: in.Dimensions, Statistic: cw.StatisticMinimum, Period: ptr(int32(60)), EvaluationPeriods: ptr(int32(1)),
			ComparisonOperator: cw.ComparisonOperator(a.Compare), Threshold: ptr(a.Threshold), ActionsEnabled: ptr(!a.Muted), AlarmActions: a.Actions, StateValue: state,
		})
	}
	return out, nil
}

var snsAPI = awsAPI{
	system: "aws.sns",
	operations: map[string]operation{
		"ListTopics":               reads(listTopics),
		"ListSubscriptionsByTopic": reads(listSubscriptions),
	},
	target: func(in any) string {
		if in, ok := in.(*sns.ListSubscriptionsByTopicInput); ok {
			return deref(in.TopicArn)
		}
		return ""
	},
}

// listTopics gives the topic that a Region's services publish to, and those of its alarms.
func listTopics(r request, in *sns.ListTopicsInput) (*sns.ListTopicsOutput, error) {
	all := []string{topicARN(r.region)}
	for _, topic := range sortedKeys(r.DNS.Topics) {
		if strings.HasPrefix(topic, "arn:aws:sns:"+r.region+":") {
			all = append(all, topic)
		}
	}
	from, err := strconv.Atoi("0" + deref(in.NextToken))
	if err != nil || from > len(all) {
		return nil, &snst.InvalidParameterException{Message: ptr("Invalid parameter: NextToken")}
	}
	out := &sns.ListTopicsOutput{}
	if len(all) > from+topicsPage {
		all, out.NextToken = all[:from+topicsPage], ptr(strconv.Itoa(from+topicsPage))
	}
	for _, topic := range all[from:] {
		out.Topics = append(out.Topics, snst.Topic{TopicArn: ptr(topic)})
	}
	return out, nil
}

// topicsPage is how many topics a page has.
const topicsPage = 100

func listSubscriptions(r request, in *sns.ListSubscriptionsByTopicInput) (*sns.ListSubscriptionsByTopicOutput, error) {
	topic := deref(in.TopicArn)
	all, there := r.DNS.Topics[topic]
	if !there || !strings.HasPrefix(topic, "arn:aws:sns:"+r.region+":") {
		return nil, &snst.NotFoundException{Message: ptr("Topic does not exist")}
	}
	out := &sns.ListSubscriptionsByTopicOutput{}
	from, err := strconv.Atoi("0" + deref(in.NextToken))
	if err != nil || from > len(all) {
		return nil, &snst.InvalidParameterException{Message: ptr("Invalid parameter: NextToken")}
	}
	for i, s := range all[from:] {
		if i == 100 { // as many as a page has
			out.NextToken = ptr(strconv.Itoa(from + i))
			break
		}
		id := ptr(topic + ":" + string(uidOf(topic, s.Endpoint)))
		if s.Pending {
			id = ptr("PendingConfirmation")
		}
		out.Subscriptions = append(out.Subscriptions, snst.Subscription{
			TopicArn: ptr(topic), Protocol: ptr(s.Protocol), Endpoint: ptr(s.Endpoint), Owner: ptr(account), SubscriptionArn: id,
		})
	}
	return out, nil
}
