package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/cache"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// reading lets the target's cache have read something else within the last minutes.
func reading(change func(r *sim.CacheReads)) func(s *sim.State) {
	return func(s *sim.State) {
		m := s.Cache.Member(west)
		for i := range m.Published {
			if s.At.Sub(m.Published[i].At) <= 5*time.Minute {
				change(&m.Published[i])
			}
		}
	}
}

// unread takes the datapoints of the target's cache from some time ago on.
func unread(since time.Duration) func(s *sim.State) {
	return func(s *sim.State) {
		m := s.Cache.Member(west)
		m.Unread = true
		m.Published = slices.DeleteFunc(m.Published, func(r sim.CacheReads) bool { return s.At.Sub(r.At) < since })
	}
}

func TestTheCacheHasToAnswerAndToBeWarm(t *testing.T) {
	saying := func(what string) func(s *sim.State) {
		return func(s *sim.State) { s.Cache.Member(west).Says = what }
	}
	settings := func(change func(s *cache.Settings)) func(c *engine.Call) {
		return func(c *engine.Call) {
			s := partOf[cache.Settings](t, c.Plan.Topology, cache.Platform.Key)
			change(&s)
			if err := cache.Platform.Freeze(&c.Plan.Topology, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Both nodes are counted, each of them once.
	judge(t, "cache-warm", []judged{
		{
			"it is warm", reading(func(r *sim.CacheReads) { r.Hits, r.Misses = 900, 100 }), incident.Pass,
			[]string{"90.0 % of 6000 reads of cache ecommerce-cache-us-west-2 in us-west-2 in the last 5 min were hits; it answers PING"},
			map[string]string{"nodes": "2", "reads": "5400 hits, 600 misses", "answer": "it answers PING"},
			map[string]float64{"hit rate": 90, "reads": 6000},
		},
		{
			"the limit itself", reading(func(r *sim.CacheReads) { r.Hits, r.Misses = 80, 20 }), incident.Pass, []string{"80.0 %"}, nil, nil,
		},
		{
			"it is cold", reading(func(r *sim.CacheReads) { r.Hits, r.Misses = 790, 210 }), incident.Warn,
			[]string{"79.0 % of", "below 80 %: it is still filling"},
			nil,
			map[string]float64{"hit rate": 79},
		},
		{"it finds nothing", reading(func(r *sim.CacheReads) { r.Hits, r.Misses = 0, 1000 }), incident.Warn, []string{"0.0 % of 6000 reads"}, nil, nil},
		{
			"hardly anybody reads", reading(func(r *sim.CacheReads) { r.Hits, r.Misses = 16, 0 }), incident.Unsure,
			[]string{"the hit rate of cache ecommerce-cache-us-west-2 in us-west-2 is unknown: 96 reads in the last 5 min, at least 100 are wanted", "check again"},
			nil, nil,
		},
		{"nobody reads", reading(func(r *sim.CacheReads) { r.Hits, r.Misses = 0, 0 }), incident.Unsure, []string{"0 reads in the last 5 min"}, nil, nil},
		{"nothing newer is told", unread(20 * time.Minute), incident.Unsure, []string{"is unknown: no datapoint for 20 min"}, nil, nil},
		{"nothing is told", unread(5 * time.Hour), incident.Unsure, []string{"is unknown: no datapoint for 3 h"}, nil, nil},
		{
			"the datapoints are of a time to come", func(s *sim.State) {
				s.Cache.Member(west).Unread = true
				for i := range s.Cache.Member(west).Published {
					s.Cache.Member(west).Published[i].At = s.At.Truncate(time.Minute).Add(time.Minute)
				}
			}, incident.Unsure, []string{"no datapoint for 3 h"}, nil, nil,
		},
		{"it loads its data", saying("-LOADING Redis is loading the dataset in memory"), incident.Fail, []string{"does not serve: it answered \"LOADING Redis is loading the dataset in memory\" at redis://"}, nil, nil},
		{"it wants a password", saying("-NOAUTH Authentication required."), incident.Pass, []string{"it answers, and asks for a password that the bot has not"}, nil, nil},
		{"something else answers", saying("HTTP/1.1 400 Bad Request"), incident.Unsure, []string{"is unknown: no connection from here", `"HTTP/1.1 400 Bad Request" is no answer of a cache`}, nil, nil},
		{
			"its primary is told", func(s *sim.State) { s.Cache.Member(west).Leader = "ecommerce-cache-us-west-2-0001-002" }, incident.Pass,
			[]string{"96.0 % of 18000 reads"},
			map[string]string{"nodes": "1"},
			nil,
		},
	})
	t.Run("another limit", func(t *testing.T) {
		judge(t, "cache-warm", []judged{{"below", reading(func(r *sim.CacheReads) { r.Hits, r.Misses = 900, 100 }), incident.Warn, []string{"below 95 %"}, nil, nil}}, settings(func(s *cache.Settings) { s.MinHitPercent = 95 }))
	})
	t.Run("no address", func(t *testing.T) {
		judge(t, "cache-warm", []judged{{"by its reads alone", func(*sim.State) {}, incident.Pass, []string{"96.0 %", "no address to try is in the settings (cache.regions.us-west-2.reach)"}, nil, nil}}, settings(func(s *cache.Settings) {
			s.Regions[west] = cache.Member{CacheGroup: s.Regions[west].CacheGroup}
		}))
	})
	t.Run("no connection", func(t *testing.T) {
		judge(t, "cache-warm", []judged{{"a wrong port", func(*sim.State) {}, incident.Unsure, []string{"whether cache ecommerce-cache-us-west-2 in us-west-2 answers is unknown: no connection from here to redis://", "security group"}, nil, nil}}, settings(func(s *cache.Settings) {
			m := s.Regions[west]
			m.Reach = strings.Replace(m.Reach, "6379", "6380", 1)
			s.Regions[west] = m
		}))
	})
}

func TestACacheThatCannotBeSeenIsUnknown(t *testing.T) {
	blind(t, "cache-warm", "aws.elasticache", "DescribeReplicationGroups")
	blind(t, "cache-warm", "aws.cloudwatch", "ListMetrics", "GetMetricData")
	for _, kind := range []string{sim.Refuse, sim.Hang} {
		w := newWorld(t)
		w.wait(t, time.Minute)
		if err := w.Fault(sim.Fault{Operation: "CONNECT ecommerce-cache.pretend.us-west-2.cache.amazonaws.com", Kind: kind}); err != nil {
			t.Fatal(err)
		}
		if o, ok, err := w.looked(t, "cache-warm"); err == nil || ok || !strings.Contains(err.Error(), "answers is unknown") {
			t.Errorf("%s: %t %q %v", kind, ok, o.Summary, err)
		}
	}
	w := newWorld(t)
	w.wait(t, time.Minute)
	_, _, _ = w.looked(t, "cache-warm")
	for _, call := range w.Calls() {
		if call.Region == east {
			t.Errorf("it asked %s of %s", call.Operation, call.Region)
		}
	}
}

func TestACacheIsReachedAtAnAddressWithoutAPassword(t *testing.T) {
	const regions = "global_group: g, regions: {us-east-1: {cache_group: a}, us-west-2: {cache_group: b, reach: '"
	for reach, says := range map[string]string{
		"host:6379":             "an address such as rediss://",
		"http://host:6379":      "an address such as rediss://",
		"redis://host":          "an address such as rediss://",
		"redis://:x@host:6379":  "leave them out",
		"redis://host:6379/0":   "an address such as rediss://",
		"rediss://host:6379":    "",
		"redis://10.0.0.5:6379": "",
	} {
		faults := faultsOf(t, cache.Platform, "{"+regions+reach+"'}}}")
		if says == "" && len(faults) > 0 || says != "" && !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, says) }) {
			t.Errorf("%s: %v", reach, faults)
		}
	}
	if faults := faultsOf(t, cache.Platform, "{min_hit_percent: 101, "+regions+"'}}}"); len(faults) == 0 {
		t.Error("101 % of all reads")
	}
}
