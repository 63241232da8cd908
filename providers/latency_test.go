package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/cloudwatch"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// serving lets the target have served users for the last minutes.
func serving(minutes int, requests, p99 float64) func(s *sim.State) {
	return func(s *sim.State) {
		r := s.Regions[west]
		r.Traffic, r.Unseen = nil, true
		for m := minutes; m > 0; m-- {
			r.Traffic = append(r.Traffic, sim.Traffic{At: s.At.Truncate(time.Minute).Add(-time.Duration(m) * time.Minute), Requests: requests, P99MS: p99})
		}
	}
}

// metrics changes the settings of what is timed.
func metrics(t *testing.T, change func(s *cloudwatch.Settings)) func(c *engine.Call) {
	return func(c *engine.Call) {
		s := partOf[cloudwatch.Settings](t, c.Plan.Topology, cloudwatch.Platform.Key)
		change(&s)
		if err := cloudwatch.Platform.Freeze(&c.Plan.Topology, s); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnswersHaveToComeFastEnough(t *testing.T) {
	judge(t, "latency", []judged{
		{
			"they do", serving(5, 400, 210), incident.Pass,
			[]string{"99 of 100 answers come within 210 ms in us-west-2, below 500 ms, over the last 5 min (ecommerce-ingress 210 ms over 2000 requests)"},
			map[string]string{"ecommerce-ingress": "210 ms over 2000 requests"},
			map[string]float64{"p99 of the slowest": 210},
		},
		{"nearly at the limit", serving(5, 400, 499), incident.Pass, []string{"within 499 ms"}, nil, nil},
		{
			"the limit itself", serving(5, 400, 500), incident.Fail,
			[]string{"answers come too slowly in us-west-2", "ecommerce-ingress takes 500 ms; below 500 ms is wanted"},
			nil,
			map[string]float64{"p99 of the slowest": 500},
		},
		{"just enough requests", serving(5, 20, 210), incident.Pass, []string{"over 100 requests"}, nil, nil},
		{
			"too few requests", serving(5, 19, 900), incident.Unsure,
			[]string{"how long answers take in us-west-2 is unknown: in the last 5 min ecommerce-ingress had 95 requests; at least 100 requests are wanted"},
			map[string]string{"ecommerce-ingress": "95 requests"},
			nil,
		},
		{"nobody has come yet", serving(0, 0, 0), incident.Unsure, []string{"ecommerce-ingress has no datapoint"}, nil, nil},
		{"what was served before that", func(s *sim.State) {
			serving(20, 400, 900)(s)
			s.Regions[west].Traffic = s.Regions[west].Traffic[:14]
		}, incident.Unsure, []string{"has no datapoint"}, nil, nil},
		{"datapoints of a time to come", func(s *sim.State) {
			serving(5, 400, 210)(s)
			for i := range s.Regions[west].Traffic {
				s.Regions[west].Traffic[i].At = s.At.Truncate(time.Minute).Add(time.Minute)
			}
		}, incident.Unsure, []string{"has no datapoint"}, nil, nil},
		{"one group serves nobody", func(s *sim.State) {
			serving(5, 400, 210)(s)
			s.Regions[west].Balancer.Groups = append(s.Regions[west].Balancer.Groups, sim.TargetGroup{Name: "admin"})
		}, incident.Unsure, []string{"admin has no datapoint"}, map[string]string{"ecommerce-ingress": "210 ms over 2000 requests"}, nil},
		{"one is slow and of another nothing is known", func(s *sim.State) {
			serving(5, 400, 900)(s)
			s.Regions[west].Balancer.Groups = append(s.Regions[west].Balancer.Groups, sim.TargetGroup{Name: "admin"})
		}, incident.Fail, []string{"ecommerce-ingress takes 900 ms"}, map[string]string{"admin": "no datapoint"}, nil},
		{"no target group", func(s *sim.State) {
			serving(5, 400, 210)(s)
			s.Regions[west].Balancer.Groups = nil
		}, incident.Unsure, []string{"its load balancer has no target group"}, nil, nil},
	})
	t.Run("limits of the settings", func(t *testing.T) {
		judge(t, "latency", []judged{
			{"slow", serving(5, 400, 201), incident.Fail, []string{"below 200 ms is wanted"}, nil, nil},
		}, metrics(t, func(s *cloudwatch.Settings) { s.MaxP99MS = 200 }))
		judge(t, "latency", []judged{{"few", serving(5, 400, 100), incident.Unsure, []string{"at least 3000 requests are wanted"}, nil, nil}}, metrics(t, func(s *cloudwatch.Settings) { s.MinRequests = 3000 }))
	})
	t.Run("a metric by service", func(t *testing.T) {
		own := metrics(t, func(s *cloudwatch.Settings) {
			s.Namespace, s.Metric, s.ServiceDimension = "ECommerce", "RequestLatency", "Service"
		})
		judge(t, "latency", []judged{
			{"each of them", serving(5, 400, 210), incident.Pass, []string{"user-service 210 ms over 400 requests", "notification-service 210 ms"}, nil, map[string]float64{"p99 of the slowest": 210}},
			{"too slow", serving(5, 400, 700), incident.Fail, []string{"user-service takes 700 ms"}, nil, nil},
			{"too few", serving(5, 99, 700), incident.Unsure, []string{"user-service had 99 requests"}, nil, nil},
		}, own)
		judge(t, "latency", []judged{{"in seconds", serving(5, 400, 0.3), incident.Pass, []string{"within 300 ms"}, nil, nil}}, own, metrics(t, func(s *cloudwatch.Settings) { s.Unit = "s" }))
		judge(t, "latency", []judged{{"that nobody publishes", serving(5, 400, 210), incident.Unsure, []string{"user-service has no datapoint"}, nil, nil}}, own, metrics(t, func(s *cloudwatch.Settings) { s.Metric = "Latency" }))
	})
	for settings, says := range map[string]string{
		"{metric_namespace: a}": "name one metric", "{metric_namespace: a, metric: b}": "service_dimension", "{unit: us}": "is s or ms", "{max_p99_ms: -1}": "max_p99_ms", "{}": "",
	} {
		faults := faultsOf(t, cloudwatch.Platform, settings)
		if says == "" && len(faults) > 0 || says != "" && !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, says) }) {
			t.Errorf("%s: %v", settings, faults)
		}
	}
}

func TestHowLongAnswersTakeIsUnknownWhereItCannotBeRead(t *testing.T) {
	blindIn(t, serving(5, 400, 210), "latency", "aws.cloudwatch", "GetMetricData")
	blindIn(t, serving(5, 400, 210), "latency", "aws.elasticloadbalancing", "DescribeTargetGroups")
	w := newWorld(t)
	w.wait(t, time.Minute)
	_, _, _ = w.looked(t, "latency")
	for _, call := range w.Calls() {
		if call.Region == east {
			t.Errorf("it asked %s of %s", call.Operation, call.Region)
		}
	}
}

// Users who are moved are seen by the metric, and what they get there.
func TestThePretendWorldTellsWhatUsersGetWhereTheyAre(t *testing.T) {
	w := newWorld(t)
	w.wait(t, 6*time.Minute)
	s := w.Snapshot()
	if n := len(s.Regions[east].Traffic); n < 5 || len(s.Regions[west].Traffic) != 0 {
		t.Errorf("%d minutes are told of %s, %d of %s", n, east, len(s.Regions[west].Traffic), west)
	}
	if err := w.Happen(sim.Event{Degrade: &sim.Degrade{Region: east, LatencyMS: 900}}); err != nil {
		t.Fatal(err)
	}
	w.wait(t, 2*time.Minute)
	all := w.Snapshot().Regions[east].Traffic
	if last := all[len(all)-1]; last.P99MS < 900 {
		t.Errorf("in a degraded Region 99 of 100 answers come within %.0f ms", last.P99MS)
	}
	if err := w.Happen(sim.Event{Lose: east}); err != nil {
		t.Fatal(err)
	}
	w.wait(t, 10*time.Minute)
	if after := w.Snapshot().Regions[east].Traffic; len(after) > len(all)+1 {
		t.Errorf("a lost Region has told of %d minutes more", len(after)-len(all))
	}
}
