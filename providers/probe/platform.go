package probe

import (
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.probe in the settings.
var Platform = runbook.Part{Key: "probe", Example: Settings{
	Public: "https://api.ecommerce.com", RegionHeader: "X-Served-By-Region", Order: "/api/v1/orders/synthetic-test",
	LastOrders: "/api/v1/orders?newest=20", LastOrdersID: "orders.id", DatabasePage: "/health/db",
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
	// LastOrders is the path of a page that tells the last orders, newest first, or the
	// last one alone. It is asked while the services that write are stopped, so one that
	// is not has to serve it. Empty: nobody tells, and they are not compared.
	LastOrders string `yaml:"last_orders,omitempty" json:"last_orders,omitempty"`
	// LastOrdersID is where their ids stand in its JSON: keys with dots between, and of a
	// list each element: orders.id. Empty: the answer is the id, or a list of them.
	LastOrdersID string `yaml:"last_orders_id,omitempty" json:"last_orders_id,omitempty"`
	// DatabasePage is the path of a page on which the platform says whether it is connected
	// to its database and may write there, and to which. Empty: there is none.
	DatabasePage string `yaml:"database_page,omitempty" json:"database_page,omitempty"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	c.Origin("public", s.Public)
	c.Rooted("order", s.Order)
	c.Rooted("last_orders", s.LastOrders)
	c.Rooted("database_page", s.DatabasePage)
	switch {
	case s.LastOrdersID != "" && s.LastOrders == "":
		c.Fault("last_orders_id", `"last_orders_id" says where ids stand in the answer of "last_orders", which is missing`)
	case s.LastOrdersID != "" && slices.Contains(strings.Split(s.LastOrdersID, "."), ""):
		c.Fault("last_orders_id", `"last_orders_id" is keys with dots between: orders.id`)
	}
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
