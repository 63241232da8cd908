package aurora

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
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

// Rebuild makes a standby anew after a detach: a global database around the cluster that
// serves, and in the other Region a cluster that follows it, set up as the one that was left
// behind there, the orphan. The orphan keeps its name and what it alone has: it is stopped,
// and never deleted. Of a run the target is the Region that gets the standby, and the source
// the one that serves.
//
// What was made is found again by where it belongs: the global database is the one that the
// cluster that serves is a member of, the cluster is that one's member in the target, and an
// instance has its name there. So it does not matter who made it, or whether an answer came.
//
// https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-attach.html
type Rebuild struct{ *Aurora }

const (
	stopped  = "stopped"
	stopping = "stopping"
	// tag marks what a run made, with its token.
	tag = "failoverbot"

	released = "nothing to take back: it writes for nobody, and the global database that it leaves stays, with no member"
	stays    = "nothing to take back: it stays stopped; aws rds start-db-cluster starts it, and AWS does by itself after seven days"
	madeUndo = "nothing to take back: no run deletes a database; whoever does not want what was made deletes it by hand"
)

// leaves is how long a cluster may take to leave a global database of which it is all that
// is left, and AWS still list it there; AWS gives no figure.
const leaves = 5 * time.Minute

// What a check of a rebuild leaves in its evidence, for the steps behind it.
const (
	evidenceGlobal   = "new_global_cluster"
	evidenceCluster  = "new_cluster"
	evidenceEndpoint = "endpoint"
)

// RebuildInput says of an action where the run found what it makes.
type RebuildInput struct {
	// Orphan is the step that found the instances of the cluster that was left behind.
	Orphan string `yaml:"orphan,omitempty" json:"orphan,omitempty"`
	// Names is the step that chose the names.
	Names string `yaml:"names,omitempty" json:"names,omitempty"`
}

// rebuilding is how far a rebuild has come, as AWS tells it.
type rebuilding struct {
	database
	in RebuildInput
	// serves is the cluster that writes for the platform.
	serves types.DBCluster
	// global is the global database that it is a member of; nil where it is of none.
	global *types.GlobalCluster
	// all are the names of those that there are.
	all []string
}

// begun reads what there is of a rebuild.
func (r Rebuild) begun(ctx context.Context, c engine.Call) (*rebuilding, error) {
	b := &rebuilding{}
	if err := c.With(&b.in); err != nil {
		return nil, err
	}
	var err error
	if b.database, err = part(c.Plan); err != nil {
		return nil, err
	}
	source := c.Plan.Source.Name
	if b.serves, err = r.describe(ctx, source, b.source.DBCluster); err != nil {
		return nil, err
	}
	in := &rds.DescribeGlobalClustersInput{}
	for {
		page, err := r.rds(source).DescribeGlobalClusters(ctx, in, r.reading)
		if err != nil {
			return nil, fmt.Errorf("describe the global databases in %s: %w", source, awserr.SortRead(ctx, err))
		}
		for _, g := range page.GlobalClusters {
			b.all = append(b.all, aws.ToString(g.GlobalClusterIdentifier))
			if memberOf(&g, b.source.DBClusterARN) != nil {
				b.global = &g
			}
		}
		if in.Marker = page.Marker; aws.ToString(in.Marker) == "" {
			return b, nil
		}
	}
}

// memberOf is a cluster's place in a global database; nil where it has none.
func memberOf(g *types.GlobalCluster, arn string) *types.GlobalClusterMember {
	i := slices.IndexFunc(g.GlobalClusterMembers, func(m types.GlobalClusterMember) bool { return aws.ToString(m.DBClusterArn) == arn })
	if i < 0 {
		return nil
	}
	return &g.GlobalClusterMembers[i]
}

// follower is the member of the new global database in a Region; nil where there is none yet.
func (b *rebuilding) follower(region string) *types.GlobalClusterMember {
	if b.global == nil {
		return nil
	}
	i := slices.IndexFunc(b.global.GlobalClusterMembers, func(m types.GlobalClusterMember) bool { return regionOf(aws.ToString(m.DBClusterArn)) == region })
	if i < 0 {
		return nil
	}
	return &b.global.GlobalClusterMembers[i]
}

// regionOf is the Region in a cluster's ARN.
func regionOf(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 3 {
		return parts[3]
	}
	return ""
}

// id of the new global database; empty where there is none.
func (b *rebuilding) id() string {
	if b.global == nil {
		return ""
	}
	return aws.ToString(b.global.GlobalClusterIdentifier)
}

// undetached says why there is nothing to rebuild; empty where there is.
func (b *rebuilding) undetached() string {
	switch {
	case b.global == nil:
		return ""
	case b.id() == b.GlobalCluster:
		return fmt.Sprintf("%s is a member of %s, so it was not detached from it", b.source.DBCluster, b.GlobalCluster)
	case !aws.ToBool(memberOf(b.global, b.source.DBClusterARN).IsWriter):
		return fmt.Sprintf("%s does not write for %s, of which it is a member", b.source.DBCluster, b.id())
	}
	return ""
}

// describe is a cluster as AWS tells it.
func (a *Aurora) describe(ctx context.Context, region, id string) (types.DBCluster, error) {
	out, err := a.rds(region).DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: aws.String(id)}, a.reading)
	if err != nil {
		return types.DBCluster{}, fmt.Errorf("describe %s in %s: %w", id, region, awserr.SortRead(ctx, err))
	}
	if len(out.DBClusters) != 1 {
		return types.DBCluster{}, &incident.CallError{
			Err:         fmt.Errorf("describe %s in %s: %d clusters of that name", id, region, len(out.DBClusters)),
			NeedsPerson: true, Hint: "compare db_cluster in the settings with the account",
		}
	}
	return out.DBClusters[0], nil
}

// instances are those of a cluster, or of the Region where none is named, by their names.
func (a *Aurora) instances(ctx context.Context, region, cluster string) ([]types.DBInstance, error) {
	in := &rds.DescribeDBInstancesInput{}
	what := "the instances"
	if cluster != "" {
		in.Filters = []types.Filter{{Name: aws.String("db-cluster-id"), Values: []string{cluster}}}
		what += " of " + cluster
	}
	var out []types.DBInstance
	for {
		page, err := a.rds(region).DescribeDBInstances(ctx, in, a.reading)
		if err != nil {
			return nil, fmt.Errorf("describe %s in %s: %w", what, region, awserr.SortRead(ctx, err))
		}
		out = append(out, page.DBInstances...)
		if in.Marker = page.Marker; aws.ToString(in.Marker) == "" {
			slices.SortFunc(out, func(x, y types.DBInstance) int {
				return strings.Compare(aws.ToString(x.DBInstanceIdentifier), aws.ToString(y.DBInstanceIdentifier))
			})
			return out, nil
		}
	}
}

// away adds what people can do where the Region of the orphan does not answer.
func away(err error, region string) error {
	f := *incident.CallErrorOf(err)
	hint := fmt.Sprintf("wait until RDS in %s answers, and retry; of a Region that stays lost nothing can be taken over, and a standby is made by hand in another one", region)
	if f.Hint != "" {
		hint = f.Hint + "; " + hint
	}
	f.Hint = hint
	return &f
}

// Orphan checks that there is a cluster that was left behind, of which a new one can be made:
// it can be asked, the cluster that serves has left it, and it has instances. They are the
// Items.
func (r Rebuild) Orphan(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	b, err := r.begun(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	region := c.Plan.Target.Name
	o := engine.Outcome{Evidence: map[string]string{"orphan": b.target.DBCluster, "serves": b.source.DBCluster}, Measured: incident.Measured{Verdict: incident.Fail, AsOf: r.clock.Now()}}
	if why := b.undetached(); why != "" {
		o.Summary = fmt.Sprintf("nothing has to be rebuilt in %s: %s; what follows a detach alone is rebuilt", region, why)
		return o, false, nil
	}
	old, err := r.describe(ctx, region, b.target.DBCluster)
	switch {
	case err != nil && notThere(err):
		o.Summary = fmt.Sprintf("%s is not in %s any more, so nothing can be taken over from it: make a cluster by hand that follows %s, and name it in the settings", b.target.DBCluster, region, b.source.DBCluster)
		return o, false, nil
	case err != nil:
		return o, false, away(err, region)
	}
	all, err := r.instances(ctx, region, b.target.DBCluster)
	if err != nil {
		return o, false, away(err, region)
	}
	for _, i := range all {
		id := aws.ToString(i.DBInstanceIdentifier)
		o.Items = append(o.Items, id)
		o.Evidence[id] = strings.Join([]string{aws.ToString(i.DBInstanceClass), orUnknown(aws.ToString(i.AvailabilityZone)), "tier " + fmt.Sprint(aws.ToInt32(i.PromotionTier))}, ", ")
	}
	taken(o.Evidence, old)
	status := aws.ToString(old.Status)
	switch serves := aws.ToString(b.serves.Status); {
	case serves != available:
		o.Summary = fmt.Sprintf("%s, which is to be followed, is %s: wait until it is available", b.source.DBCluster, orUnknown(serves))
	case len(all) == 0:
		o.Summary = fmt.Sprintf("%s in %s has no instance of which a new one could be made: add one, and begin again", b.target.DBCluster, region)
	case !slices.Contains([]string{available, stopped, stopping}, status):
		o.Summary = fmt.Sprintf("%s in %s is %s: wait until it is available or stopped, and begin again", b.target.DBCluster, region, orUnknown(status))
	default:
		o.Measured.Verdict = incident.Pass
		o.Summary = fmt.Sprintf("%s in %s was left behind (%s, %s) and is not behind %s, which serves", b.target.DBCluster, region, status, text.Count(len(all), "instance"), b.source.DBCluster)
		if b.global != nil {
			o.Summary += fmt.Sprintf("; %s is there already", b.id())
		}
	}
	return o, o.Measured.Verdict == incident.Pass, nil
}

// taken tells what the new cluster takes over of the old one.
func taken(e map[string]string, old types.DBCluster) {
	put(e, "subnet_group", aws.ToString(old.DBSubnetGroup))
	put(e, "cluster_parameter_group", aws.ToString(old.DBClusterParameterGroup))
	put(e, "kms_key", aws.ToString(old.KmsKeyId))
	put(e, "security_groups", strings.Join(securityGroups(old), ", "))
	if old.Port != nil {
		e["port"] = fmt.Sprint(*old.Port)
	}
	if old.BackupRetentionPeriod != nil {
		e["backup_retention"] = text.Count(int(*old.BackupRetentionPeriod), "day")
	}
}

func securityGroups(c types.DBCluster) []string {
	var out []string
	for _, g := range c.VpcSecurityGroups {
		out = append(out, aws.ToString(g.VpcSecurityGroupId))
	}
	return out
}

// numbered is a name with a number that a rebuild gave it.
var numbered = regexp.MustCompile(`^(.*)-([0-9]{1,4})$`)

// next is the first name after this one that nobody has: ecommerce-global-2 of
// ecommerce-global.
func next(name string, has []string) string {
	base, n := name, 1
	if m := numbered.FindStringSubmatch(name); m != nil {
		if at, err := strconv.Atoi(m[2]); err == nil {
			base, n = m[1], at
		}
	}
	for {
		n++
		if is := fmt.Sprintf("%s-%d", base, n); !slices.ContainsFunc(has, func(s string) bool { return strings.EqualFold(s, is) }) {
			return is
		}
	}
}

// instanceOf is the name of the n-th instance of a new cluster, from 0.
func instanceOf(cluster string, n int) string { return fmt.Sprintf("%s-%d", cluster, n+1) }

// The quotas that RDS itself tells, by its words.
const (
	quotaClusters  = "DBClusters"
	quotaInstances = "DBInstances"
)

// Room checks that the target takes what is to be made: the engine's version is offered
// there, its parameter groups are of that version, and the account may have so many more
// clusters and instances. It chooses names that nobody has.
func (r Rebuild) Room(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	b, err := r.begun(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	region := c.Plan.Target.Name
	var old types.DBCluster
	var clusters []types.DBCluster
	var instances []types.DBInstance
	var version bool
	var quotas map[string]types.AccountQuota
	reads := []func() error{
		func() (err error) { old, err = r.describe(ctx, region, b.target.DBCluster); return err },
		func() (err error) { clusters, err = r.clusters(ctx, region); return err },
		func() (err error) { instances, err = r.instances(ctx, region, ""); return err },
		func() (err error) { version, err = r.offered(ctx, region, b.serves); return err },
		func() (err error) { quotas, err = r.quotas(ctx, region); return err },
	}
	faults := make([]error, len(reads))
	incident.Together(r.clock, len(reads), func(i int) { faults[i] = reads[i]() })
	for _, err := range faults {
		if err != nil {
			return engine.Outcome{}, false, away(err, region)
		}
	}
	global, cluster := b.id(), ""
	if global == "" {
		global = next(b.GlobalCluster, b.all)
	}
	mine := 0
	if m := b.follower(region); m != nil {
		cluster = name(aws.ToString(m.DBClusterArn))
	}
	adds := map[string]int{quotaClusters: 0}
	if cluster == "" {
		adds[quotaClusters] = 1
		cluster = next(b.target.DBCluster, namesIn(clusters, instances, b.target.DBCluster))
	}
	wanted := 0
	for _, i := range instances {
		switch aws.ToString(i.DBClusterIdentifier) {
		case b.target.DBCluster:
			wanted++
		case cluster:
			mine++
		}
	}
	adds[quotaInstances] = max(wanted-mine, 0)
	o := engine.Outcome{Evidence: map[string]string{evidenceGlobal: global, evidenceCluster: cluster, "version": aws.ToString(b.serves.EngineVersion)}}
	o.Measured = incident.Measured{Verdict: incident.Fail, AsOf: r.clock.Now()}
	var wrong []string
	if !version {
		wrong = append(wrong, fmt.Sprintf("RDS does not offer %s %s in %s, and a standby has the version of what it follows: upgrade %s to a version that is offered in both Regions first",
			aws.ToString(b.serves.Engine), aws.ToString(b.serves.EngineVersion), region, b.source.DBCluster))
	}
	if mine, theirs := major(aws.ToString(old.EngineVersion)), major(aws.ToString(b.serves.EngineVersion)); mine != theirs {
		wrong = append(wrong, fmt.Sprintf("the parameter groups of %s are for version %s, and %s has %s: make some for that version by hand, and the standby with them", b.target.DBCluster, mine, b.source.DBCluster, theirs))
	}
	for _, q := range []struct{ key, one string }{{quotaClusters, "cluster"}, {quotaInstances, "instance"}} {
		has, told := quotas[q.key]
		if !told || has.Max == nil || has.Used == nil {
			return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("RDS in %s does not tell how many %ss the account may have", region, q.one), Hint: "aws rds describe-account-attributes shows what it tells"}
		}
		limit := float64(*has.Max)
		after := *has.Used + int64(adds[q.key])
		o.Measured.Figures = append(o.Measured.Figures, incident.Figure{Name: "database " + q.one + "s", Value: float64(after), Unit: q.one + "s", Limit: &limit})
		o.Evidence[q.key] = fmt.Sprintf("%d of %d are used, and the run adds %d", *has.Used, *has.Max, adds[q.key])
		if after > *has.Max && adds[q.key] > 0 {
			wrong = append(wrong, fmt.Sprintf("%d of %d database %ss are used in %s, and the run adds %d: ask for more in Service Quotas", *has.Used, *has.Max, q.one, region, adds[q.key]))
		}
	}
	if len(wrong) > 0 {
		o.Summary = fmt.Sprintf("no standby can be made in %s: %s", region, strings.Join(wrong, "; "))
		return o, false, nil
	}
	o.Measured.Verdict = incident.Pass
	o.Summary = fmt.Sprintf("%s takes the standby: global database %s, cluster %s (%s %s), %s", region, global, cluster, aws.ToString(b.serves.Engine), aws.ToString(b.serves.EngineVersion), text.Count(wanted, "instance"))
	return o, true, nil
}

// namesIn are the names of clusters that are taken, those among them whose instances' names
// are, too.
func namesIn(clusters []types.DBCluster, instances []types.DBInstance, old string) []string {
	var out []string
	for _, c := range clusters {
		out = append(out, aws.ToString(c.DBClusterIdentifier))
	}
	for _, i := range instances {
		if aws.ToString(i.DBClusterIdentifier) == old { // ecommerce-primary-2 is an instance of ecommerce-primary
			continue
		}
		if m := numbered.FindStringSubmatch(aws.ToString(i.DBInstanceIdentifier)); m != nil {
			out = append(out, m[1])
		}
	}
	return out
}

// major is a version up to what parameter groups are made for: 16 of 16.6, and 3 of
// 8.0.mysql_aurora.3.08.0.
func major(version string) string {
	of, _, _ := strings.Cut(short(version), ".")
	return of
}

// clusters are those of a Region.
func (a *Aurora) clusters(ctx context.Context, region string) ([]types.DBCluster, error) {
	in := &rds.DescribeDBClustersInput{}
	var out []types.DBCluster
	for {
		page, err := a.rds(region).DescribeDBClusters(ctx, in, a.reading)
		if err != nil {
			return nil, fmt.Errorf("describe the clusters in %s: %w", region, awserr.SortRead(ctx, err))
		}
		out = append(out, page.DBClusters...)
		if in.Marker = page.Marker; aws.ToString(in.Marker) == "" {
			return out, nil
		}
	}
}

// offered says whether a Region offers the version of a cluster's engine.
func (a *Aurora) offered(ctx context.Context, region string, c types.DBCluster) (bool, error) {
	out, err := a.rds(region).DescribeDBEngineVersions(ctx, &rds.DescribeDBEngineVersionsInput{Engine: c.Engine, EngineVersion: c.EngineVersion}, a.reading)
	if err != nil {
		return false, fmt.Errorf("describe the versions of %s in %s: %w", aws.ToString(c.Engine), region, awserr.SortRead(ctx, err))
	}
	return len(out.DBEngineVersions) > 0, nil
}

// quotas are those that RDS tells of an account in a Region, with what is used of them.
func (a *Aurora) quotas(ctx context.Context, region string) (map[string]types.AccountQuota, error) {
	out, err := a.rds(region).DescribeAccountAttributes(ctx, &rds.DescribeAccountAttributesInput{}, a.reading)
	if err != nil {
		return nil, fmt.Errorf("describe the quotas of RDS in %s: %w", region, awserr.SortRead(ctx, err))
	}
	all := map[string]types.AccountQuota{}
	for _, q := range out.AccountQuotas {
		all[aws.ToString(q.AccountQuotaName)] = q
	}
	return all, nil
}

// names are those that the run chose.
func (b *rebuilding) names(c engine.Call) (global, cluster string, err error) {
	o, _ := c.Result(b.in.Names)
	global, cluster = o.Evidence[evidenceGlobal], o.Evidence[evidenceCluster]
	if global == "" || cluster == "" {
		err = &incident.CallError{NeedsPerson: true, Definite: true, Err: errors.New("this run has chosen no names for what it makes"), Hint: "stop it, and begin another one"}
	}
	return global, cluster, err
}

// person is a fault that somebody has to put right; nothing was changed.
func person(hint, format string, args ...any) error {
	return &incident.CallError{NeedsPerson: true, Err: fmt.Errorf(format, args...), Hint: hint}
}

// marks are the tags of what a step makes.
func marks(c engine.Call) []types.Tag {
	return []types.Tag{{Key: aws.String(tag), Value: aws.String(c.Token)}}
}
