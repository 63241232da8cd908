package discover

import (
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// cluster is a region whose cluster has the objects of a manifest.
func cluster(t *testing.T, name, manifest string) *region {
	t.Helper()
	r := &region{name: name, cluster: &Cluster{}}
	for doc := range strings.SplitSeq(manifest, "\n---\n") {
		if strings.TrimSpace(doc) == "" {
			continue
		}
		var o map[string]any
		if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
			t.Fatal(err)
		}
		switch kind := fmt.Sprint(o["kind"]); kind {
		case "Deployment":
			add(t, &r.deployments, o)
		case "StatefulSet":
			add(t, &r.statefulSets, o)
		case "Service":
			add(t, &r.services, o)
		case "Ingress":
			add(t, &r.ingresses, o)
		default:
			t.Fatalf("a %s", kind)
		}
	}
	return r
}

func add[T any](t *testing.T, to *told[T], o map[string]any) {
	t.Helper()
	var v T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o, &v); err != nil {
		t.Fatal(err)
	}
	to.all = append(to.all, v)
}

// As the operator and its stack of charts install it: a StatefulSet with sidecars, a Service
// of the chart's and one without an address.
const operated = `
kind: StatefulSet
metadata: {namespace: monitoring, name: prometheus-stack-prometheus}
spec:
  replicas: 2
  serviceName: prometheus-operated
  selector: {matchLabels: {app.kubernetes.io/name: prometheus}}
  template:
    metadata: {labels: {app.kubernetes.io/name: prometheus, operator.prometheus.io/name: stack-prometheus}}
    spec:
      containers:
      - {name: prometheus, image: "quay.io/prometheus/prometheus:v3.5.0@sha256:0123", ports: [{name: http-web, containerPort: 9090}]}
      - {name: config-reloader, image: "quay.io/prometheus-operator/prometheus-config-reloader:v0.85.0", ports: [{name: reloader-web, containerPort: 8080}]}
      - {name: thanos-sidecar, image: "quay.io/thanos/thanos:v0.39.2", ports: [{name: grpc, containerPort: 10901}]}
---
kind: Deployment
metadata: {namespace: monitoring, name: stack-operator}
spec:
  selector: {matchLabels: {app: stack-operator}}
  template:
    metadata: {labels: {app: stack-operator}}
    spec: {containers: [{name: operator, image: "quay.io/prometheus-operator/prometheus-operator:v0.85.0", ports: [{containerPort: 10250}]}]}
---
kind: Service
metadata: {namespace: monitoring, name: stack-prometheus}
spec:
  selector: {app.kubernetes.io/name: prometheus, operator.prometheus.io/name: stack-prometheus}
  ports: [{name: http-web, port: 9090, targetPort: 9090}, {name: reloader-web, port: 8080, targetPort: reloader-web}]
---
kind: Service
metadata: {namespace: monitoring, name: prometheus-operated}
spec: {clusterIP: None, selector: {app.kubernetes.io/name: prometheus}, ports: [{name: http-web, port: 9090, targetPort: http-web}]}
---
kind: Service
metadata: {namespace: monitoring, name: stack-thanos-discovery}
spec: {clusterIP: None, selector: {app.kubernetes.io/name: prometheus}, ports: [{name: grpc, port: 10901, targetPort: grpc}]}
---
kind: Service
metadata: {namespace: shop, name: prometheus}
spec: {selector: {app.kubernetes.io/name: prometheus}, ports: [{port: 9090}]}
---
kind: Service
metadata: {namespace: monitoring, name: without-a-selector}
spec: {ports: [{port: 9090}]}
`

// As the chart of Prometheus alone installs it: a Deployment, and a Service on port 80.
const community = `
kind: Deployment
metadata: {namespace: prom, name: prometheus-server}
spec:
  selector: {matchLabels: {app.kubernetes.io/component: server}}
  template:
    metadata: {labels: {app.kubernetes.io/name: prometheus, app.kubernetes.io/component: server}}
    spec:
      containers:
      - {name: prometheus-server-configmap-reload, image: "quay.io/prometheus-operator/prometheus-config-reloader:v0.85.0"}
      - {name: prometheus-server, image: "123456789012.dkr.ecr.us-west-2.amazonaws.com/mirror/prometheus", args: [--config.file=/etc/config/prometheus.yml], ports: [{containerPort: 9090}]}
---
kind: Service
metadata: {namespace: prom, name: prometheus-server}
spec: {selector: {app.kubernetes.io/name: prometheus, app.kubernetes.io/component: server}, ports: [{name: http, port: 80, targetPort: 9090}]}
`

const grafana = `
kind: Deployment
metadata: {namespace: monitoring, name: grafana}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: grafana}}
  template:
    metadata: {labels: {app.kubernetes.io/name: grafana}}
    spec:
      containers:
      - {name: sidecar, image: "quay.io/kiwigrid/k8s-sidecar:1.30.7"}
      - {name: grafana, image: "docker.io/grafana/grafana:12.1.0", ports: [{name: grafana, containerPort: 3000}]}
---
kind: Service
metadata: {namespace: monitoring, name: stack-grafana}
spec: {selector: {app.kubernetes.io/name: grafana}, ports: [{name: http-web, port: 80, targetPort: grafana}]}
---
kind: Ingress
metadata: {namespace: elsewhere, name: grafana}
spec: {rules: [{host: elsewhere.example.com, http: {paths: [{path: /, backend: {service: {name: stack-grafana, port: {number: 80}}}, pathType: Prefix}]}}]}
`

// ingressTo is an Ingress with that metadata and specification.
func ingressTo(metadata, spec string) string {
	return grafana + "---\nkind: Ingress\nmetadata: {namespace: monitoring, name: web" + metadata + "}\nspec: {" + spec + "}\n"
}

func rule(host, path, port string) string {
	return fmt.Sprintf(`{host: %q, http: {paths: [{path: %s, pathType: ImplementationSpecific, backend: {service: {name: stack-grafana, port: {%s}}}}]}}`, host, path, port)
}

// Prometheus and Grafana are known by their images, and by what leads to their containers.
func TestWhatMonitorsAClusterIsKnownByItsImage(t *testing.T) {
	const service, url = "platform.prometheus.regions.us-east-1.service", "platform.grafana.regions.us-east-1.url"
	const prometheusOpen = "the service of Prometheus as namespace/name:port, or url: with its address"
	const grafanaOpen = "the address of the Grafana that shows us-east-1"
	for name, c := range map[string]struct {
		east, path, want, why string
	}{
		"the operator's": {operated, service, "monitoring/stack-prometheus:9090", "The one Service that leads to Prometheus, the StatefulSet prometheus-stack-prometheus."},
		"the operator's alone": {
			strings.Replace(operated, "{app.kubernetes.io/name: prometheus, operator.prometheus.io/name: stack-prometheus}\n  ports", "{app: none}\n  ports", 1),
			service, "monitoring/prometheus-operated:9090", "The one Service that leads to Prometheus, the StatefulSet prometheus-stack-prometheus.",
		},
		"a chart's":         {community, service, "prom/prometheus-server:80", "The one Service that leads to Prometheus, the Deployment prometheus-server."},
		"no ports declared": {strings.Replace(community, ", ports: [{containerPort: 9090}]", "", 1), service, "prom/prometheus-server:80", "The one Service that leads to Prometheus, the Deployment prometheus-server."},
		"two of them":       {operated + "---" + community, service, prometheusOpen + ": prom/prometheus-server:80 or monitoring/stack-prometheus:9090", "2 would do, and none is the better one."},
		"an agent":          {strings.Replace(community, "[--config.file", "[--agent, --config.file", 1), service, prometheusOpen + " (none of 1 workload in the cluster of us-east-1 runs its image)", ""},
		"scaled to nothing": {strings.Replace(operated, "replicas: 2", "replicas: 0", 1), service, prometheusOpen + " (none of 2 workloads in the cluster of us-east-1 runs its image)", ""},
		"no Service": {
			strings.Replace(community, "targetPort: 9090", "targetPort: 8080", 1), service,
			prometheusOpen + " (no Service leads to it, which is the Deployment prometheus-server of prom)", "",
		},
		"no Ingress":       {grafana, url, grafanaOpen + " (no Ingress with a host leads to monitoring/stack-grafana:80)", ""},
		"by a port's name": {ingressTo("", "tls: [{hosts: [g.example.com]}], rules: ["+rule("g.example.com", "/", "name: http-web")+"]"), url, "https://g.example.com", "The Ingress web leads from there to the Deployment grafana."},
		"below a path":     {ingressTo("", "tls: [{hosts: ['*.example.com']}], rules: ["+rule("g.example.com", "/grafana/", "number: 80")+"]"), url, "https://g.example.com/grafana", "The Ingress web leads from there to the Deployment grafana."},
		"by a load balancer of AWS'": {
			ingressTo(`, annotations: {alb.ingress.kubernetes.io/listen-ports: '[{"HTTPS":443}]'}`, "rules: ["+rule("g.example.com", "/*", "number: 80")+"]"),
			url, "https://g.example.com", "The Ingress web leads from there to the Deployment grafana.",
		},
		"with a certificate of AWS'": {
			ingressTo(`, annotations: {alb.ingress.kubernetes.io/certificate-arn: arn}`, "rules: ["+rule("g.example.com", "/", "number: 80")+"]"),
			url, "https://g.example.com", "The Ingress web leads from there to the Deployment grafana.",
		},
		"without TLS":       {ingressTo("", "tls: [{hosts: [other.example.com]}], rules: ["+rule("g.example.com", "/", "number: 80")+"]"), url, "http://g.example.com", "The Ingress web leads from there to the Deployment grafana."},
		"another port":      {ingressTo("", "rules: ["+rule("g.example.com", "/", "number: 8080")+"]"), url, grafanaOpen + " (no Ingress with a host leads to monitoring/stack-grafana:80)", ""},
		"no host":           {ingressTo("", "rules: ["+rule("", "/", "number: 80")+"]"), url, grafanaOpen + " (no Ingress with a host leads to monitoring/stack-grafana:80)", ""},
		"a host that is *":  {ingressTo("", "rules: ["+rule("*.example.com", "/", "number: 80")+"]"), url, grafanaOpen + " (no Ingress with a host leads to monitoring/stack-grafana:80)", ""},
		"a path with words": {ingressTo("", "rules: ["+rule("g.example.com", "/x(/|$)(.*)", "number: 80")+"]"), url, grafanaOpen + " (no Ingress with a host leads to monitoring/stack-grafana:80)", ""},
		"two hosts": {
			ingressTo("", "rules: ["+rule("g.example.com", "/", "number: 80")+", "+rule("h.example.com", "/", "number: 80")+"]"), url,
			grafanaOpen + ": http://g.example.com or http://h.example.com", "2 would do, and none is the better one.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{regions: []*region{cluster(t, east, c.east), cluster(t, west, operated+"---"+grafana)}}
			got := w.prometheusService(w.regions[0])
			if c.path == url {
				got = w.grafanaURL(w.regions[0])
			}
			if is := got.said(); is != c.want || got.Why != c.why {
				t.Errorf("%q, %q\nwant %q, %q", is, got.Why, c.want, c.why)
			}
		})
	}
}

// As its operator installs it: all in one, with a Service for queries and one for spans.
const jaeger = `
kind: Deployment
metadata: {namespace: tracing, name: simplest}
spec:
  selector: {matchLabels: {app: jaeger}}
  template:
    metadata: {labels: {app: jaeger}}
    spec:
      containers:
      - {name: jaeger, image: "docker.io/jaegertracing/all-in-one:1.62.0", ports: [{name: query, containerPort: 16686}, {name: otlp, containerPort: 4317}, {name: admin, containerPort: 14269}]}
---
kind: Service
metadata: {namespace: tracing, name: simplest-query}
spec: {selector: {app: jaeger}, ports: [{name: http-query, port: 80, targetPort: query}, {name: admin, port: 14269, targetPort: 14269}]}
---
kind: Service
metadata: {namespace: tracing, name: simplest-collector}
spec: {selector: {app: jaeger}, ports: [{name: otlp, port: 4317, targetPort: otlp}]}
`

// Jaeger is known by its image, too, and by what leads to the port of its queries.
func TestJaegerIsFoundByItsImage(t *testing.T) {
	w := &world{regions: []*region{cluster(t, east, operated+"---"+jaeger), cluster(t, west, operated)}}
	if got := w.jaegerService(w.regions[0]); got.Value != "tracing/simplest-query:80" || got.Why != "The one Service that leads to Jaeger, the Deployment simplest." {
		t.Errorf("%+v", got)
	}
	if got := w.jaegerService(w.regions[1]); got == nil || got.Value != nil || !strings.Contains(got.Ask, "the service of Jaeger as namespace/name:port, or url: with its address (none of 2 workloads in the cluster of us-west-2 runs its image)") {
		t.Errorf("%+v", got)
	}
	if got := w.regionAttribute(nil); got == nil || !got.People || w.noJaeger(nil) != nil {
		t.Errorf("%+v", got)
	}
	w.regions[0] = cluster(t, east, operated)
	if got := w.noJaeger(nil); got == nil || !got.Left || !strings.Contains(got.Why, "runs Jaeger by its image") || w.jaegerService(w.regions[0]) != nil || w.regionAttribute(nil) != nil {
		t.Errorf("%+v", got)
	}
}

// Where neither cluster runs it, it is left out, and nothing of it is asked for; where one
// cluster could not be read, that is said.
func TestWhatMonitorsNoClusterIsLeftOut(t *testing.T) {
	w := &world{regions: []*region{cluster(t, east, operated), cluster(t, west, operated)}}
	if got := w.noGrafana(nil); got == nil || !got.Left || got.Why != "No Deployment and no StatefulSet of either cluster runs Grafana by its image; 4 looked at." {
		t.Errorf("%+v", got)
	}
	for _, f := range findings {
		if strings.HasPrefix(f.path, "platform.grafana.") && f.choose(w, w.regions[0]) != nil {
			t.Errorf("%s is asked for", f.path)
		}
	}
	w.regions[1].statefulSets = told[appsv1.StatefulSet]{not: &Unread{Right: "list statefulsets.apps", Region: west, Refused: true}}
	if got := w.noGrafana(nil); got == nil || got.Ask != "region_label, and by Region url, datasource and query, or leave grafana out (list statefulsets.apps was refused in us-west-2)" {
		t.Errorf("%+v", got)
	}
	if got := w.prometheusService(w.regions[0]); got.Value != "monitoring/stack-prometheus:9090" {
		t.Errorf("%+v", got)
	}
	if got := w.prometheusService(w.regions[1]); !strings.HasSuffix(got.Ask, "(list statefulsets.apps was refused in us-west-2)") || got.Gone {
		t.Errorf("%+v", got)
	}
	w.regions[1].cluster = nil
	if got := w.prometheusService(w.regions[1]); !strings.HasSuffix(got.Ask, "(the cluster of us-west-2 is not known)") || got.Gone {
		t.Errorf("%+v", got)
	}
}
