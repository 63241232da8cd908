package istio

import (
	"cmp"
	"regexp"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.istio in the settings; a platform without a mesh
// leaves it out.
var Platform = runbook.Part{Key: "istio", Example: Settings{IstioNamespace: "istio-system"}}

// Settings name the mesh.
type Settings struct {
	// IstioNamespace is what istiod runs in, in every cluster. Empty: the settings name no
	// mesh; where pods have a proxy all the same, istiod is looked for in istio-system.
	IstioNamespace string `yaml:"istio_namespace,omitempty" json:"istio_namespace,omitempty"`
}

var name = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	if s.IstioNamespace != "" && !name.MatchString(s.IstioNamespace) {
		c.Fault("istio_namespace", `"istio_namespace" is the name of a namespace: small letters, digits and -`)
	}
}

func (s Settings) namespace() string { return cmp.Or(s.IstioNamespace, "istio-system") }
