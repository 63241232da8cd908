package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	istioNamespace = "istio-system"
	istioVersion   = "1.27.1"
	istiodPort     = 15014
	// istiods are how many of it a cluster has.
	istiods = 2
)

// Mesh is a Region's Istio. Its zero value is one in which all is well. Services are named
// for all of their pods.
type Mesh struct {
	// Absent: there is no mesh, neither istiod nor a proxy. Stopped: no istiod runs.
	Absent  bool `json:"absent,omitempty"`
	Stopped bool `json:"stopped,omitempty"`
	// Classic proxies are containers like the others.
	Classic bool `json:"classic,omitempty"`
	// Bare services have pods without a proxy, LeftOut ones on purpose.
	Bare    []string `json:"bare,omitempty"`
	LeftOut []string `json:"left_out,omitempty"`
	// Unconnected services have proxies that no istiod knows. Of Behind ones istiod has sent
	// more of that kind (cluster, listener, endpoint or route) than they have taken on; with
	// no kind, it has sent nothing yet.
	Unconnected []string          `json:"unconnected,omitempty"`
	Behind      map[string]string `json:"behind,omitempty"`
	// Versions are those of services that have another one than istiod.
	Versions map[string]string `json:"versions,omitempty"`
	// Says is what istiod answers in place of all else.
	Says string `json:"says,omitempty"`
}

func istiodName(i int) string { return fmt.Sprintf("istiod-7d8f9c6b5-%c%c", 'a'+i, 'k'+i) }

// istiodPods are those of istiod.
func (r *Region) istiodPods() []corev1.Pod {
	out := []corev1.Pod{}
	for i := range istiods {
		phase := corev1.PodRunning
		if r.Mesh.Stopped {
			phase = corev1.PodPending
		}
		if !r.Mesh.Absent {
			out = append(out, corev1.Pod{
				TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
				ObjectMeta: metav1.ObjectMeta{Name: istiodName(i), Namespace: istioNamespace, UID: uidOf(r.Name, istiodName(i)), Labels: map[string]string{"app": "istiod", "istio.io/rev": "default"}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "discovery", Image: "docker.io/istio/pilot:" + istioVersion}}},
				Status:     corev1.PodStatus{Phase: phase},
			})
		}
	}
	return out
}

// inject adds the proxy to a pod.
func (m Mesh) inject(o *corev1.Pod, p *Pod) {
	switch {
	case m.Absent || slices.Contains(m.Bare, p.Service):
		return
	case slices.Contains(m.LeftOut, p.Service):
		o.Labels["sidecar.istio.io/inject"] = "false"
		return
	}
	c := corev1.Container{Name: "istio-proxy", Image: "docker.io/istio/proxyv2:" + istioVersion}
	status := corev1.ContainerStatus{Name: c.Name, Image: c.Image, Ready: true, Started: ptr(true), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: o.CreationTimestamp}}}
	runs := o.Status.Phase == corev1.PodRunning
	if m.Classic {
		o.Spec.Containers = append(o.Spec.Containers, c)
		if runs {
			o.Status.ContainerStatuses = append(o.Status.ContainerStatuses, status)
		}
		return
	}
	c.RestartPolicy = ptr(corev1.ContainerRestartPolicyAlways)
	o.Spec.InitContainers = append(o.Spec.InitContainers, c)
	if runs {
		o.Status.InitContainerStatuses = append(o.Status.InitContainerStatuses, status)
	}
}

// syncz is what one istiod says of the proxies that are connected to it.
func (s *State) syncz(region string, istiod int) (int, any) {
	r := s.Regions[region]
	m := r.Mesh
	if m.Says != "" {
		return http.StatusOK, json.RawMessage(m.Says)
	}
	out := []any{}
	for _, p := range r.Pods {
		if p.Nth%istiods != istiod || p.Node == "" || slices.Contains(m.Unconnected, p.Service) || slices.Contains(m.Bare, p.Service) || slices.Contains(m.LeftOut, p.Service) {
			continue
		}
		one := map[string]any{"cluster_id": "Kubernetes", "proxy": p.Name + "." + namespace, "proxy_type": "sidecar", "istio_version": istioVersion}
		if v, is := m.Versions[p.Service]; is {
			one["istio_version"] = v
		}
		behind, is := m.Behind[p.Service]
		for _, kind := range []string{"cluster", "listener", "endpoint", "route"} {
			nonce := fmt.Sprintf("%s-%d", kind, p.Nth)
			if is && behind == "" {
				break
			}
			if kind == "route" && behind != kind && p.Service == "notification-service" {
				continue // it calls nobody over HTTP, so there is nothing to send
			}
			one[kind+"_sent"], one[kind+"_acked"] = nonce, nonce
			if behind == kind {
				one[kind+"_sent"] = nonce + "-newer"
			}
		}
		out = append(out, one)
	}
	return http.StatusOK, out
}

// listenIstiod is the debug port of each istiod of a Region.
func (w *World) listenIstiod(region string) error {
	for i := range istiods {
		name := istiodServer(region, i)
		l, err := w.listenTCP(name)
		if err != nil {
			return err
		}
		w.servers.listen[name] = l.Addr()
		mux := http.NewServeMux()
		mux.HandleFunc("GET /debug/syncz", w.serve(region, viaOwn, "/debug/syncz", false, func(s *State, _ *http.Request, _ []byte) (int, any, bool) {
			code, out := s.syncz(region, i)
			return code, out, false
		}))
		server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
		w.servers.wait.Go(func() { _ = server.Serve(l) }) // always ErrServerClosed
		w.servers.close = append(w.servers.close, server.Close)
	}
	return nil
}

func istiodServer(region string, i int) string { return fmt.Sprintf("istiod %s %d", region, i) }

// forward is the API server's way to a port of a pod: of istiod's, and of no other.
func (k *kube) forward(ctx context.Context, ns, pod string, port int) (net.Conn, error) {
	at := -1
	for i := range istiods {
		if istiodName(i) == pod {
			at = i
		}
	}
	c := Call{System: "kubernetes", Operation: "create pods/portforward", Region: k.region, Target: pod}
	err := k.w.call(ctx, c, 20*time.Millisecond, 60*time.Millisecond, func(s *State) (bool, error) {
		if r := s.Regions[k.region]; r == nil || r.Mesh.Absent || at < 0 || ns != istioNamespace {
			return false, apierrors.NewNotFound(podsGVR.GroupResource(), pod)
		}
		return false, nil
	})
	if err != nil {
		return nil, asKube(ctx, k.region, podsGVR.GroupResource(), err, "create", "pods/portforward", pod)
	}
	if port != istiodPort {
		return nil, fmt.Errorf("port %d of %s: connection refused", port, pod)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", k.w.address(istiodServer(k.region, at)))
}
