package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/providers/sns"
	"github.com/failoverbot/failoverbot/providers/sqs"
)

// queued lets a queue of the target have so many messages, and be as old as that minute by
// minute, the newest last.
func queued(name string, waiting int, seconds ...float64) func(s *sim.State) {
	return func(s *sim.State) {
		q := s.Regions[west].Queues[name]
		q.Waiting, q.Silent, q.Published = waiting, true, nil
		for i, age := range seconds {
			q.Seconds = age
			q.Published = append(q.Published, sim.QueuePoint{At: s.At.Truncate(time.Minute).Add(-time.Duration(len(seconds)-1-i) * time.Minute), Waiting: float64(waiting), Seconds: age})
		}
	}
}

func TestQueuesHaveToBeWorkedOff(t *testing.T) {
	const queue, dead = "order-events", "order-events-dead"
	deadLetters := func(before, now int) func(s *sim.State) {
		return func(s *sim.State) {
			queued(dead, now, 0, 0, 0)(s)
			s.Regions[west].Queues[dead].Published[0].Waiting = float64(before)
		}
	}
	judge(t, "queues", []judged{
		{
			"nothing waits", func(*sim.State) {}, incident.Pass,
			[]string{"nothing waits in 1 queue of us-west-2; nothing lies in the queues of us-east-1"},
			map[string]string{queue: "0 waiting, 0 taken", "left in us-east-1": "nothing lies"},
			map[string]float64{"age of the oldest message": 0, "new dead letters": 0},
		},
		{
			"messages are young", queued(queue, 40, 12, 14, 13, 12, 15), incident.Pass,
			[]string{"1 queue of us-west-2 is worked off, the oldest message is 15 s old"},
			map[string]string{queue: "40 waiting, 0 taken, the oldest 15 s"},
			map[string]float64{"age of the oldest message": 15},
		},
		{"as old as may be", queued(queue, 40, 20, 30, 40, 50, 60), incident.Pass, []string{"is 1 min old"}, nil, nil},
		{
			"old, and getting older", queued(queue, 40, 20, 80, 140, 200, 260), incident.Fail,
			[]string{"queues of us-west-2 are not worked off: the oldest of 40 messages of order-events is 4 min 20 s old and not getting younger"},
			nil,
			map[string]float64{"age of the oldest message": 260},
		},
		{"old, and as old as before", queued(queue, 40, 300, 300, 300, 300, 300), incident.Fail, []string{"not getting younger"}, nil, nil},
		{"old, and getting younger", queued(queue, 40, 900, 800, 700, 600, 500), incident.Warn, []string{"is worked off, the oldest message is 8 min 20 s old: the oldest of order-events is 8 min 20 s old and was 13 min 20 s"}, nil, nil},
		{"old, and known once", queued(queue, 40, 300), incident.Fail, []string{"not getting younger"}, nil, nil},
		{"taken by somebody who does not finish", func(s *sim.State) {
			queued(queue, 0, 300, 360, 420, 480, 540)(s)
			s.Regions[west].Queues[queue].Taken = 3
		}, incident.Fail, []string{"the oldest of 3 messages of order-events is 9 min old"}, nil, nil},
		{
			"no age is told", queued(queue, 40), incident.Unsure,
			[]string{"whether the queues of us-west-2 are worked off is unknown: of order-events with 40 messages no age was told for 15 min"},
			nil, nil,
		},
		{"no age is told any more", func(s *sim.State) {
			queued(queue, 40, 5, 5, 5)(s)
			for i := range s.Regions[west].Queues[queue].Published {
				s.Regions[west].Queues[queue].Published[i].At = s.At.Add(-time.Duration(10-i) * time.Minute)
			}
		}, incident.Unsure, []string{"no age was told"}, nil, nil},
		{"an age of a time to come", func(s *sim.State) {
			queued(queue, 40, 5)(s)
			s.Regions[west].Queues[queue].Published[0].At = s.At.Truncate(time.Minute).Add(time.Minute)
		}, incident.Unsure, []string{"no age was told"}, nil, nil},
		{
			"dead letters are new", deadLetters(2, 5), incident.Fail,
			[]string{"3 new dead letters of order-events within 15 min"},
			map[string]string{dead: "5 dead letters"},
			map[string]float64{"new dead letters": 3},
		},
		{"dead letters are old", deadLetters(5, 5), incident.Pass, []string{"nothing waits"}, map[string]string{dead: "5 dead letters"}, nil},
		{"nobody tells how old dead letters are", queued(dead, 5), incident.Unsure, []string{"whether the 5 dead letters of order-events are new was not told"}, nil, nil},
		{"no queue for dead letters", func(s *sim.State) { s.Regions[west].Queues[queue].Dead = "" }, incident.Pass, nil, nil, nil},
		{"messages lie where they were", func(s *sim.State) { s.Regions[east].Queues[queue].Waiting = 12 }, incident.Pass, []string{"12 messages in the queues of us-east-1, to be worked off there"}, nil, nil},
		{"the source does not answer", func(s *sim.State) { s.Regions[east].Lost = true }, incident.Pass, []string{"nothing waits in 1 queue of us-west-2; what lies in the queues of us-east-1 is unknown"}, nil, nil},
		{"the queue is not there", func(s *sim.State) { delete(s.Regions[west].Queues, queue) }, incident.Unsure, []string{"find queue order-events in us-west-2"}, nil, nil},
		{"that of dead letters is not there", func(s *sim.State) { delete(s.Regions[west].Queues, dead) }, incident.Unsure, []string{"find queue order-events-dead"}, nil, nil},
	})
	settings := func(s sqs.Settings) func(c *engine.Call) {
		return func(c *engine.Call) {
			if err := sqs.Platform.Freeze(&c.Plan.Topology, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("another age", func(t *testing.T) {
		judge(t, "queues", []judged{{"not older", queued(queue, 1, 300, 300, 300, 300), incident.Pass, []string{"5 min old"}, nil, nil}}, settings(sqs.Settings{MaxAgeSeconds: 300, Regions: map[string]sqs.Region{west: {Queues: []string{queue}}}}))
	})
	t.Run("no queues", func(t *testing.T) {
		judge(t, "queues", []judged{{"nothing to look at", func(*sim.State) {}, incident.NotApplicable, []string{"the settings name no queues of us-west-2"}, nil, nil}}, settings(sqs.Settings{}))
	})
	for text, says := range map[string]string{
		"regions: {us-east-1: {queues: [a]}}":                                         "does not say what there is in us-west-2",
		"regions: {us-east-1: {queues: [a]}, us-west-2: {queues: ['https://x/y/z']}}": "a queue's name alone",
		"max_age_seconds: -1": "max_age_seconds",
		"{}":                  "",
	} {
		faults := faultsOf(t, sqs.Platform, text)
		if says == "" && len(faults) > 0 || says != "" && !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, says) }) {
			t.Errorf("%s: %v", text, faults)
		}
	}
}

func TestQueuesThatCannotBeSeenAreUnknown(t *testing.T) {
	waiting := queued("order-events", 40, 5, 5, 5)
	blindIn(t, waiting, "queues", "aws.sqs", "GetQueueUrl", "GetQueueAttributes")
	blindIn(t, waiting, "queues", "aws.cloudwatch", "GetMetricData")
}

// What lies in the lost Region is counted once it answers, which is news.
func TestWhatLiesInTheLostRegionIsCountedOnceItAnswers(t *testing.T) {
	w := newWorld(t)
	w.wait(t, time.Minute)
	w.change(t, func(s *sim.State) { s.Regions[east].Queues["order-events"].Waiting, s.Regions[east].Lost = 7, true })
	gone, ok, err := w.looked(t, "queues")
	if err != nil || !ok {
		t.Fatalf("%t %v", ok, err)
	}
	w.change(t, func(s *sim.State) { s.Regions[east].Lost = false })
	back, ok, err := w.looked(t, "queues")
	if err != nil || !ok || back.State == gone.State || !strings.Contains(back.Summary, "7 messages in the queues of us-east-1") {
		t.Errorf("%t %q, %q before, %v", ok, back.Summary, gone.Summary, err)
	}
}

func TestTopicsHaveToDeliver(t *testing.T) {
	const topic = "arn:aws:sns:us-west-2:111122223333:order-placed"
	delivering := func(minutes int, failed float64) func(s *sim.State) {
		return func(s *sim.State) {
			for m := minutes; m > 0; m-- {
				s.Regions[west].Deliveries = append(s.Regions[west].Deliveries, sim.Delivery{At: s.At.Truncate(time.Minute).Add(-time.Duration(m) * time.Minute), Delivered: 60, Failed: failed})
			}
		}
	}
	judge(t, "topics", []judged{
		{
			"they do", delivering(5, 0), incident.Pass,
			[]string{"all subscriptions of 1 topic of us-west-2 are confirmed; 300 deliveries in the last 15 min, none failed"},
			map[string]string{"order-placed": "1 confirmed subscription, 300 delivered"},
			map[string]float64{"failed deliveries": 0},
		},
		{
			"some failed", delivering(5, 2), incident.Fail,
			[]string{"topics of us-west-2 do not deliver as they should: 10 deliveries of order-placed failed within 15 min"},
			nil,
			map[string]float64{"failed deliveries": 10},
		},
		{"what failed before that", func(s *sim.State) {
			delivering(5, 0)(s)
			s.Regions[west].Deliveries = append([]sim.Delivery{{At: s.At.Add(-20 * time.Minute), Failed: 5}}, s.Regions[west].Deliveries...)
		}, incident.Pass, nil, nil, nil},
		{"nothing was published", delivering(0, 0), incident.Unsure, []string{"whether the topics of us-west-2 deliver is unknown: of order-placed nothing was told for 15 min"}, nil, nil},
		{"one is not confirmed", func(s *sim.State) {
			delivering(5, 0)(s)
			s.DNS.Topics[topic] = append(s.DNS.Topics[topic], sim.Subscription{Protocol: "https", Endpoint: "https://example.com", Pending: true})
		}, incident.Fail, []string{"1 subscription of order-placed not confirmed (https)"}, nil, nil},
		{"nobody is subscribed", func(s *sim.State) {
			delivering(5, 0)(s)
			s.DNS.Topics[topic] = nil
		}, incident.Fail, []string{"nobody is subscribed to order-placed"}, nil, nil},
		{"250 are subscribed, the last is not confirmed", func(s *sim.State) {
			delivering(5, 0)(s)
			for i := range 250 {
				s.DNS.Topics[topic] = append(s.DNS.Topics[topic], sim.Subscription{Protocol: "sqs", Endpoint: strings.Repeat("q", i+1), Pending: i == 249})
			}
		}, incident.Fail, []string{"1 subscription of order-placed not confirmed (sqs)"}, map[string]string{"order-placed": "250 confirmed"}, nil},
		{"the topic is not there", func(s *sim.State) { delete(s.DNS.Topics, topic) }, incident.Unsure, []string{"list the subscriptions of order-placed in us-west-2"}, nil, nil},
	})
	t.Run("no topics", func(t *testing.T) {
		judge(t, "topics", []judged{{"nothing to look at", func(*sim.State) {}, incident.NotApplicable, []string{"the settings name no topics of us-west-2"}, nil, nil}}, func(c *engine.Call) {
			if err := sns.Platform.Freeze(&c.Plan.Topology, sns.Settings{}); err != nil {
				t.Fatal(err)
			}
		})
	})
	blindIn(t, delivering(5, 0), "topics", "aws.sns", "ListSubscriptionsByTopic")
	blindIn(t, delivering(5, 0), "topics", "aws.cloudwatch", "GetMetricData")
	if faults := faultsOf(t, sns.Platform, "regions: {us-east-1: {topics: [order-placed]}, us-west-2: {topics: ['arn:aws:sns:us-east-1:1:x']}}"); len(faults) != 2 {
		t.Errorf("%v", faults)
	}
}
