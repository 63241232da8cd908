package dns

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Platform is what stands under platform.dns in the settings.
var Platform = runbook.Part{Key: "dns", Example: Settings{
	Zone: "Z0123456789ABCDEFGHIJ",
	Regions: map[string]Checks{
		"us-east-1": {"11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222", "33333333-3333-4333-8333-333333333333"},
		"us-west-2": {"44444444-4444-4444-8444-444444444444", "55555555-5555-4555-8555-555555555555", "66666666-6666-4666-8666-666666666666"},
	},
	Nameservers: []string{"ns-1.example.net:53", "ns-2.example.net:53"},
	Resolvers:   []Resolver{{Name: "Google", Addr: "8.8.8.8:53"}, {Name: "AWS", Addr: "169.254.169.253:53", VPCOnly: true}},
}}

// Settings say how users find the platform; its public name is platform.record.
type Settings struct {
	// Zone is the hosted zone's id.
	Zone string `yaml:"zone" json:"zone"`
	// Strategy is how users are moved. Without one it is by the health checks of Regions,
	// and in an unplanned failover by the takeover object; [ByRecord] changes the record
	// sets of the public name instead, in every failover, and [ByControl] turns routing
	// controls on which the health checks of their records hang.
	Strategy string `yaml:"strategy,omitempty" json:"strategy,omitempty"`
	// Regions are the health checks by which users are moved away from a Region. A
	// Region whose record hangs on none is left out.
	Regions map[string]Checks `yaml:"regions" json:"regions"`
	// Nameservers are the zone's own servers, host:port.
	Nameservers []string `yaml:"nameservers" json:"nameservers"`
	// Resolvers are the public ones that are reported.
	Resolvers []Resolver `yaml:"resolvers" json:"resolvers"`
}

// ByRecord is the strategy that changes the record sets of the public name. Route 53 takes
// such a change in one Region alone: while that one is down it cannot be relied on.
const ByRecord = "record-change"

// ByControl is the strategy that turns the routing controls of both Regions. It needs neither
// Route 53's API nor the Region that is left.
const ByControl = "routing-control"

// strategies are all that there are beside none.
var strategies = []string{ByRecord, ByControl}

// Checks are the Route 53 health checks of one Region's record.
type Checks struct {
	// HealthCheck is the CALCULATED check of the record. It counts EndpointCheck and
	// TakeoverCheck as children; both have to be healthy.
	HealthCheck string `yaml:"health_check" json:"health_check"`
	// EndpointCheck looks at this Region's own address.
	EndpointCheck string `yaml:"endpoint_check" json:"endpoint_check"`
	// TakeoverCheck is an inverted check of the takeover object in the other Region:
	// the object's presence makes this Region unhealthy.
	TakeoverCheck string `yaml:"takeover_check" json:"takeover_check"`
}

// Resolver is one recursive resolver.
type Resolver struct {
	// Name for people: Google.
	Name string `yaml:"name" json:"name"`
	// Addr is host:port.
	Addr string `yaml:"addr" json:"addr"`
	// VPCOnly marks 169.254.169.253 and its like: asked only inside a VPC.
	VPCOnly bool `yaml:"vpc_only,omitempty" json:"vpc_only,omitempty"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	c.OnlyRegions(slices.Collect(maps.Keys(s.Regions)))
	if s.Strategy != "" && !slices.Contains(strategies, s.Strategy) {
		c.Fault("strategy", "%q is no strategy: leave it out to move users by health checks, or write %s", s.Strategy, text.List(strategies, "or"))
	}
	if len(s.Regions) == 0 && c.Given("regions") && s.Strategy == "" {
		c.Fault("regions", `"regions" names the health checks of no Region: nothing could move users`)
	}
	for _, region := range slices.Sorted(maps.Keys(c.Topology.Regions)) {
		if partition := strict.Partition(region); controlPlanes[partition] == "" && c.Given("zone") {
			c.Fault("zone", "%s", unknownPartition(partition))
			break
		}
	}
	seen := map[string]string{}
	for _, region := range slices.Sorted(maps.Keys(s.Regions)) {
		own := s.Regions[region]
		for _, one := range []struct{ key, id string }{
			{"health_check", own.HealthCheck}, {"endpoint_check", own.EndpointCheck}, {"takeover_check", own.TakeoverCheck},
		} {
			at := "regions." + region + "." + one.key
			switch first := seen[one.id]; {
			case one.id == "":
			case strings.HasPrefix(first, region+" "):
				c.Fault(at, "%q and %q are the same check: the record's is calculated from the other two", one.key, strings.TrimPrefix(first, region+" "))
			case first != "":
				c.Fault(at, "%q is the check of %s: each Region has its own", one.key, first)
			}
			seen[one.id] = region + " " + one.key
		}
	}
	if len(s.Nameservers) == 0 && c.Given("nameservers") {
		c.Fault("nameservers", `"nameservers" names none of the zone's own servers, and they are what is believed`)
	}
	for i, n := range s.Nameservers {
		c.HostPort(fmt.Sprintf("nameservers[%d]", i), n)
	}
	names := map[string]bool{}
	for i, r := range s.Resolvers {
		at := fmt.Sprintf("resolvers[%d]", i)
		if names[r.Name] && r.Name != "" {
			c.Fault(at+".name", "resolver %q is there twice", r.Name)
		}
		names[r.Name] = true
		c.HostPort(at+".addr", r.Addr)
		if host, _, err := net.SplitHostPort(r.Addr); err == nil && host == "169.254.169.253" && !r.VPCOnly {
			c.Fault(at+".addr", "169.254.169.253 answers only inside a VPC: add vpc_only: true")
		}
	}
}

func settingsOf(t runbook.Topology) (Settings, error) {
	return runbook.PartOf[Settings](t, Platform.Key)
}

// names are what moves users away from one Region.
type names struct {
	Settings
	Checks
	record string
}

// leaving are the names of the Region that a run leaves.
func leaving(p *runbook.Plan) (names, error) {
	s, err := settingsOf(p.Topology)
	if err != nil {
		return names{}, err
	}
	own, ok := s.Regions[p.Source.Name]
	if !ok {
		return names{}, &incident.CallError{
			NeedsPerson: true,
			Err:         fmt.Errorf("no health check moves users away from %s: the settings name those of %s", p.Source.Name, strings.Join(slices.Sorted(maps.Keys(s.Regions)), ", ")),
			Hint:        "set dns.regions." + p.Source.Name + " in the settings, or move users by hand",
		}
	}
	return names{s, own, p.Topology.Record}, nil
}

// leads says that no lever moves users away from source: its record hangs on no
// health check. It is so of the Region that the records hold for the standby. A change of
// the records leads everywhere, and so do routing controls.
func leads(t runbook.Topology, source, _ string) error {
	if s, err := settingsOf(t); err == nil && s.Strategy != "" {
		return nil
	}
	_, err := leaving(&runbook.Plan{Topology: t, Source: runbook.Region{Name: source}})
	return err
}
