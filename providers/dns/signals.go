package dns

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cw "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/detect"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/metrics"
)

// Signals reads where Route 53 sends users: what the zone's own servers give out, what its
// health check of the source's record says, and whether the alarm on that fires. The last two
// are published where Route 53's API lives; while that is silent they are unknown.
func Signals(client *Client, shift *Shift) []detect.Reader {
	sent := NewSent(client, false)
	return []detect.Reader{
		{Kind: detect.DNS, Read: func(ctx context.Context, at detect.Pair) []detect.Signal {
			return []detect.Signal{sent.signal(ctx, at)}
		}},
		{Kind: detect.HealthCheck, Read: func(ctx context.Context, at detect.Pair) []detect.Signal {
			return one(shift.healthy(ctx, at, client.clock.Now()))
		}},
		{Kind: detect.Alarm, Read: func(ctx context.Context, at detect.Pair) []detect.Signal {
			return one(shift.fires(ctx, at, client.clock.Now()))
		}},
	}
}

// one is a signal, or none where the Region's record hangs on no health check.
func one(s detect.Signal, there bool) []detect.Signal {
	if !there {
		return nil
	}
	return []detect.Signal{s}
}

// Control are name servers that lie in no Region of the platform: who reaches none of them is
// cut off.
func Control(t runbook.Topology) []string {
	s, err := settingsOf(t)
	if err != nil {
		return nil
	}
	var out []string
	for _, r := range s.Resolvers {
		if !r.VPCOnly {
			out = append(out, r.Addr)
		}
	}
	return append(out, s.Nameservers[:min(len(s.Nameservers), 1)]...)
}

// signal asks the zone's own servers, each once.
func (s *Sent) signal(ctx context.Context, at detect.Pair) detect.Signal {
	out := detect.Signal{Kind: detect.DNS, Region: at.Source.Name, Measured: incident.Measured{Verdict: incident.Unsure, AsOf: s.client.clock.Now()}}
	set, err := settingsOf(at.Topology)
	if err != nil {
		out.Summary = err.Error()
		return out
	}
	p := &runbook.Plan{Topology: at.Topology, Source: at.Source, Target: at.Target}
	record := at.Topology.Record
	source, target := s.addresses(ctx, set, p, at.Source), s.addresses(ctx, set, p, at.Target)
	given := map[string]int{}
	answered := 0
	var last error
	for _, a := range s.client.everywhere(ctx, set.Nameservers, record, false) {
		if a.err != nil || len(a.addrs) == 0 {
			last = a.err
			continue
		}
		answered++
		given[where(a.addrs, source, target)]++
	}
	switch {
	case answered == 0:
		out.Summary = "none of the zone's servers answers"
		if last != nil {
			out.Summary += ": " + strings.ReplaceAll(last.Error(), "\n", "; ")
		}
	case given["dr"] == answered:
		out.Verdict, out.Summary = incident.Fail, fmt.Sprintf("the zone's servers give %s out for %s", at.Target.Name, record)
	case given["primary"] == answered:
		out.Verdict, out.Summary = incident.Pass, fmt.Sprintf("the zone's servers give %s out for %s", at.Source.Name, record)
	default:
		out.Summary = "the zone's servers do not agree on " + record
	}
	return out
}

// healthBack is how far back a datapoint of a health check is looked for.
const healthBack = 5 * time.Minute

// healthy reads the newest datapoint of the health check of the source's record.
func (s *Shift) healthy(ctx context.Context, at detect.Pair, now time.Time) (detect.Signal, bool) {
	out := detect.Signal{Kind: detect.HealthCheck, Region: at.Source.Name, Measured: incident.Measured{Verdict: incident.Unsure}}
	d, home, ok := checkOf(at)
	if !ok {
		return out, false
	}
	points, err := metrics.New(s.config(home), s.reads).Read(ctx, now.Add(-healthBack), now.Add(time.Minute), time.Minute, []metrics.Query{{
		Metric: metrics.Of("AWS/Route53", "HealthCheckStatus", map[string]string{"HealthCheckId": d.HealthCheck}), Stat: "Minimum",
	}})
	switch {
	case err != nil:
		out.Summary = fmt.Sprintf("whether it is healthy is not known: %s", incident.CallErrorOf(err).Err)
		return out, true
	case len(points[0]) == 0:
		out.Summary = fmt.Sprintf("health check %s has told nothing for %s", d.HealthCheck, text.Age(healthBack))
		return out, true
	}
	last := points[0][0]
	out.AsOf = last.At
	out.Figures = []incident.Figure{{Name: "health check status", Value: last.Value}}
	out.Verdict, out.Summary = incident.Pass, "Route 53's health check "+d.HealthCheck+" is healthy"
	if last.Value < 1 {
		out.Verdict, out.Summary = incident.Fail, "Route 53's health check "+d.HealthCheck+" is unhealthy"
	}
	return out, true
}

// fires reads the state of the alarm on the check of the source's record.
func (s *Shift) fires(ctx context.Context, at detect.Pair, now time.Time) (detect.Signal, bool) {
	out := detect.Signal{Kind: detect.Alarm, Region: at.Source.Name, Measured: incident.Measured{Verdict: incident.Unsure}}
	d, home, ok := checkOf(at)
	if !ok {
		return out, false
	}
	all, err := s.alarms(ctx, home, d.HealthCheck)
	out.AsOf = now
	switch {
	case err != nil:
		out.Summary = fmt.Sprintf("whether it fires is not known: %s", incident.CallErrorOf(err).Err)
		return out, true
	case len(all) == 0:
		return out, false // nothing to watch; a readiness check says so
	}
	for _, a := range all {
		name := aws.ToString(a.AlarmName)
		switch a.StateValue {
		case cw.StateValueAlarm:
			out.Verdict, out.Summary = incident.Fail, name+" fires"
			return out, true
		case cw.StateValueOk:
			out.Verdict, out.Summary = incident.Pass, name+" does not fire"
		case cw.StateValueInsufficientData:
			out.Summary = name + " has too little data"
		}
	}
	return out, true
}

// checkOf are the source's checks, and the Region in which what they see is published.
func checkOf(at detect.Pair) (d names, home string, ok bool) {
	d, err := leaving(&runbook.Plan{Topology: at.Topology, Source: at.Source})
	home = controlPlanes[at.Source.Partition()]
	return d, home, err == nil && home != "" && d.HealthCheck != ""
}
