package cache

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cw "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
)

// leastReads is how many reads it takes to call a share of them a hit rate.
const leastReads = 100

// Warm checks that the target's cache answers and is warm: of the reads of the last
// minutes enough found what they looked for. A low hit rate deserves a second look, for
// a cache fills by itself; too few reads, or none that are told, are unknown. Whether it
// answers is tried where the settings name an address; elsewhere the reads are all that
// is known of it.
func (c *Cache) Warm(ctx context.Context, call engine.Call) (engine.Outcome, bool, error) {
	settings, err := part(call.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	_, own, err := target(call.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	now, address := call.Clock.Now(), settings.Regions[own.Region].Reach
	var h hits
	var unread, silent error
	said := "no address to try is in the settings (cache.regions." + own.Region + ".reach)"
	incident.Together(call.Clock, 2, func(i int) {
		switch {
		case i == 0:
			h, unread = c.hits(ctx, own, now)
		case address != "":
			said, silent = c.ping(ctx, call.Clock, address)
		}
	})
	o := engine.Outcome{Evidence: map[string]string{"group": own.Group, "answer": said}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: now}}
	h.tell(&o, settings.hitPercent())
	switch {
	case silent == nil && strings.HasPrefix(said, "-"):
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("cache %s does not serve: it answered %q at %s", own, strings.TrimPrefix(said, "-"), address)
		return o, false, nil
	case unread != nil:
		return o, false, unread
	case h.reads() < leastReads:
		return o, false, h.unknown(own)
	case silent != nil:
		return o, false, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("whether cache %s answers is unknown: no connection from here to %s: %w", own, address, silent),
			Hint: "a security group may keep the bot away from it: let the bot in, or look at the cache from within its VPC",
		}
	}
	o.Summary = fmt.Sprintf("%.1f %% of %s of cache %s in the last %s were hits", h.percent(), text.Count(int(h.reads()), "read"), own, text.Age(fresh))
	if h.percent() < settings.hitPercent() {
		o.Measured.Verdict = incident.Warn
		o.Summary += fmt.Sprintf(", below %g %%: it is still filling, and the database answers what it does not", settings.hitPercent())
	}
	o.Summary += "; " + said
	return o, true, nil
}

// hits are the reads of the last minutes.
type hits struct {
	now           time.Time
	found, missed float64
	// last is when a read was told last; zero: not within [history].
	last time.Time
	// nodes is how many of the group's nodes told of any.
	nodes int
}

func (h hits) reads() float64   { return h.found + h.missed }
func (h hits) percent() float64 { return 100 * h.found / h.reads() }

// hits reads what the nodes of a group publish. Where AWS tells which of them is the
// primary, that one alone counts.
func (c *Cache) hits(ctx context.Context, own side, now time.Time) (hits, error) {
	h := hits{now: now}
	group, err := c.nodes(ctx, own)
	if err != nil {
		return h, err
	}
	counted := primaries(group)
	var found [2][]*series
	var faults [2]error
	for i, metric := range []string{"CacheHits", "CacheMisses"} {
		found[i], faults[i] = c.measured(ctx, own.Region, metric, cw.StatisticSum, cw.DimensionFilter{Name: aws.String("CacheClusterId")}, now,
			func(of map[string]string) bool { return slices.Contains(counted, of["CacheClusterId"]) })
		if faults[i] != nil {
			return h, fmt.Errorf("the hit rate of %s: %w", own, faults[i])
		}
	}
	for i, sum := range []*float64{&h.found, &h.missed} {
		told := byNode(found[i])
		h.nodes = max(h.nodes, len(told))
		for _, one := range told {
			for _, p := range one.points {
				if p.At.After(now) { // a clock is wrong: nothing is known of what is to come
					continue
				}
				if p.At.After(h.last) {
					h.last = p.At
				}
				if now.Sub(p.At) <= fresh {
					*sum += p.Value
				}
			}
		}
	}
	return h, nil
}

// primaries are the nodes of a group whose reads count.
func primaries(g *types.ReplicationGroup) []string {
	var out []string
	for _, shard := range g.NodeGroups {
		for _, m := range shard.NodeGroupMembers {
			if strings.EqualFold(aws.ToString(m.CurrentRole), primary) {
				out = append(out, aws.ToString(m.CacheClusterId))
			}
		}
	}
	if len(out) == 0 { // not told of groups in cluster mode
		return g.MemberClusters
	}
	return out
}

// byNode is one series for each node: the same reads are published of the node and of
// its cluster.
func byNode(all []*series) map[string]*series {
	out := map[string]*series{}
	for _, one := range all {
		id := one.of["CacheClusterId"]
		if have := out[id]; have == nil || len(one.of) > len(have.of) {
			out[id] = one
		}
	}
	return out
}

// tell puts what is known where it is measured.
func (h hits) tell(o *engine.Outcome, limit float64) {
	o.Evidence["reads"], o.Evidence["nodes"] = fmt.Sprintf("%.0f hits, %.0f misses", h.found, h.missed), fmt.Sprint(h.nodes)
	if h.reads() < leastReads {
		return
	}
	o.Measured.AsOf = h.last
	o.Measured.Figures = []incident.Figure{
		{Name: "hit rate", Value: h.percent(), Unit: "%", Limit: &limit},
		{Name: "reads", Value: h.reads(), Unit: "reads"},
	}
}

// unknown is the error of a hit rate that cannot be told.
func (h hits) unknown(own side) error {
	why := fmt.Sprintf("%s in the last %s, at least %d are wanted", text.Count(int(h.reads()), "read"), text.Age(fresh), leastReads)
	switch {
	case h.last.IsZero():
		why = fmt.Sprintf("no datapoint for %s", text.Age(history))
	case h.now.Sub(h.last) > fresh:
		why = fmt.Sprintf("no datapoint for %s", text.Age(h.now.Sub(h.last)))
	}
	return &incident.CallError{
		NeedsPerson: true, Err: fmt.Errorf("the hit rate of cache %s is unknown: %s", own, why),
		Hint: "a minute's reads are told after one to three minutes: check again once users have arrived, or look whether the services use this cache",
	}
}
