package sim

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/rds"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// hurry lets many callers do the same things at once, in whatever order the machine
// starts them, and returns each call that reached the world.
func hurry(t *testing.T, seed uint64) (calls []string, s *State) {
	t.Helper()
	scn := &Scenario{Name: "hurry", Mode: "planned", Target: west, Events: []Event{{Degrade: &Degrade{Region: east, FailPercent: 40, LatencyMS: 300}}}}
	clock := NewClock(scn.StartTime(), Max)
	defer clock.Close()
	st := onStage(t, scn, clock, Options{Seed: seed})
	callers := []func(){
		func() {
			_, _ = st.rds(west).DescribeGlobalClusters(st.ctx, &rds.DescribeGlobalClustersInput{GlobalClusterIdentifier: ptr(globalCluster)})
		},
		func() { _, _ = st.Kube(west).Resource(podsGVR).Namespace(namespace).List(st.ctx, metav1.ListOptions{}) },
	}
	for _, svc := range services {
		if path := svc.topology.Health; path != "" {
			callers = append(callers, func() { _, _, _, _ = st.get("http://" + recordName + path) })
		}
	}
	callers = append(callers, callers...)
	st.scale(west, "order-service", 6)
	for range 8 {
		var all sync.WaitGroup
		for _, i := range rand.Perm(len(callers)) {
			done := clock.Busy()
			all.Go(func() {
				defer done()
				callers[i]()
			})
		}
		resume := clock.Idle()
		all.Wait()
		resume()
		st.wait(7 * time.Second)
	}
	for _, c := range st.Calls() {
		calls = append(calls, c.String())
	}
	slices.Sort(calls)
	return calls, st.Snapshot()
}

func TestOneSeedDrawsTheSameWhoeverComesFirst(t *testing.T) {
	first, at := hurry(t, 5)
	for range 3 {
		if again, then := hurry(t, 5); !slices.Equal(first, again) {
			t.Errorf("%d and %d calls, and not the same", len(first), len(again))
			for i := range min(len(first), len(again)) {
				if first[i] != again[i] {
					t.Fatalf("\n%s\n%s", first[i], again[i])
				}
			}
		} else if a, b := asJSON(t, at.Regions), asJSON(t, then.Regions); a != b {
			t.Errorf("two worlds:\n%s\n%s", a, b)
		}
	}
	if other, _ := hurry(t, 6); slices.Equal(first, other) {
		t.Error("another seed draws the same")
	}
}

func TestEverythingDrawnDependsOnTheSeed(t *testing.T) {
	const seeds = 20
	drawn := map[string]map[any]bool{}
	saw := func(what string, v any) {
		if drawn[what] == nil {
			drawn[what] = map[any]bool{}
		}
		drawn[what][v] = true
	}
	for seed := range uint64(seeds) {
		s := begin(&Scenario{Name: "quiet"}, seed, day)
		saw("latency of a call", s.span(80*time.Millisecond, 200*time.Millisecond, "a call", s.turn("a call", day)))
		saw("database's lag", s.Database.Lag[0].Value)
		saw("cache's lag", s.Cache.Lag[0].Value)
		for _, name := range resolverNames {
			_, left := s.cached(name)
			saw(name+"'s next fetch", left)
		}
		s.Regions[west].HPAs["order-service"].Spec.MinReplicas = ptr(int32(3))
		s.advance(&Scenario{Name: "quiet"}, day.Add(2*time.Minute))
		for _, p := range s.Regions[west].Pods {
			if p.Service != "order-service" || p.Created.Before(day) {
				continue
			}
			took := p.ReadyAt.Sub(p.Created)
			if took < 25*time.Second || took > time.Minute {
				t.Errorf("seed %d: a pod took %s", seed, took)
			}
			saw("start of a pod", took)
		}
	}
	for what, values := range drawn {
		if len(values) < seeds/2 {
			t.Errorf("%s has %d values over %d seeds", what, len(values), seeds)
		}
	}
	if len(drawn) != 7 {
		t.Errorf("drawn: %v", drawn)
	}
}

func TestHowLongAPodTakesDoesNotDependOnWhatIsWrittenIntoItsTemplate(t *testing.T) {
	restarted := func(mark string) (ready []time.Time) {
		s := begin(&Scenario{Name: "quiet"}, 7, day)
		d := s.Regions[west].Deployments["order-service"]
		if d.Spec.Template.Annotations == nil {
			d.Spec.Template.Annotations = map[string]string{}
		}
		d.Spec.Template.Annotations["restarted-for"] = mark
		s.Regions[west].touch(&d.ObjectMeta, true)
		s.advance(&Scenario{Name: "quiet"}, day.Add(5*time.Minute))
		for _, p := range s.Regions[west].Pods {
			if p.Service == "order-service" && p.Created.After(day) {
				ready = append(ready, p.ReadyAt)
			}
		}
		return ready
	}
	one, other := restarted("one incident"), restarted("another one")
	if len(one) == 0 || !slices.EqualFunc(one, other, time.Time.Equal) {
		t.Errorf("the pods are ready at\n%v\n%v", one, other)
	}
}
