package grafana

import (
	"maps"
	"slices"

	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/webapi"
)

// Platform is what stands under platform.grafana in the settings; a platform without
// Grafana leaves it out.
var Platform = runbook.Part{Key: "grafana", Example: Settings{
	RegionLabel: "region",
	Regions: map[string]Region{
		"us-east-1": {URL: "https://grafana.example.com", Datasource: "prometheus-us-east-1", Query: `up{region="us-east-1"}`},
		"us-west-2": {URL: "https://grafana.example.com", Datasource: "prometheus-us-west-2", Query: `up{region="us-west-2"}`},
	},
}}

// Settings say what Grafana is asked.
type Settings struct {
	// RegionLabel is the label of the query's series that names the Region: what has none,
	// or another, is not counted.
	RegionLabel string `yaml:"region_label,omitempty" json:"region_label,omitempty"`
	// Regions are what is asked about each Region.
	Regions map[string]Region `yaml:"regions,omitempty" json:"regions,omitempty"`
}

// Region is what is asked about one.
type Region struct {
	// URL is Grafana's address; both Regions may have the same.
	URL string `yaml:"url" json:"url"`
	// Datasource is the uid of the data source, and Query what it is asked, in its own
	// language (expr).
	Datasource string `yaml:"datasource" json:"datasource"`
	Query      string `yaml:"query" json:"query"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	if len(s.Regions) == 0 {
		return
	}
	c.EachRegion(slices.Collect(maps.Keys(s.Regions)))
	if s.RegionLabel == "" {
		c.Fault("region_label", `"region_label" is missing: the label of the query's series that names the Region`)
	}
	for _, region := range slices.Sorted(maps.Keys(s.Regions)) {
		if url := s.Regions[region].URL; url != "" {
			webapi.CheckPlace(c, region, webapi.Place{URL: url})
		}
	}
}
