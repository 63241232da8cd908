package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	sqtypes "github.com/aws/aws-sdk-go-v2/service/servicequotas/types"
)

// motoItself is moto without what is before it.
type motoItself struct {
	*testing.T
	url string
}

func (m *motoItself) config(region string) aws.Config { return configAt(m.url, region) }

func (m *motoItself) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

// What moto has learnt is no longer ours: its entry goes. What it lacks is seen here, and
// that whoever asks through us has it.
func TestMotoLacksWhatIsOurs(t *testing.T) {
	s := moto(t)
	for key, own := range ours {
		t.Run(key, func(t *testing.T) {
			if learnt := own.learnt(&motoItself{t, s.moto}); learnt != "" {
				t.Errorf("%s is ours because %s; but %s", key, own.why, learnt)
			}
		})
	}
}

func learntCBOR(m *motoItself) string {
	if _, err := cloudwatch.NewFromConfig(m.config("us-west-2")).ListMetrics(m.Context(), &cloudwatch.ListMetricsInput{}); err == nil {
		return "it answers in CBOR"
	}
	return ""
}

// learntDimensions asks in JSON, which moto speaks.
func learntDimensions(m *motoItself) string {
	ask := func(operation, body string) string {
		r, err := http.NewRequestWithContext(m.Context(), http.MethodPost, m.url, strings.NewReader(body))
		m.must(err)
		r.Header.Set("X-Amz-Target", "GraniteServiceVersion20100801."+operation)
		r.Header.Set("Content-Type", "application/x-amz-json-1.0")
		r.Header.Set("Authorization", signature("us-east-1", "monitoring"))
		res, err := http.DefaultClient.Do(r)
		m.must(err)
		defer res.Body.Close()
		data, err := io.ReadAll(res.Body)
		m.must(err)
		return string(data)
	}
	ask("PutMetricAlarm", `{"AlarmName":"of-one","Namespace":"AWS/Route53","MetricName":"HealthCheckStatus","Dimensions":[{"Name":"HealthCheckId","Value":"one"}],`+
		`"ComparisonOperator":"LessThanThreshold","Threshold":1,"EvaluationPeriods":1,"Period":60,"Statistic":"Minimum"}`)
	if told := ask("DescribeAlarmsForMetric", `{"Namespace":"AWS/Route53","MetricName":"HealthCheckStatus","Dimensions":[{"Name":"HealthCheckId","Value":"two"}]}`); !strings.Contains(told, "of-one") {
		return "it tells alarms of these dimensions alone: " + told
	}
	return ""
}

func learntSynchronization(m *motoItself) string {
	db := rds.NewFromConfig(m.config("us-east-1"))
	for _, id := range []string{"one", "two"} {
		_, err := db.CreateGlobalCluster(m.Context(), &rds.CreateGlobalClusterInput{GlobalClusterIdentifier: aws.String(id), Engine: aws.String("aurora-postgresql")})
		m.must(err)
	}
	_, err := db.CreateDBCluster(m.Context(), &rds.CreateDBClusterInput{
		DBClusterIdentifier: aws.String("first"), Engine: aws.String("aurora-postgresql"), GlobalClusterIdentifier: aws.String("one"),
		MasterUsername: aws.String("postgres"), MasterUserPassword: aws.String("database-secret"),
	})
	m.must(err)
	out, err := db.DescribeGlobalClusters(m.Context(), &rds.DescribeGlobalClustersInput{GlobalClusterIdentifier: aws.String("one")})
	m.must(err)
	for _, g := range out.GlobalClusters {
		for _, member := range g.GlobalClusterMembers {
			if member.SynchronizationStatus != "" {
				return "it tells how members follow"
			}
		}
	}
	if len(out.GlobalClusters) == 1 {
		return "it heeds which is asked for"
	}
	return ""
}

func learntDatastores(m *motoItself) string {
	if _, err := elasticache.NewFromConfig(m.config("us-west-2")).DescribeGlobalReplicationGroups(m.Context(), &elasticache.DescribeGlobalReplicationGroupsInput{}); err == nil {
		return "it has global datastores"
	}
	return ""
}

func learntNodeType(m *motoItself) string {
	out, err := elasticache.NewFromConfig(m.config("us-west-2")).CreateReplicationGroup(m.Context(), &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String("follower"), ReplicationGroupDescription: aws.String("sessions"), GlobalReplicationGroupId: aws.String("nowhere"),
	})
	if err != nil {
		return "it knows that there is no such datastore: " + err.Error()
	}
	_ = out
	return ""
}

func learntQuotas(m *motoItself) string {
	if _, err := servicequotas.NewFromConfig(m.config("us-west-2")).GetServiceQuota(m.Context(), &servicequotas.GetServiceQuotaInput{
		ServiceCode: aws.String("ec2"), QuotaCode: aws.String("L-1216C47A"),
	}); err == nil {
		return "it knows that of vCPU"
	}
	return ""
}

func learntDefaultQuotas(m *motoItself) string {
	if _, err := servicequotas.NewFromConfig(m.config("us-west-2")).GetAWSDefaultServiceQuota(m.Context(), &servicequotas.GetAWSDefaultServiceQuotaInput{
		ServiceCode: aws.String("vpc"), QuotaCode: aws.String("L-DF5E4CA3"),
	}); err == nil {
		return "it answers"
	}
	return ""
}

func learntOrigins(m *motoItself) string {
	config := distribution([]string{"us-east-1", "us-west-2"})
	config.DefaultCacheBehavior.TargetOriginId = aws.String("alb-us-east-1")
	_, err := cloudfront.NewFromConfig(m.config("us-east-1")).CreateDistribution(m.Context(), &cloudfront.CreateDistributionInput{DistributionConfig: config})
	m.must(err)
	out, err := cloudfront.NewFromConfig(m.config("us-east-1")).ListDistributions(m.Context(), &cloudfront.ListDistributionsInput{})
	m.must(err)
	for _, d := range out.DistributionList.Items {
		if d.Origins != nil && len(d.Origins.Items) > 0 {
			return "the list tells origins"
		}
	}
	return ""
}

func learntGroups(m *motoItself) string {
	config := distribution([]string{"us-east-1", "us-west-2"})
	if _, err := cloudfront.NewFromConfig(m.config("us-east-1")).CreateDistribution(m.Context(), &cloudfront.CreateDistributionInput{DistributionConfig: config}); err == nil {
		return "it takes a group for the default path"
	}
	return ""
}

func learntRedirects(m *motoItself) string {
	storage := func(region string) *s3.Client {
		return s3.NewFromConfig(m.config(region), func(o *s3.Options) { o.UsePathStyle = true })
	}
	_, err := storage("us-east-1").CreateBucket(m.Context(), &s3.CreateBucketInput{Bucket: aws.String("in-us-east-1")})
	m.must(err)
	if _, err := storage("us-west-2").HeadBucket(m.Context(), &s3.HeadBucketInput{Bucket: aws.String("in-us-east-1")}); err != nil {
		return "it refuses: " + err.Error()
	}
	return ""
}

// learntScope asks a service for a read that is signed for a Region where it is not.
func learntScope(service, path string) func(*motoItself) string {
	return func(m *motoItself) string {
		if code := m.signedFor("us-west-2", service, path); code != http.StatusOK {
			return fmt.Sprintf("it answers %d", code)
		}
		return ""
	}
}

func signature(region, service string) string {
	return fmt.Sprintf("AWS4-HMAC-SHA256 Credential=AKIDLABORATORY/20260101/%s/%s/aws4_request, SignedHeaders=host, Signature=0", region, service)
}

func (m *motoItself) signedFor(region, service, path string) int {
	m.Helper()
	path, form, isForm := strings.Cut(path, "?")
	method := http.MethodGet
	if isForm {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(m.Context(), method, m.url+path, strings.NewReader(form))
	m.must(err)
	r.Header.Set("Authorization", signature(region, service))
	if isForm {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := http.DefaultClient.Do(r)
	m.must(err)
	m.must(res.Body.Close())
	return res.StatusCode
}

// Whoever asks through us has what moto lacks: of what was asked for, in pages, and in the
// Regions where AWS has it.
func TestWhatIsOursIsAsAWSHasIt(t *testing.T) {
	s := moto(t)
	code := func(err error) string { return errorCode(err) }

	t.Run("global databases", func(t *testing.T) {
		db := rds.NewFromConfig(s.config("us-east-1"))
		for _, id := range []string{"one", "two", "three"} {
			if _, err := db.CreateGlobalCluster(t.Context(), &rds.CreateGlobalClusterInput{GlobalClusterIdentifier: aws.String(id), Engine: aws.String("aurora-postgresql")}); err != nil {
				t.Fatal(err)
			}
		}
		var names []string
		in := &rds.DescribeGlobalClustersInput{MaxRecords: aws.Int32(2)}
		for pages := 1; ; pages++ {
			out, err := db.DescribeGlobalClusters(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range out.GlobalClusters {
				names = append(names, aws.ToString(g.GlobalClusterIdentifier))
			}
			if in.Marker = out.Marker; in.Marker == nil {
				if pages != 2 || len(names) != 3 {
					t.Errorf("%v in %d pages", names, pages)
				}
				break
			}
		}
		out, err := db.DescribeGlobalClusters(t.Context(), &rds.DescribeGlobalClustersInput{GlobalClusterIdentifier: aws.String("two")})
		if err != nil || len(out.GlobalClusters) != 1 || aws.ToString(out.GlobalClusters[0].GlobalClusterIdentifier) != "two" {
			t.Errorf("%v, %+v", err, out)
		}
		if _, err := db.DescribeGlobalClusters(t.Context(), &rds.DescribeGlobalClustersInput{GlobalClusterIdentifier: aws.String("four")}); code(err) != "GlobalClusterNotFoundFault" {
			t.Errorf("%v", err)
		}
	})

	t.Run("global datastores", func(t *testing.T) {
		id := datastoreIn(t, s, "sessions")
		for region, there := range map[string]bool{"us-east-1": true, "us-west-2": true, "eu-west-1": false} {
			c := elasticache.NewFromConfig(s.config(region))
			out, err := c.DescribeGlobalReplicationGroups(t.Context(), &elasticache.DescribeGlobalReplicationGroupsInput{GlobalReplicationGroupId: aws.String(id), ShowMemberInfo: aws.Bool(true)})
			if !there {
				if code(err) != "GlobalReplicationGroupNotFoundFault" {
					t.Errorf("%s: %v", region, err)
				}
				if out, err := c.DescribeGlobalReplicationGroups(t.Context(), &elasticache.DescribeGlobalReplicationGroupsInput{}); err != nil || len(out.GlobalReplicationGroups) != 0 {
					t.Errorf("%s: %v, %+v", region, err, out)
				}
				continue
			}
			if err != nil || len(out.GlobalReplicationGroups) != 1 || len(out.GlobalReplicationGroups[0].Members) != 2 {
				t.Fatalf("%s: %v, %+v", region, err, out)
			}
			if out, err = c.DescribeGlobalReplicationGroups(t.Context(), &elasticache.DescribeGlobalReplicationGroupsInput{}); err != nil || len(out.GlobalReplicationGroups[0].Members) != 0 {
				t.Errorf("members were not asked for: %v, %+v", err, out)
			}
		}
		for region, of := range map[string]string{"us-east-1": "sessions-us-east-1", "us-west-2": "sessions-us-west-2"} {
			out, err := elasticache.NewFromConfig(s.config(region)).DescribeReplicationGroups(t.Context(), &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: aws.String(of)})
			if err != nil || aws.ToString(out.ReplicationGroups[0].CacheNodeType) != "cache.r6g.large" {
				t.Errorf("%v, %+v", err, out)
			}
		}
		if _, err := elasticache.NewFromConfig(s.config("us-west-2")).CreateReplicationGroup(t.Context(), &elasticache.CreateReplicationGroupInput{
			ReplicationGroupId: aws.String("stray"), ReplicationGroupDescription: aws.String("x"), GlobalReplicationGroupId: aws.String("ldgnf-nowhere"),
		}); code(err) != "GlobalReplicationGroupNotFoundFault" {
			t.Errorf("%v", err)
		}
	})

	t.Run("alarms and metrics", func(t *testing.T) {
		c := cloudwatch.NewFromConfig(s.config("us-east-1"))
		of := func(check string) []cwtypes.Dimension {
			return []cwtypes.Dimension{{Name: aws.String("HealthCheckId"), Value: aws.String(check)}}
		}
		if _, err := c.PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{
			AlarmName: aws.String("of-one"), Namespace: aws.String("AWS/Route53"), MetricName: aws.String("HealthCheckStatus"), Dimensions: of("one"),
			Statistic: cwtypes.StatisticMinimum, Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1), ComparisonOperator: cwtypes.ComparisonOperatorLessThanThreshold,
		}); err != nil {
			t.Fatal(err)
		}
		for check, want := range map[string]int{"one": 1, "two": 0} {
			out, err := c.DescribeAlarmsForMetric(t.Context(), &cloudwatch.DescribeAlarmsForMetricInput{Namespace: aws.String("AWS/Route53"), MetricName: aws.String("HealthCheckStatus"), Dimensions: of(check)})
			if err != nil || len(out.MetricAlarms) != want || want == 1 && (aws.ToFloat64(out.MetricAlarms[0].Threshold) != 1 || out.MetricAlarms[0].StateUpdatedTimestamp.IsZero()) {
				t.Errorf("%s: %v, %+v", check, err, out)
			}
		}
		at := time.Now().Add(-time.Minute).Truncate(time.Second)
		if _, err := c.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("AWS/RDS"), MetricData: []cwtypes.MetricDatum{
			{MetricName: aws.String("AuroraGlobalDBRPOLag"), Value: aws.Float64(340.5), Timestamp: aws.Time(at), Dimensions: of("one")},
		}}); err != nil {
			t.Fatal(err)
		}
		two := []cwtypes.Dimension{{Name: aws.String("Type"), Value: aws.String("Resource")}, {Name: aws.String("Class"), Value: aws.String("Standard")}}
		if _, err := c.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("AWS/Usage"), MetricData: []cwtypes.MetricDatum{
			{MetricName: aws.String("ResourceCount"), Value: aws.Float64(96), Timestamp: aws.Time(at), Dimensions: two},
		}}); err != nil {
			t.Fatal(err)
		}
		two = []cwtypes.Dimension{two[1], two[0]}
		metric := &cwtypes.Metric{Namespace: aws.String("AWS/RDS"), MetricName: aws.String("AuroraGlobalDBRPOLag"), Dimensions: of("one")}
		out, err := c.GetMetricData(t.Context(), &cloudwatch.GetMetricDataInput{StartTime: aws.Time(at.Add(-time.Minute)), EndTime: aws.Time(at.Add(time.Minute)), MetricDataQueries: []cwtypes.MetricDataQuery{
			{Id: aws.String("m"), MetricStat: &cwtypes.MetricStat{Metric: metric, Stat: aws.String("Maximum"), Period: aws.Int32(60)}},
			{Id: aws.String("n"), MetricStat: &cwtypes.MetricStat{Metric: &cwtypes.Metric{Namespace: aws.String("AWS/Usage"), MetricName: aws.String("ResourceCount"), Dimensions: two}, Stat: aws.String("Maximum"), Period: aws.Int32(60)}},
		}})
		if err != nil || len(out.MetricDataResults) != 2 || !slices.Equal(out.MetricDataResults[1].Values, []float64{96}) || !slices.Equal(out.MetricDataResults[0].Values, []float64{340.5}) || !out.MetricDataResults[0].Timestamps[0].Equal(at) {
			t.Errorf("%v, %+v", err, out)
		}
		other, err := cloudwatch.NewFromConfig(s.config("us-west-2")).ListMetrics(t.Context(), &cloudwatch.ListMetricsInput{Namespace: aws.String("AWS/RDS")})
		if err != nil || len(other.Metrics) != 0 {
			t.Errorf("another Region has it: %v, %+v", err, other)
		}
	})

	t.Run("quotas", func(t *testing.T) {
		s.raise("us-west-2", "ec2", "L-1216C47A", 512)
		get := func(region, service, code string) (*sqtypes.ServiceQuota, error) {
			out, err := servicequotas.NewFromConfig(s.config(region)).GetServiceQuota(t.Context(), &servicequotas.GetServiceQuotaInput{ServiceCode: aws.String(service), QuotaCode: aws.String(code)})
			if err != nil {
				return nil, err
			}
			return out.Quota, nil
		}
		if q, err := get("us-west-2", "ec2", "L-1216C47A"); err != nil || aws.ToFloat64(q.Value) != 512 || aws.ToString(q.QuotaCode) != "L-1216C47A" {
			t.Errorf("%v, %+v", err, q)
		}
		if _, err := get("us-east-1", "ec2", "L-1216C47A"); code(err) != "NoSuchResourceException" {
			t.Errorf("it was raised in another Region: %v", err)
		}
		if q, err := get("us-west-2", "vpc", "L-DF5E4CA3"); err != nil || aws.ToFloat64(q.Value) != 5000 {
			t.Errorf("moto's own: %v, %+v", err, q)
		}
		d, err := servicequotas.NewFromConfig(s.config("us-east-1")).GetAWSDefaultServiceQuota(t.Context(), &servicequotas.GetAWSDefaultServiceQuotaInput{ServiceCode: aws.String("ec2"), QuotaCode: aws.String("L-1216C47A")})
		if err != nil || aws.ToFloat64(d.Quota.Value) != 5 {
			t.Errorf("%v, %+v", err, d)
		}
	})

	t.Run("distributions", func(t *testing.T) {
		want := map[string]bool{}
		for range 3 {
			want[distribute(t.Context(), t, s.config("us-east-1"), []string{"us-east-1", "us-west-2"})] = true
		}
		all := maps.Clone(want)
		c := cloudfront.NewFromConfig(s.config("us-east-1"))
		in := &cloudfront.ListDistributionsInput{MaxItems: aws.Int32(2)}
		for pages := 1; ; pages++ {
			out, err := c.ListDistributions(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range out.DistributionList.Items {
				delete(want, aws.ToString(d.Id))
				if len(d.Origins.Items) != 2 || aws.ToString(d.Origins.Items[1].DomainName) != "us-west-2.api.ecommerce.com" || len(d.OriginGroups.Items) != 1 {
					t.Errorf("%+v", d)
				}
			}
			if in.Marker = out.DistributionList.NextMarker; in.Marker == nil {
				if pages != 2 || len(want) != 0 {
					t.Errorf("%d pages, without %v", pages, want)
				}
				break
			}
		}
		for id := range all {
			out, err := c.GetDistribution(t.Context(), &cloudfront.GetDistributionInput{Id: aws.String(id)})
			if err != nil || aws.ToString(out.Distribution.DistributionConfig.DefaultCacheBehavior.TargetOriginId) != "both" {
				t.Errorf("%v, %+v", err, out)
			}
		}
		if _, err := cloudfront.NewFromConfig(s.config("us-west-2")).ListDistributions(t.Context(), &cloudfront.ListDistributionsInput{}); code(err) != "SignatureDoesNotMatch" {
			t.Errorf("signed for another Region: %v", err)
		}
	})

	t.Run("buckets", func(t *testing.T) {
		storage := func(region string) *s3.Client {
			return s3.NewFromConfig(s.config(region), func(o *s3.Options) { o.UsePathStyle = true })
		}
		if _, err := storage("us-east-1").CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("in-us-east-1")}); err != nil {
			t.Fatal(err)
		}
		if _, err := storage("us-east-1").GetBucketVersioning(t.Context(), &s3.GetBucketVersioningInput{Bucket: aws.String("in-us-east-1")}); err != nil {
			t.Error(err)
		}
		if _, err := storage("us-west-2").GetBucketVersioning(t.Context(), &s3.GetBucketVersioningInput{Bucket: aws.String("in-us-east-1")}); code(err) != "PermanentRedirect" {
			t.Errorf("%v", err)
		}
	})
}
