package discover

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// app is a program that is known in a cluster by the image that it runs from, and reached
// by the Services and Ingresses that lead to it.
type app struct {
	name string
	// images are the last parts of its images' names.
	images []string
	// port is the one that it listens on where its container declares none.
	port int32
	// one says that it answers queries on that port alone, whatever else it listens on.
	one bool
	// unlike are arguments with which it is something else.
	unlike []string
}

var (
	// An agent forwards what it scrapes, and answers no query.
	prometheusApp = app{name: "Prometheus", images: []string{"prometheus"}, port: 9090, unlike: []string{"--agent", "--enable-feature=agent"}}
	jaegerApp     = app{name: "Jaeger", images: []string{"jaeger-query", "all-in-one", "jaeger"}, port: 16686, one: true}
	grafanaApp    = app{name: "Grafana", images: []string{"grafana", "grafana-oss", "grafana-enterprise"}, port: 3000}
)

// workload is a Deployment or a StatefulSet that has pods.
type workload struct {
	kind, namespace, name string
	pod                   corev1.PodTemplateSpec
}

func (r *region) workloads() (all []workload) {
	for _, d := range r.deployments.all {
		if asked(d) > 0 {
			all = append(all, workload{"Deployment", d.Namespace, d.Name, d.Spec.Template})
		}
	}
	for _, s := range r.statefulSets.all {
		if s.Spec.Replicas == nil || *s.Spec.Replicas > 0 {
			all = append(all, workload{"StatefulSet", s.Namespace, s.Name, s.Spec.Template})
		}
	}
	return all
}

// imageName is the last part of an image's name, without its registry, tag and digest.
func imageName(image string) string {
	image, _, _ = strings.Cut(image, "@")
	image = image[strings.LastIndex(image, "/")+1:]
	image, _, _ = strings.Cut(image, ":")
	return image
}

// container is the one of a workload that an app runs in; nil for none.
func (a app) container(w workload) *corev1.Container {
	for i, c := range w.pod.Spec.Containers {
		if slices.Contains(a.images, imageName(c.Image)) && !slices.ContainsFunc(slices.Concat(c.Command, c.Args), func(arg string) bool { return slices.Contains(a.unlike, arg) }) {
			return &w.pod.Spec.Containers[i]
		}
	}
	return nil
}

// listens says that a port of a Service leads to the app in a container.
func (a app) listens(c *corev1.Container, p corev1.ServicePort) bool {
	to := p.TargetPort
	if to == (intstr.IntOrString{}) {
		to = intstr.FromInt32(p.Port) // as Kubernetes has it
	}
	if len(c.Ports) == 0 {
		return to.IntVal == a.port
	}
	return slices.ContainsFunc(c.Ports, func(own corev1.ContainerPort) bool {
		if a.one && own.ContainerPort != a.port {
			return false
		}
		return to.Type == intstr.String && own.Name == to.StrVal || to.Type == intstr.Int && own.ContainerPort == to.IntVal
	})
}

// place is a port of a Service that leads to an app.
type place struct {
	service corev1.Service
	port    corev1.ServicePort
	of      workload
}

// String is it as the settings have it: namespace/name:port.
func (p place) String() string {
	return fmt.Sprintf("%s/%s:%d", p.service.Namespace, p.service.Name, p.port.Port)
}

// places are where an app is reached in a Region's cluster, each once, and the workloads that
// it runs as. A Service without an address of its own is left out where there is another one.
func (r *region) places(a app) (out []place, as []workload) {
	for _, w := range r.workloads() {
		c := a.container(w)
		if c == nil {
			continue
		}
		as = append(as, w)
		var all []place
		for _, s := range r.services.all {
			if s.Namespace != w.namespace || len(s.Spec.Selector) == 0 || !labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(w.pod.Labels)) {
				continue
			}
			for _, p := range s.Spec.Ports {
				if a.listens(c, p) {
					all = append(all, place{s, p, w})
				}
			}
		}
		headless := func(p place) bool { return p.service.Spec.ClusterIP == corev1.ClusterIPNone }
		if own := slices.DeleteFunc(slices.Clone(all), headless); len(own) > 0 {
			all = own
		}
		for _, p := range all {
			if !slices.ContainsFunc(out, func(o place) bool { return o.String() == p.String() }) {
				out = append(out, p)
			}
		}
	}
	return out, as
}

func workloadsUnread(r *region) *Unread {
	return cmp.Or(r.deployments.not, r.statefulSets.not, r.services.not)
}

// without is said of an app that runs in neither cluster, or of which that is not known; wanted
// is what stands below the key otherwise.
func (w *world) without(a app, key, wanted string) *Setting {
	looked := 0
	for _, r := range w.regions {
		if _, as := r.places(a); len(as) > 0 {
			return nil
		}
		looked += len(r.deployments.all) + len(r.statefulSets.all)
	}
	if why := w.clusterUnread(workloadsUnread); why != "" {
		return leave("%s, or leave %s out (%s)", wanted, key, why)
	}
	return left("No Deployment and no StatefulSet of either cluster runs %s by its image; %d looked at.", a.name, looked)
}

// unplaced says why no place of an app is known in a Region.
func (r *region) unplaced(a app, as []workload) (why string, read bool) {
	switch not := workloadsUnread(r); {
	case r.cluster == nil:
		return "the cluster of " + r.name + " is not known", false
	case not != nil:
		return not.brief(), false
	case len(as) > 0:
		return fmt.Sprintf("no Service leads to it, which is the %s %s of %s", as[0].kind, as[0].name, as[0].namespace), true
	}
	return fmt.Sprintf("none of %s in the cluster of %s runs its image", count(len(r.deployments.all)+len(r.statefulSets.all), "workload"), r.name), true
}

// ---- Prometheus ----

func (w *world) noPrometheus(*region) *Setting {
	return w.without(prometheusApp, "prometheus", "regions: with the url or the service of each, and region_label")
}

// targetLabel is asked for where there is a Prometheus: its targets are not looked at.
func (w *world) targetLabel(*region) *Setting {
	if w.noPrometheus(nil) != nil {
		return nil
	}
	return leave("the label of its targets that names their Region, such as region; or leave the line out").knownToPeople()
}

func (w *world) prometheusService(r *region) *Setting {
	if w.noPrometheus(nil) != nil {
		return nil
	}
	return w.serviceOf(prometheusApp, "platform.prometheus", r)
}

// serviceOf is the one Service that leads to an app in a Region's cluster.
func (w *world) serviceOf(a app, key string, r *region) *Setting {
	what := "the service of " + a.name + " as namespace/name:port, or url: with its address"
	places, as := r.places(a)
	var all []candidate
	for _, p := range places {
		all = append(all, candidate{p.String(), fmt.Sprintf("The one Service that leads to %s, the %s %s.", a.name, p.of.kind, p.of.name)})
	}
	why, read := r.unplaced(a, as)
	if len(all) == 0 && !read {
		return leave("%s (%s)", what, why)
	}
	return w.choose(key+".regions."+r.name+".service", what, why, workloadsUnread(r), all)
}

// ---- Jaeger ----

func (w *world) noJaeger(*region) *Setting {
	return w.without(jaegerApp, "jaeger", "regions: with the url or the service of each, and region_attribute")
}

// regionAttribute is asked for where there is a Jaeger: its traces are not looked at.
func (w *world) regionAttribute(*region) *Setting {
	if w.noJaeger(nil) != nil {
		return nil
	}
	return leave("the attribute of spans or of their resource that names the Region, such as cloud.region; or leave the line out").knownToPeople()
}

func (w *world) jaegerService(r *region) *Setting {
	if w.noJaeger(nil) != nil {
		return nil
	}
	return w.serviceOf(jaegerApp, "platform.jaeger", r)
}

// ---- Grafana ----

// ingress is what is needed of one.
//
// https://kubernetes.io/docs/reference/kubernetes-api/service-resources/ingress-v1/
type ingress struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     struct {
		TLS []struct {
			Hosts []string `json:"hosts"`
		} `json:"tls"`
		Rules []struct {
			Host string `json:"host"`
			HTTP struct {
				Paths []struct {
					Path    string `json:"path"`
					Backend struct {
						Service struct {
							Name string `json:"name"`
							Port struct {
								Name   string `json:"name"`
								Number int32  `json:"number"`
							} `json:"port"`
						} `json:"service"`
					} `json:"backend"`
				} `json:"paths"`
			} `json:"http"`
		} `json:"rules"`
	} `json:"spec"`
}

// Ingresses of AWS' load balancer controller have their certificates in annotations.
//
// https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/ingress/annotations/
const (
	albCertificate = "alb.ingress.kubernetes.io/certificate-arn"
	albListeners   = "alb.ingress.kubernetes.io/listen-ports"
)

// scheme is how a host of an Ingress is spoken to.
func (i ingress) scheme(host string) string {
	_, parent, _ := strings.Cut(host, ".")
	for _, t := range i.Spec.TLS {
		if len(t.Hosts) == 0 || slices.Contains(t.Hosts, host) || slices.Contains(t.Hosts, "*."+parent) {
			return "https"
		}
	}
	if i.Metadata.Annotations[albCertificate] != "" || strings.Contains(i.Metadata.Annotations[albListeners], `"HTTPS"`) {
		return "https"
	}
	return "http"
}

// simple are the paths that stand for themselves.
var simple = regexp.MustCompile(`^[A-Za-z0-9/_-]*$`)

// addresses are those by which Ingresses lead to a place.
func (r *region) addresses(p place) (all []candidate) {
	for _, i := range r.ingresses.all {
		for _, rule := range i.Spec.Rules {
			for _, path := range rule.HTTP.Paths {
				to := path.Backend.Service
				at := strings.TrimRight(strings.TrimSuffix(path.Path, "*"), "/")
				if i.Metadata.Namespace != p.service.Namespace || to.Name != p.service.Name || to.Port.Number != p.port.Port && (to.Port.Name == "" || to.Port.Name != p.port.Name) ||
					rule.Host == "" || strings.Contains(rule.Host, "*") || !simple.MatchString(at) {
					continue
				}
				c := candidate{i.scheme(rule.Host) + "://" + rule.Host + at, fmt.Sprintf("The Ingress %s leads from there to the %s %s.", i.Metadata.Name, p.of.kind, p.of.name)}
				if !slices.ContainsFunc(all, func(o candidate) bool { return o.value == c.value }) {
					all = append(all, c)
				}
			}
		}
	}
	return all
}

func (w *world) noGrafana(*region) *Setting {
	return w.without(grafanaApp, "grafana", "region_label, and by Region url, datasource and query")
}

// ifGrafana is what people alone know where there is one.
func ifGrafana(what string) func(*world, *region) *Setting {
	return func(w *world, _ *region) *Setting {
		if w.noGrafana(nil) != nil {
			return nil
		}
		return leave("%s", what).knownToPeople()
	}
}

// grafanaURL is the address of the Grafana in a Region's own cluster. That of the other may
// show it, too, but goes with its Region.
func (w *world) grafanaURL(r *region) *Setting {
	if w.noGrafana(nil) != nil {
		return nil
	}
	what := "the address of the Grafana that shows " + r.name
	places, as := r.places(grafanaApp)
	var all []candidate
	var services []string
	for _, p := range places {
		services = append(services, p.String())
		all = append(all, r.addresses(p)...)
	}
	none, read := r.unplaced(grafanaApp, as)
	not := cmp.Or(workloadsUnread(r), r.ingresses.not)
	switch {
	case len(places) == 0 && !read:
		return leave("%s (%s)", what, none)
	case len(places) > 0:
		none = fmt.Sprintf("no Ingress with a host leads to %s", sentence(services, "and"))
	}
	return w.choose("platform.grafana.regions."+r.name+".url", what, none, not, all)
}
