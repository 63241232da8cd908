// Package providers lists everything a runbook can have done.
//
// [Catalog] is the one place where actions get their names. Each lives in the
// package of the system it speaks to; those packages do not know each other. What
// an action promises, and how it behaves when its system is down, stands there.
package providers

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"k8s.io/client-go/dynamic"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/aurora"
	"github.com/failoverbot/failoverbot/providers/awserr"
	"github.com/failoverbot/failoverbot/providers/cache"
	"github.com/failoverbot/failoverbot/providers/dns"
	"github.com/failoverbot/failoverbot/providers/elb"
	"github.com/failoverbot/failoverbot/providers/kube"
	"github.com/failoverbot/failoverbot/providers/pagerduty"
	"github.com/failoverbot/failoverbot/providers/probe"
	"github.com/failoverbot/failoverbot/providers/record"
	"github.com/failoverbot/failoverbot/providers/takeover"
)

// Ends are the wires to the outside: the real ones, or a pretend world's.
type Ends struct {
	Clock incident.Clock
	// AWS gives the settings for calls to one Region. Nothing falls back to another.
	AWS func(region string) aws.Config
	// Kube gives the client of a Region's cluster.
	Kube func(region string) (dynamic.Interface, error)
	// Dial opens the connections of DNS queries, probes and pages; nil is the
	// machine's own.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// InVPC says that resolvers inside a VPC can be reached.
	InVPC bool
	// Page is where PagerDuty events go; nil refuses them with a sentence.
	Page *pagerduty.Settings
	// OrderToken is sent with synthetic orders; may be empty. A secret.
	OrderToken string
}

// Catalog is every action that a runbook may name.
func Catalog(e Ends) engine.Catalog {
	var (
		configs  = regional(e.AWS)
		reads    = awserr.NewReads(e.Clock)
		db       = aurora.New(configs, reads, e.Clock)
		caches   = cache.New(configs, reads)
		lb       = elb.New(configs, reads)
		lever    = takeover.New(configs, reads)
		shift    = dns.NewShift(configs, reads)
		servers  = dns.NewClient(e.Dial, e.Clock)
		verify   = dns.NewVerify(servers, lb.Name, e.InVPC)
		k        = kube.New(e.Kube, e.Clock)
		pager    = pagerduty.New(e.Page, e.Dial)
		probes   = probe.New(e.Dial, servers.Authoritative, e.Clock, e.OrderToken)
		switcher = db.Switchover()
		failover = db.Failover()
		scale    = kube.Scale{Kube: k}
		fence    = kube.Fence{Kube: k}
		restart  = kube.Restart{Kube: k}
	)
	return engine.Catalog{
		"person.go": ask("asks whether to begin to change things"),

		"pagerduty.trigger": tell("pages the people on call under the incident's id", pager.Trigger, pagerduty.TriggerInput{}),
		"pagerduty.resolve": tell("resolves that page", pager.Resolve, nil),

		"probe.outage":  wait("waits until the source's own address fails from here, several times in a row", "", probes.Outage, probe.OutageInput{}, 5*time.Second, time.Minute),
		"dns.outage":    wait("waits until the zone's own servers no longer give the source out", "", verify.Outage, nil, 5*time.Second),
		"aurora.outage": wait("waits until the standby database no longer hears from its writer", "target", db.Outage, aurora.OutageInput{}, 10*time.Second),
		"record.agree":  wait("waits until enough of the named steps have found it so", "", record.Agree, record.AgreeInput{}, time.Second),

		"kube.nodes":       check("checks the target's ready nodes, zone by zone", "target", k.Nodes, nil),
		"kube.deployments": check("checks that every service exists in the target and is available there", "target", k.Deployments, nil),
		"aurora.standby":   check("checks that the target's database can be promoted", "target", db.Standby, nil),
		"aurora.lag":       check("checks the replication lag against the policy", "target", db.Lag, nil),
		"cache.standby":    check("checks that the target's cache can be promoted", "target", caches.Standby, nil),
		"elb.ready":        check("checks that the target's load balancer is active and has target groups", "target", lb.Ready, nil),
		"takeover.ready":   check("checks that the takeover object can be put and is not there", "target", lever.Ready, nil),
		"dns.guard":        check("checks that the failover records will do what is expected of them", dns.Home, shift.Guard, nil),

		"kube.scale":      change("raises a service's autoscaler minimum and replicas in the target", "target", kube.ScaleUndo, scale, kube.ScaleInput{}),
		"kube.rolled-out": wait("waits until a service is rolled out and available", "target", k.RolledOut, kube.RolledOutInput{}, 5*time.Second),
		"elb.healthy":     wait("waits until each target group of the target has healthy targets", "target", lb.Healthy, nil, 5*time.Second),

		"kube.fence":        change("stops the services that write in the source", "source", kube.FenceUndo, fence, kube.FenceInput{}, 30*time.Second),
		"aurora.switchover": noReturn(change("moves the database's writer to the target, nothing lost", "source", aurora.SwitchoverUndo, switcher, nil)),
		"aurora.failover":   noReturn(change("promotes the target's database although its writer is gone", "target", aurora.FailoverUndo, failover, nil)),
		"aurora.writable":   wait("waits until the target's database writes", "target", db.Writable, nil, 5*time.Second),
		"cache.promote":     change("makes the target's cache the primary", "target", cache.Undo, caches, nil),
		"cache.primary":     wait("waits until the target's cache is the primary", "target", caches.Primary, nil, 5*time.Second),
		"kube.restart":      change("rolls a service's pods in the target, for new connections", "target", kube.RestartUndo, restart, kube.RestartInput{}),
		"probe.write":       wait("waits until an order can be written through the target's own address", "target", probes.Write, nil, 5*time.Second),

		"dns.shift":         change("makes the primary's health check unhealthy for good, by version", dns.Home, dns.ShiftUndo, shift, nil),
		"takeover.put":      change("puts the takeover object, which moves users without a control plane", "target", takeover.Undo, lever, nil),
		"dns.authoritative": wait("waits until the zone's own servers give only the target", "", verify.Moved, nil, 5*time.Second),
		"dns.resolvers":     wait("looks until public resolvers give only the target", "", verify.Resolvers, nil, 5*time.Second),

		"probe.region": wait("waits until the public name is served by the target", "", probes.Region, nil, 5*time.Second),
		"probe.health": wait("waits until a service's health page is served well by the target", "", probes.Health, probe.HealthInput{}, 5*time.Second),
		"probe.order":  wait("waits until an order can be written and read back through the public name", "", probes.Order, nil, 5*time.Second),
		"probe.watch":  check("watches for a while that users stay with the target", "", probes.Watch, probe.WatchInput{}, slow),
	}
}

// slow is for looks that take their time by design.
const slow = 3 * time.Minute

type look = func(context.Context, engine.Call) (engine.Outcome, bool, error)

// changer is a change of one of the packages.
type changer interface {
	Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error)
	Do(ctx context.Context, c engine.Call) (engine.Outcome, error)
	Effect(ctx context.Context, c engine.Call) (incident.Effect, error)
}

func ask(about string) engine.Action {
	return engine.Action{Action: runbook.Action{Kind: runbook.Go, About: about}}
}

func tell(about string, do func(context.Context, engine.Call) (engine.Outcome, error), with any) engine.Action {
	return engine.Action{Action: runbook.Action{Kind: runbook.Tell, About: about, With: with}, Do: do}
}

func check(about, home string, f look, with any, timeout ...time.Duration) engine.Action {
	a := engine.Action{Action: runbook.Action{Kind: runbook.Check, About: about, Home: home, With: with}, Look: f, CallTimeout: 30 * time.Second}
	if len(timeout) > 0 {
		a.CallTimeout = timeout[0]
	}
	return a
}

func wait(about, home string, f look, with any, every time.Duration, timeout ...time.Duration) engine.Action {
	a := check(about, home, f, with, timeout...)
	a.Kind, a.Every = runbook.Wait, every
	return a
}

func change(about, home, undo string, c changer, with any, timeout ...time.Duration) engine.Action {
	a := engine.Action{
		Action: runbook.Action{Kind: runbook.Change, About: about, Home: home, Undo: undo, With: with},
		Look:   c.Look, Do: c.Do, Effect: c.Effect, CallTimeout: 15 * time.Second,
	}
	if len(timeout) > 0 {
		a.CallTimeout = timeout[0]
	}
	return a
}

func noReturn(a engine.Action) engine.Action {
	a.NoReturn = true
	return a
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
			known[region] = c
		}
		return c
	}
}
