package jaeger

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/webapi"
)

// Platform is what stands under platform.jaeger in the settings; a platform that is not
// traced with Jaeger leaves it out.
var Platform = runbook.Part{Key: "jaeger", Example: Settings{
	RegionAttribute: "cloud.region", Services: []string{"order-service"}, MaxAgeMinutes: 5,
	Regions: map[string]Region{
		"us-east-1": {URL: "https://jaeger.us-east-1.example.com", Service: "monitoring/jaeger-query:16686"},
		"us-west-2": {URL: "https://jaeger.us-west-2.example.com", Service: "monitoring/jaeger-query:16686"},
	},
}}

// Settings say where Jaeger is asked, and what of.
type Settings struct {
	// RegionAttribute is the attribute of a span, or of the resource that it comes from,
	// which names the Region; empty: there is none, and nothing tells whose traces they are.
	RegionAttribute string `yaml:"region_attribute,omitempty" json:"region_attribute,omitempty"`
	// Services are those that each have to have a trace, by their names in Jaeger; empty:
	// those of the platform that Jaeger knows, of which one is enough.
	Services []string `yaml:"services,omitempty" json:"services,omitempty"`
	// MaxAgeMinutes is how old the newest trace may be, in minutes; 0 means 5.
	MaxAgeMinutes int `yaml:"max_age_minutes,omitempty" json:"max_age_minutes,omitempty"`
	// Regions are where it is asked about each Region.
	Regions map[string]Region `yaml:"regions,omitempty" json:"regions,omitempty"`
}

// Region is where it is asked about one.
type Region struct {
	// URL is its own address, asked first; Service is namespace/name:port in that Region's
	// cluster, asked by way of its API server. One of them is given.
	URL     string `yaml:"url,omitempty" json:"url,omitempty"`
	Service string `yaml:"service,omitempty" json:"service,omitempty"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	c.Least("max_age_minutes", s.MaxAgeMinutes, 0)
	if slices.ContainsFunc(s.Services, func(name string) bool { return strings.TrimSpace(name) == "" }) {
		c.Fault("services", `"services" has an empty name: a service as Jaeger calls it`)
	}
	if len(s.Regions) == 0 {
		return
	}
	c.EachRegion(slices.Collect(maps.Keys(s.Regions)))
	for _, region := range slices.Sorted(maps.Keys(s.Regions)) {
		webapi.CheckPlace(c, region, webapi.Place{URL: s.Regions[region].URL, Service: s.Regions[region].Service})
	}
}

func (s Settings) age() time.Duration { return time.Duration(cmp.Or(s.MaxAgeMinutes, 5)) * time.Minute }
