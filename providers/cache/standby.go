package cache

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cw "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
	"github.com/failoverbot/failoverbot/providers/metrics"
)

// behind is the lag from which it deserves a second look: it is less than a second
// as long as the primary is not overrun.
const behind = 10 * time.Second

// Standby checks that the target's cache can be promoted: associated, available, and made
// of the same nodes as the datastore. How far it is behind, and that it cannot be told,
// deserves a second look and keeps nobody: what a cache has lost is filled again. All is
// asked of the target.
func (c *Cache) Standby(ctx context.Context, call engine.Call) (engine.Outcome, bool, error) {
	p := call.Plan
	_, own, err := target(p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	var g *group
	var nodes *types.ReplicationGroup
	var l lag
	var faults [2]error
	incident.Together(call.Clock, 3, func(i int) {
		switch i {
		case 0:
			g, faults[0] = c.group(ctx, p)
		case 1:
			nodes, faults[1] = c.nodes(ctx, own)
		default:
			l = c.lag(ctx, own, call.Clock.Now())
		}
	})
	for _, err := range faults {
		if err != nil {
			return engine.Outcome{}, false, err
		}
	}
	o := engine.Outcome{Evidence: g.evidence(), Measured: incident.Measured{Verdict: incident.Pass, AsOf: call.Clock.Now()}}
	o.Evidence["node_type"], o.Evidence["group_status"] = aws.ToString(nodes.CacheNodeType), aws.ToString(nodes.Status)
	o.Evidence["members"] = fmt.Sprint(len(nodes.MemberClusters))
	if g.leads() && g.settled() { // a run before this one has promoted it, or a person
		o.Summary = fmt.Sprintf("cache %s is the primary of %s already", g.own, g.id)
		return o, true, nil
	}
	wrong, warn := g.cannotLead(), []string(nil)
	if status := aws.ToString(nodes.Status); status != "available" {
		wrong = append(wrong, "its nodes are "+status)
	}
	switch has := aws.ToString(nodes.CacheNodeType); {
	case has == "" || g.node == "":
		warn = append(warn, "AWS does not tell whether it is made of the same nodes as the primary")
	case has != g.node:
		wrong = append(wrong, fmt.Sprintf("it is made of %s and %s of %s", has, g.id, g.node))
	}
	l.tell(&o)
	if len(wrong) > 0 {
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("cache %s cannot take over: %s", g.own, strings.Join(wrong, "; "))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("cache %s is associated with %s as its secondary, made of %s like it", g.own, g.id, orNobody(aws.ToString(nodes.CacheNodeType)))
	said, doubt := l.said()
	if o.Summary += "; " + said; doubt || len(warn) > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary = strings.Join(append([]string{o.Summary}, warn...), "; ")
	}
	return o, true, nil
}

// nodes is a side's replication group as its own Region has it.
func (c *Cache) nodes(ctx context.Context, own side) (*types.ReplicationGroup, error) {
	out, err := c.client(own.Region).DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{
		ReplicationGroupId: aws.String(own.Group),
	}, func(o *elasticache.Options) { o.Retryer = c.reads.Call() })
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", own, awserr.SortRead(ctx, err))
	}
	if len(out.ReplicationGroups) != 1 {
		return nil, &incident.CallError{
			NeedsPerson: true,
			Err:         fmt.Errorf("describe %s: %d replication groups of that name", own, len(out.ReplicationGroups)),
			Hint:        "compare cache_group in the settings with the account",
		}
	}
	return &out.ReplicationGroups[0], nil
}

// lag is how far a side is behind its primary.
type lag struct {
	now time.Time
	// at and seconds are the newest value, the highest of all shards; at is zero if there
	// was none.
	at      time.Time
	seconds float64
	err     error // why it could not be read
}

// lag reads how far a side is behind: the secondary's own Region publishes it, for each
// of its nodes.
func (c *Cache) lag(ctx context.Context, own side, now time.Time) lag {
	l := lag{now: now}
	found, err := c.measured(ctx, own.Region, "GlobalDatastoreReplicationLag", cw.StatisticMaximum,
		cw.DimensionFilter{Name: aws.String("ReplicationGroupId"), Value: aws.String(own.Group)}, now, func(map[string]string) bool { return true })
	if err != nil {
		l.err = fmt.Errorf("the lag of %s: %w", own, err)
		return l
	}
	var points []metrics.Point
	for _, one := range found {
		points = append(points, one.points...)
	}
	slices.SortFunc(points, func(x, y metrics.Point) int { return y.At.Compare(x.At) })
	for _, p := range points {
		if p.At.Equal(points[0].At) {
			l.at, l.seconds = p.At, max(l.seconds, p.Value)
		}
	}
	return l
}

// said is the lag as the end of a sentence, and whether it deserves a second look.
func (l lag) said() (string, bool) {
	took := time.Duration(l.seconds * float64(time.Second))
	switch {
	case l.err != nil:
		return "how far it is behind is unknown: " + l.err.Error(), true
	case l.at.IsZero():
		return fmt.Sprintf("how far it is behind is unknown: no datapoint for %s", text.Age(history)), true
	case l.now.Sub(l.at) > fresh:
		return fmt.Sprintf("how far it is behind is unknown: %s at %s, %s ago, nothing newer", text.Tenths(took), text.ToSecond.UTC(l.at), text.Age(l.now.Sub(l.at))), true
	case took > behind:
		return fmt.Sprintf("it is %s behind, and writes of that time may be lost", text.Tenths(took)), true
	}
	return text.Tenths(took) + " behind", false
}

// tell puts the lag where it is measured.
func (l lag) tell(o *engine.Outcome) {
	if l.at.IsZero() {
		return
	}
	limit := behind.Seconds()
	o.Evidence["lag"], o.Evidence["lag_at"] = fmt.Sprintf("%.1f s", l.seconds), text.ToSecond.UTC(l.at)
	if l.now.Sub(l.at) <= fresh {
		o.Measured.Figures = append(o.Measured.Figures, incident.Figure{Name: "lag of the cache", Value: l.seconds, Unit: "s", Limit: &limit})
	}
}
