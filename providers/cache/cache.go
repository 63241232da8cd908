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
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

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
	dial   Dial
}

// Dial opens a connection.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// New returns the caches reached through config, which gives the settings for
// calls to one Region. They are asked whether they answer by dial; nil is the machine's
// own.
func New(config func(region string) aws.Config, reads *awserr.Reads, dial Dial) *Cache {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return &Cache{config: config, reads: reads, dial: dial}
}

func (c *Cache) client(region string) *elasticache.Client {
	return elasticache.NewFromConfig(c.config(region))
}

// visible is how long after an accepted call the group may still be told as it was
// before: what it describes is eventually consistent, and no figure is given.
const visible = 15 * time.Second

const (
	primary   = "PRIMARY"
	secondary = "SECONDARY"
)

// side is one replication group of a global datastore.
type side struct {
	Region string `json:"region"`
	Group  string `json:"group"`
}

// String is "ecommerce-cache-us-east-1 in us-east-1", or nobody.
func (s side) String() string {
	if s.Group == "" {
		return "nobody"
	}
	return s.Group + " in " + s.Region
}

type group struct {
	// own is the side that is asked about.
	own        side
	id, status string
	// node is the type of the nodes of all sides; empty if it is not told.
	node string
	// member is that side's.
	member  *types.GlobalReplicationGroupMember
	primary side
}

func (g *group) leads() bool { return g.primary == g.own }

// settled says that nothing is being changed; primary-only is a primary that has lost
// its secondary.
func (g *group) settled() bool { return g.status == "available" || g.status == "primary-only" }

func (g *group) evidence() map[string]string {
	return map[string]string{
		"global_group": g.id, "status": g.status, "primary": orNobody(g.primary.Group),
		"group": aws.ToString(g.member.ReplicationGroupId),
		"role":  aws.ToString(g.member.Role), "member_status": aws.ToString(g.member.Status),
	}
}

// target is the side that takes over in a run, and the datastore that it belongs to.
func target(p *runbook.Plan) (id string, own side, err error) {
	s, err := part(p)
	return s.GlobalGroup, side{p.Target.Name, s.Regions[p.Target.Name].CacheGroup}, err
}

// group is the datastore as the target's Region tells it, with the target's side.
func (c *Cache) group(ctx context.Context, p *runbook.Plan) (*group, error) {
	id, own, err := target(p)
	if err != nil {
		return nil, err
	}
	return c.described(ctx, p.Target.Name, id, own)
}

// described is the datastore as one Region tells it, with one of its sides.
func (c *Cache) described(ctx context.Context, region, id string, own side) (*group, error) {
	out, err := c.client(region).DescribeGlobalReplicationGroups(ctx, &elasticache.DescribeGlobalReplicationGroupsInput{
		GlobalReplicationGroupId: aws.String(id), ShowMemberInfo: aws.Bool(true),
	}, func(o *elasticache.Options) { o.Retryer = c.reads.Call() })
	if err != nil {
		return nil, fmt.Errorf("describe %s in %s: %w", id, region, awserr.SortRead(ctx, err))
	}
	if len(out.GlobalReplicationGroups) != 1 {
		return nil, &incident.CallError{
			NeedsPerson: true,
			Err:         fmt.Errorf("describe %s in %s: %d global datastores of that name", id, region, len(out.GlobalReplicationGroups)),
			Hint:        "compare cache.global_group in the settings with the account",
		}
	}
	found := out.GlobalReplicationGroups[0]
	g := &group{own: own, id: id, status: aws.ToString(found.Status), node: aws.ToString(found.CacheNodeType)}
	for i, m := range found.Members {
		at := side{aws.ToString(m.ReplicationGroupRegion), aws.ToString(m.ReplicationGroupId)}
		if strings.EqualFold(aws.ToString(m.Role), primary) {
			g.primary = at
		}
		if at == own {
			g.member = &found.Members[i]
		}
	}
	if g.member == nil {
		return nil, &incident.CallError{
			NeedsPerson: true,
			Err:         fmt.Errorf("%s is no member of %s", own, id),
			Hint:        "compare cache_group in the settings with the account",
		}
	}
	return g, nil
}

// Look reports whether the target's cache is the primary, or on its way there because
// this run asked for it. What somebody else has changed about the group is waited for.
func (c *Cache) Look(ctx context.Context, call engine.Call) (engine.Outcome, bool, error) {
	p := call.Plan
	g, err := c.group(ctx, p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: g.evidence(), Before: g.primary.Group}
	switch {
	case g.leads():
		o.Summary = fmt.Sprintf("cache %s is the primary", g.own)
		return o, true, nil
	case g.settled():
	case !call.Asked.IsZero():
		// Which change it is the group does not tell. Asking again would be refused in
		// this state; whether it was the one asked for is what the wait finds out.
		o.Summary = fmt.Sprintf("%s is %s since cache %s was asked to become its primary", g.id, g.status, g.own.Group)
		return o, true, nil
	default:
		o.Busy = true
	}
	o.Summary = fmt.Sprintf("cache %s is %s; %s is the primary", g.own, aws.ToString(g.member.Role), orNobody(g.primary.Group))
	if o.Busy {
		o.Summary += fmt.Sprintf("; %s is %s, and not by this run", g.id, g.status)
	}
	if o.Prior, err = json.Marshal(recorded{Primary: g.primary}); err != nil {
		return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("write down who leads %s: %w", g.id, err)}
	}
	return o, false, nil
}

// Do asks for the promotion once. Its parameters name the new primary.
func (c *Cache) Do(ctx context.Context, call engine.Call) (engine.Outcome, error) {
	id, own, err := target(call.Plan)
	if err != nil {
		return engine.Outcome{}, err
	}
	return c.promote(ctx, id, own)
}

// promote asks, in its own Region, for a side to become the primary.
func (c *Cache) promote(ctx context.Context, id string, own side) (engine.Outcome, error) {
	o := engine.Outcome{Evidence: map[string]string{"global_group": id, "group": own.Group, "region": own.Region}}
	_, err := c.client(own.Region).FailoverGlobalReplicationGroup(ctx, &elasticache.FailoverGlobalReplicationGroupInput{
		GlobalReplicationGroupId: aws.String(id),
		PrimaryRegion:            aws.String(own.Region), PrimaryReplicationGroupId: aws.String(own.Group),
	}, func(o *elasticache.Options) { o.Retryer = awserr.Once() })
	if err != nil {
		return o, fmt.Errorf("promote cache %s: %w", own, awserr.Sort(ctx, err))
	}
	o.Summary = fmt.Sprintf("asked for cache %s to become the primary of %s", own, id)
	return o, nil
}

// Effect says what would happen now.
func (c *Cache) Effect(ctx context.Context, call engine.Call) (incident.Effect, error) {
	p := call.Plan
	id, own, err := target(p)
	if err != nil {
		return incident.Effect{}, err
	}
	e := incident.Effect{
		Step: call.Step.ID,
		What: fmt.Sprintf("FailoverGlobalReplicationGroup: %s -> %s", id, own),
		Lost: "cache entries of less than 1 s, usually",
		Undo: undo, Bound: "cache " + id + " -> " + own.Group,
	}
	g, err := c.group(ctx, p)
	switch {
	case err != nil:
		var f *incident.CallError
		if !errors.As(err, &f) || f.NeedsPerson {
			return e, err
		}
		e.What += " (its present state could not be read)"
	case g.leads():
		e.What, e.Lost = fmt.Sprintf("nothing: cache %s is the primary already", own), ""
	default:
		e.What += fmt.Sprintf(" (now %s; %s is the primary)", aws.ToString(g.member.Role), orNobody(g.primary.Group))
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
	if !g.leads() || !g.settled() {
		o.Summary = fmt.Sprintf("cache %s is %s; %s is %s", g.own, aws.ToString(g.member.Role), g.id, g.status)
		if g.settled() && !call.Asked.IsZero() && call.Clock.Now().Sub(call.Asked) >= visible {
			o.Gone = true
			o.Summary += "; the promotion did not come about"
		}
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("cache %s is the primary and takes writes", g.own)
	return o, true, nil
}

func orNobody(s string) string {
	if s == "" {
		return "nobody"
	}
	return s
}
