//go:build real

package kube_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	s := open(t, kubetest.Rollouts)
	s.Node(west, "spare-a", "us-west-2a", true, false)
	s.Node(west, "spare-b", "us-west-2b", true, true)
	s.Node(west, "spare-c", "us-west-2c", false, false)
	s.nodesPerZone = 3
	o, ok, err := s.look(t, "nodes")
	if err != nil || ok {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	says(t, "the sentence", o.Summary, "1 of 3 zones with at least 3 ready nodes", "us-west-2a 3, us-west-2b 2, us-west-2c 2",
		"spare-b is cordoned", "spare-c is not ready")
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
