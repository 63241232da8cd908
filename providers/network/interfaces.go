package network

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Interfaces is how many network interfaces the account has in a Region. Its errors are
// faults of a read.
func (n *Network) Interfaces(ctx context.Context, r runbook.Region) (int, error) {
	client, count := ec2.NewFromConfig(n.config(r.Name)), 0
	in := &ec2.DescribeNetworkInterfacesInput{MaxResults: aws.Int32(1000)}
	for {
		page, err := client.DescribeNetworkInterfaces(ctx, in, func(o *ec2.Options) { o.Retryer = n.reads.Call() })
		if err != nil {
			return 0, fmt.Errorf("count the network interfaces in %s: %w", r.Name, awserr.SortRead(ctx, err))
		}
		count += len(page.NetworkInterfaces)
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return count, nil
		}
	}
}
