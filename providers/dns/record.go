package dns

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// recordUndo is how a change of the record sets is taken back.
const recordUndo = "UPSERT the record sets as they were recorded, once the old Region is really healthy"

// changeID is the evidence under which a change's id is found again.
const changeID = "change"

// BalancerAlias is what an alias record of a Region's load balancer names: its DNS name
// and its hosted zone; and whether it has addresses of IPv6, too.
type BalancerAlias func(ctx context.Context, t runbook.Topology, r runbook.Region) (name, zone string, ipv6 bool, err error)

// Record moves users by the record sets of the public name: each that leads to the Region
// that is left is made to lead to the target's load balancer, and keeps everything else,
// as its health check, its set identifier and its weight. Whatever policy chooses
// among them then chooses the target.
type Record struct {
	*Shift
	balancer BalancerAlias
	verify   *Verify
}

// move is what of the record sets has to be changed.
type move struct {
	names
	plan       *runbook.Plan
	name, zone string // of the target's load balancer
	ipv6       bool
	// are the sets as they are, and want the same with all of them leading to the target.
	are, want []types.ResourceRecordSet
	// odd is why one of them cannot be changed.
	odd []string
}

// read reads the record sets and works out what they have to be. The Region that is left
// is asked nothing.
func (r Record) read(ctx context.Context, c engine.Call) (*move, error) {
	p := c.Plan
	s, err := settingsOf(p.Topology)
	if err != nil {
		return nil, err
	}
	m := &move{names: names{Settings: s, record: p.Topology.Record}, plan: p}
	var faults [2]error
	incident.Together(c.Clock, len(faults), func(i int) {
		if i == 0 {
			m.are, faults[i] = r.records(ctx, p, m.names)
			return
		}
		m.name, m.zone, m.ipv6, faults[i] = r.balancer(ctx, p.Topology, p.Target)
	})
	for _, err := range faults {
		if err != nil {
			return nil, err
		}
	}
	if m.name == "" || m.zone == "" {
		return nil, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("the load balancer of %s has no DNS name or no hosted zone: a record cannot lead to it", p.Target.Name)}
	}
	if len(m.are) == 0 {
		m.odd = append(m.odd, "there is none of type A, AAAA or CNAME")
	}
	for _, set := range m.are {
		m.lead(set)
	}
	return m, nil
}

// lead works out what a set has to be.
func (m *move) lead(set types.ResourceRecordSet) {
	at := destination(set)
	switch {
	case set.Failover != "":
		// Both of a pair would lead to the target, and no health check move anybody any more.
		m.odd = append(m.odd, fmt.Sprintf("the %s is one of a failover pair, which moves users by its health check: leave dns.strategy out", called(set)))
	case at == "":
		m.odd = append(m.odd, fmt.Sprintf("the %s holds addresses: what it would hold in %s is not known", called(set), m.plan.Target.Name))
	case set.Type == types.RRTypeAaaa && !m.ipv6:
		m.odd = append(m.odd, fmt.Sprintf("the load balancer of %s has no addresses of IPv6, and there is the %s", m.plan.Target.Name, called(set)))
	case m.isTarget(at):
	case !m.isSource(at):
		m.odd = append(m.odd, fmt.Sprintf("the %s leads to %s, which is neither %s's nor %s's", called(set), at, m.plan.Source.Name, m.plan.Target.Name))
	case set.AliasTarget != nil:
		alias := *set.AliasTarget
		name := m.name
		if strings.HasPrefix(at, dualstack) {
			name = dualstack + name
		}
		alias.DNSName, alias.HostedZoneId = aws.String(name), aws.String(m.zone)
		set.AliasTarget = &alias
	default:
		set.ResourceRecords = []types.ResourceRecord{{Value: aws.String(m.name)}}
	}
	m.want = append(m.want, set)
}

// dualstack is before the name of a load balancer in alias records that the console made.
const dualstack = "dualstack."

// destination is the name that a set leads to, in lower case; empty if it holds addresses.
func destination(set types.ResourceRecordSet) string {
	switch {
	case set.AliasTarget != nil:
		return plain(aws.ToString(set.AliasTarget.DNSName))
	case set.Type == types.RRTypeCname && len(set.ResourceRecords) == 1:
		return plain(aws.ToString(set.ResourceRecords[0].Value))
	}
	return ""
}

// plain is a name in lower case, without the dot at its end.
func plain(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// own is the host of a Region's own address.
func own(r runbook.Region) string {
	u, err := url.Parse(r.Endpoint)
	if err != nil {
		return ""
	}
	return plain(u.Hostname())
}

func (m *move) isTarget(at string) bool {
	return strings.TrimPrefix(at, dualstack) == plain(m.name) || at == own(m.plan.Target)
}

// isSource says so by the name: AWS writes the Region into that of a load balancer, and
// the Region may be unable to tell.
func (m *move) isSource(at string) bool {
	return at == own(m.plan.Source) || slices.Contains(strings.Split(at, "."), m.plan.Source.Name)
}

// changed are the sets that are not yet as they have to be.
func (m *move) changed() []types.ResourceRecordSet { return missing(m.want, m.are) }

// missing are the sets of want that are not in have as they are.
func missing(want, have []types.ResourceRecordSet) []types.ResourceRecordSet {
	return slices.DeleteFunc(slices.Clone(want), func(set types.ResourceRecordSet) bool {
		return slices.ContainsFunc(have, func(h types.ResourceRecordSet) bool { return described(h) == described(set) })
	})
}

// same says that both are the same sets, in whatever order.
func same(a, b []types.ResourceRecordSet) bool {
	return len(a) == len(b) && len(missing(a, b)) == 0 && len(missing(b, a)) == 0
}

// called is "primary A record" or "A record".
func called(set types.ResourceRecordSet) string {
	return strings.TrimSpace(aws.ToString(set.SetIdentifier) + " " + string(set.Type) + " record")
}

// described is all of a set but its name, which is everybody's: two sets are the same if
// this is.
func described(set types.ResourceRecordSet) string {
	var values []string
	for _, v := range set.ResourceRecords {
		values = append(values, plain(aws.ToString(v.Value)))
	}
	slices.Sort(values)
	out := called(set) + " to " + strings.Join(values, " ")
	if a := set.AliasTarget; a != nil {
		out = fmt.Sprintf("%s to %s (zone %s, evaluate_target_health=%t)", called(set), plain(aws.ToString(a.DNSName)), aws.ToString(a.HostedZoneId), a.EvaluateTargetHealth)
	}
	if set.TTL != nil {
		out += fmt.Sprintf(" ttl=%d", *set.TTL)
	}
	if set.Failover != "" {
		out += " failover=" + string(set.Failover)
	}
	if set.Weight != nil {
		out += fmt.Sprintf(" weight=%d", *set.Weight)
	}
	if set.Region != "" {
		out += " region=" + string(set.Region)
	}
	if set.HealthCheckId != nil {
		out += " health_check=" + *set.HealthCheckId
	}
	// What else there may be of it, by its own names.
	rest := struct {
		MultiValueAnswer        *bool                       `json:",omitempty"`
		GeoLocation             *types.GeoLocation          `json:",omitempty"`
		GeoProximityLocation    *types.GeoProximityLocation `json:",omitempty"`
		CidrRoutingConfig       *types.CidrRoutingConfig    `json:",omitempty"`
		TrafficPolicyInstanceID *string                     `json:",omitempty"`
	}{set.MultiValueAnswer, set.GeoLocation, set.GeoProximityLocation, set.CidrRoutingConfig, set.TrafficPolicyInstanceId}
	if data, err := json.Marshal(rest); err == nil && string(data) != "{}" {
		out += " " + string(data)
	}
	return out
}

// describedAll are all sets, in the order of their descriptions.
func describedAll(sets []types.ResourceRecordSet) string {
	out := make([]string, len(sets))
	for i, s := range sets {
		out[i] = described(s)
	}
	slices.Sort(out)
	return cmp.Or(strings.Join(out, "; "), "none")
}

func (m *move) outcome() engine.Outcome {
	return engine.Outcome{Evidence: map[string]string{"zone": m.Zone, "record": m.record, "record_sets": describedAll(m.are), "load_balancer": m.name}}
}

// refused is the fault of sets that cannot be changed; nil if all can.
func (m *move) refused() error {
	if len(m.odd) == 0 {
		return nil
	}
	return &incident.CallError{
		NeedsPerson: true, Definite: true,
		Err:  fmt.Errorf("the record sets of %s cannot be made to lead to %s: %s; nothing was changed", m.record, m.plan.Target.Name, strings.Join(m.odd, "; ")),
		Hint: "change them by hand in Route 53, then retry",
	}
}

// Ready checks that each record set of the public name can be made to lead to the target.
// Where the Region that is left has Route 53's only control plane it warns: a run that
// leaves it because it is down cannot rely on a change.
func (r Record) Ready(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	m, err := r.read(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := m.outcome()
	o.Measured.AsOf = c.Clock.Now()
	if len(m.odd) > 0 {
		o.Summary = fmt.Sprintf("the record sets of %s cannot be made to lead to %s: %s", m.record, m.plan.Target.Name, strings.Join(m.odd, "; "))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%d of the %d record sets of %s would be changed to lead to %s (%s)", len(m.changed()), len(m.are), m.record, m.name, m.plan.Target.Name)
	if home := controlPlanes[m.plan.Target.Partition()]; home == m.plan.Source.Name {
		o.Measured.Verdict = incident.Warn
		o.Summary += fmt.Sprintf("; Route 53's API lives in %s: while that Region is down, no record can be relied on to be changed", home)
	}
	return o, true, nil
}

// recordedSets is what Look records before a change.
type recordedSets struct {
	Zone   string `json:"zone"`
	Record string `json:"record"`
	// Was are the sets as they were, whole, and Set what the change makes of them.
	Was []types.ResourceRecordSet `json:"was"`
	Set []types.ResourceRecordSet `json:"set"`
}

// Look reports whether every record set leads to the target.
func (r Record) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	m, err := r.read(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := m.outcome()
	if err := m.refused(); err != nil {
		return o, false, err
	}
	o.Before = describedAll(m.are)
	n := len(m.changed())
	if n == 0 {
		o.Summary = fmt.Sprintf("every record set of %s leads to %s", m.record, m.plan.Target.Name)
		return o, true, nil
	}
	o.Summary = fmt.Sprintf("%d of the %d record sets of %s lead to %s", n, len(m.are), m.record, m.plan.Source.Name)
	if o.Prior, err = json.Marshal(recordedSets{m.Zone, m.record, m.are, m.want}); err != nil {
		return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("write down the record sets of %s: %w", m.record, err)}
	}
	return o, false, nil
}

// Do changes the record sets that were just read, all in one batch, which Route 53 takes
// as a whole or not at all.
func (r Record) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	m, err := r.read(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := m.outcome()
	if err := m.refused(); err != nil {
		return o, err
	}
	o.Before = describedAll(m.are)
	sets := m.changed()
	if len(sets) == 0 {
		o.Summary = fmt.Sprintf("every record set of %s led to %s already", m.record, m.plan.Target.Name)
		return o, nil
	}
	if err := r.change(ctx, c, m.Zone, upserts(sets), o.Evidence); err != nil {
		return o, fmt.Errorf("change the record sets of %s in zone %s: %w", m.record, m.Zone, err)
	}
	o.Summary = fmt.Sprintf("change %s: every record set of %s leads to %s (%s)", o.Evidence[changeID], m.record, m.plan.Target.Name, m.name)
	return o, nil
}

func upserts(sets []types.ResourceRecordSet) []types.Change {
	out := make([]types.Change, len(sets))
	for i := range sets {
		out[i] = types.Change{Action: types.ChangeActionUpsert, ResourceRecordSet: &sets[i]}
	}
	return out
}

// change sends a batch, once.
func (r Record) change(ctx context.Context, c engine.Call, zone string, changes []types.Change, evidence map[string]string) error {
	client, err := r.client(c.Plan)
	if err != nil {
		return err
	}
	out, err := client.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: aws.String(zone), ChangeBatch: &types.ChangeBatch{Changes: changes, Comment: aws.String(string(c.Incident))},
	}, func(o *route53.Options) { o.Retryer = awserr.Once() })
	if err != nil {
		return awserr.Sort(ctx, err)
	}
	if out.ChangeInfo != nil {
		evidence[changeID] = strings.TrimPrefix(aws.ToString(out.ChangeInfo.Id), "/change/")
	}
	return nil
}

// back reads how the record sets stand to what was recorded of them. It is a fault if
// somebody else changed them since.
func (r Record) back(ctx context.Context, c engine.Call, prior json.RawMessage) (was recordedSets, now []types.ResourceRecordSet, err error) {
	if was, err = engine.Recorded[recordedSets](prior); err != nil {
		return was, nil, err
	}
	if now, err = r.records(ctx, c.Plan, names{Settings: Settings{Zone: was.Zone}, record: was.Record}); err != nil {
		return was, nil, err
	}
	if !same(now, was.Was) && !same(now, was.Set) {
		return was, now, c.Meanwhile(engine.Difference{What: "the record of " + was.Record, Now: describedAll(now), Set: describedAll(was.Set), Was: describedAll(was.Was)})
	}
	return was, now, nil
}

func (w recordedSets) outcome(now []types.ResourceRecordSet) engine.Outcome {
	return engine.Outcome{Evidence: map[string]string{"zone": w.Zone, "record": w.Record, "record_sets": describedAll(now)}}
}

// LookBack reports whether the record sets are as they were before.
func (r Record) LookBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	was, now, err := r.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := was.outcome(now)
	if same(now, was.Was) {
		o.Summary = fmt.Sprintf("the record sets of %s are as they were", was.Record)
		return o, true, nil
	}
	o.Summary = fmt.Sprintf("the record sets of %s are %s; they were %s", was.Record, describedAll(now), describedAll(was.Was))
	return o, false, nil
}

// Back makes the record sets what they were, all in one batch: one that was not there is
// deleted, once a person has agreed to that.
func (r Record) Back(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, error) {
	was, now, err := r.back(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := was.outcome(now)
	if same(now, was.Was) {
		o.Summary = fmt.Sprintf("the record sets of %s were as before already", was.Record)
		return o, nil
	}
	var batch []types.Change
	for i := range now {
		if !slices.ContainsFunc(was.Was, func(s types.ResourceRecordSet) bool { return called(s) == called(now[i]) }) {
			batch = append(batch, types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: &now[i]})
		}
	}
	batch = append(batch, upserts(missing(was.Was, now))...)
	if err := r.change(ctx, c, was.Zone, batch, o.Evidence); err != nil {
		return o, fmt.Errorf("change the record sets of %s in zone %s back: %w", was.Record, was.Zone, err)
	}
	o.Summary = fmt.Sprintf("change %s: the record sets of %s are as they were before", o.Evidence[changeID], was.Record)
	return o, nil
}

// Effect says what would happen now.
func (r Record) Effect(ctx context.Context, c engine.Call) (incident.Effect, error) {
	m, err := r.read(ctx, c)
	if err != nil {
		return incident.Effect{}, err
	}
	if err := m.refused(); err != nil {
		return incident.Effect{}, err
	}
	what := "which lead there already"
	if sets := m.changed(); len(sets) > 0 {
		what = "UPSERT " + describedAll(sets)
	}
	return incident.Effect{
		Step:  c.Step.ID,
		What:  fmt.Sprintf("ChangeResourceRecordSets %s, %s: %s; it resolves to %s only", m.Zone, m.record, what, m.plan.Target.Name),
		Undo:  recordUndo,
		Bound: "record " + m.record + " to " + m.plan.Target.Name,
	}, nil
}

// InSync waits until all of Route 53's servers have the change, and Route 53 itself says
// that it would answer with the target's addresses alone. Where the id of the change is
// not known, as after a lost answer, the latter is all that can be asked. It says nothing of what
// resolvers have kept.
func (r Record) InSync(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	s, err := settingsOf(p.Topology)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	client, err := r.client(p)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"zone": s.Zone, "record": p.Topology.Record}}
	id := c.Left(recordAction, changeID)
	state := "the id of the change is not known"
	if id != "" {
		o.Evidence[changeID] = id
		out, err := client.GetChange(ctx, &route53.GetChangeInput{Id: aws.String(id)}, r.reading)
		if err != nil {
			return o, false, fmt.Errorf("read change %s: %w", id, awserr.SortRead(ctx, err))
		}
		if out.ChangeInfo == nil {
			return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("read change %s: the answer is empty", id)}
		}
		o.Evidence["status"] = string(out.ChangeInfo.Status)
		state = fmt.Sprintf("change %s is %s", id, out.ChangeInfo.Status)
		if out.ChangeInfo.Status != types.ChangeStatusInsync {
			o.Summary = state + ": it is not on all of Route 53's servers yet"
			return o, false, nil
		}
	}
	target, err := r.verify.target(ctx, p)
	if err != nil {
		return o, false, err
	}
	answer, err := client.TestDNSAnswer(ctx, &route53.TestDNSAnswerInput{
		HostedZoneId: aws.String(s.Zone), RecordName: aws.String(p.Topology.Record), RecordType: types.RRTypeA,
	}, r.reading)
	if err != nil {
		return o, false, fmt.Errorf("ask Route 53 what it would answer for %s: %w", p.Topology.Record, awserr.SortRead(ctx, err))
	}
	var given []netip.Addr
	var unread []error
	for _, text := range answer.RecordData {
		a, err := netip.ParseAddr(text)
		if err != nil {
			unread = append(unread, err)
			continue
		}
		given = append(given, a)
	}
	if len(unread) > 0 {
		return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("read what Route 53 would answer for %s: %w", p.Topology.Record, errors.Join(unread...))}
	}
	o.Evidence["test_dns_answer"], o.Evidence["target_addresses"] = list(given), list(target)
	if where(given, nil, target) != "dr" {
		o.Summary = fmt.Sprintf("%s, and Route 53 would answer %s (%s), not %s alone", state, cmp.Or(list(given), "nothing"), aws.ToString(answer.ResponseCode), p.Target.Name)
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%s, and Route 53 would answer %s alone", state, p.Target.Name)
	return o, true, nil
}
