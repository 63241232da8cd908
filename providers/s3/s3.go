// Package s3 looks whether what the services keep in buckets is replicated to the target,
// and whether it can be read there.
//
// The rules are asked of the buckets themselves, and how far they have got of CloudWatch:
// S3 publishes what is pending, and how late it is, in the Region of the bucket that is
// replicated to, and what failed in that of the one it is replicated from. In an unplanned
// run the Region being left is not asked, so its rules are known by what is published in
// the target. No datapoint is no answer: without replication metrics, or with old ones,
// the check ends in an error with the last value and its age.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html
package s3

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// sourceTime is how long the Region being left may take in a planned run.
const sourceTime = 10 * time.Second

// S3 reaches the buckets of an account.
type S3 struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
	clock  incident.Clock
}

// New returns the buckets reached through config, which gives the settings for calls to
// one Region.
func New(config func(region string) aws.Config, reads *awserr.Reads, clock incident.Clock) *S3 {
	return &S3{config: config, reads: reads, clock: clock}
}

// rule is one by which objects of a bucket are replicated to another.
type rule struct{ from, to, id string }

// String is "ecommerce-assets-us-east-1 to ecommerce-assets-us-west-2 (all)".
func (r rule) String() string { return fmt.Sprintf("%s to %s (%s)", r.from, r.to, r.id) }

// rules are those of a bucket that are enabled.
type rules struct {
	bucket  string
	enabled []configured
	// disabled are the ids of those that are not.
	disabled []string
}

type configured struct {
	rule
	// measured: its metrics are published.
	measured bool
}

// Replication checks that each of the source's buckets is replicated to one of the
// target's, that few operations are pending and late by little, and that none has failed
// within the last hour. A bucket of the target that is not replicated back deserves a
// second look: after the failover it is the one that is written to. On the way home nothing
// may be pending: what is has not arrived there.
func (s *S3) Replication(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	settings, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	f := &finding{
		now: s.clock.Now(), source: p.Source.Name, target: p.Target.Name, planned: p.Mode == "planned", home: p.Kind == incident.Failback, limits: settings,
		from: settings.Regions[p.Source.Name].Buckets, to: settings.Regions[p.Target.Name].Buckets,
	}
	if len(f.from) == 0 {
		return f.none(), true, nil
	}
	var unread, blind [2]error // of what is asked of the source, and of the target
	reads := []func(){
		func() { f.back, blind[0] = s.rules(ctx, f.target, f.to) },
		func() { f.arriving, blind[1] = s.series(ctx, f.target, f.now, arriving, f.follows) },
	}
	if f.planned {
		bounded, stop := s.clock.WithTimeout(ctx, sourceTime, fmt.Errorf("%s did not answer within %s", f.source, sourceTime))
		defer stop()
		reads = append(reads,
			func() { f.forth, unread[0] = s.rules(bounded, f.source, f.from) },
			func() { f.leaving, unread[1] = s.series(bounded, f.source, f.now, leaving, f.follows) },
		)
	}
	incident.Together(s.clock, len(reads), func(i int) { reads[i]() })
	for _, err := range blind {
		if err != nil {
			return engine.Outcome{}, false, err
		}
	}
	for _, err := range unread {
		if err != nil {
			f.unread = err
		}
	}
	return f.answer()
}

// rules are those of buckets of one Region.
func (s *S3) rules(ctx context.Context, region string, buckets []string) ([]rules, error) {
	client := s3.NewFromConfig(s.config(region))
	out, faults := make([]rules, len(buckets)), make([]error, len(buckets))
	incident.Together(s.clock, len(buckets), func(i int) {
		out[i].bucket = buckets[i]
		got, err := client.GetBucketReplication(ctx, &s3.GetBucketReplicationInput{Bucket: aws.String(buckets[i])}, func(o *s3.Options) { o.Retryer = s.reads.Call() })
		switch {
		case awserr.Code(err) == "ReplicationConfigurationNotFoundError":
		case err != nil:
			faults[i] = fmt.Errorf("read the replication rules of %s in %s: %w", buckets[i], region, awserr.SortRead(ctx, err))
		case got.ReplicationConfiguration != nil:
			out[i].take(got.ReplicationConfiguration.Rules)
		}
	})
	for _, err := range faults {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *rules) take(all []types.ReplicationRule) {
	for _, one := range all {
		id := aws.ToString(one.ID)
		if one.Status != types.ReplicationRuleStatusEnabled {
			r.disabled = append(r.disabled, id)
			continue
		}
		c := configured{rule: rule{from: r.bucket, id: id}}
		if d := one.Destination; d != nil {
			bucket := aws.ToString(d.Bucket) // its ARN
			c.to = bucket[strings.LastIndex(bucket, ":")+1:]
			c.measured = d.Metrics != nil && d.Metrics.Status == types.MetricsStatusEnabled ||
				d.ReplicationTime != nil && d.ReplicationTime.Status == types.ReplicationTimeStatusEnabled
		}
		r.enabled = append(r.enabled, c)
	}
}

// leads are the enabled rules to any of these buckets.
func (r *rules) leads(to []string) []configured {
	var out []configured
	for _, c := range r.enabled {
		if slices.Contains(to, c.to) {
			out = append(out, c)
		}
	}
	return out
}
