package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/rds"
	rdst "github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/smithy-go"
)

// Database is the Aurora global database, and what became of it.
type Database struct {
	// Globals are the global clusters that there are, by their identifiers.
	Globals []string   `json:"globals"`
	Members []DBMember `json:"members"`
	// Orphans are clusters that others stand in for.
	Orphans  []DBMember `json:"orphans,omitempty"`
	Failover *Failover  `json:"failover,omitempty"`
	// Status is what the global cluster says of itself; empty: available.
	Status string `json:"status,omitempty"`
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
	// WritesGoOn: the writes of an old writer cannot be blocked.
	WritesGoOn bool         `json:"writes_go_on,omitempty"`
	Snapshots  []DBSnapshot `json:"snapshots,omitempty"`
	// Withdrawn are versions of the engine that RDS offers no more, and Others is how many
	// clusters and instances the account has beside the platform's.
	Withdrawn []string `json:"withdrawn,omitempty"`
	Others    int64    `json:"others,omitempty"`
	// Called is what the settings call it; nil: as in the beginning.
	Called *DatabaseNames `json:"called,omitempty"`
}

// DBSnapshot is a snapshot of a cluster.
type DBSnapshot struct {
	Region  string    `json:"region"`
	ID      string    `json:"id"`
	Cluster string    `json:"cluster"`
	At      time.Time `json:"at"`
	// Of is what it is a copy of; empty of one that Aurora took by itself.
	Of     string `json:"of,omitempty"`
	Status string `json:"status"`
	// Lost are the orders in it that the other Region never received, oldest first.
	Lost []string `json:"lost,omitempty"`
}

// retention is how many days the clusters keep their backups.
const retention = 7

// DBMember is one cluster of the global database.
type DBMember struct {
	Region  string `json:"region"`
	Cluster string `json:"cluster"`
	ARN     string `json:"arn"`
	// Global is the global cluster that it is a member of; empty: it stands alone.
	Global string `json:"global,omitempty"`
	// Orphan: another cluster left the global database that it wrote for, and writes by
	// itself now. Detached is when one will have left that is about to.
	Orphan    bool      `json:"orphan,omitempty"`
	Detached  time.Time `json:"detached,omitzero"`
	Writer    bool      `json:"writer"`
	Sync      string    `json:"sync"`   // connected, pending-resync
	Status    string    `json:"status"` // available, switching-over, failing-over
	Instances int       `json:"instances"`
	ResyncAt  time.Time `json:"resync_at,omitzero"` // when a resync that runs will be done
	// Class of its instances, and their state where that is not available; MaxCapacity is
	// how large they may grow, in ACU, where the class is db.serverless.
	Class         string  `json:"class"`
	InstanceState string  `json:"instance_state,omitempty"`
	MaxCapacity   float64 `json:"max_capacity,omitempty"`
	Version       string  `json:"version"`
	// Ready is when a cluster that is being made will be available, or one that is being
	// stopped will be stopped; zero: nothing is under way.
	Ready time.Time `json:"ready,omitzero"`
	// Made are the instances of a cluster that somebody made; of the others Instances says
	// how many there are.
	Made []DBInstance `json:"made,omitempty"`
	// Setup is how the cluster was set up.
	Setup DBSetup `json:"setup,omitzero"`
}

// DBSetup is what a cluster is set up with in its Region.
type DBSetup struct {
	Subnets    string   `json:"subnets"`
	Parameters string   `json:"parameters"`
	Key        string   `json:"key"`
	Groups     []string `json:"groups"`
	Port       int32    `json:"port"`
	Retention  int32    `json:"retention"`
	Protected  bool     `json:"protected"`
	IAM        bool     `json:"iam"`
	Logs       []string `json:"logs"`
}

// DBInstance is an instance that somebody made.
type DBInstance struct {
	ID         string    `json:"id"`
	Class      string    `json:"class"`
	Zone       string    `json:"zone"`
	Tier       int32     `json:"tier"`
	Parameters string    `json:"parameters"`
	Ready      time.Time `json:"ready"`
}

// setupOf is how the platform's clusters are set up in a Region.
func setupOf(region string) DBSetup {
	return DBSetup{
		Subnets: "ecommerce-db-" + region, Parameters: "ecommerce-aurora-postgresql16", Groups: []string{"sg-db-" + region},
		Key: "arn:aws:kms:" + region + ":" + account + ":key/0d5e6f70-0000-4000-8000-000000000001", Port: 5432, Retention: retention,
		Protected: true, IAM: true, Logs: []string{"postgresql"},
	}
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
	// Instance: it is one of an instance of the cluster, and not of the cluster.
	Instance bool `json:"instance,omitempty"`
}

// How long Aurora takes.
const (
	switchoverTime = 75 * time.Second
	failoverTime   = 60 * time.Second
	cancelTime     = 30 * time.Second // from when it begins to take a promotion back
	resyncTime     = 25 * time.Minute
	detachTime     = 90 * time.Second
	stopTime       = time.Minute
	clusterTime    = 3 * time.Minute // until one that is made is available and in sync
	instanceTime   = 3 * time.Minute
)

// How many clusters and instances the account may have in a Region.
const (
	mostClusters  = 40
	mostInstances = 40
)

// engineVersion is that of the global database.
const engineVersion = "16.6"

func beginDatabase(start Start, long time.Time) Database {
	d := Database{Globals: []string{globalCluster}, WritesGoOn: start.WritesGoOn, WritableSince: long, Writers: []Since{{long, homeRegion}}, LagMS: float64(cmp.Or(start.LagMS, 180))}
	for _, name := range regionNames {
		d.Members = append(d.Members, DBMember{
			Region: name, Cluster: clusterName(name), ARN: clusterARN(name), Global: globalCluster, Writer: name == homeRegion,
			Sync: "connected", Status: "available", Instances: 2, Class: "db.r6g.2xlarge", Version: cmp.Or(start.Versions[name], engineVersion), Setup: setupOf(name),
		})
	}
	return d
}

// Member is the cluster in a Region that is the platform's; nil if there is none.
func (d *Database) Member(region string) *DBMember {
	for i := range d.Members {
		if d.Members[i].Region == region {
			return &d.Members[i]
		}
	}
	return nil
}

// all are the clusters that there are.
func (d *Database) all() []*DBMember {
	var out []*DBMember
	for _, in := range [][]DBMember{d.Members, d.Orphans} {
		for i := range in {
			out = append(out, &in[i])
		}
	}
	return out
}

// of are the members of a global cluster.
func (d *Database) of(global string) []*DBMember {
	return slices.DeleteFunc(d.all(), func(m *DBMember) bool { return global == "" || m.Global != global })
}

// writer is the cluster that writes for the platform; an orphan writes for nobody.
func (s *State) writer() *DBMember {
	for i := range s.Database.Members {
		if m := &s.Database.Members[i]; m.Writer && !m.Orphan {
			return m
		}
	}
	return nil
}

// Hosts of the database: a global cluster's leads to its writer, wherever that is.
func globalHost(global string) string { return global + ".global-pretend.global.rds.amazonaws.com" }

func (m *DBMember) host() string {
	return m.Cluster + ".cluster-pretend." + m.Region + ".rds.amazonaws.com"
}

// leads is the cluster that a host leads to; nil where there is none that writes.
func (d *Database) leads(host string) *DBMember {
	for _, m := range d.all() {
		if m.Writer && m.Status != "stopping" && m.Status != "stopped" && (host == m.host() || m.Global != "" && host == globalHost(m.Global)) {
			return m
		}
	}
	return nil
}

// Writer is the Region whose database accepts writes.
func (s *State) Writer() string {
	if m := s.writer(); m != nil {
		return m.Region
	}
	return ""
}

// due are the moments at which something happens that is not tied to a tick.
func (d *Database) due() (at []time.Time) {
	if f := d.Failover; f != nil {
		at = append(at, f.Due)
		if !f.Dropped.IsZero() {
			at = append(at, f.Dropped, f.Dropped.Add(cancelTime))
		}
	}
	for _, m := range d.all() {
		if !m.Detached.IsZero() {
			at = append(at, m.Detached)
		}
		if !m.Ready.IsZero() {
			at = append(at, m.Ready)
		}
	}
	return at
}

// replicate changes how replication does.
func (d *Database) replicate(r Replication) {
	d.Stopped = r.Stopped
	if r.LagMS > 0 {
		d.LagMS = float64(r.LagMS)
	}
}

// take changes how long promotions take, the one under way included.
func (d *Database) take(p Promotion) {
	d.Takes = p.Takes
	if f := d.Failover; f != nil {
		f.Due = d.promoted(f.Started, f.DataLoss)
	}
}

// drop changes which promotions are taken back, the one under way included.
func (d *Database) drop(p DropPromotion) {
	d.Drop = &p
	d.dropped()
}

// promoted is when a promotion that began then will be over.
func (d *Database) promoted(began time.Time, loss bool) time.Time {
	switch {
	case d.Takes > 0:
		return began.Add(d.Takes)
	case loss:
		return began.Add(failoverTime)
	}
	return began.Add(switchoverTime + time.Duration(d.LagMS)*time.Millisecond)
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

// replicates says whether the database replicates into a Region at this moment.
func (s *State) replicates(into string) bool {
	w, m := s.writer(), s.Database.Member(into)
	return w != nil && m != nil && !m.Writer && m.Sync == "connected" && !s.Database.Stopped &&
		s.Database.Failover == nil && !s.Regions[w.Region].Lost && !s.Regions[into].Lost
}

func (s *State) dbEvent(region, id, message string) {
	m := s.Database.Member(region)
	s.Database.Events = append(s.Database.Events, DBEvent{At: s.At, Region: region, Source: m.Cluster, ID: "RDS-EVENT-" + id, Message: message})
}

// blocks tells whether Aurora could block the writes of the old writer; a Region that is
// lost tells nothing, so the new writer's does.
func (s *State) blocks(from, to *DBMember) {
	id, how := "0390", "succeeded"
	if s.Database.WritesGoOn {
		id, how = "0391", "timed out"
	} else if s.Regions[from.Region].Lost {
		return // nobody knows
	}
	s.Database.Events = append(s.Database.Events, DBEvent{
		At: s.At, Region: to.Region, Source: instanceName(to, 0), ID: "RDS-EVENT-" + id, Instance: true,
		Message: fmt.Sprintf("Attempt to block writes for DB cluster %s in Region %s %s.", from.Cluster, from.Region, how),
	})
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
	for _, m := range d.all() {
		s.stepDetach(m)
		if !m.Ready.IsZero() && !m.Ready.After(s.At) && !s.Regions[m.Region].Lost {
			m.ready()
		}
	}
	// What Aurora took by itself goes with the backups; a copy stays.
	d.Snapshots = slices.DeleteFunc(d.Snapshots, func(t DBSnapshot) bool {
		return t.Of == "" && !s.At.Before(t.At.AddDate(0, 0, retention))
	})
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
			s.Database.Snapshots = append(s.Database.Snapshots, DBSnapshot{
				Region: m.Region, ID: "rds:unplanned-global-failover-" + m.Cluster + "-" + s.At.UTC().Format("2006-01-02-15-04"), Cluster: m.Cluster, At: s.At, Status: "available",
			})
			s.dbEvent(m.Region, "0240", "Started resynchronizing DB cluster "+m.Cluster+" after global failover.")
		case !m.ResyncAt.After(s.At):
			m.Sync, m.ResyncAt = "connected", time.Time{}
			s.dbEvent(m.Region, "0241", "Finished resynchronizing DB cluster "+m.Cluster+" after global failover.")
		}
	}
}

// stepDetach lets a cluster leave its global cluster that was asked to, and write alone. The
// one that wrote for it is left as it is: it is told nothing, and blocked by nobody.
func (s *State) stepDetach(m *DBMember) {
	switch {
	case m.Detached.IsZero():
	case s.Regions[m.Region].Lost:
		m.Detached = m.Detached.Add(time.Second) // nobody is there
		if m.Detached.Before(s.At) {
			m.Detached = s.At.Add(time.Second)
		}
	case !m.Detached.After(s.At):
		if !m.Writer {
			for _, o := range s.Database.of(m.Global) {
				o.Orphan = o.Writer
			}
			s.Database.WritableSince = s.At
			s.Database.Writers = append(s.Database.Writers, Since{s.At, m.Region})
			s.Database.Promotions++
			s.mark(markPromoted)
		}
		m.Global, m.Detached, m.Writer, m.Sync, m.Status = "", time.Time{}, true, "", "available"
	}
}

// ready ends what is under way with the cluster itself.
func (m *DBMember) ready() {
	m.Ready = time.Time{}
	if m.Status == "stopping" {
		m.Status = "stopped"
		return
	}
	m.Status, m.Sync = "available", "connected"
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

var rdsAPI = awsAPI{
	system: "aws.rds",
	operations: map[string]operation{
		"DescribeGlobalClusters": reads(describeGlobalClusters),
		"DescribeDBClusters":     reads(describeDBClusters),
		"DescribeDBInstances":    reads(describeDBInstances).lostAs(ServerFail),
		"DescribeEvents":         reads(describeEvents),

		"DescribeDBClusterSnapshots": reads(describeSnapshots),
		"CopyDBClusterSnapshot":      changes(copySnapshot),
		"SwitchoverGlobalCluster":    changes(switchover),
		"FailoverGlobalCluster":      changes(failover),
		"RemoveFromGlobalCluster":    changes(removeFromGlobal),

		"DescribeDBEngineVersions":  reads(describeVersions),
		"DescribeAccountAttributes": reads(describeAccount),
		"StopDBCluster":             changes(stopCluster),
		"CreateGlobalCluster":       changes(createGlobal),
		"CreateDBCluster":           changes(createCluster),
		"CreateDBInstance":          changes(createInstance),
	},
	target: func(in any) string {
		switch in := in.(type) {
		case *rds.DescribeGlobalClustersInput:
			return deref(in.GlobalClusterIdentifier)
		case *rds.DescribeDBClustersInput:
			return deref(in.DBClusterIdentifier)
		case *rds.DescribeDBInstancesInput:
			for _, f := range in.Filters {
				return strings.Join(f.Values, " ")
			}
		case *rds.DescribeDBClusterSnapshotsInput:
			return deref(in.DBClusterIdentifier)
		case *rds.CopyDBClusterSnapshotInput:
			return deref(in.TargetDBClusterSnapshotIdentifier)
		case *rds.SwitchoverGlobalClusterInput:
			return deref(in.TargetDbClusterIdentifier)
		case *rds.FailoverGlobalClusterInput:
			return deref(in.TargetDbClusterIdentifier)
		case *rds.RemoveFromGlobalClusterInput:
			return deref(in.DbClusterIdentifier)
		case *rds.StopDBClusterInput:
			return deref(in.DBClusterIdentifier)
		case *rds.CreateGlobalClusterInput:
			return deref(in.GlobalClusterIdentifier)
		case *rds.CreateDBClusterInput:
			return deref(in.DBClusterIdentifier)
		case *rds.CreateDBInstanceInput:
			return deref(in.DBInstanceIdentifier)
		}
		return ""
	},
}

func (r request) globalCluster(id string) *rdst.GlobalCluster {
	d := r.Database
	members := d.of(id)
	g := &rdst.GlobalCluster{
		GlobalClusterIdentifier: ptr(id),
		GlobalClusterArn:        ptr("arn:aws:rds::" + account + ":global-cluster:" + id),
		GlobalClusterResourceId: ptr("cluster-pretend"),
		Engine:                  ptr("aurora-postgresql"), EngineVersion: ptr(d.version(id)), Status: ptr(cmp.Or(d.Status, "available")),
		Endpoint:           ptr(globalHost(id)),
		DeletionProtection: ptr(true), StorageEncrypted: ptr(true),
	}
	var readers []string
	for _, m := range members {
		if !m.Writer {
			readers = append(readers, m.ARN)
		}
	}
	for _, m := range members {
		member := rdst.GlobalClusterMember{
			DBClusterArn: ptr(m.ARN), IsWriter: ptr(m.Writer),
			SynchronizationStatus:       rdst.GlobalClusterMemberSynchronizationStatus(m.Sync),
			GlobalWriteForwardingStatus: rdst.WriteForwardingStatusDisabled,
		}
		if m.Writer {
			member.Readers = readers
		}
		g.GlobalClusterMembers = append(g.GlobalClusterMembers, member)
	}
	if f := d.Failover; f != nil && slices.ContainsFunc(members, func(m *DBMember) bool { return m.Region == f.To }) {
		g.Status = ptr(f.Status)
		g.FailoverState = &rdst.FailoverState{
			Status: rdst.FailoverStatus(f.Status), FromDbClusterArn: ptr(d.Member(f.From).ARN), ToDbClusterArn: ptr(d.Member(f.To).ARN),
			IsDataLossAllowed: ptr(f.DataLoss),
		}
	}
	return g
}

// version of the engine that a global cluster has: its writer's.
func (d *Database) version(global string) string {
	for _, m := range d.of(global) {
		if m.Writer {
			return m.Version
		}
	}
	return engineVersion
}

func (r request) isGlobal(id *string) error {
	if !slices.Contains(r.Database.Globals, deref(id)) {
		return &rdst.GlobalClusterNotFoundFault{Message: ptr("Global cluster " + deref(id) + " not found")}
	}
	return nil
}

func describeGlobalClusters(r request, in *rds.DescribeGlobalClustersInput) (*rds.DescribeGlobalClustersOutput, error) {
	out := &rds.DescribeGlobalClustersOutput{}
	for _, id := range r.Database.Globals {
		if in.GlobalClusterIdentifier == nil || *in.GlobalClusterIdentifier == id {
			out.GlobalClusters = append(out.GlobalClusters, *r.globalCluster(id))
		}
	}
	if in.GlobalClusterIdentifier != nil {
		return out, r.isGlobal(in.GlobalClusterIdentifier)
	}
	return out, nil
}

func describeDBClusters(r request, in *rds.DescribeDBClustersInput) (*rds.DescribeDBClustersOutput, error) {
	out := &rds.DescribeDBClustersOutput{}
	id := deref(in.DBClusterIdentifier)
	for _, m := range r.Database.all() {
		if m.Region == r.region && (id == "" || id == m.Cluster || id == m.ARN) {
			out.DBClusters = append(out.DBClusters, m.shown())
		}
	}
	if id != "" && len(out.DBClusters) == 0 {
		return nil, &rdst.DBClusterNotFoundFault{Message: ptr("DBCluster " + id + " not found.")}
	}
	return out, nil
}

func (m *DBMember) shown() rdst.DBCluster {
	c := rdst.DBCluster{
		DBClusterIdentifier: ptr(m.Cluster), DBClusterArn: ptr(m.ARN), Status: ptr(m.Status),
		Engine: ptr("aurora-postgresql"), EngineVersion: ptr(m.Version), EngineMode: ptr("provisioned"), MultiAZ: ptr(m.Instances > 1),
		Endpoint:              ptr(m.host()),
		BackupRetentionPeriod: ptr(m.Setup.Retention),
		DBSubnetGroup:         ptr(m.Setup.Subnets), DBClusterParameterGroup: ptr(m.Setup.Parameters), KmsKeyId: ptr(m.Setup.Key), StorageEncrypted: ptr(true),
		Port: ptr(m.Setup.Port), DeletionProtection: ptr(m.Setup.Protected), IAMDatabaseAuthenticationEnabled: ptr(m.Setup.IAM), EnabledCloudwatchLogsExports: m.Setup.Logs,
		ReaderEndpoint: ptr(m.Cluster + ".cluster-ro-pretend." + m.Region + ".rds.amazonaws.com"),
	}
	if m.MaxCapacity > 0 {
		c.ServerlessV2ScalingConfiguration = &rdst.ServerlessV2ScalingConfigurationInfo{MinCapacity: ptr(0.5), MaxCapacity: ptr(m.MaxCapacity)}
	}
	if m.Global != "" {
		c.GlobalClusterIdentifier = ptr(m.Global)
	}
	for _, g := range m.Setup.Groups {
		c.VpcSecurityGroups = append(c.VpcSecurityGroups, rdst.VpcSecurityGroupMembership{VpcSecurityGroupId: ptr(g), Status: ptr("active")})
	}
	for i := range m.Instances {
		c.DBClusterMembers = append(c.DBClusterMembers, rdst.DBClusterMember{
			DBInstanceIdentifier: ptr(instanceName(m, i)), IsClusterWriter: ptr(i == 0 && m.Writer), PromotionTier: ptr(int32(i)),
			DBClusterParameterGroupStatus: ptr("in-sync"),
		})
	}
	return c
}

func describeDBInstances(r request, in *rds.DescribeDBInstancesInput) (*rds.DescribeDBInstancesOutput, error) {
	out := &rds.DescribeDBInstancesOutput{}
	id := deref(in.DBInstanceIdentifier)
	for _, m := range r.Database.all() {
		if m.Region != r.region || slices.ContainsFunc(in.Filters, func(f rdst.Filter) bool {
			return deref(f.Name) != "db-cluster-id" || !slices.Contains(f.Values, m.Cluster)
		}) {
			continue
		}
		for i := range m.Instances {
			if id == "" || id == instanceName(m, i) {
				out.DBInstances = append(out.DBInstances, r.instance(m, i))
			}
		}
	}
	if id != "" && len(out.DBInstances) == 0 {
		return nil, &rdst.DBInstanceNotFoundFault{Message: ptr("DBInstance " + id + " not found.")}
	}
	return out, nil
}

// instance is one as the API tells it.
func (r request) instance(m *DBMember, i int) rdst.DBInstance {
	one := DBInstance{Class: m.Class, Zone: m.Region + string(rune('a'+i%zonesPerRegion)), Tier: int32(i), Parameters: "ecommerce-instance"}
	status := cmp.Or(m.InstanceState, "available")
	switch {
	case i < len(m.Made):
		if one = m.Made[i]; one.Ready.After(r.now) {
			status = "creating"
		}
	case m.Status == "stopping" || m.Status == "stopped":
		status = m.Status
	}
	return rdst.DBInstance{
		DBInstanceIdentifier: ptr(instanceName(m, i)), DBClusterIdentifier: ptr(m.Cluster), DBInstanceClass: ptr(one.Class),
		DBInstanceStatus: ptr(status), PromotionTier: ptr(one.Tier), Engine: ptr("aurora-postgresql"), EngineVersion: ptr(m.Version), AvailabilityZone: ptr(one.Zone),
		DBParameterGroups:  []rdst.DBParameterGroupStatus{{DBParameterGroupName: ptr(one.Parameters), ParameterApplyStatus: ptr("in-sync")}},
		PubliclyAccessible: ptr(false), AutoMinorVersionUpgrade: ptr(true), CACertificateIdentifier: ptr("rds-ca-rsa2048-g1"),
	}
}

func instanceName(m *DBMember, i int) string {
	if i < len(m.Made) {
		return m.Made[i].ID
	}
	return fmt.Sprintf("%s-%d", m.Cluster, i+1)
}

func describeEvents(r request, in *rds.DescribeEventsInput) (*rds.DescribeEventsOutput, error) {
	from, to := r.now.Add(-time.Hour), r.now
	if in.Duration != nil {
		from = r.now.Add(-time.Duration(*in.Duration) * time.Minute)
	}
	if in.StartTime != nil {
		from = *in.StartTime
	}
	if in.EndTime != nil {
		to = *in.EndTime
	}
	out := &rds.DescribeEventsOutput{}
	for _, e := range r.Database.Events {
		if e.Region != r.region || e.At.Before(from) || e.At.After(to) || in.SourceIdentifier != nil && *in.SourceIdentifier != e.Source ||
			in.SourceType != "" && (in.SourceType == rdst.SourceTypeDbInstance) != e.Instance {
			continue
		}
		kind, arn := rdst.SourceTypeDbCluster, clusterARN(e.Region)
		if e.Instance {
			kind, arn = rdst.SourceTypeDbInstance, "arn:aws:rds:"+e.Region+":"+account+":db:"+e.Source
		}
		out.Events = append(out.Events, rdst.Event{
			Date: ptr(e.At), Message: ptr(e.text()), SourceIdentifier: ptr(e.Source), SourceType: kind,
			SourceArn: ptr(arn), EventCategories: []string{"global-failover"},
		})
	}
	return out, nil
}

// text is what the API tells of it. It has no number; here it stands behind, for whoever
// reads a rehearsal.
func (e DBEvent) text() string {
	if e.ID == "" {
		return e.Message
	}
	return e.Message + " (" + e.ID + ")"
}

func (d DBSnapshot) arn() string {
	return "arn:aws:rds:" + d.Region + ":" + account + ":cluster-snapshot:" + d.ID
}

func (d DBSnapshot) shown() rdst.DBClusterSnapshot {
	kind := "automated"
	out := rdst.DBClusterSnapshot{
		DBClusterSnapshotIdentifier: ptr(d.ID), DBClusterSnapshotArn: ptr(d.arn()), DBClusterIdentifier: ptr(d.Cluster), SnapshotCreateTime: ptr(d.At), Status: ptr(d.Status),
	}
	if d.Of != "" {
		kind, out.SourceDBClusterSnapshotArn = "manual", ptr("arn:aws:rds:"+d.Region+":"+account+":cluster-snapshot:"+d.Of)
	}
	out.SnapshotType = ptr(kind)
	return out
}

func describeSnapshots(r request, in *rds.DescribeDBClusterSnapshotsInput) (*rds.DescribeDBClusterSnapshotsOutput, error) {
	out := &rds.DescribeDBClusterSnapshotsOutput{}
	for _, d := range r.Database.Snapshots {
		if d.Region == r.region && (in.DBClusterIdentifier == nil || deref(in.DBClusterIdentifier) == d.Cluster) {
			out.DBClusterSnapshots = append(out.DBClusterSnapshots, d.shown())
		}
	}
	return out, nil
}

func copySnapshot(r request, in *rds.CopyDBClusterSnapshotInput) (*rds.CopyDBClusterSnapshotOutput, error) {
	var of *DBSnapshot
	for i, d := range r.Database.Snapshots {
		switch {
		case d.Region != r.region:
		case d.ID == deref(in.TargetDBClusterSnapshotIdentifier):
			return nil, &rdst.DBClusterSnapshotAlreadyExistsFault{Message: ptr("Cannot create the snapshot because one with the identifier " + d.ID + " already exists.")}
		case d.arn() == deref(in.SourceDBClusterSnapshotIdentifier) || d.ID == deref(in.SourceDBClusterSnapshotIdentifier):
			of = &r.Database.Snapshots[i]
		}
	}
	if of == nil {
		return nil, &rdst.DBClusterSnapshotNotFoundFault{Message: ptr("DBClusterSnapshot not found: " + deref(in.SourceDBClusterSnapshotIdentifier))}
	}
	made := DBSnapshot{Region: r.region, ID: deref(in.TargetDBClusterSnapshotIdentifier), Cluster: of.Cluster, At: r.now, Of: of.ID, Status: "available", Lost: of.Lost}
	r.Database.Snapshots = append(r.Database.Snapshots, made)
	shown := made.shown()
	return &rds.CopyDBClusterSnapshotOutput{DBClusterSnapshot: &shown}, nil
}

func badState(format string, args ...any) error {
	return &rdst.InvalidGlobalClusterStateFault{Message: ptr(fmt.Sprintf(format, args...))}
}

// promotable checks what both ways of promotion ask for.
func (r request) promotable(global, target *string) (*DBMember, error) {
	if err := r.isGlobal(global); err != nil {
		return nil, err
	}
	var to *DBMember
	for _, m := range r.Database.of(deref(global)) {
		if m.ARN == deref(target) {
			to = m
		}
	}
	switch {
	case to == nil && !strings.HasPrefix(deref(target), "arn:"):
		return nil, &smithy.GenericAPIError{Code: "InvalidParameterValue", Message: "The TargetDbClusterIdentifier must be an ARN", Fault: smithy.FaultClient}
	case to == nil:
		return nil, &rdst.DBClusterNotFoundFault{Message: ptr("DBCluster " + deref(target) + " not found.")}
	case r.Database.Failover != nil:
		return nil, badState("Global cluster %s is in state %s.", deref(global), r.Database.Failover.Status)
	case to.Writer:
		return nil, badState("DB cluster %s is the primary cluster of the global cluster already.", to.Cluster)
	case to.Status != "available":
		return nil, &rdst.InvalidDBClusterStateFault{Message: ptr("DB cluster " + to.Cluster + " is in state " + to.Status + ".")}
	case to.Instances == 0:
		return nil, &rdst.InvalidDBClusterStateFault{Message: ptr("DB cluster " + to.Cluster + " has no DB instances.")}
	case to.Sync != "connected":
		return nil, badState("DB cluster %s is not synchronized: %s.", to.Cluster, to.Sync)
	case minor(to.Version) != minor(r.Database.version(to.Global)):
		return nil, &rdst.InvalidDBClusterStateFault{Message: ptr("DB cluster " + to.Cluster + " has engine version " + to.Version + ", which is not compatible with version " + r.Database.version(to.Global) + " of its global cluster.")}
	}
	return to, nil
}

// minor is a version of the engine up to the minor one: two that differ in no more can be
// promoted for each other.
func minor(version string) string { return strings.Join(strings.SplitN(version, ".", 3)[:2], ".") }

func removeFromGlobal(r request, in *rds.RemoveFromGlobalClusterInput) (*rds.RemoveFromGlobalClusterOutput, error) {
	id := deref(in.GlobalClusterIdentifier)
	if err := r.isGlobal(&id); err != nil {
		return nil, err
	}
	for _, m := range r.Database.of(id) {
		switch {
		case m.ARN != deref(in.DbClusterIdentifier):
			continue
		case m.Region != r.region:
			return nil, &rdst.DBClusterNotFoundFault{Message: ptr("DBCluster " + m.ARN + " not found.")}
		case m.Writer && len(r.Database.of(id)) > 1:
			return nil, badState("DB cluster %s is the primary cluster of global cluster %s, which has others.", m.Cluster, id)
		case r.Database.Failover != nil:
			return nil, badState("Global cluster %s is in state %s.", id, r.Database.Failover.Status)
		case m.Status != "available":
			return nil, &rdst.InvalidDBClusterStateFault{Message: ptr("DB cluster " + m.Cluster + " is in state " + m.Status + ".")}
		}
		m.Detached = r.now.Add(detachTime)
		if m.Status = "modifying"; !m.Writer {
			m.Status = "promoting"
			r.mark(markPromoting)
		}
		return &rds.RemoveFromGlobalClusterOutput{GlobalCluster: r.globalCluster(id)}, nil
	}
	return nil, &rdst.DBClusterNotFoundFault{Message: ptr("DBCluster " + deref(in.DbClusterIdentifier) + " not found.")}
}

func (r request) startSwitchover(global, target *string) (*rdst.GlobalCluster, error) {
	to, err := r.promotable(global, target)
	if err != nil {
		return nil, err
	}
	from := r.writer()
	if r.region != from.Region {
		return nil, badState("A switchover is asked of the Region of the primary cluster, %s, not of %s.", from.Region, r.region)
	}
	if r.Database.Stopped {
		return nil, badState("DB cluster %s does not replicate.", to.Cluster)
	}
	from.Status, to.Status = "switching-over", "switching-over"
	r.Database.Failover = &Failover{Status: "switching-over", From: from.Region, To: to.Region, Started: r.now, Due: r.Database.promoted(r.now, false)}
	r.Database.dropped()
	r.mark(markPromoting)
	r.dbEvent(from.Region, "0181", "Global switchover to DB cluster "+to.Cluster+" started.")
	r.dbEvent(from.Region, "0183", fmt.Sprintf("Waiting for data synchronization across global cluster members. Current lags behind primary DB cluster: %s (%.0f ms).", to.Cluster, r.Database.LagMS))
	return r.globalCluster(to.Global), nil
}

func switchover(r request, in *rds.SwitchoverGlobalClusterInput) (*rds.SwitchoverGlobalClusterOutput, error) {
	g, err := r.startSwitchover(in.GlobalClusterIdentifier, in.TargetDbClusterIdentifier)
	if err != nil {
		return nil, err
	}
	return &rds.SwitchoverGlobalClusterOutput{GlobalCluster: g}, nil
}

func failover(r request, in *rds.FailoverGlobalClusterInput) (*rds.FailoverGlobalClusterOutput, error) {
	loss, sw := deref(in.AllowDataLoss), deref(in.Switchover)
	if loss && sw {
		return nil, &smithy.GenericAPIError{Code: "InvalidParameterCombination", Message: "AllowDataLoss and Switchover cannot be given together", Fault: smithy.FaultClient}
	}
	if !loss {
		g, err := r.startSwitchover(in.GlobalClusterIdentifier, in.TargetDbClusterIdentifier)
		if err != nil {
			return nil, err
		}
		return &rds.FailoverGlobalClusterOutput{GlobalCluster: g}, nil
	}
	to, err := r.promotable(in.GlobalClusterIdentifier, in.TargetDbClusterIdentifier)
	if err != nil {
		return nil, err
	}
	if r.region != to.Region {
		return nil, badState("A failover is asked of the Region of the target cluster, %s, not of %s.", to.Region, r.region)
	}
	from := r.writer()
	to.Status = "failing-over"
	if !r.Regions[from.Region].Lost {
		from.Status = "failing-over"
	}
	r.Database.Failover = &Failover{Status: "failing-over", From: from.Region, To: to.Region, DataLoss: true, Started: r.now, Due: r.Database.promoted(r.now, true)}
	r.Database.dropped()
	r.blocks(from, to)
	r.mark(markPromoting)
	return &rds.FailoverGlobalClusterOutput{GlobalCluster: r.globalCluster(to.Global)}, nil
}

// expectDatabase says how the database is not what a scenario expects.
func (s *State) expectDatabase(e Expect, say say) {
	if e.Writer == "" {
		return
	}
	switch m := s.writer(); {
	case s.Database.Failover != nil:
		say("the database is still %s to %s", s.Database.Failover.Status, s.Database.Failover.To)
	case m == nil:
		say("the database writes in no Region, expected %s", e.Writer)
	case m.Region != e.Writer:
		say("the database writes in %s, expected %s", m.Region, e.Writer)
	}
}
