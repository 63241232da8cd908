package logs

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// most is how many groups of a Region may be named: each is read by itself.
const most = 50

// Platform is what stands under platform.logs in the settings; a platform whose logs go
// elsewhere leaves it out.
var Platform = runbook.Part{Key: "logs", Example: Settings{MaxAgeMinutes: 5, Regions: map[string]Region{
	"us-east-1": {Groups: []string{"/eks/ecommerce-prod/order-service"}},
	"us-west-2": {Groups: []string{"/eks/ecommerce-prod/order-service"}},
}}}

// Settings say where logs have to arrive.
type Settings struct {
	// MaxAgeMinutes is how old the newest event may be, in minutes; 0 means 5.
	MaxAgeMinutes int `yaml:"max_age_minutes,omitempty" json:"max_age_minutes,omitempty"`
	// Regions are the log groups, by Region.
	Regions map[string]Region `yaml:"regions,omitempty" json:"regions,omitempty"`
}

// Region is what there is in one.
type Region struct {
	// Groups are log groups of CloudWatch Logs, by name.
	Groups []string `yaml:"groups" json:"groups"`
}

// longest is how many characters a group's name may have. Counted beside the pattern: one
// with so many repetitions takes longer to compile than anything else at the start.
const longest = 512

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
var groupName = regexp.MustCompile(`^[-._/#A-Za-z0-9]+$`)

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	c.Least("max_age_minutes", s.MaxAgeMinutes, 0)
	if len(s.Regions) == 0 {
		return
	}
	c.EachRegion(slices.Collect(maps.Keys(s.Regions)))
	for _, region := range slices.Sorted(maps.Keys(s.Regions)) {
		groups := s.Regions[region].Groups
		if n := len(groups); n > most {
			c.Fault("regions."+region+".groups", `"groups" names %d of %s, at most %d are looked at`, n, region, most)
		}
		for i, name := range groups {
			if len(name) > longest || !groupName.MatchString(name) {
				c.Fault(fmt.Sprintf("regions.%s.groups[%d]", region, i), `"groups" has %q, which is not the name of a log group`, name)
			}
		}
	}
}

func (s Settings) age() time.Duration { return time.Duration(cmp.Or(s.MaxAgeMinutes, 5)) * time.Minute }
