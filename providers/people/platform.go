package people

import (
	"cmp"
	"time"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.people in the settings. All of it may be left out.
var Platform = runbook.Part{Key: "people", Example: Settings{
	AccessDays: 90, FreezeHours: 24, FreezeURL: "https://deploy.ecommerce.com/api/freeze", EgressDays: 180,
}}

// Settings say how long the word of people counts.
type Settings struct {
	// AccessDays is how long it counts that somebody on call said that they can open the
	// consoles of both Regions. Default and 0: 90.
	AccessDays int `yaml:"access_days,omitempty" json:"access_days,omitempty"`
	// FreezeURL is a page that says whether deployments are frozen: it answers a GET with
	// {"frozen": true} or false, and perhaps a "reason". Default and empty: nobody says.
	FreezeURL string `yaml:"freeze_url,omitempty" json:"freeze_url,omitempty"`
	// FreezeHours is how long it counts that a commander said that they are frozen, where
	// there is no page. Default and 0: nobody is asked.
	FreezeHours int `yaml:"freeze_hours,omitempty" json:"freeze_hours,omitempty"`
	// EgressDays is how long it counts that a commander said that partners know the
	// addresses from which both Regions send. Default and 0: nobody is asked.
	EgressDays int `yaml:"egress_days,omitempty" json:"egress_days,omitempty"`
}

const (
	accessDays = 90
	day        = 24 * time.Hour
)

func (s Settings) access() time.Duration {
	return time.Duration(cmp.Or(s.AccessDays, accessDays)) * day
}

// Check says what cannot be right although each value can be read.
func (s Settings) Check(c runbook.Checks) {
	for key, n := range map[string]int{"access_days": s.AccessDays, "freeze_hours": s.FreezeHours, "egress_days": s.EgressDays} {
		if n < 0 || n > 3660 {
			c.Fault(key, "%q is a number from 0 to 3660, not %d", key, n)
		}
	}
	if s.FreezeURL != "" {
		checkURL(c, s.FreezeURL)
	}
}
