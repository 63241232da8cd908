package secrets

import (
	"fmt"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.secrets in the settings; a platform that keeps
// nothing in Secrets Manager leaves it out.
var Platform = runbook.Part{Key: "secrets", Example: Settings{Names: []string{"ecommerce-prod/orders-database", "ecommerce-prod/*"}}}

// Settings say which secrets the platform needs.
type Settings struct {
	// Names of the secrets, the same in every Region. One that ends in * stands for all
	// whose names begin so.
	Names []string `yaml:"names,omitempty" json:"names,omitempty"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	for i, name := range s.Names {
		at := fmt.Sprintf("names[%d]", i)
		switch {
		case name == "":
			c.Fault(at, `"names" has an empty name`)
		case strings.HasPrefix(name, "arn:"):
			c.Fault(at, `"names" has the ARN %q: a secret has another one in each Region, give its name`, name)
		case strings.Contains(strings.TrimSuffix(name, "*"), "*"):
			c.Fault(at, `"names" has %q: a * stands at the end alone`, name)
		case slices.Index(s.Names, name) < i:
			c.Fault(at, `"names" has %q twice`, name)
		}
	}
}

// split are the names that are given in full, and the beginnings of others.
func (s Settings) split() (names, prefixes []string) {
	for _, name := range s.Names {
		if prefix, ok := strings.CutSuffix(name, "*"); ok {
			prefixes = append(prefixes, prefix)
			continue
		}
		names = append(names, name)
	}
	return names, prefixes
}
