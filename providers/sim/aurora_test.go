package sim

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/rds"
	rdst "github.com/aws/aws-sdk-go-v2/service/rds/types"
)

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
