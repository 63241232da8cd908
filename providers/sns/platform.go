package sns

import (
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// most is how many topics of a Region may be named: as many as one call to CloudWatch
// takes, with two metrics of each.
const most = 250

// Platform is what stands under platform.sns in the settings; a platform without topics
// leaves it out.
var Platform = runbook.Part{Key: "sns", Example: Settings{Regions: map[string]Region{
	"us-east-1": {Topics: []string{"arn:aws:sns:us-east-1:123456789012:order-placed"}},
	"us-west-2": {Topics: []string{"arn:aws:sns:us-west-2:123456789012:order-placed"}},
}}}

// Settings say which topics have to deliver.
type Settings struct {
	// Regions are the topics of the services, by Region.
	Regions map[string]Region `yaml:"regions,omitempty" json:"regions,omitempty"`
}

// Region is what there is in one.
type Region struct {
	// Topics are their ARNs.
	Topics []string `yaml:"topics" json:"topics"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	if len(s.Regions) == 0 {
		return
	}
	c.EachRegion(slices.Collect(maps.Keys(s.Regions)))
	for _, region := range slices.Sorted(maps.Keys(s.Regions)) {
		if n := len(s.Regions[region].Topics); n > most {
			c.Fault("regions."+region+".topics", `"topics" names %d of %s, at most %d are looked at`, n, region, most)
		}
		for i, name := range s.Regions[region].Topics {
			if a, err := arn.Parse(name); err != nil || a.Service != "sns" || a.Region != region {
				c.Fault(fmt.Sprintf("regions.%s.topics[%d]", region, i), `"topics" has %q, which is not the ARN of a topic in %s`, name, region)
			}
		}
	}
}
