package aurora

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// promoting is the state of a cluster that leaves its global database.
const promoting = "promoting"

// DetachInput says of an action how the run moves the database.
type DetachInput struct {
	// Detach: the target's cluster leaves the global database, and writes alone.
	Detach bool `yaml:"detach,omitempty" json:"detach,omitempty"`
}

// Detach has the target's cluster leave the global database, after which it writes alone:
// the way where versions of the engine keep Aurora from a failover. It loses what was not
// received, and nothing comes back by itself: the old writer is told nothing, blocked by
// nobody, and does not follow again.
//
// https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-detaching.html
type Detach struct{ *Aurora }

// alone says whether the target's cluster is a member of no global database and could
// write: what a detach leads to.
func (a *Aurora) alone(ctx context.Context, g *global, region string) (*cluster, bool, error) {
	cl, err := a.cluster(ctx, region, g.target.DBCluster)
	if err != nil {
		return nil, false, err
	}
	return cl, g.member == nil, nil
}

// Look reports whether the target's cluster stands alone, however that came about, or is on
// its way there because this run asked for it.
func (d Detach) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	g, err := d.global(ctx, p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	cl, alone, err := d.alone(ctx, g, p.Target.Name)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: g.evidence(), Before: g.writer}
	o.Evidence["cluster"], o.Evidence["cluster_status"] = g.target.DBCluster, cl.status
	switch {
	case alone:
		o.Summary = fmt.Sprintf("%s in %s stands alone", g.target.DBCluster, p.Target.Name)
		return o, true, nil
	case g.moving != nil:
		return o, false, person("somebody else started this: find out who, and wait until it is over",
			"a promotion of %s is under way (%s); %s cannot leave %s now", name(aws.ToString(g.moving.ToDbClusterArn)), g.moving.Status, g.target.DBCluster, g.id)
	case g.writes():
		return o, false, person("stop this run and start one without detach",
			"%s writes for %s already: to detach it would only take its standby away", g.target.DBCluster, g.id)
	case cl.status == promoting && c.Asked.IsZero():
		o.Summary = fmt.Sprintf("%s is leaving %s, and this run did not ask for it", g.target.DBCluster, g.id)
		o.Busy = true
		return o, false, nil
	case cl.status == promoting:
		o.Summary = fmt.Sprintf("%s is leaving %s (%s)", g.target.DBCluster, g.id, cl.status)
		return o, true, nil
	}
	o.Summary = fmt.Sprintf("%s is a member of %s, for which %s writes", g.target.DBCluster, g.id, orNobody(name(g.writer)))
	return o, false, nil
}

// Do asks for it once; Writable waits until it has come about.
func (d Detach) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	p := c.Plan
	db, err := part(p)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: map[string]string{"global_cluster": db.GlobalCluster, "target_cluster_arn": db.target.DBClusterARN}}
	_, err = d.rds(p.Target.Name).RemoveFromGlobalCluster(ctx, &rds.RemoveFromGlobalClusterInput{
		GlobalClusterIdentifier: aws.String(db.GlobalCluster), DbClusterIdentifier: aws.String(db.target.DBClusterARN),
	}, once)
	if err != nil {
		return o, fmt.Errorf("detach %s from %s: %w", db.target.DBCluster, db.GlobalCluster, awserr.Sort(ctx, err))
	}
	o.Summary = fmt.Sprintf("asked for %s to leave %s", db.target.DBCluster, db.GlobalCluster)
	return o, nil
}

// Effect says what would happen now. Its Bound is the target and the policy's band of the
// last lag there is.
func (d Detach) Effect(ctx context.Context, c engine.Call) (incident.Effect, error) {
	p := c.Plan
	db, err := part(p)
	if err != nil {
		return incident.Effect{}, err
	}
	l, err := d.lag(ctx, p, longest)
	if err != nil { // people are asked all the same: it is unknown, a band of its own
		l.points, l.note = nil, unreadable(err)
	}
	return incident.Effect{
		Step:  c.Step.ID,
		What:  fmt.Sprintf("RemoveFromGlobalCluster: %s (%s) leaves %s and writes alone; services are given its own endpoint", db.target.DBCluster, db.target.DBClusterARN, db.GlobalCluster),
		Lost:  fmt.Sprintf("%s. %s stays behind as an orphan that nobody blocks: whatever still reaches it is written there, and is not in %s", l.loss(c), db.source.DBCluster, p.Target.Name),
		Undo:  fmt.Sprintf("none: %s does not rejoin; a standby has to be made anew, and until then there is none", db.source.DBCluster),
		Bound: fmt.Sprintf("detach %s, lag %s", db.target.DBClusterARN, l.band(p.Topology.Policy.LagBandsMS, true)),
	}, nil
}

// standsAlone waits until a cluster that was detached writes.
func (a *Aurora) standsAlone(ctx context.Context, c engine.Call, g *global) (engine.Outcome, bool, error) {
	region := c.Plan.Target.Name
	cl, alone, err := a.alone(ctx, g, region)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: g.evidence()}
	o.Evidence["cluster"], o.Evidence["cluster_status"], o.Evidence["writer_instance"] = g.target.DBCluster, cl.status, cl.writer
	put(o.Evidence, "endpoint", cl.endpoint)
	switch {
	case !alone && cl.status == promoting:
		o.Summary = fmt.Sprintf("%s is leaving %s", g.target.DBCluster, g.id)
	case !alone:
		o.Summary = fmt.Sprintf("%s is still a member of %s (%s), and is not leaving it", g.target.DBCluster, g.id, cl.status)
		o.Gone = !c.Asked.IsZero() && c.Clock.Now().Sub(c.Asked) >= visible
	case cl.status != available || cl.writer == "":
		o.Summary = fmt.Sprintf("%s stands alone; its status is %s and its writing instance %s", g.target.DBCluster, cl.status, orNobody(cl.writer))
	default:
		o.Summary = fmt.Sprintf("%s writes in %s (instance %s), and has no standby", g.target.DBCluster, region, cl.writer)
		return o, true, nil
	}
	return o, false, nil
}

// Own is the writer endpoint of the target's own cluster: what its services have to connect
// to once it stands alone.
func (a *Aurora) Own(ctx context.Context, p *runbook.Plan) (string, error) {
	db, err := part(p)
	if err != nil {
		return "", err
	}
	cl, err := a.cluster(ctx, p.Target.Name, db.target.DBCluster)
	switch {
	case err != nil:
		return "", err
	case cl.endpoint == "":
		return "", &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("AWS tells no endpoint of %s in %s", db.target.DBCluster, p.Target.Name), Hint: "aws rds describe-db-clusters says what it has"}
	}
	return cl.endpoint, nil
}

// orphan says of a cluster that others stand in for whether it can still be written.
func (a *Aurora) orphan(ctx context.Context, c engine.Call, db database) (o engine.Outcome, ok bool) {
	source := c.Plan.Source.Name
	ctx, stop := a.clock.WithTimeout(ctx, sourceTime, fmt.Errorf("%s did not answer within %s", source, sourceTime))
	defer stop()
	o.Measured = incident.Measured{Verdict: incident.Fail, AsOf: a.clock.Now()}
	cl, err := a.cluster(ctx, source, db.source.DBCluster)
	switch {
	case err == nil && cl.status == "stopped", err != nil && notThere(err):
		o.Measured.Verdict = incident.Pass
		o.Summary = fmt.Sprintf("%s in %s takes no more writes", db.source.DBCluster, source)
	default:
		o.Summary = fmt.Sprintf("%s in %s was left behind and blocked by nobody: what is written there is not in %s", db.source.DBCluster, source, c.Plan.Target.Name)
	}
	o.State = o.Summary
	return o, o.Measured.Verdict == incident.Pass
}

// notThere says that the API knows of no such cluster.
func notThere(err error) bool {
	_, ok := errors.AsType[*types.DBClusterNotFoundFault](err)
	return ok
}
