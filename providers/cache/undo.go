package cache

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
)

// recorded is what Look records before a promotion.
type recorded struct {
	// Primary is the side that led before.
	Primary side `json:"primary"`
}

// A promotion is taken back by the same call for the other side. That one follows as
// a secondary after a promotion; as long as its Region was lost it does not, and then
// ElastiCache refuses the call. A datastore that is being changed does not say in
// which direction, so what was asked for is a job that is over when it has settled.

// back reads how the datastore stands to what was recorded, as the target's Region
// tells it: that one leads now. It is a fault if a third side does.
func (c *Cache) back(ctx context.Context, call engine.Call, was side) (*group, error) {
	id, own, err := target(call.Plan)
	if err != nil {
		return nil, err
	}
	g, err := c.described(ctx, call.Plan.Target.Name, id, was)
	if err != nil {
		return nil, err
	}
	if g.settled() && !g.leads() && g.primary != own {
		return g, call.Meanwhile(engine.Difference{What: "the primary of " + id, Now: g.primary.String(), Set: own.String(), Was: was.String()})
	}
	return g, nil
}

// LookBack reports whether the side that led before leads again. While the datastore
// is being changed the answer is a job.
func (c *Cache) LookBack(ctx context.Context, call engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	was, err := engine.Recorded[recorded](prior)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	g, err := c.back(ctx, call, was.Primary)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: g.evidence()}
	switch {
	case !g.settled():
		o.Summary = fmt.Sprintf("%s is %s; who leads it then is seen when that is over", g.id, g.status)
		o.Job = handle(was.Primary)
		return o, true, nil
	case g.leads():
		o.Summary = fmt.Sprintf("cache %s is the primary, as before", g.own)
		return o, true, nil
	}
	o.Summary = fmt.Sprintf("cache %s is the primary; it was %s", g.primary, g.own)
	return o, false, nil
}

// Back asks once, in its own Region, for the side that led before to lead again. It
// asks for nothing where that side does not follow as a secondary.
func (c *Cache) Back(ctx context.Context, call engine.Call, prior json.RawMessage) (engine.Outcome, error) {
	was, err := engine.Recorded[recorded](prior)
	if err != nil {
		return engine.Outcome{}, err
	}
	g, err := c.back(ctx, call, was.Primary)
	if err != nil {
		return engine.Outcome{}, err
	}
	if g.settled() && g.leads() {
		return engine.Outcome{Evidence: g.evidence(), Summary: fmt.Sprintf("cache %s was the primary again already", g.own)}, nil
	}
	if wrong := g.cannotLead(); len(wrong) > 0 {
		return engine.Outcome{Evidence: g.evidence()}, &incident.CallError{
			NeedsPerson: true, Definite: true,
			Err:  fmt.Errorf("make cache %s the primary of %s again: %s", g.own, g.id, strings.Join(wrong, "; ")),
			Hint: "retry when that side follows again as an associated secondary; until then " + g.primary.String() + " stays the primary",
		}
	}
	o, err := c.promote(ctx, g.id, g.own)
	if err != nil {
		return o, err
	}
	o.Job = handle(was.Primary)
	return o, nil
}

// handle is what the job is called that makes a side the primary.
func handle(s side) string { return s.Region + "/" + s.Group }

// BackJob reports on the datastore while it is being changed back. It is over when the
// side that the handle names leads; a fault when it has settled otherwise.
func (c *Cache) BackJob(ctx context.Context, call engine.Call, job string) (engine.Progress, error) {
	region, name, ok := strings.Cut(job, "/")
	if !ok {
		return engine.Progress{}, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("%q names no side of a global datastore", job)}
	}
	g, err := c.back(ctx, call, side{region, name})
	if err != nil {
		return engine.Progress{}, err
	}
	p := engine.Progress{Share: -1, Outcome: engine.Outcome{Evidence: g.evidence()}}
	switch {
	case !g.settled():
		p.Summary = fmt.Sprintf("%s is %s; %s was the primary", g.id, g.status, g.own)
	case g.leads():
		p.Done, p.Share = true, 1
		p.Summary = fmt.Sprintf("cache %s is the primary again", g.own)
	default:
		return p, &incident.CallError{
			NeedsPerson: true, Definite: true, Err: fmt.Errorf("%s has settled and %s is its primary, not %s", g.id, g.primary, g.own),
			Hint: "retry: it is asked for once more",
		}
	}
	return p, nil
}

// cannotLead are the reasons for which a side that follows cannot be made the primary.
func (g *group) cannotLead() []string {
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
	return wrong
}
