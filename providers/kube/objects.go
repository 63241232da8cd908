package kube

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Objects are those of a kind in a namespace of a Region's cluster, which may be none of
// Kubernetes' own; labels select among them, and empty is everything. Its errors are faults
// of a read.
func (k *Kube) Objects(ctx context.Context, p *runbook.Plan, region runbook.Region, kind schema.GroupVersionResource, namespace, labels string) ([]unstructured.Unstructured, error) {
	client, r, err := k.in(p, region)
	if err != nil {
		return nil, err
	}
	r.Namespace = namespace
	all, err := list[unstructured.Unstructured](ctx, k, client, kind, r, metav1.ListOptions{LabelSelector: labels})
	if err != nil {
		return nil, fmt.Errorf("list the %s in namespace %s in %s: %w", kind.Resource, namespace, r.Name, err)
	}
	return all, nil
}

// Create makes an object that may be none of Kubernetes' own in a Region's cluster, once.
// Its errors are faults of a change, and hold what the API server said.
func (k *Kube) Create(ctx context.Context, p *runbook.Plan, region runbook.Region, kind schema.GroupVersionResource, object *unstructured.Unstructured) error {
	client, r, err := k.in(p, region)
	if err != nil {
		return err
	}
	_, err = client.Resource(kind).Namespace(object.GetNamespace()).Create(ctx, object, metav1.CreateOptions{FieldManager: fieldManager})
	if err != nil {
		return fmt.Errorf("create the %s %s in namespace %s in %s: %w", object.GetKind(), object.GetName(), object.GetNamespace(), r.Name, of(sorted(ctx, err, true), r))
	}
	return nil
}

// Namespace is that of the services in a Region's cluster.
func (*Kube) Namespace(p *runbook.Plan, region runbook.Region) (string, error) {
	r, err := clusterOf(p, region)
	return r.Namespace, err
}
