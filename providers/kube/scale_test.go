//go:build real

package kube_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/failoverbot/failoverbot/providers/kube/kubetest"
)

func TestARealServiceIsScaledAndItsAutoscalerKeepsIt(t *testing.T) {
	t.Parallel()
	s := standby(t)
	o, there, err := s.look(t, "scale/order-service")
	if err != nil || there {
		t.Fatalf("%t %q %v", there, o.Summary, err)
	}
	says(t, "what was before", o.Before, "2 replicas, autoscaler from 2 to 12")
	if o, there, err := s.look(t, "rolled-out/order-service"); err != nil || there {
		t.Fatalf("rolled out before it was scaled: %q %v", o.Summary, err)
	}
	sent := s.carryOut(t, "scale/order-service")
	says(t, "what was before", sent.Before, "2 replicas, autoscaler from 2 to 12")
	said := s.comesTrue(t, "rolled-out/order-service")
	says(t, "the last sentence", said[len(said)-1], "6 of 6 replicas available")
	if o, there, err := s.look(t, "scale/order-service"); err != nil || !there {
		t.Errorf("%t %q %v", there, o.Summary, err)
	}
	if h := s.Autoscaler(west, "order-service"); *h.Spec.MinReplicas != 6 || h.Spec.MaxReplicas != 12 {
		t.Errorf("the autoscaler goes from %d to %d", *h.Spec.MinReplicas, h.Spec.MaxReplicas)
	}
	// The autoscaler has looked at what it has now, and left it.
	s.settled(t, "order-service", 6)
	if n := *s.Deployment(west, "order-service").Spec.Replicas; n != 6 {
		t.Errorf("%d replicas after the autoscaler's turn", n)
	}
}

// settled waits until the autoscaler has said that it found so many.
func (s *shop) settled(t *testing.T, service string, n int32) {
	t.Helper()
	s.Wait("the autoscaler of "+service+" has had its turn", func() bool {
		return s.Autoscaler(west, service).Status.CurrentReplicas == n
	})
}

func TestARealServiceWithoutAnAutoscalerIsScaled(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Rollouts)
	s.Seed(west, kubetest.Service{Name: "product-service", Replicas: 2})
	sent := s.carryOut(t, "scale/product-service")
	says(t, "the outcome", sent.Before, "2 replicas")
	s.comesTrue(t, "rolled-out/product-service")
	if n := len(s.PodsOf(west, "product-service")); n != 4 {
		t.Errorf("%d pods, want 4", n)
	}
}

// What runs already is never reduced, and the autoscaler's minimum follows it.
func TestARealServiceThatIsLargerStaysSo(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Rollouts)
	s.Seed(west, kubetest.Service{Name: "product-service", Replicas: 7, Max: 9})
	s.UpdateAutoscaler(west, "product-service", func(h *autoscalingv2.HorizontalPodAutoscaler) { *h.Spec.MinReplicas = 2 })
	s.carryOut(t, "scale/product-service")
	s.Available(west, "product-service")
	if h, d := s.Autoscaler(west, "product-service"), s.Deployment(west, "product-service"); *h.Spec.MinReplicas != 7 || *d.Spec.Replicas != 7 {
		t.Errorf("the minimum is %d, the replicas are %d: 7 of both were wanted", *h.Spec.MinReplicas, *d.Spec.Replicas)
	}
}

// More than the autoscaler allows is taken back at once, so it is not asked for.
func TestARealAutoscalersMaximumBoundsWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Rollouts)
	s.Seed(west, kubetest.Service{Name: "product-service", Replicas: 9}, kubetest.Service{Name: "order-service", Replicas: 2, Max: 5})
	s.Available(west, "product-service", "order-service")

	a, c := s.step(t, "scale/product-service")
	s.Create(west, kubetest.Service{Name: "product-service", Replicas: 2, Max: 6}.Autoscaler())
	o, _, err := s.lookAt(t, a, c)
	if err != nil || o.Evidence["wanted"] != "6" {
		t.Errorf("wanted %s, and the autoscaler allows 6 at most: %v", o.Evidence["wanted"], err)
	}
	s.carryOut(t, "scale/product-service")
	s.Wait("the autoscaler takes back what is above its maximum", func() bool { return *s.Deployment(west, "product-service").Spec.Replicas == 6 })
	if n := *s.Autoscaler(west, "product-service").Spec.MinReplicas; n != 6 {
		t.Errorf("the minimum is %d, want 6", n)
	}

	_, err = s.do(t, "scale/order-service")
	f := fault(t, err)
	if !f.NeedsPerson || f.Retry || f.Unknown {
		t.Errorf("%v: %s", err, told(f))
	}
	says(t, "the refusal", err.Error(), "its autoscaler order-service allows 5 at most")
	says(t, "the hint", f.Hint, "maxReplicas", "at least 6", "-n "+s.Namespace)
	if n := *s.Deployment(west, "order-service").Spec.Replicas; n != 2 {
		t.Errorf("%d replicas although it was refused", n)
	}
}

// The real autoscaler has no metrics here and holds to its limits all the same. What
// it has done by itself after the minimum was raised counts as done.
func TestARealAutoscalerBringsAServiceUpToItsMinimumByItself(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Rollouts)
	s.Seed(west, kubetest.Service{Name: "order-service", Replicas: 2, Max: 12})
	s.Available(west, "order-service")
	s.UpdateAutoscaler(west, "order-service", func(h *autoscalingv2.HorizontalPodAutoscaler) { *h.Spec.MinReplicas = 6 })
	s.comesTrue(t, "rolled-out/order-service")
	if o, there, err := s.look(t, "scale/order-service"); err != nil || !there {
		t.Errorf("the autoscaler did it, and it is not seen: %q %v", o.Summary, err)
	}
}

// The Region that was left comes back: its writers stand at 0, where an autoscaler
// leaves them alone, and its minimum is the right one already.
func TestARealServiceThatWasStoppedIsStartedAgain(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Rollouts)
	s.Seed(west, kubetest.Service{Name: "order-service", Replicas: 6, Max: 12})
	s.Update(west, "order-service", func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32) })
	s.Wait("the autoscaler stays out of it", func() bool { return disabled(s.Autoscaler(west, "order-service")) })
	o, there, err := s.look(t, "scale/order-service")
	if err != nil || there {
		t.Fatalf("%t %q %v", there, o.Summary, err)
	}
	says(t, "the outcome", s.carryOut(t, "scale/order-service").Summary, "replicas 0 -> 6")
	s.comesTrue(t, "rolled-out/order-service")
	s.Wait("the autoscaler is at work again", func() bool { return !disabled(s.Autoscaler(west, "order-service")) })
	if n := *s.Deployment(west, "order-service").Spec.Replicas; n != 6 {
		t.Errorf("%d replicas", n)
	}
}
