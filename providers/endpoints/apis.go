package endpoints

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/wafv2"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	smithyendpoints "github.com/aws/smithy-go/endpoints"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// ask is an API that the actions of a system call.
type ask struct {
	api string
	at  place
	// briefly: it is asked for some seconds beside others, and done without.
	briefly bool
}

// place is where an API is called.
type place int

const (
	home    place = iota // where the action says that it lives; nowhere if it does not say
	target               // in the Region that takes over
	source               // in the Region that is left, by a planned run alone
	planned              // in the Region that takes over, by a planned run alone
	left                 // in the Region that is left, by any run
	global               // where its only control plane is
)

// cluster is the API server of a Region's cluster.
const cluster = "Kubernetes"

// asks are the APIs of each system's actions, or of one action that asks others. A test
// compares them with the calls of whole plans.
var asks = map[string][]ask{
	"acm":                 {{"ACM", target, false}, {"Elastic Load Balancing", target, false}},
	"aurora":              {{"RDS", home, false}, {"CloudWatch", target, false}},
	"aurora.events":       {{"RDS", home, false}, {"RDS", left, true}},
	"aurora.old-writer":   {{"RDS", home, false}, {"RDS", left, true}},
	"cache":               {{"ElastiCache", home, false}},
	"cache.warm":          {{"ElastiCache", home, false}, {"CloudWatch", target, false}},
	"cloudfront":          {{"CloudFront", home, false}},
	"cloudwatch":          {{"CloudWatch", home, false}, {"Elastic Load Balancing", home, false}},
	"cloudwatch.requests": {{"CloudWatch", home, false}, {"CloudWatch", left, true}},
	"dns":                 {{"Route 53", home, false}, {"Route 53", global, true}},
	"dns.changeable":      {{"Route 53", global, false}, {"Elastic Load Balancing", target, false}},
	"dns.in-sync":         {{"Route 53", global, false}, {"Elastic Load Balancing", target, false}},
	"dns.record":          {{"Route 53", global, false}, {"Elastic Load Balancing", target, false}},
	"dns.alarm":           {{"CloudWatch", home, false}, {"SNS", home, false}},
	"ecr":                 {{"ECR", target, false}, {cluster, target, false}},
	"elb":                 {{"Elastic Load Balancing", home, false}},
	"iam":                 {{"IAM", home, false}, {"EKS", target, false}, {cluster, target, false}},
	"kube":                {{cluster, home, false}},
	"kube.host":           {{cluster, home, false}, {"RDS", target, false}},
	"logs":                {{"CloudWatch Logs", home, false}},
	"network":             {{"EC2", source, false}, {"EC2", planned, false}},
	"quotas":              {{"Service Quotas", home, false}, {"CloudWatch", home, false}, {"EC2", home, false}, {"Elastic Load Balancing", home, false}, {cluster, home, false}},
	"s3":                  {{"S3", target, false}, {"S3", source, false}, {"CloudWatch", target, false}, {"CloudWatch", source, false}},
	"secrets":             {{"Secrets Manager", target, false}, {"Secrets Manager", source, false}},
	"sns":                 {{"SNS", home, false}, {"CloudWatch", home, false}},
	"sqs":                 {{"SQS", home, false}, {"CloudWatch", home, false}, {"SQS", left, true}},
	"takeover":            {{"S3", target, false}, {"Route 53", global, true}},
	"velero":              {{cluster, target, false}},
	"waf":                 {{"WAF", target, false}, {"WAF", source, false}},
	"xray":                {{"X-Ray", home, false}},
}

// region is where a step calls the API; empty where it does not.
func (a ask) region(s runbook.Step, p *runbook.Plan) string {
	at := s.Home
	switch a.at {
	case target:
		at = "target"
	case source, planned:
		if at = map[place]string{source: "source", planned: "target"}[a.at]; p.Mode == "unplanned" {
			return ""
		}
	case left:
		return p.Source.Name
	case global:
		return globals[p.Target.Partition()]
	case home:
	}
	switch at {
	case "target":
		return p.Target.Name
	case "source":
		return p.Source.Name
	}
	return at
}

// globals is where Route 53's only control plane lives in each partition.
var globals = map[string]string{
	"aws": "us-east-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-northwest-1", "aws-eusc": "eusc-de-east-1",
}

// endpoint is where an API of a Region is reached, by the settings of its client.
func (n Needs) endpoint(api, region string) (Endpoint, error) {
	e := Endpoint{Name: api + " in " + region, Region: region, Regional: true}
	if api == cluster {
		c, err := n.Kube(region)
		if err != nil {
			return e, err
		}
		if c.HTTP != nil {
			e.Host = c.HTTP.Get().URL().Host
		}
	} else {
		host, err := hosts[api](n.AWS(region))
		if err != nil {
			return e, fmt.Errorf("find the endpoint of %s in %s: %w", api, region, err)
		}
		e.Host = host
	}
	if told := RegionOf(e.Host); told != "" {
		e.Region = told // a cluster, or a private endpoint, may lie elsewhere than asked
	}
	return e, nil
}

// hosts are the addresses of AWS's APIs, as their clients resolve them.
var hosts = map[string]func(c aws.Config) (string, error){
	"ACM": func(c aws.Config) (string, error) {
		o := acm.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), acm.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint, ServiceType: aws.String("ACM")}))
	},
	"CloudWatch": func(c aws.Config) (string, error) {
		o := cloudwatch.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), cloudwatch.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
	"CloudWatch Logs": func(c aws.Config) (string, error) {
		o := cloudwatchlogs.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), cloudwatchlogs.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
	"X-Ray": func(c aws.Config) (string, error) {
		o := xray.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), xray.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
	"ECR": func(c aws.Config) (string, error) {
		o := ecr.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), ecr.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
	"EKS": func(c aws.Config) (string, error) {
		o := eks.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), eks.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
	"ElastiCache": func(c aws.Config) (string, error) {
		o := elasticache.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), elasticache.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
	"Elastic Load Balancing": func(c aws.Config) (string, error) {
		o := elbv2.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), elbv2.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
	"IAM": func(c aws.Config) (string, error) {
		o := iam.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), iam.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
	"RDS": func(c aws.Config) (string, error) {
		o := rds.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), rds.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
	"Route 53": func(c aws.Config) (string, error) {
		o := route53.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), route53.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
	"S3": func(c aws.Config) (string, error) {
		o := s3.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), s3.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
	"CloudFront": func(c aws.Config) (string, error) {
		o := cloudfront.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), cloudfront.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
	"EC2": func(c aws.Config) (string, error) {
		o := ec2.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), ec2.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
	"Secrets Manager": func(c aws.Config) (string, error) {
		o := secretsmanager.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), secretsmanager.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
	"Service Quotas": func(c aws.Config) (string, error) {
		o := servicequotas.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), servicequotas.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
	"SNS": func(c aws.Config) (string, error) {
		o := sns.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), sns.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
	"SQS": func(c aws.Config) (string, error) {
		o := sqs.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), sqs.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
	"WAF": func(c aws.Config) (string, error) {
		o := wafv2.NewFromConfig(c).Options()
		return hostOf(o.EndpointResolverV2.ResolveEndpoint(context.Background(), wafv2.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint}))
	},
}

func hostOf(e smithyendpoints.Endpoint, err error) (string, error) {
	return e.URI.Host, err
}
