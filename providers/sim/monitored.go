package sim

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The kinds of what monitors a cluster, and of how that is reached.
var (
	statefulSetsGVR = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}
	servicesGVR     = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	ingressesGVR    = schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"}
)

const (
	monitoringNamespace = "monitoring"
	prometheusImage     = "quay.io/prometheus/prometheus:v3.5.0"
	grafanaImage        = "docker.io/grafana/grafana:12.1.0"
)

// part is an object's field with fields.
type part = map[string]any

// grafanaDeployments are that of Grafana, which is in the cluster beside the services.
func (r *Region) grafanaDeployments() []appsv1.Deployment {
	if r.Monitoring.Outside {
		return nil
	}
	labels := map[string]string{"app.kubernetes.io/name": "grafana"}
	return []appsv1.Deployment{{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Name: "grafana", Namespace: monitoringNamespace, UID: uidOf(r.Name, "deployment", "grafana"), Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr(int32(1)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{
				{Name: "grafana", Image: grafanaImage, Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 3000}}},
			}}},
		},
		Status: appsv1.DeploymentStatus{Replicas: 1, ReadyReplicas: 1, AvailableReplicas: 1, UpdatedReplicas: 1},
	}}
}

// monitoringObjects are the others of a kind: the StatefulSet of Prometheus, the Services of
// both, and the Ingress through which both answer under the Region's monitoringHost.
func (r *Region) monitoringObjects(list string) []unstructured.Unstructured {
	if r.Monitoring.Outside {
		return nil
	}
	service := func(name string, port, target int64) unstructured.Unstructured {
		return r.monitoringObject("v1", "Service", name, part{
			"type": "ClusterIP", "clusterIP": "172.20.0.10", "selector": part{"app.kubernetes.io/name": name},
			"ports": []any{part{"name": "http", "port": port, "targetPort": target, "protocol": "TCP"}},
		})
	}
	switch list {
	case kubeKinds[statefulSetsGVR]:
		labels := part{"app.kubernetes.io/name": "prometheus"}
		return []unstructured.Unstructured{r.monitoringObject("apps/v1", "StatefulSet", "prometheus", part{
			"replicas": int64(1), "selector": part{"matchLabels": labels}, "serviceName": "prometheus",
			"template": part{"metadata": part{"labels": labels}, "spec": part{"containers": []any{
				part{"name": "prometheus", "image": prometheusImage, "ports": []any{part{"name": "web", "containerPort": int64(9090)}}},
			}}},
		})}
	case kubeKinds[servicesGVR]:
		return []unstructured.Unstructured{service("prometheus", 9090, 9090), service("grafana", 80, 3000)}
	case kubeKinds[ingressesGVR]:
		to := func(path, name string, port int64) part {
			return part{"path": path, "pathType": "Prefix", "backend": part{"service": part{"name": name, "port": part{"number": port}}}}
		}
		return []unstructured.Unstructured{r.monitoringObject("networking.k8s.io/v1", "Ingress", "monitoring", part{
			"rules": []any{part{"host": monitoringHost(r.Name), "http": part{"paths": []any{to("/api/v1", "prometheus", 9090), to("/", "grafana", 80)}}}},
		})}
	}
	return nil
}

func (r *Region) monitoringObject(version, kind, name string, spec part) unstructured.Unstructured {
	return unstructured.Unstructured{Object: part{
		"apiVersion": version, "kind": kind, "spec": spec,
		"metadata": part{"name": name, "namespace": monitoringNamespace, "uid": string(uidOf(r.Name, kind, name))},
	}}
}

// listOf is a list as the API has it.
func listOf(of schema.GroupVersion, kind string, items []unstructured.Unstructured) *unstructured.UnstructuredList {
	out := &unstructured.UnstructuredList{Items: items}
	out.SetAPIVersion(of.String())
	out.SetKind(kind)
	return out
}
