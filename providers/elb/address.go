package elb

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Address is the DNS name of a Region's load balancer, and whether it has addresses of
// IPv6, too. Its errors are faults of a read.
func (e *ELB) Address(ctx context.Context, t runbook.Topology, r runbook.Region) (name string, ipv6 bool, err error) {
	b, err := e.balancer(ctx, t, r)
	if err != nil {
		return "", false, err
	}
	return aws.ToString(b.DNSName), strings.HasPrefix(string(b.IpAddressType), "dualstack"), nil
}

// Alias is what an alias record of a Region's load balancer names: its DNS name and its
// hosted zone; and whether it has addresses of IPv6, too. Its errors are faults of a read.
func (e *ELB) Alias(ctx context.Context, t runbook.Topology, r runbook.Region) (name, zone string, ipv6 bool, err error) {
	b, err := e.balancer(ctx, t, r)
	if err != nil {
		return "", "", false, err
	}
	return aws.ToString(b.DNSName), aws.ToString(b.CanonicalHostedZoneId), strings.HasPrefix(string(b.IpAddressType), "dualstack"), nil
}
