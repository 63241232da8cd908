// Package providers lists everything a runbook can have done.
//
// Each system has a package of its own, which names its actions (actions.go) and
// says what it has to know of the platform (platform.go); those packages do not know
// each other. What an action promises, and how it behaves when its system is down,
// stands there. Here is one line for each; docs/ACTIONS.md lists what they add up to.
package providers

import (
	"cmp"
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/acm"
	"github.com/failoverbot/failoverbot/providers/arc"
	"github.com/failoverbot/failoverbot/providers/aurora"
	"github.com/failoverbot/failoverbot/providers/awserr"
	"github.com/failoverbot/failoverbot/providers/cache"
	"github.com/failoverbot/failoverbot/providers/cloudfront"
	"github.com/failoverbot/failoverbot/providers/cloudwatch"
	"github.com/failoverbot/failoverbot/providers/dns"
	"github.com/failoverbot/failoverbot/providers/drs"
	"github.com/failoverbot/failoverbot/providers/ecr"
	"github.com/failoverbot/failoverbot/providers/elb"
	"github.com/failoverbot/failoverbot/providers/endpoints"
	"github.com/failoverbot/failoverbot/providers/grafana"
	"github.com/failoverbot/failoverbot/providers/iam"
	"github.com/failoverbot/failoverbot/providers/istio"
	"github.com/failoverbot/failoverbot/providers/jaeger"
	"github.com/failoverbot/failoverbot/providers/kube"
	"github.com/failoverbot/failoverbot/providers/kubeapi"
	"github.com/failoverbot/failoverbot/providers/logs"
	"github.com/failoverbot/failoverbot/providers/network"
	"github.com/failoverbot/failoverbot/providers/pagerduty"
	asked "github.com/failoverbot/failoverbot/providers/people"
	"github.com/failoverbot/failoverbot/providers/probe"
	"github.com/failoverbot/failoverbot/providers/prometheus"
	"github.com/failoverbot/failoverbot/providers/quotas"
	"github.com/failoverbot/failoverbot/providers/record"
	"github.com/failoverbot/failoverbot/providers/s3"
	"github.com/failoverbot/failoverbot/providers/secrets"
	"github.com/failoverbot/failoverbot/providers/sns"
	"github.com/failoverbot/failoverbot/providers/sqs"
	"github.com/failoverbot/failoverbot/providers/takeover"
	"github.com/failoverbot/failoverbot/providers/velero"
	"github.com/failoverbot/failoverbot/providers/waf"
	"github.com/failoverbot/failoverbot/providers/webapi"
	"github.com/failoverbot/failoverbot/providers/xray"
)

// Connections are the wires to the outside: the real ones, or a pretend world's.
type Connections struct {
	Clock incident.Clock
	// AWS gives the settings for calls to one Region. Nothing falls back to another.
	AWS func(region string) aws.Config
	// Kube gives the connection to a Region's cluster.
	Kube func(region string) (kubeapi.Client, error)
	// Dial opens the connections of DNS queries, probes and pages; nil is the
	// machine's own.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// InVPC says that resolvers inside a VPC can be reached.
	InVPC bool
	// Page is where PagerDuty events go; nil refuses them with a sentence.
	Page *pagerduty.Settings
	// Pager is where PagerDuty is asked who is on call; nil: nobody can tell.
	Pager *pagerduty.API
	// PagerTest is a service of PagerDuty's that a test event is sent to; nil: there is none.
	PagerTest *pagerduty.Test
	// InForce is the platform as the settings with which the bot runs have it; a run keeps
	// that of its beginning.
	InForce runbook.Topology
	// Roster is whose word counts, Record has what they have said; nil: it is unknown.
	Roster incident.Roster
	Record asked.Record
	// Support says that the settings name somebody of support.
	Support bool
	// Own are the endpoints of the program itself: the record, Slack, PagerDuty.
	Own []endpoints.Endpoint
	// OrderToken is sent with synthetic orders; may be empty. A secret.
	OrderToken string
	// GrafanaToken is sent to Grafana; may be empty. A secret.
	GrafanaToken string
}

// systems is everything that a runbook can use, one a line: what it has to know of
// the platform, and its actions.
var systems = []struct {
	part    *runbook.Part
	actions func(w wires) engine.Catalog
}{
	{nil, func(wires) engine.Catalog { return people() }},
	{nil, func(w wires) engine.Catalog { return pagerduty.Actions(w.Page, w.pager, w.PagerTest, w.Dial, w.Clock) }},
	{&asked.Platform, func(w wires) engine.Catalog { return asked.Actions(w.people()) }},
	{nil, func(wires) engine.Catalog { return record.Actions() }},
	{&aurora.Platform, func(w wires) engine.Catalog {
		return w.databases.Actions(missingIn(w), func() runbook.Topology { return w.InForce })
	}},
	{&cache.Platform, func(w wires) engine.Catalog { return cache.Actions(w.aws, w.reads, w.Dial) }},
	{&dns.Platform, func(w wires) engine.Catalog {
		return dns.Actions(w.shift, w.servers, w.balancers.Name, w.balancers.Address, w.balancers.Alias, arc.ControlOf, w.InVPC)
	}},
	{&arc.Platform, func(w wires) engine.Catalog { return arc.Actions(w.aws) }},
	{&elb.Platform, func(w wires) engine.Catalog { return w.balancers.Actions() }},
	{nil, func(w wires) engine.Catalog { return acm.Actions(w.aws, w.reads, w.balancers.Listeners, w.Clock) }},
	{nil, func(w wires) engine.Catalog { return waf.Actions(w.aws, w.reads, elb.ARN, w.Clock) }},
	{&cloudfront.Platform, func(w wires) engine.Catalog { return cloudfront.Actions(w.aws, w.reads, w.Clock) }},
	{&cloudwatch.Platform, func(w wires) engine.Catalog {
		return cloudwatch.Actions(w.aws, w.reads, cloudwatch.Balancers{ARN: elb.ARN, Groups: w.balancers.Groups}, w.Clock)
	}},
	{&network.Platform, func(w wires) engine.Catalog { return network.Actions(w.aws, w.reads, w.Dial, w.InVPC, w.Clock) }},
	{&kube.Platform, func(w wires) engine.Catalog {
		return w.clusters.Actions(w.databases.Own, ecr.New(w.aws, w.reads, nil, w.Clock).Digest)
	}},
	{&velero.Platform, func(w wires) engine.Catalog {
		return velero.Actions(velero.Cluster{Objects: w.clusters.Objects, Create: w.clusters.Create, Namespace: w.clusters.Namespace}, w.Clock)
	}},
	{&drs.Platform, func(w wires) engine.Catalog { return drs.Actions(w.aws, w.reads, w.Dial, w.Clock) }},
	{nil, func(w wires) engine.Catalog { return quotas.Actions(w.aws, w.reads, usesOf(w), w.Clock) }},
	{nil, func(w wires) engine.Catalog { return ecr.Actions(w.aws, w.reads, imagesIn(w.clusters), w.Clock) }},
	{&iam.Platform, func(w wires) engine.Catalog { return iam.Actions(w.aws, w.reads, accountsIn(w.clusters), w.Clock) }},
	{&s3.Platform, func(w wires) engine.Catalog { return s3.Actions(w.aws, w.reads, w.Clock) }},
	{&sqs.Platform, func(w wires) engine.Catalog { return sqs.Actions(w.aws, w.reads, w.Clock) }},
	{&logs.Platform, func(w wires) engine.Catalog { return logs.Actions(w.aws, w.reads, w.Clock) }},
	{&xray.Platform, func(w wires) engine.Catalog { return xray.Actions(w.aws, w.reads, w.Clock) }},
	{&jaeger.Platform, func(w wires) engine.Catalog { return jaeger.Actions(w.web, w.Clock) }},
	{&sns.Platform, func(w wires) engine.Catalog { return sns.Actions(w.aws, w.reads, w.Clock) }},
	{&prometheus.Platform, func(w wires) engine.Catalog { return prometheus.Actions(w.web, w.Clock) }},
	{&grafana.Platform, func(w wires) engine.Catalog { return grafana.Actions(w.web, w.Clock, w.GrafanaToken) }},
	{&istio.Platform, func(w wires) engine.Catalog {
		return istio.Actions(istio.Cluster{Pods: w.clusters.Pods, Objects: w.clusters.Objects, Forward: w.clusters.Forward}, w.Clock)
	}},
	{&secrets.Platform, func(w wires) engine.Catalog { return secrets.Actions(w.aws, w.reads, w.Clock) }},
	{&probe.Platform, func(w wires) engine.Catalog {
		return probe.Actions(w.Dial, w.servers.Authoritative, w.databases.Answers, usersSent(w), w.Clock, w.OrderToken)
	}},
	{nil, func(w wires) engine.Catalog {
		return endpoints.Actions(endpoints.Needs{Own: w.Own, AWS: w.aws, Kube: w.Kube, Names: names})
	}},
	{&takeover.Platform, func(w wires) engine.Catalog { return takeover.Actions(w.aws, w.reads, w.shift.SeenTakeover) }},
}

// wires are the ends, and what several systems have in common.
type wires struct {
	Connections
	aws       func(region string) aws.Config
	reads     *awserr.Reads
	servers   *dns.Client
	shift     *dns.Shift
	balancers *elb.ELB
	databases *aurora.Aurora
	clusters  *kube.Kube
	pager     *pagerduty.Reader
	web       *webapi.Client
}

// Parts are what the systems have to know of the platform, for the settings.
func Parts() []runbook.Part {
	var out []runbook.Part
	for _, s := range systems {
		if s.part != nil {
			out = append(out, *s.part)
		}
	}
	return out
}

// patience is how long one call of an action may take that does not say. A check is one
// call and has its step's time.
var patience = map[runbook.Kind]time.Duration{
	runbook.Wait: 30 * time.Second, runbook.Watch: 30 * time.Second, runbook.Exercise: 30 * time.Second, runbook.Change: 15 * time.Second,
}

// wired are the ends, with what stands on them.
func wired(e Connections) wires {
	w := wires{Connections: e, aws: regional(e.AWS), reads: awserr.NewReads(e.Clock), servers: dns.NewClient(e.Dial, e.Clock)}
	w.balancers = elb.New(w.aws, w.reads, w.Clock)
	w.databases = aurora.New(w.aws, w.reads, w.Clock)
	w.clusters = kube.New(w.Kube, w.Clock)
	w.pager = pagerduty.NewReader(w.Pager, w.Dial)
	w.web = webapi.New(w.Dial, w.clusters.Proxy, w.Clock)
	lever := takeover.New(w.aws, w.reads, nil)
	w.shift = dns.NewShift(w.aws, w.reads, dns.Lever{
		Addresses: takeover.Addresses, Readable: lever.Readable, There: lever.There,
		Page: probe.New(w.Dial, w.servers.Authoritative, w.Clock, "").Page,
	})
	return w
}

// Catalog is every action that a runbook may name.
func Catalog(e Connections) engine.Catalog {
	w := wired(e)
	out := engine.Catalog{}
	for _, s := range systems {
		for id, a := range s.actions(w) {
			a.Part = s.part
			a.CallTimeout = cmp.Or(a.CallTimeout, patience[a.Kind])
			out[id] = a
		}
	}
	return out
}

// Reviews ask those who grant rights which ones the bot has, by the system.
func Reviews(e Connections) map[string]engine.Review {
	w := wired(e)
	return map[string]engine.Review{
		engine.GrantedByIAM:        iam.New(w.aws, w.reads, accountsIn(w.clusters), w.Clock).Granted,
		engine.GrantedByKubernetes: w.clusters.Granted,
	}
}

// people is who is on call and who has taken a page, in the words of who asks people.
func (w wires) people() asked.Options {
	o := asked.Options{Clock: w.Clock, Roster: w.Roster, Record: w.Record, Support: w.Support, Dial: w.Dial}
	if w.pager == nil {
		return o
	}
	o.OnCall = func(ctx context.Context) ([]asked.OnCall, error) {
		all, err := w.pager.OnCallNow(ctx)
		out := make([]asked.OnCall, len(all))
		for i, one := range all {
			out[i] = asked.OnCall(one)
		}
		return out, err
	}
	o.Taken = func(ctx context.Context, id incident.ID) ([]asked.Taken, error) {
		all, _, err := w.pager.Acknowledged(ctx, string(id))
		out := make([]asked.Taken, len(all))
		for i, one := range all {
			out[i] = asked.Taken{ID: one.ID, Name: one.Name, At: one.At}
		}
		return out, err
	}
	return o
}

// missingIn is what the platform tells of lost orders, in the words of who has what was kept.
func missingIn(w wires) aurora.Reconcile {
	p := probe.New(w.Dial, w.servers.Authoritative, w.Clock, w.OrderToken)
	return func(ctx context.Context, t runbook.Topology, r runbook.Region, c aurora.Copy) (*aurora.Missing, error) {
		orders, page, err := p.Missing(ctx, t, r, probe.Copy(c))
		if err != nil || page == "" {
			return nil, err
		}
		return &aurora.Missing{Orders: orders, Page: page}, nil
	}
}

// usersSent is what name servers tell, in the words of who asks as users do.
func usersSent(w wires) probe.Sent {
	sent := dns.NewSent(w.servers, w.InVPC)
	return func(ctx context.Context, p *runbook.Plan) ([]probe.Given, error) {
		given, err := sent.Given(ctx, p)
		out := make([]probe.Given, len(given))
		for i, g := range given {
			out[i] = probe.Given(g)
		}
		return out, err
	}
}

// imagesIn are what clusters run, in the words of who looks for the images.
func imagesIn(clusters *kube.Kube) ecr.Images {
	return func(ctx context.Context, p *runbook.Plan, r runbook.Region) ([]ecr.Image, error) {
		all, err := clusters.Images(ctx, p, r)
		out := make([]ecr.Image, len(all))
		for i, image := range all {
			out[i] = ecr.Image(image)
		}
		return out, err
	}
}

// usesOf is what other systems tell of a Region, in the words of who compares it with quotas.
func usesOf(w wires) quotas.Uses {
	return quotas.Uses{
		Balancer: elb.ARN, Targets: w.balancers.Targets, Interfaces: network.New(w.aws, w.reads, w.Dial, w.InVPC, w.Clock).Interfaces,
		Growth: func(ctx context.Context, c engine.Call) (quotas.Growth, error) {
			g, err := w.clusters.Growth(ctx, c)
			return quotas.Growth(g), err
		},
	}
}

// accountsIn are the service accounts of clusters, in the words of who looks for their roles.
func accountsIn(clusters *kube.Kube) iam.AccountsIn {
	return func(ctx context.Context, p *runbook.Plan, r runbook.Region) (iam.Accounts, error) {
		has, err := clusters.Accounts(ctx, p, r)
		out := iam.Accounts{Namespace: has.Namespace, Issuer: has.Issuer}
		for _, a := range has.All {
			out.All = append(out.All, iam.Account(a))
		}
		return out, err
	}
}

// names are the endpoints of those who tell where users are sent, of those who move them by
// routing controls, and that of users.
func names(p *runbook.Plan) ([]endpoints.Endpoint, error) {
	set, err := runbook.PartOf[dns.Settings](p.Topology, dns.Platform.Key)
	if err != nil {
		return nil, err
	}
	var out []endpoints.Endpoint
	for _, server := range set.Nameservers {
		out = append(out, endpoints.At("name server "+server, server, ""))
	}
	for _, r := range set.Resolvers {
		out = append(out, endpoints.At("resolver "+r.Name, r.Addr, ""))
	}
	if set.Strategy == dns.ByControl {
		cluster, err := arc.EndpointsOf(p.Topology)
		if err != nil {
			return nil, err
		}
		for region, at := range cluster {
			out = append(out, endpoints.At("ARC cluster in "+region, at, region))
		}
	}
	return append(out, endpoints.At("public name", p.Topology.Record, "")), nil
}

// people are asked by the engine itself.
func people() engine.Catalog {
	return engine.Catalog{
		"person.go":  {Action: runbook.Action{Kind: runbook.Go, About: "asks whether to begin to change things"}},
		"person.ask": {Action: runbook.Action{Kind: runbook.Ask, About: "asks people to do or confirm something"}},
	}
}

// regional keeps the settings of each Region, and gives them one HTTP client, so
// that clients made for a call share their connections.
func regional(config func(region string) aws.Config) func(region string) aws.Config {
	var mu sync.Mutex
	known := map[string]aws.Config{}
	return func(region string) aws.Config {
		mu.Lock()
		defer mu.Unlock()
		c, ok := known[region]
		if !ok {
			c = config(region)
			if c.HTTPClient == nil {
				c.HTTPClient = awshttp.NewBuildableClient()
			}
			c.APIOptions = append(slices.Clone(c.APIOptions), awserr.InRegion(region))
			known[region] = c
		}
		return c
	}
}
