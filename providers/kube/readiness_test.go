//go:build real

package kube_test

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/kube/kubetest"
)

func TestARealStandbyIsFoundReady(t *testing.T) {
	s := standby(t)
	o, ok, err := s.look(t, "nodes")
	if err != nil || !ok {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	says(t, "the sentence about nodes", o.Summary, "us-west-2a 2, us-west-2b 2, us-west-2c 2")
	o, ok, err = s.look(t, "deployments")
	if err != nil || !ok {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	says(t, "the evidence", o.Evidence["notification-service"], "1 of 1 available", "registry.example/notification-service:1.0")
}

// It adds nodes, which all tests share: it does not run beside others.
func TestRealNodesThatTakeNoPodsAreNamedAndNotCounted(t *testing.T) {
	s := standby(t)
	s.Node(west, "spare-a", "us-west-2a", true, false)
	s.Node(west, "spare-b", "us-west-2b", true, true)
	s.Node(west, "spare-c", "us-west-2c", false, false)
	s.Node(west, "spare-d", "us-west-2c", true, false)
	_, err := s.Admin(west).Resource(kubetest.Nodes).Patch(t.Context(), "spare-d", "application/merge-patch+json",
		[]byte(`{"spec":{"taints":[{"key":"gpu","value":"true","effect":"NoSchedule"}]}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.nodesPerZone = 3
	var o engine.Outcome
	var ok bool
	// A node that has just come has a taint until a controller has seen that it is ready.
	s.Wait("the node that takes pods is counted", func() bool {
		o, ok, err = s.look(t, "nodes")
		return err != nil || strings.Contains(o.Summary, "us-west-2a 3")
	})
	if err != nil || ok {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	says(t, "the sentence", o.Summary, "1 of 3 zones with at least 3 ready nodes", "us-west-2a 3, us-west-2b 2, us-west-2c 2",
		"spare-b is cordoned", "spare-c is not ready", "spare-d has the taint gpu=true:NoSchedule, not tolerated by any service")
}

// What the services are made of is read with the bot's own rights.
func TestRealPodsSayWhichImagesAndServiceAccountsTheyHave(t *testing.T) {
	t.Parallel()
	s := standby(t)
	s.Update(west, "user-service", func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.ServiceAccountName = "user-service"
		d.Spec.Template.Spec.InitContainers = []corev1.Container{{Name: "migrate", Image: "111122223333.dkr.ecr.us-east-1.amazonaws.com/migrations:7"}}
	})
	o, ok, err := s.look(t, "images")
	if err != nil || ok {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	says(t, "the sentence", o.Summary, "user-service/migrate pulls migrations:7 from us-east-1")
	o, ok, err = s.look(t, "roles")
	if err != nil || ok {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	says(t, "the sentence", o.Summary, "user-service, which user-service names, does not exist")
	says(t, "the issuer", o.Evidence["issuer"], "https://")
}

// cronJob runs at three, unless it is suspended.
func cronJob(name string, suspended bool) *batchv1.CronJob {
	return &batchv1.CronJob{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "CronJob"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: batchv1.CronJobSpec{Schedule: "0 3 * * *", Suspend: &suspended, JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "job", Image: "registry.example/job:1.0"}},
			}},
		}}},
	}
}

func TestARealCronJobWaitsInTheTarget(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Objects)
	s.Create(east, cronJob(nightly, false))
	o, ok, err := s.look(t, "jobs")
	if err != nil || ok {
		t.Errorf("it is not there: %t %q %v", ok, o.Summary, err)
	}
	s.Create(west, cronJob(nightly, true))
	o, ok, err = s.look(t, "jobs")
	if err != nil || !ok || o.Measured.Verdict != incident.Pass {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	says(t, "the sentence", o.Summary, "the run suspends in us-east-1 and resumes in us-west-2: CronJob invoice-run")
}

// The API server's own word, asked for with the bot's own rights.
func TestARealAPIServerThatIsNotReadySaysWhy(t *testing.T) {
	t.Parallel()
	s := wired(t, kubetest.Objects)
	s.nodesPerZone = 1
	o, ok, err := s.look(t, "nodes")
	if err != nil || ok || o.Evidence["api_server"] != "ready" {
		t.Errorf("%t %q %v, evidence %v", ok, o.Summary, err, o.Evidence)
	}
	s.Wire(west).Break("get /readyz", kubetest.Denied, 0)
	_, _, err = s.look(t, "nodes")
	if f := fault(t, err); !f.NeedsPerson || f.Retry {
		t.Errorf("%v: %s", err, told(f))
	}
	says(t, "the error", err.Error(), "ask the API server in us-west-2 whether it is ready", "get /readyz is forbidden")
}

func TestRealPodsThatFindNoRoomAreCountedBeforeTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	s := standby(t)
	o, ok, err := s.look(t, "room")
	if err != nil || !ok || o.Measured.Verdict != incident.Pass {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	says(t, "the sentence", o.Summary, "14 more pods fit into us-west-2")
	s.Update(west, "order-service", func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("17")
	})
	o, ok, err = s.look(t, "room")
	if err != nil || !ok || o.Measured.Verdict != incident.Warn {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	says(t, "the sentence", o.Summary, "find no node in us-west-2 until nodes are added", "of order-service")
}

func TestEachRealDeploymentThatIsNotReadyIsNamed(t *testing.T) {
	t.Parallel()
	s := standby(t)
	s.Update(west, "user-service", func(d *appsv1.Deployment) { d.Spec.Paused = true })
	s.Update(west, "product-service", func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32) })
	// New pods never become ready, and the old ones go first.
	s.Update(west, "payment-service", func(d *appsv1.Deployment) {
		d.Spec.Template.Labels["kubetest/never-ready"] = "true"
		d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
		d.Spec.Strategy.RollingUpdate = nil
	})
	err := s.Admin(west).Resource(kubetest.Deployments).Namespace(s.Namespace).Delete(t.Context(), "order-service", metav1.DeleteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.Wait("payment-service is not available", func() bool { return s.Deployment(west, "payment-service").Status.AvailableReplicas == 0 })
	o, ok, err := s.look(t, "deployments")
	if err != nil || ok {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	says(t, "the sentence", o.Summary, "4 of 5 services in us-west-2 are not as wanted", "user-service is paused", "order-service does not exist",
		"product-service is scaled to 0", "payment-service has 0 of 2 available")
}
