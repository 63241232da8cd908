package aurora

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// lostPrefix is how Aurora names what it keeps of a writer that was failed over: the only
// copy of what the other Region never received.
const lostPrefix = "rds:unplanned-global-failover-"

// lost are the snapshots of a Region's cluster that Aurora kept of a failover, and the
// copies that somebody made of them, by the snapshot's name. A copy outlives it.
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

// kept is the copy of a snapshot that stays; empty where there is none. One that is there
// can be restored, and comes before one that is being made.
func kept(copies []types.DBClusterSnapshot) (name string, there bool) {
	for _, c := range copies {
		switch aws.ToString(c.Status) {
		case "failed":
		case "available":
			return aws.ToString(c.DBClusterSnapshotIdentifier), true
		default:
			name = aws.ToString(c.DBClusterSnapshotIdentifier)
		}
	}
	return name, false
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

// Copy is a snapshot's copy of which the platform is asked what is in it.
type Copy struct {
	Region, Name string
	// After is the last order that the other Region received; empty where nobody knows.
	After string
}

// Missing are the orders that are in a copy and that the Region that users are in lacks,
// oldest first.
type Missing struct {
	Orders []string
	// Page tells them.
	Page string
}

// Reconcile asks the platform what of a copy is missing in a Region. Nil without an error:
// the settings name nothing that tells. An error says why it is not known, or not yet.
type Reconcile func(ctx context.Context, t runbook.Topology, r runbook.Region, c Copy) (*Missing, error)

// LostInput is the input of Lost.
type LostInput struct {
	// Kept is the step that found the last orders that the other Region received.
	Kept string `yaml:"kept" json:"kept"`
}

// Lost watches for the snapshot of what the Region that was left had and the other never
// received, and leaves to people what has to be done about it. Aurora takes one when that
// Region is well again, perhaps, and deletes it with the cluster's backups. Nobody can read
// one without restoring it, so what is in it is told by the platform, or people compare.
type Lost struct {
	*Aurora
	reconcile Reconcile
}

// What the task of Lost remembers, by name.
const (
	evidenceSnapshots = "snapshots"
	evidenceAfter     = "last order"
)

// found is what is known of the writes that were lost.
type found struct {
	Lost
	db database
	// failback says that it is looked at on the way back.
	failback bool
	// away is the Region that was left, with its cluster, and here the one that lacks
	// what it had.
	away, here runbook.Region
	cluster    string
	// after is the last order that the other Region received; empty where nobody knows.
	after string
	// task is what was left to people before.
	task incident.Task
}

// Look tells what there is, and what is to be done about it.
func (l Lost) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in LostInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	db, err := part(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	f := found{Lost: l, db: db, away: c.Plan.Source, here: c.Plan.Target, failback: c.Plan.Kind == incident.Failback}
	if f.failback { // what counts is the failover that it goes back on
		f.away, f.here = f.here, f.away
	}
	f.cluster = db.Regions[f.away.Name].DBCluster
	if last, ok := c.Task(c.Step.ID); ok {
		f.task, f.after = last, last.Evidence[evidenceAfter]
	}
	if o, ok := c.Result(in.Kept); ok && len(o.Items) > 0 && !f.failback {
		f.after = o.Items[0]
	}
	read, stop := l.clock.WithTimeout(ctx, sourceTime, fmt.Errorf("%s did not answer within %s", f.away.Name, sourceTime))
	defer stop()
	snapshots, copies, err := l.lost(read, f.away.Name, f.cluster)
	if err != nil {
		if incident.CallErrorOf(err).NeedsPerson {
			return engine.Outcome{}, false, err
		}
		return engine.Outcome{}, false, fmt.Errorf("whether there is a snapshot of what %s never received is not known until %s answers again, and Aurora takes one only then: %w", f.here.Name, f.away.Name, err)
	}
	return f.judge(ctx, c.Plan.Topology, snapshots, copies)
}

// failedOver is how RDS tells that a managed failover is over, 0238.
var failedOver = regexp.MustCompile(`(?i)^global failover to DB cluster \S+ completed`)

// eventsKept is how long RDS keeps its events, less a minute.
const eventsKept = 14*24*time.Hour - time.Minute

// without is a way back where there is no snapshot. After an unplanned failover there should
// have been one.
func (f found) without(ctx context.Context, o engine.Outcome) (engine.Outcome, bool, error) {
	all, err := f.events(ctx, f.db, f.here.Name, f.clock.Now().Add(-eventsKept))
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o.Summary = fmt.Sprintf("no snapshot in %s of what %s never received, and RDS tells of no unplanned failover in 14 days", f.away.Name, f.here.Name)
	for _, e := range all {
		if !failedOver.MatchString(e.says) {
			continue
		}
		o.Measured.Verdict, o.Evidence["failover"] = incident.Fail, e.String()
		o.Summary = fmt.Sprintf("no snapshot in %s of what %s never received, although there was an unplanned failover on %s: it expired with the backups, or Aurora took none", f.away.Name, f.here.Name, day(e.at))
		if f.task.Task == "" || f.task.Open() {
			o.Task = &incident.TaskOpened{
				Owner: incident.RoleCommander, Title: fmt.Sprintf("Find what %s never received without a snapshot: there is none", f.here.Name), Why: f.elsewhere(),
				Evidence: map[string]string{evidenceSnapshots: ""},
			}
		}
	}
	o.State = o.Summary
	return o, o.Measured.Verdict == incident.Pass, nil
}

// judge says how each of the snapshots stands that are there, or were when it was looked
// last.
func (f found) judge(ctx context.Context, t runbook.Topology, snapshots []types.DBClusterSnapshot, copies map[string][]types.DBClusterSnapshot) (engine.Outcome, bool, error) {
	there := map[string]types.DBClusterSnapshot{}
	for _, s := range snapshots {
		there[aws.ToString(s.DBClusterSnapshotIdentifier)] = s
	}
	ids := slices.Concat(slices.Collect(maps.Keys(there)), slices.Collect(maps.Keys(copies)), f.seen())
	slices.Sort(ids)
	ids = slices.Compact(ids)
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: f.clock.Now()}}
	if len(ids) == 0 && f.failback {
		return f.without(ctx, o)
	}
	if len(ids) == 0 {
		o.Summary = fmt.Sprintf("no snapshot in %s of what %s never received; Aurora may take one once that Region is well again", f.away.Name, f.here.Name)
		o.State = o.Summary
		return o, true, nil
	}
	task := incident.TaskOpened{Owner: incident.RoleCommander, Due: f.task.Due, Evidence: map[string]string{evidenceSnapshots: strings.Join(ids, ", ")}}
	if f.after != "" {
		task.Evidence[evidenceAfter] = f.after
	}
	var says, todo, how []string
	for _, id := range ids {
		s, is := there[id]
		name, whole := kept(copies[id])
		switch {
		case name != "" && !whole:
			o.Evidence[id] = "being copied as " + name
			says = append(says, fmt.Sprintf("what %s never received is being copied as %s", f.here.Name, name))
			todo, how = append(todo, fmt.Sprintf("See that %s becomes available", name)), append(how, f.byHand(name))
		case name != "":
			o.Evidence[id] = "copied as " + name
			told, open, by := f.compared(ctx, t, name, &o)
			says = append(says, told)
			if open != "" {
				todo, how = append(todo, open), append(how, by)
			}
		case is:
			o.Measured.Verdict = incident.Fail
			until, due := f.until(ctx, f.away.Name, f.cluster, s)
			o.Evidence[id] = "taken at " + aws.ToTime(s.SnapshotCreateTime).UTC().Format("2006-01-02 15:04 UTC")
			if !due.IsZero() && (task.Due.IsZero() || due.Before(task.Due)) {
				task.Due = due
			}
			says = append(says, fmt.Sprintf("%s holds what %s never received%s, and nobody has copied it", id, f.here.Name, until))
			name := copyOf(id, copies[id])
			if due.IsZero() {
				todo = append(todo, fmt.Sprintf("Copy %s before it goes with its backups", id))
			} else {
				todo = append(todo, fmt.Sprintf("Copy %s by %s, when it goes with its backups", id, day(due)))
			}
			how = append(how, fmt.Sprintf("aws rds copy-db-cluster-snapshot --region %s --source-db-cluster-snapshot-identifier %s --target-db-cluster-snapshot-identifier %s; the way back copies it, too. Then: %s",
				f.away.Name, aws.ToString(s.DBClusterSnapshotArn), name, f.byHand(name)))
		default:
			o.Measured.Verdict, o.Evidence[id] = incident.Fail, "gone"
			says = append(says, f.gone(id))
			todo = append(todo, fmt.Sprintf("Find what %s never received without %s, which is gone", f.here.Name, id))
			how = append(how, f.elsewhere())
		}
	}
	o.Summary = strings.Join(says, "; ")
	task.Title, task.Why = strings.Join(todo, "; "), strings.Join(how, "; ")
	o.State = task.Title
	// What a person has said is done stays done.
	if said := f.task; len(todo) > 0 && (said.Task == "" || said.Open() || said.ClosedBy == incident.Bot || said.Evidence[evidenceSnapshots] != task.Evidence[evidenceSnapshots]) {
		o.Task = &task
	}
	return o, o.Measured.Verdict != incident.Fail, nil
}

// seen are the snapshots that people were told of, and that they have not done with.
func (f found) seen() []string {
	if !f.task.Open() {
		return nil
	}
	return names(f.task.Evidence[evidenceSnapshots])
}

// names are those of a list.
func names(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ", ")
}

// elsewhere is how people find out what was lost where no snapshot tells it.
func (f found) elsewhere() string {
	after := ""
	if f.after != "" {
		after = " after " + f.after
	}
	return fmt.Sprintf("compare the orders of %s%s with what others have of them: payments, queues, logs, mails", f.here.Name, after)
}

// byHand is how people find out what is in a copy.
func (f found) byHand(name string) string {
	after := "from the last order on that both have"
	if f.after != "" {
		after = fmt.Sprintf("from %s on, the last one that %s had received", f.after, f.here.Name)
	}
	return fmt.Sprintf("restore %s into a cluster of its own (aws rds restore-db-cluster-from-snapshot --region %s --snapshot-identifier %s --db-cluster-identifier NEW --engine ENGINE, and an instance in it) and compare its orders with those of %s, %s",
		name, f.away.Name, name, f.here.Name, after)
}

// compared is what is known of the orders in a copy, and what people have to do about it;
// open is empty where there is nothing.
func (f found) compared(ctx context.Context, t runbook.Topology, name string, o *engine.Outcome) (says, open, how string) {
	kept := fmt.Sprintf("what %s never received is kept in %s as %s", f.here.Name, f.away.Name, name)
	open, how = fmt.Sprintf("Compare the orders in %s with those of %s", name, f.here.Name), f.byHand(name)
	missing, err := f.reconcile(ctx, t, f.here, Copy{Region: f.away.Name, Name: name, After: f.after})
	switch {
	case err != nil:
		return fmt.Sprintf("%s; which orders are missing is not known yet: %s", kept, oneLine(err)), open, how
	case missing == nil:
		return kept, open, how
	}
	o.Evidence["page"] = missing.Page
	limit := 0.0
	o.Measured.Figures = append(o.Measured.Figures, incident.Figure{Name: "orders missing", Value: float64(len(missing.Orders)), Unit: "orders", Limit: &limit})
	n := len(missing.Orders)
	if n == 0 {
		return fmt.Sprintf("%s, and %s lacks none of its orders (%s)", kept, f.here.Name, missing.Page), "", ""
	}
	o.Measured.Verdict = incident.Fail
	o.Evidence["missing"], o.Items = strings.Join(missing.Orders, "; "), missing.Orders
	what := fmt.Sprintf("%s that %s lacks: %s", text.Count(n, "order"), f.here.Name, missing.Orders[0])
	if n > 1 {
		what = fmt.Sprintf("%s to %s", what, missing.Orders[n-1])
	}
	return fmt.Sprintf("%s holds %s (%s)", name, what, missing.Page), "Enter anew, or settle with whoever ordered, " + what, "their ids stand in the timeline; " + f.byHand(name)
}

// gone is what there is to say of a snapshot that is there no more, and has no copy.
func (f found) gone(id string) string {
	why := "was deleted"
	switch due := f.task.Due; {
	case due.IsZero():
	case f.clock.Now().Before(due):
		why = "was deleted, although it should have stayed until " + day(due)
	default:
		why = "expired on " + day(due)
	}
	return fmt.Sprintf("%s %s, and nobody had copied it: what %s never received can be read nowhere in AWS any more", id, why, f.here.Name)
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// oneLine is an error as part of a sentence.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// until is until when an automatic snapshot stays: as long as the cluster's backups. due
// is zero where that is not known.
func (a *Aurora) until(ctx context.Context, region, cluster string, s types.DBClusterSnapshot) (says string, due time.Time) {
	out, err := a.rds(region).DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: aws.String(cluster)}, a.reading)
	if err != nil || len(out.DBClusters) != 1 || aws.ToInt32(out.DBClusters[0].BackupRetentionPeriod) == 0 || s.SnapshotCreateTime == nil {
		return ", and goes with its backups", time.Time{}
	}
	days := int(aws.ToInt32(out.DBClusters[0].BackupRetentionPeriod))
	due = s.SnapshotCreateTime.AddDate(0, 0, days)
	return fmt.Sprintf(", and goes on %s with its backups (%s)", day(due), text.Count(days, "day")), due
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
		id := aws.ToString(s.DBClusterSnapshotIdentifier)
		if name, _ := kept(copies[id]); name == "" {
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
		o.Measured.Verdict, o.Summary = incident.NotApplicable, "not applicable: there is no snapshot of an unplanned failover in "+region
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
