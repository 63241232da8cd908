package aurora

import (
	"maps"
	"slices"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.aurora in the settings.
var Platform = runbook.Part{Key: "aurora", Formerly: "database", Example: Settings{
	GlobalCluster: "ecommerce-global",
	Regions: map[string]Member{
		"us-east-1": {"ecommerce-primary", "arn:aws:rds:us-east-1:123456789012:cluster:ecommerce-primary"},
		"us-west-2": {"ecommerce-secondary", "arn:aws:rds:us-west-2:123456789012:cluster:ecommerce-secondary"},
	},
}}

// Settings name the platform's global database.
type Settings struct {
	// GlobalCluster is the identifier of the global database.
	GlobalCluster string `yaml:"global_cluster" json:"global_cluster"`
	// ResyncMinutes is how long the cluster of a Region that was lost takes to be made
	// anew, as a drill has shown; 0 where nobody knows. AWS publishes no progress.
	ResyncMinutes int `yaml:"resync_minutes,omitempty" json:"resync_minutes,omitempty"`
	// Regions are its clusters, by Region; each of the platform's has one.
	Regions map[string]Member `yaml:"regions" json:"regions"`
}

// Member is the cluster of one Region.
type Member struct {
	// DBCluster is its identifier.
	DBCluster string `yaml:"db_cluster" json:"db_cluster"`
	// DBClusterARN is its ARN: a switchover takes nothing else.
	DBClusterARN string `yaml:"db_cluster_arn" json:"db_cluster_arn"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	if s.ResyncMinutes < 0 {
		c.Fault("resync_minutes", "%d minutes are below zero", s.ResyncMinutes)
	}
	c.EachRegion(slices.Collect(maps.Keys(s.Regions)))
	for region, m := range s.Regions {
		at := "regions." + region + ".db_cluster_arn"
		if id := c.ARN(at, m.DBClusterARN, region, "rds", "cluster:"); id != "" && m.DBCluster != "" && id != m.DBCluster {
			c.Fault(at, `"db_cluster_arn" is that of %q, but "db_cluster" is %q`, id, m.DBCluster)
		}
	}
}

// database is the global database as a run sees it.
type database struct {
	Settings
	source, target Member
}

func part(p *runbook.Plan) (database, error) {
	s, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	return database{s, s.Regions[p.Source.Name], s.Regions[p.Target.Name]}, err
}
