package kube

import (
	"maps"
	"slices"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.kube in the settings.
var Platform = runbook.Part{Key: "kube", Example: Settings{Regions: map[string]Cluster{
	"us-east-1": {Namespace: "ecommerce-prod", MinNodesPerZone: 2, MinZones: 3},
	"us-west-2": {Namespace: "ecommerce-prod", MinNodesPerZone: 2, MinZones: 3},
}}}

// Settings say where the services run. How the clusters are reached stands under
// kubernetes in the settings.
type Settings struct {
	// Regions are the clusters, by Region; each of the platform's has one.
	Regions map[string]Cluster `yaml:"regions" json:"regions"`
}

// Cluster is that of one Region.
type Cluster struct {
	// Namespace of the services.
	Namespace string `yaml:"namespace" json:"namespace"`
	// MinNodesPerZone and MinZones are the capacity that it has to have as a standby.
	MinNodesPerZone int `yaml:"min_nodes_per_zone" json:"min_nodes_per_zone"`
	MinZones        int `yaml:"min_zones" json:"min_zones"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	c.EachRegion(slices.Collect(maps.Keys(s.Regions)))
	for region, k := range s.Regions {
		c.Least("regions."+region+".min_nodes_per_zone", k.MinNodesPerZone, 1)
		c.Least("regions."+region+".min_zones", k.MinZones, 1)
	}
}

// cluster is that of one of a run's Regions.
type cluster struct {
	// Name of the Region.
	Name string
	Cluster
}

func clusterOf(p *runbook.Plan, r runbook.Region) (cluster, error) {
	s, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	return cluster{r.Name, s.Regions[r.Name]}, err
}
