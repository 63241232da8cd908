package discover

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/failoverbot/failoverbot/providers/kubeapi"
)

// objects are what the clusters have of each kind; those of all namespaces are read, for
// which one of them the services are in is a question.
type objects struct {
	deployments told[appsv1.Deployment]
	autoscalers told[autoscalingv2.HorizontalPodAutoscaler]
	accounts    told[corev1.ServiceAccount]
	cronJobs    told[batchv1.CronJob]
	nodes       told[corev1.Node]
	schedules   told[unstructured.Unstructured]
	// What monitors them, and how it is reached.
	statefulSets told[appsv1.StatefulSet]
	services     told[corev1.Service]
	ingresses    told[ingress]
}

// objects reads those of a Region's cluster.
func (l *look) objects(ctx context.Context, region string, c Cluster) objects {
	var out objects
	client, err := l.Connect(region, c)
	if err != nil {
		l.missed(&Unread{Right: "the cluster", Region: region, Err: err})
		not := &Unread{Right: "the cluster", Region: region, Err: err}
		out.deployments.not, out.autoscalers.not, out.accounts.not, out.cronJobs.not, out.nodes.not, out.schedules.not = not, not, not, not, not, not
		out.statefulSets.not, out.services.not, out.ingresses.not = not, not, not
		return out
	}
	l.together(
		func() { out.deployments = list[appsv1.Deployment](ctx, l, client, region, "apps", "v1", "deployments") },
		func() {
			out.autoscalers = list[autoscalingv2.HorizontalPodAutoscaler](ctx, l, client, region, "autoscaling", "v2", "horizontalpodautoscalers")
		},
		func() {
			out.accounts = list[corev1.ServiceAccount](ctx, l, client, region, "", "v1", "serviceaccounts")
		},
		func() { out.cronJobs = list[batchv1.CronJob](ctx, l, client, region, "batch", "v1", "cronjobs") },
		func() { out.nodes = list[corev1.Node](ctx, l, client, region, "", "v1", "nodes") },
		func() {
			out.schedules = list[unstructured.Unstructured](ctx, l, client, region, "velero.io", "v1", "schedules")
		},
		func() {
			out.statefulSets = list[appsv1.StatefulSet](ctx, l, client, region, "apps", "v1", "statefulsets")
		},
		func() { out.services = list[corev1.Service](ctx, l, client, region, "", "v1", "services") },
		func() {
			out.ingresses = list[ingress](ctx, l, client, region, "networking.k8s.io", "v1", "ingresses")
		},
	)
	return out
}

// list reads all objects of a kind, page by page. A cluster that does not know a kind that
// was added to Kubernetes has none of it; its own kinds every API server knows.
func list[T any](ctx context.Context, l *look, client kubeapi.Client, region, group, version, resource string) told[T] {
	kind := schema.GroupVersionResource{Group: group, Version: version, Resource: resource}
	not := func(err error) told[T] {
		return told[T]{not: l.missed(&Unread{Right: "list " + kind.GroupResource().String(), Region: region, Refused: apierrors.IsForbidden(err), Err: err})}
	}
	ctx, stop := l.Clock.WithTimeout(ctx, patience, fmt.Errorf("not answered within %s", patience))
	defer stop()
	var out told[T]
	o := metav1.ListOptions{Limit: 500}
	for {
		page, err := client.Resource(kind).List(ctx, o)
		switch {
		case apierrors.IsNotFound(err) && strings.Contains(group, "."):
			return out
		case context.Cause(ctx) != nil:
			return not(fmt.Errorf("no answer: %w", context.Cause(ctx)))
		case err != nil:
			return not(err)
		}
		for i := range page.Items {
			var v T
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(page.Items[i].Object, &v); err != nil {
				return not(fmt.Errorf("understand %s %s: %w", resource, page.Items[i].GetName(), err))
			}
			out.all = append(out.all, v)
		}
		if next := page.GetContinue(); next == o.Continue && next != "" {
			return not(errSamePage)
		} else if o.Continue = next; next == "" {
			return out
		}
	}
}
