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
