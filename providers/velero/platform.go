package velero

import (
	"maps"
	"slices"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.velero in the settings; a platform without Velero
// leaves it out.
var Platform = runbook.Part{Key: "velero", Example: Settings{
	VeleroNamespace: "velero", MaxAgeMinutes: 15,
	Regions: map[string]Schedule{"us-east-1": {"ecommerce-prod"}, "us-west-2": {"ecommerce-prod"}},
}}

// Settings say which backups there are to be.
type Settings struct {
	// VeleroNamespace is what Velero runs in, in every cluster; empty means velero.
	VeleroNamespace string `yaml:"velero_namespace,omitempty" json:"velero_namespace,omitempty"`
	// MaxAgeMinutes is how old the newest backup may be, counted from its start. 0: the
	// time between two backups, and what one takes, and 5 min.
	MaxAgeMinutes int `yaml:"max_age_minutes,omitempty" json:"max_age_minutes,omitempty"`
	// Regions are the schedules, by the Region whose cluster they back up.
	Regions map[string]Schedule `yaml:"regions,omitempty" json:"regions,omitempty"`
}

// Schedule is a Velero schedule.
type Schedule struct {
	// BackupSchedule is its name.
	BackupSchedule string `yaml:"backup_schedule" json:"backup_schedule"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	c.OnlyRegions(slices.Collect(maps.Keys(s.Regions)))
	if s.MaxAgeMinutes != 0 {
		c.Least("max_age_minutes", s.MaxAgeMinutes, 1)
	}
}
