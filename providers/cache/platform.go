package cache

import (
	"cmp"
	"maps"
	"net/url"
	"slices"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.cache in the settings.
var Platform = runbook.Part{Key: "cache", Example: Settings{
	GlobalGroup:   "ecommerce-cache",
	MinHitPercent: 80,
	Regions: map[string]Member{
		"us-east-1": {"ecommerce-cache-east", "rediss://ecommerce-cache.abc123.use1.cache.amazonaws.com:6379"},
		"us-west-2": {"ecommerce-cache-west", "rediss://ecommerce-cache.abc123.usw2.cache.amazonaws.com:6379"},
	},
}}

// Settings name the platform's global datastore.
type Settings struct {
	// GlobalGroup is its id, with the prefix that AWS put before the name it was given.
	GlobalGroup string `yaml:"global_group" json:"global_group"`
	// MinHitPercent is the share of reads that have to be hits once users have arrived, or
	// a second look is due; 0 means 80.
	MinHitPercent int `yaml:"min_hit_percent,omitempty" json:"min_hit_percent,omitempty"`
	// Regions are its replication groups, by Region; each of the platform's has one.
	Regions map[string]Member `yaml:"regions" json:"regions"`
}

// Member is the replication group of one Region.
type Member struct {
	// CacheGroup is its id.
	CacheGroup string `yaml:"cache_group" json:"cache_group"`
	// Reach is where it is asked whether it answers: redis://host:port, or rediss:// where
	// it speaks TLS. Empty: it is not.
	Reach string `yaml:"reach,omitempty" json:"reach,omitempty"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	c.EachRegion(slices.Collect(maps.Keys(s.Regions)))
	if s.MinHitPercent < 0 || s.MinHitPercent > 100 {
		c.Fault("min_hit_percent", `"min_hit_percent" is a share of reads, from 1 to 100`)
	}
	for _, region := range slices.Sorted(maps.Keys(s.Regions)) {
		reach := s.Regions[region].Reach
		u, err := url.Parse(reach)
		switch {
		case reach == "":
		case err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Hostname() == "" || u.Port() == "" || u.Path != "" || u.RawQuery != "":
			c.Fault("regions."+region+".reach", `"reach" is an address such as rediss://host:6379`)
		case u.User != nil:
			c.Fault("regions."+region+".reach", `"reach" names a user or a password: leave them out, an answer that asks for one is an answer`)
		}
	}
}

func (s Settings) hitPercent() float64 { return float64(cmp.Or(s.MinHitPercent, 80)) }

func part(p *runbook.Plan) (Settings, error) {
	return runbook.PartOf[Settings](p.Topology, Platform.Key)
}
