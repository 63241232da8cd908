package kubetest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	constants "k8s.io/apimachinery/pkg/util/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// Kubelet stands in for the kubelet of a node that has no other: the API server asks it to
// forward ports of pods, which it does to servers of the test. It speaks what a kubelet
// speaks, over TLS, and listens on loopback.
type Kubelet struct {
	mu    sync.Mutex
	ports map[string]string // pod:port -> address of who answers there
	asked []string
}

// Kubelet adds a node with one to a Region's cluster for this test, which must not run
// beside others.
func (p *Platform) Kubelet(region, name string) *Kubelet {
	p.t.Helper()
	k := &Kubelet{ports: map[string]string{}}
	server := httptest.NewTLSServer(http.HandlerFunc(k.serve))
	p.t.Cleanup(server.Close)
	addr, ok := server.Listener.Addr().(*net.TCPAddr)
	if !ok {
		p.t.Fatalf("the kubelet listens on %s", server.Listener.Addr())
	}
	n := node(region, name, region+"a", true)
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: addr.IP.String()}}
	n.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(addr.Port)
	p.addNode(region, n)
	return k
}

// Serve has a pod's port answered by a handler.
func (k *Kubelet) Serve(p *Platform, pod string, port int, h http.Handler) {
	server := httptest.NewServer(h)
	p.t.Cleanup(server.Close)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ports[pod+":"+strconv.Itoa(port)] = server.Listener.Addr().String()
}

// Asked are the connections that were asked for, as pod:port in order.
func (k *Kubelet) Asked() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.asked)
}

// serve forwards ports as a kubelet does: each connection is two streams, of data and of
// what is wrong.
func (k *Kubelet) serve(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/") // portForward/namespace/pod
	if len(path) < 3 || path[0] != "portForward" {
		http.NotFound(w, r)
		return
	}
	if _, err := httpstream.Handshake(r, w, []string{constants.PortForwardV1Name}); err != nil {
		return // it has been told
	}
	streams := make(chan httpstream.Stream, 8)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		streams <- s
		return nil
	})
	if conn == nil {
		return // it has been told
	}
	defer func() { _ = conn.Close() }() // the other side may have closed it
	var faults httpstream.Stream
	for {
		select {
		case s := <-streams:
			if s.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
				faults = s
			} else if faults != nil {
				go k.forward(path[2], s, faults)
			}
		case <-conn.CloseChan():
			return
		}
	}
}

func (k *Kubelet) forward(pod string, data, faults httpstream.Stream) {
	defer func() { _, _ = faults.Close(), data.Close() }() // the connection may be gone
	port := data.Headers().Get(corev1.PortHeader)
	k.mu.Lock()
	k.asked = append(k.asked, pod+":"+port)
	at, open := k.ports[pod+":"+port]
	k.mu.Unlock()
	if !open {
		_, _ = fmt.Fprintf(faults, "dial tcp4 127.0.0.1:%s: connect: connection refused", port) // as above
		return
	}
	to, err := net.Dial("tcp", at)
	if err != nil {
		_, _ = fmt.Fprint(faults, err) // as above
		return
	}
	defer func() { _ = to.Close() }()        // it has been read
	go func() { _, _ = io.Copy(to, data) }() // ends with the connection
	_, _ = io.Copy(data, to)
}
