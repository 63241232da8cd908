package aurora

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/detect"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Signals reads which Region writes, and whether the standby still hears from it. Either
// Region may tell the first, and the standby is believed before the one that may be lost.
func (a *Aurora) Signals() []detect.Reader {
	return []detect.Reader{
		{Kind: detect.Writer, Read: func(ctx context.Context, at detect.Pair) []detect.Signal {
			return []detect.Signal{a.writes(ctx, at)}
		}},
		{Kind: detect.Replication, Read: func(ctx context.Context, at detect.Pair) []detect.Signal {
			return []detect.Signal{a.hears(ctx, at)}
		}},
	}
}

// writes is which Region's cluster is the writer.
func (a *Aurora) writes(ctx context.Context, at detect.Pair) detect.Signal {
	s := detect.Signal{Kind: detect.Writer, Measured: incident.Measured{Verdict: incident.Unsure, AsOf: a.clock.Now()}}
	db, err := runbook.PartOf[Settings](at.Topology, Platform.Key)
	if err != nil {
		s.Summary = err.Error()
		return s
	}
	regions := []string{at.Target.Name, at.Source.Name}
	found, faults := make([]string, len(regions)), make([]error, len(regions))
	incident.Together(a.clock, len(regions), func(i int) { found[i], faults[i] = a.writer(ctx, db, regions[i]) })
	for i, region := range found {
		if faults[i] == nil {
			s.Region, s.Verdict = region, incident.Pass
			s.Summary = fmt.Sprintf("the writer of %s is in %s", db.GlobalCluster, region)
			return s
		}
	}
	s.Summary = fmt.Sprintf("which Region writes is not known: %s", incident.CallErrorOf(faults[0]).Err)
	return s
}

// writer is the Region that writes, as one of them tells.
func (a *Aurora) writer(ctx context.Context, db Settings, asked string) (string, error) {
	out, err := a.rds(asked).DescribeGlobalClusters(ctx, &rds.DescribeGlobalClustersInput{GlobalClusterIdentifier: aws.String(db.GlobalCluster)}, once)
	if err != nil {
		return "", awserr.SortRead(ctx, err)
	}
	for _, c := range out.GlobalClusters {
		for _, m := range c.GlobalClusterMembers {
			for region, own := range db.Regions {
				if aws.ToBool(m.IsWriter) && aws.ToString(m.DBClusterArn) == own.DBClusterARN {
					return region, nil
				}
			}
		}
	}
	return "", fmt.Errorf("%s has no writer that the settings name", db.GlobalCluster)
}

// hears is whether the standby still hears from the Region that writes, as [Aurora.Outage]
// has it.
func (a *Aurora) hears(ctx context.Context, at detect.Pair) detect.Signal {
	s := detect.Signal{Kind: detect.Replication, Region: at.Source.Name, Measured: incident.Measured{Verdict: incident.Unsure}}
	p := &runbook.Plan{Mode: "unplanned", Topology: at.Topology, Source: at.Source, Target: at.Target}
	o, silent, err := a.Outage(ctx, engine.Call{Plan: p, Clock: a.clock})
	s.AsOf = a.clock.Now()
	switch {
	case err != nil:
		s.Summary = fmt.Sprintf("what the standby hears is not known: %s", incident.CallErrorOf(err).Err)
	case silent:
		s.Verdict, s.Summary = incident.Fail, o.Summary
	case o.Evidence["lag"] == "": // nobody has ever told it
		s.Summary = o.Summary
	default:
		s.Verdict, s.Summary = incident.Pass, o.Summary
	}
	return s
}
