package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	cftypes "github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	ectypes "github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/wafv2"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// controlPlanes are where Route 53's API lives, which exists once in a partition of AWS; of
// a partition that is missing here the first Region is asked.
//
// https://docs.aws.amazon.com/general/latest/gr/r53.html
var controlPlanes = map[string]string{"aws": "us-east-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-northwest-1", "aws-eusc": "eusc-de-east-1"}

func (l *look) controlPlane() string {
	return cmp.Or(controlPlanes[strict.Partition(l.Regions[0])], l.Regions[0])
}

// ask makes one read of AWS in a Region, for which that right is needed. Its client is made
// from c, which holds the retries of one call.
func ask[T any](ctx context.Context, l *look, region, right string, read func(ctx context.Context, c aws.Config) (T, error)) (T, error) {
	ctx, stop := l.Clock.WithTimeout(ctx, patience, fmt.Errorf("not answered within %s", patience))
	defer stop()
	c := l.AWS(region).Copy()
	c.APIOptions = append(c.APIOptions, awserr.InRegion(region))
	c.Retryer = func() aws.Retryer { return l.reads.Call() }
	out, err := read(ctx, c)
	if err == nil {
		return out, nil
	}
	return out, &missing{awserr.SortRead(ctx, err), awserr.Missing(err), &Unread{
		Right: right, Region: region, Refused: awserr.Refused(err), Err: awserr.SortRead(ctx, err),
	}}
}

// missing is the error of a read.
type missing struct {
	error
	// gone: there is no such thing, which is an answer.
	gone   bool
	unread *Unread
}

// Unwrap is what the read's error means.
func (m *missing) Unwrap() error { return m.error }

// pages reads all pages of a list. A page is asked for by the token that the one before
// gave.
func pages[T any](ctx context.Context, l *look, region, right string, page func(ctx context.Context, c aws.Config, token *string) ([]T, *string, error)) told[T] {
	var out told[T]
	var token *string
	for {
		next, err := ask(ctx, l, region, right, func(ctx context.Context, c aws.Config) (*string, error) {
			some, next, err := page(ctx, c, token)
			out.all = append(out.all, some...)
			return next, err
		})
		if err != nil {
			return told[T]{not: l.missed(err.(*missing).unread)} //nolint:errorlint,forcetypeassert // ask has no other
		}
		switch {
		case aws.ToString(next) == "":
			return out
		case aws.ToString(next) == aws.ToString(token):
			return told[T]{not: l.missed(&Unread{Right: right, Region: region, Err: errSamePage})}
		}
		token = next
	}
}

var errSamePage = errors.New("the same page came twice")

// one reads what is one; gone says that it is not there.
func one[T any](ctx context.Context, l *look, region, right string, read func(ctx context.Context, c aws.Config) (T, error)) (out told[T], gone bool) {
	v, err := ask(ctx, l, region, right, read)
	if err == nil {
		return told[T]{all: []T{v}}, false
	}
	m := err.(*missing) //nolint:errorlint,forcetypeassert // ask has no other
	if m.gone {
		return told[T]{}, true
	}
	return told[T]{not: l.missed(m.unread)}, false
}

// account is who asks. No right is needed for it, so its error means that nothing will be
// answered.
func (l *look) account(ctx context.Context, region string) (string, error) {
	return ask(ctx, l, region, "sts:GetCallerIdentity", func(ctx context.Context, c aws.Config) (string, error) {
		out, err := sts.NewFromConfig(c).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.Account), nil
	})
}

// regionNames are the Regions that the account has, those that it has not enabled marked
// as such.
func (l *look) regionNames(ctx context.Context, region string) told[string] {
	return pages(ctx, l, region, "ec2:DescribeRegions", func(ctx context.Context, c aws.Config, _ *string) ([]string, *string, error) {
		out, err := ec2.NewFromConfig(c).DescribeRegions(ctx, &ec2.DescribeRegionsInput{AllRegions: aws.Bool(true)})
		if err != nil {
			return nil, nil, err
		}
		var names []string
		for _, r := range out.Regions {
			name := aws.ToString(r.RegionName)
			if aws.ToString(r.OptInStatus) == "not-opted-in" {
				name += notEnabled
			}
			names = append(names, name)
		}
		return names, nil, nil
	})
}

func (l *look) zones(ctx context.Context) told[r53types.HostedZone] {
	return pages(ctx, l, l.controlPlane(), "route53:ListHostedZones", func(ctx context.Context, c aws.Config, token *string) ([]r53types.HostedZone, *string, error) {
		out, err := route53.NewFromConfig(c).ListHostedZones(ctx, &route53.ListHostedZonesInput{Marker: token})
		if err != nil {
			return nil, nil, err
		}
		return out.HostedZones, out.NextMarker, nil
	})
}

// nameservers are a zone's own servers.
func (l *look) nameservers(ctx context.Context, zone string) told[string] {
	return pages(ctx, l, l.controlPlane(), "route53:GetHostedZone", func(ctx context.Context, c aws.Config, _ *string) ([]string, *string, error) {
		out, err := route53.NewFromConfig(c).GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: aws.String(zone)})
		if err != nil || out.DelegationSet == nil {
			return nil, nil, err
		}
		return out.DelegationSet.NameServers, nil, nil
	})
}

// records are all of a zone. The next page begins at a record, which is three values and
// no token.
func (l *look) records(ctx context.Context, zone string) told[r53types.ResourceRecordSet] {
	in := &route53.ListResourceRecordSetsInput{HostedZoneId: aws.String(zone)}
	return pages(ctx, l, l.controlPlane(), "route53:ListResourceRecordSets", func(ctx context.Context, c aws.Config, _ *string) ([]r53types.ResourceRecordSet, *string, error) {
		out, err := route53.NewFromConfig(c).ListResourceRecordSets(ctx, in)
		if err != nil {
			return nil, nil, err
		}
		in.StartRecordName, in.StartRecordType, in.StartRecordIdentifier = out.NextRecordName, out.NextRecordType, out.NextRecordIdentifier
		if !out.IsTruncated {
			return out.ResourceRecordSets, nil, nil
		}
		next := aws.ToString(out.NextRecordName) + " " + string(out.NextRecordType) + " " + aws.ToString(out.NextRecordIdentifier)
		return out.ResourceRecordSets, &next, nil
	})
}

func (l *look) check(ctx context.Context, id string) (told[*r53types.HealthCheckConfig], bool) {
	return one(ctx, l, l.controlPlane(), "route53:GetHealthCheck", func(ctx context.Context, c aws.Config) (*r53types.HealthCheckConfig, error) {
		out, err := route53.NewFromConfig(c).GetHealthCheck(ctx, &route53.GetHealthCheckInput{HealthCheckId: aws.String(id)})
		if err != nil {
			return nil, err
		}
		return out.HealthCheck.HealthCheckConfig, nil
	})
}

func (l *look) balancers(ctx context.Context, region string) told[elbtypes.LoadBalancer] {
	return pages(ctx, l, region, "elasticloadbalancing:DescribeLoadBalancers", func(ctx context.Context, c aws.Config, token *string) ([]elbtypes.LoadBalancer, *string, error) {
		out, err := elb.NewFromConfig(c).DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{Marker: token})
		if err != nil {
			return nil, nil, err
		}
		return out.LoadBalancers, out.NextMarker, nil
	})
}

func (l *look) groups(ctx context.Context, region, balancer string) told[elbtypes.TargetGroup] {
	return pages(ctx, l, region, "elasticloadbalancing:DescribeTargetGroups", func(ctx context.Context, c aws.Config, token *string) ([]elbtypes.TargetGroup, *string, error) {
		out, err := elb.NewFromConfig(c).DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{LoadBalancerArn: aws.String(balancer), Marker: token})
		if err != nil {
			return nil, nil, err
		}
		return out.TargetGroups, out.NextMarker, nil
	})
}

func (l *look) listeners(ctx context.Context, region, balancer string) told[elbtypes.Listener] {
	return pages(ctx, l, region, "elasticloadbalancing:DescribeListeners", func(ctx context.Context, c aws.Config, token *string) ([]elbtypes.Listener, *string, error) {
		out, err := elb.NewFromConfig(c).DescribeListeners(ctx, &elb.DescribeListenersInput{LoadBalancerArn: aws.String(balancer), Marker: token})
		if err != nil {
			return nil, nil, err
		}
		return out.Listeners, out.NextMarker, nil
	})
}

// certificate is the name that one is for.
func (l *look) certificate(ctx context.Context, region, arn string) told[string] {
	out, _ := one(ctx, l, region, "acm:DescribeCertificate", func(ctx context.Context, c aws.Config) (string, error) {
		out, err := acm.NewFromConfig(c).DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: aws.String(arn)})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.Certificate.DomainName), nil
	})
	return out
}

// webACL is the name of that which is attached to a load balancer; empty for none.
func (l *look) webACL(ctx context.Context, region, balancer string) told[string] {
	out, _ := one(ctx, l, region, "wafv2:GetWebACLForResource", func(ctx context.Context, c aws.Config) (string, error) {
		out, err := wafv2.NewFromConfig(c).GetWebACLForResource(ctx, &wafv2.GetWebACLForResourceInput{ResourceArn: aws.String(balancer)})
		if err != nil || out.WebACL == nil {
			return "", err
		}
		return aws.ToString(out.WebACL.Name), nil
	})
	return out
}

func (l *look) databases(ctx context.Context, region string) told[rdstypes.GlobalCluster] {
	return pages(ctx, l, region, "rds:DescribeGlobalClusters", func(ctx context.Context, c aws.Config, token *string) ([]rdstypes.GlobalCluster, *string, error) {
		out, err := rds.NewFromConfig(c).DescribeGlobalClusters(ctx, &rds.DescribeGlobalClustersInput{Marker: token})
		if err != nil {
			return nil, nil, err
		}
		return out.GlobalClusters, out.Marker, nil
	})
}

func (l *look) caches(ctx context.Context, region string) told[ectypes.GlobalReplicationGroup] {
	return pages(ctx, l, region, "elasticache:DescribeGlobalReplicationGroups", func(ctx context.Context, c aws.Config, token *string) ([]ectypes.GlobalReplicationGroup, *string, error) {
		out, err := elasticache.NewFromConfig(c).DescribeGlobalReplicationGroups(ctx, &elasticache.DescribeGlobalReplicationGroupsInput{Marker: token, ShowMemberInfo: aws.Bool(true)})
		if err != nil {
			return nil, nil, err
		}
		return out.GlobalReplicationGroups, out.Marker, nil
	})
}

// buckets are the names of those of a Region.
func (l *look) buckets(ctx context.Context, region string) told[string] {
	return pages(ctx, l, region, "s3:ListAllMyBuckets", func(ctx context.Context, c aws.Config, token *string) ([]string, *string, error) {
		out, err := storage(c).ListBuckets(ctx, &s3.ListBucketsInput{BucketRegion: aws.String(region), MaxBuckets: aws.Int32(1000), ContinuationToken: token})
		if err != nil {
			return nil, nil, err
		}
		var names []string
		for _, b := range out.Buckets {
			names = append(names, aws.ToString(b.Name))
		}
		return names, out.ContinuationToken, nil
	})
}

// storage asks by path where the endpoint is not AWS' own: a stand-in has no names of
// buckets in the DNS.
func storage(c aws.Config) *s3.Client {
	return s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = c.BaseEndpoint != nil })
}

// noReplication is how S3 says that a bucket has no rules.
const noReplication = "ReplicationConfigurationNotFoundError"

// replicas are the names of the buckets that one is replicated to by rules in force.
func (l *look) replicas(ctx context.Context, region, bucket string) told[string] {
	return pages(ctx, l, region, "s3:GetReplicationConfiguration", func(ctx context.Context, c aws.Config, _ *string) ([]string, *string, error) {
		out, err := storage(c).GetBucketReplication(ctx, &s3.GetBucketReplicationInput{Bucket: aws.String(bucket)})
		if awserr.Code(err) == noReplication {
			return nil, nil, nil
		}
		if err != nil || out.ReplicationConfiguration == nil {
			return nil, nil, err
		}
		var names []string
		for _, r := range out.ReplicationConfiguration.Rules {
			if r.Status == "Enabled" && r.Destination != nil {
				names = append(names, strings.TrimPrefix(aws.ToString(r.Destination.Bucket), "arn:"+strict.Partition(region)+":s3:::"))
			}
		}
		return names, nil, nil
	})
}

func (l *look) secrets(ctx context.Context, region string) told[smtypes.SecretListEntry] {
	return pages(ctx, l, region, "secretsmanager:ListSecrets", func(ctx context.Context, c aws.Config, token *string) ([]smtypes.SecretListEntry, *string, error) {
		out, err := secretsmanager.NewFromConfig(c).ListSecrets(ctx, &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(100), NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return out.SecretList, out.NextToken, nil
	})
}

// distributed are where CloudFront's API lives; other partitions have no CloudFront.
//
// https://docs.aws.amazon.com/general/latest/gr/cf_region.html
var distributed = map[string]string{"aws": "us-east-1", "aws-cn": "cn-northwest-1"}

func (l *look) distributions(ctx context.Context) told[cftypes.DistributionSummary] {
	home := distributed[strict.Partition(l.Regions[0])]
	if home == "" {
		return told[cftypes.DistributionSummary]{}
	}
	return pages(ctx, l, home, "cloudfront:ListDistributions", func(ctx context.Context, c aws.Config, token *string) ([]cftypes.DistributionSummary, *string, error) {
		out, err := cloudfront.NewFromConfig(c).ListDistributions(ctx, &cloudfront.ListDistributionsInput{Marker: token})
		if err != nil || out.DistributionList == nil {
			return nil, nil, err
		}
		return out.DistributionList.Items, out.DistributionList.NextMarker, nil
	})
}

func (l *look) peerings(ctx context.Context, region string) told[ec2types.VpcPeeringConnection] {
	return pages(ctx, l, region, "ec2:DescribeVpcPeeringConnections", func(ctx context.Context, c aws.Config, token *string) ([]ec2types.VpcPeeringConnection, *string, error) {
		out, err := ec2.NewFromConfig(c).DescribeVpcPeeringConnections(ctx, &ec2.DescribeVpcPeeringConnectionsInput{NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return out.VpcPeeringConnections, out.NextToken, nil
	})
}

func (l *look) attachments(ctx context.Context, region string) told[ec2types.TransitGatewayPeeringAttachment] {
	return pages(ctx, l, region, "ec2:DescribeTransitGatewayPeeringAttachments", func(ctx context.Context, c aws.Config, token *string) ([]ec2types.TransitGatewayPeeringAttachment, *string, error) {
		out, err := ec2.NewFromConfig(c).DescribeTransitGatewayPeeringAttachments(ctx, &ec2.DescribeTransitGatewayPeeringAttachmentsInput{NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return out.TransitGatewayPeeringAttachments, out.NextToken, nil
	})
}

func (l *look) clusterNames(ctx context.Context, region string) told[string] {
	return pages(ctx, l, region, "eks:ListClusters", func(ctx context.Context, c aws.Config, token *string) ([]string, *string, error) {
		out, err := eks.NewFromConfig(c).ListClusters(ctx, &eks.ListClustersInput{NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return out.Clusters, out.NextToken, nil
	})
}

func (l *look) cluster(ctx context.Context, region, name string) told[Cluster] {
	out, _ := one(ctx, l, region, "eks:DescribeCluster", func(ctx context.Context, c aws.Config) (Cluster, error) {
		out, err := eks.NewFromConfig(c).DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String(name)})
		if err != nil {
			return Cluster{}, err
		}
		is := Cluster{Name: name, Endpoint: aws.ToString(out.Cluster.Endpoint)}
		if ca := out.Cluster.CertificateAuthority; ca != nil {
			is.CA = aws.ToString(ca.Data)
		}
		if n := out.Cluster.ResourcesVpcConfig; n != nil {
			is.vpc = aws.ToString(n.VpcId)
		}
		return is, nil
	})
	return out
}

// identities are the service accounts that EKS gives roles to, in a namespace.
func (l *look) identities(ctx context.Context, region, cluster, namespace string) told[string] {
	return pages(ctx, l, region, "eks:ListPodIdentityAssociations", func(ctx context.Context, c aws.Config, token *string) ([]string, *string, error) {
		out, err := eks.NewFromConfig(c).ListPodIdentityAssociations(ctx, &eks.ListPodIdentityAssociationsInput{
			ClusterName: aws.String(cluster), Namespace: aws.String(namespace), NextToken: token,
		})
		if err != nil {
			return nil, nil, err
		}
		var names []string
		for _, a := range out.Associations {
			names = append(names, aws.ToString(a.ServiceAccount))
		}
		return names, out.NextToken, nil
	})
}

// queues are the addresses of those of a Region. Without a size of its pages SQS gives one
// page and says of no other.
func (l *look) queues(ctx context.Context, region string) told[string] {
	return pages(ctx, l, region, "sqs:ListQueues", func(ctx context.Context, c aws.Config, token *string) ([]string, *string, error) {
		out, err := sqs.NewFromConfig(c).ListQueues(ctx, &sqs.ListQueuesInput{MaxResults: aws.Int32(1000), NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return out.QueueUrls, out.NextToken, nil
	})
}

// redrive is a queue's policy on dead letters; nothing where it has none, or is gone.
func (l *look) redrive(ctx context.Context, region, url string) told[string] {
	out, _ := one(ctx, l, region, "sqs:GetQueueAttributes", func(ctx context.Context, c aws.Config) (string, error) {
		const policy = sqstypes.QueueAttributeNameRedrivePolicy
		out, err := sqs.NewFromConfig(c).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: aws.String(url), AttributeNames: []sqstypes.QueueAttributeName{policy}})
		if err != nil {
			return "", err
		}
		return out.Attributes[string(policy)], nil
	})
	return out
}

// topics are the ARNs of those of a Region.
func (l *look) topics(ctx context.Context, region string) told[string] {
	return pages(ctx, l, region, "sns:ListTopics", func(ctx context.Context, c aws.Config, token *string) ([]string, *string, error) {
		out, err := sns.NewFromConfig(c).ListTopics(ctx, &sns.ListTopicsInput{NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		var all []string
		for _, t := range out.Topics {
			all = append(all, aws.ToString(t.TopicArn))
		}
		return all, out.NextToken, nil
	})
}

// logGroups are the names of those of a Region.
func (l *look) logGroups(ctx context.Context, region string) told[string] {
	return pages(ctx, l, region, "logs:DescribeLogGroups", func(ctx context.Context, c aws.Config, token *string) ([]string, *string, error) {
		out, err := cloudwatchlogs.NewFromConfig(c).DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{Limit: aws.Int32(50), NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		var names []string
		for _, g := range out.LogGroups {
			names = append(names, aws.ToString(g.LogGroupName))
		}
		return names, out.NextToken, nil
	})
}
