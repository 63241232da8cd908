package discover

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// addOns are namespaces in which, by custom, no service of a platform runs: what they hold
// is in every cluster.
var addOns = []string{
	"amazon-cloudwatch", "argocd", "cert-manager", "external-dns", "external-secrets", "fluent-bit", "flux-system", "grafana", "ingress-nginx", "istio-ingress",
	"istio-system", "karpenter", "keda", "kube-node-lease", "kube-public", "kube-system", "logging", "monitoring", "observability", "prometheus", "velero",
}

// readCluster reads the EKS clusters of a Region, and looks into the one that is named, or
// is the only one.
func (l *look) readCluster(ctx context.Context, r *region) {
	if c, ok := l.Clusters[r.name]; ok {
		r.cluster = &c
	}
	list := l.clusterNames(ctx, r.name)
	r.clusters.not = list.not
	clusters := make([]told[Cluster], len(list.all))
	var reads []func()
	for i, name := range list.all {
		reads = append(reads, func() { clusters[i] = l.cluster(ctx, r.name, name) })
	}
	l.together(reads...)
	for _, c := range clusters {
		r.clusters.all = append(r.clusters.all, c.all...)
		if c.not != nil {
			r.clusters.not = c.not
		}
	}
	given := l.Given["kubernetes."+r.name+".eks.cluster"]
	switch i := slices.IndexFunc(r.clusters.all, func(c Cluster) bool { return c.Name == given }); {
	case r.cluster != nil: // a context: what it is in EKS is told by the address
		if i := slices.IndexFunc(r.clusters.all, func(c Cluster) bool { return strings.EqualFold(c.Endpoint, r.cluster.Endpoint) }); i >= 0 {
			r.cluster.Name, r.cluster.vpc = r.clusters.all[i].Name, r.clusters.all[i].vpc
		}
	case i >= 0:
		r.cluster = &r.clusters.all[i]
	case len(r.clusters.all) == 1 && r.clusters.not == nil:
		r.cluster = &r.clusters.all[0]
	default:
		return
	}
	r.objects = l.objects(ctx, r.name, *r.cluster)
}

// ---- how the clusters are reached ----

func (w *world) noCluster(r *region) *Setting {
	if r.cluster != nil {
		return nil
	}
	var all []candidate
	for _, c := range r.clusters.all {
		all = append(all, candidate{value: c.Name})
	}
	s := choice{"context: NAME, or eks: with cluster, endpoint and ca; or give --context", "no EKS cluster is in " + r.name, r.clusters.not, all, ""}.made()
	if len(all) > 1 && r.clusters.not == nil {
		return s.because("%d EKS clusters are in %s: --context says which one is meant.", len(all), r.name)
	}
	return s
}

func (w *world) context(r *region) *Setting {
	if r.cluster == nil || r.cluster.Context == "" {
		return nil
	}
	why := "As it was given."
	if r.cluster.Name != "" {
		why = fmt.Sprintf("As it was given; it is the EKS cluster %s.", r.cluster.Name)
	}
	return has(r.cluster.Context, "%s", why)
}

func (w *world) kubeconfig(r *region) *Setting {
	if r.cluster == nil || r.cluster.Kubeconfig == "" {
		return nil
	}
	return has(r.cluster.Kubeconfig, "")
}

func (w *world) eks(r *region, value func(c *Cluster) string, why string) *Setting {
	if r.cluster == nil || r.cluster.Context != "" {
		return nil
	}
	return has(value(r.cluster), "%s", why)
}

func (w *world) eksCluster(r *region) *Setting {
	why := fmt.Sprintf("The one EKS cluster in %s.", r.name)
	if len(r.clusters.all) > 1 {
		why = "As the settings have it."
	}
	return w.eks(r, func(c *Cluster) string { return c.Name }, why)
}

func (w *world) eksEndpoint(r *region) *Setting {
	return w.eks(r, func(c *Cluster) string { return c.Endpoint }, "")
}

func (w *world) eksCA(r *region) *Setting {
	return w.eks(r, func(c *Cluster) string { return c.CA }, "")
}

// ---- the services ----

// serving is the Region that serves, and waiting the other; the first one while that is
// not known.
func (w *world) serving() *region {
	if w.dns.primary != nil {
		return w.dns.primary
	}
	return w.regions[0]
}

func (w *world) waiting() *region { return w.other(w.serving()) }

// clusterUnread is why the clusters do not tell; empty where both do.
func (w *world) clusterUnread(of func(r *region) *Unread) string {
	for _, r := range w.regions {
		switch not := of(r); {
		case r.cluster == nil:
			return "the cluster of " + r.name + " is not known"
		case not != nil:
			return not.brief()
		}
	}
	return ""
}

func deploymentsUnread(r *region) *Unread { return r.deployments.not }

// sizes are the Deployments of a Region's namespace, with how many replicas they ask
// for.
func (r *region) sizes(namespace string) map[string]int {
	out := map[string]int{}
	for _, d := range r.deployments.all {
		if d.Namespace == namespace {
			out[d.Name] = asked(d)
		}
	}
	return out
}

// ready are the replicas that are, by the Deployments of a Region's namespace.
func (r *region) ready(namespace string) map[string]int {
	out := map[string]int{}
	for _, d := range r.deployments.all {
		if d.Namespace == namespace {
			out[d.Name] = int(d.Status.ReadyReplicas)
		}
	}
	return out
}

func asked(d appsv1.Deployment) int {
	if d.Spec.Replicas == nil {
		return 1 // as Kubernetes has it
	}
	return int(*d.Spec.Replicas)
}

// findNamespace chooses the one that has Deployments of the same name in both clusters; the
// setting is its, and the name stands beside it.
func (w *world) findNamespace() (*Setting, string, error) {
	const what = "the namespace of the services"
	switch why := w.clusterUnread(deploymentsUnread); {
	case w.Namespace != "" && why == "" && len(w.regions[0].sizes(w.Namespace))+len(w.regions[1].sizes(w.Namespace)) == 0:
		return nil, "", wrong("--namespace: neither cluster has a Deployment in %q%s", w.Namespace, strict.DidYouMean(w.Namespace, w.namespaces()))
	case w.Namespace != "":
		return has(w.Namespace, "As it was given."), w.Namespace, nil
	case why != "":
		return leave("%s (%s)", what, why), "", nil
	}
	alike := map[string]int{}
	for _, d := range w.regions[0].deployments.all {
		_, there := w.regions[1].sizes(d.Namespace)[d.Name]
		if there && !slices.Contains(addOns, d.Namespace) {
			alike[d.Namespace]++
		}
	}
	var all []candidate
	for _, name := range slices.Sorted(maps.Keys(alike)) {
		all = append(all, candidate{name, fmt.Sprintf("The one namespace that has the same Deployments in both clusters: %d of them.", alike[name])})
	}
	s := choice{what, "no namespace but those of add-ons has the same Deployments in both clusters", nil, all, w.Given["platform.kube.regions."+w.regions[0].name+".namespace"]}.made()
	name, _ := s.Value.(string)
	if len(all) > 1 && name == "" {
		s.because("%d namespaces have the same Deployments in both clusters: --namespace says which one is meant.", len(all))
	}
	return s, name, nil
}

// namespaces are those that have Deployments.
func (w *world) namespaces() []string {
	all := map[string]bool{}
	for _, r := range w.regions {
		for _, d := range r.deployments.all {
			all[d.Namespace] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func (w *world) namespace(r *region) *Setting {
	s := *w.in
	if r != w.regions[0] {
		s.Why = ""
	}
	return &s
}

// bothClusters are the Deployments of the namespace that are in both clusters.
func (w *world) bothClusters() []string {
	here, there := w.serving().sizes(w.inEach), w.waiting().sizes(w.inEach)
	var out []string
	for name := range here {
		if _, ok := there[name]; ok {
			out = append(out, name)
		}
	}
	return slices.Sorted(slices.Values(out))
}

// consuming are Deployments that run where users are served and are scaled to nothing
// elsewhere, without an autoscaler: consumers of queues are so, and services that nobody
// has started there.
func (w *world) consuming() []string {
	there := w.waiting().sizes(w.inEach)
	here := w.serving().sizes(w.inEach)
	return slices.DeleteFunc(w.bothClusters(), func(name string) bool {
		least, _, _ := w.serving().scaled(w.inEach, name)
		return there[name] > 0 || here[name] == 0 || least > 0
	})
}

// scaled are the limits of a Deployment's autoscaler.
func (r *region) scaled(namespace, name string) (least, most int32, has bool) {
	for _, h := range r.autoscalers.all {
		if h.Namespace == namespace && h.Spec.ScaleTargetRef.Kind == "Deployment" && h.Spec.ScaleTargetRef.Name == name {
			least = 1
			if h.Spec.MinReplicas != nil {
				least = *h.Spec.MinReplicas
			}
			return least, h.Spec.MaxReplicas, true
		}
	}
	return 0, 0, false
}

// services are the Deployments of both clusters, each with what serves now.
func (w *world) services(*region) *Setting {
	const what = "a list of the Deployments that serve users, each {name: NAME, replicas: 6, writes: true}"
	if why := w.clusterUnread(deploymentsUnread); why != "" {
		return leave("%s (%s)", what, why)
	}
	if w.inEach == "" {
		return leave("%s (their namespace is open)", what)
	}
	from, consuming, standby := w.serving(), w.consuming(), w.waiting().ready(w.inEach)
	var items []Item
	var alone []string
	for _, r := range w.regions {
		for name := range r.sizes(w.inEach) {
			if !slices.Contains(w.bothClusters(), name) {
				alone = append(alone, name)
			}
		}
	}
	for _, d := range from.deployments.all {
		if d.Namespace != w.inEach || !slices.Contains(w.bothClusters(), d.Name) || slices.Contains(consuming, d.Name) {
			continue
		}
		ready, waits := int(d.Status.ReadyReplicas), standby[d.Name]
		var notes []string
		keys := []Key{{"name", d.Name}, {"replicas", ready}}
		if ready == 0 {
			keys[1].Value = Open + ": what carries production"
			notes = append(notes, "none is ready now")
		}
		switch {
		case ready > 0 && waits > ready:
			notes = append(notes, fmt.Sprintf("%d in the standby", waits))
		case waits > 0:
			keys = append(keys, Key{"standby", waits})
		default:
			notes = append(notes, "none in the standby")
		}
		if least, most, has := from.scaled(w.inEach, d.Name); has {
			notes = append(notes, fmt.Sprintf("autoscaler %d to %d", least, most))
		}
		items = append(items, Item{append(keys, Key{"writes", Open + ": true or false"}), strings.Join(notes, ", ")})
	}
	if len(items) == 0 {
		return leave("%s (no Deployment of %s is in both clusters)", what, w.inEach).gone()
	}
	why := []string{
		fmt.Sprintf("The Deployments of %s that are in both clusters, with the replicas that are ready in %s now.", w.inEach, from.name),
		fmt.Sprintf("standby: those that are ready in %s now, and to which a failback leaves the service.", w.waiting().name),
		"writes: whether it writes to the database, and is stopped in the Region that is left.",
		"Optional: needed: true, where nobody can order without it; health: the path of its health page.",
	}
	if len(alone) > 0 {
		slices.Sort(alone)
		why = append(why, fmt.Sprintf("Left out, for they are in one cluster alone: %s.", sentence(slices.Compact(alone), "and")))
	}
	if images := w.registries(); len(images) > 0 {
		why = append(why, fmt.Sprintf("Images: %s.", sentence(images, "and")))
	}
	if roles := w.roles(); len(roles) > 0 {
		why = append(why, fmt.Sprintf("Roles: %s.", sentence(roles, "and")))
	}
	return &Setting{Value: items, Why: strings.Join(why, "\n"), Bound: AtMost}
}

// registries are those that the images of the serving Region's Deployments come from.
func (w *world) registries() []string {
	var out []string
	for _, d := range w.serving().deployments.all {
		for _, c := range slices.Concat(d.Spec.Template.Spec.InitContainers, d.Spec.Template.Spec.Containers) {
			if host, _, ok := strings.Cut(c.Image, "/"); ok && d.Namespace == w.inEach && strings.Contains(host, ".") {
				out = append(out, host)
			}
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(out)))
}

// roles are those that service accounts of the serving Region's Deployments are annotated
// with.
func (w *world) roles() []string {
	used := map[string]bool{}
	for _, d := range w.serving().deployments.all {
		if d.Namespace == w.inEach {
			used[d.Spec.Template.Spec.ServiceAccountName] = true
		}
	}
	var out []string
	for _, a := range w.serving().accounts.all {
		role := a.Annotations["eks.amazonaws.com/role-arn"]
		if a.Namespace == w.inEach && used[a.Name] && role != "" {
			out = append(out, role[strings.LastIndex(role, "/")+1:])
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(out)))
}

func (w *world) consumers(*region) *Setting {
	if all := w.consuming(); w.inEach != "" && len(all) > 0 {
		return leave("a list of those that consume queues, of %s; the others are services", sentence(all, "and")).
			because("They run in %s, are scaled to 0 in %s, and have no autoscaler.", w.serving().name, w.waiting().name)
	}
	return nil
}

// databaseEnv is the variable that tells the serving Region's services the global database's
// endpoint.
func (w *world) databaseEnv(*region) *Setting {
	const what = "the variable that has the database's host in the services' Deployments, or leave the line out"
	switch not := cmp.Or(w.databases.not, w.serving().deployments.not); {
	case w.inEach == "":
		return nil
	case not != nil:
		return leave("%s (%s)", what, not.brief())
	}
	var found []string
	for _, d := range w.serving().deployments.all {
		for _, c := range slices.Concat(d.Spec.Template.Spec.InitContainers, d.Spec.Template.Spec.Containers) {
			for _, e := range c.Env {
				if d.Namespace == w.inEach && e.Value != "" && slices.ContainsFunc(w.databases.all, func(g database) bool { return g.endpoint == e.Value }) {
					found = append(found, e.Name)
				}
			}
		}
	}
	switch found = slices.Compact(slices.Sorted(slices.Values(found))); len(found) {
	case 0:
		return nil
	case 1:
		return has(found[0], "It has the global database's endpoint in the Deployments of %s.", w.serving().name)
	}
	return leave("one of %s, which have the global database's endpoint", sentence(found, "and"))
}

// cronJobs are those that run where users are served and are suspended elsewhere.
func (w *world) cronJobs(*region) *Setting {
	const what = "a list of the CronJobs that run in one Region alone, or leave the line out"
	if w.inEach == "" {
		return nil
	}
	if why := w.clusterUnread(func(r *region) *Unread { return r.cronJobs.not }); why != "" {
		return leave("%s (%s)", what, why)
	}
	of := func(r *region) map[string]bool { // suspended, by name
		out := map[string]bool{}
		for _, j := range r.cronJobs.all {
			if j.Namespace == w.inEach {
				out[j.Name] = suspended(j)
			}
		}
		return out
	}
	here, there := of(w.serving()), of(w.waiting())
	var chosen, everywhere []string
	for _, name := range slices.Sorted(maps.Keys(here)) {
		waits, also := there[name]
		switch {
		case !also || here[name]:
		case waits:
			chosen = append(chosen, name)
		default:
			everywhere = append(everywhere, name)
		}
	}
	why := fmt.Sprintf("They run in %s and are suspended in %s.", w.serving().name, w.waiting().name)
	if len(everywhere) > 0 {
		why += fmt.Sprintf(" In both there run %s.", sentence(everywhere, "and"))
	}
	if len(chosen) == 0 {
		return nil
	}
	return has(chosen, "%s", why)
}

func suspended(j batchv1.CronJob) bool { return aws.ToBool(j.Spec.Suspend) }

// zonesOf are the nodes of a Region's cluster, by zone.
func (r *region) zonesOf() map[string]int {
	out := map[string]int{}
	for _, n := range r.nodes.all {
		if zone := n.Labels[corev1.LabelTopologyZone]; zone != "" {
			out[zone]++
		}
	}
	return out
}

// capacity is what the standby's cluster has: either Region has to have that as a standby.
func (w *world) capacity(r *region, what string, of func(zones map[string]int) int) *Setting {
	standby := w.waiting()
	zones := standby.zonesOf()
	switch {
	case standby.cluster == nil:
		return leave("%s (the cluster of %s is not known)", what, standby.name)
	case standby.nodes.not != nil:
		return leave("%s (%s)", what, standby.nodes.not.brief())
	case len(zones) == 0:
		return leave("%s (no node of %s is in a zone)", what, standby.name)
	}
	s := has(of(zones), "")
	s.Bound = AtLeast
	if r == w.regions[0] {
		s.Why = fmt.Sprintf("As the standby, %s, has it now: %s in %s.", standby.name, count(len(standby.nodes.all), "node"), count(len(zones), "zone"))
	}
	return s
}

func (w *world) nodesPerZone(r *region) *Setting {
	return w.capacity(r, "the nodes that each zone has to have as a standby, such as 2", func(zones map[string]int) int {
		return slices.Min(slices.Collect(maps.Values(zones)))
	})
}

func (w *world) zoneCount(r *region) *Setting {
	s := w.capacity(r, "the zones that the nodes have to be in as a standby, such as 3", func(zones map[string]int) int { return len(zones) })
	if s.Ask == "" {
		s.Why = ""
	}
	return s
}

// ---- Velero ----

// backup is a schedule of Velero's that backs the services' namespace up.
type backup struct{ name, namespace string }

func (w *world) backups(r *region) (all []backup) {
	for _, s := range r.schedules.all {
		in, _, _ := unstructured.NestedStringSlice(s.Object, "spec", "template", "includedNamespaces")
		if len(in) == 0 || slices.Contains(in, "*") || slices.Contains(in, w.inEach) {
			all = append(all, backup{s.GetName(), s.GetNamespace()})
		}
	}
	return all
}

func (w *world) noVelero(*region) *Setting {
	n, looked := 0, 0
	for _, r := range w.regions {
		if r.cluster == nil {
			return leave("regions: with the backup_schedule of each, or leave velero out (the cluster of %s is not known)", r.name)
		}
		if r.schedules.not != nil {
			return leave("regions: with the backup_schedule of each, or leave velero out (%s)", r.schedules.not.brief())
		}
		n, looked = n+len(w.backups(r)), looked+len(r.schedules.all)
	}
	if n == 0 {
		return left("No schedule of Velero's backs %s up; %s looked at.", w.named(), count(looked, "schedule"))
	}
	return nil
}

// named is the namespace, or what it is as long as it is open.
func (w *world) named() string {
	if w.inEach == "" {
		return "the services"
	}
	return w.inEach
}

// veleroNamespace is told where it is not the usual one.
func (w *world) veleroNamespace(*region) *Setting {
	if w.noVelero(nil) != nil {
		return nil
	}
	in := map[string]bool{}
	for _, r := range w.regions {
		for _, b := range w.backups(r) {
			in[b.namespace] = true
		}
	}
	all := slices.Sorted(maps.Keys(in))
	switch {
	case len(all) > 1:
		return leave("the namespace of Velero: %s", sentence(all, "or"))
	case all[0] == "velero":
		return nil
	}
	return has(all[0], "The schedules are there.")
}

func (w *world) schedule(r *region) *Setting {
	if w.noVelero(nil) != nil {
		return nil
	}
	var all []candidate
	for _, b := range w.backups(r) {
		all = append(all, candidate{b.name, fmt.Sprintf("The one schedule that backs %s up.", w.named())})
	}
	if len(all) == 0 {
		return nil // backups of the other Region's cluster are what is needed
	}
	return w.choose("platform.velero.regions."+r.name+".backup_schedule", "the schedule that backs "+w.named()+" up", "", nil, all)
}

// ---- Pod Identity ----

func (w *world) noIdentities(*region) *Setting {
	const what = "by Region, eks_cluster:, or leave iam out where no pod has its role by EKS Pod Identity"
	n := 0
	for _, r := range w.regions {
		switch {
		case r.cluster == nil:
			return leave("%s (the cluster of %s is not known)", what, r.name)
		case r.cluster.Name == "" && r.clusters.not != nil:
			return leave("%s (%s)", what, r.clusters.not.brief())
		case w.inEach == "":
			return leave("%s (the namespace of the services is open)", what)
		case r.identities.not != nil:
			return leave("%s (%s)", what, r.identities.not.brief())
		}
		n += len(r.identities.all)
	}
	if n == 0 {
		return left("No service account of %s has its role by EKS Pod Identity.", w.inEach)
	}
	return nil
}

func (w *world) identitiesIn(r *region) *Setting {
	if w.noIdentities(nil) != nil || r.cluster == nil || r.cluster.Name == "" || len(r.identities.all) == 0 {
		return nil
	}
	return has(r.cluster.Name, "It gives roles to %s.", sentence(r.identities.all, "and"))
}
