package sim

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53 "github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// DNS is the hosted zone and its health checks.
type DNS struct {
	Zone   string                  `json:"zone"`
	Checks map[string]*HealthCheck `json:"checks"`
	// Records as the API knows them; Served as the zone's servers do.
	Records []r53.ResourceRecordSet `json:"records"`
	Served  []r53.ResourceRecordSet `json:"served"`
	Changes []Change                `json:"changes"`
	// History is which Region the zone's servers answered since when.
	History []Since `json:"history"`
	// Lies are the Regions that public resolvers answer against the truth, or contrary.
	Lies map[string]string `json:"lies,omitempty"`
	// Alarms are those on the checks, and Topics whom SNS tells, by topic.
	Alarms []Alarm                   `json:"alarms"`
	Topics map[string][]Subscription `json:"topics"`
	// BalancerTTL is for how many seconds the names of load balancers may be kept, and so
	// alias records of them; 60 if it is 0.
	BalancerTTL int64 `json:"balancer_ttl,omitempty"`
}

// HealthCheck is a Route 53 health check.
type HealthCheck struct {
	ID      string `json:"id"`
	Type    string `json:"type"` // CALCULATED, RECOVERY_CONTROL, or what the checkers speak: HTTP, HTTPS, TCP
	Version int64  `json:"version"`
	Host    string `json:"host,omitempty"`
	Path    string `json:"path,omitempty"`
	// Port is 80 or 443, as the type has it, if it is 0.
	Port int32 `json:"port,omitempty"`
	// IP is an address that is asked whatever Host says.
	IP string `json:"ip,omitempty"`
	// Search is what the answer's body has to contain, for the types that search.
	Search   string   `json:"search,omitempty"`
	Children []string `json:"children,omitempty"`
	// Control is the ARN of the routing control of a RECOVERY_CONTROL check.
	Control string `json:"control,omitempty"`
	// Threshold is how many children have to be healthy; for all other types, how many
	// looks in a row change what the checkers believe, 3 if it is 0.
	Threshold int32 `json:"threshold,omitempty"`
	// Interval is the seconds between two looks of a checker, 10 if it is 0.
	Interval int32 `json:"interval,omitempty"`
	Disabled bool  `json:"disabled"`
	Inverted bool  `json:"inverted"`
	// What the zone's servers know of the two flags, and from when on they know
	// what stands above.
	KnownDisabled bool      `json:"known_disabled"`
	KnownInverted bool      `json:"known_inverted"`
	KnownFrom     time.Time `json:"known_from"`
	// Probe is what the checkers see, before any flag.
	Probe Seen `json:"probe"`
}

// Change is a change to the records of the zone.
type Change struct {
	ID        string    `json:"id"`
	Submitted time.Time `json:"submitted"`
	InSync    time.Time `json:"in_sync"`
	Comment   string    `json:"comment,omitempty"`
	Served    bool      `json:"served"`
	// Records of the zone after this change.
	Records []r53.ResourceRecordSet `json:"records"`
}

// How long Route 53 takes.
const (
	changeTime = 25 * time.Second // until GetChange says INSYNC
	flagTime   = 20 * time.Second // until the zone's servers know a check's flags
	probeTime  = 30 * time.Second // three probes, ten seconds apart; so, too, for a load balancer
	// controlTime is how long it takes until the zone's servers know a routing control.
	controlTime = 8 * time.Second
)

// The strategies of settings that have the records themselves changed, or routing controls
// turned.
const (
	recordChange   = "record-change"
	routingControl = "routing-control"
)

func beginDNS(start Start, long time.Time) DNS {
	standby := standbyRegion
	alias := func(region string) *r53.AliasTarget {
		return &r53.AliasTarget{DNSName: ptr(albName(region) + "."), HostedZoneId: ptr(albZone[region]), EvaluateTargetHealth: true}
	}
	dns := DNS{Zone: zoneID, Checks: map[string]*HealthCheck{}, History: []Since{{long, homeRegion}}}
	for _, c := range []*HealthCheck{
		{ID: checkPrimary, Type: "CALCULATED", Children: []string{checkEndpoint, checkTakeover}, Threshold: 2},
		{ID: checkEndpoint, Type: "HTTP", Host: endpointHost(homeRegion), Path: "/healthz", Probe: Seen{true, long, true}},
		{ID: checkTakeover, Type: "HTTP", Host: bucketHost(standby), Path: "/" + takeoverKey, Inverted: true, KnownInverted: true, Probe: Seen{false, long, false}},
	} {
		c.Version, c.KnownFrom = 1, long
		dns.Checks[c.ID] = c
	}
	if given := start.TakeoverCheck; given != nil {
		dns.look(checkTakeover, *given)
	}
	dns.Records = []r53.ResourceRecordSet{
		{Name: ptr(zoneName + "."), Type: r53.RRTypeNs, TTL: ptr(int64(172800)), ResourceRecords: []r53.ResourceRecord{{Value: ptr("ns-1." + zoneName + ".")}, {Value: ptr("ns-2." + zoneName + ".")}}},
		{
			Name: ptr(recordName + "."), Type: r53.RRTypeA, SetIdentifier: ptr("primary"), Failover: r53.ResourceRecordSetFailoverPrimary,
			HealthCheckId: ptr(checkPrimary), AliasTarget: alias(homeRegion),
		},
		{
			Name: ptr(recordName + "."), Type: r53.RRTypeA, SetIdentifier: ptr("secondary"), Failover: r53.ResourceRecordSetFailoverSecondary,
			AliasTarget: alias(standby),
		},
	}
	switch start.Strategy {
	case recordChange: // one record, whose destination is what moves users
		dns.Records = append(dns.Records[:1], r53.ResourceRecordSet{Name: ptr(recordName + "."), Type: r53.RRTypeA, AliasTarget: alias(homeRegion)})
	case routingControl: // the same pair, on checks that follow the controls
		for i, id := range []string{checkHomeOn, checkAwayOn} {
			region := regionNames[i]
			dns.Checks[id] = &HealthCheck{ID: id, Type: recoveryControl, Control: controlARN(region), Version: 1, KnownFrom: long, Probe: Seen{region == homeRegion, long, region == homeRegion}}
			dns.Records[i+1].HealthCheckId = ptr(id)
		}
	}
	for _, r := range regionNames {
		dns.Records = append(dns.Records, r53.ResourceRecordSet{Name: ptr(endpointHost(r) + "."), Type: r53.RRTypeA, AliasTarget: alias(r)})
	}
	dns.Served = slices.Clone(dns.Records)
	dns.Alarms, dns.Topics = beginAlarms(), beginTopics()
	return dns
}

// look lets a check look at another endpoint.
func (d *DNS) look(id string, at Endpoint) {
	c := d.Checks[id]
	c.Host, c.Path = cmp.Or(at.Host, c.Host), cmp.Or(at.Path, c.Path)
	c.Version++
}

// port is the one that the checkers connect to.
func (c *HealthCheck) port() int32 {
	if strings.HasPrefix(c.Type, "HTTPS") {
		return cmp.Or(c.Port, 443)
	}
	return cmp.Or(c.Port, 80)
}

// threshold is how many looks in a row change what the checkers believe.
func (c *HealthCheck) threshold() int32 { return cmp.Or(c.Threshold, 3) }

func (c *HealthCheck) interval() int32 { return cmp.Or(c.Interval, 10) }

// ZoneAnswer is the Region that the zone's own servers answer for the public name.
func (s *State) ZoneAnswer() string { return s.resolve(recordName) }

// resolve is the Region that the zone's servers answer for a name at this moment,
// by the rules of failover alias records; empty when they have no such name.
func (s *State) resolve(name string) string {
	if rec := s.given(name); rec != nil {
		return regionOf(rec)
	}
	return ""
}

// regionOf is where a record leads.
func regionOf(rec *r53.ResourceRecordSet) string {
	if rec.AliasTarget != nil {
		return regionOfALB(deref(rec.AliasTarget.DNSName))
	}
	for _, r := range rec.ResourceRecords {
		return regionOfAddress(deref(r.Value))
	}
	return ""
}

// given is the record by which the zone's servers answer a name at this moment; nil when
// they have no such name.
func (s *State) given(name string) *r53.ResourceRecordSet {
	var primary, secondary *r53.ResourceRecordSet
	for i := range s.DNS.Served {
		rec := &s.DNS.Served[i]
		if rec.Type != r53.RRTypeA || !sameName(deref(rec.Name), name) {
			continue
		}
		switch rec.Failover {
		case r53.ResourceRecordSetFailoverPrimary:
			primary = rec
		case r53.ResourceRecordSetFailoverSecondary:
			secondary = rec
		default:
			return rec
		}
	}
	up := func(rec *r53.ResourceRecordSet) bool {
		if rec.AliasTarget != nil && rec.AliasTarget.EvaluateTargetHealth {
			if r := s.Regions[regionOf(rec)]; r == nil || !r.ALB.Up {
				return false
			}
		}
		return rec.HealthCheckId == nil || s.healthy(*rec.HealthCheckId)
	}
	switch {
	case primary == nil && secondary == nil:
		return nil
	case primary == nil:
		return secondary
	case secondary == nil || up(primary):
		return primary
	case up(secondary):
		return secondary
	default:
		return primary // neither is well: everybody goes to the primary
	}
}

// healthy is what the zone's servers believe of a health check.
func (s *State) healthy(id string) bool {
	return s.healthyBelow(id, 8)
}

func (s *State) healthyBelow(id string, depth int) bool {
	c := s.DNS.Checks[id]
	if c == nil || depth == 0 {
		return true // a check that is not there does not count
	}
	var up bool
	switch {
	case c.KnownDisabled:
		up = true // checking stops, and the check counts as healthy for ever
	case c.Type == "CALCULATED":
		var n int32
		for _, child := range c.Children {
			if s.healthyBelow(child, depth-1) {
				n++
			}
		}
		up = n >= c.Threshold
	default:
		up = c.Probe.Up
	}
	return up != c.KnownInverted
}

func (s *State) stepDNS() {
	for _, name := range regionNames {
		r := s.Regions[name]
		r.ALB.observe(!r.Lost && s.targetsHealthy(r) > 0, s.At, probeTime)
	}
	for _, c := range s.DNS.Checks {
		if !c.KnownFrom.After(s.At) {
			c.KnownDisabled, c.KnownInverted = c.Disabled, c.Inverted
		}
		if c.Type != "CALCULATED" {
			lasting := probeTime * time.Duration(c.interval()*c.threshold()) / 30
			if c.Type == recoveryControl {
				lasting = controlTime
			}
			c.Probe.observe(s.answers(c), s.At, lasting)
		}
	}
	for i := range s.DNS.Changes {
		if ch := &s.DNS.Changes[i]; !ch.Served && !ch.InSync.After(s.At) {
			ch.Served = true
			s.DNS.Served = ch.Records
		}
	}
	now := s.resolve(recordName)
	if h := s.DNS.History; len(h) == 0 || h[len(h)-1].Region != now {
		s.DNS.History = append(h, Since{s.At, now})
		if len(h) > 0 {
			s.mark(markDNSMoved)
		}
	}
}

// answers says whether a checker of Route 53 gets a good answer from what it looks at.
func (s *State) answers(c *HealthCheck) bool {
	if c.Type == recoveryControl {
		return s.Controls.States[c.Control] == controlOn
	}
	if c.IP != "" {
		r := s.Regions[regionOfAddress(c.IP)]
		return r != nil && !r.Lost && s.targetsHealthy(r) > 0
	}
	host := c.Host
	if sameName(host, recordName) { // who looks at the public name sees what users get
		host = endpointHost(s.resolve(recordName))
	}
	for _, name := range regionNames {
		r := s.Regions[name]
		switch host {
		case endpointHost(name): // the load balancers listen on port 80 only
			page := c.Type == "TCP" || c.Path == "/healthz" || slices.ContainsFunc(services, func(v service) bool { return v.topology.Health != "" && v.topology.Health == c.Path })
			return !r.Lost && c.port() == 80 && page && s.targetsHealthy(r) > 0 && (c.Type == "TCP" || !s.faulted(name, "GET "+c.Path))
		case bucketHost(name):
			if c.Type == "TCP" { // S3 answers whatever the bucket holds
				return !r.Lost
			}
			o, there := r.Buckets[bucketName(name)][strings.TrimPrefix(c.Path, "/")]
			wellKnown := strings.HasPrefix(c.Type, "HTTPS") && c.port() == 443 || !strings.HasPrefix(c.Type, "HTTPS") && c.port() == 80
			return !r.Lost && wellKnown && there && !r.PrivateBuckets && strings.Contains(string(o.Body), c.Search)
		}
	}
	return false
}

// route53Home is where every call of the control plane lives.
const route53Home = "us-east-1"

var route53API = awsAPI{
	system: "aws.route53",
	home:   route53Home,
	operations: map[string]operation{
		"GetHealthCheck":           reads(getHealthCheck),
		"GetHealthCheckStatus":     reads(getHealthCheckStatus),
		"UpdateHealthCheck":        changes(updateHealthCheck),
		"GetHostedZone":            reads(getHostedZone),
		"ListHostedZones":          reads(listHostedZones).lostAs(Refuse),
		"ListResourceRecordSets":   reads(listRecords),
		"ChangeResourceRecordSets": changes(changeRecords),
		"GetChange":                reads(getChange),
		"TestDNSAnswer":            reads(testDNSAnswer),
	},
	target: func(in any) string {
		switch in := in.(type) {
		case *route53.GetHealthCheckInput:
			return deref(in.HealthCheckId)
		case *route53.UpdateHealthCheckInput:
			return deref(in.HealthCheckId)
		case *route53.GetHealthCheckStatusInput:
			return deref(in.HealthCheckId)
		case *route53.ListResourceRecordSetsInput:
			return deref(in.HostedZoneId)
		case *route53.ChangeResourceRecordSetsInput:
			return deref(in.HostedZoneId)
		case *route53.GetHostedZoneInput:
			return deref(in.Id)
		case *route53.TestDNSAnswerInput:
			return deref(in.RecordName)
		case *route53.GetChangeInput:
			return deref(in.Id)
		}
		return ""
	},
}

func (r request) check(id *string) (*HealthCheck, error) {
	if c, ok := r.DNS.Checks[deref(id)]; ok {
		return c, nil
	}
	return nil, &r53.NoSuchHealthCheck{Message: ptr("No health check exists with the specified ID " + deref(id))}
}

func (c *HealthCheck) typed() *r53.HealthCheck {
	cfg := &r53.HealthCheckConfig{Type: r53.HealthCheckType(c.Type), Disabled: ptr(c.Disabled), Inverted: ptr(c.Inverted)}
	switch c.Type {
	case "CALCULATED":
		cfg.ChildHealthChecks, cfg.HealthThreshold = slices.Clone(c.Children), ptr(c.Threshold)
	case recoveryControl:
		cfg.RoutingControlArn = ptr(c.Control)
	default:
		cfg.FullyQualifiedDomainName, cfg.ResourcePath, cfg.Port = ptr(c.Host), ptr(c.Path), ptr(c.port())
		cfg.RequestInterval, cfg.FailureThreshold, cfg.MeasureLatency = ptr(c.interval()), ptr(c.threshold()), ptr(false)
		if c.IP != "" {
			cfg.IPAddress = ptr(c.IP)
		}
		if c.Search != "" {
			cfg.SearchString = ptr(c.Search)
		}
	}
	return &r53.HealthCheck{Id: ptr(c.ID), HealthCheckVersion: ptr(c.Version), CallerReference: ptr("pretend-" + c.ID), HealthCheckConfig: cfg}
}

func getHealthCheck(r request, in *route53.GetHealthCheckInput) (*route53.GetHealthCheckOutput, error) {
	c, err := r.check(in.HealthCheckId)
	if err != nil {
		return nil, err
	}
	return &route53.GetHealthCheckOutput{HealthCheck: c.typed()}, nil
}

func getHealthCheckStatus(r request, in *route53.GetHealthCheckStatusInput) (*route53.GetHealthCheckStatusOutput, error) {
	c, err := r.check(in.HealthCheckId)
	if err != nil {
		return nil, err
	}
	if c.Type == "CALCULATED" || c.Type == recoveryControl {
		return nil, &r53.InvalidInput{Message: ptr("The status of a " + c.Type + " health check cannot be read this way")}
	}
	status := "Failure: The HTTP request timed out."
	if c.Probe.Now {
		status = "Success: HTTP Status Code 200, OK"
	} else if c.ID == checkTakeover && !r.Regions[standbyRegion].Lost {
		status = "Failure: HTTP Status Code 404, Not Found"
	}
	out := &route53.GetHealthCheckStatusOutput{}
	for i, region := range []r53.HealthCheckRegion{"us-east-1", "us-west-1", "us-west-2", "eu-west-1", "ap-southeast-1", "sa-east-1"} {
		out.HealthCheckObservations = append(out.HealthCheckObservations, r53.HealthCheckObservation{
			Region: region, IPAddress: ptr(fmt.Sprintf("192.0.2.%d", 10+i)),
			StatusReport: &r53.StatusReport{Status: ptr(status), CheckedTime: ptr(r.now.Add(-time.Duration(1+i) * time.Second))},
		})
	}
	return out, nil
}

func updateHealthCheck(r request, in *route53.UpdateHealthCheckInput) (*route53.UpdateHealthCheckOutput, error) {
	c, err := r.check(in.HealthCheckId)
	if err != nil {
		return nil, err
	}
	if in.HealthCheckVersion != nil && *in.HealthCheckVersion != c.Version {
		return nil, &r53.HealthCheckVersionMismatch{Message: ptr(fmt.Sprintf("The health check has version %d, the request has %d", c.Version, *in.HealthCheckVersion))}
	}
	if len(in.ChildHealthChecks) > 0 && c.Type != "CALCULATED" || in.HealthThreshold != nil && c.Type != "CALCULATED" {
		return nil, &r53.InvalidInput{Message: ptr("Only a CALCULATED health check has children")}
	}
	if in.Disabled != nil {
		c.Disabled = *in.Disabled
	}
	if in.Inverted != nil {
		c.Inverted = *in.Inverted
	}
	if len(in.ChildHealthChecks) > 0 {
		c.Children = slices.Clone(in.ChildHealthChecks)
	}
	if in.HealthThreshold != nil {
		c.Threshold = *in.HealthThreshold
	}
	if in.FullyQualifiedDomainName != nil {
		c.Host = *in.FullyQualifiedDomainName
	}
	if in.ResourcePath != nil {
		c.Path = *in.ResourcePath
	}
	c.Version++
	c.KnownFrom = r.now.Add(flagTime)
	return &route53.UpdateHealthCheckOutput{HealthCheck: c.typed()}, nil
}

func (r request) isZone(id *string) error {
	if strings.TrimPrefix(deref(id), "/hostedzone/") != r.DNS.Zone {
		return &r53.NoSuchHostedZone{Message: ptr("No hosted zone found with ID: " + deref(id))}
	}
	return nil
}

func getHostedZone(r request, in *route53.GetHostedZoneInput) (*route53.GetHostedZoneOutput, error) {
	if err := r.isZone(in.Id); err != nil {
		return nil, err
	}
	return &route53.GetHostedZoneOutput{
		HostedZone:    r.hostedZone(),
		DelegationSet: &r53.DelegationSet{NameServers: []string{"ns-1." + zoneName, "ns-2." + zoneName}},
	}, nil
}

func (r request) hostedZone() *r53.HostedZone {
	return &r53.HostedZone{
		Id: ptr("/hostedzone/" + r.DNS.Zone), Name: ptr(zoneName + "."), CallerReference: ptr("pretend"),
		ResourceRecordSetCount: ptr(int64(len(r.DNS.Records))), Config: &r53.HostedZoneConfig{PrivateZone: false},
		Features: &r53.HostedZoneFeatures{AcceleratedRecoveryStatus: r53.AcceleratedRecoveryStatusDisabled},
	}
}

// listHostedZones tells of a private zone of the same name, too, as accounts have them.
func listHostedZones(r request, _ *route53.ListHostedZonesInput) (*route53.ListHostedZonesOutput, error) {
	private := r53.HostedZone{
		Id: ptr("/hostedzone/Z0PRIVATE0PRETEND"), Name: ptr(zoneName + "."), CallerReference: ptr("pretend-private"), Config: &r53.HostedZoneConfig{PrivateZone: true},
	}
	return &route53.ListHostedZonesOutput{MaxItems: ptr(int32(100)), HostedZones: []r53.HostedZone{private, *r.hostedZone()}}, nil
}

func listRecords(r request, in *route53.ListResourceRecordSetsInput) (*route53.ListResourceRecordSetsOutput, error) {
	if err := r.isZone(in.HostedZoneId); err != nil {
		return nil, err
	}
	sets := slices.Clone(r.DNS.Records)
	// Route 53 orders by name with the labels reversed.
	key := func(name, kind, id string) string {
		labels := strings.Split(strings.TrimSuffix(strings.ToLower(name), "."), ".")
		slices.Reverse(labels)
		return strings.Join(labels, ".") + "\x00" + kind + "\x00" + id
	}
	of := func(s r53.ResourceRecordSet) string {
		return key(deref(s.Name), string(s.Type), deref(s.SetIdentifier))
	}
	sort.SliceStable(sets, func(i, j int) bool { return of(sets[i]) < of(sets[j]) })
	if in.StartRecordName != nil {
		from := key(*in.StartRecordName, string(in.StartRecordType), deref(in.StartRecordIdentifier))
		if in.StartRecordType == "" {
			from = strings.TrimRight(from, "\x00")
		}
		sets = slices.DeleteFunc(sets, func(s r53.ResourceRecordSet) bool { return of(s) < from })
	}
	n := int(deref(in.MaxItems))
	if n <= 0 || n > 300 {
		n = 300
	}
	out := &route53.ListResourceRecordSetsOutput{MaxItems: ptr(int32(n))}
	if len(sets) > n {
		next := sets[n]
		out.IsTruncated, out.NextRecordName, out.NextRecordType, out.NextRecordIdentifier = true, next.Name, next.Type, next.SetIdentifier
		sets = sets[:n]
	}
	out.ResourceRecordSets = sets
	return out, nil
}

func changeRecords(r request, in *route53.ChangeResourceRecordSetsInput) (*route53.ChangeResourceRecordSetsOutput, error) {
	if err := r.isZone(in.HostedZoneId); err != nil {
		return nil, err
	}
	records := slices.Clone(r.DNS.Records)
	for _, c := range in.ChangeBatch.Changes {
		set := *c.ResourceRecordSet
		name := strings.ToLower(strings.TrimSuffix(deref(set.Name), ".")) + "."
		set.Name = ptr(name)
		invalid := func(format string, args ...any) error {
			text := fmt.Sprintf(format, args...)
			return &r53.InvalidChangeBatch{Message: ptr(text), Messages: []string{text}}
		}
		if !strings.HasSuffix(name, zoneName+".") {
			return nil, invalid("RRSet with DNS name %s is not permitted in zone %s.", name, zoneName)
		}
		if set.AliasTarget == nil && (len(set.ResourceRecords) == 0 || set.TTL == nil) {
			return nil, invalid("RRSet %s %s has to have an alias target, or a TTL and values", name, set.Type)
		}
		if set.HealthCheckId != nil {
			if _, ok := r.DNS.Checks[*set.HealthCheckId]; !ok {
				return nil, invalid("The health check %s does not exist", *set.HealthCheckId)
			}
		}
		i := slices.IndexFunc(records, func(have r53.ResourceRecordSet) bool {
			return sameName(deref(have.Name), name) && have.Type == set.Type && deref(have.SetIdentifier) == deref(set.SetIdentifier)
		})
		switch {
		case c.Action == r53.ChangeActionCreate && i >= 0:
			return nil, invalid("Tried to create resource record set %s type %s but it already exists", name, set.Type)
		case c.Action == r53.ChangeActionDelete && i < 0:
			return nil, invalid("Tried to delete resource record set %s type %s but it was not found", name, set.Type)
		case c.Action == r53.ChangeActionDelete:
			records = slices.Delete(records, i, i+1)
		case i >= 0:
			records[i] = set
		default:
			records = append(records, set)
		}
	}
	r.DNS.Records = records
	id := fmt.Sprintf("C%020X", draw(r.Seed, 1<<60, "change", len(r.DNS.Changes), r.now))
	r.DNS.Changes = append(r.DNS.Changes, Change{
		ID: id, Submitted: r.now, InSync: r.now.Add(changeTime), Comment: deref(in.ChangeBatch.Comment), Records: slices.Clone(records),
	})
	return &route53.ChangeResourceRecordSetsOutput{ChangeInfo: &r53.ChangeInfo{Id: ptr("/change/" + id), Status: r53.ChangeStatusPending, SubmittedAt: ptr(r.now), Comment: in.ChangeBatch.Comment}}, nil
}

func getChange(r request, in *route53.GetChangeInput) (*route53.GetChangeOutput, error) {
	for _, c := range r.DNS.Changes {
		if c.ID != strings.TrimPrefix(deref(in.Id), "/change/") {
			continue
		}
		status := r53.ChangeStatusPending
		if c.Served {
			status = r53.ChangeStatusInsync
		}
		return &route53.GetChangeOutput{ChangeInfo: &r53.ChangeInfo{Id: ptr("/change/" + c.ID), Status: status, SubmittedAt: ptr(c.Submitted), Comment: ptr(c.Comment)}}, nil
	}
	return nil, &r53.NoSuchChange{Message: ptr("A change with the ID " + deref(in.Id) + " does not exist")}
}

func testDNSAnswer(r request, in *route53.TestDNSAnswerInput) (*route53.TestDNSAnswerOutput, error) {
	if err := r.isZone(in.HostedZoneId); err != nil {
		return nil, err
	}
	if in.ResolverIP != nil && net.ParseIP(*in.ResolverIP) == nil {
		return nil, &r53.InvalidInput{Message: ptr("ResolverIP is not an address: " + *in.ResolverIP)}
	}
	out := &route53.TestDNSAnswerOutput{
		Nameserver: ptr("ns-1." + zoneName), Protocol: ptr("UDP"), RecordName: in.RecordName, RecordType: in.RecordType, ResponseCode: ptr("NOERROR"),
	}
	region := r.resolve(*in.RecordName)
	if region == "" {
		out.ResponseCode = ptr("NXDOMAIN")
	} else if in.RecordType == r53.RRTypeA {
		out.RecordData = slices.Clone(addresses[region])
	}
	return out, nil
}

// expectDNS says how the zone and its checks are not what a scenario expects.
func (s *State) expectDNS(e Expect, say say) {
	if e.DNS != "" {
		if at := s.resolve(recordName); at != e.DNS {
			say("the zone answers %s for %s, expected %s", at, recordName, e.DNS)
		}
	}
	if h := e.HealthCheck; h != nil {
		if c := s.DNS.Checks[checkPrimary]; c.Disabled != h.Disabled || c.Inverted != h.Inverted {
			say("the primary's health check has disabled %t and inverted %t, expected %t and %t", c.Disabled, c.Inverted, h.Disabled, h.Inverted)
		}
	}
}
