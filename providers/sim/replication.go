package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3t "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// assetsBucket is the bucket of the services in a Region.
func assetsBucket(region string) string { return "ecommerce-assets-" + region }

// BucketRule is one by which a bucket is replicated to another, and how far it has got.
type BucketRule struct {
	ID string `json:"id"`
	// From and To are buckets.
	From     string `json:"from"`
	To       string `json:"to"`
	Disabled bool   `json:"disabled,omitempty"`
	// Unmeasured rules publish no metrics.
	Unmeasured bool `json:"unmeasured,omitempty"`
	// Silent: nothing is published of it any more, whatever its settings say.
	Silent bool `json:"silent,omitempty"`
	// Pending, Seconds and Failed are what is published from now on: operations that
	// wait, how far it is behind, and operations that fail in a minute.
	Pending float64 `json:"pending"`
	Seconds float64 `json:"seconds"`
	Failed  float64 `json:"failed"`
	// Published is what was.
	Published []ReplicationPoint `json:"published"`
}

// ReplicationPoint is what a rule publishes at one moment.
type ReplicationPoint struct {
	At      time.Time `json:"at"`
	Pending float64   `json:"pending"`
	Seconds float64   `json:"seconds"`
	Failed  float64   `json:"failed"`
}

// beginReplication replicates the bucket of each Region to that of the other.
func beginReplication() []*BucketRule {
	var out []*BucketRule
	for _, region := range regionNames {
		out = append(out, &BucketRule{ID: "all", From: assetsBucket(region), To: assetsBucket(otherRegion(region)), Seconds: 2})
	}
	return out
}

// publishReplication writes the datapoints of the rules. What is replicated to a Region
// that is gone, or from one, is not told.
func (s *State) publishReplication() {
	const keep = 200
	for _, r := range s.Replication {
		if n := len(r.Published); n > 0 && r.Published[n-1].At.Equal(s.At) {
			continue
		}
		if !r.Disabled && !r.Unmeasured && !r.Silent && s.stands(s.regionOfBucket(r.From)) && s.stands(s.regionOfBucket(r.To)) {
			r.Published = append(r.Published, ReplicationPoint{s.At, r.Pending, r.Seconds, r.Failed})
			if n := len(r.Published); n > keep {
				r.Published = slices.Clone(r.Published[n-keep:])
			}
		}
	}
}

func (s *State) regionOfBucket(name string) string {
	for _, region := range regionNames {
		if _, ok := s.Regions[region].Buckets[name]; ok {
			return region
		}
	}
	return ""
}

// replication are the metrics of the rules that the Region publishes: what failed at the
// side that is replicated from, the rest at the other.
func (r request) replication() []series {
	var all []series
	add := func(rule *BucketRule, name string, value func(ReplicationPoint) float64) {
		one := series{"AWS/S3", name, map[string]string{"SourceBucket": rule.From, "DestinationBucket": rule.To, "RuleId": rule.ID}, nil}
		for _, p := range rule.Published {
			one.points = append(one.points, Point{At: p.At, Region: r.region, Value: value(p)})
		}
		all = append(all, one)
	}
	for _, rule := range r.Replication {
		if len(rule.Published) == 0 {
			continue
		}
		if r.regionOfBucket(rule.To) == r.region {
			add(rule, "OperationsPendingReplication", func(p ReplicationPoint) float64 { return p.Pending })
			add(rule, "ReplicationLatency", func(p ReplicationPoint) float64 { return p.Seconds })
		}
		if r.regionOfBucket(rule.From) == r.region {
			add(rule, "OperationsFailedReplication", func(p ReplicationPoint) float64 { return p.Failed })
		}
	}
	return all
}

func getBucketReplication(r request, in *s3.GetBucketReplicationInput) (*s3.GetBucketReplicationOutput, error) {
	if _, err := r.bucket(in.Bucket, false); err != nil {
		return nil, err
	}
	c := &s3t.ReplicationConfiguration{Role: ptr("arn:aws:iam::" + account + ":role/ecommerce/replication")}
	for i, rule := range r.Replication {
		if rule.From != deref(in.Bucket) {
			continue
		}
		one := s3t.ReplicationRule{
			ID: ptr(rule.ID), Priority: ptr(int32(i + 1)), Status: s3t.ReplicationRuleStatusEnabled, Filter: &s3t.ReplicationRuleFilter{Prefix: ptr("")},
			DeleteMarkerReplication: &s3t.DeleteMarkerReplication{Status: s3t.DeleteMarkerReplicationStatusEnabled},
			Destination:             &s3t.Destination{Bucket: ptr("arn:aws:s3:::" + rule.To)},
		}
		if rule.Disabled {
			one.Status = s3t.ReplicationRuleStatusDisabled
		}
		if !rule.Unmeasured {
			one.Destination.Metrics = &s3t.Metrics{Status: s3t.MetricsStatusEnabled}
		}
		c.Rules = append(c.Rules, one)
	}
	if len(c.Rules) == 0 {
		return nil, &smithy.GenericAPIError{Code: "ReplicationConfigurationNotFoundError", Message: "The replication configuration was not found", Fault: smithy.FaultClient}
	}
	return &s3.GetBucketReplicationOutput{ReplicationConfiguration: c}, nil
}

// RuleFrom is the rule by which a Region's bucket is replicated; nil if there is none.
func (s *State) RuleFrom(region string) *BucketRule {
	for _, r := range s.Replication {
		if strings.HasSuffix(r.From, region) {
			return r
		}
	}
	return nil
}
