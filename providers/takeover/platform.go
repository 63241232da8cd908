package takeover

import (
	"maps"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.takeover in the settings.
var Platform = runbook.Part{Key: "takeover", Example: Settings{
	TakeoverKey: "takeover",
	Regions: map[string]Bucket{
		"us-east-1": {"ecommerce-takeover-us-east-1"},
		"us-west-2": {"ecommerce-takeover-us-west-2"},
	},
}}

// Settings name the object that moves users.
type Settings struct {
	// TakeoverKey is its key, in the bucket of the Region that takes over.
	TakeoverKey string `yaml:"takeover_key" json:"takeover_key"`
	// Regions are the buckets, by the Region that takes over when the object is in
	// its own; each of the platform's has one.
	Regions map[string]Bucket `yaml:"regions" json:"regions"`
}

// Bucket is that of one Region.
type Bucket struct {
	// TakeoverBucket is its name. It lies in this Region and is read by the other
	// Region's takeover check.
	TakeoverBucket string `yaml:"takeover_bucket" json:"takeover_bucket"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	c.EachRegion(slices.Collect(maps.Keys(s.Regions)))
	if strings.HasPrefix(s.TakeoverKey, "/") {
		c.Fault("takeover_key", `"takeover_key" is an object's key and has no slash in front`)
	}
	buckets := map[string]string{}
	for region, b := range s.Regions {
		buckets[region] = b.TakeoverBucket
	}
	c.Unique("takeover_bucket", buckets)
}
