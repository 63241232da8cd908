package cache

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have the cache do. The arguments are those of [New].
func Actions(config func(region string) aws.Config, reads *awserr.Reads, dial Dial) engine.Catalog {
	c := New(config, reads, dial)
	return engine.Catalog{
		"cache.standby": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the target's cache can be promoted",
				Home:  "target",
			},
			Look: c.Standby,
		},
		"cache.promote": {
			Action: runbook.Action{
				Kind:  runbook.Change,
				About: "makes the target's cache the primary",
				Home:  "target",
				Undo:  undo,
			},
			Look:   c.Look,
			Do:     c.Do,
			Undo:   &engine.Undo{Look: c.LookBack, Do: c.Back},
			Job:    c.BackJob,
			Effect: c.Effect,
			Rights: may,
		},
		"cache.primary": {
			Action: runbook.Action{
				Kind:   runbook.Wait,
				Proves: []incident.Trait{incident.CacheLeads},
				About:  "waits until the target's cache is the primary",
				Home:   "target",
			},
			Look:  c.Primary,
			Every: 2 * time.Second,
		},
		"cache.warm": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the target's cache answers, and that enough of the reads of the last minutes were hits",
				Home:  "target",
			},
			Look: c.Warm,
		},
	}
}
