package kube

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/kubeapi"
)

// RestoredInput is the input of Restored.
type RestoredInput struct {
	// Kind is what is looked at: pods, claims, configuration or mesh.
	Kind string `yaml:"kind" json:"kind"`
	// Restore is the step that had it restored: what it brought is told apart from what was
	// there.
	Restore string `yaml:"restore,omitempty" json:"restore,omitempty"`
}

// restoreLabel names, on what Velero restored, the Restore.
const restoreLabel = "velero.io/restore-name"

// verdict is how one kind of objects in the namespace stands.
type verdict struct {
	// there are the names of all, missing what is wrong, a sentence each.
	kind           string
	there, missing []string
	// brought is how many of them the Restore brought; negative where that is not read.
	brought int
	na      string
}

// Restored waits until what belongs to the services is there and works in the target: their
// pods are ready; volume claims are bound; the ConfigMaps and Secrets that Deployments name
// exist; the subsets that VirtualServices lead to are defined by DestinationRules. Of
// ConfigMaps and Secrets names are read, and no values.
func (k *Kube) Restored(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in RestoredInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	judge, known := map[string]func(context.Context, kubeapi.Client, cluster, string) ([]verdict, error){
		"pods": k.podsRestored, "claims": k.claimsRestored, "configuration": k.configRestored, "mesh": k.meshRestored,
	}[in.Kind]
	if !known {
		return engine.Outcome{}, false, &incident.CallError{
			NeedsPerson: true, Definite: true, Err: fmt.Errorf("%q is no kind of what is restored", in.Kind), Hint: `"kind" is pods, claims, configuration or mesh`,
		}
	}
	client, r, err := k.in(c.Plan, c.Plan.Target)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	was, _ := c.Result(in.Restore)
	all, err := judge(ctx, client, r, was.Evidence["restore"])
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{Verdict: incident.Pass, AsOf: k.clock.Now()}}
	var told, missing, kinds []string
	for _, v := range all {
		if v.na != "" {
			o.Measured.Verdict = incident.NotApplicable
			o.Summary = "not applicable: " + v.na
			return o, true, nil
		}
		o.Evidence[v.kind+"s"] = orNone(text.Some(v.there, named))
		one := text.Count(len(v.there), v.kind)
		if v.brought >= 0 {
			one += fmt.Sprintf(" (%d restored)", v.brought)
		}
		told = append(told, one)
		missing = append(missing, v.missing...)
		if len(v.missing) > 0 {
			kinds = append(kinds, v.kind)
		}
		o.Measured.Figures = append(o.Measured.Figures, incident.Figure{Name: v.kind + "s", Value: float64(len(v.there)), Unit: "objects"})
	}
	o.Measured.Figures = append(o.Measured.Figures, figure("not as they should be", len(missing), "objects", 0))
	o.Summary = fmt.Sprintf("%s in %s: %s", r.Namespace, r.Name, text.List(told, "and"))
	if len(missing) > 0 {
		o.Measured.Verdict = incident.Fail
		o.Summary += "; " + text.Some(missing, 3)
		o.State = strings.Join(kinds, " ")
		return o, false, nil
	}
	o.Summary += ", as they should be"
	return o, true, nil
}

// brought counts what that Restore brought, by its label.
func brought(restore string, labels []map[string]string) int {
	if restore == "" {
		return -1
	}
	n := 0
	for _, l := range labels {
		if l[restoreLabel] == restore {
			n++
		}
	}
	return n
}

func (k *Kube) podsRestored(ctx context.Context, client kubeapi.Client, r cluster, restore string) ([]verdict, error) {
	var all []corev1.Pod
	var wanted []appsv1.Deployment
	if err := k.together(
		func() (err error) {
			if all, err = list[corev1.Pod](ctx, k, client, pods, r, metav1.ListOptions{}); err != nil {
				return fmt.Errorf("list the pods in %s: %w", r.Name, err)
			}
			return nil
		},
		func() (err error) { wanted, err = k.deployments(ctx, client, r); return err },
	); err != nil {
		return nil, err
	}
	p, d := verdict{kind: "pod", brought: -1}, verdict{kind: "Deployment"}
	for i := range all {
		one := &all[i]
		if one.DeletionTimestamp != nil || one.Status.Phase == corev1.PodSucceeded || one.Status.Phase == corev1.PodFailed {
			continue
		}
		p.there = append(p.there, one.Name)
		// Of a pod that is only not ready yet its Deployment tells.
		why, only := unready(one)
		if owned := slices.ContainsFunc(wanted, func(d appsv1.Deployment) bool { return ownedBy(one, d.Name) }); why != "" && (!only || !owned) {
			p.missing = append(p.missing, "pod "+one.Name+" "+why)
		}
	}
	var labels []map[string]string
	for i := range wanted {
		one := &wanted[i]
		d.there, labels = append(d.there, one.Name), append(labels, one.Labels)
		if int(one.Status.AvailableReplicas) < replicas(one) || one.Status.ObservedGeneration < one.Generation {
			d.missing = append(d.missing, fmt.Sprintf("Deployment %s has %d of %d available", one.Name, one.Status.AvailableReplicas, replicas(one)))
		}
	}
	if len(wanted) == 0 {
		d.missing = append(d.missing, "there is no Deployment")
	}
	d.brought = brought(restore, labels)
	return []verdict{p, d}, nil
}

// unready says why a pod does not work, empty where it does; only says that no more is known
// than that it is not ready.
func unready(p *corev1.Pod) (why string, only bool) {
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if w := s.State.Waiting; w != nil && w.Reason != "" && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return "waits: " + w.Reason, false
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return "has no node: " + c.Message, false
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return "", false
		}
	}
	return "is not ready (" + orNone(string(p.Status.Phase)) + ")", true
}

func (k *Kube) claimsRestored(ctx context.Context, client kubeapi.Client, r cluster, restore string) ([]verdict, error) {
	all, err := k.claims(ctx, client, r)
	if err != nil {
		return nil, err
	}
	v := verdict{kind: "PersistentVolumeClaim"}
	var labels []map[string]string
	for i := range all {
		one := &all[i]
		v.there, labels = append(v.there, one.Name), append(labels, one.Labels)
		if one.Status.Phase != corev1.ClaimBound {
			v.missing = append(v.missing, fmt.Sprintf("claim %s is %s, and not Bound", one.Name, orNone(string(one.Status.Phase))))
		}
	}
	slices.Sort(v.there)
	v.brought = brought(restore, labels)
	return []verdict{v}, nil
}

func (k *Kube) configRestored(ctx context.Context, client kubeapi.Client, r cluster, _ string) ([]verdict, error) {
	var has contents
	if err := k.together(
		func() (err error) { has.deployments, err = k.deployments(ctx, client, r); return err },
		func() (err error) { has.configMaps, err = k.names(ctx, client, r, "configmaps"); return err },
		func() (err error) { has.secrets, err = k.names(ctx, client, r, "secrets"); return err },
	); err != nil {
		return nil, err
	}
	configs, secrets := verdict{kind: "ConfigMap", there: has.configMaps, brought: -1}, verdict{kind: "Secret", there: has.secrets, brought: -1}
	for i := range has.deployments {
		d := &has.deployments[i]
		needs := neededBy(&d.Spec.Template.Spec)
		configs.lacks(d.Name, needs.configMaps)
		secrets.lacks(d.Name, needs.secrets)
	}
	return []verdict{configs, secrets}, nil
}

// lacks notes what a Deployment needs and is not there.
func (v *verdict) lacks(deployment string, needs map[string]bool) {
	for _, name := range slices.Sorted(maps.Keys(needs)) {
		if !slices.Contains(v.there, name) {
			v.missing = append(v.missing, fmt.Sprintf("%s needs the %s %s, which is not there", deployment, v.kind, name))
		}
	}
}

// needs are the names of what a pod cannot start without.
type needs struct{ configMaps, secrets map[string]bool }

// neededBy are the ConfigMaps and Secrets that a pod's template names and does not call
// optional.
func neededBy(p *corev1.PodSpec) needs { return namedBy(p, false) }

// namedBy are those that it names, the optional ones as well where they count.
func namedBy(p *corev1.PodSpec, optionalToo bool) needs {
	out := needs{map[string]bool{}, map[string]bool{}}
	note := func(into map[string]bool, name string, optional *bool) {
		if name != "" && (optionalToo || optional == nil || !*optional) {
			into[name] = true
		}
	}
	for _, c := range slices.Concat(p.InitContainers, p.Containers) {
		for _, e := range c.EnvFrom {
			if ref := e.ConfigMapRef; ref != nil {
				note(out.configMaps, ref.Name, ref.Optional)
			}
			if ref := e.SecretRef; ref != nil {
				note(out.secrets, ref.Name, ref.Optional)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom == nil {
				continue
			}
			if ref := e.ValueFrom.ConfigMapKeyRef; ref != nil {
				note(out.configMaps, ref.Name, ref.Optional)
			}
			if ref := e.ValueFrom.SecretKeyRef; ref != nil {
				note(out.secrets, ref.Name, ref.Optional)
			}
		}
	}
	for _, v := range p.Volumes {
		if ref := v.ConfigMap; ref != nil {
			note(out.configMaps, ref.Name, ref.Optional)
		}
		if ref := v.Secret; ref != nil {
			note(out.secrets, ref.SecretName, ref.Optional)
		}
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if ref := s.ConfigMap; ref != nil {
				note(out.configMaps, ref.Name, ref.Optional)
			}
			if ref := s.Secret; ref != nil {
				note(out.secrets, ref.Name, ref.Optional)
			}
		}
	}
	return out
}

func (k *Kube) meshRestored(ctx context.Context, client kubeapi.Client, r cluster, restore string) ([]verdict, error) {
	var has contents
	if err := k.mesh(ctx, client, r, &has); err != nil {
		return nil, err
	}
	if has.meshless {
		return []verdict{{na: "the cluster in " + r.Name + " does not know Istio's objects"}}, nil
	}
	labels := func(all []unstructured.Unstructured) (out []map[string]string) {
		for i := range all {
			out = append(out, all[i].GetLabels())
		}
		return out
	}
	vs := verdict{kind: "VirtualService", there: namesOf(has.virtuals, (*unstructured.Unstructured).GetName), brought: brought(restore, labels(has.virtuals))}
	dr := verdict{kind: "DestinationRule", there: namesOf(has.destinations, (*unstructured.Unstructured).GetName), brought: brought(restore, labels(has.destinations))}
	defined := map[string]bool{}
	for i := range has.destinations {
		spec, _, _ := unstructured.NestedMap(has.destinations[i].Object, "spec")
		host, _ := spec["host"].(string)
		subsets, _ := spec["subsets"].([]any)
		for _, s := range subsets {
			if s, ok := s.(map[string]any); ok {
				defined[short(host)+" "+fmt.Sprint(s["name"])] = true
			}
		}
	}
	for i := range has.virtuals {
		seen := map[string]bool{}
		for _, to := range ways(has.virtuals[i].Object["spec"]) {
			if at := short(to.host) + " " + to.subset; to.subset != "" && !defined[at] && !seen[at] {
				seen[at] = true
				vs.missing = append(vs.missing, fmt.Sprintf("VirtualService %s leads to the subset %s of %s, which no DestinationRule defines", has.virtuals[i].GetName(), to.subset, to.host))
			}
		}
	}
	return []verdict{vs, dr}, nil
}

// short is the first part of a service's name: order-service of
// order-service.ecommerce-prod.svc.cluster.local.
func short(host string) string {
	name, _, _ := strings.Cut(host, ".")
	return name
}

// way is where a VirtualService leads.
type way struct{ host, subset string }

// ways are all that a VirtualService leads to, of whatever kind of route.
func ways(spec any) []way {
	var out []way
	switch v := spec.(type) {
	case []any:
		for _, one := range v {
			out = append(out, ways(one)...)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if to, ok := v[key].(map[string]any); ok && (key == "destination" || key == "mirror") {
				host, _ := to["host"].(string)
				subset, _ := to["subset"].(string)
				out = append(out, way{host, subset})
				continue
			}
			out = append(out, ways(v[key])...)
		}
	}
	return out
}
