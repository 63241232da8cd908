//go:build real

package kube_test

import (
	"encoding/json"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/kube/kubetest"
)

// recorded is what the looking of a step records of what its change replaces.
func (s *shop) recorded(t *testing.T, name string) json.RawMessage {
	t.Helper()
	o, there, err := s.look(t, name)
	if err != nil || there || len(o.Prior) == 0 {
		t.Fatalf("%s: %t, recorded %q, %v", name, there, o.Prior, err)
	}
	return o.Prior
}

func (s *shop) lookBack(t *testing.T, name string, prior json.RawMessage) (engine.Outcome, bool, error) {
	t.Helper()
	a, c := s.step(t, name)
	ctx, stop := s.bounded(t, a, c)
	defer stop()
	return a.Undo.Look(ctx, c, prior)
}

func (s *shop) takeBack(t *testing.T, name string, prior json.RawMessage) (engine.Outcome, error) {
	t.Helper()
	a, c := s.step(t, name)
	ctx, stop := s.bounded(t, a, c)
	defer stop()
	return a.Undo.Do(ctx, c, prior)
}

// isBack takes a step back as the engine does, and fails the test unless it is.
func (s *shop) isBack(t *testing.T, name string, prior json.RawMessage) {
	t.Helper()
	for try := 1; ; try++ {
		_, err := s.takeBack(t, name, prior)
		if err == nil {
			break
		}
		if f := incident.CallErrorOf(err); !f.Retry || try == 10 {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if o, back, err := s.lookBack(t, name, prior); err != nil || !back {
		t.Errorf("%s: %t %q %v", name, back, o.Summary, err)
	}
}

// The autoscaler is at work: it does not scale up again what is taken back, and the
// writers that run again are its own.
func TestWhatWasChangedInARealClusterIsTakenBackAndStaysSo(t *testing.T) {
	t.Parallel()
	s := standby(t)
	s.Seed(east, kubetest.Home...)
	s.Available(east, kubetest.Names(kubetest.Home)...)
	size, stopped := s.recorded(t, "scale/order-service"), s.recorded(t, "fence-writers")
	s.carryOut(t, "scale/order-service")
	s.comesTrue(t, "rolled-out/order-service")
	s.carryOut(t, "fence-writers")
	for _, name := range writers {
		s.Wait("the autoscaler of "+name+" has had its turn", func() bool { return disabled(s.Autoscaler(east, name)) })
	}

	s.isBack(t, "fence-writers", stopped)
	s.isBack(t, "scale/order-service", size)
	s.Available(east, writers...)
	for _, name := range writers {
		s.Wait("the autoscaler of "+name+" is at work again", func() bool { return !disabled(s.Autoscaler(east, name)) })
		if n := int(*s.Deployment(east, name).Spec.Replicas); n != home(name) {
			t.Errorf("%s has %d replicas, and had %d", name, n, home(name))
		}
	}
	s.settled(t, "order-service", 2)
	if h, d := s.Autoscaler(west, "order-service"), s.Deployment(west, "order-service"); *h.Spec.MinReplicas != 2 || h.Spec.MaxReplicas != 12 || *d.Spec.Replicas != 2 {
		t.Errorf("the autoscaler goes from %d to %d, %d replicas", *h.Spec.MinReplicas, h.Spec.MaxReplicas, *d.Spec.Replicas)
	}
}

// Somebody writes between the read and the call that takes back: nothing is
// overwritten, and the next look tells what they wrote.
func TestWhatSomebodyElseWroteIsNotTakenBackOverIt(t *testing.T) {
	t.Parallel()
	s := wired(t, kubetest.Objects)
	s.Seed(west, kubetest.Service{Name: "order-service", Replicas: 2})
	prior := s.recorded(t, "scale/order-service")
	s.carryOut(t, "scale/order-service")
	s.Wire(west).Before("patch deployments/scale", func() {
		s.Update(west, "order-service", func(d *appsv1.Deployment) { *d.Spec.Replicas = 9 })
	})
	_, err := s.takeBack(t, "scale/order-service", prior)
	if f := fault(t, err); !f.Retry || f.Unknown || f.NeedsPerson {
		t.Errorf("%v: %s", err, told(f))
	}
	for when, try := range map[string]func() error{
		"looking":        func() error { _, _, err := s.lookBack(t, "scale/order-service", prior); return err },
		"taking it back": func() error { _, err := s.takeBack(t, "scale/order-service", prior); return err },
	} {
		err := try()
		if f := fault(t, err); !f.NeedsPerson || !f.Definite {
			t.Errorf("%s: %v: %s", when, err, told(f))
		}
		says(t, when, err.Error(), "it is 9 replicas", "had set 6", "it was 2 before", "nothing was overwritten")
	}
	if n := *s.Deployment(west, "order-service").Spec.Replicas; n != 9 {
		t.Errorf("%d replicas", n)
	}
}

// How many run is the autoscaler's to say, between its limits: its minimum is taken
// back, and what it has made of the number is left to it.
func TestWhatTheAutoscalerHasChangedIsItsOwn(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Objects)
	s.Seed(west, kubetest.Service{Name: "order-service", Replicas: 2, Max: 12})
	s.Seed(east, kubetest.Home...)
	size, stopped := s.recorded(t, "scale/order-service"), s.recorded(t, "fence-writers")
	s.carryOut(t, "scale/order-service")
	s.carryOut(t, "fence-writers")
	s.Update(west, "order-service", func(d *appsv1.Deployment) { *d.Spec.Replicas = 9 })
	s.Update(east, "user-service", func(d *appsv1.Deployment) { *d.Spec.Replicas = 8 })
	s.isBack(t, "scale/order-service", size)
	s.isBack(t, "fence-writers", stopped)
	if h, d := s.Autoscaler(west, "order-service"), s.Deployment(west, "order-service"); *h.Spec.MinReplicas != 2 || *d.Spec.Replicas != 9 {
		t.Errorf("the minimum is %d, the replicas are %d", *h.Spec.MinReplicas, *d.Spec.Replicas)
	}
	for name, want := range map[string]int32{"user-service": 8, "order-service": 6, "payment-service": 4} {
		if n := *s.Deployment(east, name).Spec.Replicas; n != want {
			t.Errorf("%s has %d replicas, want %d", name, n, want)
		}
	}

	// It scales neither to nothing nor away: those are people.
	s.UpdateAutoscaler(west, "order-service", func(h *autoscalingv2.HorizontalPodAutoscaler) { *h.Spec.MinReplicas = 6 })
	s.Update(west, "order-service", func(d *appsv1.Deployment) { *d.Spec.Replicas = 0 })
	_, _, err := s.lookBack(t, "scale/order-service", size)
	if f := fault(t, err); !f.NeedsPerson || !f.Definite {
		t.Errorf("%v: %s", err, told(f))
	}
	says(t, "the fault", err.Error(), "it is 0 replicas", "had set 6", "it was 2 before")
	if err := s.Admin(west).Resource(kubetest.Autoscalers).Namespace(s.Namespace).Delete(t.Context(), "order-service", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = s.takeBack(t, "scale/order-service", size)
	says(t, "the fault", fault(t, err).Error(), "the autoscaler of order-service in us-west-2", "it is none", "was order-service")
}
