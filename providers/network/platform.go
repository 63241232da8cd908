package network

import (
	"maps"
	"slices"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.network in the settings; where nothing connects
// the Regions' VPCs it is left out.
var Platform = runbook.Part{Key: "network", Example: Settings{
	Peering: "pcx-0123456789abcdef0",
	Transit: "tgw-attach-0123456789abcdef0",
	Regions: map[string]Side{
		"us-east-1": {VPC: "vpc-0123456789abcdef0", Reach: "10.16.0.10:443"},
		"us-west-2": {VPC: "vpc-0fedcba9876543210", Reach: "10.32.0.10:443"},
	},
}}

// Settings say how the Regions' VPCs are connected.
type Settings struct {
	// Peering is the id of the VPC peering connection; empty without one.
	Peering string `yaml:"peering,omitempty" json:"peering,omitempty"`
	// Transit is the id of the peering attachment between the Regions' transit gateways,
	// which is used in place of a peering connection; empty without one.
	Transit string `yaml:"transit_gateway_attachment,omitempty" json:"transit_gateway_attachment,omitempty"`
	// Regions are the two ends, by Region.
	Regions map[string]Side `yaml:"regions,omitempty" json:"regions,omitempty"`
}

// Side is what there is in one Region.
type Side struct {
	// VPC is the id of the one that the platform is in.
	VPC string `yaml:"vpc" json:"vpc"`
	// Reach is a private address in it, with a port, that takes TCP connections whatever
	// happens; empty if there is none that the bot could try.
	Reach string `yaml:"reach,omitempty" json:"reach,omitempty"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	regions, reach := slices.Collect(maps.Keys(s.Regions)), map[string]string{}
	for region, side := range s.Regions {
		reach[region] = side.Reach
		if side.Reach != "" {
			c.HostPort("regions."+region+".reach", side.Reach)
		}
	}
	linked := s.Peering != "" || s.Transit != ""
	switch {
	case !linked && len(regions) > 0:
		c.Fault("regions", `what connects the VPCs is missing: give "peering" or "transit_gateway_attachment", or leave "regions" out`)
	case linked && len(regions) == 0:
		c.Fault("regions", `"regions" says which VPCs are connected: give the one of each Region`)
	case linked:
		c.EachRegion(regions)
	}
	c.Unique("reach", reach)
}
