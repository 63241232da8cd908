// Package kube scales, restarts, fences and looks at the platform's Deployments.
//
// It speaks to each Region's cluster through the dynamic client. Every change is a
// compare-and-set by resourceVersion and sends only what is missing, so it may be
// asked for again after a lost answer. Autoscalers own the number of replicas:
// their minimum is raised before the Deployment, or they would undo it. With a
// cluster out of reach the action ends in an error that says so within its time;
// the cluster being left is never waited for longer than a fence's own deadline.
package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/kubeapi"
)

// fieldManager names us in the objects' managed fields.
const fieldManager = incident.Bot

var (
	deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	autoscalers = schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}
	nodes       = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	pods        = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	accounts    = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	cronJobs    = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "cronjobs"}
	events      = schema.GroupVersionResource{Version: "v1", Resource: "events"}
)

// Kube reaches the clusters of the platform's Regions.
type Kube struct {
	cluster func(region string) (kubeapi.Client, error)
	clock   incident.Clock
}

// New returns the clusters reached through cluster.
func New(cluster func(region string) (kubeapi.Client, error), clock incident.Clock) *Kube {
	return &Kube{cluster: cluster, clock: clock}
}

// in reaches the cluster of one of a run's Regions.
func (k *Kube) in(p *runbook.Plan, r runbook.Region) (kubeapi.Client, cluster, error) {
	own, err := clusterOf(p, r)
	if err != nil {
		return kubeapi.Client{}, own, err
	}
	c, err := k.cluster(r.Name)
	if err != nil {
		return kubeapi.Client{}, own, &incident.CallError{
			Err: fmt.Errorf("reach the cluster in %s: %w", r.Name, err), NeedsPerson: true,
			Hint: "check the Kubernetes settings of that Region",
		}
	}
	return c, own, nil
}

// reads are sent this often at most; each time the wait doubles.
const (
	attempts = 3
	pause    = 500 * time.Millisecond
)

// read sends a read until it is answered, an answer is final, or ctx ends.
func read[T any](ctx context.Context, clock incident.Clock, f func(ctx context.Context) (T, error)) (T, error) {
	wait := pause
	for try := 1; ; try++ {
		v, err := f(ctx)
		if err == nil {
			return v, nil
		}
		err = sorted(ctx, err, false)
		var fault *incident.CallError
		if try == attempts || !errors.As(err, &fault) || !fault.Retry {
			return v, err
		}
		if clock.Sleep(ctx, max(wait, fault.After)) != nil {
			return v, err
		}
		wait *= 2
	}
}

func (k *Kube) deployment(ctx context.Context, c dynamic.Interface, r cluster, name string) (*appsv1.Deployment, error) {
	u, err := read(ctx, k.clock, func(ctx context.Context) (*unstructured.Unstructured, error) {
		return c.Resource(deployments).Namespace(r.Namespace).Get(ctx, name, metav1.GetOptions{})
	})
	if err != nil {
		return nil, fmt.Errorf("read Deployment %s in %s: %w", name, r.Name, of(err, r))
	}
	return decode[appsv1.Deployment](u)
}

// deployments are all of the namespace of the services.
func (k *Kube) deployments(ctx context.Context, c dynamic.Interface, r cluster) ([]appsv1.Deployment, error) {
	all, err := list[appsv1.Deployment](ctx, k, c, deployments, r, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the Deployments in %s: %w", r.Name, err)
	}
	return all, nil
}

// autoscaler finds the autoscaler of a Deployment; nil when it has none.
func (k *Kube) autoscaler(ctx context.Context, c dynamic.Interface, r cluster, name string) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	all, err := list[autoscalingv2.HorizontalPodAutoscaler](ctx, k, c, autoscalers, r, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the autoscalers in %s: %w", r.Name, err)
	}
	for i, h := range all {
		if h.Spec.ScaleTargetRef.Kind == "Deployment" && h.Spec.ScaleTargetRef.Name == name {
			return &all[i], nil
		}
	}
	return nil, nil
}

// list reads everything of a kind in the Region's namespace, page by page, or in all
// where it names none; nodes belong to none.
func list[T any](ctx context.Context, k *Kube, c dynamic.Interface, gvr schema.GroupVersionResource, r cluster, o metav1.ListOptions) ([]T, error) {
	var from dynamic.ResourceInterface = c.Resource(gvr)
	if gvr != nodes {
		from = c.Resource(gvr).Namespace(r.Namespace)
	}
	o.Limit = 500
	var out []T
	for {
		page, err := read(ctx, k.clock, func(ctx context.Context) (*unstructured.UnstructuredList, error) {
			return from.List(ctx, o)
		})
		if err != nil {
			return nil, of(err, r)
		}
		for i := range page.Items {
			v, err := decode[T](&page.Items[i])
			if err != nil {
				return nil, err
			}
			out = append(out, *v)
		}
		if o.Continue = page.GetContinue(); o.Continue == "" {
			return out, nil
		}
	}
}

func decode[T any](u *unstructured.Unstructured) (*T, error) {
	v := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, v); err != nil {
		return nil, &incident.CallError{
			Err: fmt.Errorf("understand %s %s: %w", u.GetKind(), u.GetName(), err), NeedsPerson: true,
			Hint: "the cluster speaks another version of this object than the bot",
		}
	}
	return v, nil
}

// of says of an error whose cause is the cluster which cluster that is.
func of(err error, r cluster) error {
	if f, ok := errors.AsType[*incident.CallError](err); ok && f.Cause != nil {
		f.Cause.Region = r.Name
	}
	return err
}

// sorted answers what the engine asks of an error. Of a change nobody knows
// whether it happened when the answer is missing or a 5xx; a conflict means that
// it did not.
// See https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions .
func sorted(ctx context.Context, err error, change bool) error {
	if err == nil {
		return nil
	}
	f := &incident.CallError{Err: err}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		var dial *net.OpError
		switch cause := context.Cause(ctx); {
		case cause != nil:
			f.Err, f.Unknown = fmt.Errorf("no answer: %w", cause), change
			f.Cause = &incident.Cause{Says: "no answer from", System: "the cluster"}
		case errors.As(err, &dial) && dial.Op == "dial":
			f.Retry = true // no connection came about, so nothing was asked
			f.Cause = &incident.Cause{Says: "no connection to", System: "the cluster"}
		default:
			f.Unknown, f.Retry = change, !change
		}
		return f
	}
	if s, ok := apierrors.SuggestsClientDelay(err); ok {
		f.After = time.Duration(s) * time.Second
	}
	code := int(status.Status().Code)
	switch {
	case apierrors.IsTooManyRequests(err):
		f.Retry = true
		f.Cause = &incident.Cause{Says: "throttled by", System: "the cluster"}
	case apierrors.IsConflict(err):
		// Somebody else wrote in between: what we sent was not applied.
		f.Retry = true
		f.Hint = "somebody changed this object at the same moment"
	case apierrors.IsUnauthorized(err):
		f.NeedsPerson, f.Hint = true, "the cluster does not accept the bot's token: check its access entry"
		f.Cause = &incident.Cause{Says: "the bot's token is not accepted by", System: "the cluster"}
	case apierrors.IsForbidden(err):
		f.NeedsPerson, f.Hint = true, "the bot's role in the cluster may not do this: widen it, or do it by hand"
	case apierrors.IsNotFound(err):
		f.NeedsPerson, f.Hint = true, "compare the settings' namespace and services with the cluster"
	case code >= http.StatusInternalServerError || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err):
		f.Unknown, f.Retry = change, !change
		f.Cause = &incident.Cause{Says: "errors of its own from", System: "the cluster"}
	default:
		f.NeedsPerson = true
	}
	return f
}

func replicas(d *appsv1.Deployment) int {
	if d.Spec.Replicas == nil {
		return 1
	}
	return int(*d.Spec.Replicas)
}

func minimum(h *autoscalingv2.HorizontalPodAutoscaler) int {
	if h.Spec.MinReplicas == nil {
		return 1
	}
	return int(*h.Spec.MinReplicas)
}
