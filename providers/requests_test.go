package providers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// receiving lets the Regions have received so many requests in each of the last minutes.
func receiving(inEast, inWest float64) func(s *sim.State) {
	return func(s *sim.State) {
		for name, requests := range map[string]float64{east: inEast, west: inWest} {
			r := s.Regions[name]
			r.Traffic, r.Unseen = nil, true
			for m := 5; m > 0 && requests > 0; m-- {
				r.Traffic = append(r.Traffic, sim.Traffic{At: s.At.Truncate(time.Minute).Add(-time.Duration(m) * time.Minute), Requests: requests})
			}
		}
	}
}

func TestTheRequestsOfBothRegionsAreTold(t *testing.T) {
	moved := func(c *engine.Call) {
		c.Result = func(step string) (engine.Outcome, bool) { return engine.Outcome{}, step == "traffic" }
	}
	judge(t, "requests", []judged{
		{
			"all are where users always were", receiving(1800, 0), incident.Pass,
			[]string{"requests within 5 min: 9000 in us-east-1, none in us-west-2"},
			map[string]string{east: "9000", west: "none"},
			map[string]float64{"received in us-east-1": 9000, "received in us-west-2": 0},
		},
		{"some are in both", receiving(1800, 600), incident.Pass, []string{"9000 in us-east-1, 3000 in us-west-2"}, nil, nil},
		{"nobody comes", receiving(0, 0), incident.Pass, []string{"none in us-east-1, none in us-west-2"}, nil, nil},
	})
	judge(t, "requests", []judged{
		{"users were moved", receiving(0, 1800), incident.Pass, []string{"none in us-east-1, 9000 in us-west-2"}, nil, nil},
		{"one in a hundred is late", receiving(18, 1782), incident.Pass, []string{"90 in us-east-1"}, nil, nil},
		{
			"some still arrive where they were", receiving(180, 1620), incident.Warn,
			[]string{"users were moved, and 10 % still arrive in us-east-1"},
			nil,
			map[string]float64{"received in us-east-1": 900},
		},
	}, moved)
}

// What is told of them changes with who gets them, not with each figure.
func TestTheRequestsAreToldAnewWhenUsersGoElsewhere(t *testing.T) {
	seen := map[string]string{}
	for name, change := range map[string]func(s *sim.State){
		"before": receiving(1800, 0), "a little later": receiving(1700, 0), "a few have gone": receiving(1800, 5), "some": receiving(1800, 600), "all": receiving(0, 1800),
	} {
		w := newWorld(t)
		w.wait(t, time.Minute)
		w.change(t, change)
		o, ok, err := w.looked(t, "requests")
		if err != nil || !ok || o.State == "" {
			t.Fatal(ok, err, o.State)
		}
		seen[name] = o.State
	}
	if seen["before"] != seen["a little later"] {
		t.Errorf("%v", seen)
	}
	delete(seen, "a little later")
	by := map[string]string{}
	for name, state := range seen {
		if other, ok := by[state]; ok {
			t.Errorf("%s and %s are both %q", name, other, state)
		}
		by[state] = name
	}
}

// One Region that does not tell keeps nobody from hearing of the other; the reason is
// told, and neither of them is not an answer.
func TestTheRequestsOfOneRegionAreToldWithoutTheOthers(t *testing.T) {
	for _, kind := range []string{sim.Deny, sim.ServerFail, sim.Refuse, sim.Throttle, sim.Hang} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t)
			w.change(t, receiving(1800, 0))
			w.wait(t, time.Second)
			if err := w.Fault(sim.Fault{System: "aws.cloudwatch", Operation: "GetMetricData", Region: east, Kind: kind}); err != nil {
				t.Fatal(err)
			}
			o, ok, err := w.looked(t, "requests")
			if err != nil || !ok || o.Measured.Verdict != incident.Warn || !strings.Contains(o.Summary, "unknown in us-east-1, none in us-west-2; us-east-1 was not told: ") {
				t.Errorf("%t %v %q %s", ok, err, o.Measured.Verdict, o.Summary)
			}
			if kind == sim.Deny && !strings.Contains(o.Summary, "CloudWatch GetMetricData: AccessDenied") || kind == sim.Deny && !strings.Contains(o.Summary, "widen the role") {
				t.Errorf("the right that is missing is not named: %s", o.Summary)
			}
			if !strings.HasPrefix(o.Evidence[east], "unknown: ") || len(o.Measured.Figures) != 1 {
				t.Errorf("%v %v", o.Evidence, o.Measured.Figures)
			}
		})
	}
	blindIn(t, receiving(1800, 0), "requests", "aws.cloudwatch", "GetMetricData")
}
