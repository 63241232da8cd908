package sim

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

func (s *stage) pods(region, selector string) []unstructured.Unstructured {
	s.t.Helper()
	l, err := s.Kube(region).Resource(podsGVR).Namespace(namespace).List(s.ctx, metav1.ListOptions{LabelSelector: selector})
	s.must(err)
	return l.Items
}

func TestAnAutoscalerUndoesABareScale(t *testing.T) {
	s := quiet(t)
	s.replicas(west, "order-service", 6)
	s.wait(2 * time.Second)
	if n := len(s.pods(west, "app=order-service")); n != 6 {
		t.Fatalf("%d pods right after, want 6", n)
	}
	s.wait(time.Minute)
	if n := *s.deployment(west, "order-service").Spec.Replicas; n != 2 {
		t.Errorf("%d replicas a minute later, want 2 again", n)
	}
	s.replicas(west, "order-service", 1)
	s.wait(20 * time.Second)
	if n := *s.deployment(west, "order-service").Spec.Replicas; n != 2 {
		t.Errorf("%d replicas below the minimum, want 2", n)
	}
}

func TestARaisedMinimumStaysAndIsRolledOutInTime(t *testing.T) {
	s := quiet(t)
	s.scale(west, "order-service", 6)
	from := s.clock.Now()
	for !rolledOut(s.deployment(west, "order-service"), 6) {
		s.wait(time.Second)
		if s.clock.Now().Sub(from) > 5*time.Minute {
			t.Fatalf("not rolled out: %+v", s.deployment(west, "order-service").Status)
		}
	}
	if took := s.clock.Now().Sub(from); took < 25*time.Second || took > 80*time.Second {
		t.Errorf("took %s, want between 25s and 80s", took)
	}
	s.wait(5 * time.Minute)
	if d := s.deployment(west, "order-service"); !rolledOut(d, 6) {
		t.Errorf("did not stay: %+v", d.Status)
	}
}

func TestScaledToZeroStaysSoWhateverTheAutoscalerWants(t *testing.T) {
	s := quiet(t)
	s.replicas(east, "order-service", 0)
	s.wait(5 * time.Minute)
	d := s.deployment(east, "order-service")
	if *d.Spec.Replicas != 0 || d.Status.Replicas != 0 || len(s.pods(east, "app=order-service")) != 0 {
		t.Errorf("%d wanted, %d there", *d.Spec.Replicas, d.Status.Replicas)
	}
}

func TestARestartReplacesEveryPodAndKeepsMostOfThemServing(t *testing.T) {
	s := quiet(t)
	s.wait(time.Second)
	old := map[string]bool{}
	for _, p := range s.pods(east, "app=user-service") {
		old[p.GetName()] = true
	}
	s.restart(east, "user-service")
	from := s.clock.Now()
	for first := true; first || !rolledOut(s.deployment(east, "user-service"), 6); first = false {
		s.wait(time.Second)
		if n := s.deployment(east, "user-service").Status.AvailableReplicas; n < 5 {
			t.Fatalf("only %d of 6 available", n)
		}
		if s.clock.Now().Sub(from) > 10*time.Minute {
			t.Fatalf("not done: %+v", s.deployment(east, "user-service").Status)
		}
	}
	pods := s.pods(east, "app=user-service")
	for _, p := range pods {
		if old[p.GetName()] || p.GetCreationTimestamp().Time.Before(from.Truncate(time.Second)) {
			t.Errorf("%s was not replaced", p.GetName())
		}
	}
	if len(old) != 6 || len(pods) != 6 {
		t.Errorf("%d pods before, %d after", len(old), len(pods))
	}
}

func TestAStaleVersionIsAConflictAndSameValuesChangeNothing(t *testing.T) {
	s := quiet(t)
	c := s.Kube(west).Resource(deploymentsGVR).Namespace(namespace)
	scale, err := c.Get(s.ctx, "order-service", metav1.GetOptions{}, "scale")
	s.must(err)
	set := func(u *unstructured.Unstructured, n int64) error {
		s.must(unstructured.SetNestedField(u.Object, n, "spec", "replicas"))
		_, err := c.Update(s.ctx, u, metav1.UpdateOptions{}, "scale")
		return err
	}
	s.must(set(scale, 3))
	if err := set(scale, 4); !apierrors.IsConflict(err) {
		t.Errorf("a stale update: %v", err)
	}
	before := s.deployment(west, "order-service")
	applied := s.Applied("patch deployments/scale")
	s.replicas(west, "order-service", 3)
	after := s.deployment(west, "order-service")
	if before.Generation != after.Generation || s.Applied("patch deployments/scale") != applied {
		t.Errorf("the same number was a change: generation %d to %d", before.Generation, after.Generation)
	}
	stale := fmt.Appendf(nil, `{"metadata":{"resourceVersion":"1"},"spec":{"replicas":5}}`)
	if _, err := c.Patch(s.ctx, "order-service", types.MergePatchType, stale, metav1.PatchOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("a stale patch: %v", err)
	}
}

func TestEveryKindOfPatchWorks(t *testing.T) {
	s := quiet(t)
	c := s.Kube(west).Resource(hpasGVR).Namespace(namespace)
	for i, p := range []struct {
		kind types.PatchType
		body string
	}{
		{types.MergePatchType, `{"metadata":{"annotations":{"a":"b"}},"spec":{"minReplicas":3}}`},
		{types.StrategicMergePatchType, `{"spec":{"minReplicas":4}}`},
		{types.JSONPatchType, `[{"op":"test","path":"/spec/minReplicas","value":4},{"op":"replace","path":"/spec/minReplicas","value":5}]`},
		{types.ApplyPatchType, "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: order-service}\nspec: {minReplicas: 6}\n"},
	} {
		out, err := c.Patch(s.ctx, "order-service", p.kind, []byte(p.body), metav1.PatchOptions{FieldManager: "test"})
		if err != nil {
			t.Errorf("%s: %v", p.kind, err)
			continue
		}
		if n, _, _ := unstructured.NestedInt64(out.Object, "spec", "minReplicas"); n != int64(3+i) || out.GetAnnotations()["a"] != "b" {
			t.Errorf("%s: minimum %d, annotations %v", p.kind, n, out.GetAnnotations())
		}
	}
	if _, err := c.Patch(s.ctx, "order-service", types.MergePatchType, []byte(`{"spec":{"minReplicas":99}}`), metav1.PatchOptions{}); err == nil {
		t.Error("a minimum above the maximum was taken")
	}
	if _, err := c.Patch(s.ctx, "nothing", types.MergePatchType, []byte(`{}`), metav1.PatchOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a missing object: %v", err)
	}
}

func TestPodsWithoutANodeSayWhy(t *testing.T) {
	s := quiet(t)
	s.must(s.Do(func(st *State) { st.PodsPerNode = 2 }))
	s.scale(west, "order-service", 6)
	s.wait(90 * time.Second)
	pending := 0
	for _, p := range s.pods(west, "app=order-service") {
		if phase, _, _ := unstructured.NestedString(p.Object, "status", "phase"); phase == string(corev1.PodPending) {
			pending++
		}
	}
	list, err := s.Kube(west).Resource(eventsGVR).Namespace(namespace).List(s.ctx, metav1.ListOptions{FieldSelector: "reason=FailedScheduling"})
	s.must(err)
	if pending == 0 || len(list.Items) != pending {
		t.Errorf("%d pending pods, %d events", pending, len(list.Items))
	}
	other, err := s.Kube(west).Resource(eventsGVR).Namespace(namespace).List(s.ctx, metav1.ListOptions{FieldSelector: "reason=Nonsense"})
	s.must(err)
	if len(other.Items) != 0 {
		t.Errorf("the field selector kept %d", len(other.Items))
	}
	s.must(s.Do(func(st *State) { st.PodsPerNode = 8 }))
	s.wait(90 * time.Second)
	if d := s.deployment(west, "order-service"); !rolledOut(d, 6) {
		t.Errorf("with room again: %+v", d.Status)
	}
}

func TestAddedNodesTakeThePodsThatWaited(t *testing.T) {
	s := quiet(t)
	s.must(s.Do(func(st *State) { st.PodsPerNode = 2 }))
	for _, svc := range services {
		s.scale(west, svc.topology.Name, svc.topology.Replicas)
	}
	s.wait(3 * time.Minute)
	pending := func() (n int) {
		for _, p := range s.Snapshot().Regions[west].Pods {
			if p.Node == "" {
				n++
			}
		}
		return n
	}
	if n := pending(); n != 23-12 {
		t.Fatalf("%d pods wait for a node, want %d", n, 23-12)
	}
	s.must(s.Happen(Event{AddNodes: &AddNodes{Region: west, PerZone: 2}}))
	s.wait(2 * time.Minute)
	if n := pending(); n != 0 {
		t.Errorf("%d pods still wait", n)
	}
	zones, names := map[string]int{}, map[string]bool{}
	for _, n := range s.Snapshot().Regions[west].Nodes {
		zones[n.Zone]++
		names[n.Name] = true
	}
	if len(zones) != 3 || zones[west+"a"] != 4 || zones[west+"b"] != 4 || zones[west+"c"] != 4 || len(names) != 12 {
		t.Errorf("nodes %v in %v", names, zones)
	}
}

func TestNodesAreInZones(t *testing.T) {
	s := quiet(t)
	l, err := s.Kube(west).Resource(nodesGVR).List(s.ctx, metav1.ListOptions{})
	s.must(err)
	zones := map[string]int{}
	for _, n := range l.Items {
		zones[n.GetLabels()["topology.kubernetes.io/zone"]]++
	}
	if len(zones) != 3 || zones["us-west-2a"] != 2 {
		t.Errorf("zones %v", zones)
	}
}

func TestKubernetesFaultsLookAsClientGoWouldShowThem(t *testing.T) {
	s := quiet(t)
	get := func() error {
		ctx, cancel := s.clock.WithTimeout(s.ctx, 5*time.Second, errSlow)
		defer cancel()
		_, err := s.Kube(west).Resource(deploymentsGVR).Namespace(namespace).Get(ctx, "order-service", metav1.GetOptions{})
		return err
	}
	for kind, is := range map[string]func(error) bool{
		Throttle: apierrors.IsTooManyRequests, Deny: apierrors.IsForbidden, ServerFail: apierrors.IsServiceUnavailable,
		Refuse:     func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) },
		LostAnswer: func(err error) bool { return errors.Is(err, syscall.ECONNRESET) },
		Hang:       func(err error) bool { return errors.Is(err, errSlow) },
	} {
		s.must(s.Fault(Fault{System: "kubernetes", Kind: kind, Times: 1}))
		if err := get(); !is(err) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	s.must(get())
	if _, err := s.Kube("eu-west-1").Resource(nodesGVR).List(s.ctx, metav1.ListOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a Region without a cluster: %v", err)
	}
	if _, err := s.Kube(west).Resource(schema.GroupVersionResource{Group: "velero.io", Version: "v1", Resource: "downloadrequests"}).List(s.ctx, metav1.ListOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("an unknown kind: %v", err)
	}
}

var errSlow = errors.New("took too long")

func TestTheAPIServerSaysWhetherItIsReady(t *testing.T) {
	s := quiet(t)
	readyz := func(region string) (string, error) {
		body, err := s.Kube(region).HTTP.Get().AbsPath("/readyz").DoRaw(s.ctx)
		return string(body), err
	}
	if body, err := readyz(west); err != nil || body != "ok" {
		t.Errorf("%q %v", body, err)
	}
	if err := s.Do(func(st *State) { st.Regions[west].NotReady = map[string]string{"etcd": "reason withheld"} }); err != nil {
		t.Fatal(err)
	}
	body, err := readyz(west)
	if !apierrors.IsInternalError(err) || !strings.Contains(body, "[-]etcd failed: reason withheld\n") || !strings.Contains(body, "[+]ping ok\n") {
		t.Errorf("%q %v", body, err)
	}
	if body, err := readyz(east); err != nil || body != "ok" {
		t.Errorf("the other Region: %q %v", body, err)
	}
	if _, err := s.Kube(west).HTTP.Get().AbsPath("/metrics").DoRaw(s.ctx); !apierrors.IsNotFound(err) {
		t.Errorf("a page that it has not: %v", err)
	}
	for kind, is := range map[string]func(error) bool{Deny: apierrors.IsForbidden, Throttle: apierrors.IsTooManyRequests, ServerFail: apierrors.IsServiceUnavailable} {
		if err := s.Fault(Fault{Operation: "get /readyz", Kind: kind, Times: 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := readyz(west); !is(err) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if err := s.Fault(Fault{Operation: "get /readyz", Kind: Refuse, Times: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := readyz(west); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("refused: %v", err)
	}
}

// Argo CD sets back what differs from what is written down, until it is paused.
func TestArgoCDSetsBackWhatDiffersUntilItIsPaused(t *testing.T) {
	scn := &Scenario{Name: "quiet", Mode: "planned", Target: west, Start: Start{GitOps: []string{west}}}
	clock := NewClock(scn.StartTime(), Max)
	t.Cleanup(clock.Close)
	s := onStage(t, scn, clock, Options{})
	minimum := func() int32 { return *s.Snapshot().Regions[west].HPAs["order-service"].Spec.MinReplicas }
	was := minimum()
	s.scale(west, "order-service", 6)
	if s.wait(4 * time.Second); minimum() != 6 {
		t.Errorf("the minimum is %d after 4 s", minimum())
	}
	if s.wait(3 * time.Second); minimum() != was {
		t.Errorf("the minimum is %d after 7 s, and %d is written down", minimum(), was)
	}
	s.must(s.Happen(Event{PauseGitOps: west}))
	s.scale(west, "order-service", 6)
	if s.wait(time.Minute); minimum() != 6 {
		t.Errorf("the minimum is %d, although it is paused", minimum())
	}
	objects, err := s.Kube(west).Resource(keptBy["argocd"].gvr).Namespace("argocd").List(s.ctx, metav1.ListOptions{})
	s.must(err)
	if heals, _, err := unstructured.NestedBool(objects.Items[0].Object, "spec", "syncPolicy", "automated", "selfHeal"); err != nil || heals || len(objects.Items) != 1 {
		t.Errorf("%v %v", objects.Items, err)
	}
}
