package sim

import (
	"fmt"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GitOps is a controller of the cluster that keeps the autoscalers' minima as they are
// written down elsewhere: it sets back what somebody else has changed, unless it is paused.
type GitOps struct {
	// Controller is "argocd", "flux", "helm" or "keda".
	Controller string `json:"controller"`
	Paused     bool   `json:"paused"`
	// Minimum is what is written down, by autoscaler.
	Minimum map[string]int32 `json:"minimum"`
	// Differs is since when an autoscaler differs.
	Differs map[string]time.Time `json:"differs"`
}

// heals is how long after a change it is set back; Argo CD's default.
const heals = 5 * time.Second

// keptBy is what a controller's mark on its objects is, and its own object.
var keptBy = map[string]struct {
	manager, kind, name, namespace string
	gvr                            schema.GroupVersionResource
	mark                           func(m *metav1.ObjectMeta)
	spec                           func(g *GitOps) map[string]any
}{
	"argocd": {
		"argocd-controller", "Application", "shop", "argocd",
		schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"},
		func(m *metav1.ObjectMeta) {
			m.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "shop:autoscaling/HorizontalPodAutoscaler:" + namespace + "/" + m.Name}
		},
		func(g *GitOps) map[string]any {
			return map[string]any{"syncPolicy": map[string]any{"automated": map[string]any{"selfHeal": !g.Paused}}}
		},
	},
	"flux": {
		"kustomize-controller", "Kustomization", "shop", "flux-system",
		schema.GroupVersionResource{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"},
		func(m *metav1.ObjectMeta) {
			m.Labels["kustomize.toolkit.fluxcd.io/name"], m.Labels["kustomize.toolkit.fluxcd.io/namespace"] = "shop", "flux-system"
		},
		func(g *GitOps) map[string]any { return map[string]any{"suspend": g.Paused} },
	},
	"helm": {
		"helm-controller", "HelmRelease", "shop", "flux-system",
		schema.GroupVersionResource{Group: "helm.toolkit.fluxcd.io", Version: "v2", Resource: "helmreleases"},
		func(m *metav1.ObjectMeta) {
			m.Labels["helm.toolkit.fluxcd.io/name"], m.Labels["helm.toolkit.fluxcd.io/namespace"] = "shop", "flux-system"
		},
		func(g *GitOps) map[string]any {
			return map[string]any{"suspend": g.Paused, "driftDetection": map[string]any{"mode": "enabled"}}
		},
	},
	"keda": {
		"keda-operator", "ScaledObject", "", namespace,
		schema.GroupVersionResource{Group: "keda.sh", Version: "v1alpha1", Resource: "scaledobjects"},
		func(m *metav1.ObjectMeta) {
			m.OwnerReferences = []metav1.OwnerReference{{APIVersion: "keda.sh/v1alpha1", Kind: "ScaledObject", Name: m.Name, Controller: ptr(true)}}
		},
		nil, // one for each autoscaler, with its minimum
	},
}

// withKeepers adds the kinds of their own objects to those that the clusters have.
func withKeepers(kinds map[schema.GroupVersionResource]string) map[schema.GroupVersionResource]string {
	for _, by := range keptBy {
		kinds[by.gvr] = by.kind + "List"
	}
	return kinds
}

// Manage has a controller keep the Region's autoscalers as they are now.
func (r *Region) Manage(controller string) {
	by := keptBy[controller]
	g := &GitOps{Controller: controller, Minimum: map[string]int32{}, Differs: map[string]time.Time{}}
	for name, h := range r.HPAs {
		g.Minimum[name] = deref(h.Spec.MinReplicas)
		by.mark(&h.ObjectMeta)
		h.ManagedFields = []metav1.ManagedFieldsEntry{{
			Manager: by.manager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: "autoscaling/v2", FieldsType: "FieldsV1",
			FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:maxReplicas":{},"f:minReplicas":{},"f:scaleTargetRef":{}}}`),
		}}
	}
	r.GitOps = g
}

// stepGitOps sets back what has differed for long enough.
func (s *State) stepGitOps(r *Region, h *autoscalingv2.HorizontalPodAutoscaler) {
	g := r.GitOps
	want := g.Minimum[h.Name]
	if g.Paused || deref(h.Spec.MinReplicas) == want {
		delete(g.Differs, h.Name)
		return
	}
	since, differs := g.Differs[h.Name]
	switch {
	case !differs:
		g.Differs[h.Name] = s.At
	case s.At.Sub(since) >= heals:
		h.Spec.MinReplicas = ptr(want)
		r.touch(&h.ObjectMeta, true)
		delete(g.Differs, h.Name)
	}
}

// managers are the controller's own objects of a kind.
func (r *Region) managers(gvr schema.GroupVersionResource) []unstructured.Unstructured {
	if r.GitOps == nil || keptBy[r.GitOps.Controller].gvr != gvr {
		return nil
	}
	by := keptBy[r.GitOps.Controller]
	object := func(name string, spec map[string]any) unstructured.Unstructured {
		o := unstructured.Unstructured{Object: map[string]any{"spec": spec}}
		o.SetAPIVersion(gvr.GroupVersion().String())
		o.SetKind(by.kind)
		o.SetName(name)
		o.SetNamespace(by.namespace)
		o.SetUID(uidOf(r.Name, by.kind, name))
		o.SetResourceVersion(fmt.Sprint(r.Versions))
		return o
	}
	if by.spec != nil {
		return []unstructured.Unstructured{object(by.name, by.spec(r.GitOps))}
	}
	var out []unstructured.Unstructured
	for _, name := range sortedKeys(r.GitOps.Minimum) {
		out = append(out, object(name, map[string]any{"minReplicaCount": int64(r.GitOps.Minimum[name])}))
	}
	return out
}

// keepers are the same as a list; nil where it is no such kind.
func (r *Region) keepers(gvr schema.GroupVersionResource) *unstructured.UnstructuredList {
	for _, by := range keptBy {
		if by.gvr == gvr {
			out := &unstructured.UnstructuredList{Items: r.managers(gvr)}
			out.SetAPIVersion(gvr.GroupVersion().String())
			out.SetKind(by.kind + "List")
			return out
		}
	}
	return nil
}

// manager is one of them.
func (r *Region) manager(gvr schema.GroupVersionResource, ns, name string) *unstructured.Unstructured {
	all := r.managers(gvr)
	i := slices.IndexFunc(all, func(o unstructured.Unstructured) bool { return o.GetNamespace() == ns && o.GetName() == name })
	if i < 0 {
		return nil
	}
	return &all[i]
}
