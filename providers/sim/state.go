package sim

import (
	"cmp"
	"maps"
	"sort"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

// The moments that an event of a scenario may count from.
const (
	markStart     = "start"
	markPromoting = "promoting"
	markPromoted  = "promoted"
	markTakeover  = "takeover"
	markDNSMoved  = "dns-moved"
)

// What the world consists of stands in this file: its state, how it begins, and which
// APIs of AWS answer. A service is a file of its own, and is known by its lines here.

// awsAPIs are all that the world can answer, by the SDK's id of the service.
var awsAPIs = map[string]awsAPI{
	"RDS": rdsAPI, "ElastiCache": cacheAPI, "CloudWatch": cloudwatchAPI, "Route 53": route53API, "S3": s3API,
	"Elastic Load Balancing v2": elbAPI, "STS": stsAPI, "ACM": acmAPI, "ECR": ecrAPI,
	"IAM": iamAPI, "EKS": eksAPI, "WAFV2": wafAPI, "CloudFront": cloudfrontAPI, "EC2": ec2API,
	"Secrets Manager": secretsAPI, "SNS": snsAPI, "SQS": sqsAPI, "CloudWatch Logs": logsAPI, "XRay": xrayAPI, "Service Quotas": quotasAPI,
	"Route53 Recovery Cluster": arcAPI, "drs": drsAPI,
}

// State is the whole pretend world, as it is at one moment. It is plain data: it
// is saved as JSON, and a world that loads it goes on from there.
type State struct {
	Scenario string    `json:"scenario"`
	Seed     uint64    `json:"seed"`
	Start    time.Time `json:"start"`
	// At is the moment up to which the world has evolved.
	At time.Time `json:"at"`
	// Marks are the moments at which something first became so.
	Marks map[string]time.Time `json:"marks"`
	// Happened says which of the scenario's events are over.
	Happened []bool `json:"happened"`
	// Cues are what happened and is not the world's to carry out.
	Cues []Cue `json:"cues,omitempty"`

	Regions  map[string]*Region `json:"regions"`
	Database Database           `json:"database"`
	Cache    Cache              `json:"cache"`
	DNS      DNS                `json:"dns"`
	Controls Controls           `json:"controls"`
	Velero   Velero             `json:"velero"`
	Network  Network            `json:"network"`
	Pager    Pager              `json:"pager"`
	// Distribution is CloudFront's.
	Distribution Distribution `json:"distribution"`
	// Recovery is Elastic Disaster Recovery's; nil: nobody has set it up.
	Recovery *Recovery `json:"recovery,omitempty"`
	// Replication is what is replicated from one bucket to another.
	Replication []*BucketRule `json:"replication"`
	// Roles are IAM's: the policies that say who may take them on, by ARN.
	Roles  map[string]string `json:"roles"`
	Orders []Order           `json:"orders"`
	// OwnOrders are those that the world itself sends; they are not among Orders.
	OwnOrders OrderLog `json:"own_orders"`
	Faults    []Fault  `json:"faults"`

	// Applied counts, by operation, the calls that changed the world.
	Applied map[string]int `json:"applied"`
	// Broken counts, by operation and kind, the calls that failed by a fault.
	Broken map[string]map[string]int `json:"broken"`
	// Turns numbers the calls of one kind; what they draw depends on it.
	Turns map[string]Tally `json:"turns"`
	// Ports are the loopback addresses of the world's servers, so that a world
	// that goes on can be found where it was.
	Ports map[string]string `json:"ports"`
	// PodsPerNode is how many pods a node has room for.
	PodsPerNode int `json:"pods_per_node"`
}

// Region is what is in one Region.
type Region struct {
	Name string `json:"name"`
	// Lost Regions cannot be reached by anybody.
	Lost bool `json:"lost"`
	// CutOff Regions cannot be reached by the bot.
	CutOff   bool     `json:"cut_off"`
	Degraded *Degrade `json:"degraded,omitempty"`
	// Staying is how many requests a minute come from users who stay, wherever the zone
	// sends them.
	Staying float64 `json:"staying,omitempty"`
	// TargetsBroken makes every target of the load balancer unhealthy.
	TargetsBroken bool `json:"targets_broken"`
	// ALB is what Route 53 thinks of the load balancer.
	ALB      Seen     `json:"alb"`
	Balancer Balancer `json:"balancer"`
	// Traffic is what the load balancer served, minute by minute; Unseen: it tells of no
	// more. P99MS is how long the slowest of 100 answers take from now on.
	Traffic []Traffic `json:"traffic"`
	Unseen  bool      `json:"unseen,omitempty"`
	P99MS   float64   `json:"p99_ms"`
	// InPart: CloudWatch there answers in part, and lacks what it is asked for.
	InPart bool `json:"in_part,omitempty"`
	// DualStack load balancers have addresses of IPv6, too.
	DualStack bool `json:"dual_stack,omitempty"`
	// Listeners are the load balancer's.
	Listeners []Listener `json:"listeners"`
	// WebACL is attached to the load balancer; nil if none is.
	WebACL *WebACL `json:"web_acl,omitempty"`
	VPC    VPC     `json:"vpc"`
	// Certificates are those that ACM has there, by ARN.
	Certificates map[string]*Certificate `json:"certificates"`

	// Account is what the account uses there, and may.
	Account AccountUse `json:"account"`

	// Repositories are what ECR has there, by name.
	Repositories map[string][]RegistryImage `json:"repositories"`

	// Secrets are those of Secrets Manager, by name.
	Secrets map[string]*Secret `json:"secrets"`

	// Queues are those of SQS, by name. Deliveries are what became of the notifications of
	// the Region's topic, FailedDeliveries how many fail in a minute from now on.
	Queues           map[string]*Queue `json:"queues"`
	Deliveries       []Delivery        `json:"deliveries"`
	FailedDeliveries float64           `json:"failed_deliveries,omitempty"`

	// LogGroups are those of CloudWatch Logs, by name. Untraced: X-Ray is told of nothing;
	// SparseTraces is how many answers without a trace come before one that has it.
	LogGroups    map[string]*LogGroup `json:"log_groups"`
	Untraced     bool                 `json:"untraced,omitempty"`
	SparseTraces int                  `json:"sparse_traces,omitempty"`

	// MissingOrders is how many of the newest orders of the other Region never reached the
	// database of this one.
	MissingOrders int `json:"missing_orders,omitempty"`
	// DatabasePage is what the page on the database says in place of what is so.
	DatabasePage string `json:"database_page,omitempty"`
	// InFlight is how many requests the platform says that it has in hand, Schema the version
	// of the schema that its services were made for; empty is the usual one.
	InFlight int    `json:"in_flight,omitempty"`
	Schema   string `json:"schema,omitempty"`

	// Accounts are the service accounts of the cluster, each with the ARN of the role
	// that it is annotated with; PodIdentities the roles that EKS gives by itself.
	Accounts      map[string]string `json:"accounts"`
	PodIdentities map[string]string `json:"pod_identities,omitempty"`
	// OtherClusters are EKS clusters of the Region beside that of the services.
	OtherClusters []string `json:"other_clusters,omitempty"`
	// CronJobs of the cluster, each with whether it runs or is suspended.
	CronJobs map[string]bool `json:"cron_jobs"`
	// GitOps keeps the autoscalers as they are written down elsewhere; nil where nothing does.
	GitOps *GitOps `json:"gitops,omitempty"`
	// Objects are what else the cluster keeps in the namespace of the services.
	Objects Objects `json:"objects"`
	// NotReady is why checks of the cluster's API server (/readyz) fail, by check.
	NotReady    map[string]string                                 `json:"not_ready,omitempty"`
	Nodes       []Node                                            `json:"nodes"`
	Deployments map[string]*appsv1.Deployment                     `json:"deployments"`
	HPAs        map[string]*autoscalingv2.HorizontalPodAutoscaler `json:"hpas"`
	Pods        []*Pod                                            `json:"pods"`
	Notices     []Notice                                          `json:"notices"`
	// Load is how many replicas the autoscaler would have by the load alone.
	Load map[string]int32 `json:"load"`
	// Over is since when a service has had more replicas than its autoscaler wants.
	Over map[string]time.Time `json:"over"`
	// Versions numbers the changes to objects of the cluster.
	Versions int64 `json:"versions"`
	PodCount int   `json:"pod_count"`

	Monitoring Monitoring `json:"monitoring"`
	Traced     Traced     `json:"traced"`
	Mesh       Mesh       `json:"mesh"`

	Buckets map[string]map[string]Object `json:"buckets"`
	// PrivateBuckets refuse whoever does not sign, as S3 has new buckets do.
	PrivateBuckets bool `json:"private_buckets,omitempty"`

	hashes map[string]hashed // of the templates, worked out once
}

// Since is a Region for which something holds from a moment on.
type Since struct {
	At     time.Time `json:"at"`
	Region string    `json:"region"`
}

// Seen is a condition that observers only believe after it has lasted.
type Seen struct {
	Now   bool      `json:"now"`
	Since time.Time `json:"since"`
	Up    bool      `json:"up"` // what is believed
}

func (s *Seen) observe(now bool, at time.Time, lasting time.Duration) {
	if s.Now != now {
		s.Now, s.Since = now, at
	}
	if s.Up != s.Now && at.Sub(s.Since) >= lasting {
		s.Up = s.Now
	}
}

// begin is the world at the start of a scenario.
func begin(scn *Scenario, seed uint64, at time.Time) *State {
	at = at.UTC()
	s := &State{
		Scenario: scn.Name, Seed: seed, Start: at, At: at,
		Marks:    map[string]time.Time{markStart: at},
		Happened: make([]bool, len(scn.Events)),
		Regions:  map[string]*Region{},
		Applied:  map[string]int{}, Broken: map[string]map[string]int{}, Turns: map[string]Tally{}, Ports: map[string]string{},
		PodsPerNode: cmp.Or(scn.Start.PodsPerNode, 8),
	}
	long := at.Add(-30 * 24 * time.Hour)
	s.Database = beginDatabase(scn.Start, long)
	s.Cache = beginCache(scn.Start)
	for _, name := range regionNames {
		s.Regions[name] = &Region{Name: name, ALB: Seen{true, long, true}, Buckets: map[string]map[string]Object{bucketName(name): {
			takeoverKey + ".probe": {Body: []byte("for checks alone\n"), ETag: `"9b0c0e0d0f6f0e6a5d0b0c0a0f0e0d0c"`, Type: "text/plain", Modified: long},
		}, assetsBucket(name): {
			probeKey: {Body: []byte("to be read\n"), ETag: `"6f5902ac237024bdd0c176cb93063dc4"`, Type: "text/plain", Modified: long},
		}}}
		s.Regions[name].Balancer, s.Regions[name].P99MS = beginBalancer(), usualP99
		s.Regions[name].Listeners = beginListeners(name)
		s.Regions[name].VPC = beginVPC(name)
		s.Regions[name].WebACL = beginWebACL(name)
		s.Regions[name].Certificates = beginCertificates(name, scn.Start, at)
		s.Regions[name].Account = beginAccount()
		s.Regions[name].Repositories = beginRepositories(long)
		s.Regions[name].Secrets = beginSecrets(name, long)
		s.Regions[name].Queues = beginQueues()
		s.Regions[name].LogGroups = beginLogGroups()
		s.Regions[name].Accounts = beginAccounts()
		s.Regions[name].Objects = beginObjects(name)
		s.beginCluster(s.Regions[name], scn.Start, long)
		for _, service := range scn.Start.Lacks[name] {
			s.Regions[name].leaveOut(service)
		}
	}
	s.DNS = beginDNS(scn.Start, long)
	s.Controls = beginControls()
	s.Velero = beginVelero()
	s.Roles = beginRoles()
	s.Distribution = beginDistribution()
	s.Pager = beginPager(at)
	s.Network = Network{Peering: "active"}
	s.Replication = beginReplication()
	if at := scn.Start.Servers; at != nil {
		s.FailedOver(at.In)
		s.Recovery.Fails, s.Recovery.Broken = copied(at.Fails), copied(at.Broken)
	}
	s.publishPast()
	s.step(scn)
	return s
}

// advance lets the world evolve up to now. It is a function of the state alone,
// whoever looks and however often.
func (s *State) advance(scn *Scenario, now time.Time) {
	if now.Sub(s.At) > 3*time.Hour { // long waits have nothing new to show
		s.At = now.Add(-3 * time.Hour).Truncate(time.Second)
	}
	for s.At.Before(now) {
		next := s.At.Truncate(time.Second).Add(time.Second)
		if next.After(now) {
			next = now
		}
		for _, due := range s.due(scn) {
			if due.After(s.At) && due.Before(next) {
				next = due
			}
		}
		s.At = next
		s.step(scn)
	}
}

// due are the moments at which something happens that is not tied to a tick.
func (s *State) due(scn *Scenario) []time.Time {
	at := append(s.Database.due(), s.Cache.due()...)
	for i, e := range scn.Events {
		if !s.Happened[i] {
			if from, ok := s.Marks[since(e)]; ok {
				at = append(at, from.Add(e.At))
			}
		}
	}
	return at
}

func since(e Event) string {
	if e.Since == "" {
		return markStart
	}
	return e.Since
}

// mark remembers when something first became so.
func (s *State) mark(what string) {
	if _, ok := s.Marks[what]; !ok {
		s.Marks[what] = s.At
	}
}

// step brings everything to the moment s.At.
func (s *State) step(scn *Scenario) {
	for i, e := range scn.Events {
		from, ok := s.Marks[since(e)]
		if ok && !s.Happened[i] && !from.Add(e.At).After(s.At) {
			s.Happened[i] = true
			s.happen(e)
		}
	}
	s.stepDatabase()
	s.stepCache()
	s.stepVelero()
	s.stepRestores()
	s.stepRecovery()
	if s.At.Equal(s.At.Truncate(time.Second)) {
		for _, name := range regionNames {
			s.stepCluster(s.Regions[name])
		}
		s.publish()
	}
	s.stepDNS()
	s.stepOrders()
}

// happen applies an event of the scenario.
func (s *State) happen(e Event) {
	switch {
	case e.Lose != "":
		s.Regions[e.Lose].Lost = true
	case e.Restore != "":
		s.Regions[e.Restore].Lost = false
	case e.CutOff != "":
		s.Regions[e.CutOff].CutOff = true
	case e.Reconnect != "":
		s.Regions[e.Reconnect].CutOff = false
	case e.Network != "":
		s.Network.Down = e.Network == "down"
	case e.Degrade != nil:
		d := *e.Degrade
		s.Regions[d.Region].Degraded = &d
		if d.FailPercent == 0 && d.LatencyMS == 0 {
			s.Regions[d.Region].Degraded = nil
		}
	case e.Configure != nil:
		s.configure(*e.Configure)
	case e.Replication != nil:
		s.Database.replicate(*e.Replication)
	case e.BreakTargets != "":
		s.Regions[e.BreakTargets].TargetsBroken = true
	case e.MendServer != "":
		delete(s.Recovery.Fails, e.MendServer)
		delete(s.Recovery.Broken, e.MendServer)
	case e.MendTargets != "":
		s.Regions[e.MendTargets].TargetsBroken = false
	case e.PauseGitOps != "":
		if g := s.Regions[e.PauseGitOps].GitOps; g != nil {
			g.Paused = true
		}
	case e.Promotion != nil:
		s.Database.take(*e.Promotion)
	case e.DropPromotion != nil:
		s.Database.drop(*e.DropPromotion)
	case e.ModifyCache != nil:
		s.Cache.modify(s.At, *e.ModifyCache)
	case e.AddNodes != nil:
		s.Regions[e.AddNodes.Region].addNodes(e.AddNodes.PerZone)
	case e.Resolver != nil:
		s.DNS.lie(*e.Resolver)
	case e.TakeoverCheck != nil:
		s.DNS.look(checkTakeover, *e.TakeoverCheck)
	case e.Settings != nil:
		called := *e.Settings
		s.Database.Called = &called
	case e.Fault != nil:
		s.Faults = append(s.Faults, *e.Fault)
	case e.Bot != "", e.Slack != "":
		s.Cues = append(s.Cues, Cue{Bot: e.Bot, Slack: e.Slack})
	}
}

func ptr[T any](v T) *T { return &v }

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// copied is a map of its own, which is never nil.
func copied(m map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, m)
	return out
}
