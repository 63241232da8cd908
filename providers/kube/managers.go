package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// The objects of what keeps others as they are written down elsewhere.
var (
	applications   = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}
	kustomizations = schema.GroupVersionResource{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"}
	helmReleases   = schema.GroupVersionResource{Group: "helm.toolkit.fluxcd.io", Version: "v2", Resource: "helmreleases"}
	scaledObjects  = schema.GroupVersionResource{Group: "keda.sh", Version: "v1alpha1", Resource: "scaledobjects"}
)

// manager is a kind of controller that sets fields back which somebody else has changed.
type manager struct {
	// says is what it is called, with its object's kind.
	says string
	// fields are its names in managedFields.
	fields []string
	// object is the kind of what steers it, named by what is managed.
	object schema.GroupVersionResource
	named  func(m metav1.Object, r cluster) (namespace, name string)
	// lets says whether that object, as it is now, lets the change be.
	lets func(o *unstructured.Unstructured, h held) bool
	// pause is what makes it let the change be.
	pause func(h held) string
}

// pausedAt is the annotation that has KEDA keep so many replicas:
// https://keda.sh/docs/latest/concepts/scaling-deployments/#pausing-autoscaling
const pausedAt = "autoscaling.keda.sh/paused-replicas"

// label is the name of a manager's object in a pair of labels of what it manages.
func label(name, namespace string) func(metav1.Object, cluster) (string, string) {
	return func(m metav1.Object, r cluster) (string, string) {
		return cmp.Or(m.GetLabels()[namespace], r.Namespace), m.GetLabels()[name]
	}
}

func suspended(o *unstructured.Unstructured, _ held) bool {
	yes, _, err := unstructured.NestedBool(o.Object, "spec", "suspend")
	return err == nil && yes
}

func flux(kind string) func(held) string {
	return func(h held) string {
		return fmt.Sprintf("flux --context %s -n %s suspend %s %s", h.region, h.namespace, kind, h.name)
	}
}

// managers are those that are known: by the names that they give themselves as owners of
// fields, and KEDA by owning the autoscaler.
var managers = []manager{
	{
		says: "Argo CD application", fields: []string{"argocd-controller", "argocd-application-controller"}, object: applications,
		// https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/: the
		// annotation's value is [NAMESPACE_]NAME:GROUP/KIND:NAMESPACE/NAME.
		named: func(m metav1.Object, _ cluster) (string, string) {
			app, _, _ := strings.Cut(m.GetAnnotations()["argocd.argoproj.io/tracking-id"], ":")
			app = cmp.Or(app, m.GetLabels()["argocd.argoproj.io/instance"], m.GetLabels()["app.kubernetes.io/instance"])
			if namespace, name, both := strings.Cut(app, "_"); both {
				return namespace, name
			}
			return "argocd", app
		},
		// Without self-heal it tells that something differs, and leaves it.
		lets: func(o *unstructured.Unstructured, _ held) bool {
			heals, _, err := unstructured.NestedBool(o.Object, "spec", "syncPolicy", "automated", "selfHeal")
			return err == nil && !heals
		},
		pause: func(h held) string {
			return fmt.Sprintf("argocd app set %s/%s --self-heal=false", h.namespace, h.name)
		},
	},
	{
		says: "Flux Kustomization", fields: []string{"kustomize-controller"}, object: kustomizations,
		named: label("kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/namespace"),
		lets:  suspended, pause: flux("kustomization"),
	},
	{
		says: "Flux HelmRelease", fields: []string{"helm-controller"}, object: helmReleases,
		named: label("helm.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/namespace"),
		// Without drift detection it sets nothing back before its next release.
		lets: func(o *unstructured.Unstructured, h held) bool {
			mode, _, err := unstructured.NestedString(o.Object, "spec", "driftDetection", "mode")
			return suspended(o, h) || err == nil && mode != "enabled"
		},
		pause: flux("helmrelease"),
	},
	{
		says: "KEDA ScaledObject", object: scaledObjects,
		named: func(m metav1.Object, r cluster) (string, string) {
			for _, o := range m.GetOwnerReferences() {
				if o.Kind == "ScaledObject" && strings.HasPrefix(o.APIVersion, scaledObjects.Group+"/") {
					return r.Namespace, o.Name
				}
			}
			return "", ""
		},
		lets: func(o *unstructured.Unstructured, h held) bool {
			if h.wanted == 0 { // it would bring what has work from nothing to one
				return o.GetAnnotations()[pausedAt] == "0"
			}
			least, _, err := unstructured.NestedInt64(o.Object, "spec", "minReplicaCount")
			if h.exact {
				return err == nil && int(least) == h.wanted && o.GetAnnotations()[pausedAt] == ""
			}
			return err == nil && int(least) >= h.wanted
		},
		pause: func(h held) string {
			patch := fmt.Sprintf(`"spec":{"minReplicaCount":%d}`, h.wanted)
			switch {
			case h.wanted == 0:
				return fmt.Sprintf("kubectl --context %s -n %s annotate scaledobject %s %s=0", h.region, h.namespace, h.name, pausedAt)
			case h.exact:
				patch = fmt.Sprintf(`"metadata":{"annotations":{"%s":null}},`, pausedAt) + patch
			}
			return fmt.Sprintf("kubectl --context %s -n %s patch scaledobject %s --type merge -p '{%s}'", h.region, h.namespace, h.name, patch)
		},
	},
}

// keeper is a manager's object that keeps something which the run changes.
type keeper struct {
	*manager
	region, namespace, name string
}

func (k keeper) String() string { return k.says + " " + cmp.Or(k.name, "whose name is not known") }

// owns says that one of these managers wrote the field last. A path is as in managedFields:
// https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
func owns(m metav1.Object, names []string, path ...string) bool {
	for _, e := range m.GetManagedFields() {
		if !slices.Contains(names, e.Manager) || e.FieldsV1 == nil {
			continue
		}
		at := json.RawMessage(e.FieldsV1.GetRawBytes())
		for _, part := range path {
			var below map[string]json.RawMessage
			if json.Unmarshal(at, &below) != nil {
				below = nil
			}
			at = below["f:"+part]
		}
		if at != nil {
			return true
		}
	}
	return false
}

// keeperOf is what keeps a field of an object as it is; ok is false where nothing does.
func keeperOf(m metav1.Object, r cluster, path ...string) (k keeper, ok bool) {
	for i := range managers {
		known := &managers[i]
		namespace, name := known.named(m, r)
		if owns(m, known.fields, path...) || known.fields == nil && name != "" && path[len(path)-1] == "minReplicas" {
			return keeper{known, r.Name, namespace, name}, true
		}
	}
	return keeper{}, false
}

// held is something that the run changes and a keeper would set back.
type held struct {
	keeper
	what   string
	wanted int
	// exact: it is left at that size, and not at that at least.
	exact bool
}

// warns says what it would set back, after how it is kept from that: a line may be cut.
func (k keeper) warns(all []held) string {
	pause := "pause it first"
	if k.name != "" {
		pause += ": " + all[0].pause(all[0])
	}
	what := make([]string, len(all))
	for i, h := range all {
		if what[i] = h.what; k.name != "" && h.exact && !all[0].exact && h.pause(h) != all[0].pause(all[0]) {
			what[i] += " (before that: " + h.pause(h) + ")"
		}
	}
	return fmt.Sprintf("%s in %s sets back what the run changes (%s), %s", k, k.region, pause, text.Some(what, shownSingles))
}

// Managers checks whether anything but autoscalers keeps what the run scales or stops:
// Argo CD, Flux and KEDA set a size back that is not what is written down for them, so
// they have to be paused first. It changes nothing of them: where they are steered from
// is nothing that the run can know. The Region that is left is asked in a planned run
// alone; that it cannot tell is said, and stops nothing.
func (k *Kube) Managers(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	o := engine.Outcome{Measured: incident.Measured{Verdict: incident.Pass, AsOf: k.clock.Now()}, Evidence: map[string]string{}}
	var here, there []held
	var fault error
	reads := []func() error{func() (err error) { here, err = k.held(ctx, p, p.Target, o.Evidence); return err }}
	left := map[string]string{}
	if p.Mode == "planned" {
		reads = append(reads, func() error {
			ctx, cancel := k.clock.WithTimeout(ctx, sourceTime, fmt.Errorf("%s did not answer within %s", p.Source.Name, sourceTime))
			defer cancel()
			there, fault = k.held(ctx, p, p.Source, left)
			return nil
		})
	}
	if err := k.together(reads...); err != nil {
		return o, false, err
	}
	maps.Copy(o.Evidence, left)
	all := slices.Concat(here, there)
	o.Measured.Figures = []incident.Figure{figure("kept by something else", len(all), "objects", 0)}
	by := map[keeper][]held{}
	var warn []string
	var order []keeper
	for _, h := range all {
		if by[h.keeper] == nil {
			order = append(order, h.keeper)
		}
		by[h.keeper] = append(by[h.keeper], h)
	}
	for _, who := range order {
		warn = append(warn, who.warns(by[who]))
	}
	if fault != nil {
		warn = append(warn, fmt.Sprintf("what keeps the services in %s could not be read: %v", p.Source.Name, fault))
	}
	if len(warn) == 0 {
		o.Summary = "nothing but autoscalers keeps the sizes that the run changes"
		return o, true, nil
	}
	o.Measured.Verdict = incident.Warn
	o.Summary = strings.Join(warn, "; ")
	return o, true, nil
}

// held are the objects of a Region that the run changes and that something keeps: of the
// target the sizes of all services, of the source those of what is stopped there and, in a
// failback, at which all are left in the end, and of both what runs in one Region alone.
func (k *Kube) held(ctx context.Context, p *runbook.Plan, region runbook.Region, evidence map[string]string) ([]held, error) {
	client, r, err := k.in(p, region)
	if err != nil {
		return nil, err
	}
	own, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	if err != nil {
		return nil, err
	}
	var sizes []appsv1.Deployment
	var scalers []autoscalingv2.HorizontalPodAutoscaler
	var jobs []batchv1.CronJob
	reads := []func() error{
		func() (err error) { sizes, err = k.deployments(ctx, client, r); return err },
		func() (err error) {
			if scalers, err = list[autoscalingv2.HorizontalPodAutoscaler](ctx, k, client, autoscalers, r, metav1.ListOptions{}); err != nil {
				return fmt.Errorf("list the autoscalers in %s: %w", r.Name, err)
			}
			return nil
		},
	}
	if len(own.CronJobs) > 0 {
		reads = append(reads, func() (err error) {
			if jobs, err = list[batchv1.CronJob](ctx, k, client, cronJobs, r, metav1.ListOptions{}); err != nil {
				return fmt.Errorf("list the CronJobs in %s: %w", r.Name, err)
			}
			return nil
		})
	}
	if err := k.together(reads...); err != nil {
		return nil, err
	}
	wanted, rests := sizesOf(p, region, own), restsOf(p, region)
	var out, resting []held
	for i := range scalers {
		h := &scalers[i]
		of := h.Spec.ScaleTargetRef
		if n, left := rests[of.Name]; left && of.Kind == "Deployment" && minimum(h) != n {
			if keeps, ok := keeperOf(h, r, "spec", "minReplicas"); ok {
				resting = append(resting, held{keeps, fmt.Sprintf("the minimum of autoscaler %s, which is left at %d", h.Name, n), n, true})
			}
		}
		n, changed := wanted[of.Name]
		if !changed || of.Kind != "Deployment" || n > 0 && minimum(h) >= n {
			continue
		}
		keeps, ok := keeperOf(h, r, "spec", "minReplicas")
		switch {
		case !ok:
		case n > 0:
			out = append(out, held{keeps, "the minimum of autoscaler " + h.Name, n, false})
		case keeps.object == scaledObjects: // an autoscaler leaves what is at nothing alone
			out = append(out, held{keeps, "the replicas of " + of.Name, n, false})
		}
	}
	for i := range sizes {
		d := &sizes[i]
		if n, left := rests[d.Name]; left && replicas(d) != n {
			if keeps, ok := keeperOf(d, r, "spec", "replicas"); ok {
				resting = append(resting, held{keeps, fmt.Sprintf("the replicas of %s, which is left at %d", d.Name, n), n, true})
			}
		}
		n, changed := wanted[d.Name]
		if !changed || n > 0 && replicas(d) >= n || n == 0 && replicas(d) == 0 {
			continue
		}
		if keeps, ok := keeperOf(d, r, "spec", "replicas"); ok {
			out = append(out, held{keeps, "the replicas of " + d.Name, n, false})
		}
	}
	for i := range jobs {
		if j := &jobs[i]; slices.Contains(own.CronJobs, j.Name) {
			if keeps, ok := keeperOf(j, r, "spec", "suspend"); ok {
				out = append(out, held{keeps, "whether CronJob " + j.Name + " is suspended", 0, false})
			}
		}
	}
	return k.unpaused(ctx, client, r, append(out, resting...), evidence)
}

// sizesOf are the Deployments of a Region whose size a run changes, and to which.
func sizesOf(p *runbook.Plan, region runbook.Region, own Settings) map[string]int {
	out := map[string]int{}
	target := region.Name == p.Target.Name
	for _, s := range p.Topology.Services {
		switch {
		case target:
			out[s.Name] = s.Replicas
		case s.Writes:
			out[s.Name] = 0
		}
	}
	for _, name := range own.Consumers {
		if out[name] = 0; target {
			out[name] = 1 // at least
		}
	}
	return out
}

// restsOf are the services of the Region that a failback leaves, with the size at which it
// leaves them in the end.
func restsOf(p *runbook.Plan, region runbook.Region) map[string]int {
	out := map[string]int{}
	if p.Kind != incident.Failback || region.Name == p.Target.Name {
		return out
	}
	for _, s := range p.Topology.Services {
		if s.Standby > 0 {
			out[s.Name] = s.Standby
		}
	}
	return out
}

// unpaused are those whose keeper does not let the change be. One that cannot be read is
// taken to keep it: it may be steered from another cluster.
func (k *Kube) unpaused(ctx context.Context, client dynamic.Interface, r cluster, all []held, evidence map[string]string) ([]held, error) {
	found := map[keeper]*unstructured.Unstructured{}
	var out []held
	for _, h := range all {
		o, asked := found[h.keeper]
		if !asked && h.name != "" {
			var err error
			o, err = read(ctx, k.clock, func(ctx context.Context) (*unstructured.Unstructured, error) {
				return client.Resource(h.object).Namespace(h.namespace).Get(ctx, h.name, metav1.GetOptions{})
			})
			switch {
			case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
				evidence[h.String()] = fmt.Sprintf("whether it is paused could not be read: %v", err)
				o = nil
			case err != nil:
				return nil, fmt.Errorf("read %s in %s: %w", h.keeper, r.Name, of(err, r))
			}
			found[h.keeper] = o
		}
		if o != nil && h.lets(o, h) {
			evidence[h.String()] = "lets the change be"
			continue
		}
		if o != nil {
			evidence[h.String()] = "sets back what differs"
		}
		out = append(out, h)
	}
	return out, nil
}
