package xray

import (
	"cmp"
	"time"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.xray in the settings; a platform that is not
// traced with X-Ray leaves it out.
var Platform = runbook.Part{Key: "xray", Example: Settings{Traces: true, MaxAgeMinutes: 5}}

// Settings say that services are traced.
type Settings struct {
	// Traces says that they are, with X-Ray.
	Traces bool `yaml:"traces,omitempty" json:"traces,omitempty"`
	// MaxAgeMinutes is how old the newest trace may be, in minutes; 0 means 5.
	MaxAgeMinutes int `yaml:"max_age_minutes,omitempty" json:"max_age_minutes,omitempty"`
}

// Check finds what cannot be right. One call of X-Ray's covers six hours at most.
func (s Settings) Check(c runbook.Checks) {
	c.Least("max_age_minutes", s.MaxAgeMinutes, 0)
	if s.MaxAgeMinutes > 360 {
		c.Fault("max_age_minutes", `"max_age_minutes" is %d; X-Ray is asked for 6 hours at most, 360`, s.MaxAgeMinutes)
	}
}

func (s Settings) age() time.Duration { return time.Duration(cmp.Or(s.MaxAgeMinutes, 5)) * time.Minute }
