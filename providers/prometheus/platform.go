package prometheus

import (
	"cmp"
	"maps"
	"regexp"
	"slices"

	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/webapi"
)

// Platform is what stands under platform.prometheus in the settings; a platform without
// Prometheus leaves it out.
var Platform = runbook.Part{Key: "prometheus", Example: Settings{
	RegionLabel: "region", MinUpPercent: 90,
	Regions: map[string]Region{
		"us-east-1": {URL: "https://prometheus.us-east-1.example.com", Service: "monitoring/prometheus:9090"},
		"us-west-2": {URL: "https://prometheus.us-west-2.example.com", Service: "monitoring/prometheus:9090"},
	},
}}

// Settings say where Prometheus is asked, and what of.
type Settings struct {
	// RegionLabel is the label of its targets that names their Region; empty: there is none,
	// and nothing tells whose targets they are.
	RegionLabel string `yaml:"region_label,omitempty" json:"region_label,omitempty"`
	// MinUpPercent is the share of targets that have to be up; 0 means 90.
	MinUpPercent int `yaml:"min_up_percent,omitempty" json:"min_up_percent,omitempty"`
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

var label = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	if s.RegionLabel != "" && !label.MatchString(s.RegionLabel) {
		c.Fault("region_label", `"region_label" is a label's name: letters, digits and _`)
	}
	if s.MinUpPercent < 0 || s.MinUpPercent > 100 {
		c.Fault("min_up_percent", `"min_up_percent" is a share of targets, from 1 to 100`)
	}
	if len(s.Regions) == 0 {
		return
	}
	c.EachRegion(slices.Collect(maps.Keys(s.Regions)))
	for _, region := range slices.Sorted(maps.Keys(s.Regions)) {
		webapi.CheckPlace(c, region, webapi.Place{URL: s.Regions[region].URL, Service: s.Regions[region].Service})
	}
}

func (s Settings) percent() float64 { return float64(cmp.Or(s.MinUpPercent, 90)) }
