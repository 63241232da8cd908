package sqs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// most is how many queues of a Region may be named: as many as one call to CloudWatch
// takes, with their dead letters.
const most = 250

// Platform is what stands under platform.sqs in the settings; a platform without queues
// leaves it out.
var Platform = runbook.Part{Key: "sqs", Example: Settings{
	MaxAgeSeconds: 60,
	Regions:       map[string]Region{"us-east-1": {Queues: []string{"order-events"}}, "us-west-2": {Queues: []string{"order-events"}}},
}}

// Settings say which queues are worked off.
type Settings struct {
	// MaxAgeSeconds is how old the oldest message may be, unless it is getting younger; 0
	// means 60.
	MaxAgeSeconds int `yaml:"max_age_seconds,omitempty" json:"max_age_seconds,omitempty"`
	// Regions are the queues of the services, by Region.
	Regions map[string]Region `yaml:"regions,omitempty" json:"regions,omitempty"`
}

// Region is what there is in one.
type Region struct {
	// Queues are their names. Where their dead letters go is told by themselves.
	Queues []string `yaml:"queues" json:"queues"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	c.Least("max_age_seconds", s.MaxAgeSeconds, 0)
	if len(s.Regions) == 0 {
		return
	}
	c.EachRegion(slices.Collect(maps.Keys(s.Regions)))
	for _, region := range slices.Sorted(maps.Keys(s.Regions)) {
		if n := len(s.Regions[region].Queues); n > most {
			c.Fault("regions."+region+".queues", `"queues" names %d of %s, at most %d are looked at`, n, region, most)
		}
		for i, name := range s.Regions[region].Queues {
			if name == "" || strings.ContainsAny(name, ":/") {
				c.Fault(fmt.Sprintf("regions.%s.queues[%d]", region, i), `"queues" has %q: give a queue's name alone`, name)
			}
		}
	}
}

func (s Settings) age() time.Duration {
	return time.Duration(cmp.Or(s.MaxAgeSeconds, 60)) * time.Second
}
