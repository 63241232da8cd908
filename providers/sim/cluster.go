package sim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// This file is long because a cluster's controllers work on one thing: what of a
// Deployment is asked for, what its pods do, and what is reported of both.

// Node is one node of a cluster.
type Node struct {
	Name     string `json:"name"`
	Zone     string `json:"zone"`
	Ready    bool   `json:"ready"`
	Cordoned bool   `json:"cordoned"`
	// Taints that keep pods away which do not tolerate them.
	Taints []corev1.Taint `json:"taints,omitempty"`
}

// Pod is one pod of a service.
type Pod struct {
	Name    string `json:"name"`
	Service string `json:"service"`
	// Nth says how many pods the Region had made with this one. What is drawn about
	// it goes by this: its name holds what somebody wrote into its template.
	Nth      int       `json:"nth"`
	Template string    `json:"template"` // hash of the template it was made from
	Host     string    `json:"host"`     // of the database that it connects to
	Node     string    `json:"node"`     // empty while it cannot be placed
	Created  time.Time `json:"created"`
	// ReadyAt is when it becomes ready; zero while it cannot be placed. Its
	// connections to the database are those of the writer at its creation.
	ReadyAt time.Time `json:"ready_at"`
}

func (p *Pod) ready(at time.Time) bool { return !p.ReadyAt.IsZero() && !p.ReadyAt.After(at) }

// Notice is an event object of the cluster.
type Notice struct {
	Name    string    `json:"name"`
	Kind    string    `json:"kind"`
	Object  string    `json:"object"`
	Type    string    `json:"type"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Count   int32     `json:"count"`
}

// ReadyPods are the ready pods of a service in a Region, and how many of them hold
// connections to the present writer of the database.
func (s *State) ReadyPods(region, service string) (ready, connected int) {
	if r := s.Regions[region]; r != nil {
		return s.readyPods(r, service)
	}
	return 0, 0
}

// readyPods are the ready pods of a service, and how many of them hold
// connections to the present writer.
func (s *State) readyPods(r *Region, service string) (ready, connected int) {
	for _, p := range r.Pods {
		if p.Service == service && p.ready(s.At) {
			ready++
			if !p.Created.Before(s.Database.WritableSince) && (p.Host == "" || s.Database.leads(p.Host) == s.writer()) {
				connected++
			}
		}
	}
	return ready, connected
}

// addNodes gives each zone of the Region that many new nodes.
func (r *Region) addNodes(perZone int) {
	for z := range zonesPerRegion {
		zone := r.Name + string(rune('a'+z))
		have := 0
		for _, n := range r.Nodes {
			if n.Zone == zone {
				have++
			}
		}
		for i := range perZone {
			r.Nodes = append(r.Nodes, Node{Name: fmt.Sprintf("ip-10-%d-%d-%d.%s.compute.internal", len(regionNames), z, 10+have+i, r.Name), Zone: zone, Ready: true})
		}
	}
}

const (
	hpaSync        = 15 * time.Second
	hpaPatience    = 30 * time.Second // until an autoscaler takes replicas away
	zonesPerRegion = 3
)

// beginCluster puts nodes and services into a Region.
func (s *State) beginCluster(r *Region, start Start, long time.Time) {
	r.Load, r.Over = map[string]int32{}, map[string]time.Time{}
	r.Deployments, r.HPAs = map[string]*appsv1.Deployment{}, map[string]*autoscalingv2.HorizontalPodAutoscaler{}
	home := r.Name == homeRegion
	r.CronJobs = map[string]bool{cronJob: home}
	perZone, given := start.NodesPerZone[r.Name]
	if !given {
		perZone = 2
		if home {
			perZone = 3
		}
	}
	r.addNodes(perZone)
	for _, svc := range services {
		n, top := int32(svc.topology.Standby), int32(2*svc.topology.Replicas)
		if home {
			n = int32(svc.topology.Replicas)
		} else if m, ok := start.HPAMax[svc.topology.Name]; ok {
			top = int32(m)
		}
		s.deploy(r, svc.topology.Name, n, top, long)
	}
	if slices.Contains(start.GitOps, r.Name) {
		r.Manage("argocd")
	}
}

// deploy puts a service with its autoscaler and its running pods into a Region.
func (s *State) deploy(r *Region, name string, replicas, top int32, at time.Time) {
	labels := map[string]string{"app": name}
	d := &appsv1.Deployment{ObjectMeta: object(r, namespace, name, at)}
	d.TypeMeta = metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}
	d.Spec = appsv1.DeploymentSpec{
		Replicas: ptr(replicas), Selector: &metav1.LabelSelector{MatchLabels: labels}, ProgressDeadlineSeconds: ptr(int32(600)),
		Strategy: appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{
			MaxSurge: ptr(intstr.FromString("25%")), MaxUnavailable: ptr(intstr.FromString("25%")),
		}},
		Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec: corev1.PodSpec{ServiceAccountName: name, Containers: []corev1.Container{{
				Name: name, Image: registryOf(r.Name) + "/" + name + ":" + release,
				Env:       []corev1.EnvVar{{Name: databaseEnv, Value: globalHost(globalCluster)}},
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m")}},
			}}},
		},
	}
	if configMap, secret, ok := setUpBy(name); ok {
		d.Spec.Template.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{
			{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: configMap}}},
			{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: secret}}},
		}
	}
	r.Deployments[name] = d
	h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: object(r, namespace, name, at)}
	h.TypeMeta = metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"}
	h.Spec = autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: name},
		MinReplicas:    ptr(replicas), MaxReplicas: top,
		Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
			Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr(int32(70))},
		}}},
	}
	r.HPAs[name] = h
	r.Load[name] = replicas
	for range replicas {
		if p := s.newPod(r, d, at); p.Node != "" {
			p.ReadyAt = at.Add(time.Minute)
		}
	}
	s.statusOf(r, d)
	d.Status.ObservedGeneration = d.Generation
	s.hpaStatus(r, h, d)
}

func object(r *Region, namespace, name string, at time.Time) metav1.ObjectMeta {
	r.Versions++
	return metav1.ObjectMeta{
		Name: name, Namespace: namespace, Generation: 1,
		ResourceVersion:   fmt.Sprint(r.Versions),
		UID:               uidOf(r.Name, namespace, name, r.Versions),
		CreationTimestamp: metav1.NewTime(at),
		Labels:            map[string]string{"app": name},
	}
}

// hashed is a template's hash, good for one generation of its Deployment.
type hashed struct {
	generation int64
	hash       string
}

// templateHash tells templates apart, as a ReplicaSet's hash does.
func (r *Region) templateHash(d *appsv1.Deployment) string {
	if h, ok := r.hashes[d.Name]; ok && h.generation == d.Generation {
		return h.hash
	}
	data, err := json.Marshal(d.Spec.Template)
	if err != nil {
		return "unreadable" // cannot be: it came out of JSON
	}
	h := hashed{d.Generation, fmt.Sprintf("%010x", draw(0, 1<<40, string(data)))}
	if r.hashes == nil {
		r.hashes = map[string]hashed{}
	}
	r.hashes[d.Name] = h
	return h.hash
}

// newPod makes a pod, and places it where there is room.
func (s *State) newPod(r *Region, d *appsv1.Deployment, at time.Time) *Pod {
	r.PodCount++
	hash := r.templateHash(d)
	p := &Pod{
		Name:    fmt.Sprintf("%s-%s-%05x", d.Name, hash, draw(s.Seed, 1<<20, r.Name, d.Name, r.PodCount)),
		Service: d.Name, Nth: r.PodCount, Template: hash, Host: databaseOf(d), Created: at,
	}
	r.Pods = append(r.Pods, p)
	s.place(r, p, at)
	return p
}

// databaseOf is the host of the database that a service's pods are given.
func databaseOf(d *appsv1.Deployment) string {
	for _, c := range d.Spec.Template.Spec.Containers {
		for _, e := range c.Env {
			if e.Name == databaseEnv {
				return e.Value
			}
		}
	}
	return ""
}

// place gives a pod a node, if one has room.
func (s *State) place(r *Region, p *Pod, at time.Time) {
	load := map[string]int{}
	var tolerates []corev1.Toleration
	if d := r.Deployments[p.Service]; d != nil {
		tolerates = d.Spec.Template.Spec.Tolerations
	}
	for _, other := range r.Pods {
		load[other.Node]++
	}
	best := ""
	for _, n := range r.Nodes {
		if n.Ready && !n.Cordoned && n.takes(tolerates) && load[n.Name] < s.PodsPerNode && (best == "" || load[n.Name] < load[best]) {
			best = n.Name
		}
	}
	if best == "" {
		s.notice(r, "Pod", p.Name, corev1.EventTypeWarning, "FailedScheduling",
			fmt.Sprintf("0/%d nodes are available: %d Insufficient cpu. preemption: not eligible.", len(r.Nodes), len(r.Nodes)), at)
		return
	}
	p.Node = best
	p.ReadyAt = at.Add(s.span(25*time.Second, time.Minute, "ready", r.Name, p.Service, p.Nth))
}

// takes says that the node's taints let a pod in.
func (n Node) takes(tolerations []corev1.Toleration) bool {
	return !slices.ContainsFunc(n.Taints, func(t corev1.Taint) bool {
		return t.Effect != corev1.TaintEffectPreferNoSchedule &&
			!slices.ContainsFunc(tolerations, func(o corev1.Toleration) bool { return o.ToleratesTaint(logr.Discard(), &t, false) })
	})
}

// notice adds an event object of the cluster, or counts one more of the same.
func (s *State) notice(r *Region, kind, name, typ, reason, message string, at time.Time) {
	for i := range r.Notices {
		n := &r.Notices[i]
		if n.Kind == kind && n.Object == name && n.Reason == reason {
			if at.Sub(n.Last) >= 15*time.Second {
				n.Last, n.Message = at, message
				n.Count++
			}
			return
		}
	}
	r.Notices = append(r.Notices, Notice{
		Name: fmt.Sprintf("%s.%x", name, at.UnixNano()), Kind: kind, Object: name, Type: typ, Reason: reason, Message: message,
		First: at, Last: at, Count: 1,
	})
}

// stepCluster runs the cluster's controllers for one tick.
func (s *State) stepCluster(r *Region) {
	for _, p := range r.Pods {
		if p.Node == "" {
			s.place(r, p, s.At)
		}
	}
	for _, svc := range services {
		d := r.Deployments[svc.topology.Name]
		h := r.HPAs[svc.topology.Name]
		if d == nil {
			continue
		}
		if h != nil && r.GitOps != nil {
			s.stepGitOps(r, h)
		}
		if h != nil && s.At.Equal(s.At.Truncate(hpaSync)) {
			s.stepHPA(r, h, d)
		}
		s.stepDeployment(r, d)
		if h != nil {
			s.hpaStatus(r, h, d)
		}
	}
}

// stepHPA does what the autoscaler does at each sync.
func (s *State) stepHPA(r *Region, h *autoscalingv2.HorizontalPodAutoscaler, d *appsv1.Deployment) {
	have := *d.Spec.Replicas
	if have == 0 {
		return // a target that is scaled to zero is left alone
	}
	low := int32(1)
	if h.Spec.MinReplicas != nil {
		low = *h.Spec.MinReplicas
	}
	want := min(max(r.Load[d.Name], low), h.Spec.MaxReplicas)
	if have <= want || have > h.Spec.MaxReplicas {
		delete(r.Over, d.Name)
	}
	switch {
	case have > want && have <= h.Spec.MaxReplicas:
		since, ok := r.Over[d.Name]
		if !ok {
			r.Over[d.Name] = s.At
			return
		}
		if s.At.Sub(since) < hpaPatience {
			return
		}
		delete(r.Over, d.Name)
	case have == want:
		return
	}
	d.Spec.Replicas = ptr(want)
	r.touch(&d.ObjectMeta, true)
	h.Status.LastScaleTime = ptr(metav1.NewTime(s.At))
	r.touch(&h.ObjectMeta, false)
	s.notice(r, "HorizontalPodAutoscaler", h.Name, corev1.EventTypeNormal, "SuccessfulRescale", fmt.Sprintf("New size: %d", want), s.At)
}

// touch gives an object a new version, and a new generation when its spec changed.
func (r *Region) touch(m *metav1.ObjectMeta, spec bool) {
	r.Versions++
	m.ResourceVersion = fmt.Sprint(r.Versions)
	if spec {
		m.Generation++
	}
}

// stepDeployment does what the Deployment's and its ReplicaSets' controllers do:
// a rolling update with a quarter of surge and a quarter of missing pods.
func (s *State) stepDeployment(r *Region, d *appsv1.Deployment) {
	before := d.Status.DeepCopy()
	d.Status.ObservedGeneration = d.Generation
	want := int(*d.Spec.Replicas)
	hash := r.templateHash(d)
	var old, fresh []*Pod
	available := 0
	for _, p := range r.Pods {
		if p.Service != d.Name {
			continue
		}
		if p.Template == hash {
			fresh = append(fresh, p)
		} else {
			old = append(old, p)
		}
		if p.ready(s.At) {
			available++
		}
	}
	surge, missing := (want+3)/4, want/4
	if surge == 0 && missing == 0 {
		surge = 1
	}
	gone := map[*Pod]bool{}
	// Take away fresh pods that are too many: unready ones first, then the newest.
	excess := func(pods []*Pod, n int) {
		sorted := slices.Clone(pods)
		slices.SortStableFunc(sorted, func(a, b *Pod) int {
			if ra, rb := a.ready(s.At), b.ready(s.At); ra != rb {
				if ra {
					return 1
				}
				return -1
			}
			return b.Created.Compare(a.Created)
		})
		for _, p := range sorted[:min(n, len(sorted))] {
			gone[p] = true
			if p.ready(s.At) {
				available--
			}
		}
	}
	if len(fresh) > want {
		excess(fresh, len(fresh)-want)
	}
	if len(old) == 0 {
		surge = 0
	}
	for n := min(want-len(fresh), want+surge-len(fresh)-len(old)); n > 0; n-- {
		s.newPod(r, d, s.At)
	}
	if len(old) > 0 {
		var unready []*Pod
		for _, p := range old {
			if !p.ready(s.At) {
				unready = append(unready, p)
			}
		}
		excess(unready, len(unready))
		var ready []*Pod
		for _, p := range old {
			if p.ready(s.At) {
				ready = append(ready, p)
			}
		}
		if spare := available - (want - missing); spare > 0 {
			excess(ready, spare)
		}
	}
	r.Pods = slices.DeleteFunc(r.Pods, func(p *Pod) bool {
		if gone[p] {
			r.Notices = slices.DeleteFunc(r.Notices, func(n Notice) bool { return n.Object == p.Name })
		}
		return gone[p]
	})
	s.statusOf(r, d)
	if !sameStatus(before, &d.Status) {
		r.touch(&d.ObjectMeta, false)
	}
}

func sameStatus(a, b *appsv1.DeploymentStatus) bool {
	if a.ObservedGeneration != b.ObservedGeneration || a.Replicas != b.Replicas || a.UpdatedReplicas != b.UpdatedReplicas ||
		a.ReadyReplicas != b.ReadyReplicas || len(a.Conditions) != len(b.Conditions) {
		return false
	}
	for i := range a.Conditions {
		if a.Conditions[i].Status != b.Conditions[i].Status || a.Conditions[i].Reason != b.Conditions[i].Reason {
			return false
		}
	}
	return true
}

// statusOf fills in what the controller reports, all but the observed generation.
func (s *State) statusOf(r *Region, d *appsv1.Deployment) {
	hash := r.templateHash(d)
	st := &d.Status
	st.Replicas, st.UpdatedReplicas, st.ReadyReplicas = 0, 0, 0
	newest := d.CreationTimestamp.Time
	for _, p := range r.Pods {
		if p.Service != d.Name {
			continue
		}
		st.Replicas++
		if p.Template == hash {
			st.UpdatedReplicas++
		}
		if p.ready(s.At) {
			st.ReadyReplicas++
			if p.ReadyAt.After(newest) {
				newest = p.ReadyAt
			}
		}
	}
	want := *d.Spec.Replicas
	st.AvailableReplicas = st.ReadyReplicas
	st.UnavailableReplicas = max(0, want-st.AvailableReplicas)
	conditions := []appsv1.DeploymentCondition{
		{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue, Reason: "MinimumReplicasAvailable", Message: "Deployment has minimum availability."},
		{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable", Message: "ReplicaSet \"" + d.Name + "-" + hash + "\" has successfully progressed."},
	}
	if st.AvailableReplicas < want-want/4 {
		conditions[0].Status, conditions[0].Reason, conditions[0].Message = corev1.ConditionFalse, "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
	}
	if st.UpdatedReplicas < want || st.Replicas > st.UpdatedReplicas || st.AvailableReplicas < st.UpdatedReplicas {
		conditions[1].Reason, conditions[1].Message = "ReplicaSetUpdated", "ReplicaSet \""+d.Name+"-"+hash+"\" is progressing."
		// The oldest pod that is not ready tells how long there has been no progress.
		for _, p := range r.Pods {
			if p.Service == d.Name && !p.ready(s.At) && s.At.Sub(maxTime(p.Created, newest)) > 600*time.Second {
				conditions[1].Status, conditions[1].Reason = corev1.ConditionFalse, "ProgressDeadlineExceeded"
				conditions[1].Message = "ReplicaSet \"" + d.Name + "-" + hash + "\" has timed out progressing."
			}
		}
	}
	for i := range conditions {
		c := &conditions[i]
		c.LastUpdateTime, c.LastTransitionTime = metav1.NewTime(s.At), metav1.NewTime(s.At)
		for _, have := range st.Conditions {
			if have.Type == c.Type && have.Status == c.Status {
				c.LastTransitionTime = have.LastTransitionTime
				if have.Reason == c.Reason {
					c.LastUpdateTime = have.LastUpdateTime
				}
			}
		}
	}
	st.Conditions = conditions
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (s *State) hpaStatus(r *Region, h *autoscalingv2.HorizontalPodAutoscaler, d *appsv1.Deployment) {
	h.Status.ObservedGeneration = ptr(h.Generation)
	h.Status.CurrentReplicas, h.Status.DesiredReplicas = d.Status.Replicas, *d.Spec.Replicas
	active := autoscalingv2.HorizontalPodAutoscalerCondition{
		Type: autoscalingv2.ScalingActive, Status: corev1.ConditionTrue, Reason: "ValidMetricFound",
		Message: "the HPA was able to successfully calculate a replica count", LastTransitionTime: h.CreationTimestamp,
	}
	if *d.Spec.Replicas == 0 {
		active.Status, active.Reason, active.Message = corev1.ConditionFalse, "ScalingDisabled", "scaling is disabled since the replica count of the target is zero"
	}
	h.Status.Conditions = []autoscalingv2.HorizontalPodAutoscalerCondition{active}
}

// podObject is the pod as the API shows it.
func (s *State) podObject(r *Region, p *Pod) *corev1.Pod {
	created := metav1.NewTime(p.Created)
	o := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name: p.Name, Namespace: namespace, UID: uidOf(r.Name, p.Name), CreationTimestamp: created, ResourceVersion: fmt.Sprint(r.Versions),
			Labels: map[string]string{"app": p.Service, "pod-template-hash": p.Template},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "ReplicaSet", Name: p.Service + "-" + p.Template, UID: uidOf(r.Name, p.Service, p.Template), Controller: ptr(true),
			}},
		},
		Spec:   corev1.PodSpec{NodeName: p.Node},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
	if d := r.Deployments[p.Service]; d != nil {
		o.Spec = d.Spec.Template.DeepCopy().Spec
		o.Spec.NodeName = p.Node
	}
	defer r.Mesh.inject(o, p) // last, as what is injected is no container of the service
	if p.Node == "" {
		o.Status.Phase = corev1.PodPending
		message := "no node has room"
		for _, n := range r.Notices {
			if n.Object == p.Name {
				message = n.Message
			}
		}
		o.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message, LastTransitionTime: created,
		}}
		return o
	}
	ready, at := corev1.ConditionFalse, created
	if p.ready(s.At) {
		ready, at = corev1.ConditionTrue, metav1.NewTime(p.ReadyAt)
	}
	o.Status.StartTime = &created
	o.Status.PodIP = fmt.Sprintf("10.0.%d.%d", draw(0, 250, p.Name), draw(1, 250, p.Name))
	for _, t := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		c := corev1.PodCondition{Type: t, Status: corev1.ConditionTrue, LastTransitionTime: created}
		if t == corev1.PodReady || t == corev1.ContainersReady {
			c.Status, c.LastTransitionTime = ready, at
		}
		o.Status.Conditions = append(o.Status.Conditions, c)
	}
	o.Status.InitContainerStatuses = s.started(o.Spec.InitContainers, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: created, FinishedAt: created}}, true)
	o.Status.ContainerStatuses = s.started(o.Spec.Containers, corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: created}}, ready == corev1.ConditionTrue)
	return o
}

// nodeObject is the node as the API shows it.
func (s *State) nodeObject(r *Region, n Node) *corev1.Node {
	ready, reason := corev1.ConditionTrue, "KubeletReady"
	if !n.Ready {
		ready, reason = corev1.ConditionUnknown, "NodeStatusUnknown"
	}
	created := metav1.NewTime(s.Start.Add(-30 * 24 * time.Hour))
	return &corev1.Node{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{
			Name: n.Name, UID: uidOf(r.Name, n.Name), CreationTimestamp: created, ResourceVersion: fmt.Sprint(r.Versions),
			Labels: map[string]string{"topology.kubernetes.io/region": r.Name, "topology.kubernetes.io/zone": n.Zone, "kubernetes.io/hostname": strings.SplitN(n.Name, ".", 2)[0]},
		},
		Spec: corev1.NodeSpec{Unschedulable: n.Cordoned, Taints: n.Taints, ProviderID: "aws:///" + n.Zone + "/" + fmt.Sprintf("i-%017x", draw(0, 1<<60, n.Name))},
		Status: corev1.NodeStatus{
			Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready, Reason: reason, LastTransitionTime: created, LastHeartbeatTime: metav1.NewTime(s.At)}},
			Allocatable: corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(int64(s.PodsPerNode), resource.DecimalSI), corev1.ResourceCPU: resource.MustParse("4")},
			NodeInfo:    corev1.NodeSystemInfo{KubeletVersion: "v1.35.2-eks-pretend"},
		},
	}
}

// cronJobObject is the CronJob as the API shows it.
func (r *Region) cronJobObject(name string) *batchv1.CronJob {
	return &batchv1.CronJob{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "CronJob"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, UID: uidOf(r.Name, "cronjob", name), ResourceVersion: fmt.Sprint(r.Versions)},
		Spec:       batchv1.CronJobSpec{Schedule: "0 3 * * *", ConcurrencyPolicy: batchv1.ForbidConcurrent, Suspend: ptr(!r.CronJobs[name])},
	}
}

// eventObject is the event as the API shows it.
func (r *Region) eventObject(n Notice) *corev1.Event {
	version := map[string]string{"HorizontalPodAutoscaler": "autoscaling/v2", "Deployment": "apps/v1"}[n.Kind]
	if version == "" {
		version = "v1"
	}
	return &corev1.Event{
		TypeMeta:       metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta:     metav1.ObjectMeta{Name: n.Name, Namespace: namespace, UID: uidOf(r.Name, n.Name), CreationTimestamp: metav1.NewTime(n.First), ResourceVersion: fmt.Sprint(r.Versions)},
		InvolvedObject: corev1.ObjectReference{Kind: n.Kind, Namespace: namespace, Name: n.Object, APIVersion: version},
		Type:           n.Type, Reason: n.Reason, Message: n.Message, Count: n.Count,
		FirstTimestamp: metav1.NewTime(n.First), LastTimestamp: metav1.NewTime(n.Last),
		Source: corev1.EventSource{Component: "pretend"},
	}
}

// expectCluster says how the clusters are not what a scenario expects.
func (s *State) expectCluster(e Expect, target string, say say) {
	for region, want := range map[string]bool{e.Scaled: true, e.Fenced: false} {
		if r := s.Regions[region]; r != nil && !r.Lost { // nothing runs in a Region that is lost
			for _, name := range sortedKeys(r.CronJobs) {
				if runs := r.CronJobs[name]; runs != want {
					say("CronJob %s in %s runs: %t, expected %t", name, region, runs, want)
				}
			}
		}
	}
	least := func(region, service string, hpa, ready int) {
		r := s.Regions[region]
		if h := r.HPAs[service]; h == nil || int(deref(h.Spec.MinReplicas)) < hpa {
			have := int32(0)
			if h != nil {
				have = deref(h.Spec.MinReplicas)
			}
			say("the autoscaler of %s in %s has a minimum of %d, expected %d", service, region, have, hpa)
		} else if int(h.Spec.MaxReplicas) < hpa {
			say("the autoscaler of %s in %s has a maximum of %d, below %d", service, region, h.Spec.MaxReplicas, hpa)
		}
		if n, _ := s.readyPods(r, service); n < ready {
			say("%s has %d ready pods in %s, expected %d", service, n, region, ready)
		}
	}
	if e.Scaled != "" {
		for _, svc := range services {
			n := svc.topology.Replicas
			least(e.Scaled, svc.topology.Name, n, n)
		}
	}
	for _, name := range sortedKeys(e.HPAMin) {
		least(target, name, e.HPAMin[name], 0)
	}
	for _, name := range sortedKeys(e.Ready) {
		least(target, name, 0, e.Ready[name])
	}
	if e.Connected != "" {
		for _, svc := range services {
			ready, connected := s.readyPods(s.Regions[e.Connected], svc.topology.Name)
			if ready == 0 || connected < ready {
				say("%d of %d pods of %s in %s hold connections to the present writer, expected all", connected, ready, svc.topology.Name, e.Connected)
			}
		}
	}
	if e.Fenced != "" {
		for _, svc := range services {
			d := s.Regions[e.Fenced].Deployments[svc.topology.Name]
			if svc.topology.Writes && d != nil && *d.Spec.Replicas != 0 {
				say("%s still runs in %s with %d replicas, expected none: it writes", svc.topology.Name, e.Fenced, *d.Spec.Replicas)
			}
		}
	}
	if e.Unfenced != "" {
		for _, svc := range services {
			d := s.Regions[e.Unfenced].Deployments[svc.topology.Name]
			if svc.topology.Writes && (d == nil || *d.Spec.Replicas == 0) {
				say("%s, which writes, is stopped in %s, expected to be left alone", svc.topology.Name, e.Unfenced)
			}
		}
	}
}
