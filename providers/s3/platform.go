package s3

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.s3 in the settings; a platform whose services
// keep nothing in buckets leaves it out.
var Platform = runbook.Part{Key: "s3", Example: Settings{
	MaxPending: 1000, MaxLatencyMinutes: 15, ProbeKey: "failoverbot.probe",
	Regions: map[string]Region{
		"us-east-1": {Buckets: []string{"ecommerce-assets-us-east-1"}},
		"us-west-2": {Buckets: []string{"ecommerce-assets-us-west-2"}},
	},
}}

// Settings say which buckets are replicated, and what is read from them. Where to is told
// by their rules.
type Settings struct {
	// MaxPending is how many operations of a rule may wait to be replicated; 0 means 1000.
	MaxPending int `yaml:"max_pending,omitempty" json:"max_pending,omitempty"`
	// MaxLatencyMinutes is how far a bucket may be behind; 0 means 15, which is what AWS
	// promises of rules with replication time control.
	MaxLatencyMinutes int `yaml:"max_latency_minutes,omitempty" json:"max_latency_minutes,omitempty"`
	// ProbeKey is the key of an object that lies in each of the buckets, to be read;
	// empty: none is.
	ProbeKey string `yaml:"probe_key,omitempty" json:"probe_key,omitempty"`
	// Regions are the buckets of the services, by Region.
	Regions map[string]Region `yaml:"regions,omitempty" json:"regions,omitempty"`
}

// Region is what there is in one.
type Region struct {
	// Buckets are the names of those whose objects the other Region has to have.
	Buckets []string `yaml:"buckets" json:"buckets"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	c.Least("max_pending", s.MaxPending, 0)
	c.Least("max_latency_minutes", s.MaxLatencyMinutes, 0)
	if strings.HasPrefix(s.ProbeKey, "/") {
		c.Fault("probe_key", `"probe_key" is an object's key and has no slash in front`)
	}
	if len(s.Regions) == 0 {
		return
	}
	c.EachRegion(slices.Collect(maps.Keys(s.Regions)))
	first := map[string]string{}
	for _, region := range slices.Sorted(maps.Keys(s.Regions)) {
		if len(s.Regions[region].Buckets) == 0 && c.Given("regions."+region+".buckets") {
			c.Fault("regions."+region+".buckets", `"buckets" names no bucket of %s`, region)
		}
		for i, name := range s.Regions[region].Buckets {
			at := fmt.Sprintf("regions.%s.buckets[%d]", region, i)
			switch {
			case name == "" || strings.ContainsAny(name, ":/"):
				c.Fault(at, `"buckets" has %q: give a bucket's name alone`, name)
			case first[name] != "":
				c.Fault(at, "bucket %q is in %s already: a bucket is in one Region, and there once", name, first[name])
			}
			first[name] = region
		}
	}
}

func (s Settings) pending() float64 { return float64(cmp.Or(s.MaxPending, 1000)) }

func (s Settings) latency() time.Duration {
	return time.Duration(cmp.Or(s.MaxLatencyMinutes, 15)) * time.Minute
}
