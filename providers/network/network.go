// Package network looks at the way between the Regions' VPCs.
//
// The replication of a platform's own services, and whoever reaches the other Region by
// private addresses, go through a VPC peering connection or two peered transit gateways.
// That one is active says nothing of packets: both sides need routes, and security groups
// let them through. So all three are looked at: the state, the routes of both sides, and a
// TCP connection. It only reads, and asks both Regions; an unplanned run, which leaves one
// of them, does not need the way and asks for nothing. With an API unreachable, or where
// the bot cannot try a connection, the check ends in an error, never in a yes.
//
// https://docs.aws.amazon.com/vpc/latest/peering/troubleshoot-vpc-peering-connections.html
package network

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

const (
	// shown is how many of a kind a sentence tells.
	shown = 5
	// connectTime is how long a connection may take to come about.
	connectTime = 5 * time.Second
)

// Dial opens a connection.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// Network reaches the VPCs of an account.
type Network struct {
	config func(region string) aws.Config
	reads  *awserr.Reads
	dial   Dial
	inVPC  bool
	clock  incident.Clock
}

// New returns the VPCs reached through config, which gives the settings for calls to one
// Region. Connections are tried with dial; nil is the machine's own. inVPC says that the
// bot runs where private addresses can be reached.
func New(config func(region string) aws.Config, reads *awserr.Reads, dial Dial, inVPC bool, clock incident.Clock) *Network {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return &Network{config: config, reads: reads, dial: dial, inVPC: inVPC, clock: clock}
}

// Across checks the way between the VPCs of both Regions. In each some route table has to
// carry all networks of the other VPC. An address is tried in both: whichever VPC the bot
// runs in, one of the two is across. Without a way in the settings, and in an unplanned
// run, it is not applicable.
func (n *Network) Across(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	settings, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	f := &finding{now: n.clock.Now(), link: settings.Peering, inVPC: n.inVPC}
	if f.link == "" {
		f.link = settings.Transit
	}
	switch {
	case f.link == "":
		return f.notApplicable("the settings name no peering connection or transit gateway between the Regions"), true, nil
	case p.Mode != "planned":
		return f.notApplicable(fmt.Sprintf("an unplanned run leaves %s and needs no way to it", p.Source.Name)), true, nil
	}
	var faults [2]error
	for i, r := range []runbook.Region{p.Target, p.Source} {
		has := settings.Regions[r.Name]
		f.sides[i] = &side{region: r.Name, vpc: has.VPC, reach: has.Reach}
	}
	reads := []func(){
		func() { faults[0] = n.read(ctx, f.sides[0], settings) },
		func() { faults[1] = n.read(ctx, f.sides[1], settings) },
		func() { f.sides[0].unreached = n.connect(ctx, f.sides[0].reach) },
		func() { f.sides[1].unreached = n.connect(ctx, f.sides[1].reach) },
	}
	incident.Together(n.clock, len(reads), func(i int) { reads[i]() })
	for _, err := range faults {
		if err != nil {
			return engine.Outcome{}, false, err
		}
	}
	return f.answer()
}

// read fills in what there is in a side's Region.
func (n *Network) read(ctx context.Context, s *side, settings Settings) error {
	r := &reader{client: ec2.NewFromConfig(n.config(s.region)), retried: func(o *ec2.Options) { o.Retryer = n.reads.Call() }, side: s}
	steps := []func(context.Context) error{r.networks, r.tables}
	if settings.Peering != "" {
		steps = append(steps, func(ctx context.Context) error { return r.peering(ctx, settings.Peering) })
	} else {
		steps = append(steps, func(ctx context.Context) error { return r.transit(ctx, settings.Transit) })
	}
	faults := make([]error, len(steps))
	incident.Together(n.clock, len(steps), func(i int) { faults[i] = steps[i](ctx) })
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

// connect says why no connection to an address comes about; nil if one does, or if there
// is no address.
func (n *Network) connect(ctx context.Context, addr string) error {
	if addr == "" {
		return nil
	}
	ctx, cancel := n.clock.WithTimeout(ctx, connectTime, fmt.Errorf("no connection within %s", connectTime))
	defer cancel()
	conn, err := n.dial(ctx, "tcp", addr)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	_ = conn.Close() // that it came about is all
	return nil
}

// finding is what both sides come to.
type finding struct {
	now   time.Time
	link  string
	inVPC bool
	sides [2]*side // the target's and the source's
}

func (f *finding) notApplicable(why string) engine.Outcome {
	return engine.Outcome{
		Summary: "not applicable: " + why, Evidence: map[string]string{"link": f.link},
		Measured: incident.Measured{Verdict: incident.NotApplicable, AsOf: f.now},
	}
}

func (f *finding) answer() (engine.Outcome, bool, error) {
	o := engine.Outcome{Evidence: map[string]string{"link": f.link}, Measured: incident.Measured{Verdict: incident.Fail, AsOf: f.now}}
	var wrong, warn, untried []string
	for i, s := range f.sides {
		other := f.sides[1-i]
		if s.state != s.wants {
			wrong = append(wrong, fmt.Sprintf("%s is %s in %s, not %s", f.link, s.state, s.region, s.wants))
		}
		no, doubtful, with := s.carry(other, f.link)
		wrong, warn = append(wrong, no...), append(warn, doubtful...)
		o.Evidence[s.region] = fmt.Sprintf("%s with %s; %s", s.vpc, prefixes(s.cidrs), s.state)
		o.Evidence["routed in "+s.region] = strings.Join(with, ", ")
		o.Measured.Figures = append(o.Measured.Figures, incident.Figure{Name: "route tables to " + other.region, Value: float64(len(with)), Unit: "route tables"})
		switch {
		case s.reach == "":
			untried = append(untried, fmt.Sprintf("the settings name no address to try in %s", s.region))
		case s.unreached == nil:
			o.Evidence["connection to "+s.reach] = "came about"
		case f.inVPC:
			o.Evidence["connection to "+s.reach] = s.unreached.Error()
			wrong = append(wrong, fmt.Sprintf("no TCP connection to %s in %s: %v", s.reach, s.region, s.unreached))
		default:
			untried = append(untried, fmt.Sprintf("the bot does not run inside a VPC and gets no connection to %s in %s: %v", s.reach, s.region, s.unreached))
		}
	}
	here, there := f.sides[0].region, f.sides[1].region
	if len(wrong) > 0 {
		o.Summary = fmt.Sprintf("the way between %s and %s does not work: %s", here, there, text.Some(wrong, shown))
		return o, false, nil
	}
	what := fmt.Sprintf("%s is %s and routed both ways between %s and %s", f.link, f.sides[0].state, here, there)
	if len(untried) > 0 {
		return o, false, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("%s; whether a connection comes about is unknown: %s", what, text.Some(untried, shown)),
			Hint: "try it from a pod (nc -vz ADDRESS PORT), and give an address of each Region as platform.network.regions.<Region>.reach if the bot runs inside a VPC (in_vpc)",
		}
	}
	o.Measured.Verdict = incident.Pass
	o.Summary = fmt.Sprintf("%s; connections to %s and %s come about", what, f.sides[0].reach, f.sides[1].reach)
	if len(warn) > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary += "; " + text.Some(warn, shown)
	}
	return o, true, nil
}
