package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"
)

// errorCode is AWS's name of what went wrong.
func errorCode(err error) string {
	if told, ok := errors.AsType[smithy.APIError](err); ok {
		return told.ErrorCode()
	}
	return ""
}

// datastoreIn makes a global datastore with a replication group in each Region, name-REGION,
// and returns the id that AWS gives it.
func datastoreIn(t *testing.T, at *standIn, name string) string {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	east, west := elasticache.NewFromConfig(at.config("us-east-1")), elasticache.NewFromConfig(at.config("us-west-2"))
	_, err := east.CreateReplicationGroup(t.Context(), &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String(name + "-us-east-1"), ReplicationGroupDescription: aws.String("sessions"), CacheNodeType: aws.String("cache.r6g.large"),
		Engine: aws.String("redis"), NumCacheClusters: aws.Int32(2), AutomaticFailoverEnabled: aws.Bool(true),
	})
	must(err)
	made, err := east.CreateGlobalReplicationGroup(t.Context(), &elasticache.CreateGlobalReplicationGroupInput{
		GlobalReplicationGroupIdSuffix: aws.String(name), PrimaryReplicationGroupId: aws.String(name + "-us-east-1"),
	})
	must(err)
	_, err = west.CreateReplicationGroup(t.Context(), &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String(name + "-us-west-2"), ReplicationGroupDescription: aws.String("sessions"), GlobalReplicationGroupId: made.GlobalReplicationGroup.GlobalReplicationGroupId,
		NumCacheClusters: aws.Int32(2), AutomaticFailoverEnabled: aws.Bool(true),
	})
	must(err)
	return aws.ToString(made.GlobalReplicationGroup.GlobalReplicationGroupId)
}

// replicate puts into moto what is replicated between the Regions.
func replicate(t *testing.T, at *standIn) {
	t.Helper()
	config := at.config
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	storage := func(region string) *s3.Client {
		return s3.NewFromConfig(config(region), func(o *s3.Options) { o.UsePathStyle = true })
	}
	for _, region := range regions {
		name := &s3.CreateBucketInput{Bucket: aws.String("ecommerce-assets-" + region)}
		if region != "us-east-1" {
			name.CreateBucketConfiguration = &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(region)}
		}
		_, err := storage(region).CreateBucket(t.Context(), name)
		must(err)
		_, err = storage(region).PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
			Bucket: name.Bucket, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
		})
		must(err)
	}
	for i, region := range regions {
		_, err := storage(region).PutBucketReplication(t.Context(), &s3.PutBucketReplicationInput{
			Bucket: aws.String("ecommerce-assets-" + region), ReplicationConfiguration: &s3types.ReplicationConfiguration{
				Role: aws.String("arn:aws:iam::123456789012:role/replication"), Rules: []s3types.ReplicationRule{{
					ID: aws.String("all"), Priority: aws.Int32(1), Status: s3types.ReplicationRuleStatusEnabled, Filter: &s3types.ReplicationRuleFilter{Prefix: aws.String("")},
					DeleteMarkerReplication: &s3types.DeleteMarkerReplication{Status: s3types.DeleteMarkerReplicationStatusDisabled},
					Destination: &s3types.Destination{
						Bucket:          aws.String("arn:aws:s3:::ecommerce-assets-" + regions[1-i]),
						Metrics:         &s3types.Metrics{Status: s3types.MetricsStatusEnabled, EventThreshold: &s3types.ReplicationTimeValue{Minutes: aws.Int32(15)}},
						ReplicationTime: &s3types.ReplicationTime{Status: s3types.ReplicationTimeStatusEnabled, Time: &s3types.ReplicationTimeValue{Minutes: aws.Int32(15)}},
					},
				}},
			},
		})
		must(err)
	}
	for _, name := range []string{"ecommerce-prod/orders", "ecommerce-prod/users"} {
		_, err := secretsmanager.NewFromConfig(config("us-east-1")).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
			Name: aws.String(name), SecretString: aws.String("hunter2"), AddReplicaRegions: []smtypes.ReplicaRegionType{{Region: aws.String("us-west-2")}},
		})
		must(err)
	}
}

// push puts the image of each service into the registries of both Regions, and returns
// their digests.
func push(t *testing.T, at *standIn) map[string]string {
	t.Helper()
	digests := map[string]string{}
	for _, region := range regions {
		registry := ecr.NewFromConfig(at.config(region))
		for _, name := range []string{"order-service", "user-service"} {
			if _, err := registry.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: aws.String(name)}); err != nil {
				t.Fatal(err)
			}
			out, err := registry.PutImage(t.Context(), &ecr.PutImageInput{RepositoryName: aws.String(name), ImageTag: aws.String("1"), ImageManifest: aws.String(fmt.Sprintf(
				`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[],"annotations":{"org.opencontainers.image.title":%q}}`, name))})
			if err != nil {
				t.Fatal(err)
			}
			digest := aws.ToString(out.Image.ImageId.ImageDigest)
			if other := digests[name]; other != "" && other != digest {
				t.Fatalf("%s has the digest %s in %s, and %s elsewhere", name, digest, region, other)
			}
			digests[name] = digest
		}
	}
	return digests
}

// furnish makes what else section 1 looks at: roles that trust both clusters, an alarm
// on the health check that reaches PagerDuty, what lies beside the takeover object, and
// quotas that suffice.
func furnish(t *testing.T, at *standIn, healthCheck string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"order-service", "user-service"} {
		var statements []string
		for _, region := range regions {
			provider := strings.TrimPrefix(issuer(region), "https://")
			statements = append(statements, fmt.Sprintf(`{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/%[1]s"},"Action":"sts:AssumeRoleWithWebIdentity",`+
				`"Condition":{"StringEquals":{"%[1]s:sub":"system:serviceaccount:shop:%[2]s","%[1]s:aud":"sts.amazonaws.com"}}}`, provider, name))
		}
		_, err := iam.NewFromConfig(at.config("us-east-1")).CreateRole(t.Context(), &iam.CreateRoleInput{
			RoleName: aws.String(name), AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`),
		})
		must(err)
	}

	topics := sns.NewFromConfig(at.config("us-east-1"))
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("page")})
	must(err)
	_, err = topics.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("https"), Endpoint: aws.String("https://events.pagerduty.com/integration/key-secret/enqueue"),
	})
	must(err)
	_, err = cloudwatch.NewFromConfig(at.config("us-east-1")).PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{
		AlarmName: aws.String("api-unhealthy"), Namespace: aws.String("AWS/Route53"), MetricName: aws.String("HealthCheckStatus"),
		Dimensions: []cwtypes.Dimension{{Name: aws.String("HealthCheckId"), Value: aws.String(healthCheck)}},
		Statistic:  cwtypes.StatisticMinimum, Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1),
		ComparisonOperator: cwtypes.ComparisonOperatorLessThanThreshold, ActionsEnabled: aws.Bool(true), AlarmActions: []string{aws.ToString(topic.TopicArn)},
	})
	must(err)

	for _, region := range regions {
		_, err := s3.NewFromConfig(at.config(region), func(o *s3.Options) { o.UsePathStyle = true }).PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String("ecommerce-takeover-" + region), Key: aws.String("takeover.probe"), Body: strings.NewReader("probe"), ACL: s3types.ObjectCannedACLPublicRead,
		})
		must(err)
		at.raise(region, "ec2", "L-1216C47A", 512)
	}
}

// publish has CloudWatch know what AWS's services publish there each minute, as of a moment ago.
func publish(t *testing.T, at *standIn) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	now := time.Now().Add(-10 * time.Second).Truncate(time.Second)
	put := func(region, namespace, name string, value float64, dimensions ...string) {
		t.Helper()
		var all []cwtypes.Dimension
		for i := 0; i < len(dimensions); i += 2 {
			all = append(all, cwtypes.Dimension{Name: aws.String(dimensions[i]), Value: aws.String(dimensions[i+1])})
		}
		if _, err := cloudwatch.NewFromConfig(at.config(region)).PutMetricData(ctx, &cloudwatch.PutMetricDataInput{
			Namespace: aws.String(namespace), MetricData: []cwtypes.MetricDatum{{MetricName: aws.String(name), Value: aws.Float64(value), Timestamp: aws.Time(now), Dimensions: all}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	put("us-west-2", "AWS/RDS", "AuroraGlobalDBRPOLag", 340.5, "DBClusterIdentifier", "ecommerce-secondary")
	put("us-west-2", "AWS/ElastiCache", "GlobalDatastoreReplicationLag", 0.25, "ReplicationGroupId", "ecommerce-cache-us-west-2")
	for i, region := range regions {
		put(region, "AWS/Usage", "ResourceCount", 96, "Service", "EC2", "Type", "Resource", "Resource", "vCPU", "Class", "Standard/OnDemand")
		to := "ecommerce-assets-" + regions[1-i]
		rule := []string{"SourceBucket", "ecommerce-assets-" + region, "DestinationBucket", to, "RuleId", "all"}
		put(region, "AWS/S3", "OperationsFailedReplication", 0, rule...)
		put(regions[1-i], "AWS/S3", "OperationsPendingReplication", 3, rule...)
		put(regions[1-i], "AWS/S3", "ReplicationLatency", 4.5, rule...)
	}
}
