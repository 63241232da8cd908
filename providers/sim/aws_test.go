package sim

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbt "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
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
	_, err = s.rds(west).DescribeDBParameterGroups(s.ctx, &rds.DescribeDBParameterGroupsInput{})
	if err == nil || !strings.Contains(err.Error(), "no answer for RDS DescribeDBParameterGroups") {
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

func TestAListenerTellsItsDefaultCertificateAndOnlyWhenAskedTheOthers(t *testing.T) {
	s := quiet(t)
	c := elb.NewFromConfig(s.once(west))
	other := "arn:aws:acm:us-west-2:111122223333:certificate/another"
	s.must(s.Do(func(st *State) {
		l := &st.Regions[west].Listeners[1]
		l.Certificates = append(l.Certificates, other)
	}))
	out, err := c.DescribeListeners(s.ctx, &elb.DescribeListenersInput{LoadBalancerArn: ptr(albARN(west))})
	s.must(err)
	if len(out.Listeners) != 2 || *out.Listeners[0].Port != 80 || len(out.Listeners[0].Certificates) != 0 {
		t.Fatalf("%+v", out.Listeners)
	}
	secure := out.Listeners[1]
	if *secure.Port != 443 || secure.Protocol != elbt.ProtocolEnumHttps || len(secure.Certificates) != 1 || *secure.Certificates[0].CertificateArn != certificateARN(west) {
		t.Errorf("%+v", secure)
	}
	all, err := c.DescribeListenerCertificates(s.ctx, &elb.DescribeListenerCertificatesInput{ListenerArn: secure.ListenerArn})
	s.must(err)
	if len(all.Certificates) != 2 || !*all.Certificates[0].IsDefault || *all.Certificates[1].IsDefault || *all.Certificates[1].CertificateArn != other {
		t.Errorf("%+v", all.Certificates)
	}
	var missing *elbt.ListenerNotFoundException
	if _, err := c.DescribeListenerCertificates(s.ctx, &elb.DescribeListenerCertificatesInput{ListenerArn: ptr("arn:nothing")}); !errors.As(err, &missing) {
		t.Errorf("a listener that is not there: %v", err)
	}
	if _, err := c.DescribeListeners(s.ctx, &elb.DescribeListenersInput{ListenerArns: []string{"arn:nothing"}}); !errors.As(err, &missing) {
		t.Errorf("a listener that is not there: %v", err)
	}
	var nowhere *elbt.LoadBalancerNotFoundException
	if _, err := c.DescribeListeners(s.ctx, &elb.DescribeListenersInput{LoadBalancerArn: ptr(albARN(east))}); !errors.As(err, &nowhere) {
		t.Errorf("a load balancer of the other Region: %v", err)
	}
}
