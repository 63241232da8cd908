// Package drs moves servers that AWS Elastic Disaster Recovery protects to another Region.
//
// A server that was recovered runs as a recovery instance in the Region that took over.
// The way home is its replication reversed, a launch in the Region that it came from, and
// its replication reversed once more, so that it is protected again. The same steps lead
// away from home again, once that replication is up to date. All of it is read from the
// service itself: which servers there are, who replicates whom, which jobs were asked for.
// A job carries the token of the step that asked for it as a tag, because a second
// StartRecovery would be a second launch. COMPLETED says that a job is over, and nothing
// of how it went: that stands at each of its servers.
//
// Servers of another origin than EC2 are followed and launched by the Failback Client,
// which a person starts on the machine.
//
// With the service down in one of the Regions a read is an error, never an answer, and
// nothing is asked for.
//
// https://docs.aws.amazon.com/drs/latest/userguide/failback-failover-region-region.html
package drs

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

const (
	// atOnce is how many servers one call may be about.
	atOnce = 200
	// shown is how many of a kind a sentence tells.
	shown = 5
	// tag is that of a job, with the token of the step that asked for it.
	tag = "failoverbot"
	// together is how many servers are asked about at a time.
	together = 8
)

// Dial opens a connection.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// DRS reaches the service in each Region, and the instances that it launches.
type DRS struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
	dial   Dial
	clock  incident.Clock
}

// New returns the service reached through config, which gives the settings for calls to
// one Region. Servers are probed with dial; nil is the machine's own.
func New(config func(region string) aws.Config, reads *awserr.Reads, dial Dial, clock incident.Clock) *DRS {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return &DRS{config: config, reads: reads, dial: dial, clock: clock}
}

func (d *DRS) in(region string) *drs.Client        { return drs.NewFromConfig(d.config(region)) }
func (d *DRS) machines(region string) *ec2.Client  { return ec2.NewFromConfig(d.config(region)) }
func (d *DRS) balancers(region string) *elb.Client { return elb.NewFromConfig(d.config(region)) }

func (d *DRS) read(o *drs.Options) { o.Retryer = d.reads.Call() }

func once(o *drs.Options) { o.Retryer = awserr.Once() }

// server is one that runs in the Region that is left.
type server struct {
	// instance is what runs there, from the source server there that it was launched of.
	instance types.RecoveryInstance
	from     types.SourceServer
	// to replicates it to the target; nil before its replication was reversed.
	to *types.SourceServer
}

// id is what the server is known by throughout a run: its recovery instance.
func (s *server) id() string { return aws.ToString(s.instance.RecoveryInstanceID) }

// name is what people call it.
func (s *server) name() string {
	hints := types.IdentificationHints{}
	if p := s.from.SourceProperties; p != nil && p.IdentificationHints != nil {
		hints = *p.IdentificationHints
	}
	return cmp.Or(s.from.Tags["Name"], aws.ToString(hints.Hostname), aws.ToString(hints.Fqdn), s.id())
}

func (s *server) String() string {
	if s.name() == s.id() {
		return s.id()
	}
	return s.name() + " (" + s.id() + ")"
}

// client says that the Failback Client launches it: it did not come from EC2.
func (s *server) client() bool {
	return s.instance.OriginEnvironment == types.OriginEnvironmentOnPremises
}

// target is the id of the source server that replicates it to the target; empty without.
func (s *server) target() string {
	if s.to == nil {
		return ""
	}
	return aws.ToString(s.to.SourceServerID)
}

// original is the EC2 instance that it was before it was recovered; empty if it was none.
func (s *server) original() string { return machineIn(s.from) }

// fleet is what runs in a Region, and what replicates to the other one.
type fleet struct {
	servers []server
	// aside are instances that do not count: drills, and those that do not run.
	aside []string
	// there are the source servers of the target.
	there []types.SourceServer
}

// fleet reads the servers of the Region from, as the Region to has them.
func (d *DRS) fleet(ctx context.Context, from, to string) (fleet, error) {
	var instances []types.RecoveryInstance
	var here []types.SourceServer
	var f fleet
	err := d.all(
		func() (err error) { instances, err = d.instances(ctx, from); return err },
		func() (err error) { here, err = d.sources(ctx, from); return err },
		func() (err error) { f.there, err = d.sources(ctx, to); return err },
	)
	if err != nil {
		return fleet{}, err
	}
	for _, i := range instances {
		id := aws.ToString(i.RecoveryInstanceID)
		if aws.ToBool(i.IsDrill) {
			f.aside = append(f.aside, id+" (of a drill)")
			continue
		}
		if i.Ec2InstanceState != types.EC2InstanceStateRunning && i.Ec2InstanceState != types.EC2InstanceStatePending {
			if i.Ec2InstanceState != types.EC2InstanceStateTerminated && i.Ec2InstanceState != types.EC2InstanceStateNotFound {
				f.aside = append(f.aside, fmt.Sprintf("%s (%s)", id, i.Ec2InstanceState))
			}
			continue
		}
		s := server{instance: i}
		if n := slices.IndexFunc(here, func(o types.SourceServer) bool {
			return aws.ToString(o.SourceServerID) == aws.ToString(i.SourceServerID)
		}); n >= 0 {
			s.from = here[n]
		}
		if arn := aws.ToString(s.from.ReversedDirectionSourceServerArn); arn != "" {
			// The one of before a move has that ARN, too: it replicates what ran then.
			if n := slices.IndexFunc(f.there, func(o types.SourceServer) bool { return aws.ToString(o.Arn) == arn && replicates(o, i) }); n >= 0 {
				s.to = &f.there[n]
			}
		}
		f.servers = append(f.servers, s)
	}
	slices.SortFunc(f.servers, func(a, b server) int { return strings.Compare(a.name()+" "+a.id(), b.name()+" "+b.id()) })
	return f, nil
}

// replicates says whether a source server is the copy of that instance, as far as it says
// of what it is one.
func replicates(o types.SourceServer, i types.RecoveryInstance) bool {
	of := machineIn(o)
	return of == "" || of == aws.ToString(i.Ec2InstanceID)
}

// machineIn is the EC2 instance that a source server replicates; empty if it does not say.
func machineIn(o types.SourceServer) string {
	if p := o.SourceProperties; p != nil && p.IdentificationHints != nil {
		return aws.ToString(p.IdentificationHints.AwsInstanceID)
	}
	return ""
}

// listed reads the servers that a step of the run found, as they are now. One that is gone
// is an error: the list was agreed on.
func (d *DRS) listed(ctx context.Context, c engine.Call, step string) ([]server, error) {
	ids, err := found(c, step)
	if err != nil {
		return nil, err
	}
	f, err := d.fleet(ctx, c.Plan.Source.Name, c.Plan.Target.Name)
	if err != nil {
		return nil, err
	}
	var out []server
	var gone []string
	for _, id := range ids {
		n := slices.IndexFunc(f.servers, func(s server) bool { return s.id() == id })
		if n < 0 {
			gone = append(gone, id)
			continue
		}
		out = append(out, f.servers[n])
	}
	if len(gone) > 0 {
		return nil, &incident.CallError{
			NeedsPerson: true, Definite: true, Err: fmt.Errorf("%s of the servers that were found %s not running in %s any more: %s", fmt.Sprint(len(gone)), text.Are(len(gone)), c.Plan.Source.Name, text.Some(gone, shown)),
			Hint: "start it there again, or stop this run and begin another one with the servers that there are",
		}
	}
	return out, nil
}

// found is the list that a step of the run found.
func found(c engine.Call, step string) ([]string, error) {
	o, done := c.Result(step)
	if !done || len(o.Items) == 0 {
		return nil, &incident.CallError{
			NeedsPerson: true, Definite: true, Err: fmt.Errorf("there is no list of servers: step %s has found none", step),
			Hint: "retry that step",
		}
	}
	return o.Items, nil
}

// sources are the source servers of a Region.
func (d *DRS) sources(ctx context.Context, region string) ([]types.SourceServer, error) {
	var out []types.SourceServer
	in := &drs.DescribeSourceServersInput{}
	for {
		page, err := d.in(region).DescribeSourceServers(ctx, in, d.read)
		if err != nil {
			return nil, fmt.Errorf("list the source servers of Elastic Disaster Recovery in %s: %w", region, awserr.SortRead(ctx, err))
		}
		out = append(out, page.Items...)
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return out, nil
		}
	}
}

// instances are the recovery instances of a Region.
func (d *DRS) instances(ctx context.Context, region string) ([]types.RecoveryInstance, error) {
	var out []types.RecoveryInstance
	in := &drs.DescribeRecoveryInstancesInput{}
	for {
		page, err := d.in(region).DescribeRecoveryInstances(ctx, in, d.read)
		if err != nil {
			return nil, fmt.Errorf("list the recovery instances in %s: %w", region, awserr.SortRead(ctx, err))
		}
		out = append(out, page.Items...)
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return out, nil
		}
	}
}

// points are the recovery snapshots of a source server, the newest first.
func (d *DRS) points(ctx context.Context, region, source string) ([]types.RecoverySnapshot, error) {
	var out []types.RecoverySnapshot
	in := &drs.DescribeRecoverySnapshotsInput{SourceServerID: aws.String(source), Order: types.RecoverySnapshotsOrderDesc}
	for {
		page, err := d.in(region).DescribeRecoverySnapshots(ctx, in, d.read)
		if err != nil {
			return nil, fmt.Errorf("list the points in time of %s in %s: %w", source, region, awserr.SortRead(ctx, err))
		}
		out = append(out, page.Items...)
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return out, nil
		}
	}
}

// moment is a time as the service writes it; zero where it cannot be read.
func moment(s *string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, aws.ToString(s))
	if err != nil {
		return time.Time{}
	}
	return t
}

// all reads several things at a time, and gives the first error in order.
func (d *DRS) all(reads ...func() error) error {
	faults := make([]error, len(reads))
	for from := 0; from < len(reads); from += together {
		incident.Together(d.clock, min(together, len(reads)-from), func(i int) { faults[from+i] = reads[from+i]() })
	}
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}
