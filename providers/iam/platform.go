package iam

import (
	"maps"
	"slices"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.iam in the settings; where no pod has its role by
// EKS Pod Identity it is left out.
var Platform = runbook.Part{Key: "iam", Example: Settings{Regions: map[string]Cluster{
	"us-east-1": {EKSCluster: "ecommerce-prod"},
	"us-west-2": {EKSCluster: "ecommerce-prod"},
}}}

// Settings say where roles are given to pods by EKS.
type Settings struct {
	// Regions are the clusters, by Region.
	Regions map[string]Cluster `yaml:"regions,omitempty" json:"regions,omitempty"`
}

// Cluster is that of one Region.
type Cluster struct {
	// EKSCluster is its name in EKS.
	EKSCluster string `yaml:"eks_cluster" json:"eks_cluster"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	c.OnlyRegions(slices.Collect(maps.Keys(s.Regions)))
}
