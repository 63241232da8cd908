package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.yaml.in/yaml/v4"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"

	"github.com/failoverbot/failoverbot/providers/kubeapi"
)

// This file is long because the API server's rules for changing an object are one
// thought, and the fake client that stands before it has a method for each verb.

// The resources that the pretend clusters have.
var (
	deploymentsGVR = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	hpasGVR        = schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}
	podsGVR        = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	nodesGVR       = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	cronJobsGVR    = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "cronjobs"}
	eventsGVR      = schema.GroupVersionResource{Version: "v1", Resource: "events"}

	kubeKinds = withKeepers(map[schema.GroupVersionResource]string{
		deploymentsGVR: "DeploymentList", hpasGVR: "HorizontalPodAutoscalerList", podsGVR: "PodList", nodesGVR: "NodeList", eventsGVR: "EventList",
		accountsGVR: "ServiceAccountList", cronJobsGVR: "CronJobList", backupsGVR: "BackupList", locationsGVR: "BackupStorageLocationList",
		schedulesGVR: "ScheduleList", statefulSetsGVR: "StatefulSetList", servicesGVR: "ServiceList", ingressesGVR: "IngressList",
		restoresGVR: "RestoreList", podVolumesGVR: "PodVolumeBackupList", claimsGVR: "PersistentVolumeClaimList",
		configMapsGVR: "ConfigMapList", reviewsGVR: "SelfSubjectAccessReviewList",
		virtualsGVR: "VirtualServiceList", destinationsGVR: "DestinationRuleList",
	})
)

// Kube is a connection to the Region's cluster. Its objects are client-go's own fake,
// with this world behind it instead of a tracker: Deployments (with their scale),
// autoscalers, pods, nodes, service accounts, CronJobs, events, volume claims, Istio's and
// Velero's objects and what monitors them are there. Watching is not: poll, as over a bad
// line. What else the API server answers is in kubePages.
func (w *World) Kube(region string) kubeapi.Client {
	k, ok := w.kubes[region]
	if !ok {
		k = newKube(w, region) // a Region without a cluster: every call says so
	}
	return kubeapi.Client{Interface: k, HTTP: k.http, Forward: k.forward}
}

// kube charges latency, injects faults and records around the fake, which has no
// context to do so.
type kube struct {
	w      *World
	region string
	mu     sync.Mutex // the fake keeps every action; they are dropped under it
	fake   *fake.FakeDynamicClient
	http   rest.Interface
	// changed is set by the reactor while the state is locked.
	changed bool
}

func newKube(w *World, region string) *kube {
	k := &kube{w: w, region: region, fake: fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kubeKinds)}
	k.fake.PrependReactor("*", "*", k.react)
	k.http = k.kubeHTTP()
	return k
}

// Resource is part of dynamic.Interface.
func (k *kube) Resource(gvr schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	return &kubeResource{k: k, gvr: gvr, in: k.fake.Resource(gvr)}
}

type kubeResource struct {
	k         *kube
	gvr       schema.GroupVersionResource
	namespace string
	in        dynamic.NamespaceableResourceInterface
}

// Namespace is part of dynamic.NamespaceableResourceInterface.
func (r *kubeResource) Namespace(ns string) dynamic.ResourceInterface {
	out := *r
	out.namespace = ns
	return &out
}

func (r *kubeResource) client() dynamic.ResourceInterface {
	if r.namespace == "" {
		return r.in
	}
	return r.in.Namespace(r.namespace)
}

// do carries out one call.
func (r *kubeResource) do(ctx context.Context, verb, name string, sub []string, f func(dynamic.ResourceInterface) error) error {
	what := strings.Join(append([]string{r.gvr.Resource}, sub...), "/")
	c := Call{System: "kubernetes", Operation: verb + " " + what, Region: r.k.region, Target: name, Mutating: verb != "get" && verb != "list" && r.gvr != reviewsGVR}
	err := r.k.w.call(ctx, c, 20*time.Millisecond, 60*time.Millisecond, func(s *State) (bool, error) {
		r.k.mu.Lock()
		defer r.k.mu.Unlock()
		r.k.changed = false
		err := f(r.client())
		r.k.fake.ClearActions()
		return r.k.changed, err
	})
	return asKube(ctx, r.k.region, r.gvr.GroupResource(), err, verb, what, name)
}

// asKube turns what went wrong into what client-go would have made of it.
func asKube(ctx context.Context, region string, group schema.GroupResource, err error, verb, what, name string) error {
	var f *failure
	if err == nil || !errors.As(err, &f) {
		return err
	}
	over := func(err error) error {
		method := map[string]string{"patch": "Patch", "update": "Put", "create": "Post", "delete": "Delete"}[verb]
		if method == "" {
			method = "Get"
		}
		return &url.Error{Op: method, URL: "https://kubernetes." + region + ".pretend/" + what + "/" + name, Err: err}
	}
	switch f.kind {
	case Throttle:
		return apierrors.NewTooManyRequests("the server has received too many requests and has asked us to try again later", 1)
	case Deny:
		return apierrors.NewForbidden(group, name, errors.New("the role of the caller does not allow "+verb+" on "+what))
	case ServerFail:
		return apierrors.NewServiceUnavailable("the server is currently unable to handle the request")
	case Hang:
		if ctx.Err() != nil {
			return over(context.Cause(ctx))
		}
		return over(os.ErrDeadlineExceeded)
	case LostAnswer:
		return over(withCause(os.NewSyscallError("read", syscall.ECONNRESET), f.err))
	default:
		return over(withCause(refused(), f.err))
	}
}

// Create is part of dynamic.ResourceInterface.
func (r *kubeResource) Create(ctx context.Context, obj *unstructured.Unstructured, opts metav1.CreateOptions, sub ...string) (out *unstructured.Unstructured, err error) {
	err = r.do(ctx, "create", obj.GetName(), sub, func(c dynamic.ResourceInterface) (e error) { out, e = c.Create(ctx, obj, opts, sub...); return e })
	return onlyIf(out, err)
}

// Update is part of dynamic.ResourceInterface.
func (r *kubeResource) Update(ctx context.Context, obj *unstructured.Unstructured, opts metav1.UpdateOptions, sub ...string) (out *unstructured.Unstructured, err error) {
	err = r.do(ctx, "update", obj.GetName(), sub, func(c dynamic.ResourceInterface) (e error) { out, e = c.Update(ctx, obj, opts, sub...); return e })
	return onlyIf(out, err)
}

// UpdateStatus is part of dynamic.ResourceInterface.
func (r *kubeResource) UpdateStatus(ctx context.Context, obj *unstructured.Unstructured, opts metav1.UpdateOptions) (out *unstructured.Unstructured, err error) {
	err = r.do(ctx, "update", obj.GetName(), []string{"status"}, func(c dynamic.ResourceInterface) (e error) { out, e = c.UpdateStatus(ctx, obj, opts); return e })
	return onlyIf(out, err)
}

// Delete is part of dynamic.ResourceInterface.
func (r *kubeResource) Delete(ctx context.Context, name string, opts metav1.DeleteOptions, sub ...string) error {
	return r.do(ctx, "delete", name, sub, func(c dynamic.ResourceInterface) error { return c.Delete(ctx, name, opts, sub...) })
}

// DeleteCollection is part of dynamic.ResourceInterface.
func (r *kubeResource) DeleteCollection(ctx context.Context, opts metav1.DeleteOptions, list metav1.ListOptions) error {
	return r.do(ctx, "deletecollection", "", nil, func(c dynamic.ResourceInterface) error { return c.DeleteCollection(ctx, opts, list) })
}

// Get is part of dynamic.ResourceInterface.
func (r *kubeResource) Get(ctx context.Context, name string, opts metav1.GetOptions, sub ...string) (out *unstructured.Unstructured, err error) {
	err = r.do(ctx, "get", name, sub, func(c dynamic.ResourceInterface) (e error) { out, e = c.Get(ctx, name, opts, sub...); return e })
	return onlyIf(out, err)
}

// List is part of dynamic.ResourceInterface.
func (r *kubeResource) List(ctx context.Context, opts metav1.ListOptions) (out *unstructured.UnstructuredList, err error) {
	if kubeKinds[r.gvr] == "" {
		return nil, apierrors.NewNotFound(r.gvr.GroupResource(), "")
	}
	err = r.do(ctx, "list", "", nil, func(c dynamic.ResourceInterface) (e error) {
		out, e = c.List(ctx, opts)
		if e == nil && opts.FieldSelector != "" {
			e = keepFields(out, opts.FieldSelector)
		}
		return e
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Watch is part of dynamic.ResourceInterface. The pretend API server has none.
func (r *kubeResource) Watch(context.Context, metav1.ListOptions) (watch.Interface, error) {
	return nil, apierrors.NewMethodNotSupported(r.gvr.GroupResource(), "watch")
}

// Patch is part of dynamic.ResourceInterface.
func (r *kubeResource) Patch(ctx context.Context, name string, pt types.PatchType, data []byte, opts metav1.PatchOptions, sub ...string) (out *unstructured.Unstructured, err error) {
	err = r.do(ctx, "patch", name, sub, func(c dynamic.ResourceInterface) (e error) {
		out, e = c.Patch(ctx, name, pt, data, opts, sub...)
		return e
	})
	return onlyIf(out, err)
}

// Apply is part of dynamic.ResourceInterface.
func (r *kubeResource) Apply(ctx context.Context, name string, obj *unstructured.Unstructured, opts metav1.ApplyOptions, sub ...string) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(obj)
	if err != nil {
		return nil, fmt.Errorf("write %s down: %w", name, err)
	}
	return r.Patch(ctx, name, types.ApplyPatchType, data, opts.ToPatchOptions(), sub...)
}

// ApplyStatus is part of dynamic.ResourceInterface.
func (r *kubeResource) ApplyStatus(ctx context.Context, name string, obj *unstructured.Unstructured, opts metav1.ApplyOptions) (*unstructured.Unstructured, error) {
	return r.Apply(ctx, name, obj, opts, "status")
}

func onlyIf(out *unstructured.Unstructured, err error) (*unstructured.Unstructured, error) {
	if err != nil {
		return nil, err
	}
	return out, nil
}

// keepFields does what the API server does with a field selector.
func keepFields(list *unstructured.UnstructuredList, selector string) error {
	sel, err := fields.ParseSelector(selector)
	if err != nil {
		return apierrors.NewBadRequest("field selector " + strconv.Quote(selector) + ": " + err.Error())
	}
	kept := list.Items[:0]
	for _, item := range list.Items {
		set := fields.Set{}
		for _, r := range sel.Requirements() {
			v, _, err := unstructured.NestedFieldNoCopy(item.Object, strings.Split(r.Field, ".")...)
			if err != nil {
				return apierrors.NewBadRequest("field selector " + strconv.Quote(selector) + ": " + err.Error())
			}
			if v != nil {
				set[r.Field] = fmt.Sprint(v)
			}
		}
		if sel.Matches(set) {
			kept = append(kept, item)
		}
	}
	list.Items = kept
	return nil
}

// react answers the fake. The state is locked and up to date.
func (k *kube) react(action clienttesting.Action) (bool, runtime.Object, error) {
	obj, err := k.answer(action)
	if err != nil {
		return true, nil, err
	}
	if obj == nil {
		return true, nil, nil
	}
	out, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return true, nil, apierrors.NewInternalError(err)
	}
	return true, &unstructured.Unstructured{Object: out}, nil
}

func (k *kube) answer(action clienttesting.Action) (runtime.Object, error) {
	s := k.w.state
	r := s.Regions[k.region]
	gvr := action.GetResource()
	if r == nil || kubeKinds[gvr] == "" {
		return nil, &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound, Message: "the server could not find the requested resource (" + gvr.String() + ")"}}
	}
	if gvr.Group == virtualsGVR.Group && r.Mesh.Absent {
		return nil, apierrors.NewNotFound(gvr.GroupResource(), "")
	}
	ns := action.GetNamespace()
	switch action.GetVerb() { // by verb: the interfaces below contain each other
	case "list":
		return r.list(s, gvr, ns), nil
	case "get":
		if a, ok := action.(clienttesting.GetAction); ok {
			return r.get(s, gvr, ns, a.GetName(), a.GetSubresource())
		}
	case "patch":
		if a, ok := action.(clienttesting.PatchAction); ok {
			return k.change(r, gvr, ns, a.GetName(), a.GetSubresource(), func(now runtime.Object) ([]byte, error) {
				return patched(now, a.GetPatchType(), a.GetPatch())
			})
		}
	case "create":
		if a, ok := action.(clienttesting.CreateAction); ok {
			if u, ok := a.GetObject().(*unstructured.Unstructured); ok {
				return k.create(r, gvr, ns, u)
			}
		}
	case "update":
		a, ok := action.(clienttesting.UpdateAction)
		if !ok {
			break
		}
		u, ok := a.GetObject().(*unstructured.Unstructured)
		if !ok {
			return nil, apierrors.NewBadRequest("not an object")
		}
		return k.change(r, gvr, ns, u.GetName(), a.GetSubresource(), func(runtime.Object) ([]byte, error) { return json.Marshal(u) })
	}
	return nil, apierrors.NewMethodNotSupported(gvr.GroupResource(), action.GetVerb())
}

// list are all objects of a kind; selectors are applied by others.
func (r *Region) list(s *State, gvr schema.GroupVersionResource, ns string) runtime.Object {
	meta := metav1.ListMeta{ResourceVersion: fmt.Sprint(r.Versions)}
	here := ns == "" || ns == namespace
	if controllers := r.keepers(gvr); controllers != nil {
		return controllers
	}
	switch gvr {
	case deploymentsGVR:
		out := &appsv1.DeploymentList{ListMeta: meta, Items: []appsv1.Deployment{}}
		for _, name := range sortedKeys(r.Deployments) {
			if here {
				out.Items = append(out.Items, *r.Deployments[name])
			}
		}
		if ns == "" || ns == monitoringNamespace {
			out.Items = append(out.Items, r.grafanaDeployments()...)
		}
		out.TypeMeta = metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DeploymentList"}
		return out
	case hpasGVR:
		out := &autoscalingv2.HorizontalPodAutoscalerList{ListMeta: meta, Items: []autoscalingv2.HorizontalPodAutoscaler{}}
		for _, name := range sortedKeys(r.HPAs) {
			if here {
				out.Items = append(out.Items, *r.HPAs[name])
			}
		}
		out.TypeMeta = metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscalerList"}
		return out
	case podsGVR:
		out := &corev1.PodList{ListMeta: meta, Items: []corev1.Pod{}}
		for _, p := range r.Pods {
			if here {
				out.Items = append(out.Items, *s.podObject(r, p))
			}
		}
		if ns == istioNamespace {
			out.Items = r.istiodPods()
		}
		out.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}
		return out
	case nodesGVR:
		out := &corev1.NodeList{ListMeta: meta, Items: []corev1.Node{}}
		for _, n := range r.Nodes {
			out.Items = append(out.Items, *s.nodeObject(r, n))
		}
		out.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "NodeList"}
		return out
	case cronJobsGVR:
		out := &batchv1.CronJobList{ListMeta: meta, Items: []batchv1.CronJob{}}
		for _, name := range sortedKeys(r.CronJobs) {
			if here {
				out.Items = append(out.Items, *r.cronJobObject(name))
			}
		}
		out.TypeMeta = metav1.TypeMeta{APIVersion: "batch/v1", Kind: "CronJobList"}
		return out
	case accountsGVR:
		out := &corev1.ServiceAccountList{ListMeta: meta, Items: []corev1.ServiceAccount{}}
		for _, name := range sortedKeys(r.Accounts) {
			if here {
				out.Items = append(out.Items, *r.accountObject(name))
			}
		}
		out.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccountList"}
		return out
	case statefulSetsGVR, servicesGVR, ingressesGVR:
		var items []unstructured.Unstructured
		if ns == "" || ns == monitoringNamespace {
			items = r.monitoringObjects(kubeKinds[gvr])
		}
		return listOf(gvr.GroupVersion(), kubeKinds[gvr], items)
	case backupsGVR:
		if ns != veleroNamespace {
			return veleroList("Backup", nil)
		}
		return veleroList("Backup", s.backups())
	case schedulesGVR:
		if ns != veleroNamespace && ns != "" {
			return veleroList("Schedule", nil)
		}
		return veleroList("Schedule", s.schedules(r))
	case locationsGVR:
		if ns != veleroNamespace {
			return veleroList("BackupStorageLocation", nil)
		}
		return veleroList("BackupStorageLocation", s.backupLocations(r))
	case restoresGVR:
		if ns != veleroNamespace {
			return veleroList("Restore", nil)
		}
		return veleroList("Restore", s.restores(r.Name))
	case podVolumesGVR:
		if ns != veleroNamespace {
			return veleroList("PodVolumeBackup", nil)
		}
		return veleroList("PodVolumeBackup", s.podVolumes())
	case configMapsGVR, claimsGVR, virtualsGVR, destinationsGVR:
		return r.keptList(gvr, here)
	default:
		out := &corev1.EventList{ListMeta: meta, Items: []corev1.Event{}}
		for _, n := range r.Notices {
			if here {
				out.Items = append(out.Items, *r.eventObject(n))
			}
		}
		out.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "EventList"}
		return out
	}
}

// get is one object, or its scale.
func (r *Region) get(s *State, gvr schema.GroupVersionResource, ns, name, sub string) (runtime.Object, error) {
	missing := apierrors.NewNotFound(gvr.GroupResource(), name)
	if o := r.manager(gvr, ns, name); o != nil {
		return o, nil
	}
	if ns != namespace && gvr != nodesGVR {
		return nil, missing
	}
	switch gvr {
	case deploymentsGVR:
		d, ok := r.Deployments[name]
		switch {
		case !ok:
			return nil, missing
		case sub == "scale":
			return scaleOf(d), nil
		case sub == "" || sub == "status":
			return d.DeepCopy(), nil
		}
	case hpasGVR:
		if h, ok := r.HPAs[name]; ok && (sub == "" || sub == "status") {
			return h.DeepCopy(), nil
		}
	case cronJobsGVR:
		if _, ok := r.CronJobs[name]; ok && sub == "" {
			return r.cronJobObject(name), nil
		}
	case podsGVR:
		for _, p := range r.Pods {
			if p.Name == name {
				return s.podObject(r, p), nil
			}
		}
	case nodesGVR:
		for _, n := range r.Nodes {
			if n.Name == name {
				return s.nodeObject(r, n), nil
			}
		}
	case eventsGVR:
		for _, n := range r.Notices {
			if n.Name == name {
				return r.eventObject(n), nil
			}
		}
	}
	return nil, missing
}

func scaleOf(d *appsv1.Deployment) *autoscalingv1.Scale {
	return &autoscalingv1.Scale{
		TypeMeta:   metav1.TypeMeta{APIVersion: "autoscaling/v1", Kind: "Scale"},
		ObjectMeta: metav1.ObjectMeta{Name: d.Name, Namespace: d.Namespace, UID: d.UID, ResourceVersion: d.ResourceVersion, CreationTimestamp: d.CreationTimestamp},
		Spec:       autoscalingv1.ScaleSpec{Replicas: *d.Spec.Replicas},
		Status:     autoscalingv1.ScaleStatus{Replicas: d.Status.Replicas, Selector: "app=" + d.Name},
	}
}

// change replaces an object by what edit makes of it, if nobody changed it since
// the caller looked. What does not differ changes nothing, not even the version.
func (k *kube) change(r *Region, gvr schema.GroupVersionResource, ns, name, sub string, edit func(runtime.Object) ([]byte, error)) (runtime.Object, error) {
	now, err := r.get(k.w.state, gvr, ns, name, sub)
	if err != nil {
		return nil, err
	}
	data, err := edit(now)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	var head struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	meta, ok := now.(metav1.Object)
	if !ok {
		return nil, apierrors.NewMethodNotSupported(gvr.GroupResource(), "update")
	}
	if v := head.Metadata.ResourceVersion; v != "" && v != meta.GetResourceVersion() {
		return nil, apierrors.NewConflict(gvr.GroupResource(), name, errors.New("the object has been modified; please apply your changes to the latest version and try again"))
	}
	invalid := func(err error) error { return apierrors.NewBadRequest(name + ": " + err.Error()) }
	switch {
	case gvr == deploymentsGVR && sub == "scale":
		var scale autoscalingv1.Scale
		if err := json.Unmarshal(data, &scale); err != nil {
			return nil, invalid(err)
		}
		if scale.Spec.Replicas < 0 {
			return nil, invalid(errors.New("spec.replicas: must be greater than or equal to 0"))
		}
		d := r.Deployments[name]
		if *d.Spec.Replicas != scale.Spec.Replicas {
			d.Spec.Replicas = ptr(scale.Spec.Replicas)
			r.touch(&d.ObjectMeta, true)
			k.changed = true
		}
		return scaleOf(d), nil
	case gvr == deploymentsGVR && sub == "":
		next, have := &appsv1.Deployment{}, r.Deployments[name]
		if err := json.Unmarshal(data, next); err != nil {
			return nil, invalid(err)
		}
		if next.Spec.Replicas == nil {
			next.Spec.Replicas = ptr(int32(1))
		}
		if *next.Spec.Replicas < 0 {
			return nil, invalid(errors.New("spec.replicas: must be greater than or equal to 0"))
		}
		k.keep(r, &have.ObjectMeta, &next.ObjectMeta, have.Spec, next.Spec)
		have.Spec = next.Spec
		return have.DeepCopy(), nil
	case gvr == cronJobsGVR && sub == "":
		var next batchv1.CronJob
		if err := json.Unmarshal(data, &next); err != nil {
			return nil, invalid(err)
		}
		if runs := next.Spec.Suspend == nil || !*next.Spec.Suspend; runs != r.CronJobs[name] {
			r.CronJobs[name] = runs
			r.Versions++
			k.changed = true
		}
		return r.cronJobObject(name), nil
	case gvr == hpasGVR && sub == "":
		next, have := &autoscalingv2.HorizontalPodAutoscaler{}, r.HPAs[name]
		if err := json.Unmarshal(data, next); err != nil {
			return nil, invalid(err)
		}
		if next.Spec.MinReplicas == nil {
			next.Spec.MinReplicas = ptr(int32(1))
		}
		if *next.Spec.MinReplicas < 1 || *next.Spec.MinReplicas > next.Spec.MaxReplicas {
			return nil, invalid(fmt.Errorf("spec.minReplicas: %d is not between 1 and maxReplicas %d", *next.Spec.MinReplicas, next.Spec.MaxReplicas))
		}
		k.keep(r, &have.ObjectMeta, &next.ObjectMeta, have.Spec, next.Spec)
		have.Spec = next.Spec
		return have.DeepCopy(), nil
	}
	return nil, apierrors.NewMethodNotSupported(gvr.GroupResource(), "update")
}

// keep takes over what a caller may change of an object's metadata, and gives the
// object a new version if it or its spec differs.
func (k *kube) keep(r *Region, have, next *metav1.ObjectMeta, was, is any) {
	a, errA := json.Marshal([]any{have.Labels, have.Annotations, was})
	b, errB := json.Marshal([]any{next.Labels, next.Annotations, is})
	if errA == nil && errB == nil && string(a) == string(b) {
		return
	}
	wasSpec, errA := json.Marshal(was)
	isSpec, errB := json.Marshal(is)
	have.Labels, have.Annotations = next.Labels, next.Annotations
	r.touch(have, errA != nil || errB != nil || string(wasSpec) != string(isSpec))
	k.changed = true
}

// patched is an object after a patch, as JSON.
func patched(now runtime.Object, pt types.PatchType, patch []byte) ([]byte, error) {
	before, err := json.Marshal(now)
	if err != nil {
		return nil, err
	}
	switch pt {
	case types.StrategicMergePatchType:
		return strategicpatch.StrategicMergePatch(before, patch, now)
	case types.ApplyPatchType: // one manager only, so an apply is a merge
		var doc map[string]any
		if err := yaml.Load(patch, &doc); err != nil {
			return nil, err
		}
		if patch, err = json.Marshal(doc); err != nil {
			return nil, err
		}
		return strategicpatch.StrategicMergePatch(before, patch, now)
	case types.MergePatchType:
		var doc, change any
		if err := json.Unmarshal(before, &doc); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(patch, &change); err != nil {
			return nil, err
		}
		return json.Marshal(merge(doc, change))
	case types.JSONPatchType:
		return jsonPatch(before, patch)
	default:
		return nil, fmt.Errorf("the pretend cluster does not know patches of type %s", pt)
	}
}

// merge is a JSON merge patch (RFC 7396).
func merge(doc, patch any) any {
	change, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out, ok := doc.(map[string]any)
	if !ok {
		out = map[string]any{}
	}
	for k, v := range change {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = merge(out[k], v)
		}
	}
	return out
}

// pointerKey is a key of a JSON pointer (RFC 6901) as it is without its escapes.
var pointerKey = strings.NewReplacer("~1", "/", "~0", "~")

// jsonPatch carries out the operations of a JSON patch (RFC 6902) that make sense
// for the objects here: test, add, replace and remove of members of objects.
func jsonPatch(before, patch []byte) ([]byte, error) {
	var doc any
	if err := json.Unmarshal(before, &doc); err != nil {
		return nil, err
	}
	var ops []struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	if err := json.Unmarshal(patch, &ops); err != nil {
		return nil, err
	}
	for _, op := range ops {
		keys := strings.Split(strings.TrimPrefix(op.Path, "/"), "/")
		at := doc
		for i, key := range keys {
			key = pointerKey.Replace(key)
			m, ok := at.(map[string]any)
			if !ok {
				return nil, fmt.Errorf("the pretend cluster cannot patch %s: only members of objects", op.Path)
			}
			if i < len(keys)-1 {
				at = m[key]
				continue
			}
			have, there := m[key]
			switch op.Op {
			case "add":
				m[key] = op.Value
			case "replace", "remove", "test":
				if !there {
					return nil, fmt.Errorf("there is nothing at %s", op.Path)
				}
				if op.Op == "replace" {
					m[key] = op.Value
				} else if op.Op == "remove" {
					delete(m, key)
				} else if fmt.Sprint(have) != fmt.Sprint(op.Value) {
					return nil, fmt.Errorf("%s is %v, not %v", op.Path, have, op.Value)
				}
			default:
				return nil, fmt.Errorf("the pretend cluster does not know the patch operation %q", op.Op)
			}
		}
	}
	return json.Marshal(doc)
}
