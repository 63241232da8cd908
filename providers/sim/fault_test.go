package sim

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

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
