package providers_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/detect"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/pagerduty"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// signals are those of a world, read once, by name.
func (w *world) signals(t *testing.T, change ...func(*providers.Connections)) map[string]detect.Signal {
	t.Helper()
	ends := w.connections()
	for _, c := range change {
		c(&ends)
	}
	f := w.facts("planned")
	pair := detect.Pair{Topology: f.Topology, Source: f.Source, Target: f.Target}
	ctx, stop := w.clock.WithTimeout(t.Context(), 20*time.Second, errors.New("no answer"))
	defer stop()
	readers := providers.Signals(ends, nil)
	found := make([][]detect.Signal, len(readers))
	incident.Together(w.clock, len(readers), func(i int) { found[i] = readers[i].Read(ctx, pair) })
	out := map[string]detect.Signal{}
	for i, all := range found {
		for _, s := range all {
			if s.Kind != readers[i].Kind || s.Summary == "" {
				t.Errorf("the reader of %s reads %+v", readers[i].Kind, s)
			}
			out[s.Name()] = s
		}
	}
	return out
}

const (
	sigPages, sigStandby, sigControl, sigDNS = "pages of us-east-1", "pages of us-west-2", "control", "dns of us-east-1"
	sigCheck, sigAlarm, sigRequests          = "health check of us-east-1", "alarm of us-east-1", "requests of us-east-1"
	sigErrors, sigReplication, sigWriter     = "errors of us-east-1", "replication of us-east-1", "writer"
)

// Each signal has its three verdicts, by what the real clients are told: what is well, what is
// not, and what cannot be found out, which is never one of the others.
func TestEachSignalTellsWhatIsSo(t *testing.T) {
	const pass, fail, unknown = incident.Pass, incident.Fail, incident.Unsure
	fault := func(kind, system, operation, region string) sim.Event {
		return sim.Event{Fault: &sim.Fault{Kind: kind, System: system, Operation: operation, Region: region}}
	}
	for name, c := range map[string]struct {
		events []sim.Event
		state  func(s *sim.State)
		wait   time.Duration
		want   map[string]incident.Verdict // the others are well
		says   map[string]string
	}{
		"all is well": {says: map[string]string{sigPages: "4 of 4 health pages", sigWriter: "is in us-east-1", sigRequests: "in us-east-1, none in us-west-2", sigReplication: "still hears"}},
		"us-east-1 is lost": {
			events: []sim.Event{{Lose: east}}, wait: 6 * time.Minute,
			want: map[string]incident.Verdict{sigPages: fail, sigDNS: fail, sigReplication: fail, sigCheck: unknown, sigAlarm: unknown, sigErrors: unknown, sigRequests: unknown},
			says: map[string]string{sigDNS: "give us-west-2 out", sigWriter: "is in us-east-1"},
		},
		"its targets are broken": {
			events: []sim.Event{{BreakTargets: east}}, wait: 6 * time.Minute,
			want: map[string]incident.Verdict{sigPages: fail, sigDNS: fail, sigCheck: fail, sigAlarm: fail, sigRequests: fail, sigErrors: unknown},
			says: map[string]string{sigPages: "0 of 4", sigAlarm: "route53-failover-triggered fires", sigErrors: "too few"},
		},
		"a third fails": {
			events: []sim.Event{{Degrade: &sim.Degrade{Region: east, FailPercent: 35}}}, wait: 5 * time.Minute,
			want: map[string]incident.Verdict{sigErrors: fail}, says: map[string]string{sigErrors: "35 % of 5400 requests"},
		},
		"a tenth fails":       {events: []sim.Event{{Degrade: &sim.Degrade{Region: east, FailPercent: 10}}}, wait: 5 * time.Minute, says: map[string]string{sigErrors: "10 %"}},
		"replication stopped": {events: []sim.Event{{Replication: &sim.Replication{Stopped: true}}}, wait: 6 * time.Minute, want: map[string]incident.Verdict{sigReplication: fail}},
		"the standby is behind": {
			events: []sim.Event{{Replication: &sim.Replication{LagMS: 90000}}}, wait: 2 * time.Minute,
			want: map[string]incident.Verdict{sigReplication: fail}, says: map[string]string{sigReplication: "falling back"},
		},
		"the bot is cut off": {
			events: []sim.Event{{Network: "down"}}, wait: time.Minute,
			want: map[string]incident.Verdict{
				sigPages: fail, sigStandby: fail, sigControl: fail, sigDNS: unknown, sigCheck: unknown, sigAlarm: unknown,
				sigRequests: unknown, sigErrors: unknown, sigReplication: unknown, sigWriter: unknown,
			},
		},
		"us-west-2 is cut off": {
			events: []sim.Event{{CutOff: west}}, wait: time.Minute,
			want: map[string]incident.Verdict{sigStandby: fail, sigReplication: unknown},
		},
		"CloudWatch may not be read": {
			events: []sim.Event{fault(sim.Deny, "aws.cloudwatch", "", "")}, wait: time.Minute,
			want: map[string]incident.Verdict{sigCheck: unknown, sigAlarm: unknown, sigRequests: unknown, sigErrors: unknown, sigReplication: unknown},
		},
		"RDS may not be read in either Region": {
			events: []sim.Event{fault(sim.Deny, "aws.rds", "DescribeGlobalClusters", "")}, wait: time.Minute,
			want: map[string]incident.Verdict{sigWriter: unknown},
		},
		"RDS of the standby does not answer": {events: []sim.Event{fault(sim.ServerFail, "aws.rds", "DescribeGlobalClusters", west)}, wait: time.Minute},
		"the alarm has no data": {
			state: func(s *sim.State) { s.DNS.Alarms[0].NoData = true }, wait: time.Minute,
			want: map[string]incident.Verdict{sigAlarm: unknown}, says: map[string]string{sigAlarm: "too little data"},
		},
		"nobody comes": {
			state: func(s *sim.State) {
				for _, r := range s.Regions {
					r.Traffic, r.Unseen = nil, true
				}
			}, wait: time.Minute,
			want: map[string]incident.Verdict{sigRequests: unknown, sigErrors: unknown},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.wait(t, time.Minute)
			for _, e := range c.events {
				if err := w.Happen(e); err != nil {
					t.Fatal(err)
				}
			}
			if c.state != nil {
				w.change(t, c.state)
			}
			w.wait(t, c.wait)
			found := w.signals(t)
			if len(found) != 10 {
				t.Errorf("%d signals: %v", len(found), found)
			}
			for name, s := range found {
				want := c.want[name]
				if want == "" {
					want = pass
				}
				if s.Verdict != want || !strings.Contains(s.Summary, c.says[name]) {
					t.Errorf("%s is %s, want %s, says %q, want %q", name, s.Verdict, want, s.Summary, c.says[name])
				}
				if s.Verdict != unknown && (s.AsOf.IsZero() || s.AsOf.After(w.clock.Now())) {
					t.Errorf("%s is as of %s", name, s.AsOf)
				}
			}
		})
	}
}

// PagerDuty's open incidents are read where there is somebody to ask.
func TestThePagersOpenIncidentsAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   incident.Verdict
		says   string
	}{
		"none":      {200, `{"incidents":[],"more":false}`, incident.Pass, "no incident open"},
		"one":       {200, `{"incidents":[{"id":"Q1","title":"checkout\nfails","status":"triggered"}]}`, incident.Fail, "1 incident open, the newest: checkout fails"},
		"many":      {200, `{"incidents":[{"id":"Q1","title":"a","status":"acknowledged"},{"id":"Q2","title":"b","status":"triggered"}],"more":true}`, incident.Fail, "more than 2 incidents"},
		"resolved":  {200, `{"incidents":[{"id":"Q1","title":"a","status":"resolved"}]}`, incident.Pass, "no incident open"},
		"refused":   {401, `{"error":{"message":"no"}}`, incident.Unsure, "is not known"},
		"throttled": {429, `{}`, incident.Unsure, "is not known"},
		"down":      {503, ``, incident.Unsure, "is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked string
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = r.URL.RawQuery
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer s.Close()
			reader := pagerduty.NewReader(&pagerduty.API{Token: "t0ken", Service: "PABC123", Endpoint: s.URL}, nil)
			readers := pagerduty.Signals(reader, incident.RealClock{})
			got := readers[0].Read(t.Context(), detect.Pair{})[0]
			if got.Verdict != c.want || !strings.Contains(got.Summary, c.says) || strings.Contains(got.Summary, "t0ken") {
				t.Errorf("%s: %s", got.Verdict, got.Summary)
			}
			if !strings.Contains(asked, "PABC123") || !strings.Contains(asked, "triggered") || !strings.Contains(asked, "acknowledged") {
				t.Errorf("it asked for %s", asked)
			}
		})
	}
	if len(pagerduty.Signals(nil, incident.RealClock{})) != 0 {
		t.Error("nobody is asked, and there is a signal")
	}
}

// BenchmarkDetector is one pass of what is read every ten seconds and one of what is read once
// a minute, the pretend ends included: an upper bound of what watching costs.
func BenchmarkDetector(b *testing.B) {
	clock := sim.NewClock((&sim.Scenario{}).StartTime(), sim.Max)
	defer clock.Close()
	pretend, err := sim.New(&sim.Scenario{Name: "test", Mode: "planned", Target: west}, clock, sim.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = pretend.Close() }() // it is a benchmark
	defer clock.Busy()()
	f := (&world{World: pretend, clock: clock}).facts("planned")
	readers := providers.Signals(providers.Connections{Clock: clock, AWS: pretend.AWS, Dial: pretend.Dial}, nil)
	pair := detect.Pair{Topology: f.Topology, Source: f.Source, Target: f.Target}
	var d detect.Detector
	for _, seldom := range []bool{false, true} {
		name := "often"
		if seldom {
			name = "once a minute"
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				for _, r := range readers {
					if (r.Kind.Every() == detect.Seldom) != seldom {
						continue
					}
					for _, s := range r.Read(b.Context(), pair) {
						d.Observe(clock.Now(), s)
					}
				}
				d.Assess(clock.Now(), east, west)
			}
			every := detect.Often
			if seldom {
				every = detect.Seldom
			}
			b.ReportMetric(100*b.Elapsed().Seconds()/float64(b.N)/every.Seconds(), "%core")
		})
	}
}
