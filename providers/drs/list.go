package drs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
)

// List finds the servers that run in the Region that is left: its recovery instances that
// run and are of no drill. It is a no where one of them cannot be moved: the source server
// that it was launched of is gone, or its agent was installed anew, so that it is another
// server to the service, or is not heard of any more.
func (d *DRS) List(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	from, to := c.Plan.Source.Name, c.Plan.Target.Name
	f, err := d.fleet(ctx, from, to)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: d.clock.Now(), Figures: []incident.Figure{
		{Name: "servers", Value: float64(len(f.servers)), Unit: "servers"},
	}}}
	var names, wrong []string
	for i := range f.servers {
		s := &f.servers[i]
		o.Items, names = append(o.Items, s.id()), append(names, s.name())
		o.Evidence[s.id()] = f.told(s)
		if why := f.wrong(s, d.clock.Now()); why != "" {
			wrong = append(wrong, s.String()+" "+why)
		}
	}
	if len(f.aside) > 0 {
		o.Evidence["left aside"] = strings.Join(f.aside, ", ")
	}
	switch {
	case len(f.servers) == 0:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("no recovery instance of Elastic Disaster Recovery runs in %s: there is nothing to move to %s", from, to)
		if len(f.aside) > 0 {
			o.Summary += "; left aside: " + text.Some(f.aside, shown)
		}
		return o, false, nil
	case len(wrong) > 0:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("%d of %s in %s cannot be moved as they are: %s", len(wrong), text.Count(len(names), "server"), from, text.Some(wrong, shown))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%s in %s: %s", text.Count(len(names), "server"), from, text.Some(names, shown))
	return o, true, nil
}

// unheard is how long an agent may be silent.
const unheard = 10 * time.Minute

// wrong says why a server cannot be moved as it is; empty where it can.
func (f *fleet) wrong(s *server, now time.Time) string {
	if s.from.SourceServerID == nil {
		return "has no source server any more (" + aws.ToString(s.instance.SourceServerID) + "): the service has forgotten it, and its replication cannot be reversed"
	}
	if n := slices.IndexFunc(f.there, func(o types.SourceServer) bool {
		return machineIn(o) == aws.ToString(s.instance.Ec2InstanceID) && aws.ToString(o.Arn) != aws.ToString(s.from.ReversedDirectionSourceServerArn)
	}); n >= 0 {
		return "had its agent installed anew: the service has it as another server, " + aws.ToString(f.there[n].SourceServerID) + ", and not as the reverse of " + aws.ToString(s.from.SourceServerID)
	}
	back := s.instance.Failback
	if back == nil {
		return "has no failback state: its agent was never heard of. Look at the agent, the instance profile and the way to the service (443)"
	}
	if back.State == types.FailbackStateFailbackError {
		return "is in FAILBACK_ERROR"
	}
	if seen := moment(back.AgentLastSeenByServiceDateTime); seen.IsZero() || now.Sub(seen) > unheard {
		last := "never"
		if !seen.IsZero() {
			last = seen.UTC().Format("2006-01-02 15:04 UTC")
		}
		return "was not heard of lately (last " + last + "): look at its agent, the instance profile and the way to the service (443)"
	}
	return ""
}

// told is what stands in the evidence of one.
func (f *fleet) told(s *server) string {
	parts := []string{s.name(), "source server " + aws.ToString(s.instance.SourceServerID)}
	if back := s.instance.Failback; back != nil {
		parts = append(parts, string(back.State))
	}
	if s.to != nil {
		parts = append(parts, "reversed: "+s.target()+", "+string(stateOf(s.to)))
	}
	if s.client() {
		parts = append(parts, "of another origin than EC2")
	}
	return strings.Join(parts, "; ")
}

// Points tells, with their ages, the points in time that the Region that is left has of its
// servers: what they can be brought back to there. They last until replication of the
// source server is stopped.
func (d *DRS) Points(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	from := c.Plan.Source.Name
	f, err := d.fleet(ctx, from, c.Plan.Target.Name)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	if len(f.servers) == 0 {
		return engine.Outcome{Summary: "not applicable: no recovery instance runs in " + from, Measured: incident.Measured{Verdict: incident.NotApplicable, AsOf: d.clock.Now()}}, true, nil
	}
	all := make([][]types.RecoverySnapshot, len(f.servers))
	var reads []func() error
	for i := range f.servers {
		reads = append(reads, func() (err error) {
			all[i], err = d.points(ctx, from, aws.ToString(f.servers[i].instance.SourceServerID))
			return err
		})
	}
	if err := d.all(reads...); err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: d.clock.Now()}}
	var none []string
	var oldest time.Duration
	for i, points := range all {
		s := &f.servers[i]
		points = slices.DeleteFunc(points, func(p types.RecoverySnapshot) bool { return moment(p.Timestamp).IsZero() }) // expected, and not taken
		if len(points) == 0 {
			none, o.Evidence[s.id()] = append(none, s.String()), "no point in time"
			continue
		}
		age := d.clock.Now().Sub(moment(points[0].Timestamp))
		oldest = max(oldest, age)
		o.Evidence[s.id()] = fmt.Sprintf("%s; %s, the newest %s of %s", s.name(), text.Count(len(points), "point"), aws.ToString(points[0].SnapshotID), moment(points[0].Timestamp).UTC().Format(time.RFC3339))
	}
	o.Measured.Figures = []incident.Figure{{Name: "age of the newest points", Value: oldest.Minutes(), Unit: "min"}}
	if len(none) > 0 {
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("%s has no point in time of %s: there they could not be brought back to what they were", from, text.Some(none, shown))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%s has points in time of %s, the newest of each %s old at most", from, text.Count(len(f.servers), "server"), text.Duration(oldest))
	return o, true, nil
}

// Feasible says whether the way is feasible within the objectives, by what the service has
// measured: how far the replication is behind, where it runs, how much there is to copy, and
// how long the last launch took. That one is from the calls to its last server.
func (d *DRS) Feasible(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	settings, err := settingsOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	from, to := c.Plan.Source.Name, c.Plan.Target.Name
	f, err := d.fleet(ctx, from, to)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	var launches [2]*types.Job
	if err := d.all(
		func() (err error) { launches[0], err = d.lastLaunch(ctx, to); return err },
		func() (err error) { launches[1], err = d.lastLaunch(ctx, from); return err },
	); err != nil {
		return engine.Outcome{}, false, err
	}
	last := launches[0]
	where := to
	if last == nil {
		last, where = launches[1], from
	}
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: d.clock.Now()}}
	var bytes int64
	lag, unknown := time.Duration(0), 0
	for i := range f.servers {
		s := &f.servers[i]
		bytes += size(s)
		if s.to == nil || stateOf(s.to) != types.DataReplicationStateContinuous {
			continue
		}
		if l, ok := lagOf(s.to); ok {
			lag = max(lag, l)
		} else {
			unknown++
		}
	}
	const gib = 1 << 30
	most := settings.lag().Seconds()
	o.Measured.Figures = []incident.Figure{{Name: "data of the servers", Value: float64(bytes / gib), Unit: "GiB"}, {Name: "replication lag", Value: lag.Seconds(), Unit: "s", Limit: &most}}
	o.Evidence["data"] = fmt.Sprintf("%d GiB", bytes/gib)
	said := []string{fmt.Sprintf("%d GiB to replicate before users notice anything", bytes/gib)}
	if lag > settings.lag() {
		o.Measured.Verdict = incident.Fail
		said = append(said, fmt.Sprintf("the replication is %s behind, more than %s", text.Duration(lag), text.Duration(settings.lag())))
	}
	objective := time.Duration(c.Plan.Topology.Policy.ObjectiveMinutes) * time.Minute
	if last == nil {
		if o.Measured.Verdict == incident.Pass {
			o.Measured.Verdict = incident.Warn
		}
		said = append(said, "how long a launch takes is unknown: the service knows none, not even of a drill")
	} else {
		took := moment(last.EndDateTime).Sub(moment(last.CreationDateTime))
		o.Evidence["last launch"] = fmt.Sprintf("%s in %s, %s, %s of %s", aws.ToString(last.JobID), where, last.InitiatedBy, text.Duration(took), text.Count(len(last.ParticipatingServers), "server"))
		limit := objective.Minutes()
		o.Measured.Figures = append(o.Measured.Figures, incident.Figure{Name: "last launch", Value: took.Minutes(), Unit: "min", Limit: &limit})
		said = append(said, fmt.Sprintf("the last launch took %s of the %s that users may wait", text.Duration(took), text.Duration(objective)))
		if took > objective {
			o.Measured.Verdict = incident.Fail
		}
	}
	if unknown > 0 && o.Measured.Verdict == incident.Pass {
		o.Measured.Verdict = incident.Warn
		said = append(said, fmt.Sprintf("the lag of %s cannot be read", text.Count(unknown, "server")))
	}
	o.Summary = strings.Join(said, "; ")
	return o, o.Measured.Verdict != incident.Fail, nil
}

// size is how many bytes there are to replicate of a server.
func size(s *server) (n int64) {
	if p := s.instance.RecoveryInstanceProperties; p != nil {
		for _, disk := range p.Disks {
			n += disk.Bytes
		}
	}
	return n
}

// lastLaunch is the newest launch in a Region that ended with every server launched, be it
// of a drill; nil if there is none.
func (d *DRS) lastLaunch(ctx context.Context, region string) (*types.Job, error) {
	all, err := d.jobs(ctx, region)
	if err != nil {
		return nil, err
	}
	var last *types.Job
	for i := range all {
		j := &all[i]
		if j.Type != types.JobTypeLaunch || j.Status != types.JobStatusCompleted || moment(j.EndDateTime).IsZero() ||
			slices.ContainsFunc(j.ParticipatingServers, func(p types.ParticipatingServer) bool { return p.LaunchStatus == types.LaunchStatusFailed }) {
			continue
		}
		if last == nil || moment(j.CreationDateTime).After(moment(last.CreationDateTime)) {
			last = j
		}
	}
	return last, nil
}
