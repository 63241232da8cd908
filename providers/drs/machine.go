package drs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// machine is how an EC2 instance is set up. A recovery instance has the id of its EC2
// instance.
type machine struct {
	id, subnet, profile, kind string
	state                     ec2types.InstanceStateName
	groups                    []string // security groups, sorted
	// targets are the target groups that it was in, with its port.
	targets []string
	address string
}

// String is the machine as it stands in the record, and as machineOf reads it.
func (m machine) String() string {
	return fmt.Sprintf("instance=%s subnet=%s groups=%s profile=%s type=%s targets=%s",
		m.id, m.subnet, strings.Join(m.groups, ","), m.profile, m.kind, strings.Join(m.targets, ","))
}

// machineOf reads what was recorded of a machine; known is false where nothing was.
func machineOf(s string) (m machine, known bool) {
	list := func(s string) []string {
		if s == "" {
			return nil
		}
		return strings.Split(s, ",")
	}
	for word := range strings.FieldsSeq(s) {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "instance":
			m.id = value
		case "subnet":
			m.subnet, known = value, value != ""
		case "groups":
			m.groups = list(value)
		case "profile":
			m.profile = value
		case "type":
			m.kind = value
		case "targets":
			m.targets = list(value)
		}
	}
	return m, known
}

// differs says, a sentence each, what is set up in another way.
func (m machine) differs(now machine) []string {
	var out []string
	for _, one := range []struct{ what, was, is string }{
		{"subnet", m.subnet, now.subnet},
		{"security groups", strings.Join(m.groups, " "), strings.Join(now.groups, " ")},
		{"instance profile", m.profile, now.profile},
		{"type", m.kind, now.kind},
	} {
		if one.was != one.is {
			out = append(out, fmt.Sprintf("%s %s in place of %s", one.what, none(one.is), none(one.was)))
		}
	}
	return out
}

func none(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (d *DRS) readEC2(o *ec2.Options) { o.Retryer = d.reads.Call() }

// described are the EC2 instances of these ids that there are.
func (d *DRS) described(ctx context.Context, region string, ids []string) (map[string]machine, error) {
	out := map[string]machine{}
	for batch := range slices.Chunk(ids, atOnce) {
		// By a filter: of ids that are gone EC2 tells nothing at all.
		in := &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{{Name: aws.String("instance-id"), Values: batch}}}
		for {
			page, err := d.machines(region).DescribeInstances(ctx, in, d.readEC2)
			if err != nil {
				return nil, fmt.Errorf("describe instances in %s: %w", region, awserr.SortRead(ctx, err))
			}
			for _, r := range page.Reservations {
				for _, i := range r.Instances {
					out[aws.ToString(i.InstanceId)] = machineAs(i)
				}
			}
			if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
				break
			}
		}
	}
	return out, nil
}

func machineAs(i ec2types.Instance) machine {
	m := machine{id: aws.ToString(i.InstanceId), subnet: aws.ToString(i.SubnetId), kind: string(i.InstanceType), address: aws.ToString(i.PrivateIpAddress)}
	if i.State != nil {
		m.state = i.State.Name
	}
	for _, g := range i.SecurityGroups {
		m.groups = append(m.groups, aws.ToString(g.GroupId))
	}
	slices.Sort(m.groups)
	if p := i.IamInstanceProfile; p != nil {
		arn := aws.ToString(p.Arn)
		m.profile = arn[strings.LastIndex(arn, "/")+1:]
	}
	return m
}

// OriginalInput is the input of Original.
type OriginalInput struct {
	// Servers is the step that found which they are.
	Servers string `yaml:"servers" json:"servers"`
}

// Original records, before anything is reversed, how each server was set up in the target
// before it was recovered, and which target groups there led to it: that of the instance
// that it was. Where that is in no target group any more, those of the same names as lead to
// it now. It is a no where that instance is gone, for then nobody can tell.
func (d *DRS) Original(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in OriginalInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	servers, err := d.listed(ctx, c, in.Servers)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	from, to := c.Plan.Source.Name, c.Plan.Target.Name
	var wanted []string
	for i := range servers {
		if id := servers[i].original(); id != "" {
			wanted = append(wanted, id)
		}
	}
	machines := map[string]machine{}
	var here, there members
	if err := d.all(
		func() (err error) { machines, err = d.described(ctx, to, wanted); return err },
		func() (err error) { here, err = d.members(ctx, from); return err },
		func() (err error) { there, err = d.members(ctx, to); return err },
	); err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: d.clock.Now()}}
	var gone, led []string
	for i := range servers {
		s := &servers[i]
		m, known := machines[s.original()]
		if !known && !s.client() {
			gone = append(gone, s.name()+" ("+none(s.original())+")")
		}
		in := there.of(s.original())
		if len(in) == 0 {
			for _, one := range here.of(s.id()) {
				if arn := there.groups[one.name]; arn != "" {
					in = append(in, member{one.name, arn, one.port})
				}
			}
		}
		for _, one := range in {
			m.targets = append(m.targets, fmt.Sprintf("%s:%d", one.name, one.port))
		}
		if len(m.targets) > 0 {
			led = append(led, s.name())
		}
		o.Evidence[s.id()] = m.String()
	}
	if len(gone) > 0 {
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("how these were set up in %s cannot be told any more, because the instance that each was is gone: %s", to, text.Some(gone, shown))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("recorded how %s set up in %s: subnet, security groups, instance profile, type; %s led to by target groups there", text.Count(len(servers), "server")+" "+was(len(servers)), to, fmt.Sprint(len(led))+" "+text.Are(len(led)))
	return o, true, nil
}

func was(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// HealthyInput is the input of Healthy.
type HealthyInput struct {
	// Launched is the step that found what was launched.
	Launched string `yaml:"launched" json:"launched"`
}

// Healthy waits until both of EC2's status checks pass for everything that was launched,
// and its own page, where the settings name one, answers 200: the server works, and finds
// its data whole.
func (d *DRS) Healthy(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in HealthyInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	settings, err := settingsOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	ids, err := found(c, in.Launched)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	region := c.Plan.Target.Name
	status, err := d.status(ctx, region, ids)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	machines, err := d.described(ctx, region, ids)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	said := make([]string, len(ids))
	if settings.ProbePort > 0 {
		var probes []func() error
		for i, id := range ids {
			probes = append(probes, func() error {
				said[i] = d.probe(ctx, machines[id].address, settings)
				return nil
			})
		}
		if err := d.all(probes...); err != nil {
			return engine.Outcome{}, false, err
		}
	}
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: d.clock.Now()}}
	var bad []string
	for i, id := range ids {
		s := status[id]
		o.Evidence[id] = strings.TrimSpace(none(s) + " " + said[i])
		switch {
		case s != statusOK:
			bad = append(bad, id+" has status checks "+none(s))
		case said[i] != "" && said[i] != probeOK:
			bad = append(bad, id+" "+said[i])
		}
	}
	good := float64(len(ids) - len(bad))
	o.Measured.Figures = []incident.Figure{{Name: "servers that work", Value: good, Unit: "servers"}}
	if len(bad) > 0 {
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("%d of %s in %s work: %s", int(good), text.Count(len(ids), "server"), region, text.Some(bad, shown))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%s in %s: both status checks pass", text.Count(len(ids), "server"), region)
	if settings.ProbePort > 0 {
		o.Summary += ", and each finds its data whole by its own page (" + settings.ProbePath + ")"
	} else {
		o.Measured.Verdict = incident.Warn
		o.Summary += `; whether their data are whole nobody has asked: the settings name no page ("server_probe_port")`
	}
	return o, true, nil
}

const (
	statusOK = "system ok, instance ok"
	probeOK  = "answers 200"
)

// status are EC2's two status checks of each instance.
func (d *DRS) status(ctx context.Context, region string, ids []string) (map[string]string, error) {
	out := map[string]string{}
	for batch := range slices.Chunk(ids, 100) {
		in := &ec2.DescribeInstanceStatusInput{IncludeAllInstances: aws.Bool(true), InstanceIds: batch}
		for {
			page, err := d.machines(region).DescribeInstanceStatus(ctx, in, d.readEC2)
			if err != nil {
				return nil, fmt.Errorf("read the status checks of instances in %s: %w", region, awserr.SortRead(ctx, err))
			}
			for _, s := range page.InstanceStatuses {
				of := func(s *ec2types.InstanceStatusSummary) string {
					if s == nil {
						return "unknown"
					}
					return string(s.Status)
				}
				out[aws.ToString(s.InstanceId)] = "system " + of(s.SystemStatus) + ", instance " + of(s.InstanceStatus)
			}
			if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
				break
			}
		}
	}
	return out, nil
}

// probeTime is how long a server may take to answer its page.
const probeTime = 5 * time.Second

// probe asks a server's own page, and says what it answers.
func (d *DRS) probe(ctx context.Context, address string, s Settings) string {
	if address == "" {
		return "has no private address"
	}
	ctx, stop := d.clock.WithTimeout(ctx, probeTime, errors.New("no answer within "+text.Duration(probeTime)))
	defer stop()
	at := "http://" + net.JoinHostPort(address, strconv.Itoa(s.ProbePort)) + s.ProbePath
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
	if err != nil {
		return "has no page at " + at
	}
	client := http.Client{Transport: &http.Transport{DialContext: d.dial, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Sprintf("does not answer at %s: %v", at, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // what was read says enough
	if resp.StatusCode != http.StatusOK {
		return strings.TrimSpace(fmt.Sprintf("answers %d at %s: %s", resp.StatusCode, at, text.Inline(string(body))))
	}
	return probeOK
}

// landed is what was launched of each server in the target and runs, by the server's id.
func (d *DRS) landed(ctx context.Context, c engine.Call, servers []server) (map[string]string, error) {
	instances, err := d.instances(ctx, c.Plan.Target.Name)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for i := range servers {
		s := &servers[i]
		n := slices.IndexFunc(instances, func(i types.RecoveryInstance) bool {
			return s.target() != "" && aws.ToString(i.SourceServerID) == s.target() && runs(i) && !aws.ToBool(i.IsDrill)
		})
		if n >= 0 {
			out[s.id()] = aws.ToString(instances[n].RecoveryInstanceID)
		}
	}
	return out, nil
}
