package sim

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// once makes calls that are not tried again.
func (s *stage) once(region string) aws.Config {
	cfg := s.AWS(region)
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return cfg
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
