package sim

import (
	"slices"
	"strings"
	"time"
)

// Traffic is what a Region's load balancer served in a minute. At is when that began.
type Traffic struct {
	At       time.Time `json:"at"`
	Requests float64   `json:"requests"`
	P99MS    float64   `json:"p99_ms"`
	// Errors are those of the requests that ended in one.
	Errors float64 `json:"errors,omitempty"`
}

const (
	requestsAMinute = 1800
	usualP99        = 180 // ms
)

// publishTraffic writes what each Region served in the minute that is over: users are
// where the zone sends them, but for those who stay where they are. A load balancer tells
// of no minute without a request.
func (s *State) publishTraffic() {
	const keep = 200
	for _, name := range regionNames {
		r, began := s.Regions[name], s.At.Add(-datapoint)
		if n := len(r.Traffic); !s.stands(name) || r.Unseen || s.resolve(recordName) != name && r.Staying == 0 || n > 0 && !r.Traffic[n-1].At.Before(began) {
			continue
		}
		slow := r.P99MS
		if r.Degraded != nil {
			slow += float64(r.Degraded.LatencyMS)
		}
		requests := r.Staying
		if s.resolve(recordName) == name {
			requests = requestsAMinute
		}
		r.Traffic = append(r.Traffic, Traffic{
			At: began, Requests: requests, Errors: s.ending(r) * requests, P99MS: slow * (0.9 + float64(draw(s.Seed, 200, "p99", name, s.At.Unix()))/1000),
		})
		if n := len(r.Traffic); n > keep {
			r.Traffic = slices.Clone(r.Traffic[n-keep:])
		}
	}
}

// ending is the share of requests that end in an error in a Region as it is now.
func (s *State) ending(r *Region) float64 {
	switch {
	case s.targetsHealthy(r) == 0:
		return 1
	case r.Degraded != nil:
		return float64(r.Degraded.FailPercent) / 100
	}
	return 0
}

// ownMetric is the platform's own metric of how long answers take, in milliseconds, by
// service.
var ownMetric = struct{ namespace, name, dimension string }{"ECommerce", "RequestLatency", "Service"}

// traffic are the metrics of what the Region served.
func (r request) traffic() []series {
	region := r.Regions[r.region]
	if len(region.Traffic) == 0 {
		return nil
	}
	var requests, took, own, errors []Point
	for _, m := range region.Traffic {
		if m.Errors > 0 { // a load balancer tells of no minute without one
			errors = append(errors, Point{At: m.At, Region: r.region, Value: m.Errors})
		}
		requests = append(requests, Point{At: m.At, Region: r.region, Value: m.Requests})
		took = append(took, Point{At: m.At, Region: r.region, Value: m.P99MS / 1000, Samples: m.Requests})
		own = append(own, Point{At: m.At, Region: r.region, Value: m.P99MS, Samples: m.Requests / float64(len(services))})
	}
	arn := albARN(r.region)
	balancer := arn[strings.Index(arn, "app/"):]
	all := []series{{"AWS/ApplicationELB", "RequestCount", map[string]string{"LoadBalancer": balancer}, requests}}
	if len(errors) > 0 {
		all = append(all, series{"AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", map[string]string{"LoadBalancer": balancer}, errors})
	}
	for _, g := range region.Balancer.Groups {
		arn := targetGroupARN(r.region, g.Name)
		of := map[string]string{"LoadBalancer": balancer, "TargetGroup": arn[strings.Index(arn, "targetgroup/"):]}
		if g.Name == beginBalancer().Groups[0].Name { // the others serve nobody
			all = append(all, series{"AWS/ApplicationELB", "RequestCount", of, requests}, series{"AWS/ApplicationELB", "TargetResponseTime", of, took})
		}
	}
	for _, name := range serviceNames() {
		all = append(all, series{ownMetric.namespace, ownMetric.name, map[string]string{ownMetric.dimension: name}, own})
	}
	return all
}
