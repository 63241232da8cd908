package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

const (
	east = "us-east-1"
	west = "us-west-2"
)

// stage is a world with somebody busy in it.
type stage struct {
	*World
	t     *testing.T
	clock *Clock
	ctx   context.Context
	http  *http.Client
}

func newStage(t *testing.T, name string, opts Options) *stage {
	t.Helper()
	scn, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	clock := NewClock(scn.StartTime(), Max)
	t.Cleanup(clock.Close)
	return onStage(t, scn, clock, opts)
}

func onStage(t *testing.T, scn *Scenario, clock *Clock, opts Options) *stage {
	t.Helper()
	w, err := New(scn, clock, opts)
	if err != nil {
		t.Fatal(err)
	}
	done := clock.Busy()
	t.Cleanup(func() {
		done()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return &stage{w, t, clock, context.Background(), &http.Client{Transport: w.Transport()}}
}

func quiet(t *testing.T) *stage {
	t.Helper()
	scn := &Scenario{Name: "quiet", Mode: "planned", Target: west}
	clock := NewClock(scn.StartTime(), Max)
	t.Cleanup(clock.Close)
	return onStage(t, scn, clock, Options{})
}

func (s *stage) wait(d time.Duration) {
	s.t.Helper()
	if err := s.clock.Sleep(s.ctx, d); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) scale(region, service string, low int) {
	s.t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"minReplicas":%d}}`, low)
	_, err := s.Kube(region).Resource(hpasGVR).Namespace(namespace).Patch(s.ctx, service, types.MergePatchType, patch, metav1.PatchOptions{})
	s.must(err)
}

func (s *stage) replicas(region, service string, n int) {
	s.t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n)
	_, err := s.Kube(region).Resource(deploymentsGVR).Namespace(namespace).Patch(s.ctx, service, types.MergePatchType, patch, metav1.PatchOptions{}, "scale")
	s.must(err)
}

func (s *stage) restart(region, service string) {
	s.t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"template":{"metadata":{"annotations":{"failoverbot.io/restarted-at":%q}}}}}`, s.clock.Now())
	_, err := s.Kube(region).Resource(deploymentsGVR).Namespace(namespace).Patch(s.ctx, service, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	s.must(err)
}

func (s *stage) deployment(region, service string) *appsv1.Deployment {
	s.t.Helper()
	u, err := s.Kube(region).Resource(deploymentsGVR).Namespace(namespace).Get(s.ctx, service, metav1.GetOptions{})
	s.must(err)
	d := &appsv1.Deployment{}
	s.must(runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, d))
	return d
}

// rolledOut is kubectl's judgement.
func rolledOut(d *appsv1.Deployment, want int32) bool {
	st := d.Status
	return st.ObservedGeneration >= d.Generation && *d.Spec.Replicas >= want && st.UpdatedReplicas >= *d.Spec.Replicas &&
		st.Replicas <= st.UpdatedReplicas && st.AvailableReplicas >= st.UpdatedReplicas && st.AvailableReplicas >= want
}

func (s *stage) settle(region string) {
	s.t.Helper()
	for _, svc := range services {
		for n := 0; ; n++ {
			want := int32(svc.topology.Replicas)
			if d := s.deployment(region, svc.topology.Name); rolledOut(d, min(want, *d.Spec.Replicas)) && *d.Spec.Replicas > 0 {
				break
			} else if n > 200 {
				s.t.Fatalf("%s in %s does not settle: %+v", svc.topology.Name, region, d.Status)
			}
			s.wait(5 * time.Second)
		}
	}
}

// order posts an order and says what came of it.
func (s *stage) order(base string) (status int, body map[string]any) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.ctx, http.MethodPost, base+orderPath, strings.NewReader(`{"test":true}`))
	s.must(err)
	res, err := s.http.Do(r)
	s.must(err)
	defer res.Body.Close()
	s.must(json.NewDecoder(res.Body).Decode(&body))
	return res.StatusCode, body
}

func (s *stage) rds(region string) *rds.Client { return rds.NewFromConfig(s.AWS(region)) }

// suspend suspends the CronJob of a Region, or resumes it.
func (s *stage) suspend(region string, suspend bool) {
	s.t.Helper()
	_, err := s.Kube(region).Resource(cronJobsGVR).Namespace(namespace).Patch(s.ctx, cronJob, types.MergePatchType, fmt.Appendf(nil, `{"spec":{"suspend":%t}}`, suspend), metav1.PatchOptions{})
	s.must(err)
}

// story is a whole failover, step by step by name, so that a test can leave one out.
func story(planned bool) []struct {
	name string
	do   func(s *stage)
} {
	type step = struct {
		name string
		do   func(s *stage)
	}
	var steps []step
	for _, svc := range services {
		steps = append(steps, step{"scale " + svc.topology.Name, func(s *stage) { s.scale(west, svc.topology.Name, svc.topology.Replicas) }})
	}
	steps = append(steps, step{"", func(s *stage) { s.wait(16 * time.Second); s.settle(west) }})
	if planned {
		for _, svc := range services {
			if svc.topology.Writes {
				steps = append(steps, step{"fence " + svc.topology.Name, func(s *stage) { s.replicas(east, svc.topology.Name, 0) }})
			}
		}
	}
	steps = append(steps, step{"database", func(s *stage) {
		if planned {
			_, err := s.rds(east).SwitchoverGlobalCluster(s.ctx, &rds.SwitchoverGlobalClusterInput{GlobalClusterIdentifier: ptr(globalCluster), TargetDbClusterIdentifier: ptr(clusterARN(west))})
			s.must(err)
		} else {
			_, err := s.rds(west).FailoverGlobalCluster(s.ctx, &rds.FailoverGlobalClusterInput{GlobalClusterIdentifier: ptr(globalCluster), TargetDbClusterIdentifier: ptr(clusterARN(west)), AllowDataLoss: ptr(true)})
			s.must(err)
		}
		s.wait(80 * time.Second)
	}}, step{"cache", func(s *stage) {
		_, err := elasticache.NewFromConfig(s.AWS(west)).FailoverGlobalReplicationGroup(s.ctx, &elasticache.FailoverGlobalReplicationGroupInput{
			GlobalReplicationGroupId: ptr(globalGroup), PrimaryRegion: ptr(west), PrimaryReplicationGroupId: ptr(cacheGroup(west)),
		})
		s.must(err)
		s.wait(50 * time.Second)
	}})
	for _, svc := range services {
		steps = append(steps, step{"restart " + svc.topology.Name, func(s *stage) { s.restart(west, svc.topology.Name) }})
	}
	steps = append(steps, step{"", func(s *stage) { s.wait(time.Second); s.settle(west) }})
	if planned {
		steps = append(steps, step{"suspend CronJobs", func(s *stage) { s.suspend(east, true) }})
	}
	steps = append(steps, step{"resume CronJobs", func(s *stage) { s.suspend(west, false) }})
	steps = append(steps, step{"smoke order", func(s *stage) { s.order("http://" + endpointHost(west)) }})
	steps = append(steps, step{"dns", func(s *stage) {
		if planned {
			c := route53.NewFromConfig(s.AWS(west))
			_, err := c.UpdateHealthCheck(s.ctx, &route53.UpdateHealthCheckInput{HealthCheckId: ptr(checkPrimary), HealthCheckVersion: ptr(int64(1)), Disabled: ptr(true), Inverted: ptr(true)})
			s.must(err)
		} else {
			_, err := s3.NewFromConfig(s.AWS(west)).PutObject(s.ctx, &s3.PutObjectInput{Bucket: ptr(bucketName(west)), Key: ptr(takeoverKey), Body: strings.NewReader("INC-1")})
			s.must(err)
		}
	}}, step{"", func(s *stage) { s.wait(3 * time.Minute) }})
	return append(steps, step{"synthetic order", func(s *stage) { s.order("http://" + recordName) }})
}

func TestAWholeFailoverLeavesTheWorldAsExpectedAndEachStepIsNeeded(t *testing.T) {
	for _, scenario := range []string{"region-degraded", "region-loss"} {
		planned := scenario == "region-degraded"
		steps := story(planned)
		play := func(t *testing.T, without string) []string {
			s := newStage(t, scenario, Options{})
			s.wait(time.Minute)
			for _, st := range steps {
				if st.name != "" && st.name == without {
					continue
				}
				st.do(s)
			}
			if without == "" {
				t.Logf("took %s of pretend time", s.clock.Now().Sub(s.scn.StartTime()))
			}
			return s.Check()
		}
		t.Run(scenario, func(t *testing.T) {
			if got := play(t, ""); len(got) > 0 {
				t.Errorf("the world is not as expected:\n%s", strings.Join(got, "\n"))
			}
		})
		for _, st := range steps {
			if st.name == "" {
				continue
			}
			t.Run(scenario+" without "+st.name, func(t *testing.T) {
				if got := play(t, st.name); len(got) == 0 {
					t.Error("nothing is missed")
				}
			})
		}
	}
}

func TestEveryAttemptIsARowAndCallsAreCounted(t *testing.T) {
	var rows bytes.Buffer
	scn := &Scenario{Name: "quiet"}
	clock := NewClock(day, Max)
	defer clock.Close()
	s := onStage(t, scn, clock, Options{Calls: &rows})
	s.must(s.Fault(Fault{System: "aws.rds", Operation: "DescribeGlobalClusters", Kind: Throttle, Times: 2}))
	cfg := s.AWS(west)
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	}
	_, err := rds.NewFromConfig(cfg).DescribeGlobalClusters(s.ctx, &rds.DescribeGlobalClustersInput{})
	s.must(err)
	calls := s.Calls()
	if len(calls) != 3 || calls[0].Error == "" || calls[1].Error == "" || calls[2].Error != "" {
		t.Fatalf("two throttles and an answer are %d rows: %v", len(calls), calls)
	}
	var back []Call
	for line := range strings.Lines(rows.String()) {
		var c Call
		s.must(json.Unmarshal([]byte(line), &c))
		back = append(back, c)
	}
	if fmt.Sprint(back) != fmt.Sprint(func() (cut []Call) {
		for _, c := range calls {
			c.Time = c.Time.Truncate(time.Millisecond)
			cut = append(cut, c)
		}
		return cut
	}()) {
		t.Errorf("written\n%v\nrecorded\n%v", back, calls)
	}
}
