package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	cftypes "github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/wafv2"
	waftypes "github.com/aws/aws-sdk-go-v2/service/wafv2/types"
	"github.com/miekg/dns"
	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/bot/slack/slacksim/slacktest"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/providers/redis"
	"github.com/failoverbot/failoverbot/providers/redis/redistest"
)

// asMain makes the test binary be the program: main with its arguments, its
// environment and its signals.
const asMain = "FAILOVERBOT_TEST_MAIN"

func TestMain(m *testing.M) {
	switch slow := os.Getenv(asMain); slow {
	case "":
	case "1":
		main() // does not come back
	default: // settings that lie on a disk that does not answer: a pipe without another end
		os.Exit(untilSignal(func(name string) string {
			fmt.Fprintln(os.Stderr, "reading")
			_, _ = os.ReadFile(slow)
			return os.Getenv(name)
		}))
	}
	os.Exit(m.Run())
}

// patience bounds every wait for another process; it is reached only when
// something is wrong.
const patience = time.Minute

// process is another program that a test has started. It is ended by its id when
// the test ends.
type process struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	mu    sync.Mutex
	text  bytes.Buffer
	grown chan struct{}
	ended chan struct{}
}

// program starts this program in a process of its own, in an environment that
// holds nothing of this machine's but what env adds.
func program(t *testing.T, env map[string]string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	all := []string{
		asMain + "=1", "HOME=" + home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + home, "GOCOVERDIR=" + home,
		"AWS_EC2_METADATA_DISABLED=true",
	}
	for name, value := range env {
		all = append(all, name+"="+value)
	}
	return launch(t, all, self, args...)
}

func launch(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{
		t: t, name: strings.TrimSpace(filepath.Base(name) + " " + strings.Join(args, " ")),
		cmd: exec.Command(name, args...), grown: make(chan struct{}), ended: make(chan struct{}),
	}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = env, p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in its state
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.ended
	})
	return p
}

// Write takes what it says on either stream.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.grown)
	p.grown = make(chan struct{})
	return p.text.Write(b)
}

func (p *process) said() (string, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String(), p.grown
}

// signal does nothing to a process that has ended.
func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.ended:
	default:
		_ = p.cmd.Process.Signal(s)
	}
}

// until waits for a line that matches and returns the match with its groups.
func (p *process) until(pattern string) []string {
	p.t.Helper()
	want := regexp.MustCompile(pattern)
	late, stop := context.WithTimeout(p.t.Context(), patience)
	defer stop()
	for over := false; ; {
		text, grown := p.said()
		if m := want.FindStringSubmatch(text); m != nil {
			return m
		}
		if over {
			p.t.Fatalf("%s ended (%s) without saying %q; it said:\n%s", p.name, p.cmd.ProcessState, pattern, text)
		}
		select {
		case <-grown:
		case <-p.ended:
			over = true // once more, for its last words
		case <-late.Done():
			p.t.Fatalf("%s did not say %q; it said:\n%s", p.name, pattern, text)
		}
	}
}

// exit waits for the end and returns the exit code and all that was said.
func (p *process) exit() (int, string) {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		text, _ := p.said()
		p.t.Fatalf("%s did not end; it said:\n%s", p.name, text)
	}
	text, _ := p.said()
	return p.cmd.ProcessState.ExitCode(), text
}

// ---- the laboratory: everything that serve needs, on loopback ----

// lab is a platform made of moto's AWS, a name server, clusters that nobody can
// reach, and a rehearsal Slack.
type lab struct {
	slack  *slacksim.Server
	aws    *standIn
	config string
	env    map[string]string
}

const (
	eastAddr = "192.0.2.10"
	westAddr = "198.51.100.10"
)

func newSlack(t *testing.T) *slacksim.Server {
	t.Helper()
	slack, err := slacksim.New(slacksim.Options{
		Clock: incident.RealClock{}, BotToken: "xoxb-laboratory-secret", AppToken: "xapp-laboratory-secret",
		Channels: []slacksim.Channel{{ID: "C0123456789", Name: "incident-response"}},
		People: []slacksim.Person{
			{ID: "U0AL1CE00", Name: "Alice"}, {ID: "U0B0B0000", Name: "Bob"}, {ID: "U0CAR0L00", Name: "Carol"}, {ID: "U0DAVE000", Name: "Dave"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- slack.Run(context.Background()) }()
	t.Cleanup(func() {
		_ = slack.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return slack
}

// closedPort is an address of loopback on which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // closed is what it is for
	return l.Addr().String()
}

// nameServer answers for the zone and for the load balancers' names, as the
// zone's own server and as a resolver.
func nameServer(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg)
		a.SetReply(q)
		a.Authoritative = true
		name := q.Question[0].Name
		addr := ""
		switch {
		case strings.Contains(name, "us-west-2"):
			addr = westAddr
		case name == "api.ecommerce.com." || strings.Contains(name, "us-east-1"):
			addr = eastAddr
		}
		if addr != "" && q.Question[0].Qtype == dns.TypeA {
			a.Answer = append(a.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.ParseIP(addr),
			})
		}
		_ = w.WriteMsg(a) // whoever hears nothing asks again
	})}
	ended := make(chan error, 1)
	go func() { ended <- s.ActivateAndServe() }()
	t.Cleanup(func() {
		_ = conn.Close()
		if err := <-ended; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return conn.LocalAddr().String()
}

// newLab builds the platform of the example's settings as far as moto can.
func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{aws: moto(t), slack: newSlack(t)}
	made := seed(t, l.aws)
	servers := nameServer(t)

	dir := t.TempDir()
	kube := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: gone, cluster: {server: "https://%s"}}]
users: [{name: nobody, user: {token: kube-secret}}]
contexts:
  - {name: us-east-1-ecommerce-prod, context: {cluster: gone, user: nobody}}
  - {name: us-west-2-ecommerce-prod, context: {cluster: gone, user: nobody}}
`, closedPort(t))
	writeFile(t, filepath.Join(dir, "kubeconfig.yaml"), kube)
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for _, r := range append(made, [][2]string{
		{"    # kubeconfig: kubeconfig.yaml", "    kubeconfig: kubeconfig.yaml #"},
		{"context: us-west-2-ecommerce-prod", "context: us-west-2-ecommerce-prod\n    kubeconfig: kubeconfig.yaml"},
		{"    page: true", "    page: false"},
		{"  enabled: true", "  enabled: false"},
		{"10.16.0.10:443", listening(t)},
		{"10.32.0.10:443", listening(t)},
	}...) {
		if !strings.Contains(text, r[0]) {
			t.Fatalf("the example has no %q", r[0])
		}
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	between := func(from, to, by string) {
		i, j := strings.Index(text, from), strings.Index(text, to)
		if i < 0 || j < i {
			t.Fatalf("the example has no %q before %q", from, to)
		}
		text = text[:i] + by + text[j:]
	}
	between("    nameservers:", "    # Public resolvers", "    nameservers: [\""+servers+"\"]\n")
	between("    resolvers:", "\n  elb:", "    resolvers: [{name: Local, addr: \""+servers+"\"}]\n")
	l.config = filepath.Join(dir, "config.yaml")
	writeFile(t, l.config, text)
	l.env = map[string]string{
		"SLACK_BOT_TOKEN": "xoxb-laboratory-secret", "SLACK_APP_TOKEN": "xapp-laboratory-secret", "SLACK_API_URL": l.slack.APIURL(),
		"AWS_ENDPOINT_URL": l.aws.url, "AWS_ACCESS_KEY_ID": "AKIDLABORATORY", "AWS_SECRET_ACCESS_KEY": "aws-secret",
	}
	return l
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// seed makes in moto what the example's settings name, and says what each is there.
func seed(t *testing.T, at *standIn) [][2]string {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	balancers, hosts := map[string]string{}, map[string]string{} // ARNs, and names in the DNS
	var checks []string
	config := at.config
	for _, region := range regions { // moto has one in each Region, and puts the members into all
		_, err := rds.NewFromConfig(config(region)).CreateGlobalCluster(ctx, &rds.CreateGlobalClusterInput{
			GlobalClusterIdentifier: aws.String("ecommerce-global"), Engine: aws.String("aurora-postgresql"),
		})
		must(err)
	}
	for i, region := range regions {
		cluster := []string{"ecommerce-primary", "ecommerce-secondary"}[i]
		db := rds.NewFromConfig(config(region))
		in := &rds.CreateDBClusterInput{
			DBClusterIdentifier: aws.String(cluster), Engine: aws.String("aurora-postgresql"), GlobalClusterIdentifier: aws.String("ecommerce-global"),
		}
		if i == 0 {
			in.MasterUsername, in.MasterUserPassword = aws.String("postgres"), aws.String("database-secret")
		}
		_, err := db.CreateDBCluster(ctx, in)
		must(err)
		_, err = db.CreateDBInstance(ctx, &rds.CreateDBInstanceInput{
			DBInstanceIdentifier: aws.String(cluster + "-1"), DBClusterIdentifier: aws.String(cluster),
			DBInstanceClass: aws.String("db.r6g.large"), Engine: aws.String("aurora-postgresql"),
		})
		must(err)

		lb := elbv2.NewFromConfig(config(region))
		vpc, subnets := network(ctx, t, config(region))
		made, err := lb.CreateLoadBalancer(ctx, &elbv2.CreateLoadBalancerInput{
			Name: aws.String("ecommerce-alb"), Type: elbtypes.LoadBalancerTypeEnumApplication, Subnets: subnets,
		})
		must(err)
		group, err := lb.CreateTargetGroup(ctx, &elbv2.CreateTargetGroupInput{
			Name: aws.String("orders"), Protocol: elbtypes.ProtocolEnumHttp, Port: aws.Int32(8080), VpcId: aws.String(vpc),
			TargetType: elbtypes.TargetTypeEnumIp,
		})
		must(err)
		_, err = lb.RegisterTargets(ctx, &elbv2.RegisterTargetsInput{
			TargetGroupArn: group.TargetGroups[0].TargetGroupArn, Targets: []elbtypes.TargetDescription{{Id: aws.String("172.31.0.10")}},
		})
		must(err)
		_, err = lb.CreateListener(ctx, &elbv2.CreateListenerInput{
			LoadBalancerArn: made.LoadBalancers[0].LoadBalancerArn, Protocol: elbtypes.ProtocolEnumHttp, Port: aws.Int32(80),
			DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: group.TargetGroups[0].TargetGroupArn}},
		})
		must(err)
		issued, key := certificate(t, "*.ecommerce.com", 90*24*time.Hour)
		imported, err := acm.NewFromConfig(config(region)).ImportCertificate(ctx, &acm.ImportCertificateInput{Certificate: issued, PrivateKey: key})
		must(err)
		_, err = lb.CreateListener(ctx, &elbv2.CreateListenerInput{
			LoadBalancerArn: made.LoadBalancers[0].LoadBalancerArn, Protocol: elbtypes.ProtocolEnumHttps, Port: aws.Int32(443),
			Certificates:   []elbtypes.Certificate{{CertificateArn: imported.CertificateArn}},
			DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: group.TargetGroups[0].TargetGroupArn}},
		})
		must(err)
		balancers[region], hosts[region] = aws.ToString(made.LoadBalancers[0].LoadBalancerArn), aws.ToString(made.LoadBalancers[0].DNSName)
		protect(ctx, t, config(region), balancers[region])

		bucket := &s3.CreateBucketInput{Bucket: aws.String("ecommerce-takeover-" + region)}
		if region != "us-east-1" {
			bucket.CreateBucketConfiguration = &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(region)}
		}
		_, err = s3.NewFromConfig(config(region), func(o *s3.Options) { o.UsePathStyle = true }).CreateBucket(ctx, bucket)
		must(err)
	}

	distributed := distribute(ctx, t, config("us-east-1"), regions)
	names := route53.NewFromConfig(config("us-east-1"))
	check := func(c *r53types.HealthCheckConfig) string {
		out, err := names.CreateHealthCheck(ctx, &route53.CreateHealthCheckInput{
			CallerReference: aws.String(strconv.Itoa(len(checks))), HealthCheckConfig: c,
		})
		must(err)
		checks = append(checks, aws.ToString(out.HealthCheck.Id))
		return checks[len(checks)-1]
	}
	endpointCheck := check(&r53types.HealthCheckConfig{
		Type: r53types.HealthCheckTypeHttps, FullyQualifiedDomainName: aws.String("us-east-1.api.ecommerce.com"), ResourcePath: aws.String("/health"), Port: aws.Int32(443), RequestInterval: aws.Int32(10), FailureThreshold: aws.Int32(3),
	})
	takeoverCheck := check(&r53types.HealthCheckConfig{
		Type: r53types.HealthCheckTypeHttps, Inverted: aws.Bool(true), ResourcePath: aws.String("/takeover"), Port: aws.Int32(443), RequestInterval: aws.Int32(10), FailureThreshold: aws.Int32(3),
		FullyQualifiedDomainName: aws.String("ecommerce-takeover-us-west-2.s3.us-west-2.amazonaws.com"),
	})
	calculated := check(&r53types.HealthCheckConfig{
		Type: r53types.HealthCheckTypeCalculated, HealthThreshold: aws.Int32(2), ChildHealthChecks: []string{endpointCheck, takeoverCheck},
	})
	checks = []string{calculated, endpointCheck, takeoverCheck}
	made, err := names.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: aws.String("ecommerce.com"), CallerReference: aws.String("zone")})
	must(err)
	zone := strings.TrimPrefix(aws.ToString(made.HostedZone.Id), "/hostedzone/")
	var changes []r53types.Change
	for i, region := range regions {
		leads := &r53types.AliasTarget{DNSName: aws.String(hosts[region]), EvaluateTargetHealth: true, HostedZoneId: aws.String("Z35SXDOTRQ7X7K")}
		changes = append(changes, r53types.Change{Action: r53types.ChangeActionCreate, ResourceRecordSet: &r53types.ResourceRecordSet{
			Name: aws.String(region + ".api.ecommerce.com"), Type: r53types.RRTypeA, AliasTarget: leads,
		}})
		set := &r53types.ResourceRecordSet{
			Name: aws.String("api.ecommerce.com"), Type: r53types.RRTypeA, SetIdentifier: aws.String(region), AliasTarget: leads,
			Failover: []r53types.ResourceRecordSetFailover{r53types.ResourceRecordSetFailoverPrimary, r53types.ResourceRecordSetFailoverSecondary}[i],
		}
		if i == 0 {
			set.HealthCheckId = aws.String(calculated)
		}
		changes = append(changes, r53types.Change{Action: r53types.ChangeActionCreate, ResourceRecordSet: set})
	}
	_, err = names.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: aws.String(zone), ChangeBatch: &r53types.ChangeBatch{Changes: changes},
	})
	must(err)
	vpcs, peering := peered(ctx, t, config)
	return [][2]string{
		{"arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/ecommerce-alb/0123456789abcdef", balancers["us-east-1"]},
		{"arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/ecommerce-alb/fedcba9876543210", balancers["us-west-2"]},
		{"Z0123456789ABCDEFGHIJ", zone},
		{"E1A2B3C4D5E6F7", distributed},
		{"11111111-1111-4111-8111-111111111111", checks[0]},
		{"22222222-2222-4222-8222-222222222222", checks[1]},
		{"33333333-3333-4333-8333-333333333333", checks[2]},
		{"global_group: ecommerce-cache", "global_group: " + datastoreIn(t, at, "ecommerce-cache")},
		{"peering: pcx-0123456789abcdef0", "peering: " + peering},
		{"vpc: vpc-0123456789abcdef0", "vpc: " + vpcs["us-east-1"]},
		{"vpc: vpc-0fedcba9876543210", "vpc: " + vpcs["us-west-2"]},
	}
}

// protect attaches a web ACL to a load balancer: whom an IP set names is let through.
func protect(ctx context.Context, t *testing.T, c aws.Config, balancer string) {
	t.Helper()
	firewall := wafv2.NewFromConfig(c)
	seen := &waftypes.VisibilityConfig{MetricName: aws.String("seen")}
	partners, err := firewall.CreateIPSet(ctx, &wafv2.CreateIPSetInput{
		Name: aws.String("partners"), Scope: waftypes.ScopeRegional, IPAddressVersion: waftypes.IPAddressVersionIpv4, Addresses: []string{"192.0.2.0/24"},
	})
	if err != nil {
		t.Fatal(err)
	}
	made, err := firewall.CreateWebACL(ctx, &wafv2.CreateWebACLInput{
		Name: aws.String("ecommerce-" + c.Region), Scope: waftypes.ScopeRegional, DefaultAction: &waftypes.DefaultAction{Allow: &waftypes.AllowAction{}}, VisibilityConfig: seen,
		Rules: []waftypes.Rule{{
			Name: aws.String("partners"), Priority: 0, VisibilityConfig: seen, Action: &waftypes.RuleAction{Allow: &waftypes.AllowAction{}},
			Statement: &waftypes.Statement{IPSetReferenceStatement: &waftypes.IPSetReferenceStatement{ARN: partners.Summary.ARN}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := firewall.AssociateWebACL(ctx, &wafv2.AssociateWebACLInput{WebACLArn: made.Summary.ARN, ResourceArn: aws.String(balancer)}); err != nil {
		t.Fatal(err)
	}
}

// distribute makes a distribution whose origin group holds both Regions' origins, and
// returns its id.
func distribute(ctx context.Context, t *testing.T, c aws.Config, regions []string) string {
	t.Helper()
	out, err := cloudfront.NewFromConfig(c).CreateDistribution(ctx, &cloudfront.CreateDistributionInput{DistributionConfig: distribution(regions)})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.Distribution.Id)
}

// distribution is one whose paths all lead to a group of the Regions' origins.
func distribution(regions []string) *cftypes.DistributionConfig {
	list := func(n int) *int32 { return aws.Int32(int32(n)) }
	origins, members := &cftypes.Origins{Quantity: list(len(regions))}, &cftypes.OriginGroupMembers{Quantity: list(len(regions))}
	for _, region := range regions {
		origins.Items = append(origins.Items, cftypes.Origin{
			Id: aws.String("alb-" + region), DomainName: aws.String(region + ".api.ecommerce.com"),
			CustomOriginConfig: &cftypes.CustomOriginConfig{HTTPPort: aws.Int32(80), HTTPSPort: aws.Int32(443), OriginProtocolPolicy: cftypes.OriginProtocolPolicyHttpsOnly},
		})
		members.Items = append(members.Items, cftypes.OriginGroupMember{OriginId: aws.String("alb-" + region)})
	}
	return &cftypes.DistributionConfig{
		CallerReference: aws.String(rand.Text()), Comment: aws.String("shop"), Enabled: aws.Bool(true), Origins: origins,
		OriginGroups: &cftypes.OriginGroups{Quantity: list(1), Items: []cftypes.OriginGroup{{
			Id: aws.String("both"), Members: members,
			FailoverCriteria: &cftypes.OriginGroupFailoverCriteria{StatusCodes: &cftypes.StatusCodes{Items: []int32{502, 503, 504}, Quantity: list(3)}},
		}}},
		DefaultCacheBehavior: &cftypes.DefaultCacheBehavior{TargetOriginId: aws.String("both"), ViewerProtocolPolicy: cftypes.ViewerProtocolPolicyHttpsOnly},
		CacheBehaviors: &cftypes.CacheBehaviors{Quantity: list(1), Items: []cftypes.CacheBehavior{{
			PathPattern: aws.String("/static/*"), TargetOriginId: aws.String("both"), ViewerProtocolPolicy: cftypes.ViewerProtocolPolicyHttpsOnly,
		}}},
	}
}

// certificate is one for that name, signed by itself, and its key, both as PEM.
func certificate(t *testing.T, name string, valid time.Duration) (issued, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(valid),
	}
	signed, err := x509.CreateCertificate(rand.Reader, about, about, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// network is a network of the Region and its subnets, which moto has from the start.
func network(ctx context.Context, t *testing.T, c aws.Config) (vpc string, subnets []string) {
	t.Helper()
	out, err := ec2.NewFromConfig(c).DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	if err != nil || len(out.Subnets) < 2 {
		t.Fatalf("moto tells no subnets of %s: %v", c.Region, err)
	}
	for _, s := range out.Subnets {
		subnets = append(subnets, aws.ToString(s.SubnetId))
	}
	return aws.ToString(out.Subnets[0].VpcId), subnets
}

// peered are two VPCs that are peered and routed, by Region, and the connection's id.
func peered(ctx context.Context, t *testing.T, config func(region string) aws.Config) (vpcs map[string]string, peering string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	east, west := ec2.NewFromConfig(config("us-east-1")), ec2.NewFromConfig(config("us-west-2"))
	nets, vpcs := map[string]string{"us-east-1": "10.16.0.0/16", "us-west-2": "10.32.0.0/16"}, map[string]string{}
	for region, net := range nets {
		made, err := ec2.NewFromConfig(config(region)).CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String(net)})
		must(err)
		vpcs[region] = aws.ToString(made.Vpc.VpcId)
	}
	asked, err := east.CreateVpcPeeringConnection(ctx, &ec2.CreateVpcPeeringConnectionInput{
		VpcId: aws.String(vpcs["us-east-1"]), PeerVpcId: aws.String(vpcs["us-west-2"]), PeerRegion: aws.String("us-west-2"),
	})
	must(err)
	id := asked.VpcPeeringConnection.VpcPeeringConnectionId
	_, err = west.AcceptVpcPeeringConnection(ctx, &ec2.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: id})
	must(err)
	for region, to := range map[string]string{"us-east-1": nets["us-west-2"], "us-west-2": nets["us-east-1"]} {
		c := ec2.NewFromConfig(config(region))
		tables, err := c.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: []ec2types.Filter{{Name: aws.String("vpc-id"), Values: []string{vpcs[region]}}}})
		must(err)
		_, err = c.CreateRoute(ctx, &ec2.CreateRouteInput{RouteTableId: tables.RouteTables[0].RouteTableId, DestinationCidrBlock: aws.String(to), VpcPeeringConnectionId: id})
		must(err)
	}
	return vpcs, aws.ToString(id)
}

// listening is an address of loopback that takes connections.
func listening(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// timeline is what Redis holds, read past the bot: the newest incident and its
// events.
func timeline(t *testing.T, address string) (incident.ID, []incident.Event) {
	t.Helper()
	record, err := redis.Open(t.Context(), redis.Options{URL: address}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer record.Disconnect() //nolint:errcheck // only read
	ids, err := record.Incidents(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(ids) == 0 {
		return "", nil
	}
	id := ids[len(ids)-1]
	events, err := record.Read(t.Context(), id, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return id, events
}

func secretless(t *testing.T, text string) {
	t.Helper()
	for _, s := range []string{"-secret", ":secret", "kube-secret", "hunter2"} {
		if strings.Contains(text, s) {
			t.Errorf("a secret (%s) is shown:\n%s", s, text)
		}
	}
}

// serve starts the bot on this platform.
func (l *lab) serve(t *testing.T, redisURL string) *process {
	t.Helper()
	env := maps.Clone(l.env)
	env["REDIS_URL"] = redisURL
	p := program(t, env, "serve", "--config", l.config)
	p.until(`ready: /failover help`)
	return p
}

// found is what the answer to a check says about one of the steps.
func found(t *testing.T, answer, title string) (verdict, text string) {
	t.Helper()
	m := regexp.MustCompile("`(\\w+) *` " + regexp.QuoteMeta(title) + `: (.*)`).FindStringSubmatch(answer)
	if m == nil {
		t.Fatalf("nothing is said about %q in\n%s", title, answer)
	}
	return m[1], m[2]
}

// The whole program on a real Redis, with Slack, AWS and DNS over the wire. What
// AWS's stand-in knows is shown with its figures; what it does not know, and what
// nobody answers, is unknown and not a yes.
func TestServeOnRealEnds(t *testing.T) {
	redisURL := redistest.Server(t)
	l := newLab(t)
	const alice = "U0AL1CE00"
	slack := slacktest.Open(t, l.slack.URL(), nil, alice)
	p := l.serve(t, redisURL)
	serves := regexp.MustCompile(`us-east-1 serves users now \(ecommerce-primary writes in us-east-1 \(instance ecommerce-primary-1\); .* us-east-1 for api\.ecommerce\.com\)`)

	t.Run("check says what is known with its figures and what is not with the reason", func(t *testing.T) {
		slack.T = t
		answer := slack.Ask(alice, "/failover check us-west-2")
		if !serves.MatchString(answer) {
			t.Errorf("it is not said which Region serves:\n%s", answer)
		}
		for _, c := range []struct{ title, verdict, says string }{
			{"Load balancer in us-west-2", "ok", `ecommerce-alb in us-west-2 is active with 1 target group, 1 of 1 target healthy, no capacity is reserved for it`},
			{"The takeover object can be put", "ok", `bucket ecommerce-takeover-us-west-2 in us-west-2 answers and holds no takeover object`},
			{"Certificate for api.ecommerce.com in us-west-2", "ok", `has 89 days left, until 20`},
			{"Way between the networks of us-east-1 and us-west-2", "ok", `pcx-\w+ is active and routed both ways between us-west-2 and us-east-1; connections to 127.0.0.1:\d+ and 127.0.0.1:\d+ come about`},
			{"WAF rules in us-west-2", "ok", `web ACL ecommerce-us-west-2 with 1 rule is attached to the load balancer in us-west-2, and its rules are those of ecommerce-us-east-1`},
			{"CloudFront fails over to us-west-2", "ok", `is deployed; for 2 of 2 paths, and for GET, HEAD and OPTIONS only, it tries alb-us-west-2 where alb-us-east-1 answers 502, 503, 504 `},
			{"Failover records and health checks", "ok", `the PRIMARY record hangs on [0-9a-f-]{36}, which needs the endpoint and the takeover check`},
			{"ecommerce-secondary can be promoted", "ok", `ecommerce-secondary is available in us-west-2 with 1 instance \(synchronization connected\)`},
			// Nothing has been published here.
			{"Replication lag", "unknown", `ecommerce-secondary has had no datapoint for 3 h`},
			{"ecommerce-cache-us-west-2 can be promoted", "warning", `associated with ldgnf-ecommerce-cache as its secondary, .*how far it is behind is unknown: no datapoint for 3 h`},
			{"Quotas of us-west-2", "unknown", `EC2 has published nothing of it in CloudWatch`},
		} {
			verdict, text := found(t, answer, c.title)
			if !regexp.MustCompile(`^(`+c.verdict+`)$`).MatchString(verdict) || !regexp.MustCompile(c.says).MatchString(text) {
				t.Errorf("%s is %s: %s\nwant %s: %s", c.title, verdict, text, c.verdict, c.says)
			}
		}
		once := `No connection to the cluster in us-west-2 stops Nodes in each zone of us-west-2, .*, All services exist in us-west-2, .*Images are in the registry of us-west-2`
		if !regexp.MustCompile(once).MatchString(answer) || strings.Count(answer, "connection was refused") > 0 {
			t.Errorf("what stops several checks is not told once:\n%s", answer)
		}
		count := func(word string) int { return strings.Count(answer, "`"+fmt.Sprintf("%-7s", word)+"`") }
		tally := fmt.Sprintf("%d ok, %d failed, %d unknown", count("ok"), count("failed"), count("unknown"))
		if !strings.Contains(answer, tally) {
			t.Errorf("the tally is not %q:\n%s", tally, answer)
		}
	})

	t.Run("the terminal's check says the same and ends with 1", func(t *testing.T) {
		env := maps.Clone(l.env)
		delete(env, "SLACK_BOT_TOKEN") // it needs neither Slack nor Redis
		code, text := program(t, env, "check", "--config", l.config, "--target", "us-west-2").exit()
		if code != exitFailed {
			t.Errorf("exit code %d", code)
		}
		for _, want := range []string{
			`(?m)^ok +required +The takeover object can be put +\d+ s\n +bucket ecommerce-takeover-us-west-2\s+in us-west-2 answers`,
			`No connection to the cluster in us-west-2 stops Nodes in each zone of\s+us-west-2,`,
			`(?m)^unknown +required +Nodes in each zone of us-west-2 `,
			`(?m)^unknown +required +Replication lag +\d+ s\n.*(\n +.*)*has had no datapoint`,
			`us-west-2 is not ready to take over`,
		} {
			if !regexp.MustCompile(want).MatchString(text) {
				t.Errorf("it does not say %s:\n%s", want, text)
			}
		}
		secretless(t, text)
	})

	t.Run("with the record a check is kept, and tells what was known before", func(t *testing.T) {
		env := maps.Clone(l.env)
		env["REDIS_URL"] = redisURL
		delete(env, "SLACK_BOT_TOKEN")
		known := incident.Finding{Step: "replication-lag", Summary: "it was 340 ms", Measured: incident.Measured{Verdict: incident.Pass}}
		record, err := redis.Open(t.Context(), redis.Options{URL: redisURL, Prefix: "fb"}, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		defer record.Disconnect() //nolint:errcheck // only a test's
		book := incident.NewBook(record)
		earlier := incident.Assessment{At: time.Now().Add(-time.Hour), By: incident.Bot, AssessmentMade: incident.AssessmentMade{
			Why: incident.WhySchedule, Target: "us-west-2", Mode: "planned", Findings: []incident.Finding{known},
		}}
		if err := book.KeepAssessment(t.Context(), earlier, nil, 0); err != nil {
			t.Fatal(err)
		}
		code, text := program(t, env, "check", "--config", l.config, "--output", "json").exit()
		var doc struct {
			Result   string
			Findings []incident.Finding
		}
		from, to := strings.Index(text, "{"), strings.LastIndex(text, "}")
		if err := json.Unmarshal([]byte(text[max(from, 0):to+1]), &doc); err != nil || code != exitFailed || doc.Result != "fail" {
			t.Fatalf("%v, exit code %d, result %q\n%s", err, code, doc.Result, text)
		}
		i := slices.IndexFunc(doc.Findings, func(f incident.Finding) bool { return f.Step == "replication-lag" })
		if i < 0 || doc.Findings[i].Verdict != incident.Unsure || doc.Findings[i].Last == nil || doc.Findings[i].Last.Summary != "it was 340 ms" {
			t.Errorf("what was known of the lag is not told: %s", text)
		}
		var kept *incident.Assessment
		if err := book.View(t.Context(), incident.PlatformLog, func(s *incident.State) { kept = s.Platform.Newest(incident.WhyCheck) }); err != nil || kept == nil || len(kept.Findings) != len(doc.Findings) {
			t.Errorf("%v: on the record is %+v", err, kept)
		}
		secretless(t, text)
	})

	t.Run("a dry run in the terminal is marked, kept with its owner, and ends with what it came to", func(t *testing.T) {
		env := maps.Clone(l.env)
		env["REDIS_URL"] = redisURL
		delete(env, "SLACK_BOT_TOKEN")
		code, text := program(t, env, "drill", "--config", l.config, "--owner", "alice").exit()
		if code != exitFailed {
			t.Errorf("exit code %d", code)
		}
		for _, want := range []string{
			`(?m)^DRILL, dry run of a planned failover from us-east-1 to us-west-2: \d+ (rights|required)`,
			`(?m)^Held by Alice at .* plan [0-9a-f]{6}`,
			`(?m)^unknown\n +\d+ rights of Kubernetes in us-west-2 \(patch\s+horizontalpodautoscalers\.autoscaling\s+user-service\s+in\s+ecommerce-prod;(.|\n)*?no connection to\s+the\s+cluster`,
			`(?m)^unknown\n +\d+ rights of IAM in us-`,
			`(?m)^\+0 s +asks +`,
			`a planned failover to us-west-2 would be stopped`,
		} {
			if !regexp.MustCompile(want).MatchString(text) {
				t.Errorf("it does not say %s:\n%s", want, text)
			}
		}
		record, err := redis.Open(t.Context(), redis.Options{URL: redisURL, Prefix: "fb"}, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		defer record.Disconnect() //nolint:errcheck // only a test's
		var held []incident.Held
		if err := incident.NewBook(record).View(t.Context(), incident.PlatformLog, func(s *incident.State) { held = slices.Clone(s.Platform.Drills) }); err != nil || len(held) != 1 || held[0].By != "alice" || len(held[0].Foreseen.Missing) == 0 {
			t.Errorf("%v: on the record is %+v", err, held)
		}
		secretless(t, text)
	})

	t.Run("status says which Region serves and how that is known", func(t *testing.T) {
		slack.T = t
		answer := slack.Ask(alice, "/failover status")
		if strings.Contains(answer, "is being found out") { // what was known was old: the rest comes behind it
			answer += "\n" + slack.Told(alice, "who serves")
		}
		if !strings.Contains(answer, "No incident is open.") || !serves.MatchString(answer) {
			t.Errorf("status says:\n%s", answer)
		}
		if id, events := timeline(t, redisURL); id != "" || len(events) > 0 {
			t.Errorf("looking left %s with %d events", id, len(events))
		}
	})

	var id incident.ID
	var before []incident.Event
	t.Run("a SIGTERM in the middle of a run ends it with 0 and loses nothing", func(t *testing.T) {
		slack.T = t
		answer := slack.Ask(alice, "/failover start us-west-2 planned orders are slow")
		m := regexp.MustCompile(`INC-\d{4}-\d{4}`).FindString(answer)
		if m == "" {
			t.Fatalf("start says:\n%s", answer)
		}
		slack.News("the card", func(n slacksim.News) bool {
			return n.For == "" && n.Message != nil && strings.Contains(slacktest.Shown(n.Message), m)
		})
		slacktest.Until(t, "the run on the record", func() bool {
			_, before = timeline(t, redisURL)
			return slices.ContainsFunc(before, func(e incident.Event) bool { _, taken := e.Body.(incident.RunTaken); return taken })
		})
		p.signal(syscall.SIGTERM)
		code, text := p.exit()
		if code != 0 {
			t.Errorf("exit code %d, it said:\n%s", code, text)
		}
		secretless(t, text)
		var after []incident.Event
		if id, after = timeline(t, redisURL); id.Name() != m || string(id) == m {
			t.Errorf("the record has %s, Slack was told of %s", id, m)
		}
		if err := enginetest.Kept(before, after); err != nil {
			t.Error(err)
		}
		before = after
	})

	for i, end := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		t.Run("started again on the same Redis it knows the run, then "+end.String(), func(t *testing.T) {
			slack.T = t
			p := l.serve(t, redisURL)
			// Whoever was told to stop gives its lease back. One that was killed keeps
			// the next from taking the run up until its lease runs out.
			if i == 0 {
				slack.News("that it is back", func(n slacksim.News) bool {
					return n.For == "" && n.Message != nil && strings.Contains(slacktest.Shown(n.Message), "I am back, and carry "+id.Name()+" on")
				})
			}
			answer := slack.Ask(alice, "/failover status")
			for _, want := range []string{"*" + id.Name() + "*", "us-east-1 -> us-west-2", "planned", "orders are slow", "<@U0AL1CE00>"} {
				if !strings.Contains(answer, want) {
					t.Errorf("status does not say %q:\n%s", want, answer)
				}
			}
			p.signal(end)
			code, text := p.exit()
			if want := map[syscall.Signal]int{syscall.SIGTERM: 0, syscall.SIGKILL: -1}[end]; code != want {
				t.Errorf("exit code %d, want %d; it said:\n%s", code, want, text)
			}
			_, after := timeline(t, redisURL)
			if err := enginetest.Kept(before, after); err != nil {
				t.Error(err)
			}
			before = after
		})
	}
}

func TestServeWantsARedisThatKeepsTheRecord(t *testing.T) {
	redisURL := redistest.Server(t, redistest.Args("--appendonly", "no"))
	slack := newSlack(t)
	env := maps.Clone(tokens)
	env["SLACK_BOT_TOKEN"], env["SLACK_APP_TOKEN"] = "xoxb-laboratory-secret", "xapp-laboratory-secret"
	env["SLACK_API_URL"], env["REDIS_URL"] = slack.APIURL(), redisURL

	t.Run("refuses one that forgets", func(t *testing.T) {
		code, text := program(t, env, "serve", "--config", written(t, "", "")).exit()
		if code != exitUsage {
			t.Errorf("exit code %d", code)
		}
		for _, want := range []string{"no append-only file", "appendonly", "allow_volatile", "config.yaml"} {
			if !strings.Contains(text, want) {
				t.Errorf("it does not say %q:\n%s", want, text)
			}
		}
		secretless(t, text)
		if n := slack.Connections(); n != 0 {
			t.Errorf("%d connections to Slack are open", n)
		}
	})

	t.Run("takes it with allow_volatile, and says what that means", func(t *testing.T) {
		p := program(t, env, "serve", "--config", written(t, "allow_volatile: false", "allow_volatile: true"))
		p.until(`ready: /failover help`)
		const dave = "U0DAVE000"
		if answer := slacktest.Open(t, slack.URL(), nil, dave).Ask(dave, "/failover help"); !strings.Contains(answer, "/failover start") {
			t.Errorf("help says:\n%s", answer)
		}
		p.signal(syscall.SIGTERM)
		code, text := p.exit()
		if code != exitDone {
			t.Errorf("exit code %d", code)
		}
		if !strings.Contains(text, "no append-only file") {
			t.Errorf("it does not say how volatile the record is:\n%s", text)
		}
		secretless(t, text)
	})
}

// A process that starts while Slack is down with the Region must still carry a
// run on.
func TestServeDoesNotWaitForSlack(t *testing.T) {
	redisURL := redistest.Server(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil { // nobody answers there from here on
		t.Fatal(err)
	}
	env := maps.Clone(tokens)
	env["SLACK_BOT_TOKEN"], env["SLACK_APP_TOKEN"] = "xoxb-laboratory-secret", "xapp-laboratory-secret"
	env["SLACK_API_URL"], env["REDIS_URL"] = "http://"+l.Addr().String()+"/", redisURL
	p := program(t, env, "serve", "--config", written(t, "", ""))
	p.until(`Slack cannot be reached; a run that is under way goes on without it`)
	p.signal(syscall.SIGTERM)
	code, text := p.exit()
	if code != exitDone {
		t.Errorf("exit code %d:\n%s", code, text)
	}
	if !strings.Contains(text, "connection refused") {
		t.Errorf("it does not say why:\n%s", text)
	}
	secretless(t, text)
}
