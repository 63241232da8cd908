package kube

import (
	"context"
	"fmt"
	"net"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Pods are those of the services of a run in a Region that run or are to, by the
// Deployments that own them. Its errors are faults of a read.
func (k *Kube) Pods(ctx context.Context, p *runbook.Plan, region runbook.Region) ([]corev1.Pod, error) {
	client, r, err := k.in(p, region)
	if err != nil {
		return nil, err
	}
	all, err := list[corev1.Pod](ctx, k, client, pods, r, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the pods in %s: %w", r.Name, err)
	}
	var out []corev1.Pod
	for i := range all {
		pod := &all[i]
		if pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		for _, s := range p.Topology.Services {
			if ownedBy(pod, s.Name) {
				out = append(out, *pod)
				break
			}
		}
	}
	return out, nil
}

// Forward opens a connection to a port of a pod by way of the API server, which needs the
// right to get and to create pods/portforward in that namespace. It ends with ctx. Its
// errors are faults of a read.
func (k *Kube) Forward(ctx context.Context, p *runbook.Plan, region runbook.Region, namespace, pod string, port int) (net.Conn, error) {
	client, own, err := k.in(p, region)
	if err != nil {
		return nil, err
	}
	conn, err := read(ctx, k.clock, func(ctx context.Context) (net.Conn, error) { return client.Forward(ctx, namespace, pod, port) })
	if err != nil {
		return nil, fmt.Errorf("create pods/portforward to port %d of %s/%s in %s: %w", port, namespace, pod, region.Name, of(err, own))
	}
	return conn, nil
}
