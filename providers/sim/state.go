package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	r53 "github.com/aws/aws-sdk-go-v2/service/route53/types"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The moments that an event of a scenario may count from.
const (
	markStart     = "start"
	markPromoting = "promoting"
	markPromoted  = "promoted"
	markTakeover  = "takeover"
	markDNSMoved  = "dns-moved"
)

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
	Orders   []Order            `json:"orders"`
	// OwnOrders are those that the world itself sends; they are not among Orders.
	OwnOrders OrderLog `json:"own_orders"`
	Faults    []Fault  `json:"faults"`

	// Applied counts, by operation, the calls that changed the world.
	Applied map[string]int `json:"applied"`
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
	// TargetsBroken makes every target of the load balancer unhealthy.
	TargetsBroken bool `json:"targets_broken"`
	// ALB is what Route 53 thinks of the load balancer.
	ALB Seen `json:"alb"`

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

	Buckets map[string]map[string]Object `json:"buckets"`

	hashes map[string]hashed // of the templates, worked out once
}

// Node is one node of a cluster.
type Node struct {
	Name     string `json:"name"`
	Zone     string `json:"zone"`
	Ready    bool   `json:"ready"`
	Cordoned bool   `json:"cordoned"`
}

// Pod is one pod of a service.
type Pod struct {
	Name     string    `json:"name"`
	Service  string    `json:"service"`
	Template string    `json:"template"` // hash of the template it was made from
	Node     string    `json:"node"`     // empty while it cannot be placed
	Created  time.Time `json:"created"`
	// ReadyAt is when it becomes ready; zero while it cannot be placed. Its
	// connections to the database are those of the writer at its creation.
	ReadyAt time.Time `json:"ready_at"`
}

func (p *Pod) ready(at time.Time) bool { return !p.ReadyAt.IsZero() && !p.ReadyAt.After(at) }

// Notice is an event object of the cluster.
type Notice struct {
	Name    string    `json:"name"`
	Kind    string    `json:"kind"`
	Object  string    `json:"object"`
	Type    string    `json:"type"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Count   int32     `json:"count"`
}

// Object is an object in a bucket.
type Object struct {
	Body     []byte    `json:"body"`
	ETag     string    `json:"etag"`
	Type     string    `json:"type"`
	Modified time.Time `json:"modified"`
}

// Database is the Aurora global database.
type Database struct {
	GlobalCluster string     `json:"global_cluster"`
	Members       []DBMember `json:"members"`
	Failover      *Failover  `json:"failover,omitempty"`
	// WritableSince is since when the present writer has accepted writes.
	WritableSince time.Time `json:"writable_since"`
	// Writers is which Region's database has accepted writes since when.
	Writers    []Since `json:"writers"`
	Promotions int     `json:"promotions"`
	// Takes is how long a promotion takes; 0 is as long as usual.
	Takes time.Duration `json:"takes,omitempty"`
	// Drop is which promotions Aurora takes back; nil if none.
	Drop    *DropPromotion `json:"drop,omitempty"`
	LagMS   float64        `json:"lag_ms"`
	Stopped bool           `json:"stopped"`
	Lag     []Point        `json:"lag"`
	Events  []DBEvent      `json:"events"`
}

// DBMember is one cluster of the global database.
type DBMember struct {
	Region    string    `json:"region"`
	Cluster   string    `json:"cluster"`
	ARN       string    `json:"arn"`
	Writer    bool      `json:"writer"`
	Sync      string    `json:"sync"`   // connected, pending-resync
	Status    string    `json:"status"` // available, switching-over, failing-over
	Instances int       `json:"instances"`
	ResyncAt  time.Time `json:"resync_at,omitzero"` // when a resync that runs will be done
}

// Failover is a switchover or a failover that goes on.
type Failover struct {
	Status   string    `json:"status"`
	From     string    `json:"from"` // Regions
	To       string    `json:"to"`
	DataLoss bool      `json:"data_loss"`
	Started  time.Time `json:"started"`
	Due      time.Time `json:"due"`
	// Dropped is when Aurora begins to take it back; zero if it does not.
	Dropped time.Time `json:"dropped,omitzero"`
}

// DBEvent is a row of DescribeEvents.
type DBEvent struct {
	At      time.Time `json:"at"`
	Region  string    `json:"region"`
	Source  string    `json:"source"`
	ID      string    `json:"id"` // RDS-EVENT-0182
	Message string    `json:"message"`
}

// Point is a datapoint of a metric that a Region publishes.
type Point struct {
	At     time.Time `json:"at"`
	Region string    `json:"region"`
	Value  float64   `json:"value"`
}

// Cache is the ElastiCache global datastore.
type Cache struct {
	GlobalGroup string        `json:"global_group"`
	Status      string        `json:"status"` // available, modifying
	Members     []CacheMember `json:"members"`
	To          string        `json:"to,omitempty"`
	Due         time.Time     `json:"due,omitzero"`
	LagMS       float64       `json:"lag_ms"`
	Lag         []Point       `json:"lag"`
}

// CacheMember is one replication group of the datastore.
type CacheMember struct {
	Region  string `json:"region"`
	Group   string `json:"group"`
	Primary bool   `json:"primary"`
	Status  string `json:"status"` // associated, associating
}

// DNS is the hosted zone and its health checks.
type DNS struct {
	Zone   string                  `json:"zone"`
	Checks map[string]*HealthCheck `json:"checks"`
	// Records as the API knows them; Served as the zone's servers do.
	Records []r53.ResourceRecordSet `json:"records"`
	Served  []r53.ResourceRecordSet `json:"served"`
	Changes []Change                `json:"changes"`
	// History is which Region the zone's servers answered since when.
	History []Since `json:"history"`
	// Lies are the Regions that public resolvers answer against the truth, or contrary.
	Lies map[string]string `json:"lies,omitempty"`
}

// HealthCheck is a Route 53 health check.
type HealthCheck struct {
	ID        string   `json:"id"`
	Type      string   `json:"type"` // HTTP, CALCULATED
	Version   int64    `json:"version"`
	Host      string   `json:"host,omitempty"`
	Path      string   `json:"path,omitempty"`
	Children  []string `json:"children,omitempty"`
	Threshold int32    `json:"threshold,omitempty"`
	Disabled  bool     `json:"disabled"`
	Inverted  bool     `json:"inverted"`
	// What the zone's servers know of the two flags, and from when on they know
	// what stands above.
	KnownDisabled bool      `json:"known_disabled"`
	KnownInverted bool      `json:"known_inverted"`
	KnownFrom     time.Time `json:"known_from"`
	// Probe is what the checkers see, before any flag.
	Probe Seen `json:"probe"`
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

// Change is a change to the records of the zone.
type Change struct {
	ID        string    `json:"id"`
	Submitted time.Time `json:"submitted"`
	InSync    time.Time `json:"in_sync"`
	Comment   string    `json:"comment,omitempty"`
	Served    bool      `json:"served"`
	// Records of the zone after this change.
	Records []r53.ResourceRecordSet `json:"records"`
}

// Since is a Region for which something holds from a moment on.
type Since struct {
	At     time.Time `json:"at"`
	Region string    `json:"region"`
}

// How long things take in the pretend world.
const (
	switchoverTime = 75 * time.Second
	failoverTime   = 60 * time.Second
	cancelTime     = 30 * time.Second // from when Aurora begins to take a promotion back
	resyncTime     = 25 * time.Minute
	cacheTime      = 45 * time.Second
	changeTime     = 25 * time.Second // until GetChange says INSYNC
	flagTime       = 20 * time.Second // until the zone's servers know a check's flags
	probeTime      = 30 * time.Second // three probes, ten seconds apart; so, too, for a load balancer
	hpaSync        = 15 * time.Second
	hpaPatience    = 30 * time.Second // until an autoscaler takes replicas away
	datapoint      = time.Minute

	zonesPerRegion = 3
)

// Writer is the Region whose database accepts writes.
func (s *State) Writer() string {
	if m := s.writer(); m != nil {
		return m.Region
	}
	return ""
}

// ZoneAnswer is the Region that the zone's own servers answer for the public name.
func (s *State) ZoneAnswer() string { return s.resolve(recordName) }

// ReadyPods are the ready pods of a service in a Region, and how many of them hold
// connections to the present writer of the database.
func (s *State) ReadyPods(region, service string) (ready, connected int) {
	if r := s.Regions[region]; r != nil {
		return s.readyPods(r, service)
	}
	return 0, 0
}

func (s *State) writer() *DBMember {
	for i := range s.Database.Members {
		if s.Database.Members[i].Writer {
			return &s.Database.Members[i]
		}
	}
	return nil
}

// Member is the cluster in a Region; nil if there is none.
func (d *Database) Member(region string) *DBMember {
	for i := range d.Members {
		if d.Members[i].Region == region {
			return &d.Members[i]
		}
	}
	return nil
}

// Member is the replication group in a Region; nil if there is none.
func (c *Cache) Member(region string) *CacheMember {
	for i := range c.Members {
		if c.Members[i].Region == region {
			return &c.Members[i]
		}
	}
	return nil
}

// readyPods are the ready pods of a service, and how many of them hold
// connections to the present writer.
func (s *State) readyPods(r *Region, service string) (ready, connected int) {
	for _, p := range r.Pods {
		if p.Service == service && p.ready(s.At) {
			ready++
			if !p.Created.Before(s.Database.WritableSince) {
				connected++
			}
		}
	}
	return ready, connected
}

// healthy is what the zone's servers believe of a health check.
func (s *State) healthy(id string) bool {
	return s.healthyBelow(id, 8)
}

func (s *State) healthyBelow(id string, depth int) bool {
	c := s.DNS.Checks[id]
	if c == nil || depth == 0 {
		return true // a check that is not there does not count
	}
	var up bool
	switch {
	case c.KnownDisabled:
		up = true // checking stops, and the check counts as healthy for ever
	case c.Type == "CALCULATED":
		var n int32
		for _, child := range c.Children {
			if s.healthyBelow(child, depth-1) {
				n++
			}
		}
		up = n >= c.Threshold
	default:
		up = c.Probe.Up
	}
	return up != c.KnownInverted
}

// resolve is the Region that the zone's servers answer for a name at this moment,
// by the rules of failover alias records; empty when they have no such name.
func (s *State) resolve(name string) string {
	var primary, secondary *r53.ResourceRecordSet
	for i := range s.DNS.Served {
		rec := &s.DNS.Served[i]
		if rec.Type != r53.RRTypeA || rec.AliasTarget == nil || !sameName(deref(rec.Name), name) {
			continue
		}
		switch rec.Failover {
		case r53.ResourceRecordSetFailoverPrimary:
			primary = rec
		case r53.ResourceRecordSetFailoverSecondary:
			secondary = rec
		default:
			return regionOfALB(deref(rec.AliasTarget.DNSName))
		}
	}
	region := func(rec *r53.ResourceRecordSet) string { return regionOfALB(deref(rec.AliasTarget.DNSName)) }
	up := func(rec *r53.ResourceRecordSet) bool {
		if rec.AliasTarget.EvaluateTargetHealth {
			if r := s.Regions[region(rec)]; r == nil || !r.ALB.Up {
				return false
			}
		}
		return rec.HealthCheckId == nil || s.healthy(*rec.HealthCheckId)
	}
	switch {
	case primary == nil && secondary == nil:
		return ""
	case primary == nil:
		return region(secondary)
	case secondary == nil || up(primary):
		return region(primary)
	case up(secondary):
		return region(secondary)
	default:
		return region(primary) // neither is well: everybody goes to the primary
	}
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
	var at []time.Time
	if f := s.Database.Failover; f != nil {
		at = append(at, f.Due)
		if !f.Dropped.IsZero() {
			at = append(at, f.Dropped, f.Dropped.Add(cancelTime))
		}
	}
	if s.Cache.To != "" {
		at = append(at, s.Cache.Due)
	}
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
	case e.Degrade != nil:
		d := *e.Degrade
		s.Regions[d.Region].Degraded = &d
		if d.FailPercent == 0 && d.LatencyMS == 0 {
			s.Regions[d.Region].Degraded = nil
		}
	case e.Replication != nil:
		s.Database.Stopped = e.Replication.Stopped
		if e.Replication.LagMS > 0 {
			s.Database.LagMS = float64(e.Replication.LagMS)
		}
	case e.BreakTargets != "":
		s.Regions[e.BreakTargets].TargetsBroken = true
	case e.MendTargets != "":
		s.Regions[e.MendTargets].TargetsBroken = false
	case e.Promotion != nil:
		s.Database.Takes = e.Promotion.Takes
		if f := s.Database.Failover; f != nil {
			f.Due = s.promoted(f.Started, f.DataLoss)
		}
	case e.DropPromotion != nil:
		d := *e.DropPromotion
		s.Database.Drop = &d
		s.Database.dropped()
	case e.AddNodes != nil:
		s.Regions[e.AddNodes.Region].addNodes(e.AddNodes.PerZone)
	case e.Resolver != nil:
		if s.DNS.Lies == nil {
			s.DNS.Lies = map[string]string{}
		}
		s.DNS.Lies[e.Resolver.Name] = e.Resolver.Answers
		if e.Resolver.Answers == "" {
			delete(s.DNS.Lies, e.Resolver.Name)
		}
	case e.Fault != nil:
		s.Faults = append(s.Faults, *e.Fault)
	case e.Bot != "", e.Slack != "":
		s.Cues = append(s.Cues, Cue{Bot: e.Bot, Slack: e.Slack})
	}
}

// promoted is when a promotion that began then will be over.
func (s *State) promoted(began time.Time, loss bool) time.Time {
	switch {
	case s.Database.Takes > 0:
		return began.Add(s.Database.Takes)
	case loss:
		return began.Add(failoverTime)
	}
	return began.Add(switchoverTime + time.Duration(s.Database.LagMS)*time.Millisecond)
}

// dropped marks the promotion under way as one that Aurora will take back, if it is
// to be.
func (d *Database) dropped() {
	f := d.Failover
	if f == nil || d.Drop == nil {
		return
	}
	f.Dropped = f.Started.Add(d.Drop.After)
	if d.Drop.Times == 1 {
		d.Drop = nil
	} else if d.Drop.Times > 1 {
		d.Drop.Times--
	}
}

// addNodes gives each zone of the Region that many new nodes.
func (r *Region) addNodes(perZone int) {
	for z := range zonesPerRegion {
		zone := r.Name + string(rune('a'+z))
		have := 0
		for _, n := range r.Nodes {
			if n.Zone == zone {
				have++
			}
		}
		for i := range perZone {
			r.Nodes = append(r.Nodes, Node{Name: fmt.Sprintf("ip-10-%d-%d-%d.%s.compute.internal", len(regionNames), z, 10+have+i, r.Name), Zone: zone, Ready: true})
		}
	}
}

// replicates says whether the database replicates into a Region at this moment.
func (s *State) replicates(into string) bool {
	w, m := s.writer(), s.Database.Member(into)
	return w != nil && m != nil && !m.Writer && m.Sync == "connected" && !s.Database.Stopped &&
		s.Database.Failover == nil && !s.Regions[w.Region].Lost && !s.Regions[into].Lost
}

// publish writes the datapoints that fall on this moment.
func (s *State) publish() {
	if !s.At.Equal(s.At.Truncate(datapoint)) {
		return
	}
	for _, region := range regionNames {
		jitter := 0.85 + float64(draw(s.Seed, 300, "lag", region, s.At.Unix()))/1000
		if s.replicates(region) {
			s.Database.Lag = append(s.Database.Lag, Point{s.At, region, s.Database.LagMS * jitter})
		}
		m := s.Cache.Member(region)
		from := s.CachePrimary()
		if m != nil && !m.Primary && m.Status == "associated" && from != "" && !s.Regions[from].Lost && !s.Regions[region].Lost {
			s.Cache.Lag = append(s.Cache.Lag, Point{s.At, region, s.Cache.LagMS / 1000 * jitter})
		}
	}
	const keep = 400
	if n := len(s.Database.Lag); n > keep {
		s.Database.Lag = slices.Clone(s.Database.Lag[n-keep:])
	}
	if n := len(s.Cache.Lag); n > keep {
		s.Cache.Lag = slices.Clone(s.Cache.Lag[n-keep:])
	}
}

// CachePrimary is the Region whose cache takes writes.
func (s *State) CachePrimary() string {
	for _, m := range s.Cache.Members {
		if m.Primary {
			return m.Region
		}
	}
	return ""
}

func (s *State) dbEvent(region, id, message string) {
	m := s.Database.Member(region)
	s.Database.Events = append(s.Database.Events, DBEvent{s.At, region, m.Cluster, "RDS-EVENT-" + id, message})
}

func (s *State) stepDatabase() {
	d := &s.Database
	if f := d.Failover; f != nil {
		from, to := d.Member(f.From), d.Member(f.To)
		switch {
		case !f.DataLoss && s.Regions[f.From].Lost && f.Due.After(s.At):
			// A switchover waits for the last change; with its source gone it ends
			// as if it had not been asked for.
			d.Failover = nil
			from.Status, to.Status = "available", "available"
			s.dbEvent(f.To, "0186", "Global switchover to DB cluster "+to.Cluster+" was cancelled.")
		case !f.Dropped.IsZero() && !f.Dropped.After(s.At):
			s.takeBack(f, from, to)
		case s.Regions[f.To].Lost:
			f.Due = f.Due.Add(time.Second) // nobody is there to be promoted
			if f.Due.Before(s.At) {
				f.Due = s.At.Add(time.Second)
			}
		case !f.Due.After(s.At):
			from.Writer, to.Writer = false, true
			from.Status, to.Status = "available", "available"
			to.Sync = "connected"
			if f.DataLoss {
				from.Sync, from.ResyncAt = "pending-resync", time.Time{}
				s.dbEvent(f.To, "0238", "Global failover to DB cluster "+to.Cluster+" completed.")
			} else {
				s.dbEvent(f.From, "0182", "Old primary DB cluster "+from.Cluster+" successfully shut down.")
				s.dbEvent(f.To, "0184", "New primary DB cluster "+to.Cluster+" was promoted.")
				s.dbEvent(f.To, "0185", "Global switchover to DB cluster "+to.Cluster+" finished.")
			}
			s.dbEvent(f.To, "0397", "Amazon Aurora Global Database writer endpoint DNS changed to "+to.Cluster+".")
			d.Failover, d.WritableSince = nil, s.At
			d.Writers = append(d.Writers, Since{s.At, f.To})
			d.Promotions++
			s.mark(markPromoted)
		}
	}
	// A primary that was left behind rejoins on a new volume once it is back.
	for i := range d.Members {
		m := &d.Members[i]
		if m.Sync != "pending-resync" {
			continue
		}
		switch {
		case s.Regions[m.Region].Lost:
			m.ResyncAt = time.Time{}
		case m.ResyncAt.IsZero():
			m.ResyncAt = s.At.Add(resyncTime)
			s.dbEvent(m.Region, "0240", "Started resynchronizing DB cluster "+m.Cluster+" after global failover.")
		case !m.ResyncAt.After(s.At):
			m.Sync, m.ResyncAt = "connected", time.Time{}
			s.dbEvent(m.Region, "0241", "Finished resynchronizing DB cluster "+m.Cluster+" after global failover.")
		}
	}
}

// takeBack lets Aurora drop a promotion that it had accepted: it is cancelling for a
// while, and then it is as if nobody had asked.
func (s *State) takeBack(f *Failover, from, to *DBMember) {
	const cancelling = "cancelling"
	failed, kind := "0187", "switchover"
	if f.DataLoss {
		failed, kind = "0239", "failover"
	}
	if f.Status != cancelling {
		f.Status = cancelling
		s.dbEvent(f.To, failed, "Global "+kind+" to DB cluster "+to.Cluster+" failed.")
	}
	if f.Dropped.Add(cancelTime).After(s.At) {
		return
	}
	from.Status, to.Status = "available", "available"
	if !f.DataLoss {
		s.dbEvent(f.To, "0186", "Global switchover to DB cluster "+to.Cluster+" was cancelled.")
	}
	s.Database.Failover = nil
}

func (s *State) stepCache() {
	c := &s.Cache
	if c.To == "" || c.Due.After(s.At) || s.Regions[c.To].Lost {
		return
	}
	for i := range c.Members {
		c.Members[i].Primary = c.Members[i].Region == c.To
	}
	c.Status, c.To, c.Due = "available", "", time.Time{}
}

func (s *State) stepDNS() {
	for _, name := range regionNames {
		r := s.Regions[name]
		r.ALB.observe(!r.Lost && s.targetsHealthy(r) > 0, s.At, probeTime)
	}
	for _, c := range s.DNS.Checks {
		if !c.KnownFrom.After(s.At) {
			c.KnownDisabled, c.KnownInverted = c.Disabled, c.Inverted
		}
		if c.Type == "HTTP" {
			c.Probe.observe(s.answers(c.Host, c.Path), s.At, probeTime)
		}
	}
	for i := range s.DNS.Changes {
		if ch := &s.DNS.Changes[i]; !ch.Served && !ch.InSync.After(s.At) {
			ch.Served = true
			s.DNS.Served = ch.Records
		}
	}
	now := s.resolve(recordName)
	if h := s.DNS.History; len(h) == 0 || h[len(h)-1].Region != now {
		s.DNS.History = append(h, Since{s.At, now})
		if len(h) > 0 {
			s.mark(markDNSMoved)
		}
	}
}

// answers says whether a checker of Route 53 gets a good answer from an address.
func (s *State) answers(host, path string) bool {
	for _, name := range regionNames {
		r := s.Regions[name]
		switch host {
		case endpointHost(name):
			return !r.Lost && s.targetsHealthy(r) > 0
		case bucketHost(name):
			_, there := r.Buckets[bucketName(name)][path[1:]]
			return !r.Lost && there
		}
	}
	return false
}

// targetsHealthy is how many targets of the Region's load balancer are healthy.
// The targets are the nodes, behind which the ingress serves every service.
func (s *State) targetsHealthy(r *Region) int {
	if r.TargetsBroken {
		return 0
	}
	n := 0
	for _, node := range r.Nodes {
		if node.Ready {
			n++
		}
	}
	return n
}

func ptr[T any](v T) *T { return &v }

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func object(r *Region, namespace, name string, at time.Time) metav1.ObjectMeta {
	r.Versions++
	return metav1.ObjectMeta{
		Name: name, Namespace: namespace, Generation: 1,
		ResourceVersion:   fmt.Sprint(r.Versions),
		UID:               uidOf(r.Name, namespace, name, r.Versions),
		CreationTimestamp: metav1.NewTime(at),
		Labels:            map[string]string{"app": name},
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
		Applied:  map[string]int{}, Turns: map[string]Tally{}, Ports: map[string]string{},
		PodsPerNode: scn.Start.PodsPerNode,
	}
	if s.PodsPerNode == 0 {
		s.PodsPerNode = 8
	}
	long := at.Add(-30 * 24 * time.Hour)
	s.Database = Database{GlobalCluster: globalCluster, WritableSince: long, Writers: []Since{{long, homeRegion}}, LagMS: 180}
	if scn.Start.LagMS > 0 {
		s.Database.LagMS = float64(scn.Start.LagMS)
	}
	s.Cache = Cache{GlobalGroup: globalGroup, Status: "available", LagMS: 400}
	if scn.Start.CacheLagMS > 0 {
		s.Cache.LagMS = float64(scn.Start.CacheLagMS)
	}
	for _, name := range regionNames {
		home := name == homeRegion
		r := &Region{
			Name: name, ALB: Seen{true, long, true}, Load: map[string]int32{}, Over: map[string]time.Time{},
			Deployments: map[string]*appsv1.Deployment{}, HPAs: map[string]*autoscalingv2.HorizontalPodAutoscaler{},
			Buckets: map[string]map[string]Object{bucketName(name): {}},
		}
		perZone, given := scn.Start.NodesPerZone[name]
		if !given {
			perZone = 2
			if home {
				perZone = 3
			}
		}
		r.addNodes(perZone)
		for _, svc := range services {
			n, top := svc.standby, int32(2*svc.topology.Replicas)
			if home {
				n = int32(svc.topology.Replicas)
			} else if m, ok := scn.Start.HPAMax[svc.topology.Name]; ok {
				top = int32(m)
			}
			s.deploy(r, svc.topology.Name, n, top, long)
		}
		s.Regions[name] = r
		s.Database.Members = append(s.Database.Members, DBMember{
			Region: name, Cluster: clusterName(name), ARN: clusterARN(name), Writer: home,
			Sync: "connected", Status: "available", Instances: 2,
		})
		s.Cache.Members = append(s.Cache.Members, CacheMember{Region: name, Group: cacheGroup(name), Primary: home, Status: "associated"})
	}
	s.DNS = beginDNS(long)
	if given := scn.Start.TakeoverCheck; given != nil {
		c := s.DNS.Checks[checkTakeover]
		c.Host, c.Path = cmp.Or(given.Host, c.Host), cmp.Or(given.Path, c.Path)
	}
	s.DNS.History = []Since{{long, homeRegion}}
	// The last hour's datapoints, so that there is something to look back at.
	then := *s
	for m := at.Truncate(datapoint).Add(-time.Hour); !m.After(at); m = m.Add(datapoint) {
		then.At = m
		then.publish()
	}
	s.Database.Lag, s.Cache.Lag = then.Database.Lag, then.Cache.Lag
	s.step(scn)
	return s
}

func beginDNS(long time.Time) DNS {
	standby := standbyRegion
	alias := func(region string) *r53.AliasTarget {
		return &r53.AliasTarget{DNSName: ptr(albName(region) + "."), HostedZoneId: ptr(albZone[region]), EvaluateTargetHealth: true}
	}
	dns := DNS{Zone: zoneID, Checks: map[string]*HealthCheck{}}
	for _, c := range []*HealthCheck{
		{ID: checkPrimary, Type: "CALCULATED", Children: []string{checkEndpoint, checkTakeover}, Threshold: 2},
		{ID: checkEndpoint, Type: "HTTP", Host: endpointHost(homeRegion), Path: "/healthz", Probe: Seen{true, long, true}},
		{ID: checkTakeover, Type: "HTTP", Host: bucketHost(standby), Path: "/" + takeoverKey, Inverted: true, KnownInverted: true, Probe: Seen{false, long, false}},
	} {
		c.Version, c.KnownFrom = 1, long
		dns.Checks[c.ID] = c
	}
	dns.Records = []r53.ResourceRecordSet{
		{Name: ptr(zoneName + "."), Type: r53.RRTypeNs, TTL: ptr(int64(172800)), ResourceRecords: []r53.ResourceRecord{{Value: ptr("ns-1." + zoneName + ".")}, {Value: ptr("ns-2." + zoneName + ".")}}},
		{
			Name: ptr(recordName + "."), Type: r53.RRTypeA, SetIdentifier: ptr("primary"), Failover: r53.ResourceRecordSetFailoverPrimary,
			HealthCheckId: ptr(checkPrimary), AliasTarget: alias(homeRegion),
		},
		{
			Name: ptr(recordName + "."), Type: r53.RRTypeA, SetIdentifier: ptr("secondary"), Failover: r53.ResourceRecordSetFailoverSecondary,
			AliasTarget: alias(standby),
		},
	}
	for _, r := range regionNames {
		dns.Records = append(dns.Records, r53.ResourceRecordSet{Name: ptr(endpointHost(r) + "."), Type: r53.RRTypeA, AliasTarget: alias(r)})
	}
	dns.Served = slices.Clone(dns.Records)
	return dns
}
