package runbook

// Topology is the platform as the settings describe it: what exists in which
// Region, under which name. A run freezes it together with its plan, so that an
// edit never changes a live run. Regions are roles only inside a run (source and
// target); here they are AWS names, because roles swap at every failover.
type Topology struct {
	// Platform is the name people know, for messages: "E-Commerce Platform".
	Platform string `yaml:"platform" json:"platform"`
	// Home is the Region that serves when nothing has happened: us-east-1.
	Home string `yaml:"home" json:"home"`
	// Regions by AWS name. Exactly two take part in a run.
	Regions map[string]Region `yaml:"regions" json:"regions"`
	// Services in the order in which people list them.
	Services []Service `yaml:"services" json:"services"`
	Database Database  `yaml:"database" json:"database"`
	Cache    Cache     `yaml:"cache" json:"cache"`
	DNS      DNS       `yaml:"dns" json:"dns"`
	Probe    Probe     `yaml:"probe" json:"probe"`
	Policy   Policy    `yaml:"policy" json:"policy"`
}

// Region is what the platform has in one AWS Region.
type Region struct {
	// Name is the AWS name; filled from the key of Topology.Regions.
	Name string `yaml:"-" json:"name"`
	// Namespace of the services in this Region's Kubernetes cluster.
	Namespace string `yaml:"namespace" json:"namespace"`
	// DBCluster is the identifier of the Aurora cluster in this Region.
	DBCluster string `yaml:"db_cluster" json:"db_cluster"`
	// DBClusterARN is its ARN: a switchover takes nothing else.
	DBClusterARN string `yaml:"db_cluster_arn" json:"db_cluster_arn"`
	// CacheGroup is the ElastiCache replication group in this Region.
	CacheGroup string `yaml:"cache_group" json:"cache_group"`
	// LoadBalancerARN of the platform's ALB in this Region.
	LoadBalancerARN string `yaml:"load_balancer_arn" json:"load_balancer_arn"`
	// Endpoint is the Region's own address (scheme and host, no path), never the
	// public name: it tells about this Region whatever DNS says.
	Endpoint string `yaml:"endpoint" json:"endpoint"`
	// TakeoverBucket holds the object that makes this Region take over; see DNS.
	TakeoverBucket string `yaml:"takeover_bucket" json:"takeover_bucket"`
	// MinNodesPerZone and MinZones are the capacity that a standby has to have.
	MinNodesPerZone int `yaml:"min_nodes_per_zone" json:"min_nodes_per_zone"`
	MinZones        int `yaml:"min_zones" json:"min_zones"`
}

// Service is one Deployment of the platform.
type Service struct {
	// Name of the Deployment: order-service.
	Name string `yaml:"name" json:"name"`
	// Replicas it needs to carry production.
	Replicas int `yaml:"replicas" json:"replicas"`
	// Writes says that it writes to the database, so it is fenced in the Region
	// that is being left.
	Writes bool `yaml:"writes,omitempty" json:"writes,omitempty"`
	// Health is the path of its health page; empty when it has none.
	Health string `yaml:"health,omitempty" json:"health,omitempty"`
}

// Database is the Aurora global database.
type Database struct {
	GlobalCluster string `yaml:"global_cluster" json:"global_cluster"`
}

// Cache is the ElastiCache global datastore.
type Cache struct {
	GlobalGroup string `yaml:"global_group" json:"global_group"`
}

// DNS is how users find the platform.
type DNS struct {
	// Zone is the hosted zone's id.
	Zone string `yaml:"zone" json:"zone"`
	// Record is the failover record's name, without a trailing dot.
	Record string `yaml:"record" json:"record"`
	// HealthCheck is the CALCULATED check of the PRIMARY record. It counts
	// EndpointCheck and TakeoverCheck as children; both have to be healthy.
	HealthCheck string `yaml:"health_check" json:"health_check"`
	// EndpointCheck looks at the primary Region's own address.
	EndpointCheck string `yaml:"endpoint_check" json:"endpoint_check"`
	// TakeoverCheck is an inverted check of the takeover object in the standby
	// Region: the object's presence makes the primary unhealthy.
	TakeoverCheck string `yaml:"takeover_check" json:"takeover_check"`
	// TakeoverKey is the object's key in the target Region's TakeoverBucket.
	TakeoverKey string `yaml:"takeover_key" json:"takeover_key"`
	// Nameservers are the zone's own servers, host:port.
	Nameservers []string `yaml:"nameservers" json:"nameservers"`
	// Resolvers are the public ones that are reported, host:port by name.
	Resolvers []Resolver `yaml:"resolvers" json:"resolvers"`
}

// Resolver is one recursive resolver.
type Resolver struct {
	Name string `yaml:"name" json:"name"`
	Addr string `yaml:"addr" json:"addr"`
	// VPCOnly marks 169.254.169.253 and its like: asked only inside a VPC.
	VPCOnly bool `yaml:"vpc_only,omitempty" json:"vpc_only,omitempty"`
}

// Probe is how the platform is asked whether it works.
type Probe struct {
	// Public is the address users use (scheme and host).
	Public string `yaml:"public" json:"public"`
	// RegionHeader names the response header that says which Region answered.
	RegionHeader string `yaml:"region_header" json:"region_header"`
	// Order is the path to which a synthetic order is posted, and below which it
	// is read back by its id.
	Order string `yaml:"order" json:"order"`
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
	Mode     string // "planned" or "unplanned"
	Severity string
	Reason   string
	Source   Region // the Region being left
	Target   Region // the Region taking over
	Topology Topology
	// Service is set inside steps that are repeated `each: services`.
	Service Service
}
