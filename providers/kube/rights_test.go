//go:build real

package kube_test

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/failoverbot/failoverbot/providers/kube/kubetest"
)

// looking and doing are the two halves of a step that a right may be needed for.
const (
	looking = "look"
	doing   = "do"
)

// needs has an entry for each right that deploy/rbac.yaml gives: the steps that end in
// an error without it, and what that error says.
var needs = map[kubetest.Right]struct {
	of   map[string]string // step -> looking or doing
	says []string
	// unused says why nothing ends in an error.
	unused string
}{
	{Verb: "get", Group: "apps", Resource: "deployments"}: {
		of:   map[string]string{"scale/user-service": looking, "rolled-out/user-service": looking, "restart/user-service": looking, "restarted/user-service": looking, "fence-writers": looking},
		says: []string{`cannot get resource "deployments" in API group "apps" in the namespace`},
	},
	{Verb: "list", Group: "apps", Resource: "deployments"}: {
		of:   map[string]string{"nodes": looking, "room": looking, "deployments": looking, "roles": looking, "images": looking, "drift": looking},
		says: []string{"list the Deployments in us-", `cannot list resource "deployments" in API group "apps"`},
	},
	{Verb: "list", Resource: "pods"}: {
		of:   map[string]string{"room": looking, "images": looking, "drift": looking, "restarted/user-service": looking},
		says: []string{"list the pods ", `cannot list resource "pods" in API group ""`},
	},
	{Verb: "list", Resource: "events"}: {unused: "why pods wait for a node is a help for people and left out where it cannot be read"},
	{Verb: "get", Group: "apps", Resource: "deployments/scale"}: {
		unused: "the scale is written without being read: the Deployment says how large it is",
	},
	{Verb: "patch", Group: "apps", Resource: "deployments/scale"}: {
		of:   map[string]string{"scale/user-service": doing, "fence-writers": doing},
		says: []string{`cannot patch resource "deployments/scale" in API group "apps"`},
	},
	{Verb: "patch", Group: "apps", Resource: "deployments"}: {
		of:   map[string]string{"restart/user-service": doing},
		says: []string{"restart user-service in us-west-2", `cannot patch resource "deployments" in API group "apps"`},
	},
	{Verb: "get", Group: "autoscaling", Resource: "horizontalpodautoscalers"}: {
		unused: "an autoscaler is found by what it scales, so they are listed",
	},
	{Verb: "list", Group: "autoscaling", Resource: "horizontalpodautoscalers"}: {
		of:   map[string]string{"drift": looking, "scale/user-service": looking, "rolled-out/user-service": looking, "restarted/user-service": looking},
		says: []string{"list the autoscalers in us-", `cannot list resource "horizontalpodautoscalers" in API group "autoscaling"`},
	},
	{Verb: "patch", Group: "autoscaling", Resource: "horizontalpodautoscalers"}: {
		of:   map[string]string{"scale/user-service": doing},
		says: []string{"raise the minimum of autoscaler user-service in us-west-2 to 6", `cannot patch resource "horizontalpodautoscalers" in API group "autoscaling"`},
	},
	{Verb: "list", Group: "velero.io", Resource: "backups"}: {
		of:   map[string]string{"backup": looking},
		says: []string{"list the backups in namespace", "in us-west-2", `cannot list resource "backups" in API group "velero.io"`},
	},
	{Verb: "list", Group: "velero.io", Resource: "backupstoragelocations"}: {
		of:   map[string]string{"backup": looking},
		says: []string{"list the backupstoragelocations in namespace", `cannot list resource "backupstoragelocations" in API group "velero.io"`},
	},
	{Verb: "list", Group: "batch", Resource: "cronjobs"}: {
		of:   map[string]string{"jobs": looking, "suspend-jobs": looking},
		says: []string{"list the CronJobs in us-", `cannot list resource "cronjobs" in API group "batch"`},
	},
	{Verb: "patch", Group: "batch", Resource: "cronjobs"}: {
		of:   map[string]string{"suspend-jobs": doing},
		says: []string{"in us-east-1 not all were suspended", `cannot patch resource "cronjobs" in API group "batch"`},
	},
	{Verb: "get", Group: "argoproj.io", Resource: "applications"}:                   {unused: unread},
	{Verb: "get", Group: "kustomize.toolkit.fluxcd.io", Resource: "kustomizations"}: {unused: unread},
	{Verb: "get", Group: "helm.toolkit.fluxcd.io", Resource: "helmreleases"}:        {unused: unread},
	{Verb: "get", Group: "keda.sh", Resource: "scaledobjects"}:                      {unused: unread},
	{Verb: "list", Resource: "configmaps"}: {
		of:   map[string]string{"drift": looking},
		says: []string{"list the ConfigMaps in us-", `cannot list resource "configmaps" in API group ""`},
	},
	{Verb: "list", Resource: "serviceaccounts"}: {
		of:   map[string]string{"roles": looking},
		says: []string{"list the service accounts in us-west-2", `cannot list resource "serviceaccounts" in API group ""`},
	},
	{Verb: "get", Resource: "/.well-known/openid-configuration"}: {
		of:   map[string]string{"roles": looking},
		says: []string{"ask the API server in us-west-2 how it signs tokens", `cannot get path "/.well-known/openid-configuration"`},
	},
	{Verb: "get", Resource: "services/proxy"}:      {unused: "Prometheus and Jaeger are asked at their own addresses first, and by way of the API server where nobody answers there"},
	{Verb: "get", Resource: "pods/portforward"}:    {unused: "it is tried where there is an istiod: TestARealForwardWithoutTheRightNamesIt"},
	{Verb: "create", Resource: "pods/portforward"}: {unused: "it is tried where there is an istiod: TestARealForwardWithoutTheRightNamesIt"},
	{Verb: "get", Resource: "/readyz"}:             {unused: "Kubernetes lets everybody read it, unless an operator has taken that away"},
	{Verb: "list", Resource: "nodes"}: {
		of:   map[string]string{"nodes": looking, "room": looking},
		says: []string{"list the nodes in us-west-2", `cannot list resource "nodes" in API group "" at the cluster scope`},
	},
}

const unread = "what may not be read is taken to set the change back: TestAControllerThatMayNotBeReadIsTakenToSetBack"

// everything are the steps that touch the clusters, in an order in which they pass.
var everything = []string{
	"nodes", "room", "deployments", "jobs", "roles", "images", "drift", "backup", "scale/user-service", "rolled-out/user-service", "fence-writers", "suspend-jobs", "restart/user-service", "restarted/user-service",
}

func TestEachRealRightIsNeededAndItsAbsenceIsNamed(t *testing.T) {
	given, err := kubetest.Rights()
	if err != nil {
		t.Fatal(err)
	}
	for right := range needs {
		if !slices.Contains(given, right) {
			t.Errorf("the bot needs %s, and deploy/rbac.yaml does not give it", right)
		}
	}
	for _, right := range given {
		need, known := needs[right]
		if !known {
			t.Errorf("deploy/rbac.yaml gives %s, and no case says what it is for", right)
			continue
		}
		t.Run(right.String(), func(t *testing.T) {
			t.Parallel()
			s := standby(t, right)
			s.Seed(east, kubetest.Home...)
			s.Create(east, cronJob(nightly, false))
			s.Create(west, cronJob(nightly, true))
			s.Velero(west)
			s.StorageLocation(west, west, "Available")
			s.Backup(west, schedule, "newest", "Completed", s.clock.Now().Add(-time.Minute))
			for _, step := range everything {
				switch need.of[step] {
				case looking:
					s.Wait(step+" comes to what it needs the right for", func() bool {
						_, ok, err := s.look(t, step)
						if ok || err != nil {
							s.denied(t, step, err, need.says)
						}
						return ok || err != nil
					})
				case doing:
					_, err := s.do(t, step)
					s.denied(t, step, err, need.says)
				default:
					s.passes(t, step)
				}
			}
		})
	}
}

// denied fails the test unless the step ended in an error for a person that names the
// right which is missing.
func (s *shop) denied(t *testing.T, step string, err error, parts []string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s passed without the right", step)
		return
	}
	f := fault(t, err)
	if !f.NeedsPerson || f.Retry || f.Unknown {
		t.Errorf("%s: %v: %s", step, err, told(f))
	}
	says(t, step, err.Error(), append(parts, `User "failoverbot"`)...)
	says(t, "the hint of "+step, f.Hint, "the bot's role in the cluster may not do this")
}

// passes fails the test unless the step does what it does with all rights. A step that
// follows one that was denied may wait for ever, and must not be denied itself.
func (s *shop) passes(t *testing.T, step string) {
	t.Helper()
	a, _ := s.step(t, step)
	if a.Do != nil {
		s.carryOut(t, step)
		return
	}
	if _, _, err := s.look(t, step); err != nil && !fault(t, err).Definite {
		t.Errorf("%s: %v", step, err)
	}
}

// Which pods wait for a node, and why, is told where it can be read.
func TestWithoutTheRightToListEventsTheReasonIsLeftOut(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Rollouts, kubetest.Right{Verb: "list", Resource: "events"})
	d := kubetest.Service{Name: "order-service", Replicas: 6}.Deployment()
	d.Spec.Template.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("500")
	s.Create(west, d)
	s.Wait("the pods are there", func() bool { return s.Deployment(west, "order-service").Status.UpdatedReplicas == 6 })
	o, ok, err := s.look(t, "rolled-out/order-service")
	if err != nil || ok {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	if want := "order-service in us-west-2: 0 of 6 available; 6 of 6 pods are pending"; o.Summary != want {
		t.Errorf("it says %q, want %q", o.Summary, want)
	}
}

// A namespace that the settings have wrong is one where the bot may do nothing, so the
// API server does not say whether it is there.
func TestANamespaceThatIsWrongInTheSettingsIsNamed(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Objects)
	s.namespace = "ecommerce-prdo"
	for _, step := range []string{"deployments", "scale/order-service"} {
		_, _, err := s.look(t, step)
		if f := fault(t, err); !f.NeedsPerson || f.Retry || f.Unknown {
			t.Errorf("%s: %v: %s", step, err, told(f))
		}
		says(t, step, err.Error(), `in the namespace "ecommerce-prdo"`)
	}
}

func TestTheBotMayDoNothingElse(t *testing.T) {
	t.Parallel()
	s := open(t, kubetest.Objects)
	s.Seed(west, kubetest.Service{Name: "order-service", Replicas: 2}, kubetest.Service{Name: "search-service", Replicas: 2})
	bot, err := s.client(west)
	if err != nil {
		t.Fatal(err)
	}
	here := bot.Resource(kubetest.Deployments).Namespace(s.Namespace)
	secrets := schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	for what, f := range map[string]func() error{
		"delete a Deployment": func() error {
			return here.Delete(t.Context(), "order-service", metav1.DeleteOptions{})
		},
		"scale a Deployment that is none of the platform's": func() error {
			_, err := here.Patch(t.Context(), "search-service", "application/merge-patch+json", []byte(`{"spec":{"replicas":0}}`), metav1.PatchOptions{}, "scale")
			return err
		},
		"change a Deployment that is none of the platform's": func() error {
			_, err := here.Patch(t.Context(), "search-service", "application/merge-patch+json", []byte(`{"spec":{"paused":true}}`), metav1.PatchOptions{})
			return err
		},
		"read a secret": func() error {
			_, err := bot.Resource(secrets).Namespace(s.Namespace).List(t.Context(), metav1.ListOptions{})
			return err
		},
		"look into another namespace": func() error {
			_, err := bot.Resource(kubetest.Deployments).Namespace("kube-system").List(t.Context(), metav1.ListOptions{})
			return err
		},
		"cordon a node": func() error {
			_, err := bot.Resource(kubetest.Nodes).Patch(t.Context(), "us-west-2-node-0", "application/merge-patch+json", []byte(`{"spec":{"unschedulable":true}}`), metav1.PatchOptions{})
			return err
		},
	} {
		if err := f(); !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if d := s.Deployment(west, "search-service"); *d.Spec.Replicas != 2 || d.Spec.Paused {
		t.Errorf("search-service has %d replicas, paused %t", *d.Spec.Replicas, d.Spec.Paused)
	}
}
