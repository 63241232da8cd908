package sim

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cw "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	ec "github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	rdst "github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53 "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3t "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// once makes calls that are not tried again.
func (s *stage) once(region string) aws.Config {
	cfg := s.AWS(region)
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return cfg
}

func (s *stage) global() rdst.GlobalCluster {
	s.t.Helper()
	out, err := s.rds(west).DescribeGlobalClusters(s.ctx, &rds.DescribeGlobalClustersInput{GlobalClusterIdentifier: ptr(globalCluster)})
	s.must(err)
	return out.GlobalClusters[0]
}

func (s *stage) switchover(region string) error {
	_, err := rds.NewFromConfig(s.once(region)).SwitchoverGlobalCluster(s.ctx, &rds.SwitchoverGlobalClusterInput{
		GlobalClusterIdentifier: ptr(globalCluster), TargetDbClusterIdentifier: ptr(clusterARN(west)),
	})
	return err
}

func (s *stage) failover() error {
	_, err := rds.NewFromConfig(s.once(west)).FailoverGlobalCluster(s.ctx, &rds.FailoverGlobalClusterInput{
		GlobalClusterIdentifier: ptr(globalCluster), TargetDbClusterIdentifier: ptr(clusterARN(west)), AllowDataLoss: ptr(true),
	})
	return err
}

func writerOf(g rdst.GlobalCluster) string {
	for _, m := range g.GlobalClusterMembers {
		if *m.IsWriter {
			return *m.DBClusterArn
		}
	}
	return ""
}

func TestASwitchoverPassesThroughSwitchingOver(t *testing.T) {
	s := quiet(t)
	var state *rdst.InvalidGlobalClusterStateFault
	if err := s.switchover(west); !errors.As(err, &state) {
		t.Errorf("asked of the wrong Region: %v", err)
	}
	s.must(s.switchover(east))
	g := s.global()
	if g.FailoverState == nil || g.FailoverState.Status != "switching-over" || *g.FailoverState.IsDataLossAllowed || writerOf(g) != clusterARN(east) {
		t.Fatalf("right after: %+v", g.FailoverState)
	}
	if err := s.switchover(east); !errors.As(err, &state) {
		t.Errorf("a second one while the first goes on: %v", err)
	}
	s.wait(70 * time.Second)
	if g := s.global(); g.FailoverState == nil {
		t.Error("done in 70s")
	}
	s.wait(10 * time.Second)
	g = s.global()
	if g.FailoverState != nil || writerOf(g) != clusterARN(west) {
		t.Errorf("after 80s: %+v, writer %s", g.FailoverState, writerOf(g))
	}
	for _, m := range g.GlobalClusterMembers {
		if m.SynchronizationStatus != rdst.GlobalClusterMemberSynchronizationStatusConnected {
			t.Errorf("%s is %s", *m.DBClusterArn, m.SynchronizationStatus)
		}
	}
	c, err := s.rds(west).DescribeDBClusters(s.ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: ptr(clusterName(west))})
	s.must(err)
	if db := c.DBClusters[0]; *db.Status != "available" || !*db.DBClusterMembers[0].IsClusterWriter {
		t.Errorf("the new primary: %s, writer %t", *db.Status, *db.DBClusterMembers[0].IsClusterWriter)
	}
	if err := s.switchover(west); !errors.As(err, &state) {
		t.Errorf("to where it is already: %v", err)
	}
	ev, err := s.rds(west).DescribeEvents(s.ctx, &rds.DescribeEventsInput{SourceType: rdst.SourceTypeDbCluster, StartTime: ptr(s.scn.StartTime())})
	s.must(err)
	var ids []string
	for _, e := range ev.Events {
		ids = append(ids, *e.Message)
	}
	if all := strings.Join(ids, "\n"); !strings.Contains(all, "0184") || !strings.Contains(all, "0185") || !strings.Contains(all, "0397") {
		t.Errorf("events in us-west-2:\n%s", all)
	}
	if n := s.Applied("SwitchoverGlobalCluster"); n != 1 {
		t.Errorf("applied %d times", n)
	}
}

func TestAPromotionTakesAsLongAsIsSaidEvenWhileItRuns(t *testing.T) {
	s := quiet(t)
	s.must(s.Happen(Event{Promotion: &Promotion{Takes: 20 * time.Minute}}))
	s.must(s.switchover(east))
	s.wait(15 * time.Minute)
	g := s.global()
	if g.FailoverState == nil || string(g.FailoverState.Status) != "switching-over" || writerOf(g) != clusterARN(east) {
		t.Fatalf("after 15 minutes: %+v", g)
	}
	if err := s.switchover(east); err == nil {
		t.Error("a second switchover was taken")
	}
	s.must(s.Happen(Event{Promotion: &Promotion{Takes: 16 * time.Minute}}))
	s.wait(59 * time.Second)
	if g := s.global(); g.FailoverState == nil {
		t.Error("over a second early")
	}
	s.wait(2 * time.Second)
	if g := s.global(); g.FailoverState != nil || writerOf(g) != clusterARN(west) {
		t.Errorf("after 16 minutes: %+v", g)
	}
	if n := s.Snapshot().Database.Promotions; n != 1 {
		t.Errorf("%d promotions", n)
	}
	// With nothing more to say, it takes what it usually does; a loss as well.
	s = quiet(t)
	s.must(s.Happen(Event{Promotion: &Promotion{Takes: 20 * time.Minute}}))
	s.must(s.Happen(Event{Lose: east}))
	s.must(s.failover())
	s.wait(failoverTime + time.Second)
	if g := s.global(); g.FailoverState == nil {
		t.Fatal("a failover was over as soon as usual")
	}
	s.must(s.Happen(Event{Promotion: &Promotion{}}))
	if g := s.global(); g.FailoverState != nil || writerOf(g) != clusterARN(west) {
		t.Errorf("as long as usual: %+v", g)
	}
}

func TestAfterALossTheOldPrimaryIsResyncedWhenItIsBack(t *testing.T) {
	s := quiet(t)
	s.must(s.Happen(Event{Lose: east}))
	s.must(s.failover())
	s.wait(65 * time.Second)
	if writerOf(s.global()) != clusterARN(west) {
		t.Fatal("not promoted")
	}
	sync := func() string { return s.Snapshot().Database.Member(east).Sync }
	s.wait(2 * resyncTime)
	if got := sync(); got != "pending-resync" {
		t.Errorf("while away: %s", got)
	}
	s.must(s.Happen(Event{Restore: east}))
	s.wait(resyncTime + time.Minute)
	if got := sync(); got != "connected" {
		t.Errorf("after it was back for long: %s", got)
	}
}

func TestASwitchoverWhoseSourceIsLostIsCancelled(t *testing.T) {
	s := quiet(t)
	s.must(s.switchover(east))
	s.wait(10 * time.Second)
	s.must(s.Happen(Event{Lose: east}))
	s.wait(2 * time.Minute)
	if g := s.global(); g.FailoverState != nil || writerOf(g) != clusterARN(east) {
		t.Errorf("%+v, writer %s", g.FailoverState, writerOf(g))
	}
	s.must(s.failover())
}

func TestAuroraTakesBackAsManyPromotionsAsIsSaid(t *testing.T) {
	s := quiet(t)
	cancelled := func(after time.Duration) {
		t.Helper()
		s.wait(after - time.Second)
		if g := s.global(); g.FailoverState == nil || g.FailoverState.Status == rdst.FailoverStatusCancelling {
			t.Fatalf("a second before it is taken back: %+v", g.FailoverState)
		}
		s.wait(2 * time.Second)
		if g := s.global(); g.FailoverState == nil || g.FailoverState.Status != rdst.FailoverStatusCancelling {
			t.Fatalf("a second after it is taken back: %+v", g.FailoverState)
		}
		if err := s.switchover(east); err == nil {
			t.Error("another one was taken while the first is being cancelled")
		}
		s.wait(cancelTime)
		g := s.global()
		if g.FailoverState != nil || *g.Status != "available" || writerOf(g) != clusterARN(east) {
			t.Fatalf("after it was cancelled: %+v", g)
		}
		for _, m := range s.Snapshot().Database.Members {
			if m.Status != "available" || m.Sync != "connected" || m.Writer != (m.Region == east) {
				t.Errorf("after it was cancelled: %+v", m)
			}
		}
	}
	// Once a switchover that is under way, once a failover that is asked for later.
	s.must(s.switchover(east))
	s.must(s.Happen(Event{DropPromotion: &DropPromotion{After: 45 * time.Second, Times: 2}}))
	cancelled(45 * time.Second)
	s.must(s.failover())
	cancelled(45 * time.Second)
	ev, err := s.rds(west).DescribeEvents(s.ctx, &rds.DescribeEventsInput{SourceType: rdst.SourceTypeDbCluster, StartTime: ptr(s.scn.StartTime())})
	s.must(err)
	var ids []string
	for _, e := range ev.Events {
		_, id, _ := strings.Cut(*e.Message, "RDS-EVENT-")
		ids = append(ids, strings.TrimSuffix(id, ")"))
	}
	if want := []string{"0187", "0186", "0239"}; !slices.Equal(ids, want) {
		t.Errorf("events in us-west-2: %v, want %v", ids, want)
	}
	s.must(s.switchover(east))
	s.wait(80 * time.Second)
	if g := s.global(); writerOf(g) != clusterARN(west) {
		t.Errorf("the third was taken back as well: %+v", g)
	}
	// One that is over by then stays.
	s.must(s.Happen(Event{DropPromotion: &DropPromotion{After: 2 * time.Minute}}))
	_, err = s.rds(west).SwitchoverGlobalCluster(s.ctx, &rds.SwitchoverGlobalClusterInput{
		GlobalClusterIdentifier: ptr(globalCluster), TargetDbClusterIdentifier: ptr(clusterARN(east)),
	})
	s.must(err)
	s.wait(3 * time.Minute)
	if g := s.global(); writerOf(g) != clusterARN(east) {
		t.Errorf("one that was over was taken back: %+v", g)
	}
}

func TestInputIsCheckedByTheRealSDK(t *testing.T) {
	s := quiet(t)
	_, err := s.rds(west).FailoverGlobalCluster(s.ctx, &rds.FailoverGlobalClusterInput{})
	var op *smithy.OperationError
	if !errors.As(err, &op) || !strings.Contains(err.Error(), "missing required field") {
		t.Errorf("got %v", err)
	}
	_, err = s.rds(west).DescribeDBInstances(s.ctx, &rds.DescribeDBInstancesInput{})
	if err == nil || !strings.Contains(err.Error(), "no answer for RDS DescribeDBInstances") {
		t.Errorf("an operation that the world does not know: %v", err)
	}
	if calls := s.Calls(); len(calls) != 0 {
		t.Errorf("recorded %v", calls)
	}
}

func TestTheCacheIsModifyingForAWhile(t *testing.T) {
	s := quiet(t)
	c := elasticache.NewFromConfig(s.once(west))
	promote := func(group string) error {
		_, err := c.FailoverGlobalReplicationGroup(s.ctx, &elasticache.FailoverGlobalReplicationGroupInput{
			GlobalReplicationGroupId: ptr(globalGroup), PrimaryRegion: ptr(west), PrimaryReplicationGroupId: ptr(group),
		})
		return err
	}
	look := func() (string, map[string]string) {
		out, err := c.DescribeGlobalReplicationGroups(s.ctx, &elasticache.DescribeGlobalReplicationGroupsInput{ShowMemberInfo: ptr(true)})
		s.must(err)
		roles := map[string]string{}
		for _, m := range out.GlobalReplicationGroups[0].Members {
			roles[*m.ReplicationGroupRegion] = *m.Role
		}
		return *out.GlobalReplicationGroups[0].Status, roles
	}
	if err := promote("nothing"); err == nil {
		t.Error("an unknown group was promoted")
	}
	s.must(promote(cacheGroup(west)))
	if st, roles := look(); st != "modifying" || roles[west] != "SECONDARY" {
		t.Errorf("right after: %s %v", st, roles)
	}
	s.wait(cacheTime)
	if st, roles := look(); st != "available" || roles[west] != "PRIMARY" || roles[east] != "SECONDARY" {
		t.Errorf("later: %s %v", st, roles)
	}
	var fault *ec.InvalidGlobalReplicationGroupStateFault
	if err := promote(cacheGroup(west)); !errors.As(err, &fault) {
		t.Errorf("twice: %v", err)
	}
}

func TestHealthChecksAreComparedAndSet(t *testing.T) {
	s := quiet(t)
	c := route53.NewFromConfig(s.once(west))
	set := func(version int64) error {
		_, err := c.UpdateHealthCheck(s.ctx, &route53.UpdateHealthCheckInput{HealthCheckId: ptr(checkPrimary), HealthCheckVersion: ptr(version), Disabled: ptr(true), Inverted: ptr(true)})
		return err
	}
	var moved *r53.HealthCheckVersionMismatch
	if err := set(7); !errors.As(err, &moved) {
		t.Errorf("an old version: %v", err)
	}
	s.must(set(1))
	out, err := c.GetHealthCheck(s.ctx, &route53.GetHealthCheckInput{HealthCheckId: ptr(checkPrimary)})
	s.must(err)
	if h := out.HealthCheck; *h.HealthCheckVersion != 2 || !*h.HealthCheckConfig.Disabled || !*h.HealthCheckConfig.Inverted || h.HealthCheckConfig.Type != r53.HealthCheckTypeCalculated {
		t.Errorf("%+v", *h.HealthCheckConfig)
	}
	if got, _ := s.answered("ns-1", recordName); got != east {
		t.Errorf("the zone's servers knew at once: %s", got)
	}
	s.wait(flagTime + time.Second)
	if got, _ := s.answered("ns-1", recordName); got != west {
		t.Errorf("the zone's servers answer %s", got)
	}
	for _, call := range s.Calls() {
		if call.System == "aws.route53" && call.Region != "us-east-1" {
			t.Errorf("Route 53 lives in us-east-1, not in %s", call.Region)
		}
	}
}

func TestRecordChangesArePendingBeforeTheyAreServed(t *testing.T) {
	s := quiet(t)
	c := route53.NewFromConfig(s.once(west))
	list, err := c.ListResourceRecordSets(s.ctx, &route53.ListResourceRecordSetsInput{HostedZoneId: ptr(zoneID), StartRecordName: ptr(recordName), MaxItems: ptr(int32(2))})
	s.must(err)
	if len(list.ResourceRecordSets) != 2 || !list.IsTruncated || list.ResourceRecordSets[0].Failover != r53.ResourceRecordSetFailoverPrimary || *list.ResourceRecordSets[0].HealthCheckId != checkPrimary {
		t.Fatalf("%+v", list)
	}
	set := list.ResourceRecordSets[0]
	set.AliasTarget = list.ResourceRecordSets[1].AliasTarget
	out, err := c.ChangeResourceRecordSets(s.ctx, &route53.ChangeResourceRecordSetsInput{HostedZoneId: ptr(zoneID), ChangeBatch: &r53.ChangeBatch{
		Changes: []r53.Change{{Action: r53.ChangeActionUpsert, ResourceRecordSet: &set}},
	}})
	s.must(err)
	status := func() r53.ChangeStatus {
		got, err := c.GetChange(s.ctx, &route53.GetChangeInput{Id: out.ChangeInfo.Id})
		s.must(err)
		return got.ChangeInfo.Status
	}
	if got, _ := s.answered("ns-1", recordName); status() != r53.ChangeStatusPending || got != east {
		t.Errorf("at once: %s, %s", status(), got)
	}
	s.wait(changeTime)
	if got, _ := s.answered("ns-1", recordName); status() != r53.ChangeStatusInsync || got != west {
		t.Errorf("later: %s, %s", status(), got)
	}
	test, err := c.TestDNSAnswer(s.ctx, &route53.TestDNSAnswerInput{HostedZoneId: ptr(zoneID), RecordName: ptr(recordName), RecordType: r53.RRTypeA})
	s.must(err)
	if len(test.RecordData) == 0 || regionOfAddress(test.RecordData[0]) != west {
		t.Errorf("TestDNSAnswer: %v", test.RecordData)
	}
	var none *r53.NoSuchChange
	if _, err := c.GetChange(s.ctx, &route53.GetChangeInput{Id: ptr("/change/C0")}); !errors.As(err, &none) {
		t.Errorf("unknown change: %v", err)
	}
	_, err = c.GetHealthCheckStatus(s.ctx, &route53.GetHealthCheckStatusInput{HealthCheckId: ptr(checkPrimary)})
	if _, ok := errors.AsType[*r53.InvalidInput](err); !ok {
		t.Errorf("status of a CALCULATED check: %v", err)
	}
	zone, err := c.GetHostedZone(s.ctx, &route53.GetHostedZoneInput{Id: ptr(zoneID)})
	s.must(err)
	if *zone.HostedZone.Name != zoneName+"." {
		t.Errorf("zone %s", *zone.HostedZone.Name)
	}
}

func TestBucketsHoldObjectsInTheirRegion(t *testing.T) {
	s := quiet(t)
	c := s3.NewFromConfig(s.once(west))
	bucket, key := ptr(bucketName(west)), ptr(takeoverKey)
	_, err := c.HeadBucket(s.ctx, &s3.HeadBucketInput{Bucket: bucket})
	s.must(err)
	var nf *s3t.NotFound
	if _, err := c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key}); !errors.As(err, &nf) {
		t.Errorf("an object that is not there: %v", err)
	}
	var status *smithyhttp.ResponseError
	if _, err := c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key}); !errors.As(err, &status) || status.HTTPStatusCode() != 404 {
		t.Errorf("without its status: %v", err)
	}
	_, err = c.PutObject(s.ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("INC-7"), ContentType: ptr("text/plain")})
	s.must(err)
	got, err := c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
	s.must(err)
	body, err := io.ReadAll(got.Body)
	s.must(err)
	if string(body) != "INC-7" {
		t.Errorf("read back %q", body)
	}
	if _, err := s3.NewFromConfig(s.once(east)).HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key}); err == nil {
		t.Error("a client of another Region got at the object")
	}
	_, err = c.DeleteObject(s.ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key})
	s.must(err)
	var gone *s3t.NoSuchKey
	if _, err := c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: bucket, Key: key}); !errors.As(err, &gone) {
		t.Errorf("after deletion: %v", err)
	}
}

func TestLagIsPublishedWhereTheReplicaIsAndAgesWithTheLoss(t *testing.T) {
	s := quiet(t)
	newest := func(region string) (value float64, age time.Duration, found bool) {
		c := cloudwatch.NewFromConfig(s.once(region))
		list, err := c.ListMetrics(s.ctx, &cloudwatch.ListMetricsInput{Namespace: ptr("AWS/RDS"), MetricName: ptr("AuroraGlobalDBRPOLag")})
		s.must(err)
		if len(list.Metrics) == 0 {
			return 0, 0, false
		}
		out, err := c.GetMetricData(s.ctx, &cloudwatch.GetMetricDataInput{
			StartTime: ptr(s.clock.Now().Add(-time.Hour)), EndTime: ptr(s.clock.Now()), ScanBy: cw.ScanByTimestampDescending,
			MetricDataQueries: []cw.MetricDataQuery{{Id: ptr("lag"), MetricStat: &cw.MetricStat{Metric: &list.Metrics[0], Period: ptr(int32(60)), Stat: ptr("Maximum")}}},
		})
		s.must(err)
		r := out.MetricDataResults[0]
		if len(r.Values) == 0 {
			return 0, 0, false
		}
		return r.Values[0], s.clock.Now().Sub(r.Timestamps[0]), true
	}
	s.wait(5 * time.Minute)
	v, age, ok := newest(west)
	if !ok || v < 100 || v > 300 || age > 2*time.Minute {
		t.Errorf("lag %v, %s old, %t", v, age, ok)
	}
	if _, _, ok := newest(east); ok {
		t.Error("the primary's Region publishes a lag")
	}
	s.must(s.Happen(Event{CutOff: east}))
	s.wait(5 * time.Minute)
	if _, age, _ := newest(west); age > 2*time.Minute {
		t.Errorf("a bot that is cut off sees a lag that is %s old, though replication runs", age)
	}
	s.must(s.Do(func(st *State) { st.Regions[east].CutOff, st.Regions[east].Lost = false, true }))
	s.wait(10 * time.Minute)
	if v, age, ok := newest(west); !ok || v == 0 || age < 9*time.Minute {
		t.Errorf("ten minutes after the loss: %v, %s old, %t", v, age, ok)
	}
}

func TestTargetsAndIdentity(t *testing.T) {
	s := quiet(t)
	c := elb.NewFromConfig(s.once(west))
	groups, err := c.DescribeTargetGroups(s.ctx, &elb.DescribeTargetGroupsInput{LoadBalancerArn: ptr(albARN(west))})
	s.must(err)
	healthy := func() (n int) {
		out, err := c.DescribeTargetHealth(s.ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: groups.TargetGroups[0].TargetGroupArn})
		s.must(err)
		for _, d := range out.TargetHealthDescriptions {
			if d.TargetHealth.State == "healthy" {
				n++
			}
		}
		return n
	}
	if n := healthy(); n != 6 {
		t.Errorf("%d healthy targets, want 6", n)
	}
	s.must(s.Happen(Event{BreakTargets: west}))
	if n := healthy(); n != 0 {
		t.Errorf("%d healthy targets after they broke", n)
	}
	lbs, err := c.DescribeLoadBalancers(s.ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{albARN(west)}})
	s.must(err)
	if *lbs.LoadBalancers[0].DNSName != albName(west) || *lbs.LoadBalancers[0].CanonicalHostedZoneId != "Z1H1FL5HABSF5" {
		t.Errorf("%+v", lbs.LoadBalancers[0])
	}
	id, err := sts.NewFromConfig(s.once(west)).GetCallerIdentity(s.ctx, &sts.GetCallerIdentityInput{})
	s.must(err)
	if *id.Account != account {
		t.Errorf("account %s", *id.Account)
	}
}

func TestFaultsLookAsTheSDKWouldShowThem(t *testing.T) {
	s := quiet(t)
	call := func(kind string) error {
		s.must(s.Fault(Fault{System: "aws.rds", Kind: kind, Times: 1}))
		ctx, cancel := s.clock.WithTimeout(s.ctx, 5*time.Second, errors.New("took too long"))
		defer cancel()
		_, err := rds.NewFromConfig(s.once(west)).DescribeGlobalClusters(ctx, &rds.DescribeGlobalClustersInput{})
		if err == nil {
			t.Errorf("%s: no error", kind)
		}
		return err
	}
	var api smithy.APIError
	var res *smithyhttp.ResponseError
	var send *smithyhttp.RequestSendError
	if err := call(Throttle); !errors.As(err, &api) || api.ErrorCode() != "Throttling" {
		t.Errorf("throttle: %v", err)
	}
	if err := call(ServerFail); !errors.As(err, &res) || res.HTTPStatusCode() != 503 {
		t.Errorf("5xx: %v", err)
	}
	if err := call(Deny); !errors.As(err, &res) || res.HTTPStatusCode() != 403 || !errors.As(err, &api) || api.ErrorCode() != "AccessDenied" {
		t.Errorf("deny: %v", err)
	}
	if err := call(Refuse); !errors.As(err, &send) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("refuse: %v", err)
	}
	if err := call(LostAnswer); !errors.As(err, &send) || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("lost answer: %v", err)
	}
	before := s.clock.Now()
	var canceled *smithy.CanceledError
	if err := call(Hang); !errors.As(err, &canceled) {
		t.Errorf("hang: %v", err)
	}
	if took := s.clock.Now().Sub(before); took != 5*time.Second {
		t.Errorf("hung for %s, the caller's patience was 5s", took)
	}
	if _, err := rds.NewFromConfig(s.once(west)).DescribeGlobalClusters(s.ctx, &rds.DescribeGlobalClustersInput{}); err != nil {
		t.Errorf("after all faults are used up: %v", err)
	}
	if err := s.Fault(Fault{Kind: "explode"}); err == nil {
		t.Error("an unknown kind of fault was taken")
	}
}

func TestALostAnswerIsAppliedAndARefusedCallIsNot(t *testing.T) {
	for kind, want := range map[string]int{LostAnswer: 1, Refuse: 0, Throttle: 0, ServerFail: 0} {
		s := quiet(t)
		s.must(s.Fault(Fault{Operation: "SwitchoverGlobalCluster", Kind: kind, Times: 1}))
		if err := s.switchover(east); err == nil {
			t.Errorf("%s: no error", kind)
		}
		if n := s.Applied("SwitchoverGlobalCluster"); n != want {
			t.Errorf("%s: applied %d times, want %d", kind, n, want)
		}
		if calls := s.Calls(); calls[0].Applied != (want == 1) || calls[0].Error == "" || !calls[0].Mutating {
			t.Errorf("%s: recorded %v", kind, calls)
		}
	}
}

func TestHooksCanCutBeforeAndAfter(t *testing.T) {
	s := quiet(t)
	dead := errors.New("the bot is dead")
	when := "before"
	s.OnCall(func(c Call, before bool) error {
		if c.Operation == "SwitchoverGlobalCluster" && before == (when == "before") {
			return dead
		}
		return nil
	})
	if err := s.switchover(east); !errors.Is(err, dead) || s.Applied("SwitchoverGlobalCluster") != 0 || len(s.Calls()) != 0 {
		t.Errorf("before: %v, applied %d, %v", err, s.Applied("SwitchoverGlobalCluster"), s.Calls())
	}
	when = "after"
	if err := s.switchover(east); !errors.Is(err, dead) || s.Applied("SwitchoverGlobalCluster") != 1 {
		t.Errorf("after: %v, applied %d", err, s.Applied("SwitchoverGlobalCluster"))
	}
}

func TestALostRegionRefusesHangsAndFails(t *testing.T) {
	s := quiet(t)
	s.must(s.Happen(Event{Lose: east}))
	kinds := map[string]bool{}
	for _, do := range []func(ctx context.Context, cfg aws.Config) error{
		func(ctx context.Context, cfg aws.Config) error {
			_, err := rds.NewFromConfig(cfg).DescribeGlobalClusters(ctx, &rds.DescribeGlobalClustersInput{})
			return err
		},
		func(ctx context.Context, cfg aws.Config) error {
			_, err := rds.NewFromConfig(cfg).DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{})
			return err
		},
		func(ctx context.Context, cfg aws.Config) error {
			_, err := route53.NewFromConfig(cfg).GetHealthCheck(ctx, &route53.GetHealthCheckInput{HealthCheckId: ptr(checkPrimary)})
			return err
		},
		func(ctx context.Context, cfg aws.Config) error {
			_, err := cloudwatch.NewFromConfig(cfg).ListMetrics(ctx, &cloudwatch.ListMetricsInput{})
			return err
		},
		func(ctx context.Context, cfg aws.Config) error {
			_, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
			return err
		},
		func(ctx context.Context, cfg aws.Config) error {
			_, err := elasticache.NewFromConfig(cfg).DescribeGlobalReplicationGroups(ctx, &elasticache.DescribeGlobalReplicationGroupsInput{})
			return err
		},
	} {
		ctx, cancel := s.clock.WithTimeout(s.ctx, 5*time.Second, errors.New("gave up"))
		err := do(ctx, s.once(east))
		cancel()
		var res *smithyhttp.ResponseError
		switch {
		case err == nil:
			t.Error("a call to a lost Region was answered")
		case errors.Is(err, syscall.ECONNREFUSED):
			kinds["refused"] = true
		case errors.As(err, &res):
			kinds["5xx"] = true
		default:
			kinds["hung"] = true
		}
	}
	if len(kinds) != 3 {
		t.Errorf("a lost Region fails in these ways only: %v", kinds)
	}
	for _, c := range s.Calls() {
		if c.Applied {
			t.Errorf("applied in a lost Region: %v", c)
		}
	}
	if _, err := route53.NewFromConfig(s.once(west)).GetHealthCheck(s.ctx, &route53.GetHealthCheckInput{HealthCheckId: ptr(checkPrimary)}); err == nil {
		t.Error("Route 53's control plane outlived us-east-1")
	}
}
