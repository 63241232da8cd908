package cloudwatch

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/detect"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

const (
	// late is what is looked at of a signal: shorter than what people are shown, for it is
	// looked at again and again.
	late = 3 * time.Minute
	// failing is the share of requests with an error that is bad, least how many requests
	// it takes to say anything.
	failing = 0.2
	least   = 100
)

// Signals reads what the load balancers of both Regions tell of the last whole minutes: which
// of them receives the requests of users, and how many of the source's end in an error. No
// datapoint is unknown, for a load balancer tells of no minute without a request.
func Signals(c *CloudWatch) []detect.Reader {
	return []detect.Reader{
		{Kind: detect.Requests, Read: func(ctx context.Context, at detect.Pair) []detect.Signal {
			return []detect.Signal{c.arrive(ctx, at)}
		}},
		{Kind: detect.Errors, Read: func(ctx context.Context, at detect.Pair) []detect.Signal {
			return []detect.Signal{c.fails(ctx, at)}
		}},
	}
}

func (c *CloudWatch) span() (from, to time.Time) {
	to = c.clock.Now().UTC().Truncate(time.Minute)
	return to.Add(-late), to
}

// arrive is where users arrive.
func (c *CloudWatch) arrive(ctx context.Context, at detect.Pair) detect.Signal {
	from, to := c.span()
	s := detect.Signal{Kind: detect.Requests, Region: at.Source.Name, Measured: incident.Measured{Verdict: incident.Unsure, AsOf: to}}
	regions := []runbook.Region{at.Source, at.Target}
	counts := make([]count, len(regions))
	incident.Together(c.clock, len(regions), func(i int) { counts[i] = c.received(ctx, at.Topology, regions[i], from, to) })
	source, target := counts[0], counts[1]
	s.Summary = fmt.Sprintf("requests within %s: %s in %s, %s in %s", text.Age(late), source, source.region, target, target.region)
	for _, n := range counts {
		if n.err == nil {
			s.Figures = append(s.Figures, incident.Figure{Name: "received in " + n.region, Value: n.requests, Unit: "requests"})
		}
	}
	total := source.requests + target.requests
	switch {
	case source.err == nil && source.requests >= least && source.requests >= total/2:
		s.Verdict = incident.Pass
	case target.err == nil && target.requests >= least && source.err == nil && source.requests < total/2:
		s.Verdict = incident.Fail
	}
	return s
}

// fails is how many of the source's requests end in an error of its load balancer or of what
// is behind it.
func (c *CloudWatch) fails(ctx context.Context, at detect.Pair) detect.Signal {
	from, to := c.span()
	s := detect.Signal{Kind: detect.Errors, Region: at.Source.Name, Measured: incident.Measured{Verdict: incident.Unsure, AsOf: to}}
	ctx, stop := c.clock.WithTimeout(ctx, brief, fmt.Errorf("CloudWatch in %s did not answer within %s", at.Source.Name, brief))
	defer stop()
	arn, err := c.balancers.ARN(at.Topology, at.Source)
	if err == nil {
		of := map[string]string{"LoadBalancer": balancerOf(arn)}
		var v []*float64
		v, err = c.values(ctx, at.Source.Name, from, to, []query{
			{applicationELB, "RequestCount", "Sum", of}, {applicationELB, "HTTPCode_Target_5XX_Count", "Sum", of}, {applicationELB, "HTTPCode_ELB_5XX_Count", "Sum", of},
		})
		if err == nil {
			// What the load balancer answers itself may be in no count of requests.
			all, bad := aws.ToFloat64(v[0])+aws.ToFloat64(v[2]), aws.ToFloat64(v[1])+aws.ToFloat64(v[2])
			if all < least {
				s.Summary = fmt.Sprintf("%.0f requests within %s are too few to say anything", all, text.Age(late))
				return s
			}
			share := bad / all
			s.Figures = []incident.Figure{{Name: "requests with an error", Value: share * 100, Unit: "%", Limit: aws.Float64(failing * 100)}}
			s.Verdict, s.Summary = incident.Pass, fmt.Sprintf("%.0f %% of %.0f requests within %s end in an error", share*100, all, text.Age(late))
			if share >= failing {
				s.Verdict = incident.Fail
			}
			return s
		}
	}
	s.Summary = fmt.Sprintf("how many requests end in an error is not known: %s", incident.CallErrorOf(err).Err)
	return s
}
