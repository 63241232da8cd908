package runbook

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// Topology is the platform as the settings describe it: what exists in which
// Region, under which name. What only one system needs to know is in that system's
// part. A run freezes it together with its plan, so that an
// edit never changes a live run. Regions are roles only inside a run (source and
// target); here they are AWS names, because roles swap at every failover.
type Topology struct {
	// Platform is the name people know, for messages: "E-Commerce Platform".
	Platform string `yaml:"platform" json:"platform"`
	// Home is the Region that serves when nothing has happened: us-east-1.
	Home string `yaml:"home" json:"home"`
	// Record is the public name that users know: api.ecommerce.com, without a dot at
	// its end.
	Record string `yaml:"record" json:"record"`
	// Regions by AWS name. Exactly two take part in a run.
	Regions map[string]Region `yaml:"regions" json:"regions"`
	// Services in the order in which people list them.
	Services []Service `yaml:"services" json:"services"`
	Policy   Policy    `yaml:"policy" json:"policy"`
	// Parts are what each system knows of the platform, by its key; see [Part].
	Parts map[string]json.RawMessage `yaml:"-" json:"parts,omitempty"`
}

// Region is what all systems know of one AWS Region.
type Region struct {
	// Name is the AWS name; filled from the key of Topology.Regions.
	Name string `yaml:"-" json:"name"`
	// Endpoint is the Region's own address (scheme and host, no path), never the
	// public name: it tells about this Region whatever DNS says.
	Endpoint string `yaml:"endpoint" json:"endpoint"`
	// Parts are what each system has in this Region, by its key, for texts and
	// conditions. They are filled while a plan is made and are not frozen twice.
	Parts map[string]any `yaml:"-" json:"-"`
}

// Partition is the part of AWS that the Region belongs to: aws, aws-us-gov, aws-cn,
// aws-eusc. What lies in one knows nothing of another.
func (r Region) Partition() string { return strict.Partition(r.Name) }

// Service is one Deployment of the platform.
type Service struct {
	// Name of the Deployment: order-service.
	Name string `yaml:"name" json:"name"`
	// Replicas it needs to carry production.
	Replicas int `yaml:"replicas" json:"replicas"`
	// Standby is how many replicas it has in a Region that does not serve, to which it
	// goes back once users have left that Region. 0 leaves it at the size that it has.
	Standby int `yaml:"standby,omitempty" json:"standby,omitempty"`
	// Writes says that it writes to the database, so it is fenced in the Region
	// that is being left.
	Writes bool `yaml:"writes,omitempty" json:"writes,omitempty"`
	// Needed says that nobody can order without it: users wait for it, and for the
	// others they do not. Where no service says so, all are.
	Needed bool `yaml:"needed,omitempty" json:"needed,omitempty"`
	// Health is the path of its health page; empty when it has none.
	Health string `yaml:"health,omitempty" json:"health,omitempty"`
}

// saysNeeded says whether any service is told apart as one that users need.
func (t Topology) saysNeeded() bool {
	return slices.ContainsFunc(t.Services, func(s Service) bool { return s.Needed })
}

// Policy is what the people who own the platform decided in advance.
type Policy struct {
	// LagWarnMS and LagConfirmMS bound the replication lag: above the first it is
	// said, above the second the readiness gate fails.
	LagWarnMS    int `yaml:"lag_warn_ms" json:"lag_warn_ms"`
	LagConfirmMS int `yaml:"lag_confirm_ms" json:"lag_confirm_ms"`
	// LagBandsMS are the limits of the bands: a question whose lag crosses one is
	// asked anew. Unknown lag is a band of its own.
	LagBandsMS []int `yaml:"lag_bands_ms" json:"lag_bands_ms"`
	// ObjectiveMinutes is the recovery time objective, shown on the card.
	ObjectiveMinutes int `yaml:"objective_minutes" json:"objective_minutes"`
	// Page says whether PagerDuty is told. Off in rehearsals.
	Page bool `yaml:"page" json:"page"`
}

// Facts are what conditions (CEL) and texts (text/template) of a runbook may
// refer to. They are frozen with the plan.
type Facts struct {
	Incident string
	// Kind is what the run is for: a failover, a failback, a restore, a move of servers, or a rebuild. Empty
	// is a failover.
	Kind     incident.RunKind
	Mode     string // "planned" or "unplanned"
	Severity string
	Reason   string
	Source   Region // the Region being left
	Target   Region // the Region taking over
	Topology Topology
	// Backup is what a restore is made from, by its name: a backup, or the newest of a
	// schedule. Empty is the schedule that the settings name for the source.
	Backup string
	// Detach: the target's database leaves the global one, as versions keep it from being
	// promoted. Of an unplanned failover alone.
	Detach bool
	// Parts are what each system knows of the platform, by its key: its settings,
	// under the names that they have there.
	Parts map[string]any
	// Service is set inside steps that are repeated `each: services`.
	Service Service
}

// kind is what the run is for.
func (f Facts) kind() incident.RunKind { return cmp.Or(f.Kind, incident.Failover) }

// takes says that a section is part of such a run: one that names a kind of that alone, and
// any other of every run that moves users.
func (f Facts) takes(s *section) bool {
	if s.kind.value == "" {
		return !f.kind().Apart()
	}
	return s.kind.value == string(f.kind())
}
