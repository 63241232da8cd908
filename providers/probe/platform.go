package probe

import "github.com/failoverbot/failoverbot/incident/runbook"

// Platform is what stands under platform.probe in the settings.
var Platform = runbook.Part{Key: "probe", Example: Settings{
	Public: "https://api.ecommerce.com", RegionHeader: "X-Served-By-Region", Order: "/api/v1/orders/synthetic-test",
}}

// Settings say how the platform is asked whether it works. The Regions' own
// addresses are known to all: platform.regions.
type Settings struct {
	// Public is the address users use (scheme and host).
	Public string `yaml:"public" json:"public"`
	// RegionHeader names the response header that says which Region answered.
	RegionHeader string `yaml:"region_header" json:"region_header"`
	// Order is the path to which a synthetic order is posted, and below which it is
	// read back by its id.
	Order string `yaml:"order" json:"order"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	c.Origin("public", s.Public)
	c.Rooted("order", s.Order)
}

// site is the platform as it is asked.
type site struct {
	runbook.Topology
	Settings
}

func siteOf(p *runbook.Plan) (site, error) {
	s, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	return site{p.Topology, s}, err
}
