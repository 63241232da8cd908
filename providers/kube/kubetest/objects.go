package kubetest

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// What a test's clusters hold.
var (
	Deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	Autoscalers = schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}
	Pods        = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	Nodes       = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	Jobs        = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	CronJobs    = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "cronjobs"}
	namespaces  = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
)

// resources of the kinds that tests create.
var resources = map[string]schema.GroupVersionResource{
	"Deployment": Deployments, "HorizontalPodAutoscaler": Autoscalers, "Pod": Pods, "Node": Nodes, "Job": Jobs, "CronJob": CronJobs, "Namespace": namespaces,
	"Backup": Backups, "BackupStorageLocation": StorageLocations,
	"Role":               {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
	"RoleBinding":        {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
	"ClusterRole":        {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"},
	"ClusterRoleBinding": {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"},
}

// clusterWide are the kinds that belong to no namespace.
var clusterWide = map[string]bool{"Node": true, "Namespace": true, "ClusterRole": true, "ClusterRoleBinding": true}

// Service is a Deployment of the platform in one Region, with its autoscaler.
type Service struct {
	Name     string
	Replicas int
	// Max is the autoscaler's maximum; its minimum is Replicas. 0: it has none.
	Max int
}

// Home are the services of the platform where users are served.
var Home = []Service{
	{"user-service", 6, 12},
	{"order-service", 6, 12},
	{"product-service", 4, 12},
	{"payment-service", 4, 12},
	{"notification-service", 3, 12},
}

// Standby are the same services while another Region serves users.
var Standby = []Service{
	{"user-service", 2, 12},
	{"order-service", 2, 12},
	{"product-service", 2, 12},
	{"payment-service", 2, 12},
	{"notification-service", 1, 12},
}

// Seed creates services in a Region.
func (p *Platform) Seed(region string, services ...Service) {
	p.t.Helper()
	for _, s := range services {
		p.Create(region, s.Deployment())
		if s.Max > 0 {
			p.Create(region, s.Autoscaler())
		}
	}
}

// Deployment is the service's Deployment, not yet created.
func (s Service) Deployment() *appsv1.Deployment {
	labels := map[string]string{"app.kubernetes.io/name": s.Name}
	n := int32(s.Replicas)
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Name: s.Name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &n,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: PodOf(s.Name)},
		},
	}
}

// PodOf is what the pods of a service are made of.
func PodOf(service string) corev1.PodSpec {
	return corev1.PodSpec{
		TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": service}},
		}},
		Containers: []corev1.Container{{
			Name: "app", Image: "registry.example/" + service + ":1.0",
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("64Mi"),
			}},
		}},
	}
}

// Autoscaler is the service's autoscaler, not yet created.
func (s Service) Autoscaler() *autoscalingv2.HorizontalPodAutoscaler {
	low, load := int32(s.Replicas), int32(70)
	return &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta:   metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"},
		ObjectMeta: metav1.ObjectMeta{Name: s.Name},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: s.Name},
			MinReplicas:    &low, MaxReplicas: int32(s.Max),
			Metrics: []autoscalingv2.MetricSpec{{
				Type: autoscalingv2.ResourceMetricSourceType,
				Resource: &autoscalingv2.ResourceMetricSource{
					Name:   corev1.ResourceCPU,
					Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &load},
				},
			}},
		},
	}
}

// Create creates an object in a Region as somebody who may do everything: one of
// k8s.io/api with its kind filled in, in the test's namespace unless it has none.
func (p *Platform) Create(region string, o runtime.Object) {
	p.t.Helper()
	if err := p.planes[region].create(p.t.Context(), p.Namespace, o); err != nil {
		p.t.Fatal(err)
	}
}

// create sends a new object. It goes to the namespace if its kind has one.
func (c *controlPlane) create(ctx context.Context, namespace string, o runtime.Object) error {
	u, isOne := o.(*unstructured.Unstructured)
	if !isOne {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
		if err != nil {
			return fmt.Errorf("write an object: %w", err)
		}
		u = &unstructured.Unstructured{Object: fields}
	}
	kind, known := resources[u.GetKind()]
	if !known {
		return fmt.Errorf("create %s %s: nobody said how its kind is called in a path", u.GetKind(), u.GetName())
	}
	var to dynamic.ResourceInterface = c.client.Resource(kind)
	if !clusterWide[u.GetKind()] {
		u.SetNamespace(namespace)
		to = c.client.Resource(kind).Namespace(namespace)
	}
	if _, err := to.Create(ctx, u, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create %s %s in %s: %w", u.GetKind(), u.GetName(), c.region, err)
	}
	return nil
}

// Node adds a node to a Region's cluster for this test: nobody runs it, so it stays
// ready or not as it says here. All tests of the binary share the nodes; a test that
// adds some must not run beside others.
func (p *Platform) Node(region, name, zone string, ready, cordoned bool) {
	p.t.Helper()
	n := node(region, name, zone, ready)
	n.Spec.Unschedulable = cordoned
	p.addNode(region, n)
}

// addNode adds a node that kwok does not play, until the test ends.
func (p *Platform) addNode(region string, n *corev1.Node) {
	p.t.Helper()
	delete(n.Labels, nodeLabel)
	p.Create(region, n)
	p.t.Cleanup(func() {
		ctx, cancel := brief()
		defer cancel()
		if err := p.Admin(region).Resource(Nodes).Delete(ctx, n.Name, metav1.DeleteOptions{}); err != nil {
			p.t.Error(err)
		}
	})
}

// Deployment is a service's Deployment as it is now.
func (p *Platform) Deployment(region, name string) *appsv1.Deployment {
	p.t.Helper()
	return get[appsv1.Deployment](p, region, Deployments, name)
}

// Autoscaler is a service's autoscaler as it is now.
func (p *Platform) Autoscaler(region, name string) *autoscalingv2.HorizontalPodAutoscaler {
	p.t.Helper()
	return get[autoscalingv2.HorizontalPodAutoscaler](p, region, Autoscalers, name)
}

// PodsOf are the pods that a service's Deployment would take for its own.
func (p *Platform) PodsOf(region, service string) []corev1.Pod {
	p.t.Helper()
	l, err := p.Admin(region).Resource(Pods).Namespace(p.Namespace).List(p.t.Context(),
		metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + service})
	if err != nil {
		p.t.Fatal(err)
	}
	out := make([]corev1.Pod, len(l.Items))
	for i := range l.Items {
		decode(p, &l.Items[i], &out[i])
	}
	return out
}

// Update changes a service's Deployment as somebody at a terminal does.
func (p *Platform) Update(region, name string, change func(d *appsv1.Deployment)) {
	p.t.Helper()
	update(p, region, Deployments, name, change)
}

// UpdateCronJob changes a CronJob as somebody at a terminal does.
func (p *Platform) UpdateCronJob(region, name string, change func(j *batchv1.CronJob)) {
	p.t.Helper()
	update(p, region, CronJobs, name, change)
}

// UpdateAutoscaler changes a service's autoscaler as somebody at a terminal does.
func (p *Platform) UpdateAutoscaler(region, name string, change func(h *autoscalingv2.HorizontalPodAutoscaler)) {
	p.t.Helper()
	update(p, region, Autoscalers, name, change)
}

// Wait waits until there says so, and fails the test if that takes a minute.
func (p *Platform) Wait(what string, there func() bool) {
	p.t.Helper()
	const most = time.Minute
	for until := time.Now().Add(most); !there(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			p.t.Fatalf("waited %s in vain: %s%s%s", most, what, p.planes[East].ended(), p.planes[West].ended())
		}
		if p.t.Context().Err() != nil {
			p.t.Fatalf("the test was ended while it waited: %s", what)
		}
	}
}

// Available waits until each service of a Region has all its replicas, and no more.
func (p *Platform) Available(region string, services ...string) {
	p.t.Helper()
	for _, name := range services {
		p.Wait(name+" is available in "+region, func() bool {
			d := p.Deployment(region, name)
			st, want := d.Status, *d.Spec.Replicas
			return st.ObservedGeneration == d.Generation && st.UpdatedReplicas == want && st.AvailableReplicas == want && st.Replicas == want
		})
	}
}

// Names of services.
func Names(services []Service) []string {
	out := make([]string, len(services))
	for i, s := range services {
		out[i] = s.Name
	}
	return out
}

func update[T any](p *Platform, region string, kind schema.GroupVersionResource, name string, change func(*T)) {
	p.t.Helper()
	const attempts = 20 // controllers write too
	for try := 1; ; try++ {
		v := get[T](p, region, kind, name)
		change(v)
		u, err := runtime.DefaultUnstructuredConverter.ToUnstructured(v)
		if err != nil {
			p.t.Fatal(err)
		}
		_, err = p.Admin(region).Resource(kind).Namespace(p.Namespace).Update(p.t.Context(), &unstructured.Unstructured{Object: u}, metav1.UpdateOptions{FieldManager: "kubectl-edit"})
		if err == nil {
			return
		}
		if try == attempts {
			p.t.Fatal(err)
		}
	}
}

func get[T any](p *Platform, region string, kind schema.GroupVersionResource, name string) *T {
	p.t.Helper()
	u, err := p.Admin(region).Resource(kind).Namespace(p.Namespace).Get(p.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	v := new(T)
	decode(p, u, v)
	return v
}

func decode(p *Platform, u *unstructured.Unstructured, into any) {
	p.t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, into); err != nil {
		p.t.Fatal(err)
	}
}

// nodeLabel marks the nodes that kwok plays.
const nodeLabel = "kubetest/played-by"

// addNodes adds the cluster's own nodes: two in each of three zones.
func (c *controlPlane) addNodes() error {
	ctx, cancel := brief()
	defer cancel()
	for i := range 6 {
		zone := c.region + string(rune('a'+i%3))
		n := node(c.region, fmt.Sprintf("%s-node-%d", c.region, i), zone, true)
		if err := c.create(ctx, "", n); err != nil {
			return err
		}
	}
	return nil
}

func node(region, name, zone string, ready bool) *corev1.Node {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	holds := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("16"), corev1.ResourceMemory: resource.MustParse("64Gi"), corev1.ResourcePods: resource.MustParse("110"),
	}
	return &corev1.Node{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			nodeLabel: "kwok", corev1.LabelHostname: name, corev1.LabelOSStable: "linux",
			corev1.LabelTopologyRegion: region, corev1.LabelTopologyZone: zone,
		}},
		Status: corev1.NodeStatus{
			Capacity: holds, Allocatable: holds,
			Conditions: []corev1.NodeCondition{{
				Type: corev1.NodeReady, Status: status, Reason: "KubeletReady", Message: "a pretend node",
				LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
			}},
		},
	}
}

func namespaceObject(name string) *corev1.Namespace {
	return &corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: name}}
}
