package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// What a pod asks for is what the scheduler counts.
func TestAPodAsksForWhatTheSchedulerCounts(t *testing.T) {
	asks := func(cpu string) corev1.Container {
		return corev1.Container{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}}}
	}
	sidecar := func(cpu string) corev1.Container {
		c, always := asks(cpu), corev1.ContainerRestartPolicyAlways
		c.RestartPolicy = &always
		return c
	}
	for name, c := range map[string]struct {
		pod  corev1.PodSpec
		want string
	}{
		"nothing":                        {corev1.PodSpec{Containers: []corev1.Container{{}}}, "0"},
		"containers run together":        {corev1.PodSpec{Containers: []corev1.Container{asks("500m"), asks("250m")}}, "750m"},
		"an init container runs alone":   {corev1.PodSpec{InitContainers: []corev1.Container{asks("100m"), asks("2")}, Containers: []corev1.Container{asks("500m")}}, "2"},
		"a small one does not count":     {corev1.PodSpec{InitContainers: []corev1.Container{asks("100m")}, Containers: []corev1.Container{asks("500m")}}, "500m"},
		"a sidecar stays":                {corev1.PodSpec{InitContainers: []corev1.Container{sidecar("100m")}, Containers: []corev1.Container{asks("500m")}}, "600m"},
		"and runs beside what follows":   {corev1.PodSpec{InitContainers: []corev1.Container{sidecar("100m"), asks("1")}, Containers: []corev1.Container{asks("500m")}}, "1100m"},
		"but not beside what went ahead": {corev1.PodSpec{InitContainers: []corev1.Container{asks("1"), sidecar("100m")}, Containers: []corev1.Container{asks("500m")}}, "1"},
		"overhead": {corev1.PodSpec{
			Containers: []corev1.Container{asks("500m")}, Overhead: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m")},
		}, "550m"},
		"of the pod as a whole": {corev1.PodSpec{
			Containers: []corev1.Container{asks("500m")}, Resources: &corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("3")}},
		}, "3"},
	} {
		got := requests(c.pod)
		if want := resource.MustParse(c.want); got.Cpu().Cmp(want) != 0 || got.Pods().Value() != 1 {
			t.Errorf("%s: %s CPU and %s pods, want %s", name, got.Cpu(), got.Pods(), c.want)
		}
	}
}
