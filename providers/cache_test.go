package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// cacheBehind lets the standby's cache have published another lag within the last minutes.
func cacheBehind(seconds float64) func(s *sim.State) {
	return func(s *sim.State) {
		s.Cache.LagMS = seconds * 1000
		for i := range s.Cache.Lag {
			if s.At.Sub(s.Cache.Lag[i].At) < 3*time.Minute {
				s.Cache.Lag[i].Value = seconds
			}
		}
	}
}

// cacheSilent takes the datapoints of the cache from some time ago on.
func cacheSilent(since time.Duration) func(s *sim.State) {
	return func(s *sim.State) {
		s.Cache.Silent = true
		s.Cache.Lag = slices.DeleteFunc(s.Cache.Lag, func(p sim.Point) bool { return s.At.Sub(p.At) < since })
	}
}

func TestTheStandbyCacheIsJudged(t *testing.T) {
	const figure = "lag of the cache"
	own := func(change func(m *sim.CacheMember)) func(s *sim.State) {
		return func(s *sim.State) { change(s.Cache.Member(west)) }
	}
	judge(t, "standby-cache", []judged{
		{
			"it is as it should be", func(*sim.State) {}, incident.Pass,
			[]string{"cache ecommerce-cache-us-west-2 in us-west-2 is associated with ldgnf-ecommerce as its secondary, made of cache.r7g.large like it; 0."},
			map[string]string{"node_type": "cache.r7g.large", "group_status": "available", "members": "2"},
			nil,
		},
		{
			"other nodes", own(func(m *sim.CacheMember) { m.Nodes = "cache.t4g.small" }), incident.Fail,
			[]string{"cannot take over: it is made of cache.t4g.small and ldgnf-ecommerce of cache.r7g.large"},
			nil, nil,
		},
		{"nodes that are not told", own(func(m *sim.CacheMember) { m.Nodes = "" }), incident.Warn, []string{"AWS does not tell whether it is made of the same nodes"}, nil, nil},
		{"its nodes are being changed", own(func(m *sim.CacheMember) { m.NodesState = "modifying" }), incident.Fail, []string{"its nodes are modifying"}, nil, nil},
		{"it is not associated", own(func(m *sim.CacheMember) { m.Status = "associating" }), incident.Fail, []string{"associating, not associated"}, nil, nil},
		{"it is behind", cacheBehind(11), incident.Warn, []string{"; it is 11 s behind, and writes of that time may be lost"}, map[string]string{"lag": "11.0 s"}, map[string]float64{figure: 11}},
		{"it is behind by little", cacheBehind(10), incident.Pass, []string{"; 10 s behind"}, nil, map[string]float64{figure: 10}},
		{"nothing was published", cacheSilent(5 * time.Hour), incident.Warn, []string{"how far it is behind is unknown: no datapoint for 3 h"}, nil, nil},
		{"nothing newer was published", cacheSilent(20 * time.Minute), incident.Warn, []string{"how far it is behind is unknown: 0.", ", 20 min ago, nothing newer"}, nil, nil},
		{"it leads already", func(s *sim.State) {
			for i := range s.Cache.Members {
				s.Cache.Members[i].Primary = s.Cache.Members[i].Region == west
			}
		}, incident.Pass, []string{"is the primary of ldgnf-ecommerce already"}, nil, nil},
	})
}

func TestAStandbyCacheThatCannotBeSeenIsUnknown(t *testing.T) {
	blind(t, "standby-cache", "aws.elasticache", "DescribeGlobalReplicationGroups", "DescribeReplicationGroups")
	for _, operation := range []string{"ListMetrics", "GetMetricData"} {
		for _, kind := range []string{sim.Deny, sim.ServerFail, sim.Refuse, sim.Throttle, sim.Hang} {
			w := newWorld(t)
			w.wait(t, time.Minute)
			if err := w.Fault(sim.Fault{System: "aws.cloudwatch", Operation: operation, Kind: kind}); err != nil {
				t.Fatal(err)
			}
			o, ok, err := w.looked(t, "standby-cache")
			if err != nil || !ok || o.Measured.Verdict != incident.Warn || !strings.Contains(o.Summary, "how far it is behind is unknown") || !strings.Contains(o.Summary, operation) {
				t.Errorf("%s, %s: %t %q %v", operation, kind, ok, o.Summary, err)
			}
		}
	}
	w := newWorld(t)
	a, c := w.call(t, "standby-cache")
	if o, ok, err := a.Look(t.Context(), c); err != nil || !ok {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	for _, call := range w.Calls() {
		if call.Region == east {
			t.Errorf("it asked %s of %s", call.Operation, call.Region)
		}
	}
}

// The figure of the lag is that of its datapoint, and as of when that was.
func TestTheReplicationLagIsMeasured(t *testing.T) {
	const figure = "replication lag"
	lag := func(ms float64) func(s *sim.State) {
		return func(s *sim.State) {
			s.Database.LagMS = ms
			for i := range s.Database.Lag {
				if s.At.Sub(s.Database.Lag[i].At) < 3*time.Minute {
					s.Database.Lag[i].Value = ms
				}
			}
		}
	}
	old := func(s *sim.State) {
		s.Database.Stopped = true
		s.Database.Lag = slices.DeleteFunc(s.Database.Lag, func(p sim.Point) bool { return s.At.Sub(p.At) < 10*time.Minute })
	}
	for _, c := range []struct {
		name, step string
		change     func(s *sim.State)
		verdict    incident.Verdict
		value      float64
	}{
		{"low", "replication-lag", lag(340), incident.Pass, 340},
		{"a second look", "replication-lag", lag(1001), incident.Warn, 1001},
		{"too high", "replication-lag", lag(5001), incident.Fail, 5001},
		{"old", "replication-lag", old, incident.Unsure, -1},
		{"old, and there is an outage", "last-lag", old, incident.Warn, -1},
	} {
		w := newWorld(t)
		w.wait(t, time.Minute)
		w.change(t, c.change)
		a, call := w.call(t, c.step)
		call.Impact = w.clock.Now().Add(-9 * time.Minute)
		o, ok, err := a.Look(t.Context(), call)
		if o.Measured.Verdict != c.verdict || ok != (c.verdict == incident.Pass || c.verdict == incident.Warn) || (err != nil) != (c.verdict == incident.Unsure) {
			t.Errorf("%s: %t, verdict %q, %q %v", c.name, ok, o.Measured.Verdict, o.Summary, err)
		}
		f := figureOf(o, figure)
		if f == nil || c.value >= 0 && f.Value != c.value || f.Unit != "ms" || f.Limit == nil || *f.Limit != 5000 {
			t.Errorf("%s: %+v", c.name, o.Measured.Figures)
		}
		if age := w.clock.Now().Sub(o.Measured.AsOf); (age > 9*time.Minute) != (c.value < 0) {
			t.Errorf("%s: as of %s", c.name, o.Measured.AsOf)
		}
	}
}

func figureOf(o engine.Outcome, name string) *incident.Figure {
	for i, f := range o.Measured.Figures {
		if f.Name == name {
			return &o.Measured.Figures[i]
		}
	}
	return nil
}
