package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/failoverbot/failoverbot/providers/kubeapi"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// What cannot be done as it was asked for is refused with what would work.
func TestWhatIsAskedForWrongly(t *testing.T) {
	second := func(s *sim.State) { // another name with failover records
		for _, r := range s.DNS.Records[1:3] {
			r.Name = aws.String("shop.ecommerce.com.")
			s.DNS.Records = append(s.DNS.Records, r)
		}
	}
	for name, c := range map[string]struct {
		regions []string
		record  string
		change  func(s *sim.State)
		want    string
	}{
		"one Region":         {[]string{east}, "", nil, "--regions names the two Regions of the platform, such as us-east-1,us-west-2, not 1"},
		"three Regions":      {[]string{east, west, "eu-west-1"}, "", nil, "not 3"},
		"the same twice":     {[]string{east, east}, "", nil, "--regions names us-east-1 twice: a platform has two Regions"},
		"two partitions":     {[]string{east, "us-gov-west-1"}, "", nil, "two partitions of AWS, us-east-1 in aws and us-gov-west-1 in aws-us-gov"},
		"no such Region":     {[]string{east, "us-west-9"}, "", nil, `AWS knows no Region "us-west-9"; did you mean "us-west-2"?`},
		"not enabled":        {[]string{east, "af-south-1"}, "", nil, "af-south-1 is not enabled for this account: enable it, or use one that is"},
		"no such record":     {[]string{east, west}, "app.ecommerce.com", nil, `ecommerce.com has no record named app.ecommerce.com; did you mean "api.ecommerce.com"?`},
		"no such zone":       {[]string{east, west}, "api.example.com", nil, "no public hosted zone of this account holds api.example.com; there are ecommerce.com"},
		"several records":    {[]string{east, west}, "", second, "--record is missing: failover records have api.ecommerce.com and shop.ecommerce.com. Which is the public name?"},
		"no failover":        {[]string{east, west}, "", func(s *sim.State) { s.DNS.Records = s.DNS.Records[3:] }, "no name has a PRIMARY and a SECONDARY record, in 1 public zone"},
		"half of a failover": {[]string{east, west}, "", func(s *sim.State) { s.DNS.Records = s.DNS.Records[:2] }, "no name has a PRIMARY and a SECONDARY record"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			if c.change != nil {
				s.change(t, c.change)
			}
			o := s.options()
			o.Regions, o.Record = c.regions, c.record
			_, err := Look(t.Context(), o)
			if wrong, ok := errors.AsType[*WrongError](err); !ok || !strings.Contains(wrong.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// A record that is named has no need to be the only one.
func TestTheRecordThatIsNamedIsTaken(t *testing.T) {
	s := newStage(t)
	s.change(t, func(s *sim.State) {
		for _, r := range s.DNS.Records[1:3] {
			r.Name = aws.String("shop.ecommerce.com.")
			s.DNS.Records = append(s.DNS.Records, r)
		}
	})
	o := s.options()
	o.Record = "Shop.Ecommerce.com"
	f := s.look(t, o)
	if got := f.setting("platform.record"); got.Value != "shop.ecommerce.com" {
		t.Errorf("%+v", got)
	}
	if got := f.setting("platform.home"); got.Value != east {
		t.Errorf("%+v", got)
	}
}

// Without the right to list zones the record cannot be looked for.
func TestWithoutTheZonesTheRecordHasToBeNamed(t *testing.T) {
	s := newStage(t)
	if err := s.Fault(sim.Fault{System: "aws.route53", Operation: "ListHostedZones", Kind: sim.Deny}); err != nil {
		t.Fatal(err)
	}
	_, err := Look(t.Context(), s.options())
	if wrong, ok := errors.AsType[*WrongError](err); !ok || !strings.Contains(wrong.Error(), "--record is missing, and it cannot be looked for: route53:ListHostedZones in us-east-1 was refused") {
		t.Errorf("%v", err)
	}
}

// Credentials that are of no use are said at once, and nothing is printed for them.
func TestCredentialsThatHaveRunOut(t *testing.T) {
	s := newStage(t)
	o := s.options()
	o.AWS = func(region string) aws.Config {
		c := s.config(region)
		c.Credentials = aws.CredentialsProviderFunc(expired)
		return c
	}
	_, err := Look(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "AWS answers nothing in us-east-1: ") || !strings.Contains(err.Error(), "the bot's AWS credentials have run out: renew them") {
		t.Errorf("%v", err)
	}
	if len(s.Calls()) > 0 {
		t.Errorf("%d calls were answered", len(s.Calls()))
	}
}

// With one Region out of reach the other is told, and what lies there is open.
func TestWithARegionOutOfReachTheOtherIsTold(t *testing.T) {
	s := newStage(t)
	s.change(t, func(s *sim.State) { s.Regions[west].Lost = true })
	f := s.look(t, s.options())
	if got := f.setting("platform.elb.regions." + west + ".load_balancer_arn"); got.Ask == "" || !strings.Contains(got.Ask, "elasticloadbalancing:DescribeLoadBalancers could not be read in us-west-2") {
		t.Errorf("%+v", got)
	}
	if got := f.setting("platform.elb.regions." + east + ".load_balancer_arn"); got.Value == nil {
		t.Errorf("%+v", got)
	}
	if got := f.setting("platform.aurora.global_cluster"); got.Value != "ecommerce-global" {
		t.Errorf("%+v", got)
	}
}

// Lists come in pages, and all of them are read.
func TestAllPagesAreRead(t *testing.T) {
	s := newStage(t)
	s.change(t, func(s *sim.State) {
		for _, r := range s.Regions {
			for i := range 2000 {
				r.Secrets[fmt.Sprintf("other/%04d", i)] = &sim.Secret{Primary: east}
			}
			r.Secrets["other/alone-"+r.Name] = &sim.Secret{}
			for i := range 2000 {
				r.Queues[fmt.Sprintf("q%04d", i)] = &sim.Queue{}
				r.LogGroups[fmt.Sprintf("/aws/lambda/f%04d", i)] = &sim.LogGroup{}
			}
		}
		for i := range 900 {
			s.DNS.Records = append(s.DNS.Records, r53types.ResourceRecordSet{Name: aws.String(fmt.Sprintf("a%04d.ecommerce.com.", i)), Type: r53types.RRTypeA})
		}
	})
	f := s.look(t, s.options())
	got := f.setting("platform.secrets.names").Value.([]string)
	if len(got) != 2001 || got[0] != "ecommerce-prod/*" || got[2000] != "other/1999" {
		t.Errorf("%d names: %v", len(got), got[:min(3, len(got))])
	}
	if why := f.setting("platform.secrets.names").Why; !strings.Contains(why, "2005 secrets") || !strings.Contains(why, "other/alone-us-east-1 and other/alone-us-west-2") {
		t.Errorf("%s", why)
	}
	if got := f.setting("platform.sqs.regions." + west + ".queues"); len(got.Among) != 2001 || len(got.Ask) > 200 {
		t.Errorf("%d queues: %s", len(got.Among), got.Ask)
	}
	if got := f.setting("platform.logs.regions." + west + ".groups"); got.shown() != "/eks/ecommerce-prod/order-service" {
		t.Errorf("%+v", got)
	}
	pages := map[string]int{}
	for _, c := range s.Calls() {
		pages[c.Operation]++
	}
	if pages["ListSecrets"] != 2*21 || pages["ListResourceRecordSets"] != 4 || pages["ListQueues"] != 2*3 || pages["DescribeLogGroups"] != 2*41 || f.setting("platform.home").Value != east {
		t.Errorf("%v", pages)
	}
}

// A list whose pages never end is not taken for a whole one.
func TestAPageThatComesTwiceEndsTheList(t *testing.T) {
	s := newStage(t)
	s.edits["DescribeGlobalClusters"] = edit(func(_ string, _ *rds.DescribeGlobalClustersInput, out *rds.DescribeGlobalClustersOutput) {
		out.Marker = aws.String("again")
	})
	f := s.look(t, s.options())
	if got := f.setting("platform.aurora.global_cluster"); got.Value != nil || len(f.Unread) != 2 || !strings.Contains(f.Unread[0].String(), "the same page came twice") {
		t.Errorf("%+v, %v", got, f.Unread)
	}
}

// Of several, the one that the settings name is taken, and the others are told.
func TestWhatTheSettingsNameIsTakenOfSeveral(t *testing.T) {
	for _, c := range trials {
		if c.two == nil || strings.HasPrefix(c.path, "kubernetes") {
			continue
		}
		t.Run(c.path, func(t *testing.T) {
			s := newStage(t)
			o := s.options()
			plain := s.look(t, o)
			o.Given = map[string]string{}
			for _, one := range plain.Settings {
				if text, ok := one.Value.(string); ok {
					o.Given[one.Path] = text
				}
			}
			c.two(t, s)
			f := s.look(t, o)
			for _, one := range plain.Settings {
				_, list := one.Value.([]string) // of which a file has its own
				if !strings.HasPrefix(one.Path, c.path) || one.Value == nil || list {
					continue
				}
				if got := f.setting(one.Path); got == nil || got.shown() != one.shown() {
					t.Errorf("%s is %+v, was %v", one.Path, got, one.Value)
				}
			}
		})
	}
}

// What is found of a platform that is another one in some way.
func TestWhatIsFoundOfOtherPlatforms(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *sim.State)
		path   string
		want   string // of its value, or of what is asked for
		why    string
	}{
		"a consumer of queues": {func(s *sim.State) {
			for _, r := range s.Regions {
				r.HPAs["user-service"].Spec.ScaleTargetRef.Name = "somebody-else"
			}
			s.Regions[west].Deployments["user-service"].Spec.Replicas = aws.Int32(0)
		}, "platform.kube.consumers", "a list of those that consume queues, of user-service; the others are services", "They run in us-east-1, are scaled to 0 in us-west-2, and have no autoscaler."},
		"transit gateways": {func(s *sim.State) { s.Network.Peering, s.Network.Transit = "", "available" }, "platform.network.transit_gateway_attachment", sim.AttachmentID, "The one attachment"},
		"their VPCs":       {func(s *sim.State) { s.Network.Peering, s.Network.Transit = "", "available" }, "platform.network.regions.us-west-2.vpc", "vpc-us-west-2", "The VPC of the load balancer."},
		"pod identities":   {func(s *sim.State) { s.Regions[west].PodIdentities = map[string]string{"user-service": "arn"} }, "platform.iam.regions.us-west-2.eks_cluster", "ecommerce-prod", "It gives roles to user-service."},
		"two addresses, one of them looked at": {func(s *sim.State) {
			other := s.DNS.Records[3]
			other.Name = aws.String("virginia.ecommerce.com.")
			s.DNS.Records = append(s.DNS.Records, other)
		}, "platform.regions.us-east-1.endpoint", "https://us-east-1.api.ecommerce.com", "The endpoint check looks at it. To the same load balancer there also leads virginia.ecommerce.com."},
		"a dual stack": {func(s *sim.State) {
			s.DNS.Records[2].AliasTarget.DNSName = aws.String("dualstack." + *s.DNS.Records[2].AliasTarget.DNSName)
		}, "platform.elb.regions.us-west-2.load_balancer_arn", "arn:aws:elasticloadbalancing:us-west-2:111122223333:loadbalancer/app/ecommerce-alb-us-west-2/50dc6c495c0c9188", "The record leads to ecommerce-alb-us-west-2."},
		"a home in the west": {func(s *sim.State) {
			s.DNS.Records[1].AliasTarget, s.DNS.Records[2].AliasTarget = s.DNS.Records[2].AliasTarget, s.DNS.Records[1].AliasTarget
		}, "platform.home", west, "The PRIMARY record leads to ecommerce-alb-us-west-2"},
		"CronJobs everywhere": {func(s *sim.State) {
			s.Regions[east].CronJobs["report"], s.Regions[west].CronJobs["report"] = true, true
		}, "platform.kube.cron_jobs", "invoice-run", "In both there run report."},
		"secrets that are not replicated": {
			func(s *sim.State) { s.Regions[east].Secrets["ecommerce-prod/new"] = &sim.Secret{} }, "platform.secrets.names",
			"ecommerce-prod/notification-service, ecommerce-prod/order-service, ecommerce-prod/payment-service, ecommerce-prod/product-service, ecommerce-prod/user-service", "Left out, for they are in one Region alone: ecommerce-prod/new.",
		},
		"a Deployment in one cluster": {
			func(s *sim.State) { s.Regions[east].Deployments["user-service"].Namespace = "elsewhere" }, "platform.services",
			"notification-service, order-service, payment-service, product-service", "Left out, for they are in one cluster alone: user-service.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.change(t, c.change)
			got := s.look(t, s.options()).setting(c.path)
			if got == nil {
				t.Fatal("nothing is said of it")
			}
			if is := got.said(); is != c.want || !strings.Contains(got.Why, c.why) {
				t.Errorf("%q, %q\nwant %q, %q", is, got.Why, c.want, c.why)
			}
		})
	}
}

// The size that a service has in the standby is that of its pods that are ready there, where
// it may be one.
func TestTheStandbyOfEachService(t *testing.T) {
	in := func(name string, ready ...int32) *region { // of each service, in the order of their names
		r := &region{name: name, cluster: &Cluster{}}
		for i, n := range ready {
			d := appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: string(rune('a' + i))}}
			d.Status.ReadyReplicas = n
			r.deployments.all = append(r.deployments.all, d)
		}
		return r
	}
	w := &world{regions: []*region{in(east, 3, 6, 0, 6, 0), in(west, 1, 7, 2, 0, 0)}, inEach: "shop"}
	var got []string
	for _, i := range w.services(nil).Value.([]Item) {
		got = append(got, strings.Replace(i.text(), `writes: "FILL IN: true or false"}`, i.Note, 1))
	}
	want := []string{
		"{name: a, replicas: 3, standby: 1, ",
		"{name: b, replicas: 6, 7 in the standby", // which the settings refuse
		`{name: c, replicas: "FILL IN: what carries production", standby: 2, none is ready now`,
		"{name: d, replicas: 6, none in the standby",
		`{name: e, replicas: "FILL IN: what carries production", none is ready now, none in the standby`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Of several connections, that of the platform's own VPCs is the one.
func TestTheConnectionIsThatOfThePlatformsVPCs(t *testing.T) {
	s := newStage(t)
	s.edits["DescribeVpcPeeringConnections"] = edit(func(_ string, _ *ec2.DescribeVpcPeeringConnectionsInput, out *ec2.DescribeVpcPeeringConnectionsOutput) {
		add := func(id, requester, accepter string, code ec2types.VpcPeeringConnectionStateReasonCode) {
			out.VpcPeeringConnections = append([]ec2types.VpcPeeringConnection{{
				VpcPeeringConnectionId: aws.String(id), Status: &ec2types.VpcPeeringConnectionStateReason{Code: code},
				RequesterVpcInfo: &ec2types.VpcPeeringConnectionVpcInfo{VpcId: aws.String(requester), Region: aws.String(east)},
				AccepterVpcInfo:  &ec2types.VpcPeeringConnectionVpcInfo{VpcId: aws.String(accepter), Region: aws.String(west)},
			}}, out.VpcPeeringConnections...)
		}
		add("pcx-0others", "vpc-0other", "vpc-us-west-2", "active")
		add("pcx-0gone", "vpc-us-east-1", "vpc-us-west-2", "deleted")
	})
	if got := s.look(t, s.options()).setting("platform.network.peering"); got == nil || got.Value != sim.PeeringID {
		t.Errorf("%+v", got)
	}
}

// Of what each Region has of its own, that is the platform's which both have under one name,
// or under names that differ by the Region alone, and which its Deployments name, or which is
// named after them.
func TestWhatBelongsTogetherByItsName(t *testing.T) {
	const order, user = "order-service", "user-service"
	env := func(r *sim.Region, service, value string) {
		c := &r.Deployments[service].Spec.Template.Spec.Containers[0]
		c.Env = append(c.Env, corev1.EnvVar{Name: "ONE_OF_MANY", Value: value})
	}
	logs := func(r *sim.Region, names ...string) {
		r.LogGroups = map[string]*sim.LogGroup{}
		for _, name := range names {
			r.LogGroups[name] = &sim.LogGroup{}
		}
	}
	for name, c := range map[string]struct {
		change    func(*testing.T, *stage)
		path      string
		want, why string
	}{
		"a queue and its dead letters": {
			changes(func(*sim.State) {}), "platform.sqs.regions.us-west-2.queues",
			"order-events", "The one queue that both Regions have. Dead letters go to order-events-dead.",
		},
		"a queue without dead letters": {changes(inBoth(func(r *sim.Region) {
			r.Queues = map[string]*sim.Queue{"orders-" + r.Name + ".fifo": {}, "of-" + r.Name[:7]: {}}
		})), "platform.sqs.regions.us-east-1.queues", "orders-us-east-1.fifo", "The one queue that both Regions have. Without a queue for dead letters: orders-us-east-1.fifo. Left out, for one Region has it alone: of-us-east and of-us-west."},
		"queues that Deployments name": {changes(inBoth(func(r *sim.Region) {
			r.Queues = map[string]*sim.Queue{"orders": {Dead: "dead"}, "refunds": {Dead: "dead"}, "dead": {}, "others": {}, "mails": {}}
			env(r, order, "https://sqs."+r.Name+".amazonaws.com/111122223333/orders")
			env(r, user, "refunds,reorders")
			env(r, user, "--url=https://example.com/others?x") // is no queue's
			r.Deployments["payment-service"].Spec.Template.Spec.Containers[0].Args = []string{"--queue=mails"}
		})), "platform.sqs.regions.us-east-1.queues", "mails, orders, refunds", "Both Regions have them, and they are named by order-service, payment-service and user-service. Dead letters go to dead. Without a queue for dead letters: mails. Both have others, too."},
		"a queue that is named in one Region": {changes(func(s *sim.State) {
			for _, r := range s.Regions {
				r.Queues = map[string]*sim.Queue{"orders-" + r.Name: {}, "mails": {}}
			}
			env(s.Regions[west], order, "orders-us-west-2")
		}), "platform.sqs.regions.us-east-1.queues", "orders-us-east-1", "Both Regions have it, and it is named by order-service. Without a queue for dead letters: orders-us-east-1. Both have mails, too."},
		"queues where the namespace is open": {changes(func(s *sim.State) {
			for _, r := range s.Regions {
				r.Queues = map[string]*sim.Queue{"orders": {}, "mails": {}}
				env(r, order, "orders")
				moved(r, "elsewhere")
				r.Deployments[user].Namespace = "shop"
			}
		}), "platform.sqs.regions.us-east-1.queues", "a list of the queues that the services work off, of mails and orders", "2 queues are in both Regions. Which of them Deployments name is not known: the namespace of the services is open."},
		"queues where the clusters do not tell": {func(t *testing.T, s *stage) {
			s.change(t, inBoth(func(r *sim.Region) { r.Queues["mails"] = &sim.Queue{} }))
			if err := s.Fault(sim.Fault{System: "kubernetes", Region: west, Kind: sim.Deny}); err != nil {
				t.Fatal(err)
			}
		}, "platform.sqs.regions.us-east-1.queues", "a list of the queues that the services work off, of mails and order-events", "2 queues are in both Regions. Which of them Deployments name is not known: list deployments.apps was refused in us-west-2."},
		"queues that nobody names": {
			changes(inBoth(func(r *sim.Region) { r.Queues["mails"] = &sim.Queue{} })), "platform.sqs.regions.us-east-1.queues",
			"a list of the queues that the services work off, of mails and order-events", "2 queues are in both Regions, and no Deployment of ecommerce-prod names one.",
		},
		"more queues than are looked at": {changes(inBoth(func(r *sim.Region) {
			var all []string
			for i := range 251 {
				name := fmt.Sprintf("q%03d", i)
				r.Queues[name] = &sim.Queue{}
				all = append(all, name)
			}
			env(r, order, strings.Join(all, " "))
		})), "platform.sqs.regions.us-west-2.queues", "a list of the queues that the services work off, of order-events, q000, q001, q002, q003, q004 and 246 more", "251 queues would do, and at most 250 are looked at."},
		"topics": {topicsOf(func(region string, all []string) []string {
			return append(all, topicIn(region, "alerts-of-"+region[:7]))
		}), "platform.sns.regions.us-west-2.topics", topicIn(west, "order-placed"), "The one topic that both Regions have."},
		"log groups": {changes(inBoth(func(r *sim.Region) {
			logs(r, "/shop/"+r.Name+"/ecommerce-prod/web", "order-service", "prod.user-service.log", "/aws/containerinsights/ecommerce-prod/application",
				"/aws/containerinsights/ecommerce-prod/performance", "/aws/eks/ecommerce-prod/cluster", "/aws/lambda/order-service", "/shop/ecommerce-prod-staging")
			if r.Name == east {
				r.LogGroups["/old/user-service"] = &sim.LogGroup{}
			}
		})), "platform.logs.regions.us-east-1.groups", "/aws/containerinsights/ecommerce-prod/application, /shop/us-east-1/ecommerce-prod/web, order-service, prod.user-service.log", "Both Regions have them, named after a service, its namespace, or as Container Insights names that of a cluster. Left out, for one Region has it alone: /old/user-service."},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			c.change(t, s)
			got := s.look(t, s.options()).setting(c.path)
			if got == nil {
				t.Fatal("nothing is said of it")
			}
			if is := got.said(); is != c.want || got.Why != c.why {
				t.Errorf("%q, %q\nwant %q, %q", is, got.Why, c.want, c.why)
			}
		})
	}
}

// The log group that Container Insights has for a cluster is named after it, and belongs
// together with that of the other Region's, whatever that is called.
func TestTheLogGroupsOfClustersWithTwoNames(t *testing.T) {
	in := func(name, cluster string) *region {
		d := appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders"}}
		return &region{
			name: name, cluster: &Cluster{Name: cluster}, objects: objects{deployments: told[appsv1.Deployment]{all: []appsv1.Deployment{d}}},
			logs: told[string]{all: []string{"/aws/containerinsights/" + cluster + "/application", "/aws/containerinsights/staging/application"}},
		}
	}
	w := &world{regions: []*region{in(east, "shop-virginia"), in(west, "shop-oregon")}, inEach: "shop"}
	if got := groups.in(w, w.regions[1]); got == nil || got.shown() != "/aws/containerinsights/shop-oregon/application" {
		t.Errorf("%+v", got)
	}
}

// The namespace that is named is taken, and has to have something.
func TestTheNamespaceThatIsNamedIsTaken(t *testing.T) {
	s := newStage(t)
	s.change(t, inBoth(func(r *sim.Region) { r.Deployments["user-service"].Namespace = "users-prod" }))
	o := s.options()
	o.Namespace = "users-prod"
	if got := s.look(t, o).setting("platform.services"); got.shown() != "user-service" {
		t.Errorf("%+v", got)
	}
	o.Namespace = "user-prod"
	_, err := Look(t.Context(), o)
	if wrong, ok := errors.AsType[*WrongError](err); !ok || wrong.Error() != `--namespace: neither cluster has a Deployment in "user-prod"; did you mean "users-prod"?` {
		t.Errorf("%v", err)
	}
}

// Every finding that something tells has a trial, or follows from one that has.
func TestEveryFindingIsTried(t *testing.T) {
	follows := map[string]string{
		"platform.record": "input", "platform.aurora.regions": "platform.aurora.global_cluster", "platform.cache.regions": "platform.cache.global_group",
		"platform.dns.strategy": "TestDiscoverTellsPlainRecordsFromAFailoverPair, of the whole program",
		"platform.arc":          "TestRoutingControlsAreFoundByWhatRecordsHangOn", "platform.jaeger": "TestJaegerIsFoundByItsImage",
		"platform.kube.consumers": "its own test", "platform.kube.database_env": "TestWhatIsFoundIsThePlatformAsItsSettingsHaveIt", "platform.kube.regions.*.min_nodes_per_zone": "min_zones",
	}
	for _, f := range findings {
		tried := false
		for _, c := range trials {
			of := strings.NewReplacer(east, "*", west, "*").Replace(c.path)
			tried = tried || f.path == of || strings.HasPrefix(f.path, of+".")
		}
		for path := range follows {
			tried = tried || strings.HasPrefix(f.path, path)
		}
		if s := f.choose(&world{Options: Options{Regions: []string{east, west}}, in: leave("x"), regions: []*region{{name: east}, {name: west}}}, &region{name: east}); !tried && (s == nil || !s.People) {
			t.Errorf("%s has no trial", f.path)
		}
	}
}

// expired are credentials that AWS takes no more.
func expired(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, &smithy.GenericAPIError{Code: "ExpiredToken", Message: "The security token included in the request is expired"}
}

// An address that knows none of Kubernetes' own kinds is no cluster without Deployments.
func TestWhatIsNoClusterIsNotAnEmptyOne(t *testing.T) {
	s := newStage(t)
	o := s.options()
	o.Connect = func(string, Cluster) (kubeapi.Client, error) {
		return s.Kube("eu-west-1"), nil // where there is none
	}
	f := s.look(t, o)
	if got := f.setting("platform.services"); !strings.Contains(got.Ask, "list deployments.apps could not be read in us-") {
		t.Errorf("%+v", got)
	}
	if got := f.setting("platform.velero"); !got.Left {
		t.Errorf("%+v", got)
	}
}

// said is what is printed for a setting: its value, or what is asked.
func (s *Setting) said() string { return cmp.Or(s.Ask, s.shown()) }
