package arc

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Platform is what stands under platform.arc in the settings; a platform whose users are
// moved in another way leaves it out.
var Platform = runbook.Part{Key: "arc", Example: Settings{
	ClusterEndpoints: map[string]string{
		"us-east-1":      "https://1a2b3c4d.route53-recovery-cluster.us-east-1.amazonaws.com/v1",
		"us-west-2":      "https://2b3c4d5e.route53-recovery-cluster.us-west-2.amazonaws.com/v1",
		"eu-west-1":      "https://3c4d5e6f.route53-recovery-cluster.eu-west-1.amazonaws.com/v1",
		"ap-northeast-1": "https://4d5e6f7a.route53-recovery-cluster.ap-northeast-1.amazonaws.com/v1",
		"ap-southeast-2": "https://5e6f7a8b.route53-recovery-cluster.ap-southeast-2.amazonaws.com/v1",
	},
	Regions: map[string]Control{
		"us-east-1": {"arn:aws:route53-recovery-control::123456789012:controlpanel/0123456789abcdef0123456789abcdef/routingcontrol/0123456789abcdef"},
		"us-west-2": {"arn:aws:route53-recovery-control::123456789012:controlpanel/0123456789abcdef0123456789abcdef/routingcontrol/fedcba9876543210"},
	},
}}

// Settings name the routing controls and the cluster that has them. They are written down
// because whoever would tell them, DescribeCluster, is a control plane.
type Settings struct {
	// ClusterEndpoints are the cluster's five endpoints, by the Region in which each lies.
	ClusterEndpoints map[string]string `yaml:"cluster_endpoints,omitempty" json:"cluster_endpoints,omitempty"`
	// Regions are the routing controls, by the Region into which each lets users.
	Regions map[string]Control `yaml:"regions,omitempty" json:"regions,omitempty"`
}

// Control is the routing control of one Region.
type Control struct {
	// RoutingControl is its ARN. The health checks of the Region's records, of type
	// RECOVERY_CONTROL, hang on it.
	RoutingControl string `yaml:"routing_control" json:"routing_control"`
}

// size is how many endpoints a cluster has, each in a Region of its own.
const size = 5

// inPanel is a routing control within the ARN of its panel.
var inPanel = regexp.MustCompile(`^[0-9A-Za-z]+/routingcontrol/[0-9A-Za-z]+$`)

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	if len(s.ClusterEndpoints) == 0 && len(s.Regions) == 0 {
		return
	}
	switch n := len(s.ClusterEndpoints); {
	case n == 0:
		c.Fault("cluster_endpoints", `"cluster_endpoints" are missing: the routing controls are reached by nothing else`)
	case n != size:
		c.Fault("cluster_endpoints", `"cluster_endpoints" has %d, and a cluster has %d, each in a Region of its own: give all, so that some may be away`, n, size)
	}
	first := map[string]string{}
	for _, region := range slices.Sorted(maps.Keys(s.ClusterEndpoints)) {
		at := "cluster_endpoints." + region
		u, err := url.Parse(s.ClusterEndpoints[region])
		if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			c.Fault(at, "the endpoint is no https address such as https://1a2b3c4d.route53-recovery-cluster.%s.amazonaws.com/v1", region)
			continue
		}
		host := strings.ToLower(u.Host)
		switch labels := strings.Split(u.Hostname(), "."); {
		case first[host] != "":
			c.Fault(at, "%s is the endpoint of %s, too: each Region has its own", host, first[host])
		case strings.Contains(host, ".amazonaws.") && !slices.Contains(labels, region):
			c.Fault(at, "%s is not in %s: its calls are signed for the Region that it lies in", host, region)
		}
		first[host] = region
	}
	if len(s.Regions) == 0 {
		c.Fault("regions", `"regions" names no routing control: nothing could move users`)
	}
	c.EachRegion(slices.Collect(maps.Keys(s.Regions)))
	controls := map[string]string{}
	for _, region := range slices.Sorted(maps.Keys(s.Regions)) {
		at := "regions." + region + ".routing_control"
		controls[region] = s.Regions[region].RoutingControl
		if rest := c.ARN(at, controls[region], "", "route53-recovery-control", "controlpanel/"); rest != "" && !inPanel.MatchString(rest) {
			c.Fault(at, `"routing_control" is the ARN of a routing control and ends with its panel and itself: controlpanel/.../routingcontrol/...`)
		}
	}
	c.Unique("routing_control", controls)
}

// ControlOf is the ARN of the routing control that lets users into a Region. Where the
// settings name none the error needs a person.
func ControlOf(t runbook.Topology, region string) (string, error) {
	s, err := runbook.PartOf[Settings](t, Platform.Key)
	if err != nil {
		return "", err
	}
	arn := s.Regions[region].RoutingControl
	if arn == "" {
		return "", unnamed(s, region)
	}
	return arn, nil
}

// EndpointsOf are the cluster's endpoints, by their Regions; none if the settings have none.
func EndpointsOf(t runbook.Topology) (map[string]string, error) {
	s, err := runbook.PartOf[Settings](t, Platform.Key)
	return s.ClusterEndpoints, err
}

// unnamed is the fault of settings that lack a control.
func unnamed(s Settings, region string) error {
	known := "none"
	if len(s.Regions) > 0 {
		known = "that of " + text.List(slices.Sorted(maps.Keys(s.Regions)), "and")
	}
	return &incident.CallError{
		NeedsPerson: true, Definite: true,
		Err:  fmt.Errorf("no routing control lets users into %s or keeps them out: the settings name %s", region, known),
		Hint: "set arc.regions." + region + ".routing_control in the settings, or leave dns.strategy out",
	}
}

// leads says that the settings name no routing control of one of both Regions, or no way to
// them.
func leads(t runbook.Topology, source, target string) error {
	for _, region := range []string{source, target} {
		if _, err := ControlOf(t, region); err != nil {
			return err
		}
	}
	_, err := endpointsOf(t)
	return err
}

// endpointsOf are the same in the order of their Regions. It is a fault if there are none.
func endpointsOf(t runbook.Topology) ([]endpoint, error) {
	all, err := EndpointsOf(t)
	if err != nil {
		return nil, err
	}
	var out []endpoint
	for _, region := range slices.Sorted(maps.Keys(all)) {
		out = append(out, endpoint{region, all[region]})
	}
	if len(out) == 0 {
		return nil, &incident.CallError{
			NeedsPerson: true, Definite: true, Err: fmt.Errorf("the settings name no endpoint of the cluster that has the routing controls"),
			Hint: "set arc.cluster_endpoints in the settings",
		}
	}
	return out, nil
}
