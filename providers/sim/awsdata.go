package sim

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cw "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	ec "github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbt "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	rdst "github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53 "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3t "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// targetOf names the one thing that an input is about.
func targetOf(in any) string {
	switch in := in.(type) {
	case *rds.DescribeGlobalClustersInput:
		return deref(in.GlobalClusterIdentifier)
	case *rds.DescribeDBClustersInput:
		return deref(in.DBClusterIdentifier)
	case *rds.SwitchoverGlobalClusterInput:
		return deref(in.TargetDbClusterIdentifier)
	case *rds.FailoverGlobalClusterInput:
		return deref(in.TargetDbClusterIdentifier)
	case *elasticache.FailoverGlobalReplicationGroupInput:
		return deref(in.PrimaryReplicationGroupId)
	case *elasticache.DescribeGlobalReplicationGroupsInput:
		return deref(in.GlobalReplicationGroupId)
	case *route53.GetHealthCheckInput:
		return deref(in.HealthCheckId)
	case *route53.UpdateHealthCheckInput:
		return deref(in.HealthCheckId)
	case *route53.GetHealthCheckStatusInput:
		return deref(in.HealthCheckId)
	case *route53.ListResourceRecordSetsInput:
		return deref(in.HostedZoneId)
	case *route53.ChangeResourceRecordSetsInput:
		return deref(in.HostedZoneId)
	case *route53.GetHostedZoneInput:
		return deref(in.Id)
	case *route53.TestDNSAnswerInput:
		return deref(in.RecordName)
	case *route53.GetChangeInput:
		return deref(in.Id)
	case *s3.HeadBucketInput:
		return deref(in.Bucket)
	case *s3.HeadObjectInput:
		return deref(in.Bucket) + "/" + deref(in.Key)
	case *s3.GetObjectInput:
		return deref(in.Bucket) + "/" + deref(in.Key)
	case *s3.PutObjectInput:
		return deref(in.Bucket) + "/" + deref(in.Key)
	case *s3.DeleteObjectInput:
		return deref(in.Bucket) + "/" + deref(in.Key)
	case *elb.DescribeTargetHealthInput:
		return deref(in.TargetGroupArn)
	case *elb.DescribeTargetGroupsInput:
		return deref(in.LoadBalancerArn)
	}
	return ""
}

// --- RDS ---

var rdsOperations = map[string]operation{
	"DescribeGlobalClusters":  reads("aws.rds", "", describeGlobalClusters),
	"DescribeDBClusters":      reads("aws.rds", "", describeDBClusters),
	"DescribeEvents":          reads("aws.rds", "", describeEvents),
	"SwitchoverGlobalCluster": changes("aws.rds", "", switchover),
	"FailoverGlobalCluster":   changes("aws.rds", "", failover),
}

func (r request) globalCluster() *rdst.GlobalCluster {
	d := r.Database
	g := &rdst.GlobalCluster{
		GlobalClusterIdentifier: ptr(d.GlobalCluster),
		GlobalClusterArn:        ptr("arn:aws:rds::" + account + ":global-cluster:" + d.GlobalCluster),
		GlobalClusterResourceId: ptr("cluster-pretend"),
		Engine:                  ptr("aurora-postgresql"), EngineVersion: ptr("16.6"), Status: ptr("available"),
		Endpoint:           ptr(d.GlobalCluster + ".global-pretend.global.rds.amazonaws.com"),
		DeletionProtection: ptr(true), StorageEncrypted: ptr(true),
	}
	var readers []string
	for _, m := range d.Members {
		if !m.Writer {
			readers = append(readers, m.ARN)
		}
	}
	for _, m := range d.Members {
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
	if f := d.Failover; f != nil {
		g.Status = ptr(f.Status)
		g.FailoverState = &rdst.FailoverState{
			Status: rdst.FailoverStatus(f.Status), FromDbClusterArn: ptr(clusterARN(f.From)), ToDbClusterArn: ptr(clusterARN(f.To)),
			IsDataLossAllowed: ptr(f.DataLoss),
		}
	}
	return g
}

func (r request) isGlobal(id *string) error {
	if deref(id) != r.Database.GlobalCluster {
		return &rdst.GlobalClusterNotFoundFault{Message: ptr("Global cluster " + deref(id) + " not found")}
	}
	return nil
}

func describeGlobalClusters(r request, in *rds.DescribeGlobalClustersInput) (*rds.DescribeGlobalClustersOutput, error) {
	if in.GlobalClusterIdentifier != nil {
		if err := r.isGlobal(in.GlobalClusterIdentifier); err != nil {
			return nil, err
		}
	}
	return &rds.DescribeGlobalClustersOutput{GlobalClusters: []rdst.GlobalCluster{*r.globalCluster()}}, nil
}

func describeDBClusters(r request, in *rds.DescribeDBClustersInput) (*rds.DescribeDBClustersOutput, error) {
	m := r.Database.Member(r.region)
	if id := deref(in.DBClusterIdentifier); m == nil || id != "" && id != m.Cluster && id != m.ARN {
		return nil, &rdst.DBClusterNotFoundFault{Message: ptr("DBCluster " + id + " not found.")}
	}
	c := rdst.DBCluster{
		DBClusterIdentifier: ptr(m.Cluster), DBClusterArn: ptr(m.ARN), Status: ptr(m.Status),
		Engine: ptr("aurora-postgresql"), EngineVersion: ptr("16.6"), EngineMode: ptr("provisioned"), MultiAZ: ptr(m.Instances > 1),
		Endpoint:       ptr(m.Cluster + ".cluster-pretend." + r.region + ".rds.amazonaws.com"),
		ReaderEndpoint: ptr(m.Cluster + ".cluster-ro-pretend." + r.region + ".rds.amazonaws.com"),
	}
	for i := range m.Instances {
		c.DBClusterMembers = append(c.DBClusterMembers, rdst.DBClusterMember{
			DBInstanceIdentifier: ptr(fmt.Sprintf("%s-%d", m.Cluster, i+1)), IsClusterWriter: ptr(i == 0 && m.Writer), PromotionTier: ptr(int32(i)),
			DBClusterParameterGroupStatus: ptr("in-sync"),
		})
	}
	return &rds.DescribeDBClustersOutput{DBClusters: []rdst.DBCluster{c}}, nil
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
			in.SourceType != "" && in.SourceType != rdst.SourceTypeDbCluster {
			continue
		}
		out.Events = append(out.Events, rdst.Event{
			Date: ptr(e.At), Message: ptr(e.Message + " (" + e.ID + ")"), SourceIdentifier: ptr(e.Source), SourceType: rdst.SourceTypeDbCluster,
			SourceArn: ptr(clusterARN(e.Region)), EventCategories: []string{"global-failover"},
		})
	}
	return out, nil
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
	for i := range r.Database.Members {
		if r.Database.Members[i].ARN == deref(target) {
			to = &r.Database.Members[i]
		}
	}
	switch {
	case to == nil && !strings.HasPrefix(deref(target), "arn:"):
		return nil, &smithy.GenericAPIError{Code: "InvalidParameterValue", Message: "The TargetDbClusterIdentifier must be an ARN", Fault: smithy.FaultClient}
	case to == nil:
		return nil, &rdst.DBClusterNotFoundFault{Message: ptr("DBCluster " + deref(target) + " not found.")}
	case r.Database.Failover != nil:
		return nil, badState("Global cluster %s is in state %s.", r.Database.GlobalCluster, r.Database.Failover.Status)
	case to.Writer:
		return nil, badState("DB cluster %s is the primary cluster of the global cluster already.", to.Cluster)
	case to.Status != "available":
		return nil, &rdst.InvalidDBClusterStateFault{Message: ptr("DB cluster " + to.Cluster + " is in state " + to.Status + ".")}
	case to.Instances == 0:
		return nil, &rdst.InvalidDBClusterStateFault{Message: ptr("DB cluster " + to.Cluster + " has no DB instances.")}
	case to.Sync != "connected":
		return nil, badState("DB cluster %s is not synchronized: %s.", to.Cluster, to.Sync)
	}
	return to, nil
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
	r.Database.Failover = &Failover{Status: "switching-over", From: from.Region, To: to.Region, Started: r.now, Due: r.promoted(r.now, false)}
	r.Database.dropped()
	r.mark(markPromoting)
	r.dbEvent(from.Region, "0181", "Global switchover to DB cluster "+to.Cluster+" started.")
	r.dbEvent(from.Region, "0183", fmt.Sprintf("Waiting for data synchronization across global cluster members. Current lags behind primary DB cluster: %s (%.0f ms).", to.Cluster, r.Database.LagMS))
	return r.globalCluster(), nil
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
	r.Database.Failover = &Failover{Status: "failing-over", From: from.Region, To: to.Region, DataLoss: true, Started: r.now, Due: r.promoted(r.now, true)}
	r.Database.dropped()
	r.mark(markPromoting)
	return &rds.FailoverGlobalClusterOutput{GlobalCluster: r.globalCluster()}, nil
}

// --- ElastiCache ---

var cacheOperations = map[string]operation{
	"DescribeGlobalReplicationGroups": reads("aws.elasticache", "", describeCache),
	"FailoverGlobalReplicationGroup":  changes("aws.elasticache", "", promoteCache),
}

func (r request) cacheGroup(members bool) *ec.GlobalReplicationGroup {
	g := &ec.GlobalReplicationGroup{
		GlobalReplicationGroupId: ptr(r.Cache.GlobalGroup), Status: ptr(r.Cache.Status), Engine: ptr("redis"), EngineVersion: ptr("7.1.0"),
		ARN: ptr("arn:aws:elasticache::" + account + ":globalreplicationgroup:" + r.Cache.GlobalGroup), ClusterEnabled: ptr(true),
	}
	for _, m := range r.Cache.Members {
		if !members {
			break
		}
		role := "SECONDARY"
		if m.Primary {
			role = "PRIMARY"
		}
		g.Members = append(g.Members, ec.GlobalReplicationGroupMember{
			ReplicationGroupId: ptr(m.Group), ReplicationGroupRegion: ptr(m.Region), Role: ptr(role), Status: ptr(m.Status),
			AutomaticFailover: ec.AutomaticFailoverStatusEnabled,
		})
	}
	return g
}

func (r request) isGroup(id *string) error {
	if deref(id) != r.Cache.GlobalGroup {
		return &ec.GlobalReplicationGroupNotFoundFault{Message: ptr("Global Replication Group " + deref(id) + " does not exist")}
	}
	return nil
}

func describeCache(r request, in *elasticache.DescribeGlobalReplicationGroupsInput) (*elasticache.DescribeGlobalReplicationGroupsOutput, error) {
	if in.GlobalReplicationGroupId != nil {
		if err := r.isGroup(in.GlobalReplicationGroupId); err != nil {
			return nil, err
		}
	}
	g := r.cacheGroup(deref(in.ShowMemberInfo))
	return &elasticache.DescribeGlobalReplicationGroupsOutput{GlobalReplicationGroups: []ec.GlobalReplicationGroup{*g}}, nil
}

func promoteCache(r request, in *elasticache.FailoverGlobalReplicationGroupInput) (*elasticache.FailoverGlobalReplicationGroupOutput, error) {
	if err := r.isGroup(in.GlobalReplicationGroupId); err != nil {
		return nil, err
	}
	m := r.Cache.Member(deref(in.PrimaryRegion))
	switch {
	case m == nil || m.Group != deref(in.PrimaryReplicationGroupId):
		return nil, &ec.InvalidParameterValueException{Message: ptr(fmt.Sprintf("Replication group %s is not a member in %s.", deref(in.PrimaryReplicationGroupId), deref(in.PrimaryRegion)))}
	case r.Cache.Status != "available" || m.Primary:
		return nil, &ec.InvalidGlobalReplicationGroupStateFault{Message: ptr(fmt.Sprintf("Global Replication Group %s is %s, and %s is its %s.", r.Cache.GlobalGroup, r.Cache.Status, m.Group, map[bool]string{true: "primary already", false: "secondary"}[m.Primary]))}
	}
	r.Cache.Status, r.Cache.To, r.Cache.Due = "modifying", m.Region, r.now.Add(cacheTime)
	return &elasticache.FailoverGlobalReplicationGroupOutput{GlobalReplicationGroup: r.cacheGroup(false)}, nil
}

// --- CloudWatch ---

var cloudwatchOperations = map[string]operation{
	"ListMetrics":   reads("aws.cloudwatch", "", listMetrics),
	"GetMetricData": reads("aws.cloudwatch", "", getMetricData),
}

// series is a metric with its datapoints.
type series struct {
	namespace, name string
	dimensions      map[string]string
	points          []Point
}

// series are the metrics that the Region publishes.
func (r request) series() []series {
	here := func(points []Point) []Point {
		var out []Point
		for _, p := range points {
			if p.Region == r.region {
				out = append(out, p)
			}
		}
		return out
	}
	var all []series
	if lag := here(r.Database.Lag); len(lag) > 0 {
		m := r.Database.Member(r.region)
		all = append(all,
			series{"AWS/RDS", "AuroraGlobalDBRPOLag", map[string]string{"DBClusterIdentifier": m.Cluster}, lag},
			series{"AWS/RDS", "AuroraGlobalDBReplicationLag", map[string]string{"DBClusterIdentifier": m.Cluster}, lag})
	}
	if lag := here(r.Cache.Lag); len(lag) > 0 {
		m := r.Cache.Member(r.region)
		all = append(all, series{"AWS/ElastiCache", "GlobalDatastoreReplicationLag", map[string]string{"ReplicationGroupId": m.Group}, lag})
	}
	if r.region == "us-east-1" { // the only Region that publishes these
		for _, id := range sortedKeys(r.DNS.Checks) {
			v := 0.0
			if r.healthy(id) {
				v = 1
			}
			all = append(all, series{"AWS/Route53", "HealthCheckStatus", map[string]string{"HealthCheckId": id}, []Point{{r.now.Truncate(datapoint), r.region, v}}})
		}
	}
	return all
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func (s series) dims() []cw.Dimension {
	var out []cw.Dimension
	for _, k := range sortedKeys(s.dimensions) {
		out = append(out, cw.Dimension{Name: ptr(k), Value: ptr(s.dimensions[k])})
	}
	return out
}

func listMetrics(r request, in *cloudwatch.ListMetricsInput) (*cloudwatch.ListMetricsOutput, error) {
	out := &cloudwatch.ListMetricsOutput{}
	for _, s := range r.series() {
		fits := (in.Namespace == nil || *in.Namespace == s.namespace) && (in.MetricName == nil || *in.MetricName == s.name)
		for _, f := range in.Dimensions {
			v, ok := s.dimensions[deref(f.Name)]
			fits = fits && ok && (f.Value == nil || *f.Value == v)
		}
		if fits {
			out.Metrics = append(out.Metrics, cw.Metric{Namespace: ptr(s.namespace), MetricName: ptr(s.name), Dimensions: s.dims()})
		}
	}
	return out, nil
}

func getMetricData(r request, in *cloudwatch.GetMetricDataInput) (*cloudwatch.GetMetricDataOutput, error) {
	if !in.StartTime.Before(*in.EndTime) {
		return nil, &smithy.GenericAPIError{Code: "ValidationError", Message: "The parameter StartTime must be less than the parameter EndTime.", Fault: smithy.FaultClient}
	}
	out := &cloudwatch.GetMetricDataOutput{}
	for _, q := range in.MetricDataQueries {
		if q.MetricStat == nil || q.MetricStat.Metric == nil {
			return nil, &smithy.GenericAPIError{Code: "ValidationError", Message: "the pretend world reads metrics, not expressions: give MetricStat", Fault: smithy.FaultClient}
		}
		if q.ReturnData != nil && !*q.ReturnData {
			continue
		}
		want := q.MetricStat.Metric
		res := cw.MetricDataResult{Id: q.Id, Label: q.Label, StatusCode: cw.StatusCodeComplete}
		if res.Label == nil {
			res.Label = want.MetricName
		}
		for _, s := range r.series() {
			if deref(want.Namespace) != s.namespace || deref(want.MetricName) != s.name || !sameDimensions(want.Dimensions, s.dimensions) {
				continue
			}
			stat(&res, s.points, *in.StartTime, *in.EndTime, time.Duration(deref(q.MetricStat.Period))*time.Second, deref(q.MetricStat.Stat))
		}
		if in.ScanBy != cw.ScanByTimestampAscending {
			slices.Reverse(res.Timestamps)
			slices.Reverse(res.Values)
		}
		out.MetricDataResults = append(out.MetricDataResults, res)
	}
	return out, nil
}

func sameDimensions(want []cw.Dimension, have map[string]string) bool {
	if len(want) != len(have) {
		return false
	}
	for _, d := range want {
		if v, ok := have[deref(d.Name)]; !ok || v != deref(d.Value) {
			return false
		}
	}
	return true
}

// stat condenses the points to one value for each period that has any.
func stat(res *cw.MetricDataResult, points []Point, from, to time.Time, period time.Duration, how string) {
	if period < time.Second {
		period = datapoint
	}
	var at time.Time
	var values []float64
	flush := func() {
		if len(values) == 0 {
			return
		}
		v := 0.0
		for _, x := range values {
			v += x
		}
		switch strings.ToLower(how) {
		case "maximum":
			v = slices.Max(values)
		case "minimum":
			v = slices.Min(values)
		case "samplecount":
			v = float64(len(values))
		case "sum":
		default:
			if strings.HasPrefix(how, "p") {
				slices.Sort(values)
				v = values[len(values)-1]
				break
			}
			v /= float64(len(values))
		}
		res.Timestamps, res.Values = append(res.Timestamps, at), append(res.Values, v)
		values = nil
	}
	for _, p := range points {
		if p.At.Before(from) || !p.At.Before(to) {
			continue
		}
		if slot := p.At.Truncate(period); !slot.Equal(at) {
			flush()
			at = slot
		}
		values = append(values, p.Value)
	}
	flush()
}

// --- Route 53: every control-plane call lives in us-east-1 ---

const route53Home = "us-east-1"

var route53Operations = map[string]operation{
	"GetHealthCheck":           reads("aws.route53", route53Home, getHealthCheck),
	"GetHealthCheckStatus":     reads("aws.route53", route53Home, getHealthCheckStatus),
	"UpdateHealthCheck":        changes("aws.route53", route53Home, updateHealthCheck),
	"GetHostedZone":            reads("aws.route53", route53Home, getHostedZone),
	"ListResourceRecordSets":   reads("aws.route53", route53Home, listRecords),
	"ChangeResourceRecordSets": changes("aws.route53", route53Home, changeRecords),
	"GetChange":                reads("aws.route53", route53Home, getChange),
	"TestDNSAnswer":            reads("aws.route53", route53Home, testDNSAnswer),
}

func (r request) check(id *string) (*HealthCheck, error) {
	if c, ok := r.DNS.Checks[deref(id)]; ok {
		return c, nil
	}
	return nil, &r53.NoSuchHealthCheck{Message: ptr("No health check exists with the specified ID " + deref(id))}
}

func (c *HealthCheck) typed() *r53.HealthCheck {
	cfg := &r53.HealthCheckConfig{Type: r53.HealthCheckType(c.Type), Disabled: ptr(c.Disabled), Inverted: ptr(c.Inverted)}
	if c.Type == "CALCULATED" {
		cfg.ChildHealthChecks, cfg.HealthThreshold = slices.Clone(c.Children), ptr(c.Threshold)
	} else {
		cfg.FullyQualifiedDomainName, cfg.ResourcePath, cfg.Port = ptr(c.Host), ptr(c.Path), ptr(int32(80))
		cfg.RequestInterval, cfg.FailureThreshold, cfg.MeasureLatency = ptr(int32(10)), ptr(int32(3)), ptr(false)
	}
	return &r53.HealthCheck{Id: ptr(c.ID), HealthCheckVersion: ptr(c.Version), CallerReference: ptr("pretend-" + c.ID), HealthCheckConfig: cfg}
}

func getHealthCheck(r request, in *route53.GetHealthCheckInput) (*route53.GetHealthCheckOutput, error) {
	c, err := r.check(in.HealthCheckId)
	if err != nil {
		return nil, err
	}
	return &route53.GetHealthCheckOutput{HealthCheck: c.typed()}, nil
}

func getHealthCheckStatus(r request, in *route53.GetHealthCheckStatusInput) (*route53.GetHealthCheckStatusOutput, error) {
	c, err := r.check(in.HealthCheckId)
	if err != nil {
		return nil, err
	}
	if c.Type == "CALCULATED" {
		return nil, &r53.InvalidInput{Message: ptr("The status of a CALCULATED health check cannot be read this way")}
	}
	status := "Failure: The HTTP request timed out."
	if c.Probe.Now {
		status = "Success: HTTP Status Code 200, OK"
	} else if c.ID == checkTakeover && !r.Regions[standbyRegion].Lost {
		status = "Failure: HTTP Status Code 404, Not Found"
	}
	out := &route53.GetHealthCheckStatusOutput{}
	for i, region := range []r53.HealthCheckRegion{"us-east-1", "us-west-1", "us-west-2", "eu-west-1", "ap-southeast-1", "sa-east-1"} {
		out.HealthCheckObservations = append(out.HealthCheckObservations, r53.HealthCheckObservation{
			Region: region, IPAddress: ptr(fmt.Sprintf("192.0.2.%d", 10+i)),
			StatusReport: &r53.StatusReport{Status: ptr(status), CheckedTime: ptr(r.now.Add(-time.Duration(1+i) * time.Second))},
		})
	}
	return out, nil
}

func updateHealthCheck(r request, in *route53.UpdateHealthCheckInput) (*route53.UpdateHealthCheckOutput, error) {
	c, err := r.check(in.HealthCheckId)
	if err != nil {
		return nil, err
	}
	if in.HealthCheckVersion != nil && *in.HealthCheckVersion != c.Version {
		return nil, &r53.HealthCheckVersionMismatch{Message: ptr(fmt.Sprintf("The health check has version %d, the request has %d", c.Version, *in.HealthCheckVersion))}
	}
	if len(in.ChildHealthChecks) > 0 && c.Type != "CALCULATED" || in.HealthThreshold != nil && c.Type != "CALCULATED" {
		return nil, &r53.InvalidInput{Message: ptr("Only a CALCULATED health check has children")}
	}
	if in.Disabled != nil {
		c.Disabled = *in.Disabled
	}
	if in.Inverted != nil {
		c.Inverted = *in.Inverted
	}
	if len(in.ChildHealthChecks) > 0 {
		c.Children = slices.Clone(in.ChildHealthChecks)
	}
	if in.HealthThreshold != nil {
		c.Threshold = *in.HealthThreshold
	}
	if in.FullyQualifiedDomainName != nil {
		c.Host = *in.FullyQualifiedDomainName
	}
	if in.ResourcePath != nil {
		c.Path = *in.ResourcePath
	}
	c.Version++
	c.KnownFrom = r.now.Add(flagTime)
	return &route53.UpdateHealthCheckOutput{HealthCheck: c.typed()}, nil
}

func (r request) isZone(id *string) error {
	if strings.TrimPrefix(deref(id), "/hostedzone/") != r.DNS.Zone {
		return &r53.NoSuchHostedZone{Message: ptr("No hosted zone found with ID: " + deref(id))}
	}
	return nil
}

func getHostedZone(r request, in *route53.GetHostedZoneInput) (*route53.GetHostedZoneOutput, error) {
	if err := r.isZone(in.Id); err != nil {
		return nil, err
	}
	return &route53.GetHostedZoneOutput{
		HostedZone: &r53.HostedZone{
			Id: ptr("/hostedzone/" + r.DNS.Zone), Name: ptr(zoneName + "."), CallerReference: ptr("pretend"),
			ResourceRecordSetCount: ptr(int64(len(r.DNS.Records))), Config: &r53.HostedZoneConfig{PrivateZone: false},
			Features: &r53.HostedZoneFeatures{AcceleratedRecoveryStatus: r53.AcceleratedRecoveryStatusDisabled},
		},
		DelegationSet: &r53.DelegationSet{NameServers: []string{"ns-1." + zoneName, "ns-2." + zoneName}},
	}, nil
}

func listRecords(r request, in *route53.ListResourceRecordSetsInput) (*route53.ListResourceRecordSetsOutput, error) {
	if err := r.isZone(in.HostedZoneId); err != nil {
		return nil, err
	}
	sets := slices.Clone(r.DNS.Records)
	// Route 53 orders by name with the labels reversed.
	key := func(name, kind, id string) string {
		labels := strings.Split(strings.TrimSuffix(strings.ToLower(name), "."), ".")
		slices.Reverse(labels)
		return strings.Join(labels, ".") + "\x00" + kind + "\x00" + id
	}
	of := func(s r53.ResourceRecordSet) string {
		return key(deref(s.Name), string(s.Type), deref(s.SetIdentifier))
	}
	sort.SliceStable(sets, func(i, j int) bool { return of(sets[i]) < of(sets[j]) })
	if in.StartRecordName != nil {
		from := key(*in.StartRecordName, string(in.StartRecordType), deref(in.StartRecordIdentifier))
		if in.StartRecordType == "" {
			from = strings.TrimRight(from, "\x00")
		}
		sets = slices.DeleteFunc(sets, func(s r53.ResourceRecordSet) bool { return of(s) < from })
	}
	n := int(deref(in.MaxItems))
	if n <= 0 || n > 300 {
		n = 300
	}
	out := &route53.ListResourceRecordSetsOutput{MaxItems: ptr(int32(n))}
	if len(sets) > n {
		next := sets[n]
		out.IsTruncated, out.NextRecordName, out.NextRecordType, out.NextRecordIdentifier = true, next.Name, next.Type, next.SetIdentifier
		sets = sets[:n]
	}
	out.ResourceRecordSets = sets
	return out, nil
}

func changeRecords(r request, in *route53.ChangeResourceRecordSetsInput) (*route53.ChangeResourceRecordSetsOutput, error) {
	if err := r.isZone(in.HostedZoneId); err != nil {
		return nil, err
	}
	records := slices.Clone(r.DNS.Records)
	for _, c := range in.ChangeBatch.Changes {
		set := *c.ResourceRecordSet
		name := strings.ToLower(strings.TrimSuffix(deref(set.Name), ".")) + "."
		set.Name = ptr(name)
		invalid := func(format string, args ...any) error {
			text := fmt.Sprintf(format, args...)
			return &r53.InvalidChangeBatch{Message: ptr(text), Messages: []string{text}}
		}
		if !strings.HasSuffix(name, zoneName+".") {
			return nil, invalid("RRSet with DNS name %s is not permitted in zone %s.", name, zoneName)
		}
		if set.AliasTarget == nil && (len(set.ResourceRecords) == 0 || set.TTL == nil) {
			return nil, invalid("RRSet %s %s has to have an alias target, or a TTL and values", name, set.Type)
		}
		if set.HealthCheckId != nil {
			if _, ok := r.DNS.Checks[*set.HealthCheckId]; !ok {
				return nil, invalid("The health check %s does not exist", *set.HealthCheckId)
			}
		}
		i := slices.IndexFunc(records, func(have r53.ResourceRecordSet) bool {
			return sameName(deref(have.Name), name) && have.Type == set.Type && deref(have.SetIdentifier) == deref(set.SetIdentifier)
		})
		switch {
		case c.Action == r53.ChangeActionCreate && i >= 0:
			return nil, invalid("Tried to create resource record set %s type %s but it already exists", name, set.Type)
		case c.Action == r53.ChangeActionDelete && i < 0:
			return nil, invalid("Tried to delete resource record set %s type %s but it was not found", name, set.Type)
		case c.Action == r53.ChangeActionDelete:
			records = slices.Delete(records, i, i+1)
		case i >= 0:
			records[i] = set
		default:
			records = append(records, set)
		}
	}
	r.DNS.Records = records
	id := fmt.Sprintf("C%020X", draw(r.Seed, 1<<60, "change", len(r.DNS.Changes), r.now))
	r.DNS.Changes = append(r.DNS.Changes, Change{
		ID: id, Submitted: r.now, InSync: r.now.Add(changeTime), Comment: deref(in.ChangeBatch.Comment), Records: slices.Clone(records),
	})
	return &route53.ChangeResourceRecordSetsOutput{ChangeInfo: &r53.ChangeInfo{Id: ptr("/change/" + id), Status: r53.ChangeStatusPending, SubmittedAt: ptr(r.now), Comment: in.ChangeBatch.Comment}}, nil
}

func getChange(r request, in *route53.GetChangeInput) (*route53.GetChangeOutput, error) {
	for _, c := range r.DNS.Changes {
		if c.ID != strings.TrimPrefix(deref(in.Id), "/change/") {
			continue
		}
		status := r53.ChangeStatusPending
		if c.Served {
			status = r53.ChangeStatusInsync
		}
		return &route53.GetChangeOutput{ChangeInfo: &r53.ChangeInfo{Id: ptr("/change/" + c.ID), Status: status, SubmittedAt: ptr(c.Submitted), Comment: ptr(c.Comment)}}, nil
	}
	return nil, &r53.NoSuchChange{Message: ptr("A change with the ID " + deref(in.Id) + " does not exist")}
}

func testDNSAnswer(r request, in *route53.TestDNSAnswerInput) (*route53.TestDNSAnswerOutput, error) {
	if err := r.isZone(in.HostedZoneId); err != nil {
		return nil, err
	}
	if in.ResolverIP != nil && net.ParseIP(*in.ResolverIP) == nil {
		return nil, &r53.InvalidInput{Message: ptr("ResolverIP is not an address: " + *in.ResolverIP)}
	}
	out := &route53.TestDNSAnswerOutput{
		Nameserver: ptr("ns-1." + zoneName), Protocol: ptr("UDP"), RecordName: in.RecordName, RecordType: in.RecordType, ResponseCode: ptr("NOERROR"),
	}
	region := r.resolve(*in.RecordName)
	if region == "" {
		out.ResponseCode = ptr("NXDOMAIN")
	} else if in.RecordType == r53.RRTypeA {
		out.RecordData = slices.Clone(addresses[region])
	}
	return out, nil
}

// --- S3 ---

var s3Operations = map[string]operation{
	"HeadBucket":   reads("aws.s3", "", headBucket),
	"HeadObject":   reads("aws.s3", "", headObject),
	"GetObject":    reads("aws.s3", "", getObject),
	"PutObject":    changes("aws.s3", "", putObject),
	"DeleteObject": changes("aws.s3", "", deleteObject),
}

// bucket finds a bucket. Only clients of its own Region get at it; others are
// told, as by S3, that it is elsewhere.
func (r request) bucket(name *string, head bool) (map[string]Object, error) {
	for _, region := range regionNames {
		b, ok := r.Regions[region].Buckets[deref(name)]
		if !ok {
			continue
		}
		if region != r.region {
			return nil, &smithy.GenericAPIError{Code: "PermanentRedirect", Message: "The bucket is in " + region, Fault: smithy.FaultClient}
		}
		return b, nil
	}
	if head {
		return nil, &s3t.NotFound{Message: ptr("Not Found")}
	}
	return nil, &s3t.NoSuchBucket{Message: ptr("The specified bucket does not exist")}
}

func headBucket(r request, in *s3.HeadBucketInput) (*s3.HeadBucketOutput, error) {
	if _, err := r.bucket(in.Bucket, true); err != nil {
		return nil, err
	}
	return &s3.HeadBucketOutput{BucketRegion: ptr(r.region)}, nil
}

func headObject(r request, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	b, err := r.bucket(in.Bucket, true)
	if err != nil {
		return nil, err
	}
	o, ok := b[deref(in.Key)]
	if !ok {
		return nil, &s3t.NotFound{Message: ptr("Not Found")}
	}
	return &s3.HeadObjectOutput{ETag: ptr(o.ETag), ContentLength: ptr(int64(len(o.Body))), LastModified: ptr(o.Modified), ContentType: ptr(o.Type)}, nil
}

func getObject(r request, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	b, err := r.bucket(in.Bucket, false)
	if err != nil {
		return nil, err
	}
	o, ok := b[deref(in.Key)]
	if !ok {
		return nil, &s3t.NoSuchKey{Message: ptr("The specified key does not exist.")}
	}
	return &s3.GetObjectOutput{
		Body: io.NopCloser(bytes.NewReader(o.Body)), ETag: ptr(o.ETag), ContentLength: ptr(int64(len(o.Body))),
		LastModified: ptr(o.Modified), ContentType: ptr(o.Type),
	}, nil
}

func putObject(r request, in *s3.PutObjectInput) (*s3.PutObjectOutput, error) {
	b, err := r.bucket(in.Bucket, false)
	if err != nil {
		return nil, err
	}
	key := deref(in.Key)
	if have, ok := b[key]; ok && deref(in.IfNoneMatch) == "*" || in.IfMatch != nil && *in.IfMatch != have.ETag {
		return nil, &smithy.GenericAPIError{Code: "PreconditionFailed", Message: "At least one of the pre-conditions you specified did not hold", Fault: smithy.FaultClient}
	}
	body, err := readAll(in.Body)
	if err != nil {
		return nil, err
	}
	sum := md5.Sum(body) // what S3 calls an ETag; nothing is protected by it
	o := Object{Body: body, ETag: `"` + hex.EncodeToString(sum[:]) + `"`, Modified: r.now.Truncate(time.Second), Type: deref(in.ContentType)}
	if o.Type == "" {
		o.Type = "application/octet-stream"
	}
	b[key] = o
	if key == takeoverKey && r.region == standbyRegion {
		r.mark(markTakeover)
	}
	return &s3.PutObjectOutput{ETag: ptr(o.ETag)}, nil
}

func deleteObject(r request, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	b, err := r.bucket(in.Bucket, false)
	if err != nil {
		return nil, err
	}
	delete(b, deref(in.Key))
	return &s3.DeleteObjectOutput{}, nil
}

// --- Elastic Load Balancing ---

var elbOperations = map[string]operation{
	"DescribeLoadBalancers": reads("aws.elasticloadbalancing", "", describeLoadBalancers),
	"DescribeTargetGroups":  reads("aws.elasticloadbalancing", "", describeTargetGroups),
	"DescribeTargetHealth":  reads("aws.elasticloadbalancing", "", describeTargetHealth),
}

func describeLoadBalancers(r request, in *elb.DescribeLoadBalancersInput) (*elb.DescribeLoadBalancersOutput, error) {
	arn, name := albARN(r.region), "ecommerce-alb-"+r.region
	for _, want := range in.LoadBalancerArns {
		if want != arn {
			return nil, &elbt.LoadBalancerNotFoundException{Message: ptr("One or more load balancers not found")}
		}
	}
	for _, want := range in.Names {
		if want != name {
			return nil, &elbt.LoadBalancerNotFoundException{Message: ptr("Load balancers '[" + want + "]' not found")}
		}
	}
	lb := elbt.LoadBalancer{
		LoadBalancerArn: ptr(arn), LoadBalancerName: ptr(name), DNSName: ptr(albName(r.region)), CanonicalHostedZoneId: ptr(albZone[r.region]),
		State: &elbt.LoadBalancerState{Code: elbt.LoadBalancerStateEnumActive}, Type: elbt.LoadBalancerTypeEnumApplication,
		Scheme: elbt.LoadBalancerSchemeEnumInternetFacing, IpAddressType: elbt.IpAddressTypeIpv4,
		CreatedTime: ptr(r.Start.Add(-30 * 24 * time.Hour)), VpcId: ptr("vpc-pretend"),
	}
	return &elb.DescribeLoadBalancersOutput{LoadBalancers: []elbt.LoadBalancer{lb}}, nil
}

func describeTargetGroups(r request, in *elb.DescribeTargetGroupsInput) (*elb.DescribeTargetGroupsOutput, error) {
	if in.LoadBalancerArn != nil && *in.LoadBalancerArn != albARN(r.region) {
		return nil, &elbt.LoadBalancerNotFoundException{Message: ptr("Load balancer '" + *in.LoadBalancerArn + "' not found")}
	}
	for _, want := range in.TargetGroupArns {
		if want != targetGroupARN(r.region) {
			return nil, &elbt.TargetGroupNotFoundException{Message: ptr("One or more target groups not found")}
		}
	}
	for _, want := range in.Names {
		if want != "ecommerce-ingress" {
			return nil, &elbt.TargetGroupNotFoundException{Message: ptr("One or more target groups not found")}
		}
	}
	return &elb.DescribeTargetGroupsOutput{TargetGroups: []elbt.TargetGroup{{
		TargetGroupArn: ptr(targetGroupARN(r.region)), TargetGroupName: ptr("ecommerce-ingress"), LoadBalancerArns: []string{albARN(r.region)},
		TargetType: elbt.TargetTypeEnumInstance, Port: ptr(int32(30080)), Protocol: elbt.ProtocolEnumHttp, HealthCheckEnabled: ptr(true),
		HealthCheckPath: ptr("/healthz"), HealthCheckPort: ptr("traffic-port"), HealthCheckProtocol: elbt.ProtocolEnumHttp, VpcId: ptr("vpc-pretend"),
	}}}, nil
}

func describeTargetHealth(r request, in *elb.DescribeTargetHealthInput) (*elb.DescribeTargetHealthOutput, error) {
	if deref(in.TargetGroupArn) != targetGroupARN(r.region) {
		return nil, &elbt.TargetGroupNotFoundException{Message: ptr("Target group '" + deref(in.TargetGroupArn) + "' not found")}
	}
	out := &elb.DescribeTargetHealthOutput{}
	region := r.Regions[r.region]
	for _, n := range region.Nodes {
		h := &elbt.TargetHealth{State: elbt.TargetHealthStateEnumHealthy}
		if region.TargetsBroken || !n.Ready {
			h = &elbt.TargetHealth{State: elbt.TargetHealthStateEnumUnhealthy, Reason: elbt.TargetHealthReasonEnumTimeout, Description: ptr("Request timed out")}
		}
		out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, elbt.TargetHealthDescription{
			Target:          &elbt.TargetDescription{Id: ptr(fmt.Sprintf("i-%017x", draw(0, 1<<60, n.Name))), Port: ptr(int32(30080)), AvailabilityZone: ptr(n.Zone)},
			HealthCheckPort: ptr("30080"), TargetHealth: h,
		})
	}
	return out, nil
}

// --- STS ---

var stsOperations = map[string]operation{
	"GetCallerIdentity": reads("aws.sts", "", func(request, *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
		return &sts.GetCallerIdentityOutput{
			Account: ptr(account), UserId: ptr("AROAPRETEND:failoverbot"),
			Arn: ptr("arn:aws:sts::" + account + ":assumed-role/failoverbot/" + url.PathEscape("rehearsal")),
		}, nil
	}),
}
