// Package cache moves the primary of an ElastiCache global datastore.
//
// Nothing promotes the standby's cache by itself: there is no automatic failover
// between Regions, and until it is promoted it refuses every write. All calls go
// to the Region that takes over. With ElastiCache unreachable, every action ends
// in an error that says so; a cache is never taken for promoted unseen.
//
// https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_FailoverGlobalReplicationGroup.html
package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// undo is how a promotion is taken back.
const undo = "the same promotion in the other direction, once the old side is associated again"

// Cache reaches the global datastores of an account.
type Cache struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
}

// New returns the caches reached through config, which gives the settings for
// calls to one Region.
func New(config func(region string) aws.Config, reads *awserr.Reads) *Cache {
	return &Cache{config: config, reads: reads}
}

func (c *Cache) client(region string) *elasticache.Client {
	return elasticache.NewFromConfig(c.config(region))
}

const (
	primary   = "PRIMARY"
	secondary = "SECONDARY"
)

type group struct {
	// own is the target's replication group, as the settings name it.
	own        string
	id, status string
	// member is the target's; nil when it is none.
	member  *types.GlobalReplicationGroupMember
	primary string
}

func (g *group) leads() bool {
	return g.member != nil && strings.EqualFold(aws.ToString(g.member.Role), primary)
}

func (g *group) evidence() map[string]string {
	e := map[string]string{"global_group": g.id, "status": g.status, "primary": orNobody(g.primary)}
	if g.member != nil {
		e["group"] = aws.ToString(g.member.ReplicationGroupId)
		e["role"], e["member_status"] = aws.ToString(g.member.Role), aws.ToString(g.member.Status)
	}
	return e
}

func (c *Cache) group(ctx context.Context, p *runbook.Plan) (*group, error) {
	s, err := part(p)
	if err != nil {
		return nil, err
	}
	id, own := s.GlobalGroup, s.Regions[p.Target.Name].CacheGroup
	out, err := c.client(p.Target.Name).DescribeGlobalReplicationGroups(ctx, &elasticache.DescribeGlobalReplicationGroupsInput{
		GlobalReplicationGroupId: aws.String(id), ShowMemberInfo: aws.Bool(true),
	}, func(o *elasticache.Options) { o.Retryer = c.reads.Call() })
	if err != nil {
		return nil, fmt.Errorf("describe %s in %s: %w", id, p.Target.Name, awserr.SortRead(ctx, err))
	}
	if len(out.GlobalReplicationGroups) != 1 {
		return nil, &incident.Fault{
			Person: true,
			Err:    fmt.Errorf("describe %s in %s: %d global datastores of that name", id, p.Target.Name, len(out.GlobalReplicationGroups)),
			Hint:   "compare cache.global_group in the settings with the account",
		}
	}
	found := out.GlobalReplicationGroups[0]
	g := &group{own: own, id: id, status: aws.ToString(found.Status)}
	for i, m := range found.Members {
		if strings.EqualFold(aws.ToString(m.Role), primary) {
			g.primary = aws.ToString(m.ReplicationGroupId)
		}
		if aws.ToString(m.ReplicationGroupId) == own && aws.ToString(m.ReplicationGroupRegion) == p.Target.Name {
			g.member = &found.Members[i]
		}
	}
	if g.member == nil {
		return nil, &incident.Fault{
			Person: true,
			Err:    fmt.Errorf("%s in %s is no member of %s", own, p.Target.Name, id),
			Hint:   "compare cache_group in the settings with the account",
		}
	}
	return g, nil
}

// Standby checks that the target's cache can be promoted.
func (c *Cache) Standby(ctx context.Context, call engine.Call) (engine.Outcome, bool, error) {
	p := call.Plan
	g, err := c.group(ctx, p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	var wrong []string
	if g.status != "available" {
		wrong = append(wrong, g.id+" is "+g.status)
	}
	if s := aws.ToString(g.member.Status); s != "associated" {
		wrong = append(wrong, "it is "+orNobody(s)+", not associated")
	}
	if r := aws.ToString(g.member.Role); !strings.EqualFold(r, secondary) {
		wrong = append(wrong, "its role is "+r)
	}
	if len(wrong) > 0 {
		return engine.Outcome{
			Evidence: g.evidence(),
			Summary:  fmt.Sprintf("cache %s in %s cannot take over: %s", g.own, p.Target.Name, strings.Join(wrong, "; ")),
		}, false, nil
	}
	return engine.Outcome{
		Evidence: g.evidence(),
		Summary:  fmt.Sprintf("cache %s in %s is associated with %s as its secondary", g.own, p.Target.Name, g.id),
	}, true, nil
}

// Look reports whether the target's cache is the primary, or on its way there.
func (c *Cache) Look(ctx context.Context, call engine.Call) (engine.Outcome, bool, error) {
	p := call.Plan
	g, err := c.group(ctx, p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: g.evidence(), Before: g.primary}
	switch {
	case g.leads():
		o.Summary = fmt.Sprintf("cache %s in %s is the primary", g.own, p.Target.Name)
		return o, true, nil
	case g.status == "modifying":
		// With two Regions a change of the whole group is a promotion in all
		// likelihood. Asking again would be refused in this state; whether it really
		// was one is what the wait for the role finds out.
		o.Summary = fmt.Sprintf("%s is being changed; cache %s is taken to be on its way to primary", g.id, g.own)
		return o, true, nil
	}
	o.Summary = fmt.Sprintf("cache %s in %s is %s; %s is the primary", g.own, p.Target.Name, aws.ToString(g.member.Role), orNobody(g.primary))
	return o, false, nil
}

// Do asks for the promotion once. Its parameters name the new primary.
func (c *Cache) Do(ctx context.Context, call engine.Call) (engine.Outcome, error) {
	p := call.Plan
	s, err := part(p)
	if err != nil {
		return engine.Outcome{}, err
	}
	id, own := s.GlobalGroup, s.Regions[p.Target.Name].CacheGroup
	o := engine.Outcome{Evidence: map[string]string{"global_group": id, "group": own, "region": p.Target.Name}}
	_, err = c.client(p.Target.Name).FailoverGlobalReplicationGroup(ctx, &elasticache.FailoverGlobalReplicationGroupInput{
		GlobalReplicationGroupId: aws.String(id),
		PrimaryRegion:            aws.String(p.Target.Name), PrimaryReplicationGroupId: aws.String(own),
	}, func(o *elasticache.Options) { o.Retryer = awserr.Once() })
	if err != nil {
		return o, fmt.Errorf("promote cache %s in %s: %w", own, p.Target.Name, awserr.Sort(ctx, err))
	}
	o.Summary = fmt.Sprintf("asked for cache %s in %s to become the primary of %s", own, p.Target.Name, id)
	return o, nil
}

// Effect says what would happen now.
func (c *Cache) Effect(ctx context.Context, call engine.Call) (incident.Effect, error) {
	p := call.Plan
	s, err := part(p)
	if err != nil {
		return incident.Effect{}, err
	}
	own := s.Regions[p.Target.Name].CacheGroup
	e := incident.Effect{
		Step: call.Step.ID,
		What: fmt.Sprintf("FailoverGlobalReplicationGroup: %s -> %s in %s", s.GlobalGroup, own, p.Target.Name),
		Lost: "cache entries that had not been copied yet, usually less than 1 s of them",
		Undo: undo, Bound: "cache " + s.GlobalGroup + " -> " + own,
	}
	g, err := c.group(ctx, p)
	switch {
	case err != nil:
		var f *incident.Fault
		if !errors.As(err, &f) || f.Person {
			return e, err
		}
		e.What += " (its present state could not be read)"
	case g.leads():
		e.What, e.Lost = fmt.Sprintf("nothing: cache %s in %s is the primary already", own, p.Target.Name), ""
	default:
		e.What += fmt.Sprintf(" (now %s; %s is the primary)", aws.ToString(g.member.Role), orNobody(g.primary))
	}
	return e, nil
}

// Primary waits until the target's cache is the primary and the group has settled.
func (c *Cache) Primary(ctx context.Context, call engine.Call) (engine.Outcome, bool, error) {
	p := call.Plan
	g, err := c.group(ctx, p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: g.evidence()}
	if !g.leads() || g.status != "available" && g.status != "primary-only" {
		o.Summary = fmt.Sprintf("cache %s in %s is %s; %s is %s", g.own, p.Target.Name, aws.ToString(g.member.Role), g.id, g.status)
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("cache %s in %s is the primary and takes writes", g.own, p.Target.Name)
	return o, true, nil
}

func orNobody(s string) string {
	if s == "" {
		return "nobody"
	}
	return s
}
