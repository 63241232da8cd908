package sim

import (
	"cmp"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	ec "github.com/aws/aws-sdk-go-v2/service/elasticache/types"
)

// Cache is the ElastiCache global datastore.
type Cache struct {
	GlobalGroup string        `json:"global_group"`
	Status      string        `json:"status"` // available, modifying
	Members     []CacheMember `json:"members"`
	// To is the Region whose member becomes the primary when the change under way is
	// over; empty while it is a change of something else.
	To    string    `json:"to,omitempty"`
	Due   time.Time `json:"due,omitzero"`
	LagMS float64   `json:"lag_ms"`
	Lag   []Point   `json:"lag"`
	// Silent: no lag is published any more.
	Silent bool `json:"silent,omitempty"`
}

// CacheMember is one replication group of the datastore.
type CacheMember struct {
	Region  string `json:"region"`
	Group   string `json:"group"`
	Primary bool   `json:"primary"`
	Status  string `json:"status"` // associated, associating
	// Nodes is the type of its nodes, and NodesState theirs where that is not available.
	Nodes      string `json:"nodes"`
	NodesState string `json:"nodes_state,omitempty"`
	// HitPercent of its reads are hits from now on; Unread: none are told any more.
	HitPercent float64 `json:"hit_percent"`
	Unread     bool    `json:"unread,omitempty"`
	// Published is what it read.
	Published []CacheReads `json:"published"`
	// Says is what it answers in place of +PONG.
	Says string `json:"says,omitempty"`
	// Leader is the node that AWS tells to be the primary; empty: it does not tell, as of
	// groups in cluster mode.
	Leader string `json:"leader,omitempty"`
}

// cacheNodes is the type of the nodes of the datastore.
const cacheNodes = "cache.r7g.large"

const cacheTime = 45 * time.Second // how long a change of the primary takes

func beginCache(start Start) Cache {
	c := Cache{GlobalGroup: globalGroup, Status: "available", LagMS: float64(cmp.Or(start.CacheLagMS, 400))}
	for _, name := range regionNames {
		c.Members = append(c.Members, CacheMember{Region: name, Group: cacheGroup(name), Primary: name == homeRegion, Status: "associated", Nodes: cacheNodes, HitPercent: 96})
	}
	return c
}

// Member is the replication group in a Region; nil if there is none.
func (c *Cache) Member(region string) *CacheMember {
	for i := range c.Members {
		if c.Members[i].Region == region {
			return &c.Members[i]
		}
	}
	return nil
}

// CachePrimary is the Region whose cache takes writes.
func (s *State) CachePrimary() string {
	for _, m := range s.Cache.Members {
		if m.Primary {
			return m.Region
		}
	}
	return ""
}

// due are the moments at which something happens that is not tied to a tick.
func (c *Cache) due() []time.Time {
	if c.Due.IsZero() {
		return nil
	}
	return []time.Time{c.Due}
}

func (s *State) stepCache() {
	c := &s.Cache
	if c.Due.IsZero() || c.Due.After(s.At) || (c.To != "" && s.Regions[c.To].Lost) {
		return
	}
	for i := range c.Members {
		if c.To != "" {
			c.Members[i].Primary = c.Members[i].Region == c.To
		}
	}
	c.Status, c.To, c.Due = "available", "", time.Time{}
}

// modify begins a change of the datastore that leaves the roles as they are.
func (c *Cache) modify(at time.Time, m ModifyCache) {
	c.Status, c.To, c.Due = "modifying", "", at.Add(cmp.Or(m.Takes, cacheTime))
}

var cacheAPI = awsAPI{
	system: "aws.elasticache",
	operations: map[string]operation{
		"DescribeGlobalReplicationGroups": reads(describeCache),
		"FailoverGlobalReplicationGroup":  changes(promoteCache),
		"DescribeReplicationGroups":       reads(describeCacheNodes).lostAs(ServerFail),
	},
	target: func(in any) string {
		switch in := in.(type) {
		case *elasticache.FailoverGlobalReplicationGroupInput:
			return deref(in.PrimaryReplicationGroupId)
		case *elasticache.DescribeReplicationGroupsInput:
			return deref(in.ReplicationGroupId)
		case *elasticache.DescribeGlobalReplicationGroupsInput:
			return deref(in.GlobalReplicationGroupId)
		}
		return ""
	},
}

func (r request) cacheGroup(members bool) *ec.GlobalReplicationGroup {
	g := &ec.GlobalReplicationGroup{
		GlobalReplicationGroupId: ptr(r.Cache.GlobalGroup), Status: ptr(r.Cache.Status), Engine: ptr("redis"), EngineVersion: ptr("7.1.0"),
		ARN: ptr("arn:aws:elasticache::" + account + ":globalreplicationgroup:" + r.Cache.GlobalGroup), ClusterEnabled: ptr(true), CacheNodeType: ptr(cacheNodes),
	}
	for _, m := range r.Cache.Members {
		if !members {
			break
		}
		role := "SECONDARY"
		if m.Primary {
			role = "PRIMARY"
		}
		g.Members = append(g.Members, ec.GlobalReplicationGroupMember{
			ReplicationGroupId: ptr(m.Group), ReplicationGroupRegion: ptr(m.Region), Role: ptr(role), Status: ptr(m.Status),
			AutomaticFailover: ec.AutomaticFailoverStatusEnabled,
		})
	}
	return g
}

func (r request) isGroup(id *string) error {
	if deref(id) != r.Cache.GlobalGroup {
		return &ec.GlobalReplicationGroupNotFoundFault{Message: ptr("Global Replication Group " + deref(id) + " does not exist")}
	}
	return nil
}

func describeCache(r request, in *elasticache.DescribeGlobalReplicationGroupsInput) (*elasticache.DescribeGlobalReplicationGroupsOutput, error) {
	if in.GlobalReplicationGroupId != nil {
		if err := r.isGroup(in.GlobalReplicationGroupId); err != nil {
			return nil, err
		}
	}
	g := r.cacheGroup(deref(in.ShowMemberInfo))
	return &elasticache.DescribeGlobalReplicationGroupsOutput{GlobalReplicationGroups: []ec.GlobalReplicationGroup{*g}}, nil
}

func describeCacheNodes(r request, in *elasticache.DescribeReplicationGroupsInput) (*elasticache.DescribeReplicationGroupsOutput, error) {
	m := r.Cache.Member(r.region)
	if m == nil || in.ReplicationGroupId != nil && *in.ReplicationGroupId != m.Group {
		return nil, &ec.ReplicationGroupNotFoundFault{Message: ptr("ReplicationGroup " + deref(in.ReplicationGroupId) + " not found.")}
	}
	var shards []ec.NodeGroup
	if m.Leader != "" {
		var nodes []ec.NodeGroupMember
		for _, node := range cacheNodeNames(m.Group) {
			role := "replica"
			if node == m.Leader {
				role = "primary"
			}
			nodes = append(nodes, ec.NodeGroupMember{CacheClusterId: ptr(node), CacheNodeId: ptr("0001"), CurrentRole: ptr(role)})
		}
		shards = []ec.NodeGroup{{NodeGroupId: ptr("0001"), NodeGroupMembers: nodes}}
	}
	return &elasticache.DescribeReplicationGroupsOutput{ReplicationGroups: []ec.ReplicationGroup{{
		NodeGroups: shards, ReplicationGroupId: ptr(m.Group), Status: ptr(cmp.Or(m.NodesState, "available")), CacheNodeType: ptr(m.Nodes), ClusterEnabled: ptr(true),
		MemberClusters: cacheNodeNames(m.Group), AutomaticFailover: ec.AutomaticFailoverStatusEnabled,
	}}}, nil
}

func promoteCache(r request, in *elasticache.FailoverGlobalReplicationGroupInput) (*elasticache.FailoverGlobalReplicationGroupOutput, error) {
	if err := r.isGroup(in.GlobalReplicationGroupId); err != nil {
		return nil, err
	}
	m := r.Cache.Member(deref(in.PrimaryRegion))
	switch {
	case m == nil || m.Group != deref(in.PrimaryReplicationGroupId):
		return nil, &ec.InvalidParameterValueException{Message: ptr(fmt.Sprintf("Replication group %s is not a member in %s.", deref(in.PrimaryReplicationGroupId), deref(in.PrimaryRegion)))}
	case r.Cache.Status != "available" || m.Primary:
		return nil, &ec.InvalidGlobalReplicationGroupStateFault{Message: ptr(fmt.Sprintf("Global Replication Group %s is %s, and %s is its %s.", r.Cache.GlobalGroup, r.Cache.Status, m.Group, map[bool]string{true: "primary already", false: "secondary"}[m.Primary]))}
	}
	r.Cache.Status, r.Cache.To, r.Cache.Due = "modifying", m.Region, r.now.Add(cacheTime)
	return &elasticache.FailoverGlobalReplicationGroupOutput{GlobalReplicationGroup: r.cacheGroup(false)}, nil
}

// expectCache says how the cache is not what a scenario expects.
func (s *State) expectCache(e Expect, say say) {
	if e.Cache == "" {
		return
	}
	if p := s.CachePrimary(); p != e.Cache || s.Cache.Status != "available" {
		say("the primary cache is in %s (%s), expected %s", p, s.Cache.Status, e.Cache)
	}
}
