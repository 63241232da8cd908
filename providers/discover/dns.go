package discover

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// names53 is what Route 53 tells of the public name.
type names53 struct {
	// name that users know.
	name string
	// how it was found, for people.
	how string
	// zones that could be its own; of the one that is, its records and servers.
	zones   told[r53types.HostedZone]
	zone    string
	records told[r53types.ResourceRecordSet]
	servers told[string]
	// primary and secondary are the Regions that its records lead to; nil where that is not
	// known.
	primary, secondary *region
	// checks are the record's own, by Region, and what is known of each.
	checks map[string]*checked
	// others are those of its records that are no failover records, by Region.
	others map[string]*checked
}

// checked is the health check of a record, and its children.
type checked struct {
	id   string
	kind r53types.HealthCheckType
	// control is the ARN of the routing control that turns it, of one of type
	// RECOVERY_CONTROL.
	control string
	not     *Unread
	gone    bool
	// endpoints and takeovers are the children that look at an address, and at an object.
	endpoints, takeovers []child
}

// child is one that a check counts.
type child struct{ id, host, path string }

// bare is a name without the dot at its end, in small letters.
func bare(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func zoneID(z r53types.HostedZone) string {
	return strings.TrimPrefix(aws.ToString(z.Id), "/hostedzone/")
}

// leads is where a record set leads: the name of what it is an alias of, or names; with
// dualstack in front it is the same load balancer.
func leads(s r53types.ResourceRecordSet) string {
	if s.AliasTarget != nil {
		return strings.TrimPrefix(bare(aws.ToString(s.AliasTarget.DNSName)), "dualstack.")
	}
	if s.Type == r53types.RRTypeCname && len(s.ResourceRecords) == 1 {
		return bare(aws.ToString(s.ResourceRecords[0].Value))
	}
	return ""
}

// at is the Region that the name of a load balancer is in; nil for none of ours.
// https://docs.aws.amazon.com/general/latest/gr/elb.html
func (w *world) at(host string) *region {
	for _, r := range w.regions {
		for _, part := range []string{"." + r.name + ".elb.amazonaws.", ".elb." + r.name + ".amazonaws."} {
			if strings.Contains(host, part) {
				return r
			}
		}
	}
	return nil
}

// readNames finds the public name, its zone and its checks.
func (l *look) readNames(ctx context.Context, w *world) error {
	d := &w.dns
	d.name = bare(l.Record)
	d.zones = l.zones(ctx)
	if d.zones.not != nil {
		if d.name == "" {
			return wrong("--record is missing, and it cannot be looked for: %s", d.zones.not)
		}
		return nil
	}
	public := slices.DeleteFunc(slices.Clone(d.zones.all), func(z r53types.HostedZone) bool {
		private := z.Config != nil && z.Config.PrivateZone
		name := bare(aws.ToString(z.Name))
		return private || d.name != "" && d.name != name && !strings.HasSuffix(d.name, "."+name)
	})
	if d.name != "" && len(public) == 0 {
		return wrong("--record: no public hosted zone of this account holds %s; there are %s", d.name, sentence(l.zoneNames(d.zones.all), "and"))
	}
	records := make([]told[r53types.ResourceRecordSet], len(public))
	var reads []func()
	for i := range public {
		reads = append(reads, func() { records[i] = l.records(ctx, zoneID(public[i])) })
	}
	l.together(reads...)

	failovers := map[string][]int{} // names that have a record for either case -> their zones
	for i := range public {
		for name := range w.failovers(records[i].all) {
			failovers[name] = append(failovers[name], i)
		}
	}
	i := 0
	switch {
	case d.name != "":
		if i = d.holder(public, records); i < 0 {
			return wrong("--record: %s has no record named %s%s", sentence(l.zoneNames(public), "nor"), d.name, strict.DidYouMean(d.name, slices.Sorted(maps.Keys(failovers))))
		}
	case len(failovers) == 1:
		for name, in := range failovers {
			if len(in) > 1 {
				return wrong("--record is missing: %s is in %d public zones", name, len(in))
			}
			d.name, i = name, in[0]
			d.how = fmt.Sprintf("The one name with failover records; %s looked at.", count(len(public), "public zone"))
		}
	case len(failovers) > 1:
		return wrong("--record is missing: failover records have %s. Which is the public name?", sentence(slices.Sorted(maps.Keys(failovers)), "and"))
	default:
		return wrong("--record is missing: no name has a PRIMARY and a SECONDARY record, in %s", count(len(public), "public zone"))
	}
	d.zone, d.records = zoneID(public[i]), records[i]
	l.readChecks(ctx, w)
	return nil
}

func (l *look) zoneNames(zones []r53types.HostedZone) []string {
	var out []string
	for _, z := range zones {
		out = append(out, bare(aws.ToString(z.Name)))
	}
	return slices.Compact(slices.Sorted(slices.Values(out)))
}

// holder is the zone that has records of the name, the closest one first; a zone that could
// not be read may have them. -1: none has.
func (d *names53) holder(zones []r53types.HostedZone, records []told[r53types.ResourceRecordSet]) int {
	best := -1
	for i := range zones {
		has := records[i].not != nil || slices.ContainsFunc(records[i].all, func(s r53types.ResourceRecordSet) bool { return bare(aws.ToString(s.Name)) == d.name })
		if has && (best < 0 || len(aws.ToString(zones[i].Name)) > len(aws.ToString(zones[best].Name))) {
			best = i
		}
	}
	return best
}

// failovers are the names that have both a PRIMARY and a SECONDARY record.
func (w *world) failovers(all []r53types.ResourceRecordSet) map[string]bool {
	roles := map[string]map[r53types.ResourceRecordSetFailover]bool{}
	for _, s := range all {
		if s.Failover != "" {
			name := bare(aws.ToString(s.Name))
			if roles[name] == nil {
				roles[name] = map[r53types.ResourceRecordSetFailover]bool{}
			}
			roles[name][s.Failover] = true
		}
	}
	out := map[string]bool{}
	for name, has := range roles {
		if len(has) == 2 {
			out[name] = true
		}
	}
	return out
}

// readChecks reads what the failover records hang on, and the zone's servers.
func (l *look) readChecks(ctx context.Context, w *world) {
	d := &w.dns
	d.checks, d.others = map[string]*checked{}, map[string]*checked{}
	for _, s := range d.records.all {
		if bare(aws.ToString(s.Name)) != d.name {
			continue
		}
		r := w.at(leads(s))
		switch {
		case r == nil:
			continue
		case s.Failover == "":
			if id := aws.ToString(s.HealthCheckId); id != "" {
				d.others[r.name] = &checked{id: id}
			}
			continue
		case s.Failover == r53types.ResourceRecordSetFailoverPrimary:
			d.primary = r
		default:
			d.secondary = r
		}
		r.leads = leads(s)
		if id := aws.ToString(s.HealthCheckId); id != "" {
			d.checks[r.name] = &checked{id: id}
		}
	}
	reads := []func(){func() { d.servers = l.nameservers(ctx, d.zone) }}
	for _, c := range slices.Concat(slices.Collect(maps.Values(d.checks)), slices.Collect(maps.Values(d.others))) {
		reads = append(reads, func() { l.readCheck(ctx, c) })
	}
	l.together(reads...)
}

func (l *look) readCheck(ctx context.Context, c *checked) {
	is, gone := l.check(ctx, c.id)
	c.not, c.gone = is.not, gone
	if len(is.all) == 0 {
		return
	}
	c.kind, c.control = is.all[0].Type, aws.ToString(is.all[0].RoutingControlArn)
	of := is.all[0].ChildHealthChecks
	children := make([]told[*r53types.HealthCheckConfig], len(of))
	var reads []func()
	for i, id := range of {
		reads = append(reads, func() { children[i], _ = l.check(ctx, id) })
	}
	l.together(reads...)
	for i, id := range of {
		if children[i].not != nil {
			c.not = children[i].not
		}
		for _, cfg := range children[i].all {
			one := child{id, bare(aws.ToString(cfg.FullyQualifiedDomainName)), aws.ToString(cfg.ResourcePath)}
			if aws.ToBool(cfg.Inverted) {
				c.takeovers = append(c.takeovers, one)
			} else {
				c.endpoints = append(c.endpoints, one)
			}
		}
	}
}

// ---- what follows from it ----

func (w *world) home(*region) *Setting {
	if w.dns.primary == nil {
		return leave("the Region that serves when nothing has happened: %s or %s%s", w.regions[0].name, w.regions[1].name, w.dns.why())
	}
	return has(w.dns.primary.name, "The PRIMARY record leads to %s.", w.dns.primary.leads)
}

// why says, in brackets, why the records do not tell.
func (d *names53) why() string {
	for _, not := range []*Unread{d.zones.not, d.records.not} {
		if not != nil {
			return " (" + not.brief() + ")"
		}
	}
	return " (no failover record of " + d.name + " leads to a load balancer of these Regions)"
}

func (w *world) record(*region) *Setting {
	return has(w.dns.name, "%s", cmp.Or(w.dns.how, "As it was given."))
}

func (w *world) zone(*region) *Setting {
	switch d := w.dns; {
	case d.zones.not != nil:
		return leave("the id of the hosted zone that holds %s%s", d.name, d.why())
	default:
		return has(d.zone, "The public zone that holds %s.", d.name)
	}
}

// strategy is how users are moved; nil where failover records do it, or nobody knows.
func (w *world) strategy(*region) *Setting {
	d := w.dns
	if d.name == "" || d.zones.not != nil || d.records.not != nil {
		return nil
	}
	if w.byControls() {
		return has("routing-control", "The records of %s hang on health checks of type RECOVERY_CONTROL.", d.name)
	}
	some := false
	for _, s := range d.records.all {
		if bare(aws.ToString(s.Name)) != d.name {
			continue
		}
		if some = true; s.Failover != "" {
			return nil
		}
	}
	if !some {
		return nil
	}
	return has("record-change", "None of the records of %s is one of a failover pair, so they are changed themselves.", d.name)
}

// noChecks is said where no Region's record is known to hang on a check.
func (w *world) noChecks(*region) *Setting {
	d := w.dns
	switch {
	case slices.ContainsFunc(w.regions, func(r *region) bool { return w.checkOf(r) != nil }):
		return nil
	case w.byControls():
		return leave("{}: with the strategy routing-control no check is named")
	case d.zones.not != nil || d.records.not != nil || d.primary == nil:
		return leave("by Region, the checks of its record: health_check, endpoint_check and takeover_check%s; {} with the strategy record-change", d.why())
	}
	return leave("by Region, health_check, endpoint_check and takeover_check (the PRIMARY record hangs on no health check; deploy/README.md says how they are made); {} with the strategy record-change").gone()
}

// checkOf is the check of a Region's record. A SECONDARY without one that is calculated is
// left out: nothing moves users away from it.
func (w *world) checkOf(r *region) *checked {
	c := w.dns.checks[r.name]
	if c == nil || c.controlled() || w.dns.secondary == r && c.not == nil && c.kind != r53types.HealthCheckTypeCalculated {
		return nil
	}
	return c
}

// controlled says that a routing control turns the check, and nothing else.
func (c *checked) controlled() bool { return c.kind == r53types.HealthCheckTypeRecoveryControl }

// controlOf is the check of a Region's record that a routing control turns; nil: there is none.
func (w *world) controlOf(r *region) *checked {
	for _, of := range []map[string]*checked{w.dns.checks, w.dns.others} {
		if c := of[r.name]; c != nil && c.controlled() {
			return c
		}
	}
	return nil
}

// byControls says that routing controls move users.
func (w *world) byControls() bool {
	return slices.ContainsFunc(w.regions, func(r *region) bool { return w.controlOf(r) != nil })
}

func (w *world) noControls(*region) *Setting {
	switch d := w.dns; {
	case w.byControls():
		return nil
	case d.zones.not != nil || d.records.not != nil:
		return leave("cluster_endpoints and by Region routing_control, or leave arc out%s", d.why())
	}
	return left("No record of the public name hangs on a health check of type RECOVERY_CONTROL.")
}

// routingControl is the one that lets users into a Region: its record hangs on it.
func (w *world) routingControl(r *region) *Setting {
	if !w.byControls() {
		return nil
	}
	const what = "the ARN of the routing control that lets users into "
	switch c := w.controlOf(r); {
	case c == nil:
		return leave("%s%s (no record that leads there hangs on a check of type RECOVERY_CONTROL)", what, r.name).gone()
	case c.control == "":
		return leave("%s%s (its health check %s tells none)", what, r.name, c.id)
	default:
		return has(c.control, "The health check %s of the record of %s hangs on it.", c.id, r.name)
	}
}

// clusterEndpoints are told by a control plane that is asked for nothing else.
//
// https://docs.aws.amazon.com/recovery-cluster/latest/api/cluster.html
func (w *world) clusterEndpoints(*region) *Setting {
	if !w.byControls() {
		return nil
	}
	return leave("by Region, the five endpoints of the cluster that has the routing controls: aws route53-recovery-control-config list-clusters --region us-west-2 --query 'Clusters[].ClusterEndpoints[]'").knownToPeople()
}

func (w *world) healthCheck(r *region) *Setting {
	c := w.checkOf(r)
	switch {
	case c == nil:
		return nil
	case c.gone:
		return leave("the CALCULATED health check of the record (it hangs on %s, which is not there)", c.id).gone()
	case c.not == nil && c.kind != r53types.HealthCheckTypeCalculated:
		return leave("the CALCULATED health check of the record (it hangs on %s, which is of type %s; deploy/README.md says how it is made)", c.id, c.kind).gone()
	}
	return has(c.id, "The record of %s hangs on it.", r.name)
}

func (w *world) endpointCheck(r *region) *Setting {
	return w.childOf(r, "endpoint_check", "the check of this Region's own address", "that is not inverted", func(c *checked) []child { return c.endpoints })
}

func (w *world) takeoverCheck(r *region) *Setting {
	return w.childOf(r, "takeover_check", "the inverted check of the takeover object in "+w.other(r).name, "that is inverted", func(c *checked) []child { return c.takeovers })
}

func (w *world) childOf(r *region, key, what, which string, of func(*checked) []child) *Setting {
	c := w.checkOf(r)
	if c == nil {
		return nil
	}
	var all []candidate
	for _, one := range of(c) {
		all = append(all, candidate{one.id, fmt.Sprintf("The child %s; it looks at %s%s.", which, one.host, one.path)})
	}
	return w.choose("platform.dns.regions."+r.name+"."+key, what, fmt.Sprintf("%s has no child %s", c.id, which), c.not, all)
}

func (w *world) nameservers(*region) *Setting {
	if not := cmp.Or(w.dns.zones.not, w.dns.servers.not); not != nil || len(w.dns.servers.all) == 0 {
		return leave("a list of the zone's own name servers, each host:53%s", w.dns.because(not))
	}
	var out []string
	for _, s := range w.dns.servers.all {
		out = append(out, bare(s)+":53")
	}
	return has(out, "The zone's delegation set.")
}

func (d *names53) because(not *Unread) string {
	if not == nil {
		return " (the zone tells none)"
	}
	return " (" + not.brief() + ")"
}

// resolvers are public ones that are known everywhere.
func resolvers(*world, *region) *Setting {
	of := func(name, addr string, more ...Key) Item {
		return Item{Keys: append([]Key{{"name", name}, {"addr", addr}}, more...)}
	}
	return has([]Item{
		of("Google", "8.8.8.8:53"), of("Cloudflare", "1.1.1.1:53"), of("OpenDNS", "208.67.222.222:53"), of("AWS", "169.254.169.253:53", Key{"vpc_only", true}),
	}, "Nothing tells them: public ones, which are reported and not waited for.").knownToPeople()
}

// ---- the takeover object ----

// object is what a takeover check looks at: a bucket of a Region, and a key.
func (w *world) object() (bucket, key string, in *region) {
	for _, r := range w.regions {
		c := w.checkOf(r)
		if c == nil || len(c.takeovers) != 1 {
			continue
		}
		at := c.takeovers[0]
		for _, in := range w.regions {
			if bucket, _, ok := strings.Cut(at.host, ".s3."+in.name+".amazonaws.com"); ok {
				return bucket, strings.TrimPrefix(at.path, "/"), in
			}
		}
	}
	return "", "", nil
}

func (w *world) takeoverKey(*region) *Setting {
	_, key, in := w.object()
	if in == nil || key == "" {
		return leave("the key of the takeover object, such as takeover (no takeover check tells it)")
	}
	return has(key, "The takeover check looks for it.")
}

func (w *world) takeoverBucket(r *region) *Setting {
	const what = "the bucket of the takeover object in "
	bucket, _, in := w.object()
	switch in {
	case nil:
		return leave("%s%s (no takeover check tells it)", what, r.name)
	case r:
		return has(bucket, "The takeover check of %s looks at it.", w.other(r).name)
	}
	// No check looks at this one until roles have swapped: it is named alike.
	alike := strings.ReplaceAll(bucket, in.name, r.name)
	switch {
	case r.buckets.not != nil:
		return leave("%s%s (%s)", what, r.name, r.buckets.not.brief())
	case alike != bucket && slices.Contains(r.buckets.all, alike):
		return has(alike, "Named as that of %s is.", in.name)
	}
	return leave("%s%s (no bucket there is named as %s is)", what, r.name, bucket).gone()
}
