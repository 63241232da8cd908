package probe

import (
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.probe in the settings.
var Platform = runbook.Part{Key: "probe", Example: Settings{
	Public: "https://api.ecommerce.com", RegionHeader: "X-Served-By-Region", Order: "/api/v1/orders/synthetic-test",
	LastOrders: "/api/v1/orders?newest=20", LastOrdersID: "orders.id", LostOrders: "/api/v1/orders/lost", LostOrdersID: "orders.id", DatabasePage: "/health/db",
	InFlightPage: "/health/in-flight", InFlightField: "requests.open", SchemaPage: "/health/schema", SchemaField: "schema",
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
	// LostOrders is the path of a page that tells which orders are in the copy of a database
	// snapshot and not in the database, oldest first, once the platform knows: it is asked
	// with ?snapshot=, ?region= of the snapshot, and ?after= the last order that was
	// received, and answers 202 until then. Empty: people compare.
	LostOrders string `yaml:"lost_orders,omitempty" json:"lost_orders,omitempty"`
	// LostOrdersID is where their ids stand in its JSON, as in LastOrdersID.
	LostOrdersID string `yaml:"lost_orders_id,omitempty" json:"lost_orders_id,omitempty"`
	// DatabasePage is the path of a page on which the platform says whether it is connected
	// to its database and may write there, and to which. Empty: there is none.
	DatabasePage string `yaml:"database_page,omitempty" json:"database_page,omitempty"`
	// InFlightPage is the path of a page on which the platform says how much it has in hand:
	// requests, payments, messages. It is asked while the services that write are stopped, so
	// one that is not has to serve it. Empty: nobody tells.
	InFlightPage string `yaml:"in_flight_page,omitempty" json:"in_flight_page,omitempty"`
	// InFlightField is where the number stands in its JSON: keys with dots between, and of a
	// list each element; several are added up. Empty: the answer is the number.
	InFlightField string `yaml:"in_flight_field,omitempty" json:"in_flight_field,omitempty"`
	// SchemaPage is the path of a page on which the services of a Region say which version of
	// the database's schema they are made for. Empty: nobody tells.
	SchemaPage string `yaml:"schema_page,omitempty" json:"schema_page,omitempty"`
	// SchemaField is where the version stands in its JSON. Empty: the answer is the version.
	SchemaField string `yaml:"schema_field,omitempty" json:"schema_field,omitempty"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	c.Origin("public", s.Public)
	c.Rooted("order", s.Order)
	c.Rooted("last_orders", s.LastOrders)
	c.Rooted("lost_orders", s.LostOrders)
	c.Rooted("database_page", s.DatabasePage)
	c.Rooted("in_flight_page", s.InFlightPage)
	c.Rooted("schema_page", s.SchemaPage)
	for _, f := range []struct{ key, value, page, of, what, example string }{
		{"last_orders_id", s.LastOrdersID, "last_orders", s.LastOrders, "ids stand", "orders.id"},
		{"lost_orders_id", s.LostOrdersID, "lost_orders", s.LostOrders, "ids stand", "orders.id"},
		{"in_flight_field", s.InFlightField, "in_flight_page", s.InFlightPage, "the number stands", "requests.open"},
		{"schema_field", s.SchemaField, "schema_page", s.SchemaPage, "the version stands", "schema.version"},
	} {
		switch {
		case f.value != "" && f.of == "":
			c.Fault(f.key, "%q says where %s in the answer of %q, which is missing", f.key, f.what, f.page)
		case f.value != "" && slices.Contains(strings.Split(f.value, "."), ""):
			c.Fault(f.key, "%q is keys with dots between: %s", f.key, f.example)
		}
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
