package sim

import (
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// The pretend platform: the one of the source document, with documentation
// addresses and an account number from AWS' own examples.
const (
	homeRegion    = "us-east-1"
	standbyRegion = "us-west-2"
	account       = "111122223333"
	namespace     = "ecommerce-prod"
	globalCluster = "ecommerce-global"
	databaseEnv   = "DB_HOST"
	globalGroup   = "ldgnf-ecommerce"
	zoneID        = "Z0ECOMMERCE0PRETEND"
	zoneName      = "ecommerce.com"
	recordName    = "api.ecommerce.com"
	checkPrimary  = "0c0ffee0-0000-4000-8000-000000000001"
	checkEndpoint = "0c0ffee0-0000-4000-8000-000000000002"
	checkTakeover = "0c0ffee0-0000-4000-8000-000000000003"
	checkHomeOn   = "0c0ffee0-0000-4000-8000-000000000004"
	checkAwayOn   = "0c0ffee0-0000-4000-8000-000000000005"
	takeoverKey   = "takeover"
	probeKey      = "failoverbot.probe"
	regionHeader  = "X-Served-By-Region"
	cronJob       = "invoice-run"
	orderPath     = "/api/v1/orders/synthetic-test"
	ordersPath    = "/api/v1/orders"
	lostPath      = ordersPath + "/lost"
	databasePage  = "/health/db"
	inFlightPage  = "/health/in-flight"
	schemaPage    = "/health/schema"
)

// regionNames in a fixed order: everything that loops over Regions loops so.
var regionNames = []string{homeRegion, standbyRegion}

type service struct {
	topology runbook.Service
}

var services = []service{
	{runbook.Service{Name: "user-service", Replicas: 6, Standby: 2, Needed: true, Writes: true, Health: "/api/v1/users/health"}},
	{runbook.Service{Name: "order-service", Replicas: 6, Standby: 2, Needed: true, Writes: true, Health: "/api/v1/orders/health"}},
	{runbook.Service{Name: "product-service", Replicas: 4, Standby: 2, Needed: true, Health: "/api/v1/products/health"}},
	{runbook.Service{Name: "payment-service", Replicas: 4, Standby: 2, Needed: true, Writes: true, Health: "/api/v1/payments/health"}},
	{runbook.Service{Name: "notification-service", Replicas: 3, Standby: 1}},
}

func serviceNames() []string {
	names := make([]string, len(services))
	for i, s := range services {
		names[i] = s.topology.Name
	}
	return names
}

func wantedReplicas(name string) int {
	for _, s := range services {
		if s.topology.Name == name {
			return s.topology.Replicas
		}
	}
	return 0
}

// albZone are the hosted zones of the Regions' load balancers.
var albZone = map[string]string{homeRegion: "Z35SXDOTRQ7X7K", standbyRegion: "Z1H1FL5HABSF5"}

// addresses are where a Region's load balancer answers.
var addresses = map[string][]string{
	homeRegion:    {"203.0.113.10", "203.0.113.11"},
	standbyRegion: {"198.51.100.10", "198.51.100.11"},
}

func regionOfAddress(ip string) string {
	switch {
	case strings.HasPrefix(ip, "203.0.113."):
		return homeRegion
	case strings.HasPrefix(ip, "198.51.100."):
		return standbyRegion
	}
	for region := range privateNets {
		if host, _, _ := strings.Cut(reachAddr(region), ":"); ip == host {
			return region
		}
	}
	return ""
}

func otherRegion(region string) string {
	if region == homeRegion {
		return standbyRegion
	}
	return homeRegion
}

func endpointHost(region string) string { return region + "." + recordName }
func albName(region string) string {
	return "ecommerce-alb-" + region + "." + region + ".elb.amazonaws.com"
}
func bucketName(region string) string { return "ecommerce-takeover-" + region }
func bucketHost(region string) string { return bucketName(region) + ".s3." + region + ".amazonaws.com" }
func cacheGroup(region string) string { return "ecommerce-cache-" + region }
func clusterName(region string) string {
	if region == homeRegion {
		return "ecommerce-primary"
	}
	return "ecommerce-secondary"
}

func clusterARN(region string) string {
	return clusterARNOf(region, clusterName(region))
}

func albARN(region string) string {
	return fmt.Sprintf("arn:aws:elasticloadbalancing:%s:%s:loadbalancer/app/ecommerce-alb-%s/50dc6c495c0c9188", region, account, region)
}

func targetGroupARN(region, name string) string {
	return fmt.Sprintf("arn:aws:elasticloadbalancing:%s:%s:targetgroup/%s/73e2d6bc24d8a067", region, account, name)
}

func regionOfALB(name string) string {
	for _, r := range regionNames {
		if sameName(name, albName(r)) {
			return r
		}
	}
	return ""
}

// sameName compares names of the DNS.
func sameName(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

func uidOf(words ...any) types.UID {
	a, b := draw(1, 1<<62, words...), draw(2, 1<<62, words...)
	return types.UID(fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", a&0xffffffff, a>>32&0xffff, a>>48&0xfff, b&0xfff, b>>12&0xffffffffffff))
}

// Topology is the whole platform as settings would describe it, with this world's
// own name servers and resolvers. What a system has to know stands under its key as
// in the settings: the world does not know the bot's side of it.
func (w *World) Topology() runbook.Topology {
	t := runbook.Topology{
		Platform: "E-Commerce Platform", Home: homeRegion, Record: recordName, Regions: map[string]runbook.Region{},
		Policy: runbook.Policy{LagWarnMS: 1000, LagConfirmMS: 5000, LagBandsMS: []int{1000, 5000, 30000}, ObjectiveMinutes: 30},
		Parts:  map[string]json.RawMessage{},
	}
	for _, r := range regionNames {
		t.Regions[r] = runbook.Region{Name: r, Endpoint: "http://" + endpointHost(r)}
	}
	for _, s := range services {
		t.Services = append(t.Services, s.topology)
	}
	for key, part := range w.parts() {
		data, err := json.Marshal(part)
		if err != nil {
			panic(err) // texts and numbers alone
		}
		t.Parts[key] = data
	}
	return t
}

// keys are those of a mapping in the settings.
type keys = map[string]any

// inRegions is a mapping for each Region.
func inRegions(of func(region string) keys) keys {
	out := keys{}
	for _, r := range regionNames {
		out[r] = of(r)
	}
	return out
}

func (w *World) parts() keys {
	var servers []string
	for _, n := range nameserverNames {
		servers = append(servers, w.address(n))
	}
	var resolvers []keys
	for _, r := range resolverNames {
		resolvers = append(resolvers, keys{"name": r, "addr": w.address(r)})
	}
	resolvers = append(resolvers, keys{"name": "AWS VPC", "addr": "169.254.169.253:53", "vpc_only": true})
	names := keys{
		"zone": zoneID, "nameservers": servers, "resolvers": resolvers,
		"regions": keys{homeRegion: keys{"health_check": checkPrimary, "endpoint_check": checkEndpoint, "takeover_check": checkTakeover}},
	}
	if s := w.scn.Start.Strategy; s != "" {
		names["strategy"] = s
	}
	controls := keys{}
	if w.scn.Start.Strategy == routingControl {
		controls = keys{"cluster_endpoints": clusterEndpoints(), "regions": inRegions(func(r string) keys {
			return keys{"routing_control": controlARN(r)}
		})}
	}
	called := w.called.Load()
	return keys{
		"arc": controls,
		"aurora": keys{"global_cluster": called.global(), "regions": inRegions(func(r string) keys {
			return keys{"db_cluster": called.cluster(r), "db_cluster_arn": clusterARNOf(r, called.cluster(r))}
		})},
		"cache": keys{"global_group": globalGroup, "regions": inRegions(func(r string) keys {
			return keys{"cache_group": cacheGroup(r), "reach": "redis://" + cacheHost(r) + ":6379"}
		})},
		"elb": keys{"regions": inRegions(func(r string) keys { return keys{"load_balancer_arn": albARN(r)} })},
		"kube": keys{"cron_jobs": []string{cronJob}, "database_env": databaseEnv, "differing_keys": []string{ownKey}, "regions": inRegions(func(string) keys {
			return keys{"namespace": namespace, "min_nodes_per_zone": 2, "min_zones": 3}
		})},
		"iam": keys{"regions": inRegions(func(string) keys { return keys{"eks_cluster": eksCluster} })},
		"cloudfront": keys{
			"distribution": distributionID, "regions": inRegions(func(r string) keys { return keys{"origin": originOf(r)} }),
		},
		"cloudwatch": keys{},
		"network":    keys{"peering": PeeringID, "regions": inRegions(func(r string) keys { return keys{"vpc": vpcID(r), "reach": reachAddr(r)} })},
		"s3":         keys{"probe_key": probeKey, "regions": inRegions(func(r string) keys { return keys{"buckets": []string{assetsBucket(r)}} })},
		"logs":       keys{"regions": inRegions(func(string) keys { return keys{"groups": []string{logGroup}} })},
		"xray":       keys{"traces": true},
		"sqs":        keys{"regions": inRegions(func(string) keys { return keys{"queues": []string{orderQueue}} })},
		"sns":        keys{"regions": inRegions(func(r string) keys { return keys{"topics": []string{topicARN(r)}} })},
		"prometheus": keys{"region_label": "region", "regions": inRegions(func(r string) keys {
			return keys{"url": "http://" + monitoringHost(r), "service": monitoringService}
		})},
		"grafana": keys{"region_label": "region", "regions": inRegions(func(r string) keys {
			return keys{"url": "http://" + monitoringHost(r), "datasource": grafanaSource, "query": "up"}
		})},
		"jaeger": keys{"region_attribute": jaegerRegion, "regions": inRegions(func(r string) keys {
			return keys{"url": "http://" + monitoringHost(r), "service": jaegerService}
		})},
		"istio":   keys{"istio_namespace": istioNamespace},
		"people":  keys{"access_days": 90},
		"secrets": keys{"names": []string{secretsPrefix + "*"}},
		"drs":     keys{"server_probe_port": serverProbePort, "server_probe_path": serverProbePath},
		"velero":  keys{"max_age_minutes": 15, "regions": inRegions(func(string) keys { return keys{"backup_schedule": backupSchedule} })},
		"dns":     names,
		"probe": keys{
			"public": "http://" + recordName, "region_header": regionHeader, "order": orderPath,
			"last_orders": ordersPath, "last_orders_id": "orders.id", "lost_orders": lostPath, "lost_orders_id": "orders.id", "database_page": databasePage,
			"in_flight_page": inFlightPage, "in_flight_field": "requests.open", "schema_page": schemaPage, "schema_field": "schema",
		},
		"takeover": keys{"takeover_key": takeoverKey, "regions": inRegions(func(r string) keys { return keys{"takeover_bucket": bucketName(r)} })},
	}
}
