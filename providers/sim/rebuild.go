package sim

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/rds"
	rdst "github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/smithy-go"
)

// DatabaseNames are what the settings call the global database and its clusters.
type DatabaseNames struct {
	// GlobalCluster is the identifier of the global database.
	GlobalCluster string `yaml:"global_cluster" json:"global_cluster"`
	// Clusters are those of Regions, where they are not the usual ones.
	Clusters map[string]string `yaml:"clusters,omitempty" json:"clusters,omitempty"`
}

// cluster is what the settings call a Region's cluster.
func (n *DatabaseNames) cluster(region string) string {
	if n != nil && n.Clusters[region] != "" {
		return n.Clusters[region]
	}
	return clusterName(region)
}

// global is what they call the global database.
func (n *DatabaseNames) global() string {
	if n != nil && n.GlobalCluster != "" {
		return n.GlobalCluster
	}
	return globalCluster
}

func clusterARNOf(region, cluster string) string {
	return "arn:aws:rds:" + region + ":" + account + ":cluster:" + cluster
}

// offered are the versions of the engine that RDS offers.
var offered = []string{"15.10", "16.4", engineVersion, "16.8", "17.4"}

func describeVersions(r request, in *rds.DescribeDBEngineVersionsInput) (*rds.DescribeDBEngineVersionsOutput, error) {
	out := &rds.DescribeDBEngineVersionsOutput{}
	for _, v := range offered {
		if (in.EngineVersion == nil || *in.EngineVersion == v) && !slices.Contains(r.Database.Withdrawn, v) {
			out.DBEngineVersions = append(out.DBEngineVersions, rdst.DBEngineVersion{Engine: in.Engine, EngineVersion: ptr(v), Status: ptr("available")})
		}
	}
	return out, nil
}

// has are how many clusters and instances there are in a Region.
func (r request) has() (clusters, instances int64) {
	for _, m := range r.Database.all() {
		if m.Region == r.region {
			clusters++
			instances += int64(m.Instances)
		}
	}
	return clusters + r.Database.Others, instances + r.Database.Others
}

func describeAccount(r request, _ *rds.DescribeAccountAttributesInput) (*rds.DescribeAccountAttributesOutput, error) {
	clusters, instances := r.has()
	return &rds.DescribeAccountAttributesOutput{AccountQuotas: []rdst.AccountQuota{
		{AccountQuotaName: ptr("DBClusters"), Used: ptr(clusters), Max: ptr(int64(mostClusters))},
		{AccountQuotaName: ptr("DBInstances"), Used: ptr(instances), Max: ptr(int64(mostInstances))},
	}}, nil
}

func stopCluster(r request, in *rds.StopDBClusterInput) (*rds.StopDBClusterOutput, error) {
	for _, m := range r.Database.all() {
		switch {
		case m.Region != r.region || m.Cluster != deref(in.DBClusterIdentifier):
			continue
		case m.Global != "":
			return nil, &rdst.InvalidDBClusterStateFault{Message: ptr("DB cluster " + m.Cluster + " is part of a global cluster and cannot be stopped.")}
		case m.Status != "available":
			return nil, &rdst.InvalidDBClusterStateFault{Message: ptr("DB cluster " + m.Cluster + " is in state " + m.Status + ".")}
		}
		m.Status, m.Ready = "stopping", r.now.Add(stopTime)
		shown := m.shown()
		return &rds.StopDBClusterOutput{DBCluster: &shown}, nil
	}
	return nil, &rdst.DBClusterNotFoundFault{Message: ptr("DBCluster " + deref(in.DBClusterIdentifier) + " not found.")}
}

func createGlobal(r request, in *rds.CreateGlobalClusterInput) (*rds.CreateGlobalClusterOutput, error) {
	id := deref(in.GlobalClusterIdentifier)
	if slices.Contains(r.Database.Globals, id) {
		return nil, &rdst.GlobalClusterAlreadyExistsFault{Message: ptr("Global cluster " + id + " already exists.")}
	}
	for _, m := range r.Database.all() {
		switch {
		case m.ARN != deref(in.SourceDBClusterIdentifier) || m.Region != r.region:
			continue
		case m.Global != "":
			return nil, &rdst.InvalidDBClusterStateFault{Message: ptr("DB cluster " + m.Cluster + " is part of global cluster " + m.Global + " already.")}
		case m.Status != "available":
			return nil, &rdst.InvalidDBClusterStateFault{Message: ptr("DB cluster " + m.Cluster + " is in state " + m.Status + ".")}
		}
		m.Global, m.Sync = id, "connected"
		r.Database.Globals = append(r.Database.Globals, id)
		return &rds.CreateGlobalClusterOutput{GlobalCluster: r.globalCluster(id)}, nil
	}
	return nil, &rdst.DBClusterNotFoundFault{Message: ptr("DBCluster " + deref(in.SourceDBClusterIdentifier) + " not found.")}
}

// createCluster makes a cluster that follows a global cluster; the one that was the
// platform's in that Region is left behind for good.
func createCluster(r request, in *rds.CreateDBClusterInput) (*rds.CreateDBClusterOutput, error) {
	id, global := deref(in.DBClusterIdentifier), deref(in.GlobalClusterIdentifier)
	if err := r.isGlobal(&global); err != nil {
		return nil, err
	}
	clusters, _ := r.has()
	for _, m := range r.Database.all() {
		switch {
		case m.Region == r.region && m.Cluster == id:
			return nil, &rdst.DBClusterAlreadyExistsFault{Message: ptr("DB Cluster already exists")}
		case m.Global == global && m.Region == r.region:
			return nil, badState("Global cluster %s has a cluster in %s already.", global, r.region)
		}
	}
	set := setupOf(r.region)
	switch {
	case clusters >= mostClusters:
		return nil, &rdst.DBClusterQuotaExceededFault{Message: ptr("You have reached the maximum number of DB clusters.")}
	case deref(in.EngineVersion) != r.Database.version(global):
		return nil, &smithy.GenericAPIError{Code: "InvalidParameterCombination", Message: "The engine version has to be that of the global cluster, " + r.Database.version(global), Fault: smithy.FaultClient}
	case in.MasterUsername != nil || in.MasterUserPassword != nil:
		return nil, &smithy.GenericAPIError{Code: "InvalidParameterCombination", Message: "Cannot specify user name for cross region replication cluster", Fault: smithy.FaultClient}
	case deref(in.KmsKeyId) == "":
		return nil, &smithy.GenericAPIError{Code: "InvalidParameterCombination", Message: "The key of an encrypted cluster in another Region has to be given", Fault: smithy.FaultClient}
	case deref(in.DBSubnetGroupName) != set.Subnets:
		return nil, &rdst.DBSubnetGroupNotFoundFault{Message: ptr("DB subnet group " + deref(in.DBSubnetGroupName) + " does not exist.")}
	}
	made := DBMember{
		Region: r.region, Cluster: id, ARN: clusterARNOf(r.region, id), Global: global, Status: "creating", Ready: r.now.Add(clusterTime), Version: deref(in.EngineVersion),
		Setup: DBSetup{
			Subnets: deref(in.DBSubnetGroupName), Parameters: deref(in.DBClusterParameterGroupName), Key: deref(in.KmsKeyId), Groups: in.VpcSecurityGroupIds, Port: deref(in.Port),
			Retention: deref(in.BackupRetentionPeriod), Protected: deref(in.DeletionProtection), IAM: deref(in.EnableIAMDatabaseAuthentication), Logs: in.EnableCloudwatchLogsExports,
		},
	}
	for i, m := range r.Database.Members {
		if m.Region == r.region {
			r.Database.Orphans = append(r.Database.Orphans, m)
			r.Database.Members[i] = made
		}
	}
	shown := made.shown()
	return &rds.CreateDBClusterOutput{DBCluster: &shown}, nil
}

func createInstance(r request, in *rds.CreateDBInstanceInput) (*rds.CreateDBInstanceOutput, error) {
	id := deref(in.DBInstanceIdentifier)
	_, instances := r.has()
	var to *DBMember
	for _, m := range r.Database.all() {
		if m.Region != r.region {
			continue
		}
		for i := range m.Instances {
			if instanceName(m, i) == id {
				return nil, &rdst.DBInstanceAlreadyExistsFault{Message: ptr("DB instance already exists")}
			}
		}
		if m.Cluster == deref(in.DBClusterIdentifier) {
			to = m
		}
	}
	switch {
	case to == nil:
		return nil, &rdst.DBClusterNotFoundFault{Message: ptr("DBCluster " + deref(in.DBClusterIdentifier) + " not found.")}
	case to.Status != "available":
		return nil, &rdst.InvalidDBClusterStateFault{Message: ptr("DB cluster " + to.Cluster + " is in state " + to.Status + ".")}
	case instances >= mostInstances:
		return nil, &rdst.InstanceQuotaExceededFault{Message: ptr("You have reached the maximum number of DB instances.")}
	case !strings.HasPrefix(deref(in.AvailabilityZone), r.region):
		return nil, &smithy.GenericAPIError{Code: "InvalidParameterValue", Message: "Invalid availability zone: " + deref(in.AvailabilityZone), Fault: smithy.FaultClient}
	}
	to.Class = deref(in.DBInstanceClass)
	to.Made = append(to.Made, DBInstance{
		ID: id, Class: deref(in.DBInstanceClass), Zone: deref(in.AvailabilityZone), Tier: deref(in.PromotionTier), Parameters: deref(in.DBParameterGroupName), Ready: r.now.Add(instanceTime),
	})
	to.Instances = len(to.Made)
	shown := r.instance(to, to.Instances-1)
	return &rds.CreateDBInstanceOutput{DBInstance: &shown}, nil
}
