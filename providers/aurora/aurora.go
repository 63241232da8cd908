// Package aurora asks Aurora for the state of a global database and moves its
// writer.
//
// Everything is asked of the Region that takes over, the one exception being a
// switchover, which AWS wants in the Region that still writes. A promotion is
// never repeated blindly: what a second call does to a promoted cluster is not
// documented, so every call is preceded by a look, and its answer is never
// trusted alone. Aurora being unreachable shows as an error that says so; it is
// never taken for "not promoted".
//
// https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-disaster-recovery.html
package aurora

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Aurora reaches the databases of an account.
type Aurora struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
	clock  incident.Clock
}

// New returns Aurora reached through config, which gives the settings for calls
// to one Region.
func New(config func(region string) aws.Config, reads *awserr.Reads, clock incident.Clock) *Aurora {
	return &Aurora{config: config, reads: reads, clock: clock}
}

func (a *Aurora) rds(region string) *rds.Client { return rds.NewFromConfig(a.config(region)) }

func (a *Aurora) reading(o *rds.Options) { o.Retryer = a.reads.Call() }

func once(o *rds.Options) { o.Retryer = awserr.Once() }

// global is what the target Region says of the global database.
type global struct {
	database
	id      string
	status  string
	version string // of the engine
	// writer is the ARN of the cluster that writes; empty when none does.
	writer  string
	members []types.GlobalClusterMember
	// member is the target's place in it; nil when it is none.
	member *types.GlobalClusterMember
	// moving is the promotion under way, or nil.
	moving *types.FailoverState
}

func (a *Aurora) global(ctx context.Context, p *runbook.Plan) (*global, error) {
	db, err := part(p)
	if err != nil {
		return nil, err
	}
	id := db.GlobalCluster
	out, err := a.rds(p.Target.Name).DescribeGlobalClusters(ctx, &rds.DescribeGlobalClustersInput{
		GlobalClusterIdentifier: aws.String(id),
	}, a.reading)
	if err != nil {
		return nil, fmt.Errorf("describe %s in %s: %w", id, p.Target.Name, awserr.SortRead(ctx, err))
	}
	if len(out.GlobalClusters) != 1 {
		return nil, &incident.CallError{
			Err:         fmt.Errorf("describe %s in %s: %d global databases of that name", id, p.Target.Name, len(out.GlobalClusters)),
			NeedsPerson: true, Hint: "compare aurora.global_cluster in the settings with the account",
		}
	}
	c := out.GlobalClusters[0]
	g := &global{database: db, id: id, status: aws.ToString(c.Status), version: aws.ToString(c.EngineVersion), members: c.GlobalClusterMembers}
	for i, m := range c.GlobalClusterMembers {
		if aws.ToBool(m.IsWriter) {
			g.writer = aws.ToString(m.DBClusterArn)
		}
		if aws.ToString(m.DBClusterArn) == db.target.DBClusterARN {
			g.member = &c.GlobalClusterMembers[i]
		}
	}
	if c.FailoverState != nil && c.FailoverState.Status != "" {
		g.moving = c.FailoverState
	}
	return g, nil
}

// writes says whether the target writes.
func (g *global) writes() bool { return g.member != nil && aws.ToBool(g.member.IsWriter) }

func (g *global) evidence() map[string]string {
	e := map[string]string{"global_cluster": g.id}
	put(e, "status", g.status)
	put(e, "writer", g.writer)
	if g.member != nil {
		put(e, "synchronization", string(g.member.SynchronizationStatus))
	}
	if m := g.moving; m != nil {
		put(e, "promotion", string(m.Status))
		put(e, "promotion_to", aws.ToString(m.ToDbClusterArn))
		e["promotion_data_loss_allowed"] = fmt.Sprint(aws.ToBool(m.IsDataLossAllowed))
	}
	return e
}

// Standby checks that the target's cluster can be promoted: available, with an instance
// that is, connected, of a version that can be, and nothing under way. AWS does not always
// tell whether it is connected; that is unknown, never a yes. In a planned run what would
// write has to be as large as what writes; where the two cannot be compared it deserves a
// second look. An unplanned failover asks neither for the connection nor for the primary:
// they are gone. A detach is for versions that cannot be promoted, and for no other.
func (a *Aurora) Standby(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in DetachInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	p := c.Plan
	g, err := a.global(ctx, p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	var cluster, primary made
	var unread error
	reads := []func(){func() { cluster, err = a.made(ctx, p.Target.Name, g.target.DBCluster) }}
	if p.Mode != "unplanned" {
		reads = append(reads, func() {
			ctx, stop := a.clock.WithTimeout(ctx, sourceTime, fmt.Errorf("%s did not answer within %s", p.Source.Name, sourceTime))
			defer stop()
			primary, unread = a.made(ctx, p.Source.Name, g.source.DBCluster)
		})
	}
	incident.Together(a.clock, len(reads), func(i int) { reads[i]() })
	if err != nil {
		return engine.Outcome{}, false, err
	}
	e := g.evidence()
	e["cluster"], e["cluster_status"] = g.target.DBCluster, cluster.status
	e["instances"] = fmt.Sprint(len(cluster.instances))
	put(e, "version", cluster.version)
	put(e, "global_version", g.version)
	for _, i := range cluster.all {
		e[i.id] = i.class + ", " + i.status
	}
	for _, i := range primary.all {
		e[i.id] = i.class + ", " + i.status
	}

	var wrong, warn []string
	switch {
	case g.member == nil:
		wrong = append(wrong, fmt.Sprintf("it is no member of %s", g.id))
	case !slices.ContainsFunc(g.members, func(m types.GlobalClusterMember) bool { return aws.ToString(m.DBClusterArn) == g.source.DBClusterARN }):
		wrong = append(wrong, fmt.Sprintf("%s in %s is no member of %s any more, so %s follows nobody: a standby has to be made anew first", g.source.DBCluster, p.Source.Name, g.id, g.target.DBCluster))
	case g.writes():
		wrong = append(wrong, "it is no standby: it writes already")
	case p.Mode != "unplanned" && g.member.SynchronizationStatus != "" && g.member.SynchronizationStatus != types.GlobalClusterMemberSynchronizationStatusConnected:
		wrong = append(wrong, fmt.Sprintf("it is %q, not connected", g.member.SynchronizationStatus))
	}
	switch {
	case g.moving != nil:
		wrong = append(wrong, fmt.Sprintf("a promotion of %s is under way (%s)", name(aws.ToString(g.moving.ToDbClusterArn)), g.moving.Status))
	case g.status != available:
		wrong = append(wrong, fmt.Sprintf("%s is %s", g.id, orUnknown(g.status)))
	}
	if cluster.status != "available" {
		wrong = append(wrong, "its status is "+cluster.status)
	}
	if len(cluster.instances) == 0 {
		wrong = append(wrong, "it has no instance, so it cannot be promoted: add one first")
	}
	if len(cluster.instances) > 0 && len(cluster.available()) == 0 {
		wrong = append(wrong, "none of its instances is available")
	}
	if g.version != "" && cluster.version != "" {
		bad, patch := apart(cluster.version, g.version)
		switch {
		case in.Detach && (bad || patch):
			warn = append(warn, fmt.Sprintf("it has version %s and %s has %s, so it is detached", cluster.version, g.id, g.version))
		case in.Detach:
			wrong = append(wrong, fmt.Sprintf("it has the version of %s, %s, so it can be promoted without losing its standby: start without detach", g.id, g.version))
		case bad && p.Mode == "unplanned":
			wrong = append(wrong, fmt.Sprintf("it has version %s and %s has %s, and only the same can be promoted; a run of /failover start %s unplanned detach takes it out of %s instead", cluster.version, g.id, g.version, p.Target.Name, g.id))
		case bad:
			wrong = append(wrong, fmt.Sprintf("it has version %s and %s has %s, and only the same can be promoted", cluster.version, g.id, g.version))
		case patch:
			warn = append(warn, fmt.Sprintf("it has version %s and %s has %s: whether it can be promoted depends on the version", cluster.version, g.id, g.version))
		}
	}
	if p.Mode != "unplanned" && unread == nil && len(cluster.available()) > 0 {
		small, unlike := smaller(cluster, primary)
		if small != "" {
			wrong = append(wrong, "what would write "+small)
		}
		if unlike != "" {
			warn = append(warn, "what would write "+unlike)
		}
	}
	measured := incident.Measured{Verdict: incident.Pass, AsOf: a.clock.Now()}
	if len(wrong) > 0 {
		measured.Verdict = incident.Fail
		return engine.Outcome{Summary: fmt.Sprintf("%s in %s cannot take over: %s", g.target.DBCluster, p.Target.Name, strings.Join(wrong, "; ")), Evidence: e, Measured: measured}, false, nil
	}
	if unread != nil {
		measured.Verdict = incident.Unsure
		return engine.Outcome{Evidence: e, Measured: measured}, false, fmt.Errorf("whether %s in %s is as large as the primary is unknown: %w", g.target.DBCluster, p.Target.Name, unread)
	}
	sync := string(g.member.SynchronizationStatus)
	if sync == "" && p.Mode != "unplanned" {
		return engine.Outcome{Evidence: e}, false, &incident.CallError{
			Err:         fmt.Errorf("AWS does not tell whether %s in %s is connected to %s", g.target.DBCluster, p.Target.Name, orNobody(name(g.writer))),
			NeedsPerson: true,
			Hint:        fmt.Sprintf("SynchronizationStatus is missing for %s: aws rds describe-global-clusters --region %s --global-cluster-identifier %s", g.target.DBCluster, p.Target.Name, g.id),
		}
	}
	if sync == "" {
		sync = "not told"
	}
	o := engine.Outcome{
		Summary: fmt.Sprintf("%s is available in %s with %s (synchronization %s), nothing under way",
			g.target.DBCluster, p.Target.Name, text.Count(len(cluster.instances), "instance"), sync),
		Evidence: e, Measured: measured,
	}
	if len(warn) > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary += "; " + strings.Join(warn, "; ")
	}
	return o, true, nil
}

// Writable waits until the promotion is over: nothing under way, the target
// writes, its cluster is available and has a writing instance. One that is detached has to
// stand alone.
func (a *Aurora) Writable(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in DetachInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	p := c.Plan
	g, err := a.global(ctx, p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	if in.Detach {
		return a.standsAlone(ctx, c, g)
	}
	e := g.evidence()
	switch {
	case g.moving != nil && aws.ToString(g.moving.ToDbClusterArn) != g.target.DBClusterARN:
		return engine.Outcome{Evidence: e}, false, &incident.CallError{
			NeedsPerson: true,
			Err:         fmt.Errorf("%s is being moved to %s, not to %s", g.id, name(aws.ToString(g.moving.ToDbClusterArn)), g.target.DBCluster),
			Hint:        "somebody else started a promotion: find out who, before anything else",
		}
	case g.moving != nil && g.moving.Status == cancelling:
		return engine.Outcome{Summary: fmt.Sprintf("Aurora is taking the promotion of %s back (%s); %s writes", g.target.DBCluster, g.moving.Status, orNobody(name(g.writer))), Evidence: e, Gone: true}, false, nil
	case g.moving != nil:
		return engine.Outcome{Summary: fmt.Sprintf("%s: promotion is %s", g.target.DBCluster, g.moving.Status), Evidence: e}, false, nil
	case !g.writes():
		return engine.Outcome{
			Summary:  fmt.Sprintf("%s does not write and no promotion is under way; %s writes", g.target.DBCluster, orNobody(name(g.writer))),
			Evidence: e, Gone: !c.Asked.IsZero() && c.Clock.Now().Sub(c.Asked) >= visible,
		}, false, nil
	}
	cluster, err := a.cluster(ctx, p.Target.Name, g.target.DBCluster)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	e["cluster"], e["cluster_status"], e["writer_instance"] = g.target.DBCluster, cluster.status, cluster.writer
	if cluster.status != "available" || cluster.writer == "" {
		return engine.Outcome{Summary: fmt.Sprintf("%s was promoted; its status is %s and its writing instance %s",
			g.target.DBCluster, cluster.status, orNobody(cluster.writer)), Evidence: e}, false, nil
	}
	return engine.Outcome{
		Summary:  fmt.Sprintf("%s writes in %s (instance %s)", g.target.DBCluster, p.Target.Name, cluster.writer),
		Evidence: e,
	}, true, nil
}

const (
	available = "available"
	// cancelling is said of a promotion that is taken back: the roles go back to what
	// they were, and from here it does not come about any more.
	// https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_FailoverState.html
	cancelling = "cancelling"
	// visible is how long after an accepted call its promotion may still be missing in
	// what the API tells: it is eventually consistent, and gives no figure.
	visible = 15 * time.Second
)

type cluster struct {
	status    string
	instances []string
	writer    string
	version   string // of the engine
	endpoint  string // of its writer
	// maxCapacity is how large a serverless instance may grow, in ACU.
	maxCapacity float64
}

func (a *Aurora) cluster(ctx context.Context, region, id string) (*cluster, error) {
	out, err := a.rds(region).DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{
		DBClusterIdentifier: aws.String(id),
	}, a.reading)
	if err != nil {
		return nil, fmt.Errorf("describe %s in %s: %w", id, region, awserr.SortRead(ctx, err))
	}
	if len(out.DBClusters) != 1 {
		return nil, &incident.CallError{
			Err:         fmt.Errorf("describe %s in %s: %d clusters of that name", id, region, len(out.DBClusters)),
			NeedsPerson: true, Hint: "compare db_cluster in the settings with the account",
		}
	}
	c := &cluster{status: aws.ToString(out.DBClusters[0].Status), version: aws.ToString(out.DBClusters[0].EngineVersion), endpoint: aws.ToString(out.DBClusters[0].Endpoint)}
	if s := out.DBClusters[0].ServerlessV2ScalingConfiguration; s != nil {
		c.maxCapacity = aws.ToFloat64(s.MaxCapacity)
	}
	for _, m := range out.DBClusters[0].DBClusterMembers {
		instance := aws.ToString(m.DBInstanceIdentifier)
		c.instances = append(c.instances, instance)
		if aws.ToBool(m.IsClusterWriter) {
			c.writer = instance
		}
	}
	return c, nil
}

func (a *Aurora) watch(region string) *cloudwatch.Client {
	return cloudwatch.NewFromConfig(a.config(region))
}

// name is the last part of a cluster's ARN.
func name(arn string) string { return arn[strings.LastIndex(arn, ":")+1:] }

func orNobody(s string) string {
	if s == "" {
		return "nobody"
	}
	return s
}

// orUnknown is a state as it was told.
func orUnknown(s string) string {
	if s == "" {
		return "in a state that AWS does not tell"
	}
	return s
}

func put(m map[string]string, key, value string) {
	if value != "" {
		m[key] = value
	}
}
