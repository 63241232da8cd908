package incident

import (
	"slices"
	"strings"
)

// Cause is why a call failed where that lies outside of what was asked: other calls
// that fail for the same are told of together.
type Cause struct {
	// Says is the fact: "no answer from", "the bot's AWS credentials have run out".
	Says string `json:"says"`
	// System, where there is one, ends the sentence: RDS, the cluster; and Region is
	// where it was asked.
	System string `json:"system,omitempty"`
	Region string `json:"region,omitempty"`
}

// Of says the cause as far as it is about these systems: "no answer from RDS and EKS in
// us-west-2".
func (c Cause) Of(systems ...string) string {
	systems = slices.DeleteFunc(slices.Clone(systems), func(s string) bool { return s == "" })
	if len(systems) == 0 {
		return c.Says
	}
	last := len(systems) - 1
	says := c.Says + " " + strings.Join(systems[:last], ", ")
	if last > 0 {
		says += " and "
	}
	says += systems[last]
	if c.Region != "" {
		says += " in " + c.Region
	}
	return says
}
