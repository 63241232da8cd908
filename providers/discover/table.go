package discover

import "strings"

// world is what was read of the platform.
type world struct {
	Options
	regions []*region
	dns     names53
	// global clusters, datastores, distributions and what connects the networks are told by
	// more than one Region, and are the same in each.
	databases     told[database]
	caches        told[datastore]
	distributions told[distribution]
	links         told[link]
	// in is the namespace of the services as a setting, and inEach its name; empty while it
	// is open.
	in     *Setting
	inEach string
}

// finding is how one setting is found out: where it stands, and who chooses it. A * in the
// path stands for each Region in turn. nil from a choice leaves the line out.
type finding struct {
	path   string
	choose func(w *world, r *region) *Setting
}

// findings are all settings that are printed, in the order of the file.
var findings = []finding{
	{"slack.channel", open("the id of the incident channel, such as C0123456789: at the end of its details")},
	{"people", open("who may do what, at least a commander and an approver; each as in the lines above",
		"- {id: alice, slack: U0123456789, name: Alice, roles: [commander, responder], break_glass: true}",
		"- {id: bob, slack: U0234567890, name: Bob, roles: [approver, responder]}")},

	{"platform.platform", open("what people call the platform, such as E-Commerce Platform")},
	{"platform.home", (*world).home},
	{"platform.record", (*world).record},
	{"platform.regions.*.endpoint", (*world).endpoint},
	{"platform.services", (*world).services},
	{"platform.policy.lag_warn_ms", open("replication lag in ms above which it is said, such as 1000")},
	{"platform.policy.lag_confirm_ms", open("replication lag in ms above which the gate fails, such as 5000")},
	{"platform.policy.lag_bands_ms", open("lags in ms at which people are asked anew, such as [1000, 5000, 30000]")},
	{"platform.policy.objective_minutes", open("the recovery time objective in minutes, such as 30")},
	{"platform.policy.page", open("true or false: whether people on call are paged. true needs pagerduty.enabled, too")},

	{"platform.aurora.global_cluster", (*world).globalCluster},
	{"platform.aurora.regions.*.db_cluster", (*world).dbCluster},
	{"platform.aurora.regions.*.db_cluster_arn", (*world).dbClusterARN},

	{"platform.cache.global_group", (*world).globalGroup},
	{"platform.cache.regions.*.cache_group", (*world).cacheGroup},

	{"platform.dns.zone", (*world).zone},
	{"platform.dns.strategy", (*world).strategy},
	{"platform.dns.regions", (*world).noChecks},
	{"platform.dns.regions.*.health_check", (*world).healthCheck},
	{"platform.dns.regions.*.endpoint_check", (*world).endpointCheck},
	{"platform.dns.regions.*.takeover_check", (*world).takeoverCheck},
	{"platform.dns.nameservers", (*world).nameservers},
	{"platform.dns.resolvers", resolvers},

	{"platform.arc", (*world).noControls},
	{"platform.arc.cluster_endpoints", (*world).clusterEndpoints},
	{"platform.arc.regions.*.routing_control", (*world).routingControl},

	{"platform.elb.regions.*.load_balancer_arn", (*world).balancer},

	{"platform.kube.cron_jobs", (*world).cronJobs},
	{"platform.kube.consumers", (*world).consumers},
	{"platform.kube.database_env", (*world).databaseEnv},
	{"platform.kube.regions.*.namespace", (*world).namespace},
	{"platform.kube.regions.*.min_nodes_per_zone", (*world).nodesPerZone},
	{"platform.kube.regions.*.min_zones", (*world).zoneCount},

	{"platform.velero", (*world).noVelero},
	{"platform.velero.velero_namespace", (*world).veleroNamespace},
	{"platform.velero.regions.*.backup_schedule", (*world).schedule},

	{"platform.iam", (*world).noIdentities},
	{"platform.iam.regions.*.eks_cluster", (*world).identitiesIn},

	{"platform.network", (*world).noLink},
	{"platform.network.peering", (*world).peering},
	{"platform.network.transit_gateway_attachment", (*world).attachment},
	{"platform.network.regions.*.vpc", (*world).vpc},

	{"platform.cloudfront", (*world).noDistribution},
	{"platform.cloudfront.distribution", (*world).distribution},
	{"platform.cloudfront.regions.*.origin", (*world).origin},

	{"platform.s3", (*world).noBuckets},
	{"platform.s3.regions.*.buckets", (*world).buckets},

	{"platform.sqs", queues.none},
	{"platform.sqs.regions.*.queues", queues.in},

	{"platform.logs", groups.none},
	{"platform.logs.regions.*.groups", groups.in},

	{"platform.sns", topics.none},
	{"platform.sns.regions.*.topics", topics.in},

	{"platform.prometheus", (*world).noPrometheus},
	{"platform.prometheus.region_label", (*world).targetLabel},
	{"platform.prometheus.regions.*.service", (*world).prometheusService},

	{"platform.jaeger", (*world).noJaeger},
	{"platform.jaeger.region_attribute", (*world).regionAttribute},
	{"platform.jaeger.regions.*.service", (*world).jaegerService},

	{"platform.grafana", (*world).noGrafana},
	{"platform.grafana.region_label", ifGrafana("the label of the query's series that names the Region, such as region")},
	{"platform.grafana.regions.*.url", (*world).grafanaURL},
	{"platform.grafana.regions.*.datasource", ifGrafana("the uid of the data source that has the metrics of this Region")},
	{"platform.grafana.regions.*.query", ifGrafana("a query in its language whose series have that label, such as up")},

	{"platform.secrets", (*world).noSecrets},
	{"platform.secrets.names", (*world).secretNames},

	{"platform.probe.public", (*world).public},
	{"platform.probe.region_header", open("the response header that says which Region answered, such as X-Served-By-Region")},
	{"platform.probe.order", open("the path that synthetic orders are posted to, such as /api/v1/orders/synthetic-test")},

	{"platform.takeover.takeover_key", (*world).takeoverKey},
	{"platform.takeover.regions.*.takeover_bucket", (*world).takeoverBucket},

	{"kubernetes.*", (*world).noCluster},
	{"kubernetes.*.context", (*world).context},
	{"kubernetes.*.kubeconfig", (*world).kubeconfig},
	{"kubernetes.*.eks.cluster", (*world).eksCluster},
	{"kubernetes.*.eks.endpoint", (*world).eksEndpoint},
	{"kubernetes.*.eks.ca", (*world).eksCA},
}

// open is a setting that nothing tells but people. Examples are lines that may stand there.
func open(what string, examples ...string) func(*world, *region) *Setting {
	return func(*world, *region) *Setting {
		s := leave("%s", what)
		s.Why, s.People = strings.Join(examples, "\n"), true
		return s
	}
}

// settings carries the table out. What has a * is told Region by Region, as the file has
// it: all keys of one, then of the other.
func (w *world) settings() []Setting {
	var out []Setting
	add := func(path string, s *Setting) {
		if s == nil {
			return
		}
		s.Path = path
		out = append(out, *s)
	}
	block := func(path string) string { before, _, _ := strings.Cut(path, "*"); return before }
	for i := 0; i < len(findings); {
		f := findings[i]
		if !strings.Contains(f.path, "*") {
			add(f.path, f.choose(w, w.regions[0]))
			i++
			continue
		}
		end := i
		for end < len(findings) && strings.Contains(findings[end].path, "*") && block(findings[end].path) == block(f.path) {
			end++
		}
		for _, r := range w.regions {
			for _, f := range findings[i:end] {
				add(strings.Replace(f.path, "*", r.name, 1), f.choose(w, r))
			}
		}
		i = end
	}
	return out
}

// choose decides as the settings given have it, where several would do.
func (w *world) choose(path, what, none string, not *Unread, all []candidate) *Setting {
	return choice{what, none, not, all, w.Given[path]}.made()
}

// other is the other Region.
func (w *world) other(r *region) *region {
	if w.regions[0] == r {
		return w.regions[1]
	}
	return w.regions[0]
}
