package kube

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.kube in the settings.
var Platform = runbook.Part{Key: "kube", Example: Settings{
	Regions: map[string]Cluster{
		"us-east-1": {Namespace: "ecommerce-prod", MinNodesPerZone: 2, MinZones: 3},
		"us-west-2": {Namespace: "ecommerce-prod", MinNodesPerZone: 2, MinZones: 3},
	},
	CronJobs: []string{"invoice-run"}, Consumers: []string{"order-events"},
	DatabaseEnv: "DB_HOST", DifferingKeys: []string{"AWS_REGION"},
}}

// Settings say where the services run. How the clusters are reached stands under
// kubernetes in the settings.
type Settings struct {
	// Regions are the clusters, by Region; each of the platform's has one.
	Regions map[string]Cluster `yaml:"regions" json:"regions"`
	// CronJobs and Consumers run where users are served and nowhere else: elsewhere the
	// CronJobs are suspended, and the consumers, which are Deployments, scaled to nothing.
	CronJobs  []string `yaml:"cron_jobs,omitempty" json:"cron_jobs,omitempty"`
	Consumers []string `yaml:"consumers,omitempty" json:"consumers,omitempty"`
	// DatabaseEnv is the variable in the services' pod templates that has their database's
	// host. Where the database is detached they are given another one there.
	DatabaseEnv string `yaml:"database_env,omitempty" json:"database_env,omitempty"`
	// DifferingKeys are the keys of ConfigMaps whose values are different in each Region by
	// nature: KEY in all of them, or NAME/KEY in one.
	DifferingKeys []string `yaml:"differing_keys,omitempty" json:"differing_keys,omitempty"`
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
	for i, name := range s.Consumers {
		if slices.ContainsFunc(c.Topology.Services, func(s runbook.Service) bool { return s.Name == name }) {
			c.Fault(fmt.Sprintf("consumers[%d]", i), "%q is a service, which a run brings to its size by itself", name)
		}
	}
	for i, key := range s.DifferingKeys {
		if name, rest, two := strings.Cut(key, "/"); name == "" || two && rest == "" || strings.Count(key, "/") > 1 {
			c.Fault(fmt.Sprintf("differing_keys[%d]", i), `"differing_keys" has %q: give a ConfigMap's key, or NAME/KEY for one ConfigMap`, key)
		}
	}
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
