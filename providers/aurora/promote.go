package aurora

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Promotion moves the writer of a global database: a switchover, which waits
// until nothing is lost and needs both sides, or a failover, which loses what the
// standby had not yet received and needs the standby only. One never turns into
// the other by itself: that is a decision for a person.
type Promotion struct {
	*Aurora
	lossy bool
}

// Switchover moves the writer with nothing lost.
func (a *Aurora) Switchover() Promotion { return Promotion{Aurora: a} }

// Failover moves the writer although its Region is gone.
func (a *Aurora) Failover() Promotion { return Promotion{Aurora: a, lossy: true} }

// Look reports whether the target writes, however that came about, or is on its way
// there because this run asked for it.
func (m Promotion) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	g, err := m.global(ctx, p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: g.evidence(), Before: g.writer}
	if s := g.moving; s != nil {
		to := aws.ToString(s.ToDbClusterArn)
		switch {
		case to != g.target.DBClusterARN:
			return o, false, person("somebody else started this: find out who, and wait until it is over",
				"a promotion of %s is under way (%s); %s cannot be promoted now", name(to), s.Status, g.target.DBCluster)
		case s.Status == cancelling:
			o.Busy = true
			o.Summary = fmt.Sprintf("the promotion of %s is being taken back (%s)", g.target.DBCluster, s.Status)
			return o, false, nil
		case aws.ToBool(s.IsDataLossAllowed) != m.lossy:
			return o, false, person("nothing may be added to it: wait until it is over, then retry",
				"%s is being promoted by a %s, but this step is a %s", g.target.DBCluster, kind(!m.lossy), kind(m.lossy))
		}
		o.Summary = fmt.Sprintf("%s is on its way to write in %s (%s, %s)", g.target.DBCluster, p.Target.Name, kind(m.lossy), s.Status)
		if c.Asked.IsZero() {
			// Whoever began it may take it back, and nobody here would know whether it
			// was to be: it is waited for, and what is missing then is asked for.
			o.Summary += ", and this run did not ask for it"
			o.Busy = true
			return o, false, nil
		}
		return o, true, nil
	}
	if g.member == nil {
		return o, false, person("compare db_cluster_arn in the settings with the account",
			"%s is no member of %s", g.target.DBClusterARN, g.id)
	}
	if g.writes() {
		o.Summary = fmt.Sprintf("%s writes in %s", g.target.DBCluster, p.Target.Name)
		return o, true, nil
	}
	o.Summary = fmt.Sprintf("%s does not write; %s does", g.target.DBCluster, orNobody(name(g.writer)))
	if !m.lossy && g.status != available {
		// A failover is not held up by a word: with the writer's Region gone there may
		// be no better one.
		o.Summary += fmt.Sprintf("; %s is %s", g.id, orUnknown(g.status))
		o.Busy = true
	}
	return o, false, nil
}

// Do asks for the promotion once, with no retry below it: after a lost answer only
// Look knows. It does not wait; Writable does.
func (m Promotion) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	p := c.Plan
	db, err := part(p)
	if err != nil {
		return engine.Outcome{}, err
	}
	id := db.GlobalCluster
	o := engine.Outcome{Evidence: map[string]string{
		"global_cluster": id, "target_cluster_arn": db.target.DBClusterARN, "data_loss_allowed": fmt.Sprint(m.lossy),
	}}
	if m.lossy {
		_, err = m.rds(p.Target.Name).FailoverGlobalCluster(ctx, &rds.FailoverGlobalClusterInput{
			GlobalClusterIdentifier: aws.String(id), TargetDbClusterIdentifier: aws.String(db.target.DBClusterARN),
			AllowDataLoss: aws.Bool(true),
		}, once)
		if err != nil {
			err = fmt.Errorf("fail %s over to %s: %w", id, db.target.DBCluster, awserr.Sort(ctx, err))
		}
	} else {
		_, err = m.rds(p.Source.Name).SwitchoverGlobalCluster(ctx, &rds.SwitchoverGlobalClusterInput{
			GlobalClusterIdentifier: aws.String(id), TargetDbClusterIdentifier: aws.String(db.target.DBClusterARN),
		}, once)
		if err != nil {
			err = fmt.Errorf("switch %s over to %s: %w", id, db.target.DBCluster, awserr.Sort(ctx, err))
		}
	}
	if err != nil {
		return o, err
	}
	o.Summary = fmt.Sprintf("asked for the %s of %s to %s", kind(m.lossy), id, db.target.DBCluster)
	if m.lossy {
		o.Summary += ", data loss allowed"
	}
	return o, nil
}

// Effect says what would happen now. Its Bound is the target, the mode and the
// policy's band of the lag: of the last value there is for a failover.
func (m Promotion) Effect(ctx context.Context, c engine.Call) (incident.Effect, error) {
	p := c.Plan
	db, err := part(p)
	if err != nil {
		return incident.Effect{}, err
	}
	back := history
	if m.lossy {
		back = longest
	}
	l, err := m.lag(ctx, p, back)
	if err != nil {
		// An unreadable lag must not keep anybody from being asked: it is shown as
		// what it is, unknown, which is a band of its own.
		l.points = nil
		l.note = unreadable(err)
	}
	id := db.GlobalCluster
	e := incident.Effect{
		Step:  c.Step.ID,
		Bound: fmt.Sprintf("%s %s, lag %s", kind(m.lossy), db.target.DBClusterARN, l.band(p.Topology.Policy.LagBandsMS, m.lossy)),
	}
	if !m.lossy {
		e.What = fmt.Sprintf("SwitchoverGlobalCluster: %s -> %s (%s); writes stop until the standby has everything (%s)",
			id, db.target.DBCluster, db.target.DBClusterARN, l.told())
		if g, err := m.global(ctx, p); err == nil && g.moving == nil && g.status != available {
			e.What += fmt.Sprintf("; %s is %s now, which has to end first", id, orUnknown(g.status))
		}
		e.Undo = fmt.Sprintf("the same switchover back to %s, once it follows as a standby", db.source.DBCluster)
		return e, nil
	}
	e.What = fmt.Sprintf("FailoverGlobalCluster, data loss allowed: %s -> %s (%s)", id, db.target.DBCluster, db.target.DBClusterARN)
	e.Lost = l.loss(c)
	e.Undo = fmt.Sprintf("not at once: %s rejoins as a standby when it recovers; then a planned switchover back", p.Source.Name)
	return e, nil
}

// told is the lag in half a sentence.
func (l lag) told() string {
	switch {
	case l.note != "" && len(l.points) == 0:
		return "lag unknown: " + l.note
	case len(l.points) == 0:
		return "lag unknown: no datapoint"
	case !l.known():
		return fmt.Sprintf("lag unknown: last good value %s, %s ago, nothing newer", ms(l.points[0].ms), text.Age(l.age()))
	}
	return fmt.Sprintf("RPO lag %s, read %s ago; highest in the last hour %s", ms(l.points[0].ms), text.Age(l.age()), ms(l.high()))
}

// loss is what a failover may lose. A lag that only grows because the writer is
// gone says how long it has been gone, not what is lost: what was written and not
// received is the lag there was before.
func (l lag) loss(c engine.Call) string {
	policy := c.Plan.Topology.Policy
	switch {
	case l.note != "" && len(l.points) == 0:
		return "unknown: " + l.note
	case len(l.points) == 0:
		return "unknown: the standby has reported no lag"
	case !l.known():
		return fmt.Sprintf("about %s of writes (%s), and whatever %s has taken since", about(l.points[0].ms), l.lost(c), c.Plan.Source.Name)
	case policy.LagConfirmMS > 0 && l.points[0].ms > float64(policy.LagConfirmMS):
		s := fmt.Sprintf("up to %s of writes (RPO lag %s, read %s ago, highest in the last hour %s", about(l.points[0].ms), ms(l.points[0].ms), text.Age(l.age()), ms(l.high()))
		if good, ok := l.lastGood(float64(policy.LagConfirmMS)); ok {
			s += fmt.Sprintf("; last good value %s at %s, %s ago", ms(good.ms), text.ToSecond.UTC(good.at), text.Age(l.now.Sub(good.at)))
		}
		return s + ")"
	}
	return fmt.Sprintf("about %s of writes (lag %s, read %s ago%s)", about(l.points[0].ms), ms(l.points[0].ms), text.Age(l.age()), l.outage(c))
}

func about(v float64) string {
	if v < 60000 {
		return fmt.Sprintf("%.1f s", v/1000)
	}
	return fmt.Sprintf("%.0f min", v/60000)
}

func kind(lossy bool) string {
	if lossy {
		return "failover"
	}
	return "switchover"
}

func unreadable(err error) string {
	if f, ok := errors.AsType[*incident.CallError](err); ok {
		return "it could not be read (" + f.Err.Error() + ")"
	}
	return "it could not be read"
}
