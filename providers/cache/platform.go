package cache

import (
	"maps"
	"slices"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.cache in the settings.
var Platform = runbook.Part{Key: "cache", Example: Settings{
	GlobalGroup: "ecommerce-cache",
	Regions:     map[string]Member{"us-east-1": {"ecommerce-cache-east"}, "us-west-2": {"ecommerce-cache-west"}},
}}

// Settings name the platform's global datastore.
type Settings struct {
	// GlobalGroup is its id, with the prefix that AWS put before the name it was given.
	GlobalGroup string `yaml:"global_group" json:"global_group"`
	// Regions are its replication groups, by Region; each of the platform's has one.
	Regions map[string]Member `yaml:"regions" json:"regions"`
}

// Member is the replication group of one Region.
type Member struct {
	// CacheGroup is its id.
	CacheGroup string `yaml:"cache_group" json:"cache_group"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) { c.EachRegion(slices.Collect(maps.Keys(s.Regions))) }

func part(p *runbook.Plan) (Settings, error) {
	return runbook.PartOf[Settings](p.Topology, Platform.Key)
}
