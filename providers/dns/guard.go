package dns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Lever is what has to be known of the takeover object to compare a check with it.
type Lever struct {
	// Addresses are the URLs under which anybody reads the object that makes a Region
	// take over; the first is the usual one.
	Addresses func(ctx context.Context, t runbook.Topology, r runbook.Region) ([]*url.URL, error)
	// Readable says why the probe object beside it cannot be read by whoever does not
	// sign; plain is without TLS.
	Readable func(ctx context.Context, t runbook.Topology, r runbook.Region, plain bool) error
	// There is whether the object itself lies in the Region's bucket: "s3://bucket/key, an
	// object that INC-2026-0042 put at ..."; empty if not.
	There func(ctx context.Context, t runbook.Topology, r runbook.Region) (string, error)
	// Page is the status that a page answers with, asked for from here.
	Page func(ctx context.Context, u string) (status int, err error)
}

const (
	// patientLooks is how many looks in a row a checker wants before it believes what it
	// sees, and quickSeconds how long it is between two: as the runbook has them. Fewer
	// looks take a hiccup for an outage.
	patientLooks, quickSeconds = 3, 10
	// slowSeconds is between two looks where a check says nothing: Route 53's own default.
	// https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html
	slowSeconds = 30
	// comparing is how long the comparison may take in an unplanned failover, which
	// goes on without it: Route 53's API may live in the Region that is gone.
	comparing = 10 * time.Second
)

// The types of checks that look at an address over HTTP, by scheme.
var speaks = map[string][]types.HealthCheckType{
	"http":  {types.HealthCheckTypeHttp, types.HealthCheckTypeHttpStrMatch},
	"https": {types.HealthCheckTypeHttps, types.HealthCheckTypeHttpsStrMatch},
}

var ports = map[string]int32{"http": 80, "https": 443}

// scheme is that of a check's requests; empty for one that makes none.
func scheme(t types.HealthCheckType) string {
	for name, kinds := range speaks {
		if slices.Contains(kinds, t) {
			return name
		}
	}
	return ""
}

// comparison collects what of the records and checks is not as a run needs it.
type comparison struct {
	*Shift
	plan     *runbook.Plan
	names    names
	checks   map[string]*types.HealthCheck
	evidence map[string]string
	// returning: the run leads to the Region whose record is the primary; away: the other
	// one may be lost, and nothing is asked of it.
	returning, away bool
	// wrong keeps users where they are, or sends them back; astray is wrong with what
	// sees an outage, and stops nobody from being moved by hand; notes are no fault.
	wrong, astray, notes []string
}

func (g *comparison) say(format string, args ...any) {
	g.wrong = append(g.wrong, fmt.Sprintf(format, args...))
}

// check reads a health check, once.
func (g *comparison) check(ctx context.Context, id string) (*types.HealthCheckConfig, error) {
	h, ok := g.checks[id]
	if !ok {
		var err error
		if h, err = g.Shift.check(ctx, g.plan, id); err != nil {
			return nil, err
		}
		g.checks[id] = h
	}
	return h.HealthCheckConfig, nil
}

// Guard checks that moving users by the health checks will do what it is meant to: the
// PRIMARY record hangs on the calculated check, that one counts the endpoint and the
// inverted takeover check and needs both, these look at what the settings say, and the
// standby may be answered.
func (s *Shift) Guard(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	g, err := s.compare(ctx, c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o, ok := g.outcome(slices.Concat(g.wrong, g.astray))
	return o, ok, nil
}

// Takeover checks the same in an unplanned failover, as far as the takeover object hangs
// on it. Where Route 53's API cannot be asked it says so and passes: it may be what is
// gone. What is known to be wrong does not pass, nor does a run without a lever.
func (s *Shift) Takeover(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	if _, err := leaving(c.Plan); err != nil {
		return engine.Outcome{}, false, err
	}
	if _, err := s.client(c.Plan); err != nil {
		return engine.Outcome{}, false, err
	}
	at, err := s.lever.Addresses(ctx, c.Plan.Topology, c.Plan.Target)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	bounded, stop := c.Clock.WithTimeout(ctx, comparing, fmt.Errorf("no answer within %s", comparing))
	defer stop()
	g, err := s.compare(bounded, c.Plan)
	switch {
	case ctx.Err() != nil:
		return engine.Outcome{}, false, context.Cause(ctx)
	case err != nil && awserr.Missing(err): // the API answered: there is no such check or zone
		return engine.Outcome{}, false, err
	case err != nil:
		o := engine.Outcome{Measured: incident.Measured{Verdict: incident.Unsure}, Evidence: map[string]string{"record": c.Plan.Topology.Record, "error": err.Error()}}
		o.Summary = fmt.Sprintf("not compared: Route 53's API could not be asked what the takeover check looks at. It has to be %s%s", at[0].Host, at[0].EscapedPath())
		return o, true, nil
	}
	g.notes = append(g.notes, g.astray...)
	o, ok := g.outcome(g.wrong)
	return o, ok, nil
}

// homeward compares for a run that leads to the Region whose record is the primary.
func homeward(p *runbook.Plan) func(*comparison) {
	return func(g *comparison) { g.returning, g.away = true, p.Mode == "unplanned" }
}

func (g *comparison) outcome(wrong []string) (engine.Outcome, bool) {
	o := engine.Outcome{Evidence: g.evidence}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		o.Summary = fmt.Sprintf("the failover records of %s would not move users, or would send them back: %s", g.names.record, strings.Join(slices.Compact(wrong), "; "))
		return o, false
	}
	o.Summary = fmt.Sprintf("%s: the PRIMARY record hangs on %s, which needs the endpoint and the takeover check, and both look where they should; the standby may be answered", g.names.record, g.names.HealthCheck)
	if len(g.notes) > 0 {
		slices.Sort(g.notes)
		o.Measured.Verdict = incident.Warn
		o.Summary = fmt.Sprintf("%s: the PRIMARY record hangs on %s, and the takeover check looks at the object; but %s", g.names.record, g.names.HealthCheck, strings.Join(g.notes, "; "))
	}
	return o, true
}

// compare reads the records and every check that they hang on.
func (s *Shift) compare(ctx context.Context, p *runbook.Plan, with ...func(*comparison)) (*comparison, error) {
	d, err := leaving(p)
	if err != nil {
		return nil, err
	}
	g := &comparison{Shift: s, plan: p, names: d, checks: map[string]*types.HealthCheck{}}
	for _, f := range with {
		f(g)
	}
	if _, err := g.check(ctx, d.HealthCheck); err != nil {
		return nil, err
	}
	g.evidence = s.evidence(g.checks[d.HealthCheck])
	g.evidence["zone"], g.evidence["record"] = d.Zone, d.record
	g.evidence["children"] = strings.Join(g.checks[d.HealthCheck].HealthCheckConfig.ChildHealthChecks, " ")
	if err := g.region(ctx, p.Source, p.Target, d.Checks); err != nil {
		return nil, err
	}
	if own, ok := d.Regions[p.Target.Name]; ok && !g.away {
		if err := g.region(ctx, p.Target, p.Source, own); err != nil {
			return nil, err
		}
	}
	records, err := s.records(ctx, p, d)
	if err != nil {
		return nil, err
	}
	if err := g.records(ctx, records); err != nil {
		return nil, err
	}
	return g, nil
}

// region compares the three checks of a Region's record; other is the Region whose
// takeover object makes this one unhealthy.
func (g *comparison) region(ctx context.Context, r, other runbook.Region, own Checks) error {
	record := "the check of " + r.Name + "'s record"
	cfg, err := g.check(ctx, own.HealthCheck)
	if err != nil {
		return err
	}
	if cfg.Type != types.HealthCheckTypeCalculated {
		g.say("%s is of type %s, not CALCULATED", record, cfg.Type)
	} else {
		for _, one := range []struct{ what, id string }{{"endpoint", own.EndpointCheck}, {"takeover", own.TakeoverCheck}} {
			if !slices.Contains(cfg.ChildHealthChecks, one.id) {
				g.say("%s does not count the %s check %s", record, one.what, one.id)
			}
		}
		if n := aws.ToInt32(cfg.HealthThreshold); int(n) != len(cfg.ChildHealthChecks) {
			g.say("%s needs %d of its %d children, not all", record, n, len(cfg.ChildHealthChecks))
		}
	}
	switch f := flagsOf(g.checks[own.HealthCheck]); {
	case f == shifted && r.Name == g.plan.Source.Name: // as this run is about to set it
		g.notes = append(g.notes, fmt.Sprintf("%s is %s already, so users are sent to %s", record, f, g.plan.Target.Name))
	case f != (flags{}):
		g.say("%s is %s already, not %s", record, f, flags{})
	}
	if err := g.object(ctx, r, other, own.TakeoverCheck); err != nil {
		return err
	}
	return g.endpoint(ctx, r.Name+"'s endpoint check", r, own.EndpointCheck)
}

// object compares a takeover check with the object in the bucket of the Region that
// would take over.
func (g *comparison) object(ctx context.Context, r, over runbook.Region, id string) error {
	cfg, err := g.check(ctx, id)
	if err != nil {
		return err
	}
	wanted, err := g.lever.Addresses(ctx, g.plan.Topology, over)
	if err != nil {
		return err
	}
	who := r.Name + "'s takeover check"
	g.evidence["takeover_check"] = seenBy(cfg)
	f := flagsOf(g.checks[id])
	if g.returning && f == ignoring {
		g.notes = append(g.notes, fmt.Sprintf("%s %s is %s: it ignores the takeover object", who, id, f))
		f = heeding
	}
	if !f.Inverted {
		g.say("%s %s is not inverted: the object's absence would move users", who, id)
	}
	if f.Disabled {
		g.say("%s is disabled: it looks at nothing", who)
	}
	speaks := scheme(cfg.Type)
	if speaks == "" {
		g.say("%s is of type %s, not HTTP or HTTPS: S3 answers whether the object is there or not", who, cfg.Type)
		return nil
	}
	if ip := aws.ToString(cfg.IPAddress); ip != "" {
		g.say("%s looks at the address %s, not at %s", who, ip, wanted[0].Host)
	}
	host, path := aws.ToString(cfg.FullyQualifiedDomainName), cmp.Or(aws.ToString(cfg.ResourcePath), "/")
	if at := slices.IndexFunc(wanted, func(u *url.URL) bool { return strings.EqualFold(strings.TrimSuffix(host, "."), u.Host) }); at < 0 {
		g.say("%s looks at the host %s, not at %s", who, orNothing(host), wanted[0].Host)
		if path != wanted[0].EscapedPath() && !slices.ContainsFunc(wanted, func(u *url.URL) bool { return path == u.EscapedPath() }) {
			g.say("%s looks at the path %s, not at %s", who, path, wanted[0].EscapedPath())
		}
	} else if !slices.ContainsFunc(wanted, func(u *url.URL) bool { return u.Host == wanted[at].Host && path == u.EscapedPath() }) {
		g.say("%s looks at the path %s, not at %s", who, path, wanted[at].EscapedPath())
	}
	if port := cmp.Or(aws.ToInt32(cfg.Port), ports[speaks]); port != ports[speaks] {
		g.say("%s looks at port %d, not at %d", who, port, ports[speaks])
	}
	if search := aws.ToString(cfg.SearchString); search != "" {
		g.say("%s looks for the text %q in the object, not for the object alone", who, search)
	}
	if n := looks(cfg); n > patientLooks {
		g.say("%s believes what it sees after %d looks, not after %d or fewer", who, n, patientLooks)
	} else {
		g.pace(who, "the object", cfg)
	}
	if speaks == "http" && !g.away {
		if err := g.lever.Readable(ctx, g.plan.Topology, over, true); err != nil && incident.CallErrorOf(err).NeedsPerson {
			g.say("%s asks without TLS, and is refused that: %v", who, err)
		}
	}
	return nil
}

// endpoint compares an endpoint check with the Region's own address.
func (g *comparison) endpoint(ctx context.Context, who string, r runbook.Region, id string) error {
	cfg, err := g.check(ctx, id)
	if err != nil {
		return err
	}
	say := func(format string, args ...any) { g.astray = append(g.astray, fmt.Sprintf(format, args...)) }
	g.evidence["endpoint_check of "+r.Name] = seenBy(cfg)
	own, err := url.Parse(r.Endpoint)
	if err != nil || own.Hostname() == "" {
		return &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("%s has no usable endpoint: %q", r.Name, r.Endpoint), Hint: "set the Region's endpoint in the settings"}
	}
	if f := flagsOf(g.checks[id]); f != (flags{}) {
		say("%s is %s, not %s", who, f, flags{})
	}
	if kinds := speaks[own.Scheme]; !slices.Contains(kinds, cfg.Type) {
		say("%s is of type %s, not %s", who, cfg.Type, kinds[0])
	}
	host := cmp.Or(aws.ToString(cfg.IPAddress), aws.ToString(cfg.FullyQualifiedDomainName))
	if !sameHost(host, own.Hostname()) {
		public := ""
		if sameHost(host, g.names.record) {
			public = ": that is the public name itself, so it would follow the failover and see the standby"
		}
		say("%s looks at the host %s, not at %s%s", who, orNothing(host), own.Hostname(), public)
	}
	want := ports[own.Scheme]
	if p := own.Port(); p != "" {
		_, _ = fmt.Sscan(p, &want) // the settings were checked
	}
	if port := cmp.Or(aws.ToInt32(cfg.Port), ports[scheme(cfg.Type)]); port != want {
		say("%s looks at port %d, not at %d", who, port, want)
	}
	g.pace(who, "an outage", cfg)
	if scheme(cfg.Type) == "" {
		return nil
	}
	path := cmp.Or(aws.ToString(cfg.ResourcePath), "/")
	if err := g.page(ctx, who, r, path); err != nil {
		return err
	}
	// Whether it is there at all is tried: a page that is not is unhealthy for good.
	if g.lever.Page != nil {
		status, err := g.lever.Page(ctx, own.Scheme+"://"+own.Host+path)
		if err == nil && status >= 400 && status < 500 {
			say("%s looks at the path %s, which %s answers with status %d, not with success", who, path, r.Name, status)
		}
	}
	return nil
}

// pace notes a check that sees what it looks for later than the runbook says, or too
// easily.
func (g *comparison) pace(who, what string, cfg *types.HealthCheckConfig) {
	every, n := cmp.Or(aws.ToInt32(cfg.RequestInterval), slowSeconds), looks(cfg)
	if every == quickSeconds && n == patientLooks {
		return
	}
	easily := ""
	if n < patientLooks {
		easily = ", and what passes by itself is taken for it"
	}
	g.notes = append(g.notes, fmt.Sprintf("%s looks every %d s and believes what it sees after %s, not every %d s and after %d: it sees %s after %d s, not after %d s%s",
		who, every, text.Count(int(n), "look"), quickSeconds, patientLooks, what, every*n, quickSeconds*patientLooks, easily))
}

// page compares the page that an endpoint check looks at with what the settings and the
// other checks say. Which one it is to be nobody has said: it has to be the same in both
// Regions, none of a service that users can do without, and not the takeover object's.
func (g *comparison) page(ctx context.Context, who string, r runbook.Region, path string) error {
	note := func(format string, args ...any) { g.notes = append(g.notes, fmt.Sprintf(format, args...)) }
	services := g.plan.Topology.Services
	some := slices.ContainsFunc(services, func(s runbook.Service) bool { return s.Needed })
	for _, s := range services {
		if some && !s.Needed && s.Health == path {
			note("%s looks at the path %s, the page of %s, which nobody waits for: users would be moved when it alone is down", who, path, s.Name)
		}
	}
	name := g.plan.Target.Name
	if other, ok := g.names.Regions[name]; ok && r.Name != name && !g.away {
		cfg, err := g.check(ctx, other.EndpointCheck)
		if err != nil {
			return err
		}
		if at := cmp.Or(aws.ToString(cfg.ResourcePath), "/"); at != path {
			note("%s looks at the path %s, and %s's at %s: they would not judge alike", who, path, name, at)
		}
	}
	for _, over := range g.plan.Topology.Regions {
		wanted, _ := g.lever.Addresses(ctx, g.plan.Topology, over) // none, where no check looks at that Region's object
		if slices.ContainsFunc(wanted, func(u *url.URL) bool { return path == u.EscapedPath() }) {
			g.astray = append(g.astray, fmt.Sprintf("%s looks at the path %s, which is the takeover object's: that is for the takeover check", who, path))
			break
		}
	}
	return nil
}

// looks is how many of them in a row change what a checker believes.
func looks(cfg *types.HealthCheckConfig) int32 { return cmp.Or(aws.ToInt32(cfg.FailureThreshold), 3) }

func sameHost(a, b string) bool {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	if errX == nil && errY == nil {
		return x == y
	}
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

// seenBy is "HTTP bucket.s3.us-west-2.amazonaws.com:80/takeover, disabled=false inverted=true".
func seenBy(cfg *types.HealthCheckConfig) string {
	host := cmp.Or(aws.ToString(cfg.IPAddress), aws.ToString(cfg.FullyQualifiedDomainName))
	return fmt.Sprintf("%s %s:%d%s, %s", cfg.Type, host, cmp.Or(aws.ToInt32(cfg.Port), ports[scheme(cfg.Type)]), aws.ToString(cfg.ResourcePath),
		flags{aws.ToBool(cfg.Disabled), aws.ToBool(cfg.Inverted)})
}

// records compares the records of the public name, for each kind of address.
func (g *comparison) records(ctx context.Context, all []types.ResourceRecordSet) error {
	byType := map[types.RRType][]types.ResourceRecordSet{}
	for _, r := range all {
		byType[r.Type] = append(byType[r.Type], r)
	}
	if names := byType[types.RRTypeCname]; len(names) > 0 {
		at := "another name"
		if v := names[0].ResourceRecords; len(v) > 0 {
			at = strings.TrimSuffix(aws.ToString(v[0].Value), ".")
		}
		g.say("%s is a CNAME of %s: failover records have to be alias records of types A and AAAA", g.names.record, at)
		return nil
	}
	if len(byType[types.RRTypeA]) == 0 && len(byType[types.RRTypeAaaa]) == 0 {
		byType[types.RRTypeA] = nil // both of its records are missing, which is said
	}
	for _, kind := range slices.Sorted(maps.Keys(byType)) {
		if err := g.pair(ctx, kind, byType[kind]); err != nil {
			return err
		}
	}
	return nil
}

// pair compares the records of one type.
func (g *comparison) pair(ctx context.Context, kind types.RRType, records []types.ResourceRecordSet) error {
	seen := map[types.ResourceRecordSetFailover]bool{}
	for _, r := range records {
		seen[r.Failover] = true
		what := fmt.Sprintf("the %s %s record", r.Failover, kind)
		switch {
		case r.Failover == "":
			g.say("the %s record of %s is no failover record: users who are answered with it stay where they are", kind, g.names.record)
			continue
		case r.AliasTarget == nil:
			g.say("%s does not evaluate its target's health: it has to be an alias record", what)
		case !r.AliasTarget.EvaluateTargetHealth:
			g.say("%s does not evaluate its target's health", what)
		}
		id := aws.ToString(r.HealthCheckId)
		if r.Failover == types.ResourceRecordSetFailoverPrimary {
			if id != g.names.HealthCheck {
				g.say("%s hangs on %s, not on %s", what, orNothing(id), g.names.HealthCheck)
			}
			continue
		}
		if err := g.secondary(ctx, what, id); err != nil {
			return err
		}
	}
	for _, f := range []types.ResourceRecordSetFailover{types.ResourceRecordSetFailoverPrimary, types.ResourceRecordSetFailoverSecondary} {
		if !seen[f] {
			g.say("there is no %s %s record", f, kind)
		}
	}
	return nil
}

// secondary compares what the SECONDARY record hangs on. Without a check of its own it
// is judged by its targets, which the readiness of the load balancer covers.
func (g *comparison) secondary(ctx context.Context, what, id string) error {
	own, known := g.names.Regions[g.plan.Target.Name]
	if known && id != own.HealthCheck {
		g.say("%s hangs on %s, not on %s", what, orNothing(id), own.HealthCheck)
	}
	if id == "" {
		return nil
	}
	bad, note, err := g.unhealthy(ctx, id)
	if err != nil {
		return fmt.Errorf("the check %s of %s: %w", id, what, err)
	}
	g.evidence["standby_check"] = id + ": " + note
	if bad && !g.returning {
		g.say("the check %s of %s is unhealthy (%s): everybody would be sent back to the primary", id, what, note)
	}
	if !known && !g.away && g.checks[id].HealthCheckConfig.Type != types.HealthCheckTypeCalculated {
		if err := g.endpoint(ctx, "the check of "+what, g.plan.Target, id); err != nil {
			return err
		}
	}
	return nil
}

// unhealthy asks Route 53's checkers about an endpoint check.
func (g *comparison) unhealthy(ctx context.Context, id string) (bool, string, error) {
	cfg, err := g.check(ctx, id)
	if err != nil {
		return false, "", err
	}
	f := flagsOf(g.checks[id])
	if f.Disabled {
		return f.Inverted, f.String(), nil
	}
	if cfg.Type == types.HealthCheckTypeCalculated {
		if f.Inverted {
			return false, f.String() + ", calculated", nil
		}
		return false, "calculated, not told by Route 53's API", nil
	}
	good, n, err := g.observed(ctx, g.plan, id)
	if err != nil {
		return false, "", err
	}
	return healthy(good, n) == f.Inverted, fmt.Sprintf("%d of %d checkers see success", good, n), nil
}

// observed is how many of Route 53's checkers see success where a check looks, before
// any inversion.
func (s *Shift) observed(ctx context.Context, p *runbook.Plan, id string) (good, of int, err error) {
	client, err := s.client(p)
	if err != nil {
		return 0, 0, err
	}
	out, err := client.GetHealthCheckStatus(ctx, &route53.GetHealthCheckStatusInput{HealthCheckId: aws.String(id)}, s.reading)
	if err != nil {
		return 0, 0, fmt.Errorf("read the status of health check %s: %w", id, awserr.SortRead(ctx, err))
	}
	for _, ob := range out.HealthCheckObservations {
		if ob.StatusReport != nil && strings.HasPrefix(aws.ToString(ob.StatusReport.Status), "Success") {
			good++
		}
	}
	return good, len(out.HealthCheckObservations), nil
}

// SeenTakeover is how many of Route 53's checkers see the takeover object that moves
// users away from the source of a run.
func (s *Shift) SeenTakeover(ctx context.Context, p *runbook.Plan) (seen, of int, err error) {
	d, err := leaving(p)
	if err != nil {
		return 0, 0, err
	}
	if d.TakeoverCheck == "" {
		return 0, 0, errors.New("no takeover check is set")
	}
	return s.observed(ctx, p, d.TakeoverCheck)
}

// records are those of the platform's name that users are answered with.
func (s *Shift) records(ctx context.Context, p *runbook.Plan, d names) ([]types.ResourceRecordSet, error) {
	client, err := s.client(p)
	if err != nil {
		return nil, err
	}
	out, err := client.ListResourceRecordSets(ctx, &route53.ListResourceRecordSetsInput{
		HostedZoneId: aws.String(d.Zone), StartRecordName: aws.String(d.record), MaxItems: aws.Int32(100),
	}, s.reading)
	if err != nil {
		return nil, fmt.Errorf("list the records of %s: %w", d.record, awserr.SortRead(ctx, err))
	}
	var found []types.ResourceRecordSet
	for _, r := range out.ResourceRecordSets {
		same := strings.EqualFold(strings.TrimSuffix(aws.ToString(r.Name), "."), strings.TrimSuffix(d.record, "."))
		if same && (r.Type == types.RRTypeA || r.Type == types.RRTypeAaaa || r.Type == types.RRTypeCname) {
			found = append(found, r)
		}
	}
	return found, nil
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
