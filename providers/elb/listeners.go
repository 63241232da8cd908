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
	var all []types.Listener
	pages := elbv2.NewDescribeListenersPaginator(e.client(r.Name), &elbv2.DescribeListenersInput{LoadBalancerArn: aws.String(arn)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, e.reading)
		if err != nil {
			return nil, fmt.Errorf("describe the listeners in %s: %w", r.Name, awserr.SortRead(ctx, err))
		}
		all = append(all, page.Listeners...)
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

func (e *ELB) certificates(ctx context.Context, r runbook.Region, l types.Listener) ([]types.Certificate, error) {
	var all []types.Certificate
	pages := elbv2.NewDescribeListenerCertificatesPaginator(e.client(r.Name), &elbv2.DescribeListenerCertificatesInput{ListenerArn: l.ListenerArn})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, e.reading)
		if err != nil {
			return nil, fmt.Errorf("describe the certificates on port %d in %s: %w", aws.ToInt32(l.Port), r.Name, awserr.SortRead(ctx, err))
		}
		all = append(all, page.Certificates...)
	}
	return all, nil
}
