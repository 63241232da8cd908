package elb

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Listeners are those of a Region's load balancer, each HTTPS one with all of its
// certificates: the default one, which is all that DescribeListeners tells, and those
// that are picked by the name a client asks for.
//
// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeListenerCertificates.html
func (e *ELB) Listeners(ctx context.Context, t runbook.Topology, r runbook.Region) ([]types.Listener, error) {
	arn, err := ARN(t, r)
	if err != nil {
		return nil, err
	}
	all, err := e.listeners(ctx, r, arn)
	if err != nil {
		return nil, err
	}
	for i, l := range all {
		if l.Protocol != types.ProtocolEnumHttps {
			continue
		}
		if all[i].Certificates, err = e.certificates(ctx, r, l); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (e *ELB) listeners(ctx context.Context, r runbook.Region, arn string) ([]types.Listener, error) {
	var all []types.Listener
	client, in := e.client(r.Name), &elbv2.DescribeListenersInput{LoadBalancerArn: aws.String(arn)}
	for {
		page, err := client.DescribeListeners(ctx, in, e.reading)
		if err != nil {
			return nil, fmt.Errorf("describe the listeners in %s: %w", r.Name, awserr.SortRead(ctx, err))
		}
		all = append(all, page.Listeners...)
		if in.Marker = page.NextMarker; aws.ToString(in.Marker) == "" {
			return all, nil
		}
	}
}

func (e *ELB) certificates(ctx context.Context, r runbook.Region, l types.Listener) ([]types.Certificate, error) {
	var all []types.Certificate
	client, in := e.client(r.Name), &elbv2.DescribeListenerCertificatesInput{ListenerArn: l.ListenerArn}
	for {
		page, err := client.DescribeListenerCertificates(ctx, in, e.reading)
		if err != nil {
			return nil, fmt.Errorf("describe the certificates on port %d in %s: %w", aws.ToInt32(l.Port), r.Name, awserr.SortRead(ctx, err))
		}
		all = append(all, page.Certificates...)
		if in.Marker = page.NextMarker; aws.ToString(in.Marker) == "" {
			return all, nil
		}
	}
}
