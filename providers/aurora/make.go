package aurora

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Release has the orphan leave the global database that it was left behind in: AWS stops no
// cluster that is a member of one. It loses nothing by it.
type Release struct{ Rebuild }

// old is the cluster that was left behind. It is a fault where the platform's writer follows
// or leads it, or where it is the writer.
func (r Rebuild) old(ctx context.Context, c engine.Call) (*rebuilding, types.DBCluster, error) {
	b, err := r.begun(ctx, c)
	if err != nil {
		return nil, types.DBCluster{}, err
	}
	if b.global != nil && memberOf(b.global, b.target.DBClusterARN) != nil {
		return b, types.DBCluster{}, person("stop this run: nothing was detached", "%s belongs to %s, as %s does, which serves", b.target.DBCluster, b.id(), b.source.DBCluster)
	}
	old, err := r.describe(ctx, c.Plan.Target.Name, b.target.DBCluster)
	return b, old, err
}

// belongs is the global database that the orphan is a member of; nil where it is of none.
func (r Rebuild) belongs(ctx context.Context, region, arn string) (*types.GlobalCluster, error) {
	in := &rds.DescribeGlobalClustersInput{}
	for {
		page, err := r.rds(region).DescribeGlobalClusters(ctx, in, r.reading)
		if err != nil {
			return nil, fmt.Errorf("describe the global databases in %s: %w", region, awserr.SortRead(ctx, err))
		}
		for _, g := range page.GlobalClusters {
			if memberOf(&g, arn) != nil {
				return &g, nil
			}
		}
		if in.Marker = page.Marker; aws.ToString(in.Marker) == "" {
			return nil, nil
		}
	}
}

// Look reports whether it belongs to none, or this run has asked for that.
func (r Release) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	b, old, err := r.old(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	g, err := r.belongs(ctx, c.Plan.Target.Name, b.target.DBClusterARN)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"cluster": b.target.DBCluster, "cluster_status": aws.ToString(old.Status)}}
	if g == nil {
		o.Summary = fmt.Sprintf("%s belongs to no global database", b.target.DBCluster)
		return o, true, nil
	}
	id := aws.ToString(g.GlobalClusterIdentifier)
	o.Evidence["global_cluster"], o.Before = id, "a member of "+id
	switch {
	case len(g.GlobalClusterMembers) > 1:
		return o, false, person("take the others out of it first, or rebuild by hand", "%s has other members than %s, so it cannot leave it", id, b.target.DBCluster)
	case onItsWay(g, old) && !c.Asked.IsZero():
		o.Summary = fmt.Sprintf("%s is leaving %s", b.target.DBCluster, id)
		return o, true, nil
	case onItsWay(g, old):
		o.Summary = fmt.Sprintf("%s (%s) is a member of %s, which is %s", b.target.DBCluster, orUnknown(aws.ToString(old.Status)), id, orUnknown(aws.ToString(g.Status)))
		o.Busy = true
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%s is the only member of %s", b.target.DBCluster, id)
	return o, false, nil
}

// onItsWay says that something is under way with a cluster or its global database, which
// ends before anything else is asked of them.
func onItsWay(g *types.GlobalCluster, old types.DBCluster) bool {
	status := aws.ToString(old.Status)
	return aws.ToString(g.Status) != available || status != available && status != stopped
}

// Do asks for it once; it is over when the orphan belongs to none.
func (r Release) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	b, old, err := r.old(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	region := c.Plan.Target.Name
	g, err := r.belongs(ctx, region, b.target.DBClusterARN)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: map[string]string{"cluster": b.target.DBCluster}}
	if g == nil {
		o.Summary = fmt.Sprintf("%s belonged to no global database already", b.target.DBCluster)
		return o, nil
	}
	o.Evidence["global_cluster"] = aws.ToString(g.GlobalClusterIdentifier)
	if onItsWay(g, old) {
		o.Summary = fmt.Sprintf("%s was leaving %s already", b.target.DBCluster, o.Evidence["global_cluster"])
		return o, nil
	}
	_, err = r.rds(region).RemoveFromGlobalCluster(ctx, &rds.RemoveFromGlobalClusterInput{
		GlobalClusterIdentifier: g.GlobalClusterIdentifier, DbClusterIdentifier: aws.String(b.target.DBClusterARN),
	}, once)
	if err != nil {
		return o, fmt.Errorf("take %s out of %s: %w", b.target.DBCluster, o.Evidence["global_cluster"], awserr.Sort(ctx, err))
	}
	o.Summary = fmt.Sprintf("asked for %s to leave %s", b.target.DBCluster, o.Evidence["global_cluster"])
	return o, nil
}

// Effect says what would happen now.
func (r Release) Effect(_ context.Context, c engine.Call) (incident.Effect, error) {
	db, err := part(c.Plan)
	if err != nil {
		return incident.Effect{}, err
	}
	return incident.Effect{
		Step: c.Step.ID, Undo: released, Bound: "release " + db.target.DBClusterARN,
		What: fmt.Sprintf("RemoveFromGlobalCluster: %s leaves the global database that it was left behind in, or it cannot be stopped", db.target.DBCluster),
	}, nil
}

// Released reports whether the orphan belongs to no global database any more.
func (r Release) Released(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	asked := c.Asked
	c.Asked = time.Time{} // on its way is not there
	o, ok, err := r.Look(ctx, c)
	o.Gone = !ok && !o.Busy && !asked.IsZero() && c.Clock.Now().Sub(asked) >= leaves
	o.Before, o.Busy = "", false
	return o, ok, err
}

// Stop stops the orphan, so that nobody writes it. It keeps its data.
//
// https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-cluster-stop-start.html
type Stop struct{ Rebuild }

// Look reports whether it is stopped, or on its way there.
func (s Stop) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	b, old, err := s.old(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	status := aws.ToString(old.Status)
	o := engine.Outcome{Summary: fmt.Sprintf("%s in %s is %s", b.target.DBCluster, c.Plan.Target.Name, orUnknown(status)), Before: status}
	o.Evidence = map[string]string{"cluster": b.target.DBCluster, "cluster_status": status}
	switch status {
	case stopped, stopping:
		o.Job = b.target.DBCluster
		return o, true, nil
	case available:
	default: // StopDBCluster is refused until that is over
		o.Busy = true
	}
	return o, false, nil
}

// Do asks for it once.
func (s Stop) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	b, old, err := s.old(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: map[string]string{"cluster": b.target.DBCluster}, Job: b.target.DBCluster}
	if status := aws.ToString(old.Status); status == stopped || status == stopping {
		o.Summary = fmt.Sprintf("%s was %s already", b.target.DBCluster, status)
		return o, nil
	}
	if _, err := s.rds(c.Plan.Target.Name).StopDBCluster(ctx, &rds.StopDBClusterInput{DBClusterIdentifier: aws.String(b.target.DBCluster)}, once); err != nil {
		o.Job = ""
		return o, fmt.Errorf("stop %s in %s: %w", b.target.DBCluster, c.Plan.Target.Name, awserr.Sort(ctx, err))
	}
	o.Summary = fmt.Sprintf("asked for %s in %s to be stopped", b.target.DBCluster, c.Plan.Target.Name)
	return o, nil
}

// Job follows it until it is stopped.
func (s Stop) Job(ctx context.Context, c engine.Call, handle string) (engine.Progress, error) {
	old, err := s.describe(ctx, c.Plan.Target.Name, handle)
	if err != nil {
		return engine.Progress{}, err
	}
	status := aws.ToString(old.Status)
	p := engine.Progress{Done: status == stopped, Share: -1}
	p.Evidence = map[string]string{"cluster": handle, "cluster_status": status}
	p.Summary = fmt.Sprintf("%s in %s is %s", handle, c.Plan.Target.Name, orUnknown(status))
	if p.Done {
		p.Summary += " and takes no more writes; it is kept"
		if at := old.AutomaticRestartTime; at != nil {
			p.Summary += ", and AWS starts it again on " + day(*at)
		}
	}
	if status == available {
		return p, person("somebody started it: find out who, and retry", "%s in %s is available again", handle, c.Plan.Target.Name)
	}
	return p, nil
}

// Effect says what would happen now.
func (s Stop) Effect(_ context.Context, c engine.Call) (incident.Effect, error) {
	db, err := part(c.Plan)
	if err != nil {
		return incident.Effect{}, err
	}
	return incident.Effect{
		Step: c.Step.ID, Undo: stays, Bound: "stop " + db.target.DBClusterARN,
		What: fmt.Sprintf("StopDBCluster: %s in %s takes no more writes", db.target.DBCluster, c.Plan.Target.Name),
		Lost: fmt.Sprintf("%s is kept with what %s never received, and AWS starts it again after seven days", db.target.DBCluster, c.Plan.Source.Name),
	}, nil
}

// Globalize makes a global database of the cluster that serves.
type Globalize struct{ Rebuild }

// Look reports whether the cluster that serves writes for one.
func (g Globalize) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	b, err := g.begun(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	if why := b.undetached(); why != "" {
		return engine.Outcome{}, false, person("stop this run", "no global database is made: %s", why)
	}
	o := engine.Outcome{Evidence: map[string]string{"cluster": b.source.DBCluster}, Before: "in no global database"}
	if b.global != nil {
		o.Evidence["global_cluster"] = b.id()
		o.Summary = fmt.Sprintf("%s writes for %s", b.source.DBCluster, b.id())
		return o, true, nil
	}
	global, _, err := b.names(c)
	if err != nil {
		return o, false, err
	}
	if slices.Contains(b.all, global) {
		return o, false, nameTaken(global, "a global database that "+b.source.DBCluster+" is no member of")
	}
	o.Summary = fmt.Sprintf("%s belongs to no global database", b.source.DBCluster)
	return o, false, nil
}

// nameTaken is a name that somebody else has since it was chosen.
func nameTaken(name, by string) error {
	return &incident.CallError{
		NeedsPerson: true, Definite: true, Err: fmt.Errorf("the name %s is taken by %s", name, by),
		Hint: "stop this run and begin another one, which chooses the next name",
	}
}

// Do asks for it once.
func (g Globalize) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	b, err := g.begun(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	global, _, err := b.names(c)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: map[string]string{"cluster": b.source.DBCluster, "global_cluster": global}}
	if b.global != nil {
		o.Evidence["global_cluster"], o.Summary = b.id(), fmt.Sprintf("%s wrote for %s already", b.source.DBCluster, b.id())
		return o, nil
	}
	_, err = g.rds(c.Plan.Source.Name).CreateGlobalCluster(ctx, &rds.CreateGlobalClusterInput{
		GlobalClusterIdentifier: aws.String(global), SourceDBClusterIdentifier: aws.String(b.source.DBClusterARN), Tags: marks(c),
	}, once)
	if err != nil {
		return o, fmt.Errorf("make the global database %s of %s: %w", global, b.source.DBCluster, awserr.Sort(ctx, err))
	}
	o.Summary = fmt.Sprintf("asked for the global database %s of %s", global, b.source.DBCluster)
	return o, nil
}

// Effect says what would happen now.
func (g Globalize) Effect(_ context.Context, c engine.Call) (incident.Effect, error) {
	db, global, _, err := wanted(c)
	if err != nil {
		return incident.Effect{}, err
	}
	return incident.Effect{
		Step: c.Step.ID, Undo: madeUndo, Bound: fmt.Sprintf("global database %s of %s", global, db.source.DBClusterARN),
		What: fmt.Sprintf("CreateGlobalCluster %s of %s, which goes on writing meanwhile", global, db.source.DBCluster),
	}, nil
}

// wanted is what the run has chosen to make.
func wanted(c engine.Call) (db database, global, cluster string, err error) {
	var b rebuilding
	if err = c.With(&b.in); err != nil {
		return db, "", "", err
	}
	if db, err = part(c.Plan); err != nil {
		return db, "", "", err
	}
	global, cluster, err = b.names(c)
	return db, global, cluster, err
}

// Ready waits until the new global database is available, and tells its endpoint.
func (g Globalize) Ready(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	b, err := g.begun(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	if b.global == nil {
		return engine.Outcome{
			Summary: fmt.Sprintf("%s belongs to no global database", b.source.DBCluster), Gone: !c.Asked.IsZero() && c.Clock.Now().Sub(c.Asked) >= visible,
		}, false, nil
	}
	o := engine.Outcome{Evidence: map[string]string{"global_cluster": b.id(), "status": aws.ToString(b.global.Status)}}
	put(o.Evidence, evidenceEndpoint, aws.ToString(b.global.Endpoint))
	if aws.ToString(b.global.Status) != available || o.Evidence[evidenceEndpoint] == "" {
		o.Summary = fmt.Sprintf("%s is %s", b.id(), orUnknown(aws.ToString(b.global.Status)))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%s is available at %s", b.id(), o.Evidence[evidenceEndpoint])
	return o, true, nil
}

// Follow makes the cluster that follows, as the orphan is set up.
type Follow struct{ Rebuild }

// made is the new cluster, nil where there is none yet, and its name or the one it is to have.
func (f Follow) made(ctx context.Context, c engine.Call, b *rebuilding) (*types.DBCluster, string, error) {
	region := c.Plan.Target.Name
	if b.global == nil || b.undetached() != "" {
		return nil, "", person("retry the step that makes the global database first", "%s writes for no new global database", b.source.DBCluster)
	}
	_, id, err := b.names(c)
	if err != nil {
		return nil, "", err
	}
	member := b.follower(region)
	if member != nil {
		id = name(aws.ToString(member.DBClusterArn))
	}
	cl, err := f.describe(ctx, region, id)
	switch {
	case err != nil && notThere(err):
		return nil, id, nil
	case err != nil:
		return nil, id, err
	case member == nil && aws.ToString(cl.GlobalClusterIdentifier) != b.id():
		return nil, id, nameTaken(id, fmt.Sprintf("a cluster in %s that does not belong to %s", region, b.id()))
	}
	return &cl, id, nil
}

// Look reports whether a cluster in the target belongs to the new global database.
func (f Follow) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	b, err := f.begun(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	cl, id, err := f.made(ctx, c, b)
	o := engine.Outcome{Evidence: map[string]string{"global_cluster": b.id()}, Before: "not there"}
	switch {
	case err != nil:
		return o, false, err
	case cl == nil:
		o.Summary = fmt.Sprintf("%s has no cluster in %s", b.id(), c.Plan.Target.Name)
		return o, false, nil
	}
	o.Job, o.Evidence["cluster"], o.Evidence["cluster_status"] = id, id, aws.ToString(cl.Status)
	o.Summary = fmt.Sprintf("%s in %s belongs to %s and is %s", id, c.Plan.Target.Name, b.id(), orUnknown(aws.ToString(cl.Status)))
	return o, true, nil
}

// Do asks for it once.
func (f Follow) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	b, old, err := f.old(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	cl, id, err := f.made(ctx, c, b)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: map[string]string{"cluster": id, "global_cluster": b.id()}, Job: id}
	if cl != nil {
		o.Summary = fmt.Sprintf("%s was there already", id)
		return o, nil
	}
	taken(o.Evidence, old)
	if _, err = f.rds(c.Plan.Target.Name).CreateDBCluster(ctx, like(old, b, id, marks(c)), once); err != nil {
		o.Job = ""
		return o, fmt.Errorf("make %s in %s: %w", id, c.Plan.Target.Name, awserr.Sort(ctx, err))
	}
	o.Summary = fmt.Sprintf("asked for %s in %s, which follows %s", id, c.Plan.Target.Name, b.source.DBCluster)
	return o, nil
}

// like is a cluster that follows, with what the old one has. Its user and password come with
// the data.
func like(old types.DBCluster, b *rebuilding, id string, tags []types.Tag) *rds.CreateDBClusterInput {
	in := &rds.CreateDBClusterInput{
		DBClusterIdentifier: aws.String(id), GlobalClusterIdentifier: aws.String(b.id()),
		Engine: b.serves.Engine, EngineVersion: b.serves.EngineVersion,
		DBSubnetGroupName: old.DBSubnetGroup, DBClusterParameterGroupName: old.DBClusterParameterGroup,
		VpcSecurityGroupIds: securityGroups(old), Port: old.Port, NetworkType: old.NetworkType,
		BackupRetentionPeriod: old.BackupRetentionPeriod, PreferredBackupWindow: old.PreferredBackupWindow, PreferredMaintenanceWindow: old.PreferredMaintenanceWindow,
		EnableIAMDatabaseAuthentication: old.IAMDatabaseAuthenticationEnabled, EnableCloudwatchLogsExports: old.EnabledCloudwatchLogsExports,
		DeletionProtection: old.DeletionProtection, CopyTagsToSnapshot: old.CopyTagsToSnapshot, StorageType: old.StorageType, Tags: tags,
	}
	// Whether it is encrypted is that of what it follows; the key is its Region's own.
	if aws.ToBool(b.serves.StorageEncrypted) {
		in.StorageEncrypted, in.KmsKeyId = aws.Bool(true), old.KmsKeyId
	}
	if s := old.ServerlessV2ScalingConfiguration; s != nil {
		in.ServerlessV2ScalingConfiguration = &types.ServerlessV2ScalingConfiguration{MinCapacity: s.MinCapacity, MaxCapacity: s.MaxCapacity, SecondsUntilAutoPause: s.SecondsUntilAutoPause}
	}
	return in
}

// Job follows it until it is available.
func (f Follow) Job(ctx context.Context, c engine.Call, handle string) (engine.Progress, error) {
	cl, err := f.describe(ctx, c.Plan.Target.Name, handle)
	if err != nil {
		return engine.Progress{}, err
	}
	return making("cluster", handle, c.Plan.Target.Name, aws.ToString(cl.Status))
}

// making is how far something is that RDS makes.
func making(what, id, region, status string) (engine.Progress, error) {
	p := engine.Progress{Done: status == available, Share: -1}
	p.Evidence = map[string]string{what: id, what + "_status": status}
	p.Summary = fmt.Sprintf("%s in %s is %s", id, region, orUnknown(status))
	if status == "failed" || status == "inaccessible-encryption-credentials" || strings.HasPrefix(status, "incompatible-") {
		return p, person("look at its events in the console of RDS; delete it by hand, and retry", "%s in %s is %s", id, region, status)
	}
	return p, nil
}

// Effect says what would happen now.
func (f Follow) Effect(ctx context.Context, c engine.Call) (incident.Effect, error) {
	db, global, id, err := wanted(c)
	if err != nil {
		return incident.Effect{}, err
	}
	region := c.Plan.Target.Name
	e := incident.Effect{
		Step: c.Step.ID, Undo: madeUndo, Bound: fmt.Sprintf("cluster %s of %s in %s", id, global, region),
		What: fmt.Sprintf("CreateDBCluster %s in %s, which follows %s and is set up as %s", id, region, db.source.DBCluster, db.target.DBCluster),
	}
	old, err := f.describe(ctx, region, db.target.DBCluster)
	if err != nil { // people are asked all the same
		e.What += "; how that is could not be read"
		return e, nil
	}
	has := map[string]string{}
	taken(has, old)
	var told []string
	for _, key := range []string{"subnet_group", "cluster_parameter_group", "kms_key", "security_groups", "port", "backup_retention"} {
		if v := has[key]; v != "" {
			told = append(told, strings.ReplaceAll(key, "_", " ")+" "+v)
		}
	}
	e.What += " (" + cmp.Or(strings.Join(told, ", "), "AWS tells nothing of that") + ")"
	return e, nil
}

// Populate makes an instance of the new cluster, as one of the orphan's is: without any it
// could not be promoted.
type Populate struct{ Rebuild }

// instance is what the step is about: the orphan's, the new one's name, and the new one where
// it is there.
func (i Populate) instance(ctx context.Context, c engine.Call) (b *rebuilding, was types.DBInstance, id string, is *types.DBInstance, err error) {
	if b, err = i.begun(ctx, c); err != nil {
		return b, was, "", nil, err
	}
	region := c.Plan.Target.Name
	cl, cluster, err := Follow(i).made(ctx, c, b)
	switch {
	case err != nil:
		return b, was, "", nil, err
	case cl == nil:
		return b, was, "", nil, person("retry the step that makes it first", "%s is not in %s", cluster, region)
	}
	all, err := i.instances(ctx, region, b.target.DBCluster)
	if err != nil {
		return b, was, "", nil, err
	}
	o, _ := c.Result(b.in.Orphan)
	n := slices.Index(o.Items, c.Step.Item)
	at := slices.IndexFunc(all, func(d types.DBInstance) bool { return aws.ToString(d.DBInstanceIdentifier) == c.Step.Item })
	if n < 0 || at < 0 {
		return b, was, "", nil, person("begin another run: what is left behind has changed", "%s is no instance of %s in %s any more", c.Step.Item, b.target.DBCluster, region)
	}
	id = instanceOf(cluster, n)
	every, err := i.instances(ctx, region, "")
	if err != nil {
		return b, was, "", nil, err
	}
	for _, d := range every {
		if aws.ToString(d.DBInstanceIdentifier) != id {
			continue
		}
		if of := aws.ToString(d.DBClusterIdentifier); of != cluster {
			return b, was, "", nil, nameTaken(id, "an instance of "+cmp.Or(of, "no cluster"))
		}
		is = &d
	}
	return b, all[at], id, is, nil
}

// Look reports whether it is there, or is being made.
func (i Populate) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	_, was, id, is, err := i.instance(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"instance": id, "like": c.Step.Item, "class": aws.ToString(was.DBInstanceClass)}, Before: "not there"}
	if is == nil {
		o.Summary = fmt.Sprintf("%s is not in %s", id, c.Plan.Target.Name)
		return o, false, nil
	}
	o.Job = id
	o.Summary = fmt.Sprintf("%s in %s is %s", id, c.Plan.Target.Name, orUnknown(aws.ToString(is.DBInstanceStatus)))
	return o, true, nil
}

// Do asks for it once.
func (i Populate) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	b, was, id, is, err := i.instance(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: map[string]string{"instance": id, "like": c.Step.Item, "class": aws.ToString(was.DBInstanceClass)}, Job: id}
	if is != nil {
		o.Summary = fmt.Sprintf("%s was there already", id)
		return o, nil
	}
	in := &rds.CreateDBInstanceInput{
		DBInstanceIdentifier: aws.String(id), DBClusterIdentifier: aws.String(name(aws.ToString(b.follower(c.Plan.Target.Name).DBClusterArn))),
		Engine: b.serves.Engine, DBInstanceClass: was.DBInstanceClass, AvailabilityZone: was.AvailabilityZone, PromotionTier: was.PromotionTier,
		AutoMinorVersionUpgrade: was.AutoMinorVersionUpgrade, PubliclyAccessible: was.PubliclyAccessible, CACertificateIdentifier: was.CACertificateIdentifier, Tags: marks(c),
	}
	if len(was.DBParameterGroups) > 0 {
		in.DBParameterGroupName = was.DBParameterGroups[0].DBParameterGroupName
	}
	if _, err := i.rds(c.Plan.Target.Name).CreateDBInstance(ctx, in, once); err != nil {
		o.Job = ""
		return o, fmt.Errorf("make %s in %s: %w", id, c.Plan.Target.Name, awserr.Sort(ctx, err))
	}
	o.Summary = fmt.Sprintf("asked for %s (%s) in %s", id, aws.ToString(was.DBInstanceClass), c.Plan.Target.Name)
	return o, nil
}

// Job follows it until it is available.
func (i Populate) Job(ctx context.Context, c engine.Call, handle string) (engine.Progress, error) {
	region := c.Plan.Target.Name
	out, err := i.rds(region).DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String(handle)}, i.reading)
	switch {
	case err != nil:
		return engine.Progress{}, fmt.Errorf("describe %s in %s: %w", handle, region, awserr.SortRead(ctx, err))
	case len(out.DBInstances) != 1:
		return engine.Progress{}, person("retry", "%s is not in %s any more", handle, region)
	}
	return making("instance", handle, region, aws.ToString(out.DBInstances[0].DBInstanceStatus))
}

// Effect says what would happen now.
func (i Populate) Effect(_ context.Context, c engine.Call) (incident.Effect, error) {
	db, _, cluster, err := wanted(c)
	if err != nil {
		return incident.Effect{}, err
	}
	return incident.Effect{
		Step: c.Step.ID, Undo: madeUndo, Bound: fmt.Sprintf("instance of %s like %s", cluster, c.Step.Item),
		What: fmt.Sprintf("CreateDBInstance in %s as %s of %s is: its class, zone, tier and parameter group", cluster, c.Step.Item, db.target.DBCluster),
	}, nil
}

// Follows waits until the new cluster is in sync, with all of its instances.
func (r Rebuild) Follows(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	b, err := r.begun(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	cl, id, err := Follow{r}.made(ctx, c, b)
	switch {
	case err != nil:
		return engine.Outcome{}, false, err
	case cl == nil || b.follower(c.Plan.Target.Name) == nil:
		return engine.Outcome{Summary: fmt.Sprintf("%s is not in %s", id, c.Plan.Target.Name)}, false, nil
	}
	region := c.Plan.Target.Name
	all, err := r.instances(ctx, region, id)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	sync := string(b.follower(region).SynchronizationStatus)
	o := engine.Outcome{Evidence: map[string]string{"global_cluster": b.id(), "cluster": id, "cluster_status": aws.ToString(cl.Status), "synchronization": cmp.Or(sync, "not told")}}
	ready := 0
	for _, i := range all {
		o.Evidence[aws.ToString(i.DBInstanceIdentifier)] = aws.ToString(i.DBInstanceStatus)
		if aws.ToString(i.DBInstanceStatus) == available {
			ready++
		}
	}
	was, _ := c.Result(b.in.Orphan)
	least := max(len(was.Items), 1)
	switch {
	case aws.ToString(cl.Status) != available || sync != "" && sync != string(types.GlobalClusterMemberSynchronizationStatusConnected):
		o.Summary = fmt.Sprintf("%s in %s is %s, synchronization %s", id, region, orUnknown(aws.ToString(cl.Status)), cmp.Or(sync, "not told"))
	case ready < least:
		o.Summary = fmt.Sprintf("%d of %s of %s are available", ready, text.Count(least, "instance"), id)
	default:
		o.Summary = fmt.Sprintf("%s in %s follows %s, with %s (synchronization %s)", id, region, b.source.DBCluster, text.Count(ready, "instance"), cmp.Or(sync, "not told"))
		return o, true, nil
	}
	return o, false, nil
}
