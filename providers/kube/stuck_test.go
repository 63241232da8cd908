package kube

import (
	"encoding/json"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic/fake"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/kubeapi"
)

// rollout is a Deployment of three of which one is available, as a look finds it, with
// pods that stand as these say.
func rollout(t *testing.T, condition *appsv1.DeploymentCondition, stands ...corev1.PodStatus) (engine.Outcome, bool, error) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	three, own := int32(3), true
	labels := map[string]string{"app": "order-service"}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "order-service", Namespace: "shop"},
		Spec:       appsv1.DeploymentSpec{Replicas: &three, Selector: &metav1.LabelSelector{MatchLabels: labels}},
		Status:     appsv1.DeploymentStatus{Replicas: 3, UpdatedReplicas: 3, AvailableReplicas: 1},
	}
	if condition != nil {
		d.Status.Conditions = []appsv1.DeploymentCondition{*condition}
	}
	objects := []runtime.Object{d}
	for n, status := range stands {
		objects = append(objects, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name: "order-service-abc-" + string(rune('a'+n)), Namespace: "shop",
				Labels:          map[string]string{"app": "order-service", appsv1.DefaultDeploymentUniqueLabelKey: "abc"},
				OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "order-service-abc", Controller: &own}},
			},
			Spec: corev1.PodSpec{
				InitContainers: []corev1.Container{{Name: "migrate", Image: "registry.example/migrate:7"}},
				Containers:     []corev1.Container{{Name: "app", Image: "registry.example/order:42"}},
			},
			Status: status,
		})
	}
	client := fake.NewSimpleDynamicClient(scheme, objects...)
	settings, err := json.Marshal(Settings{Regions: map[string]Cluster{"us-west-2": {Namespace: "shop"}}})
	if err != nil {
		t.Fatal(err)
	}
	k := New(func(string) (kubeapi.Client, error) { return kubeapi.Client{Interface: client}, nil }, incident.RealClock{})
	with, err := json.Marshal(RolledOutInput{Service: "order-service", Replicas: 3})
	if err != nil {
		t.Fatal(err)
	}
	return k.RolledOut(t.Context(), engine.Call{
		Plan: &runbook.Plan{Target: runbook.Region{Name: "us-west-2"}, Topology: runbook.Topology{Parts: map[string]json.RawMessage{Platform.Key: settings}}},
		Step: runbook.Step{ID: "rolled-out/order-service", With: with},
	})
}

func waits(container, reason string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: container, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}
}

// What keeps pods from running is told as soon as it is known: what may still pass as
// the reason of the wait, what needs a person as a clear no.
func TestARolloutSaysWhatHoldsItUp(t *testing.T) {
	pending := corev1.PodStatus{Phase: corev1.PodPending}
	for name, c := range map[string]struct {
		condition *appsv1.DeploymentCondition
		pods      []corev1.PodStatus
		state     string   // of what is waited for
		says      []string // of what a person is asked about
	}{
		"nothing known": {pods: []corev1.PodStatus{{Phase: corev1.PodRunning}}},
		"on its way":    {pods: []corev1.PodStatus{{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{waits("app", "ContainerCreating")}}}},
		"crashes":       {pods: []corev1.PodStatus{{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{waits("app", "CrashLoopBackOff")}}, pending}, state: "CrashLoopBackOff"},
		"an image once": {pods: []corev1.PodStatus{{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{waits("app", "ErrImagePull")}}}, state: "ErrImagePull"},
		"an image": {
			pods: []corev1.PodStatus{{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{waits("app", "ImagePullBackOff")}}},
			says: []string{"1 of 3 available", "cannot pull registry.example/order:42", "registry which the nodes of us-west-2"},
		},
		"the image of an init container": {
			pods: []corev1.PodStatus{{Phase: corev1.PodPending, InitContainerStatuses: []corev1.ContainerStatus{waits("migrate", "ImagePullBackOff")}}},
			says: []string{"cannot pull registry.example/migrate:7"},
		},
		"a quota": {
			condition: &appsv1.DeploymentCondition{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: `pods "x" is forbidden: exceeded quota: compute, requested: cpu=2, used: cpu=9, limited: cpu=10`},
			says:      []string{"1 of 3 available", "exceeded quota: compute", "describe quota"},
		},
		"a quota that was": {
			condition: &appsv1.DeploymentCondition{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionFalse, Message: "exceeded quota: compute"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, ok, err := rollout(t, c.condition, c.pods...)
			if ok {
				t.Fatal("it passed")
			}
			if len(c.says) == 0 {
				if err != nil || o.State != c.state {
					t.Errorf("held up by %q, want %q (%v)", o.State, c.state, err)
				}
				return
			}
			f := incident.CallErrorOf(err)
			if err == nil || !f.NeedsPerson || !f.Definite {
				t.Fatalf("nobody is asked: %v", err)
			}
			for _, part := range c.says {
				if !strings.Contains(err.Error()+" "+f.Hint, part) {
					t.Errorf("%q is not said: %v (%s)", part, err, f.Hint)
				}
			}
		})
	}
}
