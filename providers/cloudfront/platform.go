package cloudfront

import (
	"maps"
	"slices"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.cloudfront in the settings; where nothing is
// served through CloudFront it is left out.
var Platform = runbook.Part{Key: "cloudfront", Example: Settings{
	Distribution: "E1A2B3C4D5E6F7",
	Regions:      map[string]Origin{"us-east-1": {Origin: "alb-us-east-1"}, "us-west-2": {Origin: "alb-us-west-2"}},
}}

// Settings name the distribution and the origins that the Regions are for it.
type Settings struct {
	// Distribution is its id; empty without CloudFront.
	Distribution string `yaml:"distribution,omitempty" json:"distribution,omitempty"`
	// Regions are its origins, by Region; with a distribution each of the platform's has
	// one.
	Regions map[string]Origin `yaml:"regions,omitempty" json:"regions,omitempty"`
}

// Origin is that of one Region.
type Origin struct {
	// Origin is its id in the distribution.
	Origin string `yaml:"origin" json:"origin"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	regions, origins := slices.Collect(maps.Keys(s.Regions)), map[string]string{}
	for region, o := range s.Regions {
		origins[region] = o.Origin
	}
	switch {
	case s.Distribution == "" && len(regions) > 0:
		c.Fault("regions", `origins belong to a distribution: give its id as "distribution", or leave "regions" out`)
	case s.Distribution != "" && len(regions) == 0:
		c.Fault("distribution", `"distribution" wants "regions" beside it: the id of each Region's origin in it`)
	case s.Distribution != "":
		c.EachRegion(regions)
	}
	c.Unique("origin", origins)
}
