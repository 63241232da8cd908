package kube

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Image is that of one container of a Deployment, init containers included.
type Image struct {
	Deployment, Container string
	// Reference is what the Deployment names: registry/repository:tag or @digest.
	Reference string
	// Running are what the Deployment's pods run, as registry/repository@digest, each
	// once; none where nothing runs.
	Running []string
}

// Images are those of all Deployments in the namespace of the services. Its errors are
// faults of a read.
func (k *Kube) Images(ctx context.Context, p *runbook.Plan, region runbook.Region) ([]Image, error) {
	client, r, err := k.in(p, region)
	if err != nil {
		return nil, err
	}
	var all []appsv1.Deployment
	var running []corev1.Pod
	err = k.together(
		func() (err error) { all, err = k.deployments(ctx, client, r); return err },
		func() (err error) {
			if running, err = list[corev1.Pod](ctx, k, client, pods, r, metav1.ListOptions{}); err != nil {
				return fmt.Errorf("list the pods in %s: %w", r.Name, err)
			}
			return nil
		},
	)
	if err != nil {
		return nil, err
	}
	return imagesOf(all, running), nil
}

// imagesOf are those of Deployments, with what their pods run.
func imagesOf(all []appsv1.Deployment, running []corev1.Pod) []Image {
	var out []Image
	for i := range all {
		d := &all[i]
		spec := d.Spec.Template.Spec
		for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
			out = append(out, Image{Deployment: d.Name, Container: c.Name, Reference: c.Image, Running: runs(running, d.Name, c.Name)})
		}
	}
	return out
}

// runs are the images by digest that a container of a Deployment runs.
func runs(all []corev1.Pod, deployment, container string) []string {
	var out []string
	for i := range all {
		if !ownedBy(&all[i], deployment) {
			continue
		}
		for _, s := range slices.Concat(all[i].Status.InitContainerStatuses, all[i].Status.ContainerStatuses) {
			if s.Name == container && s.ImageID != "" && !slices.Contains(out, s.ImageID) {
				out = append(out, s.ImageID)
			}
		}
	}
	slices.Sort(out)
	return out
}
