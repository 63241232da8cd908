package elb

import (
	"maps"
	"slices"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.elb in the settings.
var Platform = runbook.Part{Key: "elb", Example: Settings{Regions: map[string]Balancer{
	"us-east-1": {"arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/ecommerce-alb/0123456789abcdef"},
	"us-west-2": {"arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/ecommerce-alb/fedcba9876543210"},
}}}

// Settings name the platform's load balancers.
type Settings struct {
	// Regions are the load balancers, by Region; each of the platform's has one.
	Regions map[string]Balancer `yaml:"regions" json:"regions"`
}

// Balancer is the Application Load Balancer of one Region.
type Balancer struct {
	// LoadBalancerARN is its ARN.
	LoadBalancerARN string `yaml:"load_balancer_arn" json:"load_balancer_arn"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	c.EachRegion(slices.Collect(maps.Keys(s.Regions)))
	for region, b := range s.Regions {
		c.ARN("regions."+region+".load_balancer_arn", b.LoadBalancerARN, region, "elasticloadbalancing", "loadbalancer/app/")
	}
}

// ARN is that of a Region's load balancer.
func ARN(t runbook.Topology, r runbook.Region) (string, error) {
	s, err := runbook.PartOf[Settings](t, Platform.Key)
	return s.Regions[r.Name].LoadBalancerARN, err
}
