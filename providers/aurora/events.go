package aurora

import (
	"cmp"
	"context"
	"fmt"
	"maps"
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

// event is one that RDS tells of the global database's clusters.
type event struct {
	at     time.Time
	region string
	says   string
}

func (e event) String() string {
	return fmt.Sprintf("%s in %s: %s", e.at.UTC().Format("15:04:05 UTC"), e.region, strings.TrimSuffix(e.says, "."))
}

// RDS tells an event by its words alone; its number stands in notifications only.
// https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_Events.Messages.html
var (
	blocking     = regexp.MustCompile(`(?i)\bblock(ing)? writes\b`)              // 0390, 0391
	unblocked    = regexp.MustCompile(`(?i)\bblock(ing)? writes\b.*\btimed out`) // 0391
	resyncStarts = regexp.MustCompile(`(?i)^started resynchronizing\b`)          // 0240
)

// before is how long before a run's first change its events are looked for.
const before = time.Minute

// events are what RDS tells in a Region since then of its cluster and, of the instances, of
// writes of either cluster that were blocked; oldest first. RDS does its best to keep them,
// and no more.
func (a *Aurora) events(ctx context.Context, db database, region string, since time.Time) ([]event, error) {
	cluster := db.Regions[region].DBCluster
	var out []event
	for _, source := range []types.SourceType{types.SourceTypeDbCluster, types.SourceTypeDbInstance} {
		in := &rds.DescribeEventsInput{SourceType: source, StartTime: aws.Time(since), MaxRecords: aws.Int32(100)}
		if source == types.SourceTypeDbCluster {
			in.SourceIdentifier = aws.String(cluster)
		}
		for {
			page, err := a.rds(region).DescribeEvents(ctx, in, a.reading)
			if err != nil {
				return nil, fmt.Errorf("describe the events of %s in %s: %w", cluster, region, awserr.SortRead(ctx, err))
			}
			for _, e := range page.Events {
				says := aws.ToString(e.Message)
				// Instances are named as people like; the message names the cluster.
				if source == types.SourceTypeDbInstance && (!blocking.MatchString(says) || !strings.Contains(says, db.source.DBCluster) && !strings.Contains(says, db.target.DBCluster)) {
					continue
				}
				out = append(out, event{aws.ToTime(e.Date), region, says})
			}
			if in.Marker = page.Marker; aws.ToString(in.Marker) == "" {
				break
			}
		}
	}
	slices.SortStableFunc(out, func(a, b event) int { return a.at.Compare(b.at) })
	return out, nil
}

// shownEvents is how many new ones are told at once.
const shownEvents = 6

// both are the events of both Regions since the run began to change things, by Region. The
// one that is left is asked for a few seconds; unread is why it did not answer.
func (a *Aurora) both(ctx context.Context, c engine.Call, db database) (all map[string][]event, unread, err error) {
	p, since := c.Plan, cmp.Or(c.Go, c.Began).Add(-before)
	var here, left []event
	incident.Together(a.clock, 2, func(i int) {
		if i == 0 {
			here, err = a.events(ctx, db, p.Target.Name, since)
			return
		}
		ctx, stop := a.clock.WithTimeout(ctx, sourceTime, fmt.Errorf("%s did not answer within %s", p.Source.Name, sourceTime))
		defer stop()
		left, unread = a.events(ctx, db, p.Source.Name, since)
	})
	return map[string][]event{p.Target.Name: here, p.Source.Name: left}, unread, err
}

// Events watches what RDS tells of the two clusters since the run began to change things,
// and tells what is new. While the Region that is left does not answer, what it tells
// comes later.
func (a *Aurora) Events(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	db, err := part(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	all, unread, err := a.both(ctx, c, db)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: a.clock.Now()}}
	if unread != nil {
		o.Evidence["not read"] = unread.Error()
	}
	told := 0
	var news []event
	for _, region := range slices.Sorted(maps.Keys(all)) {
		key, n := "events in "+region, 0
		if c.Observed != nil {
			n, _ = strconv.Atoi(c.Observed.Evidence[key]) // unreadable: they are told again
		}
		told += n
		if len(all[region]) > n {
			news = append(news, all[region][n:]...)
			n = len(all[region])
		}
		o.Evidence[key] = strconv.Itoa(n)
		o.State += region + " " + strconv.Itoa(n) + " "
	}
	slices.SortStableFunc(news, func(a, b event) int { return a.at.Compare(b.at) })
	switch {
	case len(news) > 0:
		says := make([]string, len(news))
		for i, e := range news {
			says[i] = e.String()
		}
		o.Summary = "RDS, " + text.Some(says, shownEvents)
	case told > 0:
		o.Summary = "RDS tells nothing new"
	default:
		o.Summary = "RDS tells no event of the move"
	}
	return o, true, nil
}

// OldWriter watches whether Aurora could block the writes of the cluster that was left.
// Where it could not, orders may have gone on there. That is not unsaid when the Region
// that told it does not answer any more. Of a cluster that another one left nobody tries to
// block the writes: that is so until it is stopped.
func (a *Aurora) OldWriter(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in DetachInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	db, err := part(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	if in.Detach {
		o, ok := a.orphan(ctx, c, db)
		return o, ok, nil
	}
	all, unread, err := a.both(ctx, c, db)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Measured: incident.Measured{Verdict: incident.Pass, AsOf: a.clock.Now()}}
	o.Summary = fmt.Sprintf("RDS does not say that the writes of %s in %s could not be blocked", db.source.DBCluster, c.Plan.Source.Name)
	for _, region := range slices.Sorted(maps.Keys(all)) {
		for _, e := range all[region] {
			switch {
			case unblocked.MatchString(e.says):
				o.Measured.Verdict = incident.Fail
				o.Summary = fmt.Sprintf("%s may still accept writes (RDS, %s): both Regions may hold orders that the other lacks", db.source.DBCluster, e)
			case o.Measured.Verdict == incident.Pass && blocking.MatchString(e.says):
				o.Summary = fmt.Sprintf("the writes of %s were blocked (RDS, %s)", db.source.DBCluster, e)
			}
		}
	}
	if was := c.Observed; unread != nil && was != nil && was.Verdict == incident.Fail && o.Measured.Verdict == incident.Pass {
		o.Measured.Verdict, o.Summary = incident.Fail, was.Summary
	}
	o.State = o.Summary
	return o, o.Measured.Verdict == incident.Pass, nil
}

// RejoinedInput is the input of Rejoined.
type RejoinedInput struct {
	// Moved are the steps that moved the writer: since one of them there is no standby.
	Moved []string `yaml:"moved,omitempty" json:"moved,omitempty"`
}

// Rejoined watches whether the cluster of the Region that was left follows again. Until it
// does there is no standby: since when, since when it is made anew, and until about when,
// where the settings say how long that takes (AWS publishes no progress).
func (a *Aurora) Rejoined(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in RejoinedInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	p := c.Plan
	g, err := a.global(ctx, p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	name := g.source.DBCluster + " in " + p.Source.Name
	e := g.evidence()
	o := engine.Outcome{Evidence: e, Measured: incident.Measured{Verdict: incident.Fail, AsOf: a.clock.Now()}}
	var member *types.GlobalClusterMember
	for i, m := range g.members {
		if aws.ToString(m.DBClusterArn) == g.source.DBClusterARN {
			member = &g.members[i]
		}
	}
	since := ""
	for _, step := range in.Moved {
		if o, done := c.Result(step); done {
			since = " since " + clock(o.At)
		}
	}
	switch {
	case g.member == nil:
		o.Summary = fmt.Sprintf("no standby%s, and none comes by itself: %s left %s behind", since, g.target.DBCluster, name)
	case member == nil:
		o.Summary = fmt.Sprintf("no standby%s, and none comes by itself: %s is no member of %s any more", since, name, g.id)
	case member.SynchronizationStatus == types.GlobalClusterMemberSynchronizationStatusConnected && !aws.ToBool(member.IsWriter):
		o.Measured.Verdict, o.Summary = incident.Pass, name+" follows: there is a standby again"
	case aws.ToBool(member.IsWriter):
		o.Measured.Verdict, o.Summary = incident.Unsure, name+" still writes: nothing was moved yet"
	default:
		put(e, "source_synchronization", string(member.SynchronizationStatus))
		o.Summary = fmt.Sprintf("no standby%s: %s", since, a.resync(ctx, c, g, name))
	}
	o.State = o.Summary
	return o, o.Measured.Verdict == incident.Pass, nil
}

// resync is how far a cluster is that is made anew.
func (a *Aurora) resync(ctx context.Context, c engine.Call, g *global, name string) string {
	ctx, stop := a.clock.WithTimeout(ctx, sourceTime, fmt.Errorf("%s did not answer within %s", c.Plan.Source.Name, sourceTime))
	defer stop()
	all, err := a.events(ctx, g.database, c.Plan.Source.Name, cmp.Or(c.Go, c.Began).Add(-before))
	if err != nil {
		return name + " does not follow yet, and since when it is made anew is not known"
	}
	var began time.Time
	for _, e := range all {
		if resyncStarts.MatchString(e.says) {
			began = e.at
		}
	}
	if began.IsZero() {
		return fmt.Sprintf("%s is made anew once %s is well again", name, c.Plan.Source.Name)
	}
	says := fmt.Sprintf("%s is made anew since %s", name, clock(began))
	if g.ResyncMinutes == 0 {
		return says + "; how long that takes is not known"
	}
	due := began.Add(time.Duration(g.ResyncMinutes) * time.Minute)
	if a.clock.Now().After(due) {
		return fmt.Sprintf("%s, longer than the %d min that the settings expect", says, g.ResyncMinutes)
	}
	return fmt.Sprintf("%s, until about %s (%d min by the settings)", says, clock(due), g.ResyncMinutes)
}

func clock(t time.Time) string { return t.UTC().Format("15:04 UTC") }

// lostPrefix is how Aurora names what it keeps of a writer that was failed over: the only
// copy of what the other Region never received.
const lostPrefix = "rds:unplanned-global-failover-"

// lost are the snapshots of a Region's cluster that Aurora kept of a failover, and the
// copies that somebody made of them, by the snapshot's name.
func (a *Aurora) lost(ctx context.Context, region, cluster string) (snapshots []types.DBClusterSnapshot, copies map[string][]types.DBClusterSnapshot, err error) {
	copies = map[string][]types.DBClusterSnapshot{}
	in := &rds.DescribeDBClusterSnapshotsInput{DBClusterIdentifier: aws.String(cluster), MaxRecords: aws.Int32(100)}
	for {
		page, err := a.rds(region).DescribeDBClusterSnapshots(ctx, in, a.reading)
		if err != nil {
			return nil, nil, fmt.Errorf("describe the snapshots of %s in %s: %w", cluster, region, awserr.SortRead(ctx, err))
		}
		for _, s := range page.DBClusterSnapshots {
			switch id := aws.ToString(s.DBClusterSnapshotIdentifier); {
			case strings.HasPrefix(id, lostPrefix):
				snapshots = append(snapshots, s)
			case strings.Contains(aws.ToString(s.SourceDBClusterSnapshotArn), lostPrefix):
				arn := aws.ToString(s.SourceDBClusterSnapshotArn)
				id = arn[strings.Index(arn, lostPrefix):]
				copies[id] = append(copies[id], s)
			}
		}
		if in.Marker = page.Marker; aws.ToString(in.Marker) == "" {
			return snapshots, copies, nil
		}
	}
}

// kept is the copy of a snapshot that stays; empty where there is none.
func kept(copies []types.DBClusterSnapshot) string {
	for _, c := range copies {
		if aws.ToString(c.Status) != "failed" {
			return aws.ToString(c.DBClusterSnapshotIdentifier)
		}
	}
	return ""
}

// LostWrites watches for the snapshot of what the Region that was left had and the other
// never received. Aurora takes one when that Region is well again, perhaps, and deletes it
// with the cluster's backups: until it is copied it is something to be done by then.
func (a *Aurora) LostWrites(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	db, err := part(p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	ctx, stop := a.clock.WithTimeout(ctx, sourceTime, fmt.Errorf("%s did not answer within %s", p.Source.Name, sourceTime))
	defer stop()
	snapshots, copies, err := a.lost(ctx, p.Source.Name, db.source.DBCluster)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: a.clock.Now()}}
	var open []string
	for _, s := range snapshots {
		id := aws.ToString(s.DBClusterSnapshotIdentifier)
		if name := kept(copies[id]); name != "" {
			o.Evidence[id] = "copied as " + name
			continue
		}
		o.Evidence[id] = "taken at " + aws.ToTime(s.SnapshotCreateTime).UTC().Format("2006-01-02 15:04 UTC")
		open = append(open, fmt.Sprintf("%s holds what %s never received%s; copy it: aws rds copy-db-cluster-snapshot --region %s --source-db-cluster-snapshot-identifier %s --target-db-cluster-snapshot-identifier %s",
			id, p.Target.Name, a.until(ctx, p.Source.Name, db.source.DBCluster, s), p.Source.Name, aws.ToString(s.DBClusterSnapshotArn), copyOf(id, copies[id])))
	}
	switch {
	case len(open) > 0:
		o.Measured.Verdict, o.Summary = incident.Fail, strings.Join(open, "; ")
	case len(snapshots) > 0:
		o.Summary = fmt.Sprintf("what %s never received is kept: %s", p.Target.Name, text.Count(len(snapshots), "snapshot"))
	default:
		o.Summary = fmt.Sprintf("no snapshot in %s of what %s never received; Aurora may take one once that Region is well again", p.Source.Name, p.Target.Name)
	}
	o.State = o.Summary
	return o, len(open) == 0, nil
}

// until is until when an automatic snapshot stays: as long as the cluster's backups.
func (a *Aurora) until(ctx context.Context, region, cluster string, s types.DBClusterSnapshot) string {
	out, err := a.rds(region).DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: aws.String(cluster)}, a.reading)
	if err != nil || len(out.DBClusters) != 1 || aws.ToInt32(out.DBClusters[0].BackupRetentionPeriod) == 0 || s.SnapshotCreateTime == nil {
		return ", and goes with its backups"
	}
	days := int(aws.ToInt32(out.DBClusters[0].BackupRetentionPeriod))
	return fmt.Sprintf(", and goes on %s with its backups (%s)", s.SnapshotCreateTime.AddDate(0, 0, days).UTC().Format("2006-01-02 15:04 UTC"), text.Count(days, "day"))
}

// copyOf is the name of the next copy of a snapshot, after those that failed. It is the
// same whoever asks, so it is made once.
func copyOf(id string, failed []types.DBClusterSnapshot) string {
	name := "failoverbot-" + strings.TrimPrefix(id, "rds:")
	if len(failed) > 0 {
		name += fmt.Sprintf("-%d", len(failed)+1)
	}
	return name
}

// Keep copies what Aurora kept of the last failover away from the home Region, before the
// way back can have it deleted with the backups of a cluster that is rebuilt.
type Keep struct{ *Aurora }

// open are the snapshots of the target's cluster that nobody copied, each with the name
// of its copy.
func (k Keep) open(ctx context.Context, c engine.Call) (region string, open map[string]string, all []types.DBClusterSnapshot, err error) {
	db, err := part(c.Plan)
	if err != nil {
		return "", nil, nil, err
	}
	region = c.Plan.Target.Name
	all, copies, err := k.lost(ctx, region, db.target.DBCluster)
	open = map[string]string{}
	for _, s := range all {
		if id := aws.ToString(s.DBClusterSnapshotIdentifier); kept(copies[id]) == "" {
			open[id] = copyOf(id, copies[id])
		}
	}
	return region, open, all, err
}

// Look reports whether there is nothing that is not copied.
func (k Keep) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	region, open, all, err := k.open(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"snapshots": fmt.Sprint(len(all))}}
	switch {
	case len(all) == 0:
		o.Measured.Verdict, o.Summary = incident.NotApplicable, "not applicable: no unplanned failover left a snapshot in "+region
	case len(open) == 0:
		o.Summary = fmt.Sprintf("%s of writes that were lost is copied in %s", text.Count(len(all), "snapshot"), region)
	default:
		o.Summary, o.Before = fmt.Sprintf("%s in %s has no copy", strings.Join(slices.Sorted(maps.Keys(open)), ", "), region), "no copy"
	}
	return o, len(open) == 0, nil
}

// Do copies each; one that somebody began meanwhile counts.
func (k Keep) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	region, open, all, err := k.open(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: map[string]string{}}
	var made []string
	for _, s := range all {
		id := aws.ToString(s.DBClusterSnapshotIdentifier)
		name, wanted := open[id]
		if !wanted {
			continue
		}
		_, err := k.rds(region).CopyDBClusterSnapshot(ctx, &rds.CopyDBClusterSnapshotInput{
			SourceDBClusterSnapshotIdentifier: s.DBClusterSnapshotArn, TargetDBClusterSnapshotIdentifier: aws.String(name), CopyTags: aws.Bool(true),
		}, once)
		if err != nil {
			return o, fmt.Errorf("copy %s in %s: %w", id, region, awserr.Sort(ctx, err))
		}
		o.Evidence[id] = "copied as " + name
		made = append(made, name)
	}
	o.Summary = fmt.Sprintf("what was lost is kept in %s as %s", region, strings.Join(made, ", "))
	return o, nil
}

// Effect says what would happen now.
func (k Keep) Effect(_ context.Context, c engine.Call) (incident.Effect, error) {
	return incident.Effect{Step: c.Step.ID, Undo: keepUndo, What: "copy the snapshots of lost writes in " + c.Plan.Target.Name, Bound: "keep lost writes in " + c.Plan.Target.Name}, nil
}
