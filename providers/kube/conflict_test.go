//go:build real

package kube_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/failoverbot/failoverbot/providers/kube/kubetest"
)

// Somebody else writes between the read and the change. What they wrote stays, the
// engine is told that nothing happened, and the next look sees what they wrote.
func TestWhatSomebodyElseWroteIsNotOverwritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		step, operation string
		meanwhile       func(s *shop)
		stays           func(s *shop) bool
		there           bool // what they wrote is what was wanted
	}{
		{
			"scale/order-service", "patch deployments/scale",
			func(s *shop) { s.Update(west, "order-service", func(d *appsv1.Deployment) { *d.Spec.Replicas = 3 }) },
			func(s *shop) bool { return *s.Deployment(west, "order-service").Spec.Replicas == 3 },
			false,
		},
		{
			"scale/order-service", "patch deployments/scale",
			func(s *shop) { s.Update(west, "order-service", func(d *appsv1.Deployment) { *d.Spec.Replicas = 8 }) },
			func(s *shop) bool { return *s.Deployment(west, "order-service").Spec.Replicas == 8 },
			false, // the autoscaler's minimum has to follow
		},
		{
			"scale/order-service", "patch horizontalpodautoscalers",
			func(s *shop) {
				s.UpdateAutoscaler(west, "order-service", func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MaxReplicas = 7 })
			},
			func(s *shop) bool { return s.Autoscaler(west, "order-service").Spec.MaxReplicas == 7 },
			false,
		},
		{
			"restart/user-service", "patch deployments",
			func(s *shop) {
				s.Update(west, "user-service", func(d *appsv1.Deployment) {
					d.Spec.Template.Spec.Containers[0].Image = "registry.example/user-service:1.1"
				})
			},
			func(s *shop) bool {
				return s.Deployment(west, "user-service").Spec.Template.Spec.Containers[0].Image == "registry.example/user-service:1.1"
			},
			false,
		},
		{
			"restart/user-service", "patch deployments",
			func(s *shop) {
				s.Update(west, "user-service", func(d *appsv1.Deployment) {
					d.Spec.Template.Annotations = map[string]string{"failoverbot/restarted-for": string(id)}
				})
			},
			func(s *shop) bool { return true },
			true,
		},
	} {
		t.Run(c.step+" and "+c.operation, func(t *testing.T) {
			t.Parallel()
			s := wired(t, kubetest.Objects)
			s.Seed(west, kubetest.Service{Name: "order-service", Replicas: 2, Max: 12}, kubetest.Service{Name: "user-service", Replicas: 2})
			s.Wire(west).Before(c.operation, func() { c.meanwhile(s) })
			_, err := s.do(t, c.step)
			if f := fault(t, err); !f.Retry || f.Unknown || f.NeedsPerson {
				t.Errorf("%v: %s", err, told(f))
			} else {
				says(t, "the hint", f.Hint, "somebody changed this object at the same moment")
			}
			if !c.stays(s) {
				t.Error("what somebody else wrote is gone")
			}
			if o, there, err := s.look(t, c.step); err != nil || there != c.there {
				t.Errorf("the next look: %t %q %v", there, o.Summary, err)
			}
			s.carryOut(t, c.step)
			if o, there, err := s.look(t, c.step); err != nil || !there {
				t.Errorf("in the end: %t %q %v", there, o.Summary, err)
			}
			if !c.stays(s) && c.step != "scale/order-service" {
				t.Error("what somebody else wrote is gone in the end")
			}
		})
	}
}

// The autoscaler sees its new minimum before we come to the Deployment, and scales it
// by itself: a conflict, after which the next look finds the work done.
func TestTheRealAutoscalerMayBeFirst(t *testing.T) {
	t.Parallel()
	s := wired(t, kubetest.Rollouts)
	s.Seed(west, kubetest.Service{Name: "order-service", Replicas: 2, Max: 12})
	s.Available(west, "order-service")
	s.Wire(west).Before("patch deployments/scale", func() {
		s.Wait("the autoscaler scales by itself", func() bool { return *s.Deployment(west, "order-service").Spec.Replicas == 6 })
	})
	_, err := s.do(t, "scale/order-service")
	if f := fault(t, err); !f.Retry || f.Unknown {
		t.Errorf("%v: %s", err, told(f))
	}
	if o, there, err := s.look(t, "scale/order-service"); err != nil || !there {
		t.Errorf("%t %q %v", there, o.Summary, err)
	}
	if n := s.Wire(west).Applied()["patch deployments/scale order-service"]; n != 0 {
		t.Errorf("we scaled it %d times", n)
	}
}

// One of three was changed meanwhile: it is named, the other two are stopped.
func TestAFenceNamesTheWriterThatSomebodyElseChanged(t *testing.T) {
	t.Parallel()
	s := wired(t, kubetest.Objects)
	s.Seed(east, kubetest.Home...)
	s.Wire(east).Before("patch deployments/scale", func() {
		s.Update(east, "payment-service", func(d *appsv1.Deployment) { *d.Spec.Replicas = 5 })
	})
	o, err := s.do(t, "fence-writers")
	if f := fault(t, err); !f.Retry || f.Unknown {
		t.Errorf("%v: %s", err, told(f))
	}
	says(t, "the error", err.Error(), "scale payment-service in us-east-1 to 0")
	if want := "user-service=6 order-service=6 payment-service=4"; o.Before != want {
		t.Errorf("recorded %q, want %q", o.Before, want)
	}
	for name, want := range map[string]int32{"user-service": 0, "order-service": 0, "payment-service": 5} {
		if n := *s.Deployment(east, name).Spec.Replicas; n != want {
			t.Errorf("%s has %d replicas, want %d", name, n, want)
		}
	}
	o, there, err := s.look(t, "fence-writers")
	if err != nil || there {
		t.Errorf("%t %q %v", there, o.Summary, err)
	}
	says(t, "the next look", o.Summary, "1 of 3 services", "payment-service")
	if again := s.carryOut(t, "fence-writers"); again.Before != "user-service=0 order-service=0 payment-service=5" {
		t.Errorf("the second time it recorded %q", again.Before)
	}
}

// A request that the API server puts off, with the time after which to ask again, was
// not carried out: client-go asks again by itself, and it happens once.
func TestAChangeThatWasPutOffHappensOnce(t *testing.T) {
	t.Parallel()
	s := wired(t, kubetest.Objects)
	s.Seed(west, kubetest.Service{Name: "product-service", Replicas: 2})
	s.Wire(west).Break("patch deployments/scale", kubetest.PutOff, 1)
	if _, err := s.do(t, "scale/product-service"); err != nil {
		t.Fatal(err)
	}
	if n := s.Wire(west).Seen("patch deployments/scale"); n != 2 {
		t.Errorf("it was sent %d times", n)
	}
	if n := s.Wire(west).Applied()["patch deployments/scale product-service"]; n != 1 {
		t.Errorf("it was applied %d times", n)
	}
}

// A 5xx with the time after which to ask again says nothing about whether the change
// happened, so nobody sends it again but the engine, which looks first.
func TestAChangeWhoseFateIsUnknownIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s := wired(t, kubetest.Objects)
	s.Seed(west, kubetest.Service{Name: "product-service", Replicas: 2})
	s.Wire(west).Break("patch deployments/scale", kubetest.Unavailable, 1)
	_, err := s.do(t, "scale/product-service")
	if f := fault(t, err); !f.Unknown || f.Retry {
		t.Errorf("%v: %s", err, told(f))
	}
	if n := s.Wire(west).Seen("patch deployments/scale"); n != 1 {
		t.Errorf("it was sent %d times", n)
	}
	if o, there, err := s.look(t, "scale/product-service"); err != nil || !there {
		t.Errorf("%t %q %v", there, o.Summary, err)
	}
}
