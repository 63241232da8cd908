//go:build real

package kube_test

import (
	"encoding/json"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/failoverbot/failoverbot/providers/kube/kubetest"
)

var writers = []string{"user-service", "order-service", "payment-service"}

func TestTheRealWritersAreStoppedAndStaySo(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Rollouts)
	s.Seed(east, kubetest.Home...)
	s.Available(east, kubetest.Names(kubetest.Home)...)
	o, there, err := s.look(t, "fence-writers")
	if err != nil || there {
		t.Fatalf("%t %q %v", there, o.Summary, err)
	}
	o = s.carryOut(t, "fence-writers")
	// Taking it back needs these.
	if want := "user-service=6 order-service=6 payment-service=4"; o.Before != want {
		t.Errorf("recorded %q, want %q", o.Before, want)
	}
	for _, name := range writers {
		s.Wait("the pods of "+name+" are gone", func() bool { return len(s.PodsOf(east, name)) == 0 })
		// The autoscaler says that it stays out of it.
		s.Wait("the autoscaler of "+name+" has had its turn", func() bool { return disabled(s.Autoscaler(east, name)) })
		d, h := s.Deployment(east, name), s.Autoscaler(east, name)
		if *d.Spec.Replicas != 0 || int(*h.Spec.MinReplicas) != home(name) {
			t.Errorf("%s has %d replicas, its autoscaler a minimum of %d", name, *d.Spec.Replicas, *h.Spec.MinReplicas)
		}
	}
	for _, name := range []string{"product-service", "notification-service"} {
		if n := int(*s.Deployment(east, name).Spec.Replicas); n != home(name) {
			t.Errorf("%s does not write, and has %d replicas now", name, n)
		}
	}
	if o, there, err := s.look(t, "fence-writers"); err != nil || !there {
		t.Errorf("%t %q %v", there, o.Summary, err)
	}
}

func home(service string) int {
	for _, s := range kubetest.Home {
		if s.Name == service {
			return s.Replicas
		}
	}
	return 0
}

func disabled(h *autoscalingv2.HorizontalPodAutoscaler) bool {
	for _, c := range h.Status.Conditions {
		if c.Type == autoscalingv2.ScalingActive {
			return c.Status == corev1.ConditionFalse && c.Reason == "ScalingDisabled"
		}
	}
	return false
}

func TestARealWriterThatIsMissingIsNamedAndNothingIsStopped(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Objects)
	s.Seed(east, kubetest.Home...)
	err := s.Admin(east).Resource(kubetest.Deployments).Namespace(s.Namespace).Delete(t.Context(), "order-service", metav1.DeleteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.do(t, "fence-writers")
	if f := fault(t, err); !f.NeedsPerson || f.Unknown {
		t.Errorf("%v: %s", err, told(f))
	}
	says(t, "the refusal", err.Error(), "order-service", "not found")
	if n := *s.Deployment(east, "user-service").Spec.Replicas; n != 6 {
		t.Errorf("user-service has %d replicas", n)
	}
}

// The Region being left may hang. Its own deadline ends that, for reads and changes.
func TestARealRegionThatHangsIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"get deployments", "patch deployments/scale"} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			s := wired(t, kubetest.Objects)
			s.Seed(east, kubetest.Home...)
			s.Wire(east).Break(operation, kubetest.Silent, 0)
			a, c := s.step(t, "fence-reachable-writers")
			with, err := json.Marshal(map[string]any{"deadline": 2 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			c.Step.With = with
			began := time.Now()
			_, err = a.Do(t.Context(), c)
			if took := time.Since(began); took > 6*time.Second {
				t.Errorf("it took %s, and 2 s were allowed", took)
			}
			f := fault(t, err)
			if changing := operation != "get deployments"; f.Unknown != changing {
				t.Errorf("%v: %s", err, told(f))
			}
			says(t, "the error", err.Error(), "us-east-1 did not answer within 2s")
		})
	}
}
