package drs

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// member is an instance's place in a target group.
type member struct {
	name, arn string
	port      int32
}

// members are the instances that the target groups of a Region lead to.
type members struct {
	// groups are those of kind instance, by name.
	groups map[string]string
	in     map[string][]member
	// state of each place: healthy, initial, ...
	state map[string]string
}

// of are the places of an instance, those left out from which it is being taken.
func (m members) of(id string) []member { return m.in[id] }

func groupNames(all []member) []string {
	out := make([]string, len(all))
	for i, m := range all {
		out[i] = m.name
	}
	return out
}

func (d *DRS) readELB(o *elb.Options) { o.Retryer = d.reads.Call() }

func onceELB(o *elb.Options) { o.Retryer = awserr.Once() }

// members reads the target groups of a Region that lead to instances.
func (d *DRS) members(ctx context.Context, region string) (members, error) {
	m := members{groups: map[string]string{}, in: map[string][]member{}, state: map[string]string{}}
	in := &elb.DescribeTargetGroupsInput{}
	for {
		page, err := d.balancers(region).DescribeTargetGroups(ctx, in, d.readELB)
		if err != nil {
			return m, fmt.Errorf("list the target groups in %s: %w", region, awserr.SortRead(ctx, err))
		}
		for _, g := range page.TargetGroups {
			if g.TargetType == elbtypes.TargetTypeEnumInstance {
				m.groups[aws.ToString(g.TargetGroupName)] = aws.ToString(g.TargetGroupArn)
			}
		}
		if in.Marker = page.NextMarker; aws.ToString(in.Marker) == "" {
			break
		}
	}
	names := slices.Sorted(maps.Keys(m.groups))
	all := make([]*elb.DescribeTargetHealthOutput, len(names))
	var reads []func() error
	for i, name := range names {
		reads = append(reads, func() (err error) {
			all[i], err = d.balancers(region).DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: aws.String(m.groups[name])}, d.readELB)
			if err != nil {
				return fmt.Errorf("read the targets of %s in %s: %w", name, region, awserr.SortRead(ctx, err))
			}
			return nil
		})
	}
	if err := d.all(reads...); err != nil {
		return m, err
	}
	for i, name := range names {
		for _, t := range all[i].TargetHealthDescriptions {
			if t.Target == nil || t.TargetHealth == nil || t.TargetHealth.State == elbtypes.TargetHealthStateEnumDraining {
				continue
			}
			id, one := aws.ToString(t.Target.Id), member{name, m.groups[name], aws.ToInt32(t.Target.Port)}
			m.in[id] = append(m.in[id], one)
			m.state[id+" "+one.String()] = string(t.TargetHealth.State)
		}
	}
	return m, nil
}

func (m member) String() string { return m.name + ":" + strconv.Itoa(int(m.port)) }

// place is a member as it is recorded.
type place struct {
	Instance string `json:"instance"`
	Group    string `json:"group"`
	ARN      string `json:"arn"`
	Port     int32  `json:"port"`
}

func (p place) String() string {
	return p.Instance + " in " + p.Group + ":" + strconv.Itoa(int(p.Port))
}

// places are those of several servers in the Region that is left.
func places(servers []server, m members) (out []place) {
	for i := range servers {
		for _, in := range m.of(servers[i].id()) {
			out = append(out, place{servers[i].id(), in.name, in.arn, in.port})
		}
	}
	return out
}

func told(all []place) string {
	out := make([]string, len(all))
	for i, p := range all {
		out[i] = p.String()
	}
	return text.Some(out, shown)
}

// freezing is what is recorded before users are taken out of servers.
type freezing struct {
	Places []place `json:"places"`
}

// FreezeInput is the input of Freeze.
type FreezeInput struct {
	// Servers is the step that found which they are.
	Servers string `yaml:"servers" json:"servers"`
}

const freezeUndo = "register the servers in the target groups from which they were taken"

func (d *DRS) frozen(ctx context.Context, c engine.Call) (servers []server, in []place, err error) {
	var with FreezeInput
	if err := c.With(&with); err != nil {
		return nil, nil, err
	}
	if servers, err = d.listed(ctx, c, with.Servers); err != nil {
		return nil, nil, err
	}
	m, err := d.members(ctx, c.Plan.Source.Name)
	if err != nil {
		return nil, nil, err
	}
	return servers, places(servers, m), nil
}

// Freeze reports whether no target group of the Region that is left leads users to the
// servers any more.
func (d *DRS) Freeze(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	servers, in, err := d.frozen(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"places": told(in), "servers": text.Count(len(servers), "server")}}
	if len(in) == 0 {
		o.Summary = fmt.Sprintf("no target group in %s leads to %s", c.Plan.Source.Name, text.Count(len(servers), "server"))
		return o, true, nil
	}
	o.Before = told(in)
	o.Summary = fmt.Sprintf("target groups in %s lead to servers: %s", c.Plan.Source.Name, told(in))
	if o.Prior, err = json.Marshal(freezing{in}); err != nil {
		return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("write down the target groups: %w", err)}
	}
	return o, false, nil
}

// FreezeDo takes the servers out of their target groups.
func (d *DRS) FreezeDo(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	_, in, err := d.frozen(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	region := c.Plan.Source.Name
	o := engine.Outcome{Evidence: map[string]string{"places": told(in)}}
	for arn, targets := range byGroup(in) {
		_, err := d.balancers(region).DeregisterTargets(ctx, &elb.DeregisterTargetsInput{TargetGroupArn: aws.String(arn), Targets: targets}, onceELB)
		if err != nil {
			return o, fmt.Errorf("take servers out of their target group in %s: %w", region, awserr.Sort(ctx, err))
		}
	}
	o.Summary = fmt.Sprintf("users were taken out of the servers in %s: %s", region, told(in))
	if len(in) == 0 {
		o.Summary = "no target group in " + region + " led to the servers"
	}
	return o, nil
}

// byGroup are the targets of each target group, by its ARN, in order.
func byGroup(all []place) func(yield func(string, []elbtypes.TargetDescription) bool) {
	by := map[string][]elbtypes.TargetDescription{}
	for _, p := range all {
		by[p.ARN] = append(by[p.ARN], elbtypes.TargetDescription{Id: aws.String(p.Instance), Port: aws.Int32(p.Port)})
	}
	return func(yield func(string, []elbtypes.TargetDescription) bool) {
		for _, arn := range slices.Sorted(maps.Keys(by)) {
			if !yield(arn, by[arn]) {
				return
			}
		}
	}
}

// FreezeEffect says what would happen now.
func (d *DRS) FreezeEffect(ctx context.Context, c engine.Call) (incident.Effect, error) {
	servers, in, err := d.frozen(ctx, c)
	if err != nil {
		return incident.Effect{}, err
	}
	what := fmt.Sprintf("take %s in %s out of their target groups: %s. Nobody reaches them from then on, until they run in %s", text.Count(len(servers), "server"), c.Plan.Source.Name, told(in), c.Plan.Target.Name)
	if len(in) == 0 {
		what = fmt.Sprintf("nothing: no target group in %s leads to them", c.Plan.Source.Name)
	}
	return incident.Effect{
		Step: c.Step.ID, What: what, Undo: freezeUndo,
		Bound: "take out of target groups " + strings.Join(ids(servers), " "),
	}, nil
}

// thawed compares what was recorded with what there is.
func (d *DRS) thawed(ctx context.Context, c engine.Call, prior json.RawMessage) (missing []place, err error) {
	was, err := engine.Recorded[freezing](prior)
	if err != nil {
		return nil, err //nolint:wrapcheck // says what cannot be read
	}
	m, err := d.members(ctx, c.Plan.Source.Name)
	if err != nil {
		return nil, err
	}
	var found []engine.Difference
	for _, p := range was.Places {
		in := m.of(p.Instance)
		if slices.ContainsFunc(in, func(o member) bool { return o.arn == p.ARN && o.port == p.Port }) {
			continue
		}
		n := slices.IndexFunc(in, func(o member) bool { return o.arn == p.ARN })
		missing = append(missing, p)
		if n >= 0 {
			found = append(found, engine.Difference{
				What: p.Instance + " in target group " + p.Group, Now: "at port " + strconv.Itoa(int(in[n].port)), Set: "not in it", Was: "at port " + strconv.Itoa(int(p.Port)),
			})
		}
	}
	return missing, c.Meanwhile(found...)
}

// FreezeLookBack reports whether the servers are in their target groups again.
func (d *DRS) FreezeLookBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	missing, err := d.thawed(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"missing": told(missing)}}
	o.Summary = "the servers in " + c.Plan.Source.Name + " are in their target groups"
	if len(missing) > 0 {
		o.Summary = "not in their target groups: " + told(missing)
	}
	return o, len(missing) == 0, nil
}

// FreezeBack registers the servers in the target groups from which they were taken.
func (d *DRS) FreezeBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, error) {
	missing, err := d.thawed(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: map[string]string{"places": told(missing)}}
	if err := d.register(ctx, c.Plan.Source.Name, missing); err != nil {
		return o, err
	}
	o.Summary = "registered again: " + told(missing)
	if len(missing) == 0 {
		o.Summary = "the servers were in their target groups already"
	}
	return o, nil
}

func (d *DRS) register(ctx context.Context, region string, all []place) error {
	for arn, targets := range byGroup(all) {
		if _, err := d.balancers(region).RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: aws.String(arn), Targets: targets}, onceELB); err != nil {
			return fmt.Errorf("register servers in their target group in %s: %w", region, awserr.Sort(ctx, err))
		}
	}
	return nil
}

// LeadInput is the input of Lead and of Serving.
type LeadInput struct {
	// Servers is the step that found them; Original the one that recorded how they were.
	Servers  string `yaml:"servers" json:"servers"`
	Original string `yaml:"original" json:"original"`
}

const leadUndo = "from then on users write in the Region that takes over: the way back is a run of its own, once the servers are protected again"

// leading are the places in which what was launched has to be, and in which of them it is.
func (d *DRS) leading(ctx context.Context, c engine.Call) (wanted, missing []place, m members, err error) {
	var in LeadInput
	if err := c.With(&in); err != nil {
		return nil, nil, m, err
	}
	servers, err := d.listed(ctx, c, in.Servers)
	if err != nil {
		return nil, nil, m, err
	}
	region := c.Plan.Target.Name
	var landed map[string]string
	if err := d.all(
		func() (err error) { landed, err = d.landed(ctx, c, servers); return err },
		func() (err error) { m, err = d.members(ctx, region); return err },
	); err != nil {
		return nil, nil, m, err
	}
	if len(landed) == 0 && len(servers) > 0 { // that nothing is led to then is no answer
		return nil, nil, m, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("none of %s runs in %s, so there is nothing that users could be led to", text.Count(len(servers), "server"), region),
			Hint: "have them launched first",
		}
	}
	was, _ := c.Result(in.Original)
	for i := range servers {
		id, there := landed[servers[i].id()]
		before, _ := machineOf(was.Evidence[servers[i].id()])
		if !there {
			continue
		}
		for _, target := range before.targets {
			name, port, _ := strings.Cut(target, ":")
			n, err := strconv.ParseInt(port, 10, 32)
			if arn := m.groups[name]; arn == "" || err != nil {
				return nil, nil, m, &incident.CallError{
					NeedsPerson: true, Definite: true, Err: fmt.Errorf("the target group %s, which led to %s in %s, is gone", name, servers[i].name(), region),
					Hint: "make a target group of that name, and retry",
				}
			}
			p := place{id, name, m.groups[name], int32(n)}
			wanted = append(wanted, p)
			if !slices.ContainsFunc(m.of(id), func(o member) bool { return o.arn == p.ARN && o.port == p.Port }) {
				missing = append(missing, p)
			}
		}
	}
	return wanted, missing, m, nil
}

// Lead reports whether the target groups that led to the servers before lead to what was
// launched of them.
func (d *DRS) Lead(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	wanted, missing, _, err := d.leading(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"places": told(wanted), "missing": told(missing)}}
	if len(missing) > 0 {
		o.Before = "not in target groups: " + told(missing)
		o.Summary = fmt.Sprintf("target groups in %s do not lead to what was launched: %s", c.Plan.Target.Name, told(missing))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("target groups in %s lead to what was launched: %s", c.Plan.Target.Name, told(wanted))
	if len(wanted) == 0 {
		o.Summary = "no target group in " + c.Plan.Target.Name + " had led to the servers: whoever uses them finds them in another way"
	}
	return o, true, nil
}

// LeadDo registers what was launched where the servers were before.
func (d *DRS) LeadDo(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	_, missing, _, err := d.leading(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: map[string]string{"places": told(missing)}}
	if err := d.register(ctx, c.Plan.Target.Name, missing); err != nil {
		return o, err
	}
	o.Summary = fmt.Sprintf("users are led to what was launched in %s: %s", c.Plan.Target.Name, told(missing))
	return o, nil
}

// LeadEffect says what would happen now.
func (d *DRS) LeadEffect(ctx context.Context, c engine.Call) (incident.Effect, error) {
	wanted, _, _, err := d.leading(ctx, c)
	if err != nil {
		return incident.Effect{}, err
	}
	return incident.Effect{
		Step: c.Step.ID, What: fmt.Sprintf("register what was launched in %s where the servers were before: %s. Users write there from then on", c.Plan.Target.Name, told(wanted)),
		Lost:  "nothing; what stays in " + c.Plan.Source.Name + " is not written any more, and is kept",
		Undo:  leadUndo,
		Bound: "lead users to " + told(wanted),
	}, nil
}

// Serving waits until the target groups find what was launched healthy.
func (d *DRS) Serving(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	wanted, missing, m, err := d.leading(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: d.clock.Now()}}
	if len(wanted) == 0 {
		o.Measured.Verdict = incident.NotApplicable
		o.Summary = "not applicable: no target group had led to the servers"
		return o, true, nil
	}
	var bad []string
	for _, p := range wanted {
		state := m.state[p.Instance+" "+p.Group+":"+strconv.Itoa(int(p.Port))]
		o.Evidence[p.String()] = none(state)
		if state != string(elbtypes.TargetHealthStateEnumHealthy) {
			bad = append(bad, p.String()+" is "+none(state))
		}
	}
	o.Measured.Figures = []incident.Figure{{Name: "healthy targets", Value: float64(len(wanted) - len(bad)), Unit: "targets"}}
	if len(bad) > 0 || len(missing) > 0 {
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("%d of %s in %s are healthy: %s", len(wanted)-len(bad), text.Count(len(wanted), "target"), c.Plan.Target.Name, text.Some(bad, shown))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%s in %s: all healthy", text.Count(len(wanted), "target"), c.Plan.Target.Name)
	return o, true, nil
}
