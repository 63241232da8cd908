//go:build real

package kube_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/failoverbot/failoverbot/providers/kube/kubetest"
)

// carrying is user-service in the target, large enough for production.
func carrying(t *testing.T, change ...func(d *appsv1.Deployment)) *shop {
	t.Helper()
	s := open(t, kubetest.Rollouts)
	d := kubetest.Service{Name: "user-service", Replicas: 6}.Deployment()
	for _, f := range change {
		f(d)
	}
	s.Create(west, d)
	s.Available(west, "user-service")
	return s
}

func TestARealRestartReplacesEveryPod(t *testing.T) {
	t.Parallel()
	// Pods that are on their way out still hold their connections.
	s := carrying(t, func(d *appsv1.Deployment) {
		d.Spec.Template.Annotations = map[string]string{"kubetest/lingers": "3s"}
	})
	old := s.PodsOf(west, "user-service")
	if o, there, err := s.look(t, "restart/user-service"); err != nil || there {
		t.Fatalf("%t %q %v", there, o.Summary, err)
	}
	s.carryOut(t, "restart/user-service")
	said := s.comesTrue(t, "restarted/user-service")
	if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, "pods from before the restart are still there") }) {
		t.Errorf("it did not wait for the old pods to be gone: %s", strings.Join(said, " | "))
	}
	for _, p := range s.PodsOf(west, "user-service") {
		if p.Annotations["failoverbot/restarted-for"] != string(id) {
			t.Errorf("%s is not of this restart", p.Name)
		}
		if slices.ContainsFunc(old, func(o corev1.Pod) bool { return o.UID == p.UID }) {
			t.Errorf("%s was there before", p.Name)
		}
	}
	if o, there, err := s.look(t, "restart/user-service"); err != nil || !there {
		t.Errorf("%t %q %v", there, o.Summary, err)
	}
}

func TestARealRestartThatWasTakenBackIsSeen(t *testing.T) {
	t.Parallel()
	s := carrying(t)
	s.carryOut(t, "restart/user-service")
	s.Update(west, "user-service", func(d *appsv1.Deployment) { d.Spec.Template.Annotations = nil })
	_, ok, err := s.look(t, "restarted/user-service")
	if f := fault(t, err); ok || !f.Definite || !f.NeedsPerson {
		t.Errorf("%t %v: %s", ok, err, told(f))
	}
	says(t, "the error", err.Error(), "no longer carries the mark of its restart")
}

// A paused Deployment takes the mark and rolls nothing.
func TestARealPausedRolloutDoesNotPass(t *testing.T) {
	t.Parallel()
	s := carrying(t)
	s.Update(west, "user-service", func(d *appsv1.Deployment) { d.Spec.Paused = true })
	s.carryOut(t, "restart/user-service")
	s.Wait("the controller has seen the change", func() bool {
		d := s.Deployment(west, "user-service")
		return d.Status.ObservedGeneration == d.Generation && d.Status.UpdatedReplicas == 0
	})
	_, ok, err := s.look(t, "restarted/user-service")
	f := fault(t, err)
	if ok || !f.Definite || !f.NeedsPerson {
		t.Errorf("%t %v: %s", ok, err, told(f))
	}
	says(t, "the error", err.Error(), "user-service in us-west-2 is paused, so its pods are not replaced: 0 of 6 of the new kind")
	says(t, "the hint", f.Hint, "rollout resume deployment/user-service")
	s.Update(west, "user-service", func(d *appsv1.Deployment) { d.Spec.Paused = false })
	s.comesTrue(t, "restarted/user-service")
}

// A paused Deployment is scaled all the same: its pods only stay of the old kind.
func TestARealPausedDeploymentIsScaled(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Rollouts)
	s.Seed(west, kubetest.Service{Name: "order-service", Replicas: 2, Max: 12})
	s.Available(west, "order-service")
	s.Update(west, "order-service", func(d *appsv1.Deployment) { d.Spec.Paused = true })
	s.carryOut(t, "scale/order-service")
	s.comesTrue(t, "rolled-out/order-service")
}

// job is one run of a migration, whose pods carry the labels that the chart gives to
// everything of the service.
func job(name string, labels map[string]string) *batchv1.Job {
	spec := kubetest.PodOf("user-service")
	spec.RestartPolicy = corev1.RestartPolicyNever
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       batchv1.JobSpec{Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec}},
	}
}

func TestARealFinishedJobsPodDoesNotStandInTheWayOfARestart(t *testing.T) {
	t.Parallel()
	s := carrying(t)
	s.Create(west, job("migrate", map[string]string{"app.kubernetes.io/name": "user-service"}))
	s.Wait("the Job's pod has ended", func() bool {
		return slices.ContainsFunc(s.PodsOf(west, "user-service"), func(p corev1.Pod) bool { return p.Status.Phase == corev1.PodSucceeded })
	})
	s.carryOut(t, "restart/user-service")
	s.comesTrue(t, "restarted/user-service")
}

// What carries the labels and was not made by one of the Deployment's ReplicaSets is
// not its own, as long as it may run.
func TestARealRunningJobsPodDoesNotStandInTheWayOfARestart(t *testing.T) {
	t.Parallel()
	s := carrying(t)
	s.Create(west, job("reindex", map[string]string{"app.kubernetes.io/name": "user-service", "kubetest/keeps-running": "true"}))
	s.Wait("the Job's pod runs", func() bool {
		return slices.ContainsFunc(s.PodsOf(west, "user-service"), func(p corev1.Pod) bool {
			return len(p.OwnerReferences) == 1 && p.OwnerReferences[0].Kind == "Job" && p.Status.Phase == corev1.PodRunning
		})
	})
	s.carryOut(t, "restart/user-service")
	s.comesTrue(t, "restarted/user-service")
}

// The words are the real scheduler's.
func TestRealPodsWithoutANodeSayWhy(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Rollouts)
	d := kubetest.Service{Name: "order-service", Replicas: 6}.Deployment()
	d.Spec.Template.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("500")
	s.Create(west, d)
	var last string
	s.Wait("the scheduler has said why", func() bool {
		o, ok, err := s.look(t, "rolled-out/order-service")
		if err != nil || ok {
			t.Fatalf("%t %q %v", ok, o.Summary, err)
		}
		last = o.Summary
		return strings.Contains(last, "FailedScheduling") && strings.Contains(last, "6 of 6 pods")
	})
	says(t, "the sentence", last, "6 of 6 pods are pending", "0/6 nodes are available: 6 Insufficient cpu", "s ago)")
}

func TestARealRolloutThatStoppedIsToldWithItsReason(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Rollouts)
	d := kubetest.Service{Name: "order-service", Replicas: 6}.Deployment()
	limit := int32(2)
	d.Spec.ProgressDeadlineSeconds = &limit
	d.Spec.Template.Labels = map[string]string{"app.kubernetes.io/name": "order-service", "kubetest/never-ready": "true"}
	a, c := s.step(t, "rolled-out/order-service")
	s.Create(west, d)
	var err error
	s.Wait("the Deployment's controller gives up", func() bool {
		_, _, err = s.lookAt(t, a, c)
		return err != nil
	})
	if f := fault(t, err); !f.NeedsPerson || !f.Definite || f.Hint == "" {
		t.Errorf("%v: %s", err, told(f))
	}
	says(t, "the error", err.Error(), "order-service in us-west-2 stopped making progress: 0 of 6 available", "6 CrashLoopBackOff")
}
