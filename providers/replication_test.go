package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/s3"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// publishing lets a rule of the source publish something else, within the last minutes.
func publishing(change func(p *sim.ReplicationPoint)) func(s *sim.State) {
	return func(s *sim.State) {
		r := s.RuleFrom(east)
		for i := range r.Published {
			if s.At.Sub(r.Published[i].At) < 3*time.Minute {
				change(&r.Published[i])
			}
		}
	}
}

// silent takes the datapoints of the source's rule from some time ago on.
func silent(since time.Duration) func(s *sim.State) {
	return func(s *sim.State) {
		r := s.RuleFrom(east)
		r.Silent = true
		r.Published = slices.DeleteFunc(r.Published, func(p sim.ReplicationPoint) bool { return s.At.Sub(p.At) < since })
	}
}

// On the way home the buckets there have to have everything.
func TestBucketsAreDrainedBeforeTheWayHome(t *testing.T) {
	for pending, want := range map[float64]incident.Verdict{0: incident.Pass, 3: incident.Fail} {
		w := newWorld(t)
		w.wait(t, time.Minute)
		w.change(t, func(s *sim.State) {
			for i := range s.RuleFrom(west).Published {
				s.RuleFrom(west).Published[i].Pending = pending
			}
		})
		_, c := w.call(t, "drift") // of a failback
		step, _ := c.Plan.Step("object-replication")
		c.Step = step
		o, ok, err := w.catalog[step.Uses].Look(t.Context(), c)
		if err != nil || o.Measured.Verdict != want || ok != (pending == 0) || *o.Measured.Figures[0].Limit != 0 {
			t.Errorf("%g pending: %t %q %s %v", pending, ok, o.Measured.Verdict, o.Summary, err)
		}
		if pending > 0 && !strings.Contains(o.Summary, "ecommerce-assets-us-west-2 to ecommerce-assets-us-east-1 (all) is not drained: 3 operations pending, and missing at home until they arrive") {
			t.Errorf("it says %s", o.Summary)
		}
	}
}

func TestTheReplicationOfBucketsIsJudged(t *testing.T) {
	const rule = "ecommerce-assets-us-east-1 to ecommerce-assets-us-west-2 (all)"
	without := func(region string) func(s *sim.State) {
		return func(s *sim.State) {
			s.Replication = slices.DeleteFunc(s.Replication, func(r *sim.BucketRule) bool { return strings.HasSuffix(r.From, region) })
		}
	}
	judge(t, "object-replication", []judged{
		{
			"it is as it should be", func(*sim.State) {}, incident.Pass,
			[]string{"1 bucket of us-east-1 is replicated to us-west-2: at most 0 operations pending, 2 s behind, and none failed in the last 60 min"},
			map[string]string{rule: "0 pending at 2026-03-03 14:01 UTC, 2 s behind", "buckets": "ecommerce-assets-us-east-1"},
			map[string]float64{"operations pending": 0, "replication latency": 2, "operations failed in the last hour": 0},
		},
		{
			"much is pending", publishing(func(p *sim.ReplicationPoint) { p.Pending = 1001 }), incident.Fail,
			[]string{"us-west-2 does not have all that is in the buckets of us-east-1", rule + " has 1001 operations pending, at most 1000 are wanted"},
			nil,
			map[string]float64{"operations pending": 1001},
		},
		{"as much is pending as may be", publishing(func(p *sim.ReplicationPoint) { p.Pending = 1000 }), incident.Pass, []string{"1000 operations pending"}, nil, nil},
		{
			"it is far behind", publishing(func(p *sim.ReplicationPoint) { p.Seconds = 901 }), incident.Fail,
			[]string{"is 15 min 1 s behind, at most 15 min is wanted"},
			nil, nil,
		},
		{
			"something failed", publishing(func(p *sim.ReplicationPoint) { p.Failed = 2 }), incident.Fail,
			[]string{"6 operations of " + rule + " failed in the last 60 min, and S3 does not try them again"},
			nil,
			map[string]float64{"operations failed in the last hour": 6},
		},
		{"something failed before that", func(s *sim.State) {
			s.RuleFrom(east).Published[0].Failed, s.RuleFrom(east).Published[0].At = 9, s.At.Add(-2*time.Hour)
		}, incident.Pass, nil, nil, nil},
		{
			"the bucket has no rule", without(east), incident.Fail,
			[]string{"ecommerce-assets-us-east-1 is not replicated to any of ecommerce-assets-us-west-2"},
			nil, nil,
		},
		{
			"the rule is disabled", func(s *sim.State) { s.RuleFrom(east).Disabled = true }, incident.Fail,
			[]string{"is not replicated to any of ecommerce-assets-us-west-2 (disabled: all)"},
			nil, nil,
		},
		{
			"the rule leads elsewhere", func(s *sim.State) { s.RuleFrom(east).To = "ecommerce-archive" }, incident.Fail,
			[]string{"is not replicated to any of ecommerce-assets-us-west-2"},
			nil, nil,
		},
		{
			"it is not replicated back", without(west), incident.Warn,
			[]string{"ecommerce-assets-us-west-2 in us-west-2 is not replicated back to us-east-1: what is written there after the failover stays there"},
			nil, nil,
		},
		{
			"without metrics", func(s *sim.State) { s.RuleFrom(east).Unmeasured = true }, incident.Unsure,
			[]string{"is unknown: " + rule + " has no replication metrics", "Destination.Metrics"},
			nil, nil,
		},
		{
			"nothing was published", silent(5 * time.Hour), incident.Unsure,
			[]string{rule + " has had no datapoint for 3 h"},
			nil, nil,
		},
		{
			"nothing newer was published", silent(20 * time.Minute), incident.Unsure,
			[]string{rule + " had 0 operations pending 20 min ago, nothing newer"},
			nil, nil,
		},
		{"one of two rules has no metrics, and the other is late", func(s *sim.State) {
			publishing(func(p *sim.ReplicationPoint) { p.Pending = 5000 })(s)
			other := *s.RuleFrom(east)
			other.ID, other.Unmeasured, other.Published = "other", true, nil
			s.Replication = append(s.Replication, &other)
		}, incident.Fail, []string{"5000 operations pending"}, nil, nil},
	})
	t.Run("limits of the settings", func(t *testing.T) {
		judge(t, "object-replication", []judged{
			{"pending", publishing(func(p *sim.ReplicationPoint) { p.Pending = 11 }), incident.Fail, []string{"at most 10 are wanted"}, nil, nil},
			{"late", publishing(func(p *sim.ReplicationPoint) { p.Seconds = 61 }), incident.Fail, []string{"at most 1 min is wanted"}, nil, nil},
		}, func(c *engine.Call) {
			settings := partOf[s3.Settings](t, c.Plan.Topology, s3.Platform.Key)
			settings.MaxPending, settings.MaxLatencyMinutes = 10, 1
			if err := s3.Platform.Freeze(&c.Plan.Topology, settings); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("without buckets", func(t *testing.T) {
		judge(t, "object-replication", []judged{{"nothing to look at", func(*sim.State) {}, incident.NotApplicable, []string{"the settings name no buckets of us-east-1"}, nil, nil}}, func(c *engine.Call) {
			if err := s3.Platform.Freeze(&c.Plan.Topology, s3.Settings{}); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("unplanned", func(t *testing.T) {
		judge(t, "object-replication", []judged{
			{
				"as far as the target knows it", func(*sim.State) {}, incident.Warn,
				[]string{"0 operations pending, 2 s behind; what failed is told in us-east-1 alone, which is being left and was not asked"},
				nil,
				map[string]float64{"operations pending": 0},
			},
			{"much is pending", publishing(func(p *sim.ReplicationPoint) { p.Pending = 1001 }), incident.Fail, []string{"1001 operations pending"}, nil, nil},
			{"nothing newer was published", silent(20 * time.Minute), incident.Unsure, []string{"20 min ago, nothing newer"}, nil, nil},
			{"nothing was published", silent(5 * time.Hour), incident.Unsure, []string{"nothing is published of ecommerce-assets-us-east-1 in us-west-2 for 3 h"}, nil, nil},
		}, whenUnplanned)
	})
}

func TestReplicationThatCannotBeSeenIsUnknown(t *testing.T) {
	blind(t, "object-replication", "aws.s3", "GetBucketReplication")
	blind(t, "object-replication", "aws.cloudwatch", "ListMetrics", "GetMetricData")
	for _, operation := range []string{"GetBucketReplication", "ListMetrics", "GetMetricData"} {
		for _, kind := range []string{sim.Deny, sim.ServerFail, sim.Refuse, sim.Throttle, sim.Hang} {
			w := newWorld(t)
			w.wait(t, time.Minute)
			if err := w.Fault(sim.Fault{Operation: operation, Region: east, Kind: kind}); err != nil {
				t.Fatal(err)
			}
			o, ok, err := w.looked(t, "object-replication")
			if err == nil || ok || !strings.Contains(err.Error(), "whether the buckets of us-east-1 are replicated is unknown") || !strings.Contains(err.Error(), operation) {
				t.Errorf("%s in the source, %s: %t %q %v", operation, kind, ok, o.Summary, err)
			}
			w.change(t, publishing(func(p *sim.ReplicationPoint) { p.Pending = 1001 }))
			if o, ok, err := w.looked(t, "object-replication"); err != nil || ok || !strings.Contains(o.Summary, "1001 operations pending") {
				t.Errorf("%s in the source, %s, and much is pending: %t %q %v", operation, kind, ok, o.Summary, err)
			}
		}
	}
	w := newWorld(t)
	w.change(t, func(s *sim.State) { delete(s.Regions[east].Buckets, "ecommerce-assets-us-east-1") })
	if o, ok, err := w.looked(t, "object-replication"); err == nil || ok || !incident.CallErrorOf(err).NeedsPerson {
		t.Errorf("a bucket that is not there: %t %q %v", ok, o.Summary, err)
	}
}

// An unplanned run asks nothing of the Region that is left.
func TestAnUnplannedRunAsksTheTargetAloneWhatIsPending(t *testing.T) {
	w := newWorld(t)
	w.wait(t, time.Minute)
	a, c := w.call(t, "object-replication")
	whenUnplanned(&c)
	if o, ok, err := a.Look(t.Context(), c); err != nil || !ok {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	for _, call := range w.Calls() {
		if call.Region == east {
			t.Errorf("it asked %s of %s", call.Operation, call.Region)
		}
	}
}

// What the pretend world publishes stops when a side is gone, and is then unknown.
func TestReplicationFromARegionThatIsGoneIsNoLongerKnown(t *testing.T) {
	w := newWorld(t)
	w.wait(t, time.Minute)
	if err := w.Happen(sim.Event{Lose: east}); err != nil {
		t.Fatal(err)
	}
	w.wait(t, 30*time.Minute)
	a, c := w.call(t, "object-replication")
	whenUnplanned(&c)
	if o, ok, err := a.Look(t.Context(), c); err == nil || ok || !strings.Contains(err.Error(), "30 min ago, nothing newer") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
}

func TestABucketIsNamedOnceAndByItsNameAlone(t *testing.T) {
	for settings, says := range map[string]string{
		"regions: {us-east-1: {buckets: [a]}}":                                                "does not say what there is in us-west-2",
		"regions: {us-east-1: {buckets: [a]}, us-west-2: {buckets: [a]}}":                     "is in us-east-1 already",
		"regions: {us-east-1: {buckets: ['arn:aws:s3:::a']}, us-west-2: {buckets: [b]}}":      "a bucket's name alone",
		"regions: {us-east-1: {buckets: []}, us-west-2: {buckets: [b]}}":                      "names no bucket of us-east-1",
		"{max_pending: -1, regions: {us-east-1: {buckets: [a]}, us-west-2: {buckets: [b]}}}":  "max_pending",
		"regions: {us-east-1: {buckets: [a]}, us-west-2: {buckets: [b]}, eu: {buckets: [c]}}": "none of the platform's Regions",
	} {
		if faults := faultsOf(t, s3.Platform, settings); !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, says) }) {
			t.Errorf("%s: %v", settings, faults)
		}
	}
	if faults := faultsOf(t, s3.Platform, "{}"); len(faults) > 0 {
		t.Error(faults)
	}
}
