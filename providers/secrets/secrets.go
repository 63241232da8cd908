// Package secrets looks whether the target has the platform's secrets as the source has
// them.
//
// It asks AWS Secrets Manager what there is of each secret and never for its value. In a
// planned run both Regions are asked; an unplanned one does not ask the Region being left,
// and says so. With Secrets Manager out of reach in the target the check ends in an error
// that says which secret could not be asked for; with the source out of reach whether they
// are in sync is unknown, unless what is missing in the target says enough.
//
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/replicate-secrets.html
package secrets

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

const (
	// atOnce is how many secrets of a Region are asked for at the same time: the service
	// answers thousands a second.
	atOnce = 64
	// sourceTime is how long the Region being left may take in a planned run.
	sourceTime = 20 * time.Second
	// current is the label of the version that is read where none is named.
	current = "AWSCURRENT"
)

// Secrets reaches the secrets of an account.
type Secrets struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
	clock  incident.Clock
}

// New returns the secrets reached through config, which gives the settings for calls to
// one Region.
func New(config func(region string) aws.Config, reads *awserr.Reads, clock incident.Clock) *Secrets {
	return &Secrets{config: config, reads: reads, clock: clock}
}

// Replicated checks that each secret of the settings can be read in the target. In a
// planned run it also has to be a replica that is in sync, or what the source's replica is
// made from, and both Regions have to have the same current version. In an unplanned run
// the Region being left is not asked: a replica of it then deserves a second look.
func (s *Secrets) Replicated(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	settings, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	f := &finding{now: s.clock.Now(), target: p.Target.Name, source: p.Source.Name, planned: p.Mode == "planned"}
	if len(settings.Names) == 0 {
		return f.none(), true, nil
	}
	names, prefixes := settings.split()

	// Which there are is asked of both first: what the source alone has is what is missing.
	regions, contexts := []string{f.target}, []context.Context{ctx}
	if f.planned {
		bounded, stop := s.clock.WithTimeout(ctx, sourceTime, fmt.Errorf("%s did not answer within %s", f.source, sourceTime))
		defer stop()
		regions, contexts = append(regions, f.source), append(contexts, bounded)
	}
	listed, faults := make([][]string, len(regions)), make([]error, len(regions))
	incident.Together(s.clock, len(regions), func(i int) { listed[i], faults[i] = s.list(contexts[i], regions[i], prefixes) })
	if faults[0] != nil {
		return engine.Outcome{}, false, faults[0]
	}
	f.names = slices.Compact(slices.Sorted(slices.Values(slices.Concat(append(listed, names)...))))
	f.unfit(prefixes)

	has := make([]map[string]secret, len(regions))
	incident.Together(s.clock, len(regions), func(i int) {
		if faults[i] == nil {
			has[i], faults[i] = s.describe(contexts[i], regions[i], f.names)
		}
	})
	if faults[0] != nil {
		return engine.Outcome{}, false, faults[0]
	}
	f.here = has[0]
	if f.planned {
		f.there, f.unread = has[1], faults[1]
	}
	return f.answer()
}

// list are the names in a Region that begin with any of these.
func (s *Secrets) list(ctx context.Context, region string, prefixes []string) ([]string, error) {
	client := secretsmanager.NewFromConfig(s.config(region))
	found, faults := make([][]string, len(prefixes)), make([]error, len(prefixes))
	incident.Together(s.clock, len(prefixes), func(i int) {
		in := &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(100)}
		if prefixes[i] != "" {
			in.Filters = []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{prefixes[i]}}}
		}
		for {
			page, err := client.ListSecrets(ctx, in, func(o *secretsmanager.Options) { o.Retryer = s.reads.Call() })
			if err != nil {
				faults[i] = fmt.Errorf("list the secrets %s* in %s: %w", prefixes[i], region, awserr.SortRead(ctx, err))
				return
			}
			for _, entry := range page.SecretList {
				found[i] = append(found[i], aws.ToString(entry.Name))
			}
			if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
				return
			}
		}
	})
	for _, err := range faults {
		if err != nil {
			return nil, err
		}
	}
	return slices.Concat(found...), nil
}

// secret is what a Region has under a name.
type secret struct {
	missing bool
	// primary is the Region that it is a replica of; empty for one that is none.
	primary string
	// version is the id of the current one; empty if there is none.
	version string
	// deleted is when it was marked for deletion, changed when it last changed; zero if
	// never.
	deleted, changed time.Time
	// replicas of it, by Region.
	replicas map[string]types.ReplicationStatusType
}

// describe asks a Region for each of these.
func (s *Secrets) describe(ctx context.Context, region string, names []string) (map[string]secret, error) {
	client := secretsmanager.NewFromConfig(s.config(region))
	out := make(map[string]secret, len(names))
	for part := range slices.Chunk(names, atOnce) {
		answers, faults := make([]secret, len(part)), make([]error, len(part))
		incident.Together(s.clock, len(part), func(i int) {
			d, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(part[i])}, func(o *secretsmanager.Options) { o.Retryer = s.reads.Call() })
			switch {
			case awserr.Code(err) == "ResourceNotFoundException":
				answers[i] = secret{missing: true}
			case err != nil:
				faults[i] = fmt.Errorf("describe the secret %s in %s: %w", part[i], region, awserr.SortRead(ctx, err))
			default:
				answers[i] = described(region, d)
			}
		})
		for i, err := range faults {
			if err != nil {
				return nil, err
			}
			out[part[i]] = answers[i]
		}
	}
	return out, nil
}

// described is an answer of a Region.
func described(region string, d *secretsmanager.DescribeSecretOutput) secret {
	out := secret{
		deleted: aws.ToTime(d.DeletedDate).UTC(), changed: aws.ToTime(d.LastChangedDate).UTC(),
		replicas: map[string]types.ReplicationStatusType{},
	}
	if primary := aws.ToString(d.PrimaryRegion); primary != region {
		out.primary = primary
	}
	for _, id := range slices.Sorted(maps.Keys(d.VersionIdsToStages)) {
		if slices.Contains(d.VersionIdsToStages[id], current) {
			out.version = id
		}
	}
	for _, r := range d.ReplicationStatus {
		out.replicas[aws.ToString(r.Region)] = r
	}
	return out
}
