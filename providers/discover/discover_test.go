package discover

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/failoverbot/failoverbot/providers/kubeapi"
	"github.com/failoverbot/failoverbot/providers/sim"
)

const (
	east = "us-east-1"
	west = "us-west-2"
)

// stage is a pretend platform, and how its answers are edited on their way to the SDK's
// caller.
type stage struct {
	*sim.World
	clock *sim.Clock
	// edits change the typed answers of operations, by their names.
	edits map[string]func(region string, in, out any)
}

func newStage(t *testing.T) *stage { return stageOf(t, "") }

// stageOf is one whose users are moved by a strategy of its own.
func stageOf(t *testing.T, strategy string) *stage {
	t.Helper()
	scn := &sim.Scenario{Name: "test", Mode: "planned", Target: west, Start: sim.Start{Strategy: strategy}}
	clock := sim.NewClock(scn.StartTime(), sim.Max)
	t.Cleanup(clock.Close)
	w, err := sim.New(scn, clock, sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	done := clock.Busy()
	t.Cleanup(func() {
		done()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return &stage{World: w, clock: clock, edits: map[string]func(region string, in, out any){}}
}

// change changes the world.
func (s *stage) change(t *testing.T, f func(s *sim.State)) {
	t.Helper()
	if err := s.Do(f); err != nil {
		t.Fatal(err)
	}
}

// config is the world's, with the edits around it.
func (s *stage) config(region string) aws.Config {
	c := s.AWS(region)
	c.APIOptions = append(slices.Clone(c.APIOptions), func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("Edited", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, md, err := next.HandleInitialize(ctx, in)
			if edit := s.edits[awsmiddleware.GetOperationName(ctx)]; err == nil && edit != nil {
				edit(region, in.Parameters, out.Result)
			}
			return out, md, err
		}), middleware.Before)
	})
	return c
}

func (s *stage) options() Options {
	return Options{
		Regions: []string{east, west}, AWS: s.config, Clock: s.clock,
		Connect: func(region string, _ Cluster) (kubeapi.Client, error) { return s.Kube(region), nil },
	}
}

// look finds what the world has.
func (s *stage) look(t *testing.T, o Options) *Found {
	t.Helper()
	f, err := Look(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// setting is the one at a path; nil where the line is not there.
func (f *Found) setting(path string) *Setting {
	i := slices.IndexFunc(f.Settings, func(s Setting) bool { return s.Path == path })
	if i < 0 {
		return nil
	}
	return &f.Settings[i]
}

// Records that hang on routing controls look like a failover pair, and are moved by those.
func TestRoutingControlsAreFoundByWhatRecordsHangOn(t *testing.T) {
	s := stageOf(t, "routing-control")
	f := s.look(t, s.options())
	var own struct {
		Regions map[string]struct {
			RoutingControl string `json:"routing_control"`
		}
	}
	if err := json.Unmarshal(s.Topology().Parts["arc"], &own); err != nil || len(own.Regions) != 2 {
		t.Fatalf("%+v %v", own, err)
	}
	is := map[string]string{"platform.dns.strategy": "routing-control"}
	for name, r := range own.Regions {
		is["platform.arc.regions."+name+".routing_control"] = r.RoutingControl
	}
	for path, want := range is {
		if got := f.setting(path); got == nil || got.Ask != "" || got.Value != want || got.Why == "" {
			t.Errorf("%s is %+v, want %q", path, got, want)
		}
	}
	if got := f.setting("platform.arc.cluster_endpoints"); got == nil || !strings.Contains(got.Ask, "aws route53-recovery-control-config list-clusters --region us-west-2") {
		t.Errorf("the endpoints of the cluster: %+v", got)
	}
	for _, s := range f.Settings {
		if strings.HasSuffix(s.Path, "_check") {
			t.Errorf("%s is %+v", s.Path, s)
		}
	}
	for path, edit := range map[string]func(h *r53types.HealthCheckConfig){
		"platform.arc.regions.us-east-1.routing_control": func(h *r53types.HealthCheckConfig) { h.RoutingControlArn = nil },
		"platform.arc.regions.us-west-2.routing_control": func(h *r53types.HealthCheckConfig) {
			if aws.ToString(h.RoutingControlArn) == own.Regions[west].RoutingControl {
				h.Type = r53types.HealthCheckTypeHttps
			}
		},
	} {
		s.edits["GetHealthCheck"] = func(_ string, _, out any) { edit(out.(*route53.GetHealthCheckOutput).HealthCheck.HealthCheckConfig) }
		if got := s.look(t, s.options()).setting(path); got == nil || got.Value != nil || !strings.Contains(got.Ask, "the ARN of the routing control that lets users into us-") {
			t.Errorf("%s is %+v", path, got)
		}
	}
	s = newStage(t)
	for _, one := range s.look(t, s.options()).Settings {
		if strings.HasPrefix(one.Path, "platform.arc") && !one.Left {
			t.Errorf("without: %+v", one)
		}
	}
}

// What is found of the pretend platform is what its own settings say.
func TestWhatIsFoundIsThePlatformAsItsSettingsHaveIt(t *testing.T) {
	s := newStage(t)
	f := s.look(t, s.options())
	top := s.Topology()
	is := map[string]string{"platform.home": top.Home, "platform.record": top.Record}
	for name, r := range top.Regions {
		is["platform.regions."+name+".endpoint"] = strings.Replace(r.Endpoint, "http:", "https:", 1) // its load balancers listen for both
	}
	for key, part := range top.Parts {
		var v map[string]any
		if err := json.Unmarshal(part, &v); err != nil {
			t.Fatal(err)
		}
		flat(is, "platform."+key, v)
	}
	is["platform.probe.public"] = "https://api.ecommerce.com"
	for path := range is { // what differs by its nature, or nobody can find out
		for _, other := range []string{"platform.iam.", "platform.istio.", "platform.jaeger.", "platform.s3.probe_key", "platform.cloudwatch.", "platform.drs.", "platform.people.", "platform.prometheus.region_label", "platform.grafana.region_label", "platform.xray.", "platform.dns.nameservers", "platform.dns.resolvers", "platform.velero.max_age_minutes", "platform.probe.region_header", "platform.probe.order", "platform.probe.last_orders", "platform.probe.lost_orders", "platform.probe.database_page", "platform.probe.in_flight", "platform.probe.schema", "platform.kube.differing_keys"} {
			if strings.HasPrefix(path, other) || strings.HasSuffix(path, ".reach") || strings.HasSuffix(path, ".datasource") || strings.HasSuffix(path, ".query") ||
				strings.HasPrefix(path, "platform.prometheus.") && strings.HasSuffix(path, ".url") { // by way of the API server it is reached without

				delete(is, path)
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(is)) {
		got := f.setting(path)
		if got == nil || got.Ask != "" || got.shown() != is[path] {
			t.Errorf("%s is %+v, want %q", path, got, is[path])
		}
	}
	if len(is) < 35 || len(f.Unread) > 0 {
		t.Errorf("%d settings were compared, and these not read: %v", len(is), f.Unread)
	}
	var services []string
	for _, i := range f.setting("platform.services").Value.([]Item) {
		services = append(services, fmt.Sprint(i.Keys[0].Value, " ", i.Keys[1].Value, " ", i.Keys[2].Name, " ", i.Keys[2].Value, " ", i.Note))
	}
	if got := strings.Join(services, "; "); got != "notification-service 3 standby 1 autoscaler 3 to 6; order-service 6 standby 2 autoscaler 6 to 12; payment-service 4 standby 2 autoscaler 4 to 8; product-service 4 standby 2 autoscaler 4 to 8; user-service 6 standby 2 autoscaler 6 to 12" {
		t.Errorf("the services are %s", got)
	}
	if s := f.setting("platform.iam"); s == nil || !s.Left {
		t.Errorf("pod identities: %+v", s)
	}
	for _, i := range s.Calls() {
		if i.Mutating {
			t.Errorf("%s changes something", i.Operation)
		}
	}
}

func flat(into map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, one := range v {
			flat(into, path+"."+key, one)
		}
	case []any:
		var words []string
		for _, one := range v {
			words = append(words, fmt.Sprint(one))
		}
		into[path] = strings.Join(words, ", ")
	default:
		into[path] = fmt.Sprint(v)
	}
}

// edit is a change of the typed answers of an operation.
func edit[In, Out any](f func(region string, in In, out Out)) func(region string, in, out any) {
	return func(region string, in, out any) { f(region, in.(In), out.(Out)) }
}

// inBoth is a change of both Regions.
func inBoth(f func(r *sim.Region)) func(s *sim.State) {
	return func(s *sim.State) {
		for _, r := range s.Regions {
			f(r)
		}
	}
}

// moved puts the Deployments of a Region into another namespace.
func moved(r *sim.Region, namespace string) {
	for _, d := range r.Deployments {
		d.Namespace = namespace
	}
}

// trial is one setting, and how the world is changed so that there is none of what it
// names, or two.
type trial struct {
	path string
	// right that it needs, and the call that is refused without it.
	right, system, operation string
	// none and two change the world or an answer; says is what is then said.
	none, two         func(*testing.T, *stage)
	saysNone, saysTwo string
}

func answers(operation string, f func(region string, in, out any)) func(*testing.T, *stage) {
	return func(_ *testing.T, s *stage) { s.edits[operation] = f }
}

func changes(f func(s *sim.State)) func(*testing.T, *stage) {
	return func(t *testing.T, s *stage) { s.change(t, f) }
}

// topicsOf changes which topics there are, by ARN.
func topicsOf(f func(region string, all []string) []string) func(*testing.T, *stage) {
	return answers("ListTopics", edit(func(region string, _ *sns.ListTopicsInput, out *sns.ListTopicsOutput) {
		var all []string
		for _, t := range out.Topics {
			all = append(all, *t.TopicArn)
		}
		out.Topics = nil
		for _, topic := range f(region, all) {
			out.Topics = append(out.Topics, snstypes.Topic{TopicArn: aws.String(topic)})
		}
	}))
}

func topicIn(region, name string) string { return "arn:aws:sns:" + region + ":111122223333:" + name }

// trials are those of all settings that are found out; those that follow from another one
// have no trial of their own, but are open with it.
var trials = []trial{
	{
		path: "platform.aurora.global_cluster", right: "rds:DescribeGlobalClusters", system: "aws.rds", operation: "DescribeGlobalClusters",
		none: answers("DescribeGlobalClusters", edit(func(_ string, _ *rds.DescribeGlobalClustersInput, out *rds.DescribeGlobalClustersOutput) {
			out.GlobalClusters[0].GlobalClusterMembers = out.GlobalClusters[0].GlobalClusterMembers[:1]
		})), saysNone: "none of 1 global cluster has members in both Regions",
		two: answers("DescribeGlobalClusters", edit(func(_ string, _ *rds.DescribeGlobalClustersInput, out *rds.DescribeGlobalClustersOutput) {
			other := out.GlobalClusters[0]
			other.GlobalClusterIdentifier = aws.String("orders-global")
			out.GlobalClusters = append(out.GlobalClusters, other)
		})), saysTwo: "ecommerce-global or orders-global",
	},
	{
		path: "platform.cache.global_group", right: "elasticache:DescribeGlobalReplicationGroups", system: "aws.elasticache", operation: "DescribeGlobalReplicationGroups",
		none: answers("DescribeGlobalReplicationGroups", edit(func(_ string, _ *elasticache.DescribeGlobalReplicationGroupsInput, out *elasticache.DescribeGlobalReplicationGroupsOutput) {
			out.GlobalReplicationGroups = nil
		})), saysNone: "none of 0 global datastores has members in both Regions",
		two: answers("DescribeGlobalReplicationGroups", edit(func(_ string, _ *elasticache.DescribeGlobalReplicationGroupsInput, out *elasticache.DescribeGlobalReplicationGroupsOutput) {
			other := out.GlobalReplicationGroups[0]
			other.GlobalReplicationGroupId = aws.String("ldgnf-carts")
			out.GlobalReplicationGroups = append(out.GlobalReplicationGroups, other)
		})), saysTwo: "ldgnf-ecommerce or ldgnf-carts",
	},
	{
		path: "platform.dns.regions.us-east-1.health_check", right: "route53:GetHealthCheck", system: "aws.route53", operation: "GetHealthCheck",
		none: changes(func(s *sim.State) { s.DNS.Checks[check].Type = "HTTP" }), saysNone: "which is of type HTTP",
	},
	{
		path: "platform.dns.regions.us-east-1.endpoint_check", right: "route53:GetHealthCheck", system: "aws.route53", operation: "GetHealthCheck",
		none: changes(func(s *sim.State) { s.DNS.Checks[check].Children = s.DNS.Checks[check].Children[1:] }), saysNone: "has no child that is not inverted",
		two: changes(func(s *sim.State) {
			s.DNS.Checks["another"] = &sim.HealthCheck{ID: "another", Type: "TCP", Host: "us-east-1.api.ecommerce.com"}
			s.DNS.Checks[check].Children = append(s.DNS.Checks[check].Children, "another")
		}), saysTwo: "0c0ffee0-0000-4000-8000-000000000002 or another",
	},
	{
		path: "platform.dns.regions.us-east-1.takeover_check", right: "route53:GetHealthCheck", system: "aws.route53", operation: "GetHealthCheck",
		none: changes(func(s *sim.State) { s.DNS.Checks[check].Children = s.DNS.Checks[check].Children[:1] }), saysNone: "has no child that is inverted",
		two: changes(func(s *sim.State) {
			s.DNS.Checks["another"] = &sim.HealthCheck{ID: "another", Type: "HTTP", Inverted: true}
			s.DNS.Checks[check].Children = append(s.DNS.Checks[check].Children, "another")
		}), saysTwo: "0c0ffee0-0000-4000-8000-000000000003 or another",
	},
	{
		path: "platform.dns.regions",
		none: changes(func(s *sim.State) { s.DNS.Records[1].HealthCheckId = nil }), saysNone: "the PRIMARY record hangs on no health check",
	},
	{
		path: "platform.dns.nameservers", right: "route53:GetHostedZone", system: "aws.route53", operation: "GetHostedZone",
		none: answers("GetHostedZone", edit(func(_ string, _ *route53.GetHostedZoneInput, out *route53.GetHostedZoneOutput) {
			out.DelegationSet = nil
		})), saysNone: "the zone tells none",
	},
	{
		path: "platform.elb.regions.us-west-2.load_balancer_arn", right: "elasticloadbalancing:DescribeLoadBalancers", system: "aws.elasticloadbalancing", operation: "DescribeLoadBalancers",
		none: answers("DescribeLoadBalancers", edit(func(_ string, _ *elb.DescribeLoadBalancersInput, out *elb.DescribeLoadBalancersOutput) {
			out.LoadBalancers = nil
		})), saysNone: "which is none of 0 load balancers there",
	},
	{
		path: "platform.regions.us-west-2.endpoint", right: "elasticloadbalancing:DescribeListeners", system: "aws.elasticloadbalancing", operation: "DescribeListeners",
		none: changes(func(s *sim.State) { s.DNS.Records = s.DNS.Records[:3] }), saysNone: "no other name of the zone leads to ecommerce-alb-us-west-2",
		two: changes(func(s *sim.State) {
			other := s.DNS.Records[4]
			other.Name = aws.String("oregon.ecommerce.com.")
			s.DNS.Records = append(s.DNS.Records, other)
		}), saysTwo: "that of oregon.ecommerce.com or us-west-2.api.ecommerce.com",
	},
	{
		path: "platform.home",
		none: changes(func(s *sim.State) {
			s.DNS.Records[1].AliasTarget.DNSName = aws.String("d111111abcdef8.cloudfront.net.")
		}), saysNone: "no failover record of api.ecommerce.com leads to a load balancer of these Regions",
	},
	{
		path: "platform.probe.public", right: "elasticloadbalancing:DescribeListeners", system: "aws.elasticloadbalancing", operation: "DescribeListeners",
		none: changes(func(s *sim.State) { s.Regions[east].Listeners = nil }), saysNone: "its load balancer listens for neither",
	},
	{
		path: "platform.services", right: "list deployments.apps", system: "kubernetes", operation: "list deployments",
		none: changes(func(s *sim.State) { moved(s.Regions[west], "elsewhere") }), saysNone: "their namespace is open",
	},
	{
		path: "platform.kube.regions.us-east-1.namespace", right: "list deployments.apps", system: "kubernetes", operation: "list deployments",
		none: changes(func(s *sim.State) { moved(s.Regions[west], "elsewhere") }), saysNone: "no namespace but those of add-ons has the same Deployments",
		two: changes(inBoth(func(r *sim.Region) { r.Deployments["user-service"].Namespace = "users-prod" })), saysTwo: "ecommerce-prod or users-prod",
	},
	{
		path: "platform.kube.cron_jobs", right: "list cronjobs.batch", system: "kubernetes", operation: "list cronjobs",
	},
	{
		path: "platform.kube.regions.us-west-2.min_zones", right: "list nodes", system: "kubernetes", operation: "list nodes",
		none: changes(inBoth(func(r *sim.Region) { r.Nodes = nil })), saysNone: "no node of us-west-2 is in a zone",
	},
	{
		path: "platform.prometheus", right: "list statefulsets.apps", system: "kubernetes", operation: "list statefulsets",
		none: changes(inBoth(func(r *sim.Region) { r.Monitoring.Outside = true })), saysNone: "No Deployment and no StatefulSet of either cluster runs Prometheus by its image; 10 looked at.",
	},
	{
		path: "platform.prometheus.regions.us-west-2.service", right: "list services", system: "kubernetes", operation: "list services",
		none: changes(func(s *sim.State) { s.Regions[west].Monitoring.Outside = true }), saysNone: "(none of 5 workloads in the cluster of us-west-2 runs its image)",
	},
	{
		path: "platform.grafana", right: "list deployments.apps", system: "kubernetes", operation: "list deployments",
		none: changes(inBoth(func(r *sim.Region) { r.Monitoring.Outside = true })), saysNone: "No Deployment and no StatefulSet of either cluster runs Grafana by its image; 10 looked at.",
	},
	{
		path: "platform.grafana.regions.us-east-1.url", right: "list ingresses.networking.k8s.io", system: "kubernetes", operation: "list ingresses",
		none: changes(func(s *sim.State) { s.Regions[east].Monitoring.Outside = true }), saysNone: "the address of the Grafana that shows us-east-1 (none of 5 workloads in the cluster of us-east-1 runs its image)",
	},
	{
		path: "platform.velero", right: "list schedules.velero.io", system: "kubernetes", operation: "list schedules",
		none: changes(inBoth(func(r *sim.Region) { moved(r, "shop") })), saysNone: "No schedule of Velero's backs shop up; 2 schedules looked at.",
	},
	{
		path: "platform.iam", right: "eks:ListPodIdentityAssociations", system: "aws.eks", operation: "ListPodIdentityAssociations",
		none: changes(func(*sim.State) {}), saysNone: "No service account of ecommerce-prod has its role by EKS Pod Identity.",
	},
	{
		path: "platform.network", right: "ec2:DescribeVpcPeeringConnections", system: "aws.ec2", operation: "DescribeVpcPeeringConnections",
		none: changes(func(s *sim.State) { s.Network.Peering = "" }), saysNone: "No active peering connection and no available attachment",
		two: answers("DescribeVpcPeeringConnections", edit(func(_ string, _ *ec2.DescribeVpcPeeringConnectionsInput, out *ec2.DescribeVpcPeeringConnectionsOutput) {
			other := out.VpcPeeringConnections[0]
			other.VpcPeeringConnectionId = aws.String("pcx-0other")
			out.VpcPeeringConnections = append(out.VpcPeeringConnections, other)
		})), saysTwo: "pcx-0pretend or pcx-0other",
	},
	{
		path: "platform.cloudfront", right: "cloudfront:ListDistributions", system: "aws.cloudfront", operation: "ListDistributions",
		none: changes(func(s *sim.State) { s.Distribution.Origins = map[string]string{"elsewhere": "example.com"} }), saysNone: "None of 1 distribution has an origin in both Regions.",
		two: answers("ListDistributions", edit(func(_ string, _ *cloudfront.ListDistributionsInput, out *cloudfront.ListDistributionsOutput) {
			other := out.DistributionList.Items[0]
			other.Id = aws.String("E0OTHER")
			out.DistributionList.Items = append(out.DistributionList.Items, other)
		})), saysTwo: "E2PRETEND0WORLD or E0OTHER",
	},
	{
		path: "platform.s3", right: "s3:GetReplicationConfiguration", system: "aws.s3", operation: "GetBucketReplication",
		none: changes(func(s *sim.State) { s.Replication = nil }), saysNone: "No rule in force replicates a bucket from one Region to the other; 4 buckets looked at.",
	},
	{
		path: "platform.sqs", right: "sqs:ListQueues", system: "aws.sqs", operation: "ListQueues",
		none: changes(func(s *sim.State) { s.Regions[west].Queues = nil }), saysNone: "No queue is in both Regions; 2 queues looked at. In one Region alone: order-events.",
	},
	{
		path: "platform.sqs", right: "sqs:GetQueueAttributes", system: "aws.sqs", operation: "GetQueueAttributes",
		none: changes(inBoth(func(r *sim.Region) { r.Queues = nil })), saysNone: "No queue is in both Regions; 0 queues looked at.",
	},
	{
		path: "platform.sqs.regions.us-west-2.queues",
		two:  changes(inBoth(func(r *sim.Region) { r.Queues["invoices"] = &sim.Queue{} })), saysTwo: "a list of the queues that the services work off, of invoices and order-events",
	},
	{
		path: "platform.sns", right: "sns:ListTopics", system: "aws.sns", operation: "ListTopics",
		none: topicsOf(func(region string, all []string) []string {
			if region == east {
				return append(all, topicIn(region, "invoices"))
			}
			return nil
		}), saysNone: "No topic is in both Regions; ",
	},
	{
		path: "platform.sns.regions.us-east-1.topics",
		two:  topicsOf(func(region string, all []string) []string { return append(all, topicIn(region, "invoices-"+region)) }), saysTwo: "a list of the topics that the services publish to, of arn:aws:sns:us-east-1:111122223333:invoices-us-east-1 and arn:aws:sns:us-east-1:111122223333:order-placed",
	},
	{
		path: "platform.logs", right: "logs:DescribeLogGroups", system: "aws.logs", operation: "DescribeLogGroups",
		none: changes(inBoth(func(r *sim.Region) {
			r.LogGroups = map[string]*sim.LogGroup{"/aws/eks/ecommerce-prod/cluster": {}, "/aws/lambda/order-service": {}, "/shop/ecommerce-prod-staging": {}}
		})), saysNone: "No log group named after a service, its namespace, or as Container Insights names that of a cluster is in both Regions; 6 log groups looked at.",
	},
	{
		path: "platform.secrets", right: "secretsmanager:ListSecrets", system: "aws.secretsmanager", operation: "ListSecrets",
		none: changes(inBoth(func(r *sim.Region) {
			for _, s := range r.Secrets {
				s.Primary = ""
			}
		})), saysNone: "No secret of one Region is a replica of the other's; 5 secrets looked at.",
	},
	{
		path: "platform.takeover.regions.us-east-1.takeover_bucket", right: "s3:ListAllMyBuckets", system: "aws.s3", operation: "ListBuckets",
		none: changes(func(s *sim.State) { delete(s.Regions[east].Buckets, "ecommerce-takeover-us-east-1") }), saysNone: "no bucket there is named as ecommerce-takeover-us-west-2 is",
	},
	{
		path: "platform.takeover.takeover_key",
		none: changes(func(s *sim.State) { s.DNS.Checks[check].Children = s.DNS.Checks[check].Children[:1] }), saysNone: "no takeover check tells it",
	},
	{
		path: "kubernetes.us-west-2", right: "eks:ListClusters", system: "aws.eks", operation: "ListClusters",
		none: answers("ListClusters", edit(func(_ string, _ *eks.ListClustersInput, out *eks.ListClustersOutput) { out.Clusters = nil })), saysNone: "no EKS cluster is in us-west-2",
		two: changes(func(s *sim.State) { s.Regions[west].OtherClusters = []string{"ecommerce-staging"} }), saysTwo: "ecommerce-prod or ecommerce-staging",
	},
	{
		path: "platform.dns.zone", right: "route53:ListHostedZones", system: "aws.route53", operation: "ListHostedZones",
	},
}

// check is the one that the PRIMARY record hangs on.
const check = "0c0ffee0-0000-4000-8000-000000000001"

// Of none, of two, and of what may not be read nothing is chosen: it is said what was looked
// at, which there are, or which right is missing; the rest is found all the same.
func TestNothingIsGuessed(t *testing.T) {
	whole := 0
	{
		s := newStage(t)
		f := s.look(t, s.options())
		whole = len(f.Settings)
	}
	o := func(s *stage) Options {
		o := s.options()
		o.Record = "api.ecommerce.com"
		return o
	}
	for _, c := range trials {
		said := func(t *testing.T, f *Found, want string) {
			t.Helper()
			got := f.setting(c.path)
			if got == nil || got.Value != nil || got.Ask == "" && !got.Left || !strings.Contains(got.Ask+got.Why, want) {
				t.Errorf("%s is %+v, want %q", c.path, got, want)
			}
			if len(f.Settings) < whole/2 {
				t.Errorf("only %d settings of %d are left", len(f.Settings), whole)
			}
		}
		for name, try := range map[string]struct {
			change func(*testing.T, *stage)
			says   string
		}{"none": {c.none, c.saysNone}, "two": {c.two, c.saysTwo}} {
			if try.change == nil {
				continue
			}
			t.Run(c.path+"/"+name, func(t *testing.T) {
				s := newStage(t)
				try.change(t, s)
				f := s.look(t, o(s))
				said(t, f, try.says)
				if len(f.Unread) > 0 {
					t.Errorf("not read: %v", f.Unread)
				}
			})
		}
		if c.right == "" {
			continue
		}
		t.Run(c.path+"/refused", func(t *testing.T) {
			s := newStage(t)
			if err := s.Fault(sim.Fault{System: c.system, Operation: c.operation, Kind: sim.Deny}); err != nil {
				t.Fatal(err)
			}
			f := s.look(t, o(s))
			if c.path != "platform.dns.regions.us-east-1.health_check" { // it is told by the record
				said(t, f, c.right+" was refused in us-")
			}
			if !slices.ContainsFunc(f.Unread, func(u *Unread) bool { return u.Right == c.right && u.Refused }) {
				t.Errorf("that %s is missing is not said: %v", c.right, f.Unread)
			}
			for _, u := range f.Unread {
				if u.Right != c.right {
					t.Errorf("%s was not refused, but: %v", u.Right, u)
				}
			}
		})
		t.Run(c.path+"/no answer", func(t *testing.T) {
			s := newStage(t)
			if err := s.Fault(sim.Fault{System: c.system, Operation: c.operation, Region: "", Kind: sim.Hang}); err != nil {
				t.Fatal(err)
			}
			f := s.look(t, o(s))
			if !slices.ContainsFunc(f.Unread, func(u *Unread) bool {
				return u.Right == c.right && !u.Refused && strings.Contains(u.String(), "not answered within 20s")
			}) {
				t.Errorf("that %s was not answered is not said: %v", c.right, f.Unread)
			}
		})
	}
}
