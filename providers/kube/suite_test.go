//go:build real

package kube_test

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/kube/kubetest"
)

// changes has a case for each change that the catalogue makes in a cluster, as the
// same suite has it in the pretend world.
var changes = map[string]struct {
	step, region string
	operations   []string
	seed         []kubetest.Service
	// jobs are the CronJobs that there are: whether each is suspended.
	jobs   map[string]bool
	byHand func(s *shop)
	// meddle is, once it is made, what somebody else makes of it, and says what people
	// are told of that.
	meddle func(s *shop)
	says   []string
	// host says that order-service has a database host in a variable.
	host bool
	// drop lets it come to nothing although it was accepted, where that is not by
	// somebody taking it back.
	drop func(s *shop)
}{
	"kube.scale": {
		step: "scale/order-service", region: west,
		operations: []string{"patch horizontalpodautoscalers", "patch deployments/scale"},
		seed:       []kubetest.Service{{Name: "order-service", Replicas: 2, Max: 12}},
		byHand: func(s *shop) {
			s.UpdateAutoscaler(west, "order-service", func(h *autoscalingv2.HorizontalPodAutoscaler) { *h.Spec.MinReplicas = 6 })
			s.Update(west, "order-service", func(d *appsv1.Deployment) { *d.Spec.Replicas = 6 })
		},
		meddle: func(s *shop) {
			s.UpdateAutoscaler(west, "order-service", func(h *autoscalingv2.HorizontalPodAutoscaler) { *h.Spec.MinReplicas = 4 })
		},
		says: []string{"the minimum of autoscaler order-service in us-west-2", "it is 4", "had set 6", "it was 2 before"},
	},
	"kube.fence": {
		step: "fence-writers", region: east,
		operations: []string{"patch deployments/scale"},
		seed:       []kubetest.Service{{Name: "user-service", Replicas: 2}, {Name: "order-service", Replicas: 2}, {Name: "payment-service", Replicas: 1}},
		byHand: func(s *shop) {
			for _, name := range writers {
				s.Update(east, name, func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32) })
			}
		},
		meddle: func(s *shop) {
			s.Update(east, "order-service", func(d *appsv1.Deployment) { *d.Spec.Replicas = 1 })
		},
		says: []string{"the size of order-service in us-east-1", "it is 1 replica", "had set 0", "it was 2 before"},
	},
	"kube.rest": {
		step: "rest/order-service", region: west,
		operations: []string{"patch horizontalpodautoscalers", "patch deployments/scale"},
		seed:       []kubetest.Service{{Name: "order-service", Replicas: 6, Max: 12}},
		byHand: func(s *shop) {
			s.UpdateAutoscaler(west, "order-service", func(h *autoscalingv2.HorizontalPodAutoscaler) { *h.Spec.MinReplicas = 2 })
			s.Update(west, "order-service", func(d *appsv1.Deployment) { *d.Spec.Replicas = 2 })
		},
		meddle: func(s *shop) {
			s.UpdateAutoscaler(west, "order-service", func(h *autoscalingv2.HorizontalPodAutoscaler) { *h.Spec.MinReplicas = 4 })
		},
		says: []string{"the minimum of autoscaler order-service in us-west-2", "it is 4", "had set 2", "it was 6 before"},
	},
	"kube.suspend": {
		step: "suspend-jobs", region: east,
		operations: []string{"patch cronjobs", "patch deployments/scale"},
		seed:       []kubetest.Service{{Name: worker, Replicas: 2}},
		jobs:       map[string]bool{nightly: false},
		byHand: func(s *shop) {
			s.suspend(east, true)
			s.Update(east, worker, func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32) })
		},
		meddle: func(s *shop) { s.Update(east, worker, func(d *appsv1.Deployment) { *d.Spec.Replicas = 5 }) },
		says:   []string{"Deployment " + worker + " in us-east-1", "it is 5 replicas", "had set 0", "it was 2 before"},
	},
	"kube.resume": {
		step: "resume-jobs", region: west,
		operations: []string{"patch cronjobs", "patch deployments/scale"},
		seed:       []kubetest.Service{{Name: worker, Replicas: 0}},
		jobs:       map[string]bool{nightly: true},
		byHand: func(s *shop) {
			s.suspend(west, false)
			s.Update(west, worker, func(d *appsv1.Deployment) { *d.Spec.Replicas = 1 })
		},
		meddle: func(s *shop) { s.Update(west, worker, func(d *appsv1.Deployment) { *d.Spec.Replicas = 5 }) },
		says:   []string{"Deployment " + worker + " in us-west-2", "it is 5 replicas", "had set 1", "it was 0 before"},
	},
	"kube.host": {
		step: "database-host/order-service", region: west, host: true,
		operations: []string{"patch deployments"},
		seed:       []kubetest.Service{{Name: "order-service", Replicas: 2}},
		byHand:     func(s *shop) { s.told(ownHost) },
		meddle:     func(s *shop) { s.told("elsewhere.example.com") },
		says:       []string{"the database host of order-service in us-west-2", "it is elsewhere.example.com", "had set " + ownHost, "it was shop.global-abc.global.rds.amazonaws.com before"},
	},
	"kube.restart": {
		step: "restart/user-service", region: west,
		operations: []string{"patch deployments"},
		seed:       []kubetest.Service{{Name: "user-service", Replicas: 2}},
		byHand: func(s *shop) {
			s.Update(west, "user-service", func(d *appsv1.Deployment) {
				d.Spec.Template.Annotations = map[string]string{"failoverbot/restarted-for": string(id)}
			})
		},
		drop: func(s *shop) {
			s.Update(west, "user-service", func(d *appsv1.Deployment) { d.Spec.Template.Annotations = nil })
		},
	},
}

// told tells order-service of the target where its database is.
func (s *shop) told(host string) {
	s.Update(west, "order-service", func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "MODE", Value: "shop"}, {Name: "DB_HOST", Value: host}}
	})
}

// worker is a consumer that runs in one Region alone, one of those that deploy/rbac.yaml
// lets be scaled.
const worker = "notification-service"

func (s *shop) suspend(region string, suspended bool) {
	s.UpdateCronJob(region, nightly, func(j *batchv1.CronJob) { j.Spec.Suspend = &suspended })
}

var kinds = map[enginetest.Break]kubetest.Break{
	enginetest.LostAnswer: kubetest.LostAnswer, enginetest.Throttled: kubetest.Throttled, enginetest.Denied: kubetest.Denied,
	enginetest.Unreachable: kubetest.Unreachable, enginetest.Silent: kubetest.Silent, enginetest.ServerFault: kubetest.ServerFault,
}

func TestEveryChangeInARealCluster(t *testing.T) {
	s := open(t, kubetest.Objects)
	for name, a := range s.catalog {
		if a.Kind != runbook.Change || name[:5] != "kube." {
			continue
		}
		if _, known := changes[name]; !known {
			t.Errorf("there is no case for %s", name)
		}
	}
	for name, c := range changes {
		for _, operation := range c.operations {
			t.Run(name+" breaking "+operation, func(t *testing.T) {
				t.Parallel()
				enginetest.Action(t, func(t *testing.T) enginetest.Change {
					// Controllers write to the same objects, whenever they like: what that
					// does is tried in other tests, and here each call is counted.
					s := wired(t, kubetest.Objects)
					s.Seed(c.region, c.seed...)
					if c.host {
						s.told("shop.global-abc.global.rds.amazonaws.com")
					}
					for name, suspended := range c.jobs {
						s.Create(c.region, cronJob(name, suspended))
						s.consumers = []string{worker}
					}
					action, call := s.step(t, c.step)
					if call.Step.Uses != name {
						t.Fatalf("step %s uses %s, not %s", c.step, call.Step.Uses, name)
					}
					action.CallTimeout = 3 * time.Second // real time, and a call is answered in some milliseconds
					wire := s.Wire(c.region)
					change := enginetest.Change{
						Action: action, Call: call, Applied: wire.Applied,
						ByHand: func(*testing.T) { c.byHand(s) },
						Break:  func(_ *testing.T, b enginetest.Break) { wire.Break(operation, kinds[b], 1) },
						Blind:  func(_ *testing.T, b enginetest.Break) { wire.Break("", kinds[b], 0) },
						Settle: func(*testing.T) {}, Still: true,

						BreakUndo: func(_ *testing.T, b enginetest.Break) { wire.Break(operation, kinds[b], 1) },
						Meddle:    func(*testing.T) []string { c.meddle(s); return c.says },
					}
					if c.drop != nil {
						change.Drop = func(*testing.T) { c.drop(s) }
					}
					return change
				})
			})
		}
	}
}
